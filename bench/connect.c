/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections opened, accepted and closed in a row by one thread, the client
 * first: so it is the client's ports that are in TIME_WAIT, and that run out
 * where such ones are not taken again.
 */
#include "connect.h"

#include "bench.h"
#include "world.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IN_A_ROW 200000u
#define PART     20000u
#define BACKLOG  16

static int connect_once(const struct course *course)
{
    struct end client = END_NONE, server = END_NONE;
    int err = end_open(course->client, SOCK_STREAM, &client);

    if (err)
        return err;
    err = end_connect(client, &course->addr, course->len);
    if (!err)
        err = end_accept(course->listener, &server);
    end_close(client);
    end_close(server);
    return err;
}

static int connect_many(const struct course *course, size_t n, double *rate)
{
    uint64_t start_ns = bench_now_ns();
    int err = 0;

    for (size_t i = 0; i < n && !err; i++)
        err = connect_once(course);
    *rate = bench_rate(n, start_ns, bench_now_ns());
    return err;
}

int connect_for(const struct course *course, uint64_t time_ns, double *rate)
{
    uint64_t start_ns = bench_now_ns(), now_ns = start_ns;
    size_t n = 0;
    int err = 0;

    for (; !err && now_ns - start_ns < time_ns; n++) {
        err = connect_once(course);
        now_ns = bench_now_ns();
    }
    *rate = bench_rate(n, start_ns, now_ns);
    return err;
}

static int course_open(struct course *course, const struct world *world)
{
    course->client = &world->sites[0];
    course->len = world->sites[1].len;
    return end_serve(&world->sites[1], SOCK_STREAM, BACKLOG, &course->listener,
                     &course->addr);
}

static int measure_kernel(const struct bench_run *run, double *out)
{
    struct course course;
    struct world world;
    int err = world_open(&world, true, 2, NULL);

    if (!err)
        err = course_open(&course, &world);
    if (!err)
        err = connect_for(&course, run->time_ns, out);
    return err;
}

/** All of them; *@first and *@last get the rates of the ends. */
static int run_in_a_row(double *all, double *first, double *last)
{
    struct course course;
    struct world world;
    uint64_t start_ns;
    double middle;
    int err = world_open(&world, false, 2, NULL);

    if (!err)
        err = course_open(&course, &world);
    if (err)
        return err;
    start_ns = bench_now_ns();
    err = connect_many(&course, PART, first);
    if (!err)
        err = connect_many(&course, IN_A_ROW - 2 * PART, &middle);
    if (!err)
        err = connect_many(&course, PART, last);
    *all = bench_rate(IN_A_ROW, start_ns, bench_now_ns());
    end_close(course.listener);
    world_close(&world);
    return err;
}

static int measure_all(const struct bench_run *run, double *out)
{
    double first = 0, last = 0;

    if (run->side == BENCH_REFERENCE)
        return measure_kernel(run, out);
    return run_in_a_row(out, &first, &last);
}

static int measure_ends(const struct bench_run *run, double *out)
{
    double all = 0, first = 0, last = 0;
    int err = run_in_a_row(&all, &first, &last);

    *out = run->side == BENCH_REFERENCE ? first : last;
    return err;
}

/* ---- instructions ---- */

/** A descriptor that counts those of this thread outside the kernel. */
static int counter_open(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    long fd =
        syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

    if (fd >= 0)
        return (int)fd;
    fprintf(stderr, "instructions are not counted: %s\n",
            errno == EACCES || errno == EPERM
                ? "the kernel does not allow it (kernel.perf_event_paranoid)"
                : "no counter in this processor or virtual machine; "
                  "script/route counts without");
    return -ENOTSUP;
}

static int count_connections(const struct course *course, int counter,
                             double *each)
{
    uint64_t before, after;
    double rate;
    int err;

    if (read(counter, &before, sizeof(before)) != sizeof(before))
        return -ENOTSUP;
    err = connect_many(course, PART, &rate);
    if (read(counter, &after, sizeof(after)) != sizeof(after))
        return -ENOTSUP;
    *each = (double)(after - before) / PART;
    return err;
}

static int measure_cost(const struct bench_run *run, double *out)
{
    struct course course;
    struct world world;
    double rate;
    int counter = counter_open();
    int err;

    (void)run;
    if (counter < 0)
        return counter;
    err = world_open(&world, false, 2, NULL);
    if (!err)
        err = course_open(&course, &world);
    if (!err)
        err = connect_many(&course, PART, &rate);
    if (!err)
        err = count_connections(&course, counter, out);
    close(counter);
    return err;
}

const struct bench_row bench_connect_rows[] = {
    {"tcp_connect_close",
     "1/s",
     "kernel loopback, one thread",
     measure_all,
     {0, 0},
     BENCH_RATIO_MIN,
     10.0},
    {"tcp_connect_close_cost",
     "instr",
     NULL,
     measure_cost,
     {0, 0},
     BENCH_PRINTED,
     0},
    {"tcp_connect_close_last",
     "1/s",
     "the first 20,000 (ours: the last)",
     measure_ends,
     {0, 0},
     BENCH_RATIO_MIN,
     0.9},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
