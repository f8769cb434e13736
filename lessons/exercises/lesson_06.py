"""Lesson 06 Who is here: checks, hints, and replies to predictions."""

import contextlib
import sys

from classroom import Wrong, exercise, expect, prediction, shorten, variant
from races import Lock, race

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
SERVER = variant("server", "host", "room")


@contextlib.contextmanager
def rather(choose):
    """Ask what choose(wrong) returns, unless it is empty, instead of what the check would ask."""
    try:
        yield
    except Wrong as wrong:
        wrong.question = choose(wrong) or wrong.question
        raise


@exercise(
    "is-free",
    1,
    (
        "The names in people are folded. "
        "What has to be done to name before it is looked for among them?"
    ),
    "`fold(name) not in people` is most of it. Which name is never in people, and still not free?",
)
def check_is_free(is_free) -> None:
    full = {"ada": "a socket", "zoë": "a socket"}
    for name, before, wanted, question in [
        ("bob", full, True, "Has anybody this name?"),
        ("ada", full, False, "Has anybody this name?"),
        ("Ada", full, False, "Do Ada and ada count as the same? Which of them stands in people?"),
        ("ＡＤＡ", full, False, "What does fold give for this name?"),
        ("zoë", full, False, "Did you look at all of people before you answered?"),
        ("ZOË", full, False, "What does fold give for this name?"),
        (SERVER, full, False, "Who speaks under this name?"),
        (SERVER.title(), full, False, f"Do {SERVER} and {SERVER.title()} count as the same?"),
        ("ad", full, True, "Does a name have to be equal, or only to be found in another?"),
        ("bob", {}, True, "Who has this name if nobody is here yet?"),
    ]:
        people, story, got = dict(before), f"people is {before}, the name {name!r}", []

        def call(name=name, people=people, got=got):
            got.append(is_free(name, people))
            return got[0]

        def other(_, got=got) -> str:
            neither = got and not isinstance(got[0], bool)
            return "Do you return True or False, or something else?" if neither else ""

        with rather(other):
            expect(call, wanted, question, story)
        asked = (
            "You were only asked whether the name is free: may people be another one afterwards?"
        )
        expect(lambda people=people: people, before, asked, story, "and after the call:")


class Held:
    """A lock for one thread, which does not wait but complains."""

    def __init__(self):
        self.held = self.taken = self.called = False  # taken: ever?

    def __call__(self):
        self.called = True
        raise TypeError("'Lock' object is not callable")

    def acquire(self) -> bool:
        """Take it; RuntimeError where a lock would wait for ever."""
        if self.held:
            raise RuntimeError("this thread waits for the lock that it holds itself")
        self.held = self.taken = True
        return True

    def release(self) -> None:
        """Give it back."""
        self.held = False

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_) -> None:
        self.release()


@exercise(
    "rename",
    2,
    "Which lines look into people, and which change it? Between which two of them may nobody come?",
    "Put `with lock:` around everything. What does people.pop(old) give back?",
)
def check_rename(rename) -> None:
    people, lock = {"ada": 1, "bob": 2}, Held()
    rename_alone(rename, people, lock, ("ada", "zoe"), True, {"zoe": 1, "bob": 2})
    rename_alone(rename, people, lock, ("bob", "zoe"), False, {"zoe": 1, "bob": 2})
    code = getattr(rename, "__code__", None)
    names = getattr(code, "co_names", ())  # of what is not its own: Lock, for example
    makes_one = not lock.taken and any("lock" in name.lower() for name in names)
    same = "Do both threads hold the *same* lock?"
    question = (
        same
        if makes_one
        else "What happens if another thread gets in between your check and your act?"
    )
    two_want_the_same_name(rename, question)
    question = (
        same
        if makes_one
        else "Is the lock ever free while the person is there twice, or not at all?"
    )
    somebody_looks(rename, question)
    somebody_comes(rename, same)


def rename_alone(rename, people: dict, lock: Held, names: tuple, wanted: bool, after: dict) -> None:
    """Expect what comes back, and who is there, where no other thread is at work."""
    old, new = names
    story = [f"rename({old!r}, {new!r}, people, lock), people is {people}"]

    def brackets(_) -> str:
        return "lock is already a lock: what do the brackets do?" if lock.called else ""

    with rather(brackets):
        comes = "Was the new name free, and what comes back?"
        expect(lambda: rename(old, new, people, lock), wanted, comes, *story)
    expect(lambda: people, after, "Who stands in people, and under which name?", *story)
    state = "the lock is held" if lock.held else "the lock is free"
    free = "Is the lock given back on every way out of the function?"
    expect(lambda: state, "the lock is free", free, *story)


def two_want_the_same_name(rename, question: str) -> None:
    """Let Ada and Bob want one name, in all orders of their steps."""
    people, lock, outcomes = {}, Lock(), []

    def begin() -> None:
        people.clear()
        people.update(ada=1, bob=2)
        outcomes.clear()

    result = race(
        ada=lambda: outcomes.append(rename("ada", "zoe", people, lock)),
        bob=lambda: outcomes.append(rename("bob", "zoe", people, lock)),
        setup=begin,
        check=lambda: sorted(outcomes) == [False, True] and len(people) == 2,
    )
    every_order_is_right(result, "two people want the name zoe at the same time", question)


