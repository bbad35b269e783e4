#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# c-ares 1.34.9: when a server's first answer has a DNS cookie of its own (RFC
# 7873), later ones without are dropped. A forwarder that passes on what is
# behind it has cookies in some answers and none in others: then names time out,
# although every question is answered at once.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

debian trixie libcares2=1.34.9-1~deb13u1 libc-ares-dev=1.34.9-1~deb13u1 \
    libc6=2.41-12+deb13u5
build "$here/lib/ares.c" libcares.so.2
serve 15353
run "$tmp/program" 15353 /dev/null cookie.example other.example >"$tmp/out"

expect "version" 'c-ares 1\.34\.9' <"$tmp/out"
expect "the first name is found" '^cookie.example: .*192\.0\.2\.1' \
    <"$tmp/out"
expect "the next question is answered, too" '^udp A other\.example' \
    <"$tmp/asked"
expect "but no answer counts" '^other.example: Timeout .* after 50[0-9]{2} ms' \
    <"$tmp/out"
