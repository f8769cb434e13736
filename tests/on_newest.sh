#!/usr/bin/env bash
# Run the tests on the newest Pythons there are: Debian's development release, in a folder of its own.
#
#   sudo bash tests/on_newest.sh [FOLDER] [-- OPTION...]
#
# The first time, debootstrap makes FOLDER (default: /var/tmp/newest; two minutes, 800 MB); later
# runs use what is there, so remove it for something newer. Debian's packages are all that is
# fetched. OPTIONs go to pytest. Each Python is run in its development mode, where every warning is
# an error, and that holds for each program that a test starts.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
PACKAGES=(python3 python3-venv python3-tk python3-pytest python3-pytest-xdist xvfb iproute2)

if ((EUID)) || [[ $(uname) != Linux ]]; then
    echo "this needs root, on Linux"
    exit 2
fi
root=/var/tmp/newest
if (($#)) && [[ $1 != -- ]]; then
    root=$1
    shift
fi
(($# == 0)) || shift
say() { printf '=== %s (%d s)\n' "$*" "$SECONDS"; }

quietly() { # run a command; show what it says only if it fails
    "$@" >"$log" 2>&1 || { tail -n 30 "$log"; exit 1; }
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if [[ ! -e $root/made ]]; then
    command -v debootstrap >/dev/null || quietly apt-get install -y -qq debootstrap
    say "Debian's development release into $root"
    quietly debootstrap --variant=minbase sid "$root"
    quietly chroot "$root" apt-get install -y -qq --no-install-recommends "${PACKAGES[@]}"
    # A Python that is newer than the usual one may be there as well.
    newer=$(chroot "$root" apt-cache pkgnames | grep -xE 'python3\.[0-9]+' | sort -V | tail -n 1)
    quietly chroot "$root" apt-get install -y -qq --no-install-recommends "$newer"
    touch "$root/made"
fi

rm -rf "$root/kit"
mkdir "$root/kit"
tar -C "$here" --exclude=./.git --exclude=__pycache__ -c . | tar -C "$root/kit" -x

# The tests see processes, ports, terminals and shared memory of their own; all of it ends with them.
# A mere chroot may make no namespaces, as some tests do, so the folder becomes the root itself.
inside='
set -e
mount --bind "$1" "$1"
cd "$1"
shift
mkdir -p old
pivot_root . old
cd /
mount -t proc proc /proc
umount -l /old
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
[ -c /dev/ptmx ] || ln -sf pts/ptmx /dev/ptmx
ip link set lo up
cd /kit && code=0
for python in $(ls /usr/bin/python3.[0-9] /usr/bin/python3.[0-9][0-9] 2>/dev/null); do
    "$python" -VV
    PYTHONDEVMODE=1 PYTHONWARNINGS=error "$python" -m pytest -p no:cacheprovider -q "$@" || code=1
done
exit "$code"'
programs='not jupyter and not once and not zoo and not lessons'
(($#)) || set -- tests -m "$programs"
say "the tests"
code=0
unshare --mount --pid --net --fork --kill-child sh -c "$inside" sh "$root" "$@" &
tests=$!
trap 'kill -KILL "$tests" 2>/dev/null || true; rm -f "$log"' EXIT # with all that it has started
wait "$tests" || code=$?
say "the end"
exit "$code"
