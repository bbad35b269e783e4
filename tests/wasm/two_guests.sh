#!/usr/bin/env bash
# two_guests.sh SOURCE: the example is built as its page says, and does what it
# says.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
GUESTNET="${CFLAGS-} $GUESTNET" "$1/examples/wasm-two-guests/build" "$work"
"$work/main" | sort >"$work/printed"
printf 'web says %s\n' HELLO 'IT WORKS' | diff - "$work/printed"
"$work/virtual" >"$work/printed"
{
    printf 'web says %s\n' HELLO 'IT WORKS'
    echo 'it took 0.240 s'
} | diff - "$work/printed"
