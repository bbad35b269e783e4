#!/usr/bin/env bash
# tasks.sh SOURCE: guests as tasks in virtual time.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

linked tasks sleeper
printf 'slept %d ms\n' 2000 60000 >"$work/expected"
timeout 60 "$work/tasks" | diff "$work/expected" -
