#!/usr/bin/env python3
"""Races that happen every time: try every order in which threads can cut in on each other.

    python3 races.py        shows races, where they come from, and what mends them

    from races import Lock, Shared, race
    print(race(ada=enter, bob=enter, setup=people.clear, check=lambda: len(people) == 1))

A race is seldom seen, for the system decides when a thread has to stop and another may go on. Here,
we decide. The threads are real ones, but only one of them has the turn, and before each line it
asks who is next. So everything happens in one order, the same at every run, on every Python, with a
GIL or without. race() tries one order after the other: first nobody is cut off, then somebody once,
before every line there is, and then twice.

Left out: waiting for anything but a Lock from here (a queue, a socket, a threading.Lock), threads
that these threads start, and what happens inside a line: that is one step. Only the variables of a
Shared may change in its middle.
"""

import inspect
import linecache
import os
import queue
import sys
import textwrap
import threading

MAX_TRIES = 2000  # orders
MAX_STEPS = 50_000  # in one order
PATIENCE = 5  # seconds for one order
WIDTH = 100  # columns of what is shown
LIBRARY = os.path.dirname(os.__file__)
here = threading.local()  # in each thread of a race: its turns (None when it ends) and its name

# ---- 1. Taking turns -----------------------------------------------------------------------------


class Stop(BaseException):
    """Ends a thread whose order is over."""


class Turns:
    """One order of doing things.

    Only the thread that has the turn changes anything in here, so it needs no lock.
    """

    def __init__(self, functions: dict, plan: dict):
        self.functions = functions  # name -> what the thread of that name does
        self.plan = plan  # number of a choice -> who goes on; else it is the first one
        self.choices = []  # lists of names: who could go on
        self.steps = []  # [name, code, line, note]
        self.last = {}  # name -> its last step
        self.cuts = []  # (step, step) of one name: between them, somebody else had the turn
        # What is put in there gives the turn:
        self.gates = {name: queue.SimpleQueue() for name in functions}
        self.news = queue.SimpleQueue()  # for play(): somebody is ready, somebody has ended
        self.closed = threading.Event()  # nothing more will be done
        self.running = list(functions)  # names
        self.waiting = {}  # name -> the Lock that it waits for
        self.locks = set()  # all Locks
        self.wrong = ""  # what went wrong, in words
        self.over = False  # has everybody to stop?

    def play(self) -> None:
        """Run the functions in threads until they end; raises RuntimeError if they do not."""
        threads = [
            threading.Thread(target=self.run, args=(name,), name=name, daemon=True)
            for name in self.functions
        ]
        try:
            for thread in threads:
                thread.start()
                self.news.get()
            self.hand_on()
            for _ in threads:
                self.news.get(timeout=PATIENCE)
            if len(self.steps) >= MAX_STEPS:
                raise queue.Empty
        except queue.Empty:
            where = ", ".join(f"{name} at {words(step)!r}" for name, step in self.last.items())
            advice = "they may wait for a Lock from here, but for nothing else, and not in a loop"
            raise RuntimeError(f"no end, {where}: {advice}") from None
        finally:  # after Ctrl-C as well
            self.stop()
            self.closed.set()
            for thread in filter(threading.Thread.is_alive, threads):
                thread.join(PATIENCE)
            for lock in self.locks:
                if lock.locked():  # by somebody who was stopped
                    lock.lock.release()

    def run(self, name: str) -> None:
        """One thread: wait for the first turn, call the function, give the turn away for good."""
        here.turns = self
        here.name = name
        before = sys.gettrace()  # a debugger's, or a coverage tool's
        sys.settrace(self.on_call)
        try:
            self.news.put("ready")
            self.wait(name)
            self.functions[name]()
        except Stop:
            pass
        except BaseException as error:
            self.fail(f"{name} has a {type(error).__name__}: {error}")
        self.running.remove(name)
        if self.running:
            self.hand_on()
        self.news.put("ended")
        # Python does not like it if tracing changes while others are in the middle of a line.
        self.closed.wait()
        sys.settrace(before)

    def fail(self, words: str) -> None:
        """Note what went wrong, if it is the first thing."""
        if not self.wrong:
            self.wrong = words

    def on_call(self, frame, event: str, arg):
        """Python calls this before each function: say whether its lines are steps."""
        if watched(frame.f_code):
            return self.on_line
        return None

    def on_line(self, frame, event: str, arg):
        """Python calls this before each line: here, others may cut in."""
        if event == "line" and here.turns:
            self.step(frame.f_code, frame.f_lineno)
            # Python 3.10 took copies of the variables before it called us, and will put them back,
            # those of an enclosing function as well. But others had the turn meanwhile. This takes
            # the copies anew.
            _ = frame.f_locals
        return self.on_line

    def step(self, code, line: int, note: str = "") -> None:
        """With the turn: do the next step, as soon as it is our turn again."""
        step = [here.name, code, line, note]
        if here.name in self.last:  # nobody is cut off before the very first one
            self.hand_on(here.name, step)
        self.last[here.name] = step
        self.steps.append(step)
        if len(self.steps) >= MAX_STEPS:
            self.stop()

    def note(self, words: str, new: bool = False) -> None:
        """With the turn: say something about the last step.

        With new, if that has a note already, it is about a new step on the same line.
        """
        step = self.last.get(here.name)
        if step:
            if new and step[3]:
                self.step(step[1], step[2], words)
            else:
                step[3] = words

    def hand_on(self, name: str = "", step: "list | None" = None) -> None:
        """With the turn: choose who goes on.

        If that is not name, who is about to do a step, wait until it is.
        """
        if self.over and name:
            raise Stop
        could = [other for other in self.running if not self.has_to_wait(other)]
        if could:
            could.sort(key=lambda other: other != name)  # without a plan, name keeps the turn
            chosen = self.plan.get(len(self.choices), could[0])
            self.choices.append(could)
            if chosen == name:
                return
            if name == could[0]:
                self.cuts.append((self.last[name], step))
            self.gates[chosen].put("go on")
        else:
            self.fail(f"deadlock: {' and '.join(self.running)} can never go on")
            self.stop()
        if name:
            self.wait(name)

    def has_to_wait(self, name: str) -> bool:
        """Return whether somebody waits for a lock that another one holds."""
        return name in self.waiting and self.waiting[name].locked()

    def wait(self, name: str) -> None:
        """Wait for the turn; raises Stop if it will never come."""
        self.gates[name].get()
        if self.over:
            here.turns = None  # what is done on the way out is no step
            raise Stop

    def stop(self) -> None:
        """Wake everybody, so that they stop."""
        self.over = True
        for gate in self.gates.values():
            gate.put("stop")


