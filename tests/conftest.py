"""What holds for all tests: their marks, their turns, the screen."""

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

# A failure within these shall show the values, too, as one in a test does.
pytest.register_assert_rewrite("kit", "terminal", "gui_kit")

# Python collects garbage in whatever thread is running. A window that is garbage must not end in
# another thread than its own: Tk would end this whole process. So it is collected here, after each
# test of the window, and nowhere else.
gc.disable()


# In the background of a shell Ctrl-C is ignored, and so it would be in all programs that the tests
# start.
signal.signal(signal.SIGINT, signal.default_int_handler)


# Into a pipe Python writes UTF-8, but not on Windows. What the tests start does so there, too.
os.environ["PYTHONIOENCODING"] = "utf-8"


# ---- Marks ---------------------------------------------------------------------------------------

MARKS = {
    "jupyter": "needs the notebook tools, nbclient and nbgrader",
    "once": "about the tools and other servers; one Python is enough",
    "lessons": "runs the notebooks; the oldest and the newest Python are enough",
    "zoo": "the checker visits the zoo, which takes minutes; one Python is enough",
    "load": "a program under load, which is not about Python; one is enough",
    "window": "the window: all Pythons here have one Tk; the oldest and the newest are enough",
    "alone": "measures time: it waits for its turn until all others have finished",
}
BY_NAME = {  # how the names of tests begin -> their mark; not for those that need Jupyter
    "test_zoo.py": "zoo",
    "test_lessons.py": "lessons",
    "test_assignments.py": "once",
    "test_benchmark.py": "once",
    "test_build.py": "once",
    "test_chaos_proxy.py": "once",
    "test_check": "once",
    "test_models.py": "once",
    "test_grade.py": "once",
    "test_irc": "once",
    "test_mutants.py": "once",
    "test_paper": "once",
    "test_pcap.py": "once",
    "test_plain_lines.py": "once",
    "test_projects.py": "once",
    "test_readme.py": "once",
    "test_steps.py::test_a_step_": "once",
    "test_turns.py": "once",
    "test_variants.py": "once",
    "test_wireshark.py": "once",
    "test_gui": "window",
    "test_gui.py::test_open_close_cycles_": "load",
    "test_gui.py::test_2000_messages_a_second_": "load",
    "test_server_faults.py::test_a_flood_": "load",
    "test_server_protocol.py::test_a_big_room_": "load",
}
SLOW = [  # the files that begin
    "test_irc_network",
    "test_models",
    "test_server_faults",
    "test_assignments",
    "test_lessons",
    "test_steps",
    "test_check",
    "test_zoo",
]
ALONE = ["test_2000_messages_a_second_never_stall_the_main_loop"]  # parts of names
TOGETHER = [  # beginnings of the names of tests that share what takes long to make, or a port
    "test_models.py",
    "test_lessons.py::test_quotes_and_guides_",
    "test_steps.py::test_a_step_",
    "test_assignments.py::test_nbgrader_refuses_",
    "test_assignments.py::test_nbgrader_",
    "test_grade.py::test_a_class_",
    "test_papers.py",
    "test_server_faults.py",
    "test_readme.py",
    "test_turns.py",
]


def pytest_configure(config):
    for name, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    if "KIT_COMPILED" not in os.environ:  # else we are one of several processes
        folder = tempfile.mkdtemp(prefix="kit-code-")
        config.stash[COMPILED] = os.environ["KIT_COMPILED"] = folder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        add_marks(item)
    items.sort(key=turn)


def add_marks(item) -> None:
    """Mark a test by its name."""
    for start, mark in BY_NAME.items():
        if name_of(item.nodeid).startswith(start) and not item.get_closest_marker("jupyter"):
            item.add_marker(mark)
    if is_alone(item.nodeid):
        item.add_marker("alone")


def name_of(nodeid: str) -> str:
    """Return a test's name without the folders: test_file.py::test[parameter]."""
    path, separator, test = nodeid.partition("::")
    return path.rpartition("/")[2] + separator + test


def is_alone(name: str) -> bool:
    return any(part in name for part in ALONE)


