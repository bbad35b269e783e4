#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# musl 1.2.3 ignores a line of resolv.conf that does not fit 256 bytes. A runner
# that adds one domain too many to a search list takes all of them away from
# Alpine guests, without a word; glibc 2.36 searches them.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

two_libraries
printf -v domains ' d%s.cluster.example' {01..11}
inside $'nameserver 127.0.0.1\nsearch'"$domains" "$tmp/musl" web >"$tmp/out"
expect "musl searches 226 characters" '^web: .*192\.0\.2\.1' <"$tmp/out"
expect "and begins with the first domain" '^udp A web\.d01\.cluster' \
    <"$tmp/asked"

printf -v domains ' d%s.cluster.example' {01..13}
inside $'nameserver 127.0.0.1\nsearch'"$domains" "$tmp/musl" web >"$tmp/out"
expect "of 266 it searches none" '^web: Name does not resolve' <"$tmp/out"
expect "and asks for the name alone" '^0$' \
    < <(grep -c 'cluster' "$tmp/asked" || true)
inside $'nameserver 127.0.0.1\nsearch'"$domains" "$tmp/glibc" web |
    expect "glibc does" '^web: .*192\.0\.2\.1'
