"""The checks of the project tls: python3 check.py --project tls my_server.py

All checks of the finished server are played through TLS: nothing that it promises gets lost.
"""

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import warnings
from contextlib import suppress

import check
from check import ROOM, SERVER_STAGES, Chat, Program, Stage, Wrong, frames, our_folder

SERVER_STAGES.append(Stage("tls", "in a sealed envelope", "projects/tls/README.md", 20, []))


def make_certificate() -> tuple:
    """Return the paths of a certificate for this computer, and of its key, both new."""
    if not shutil.which("openssl"):
        raise FileNotFoundError("openssl is not here: it makes the certificate for these checks")
    folder = tempfile.mkdtemp(dir=our_folder())
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", key, "-out", cert, "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


CERT, KEY = make_certificate()
OPTIONS = ("--cert", CERT, "--key", KEY)
REPLACES = ("limits_one_address",)  # who is turned away at the door hears it without TLS
CONTEXT = ssl.create_default_context(cafile=CERT)
PLAIN = Program.connection  # how a client connects without TLS


class Sealed(socket.socket):
    """A connection through TLS that works as the checks expect it of a socket.

    The bytes of TLS go through two buffers in memory. So one can say goodbye without a look at what
    comes at that moment: SSLSocket would take that for an error.
    """

    def __init__(self, sock: socket.socket):
        super().__init__(fileno=sock.detach())
        self.settimeout(check.PATIENCE)
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = CONTEXT.wrap_bio(self.received, self.to_send, server_hostname="localhost")
        self.has_heard_goodbye = False

    def shake_hands(self) -> None:
        """Say and hear the first words; OSError if they fail."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.send_out()
                self.take_in()
        self.send_out()

    def send_out(self) -> None:
        """Send what TLS has to say."""
        super().sendall(self.to_send.read())

    def take_in(self) -> None:
        """Wait for bytes, and give them to TLS."""
        data = super().recv(65_536)
        if data:
            self.received.write(data)
        else:
            self.received.write_eof()

    def sendall(self, data: bytes, flags: int = 0) -> None:
        self.tls.write(data)
        self.send_out()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return all that has come, nothing at the end: select() does not see what is left here."""
        data = self.opened(size)
        while data is None:
            self.take_in()
            data = self.opened(size)
        while more := self.opened(size):
            data += more
        return data

    def opened(self, size: int) -> "bytes | None":
        """Return what TLS can open; nothing at the end, None if it needs more bytes."""
        try:
            data = self.tls.read(size)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLEOFError:
            return b""
        except ssl.SSLZeroReturnError:
            data = b""
        self.has_heard_goodbye = not data
        return data

    def shutdown(self, how: int) -> None:
        """Say goodbye, and go on reading."""
        if how == socket.SHUT_WR:
            with suppress(ssl.SSLError):  # mostly: the other side has not answered yet
                self.tls.unwrap()
            self.send_out()
        super().shutdown(how)


def connection(program: Program, slow: bool = False, host: str = "") -> socket.socket:
    """Return a connection through TLS, with the first words said and heard."""
    sock = PLAIN(program, slow, host)
    if isinstance(sock, Sealed):  # the first one of all, which was kept
        return sock
    sealed = Sealed(sock)
    try:
        sealed.shake_hands()
    except OSError:
        sealed.close()
        raise
    return sealed


Program.connection = connection


@check.check("tls", symptom=0, needs=ROOM)
def speaks_tls(scene: Chat) -> None:
    """ada and bob talk through TLS 1.2 or newer, and the certificate is the right one."""
    ada, bob = scene.join("ada", "bob")
    ada.says("hello")
    bob.hears(ada, "hello")
    if scene.expect("to eve: no handshake, for she knows TLS 1.1 at most") and knows_old_tls(scene):
        raise Wrong("there was one, and what is so old can be broken")


def knows_old_tls(scene: Chat) -> bool:
    """Return whether the server shakes hands with somebody who knows nothing newer than TLS 1.1."""
    context = ssl.create_default_context(cafile=CERT)
    with warnings.catch_warnings():  # Python warns of them, and rightly
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    with raw(scene, "eve") as sock:
        sock.settimeout(scene.patience)
        with suppress(OSError), context.wrap_socket(sock, server_hostname="localhost"):
            return True
    return False


def raw(scene: Chat, label: str) -> "socket.socket | None":
    """Return a connection without TLS."""
    scene.note(label, "connects without TLS")
    return socket.create_connection(scene.program.address) if scene.program else None


def read_to_the_end(sock: socket.socket, seconds: float) -> bytes:
    """Return all that comes until the end; Wrong if that does not come in time."""
    data = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sock.settimeout(max(0.01, end - time.monotonic()))
        try:
            chunk = sock.recv(65_536)
        except TimeoutError:
            break
        except OSError:
            return data
        if not chunk:
            return data
        data += chunk
    raise Wrong(f"after {seconds:g} seconds this connection is still open")


