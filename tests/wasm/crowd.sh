#!/usr/bin/env bash
# crowd.sh SOURCE: thousands of guests at once on one thread of Node, and a thousand
# one after the other.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

compiled talk -Wl,-s "$source/tests/wasm/talk.c"
host
printf '%s\n' "4000 guests waited, were called and killed" \
    "1000 more came and went" >"$work/expected"
timeout 300 "${host[0]}" --expose-gc "$source/tests/wasm/node/crowd.mjs" \
    "$work/talk.wasm" 4000 1000 >"$work/printed" || echo "exit status $?"
diff "$work/expected" "$work/printed"
