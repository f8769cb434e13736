"""Typical wrong answers to the exercises of lesson 08, and words of what the check says to them."""

WRONG = {
    "notice": [
        (
            """
def notice(kind, text):
    return frame("server"), frame(f"{kind} {text}")
""",
            "Is it one bytes object",
        ),
        (
            """
def notice(kind, text):
    return frame(f"server {kind} {text}")
""",
            "What stands in each of the two frames?",
        ),
        (
            """
def notice(kind, text):
    return frame("server") + frame(kind) + frame(text)
""",
            "What stands in each of the two frames?",
        ),
        (
            """
def notice(kind, text):
    words = f"{kind} {text}"
    return frame("server") + b"%-10d" % len(words) + words.encode()
""",
            "characters or bytes?",
        ),
        (
            """
def notice(kind, text):
    return frame("server") + frame(f"joined {text}")
""",
            "Is it right for every kind?",
        ),
    ],
    "event": [
        (
            """
def event(text):
    return ["say", text.removeprefix("/")]
""",
            "What type do all the results in the table have?",
        ),
        (
            """
def event(text):
    if text == "/who":
        return ("who",)
    parts = text.split(maxsplit=2)
    if parts[0] == "/msg" and len(parts) == 3:
        return "whisper", parts[1], parts[2]
    if text.startswith("/") and not text.startswith("//"):
        return "error", text
    return "say", text.replace("//", "/")
""",
            "which ones stay?",
        ),
        (
            """
def event(text):
    if text.startswith("/msg "):
        _, name, words = text.split(maxsplit=2)
        return "whisper", name, words
    if text == "/who":
        return ("who",)
    return "say", text.removeprefix("/")
""",
            "Who may read a text that is no command?",
        ),
        (
            """
def event(text):
    if text.startswith("//"):
        return "say", text[1:]
    if text.startswith("/msg"):
        parts = text.split()
        return "whisper", parts[1], " ".join(parts[2:])
    if text.startswith("/who"):
        return ("who",)
    return ("error", text) if text.startswith("/") else ("say", text)
""",
            "Is every space of the words still there?",
        ),
        (
            """
def event(text):
    if text.startswith("//"):
        return "say", text[1:]
    if text.startswith("/msg"):
        _, name, words = text.split(maxsplit=2)
        return "whisper", name, words
    if text.startswith("/who"):
        return ("who",)
    return ("error", text) if text.startswith("/") else ("say", text)
""",
            "How many parts does this text have?",
        ),
        (
            """
def event(text):
    if text[0] != "/":
        return "say", text
    match text.split(maxsplit=2):
        case ["/msg", name, words]:
            return "whisper", name, words
        case ["/who"]:
            return ("who",)
    return "error", text
""",
            "begins with a slash?",
        ),
    ],
    "line": [
        (
            """
def line(sender, text):
    if sender in "server":
        return f"* {text}"
    return f"{sender}>> {text}"
""",
            "whose name is a part of its name?",
        ),
        (
            """
def line(sender, text):
    if sender == "server" and text.startswith(("welcome ", "joined ", "left ")):
        return f"* {text}"
    return f"{sender}>> {text}"
""",
            "next year too?",
        ),
        (
            """
def line(sender, text):
    if sender.startswith("server"):
        return f"* {text}"
    return f"{sender}>> {text}"
""",
            "whose name begins like its name?",
        ),
        (
            """
def line(sender, text):
    if text.startswith(("welcome ", "joined ", "left ")) and sender != "eve":
        return f"* {text}"
    return f"{sender}>> {text}"
""",
            "next year too?",
        ),
        (
            """
def line(sender, text):
    if text.split()[0] in ("welcome", "joined", "left", "bye"):
        return f"* {text}"
    return f"{sender}>> {text}"
""",
            "wants you to think so?",
        ),
    ],
}
