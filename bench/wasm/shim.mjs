// SPDX-License-Identifier: BSD-3-Clause

/*
 * shim.mjs ARGUMENT...: what component.mjs has made, on preview2-shim, whose
 * sockets are the kernel's.
 */
import { _setArgs } from '@bytecodealliance/preview2-shim/cli';

_setArgs(['program', ...process.argv.slice(2)]);
const { run } = await import('./program.js');
run.run();
