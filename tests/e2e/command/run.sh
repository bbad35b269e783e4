#!/usr/bin/env bash
# run.sh CASE: guestnet run, as its user sees it.
# shellcheck disable=SC2016 # Much is for the inner shell.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case_status_is_the_commands() {
    expect 0 "$(status_of "$guestnet" run -- true)" true
    expect 7 "$(status_of "$guestnet" run -- sh -c 'exit 7')" "exit 7"
    expect 143 "$(status_of "$guestnet" run -- sh -c 'kill -TERM $$')" "SIGTERM"
    expect 137 "$(status_of "$guestnet" run -- sh -c 'kill -KILL $$')" "SIGKILL"
    PATH=/usr/bin:/bin
    touch file
    expect 127 "$(status_of "$guestnet" run -- no-such-command)" "no command"
    expect 126 "$(status_of "$guestnet" run -- ./file)" "no program"
}

case_input_and_output_are_the_commands() {
    expect hello "$(echo hello | "$guestnet" run -- cat)" "standard input"
    expect "a b|c" "$("$guestnet" run -- printf '%s|%s' 'a b' c)" "arguments"
    expect seven "$("$guestnet" run -- sh -c 'cat <&7' 7<<<seven)" "descriptor 7"
    expect "$PWD" "$("$guestnet" run -- pwd)" "its folder"
    expect "$(sh -c 'echo /proc/self/fd/*')" \
        "$("$guestnet" run -- sh -c 'echo /proc/self/fd/*')" "descriptors"
}

case_eth0_is_there_at_once() {
    need ip
    local addresses
    addresses=$("$guestnet" run -- ip -brief address show eth0)
    has "10.77.0.2/24" "$addresses"
    has "fd77::2/64" "$addresses"
    has LOOPBACK,UP "$("$guestnet" run -- ip -brief link show lo)"
    has "default via 10.77.0.1 dev eth0" "$("$guestnet" run -- ip route)"
    has "default via fd77::1 dev eth0" "$("$guestnet" run -- ip -6 route)"
    has "mtu 1400" "$("$guestnet" run --mtu 1400 -- ip link show eth0)"
    expect "nameserver 10.77.0.1 nameserver fd77::1 search guest.internal " \
        "$("$guestnet" run -- cat /etc/resolv.conf | tr '\n' ' ')" resolv.conf
}

case_the_user_is_the_callers_or_root() {
    expect "$(id -u) $(id -g)" "$("$guestnet" run -- sh -c 'echo $(id -u) $(id -g)')" user
    expect "0 0" "$("$guestnet" run --root -- sh -c 'echo $(id -u) $(id -g)')" root
    expect 0000000000000000 \
        "$("$guestnet" run -- sed -n 's/CapEff:\s*//p' /proc/self/status)" capabilities
    expect 0 "$("$guestnet" run -- sed -n 's/NoNewPrivs:\s*//p' /proc/self/status)" \
        no_new_privs
    expect 0 "$("$guestnet" run -- sed -n 's/Seccomp:\s*//p' /proc/self/status)" seccomp
}

case_low_ports_and_ping_are_free() {
    need python3 ping
    "$guestnet" run -- python3 -c 'import socket; socket.socket().bind(("", 80))'
    "$guestnet" run -- ping -c 1 -W 20 10.77.0.1 >/dev/null
    "$guestnet" run -- ping -c 1 -W 20 fd77::1 >/dev/null
}

case_signals_are_passed_on() {
    local pid status=0
    "$guestnet" run -- bash -c 'trap "touch got; exit 9" USR1; touch up
        while :; do sleep 0.05; done' &
    pid=$!
    until_true test -e up
    kill -USR1 $pid
    wait $pid || status=$?
    expect 9 $status "exit of the trap"
    [ -e got ] || fail "the trap did not run"
}

case_an_ignored_sigchld_is_the_commands_too() {
    need python3
    cat >ignore.py <<'EOF'
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
EOF
    expect 7 "$(status_of python3 ignore.py "$guestnet" run -- \
        sh -c 'exit 7')" "status"
    # Bit 17 of SigIgn.
    has 1 "$(python3 ignore.py "$guestnet" run -- \
        sed -n 's/^SigIgn:.*\(.\)....$/\1/p' /proc/self/status)"
}

