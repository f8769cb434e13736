"""The checks of the project bot: python3 check.py --project bot --client my_bot.py

It is started as `my_bot.py --port N abacus`. If yours takes that in another way, say how:
python3 check.py --project bot --client -- python3 my_bot.py {host} {port} {name}
"""

import socket
import subprocess

from check import (
    CLIENT_STAGES,
    Desk,
    Host,
    Silence,
    Stage,
    Wrong,
    check,
    client_check,
    environment,
    frame,
    message,
    show,
    single,
)

# A bot reads no keyboard and speaks when it is asked: the checks of clients do not fit.
CLIENT_STAGES[:] = [
    Stage("comes", "comes in, hears and answers", "projects/bot/README.md", 5, []),
    Stage("silent", "is silent where it should be", "projects/bot/README.md", 3, []),
    Stage("lies", "a server that lies", "projects/bot/README.md", 6, []),
]
OPTIONS = ("{name}",)  # it is told its name when it starts
NAME = "abacus"
HEARS = ("comes_in", "answers_a_question")
STUCK_SECONDS = 30  # in the middle of a pair, or without taking an answer: then it ends
HELP = "I can do this: sum 1 2 3"


def begins(desk: Desk) -> Host:
    """Start the bot, and let it in under the name that it says."""
    host = desk.meets()
    desk.should = "from the program: its name, as the first frame"
    host.bot = NAME
    if desk.program:
        name = host.frame()
        if name is None:
            raise Wrong("it has hung up without a name")
        if name != NAME.encode():
            raise Wrong(f"it says {show(name)} for its name, but was told to be {NAME}")
    host.tells(("server", f"welcome {host.bot}"), ("server", f"online {host.bot} ada bob"))
    return host


def asks(host: Host, question: str, answer: str, sender: str = "ada") -> None:
    """Somebody asks in public; the answer comes, and goes to all, the bot included."""
    host.tells((sender, f"{host.bot}:{question}"))
    host.hears(answer, echo=False)
    host.tells((host.bot, answer))


def is_silent(host: Host, *pairs: tuple) -> None:
    """The bot says nothing to these; what it answers next is the next question."""
    host.tells(*pairs)
    asks(host, " sum 20 3", "ada, that is 23")


@client_check("comes", symptom=0)
def comes_in(desk: Desk) -> None:
    """The first frame is its name; nothing else comes before somebody asks."""
    host = begins(desk)
    desk.should = "from the program: nothing, for nobody has asked"
    if desk.program and not desk.over.wait(0.3) and host.receive(0) and host.buffer:
        raise Wrong(f"came {show(host.buffer)}")


@client_check("comes", symptom=0, needs=("comes_in",))
def answers_a_question(desk: Desk) -> None:
    """ada asks `abacus: sum 1 2 3`: the bot says `ada, that is 6`."""
    host = begins(desk)
    asks(host, " sum 1 2 3", "ada, that is 6")
    asks(host, " sum 40", "bob, that is 40", sender="bob")


@client_check("comes", symptom=0, needs=HEARS)
def answers_in_private(desk: Desk) -> None:
    """Who asks by a private message is answered by one."""
    host = begins(desk)
    host.tells((f"ada -> {host.bot}", "sum 4 5"))
    host.hears("/msg ada ada, that is 9", echo=False)
    host.tells((f"{host.bot} -> ada", "ada, that is 9"))
    is_silent(host)


@client_check("comes", symptom=0, needs=HEARS)
def knows_numbers(desk: Desk) -> None:
    """Numbers may be negative, and have 50 digits; letters and 51 digits are none."""
    host = begins(desk)
    asks(host, " sum 1 -3", "ada, that is -2")
    asks(host, f" sum {'9' * 50} 1", f"ada, that is 1{'0' * 50}")
    for words in ("one", "1 2 x", "1.5", "--1", "+5", "1_0", "٣", "9" * 51, "9" * 1900):
        asks(host, f" sum {words}", "ada, a number has 1 to 50 digits")


@client_check("comes", symptom=0, needs=HEARS)
def says_what_it_can_do(desk: Desk) -> None:
    """Anything else behind its name, also nothing: it says what it can do."""
    host = begins(desk)
    for words in (" hello?", "", " ", " sum", " SUM 1 2", " times 2 3"):
        asks(host, words, f"ada, {HELP}")
    host.tells((f"ada -> {host.bot}", "SUM 1 2"))
    host.hears(f"/msg ada ada, {HELP}", echo=False)


