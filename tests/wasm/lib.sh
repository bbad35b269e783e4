# shellcheck shell=bash
# What the tests of WebAssembly programs share. Sourced with $source set; CC,
# CFLAGS, GUESTNET and GUESTNET_WASM are CMake's.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2154
wasi_cc=$source/examples/wasm-two-guests/wasi-cc
runtime=/usr/src/wasm2c

skip() {
    echo "skipped: $*"
    exit 77
}

[ -f $runtime/wasm-rt-impl.c ] && type wasm2c >/dev/null 2>&1 ||
    skip "there is no wasm2c with its sources; script/setup wasm"

# compiled NAME ARGUMENT...: $work/NAME.wasm by wasi-cc.
compiled() {
    local name=$1 status=0
    shift
    "$wasi_cc" -O1 "$@" -o "$work/$name.wasm" || status=$?
    [ $status != 77 ] || exit 77
    return $status
}

# guest NAME: $work/NAME.so from $work/NAME.wasm.
guest() {
    local name=$1
    "$GUESTNET_WASM" core "$work/$name.wasm" >"$work/$name.core.wasm"
    wasm2c -n "$name" "$work/$name.core.wasm" -o "$work/$name.c"
    "$GUESTNET_WASM" wasm2c "$work/$name.wasm" "$name" >"$work/${name}_guest.c"
    "$CC" -O1 -w -shared -fPIC -I$runtime -I"$work" -I"$source/include" \
        "$work/${name}_guest.c" -lm -o "$work/$name.so"
}

# host: $work/host, which runs guests.
host() {
    "$GUESTNET_WASM" runtime >"$work/runtime.c"
    # shellcheck disable=SC2086 # They are words.
    "$CC" ${CFLAGS-} -O1 -rdynamic -I$runtime "$source/tests/wasm/host.c" \
        "$work/runtime.c" $GUESTNET -lm -ldl -o "$work/host"
}

# run WHAT GUEST...: runs them and compares what they print with $work/expected.
run() {
    local what=$1
    shift
    timeout 60 "$work/host" "$@" >"$work/printed" 2>&1 ||
        { echo "$what: exit status $?"; cat "$work/printed"; return 1; }
    diff "$work/expected" "$work/printed" || { echo "$what"; return 1; }
}
