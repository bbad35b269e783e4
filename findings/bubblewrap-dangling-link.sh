#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# bubblewrap 0.8.0 gives a guest no resolv.conf of its own where /etc/resolv.conf
# is a link into a /run that the guest has empty, as on hosts with
# systemd-resolved: it follows the link and does not start. Where the folder is
# there, it makes the file behind the link, in the tree outside.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

need unshare
unshare -Urm true 2>/dev/null || skip "no user namespaces"
debian_whole bookworm bubblewrap=0.8.0-2+deb12u1 \
    busybox-static=1:1.35.0-4+deb12u1+b1
mkdir -p "$tmp/tree/etc" "$tmp/tree/run"
cp "$root/bin/busybox" "$tmp/tree"
ln -s ../run/systemd/resolve/stub-resolv.conf "$tmp/tree/etc/resolv.conf"
echo "nameserver 192.0.2.1" >"$tmp/resolv.conf"
start() {
    run "$root/usr/bin/bwrap" --bind "$tmp/tree" / "$@" \
        --ro-bind "$tmp/resolv.conf" /etc/resolv.conf \
        /busybox cat /etc/resolv.conf 2>&1 || true
}

start | expect "a file is not bound over a link to nothing" \
    "^bwrap: Can't create file at /etc/resolv.conf: No such file or directory"
mkdir -p "$tmp/tree/run/systemd/resolve"
start | expect "it is with the folder there" '^nameserver 192\.0\.2\.1'
find "$tmp/tree/run" -type f | expect "and a file is left behind in the tree" \
    'stub-resolv\.conf$'
start --tmpfs /run | expect "with an empty /run again not" \
    "^bwrap: Can't create file"
start --tmpfs /run --dir /run/systemd/resolve |
    expect "unless the folder is made there" '^nameserver 192\.0\.2\.1'
