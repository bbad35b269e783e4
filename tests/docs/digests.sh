#!/usr/bin/env bash
# digests.sh FILE PROGRAM...: the seeds of programs that try seeds are the same
# runs everywhere, whatever the compiler: their digests are those of FILE.
# GN_UPDATE=1 writes them there.
set -euo pipefail
file=$1
shift
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT

for program; do
    for scenario in $("$program" --list); do
        case $scenario in
        unsynced-vote | old-term-commit) continue ;; # They are to fail.
        esac
        "$program" --scenario "$scenario" --seeds 3 --digest |
            grep "digest of" >>"$printed"
    done
done
if [ "${GN_UPDATE-}" ]; then
    cp "$printed" "$file"
else
    diff "$file" "$printed"
fi
