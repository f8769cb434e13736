#!/usr/bin/env bash
# Two ngircd that are told to link with each other may call at the same moment, and one of them dies.
#
# Seen with ngircd 26.1 (Debian 12).
#
# To link two servers, each has a section that names the other, with address, port and passwords, and
# by default each calls the other. A second after its start, ngircd looks the address up in a child
# process, and calls when that has answered. If the other server's call and its login arrive just
# between, the link is made for that section, and then the answer comes for a call that nobody needs
# any more: a segmentation fault. Nothing is in the log, the last line says that the peer announces
# itself. All people of that server are cut off. Two servers that are started together, on two hosts
# with a quick network, do that more often than not. With `Passive = yes` in one of the two sections
# only one server calls, and it never happens.
#
# Below, a script plays the other server: it connects, and logs in as soon as the log says that ngircd
# prepares to call.
#
# Output seen:
#     each calls the other: 12 starts, 7 crashes
#     the same, passive:    12 starts, 0 crashes
set -eu
command -v ngircd >/dev/null || { echo "this needs ngircd (Debian: apt-get install ngircd)"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
ngircd --version | head -1

cat >call.py <<'PYTHON'
"""Start ngircd, log in as the server that it is about to call, and see whether it lives on."""
import pathlib
import signal
import socket
import subprocess

CONFIG = """
[Global]
Name = one.example.net
Info = one of two
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = hello
[Options]
DNS = no
Ident = no
PAM = no
[Server]
Name = two.example.net
Host = 127.0.0.1
Port = {other}
MyPassword = secret
PeerPassword = secret
Passive = {passive}
"""
LOGIN = b"PASS secret 0210-IRC+ ngIRCd|26.1:CHLMSX\r\nSERVER two.example.net 1 :two\r\n"

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]

def start(passive):
    """Return the exit code of a server that was called; None if it still runs."""
    port, other = free_port(), free_port()
    config = pathlib.Path("one.conf").resolve()
    config.write_text(CONFIG.format(port=port, other=other, passive=passive))
    command = ["ngircd", "--nodaemon", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in process.stdout:
        if b" ready." in line:
            sock = socket.create_connection(("127.0.0.1", port))
            if passive == "yes":  # it will not call
                break
        if b"Preparing to establish" in line:
            break
    sock.sendall(LOGIN)
    code = None
    try:
        code = process.wait(1.5)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
    sock.close()
    process.stdout.close()
    return code

crashes = {}
for passive in ("no", "yes"):
    crashes[passive] = [start(passive) for _ in range(12)].count(-signal.SIGSEGV)
print(f"each calls the other: 12 starts, {crashes['no']} crashes")
print(f"the same, passive:    12 starts, {crashes['yes']} crashes")
assert crashes["no"] > 0 and crashes["yes"] == 0, "the behaviour has changed"
PYTHON
timeout 150 python3 call.py
