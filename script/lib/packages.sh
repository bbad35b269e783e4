# shellcheck shell=bash
# shellcheck disable=SC2154 # script/setup sets cache and cares_wanted.
# Debian packages by the command that needs them. Sourced by script/setup.

# packages_of SET: prints its packages, one a line, with those of the sets it
# rests on.
packages_of() {
    case $1 in
    sources) ;;
    build)
        printf '%s\n' gcc libc6-dev binutils cmake ninja-build pkg-config \
            patch xz-utils uthash-dev libuv1-dev libpcap-dev libssl-dev \
            libcjson-dev libmicrohttpd-dev libseccomp-dev
        ;;
    demo)
        packages_of build
        printf '%s\n' libcurl4-openssl-dev libcmocka-dev curl nginx-light
        ;;
    test)
        packages_of demo
        printf '%s\n' check libglib2.0-dev libboost-context-dev \
            lld openssl socat \
            tshark dnsmasq-base unbound iproute2 debootstrap \
            qemu-system-x86 busybox-static cpio \
            python3 iputils-ping iperf3 bind9-dnsutils \
            isc-dhcp-client dhcpcd-base udhcpc redis-server openssh-client \
            openssh-server strace
        ;;
    wasm)
        packages_of test
        printf '%s\n' wabt wasi-libc clang-19 lld-19 \
            libclang-rt-19-dev-wasm32
        ;;
    lint)
        packages_of test
        printf '%s\n' clang libclang-rt-dev llvm clang-tidy clang-format \
            cppcheck shellcheck
        ;;
    bench)
        packages_of demo
        printf '%s\n' wrk iproute2 passt slirp4netns \
            qemu-system-x86 busybox-static cpio
        ;;
    *) fail "there is no set $1 (see script/setup --help)" ;;
    esac
}

# packages_missing PACKAGE...: prints those that are not installed.
packages_missing() {
    local installed package
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" \
        2>/dev/null || true)
    for package in "$@"; do
        grep -qx "installed $package" <<<"$installed" || echo "$package"
    done
}

# packages_apt ARGUMENT...: apt-get as root, what it says in the log.
packages_apt() {
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends "$@" >>"$cache/apt/log" 2>&1
}

# The version of c-ares that this release has, as far as apt knows.
packages_cares_version() {
    apt-cache policy libc-ares-dev | awk '/Candidate: [0-9]/ { print $2 }'
}

# packages_cares: prints the package of c-ares where this release has one that
# serves, as Debian 13 does, and nothing else provides it.
packages_cares() {
    local version
    if ! cares_is_ready; then
        version=$(packages_cares_version)
        if [ -n "$version" ] &&
            source_is_new_enough "$version" "$cares_wanted"; then
            echo libc-ares-dev
        fi
    fi
}

# packages_install PACKAGE...: installs what is missing of them.
packages_install() {
    local missing command size
    command -v dpkg-query >/dev/null ||
        fail "this is no Debian; do what README.md says of other systems"
    mapfile -t missing < <(packages_missing "$@")
    if [ ${#missing[@]} = 0 ] && cares_is_ready; then
        return
    fi
    command="apt-get update && apt-get install ${missing[*]:-libc-ares-dev}"
    if [ "$(id -u)" != 0 ] && ! type sudo >/dev/null 2>&1; then
        [ ${#missing[@]} -gt 0 ] || return 0
        fail "packages are missing; as root: $command"
    fi
    : >"$cache/apt/log"
    if [ ${#missing[@]} -gt 0 ] || [ -z "$(packages_cares_version)" ]; then
        packages_apt update || true # Older lists may do.
    fi
    mapfile -t -O ${#missing[@]} missing < <(packages_cares)
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    packages_apt install "${missing[@]}" || {
        answers_of_apt "$cache/apt/log"
        fail "packages are missing (apt's words above, and all of them in" \
            "$cache/apt/log); as root: $command"
    }
    size=$(sed -nE 's/^Need to get ([^/ ]+ [kM]?B).*/\1/p' "$cache/apt/log")
    say "downloaded ${size:-nothing}; packages are ready after $SECONDS s"
}
