#!/usr/bin/env bash
# Told to sort segments that came out of order, Wireshark hides all that follows a single lost one.
#
# Seen with tshark 4.0.17 (Debian 12, package tshark).
#
# With tcp.reassemble_out_of_order off (the default) a segment that comes late is left out, and what
# follows it is shown. So the option is what one switches on where messages are missing. But where a
# segment is not late but was never captured, the sorting waits for it to the end of the file: here one
# message of ten is not in the capture, and six more, which are whole and in order, vanish from the list
# of messages. No filter finds them, the exit code is 0; the rows say only "TCP segment of a reassembled
# PDU". It is no matter of the dissector: IRC's, which never asks for reassembly, is used here.
#
# Output seen:
#     off, one lost: 0 1 2 4 5 6 7 8 9
#     on,  one lost: 0 1 2
#     on,  one late: 0 1 2 3 4 5 6 7 8 9
#     off, one late: 0 1 2 4 5 6 7 8 9
set -eu
command -v tshark >/dev/null || { echo "this needs tshark (Debian: apt-get install tshark)"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tshark --version 2>/dev/null | head -1

cat >capture.py <<'PYTHON'
"""Write ten IRC messages, one of them not captured or late, as captures of raw IP packets."""
import struct

def packet(number, flags, data=b""):
    address = bytes([127, 0, 0, 1])
    ip = struct.pack(">BBHIBBH4s4s", 0x45, 0, 40 + len(data), 0, 64, 6, 0, address, address)
    return ip + struct.pack(">HHIIBBHHH", 5000, 6667, number, 0, 80, flags, 65535, 0, 0) + data

def write(name, packets):
    with open(name, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for place, data in enumerate(packets):
            head = struct.pack("<IIII", 1_700_000_000, place, len(data), len(data))
            file.write(head + data)

number, packets = 1, [packet(0, 2)]
for message in range(10):
    line = b"PRIVMSG #room :%d\r\n" % message
    packets.append(packet(number, 24, line))
    number += len(line)
write("lost.pcap", packets[:4] + packets[5:])
write("late.pcap", packets[:4] + [packets[5], packets[4]] + packets[6:])
PYTHON
python3 capture.py

# messages TRUE_OR_FALSE FILE: the texts that are shown.
messages() {
    timeout 60 tshark -r "$2" -o "tcp.reassemble_out_of_order:$1" -Y irc -T fields \
        -e irc.request.trailer -E aggregator=/s 2>/dev/null | paste -sd' '
}
off_lost=$(messages FALSE lost.pcap) on_lost=$(messages TRUE lost.pcap)
on_late=$(messages TRUE late.pcap) off_late=$(messages FALSE late.pcap)
echo "off, one lost: $off_lost"
echo "on,  one lost: $on_lost"
echo "on,  one late: $on_late"
echo "off, one late: $off_late"
[[ $off_lost == "0 1 2 4 5 6 7 8 9" && $on_lost == "0 1 2" && $on_late == "0 1 2 3 4 5 6 7 8 9" ]]
