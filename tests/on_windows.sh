#!/usr/bin/env bash
# Run the tests, and so the fifteen lessons, on a Windows Python, and print a short list of skips.
#
#   bash tests/on_windows.sh COMMAND [-- OPTION...]
#
# COMMAND is whatever starts a Windows Python here, with pytest installed; `py` in the Git Bash of a
# Windows computer, `wine C:/Python312/python.exe` on another one. It gets the arguments of Python.
# OPTIONs go to pytest: `-- -n 4 tests/test_cli.py`. No window needs a screen of its own on Windows;
# under Wine give it one (DISPLAY, or xvfb-run in front of the line).
#
# Exit code: 0 if nothing failed. Under Wine it is the real python.exe, but an imitation of the
# system: what Wine is known to do differently is skipped there, with that reason.
set -euo pipefail
cd "$(dirname "$0")/.."

command=()
while (($#)) && [[ $1 != -- ]]; do
    command+=("$1")
    shift
done
shift "$(($# > 0))"
((${#command[@]})) || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${command[@]}" -c 'if True:
    import os, platform, sys, tkinter
    if os.name != "nt":
        sys.exit(f"{sys.executable} is no Windows Python")
    tk = tkinter.Tcl().eval("info patchlevel")
    print("Python", platform.python_version(), "on", platform.platform(), "with Tk", tk)' </dev/null

# sys: pytest elsewise stands in the place of stdout for Tk too, and Tk() fails now and then.
code=0
(($#)) || set -- tests
"${command[@]}" -m pytest --capture=sys -q -rfEs -m "not jupyter" "$@" </dev/null | tee "$log" || code=$?

echo
echo "skipped, and why:"
tr -d '\r' <"$log" | sed -nE 's/^SKIPPED \[([0-9]+)\] [^ ]+: (Skipped: )?(.*)/\1\t\3/p' |
    awk -F'\t' '
        sub(/ is not installed$/, "", $2) { lacks += $1; if (!seen[$2]++) names = names ", " $2; next }
        { sum[$2] += $1 }
        END {
            for (reason in sum) printf "%5d  %s\n", sum[reason], reason
            if (lacks) printf "%5d  not installed: %s\n", lacks, substr(names, 3)
        }' | sort -rn
tr -d '\r' <"$log" | grep -E '(passed|failed|no tests ran).* in [0-9.]+s' | tail -n 1
exit "$code"
