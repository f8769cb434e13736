"""The server as a program: how it starts and stops, what it prints and writes, and if it cannot."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest
from kit import PROC, ROOT, TIMEOUT, UNIX, Client, Program, Server, frame, lasting_port, wrapped

SCRIPT = ROOT / "chat_server.py"
STOP_SECONDS = 3  # 2 are promised; a loaded machine takes its time
ADDRESS = r"127\.0\.0\.1:\d+"

windows = sys.platform == "win32"
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason=PROC)
posix = pytest.mark.skipif(windows, reason=UNIX)
full_device = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="there is no device that is always full"
)
signals = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"]
)


def is_chatting(*people: Client) -> bool:
    """Return whether everybody hears what the first one says."""
    people[0].send("is anybody here?")
    for person in people:
        person.skip_to(people[0].name, "is anybody here?")
    return True


# ---- Starting ------------------------------------------------------------------------------------


def test_the_first_lines_say_where_it_listens_and_how_to_join():
    with Server() as server:
        command = server.wait_for("chat_client_cli.py")
        python = "py" if windows else "python3"
        assert server.seen[0] == f"listening on 127.0.0.1:{server.port}"
        assert (
            command == f"to join: {python} chat_client_cli.py --host 127.0.0.1 --port {server.port}"
        )


def test_all_the_network_gets_an_address_that_others_can_type():
    with Server("--host", "0.0.0.0") as server:
        host = re.search(r"--host (\S+)", server.wait_for("chat_client_cli.py"))[1]
        assert server.seen[0] == f"listening on 0.0.0.0:{server.port}"
        assert host != "0.0.0.0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))  # fails unless it is this computer; sends nothing
        assert is_chatting(server.client("ada"))


# Without a way out: a switch in a classroom, a hotspot. Runs the rest in a network of its own.
NO_WAY_OUT = """
import os, subprocess, sys
for words in (
    "ip link set lo up",
    "ip addr add 192.168.77.5/24 dev lo",
    "ip addr add 10.11.12.13/24 dev lo",
    "ip addr add 172.20.1.9/16 dev lo",
):
    subprocess.run(words.split(), check=True)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def in_a_network_of_its_own(*command: str) -> "Program":
    """Return a program there, or skip the test where none can be made."""
    tools = shutil.which("unshare"), shutil.which("ip")
    if None in tools or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("no network of our own can be made here")
    code = "import os, sys; os.execvp('unshare', ['unshare', '-n', sys.executable, *sys.argv[1:]])"
    return Program("-c", code, "-c", *command)


def test_without_a_way_out_every_address_that_others_see_is_named_and_no_other():
    with in_a_network_of_its_own(NO_WAY_OUT, SCRIPT, "--port", "0", "--host", "0.0.0.0") as program:
        hosts = []
        while len(hosts) < 3:
            hosts.append(re.search(r"--host (\S+)", program.wait_for("to join:"))[1])
        assert sorted(hosts) == ["10.11.12.13", "172.20.1.9", "192.168.77.5"]
        program.stop(signal.SIGTERM)
        assert not [line for line in program.output() if "0.0.0.0" in line and "join" in line]


def test_the_address_by_which_we_would_go_out_is_named_first():
    way_out = NO_WAY_OUT.replace(
        "):\n", '    "ip route add 192.0.2.0/24 dev lo src 172.20.1.9",\n):\n', 1
    )
    with in_a_network_of_its_own(way_out, SCRIPT, "--port", "0", "--host", "0.0.0.0") as program:
        hosts = [re.search(r"--host (\S+)", program.wait_for("to join:"))[1] for _ in range(3)]
    assert hosts == ["172.20.1.9", "10.11.12.13", "192.168.77.5"]


def test_an_address_that_several_networks_have_is_named_once():
    several = NO_WAY_OUT.replace(
        "):\n",
        """    "ip link add one type veth peer name two",
    "ip link set one up",
    "ip link set two up",
    "ip addr add 192.168.77.5/24 dev one",
    "ip addr add 192.168.77.5/24 dev two",
):
""",
        1,
    )
    with in_a_network_of_its_own(several, SCRIPT, "--port", "0", "--host", "0.0.0.0") as program:
        for _ in range(3):
            program.wait_for("to join:")
        program.stop(signal.SIGTERM)
        hosts = re.findall(r"to join:.*--host (\S+)", "\n".join(program.output()))
        assert sorted(hosts) == ["10.11.12.13", "172.20.1.9", "192.168.77.5"]


