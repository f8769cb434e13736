"""Lesson 02 Client and server: checks, hints, and replies to predictions."""

import contextlib
import socket

from classroom import exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
SAID = variant("you said", "I heard", "you wrote")
GREETING = variant("hello", "good day", "welcome")


def heard(client: socket.socket) -> bytes:
    """Return all that a client gets, until the server hangs up or says nothing more."""
    data = b""
    with contextlib.suppress(TimeoutError):
        while piece := client.recv(4096):
            data += piece
    return data


@exercise(
    "server-listen",
    1,
    "Which call takes the port, and which one says that clients may call?",
    'bind takes one thing, a pair: ("127.0.0.1", port). What comes after it?',
)
def check_server_listen(listen):
    listener = listen(0)
    expect(
        lambda: type(listener).__name__, "socket", "What does your function return?", "listen(0)"
    )
    with listener:
        question = "Which call says at which address you can be called?"
        expect(
            lambda: listener.getsockname()[0],
            "127.0.0.1",
            question,
            "listen(0)",
            "getsockname() says the address",
        )
        address = listener.getsockname()
    with listen(address[1]) as listener:
        question = "Where in your function does port stand?"
        story = ["listen(port), with a port that is free", "which port does getsockname() say?"]
        expect(
            lambda: "this one" if listener.getsockname() == address else "another",
            "this one",
            question,
            *story,
        )
        question = "The port is yours, but a call is refused: what have you not said yet?"
        with socket.socket() as client:
            client.settimeout(2)
            story = ["listen(port)", "a client calls connect()"]
            expect(lambda: client.connect(address) or "connected", "connected", question, *story)


@exercise(
    "server-answer",
    2,
    "There are two sockets. One of them you get; how do you come by the other one?",
    (
        "sock, _ = listener.accept() gives you the client's. "
        "Which two calls on sock come next, and what ends it?"
    ),
)
def check_server_answer(answer_one):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname(), 0.5) as client:
            listener.settimeout(2)
            client.sendall(GREETING.encode())
            client.shutdown(socket.SHUT_WR)  # so that an answer that receives again does not hang
            story = [
                "a client connects",
                f"the client sends {GREETING.encode()}",
                "answer_one(listener) is called",
            ]
            question = "Which socket talks with the client, and where does it come from?"
            expect(lambda: [answer_one(listener), "it returns"][1], "it returns", question, *story)
            question = "What does the client have to get, word by word, and what did it send?"
            expect(lambda: heard(client), f"{SAID} {GREETING}".encode(), question, *story)
            question = "How does the client learn that nothing more comes?"
            expect(
                lambda: client.recv(1),
                b"",
                question,
                *story,
                "the client got its answer, and calls recv() again",
            )
        question = "The next client calls the same listener: does it still listen?"
        story = ["answer_one(listener) has returned"]
        expect(lambda: "open" if listener.fileno() >= 0 else "closed", "open", question, *story)


@exercise(
    "server-greet",
    3,
    "Each client has a socket of its own. How many does the function with the bug ever get?",
    "Which line belongs into the loop, because it has to happen once for each client?",
)
def check_server_greet(greet):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(1)
        address = listener.getsockname()
        clients = [stack.enter_context(socket.create_connection(address, 0.3)) for _ in range(4)]
        question = "How many clients does your function accept, and what does each of them get?"
        story = ["four clients connect", "greet(listener, 3) is called"]
        expect(lambda: [greet(listener, 3), "it returns"][1], "it returns", question, *story)
        story, after = (
            [*story, "and the listener?"],
            "Whom does your function hang up on at the end?",
        )
        expect(lambda: "open" if listener.fileno() >= 0 else "closed", "open", after, *story)
        story = ["what the first three clients got"]
        expect(
            lambda: [heard(client) for client in clients[:3]],
            [GREETING.encode()] * 3,
            question,
            *story,
        )
        story = ["what the fourth client got"]
        expect(
            lambda: heard(clients[3]),
            b"",
            "count is 3: who may be accepted after the third?",
            *story,
        )


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "02-1",
    right="C",
    A=(
        "connect() waits for the other computer, not for the other program. So "
        '"connected" does not mean that a program knows about you.'
    ),
    B=(
        "It was refused before listen(). Now somebody listens, and calls that nobody "
        "has accepted yet stand in a queue."
    ),
    C=(
        "From listen() on, the system of the server's computer answers calls by "
        "itself, and keeps what the client sends until the program asks for it."
    ),
)

prediction(
    "02-2",
    right="B",
    A="Then anybody could take away the clients of somebody else.",
    B="One port, one listener: how should the system know who is meant?",
    C="Only if both ask for it, with an option that we meet below.",
)
