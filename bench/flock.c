/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many guests under a clock, a task in each, and one that collects what they
 * send: how fast time passes for them, and what they take of memory.
 */
#include "bench.h"
#include "world.h"

#include <errno.h>
#include <stdlib.h>

#define MESSAGE   64
#define SECOND_NS UINT64_C(1000000000)

/** The last site collects. */
struct flock {
    struct world world;
    struct member *members; /* All others. */
    int type;
    struct end collector;
    struct sockaddr_storage addr;
    bool is_silent; /* No guest sends. */
    uint64_t n_collected;
    uint64_t n_waiting; /* Guests that have come so far. */
    int err;
};

struct member {
    struct flock *flock;
    const struct site *site;
    struct end end; /* Of the collector, its end of the member's connection. */
};

static void flock_fail(struct flock *flock, ssize_t err)
{
    if (!flock->err)
        flock->err = err < 0 ? (int)err : -EPIPE;
}

static int collect_from(void *arg)
{
    struct member *member = arg;
    char data[MESSAGE];
    ssize_t n;

    while ((n = end_recv(member->end, data, sizeof(data), 0)) > 0)
        member->flock->n_collected++;
    flock_fail(member->flock, n);
    return 0;
}

static int accept_all(void *arg)
{
    struct member *members = arg, *member = members;
    struct flock *flock = members->flock;
    struct gn_namespace *ns = flock->world.sites[flock->world.n - 1].ns;
    int err = 0;

    for (size_t i = 0; i + 1 < flock->world.n && !err; i++, member++) {
        err = end_accept(flock->collector, &member->end);
        if (!err)
            err = gn_task_start(ns, NULL, collect_from, member, NULL);
    }
    if (err)
        flock_fail(flock, err);
    return 0;
}

/** It is told apart from the others by when it sends. */
static int send_each_second(const struct member *member, struct end end)
{
    struct gn_namespace *ns = member->site->ns;
    char data[32] = {0};
    uint64_t offset;
    int err;

    gn_random(ns, &offset, sizeof(offset));
    err = gn_sleep_ns(ns, offset % SECOND_NS);
    while (!err) {
        ssize_t n = end_send(end, data, sizeof(data), 0);

        err = n == sizeof(data) ? gn_sleep_ns(ns, SECOND_NS)
              : n < 0           ? (int)n
                                : -EPIPE;
    }
    return err;
}

static int wait_for_message(struct end end)
{
    char data[MESSAGE];
    ssize_t n = end_recv(end, data, sizeof(data), 0);

    return n < 0 ? (int)n : -EPIPE;
}

static int live(void *arg)
{
    const struct member *member = arg;
    struct flock *flock = member->flock;
    struct end end;
    int err = end_open(member->site, flock->type, &end);

    if (!err)
        err = end_connect(end, &flock->addr, member->site->len);
    flock->n_waiting += !err;
    if (!err)
        err = flock->is_silent ? wait_for_message(end)
                               : send_each_second(member, end);
    flock_fail(flock, err);
    return 0;
}

static int flock_start(struct flock *flock)
{
    struct member *members = flock->members;
    const struct site *last = &flock->world.sites[flock->world.n - 1];
    int err =
        end_serve(last, flock->type, 4096, &flock->collector, &flock->addr);

    members[0].flock = flock;
    members[0].end = flock->collector; /* Datagrams come by no other. */
    if (!err)
        err = gn_task_start(last->ns, NULL,
                            flock->type == SOCK_STREAM ? accept_all
                                                       : collect_from,
                            members, NULL);
    for (size_t i = 0; i + 1 < flock->world.n && !err; i++) {
        members[i].flock = flock;
        members[i].site = &flock->world.sites[i];
        err = gn_task_start(members[i].site->ns, NULL, live, &members[i], NULL);
    }
    gn_clock_advance(flock->world.clock, 20 * SECOND_NS);
    if (!err && flock->n_waiting != flock->world.n - 1)
        err = -EPROTO;
    return err ? err : flock->err;
}

static int flock_open(struct flock *flock, size_t n)
{
    const struct gn_limits limits = {.max_sockets = 100000,
                                     .max_connections = 100000};
    int err = world_open_virtual(&flock->world, n + 1, &limits);

    flock->members = err ? NULL : calloc(n, sizeof(*flock->members));
    if (flock->members)
        return flock_start(flock);
    return err ? err : -ENOMEM;
}

static void flock_close(struct flock *flock)
{
    world_close(&flock->world);
    free(flock->members);
}

/** Seconds of guests, millions of them in a second. */
static int flock_run(struct flock *flock, uint64_t time_ns, double *out)
{
    uint64_t start_ns = bench_processor_ns(), now_ns = start_ns;
    uint64_t before = flock->n_collected, n = flock->world.n - 1, seconds = 0;

    for (; now_ns - start_ns < time_ns; seconds++) {
        gn_clock_advance(flock->world.clock, SECOND_NS);
        now_ns = bench_processor_ns();
    }
    *out = bench_rate(n * seconds, start_ns, now_ns) / 1e6;
    if (flock->err)
        return flock->err;
    return flock->n_collected - before == n * seconds ? 0 : -EBADMSG;
}

/** @type  Of sockets; @arg  How many guests. */
static int measure_seconds(const struct bench_run *run, int type, double *out)
{
    struct flock flock = {.type = type};
    int err = flock_open(&flock, run->arg);

    if (!err)
        err = flock_run(&flock, run->time_ns, out);
    flock_close(&flock);
    return err;
}

static int measure_seconds_udp(const struct bench_run *run, double *out)
{
    return measure_seconds(run, SOCK_DGRAM, out);
}

static int measure_seconds_tcp(const struct bench_run *run, double *out)
{
    return measure_seconds(run, SOCK_STREAM, out);
}

/** Of a guest whose task waits in a call, with what the other end has of it.
 *  All counts: the process is fresh, and what grows is what is resident. */
static int measure_bytes(const struct bench_run *run, int type, double *out)
{
    uint64_t before = bench_resident();
    struct flock flock = {.type = type, .is_silent = true};
    int err = flock_open(&flock, run->arg);

    *out = (double)(bench_resident() - before) / (double)run->arg;
    flock_close(&flock);
    return before ? err : -ENOTSUP;
}

static int measure_bytes_udp(const struct bench_run *run, double *out)
{
    return measure_bytes(run, SOCK_DGRAM, out);
}

static int measure_bytes_tcp(const struct bench_run *run, double *out)
{
    return measure_bytes(run, SOCK_STREAM, out);
}

const struct bench_row bench_flock_rows[] = {
    {"sim_guest_seconds_udp",
     "M/s",
     NULL,
     measure_seconds_udp,
     {10000, 0},
     BENCH_OURS_MIN,
     1},
    {"sim_guest_seconds_tcp",
     "M/s",
     NULL,
     measure_seconds_tcp,
     {1000, 0},
     BENCH_OURS_MIN,
     1},
    {"sim_guest_bytes_udp",
     "bytes",
     NULL,
     measure_bytes_udp,
     {10000, 0},
     BENCH_OURS_MAX,
     10240},
    {"sim_guest_bytes_tcp",
     "bytes",
     NULL,
     measure_bytes_tcp,
     {10000, 0},
     BENCH_OURS_MAX,
     12288},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