def test_without_any_network_it_names_this_computer():
    code = "import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    with in_a_network_of_its_own(code, SCRIPT, "--port", "0", "--host", "0.0.0.0") as program:
        assert "--host 127.0.0.1 " in program.wait_for("to join:")


@pytest.mark.parametrize("known, lines", [(["192.168.5.4", "10.1.1.1"], 2), ([], 1)])
def test_elsewhere_the_addresses_are_those_of_the_computers_name(tmp_path, known, lines):
    """As on Windows and macOS, which have no /proc; and without a way out."""
    first = f"""
import builtins, socket
def no_proc(path, *more, **options):
    if str(path).startswith("/proc"):
        raise FileNotFoundError(2, "No such file")
    return real_open(path, *more, **options)
def no_route(sock, address):
    raise OSError(101, "Network is unreachable")
real_open, builtins.open = builtins.open, no_proc
socket.socket.connect = no_route
socket.gethostbyname_ex = lambda name: (name, [], ["127.0.1.1", *{known}, *{known}])
"""
    with Server("--host", "0.0.0.0", script=wrapped(tmp_path, first)) as server:
        hosts = [re.search(r"--host (\S+)", server.wait_for("join"))[1] for _ in range(lines)]
        assert hosts == (known or ["127.0.0.1"])
        assert is_chatting(server.client("ada"))
        server.stop()
        assert len([line for line in server.output() if "to join" in line]) == lines


def test_by_default_it_listens_on_this_computer_only_at_port_1234():
    with Program(SCRIPT, "--help") as program:
        text = " ".join(" ".join(program.output()).split())
    assert program.process.returncode == 0
    assert re.search(r"--host HOST [^-]*\b127\.0\.0\.1\b", text)
    assert re.search(r"--port PORT [^-]*\b1234\b", text)
    assert re.search(r"--max-clients .*?\b200\b", text)


def test_version():
    with Program(SCRIPT, "--version") as program:
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?", "\n".join(program.output()))
    assert program.process.returncode == 0


def test_the_help_says_what_it_is_and_names_each_default():
    with Program(SCRIPT, "--help") as program:
        text = " ".join(" ".join(program.output()).split())  # however its lines are broken
    assert program.process.returncode == 0
    assert "A chat server" in text
    defaults = {"host": "127.0.0.1", "port": 1234, "max-clients": 200}
    defaults |= {"max-per-address": 20, "max-rate": 20}
    for option, default in defaults.items():
        assert re.search(rf"--{option} \S+ [^-]*default {default}\b", text), option


def impossible_address(case: str) -> list:
    """Return the options for an address that the server cannot listen on, or skip the test."""
    if case != "a port that it may not take":
        return {
            "an address that is not ours": ["--host", "192.0.2.1", "--port", "0"],
            "a port out of range": ["--port", "70000"],
            "a negative port": ["--port", "-1"],
            "an IPv6 address, which several networks may have": [
                "--host",
                "fe80::1",
                "--port",
                "0",
            ],
            "an unknown host": ["--host", "no-such-host.invalid", "--port", "0"],
            "a host that cannot be one": ["--host", "a" * 70 + ".example", "--port", "0"],
        }[case]
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", 80))
        except PermissionError:
            return ["--port", "80"]
        except OSError as error:
            pytest.skip(f"port 80 cannot be tried here: {error}")
    pytest.skip("this user may take port 80, as root may")


IMPOSSIBLE = [
    "an address that is not ours",
    "a port out of range",
    "a negative port",
    "an IPv6 address, which several networks may have",
    "an unknown host",
    "a host that cannot be one",
    "a port that it may not take",
]


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_where_it_cannot_listen_it_says_so_in_one_line(case, monkeypatch):
    options = impossible_address(case)
    monkeypatch.setenv("PYTHONDEVMODE", "1")  # then Python would tell of a socket left open
    with Program(SCRIPT, *options) as program:
        [line] = program.output()
    assert program.process.returncode not in (0, None)
    assert options[-1] in line or options[1] in line
    helps = "--port" if "port" in case else "--host"
    assert helps in line.rpartition(":")[2], "what to do"