@check.check("tls", symptom=9, needs=("speaks_tls",))
def talks_to_nobody_in_clear(scene: Chat) -> None:
    """eve has no TLS, or sends rubbish: she hears nothing of the talk, and ada's goes on."""
    ada = scene.join("ada")
    for data in (frames("eve", "hello"), b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x05hello"):
        sock = raw(scene, "eve")
        scene.note("eve", f"-> {check.show(data)}")
        scene.expect("to eve: the end, and before it nothing that could be read")
        if sock:
            with sock:
                sock.sendall(data)
                came = read_to_the_end(sock, scene.patience)
            if b"server" in came or b"ada" in came or b"eve" in came:
                raise Wrong(f"to eve came, for all to read: {check.show(came)}")
        ada.says("nobody else is here")
        ada.hears(ada, "nobody else is here")


@check.check("tls", symptom=23, needs=("speaks_tls",))
def waits_for_no_handshake(scene: Chat) -> None:
    """eve connects and says nothing, dan half a hello: others come in and talk meanwhile."""
    ada = scene.join("ada")
    silent = no_handshake(scene)
    bob = scene.join("bob")
    ada.hears(bob, check.HELLO)
    ada.says("we can talk")
    bob.hears(ada, "we can talk")
    for sock in silent:
        sock.close()


def no_handshake(scene: Chat) -> list:
    """Return the connections of eve, who says nothing, and of dan, who says half a hello."""
    silent = [raw(scene, "eve"), raw(scene, "dan")]
    scene.note("dan", "-> half a hello")
    if not scene.program:
        return []
    silent[1].sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    return silent


@check.check("tls", symptom=23, seconds=10, needs=("speaks_tls", "waits_for_no_handshake"))
def waits_ten_seconds_for_a_handshake(scene: Chat) -> None:
    """eve connects and says nothing, dan half a hello: both are gone after ten seconds, and nobody
    before.
    """
    silent = no_handshake(scene)
    scene.wait(8)
    scene.expect("to eve and dan: nothing, their time is not over yet")
    for sock in silent:
        sock.settimeout(0)
        with suppress(BlockingIOError):
            raise Wrong(f"after 8 seconds came {check.show(sock.recv(65_536)) or 'the end'}")
    scene.expect("to eve and dan: the end, ten seconds after they have come")
    for sock in silent:
        with sock:
            read_to_the_end(sock, scene.patience)


@check.check("tls", symptom=0, needs=("speaks_tls",))
def says_goodbye(scene: Chat) -> None:
    """Before the server hangs up, it says so within TLS: only then is an end no cut."""
    ada = scene.join("ada")
    ada.says("/quit")
    if not scene.expect("to ada: the goodbye of TLS (close_notify), then the end"):
        return
    ada.sock.settimeout(scene.patience)
    try:
        while ada.sock.recv(65_536):
            pass
    except TimeoutError as error:
        raise Wrong("the connection is still open") from error
    except ConnectionError as error:
        raise Wrong("the connection ended without the goodbye of TLS") from error
    if not ada.sock.has_heard_goodbye:
        raise Wrong("the connection ended without the goodbye of TLS")


@check.check("tls", symptom=0, needs=("speaks_tls",))
def is_not_seen_from_outside(scene: Chat) -> None:
    """What goes over the network holds neither names nor words that anybody could read."""
    scene.expect("between ada and the server: nothing that could be read")
    if not scene.program:
        return
    name = "adalovelace"
    try:
        with ByHand(scene) as ada:
            seen = ada.exchange(name, "a secret that nobody else may read")
    except ssl.SSLError as error:
        raise Wrong(f"what the server sends is no TLS: {error}") from error
    if b"secret" in seen or name.encode() in seen:
        raise Wrong("it can be read")


@check.check("tls", symptom=9, needs=("speaks_tls", "says_goodbye"))
def ends_what_is_changed(scene: Chat) -> None:
    """One byte of what eve says is changed on the way: she hears why (an alert) and the end, nobody
    hears what it has become, and ada's talk goes on.
    """
    ada = scene.join("ada")
    scene.note("eve", "shakes hands; then a byte of what she says is changed on the way")
    if scene.expect("to eve: an alert of TLS, then the end"):
        with ByHand(scene) as eve:
            data = bytearray(eve.sealed(frames("eve", "hello")))
            data[-1] ^= 1
            eve.sock.sendall(data)
            eve.received.write(read_to_the_end(eve.sock, scene.patience))
            if "ALERT" not in eve.why():
                raise Wrong("the connection ended, and nothing said why")
    ada.says("as before")
    ada.hears_next(ada.name, "as before")


class ByHand:
    """A connection through TLS whose bytes can be seen and changed."""

    def __init__(self, scene: Chat):
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = CONTEXT.wrap_bio(self.received, self.to_send, server_hostname="localhost")
        self.sock = socket.create_connection(scene.program.address)
        self.sock.settimeout(scene.patience)

    def __enter__(self) -> "ByHand":
        while True:
            try:
                self.tls.do_handshake()
                self.sock.sendall(self.to_send.read())
                return self
            except ssl.SSLWantReadError:
                self.sock.sendall(self.to_send.read())
                self.received.write(self.sock.recv(65_536))

    def __exit__(self, *_) -> None:
        self.sock.close()

    def sealed(self, data: bytes) -> bytes:
        """Return data as it goes over the network."""
        self.tls.write(data)
        return self.to_send.read()

    def exchange(self, name: str, text: str) -> bytes:
        """Say a name and a text, and hear it; return all that went over the network."""
        seen, heard = self.sealed(frames(name, text)), b""
        self.sock.sendall(seen)
        while text.encode() not in heard:
            chunk = self.sock.recv(65_536)
            if not chunk:
                raise Wrong("the server has hung up")
            seen += chunk
            self.received.write(chunk)
            heard += self.opened()
        return seen

    def opened(self) -> bytes:
        """Return what can be opened so far."""
        data = b""
        with suppress(ssl.SSLWantReadError):
            while chunk := self.tls.read(65_536):
                data += chunk
        return data

    def why(self) -> str:
        """Return the reason that the server gives for an end; nothing if it gives none."""
        try:
            self.opened()
        except ssl.SSLError as error:
            return error.reason or ""
        return ""
