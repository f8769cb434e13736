"""The checks of the project nick: python3 check.py --project nick my_server.py"""

import time

from check import (
    ROOM,
    SERVER_STAGES,
    Chat,
    Client,
    Silence,
    Stage,
    Wrong,
    check,
    cut,
    has_option,
    start_with,
)

SERVER_STAGES.append(
    Stage("nick", "another name, and what one does", "projects/nick/README.md", 12, [])
)
RENAMES = (*ROOM, "renames")


def stands_still(person: Client, text: str, *others: Client) -> None:
    """Somebody says a text and hears it, and so do others: all that was to come has come."""
    person.says(text)
    for one in (person, *others):
        one.hears(person, text)


def rename(person: Client, name: str, *others: Client) -> str:
    """Let somebody take a new name, which these people hear; return the old one."""
    old = person.name
    person.says(f"/nick {name}")
    for one in (person, *others):
        one.is_told("renamed", old)
    person.name = name
    return old


def new_name(scene: Chat, start: str) -> str:
    """Return a name that nobody had before."""
    scene.names[start] += 1
    name = f"{start}_{scene.names[start]}"
    scene.known.add(name)
    return name


def is_refused(person: Client, other: Client, command: str) -> None:
    """The answer to a command is an error, the name stays, and the other hears nothing of it."""
    stands_still(other, "before", person)
    person.says(command)
    try:
        person.is_told("error")
    except Wrong:
        person.scene.should += f", after {cut(command)!r}"
        raise
    stands_still(person, "still me")
    other.hears_next(person.name, "still me")


@check("nick", symptom=0, needs=ROOM)
def renames(scene: Chat) -> None:
    """`/nick ada_2`: ada and bob are told `renamed ada ada_2`, and then she speaks as ada_2."""
    ada, bob = scene.join("ada", "bob")
    stands_still(bob, "before", ada)
    name = new_name(scene, "ada")
    ada.says(f"/nick {name}")
    for person in (ada, bob):
        person.hears_next("server", f"renamed {ada.name} {name}")
    ada.says("hello")
    for person in (ada, bob):
        person.hears_next(name, "hello")


@check("nick", symptom=25, needs=RENAMES)
def frees_the_old_name(scene: Chat) -> None:
    """What is whispered to the old name finds nobody; or a newcomer, who may have it at once."""
    ada, bob = scene.join("ada", "bob")
    old = rename(ada, new_name(scene, "ada"), bob)
    bob.says(f"/msg {old} is anybody there?")
    bob.is_told("error")
    newcomer = scene.client("new", old)
    newcomer.enters()
    bob.says(f"/msg {old} psst")
    newcomer.hears(f"{bob.name} -> {old}", "psst")
    stands_still(ada, "not for me")


@check("nick", symptom=0, needs=RENAMES)
def finds_the_new_name(scene: Chat) -> None:
    """`/msg` and `/who` know the new name, and whisper under it."""
    ada, bob = scene.join("ada", "bob")
    old = rename(ada, new_name(scene, "ada"), bob)
    bob.says(f"/msg {ada.name} psst")
    ada.hears(f"{bob.name} -> {ada.name}", "psst")
    ada.says(f"/msg {bob.name} what?")
    bob.hears(f"{bob.name} -> {ada.name}", "psst")
    bob.hears(f"{ada.name} -> {bob.name}", "what?")
    bob.says("/who")
    names = bob.is_told("online").split()
    if scene.program and (ada.name not in names or old in names):
        raise Wrong(f"{ada.name} is here, and {old} is not: that is not what it says")


@check("nick", symptom=22, needs=RENAMES)
def refuses_what_is_no_name(scene: Chat) -> None:
    """A name that is taken, not allowed, or one's own is an `error`; nobody else hears of it."""
    ada, bob = scene.join("ada", "bob")
    for name in (bob.name, bob.name.upper(), "x" * 21, "server", "Server", "\u3164", ada.name):
        is_refused(ada, bob, f"/nick {name}")
    is_refused(ada, bob, "/nick")
    is_refused(ada, bob, f"/nick {new_name(scene, 'ada')} more")


