"""The checks of the project files: python3 check.py --project files --client my_client.py"""

import base64
import copy
import hashlib
import os
import re
import tempfile

from check import (
    CLIENT_STAGES,
    SENDS,
    SHOWS,
    Desk,
    Host,
    Stage,
    Wrong,
    client_check,
    our_folder,
)

CLIENT_STAGES.append(Stage("files", "files", "projects/files/README.md", 20, []))
KNOWS = (*SENDS, *SHOWS)
TAKES = (*KNOWS, "takes_a_file")
GIVES = (*KNOWS, "gives_a_file")
CHUNK = 1200  # bytes of a file in one message
LETTER = b"Dear ada,\r\nhere is what you wanted.\n\x00\xff"


class File:
    """A file that bob has and ada gets, or the other way round."""

    def __init__(self, name: str, data: bytes):
        self.name, self.data = name, data
        self.hash = hashlib.sha256(data).hexdigest()

    def offer(self) -> str:
        return f"file-offer {len(self.data)} {self.hash} {self.name}"

    def want(self, start: int) -> str:
        return f"file-want {self.hash} {start}"

    def chunk(self, start: int, size: int = CHUNK) -> str:
        letters = base64.b64encode(self.data[start : start + size]).decode()
        return f"file-data {self.hash} {start} {letters}"


def new_folder() -> str:
    """Return a new folder inside a new folder, so that it can be seen what gets out of it."""
    folder = os.path.join(tempfile.mkdtemp(dir=our_folder()), "received")
    os.mkdir(folder)
    return folder


def begins(desk: Desk, folder: "str | None" = None) -> Host:
    """Start the client, which takes files into a folder if there is one; bob is here."""
    if desk.target:
        desk.target = copy.copy(desk.target)  # the other checks start it without that
        desk.target.options = ("--folder", folder) if folder else ()
    return desk.joins()


def tells(host: Host, *texts: str, sender: str = "bob") -> None:
    """Let bob whisper something to ada, as the server passes it on."""
    host.tells(*[(f"{sender} -> ada", text) for text in texts])


def answers(host: Host, text: str, whom: str = "bob") -> None:
    """The next frame of the client whispers this to bob; the server shows it to ada as well."""
    host.hears(f"/msg {whom} {text}", echo=False)
    host.tells((f"ada -> {whom}", text))


def is_silent(desk: Desk, host: Host) -> None:
    """Nothing has been sent meanwhile: what is typed now comes next."""
    desk.types("nothing else")
    host.hears("nothing else")


def arrives(host: Host, file: File, start: int = 0, sender: str = "bob") -> None:
    """Let a file come, chunk by chunk as it is asked for, from a place that is known."""
    for place in range(start, len(file.data), CHUNK):
        answers(host, file.want(place), sender)
        tells(host, file.chunk(place), sender=sender)
    answers(host, f"file-done {file.hash}", sender)


def content(desk: Desk, *parts: str) -> bytes:
    """Return what is in a file; Wrong if there is none."""
    if not desk.expect(f"in the folder: the file {parts[-1]!r}"):
        return b""
    try:
        with open(os.path.join(*parts), "rb") as file:
            return file.read()
    except OSError as error:
        there = ", ".join(sorted(os.listdir(parts[0]))) or "nothing"
        raise Wrong(f"it is not there; what is there: {there}") from error


def is_whole(desk: Desk, folder: str, name: str, data: bytes) -> None:
    """The file is there, and is what it should be."""
    came = content(desk, folder, name)
    if desk.program and came != data:
        raise Wrong(f"{name!r} has {len(came)} bytes, and they are not those of bob's file")


@client_check("files", symptom=0, needs=KNOWS)
def takes_a_file(desk: Desk) -> None:
    """An offer is answered with `file-want`, the chunk with `file-done`; then the file is there. No
    line of that is shown as talk.
    """
    folder, file = new_folder(), File("letter.txt", LETTER)
    host = begins(desk, folder)
    tells(host, file.offer())
    arrives(host, file)
    is_whole(desk, folder, file.name, file.data)
    is_silent(desk, host)
    if desk.program and "file-data" in desk.screen():
        raise Wrong("what belongs to a file is on the screen")


