#!/usr/bin/env bash
# vm.sh FOLDER [PROGRAM...]: make a small Linux machine in FOLDER, vmlinuz and
# initrd, of Debian's cloud kernel and busybox; the kernel is downloaded once,
# into the cache. Its console is a shell. The programs, which are static, are in
# its /bin; modules that only some need are in its /lib, and "load MODULE..." loads
# them. Exit status 77, with the reason: it cannot be.
set -euo pipefail
out=$1
shift
cache=${GUESTNET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/guestnet}/vm

skip() {
    echo "$*"
    exit 77
}

for program in qemu-system-x86_64 cpio dpkg-deb; do
    command -v "$program" >/dev/null || skip "$program is not installed"
done
busybox=$(command -v busybox || true)
if [ -z "$busybox" ] || ldd "$busybox" >/dev/null 2>&1; then
    skip "busybox-static is not installed"
fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -e "$cache/root/boot/ready" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        awk '/Depends: linux-image/ { print $2; exit }')
    [ -n "$package" ] || skip "apt knows no linux-image-cloud-amd64"
    (cd "$cache" && apt-get -q download "$package" >download.log 2>&1) ||
        skip "$package cannot be downloaded: $(tail -n 1 "$cache/download.log")"
    rm -rf "$cache/root"
    dpkg-deb -x "$cache/$package"_*.deb "$cache/root"
    touch "$cache/root/boot/ready"
    rm -f "$cache/$package"_*.deb
fi

tree=$out/tree
mkdir -p "$tree"/{bin,proc,sys,dev,etc,tmp,lib,www}
cp "$busybox" "$tree/bin/busybox"
[ $# = 0 ] || cp "$@" "$tree/bin/"
modules=("$cache"/root/usr/lib/modules/*/kernel) # as of Debian 13
[ -d "${modules[0]}" ] || modules=("$cache"/root/lib/modules/*/kernel)
order=(drivers/virtio/virtio_ring drivers/virtio/virtio
    drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci_legacy_dev
    drivers/virtio/virtio_pci net/core/failover drivers/net/net_failover
    drivers/net/virtio_net)
extra=(drivers/net/tun drivers/char/virtio_console net/vmw_vsock/vsock
    net/vmw_vsock/vmw_vsock_virtio_transport_common
    net/vmw_vsock/vsock_loopback)
for module in "${order[@]}" "${extra[@]}"; do
    file=${modules[0]}/$module.ko
    if [ -e "$file.xz" ]; then
        "$busybox" unxz -c "$file.xz" >"$tree/lib/${module##*/}.ko"
    elif ! grep -q "/${file##*/}$" "${modules[0]}/../modules.builtin"; then
        cp "$file" "$tree/lib/"
    fi
done

cat >"$tree/init" <<END
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
for module in $(printf '%s ' "${order[@]##*/}"); do
    [ ! -e /lib/\$module.ko ] || insmod /lib/\$module.ko
done
ip link set lo up
ip link set eth0 up
export PATH=/bin HOME=/
stty -echo -onlcr </dev/console
echo "#up#"
# What is typed is its script. An interactive shell, which edits lines, now and
# then took it to be at its end.
exec setsid cttyhack sh /dev/console
END
cat >"$tree/dhcp" <<'END'
#!/bin/sh
# What udhcpc calls.
case $1 in
bound | renew)
    ip -4 addr flush dev $interface
    ip addr add $ip/$mask dev $interface
    [ -z "$mtu" ] || ip link set $interface mtu $mtu
    [ -z "$router" ] || ip route replace default via $router
    {
        [ -z "$domain" ] || echo "search $domain"
        for server in $dns; do echo "nameserver $server"; done
    } >/etc/resolv.conf
    [ -z "$hostname" ] || hostname "$hostname"
    ;;
esac
END
cat >"$tree/bin/load" <<'END'
#!/bin/sh
for module; do
    [ ! -e /lib/$module.ko ] || insmod /lib/$module.ko
done
END
chmod +x "$tree/init" "$tree/dhcp" "$tree/bin/load"
(cd "$tree" && find . | cpio -o -H newc 2>/dev/null) | gzip -1 >"$out/initrd"
rm -rf "$tree"
cp "$cache"/root/boot/vmlinuz-* "$out/vmlinuz"
