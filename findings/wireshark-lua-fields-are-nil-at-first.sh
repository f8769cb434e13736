#!/usr/bin/env bash
# A Lua dissector that asks Wireshark for a field gets it in one pass, and nil in the first of two.
#
# Seen with tshark 4.0.17 (Debian 12, package tshark), Lua 5.2.
#
# Field.new("tcp.stream") hands a dissector what other dissectors have found in the same packet: the
# natural key for what it remembers of a connection. `pinfo.visited` is false in the first reading,
# which is when such memory is built. Both together work in `tshark`, and not in `tshark -2`: a field
# that is plainly there has no value in the first reading. So the memory is built under the key nil,
# or the script stops at an error that is not printed. Any read filter (-R), even one that every packet
# passes, brings the values back: then the first reading needs a tree, and makes one.
#
# Output seen (stream, completeness of the connection, as known in the first reading of each packet):
#     tshark:              0 7 / 0 15
#     tshark -2:           nil nil / nil nil
#     tshark -2 -R frame:  0 7 / 0 15
set -eu
command -v tshark >/dev/null || { echo "this needs tshark (Debian: apt-get install tshark)"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tshark --version 2>/dev/null | head -1

cat >capture.py <<'PYTHON'
"""Write a handshake and two packets with data as a capture of raw IP packets."""
import struct

def packet(source, target, number, answer, flags, data=b""):
    address = bytes([127, 0, 0, 1])
    ip = struct.pack(">BBHIBBH4s4s", 0x45, 0, 40 + len(data), 0, 64, 6, 0, address, address)
    tcp = struct.pack(">HHIIBBHHH", source, target, number, answer, 80, flags, 65535, 0, 0)
    return ip + tcp + data

packets = [
    packet(5000, 4321, 0, 0, 2),
    packet(4321, 5000, 0, 1, 18),
    packet(5000, 4321, 1, 1, 16),
    packet(5000, 4321, 1, 1, 24, b"hello"),
    packet(5000, 4321, 6, 1, 24, b"again"),
]
with open("two.pcap", "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
    for number, data in enumerate(packets):
        file.write(struct.pack("<IIII", 1_700_000_000 + number, 0, len(data), len(data)) + data)
PYTHON
python3 capture.py

cat >asks.lua <<'LUA'
local asks = Proto("asks", "Asks for fields")
local stream, complete = Field.new("tcp.stream"), Field.new("tcp.completeness")
local function value(found)
    return found and tostring(found.value) or "nil"
end
function asks.dissector(tvb, pinfo)
    if not pinfo.visited then
        print("first: " .. value(stream()) .. " " .. value(complete()))
    end
    return tvb:len()
end
DissectorTable.get("tcp.port"):add(4321, asks)
LUA

# first OPTION...: what the dissector was told in the first reading.
first() {
    timeout 60 tshark -r two.pcap -X lua_script:asks.lua "$@" 2>/dev/null |
        sed -n 's/^first: //p' | paste -sd/ | sed 's|/| / |'
}
one=$(first) two=$(first -2) filtered=$(first -2 -R frame)
echo "tshark:              $one"
echo "tshark -2:           $two"
echo "tshark -2 -R frame:  $filtered"
[[ $one == "0 "[0-9]*" / 0 "* && $two == "nil nil / nil nil" && $filtered == "$one" ]]
