"""What the checker asks where a mistake shows elsewhere than it is: the question leads to it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from kit import EXACTLY, ROOT, UNIX, checker

sys.path.insert(0, str(ROOT / "lessons"))
import check

ROOM = (
    """
import signal, socket, sys, threading, time
everybody = []
"""
    + EXACTLY
    + """def read(sock):
    data = exactly(sock, int(exactly(sock, 10)))
    return b"%-10d%b" % (len(data), data)
def serve(sock):
    try:
        name = read(sock)
        everybody.append(sock)
        while True:
            say(name + read(sock))
    except (EOFError, OSError, ValueError):
        pass
    leave(sock)
    sock.close()
def say(data):
    for sock in [*everybody]:
        try:
            sock.sendall(data)
        except OSError:
            pass
def leave(sock):
    if sock in everybody:
        everybody.remove(sock)
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1])), backlog=100)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
)
CLIENT = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[-1])))
for line in sys.stdin:
    data = line.strip().encode()
    while len(data) > 3:
        print("more")
    sock.sendall(b"%-10d%b" % (len(data), data))
"""
ENDS_BY_SENDING = [
    ("        except OSError:\n            pass\ndef", "        finally:\n            pass\ndef")
]
LEAVES = "    leave(sock)\n    sock.close()\n"
A_LOCK = ("everybody = []\n", "everybody = []\nlock = threading.Lock()\n")
SAYS = "            say(name + read(sock))\n"
NOTES_WHO_ASKS = """\
            text = read(sock)
            asked = asked or b"?" in text
            say(name + text)
"""
COUNTS_LETTERS = """\
    header = exactly(sock, 10)
    if not header.strip().isdigit():
        sock.sendall(b"6         server16        bye wrong header")
        raise EOFError
    data = exactly(sock, int(header))
    while len(data.decode(errors="replace")) < int(header):
        data += exactly(sock, 1)