case_it_stops_with_its_command_and_goes_on() {
    local pid
    "$guestnet" run -- bash -c 'touch up; kill -STOP $$; touch on' &
    pid=$!
    until_true grep -q '^State:.*T (stopped)' /proc/$pid/status
    kill -CONT $pid
    wait $pid
    [ -e on ] || fail "it did not go on"
}

case_the_terminal_is_the_commands() {
    need python3
    [ -c /dev/ptmx ] || skip "there are no terminals here"
    python3 "$here/terminal.py" "$guestnet"
}

case_nothing_outside_is_reached_and_one_line_says_how() {
    need curl
    local text
    says "guestnet: tcp to 203.0.113.5 port 80 (no rule) is denied; to allow it: --allow 'tcp 203.0.113.5 port 80'" \
        "$guestnet" run -- curl -s -m 20 http://203.0.113.5/ http://203.0.113.6/
    says "guestnet: looking www.example.org up is denied; to allow it: --allow 'name www.example.org'" \
        "$guestnet" run -- curl -s -m 20 http://www.example.org/
    text=$("$guestnet" run --allow-all -- true 2>&1)
    expect "" "$text" "nothing to say"
}

case_the_machines_loopback_by_a_rule() {
    need python3 curl
    python3 -m http.server --bind 127.0.0.1 "$port" >/dev/null 2>&1 &
    until_true curl -s "http://127.0.0.1:$port/"
    says "guestnet: tcp to 127.0.0.1 port $port (loopback) is denied;*" \
        "$guestnet" run --allow-all -- curl -s -m 20 "http://10.77.0.1:$port/"
    "$guestnet" run --allow "tcp 127.0.0.1 port $port" -- \
        curl -s -m 20 "http://10.77.0.1:$port/" >page
    has HTML "$(cat page)"
}

case_the_network_process_can_do_little() {
    need curl
    "$guestnet" run --network box --name a -- sleep 1000 &
    until_true curl -s --unix-socket "$XDG_RUNTIME_DIR/guestnet/box.sock" \
        http://guestnet/v1/network
    local status
    status=$(cat "/proc/$(network_pid box)/status")
    has $'CapPrm:\t0000000000000000' "$status"
    has $'NoNewPrivs:\t1' "$status"
    has $'Seccomp:\t2' "$status"
    expect "700 600" "$(stat -c %a "$XDG_RUNTIME_DIR/guestnet" \
        "$XDG_RUNTIME_DIR/guestnet/box.sock" | xargs)" "modes"
    kill %1
}

case_the_network_process_keeps_no_files() {
    need strace
    strace -f -qq -o trace -e trace=/landlock_.*,seccomp \
        "$guestnet" run -- true
    has 'seccomp(SECCOMP_SET_MODE_FILTER' "$(cat trace)"
    grep -q 'landlock_create_ruleset.* = [0-9]' trace ||
        skip "this kernel has no Landlock"
    has 'landlock_restrict_self(*) = 0' "$(cat trace)"
    has 'LANDLOCK_ACCESS_FS_WRITE_FILE' \
        "$(grep landlock_create_ruleset trace)"
    [[ $(grep landlock_add_rule trace) != *WRITE_FILE* ]] ||
        fail "$(cat trace)"
}

# A call that is made and not listed fails, and what it was for is lost. Landlock
# may be missing in the kernel, and libuv asks for a ring, which is refused.
case_the_filter_lists_what_is_used() {
    need strace curl python3
    python3 -m http.server --bind 127.0.0.1 "$port" >/dev/null 2>&1 &
    until_true curl -s "http://127.0.0.1:$port/"
    strace -f -qq -Z -o trace "$guestnet" run --allow "127.0.0.1 port $port" \
        --allow 'icmp any' --allow 'name example.org' --publish "$other_port:80" \
        --pcap packets --link latency=5ms --name web -- bash -c '
            curl -s -o page http://10.77.0.1:$port/
            curl -s -m 2 http://203.0.113.1/
            getent ahosts web example.org
            ping -c 1 -W 1 203.0.113.1
            python3 -m http.server 80 & server=$!
            until [ -e over ]; do sleep 0.05; done
            kill $server' >/dev/null 2>&1 &
    until_true curl -sf "http://127.0.0.1:$other_port/"
    "$guestnet" ps --json >/dev/null
    "$guestnet" dial web:80 </dev/null >/dev/null
    touch over
    wait %2 || true
    expect "" "$(grep ENOSYS trace | grep -vE 'landlock_|io_uring_' || true)" "not listed"
}

