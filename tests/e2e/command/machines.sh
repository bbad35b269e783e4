#!/usr/bin/env bash
# machines.sh CASE: a Linux machine under QEMU beside containers, with a card and
# without one.
# shellcheck disable=SC2016 # Much is for the inner shell.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The kernel and the first file system are made before the case is an ordinary
# user's, which has no cache of packages.
if [ -z "${GN_VM-}" ]; then
    GN_VM=$(mktemp -d)
    export GN_VM
    why=$("$(dirname "$0")/../vm.sh" "$GN_VM" "$GUESTNET_AGENT") || {
        rm -rf "$GN_VM"
        skip "$why"
    }
    [ "$(id -u)" != 0 ] || chown -R 1000:1000 "$GN_VM"
fi
trap 'rm -rf "$GN_VM"' EXIT

# machine OPTION...: starts one, with the options that guestnet vm has printed.
# Its shell reads $in, and what it says is in the file "console".
machine() {
    mkfifo typed
    qemu-system-x86_64 -accel tcg -m 192 -display none -serial stdio \
        -monitor none -no-reboot -nodefaults -kernel "$GN_VM/vmlinuz" \
        -initrd "$GN_VM/initrd" \
        -append "console=ttyS0 quiet panic=-1 no_timer_check" "$@" \
        <typed >console 2>&1 &
    qemu=$!
    exec {in}>typed
    patience=180 until_true grep -q '#up#' console
}

# type_in COMMAND: into the machine's shell.
type_in() {
    echo "$1" >&"$in"
}

case_a_machine_beside_a_container() {
    need qemu-system-x86_64 curl python3
    "$guestnet" vm --socket vm --network lab --publish "$port:80" >lines &
    until_true grep -q addr.path lines
    # shellcheck disable=SC2046 # They are words.
    machine $(cat lines)
    type_in 'udhcpc -i eth0 -f -q -n -s /dhcp'
    patience=120 until_true grep -q 'lease of 10.77.0.2 obtained' console
    type_in 'echo hello from the machine >/www/index.html; httpd -h /www'
    patience=120 until_true curl -sf -m 5 "http://127.0.0.1:$port/"
    has "hello from the machine" "$("$guestnet" run --network lab -- \
        curl -s -m 60 "http://$(name)/")"
    echo hello from the container >index.html
    # By both families: of two addresses, busybox's wget tries the first only.
    "$guestnet" run --network lab --name box -- \
        python3 -m http.server --bind :: 80 >/dev/null 2>&1 &
    type_in 'until wget -q -O - http://box/; do :; done'
    patience=120 until_true grep -q 'hello from the container' console
    kill -9 $qemu
}

# QEMU gives all machines the MAC address that machine.py has.
case_machines_at_one_path() {
    need qemu-system-x86_64 python3
    "$guestnet" vm --socket vm --shared 2 --network lab >lines &
    until_true grep -q :57 lines
    for _ in 1 2; do
        # shellcheck disable=SC2046 # They are words.
        machine $(sed -n '1s/,mac=.*//p' lines)
        type_in 'udhcpc -i eth0 -f -q -n -s /dhcp'
        patience=120 until_true grep -q 'lease of 10.77.0.2 obtained' console
        python3 "$here/machine.py" vm 3
        kill -9 $qemu
        rm typed
    done
}

# typed_until TEXT COMMAND: types it in until the console says so.
typed_until() {
    type_in "until { $2; } >/tmp/out 2>&1; grep '$1' /tmp/out; do :; done"
    patience=120 until_true grep -q "$1" console
    : >console
}

# A machine has no libraries.
static_agent() {
    file -L "$GUESTNET_AGENT" 2>/dev/null | grep -q 'statically linked' ||
        ! ldd "$GUESTNET_AGENT" >/dev/null 2>&1 ||
        skip "guestnet-agent is not static in this build"
}

