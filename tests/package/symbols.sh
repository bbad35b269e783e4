#!/usr/bin/env bash
# symbols.sh STATIC SHARED: what both libraries define for others is gn_*. Of
# gn__*, which goes across our files, the static one has hidden names only.
set -euo pipefail

wrong=$(readelf -sW "$1" | awk '
    ($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" {
        if ($8 !~ /^gn_/ || ($8 ~ /^gn__/ && $6 != "HIDDEN"))
            print $6, $8
    }')
wrong+=$(nm -D --defined-only "$2" | awk '$3 !~ /^gn_[^_]/ { print $3 }')
if [ -n "$wrong" ]; then
    printf 'should not be visible:\n%s\n' "$wrong"
    exit 1
fi
nm -D --defined-only "$2" | grep ' gn_version_string$' >/dev/null
