// SPDX-License-Identifier: BSD-3-Clause

/*
 * ends.mjs FILE: guests that wait in Workers, and what ends them from outside: a
 * Worker that is terminated, one that exits, and the process that exits. None
 * leaves its guest behind, and others go on.
 */
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { addon } from './run.mjs';

const [file, what] = process.argv.slice(2);
const net = addon.network(false);
const nowhere = openSync('/dev/null', 'w');
// What waits in a Worker holds the process, so it is killed first.
process.on('exit', () => addon.leave(net));

function start(name, ...args) {
    const ns = addon.namespace(net, name);
    const worker = new Worker(new URL('./worker.mjs', import.meta.url), {
        workerData: { ns, file, args: ['talk', ...args], fd: nowhere } });
    const ended = new Promise((resolve) => worker.on('message', resolve));
    return { ns, worker, ended };
}

async function waiting(...names) {
    const guests = names.map((name) => start(name, 'sink', '80'));
    for (const { ns } of guests)
        assert.equal(await addon.listening(ns, ':80'), 0);
    return guests;
}

async function until(done) {
    for (const from = Date.now(); !done(); await sleep(5))
        assert(Date.now() - from < 30000, 'it did not come');
}

async function terminated() {
    const [bystander] = await waiting('s');
    const names = Array.from({ length: 12 }, (_, i) => `g${i}`);
    const guests = await waiting(...names);
    const traffic = start('', 'bulk', 's', '80', '8388608');
    for (const { worker, ns } of guests) {
        const gone = worker.terminate();
        addon.kill(ns); // It returns from its call only then.
        assert.equal(await gone, 1);
        addon.close(ns);
    }
    assert.deepEqual(await traffic.ended, { status: 0 });
    await until(() => addon.guests() === 1);
    console.log(`${names.length} were terminated, and one did not notice`);
    addon.kill(bystander.ns);
    await bystander.ended;
}

// Its guest listens, and does not run.
async function exited() {
    const ns = addon.namespace(net, 'gone');
    const script = `
        import(${JSON.stringify(new URL('./run.mjs', import.meta.url))})
            .then(({ addon }) => {
                const { ns } = require('node:worker_threads').workerData;
                const guest = addon.guest(ns, ['talk'], 1, false);
                addon.preopen(guest, ns, ':80', false);
                process.exit(3);
            });`;
    const worker = new Worker(script, { eval: true, workerData: { ns } });
    assert.equal(await new Promise((done) => worker.on('exit', done)), 3);
    await until(() => addon.guests() === 0);
    assert.deepEqual(await start('', 'refused', 'gone', '80').ended,
                     { status: 0 });
    console.log('one that exited is gone, with its listener');
}

async function processExited() {
    const child = spawn(process.execPath, [process.argv[1], file, 'exit'],
                        { stdio: 'inherit' });
    const timer = setTimeout(() => child.kill('SIGKILL'), 30000);
    const status = await new Promise((resolve) => child.on('exit', resolve));
    clearTimeout(timer);
    assert.equal(status, 7);
    console.log('the process exited with guests that waited');
}

if (what === 'exit') {
    await waiting('a', 'b', 'c');
    process.exit(7);
}
await terminated();
await exited();
await processExited();
closeSync(nowhere);
