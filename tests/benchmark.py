#!/usr/bin/env python3
"""Measure chat servers side by side: how much they deliver, how fast, and what it costs them.

    python3 tests/benchmark.py chat_server.py lessons/models/asyncio_server.py --people 2,10,50
    python3 tests/benchmark.py chat_server.py -- java ChatServer {port}

A file is run by this Python with --port, and with --max-rate 0 and --max-clients if it knows them.
A command gets its port in place of {port}. All servers are measured in turns, --repeats times, so
that whatever else this computer does hits all of them alike; the table shows medians.

    joining     everybody comes at once, until all of them have heard of all
    latency     one message at a time, until the last one has heard it
    throughput  everybody talks, WINDOW messages each on their way; one that 50 hear counts 50

In passing it is checked that nothing is lost, doubled or out of order. This side is Python as well,
one loop over all sockets, and may be what limits the deliveries a second (then there is a star).
The deliveries for each second of CPU time that the server has used do not depend on that: they are
the figure to compare. Latency and joining include the time that this side needs to read. A notebook
can call measure() itself. On Windows up to 500 people can be measured; its usual clock ticks 64
times a second there, up to Python 3.12, so all times are those of time.perf_counter().
"""

import argparse
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import closing, contextmanager
from pathlib import Path

from kit import lasting_port

WINDOW = 16  # messages of each person that are said, but not heard by all yet
PATIENCE = 10  # seconds without a byte, where something is owed
START_SECONDS = 20  # until a server listens: a loaded machine is slow, and what has ended is seen
BUSY = 0.8  # of the time: if this side works more than that, it is the limit
NAME, TEXT = (
    "p{:04}",
    "{:04} {:08} and forty characters that say nothing at all",
)  # all of one length
COLUMNS = {  # a figure's key: the head of its column, the column's width, digits behind the point
    "deliveries": ("deliveries/s", 14, 0),
    "per_cpu": ("per CPU second", 16, 0),
    "p50": ("p50 ms", 9, 2),
    "p99": ("p99 ms", 9, 2),
    "joining": ("joining s", 11, 2),
    "memory": ("MB", 6, 0),
}


class WrongServer(Exception):
    """The server did not keep a promise, so its figures mean nothing."""


def frame(text: str) -> bytes:
    """Return text as one frame."""
    data = text.encode()
    return b"%-10d%b" % (len(data), data)


def pairs(data: bytes):
    """Yield (sender, text) for all in data; ValueError if it does not end with a whole pair."""
    texts, at = [], 0
    while at < len(data):
        end = at + 10 + int(data[at : at + 10])
        texts.append(data[at + 10 : end].decode())
        at = end
    return zip(texts[::2], texts[1::2], strict=True)


SAID = len(
    frame(NAME.format(0)) + frame(TEXT.format(0, 0))
)  # bytes of one message as everybody hears it

# ---- 1. Measuring --------------------------------------------------------------------------------