@check("nick", symptom=22, needs=RENAMES)
def lets_one_write_it_differently(scene: Chat) -> None:
    """ada may become ADA: it is her own name, and a private message to ada still finds her."""
    ada, bob = scene.join("ada", "bob")
    old = rename(ada, ada.name.upper(), bob)
    stands_still(ada, "in capitals", bob)
    bob.says(f"/msg {old} psst")
    ada.hears(f"{bob.name} -> {ada.name}", "psst")


@check("nick", symptom=22, needs=RENAMES)
def renames_in_a_full_room(scene: Chat) -> None:
    """Where `--max-clients 2` is an option: two are here, and one of them takes another name."""
    if scene.program and not has_option(scene, "--max-clients"):
        return
    start_with(scene, "--max-clients", "2")
    ada, bob = scene.join("ada", "bob")
    rename(ada, new_name(scene, "ada"), bob)
    stands_still(ada, "nobody more is here", bob)


@check("nick", symptom=24, needs=RENAMES)
def renames_in_order(scene: Chat) -> None:
    """What ada says before `/nick`, in one piece with it, has her old name; what she says after it,
    the new one. Everybody hears it in this order.
    """
    ada, bob = scene.join("ada", "bob")
    stands_still(bob, "before", ada)
    names = [ada.name, new_name(scene, "ada"), new_name(scene, "ada")]
    ada.says("first", f"/nick {names[1]}", "second", f"/nick {names[2]}", "third")
    for person in (ada, bob):
        person.hears_next(names[0], "first")
        person.hears_next("server", f"renamed {names[0]} {names[1]}")
        person.hears_next(names[1], "second")
        person.hears_next("server", f"renamed {names[1]} {names[2]}")
        person.hears_next(names[2], "third")


@check("nick", symptom=25, needs=RENAMES)
def leaves_under_the_last_name(scene: Chat) -> None:
    """It is the new name that has `left`, and then that one is free, too."""
    ada, bob = scene.join("ada", "bob")
    rename(ada, new_name(scene, "ada"), bob)
    ada.says("/quit")
    bob.is_told("left", ada.name)
    scene.client("new", ada.name).enters()


@check("nick", symptom=0, needs=ROOM)
def says_what_one_does(scene: Chat) -> None:
    """`/me yawns` comes to all as `* ada` and `yawns`; without a word behind it, or with more than
    2,000 characters in all, it is an error.
    """
    ada, bob = scene.join("ada", "bob")
    stands_still(bob, "before", ada)
    ada.says("/me yawns  twice, /me thinks")
    for person in (ada, bob):
        person.hears_next(f"* {ada.name}", "yawns  twice, /me thinks")
    for command in ("/me", "/me    ", f"/me {'x' * 1997}"):
        is_refused(ada, bob, command)


@check("nick", symptom=22, needs=(*RENAMES, "frees_the_old_name"))
def gives_a_name_to_one_of_many(scene: Chat) -> None:
    """Ten want one name at the same moment, by `/nick` and by coming in: one of them gets it."""
    for _ in range(3):
        name = new_name(scene, "cup")
        people = scene.join(*["racer"] * 6)
        others = [scene.client("late", name) for _ in range(4)]
        watcher = scene.join("watcher")
        with scene.frozen():
            for one in people:
                one.says(f"/nick {name}")
            for one in others:
                one.says(name)
        if scene.expect(
            f"one of the ten is called {name}, and the others are told that it is taken"
        ):
            winners = sum(has_won(one, name) for one in (*people, *others))
            if winners != 1:
                raise Wrong(f"{winners} of the ten are called {name} now")
        watcher.says("/who")
        names = watcher.is_told("online").split()
        if scene.program and names.count(name) != 1:
            raise Wrong(f"{name} is here {names.count(name)} times")
        for one in (*people, *others, watcher):
            one.hangs_up()


def has_won(person: Client, name: str) -> bool:
    """Return whether the server has given somebody the name; if not, it has to say so."""
    end = time.monotonic() + person.scene.patience
    while pair := person.pair(end):
        kind, *words = pair[1].split(" ")
        if pair[0] == "server" and kind in ("error", "refused"):
            return False
        if pair[0] == "server" and kind == "welcome":
            return True
        if pair[0] == "server" and kind == "renamed" and words == [person.name, name]:
            return True
    raise Silence(f"the server has hung up on {person.label} without a word")
