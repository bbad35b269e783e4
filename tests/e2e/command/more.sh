#!/usr/bin/env bash
# more.sh CASE: namespaces that others have made, and virtual machines.
# shellcheck disable=SC2016 # Much is for the inner shell.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# box: a container of another's making, whose first process is $box.
box() {
    unshare -Urn sleep 1000 &
    box=$!
    until_true grep -q sleep "/proc/$box/comm"
}

# in_box COMMAND...
in_box() {
    nsenter -t "$box" -U -n --preserve-credentials "$@"
}

case_attach_by_process() {
    need nsenter ip curl python3
    box
    "$guestnet" attach --pid $box --network lab --name box \
        --publish 18404:80 &
    until_true in_box ip route get 10.77.0.1
    has 10.77.0.2/24 "$(in_box ip -brief address)"
    in_box python3 -m http.server 80 >/dev/null 2>&1 &
    until_true curl -sf http://127.0.0.1:18404/
    "$guestnet" run --network lab -- curl -sf http://box/ >/dev/null
    says "guestnet: eth0: *the namespace has one already" \
        "$guestnet" attach --pid $box
    kill -TERM %2
    wait %2
    until_true no_eth0
}

no_eth0() {
    ! in_box ip link show eth0
}

case_attach_ends_with_the_device() {
    need nsenter ip
    box
    "$guestnet" attach --pid $box &
    until_true in_box ip route get 10.77.0.1
    in_box ip link delete eth0
    wait %2
}

case_attach_by_file() {
    need nsenter ip
    box
    "$guestnet" attach --netns /proc/$box/ns/net &
    until_true in_box ip route get 10.77.0.1
    kill %2
}

case_a_namespace_of_others_is_refused() {
    says "guestnet: /proc/*/ns/net: *" "$guestnet" attach --pid 1
}

case_netns_is_named_or_the_way_in_is_told() {
    need nsenter ip
    "$guestnet" run --netns here -- sh -c 'touch up; sleep 1000' 2>said &
    until_true test -e up
    local way
    way=$(sed -n 's/.*to join the namespace: //p' said)
    [ -n "$way" ] || fail "$(cat said)"
    has 10.77.0.2 "$($way ip -brief address show eth0)"
    [ ! -e here ] || fail "the file is left"
}

case_netns_is_named_where_that_may_be() {
    need unshare nsenter ip
    unshare -Urm bash -ec '
        "$0" run --netns here -- sh -c "touch up; sleep 1000" & main=$!
        until [ -e up ]; do sleep 0.05; done
        nsenter --net=here ip -brief address show eth0 >got
        kill $main
        wait $main || true
        [ ! -e here ]
    ' "$guestnet"
    has 10.77.0.2 "$(cat got)"
}

case_machines_have_paths_that_are_taken_away() {
    need curl
    "$guestnet" vm --socket vm --vms 2 --name m --network lab >lines &
    until_true grep -q vm.2 lines
    expect 2 "$(grep -c '^-netdev stream,id=n0,server=off,addr.type=unix,addr.path=vm.[12] -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:5[67]$' lines)" lines
    [ -S vm.1 ] && [ -S vm.2 ]
    has '"m2"' "$("$guestnet" ps --json)"
    says "guestnet: --socket vm.1: *a process listens there" \
        "$guestnet" vm --socket vm.1
    kill -9 %1
    until_true no_sockets
}

no_sockets() {
    [ ! -e vm.1 ] && [ ! -e vm.2 ]
}

# Frames of a machine that asks for an address, as QEMU writes them.
case_a_machine_gets_an_address_beside_a_container() {
    need python3 curl
    "$guestnet" vm --socket vm --network lab >lines &
    until_true test -S vm
    until_true grep -q addr.path lines
    "$guestnet" run --network lab --name web -- sleep 1000 &
    until_true sh -c "$guestnet ps | grep web"
    python3 "$(dirname "$0")/machine.py" vm
    has '"connected":	true' "$("$guestnet" ps --json)"
}

run_case "$@"
