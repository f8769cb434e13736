"""What the tests of the doors to IRC share: a raw client, real clients and servers, a network."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from kit import ROOT, TIMEOUT, Program, lasting_port

FOLDER = ROOT / "lessons" / "projects" / "irc"
LINE = 512  # bytes that a line of IRC has at most, its end included


def wait_until(condition, what: str, timeout: float = TIMEOUT) -> None:
    """Wait until condition() is true; fail and say what did not happen."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Gateway(Program):
    """The gateway to the room of a server."""

    def __init__(self, room: int, *options: str, **more):
        self.people = []
        script = FOLDER / "gateway.py"
        super().__init__(script, "--port", "0", "--room", f"127.0.0.1:{room}", *options, **more)
        self.port = int(self.wait_for("listening on").rpartition(":")[2])

    def client(self, nick: str, **more) -> "Raw":
        """Return a raw client that is in the channel, and has heard who else is there."""
        person = Raw(self.port, nick, **more)
        self.people.append(person)
        person.wait_for(" 366 ")
        return person

    def __exit__(self, *_) -> None:
        for person in self.people:
            person.close()
        super().__exit__()


class Bridge(Program):
    """The bridge between the room of a server and a channel."""

    def __init__(self, room: int, irc: int, *options: str, **more):
        ends = ["--room", f"127.0.0.1:{room}", "--irc", f"127.0.0.1:{irc}"]
        super().__init__(FOLDER / "bridge.py", *ends, *options, **more)

    def wait_until_linked(self) -> None:
        """Wait until both links have been made, in whichever order."""
        for _ in range(2):
            self.wait_for(" as ")


class Wire:
    """One end of a connection, which sends and receives lines of IRC as they are."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.sock.settimeout(TIMEOUT)
        self.file = sock.makefile("rb")
        self.seen = []
        self.answers = True  # a PING

    def send(self, *lines: "str | bytes") -> None:
        """Send each line, all in one piece."""
        data = b""
        for line in lines:
            data += (line.encode() if isinstance(line, str) else line) + b"\r\n"
        self.sock.sendall(data)

    def line(self) -> "str | None":
        """Return the next line, None at the end; a PING is answered and left out."""
        while True:
            data = self.file.readline()
            if not data:
                return None
            assert data.endswith(b"\r\n") and len(data) <= LINE, f"no line of IRC: {data}"
            line = data[:-2].decode()
            self.seen.append(line)
            if not line.startswith("PING ") or not self.answers:
                return line
            self.send(f"PONG {line[5:]}")

    def wait_for(self, part: str) -> str:
        """Return the next line that holds part; fail if the stream ends before."""
        while True:
            line = self.line()
            assert line is not None, f"no line with {part!r} came, but: {self.seen[-20:]}"
            if part in line:
                return line

    def expect(self, line: str) -> None:
        """Fail if the next line is not this one."""
        assert self.line() == line

    def settled(self) -> list:
        """Return the lines that came before the answer to a question of ours."""
        self.send(f"PING settled-{len(self.seen)}")
        token = f"settled-{len(self.seen)}"
        before = []
        while token not in (line := self.line() or token):
            before.append(line)
        return before

    def rest(self) -> list:
        """Return all lines until the end of the stream."""
        return list(iter(self.line, None))

    def texts(self, count: int) -> list:
        """Return the texts of the next messages: (who, text)."""
        found = []
        while len(found) < count:
            line = self.wait_for(" PRIVMSG ")
            who, _, text = line[1:].partition("!")
            found.append((who, text.partition(" :")[2]))
        return found

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_) -> None:
        self.close()


class Raw(Wire):
    """A client; with a nick it says who it is."""

    def __init__(self, port: int, nick: "str | None" = None, host: str = "127.0.0.1"):
        super().__init__(socket.create_connection((host, port), TIMEOUT))
        self.nick = nick
        if nick:
            self.send(f"NICK {nick}", f"USER {nick} 0 * :{nick}")


class FakeServer:
    """A server of IRC that does what a test wants."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(TIMEOUT)
        self.port = self.listener.getsockname()[1]
        self.wires = []

    def accept(self) -> Wire:
        """Return the connection of who comes, and has said its nick: wire.nick."""
        wire = Wire(self.listener.accept()[0])
        self.wires.append(wire)
        wire.nick = wire.wait_for("NICK ").partition(" ")[2]
        wire.wait_for("USER ")
        return wire

    def let_in(self) -> Wire:
        """Return the connection of who comes, and has been let into the channel."""
        wire = self.accept()
        wire.send(f":irc.test 001 {wire.nick} :welcome")
        wire.wait_for("JOIN #room")
        wire.send(f":{wire.nick}!b@host JOIN :#room")
        wire.wait_for("WHO #room")
        return wire

    def __enter__(self) -> "FakeServer":
        return self

    def __exit__(self, *_) -> None:
        for wire in self.wires:
            wire.close()
        self.listener.close()


