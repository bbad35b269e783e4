#!/usr/bin/env bash
# wit.sh SOURCE: the types of all rows of WASI 0.2 are those of its WIT, which the
# package of jco carries.
source=$1
ENGINE=workers # Of Node it needs no more than that it reads.
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

wants wit "WIT of WASI 0.2"
# shellcheck disable=SC2086 # They are words.
"$CC" ${CFLAGS-} -I"$source" "$source/tests/wasm/rows.c" $GUESTNET \
    -o "$work/rows"
"$work/rows" | node "$source/tests/wasm/wit.mjs" "$cache/wasm/wit"
