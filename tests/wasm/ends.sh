#!/usr/bin/env bash
# ends.sh SOURCE: Workers with guests that wait are terminated, and exit.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

compiled talk -Wl,-s "$source/tests/wasm/talk.c"
host
printf '%s\n' "12 were terminated, and one did not notice" \
    "one that exited is gone, with its listener" \
    "the process exited with guests that waited" >"$work/expected"
timeout 120 "${host[0]}" "$source/tests/wasm/node/ends.mjs" "$work/talk.wasm" \
    >"$work/printed" || echo "exit status $?"
diff "$work/expected" "$work/printed"
