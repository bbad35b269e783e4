#!/usr/bin/env bash
# curl.sh SOURCE: curl and a client by Rust's std::net fetch from a server by
# Rust's std::net, by name over both versions; and this machine's curl does,
# through a published port.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

others curl curl
rust httpd "$source/tests/wasm/others/httpd.rs"
guest curl
guest httpd
host

for version in 4 6; do
    any='0.0.0.0:80'
    [ $version = 4 ] || any='[::]:80'
    printf 'rust has /by-curl\nrust has /by-rust\n' >"$work/expected"
    run "by name over $version" \
        web@80 "$work/httpd.so" httpd serve "$any" 2 -- \
        a@ "$work/curl.so" curl -sS -$version http://web/by-curl -- \
        b@ "$work/httpd.so" httpd fetch web 80 || exit 1
done

# Of both addresses of the name, one answers.
printf 'rust has /either\n' >"$work/expected"
run "by either" web@80 "$work/httpd.so" httpd serve 0.0.0.0:80 1 -- \
    a@ "$work/curl.so" curl -sS http://web/either || exit 1

type curl >/dev/null 2>&1 || exit 0
printf 'rust has /published\n' >"$work/expected"
# shellcheck disable=SC2016 # $PORT is the host's.
run "published" "^web@80" "$work/httpd.so" httpd serve 0.0.0.0:80 1 -- \
    ! sh -c 'curl -sS "http://127.0.0.1:$PORT/published"' || exit 1
