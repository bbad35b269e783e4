#!/usr/bin/env bash
# first_hour.sh SOURCE LIBRARY: the program of docs/simulation.md compiles as it
# stands, and its command prints what the page shows.
set -euo pipefail
source=$1
library=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -ra flags <<<"${CFLAGS-}"

block=$source/tests/docs/block.sh
page=$source/docs/simulation.md
"$block" "$page" c bank.c >"$work/bank.c"
"$block" "$page" text "bank: seed" >"$work/expected"
[ -s "$work/bank.c" ] && [ -s "$work/expected" ]

cd "$work"
"${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror "${flags[@]}" \
    -I"$source/include" bank.c -o bank "$library" -luv -lpcap -pthread
./bank >printed && {
    echo "no seed failed"
    exit 1
}
diff expected printed
