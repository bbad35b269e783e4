#!/usr/bin/env bash
# The check of the joined object (cmake/CheckState.cmake) accepts a good one and
# refuses each fault by name. CC, LD, OBJCOPY, READELF and SOURCE are given.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# join FLAG...: object.o from program.c.
join() {
    "$CC" -fno-common -fno-data-sections "$@" -c program.c
    "$LD" -r --force-group-allocation -T "$SOURCE/netstack/state.ld" \
        -o whole.o program.o
    "$OBJCOPY" --keep-global-symbol=gn__netstack_ops \
        --keep-global-symbol=leak whole.o object.o
}

check() {
    cmake -DOBJECT=object.o -DREADELF="$READELF" -DMAX="$1" \
        -P "$SOURCE/cmake/CheckState.cmake" 2>&1
}

# refuses WHAT MAX: the last object is refused, with WHAT in the message.
refuses() {
    local out
    if out=$(check "$2"); then
        echo "accepted: $1"
        exit 1
    fi
    out=$(tr -s ' \n' ' ' <<<"$out")
    [[ $out == *"$1"* ]] || {
        echo "expected '$1', got: $out"
        exit 1
    }
}

good='int tcp_active_pcbs[16] = {1}; int other; const int gn__netstack_ops = 1;
      __attribute__((section("gn_engine_state"))) int engine;'

echo "$good" >program.c
join
check 256
refuses "more than 32" 32

join -fdata-sections
refuses "is not swapped" 256

echo "$good __attribute__((section(\"stray\"))) int lost;" >program.c
join
refuses "stray is writable" 256

echo "$good __thread int per_thread;" >program.c
join
refuses "tbss is writable" 256

echo "$good int leak(void) { return 1; }" >program.c
join
refuses "global names are" 256

echo "int other = 1; const int gn__netstack_ops = 1;" >program.c
join
refuses "does not hold tcp_active_pcbs" 256

echo "int gn__netstack_ops(void) { return 1; }" >program.c
"$CC" -c program.c -o object.o
refuses "no section gn_lwip_state" 256
