"""The checks of the project finding: python3 check.py --project finding my_server.py"""

import random
import socket
import time

from check import (
    ROOM,
    SERVER_STAGES,
    Chat,
    Program,
    Stage,
    Wrong,
    check,
    free_port,
    show,
    start_with,
)

SERVER_STAGES.append(Stage("finding", "is found", "projects/finding/README.md", 20, []))
FOUND = ("is_found",)
GROUP = "239.255.77.77", 12399
SIZE = 100  # bytes of a question


def digits() -> str:
    return f"{random.randrange(10**8):08}"


def question(number: str) -> bytes:
    """Return a question as it has to be."""
    return f"chat? {number}".encode().ljust(SIZE)


class Asker:
    """Somebody who asks this computer, and no other, for servers."""

    def __init__(self, scene: Chat, label: str):
        self.scene, self.label = scene, label
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))  # so that it hears nothing that is sent to the group
        here = socket.inet_aton("127.0.0.1")
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)

    def asks(self, datagram: bytes) -> None:
        self.scene.note(self.label, f"-> {show(datagram)}, to the group")
        if self.scene.program:
            self.sock.sendto(datagram, GROUP)

    def answer(self, seconds: float, title: str) -> bytes:
        """Return the next answer that holds this title; nothing if none comes in time. (Another
        server on this computer may answer as well.)
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                data, _ = self.sock.recvfrom(65_536)
            except TimeoutError:
                break
            except OSError:  # Windows says here that a question did not arrive
                continue
            if title.encode() in data:
                self.scene.note(self.label, f"<- {show(data)}")
                return data
        return b""

    def asks_until(self, title: str, seconds: float = 0.5) -> bytes:
        """Ask anew until an answer with this title comes, and return it. What is sent by UDP may be
        lost; and the server may listen for clients before it listens for questions.
        """
        number = digits()
        wanted = f"chat {number} PORT {title}"
        self.scene.note(self.label, f"-> {show(question(number))}, again and again")
        if not self.scene.expect(f"to {self.label}: the datagram {wanted.encode()!r}"):
            return b""
        end = time.monotonic() + self.scene.patience
        while time.monotonic() < end:
            self.sock.sendto(question(number), GROUP)
            if came := self.answer(seconds, title):
                return came
        raise Wrong(f"no answer came to {self.label}")

    def is_answered(self, wanted: str, title: str) -> None:
        """The next answer is this."""
        if self.scene.expect(f"to {self.label}: the datagram {wanted.encode()!r}"):
            came = self.answer(self.scene.patience, title)
            if not came:
                raise Wrong(f"no answer came to {self.label}")
            if came != wanted.encode():
                raise Wrong(f"to {self.label} came {came!r}")

    def is_not_answered(self, title: str) -> None:
        if self.scene.expect(f"to {self.label}: no answer") and (came := self.answer(0.3, title)):
            raise Wrong(f"to {self.label} came {came!r}")


def begins(scene: Chat) -> tuple:
    """Start the server so that it can be found; return its title and its port."""
    title = f"Klasse {digits()} (größer)"
    start_with(scene, "--host", "0.0.0.0", "--title", title)
    Asker(scene, "somebody").asks_until(title, 0.3)
    return title, scene.program.address[1] if scene.program else 1234


@check("finding", symptom=0, needs=ROOM)
def is_found(scene: Chat) -> None:
    """The question `chat? 12345678`, 100 bytes long, gets `chat 12345678 PORT TITLE`, twice."""
    title, port = begins(scene)
    ada = Asker(scene, "ada")
    for _ in range(2):
        number = digits()
        ada.asks(question(number))
        ada.is_answered(f"chat {number} {port} {title}", title)


@check("finding", symptom=0, needs=FOUND)
def answers_each_by_itself(scene: Chat) -> None:
    """ada and bob ask at the same time: each gets the answer with its own digits."""
    title, port = begins(scene)
    people = [Asker(scene, name) for name in ("ada", "bob", "cyd")]
    numbers = [digits() for _ in people]
    for person, number in zip(people, numbers, strict=True):
        person.asks(question(number))
    for person, number in zip(people, numbers, strict=True):
        person.is_answered(f"chat {number} {port} {title}", title)


@check("finding", symptom=9, needs=FOUND)
def answers_nothing_else(scene: Chat) -> None:
    """Rubbish, a question that is too short or too long, one without digits: no answer, and the
    server is still found.
    """
    title, _ = begins(scene)
    ada = Asker(scene, "ada")
    number = digits()
    whole = question(number)
    for datagram in (
        b"",
        b"hello",
        b"\xff" * SIZE,
        f"chat? {number}".encode(),
        whole[:-1],
        whole + b" ",
        whole * 40,
        b"chat? 1234567x".ljust(SIZE),
        b"chat? 123456789".ljust(SIZE),
        whole[:-1] + b"x",
        f"chat {number} 1234 me".encode().ljust(SIZE),
    ):
        ada.asks(datagram)
    ada.is_not_answered(title)
    ada.asks_until(title)


@check("finding", symptom=0, needs=FOUND)
def refuses_what_cannot_be_found(scene: Chat) -> None:
    """`--title` without `--host 0.0.0.0`, one of 61 bytes or one with an escape code: a sentence,
    an exit code other than 0, and no server.
    """
    everywhere = ("--host", "0.0.0.0", "--title")
    long = "\u00e9" * 30 + "x"
    for options in (("--title", "Class 7"), (*everywhere, long), (*everywhere, "\x1b[2J")):
        scene.note("program", f"is started with {' '.join(options)!r}")
        if not scene.expect("from the program: a sentence, an exit code other than 0"):
            continue
        address = "127.0.0.1", free_port()
        second = Program([*scene.target.command_at(address), *options], address)
        ended = second.ended(scene.patience)
        second.kill()
        if second.process.returncode == 0 or not ended:
            raise Wrong(ended or "your program runs")
        said = "\n".join(line for _, line in second.lines)
        if not said or "Traceback" in said:
            raise Wrong(f"your program says {said[-200:] or 'nothing'!r}")


# Last of all, for every server on this computer hears these questions.
@check("finding", symptom=23, needs=(*FOUND, "answers_each_by_itself", "answers_nothing_else"))
def talks_meanwhile(scene: Chat) -> None:
    """Three hundred questions at once: the talk goes on, and afterwards the server is found."""
    title, _ = begins(scene)
    ada, bob = scene.join("ada", "bob")
    asker = Asker(scene, "eve")
    scene.note("eve", "-> 300 questions")
    for _ in range(300 if scene.program else 0):
        asker.sock.sendto(question(digits()), GROUP)
    for number in range(5):
        ada.says(f"{number} meanwhile")
        bob.hears(ada, f"{number} meanwhile")
        ada.hears(ada, f"{number} meanwhile")
    Asker(scene, "dan").asks_until(title)  # some may be lost: so much waits to be read
