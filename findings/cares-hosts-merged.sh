#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# c-ares 1.34.9: lines of a hosts file that have one name in common are one host
# with the addresses of both, for all their names.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

debian trixie libcares2=1.34.9-1~deb13u1 libc-ares-dev=1.34.9-1~deb13u1 \
    libc6=2.41-12+deb13u5
build "$here/lib/ares.c" libcares.so.2
printf '%s\n' '192.0.2.21 printer office' '192.0.2.22 scanner office' \
    >"$tmp/hosts"
run "$tmp/program" 9 "$tmp/hosts" printer scanner >"$tmp/out"

expect "version" 'c-ares 1\.34\.9' <"$tmp/out"
expect "the first has the second's address, too" \
    '^printer: 192\.0\.2\.21 192\.0\.2\.22' <"$tmp/out"
expect "and the other way round" '^scanner: 192\.0\.2\.21 192\.0\.2\.22' \
    <"$tmp/out"
