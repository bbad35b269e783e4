// SPDX-License-Identifier: BSD-3-Clause

/*
 * node.mjs WHAT MS|N FILE: prints one figure.
 *
 *     rr-workers, rr-jspi    round trips of 64 bytes between two guests, which are
 *                            the program FILE, in microseconds
 *     net-workers, net-one   the same by node:net over the kernel's loopback,
 *                            between two Workers and on one thread
 *     rr-shim                the program on preview2-shim, through jco, over the
 *                            kernel's loopback, in two processes
 *     waiting                KiB a guest of N that wait in accept, all on this
 *                            thread, without what their memory has of the machine's
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const batch = 64;

/* ---- node:net ---- */

function serve() {
    return new Promise((resolve) => {
        const server = createServer({ noDelay: true }, (socket) => {
            socket.on('data', (data) => socket.write(data));
            socket.on('close', () => server.close());
        });
        server.listen(0, '127.0.0.1', () => resolve(server.address().port));
    });
}

function ask(port, ms) {
    return new Promise((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', noDelay: true });
        const data = Buffer.alloc(64);
        const from = process.hrtime.bigint();
        let trips = 0, got = 0;
        socket.on('error', reject);
        socket.on('connect', () => socket.write(data));
        socket.on('data', (piece) => {
            got += piece.length;
            if (got < 64)
                return;
            got = 0;
            trips++;
            const took = Number(process.hrtime.bigint() - from);
            if (trips % batch || took < ms * 1e6)
                return void socket.write(data);
            socket.destroy();
            resolve(took / 1000 / trips);
        });
    });
}

async function netOne(ms) {
    return ask(await serve(), ms);
}

function netWorkers(ms) {
    return new Promise((resolve) => {
        const worker = new Worker(new URL(import.meta.url), { workerData: 'net' });
        worker.on('message', (port) => resolve(ask(port, ms)));
    });
}

/* ---- guests ---- */

async function load() {
    const folder = process.env.GUESTNET_NODE;
    const { addon, suspended } = await import(join(folder, 'run.mjs'));
    return { addon, suspended, worker: join(folder, 'worker.mjs') };
}

function inWorker(worker, options) {
    return new Promise((resolve, reject) => {
        const thread = new Worker(worker, { workerData: options });
        thread.on('message', resolve).on('error', reject);
    });
}

async function rr(ms, file, pending) {
    const { addon, suspended, worker } = await load();
    const net = addon.network(pending);
    const hold = setInterval(() => {}, 1 << 30);
    const path = join(tmpdir(), `guestnet-bench-${process.pid}`);
    const fd = openSync(path, 'w');
    const start = (name, ...args) => {
        const options = { ns: addon.namespace(net, name), file, fd,
                          args: ['program', ...args] };
        return pending ? suspended(options) : inWorker(worker, options);
    };
    const server = start('server', 'rr-server', '80');
    await start('client', 'rr', '10.77.0.2', '80', `${ms}`);
    await server;
    closeSync(fd);
    clearInterval(hold);
    return readFileSync(path, 'utf8').trim();
}

/* ---- preview2-shim ---- */

function freePort() {
    return new Promise((resolve) => {
        const server = createServer();
        server.listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(`${port}`));
        });
    });
}

function listens(port) {
    const hex = Number(port).toString(16).toUpperCase().padStart(4, '0');
    return readFileSync('/proc/net/tcp', 'utf8').includes(`:${hex} 00000000:0000 0A`);
}

/* A client that is refused fails there for good, so it comes when the server
 * listens; both fail once their connection has ended, which is not looked at. */
async function rrShim(ms) {
    const shim = (...args) => spawn(process.execPath, [process.env.SHIM, ...args],
                                    { stdio: ['ignore', 'pipe', 'ignore'] });
    const port = await freePort();
    const server = shim('rr-server', port);
    while (server.exitCode === null && !listens(port))
        await sleep(10);
    const client = shim('rr', '127.0.0.1', port, `${ms}`);
    let printed = '';
    client.stdout.on('data', (data) => { printed += data; });
    await new Promise((resolve) => client.on('close', resolve));
    server.kill();
    return printed.trim();
}

/* What mappings of this size, which are the guests' memories, have: KiB. */
function touched(size) {
    let all = 0, fits = false;
    for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
        const [, name, kib] = /^(Size|Rss): +(\d+)/.exec(line) ?? [];
        if (name === 'Size')
            fits = Number(kib) * 1024 === size;
        else if (name && fits)
            all += Number(kib);
    }
    return all;
}

async function waiting(n, file) {
    const { addon, suspended } = await load();
    const net = addon.network(true);
    const start = () => suspended({ ns: addon.namespace(net, ''), file, fd: 1,
                                    args: ['program', 'rr-server', '80'] });
    const rss = () => process.memoryUsage().rss / 1024;
    let size = 0;
    const Instance = WebAssembly.Instance;
    WebAssembly.Instance = function (...args) {
        const instance = new Instance(...args);
        size = instance.exports.memory.buffer.byteLength;
        return instance;
    };
    start(); // What all share.
    const before = rss() - touched(size);
    for (let i = 0; i < n; i++)
        start();
    await new Promise((resolve) => setImmediate(resolve));
    return (rss() - touched(size) - before) / n;
}

const [what, number, file] = process.argv.slice(2);
if (!isMainThread && workerData === 'net') {
    parentPort.postMessage(await serve());
} else {
    const figure = await {
        'rr-workers': () => rr(number, file, false),
        'rr-jspi': () => rr(number, file, true),
        'net-workers': () => netWorkers(number),
        'net-one': () => netOne(number),
        'rr-shim': () => rrShim(number),
        waiting: () => waiting(number, file),
    }[what]();
    process.stdout.write(`${figure}\n`, () => process.exit());
}
