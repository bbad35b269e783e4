#!/usr/bin/env bash
# setup.sh CASE: script/setup against a small archive made here, as one that is
# whole and as ones that lack something. Nothing is installed, and no network is
# used. SOURCE is given. 77 (skipped) where there is no apt.
set -euo pipefail
for tool in apt-get apt-config xz patch; do
    command -v "$tool" >/dev/null || {
        echo "skipped: there is no $tool"
        exit 77
    }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# shellcheck source=/dev/null
. "$SOURCE/script/lib/archive.sh"
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-none}")
release=$(archive_release)

# The machine: its apt has entries in $work/etc/apt, and no c-ares is installed.
export GUESTNET_CACHE=$work/cache
export APT_CONFIG=$work/apt.conf
export PKG_CONFIG_LIBDIR=$work/none
export LC_ALL=C
mkdir -p etc/apt/sources.list.d etc/apt/apt.conf.d etc/apt/preferences.d
cat >apt.conf <<END
Dir::Etc "$work/etc/apt";
Dir::State "$work/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$work/aptcache";
END

sum() {
    local line
    line=$(sha256sum "$1")
    echo "${line%% *}"
}

# tarball FILE TOP PATH TEXT [PATH TEXT]...: an archive with these files in TOP.
tarball() {
    local file=$1 top=$2
    shift 2
    rm -rf made && mkdir -p "made/$top"
    while [ $# -gt 0 ]; do
        mkdir -p "$(dirname "made/$top/$1")"
        printf '%s\n' "$2" >"made/$top/$1"
        shift 2
    done
    mkdir -p "$(dirname "$file")"
    tar -caf "$file" -C made "$top"
}

# diff_of PATH OLD NEW: a patch of a file of one line.
diff_of() {
    printf -- '--- a/%s\n+++ b/%s\n@@ -1 +1 @@\n-%s\n+%s\n' "$1" "$1" "$2" "$3"
}

# in_index PACKAGE VERSION FILE...: the index names these files of the pool.
in_index() {
    local package=$1 version=$2 folder=pool/main/${1:0:1}/$1 file
    shift 2
    printf 'Package: %s\nFormat: 3.0 (quilt)\nBinary: %s\nArchitecture: any\n' \
        "$package" "$package"
    printf 'Version: %s\nDirectory: %s\nChecksums-Sha256:\n' "$version" "$folder"
    for file in "$@"; do
        printf ' %s %s %s\n' "$(sum "archive/$folder/$file")" \
            "$(stat -c %s "archive/$folder/$file")" "$file"
    done
    echo
}

# publish FILE: it becomes the index.
publish() {
    local dists=archive/dists/$release
    mkdir -p "$dists/main/source"
    cp "$1" "$dists/main/source/Sources"
    printf 'Suite: %s\nCodename: %s\nComponents: main\nSHA256:\n %s %s %s\n' \
        "$release" "$release" "$(sum "$1")" "$(stat -c %s "$1")" \
        main/source/Sources >"$dists/Release"
}

cares=archive/pool/main/c/c-ares
lwip=archive/pool/main/l/lwip
init=src/include/lwip/init.h

# The whole archive: lwIP 2.2.1-1, which Debian patches, and c-ares 1.34.9-1 and
# 1.34.6-1. 1.34.5 is in the pool only, and pinned.
make_archive() {
    local version
    tarball $lwip/lwip_2.2.1.orig.tar.xz lwip-2.2.1 $init "one" tcp.c "old"
    tarball $lwip/lwip_2.2.1-1.debian.tar.xz debian patches/series \
        "# theirs"$'\n'"first" patches/first "$(diff_of $init one two)"
    for version in 1.34.5 1.34.6 1.34.9; do
        tarball $cares/c-ares_$version.orig.tar.gz c-ares-$version \
            version $version
        tarball $cares/c-ares_$version-1.debian.tar.xz debian rules "none"
    done
    {
        in_index lwip 2.2.1-1 lwip_2.2.1.orig.tar.xz lwip_2.2.1-1.debian.tar.xz
        for version in 1.34.6 1.34.9; do
            in_index c-ares $version-1 c-ares_$version.orig.tar.gz \
                c-ares_$version-1.debian.tar.xz
        done
    } >index
    publish index
}

# entry FIELD...: the machine's one entry, with what is given instead of the
# default.
entry() {
    local line
    for line in "Types: deb" "URIs: file:$work/archive" "Suites: $codename" \
        "Components: main" "Trusted: yes"; do
        printf '%s\n' "$@" | grep -q "^${line%%:*}:" || echo "$line"
    done >etc/apt/sources.list.d/machine.sources
    printf '%s\n' "$@" >>etc/apt/sources.list.d/machine.sources
}

# The tree: our script, with one patch and the pins of this archive.
make_tree() {
    mkdir -p tree/netstack/patches
    cp -r "$SOURCE/script" tree/
    { echo "why it is there" && diff_of tcp.c old ours; } \
        >tree/netstack/patches/0001-ours.patch
    {
        echo "# of the test"
        echo "lwip 2.2.1 ${lwip#archive/}/lwip_2.2.1.orig.tar.xz" \
            "$(sum $lwip/lwip_2.2.1.orig.tar.xz)"
        echo "c-ares 1.34.5 ${cares#archive/}/c-ares_1.34.5.orig.tar.gz" \
            "$(sum $cares/c-ares_1.34.5.orig.tar.gz)"
    } >tree/script/lib/pinned
}

# works [ARGUMENT...], fails [ARGUMENT...]: so does script/setup.
works() {
    tree/script/setup "${@:-sources}" >said 2>&1 || {
        cat said
        echo "set-up failed"
        exit 1
    }
}
fails() {
    if tree/script/setup "${@:-sources}" >said 2>&1; then
        cat said
        echo "set-up did not fail"
        exit 1
    fi
}

# says TEXT: the last run did, in one line.
says() {
    grep -qF -- "$1" said || {
        cat said
        echo "expected: $1"
        exit 1
    }
}

# is_silent_about TEXT: the last run did not say it.
is_silent_about() {
    if grep -qF -- "$1" said; then
        cat said
        echo "not expected: $1"
        exit 1
    fi
}

# has PACKAGE VERSION: that version is ready.
has() {
    [ "$(cat "cache/$1/.version")" = "$2" ] || {
        cat said
        echo "expected $1 $2, got $(cat "cache/$1/.version")"
        exit 1
    }
}

make_archive
make_tree
entry
case $1 in
newest_of_the_index)
    works
    has c-ares 1.34.9-1
    has lwip 2.2.1-1
    [ "$(cat cache/lwip/$init)" = two ]
    [ "$(cat cache/lwip/tcp.c)" = ours ]
    works
    is_silent_about index
    ;;
