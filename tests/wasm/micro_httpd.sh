#!/usr/bin/env bash
# micro_httpd.sh SOURCE: a server that knows nothing of sockets: each connection is
# the standard input and output of a guest of its own. It finds no folder, which
# it says by HTTP.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

wants micro-httpd "source of micro-httpd"
others curl curl
# It has 80 KB of variables in main().
compiled micro -Wno-everything -Wl,-z,stack-size=262144 \
    "$cache/wasm/micro-httpd/micro_httpd.c"
guest micro
guest curl
host

printf '500 micro_httpd\n500 micro_httpd\n' >"$work/expected"
written='%{http_code} %header{server}\n'
# It ends with 1, as it does wherever the folder that it is to show is not.
status=1 run "a guest a connection" \
    "web@=80" "$work/micro.so" micro / -- \
    a@ "$work/curl.so" curl -s -o /dev/null -w "$written" http://web/ -- \
    ? a micro_httpd -- \
    "web@=80" "$work/micro.so" micro / -- \
    b@ "$work/curl.so" curl -s -o /dev/null -w "$written" http://web/page || exit 1
