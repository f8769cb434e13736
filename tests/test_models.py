"""The three servers with other engines keep the same promises: the server's tests over each."""

import ast
import contextlib
import functools
import os
import shutil
import signal
from pathlib import Path

import pytest
import test_server_faults
import test_server_program
import test_server_protocol
from kit import ROOT, TIMEOUT, UNIX, Program, Server, checker, wrapped
from test_server_faults import LONGEST, Chat, cpu_seconds, linux, newcomer

MODELS = ["asyncio_server.py", "selectors_server.py", "writer_threads_server.py"]
FOLDER = ROOT / "lessons" / "models"
MOST = 3000  # texts of 8,000 bytes: nobody has to remember so much for one who does not read
CHECK_SECONDS = 240  # for a whole run of the checker, while others run

# What these tests ask for, the models do not have: a password, the engine of chat_server.py.
NOT_THEIRS = [
    "test_who_leaves_at_once_gets_all_answers_first",
    "test_a_room_with_a_password_lets_in_only_who_knows_it",
    "test_a_password_may_hold_spaces_and_any_letters",
]
THEIRS = {
    test_server_protocol: [
        name
        for name in vars(test_server_protocol)
        if name.startswith("test_") and name not in NOT_THEIRS
    ],
    test_server_faults: [
        "test_last_words_arrive_even_if_the_client_has_sent_much_more",
        "test_who_goes_on_sending_after_the_last_words_is_cut",
        "test_who_never_hangs_up_is_cut_although_others_leave_all_the_time",
        "test_too_fast_is_slowed_down_not_cut_off_and_loses_nothing",
        "test_without_a_rate_limit_nobody_is_slowed_down",
        "test_a_flood_takes_no_memory_without_bound_and_delays_nobody",
    ],
    test_server_program: [
        "test_a_client_of_the_classic_tutorials_works_unchanged_on_the_defaults",
        "test_a_stop_tells_everybody_and_frees_the_port_at_once",
        "test_a_stopped_reader_does_not_hold_up_the_stop",
        "test_a_stop_in_the_middle_of_a_flood_is_clean",
        "test_two_impatient_ctrl_c_are_as_good_as_one",
    ],
}
for module, names in THEIRS.items():
    globals().update({name: getattr(module, name) for name in names})


@pytest.fixture(scope="module")
def checks():
    """The checker at work on each program, on all at the same time: its last stage waits a while.

    It begins when the first test asks for it: the tests before that one measure time.
    """
    programs = [ROOT / "chat_server.py", *(FOLDER / model for model in MODELS)]
    runs = {path.name: Program(*checker(path)[1:]) for path in programs}
    yield runs
    for run in runs.values():
        run.__exit__()


@pytest.fixture(scope="module", params=MODELS, autouse=True)
def model(request):
    """The path of a model, which is the server to all tests here: they run once over each model."""
    path = ROOT / request.param if request.param == "chat_server.py" else FOLDER / request.param
    with pytest.MonkeyPatch.context() as patch:
        for module in THEIRS:
            patch.setattr(module, "Server", functools.partial(Server, script=path))
        yield path


@pytest.fixture(scope="module")
def shared_server(model):
    with Server("--max-rate", "0", script=model) as server:
        yield server


@pytest.fixture
def server(shared_server):
    """A server with an empty room."""
    yield shared_server
    shared_server.clear()


def test_a_stopped_reader_is_let_go_and_delays_nobody(server):
    ada, bob = server.gather("ada", "bob")
    stuck = server.client("stuck", receive_buffer=4096)  # so the system keeps little of it
    with Chat(ada, bob, LONGEST) as chat:
        while len(chat.heard("left", "stuck")) < 2 and chat.problem is None and chat.count < MOST:
            chat.stop.wait(0.01)
    assert chat.was_fine()
    assert chat.heard("left", "stuck") == ["left stuck too slow a reader"] * 2, (
        "ada and bob hear it once each"
    )
    # What it did not read is lost, but its connection ends.
    with contextlib.suppress(ConnectionError):
        while stuck.sock.recv(1 << 20):
            pass


@pytest.mark.skipif(os.name == "nt", reason=UNIX)
@pytest.mark.parametrize("model", ["asyncio_server.py", "selectors_server.py"], indirect=True)
def test_who_has_said_much_at_once_is_not_heard_to_the_end_before_others(model):
    """All is there when the server looks: what eve says, and behind it what ada says."""
    with Server("--max-rate", "0", script=model) as server:
        ada, eve = server.gather("ada", "eve")
        server.stand_still()
        eve.send(*["/who"] * 4000)
        ada.send("hello")
        server.process.send_signal(signal.SIGCONT)
        assert len(eve.skip_to("ada", "hello")) < 1000


def test_frames_that_wait_for_the_rate_limit_are_not_half_a_frame(model, tmp_path):
    """Here the deadlines are half a second, and what ada has sent takes longer."""
    short = tmp_path / model.name
    text = model.read_text(encoding="utf-8")
    for line in ("NAME_SECONDS = 10", "FRAME_SECONDS = 30"):
        assert line in text
        text = text.replace(line, line.rpartition(" ")[0] + " 0.5")
    short.write_text(text, encoding="utf-8")
    with Server("--max-rate", "10", script=short) as server:
        ada, half, nobody = server.client(), server.client("half"), server.client()
        half.raw(b"5    ")
        texts = [str(number) for number in range(30)]
        ada.send("ada", *texts)
        ada.expect("server", "welcome ada")
        said = [pair for pair in iter(ada.pair, ("ada", texts[-1])) if pair[0] == "ada"]
        assert said == [("ada", text) for text in texts[:-1]]
        assert half.rest()[-1] == ("server", "bye half a frame and then silence")
        assert nobody.rest() == [("server", "refused no name in time")]


