#!/usr/bin/env bash
# tasks.sh SOURCE: guests as tasks in virtual time.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

compiled sleeper "$source/tests/wasm/sleeper.c"
translated sleeper
"$GUESTNET_WASM" runtime >"$work/runtime.c"
# shellcheck disable=SC2086 # They are words.
"$CC" ${CFLAGS-} -O1 -w -I$runtime -I"$work" "$source/tests/wasm/tasks.c" \
    "$work/sleeper_guest.c" "$work/runtime.c" $GUESTNET -lm -o "$work/tasks"
printf 'slept %d ms\n' 2000 60000 >"$work/expected"
timeout 60 "$work/tasks" | diff "$work/expected" -
