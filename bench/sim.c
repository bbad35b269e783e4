/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What calls of tasks in virtual time take of the processor, next to the wall
 * time of the same between two threads of the kernel's, which wait for each
 * other.
 */
#include "bench.h"
#include "world.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MESSAGE 64
/* Calls between two looks at the machine's clock. */
#define BATCH 256

/** What a task measures, between two sites. */
struct course {
    const struct bench_run *run;
    struct world world;
    struct end ends[2];
    double figure;
    int err;
};

/** Let a task of the first site run until it ends. */
static int run_task(struct course *course, gn_task_fn fn)
{
    struct gn_sim_report report = {.size = sizeof(report)};
    int err = gn_task_start(course->world.sites[0].ns, NULL, fn, course, NULL);

    if (!err)
        err = gn_clock_run(course->world.clock, UINT64_MAX, &report);
    if (!err && report.end != GN_SIM_DONE)
        err = -EPROTO;
    return err ? err : course->err;
}

static uint64_t time_now(const struct bench_run *run)
{
    return run->side == BENCH_REFERENCE ? bench_now_ns() : bench_processor_ns();
}

/** Repeat a call for a time; nanoseconds each. */
static int repeat(struct course *course, uint64_t time_ns,
                  int (*call)(struct course *course))
{
    uint64_t start_ns = time_now(course->run), now_ns = start_ns, n = 0;
    int err = 0;

    while (now_ns - start_ns < time_ns && !err) {
        for (int i = 0; i < BATCH && !err; i++, n++)
            err = call(course);
        now_ns = time_now(course->run);
    }
    course->figure = (double)(now_ns - start_ns) / (double)n;
    return err;
}

static int repeat_warm(struct course *course,
                       int (*call)(struct course *course))
{
    int err = repeat(course, course->run->time_ns / 4, call);

    return err ? err : repeat(course, course->run->time_ns, call);
}

/* ---- round trips ---- */

static int echo(void *arg)
{
    const struct end *end = arg;
    char data[MESSAGE];

    while (end_recv(*end, data, MESSAGE, 0) == MESSAGE)
        if (end_send(*end, data, MESSAGE, 0) != MESSAGE)
            break;
    return 0;
}

static void *echo_main(void *arg)
{
    (void)echo(arg);
    return NULL;
}

static int trip(struct course *course)
{
    char data[MESSAGE] = {0};
    ssize_t n = end_send(course->ends[0], data, MESSAGE, 0);

    if (n == MESSAGE)
        n = end_recv(course->ends[0], data, MESSAGE, 0);
    return n == MESSAGE ? 0 : n < 0 ? (int)n : -EPIPE;
}

static int open_ends(struct course *course)
{
    const struct site *sites = course->world.sites;

    return end_pair(&sites[0], &sites[1], SOCK_STREAM, course->ends);
}

static int trips_of_tasks(void *arg)
{
    const struct gn_task_config daemon = {.size = sizeof(daemon),
                                          .daemon = true};
    struct course *course = arg;

    course->err = open_ends(course);
    if (!course->err)
        course->err = gn_task_start(course->world.sites[1].ns, &daemon, echo,
                                    &course->ends[1], NULL);
    if (!course->err)
        course->err = repeat_warm(course, trip);
    return 0;
}

static int trips_of_threads(struct course *course)
{
    pthread_t thread;
    int err = open_ends(course);

    if (!err)
        err = -pthread_create(&thread, NULL, echo_main, &course->ends[1]);
    if (err)
        return err;
    err = repeat_warm(course, trip);
    end_close(course->ends[0]);
    pthread_join(thread, NULL);
    end_close(course->ends[1]);
    return err;
}

static int measure_trips(const struct bench_run *run, double *out)
{
    bool kernel = run->side == BENCH_REFERENCE;
    struct course course = {.run = run};
    int err = kernel ? world_open(&course.world, true, 2, NULL)
                     : world_open_virtual(&course.world, 2, NULL);

    if (err)
        return err;
    err =
        kernel ? trips_of_threads(&course) : run_task(&course, trips_of_tasks);
    *out = course.figure / 1000;
    world_close(&course.world);
    return err;
}

/* ---- sleep ---- */

static int sleep_once(struct course *course)
{
    return gn_sleep_ns(course->world.sites[0].ns, 1000000);
}

static int sleep_on(void *arg)
{
    struct course *course = arg;

    course->err = repeat_warm(course, sleep_once);
    return 0;
}

static int sleep_of_task(const struct bench_run *run, double *out)
{
    struct course course = {.run = run};
    int err = world_open_virtual(&course.world, 1, NULL);

    if (err)
        return err;
    err = run_task(&course, sleep_on);
    *out = course.figure;
    world_close(&course.world);
    return err;
}

/** Whose turn it is: the first thread's when it is even; UINT_MAX: the end. */
static _Atomic unsigned turn;

static void futex(int op, unsigned value)
{
    (void)syscall(SYS_futex, &turn, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL,
                  0);
}

static void pass(unsigned value)
{
    atomic_store(&turn, value);
    futex(FUTEX_WAKE, 1);
}

static unsigned await_other(unsigned mine)
{
    while (atomic_load(&turn) == mine)
        futex(FUTEX_WAIT, mine);
    return atomic_load(&turn);
}

static void *answer_turns(void *arg)
{
    unsigned now = 0;

    while ((now = await_other(now)) != UINT_MAX)
        pass(++now);
    return arg;
}

static int ask_turn(struct course *course)
{
    unsigned now = atomic_load(&turn) + 1;

    (void)course;
    pass(now);
    (void)await_other(now);
    return 0;
}

static int sleep_of_threads(const struct bench_run *run, double *out)
{
    struct course course = {.run = run};
    pthread_t thread;
    int err = -pthread_create(&thread, NULL, answer_turns, NULL);

    if (err)
        return err;
    err = repeat_warm(&course, ask_turn);
    pass(UINT_MAX);
    pthread_join(thread, NULL);
    *out = course.figure;
    return err;
}

static int measure_sleep(const struct bench_run *run, double *out)
{
    return run->side == BENCH_REFERENCE ? sleep_of_threads(run, out)
                                        : sleep_of_task(run, out);
}

/* A row has one goal, so what has two to reach has two. */
const struct bench_row bench_sim_rows[] = {
    {"sim_rr",
     "us",
     "kernel loopback, two threads",
     measure_trips,
     {0, 0},
     BENCH_OURS_MAX,
     1.5},
    {"sim_rr_of_kernel",
     "us",
     "kernel loopback, two threads",
     measure_trips,
     {0, 0},
     BENCH_RATIO_MAX,
     1.0 / 15},
    {"sim_sleep",
     "ns",
     "futex, two threads",
     measure_sleep,
     {0, 0},
     BENCH_OURS_MAX,
     100},
    {"sim_sleep_of_futex",
     "ns",
     "futex, two threads",
     measure_sleep,
     {0, 0},
     BENCH_RATIO_MAX,
     1.0 / 60},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
