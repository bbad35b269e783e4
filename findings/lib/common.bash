# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the scripts here: packages of a Debian release in a temporary
# folder, programs run with them, and what is expected of their output. Nothing
# is installed, and nothing outside the folder changes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
tmp=$(mktemp -d)
root=$tmp/root
triple=$(uname -m)-linux-gnu
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$tmp"' EXIT

skip() {
    echo "skipped: $1"
    exit 77
}

need() {
    local tool
    for tool; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

# apt with lists of its own for the release $suite, from the machine's entries.
archive() {
    "$1" -q -o Dir::Etc::SourceList="$tmp/apt.sources" \
        -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$tmp/lists" \
        -o Dir::Cache="$tmp/cache" -o APT::Sandbox::User="$(id -un)" "${@:2}"
}

# release SUITE: what archive knows.
release() {
    need apt-get dpkg
    mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial" "$root"
    sed -E "s/^Suites:.*/Suites: $1/" \
        /etc/apt/sources.list.d/debian.sources 2>/dev/null |
        awk -v RS= 'NR == 1' >"$tmp/apt.sources"
    [ -s "$tmp/apt.sources" ] ||
        skip "no debian.sources among apt's entries"
    archive apt-get update >"$tmp/apt.log" 2>&1 ||
        skip "apt-get update of $1 failed"
}

# debian SUITE NAME=VERSION...: below $root.
debian() {
    local package
    release "$1"
    for package in "${@:2}"; do
        (cd "$tmp" && archive apt-get download "$package") \
            >>"$tmp/apt.log" 2>&1 || skip "$package is no longer to be had"
        dpkg -x "$tmp/${package%%=*}"_*.deb "$root"
        rm "$tmp/${package%%=*}"_*.deb
    done
}

# debian_whole SUITE NAME=VERSION...: below $root, with all that they depend on.
debian_whole() {
    local package
    release "$1"
    : >"$tmp/status"
    archive apt-get -o Dir::State::status="$tmp/status" --download-only -y \
        --no-install-recommends install "${@:2}" >>"$tmp/apt.log" 2>&1 ||
        skip "of ${*:2} something is no longer to be had"
    for package in "$tmp"/cache/archives/*.deb; do
        dpkg -x "$package" "$root"
    done
    rm "$tmp"/cache/archives/*.deb
}

# build SOURCE LIBRARY...: $tmp/program, against $root.
build() {
    local libraries=()
    need cc
    for library in "${@:2}"; do
        libraries+=("-l:$library")
    done
    cc -O1 -o "$tmp/program" "$1" -I "$root/usr/include" \
        -I "$root/usr/include/$triple" -L "$root/usr/lib/$triple" \
        -L "$root/lib/$triple" \
        -Wl,--allow-shlib-undefined "${libraries[@]}" -lpthread
}

# The command before a program that is to run with the libraries and the loader
# of $root, which older releases have in /lib.
loader() {
    find "$root" -path "*/$triple/ld-linux*.so.*" | head -1
    printf '%s\n' --library-path "$root/usr/lib/$triple:$root/lib/$triple"
}

run() {
    local before
    mapfile -t before < <(loader)
    "${before[@]}" "$@"
}

# as NAME PROGRAM ARGUMENT...: $tmp/NAME runs it, with these arguments and more.
as() {
    local before
    mapfile -t before < <(loader)
    printf '#!/bin/sh\nexec %s "$@"\n' "${before[*]} ${*:2}" >"$tmp/$1"
    chmod +x "$tmp/$1"
}

# Our name server at PORT of 127.0.0.1; it logs to $tmp/asked.
serve() {
    need python3
    : >"$tmp/asked"
    python3 "$here/lib/nameserver.py" "$1" >"$tmp/asked" &
    for _ in $(seq 100); do
        grep -q ready "$tmp/asked" && return
        sleep 0.05
    done
    skip "no name server at $1"
}

# inside RESOLV_CONF COMMAND...: with this resolv.conf, and our name server at
# port 53 of 127.0.0.1; for C libraries, which cannot be told otherwise.
inside() {
    need python3 unshare ip
    unshare -Urmn true 2>/dev/null || skip "no user namespaces"
    printf '%s\n' "$1" >"$tmp/resolv.conf"
    : >"$tmp/asked"
    unshare -Urmn "$here/lib/inside.sh" "$tmp" "${@:2}"
}

# musl and glibc of Debian 12: $tmp/musl NAME... and $tmp/glibc NAME... print
# what getaddrinfo() says.
two_libraries() {
    local musl
    need cc
    musl=$root/usr/lib/$(uname -m)-linux-musl
    debian bookworm musl=1.2.3-1 musl-dev=1.2.3-1 libc6=2.36-9+deb12u14
    cc -O1 -nostdinc -isystem "$root/usr/include/$(uname -m)-linux-musl" \
        -static -nostdlib -o "$tmp/musl" "$musl"/crt{1,i}.o \
        "$here/lib/gai.c" "$musl/libc.a" -lgcc "$musl/crtn.o"
    build "$here/lib/gai.c"
    as glibc "$tmp/program"
}

# expect WHAT PATTERN: fails unless a line of standard input matches.
expect() {
    local seen
    seen=$(cat)
    if grep -qE -- "$2" <<<"$seen"; then
        echo "as stated: $1"
    else
        printf 'CHANGED: %s\nexpected a line like: %s\nseen:\n%s\n' \
            "$1" "$2" "$seen"
        exit 1
    fi
}
