"""The checks of the project rooms: python3 check.py --project rooms my_server.py"""

import os
import tempfile
import time

from check import (
    ROOM,
    SERVER_STAGES,
    Chat,
    Client,
    Stage,
    Wrong,
    check,
    cut,
    has_option,
    our_folder,
    start_with,
)

SERVER_STAGES.append(Stage("rooms", "rooms", "projects/rooms/README.md", 12, []))
GOES = (*ROOM, "goes_to_a_room")


def goes(person: Client, place: str, *others: Client) -> None:
    """Let somebody go to a room, where these others are, and be told so."""
    person.says(f"/join {place}")
    person.is_told("room", place)
    person.is_told_at_once("online", {one.name for one in (person, *others)})


def stands_still(person: Client, text: str) -> None:
    """Somebody says a text and hears it: all that was to come before has come."""
    person.says(text)
    person.hears(person, text)


def is_refused(person: Client, other: Client, command: str) -> None:
    """The answer to a command is an error; the other one hears nothing of it, and no one moves."""
    stands_still(other, "before")
    person.hears(other, "before")
    person.says(command)
    try:
        person.is_told("error")
    except Wrong:
        person.scene.should += f", after {cut(command)!r}"
        raise
    stands_still(person, "here")
    other.hears_next(person.name, "here")


def hears_all(person: Client, last: tuple) -> list:
    """Return all pairs that come to somebody, up to the last."""
    story = []
    person.expect(f": all that is said in its room, each once, up to {last[1]!r}")
    end = time.monotonic() + person.scene.patience
    while person.scene.program and (not story or story[-1] != last):
        pair = person.pair(end)
        if pair is None:
            raise Wrong(f"the server hung up on {person.label}")
        story.append(pair)
    return story


@check("rooms", symptom=0, needs=ROOM)
def goes_to_a_room(scene: Chat) -> None:
    """`/join physics`: ada is told `room physics` and who is there; in the lobby they are told
    `left ada ...`, and in physics, when bob comes, `joined bob`.
    """
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    goes(ada, "physics")
    cyd.is_told("left", ada.name)
    goes(bob, "physics", ada)
    ada.is_told("joined", bob.name)
    goes(bob, "lobby", cyd)
    ada.is_told("left", bob.name)
    cyd.is_told("joined", bob.name)


@check("rooms", symptom=0, needs=GOES)
def says_where_somebody_goes(scene: Chat) -> None:
    """Who stays behind is told where: `left ada for physics`; ada is told `room`, `online` and
    nothing else.
    """
    ada, bob = scene.join("ada", "bob")
    stands_still(bob, "before")
    ada.hears(bob, "before")
    ada.says("/join physics", "here")
    bob.hears_next("server", f"left {ada.name} for physics")
    ada.hears_next("server", "room physics")
    ada.hears_next("server", f"online {ada.name}")
    ada.hears_next(ada.name, "here")


@check("rooms", symptom=36, needs=GOES)
def tells_nobody_elsewhere(scene: Chat) -> None:
    """Who comes into the lobby, goes from there and leaves is no news in physics."""
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    goes(ada, "physics")
    dan = scene.join("dan")
    goes(bob, "chess")
    dan.is_told("left", bob.name)
    cyd.says("/quit")
    dan.is_told("left", cyd.name)
    ada.says("quiet here")
    ada.hears_next(ada.name, "quiet here")


@check("rooms", symptom=36, needs=GOES)
def hears_its_own_room_alone(scene: Chat) -> None:
    """What is said in physics is heard there and nowhere else, and the same for the lobby."""
    ada, bob, cyd, dan = scene.join("ada", "bob", "cyd", "dan")
    goes(ada, "physics")
    goes(bob, "physics", ada)
    ada.says("in physics")
    bob.hears(ada, "in physics")
    cyd.says("in the lobby")
    cyd.hears(cyd, "in the lobby")
    dan.hears(cyd, "in the lobby")
    stands_still(dan, "only we are here")
    bob.says("only we are there")
    bob.hears(bob, "only we are there")
    ada.hears(ada, "in physics")
    ada.hears(bob, "only we are there")