case_it_takes_little_longer_than_the_command() {
    local begin i alone with
    begin=${EPOCHREALTIME/./}
    for i in 1 2 3 4 5 6 7 8 9 10; do true; /bin/true; done
    alone=$((${EPOCHREALTIME/./} - begin))
    begin=${EPOCHREALTIME/./}
    for i in 1 2 3 4 5 6 7 8 9 10; do "$guestnet" run -- /bin/true; done
    with=$((${EPOCHREALTIME/./} - begin))
    echo "$(((with - alone) / 10)) us more each, of $i"
    # Machines that test are busy: ten times what it is to be.
    [ $(((with - alone) / 10)) -lt 500000 ] || fail "it takes too long"
}

case_two_containers_meet_by_name() {
    need python3 curl
    "$guestnet" run --network lab --name web -- \
        python3 -m http.server 80 >/dev/null 2>&1 &
    until_true sh -c '"$0" ps | grep "lab *web"' "$guestnet"
    until_true "$guestnet" run --network lab -- curl -sf -m 20 http://web/
    "$guestnet" run --network lab --name cli -- \
        curl -sf -m 20 http://web.guest.internal/ >/dev/null
    has fd77::2 "$("$guestnet" run --network lab -- getent ahostsv6 web)"
    says "guestnet: the name web is taken on this network; choose another --name" \
        "$guestnet" run --network lab --name web -- true
    has "10.77.0.2,fd77::2" "$("$guestnet" ps)"
    says "guestnet: --network bal: no network of that name runs, only lab" \
        "$guestnet" ps --network bal
    expect 1 "$(status_of "$guestnet" ps --json --network bal)" status
    kill %1
}

# The first guest starts it, and one that comes while it ends starts another.
case_many_start_one_network_at_once() {
    need ping
    local i
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        "$guestnet" run --network race -- \
            ping -q -c 1 -W 60 10.77.0.1 >/dev/null && touch "up$i" &
    done
    wait
    expect 12 "$(find . -name 'up*' | wc -l)" "containers that were there"
}

# A guest that has found the network just before it ends is sent to look for
# another. The end is held up where it removes the socket.
case_a_guest_that_comes_as_a_network_ends_finds_another() {
    need strace curl
    [ "$(uname -m)" = x86_64 ] || skip "unlink() has another number here"
    strace -f -qq -o trace -e trace=unlink \
        -e inject=unlink:delay_enter=4000000 \
        "$guestnet" run --network n --name first -- \
        sh -c 'until [ -e over ]; do sleep 0.05; done' &
    until_true listening n
    local network
    network=$(network_pid n)
    touch over
    until_true grep -q '^87 ' "/proc/$network/syscall"
    "$guestnet" run --network n --name second -- \
        sh -c 'touch second; sleep 1000' &
    until_true test -e second
    has '"second"' "$("$guestnet" ps --json)"
    kill %2
}

# listening NETWORK
listening() {
    [ -n "$(network_pid "$1")" ]
}

