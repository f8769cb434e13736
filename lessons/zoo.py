#!/usr/bin/env python3
"""The zoo: programs with one mistake each, for you to find.

    python3 zoo.py                                what the users of each animal see
    python3 zoo.py waits_for_ever --port 0        run one, with its own options behind its name
    python3 zoo.py --write FOLDER waits_for_ever  write it down, to read, to mend, to diff; or all
    python3 zoo.py --mistake waits_for_ever       show the mistake: for instructors

The checker finds the mistakes: python3 check.py -- python3 zoo.py waits_for_ever --port {port}
(and for a client: python3 check.py --client -- ...).

Do not read on if you want to find them yourself: below stands what is wrong with each. An animal is
a right program, its parent, in which a few lines are replaced. So it needs its parent beside it.
"""

import argparse
import difflib
import errno
import os
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
WIDTH = 100  # columns of the list
ECHO = "steps/02_echo.py"
FRAMING = "steps/03_framing.py"
HANGING_UP = "steps/04_hanging_up.py"
THREADS = "steps/05_threads.py"
NAMES = "steps/06_names.py"
ROOM = "steps/07_room.py"
SERVER = "models/writer_threads_server.py"
CLIENT = "models/small_client.py"


class Animal(NamedTuple):
    """One program with a mistake. Each change is (old, new); old stands once in the parent."""

    name: str
    parent: str  # the right program: a path beside this file, or one folder up
    stage: str  # of the checker: the one that finds the mistake
    symptom: int  # as numbered in README.md; 0 is none of them
    sees: str  # what a user sees
    changes: list


# ---- 1. The animals, in the order of the stages --------------------------------------------------

