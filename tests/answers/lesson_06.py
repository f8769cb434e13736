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
        (
            """
def fold(name):
    return unicodedata.normalize("NFKC", name).casefold()


def is_free(name, people):
    people["server"] = None
    return fold(name) not in people
""",
            "may people be another one afterwards?",
        ),
        (
            """
def fold(name):
    return unicodedata.normalize("NFKC", name).casefold()


def is_free(name, people):
    print(fold(name) not in {*people, "server"})
""",
            "Do you return True or False, or something else?",
        ),
        (
            """
def fold(name):
    return unicodedata.normalize("NFKC", name).casefold()


def is_free(name, people):
    return str(fold(name) not in {*people, "server"})
""",
            "Do you return True or False, or something else?",
        ),
        (
            """
def fold(name):
    return unicodedata.normalize("NFKC", name).casefold()


def is_free(name, people):
    for other in {**people, "server": None}:
        if fold(name) == other:
            return False
        else:
            return True
""",
            "Did you look at all of people before you answered?",
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
        (
            """
def rename(old, new, people, lock):
    with Lock():
        if new in people:
            return False
        people[new] = people.pop(old)
        return True
""",
            "Do both threads hold the *same* lock?",
        ),
        (
            """
mine = Lock()


def rename(old, new, people, lock):
    with mine:
        if new in people:
            return False
        people[new] = people.pop(old)
        return True
""",
            "Do both threads hold the *same* lock?",
        ),
        (
            """
def rename(old, new, people, lock):
    with lock():
        if new in people:
            return False
        people[new] = people.pop(old)
        return True
""",
            "lock is already a lock: what do the brackets do?",
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
            "Which errors does with_bug catch, and which do you?",
        ),
        (
            """
def send_all(people, data):
    for name, sock in list(people.items()):
        try:
            sock.sendall(data)
        except ConnectionError:
            del people[name]
""",
            "Which errors does with_bug catch, and which do you?",
        ),
        (
            """
def send_all(people, data):
    left = {}
    for name, sock in people.items():
        try:
            sock.sendall(data)
            left[name] = sock
        except OSError:
            sock.close()
    people = left
""",
            "how do you change the caller's dictionary in place?",
        ),
        (
            """
def send_all(people, data):
    for name, sock in list(people.items()):
        try:
            sock.sendall(data)
        except OSError:
            people.pop(name)
        sock.close()
""",
            "Whose connection may be closed",
        ),
    ],
}
