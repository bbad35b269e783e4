/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP bulk: 64 KiB writes, 64 KiB reads, bits per second at the receiver.
 *
 * The stream is a pattern with a period that no buffer size divides, so that a
 * byte lost, doubled or moved shows. It is not compared while the clock runs,
 * which would measure memcmp(); then CHECKED more bytes go through the same
 * connection and each is.
 */
#include "bench.h"
#include "bulk.h"
#include "machine.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK   65536u
#define PERIOD  251u
#define CHECKED (8u * 1024 * 1024)

static unsigned char pattern[BLOCK + PERIOD];

static void make_pattern(void)
{
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (unsigned char)((i % PERIOD) * 167 + 13);
}

/** One direction of a connection. */
struct flow {
    struct end ends[2];
    uint64_t sent;
    uint64_t received;
    atomic_bool stop; /* Sender: CHECKED more, then the end. */
    unsigned char *buf;
    /* Of the receiver. */
    uint64_t time_ns;
    double bits_per_s;
    int err;
};

static int flow_prepare(struct flow *flow, uint64_t time_ns)
{
    memset(flow, 0, sizeof(*flow));
    flow->ends[0] = flow->ends[1] = END_NONE;
    flow->time_ns = time_ns;
    flow->buf = malloc(BLOCK);
    return flow->buf ? 0 : -ENOMEM;
}

static int flow_init(struct flow *flow, const struct site *from,
                     const struct site *to, uint64_t time_ns)
{
    int err = flow_prepare(flow, time_ns);

    return err ? err : end_pair(from, to, SOCK_STREAM, flow->ends);
}

static void flow_done(struct flow *flow)
{
    end_close(flow->ends[0]);
    end_close(flow->ends[1]);
    free(flow->buf);
}

static ssize_t push(struct flow *flow, int flags)
{
    ssize_t n =
        end_send(flow->ends[0], pattern + flow->sent % PERIOD, BLOCK, flags);

    if (n > 0)
        flow->sent += (uint64_t)n;
    return n;
}

static ssize_t pull(struct flow *flow, int flags)
{
    ssize_t n = end_recv(flow->ends[1], flow->buf, BLOCK, flags);

    if (n > 0)
        flow->received += (uint64_t)n;
    return n;
}

/** pull() and compare. */
static ssize_t pull_checked(struct flow *flow, int flags)
{
    const unsigned char *want = pattern + flow->received % PERIOD;
    ssize_t n = pull(flow, flags);

    if (n > 0 && memcmp(want, flow->buf, (size_t)n))
        return -EBADMSG;
    return n;
}

/* ---- a thread at each end ---- */

static void *sender_main(void *arg)
{
    struct flow *flow = arg;
    ssize_t n = 0;
    uint64_t end;

    while (n >= 0 && !atomic_load_explicit(&flow->stop, memory_order_relaxed))
        n = push(flow, 0);
    end = flow->sent + CHECKED;
    while (n >= 0 && flow->sent < end)
        n = push(flow, 0);
    end_shutdown(flow->ends[0]);
    return NULL;
}

/** Receive for a time; the clock is read once in 16 blocks. */
static int receive_for(struct flow *flow, uint64_t time_ns, double *bits_per_s)
{
    uint64_t start_ns = bench_now_ns(), now_ns = start_ns;
    uint64_t start = flow->received;

    while (now_ns - start_ns < time_ns) {
        for (int i = 0; i < 16; i++) {
            ssize_t n = pull(flow, 0);

            if (n <= 0)
                return n ? (int)n : -EPIPE;
        }
        now_ns = bench_now_ns();
    }
    *bits_per_s = bench_rate(8 * (flow->received - start), start_ns, now_ns);
    return 0;
}

static void *receiver_main(void *arg)
{
    struct flow *flow = arg;
    double warm_up;
    ssize_t n;

    flow->err = receive_for(flow, flow->time_ns / 4, &warm_up);
    if (!flow->err)
        flow->err = receive_for(flow, flow->time_ns, &flow->bits_per_s);
    atomic_store(&flow->stop, true);
    do {
        n = flow->err ? pull(flow, 0) : pull_checked(flow, 0);
    } while (n > 0);
    if (n < 0 && !flow->err)
        flow->err = (int)n;
    return NULL;
}

static int run_flows(struct flow *flows, size_t n)
{
    pthread_t threads[2][16];
    size_t n_started = 0;
    int err = 0;

    for (; n_started < n && !err; n_started++) {
        struct flow *flow = &flows[n_started];

        err = -pthread_create(&threads[0][n_started], NULL, sender_main, flow);
        if (!err)
            err = -pthread_create(&threads[1][n_started], NULL, receiver_main,
                                  flow);
    }
    if (err)
        return err; /* The process ends with its threads. */
    for (size_t i = 0; i < n; i++) {
        pthread_join(threads[0][i], NULL);
        pthread_join(threads[1][i], NULL);
        if (flows[i].err)
            err = flows[i].err;
        else if (flows[i].sent != flows[i].received)
            err = -EBADMSG;
    }
    return err;
}

