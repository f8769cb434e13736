"""Typical wrong answers to the exercises of lesson 12, and words of what the check says to them."""

WRONG = {
    "port-of": [
        (
            """
def port_of(line: str) -> int:
    digits = line[-5:]
    return int(digits)
""",
            "Has every port five digits?",
        ),
        (
            """
def port_of(line: str) -> int:
    digits = line.split(":")[1]
    return int(digits)
""",
            "How many colons can stand before the port?",
        ),
        (
            """
def port_of(line: str) -> str:
    return line.rpartition(":")[2]
""",
            "what makes a number of a text",
        ),
        (
            """
def port_of(line: str) -> int:
    digits = line.removeprefix("listening on 127.0.0.1:")
    return int(digits)
""",
            "if the address is another one?",
        ),
    ],
    "own-test": [
        (
            """
def chat_test(port):
    ada = Guest(port, "ada")
    ada.say("hello")
    assert "ada>> hello" in ada.hear_until("hello")
    ada.leave()
""",
            "when somebody writes an é",
        ),
        (
            """
def chat_test(port):
    ada = Guest(port, "ada")
    ada.say("née", "🐌")
    ada.leave()
""",
            "does it look at what comes back?",
        ),
        (
            """
def chat_test(port):
    ada = Guest(port, "ada")
    for text in ("one", "née"):
        ada.say(text)
        assert text in ada.hear_until(text)[-1]
    ada.leave()
""",
            "when two messages are sent at once",
        ),
        (
            """
def chat_test(port):
    ada = Guest(port, "ada")
    for text in ("one", "née", "🐌"):
        ada.say(text)
        assert f"ada>> {text}" in ada.hear_until(text)
    ada.leave()
""",
            "when two messages are sent at once",
        ),
        (
            """
def chat_test(port):
    ada = Guest(port, "ada")
    ada.say("née")
    ada.say("🐌")
    assert ada.hear_until("🐌") == ["* welcome ada", "ada>> née", "ada>> 🐌"]
    ada.leave()
""",
            "when two messages are sent at once",
        ),
        (
            """
def chat_test(port):
    ada = Guest(port, "ada")
    ada.say("née", "🐌")
    assert [ada.hear(), ada.hear()] == ["ada>> née", "ada>> 🐌"]
""",
            "welcomes you first",
        ),
        (
            """
def chat_test(port):
    ada = Guest(port, "ada")
    ada.hear()
    ada.say("née")
    return ada.hear() == "ada>> née"
""",
            "and does return?",
        ),
        (
            """
def chat_test(port):
    ada = Guest(port, "ada")
    ada.hear()
    ada.say("née", "🐌")
    try:
        return [ada.hear(), ada.hear()] == ["ada>> née", "ada>> 🐌"]
    except Exception:
        return False
""",
            "and does return?",
        ),
        (
            """
def chat_test(port):
    ada = Guest(port, "ada")
    ada.hear()
    ada.sock.sendall(frame("née"))
    assert ada.sock.recv(1000) == frame("ada") + frame("née")
""",
            "know that an answer is whole?",
        ),
    ],
    "why-it-ended": [
        (
            """
def wait_for(lines, part):
    while part not in (line := lines.get(timeout=5)):
        pass
    return line
""",
            "The program has ended, and None says so",
        ),
        (
            """
def wait_for(lines, part):
    while (line := lines.get(timeout=5)) is not None:
        if part in line:
            return line
""",
            "The program has ended, and None says so",
        ),
        (
            """
def wait_for(lines, part):
    while (line := lines.get(timeout=5)) is not None:
        if part in line:
            return line
    raise RuntimeError(f"no line with {part!r} came")
""",
            "Who has told it",
        ),
        (
            """
def wait_for(lines, part):
    last = ""
    while (line := lines.get(timeout=5)) is not None:
        last = line
        if part in line:
            return line
    raise RuntimeError(f"no line with {part!r} came, but {last}")
""",
            "is it all in the error's text?",
        ),
        (
            """
def wait_for(lines, part):
    seen = list(iter(lambda: lines.get(timeout=5), None))
    for line in seen:
        if part in line:
            return line
    raise RuntimeError(f"no line with {part!r} came, but {seen}")
""",
            "Others wait for the rest",
        ),
        (
            """
def wait_for(lines, part):
    seen = []
    while line := lines.get(timeout=5):
        if part in line:
            return line
        seen.append(line)
    raise RuntimeError(f"no line with {part!r} came, but {seen}")
""",
            "An empty line is a line as well",
        ),
        (
            """
def wait_for(lines, part):
    seen = []
    while (line := lines.get(timeout=5)) is not None:
        if part in line:
            return line
        seen.append(line)
    return RuntimeError(seen)
""",
            "Does your code raise the error then?",
        ),
    ],
}
