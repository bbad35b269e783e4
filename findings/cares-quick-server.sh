#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# c-ares 1.34.9: after some quick answers of a server its own estimate replaces
# the time-out that was asked for, down to 250 ms. A name that takes a resolver
# behind it one second is then lost, where the program allowed five.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

debian trixie libcares2=1.34.9-1~deb13u1 libc-ares-dev=1.34.9-1~deb13u1 \
    libc6=2.41-12+deb13u5
build "$here/lib/ares.c" libcares.so.2
serve 15353
run "$tmp/program" 15353 /dev/null late1000.example >"$tmp/first"
run "$tmp/program" 15353 /dev/null a.example b.example c.example d.example \
    late1000.example >"$tmp/out"

expect "version" 'c-ares 1\.34\.9' <"$tmp/out"
expect "asked first, the slow name is found" \
    '^late1000.example: .*192\.0\.2\.1.* after 10[0-9]{2} ms' <"$tmp/first"
expect "after quick ones it times out" \
    '^late1000.example: Timeout .* after 2[0-9]{2} ms' <"$tmp/out"
