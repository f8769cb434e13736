"""Lesson 10 A window that never freezes: checks, hints, and replies to predictions."""

import inspect
import queue
import threading
import time

from classroom import PATIENCE, Wrong, describe, exercise, expect, prediction, shorten, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
AT_MOST = variant(20, 12, 30)


class Clock:
    """What a window would show as a clock: it ticks every 20 ms, as long as its event loop runs."""

    def __init__(self, loop):
        self.loop, self.ticks = loop, 0
        self.tick()

    def tick(self) -> None:
        """Count, and ask to be called again."""
        self.ticks += 1
        self.loop.after(20, self.tick)


def in_thread(call, *args) -> str:
    """Call something in another thread; return in words what came of it."""
    outcome = []

    def run() -> None:
        try:
            outcome.append(f"it returned {call(*args)}")
        except Exception as error:
            outcome.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run, name="other", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return outcome[0] if outcome else f"nothing for {PATIENCE} seconds"


class PlayedInbox:
    """A queue that is played: a get() that would wait fails, as the window would freeze."""

    def __init__(self, *events):
        self.events, self.asked = list(events), 0

    def qsize(self) -> int:
        """Return how many events are in it."""
        self.asked += 1
        if self.asked > 100_000:
            raise RuntimeError("qsize() is asked for ever, and the window freezes")
        return len(self.events)

    def empty(self) -> bool:
        """Return whether none is in it."""
        return self.qsize() == 0

    def get(self, block: bool = True, timeout: "float | None" = None):
        """Return the oldest event."""
        if self.events:
            return self.events.pop(0)
        if not block or timeout == 0:
            raise queue.Empty
        raise RuntimeError("get() waits at an empty inbox, and the window freezes")

    def get_nowait(self):
        """Return the oldest event, or raise queue.Empty."""
        return self.get(block=False)


def awake(call, *args):
    """Call an answer with a time.sleep() that fails here: in a window's thread nobody sleeps."""
    sleep, me, names = time.sleep, threading.get_ident(), getattr(call, "__globals__", {})
    imported = [name for name, value in names.items() if value is sleep]

    def refuse(seconds) -> None:
        if threading.get_ident() == me:
            raise RuntimeError("sleep() waits, and the window freezes")
        sleep(seconds)

    time.sleep = refuse
    names.update(dict.fromkeys(imported, refuse))
    try:
        return call(*args)
    finally:
        time.sleep = sleep
        names.update(dict.fromkeys(imported, sleep))


@exercise(
    "drain",
    1,
    "get() waits if nothing is there. Which method of a queue never waits?",
    "inbox.qsize() says how many events are there now. How do you do something so many times?",
)
def check_drain(drain):
    question = (
        "What does your code do when the inbox is empty, or when more than one event is in it?"
    )
    for events in (["one"], ["one", "two", "three"], [], ["one", "", 0, "two"]):
        if "" in events:
            question = (
                "An event may be anything. What does your code do with one that counts as false?"
            )
        inbox = PlayedInbox(*events)
        expect(lambda inbox=inbox: awake(drain, inbox), events, question, f"in the inbox: {events}")
        expect(inbox.qsize, 0, "What is still in the inbox?", f"in the inbox at first: {events}")


@exercise(
    "look",
    3,
    (
        f"Two things to do: handle what is there, at most {AT_MOST}, and ask to be called again. "
        "Which comes in every call?"
    ),
    (
        "after(15, function, a, b) calls function(a, b) in 15 ms. "
        "Which function is it here, and what does it need?"
    ),
)
def check_look(look):
    for events in (["one", "two"], []):
        probe_look(look, events)
    window = PlayedWindow(look, range(2 * AT_MOST + 5))
    for number, wanted in enumerate((AT_MOST, AT_MOST, 5, 0), start=1):
        one_turn(window, number, wanted)
    count = 2 * AT_MOST + 5
    order = "Are the events handled in their order, each once?"
    expect(lambda: window.handled, list(range(count)), order)
    window.inbox.events.append("late")
    late = "What about an event that comes later?"
    expect(window.turn, 1, late, "call 5, one more event has come")


class PlayedWindow:
    """An event loop that is played: what look() asked for with after() is called in a turn."""

    def __init__(self, look, events):
        self.look, self.inbox = look, PlayedInbox(*events)
        self.planned, self.handled = [], []

    def after(self, ms: int, call=None, *args) -> str:
        """Keep what is to be called."""
        self.planned.append((ms, call, args))
        return f"after#{len(self.planned)}"

    def turn(self) -> int:
        """Call what is planned, at first look() itself; return how many events it handled."""
        before = len(self.handled)
        call, args = self.look, (self.after, self.inbox, self.handled.append)
        if self.planned:
            _, call, args = self.planned.pop()
        awake(call, *args)
        return len(self.handled) - before


def one_turn(window: PlayedWindow, number: int, wanted: int) -> None:
    """Let look() be called once; it has to handle so many events, and ask to be called again."""
    count, counts = 2 * AT_MOST + 5, []
    story = f"call {number}, {count} events at first; shown: how many of them it handled"
    ends = "Does a call end when the inbox is empty?"
    expect(lambda: counts.append(window.turn()), None, ends, story)
    question = "Which events could this call have handled as well?"
    if counts[0] > wanted:
        question = (
            "If more and more comes in, when can the window draw? "
            "How many events may one call handle?"
        )
    expect(lambda: counts[0], wanted, question, story)
    comes_again(window, f"call {number}")
    lost = "Where are the events that you took out, but did not handle?"
    story = f"after call {number}: handled, or in the inbox"
    expect(lambda: len(window.handled) + window.inbox.qsize(), count, lost, story)