# A socket that is bound and does not listen yet is another network's.
case_a_guest_that_leaves_takes_no_other_network_away() {
    need python3 curl
    "$guestnet" run --network n -- sleep 1000 &
    until_true listening n
    python3 - "$XDG_RUNTIME_DIR/guestnet" $! "$(network_pid n)" <<EOF
import fcntl, os, signal, socket, sys, time
folder, main, network = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
path = folder + "/n.sock"


def waits():
    with open("/proc/locks") as locks:
        return any("->" in line and " %d " % main in line for line in locks)


def runs():
    try:
        with open("/proc/%d/stat" % main) as stat:
            return stat.read().rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False # The shell has waited for it.


lock = os.open(folder, os.O_RDONLY)
fcntl.flock(lock, fcntl.LOCK_EX)
os.kill(network, signal.SIGKILL)
os.unlink(path)
other = socket.socket(socket.AF_UNIX)
other.bind(path)
os.kill(main, signal.SIGTERM)
end = time.monotonic() + 30
while runs() and not waits():
    assert time.monotonic() < end
other.listen()
os.close(lock)
while runs():
    assert time.monotonic() < end
assert os.path.exists(path), "the other network's socket is gone"
os.unlink(path)
EOF
}

case_a_published_port_is_dialled() {
    need python3 curl
    "$guestnet" run --name web --publish "$port:80" -- \
        python3 -m http.server 80 >/dev/null 2>&1 &
    until_true curl -sf "http://127.0.0.1:$port/"
    has '200 OK' "$(printf 'GET / HTTP/1.0\r\n\r\n' |
        "$guestnet" dial web:80)"
    says "guestnet: web:81: *refused*" "$guestnet" dial web:81 </dev/null
    says "guestnet: --publish 127.0.0.1:$port: Address already in use; choose another port" \
        "$guestnet" run --publish "$port:80" -- true
    kill %1
}

case_a_published_port_of_udp() {
    need socat
    "$guestnet" run --publish "127.0.0.1:$port:7/udp" -- \
        socat UDP-LISTEN:7,fork EXEC:cat &
    until_true sh -c \
        '[ "$(echo hello | socat -t 2 - UDP:127.0.0.1:$port)" = hello ]'
    has "127.0.0.1:$port:7/udp" "$("$guestnet" ps)"
    kill %1
}

case_the_control_socket_speaks_http() {
    need curl
    "$guestnet" run --network api --name a -- sleep 1000 &
    get() {
        curl -s -w ' %{http_code}' --unix-socket \
            "$XDG_RUNTIME_DIR/guestnet/api.sock" "$@"
    }
    until_true get http://guestnet/v1/network
    has '"network":	"api"' "$(get http://guestnet/v1/network)"
    has '"the paths are /v1/network, *404' "$(get http://guestnet/)"
    has '"only GET is known here"*405' "$(get -X DELETE http://guestnet/v1/network)"
    has '"only GET is known here"*405' "$(get -d x http://guestnet/v1/network)"
    has '"network":	"api"' "$(get -X GET -d x http://guestnet/v1/network)"
    has '"the header Upgrade *426' "$(get http://guestnet/v1/join)"
    has '"error"*400' "$(get 'http://guestnet/v1/dial?to=a')"
    has '"error"*502' "$(get 'http://guestnet/v1/dial?to=a:9')"
    # It goes on after what is no HTTP, no JSON, or half of it.
    python3 - "$XDG_RUNTIME_DIR/guestnet/api.sock" <<EOF
import socket, sys
upgrade = (b"GET /v1/join HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
           b"Upgrade: guestnet-join\r\n\r\n")
for then in (b"", b"no json\n", b"{}\n", b'{"name": 1}\n', b'[' * 60000 + b"\n",
             b'{"name": "b", "rules": [1]}\n', b'{"name": "b", "rules": 7}\n',
             b'{"name": "b", "rules": ["fly"]}\n', b'{"name": "b"}\n',
             b'{"name": "' + b"x" * 99 + b'"}\n', b"x" * 200000):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(sys.argv[1])
    client.sendall(upgrade)
    assert b"101" in client.recv(4096)
    try:
        client.sendall(then)
        client.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    said = b""
    try:
        while data := client.recv(4096):
            said += data
    except ConnectionResetError:
        pass # It has not read all of it.
    assert then == b"" or b'"error":"' in said, (then[:60], said)
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(b"\0" * 100000)
EOF
    has '"network":	"api"' "$(get http://guestnet/v1/network)"
    expect 1 "$("$guestnet" ps | grep -c '^api ')" "guests"
    kill %1
}

