#!/usr/bin/env bash
# mistake.sh PROGRAM SCENARIO [MOST]: within 2,000 seeds the scenario fails, and
# the plan that is shown has at most MOST faults. Without MOST, plans are not
# shrunk.
set -euo pipefail
program=$1 scenario=$2 most=${3-}

arguments=(--scenario "$scenario" --seeds 2000)
[ -n "$most" ] || arguments+=(--no-shrink)

printed=$("$program" "${arguments[@]}") && failed=0 || failed=$?
printf '%s\n' "$printed"
[ "$failed" = 1 ]
grep -q "^$scenario: seed [0-9]* failed" <<<"$printed"
[ -n "$most" ] || exit 0
n=$(sed -n 's/^  with \([0-9]*\) of its [0-9]* faults, each of which it takes.*/\1/p' <<<"$printed")
[ -n "$n" ] # It was found out in time.
((n <= most))
