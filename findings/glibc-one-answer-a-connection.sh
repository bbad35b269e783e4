#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# glibc 2.36 sends both questions of a lookup over one TCP connection. A name
# server may close it after the first answer, and a client ought to ask the rest
# again (RFC 7766). glibc does not, and gives up the answer that it has,
# also with the option single-request.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

two_libraries
for options in '' single-request; do
    inside $'nameserver 127.0.0.1\noptions '"$options" \
        "$tmp/glibc" cut.example cut-once.example >"$tmp/out"
    expect "a truncated name is found over TCP" \
        '^cut.example: 2001:db8::1 192\.0\.2\.1' <"$tmp/out"
    expect "both questions were asked there" '^tcp AAAA cut\.example' \
        <"$tmp/asked"
    expect "of another one is answered" '^tcp A cut-once\.example' \
        <"$tmp/asked"
    expect "and the other not asked again" '^0$' \
        < <(grep -c 'tcp AAAA cut-once' "$tmp/asked" || true)
    expect "then nothing is found" \
        '^cut-once.example: Temporary failure in name resolution' <"$tmp/out"
done
