// SPDX-License-Identifier: BSD-3-Clause

/*
 * crowd.mjs FILE N CYCLES: N guests on this thread wait in accept at once; some of
 * them are called, all are killed. Then a guest is made and killed CYCLES times,
 * and the heap does not grow.
 */
import { strict as assert } from 'node:assert';
import { closeSync, openSync } from 'node:fs';
import { addon, suspended } from './run.mjs';

const [file, count, cycles] = process.argv.slice(2);
const net = addon.network(true);
const hold = setInterval(() => {}, 1 << 30);
const nowhere = openSync('/dev/null', 'w');

function start(name, ...args) {
    const ns = addon.namespace(net, name);
    const ended = suspended({ ns, file, args: ['talk', ...args], fd: nowhere });
    return { ns, ended };
}

async function stop(guest) {
    addon.kill(guest.ns);
    assert.equal((await guest.ended).status, undefined);
    addon.close(guest.ns);
}

const all = [];
for (let i = 0; i < count; i++)
    all.push(start(`g${i}`, 'sink', '80'));
for (let i = 0; i < count; i += 97) {
    const client = start('', 'send', `g${i}`, '80', 'called');
    assert.deepEqual(await client.ended, { status: 0 });
    addon.close(client.ns);
}
for (const guest of all)
    await stop(guest);
console.log(`${count} guests waited, were called and killed`);

async function grown(n) {
    for (let i = 0; i < n; i++)
        await stop(start('', 'sink', '80'));
    for (let i = 0; i < 3; i++) {
        globalThis.gc();
        await new Promise((resolve) => setImmediate(resolve));
    }
    return process.memoryUsage().rss;
}
const before = await grown(cycles / 4);
const after = await grown(Number(cycles));
// A guest that stayed would be 100 KiB and more.
assert(after - before < cycles * 8192, `${(after - before) / cycles} bytes each`);
console.log(`${cycles} more came and went`);
addon.leave(net);
closeSync(nowhere);
clearInterval(hold);
