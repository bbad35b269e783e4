#!/usr/bin/env bash
# cycles.sh SOURCE: a thousand guests one after the other leave nothing behind.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

linked cycles talk
timeout 300 "$work/cycles"