# A table: name, parent, stage, symptom; what a user sees; the changes.
# fmt: off
SERVERS = [
    Animal("gone_after_one", ECHO, "start", 2,
        "The first one can chat. Everybody who comes later gets `Connection refused`.",
        [("while True:", "for _ in range(1):")]),
    Animal("silent_type", ECHO, "start", 6,
        "You connect, you type, and nothing ever comes back.",
        [("sock.sendall(data)", "print(data)")]),
    Animal("text_for_bytes", ECHO, "start", 10,
        "I type something, and the server is gone: `TypeError: a bytes-like object is required`.",
        [("sock.sendall(data)", "sock.sendall(data.decode())")]),
    Animal("only_its_own_client", FRAMING, "start", 41,
        "With the client of the same author all is well. All others connect and hear nothing.",
        [("HEADER = 10  #", "HEADER = 64  #")]),
    Animal("one_behind", HANGING_UP, "frames", 6,
        "Every message comes only when the next one is sent.",
        [("len(buffer) < end", "len(buffer) <= end")]),
    Animal("waits_for_ever", FRAMING, "frames", 6,
        "Short messages come. Now and then one does not, and everything waits.",
        [("buffer += chunk", "buffer[:] = chunk")]),
    Animal("too_long_to_digest", FRAMING, "frames", 7,
        "Short messages come. A long one ends the server, with an error about a header.",
        [('.strip(b" ")', '.strip(b" ")[:3]')]),
    Animal("swallows_the_second", FRAMING, "frames", 5,
        "Who types fast loses messages: of two that are sent at once, only the first "
        "arrives.",
        [("del buffer[:end]", "buffer.clear()")]),
    Animal("shifted_by_umlauts", FRAMING, "frames", 7,
        "All is well until somebody writes an é: from then on everything is shifted.",
        [("str(len(data))", "str(len(text))")]),
    Animal("allergic_to_emoji", FRAMING, "frames", 27,
        "All is well until somebody sends an emoji: then it ends with an error about a "
        "codec.",
        [("text.encode()", 'text.encode("latin-1")')]),
    Animal("half_a_character", FRAMING, "frames", 8,
        "`UnicodeDecodeError` now and then, mostly with long messages full of emoji.",
        [("buffer += chunk", "buffer += chunk.decode().encode()")]),
    Animal("no_echo", NAMES, "frames", 38,
        "I hear the others, but never myself, and so I do not know whether anybody hears "
        "me.",
        [("            self.announce(text, person.name)\n",
          "            for other in self.people.values():\n"
          "                if other is not person:\n"
          "                    self.send(other, frame(person.name) + frame(text))\n")]),
    Animal("hears_it_twice", NAMES, "frames", 0,
        "Now and then a message comes twice.",
        [("            self.announce(text, person.name)\n",
          "            self.announce(text, person.name)\n"
          "            self.send(person, frame(person.name) + frame(text))\n")]),
    Animal("dies_of_a_reset", HANGING_UP, "hanging-up", 11,
        "`ConnectionResetError`, and it is gone, when somebody just shuts the window.",
        [("except (OSError, ValueError) as", "except ValueError as")]),
    Animal("dies_of_one_byte", HANGING_UP, "hanging-up", 9,
        "It runs for days. Then a program that is no chat client connects, and it ends with "
        "a `ValueError`.",
        [("except (OSError, ValueError) as", "except OSError as")]),
    Animal("shifted_for_good", HANGING_UP, "hanging-up", 7,
        "After some odd message one client sees rubbish, and nobody ever tells it that "
        "something is wrong.",
        [('        raise ValueError(f"wrong header {bytes(buffer[:HEADER])}")\n',
          "        del buffer[:HEADER]\n"
          "        return take_frame(buffer)\n")]),
    Animal("burns_after_leaving", THREADS, "hanging-up", 13,
        "After somebody has left, the fan of the computer goes on, and it gets slower and "
        "slower.",
        [("        if not chunk:\n"
          "            break\n",
          "")]),
    Animal("one_at_a_time", THREADS, "many", 23,
        "The second one who comes sees nothing at all, until the first one leaves.",
        [("daemon=True).start()", "daemon=True).run()")]),
    Animal("frozen_by_the_shy", THREADS, "many", 23,
        "Somebody connects and has not typed a name yet: nobody else gets in.",
        [("        threading.Thread(",
          "        with suppress(OSError, ValueError):\n"
          "            data = read_frame(person.recv, person.buffer)  # the name\n"
          "            if data is not None:\n"
          "                understand(person, data)\n"
          "        threading.Thread(")]),
    Animal("two_adas", NAMES, "names", 22,
        "There are two people called ada, and nobody knows who said what.",
        [(" or folded in self.people", "")]),
    Animal("ada_in_capitals", NAMES, "names", 22,
        "ada and Ada both are here, and nobody knows who said what.",
        [(".casefold()", "")]),
    Animal("both_got_the_name", NAMES, "names", 22,
        "Two people came in at the same moment, and both are called ada. It cannot be "
        "repeated.",
        [("        with self.lock:  # check and act are one, or two could find one name free\n"
          "            refusal = self.refusal(name)\n",
          "        refusal = self.refusal(name)\n"
          '        print(f"? {name!a} wants to come in", flush=True)\n'
          "        with self.lock:\n")]),
    Animal("thrown_out_by_a_twin", NAMES, "names", 22,
        "Somebody tries to get in under my name and is refused. From then on nobody hears "
        "from me... and my name is free.",
        [("            if refusal:\n",
          "            if refusal:\n"
          "                person.name = name\n"),
         ("del self.people[fold(person.name)]", "self.people.pop(fold(person.name), None)")]),
    Animal("name_with_a_clear_screen", NAMES, "names", 32,
        "Somebody comes in, and my screen is empty.",
        [(" or not name.isprintable()", "")]),
    Animal("server_says_quit", NAMES, "names", 22,
        "A notice of the server tells everybody to leave. It was not the server.",
        [('folded == "server" or ', "")]),
    Animal("ghosts", NAMES, "names", 25,
        "People who left are still here: their names are taken for ever.",
        [("                del self.people[fold(person.name)]\n",
          "")]),
    Animal("out_for_one_byte", NAMES, "names", 8,
        "One broken character, and I am thrown out of the room.",
        [('errors="surrogateescape"', 'errors="strict"')]),
    Animal("speaks_for_others", NAMES, "broadcast", 36,
        "ada says things that ada never typed.",
        [("            self.announce(text, person.name)\n",
          '            sender, colon, words = text.partition(": ")\n'
          "            if colon:\n"
          "                self.announce(words, sender)\n"
          "            else:\n"
          "                self.announce(text, person.name)\n")]),
    Animal("everyone_another_order", NAMES, "broadcast", 24,
        "We read the same conversation, but not in the same order.",
        [("        with self.lock:  # all hear this before anybody hears the next\n"
          "            self.announce(text, person.name)\n",
          "        packet = frame(person.name) + frame(text)\n"
          "        for other in list(self.people.values()):\n"
          "            self.send(other, packet)\n")]),
    Animal("changed_size", NAMES, "leaving", 24,
        "Somebody just shuts the window. The server says `RuntimeError: dictionary changed size "
        "during iteration`, and nobody else is told.",
        [("            reason = str(error)\n",
          "            reason = str(error)\n"
          "            for name, other in room.people.items():\n"
          "                if other is person:\n"
          "                    del room.people[name]\n")]),
    Animal("sender_thrown_out", NAMES, "leaving", 12,
        "Somebody vanishes, and the one who spoke next is thrown out: `BrokenPipeError`.",
        [("        try:\n"
          "            person.sock.sendall(data)\n"
          "        except OSError:  # lost, or stuck within a frame: its reader wakes up\n"
          "            with suppress(OSError):\n"
          "                person.sock.shutdown(socket.SHUT_RDWR)\n",
          "        person.sock.sendall(data)\n"),
         ("del self.people[fold(person.name)]", "self.people.pop(fold(person.name), None)")]),
    Animal("leaves_without_a_word", NAMES, "leaving", 25,
        "People are gone, and nobody was told.",
        [('                self.announce(f"left {person.name}")\n',
          "")]),
    Animal("ghost_after_a_reset", NAMES, "leaving", 25,
        "Who leaves politely is gone. Who just shuts the laptop stays on the list.",
        [("            reason = str(error)\n",
          "            reason = str(error)\n"
          "            return\n")]),
    Animal("never_gives_back", ROOM, "leaving", 37,
        "After some hundred people have come and gone, nobody gets in: `Too many open files`.",
        [("    while True:\n        try:\n            person = Person(",
          "    everybody = []\n    while True:\n        try:\n            person = Person("),
         ("        threading.Thread(target=read_from",
          "        everybody.append(person)\n        threading.Thread(target=read_from"),
         ("        self.writer.close()\n", "")]),
    Animal("clears_my_screen", NAMES, "messages", 32,
        "Somebody sends a strange message, and my screen is empty.",
        [(r'f"[^\0-\x08\n-\x1f\x7f-\x9f', r'f"[^\n')]),
    Animal("forged_lines", NAMES, "messages", 36,
        "ada seems to have said something that bob wrote.",
        [(r"\x08\n-\x1f", r"\x08\x0b-\x1f")]),
    Animal("plus_five", NAMES, "messages", 7,
        "It works with all clients but one, with which it fails in another way on every "
        "server.",
        [("not digits.isdigit() or ", "")]),
    Animal("eats_all_memory", NAMES, "messages", 7,
        "Somebody announces a message of a billion bytes, and the computer gets slow.",
        [(" or int(digits) > MAX_PAYLOAD", "")]),
    Animal("waits_for_the_slowest", ROOM, "slow", 23,
        "One closes the lid of a laptop, and the chat stands still for all.",
        [("writer.setblocking(False)", "writer.settimeout(60)")]),
    Animal("loses_when_busy", ROOM, "slow", 6,
        "When much is going on, one who was away for a moment sees torn messages.",
        [("sent = person.writer.send(", "person.writer.send("),
         ("del person.backlog[:sent]", "person.backlog.clear()")]),
    Animal("out_for_a_pause", ROOM, "slow", 12,
        "I looked away for a second while others talked, and was thrown out.",
        [("            pass  # the system takes nothing more just now\n",
          '            self.inbox.put((self.dismiss, person, "too slow a reader"))\n')]),
    Animal("remembers_for_ever", ROOM, "slow", 23,
        "One stops reading in the evening; in the morning the server has used up the "
        "memory.",
        [("        if len(person.backlog) > MAX_BACKLOG:\n"
          '            self.inbox.put((self.dismiss, person, "too slow a reader"))\n',
          "")]),
    Animal("private_to_all", SERVER, "commands", 0,
        "A private message, and everybody read it.",
        [("in {person, other}:", "in self.people.values():")]),
    Animal("the_first_hundred", SERVER, "commands", 0,
        "In a big room some people are missing from the list, although one hears them talk.",
        [("range(0, len(names), 100)", "range(0, min(len(names), 100), 100)")]),
    Animal("knows_no_capitals", SERVER, "commands", 0,
        "I write to Ada, who is here as ada, and am told that nobody is called so.",
        [("self.people.get(fold(name))", "self.people.get(name)")]),
    Animal("slash_slash", SERVER, "commands", 0,
        "Who wants to say `/shrug` cannot: it comes out with two slashes.",
        [('text.removeprefix("/")', "text")]),
    Animal("no_way_out", SERVER, "commands", 0,
        "I type /quit, and nothing happens.",
        [('case ["/quit"]:\n'
          "                    self.dismiss(person)\n",
          'case ["/quit"]:\n'
          '                    self.tell(person, "bye")\n')]),
    Animal("lets_them_wait", SERVER, "deadlines", 23,
        "Programs that connect and say nothing fill the room up, day by day.",
        [("time.monotonic() + NAME_SECONDS", "math.inf")]),
    Animal("talks_from_the_grave", SERVER, "deadlines", 45,
        "bob has pulled the plug, and for half a minute his messages go on coming.",
        [("    except OSError as error:  # lost; the reader, which may have much to do, "
          "notices late\n"
          "        with LOCK:\n"
          "            room.dismiss(person, error.strerror or str(error))\n",
          "    except OSError:\n"
          "        pass  # the connection is lost: the reader will notice\n")]),
    Animal("never_ends", SERVER, "deadlines", 26,
        "Ctrl-C does nothing.",
        [('setattr(room, "closing", True)', 'print("stopping")')]),
    Animal("back_in_a_minute", SERVER, "deadlines", 4,
        "I stop the server and start it again: `Address already in use`. A minute later it works.",
        [("        listener = socket.create_server((options.host, options.port), backlog=1024)\n",
          "        listener = socket.socket()\n"
          "        listener.bind((options.host, options.port))\n"
          "        listener.listen(1024)\n")]),
    Animal("no_goodbye", SERVER, "deadlines", 26,
        "The server stops, and the clients do not know why.",
        [('(person, "the server is shutting down", "bye")', "(person)")]),
]