@check("rooms", symptom=0, needs=GOES)
def lists_rooms(scene: Chat) -> None:
    """`/rooms`: each room with somebody in it, sorted, and how many; an empty one is no more, the
    lobby neither. Only who asks is told.
    """
    start_with(scene)  # nobody else shall stand in the lobby
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    goes(ada, "Zoology")
    goes(bob, "Zoology", ada)
    ada.is_told("joined", bob.name)
    ada.says("/rooms")
    ada.hears_next("server", "rooms Zoology 2 lobby 1")
    goes(cyd, "algebra")
    ada.says("/rooms")
    ada.hears_next("server", "rooms Zoology 2 algebra 1")
    bob.says("I have not asked")
    bob.hears_next(bob.name, "I have not asked")


@check("rooms", symptom=0, needs=(*GOES, "lists_rooms"))
def lists_many_rooms(scene: Chat) -> None:
    """There are 52 rooms: 50 in one notice, and two in the next."""
    start_with(scene)
    people = scene.join(*["guest"] * 52)
    rooms = [f"room{number:02}" for number in range(52)]
    for person, place in zip(people, rooms, strict=True):
        person.quiet = True
        goes(person, place)
    last = people[-1]
    last.quiet = False
    scene.note("", "each goes to a room of its own")
    last.says("/rooms")
    for some in (rooms[:50], rooms[50:]):
        last.hears_next("server", " ".join(["rooms", *[f"{place} 1" for place in some]]))


@check("rooms", symptom=0, needs=GOES)
def tells_who_is_in_the_room(scene: Chat) -> None:
    """`/who` names those in the same room and nobody else, and only who asks is told."""
    ada, bob, _ = scene.join("ada", "bob", "cyd")
    goes(ada, "physics")
    goes(bob, "physics", ada)
    ada.says("/who")
    ada.is_told("joined", bob.name)
    ada.hears_next("server", f"online {ada.name} {bob.name}")
    bob.says("I have not asked")
    bob.hears_next(bob.name, "I have not asked")


@check("rooms", symptom=0, needs=GOES)
def whispers_from_room_to_room(scene: Chat) -> None:
    """A private message finds its receiver in another room, and nobody else."""
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    goes(ada, "physics")
    ada.says(f"/msg {bob.name} psst")
    ada.hears(f"{ada.name} -> {bob.name}", "psst")
    bob.hears(f"{ada.name} -> {bob.name}", "psst")
    stands_still(cyd, "nothing here")


@check("rooms", symptom=22, needs=GOES)
def spells_a_room_one_way(scene: Chat) -> None:
    """physics and PHYSICS are one room; it is spelled as who came first has spelled it. An empty
    one is forgotten, but the lobby is always spelled `lobby`.
    """
    start_with(scene)  # nobody else shall stand in the lobby
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    goes(ada, "Physics")
    bob.says("/join pHYSICS")
    bob.is_told("room", "Physics")
    bob.says("one room")
    bob.hears(bob, "one room")
    ada.hears(bob, "one room")
    goes(bob, "lobby", cyd)
    bob.says("/join LOBBY")
    bob.is_told("error")
    goes(cyd, "chess")
    goes(bob, "chess", cyd)
    ada.says("/join LOBBY")
    ada.is_told("room", "lobby")
    goes(bob, "PHYSICS")


@check("rooms", symptom=0, needs=GOES)
def refuses_bad_names_of_rooms(scene: Chat) -> None:
    """No name, two, one of 21 letters, or one that nobody could see: `error`, and ada stays where
    she is. A room may be called `server`.
    """
    ada, bob = scene.join("ada", "bob")
    is_refused(ada, bob, f"/join {'x' * 21}")
    is_refused(ada, bob, "/join \u3164")
    is_refused(ada, bob, "/join")
    is_refused(ada, bob, "/join two words")
    goes(ada, "server")


@check("rooms", symptom=0, needs=GOES)
def is_there_already(scene: Chat) -> None:
    """Who goes to where it is already gets `error`, and nobody else hears of it."""
    ada, bob = scene.join("ada", "bob")
    is_refused(ada, bob, "/join lobby")


@check("rooms", symptom=25, needs=GOES)
def says_left_where_somebody_was(scene: Chat) -> None:
    """Who leaves the server leaves the room where it was, with all that it still had to hear, and
    its name is free; in the lobby nobody is told.
    """
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    goes(ada, "physics")
    goes(bob, "physics", ada)
    stands_still(cyd, "before")
    bob.says("last words", "/quit")
    ada.hears(bob, "last words")
    ada.is_told("left", bob.name)
    bob.hears(bob, "last words")
    cyd.says("after")
    cyd.hears_next(cyd.name, "after")
    scene.client("new", bob.name).enters()


