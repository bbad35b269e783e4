#!/usr/bin/env bash
# Builds and runs programs outside of the tree. The build (CMakeLists.txt here)
# names the case and gives CC, CFLAGS, PREFIX (the installed tree), BUILD and
# SOURCE.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

libdir=$(dirname "$(find "$PREFIX" -name guestnet.pc 2>/dev/null)")
export PKG_CONFIG_PATH=$libdir
export LD_LIBRARY_PATH=${libdir%/pkgconfig}
read -ra flags <<<"$CFLAGS"

# A program with an lwIP of its own, and a c-ares where ours is inside. Where it
# is an installed library, its names are the program's as well.
own=(-DWITH_OWN "$here/outside.c" "$here/own_lwip.c")
if [ -f "$CARES/src/lib/ares_init.c" ]; then
    own+=(-DWITH_OWN_CARES "$here/own_cares.c")
else
    echo "without a c-ares of the program's own: ours is an installed library"
fi

# static [FLAG...] SOURCE...: links libguestnet.a, not the .so beside it.
static() {
    local libs
    libs=$(pkg-config --static --libs guestnet |
        sed 's/-lguestnet/-l:libguestnet.a/')
    # shellcheck disable=SC2046,SC2086
    "$CC" "${flags[@]}" $(pkg-config --cflags guestnet) -o program "$@" $libs
    ./program
}

# strict HEADER...: each header on its own, as strict C99 and C11, and as C++.
strict() {
    local header text standard
    for header in "$@"; do
        header=${header#./}
        echo "$header"
        text="#include <guestnet/$header>"$'\nextern int something;'
        for standard in c99 c11; do
            "$CC" -std=$standard -pedantic-errors -Wall -Wextra -Werror \
                -fsyntax-only -I"$PREFIX/include" -x c - <<<"$text"
        done
        command -v clang >/dev/null || continue
        clang -std=c++11 -pedantic -Wall -Wextra -Werror -fsyntax-only \
            -I"$PREFIX/include" -x c++ - <<<"$text"
    done
}

case $case in
install)
    rm -rf "$PREFIX"
    cmake --install "$BUILD" --prefix "$PREFIX"
    for program in "$BUILD"/cli/guestnet*; do
        [ ! -f "$program" ] || [ -x "$PREFIX/bin/${program##*/}" ] || {
            echo "${program##*/} is not installed"
            exit 1
        }
    done
    ;;
find_package)
    cmake -G Ninja -S "$here/find_package" -B . -DCMAKE_PREFIX_PATH="$PREFIX" \
        -DCMAKE_C_COMPILER="$CC" -DCMAKE_C_FLAGS="$CFLAGS"
    cmake --build .
    for program in with_*; do ./"$program"; done
    ;;
find_package_lacks_*)
    # pkg-config knows none of what the static library links but the one that
    # is not lacking.
    lacks=${case#find_package_lacks_}
    mkdir pkgconfig
    for module in libuv libpcap openssl; do
        [ "$module" = "$lacks" ] || printf 'Name: %s\nDescription: %s\nVersion: 9\n' \
            "$module" "$module" >"pkgconfig/$module.pc"
    done
    PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR=$work/pkgconfig cmake -G Ninja \
        -S "$here/find_package_lacks" -B build -DCMAKE_C_COMPILER="$CC" \
        -DCMAKE_PREFIX_PATH="$PREFIX" >out 2>&1 || {
        cat out
        echo "a project that could do without guestnet does not configure"
        exit 1
    }
    grep -F "without guestnet" out
    grep -E "$lacks [0-9.]+ or newer is missing" out
    ;;
pkg_config)
    # shellcheck disable=SC2046
    "$CC" "${flags[@]}" "$here/outside.c" -o program \
        $(pkg-config --cflags --libs guestnet)
    ./program
    ;;
pkg_config_static) static "$here/outside.c" ;;
own_parts) static "${own[@]}" ;;
lto) static -flto -O2 "${own[@]}" ;;
lld)
    static -fuse-ld=lld "${own[@]}"
    ;;
gc_sections)
    static -Wl,--gc-sections -ffunction-sections -fdata-sections \
        "${own[@]}"
    ;;
subdirectory)
    # With the flags that would take the state of lwIP apart.
    cmake -G Ninja -S "$here/subdirectory" -B . -DGUESTNET_SOURCE="$SOURCE" \
        -DGUESTNET_LWIP_DIR="$LWIP" -DGUESTNET_CARES_DIR="$CARES" \
        -DCMAKE_C_COMPILER="$CC" -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_FLAGS="-flto -fcommon -fdata-sections -ffunction-sections" \
        -DCMAKE_EXE_LINKER_FLAGS=-Wl,--gc-sections
    cmake --build . --target with_subdirectory -- -j2
    ./with_subdirectory
    ;;
headers)
    cd "$PREFIX/include/guestnet"
    strict ./*.h
    ;;
*)
    echo "no such case: $case" >&2
    exit 1
    ;;
esac
