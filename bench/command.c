/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What guestnet run adds to a command: its namespaces, a network with its
 * process, eth0, and all of it taken away again.
 */
#include "bench.h"
#include "box.h"

#include <errno.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef GN_BENCH_CLI
#define TIMES_LEAST 5u

static int command_run(const char *const argv[])
{
    pid_t pid;
    int status;
    int err = posix_spawnp(&pid, argv[0], NULL, NULL,
                           (char *const *)(uintptr_t)argv, environ);

    if (err)
        return -err;
    if (waitpid(pid, &status, 0) != pid)
        return -errno;
    return status ? -ECHILD : 0;
}

static int measure_start(const struct bench_run *run, double *out)
{
    static const char *const with[] = {GN_BENCH_CLI, "run", "--", "true", NULL};
    bool ours = run->side == BENCH_OURS;
    uint64_t start, now;
    unsigned n = 0;
    int err = box_allow();

    start = now = bench_now_ns();
    while (!err && (n < TIMES_LEAST || now - start < run->time_ns)) {
        err = command_run(ours ? with : with + 3);
        now = bench_now_ns();
        n++;
    }
    *out = n ? (double)(now - start) / 1e6 / n : 0;
    return err;
}
#else
static int measure_start(const struct bench_run *run, double *out)
{
    (void)run;
    (void)out;
    return -ENOTSUP; /* Built without the command. */
}
#endif

const struct bench_row bench_command_rows[] = {
    {"run_start",
     "ms",
     "the command alone",
     measure_start,
     {0, 0},
     BENCH_ADDED_MAX,
     50},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