CLIENTS = [
    Animal("client_shifted_by_umlauts", CLIENT, "name", 7,
        "All is well until I write an é: then the server throws me out.",
        [("str(len(data))", "str(len(text))")]),
    Animal("client_allergic_to_emoji", CLIENT, "name", 27,
        "I send an emoji, and the client dies of a codec.",
        [("text.encode()", 'text.encode("ascii")')]),
    Animal("client_waits_for_ever", CLIENT, "frames", 6,
        "Now and then a message does not come, and everything waits.",
        [("buffer += chunk", "buffer[:] = chunk")]),
    Animal("client_swallows_the_second", CLIENT, "frames", 5,
        "When much is going on, messages are missing.",
        [("del buffer[:end]", "buffer.clear()")]),
    Animal("client_half_a_character", CLIENT, "frames", 8,
        "`UnicodeDecodeError` now and then.",
        [("buffer += chunk", "buffer += chunk.decode().encode()")]),
    Animal("client_says_it_twice", CLIENT, "frames", 0,
        "Everything that I say stands there twice.",
        [('sock.sendall(frame(line.rstrip("\\n")))\n',
          'sock.sendall(frame(line.rstrip("\\n")))\n'
          '                print(f"you>> {line}", end="", flush=True)\n')]),
    Animal("client_who_said_that", CLIENT, "frames", 0,
        "Names and messages get mixed up: each stands on a line of its own.",
        [('f"{sender}>> {text}"', r'f"{sender}\n{text}"')]),
    Animal("client_only_after_enter", CLIENT, "two-at-once", 21,
        "I see what others say only after I have pressed Enter.",
        [("CONNECT_SECONDS = 5\n",
          "CONNECT_SECONDS = 5\n"
          "said = threading.Event()  # something new was typed\n"),
         ('sock.sendall(frame(line.rstrip("\\n")))\n',
          'sock.sendall(frame(line.rstrip("\\n")))\n'
          "                said.set()\n"),
         ("        text = read_frame(",
          "        said.wait()\n"
          "        said.clear()\n"
          "        text = read_frame(")]),
    Animal("client_cleared_screen", CLIENT, "show", 32,
        "Somebody sends a strange message, and my screen is empty.",
        [(r'UNSAFE.sub("\ufffd", line)', "line")]),
    Animal("client_forged_lines", CLIENT, "show", 36,
        "ada seems to have said something that bob wrote.",
        [(r"\x08\n-\x1f", r"\x08\x0b-\x1f")]),
    Animal("client_traceback", CLIENT, "end", 2,
        "No server: the client shows twenty lines of `Traceback`, the last of them "
        "`ConnectionRefusedError`.",
        [("(OSError, OverflowError, UnicodeError)", "(OverflowError, UnicodeError)")]),
    Animal("client_reset_traceback", CLIENT, "end", 11,
        "The server is killed: the client shows a `Traceback`, the last line of it "
        "`ConnectionResetError`.",
        [("except (OSError, ValueError) as", "except ValueError as")]),
    Animal("client_burns_after_the_end", CLIENT, "end", 13,
        "The server stops, and the client goes on at 100 % CPU, with no word.",
        [("        if not chunk:\n"
          "            break\n",
          "")]),
    Animal("client_stays_in_the_void", CLIENT, "end", 17,
        "The server is gone, and the client acts as if nothing had happened.",
        [("keyboard.join(0.1)", "keyboard.join()")]),
    Animal("client_believes_all", CLIENT, "end", 7,
        "After some odd message, everything is shifted, and the client never says why.",
        [('        raise ValueError(f"wrong header {bytes(buffer[:HEADER])}")\n',
          "        del buffer[:HEADER]\n"
          "        return take_frame(buffer)\n")]),
    Animal("client_keeps_the_reason", CLIENT, "end", 0,
        "It says that I am refused, and not why.",
        [('else f"* {text}"', 'else f"* {kind}"')]),
    Animal("client_dies_of_ctrl_c", CLIENT, "quit", 26,
        "I press Ctrl-C, and the client shows a `Traceback`, the last line of it "
        "`KeyboardInterrupt`.",
        [("    except KeyboardInterrupt:\n        return 0\n", "")]),
    Animal("client_never_quits", CLIENT, "quit", 17,
        "I type /quit or press Ctrl-D, and it says that the connection is lost.",
        [("if keyboard.is_alive():", "if reason:")]),
]
# fmt: on

