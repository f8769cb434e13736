#!/usr/bin/env python3
"""A chat window: messages, who is here, and what no other chat shows, the bytes on the wire.

    python3 chat_client_gui.py        then fill in the form; or at once: python3 chat_client_gui.py ada

Tk wants all calls from one thread, a network makes callers wait. So who waits never touches Tk:

    main thread      Tk and the whole window; empties the inbox, a little at a time
    receiver thread  connects, then is the only one that reads the socket; fills the inbox
    sender thread    the only one that writes to the socket; empties the outbox
    watcher thread   only if this window has started a server: reads what that prints

Shared are only queues: the inbox has events, plain tuples; each connection's outbox has texts to send.

Everything on the wire is a frame: the payload's length in bytes as ASCII digits, padded with spaces to
10 bytes, then the payload in UTF-8. A client sends its name, then messages. The server sends pairs of
frames: who speaks, then the text. What it says itself comes from `server`.

Left out, because it would teach something else: encryption, files, several rooms, settings on the disk.
"""

import argparse
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from contextlib import suppress
from pathlib import Path

try:
    import tkinter as tk
    from tkinter import font, messagebox, ttk
except ImportError:  # a package of its own on some systems: main() says which
    tk = None

SERVER = Path(__file__).resolve().with_name("chat_server.py")
MAX_NAME, MAX_TEXT = 20, 2000  # characters
PATIENCE, DELAYS = (
    10,
    (1, 2, 4, 8, 16, 30),
)  # seconds: to get an answer; before each try to connect again
POLL_MS, POLL_SECONDS, BATCH = (
    15,
    0.010,
    20,
)  # between two looks at the inbox; for one; events at once
MAX_INBOX = 300  # events: above that the receiver waits, and so TCP makes the server wait
MAX_LINES, MAX_WIRE, SHOWN = (
    5000,
    1000,
    20,
)  # lines of messages, of the wire view, of unanswered messages
# What must not reach the screen: control characters but the tab, line separators, what turns the direction
# of the text around it, lone surrogates. Emoji, joiners and combining marks are fine.
UNSAFE = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
LINK = r"""https?://[^\s<>"]*[^\s<>"'.,;:!?)\]}]"""  # nothing but http: a file: or javascript: could do harm
COMMANDS = ["/msg ", "/who", "/help", "/quit"]
TOKENS, *HEX = """bg panel text muted line accent own private danger n0 n1 n2 n3 n4 n5 n6 n7
    #ffffff #f6f8fa #1f2328 #59636e #d8dee4 #0b57d0 #eaf3ff #fff4d6 #b42318
    #0550ae #116329 #953800 #8250df #a40e26 #1b6f75 #6f4e00 #a3287a
    #16181d #1e2128 #e6edf3 #9aa4af #30363d #6cb2ff #1d2b40 #3a2f14 #ff8a80
    #79c0ff #7ee787 #ffa657 #d2a8ff #ff9492 #56d4dd #e3b341 #f778ba""".splitlines()
NAMES = TOKENS.split()[9:]
LIGHT, DARK = (
    dict(zip(TOKENS.split(), (HEX[i] + HEX[i + 1]).split(), strict=True)) for i in (0, 2)
)

# ---- 1. Framing ----------------------------------------------------------------------------------

# This block stands in all three programs, so that each of them can be copied alone.
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

# ---- 2. The connection: no Tk in here ------------------------------------------------------------


class Connection:
    """One connection to a server: a thread that receives, and one that sends what is put into the outbox.

    It puts events into inbox, (kind, connection, *details): "pair", sender, text; "wire", verb, before,
    chunk; and at last "lost", reason. The window only calls outbox.put() and close(), which never wait.
    """

    def __init__(
        self, inbox: queue.SimpleQueue, host: str, port: int, first: str, tapped: bool = False
    ):
        self.inbox, self.outbox = (
            inbox,
            queue.SimpleQueue(),
        )  # the outbox: texts, None ends the sender
        self.sock, self.closed = socket.socket(), threading.Event()
        self.tapped = tapped  # set by the window: does it want to see the bytes?
        self.outbox.put(first)
        self.sender = threading.Thread(target=self.send, name="sender", daemon=True)
        threading.Thread(target=self.run, args=(host, port), name="receiver", daemon=True).start()

    def close(self) -> None:
        """Any thread: end both threads, whatever they wait for. Closing the socket would wake up neither."""
        self.closed.set()
        self.outbox.put(None)
        with suppress(OSError):  # not connected yet, or not any more
            self.sock.shutdown(socket.SHUT_RDWR)

    def run(self, host: str, port: int) -> None:
        """Receiver thread: connect, let the sender go, receive until the end, clear up, say why."""
        reason, hint = "The server hung up.", "Is the server running, are host and port right?"
        try:
            self.sock.settimeout(PATIENCE)
            self.sock.connect((host, port))
            self.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # small things without delay
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # notice a dead network
            self.sender.start()
            self.receive(bytearray())
        except (OSError, ValueError) as error:
            reason = (
                f"No chat with {host}:{port}: {getattr(error, 'strerror', '') or error}. {hint}"
            )
        self.close()
        with suppress(RuntimeError):  # it never started
            self.sender.join()  # else it could write to the next socket that gets this one's number
        self.sock.close()
        self.inbox.put(("lost", self, reason))

    def receive(self, buffer: bytearray) -> None:
        """Receiver thread: pass on pairs until the server hangs up. Raises OSError, ValueError."""

        def recv(size: int) -> bytes:
            chunk = self.sock.recv(size)
            if self.tapped:
                self.put("wire", "recv", bytes(buffer), chunk)
            return chunk

        # A close() before there was a connection did not end anything: so we ask.
        while not self.closed.is_set() and (sender := read_frame(recv, buffer)) is not None:
            if (text := read_frame(recv, buffer)) is None:
                raise ConnectionError("it hung up in the middle of a message")
            self.sock.settimeout(None)  # who has spoken once may be silent for ever
            self.put("pair", sender.decode(), text.decode())

    def send(self) -> None:
        """Sender thread: send what is in the outbox until None comes."""
        with suppress(OSError):  # the receiver notices it as well, and says so
            for i, text in enumerate(iter(self.outbox.get, None)):
                self.sock.sendall(frame(text))
                name, space, secret = text.partition(" ") if i == 0 else (text, "", "")
                if self.tapped:  # all but a password
                    self.put("wire", "send", b"", frame(name + space + "*" * len(secret)))
        self.close()

    def put(self, kind: str, *details) -> None:
        """Both threads: tell the window; wait while it has much to do, then TCP makes the server wait."""
        while self.inbox.qsize() > MAX_INBOX and not self.closed.is_set():
            time.sleep(0.005)
        self.inbox.put((kind, self, *details))


