#!/usr/bin/env bash
# A TLS socket of Python that says "nothing more comes from me" reads its own wrapping from then on.
#
# Seen with CPython 3.10.13, 3.11.7, 3.12.1 and 3.13.0 on Linux, OpenSSL 1.1.1 and 3.0; trustme 1.2.1
# makes the certificate.
#
# Clients of chats and of web servers often half-close: they shut their sending side and go on reading
# the rest of the answer. With a plain socket that is sock.shutdown(socket.SHUT_WR). An ssl.SSLSocket
# has the same method, and it does that for TCP, but it also forgets all that it knew of TLS: version()
# is None, and recv() gives what comes from the network as it is. There is no error, and no warning: a
# program takes the records of TLS (23 3 3, a length, noise) for the words of the other side. Here the
# server had said nothing at all when its client got several hundred bytes: with TLS 1.3 the tickets for
# a later session come behind the handshake, and wait in the socket. The documentation of shutdown()
# does not say so. Who wants to half-close has to say goodbye in TLS (unwrap(), which waits for the
# other side), or keep TLS apart from the socket with wrap_bio() and MemoryBIO.
#
# Output seen:
#     before: TLSv1.3
#     after:  None
#     read as if the server had said it: 510 bytes, first 23 3 3; what it has said: 0 bytes
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/python -m pip install -q --disable-pip-version-check trustme==1.2.1
env/bin/python -c 'import ssl, sys; print(sys.version.split()[0], ssl.OPENSSL_VERSION)'

cat >half_close.py <<'PYTHON'
"""A client that half-closes a TLS connection, and a server that only listens."""
import socket
import ssl
import threading

import trustme

authority = trustme.CA()
server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
authority.issue_cert("localhost").configure_cert(server_side)
client_side = ssl.create_default_context()
authority.configure_trust(client_side)
ours, theirs = socket.socketpair()
client_is_done = threading.Event()


def listen():
    with server_side.wrap_socket(theirs, server_side=True) as server:
        server.recv(100)  # "hello"; nothing is ever said back
        client_is_done.wait(10)


thread = threading.Thread(target=listen)
thread.start()
client = client_side.wrap_socket(ours, server_hostname="localhost")
client.settimeout(2)
client.sendall(b"hello")
print("before:", client.version())
client.shutdown(socket.SHUT_WR)
print("after: ", client.version())
read = client.recv(10_000)
client_is_done.set()
thread.join()
client.close()
print(f"read as if the server had said it: {len(read)} bytes, first {read[0]} {read[1]} {read[2]}; "
      "what it has said: 0 bytes")
assert client.version() is None and read[:3] == b"\x17\x03\x03"
PYTHON
env/bin/python half_close.py || { echo "this has changed"; exit 1; }