@linux
def test_too_many_open_files_are_the_newcomers_trouble_only(model):
    import resource

    with Server("--max-rate", "0", script=model) as server:
        ada, bob = server.gather("ada", "bob")
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (30, 30))
        with Chat(ada, bob, pause=0.01) as chat:
            crowd = [server.client() for _ in range(40)]
            busy, count = cpu_seconds(server), chat.count
            while chat.count < count + 100 and chat.problem is None:
                chat.stop.wait(0.01)
            assert cpu_seconds(server) - busy < 0.5, "it spins"
        assert chat.was_fine()
        for nobody in crowd:
            nobody.close()
        eve = newcomer(server, "eve")
        ada.send("hello, eve")
        assert ada.skip_to("ada", "hello, eve") == [("server", "joined eve")]
        eve.expect("ada", "hello, eve")
        server.stop()
        assert server.output() == [f"listening on 127.0.0.1:{server.port}"]


LIKE_WINDOWS = """
import selectors
class Windows(selectors.SelectSelector):
    def select(self, timeout=None):
        if not self.get_map():
            raise OSError(10022, "An invalid argument was supplied")
        return super().select(timeout)
selectors.DefaultSelector = Windows
""".replace("\n", "\\n")


@pytest.mark.parametrize("model", ["selectors_server.py"], indirect=True)
def test_it_runs_where_select_refuses_to_wait_for_nothing_and_for_what_is_closed(model, tmp_path):
    with Server(script=wrapped(tmp_path, f'exec("""{LIKE_WINDOWS}""")', model)) as server:
        ada, bob = server.gather("ada", "bob")
        ada.send("hello")
        bob.expect("ada", "hello")
        if os.name == "posix":
            assert server.stop() == 0
            assert bob.rest() == [("server", "bye the server is shutting down")]
            assert len(server.output()) == 1, server.seen


@pytest.mark.parametrize("model", ["selectors_server.py"], indirect=True)
def test_whom_select_cannot_watch_waits_until_somebody_leaves(model, tmp_path):
    few = tmp_path / model.name
    lines = model.read_text(encoding="utf-8").splitlines(keepends=True)
    [number] = [i for i, line in enumerate(lines) if line.startswith("MOST_SOCKETS = ")]
    lines[number] = "MOST_SOCKETS = 2\n"
    few.write_text("".join(lines), encoding="utf-8")
    with Server(script=few) as server:
        ada, bob = server.gather("ada", "bob")
        eve = server.client()
        eve.send("eve")
        ada.send("hello")
        bob.expect("ada", "hello")
        eve.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            eve.sock.recv(1)
        eve.sock.settimeout(TIMEOUT)
        ada.hang_up()
        eve.skip_to("server", "welcome eve")


def test_it_works_alone_in_an_empty_folder(model, tmp_path):
    script = shutil.copy(model, tmp_path)
    with Server(script=script, folder=tmp_path) as server:
        [ada] = server.gather("ada")
        ada.send("hello")
        ada.expect("ada", "hello")
        assert server.seen == [f"listening on 127.0.0.1:{server.port}"]
        assert [path.name for path in tmp_path.iterdir()] == [model.name]


def test_where_it_cannot_listen_it_says_so_in_one_line(model, shared_server):
    with Program(model, "--port", str(shared_server.port)) as second:
        [line] = second.output()
    assert second.process.returncode == 1
    assert str(shared_server.port) in line
    assert "--port" in line


@pytest.mark.parametrize(
    "option", ["--max-rate=-1", "--max-rate=nan", "--max-clients=0", "--nonsense"]
)
def test_a_wrong_option_is_explained(model, option):
    with Program(model, option) as program:
        lines = program.output()
    assert program.process.returncode == 2
    assert option.partition("=")[0] in lines[-1]


@functools.cache
def definitions(path: Path) -> dict:
    """Return the lines of each class and function at the top of a program."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    nodes = [
        node for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    ]
    return {node.name: lines[node.lineno - 1 : node.end_lineno] for node in nodes}


def test_it_differs_from_the_others_by_its_engine_only(model):
    ours, server = definitions(model), definitions(ROOT / "chat_server.py")
    for name in {"frame", "take_frame", "read_frame", "mistake_in", "fold"} & {*ours}:
        assert ours[name] == server[name], name
    for other in MODELS:
        theirs = definitions(FOLDER / other)
        for name in ("Room", "parse_options"):
            assert ours[name] == theirs[name], f"{name} of {other}"


@pytest.mark.parametrize("model", [*MODELS, "chat_server.py"], indirect=True)
def test_the_checker_finds_nothing_wrong(model, checks):
    run = checks[model.name]
    run.process.wait(CHECK_SECONDS)
    assert run.process.returncode == 0, "\n".join(run.output())
