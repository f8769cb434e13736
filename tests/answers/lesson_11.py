"""Typical wrong answers to the exercises of lesson 11, and words of what their checks say."""

WRONG = {
    "delay": [
        (
            """
def delay(tries):
    DELAYS = (1, 2, 4, 8, 16, 30)
    place = tries
    return DELAYS[place]
""",
            "is there a place in DELAYS for that?",
        ),
        (
            """
def delay(tries):
    DELAYS = (1, 2, 4, 8, 16, 30)
    place = tries % len(DELAYS)
    return DELAYS[place]
""",
            "how long shall it wait",
        ),
        (
            """
def delay(tries):
    DELAYS = (1, 2, 4, 8, 16, 30)
    place = min(tries - 1, 5)
    return DELAYS[place]
""",
            "Which place in DELAYS belongs to this try?",
        ),
    ],
    "unconfirmed": [
        (
            """
def unconfirmed(sent, came, me):
    answers = [text for sender, text in came if sender == me]
    return sent[: len(answers)]
""",
            "do all come back",
        ),
        (
            """
def unconfirmed(sent, came, me):
    texts = [text for sender, text in came]
    return [text for text in sent if text not in texts]
""",
            "Does it confirm a message of ada's?",
        ),
        (
            """
def unconfirmed(sent, came, me):
    mine = [text for sender, text in came if sender == me]
    return [text for text in sent if text not in mine]
""",
            "The same text was sent twice",
        ),
        (
            """
def unconfirmed(sent, came, me):
    left = list(sent)
    for sender, text in came:
        if sender == me and text in left:
            left.remove(text)
    return left
""",
            "Does an answer have to be equal",
        ),
        (
            """
def unconfirmed(sent, came, me):
    return sent[len(came) :]
""",
            "Who said that?",
        ),
    ],
    "stale": [
        (
            """
def handle(events, window):
    for kind, source, *details in events:
        if source == "old":
            continue
        if kind == "pair":
            window.lines.append(details)
        if kind == "lost":
            window.connection = None
""",
            "The names of connections change",
        ),
        (
            """
def handle(events, window):
    for kind, source, *details in events:
        if source == "new" and kind == "pair":
            window.lines.append(details)
        if source == "new" and kind == "lost":
            window.connection = None
""",
            "The names of connections change",
        ),
        (
            """
def handle(events, window):
    for kind, source, *details in events:
        if kind == "pair":
            window.lines.append(details)
        if kind == "lost" and source == window.connection:
            window.connection = None
""",
            "Do its messages still count?",
        ),
        (
            """
def handle(events, window):
    for kind, source, *details in events:
        if source != window.connection:
            return
        if kind == "pair":
            window.lines.append(details)
        if kind == "lost":
            window.connection = None
""",
            "What about the events after an old one?",
        ),
        (
            """
def handle(events, window):
    if events[0][1] != window.connection:
        events = events[1:]
    for kind, source, *details in events:
        if kind == "pair":
            window.lines.append(details)
        if kind == "lost":
            window.connection = None
""",
            "Do you look at the source of every event?",
        ),
        (
            """
def handle(events, window):
    for kind, source, *details in events:
        if kind == "pair":
            window.lines.append(details)
""",
            "does the window know?",
        ),
    ],
}
