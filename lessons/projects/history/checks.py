"""The checks of the project history: python3 check.py --project history my_server.py"""

import os
import sqlite3
import subprocess
import tempfile
import time
from contextlib import contextmanager

from check import (
    HELLO,
    ROOM,
    SERVER_STAGES,
    Chat,
    Client,
    Stage,
    Wrong,
    check,
    cut,
    environment,
    free_port,
    has_option,
    our_folder,
    start_with,
)

SERVER_STAGES.append(Stage("history", "what was said before", "projects/history/README.md", 12, []))
TELLS = (*ROOM, "tells_newcomers")
FIRST = 20  # messages that a newcomer hears
MOST = 1000  # messages that it keeps
MOST_BYTES = 1_000_000  # of their texts, all together


def history(person: Client) -> list:
    """Return the messages that somebody is told of now, (number, name, text), the newest number
    behind them as (number,). Other things may come before and between them.
    """
    person.expect(": the notices `history NUMBER NAME TEXT`, then `history NUMBER`")
    told = []
    end = time.monotonic() + person.scene.patience
    while person.scene.program and not (told and len(told[-1]) == 1):
        pair = person.pair(end)
        if pair is None:
            raise Wrong(f"the server hung up on {person.label} without that")
        told += entry_in(pair)
    return told


def entry_in(pair: tuple) -> list:
    """Return what is told of the history in a pair: nothing, or one entry."""
    sender, text = pair
    kind, *words = text.split(" ", 3)
    if sender != "server" or kind != "history":
        return []
    if len(words) not in (1, 3) or not words[0].isdigit():
        raise Wrong(f"this is neither a message nor a number: {text!r}")
    return [(int(words[0]), *words[1:])]


def comes(scene: Chat, label: str) -> tuple:
    """Return a newcomer, and what it was told of the history."""
    person = scene.client(label)
    person.says(person.name)
    person.is_told("welcome", person.name)
    return person, history(person)


def says_all(person: Client, texts: list) -> None:
    """Let somebody say texts, and hear the last of them."""
    person.says(*texts)
    for text in texts:
        person.hears(person, text)


def are(told: list, wanted: list) -> None:
    """Wrong unless these messages (name, text) are told, numbered without a gap, and the number."""
    messages = [entry[1:] for entry in told[:-1]]
    if messages != wanted:
        missing = [entry for entry in wanted if entry not in messages]
        raise Wrong(
            f"told were {len(messages)} messages, {messages[-3:]} last; missing: {missing[:3]}"
        )
    numbers = [entry[0] for entry in told]
    if numbers and numbers[:-1] != [*range(numbers[-1] - len(messages) + 1, numbers[-1] + 1)]:
        raise Wrong(
            f"the numbers have to count up to {numbers[-1]}, not from {numbers[0]} to {numbers[-2]}"
        )


@check("history", symptom=0, needs=ROOM)
def tells_newcomers(scene: Chat) -> None:
    """bob is told the newest 20 messages, oldest first, each with its number and name; then the
    number of the newest.
    """
    ada = scene.join("ada")
    texts = [f"{number} green bottles" for number in range(25)]
    says_all(ada, texts)
    _, told = comes(scene, "bob")
    if scene.program:
        are(told, [(ada.name, text) for text in texts[-FIRST:]])


@check("history", symptom=24, needs=TELLS)
def tells_it_after_online(scene: Chat) -> None:
    """First comes `welcome`, then `online`, then the history."""
    ada = scene.join("ada")
    says_all(ada, ["hello"])
    bob = scene.client("bob")
    bob.says(bob.name)
    bob.hears_next("server", f"welcome {bob.name}")
    bob.expect(", first of all: the notice `online ...`, then the history")
    if scene.program:
        pair = bob.pair(time.monotonic() + scene.patience)
        if pair is None or not pair[1].startswith("online "):
            raise Wrong(f"to {bob.label} came: {pair}")
        if not entry_in(bob.pair(time.monotonic() + scene.patience) or ("", "the end")):
            raise Wrong(f"to {bob.label} came: {bob.last}")


