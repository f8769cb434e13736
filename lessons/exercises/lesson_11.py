"""Lesson 11 The window, finished: checks, hints, and replies to predictions."""

from classroom import exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
LONGEST = variant(30, 45, 60)


class PlayedText:
    """As much of Tk's Text as lesson 11 needs: lines, and which of them are in sight."""

    def __init__(self, *lines, height: int = 3):
        self.lines, self.height = list(lines), height
        self.see("end")

    def insert(self, where: str, line: str) -> None:
        """Add a line at the end."""
        self.lines.append(line)

    def see(self, where: str) -> None:
        """Scroll so that the last line is in sight."""
        self.top = max(0, len(self.lines) - self.height)

    def yview(self) -> tuple:
        """Return where the part in sight begins and ends, as fractions of the whole."""
        return self.top / len(self.lines), min(1.0, (self.top + self.height) / len(self.lines))

    def yview_moveto(self, fraction: float) -> None:
        """Scroll to a fraction of the whole, as the scroll bar does."""
        self.top = int(fraction * len(self.lines))

    def show(self) -> None:
        """Print what is in sight."""
        for line in self.lines[self.top : self.top + self.height]:
            print(f"   | {line}")


@exercise(
    "delay",
    1,
    "DELAYS has six places, 0 to 5. Which of them is for the tries after those?",
    "min(a, b) is the smaller one. Which two numbers do you compare?",
)
def check_delay(delay):
    for tries, wanted in enumerate((1, 2, 4, 8, 16, LONGEST)):
        question = "Which place in DELAYS belongs to this try?"
        expect(lambda tries=tries: delay(tries), wanted, question, f"delay({tries})")
    for tries in (6, 7, 11, 12, 1000):
        question = (
            "After the sixth try, how long shall it wait: is there a place in DELAYS for that?"
        )
        expect(lambda tries=tries: delay(tries), LONGEST, question, f"delay({tries})")


@exercise(
    "unconfirmed",
    3,
    "Each message of mine gets one answer, in order. How many pairs in came are answers to me?",
    (
        "If two answers have come, which messages of sent are still without? "
        "sent[2:] is a list without the first two."
    ),
)
def check_unconfirmed(unconfirmed):
    def wants(sent: list, came: list, wanted: list, question: str) -> None:
        expect(
            lambda: unconfirmed(list(sent), list(came), "ada"),
            wanted,
            question,
            f"sent {sent}",
            f"came {came}",
        )

    texts = ["one", "two", "three"]
    wants(texts, [], texts, "Nothing came: what is confirmed? And do all come back, in order?")
    wants(
        texts, [("ada", "one")], ["two", "three"], "Which message does the first answer belong to?"
    )
    wants(texts, [("ada", text) for text in texts], [], "Everything was answered: what is left?")
    wants(["ok"], [("bob", "ok")], ["ok"], "Who said that? Does it confirm a message of ada's?")
    wants(
        ["ok"],
        [("server", "joined bob")],
        ["ok"],
        "Who said that? Does it confirm a message of ada's?",
    )
    same = "The same text was sent twice, and one answer came. How many are confirmed?"
    wants(["ok", "ok", "bye"], [("ada", "ok")], ["ok", "bye"], same)
    slash = (
        "The server answered //help with /help. Does an answer have to be equal to what was sent?"
    )
    wants(["//help", "hi"], [("bob", "hi"), ("ada", "/help")], ["hi"], slash)


class PlayedChat:
    """What a window knows, for one exercise: its connection, and the lines that it shows."""

    def __init__(self, connection: str):
        self.connection, self.lines = connection, []


@exercise(
    "stale",
    2,
    "Each event says where it comes from. Which of them does the window still care about?",
    (
        "Is there a line in the loop that looks at source? "
        "What shall happen with an event from another connection?"
    ),
)
def check_stale(handle):
    def wants(
        events: list, connection: "str | None", lines: list, question: str, now: str = "new"
    ) -> None:
        def after() -> tuple:
            window = PlayedChat(now)
            handle(list(events), window)
            return window.connection, [tuple(line) for line in window.lines]

        story = (
            f"the window's connection is {now!r}; above: "
            "its connection and lines after these events"
        )
        expect(after, (connection, lines), question, story, *map(repr, events))

    hello, late, end = (
        ("pair", "new", "bob", "hello"),
        ("pair", "old", "bob", "late"),
        ("lost", "old", "reset"),
    )
    shown = [("bob", "hello")]
    wants([hello], "new", shown, "What comes from the new connection counts: is it shown?")
    wants([("lost", "new", "reset")], None, [], "The new connection is lost: does the window know?")
    wants([end], "new", [], "Which connection was lost, and which one does the window have?")
    wants([late], "new", [], "Who let go of the old connection? Do its messages still count?")
    wants([end, hello], "new", shown, "What about the events after an old one?")
    wants([hello, late], "new", shown, "Do you look at the source of every event?")
    which = "The names of connections change: with what do you compare the source?"
    wants([hello, ("lost", "older", "reset")], "new", shown, which)
    wants([late, hello, ("lost", "new", "reset")], "third", [], which, now="third")


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "11-1",
    right="C",
    A="Nothing is rubbish in a stream: the 3 waits in the buffer for its frame.",
    B="A header has ten bytes. Of the second one, nine are still on their way.",
    C=(
        "There is a frame of ten bytes and hi, then the first byte of the next "
        "header. The rest comes with a later recv()."
    ),
)

prediction(
    "11-2",
    right="C",
    A=(
        "sendall() only hands bytes to the system. In lesson 04 it succeeded although "
        "the other side had already hung up."
    ),
    B=(
        "The server may have heard it before the connection broke. If the program "
        "sent it again by itself, everybody would read it twice."
    ),
    C=(
        "Both look the same from Ada's side. And an answer to the answer would not "
        "help: the last one sent could always be the one that got lost."
    ),
)
