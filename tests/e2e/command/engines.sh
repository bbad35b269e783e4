#!/usr/bin/env bash
# engines.sh CASE: containers of podman's and docker's, which have no network but
# ours. What they run is a folder with busybox in it: no registry is asked.
# shellcheck disable=SC2016 # Much is for the inner shell.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# crun takes no mixture of the two kinds of control groups: before the case is an
# ordinary user's, there is but one kind in its mount namespace. docker's daemon is
# root's, and so its case stays root's.
if [ "$(id -u)" = 0 ] && [ -z "${GN_ENGINES-}" ]; then
    need unshare
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    [[ $1 != docker* ]] || GN_FOLDER=$(mktemp -d)
    export GN_ENGINES=1 ${GN_FOLDER:+GN_FOLDER}
    exec unshare -m bash -c '
        [[ $1 == docker* ]] || [ ! -d /sys/fs/cgroup/unified ] ||
            mount -t cgroup2 guestnet-test /sys/fs/cgroup
        exec "$0" "$@"' "$0" "$@"
fi

# rootfs: makes one, the folder "root".
rootfs() {
    local busybox
    need busybox
    busybox=$(command -v busybox)
    ! ldd "$busybox" >/dev/null 2>&1 || skip "busybox-static is not installed"
    mkdir -p root/{bin,proc,sys,dev,etc,tmp,run,www}
    cp "$busybox" root/bin/busybox
    local applet
    for applet in sh true sleep ip httpd wget ping nslookup; do
        ln -s busybox root/bin/$applet
    done
    echo hello from the container >root/www/index.html
}

# ---- podman, as an ordinary user ----

# Its own runtime folder, so that guestnet's is as empty as it was. Limits above
# those of this machine are refused to it.
podman() {
    XDG_RUNTIME_DIR=$GN_FOLDER/podman command podman "$@"
}

podman_run() {
    podman run --cgroups=disabled --ulimit nofile=1024:1024 \
        --ulimit nproc=4096:4096 "$@"
}

with_podman() {
    need podman curl
    rootfs
    mkdir -m 0700 podman
    podman_run --rm --network=none --rootfs "$PWD/root" /bin/true >said 2>&1 ||
        skip "podman runs no container here: $(tail -n 1 said)"
}

case_podman_by_process() {
    with_podman
    echo nameserver 10.77.0.1 >resolv.conf
    podman_run -d --name box --network=none \
        --volume "$PWD/resolv.conf:/etc/resolv.conf:ro" --rootfs "$PWD/root" \
        /bin/httpd -f -h /www >/dev/null 2>said || fail "$(cat said)"
    "$guestnet" attach --pid "$(podman inspect -f '{{.State.Pid}}' box)" \
        --network lab --name box --publish "$port:80" &
    until_true curl -sf -m 5 "http://127.0.0.1:$port/"
    local addresses
    addresses=$(podman exec box ip address show eth0)
    has 10.77.0.2/24 "$addresses"
    has fd77::2/64 "$addresses"
    expect "hello from the container" "$("$guestnet" run --network lab -- \
        curl -s -m 60 http://box/)" "the page by its name"
    podman exec box nslookup -type=a host.guest.internal >said
    has 10.77.0.1 "$(cat said)"
    podman rm -f -t 0 box >/dev/null 2>&1
    wait %1 # The namespace has gone, and eth0 with it.
}

# In podman's own namespaces a name may be mounted, and its containers join it.
case_podman_joins_a_namespace_of_ours() {
    with_podman
    podman unshare env XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR" \
        "$guestnet" run --network lab --name box --netns "$PWD/here" -- \
        sh -c 'touch up; until [ -e over ]; do sleep 0.05; done' &
    until_true test -e up
    expect "hello from the container" "$(podman_run --rm \
        --network "ns:$PWD/here" --rootfs "$PWD/root" /bin/sh -c \
        'httpd -h /www && wget -q -O - http://10.77.0.2/' 2>said)" \
        "the page; $(cat said)"
    has "lab *box" "$(podman unshare env XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR" \
        "$guestnet" ps)"
    touch over
    wait %1
    [ ! -e here ] || fail "the name is left"
}

# ---- docker, as root ----

docker() {
    command docker --host "unix://$GN_FOLDER/docker.sock" "$@"
}

with_docker() {
    need docker dockerd containerd curl
    [ "$(id -u)" = 0 ] || skip "docker's daemon is started by root"
    rootfs
    echo '{}' >docker.json
    dockerd --config-file docker.json --bridge=none --iptables=false \
        --ip6tables=false --storage-driver vfs --data-root "$PWD/data" \
        --exec-root "$PWD/exec" --pidfile "$PWD/docker.pid" \
        --host "unix://$PWD/docker.sock" >dockerd.log 2>&1 &
    local end=$((SECONDS + 20))
    until docker version >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] ||
            skip "dockerd does not start here: $(tail -n 1 dockerd.log)"
        sleep 0.1
    done
    tar -C root -c . | docker import - box >/dev/null
    docker run --rm --network none box /bin/true >said 2>&1 ||
        skip "docker runs no container here: $(tail -n 1 said)"
}

case_docker_by_process_and_by_file() {
    with_docker
    docker run -d --name box --network none box /bin/httpd -f -h /www >/dev/null
    "$guestnet" attach --pid "$(docker inspect -f '{{.State.Pid}}' box)" \
        --network lab --name box --publish "$port:80" &
    until_true curl -sf -m 5 "http://127.0.0.1:$port/"
    docker run -d --name other --network none box /bin/sleep 1000 >/dev/null
    "$guestnet" attach --network lab --name other --netns \
        "$(docker inspect -f '{{.NetworkSettings.SandboxKey}}' other)" &
    until_true docker exec other wget -q -O - http://10.77.0.2/
    expect 10.77.0.3/24 "$(docker exec other ip address show eth0 |
        sed -n 's/.*inet \([^ ]*\).*/\1/p')" "the other's address"
    docker rm -f box other >/dev/null
    wait %2 %3 # The namespaces have gone.
    kill %1
    wait %1 || true
}

run_case "$@"