def answers(sent: str, me: str, sender: str, text: str) -> bool:
    """Could this pair answer what I sent? The server answers everything, in order."""
    command, kind = sent.split(maxsplit=1)[0], text.partition(" ")[0]
    if sender == "server":
        return kind == "error" or (command, kind) in (("/who", "online"), ("/help", "help"))
    return sender.startswith(f"{me} -> ") if command == "/msg" else sender == me


def clean(text: str, size: int = MAX_TEXT + 200) -> str:
    """Return text as it may reach the screen: a server can lie, and nothing that arrives is trusted."""
    return UNSAFE.sub("\ufffd", text if len(text) <= size else text[:size] + "…")


def messages_in(text: str) -> list:
    """Cut what was typed or pasted into messages, one a line; if the first is private, so are all."""
    private = re.match(r"\s*/msg\s+\S+\s+|", text)[0]
    lines, size = text[len(private) :].splitlines(), MAX_TEXT - len(private)
    pieces = [
        line[i : i + size] for line in lines if line.strip() for i in range(0, len(line), size)
    ]
    return [clean(private + piece) for piece in pieces]


def spans(text: str, me: str) -> list:
    """Cut text into (part, tag): links, my name, and what is between them."""
    name = rf"(?<!\w){re.escape(me)}(?!\w)" if me else "(?!)"
    parts = re.split(f"({LINK}|{name})", text, flags=re.IGNORECASE)
    return [
        (part, ("link" if "://" in part else "mention") if i % 2 else "")
        for i, part in enumerate(parts)
    ]


def completion(line: str, names: set) -> str:
    """Return what Tab adds to a line: to a name anywhere, to a command where the line begins."""
    word = line.rpartition(" ")[2]
    offers = [f"{name} " for name in names] + COMMANDS * (word == line)
    offers = [
        offer[len(word) :] for offer in offers if word and offer.lower().startswith(word.lower())
    ]
    return os.path.commonprefix(offers)  # noqa: RUF071, letters are what it should compare


def dissect(before: bytes, chunk: bytes) -> tuple:
    """Return how many frames are in chunk, in words, and its parts: [("header" or "payload", bytes)].

    before is the beginning of a frame that earlier chunks left behind. dissect(b"", b"2         hi3") is
    ("1½ frames", [("header", b"2         "), ("payload", b"hi"), ("header", b"3")]).
    """
    data, start, at, whole, parts = before + chunk, len(before), 0, 0, []
    while at < len(data):
        header, text = data[at : at + HEADER], at + HEADER
        end = text + int(
            header if len(header) == HEADER and header.strip().isdigit() else len(data)
        )
        parts += [
            ("header", data[max(at, start) : text]),
            ("payload", data[max(text, start) : end]),
        ]
        whole += at >= start and end <= len(data)
        at = end
    count = f"{whole or ''}{'½' * (at > len(data))}" or "the rest of 1"
    return f"{count} frame{'s' * (whole > 1 or count == '1½')}", [part for part in parts if part[1]]


# ---- 3. The window -------------------------------------------------------------------------------


def poll(after, inbox: queue.SimpleQueue, handle) -> None:
    """Give handle what is in the inbox, but stop after 10 ms: Tk has to draw, and to hear the keyboard."""
    end = time.monotonic() + POLL_SECONDS
    try:
        while time.monotonic() < end and (size := min(BATCH, inbox.qsize())):
            handle([inbox.get_nowait() for _ in range(size)])  # nobody else takes from it
    finally:  # an error in one event must not end the others
        after(POLL_MS, poll, after, inbox, handle)


