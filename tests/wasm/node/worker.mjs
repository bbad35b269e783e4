// SPDX-License-Identifier: BSD-3-Clause

/* A guest on a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { run } from './run.mjs';

parentPort.postMessage(run(workerData));
