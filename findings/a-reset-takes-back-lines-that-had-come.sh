#!/usr/bin/env bash
# asyncio and Node.js throw away lines that have arrived when a reset follows; sockets and trio do not.
#
# Seen with asyncio of CPython 3.11.7 (streams), Node.js 20.20.2 (net.Socket, `for await`), trio 0.35.0
# (SocketStream) and plain sockets, on Linux 6.18.
#
# A peer sends three lines, one by one, and resets the connection. The reader takes the first line and
# is busy for a second with it; all the rest happens meanwhile. Linux keeps what has arrived: recv()
# returns the other two lines first and raises afterwards, and so does trio, which reads when it is
# asked to. asyncio's streams and Node's read ahead into a buffer of their own, and an error goes past
# that buffer: the next read raises at once, and two lines that were in the program's hands already
# cannot be had any more. A reader that is never busy gets all three, so no quick test shows it. For a
# chat this decides whether the last words of somebody whose program died are heard.
#
# Output seen:
#     socket:   one two three reset
#     trio:     one two three reset
#     asyncio:  one reset
#     node:     one reset
#     asyncio, never busy: one two three reset
set -eu
command -v node >/dev/null || { echo "this needs Node.js (Debian: apt-get install nodejs)"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check trio==0.35.0 2>pip.log || { cat pip.log; exit 2; }
env/bin/python --version
echo "Node.js $(node --version)"

cat >reader.js <<'NODE'
const net = require("net");
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
async function main() {
  const got = [];
  try {
    for await (const chunk of net.connect(+process.argv[2], "127.0.0.1")) {
      got.push(...chunk.toString().split("\n").filter(Boolean));
      await sleep(1000);
    }
    got.push("end");
  } catch (error) {
    got.push(error.code === "ECONNRESET" ? "reset" : error.code);
  }
  console.log(got.join(" "));
}
main();
NODE

cat >compare.py <<'PYTHON'
"""Four readers, each busy for a second after the first line, of a peer that resets after three."""
import asyncio
import socket
import struct
import subprocess
import threading
import time

import trio

BUSY = 1  # seconds

def serve(listener):
    for _ in range(5):
        sock, _ = listener.accept()
        for line in (b"one\n", b"two\n", b"three\n"):
            sock.sendall(line)
            time.sleep(0.1)
        time.sleep(0.2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

def read_socket():
    with socket.create_connection(address, timeout=20) as sock, sock.makefile("rb") as file:
        try:
            while line := file.readline():
                yield line.decode().strip()
                time.sleep(BUSY)
        except ConnectionResetError:
            yield "reset"

async def read_trio():
    got = b""
    async with await trio.open_tcp_stream(*address) as stream:
        try:
            while data := await stream.receive_some(4):
                got += data
                await trio.sleep(BUSY)
        except trio.BrokenResourceError:
            got += b"reset"
    return got.decode().split()

async def read_asyncio(busy):
    got = []
    reader, writer = await asyncio.open_connection(*address)
    try:
        while line := await reader.readline():
            got.append(line.decode().strip())
            await asyncio.sleep(busy)
    except ConnectionResetError:
        got.append("reset")
    writer.close()
    return got

with socket.create_server(("127.0.0.1", 0)) as listener:
    address = listener.getsockname()
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    command = ["node", "reader.js", str(address[1])]
    seen = {
        "socket": " ".join(read_socket()),
        "trio": " ".join(trio.run(read_trio)),
        "asyncio": " ".join(asyncio.run(read_asyncio(BUSY))),
        "node": subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip(),
        "asyncio, never busy": " ".join(asyncio.run(read_asyncio(0))),
    }
for name, got in seen.items():
    print(f"{name + ':':9} {got}")
whole = "one two three reset"
expected = dict.fromkeys(seen, whole) | {"asyncio": "one reset", "node": "one reset"}
assert seen == expected, "the behaviour has changed"
PYTHON
timeout 60 env/bin/python compare.py
