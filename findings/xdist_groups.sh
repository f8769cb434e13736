#!/usr/bin/env bash
# pytest 9.2.0 with pytest-xdist 3.8.0: `--dist loadgroup` runs the tests of one group in several
# processes, and says nothing. xdist puts the group's name behind each test's id, by an attribute
# that this pytest does not read any more; with pytest 9.0.3 the same tests run in one process.
# A fixture that the group shares is then made once in each process instead of once.
#
# Seen on Linux with Python 3.11 and 3.13:
#     pytest 9.0.3: the group ran in 1 process
#     pytest 9.2.0: the group ran in 3 processes
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >test_group.py <<'PYTHON'
import os, pathlib, time
import pytest

@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", range(9))
def test_it(number):
    time.sleep(0.2)
    pathlib.Path(f"process-{os.getpid()}").touch()
PYTHON

processes() { # VERSION: print in how many processes the group runs with this pytest
    python3 -m venv "$work/$1"
    "$work/$1/bin/python" -m pip install -q --disable-pip-version-check \
        "pytest==$1" pytest-xdist==3.8.0 2>"$work/pip.log" >&2 || { cat "$work/pip.log" >&2; exit 1; }
    rm -f process-*
    "$work/$1/bin/python" -m pytest -q -p no:cacheprovider -n 3 --dist loadgroup >pytest.log
    set -- process-*
    echo $#
}

before=$(processes 9.0.3)
now=$(processes 9.2.0)
echo "pytest 9.0.3: the group ran in $before process"
echo "pytest 9.2.0: the group ran in $now processes"
((before == 1 && now > 1))
