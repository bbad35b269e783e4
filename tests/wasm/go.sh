#!/usr/bin/env bash
# go.sh SOURCE: servers by Go's net/http, Rust's std::net and POSIX C on one
# network; curl and Rust fetch from each by name. Go's answers two requests that
# wait for each other. Its program is too large for wasm2c.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

others curl curl
rust httpd "$source/tests/wasm/others/httpd.rs"
compiled talk "$source/tests/wasm/talk.c"
go serve "$source/tests/wasm/others/serve.go"
for name in curl httpd talk serve; do
    guest $name
done
host

servers=("&go@*80" "$work/serve.so" serve --
    rust@80 "$work/httpd.so" httpd serve 0.0.0.0:80 2 --
    c@80 "$work/talk.so" talk http 80 2)
clients=()
: >"$work/expected"
for server in go rust c; do
    clients+=(-- a@ "$work/curl.so" curl -sS "http://$server/by-curl"
        -- b@ "$work/httpd.so" httpd fetch "$server" 80)
    printf "$server has /by-%s\n" curl rust >>"$work/expected"
done
run "each from each" "${servers[@]}" "${clients[@]}" || exit 1

printf 'go has both\n%.0s' 1 2 >"$work/expected"
run "at once" "&go@*80" "$work/serve.so" serve -- \
    a@ "$work/curl.so" curl -sS http://go/both -- \
    b@ "$work/curl.so" curl -sS http://go/both || exit 1
