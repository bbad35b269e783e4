#!/usr/bin/env bash
# agent.sh CASE: guestnet-agent in a network namespace, which has no card, over a
# Unix socket.
# shellcheck disable=SC2016 # Much is for the inner shell.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A machine of an ordinary user's: $inside is its pid.
machine_start() {
    need unshare nsenter ip
    unshare -Urn sleep 1000 &
    inside=$!
    until_true within ip link set lo up
}

# within COMMAND...: there.
within() {
    nsenter -t "$inside" -U -n --preserve-credentials "$@"
}

# agent ARGUMENT...: starts one there; its lines go into the file "said".
agent() {
    nsenter -t "$inside" -U -n --preserve-credentials \
        "$guestnet-agent" "$@" 2>said &
    agent=$!
}

# network OPTION...: one that waits for it at "wire".
network() {
    "$guestnet" vm --network lab --socket wire "$@" >lines &
    network=$!
    until_true grep -q addr.path lines
}

agent_has_ended() {
    ! kill -0 "$agent"
}

# It goes when it is asked to, and so does its device.
agent_end() {
    local status=0
    kill -TERM "$agent"
    wait "$agent" || status=$?
    expect 0 $status "its exit status"
    ! within ip link show eth0 >/dev/null 2>&1 || fail "eth0 is still there"
}

case_it_is_a_guest_like_others() {
    need ip ping curl python3
    machine_start
    network --name box
    agent --address 10.77.0.2/24 --gateway 10.77.0.1 unix:wire
    until_true within ping -c 1 -W 1 10.77.0.1
    # By router advertisements, without being told.
    until_true within ping -6 -c 1 -W 1 fd77::1
    echo hello from the machine >index.html
    within python3 -m http.server 80 >/dev/null 2>&1 &
    until_true within curl -s -m 5 http://127.0.0.1/ -o /dev/null
    has "hello from the machine" "$("$guestnet" run --network lab -- \
        curl -s -m 20 http://box/)"
    agent_end
    expect "" "$(cat said)" "what it said"
}

# A machine may have no libraries.
case_it_is_one_small_static_program() {
    need nm
    nm "$guestnet-agent" >names
    ! grep -qE ' (__asan_init|__tsan_init|_DYNAMIC)$' names ||
        skip "guestnet-agent is not static in this build"
    ! grep -E ' (gn_|gn__|uv_)' names || fail "that is the library's"
    strip -o stripped "$guestnet-agent"
    [ "$(stat -c %s stripped)" -lt 1048576 ] || fail "$(ls -l stripped)"
}

# Nothing to do is no time of the processor's: 2 s and less than 0.1 s of it.
case_it_is_idle_where_it_can_do_nothing() {
    need ip python3
    machine_start
    agent --address 10.77.0.2/24 unix:wire
    until_true grep -q 'waiting for it' said
    idle "without a host"
    network
    until_true within ping -c 1 -W 1 10.77.0.1
    idle "connected"
    within ip link set eth0 down
    idle "with the interface down"
    agent_end
}

# idle WHAT: the agent is, for two seconds.
idle() {
    local before
    before=$(ticks)
    sleep 2
    [ $(($(ticks) - before)) -lt 10 ] ||
        fail "$1 it takes $(($(ticks) - before)) hundredths in 2 s"
}

ticks() {
    awk '{ print $14 + $15 }' "/proc/$agent/stat"
}

case_its_address_comes_by_dhcp() {
    need ip ping udhcpc
    machine_start
    network
    agent --name net7 unix:wire
    until_true within ip link show net7
    cat >bound <<'END'
#!/bin/sh
[ "$1" != bound ] || ip addr add "$ip/$mask" dev "$interface"
END
    chmod +x bound
    within udhcpc -i net7 -f -q -n -t 9 -s "$PWD/bound" >dhcp 2>&1 ||
        fail "$(cat dhcp said)"
    within ping -c 1 -W 5 10.77.0.1 >/dev/null
    has "inet 10.77.0.2/24" "$(within ip -o addr show net7)"
}

