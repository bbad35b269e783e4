#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# dnsmasq 2.90: a name with an IPv4 address of its own, by --address,
# --host-record or a hosts file, is still asked for upstream when the question is
# AAAA. Where the name exists outside, too, guests get both addresses, and those
# with IPv6 go there. That --address is "never forwarded", as its manual has it,
# holds for the type that was given; --local for the domain holds for all.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

two_libraries
debian_whole bookworm dnsmasq-base=2.90-4~deb12u2
echo '192.0.2.7 hosts.example' >"$tmp/hosts"
as dnsmasq "$root/usr/sbin/dnsmasq" --conf-file=/dev/null --pid-file= -d -u root \
    -g root --listen-address=127.0.0.2 --bind-interfaces --no-resolv \
    --server=127.0.0.1 --no-hosts --addn-hosts="$tmp/hosts" \
    --host-record=record.example,192.0.2.7 --address=/address.example/192.0.2.7
"$tmp/dnsmasq" --version | expect "version" 'version 2\.90 '
cat >"$tmp/ask.sh" <<'END'
"$1/dnsmasq" "${@:2}" 2>"$1/log" &
for _ in $(seq 100); do
    ! grep -q "using nameserver" "$1/log" || break
    sleep 0.05
done
"$1/glibc" hosts.example record.example address.example
kill $!
END

inside 'nameserver 127.0.0.2' bash "$tmp/ask.sh" "$tmp" >"$tmp/out"
for name in hosts record address; do
    expect "$name: the IPv6 address comes from outside" \
        "^$name.example: 2001:db8::1 192\.0\.2\.7\$" <"$tmp/out"
    expect "there AAAA was asked" "^udp AAAA $name\.example" <"$tmp/asked"
    expect "and A was not" '^0$' \
        < <(grep -c "udp A $name" "$tmp/asked" || true)
done
inside 'nameserver 127.0.0.2' bash "$tmp/ask.sh" "$tmp" --local=/example/ \
    >"$tmp/out"
for name in hosts record address; do
    expect "$name: with --local for the domain there is the one address" \
        "^$name.example: 192\.0\.2\.7\$" <"$tmp/out"
done
