"""Races that happen every time: found at every run, gone with the mend, and nothing left behind."""

import _thread
import collections
import functools
import linecache
import shutil
import subprocess
import sys
import threading

import pytest
from kit import ROOT, TIMEOUT

sys.path.insert(0, str(ROOT / "lessons"))
import races
from races import Lock, Shared, race

# ruff: noqa: SIM102, SIM117 (each "if" and each "with" has a line of its own, for a line is a step)
people, welcomed, heard = {}, [], []
lock, other_lock, shared = Lock(), Lock(), Shared(count=0, ready=False)


def begin():
    people.clear()
    people["zoe"] = 0
    welcomed.clear()
    shared.count, shared.ready = 0, False


def one_got_in():
    return len(welcomed) == 1


def enter():
    if "eve" not in people:
        people["eve"] = "a socket"
        welcomed.append("eve")


def enter_with_lock():
    with lock:
        if "eve" not in people:
            people["eve"] = "a socket"
            welcomed.append("eve")


def enter_with_two_locks():
    with lock:
        free = "eve" not in people
    if free:
        with lock:
            people["eve"] = "a socket"
            welcomed.append("eve")


def enter_with_acquire():
    lock.acquire()
    try:
        enter()
    finally:
        lock.release()


def tell_all():
    for name in people:
        heard.append(name)


def tell_a_copy():
    for name in list(people):
        heard.append(name)


def add_one():
    shared.count += 1


def add_one_in_two_lines():
    mine = shared.count
    shared.count = mine + 1


def add_one_with_lock():
    with lock:
        shared.count += 1


def forget_to_let_go():
    lock.acquire()


def take_both():
    with lock:
        with other_lock:
            heard.append("eve")


def take_both_the_other_way_round():
    with other_lock:
        with lock:
            heard.append("eve")


def take_it_twice():
    with lock:
        with lock:
            heard.append("eve")


def leave():
    del people["zoe"]


def greet():
    heard.append(people["zoe"])


def be_ready_for_a_moment():
    shared.ready = True
    shared.ready = False


def look_twice():
    if shared.ready:
        if not shared.ready:
            welcomed.append("in between")


TABLE = {  # title: what ada does, what bob does, the check, what is wrong
    "a check and an act": (enter, enter, one_got_in, "the check says no"),
    "a check and an act under one lock": (enter_with_lock, enter_with_lock, one_got_in, ""),
    "the same with acquire and release": (enter_with_acquire, enter_with_acquire, one_got_in, ""),
    "a lock on one side only": (enter_with_lock, enter, one_got_in, "the check says no"),
    "a lock for each half": (
        enter_with_two_locks,
        enter_with_two_locks,
        one_got_in,
        "the check says no",
    ),
    "a loop over a dictionary that grows": (
        tell_all,
        enter,
        lambda: True,
        "ada has a RuntimeError: dictionary changed size during iteration",
    ),
    "a loop over a copy": (tell_a_copy, enter, lambda: True, ""),
    "one more, on one line": (add_one, add_one, lambda: shared.count == 2, "the check says no"),
    "one more, on two lines": (
        add_one_in_two_lines,
        add_one,
        lambda: shared.count == 2,
        "the check says no",
    ),
    "one more, under a lock": (add_one_with_lock, add_one_with_lock, lambda: shared.count == 2, ""),
    "two locks in two orders": (
        take_both,
        take_both_the_other_way_round,
        lambda: True,
        "deadlock: ada and bob can never go on",
    ),
    "two locks in one order": (take_both, take_both, lambda: True, ""),
    "a lock that is never let go": (
        forget_to_let_go,
        enter_with_lock,
        lambda: True,
        "deadlock: bob can never go on",
    ),
    "a lock that its own holder waits for": (
        take_it_twice,
        enter,
        lambda: True,
        "deadlock: ada can never go on",
    ),
    "somebody who may be gone already": (greet, leave, lambda: True, "ada has a KeyError: 'zoe'"),
    "two cuts in one order": (
        look_twice,
        be_ready_for_a_moment,
        lambda: not welcomed,
        "the check says no",
    ),
}


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Fail if a test leaves a thread, a trace function or a lock in somebody's hands."""
    threads, trace, hook = set(threading.enumerate()), sys.gettrace(), threading.gettrace()
    yield
    assert set(threading.enumerate()) <= threads
    assert (sys.gettrace(), threading.gettrace()) == (trace, hook)
    assert not lock.locked() and not other_lock.locked()


