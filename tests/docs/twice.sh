#!/usr/bin/env bash
# twice.sh PROGRAM [ARGUMENT...]: prints the same both times.
set -euo pipefail
first=$("$@")
second=$("$@")
printf '%s\n' "$first"
diff <(printf '%s\n' "$first") <(printf '%s\n' "$second")
