#!/usr/bin/env bash
# other_system.sh SOURCE: what the README says of systems that are no Debian,
# done to the letter: the tarballs unpacked by hand, its commands run with no
# tool of Debian's in the PATH, and its example compiled against what was
# installed. CC is given. 77 (skipped) where the tarballs are not kept.
set -euo pipefail
source=$1
cache=${GUESTNET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/guestnet}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The README's compiler, CMake, Ninja, pkg-config and patch, binutils, and what
# POSIX has.
mkdir "$work/bin"
for tool in cmake ninja pkg-config patch \
    as ld ld.bfd ar nm objcopy objdump ranlib readelf strip \
    awk basename bash cat chmod cp cut dirname env expr false grep head ln ls \
    mkdir mv printf pwd rm sed sh sort tail tar touch tr true uname wc xz gzip; do
    ln -s "$(command -v "$tool")" "$work/bin/$tool"
done
ln -s "$(command -v "${CC:-cc}")" "$work/bin/cc"
export PATH=$work/bin
unset CC CMAKE_C_COMPILER_LAUNCHER

for package in lwip c-ares; do
    tarball=$(ls "$cache/download/$package/"*.orig.tar.* 2>/dev/null) || {
        echo "skipped: no tarball of $package is kept in $cache"
        exit 77
    }
    mkdir "$work/$package"
    tar -xf "$tarball" -C "$work/$package" --strip-components=1
done
mkdir "$work/guestnet"
tar -c -C "$source" --exclude=./build --exclude=./.git . |
    tar -x -C "$work/guestnet"
cd "$work/guestnet"

# commands TEXT: the README's block of commands that has it, with the paths of
# here.
commands() {
    tests/docs/block.sh README.md sh "$1" |
        sed "s,/path/to,$work,g; s,/opt/guestnet,$work/opt,g"
}

# run TEXT: does what that block says.
run() {
    commands "$1" >"$work/commands"
    cat "$work/commands"
    sh -e "$work/commands"
}

run /path/to/lwip
run GUESTNET_CLI
run "cmake --install"
for command in guestnet guestnet-agent guestnet-wasm; do
    "$work/opt/bin/$command" --help >/dev/null || {
        echo "$command is not installed, or does not run"
        exit 1
    }
done
[ ! -e build/library/examples ] || {
    echo "the examples are built, which the README wants more libraries for"
    exit 1
}
tests/docs/block.sh README.md c >program.c
tests/docs/block.sh README.md text >expected
commands PKG_CONFIG_PATH | while IFS= read -r line; do
    echo "$line"
    eval "$line"
    [[ $line != cc* ]] || [ "$(./a.out)" = "$(cat expected)" ] || {
        echo "the program does not print what the README says"
        exit 1
    }
done