@pytest.mark.parametrize("title", TABLE)
def test_races_are_found_and_mends_are_seen(title, capfd):
    ada, bob, check, wrong = TABLE[title]
    result = race(ada=ada, bob=bob, setup=begin, check=check)
    assert result.wrong == wrong
    assert repr(result).startswith("WRONG: " if wrong else "RIGHT in all ")
    assert bool(result.trace) == bool(wrong)
    assert capfd.readouterr() == ("", ""), "no traceback of a thread is printed"


def test_a_hundred_runs_are_a_hundred_races_all_alike():
    runs = {repr(race(ada=enter, bob=enter, setup=begin, check=one_got_in)) for _ in range(100)}
    assert len(runs) == 1 and runs.pop().startswith("WRONG")
    mended = {
        repr(race(ada=enter_with_lock, bob=enter_with_lock, setup=begin, check=one_got_in))
        for _ in range(20)
    }
    assert len(mended) == 1 and mended.pop().startswith("RIGHT")


def test_the_trace_is_the_first_wrong_order_and_the_answer_names_the_two_lines():
    result = race(ada=enter, bob=enter, setup=begin, check=one_got_in)
    check, act, hello = (
        'if "eve" not in people:',
        'people["eve"] = "a socket"',
        'welcomed.append("eve")',
    )
    assert result.trace == [
        ("ada", check),
        *(("bob", line) for line in (check, act, hello)),
        ("ada", act),
        ("ada", hello),
    ]
    assert result.cuts == [(check, act)]
    assert repr(result).splitlines() == [
        "WRONG: the check says no",
        "",
        "    ada                                             bob",
        f"    {check}",
        *(" " * 52 + line for line in (check, act, hello)),
        f"    {act}",
        f"    {hello}",
        "",
        "Which line must not be cut off from which? Nobody else may have the turn",
        f"    between  {check}",
        f"    and      {act}",
    ]


def test_all_cuts_that_go_wrong_show_what_has_to_stay_in_one_piece():
    def three_lines():
        mine = shared.count
        mine += 1
        shared.count = mine

    result = race(ada=three_lines, bob=add_one, setup=begin, check=lambda: shared.count == 2)
    read, add, write = (
        "mine = shared.count  # reads count",
        "mine += 1",
        "shared.count = mine  # writes count",
    )
    both = "shared.count += 1  # reads count", "shared.count += 1  # writes count"
    assert result.cuts == [(read, add), (add, write), both]


def test_reading_and_writing_one_variable_are_two_steps():
    result = race(ada=add_one, bob=add_one, setup=begin, check=lambda: shared.count == 2)
    reads, writes = "shared.count += 1  # reads count", "shared.count += 1  # writes count"
    assert result.trace == [("ada", reads), ("bob", reads), ("bob", writes), ("ada", writes)]
    assert result.cuts == [(reads, writes)]


def test_who_waits_for_a_lock_and_who_lets_go_is_said():
    result = race(ada=enter_with_lock, bob=add_one, setup=begin, check=lambda: shared.count == 0)
    assert result.cuts == [] and result.trace[4] == ("ada", "with lock:  # lets go")
    assert "Nobody was cut off here: it is enough that ada comes first." in repr(result)
    result = race(ada=take_both, bob=take_both_the_other_way_round, setup=begin, check=lambda: True)
    assert result.trace[-2:] == [
        ("bob", "with lock:  # has to wait"),
        ("ada", "with other_lock:  # has to wait"),
    ]


def test_it_is_said_when_it_takes_two_cuts():
    ada, bob, check, _ = TABLE["two cuts in one order"]
    result = race(ada=ada, bob=bob, setup=begin, check=check)
    assert len(result.cuts) == 2
    assert repr(result).endswith("(it takes all of these cuts together)")
    assert not race(ada=ada, bob=bob, setup=begin, check=check, cuts=1).wrong


def test_it_is_said_when_not_even_a_cut_is_needed():
    result = race(ada=leave, bob=greet, setup=begin, check=lambda: True)
    assert result.cuts == [] and result.tries == 2
    result = race(ada=greet, bob=leave, setup=begin, check=lambda: True)
    assert result.cuts == [] and result.trace[0] == ("bob", 'del people["zoe"]')
    assert repr(result).endswith("it is enough that bob comes first.")


