#!/usr/bin/env bash
# block.sh FILE LANGUAGE [TEXT]: prints the first fenced block of FILE in that
# language that contains TEXT.
set -euo pipefail
awk -v fence="\`\`\`$2" -v text="${3-}" '
    inside && /^```/ {
        inside = 0
        if (index(block, text)) {
            printf "%s", block
            exit
        }
        next
    }
    inside { block = block $0 "\n" }
    $0 == fence { inside = 1; block = "" }' "$1"
