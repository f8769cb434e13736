"""What the tests share: real programs as processes, and a client that speaks raw frames."""

import contextlib
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "lessons"))
CHECK = ROOT / "lessons" / "check.py"
TIMEOUT = 15  # seconds: for anything that is waited for; a loaded machine is slow


def is_wine() -> bool:
    """Return whether this Windows is Wine's imitation, which does a few things in another way."""
    if os.name != "nt":
        return False
    import ctypes

    return hasattr(ctypes.windll.ntdll, "wine_get_version")


WINE = is_wine()
# Reasons to skip a test where a system, or what imitates it, cannot pass it
UNIX = "terminals, signals, pipes and devices as on Unix"
PROC = "looks at the program as only Linux lets one do"
RESET = "under Wine a reset arrives as an end"
SPEED = "how fast it is under Wine says nothing of Windows"
CTRL_C = "nobody can press Ctrl-C for another process on Windows"
FILES = "only on Linux does the checker see what a program has open"
WORK = "here the checker does not see whether a program works or rests"


def has_several_loopbacks() -> bool:
    """Return whether 127.0.0.2 is this computer, too: on Linux and Windows, but not on macOS."""
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.2", 0))
        except OSError:
            return False
    return True


SEVERAL_LOOPBACKS = has_several_loopbacks()


def frame(payload: "str | bytes") -> bytes:
    """Return payload as one frame, made without the kit's own code."""
    data = payload.encode() if isinstance(payload, str) else payload
    return str(len(data)).encode().ljust(10) + data


def checker(*options, script: Path = CHECK) -> list:
    """Return the command that runs the checker as `python3 check.py` does, compiled only once."""
    words = [script, *options]
    if folder := os.environ.get("KIT_COMPILED"):  # conftest.py has made it
        words = [ROOT / "tests" / "compiled.py", folder, *words]
    strict = ["-X", "dev", "-W", "error"] if sys.flags.dev_mode else []  # see conftest.py
    return [sys.executable, *strict, *map(str, words)]


def lasting_port() -> int:
    """Return a free port that stays free between two servers: nobody else is given it, neither by
    the system, nor by another test or checker.
    """
    from check import free_port

    return free_port()


# How the programs that tests give to the checker read so many bytes.
EXACTLY = """\
def exactly(sock, size):
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
"""


