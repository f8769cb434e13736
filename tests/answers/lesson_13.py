"""Typical wrong answers to the exercises of lesson 13, and words of what the check says to them."""

WRONG = {
    "others-type": [
        (
            """
def others_type(bound, mine):
    return bound
""",
            "nobody's address",
        ),
        (
            """
def others_type(bound, mine):
    return mine
""",
            "Whose programs can call a server on the loopback?",
        ),
        (
            """
def others_type(bound, mine):
    if bound == "127.0.0.1":
        return None
    return mine if bound == "0.0.0.0" else bound
""",
            "Is 127.0.0.1 the only address",
        ),
        (
            """
def others_type(bound, mine):
    return None if ipaddress.ip_address(bound).is_loopback else mine
""",
            "bound to one of two",
        ),
        (
            """
def others_type(bound, mine):
    if bound == "0.0.0.0":
        return mine
    return None if ipaddress.ip_address(bound).is_private else bound
""",
            "At which address does this server answer?",
        ),
    ],
    "find-password": [
        (
            """
def find_password(captured):
    return captured.decode().split()[-1]
""",
            "Where does the first frame end?",
        ),
        (
            """
def find_password(captured):
    return bytes(take_frame(bytearray(captured))).split()[1]
""",
            "which method makes a text of bytes",
        ),
        (
            """
def find_password(captured):
    data = take_frame(bytearray(captured))
    return data.decode().split()[1] if data else None
""",
            "May a password hold a space?",
        ),
        (
            """
def find_password(captured):
    data = take_frame(bytearray(captured))
    return data.decode().partition(" ")[2] or None
""",
            "before the header is whole?",
        ),
        (
            """
def find_password(captured):
    end = 10 + int(captured[:10])
    return captured.decode()[10:end].partition(" ")[2] or None
""",
            "characters or bytes?",
        ),
        (
            """
def find_password(captured):
    data = take_frame(bytearray(captured))
    return None if data is None else data.decode().partition(" ")[2]
""",
            "What comes back if there is only a name?",
        ),
        (
            """
def find_password(captured):
    if b" " not in captured.strip():
        return None
    parts = captured[10:].decode().split(" ", 1)
    data = take_frame(bytearray(captured))
    return None if data is None or len(parts) < 2 else (data.decode().partition(" ")[2] or parts[1])
""",
            "Which frame may hold the password",
        ),
        (
            """
def find_password(captured):
    data = take_frame(captured)
    return data.decode().partition(" ")[2] or None
""",
            "What does take_frame want",
        ),
        (
            """
def find_password(captured):
    data = take_frame(bytearray(captured))
    parts = data.decode().split(None, 1) if data else []
    return parts[1] if len(parts) == 2 else None
""",
            "Is every space of the password still there?",
        ),
    ],
    "careful": [
        (
            """
def careful(certificate):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
""",
            "do if Eve answers?",
        ),
        (
            """
def careful(certificate):
    context = ssl.create_default_context(cadata=certificate)
    context.check_hostname = False
    return context
""",
            "which setting looks at the name?",
        ),
        (
            """
def careful(certificate):
    return ssl.create_default_context()
""",
            "Whose signature does this client trust?",
        ),
        (
            """
def careful(certificate):
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
""",
            "Whose signature does this client trust?",
        ),
        (
            """
def careful(certificate):
    context = ssl.create_default_context(cadata=certificate)
    context.verify_mode = ssl.CERT_NONE
    return context
""",
            "ValueError",
        ),
        (
            """
def careful(certificate):
    return ssl.create_default_context(cafile=certificate)
""",
            "the name of a file?",
        ),
        (
            """
def careful(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    return context
""",
            "Purpose.CLIENT_AUTH is for a server",
        ),
    ],
}