def test_all_orders_are_different_and_all_are_tried():
    """Two threads of two lines each: 6 orders. It takes one cut for abba, two for abab."""
    seen = []

    def two_lines():
        seen.append(threading.current_thread().name)
        seen.append(threading.current_thread().name)

    orders = []

    def no_order_twice():
        orders.append("".join(seen))
        seen.clear()
        return True

    for cuts, expected in (
        (0, ["aabb", "bbaa"]),
        (1, ["abba", "baab"]),
        (2, ["abab", "baba"]),
        (3, []),
    ):
        orders.clear()
        result = race(a=two_lines, b=two_lines, setup=lambda: None, check=no_order_twice, cuts=cuts)
        assert not result.wrong and result.tries == len(orders)
        assert orders[len(orders) - len(expected) :] == expected and len(orders) == len(set(orders))
    assert len(orders) == 6


def test_three_threads_can_race():
    result = race(ada=enter, bob=enter, eve=enter, setup=begin, check=lambda: len(welcomed) < 3)
    assert result.wrong and {name for name, _ in result.trace} == {"ada", "bob", "eve"}
    assert all(len(line) <= races.WIDTH for line in repr(result).splitlines())
    assert (
        race(
            ada=enter, bob=enter, eve=enter, setup=begin, check=lambda: 0 < len(welcomed) < 4
        ).wrong
        == ""
    )


def test_variables_of_an_enclosing_function_are_not_put_back():
    """In Python 3.10, who waits in a trace function undoes what others do to such variables."""
    count, names, here = 0, [], Lock()

    def clear():
        nonlocal count
        count = 0

    def add():
        nonlocal count
        names.append("eve")
        with here:
            count += 1

    result = race(ada=add, bob=add, setup=clear, check=lambda: count == 2, cuts=3)
    assert not result.wrong, result


class Room:
    def __init__(self):
        self.names = []

    def enter(self, name):
        if name not in self.names:
            self.names.append(name)


def test_methods_partials_and_lambdas_can_race():
    room = Room()
    for enter_room in (functools.partial(room.enter, "eve"), lambda: room.enter("eve")):
        result = race(
            ada=enter_room,
            bob=enter_room,
            setup=room.names.clear,
            check=lambda: len(room.names) == 1,
        )
        assert result.cuts == [("if name not in self.names:", "self.names.append(name)")]
        assert "lambda" not in repr(result.trace), "to call something is no step"


def test_lines_of_the_library_are_no_steps():
    def count_letters():
        heard.append(collections.Counter("eve").most_common(1))

    result = race(ada=count_letters, bob=count_letters, setup=heard.clear, check=lambda: not heard)
    assert len(result.trace) == 2


@pytest.mark.parametrize("known", [True, False], ids=["with its lines", "without"])
def test_functions_of_notebook_cells_can_race(known):
    """Each cell is a file of its own, not on the disk; who runs it tells linecache the lines."""
    name, other = "/tmp/ipykernel_1/111.py", "/tmp/ipykernel_1/222.py"
    cells = {
        name: "people = {}\nwelcomed = []\n\n"
        "def add(name):\n    people[name] = 1\n    welcomed.append(name)\n",
        other: "def enter(name):\n    if name not in people:\n        add(name)\n",
    }
    notebook = {}
    for filename, text in cells.items():
        if known:
            linecache.cache[filename] = len(text), None, text.splitlines(keepends=True), filename
        exec(compile(text, filename, "exec"), notebook)

    def clear():
        notebook["people"].clear()
        notebook["welcomed"].clear()

    def enter():
        return notebook["enter"]("eve")

    result = race(
        ada=lambda: enter(), bob=enter, setup=clear, check=lambda: len(notebook["welcomed"]) == 1
    )
    if known:
        first, second, third = "if name not in people:", "add(name)", "people[name] = 1"
        del linecache.cache[name], linecache.cache[other]
    else:
        first, second, third = "enter, line 2", "enter, line 3", "add, line 5"
    assert result.cuts[:2] == [(first, second), (second, third)]


def test_a_debuggers_trace_function_is_there_again(monkeypatch):
    before, after = [], []

    class Traced(threading.Thread):
        def run(self):
            sys.settrace(debug)
            before.append(sys.gettrace())
            super().run()
            after.append(sys.gettrace())
            sys.settrace(None)

    def debug(frame, event, arg):
        return None

    monkeypatch.setattr(races.threading, "Thread", Traced)
    assert race(ada=enter, bob=enter, setup=begin, check=one_got_in).wrong
    assert race(
        ada=take_both, bob=take_both_the_other_way_round, setup=begin, check=lambda: True
    ).wrong
    assert before == after == [debug] * len(before) and before


