#!/usr/bin/env bash
# machines.sh CASE: a Linux machine under QEMU beside containers.
# shellcheck disable=SC2016 # Much is for the inner shell.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The kernel and the first file system are made before the case is an ordinary
# user's, who has no cache of packages.
if [ -z "${GN_VM-}" ]; then
    GN_VM=$(mktemp -d)
    export GN_VM
    why=$("$(dirname "$0")/../vm.sh" "$GN_VM") || {
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
    "$guestnet" vm --socket vm --network lab --publish 18405:80 >lines &
    until_true grep -q addr.path lines
    # shellcheck disable=SC2046 # They are words.
    machine $(cat lines)
    type_in 'udhcpc -i eth0 -f -q -n -s /dhcp'
    patience=60 until_true grep -q 'lease of 10.77.0.2 obtained' console
    type_in 'echo hello from the machine >/www/index.html; httpd -h /www'
    patience=60 until_true curl -sf -m 5 http://127.0.0.1:18405/
    has "hello from the machine" "$("$guestnet" run --network lab -- \
        curl -s -m 60 "http://$(name)/")"
    echo hello from the container >index.html
    "$guestnet" run --network lab --name box -- \
        python3 -m http.server 80 >/dev/null 2>&1 &
    type_in 'until wget -q -O - http://box/; do :; done'
    patience=60 until_true grep -q 'hello from the container' console
    kill -9 $qemu
}

# What the machine is called.
name() {
    "$guestnet" ps | awk '$3 ~ /^10.77.0.2/ { print $2 }'
}

run_case "$@"