"""
SENDS_NO_MORE = (
    "        except OSError:\n            pass\ndef",
    "        except OSError:\n            break\ndef",
)
ASKS = {  # case -> (what is changed, what the checker says)
    "sending ends whoever sends, and who leaves is sent to for a while": (
        [*ENDS_BY_SENDING, (LEAVES, "    sock.close()\n    time.sleep(1)\n    leave(sock)\n")],
        ["hung up on ada2 without", "sends to somebody who has just left?", "(symptom 12)"],
    ),
    "the same, but only who has asked something is sent to later": (
        [
            *ENDS_BY_SENDING,
            ("def serve(sock):\n", "def serve(sock):\n    asked = False\n"),
            ("            say(name + read(sock))\n", NOTES_WHO_ASKS),
            (LEAVES, "    if not asked:\n        leave(sock)\n    sock.close()\n"),
        ],
        ["where nobody has left before", "sends to somebody who has just left?", "(symptom 12)"],
    ),
    "it has too little room": (
        [("    return b", "    if len(data) > 1500:\n        raise ValueError\n    return b")],
        ["hung up on", "where has your program room for less?", "(symptom 6)"],
    ),
    "it ends after five clients, and says nothing": (
        [("while True:\n    threading", "for _ in range(5):\n    threading")],
        ["has ended with exit code 0", "What lets your program come to its end here"],
    ),
    "who has left is on the list for a while, and sending stops at him": (
        [
            SENDS_NO_MORE,
            (LEAVES, "    sock.close()\n    time.sleep(3)\n    leave(sock)\n"),
        ],
        ["is not the first one", "sends to somebody who has just left?", "(symptom 12)"],
    ),
    "a header counts itself": (
        [('b"%-10d%b" % (len(data), data)', 'b"%-10d%b" % (len(data) + 10, data)')],
        ["came what is no frame", "what exactly does it count?"],
    ),
    "letters are read in another encoding": (
        [("    return b", "    data = data.decode('latin-1').encode()\n    return b")],
        ["Who chose the encoding there", "(symptom 27)"],
    ),
    "spaces at the end are taken off": (
        [("    return b", "    data = data.strip()\n    return b")],
        ["Which lines do something to a text between reading and sending it?"],
    ),
    "a name is read before each message": (
        [(SAYS, f"            name = read(sock)\n{SAYS}")],
        [
            "to ada: any answer but nothing came until more was said",
            "What did your program wait for",
        ],
    ),
    "not all of a long text is sent": (
        [("sock.sendall(data)", "sock.send(data[:1500])")],
        ["How much does send() take at once, and who sends the rest?", "(symptom 6)"],
    ),
    "what is long is seen only once more comes": (
        [
            (
                "    return b",
                "    if len(data) > 4096:\n        sock.recv(1, socket.MSG_PEEK)\n    return b",
            )
        ],
        [
            "it came once more was said",
            "or keep in a buffer, until more was said?",
            "(symptom 6)",
        ],
    ),
    "what it writes stays where it is": (
        [("            sock.sendall(data)\n", "            len(data)\n")],
        ["does not answer yet", "does it ever run, and does that leave at once?"],
    ),
    "it counts letters, and finds fault with what then looks like a header": (
        [("    data = exactly(sock, int(exactly(sock, 10)))\n", COUNTS_LETTERS)],
        ["hung up on zo", "What does a header count, in what you send and in what you read"],
    ),
    "it finds fault with letters beyond ASCII": (
        [
            (
                SAYS,
                "            text = read(sock)\n            if text.isascii():\n"
                "                say(name + text)\n            else:\n"
                "                sock.sendall(b'6         server13        error too odd')\n",
            )
        ],
        ["after the notice `error too odd`", "Which line of your program says that"],
    ),
    "it counts an emoji as two letters, and says so": (
        [
            (
                SAYS,
                "            text = read(sock)\n"
                "            if len(text[10:].decode().encode('utf-16-le')) <= 4000:\n"
                "                say(name + text)\n            else:\n"
                "                sock.sendall(b'6         server14        error too long')\n",
            )
        ],
        ["came only the notice `error too long`", "what does it find wrong with this text?"],
    ),
    "half a header lies where all others put theirs": (
        [
            ("everybody = []\n", "everybody = []\nhalf = [b'']\n"),
            (LEAVES, f"    half[0] = b''\n{LEAVES}"),
            (
                "        data += chunk\n    return data\n",
                "        data += chunk\n        if size == 10:\n"
                "            data = half[0] = half[0] + chunk\n"
                "    if size == 10:\n        half[0] = b''\n    return data[:size]\n",
            ),
        ],
        ["Where do you keep what is one client's own", "symptom 6"],
    ),
    "who leaves takes all halves of frames along": (
        [
            ("everybody = []\n", "everybody = []\nhalf = {}\n"),
            (
                '    data = b""\n    while len(data) < size:\n',
                '    data = half[sock] = b""\n    while len(data) < size:\n',
            ),
            (
                "        data += chunk\n",
                "        data = half[sock] = half.get(sock, b'') + chunk\n",
            ),
            (
                "        everybody.remove(sock)\n",
                "        time.sleep(0.3)  # cyd's half has been read by then\n"
                "        everybody.remove(sock)\n        half.clear()\n",
            ),
        ],
        ["the rest of cyd's frame", "Where do you keep what is one client's own", "symptom 6"],
    ),
    "it takes one frame of all that come at once, the next one when more comes": (
        [
            ("everybody = []\n", "everybody = []\nrest = {}\n"),
            (
                "    data = exactly(sock, int(exactly(sock, 10)))\n",
                "    while True:\n"
                "        chunk = sock.recv(9999)\n"
                "        rest[sock] = rest.get(sock, b'') + chunk\n"
                "        if not chunk:\n            raise EOFError\n"
                "        end = 10 + int(rest[sock][:10])\n"
                "        if len(rest[sock]) >= end:\n            break\n"
                "    data, rest[sock] = rest[sock][10:end], rest[sock][end:]\n",
            ),
        ],
        [
            "it came once more was said",
            "or keep in a buffer, until more was said?",
            "symptom 6",
        ],
    ),
    "a header is read whole, and the rest taken as it comes": (
        [
            (
                "    data = exactly(sock, int(exactly(sock, 10)))\n",
                "    header = exactly(sock, 10)\n    try:\n"
                "        data = sock.recv(int(header))\n    except ValueError as error:\n"
                "        print('[ERROR]', header + b' ' * 90, error, flush=True)\n"
                "        raise\n",
            )
        ],
        ["[ERROR]", " ... ", "invalid literal for int() with base 10:"],
    ),
    "nobody hears of a socket's error event": (
        [
            (
                "    except (EOFError, OSError, ValueError):\n",
                "    except ConnectionResetError:\n        print('Error: read ECONNRESET')\n"
                "        print(\"Emitted 'error' event on Socket instance at:\", flush=True)\n"
                "        __import__('os')._exit(1)\n"
                "    except (EOFError, OSError, ValueError):\n",
            )
        ],
        ["hears of the 'error' event of each socket?", "(symptom 11)"],
    ),
    "it keeps the first words": (
        [
            (
                SAYS,
                "            text = read(sock)[10:].split(b' ')[0]\n"
                "            say(name + b'%-10d%b' % (len(text), text))\n",
            )
        ],
        ["Which lines do something to a text"],
    ),
    "an empty frame is an end": (
        [
            (
                "            say(name + read(sock))\n",
                "            text = read(sock)\n            if not text[10:]:\n"
                "                break\n            say(name + text)\n",
            )
        ],
        ["hung up on ada", "a frame that holds nothing from the end of the"],
    ),
    "nothing is read as an end": (
        [
            (
                '    data = b""\n    while len(data) < size:\n',
                '    data = b""\n    while len(data) < size or not size:\n',
            )
        ],
        ["hung up on ada", "a frame that holds nothing from the end of the"],
    ),
    "an empty frame takes a byte of the next one": (
        [("int(exactly(sock, 10)))", "int(exactly(sock, 10)) or 1)")],
        ["take a frame for that holds nothing?", "(symptom 7)"],
    ),
    "who leaves takes all others off the list": (
        [("        everybody.remove(sock)\n", "        everybody.clear()\n")],
        ["is here as before", "What that is bob's changes in your program when ada leaves"],
    ),
    "each message comes twice": (
        [("            sock.sendall(data)\n", "            sock.sendall(data + data)\n")],
        ["came once more", "how often does each run?"],
    ),
    "what was said is kept, and said again": (
        [
            ("def serve(sock):\n", "def serve(sock):\n    kept = b''\n"),
            (SAYS, "            kept += name + read(sock)\n            say(kept)\n"),
        ],
        ["came once more", "again whenever more was said", check.KEPT],
    ),
    "who is refused takes another's place along": (
        [
            (
                "        everybody.append(sock)\n",
                "        if name in names or b' ' in name[10:].strip():\n"
                "            sock.sendall(b'6         server9         refused x')\n"
                "            everybody.clear()\n            raise EOFError\n"
                "        names.append(name)\n        everybody.append(sock)\n",
            ),
            ("everybody = []\n", "everybody = []\nnames = []\n"),
        ],
        ["Whom does your program take off its list when one goes who was refused?", "(symptom 22)"],
    ),
    "it says nothing to who is refused": (
        [
            (
                "        everybody.append(sock)\n",
                "        if name[10:] in names or b' ' in name[10:]:\n            raise EOFError\n"
                "        names.append(name[10:])\n        everybody.append(sock)\n",
            ),
            ("everybody = []\n", "everybody = []\nnames = []\n"),
        ],
        ["without that notice", "What should it say before it hangs up on somebody"],
    ),
    "everybody speaks under the name of who came last": (
        [
            ("everybody = []\n", "everybody = []\nlatest = []\n"),
            ("        name = read(sock)\n", "        latest[:] = [read(sock)]\n"),
            (
                "            say(name + read(sock))\n",
                "            text = read(sock)\n            say(latest[0] + text)\n",
            ),
        ],
        [
            "but to ada",
            "Where do you keep what is one client's own",
            "(symptom 22)",
        ],
    ),
    "who moves up speaks under the name of who has left": (
        [
            ("everybody = []\n", "everybody = []\nnames = {}\n"),
            (
                "        everybody.append(sock)\n",
                "        everybody.append(sock)\n        names[len(everybody) - 1] = name\n",
            ),
            (
                "            say(name + read(sock))\n",
                "            text, place = read(sock), everybody.index(sock)\n"
                "            say(names[place] + text)\n",
            ),
        ],
        ["under their own names as before", "as others come or go?", "(symptom 22)"],
    ),
    "the answer goes to who came last, whoever asked": (
        [
            ("def serve(sock):\n", "def serve(sock):\n    global latest\n    latest = sock\n"),
            (SAYS, "            text = read(sock)\n            latest.sendall(name + text)\n"),
        ],
        ["While ada is connected and silent", "What do the two share that one of them"],
    ),
    "a lock is held while a client is waited for": (
        [A_LOCK, (SAYS, "            with lock:\n                say(name + read(sock))\n")],
        ["[waits for a lock]", "Who holds that lock, and what waits", "(symptom 23)"],
    ),
    "a lock is not given back where somebody leaves": (
        [A_LOCK, (SAYS, f"            lock.acquire()\n{SAYS}            lock.release()\n")],
        ["[waits for a lock]", "before it is given back?", "(symptom 23)"],
    ),
    "each message is a thread of its own, and short ones take longer": (
        [
            (SAYS, "            threading.Thread(target=later, args=(name, read(sock))).start()\n"),
            (
                "def leave",
                "def later(name, text):\n    time.sleep(0.2 / len(text))\n"
                "    say(name + text)\ndef leave",
            ),
        ],
        ["what should have come came after it", "keeps one from overtaking?", "(symptom 24)"],
    ),
    "one of many texts is lost, and others were said before": (
        [
            ("def serve(sock):\n", "def serve(sock):\n    count = 0\n"),
            (
                SAYS,
                "            text = read(sock)\n            count += 1\n"
                "            if count != 6 or b'12' != text[10:]:\n"
                "                say(name + text)\n",
            ),
        ],
        ["cut in two pieces anywhere", "345678901' users say", "(symptom 6)"],
    ),
    "what somebody leaves behind is read before the next one's, and nothing is said": (
        [
            ("everybody = []\n", "everybody = []\nrest = b''\n"),
            (
                '    data = b""\n    while len(data) < size:\n',
                "    global rest\n    data, rest = rest, b''\n    while len(data) < size:\n",
            ),
            (
                "            raise EOFError\n",
                "            rest = data\n            raise EOFError\n",
            ),
        ],
        ["hung up on", "Where does half a frame stay when its sender is gone"],
    ),
    "what somebody leaves behind stands before what the next one says": (
        [
            ("everybody = []\n", "everybody = []\nrest = b''\n"),
            (
                '    data = b""\n    while len(data) < size:\n',
                "    global rest\n    data, rest = rest, b''\n    while len(data) < size:\n",
            ),
            (
                "            raise EOFError\n",
                "            rest = data\n            raise EOFError\n",
            ),
            (
                "    except (EOFError, OSError, ValueError):\n",
                "    except ValueError:\n"
                "        sock.sendall(b'6         server16        bye wrong header')\n"
                "    except (EOFError, OSError):\n",
            ),
        ],
        ["bye wrong header", "Whose bytes may lie in the buffer where your", "(symptom 7)"],
    ),
}


def say(folder: Path, program: str, *options: str) -> tuple:
    """Run the checker on a program; return its exit code and what it says, in one line."""
    path = folder / "program.py"
    path.write_text(program, encoding="utf-8")
    command = checker(*options, str(path))
    run = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=90)
    assert run.stderr == "", run.stderr
    return run.returncode, " ".join(run.stdout.split())


def changed(text: str, changes: list) -> str:
    """Return text with the changes made, each of which stands in it."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("case", ASKS)
