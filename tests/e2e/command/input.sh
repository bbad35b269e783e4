#!/usr/bin/env bash
# input.sh CASE: what is wrong gets one line that says what would be right.
# shellcheck disable=SC2016 # Much is for the inner shell.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# wrong PATTERN ARGUMENT...: one line, and 125.
wrong() {
    says "guestnet: $1" "$guestnet" "${@:2}"
    expect 125 "$(status_of "$guestnet" "${@:2}")" "status of: ${*:2}"
}

case_options() {
    wrong '"fly" is no verb; guestnet --help lists them' fly
    wrong 'run: there is no option --fly here; see guestnet run --help' run --fly
    wrong 'run: there is no option --json here;*' run --json -- true
    wrong 'run: --name needs a value;*' run --name
    wrong 'run: a command is needed, as in: *' run
    wrong 'ps: "x" is too much; *' ps x
    wrong 'dial: one NAME:PORT is needed,*' dial
    wrong 'vm: --socket PATH is needed,*' vm
    wrong 'attach: one of --netns PATH and --pid PID is needed' attach
}

case_values() {
    wrong '*"allow tpc any": "tpc" *' run --allow 'tpc any' -- true
    wrong '*"allow any port 99999": *' run --allow 'any port 99999' -- true
    wrong '--mtu "100": a number from 1280 to 65520 is needed' \
        run --mtu 100 -- true
    wrong '--mtu "1e9": a number *' run --mtu 1e9 -- true
    wrong '--name "a_b": a name has letters, *' run --name a_b -- true
    wrong '--name "localhost": *' run --name localhost -- true
    wrong '--network "../x": a name *' run --network ../x -- true
    wrong '--link: "speed=1" is none of latency, *' run --link speed=1 -- true
    wrong '--link: "loss=200%": a value such as loss=1% is needed' \
        run --link loss=200% -- true
    wrong '--link: "latency": a value such as latency=20ms is needed' \
        run --link latency -- true
    wrong '--vms "0": a number from 1 to 64 is needed' vm --vms 0 --socket x
    wrong '--shared "65": a number from 1 to 64 is needed' \
        vm --shared 65 --socket x
    wrong 'vm: --shared is for machines with a card at one --socket, *--vms' \
        vm --shared 2 --vms 2 --socket x
    wrong 'vm: --shared is for machines *, without --serial' \
        vm --shared 2 --serial --socket x
    wrong 'vm: --publish and --pcap are for one machine; *' \
        vm --shared 2 --publish 8080:80 --socket x
    wrong '--pid "x": a number *' attach --pid x
    local bad
    for bad in 80 x:80 80:x 80:0 99999:80 ::1:80:80 1.2.3:80:80 80:80/sctp :; do
        wrong "--publish \"$bad\": \\[ADDR:\\]PORT:PORT is needed, *" \
            run --publish "$bad" -- true
    done
}

case_what_is_not_there() {
    wrong '/none: No such file or directory; --netns takes a network*' \
        attach --netns /none
    wrong '/etc/hostname: it is no network namespace' \
        attach --netns /etc/hostname
    says 'guestnet: /proc/self/ns/net: it is the namespace that guestnet *' \
        timeout 30 unshare -Urn "$guestnet" attach --netns /proc/self/ns/net
    wrong '/proc/*: No such file or directory; --pid takes a process that runs' \
        attach --pid 4194304
    wrong '--pcap /none/x: No such file or directory' \
        run --pcap /none/x -- true
    wrong '--publish 203.0.113.9:80: Cannot assign requested address' \
        run --publish 203.0.113.9:80:80 -- true
    wrong "--socket $(printf 'x%.0s' {1..200}): a socket's path has up to *" \
        vm --socket "$(printf 'x%.0s' {1..200})"
    wrong 'the capture: it must be a regular file, *' \
        run --pcap /dev/null -- true
    mkfifo fifo
    wrong '--pcap fifo: No such device or address' run --pcap fifo -- true
    touch file
    wrong '--socket file: there is a file that is no socket; *' \
        vm --socket file
    says 'guestnet: web:80: *no network here has such a guest; *' "$guestnet" dial web:80
    says 'guestnet: web: *' "$guestnet" dial web
    says 'guestnet: --network lab: no network runs' "$guestnet" ps --network lab
}

# What fits of a path that is too long is another file's.
case_a_path_that_is_too_long_removes_nothing() {
    local path=$PWD/x
    while [ ${#path} -lt 107 ]; do path+=x; done
    touch "$path"
    wrong "--socket ${path}y: a socket's path has up to 107 bytes" \
        vm --socket "${path}y"
    [ -e "$path" ] || fail "a file that was none of its own is gone"
}

case_the_names_of_the_gateway_are_taken() {
    wrong "the name host is the gateway's; choose another --name" \
        run --name host -- true
    wrong "the name Gateway is the gateway's; choose another --name" \
        run --name Gateway -- true
}

case_where_there_is_no_runtime_folder() {
    XDG_RUNTIME_DIR=/none "$guestnet" run -- true
    says 'guestnet: /none/guestnet: *XDG_RUNTIME_DIR must name *' \
        env XDG_RUNTIME_DIR=/none "$guestnet" run --network x -- true
    chmod 0755 "$XDG_RUNTIME_DIR"
    mkdir -m 0755 "$XDG_RUNTIME_DIR/guestnet"
    wrong '*/guestnet: it must be a folder of yours with mode 0700; *' ps
    rmdir "$XDG_RUNTIME_DIR/guestnet"
}

case_without_user_namespaces() {
    # In one where no others may be made.
    says 'guestnet: namespaces for the container: No space left on device; sysctl user.max_user_namespaces must be above 0' \
        unshare -Ur bash -c 'echo 0 >/proc/sys/user/max_user_namespaces &&
            exec "$0" run -- true' "$guestnet"
}

case_without_tun() {
    says 'guestnet: /dev/net/tun: No such file or directory; the kernel*' \
        unshare -Urm bash -c 'mount -t tmpfs none /dev/net &&
            exec "$0" run -- true' "$guestnet"
}

case_without_permission() {
    wrong '/dev/net/tun: Permission denied; users must be let *' run -- true
}

run_case "$@"
