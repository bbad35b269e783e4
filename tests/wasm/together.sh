#!/usr/bin/env bash
# together.sh SOURCE: a guest in WebAssembly, one in the host's process and a
# container on one network, each asking the others by name. The program runs as
# an ordinary user.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
for program in ip busybox curl mount; do
    type $program >/dev/null 2>&1 || skip "there is no $program"
done
linked together talk

inside=$work/inside
mkdir "$inside" "$inside/www"
for page in by-native by-wasm; do
    echo "box has /$page" >"$inside/www/$page"
done
printf 'nameserver 10.77.0.1\nsearch guest.internal\n' >"$inside/resolv.conf"
cat >"$inside/inside" <<'END'
ip link set lo up
ip link set eth0 up
ip address add 10.77.0.4/24 dev eth0
mount --bind resolv.conf /etc/resolv.conf
busybox httpd -f -p 80 -h www &
trap "kill $!" EXIT
until curl -s -o /dev/null http://127.0.0.1/by-wasm; do sleep 0.05; done
for name in web native; do
    echo "box: $(curl -sS -m 60 "http://$name/by-box")"
done
printf . >&0
cat >/dev/null
END
chmod -R a+rX "$work"

# as_user COMMAND...: where it is root's, /dev/net/tun is everybody's for it.
as_user() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
        return
    fi
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    # shellcheck disable=SC2016 # $0 and $@ are the inner shell's.
    unshare -m sh -c 'mount -t tmpfs guestnet-test /dev/net || exit 77
        mknod -m 0666 /dev/net/tun c 10 200 || exit 77
        exec setpriv --reuid 1000 --regid 1000 --clear-groups "$0" "$@"' "$@"
}

status=0
as_user timeout 120 "$work/together" "$inside" >"$work/printed" || status=$?
[ $status != 77 ] || skip "$(cat "$work/printed")"
sort "$work/printed" | diff - <(printf '%s\n' \
    "box: c has /by-box" "box: native is here" "native: box has /by-native" \
    "native: c has /by-native" "wasm: box has /by-wasm" "wasm: native is here")
exit $status
