"""Make the pictures of the window that the README shows, from a real conversation with a real server.

    python3 tests/make_screenshots.py        needs Xvfb, and import and convert from ImageMagick

They are window-light.png, window-dark.png, window-wire.png and, for lesson 11, window-blurry.png in lessons/images/.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kit import ROOT, TIMEOUT, Server

sys.path.insert(0, str(ROOT))
import tkinter as tk

import chat_client_gui as gui

IMAGES = ROOT / "lessons" / "images"
TALK = (  # (who, what); ada is the window
    ("bob", "did anybody get five sends to arrive as one recv?"),
    ("李雷", "yes! 我也是. TCP is a stream, it keeps no borders between sends"),
    ("Zoë", "bonjour 👋 https://docs.python.org/3/howto/sockets.html helped me"),
    ("ada", "same here, three messages glued together"),
    (
        "bob",
        "ada, what did you do about it? I tried to wait a little between two sends, and it went wrong all the same",
    ),
    ("ada", "a header in front of each message says how many bytes to wait for"),
    ("bob", "/msg ada psst, F12 shows the bytes"),
    ("ada", "/msg bob thanks, I had no idea!"),
    ("Zoë", "ada: and emoji? 🎉 is one character but four bytes"),
    ("ada", "the header counts bytes, not characters, so it does not matter"),
)


def main() -> None:
    """Start a display and a server, hold the conversation in each window, take the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    read, write = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(write),
        "-screen",
        "0",
        "1280x1024x24",
        "-dpi",
        "96",
        "-nolisten",
        "tcp",
    ]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as screen:
        os.close(write)
        with os.fdopen(read) as pipe:
            os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        try:
            take("window-light.png")
            take("window-dark.png", "--dark")
            take("window-wire.png", wire=True)
            take_blurry_and_sharp("window-blurry.png")
        finally:
            screen.terminate()


def take_blurry_and_sharp(file: str) -> None:
    """Put two pictures above each other: the window enlarged as a picture, and drawn at that size."""
    with tempfile.TemporaryDirectory() as folder:
        small, big = Path(folder) / "small.png", Path(folder) / "big.png"
        take(small)
        take(big, scale=1.5)
        enlarged = [
            "(",
            small,
            "-crop",
            "460x130+0+0",
            "+repage",
            "-filter",
            "triangle",
            "-resize",
            "150%",
            ")",
        ]
        drawn = ["(", big, "-crop", "690x195+0+0", "+repage", ")"]
        subprocess.run(
            ["convert", *enlarged, *drawn, "-append", "-strip", IMAGES / file], check=True
        )
    print(IMAGES / file)


def take(file: "str | Path", *options: str, wire: bool = False, scale: float = 1) -> None:
    """Take one picture after the conversation, with the bytes in sight or not, on a screen with finer dots or not."""
    with Server("--max-rate", "0") as server:
        others = {name: server.client(name) for name in ("bob", "李雷", "Zoë")}
        root = tk.Tk()
        root.tk.call("tk", "scaling", float(root.tk.call("tk", "scaling")) * scale)
        window = gui.Window(root, gui.parse_options(["ada", "--port", str(server.port), *options]))
        wait_until(window, lambda: len(window.talk.people) == 4)
        for name, text in TALK[:-3] if wire else TALK:
            if name == "ada":
                window.say(window.talk.say([text]))
            else:
                others[name].send(text)
            shown = text.split(maxsplit=2)[2] if text.startswith("/msg") else text
            wait_until(
                window,
                lambda shown=shown: shown in window.log.content() and not window.talk.waiting,
            )
        if wire:
            show_the_wire(window, others)
        window.root.event_generate("<FocusIn>")
        window.entry.focus_force()
        drawn = time.monotonic() + 0.5
        wait_until(window, lambda drawn=drawn: time.monotonic() > drawn)
        subprocess.run(
            ["import", "-window", str(window.root.winfo_id()), "-strip", IMAGES / file], check=True
        )
        window.leave()
        print(IMAGES / file)


def show_the_wire(window: gui.Window, others: dict) -> None:
    """Open the wire view, and let messages arrive together and alone."""
    window.toggle_wire()
    others["Zoë"].send("👋", "hi ada")
    wait_until(window, lambda: "hi·ada" in window.wire.log.content())
    window.say(window.talk.say(["so the header tells us how many bytes to wait for?"]))
    wait_until(window, lambda: not window.talk.waiting)


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
