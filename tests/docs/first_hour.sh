#!/usr/bin/env bash
# first_hour.sh SOURCE LIBRARY...: the program of docs/simulation.md compiles as
# it stands by the commands of the page, which print what it shows, and what
# they say replays a failure does. CC is given.
set -euo pipefail
source=$1
libraries=${*:2}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -ra flags <<<"${CFLAGS-}"

block=$source/tests/docs/block.sh
page=$source/docs/simulation.md
"$block" "$page" c bank.c >"$work/bank.c"
"$block" "$page" text "bank: seed" >"$work/expected"
"$block" "$page" sh bank.c >"$work/commands"
[ -s "$work/bank.c" ] && [ -s "$work/expected" ] && [ -s "$work/commands" ]

# The page's commands, for a library that is not installed, and warnings.
mkdir "$work/bin"
cat >"$work/bin/cc" <<EOF
#!/bin/sh
exec $(command -v "${CC:-cc}") -Wall -Wextra -Werror ${flags[*]} "\$@"
EOF
cat >"$work/bin/pkg-config" <<EOF
#!/bin/sh
case \$1 in
--variable=*) echo "$work" ;;
*) echo "-I$source/include $libraries" ;;
esac
EOF
chmod +x "$work/bin/cc" "$work/bin/pkg-config"

cd "$work"
PATH=$work/bin:$PATH sh -e commands >printed && {
    echo "no seed failed"
    exit 1
}
diff expected printed

# Its last line, as it is pasted: the same failure at the same time.
sed -n 's/^  replay: //p' expected >again
sh -e again >replayed && {
    echo "the seed does not fail again"
    exit 1
}
diff <(grep -A 1 '^bank: seed' expected) <(grep -A 1 '^bank: seed' replayed)
