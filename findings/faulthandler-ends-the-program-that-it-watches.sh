#!/usr/bin/env bash
# faulthandler.dump_traceback_later() now and then ends a right program with a crash.
#
# Seen with CPython 3.10.13, 3.11.7, 3.12.1 and 3.13.0 on Linux; and with 3.12.10 for Windows (under
# Wine 8), as an access violation. Known (CPython's issues 116008 and 131580). Not seen with 3.14.10.
#
# It is there for a program that may hang: after some time it writes where all threads stand, and
# with repeat=True again and again, while the program works. It is a thread outside of Python that
# writes, and it does not take the lock that lets one thread run at a time (the GIL). So it reads
# what other threads change or free meanwhile. At one dump a second, a program of two or three
# threads crashes once in some hundred runs, at a thousand within seconds. dump_traceback(), called
# by a thread of Python, has the lock: the same program then ends well.
#
# Output seen, with 3.12.1:
#     faulthandler's own clock, each millisecond   exit code 139 (a crash)
#     a thread of Python's, each millisecond       exit code 0
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 --version
python3 -c 'import sys; sys.exit(sys.version_info >= (3, 14))' || { echo "this is about older ones"; exit 2; }

cat >watched.py <<'PYTHON'
import faulthandler
import os
import sys
import threading
import time

out = open(os.devnull, "w")
end = time.monotonic() + 20

def call(depth):
    if depth:
        call(depth - 1)

def work():
    while time.monotonic() < end:
        call(20)

def write():
    while time.monotonic() < end:
        time.sleep(0.001)
        faulthandler.dump_traceback(out)

if sys.argv[1] == "clock":
    faulthandler.dump_traceback_later(0.001, repeat=True, file=out)
else:
    threading.Thread(target=write).start()
threading.Thread(target=work).start()
threading.Thread(target=work).start()
while time.monotonic() < end:  # threads that come and go
    threading.Thread(target=call, args=(5,)).start()
    time.sleep(0)
PYTHON

look() { # WHO: leave in $code how the program ends when this one writes
    code=0
    (timeout 90 python3 watched.py "$1"; exit) >/dev/null 2>&1 || code=$?
}
look clock
clock=$code
look thread
echo "faulthandler's own clock, each millisecond   exit code $clock"
echo "a thread of Python's, each millisecond       exit code $code"
((clock >= 128 && code == 0)) || { echo "the behaviour has changed"; exit 1; }
