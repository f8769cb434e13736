"""Typical wrong answers to the exercises of lesson 07, and words of what the check says to them."""

WRONG = {
    "work-off": [
        (
            """
def work_off(inbox):
    while not inbox.empty():
        act, what = inbox.get()
        act(what)
""",
            "what does None tell you",
        ),
        (
            """
def work_off(inbox):
    event = inbox.get()
    if event is not None:
        act, what = event
        act(what)
""",
            "Which events are done",
        ),
        (
            """
def work_off(inbox):
    while True:
        event = inbox.get()
        if event is None:
            return
        act, what = event
        if what:
            act(what)
""",
            "Which events are done",
        ),
        (
            """
def work_off(inbox):
    while not inbox.empty():
        event = inbox.get()
        if event is None:
            continue
        act, what = event
        act(what)
""",
            "Which events are done",
        ),
        (
            """
def work_off(inbox):
    while not inbox.empty():
        event = inbox.get()
        if event is None:
            break
        act, what = event
        act(what)
""",
            "The inbox was empty for a moment: is that the end?",
        ),
        (
            """
def work_off(inbox):
    while True:
        try:
            event = inbox.get_nowait()
        except queue.Empty:
            return
        if event is None:
            return
        event[0](event[1])
""",
            "The inbox was empty for a moment: is that the end?",
        ),
    ],
    "send-some": [
        (
            """
def send_some(sock, backlog, data):
    try:
        taken = sock.send(data)
        backlog += data[taken:]
    except BlockingIOError:
        backlog += data
""",
            "What has waited longer",
        ),
        (
            """
def send_some(sock, backlog, data):
    backlog += data
    try:
        sock.send(backlog)
        backlog.clear()
    except BlockingIOError:
        pass
""",
            "How does send() tell how much it took",
        ),
        (
            """
def send_some(sock, backlog, data):
    backlog += data
    del backlog[: sock.send(backlog)]
""",
            "a mistake in the code, or 'not now, do something else'?",
        ),
        (
            """
def send_some(sock, backlog, data):
    backlog += data
    while backlog:
        try:
            del backlog[: sock.send(backlog)]
        except BlockingIOError:
            pass
""",
            "a mistake in the code, or 'not now, do something else'?",
        ),
        (
            """
def send_some(sock, backlog, data):
    try:
        if backlog:
            del backlog[: sock.send(backlog)]
        data = data[sock.send(data) :]
    except BlockingIOError:
        pass
    backlog += data
""",
            "while a part of the backlog is still waiting?",
        ),
        (
            """
def send_some(sock, backlog, data):
    backlog = backlog + data
    try:
        backlog = backlog[sock.send(backlog) :]
    except BlockingIOError:
        pass
""",
            "change backlog itself, or make a new one?",
        ),
        (
            """
def send_some(sock, backlog, data):
    backlog += data
    sock.sendall(backlog)
    backlog.clear()
""",
            "a mistake in the code, or 'not now, do something else'?",
        ),
    ],
    "pay": [
        (
            """
def pay(free_at, now, burst=2):
    return max(free_at, now) + 0.25
""",
            "saved up nothing?",
        ),
        (
            """
def pay(free_at, now, burst=2):
    return now + 0.25
""",
            "still to be paid forgotten?",
        ),
        (
            """
def pay(free_at, now, burst=2):
    return free_at + 0.25
""",
            "saved up at the most?",
        ),
        (
            """
def pay(free_at, now, burst=2):
    return min(free_at, now - burst) + 0.25
""",
            "What does one message cost?",
        ),
    ],
}
