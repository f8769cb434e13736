"""What the window does around a conversation: the log, find, menus, the wire view, the keyboard."""

import os
import random
import re
import signal
import socket
import sys
import time
import types

import pytest
from gui_kit import (
    come_back,
    fill_form,
    focused,
    opened_windows,
    paste,
    people,
    say,
    shortcut,
    shown,
    tags_at,
    type_in,
    wire,
)
from kit import PROC, ROOT, TIMEOUT, UNIX, Client, Program, Server, frame, lasting_port
from test_conversation import ODD

sys.path.insert(0, str(ROOT))
import chat_client_gui as gui

tk = pytest.importorskip("tkinter", reason="this Python has no tkinter")
stops = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason=UNIX)


@pytest.fixture
def windows(screen):
    yield from opened_windows()


@pytest.fixture(scope="module")
def server():
    with Server("--max-rate", "0") as program:
        yield program


@pytest.fixture
def bob(server):
    """Somebody else in the room."""
    with Client(server.port, "bob") as client:
        yield client


@pytest.fixture
def ada(windows, server, bob):
    """A window in a room with bob."""
    window = windows.join(server.port)
    bob.skip_to("server", "joined ada")
    return window


def hear(windows, window, bob, *texts):
    """Let bob say something, and wait until the window has shown the last of it."""
    bob.send(*texts)
    windows.wait_until(lambda: texts[-1].partition("/msg ada ")[2] or texts[-1] in shown(window))
    windows.wait_until(lambda: texts[-1].split("/msg ada ")[-1] in shown(window))


def press(window, widget, key):
    widget.focus_force()
    window.root.update()
    widget.event_generate(key)
    window.root.update()


