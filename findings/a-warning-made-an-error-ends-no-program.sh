#!/usr/bin/env bash
# With -W error a program that leaves a socket open still ends with exit code 0.
#
# Seen with CPython 3.11.7, 3.14.10 and 3.15.2 on Linux.
#
# -W error makes an exception of each warning, so one runs the tests with it and believes what they
# exit with. But the warning for a socket or file that nobody closed (ResourceWarning) comes while
# the object is being destroyed, and there is nobody to whom an exception could be raised: Python
# writes "Exception ignored ..." on stderr and goes on. Who wants to know has to read stderr, or set
# sys.unraisablehook. A warning of an ordinary line does end the program.
#
# Output seen:
#     a deprecated call           exit code 1, DeprecationWarning on stderr
#     a socket left open          exit code 0, ResourceWarning on stderr
#     the same, with a hook       exit code 3, ResourceWarning on stderr
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 --version

cat >deprecated.py <<'PYTHON'
import warnings
warnings.warn("this is old", DeprecationWarning)
PYTHON
cat >open.py <<'PYTHON'
import socket
sock = socket.socket()
del sock
PYTHON
cat >hook.py <<'PYTHON'
import os
import socket
import sys

def stop(unraisable):
    sys.__unraisablehook__(unraisable)
    os._exit(3)

sys.unraisablehook = stop
sock = socket.socket()
del sock
PYTHON

look() { # WORDS FILE CODE WARNING
    local code=0
    timeout 60 python3 -X dev -W error "$2" >/dev/null 2>"$2.err" || code=$?
    grep -q "$4" "$2.err" || { echo "$1: no $4 any more"; exit 1; }
    printf '%-27s exit code %s, %s on stderr\n' "$1" "$code" "$4"
    [[ $code == "$3" ]] || { echo "the behaviour has changed"; exit 1; }
}
look "a deprecated call" deprecated.py 1 DeprecationWarning
look "a socket left open" open.py 0 ResourceWarning
look "the same, with a hook" hook.py 3 ResourceWarning
