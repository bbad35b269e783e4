#!/usr/bin/env bash
# programs.sh CASE: programs of other projects, in containers.
# shellcheck disable=SC2016 # Much is for the inner shell.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# beside NAME COMMAND...: a container on the network "lab", in the background.
beside() {
    "$guestnet" run --network lab --name "$1" -- "${@:2}" >"$1.log" 2>&1 &
    until_true member "$1"
}

# member NAME: it is on the network.
member() {
    "$guestnet" ps --network lab | grep "^lab *$1 "
}

# inside COMMAND...: another one, which comes and goes.
inside() {
    "$guestnet" run --network lab -- "$@"
}

case_nginx_serves_all_that_ask() {
    need nginx curl
    mkdir logs
    echo hello >index.html
    cat >nginx.conf <<EOF
daemon off; pid nginx.pid; error_log stderr;
events {}
http { access_log logs/access; client_body_temp_path .; proxy_temp_path .;
    fastcgi_temp_path .; uwsgi_temp_path .; scgi_temp_path .;
    server { listen 80; listen [::]:80; root $PWD; } }
EOF
    "$guestnet" run --network lab --name web --publish "$port:80" -- \
        nginx -p "$PWD" -c nginx.conf >web.log 2>&1 &
    until_true member web # It has the first address.
    until_true inside curl -sf http://web/
    expect hello "$(curl -sf "http://127.0.0.1:$port/")" "the published port"
    expect hello "$(inside curl -4sf http://web.guest.internal/)" "by name"
    expect hello "$(inside curl -sSf "http://[fd77::2]/" 2>&1)" "by IPv6"
    # A client that is not this machine is seen by its own address.
    expect 10.77.0.3 "$(tail -n 2 logs/access | head -n 1 | cut -d ' ' -f 1)" \
        "the client's address"
}

# It refuses the next one until it has noticed the end of the last one.
measure() {
    inside iperf3 -c far -t 1 "$@" >out 2>&1
}

case_iperf3_tcp_udp_both_ways_and_in_parallel() {
    need iperf3
    beside far iperf3 -s
    until_true inside iperf3 -c far -t 1
    local way
    for way in "" "-R" "-P 8" "-6" "-6 -R" "-u -b 50M" "-u -b 50M -R"; do
        # shellcheck disable=SC2086 # They are words.
        until_true measure $way
        has receiver "$(cat out)"
        echo "${way:-plain}: $(grep receiver out | tail -n 1)"
    done
}

case_dig_asks_for_every_kind() {
    need dig
    beside web sleep 1000
    expect 10.77.0.2 "$(inside dig +short +search web)" "A"
    expect 10.77.0.2 "$(inside dig +short +tcp web.guest.internal)" "by TCP"
    expect 10.77.0.1 "$(inside dig +short host.guest.internal A)" "gateway"
    has web.guest.internal "$(inside dig +short -x 10.77.0.2)"
    has NXDOMAIN "$(inside dig none.guest.internal)"
    has NOERROR "$(inside dig web.guest.internal MX)"
}

case_ss_and_ping_see_the_network() {
    need ss ping python3
    beside web python3 -m http.server 80
    has "0.0.0.0:80" "$("$guestnet" run -- sh -c \
        'python3 -m http.server 80 >/dev/null 2>&1 &
        until ss -Hltn | grep :80; do :; done')"
    inside ping -c 2 -W 20 web
    inside ping -c 2 -W 20 -s 8000 10.77.0.2
    inside ping -6 -c 2 -W 20 fd77::2
}

case_redis_by_name() {
    need redis-server redis-cli
    beside db redis-server --protected-mode no --save '' --daemonize no
    until_true inside redis-cli -h db ping
    inside redis-cli -h db set key value
    expect value "$(inside redis-cli -h db get key)" "the value"
    expect 5000 "$(inside sh -c 'for i in $(seq 5000); do echo INCR n; done |
        redis-cli -h db | tail -n 1')" "5000 increments"
}

# The address is taken away first, so that the client brings it.
case_dhcp_clients_get_the_address_that_was_given() {
    local client found=
    for client in dhclient udhcpc dhcpcd; do
        if ! command -v "$client" >/dev/null; then
            echo "skipped: $client is not installed"
            continue
        fi
        found=y
        "$guestnet" run --root -- bash -c '
            set -e
            mount -t tmpfs none /var/lib
            mount -t tmpfs none /run
            mkdir -p /var/lib/dhcp /var/lib/dhcpcd
            ip addr flush dev eth0 && ip route flush dev eth0
            case $1 in
            dhclient) dhclient -1 -d -v -sf /bin/true eth0 &
                exec 2>&1 ;;
            udhcpc) udhcpc -i eth0 -n -q -f -s /bin/true ;;
            dhcpcd) dhcpcd -4 -1 -A -B -d -c /bin/true eth0 ;;
            esac
            wait_for_lease() { until grep -q "fixed-address" /var/lib/dhcp/*; do
                sleep 0.05; done; }
            [ $1 != dhclient ] || timeout 30 bash -c "$(declare -f \
                wait_for_lease); wait_for_lease; cat /var/lib/dhcp/*"
        ' bash "$client" >"$client.log" 2>&1 ||
            { cat "$client.log"; fail "$client"; }
        has 10.77.0.2 "$(cat "$client.log")"
    done
    [ -n "$found" ] || skip "no DHCP client is installed"
}

case_ssh_by_a_proxy_command() {
    need ssh ssh-keygen socat
    [ -x /usr/sbin/sshd ] || skip "sshd is not installed"
    getent passwd "$(id -u)" >/dev/null || skip "ssh wants a name for this user"
    ssh-keygen -q -t ed25519 -N '' -f host
    ssh-keygen -q -t ed25519 -N '' -f user
    cat >sshd_config <<EOF
HostKey $PWD/host
AuthorizedKeysFile $PWD/user.pub
StrictModes no
UsePAM no
PidFile none
EOF
    beside vm socat TCP-LISTEN:22,fork,reuseaddr \
        "EXEC:/usr/sbin/sshd -i -e -f $PWD/sshd_config"
    ssh_in() {
        ssh -i user -F none -o StrictHostKeyChecking=no -o BatchMode=yes \
            -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
            -o ProxyCommand="$guestnet dial %h:%p" vm "$@"
    }
    until_true ssh_in true
    expect 5000000 "$(head -c 5000000 /dev/zero | ssh_in wc -c)" "bytes there"
    expect 5000000 "$(ssh_in head -c 5000000 /dev/zero | wc -c)" "and back"
    expect 3 "$(status_of ssh_in exit 3)" "status"
}

case_a_download_through_a_rule() {
    need curl python3 unshare ip
    head -c 20000000 /dev/urandom >big
    python3 -m http.server --bind 127.0.0.1 "$port" >/dev/null 2>&1 &
    until_true curl -sI "http://127.0.0.1:$port/"
    "$guestnet" run --allow "tcp 127.0.0.1 port $port" -- \
        curl -s -o got "http://10.77.0.1:$port/big"
    cmp big got
}

run_case "$@"
