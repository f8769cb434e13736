"""What the tests of the window share: windows that are pumped until a condition holds."""

import contextlib
import gc
import socket
import sys
import threading
import time

import pytest
from kit import ROOT, TIMEOUT

sys.path.insert(0, str(ROOT))
import chat_client_gui as gui

tk = pytest.importorskip("tkinter", reason="this Python has no tkinter")
one_by_one = pytest.mark.skipif(
    sys.implementation.name == "pypy", reason="PyPy's Tk cannot do a single event"
)


def threads():
    names = ("receiver", "sender", "watcher", "browser")
    return [thread for thread in threading.enumerate() if thread.name in names]


def wait_for_no_threads():
    end = time.monotonic() + TIMEOUT
    for thread in threads():
        thread.join(max(0, end - time.monotonic()))
    assert not threads()


@contextlib.contextmanager
def hanging_port():
    """A port where a connect neither succeeds nor fails: its backlog is full."""
    with socket.socket() as sock, contextlib.ExitStack() as stack:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
        yield sock.getsockname()[1]


class Windows:
    """Opens windows, waits with their main loops running, and remembers errors in callbacks."""

    def __init__(self):
        self.opened, self.errors = [], []

    def open(self, *argv):
        root = tk.Tk()
        options = gui.parse_options([str(word) for word in argv])
        window = gui.Window(root, options)
        report = root.report_callback_exception

        def remember(kind, error, trace):
            self.errors.append(error)
            report(kind, error, trace)

        root.report_callback_exception = remember
        self.opened.append(window)
        return window

    def join(self, port, name="ada", *argv):
        window = self.open(name, "--port", port, *argv)
        self.wait_until(lambda: window.talk.state == "in" and name in window.talk.people)
        return window

    def wait_until(self, condition, timeout=TIMEOUT):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "it never came true"
            assert not self.errors, self.errors
            self.update()
            time.sleep(0.002)

    def update(self):
        for window in self.opened:
            window.root.update()

    def close(self, window):
        self.opened.remove(window)
        window.leave()


def opened_windows():
    """Give Windows, for a fixture; then close them, and see that nothing is left and went wrong."""
    windows = Windows()
    yield windows
    for window in [*windows.opened]:
        window.ask = lambda *_: True  # a test that fails may leave a server behind
        windows.close(window)
    wait_for_no_threads()
    errors, windows.errors = windows.errors, []
    gc.collect()  # what Tk made has to be freed in this thread
    assert not errors


def come_back(windows, window):
    """Connect again. While the server has not noticed that we left, our name is taken."""

    def is_in():
        if window.talk.state == "out":
            window.connect()
        return window.talk.state == "in"

    window.connect()
    windows.wait_until(is_in)


def focused(window):
    """Return the widget that the keys of this window go to, whichever window is in front."""
    return window.root.focus_lastfor()


def shown(window):
    return window.log.text.get("1.0", "end")


def wire(window):
    return window.wire.log.text.get("1.0", "end")


def people(window):
    return set(window.talk.people.values())


def say(window, *texts):
    window.say(window.talk.say(list(texts)))


def type_in(window, text, key="<Return>"):
    window.entry.delete(0, "end")
    window.entry.insert(0, text)
    window.entry.focus_force()
    window.root.update()
    window.entry.event_generate(key)


def shortcut(window, key):
    """Press a key in the room. Tk drops keys of a window that is not in front, so it is made so."""
    window.entry.focus_force()
    window.root.update()
    window.root.event_generate(key)


def tags_at(window, text):
    return window.log.text.tag_names(window.log.text.search(text, "1.0"))


def fill_form(window, **texts):
    for key, text in texts.items():
        window.fill(key, text)


def paste(window, text):
    window.root.clipboard_clear()
    window.root.clipboard_append(text)
    window.entry.focus_force()
    window.root.update()
    window.entry.event_generate("<<Paste>>")
