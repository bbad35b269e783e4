#!/usr/bin/env bash
# readme.sh SOURCE LIBRARY...: the README's first C block compiles as it stands,
# and prints what the text block behind it says.
set -euo pipefail
source=$1
libraries=("${@:2}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -ra flags <<<"${CFLAGS-}"

block=$source/tests/docs/block.sh
"$block" "$source/README.md" c >"$work/example.c"
"$block" "$source/README.md" text >"$work/expected"
[ -s "$work/example.c" ] && [ -s "$work/expected" ]

"${CC:-cc}" -std=c11 -Wall -Wextra -Werror "${flags[@]}" \
    -I"$source/include" "$work/example.c" -o "$work/example" \
    "${libraries[@]}"
"$work/example" >"$work/printed"
diff "$work/expected" "$work/printed"
