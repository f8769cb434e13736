"""Lesson 14 From a room to the world: checks, hints, and replies to predictions."""

from classroom import exercise, expect, prediction, variant

# With make_assignment.py --for NAME a student gets one of these; the first is the master's.
HELD, _ = variant((20_000, "is `5`"), (25_000, "is `4`"), (10_000, "is `10`"))


@exercise(
    "deliveries",
    1,
    "One message is said in a room of 50. How many people hear it?",
    (
        "said is the number of messages a second, in all rooms together. "
        "Each of them is delivered to a whole room."
    ),
)
def check_deliveries(deliveries) -> None:
    copies, others = (
        "How many people hear one message? Also who said it?",
        "Do people in another room hear it?",
    )
    for people, room, a_minute, wanted, question in [
        (60, 60, 1, 60.0, copies),
        (600, 50, 1, 500.0, others),
        (600, 50, 6, 3000.0, "What if everybody says six times as much?"),
        (6_000_000, 10, 2, 2_000_000.0, others),
        (70, 5, 1, 5.833333, "Is something lost behind the point?"),
    ]:

        def got(people: int = people, room: int = room, a_minute: int = a_minute):
            number = deliveries(people, room, a_minute)
            return round(float(number), 6) if isinstance(number, (int, float)) else number

        expect(
            got,
            wanted,
            question,
            f"deliveries(people={people:_}, room={room}, a_minute={a_minute})",
        )


@exercise(
    "machines",
    2,
    (
        "By hand, for 100,000 people in rooms of 50: "
        "how many machines for the connections, how many for the bits?"
    ),
    (
        "The answer is the greater of the two, each rounded up: math.ceil(...). "
        "How many bits are 70 bytes?"
    ),
)
def check_machines(machines) -> None:
    for people, room, wanted, question in [
        (
            100_000,
            50,
            100_000 // HELD,
            (
                "Which of the two limits asks for more machines, and does one machine not "
                "do both at once?"
            ),
        ),
        (HELD + 1, 50, 2, "Where does the last one go, when the first machine is full?"),
        (
            100_000,
            100_000,
            94,
            "Everybody hears everybody: how many bits is that in a second, and in a minute?",
        ),
        (60_000, 30_000, 17, "Two rooms: how many say something, and how many hear each of them?"),
        (1_000, 1_000, 1, "Is one machine not enough for so few?"),
        (10_000_000, 50, 10_000_000 // HELD, "Which of the two limits asks for more machines?"),
    ]:
        story = [f"machines(people={people:_}, room={room:_})"]
        expect(lambda people=people, room=room: machines(people, room), wanted, question, *story)


class Stopwatch:
    """A played connection and clock: connecting and each message take so many milliseconds."""

    def __init__(self, dialing: int, times: list):
        self.now, self.dialing, self.times = 0, dialing, list(times)
        self.story = [f"connecting takes {dialing} ms, then there are {len(times)} messages:"]
        self.story += [
            f"{times.count(time)} of them take {time} ms" for time in sorted(set(times))[-3:]
        ]

    def clock(self) -> int:
        """Return the milliseconds so far."""
        return self.now

    def dial(self):
        """Connect, and return talk."""
        self.now += self.dialing
        return self.talk

    def talk(self) -> None:
        """Say one message and wait until it has come back."""
        self.now += self.times.pop(0)


@exercise(
    "p99",
    2,
    (
        "When does the time of one message begin, and when does it end? "
        "Where do these two calls of clock() have to stand?"
    ),
    "Keep each time in a list. After the loop: sorted(the list), and which place of it?",
)
def check_p99(p99) -> None:
    hidden = [2] * 200
    for place in (10, 60, 110, 160):
        hidden[place] = 250
    for dialing, times, wanted, question in [
        (
            500,
            [2] * 100,
            2.0,
            "Is the time of connecting in your figure, or that of the messages before?",
        ),
        (0, hidden, 250.0, "Four of 200 people wait 250 ms. Does your figure know of them?"),
        (10, [900] + [3] * 199, 3.0, "Is one of 200 more than one in a hundred?"),
        (
            10,
            [(37 * place) % 100 + 1 for place in range(100)],
            100.0,
            "Which place is 100 * 99 // 100, from 0?",
        ),
    ]:
        watch = Stopwatch(dialing, times)
        expect(
            lambda watch=watch: float(p99(watch.dial, watch.clock, len(watch.times))),
            wanted,
            question,
            watch,
        )


# ---- Predictions ---------------------------------------------------------------------------------

prediction(
    "14-1",
    right="C",
    A=(
        "More threads only take turns: in most Pythons one lock lets a single thread at "
        "a time run Python code. And every turn costs."
    ),
    B="Threads that sleep in recv() cost memory, but no time. What costs time is waking them.",
    C=(
        "What counts is not threads or no threads, but how much work a delivery "
        "costs: how many sends, and how many threads have to be woken for it."
    ),
)

prediction(
    "14-2",
    right="C",
    A="Neither server knows of the other, nor when it was started.",
    B=(
        "The inbox was the order: one inbox. One order for the world would need one "
        "place that all messages go through, or machines that agree on it, which "
        "takes time."
    ),
    C=(
        "Each server has an inbox of its own, and one's own message is in it before "
        "the other's has come over the bridge. Two inboxes, two orders."
    ),
)
