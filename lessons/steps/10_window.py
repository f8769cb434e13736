#!/usr/bin/env python3
"""A chat window that never freezes: who has to wait, for the network, never touches Tk.

    python3 10_window.py ada        or without a name: then the window asks for it

    main thread      Tk and the whole window; empties the inbox, a little at a time
    receiver thread  connects, then is the only one that reads the socket; fills the inbox
    sender thread    the only one that writes to the socket; empties the outbox

It shows what comes as it comes, without a roster, and does not connect again by itself (lesson 11).
"""

import argparse
import queue
import signal
import socket
import sys
import threading
import tkinter as tk
from contextlib import suppress

POLL_MS = 15  # milliseconds between two looks at the inbox
BATCH = 20  # events at once

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

# ---- The inbox: between the threads and Tk -------------------------------------------------------


def poll(after, inbox: queue.SimpleQueue, handle) -> None:
    """Give handle what is in the inbox, but not too much at once.

    Tk has to draw, and to hear the keyboard.
    """
    # First of all, so that an error below does not end it:
    after(POLL_MS, poll, after, inbox, handle)
    for _ in range(min(BATCH, inbox.qsize())):
        handle(*inbox.get_nowait())  # nobody else takes from it


# ---- The connection: no Tk in here ---------------------------------------------------------------


class Connection:
    """One connection: a thread that receives, and one that sends what is put into the outbox.

    It puts events into inbox: ("pair", sender, text), and at last ("lost", reason). The window only
    calls send() and close(), which never wait.
    """

    def __init__(self, inbox: queue.SimpleQueue, host: str, port: int, name: str):
        self.inbox = inbox
        self.outbox = queue.SimpleQueue()  # texts; None ends the sender
        self.sock = socket.socket()
        self.outbox.put(name)
        threading.Thread(target=self.run, args=(host, port), name="receiver", daemon=True).start()

    def send(self, text: str) -> None:
        """Any thread: let text be sent, without waiting for that."""
        self.outbox.put(text)

    def close(self) -> None:
        """Any thread: end both threads, also one that waits in recv() or send().

        On Linux and macOS shutdown() wakes it and close() would not; on Windows only close() does.
        """
        self.outbox.put(None)
        with suppress(OSError):  # not connected yet, or not any more
            self.sock.shutdown(socket.SHUT_RDWR)
        if sys.platform == "win32":
            self.sock.close()

    def run(self, host: str, port: int) -> None:
        """Receiver thread: connect, let the sender go, receive until the end, say why."""
        reason = "The server hung up."
        with self.sock:
            try:
                self.sock.connect((host, port))
                threading.Thread(target=self.send_all, name="sender", daemon=True).start()
                self.receive(bytearray())
            except (OSError, OverflowError, ValueError) as error:
                reason = f"No chat with {host}:{port}: {error}."
            self.close()
        self.inbox.put(("lost", reason))

    def receive(self, buffer: bytearray) -> None:
        """Receiver thread: pass on pairs until the server hangs up. Raises OSError, ValueError."""
        while True:
            sender = read_frame(self.sock.recv, buffer)
            if sender is None:
                return
            text = read_frame(self.sock.recv, buffer)
            if text is None:
                return
            self.inbox.put(("pair", sender.decode(), text.decode()))

    def send_all(self) -> None:
        """Sender thread: send what is in the outbox until None comes."""
        with suppress(OSError):  # the receiver notices it as well, and says so
            while True:
                text = self.outbox.get()
                if text is None:
                    break
                self.sock.sendall(frame(text))


# ---- The window ----------------------------------------------------------------------------------


class ChatWindow:
    """The window and what it knows. Everything in here runs in the main thread."""

    def __init__(self, root: tk.Tk, options: argparse.Namespace):
        self.root = root
        self.options = options
        self.inbox = queue.SimpleQueue()  # events: (kind, *details)
        self.connection = None
        self.build_chat()
        poll(root.after, self.inbox, self.handle)
        if options.name:
            self.say(options.name)
        else:
            self.write("* Type your name, then press Return.")

    def handle(self, kind: str, *details) -> None:
        """Work off one event."""
        if kind == "pair":
            sender, text = details
            self.write(f"* {text}" if sender == "server" else f"{sender}>> {text}")
        else:
            self.connection = None
            self.write(f"* {details[0]} Type your name to try again.")

    def send(self, event=None) -> None:
        """Send what is in the entry; Tk calls this for Return."""
        text = self.entry.get().strip()
        if text:
            self.entry.delete(0, "end")
            self.say(text)

    def say(self, text: str) -> None:
        """Send text. Without a connection it is our name, and makes one."""
        if self.connection:
            self.connection.send(text)
        else:
            self.connection = Connection(self.inbox, self.options.host, self.options.port, text)

    def leave(self) -> None:
        """Close the window at once: this waits for nobody, for no network and for no thread."""
        if self.connection:
            self.connection.close()
        self.root.destroy()

    def write(self, line: str) -> None:
        """Add a line to the messages."""
        self.messages["state"] = "normal"
        self.messages.insert("end", f"{line}\n")
        self.messages["state"] = "disabled"
        self.messages.see("end")

    def build_chat(self) -> None:
        """Make the messages and, below them, the line to type in."""
        self.root.title("chat")
        self.root.protocol("WM_DELETE_WINDOW", self.leave)
        self.entry = tk.Entry(self.root)
        self.entry.pack(side="bottom", fill="x")
        self.entry.bind("<Return>", self.send)
        self.entry.focus_set()
        self.messages = tk.Text(self.root, wrap="word", state="disabled")
        self.messages.pack(fill="both", expand=True)


# ---- The program ---------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Show the window until it is closed, and return the exit code."""
    options = parse_options(argv)
    root = tk.Tk(className="chat")
    signal.signal(signal.SIGINT, lambda *_: root.after_idle(lambda: window.leave()))
    window = ChatWindow(root, options)
    root.mainloop()
    return 0


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="?", default="", help="yours; with it, connect at once")
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument("--port", type=int, default=1234, help="default %(default)s")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