def test_the_question_leads_to_the_mistake(tmp_path, case):
    changes, sentences = ASKS[case]
    _, said = say(tmp_path, changed(ROOM, changes), "--first", "--patience=1.5")
    assert all(sentence in said for sentence in sentences), said


CLASSIC = [
    (SAYS, "            say(name + read(sock), sock)\n"),
    (
        "def say(data):\n    for sock in [*everybody]:\n",
        "def say(data, sender):\n    for sock in {*everybody} - {sender}:\n",
    ),
]
ASKS_CLASSIC = {  # the same where nobody hears what he says himself
    "it says nothing": (
        ("            sock.sendall(data)\n", "            len(data)\n"),
        ["to wil, who listens: anything of what ada says but nothing came", "and to whom?"],
    ),
    "who speaks hears it, and nobody else": (
        ("for sock in {*everybody} - {sender}:", "for sock in [sender]:"),
        ["who listens: anything of what ada says but it came back to ada alone", "and to whom?"],
    ),
    "who has spoken once is hung up on": (
        (
            "            say(name + read(sock), sock)\n",
            "            say(name + read(sock), sock)\n            break\n",
        ),
        ["but the server hung up on ada"],
    ),
    "who leaves takes all others off the list": (
        ("        everybody.remove(sock)\n", "        everybody.clear()\n"),
        ["nothing of that in", "Who is taken off your list when somebody leaves"],
    ),
}


