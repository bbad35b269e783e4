/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebAssembly guests under Node's engine: wasm/node.mjs measures, and prints
 * the figure. Where the files are is wasm/CMakeLists.txt's; without them the
 * rows say that they cannot be measured.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef GN_BENCH_NODE
#define GN_BENCH_NODE ""
#endif

/** What one run of @what by a Node (@newer: one with JSPI) prints. */
static int node_run(const char *what, bool newer, unsigned long long number,
                    double *out)
{
    static const char files[] = GN_BENCH_NODE;
    char line[2048];
    FILE *node;
    int n, status;

    if (!files[0])
        return -ENOTSUP;
    snprintf(line, sizeof(line), "%s; \"$%s\" \"$SCRIPT\" %s %llu \"$FILE\"",
             files, newer ? "NEWER" : "NODE", what, number);
    fflush(NULL);
    node = popen(line, "r"); // NOLINT(cert-env33-c): it is ours.
    if (!node)
        return -errno;
    n = fscanf(node, "%lf", out);
    status = pclose(node);
    return n == 1 && !status ? 0 : -EPROTO;
}

static int measure_worker(const struct bench_run *run, double *out)
{
    return node_run(run->side == BENCH_OURS ? "rr-workers" : "net-workers",
                    false, run->time_ns / 1000000, out);
}

static int measure_shim(const struct bench_run *run, double *out)
{
    return node_run(run->side == BENCH_OURS ? "rr-workers" : "rr-shim", false,
                    run->time_ns / 1000000, out);
}

static int measure_jspi(const struct bench_run *run, double *out)
{
    return node_run(run->side == BENCH_OURS ? "rr-jspi" : "net-one", true,
                    run->time_ns / 1000000, out);
}

static int measure_waiting(const struct bench_run *run, double *out)
{
    return node_run("waiting", true, run->arg, out);
}

const struct bench_row bench_node_rows[] = {
    {.name = "node_rr_worker",
     .unit = "us",
     .reference_name = "node:net over kernel loopback, two threads",
     .measure = measure_worker,
     .goal = BENCH_RATIO_MAX,
     .limit = 0.5},
    {.name = "node_rr_shim",
     .unit = "us",
     .reference_name = "preview2-shim through jco over kernel loopback",
     .measure = measure_shim},
    {.name = "node_rr_jspi",
     .unit = "us",
     .reference_name = "node:net over kernel loopback, one thread",
     .measure = measure_jspi,
     .goal = BENCH_RATIO_MAX,
     .limit = 0.8},
    {.name = "wasm_guest_bytes",
     .unit = "KiB",
     .reference_name = "500 guests, not 4,000",
     .measure = measure_waiting,
     .args = {4000, 500},
     .goal = BENCH_OURS_MAX,
     .limit = 130},
    {0},
};
