"""What holds for all tests."""

import gc
import os
import shutil
import signal
import subprocess
import sys

import pytest

# Python collects garbage in whatever thread is running. A window that is garbage must not end in another thread than
# its own: Tk would end this whole process. So it is collected here, after each test of the window, and nowhere else.
gc.disable()


# In the background of a shell Ctrl-C is ignored, and so it would be in all programs that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    config.addinivalue_line("markers", "jupyter: needs the notebook tools, nbclient and nbgrader")
    config.addinivalue_line(
        "markers", "once: about the tools and other servers; one Python is enough"
    )
    config.addinivalue_line(
        "markers", "lessons: runs the notebooks; the oldest and the newest Python are enough"
    )
    config.addinivalue_line(
        "markers", "zoo: the checker visits the zoo, which takes minutes; one Python is enough"
    )


def pytest_collection_modifyitems(items):
    once = ("test_assignments", "test_benchmark", "test_chaos", "test_check", "test_models")
    for item in items:
        if item.path.name.startswith("test_zoo"):
            item.add_marker("zoo")
        elif item.path.name.startswith("test_lessons"):
            item.add_marker("lessons")
        elif item.path.name.startswith(once) and not item.get_closest_marker("jupyter"):
            item.add_marker("once")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield
    if "gui" in item.nodeid or "screen" in getattr(item, "fixturenames", ()):
        gc.collect()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Where CI is set, nothing may be skipped because something is not installed: that is a failure there."""
    report = (yield).get_result()
    if os.environ.get("CI") and report.skipped and "not installed" in str(report.longrepr):
        report.outcome = "failed"


@pytest.fixture(scope="session")
def screen():
    """A display: the one there is, or an Xvfb of our own."""
    if os.environ.get("DISPLAY") or sys.platform in ("win32", "darwin"):
        yield
        return
    if not shutil.which("Xvfb"):
        pytest.skip("there is no DISPLAY, and Xvfb is not installed")
    read, write = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(write),
        "-screen",
        "0",
        "1280x1024x24",
        "-dpi",
        "96",
        "-nolisten",
        "tcp",
    ]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as process:
        os.close(write)
        with os.fdopen(read) as pipe:
            os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        yield
        del os.environ["DISPLAY"]
        process.terminate()
