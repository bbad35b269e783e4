#!/usr/bin/env bash
# layers.sh SOURCE: what folders include of each other is what the list in
# docs/architecture.md allows. The list is a fenced block of lines
# "folder: folder..."; of another folder only FOLDER/FOLDER.h may be included
# (of base/, which has no one header, any).
set -euo pipefail
cd "$1"
folders="base ipam netstack resolver engine switch namespace sim guests/nic"
folders+=" host/driver host/kernel host/names host/dns host/forward host/tls"
folders+=" host/conn host/egress host/publish host/service host explore guests/wasi"
[ -f docs/architecture.md ] || exit 77

listed() {
    awk '/^```/ { inside = !inside; next } inside && /^[a-z\/]+:/' \
        docs/architecture.md
}

declare -A allowed
while IFS=: read -r folder others; do
    allowed[$folder]=" $others "
done < <(listed)

status=0
complain() {
    echo "$*"
    status=1
}

# What each line of "FILE:  # include "HEADER"" breaks, if anything: awk, since a
# process for each of some thousand lines takes minutes on a busy machine. A
# folder of host/ or guests/ is a layer of its own.
broken() {
    # shellcheck disable=SC2086 # Folders are words.
    awk -v folders="$folders" '
    function folder_of(path, part, n) {
        n = split(path, part, "/")
        if (n > 2 && (part[1] == "host" || part[1] == "guests"))
            return part[1] "/" part[2]
        return part[1]
    }
    BEGIN {
        n = split(folders, name, " ")
        for (i = 1; i <= n; i++)
            known[name[i]] = 1
    }
    FNR == NR { # "folder: folder..."
        folder = $1
        sub(/:$/, "", folder)
        listed[folder] = 1
        for (i = 2; i <= NF; i++)
            allowed[folder, $i] = 1
        next
    }
    {
        file = substr($0, 1, index($0, ":") - 1)
        split($0, quoted, "\"")
        header = quoted[2]
        folder = folder_of(file)
        other = folder_of(header)
        if (!(folder in known) || !(other in known) || folder == other)
            next
        if (!((folder, other) in allowed))
            print file ": " folder " may not include " other " (" header ")"
        # Those of host/ see each other, as far as the list goes.
        if (folder ~ /^host/ && other ~ /^host\// && other != "host/forward")
            next
        last = other
        sub(/.*\//, "", last)
        if (other != "base" && header != other "/" last ".h")
            print file ": of " other " only " other "/" last ".h (" header ")"
    }' <(listed) <(grep -rE --include='*.[ch]' '^ *# *include "' $folders)
}

for folder in $folders; do
    [ -n "${allowed[$folder]+set}" ] ||
        complain "docs/architecture.md does not list $folder"
done
while IFS= read -r line; do
    complain "$line"
done < <(broken | sort -u)

# What the head of a file lists is there: " *     name.c   what it is for".
# shellcheck disable=SC2086 # Folders are words.
while IFS=: read -r file line; do
    [[ $line =~ \*\ +([a-z_0-9/]+\.[ch])\  ]] || continue
    [ -e "$(dirname "$file")/${BASH_REMATCH[1]}" ] ||
        [ -e "${BASH_REMATCH[1]}" ] ||
        complain "$file names ${BASH_REMATCH[1]}, which is not there"
done < <(grep -rE --include='*.[ch]' '^ \*  +[a-z_0-9/]+\.[ch]  ' $folders)

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
    grep -vE '^\./(host/driver/loop_internal\.h:|cli/net/|tests/|examples/|bench/|findings/|build/)')
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
