"""Typical wrong answers to the exercises of lesson 02, and words of what the check says to each."""

WRONG = {
    "server-listen": [
        (
            """def listen(port):
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    return listener
""",
            "a call is refused",
        ),
        (
            """def listen(port):
    listener = socket.socket()
    listener.listen()
    return listener
""",
            "at which address",
        ),
        (
            """def listen(port):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener
""",
            "does port stand",
        ),
        (
            """def listen(port):
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    listener.listen()
""",
            "What does your function return",
        ),
        (
            """def listen(port):
    listener = socket.socket()
    listener.bind("127.0.0.1", port)
    listener.listen()
    return listener
""",
            "TypeError",
        ),
    ],
    "server-answer": [
        (
            """def answer_one(listener):
    data = listener.recv(4096)
    listener.sendall(b"you said " + data)
""",
            "Which socket talks",
        ),
        (
            """def answer_one(listener):
    sock, _ = listener.accept()
    sock.sendall(sock.recv(4096))
    sock.close()
""",
            "word by word",
        ),
        (
            """kept = []


def answer_one(listener):
    sock, _ = listener.accept()
    kept.append(sock)
    sock.sendall(b"you said " + sock.recv(4096))
""",
            "nothing more comes",
        ),
        (
            """def answer_one(listener):
    sock, _ = listener.accept()
    sock.sendall(b"you said " + sock.recv(4096))
    sock.close()
    listener.close()
""",
            "does it still listen",
        ),
    ],
    "server-greet": [
        (
            """def greet(listener, count):
    sock, _ = listener.accept()
    for _ in range(count):
        sock.sendall(b"hello")
    sock.close()
""",
            "How many clients does your function accept",
        ),
        (
            """def greet(listener, count):
    while True:
        sock, _ = listener.accept()
        sock.sendall(b"hello")
        sock.close()
""",
            "TimeoutError",
        ),
        (
            """def greet(listener, count):
    for _ in range(count + 1):
        sock, _ = listener.accept()
        sock.sendall(b"hello")
        sock.close()
""",
            "after the third",
        ),
        (
            """def greet(listener, count):
    for _ in range(count):
        sock, _ = listener.accept()
        sock.sendall(b"hello")
        sock.close()
    listener.close()
""",
            "hang up on at the end",
        ),
    ],
}
