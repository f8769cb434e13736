"""Typical wrong answers to the exercises of lesson 01, and words of what the check says to each."""

WRONG = {
    "bytes-send": [
        ("def send_text(sock, text):\n    sock.sendall(text)", "What does sendall() take"),
        (
            'def send_text(sock, text):\n    sock.sendall(text.encode("ascii"))',
            "Which encoding has bytes",
        ),
        (
            """
def send_text(sock, text):
    sock.sendall(text.encode(errors="ignore")[: len(text)])
""",
            "Which encoding",
        ),
        ("def send_text(sock, text):\n    return text.encode()", "What does sendall() take"),
    ],
    "bytes-clip": [
        ("def clip(text, size):\n    return text[:size]", "what is left of the é"),
        ("def clip(text, size):\n    return text.encode()[:size].decode()", "UnicodeDecodeError"),
        (
            "def clip(text, size):\n    return text.encode()[:size]",
            "which method makes a text of bytes",
        ),
        (
            'def clip(text, size):\n    return text.encode()[:size].decode(errors="replace")',
            "what is left of the é",
        ),
        (
            """def clip(text, size):
    while len(text.encode()) >= size:
        text = text[:-1]
    return text
""",
            "What is left of hello",
        ),
    ],
    "bytes-pieces": [
        (
            """def text_of(pieces):
    return "".join(piece.decode() for piece in pieces)
""",
            "UnicodeDecodeError",
        ),
        (
            """def text_of(pieces):
    return "".join(piece.decode(errors="ignore") for piece in pieces)
""",
            "Which of the pieces holds the whole é",
        ),
        (
            """def text_of(pieces):
    return str(b"".join(pieces))
""",
            "which method makes a text of bytes",
        ),
        (
            """def text_of(pieces):
    return b"".join(pieces)
""",
            "which method makes a text of bytes",
        ),
    ],
}
