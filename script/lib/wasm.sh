# shellcheck shell=bash
# shellcheck disable=SC2154 # script/setup sets cache.
# What WebAssembly programs are compiled with. Sourced by script/setup.

# wasm_provide: a C library with the sockets of WASI 0.2. Debian 13's is
# installed as a package; Debian 12's is too old, and that of 13 is unpacked into
# $cache/wasi-libc: it holds nothing that runs on the machine.
wasm_provide() {
    local deb
    if [ -f /usr/include/wasm32-wasip2/netdb.h ] ||
        [ -f "$cache/wasi-libc/usr/include/wasm32-wasip2/netdb.h" ]; then
        return 0
    fi
    say "reading the package index of $(archive_release)"
    mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
    archive_entries deb "$(archive_release)" >"$cache/apt/newer.sources"
    archive_apt apt-get -q update >"$cache/apt/log" 2>&1 || true
    (cd "$cache/apt" && archive_apt apt-get -q download wasi-libc) \
        >>"$cache/apt/log" 2>&1 || {
        answers_of_apt "$cache/apt/log"
        fail "wasi-libc of $(archive_release) could not be had"
    }
    deb=$(echo "$cache"/apt/wasi-libc_*.deb)
    dpkg-deb -x "$deb" "$cache/wasi-libc"
    rm -f "$deb"
    say "wasi-libc of $(archive_release) is in $cache/wasi-libc"
}