one_line_entries)
    rm etc/apt/sources.list.d/machine.sources
    cat >etc/apt/sources.list <<END
# deb file:$work/none $codename main
deb-src file:$work/none $codename main
deb [arch=all trusted=yes] file:$work/archive $codename contrib main # ours
deb file:$work/none other main
END
    works
    has c-ares 1.34.9-1
    ;;
entries_with_several_of_all)
    entry "URIs: file:$work/none file:$work/archive" \
        "Suites: other $codename $codename-updates" "Components: contrib main" \
        "Architectures: amd64" "Enabled: yes"
    works
    has c-ares 1.34.9-1
    ;;
file_of_mirrors)
    printf '%s\n' "# ours" "file:$work/archive" >mirrors
    entry "URIs: mirror+file:$work/mirrors"
    sed -i '/^Package: c-ares/,$d' index
    publish index
    works
    has c-ares 1.34.5
    ;;
index_without_pool_file)
    rm $cares/c-ares_1.34.9.orig.tar.gz
    works
    says c-ares_1.34.9.orig.tar.gz
    has c-ares 1.34.6-1
    rm -r cache $cares/c-ares_1.34.6-1.debian.tar.xz
    works
    says "trying c-ares 1.34.5, pinned in script/lib/pinned: the version that the index names (1.34.9-1, 1.34.6-1) cannot be used"
    has c-ares 1.34.5
    ;;
pool_without_index_entry)
    sed -i '/^Package: c-ares/,$d' index
    publish index
    works
    says "pinned in script/lib/pinned: the archive's index names none that is new enough"
    has c-ares 1.34.5
    ;;
wrong_checksum)
    tarball $cares/c-ares_1.34.9.orig.tar.gz c-ares-1.34.9 version evil
    works
    says "c-ares_1.34.9.orig.tar.gz: $(stat -c %s $cares/c-ares_1.34.9.orig.tar.gz) bytes of SHA-256 $(sum $cares/c-ares_1.34.9.orig.tar.gz), not"
    has c-ares 1.34.6-1
    rm -r cache $cares/*1.34.6*
    tarball $cares/c-ares_1.34.5.orig.tar.gz c-ares-1.34.5 version evil
    fails
    says "run: script/setup sources --c-ares FOLDER"
    [ ! -e cache/c-ares ]
    ;;
truncated_file)
    truncate -s 100 $cares/c-ares_1.34.9.orig.tar.gz
    works
    says "c-ares_1.34.9.orig.tar.gz: 100 bytes of SHA-256"
    has c-ares 1.34.6-1
    ;;
no_network)
    works
    entry "URIs: http://localhost:9/debian"
    echo "unlike before" >>tree/netstack/patches/0001-ours.patch
    works
    says "unpacking lwip 2.2.1-1"
    has lwip 2.2.1-1
    rm -r cache
    fails
    says "http://localhost:9/debian/dists/$release/InRelease"
    says "http://localhost:9/debian/$(sed -n 's/^lwip [^ ]* \([^ ]*\).*/\1/p' tree/script/lib/pinned)"
    says "onnect to localhost:9"
    says "run: script/setup sources --lwip FOLDER"
    ;;