def measure(
    command: "str | list", people: int = 10, seconds: float = 1, patience: float = PATIENCE
) -> dict:
    """Start a server, measure it, stop it, and return the figures.

    Raises WrongServer, or OSError if it cannot start.

    command is a Python file, or a list with {port} in it. Latency and throughput take so many
    seconds each. The figures are those of COLUMNS, and busy, the share of the time in which this
    side worked. What the system does not tell is None.
    """
    with (
        running(command, people, patience) as (process, first),
        closing(Crowd(first, people, patience)) as crowd,
    ):
        joining = crowd.join()
        delays = crowd.take_turns(seconds)
        cpu, clock, ours = usage(process.pid)[0], time.perf_counter(), time.process_time()
        count = crowd.talk(seconds) * people
        clock, ours = time.perf_counter() - clock, time.process_time() - ours
        after, memory = usage(process.pid)
        crowd.check()
    return {
        "people": people,
        "deliveries": count / clock,
        "per_cpu": count / (after - cpu) if after and after > cpu else None,
        "p50": delays[len(delays) // 2] * 1000,
        "p99": delays[len(delays) * 99 // 100] * 1000,
        "joining": joining,
        "memory": memory,
        "busy": ours / clock,
    }


class Crowd:
    """People who talk and listen, all in one loop, which counts bytes and reads them later."""

    def __init__(self, first: socket.socket, people: int, patience: float):
        self.socks, self.people, self.patience = [first], people, patience
        self.selector, self.chunk = selectors.DefaultSelector(), bytearray(1 << 18)
        self.forget()

    def forget(self) -> None:
        """Count from here: nothing has been said, and nothing is on its way."""
        self.said = 0  # messages of all people together
        self.heard, self.sums = (
            [0] * self.people,
            [0] * self.people,
        )  # of each person: bytes, and their checksum
        self.record = bytearray()  # what the first one heard: all the others have to hear the same

    def join(self) -> float:
        """Let everybody come at once, and return the seconds until all have heard of all."""
        start, address = time.perf_counter(), self.socks[0].getpeername()
        while len(self.socks) < self.people:
            self.socks.append(socket.create_connection(address, self.patience))
        for number, sock in enumerate(self.socks):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(frame(NAME.format(number)))
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, number)
        before = [bytearray() for _ in self.socks]
        self.collect(before, lambda data: b"welcome" in data)
        # All are in. Now one of them says a word: what they had to hear of each other comes before.
        self.socks[0].sendall(frame("go"))
        self.collect(before, lambda data: data.endswith(frame(NAME.format(0)) + frame("go")))
        seconds = time.perf_counter() - start
        for data in before:
            self.check_names(data)
        self.forget()
        return seconds

    def collect(self, before: list, enough) -> None:
        """Add what each person hears to before, until it is enough for everybody."""
        missing = {number for number, data in enumerate(before) if not enough(data)}
        while missing:
            for number, data in self.listen():
                before[number] += data
                if (at := before[number].find(b"refused ")) >= 0:
                    raise WrongServer(before[number][at:].decode(errors="replace"))
                if enough(before[number]):
                    missing.discard(number)

    def take_turns(self, seconds: float) -> list:
        """Let one after the other say a message; return, sorted, the seconds until all heard it."""
        delays, end = [], time.perf_counter() + seconds
        while not delays or time.perf_counter() < end:
            start = time.perf_counter()
            self.say(self.said % self.people, 1)
            self.hear(self.said)
            delays.append(time.perf_counter() - start)
        return sorted(delays)

    def talk(self, seconds: float) -> int:
        """Let everybody talk, and return how many messages all have heard."""
        first, end, half = self.said, time.perf_counter() + seconds, WINDOW // 2
        while self.said == first or time.perf_counter() < end:
            for number in range(self.people):
                self.say(number, half)
            self.hear(
                self.said - half * self.people
            )  # the other half of the window stays on its way
        self.hear(self.said)
        return self.said - first

    def say(self, number: int, count: int) -> None:
        """Let one person say some messages: so few bytes that the system takes them at once."""
        texts = (TEXT.format(number, self.said + more) for more in range(count))
        self.socks[number].sendall(b"".join(map(frame, texts)))
        self.said += count

    def hear(self, count: int) -> None:
        """Listen until everybody has heard so many messages."""
        while min(self.heard) < count * SAID:
            for number, data in self.listen():
                self.heard[number] += len(data)
                self.sums[number] = zlib.crc32(data, self.sums[number])
                if number == 0:
                    self.record += data

    def listen(self):
        """Wait until something comes; yield (person's number, bytes), valid only until the next."""
        ready = self.selector.select(self.patience)
        if not ready:
            raise WrongServer(
                f"lost: {self.said} messages were said, and {min(self.heard) // SAID} heard by all"
            )
        for key, _ in ready:
            try:
                size = key.fileobj.recv_into(self.chunk)
            except OSError as error:
                raise WrongServer(f"lost: {error}") from None
            if not size:
                raise WrongServer("lost: the server has hung up")
            yield key.data, memoryview(self.chunk)[:size]

    def check_names(self, data: bytes) -> None:
        """Fail unless somebody to whom the server said this has heard once of each person."""
        names = []
        for sender, text in pairs(data):
            kind, _, rest = text.partition(" ")
            if sender == "server" and kind in ("online", "joined"):
                names += rest.split()
        if sorted(names) != [NAME.format(number) for number in range(self.people)]:
            raise WrongServer(
                f"lost or doubled: of {self.people} people one has heard {len(names)} names"
            )

    def check(self) -> None:
        """Fail unless everybody has heard everything, once and in one same order."""
        try:
            last, count = {}, 0  # name -> number of the last message
            for name, text in pairs(self.record):
                number = int(text[5:13])
                if text != TEXT.format(int(name[1:]), number):
                    raise WrongServer(f"torn or forged: {name} {text}")
                if number <= last.get(name, -1):
                    raise WrongServer(
                        f"doubled or out of order: {number} of {name} came after {last[name]}"
                    )
                last[name], count = number, count + 1
        except ValueError:
            raise WrongServer("torn: what came is no row of messages") from None
        if count != self.said or max(self.heard) != self.said * SAID:
            raise WrongServer(f"lost or doubled: {self.said} messages were said, and {count} came")
        if len(set(self.sums)) > 1:
            raise WrongServer("out of order: not everybody has heard the same")

    def close(self) -> None:
        """Hang up, everybody."""
        self.selector.close()
        for sock in self.socks:
            sock.close()


# ---- 2. The server's process ---------------------------------------------------------------------


@contextmanager
def running(command: "str | list", people: int, patience: float):
    """Run a server for so many people; give its process and the first connection to it."""
    # A Python file is asked which one it got; others get one that nobody else is given.
    port = 0
    if isinstance(command, str):
        known, options = (
            Path(command).read_text(encoding="utf-8"),
            {"--max-rate": 0, "--max-clients": people + 10},
        )
        more = [f"{name}={value}" for name, value in options.items() if name in known]
        command = [sys.executable, "-u", command, "--port", "0", *more]
    else:
        port = lasting_port()
    command = [part.replace("{port}", str(port)) for part in command]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
        try:
            yield process, connect(process, port or listening(process, output), patience)
        except WrongServer as error:
            lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
            raise WrongServer(f"{error}; its last line: {lines[-1] if lines else 'none'}") from None
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def listening(process: subprocess.Popen, output: Path) -> int:
    """Return the port that a server says it listens on."""
    end = time.perf_counter() + START_SECONDS
    while True:
        gone = process.poll() is not None
        if line := re.search(rb"listening on \S*:(\d+)\s", output.read_bytes()):
            return int(line[1])
        if gone or time.perf_counter() > end:
            raise WrongServer("it does not listen: it says no port")
        time.sleep(0.02)


def connect(process: subprocess.Popen, port: int, patience: float) -> socket.socket:
    """Return a connection to a server that is just starting."""
    end = time.perf_counter() + START_SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), patience)
        except OSError:
            if process.poll() is not None or time.perf_counter() > end:
                raise WrongServer("it does not listen on its port") from None
            time.sleep(0.02)


