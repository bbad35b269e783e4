#!/usr/bin/env bash
# layers.sh SOURCE: what folders include of each other is what the list in
# docs/architecture.md allows. The list is a fenced block of lines
# "folder: folder..."; of another folder only FOLDER/FOLDER.h may be included
# (of base/, which has no one header, any).
set -euo pipefail
cd "$1"
folders="base ipam netstack resolver engine switch namespace sim guests/nic"
folders+=" host/driver host/kernel host/names host/forward host/tls host/conn"
folders+=" host/egress host/publish host/service host explore guests/wasi"
[ -f docs/architecture.md ] || exit 77

declare -A allowed
while IFS=: read -r folder others; do
    allowed[$folder]=" $others "
done < <(awk '/^```/ { inside = !inside; next } inside && /^[a-z\/]+:/' \
    docs/architecture.md)

status=0
complain() {
    echo "$*"
    status=1
}

# folder_of PATH: the folder of the list that it is in; a folder inside another
# one is a layer of its own.
folder_of() {
    case "$1" in
    host/*/*) cut -d/ -f1-2 <<<"$1" ;;
    guests/*/*) cut -d/ -f1-2 <<<"$1" ;;
    *) echo "${1%%/*}" ;;
    esac
}

for folder in $folders; do
    [ -d "$folder" ] || continue
    [ -n "${allowed[$folder]+set}" ] ||
        complain "docs/architecture.md does not list $folder"
    while IFS=: read -r file line; do
        header=${line#*\"}
        header=${header%%\"*}
        other=$(folder_of "$header")
        [ "$(folder_of "$file")" = "$folder" ] || continue
        case " $folders " in
        *" $other "*) ;;
        *) continue ;;
        esac
        [ "$other" != "$folder" ] || continue
        [[ ${allowed[$folder]-} == *" $other "* ]] ||
            complain "$file: $folder may not include $other ($header)"
        module=$other/${other##*/}.h
        case $folder$other in
        host*host/forward) ;;
        host*host/*) continue ;; # Each other's headers, as far as the list goes.
        esac
        [ "$other" = base ] || [ "$header" = "$module" ] ||
            complain "$file: of $other only $module ($header)"
    done < <(grep -rE --include='*.[ch]' '^ *# *include "' "$folder")
done

# Where no folder is above itself, no ring of files crosses folders.
ring=$(for folder in $folders; do
    for other in ${allowed[$folder]-}; do
        echo "$folder $other"
    done
done | tsort 2>&1 >/dev/null) || complain "the list has a ring: $ring"

while IFS= read -r line; do
    complain "only netstack/lwip includes lwIP: $line"
done < <(grep -rE --include='*.[ch]' '^ *# *include ["<]lwip/' . |
    grep -vE '^\./(netstack/lwip|tests/lwip|build)/')
while IFS= read -r line; do
    complain "only host/driver/loop_internal.h includes libuv: $line"
done < <(grep -rE --include='*.[ch]' '^ *# *include [<"]uv[./]' . |
    grep -vE '^\./(host/driver/loop_internal\.h:|tests/|examples/|bench/|findings/|build/)')
while IFS= read -r line; do
    complain "only host/capture.c includes libpcap: $line"
done < <(grep -rE --include='*.[ch]' '^ *# *include [<"]pcap[./]' . |
    grep -vE '^\./(host/capture\.c:|tests/|build/)')
while IFS= read -r line; do
    complain "only host/tls/openssl.c includes OpenSSL: $line"
done < <(grep -rE --include='*.[ch]' '^ *# *include [<"]openssl/' . |
    grep -vE '^\./(host/tls/openssl\.c:|tests/|build/)')
while IFS= read -r line; do
    complain "only resolver/ares includes c-ares: $line"
done < <(grep -rE --include='*.[ch]' '^ *# *include ["<]ares[._]' . |
    grep -vE '^\./(resolver/ares|tests/package|findings|build)/')
while IFS= read -r line; do
    complain "only <guestnet/...> there: $line"
done < <(grep -rE --include='*.[ch]' '^ *# *include "' cli bench examples |
    grep -vE '^([a-z]+)/[^:]*: *# *include "(\1/|[^/"]+")')
while IFS= read -r line; do
    complain "public headers include only each other: $line"
done < <(grep -rE '^ *# *include "' include)
exit $status