def test_a_second_server_on_one_port_says_so_in_one_line_and_the_first_goes_on():
    with Server() as server:
        ada = server.client("ada")
        with Program(SCRIPT, "--port", str(server.port)) as second:
            [line] = second.output()
        assert second.process.returncode not in (0, None)
        assert str(server.port) in line
        assert is_chatting(ada, server.client("bob"))


WRONG = [
    "--port many",
    "--nonsense",
    "--max-rate fast",
    "--max-rate nan",
    "--max-rate -1",
    "--max-clients 0",
    "--max-per-address -1",
    "--max-per-address some",
    "--password-file no/such/file",
    f"--password-file {os.devnull}",
]


@pytest.mark.parametrize("options", [words.split() for words in WRONG], ids=WRONG)
def test_a_wrong_option_is_explained(options):
    with Program(SCRIPT, *options) as program:
        lines = program.output()
    assert program.process.returncode == 2
    assert lines[0].startswith("usage:")
    assert options[0] in lines[-1]


def test_nothing_runs_on_import():
    code = """
import signal, threading
before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
import chat_server
assert threading.active_count() == 1
assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
"""
    with Program("-c", code) as program:
        assert program.output() == []
    assert program.process.returncode == 0


def test_main_can_run_in_a_thread_of_another_program():
    code = """
import threading, time, chat_server
threading.Thread(target=chat_server.main, args=(["--port", "0"],), daemon=True).start()
time.sleep(60)
"""
    with Program("-c", code) as program:
        port = int(program.wait_for("listening on").rpartition(":")[2])
        with Client(port, "ada") as ada:
            assert is_chatting(ada)


def test_it_works_alone_in_an_empty_folder(tmp_path):
    script = shutil.copy(SCRIPT, tmp_path)
    with Server(script=script, folder=tmp_path) as server:
        assert is_chatting(*server.gather("ada", "bob"))
        assert [path.name for path in tmp_path.iterdir()] == ["chat_server.py"]


def test_a_client_of_the_classic_tutorials_works_unchanged_on_the_defaults():
    """As it stands in many tutorials: a header of f"{len(text):<10}", first the name."""
    length = 10

    def join(port: int, username: str) -> socket.socket:
        client_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client_socket.settimeout(TIMEOUT)
        client_socket.connect(("127.0.0.1", port))
        say(client_socket, username)
        return client_socket

    def say(client_socket: socket.socket, message: str) -> None:
        data = message.encode()
        header = f"{len(data):<{length}}".encode()
        client_socket.send(header + data)

    def hear(client_socket: socket.socket) -> tuple:
        username_length = int(client_socket.recv(length).decode("utf-8").strip())
        username = client_socket.recv(username_length).decode("utf-8")
        message_length = int(client_socket.recv(length).decode("utf-8").strip())
        return username, client_socket.recv(message_length).decode("utf-8")

    with Server() as server, join(server.port, "ada") as ada:
        assert [hear(ada), hear(ada)] == [("server", "welcome ada"), ("server", "online ada")]
        with join(server.port, "bob") as bob:
            assert [hear(bob), hear(bob)] == [
                ("server", "welcome bob"),
                ("server", "online ada bob"),
            ]
            say(bob, "Grüße")
            assert [hear(ada), hear(ada), hear(bob)] == [
                ("server", "joined bob"),
                *[("bob", "Grüße")] * 2,
            ]
        assert hear(ada) == ("server", "left bob")


# May open so many files more than it has; and no socket is closed by the luck of a reference count.
FEW_FILES = """
import os, resource, socket, sys
sys.path.insert(0, {folder!r})
import chat_server
accept, kept = socket.socket.accept, []
def accept_and_keep(self):
    kept.append(accept(self))
    return kept[-1]
socket.socket.accept = accept_and_keep
chat_server.parse_options(["--port", "0"])  # 3.14 imports what argparse needs only then
limit = len(os.listdir("/proc/self/fd")) - 1 + {count}
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
sys.exit(chat_server.main(["--port", "0"]))
"""


@linux
def test_without_an_open_file_for_the_listener_it_says_what_is_the_matter():
    with Program("-c", FEW_FILES.format(folder=str(ROOT), count=0)) as program:
        [line] = program.output()
    assert program.process.returncode == 1
    assert "Too many open files: " in line
    assert "files" in line.rpartition(": ")[2], "and what helps against that"
    assert "--port" not in line