# ---- Real clients --------------------------------------------------------------------------------


class Log:
    """What a real client has written about a channel or a person."""

    def __init__(self, folder: Path):
        self.folder = folder

    def text(self) -> str:
        """Return all that the client has written, of all its windows."""
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return "".join(path.read_text("utf-8", "replace") for path in files)

    def lines(self) -> list:
        return self.text().splitlines()

    def wait_for(self, part: str) -> None:
        wait_until(lambda: part in self.text(), f"no {part!r} in:\n{self.text()}")


class Irssi:
    """A real irssi in a pseudo-terminal, which writes down what it shows."""

    CONFIG = """
servers = ({ address = "127.0.0.1"; port = "%d"; autoconnect = "yes"; });
settings = {
  core = { real_name = "%s"; user_name = "%s"; nick = "%s"; };
  "irc/core" = { cmds_max_at_once = "1000"; cmd_queue_speed = "10msecs"; };
  "fe-common/core" = {
    autolog = "yes"; autolog_path = "%s/$0.log"; autolog_only_saved_channels = "no";
    paste_verify_line_count = "10000"; term_charset = "utf-8"; autolog_level = "all";
  };
};
"""

    def __init__(self, port: int, nick: str, folder: Path):
        import pty  # Windows has no such thing

        home = folder / f"irssi-{nick}"
        logs = home / "logs"
        logs.mkdir(parents=True)
        (home / "config").write_text(self.CONFIG % (port, nick, nick, nick, logs), "utf-8")
        self.log = Log(logs)
        self.terminal, child = pty.openpty()
        words = {"TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            ["irssi", f"--home={home}"],
            stdin=child,
            stdout=child,
            stderr=child,
            env={**os.environ, **words},
            start_new_session=True,
        )
        os.close(child)
        self.drain = threading.Thread(target=self._drain, name="drain", daemon=True)
        self.drain.start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):  # that is how the end looks
            while os.read(self.terminal, 65_536):
                pass

    def show_room(self) -> None:
        """Let what is typed go to the room."""
        self.type("/window goto 2")

    def type(self, text: str) -> None:
        os.write(self.terminal, f"{text}\r".encode())

    def __enter__(self) -> "Irssi":
        return self

    def __exit__(self, *_) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.drain.join(5)
        os.close(self.terminal)


class Weechat:
    """A real WeeChat without a screen, which writes down what it would show."""

    def __init__(self, port: int, nick: str, folder: Path):
        home = folder / f"weechat-{nick}"
        self.log = Log(home / "logs")
        self.fifo = home / "pipe"
        setup = [
            "/set logger.file.flush_delay 0",
            f"/set logger.file.path {home}/logs",
            f"/set fifo.file.path {self.fifo}",
            "/fifo disable",
            "/fifo enable",
            "/set irc.server_default.anti_flood_prio_high 0",
            "/set irc.server_default.anti_flood_prio_low 0",
            f"/server add kit 127.0.0.1/{port} -notls -nicks={nick} -autojoin=#room",
            "/connect kit",
        ]
        command = ["weechat-headless", "-d", str(home)]
        for line in setup:
            command += ["-r", line]
        environment = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, stdin=quiet, stdout=quiet, stderr=quiet, env=environment
        )

    def show_room(self) -> None:
        """Wait until something can be typed."""
        wait_until(self.fifo.exists, "WeeChat has made no pipe")

    def type(self, text: str) -> None:
        with open(self.fifo, "w", encoding="utf-8") as file:
            file.write(f"irc.kit.#room *{text}\n")

    def __enter__(self) -> "Weechat":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()


# ---- Real servers, and hosts to run them on ------------------------------------------------------


