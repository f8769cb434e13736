"""Typical wrong answers to the exercises of lesson 04, and words of what the check says to each."""

WRONG = {
    "to-the-end": [
        (
            """
def read_all(recv):
    data = b""
    data = recv(4096)
    return data
""",
            "Does one call of recv() bring everything?",
        ),
        (
            """
def read_all(recv):
    data = b""
    while True:
        data += recv(4096)
    return data
""",
            "How can your loop see that nothing more comes?",
        ),
        (
            """
def read_all(recv):
    data = b""
    while data := recv(4096):
        pass
    return data
""",
            "does your code keep every piece that it gets?",
        ),
        (
            """
def read_all(recv):
    data = b""
    while recv(4096):
        data += recv(4096)
    return data
""",
            "does your code keep every piece that it gets?",
        ),
        (
            """
def read_all(recv):
    data = chunk = recv(4096)
    while chunk:
        chunk = recv(4096)
        data += chunk
        if len(chunk) < 4096 and len(data) > 4096:
            break
    return data
""",
            "A short piece may be followed by others",
        ),
        (
            """
def read_all(recv):
    data = b""
    try:
        while chunk := recv(4096):
            data += chunk
    except OSError:
        pass
    return data
""",
            "Half of it is not all of it",
        ),
    ],
    "why-gone": [
        (
            """
def why_gone(sock):
    try:
        while sock.recv(4096):
            pass
    except OSError:
        return "lost"
    except TimeoutError:
        return "silent"
    return "left"
""",
            "Which except is asked first?",
        ),
        (
            """
def why_gone(sock):
    try:
        while True:
            sock.recv(4096)
    except TimeoutError:
        return "silent"
    except OSError:
        return "lost"
""",
            "How can your loop see that nothing more comes",
        ),
        (
            """
def why_gone(sock):
    try:
        while sock.recv(4096):
            pass
    except TimeoutError:
        return "silent"
    except ConnectionResetError:
        return "lost"
    return "left"
""",
            "What have they in common?",
        ),
        (
            """
def why_gone(sock):
    try:
        sock.recv(4096)
    except TimeoutError:
        return "silent"
    except OSError:
        return "lost"
    return "left"
""",
            "Does your loop go on after the first piece",
        ),
        (
            """
def why_gone(sock):
    try:
        while sock.recv(4096):
            pass
        print("left")
    except TimeoutError:
        print("silent")
    except OSError:
        print("lost")
""",
            "To print is not to return",
        ),
    ],
    "own-trouble": [
        (
            """
def answer_all(clients):
    heard = []
    try:
        for sock in clients:
            heard.append(sock.recv(100).decode())
            sock.sendall(b"ok")
            sock.close()
    except (OSError, ValueError):
        pass
    return heard
""",
            "How far does the loop come after an error?",
        ),
        (
            """
def answer_all(clients):
    heard = []
    for sock in clients:
        try:
            heard.append(sock.recv(100).decode())
            sock.sendall(b"ok")
        except OSError:
            pass
        sock.close()
    return heard
""",
            "Which kind of error is UnicodeDecodeError",
        ),
        (
            """
def answer_all(clients):
    heard = []
    for sock in clients:
        try:
            heard.append(sock.recv(100).decode())
            sock.sendall(b"ok")
            sock.close()
        except (OSError, ValueError):
            pass
    return heard
""",
            "Who closes each socket, also that of a client in trouble?",
        ),
        (
            """
def answer_all(clients):
    heard = []
    for sock in clients:
        try:
            heard.append(sock.recv(100).decode())
            sock.sendall(b"ok")
        except (OSError, ValueError):
            return heard
        finally:
            sock.close()
    return heard
""",
            "How far does the loop come after an error?",
        ),
        (
            """
def answer_all(clients):
    heard = []
    for sock in clients:
        try:
            data = sock.recv(100)
            sock.sendall(b"ok")
            heard.append(data.decode())
        except (OSError, ValueError):
            pass
        sock.close()
    return heard
""",
            "Which line shall be reached only by a client that was heard?",
        ),
    ],
}
