"""The checks of the project rooms: python3 check.py --project rooms my_server.py"""

import time

from check import ROOM, SERVER_STAGES, Chat, Client, Stage, Wrong, check

SERVER_STAGES.append(Stage("rooms", "rooms", "projects/rooms/README.md", 20, []))
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
    person.is_told("error")
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
    """Who stays behind is told where: `left ada for physics`."""
    ada, bob = scene.join("ada", "bob")
    stands_still(bob, "before")
    ada.says("/join physics")
    bob.hears_next("server", f"left {ada.name} for physics")


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
    """`/rooms`: each room with somebody in it, sorted, and how many; an empty one is no more."""
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    goes(ada, "zoology")
    goes(bob, "zoology", ada)
    goes(cyd, "algebra")
    ada.says("/rooms")
    words = ada.is_told("rooms").split()
    rooms = dict(zip(words[::2], words[1::2], strict=False))
    if scene.program and (rooms.get("algebra"), rooms.get("zoology")) != ("1", "2"):
        raise Wrong("algebra has 1 in it, and zoology 2: that is not what it says")
    if [*rooms] != sorted(rooms):
        raise Wrong("the rooms are not sorted by name")
    goes(cyd, "zoology", ada, bob)
    ada.says("/rooms")
    if "algebra" in ada.is_told("rooms").split():
        raise Wrong("nobody is in algebra any more, but it is still there")


@check("rooms", symptom=0, needs=GOES)
def tells_who_is_in_the_room(scene: Chat) -> None:
    """`/who` names those in the same room and nobody else."""
    ada, bob, _ = scene.join("ada", "bob", "cyd")
    goes(ada, "physics")
    goes(bob, "physics", ada)
    ada.says("/who")
    ada.is_told("joined", bob.name)
    ada.hears_next("server", f"online {ada.name} {bob.name}")


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
    """physics and PHYSICS are one room; it is spelled as who came first has spelled it."""
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


@check("rooms", symptom=0, needs=GOES)
def refuses_bad_names_of_rooms(scene: Chat) -> None:
    """A room of 21 letters, or one that nobody could see: `error`, and ada stays where she is."""
    ada, bob = scene.join("ada", "bob")
    is_refused(ada, bob, f"/join {'x' * 21}")
    is_refused(ada, bob, "/join \u3164")


@check("rooms", symptom=0, needs=GOES)
def is_there_already(scene: Chat) -> None:
    """Who goes to where it is already gets `error`, and nobody else hears of it."""
    ada, bob = scene.join("ada", "bob")
    is_refused(ada, bob, "/join lobby")


@check("rooms", symptom=25, needs=GOES)
def says_left_where_somebody_was(scene: Chat) -> None:
    """Who leaves the server leaves the room where it was; in the lobby nobody is told."""
    ada, bob, cyd = scene.join("ada", "bob", "cyd")
    goes(ada, "physics")
    goes(bob, "physics", ada)
    stands_still(cyd, "before")
    bob.says("/quit")
    ada.is_told("joined", bob.name)
    ada.is_told("left", bob.name)
    cyd.says("after")
    cyd.hears_next(cyd.name, "after")


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