@client_check("files", symptom=6, needs=TAKES)
def asks_for_each_piece(desk: Desk) -> None:
    """A file of 100,000 bytes comes in 84 pieces, each of which is asked for; an empty one in none.
    A name may have spaces.
    """
    folder = new_folder()
    host = begins(desk, folder)
    for file in (File("long.bin", bytes(range(250)) * 400), File("quite empty.txt", b"")):
        tells(host, file.offer())
        arrives(host, file)
        is_whole(desk, folder, file.name, file.data)


@client_check("files", symptom=21, needs=(*TAKES, "asks_for_each_piece"))
def talks_meanwhile(desk: Desk) -> None:
    """While a file comes, ada's words go out, and bob's are shown."""
    folder, file = new_folder(), File("long.bin", bytes(range(250)) * 40)
    host = begins(desk, folder)
    tells(host, file.offer())
    answers(host, file.want(0))
    host.tells(("bob", "it is on its way"))
    desk.shows(("bob", "it is on its way"))
    is_silent(desk, host)
    tells(host, file.chunk(0))
    arrives(host, file, CHUNK)
    is_whole(desk, folder, file.name, file.data)


@client_check("files", symptom=0, needs=(*TAKES, "asks_for_each_piece"))
def goes_on_after_a_reset(desk: Desk) -> None:
    """The connection breaks after two pieces; started again, it asks for the third when bob offers
    the file again.
    """
    folder, file = new_folder(), File("long.bin", bytes(range(250)) * 40)
    host = begins(desk, folder)
    tells(host, file.offer())
    for place in (0, CHUNK):
        answers(host, file.want(place))
        tells(host, file.chunk(place))
    answers(host, file.want(2 * CHUNK))
    host.resets()
    desk.ends(well=False)
    host = begins(desk, folder)
    tells(host, file.offer())
    arrives(host, file, 2 * CHUNK)
    is_whole(desk, folder, file.name, file.data)


@client_check("files", symptom=0, needs=TAKES)
def throws_away_what_is_damaged(desk: Desk) -> None:
    """A byte is wrong: `file-wrong`, and nothing is kept; offered again, it comes anew."""
    folder, file = new_folder(), File("letter.txt", LETTER)
    host = begins(desk, folder)
    tells(host, file.offer())
    answers(host, file.want(0))
    damaged = File(file.name, b"D" + LETTER[:-1])
    tells(host, damaged.chunk(0).replace(damaged.hash, file.hash))
    answers(host, f"file-wrong {file.hash}")
    if desk.program and os.listdir(folder):
        raise Wrong(f"there is still something in the folder: {os.listdir(folder)}")
    tells(host, file.offer())
    arrives(host, file)
    is_whole(desk, folder, file.name, file.data)


@client_check("files", symptom=0, needs=TAKES)
def stays_in_its_folder(desk: Desk) -> None:
    """Whatever a file is called, be it a way up or 300 bytes long, it goes into the folder and
    nowhere else.
    """
    folder = new_folder()
    host = begins(desk, folder)
    above = os.path.dirname(folder)
    names = ["../out.txt", "..", "../../out.txt", f"{above}/out.txt", "a/b.txt", "C:\\out.txt"]
    names += [f"{'x' * 300}.txt", f"{chr(0x540D) * 100}.txt"]
    for number, name in enumerate(names, 1):
        file = File(name, f"number {number}".encode())
        tells(host, file.offer())
        arrives(host, file)
        desk.expect(f"in the folder: one file more, called as you like, but not {name!r}")
        if not desk.program:
            continue
        if os.listdir(above) != ["received"]:
            raise Wrong(f"{name!r} got out of the folder: {sorted(os.listdir(above))}")
        there = os.listdir(folder)
        if len(there) != number:
            raise Wrong(f"after {number} files, {len(there)} are in the folder: {sorted(there)}")
        if "\\" in "".join(there):
            raise Wrong(f"a name with a backslash is a way elsewhere on Windows: {sorted(there)}")