@check("rooms", symptom=0, needs=GOES)
def reaches_all_rooms(scene: Chat) -> None:
    """What the person in charge types reaches every room, `/say` and `/kick`; and what is said in
    any room is in the transcript.
    """
    if scene.program and not has_option(scene, "--transcript"):
        return
    path = os.path.join(tempfile.mkdtemp(dir=our_folder()), "talk.txt")
    start_with(scene, "--transcript", path)
    ada, bob = scene.join("ada", "bob")
    goes(ada, "physics")
    orders(scene, "/say to all of you")
    for person in (ada, bob):
        person.is_told("says")
    stands_still(ada, "E = mc2")
    orders(scene, f"/kick {ada.name}")
    ada.is_told("bye")
    ada.is_hung_up_on()
    if scene.stops(15):
        scene.has_stopped()
        scene.starts_again()
        if scene.program and "E = mc2" not in read(path):
            raise Wrong("what ada has said in physics is not in the transcript")


def orders(scene: Chat, line: str) -> None:
    """Type a line at the server's keyboard."""
    scene.note("keyboard", f"-> {line!r}")
    if scene.program:
        scene.program.types(line)


def read(path: str) -> str:
    """Return what stands in a file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


@check("rooms", symptom=22, needs=GOES)
def keeps_names_unique_everywhere(scene: Chat) -> None:
    """A name that is taken in physics is taken in the lobby, too."""
    ada = scene.join("ada")
    goes(ada, "physics")
    scene.client("twin", ada.name).is_refused()


@check("rooms", symptom=24, needs=(*GOES, "hears_its_own_room_alone"))
def loses_nothing_on_the_way(scene: Chat) -> None:
    """ada goes to and fro and speaks, all in one piece, while others speak in both rooms: she hears
    exactly what is said where she is.
    """
    for _ in range(3):
        goes_to_and_fro(scene)


def goes_to_and_fro(scene: Chat) -> None:
    """Play this once: compare what ada hears with what those hear who stay."""
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    goes(cyd, "physics")
    stands_still(ada, "begin")
    bob.hears(ada, "begin")
    steps = ["/join physics", "p1", "/join lobby", "l2", "/join physics", "p3", "/join lobby", "l4"]
    with scene.frozen():
        bob.says(*[f"lobby {number}" for number in range(12)])
        ada.says("l0", *steps)
        cyd.says(*[f"physics {number}" for number in range(12)])
    stories = {ada: hears_all(ada, (ada.name, "l4"))}
    stands_still_in(stories, bob, "end of the lobby")
    stands_still_in(stories, cyd, "end of physics")
    if scene.program:
        stays = stays_of(stories[ada], ada.name)
        for other, mine in ((bob, stays[0::2]), (cyd, stays[1::2])):
            theirs = stays_seen(stories[other], ada.name, here=other is bob)
            compare(ada, other, mine, theirs)


def stands_still_in(stories: dict, person: Client, text: str) -> None:
    """Let somebody say a last text, and keep all that it has heard up to there."""
    person.says(text)
    stories[person] = hears_all(person, (person.name, text))


def stays_of(story: list, name: str) -> list:
    """Return what somebody has heard in each stay, from one `room ...` to the next."""
    stays = [[]]
    for sender, text in story:
        if sender == "server" and text.startswith("room "):
            stays.append([])
        elif sender != "server":
            stays[-1].append((sender, text))
        if (sender, text) == (name, "l4"):
            break
    return stays


def stays_seen(story: list, name: str, here: bool) -> list:
    """Return what somebody has heard who stays in a room, for each time that name was there."""
    stays = [[]] if here else []
    for sender, text in story:
        if sender == "server" and text == f"joined {name}":
            stays.append([])
            here = True
        elif sender == "server" and text.startswith(f"left {name} for"):
            here = False
        elif sender != "server" and here:
            stays[-1].append((sender, text))
            if (sender, text) == (name, "l4"):
                break
    return stays


def compare(ada: Client, other: Client, mine: list, theirs: list) -> None:
    """Wrong if two lists of stays are not the same."""
    for number, (first, second) in enumerate(zip(mine, theirs, strict=False), 1):
        if first != second:
            missing = [pair for pair in second if pair not in first]
            more = [pair for pair in first if pair not in second]
            raise Wrong(
                f"in stay {number} beside {other.label}, {ada.label} misses {missing or 'nothing'} "
                f"and has heard {more or 'nothing'} too much, or twice, or in another order"
            )
    if len(mine) != len(theirs):
        raise Wrong(f"{other.label} has seen {ada.label} {len(theirs)} times, not {len(mine)}")