kept_file_is_damaged)
    works
    truncate -s 10 cache/download/lwip/lwip_2.2.1.orig.tar.xz
    echo "unlike before" >>tree/netstack/patches/0001-ours.patch
    works
    says "lwip_2.2.1.orig.tar.xz: FAILED"
    has lwip 2.2.1-1
    ;;
suite_is_missing)
    rm -r archive/dists
    works
    says "dists/$release"
    says "trying lwip 2.2.1, pinned"
    has lwip 2.2.1
    has c-ares 1.34.5
    ;;
component_is_missing)
    entry "Components: contrib"
    fails
    says "apt has no entry with the component main for this release"
    says "run: script/setup sources --lwip FOLDER"
    ;;
index_without_signature)
    entry "Trusted: no"
    works
    says "is not signed"
    has c-ares 1.34.5
    ;;
newest_does_not_take_our_patch)
    tarball $lwip/lwip_2.3.0.orig.tar.xz lwip-2.3.0 $init "three" tcp.c "other"
    in_index lwip 2.3.0-1 lwip_2.3.0.orig.tar.xz >>index
    publish index
    works
    says "netstack/patches/0001-ours.patch does not apply to lwip 2.3.0-1"
    has lwip 2.2.1-1
    ;;
distribution_has_our_patch)
    tarball $lwip/lwip_2.2.1-1.debian.tar.xz debian patches/series "first" \
        patches/first "$(diff_of tcp.c old ours)"
    tarball $lwip/lwip_2.2.1.orig.tar.xz lwip-2.2.1 $init "one" tcp.c "old"
    in_index lwip 2.2.1-1 lwip_2.2.1.orig.tar.xz \
        lwip_2.2.1-1.debian.tar.xz >index
    publish index
    works
    has lwip 2.2.1-1
    [ "$(cat cache/lwip/tcp.c)" = ours ]
    ;;
series_does_not_apply)
    tarball $lwip/lwip_2.2.1-1.debian.tar.xz debian \
        patches/series "first"$'\n'"second" \
        patches/first "$(diff_of $init three four)" \
        patches/second "$(diff_of $init one two)"
    in_index lwip 2.2.1-1 lwip_2.2.1.orig.tar.xz \
        lwip_2.2.1-1.debian.tar.xz >index
    publish index
    works
    says "lwip 2.2.1-1 does not unpack"
    says "trying lwip 2.2.1, pinned"
    has lwip 2.2.1
    ;;
folder_by_hand)
    entry "URIs: http://localhost:9/debian"
    mkdir -p hand/include other/src/include/lwip
    printf '#define ARES_VERSION_%s\n' "MAJOR 1" "MINOR 34" "PATCH 2" \
        >hand/include/ares_version.h
    printf '#define LWIP_VERSION_%s\n' "MAJOR 2" "MINOR 1" "REVISION 3" \
        >other/$init
    echo old >other/tcp.c
    fails sources --lwip other
    says "$work/other is lwip 2.1.3; 2.2.1 or newer is wanted"
    fails sources --lwip hand
    says "$work/hand is no source of lwip: no $init in it"
    sed -i 's/MINOR 1/MINOR 3/' other/$init
    works sources --lwip other --c-ares hand
    has lwip 2.3.3
    has c-ares 1.34.2
    [ "$(cat cache/lwip/tcp.c)" = ours ]
    ;;
package_is_missing)
    [ "$(id -u)" = 0 ] || {
        echo "skipped: apt-get wants root"
        exit 77
    }
    mkdir -p state/lists/partial aptcache/archives/partial
    sed -i 's/printf .*gcc/& guestnet-no-such-package/' \
        tree/script/lib/packages.sh
    fails build
    says "apt: Unable to locate package guestnet-no-such-package"
    says "as root: apt-get update && apt-get install guestnet-no-such-package"
    ;;
*)
    echo "no such case: $1" >&2
    exit 1
    ;;
esac
