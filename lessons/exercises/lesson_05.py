"""Lesson 05 Many at once: checks, hints, and replies to predictions."""

import contextlib
import threading
import time

from classroom import PATIENCE, Pieces, exercise, expect, plain_threads, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
WELCOME = variant("welcome", "good day", "come in")

SLOW = 2  # seconds that a played client takes if nobody else is served meanwhile
LATE = 0.2  # seconds between the start of a thread and its first step


@contextlib.contextmanager
def late_threads():
    """Let threads begin late, as they may; give the errors that end them; wait for all at last."""
    lines, before, run, older = [], threading.excepthook, threading.Thread.run, plain_threads()

    def keep(error) -> None:
        # Without where our own functions come from.
        _, _, words = str(error.exc_value).rpartition("<locals>.")
        lines.append(f"in a thread: {error.exc_type.__name__}: {words}")

    def run_late(thread) -> None:
        time.sleep(LATE)
        run(thread)

    threading.excepthook, threading.Thread.run = keep, run_late
    try:
        yield lines
        for thread in plain_threads():
            if thread not in older:
                thread.join(PATIENCE)
    finally:
        threading.excepthook, threading.Thread.run = before, run


@exercise(
    "own-thread",
    1,
    (
        "Which arguments of threading.Thread say what is run, what it is given, and that "
        "it keeps no program alive?"
    ),
    (
        "target is the function itself, without parentheses. args is a tuple: "
        "how do you write one with a single element?"
    ),
)
def check_own_thread(begin):
    gate, runs = threading.Event(), []

    def talk(sock) -> None:
        in_time = gate.wait(SLOW)
        runs.append(f"talk({sock}) ran {'in its thread' if in_time else 'before begin() returned'}")

    with late_threads() as errors:
        thread = begin(talk, 7)
        called = "What do the parentheses in talk(sock) do? Or does begin() wait for its thread?"
        expect(lambda: runs, [], called, "begin(talk, 7)")
        expect(
            lambda: hasattr(thread, "join"),
            True,
            "What does begin() return?",
            "shown: is it a thread?",
        )
        gate.set()
        thread.join(PATIENCE)
    given = "What is the function that the thread runs, and is args a tuple with one element?"
    expect(lambda: runs, ["talk(7) ran in its thread"], given, "begin(talk, 7)", *errors)
    # Made by a thread that is no daemon, as a program's own; ours is one, and hands that down.
    made = []
    plain = threading.Thread(target=lambda: made.append(begin(talk, 7)), daemon=False)
    plain.start()
    plain.join(PATIENCE)
    made[0].join(PATIENCE)
    expect(
        lambda: made[0].daemon,
        True,
        "Does this thread keep the program alive?",
        "begin(talk, 7).daemon",
    )


class Door:
    """A played listener: these clients come, one a call of accept(); then stop is set."""

    def __init__(self, stop: threading.Event, *clients):
        self.stop, self.clients, self.story = stop, list(clients), []

    def accept(self) -> tuple:
        """Return the next client; TimeoutError if nobody came."""
        if self.stop.is_set():
            raise RuntimeError("stop was set, and accept() was called again")
        client = self.clients.pop(0) if self.clients else None
        self.story.append(f"accept() gives {client}" if client else "accept() raises TimeoutError")
        if not self.clients:
            self.stop.set()
            self.story.append("stop is set")
        if not client:
            raise TimeoutError("timed out")
        return client, ("127.0.0.1", 50_000)


