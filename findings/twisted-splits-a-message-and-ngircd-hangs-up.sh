#!/usr/bin/env bash
# Twisted cuts a long message to fit IRC's lines, counts letters for bytes, and ngircd hangs up on it.
#
# Seen with Twisted 26.10.0 (PyPI, twisted.words) and ngircd 26.1 (Debian 12), CPython 3.11.7.
#
# An IRC line has at most 512 bytes, and IRCClient.msg() promises to split what is longer. It knows how
# many bytes are left for the text, but hands that figure to a function that wraps text by characters,
# and encodes afterwards. In ASCII both are the same, and 200 English words arrive whole. As many words
# in Russian become lines of over 700 bytes. ngircd does not cut such a line, it ends the connection
# with "Request too long": nobody in the room hears anything, and the sender is gone. The method neither
# raises nor returns anything; a bot works for years until somebody quotes a paragraph.
#
# Output seen:
#     english: longest line 401 bytes, the room heard 200 of 200 words, the sender is still there
#     russian: longest line 720 bytes, the room heard 0 of 200 words, ERROR: Request too long
set -eu
command -v ngircd >/dev/null || { echo "this needs ngircd (Debian: apt-get install ngircd)"; exit 2; }
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check Twisted==26.10.0 2>pip.log || { cat pip.log; exit 2; }
env/bin/python --version
ngircd --version | head -1

port=$(env/bin/python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >ngircd.conf <<CONF
[Global]
Name = irc.example.net
Info = a server for one test
Listen = 127.0.0.1
Ports = $port
MotdPhrase = hello
[Options]
DNS = no
Ident = no
PAM = no
CONF
timeout 120 ngircd --nodaemon --config ngircd.conf >ngircd.log 2>&1 &
server=$!

cat >talk.py <<'PYTHON'
"""ada says 200 words in the room; bob, there before her, writes down what he hears."""
import sys

from twisted.internet import endpoints, protocol, reactor
from twisted.words.protocols import irc

port, word = int(sys.argv[1]), sys.argv[2]
heard, lengths, ends = [], [], []

class Person(irc.IRCClient):
    lineRate = None

    def __init__(self, nickname):
        self.nickname = nickname

    def signedOn(self):
        self.join("#room")

    def joined(self, channel):
        if self.nickname == "bob":
            connect("ada")
        else:
            self.msg(channel, " ".join([word] * 200))
            reactor.callLater(2, reactor.stop)

    def sendLine(self, line):
        if self.nickname == "ada":
            lengths.append(len(line.encode()) + 2)
        super().sendLine(line)

    def privmsg(self, user, channel, text):
        if self.nickname == "bob":
            heard.extend(text.split())

    def irc_ERROR(self, prefix, words):
        ends.append(f"ERROR: {words[0]}")

def connect(nickname):
    endpoint = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    endpoints.connectProtocol(endpoint, Person(nickname)).addErrback(again, nickname)

def again(failure, nickname):
    reactor.callLater(0.2, connect, nickname)  # the server is still starting

connect("bob")
reactor.callLater(30, reactor.stop)
reactor.run()
end = ends[0] if ends else "the sender is still there"
count = heard.count(word)
print(f"longest line {max(lengths)} bytes, the room heard {count} of 200 words, {end}")
PYTHON
english=$(timeout 60 env/bin/python talk.py "$port" word)
russian=$(timeout 60 env/bin/python talk.py "$port" слово)
echo "english: $english"
echo "russian: $russian"
[[ $english == *"heard 200 of 200 words, the sender is still there" ]]
[[ $russian == *"heard 0 of 200 words, ERROR: Request too long" ]]
