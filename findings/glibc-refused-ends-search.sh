#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# glibc 2.36: when the name server answers REFUSED for a name with the first
# domain of the search list, the rest of the list is not tried, and the answer
# is that there is no such name, not that it could not be told.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

two_libraries
inside $'nameserver 127.0.0.1\nsearch refused.example lab.example' \
    "$tmp/glibc" web printer.lab.example >"$tmp/out"
expect "the second domain has names" '^printer.lab.example: .*192\.0\.2\.1' \
    <"$tmp/out"
expect "a name below the first is asked for" '^udp A web\.refused\.example' \
    <"$tmp/asked"
expect "then the name alone is" '^udp A web$' <"$tmp/asked"
expect "and the second domain is not" '^0$' \
    < <(grep -c 'web\.lab' "$tmp/asked" || true)
expect "there is no such name, it says" '^web: Name or service not known' \
    <"$tmp/out"
