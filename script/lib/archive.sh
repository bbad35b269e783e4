# shellcheck shell=bash
# shellcheck disable=SC2154 # script/setup sets cache.
# The archive that the machine's own apt entries name, asked for sources of a
# newer release. Sourced by script/setup.
#
# Apt is called with a configuration, lists and cache of its own below
# $cache/apt; nothing under /etc changes. The URIs and keys are those of the
# machine's entries for its Debian release.

# The release whose sources serve: Debian 12's own are too old.
archive_release() {
    local codename
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    case $codename in
    bookworm) echo trixie ;;
    *) echo "$codename" ;;
    esac
}

archive_read= # types of entries: what archive_update has read

# archive_entries TYPE RELEASE: prints an entry (deb or deb-src) of RELEASE for
# each entry of this release that the machine has, in either of apt's two
# formats, with the same options.
archive_entries() {
    local codename list parts
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    eval "$(apt-config shell list Dir::Etc::sourcelist/f \
        parts Dir::Etc::sourceparts/d)"
    find "$list" "$parts" -maxdepth 1 -type f \
        \( -name '*.list' -o -name '*.sources' \) -exec awk \
        -v codename="$codename" -v type="$1" -v newer="$2" '
        # Prints one entry; OPTIONS are lines of further fields.
        function emit(uris, suites, components, options,    n, s, i, wanted) {
            n = split(suites, s, /[ \t\n]+/)
            for (i = 1; i <= n; i++)
                if (s[i] == codename || s[i] == codename "-updates" ||
                    s[i] == codename "-security")
                    wanted = wanted " " newer substr(s[i],
                                                     length(codename) + 1)
            if (wanted == "" || (" " components " ") !~ /[ \t\n]main[ \t\n]/)
                return
            print "Types: " type "\nURIs: " uris "\nSuites:" wanted
            print "Components: main\n" options
        }
        function end_stanza(    name, options) {
            for (name in field)
                if (name !~ /^(types|uris|suites|components|enabled)$/ &&
                    name !~ /^(architectures|languages|targets)$/)
                    options = options name ":" field[name] "\n"
            if (field["types"] ~ /deb/ && field["enabled"] !~ /no/)
                emit(field["uris"], field["suites"], field["components"],
                     options)
            split("", field)
        }
        # One line: deb [name=value ...] URI SUITE COMPONENT...
        function one_line(    n, option, i, options, uri, suite) {
            sub(/#.*/, "")
            if (match($0, /\[[^]]*\]/)) {
                n = split(substr($0, RSTART + 1, RLENGTH - 2), option, " ")
                for (i = 1; i <= n; i++)
                    if (option[i] !~ /^(arch|lang|target)/ &&
                        sub(/=/, ": ", option[i]))
                        options = options option[i] "\n"
                sub(/\[[^]]*\]/, "")
            }
            uri = $2
            suite = $3
            $1 = $2 = $3 = ""
            emit(uri, suite, $0, options)
        }
        FNR == 1 { end_stanza() }
        FILENAME ~ /\.list$/ {
            if ($1 ~ /^deb(\[|$)/)
                one_line()
            next
        }
        /^#/ { next }
        /^[ \t]*$/ { end_stanza(); next }
        /^[ \t]/ { field[name] = field[name] "\n" $0; next }
        {
            name = tolower(substr($0, 1, index($0, ":") - 1))
            field[name] = substr($0, index($0, ":") + 1)
        }
        END { end_stanza() }' {} + 2>/dev/null || true # One may not exist.
}

# Prints the URIs of the entries in stdin, each once. One that names a file of
# mirrors stands for the mirrors in it.
archive_uris() {
    local uri
    awk '/^URIs:/ { for (i = 2; i <= NF; i++) print $i }' |
        while IFS= read -r uri; do
            if [[ $uri == mirror+file:* ]]; then
                awk '/^[a-z]/ { print $1 }' "${uri#mirror+file:}" || true
            else
                echo "$uri"
            fi
        done | sed 's,/*$,,' | awk '!seen[$0]++'
}

# archive_apt TOOL ARGUMENT...: one of apt's tools, kept away from the
# machine's configuration.
archive_apt() {
    local tool=$1 options
    shift
    options=(
        -o "Dir::Etc::sourcelist=$cache/apt/newer.sources"
        -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$cache/apt/lists"
        -o "Dir::Cache=$cache/apt/cache"
        -o Acquire::Retries=1
    )
    [ "$(id -u)" != 0 ] || options+=(-o APT::Sandbox::User=root)
    LC_ALL=C "$tool" "${options[@]}" "$@"
}

# answers_of_apt LOG: says which file could not be had, and what the answer was.
answers_of_apt() {
    local line
    while IFS= read -r line; do
        say "$line"
    done < <(awk '
        /^[EW]: (Failed to fetch some|Some index|Download Failed)/ { next }
        sub(/^[EW]: Failed to fetch /, "") || sub(/^E: /, "apt: ") ||
            sub(/^W: GPG error: /, "apt: ")
        ' "$1" | awk '!seen[$0]++')
}

# archive_update TYPE...: reads the indices of entries of these types (deb-src is
# that of sources), once; says what is wrong with them.
archive_update() {
    local type
    [ "$archive_read" != "$*" ] || return 0
    archive_read=$*
    mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
    for type; do
        archive_entries "$type" "$(archive_release)"
    done >"$cache/apt/newer.sources"
    if [ ! -s "$cache/apt/newer.sources" ]; then
        say "apt has no entry with the component main for this release"
        return 0
    fi
    say "reading the index of $(archive_release) ($*)"
    # One suite that fails to load does not spoil the others.
    archive_apt apt-get -q update >"$cache/apt/log" 2>&1 || true
    answers_of_apt "$cache/apt/log"
}

# archive_versions PACKAGE: prints those the index names, newest first.
archive_versions() {
    archive_apt apt-cache madison "$1" 2>/dev/null |
        awk -F'|' '{ gsub(/ /, "", $2); print $2 }' | sort -rVu
}

# archive_files PACKAGE VERSION: prints "SHA256 FILE URI" for each file of it
# that the signed index names, but for those that describe others.
archive_files() {
    archive_apt apt-get -q source --print-uris --only-source "$1=$2" \
        2>/dev/null | tr -d "'" |
        awk '/SHA256:/ && $2 !~ /\.(dsc|asc)$/ { print substr($4, 8), $2, $1 }'
}

# archive_fetch SHA256 URI FILE: the file, if it is the one that is wanted. Says
# what the answer was if not.
archive_fetch() {
    local wanted=$1 uri=$2 file=$3 got
    rm -f "$file"
    archive_apt /usr/lib/apt/apt-helper -q download-file \
        "${uri/#file:/copy:}" "$file.part" >"$cache/apt/log" 2>&1 || {
        answers_of_apt "$cache/apt/log"
        rm -f "$file".part*
        return 1
    }
    got=$(sha256sum <"$file.part")
    if [ "${got%% *}" != "$wanted" ]; then
        say "$uri: $(stat -c %s "$file.part") bytes of SHA-256 ${got%% *}," \
            "not $wanted"
        rm -f "$file.part"
        return 1
    fi
    mv "$file.part" "$file"
}
