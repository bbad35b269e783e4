#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A port in resolv.conf ("nameserver 127.0.0.2:5353") makes glibc 2.36 and musl
# 1.2.3 drop the line and, without a word, ask port 53 of 127.0.0.1: what serves
# guests must be at port 53.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

two_libraries
for library in glibc musl; do
    inside 'nameserver 127.0.0.2:5353' "$tmp/$library" plain.example >"$tmp/out"
    expect "$library is answered" '^plain.example: .*192\.0\.2\.1' <"$tmp/out"
    expect "by the server at 127.0.0.1:53" '^udp A plain\.example' <"$tmp/asked"
done