def somebody_looks(rename, question: str) -> None:
    """Let Bob take the lock and look who is here, while Ada gets a new name."""
    people, lock, found = {}, Lock(), []

    def begin() -> None:
        people.clear()
        people.update(ada=1, bob=2)
        found.clear()

    def look() -> None:
        with lock:
            found.append(sorted(people.values()))

    result = race(
        ada=lambda: rename("ada", "zoe", people, lock),
        bob=look,
        setup=begin,
        check=lambda: found == [[1, 2]],
    )
    every_order_is_right(result, "bob takes the lock and looks who is here", question)


def somebody_comes(rename, question: str) -> None:
    """Let Bob take the lock and come in under the name that Ada wants."""
    people, lock, outcomes = {}, Lock(), []

    def begin() -> None:
        people.clear()
        people.update(ada=1, bob=2)
        outcomes.clear()

    def come() -> None:
        with lock:
            if "zoe" not in people:
                people["zoe"] = 3
                outcomes.append(True)

    result = race(
        ada=lambda: outcomes.append(rename("ada", "zoe", people, lock)),
        bob=come,
        setup=begin,
        check=lambda: outcomes.count(True) == 1,
    )
    every_order_is_right(result, "bob takes the lock and comes in as zoe", question)


def every_order_is_right(result, title: str, question: str) -> None:
    """Raise Wrong with the question, and the steps that led to it, if one order is not right."""
    if not result.wrong:
        return
    rows = [shorten(row) for row in result.columns()]
    if len(rows) > 20:
        rows[10:-9] = ["    ..."]
    raise Wrong("every order is right", shorten(result.wrong), [title, *rows], question)


class Sink:
    """A socket that keeps what is sent, or is broken; it may be closed."""

    def __init__(self, error: "Exception | None" = None):
        self.error, self.sent, self.closed = error, b"", False

    def sendall(self, data: bytes) -> None:
        """Keep data, or raise the error."""
        if self.error:
            raise self.error
        self.sent += data

    def shutdown(self, how: int) -> None:
        """End it."""
        self.closed = True

    def close(self) -> None:
        """End it."""
        self.closed = True


@exercise(
    "send-all",
    2,
    "Look at symptom 24 above: what may a loop over a dictionary not do to it? "
    "Try: d = {1: 1}, then for k in d: del d[k].",
    (
        "list(people) is a copy that nobody changes. "
        "Which of the two do you go through, and which do you change?"
    ),
)
def check_send_all(send_all) -> None:
    for gone in ((), ("bob",), ("ada", "bob"), ("max",), ("ada", "bob", "max")):
        send_with_gone(send_all, gone)


ERRORS = {
    "ada": BrokenPipeError("gone"),
    "bob": ConnectionResetError("gone"),
    "max": TimeoutError("stuck"),
}


def send_with_gone(send_all, gone: tuple) -> None:
    """Send to three people, of whom some are gone, and look at what came of it."""
    socks = {name: Sink(error if name in gone else None) for name, error in ERRORS.items()}
    people, ends = dict(socks), []
    whole = [name for name in socks if name not in gone]
    story = [f"people are {', '.join(socks)}; gone are: {', '.join(gone) or 'none'}"]

    def another(_) -> str:
        if ends and ends[-1] is not people:
            return (
                "`people = …` only gives the name inside your function another value: "
                "how do you change the caller's dictionary in place?"
            )
        return ""

    with rather(errors_caught):
        fails = "Which line fails: the one that sends, the one that takes out, or the loop itself?"
        expect(lambda: send_watched(send_all, people, ends), None, fails, *story)
    reached = [name for name, sock in socks.items() if sock.sent]
    who = "Who is reached if somebody before them is gone?"
    expect(lambda: listed("reached", reached), listed("reached", whole), who, *story)
    with rather(another):
        left, who = "left in people", "Who should be left in people?"
        expect(lambda: listed(left, people), listed(left, whole), who, *story)
    sent = [socks[name].sent for name in whole]
    expect(lambda: sent, [b"hi"] * len(whole), "How often does each one get it?", *story)
    closed = [name for name in whole if socks[name].closed]
    who = "Whose connection may be closed, if anybody's?"
    expect(lambda: listed("closed", closed), listed("closed", []), who, *story)


def listed(title: str, chosen) -> str:
    """Return names as a line."""
    return f"{title}: {', '.join(chosen) or 'nobody'}"


def errors_caught(wrong: Wrong) -> str:
    """Return what to ask if an error of a socket came out of an answer."""
    escaped = wrong.got.startswith(("BrokenPipeError", "ConnectionResetError", "TimeoutError"))
    return "Which errors does with_bug catch, and which do you?" if escaped else ""


def send_watched(send_all, people: dict, ends: list):
    """Call send_all; append to ends what its first parameter is when it ends."""

    def watch(frame, event: str, _) -> None:
        if event == "return" and frame.f_code is getattr(send_all, "__code__", None):
            ends.append(frame.f_locals.get(frame.f_code.co_varnames[0]))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        return send_all(people, b"hi")
    finally:
        sys.setprofile(before)


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "06-1",
    right="C",
    A="One at a time, yes; but Python may change threads between any two steps.",
    B="It does, in both threads: first there are two checks, then two acts.",
    C=(
        "Ada's thread may be stopped after its check. Bob's thread then finds the "
        "name free as well. A check says what was true when it was made, not what is "
        "true when we act on it."
    ),
)

prediction(
    "06-2",
    right="B",
    A="On each connection it does. Zoe's and Max's are two.",
    B=(
        "Ada's thread is stopped when it has sent to Zoe, but not yet to Max. Bob's "
        "thread sends to both. So Max hears Bob first, Zoe hears Ada first: one asks, "
        "the other sees the answer before the question."
    ),
    C='A race needs two steps that belong together. Here they are "to Zoe" and "to Max".',
)
