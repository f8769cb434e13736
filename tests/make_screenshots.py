"""Make the pictures of the window that the README and the lessons show, from real conversations.

    python3 tests/make_screenshots.py        needs Xvfb, and import and convert from ImageMagick

They stand in lessons/images/: window-light.png, window-dark.png, window-find.png, window-lost.png
(the connection, and what was said meanwhile), window-wire.png (a recv that held one and a half
frames, the next one with the rest, and a message that is lit up) and window-blurry.png. They look
best with the fonts Noto Sans and Noto Color Emoji.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from kit import ROOT, TIMEOUT, Program, Server, frame

sys.path.insert(0, str(ROOT))
import tkinter as tk

import chat_client_gui as gui

IMAGES = ROOT / "lessons" / "images"
PEOPLE = ("bob", "李雷", "Zoë")
TALK = (  # (who, what); ada is the window
    ("bob", "did anybody get five sends to arrive as one recv?"),
    ("李雷", "yes! 我也是. TCP is a stream, it keeps no borders between sends"),
    ("Zoë", "bonjour 👋 https://docs.python.org/3/howto/sockets.html helped me"),
    ("ada", "same here, three messages glued together"),
    ("bob", "ada, what did you do about it? I tried to wait a little between two sends"),
    ("ada", "a header in front of each message says how many bytes to wait for"),
    ("bob", "/msg ada psst, F12 shows the bytes"),
    ("ada", "/msg bob thanks, I had no idea!"),
    ("Zoë", "and emoji? 🎉 is one character but four bytes"),
    ("ada", "the header counts bytes, not characters, so it does not matter"),
)
SAYS = (
    "server",
    "welcome ada",
    "server",
    "online ada bob",
    "bob",
    "two for you",
    "bob",
    "hi ada 👋",
)


def main() -> None:
    """Start a display, hold the conversations, take the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    read, write = os.pipe()
    size = ("-screen", "0", "2000x1400x24", "-dpi", "96", "-nolisten", "tcp")
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), *size], pass_fds=[write], stderr=subprocess.DEVNULL
    ) as screen:
        os.close(write)
        with os.fdopen(read) as pipe:
            os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        try:
            take_talk(IMAGES / "window-light.png")
            take_talk(IMAGES / "window-dark.png", "--dark")
            take_talk(IMAGES / "window-find.png", look=find)
            take_talk(IMAGES / "window-lost.png", look=lose)
            take_wire(IMAGES / "window-wire.png")
            take_blurry_and_sharp(IMAGES / "window-blurry.png")
        finally:
            screen.terminate()


def open_window(*options: str, scale: float = 1) -> gui.Window:
    """Return a window, on a screen with finer dots or not."""
    root = tk.Tk()
    root.tk.call("tk", "scaling", float(root.tk.call("tk", "scaling")) * scale)
    return gui.Window(root, gui.parse_options(["ada", *options]))


def take_talk(path: Path, *options: str, look=None, scale: float = 1) -> None:
    """Take a picture after the conversation; look(window, server) does something before that."""
    with Server("--max-rate", "0") as server:
        others = {name: server.client(name) for name in PEOPLE}
        window = open_window("--port", str(server.port), *options, scale=scale)
        wait_until(window, lambda: len(window.talk.people) == 4)
        for name, text in TALK:
            if name == "ada":
                window.say(window.talk.say([text]))
            else:
                others[name].send(text)
            words = text.removeprefix("/msg ada ").removeprefix("/msg bob ")
            wait_until(window, lambda words=words: words in window.log.content())
        window.on_focus(True)
        window.entry.focus_force()
        if look:
            look(window, server)
        take(window, path)


def find(window: gui.Window, server: Server) -> None:
    """Look for a word."""
    window.finder.show()
    window.finder.field.insert(0, "header")
    window.finder.field.focus_force()
    window.finder.look(0)
    window.finder.look(-1)


def lose(window: gui.Window, server: Program) -> None:
    """Say something that the server does not hear any more."""
    server.stand_still()
    window.say(window.talk.say(["is anybody there?", "/msg bob can you hear me?"]))
    server.process.kill()
    wait_until(window, lambda: window.talk.state == "away")


def take_wire(path: Path) -> None:
    """Be a server whose bytes are cut in the middle of a frame; light up a message."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        window = open_window("--port", str(listener.getsockname()[1]))
        window.root.update()
        sock, _ = listener.accept()
        data = b"".join(map(frame, SAYS))
        first = len(b"".join(map(frame, SAYS[:4])))
        half = len(b"".join(map(frame, SAYS[:6])))
        cuts = (0, first, half - 16, half + 4, len(data))  # in the middle of frames
        with sock:
            for start, end in pairwise(cuts):
                sock.sendall(data[start:end])
                chunks = len(window.wire.chunks)
                wait_until(window, lambda chunks=chunks: len(window.wire.chunks) > chunks)
            wait_until(window, lambda: SAYS[-1] in window.log.content())
            window.wire.toggle()
            window.root.update()
            window.light(window.log.text, window.log.text.search("two for you", "1.0"))
            window.wire.panes.sashpos(0, 190)  # more room for the bytes
            window.root.update()
            window.wire.log.to_end()
            window.on_focus(True)
            window.entry.focus_force()
            take(window, path)


def take_blurry_and_sharp(path: Path) -> None:
    """Put two pictures side by side: the window enlarged as a picture, and drawn at that size."""
    with tempfile.TemporaryDirectory() as folder:
        small, big = Path(folder) / "small.png", Path(folder) / "big.png"
        take_talk(small)
        take_talk(big, scale=2)
        enlarged = ["-crop", "460x150+0+88", "+repage", "-filter", "triangle", "-resize", "200%"]
        drawn = ["-crop", "920x300+0+176", "+repage"]
        label = ["-background", "#1f2328", "-fill", "white", "-pointsize", "26"]
        above = ["(", *label, "label: enlarged as a picture: blurry ", ")"]
        below = ["(", *label, "label: drawn at that size: sharp ", ")"]
        first = ["(", *above, "(", small, *enlarged, ")", "-append", ")"]
        second = ["(", *below, "(", big, *drawn, ")", "-append", ")"]
        command = ["convert", "-background", "#1f2328", *first, *second, "-append", "-strip", path]
        subprocess.run(command, check=True)
    print(path)


def take(window: gui.Window, path: Path) -> None:
    """Let the window draw itself, take its picture, close it."""
    drawn = time.monotonic() + 0.7
    wait_until(window, lambda: time.monotonic() > drawn)
    place = ["-window", str(window.root.winfo_id()), "-strip"]
    subprocess.run(["import", *place, path], check=True)
    window.leave()
    print(path)


def wait_until(window: gui.Window, condition) -> None:
    """Run the window's main loop until the condition holds."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the window did not come to it")
        window.root.update()
        time.sleep(0.005)


if __name__ == "__main__":
    main()
