#!/usr/bin/env bash
# A socket that has joined no multicast group hears all groups that anybody on the computer has joined.
#
# Seen on Linux 6.18 (sockets of CPython 3.11.7), three sockets on one UDP port.
#
# Programs that look for each other on a network take a group of multicast and a port, and join. One
# would think that who has not joined a group hears nothing of it. On Linux, joining is something that
# the computer does on a network, not the socket: a datagram that got in goes to every socket on its
# port that is bound to all addresses. So two programs that use one port with two different groups read
# each other's datagrams, and one that has joined nothing reads both. It shows as soon as somebody else
# starts a program, and never on the developer's own computer. ip(7) names the switch, IP_MULTICAST_ALL
# (number 49, which Python has no name for), and that it is on unless a program turns it off.
#
# Output seen:
#     joined 1: hears 1 2    joined 2: hears 1 2    joined none: hears 1 2
#     with IP_MULTICAST_ALL off in the last two:
#     joined 1: hears 1 2    joined 2: hears 2      joined none: hears nothing
set -eu
[[ $(uname) == Linux ]] || { echo "this is about Linux"; exit 2; }
uname -sr
python3 --version
python3 - <<'PYTHON'
"""Three sockets on one port; datagrams that leave this computer nowhere (TTL 0, loopback)."""
import socket

HERE = socket.inet_aton("127.0.0.1")
GROUPS = {"1": "239.255.1.1", "2": "239.255.2.2"}
IP_MULTICAST_ALL = 49


def listener(group):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", port))
    sock.settimeout(0.3)
    if group:
        request = socket.inet_aton(GROUPS[group]) + HERE
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    return sock


def hears(sock):
    heard = []
    try:
        while True:
            heard.append(sock.recv(10).decode())
    except TimeoutError:
        return " ".join(heard) or "nothing"


def round_of_talk():
    for name, group in GROUPS.items():
        sender.sendto(name.encode(), (group, port))
    return [hears(sock) for sock in listeners]


with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.bind(("", 0))
    port = probe.getsockname()[1]
listeners = [listener("1"), listener("2"), listener(None)]
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, HERE)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
before = round_of_talk()
for sock in listeners[1:]:
    sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
after = round_of_talk()
form = "joined 1: hears {:6} joined 2: hears {:6} joined none: hears {}"
print(form.format(*before))
print("with IP_MULTICAST_ALL off in the last two:")
print(form.format(*after))
as_described = before == ["1 2"] * 3 and after == ["1 2", "2", "nothing"]
raise SystemExit(0 if as_described else "this has changed")
PYTHON