class Program:
    """One of the programs as a process of its own, with its output lines as they come."""

    def __init__(
        self, *command: str, folder: "Path | None" = None, stdin=subprocess.DEVNULL, **more
    ):
        self.lines, self.seen = queue.Queue(), []
        ours = {
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "",
        }  # what is not flushed is not seen
        environment = {**os.environ, **ours, **more.pop("env", {})}
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=folder or ROOT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            env=environment,
            **more,
        )
        self.collector = threading.Thread(target=self._collect, name="collect", daemon=True)
        self.collector.start()

    def _collect(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_for(self, part: str, timeout: float = TIMEOUT) -> str:
        """Return the next line that holds part; fail with all that was printed if none comes."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line with {part!r} came, but: {self.seen}")
            self.seen.append(line)
            if part in line:
                return line

    def output(self) -> list:
        """Return all lines of a program that has ended."""
        self.process.wait(TIMEOUT)
        while (line := self.lines.get(timeout=TIMEOUT)) is not None:
            self.seen.append(line)
        return self.seen

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code; on Windows nobody can send one: it is ended."""
        if self.process.poll() is None:
            if os.name == "nt":
                self.process.terminate()
            else:
                self.process.send_signal(number)
        return self.process.wait(TIMEOUT)

    def stand_still(self) -> None:
        """Stop the program where it is, and wait until it stands: that may take a moment."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def ends_well(self) -> bool:
        """Press Ctrl-C and return whether it ends well; that cannot be seen on Windows: true."""
        return self.stop() == 0 or os.name == "nt"

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            if hasattr(signal, "SIGCONT"):  # not on Windows
                self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT)
        if self.process.stdin:
            with contextlib.suppress(OSError):  # what nobody has read is lost
                self.process.stdin.close()
        self.collector.join(5)  # it reads to the end; only then may the pipe be closed
        assert not self.collector.is_alive(), "somebody whom it has started is still there"
        self.process.stdout.close()


def wrapped(folder: Path, first: str, script: Path = ROOT / "chat_server.py") -> Path:
    """Return a script, made in folder, that executes the line first and then is the script."""
    wrapper = folder / f"wrapped_{script.name}"
    wrapper.write_text(
        f"import runpy\n{first}\nrunpy.run_path({str(script)!r}, run_name='__main__')\n",
        encoding="utf-8",
    )
    return wrapper


class Server(Program):
    """The kit's server on a port of the system's choice."""

    def __init__(self, *options: str, script: "str | Path" = ROOT / "chat_server.py", **more):
        self.clients = []
        super().__init__(script, "--port", "0", *options, **more)
        try:
            self.port = int(self.wait_for("listening on").rpartition(":")[2])
        except AssertionError:
            self.__exit__()
            raise

    def client(self, name: "str | None" = None, **more) -> "Client":
        client = Client(self.port, name, **more)
        client.server = self
        self.clients.append(client)
        return client

    def gather(self, *names: str) -> list:
        """Return a client for each name; each of them has heard who came after it."""
        here = []
        for name in names:
            newcomer = self.client(name)
            for client in here:
                client.expect("server", f"joined {name}")
            here.append(newcomer)
        return here

    def clear(self) -> None:
        """Let all clients leave, and wait until the server has seen it: the room is empty."""
        for client in self.clients:
            with contextlib.suppress(OSError, ValueError):  # it may be over already
                client.hang_up()
                client.rest()
            client.close()
        self.clients = []

    def __exit__(self, *_) -> None:
        for client in self.clients:
            client.close()
        super().__exit__()


class Client:
    """A client that sends and receives raw frames; with a name it joins and skips its welcome."""

    def __init__(self, port: int, name: "str | None" = None, receive_buffer: int = 0):
        self.sock = socket.socket()
        self.sock.settimeout(TIMEOUT)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.sock.connect(("127.0.0.1", port))
        except OSError:
            self.sock.close()
            raise
        self.file = self.sock.makefile("rb")
        if name:
            self.name = name
            self.send(name)
            self.expect("server", f"welcome {name}")
            self.online = set()
            while name not in self.online:
                self.online |= set(self.notice("online").split())

    def send(self, *payloads: "str | bytes") -> None:
        """Send each payload as a frame, all in one piece."""
        self.raw(b"".join(map(frame, payloads)))

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def frame(self) -> "str | None":
        """Return the next payload, None at the end of the stream."""
        header = self.file.read(10)
        if not header:
            return None
        assert len(header) == 10, f"the stream ends within a header: {header!r}"
        data = self.file.read(int(header))
        assert len(data) == int(header), f"the stream ends within a frame: {data!r}"
        return data.decode()

    def pair(self) -> "tuple | None":
        """Return the next (sender, text), None at the end of the stream."""
        sender = self.frame()
        return None if sender is None else (sender, self.frame())

    def expect(self, sender: str, text: str) -> None:
        """Fail if the next pair is not this one."""
        assert self.pair() == (sender, text)

    def notice(self, kind: str) -> str:
        """Return what follows the kind in the next pair, which has to be such a notice."""
        sender, text = self.pair()
        first, _, rest = text.partition(" ")
        assert (sender, first) == ("server", kind), f"{sender}: {text}"
        return rest

    def skip_to(self, sender: str, text: str) -> list:
        """Return the pairs that come before this one."""
        before = []
        while (pair := self.pair()) != (sender, text):
            assert pair is not None, f"the stream ended after {before[-3:]}"
            before.append(pair)
        return before

    def rest(self) -> list:
        """Return all pairs until the end of the stream."""
        return list(iter(self.pair, None))

    def hang_up(self) -> None:
        """Say that nothing more comes from here, but go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Vanish with a reset instead of a goodbye."""
        self.sock.setsockopt(
            socket.SOL_SOCKET,
            socket.SO_LINGER,
            struct.pack("hh" if os.name == "nt" else "ii", 1, 0),
        )
        self.close()

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()
