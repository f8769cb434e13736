"""Lesson 08 A protocol: checks, hints, and replies to predictions."""

from classroom import exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
SAY, WHISPER = variant(("say", "whisper"), ("speak", "private"), ("tell", "secret"))


@exercise(
    "notice",
    1,
    "How many frames does the server send each time, and what stands in the first?",
    'frame("server") is the first. What do two bytes objects give with a + between them?',
)
def check_notice(notice) -> None:
    story = ["a notice is two frames: who speaks (server), then its kind, a space and the text"]
    kind = "Is it one bytes object, and does your function return it?"
    expect(lambda: type(notice("joined", "bob")).__name__, "bytes", kind, *story)
    wanted = b"6         server10        joined bob"
    expect(
        lambda: notice("joined", "bob"), wanted, "What stands in each of the two frames?", *story
    )
    wanted = b"6         server11        joined zo\xc3\xab"
    expect(
        lambda: notice("joined", "zoë"),
        wanted,
        "Does the header count characters or bytes?",
        *story,
    )
    wanted = b"6         server21        bye too slow a reader"
    expect(
        lambda: notice("bye", "too slow a reader"), wanted, "Is it right for every kind?", *story
    )


@exercise(
    "event",
    2,
    "Which texts are messages, and which of them lose their first character?",
    (
        'What does "/msg bob see  you".split(maxsplit=2) give, and how long is the list '
        'for "/msg bob"?'
    ),
)
def check_event(event) -> None:
    question = "What type do all the results in the table have?"
    expect(lambda: type(event("hello")).__name__, "tuple", question, "the client sends 'hello'")
    for text, wanted, question in [
        ("hello", (SAY, "hello"), "What does a text mean that does not begin with a slash?"),
        ("and/or", (SAY, "and/or"), "Where does the slash have to stand to mean something?"),
        ("//hello", (SAY, "/hello"), "How does somebody say a text that begins with a slash?"),
        ("//who", (SAY, "/who"), "Which is looked at first: the two slashes or the command?"),
        (
            "//see http://a.org",
            (SAY, "/see http://a.org"),
            "Which of the slashes goes, and which ones stay?",
        ),
        ("/who", ("who",), "Is it a tuple with one item, and the right one?"),
        ("/msg bob hello", (WHISPER, "bob", "hello"), "Which three parts does this text have?"),
        (
            "/msg bob see  you",
            (WHISPER, "bob", "see  you"),
            "Is every space of the words still there?",
        ),
        (
            "/mgs bob the key",
            ("error", "/mgs bob the key"),
            "Who may read a text that is no command?",
        ),
        ("/msg bob", ("error", "/msg bob"), "How many parts does this text have?"),
        ("/msg", ("error", "/msg"), "How many parts does this text have?"),
        ("/whoami", ("error", "/whoami"), "Is everything a command that begins like one?"),
        ("/", ("error", "/"), "What is left when the slash stands alone?"),
    ]:
        expect(lambda text=text: event(text), wanted, question, f"the client sends {text!r}")


@exercise(
    "line",
    2,
    (
        "Which of the two frames can Eve write what she likes into, and which does only "
        "the server write?"
    ),
    "The text proves nothing. Which sender can nobody have as a name?",
)
def check_line(line) -> None:
    for pair, wanted, question in [
        (("ada", "hello"), "ada>> hello", "What does an ordinary message look like?"),
        (("server", "joined bob"), "* joined bob", "What does a notice look like?"),
        (
            ("eve", "left bob"),
            "eve>> left bob",
            "Who says so: the server, or somebody who wants you to think so?",
        ),
        (("eve", "server joined bob"), "eve>> server joined bob", "Which frame tells who speaks?"),
        (
            ("serverfan", "hello"),
            "serverfan>> hello",
            "Is everybody the server whose name begins like its name?",
        ),
        (
            ("serve", "hello"),
            "serve>> hello",
            "Is everybody the server whose name is a part of its name?",
        ),
        (
            ("server", "bye wrong header"),
            "* bye wrong header",
            "Which kinds of notices are there, next year too?",
        ),
        (("ada -> bob", "psst"), "ada -> bob>> psst", "What does a private message look like?"),
    ]:
        expect(lambda pair=pair: line(*pair), wanted, question, f"the pair is {pair}")


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "08-1",
    right="C",
    A=(
        "Many student chats do this, and secrets get out. Who really wants to begin "
        "with a slash has to say so."
    ),
    B=(
        "A protocol that guesses cannot be checked: two servers would guess "
        "differently, and one day guess wrong."
    ),
    C=(
        "What begins with a slash and is no command goes to nobody. Sending it to "
        "everybody would give the key away, and a server that guesses will one day "
        "guess wrong."
    ),
)

prediction(
    "08-2",
    right="C",
    A="One byte is enough: all that follows is read one byte too early.",
    B='Nothing in a stream says "a frame begins here". So what follows is never right again.',
    C=(
        "The first payload ends in the middle of the é, so it is not UTF-8: an error. "
        "The byte left over becomes the first of the next header, which is wrong: "
        "bye. After a wrong header nobody knows where the next frame begins."
    ),
)
