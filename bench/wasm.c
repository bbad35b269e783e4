/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebAssembly guests by wasm2c: two of them on a network, a thread each, and
 * the same program (wasm/program.c) on two threads over the kernel's loopback.
 * What a guest prints is the figure.
 */
#include "bench.h"
#include "program.h"

#include <guestnet/guestnet.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT     "80"
#define GUEST    "10.77.0.2" /* The first of a network. */
#define PATIENCE 10000       /* Milliseconds until a server listens. */

/* What wasm/CMakeLists.txt has made of the program, if it could: weak, so that
 * they are NULL else. */
extern int program_run(struct gn_namespace *ns, struct gn_wasi_config config,
                       int (*prepare)(struct gn_wasi_guest *, void *),
                       void *arg, uint64_t *status, char why[160])
    __attribute__((weak));
extern int program_instantiate(void) __attribute__((weak));

/** The program on a thread: of a guest, or of this process. */
struct side {
    const char *argv[6];
    int argc;
    struct gn_namespace *ns; /* NULL: natively. */
    FILE *out;
    pthread_t thread;
    bool began;
    bool ended_well;
    char why[160];
};

static struct gn_network *network_new(void)
{
    const char *prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_network *net;

    return gn_network_create(&config, &net) ? NULL : net;
}

static int guest_run(struct side *side)
{
    struct gn_wasi_config config = {.args = side->argv};
    uint64_t status = 0;

    if (side->out)
        config.stdio[1] = fileno(side->out);
    return program_run(side->ns, config, NULL, NULL, &status, side->why) ==
                   GN_WASI_EXIT
               ? (int)status
               : -EPROTO;
}

static void *side_main(void *arg)
{
    struct side *side = arg;

    side->ended_well =
        (side->ns ? guest_run(side)
                  : program_main(side->argc, side->argv, side->out)) == 0;
    return NULL;
}

static int side_start(struct side *side)
{
    int err;

    while (side->argv[side->argc])
        side->argc++;
    side->out = tmpfile();
    if (!side->out)
        return -errno;
    err = -pthread_create(&side->thread, NULL, side_main, side);
    side->began = !err;
    return err;
}

/** 0: it has ended as it should. */
static int side_join(struct side *side)
{
    if (side->began)
        pthread_join(side->thread, NULL);
    return side->ended_well ? 0 : -EPROTO;
}

static int figure_of(struct side *side, double *out)
{
    rewind(side->out);
    return fscanf(side->out, "%lf", out) == 1 ? 0 : -EPROTO;
}

static void side_done(struct side *side)
{
    if (side->out)
        fclose(side->out);
}

/** A server of @what and its client: what the client measured. */
static int measure_sides(struct side sides[2], double *out)
{
    int err = side_start(&sides[0]);

    if (!err && sides[0].ns)
        err =
            gn_wait_listening(sides[0].ns, "tcp", ":" PORT, PATIENCE, NULL, 0);
    if (!err)
        err = side_start(&sides[1]);
    if (!err)
        err = side_join(&sides[1]);
    if (err && sides[0].ns)
        gn_namespace_kill(sides[0].ns);
    if (side_join(&sides[0]) && !err)
        err = -EPROTO;
    if (!err)
        err = figure_of(&sides[1], out);
    side_done(&sides[0]);
    side_done(&sides[1]);
    return err;
}

static int measure_program(const struct bench_run *run, const char *server,
                           const char *client, double *out)
{
    bool native = run->side == BENCH_REFERENCE;
    char port[8] = PORT, ms[24];
    struct side sides[2] = {
        {.argv = {"program", server, port}},
        {.argv = {"program", client, native ? "127.0.0.1" : GUEST, port, ms}}};
    struct gn_network *net = NULL;
    uint16_t number;
    int err = program_run ? 0 : -ENOTSUP;

    snprintf(ms, sizeof(ms), "%llu",
             (unsigned long long)(run->time_ns / 1000000));
    if (!err && native) {
        err = bench_free_port(&number);
        snprintf(port, sizeof(port), "%u", number);
    } else if (!err) {
        net = network_new();
        err = net ? 0 : -ENOMEM;
    }
    for (int i = 0; i < 2 && net && !err; i++)
        err = gn_namespace_create(net, NULL, &sides[i].ns);
    if (!err)
        err = measure_sides(sides, out);
    gn_network_close(net, NULL, NULL);
    return err;
}

