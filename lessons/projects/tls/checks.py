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


class Sealed(ssl.SSLSocket):
    """A socket through TLS that works as the checks expect it of a socket."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return all that has come: what is left in TLS, select() would not see."""
        data = super().recv(size)
        while self._sslobj and self.pending():
            data += super().recv(self.pending())
        return data

    def shutdown(self, how: int) -> None:
        """Say that nothing more comes, and go on reading: SSLSocket would forget its key."""
        socket.socket.shutdown(self, how)


CONTEXT.sslsocket_class = Sealed


def connection(program: Program, slow: bool = False) -> socket.socket:
    """Return a connection through TLS, with the first words said and heard."""
    sock = PLAIN(program, slow)
    if isinstance(sock, Sealed):  # the first one of all, which was kept
        return sock
    sock.settimeout(check.PATIENCE)
    try:
        return CONTEXT.wrap_socket(sock, server_hostname="localhost")
    except OSError:
        sock.close()
        raise


Program.connection = connection


@check.check("tls", symptom=0, needs=ROOM)
def speaks_tls(scene: Chat) -> None:
    """ada and bob talk through TLS 1.2 or newer, and the certificate is the right one."""
    ada, bob = scene.join("ada", "bob")
    ada.says("hello")
    bob.hears(ada, "hello")
    if scene.program and ada.sock.version() not in ("TLSv1.2", "TLSv1.3"):
        raise Wrong(f"this is {ada.sock.version()}")


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
    silent = [raw(scene, "eve"), raw(scene, "dan")]
    if silent[1]:
        silent[1].sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    bob = scene.join("bob")
    ada.hears(bob, check.HELLO)
    ada.says("we can talk")
    bob.hears(ada, "we can talk")
    for sock in silent:
        if sock:
            sock.close()


@check.check("tls", symptom=0, needs=("speaks_tls",))
def says_goodbye(scene: Chat) -> None:
    """Before the server hangs up, it says so within TLS: only then is an end no cut."""
    ada = scene.join("ada")
    ada.says("/quit")
    if not scene.expect("to ada: the goodbye of TLS (close_notify), then the end"):
        return
    ada.sock.settimeout(scene.patience)
    ada.sock.suppress_ragged_eofs = False  # an end without a goodbye is an error
    try:
        while ssl.SSLSocket.recv(ada.sock, 65_536):
            pass
    except ssl.SSLEOFError as error:
        raise Wrong("the connection ended without the goodbye of TLS") from error
    except TimeoutError as error:
        raise Wrong("the connection is still open") from error


@check.check("tls", symptom=0, needs=("speaks_tls",))
def is_not_seen_from_outside(scene: Chat) -> None:
    """What goes over the network holds neither names nor words that anybody could read."""
    scene.expect("between ada and the server: nothing that could be read")
    if not scene.program:
        return
    try:
        name = "adalovelace"
        seen = exchange(scene, name, "a secret that nobody else may read")
    except ssl.SSLError as error:
        raise Wrong(f"what the server sends is no TLS: {error}") from error
    if b"secret" in seen or name.encode() in seen:
        raise Wrong("it can be read")


def exchange(scene: Chat, name: str, text: str) -> bytes:
    """Say a name and a text through TLS, and hear it; return all that went over the network."""
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = CONTEXT.wrap_bio(received, to_send, server_hostname="localhost")
    with socket.create_connection(scene.program.address) as sock:
        sock.settimeout(scene.patience)
        step(sock, tls.do_handshake, received, to_send)
        tls.write(frames(name, text))
        seen = to_send.read()
        sock.sendall(seen)
        heard = b""
        while text.encode() not in heard:
            chunk = sock.recv(65_536)
            if not chunk:
                raise Wrong("the server has hung up")
            seen += chunk
            received.write(chunk)
            heard += read_all(tls)
    return seen


def step(sock: socket.socket, act, received: ssl.MemoryBIO, to_send: ssl.MemoryBIO) -> None:
    """Do a step of TLS that may need more bytes from the other side."""
    while True:
        try:
            act()
            sock.sendall(to_send.read())
            return
        except ssl.SSLWantReadError:
            sock.sendall(to_send.read())
            received.write(sock.recv(65_536))


def read_all(tls: ssl.SSLObject) -> bytes:
    """Return what can be opened so far."""
    data = b""
    try:
        while chunk := tls.read(65_536):
            data += chunk
    except ssl.SSLWantReadError:
        pass
    return data
