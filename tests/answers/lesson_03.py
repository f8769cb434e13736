"""Typical wrong answers to the exercises of lesson 03, and words of what the check says to each."""

WRONG = {
    "frame": [
        (
            """
def frame(text):
    data = text.encode()
    header = b"%-10d" % len(text)
    return header + data
""",
            "How many bytes is née?",
        ),
        (
            """
def frame(text):
    data = text.encode()
    header = b"%10d" % len(data)
    return header + data
""",
            "with the digits on the left",
        ),
        (
            """
def frame(text):
    data = text.encode()
    header = f"{len(data):<10}"
    return header + data
""",
            "Text and bytes do not mix",
        ),
        (
            """
def frame(text):
    data = text.encode()
    header = b"%d         " % len(data)
    return header + data
""",
            "Is your header 10 bytes long",
        ),
    ],
    "take-frame": [
        (
            """
def take_frame(buffer):
    end = 10 + int(buffer[:10])
    data = buffer[10:end]
    del buffer[:end]
    return data
""",
            "What does your code do with less than 10 bytes?",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10:
        return None
    end = 10 + int(buffer[:10])
    data = buffer[10:end]
    del buffer[:end]
    return data
""",
            "Is the payload whole?",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10 or len(buffer) < 10 + int(buffer[:10]):
        return None
    data = buffer[10:10 + int(buffer[:10])]
    buffer.clear()
    return data
""",
            "what to the next?",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10 or len(buffer) < 10 + int(buffer[:10]):
        return None
    return buffer[10:10 + int(buffer[:10])]
""",
            "how do you change the caller's buffer in place?",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10 or len(buffer) < 10 + int(buffer[:10]):
        return None
    size = int(buffer[:10])
    data = bytes(buffer[10:10 + size])
    buffer = buffer[10 + size:]
    return data
""",
            "`buffer = …` only gives the name inside your function another value",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10:
        return None
    size = buffer[0]
    if len(buffer) < 10 + size:
        return None
    data = buffer[10:10 + size]
    del buffer[:10 + size]
    return data
""",
            "or the code of the character 5?",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10:
        return None
    size = int(buffer[:1])
    if len(buffer) < 10 + size:
        return None
    data = buffer[10:10 + size]
    del buffer[:10 + size]
    return data
""",
            "how many does your code read?",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10 or len(buffer) < 10 + int(buffer[:10]):
        return None
    size = int(buffer[:10])
    data = buffer[10:10 + size]
    del buffer[:size]
    return data
""",
            "what to the next?",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) <= 10:
        return None
    end = 10 + int(buffer[:10])
    if len(buffer) < end:
        return None
    data = buffer[10:end]
    del buffer[:end]
    return data
""",
            "does something still have to come?",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10:
        return None
    size = int(buffer[:10])
    if len(buffer) < 10 + size or size == 0 and len(buffer) == 10:
        return None
    data = buffer[10:10 + size]
    del buffer[:10 + size]
    return data
""",
            "does something still have to come?",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10 or len(buffer) < 10 + int(buffer[:10]):
        return None
    end = 10 + int(buffer[:10])
    data = buffer[10:end]
    del buffer[:end]
    return data or None
""",
            "Is an empty payload a payload",
        ),
        (
            """
def take_frame(buffer):
    if len(buffer) < 10:
        return None
    end = 10 + int(buffer[:10])
    del buffer[:10]
    if len(buffer) < end - 10:
        return None
    data = buffer[:end - 10]
    del buffer[:end - 10]
    return data
""",
            "when some bytes are still missing?",
        ),
    ],
    "wrong-headers": [
        (
            """
def length(header):
    return int(header)
""",
            "what takes only digits?",
        ),
        (
            """
def length(header):
    digits = header.strip()
    if not digits.isdigit() or int(digits) > 65_536:
        raise ValueError("wrong header")
    return int(digits)
""",
            "What else than spaces does strip() without an argument take away?",
        ),
        (
            """
def length(header):
    digits = header.strip(b" ")
    if not digits.isdigit():
        raise ValueError("wrong header")
    return int(digits)
""",
            "Who is allowed to send more than 65,536 bytes?",
        ),
        (
            """
def length(header):
    digits = header.decode().strip(" ")
    if not digits.isdigit() or int(digits) > 65_536:
        raise ValueError("wrong header")
    return int(digits)
""",
            "What are they to bytes?",
        ),
        (
            """
def length(header):
    digits = header.rstrip(b" ")
    if not digits.isdigit() or int(digits) > 65_536:
        raise ValueError("wrong header")
    return int(digits)
""",
            "on which side of the digits may spaces stand?",
        ),
        (
            """
def length(header):
    digits = header.replace(b" ", b"")
    if not digits.isdigit() or int(digits) > 65_536:
        raise ValueError("wrong header")
    return int(digits)
""",
            "How many numbers are in this header?",
        ),
        (
            """
def length(header):
    digits = header.strip(b" ")
    if not digits.isdigit() or int(digits) > 65_536:
        return None
    return int(digits)
""",
            "Your code returned something",
        ),
        (
            """
def length(header):
    digits = header.strip(b" ")
    if not digits.isdigit():
        raise ValueError("wrong header")
    return int(digits) if int(digits) <= 65_536 else -1
""",
            "Your code returned something",
        ),
    ],
}