static int measure_rr(const struct bench_run *run, double *out)
{
    return measure_program(run, "rr-server", "rr", out);
}

static int measure_bulk(const struct bench_run *run, double *out)
{
    return measure_program(run, "bulk-server", "bulk", out);
}

static int measure_http(const struct bench_run *run, double *out)
{
    return measure_program(run, "http-server", "http", out);
}

/* ---- beginning and end ---- */

/** A namespace, a guest that ends at once, and their end. */
static int guest_once(struct gn_network *net)
{
    struct side side = {.argv = {"program"}};
    int err = gn_namespace_create(net, NULL, &side.ns);

    if (err)
        return err;
    err = guest_run(&side);
    gn_namespace_close(side.ns, 0, NULL, NULL);
    return err;
}

static int measure_start(const struct bench_run *run, double *out)
{
    struct gn_network *net = program_run ? network_new() : NULL;
    uint64_t from_ns = bench_now_ns(), now_ns = from_ns, n = 0;
    int err = net ? 0 : program_run ? -ENOMEM : -ENOTSUP;

    for (; !err && now_ns - from_ns < run->time_ns; n++) {
        err = run->side == BENCH_REFERENCE ? program_instantiate()
                                           : guest_once(net);
        now_ns = bench_now_ns();
    }
    gn_network_close(net, NULL, NULL);
    if (!err)
        *out = (double)(now_ns - from_ns) / 1e6 / (double)n;
    return err;
}

/** How long a kill takes, until the thread of the guest, which waits in accept,
 *  is gone. */
static int kill_once(struct gn_network *net, uint64_t *took_ns)
{
    struct side side = {.argv = {"program", "rr-server", PORT}};
    int err = gn_namespace_create(net, NULL, &side.ns);

    if (!err)
        err = side_start(&side);
    if (!err)
        err = gn_wait_listening(side.ns, "tcp", ":" PORT, PATIENCE, NULL, 0);
    *took_ns = bench_now_ns();
    if (side.ns)
        gn_namespace_kill(side.ns);
    (void)side_join(&side);
    *took_ns = bench_now_ns() - *took_ns;
    side_done(&side);
    gn_namespace_close(side.ns, 0, NULL, NULL);
    return err;
}

static int measure_kill(const struct bench_run *run, double *out)
{
    struct gn_network *net = program_run ? network_new() : NULL;
    uint64_t from_ns = bench_now_ns(), took_ns, all_ns = 0, n = 0;
    int err = net ? 0 : program_run ? -ENOMEM : -ENOTSUP;

    for (; !err && bench_now_ns() - from_ns < run->time_ns; n++) {
        err = kill_once(net, &took_ns);
        all_ns += took_ns;
    }
    gn_network_close(net, NULL, NULL);
    if (!err)
        *out = (double)all_ns / 1e6 / (double)n;
    return err;
}

const struct bench_row bench_wasm_rows[] = {
    {.name = "wasm_rr_threads",
     .unit = "us",
     .reference_name = "the program natively over kernel loopback",
     .measure = measure_rr,
     .goal = BENCH_RATIO_MAX,
     .limit = 0.4},
    {.name = "wasm_bulk_threads",
     .unit = "Gbit/s",
     .reference_name = "the program natively over kernel loopback",
     .measure = measure_bulk,
     .goal = BENCH_RATIO_MIN,
     .limit = 1.3},
    {.name = "wasm_http",
     .unit = "1/s",
     .reference_name = "the program natively over kernel loopback",
     .measure = measure_http,
     .goal = BENCH_RATIO_MIN,
     .limit = 1.5},
    {.name = "wasm_start",
     .unit = "ms",
     .reference_name = "instantiating the module",
     .measure = measure_start,
     .goal = BENCH_ADDED_MAX,
     .limit = 1},
    {.name = "wasm_kill",
     .unit = "ms",
     .measure = measure_kill,
     .goal = BENCH_OURS_MAX,
     .limit = 1},
    {0},
};
