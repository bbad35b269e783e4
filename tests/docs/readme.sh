#!/usr/bin/env bash
# readme.sh SOURCE LIBRARY: the README's first C block compiles as it stands,
# and prints what the text block behind it says.
set -euo pipefail
source=$1
library=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -ra flags <<<"${CFLAGS-}"

# block LANGUAGE: the first fenced block of that language.
block() {
    awk -v fence="\`\`\`$1" '
        inside && /^```/ { exit }
        inside
        $0 == fence { inside = 1 }' "$source/README.md"
}

block c >"$work/example.c"
block text >"$work/expected"
[ -s "$work/example.c" ] && [ -s "$work/expected" ]

"${CC:-cc}" -std=c11 -Wall -Wextra -Werror "${flags[@]}" \
    -I"$source/include" "$work/example.c" -o "$work/example" \
    "$library" -luv -lpcap -pthread
"$work/example" >"$work/printed"
diff "$work/expected" "$work/printed"
