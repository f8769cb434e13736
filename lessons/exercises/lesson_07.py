"""Lesson 07 The slow reader: checks, hints, and replies to predictions."""

import queue
import threading

from classroom import exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
PRICE, *_ = variant(
    (0.25, "a quarter of a second", "104.25", "99.25", "14,400"),
    (0.5, "half a second", "104.5", "99.5", "7,200"),
    (0.125, "an eighth of a second", "104.125", "99.125", "28,800"),
)


@exercise(
    "work-off",
    1,
    "What does inbox.get() return, and what is it when there is nothing more to do?",
    (
        "while (event := inbox.get()) is not None: ... "
        "and how do you take the two parts out of an event?"
    ),
)
def check_work_off(work_off) -> None:
    done, inbox = [], queue.SimpleQueue()

    def shout(what: str) -> None:
        done.append(what.upper())

    for event in [
        (done.append, "first"),
        (shout, "second"),
        (done.append, None),
        (shout, "last"),
        None,
    ]:
        inbox.put(event)
    inbox.put((done.append, "after the end"))
    story = [
        "the inbox: append 'first', shout 'second', append None, shout 'last', the end "
        "(None), one event more"
    ]
    gets = "How do you get one event out of the inbox, and what does None tell you?"
    expect(lambda: (work_off(inbox), None)[1], None, gets, *story)
    expect(
        lambda: done,
        ["first", "SECOND", None, "LAST"],
        "Which events are done, in which order, with what?",
        *story,
    )
    expect(lambda: inbox.qsize(), 1, "What should still be in the inbox?", *story)
    done.clear()
    inbox.get()
    later = threading.Timer(0.2, lambda: [inbox.put(event) for event in [(shout, "late"), None]])
    later.start()
    try:
        work_off(inbox)
    finally:
        later.join()
    story = ["the inbox is empty; a moment later come shout 'late' and the end (None)"]
    expect(lambda: done, ["LATE"], "The inbox was empty for a moment: is that the end?", *story)


class Narrow:
    """A non-blocking socket: each send takes so many bytes, and keeps them; for None, nothing."""

    def __init__(self, *sizes):
        self.sizes, self.sent, self.story, self.refused = list(sizes), b"", [], 0

    def send(self, data: bytes) -> int:
        """Take some of data and return how much, or raise BlockingIOError."""
        size = 0
        if data:
            size = self.sizes.pop(0) if self.sizes else None
        if size is None:
            self.refused += 1
            if self.refused > 3:
                raise RuntimeError(
                    "send() said three times that nothing fits just now, and was called again"
                )
            self.story.append(f"send({bytes(data)!r}) raises BlockingIOError")
            raise BlockingIOError("nothing fits just now")
        taken = bytes(data[:size])
        self.sent += taken
        self.story.append(f"send({bytes(data)!r}) takes {taken!r} and returns {len(taken)}")
        return len(taken)

    def sendall(self, data: bytes) -> None:
        """Not for this: it waits, and on a non-blocking socket nobody knows how much was sent."""
        raise RuntimeError("sendall() waits, and cannot say how much was taken: use send()")


@exercise(
    "send-some",
    2,
    "What has to go out first: the new data, or what has waited?",
    (
        "backlog += data; then send(backlog) says how many bytes are gone: "
        "which part of backlog is that?"
    ),
)
def check_send_some(send_some) -> None:
    for sizes, before, data, sent, after, question in [
        ((9,), b"", b"hello", b"hello", b"", "Everything was taken: what is left?"),
        (
            (),
            b"",
            b"hello",
            b"",
            b"hello",
            "Did your code change backlog itself, or make a new one?",
        ),
        ((2,), b"", b"hello", b"he", b"llo", "How does send() tell how much it took?"),
        ((9, 9), b"one ", b"two", b"one two", b"", "What has waited longer, and is it sent now?"),
        ((2, None), b"one ", b"two", b"on", b"e two", "What has waited longer, and what is left?"),
        ((), b"one ", b"two", b"", b"one two", "In which order does it wait?"),
        ((4, 1), b"one ", b"", b"one ", b"", "What if nothing is new, but something has waited?"),
    ]:
        feed(send_some, Narrow(*sizes), (before, data), (sent, after), question)
    sock, backlog = Narrow(2, 9), bytearray(b"one ")  # once more, and now something fits again
    send_some(sock, backlog, b"two")
    overtaken = "May the new data be sent while a part of the backlog is still waiting?"
    shown = "shown: what was sent, and backlog behind it"
    expect(lambda: sock.sent + backlog, b"one two", overtaken, shown, sock)


def feed(send_some, sock: Narrow, given: tuple, wanted: tuple, question: str) -> None:
    """Call send_some; expect what it sends, and what is in backlog afterwards."""
    before, data = given
    sent, after = wanted
    backlog, story = bytearray(before), [f"backlog is {before!r}, data is {data!r}"]
    not_now = "What does this error mean: a mistake in the code, or 'not now, do something else'?"
    expect(lambda: (send_some(sock, backlog, data), None)[1], None, not_now, *story, sock)
    expect(lambda: sock.sent, sent, question, *story, sock)
    left = "shown: what is in backlog afterwards"
    expect(lambda: bytes(backlog), after, question, left, *story, sock)


@exercise(
    "pay",
    2,
    (
        "Work it out: free_at is 0 and now is 3600. "
        "How many messages can be paid until free_at reaches now?"
    ),
    (
        "Savings are now - free_at. How early may free_at be before the price is added? "
        "max() finds the later one."
    ),
)
def check_pay(pay) -> None:
    for free_at, now, wanted, question in [
        (100.0, 100.0, 100 + PRICE, "What does one message cost?"),
        (104.0, 100.0, 104 + PRICE, "Is what was still to be paid forgotten?"),
        (99.0, 100.0, 99 + PRICE, "Has somebody who was silent for a while saved up nothing?"),
        (0.0, 3600.0, 3598 + PRICE, "How much can somebody have saved up at the most?"),
        (98.0, 100.0, 98 + PRICE, "How much can somebody have saved up at the most?"),
    ]:
        story = [f"pay(free_at={free_at}, now={now}), burst is 2 seconds"]
        expect(lambda free_at=free_at, now=now: pay(free_at, now), wanted, question, *story)
    story = ["pay(free_at=0.0, now=100.0, burst=10)"]
    expect(lambda: pay(0.0, 100.0, 10), 90 + PRICE, "Is burst always the same?", *story)


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "07-1",
    right="C",
    A=(
        "That is what small tests show: the systems keep what Bob has not read yet. "
        "But their buffers have an end, and when they are full, sendall() waits until "
        "he reads."
    ),
    B="The connection is in order; nothing says that Bob will not read in a second.",
    C=(
        "As long as the systems' buffers have room, sendall() returns at once; when "
        "they are full, it waits until Bob reads, for ever if need be."
    ),
)

prediction(
    "07-2",
    right="C",
    A=(
        "Python's queue is made for many threads (says its documentation): it locks "
        "itself, for the moment of a put() or a get() only."
    ),
    B="It may happen to come out so, but nobody promises it.",
    C=(
        "A queue is made for this: it has a lock of its own inside, which it holds "
        "for the moment of a put() or a get() only."
    ),
)