class ChatWindow:
    """The window and what it knows. Everything in here runs in the main thread."""

    def __init__(self, root: "tk.Tk", options: argparse.Namespace):
        self.root, self.inbox = root, queue.SimpleQueue()  # events: (kind, from where, *details)
        self.connection = self.server = (
            None  # a Connection; the process of a server that we started
        )
        self.me, self.online, self.people = "", False, set()  # people: names
        self.waiting, self.unsure = (
            [],
            [],
        )  # texts sent, but not answered; the same of lost connections
        self.fresh = []  # what flush() will show: chars and tags in turn
        self.history, self.place = (
            [""],
            0,
        )  # lines that were typed, and which of them is in the entry
        self.at_bottom, self.front, self.missed, self.unread = True, True, 0, 0
        self.timer, self.tries, self.dark, self.size = None, 0, options.dark, 11
        root.report_callback_exception = self.report
        self.build_frame()
        self.build_form(options)
        self.build_chat()
        self.paint()
        self.show_form()
        poll(root.after, self.inbox, self.handle)
        if options.name:
            self.connect()

    # Building.

    def build_frame(self) -> None:
        """Make the window, the header with the state of things, the banner for bad news."""
        u = self.unit = max(
            4, round(self.root.winfo_fpixels("3p"))
        )  # 4 pixels, more on a sharp screen
        self.root.geometry(f"{230 * u}x{160 * u}")
        self.root.minsize(150 * u, 136 * u)
        self.root.protocol("WM_DELETE_WINDOW", self.leave)
        header = put(ttk.Frame(self.root, padding=3 * u), fill="x")
        put(ttk.Frame(self.root, style="Line.TFrame", height=1), fill="x")
        self.banner, self.form, self.chat = (
            ttk.Frame(self.root, padding=pad * u) for pad in (3, 0, 0)
        )
        self.build_menu(put(ttk.Menubutton(header, text="Menu"), side="right"))
        self.dot = put(ttk.Label(header, text="●"), side="left", padx=u)
        self.title = put(ttk.Label(header, style="Bold.TLabel"), side="left", padx=u)
        self.state = put(ttk.Label(header, style="Muted.TLabel"), side="left", padx=u)
        put(ttk.Button(self.banner, text="Reconnect now", command=self.connect), side="right")
        self.lost = put(
            ttk.Label(self.banner, style="Danger.TLabel", wraplength=104 * u), side="left", padx=u
        )

    def build_menu(self, button: "ttk.Menubutton") -> None:
        """Make the menu; each entry has a key as well."""
        self.menu = button["menu"] = tk.Menu(button, tearoff=False)
        for label, shortcut, keys, action in (
            ("Wire view", "F12", "<F12>", self.toggle_wire),
            ("Light or dark", "Ctrl T", "<Control-t>", lambda: self.paint(flip=True)),
            (
                "Bigger",
                "Ctrl +",
                "<Control-plus> <Control-equal> <Control-KP_Add>",
                lambda: self.paint(1),
            ),
            ("Smaller", "Ctrl -", "<Control-minus> <Control-KP_Subtract>", lambda: self.paint(-1)),
            ("Open the last link", "Ctrl L", "<Control-l>", self.open_link),
            ("Send again what is not confirmed", "Ctrl R", "<Control-r>", self.send_again),
            ("Disconnect", "Ctrl W", "<Control-w>", self.show_form),
            ("Close", "Ctrl Q", "<Control-q>", self.leave),
        ):
            self.menu.add_command(label=label, accelerator=shortcut, command=action)
            for key in keys.split():
                self.root.bind(key, lambda event, action=action: action())

    def build_form(self, options: argparse.Namespace) -> None:
        """Make the form that asks where to and as whom."""
        u, card, self.fields = self.unit, ttk.Frame(self.form), []
        card.place(relx=0.5, rely=0.5, anchor="center")
        put(ttk.Label(card, text="Join a chat", style="Bold.TLabel"), anchor="w")
        for label in ("Name", "Host", "Port", "Password of the room, if it has one"):
            put(ttk.Label(card, text=label, style="Muted.TLabel"), anchor="w", pady=(2 * u, u))
            field = put(ttk.Entry(card, width=40, show="•" * label.startswith("Pass")), fill="x")
            field.insert(0, getattr(options, label.split()[0].lower()))
            field.bind("<Return>", self.connect)
            self.fields.append(field)
        self.problem = put(ttk.Label(card, wraplength=84 * u), fill="x", pady=3 * u)
        put(
            ttk.Button(card, text="Connect", style="Accent.TButton", command=self.connect), fill="x"
        )
        button = ttk.Button(card, text="Start a server on this computer", command=self.start_server)
        put(button, fill="x", pady=2 * u)
        if not SERVER.exists():
            button.configure(
                state="disabled", text=f"To start a server here, put {SERVER.name} beside this"
            )

    def build_chat(self) -> None:
        """Make what is seen when connected: on the right who is here, below the line to type in."""
        u, chat, fill = self.unit, self.chat, {"fill": "both", "expand": True}
        side = put(ttk.Frame(chat, padding=(2 * u, 3 * u, 0, 0)), side="right", fill="y")
        put(ttk.Frame(chat, style="Line.TFrame", width=1), side="right", fill="y")
        self.here = put(ttk.Label(side, style="Muted.TLabel", padding=(1, 0, 0, u)), anchor="w")
        self.roster = scrolled(ttk.Treeview(side, show="tree", selectmode="browse"))
        bottom = put(ttk.Frame(chat, padding=3 * u), side="bottom", fill="x")
        below = put(ttk.Frame(bottom), side="bottom", fill="x")
        self.status = put(ttk.Label(below, style="Muted.TLabel"), side="left")
        self.counter = put(ttk.Label(below, style="Muted.TLabel"), side="right")
        put(
            ttk.Button(bottom, text="Send", style="Accent.TButton", command=self.send),
            side="right",
            padx=(3 * u, 0),
        )
        self.entry = put(ttk.Entry(bottom), **fill)
        self.build_texts(put(ttk.Frame(chat), **fill), ttk.Frame(chat))
        self.bind_keys()

    def build_texts(self, upper: "ttk.Frame", lower: "ttk.Frame") -> None:
        """Make the messages and, hidden at first, the wire view; new lines come to the mark `tail`."""
        u, self.lower = self.unit, lower
        self.messages, self.wire = (
            tk.Text(upper, height=4, wrap="word"),
            tk.Text(self.lower, height=10),
        )
        for text in (self.messages, self.wire):
            put(ttk.Frame(text.master, style="Line.TFrame", height=1), side="bottom", fill="x")
            scrolled(text, self.on_scroll).configure(width=1, state="disabled", bd=0, pady=2 * u)
            text.configure(highlightthickness=2, takefocus=1)
            text.bind("<Button-1>", lambda event: event.widget.focus_set())  # else Ctrl-C may fail
            text.mark_set("tail", "1.0")
            text.mark_gravity("tail", "left")
        self.newer = ttk.Button(
            upper, command=lambda: (self.messages.see("end"), self.entry.focus_set())
        )

    def bind_keys(self) -> None:
        """Say what the keys and the mouse do, apart from the menu."""
        roster = self.roster
        for widget, key, action in (
            (self.root, "<FocusIn>", lambda event: self.show_state(front=True)),
            (self.root, "<FocusOut>", lambda event: self.show_state(front=False)),
            (
                self.messages,
                "<Configure>",
                lambda event: self.at_bottom and self.messages.see("end"),
            ),
            (roster, "<Double-1>", self.address),
            (roster, "<Return>", self.address),
            (
                roster,
                "<Key>",
                lambda event: roster.focus() or roster.focus(*roster.get_children()[:1]),
            ),
            (self.entry, "<Return>", self.send),
            (self.entry, "<Tab>", self.complete),
            (self.entry, "<Up>", lambda event: self.recall(-1)),
            (self.entry, "<Down>", lambda event: self.recall(1)),
            (self.root, "<<Paste>>", self.paste),
            (self.entry, "<KeyRelease>", lambda event: self.show_state()),
        ):
            widget.bind(key, action)
        for tag, action in (("link", self.open_link), ("again", self.send_again)):
            self.messages.tag_bind(
                tag, "<Button-1>", lambda event, action=action: action("current")
            )

    def paint(self, bigger: int = 0, flip: bool = False) -> None:
        """Give everything its colours and fonts, again when they become bigger or dark."""
        self.size, self.dark = min(max(self.size + bigger, 8), 16), self.dark != flip
        c = DARK if self.dark else LIGHT
        for kind in ("Text", "Menu", "Fixed", "Default"):
            normal = font.nametofont(f"Tk{kind}Font", self.root)
            normal.configure(size=self.size)
        small, bold = (
            (normal.actual("family"), self.size - 2),
            (normal.actual("family"), self.size, "bold"),
        )
        self.root.configure(bg=c["panel"])
        self.menu.configure(
            bg=c["bg"], fg=c["text"], activebackground=c["own"], activeforeground=c["text"]
        )
        self.menu.configure(relief="flat", bd=self.unit, activeborderwidth=self.unit)
        self.paint_widgets(c, small, bold, normal.metrics("linespace"))
        self.paint_texts(c, small, bold)
        self.show_state()

    def paint_widgets(self, c: dict, small: tuple, bold: tuple, line: int) -> None:
        """Set the theme up: clam has the shapes, everything else comes from c."""
        u, style = self.unit, ttk.Style(self.root)
        if "chat" not in style.theme_names():
            style.theme_create("chat", "clam")
        style.theme_use("chat")
        ground = {"background": c["panel"], "fieldbackground": c["bg"], "troughcolor": c["panel"]}
        chosen = {
            "selectbackground": c["accent"],
            "selectforeground": c["bg"],
            "arrowcolor": c["text"],
        }
        edge = {
            "bordercolor": c["line"],
            "lightcolor": c["panel"],
            "darkcolor": c["panel"],
            "focuscolor": c["accent"],
        }
        style.configure(
            ".", foreground=c["text"], insertcolor=c["text"], **ground, **chosen, **edge
        )
        ring, lit = (
            [("focus", c["accent"])],
            [("disabled", c["panel"]), ("active", c["own"]), ("selected", c["own"])],
        )
        style.map(".", background=lit, foreground=[("disabled", c["muted"])])
        style.map(".", bordercolor=ring, lightcolor=ring, darkcolor=ring)
        style.configure("Line.TFrame", background=c["line"])
        style.configure("Bold.TLabel", font=bold)
        style.configure("Muted.TLabel", font=small, foreground=c["muted"])
        style.configure("Danger.TLabel", foreground=c["danger"])
        style.configure("TEntry", padding=2 * u)
        bright = dict.fromkeys(
            ("background", "bordercolor", "lightcolor", "darkcolor"), c["accent"]
        )
        style.configure(
            "TButton", background=c["bg"], padding=2 * u, anchor="center", relief="raised"
        )
        style.configure("Accent.TButton", **bright, foreground=c["bg"], font=bold)
        style.map(
            "Accent.TButton", background=[("active", c["n0"])], bordercolor=[("focus", c["text"])]
        )
        style.configure(
            "Treeview", rowheight=line + 2 * u, fieldbackground=c["panel"], bordercolor=c["panel"]
        )
        style.layout("Treeview.Item", [("Treeitem.text", {"sticky": "w"})])
        style.configure(
            "TScrollbar", background=c["line"], bordercolor=c["panel"], gripcount=0, relief="flat"
        )
        thumb = ("Vertical.Scrollbar.thumb", {"sticky": "nswe"})
        style.layout(
            "Vertical.TScrollbar",
            [("Vertical.Scrollbar.trough", {"sticky": "ns", "children": [thumb]})],
        )

    def paint_texts(self, c: dict, small: tuple, bold: tuple) -> None:
        """Do the same for messages and wire view, and line up times, names and texts in columns."""
        u, measure = self.unit, lambda *what: self.root.tk.call("font", "measure", *what)
        names = 7 * u + measure(small, "00:00") + measure(bold, "m" * 8)
        self.roster.column("#0", width=measure(bold, "m" * 10))
        self.messages["tabs"] = (names, "right", names + 2 * u, "left", names + 12 * u, "left")
        fill = ("background", "lmargincolor", "rmargincolor")
        for text, bg, family, indent in (
            (self.messages, c["bg"], "TkDefaultFont", names + 2 * u),
            (self.wire, c["panel"], "TkFixedFont", 8 * u),
        ):
            text.configure(
                bg=bg, fg=c["text"], font=family, highlightbackground=bg, highlightcolor=c["accent"]
            )
            text.configure(selectbackground=c["accent"], selectforeground=c["bg"])
            for tag, options in (
                ("public", {}),
                ("own", dict.fromkeys(fill, c["own"])),
                ("private", dict.fromkeys(fill, c["private"])),
                ("waiting", {"foreground": c["muted"]}),
                ("notice", {"foreground": c["muted"], "font": small}),
                ("error", {"foreground": c["danger"], "font": small}),
                ("link", {"foreground": c["accent"], "underline": True}),
                ("mention", {"background": c["private"], "font": bold}),
                ("header", {"foreground": c["n4"], "underline": True}),
                ("payload", {"foreground": c["n0"]}),
                *((name, {"foreground": c[name], "font": bold}) for name in NAMES),
            ):
                text.tag_configure(
                    tag, lmargin1=4 * u, lmargin2=indent, rmargin=4 * u, spacing1=u, **options
                )
                self.roster.tag_configure(tag, foreground=options.get("foreground", ""))
            text.tag_raise("link")
            text.tag_raise("sel")
        if self.at_bottom:
            self.messages.see("end")

    # What Tk calls.

    def connect(self, event=None) -> None:
        """Connect as the form says; what is wrong with it is said there."""
        name, host, port, password = (field.get().strip() for field in self.fields)
        if problem := mistake(name, host, port):
            self.show_form(problem)
            return
        self.disconnect()
        first, tapped = f"{name} {password}".rstrip(), bool(self.lower.winfo_manager())
        self.connection = Connection(self.inbox, host, int(port), first, tapped)
        self.lost["text"] = f"Connecting to {host}:{port} …"
        self.problem.configure(text=self.lost["text"], style="Muted.TLabel")
        self.show_state()

    def start_server(self) -> None:
        """Start the kit's server as a process of its own; when it listens, it is joined."""
        name, _, port, password = (field.get().strip() for field in self.fields)
        if problem := mistake(
            name, "here", port
        ) or "The server runs already: Connect joins it." * bool(self.server):
            self.show_form(problem)
        else:
            command = [sys.executable, str(SERVER), "--port", port, "--password", password]
            pipes = {
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.STDOUT,
            }
            flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows only
            self.server = subprocess.Popen(
                command, text=True, errors="replace", creationflags=flags, **pipes
            )
            threading.Thread(
                target=watch, args=(self.server, self.inbox), name="watcher", daemon=True
            ).start()

    def send(self, event=None) -> None:
        """Send what is in the entry, or leave it there while it would reach nobody."""
        messages = messages_in(self.entry.get())
        if not self.online:
            self.status["text"] = "Not connected: what you typed stays here."
        elif len(messages) <= 10 or messagebox.askyesno("Send", f"Send {len(messages)} messages?"):
            self.history[-1:] = [self.entry.get(), ""]
            self.place = len(self.history) - 1
            self.entry.delete(0, "end")
            self.messages.see("end")
            self.say(messages)

    def paste(self, event) -> None:
        """Send what was pasted if that is several lines: bound to the window, it comes after the entry's own."""
        if "\n" in self.entry.get().strip():
            self.send()

    def complete(self, event) -> "str | None":
        """Complete the word before the cursor; where nothing is typed, let Tab move on."""
        line = self.entry.get()[: self.entry.index("insert")]
        self.entry.insert("insert", completion(line, self.people))
        return "break" if line else None

    def recall(self, step: int) -> None:
        """Show an older or a newer line of what was sent; one that is not sent yet is kept as well."""
        if 0 <= self.place + step < len(self.history):
            self.history[self.place] = self.entry.get()
            self.place += step
            self.entry.delete(0, "end")
            self.entry.insert(0, self.history[self.place])

    def address(self, event) -> None:
        """Begin a private message to who is selected in the roster; what is typed becomes its text."""
        if name := self.roster.focus():
            self.entry.insert(0, f"/msg {name} ")
            self.entry.icursor("end")
            self.entry.focus_set()

    def open_link(self, place: str = "end") -> None:
        """Open the link at this place in a browser. To start one can take long: not in this thread."""
        if link := self.messages.tag_prevrange("link", f"{place} + 1 char"):
            threading.Thread(
                target=webbrowser.open, args=(self.messages.get(*link),), daemon=True
            ).start()

    def send_again(self, place: str = "") -> None:
        """Send again what is not confirmed: the message at this place, or all."""
        if self.online:
            line = int(float(self.messages.index(place or "tail"))) - int(
                float(self.messages.index("tail"))
            )
            texts = self.unsure[line : line + 1] if place else self.unsure[:]
            del self.unsure[line : line + len(texts)]
            self.say(texts)

    def toggle_wire(self) -> None:
        """Show or hide the bytes. While they are hidden the connection does not even collect them."""
        shown = not self.lower.winfo_manager()
        self.lower.pack(fill="x") if shown else self.lower.pack_forget()
        if self.connection:
            self.connection.tapped = shown

    def on_scroll(self) -> None:
        """Notice whether the newest line is in sight."""
        self.at_bottom = at_end(self.messages)
        if self.at_bottom:
            self.missed = 0
            self.newer.place_forget()

    def report(self, kind: type, error: Exception, trace) -> None:
        """Say that this program has a mistake; Tk calls this with what a callback raised."""
        if not self.root.children:
            return  # closed while a question was open
        sys.excepthook(kind, error, trace)
        words = f"A mistake in this program, please report it: {kind.__name__}: {error}"
        self.status["text"] = self.problem["text"] = words

    def leave(self) -> None:
        """Close the window at once: this waits for nobody, neither for a network nor for a thread."""
        question = "The server ends with this window, and others are in the room. Close it?"
        if self.server and len(self.people) > 1 and not messagebox.askyesno("Close", question):
            return
        self.disconnect()
        if self.server:
            self.server.terminate()
        self.root.update_idletasks()  # what ttk has put off would fail later
        for script in self.root.tk.splitlist(self.root.tk.call("after", "info")):
            self.root.tk.call(
                "after", "cancel", script
            )  # else Tk complains about an invalid command name
        self.root.destroy()

    # What happens on the network.

    def handle(self, events: list) -> None:
        """Work off events. Those of a connection that was let go do not count any more."""
        for kind, source, *details in events:
            if source in (self.connection, self.server):
                getattr(self, f"on_{kind}")(*details)
        self.flush()

    def on_pair(self, sender: str, text: str) -> None:
        """Understand who says what. Nothing in it can be trusted but that it is text."""
        sender, text, sent = (
            clean(sender, 2 * MAX_NAME + 4).replace("\t", "\ufffd"),
            clean(text),
            "",
        )
        if self.waiting and answers(self.waiting[0], self.me, sender, text):
            sent = self.waiting.pop(0)
        if sender == "server":
            self.on_notice(text, sent)
            return
        name, private, _ = sender.partition(" -> ")
        self.write(
            "private" if private else "own" if name == self.me else "public",
            f"{sender}>>",
            text,
            name,
        )
        self.missed, self.unread = self.missed + 1, self.unread + (not self.front)
        if name != self.me and any(tag == "mention" for _, tag in spans(text, self.me)):
            self.root.bell()

    def on_notice(self, text: str, sent: str) -> None:
        """Do what the server's notice means; sent is what it answers, if anything."""
        kind, *words = text.split() or [""]
        if kind == "welcome":
            self.enter("".join(words[:1])[:MAX_NAME])
        elif kind in ("online", "joined"):
            self.meet(words)
        elif kind == "left":
            self.part(words[:1])
        elif kind == "refused":
            self.show_form(f"Refused: {' '.join(words)}.")
        if kind in ("joined", "left"):
            text = " ".join([*words[:1], kind, *words[1:]])
        self.write("error" if kind in ("refused", "error", "bye") else "notice", "*", text)
        if kind == "error" and sent:
            self.write("error", "*", f"you wrote: {sent}")

    def on_wire(self, verb: str, before: bytes, chunk: bytes) -> None:
        """Show a chunk as it came or went, headers underlined."""
        (words, parts), now = dissect(before, chunk), time.time()
        clock = (
            f"{time.strftime('%H:%M:%S')}.{now % 1 * 1000:03.0f}  {'←' if verb == 'recv' else '→'}"
        )
        held = f"this {verb} held {words}" if chunk else "the end of the stream"
        pieces = [f"{clock} {verb} {len(chunk)} bytes: {held}", "notice"]
        for i, (what, data) in enumerate(parts):
            text = repr(data.decode(errors="backslashreplace"))[1:-1].replace(" ", "·")
            pieces += ["\n    " * (what == "header" or i == 0), "", text, what]  # a frame a line
        insert(self.wire, [*pieces, "\n", ""], MAX_WIRE)

    def on_lost(self, reason: str) -> None:
        """Go back to the form, or try again after a while if we have been in the room."""
        self.disconnect()
        if not self.me:
            self.show_form(reason)
            return
        self.count_down(reason, DELAYS[min(self.tries, len(DELAYS) - 1)])
        self.tries += 1
        self.banner.pack(fill="x", before=self.chat)

    def on_server(self, port: str, line: str) -> None:
        """Join the server that we started, it is ready now; or it has ended, with this last line."""
        if port:
            for field, value in zip(self.fields[1:3], ("127.0.0.1", port), strict=True):
                field.delete(0, "end")
                field.insert(0, value)
            self.connect()
            return
        self.server = None
        if not self.me:
            self.show_form(f"The server ended: {line}")

    # What these use.

    def disconnect(self) -> None:
        """Let go of the connection, if there is one.

        What was sent and not answered may have arrived or not: nobody can know which, for the answer
        can be what got lost (the two generals' problem). So it is marked, and kept, and the user decides.
        """
        if self.timer:
            self.root.after_cancel(self.timer)
        if self.connection:
            self.connection.close()
        self.connection, self.timer, self.online = None, None, False
        self.unsure, self.waiting = self.unsure + self.waiting, []
        self.part([*self.people])
        self.flush()

    def count_down(self, reason: str, seconds: int) -> None:
        """Wait so many seconds, then connect again."""
        self.lost["text"] = f"Next try in {seconds} s. {reason}"
        action = (self.count_down, reason, seconds - 1) if seconds > 1 else (self.connect,)
        self.timer = self.root.after(1000, *action)

    def show_form(self, problem: str = "") -> None:
        """Go back to the form, with what is wrong."""
        self.disconnect()
        self.me = ""
        self.chat.pack_forget()
        self.banner.pack_forget()
        self.form.pack(fill="both", expand=True)
        self.problem.configure(text=problem[:300], style="Danger.TLabel")
        self.fields[0].focus_set()

    def enter(self, name: str) -> None:
        """Show the room: we are in."""
        self.me, self.online, self.tries = name, True, 0
        self.form.pack_forget()
        self.banner.pack_forget()
        self.chat.pack(fill="both", expand=True)
        self.entry.focus_set()
        self.status["text"] = ""

    def meet(self, names: list) -> None:
        """Add people to the roster."""
        for name in (name[:MAX_NAME] for name in names[: MAX_LINES - len(self.people)]):
            if name not in self.people:
                label = f"●  {name}{' (you)' * (name == self.me)}"
                self.roster.insert("", "end", iid=name, text=label, tags=colour_of(name))
                self.people.add(name)

    def part(self, names: list) -> None:
        """Take people off the roster."""
        self.roster.delete(*self.people.intersection(names))
        self.people.difference_update(names)

    def show_state(self, front: "bool | None" = None) -> None:
        """Say where we are, in the header and the title, and how long a line is when it becomes too long."""
        self.front = self.front if front is None else front
        self.unread = 0 if self.front else self.unread
        c, address = DARK if self.dark else LIGHT, f"{self.fields[1].get()}:{self.fields[2].get()}"
        state = (
            f"connected as {self.me}"
            if self.online
            else "connecting"
            if self.connection
            else "not connected"
        )
        self.dot["foreground"] = c[
            "n1" if self.online else "muted" if self.connection else "danger"
        ]
        self.title["text"], self.state["text"], size = address, state, len(self.entry.get())
        self.here["text"] = f"HERE  {len(self.people)}"
        self.root.title(f"({self.unread}) " * bool(self.unread) + f"{address} – chat")
        self.counter["text"] = f"{size:,} of {MAX_TEXT:,}" * (size > MAX_TEXT - 200)

    def say(self, texts: list) -> None:
        """Send texts as messages; they are grey until the server has answered."""
        for text in texts:
            self.connection.outbox.put(text)
            self.me = self.me if text.strip() != "/quit" else ""  # then the end is no loss
        self.waiting = self.waiting + texts
        self.entry.focus_set()  # a click on Send or "send again" had taken it
        self.flush()

    def write(self, kind: str, gutter: str, text: str, name: str = "") -> None:
        """Add a line to what flush() shows."""
        self.fresh += [
            time.strftime("%H:%M"),
            (kind, "notice"),
            f"\t{gutter}\t",
            (kind, colour_of(name) or kind),
        ]
        for part, tag in spans(text, self.me if name else ""):
            self.fresh += [part, (kind, tag or kind)]
        self.fresh += ["\n", kind]

    def flush(self) -> None:
        """Show what is new in one go, and below all else what waits for an answer."""
        sent, pieces = [*self.unsure, *self.waiting], []
        for i, text in enumerate(sent[:SHOWN]):
            unsure = i < len(self.unsure)
            pieces += [
                f"\t{self.me}>>\t{text}  ",
                "waiting",
                "not confirmed  " if unsure else "sending …",
            ]
            pieces += [
                ("waiting", "notice"),
                "send again" * (unsure and self.online),
                ("waiting", "link", "again"),
            ]
            pieces += ["\n", "waiting"]
        pieces += [f"\t\t… and {len(sent) - SHOWN} more\n" * (len(sent) > SHOWN), "waiting"]
        insert(self.messages, self.fresh, MAX_LINES, pieces)
        self.fresh = []
        if self.missed and not self.at_bottom:
            self.newer["text"] = f"↓  {self.missed:,} new"
            self.newer.place(relx=0.5, rely=1, y=-3 * self.unit, anchor="s")
        self.show_state()


