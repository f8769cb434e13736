#!/usr/bin/env bash
# A client that tries again and again connects to itself, if the server's port is an even number.
#
# Seen on Linux 6.18 (sockets of CPython 3.11.7), ports 32768 to 60999 for outgoing connections.
#
# A client on the same machine waits for its server and tries to connect in a loop. The system gives
# each try a port of its own, from the same range in which many a server listens. Once it gives the port
# that is being called, TCP has two ends that open at the same time, as its rules allow: the connection
# stands, with one socket as both of its ends. The client reads back what it says, and the server cannot
# start any more: "Address already in use". What one would not guess: it depends on the port being even.
# Linux takes even ports for connect() as long as there are any, and odd ones where a program asks for
# any port to listen on. So a test on a port of the system's choice (always odd) never shows it, and a
# fixed even port above 32768 does, within some thousand tries, which take less than a second or two.
#
# Output seen:
#     200 listeners on a port of the system's choice: 200 odd, 0 even
#     41884: connected to itself at try 2427, reads back b'hello', a server there: Address already in use
#     41885: not connected in 20000 tries
set -eu
[[ $(uname) == Linux ]] || { echo "this is about Linux"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
uname -sr
python3 --version

cat >meet.py <<'PYTHON'
"""Call ports at which nobody listens."""
import random
import socket

def listener_ports():
    return [socket.create_server(("127.0.0.1", 0)).getsockname()[1] for _ in range(200)]

def call(port, tries):
    """Return the number of the try that was answered and its socket, or two times None."""
    for number in range(1, tries + 1):
        sock = socket.socket()
        sock.settimeout(10)
        try:
            sock.connect(("127.0.0.1", port))
            return number, sock
        except ConnectionRefusedError:
            sock.close()
    return None, None

def free_pair():
    """Return an even port; nobody has it, nor the odd one after it."""
    while True:
        port = random.randrange(low + 1000, high - 1000) // 2 * 2
        try:
            for number in (port, port + 1):
                socket.create_server(("127.0.0.1", number)).close()
            return port
        except OSError:
            pass

with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
    low, high = map(int, file.read().split())
ports = listener_ports()
odd = sum(port % 2 for port in ports)
print(f"{len(ports)} listeners on a port of the system's choice: {odd} odd, {len(ports) - odd} even")

even_port = free_pair()
number, sock = call(even_port, high - low)
assert sock is not None, "the behaviour has changed"
assert sock.getsockname() == sock.getpeername()
sock.sendall(b"hello")
back = sock.recv(100)
try:
    socket.create_server(("127.0.0.1", even_port)).close()
    server = "starts"
except OSError as error:
    server = error.strerror.partition(" (")[0]
print(f"{even_port}: connected to itself at try {number}, reads back {back}, a server there: {server}")
sock.close()

number, sock = call(even_port + 1, 20_000)
assert sock is None, "the behaviour has changed"
print(f"{even_port + 1}: not connected in 20000 tries")
assert odd > 0.9 * len(ports) and back == b"hello" and server == "Address already in use"
PYTHON
timeout 200 python3 meet.py
