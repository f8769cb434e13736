"""Lesson 13 Across machines: checks, hints, and replies to predictions."""

from classroom import exercise, expect, frame, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
OTHER = variant("198.51.100.4", "203.0.113.9", "198.51.100.77")


@exercise(
    "others-type",
    1,
    (
        "Which of the three cases can the others not reach, and in which of them is bound "
        "itself no place to call?"
    ),
    'First: if bound == "0.0.0.0". What does ipaddress.ip_address("127.0.0.2").is_loopback give?',
)
def check_others_type(others_type) -> None:
    mine = "192.0.2.7"
    for bound, wanted, question in [
        (
            "0.0.0.0",
            mine,
            "0.0.0.0 is nobody's address: at which one can others call this computer?",
        ),
        ("127.0.0.1", None, "Whose programs can call a server on the loopback?"),
        ("192.0.2.7", mine, "At which address does this server answer?"),
        (
            OTHER,
            OTHER,
            "At which address does a server answer that is bound to one of two?",
        ),
        ("127.0.0.2", None, "Is 127.0.0.1 the only address that leads nowhere else?"),
        ("127.8.9.10", None, "Is 127.0.0.1 the only address that leads nowhere else?"),
        ("12.70.0.1", "12.70.0.1", "Is it about the letters of the address, or about its numbers?"),
    ]:
        expect(
            lambda bound=bound: others_type(bound, mine),
            wanted,
            question,
            f"others_type({bound!r}, {mine!r})",
        )
    story = 'others_type("0.0.0.0", "198.51.100.4")'
    question = "Is the answer right for every computer?"
    expect(lambda: others_type("0.0.0.0", "198.51.100.4"), "198.51.100.4", question, story)


@exercise(
    "find-password",
    2,
    "Which bytes belong to the first frame, and what comes back as long as it is not whole?",
    (
        "take_frame(bytearray(captured)) is None or the payload. "
        'What does "ada open sesame".partition(" ") give?'
    ),
)
def check_find_password(find_password) -> None:
    hello, secret = frame("hello"), frame("ada ocean-42")
    for captured, wanted, question in [
        (secret, "ocean-42", "What does take_frame want and return, and is your answer text?"),
        (secret + hello, "ocean-42", "Where does the first frame end?"),
        (secret + frame("hello there"), "ocean-42", "Where does the first frame end?"),
        (frame("ada open sesame") + hello, "open sesame", "May a password hold a space?"),
        (
            frame("ada  open  sesame "),
            " open  sesame ",
            "Is every space of the password still there?",
        ),
        (frame("zoë clé-7") + hello, "clé-7", "Does the header count characters or bytes?"),
        (frame("ada"), None, "What comes back if there is only a name?"),
        (
            frame("ada") + frame("hello there"),
            None,
            "Which frame may hold the password, and which never does?",
        ),
        (b"", None, "What can you know before the header is whole?"),
        (b"12    ", None, "What can you know before the header is whole?"),
        (secret[:-3], None, "Has all of the password come?"),
        (frame("ada 12        x") + hello, "12        x", "Where does the header end?"),
    ]:
        expect(
            lambda data=captured: find_password(data), wanted, question, f"captured = {captured!r}"
        )


CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBnTCCAUSgAwIBAgIUeS+pPy+gxLUjdK4cx+VD697/jogwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMY2hhdC5leGFtcGxlMCAXDTI2MTEyMjE3MDEyNVoYDzIxMjYx
MDI5MTcwMTI1WjAXMRUwEwYDVQQDDAxjaGF0LmV4YW1wbGUwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAARiSse95y/3v4Z9yExt/x3suIrdxfhe2y4CBFLo9rlDpul5
SFW64NlLkEfCjGpG+aIbcQ9Nfkj3Bfm9ULJ7Haj1o2wwajAdBgNVHQ4EFgQUP+hB
pHcx4N/ovnfxcMpMjv4u4BIwHwYDVR0jBBgwFoAUP+hBpHcx4N/ovnfxcMpMjv4u
4BIwDwYDVR0TAQH/BAUwAwEB/zAXBgNVHREEEDAOggxjaGF0LmV4YW1wbGUwCgYI
KoZIzj0EAwIDRwAwRAIgLdktl7vYv+gKbKoYbDR+Uigmxvr/vDgU66q6JV20SzwC
IAvhrO9IrMu6KSNyL9xs1trNq70/tqwkuOz6MZtBYT5P
-----END CERTIFICATE-----
"""  # for chat.example; nobody has its key any more


@exercise(
    "careful",
    2,
    (
        "Which two lines switch a protection off, and what was it that "
        "CERTIFICATE_VERIFY_FAILED missed?"
    ),
    (
        "create_default_context() checks everything. "
        "What can you hand it as cadata, so that it trusts that one?"
    ),
)
def check_careful(careful) -> None:
    def settings() -> tuple:
        context = careful(CERTIFICATE)
        trusted = [
            dict(pair for part in one["subject"] for pair in part) for one in context.get_ca_certs()
        ]
        mode = (
            "any certificate" if context.verify_mode.name == "CERT_NONE" else "only a trusted one"
        )
        names = "the right name" if context.check_hostname else "any name"
        return mode, names, {"commonName": "chat.example"} in trusted

    story = "careful(certificate), shown: (takes which certificates, with which names, trusts ours)"
    wanted = ("only a trusted one", "the right name", True)
    kind = "What does careful return, and is the certificate a text or the name of a file?"
    expect(lambda: type(careful(CERTIFICATE)).__name__, "SSLContext", kind, "careful(certificate)")
    side = (
        "Purpose.CLIENT_AUTH is for a server, which looks at its clients. "
        "At whose certificate do you want to look?"
    )
    serves = 'careful(certificate).protocol.name.endswith("SERVER")'
    expect(lambda: careful(CERTIFICATE).protocol.name.endswith("SERVER"), False, side, serves)
    any_at_all = "What does a client that looks at no certificate do if Eve answers?"
    expect(lambda: settings()[:1], wanted[:1], any_at_all, story)
    name = "Eve has a certificate, too, for eve.example: which setting looks at the name?"
    expect(lambda: settings()[:2], wanted[:2], name, story)
    expect(
        settings,
        wanted,
        "Whose signature does this client trust? How does it get to know yours?",
        story,
    )


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "13-1",
    right="C",
    A=(
        'The loopback is one of "all addresses of this computer". Ada\'s own client '
        "still needs no --host."
    ),
    B=(
        'To bind(), 0.0.0.0 means "all that I have" (ip(7)). It is nobody\'s address, '
        "so others type one of those."
    ),
    C=(
        "0.0.0.0 means all addresses of this computer: those of its networks, and the "
        "loopback, too."
    ),
)

prediction(
    "13-2",
    right="C",
    A=(
        "Encrypted twice, and both times Eve has the key. She is the man in the "
        "middle, of whom RFC 5246 warns for TLS without certificates."
    ),
    B="That takes a client that asks. blind() asks nobody.",
    C=(
        "Ada's TLS ends at Eve's program, and there her words are in clear again. Ada "
        "has never asked to whom she is talking."
    ),
)