@check("history", symptom=0, needs=TELLS)
def says_again_since(scene: Chat) -> None:
    """`/since NUMBER`: the messages behind that number, and no other, then the newest number."""
    ada, told = comes(scene, "ada")
    number = told[-1][0] if told else 0
    texts = [f"{count} of thirty" for count in range(30)]
    says_all(ada, texts)
    for known in (0, 12, 29, 30, 100):
        ada.says(f"/since {number + known}")
        again = history(ada)
        if scene.program:
            are(again, [(ada.name, text) for text in texts[known:]])


@check("history", symptom=0, needs=TELLS)
def counts_what_is_heard(scene: Chat) -> None:
    """Each public message is one more; private ones and errors are none."""
    ada, told = comes(scene, "ada")
    bob = scene.join("bob")
    ada.hears(bob, HELLO)
    says_all(ada, ["one"])
    ada.says(f"/msg {bob.name} psst", "/nonsense", "two")
    ada.hears(f"{ada.name} -> {bob.name}", "psst")
    ada.hears(ada, "two")
    ada.says("/since 0")
    again = history(ada)
    if scene.program:
        if again[-1][0] != told[-1][0] + 3:
            raise Wrong(f"after {told[-1][0]} three were said, and the newest is {again[-1][0]}")
        are(again[-4:], [(bob.name, HELLO), (ada.name, "one"), (ada.name, "two")])


@check("history", symptom=36, needs=TELLS)
def tells_nobody_what_was_whispered(scene: Chat) -> None:
    """A private message is told to no newcomer; a text that looks like history is ada's text."""
    ada, bob = scene.join("ada", "bob")
    ada.says(f"/msg {bob.name} nobody else may read this")
    bob.hears(f"{ada.name} -> {bob.name}", "nobody else may read this")
    ada.hears(f"{ada.name} -> {bob.name}", "nobody else may read this")
    says_all(ada, ["history 7 bob I never said this", "so it ends"])
    _, told = comes(scene, "cyd")
    if any("nobody else" in entry[-1] for entry in told if len(entry) == 3):
        raise Wrong("a private message was told to a newcomer")
    if scene.program:
        are(told[-3:], [(ada.name, "history 7 bob I never said this"), (ada.name, "so it ends")])


@check("history", symptom=9, needs=TELLS)
def refuses_what_is_no_number(scene: Chat) -> None:
    """`/since` without a number, with two, with letters or a thousand digits is an `error`."""
    ada = scene.join("ada")
    for words in ("", " x", " -1", " +5", " 1 2", " 1_0", " ٣", f" {'9' * 1000}"):
        ada.says(f"/since{words}")
        try:
            ada.is_told("error")
        except Wrong:
            scene.should += f", after /since{cut(words)}"
            raise
    says_all(ada, ["still here"])


@check("history", symptom=24, needs=(*TELLS, "counts_what_is_heard"))
def tells_each_message_once(scene: Chat) -> None:
    """bob comes while ada speaks: what he is told and what he hears is all, once, in its order."""
    texts = [f"{number} of twelve" for number in range(12)]
    for _ in range(4):
        ada, told = comes(scene, "ada")
        bob = scene.client("bob")
        with scene.frozen():
            ada.says(*texts[:6])
            bob.says(bob.name)
            ada.says(*texts[6:])
        for text in texts:
            ada.hears(ada, text)
        bob.says("that was all")
        story = story_of(bob, "that was all")
        if scene.program:
            first = told[-1][0] + 1
            mine = [entry[1:] for entry in story if entry[0] is None or entry[0] >= first]
            wanted = [(ada.name, text) for text in texts] + [(bob.name, "that was all")]
            if mine != wanted:
                raise Wrong(f"{bob.label} was told or heard {len(mine)} messages of 13: {mine}")
        for person in (ada, bob):
            person.hangs_up()