@linux
@pytest.mark.parametrize("count", range(1, 9))
def test_with_any_number_of_open_files_newcomers_wait_or_are_let_go_on_purpose(count):
    """A connection takes one, and then one more: so each second number fails in the middle."""
    with Program("-c", FEW_FILES.format(folder=str(ROOT), count=count)) as program:
        port = int(program.wait_for("listening on").rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            people = [stack.enter_context(Client(port)) for _ in range(6)]
            program.wait_for("newcomers have to wait: ")
            if count % 2 == 0:  # a file for the listener, two for each person, one is left
                unlucky = people[(count - 2) // 2]
                assert unlucky.rest() == []
        assert program.stop(signal.SIGTERM) == 0
        assert not [line for line in program.output() if "Traceback" in line]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_where_no_thread_can_be_started_it_says_so(tmp_path, monkeypatch, number):
    monkeypatch.setenv("PYTHONDEVMODE", "1")  # then Python would tell of a socket left open
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    first = f"""
import threading
start, started = threading.Thread.start, []
def start_some(thread):
    started.append(thread)
    if len(started) >= {number}:
        raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = start_some
"""
    with Program(wrapped(tmp_path, first), "--port", "0") as program:
        lines = program.output()
    assert program.process.returncode == 1
    assert "cannot start: can't start new thread" in lines
    assert not [line for line in lines if "Traceback" in line]


def test_where_the_last_thread_cannot_be_started_the_printer_still_ends_by_itself(tmp_path):
    """Here print() is slow: Python would end in the middle of it, or crash."""
    first = """
import builtins, threading, time
start, quick_print = threading.Thread.start, print
def start_some(thread):
    if thread.name == "read_orders":
        raise RuntimeError("can't start new thread")
    start(thread)
def slow_print(*words, **more):
    time.sleep(0.2)
    quick_print(*words, **more)
threading.Thread.start, builtins.print = start_some, slow_print
"""
    with Program(wrapped(tmp_path, first), "--port", "0") as program:
        lines = program.output()
    assert program.process.returncode == 1
    assert "cannot start: can't start new thread" in lines
    assert [line for line in lines if line.startswith("to join")]


# ---- Stopping ------------------------------------------------------------------------------------


@posix
@signals
def test_a_stop_tells_everybody_and_frees_the_port_at_once(number):
    with Server("--port", str(lasting_port())) as server:
        nameless = server.client()
        ada, bob = server.gather("ada", "bob")
        bob.raw(frame("half a frame")[:15])
        start = time.monotonic()
        server.process.send_signal(number)
        for person in (ada, bob, nameless):
            assert person.notice("bye")
            assert person.rest() == []
            person.close()
        assert server.process.wait(TIMEOUT) == 0
        assert time.monotonic() - start < STOP_SECONDS
        assert not [line for line in server.output() if "Traceback" in line]
        with Server("--port", str(server.port)) as again:
            assert again.port == server.port
            assert is_chatting(*again.gather("ada", "bob"))


@posix
@signals
def test_a_stopped_reader_does_not_hold_up_the_stop(number):
    with Server("--max-rate", "0") as server:
        ada, stuck = server.gather("ada", "stuck")
        # More than the system keeps for somebody, less than gets one cut off.
        for count in range(1200):
            text = f"{count} " + "x" * 1900
            ada.send(text)
            ada.expect("ada", text)
        start = time.monotonic()
        assert server.stop(number) == 0
        print(f"stopped after {time.monotonic() - start:.2f} s")
        assert time.monotonic() - start < STOP_SECONDS
        assert ada.notice("bye")
        assert ada.rest() == []
        assert stuck.pair() == ("ada", "0 " + "x" * 1900)


# As on a system that keeps only little for each connection, and with a clock at a tenth.
SMALL_AND_SLOW = """
import socket, time
accept, monotonic = socket.socket.accept, time.monotonic
def accept_with_small_buffer(self):
    sock, address = accept(self)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
    return sock, address
socket.socket.accept, time.monotonic = accept_with_small_buffer, lambda: monotonic() / 10
"""


@posix
def test_who_hangs_up_half_way_gets_all_that_waits_for_it(tmp_path):
    with Server("--max-rate", "0", script=wrapped(tmp_path, SMALL_AND_SLOW)) as server:
        ada = server.client("ada")
        slow = server.client("slow", receive_buffer=4096)
        ada.expect("server", "joined slow")
        texts = [f"{count} " + "x" * 1900 for count in range(100)]
        for text in texts:
            ada.send(text)
            ada.expect("ada", text)
        slow.hang_up()
        ada.expect("server", "left slow")
        for number in range(20):  # these rounds have to leave what waits alone
            ada.send(f"round {number}")
            ada.expect("ada", f"round {number}")
        assert slow.rest() == [("ada", text) for text in texts]


@posix
def test_a_stop_waits_for_who_still_reads_what_it_is_owed(tmp_path):
    with Server("--max-rate", "0", script=wrapped(tmp_path, SMALL_AND_SLOW)) as server:
        ada = server.client("ada")
        slow = server.client("slow", receive_buffer=4096)
        ada.expect("server", "joined slow")
        texts = [f"{count} " + "x" * 1900 for count in range(100)]
        for text in texts:
            ada.send(text)
            ada.expect("ada", text)
        server.process.send_signal(signal.SIGTERM)
        assert ada.notice("bye")
        ada.close()
        assert [slow.pair() for _ in texts] == [("ada", text) for text in texts]
        assert slow.notice("bye")
        assert slow.rest() == []
        slow.close()
        assert server.process.wait(TIMEOUT) == 0


@posix
def test_a_stop_in_the_middle_of_a_flood_is_clean():
    with Server("--max-rate", "0") as server:
        ada, eve = server.gather("ada", "eve")

        def flood():
            with contextlib.suppress(OSError):
                while True:
                    eve.raw(frame("x" * 100) * 1000)

        flooder = threading.Thread(target=flood)
        flooder.start()
        assert ada.pair() == ("eve", "x" * 100)
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < STOP_SECONDS
        flooder.join(TIMEOUT)
        assert not [line for line in server.output() if "Traceback" in line]


@posix
def test_two_impatient_ctrl_c_are_as_good_as_one():
    with Server() as server:
        ada = server.client("ada")
        for _ in range(3):
            server.process.send_signal(signal.SIGINT)
        assert ada.notice("bye")
        ada.close()
        assert server.process.wait(TIMEOUT) == 0
        assert not [line for line in server.output() if "Traceback" in line]


# ---- What it prints ------------------------------------------------------------------------------


def stopped(server: Server) -> list:
    """Return all that a server printed, once everybody has left and it has ended."""
    server.clear()
    server.stop()
    return server.output()


def test_one_line_for_each_who_joins_or_leaves_with_address_and_reason():
    with Server() as server:
        ada, bob = server.gather("ada", "bob")
        address = "{}:{}".format(*ada.sock.getsockname())
        assert address in server.wait_for("ada")
        server.wait_for("bob")
        ada.raw(b"rubbish!!!")
        reason = bob.notice("left").removeprefix("ada ")
        line = server.wait_for("ada")
        assert address in line
        assert reason in line
        bob.send("/quit")
        assert re.search(ADDRESS, server.wait_for("bob"))
        twin = server.client("ada")
        server.wait_for("ada")
        late = server.client()
        late.send("ADA")
        assert re.search(f"{ADDRESS}.* taken", server.wait_for(":"))
        assert is_chatting(twin)
        lines = [line for line in stopped(server) if re.search(ADDRESS, line)]
    joined = [line for line in lines if line.startswith("+ ")]
    assert [line.split()[1] for line in joined] == ["ada", "bob", "ada"]


def test_a_name_that_the_terminal_cannot_show_is_printed_all_the_same():
    with Server(env={"PYTHONIOENCODING": "ascii"}) as server:
        ada, zoe = server.gather("ada", "Zoë")
        server.wait_for(r"+ Zo\xeb joined")
        zoe.send("/quit")
        server.wait_for(r"- Zo\xeb left")
        ada.expect("server", "left Zoë")
        assert is_chatting(ada, server.client("bob"))
        server.wait_for("+ bob joined")


def test_nobodys_words_are_printed():
    with Server() as server:
        ada, bob = server.gather("ada", "bob")
        ada.send(
            "a PUBLIC word",
            "/msg bob a PRIVATE word",
            "/UNKNOWN",
            "//SLASH",
            "FORBIDDEN\n",
            "/msg UNKNOWN word",
        )
        bob.raw(frame("hello")[:3] + b"UNFRAMED")
        bob.hang_up()
        bob.rest()
        assert is_chatting(ada)
        output = "\n".join(stopped(server))
    for word in ("PUBLIC", "PRIVATE", "UNKNOWN", "SLASH", "FORBIDDEN", "UNFRAMED"):
        assert word not in output


PASSWORDS_SAID = [
    "ada geheimnis",
    "bob  geheimnis",
    "ADA geheimnis",
    "eve geheimnis wrong",
    "eve geheimnis2",
]


def test_a_password_is_never_printed(tmp_path):
    transcript = tmp_path / "transcript"
    with Server("--password", "geheimnis", "--trace", "--transcript", str(transcript)) as server:
        for said in PASSWORDS_SAID:
            client = server.client()
            client.send(said)
            assert client.notice("welcome" if said == "ada geheimnis" else "refused")
            if said == "ada geheimnis":
                client.notice("online")
                client.send("hello")
                client.expect("ada", "hello")
        output = "\n".join(stopped(server))
    assert re.search(r"^to join: .* --password \.\.\.$", output, re.MULTILINE), (
        "others have to know that there is one"
    )
    assert "geheimnis" not in output + transcript.read_text(encoding="utf-8")


def test_a_password_is_not_printed_even_if_the_name_was_forgotten():
    with Server("--password", "geheimnis", "--trace") as server:
        client = server.client()
        client.send("geheimnis")
        assert client.notice("refused")
        assert "geheimnis" not in "\n".join(stopped(server))


def test_a_password_is_not_printed_even_if_it_stands_where_the_header_should():
    with Server("--password", "geheimnis", "--trace") as server:
        client = server.client()
        client.raw(b"geheimnis\n")
        assert client.notice("bye")
        assert "geheimnis" not in "\n".join(stopped(server))


WAYS_TO_TELL = ["option", "option with a dash", "file", "environment", "option before all"]


@pytest.mark.parametrize("way", WAYS_TO_TELL)
def test_a_password_can_be_told_without_standing_in_a_list_of_processes(tmp_path, way):
    password, options, environment = "grün und -x", [], {}
    file = tmp_path / "password"
    file.write_text(f"{password}\nand another line\n", encoding="utf-8")
    if way == "option":
        options = ["--password", password]
    elif way == "option with a dash":
        password = "-x"
        options = ["--password=-x"]
    elif way == "file":
        options, environment = ["--password-file", str(file)], {"CHAT_PASSWORD": "another"}
    elif way == "environment":
        environment = {"CHAT_PASSWORD": password}
    else:
        options = ["--password", password, "--password-file", "no such file"]
        environment = {"CHAT_PASSWORD": "another"}
    with Server(*options, env=environment) as server:
        ada = server.client()
        ada.send(f"ada {password}")
        ada.expect("server", "welcome ada")
        for wrong in ("", " another", f" {password}2"):
            eve = server.client()
            eve.send(f"eve{wrong}")
            assert "password" in eve.notice("refused")
        assert "--password ..." in server.wait_for("to join")
        server.wait_for("wrong password from 127.0.0.1")
        assert password not in "\n".join(stopped(server))


@pytest.mark.parametrize("options, environment", [(["--password", ""], "x"), ([], "")])
def test_an_empty_password_is_none(options, environment):
    with Server(*options, env={"CHAT_PASSWORD": environment}) as server:
        assert is_chatting(server.client("ada"))


# ---- Trace and transcript ------------------------------------------------------------------------


def test_trace_shows_each_frame_in_and_out():
    with Server("--trace") as server:
        ada, bob = server.gather("ada", "bob")
        ada.send("hello, you", "/msg bob hi", "/help")
        ada.expect("ada", "hello, you")
        ada.expect("ada -> bob", "hi")
        assert ada.notice("help")
        here, there = (
            re.escape("{}:{}".format(*person.sock.getsockname())) for person in (ada, bob)
        )
        bob.send("/quit")
        bob.rest()
        lines = stopped(server)
    payloads = [  # who, which way, header and payload, how often
        (here, "<-", "3·········", "ada", 1),
        (here, "->", "11········", "welcome·ada", 1),
        (here, "->", "10········", "joined·bob", 1),
        (there, "<-", "3·········", "bob", 1),
        (here, "<-", "10········", "hello,·you", 1),
        (here, "->", "10········", "hello,·you", 1),
        (there, "->", "10········", "hello,·you", 1),
        (here, "<-", "11········", "/msg·bob·hi", 1),
        (here, "->", "10········", "ada·->·bob", 1),
        (there, "->", "10········", "ada·->·bob", 1),
        (there, "->", "2·········", "hi", 1),
        (here, "->", "3·········", "ada", 1),
        (here, "<-", "5·········", "/help", 1),
        (there, "<-", "5·········", "/quit", 1),
        (there, "->", "5·········", "/quit", 0),
    ]
    for address, arrow, header, payload, count in payloads:
        pattern = rf"{address} {arrow} {re.escape(header)}\W?{re.escape(payload)}"
        assert len([line for line in lines if re.fullmatch(pattern, line)]) == count, pattern


def test_control_characters_are_harmless_in_a_trace():
    evil = [
        "\x1b[2J\x1b]0;title\x07",
        "a\rb\nc",
        "\u202eevil",
        "\x9b31m",
        "\u2028",
        "\u2066",
        b"\xff\xfe",
        "\0",
        "\x7f",
    ]
    with Server("--trace") as server:
        for name in evil:
            client = server.client()
            client.send(name, "hello")
            assert client.notice("refused")
        ada = server.client()
        ada.send("ada", *evil)
        ada.skip_to("server", "online ada")
        for _ in evil:
            assert ada.notice("error")
        ada.raw(b"\x1b[2J\x1b[3J  ")
        assert ada.notice("bye")
        lines = stopped(server)
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if "Traceback" in line] == []
    assert len([line for line in lines if "31m" in line]) == 2
    title = r"|\x1b[2J\x1b]0;title\x07"  # as a name, and as a message
    assert len([line for line in lines if line.endswith(title)]) == 2


def test_the_transcript_has_one_line_for_each_public_message(tmp_path):
    path = tmp_path / "transcript.txt"
    path.write_text("what was there before\n", encoding="utf-8")
    start = datetime.now().replace(microsecond=0)
    with Server("--transcript", str(path)) as server:
        ada, bob = server.gather("ada", "bob")
        ada.send(
            "hello",
            "/msg bob PRIVATE",
            "/who",
            "/help",
            "/nonsense",
            "bad\n",
            "//slash",
            "Grüße \U0001f600\tx",
        )
        assert is_chatting(ada, bob)
        stopped(server)
    if windows:
        pytest.skip("a server that is killed writes no end")
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    assert first == "what was there before"
    times, names, texts = zip(*(line.split(" ", 2) for line in lines), strict=True)
    assert texts == ("hello", "/slash", "Grüße \U0001f600\tx", "is anybody here?")
    assert set(names) == {"ada"}
    for moment in times:
        moment = datetime.fromisoformat(moment).replace(tzinfo=None)
        assert start <= moment <= datetime.now()


def test_lines_are_seen_at_once_although_a_transcript_is_written_too(tmp_path):
    with Server("--transcript", str(tmp_path / "transcript")) as server:
        for number in range(10):
            client = server.client()
            client.send(f"person{number}", "hello")
            server.wait_for(f"+ person{number} joined")


@pytest.mark.parametrize(
    "kind", ["no folder", "a folder", "a full disk", "a pipe that nobody reads"]
)
def test_a_bad_transcript_stops_neither_the_chat_nor_the_stop(tmp_path, kind):
    path = {
        "no folder": tmp_path / "no" / "folder",
        "a folder": tmp_path,
        "a full disk": "/dev/full",
    }.get(kind)
    if kind == "a full disk" and not os.path.exists("/dev/full"):
        pytest.skip("there is no device that is always full")
    if kind == "a pipe that nobody reads":
        if windows:
            pytest.skip(UNIX)
        path = tmp_path / "pipe"
        os.mkfifo(path)
    with Server("--transcript", str(path)) as server:
        assert is_chatting(*server.gather("ada", "bob"))
        if kind != "a pipe that nobody reads":
            server.wait_for("transcript")
        assert is_chatting(*server.gather("eve", "joe"))
        server.clear()
        start = time.monotonic()
        assert server.ends_well()
        assert time.monotonic() - start < STOP_SECONDS
        assert not [line for line in server.output() if "Traceback" in line]


class FirstLineOnly(Server):
    """A server of whose output only the first line is ever read."""

    def _collect(self) -> None:
        self.lines.put(self.process.stdout.readline().rstrip("\n"))


class FirstLineThenClosed(FirstLineOnly):
    """A server whose output nobody can read any more after the first line."""

    def _collect(self) -> None:
        super()._collect()
        self.process.stdout.close()


@posix
@pytest.mark.parametrize("kind", [FirstLineOnly, FirstLineThenClosed])
def test_output_that_nobody_reads_stops_neither_the_chat_nor_the_stop(kind):
    with kind("--trace", "--max-rate", "0") as server:
        ada, bob = server.gather("ada", "bob")
        texts = [f"{number} {'x' * 1000}" for number in range(500)]  # far more than a pipe holds
        ada.send(*texts)
        for person in (ada, bob):
            assert [person.pair() for _ in texts] == [("ada", text) for text in texts]
        assert is_chatting(*server.gather("eve", "joe"))
        server.clear()
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < STOP_SECONDS


@posix
@pytest.mark.parametrize("where", [">&-", pytest.param(">/dev/full", marks=full_device), "| true"])
def test_output_that_goes_nowhere_from_the_start_does_not_stop_the_chat(where):
    port = lasting_port()
    if where == "| true":
        reading, writing = os.pipe()
        os.close(reading)
        command, more = [sys.executable, str(SCRIPT), "--port", str(port)], {"stdout": writing}
    else:
        command, more = (
            [
                "sh",
                "-c",
                f'exec "$0" "$@" {where}',
                sys.executable,
                str(SCRIPT),
                "--port",
                str(port),
            ],
            {},
        )
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **more)
    try:
        end = time.monotonic() + TIMEOUT
        while process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(ConnectionRefusedError), Client(port, "ada") as ada:
                assert is_chatting(ada)
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT)
        assert errors == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
        if where == "| true":
            os.close(writing)