def click_at(text, words, event="<ButtonRelease-1>", offset=0):
    """Click on words, which have to be in sight."""
    place = text.search(words, "end", backwards=True)
    text.see(place)
    text.update()
    x, y, _, height = text.bbox(f"{place} + {offset} chars")
    if event == "<ButtonRelease-1>":
        text.event_generate("<Button-1>", x=x + 2, y=y + height // 2)
    text.event_generate(event, x=x + 2, y=y + height // 2)
    text.update()


def lit(text):
    """Return the lines that are lit up."""
    ranges = text.tag_ranges("lit")
    parts = [text.get(*ends) for ends in zip(ranges[::2], ranges[1::2], strict=True)]
    return "".join(parts).splitlines()


# ---- Nothing that is typed or heard makes it deaf ------------------------------------------------


def test_blanks_make_it_neither_deaf_nor_wait_for_ever(windows, ada, bob):
    paste(ada, "a" + " " * 4000 + "b\n   \n\t\n")
    ada.entry.event_generate("<Return>")
    say(ada, "   ", " /who", "/msg", "/")
    windows.wait_until(lambda: not ada.talk.waiting)
    hear(windows, ada, bob, "still there?")


def test_a_mistake_with_one_event_does_not_end_the_others(windows, ada, bob, capfd):
    hear_right, mistakes = ada.talk.hear, [1, 1]

    def hear_wrong(sender, text):
        if "trouble" in text:
            mistakes.pop()
            raise KeyError("a mistake")
        return hear_right(sender, text)

    ada.talk.hear = hear_wrong
    bob.send("trouble", "trouble", "after it")
    end = time.monotonic() + TIMEOUT
    while "after it" not in shown(ada) and time.monotonic() < end:
        windows.update()
    assert "after it" in shown(ada) and not mistakes
    assert [type(error) for error in windows.errors] == [KeyError, KeyError]
    windows.errors.clear()
    assert "KeyError" in ada.status["text"] and "KeyError" in capfd.readouterr().err


def test_no_odd_text_of_a_server_is_a_mistake_of_the_window(windows):
    rnd = random.Random(2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        window = windows.open("ada", "--port", listener.getsockname()[1])
        sock, _ = listener.accept()
        with sock:
            sock.sendall(frame("server") + frame("welcome ada"))
            for _ in range(300):
                pair = []
                for start in ("server", "error ", "joined ", "left ", "online ", ""):
                    if rnd.random() < 0.4:
                        pair.append(
                            start + "".join(rnd.choice(ODD) for _ in range(rnd.randrange(5)))
                        )
                for text in pair[: len(pair) // 2 * 2]:
                    sock.sendall(frame(text.encode(errors="replace")))
            sock.sendall(frame("bob") + frame("the end"))
            windows.wait_until(lambda: "the end" in shown(window))


# ---- The form ------------------------------------------------------------------------------------


def test_the_focus_goes_to_the_field_that_is_wrong(windows):
    window = windows.open()
    for field, form in {
        "name": {"name": "a b", "host": "h", "port": "1"},
        "host": {"name": "ada", "host": "", "port": "1"},
        "port": {"name": "ada", "host": "h", "port": "x"},
    }.items():
        fill_form(window, **form)
        window.connect()
        windows.wait_until(lambda field=field: focused(window) is window.fields[field])
        assert "--" not in window.problem["text"]
        window.root.event_generate("<FocusOut>")
        window.root.event_generate("<FocusIn>")
        assert window.problem["text"], "it stays there"


def test_a_refused_password_leads_to_that_field(windows):
    with Server("--password", "s3cret") as server:
        window = windows.open("ada", "--port", server.port)
        windows.wait_until(lambda: "password" in window.problem["text"])
        windows.wait_until(lambda: focused(window) is window.fields["password"])


@pytest.mark.parametrize("points", [11, 28])
def test_all_of_the_form_can_be_reached_on_a_small_screen(windows, points):
    window = windows.open()
    window.looks.size = points
    window.looks.paint(window)
    window.root.geometry("1024x560")
    windows.wait_until(lambda: window.root.winfo_height() == 560)
    window.talk.problem = ""
    window.complain(
        "What is wrong needs some words, and here they are, more than one line.", "name"
    )
    window.root.focus_force()
    for widget in (*window.fields.values(), window.host_button, window.for_others):
        widget.focus_force()
        windows.update()
        top, bottom = (
            window.form.winfo_rooty(),
            window.form.winfo_rooty() + window.form.winfo_height(),
        )

        def in_sight(widget=widget, top=top, bottom=bottom):
            upper = widget.winfo_rooty()
            return top <= upper and upper + widget.winfo_height() <= bottom

        windows.wait_until(in_sight)
        assert widget.winfo_rootx() + widget.winfo_width() <= window.root.winfo_rootx() + 1024


def test_something_else_at_that_port_is_named_in_the_form(windows):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        window = windows.open("ada", "--port", listener.getsockname()[1])
        sock, _ = listener.accept()
        with sock:
            sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            windows.wait_until(lambda: "It said: SSH-2.0-OpenSSH_9.2" in window.problem["text"])
            windows.wait_until(lambda: focused(window) is window.fields["host"])


def test_a_server_that_never_says_welcome_is_given_up(windows, monkeypatch):
    monkeypatch.setattr(gui, "PATIENCE", 1)  # until then bob has to have spoken
    with socket.create_server(("127.0.0.1", 0)) as listener:
        window = windows.open("ada", "--port", listener.getsockname()[1])
        sock, _ = listener.accept()
        with sock:
            sock.sendall(frame("bob") + frame("hello"))
            windows.wait_until(lambda: "no chat server of this kind" in window.problem["text"])


# ---- Leaving, and a server of one's own ----------------------------------------------------------


def test_quit_is_no_loss_and_is_not_offered_again(windows, server, ada):
    type_in(ada, "/quit")
    windows.wait_until(lambda: ada.form.winfo_ismapped())
    assert ada.problem["text"] == "" and ada.timer is None
    ada.connect()
    windows.wait_until(lambda: ada.talk.state == "in")
    assert "not confirmed" not in shown(ada) and "hung up" not in shown(ada)


@stops
def test_what_was_not_confirmed_is_not_offered_elsewhere(windows):
    with Server() as one, Server() as other:
        window = windows.join(one.port)
        one.stand_still()
        type_in(window, "for the first room only")
        window.disconnect()
        fill_form(window, port=str(other.port))
        window.connect()
        windows.wait_until(lambda: window.talk.state == "in")
        assert "not confirmed" not in shown(window)
        shortcut(window, "<Control-r>")
        assert not window.talk.waiting
        os.kill(one.process.pid, signal.SIGCONT)
        window.disconnect()
        fill_form(window, port=str(one.port))
        come_back(windows, window)
        windows.wait_until(lambda: "send again" in shown(window))
        place = window.log.text.search("forget", "end", backwards=True)
        window.use(window.log.text, place)
        assert "for the first room only" not in shown(window)


def test_its_server_is_not_ended_under_its_guests_without_a_question(windows, monkeypatch):
    asked = []

    def ask(*words, **options):
        asked.append(options)
        return False

    monkeypatch.setattr(gui.messagebox, "askyesno", ask)
    window = windows.open("--port", "0")
    fill_form(window, name="ada")
    window.host()
    windows.wait_until(lambda: window.talk.state == "in")
    with Client(int(window.fields["port"].get()), "bob"):
        windows.wait_until(lambda: "bob" in people(window))
        window.disconnect()
        window.leave()
        assert asked == [{"default": "no", "parent": window.root}] and window.root.winfo_exists()
        with Server() as elsewhere:
            fill_form(window, port=str(elsewhere.port))
            window.connect()
            windows.wait_until(lambda: window.talk.state == "in")
            window.leave()  # alone there, but not in its own room
            assert len(asked) == 2
    monkeypatch.setattr(gui.messagebox, "askyesno", lambda *_, **__: True)
    process = window.server
    windows.close(window)
    assert process.wait(TIMEOUT) == 0


def test_others_are_told_what_to_type(windows, monkeypatch):
    monkeypatch.setattr(gui.messagebox, "askyesno", lambda *_, **__: True)
    window = windows.open("--port", "0")
    fill_form(window, name="ada")
    window.for_others.invoke()
    window.host()
    port = None
    windows.wait_until(lambda: "others type: " in shown(window))
    port = window.fields["port"].get()
    assert window.server.args[window.server.args.index("--host") + 1] == "0.0.0.0"
    lines = [line for line in shown(window).splitlines() if "others type: " in line]
    assert all("chat_client_cli.py --host" in line and f"--port {port}" in line for line in lines)
    assert not any("0.0.0.0" in line for line in lines)


# ---- A log that tells its story ------------------------------------------------------------------


def test_the_log_begins_with_the_day_and_the_room(windows, server, ada):
    lines = shown(ada).splitlines()
    assert lines[0] == time.strftime("%A, %d %B %Y") and lines[1] == f"127.0.0.1:{server.port}"


def test_a_loss_and_a_return_are_told_with_their_times(windows):
    with Server("--port", str(lasting_port())) as first:
        window = windows.join(first.port)
        port = first.port
    windows.wait_until(lambda: window.talk.state == "away")
    with Program(ROOT / "chat_server.py", "--port", str(port)) as again:
        again.wait_for("listening on")
        windows.wait_until(lambda: window.talk.state == "in")
        assert re.search(r"\d\d:\d\d\t\*\tconnection lost: .*hung up", shown(window))
        assert re.search(
            r"\d\d:\d\d\t\*\twe are back; messages between may be missing", shown(window)
        )


def test_who_comes_and_goes_in_a_row_takes_one_line(windows, server, ada, bob):
    guests = []
    for name in ("cid", "dan", "eva"):
        guests.append(Client(server.port, name))
    for guest in guests:
        guest.close()
    windows.wait_until(lambda: "eva" in shown(ada))
    windows.wait_until(lambda: people(ada) == {"ada", "bob"})
    lines = [line for line in shown(ada).splitlines() if "joined" in line]
    assert (
        len(lines) == 1 and lines[0].count("joined") == 1 and "cid, dan, eva joined; " in lines[0]
    )
    hear(windows, ada, bob, "now")
    with Client(server.port, "cid"):
        windows.wait_until(lambda: shown(ada).count("cid") == 3)
    assert shown(ada).index("now") < shown(ada).rindex("cid joined")


def test_so_many_moves_take_another_line_and_a_new_day_too(windows, ada, monkeypatch):
    for number in range(gui.MAX_MOVES + 5):
        ada.show_line(gui.Line("moved", "", f"guest{number} joined", [(9, "recv", number)]))
    monkeypatch.setattr(gui.time, "strftime", lambda _: "tomorrow")
    ada.show_line(gui.Line("moved", "", "somebody joined"))
    ada.show_line(gui.Line("moved", "", "somebody left"))
    ada.log.flush()
    lines = ada.log.content().splitlines()
    assert lines[-4].count("guest") == gui.MAX_MOVES and lines[-3].count("guest") == 5
    assert lines[-2] == "tomorrow" and "somebody joined; somebody left" in lines[-1]
    assert len(ada.log.about_at(f"{len(lines) - 3}.0")) == gui.MAX_MOVES


def test_new_stands_above_the_first_line_not_seen_and_the_button_leads_there(windows, ada, bob):
    hear(windows, ada, bob, *(f"line {number}" for number in range(100)))
    windows.update()
    ada.log.text.yview_moveto(0)
    windows.wait_until(lambda: not ada.at_end)
    hear(windows, ada, bob, *(f"unseen {number}" for number in range(60)))
    assert "line 99\n" in shown(ada) and re.search(r"line 99\nnew\n.*unseen 0\n", shown(ada))
    windows.wait_until(lambda: ada.newer.winfo_ismapped())
    ada.newer.invoke()
    windows.update()
    place = ada.log.text.search("unseen 0", "1.0")
    assert ada.log.text.dlineinfo(place)
    press(ada, ada.entry, "<Escape>")
    windows.wait_until(lambda: ada.at_end and not ada.newer.winfo_ismapped())
    ada.log.text.yview_moveto(0)
    windows.wait_until(lambda: not ada.at_end)
    hear(windows, ada, bob, "much later")
    assert shown(ada).count("\nnew\n") == 1
    assert re.search(r"unseen 59\nnew\n.*much later\n", shown(ada))


def test_new_marks_what_came_while_another_window_was_in_front(windows, ada, bob):
    ada.root.event_generate("<FocusOut>")
    hear(windows, ada, bob, "one", "two")
    assert re.search(r"\nnew\n.*one\n.*two\n", shown(ada))


def test_a_reader_is_not_moved_when_old_lines_are_dropped(windows, ada, bob):
    ada.log.limit = 100
    hear(windows, ada, bob, *(f"line {number}" for number in range(95)))
    windows.update()
    ada.log.text.yview(20)
    windows.update()
    top = ada.log.text.get("@0,0", "@0,0 lineend")
    hear(windows, ada, bob, *(f"more {number}" for number in range(60)))
    windows.update()
    assert ada.log.text.get("@0,0", "@0,0 lineend") == top
    ada.log.to_end()
    hear(windows, ada, bob, "now it may drop")
    assert len(ada.log.about) <= 100


# ---- Find, save, select --------------------------------------------------------------------------


def test_find_goes_through_all_places_and_counts_them(windows, ada, bob):
    hear(windows, ada, bob, "Header 👋 one", *("filling" for _ in range(80)), "a header, a HEADER")
    press(ada, ada.entry, "<Control-f>")
    assert focused(ada) is ada.finder.field, "at once: the next key may be here already"
    ada.finder.field.insert(0, "header")
    press(ada, ada.finder.field, "<KeyRelease>")
    counts = [ada.finder.count["text"]]
    for key in ("<Return>", "<Return>", "<Return>", "<Down>"):
        press(ada, ada.finder.field, key)
        counts.append(ada.finder.count["text"])
        here = ada.log.text.tag_ranges("found-here")
        assert ada.log.text.get(*here).lower() == "header" and ada.log.text.dlineinfo(here[0])
    assert counts == ["3 of 3", "2 of 3", "1 of 3", "3 of 3", "1 of 3"]
    ada.finder.field.delete(0, "end")
    ada.finder.field.insert(0, "nowhere")
    press(ada, ada.finder.field, "<KeyRelease>")
    assert ada.finder.count["text"] == "not found"
    press(ada, ada.finder.field, "<Escape>")
    assert not ada.finder.bar.winfo_manager() and not ada.log.text.tag_ranges("found")
    windows.wait_until(lambda: focused(ada) is ada.entry)


@pytest.mark.parametrize("points, width", [(11, 400), (28, 1024)])
def test_all_of_the_bar_is_in_sight_in_a_narrow_window_and_with_big_letters(
    windows, ada, bob, points, width
):
    hear(windows, ada, bob, *("a header" for _ in range(12)))
    ada.looks.resize(points - ada.looks.size)
    ada.looks.paint(ada)
    ada.root.geometry(f"{width}x560")
    windows.wait_until(lambda: ada.root.winfo_width() == width)
    press(ada, ada.entry, "<Control-f>")
    ada.finder.field.insert(0, "head")
    press(ada, ada.finder.field, "<KeyRelease>")
    windows.update()
    assert ada.finder.count["text"] == "12 of 12"
    for widget in ada.finder.bar.winfo_children():
        if widget is not ada.finder.field:
            assert widget.winfo_width() >= widget.winfo_reqwidth()
    assert ada.finder.field.winfo_width() >= ada.looks.measure("mmm", "TkTextFont")


@pytest.mark.parametrize(
    "words", [".", "(", "[a", "a\\", "{x}", "$y", "***=", "(?i)", "-all", "a|b", "👋", "é"]
)
def test_find_takes_every_text_as_it_is(windows, ada, bob, words):
    hear(windows, ada, bob, f"before {words} after")
    counts = ada.log.find(words)
    last = max(number for number, count in enumerate(counts) if count)
    ada.finder.words = words
    start, end = ada.finder.places_in(last)[-1]
    assert ada.log.text.get(start, end) == words


def test_messages_are_saved_as_text(windows, ada, bob, tmp_path, monkeypatch):
    hear(windows, ada, bob, "héllo 👋")
    path = tmp_path / "messages.txt"
    monkeypatch.setattr(gui.filedialog, "asksaveasfilename", lambda **_: str(path))
    press(ada, ada.entry, "<Control-s>")
    assert path.read_text("utf-8") == ada.log.content() and "bob>>\théllo 👋\n" in ada.log.content()
    assert str(path) in ada.status["text"]
    monkeypatch.setattr(gui.filedialog, "asksaveasfilename", lambda **_: str(tmp_path))
    ada.save()
    assert "Not saved" in ada.status["text"]
    monkeypatch.setattr(gui.filedialog, "asksaveasfilename", lambda **_: "")
    ada.save()


def test_bytes_are_saved_as_text_and_for_wireshark(windows, ada, bob, tmp_path, monkeypatch):
    hear(windows, ada, bob, "hello")
    path = tmp_path / "chat.pcap"
    monkeypatch.setattr(gui.filedialog, "asksaveasfilename", lambda **_: str(path))
    ada.save_bytes()
    data = path.read_bytes()
    assert data[:4] == b"\xd4\xc3\xb2\xa1" and frame("bob") + frame("hello") in data
    path = tmp_path / "chat.txt"
    ada.save_bytes()
    text = path.read_text("utf-8")
    assert "recv" in text and "payload hello" in text and "header  5·········" in text


def test_all_can_be_selected_in_the_messages_and_in_the_entry(windows, ada, bob):
    hear(windows, ada, bob, "to be selected")
    press(ada, ada.log.text, "<Control-a>")
    assert ada.log.text.get("sel.first", "sel.last") == ada.log.content()
    ada.entry.insert(0, "typed")
    press(ada, ada.entry, "<Control-a>")
    assert ada.entry.selection_get() == "typed"


# ---- Links and menus -----------------------------------------------------------------------------


def test_a_link_opens_on_release_but_not_at_the_end_of_a_selection(windows, ada, bob, monkeypatch):
    opened = gui.queue.SimpleQueue()
    monkeypatch.setattr(gui.webbrowser, "open", opened.put)
    hear(windows, ada, bob, "see http://one.example/ now")
    text = ada.log.text
    click_at(text, "http://one", "<Button-1>", 3)
    assert opened.empty()
    text.tag_add("sel", "end - 5 chars", "end - 2 chars")
    place = text.search("http://one", "1.0")
    x, y, *_ = text.bbox(place)
    text.event_generate("<ButtonRelease-1>", x=x + 2, y=y + 2)
    assert opened.empty(), "that was the end of a selection"
    text.tag_remove("sel", "1.0", "end")
    click_at(text, "http://one", offset=12)
    assert opened.get(timeout=TIMEOUT) == "http://one.example/"
    click_at(text, "http://one", "<Motion>", 3)
    assert text["cursor"] == "hand2"


def popped(monkeypatch, window):
    """Return a dict that is filled with what the next menu of the right button offers."""
    seen = {}

    def popup(event, entries):
        seen.clear()
        seen.update(entries)
        return "break"

    monkeypatch.setattr(window, "popup", popup)
    return seen


def test_the_right_button_knows_messages_names_and_the_entry(windows, ada, bob, monkeypatch):
    opened = gui.queue.SimpleQueue()
    monkeypatch.setattr(gui.webbrowser, "open", opened.put)
    hear(windows, ada, bob, "see http://one.example/ now")
    seen = popped(monkeypatch, ada)
    text = ada.log.text
    place = text.search("http://one", "1.0")
    x, y, *_ = text.bbox(place)
    ada.popup_log(types.SimpleNamespace(widget=text, x=x + 2, y=y + 2))
    assert list(seen) == ["Copy", "Select all", "Open the link", "Copy the link", "Show its bytes"]
    seen["Open the link"]()
    assert opened.get(timeout=TIMEOUT) == "http://one.example/"
    seen["Copy the link"]()
    assert ada.root.clipboard_get() == "http://one.example/"
    seen["Show its bytes"]()
    windows.update()
    assert ada.wire.is_open and any("see·http" in line for line in lit(ada.wire.log.text))
    x, y, *_ = ada.roster.bbox("@bob")
    ada.popup_name(types.SimpleNamespace(y=y + 2))
    seen["Private message"]()
    assert ada.entry.get() == "/msg bob "
    ada.popup_entry(types.SimpleNamespace(widget=ada.entry))
    assert list(seen) == ["Cut", "Copy", "Paste", "Select all"]
    seen["Select all"]()
    seen["Cut"]()
    assert ada.entry.get() == "" and ada.root.clipboard_get() == "/msg bob "
    seen["Paste"]()
    assert ada.entry.get() == "/msg bob "


def test_a_menu_of_the_right_button_is_made_anew_each_time(windows, ada):
    posted = []
    ada.context.tk_popup = lambda *where: posted.append(where)
    event = types.SimpleNamespace(x_root=1, y_root=2)
    ada.popup(event, [("One", lambda: None), ("Two", None)])
    ada.popup(event, [("Three", lambda: None)])
    assert posted == [(1, 2), (1, 2)] and ada.context.entrycget(0, "label") == "Three"
    assert ada.context.index("end") == 0


def test_one_after_the_other_can_be_addressed(windows, server, ada):
    with Client(server.port, "carol"):
        windows.wait_until(lambda: "carol" in people(ada))
        ada.entry.insert(0, "for your eyes only")
        for name in ("bob", "carol", "carol"):
            ada.roster.see(f"@{name}")
            windows.update()
            x, y, _, height = ada.roster.bbox(f"@{name}")
            for _ in range(2):
                ada.roster.event_generate("<Button-1>", x=x + 9, y=y + height // 2)
                ada.roster.event_generate("<ButtonRelease-1>", x=x + 9, y=y + height // 2)
            windows.wait_until(
                lambda name=name: ada.entry.get() == f"/msg {name} for your eyes only"
            )


# ---- The roster ----------------------------------------------------------------------------------


def test_names_are_sorted_and_long_ones_are_shortened_with_a_tip(windows, server, ada):
    long = "m" * 20
    with Client(server.port, long), Client(server.port, "Al"), Client(server.port, "Zoë"):
        windows.wait_until(lambda: len(people(ada)) == 5)
        windows.update()
        labels = [ada.roster.item(row, "text") for row in ada.roster.get_children()]
        assert [label[2:5] for label in labels] == ["ada", "Al", "bob", "mmm", "Zoë"]
        assert labels[3].endswith("…")
        x, y, *_ = ada.roster.bbox(f"@{long}")
        ada.roster.event_generate("<Motion>", x=x + 3, y=y + 3)
        windows.update()
        assert ada.tip.winfo_ismapped() and ada.tip["text"] == long
        ada.roster.event_generate("<Motion>", x=x + 3, y=ada.roster.bbox("@bob")[1] + 3)
        windows.update()
        assert not ada.tip.winfo_ismapped()
        width = ada.roster.winfo_width()
        ada.root.geometry("420x500")
        windows.wait_until(lambda: ada.roster.winfo_width() < width)


def test_names_are_cut_anew_when_letters_grow(windows, server, ada):
    ada.root.geometry("500x400")
    with Client(server.port, "m" * 20):
        windows.wait_until(lambda: len(people(ada)) == 3)
        for _ in range(20):
            press(ada, ada.entry, "<Control-plus>")
        windows.update()
        assert ada.looks.size == gui.BIGGEST
        for row in ada.roster.get_children():
            label = ada.roster.item(row, "text")
            assert ada.looks.measure(label, "TkDefaultFont") <= ada.roster.winfo_width()


# ---- The wire view -------------------------------------------------------------------------------


def test_the_wire_view_has_a_past_of_so_many_chunks(windows, ada, bob):
    for number in range(gui.MAX_CHUNKS + 5):
        hear(windows, ada, bob, f"number {number}.")
    assert len(ada.wire.chunks) == gui.MAX_CHUNKS and wire(ada) == "\n"
    press(ada, ada.entry, "<F12>")
    windows.update()
    assert f"number·{gui.MAX_CHUNKS + 4}." in wire(ada) and "number·0." not in wire(ada)
    press(ada, ada.entry, "<F12>")
    hear(windows, ada, bob, "while it was closed")
    press(ada, ada.entry, "<F12>")
    windows.update()
    assert wire(ada).count("while·it·was·closed") == 1


def test_a_click_on_a_message_lights_up_its_frames_and_the_other_way_round(windows, ada, bob):
    ada.wire.toggle()
    hear(windows, ada, bob, "first", "second")
    type_in(ada, "mine")
    windows.wait_until(lambda: "own" in tags_at(ada, "mine"))
    hear(windows, ada, bob, "third")
    click_at(ada.log.text, "second")
    assert [line.strip() for line in lit(ada.wire.log.text)] == [
        "3·········bob",
        "6·········second",
    ]
    assert len(lit(ada.log.text)) == 1 and lit(ada.log.text)[0].endswith("second")
    click_at(ada.log.text, "mine")
    frames = [line.strip() for line in lit(ada.wire.log.text)]
    assert sorted(frames) == ["3·········ada", "4·········mine", "4·········mine"]
    click_at(ada.wire.log.text, "third")
    assert lit(ada.log.text)[0].endswith("third") and len(lit(ada.wire.log.text)) == 2
    click_at(ada.wire.log.text, "recv")
    assert lit(ada.log.text) == []


def test_frames_of_an_earlier_connection_are_not_mixed_up(windows):
    with Server("--port", str(lasting_port())) as first:
        window = windows.join(first.port)
        port = first.port
        say(window, "before")
        windows.wait_until(lambda: "own" in tags_at(window, "before"))
    windows.wait_until(lambda: window.talk.state == "away")
    with Program(ROOT / "chat_server.py", "--port", str(port)) as again:
        again.wait_for("listening on")
        windows.wait_until(lambda: window.talk.state == "in")
        say(window, "afterwards")
        windows.wait_until(lambda: "own" in tags_at(window, "afterwards"))
        window.wire.toggle()
        windows.update()
        click_at(window.log.text, "before")
        assert {line.strip()[-6:] for line in lit(window.wire.log.text)} == {"···ada", "before"}


# ---- The keyboard --------------------------------------------------------------------------------


def test_pages_scroll_from_the_entry_and_escape_goes_back_to_the_end(windows, ada, bob):
    hear(windows, ada, bob, *(f"line {number}" for number in range(100)))
    windows.update()
    press(ada, ada.entry, "<Prior>")
    windows.wait_until(lambda: not ada.at_end)
    top = ada.log.text.yview()[0]
    press(ada, ada.entry, "<Next>")
    assert ada.log.text.yview()[0] > top
    press(ada, ada.entry, "<Prior>")
    press(ada, ada.log.text, "<Escape>")
    windows.wait_until(lambda: ada.at_end and focused(ada) is ada.entry)


def test_tab_goes_from_the_entry_to_send_and_return_presses_it(windows, ada):
    ada.entry.insert(0, "hello there")
    press(ada, ada.entry, "<Tab>")
    windows.wait_until(lambda: focused(ada) is ada.send_button)
    ada.send_button.event_generate("<Return>")
    windows.wait_until(lambda: "own" in tags_at(ada, "hello there"))


def test_tab_names_what_is_possible(windows, server, ada):
    with Client(server.port, "bobby"):
        windows.wait_until(lambda: "bobby" in people(ada))
        type_in(ada, "hi bob", "<Tab>")
        assert ada.entry.get() == "hi bob" and ada.status["text"] == "bob   bobby "
        windows.update()
        assert focused(ada) is ada.entry


@stops
def test_older_links_and_one_message_to_send_again_are_reached_with_the_caret(windows, monkeypatch):
    opened = gui.queue.SimpleQueue()
    monkeypatch.setattr(gui.webbrowser, "open", opened.put)
    with Server("--port", str(lasting_port())) as first:
        window = windows.join(first.port)
        port = first.port
        say(window, "http://old.example/", "http://new.example/")
        windows.wait_until(lambda: not window.talk.waiting)
        text = window.log.text
        text.mark_set("insert", text.search("old.example", "1.0"))
        press(window, text, "<Left>")
        text.event_generate("<KeyRelease>")
        assert text.get(*text.tag_ranges("caret")) == "/", "it can be seen"
        press(window, text, "<Return>")
        assert opened.get(timeout=TIMEOUT) == "http://old.example/"
        first.stand_still()
        say(window, "one", "two")
        first.process.kill()
        windows.wait_until(lambda: window.talk.state == "away")
    with Program(ROOT / "chat_server.py", "--port", str(port)) as again:
        again.wait_for("listening on")
        windows.wait_until(lambda: window.talk.state == "in")
        place = text.search("send again", text.search("two", "1.0"))
        text.mark_set("insert", place)
        press(window, text, "<Return>")
        windows.wait_until(lambda: "own" in tags_at(window, "two"))
        assert window.talk.not_confirmed() == ["one"]
        assert text.tag_ranges("caret") == ()


def test_f1_names_all_keys_and_f10_opens_the_menu(windows, ada, monkeypatch):
    press(ada, ada.entry, "<F1>")
    windows.wait_until(lambda: ada.help.winfo_exists())
    [text] = [child for child in ada.help.winfo_children() if isinstance(child, tk.Text)]
    words = text.get("1.0", "end")
    for part in (gui.VERSION, "Ctrl F", "F12", "Page Up", "Escape", "Tab", "F10", "encryption"):
        assert part in words
    press(ada, text, "<Escape>")
    assert not ada.help.winfo_exists()
    posted = []
    ada.menu.tk_popup = lambda *where: posted.append(where)
    press(ada, ada.entry, "<F10>")
    assert posted


def test_a_shortcut_does_nothing_else_in_the_entry(windows, ada):
    ada.entry.insert(0, "abc def")
    for key in ("<Control-f>", "<Escape>", "<Control-t>", "<Control-plus>", "<F12>"):
        ada.entry.icursor(3)
        press(ada, ada.entry, key)
        assert ada.entry.get() == "abc def" and ada.entry.index("insert") == 3, key


def test_the_bell_and_the_marks_can_be_switched_off(windows, ada, bob, monkeypatch):
    rung = []
    monkeypatch.setattr(ada.root, "bell", lambda: rung.append(1))
    ada.rings.set(False)
    hear(windows, ada, bob, "ada one")
    assert rung == [] and "mention" in tags_at(ada, "one")
    ada.rings.set(True)
    ada.marks.set(False)
    hear(windows, ada, bob, "ada two")
    assert rung == [1]
    tags = ada.log.text.tag_names(ada.log.text.search("ada two", "1.0"))
    assert "mention" not in tags and "name" not in tags


def test_letters_grow_to_28_points_and_pads_and_columns_with_them(windows, ada, bob):
    hear(windows, ada, bob, "hello")
    seen = []
    for _ in range(40):
        shortcut(ada, "<Control-plus>")
        windows.update()
        column = int(str(ada.log.text["tabs"][0]))
        seen.append((ada.looks.size, ada.looks.unit, column))
    assert seen[-1][0] == 28 and seen == sorted(seen)
    assert seen[-1][1] > seen[0][1] and ada.log.text["font"] == "TkTextFont"
    ada.root.winfo_screenheight = lambda: 600  # all of the menu fits on a small screen, too
    ada.looks.paint(ada)
    windows.update()
    assert ada.menu.winfo_reqheight() <= 600
    for _ in range(40):
        shortcut(ada, "<Control-minus>")
    assert ada.looks.size == gui.SMALLEST


# ---- What waiting costs --------------------------------------------------------------------------


def switches(pid):
    """Return how often the threads of a process have gone to sleep, so were woken."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as status:
            total += sum(int(line.split()[1]) for line in status if line.startswith("voluntary"))
    return total


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason=PROC)
def test_an_idle_window_sleeps_and_wakes_at_once(screen, server):
    with (
        Client(server.port, "bob") as bob,
        Program("chat_client_gui.py", "idle", "--port", server.port) as program,
    ):
        bob.skip_to("server", "joined idle")
        woken, end = [], time.monotonic() + TIMEOUT
        while not woken or (woken[-1] > 45 and time.monotonic() < end):  # first it draws
            before = switches(program.process.pid)
            time.sleep(1)
            woken.append(switches(program.process.pid) - before)
        assert woken[-1] <= 45, woken
        assert program.stop(signal.SIGTERM) == 0, "a signal wakes it"
        assert program.output() == []
