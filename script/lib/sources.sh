# shellcheck shell=bash
# shellcheck disable=SC2154 # script/setup sets cache, cares_wanted and sets.
# Where the sources of lwIP and c-ares come from. Sourced by script/setup.
#
# The first that works of: a folder given by hand; what was downloaded before;
# the versions that the archive's index names, newest first; the versions in
# script/lib/pinned. An attempt works when every file has its SHA-256 and our
# patches apply. What worked is kept in $cache/download/PACKAGE:
#   SHA256SUMS  its files, in the order in which they are unpacked
#   VERSION     which it is

# patches_of PACKAGE: prints our patches of it.
patches_of() {
    [ "$1" != lwip ] || printf '%s\n' netstack/patches/*.patch
}

# patches_sum PACKAGE: what tells one series of ours from another.
patches_sum() {
    local sum
    sum=$(patches_of "$1" | xargs -r cat | sha256sum)
    echo "${sum%% *}"
}

# source_is_ready PACKAGE WANTED: $cache/PACKAGE is new enough, with our patches
# as they are now.
source_is_ready() {
    [ -f "$cache/$1/.version" ] &&
        [ "$(cat "$cache/$1/.series")" = "$(patches_sum "$1")" ] &&
        source_is_new_enough "$(cat "$cache/$1/.version")" "$2"
}

# source_is_new_enough VERSION WANTED
source_is_new_enough() {
    [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

cares_is_installed() {
    pkg-config --exists "libcares >= $cares_wanted" 2>/dev/null
}

cares_is_ready() {
    cares_is_installed || source_is_ready c-ares "$cares_wanted"
}

# patch_once DIR FILE: applies it unless DIR has it already, as a source that
# the distribution mended may.
patch_once() {
    patch -p1 -R --dry-run -f -s --fuzz=0 -d "$1" -i "$2" >/dev/null 2>&1 ||
        patch -p1 -f -s --fuzz=0 -d "$1" -i "$2"
}

# source_series: what the distribution's series has goes into $new.
source_series() {
    local name
    [ -f "$new/debian/patches/series" ] || return 0
    while read -r name _; do
        [[ -z $name || $name == \#* ]] ||
            patch_once "$new" "$new/debian/patches/$name" || return 1
    done <"$new/debian/patches/series"
}

# source_unpack FILE...: into $new, upstream's tarball first, then what the
# distribution changed in it (format "3.0 (quilt)").
source_unpack() {
    local file
    for file in "$@"; do
        case $file in
        *.orig.tar.*)
            tar -xf "$file" -C "$new" --strip-components=1 --no-same-owner
            ;;
        *.debian.tar.*)
            tar -xf "$file" -C "$new" --no-same-owner && source_series
            ;;
        *)
            echo "$file: packed in a way that is not known here"
            return 1
            ;;
        esac || return 1
    done
}

# source_finish PACKAGE VERSION: what is in $new gets our patches and becomes
# $cache/PACKAGE.
source_finish() {
    local package=$1 version=$2 patch
    while IFS= read -r patch; do
        patch_once "$new" "$PWD/$patch" >"$cache/unpack.log" 2>&1 || {
            cat "$cache/unpack.log" >&2
            say "$patch does not apply to $package $version"
            return 1
        }
    done < <(patches_of "$package")
    patches_sum "$package" >"$new/.series" &&
        echo "$version" >"$new/.version" || return 1
    rm -rf "${cache:?}/$package.old"
    [ ! -d "$cache/$package" ] || mv "$cache/$package" "$cache/$package.old"
    mv "$new" "$cache/$package" || return 1
    rm -rf "$cache/$package.old"
}

# source_kept PACKAGE WANTED: uses what was downloaded, checked again.
source_kept() {
    local package=$1 files version dir=$cache/download/$1
    [ -f "$dir/VERSION" ] || return 1
    version=$(cat "$dir/VERSION")
    source_is_new_enough "$version" "$2" || return 1
    (cd "$dir" && sha256sum --check --quiet --strict SHA256SUMS) \
        >"$cache/unpack.log" 2>&1 || {
        say "$dir: $(head -n 1 "$cache/unpack.log")"
        return 1
    }
    say "unpacking $package $version"
    mapfile -t files < <(sed "s,^[0-9a-f]*  ,$dir/," "$dir/SHA256SUMS")
    rm -rf "$new" && mkdir "$new"
    source_unpack "${files[@]}" >"$cache/unpack.log" 2>&1 || {
        cat "$cache/unpack.log" >&2
        say "$package $version does not unpack"
        return 1
    }
    source_finish "$package" "$version"
}

# source_attempt PACKAGE WANTED VERSION: downloads and uses the files that stdin
# names, one a line: SHA256 FILE URI..., the first URI that answers.
source_attempt() {
    local package=$1 version=$3 dir=$cache/download/$1 sum file uris uri
    rm -rf "$dir" && mkdir -p "$dir"
    while read -r sum file uris; do
        say "downloading $file"
        for uri in $uris; do
            ! archive_fetch "$sum" "$uri" "$dir/$file" </dev/null || break
        done
        [ -f "$dir/$file" ] || return 1
        echo "$sum  $file" >>"$dir/SHA256SUMS"
    done
    [ -f "$dir/SHA256SUMS" ] || {
        say "the index names no files of $package $version"
        return 1
    }
    echo "$version" >"$dir/VERSION"
    source_kept "$package" "$2"
}

# source_indexed PACKAGE WANTED: the newest version that the archive's index
# names and the archive has. Sets $why when there is none.
source_indexed() {
    local package=$1 wanted=$2 version named=
    archive_update deb-src
    for version in $(archive_versions "$package"); do
        source_is_new_enough "$version" "$wanted" || continue
        named+="${named:+, }$version"
        ! source_attempt "$package" "$wanted" "$version" \
            < <(archive_files "$package" "$version") || return 0
    done
    why="the archive's index names none that is new enough"
    [ -z "$named" ] ||
        why="the version that the index names ($named) cannot be used"
    return 1
}

# source_pinned PACKAGE WANTED: a version of script/lib/pinned from the pool.
source_pinned() {
    local package=$1 wanted=$2 name version path sum uris
    mapfile -t uris < <(archive_uris <"$cache/apt/newer.sources")
    [ ${#uris[@]} -gt 0 ] || return 1
    while read -r name version path sum; do
        [ "$name" = "$package" ] || continue
        source_is_new_enough "$version" "$wanted" || continue
        say "trying $package $version, pinned in script/lib/pinned: $why"
        ! source_attempt "$package" "$wanted" "$version" \
            <<<"$sum ${path##*/} ${uris[*]/%//$path}" || return 0
    done <script/lib/pinned
    return 1
}