ZOO = {animal.name: animal for animal in [*SERVERS, *CLIENTS]}


# ---- 2. An animal and its text -------------------------------------------------------------------


class Trouble(Exception):
    """Something that whoever called us can mend; the text says what."""


def find(name: str) -> Animal:
    """Return the animal of that name; Trouble if there is none."""
    if name in ZOO:
        return ZOO[name]
    close = difflib.get_close_matches(name.removesuffix(".py"), ZOO, n=1)
    advice = f"do you mean {close[0]}?" if close else "python3 zoo.py lists all of them"
    raise Trouble(f"there is no animal called {name}: {advice}")


def parent_of(animal: Animal) -> str:
    """Return the text of the right program that an animal is made from."""
    for folder in (HERE, HERE.parent):
        if (folder / animal.parent).is_file():
            return (folder / animal.parent).read_text(encoding="utf-8")
    raise Trouble(
        f"{animal.name} is made from {animal.parent}, which is not here: copy it to {HERE}, "
        "with its folder"
    )


def text_of(animal: Animal) -> str:
    """Return the animal's program: its parent with the changes, and words of its own on top."""
    before, _, rest = changed(animal).partition('"""')
    _, _, body = rest.partition('"""')
    return f'{before}"""{words_of(animal)}"""{body}'


