"""Lesson 12 Break it: checks, hints, and replies to predictions."""

import contextlib
import queue
import socket
import time

from classroom import (
    Guest,
    Program,
    describe,
    exercise,
    expect,
    find,
    prediction,
    serve,
    take_frame,
    variant,
)

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
PORT = variant(50123, 40987, 51515)


@exercise(
    "port-of",
    1,
    (
        "The port stands behind the last colon. "
        "Which method of str looks for something from the right?"
    ),
    '"a:b:c".rpartition(":") gives ("a:b", ":", "c"). Which of the three do you want?',
)
def check_port_of(port_of) -> None:
    def gives(line: str, wanted: int, question: str) -> None:
        expect(lambda: port_of(line), wanted, question, f"port_of({line!r})")

    gives(
        f"listening on 127.0.0.1:{PORT}",
        PORT,
        "Where does the port begin, and is it a number or text?",
    )
    gives("listening on 127.0.0.1:1234", 1234, "Has every port five digits?")
    gives(
        "listening on 192.168.1.20:40001\n",
        40_001,
        "Where does the port begin, if the address is another one?",
    )
    gives("listening on [::1]:8080", 8080, "How many colons can stand before the port?")


def text_of(server: str) -> str:
    """Return the text of a server: a program of the kit, or an animal of the zoo."""
    if server.endswith(".py"):
        return find(server).read_text(encoding="utf-8")
    find("zoo.py")  # it says what to copy if it is not here
    import zoo

    return zoo.text_of(zoo.find(server))


def talk_of(server: str):
    """Return talk(sock) of a server that is made like steps/03_framing.py, to be served here.

    A process would be slow. The name is read alone, so that only texts that are sent at once arrive
    at once. Who is silent for two seconds is hung up on: a test that waits for what was lost need
    not wait longer.
    """
    names = {"__name__": server}
    exec(compile(text_of(server), server, "exec"), names)

    def talk(sock: socket.socket) -> None:
        sock.settimeout(2)
        with contextlib.suppress(Exception):  # the client will notice
            person = names["Person"](sock)
            while take_frame(bytearray(person.buffer)) is None and (byte := sock.recv(1)):
                person.buffer += byte
            names["read_from"](person)

    return talk


say_at_once = Guest.say


def say_slowly(guest: Guest, *texts: str) -> None:
    """Say it as Guest does, and give the server time to read it alone."""
    say_at_once(guest, *texts)
    time.sleep(0.1)


