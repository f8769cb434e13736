"""Typical wrong answers to the exercises of lesson 10, and words of what their checks say."""

WRONG = {
    "drain": [
        (
            """
def drain(inbox):
    events = []
    while True:
        events.append(inbox.get())
    return events
""",
            "get() waits at an empty inbox",
        ),
        (
            """
def drain(inbox):
    events = [inbox.get_nowait()]
    return events
""",
            "when more than one event is in it?",
        ),
        (
            """
def drain(inbox):
    events = []
    while True:
        events.append(inbox.get_nowait())
    return events
""",
            "Empty",
        ),
        (
            """
def drain(inbox):
    events = []
    for _ in range(inbox.qsize()):
        if event := inbox.get_nowait():
            events.append(event)
    return events
""",
            "counts as false?",
        ),
        (
            """
def drain(inbox):
    time.sleep(0.01)
    events = [inbox.get_nowait() for _ in range(inbox.qsize())]
    return events
""",
            "sleep() waits",
        ),
    ],
    "look": [
        (
            """
def look(after, inbox, handle):
    for _ in range(min(20, inbox.qsize())):
        handle(inbox.get_nowait())
    after(15, look(after, inbox, handle))
""",
            "or do you call it yourself?",
        ),
        (
            """
def look(after, inbox, handle):
    while inbox.qsize():
        handle(inbox.get_nowait())
    after(15, look, after, inbox, handle)
""",
            "How many events may one call handle?",
        ),
        (
            """
def look(after, inbox, handle):
    for _ in range(min(20, inbox.qsize())):
        handle(inbox.get_nowait())
        after(15, look, after, inbox, handle)
""",
            "Is after() called once in every call?",
        ),
        (
            """
def look(after, inbox, handle):
    for _ in range(min(20, inbox.qsize())):
        handle(inbox.get_nowait())
""",
            "Who looks into the inbox the next time?",
        ),
        (
            """
def look(after, inbox, handle):
    for _ in range(20):
        handle(inbox.get())
    after(15, look, after, inbox, handle)
""",
            "Does a call end when the inbox is empty?",
        ),
        (
            """
def look(after, inbox, handle):
    while True:
        for _ in range(min(20, inbox.qsize())):
            handle(inbox.get_nowait())
        time.sleep(0.015)
""",
            "Who calls look() the next time",
        ),
        (
            """
def look(after, inbox, handle):
    while True:
        for _ in range(min(20, inbox.qsize())):
            handle(inbox.get_nowait())
        after(15, look, after, inbox, handle)
""",
            "for ever",
        ),
        (
            """
from time import sleep


def look(after, inbox, handle):
    for _ in range(min(20, inbox.qsize())):
        handle(inbox.get_nowait())
    sleep(0.015)
    after(0, look, after, inbox, handle)
""",
            "sleep() waits",
        ),
        (
            """
def look(after, inbox, handle):
    for _ in range(min(20, inbox.qsize())):
        handle(inbox.get_nowait())
    after(15, look)
""",
            "What does look() need?",
        ),
        (
            """
def look(after, inbox, handle):
    for event in drain(inbox)[:20]:
        handle(event)
    after(15, look, after, inbox, handle)
""",
            "Where are the events that you took out",
        ),
        (
            """
def look(after, inbox, handle):
    handle([inbox.get_nowait() for _ in range(min(20, inbox.qsize()))])
    after(15, look, after, inbox, handle)
""",
            "Does handle get one event or a list?",
        ),
        (
            """
def look(after, inbox, handle):
    if inbox.qsize():
        handle(inbox.get_nowait())
    after(15, look, after, inbox, handle)
""",
            "Which events could this call have handled as well?",
        ),
    ],
    "leave": [
        (
            """
def leave(window, connection, timer):
    window.after_cancel(timer)
    connection.close()
    connection.receiver.join()
    window.destroy()
""",
            "waits for somebody else?",
        ),
        (
            """
def leave(window, connection, timer):
    connection.close()
    window.destroy()
""",
            "What will the timer call",
        ),
        (
            """
def leave(window, connection, timer):
    window.destroy()
    window.after_cancel(timer)
    connection.close()
""",
            "May it come after destroy()?",
        ),
        (
            """
def leave(window, connection, timer):
    window.after_cancel(timer)
    window.destroy()
""",
            "Who ends the connection",
        ),
        (
            """
def leave(window, connection, timer):
    window.after_cancel(timer)
    connection.sock.close()
    window.destroy()
""",
            "wake the thread that waits in recv?",
        ),
        (
            """
def leave(window, connection, timer):
    window.after_cancel(timer)
    connection.close()
    time.sleep(0.1)
    window.destroy()
""",
            "while your code sleeps?",
        ),
        (
            """
def leave(window, connection, timer):
    connection.receiver.join()
    window.after_cancel(timer)
    connection.close()
    window.destroy()
""",
            "would never return?",
        ),
        (
            """
def leave(window, connection, timer):
    window.after_cancel(timer)
    window.destroy()
    connection.close()
""",
            "is the connection still closed?",
        ),
    ],
}