def changed(animal: Animal) -> str:
    """Return the text of an animal's parent with the changes; Trouble if it is not what it was."""
    text = parent_of(animal)
    for old, _ in animal.changes:
        count = text.count(old)
        if count != 1:
            raise Trouble(
                f"{animal.parent} has changed, so {animal.name} cannot be made: {old!r} has to "
                f"stand in it once, and stands there {count} times; mend its entry in zoo.py"
            )
    for old, new in animal.changes:
        text = text.replace(old, new)
    return text


def words_of(animal: Animal) -> str:
    """Return the docstring of an animal's program: what a user sees, and never the mistake."""
    kind, option = "server", ""
    if animal in CLIENTS:
        kind, option = "client", "--client "
    sees = textwrap.fill(animal.sees, WIDTH)
    return (
        f"A chat {kind} with one mistake.\n\n{sees}\n\n"
        f"Made from {animal.parent}. Find the mistake: python3 check.py {option}{animal.name}.py\n"
    )


# ---- 3. What can be asked of us ------------------------------------------------------------------


def show_list() -> None:
    """Print what the users of each animal see."""
    for animals, option in ((SERVERS, ""), (CLIENTS, "--client ")):
        print(f"python3 check.py {option}-- python3 zoo.py NAME --port {{port}}")
        for animal in sorted(animals):
            lines = textwrap.wrap(animal.sees, WIDTH - 30)
            print(f"  {animal.name:28}{lines[0]}")
            for line in lines[1:]:
                print(" " * 30 + line)


