#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# musl 1.2.3: a name server that says "no such name" to AAAA, where "no data" is
# right, takes the IPv4 address away as well. glibc 2.36 keeps it, so that such
# a server is noticed when the first guest is an Alpine container.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

two_libraries
inside 'nameserver 127.0.0.1' "$tmp/musl" plain.example aaaanx.example \
    >"$tmp/out"
expect "musl finds both addresses of an ordinary name" \
    '^plain.example: 2001:db8::1 192\.0\.2\.1' <"$tmp/out"
expect "and none where there is no IPv6 one" \
    '^aaaanx.example: Name does not resolve' <"$tmp/out"
expect "though it has asked for both" '^udp A aaaanx\.example' <"$tmp/asked"
inside 'nameserver 127.0.0.1' "$tmp/glibc" aaaanx.example |
    expect "glibc has the IPv4 address" '^aaaanx.example: 192\.0\.2\.1$'