case_large_packets_and_much_at_once() {
    need ip ping curl python3
    machine_start
    network --name box --mtu 65520
    agent --mtu 65520 --address 10.77.0.2/24 --gateway 10.77.0.1 unix:wire
    until_true within ping -c 1 -W 1 -M "do" -s 60000 10.77.0.1
    head -c 67108864 /dev/urandom >file
    within python3 -m http.server 80 >/dev/null 2>&1 &
    until_true within curl -s -m 5 http://127.0.0.1/said
    expect "$(sha256sum <file)" "$("$guestnet" run --network lab -- \
        curl -s -m 100 http://box/file | sha256sum)" "the file"
    "$guestnet" run --network lab --name web -- \
        python3 -m http.server 80 >/dev/null 2>&1 &
    until_true "$guestnet" run --network lab -- curl -sf http://web/said
    web=$("$guestnet" ps | awk '$2 == "web" { print $3 }')
    expect "$(sha256sum <file)" \
        "$(within curl -s -m 100 "http://${web%%,*}/file" | sha256sum)" \
        "the file, the other way"
}

case_it_comes_again_when_the_host_does() {
    need ip ping
    machine_start
    agent --address 10.77.0.2/24 unix:wire
    until_true grep -q 'waiting for it' said
    has "NO-CARRIER" "$(within ip link show eth0)"
    network
    until_true within ping -c 1 -W 1 10.77.0.1
    has "LOWER_UP" "$(within ip link show eth0)"
    kill "$network"
    wait "$network" || true
    network
    until_true within ping -c 1 -W 1 10.77.0.1
    expect "guestnet-agent: unix:wire: No such file or directory; waiting for it
guestnet-agent: unix:wire: no host is connected; waiting for it" \
        "$(head -n 2 said)" "what it said"
    agent_end
}

# A VMM that is a stub of the text: the host connects to "vmm", the agent's port
# is the file "machine".
case_the_vsock_of_a_vmm() {
    need ip ping python3
    machine_start
    "$guestnet" vm --network lab --vsock vmm:1077 >lines 2>vm_said &
    network=$!
    until_true grep -q 'guestnet-agent vsock:1077' lines
    has 'Firecracker: {"vsock": {"guest_cid": 3, "uds_path": "vmm"}}' \
        "$(cat lines)"
    has 'cloud-hypervisor: --vsock cid=3,socket=vmm' "$(cat lines)"
    until_true grep -q 'vmm: No such file or directory; waiting' vm_said
    python3 "$here/vsock.py" vmm 1077 machine &
    vmm=$!
    until_true grep -q 'does not listen at port 1077; waiting' vm_said
    agent --address 10.77.0.2/24 unix:machine
    until_true within ping -c 1 -W 1 10.77.0.1
    # A machine that starts again, its VMM too.
    kill $vmm
    wait $vmm || true
    rm vmm machine
    python3 "$here/vsock.py" vmm 1077 machine &
    until_true within ping -c 1 -W 1 10.77.0.1
    kill "$network"
    wait "$network"
    # A reason is said when it is another than the last one.
    expect "" "$(uniq -d vm_said)" "lines said twice"
    agent_end
}

case_another_port_of_a_vmm() {
    need ip python3
    python3 "$here/vsock.py" vmm 1078 machine &
    until_true [ -S vmm ]
    "$guestnet" vm --vsock vmm >lines 2>vm_said &
    until_true grep -q 'vmm: the machine does not listen at port 1077' vm_said
}

case_what_is_wrong_with_a_vmm_is_one_line() {
    says '*--vsock ":5": PATH?:PORT? is needed, *' "$guestnet" vm --vsock :5
    says '*--vsock and --socket are for different machines*' \
        "$guestnet" vm --vsock a --socket b
    says '*--vsock and --serial are for different machines*' \
        "$guestnet" vm --vsock a --serial
    says '*--socket PATH is needed*, or --vsock PATH' "$guestnet" vm --serial
    says '*a socket?s path has up to 107 bytes' \
        "$guestnet" vm --vsock "$(printf '%0108d' 0)"
}

# The host lies: the agent says one line of it and begins anew.
case_lengths_that_no_frame_has() {
    need ip python3
    machine_start
    python3 "$here/hostile.py" wire &
    local host=$!
    until_true [ -S wire ]
    agent unix:wire
    wait $host || fail "the host says: $(cat said)"
    has "a length of 0 bytes came, and frames have 14 to 69632" "$(cat said)"
    has "a length of 4294967295 bytes came" "$(cat said)"
    has "a length of 69633 bytes came" "$(cat said)"
    agent_end
}

