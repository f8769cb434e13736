#!/usr/bin/env bash
# Two linked ngircd servers tell the same two messages in two orders, and both are right.
#
# Seen with ngircd 26.1 (Debian 12).
#
# A channel of IRC looks like one conversation. On two linked servers it is two: each server hands a
# message to its own people at once and passes it on over the link. When two people on different servers
# speak at the same moment, each server has heard its own first. So everybody on one server reads
# "ada, bob" and everybody on the other "bob, ada", and that stays so in all logs: nothing puts it right
# later, and no server could, for there is no one clock and no one queue. It is not a rare race; with
# both servers on one machine most rounds are seen in two orders. Where one message is the answer
# to the other, the order is the same for all.
#
# Output seen:
#     at the same moment: 20 rounds, 14 of them in two orders
#     as an answer:       20 rounds, 0 of them in two orders
set -eu
command -v ngircd >/dev/null || { echo "this needs ngircd (Debian: apt-get install ngircd)"; exit 2; }
work=$(mktemp -d)
servers=
trap '[ -z "$servers" ] || kill $servers 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
ngircd --version | head -1

free_port() {
    python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
one=$(free_port) two=$(free_port)

# start NAME PORT OTHER_NAME OTHER_PORT PASSIVE: a server that is linked with the other one; it calls
# the other, or (PASSIVE is yes) waits to be called.
start() {
    cat >"$1.conf" <<CONF
[Global]
Name = $1.example.net
Info = one of two
Listen = 127.0.0.1
Ports = $2
MotdPhrase = hello
[Limits]
ConnectRetry = 1
[Options]
DNS = no
Ident = no
PAM = no
[Server]
Name = $3.example.net
Host = 127.0.0.1
Port = $4
MyPassword = for-$3
PeerPassword = for-$1
Passive = $5
CONF
    timeout 200 ngircd --nodaemon --config "$1.conf" >"$1.log" 2>&1 &
    servers="$servers $!"
}
start one "$one" two "$two" yes
start two "$two" one "$one" no

cat >talk.py <<'PYTHON'
"""ada and a listener on one server, bob and a listener on the other; what do the listeners hear?"""
import socket
import sys
import time

class Person:
    def __init__(self, name, port):
        self.name = name
        for _ in range(100):
            try:
                self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
                break
            except ConnectionRefusedError:
                time.sleep(0.1)  # the server is still starting
        self.file = self.sock.makefile("r", encoding="utf-8")
        self.send(f"NICK {name}\r\nUSER {name} 0 * :{name}\r\nJOIN #room")
        self.wait(" 366 ")

    def send(self, line):
        self.sock.sendall(f"{line}\r\n".encode())

    def say(self, text):
        self.send(f"PRIVMSG #room :{text}")

    def wait(self, part):
        while True:
            line = self.file.readline()
            assert line, f"{self.name} was cut off"
            if line.startswith("PING"):
                self.send("PONG" + line[4:].strip())
            if part in line:
                return line

    def next_text(self):
        return self.wait("PRIVMSG #room :").strip().rpartition(":")[2]

    def names(self):
        self.send("NAMES #room")
        return self.wait(" 353 ").rpartition(":")[2].split()

one, two = map(int, sys.argv[1:])
ada, ann = Person("ada", one), Person("ann", one)
bob, ben = Person("bob", two), Person("ben", two)
deadline = time.monotonic() + 60
while len(ann.names()) < 4:  # until the servers are linked
    assert time.monotonic() < deadline, "the servers do not link"
    time.sleep(0.2)

different = {"same moment": 0, "answer": 0}
for number in range(20):
    for kind in different:
        ada.say(f"ada {kind} {number}")
        if kind == "answer":
            while bob.next_text() != f"ada {kind} {number}":
                pass
        bob.say(f"bob {kind} {number}")
        first, second = [[person.next_text() for _ in range(2)] for person in (ann, ben)]
        assert sorted(first) == sorted(second)
        different[kind] += first != second
        time.sleep(0.4)  # ngircd slows down who says more than a few lines a second
print(f"at the same moment: 20 rounds, {different['same moment']} of them in two orders")
print(f"as an answer:       20 rounds, {different['answer']} of them in two orders")
assert different["same moment"] > 0 and different["answer"] == 0, "the behaviour has changed"
PYTHON
timeout 150 python3 talk.py "$one" "$two"
