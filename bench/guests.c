/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cost of guests that do nothing: memory, creation, processor time.
 */
#include "bench.h"
#include "world.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

/* Guests that are alive at once when they are created and closed. */
#define FLOCK 1000u

/* ---- memory ---- */

/** Everything counts: the process is fresh, and what grows is what is
 *  resident. */
static int measure_idle_bytes(const struct bench_run *run, double *out)
{
    struct gn_network *net;
    uint64_t before;
    int err = world_network(NULL, NULL, &net);

    before = bench_resident();
    for (size_t i = 0; i < run->arg && !err; i++) {
        struct gn_namespace *ns;

        err = gn_namespace_create(net, NULL, &ns);
    }
    *out = (double)(bench_resident() - before) / (double)run->arg;
    return before ? err : -ENOTSUP;
}

/* ---- creation ---- */

static void one_is_gone(void *arg)
{
    sem_post(arg);
}

static int flock(struct gn_network *net, struct gn_namespace **all, sem_t *gone)
{
    size_t n = 0;
    int err = 0;

    for (; n < FLOCK && !err; n++)
        err = gn_namespace_create(net, NULL, &all[n]);
    if (err)
        return err;
    for (size_t i = 0; i < n; i++)
        gn_namespace_close(all[i], 0, one_is_gone, gone);
    for (size_t i = 0; i < n; i++)
        while (sem_wait(gone))
            ;
    return 0;
}

static int create_guests(const struct bench_run *run, double *out)
{
    static struct gn_namespace *all[FLOCK];
    uint64_t start_ns, now_ns, n = 0;
    struct gn_network *net;
    sem_t gone;
    int err = world_network(NULL, NULL, &net);

    sem_init(&gone, 0, 0);
    start_ns = now_ns = bench_now_ns();
    for (; !err && now_ns - start_ns < run->time_ns; n += FLOCK) {
        err = flock(net, all, &gone);
        now_ns = bench_now_ns();
    }
    *out = bench_rate(n, start_ns, now_ns);
    if (!err)
        gn_network_close(net, NULL, NULL);
    return err;
}

/** A network namespace of the kernel; the one before goes with each. */
static int unshare_for(const struct bench_run *run, double *out)
{
    uint64_t start_ns = bench_now_ns(), now_ns = start_ns;
    uint64_t n = 0;

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) && unshare(CLONE_NEWNET))
        return -ENOTSUP;
    for (; now_ns - start_ns < run->time_ns; n++) {
        if (unshare(CLONE_NEWNET))
            return -errno;
        now_ns = bench_now_ns();
    }
    *out = bench_rate(n, start_ns, now_ns);
    return 0;
}

static int measure_create_close(const struct bench_run *run, double *out)
{
    return run->side == BENCH_REFERENCE ? unshare_for(run, out)
                                        : create_guests(run, out);
}

/* ---- processor time ---- */

static int join_neighbours(const struct world *world)
{
    int err = 0;

    for (size_t i = 0; i + 1 < world->n && !err; i += 2) {
        struct end ends[2];

        err =
            end_pair(&world->sites[i], &world->sites[i + 1], SOCK_STREAM, ends);
    }
    return err;
}

/** Percent of a core, of 10,000 guests; @arg: each with a connection. */
static int measure_idle_cpu(const struct bench_run *run, double *out)
{
    struct timespec pause = {.tv_sec = run->quick ? 1 : 3};
    struct timespec settle = {.tv_nsec = 500000000};
    uint64_t start_ns, processor;
    struct world world;
    int err = world_open(&world, false, 10000, NULL);

    if (!err && run->arg)
        err = join_neighbours(&world);
    nanosleep(&settle, NULL);
    start_ns = bench_now_ns();
    processor = bench_processor_ns();
    nanosleep(&pause, NULL);
    *out = 100.0 * (double)(bench_processor_ns() - processor) /
           (double)(bench_now_ns() - start_ns);
    return err;
}

const struct bench_row bench_guest_rows[] = {
    {"guest_idle_bytes",
     "bytes",
     "10,000 guests (ours: 100,000)",
     measure_idle_bytes,
     {100000, 10000},
     BENCH_OURS_MAX,
     6144},
    {"guest_create_close",
     "1/s",
     "network namespaces by unshare(2)",
     measure_create_close,
     {0, 0},
     BENCH_OURS_MIN,
     100000},
    {"idle_cpu", "%", NULL, measure_idle_cpu, {0, 0}, BENCH_OURS_MAX, 1.0},
    {"idle_cpu_connected",
     "%",
     NULL,
     measure_idle_cpu,
     {1, 0},
     BENCH_OURS_MAX,
     1.0},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