@client_check("files", symptom=36, needs=(*TAKES, "asks_for_each_piece"))
def keeps_files_apart(desk: Desk) -> None:
    """While a file comes from bob, eve offers the same one, and another one whose HASH begins with
    the same 16 digits; before, she has sent one called as bob's `.part`: bob's arrives whole.
    """
    folder, file = new_folder(), File("long.bin", bytes(range(250)) * 20)
    host = begins(desk, folder)
    trap = File(f"{file.hash}.part", b"from eve")
    tells(host, trap.offer(), sender="eve")
    arrives(host, trap, sender="eve")
    tells(host, file.offer())
    answers(host, file.want(0))
    twin = File("twin.bin", b"from eve, too" * 100)
    twin.hash = file.hash[:16] + twin.hash[16:]
    tells(host, twin.offer(), sender="eve")
    answers(host, twin.want(0), "eve")
    tells(host, twin.chunk(0), sender="eve")
    answers(host, twin.want(CHUNK), "eve")
    tells(host, file.offer(), file.chunk(0), sender="eve")
    is_silent(desk, host)
    tells(host, file.chunk(0))
    arrives(host, file, CHUNK)
    is_whole(desk, folder, file.name, file.data)


@client_check("files", symptom=0, needs=TAKES)
def writes_over_nothing(desk: Desk) -> None:
    """A second letter.txt does not take the place of the first, and neither of one's own."""
    folder = new_folder()
    if desk.target:
        with open(os.path.join(folder, "letter.txt"), "wb") as own:
            own.write(b"my own")
    host = begins(desk, folder)
    files = [File("letter.txt", b"one"), File("letter.txt", b"two")]
    for file in files:
        tells(host, file.offer())
        arrives(host, file)
    is_whole(desk, folder, "letter.txt", b"my own")
    if desk.program:
        there = [content(desk, folder, name) for name in os.listdir(folder)]
        if sorted(there) != [b"my own", b"one", b"two"]:
            raise Wrong(f"in the folder are {sorted(os.listdir(folder))}, with {there}")


@client_check("files", symptom=36, needs=TAKES)
def believes_no_lies(desk: Desk) -> None:
    """What was not offered, belongs to another place, comes from somebody else, is no base64 or too
    much is not answered, changes nothing, and is not shown as talk.
    """
    folder, file = new_folder(), File("letter.txt", LETTER)
    other = File("other.txt", b"never offered")
    host = begins(desk, folder)
    tells(host, other.chunk(0), "file-data", "file-want x y", "file-offer -1 z", "file-nonsense")
    tells(host, file.offer())
    answers(host, file.want(0))
    tells(host, f"file-data {file.hash} 0 ???", f"file-data {file.hash} 7 AAAA")
    tells(host, f"file-data {file.hash} 0 A", f"file-data {file.hash} 0 AA!AA")
    beyond = File("", file.data + b"beyond its end")
    tells(host, beyond.chunk(0).replace(beyond.hash, file.hash))
    tells(host, f"file-data {file.hash} 0 {base64.b64encode(b'from eve').decode()}", sender="eve")
    is_silent(desk, host)
    tells(host, file.chunk(0))
    answers(host, f"file-done {file.hash}")
    is_whole(desk, folder, file.name, file.data)
    if desk.program and (found := re.search("file-(data|want|offer|nonsense)", desk.screen())):
        raise Wrong(f"{found[0]} is on the screen")


@client_check("files", symptom=36, needs=(*TAKES, "asks_for_each_piece"))
def takes_no_big_pieces(desk: Desk) -> None:
    """A piece of 1,201 bytes is not answered, and changes nothing; a piece of one byte is taken."""
    folder, file = new_folder(), File("long.bin", bytes(range(250)) * 10)
    host = begins(desk, folder)
    tells(host, file.offer())
    answers(host, file.want(0))
    tells(host, file.chunk(0, size=CHUNK + 1))
    is_silent(desk, host)
    tells(host, file.chunk(0, size=1))
    answers(host, file.want(1))
    tells(host, file.chunk(1))
    arrives(host, file, 1 + CHUNK)
    is_whole(desk, folder, file.name, file.data)


