#!/usr/bin/env python3
"""A small chat client: it asks for a name, sends what you type and shows what comes.

    python3 small_client.py        joins the server on this computer

    main thread        reads the socket, and shows what comes
    keyboard thread    reads the keyboard, and alone sends

Left out, and done by chat_client_cli.py: a typed line that survives what comes in, colours,
history, a second try, an end when a server says nothing.
"""

import argparse
import os
import re
import socket
import sys
import threading

CONNECT_SECONDS = 5
# What could harm a terminal: control characters but the tab, and what turns the direction of the
# text around it.
UNSAFE = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# ---- Framing -------------------------------------------------------------------------------------

# This block stands in every step and program, so that each of them can be copied alone.
# >>> framing
HEADER = 10  # bytes: the payload's length as ASCII digits, padded with spaces
MAX_PAYLOAD = 65_536  # bytes


def frame(text: str) -> bytes:
    """Return text as one frame: frame("hello") is b"5         hello"."""
    data = text.encode()
    return str(len(data)).ljust(HEADER).encode() + data


def take_frame(buffer: bytearray) -> bytearray | None:
    """Cut the first frame off buffer and return its payload.

    None if it is not whole yet; ValueError if its header is wrong.
    """
    if len(buffer) < HEADER:
        return None
    digits = buffer[:HEADER].strip(b" ")  # we send spaces behind the digits, others before them
    if not digits.isdigit() or int(digits) > MAX_PAYLOAD:  # int() alone takes "+5" and "1_0"
        raise ValueError(f"wrong header {bytes(buffer[:HEADER])}")
    end = HEADER + int(digits)
    if len(buffer) < end:
        return None
    data = buffer[HEADER:end]
    del buffer[:end]
    return data


def read_frame(recv, buffer: bytearray) -> bytearray | None:
    """Return the next payload, None after the last one.

    ConnectionError if the stream ends within a frame. recv is sock.recv, or works like it. TCP
    keeps no borders between sends: what one recv returns may be a part of a frame, or several of
    them. So what is left over stays in buffer for the next call.
    """
    while True:
        data = take_frame(buffer)
        if data is not None:
            return data
        chunk = recv(4096)
        if not chunk:
            break
        buffer += chunk
    if buffer:
        raise ConnectionError("hung up in the middle of a frame")
    return None


# <<< framing

# ---- One connection ------------------------------------------------------------------------------


def type_to(sock: socket.socket) -> None:
    """Keyboard thread: send the name, then each line that is typed, until the end of input."""
    try:
        print("name: ", end="", flush=True)
        for line in iter(sys.stdin.readline, ""):
            if line.strip():
                sock.sendall(frame(line.rstrip("\n")))
            if line.strip() == "/quit":
                break
        sock.shutdown(socket.SHUT_WR)  # we say nothing more, but hear the rest
    except OSError:
        pass  # the connection is lost: the main thread notices as well, and says so


def receive(sock: socket.socket) -> None:
    """Show each pair of frames as a line until the server hangs up.

    OSError or ValueError if it does not end well.
    """
    buffer = bytearray()
    while (sender := read_frame(sock.recv, buffer)) is not None:
        text = read_frame(sock.recv, buffer)
        if text is None:
            raise ConnectionError("hung up in the middle of a pair")
        show(sender.decode(), text.decode())


def show(sender: str, text: str) -> None:
    """Print a message as `ada>> hello`, a notice as `* bob joined`, and neither can do harm."""
    if sender == "server":
        kind, _, rest = text.partition(" ")
        line = f"* {rest} {kind}" if kind in ("joined", "left") else f"* {text}"
    else:
        line = f"{sender}>> {text}"
    print(UNSAFE.sub("\ufffd", line), flush=True)


# ---- The program ---------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Run the client until the end of input or of the connection, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument("--port", type=int, default=1234, help="default %(default)s")
    options = parser.parse_args(argv)
    try:
        sock = socket.create_connection((options.host, options.port), CONNECT_SECONDS)
    except (OSError, OverflowError, UnicodeError) as error:
        print(
            f"no server on {options.host}:{options.port}, {error}: is it running?", file=sys.stderr
        )
        return 1
    sock.settimeout(None)
    keyboard = threading.Thread(target=type_to, args=(sock,), name="keyboard", daemon=True)
    keyboard.start()
    reason = "hung up"
    try:
        receive(sock)
    except KeyboardInterrupt:
        return 0
    except (OSError, ValueError) as error:  # a UnicodeDecodeError is a ValueError
        reason = error
    keyboard.join(0.1)  # it ends at once if it was us who left
    if keyboard.is_alive():
        print(f"the connection to {options.host}:{options.port} is lost: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a normal exit would wait for the keyboard thread, which may wait for a key
