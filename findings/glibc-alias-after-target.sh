#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# glibc 2.36 reads an answer once, from its beginning: an address that comes
# before the CNAME that leads to it belongs to no name, and the name that was
# asked for does not exist.
# musl 1.2.3 takes the same answer.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

two_libraries
inside 'nameserver 127.0.0.1' "$tmp/glibc" plain.example after.example \
    >"$tmp/out"
expect "glibc finds an ordinary name" '^plain.example: .*192\.0\.2\.1' \
    <"$tmp/out"
expect "and not an alias behind its target" \
    '^after.example: Name or service not known' <"$tmp/out"
inside 'nameserver 127.0.0.1' "$tmp/musl" after.example |
    expect "musl finds it" '^after.example: .*192\.0\.2\.1'
