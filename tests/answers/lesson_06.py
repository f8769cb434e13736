"""Typical wrong answers to the exercises of lesson 06, and words of what the check says to them."""

WRONG = {
    "is-free": [
        (
            """
def is_free(name, people):
    return name not in people and name != "server"
""",
            "Do Ada and ada count as the same?",
        ),
        (
            """
def is_free(name, people):
    return name.lower() not in people and name.lower() != "server"
""",
            "What does fold give for this name?",
        ),
        (
            """
def fold(name):
    return unicodedata.normalize("NFKC", name).casefold()


def is_free(name, people):
    return fold(name) not in people
""",
            "Who speaks under this name?",
        ),
        (
            """
def fold(name):
    return unicodedata.normalize("NFKC", name).casefold()


def is_free(name, people):
    return fold(name) not in people and name != "server"
""",
            "Do server and Server count as the same?",
        ),
    ],
    "rename": [
        (
            """
def rename(old, new, people, lock):
    if new in people:
        return False
    people[new] = people.pop(old)
    return True
""",
            "gets in between your check and your act?",
        ),
        (
            """
def rename(old, new, people, lock):
    with lock:
        free = new not in people
    if free:
        with lock:
            people[new] = people.pop(old)
    return free
""",
            "gets in between your check and your act?",
        ),
        (
            """
def rename(old, new, people, lock):
    with lock:
        if new in people:
            return False
        people[new] = people[old]
    with lock:
        del people[old]
    return True
""",
            "while the person is there twice",
        ),
        (
            """
def rename(old, new, people, lock):
    lock.acquire()
    if new in people:
        return False
    people[new] = people.pop(old)
    lock.release()
    return True
""",
            "Is the lock given back on every way out",
        ),
        (
            """
def rename(old, new, people, lock):
    with lock:
        people[new] = people.pop(old)
        return True
""",
            "Was the new name free",
        ),
    ],
    "send-all": [
        (
            """
def send_all(people, data):
    for name in people:
        try:
            people[name].sendall(data)
        except OSError:
            del people[name]
""",
            "or the loop itself?",
        ),
        (
            """
def send_all(people, data):
    try:
        for sock in people.values():
            sock.sendall(data)
    except OSError:
        pass
""",
            "Who is reached if somebody before them is gone?",
        ),
        (
            """
def send_all(people, data):
    for sock in people.values():
        try:
            sock.sendall(data)
        except OSError:
            pass
""",
            "Who should be left in people?",
        ),
        (
            """
def send_all(people, data):
    for name, sock in list(people.items()):
        try:
            sock.sendall(data)
        except BrokenPipeError:
            del people[name]
""",
            "Which line fails",
        ),
    ],
}
