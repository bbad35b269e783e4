// SPDX-License-Identifier: BSD-3-Clause

/*
 * component.mjs FILE ADAPTER FOLDER: makes a component of the program FILE, and of
 * that JavaScript in FOLDER, by jco. ADAPTER is jco's for what FILE imports of
 * preview 1.
 */
import { componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';
import { transpileBytes } from '@bytecodealliance/jco-transpile';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [file, adapter, folder] = process.argv.slice(2);
const component = await componentNew(readFileSync(file),
    [['wasi_snapshot_preview1', readFileSync(adapter)]]);
const { files } = await transpileBytes(component, { name: 'program' });
for (const [name, bytes] of Object.entries(files))
    if (!name.endsWith('.d.ts'))
        writeFileSync(join(folder, name), bytes);