class Lock:
    """A lock for the threads of a race, used like threading.Lock.

    Who has to wait gives the turn away.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.locked = self.lock.locked

    def acquire(self) -> bool:
        turns = turns_here()
        if turns:
            turns.locks.add(self)
            while self.locked():
                turns.note("has to wait")
                turns.waiting[here.name] = self
                turns.hand_on(here.name)
            turns.waiting.pop(here.name, None)
        return self.lock.acquire()

    def release(self) -> None:
        self.lock.release()
        turns = turns_here()
        if turns:
            turns.note("lets go")

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_) -> None:
        self.release()


class Shared:
    """Variables that take a step to read, and another one to write.

    With shared = Shared(count=0), shared.count += 1 is two steps.
    """

    def __init__(self, **values):
        for name, value in values.items():
            setattr(self, name, value)

    def __getattribute__(self, name: str):
        turns = turns_here()
        if turns:
            turns.note(f"reads {name}", new=True)
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value) -> None:
        turns = turns_here()
        if turns:
            turns.note(f"writes {name}", new=True)
        super().__setattr__(name, value)


def turns_here() -> "Turns | None":
    """Return the turns that this thread takes part in, None if it is no thread of a race."""
    return getattr(here, "turns", None)


# ---- 2. Trying all orders ------------------------------------------------------------------------


def race(*, setup, check, cuts: int = 2, **functions) -> "Result":
    """Try the orders in which functions can run at the same time.

    An order says who begins, and who is cut off, up to so many times. Each begins with setup(),
    which makes all that is shared as good as new. It is right if check() is true at the end, nobody
    had an exception, and nobody waits for ever. The functions' names here are those of the threads.
    """
    if len(functions) < 2:
        raise ValueError("a race needs two functions")
    plans = [{0: name} for name in functions]
    tries = 0
    wrong = []
    for _ in range(cuts + 1):
        deeper = []
        for plan in plans[: MAX_TRIES - tries]:
            setup()
            turns = Turns(functions, plan)
            turns.play()
            tries += 1
            if not turns.steps:
                raise ValueError("these functions have no lines of your own: nothing can be cut")
            if turns.wrong or not check():
                wrong.append(turns)
            for number in range(max(plan) + 1, len(turns.choices)):
                if len(deeper) < MAX_TRIES:
                    deeper += [{**plan, number: name} for name in turns.choices[number][1:]]
        if wrong:
            break
        plans = deeper
    return Result(wrong, tries, cuts)


class Result:
    """What race() found out; print it."""

    def __init__(self, wrong: list, tries: int, most: int):
        self.tries = tries
        self.most = most  # cuts in one order
        self.wrong = ""  # what goes wrong
        self.trace = []  # how: (name, line)
        self.cuts = []  # (line, line): between them somebody else had the turn
        if wrong:
            self.explain(wrong)

    def explain(self, wrong: list) -> None:
        """Note what went wrong first, and how."""
        self.first = wrong[0]
        self.wrong = self.first.wrong or "the check says no"
        self.trace = [(step[0], words(step)) for step in self.first.steps]
        # A plan says who begins, then who cuts in. If one cut is enough, take each that was found:
        # together they say what has to stay in one piece.
        if len(self.first.plan) > 2:
            wrong = wrong[:1]
        for turns in wrong:
            for before, after in turns.cuts:
                cut = words(before), words(after)
                if cut not in self.cuts:
                    self.cuts.append(cut)

    def __repr__(self) -> str:
        if self.wrong:
            return "\n".join([f"WRONG: {self.wrong}", "", *self.columns(), "", *self.answer()])
        which = "all" if self.tries < MAX_TRIES else "the first"
        return f"RIGHT in {which} {self.tries:,} orders with up to {self.most} cuts"

    def columns(self) -> list:
        """Return the trace, a column for each thread; time goes down."""
        names = list(self.first.functions)
        size = (WIDTH - 4) // len(names)
        rows = ["".join(name.ljust(size) for name in names)]
        for name, line in self.trace:
            if len(line) >= size:
                line = line[: size - 4] + "..."
            rows.append(" " * size * names.index(name) + line)
        return [f"    {row.rstrip()}" for row in rows]

    def answer(self) -> list:
        """Return which lines must not be cut off from which."""
        if not self.cuts:
            return [f"Nobody was cut off here: it is enough that {self.trace[0][0]} comes first."]
        lines = [f"    between  {before}\n    and      {after}" for before, after in self.cuts]
        if len(self.cuts) > 1 and len(self.first.plan) > 2:
            lines.append("(it takes all of these cuts together)")
        question = "Which line must not be cut off from which? Nobody else may have the turn"
        return [question, *lines]


def words(step: list) -> str:
    """Return the line of the program that a step does, and what there is to say about it."""
    _, code, number, note = step
    line = linecache.getline(code.co_filename, number).partition("  # ")[0].strip()
    if not line:
        line = f"{code.co_name}, line {number}"
    if note:
        line += f"  # {note}"
    return line


def watched(code) -> bool:
    """Return whether the lines of this code are steps.

    Those of Python's library are not, nor those of this file up to here.
    """
    name = code.co_filename
    ours = watched.__code__
    if name == ours.co_filename and code.co_firstlineno <= ours.co_firstlineno:
        return False
    if name.startswith((LIBRARY, "<frozen")):
        return False
    if "site-packages" in name or "dist-packages" in name:
        return False
    return code.co_name != "<lambda>"


# ---- 3. The demonstration ------------------------------------------------------------------------

# ruff: noqa: SIM117 (each "with" has a line of its own, for a line is a step)
people = {}  # name -> socket
welcomed = []
heard = []
shared = Shared(count=0)
lock = Lock()
other_lock = Lock()


def begin():
    people.clear()
    welcomed.clear()
    people["zoe"], shared.count = "zoe's socket", 0


def enter():
    if "eve" not in people:
        people["eve"] = "a socket"
        welcomed.append("eve")


def enter_with_lock():
    with lock:
        if "eve" not in people:
            people["eve"] = "a socket"
            welcomed.append("eve")


def tell_all():
    for name in people:
        heard.append(name)


def add_one():
    shared.count += 1


def take_both():
    with lock:
        with other_lock:
            heard.append("eve")


def take_both_the_other_way_round():
    with other_lock:
        with lock:
            heard.append("eve")


def one_got_in():
    return len(welcomed) == 1


def both_were_counted():
    return shared.count == 2


def all_is_well():
    return True


EXAMPLES = [  # title, what ada does, what bob does, the check
    ("Two people want one name: a check, then an act", enter, enter, one_got_in),
    ("Mended with a lock", enter_with_lock, enter_with_lock, one_got_in),
    ("One goes through the dictionary, one changes it", tell_all, enter, all_is_well),
    ("One line, but two steps", add_one, add_one, both_were_counted),
    ("Two locks, taken in two orders", take_both, take_both_the_other_way_round, all_is_well),
]


def main() -> None:
    """Show each example: its lines, and what race() finds out."""
    for title, ada, bob, check in EXAMPLES:
        print(f"==== {title} ".ljust(WIDTH, "="), end="\n\n")
        for function in dict.fromkeys((ada, bob)):
            print(textwrap.indent(inspect.getsource(function), "    "))
        print(race(ada=ada, bob=bob, setup=begin, check=check), end="\n\n")


if __name__ == "__main__":
    main()