@client_check("files", symptom=0, needs=TAKES)
def takes_nothing_unasked(desk: Desk) -> None:
    """Without `--folder` an offer is not answered."""
    host = begins(desk)
    tells(host, File("letter.txt", LETTER).offer())
    is_silent(desk, host)


def offered(desk: Desk, host: Host, file: File) -> None:
    """Let ada type `/send bob FILE`, a file that is there; it is offered."""
    path = os.path.join(new_folder(), file.name)
    if desk.target:
        with open(path, "wb") as own:
            own.write(file.data)
    desk.types(f"/send bob {path}")
    answers(host, file.offer())


@client_check("files", symptom=0, needs=KNOWS)
def gives_a_file(desk: Desk) -> None:
    """`/send bob FILE` offers it; each `file-want` is answered with one chunk, from any place. Its
    own words, which come back, are not answered.
    """
    file = File("my letter.bin", bytes(range(250)) * 10)
    host = begins(desk, new_folder())
    offered(desk, host, file)
    for place in (0, CHUNK, 7, 2 * CHUNK):
        tells(host, file.want(place))
        answers(host, file.chunk(place))
    tells(host, f"file-done {file.hash}")
    is_silent(desk, host)


@client_check("files", symptom=21, needs=GIVES)
def waits_to_be_asked(desk: Desk) -> None:
    """After a chunk nothing more is sent until somebody asks: ada's words go first. Beyond the end
    there is nothing.
    """
    file = File("long.bin", bytes(range(250)) * 400)
    host = begins(desk)
    offered(desk, host, file)
    is_silent(desk, host)
    for place in (0, CHUNK):
        tells(host, file.want(place))
        answers(host, file.chunk(place))
        is_silent(desk, host)
    tells(host, file.want(len(file.data)), file.want(10**11))
    is_silent(desk, host)


@client_check("files", symptom=0, needs=GIVES)
def gives_it_to_nobody_else(desk: Desk) -> None:
    """What was offered to bob is not sent to eve, nor what was never offered; and eve cannot say
    that bob has all of it.
    """
    file = File("long.bin", bytes(range(250)))
    host = begins(desk)
    offered(desk, host, file)
    tells(host, file.want(0), sender="eve")
    tells(host, File("other", b"other").want(0))
    tells(host, f"file-done {file.hash}", f"file-wrong {file.hash}", sender="eve")
    is_silent(desk, host)
    tells(host, file.want(0))
    answers(host, file.chunk(0))


@client_check("files", symptom=0, needs=GIVES)
def offers_it_again(desk: Desk) -> None:
    """When bob joins again, what has not arrived is offered again; what has arrived is not."""
    first, second = File("first.txt", b"the first"), File("second.txt", b"the second")
    host = begins(desk)
    for file in (first, second):
        offered(desk, host, file)
    tells(host, first.want(0))
    answers(host, first.chunk(0))
    tells(host, f"file-done {first.hash}")
    host.tells(("server", "left bob"), ("server", "joined eve"), ("server", "joined bob"))
    answers(host, second.offer())
    is_silent(desk, host)


@client_check("files", symptom=0, needs=GIVES)
def says_what_it_cannot_send(desk: Desk) -> None:
    """A file that is not there, or is a folder, is one line on the screen, and nothing is sent."""
    host = begins(desk)
    missing = os.path.join(new_folder(), "missing.txt")
    host.tells(("bob", "send it"))
    desk.shows(("bob", "send it"))
    for line in (f"/send bob {missing}", f"/send bob {new_folder()}", "/send bob"):
        desk.types(line)
        desk.expect("on the screen: a sentence that says why it is not sent")
        if desk.program and not desk.matches(rf"(?s).{{{desk.shown}}}.*\w\w"):
            raise Wrong("your program says nothing")
        desk.shown = len(desk.screen())
    is_silent(desk, host)
    host.tells(("bob", "and now?"))
    desk.shows(("bob", "and now?"))
