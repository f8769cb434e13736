"""Typical wrong answers to the exercises of lesson 00, and words of what the check says to each."""

WRONG = {
    "start-roles": [
        (
            'def roles():\n    return {"P": "client", "Q": "server", "R": "server"}',
            "waits to be called",
        ),
        (
            'def roles():\n    return {"P": "server", "Q": "server", "R": "client"}',
            "does it wait, or call",
        ),
        (
            'def roles():\n    return {"P": "server", "Q": "client", "R": "server"}',
            "who called whom",
        ),
        ('def roles():\n    return {"P": "server"}', "KeyError"),
    ],
    "start-command": [
        (
            """def command(address, name):
    return f"python3 chat_client_cli.py {name} --host {address}"
""",
            "which one the program",
        ),
        (
            """def command(address, name):
    port = address.partition(":")[2]
    return f"python3 chat_client_cli.py {name} --host 127.0.0.1 --port {port}"
""",
            "which computer does 127.0.0.1 mean",
        ),
        (
            """def command(address, name):
    return "python3 chat_client_cli.py bob --host 192.168.1.20 --port 1234"
""",
            "What in your line is always the same",
        ),
        (
            """def command(address, name):
    host, port = address.split(":")
    print(f"python3 chat_client_cli.py {name} --host {host} --port {port}")
""",
            "To print is not to return",
        ),
    ],
    "start-reason": [
        (
            """def reason(line):
    words = line.split()
    return words[-1]
""",
            "How many words",
        ),
        (
            """def reason(line):
    words = line.split()
    return " ".join(words[4:])
""",
            "gives no reason",
        ),
        (
            """def reason(line):
    return " ".join(line.split()[3:]) or "hung up"
""",
            "192.168.1.31:50622",
        ),
    ],
}
