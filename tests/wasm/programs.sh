#!/usr/bin/env bash
# programs.sh SOURCE: programs of POSIX sockets as guests: a server, clients by
# name over both versions, datagrams, bulk, a name that is none, a server that is
# killed while it waits, and a connection as standard input and output.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"
here=$source/tests/wasm

for name in talk shout; do
    compiled $name "$here/$name.c"
    guest $name
done
host

server=(web@80 "$work/talk.so" talk server 80 2 -- ? web "both listen")
printf '%s\n' 'both listen' 'web: hello over 6' 'web: hello over 4' \
    >"$work/expected"
run "by name" "${server[@]}" -- a@ "$work/talk.so" talk client web 80 6 -- \
    a@ "$work/talk.so" talk client web 80 4 || exit 1

printf '8388608 bytes, all as they were sent\n' >"$work/expected"
run "bulk" "&s@80" "$work/talk.so" talk sink 80 -- \
    c@ "$work/talk.so" talk bulk s 80 8388608 || exit 1

printf '100 datagrams there and back\n' >"$work/expected"
run "datagrams" "&s@" "$work/talk.so" talk udp-echo 9 -- \
    c@ "$work/talk.so" talk udp s 9 100 || exit 1

printf 'nobody: no such name\n' >"$work/expected"
run "a name that is none" "&s@80" "$work/talk.so" talk sink 80 -- \
    c@ "$work/talk.so" talk client nobody 80 4 || exit 1

printf 'refused\n' >"$work/expected"
run "refused" "&s@80" "$work/talk.so" talk sink 80 -- \
    c@ "$work/talk.so" talk refused s 81 || exit 1

# One import, x.y: a memory.
printf '\0asm\1\0\0\0\2\10\1\1x\1y\2\0\0' >"$work/stranger.wasm"
if [ "$ENGINE" != wasm2c ]; then # guestnet-wasm translates none.
    : >"$work/expected"
    status='134|2' run "not served" s@ "$work/stranger.so" stranger || exit 1
    grep -q 'not served: x y' "$work/said" || { cat "$work/said"; exit 1; }
fi

[[ $ENGINE != @(workers|jspi) ]] || exit 0 # Node's host gives no connections.
printf 'web: SHOUTED\n' >"$work/expected"
run "inetd" "web@=80" "$work/shout.so" shout -- \
    c@ "$work/talk.so" talk send web 80 shouted || exit 1