def put(widget, **where):
    """Pack a widget and return it."""
    widget.pack(**where)
    return widget


def scrolled(widget, notice=lambda: None):
    """Pack a widget with a scroll bar beside it, and return it."""
    bar = put(ttk.Scrollbar(widget.master, command=widget.yview), side="right", fill="y")
    widget.configure(yscrollcommand=lambda *ends: (bar.set(*ends), notice()))
    return put(widget, fill="both", expand=True)


def at_end(text: "tk.Text") -> bool:
    """Return whether the newest line is in sight; yview() may say no while Tk has not measured all lines."""
    return not text.winfo_viewable() or text.dlineinfo("end - 1 char") is not None


def insert(text: "tk.Text", pieces: list, limit: int, tail: "list | tuple" = ()) -> None:
    """Add pieces (characters and tags in turn), then what stands below all else and is made anew each time."""
    bottom = at_end(text)
    text["state"] = "normal"
    text.delete("tail", "end - 1 char")
    text.insert("end", "", "", *pieces)
    text.mark_set("tail", "end - 1 char")
    text.insert("end", "", "", *tail)
    if float(text.index("end")) > limit:
        text.delete("1.0", f"{limit // 10}.0")
    text["state"] = "disabled"
    if bottom:
        text.see("end")


def colour_of(name: str) -> str:
    """Return the tag with the colour of a name, the same today and tomorrow."""
    return NAMES[sum(name.encode()) % 8] if name else ""