def usage(pid: int) -> tuple:
    """Return a process's CPU seconds and megabytes; None, None if the system is silent."""
    if os.name == "nt":
        return None, None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
        return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:  # this is not Linux
        pass
    try:
        call = ["ps", "-o", "time=", "-o", "rss=", "-p", str(pid)]
        clock, size = subprocess.run(
            call, capture_output=True, text=True, check=True
        ).stdout.split()
    except (OSError, ValueError, subprocess.CalledProcessError):  # there is no ps
        return None, None
    seconds = 0.0
    for part in re.split("[-:]", clock):
        seconds = seconds * 60 + float(part)
    return seconds, int(size) / 1000


# ---- 3. The program ------------------------------------------------------------------------------


def main(argv: "list | None" = None) -> int:
    """Measure what the command line names, print the table, and return the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    cut = argv.index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], usage="%(prog)s FILE ... [-- COMMAND]"
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="servers in Python; the first is the baseline"
    )
    parser.add_argument(
        "--people", type=crowds, default=[2, 10, 50], help="how many, default 2,10,50"
    )
    parser.add_argument(
        "--seconds", type=float, default=1, help="for each figure, default %(default)s"
    )
    parser.add_argument("--repeats", type=int, default=3, help="of everything, default %(default)s")
    options, command = parser.parse_args(argv[:cut]), argv[cut + 1 :]
    servers = {file: file for file in options.files} | ({command[0]: command} if command else {})
    if not servers or options.repeats < 1:
        parser.error("name a server at least, and repeat at least once")
    runs = len(options.people) * len(servers) * options.repeats
    print(f"{runs} runs, about {runs * (2 * options.seconds + 1):.0f} seconds", flush=True)
    results = compare(servers, options.people, options.seconds, options.repeats)
    print(*table(results), sep="\n")
    return int(any("wrong" in result for result in results.values()))


def crowds(text: str) -> list:
    """Return [2, 10, 50] for 2,10,50."""
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise ValueError("nobody is there to be measured")
    return numbers


def compare(
    servers: dict, crowds: list, seconds: float, repeats: int, patience: float = PATIENCE
) -> dict:
    """Measure all servers, name -> command, in turns; return (people, name) -> figures."""
    results = {(people, name): [] for people in crowds for name in servers}
    for _ in range(repeats):
        for (people, name), runs in results.items():
            try:
                runs.append(measure(servers[name], people, seconds, patience))
            except (WrongServer, OSError) as error:
                runs.append({"wrong": str(error)})
    return {key: median(runs) for key, runs in results.items()}


def median(runs: list) -> dict:
    """Return the median of each figure; what is wrong, if one run was."""
    for run in runs:
        if "wrong" in run:
            return run
    return {
        key: None if None in (values := [run[key] for run in runs]) else statistics.median(values)
        for key in runs[0]
    }


def table(results: dict) -> list:
    """Return the results as lines of text, each with its ratio to the first of as many people."""
    width = max(len(name) for _, name in results)
    heads = "".join(f"{head:>{room}}" for head, room, _ in COLUMNS.values())
    lines = [f"people {'server':{width}}{heads}{'ratio':>8}"]
    baselines = {}
    for (people, name), result in results.items():
        line = f"{people:6} {name:{width}}"
        if "wrong" in result:
            lines.append(f"{line} {result['wrong']}")
            continue
        for key, (_, room, digits) in COLUMNS.items():
            cell = "-" if result[key] is None else f"{result[key]:,.{digits}f}"
            line += f"{cell + '*' * (key == 'deliveries' and result['busy'] > BUSY):>{room}}"
        speed = result["per_cpu"] or result["deliveries"]
        lines.append(f"{line}{speed / baselines.setdefault(people, speed):>7.2f}x")
    if any("*" in line for line in lines):
        lines.append(
            "* this side was the limit; deliveries per CPU second say what the server can do"
        )
    return lines


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for what a terminal cannot show
    sys.exit(main())
