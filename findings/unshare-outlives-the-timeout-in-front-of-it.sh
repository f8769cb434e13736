#!/usr/bin/env bash
# `timeout 1 unshare --fork ...` comes back after a second, and what it ran is still there.
#
# Seen with util-linux 2.38.1 and coreutils 9.1 on Debian 12.
#
# While unshare --fork waits for its child it ignores SIGTERM (and SIGINT), for these are meant for
# the child. A shell sends them to both; `timeout`, a service manager or a test that stops the
# process it has started reaches unshare alone, and that does not pass them on: --kill-child sends
# its signal when unshare itself has died, and it has not. In a namespace of processes the child is
# number 1, which ignores what it does not handle. So it lives on, and with it the pipes that it has
# inherited: `timeout 1 unshare ... | tail` never ends. `timeout -s KILL` takes all along.
#
# Output seen:
#     timeout 1 unshare --pid --fork --kill-child: unshare runs, its child runs
#     timeout -s KILL 1 unshare --pid --fork --kill-child: unshare is gone, its child is gone
set -eu
[[ $(uname) == Linux ]] || { echo "this is about Linux"; exit 2; }
work=$(mktemp -d)
command=(unshare --pid --fork --kill-child) # with --user, Linux forgets what --kill-child asked for
((EUID == 0)) || { echo "this needs root"; exit 2; }
cleanup() {
    local file
    for file in "$work"/*.pid; do kill -KILL "$(cat "$file")" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT
unshare --version
timeout --version | head -n 1
"${command[@]}" true 2>/dev/null || { echo "no namespaces can be made here"; exit 2; }

state() { # PID: does it run?
    if grep -q '^State:.[^ZX]' "/proc/$1/status" 2>/dev/null; then echo runs; else echo "is gone"; fi
}
look() { # NAME OPTION...: start a child for 20 seconds at most, stop it after one, and look
    local name=$1 outer inner
    shift
    # The shell writes its number and becomes unshare; the child is found as its only child.
    timeout "$@" 1 sh -c 'echo $$ >"$0"; exec "$@"' "$work/$name.pid" \
        "${command[@]}" sleep 20 2>/dev/null &
    disown
    sleep 0.5
    outer=$(cat "$work/$name.pid")
    inner=$(cat "/proc/$outer/task/$outer/children")
    echo "${inner// /}" >"$work/$name-child.pid"
    sleep 1.5
    seen="unshare $(state "$outer"), its child $(state "${inner// /}")"
    echo "timeout ${*:+$* }1 unshare --pid --fork --kill-child: $seen"
}
look term
[[ $seen == "unshare runs, its child runs" ]] || { echo "the behaviour has changed"; exit 1; }
look kill -s KILL
[[ $seen == "unshare is gone, its child is gone" ]] || { echo "the behaviour has changed"; exit 1; }