def test_halves_of_messages_that_mix_are_asked_about_sending(tmp_path):
    halves = (
        "            sock.sendall(data)\n",
        "            sock.sendall(data[:7])\n            time.sleep(0.001)\n"
        "            sock.sendall(data[7:])\n",
    )
    _, said = say(tmp_path, changed(ROOM, [halves]), "--only", "broadcast", "--all")
    mixed = "came what is no frame|came what is not UTF-8"
    assert re.search(rf"({mixed}).*\(symptom 6\) ask yourself: {re.escape(check.TORN)}", said), said


@pytest.mark.parametrize("case", ASKS_CLASSIC)
def test_where_one_does_not_hear_oneself_the_witness_is_named(tmp_path, case):
    change, sentences = ASKS_CLASSIC[case]
    program = changed(ROOM, [*CLASSIC, change])
    _, said = say(tmp_path, program, "--brief=classic", "--first", "--patience=1.5")
    assert all(sentence in said for sentence in sentences), said
    assert "any answer" not in said


def test_the_room_without_a_mistake_is_right_as_far_as_it_goes(tmp_path):
    code, said = say(tmp_path, ROOM, "--stage", "many")
    assert code == 0, said


@pytest.mark.skipif(os.name == "nt", reason=UNIX)
def test_who_dies_of_sending_is_asked_about_sending(tmp_path):
    dies = changed(ROOM, [("[]\ndef", "[]\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)\ndef")])
    _, said = say(tmp_path, dies, "--only", "leaving", "--all", "--patience=1.5")
    assert "ended by SIGPIPE" in said and "(symptom 12)" in said, said
    assert "What does sending do when the other side is gone" in said


@pytest.mark.parametrize(
    "code, is_one", [("sock.send(data)", True), ("chunk = sock.recv(4096)", False), ("", False)]
)
def test_a_traceback_tells_sending_from_reading(code, is_one):
    reset = check.Said("a.py, line 7", code, "ConnectionResetError: [Errno 104] Connection reset")
    assert check.has_died_of_sending(reset, "your program has ended with exit code 1") == is_one


def test_a_flood_that_nobodys_leaving_began_is_told_at_once_and_asks_about_the_loop(tmp_path):
    _, said = say(tmp_path, CLIENT, "--client", "--first", "--patience=8")
    assert "floods its output" in said and "the other side hung up" not in said, said
    assert "Which loop of your program goes on although nothing more has come?" in said
    assert "nothing in 8 seconds" not in said