# source_by_hand PACKAGE WANTED DIR: copies a folder that holds its source.
source_by_hand() {
    local package=$1 version header=include/ares_version.h new=$cache/$1.new
    [ "$package" != lwip ] || header=src/include/lwip/init.h
    [ -f "$3/$header" ] || fail "$3 is no source of $package: no $header in it"
    version=$(sed -nE "s/^#define +[A-Z]+_VERSION_(MAJOR|MINOR|PATCH|REVISION) +([0-9]+).*/\2/p" \
        "$3/$header" | paste -s -d .)
    source_is_new_enough "$version" "$2" ||
        fail "$3 is $package $version; $2 or newer is wanted"
    rm -rf "$new" && mkdir "$new"
    cp -R "$3/." "$new"
    source_finish "$package" "$version" ||
        fail "give another version of $package than that in $3"
    say "copied $package $version from $3"
}

# source_provide PACKAGE WANTED: makes $cache/PACKAGE ready.
source_provide() {
    local new=$cache/$1.new why=
    source_is_ready "$1" "$2" || source_kept "$1" "$2" ||
        source_indexed "$1" "$2" || source_pinned "$1" "$2" ||
        fail "no $1 $2 or newer is to be had, see above; unpack a release of" \
            "it and run: script/setup $sets --$1 FOLDER"
}