def test_a_lock_is_an_ordinary_lock_for_everybody_else():
    mine, order = Lock(), []

    def wait():
        with mine:
            order.append("the other")

    with mine:
        thread = threading.Thread(target=wait)
        thread.start()
        assert mine.locked()
        order.append("first")
    thread.join(TIMEOUT)
    assert order == ["first", "the other"] and not mine.locked()
    with pytest.raises(RuntimeError):
        mine.release()


def test_after_a_deadlock_the_locks_are_free_and_the_next_race_begins_anew():
    for _ in range(3):
        assert race(
            ada=take_both, bob=take_both_the_other_way_round, setup=begin, check=lambda: True
        ).wrong
        assert race(
            ada=forget_to_let_go, bob=enter_with_lock, setup=begin, check=lambda: True
        ).wrong
        assert not race(
            ada=enter_with_lock, bob=enter_with_lock, setup=begin, check=one_got_in
        ).wrong


def test_who_is_stopped_tidies_up_before():
    tidied = []

    def take_both_and_tidy_up():
        lock.acquire()
        try:
            other_lock.acquire()
            other_lock.release()
        finally:
            tidied.append("up")
            lock.release()

    result = race(
        ada=take_both_and_tidy_up,
        bob=take_both_the_other_way_round,
        setup=begin,
        check=lambda: True,
    )
    assert result.wrong.startswith("deadlock") and tidied == ["up"] * result.tries


real_lock = threading.Lock()


def wait_for_a_real_lock():
    with real_lock:
        heard.append("eve")


def wait_in_a_loop():
    while not shared.ready:
        pass


@pytest.mark.parametrize(
    ("function", "lines"),
    [(wait_for_a_real_lock, ["with real_lock:"]), (wait_in_a_loop, ["while not shared", "pass"])],
)
def test_what_would_never_end_is_ended_and_one_sentence_says_where_it_was(
    monkeypatch, function, lines
):
    monkeypatch.setattr(races, "PATIENCE", 0.5)
    with pytest.raises(RuntimeError) as caught:
        race(ada=function, bob=function, setup=begin, check=lambda: True)
    assert any(f" at '{line}" in str(caught.value) for line in lines) and "no end, " in str(
        caught.value
    )
    assert "\n" not in str(caught.value) and not real_lock.locked()


def test_ctrl_c_ends_all_threads(monkeypatch):
    monkeypatch.setattr(races, "PATIENCE", 0.5)

    def press_ctrl_c():
        _thread.interrupt_main()
        wait_in_a_loop()

    with pytest.raises(KeyboardInterrupt):
        race(ada=press_ctrl_c, bob=enter, setup=begin, check=lambda: True)


def test_a_mistake_in_the_check_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        race(ada=enter, bob=enter, setup=begin, check=lambda: 1 // 0)


@pytest.mark.parametrize(
    "functions", [{}, {"ada": enter}, {"ada": people.clear, "bob": people.clear}]
)
def test_what_cannot_race_is_refused(functions):
    with pytest.raises(ValueError, match=r"two functions|lines of your own"):
        race(setup=begin, check=lambda: True, **functions)


def test_long_functions_end_as_well(monkeypatch):
    def count_up():
        for _ in range(100):
            shared.count = 1

    monkeypatch.setattr(races, "MAX_TRIES", 50)
    result = race(ada=count_up, bob=count_up, setup=begin, check=lambda: True)
    assert repr(result) == "RIGHT in the first 50 orders with up to 2 cuts"


def test_alone_in_an_empty_folder_it_shows_the_race_its_trace_and_the_mend(tmp_path):
    shutil.copy(races.__file__, tmp_path)
    run = subprocess.run(
        [sys.executable, "-I", "races.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert (run.returncode, run.stderr) == (0, "")
    parts = run.stdout.split("==== ")[1:]
    verdicts = [
        "WRONG: the check",
        "RIGHT in all",
        "WRONG: ada has",
        "WRONG: the check",
        "WRONG: deadlock",
    ]
    assert len(parts) == len(verdicts)
    for part, verdict in zip(parts, verdicts, strict=True):
        assert verdict in part and ("Which line must not be cut off from which?" in part) == (
            "WRONG" in verdict
        )
    assert max(map(len, run.stdout.splitlines())) <= 100