def turn(item) -> int:
    """Return a number to sort by: what is slow begins, and what is alone comes last."""
    if item.get_closest_marker("alone"):
        return len(SLOW) + 1
    for number, start in enumerate(SLOW):
        if item.path.name.startswith(start):
            return number
    return len(SLOW)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Where CI is set, call it a failure to skip what is not installed."""
    report = (yield).get_result()
    if os.environ.get("CI") and report.skipped and "not installed" in str(report.longrepr):
        report.outcome = "failed"


# tests/on_newest.sh makes each warning an error, in each program that a test starts. These tests
# have programs that are wrong on purpose, or not finished: they run as students would run them.
WRONG_ON_PURPOSE = (
    "test_check",
    "test_grade",
    "test_mutants",
    "test_zoo",
    "test_assignments.py::test_a_copied_lesson_",
    "test_benchmark.py::test_a_broken_",
)


@pytest.fixture(autouse=True)
def as_students_run_it(request, monkeypatch):
    if name_of(request.node.nodeid).startswith(WRONG_ON_PURPOSE):
        monkeypatch.delenv("PYTHONDEVMODE", raising=False)
        monkeypatch.delenv("PYTHONWARNINGS", raising=False)


# ---- Several processes ---------------------------------------------------------------------------
#
# Most tests wait for something, so with pytest-xdist a few of them run at the same time. What
# measures time would then measure the others' load, so it waits until they have finished: each
# process adds a byte to a file for each test.

TALLY = pytest.StashKey()
COMPILED = pytest.StashKey()
PATIENCE = 120  # seconds without any news: then a process has died, and nobody is waited for


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Ask pytest-xdist for processes, if it is there and nobody asked for something else."""
    option = config.option
    if not config.pluginmanager.hasplugin("xdist") or hasattr(config, "workerinput"):
        return
    if option.numprocesses is None and option.dist == "no" and not has_to_be_one_process(config):
        option.numprocesses = min(4 * (os.cpu_count() or 1), 16)
    option.loadscopereorder = False  # the order is ours


def has_to_be_one_process(config) -> bool:
    option = config.option
    if option.collectonly or option.usepdb or option.capture == "no":
        return True
    return any("::" in argument for argument in config.args)  # one test only


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each group of tests to one process; with pytest 9.2, loadgroup of xdist 3.8 does not."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return Groups(config, log) if config.option.dist == "load" else None


def group(nodeid: str) -> str:
    """Return the name of a test's group; most tests are a group of their own."""
    if is_alone(nodeid):
        return "alone"
    name = name_of(nodeid)
    for start in TOGETHER:
        if name.startswith(start):
            return start
    if name.startswith("test_lessons.py") and "[" in name:
        return name[name.index("[") :]  # the lesson: it is run once for all that is asked about it
    if name.startswith("test_gui") and not shutil.which("Xvfb"):
        return "screen"  # there is one, and one window has the focus
    return nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Tell a process where the tally is."""
    if TALLY not in node.config.stash:
        number, path = tempfile.mkstemp(prefix="kit-tally-")
        os.close(number)
        node.config.stash[TALLY] = path
    node.workerinput["tally"] = node.config.stash[TALLY]


def pytest_unconfigure(config):
    if path := config.stash.get(TALLY, None):
        with contextlib.suppress(OSError):
            os.unlink(path)
    if folder := config.stash.get(COMPILED, None):
        shutil.rmtree(folder, ignore_errors=True)
        del os.environ["KIT_COMPILED"]


def tally(item) -> "Path | None":
    """Return the file with a byte for each finished test, None in a run of one process."""
    path = getattr(item.config, "workerinput", {}).get("tally")
    return path and Path(path)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    path = tally(item)
    alone = item.get_closest_marker("alone")
    if path and alone:
        wait_for_others(path, item.session.items)
    yield
    if path and not alone:
        with path.open("ab") as file:
            file.write(b".")


def wait_for_others(path: Path, items: list) -> None:
    """Wait until all tests but those that are alone have finished, or nothing happens any more."""
    wanted = len([item for item in items if not item.get_closest_marker("alone")])
    finished, end = 0, time.monotonic() + PATIENCE
    while finished < wanted and time.monotonic() < end:
        time.sleep(0.1)
        before, finished = finished, path.stat().st_size
        if finished > before:
            end = time.monotonic() + PATIENCE


# ---- The screen ----------------------------------------------------------------------------------


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield
    if "gui" in item.nodeid or "screen" in getattr(item, "fixturenames", ()):
        gc.collect()


@pytest.fixture(scope="session")
def screen(request):
    """Offer a display: the one there is, or an Xvfb; each of several processes has its own."""
    one_of_many = hasattr(request.config, "workerinput")
    there_is_one = os.environ.get("DISPLAY") or sys.platform in ("win32", "darwin")
    if there_is_one and not (one_of_many and shutil.which("Xvfb")):
        yield
        return
    if not shutil.which("Xvfb"):
        pytest.skip("there is no DISPLAY, and Xvfb is not installed")
    with pytest.MonkeyPatch.context() as patch, xvfb() as display:
        patch.setenv("DISPLAY", display)
        yield


@contextlib.contextmanager
def xvfb():
    """Run an Xvfb; it chooses a display that is free."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24", "-dpi", "96"]
    # Else it begins anew when the last window has gone, and loses who comes just then.
    command += ["-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as process:
        os.close(write)
        with os.fdopen(read) as pipe:
            display = f":{pipe.readline().strip()}"
        yield display
        process.terminate()
