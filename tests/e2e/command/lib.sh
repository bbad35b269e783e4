# shellcheck shell=bash disable=SC2016,SC2034,SC2153
# What the tests of the command have in common. Sourced by SCRIPT CASE, with
# GUESTNET and GUESTNET_AGENT in the environment: the case runs as an ordinary
# user, in a mount namespace whose /dev/net/tun any user may open, with a folder
# for its files, and with two ports of the machine's, $port and $other_port; and
# when it is over, nothing of the command's may be left.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "failed: $*" >&2
    exit 1
}

# need PROGRAM...: or the case is skipped. Some are in sbin.
PATH=$PATH:/usr/sbin:/sbin
need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

# until_true COMMAND...: tries again until it succeeds, for a minute, or for
# $patience seconds.
until_true() {
    local bound=${patience:-60} end
    end=$((SECONDS + bound))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "in $bound s never: $*"
        sleep 0.05
    done
}

# expect WANTED GOT WHAT
expect() {
    [ "$1" = "$2" ] || fail "$3: expected \"$1\", and it is \"$2\""
}

# says PATTERN COMMAND...: its standard error is one line that matches.
says() {
    local pattern=$1 text
    shift
    text=$({ "$@" >/dev/null || true; } 2>&1)
    expect 1 "$(wc -l <<<"$text")" "lines of: $text"
    # shellcheck disable=SC2053 # It is a pattern.
    [[ $text == $pattern ]] || fail "\"$text\" does not match $pattern"
}

# has PATTERN TEXT: the pattern is in it.
has() {
    # shellcheck disable=SC2053 # It is a pattern.
    [[ $2 == *$1* ]] || fail "there is no $1 in: $2"
}

# status_of COMMAND...: prints its exit status.
status_of() {
    local status=0
    "$@" >/dev/null 2>&1 || status=$?
    echo $status
}

# ---- being an ordinary user ----

# The script again, as user 1000 where it is root: a copy of it, because the
# folders above this one may be closed to that user.
become_user() {
    [ -z "${GN_FOLDER-}" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        [ -w /dev/net/tun ] || skip "/dev/net/tun may not be opened here"
        unshare -Un true 2>/dev/null || skip "no user namespaces here"
        GN_FOLDER=$(mktemp -d) exec "$0" "$@"
    fi
    local mode=0666
    [[ $1 != *without_permission* ]] || mode=0600
    need unshare setpriv mknod
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    exec unshare -m bash -c '
        mount -t tmpfs guestnet-test /dev/net || exit 77
        mknod -m '$mode' /dev/net/tun c 10 200 || exit 77
        export GN_FOLDER=$(mktemp -d)
        copy=$GN_FOLDER/tests
        cp -r "$(dirname "$0")" "$copy" && cp "$GUESTNET" "$copy/guestnet" &&
            cp "$GUESTNET_AGENT" "$copy/guestnet-agent" &&
            chown -R 1000:1000 "$GN_FOLDER" || exit 1
        export GUESTNET=$copy/guestnet GUESTNET_AGENT=$copy/guestnet-agent
        exec setpriv --reuid 1000 --regid 1000 --clear-groups \
            "$copy/$(basename "$0")" "$@"
    ' "$0" "$@"
}

# What there is of the command's: its processes, and files of its networks.
leftovers() {
    local exe
    for exe in /proc/[0-9]*/exe; do
        [[ $(readlink "$exe" 2>/dev/null) != "$guestnet"* ]] || echo "$exe"
    done
    find "$XDG_RUNTIME_DIR" -mindepth 2
}

# What the case has started, and still runs.
others() {
    local environ pid
    for environ in /proc/[0-9]*/environ; do
        pid=${environ//[!0-9]/}
        [ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ] ||
            ! grep -qs "GN_FOLDER=$GN_FOLDER" "$environ" || echo "$pid"
    done
}

nothing_left() {
    [ -z "$(leftovers)" ]
}

finish() {
    local status=$?
    trap - EXIT
    jobs -p | xargs -r kill 2>/dev/null || true
    wait
    if [ $status = 0 ] && ! (until_true nothing_left); then
        leftovers
        status=1
    fi
    local pids
    pids=$(others)
    # shellcheck disable=SC2086 # They are words.
    [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
    rm -rf "$GN_FOLDER" "${GN_VM-}"
    exit $status
}

run_case() {
    become_user "$@"
    guestnet=$GN_FOLDER/guestnet
    cp "$GUESTNET" "$guestnet"
    cp "$GUESTNET_AGENT" "$guestnet-agent"
    export XDG_RUNTIME_DIR=$GN_FOLDER/runtime HOME=$GN_FOLDER
    export port=$((19000 + $$ % 13000)) # Cases run at the same time.
    export other_port=$((port - 13000))
    mkdir -m 0700 "$XDG_RUNTIME_DIR"
    cd "$GN_FOLDER"
    trap finish EXIT
    "case_$1"
}

# ---- what cases use ----

# The process of a network.
network_pid() {
    curl -s --unix-socket "$XDG_RUNTIME_DIR/guestnet/$1.sock" \
        http://guestnet/v1/network | sed -n 's/.*"pid":\s*\([0-9]*\).*/\1/p'
}
