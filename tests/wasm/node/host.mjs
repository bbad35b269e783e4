// SPDX-License-Identifier: BSD-3-Clause

/*
 * host.mjs workers|jspi STEP [-- STEP]...: the steps of ../host.c (but "=80"), with
 * guests in Workers, or all on this thread. Of FILE.so it runs FILE.wasm.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { addon, suspended } from './run.mjs';

const [how, ...words] = process.argv.slice(2);
const pending = how === 'jspi';
const net = addon.network(pending);
const folder = mkdtempSync(join(tmpdir(), 'guestnet-'));
const guests = [];
const patience = 60000;
// An idle network does not keep Node's loop going.
const hold = setInterval(() => {}, 1 << 30);

function inWorker(options) {
    const worker = new Worker(new URL('./worker.mjs', import.meta.url),
                              { workerData: options });
    return new Promise((resolve) => {
        let end = { why: 'the Worker ended' };
        worker.on('message', (message) => { end = message; });
        worker.on('error', (error) => { end = { why: error.message }; });
        worker.on('exit', () => resolve(end));
    });
}

const printed = (guest) => readFileSync(guest.file, 'utf8');

async function until(what, done) {
    for (const from = Date.now(); Date.now() - from < patience; await sleep(5))
        if (done())
            return;
    throw new Error(`${what}: did not come`);
}

async function firstLine(guest) {
    await until('a line', () => printed(guest).includes('\n'));
    return printed(guest).split('\n')[0];
}

async function guestStart([where, file, ...args]) {
    const [, background, published, name, kind, port] =
        /^(&?)(\^?)([^@]*)@([+*]?)(\d*)$/.exec(where);
    const ns = addon.namespace(net, name);
    const guest = { background, name, ns, file: join(folder, `${guests.length}`) };
    const fd = openSync(guest.file, 'w');
    for (const i in args)
        if (args[i] === '%')
            args[i] = await firstLine(guests.find((g) => g.name === name));
    const options = { ns, file: file.replace(/\.so$/, '.wasm'), args, fd };
    if (kind)
        options.listener = { address: `:${port}` };
    guests.push(guest);
    guest.ended = (pending ? suspended(options) : inWorker(options))
        .then((end) => { closeSync(fd); return end; });
    guest.args = args;
    if (port && await addon.listening(ns, `:${port}`))
        throw new Error(`${where} does not listen`);
    if (published)
        process.env.PORT = addon.publish(net, `${name}:${port}`);
    return 0;
}

function commandRun([command, ...args]) {
    const child = spawn(command, args, { stdio: 'inherit' });
    return new Promise((resolve) =>
        child.on('exit', resolve).on('error', () => resolve(127)));
}

async function step(all) {
    if (all[0] === '!')
        return commandRun(all.slice(1));
    if (all[0] === '?')
        await until(all[2], () => guests.some((guest) =>
            guest.name === all[1] && printed(guest).includes(all[2])));
    else if (all[0] === '-')
        for (const guest of guests.filter((one) => one.name === all[1])) {
            guest.background = '&';
            addon.kill(guest.ns);
        }
    else
        return guestStart(all);
    return 0;
}

async function guestEnd(guest) {
    if (guest.background)
        addon.kill(guest.ns);
    const { status, why } = await guest.ended;
    if (guest.background)
        return 0;
    if (why !== undefined)
        console.error(`host: ${guest.args[0]}: ${why}`);
    return status ?? 134;
}

let result = 0;
try {
    while (words.length) {
        const at = words.indexOf('--');
        const one = words.splice(0, at < 0 ? words.length : at + 1);
        const status = await step(at < 0 ? one : one.slice(0, -1));
        result ||= status;
    }
    for (const background of ['', '&'])
        for (const guest of guests.filter((g) => g.background === background)) {
            const status = await guestEnd(guest);
            result ||= status;
        }
    for (const guest of guests) {
        await guest.ended;
        process.stdout.write(printed(guest));
    }
} catch (error) {
    console.error(`host: ${error.message}`);
    result = 2;
    for (const guest of guests)
        addon.kill(guest.ns); // What waits in a Worker would hold the process.
}
addon.leave(net);
clearInterval(hold);
rmSync(folder, { recursive: true });
process.exitCode = result;