@linux
def test_the_transcript_is_whole_lines_although_the_disk_is_full_for_a_while(tmp_path):
    """The system takes a part of a line, and then nothing more, until there is room again."""
    import resource

    path = tmp_path / "transcript"
    texts = [f"{number} {'x' * 50}" for number in range(30)]
    with Server("--max-rate", "0", "--transcript", str(path)) as server:
        ada = server.client("ada")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        for text in texts:
            ada.send(text)
            ada.expect("ada", text)
        assert "File too large" in server.wait_for("not in the transcript")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        ada.send("at last")
        ada.expect("ada", "at last")
        stopped(server)
        complaints = [line for line in server.seen if "not in the transcript" in line]
    assert len(complaints) == 1, "once is enough"
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == "", "the last line ends"
    *said, last = [line.split(" ", 2)[2] for line in lines]
    assert last == "at last"
    assert said[:6] == texts[:6]
    # A scribe who is late finds room again for some of the last ones, but for whole ones only.
    assert len(said) < len(texts)
    assert said == [text for text in texts if text in said]


@posix
def test_what_is_said_while_the_terminal_stands_still_is_in_the_transcript_at_the_end(tmp_path):
    path = tmp_path / "transcript"
    with FirstLineOnly("--trace", "--max-rate", "0", "--transcript", str(path)) as server:
        [ada] = server.gather("ada")
        texts = [f"{number} {'x' * 1000}" for number in range(500)]  # far more than a pipe holds
        for text in texts:
            ada.send(text)
            ada.expect("ada", text)
        server.clear()
        assert server.stop() == 0
    said = [line.split(" ", 2)[2] for line in path.read_text(encoding="utf-8").splitlines()]
    assert said == texts


def test_a_transcript_without_a_rate_limit_misses_nothing(tmp_path):
    path = tmp_path / "transcript"
    with Server("--max-rate", "0", "--transcript", str(path)) as server:
        ada, bob = server.gather("ada", "bob")
        texts = [str(number) for number in range(5000)]
        ada.send(*texts)
        for person in (ada, bob):
            person.skip_to("ada", texts[-1])
        stopped(server)
    if windows:
        pytest.skip("a server that is killed writes no end")
    said = [line.split(" ", 2)[2] for line in path.read_text(encoding="utf-8").splitlines()]
    assert said == texts


def test_lines_that_nobody_takes_have_a_bound_and_that_is_said(tmp_path):
    code = """
import queue, chat_server
lines = queue.SimpleQueue()
for number in range(10_000):
    chat_server.put_line(lines, str(number), 100)
lines.put(None)
chat_server.print_lines(lines)
"""
    with Program("-c", code) as program:
        *lines, last = program.output()
    assert lines == [str(number) for number in range(100)]
    assert "missing" in last
