#!/usr/bin/env bash
# wasi_libc.sh SOURCE: the tests of sockets that wasi-libc has: programs of one
# process, and servers with clients, which share a namespace. Its source and the
# library are those of script/setup wasm, or the folders WASI_LIBC_SOURCE and
# WASI_LIBC. Those are taken that are there and that the C library compiles.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

if [ -z "${WASI_LIBC_SOURCE-}" ]; then
    wants wasi-libc-tests "source of wasi-libc with tests of sockets"
    wants wasi-libc-tested "library that those are of"
    WASI_LIBC_SOURCE=$cache/wasm/wasi-libc-tests
    export WASI_LIBC=$cache/wasm/wasi-libc-tested
fi
tests=$WASI_LIBC_SOURCE/test/src
[ -f "$tests/sockets-client.c" ] || skip "this wasi-libc has no such tests"

# test.h is of another project's, and is this much.
cat >"$work/test.h" <<'END'
#include <stdio.h>
static int t_status;
#define t_error(...) (t_status = 1, fprintf(stderr, __VA_ARGS__))
END

# program NAME: is it there, and does it compile? An identifier is its guest.
program() {
    id=${1//-/}
    [ ! -f "$work/$id.wasm" ] || return 0
    [ -f "$tests/$1.c" ] || return 1
    compiled "$id" -w -I"$work" "$tests/$1.c" 2>"$work/said" || return 1
    guest "$id"
}

host
: >"$work/expected"
failed=0
ran=0
left=()
# verdict NAME STEP...: status 0 is all that is asked for.
verdict() {
    local name=$1
    shift
    ran=$((ran + 1))
    timeout 60 "${host[@]}" "$@" >"$work/printed" 2>&1 || {
        echo "$name: exit status $?"
        cat "$work/printed"
        failed=$((failed + 1))
    }
}

for name in poll-{connect,nonblocking-socket} setsockopt sockets-ipv6-v6only \
    getaddrinfo{,-flags} sockets-nonblocking{,-udp,-multiple,-udp-multiple,-udp-no-connection} \
    sockets-nonblocking-{accept-multiple,shutdown} sockets-fcntl sockets-dup \
    sockets-udp-{connected,timeout} sockets-eof-delayed \
    sockets-getpeername-reset sockets-select-connecting-rw \
    sockets-accept-null-addr sockets-listen-backlog \
    sockets-{sendto,recvfrom}-connected sockets-write-broken; do
    if program "$name"; then
        verdict "$name" "@" "$work/$id.so" "$id"
    else
        left+=("$name")
    fi
done

# The first line that a server prints is its port.
pair() {
    local client=$1 server=$2 n=${3-1} steps
    if ! program "$server"; then
        left+=("$server")
        return
    fi
    steps=(host@ "$work/$id.so" "$id")
    if ! program "$client"; then
        left+=("$client")
        return
    fi
    for _ in $(seq "$n"); do
        steps+=(-- host@ "$work/$id.so" "$id" %)
    done
    verdict "$client + $server" "${steps[@]}"
}

pair sockets-client sockets-server
pair sockets-client-udp-blocking sockets-server-udp-blocking
pair sockets-client-udp-blocking-roundtrips sockets-server-udp-blocking-roundtrips
pair sockets-multiple-client sockets-multiple-server 10
for how in after-connect while-sending after-sending while-receiving; do
    pair sockets-client-hangup-$how sockets-server-handle-hangups
done
for how in before-send during-send before-recv during-recv; do
    pair sockets-client-handle-hangups sockets-server-hangup-$how
done
pair sockets-client-handle-hangups hello # A server that never is one.
echo "$ran ran, $failed failed; left out: ${left[*]-none}"
[ $failed = 0 ] && [ $ran -gt 0 ]
