#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian's udhcpc 1.35.0, told to ask for classless static routes (option 121),
# is given them and hands them to its script, which sets none. Instead it sets the
# default route of option 3, which RFC 3442 has a client ignore beside 121.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

[ ! -x /sbin/resolvconf ] ||
    skip "udhcpc's script would call this machine's resolvconf"
debian_whole bookworm udhcpc=1:1.35.0-4+deb12u1+b1 \
    busybox-static=1:1.35.0-4+deb12u1+b1 dnsmasq-base=2.90-4~deb12u2
mkdir "$tmp/bin"
cp "$root/bin/busybox" "$tmp/bin"
as dnsmasq "$root/usr/sbin/dnsmasq" --conf-file=/dev/null --pid-file= -d -u root \
    -g root --port=0 --interface=veth1 --bind-interfaces --leasefile-ro \
    --no-ping --dhcp-range=192.0.2.100,192.0.2.150,255.255.255.0 \
    --dhcp-option=121,198.51.100.0/24,192.0.2.9
cat >"$tmp/bound" <<END
#!/bin/sh
echo "\$1 router \$router staticroutes \$staticroutes" >&2
exec "$root/etc/udhcpc/default.script" "\$@"
END
chmod +x "$tmp/bound"
cat >"$tmp/guest.sh" <<'END'
PATH=$1/bin:$PATH
ip link add veth0 type veth peer name veth1
ip address add 192.0.2.1/24 dev veth1
ip link set veth0 up
ip link set veth1 up
"$1/dnsmasq" 2>"$1/log" &
for _ in $(seq 100); do
    ! grep -q "sockets bound" "$1/log" || break
    sleep 0.05
done
busybox udhcpc -i veth0 -O staticroutes -n -q -f -s "$1/bound" 2>&1
ip route show dev veth0
kill $!
END
inside 'nameserver 127.0.0.1' bash "$tmp/guest.sh" "$tmp" >"$tmp/out"

expect "version" '^udhcpc: started, v1\.35\.0' <"$tmp/out"
expect "the script is told of both" \
    '^bound router 192\.0\.2\.1 staticroutes 198\.51\.100\.0/24 192\.0\.2\.9' \
    <"$tmp/out"
expect "the router's route is set" '^default via 192\.0\.2\.1' <"$tmp/out"
expect "the static one is not" '^0$' \
    < <(grep -c '^198\.51\.100\.0/24' "$tmp/out" || true)