def test_that_nothing_can_be_sent_any_more_is_noted_once(tmp_path):
    short = "    if not chunk or len(chunk) < size:\n"
    hangs_up = changed(ROOM, [("        if not chunk:\n", f"    {short}")])
    _, said = say(tmp_path, hangs_up, "--first", "--patience=1.5")
    assert "one byte at a time" in said and said.count("cannot send") == 1, said


def test_a_busy_log_is_no_flood(tmp_path):
    """A right program may print a line for each byte that it gets."""
    text = (ROOT / "chat_server.py").read_text(encoding="utf-8")
    log = "            print(*chunk, sep='\\n')\n            person.buffer += chunk\n"
    busy = changed(text, [("            person.buffer += chunk\n", log)])
    code, said = say(tmp_path, busy, "--only", "messages", "--quick")
    assert code == 0, said


CHAIN = """\
Traceback (most recent call last):
  File "a.py", line 3, in read
    return sock.recv(10)
ConnectionResetError: [Errno 104] Connection reset by peer

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 9, in leave
    for name in people:
RuntimeError: dictionary changed size during iteration
"""


def test_of_two_errors_that_came_of_each_other_the_one_that_was_not_caught_is_named():
    said = check.named_error(CHAIN.splitlines())
    assert said.sentence().startswith("a.py, line 9: for name in people: RuntimeError")
    first = check.named_error(CHAIN.splitlines()[:5])
    assert first.where == "a.py, line 3"
    apart = CHAIN.replace("During", "Somewhere else, during").splitlines()
    assert check.named_error(apart).where == "a.py, line 3", "two threads, two errors"


ERRORS = {  # what other languages print -> what of it is said
    """\
#<Thread:0x00007f70c34e7bc8 /home/ada/chat.rb:142 run> terminated with exception:
/usr/lib/ruby/3.1.0/socket.rb:45:in `readpartial': Connection reset by peer (Errno::ECONNRESET)
\tfrom /home/ada/chat.rb:45:in `gets'
\tfrom /home/ada/chat.rb:142:in `block (2 levels) in <main>'
""": "/home/ada/chat.rb:45: Connection reset by peer (Errno::ECONNRESET)",
    """\
Exception in thread "main" java.lang.IllegalArgumentException: No enum constant Chat.Kind.WEATHER
\tat java.base/java.lang.Enum.valueOf(Enum.java:273)
\tat Chat$Kind.valueOf(Chat.java:11)
\tat Chat.notice(Chat.java:57)
""": "Chat.java:57: java.lang.IllegalArgumentException: No enum constant Chat.Kind.WEATHER",
    "chat.rb:9:in 'Kernel#Integer': invalid value for Integer(): \"x1\" (ArgumentError)\n": (
        'chat.rb:9: invalid value for Integer(): "x1" (ArgumentError)'
    ),
    'Can\'t call method "recv" on an undefined value at chat.pl line 2, <STDIN> line 1.\n': (
        'chat.pl line 2: Can\'t call method "recv" on an undefined value at chat.pl line 2, '
        "<STDIN> line 1."
    ),
    """\
PHP Fatal error:  Uncaught Error: Call to a member function foo() on null in /home/ada/chat.php:7
Stack trace:
#0 /home/ada/chat.php(9): f()
""": (
        "/home/ada/chat.php:7: Uncaught Error: Call to a member function foo() on null in "
        "/home/ada/chat.php:7"
    ),
    """\
Unhandled exception. System.IO.IOException: Unable to read data from the transport connection
   at System.Net.Sockets.NetworkStream.Read(Span`1 buffer)
   at Chat.Serve(TcpClient client) in /home/ada/Chat.cs:line 31
""": (
        "/home/ada/Chat.cs:line 31: System.IO.IOException: Unable to read data from the transport "
        "connection"
    ),
}


