"""Typical wrong answers to the exercises of lesson 09, and words of what their checks say."""

WRONG = {
    "erase": [
        (
            """
def erase(rows):
    up = "\\x1b[A"
    return up + "\\r\\x1b[J"
""",
            "How far up do you go?",
        ),
        (
            """
def erase(rows):
    up = f"\\x1b[{rows}A"
    return up + "\\r\\x1b[J"
""",
            "How far up do you go?",
        ),
        (
            """
def erase(rows):
    up = ""
    return up + "\\r\\x1b[J"
""",
            "is the cursor in the first of them?",
        ),
        (
            """
def erase(rows):
    up = "\\x1b[A" * (rows - 1)
    return up + "\\r\\x1b[J"
""",
            "is the cursor in the first of them?",
        ),
    ],
    "harmless": [
        (
            """
def harmless(text):
    return "".join(char if char.isprintable() else "\\ufffd" for char in text)
""",
            "The tab is fine",
        ),
        (
            """
def harmless(text):
    return "".join(char if char.isprintable() or char in "\\t\\xa0" else "\\ufffd" for char in text)
""",
            "held together by a joiner",
        ),
        (
            """
def harmless(text):
    return text.replace("\\x1b", "")
""",
            "What stands in its place",
        ),
        (
            """
def harmless(text):
    return "".join(char if ord(char) > 31 or char == "\\t" else "\\ufffd" for char in text)
""",
            "Is character 127 one of those",
        ),
        (
            """
def harmless(text):
    return "".join(char if 31 < ord(char) < 127 or char == "\\t" else "\\ufffd" for char in text)
""",
            "This text is harmless",
        ),
    ],
    "last-words": [
        (
            """
def last_words(sock, lines):
    for line in lines:
        sock.sendall(frame(line))
    sock.shutdown(socket.SHUT_RDWR)
    data = b""
    while chunk := sock.recv(4096):
        data += chunk
    sock.close()
    return data
""",
            "Which half of the connection",
        ),
        (
            """
def last_words(sock, lines):
    for line in lines:
        sock.sendall(frame(line))
    sock.shutdown(socket.SHUT_WR)
    data = sock.recv(4096)
    sock.close()
    return data
""",
            "Does one recv() get all of it, and does every piece count?",
        ),
        (
            """
def last_words(sock, lines):
    for line in lines:
        sock.sendall(frame(line))
    sock.close()
    return sock.recv(4096)
""",
            "recv() on a closed socket",
        ),
        (
            """
def last_words(sock, lines):
    for line in lines:
        sock.sendall(frame(line))
    sock.shutdown(socket.SHUT_WR)
    chunk = data = sock.recv(4096)
    while chunk:
        chunk = data = sock.recv(4096)
    sock.close()
    return data
""",
            "what do you return?",
        ),
        (
            """
def last_words(sock, lines):
    for line in lines:
        sock.sendall(frame(line))
        sock.shutdown(socket.SHUT_WR)
    data = b""
    while chunk := sock.recv(4096):
        data += chunk
    sock.close()
    return data
""",
            "What has to be on its way",
        ),
        (
            """
def last_words(sock, lines):
    for line in lines:
        sock.sendall(frame(line))
    sock.shutdown(socket.SHUT_WR)
    data = b""
    while True:
        data += sock.recv(4096)
""",
            "does your loop end then?",
        ),
        (
            """
def last_words(sock, lines):
    for line in lines:
        sock.sendall(frame(line))
    data = b""
    while chunk := sock.recv(4096):
        data += chunk
    sock.close()
    return data
""",
            "we wait for the server",
        ),
    ],
}
