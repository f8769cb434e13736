"""What holds for all tests."""

import gc
import os
import signal

import pytest

# Python collects garbage in whatever thread is running. A window that is garbage must not end in another thread than
# its own: Tk would end this whole process. So it is collected here, after each test of the window, and nowhere else.
gc.disable()


# In the background of a shell Ctrl-C is ignored, and so it would be in all programs that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    config.addinivalue_line("markers", "jupyter: needs the notebook tools, nbclient and nbgrader")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield
    if "gui" in item.nodeid:
        gc.collect()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Where CI is set, nothing may be skipped because something is not installed: that is a failure there."""
    report = (yield).get_result()
    if os.environ.get("CI") and report.skipped and "not installed" in str(report.longrepr):
        report.outcome = "failed"
