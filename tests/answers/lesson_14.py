"""Typical wrong answers to the exercises of lesson 14, and words of what the check says to them."""

WRONG = {
    "deliveries": [
        (
            """
def deliveries(people, room, a_minute):
    said = people * a_minute / 60
    return said * people
""",
            "Do people in another room hear it?",
        ),
        (
            """
def deliveries(people, room, a_minute):
    said = people * a_minute / 60
    return said * (room - 1)
""",
            "Also who said it?",
        ),
        (
            """
def deliveries(people, room, a_minute):
    return people * room / 60
""",
            "What if everybody says six times as much?",
        ),
        (
            """
def deliveries(people, room, a_minute):
    said = people * a_minute // 60
    return said * room
""",
            "Is something lost behind the point?",
        ),
        (
            """
def deliveries(people, room, a_minute):
    said = people * a_minute / 60
    print(said * room)
""",
            "got     None",
        ),
    ],
    "machines": [
        (
            """
def machines(people, room):
    bits = people / 60 * room * 70 * 8
    return math.ceil(bits / 1e9) + math.ceil(people / 20_000)
""",
            "does one machine not do both at once?",
        ),
        (
            """
def machines(people, room):
    bits = people / 60 * room * 70 * 8
    return max(1, int(bits / 1e9), people // 20_000)
""",
            "Where does the last one go",
        ),
        (
            """
def machines(people, room):
    data = people / 60 * room * 70
    return max(math.ceil(data / 1e9), math.ceil(people / 20_000))
""",
            "how many bits is that in a second",
        ),
    ],
    "p99": [
        (
            """
def p99(dial, clock, count):
    start = clock()
    talk = dial()
    for _ in range(count):
        talk()
    return (clock() - start) / count
""",
            "Is the time of connecting in your figure",
        ),
        (
            """
def p99(dial, clock, count):
    talk = dial()
    start = clock()
    for _ in range(count):
        talk()
    return (clock() - start) / count
""",
            "Does your figure know of them?",
        ),
        (
            """
def p99(dial, clock, count):
    talk, delays = dial(), []
    for _ in range(count):
        start = clock()
        talk()
        delays.append(clock() - start)
    return max(delays)
""",
            "Is one of 200 more than one in a hundred?",
        ),
        (
            """
def p99(dial, clock, count):
    talk, delays = dial(), []
    for _ in range(count):
        start = clock()
        talk()
        delays.append(clock() - start)
    return delays[count * 99 // 100]
""",
            "Does your figure know of them?",
        ),
    ],
}