@client_check("silent", symptom=0, needs=HEARS)
def is_silent_unasked(desk: Desk) -> None:
    """Other messages, also private ones to others, and its name in the middle are no question."""
    host = begins(desk)
    texts = ("hello", f"hello {host.bot}: sum 1 2", f"{host.bot}", f"{host.bot}s: sum 1", "sum 1 2")
    is_silent(host, *[("ada", text) for text in texts], ("ada -> bob", "sum 1 2"))


@client_check("silent", symptom=36, needs=HEARS)
def does_not_answer_itself(desk: Desk) -> None:
    """What comes under its own name is never a question, also if it never said that."""
    host = begins(desk)
    question = f"{host.bot}: sum 1 2"
    is_silent(host, (host.bot, question), (host.bot, "sum 1 2"), (f"{host.bot} -> ada", "sum 1 2"))
    is_silent(host, (f"{host.bot} -> {host.bot}", "sum 1 2"))


@client_check("silent", symptom=0, needs=HEARS)
def two_bots_are_quiet(desk: Desk) -> None:
    """Another bot of this kind hears the answers: none of them is a question to it."""
    host = begins(desk)
    for question in (" sum 1 2", " what?", " sum x"):
        host.tells(("ada", f"{host.bot}:{question}"))
        if not desk.expect("from the program: an answer that begins with `ada, `"):
            continue
        answer = (host.frame() or b"").decode(errors="replace")
        if not answer.startswith("ada, "):
            raise Wrong(f"came {answer!r}: a bot called ada would answer that")


@client_check("silent", symptom=36, needs=HEARS)
def answers_no_name_like_a_command(desk: Desk) -> None:
    """Somebody is called `bob:` or `/quit`: the answer would be a question, or a command."""
    host = begins(desk)
    is_silent(host, ("bob:", f"{host.bot}: sum 1 2"), ("/quit", f"{host.bot}: sum 1 2"))


@client_check("silent", symptom=0, needs=HEARS)
def learns_its_name(desk: Desk) -> None:
    """Each `welcome NAME` says its name from there on, and the old one is none; what ada says, or a
    `welcome` without a name, changes nothing.
    """
    host = begins(desk)
    old = host.bot
    host.bot = "Abacus2"
    host.tells(("server", "welcome Abacus2"))
    is_silent(host, ("ada", f"{old}: sum 1 2"), ("Abacus2", "Abacus2: sum 1 2"))
    is_silent(host, ("ada", "welcome Eve"), ("server", "welcome "), ("server", "welcome"))


@client_check("lies", symptom=6, needs=HEARS)
def takes_it_in_pieces(desk: Desk) -> None:
    """Byte by byte, and many pairs in one piece."""
    host = begins(desk)
    data = message("ada", f"{host.bot}: sum 1 2")
    host.sends_cut(*single(data), how="one byte at a time")
    host.hears("ada, that is 3", echo=False)
    host.sends(data * 20)
    host.hears(*["ada, that is 3"] * 20, echo=False)


@client_check("lies", symptom=36, needs=HEARS)
def bears_odd_notices(desk: Desk) -> None:
    """Notices of kinds that do not exist, empty ones, and private messages from nobody."""
    host = begins(desk)
    notices = [
        "",
        " ",
        "left",
        "joined",
        "online",
        "help",
        "error",
        "nonsense of a new kind",
        "welcom",
    ]
    is_silent(host, *[("server", text) for text in notices])
    is_silent(host, ("", "sum 1"), (f" -> {host.bot}", "sum 1 2"), (" -> ", "x"), ("a b", "sum 1"))
    is_silent(host, (f"a b -> {host.bot}", "sum 1 2"), ("server", f"{host.bot}: sum 1 2"))


@client_check("lies", symptom=32, needs=HEARS)
def says_nothing_that_is_no_message(desk: Desk) -> None:
    """A name with control characters, or one of 3,000 letters: no answer that holds it is sent, and
    nothing of it reaches the terminal.
    """
    host = begins(desk)
    for name in ("e\x1b[2Jve", "e\nve", "x" * 3000):
        host.tells((name, f"{host.bot}: sum 1 2"))
    is_silent(host)
    if desk.program and b"\x1b[2J" in desk.program.output:
        raise Wrong("your program prints an escape code that a message has brought")


@client_check("lies", symptom=13, needs=HEARS)
def waits_in_a_silent_room(desk: Desk) -> None:
    """Nothing happens for a while: the bot is still there."""
    host = begins(desk)
    desk.wait(6.5)
    is_silent(host)