case_a_host_that_does_not_read() {
    need ip python3 ping
    machine_start
    python3 "$here/hostile.py" wire deaf &
    until_true [ -S wire ]
    agent --mtu 9000 --address 10.77.0.2/24 unix:wire
    until_true within ip link show eth0
    local before
    before=$(memory_of "$agent")
    within ip neigh replace 10.77.0.9 dev eth0 lladdr 02:00:00:00:00:09
    within ping -q -f -c 500 -w 3 -s 8000 10.77.0.9 >/dev/null 2>&1 || true
    [ "$(memory_of "$agent")" -le $((before + 1024)) ] ||
        fail "it had $before KiB, and has $(memory_of "$agent")"
    agent_end
}

# It gets more than its socket holds, and the others are answered meanwhile.
case_an_agent_that_is_stopped_delays_no_other() {
    need ip ping
    machine_start
    network
    agent --address 10.77.0.2/24 unix:wire
    until_true within ping -c 1 -W 1 10.77.0.1
    kill -STOP "$agent"
    timeout 60 "$guestnet" run --network lab -- sh -c '
        for i in 1 2 3 4 5; do
            ping -q -i 0.002 -w 3 -s 1400 10.77.0.2 >/dev/null &
        done
        ping -q -c 12 -i 0.2 -W 5 10.77.0.1' >pings || true
    "$guestnet" ps --json >state
    kill -CONT "$agent"
    has "12 received" "$(cat pings)"
    [ "$(grep -A1 '"received"' state | tr -dc 0-9)" -gt 100000 ] ||
        fail "too little came for it: $(cat state)"
    until_true within ping -c 1 -W 1 10.77.0.1
    expect "" "$(cat said)" "what it said"
    agent_end
}

memory_of() {
    awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

case_without_its_device_it_ends() {
    need ip
    machine_start
    network
    agent unix:wire
    until_true within ip link show eth0
    within ip link del eth0
    until_true agent_has_ended
    expect 125 "$(wait "$agent" || echo $?)" "its exit status"
    expect "guestnet-agent: eth0: the device is gone" "$(cat said)" "said"
}

case_what_is_wrong_is_one_line() {
    need ip
    machine_start
    local word
    for word in vsock: vsock:x vsock:1: vsock:4294967296 vsock:2:3:4 unix: tcp:1; do
        says '*"'"$word"'" is no wire: vsock:PORT, *' "$guestnet-agent" "$word"
    done
    says '*a WIRE is needed*' "$guestnet-agent"
    says '*one WIRE is needed*' "$guestnet-agent" unix:a unix:b
    says '*no option --nmae*' "$guestnet-agent" --nmae
    says '*--mtu needs a value*' "$guestnet-agent" --mtu
    says '*--mtu "12": a number from 1280*' "$guestnet-agent" --mtu 12 unix:a
    says '*--name "a/b": *' "$guestnet-agent" --name a/b unix:a
    says '*--peer "-1": a CID*' "$guestnet-agent" --peer -1 unix:a
    says '*10.77.0.2: Invalid argument; as in --address 10.77.0.2/24' \
        within "$guestnet-agent" --address 10.77.0.2 unix:a
    says '*10.0.0.1: *; as in --gateway*' \
        within "$guestnet-agent" --gateway 10.0.0.1 unix:a
    says '*wire0: *CAP_NET_ADMIN*: root has it*' \
        "$guestnet-agent" --name wire0 unix:a
    within ip link add eth0 type veth peer name other
    says '*eth0: *has one already; --name takes another' \
        within "$guestnet-agent" unix:a
    touch file
    says '*serial:*/file: *it is no virtio-serial port*' \
        within "$guestnet-agent" --name x "serial:$PWD/file"
    expect 125 "$(status_of "$guestnet-agent")" "the exit status"
    expect 0 "$(status_of "$guestnet-agent" --help)" "that of help"
}

case_devices_without_permission() {
    need ip
    machine_start
    says '*/dev/net/tun: Permission denied; *chmod 0666*' \
        within "$guestnet-agent" unix:wire
}

run_case "$@"
