#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# tcpdump 4.99.3 with libpcap 1.10.3 stops, with status 1, in a pcapng file where
# a second interface has another link type, or only another snapshot length, than
# the first: that of a jumbo frame beside 1514, say. Where all interfaces stand
# before the packets it prints none. tshark 4.0 reads both files.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

need python3
cat >"$tmp/write.py" <<'END'
import struct
import sys

ETHERNET, RAW = 1, 101
PACKET = bytes.fromhex(
    "4500001c00010000401166ce0a0000010a00000200090009" "00080000")
FRAME = bytes.fromhex("020000000001" "020000000002" "0800") + PACKET


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def interface(link, snapshot):
    return block(1, struct.pack("<HHI", link, 0, snapshot))


def packet(interface, data):
    size = len(data)
    return block(6, struct.pack("<5I", interface, 0, 0, size, size) + data)


head = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
for name, link, snapshot in [
    ("same", ETHERNET, 1514),
    ("link", RAW, 1514),
    ("snapshot", ETHERNET, 9014),
]:
    second = PACKET if link == RAW else FRAME
    with open(f"{sys.argv[1]}/{name}.pcapng", "wb") as file:
        file.write(head + interface(ETHERNET, 1514) + interface(link, snapshot))
        file.write(packet(0, FRAME) + packet(1, second))
END
python3 "$tmp/write.py" "$tmp"

debian_whole bookworm tcpdump=4.99.3-1 libpcap0.8=1.10.3-1 \
    tshark=4.0.17-0+deb12u3
packets() {
    run "$root/usr/bin/tcpdump" -Z "$(id -un)" -nr "$tmp/$1.pcapng" 2>&1 ||
        echo "status $?"
}
packets same >"$tmp/out"
expect "two interfaces alike are read" '^2$' < <(grep -c ' IP ' "$tmp/out")
for what in link snapshot; do
    packets "$what" >"$tmp/out"
    expect "another $what is not" '^status 1' <"$tmp/out"
    expect "no packet is printed" '^0$' < <(grep -c ' IP ' "$tmp/out" || true)
    run "$root/usr/bin/tshark" -nr "$tmp/$what.pcapng" -T fields -e ip.dst \
        2>"$tmp/err" |
        uniq -c | expect "tshark has both packets" '2 10\.0\.0\.2'
done
packets link | expect "the reason" 'has a type 101 different from .* first'
packets snapshot |
    expect "the reason" 'has a snapshot length 9014 different from .* first'