def story_of(person: Client, last: str) -> list:
    """Return what somebody is told and hears, (number or None, name, text), up to its own text."""
    person.expect(f": the history, and then what is said, up to {last!r}")
    story = []
    end = time.monotonic() + person.scene.patience
    while person.scene.program and story[-1:] != [(None, person.name, last)]:
        pair = person.pair(end)
        if pair is None:
            raise Wrong(f"the server hung up on {person.label}")
        story += [entry for entry in entry_in(pair) if len(entry) == 3]
        if pair[0] != "server":
            story.append((None, *pair))
    return story


@check("history", symptom=0, needs=(*TELLS, "says_again_since"))
def keeps_a_thousand(scene: Chat) -> None:
    """The newest 1,000 are kept, over a restart, too; who asks for them hears them alone."""
    begins_with(scene, new_file())
    ada, bob = scene.join("ada", "bob")
    texts = [f"{number} of many" for number in range(MOST + 5)]
    says_many(ada, texts)
    said = [(ada.name, text) for text in texts]
    ada.says("/since 0")
    again = history(ada)
    if scene.program:
        are(again, said[-MOST:])
    says_all(ada, ["only I was told"])
    bob.says("that was all")
    if any(number for number, *_ in story_of(bob, "that was all")):
        raise Wrong(f"{ada.label} has asked, and {bob.label} was told the answer, too")
    said += [(ada.name, "only I was told"), (bob.name, "that was all")]
    if restarts(scene):
        cyd, _ = comes(scene, "cyd")
        cyd.says("/since 0")
        again = history(cyd)
        if scene.program:
            are(again, said[-MOST:])


@check("history", symptom=32, needs=(*TELLS, "says_again_since"))
def keeps_no_more_than_a_megabyte(scene: Chat) -> None:
    """Of long texts it keeps the newest, as many as have 1,000,000 bytes together: they fit into
    what may wait for somebody.
    """
    begins_with(scene, new_file())
    ada = scene.join("ada")
    texts = [f"{number:04} {'😀' * 1990}" for number in range(140)]
    says_many(ada, texts)
    ada.says("/since 0")
    ada.quiet = True
    again = history(ada)
    kept = sum(len(entry[-1].encode()) for entry in again[:-1])
    if kept > MOST_BYTES:
        raise Wrong(f"{len(again) - 1} messages are told, with {kept:,} bytes of text")
    if scene.program:
        fit = MOST_BYTES // len(texts[0].encode())
        are(again, [(ada.name, text) for text in texts[-fit:]])


@check("history", symptom=0, needs=(*TELLS, "says_again_since"))
def remembers_after_a_restart(scene: Chat) -> None:
    """With `--history FILE`, ended by SIGTERM and started again: all is there, numbers go on."""
    start_with(scene, "--history", new_file())
    ada, told = comes(scene, "ada")
    texts = [f"{number} before" for number in range(4)]
    texts.append("it's '); DROP TABLE messages; --")
    says_all(ada, texts)
    if not restarts(scene):
        return
    bob, again = comes(scene, "bob")
    if scene.program:
        if again[-1][0] != told[-1][0] + 5:
            raise Wrong(f"the newest was {told[-1][0] + 5} before, and is {again[-1][0]} now")
        are(again[-6:], [(ada.name, text) for text in texts])
    says_all(bob, ["after"])
    number = again[-1][0] if again else 5
    bob.says(f"/since {number}")
    again = history(bob)
    if scene.program:
        are(again, [(bob.name, "after")])


@check("history", symptom=23, needs=TELLS)
def waits_for_no_disk(scene: Chat) -> None:
    """With `--history FILE`: while somebody else holds the lock on that file, the talk goes on as
    before, three messages within a second.
    """
    path = new_file()
    start_with(scene, "--history", path)
    ada, bob = scene.join("ada", "bob")
    with locked(scene, path):
        began = time.monotonic()
        for number in range(3):
            text = f"{number} while the disk is slow"
            ada.says(text)
            bob.hears(ada, text)
            ada.hears(ada, text)
        passed = time.monotonic() - began
    if passed > 1:
        raise Wrong(f"three messages took {passed:.1f} seconds: somebody waits for the disk")


