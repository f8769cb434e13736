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
            "How many events may one turn handle?",
        ),
        (
            """
def look(after, inbox, handle):
    for _ in range(min(20, inbox.qsize())):
        handle(inbox.get_nowait())
        after(15, look, after, inbox, handle)
""",
            "Is after() called once in every turn?",
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
            "Does a turn end when the inbox is empty?",
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
            "would never return?",
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
    ],
}