@check("lies", symptom=13, needs=HEARS, seconds=35, stages=CLIENT_STAGES)
def waits_in_a_silent_room_for_long(desk: Desk) -> None:
    """The same for 35 seconds: longer than an answer may wait."""
    host = begins(desk)
    desk.wait(STUCK_SECONDS + 5)
    is_silent(host)


@check("lies", symptom=13, needs=HEARS, seconds=30, stages=CLIENT_STAGES)
def ends_in_half_a_pair(desk: Desk) -> None:
    """Half a pair, and then nothing for 30 seconds: one sentence, and the end."""
    host = begins(desk)
    host.sends(message("ada", f"{host.bot}: sum 1 2")[:20])
    ends_in_time(desk)


@check("lies", symptom=23, needs=HEARS, seconds=30, stages=CLIENT_STAGES)
def ends_if_nothing_is_taken(desk: Desk) -> None:
    """The server asks again and again and takes no answer for 30 seconds: the same."""
    host = begins(desk)
    desk.note("server", "-> question after question, until nobody takes them any more")
    if desk.program:
        questions = message("ada", f"{host.bot}: sum {'9' * 50}") * 1000
        host.sock.settimeout(3)
        try:
            for _ in range(1000):
                host.sock.sendall(questions)
        except TimeoutError:  # the bot is at its answers, and they do not go
            pass
        except OSError as error:
            raise Wrong(f"your program has ended the connection: {error.strerror}") from error
        desk.printed = desk.program.printed  # what it shows of them is no flood of its own
    ends_in_time(desk)


def ends_in_time(desk: Desk) -> None:
    """The program ends within the seconds that a server may be stuck, and a few more."""
    desk.patience, desk.quick = STUCK_SECONDS + 10, False
    desk.ends(well=False)


def ends_with_a_sentence(desk: Desk, *pieces: bytes) -> None:
    """The server sends this, and hangs up: the bot says why it ends, with exit code 1."""
    host = begins(desk)
    for piece in pieces:
        host.sends(piece)
    host.hangs_up()
    desk.ends(well=False)


@client_check("lies", symptom=9, needs=HEARS)
def ends_after_a_wrong_header(desk: Desk) -> None:
    """A wrong header, or a frame that is longer than frames are: one sentence, and the end."""
    for header in (b"+5        ", b"five      ", b"          ", b"65537     ", b"1_0       "):
        ends_with_a_sentence(desk, header, b"hello" * 10)


@client_check("lies", symptom=8, needs=HEARS)
def bears_what_is_no_text(desk: Desk) -> None:
    """A text that is not UTF-8: it ends with one sentence, or goes on; here the server ends."""
    ends_with_a_sentence(desk, message("ada", b"\xff\xfe"))


@client_check("lies", symptom=15, needs=HEARS)
def ends_with_the_server(desk: Desk) -> None:
    """The server hangs up between two pairs, in the middle of one, in the middle of a header."""
    whole = message("ada", "hello")
    for data in (whole, whole[:11], whole[:15], b"3   "):
        ends_with_a_sentence(desk, data)


@client_check("lies", symptom=32, needs=HEARS)
def says_why_it_was_refused(desk: Desk) -> None:
    """It is refused: one sentence on stderr with the server's words, made harmless; exit code 1."""
    begins(desk)
    words = "refused the room is full of \x1b[31mred"
    desk.note("server", f"-> {show(message('server', words))} to another one, and hangs up")
    if not desk.expect("from the program: one line on stderr that says why, exit code 1"):
        return
    code, shown, said = play_apart(desk, frame(NAME), message("server", words))
    if "\x1b" in shown + said:
        raise Wrong("your program prints an escape code that the server has sent")
    if "the room is full" not in said:
        raise Wrong(f"on stderr stands {said!r}: that does not say why")
    if len(said.splitlines()) != 1 or code != 1:
        raise Wrong(f"came {len(said.splitlines())} lines on stderr, exit code {code}: {said!r}")


def play_apart(desk: Desk, wanted: bytes, data: bytes) -> tuple:
    """Start the program once more, with stderr apart from stdout; let it say its name, send it
    data and hang up. Return its exit code, and what it wrote to each.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(desk.patience)
        process = subprocess.Popen(
            desk.target.command_at(listener.getsockname(), NAME),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        try:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(desk.patience)
                sock.recv(len(wanted), socket.MSG_WAITALL)
                sock.sendall(data)
            shown, said = process.communicate(timeout=desk.patience)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise Silence(f"your program still runs after {desk.patience:g} seconds") from error
        finally:
            process.kill()
            process.communicate()
    return process.returncode, shown.decode(errors="replace"), said.decode(errors="replace")
