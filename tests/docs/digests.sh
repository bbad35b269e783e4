#!/usr/bin/env bash
# digests.sh FILE PROGRAM... [-- "PROGRAM ARGUMENT..."...]: the seeds of programs
# that try seeds are the same runs everywhere, whatever the compiler: their
# digests are those of FILE, and so are those of what the others print.
# GN_UPDATE=1 writes them there.
set -euo pipefail
file=$1
shift
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT

while [ $# -gt 0 ] && [ "$1" != -- ]; do
    program=$1
    shift
    for scenario in $("$program" --list); do
        case $scenario in
        unsynced-vote | old-term-commit) continue ;; # They are to fail.
        esac
        "$program" --scenario "$scenario" --seeds 3 --digest |
            grep "digest of" >>"$printed"
    done
done
for command in "${@:2}"; do
    read -ra words <<<"$command"
    output=$("${words[@]}")
    words[0]=$(basename "${words[0]}")
    sha256sum <<<"$output" | sed "s/ .*//; s/^/${words[*]}: printed /" >>"$printed"
done
if [ "${GN_UPDATE-}" ]; then
    cp "$printed" "$file"
else
    diff "$file" "$printed"
fi
