#!/usr/bin/env bash
# lines.sh MOST FILE...: the files have fewer than MOST lines, all together.
set -euo pipefail
most=$1
shift
n=$(cat "$@" | wc -l)
if ((n >= most)); then
    echo "$n lines, $most or more, in: $*"
    exit 1
fi
