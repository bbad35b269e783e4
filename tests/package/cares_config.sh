#!/usr/bin/env bash
# What resolver/ares/port/ares_config.h says of the system is what c-ares itself
# finds. 77 (skipped) where an installed c-ares is used. CC, SOURCE, CARES are
# given.
set -euo pipefail
[ -f "$CARES/src/lib/ares_init.c" ] || {
    echo "skipped: c-ares is not built from its source"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake -G Ninja -S "$CARES" -B "$work" -DCMAKE_C_COMPILER="$CC" \
    -DCARES_BUILD_TOOLS=OFF >"$work/log"

# defined HEADER [FLAG...]: what it defines, comments and guards aside.
defined() {
    local header=$1
    shift
    "$CC" "$@" -E -dM -x c "$header" >"$work/all"
    "$CC" -E -dM -include features.h -x c /dev/null >"$work/before"
    grep -vxFf "$work/before" "$work/all" |
        grep -vE '^#define (ARES_CONFIG_H|_FEATURES_H)' | sort
}

# Threads, and what only c-ares' own event thread uses, are left out.
defined "$work/ares_config.h" | sed -E 's/ +$//' |
    grep -vE ' (CARES_THREADS|HAVE_PTHREAD_H|HAVE_(SYS_)?EPOLL(_H)?|HAVE_PIPE2?) ' \
        >"$work/theirs"
defined "$SOURCE/resolver/ares/port/ares_config.h" | sed -E 's/ +$//' \
    >"$work/ours"
diff "$work/theirs" "$work/ours"
