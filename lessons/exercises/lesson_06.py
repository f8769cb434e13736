"""Lesson 06 Who is here: checks, hints, and replies to predictions."""

import contextlib
import sys

from classroom import Wrong, exercise, expect, prediction, shorten
from races import Lock, race


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
        ("server", full, False, "Who speaks under this name?"),
        ("Server", full, False, "Do server and Server count as the same?"),
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
    code = getattr(rename, "__code__", None)
    names = getattr(code, "co_names", ())  # of what is not its own: Lock, for example

    def brackets(_) -> str:
        return "lock is already a lock: what do the brackets do?" if lock.called else ""

    def alone(old: str, new: str, wanted: bool, after: dict) -> None:
        story = [f"rename({old!r}, {new!r}, people, lock), people is {people}"]
        with rather(brackets):
            comes = "Was the new name free, and what comes back?"
            expect(lambda: rename(old, new, people, lock), wanted, comes, *story)
        expect(lambda: people, after, "Who stands in people, and under which name?", *story)
        free = "Is the lock given back on every way out of the function?"
        expect(
            lambda: "the lock is held" if lock.held else "the lock is free",
            "the lock is free",
            free,
            *story,
        )

    alone("ada", "zoe", True, {"zoe": 1, "bob": 2})
    alone("bob", "zoe", False, {"zoe": 1, "bob": 2})
    own = not lock.taken and any("lock" in name.lower() for name in names)
    lock, outcomes, found = Lock(), [], []

    def begin() -> None:
        people.clear()
        people.update(ada=1, bob=2)
        outcomes.clear()
        found.clear()

    def look() -> None:
        with lock:
            found.append(sorted(people.values()))

    def come() -> None:
        with lock:
            if "zoe" not in people:
                people["zoe"] = 3
                outcomes.append(True)

    def in_all_orders(title: str, result, question: str) -> None:
        if result.wrong:
            rows = [shorten(row) for row in result.columns()]
            if len(rows) > 20:
                rows[10:-9] = ["    ..."]
            question = "Do both threads hold the *same* lock?" if own else question
            raise Wrong("every order is right", shorten(result.wrong), [title, *rows], question)

    in_all_orders(
        "two people want the name zoe at the same time",
        race(
            ada=lambda: outcomes.append(rename("ada", "zoe", people, lock)),
            bob=lambda: outcomes.append(rename("bob", "zoe", people, lock)),
            setup=begin,
            check=lambda: sorted(outcomes) == [False, True] and len(people) == 2,
        ),
        "What happens if another thread gets in between your check and your act?",
    )
    in_all_orders(
        "bob takes the lock and looks who is here",
        race(
            ada=lambda: rename("ada", "zoe", people, lock),
            bob=look,
            setup=begin,
            check=lambda: found == [[1, 2]],
        ),
        "Is the lock ever free while the person is there twice, or not at all?",
    )
    in_all_orders(
        "bob takes the lock and comes in as zoe",
        race(
            ada=lambda: outcomes.append(rename("ada", "zoe", people, lock)),
            bob=come,
            setup=begin,
            check=lambda: outcomes.count(True) == 1,
        ),
        "Do both threads hold the *same* lock?",
    )


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
    ends = []  # what the first parameter is when send_all ends

    def watch(frame, event: str, _) -> None:
        if event == "return" and frame.f_code is getattr(send_all, "__code__", None):
            ends.append(frame.f_locals.get(frame.f_code.co_varnames[0]))

    def errors_caught(wrong) -> str:
        escaped = wrong.got.startswith(("BrokenPipeError", "ConnectionResetError", "TimeoutError"))
        return "Which errors does with_bug catch, and which do you?" if escaped else ""

    def with_gone(*gone: str) -> None:
        errors = {
            "ada": BrokenPipeError("gone"),
            "bob": ConnectionResetError("gone"),
            "max": TimeoutError("stuck"),
        }
        socks = {name: Sink(error if name in gone else None) for name, error in errors.items()}
        people, whole = dict(socks), [name for name in socks if name not in gone]
        story = [f"people are {', '.join(socks)}; gone are: {', '.join(gone) or 'none'}"]

        def names(title: str, chosen) -> str:
            return f"{title}: {', '.join(chosen) or 'nobody'}"

        def run() -> None:
            before = sys.getprofile()
            sys.setprofile(watch)
            try:
                return send_all(people, b"hi")
            finally:
                sys.setprofile(before)

        def another(_) -> str:
            inside = (
                "only gives the name inside your function another value: "
                "how do you change the caller's dictionary"
            )
            return f"`people = …` {inside} in place?" if ends and ends[-1] is not people else ""

        with rather(errors_caught):
            fails = (
                "Which line fails: the one that sends, the one that takes out, or the loop itself?"
            )
            expect(run, None, fails, *story)
        reached = names("reached", [name for name, sock in socks.items() if sock.sent])
        expect(
            lambda: reached,
            names("reached", whole),
            "Who is reached if somebody before them is gone?",
            *story,
        )
        with rather(another):
            left = names("left in people", people)
            expect(
                lambda: left,
                names("left in people", whole),
                "Who should be left in people?",
                *story,
            )
        sent = [socks[name].sent for name in whole]
        expect(lambda: sent, [b"hi"] * len(whole), "How often does each one get it?", *story)
        closed = names("closed", [name for name in whole if socks[name].closed])
        expect(
            lambda: closed,
            names("closed", []),
            "Whose connection may be closed, if anybody's?",
            *story,
        )

    with_gone()
    with_gone("bob")
    with_gone("ada", "bob")
    with_gone("max")
    with_gone("ada", "bob", "max")


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
