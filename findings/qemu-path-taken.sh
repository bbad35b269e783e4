#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 7.2: a second machine that is started with the Unix path of a running one,
# in -netdev stream,server=on or as the local path of -netdev dgram, takes it
# over and prints nothing. When it ends, the first still runs, out of reach.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

need python3
debian_whole bookworm qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3
export QEMU_MODULE_DIR=$root/usr/lib/$triple/qemu
as qemu "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" \
    -M none -nodefaults -display none
"$tmp/qemu" -version | expect "version" 'version 7\.2\.'

inode() { stat -c %i "$tmp/socket" 2>"$tmp/err" || echo none; }

# start NETDEV: returns when there is a new socket at the path.
start() {
    local before
    before=$(inode)
    "$tmp/qemu" -netdev "$1" 2>>"$tmp/printed" &
    for _ in $(seq 300); do
        [ "$(inode)" = "$before" ] || return 0
        sleep 0.1
    done
}
reach() {
    python3 - "$tmp/socket" "$1" <<'END' 2>&1 || true
import socket
import sys

socket.socket(socket.AF_UNIX, getattr(socket, sys.argv[2])).connect(sys.argv[1])
print("reached")
END
}

# taken KIND TYPE NETDEV
taken() {
    local first
    rm -f "$tmp/socket" "$tmp/printed"
    start "$3"
    first=$!
    reach "$2" | expect "$1: the first is reached" '^reached'
    start "$3"
    reach "$2" | expect "the second, at the same path, too" '^reached'
    kill $!
    wait $! || true
    reach "$2" | expect "then nothing is there" \
        'ConnectionRefusedError|FileNotFoundError'
    jobs -rp | expect "though the first still runs" "^$first\$"
    expect "no error was printed" '^0$' \
        < <(grep -cvE 'has no peer$|on signal 15' "$tmp/printed" || true)
    kill "$first"
}

taken stream SOCK_STREAM \
    "stream,id=net0,server=on,addr.type=unix,addr.path=$tmp/socket"
peer=remote.type=unix,remote.path=$tmp/peer
taken dgram SOCK_DGRAM \
    "dgram,id=net0,local.type=unix,local.path=$tmp/socket,$peer"
