#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# inside.sh FOLDER COMMAND...: run in namespaces of its own, where /etc/resolv.conf
# is FOLDER/resolv.conf and our name server has port 53 of 127.0.0.1 and logs to
# FOLDER/asked.
set -euo pipefail
ip link set lo up
mount --bind "$1/resolv.conf" /etc/resolv.conf
python3 "$(dirname "$0")/nameserver.py" 53 >"$1/asked" &
trap 'kill $!' EXIT
until grep -q ready "$1/asked"; do sleep 0.05; done
"${@:2}"
