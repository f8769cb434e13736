#!/usr/bin/env bash
# Wireshark shows IRC commands that nobody sent: its IRC dissector takes each segment for whole lines.
#
# Seen with tshark 4.0.17 (Debian 12, package tshark).
#
# IRC is lines in a TCP stream, and Wireshark's other line protocols put a line together again if it
# is cut. The one for IRC does not: what is left of a line at the end of a segment is shown as a message
# of its own, cut off without a remark, and the rest, which opens the next segment, is read as a new
# line whose first word becomes the command. So two PRIVMSG become four, two of them called `lo` and
# `om`; a filter for irc.request.command finds a command that does not exist, and none of the texts is
# right. Reassembly is switched on, as it is by default; it changes nothing. SMTP, cut in the same way,
# comes out right.
#
# Output seen:
#     IRC, whole lines: PRIVMSG[hello everybody] PRIVMSG[second]
#     IRC, cut lines:   PRIVMSG[hel] lo,PRIVMSG[] om[second]
#     SMTP, cut line:   HELO[example.org]
set -eu
command -v tshark >/dev/null || { echo "this needs tshark (Debian: apt-get install tshark)"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tshark --version 2>/dev/null | head -1

cat >capture.py <<'PYTHON'
"""Write what a client sends, segment by segment, as captures of raw IP packets."""
import struct

def packet(port, number, flags, data=b""):
    address = bytes([127, 0, 0, 1])
    ip = struct.pack(">BBHIBBH4s4s", 0x45, 0, 40 + len(data), 0, 64, 6, 0, address, address)
    return ip + struct.pack(">HHIIBBHHH", 5000, port, number, 0, 80, flags, 65535, 0, 0) + data

def write(name, port, segments):
    number, packets = 1, [packet(port, 0, 2)]
    for segment in segments:
        packets.append(packet(port, number, 24, segment))
        number += len(segment)
    with open(name, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for place, data in enumerate(packets):
            head = struct.pack("<IIII", 1_700_000_000 + place, 0, len(data), len(data))
            file.write(head + data)

first, second = b"PRIVMSG #room :hello everybody\r\n", b"PRIVMSG #room :second\r\n"
write("whole.pcap", 6667, [first, second])
write("cut.pcap", 6667, [first[:18], first[18:] + second[:11], second[11:]])
write("smtp.pcap", 25, [b"HELO exam", b"ple.org\r\n"])
PYTHON
python3 capture.py

# commands FILE COMMAND_FIELD TEXT_FIELD: each packet's commands, and in brackets its text.
commands() {
    timeout 60 tshark -r "$1" -Y "$2" -T fields -e "$2" -e "$3" 2>/dev/null |
        sed 's/\t/[/; s/$/]/' | paste -sd' '
}
whole=$(commands whole.pcap irc.request.command irc.request.trailer)
cut=$(commands cut.pcap irc.request.command irc.request.trailer)
smtp=$(commands smtp.pcap smtp.req.command smtp.req.parameter)
echo "IRC, whole lines: $whole"
echo "IRC, cut lines:   $cut"
echo "SMTP, cut line:   $smtp"
[[ $whole == "PRIVMSG[hello everybody] PRIVMSG[second]" ]]
[[ $cut == "PRIVMSG[hel] lo,PRIVMSG[] om[second]" ]]
[[ $smtp == "HELO[example.org]" ]]
