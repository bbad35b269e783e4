// SPDX-License-Identifier: BSD-3-Clause

/*
 * One guest under Node's engine: on the calling thread until it ends, or, with
 * `pending`, as a promise, suspended wherever it waits (JSPI).
 */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

export const addon = createRequire(import.meta.url)(process.env.GUESTNET_ADDON);
const modules = new Map();

// What is the same for all guests of one program.
function program(file) {
    if (!modules.has(file)) {
        const bytes = readFileSync(file);
        const scan = addon.scan(bytes);
        const core = bytes.subarray(scan.from, scan.from + scan.len);
        modules.set(file, { ...scan, module: new WebAssembly.Module(core) });
    }
    return modules.get(file);
}

// In WASI 0.2 nothing else waits; in preview 1 every call may.
function mayWait(module, name) {
    return !module.startsWith('wasi:') ||
        /^poll$|pollable\.block$|\.blocking-/.test(name);
}

function imports(guest, scan, pending) {
    const all = {};
    for (const { module, name, signature, op } of scan.imports) {
        const call = addon.import(guest, op, signature);
        (all[module] ??= {})[name] = pending && mayWait(module, name) ?
            new WebAssembly.Suspending(call) : call;
    }
    return all;
}

// What its end means: {status} or {why}.
function ended(error) {
    if (error.code === 'EXIT')
        return { status: Number(error.message) };
    return { why: error.message };
}

function prepare({ ns, file, args, fd, listener }, pending) {
    const guest = addon.guest(ns, args, fd, pending);
    const scan = program(file);
    if (listener)
        addon.preopen(guest, ns, listener.address, scan.language === 'Go');
    const { exports } =
        new WebAssembly.Instance(scan.module, imports(guest, scan, pending));
    addon.attach(guest, exports.memory, exports.cabi_realloc);
    // _start() has no result, wasi:cli/run has whether it failed.
    return { guest, main: exports[scan.start] };
}

export function run(options) {
    const { guest, main } = prepare(options, false);
    try {
        return { status: main() ?? 0 };
    } catch (error) {
        return ended(error);
    } finally {
        addon.end(guest);
    }
}

export async function suspended(options) {
    const { guest, main } = prepare(options, true);
    try {
        return { status: await WebAssembly.promising(main)() ?? 0 };
    } catch (error) {
        return ended(error);
    } finally {
        addon.end(guest);
    }
}
