#!/usr/bin/env bash
# A reset is told once: who asks the socket for its error first makes it a clean end for who reads.
#
# Seen on Linux 6.18 (sockets of CPython 3.11.7).
#
# A peer resets the connection, and recv() raises ConnectionResetError, as one expects. But the system
# keeps the error in one place and hands it out once. getsockopt(SO_ERROR), which looks as if it only
# looked, takes it away; and so does a send() of another thread. Then recv() returns b"", the same as
# after a polite goodbye, and a program that treats "broken" and "finished" in two ways believes that the
# peer has said all it wanted to. Reading it twice gives the same: first the error, then b"".
#
# Output seen:
#     recv                       ConnectionResetError
#     recv, recv                 ConnectionResetError, b''
#     SO_ERROR, recv             104, b''
#     send, recv                 ConnectionResetError, b''
#     send, send, recv           ConnectionResetError, BrokenPipeError, b''
set -eu
[[ $(uname) == Linux ]] || { echo "this is about Linux"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
uname -sr
python3 --version

cat >ask.py <<'PYTHON'
"""Do different things, in turn, with a connection that was reset."""
import select
import socket
import struct

def reset_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname(), timeout=10)
        peer, _ = listener.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    select.select([sock], [], [], 10)  # the reset is here now
    return sock

def do(sock, action):
    try:
        if action == "recv":
            return repr(sock.recv(100))
        if action == "send":
            return repr(sock.send(b"hello"))
        return str(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    except OSError as error:
        return type(error).__name__

expected = {
    "recv": "ConnectionResetError",
    "recv, recv": "ConnectionResetError, b''",
    "SO_ERROR, recv": "104, b''",
    "send, recv": "ConnectionResetError, b''",
    "send, send, recv": "ConnectionResetError, BrokenPipeError, b''",
}
seen = {}
for actions in expected:
    with reset_connection() as sock:
        seen[actions] = ", ".join(do(sock, action) for action in actions.split(", "))
    print(f"{actions:26} {seen[actions]}")
assert seen == expected, "the behaviour has changed"
PYTHON
timeout 60 python3 ask.py