def try_on(server_test, server: str, *chaos: str) -> tuple:
    """Run a student's test on a server; return how it went, in lines.

    With chaos it runs behind the chaos proxy. Without, each say() is read alone: a test that says
    twice and hopes that both arrive at once has no luck here.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, Guest, "say", say_at_once)
        Guest.say = say_at_once if chaos else say_slowly
        port = stack.enter_context(serve(talk_of(server), at_once=False))
        if chaos:
            options = "--listen", "0", "--to", f"127.0.0.1:{port}", *chaos
            proxy = stack.enter_context(Program("chaos_proxy.py", *options))
            proxy.wait_for("listening on")
            port = proxy.port
        try:
            said_no = server_test(port) is False
        except NotImplementedError:
            raise
        except Exception as error:
            shown, where = describe(error)
            return "it fails", [shown, *where]
    return ("it returns False", []) if said_no else ("it passes", [])


@exercise(
    "own-test",
    3,
    "How many texts has your test to send in one say(), and which letters have to be in them?",
    (
        "What is lost never comes. After the first answer, say one thing more: "
        "what has to come before its answer?"
    ),
)
def check_own_test(chat_test) -> None:
    def try_out(server: str, wanted: str, question: str, *chaos: str) -> None:
        got, story = try_on(chat_test, server, *chaos)
        if got == "it returns False":
            question = "A test says no by raising an error. Does assert do that, and does return?"
        where = f"chat_test on {server}"
        if chaos:
            where += f", behind chaos_proxy.py {' '.join(chaos)}"
        expect(lambda: got, wanted, question, where, *story)

    right = "steps/03_framing.py"
    try_out(
        right,
        "it passes",
        "This server is right, and welcomes you first. What does your test expect instead?",
    )
    cut = (
        "This server is right, its network is bad: how does your test know that an answer is whole?"
    )
    try_out(right, "it passes", cut, "--split", "1", "--delay", "1")
    for animal, trouble in (
        ("shifted_by_umlauts", "somebody writes an é"),
        ("allergic_to_emoji", "somebody sends an emoji"),
        ("swallows_the_second", "two messages are sent at once"),
    ):
        question = (
            f"It goes wrong when {trouble}. "
            "Does your test do that, and does it look at what comes back?"
        )
        try_out(animal, "it fails", question)


@exercise(
    "why-it-ended",
    2,
    (
        "What does lines.get() return after the program's last line, and can your loop "
        "take that for a line?"
    ),
    (
        "Keep each line in a list called seen. "
        'raise RuntimeError(f"no line with {part!r} came, but {seen}")'
    ),
)
def check_why_it_ended(wait_for) -> None:
    for part, wanted, left in (("starting", START[0], 3), ("listening", START[1], 2)):
        lines, call = output(*START), f"wait_for(lines, {part!r})"
        takes_a_line(wait_for, lines, part, wanted, told(START, call))
        many = "How many lines may be taken? Others wait for the rest."
        expect(lines.qsize, left, many, *told(START, f"{call}: left"))
    blank = "An empty line is a line as well. What does your code take it for?"
    story = told(("", *START), "wait_for(lines, 'starting')")
    expect(lambda: wait_for(output("", *START), "starting"), START[0], blank, *story)
    end = "The program has ended, and None says so. Does your code raise the error then?"
    call = "wait_for(lines, 'listening')"
    expect(lambda: wait_for(output(*CRASH), "listening"), RuntimeError, end, *told(CRASH, call))
    expect(lambda: wait_for(output(), "listening"), RuntimeError, end, "None at once", call)
    why = (
        "Who reads this error wants to know why the server ended. "
        "Who has told it, and is it all in the error's text?"
    )
    story = told(CRASH, f"{call}, lines that are in the text of its error")
    expect(lambda: lines_in_error(wait_for), [*CRASH], why, *story)


START = "starting", "listening on 127.0.0.1:50123", "ada is in"
CRASH = "starting", "Traceback", "OSError: Address already in use"


def output(*lines: str) -> queue.SimpleQueue:
    """Return what a program prints that prints these lines and ends."""
    waiting = queue.SimpleQueue()
    for line in (*lines, None):
        waiting.put(line)
    return waiting


def told(lines: tuple, call: str) -> list:
    """Return the story of a call."""
    return [f"the lines: {', '.join(map(repr, lines))}, then None", call]


def takes_a_line(wait_for, lines: queue.SimpleQueue, part: str, wanted: str, story: list) -> None:
    """Expect the line that holds part."""
    expect(lambda: wait_for(lines, part), wanted, "Which line is wanted?", *story)


def lines_in_error(wait_for) -> list:
    """Return the lines of the crash that wait_for tells in its error."""
    try:
        wait_for(output(*CRASH), "listening")
    except RuntimeError as error:
        return [line for line in CRASH if line in str(error)]
    return []


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "12-1",
    right="C",
    A="A hundred times the same is one test. What it does not try, it does not test.",
    B="It does, and nothing is lost. But is one recv() one message? Nobody has tried.",
    C=(
        "On one computer, a short frame that is sent at once arrives at once. So none "
        "of the 100 tried a frame in pieces, and 100,000 more would not either."
    ),
)

prediction(
    "12-2",
    right="C",
    A=(
        'The system said that the port was free, and kept it for nobody. "In between" '
        "is short, so it happens once in a thousand runs."
    ),
    B=(
        "Refused is who calls a port where nobody listens (lesson 02). Here somebody "
        "does: so the test goes on, and fails later, at something else."
    ),
    C=(
        "The test's server finds its port in use and ends. But somebody listens "
        "there, and connect() does not ask who."
    ),
)