LINES = """
import socket, sys, threading
everybody = []
def serve(sock):
    lines = sock.makefile("r", newline="\\n")
    sock.sendall(b"NICK\\n")
    name = lines.readline().strip()
    for other in [*everybody]:
        other.sendall(f"* {name} joined\\n".encode())
    everybody.append(sock)
    for line in lines:
        if line == "QUIT":  # it ends in a line feed
            break
        for other in [*everybody]:
            other.sendall(f"{name}: {line}".encode())
    everybody.remove(sock)
    for other in [*everybody]:
        other.sendall(f"* {name} left\\n".encode())
    sock.shutdown(socket.SHUT_RDWR)
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def test_who_does_not_know_the_word_for_leaving_is_asked_how_it_compares(tmp_path):
    _, said = say(tmp_path, LINES, "--brief", "lines", "--only", "commands", "--patience=3")
    assert "`QUIT` has come back as a message" in said, said
    assert "How does your program compare what was said with that word?" in said, said


def test_a_promise_speaks_of_messages_where_a_message_is_one_frame():
    command = checker("--brief", "lines", "--client", "--list", "--only", "frames")
    listed = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60).stdout
    assert "A message can be cut in the middle" in listed and "pair" not in listed, listed


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="TCP_INFO is Linux's")
def test_a_server_that_hangs_up_before_it_has_answered_is_not_said_to_burn(tmp_path):
    closes = (
        "    data = exactly(sock, int(exactly(sock, 10)))\n",
        "    time.sleep(0.01)\n"
        "    if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b'\\x08':\n"
        "        raise EOFError  # CLOSE_WAIT: the client has hung up\n"
        "    data = exactly(sock, int(exactly(sock, 10)))\n",
    )
    _, said = say(tmp_path, changed(ROOM, [closes]), "--first", "--patience=1.5")
    assert "has come and is not answered yet?" in said and "symptom 13" not in said, said


@pytest.mark.parametrize("text", ERRORS)
def test_errors_of_other_languages_are_named_with_their_line(text):
    assert check.named_error(text.splitlines()).sentence() == ERRORS[text]


@pytest.mark.parametrize(
    "line",
    [
        "Use of uninitialized value $x in print at chat.pl line 3.",
        "chat.rb:3: warning: assigned but unused variable - x",
        "ada: I can't see it at chat.pl line 3",
        "Not found: the log at home",
    ],
)
def test_a_warning_or_a_log_in_other_languages_is_no_error(line):
    assert check.named_error([line]) is None


def test_a_client_that_shows_no_names_is_told_that_and_nothing_else(tmp_path):
    text = (ROOT / "lessons" / "models" / "small_client.py").read_text(encoding="utf-8")
    nameless = changed(text, [('        line = f"{sender}>> {text}"\n', "        line = text\n")])
    _, said = say(tmp_path, nameless, "--client", "--stage", "frames")
    assert "not who said it" in said and "appears twice" not in said, said


def test_a_client_that_forgets_half_a_pair_is_asked_about_pieces(tmp_path):
    """It shows what comes in one piece: so it is not true that it shows nothing yet."""
    text = (ROOT / "lessons" / "models" / "small_client.py").read_text(encoding="utf-8")
    second = "        text = read_frame(sock.recv, buffer)\n"
    forgets = changed(text, [(second, f"        if not buffer:\n            continue\n{second}")])
    _, said = say(tmp_path, forgets, "--client", "--first", "--patience=1.5", "--only", "frames")
    assert "what comes in one piece is" in said and "(symptom 6)" in said, said


LINES_ASKS = {  # the same of a server of lines: case -> (what is changed, words of the question)
    "it reads in another encoding": (
        ('encoding="utf-8"', 'encoding="ascii", errors="replace"'),
        "Who chose the encoding there",
    ),
    "a line has no end": (
        ('sock.sendall(f"{line}\\n".encode())', "sock.sendall(line.encode())"),
        "how does it end, and who gets it?",
    ),
    "it does not speak first": (
        ('        sock.sendall(b"NICK\\n")\n', ""),
        "Who speaks first on this page",
    ),
    "who is refused may stay": (
        ('            name = ""\n            return\n', "            name = lines.readline()\n"),
        "Who hangs up on somebody who is refused",
    ),
}


@pytest.mark.parametrize("case", LINES_ASKS)
def test_the_question_to_a_server_of_lines_leads_to_the_mistake(tmp_path, case):
    change, question = LINES_ASKS[case]
    path = Path(__file__).with_name("programs") / "lines_server.py"
    wrong = changed(path.read_text(encoding="utf-8"), [change])
    _, said = say(tmp_path, wrong, "--brief=lines", "--first", "--patience=1.5")
    assert question in said, said


def test_a_text_that_comes_without_a_name_is_nobodys_name(tmp_path):
    """One recv() is taken for a line: `one` comes alone, which is no other's name."""
    path = Path(__file__).with_name("programs") / "lines_server.py"
    reads = "        for line in lines:\n"
    once = "        while line := sock.recv(1024).decode():\n"
    opens = 'lines = sock.makefile("r", encoding="utf-8", newline="\\n")'
    changes = [(reads, once), (opens, ""), ("lines.readline()", "sock.recv(1024).decode()")]
    wrong = changed(path.read_text(encoding="utf-8"), changes)
    _, said = say(tmp_path, wrong, "--brief=lines", "--first", "--patience=1.5")
    assert "told apart" in said and "where the first one ends?" in said, said


CLIENT_ASKS = {  # change of the small client -> words of the question
    ('frame(line.rstrip("\\n"))', "frame(line)"): "and what stands at its end?",
    ('frame(line.rstrip("\\n"))', "frame(line.strip().lower())"): "in which form, and how often",
    ('frame(line.rstrip("\\n"))', "frame(line.strip()[:1000])"): "How long may a line be",
    ("text.decode())", "text[:500].decode())"): "How long may a text be that is shown",
}


@pytest.mark.parametrize("change", CLIENT_ASKS)
def test_the_question_to_a_client_leads_to_the_mistake(tmp_path, change):
    text = (ROOT / "lessons" / "models" / "small_client.py").read_text(encoding="utf-8")
    _, said = say(tmp_path, changed(text, [change]), "--client", "--first", "--patience=3")
    assert CLIENT_ASKS[change] in said, said