# ---- 4. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Show the window until it is closed, and return the exit code."""
    options = parse_options(argv)
    with suppress(ImportError, AttributeError, OSError):  # Windows only: sharp letters
        __import__("ctypes").windll.shcore.SetProcessDpiAwareness(1)
    try:
        root = tk.Tk(className="chat")
    except getattr(tk, "TclError", AttributeError) as error:  # where tk is None it has no Tk
        reason = f"no display ({error})" if tk else f"no tkinter, get it with: {advice()}"
        print(f"no window here, {reason}; or use chat_client_cli.py", file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: root.after_idle(lambda: window.leave()))
    window = ChatWindow(root, options)
    root.mainloop()
    return 0


def parse_options(argv: "list | None") -> argparse.Namespace:
    """Return the options; argparse itself ends the program for --help or a wrong one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="?", default="", help="yours; with it, connect at once")
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument("--port", default="1234", help="default %(default)s")
    parser.add_argument("--password", default="", help="of the room, if it has one")
    parser.add_argument("--dark", action="store_true", help="light letters on dark ground")
    return parser.parse_args(argv)


def mistake(name: str, host: str, port: str) -> str:
    """Return what is wrong with what stands in the form, as a sentence; nothing if it could be right."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or " " in name:
        return f"A name has 1 to {MAX_NAME} printable characters and no spaces."
    if not host:
        return "The host is the computer where the server runs: 127.0.0.1 is this one."
    good = port.isascii() and port.isdigit() and int(port) < 65536
    return "" if good else "A port is a number from 1 to 65535, the same as the server's."


def watch(process: subprocess.Popen, inbox: queue.SimpleQueue) -> None:
    """Watcher thread: wait until our server listens, then read on, or it would wait for a reader."""
    with process:
        line = ""
        for line in process.stdout:
            if line.startswith("listening on"):
                inbox.put(("server", process, line.rpartition(":")[2].strip(), ""))
    inbox.put(("server", process, "", line.strip()))


def advice(system: str = sys.platform, release: str = "/etc/os-release") -> str:
    """Return how one gets tkinter on this system."""
    with suppress(OSError):
        if "fedora" in Path(release).read_text(encoding="utf-8"):
            return "sudo dnf install python3-tkinter"
    brew = "brew install python-tk@{}.{}".format(*sys.version_info)
    others = {"darwin": brew, "win32": "run Python's installer again, Modify, and tick tcl/tk"}
    return others.get(system, "sudo apt install python3-tk")


if __name__ == "__main__":
    sys.exit(main())
