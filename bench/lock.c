/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long the driver waits for the lock while four guest threads keep it
 * busy. The driver is kept busy too: a socket that is always writable has a
 * callback, which is due again as soon as it has run.
 */
#include "bench.h"
#include "world.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define PAIRS      2u
#define BYTES_EACH 1000u

struct load {
    struct end ends[2 * PAIRS];
    pthread_t threads[2 * PAIRS];
    size_t n_threads;
    atomic_bool stop;
};

struct worker {
    struct load *load;
    struct end end;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    static const char data[BYTES_EACH];
    char in[BYTES_EACH];

    while (!atomic_load(&worker->load->stop)) {
        if (end_send(worker->end, data, sizeof(data), 0) < 0 ||
            end_recv(worker->end, in, sizeof(in), 0) <= 0)
            break;
    }
    (void)end_shutdown(worker->end); /* The other side is not to wait. */
    return NULL;
}

static void ignore(struct gn_sock *sock, short revents, void *arg)
{
    (void)sock;
    (void)revents;
    (void)arg;
}

static void sleep_ns(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
                         .tv_nsec = (long)(ns % 1000000000u)};

    (void)nanosleep(&t, NULL);
}

static int run_load(struct load *load, struct gn_sock *writable,
                    uint64_t time_ns)
{
    struct worker workers[2 * PAIRS];
    int err = gn_sock_watch(writable, POLLOUT, ignore, NULL);

    for (size_t i = 0; i < 2 * PAIRS && !err; i++) {
        workers[i] = (struct worker){load, load->ends[i]};
        err = -pthread_create(&load->threads[i], NULL, work, &workers[i]);
        if (!err)
            load->n_threads++;
    }
    gn_lock_watch(true);
    if (!err)
        sleep_ns(time_ns);
    gn_lock_watch(false);
    atomic_store(&load->stop, true);
    for (size_t i = 0; i < load->n_threads; i++)
        (void)pthread_join(load->threads[i], NULL);
    (void)gn_sock_watch(writable, 0, NULL, NULL);
    return err;
}

/** @arg  0: the wait; 1: the hold. */
static int measure(const struct bench_run *run, double *out)
{
    struct load load = {.n_threads = 0};
    struct world world;
    struct end idle = END_NONE;
    struct gn_lock_stats stats;
    size_t n = 0;
    int err = world_open(&world, false, 3, NULL);

    if (err)
        return err;
    for (; n < PAIRS && !err; n++)
        err = end_pair(&world.sites[0], &world.sites[1], SOCK_STREAM,
                       &load.ends[2 * n]);
    if (!err)
        err = end_open(&world.sites[2], SOCK_DGRAM, &idle);
    if (!err)
        err = run_load(&load, idle.sock, run->time_ns);
    gn_lock_stats(&stats);
    if (!err && !stats.waits)
        err = -ENODATA;
    *out = (double)(run->arg ? stats.hold_max_ns : stats.wait_p99_ns) / 1e6;
    end_close(idle);
    for (size_t i = 0; !err && i < 2 * PAIRS; i++)
        end_close(load.ends[i]);
    world_close(&world);
    return err;
}

const struct bench_row bench_lock_rows[] = {
    {"lock_wait_p99", "ms", NULL, measure, {0, 0}, BENCH_OURS_MAX, 1},
    {"lock_hold_max", "ms", NULL, measure, {1, 0}, BENCH_PRINTED, 0},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