class Ngircd:
    """A real ngircd, which may be linked to others."""

    CONFIG = """
[Global]
Name = {name}.example.net
Info = a server for one test
Listen = 0.0.0.0
Ports = {port}
MotdPhrase = hello
[Limits]
ConnectRetry = 5
MaxConnectionsIP = 0
PingTimeout = {ping}
PongTimeout = 5
[Options]
DNS = no
Ident = no
PAM = no
"""
    LINK = """
[Server]
Name = {other}.example.net
Host = {host}
Port = {port}
MyPassword = for-{other}
PeerPassword = for-{name}
Passive = {passive}
"""

    def __init__(self, folder: Path, name: str = "irc", port: int = 0, ping: int = 120):
        self.name = name
        self.port = port or lasting_port()
        self.folder = folder
        self.config = self.CONFIG.format(name=name, port=self.port, ping=ping)
        self.process = None

    def link(self, other: str, host: str, port: int, passive: bool) -> None:
        """Link it to another server: one calls, the other is passive and waits to be called."""
        self.config += self.LINK.format(
            name=self.name, other=other, host=host, port=port, passive="yes" if passive else "no"
        )

    def start(self) -> "Ngircd":
        path = self.folder / f"{self.name}.conf"
        path.write_text(self.config, encoding="utf-8")
        with (self.folder / f"{self.name}.log").open("ab") as log:
            command = ["ngircd", "--nodaemon", "--config", str(path)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def wait_until_ready(self) -> None:
        wait_until(lambda: " ready." in self.log(), f"ngircd does not start: {self.log()}")

    def wait_until_linked(self) -> None:
        """Wait until the other server has told all that it knows."""
        wait_until(lambda: "Synchronization with" in self.log(), f"no link: {self.log()}")

    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text("utf-8", "replace")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> "Ngircd":
        return self

    def __exit__(self, *_) -> None:
        if self.process:
            self.kill()


class Inspircd:
    """A real InspIRCd."""

    CONFIG = """
<server name="irc.example.net" description="a server for one test" network="test">
<admin name="a" nick="a" email="a@example.net">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect allow="*" localmax="20" globalmax="20" threshold="10" recvq="8192">
<options prefixquit="Quit: ">
<log method="file" type="*" level="default" target="{folder}/log">
"""

    def __init__(self, folder: Path):
        self.port = lasting_port()
        self.config = folder / "inspircd.conf"
        self.config.write_text(self.CONFIG.format(port=self.port, folder=folder), "utf-8")
        self.process = None

    def start(self) -> "Inspircd":
        command = ["inspircd", "--nofork", "--runasroot", "--nopid", "--config", str(self.config)]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        return self

    def wait_until_ready(self) -> None:
        wait_until(lambda: listens(self.port), "InspIRCd does not start")

    def __enter__(self) -> "Inspircd":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()


def listens(port: int) -> bool:
    """Return whether somebody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), TIMEOUT).close()
    except OSError:
        return False
    return True


class Hosts:
    """Two network namespaces, as two hosts with a cable between them. For root on Linux alone."""

    def __init__(self):
        self.addresses = {"one": "10.77.0.1", "two": "10.77.0.2"}

    def __enter__(self) -> "Hosts":
        self.names = {host: f"irc-{os.getpid()}-{host}" for host in self.addresses}
        one, two = self.names.values()
        for name in self.names.values():
            self.ip("netns", "add", name)
        self.ip("link", "add", "cable", "netns", one, "type", "veth", "peer", "cable", "netns", two)
        for host, name in self.names.items():
            self.ip("-n", name, "addr", "add", f"{self.addresses[host]}/24", "dev", "cable")
            self.ip("-n", name, "link", "set", "lo", "up")
            self.ip("-n", name, "link", "set", "cable", "up")
        return self

    def __exit__(self, *_) -> None:
        for name in self.names.values():
            self.ip("netns", "del", name)

    def ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, timeout=TIMEOUT)

    def cable(self, state: str) -> None:
        """Cut the cable with "down", join it with "up"."""
        self.ip("-n", self.names["one"], "link", "set", "cable", state)

    def on(self, host: str, function, *arguments, **more):
        """Call a function on a host: what it opens and starts is there for good."""
        results = []

        def call() -> None:
            with open(f"/run/netns/{self.names[host]}", "rb") as file:
                enter = ctypes.CDLL(None, use_errno=True).setns
                assert enter(file.fileno(), 0x4000_0000) == 0, os.strerror(ctypes.get_errno())
            results.append(function(*arguments, **more))

        thread = threading.Thread(target=call, name="there")
        thread.start()
        thread.join(4 * TIMEOUT)
        assert results, f"{function} failed on {host}"
        return results[0]