def comes_again(window: PlayedWindow, story: str) -> None:
    """Expect that look() has asked to be called again, once, in a way that works."""
    question = "Who looks into the inbox the next time? Is after() called once in every call?"
    times, story = [ms for ms, _, _ in window.planned], f"{story}; shown: when after() shall call"
    expect(lambda: times, [15], question, story)
    _, call, args = window.planned[0]
    question = "Do you give after() the function, or what it returned?"
    expect(lambda: callable(call), True, question, f"after{window.planned[0][:2]}")
    question = "What does look() need? after(15, f, a, b) calls f(a, b)."
    fits = "what after() shall call"
    expect(lambda: inspect.signature(call).bind(*args) and "fits", "fits", question, fits)


def probe_look(look, events: list) -> None:
    """Call look once: does it return without waiting, and how does it call handle?"""
    inbox, given, story = PlayedInbox(*events), [], [f"in the inbox: {events}"]
    try:
        awake(look, lambda *args: "after#1", inbox, lambda *args: given.append(args))
    except RecursionError:
        story, question = (
            ["look() calls look()"],
            "Do you give after() the function, or do you call it yourself?",
        )
        raise Wrong("one call", "calls without an end", story, question) from None
    except (RuntimeError, queue.Empty) as error:
        if isinstance(error, NotImplementedError):
            raise
        question = "Who calls look() the next time, and what can the window do until then?"
        if isinstance(error, queue.Empty) or "get()" in str(error):
            question = "Does a call end when the inbox is empty?"
        raise Wrong("a call that ends at once", describe(error)[0], story, question) from None
    odd = [args for args in given if args not in [(event,) for event in events]]
    expect(
        lambda: odd,
        [],
        "Does handle get one event or a list?",
        *story,
        "shown: what handle() was called with",
    )


class PlayedPart:
    """A window or a connection, its parts and methods: its story is what was called, in order."""

    def __init__(self, name: str, story: list):
        self._name, self._story = name, story

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        return PlayedPart(f"{self._name}.{name}", self._story)

    def __call__(self, *args, **_):
        self._story.append(f"{self._name}({', '.join(map(shorten, map(repr, args)))})")
        if self._name == "window.after_cancel" and args != ("after#7",):
            raise ValueError("after_cancel() wants the timer")


@exercise(
    "leave",
    2,
    "Which of the lines can wait: for a server that does not read, for a thread that does not end?",
    "The timer is still set. What will Tk call when the window is gone, and who can prevent it?",
)
def check_leave(leave):
    story = []
    try:
        awake(leave, PlayedPart("window", story), PlayedPart("connection", story), "after#7")
    except RuntimeError as error:
        if "sleep" not in str(error):
            raise
        question = "What can the window do while your code sleeps?"
        raise Wrong("nothing waits", describe(error)[0], story, question) from None
    calls = [line.partition("(")[0] for line in story]
    wanted = ["window.after_cancel", "connection.close", "window.destroy"]
    question = "Does closing the socket wake the thread that waits in recv?"
    expect(
        lambda: "connection.sock.close" in calls,
        False,
        question,
        "shown: is connection.sock closed?",
        *story,
    )
    waits = [name for name in calls if name not in wanted]
    question = "The server is dead and the receiver waits. Which of these calls would never return?"
    if waits and "connection.close" in calls[: calls.index(waits[0])]:
        question = "Which of these calls waits for somebody else?"
    expect(lambda: waits, [], question, "shown: calls that can wait, or that nobody needs", *story)
    questions = [
        "What will the timer call when the window is gone?",
        "Who ends the connection and its threads?",
    ]
    for name, question in zip(wanted, [*questions, "Does the window close?"], strict=True):
        times = f"calls of {name}(): {{}}".format
        expect(lambda name=name, times=times: times(calls.count(name)), times(1), question, *story)
    last = calls.index("window.destroy")
    question = "destroy() comes last: if it fails, is the connection still closed?"
    if "window.after_cancel" in calls[last:]:
        question = "What still needs the window? May it come after destroy()?"
    expect(lambda: f"{calls[-1]}() comes last", "window.destroy() comes last", question, *story)


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "10-1",
    right="B",
    A="There is no background in one thread: who waits, waits for all.",
    B=(
        "The clock is a callback like any other. The loop can only call it when the "
        "button's callback has returned."
    ),
    C="Nothing complains. With a quick server nobody notices, and that is the trap.",
)

prediction(
    "10-2",
    right="B",
    A=(
        "That is what makes this bug so common: while the loop runs it works, though "
        "the thread waits while a callback runs; it fails before the loop starts and "
        "after it ends."
    ),
    B=(
        "Tk wants all calls from the thread that made it. From others, Python hands "
        "them to the loop; where that does not run, it gives up after a second."
    ),
    C="It does wait, but not for ever: about a second.",
)