case_a_machine_without_a_card() {
    need qemu-system-x86_64 curl
    static_agent
    "$guestnet" vm --socket vm --serial --network lab --name box \
        --publish "$port:80" >lines &
    local network=$!
    until_true grep -q 'name=guestnet.0' lines
    # shellcheck disable=SC2046 # They are words.
    machine $(cat lines)
    type_in 'load tun virtio_console'
    type_in 'guestnet-agent serial:guestnet.0 & agent=$!'
    typed_until 'lease of 10.77.0.2 obtained' \
        'udhcpc -i eth0 -f -q -n -s /dhcp'
    type_in 'head -c 2000000 /dev/urandom >/www/file; httpd -h /www'
    type_in 'sha256sum </www/file >/tmp/sum; mv /tmp/sum /www/sum'
    patience=120 until_true curl -sf -m 5 -o sum "http://127.0.0.1:$port/sum"
    curl -sf -m 60 -o file "http://127.0.0.1:$port/file"
    expect "$(cat sum)" "$(sha256sum <file)" "the file"

    # An agent that is killed while it carries leaves half a frame: here three
    # bytes of a length, at the least.
    curl -s -m 60 -o /dev/null "http://127.0.0.1:$port/file" &
    type_in 'kill -9 $agent; wait $agent; printf "\0\0\5" >/dev/vport*p1'
    type_in 'guestnet-agent serial:guestnet.0 & agent=$!'
    typed_until 'lease of 10.77.0.2 obtained' \
        'udhcpc -i eth0 -f -q -n -s /dhcp'
    curl -sf -m 60 -o file "http://127.0.0.1:$port/file"
    expect "$(cat sum)" "$(sha256sum <file)" "the file, after kill -9"

    # The host goes and comes again.
    kill "$network"
    wait "$network"
    "$guestnet" vm --socket vm --serial --network lab --name box \
        --publish "$port:80" >lines &
    patience=120 until_true curl -sf -m 5 -o sum "http://127.0.0.1:$port/sum"
    type_in 'kill $agent; wait $agent; echo "it ended: $?"'
    until_true grep -q 'it ended: 0' console
    kill -9 $qemu
}

# The kernel's own loopback of AF_VSOCK, which the machines that tests run on
# seldom have: one agent waits in the machine, another connects from a network
# namespace of it.
case_vsock_in_a_machine() {
    need qemu-system-x86_64
    static_agent
    machine
    type_in 'guestnet-agent vsock:1077; echo "without tun: $?"'
    until_true grep -q 'modprobe tun' console
    type_in 'load tun'
    type_in 'guestnet-agent vsock:1077; echo "without vsock: $?"'
    until_true grep -q 'vmw_vsock_virtio_transport is needed' console
    until_true grep -q 'without vsock: 125' console
    type_in 'load vsock vmw_vsock_virtio_transport_common vsock_loopback'
    type_in 'unshare -n sh -c "echo \$\$ >/tmp/pid; exec sleep 10000" &'
    type_in 'until [ -s /tmp/pid ]; do :; done; pid=$(cat /tmp/pid)'
    type_in 'nsenter -t $pid -n guestnet-agent --address 10.9.0.2/24 vsock:1:1077 &'
    until_true grep -q 'vsock:1:1077: .*; waiting for it' console
    # It is no host that connects there.
    type_in 'guestnet-agent vsock:1077 & agent=$!'
    until_true grep -q 'a connection from CID 1 is refused; --peer 1' console
    type_in 'kill $agent; wait $agent'
    type_in 'guestnet-agent --address 10.9.0.1/24 --peer 1 vsock:1077 & agent=$!'
    typed_until ' 0% packet loss' 'ping -c 3 -s 1400 10.9.0.2'
    type_in 'kill $agent; wait $agent; echo "it ended: $?"'
    until_true grep -q 'it ended: 0' console
    type_in 'guestnet-agent --address 10.9.0.1/24 --peer 1 vsock:1077 &'
    typed_until ' 0% packet loss' 'ping -c 3 10.9.0.2'
    kill -9 $qemu
}

# What the machine is called.
name() {
    "$guestnet" ps | awk '$3 ~ /^10.77.0.2/ { print $2 }'
}

run_case "$@"