@check("history", symptom=0, needs=(*TELLS, "remembers_after_a_restart"))
def writes_what_had_to_wait(scene: Chat) -> None:
    """What was said while the disk took nothing for a second is there after a restart."""
    takes_nothing_for(scene, 1.5)


@check("history", symptom=0, needs=(*TELLS, "writes_what_had_to_wait"), seconds=10)
def writes_what_had_to_wait_long(scene: Chat) -> None:
    """The same where the disk takes nothing for eight seconds."""
    takes_nothing_for(scene, 8)


@check("history", symptom=0, needs=(*TELLS, "remembers_after_a_restart"))
def opens_no_other_file(scene: Chat) -> None:
    """With `--history FILE`, where FILE is no database: it ends, and says why in a line."""
    path = new_file()
    with open(path, "w", encoding="utf-8") as file:
        file.write("This is a diary, and no database.\n" * 100)
    scene.note("program", "starts with a file that is no database")
    if not scene.expect("from the program: one line that says why, exit code 1"):
        return
    command = [*scene.target.command_at(("127.0.0.1", free_port())), "--history", path]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=scene.patience,
        )
    except subprocess.TimeoutExpired as error:
        raise Wrong(f"it still runs after {scene.patience:g} seconds") from error
    said = ended.stderr.decode(errors="replace")
    if ended.returncode != 1 or len(said.splitlines()) != 1:
        raise Wrong(f"it ended with exit code {ended.returncode} and said: {said[-200:]!r}")


def takes_nothing_for(scene: Chat, seconds: float) -> None:
    """Lock the file for so long while ada speaks; all she said is there after a restart."""
    path = new_file()
    start_with(scene, "--history", path)
    ada = scene.join("ada")
    texts = ["one, while the disk is slow", "two", "three"]
    with locked(scene, path):
        for text in texts:
            says_all(ada, [text])
            scene.wait(seconds / 3)
    if restarts(scene):
        _, told = comes(scene, "bob")
        if scene.program:
            are(told[-4:], [(ada.name, text) for text in texts])


def begins_with(scene: Chat, path: str) -> None:
    """Start the server anew with a history in this file, and without a limit to what one says."""
    options = ["--history", path]
    if scene.program and has_option(scene, "--max-rate"):
        options += ["--max-rate", "0"]
    start_with(scene, *options)


def says_many(person: Client, texts: list) -> None:
    """Let somebody say many texts, and hear them; not each is noted."""
    person.note(f"-> {len(texts)} messages, from {cut(texts[0])!r} to {cut(texts[-1])!r}")
    person.quiet = True
    for first in range(0, len(texts), 50):
        says_all(person, texts[first : first + 50])
    person.quiet = False


def restarts(scene: Chat) -> bool:
    """End the server by SIGTERM and start it again; return whether this system can."""
    if not scene.stops(15):
        return False
    scene.has_stopped()
    scene.starts_again()
    return True


def new_file() -> str:
    """Return a path in a folder of its own, which the checker takes away at the end."""
    return os.path.join(tempfile.mkdtemp(dir=our_folder()), "room.db")


@contextmanager
def locked(scene: Chat, path: str):
    """Hold the lock on the server's database meanwhile: nobody else can write."""
    database = sqlite3.connect(path if scene.program else ":memory:", isolation_level=None)
    try:
        take_the_lock(database)
        scene.note("", "the database is locked, as if the disk were slow")
        yield
        database.execute("ROLLBACK")
        scene.note("", "the database is free again")
    finally:
        database.close()


def take_the_lock(database: sqlite3.Connection) -> None:
    """Wrong if that cannot be done: the server keeps the lock, or the file is something else."""
    try:
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        raise Wrong(
            f"nobody else gets at the file of the history for five seconds ({error}): when does "
            "your server commit what it has written?"
        ) from error
    except sqlite3.DatabaseError as error:
        raise Wrong(f"what is kept in the file is no database of SQLite: {error}") from error
