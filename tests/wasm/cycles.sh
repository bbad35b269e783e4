#!/usr/bin/env bash
# cycles.sh SOURCE: a thousand guests one after the other leave nothing behind.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

compiled talk "$source/tests/wasm/talk.c"
translated talk
"$GUESTNET_WASM" runtime >"$work/runtime.c"
# shellcheck disable=SC2086 # They are words.
"$CC" ${CFLAGS-} -O1 -w -I$runtime -I"$work" "$source/tests/wasm/cycles.c" \
    "$work/talk_guest.c" "$work/runtime.c" $GUESTNET -lm -o "$work/cycles"
timeout 300 "$work/cycles"
