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
        --publish "$port:80" &
    until_true in_box ip route get 10.77.0.1
    has 10.77.0.2/24 "$(in_box ip -brief address)"
    nsenter -t $box -U -n --preserve-credentials \
        python3 -m http.server 80 >/dev/null 2>&1 &
    until_true curl -sf "http://127.0.0.1:$port/"
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

# watches ATTACH PID: it waits for the end of that process.
watches() {
    grep -qs "^Pid:.$2\$" "/proc/$1/fdinfo/"*
}

case_attach_ends_with_the_last_process() {
    need nsenter ip
    box
    "$guestnet" attach --pid $box &
    local attach=$! second
    until_true in_box ip route get 10.77.0.1
    until_true watches $attach $box
    nsenter -t $box -U -n --preserve-credentials sleep 1000 &
    second=$!
    until_true grep -q sleep "/proc/$second/comm"
    kill $box
    until_true watches $attach $second
    kill $second
    wait $attach
}

# What has a name goes on without a process; its file may stay.
case_attach_ends_with_the_name() {
    need nsenter ip
    unshare -Urm bash -ec '
        unshare -n sleep 1000 & box=$!
        until [ "$(cat /proc/$box/comm)" = sleep ]; do sleep 0.05; done
        touch here
        mount --bind /proc/$box/ns/net here
        "$0" attach --netns here & attach=$!
        until nsenter --net=here ip route get 10.77.0.1 >/dev/null 2>&1; do
            sleep 0.05
        done
        kill $box
        wait $box || true
        mount -t tmpfs guestnet-test /mnt # What is mounted changes.
        nsenter --net=here ip link show eth0 >got
        umount here
        wait $attach
    ' "$guestnet"
    has eth0 "$(cat got)"
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

# As QEMU reads it: a comma would end the value.
case_a_path_with_commas_is_printed_for_qemu() {
    "$guestnet" vm --socket 'a,,b,c' >lines &
    until_true grep -q 'addr.path=a,,,,b,,c -device ' lines
    [ -S 'a,,b,c' ]
}

no_sockets() {
    [ ! -e vm.1 ] && [ ! -e vm.2 ]
}

# outside SCRIPT: runs it with an outside of the test's own: as root of a user
# namespace, where the machine is 192.0.2.2 and 2001:db8::2, and "far" runs a
# command at 192.0.2.1 and 2001:db8::1. What is said goes to the file "said".
outside() {
    need unshare nsenter ip
    unshare -Urnm true || skip "no user namespaces here"
    unshare -Urnm bash -ec '
        unshare -n sleep 1000 & far=$!
        trap "kill $far" EXIT
        until [ "$(readlink /proc/$far/ns/net)" != \
            "$(readlink /proc/self/ns/net)" ]; do :; done
        far() { nsenter -t $far -n "$@"; }
        guestnet=$0
        ip link set lo up
        ip link add near type veth peer name far
        ip link set far netns $far
        ip addr add 192.0.2.2/24 dev near
        ip addr add 2001:db8::2/64 dev near nodad
        ip link set near up
        far ip addr add 192.0.2.1/24 dev far
        far ip addr add 2001:db8::1/64 dev far nodad
        far ip link set far up
        '"$1" "$guestnet" >out 2>said || fail "$(cat out said)"
}

case_pings_leave_by_a_rule() {
    need ping
    # Until it is written, the range is of no user in there.
    outside '
        ! "$guestnet" run --allow-all -- ping -c 1 -W 20 192.0.2.1
        echo 0 0 >/proc/sys/net/ipv4/ping_group_range
        for to in 192.0.2.1 2001:db8::1 "-s 9000 192.0.2.1" \
            "-s 65507 192.0.2.1" "-s 65487 2001:db8::1"; do
            "$guestnet" run --allow "icmp any" -- ping -c 2 -i 0.2 -W 20 $to
        done
        "$guestnet" run --allow "icmp 192.0.2.2" -- \
            ping -c 1 -W 20 192.0.2.2
        ! "$guestnet" run --allow "icmp any" -- ping -c 1 -W 20 192.0.2.2
        ! "$guestnet" run --allow "tcp any" -- ping -c 1 -W 20 192.0.2.1'
    expect 5 "$(grep -c " 2 received, 0% packet loss" out)" "pings that came"
    has "icmp to 192.0.2.2 (the machine's own) is denied; to allow it: --allow 'icmp 192.0.2.2'" "$(cat said)"
    has "icmp to 192.0.2.1 (this machine allows no ping sockets: sysctl net.ipv4.ping_group_range) is denied" "$(cat said)"
    has "Packet filtered" "$(cat out)"
}

# Behind a router that takes 1500 bytes and passes 1280 on. What the kernel has
# learnt of an address it keeps: each is asked once.
case_a_narrow_way_is_told() {
    need ping python3
    cat >probe.py <<'END'
import socket, sys, time

# linux/in.h, linux/in6.h: MTU_DISCOVER, PMTUDISC_DO, MTU
for family, to, level, discover, mtu in (
    (socket.AF_INET, "198.51.100.2", socket.IPPROTO_IP, 10, 14),
    (socket.AF_INET6, "2001:db8:1::2", socket.IPPROTO_IPV6, 23, 24),
):
    probe = socket.socket(family, socket.SOCK_DGRAM)
    probe.setsockopt(level, discover, 2)
    probe.connect((to, 9))
    end = time.monotonic() + 30
    while probe.getsockopt(level, mtu) != 1280 and time.monotonic() < end:
        try:
            probe.send(bytes(1400))
        except OSError:
            pass
        time.sleep(0.05)
    print(to, "takes", probe.getsockopt(level, mtu))
END
    outside '
        unshare -n sleep 1000 & beyond=$!
        trap "kill $far $beyond" EXIT
        until [ "$(readlink /proc/$beyond/ns/net)" != \
            "$(readlink /proc/self/ns/net)" ]; do :; done
        beyond() { nsenter -t $beyond -n "$@"; }
        far ip link add narrow mtu 1280 type veth peer name end mtu 1280
        far ip link set end netns $beyond
        far ip addr add 198.51.100.1/24 dev narrow
        far ip addr add 2001:db8:1::1/64 dev narrow nodad
        far ip link set narrow up
        far sh -c "echo 1 >/proc/sys/net/ipv4/ip_forward &&
            echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
        beyond ip addr add 198.51.100.2/24 dev end
        beyond ip addr add 198.51.100.3/24 dev end
        beyond ip addr add 2001:db8:1::2/64 dev end nodad
        beyond ip link set end up
        beyond ip route add default via 198.51.100.1
        beyond ip route add default via 2001:db8:1::1
        ip route add default via 192.0.2.1
        ip route add default via 2001:db8::1
        echo 0 0 >/proc/sys/net/ipv4/ping_group_range
        "$guestnet" run --allow-all -- python3 probe.py
        ! "$guestnet" run --allow-all -- \
            ping -c 1 -W 2 -M "do" -s 1300 198.51.100.3'
    has "198.51.100.2 takes 1280" "$(cat out)"
    has "2001:db8:1::2 takes 1280" "$(cat out)"
    has "mtu = 1280" "$(cat out)"
}

case_names_open_what_they_lead_to() {
    need curl python3 dnsmasq
    mkdir www
    echo hello >www/index.html
    outside '
        nsenter -t $far -n dnsmasq --no-daemon --no-resolv --no-hosts --user= \
            --listen-address=192.0.2.1 --bind-interfaces --pid-file= \
            --log-queries \
            --address=/www.example.org/192.0.2.1 \
            --address=/www.example.org/2001:db8::1 \
            --address=/other.example.org/192.0.2.1 & dns=$!
        nsenter -t $far -n python3 -m http.server --bind :: \
            --directory www 80 & web=$!
        trap "kill $far $dns $web" EXIT
        echo nameserver 192.0.2.1 >resolv.conf
        mount --bind resolv.conf /etc/resolv.conf
        run() {
            "$guestnet" run --allow "name www.example.org port 80" -- "$@"
        }
        until run curl -sf -m 20 http://www.example.org/; do
            [ $SECONDS -lt 30 ]
        done
        ! run curl -sf -m 20 http://other.example.org/
        ! run curl -sf -m 20 http://192.0.2.1/
        ! run curl -4sf -m 20 http://www.example.org:81/
        "$guestnet" run --deny "$(printf "any\tport 81")" \
            --allow "name www.example.org." -- \
            curl -sf -m 20 http://www.example.org/
        ! "$guestnet" run -- curl -sf -m 20 http://notguest.internal/'
    expect 2 "$(grep -c hello out)" "pages that came"
    has "looking notguest.internal up is denied" "$(cat said)"
    has "looking other.example.org up is denied; to allow it: --allow 'name other.example.org'" "$(cat said)"
    has "tcp to 192.0.2.1 port 80 (no rule) is denied; to allow it: --allow 'tcp 192.0.2.1 port 80'" "$(cat said)"
    has "--allow 'tcp name www.example.org port 81'" "$(cat said)"
    has "query?A? www.example.org" "$(cat said)"
    [[ $(cat said) != *"query[A] other.example.org"* ]] ||
        fail "the other was asked"
}

# Frames of a machine that asks for an address, as QEMU writes them.
case_a_machine_gets_an_address_beside_a_container() {
    need python3 curl
    "$guestnet" vm --socket vm --network lab >lines &
    until_true test -S vm
    until_true grep -q addr.path lines
    "$guestnet" run --network lab --name web -- sleep 1000 &
    until_true sh -c "$guestnet ps | grep web"
    python3 "$here/machine.py" vm
    has '"connected":	true' "$("$guestnet" ps --json)"
}

# As QEMU has them: all with the same MAC address.
case_machines_at_one_path_are_guests_of_their_own() {
    need python3
    "$guestnet" vm --socket vm --shared 2 --name m --network lab \
        --link latency=1ms >lines &
    until_true grep -q 'addr.path=vm -device .*:57' lines
    expect 2 "$(grep -c '^-netdev stream,.*,addr.path=vm -device ' lines)" lines
    python3 "$here/machine.py" vm 2 3
    python3 "$here/machine.py" vm 2 3 # The same two again.
    if python3 "$here/machine.py" vm 2 3 4 2>said; then
        fail "there is a third"
    fi
    "$guestnet" ps --json >network
    has '"m2"' "$(cat network)"
    has '"turned_away":{"full":1}' "$(tr -d '[:space:]' <network)"
    says "guestnet: the name mN is taken on this network; *" \
        "$guestnet" vm --socket other --shared 2 --name m --network lab
    kill -9 %1
    until_true test ! -e vm
}

run_case "$@"