def test_a_server_that_tells_one_that_somebody_has_left_is_asked_whom(tmp_path):
    text = (ROOT / "lessons" / "steps" / "06_names.py").read_text(encoding="utf-8")
    told = '                self.announce(f"left {person.name}")\n'
    one = "                for other in [*self.people.values()][:1]:\n"
    one += '                    self.send(other, frame("server") + frame(f"left {person.name}"))\n'
    wrong = changed(text, [(told, one)])
    _, said = say(tmp_path, wrong, "--first", "--patience=3", "--only", "leaving")
    assert "Who of those who are here is told of it, and who is not?" in said, said


def test_a_server_in_which_all_wait_for_who_is_slowed_down_is_asked_where(tmp_path):
    path = ROOT / "lessons" / "models" / "asyncio_server.py"
    change = ("await asyncio.sleep(person.free_at - now)", "time.sleep(person.free_at - now)")
    wrong = changed(path.read_text(encoding="utf-8"), [change])
    _, said = say(tmp_path, wrong, "--first", "--only", "deadlines", "--quick")
    assert check.WHO_ELSE in said and "(symptom 23)" in said, said


def test_a_server_that_loses_what_there_is_no_room_for_is_asked_about_that(tmp_path):
    path = ROOT / "lessons" / "models" / "writer_threads_server.py"
    keeps = "        self.outbox.put(packet)\n"
    drops = f"        if self.outbox.qsize() < 20:\n    {keeps}"
    wrong = changed(path.read_text(encoding="utf-8"), [(keeps, drops)])
    _, said = say(tmp_path, wrong, "--first", "--patience=3", "--only", "broadcast")
    assert check.LOST in said, said


def test_a_client_that_takes_a_persons_text_for_a_notice_is_found(tmp_path):
    text = (ROOT / "lessons" / "models" / "small_client.py").read_text(encoding="utf-8")
    change = ('    if sender == "server":\n', '    if sender == "server" or text[:3] == "bye":\n')
    wrong = changed(text, [change])
    _, said = say(tmp_path, wrong, "--client", "--patience=1.5", "--only", "frames")
    assert "which only begin like one?" in said, said


def test_a_server_that_never_frees_a_name_with_a_capital_is_found(tmp_path):
    text = (ROOT / "lessons" / "steps" / "06_names.py").read_text(encoding="utf-8")
    removes = [("del self.people[fold(person.name)]", "self.people.pop(person.name, None)")]
    wrong = changed(text, removes)
    _, said = say(tmp_path, wrong, "--first", "--patience=1.5", "--only", "names")
    assert "who has a capital" in said, said


def test_a_client_that_leaves_after_some_seconds_of_silence_is_found(tmp_path):
    """The time for connecting stays on the socket, unless somebody takes it away."""
    text = (ROOT / "lessons" / "models" / "small_client.py").read_text(encoding="utf-8")
    hasty = changed(text, [("sock.settimeout(None)", "sock.settimeout(3)")])
    _, said = say(tmp_path, hasty, "--client", "--quick", "--only", "end")
    assert "Nobody says anything for some seconds" in said, said
    assert "when nobody says anything for a while?" in said


def test_a_server_that_ends_slowly_with_its_client_is_tried_on_another_wire_too(tmp_path):
    """A traceback takes its time, on a busy computer or in Python's development mode."""
    text = (ROOT / "lessons" / "steps" / "03_framing.py").read_text(encoding="utf-8")
    slowly = "import time\n    sys.excepthook = lambda *_: time.sleep(0.4)\n    sys.exit(main())"
    changes = [("HEADER = 10  #", "HEADER = 64  #"), ("sys.exit(main())", slowly)]
    _, said = say(tmp_path, changed(text, changes), "--first", "--patience=2", "--only", "start")
    assert "answers to headers of 64 bytes" in said and "(symptom 41)" in said, said


def test_what_a_brief_calls_leaving_stands_in_what_is_promised(tmp_path):
    path = Path(__file__).with_name("programs") / "lines_server.py"
    wrong = changed(path.read_text(encoding="utf-8"), [('text == "QUIT"', 'text == "EXIT"')])
    options = ["--brief", "lines", "--first", "--patience=1.5", "--only", "commands"]
    _, said = say(tmp_path, wrong, *options)
    assert "After `QUIT` the server" in said and "/quit" not in said, said


def test_what_has_to_come_is_said_in_the_words_of_the_brief():
    command = checker("--brief", "lines", "--list", "--only", "names")
    listed = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60).stdout
    assert "to seven of them: `TAKEN`" in listed and "6         server" not in listed, listed


def test_behind_a_wide_header_one_sees_what_is_said():
    command = checker("--brief", "header64", "--list", "--only", "many")
    listed = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60).stdout
    assert "ada -> b'3 ... ada'" in listed and "ada: hello'" in listed, listed


