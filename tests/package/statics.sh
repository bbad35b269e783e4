#!/usr/bin/env bash
# statics.sh SOURCE: a static function of the library or the command is not
# named by one bare word: `dial_finish`, not `finish`, so that a backtrace can be
# read. A word that ends in a width (`load64`) says what it is about.
set -euo pipefail
cd "$1"
folders="base ipam netstack resolver engine switch namespace sim explore"
folders+=" guests host cli"

# shellcheck disable=SC2086 # Folders are words.
bare=$(find $folders -name '*.c' ! -path '*/patches/*' -exec \
    awk '/^static [^=;]*[ *][a-z]+\(/ && !/^static_assert/ {
        name = $0
        sub(/\(.*/, "", name)
        sub(/.*[ *]/, "", name)
        if (name !~ /_/)
            print FILENAME ":" FNR ": " name "() does not carry its noun"
    }' {} +)
[ -z "$bare" ] || {
    echo "$bare"
    exit 1
}