# Of what a client dials there is a bound, and none stays behind its client.
case_dialled_connections_are_bounded() {
    need python3 socat
    "$guestnet" run --network n --name echo -- socat TCP-LISTEN:7,fork EXEC:cat &
    until_true "$guestnet" dial echo:7 </dev/null
    cat >many.py <<EOF
import array, os, socket, sys
ask = (b"GET /v1/dial?to=echo:7 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
       b"Upgrade: guestnet-dial\r\n\r\n")
clients, answer, fds = [], b"101", []
while b" 101 " in answer or b"101" == answer:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(sys.argv[1])
    client.sendall(ask)
    answer, control, _, _ = client.recvmsg(4096, 64)
    while b"\r\n\r\n" not in answer:
        answer += client.recv(4096)
    while b" 101 " in answer and not control:
        _, control, _, _ = client.recvmsg(1, 64)
    for _, _, data in control:
        fds += array.array("i", data)
    clients += [client] if b" 101 " in answer else []
assert b" 503 " in answer, answer
client.close()
assert len(fds) == 128, len(fds)
os.write(fds[0], b"x")
assert os.read(fds[0], 1) == b"x"
open("full", "w").close()
sys.stdin.read()
clients[1].close() # And not its descriptor.
assert os.read(fds[1], 1) == b""
open("room", "w").close()
sys.stdin.close()
import signal
signal.pause()
EOF
    mkfifo hold
    python3 many.py "$XDG_RUNTIME_DIR/guestnet/n.sock" <hold &
    local many=$!
    exec {held}>hold
    until_true test -e full
    says "guestnet: echo:7: the network has its 128 dialled connections; end one first" \
        "$guestnet" dial echo:7
    exec {held}>&-
    until_true test -e room
    until_true "$guestnet" dial echo:7 </dev/null
    kill %1
    wait %1 || true
    nothing_left || fail "connections keep the network: $(leftovers)"
    kill $many
}

case_a_client_that_joins_and_says_nothing_is_sent_away() {
    need python3
    "$guestnet" run --network n -- sleep 1000 &
    until_true listening n
    python3 - "$XDG_RUNTIME_DIR/guestnet/n.sock" <<EOF
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.settimeout(60)
client.connect(sys.argv[1])
client.sendall(b"GET /v1/join HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
               b"Upgrade: guestnet-join\r\n\r\n")
said = b""
while data := client.recv(4096):
    said += data
assert b"no line has come" in said, said
EOF
    kill %1
}

# Before Linux 5.9 there is no close_range().
case_the_network_process_keeps_no_descriptors() {
    need strace
    touch kept
    strace -f -qq -o trace -e trace=close_range \
        -e inject=close_range:error=ENOSYS \
        "$guestnet" run --network n -- \
        sh -c 'until [ -e over ]; do sleep 0.05; done' 9<kept &
    until_true listening n
    has ENOSYS "$(cat trace)"
    ! readlink "/proc/$(network_pid n)/fd/"* | grep kept || fail "it has kept one"
    touch over
    wait %1
}

case_half_close_passes_a_dial() {
    need socat
    "$guestnet" run --name echo -- socat TCP-LISTEN:7,fork EXEC:wc\ -c &
    until_true "$guestnet" dial echo:7 </dev/null
    expect 1000000 "$(head -c 1000000 /dev/zero | "$guestnet" dial echo:7)" "bytes"
    kill %1
}

case_a_capture_has_its_packets() {
    need tshark ping
    "$guestnet" run --pcap packets.pcap -- ping -c 1 -W 20 10.77.0.1 >/dev/null
    has 'Echo (ping) reply' "$(tshark -r packets.pcap -Y icmp 2>/dev/null)"
}

case_a_link_is_slow() {
    need ping
    local ms
    ms=$("$guestnet" run --link latency=40ms -- ping -c 1 -W 20 10.77.0.1 |
        sed -n 's/.*time=\([0-9]*\).*/\1/p')
    [ "$ms" -ge 80 ] || fail "a round trip of $ms ms"
}

run_case "$@"