@pytest.mark.parametrize("line, alone", [("import threading", False), ("import select", True)])
def test_a_program_of_one_thread_is_not_asked_about_others(tmp_path, line, alone):
    (tmp_path / "a.py").write_text(line, encoding="utf-8")
    program = SimpleNamespace(
        target=SimpleNamespace(file=""), command=["x", str(tmp_path / "a.py")]
    )
    assert check.has_one_thread(program) == alone
    room = check.WIDTH - len("ask yourself: ")
    for question, other in check.ONE_THREAD.items():
        assert "thread" in question and "thread" not in other
        assert other.endswith("?") and len(question) <= room and len(other) <= room


def test_that_a_program_ends_while_its_hanging_up_is_waited_for_is_no_fault_of_ours():
    """Then the system no longer knows how long it has worked."""
    program = SimpleNamespace(cpu_seconds=lambda: None, rests=lambda seconds: False)
    client = object.__new__(check.Client)
    client.scene = SimpleNamespace(program=program, symptom=0, events=[])
    client.name, client.label, client.buffer = "ada", "ada", bytearray(b"4         bye!")
    now = time.monotonic()
    with pytest.raises(check.Silence, match="still open after 3 seconds"):
        client.stays_open(now - 3, now, 1.5)


def test_who_has_said_the_same_has_stolen_nothing(tmp_path):
    """A server that loses what one of twenty says is not told that it mixes up names."""
    loses = (
        "            text = read(sock)\n"
        "            if b'still here' not in text or name[-1:] != b'7':\n"
        "                say(name + text)\n"
    )
    wrong = changed(ROOM, [("            say(name + read(sock))\n", loses)])
    _, said = say(tmp_path, wrong, "--first", "--patience=1.5", "--only", "many")
    assert "`still here`" in said or "still here'" in said, said
    assert "which does it take here?" not in said, said


def test_each_question_of_a_check_is_a_question():
    checks = [act for stage in (*check.SERVER_STAGES, *check.CLIENT_STAGES) for act in stage.checks]
    own = [act.asks for act in checks if act.asks]
    room = check.WIDTH - len("ask yourself: ")
    assert len(own) > 20 and all(question.endswith("?") for question in own)
    assert all(len(question) <= room for question in own), "it stands on one line"
    assert len({*own}) == len(own), "two checks that ask the same are one symptom"


def test_a_socket_that_is_closed_but_still_waited_for_is_named():
    for words in (
        "file descriptor cannot be a negative integer (-1)",
        "Invalid file descriptor: -1",
    ):
        assert check.clue_in([f"ValueError: {words}"], check.CLUES) == 39


def test_two_tasks_that_read_from_one_socket_are_named():
    words = "RuntimeError: readexactly() called while another coroutine is already waiting for"
    assert check.clue_in([f"{words} incoming data"], check.CLUES) == 43


def test_what_one_says_has_to_come_in_its_order_also_if_all_hear_the_same():
    chat = check.Chat(None, None)
    said = [("ada", "1"), ("ada", "2"), ("bob", "1")]
    cyd = chat.newcomer("cyd", None, False)
    chat.in_their_order(cyd, said, [said[0], said[2], said[1]])
    with pytest.raises(check.Wrong) as caught:
        chat.in_their_order(cyd, said, [said[1], said[0], said[2]])
    assert (caught.value.symptom, caught.value.question) == (24, check.OVERTAKES)


def test_no_two_clients_of_a_program_get_one_name(monkeypatch):
    """The sixth guest is guest6: were another one called so, a ghost would keep it out."""
    labels = set()
    newcomer = check.Chat.newcomer

    def noted(scene, label, *rest):
        labels.add(label)
        return newcomer(scene, label, *rest)

    monkeypatch.setattr(check.Chat, "newcomer", noted)
    for stage in check.SERVER_STAGES:
        for act in stage.checks:
            scene = check.Chat(None, None)
            act(scene)
            scene.close()
    assert len(labels) > 20 and not [label for label in labels if label[-1].isdigit()]


def test_what_somebody_has_received_before_all_listen_is_heard():
    chat, heard = check.Chat(None, None), []
    ada = chat.newcomer("ada", None, False)
    ada.buffer += check.message("bob", "hi")
    chat.listen([ada], lambda: heard, lambda *said: heard.append(said))
    assert heard == [(ada, "bob", "hi")]
    chat.close()


WHISPERS = {  # what a server does with `/msg NAME TEXT` -> (in the place of what, the changes)
    "nothing": (
        "b'3 two' but to ada",
        [('case ["/msg", name, words]:', 'case ["/message", name, words]:')],
    ),
    "it joins the words anew": (
        "b'12 three words' but to ada",
        [("person, name, words\n", 'person, name, " ".join(words.split())\n')],
    ),
}


@pytest.mark.parametrize("case", WHISPERS)
def test_of_whispers_the_plainest_comes_first(tmp_path, case):
    words, changes = WHISPERS[case]
    server = changed((ROOT / "chat_server.py").read_text(encoding="utf-8"), changes)
    options = ["--only", "commands", "--first", "--quick", "--patience=1.5"]
    _, said = say(tmp_path, server, *options)
    assert words in said, said
