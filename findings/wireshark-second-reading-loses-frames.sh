#!/usr/bin/env bash
# Asked for the exact rest of a header, Wireshark loses whole frames, but only in its second reading.
#
# Seen with tshark 4.0.17 (Debian 12, package tshark), Lua 5.2.
#
# A dissector of length-prefixed frames that holds the beginning of a header has two ways to ask for
# more: for the bytes that are missing (desegment_len = 10 - what is there), or for "one more segment".
# The first looks like the better one, for it is exact. In one pass both show every frame. In a second
# pass (tshark -2; and the window of Wireshark always reads twice) the exact way loses frames: those
# whose header is cut and whose other bytes all come in the packet that completes the header. TCP
# keeps the reassembled ten bytes of the header from the first pass; that the frame was longer became
# known only while they were read, in the same packet. Nothing says so, and the exit code is 0.
#
# Output seen:
#     300 frames were sent
#     exact rest:       one pass shows 300, two passes show 249
#     one more segment: one pass shows 300, two passes show 300
set -eu
command -v tshark >/dev/null || { echo "this needs tshark (Debian: apt-get install tshark)"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tshark --version 2>/dev/null | head -1

cat >capture.py <<'PYTHON'
"""Write frames (ten digits of length, then text), cut anywhere, as a capture of raw IP packets."""
import random
import struct

def packet(number, flags, data=b""):
    address = bytes([127, 0, 0, 1])
    ip = struct.pack(">BBHIBBH4s4s", 0x45, 0, 40 + len(data), 0, 64, 6, 0, address, address)
    return ip + struct.pack(">HHIIBBHHH", 5000, 4321, number, 0, 80, flags, 65535, 0, 0) + data

chance = random.Random(1)
stream = b"".join(b"%010d%s" % (size, b"x" * size) for size in chance.choices(range(40), k=300))
packets, place = [packet(0, 2)], 0
while place < len(stream):
    size = chance.randint(1, 60)
    packets.append(packet(1 + place, 24, stream[place : place + size]))
    place += size
with open("frames.pcap", "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
    for number, data in enumerate(packets):
        file.write(struct.pack("<IIII", 1_700_000_000 + number, 0, len(data), len(data)) + data)
PYTHON
python3 capture.py

# dissector NAME WHAT_TO_ASK_FOR: a dissector that differs in nothing else.
dissector() {
    cat >"$1.lua" <<LUA
local frames = Proto("frames", "Frames with a length of ten digits")
local length = ProtoField.uint32("frames.length", "Length")
frames.fields = { length }
function frames.dissector(tvb, pinfo, tree)
    local place = 0
    while place < tvb:len() do
        local left = tvb:len() - place
        local missing
        if left < 10 then
            missing = $2
        else
            local size = 10 + tonumber(tvb:range(place, 10):string())
            if left < size then
                missing = size - left
            else
                tree:add(length, tvb:range(place, 10), size - 10)
                place = place + size
            end
        end
        if missing then
            pinfo.desegment_offset = place
            pinfo.desegment_len = missing
            return tvb:len()
        end
    end
    return tvb:len()
end
DissectorTable.get("tcp.port"):add(4321, frames)
LUA
}
dissector exact '10 - left'
dissector more DESEGMENT_ONE_MORE_SEGMENT

# count NAME OPTION...: how many frames tshark shows.
count() {
    timeout 60 tshark -r frames.pcap -X "lua_script:$1.lua" "${@:2}" \
        -T fields -e frames.length -E aggregator=/s 2>/dev/null | wc -w
}
exact_one=$(count exact) exact_two=$(count exact -2)
more_one=$(count more) more_two=$(count more -2)
echo "300 frames were sent"
echo "exact rest:       one pass shows $exact_one, two passes show $exact_two"
echo "one more segment: one pass shows $more_one, two passes show $more_two"
((exact_one == 300 && more_one == 300 && more_two == 300 && exact_two < 300))
