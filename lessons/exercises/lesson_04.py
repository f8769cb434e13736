"""Lesson 04 Hanging up: checks, hints, and replies to predictions."""

import contextlib

from classroom import Pieces, exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
LEFT, SILENT, LOST = variant(
    ("left", "silent", "lost"), ("closed", "quiet", "broken"), ("ended", "mute", "gone")
)
OK = variant("ok", "yes", "got it")


class Visitor(Pieces):
    """A played connection that knows if it was closed, by close() or by the end of a with block."""

    closed = False

    def recv(self, size: int) -> bytes:
        """Return the next piece; an error once it is closed."""
        if self.closed:
            raise RuntimeError("recv() on a socket that is closed")
        return super().recv(size)

    def sendall(self, data: bytes) -> None:
        """Keep data as sent; an error once it is closed."""
        if self.closed:
            raise RuntimeError("sendall() on a socket that is closed")
        super().sendall(data)

    def close(self) -> None:
        """Keep in mind that it was closed."""
        super().close()
        self.closed = True

    def shutdown(self, _) -> None:
        """Keep in mind that it was shut down."""
        self.story.append("shutdown()")

    def settimeout(self, _) -> None:
        """Do nothing: its pieces say when it is silent."""

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_) -> None:
        self.close()


@exercise(
    "to-the-end",
    1,
    "What does recv() return when nothing more comes, and is that true or false in a condition?",
    (
        'while chunk := recv(4096): runs its block once a piece, and ends at b"". '
        "What has to happen in the block?"
    ),
)
def check_to_the_end(read_all):
    def wants(wanted, question: str, *pieces) -> None:
        played = Pieces(*pieces)
        expect(lambda: plain(read_all(played.recv)), wanted, question, played)

    def plain(got):
        return bytes(got) if isinstance(got, bytearray) else got  # both are right

    probe = Pieces(b"good", b"bye")
    with contextlib.suppress(Exception):
        read_all(probe.recv)
    all_of_it = (
        "Does one call of recv() bring everything? How can your loop see that nothing more comes?"
    )
    each = (
        "Each call of recv() takes the next piece away: "
        "does your code keep every piece that it gets?"
    )
    wants(b"goodbye", each if probe.ends == 1 else all_of_it, b"good", b"bye")
    wants(b"", "What has come if the stream ends at once?")
    short = "A short piece may be followed by others: what alone is the end?"
    wants(b"a" * 4096 + b"bc", short, b"a" * 4096, b"b", b"c")
    half = "Half of it is not all of it: who shall learn that the connection was lost?"
    wants(ConnectionResetError, half, b"good", ConnectionResetError("Connection reset by peer"))


@exercise(
    "why-gone",
    2,
    (
        "In which of the three cases does recv() return something, and in which does it "
        "raise something?"
    ),
    (
        'try: a loop until b""; except ...: one return for each kind of error. '
        "Which of them is a kind of the other?"
    ),
)
def check_why_gone(why_gone):
    def wants(wanted: str, question: str, *pieces) -> None:
        sock = Visitor(*pieces)
        expect(lambda: why_gone(sock), wanted, question, sock)

    wants(
        LEFT,
        "How can your loop see that nothing more comes, and what does your function return then?",
        b"hello",
    )
    on = "Does your loop go on after the first piece, and who catches what recv() raises?"
    wants(LOST, on, b"a", b"b", ConnectionResetError("Connection reset by peer"))
    silent = "A TimeoutError is an OSError, too. Which except is asked first?"
    wants(SILENT, silent, b"hello", TimeoutError("timed out"))
    other = "A reset is not the only way to lose a connection. What have they in common?"
    wants(LOST, other, ConnectionAbortedError("Software caused connection abort"))
    wants(LOST, other, OSError("No route to host"))


@exercise(
    "own-trouble",
    3,
    (
        "After an error the program goes on below the try. Where do you want it to go on: "
        "after the loop, or in it?"
    ),
    (
        "UnicodeDecodeError is a ValueError. "
        "And who closes the socket if an error comes before close()?"
    ),
)
def check_own_trouble(answer_all):
    one, two = Visitor(b"one"), Visitor(b"two")
    answers(answer_all, [one, two], ["one", "two"], "What is heard if all goes well?")
    each = "Does each of them get the answer?"
    expect(lambda: [one.sent, two.sent], [OK.encode()] * 2, each, one, two)
    gone = ConnectionResetError("Connection reset by peer")
    clients = [Visitor(b"one"), Visitor(gone), Visitor(b"two")]
    far = "How far does the loop come after an error?"
    answers(answer_all, clients, ["one", "two"], far)
    odd = Visitor(b"\xff")
    kind = "Which kind of error is UnicodeDecodeError: an OSError?"
    answers(answer_all, [Visitor(b"one"), odd, Visitor(b"two")], ["one", "two"], kind)
    only = "Which line shall be reached only by a client that was heard?"
    expect(lambda: odd.sent, b"", only, odd)
    clients = [Visitor(TimeoutError("timed out")), Visitor(gone), Visitor(b"two")]
    answers(answer_all, clients, ["two"], "What if the trouble begins with the first client?")


def answers(answer_all, clients: list, heard: list, question: str) -> None:
    """Expect what is heard from these clients, and that all of them are closed in the end."""
    story = [f"client: {sock.pieces[0]!r}" for sock in clients]
    expect(lambda: answer_all([*clients]), heard, question, *story)
    closed = [sock.closed for sock in clients]
    closes = "Who closes each socket, also that of a client in trouble?"
    expect(lambda: closed, [True] * len(clients), closes, "shown: is it closed? for each client")


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "04-1",
    right="B",
    A=(
        "Bob's system cannot know yet. A send that goes well does not mean that "
        "anybody has received it."
    ),
    B=(
        "Sending only hands the bytes to Bob's own system. Ada's system then answers "
        "that nobody is there any more; only after that answer does sending fail."
    ),
    C=(
        "TCP delivers while both are there. Whoever is gone gets nothing, and one "
        "send later you hear of it."
    ),
)

prediction(
    "04-2",
    right="C",
    A=(
        "That is what one hopes for, and what other systems may do. A program for all "
        "systems must not rely on it."
    ),
    B=(
        "The port stays open for as long as somebody waits in accept(). So in a "
        "notebook a client may be answered by a function that you have changed since."
    ),
    C=(
        "close() does not wake a thread that is inside accept(). The socket lives on "
        "for as long as somebody waits in it, and so does the old code."
    ),
)