@exercise(
    "attend",
    3,
    "Which loop goes on until an event is set? And what shall happen after a TimeoutError?",
    "while not stop.is_set(): try to accept, continue after a TimeoutError; "
    "else make, keep and start a thread. "
    "What does the thread need to know?",
)
def check_attend(attend):
    stop, gate, served, alone = threading.Event(), threading.Event(), [], []
    door = Door(stop, "Ada", None, "Bob", None)

    def talk(sock) -> None:
        served.append(sock)
        if not gate.wait(SLOW):
            alone.append(sock)

    with late_threads() as errors:
        results = []
        stops = "What does your loop do after a TimeoutError, and what ends it?"
        expect(
            lambda: results.append(attend(door, talk, stop)) or "it returns",
            "it returns",
            stops,
            door,
        )
        waits = "Who waits for the first client while the second one knocks?"
        expect(
            lambda: alone,
            [],
            waits,
            door,
            "shown: whom talk() had to end with before attend() went on",
        )
        gate.set()
    own = (
        "Is a thread started for each, with its own sock? When does it look up which sock that is?"
    )
    story = [door, "each thread begins a moment after start()", *errors]
    expect(lambda: sorted(served), ["Ada", "Bob"], own, *story)
    threads = results[0] if isinstance(results[0], list) else []
    expect(
        lambda: len(threads),
        2,
        "Which threads does attend() return?",
        door,
        "shown: how many threads",
    )


class Taker(Pieces):
    """A played client that takes what it is sent: the slow one only when the others have got it."""

    def __init__(self, order: list, others: threading.Event | None = None):
        super().__init__()
        self.order, self.others = order, others

    def sendall(self, data: bytes) -> None:
        """Take data, and note who did and in which thread."""
        if self.others:
            self.others.wait(SLOW)
            time.sleep(0.1)  # who does not wait for the thread comes too early
        super().sendall(data)
        self.order.append("slow" if self.others else "quick")


@exercise(
    "welcome-all",
    2,
    "When is sock looked up: when the lambda is made, or when it runs? What is sock by then?",
    (
        "Give the thread what it needs when you make it, with target and args. "
        "Which function is called with which bytes?"
    ),
)
def check_welcome_all(welcome_all):
    for place, told in ((0, "the first is slow"), (2, "the last is slow")):
        welcome_with_slow(welcome_all, place, told)


def welcome_with_slow(welcome_all, place: int, told: str) -> None:
    """Let three clients be welcomed; the one at this place takes nothing before the others have."""
    order, others = [], threading.Event()
    socks = [Taker(order), Taker(order)]
    quick = socks[1].sendall

    def sendall(data: bytes) -> None:
        quick(data)
        others.set()

    socks[1].sendall = sendall
    socks.insert(place, Taker(order, others))
    with late_threads() as errors:
        welcome_all(socks)
        got = [sock.sent for sock in socks]
    question = (
        "Which sock does each thread use, and when is that decided? Is all of it done at the end?"
    )
    if errors:
        question = "What was the function given that the threads ran, and what did it want?"
    late = "each thread begins a moment after start()"
    shown = f"shown: what each of three clients got; {told}"
    expect(lambda: got, [WELCOME.encode()] * 3, question, late, shown, *errors)
    shown = f"shown: in which order they got it; {told}"
    slow = "If one client is slow, who else waits?"
    expect(lambda: order, ["quick", "quick", "slow"], slow, shown)


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "05-1",
    right="B",
    A=(
        "connect() and sendall() are done by the two systems. They succeed before the "
        "program calls accept(): what Bob sends is there all the time, as the last "
        "line of the next cell shows."
    ),
    B=(
        "The server's own thread is inside recv() for Ada. Bob's system and the "
        "listening socket do the connecting and take his bytes, but no program reads "
        "them."
    ),
    C=(
        "The server does not ask who wants something. It waits in recv() for Ada, and "
        "whoever waits does nothing else."
    ),
)

prediction(
    "05-2",
    right="B",
    A=(
        "It would be so if name were made outside of talk() and declared global. But "
        "variables of a function belong to one call of it, so to one thread."
    ),
    B=(
        "Each call of talk() has its own sock and its own name, however many threads "
        "are inside the function."
    ),
    C="A function is only a text. As many threads as you like may read it at the same time.",
)
