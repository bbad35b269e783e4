#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 7.2: -netdev stream,server=off tries to connect once. A machine that
# starts before the listener does runs on without a network and prints nothing;
# only "info network" has it. There is no option to try again.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

need python3
debian_whole bookworm qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3
export QEMU_MODULE_DIR=$root/usr/lib/$triple/qemu
netdev=stream,id=net0,server=off,addr.type=unix,addr.path=$tmp/socket
as qemu "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" \
    -M none -nodefaults -display none -qmp stdio

# info network, for at most half a minute until the answer matches $1.
state() {
    for _ in $(seq 300); do
        echo '{"execute": "human-monitor-command",
               "arguments": {"command-line": "info network"}}'
        sleep 0.1
        ! tail -1 "$tmp/out" | grep -qE "$1" || return 0
    done
}
listen() {
    python3 - "$tmp/socket" <<'END'
import socket
import sys

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
listener.settimeout(5)
try:
    listener.accept()
    print("connected")
except TimeoutError:
    print("no connection")
END
}
: >"$tmp/out"
{
    echo '{"execute": "qmp_capabilities"}'
    state error
    listen >"$tmp/listened"
    state error
    echo '{"execute": "quit"}'
} | "$tmp/qemu" -netdev "$netdev" >"$tmp/out" 2>"$tmp/err" ||
    skip "QEMU did not run: $(tail -1 "$tmp/err")"

expect "version" '"minor": 2, "major": 7' <"$tmp/out"
expect "a listener that comes later is not connected to" '^no connection' \
    <"$tmp/listened"
tail -3 "$tmp/out" | expect "the machine runs on" 'type=stream,connection error'
expect "and no error is printed" '^0$' \
    < <(grep -cvE 'has no peer$' "$tmp/err" || true)
"$tmp/qemu" -netdev "$netdev,reconnect=1" </dev/null >"$tmp/out" 2>&1 || true
expect "it cannot be told to try again" "Parameter 'reconnect' is unexpected" \
    <"$tmp/out"