def show_mistake(name: str) -> None:
    """Print what is different between an animal and its parent."""
    animal = find(name)
    right = parent_of(animal).splitlines()
    wrong = changed(animal).splitlines()
    print(*difflib.unified_diff(right, wrong, animal.parent, name, lineterm=""), sep="\n")


def write(folder: Path, names: list) -> None:
    """Write animals into a folder, all of them if there are no names.

    What is there already stays as it is: it may be somebody's work.
    """
    texts = {folder / f"{name}.py": text_of(find(name)) for name in names or ZOO}
    try:
        for path in texts:
            if path.exists():
                raise Trouble(f"{path} is there already: move it, or take another folder")
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Trouble(f"cannot write to {folder}: {error.strerror}") from error
    print(f"{len(texts)} written to {folder}")


def run(name: str, options: list) -> None:
    """Be the animal: run its program in this process, with these options."""
    text = text_of(find(name))
    path = keep(f"{name}.py", text)
    sys.argv = [f"{name}.py", *options]
    exec(compile(text, path, "exec"), {"__name__": "__main__", "__file__": path})


def keep(name: str, text: str) -> str:
    """Put text where Python keeps its own copies, and return its path.

    So a traceback can show the lines of an animal. Where nothing can be written, it shows the
    numbers of the lines alone.
    """
    folder = HERE / "__pycache__"
    path = folder / f"zoo-{name}"
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return str(path)
        folder.mkdir(exist_ok=True)
        number, draft = tempfile.mkstemp(dir=folder)
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)  # whole or not at all: somebody else may be reading it
    except OSError:
        return name
    return str(path)


def main(argv: "list | None" = None) -> int:
    """Do what is asked, and return the exit code; an animal has its own."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv and not argv[0].startswith("-"):
            run(argv[0], argv[1:])
            return 0
        options = parse_options(argv)
        if options.mistake:
            show_mistake(options.mistake)
        elif options.write:
            write(Path(options.write[0]), options.write[1:])
        else:
            show_list()
        sys.stdout.flush()
    except Trouble as trouble:
        print(f"zoo.py: {trouble}", file=sys.stderr)
        return 1
    except OSError as error:
        if not nobody_reads(error):
            raise
        sys.stdout = None  # somebody has read only the first lines, as head does
    return 0


def nobody_reads(error: OSError) -> bool:
    """Return whether our output goes into a pipe that nobody reads any more."""
    windows_says = os.name == "nt" and error.errno == errno.EINVAL  # elsewhere that is a fault
    return error.errno == errno.EPIPE or windows_says


def parse_options(argv: list) -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(
        usage="zoo.py [NAME [OPTION ...] | --write FOLDER [NAME ...] | --mistake NAME]",
        description=__doc__.partition("\n")[0],
    )
    parser.add_argument(
        "--write", nargs="+", metavar=("FOLDER", "NAME"), help="write programs, all without a NAME"
    )
    parser.add_argument("--mistake", metavar="NAME", help="show the mistake: for instructors")
    return parser.parse_args(argv)


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for what a terminal cannot show
    sys.exit(main())
