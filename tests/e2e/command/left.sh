#!/usr/bin/env bash
# left.sh CASE: nothing is left, however it ends. (Every case of lib.sh looks for
# processes and files of the command's at its end.)
# shellcheck disable=SC2016 # Much is for the inner shell.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# start: a network "n" with a command that has left two processes behind it, all
# of which have a name of their own, and a published port.
start() {
    cp "$(command -v sleep)" "$GN_FOLDER/left-behind"
    "$guestnet" run --network n --publish "$port:80" -- sh -c \
        "setsid ./left-behind 1000 & ./left-behind 1000 & touch up; wait" &
    until_true test -e up
    main=$!
    network=$(network_pid n)
    keeper=
    # Its children are the two.
    read -r -a children <"/proc/$main/task/$main/children" || true
    for pid in "${children[@]}"; do
        [ "$pid" = "$network" ] || keeper=$pid
    done
    namespaces=$(namespaces_of "$(only_child "$keeper")")
    [ "$(wc -w <<<"$namespaces")" = 3 ] || fail "namespaces: $namespaces"
    listens || fail "nothing listens at port $port"
}

# namespaces_of PID...: those that the command has for itself.
namespaces_of() {
    local pid kind
    for pid; do
        for kind in user mnt net; do
            readlink "/proc/$pid/ns/$kind" 2>/dev/null || true
        done
    done
}

# listens: something does, at the published port or at a socket of networks.
listens() {
    grep -q "^ *[0-9]*: 0100007F:$(printf %04X "$port") [0-9A-F:]* 0A" \
        /proc/net/tcp || grep -q "$XDG_RUNTIME_DIR" /proc/net/unix
}

# behind_is_gone: no process that was left runs, none of the case's is in the
# namespaces (the kernel gives their numbers to others at once), which have no name
# either, and nothing listens.
behind_is_gone() {
    local exe space inhabited
    for exe in /proc/[0-9]*/exe; do
        [ "$(readlink "$exe" 2>/dev/null)" != "$GN_FOLDER/left-behind" ] ||
            return 1
    done
    # shellcheck disable=SC2046 # They are words.
    inhabited=$(namespaces_of $(others))
    for space in $namespaces; do
        ! grep -qxF "$space" <<<"$inhabited" || return 1
        ! grep -qF "$space" /proc/self/mountinfo || return 1
    done
    ! listens
}

case_after_its_end() {
    start
    kill -TERM $main
    wait $main || true
    behind_is_gone || fail "the command's processes go on"
    nothing_left || fail "when it has returned, there is: $(leftovers)"
}

case_after_kill_9() {
    start
    kill -9 $main
    until_true behind_is_gone
    until_true nothing_left
}

case_after_kill_9_of_its_keeper() {
    start
    kill -9 "$keeper"
    wait $main || true
    behind_is_gone || fail "the command's processes go on"
}

case_after_kill_9_of_the_network() {
    start
    kill -9 "$network"
    kill -TERM $main
    wait $main || true
    behind_is_gone || fail "the command's processes go on"
    nothing_left || fail "there is: $(leftovers)"
}

case_after_kill_9_of_the_command() {
    local status=0
    start
    kill -9 "$(cat "/proc/$keeper/task/$keeper/children")"
    wait $main || status=$?
    expect 137 $status status
    behind_is_gone || fail "the command's processes go on"
}

case_the_network_outlives_the_guest_that_started_it() {
    need curl
    start
    "$guestnet" run --network n --name other -- sh -c 'touch other; sleep 1000' &
    until_true test -e other
    kill -TERM $main
    wait $main || true
    expect "$network" "$(network_pid n)" "the network's process"
    kill %2
    wait %2 || true
    until_true nothing_left
}

# only_child PID
only_child() {
    tr -d ' ' <"/proc/$1/task/$1/children"
}

# offered MAIN: its command's process, $box, has made the device and waits for
# answers.
offered() {
    keeper=$(only_child "$1")
    box=$(only_child "$keeper")
    grep -q eth0 "/proc/$box/net/dev" && grep -q '^45 ' "/proc/$box/syscall"
}

# gone PID: it runs no more, and has closed its files.
gone() {
    ! grep -qv "^State:.*Z" <(grep ^State: "/proc/$1/status")
}

# The network is slow to answer, and meanwhile the container is killed.
case_after_kill_9_before_the_answer() {
    [ "$(uname -m)" = x86_64 ] || skip "recv() has another number here"
    start
    kill -STOP "$network"
    "$guestnet" run --network n -- sleep 1000 2>said &
    local second=$! status=0
    until_true offered $second
    kill -9 "$keeper"
    until_true gone "$box"
    kill -CONT "$network"
    wait $second || status=$?
    expect 125 $status status
    expect "guestnet: the container has ended" "$(cat said)" "what was said"
    kill %1
}

case_after_kill_9_of_the_guard_of_machines() {
    "$guestnet" vm --socket vm >lines &
    local vm=$!
    until_true grep -q addr.path lines
    # Its other child is the network.
    local guard
    read -r guard _ <"/proc/$vm/task/$vm/children" || true
    kill -9 "$guard"
    kill -TERM $vm
    wait $vm
    [ ! -e vm ] || fail "the machine's socket is left"
}

case_mounts_and_devices_stay_as_they_are() {
    local before
    before=$(cat /proc/self/mountinfo; ls /sys/class/net)
    "$guestnet" run -- true
    expect "$before" "$(cat /proc/self/mountinfo; ls /sys/class/net)" \
        "mounts and devices"
}

# eth0 is left to its namespace, and so it is not where that has been given a name.
case_a_named_namespace_loses_its_device() {
    need unshare nsenter ip
    unshare -Urm bash -ec '
        "$0" run --netns here -- sh -c "touch up
            until [ -e over ]; do sleep 0.05; done" & main=$!
        until [ -e up ]; do sleep 0.05; done
        touch mine
        mount --bind here mine
        nsenter --net=mine ip link show eth0 >before
        touch over
        wait $main
        ! nsenter --net=mine ip link show eth0 >after 2>/dev/null
    ' "$guestnet"
    has eth0 "$(cat before)"
}

run_case "$@"
