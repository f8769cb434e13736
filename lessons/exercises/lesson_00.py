"""Lesson 00 Start here: checks, hints, and replies to predictions."""

from classroom import exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
GONE = variant("hung up", "just left", "no reason given")


@exercise(
    "start-roles",
    1,
    "Which of the three programs waits, and which ones call it?",
    (
        "Two programs can run on one computer. Cover the names of the laptops: "
        "who listens, who connects?"
    ),
)
def check_start_roles(roles):
    expect(
        lambda: roles()["P"],
        "server",
        "Which of the three programs waits to be called?",
        "P listens",
    )
    expect(
        lambda: roles()["Q"],
        "client",
        "Q runs on the laptop of P. But does it wait, or call?",
        "Q connects to P",
    )
    story = ["R connects to P", 'R sends "hello"']
    expect(lambda: roles()["R"], "client", "R spoke first. But who called whom?", *story)


@exercise(
    "start-command",
    2,
    "The address holds two things, glued by a colon. Which method of a string cuts it there?",
    'host, _, port = address.partition(":") gives you both. Where do they stand in the line?',
)
def check_start_command(command):
    address, line = "192.168.1.20:1234", command("192.168.1.20:1234", "bob")
    question = "Compare the two lines word by word: where is the first difference?"
    if line is None:
        question = "To print is not to return: which word hands the line back to the caller?"
    elif address in str(line):
        question = "Which part of the address names the computer, and which one the program?"
    elif "127.0.0.1" in str(line):
        question = "On your neighbour's computer, which computer does 127.0.0.1 mean?"
    wanted = "python3 chat_client_cli.py bob --host 192.168.1.20 --port 1234"
    expect(lambda: line, wanted, question, f'command("{address}", "bob")')
    wanted = "python3 chat_client_cli.py zoe --host 10.0.0.7 --port 50123"
    question = (
        "What in your line is always the same, although it depends on the server or on the name?"
    )
    expect(
        lambda: command("10.0.0.7:50123", "zoe"),
        wanted,
        question,
        'command("10.0.0.7:50123", "zoe")',
    )


@exercise(
    "start-reason",
    3,
    (
        "Write the words of the line on paper and number them from 0. "
        "With which number does the reason begin?"
    ),
    (
        "words[4:] is a list of the words from the fifth on; "
        '" ".join(...) makes one text of them. And if there are none?'
    ),
)
def check_start_reason(reason):
    line = "- bob left, 192.168.1.31:50622 too slow a reader"
    expect(lambda: reason(line), "too slow a reader", "How many words can a reason have?", line)
    bare = "- ada left, 192.168.1.20:50614"
    expect(
        lambda: reason(bare),
        GONE,
        "What is left behind the address, if the server gives no reason?",
        bare,
    )
    other = "- somebody left, 10.0.0.7:9 wrong header"
    expect(
        lambda: reason(other),
        "wrong header",
        "Does your function look at where the reason begins?",
        other,
    )


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "00-1",
    right="B",
    A=(
        "The two have never called each other: everything that Bob saw came to him from the server."
    ),
    B=(
        "Neither client has ever called the other. Each of them has one connection, "
        "to the server, and both connections are over."
    ),
    C=(
        "Nobody is left who could keep it. A program that keeps messages has to be "
        "running, and this one has ended."
    ),
)

prediction(
    "00-2",
    right="B",
    A="Waiting is what a server does. A client calls, and hears yes or no.",
    B=(
        "A client calls. Where nobody listens, the system answers at once that nobody "
        "does, and the client ends."
    ),
    C="It is another program, chat_client_cli.py. It cannot let anybody in.",
)