int bulk_between(const struct bench_run *run, const struct end ends[2],
                 double *out)
{
    struct flow flow;
    int err = flow_prepare(&flow, run->time_ns);

    if (err)
        return err;
    make_pattern();
    flow.ends[0] = ends[0];
    flow.ends[1] = ends[1];
    err = run_flows(&flow, 1);
    *out = flow.bits_per_s / 1e9;
    flow_done(&flow);
    return err;
}

/** @n pairs of sites, two threads each; the sum. */
static int measure_pairs(const struct bench_run *run, bool kernel, size_t n,
                         double *out)
{
    struct flow flows[16];
    struct world world;
    int err = world_open(&world, kernel, 2 * n, NULL);

    if (err)
        return err;
    make_pattern();
    for (size_t i = 0; i < n && !err; i++)
        err = flow_init(&flows[i], &world.sites[2 * i], &world.sites[2 * i + 1],
                        run->time_ns);
    if (!err)
        err = run_flows(flows, n);
    if (err)
        return err;
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        *out += flows[i].bits_per_s / 1e9;
        flow_done(&flows[i]);
    }
    world_close(&world);
    return 0;
}

static int measure_two_threads(const struct bench_run *run, double *out)
{
    return measure_pairs(run, run->side == BENCH_REFERENCE, 1, out);
}

/** Of what the machine takes from one thread to another. */
static int measure_of_copy(const struct bench_run *run, double *out)
{
    if (run->side == BENCH_REFERENCE)
        return machine_copy(run, out);
    return measure_pairs(run, false, 1, out);
}

static int measure_sum(const struct bench_run *run, double *out)
{
    return measure_pairs(run, false, run->arg, out);
}

/* ---- one thread at both ends ---- */

/** Fill the connection and empty it. */
static int turn(struct flow *flow, bool checked)
{
    ssize_t n;

    do {
        n = push(flow, MSG_DONTWAIT);
    } while (n == BLOCK);
    if (n < 0 && n != -EAGAIN)
        return (int)n;
    do {
        n = checked ? pull_checked(flow, MSG_DONTWAIT)
                    : pull(flow, MSG_DONTWAIT);
    } while (n > 0);
    return n == -EAGAIN ? 0 : (int)n;
}

static int turn_for(struct flow *flow, uint64_t time_ns, double *bits_per_s)
{
    uint64_t start_ns = bench_now_ns(), now_ns = start_ns;
    uint64_t start = flow->received;
    int err = 0;

    while (!err && now_ns - start_ns < time_ns) {
        for (int i = 0; i < 16 && !err; i++)
            err = turn(flow, false);
        now_ns = bench_now_ns();
    }
    *bits_per_s = bench_rate(8 * (flow->received - start), start_ns, now_ns);
    return err;
}

static int check_turns(struct flow *flow)
{
    uint64_t end = flow->sent + CHECKED;
    int err = 0;

    while (!err && (flow->sent < end || flow->received < flow->sent))
        err = turn(flow, true);
    return err;
}

static int measure_one_thread(const struct bench_run *run, double *out)
{
    struct world world;
    struct flow flow;
    double warm_up;
    int err;

    if (run->side == BENCH_REFERENCE)
        return measure_two_threads(run, out);
    err = world_open(&world, false, 2, NULL);
    if (err)
        return err;
    make_pattern();
    err = flow_init(&flow, &world.sites[0], &world.sites[1], run->time_ns);
    if (!err)
        err = turn_for(&flow, run->time_ns / 4, &warm_up);
    if (!err)
        err = turn_for(&flow, run->time_ns, &flow.bits_per_s);
    if (!err)
        err = check_turns(&flow);
    *out = flow.bits_per_s / 1e9;
    flow_done(&flow);
    world_close(&world);
    return err;
}

const struct bench_row bench_bulk_rows[] = {
    {"tcp_bulk_one_thread",
     "Gbit/s",
     "kernel loopback, two threads",
     measure_one_thread,
     {0, 0},
     BENCH_RATIO_MIN,
     2.5},
    {"tcp_bulk_two_threads",
     "Gbit/s",
     "kernel loopback, two threads",
     measure_two_threads,
     {0, 0},
     BENCH_RATIO_MIN,
     1.0},
    {"tcp_bulk_of_copy",
     "Gbit/s",
     "copy_two_cpus",
     measure_of_copy,
     {0, 0},
     BENCH_RATIO_MIN,
     0.9},
    {"tcp_bulk_pairs_2",
     "Gbit/s",
     "1 pair of guests",
     measure_sum,
     {2, 1},
     BENCH_PRINTED,
     0},
    {"tcp_bulk_pairs_4",
     "Gbit/s",
     "1 pair of guests",
     measure_sum,
     {4, 1},
     BENCH_PRINTED,
     0},
    {"tcp_bulk_pairs",
     "Gbit/s",
     "1 pair of guests (ours: 8)",
     measure_sum,
     {8, 1},
     BENCH_RATIO_MIN,
     1.0},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
