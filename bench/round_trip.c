/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Round trips: one byte there and one byte back, microseconds each.
 */
#include "bench.h"
#include "machine.h"
#include "round_trip.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Trips between two looks at the clock. */
#define BATCH 64

/* ---- a thread at each end ---- */

static void *echo_main(void *arg)
{
    const struct end *end = arg;
    char byte;

    while (end_recv(*end, &byte, 1, 0) == 1)
        if (end_send(*end, &byte, 1, 0) != 1)
            break;
    return NULL;
}

static int trip(struct end end, char value)
{
    char byte = value;
    ssize_t n = end_send(end, &byte, 1, 0);

    if (n == 1)
        n = end_recv(end, &byte, 1, 0);
    if (n == 1)
        return byte == value ? 0 : -EBADMSG;
    return n < 0 ? (int)n : -EPIPE;
}

static int trips_for(struct end end, uint64_t time_ns, double *us)
{
    uint64_t start_ns = bench_now_ns(), now_ns = start_ns;
    uint64_t n = 0;

    while (now_ns - start_ns < time_ns) {
        for (int i = 0; i < BATCH; i++, n++) {
            int err = trip(end, (char)n);

            if (err)
                return err;
        }
        now_ns = bench_now_ns();
    }
    *us = (double)(now_ns - start_ns) / 1000.0 / (double)n;
    return 0;
}

int round_trips_between(const struct bench_run *run, const struct end ends[2],
                        double *out)
{
    struct end served = ends[1];
    pthread_t thread;
    int err = -pthread_create(&thread, NULL, echo_main, &served);

    if (!err)
        err = trips_for(ends[0], run->time_ns / 4, out);
    if (!err)
        err = trips_for(ends[0], run->time_ns, out);
    if (err)
        return err;
    end_close(ends[0]);
    pthread_join(thread, NULL);
    end_close(ends[1]);
    return 0;
}

static int measure_two_threads(const struct bench_run *run, double *out)
{
    struct end ends[2];
    struct world world;
    int err = world_open(&world, run->side == BENCH_REFERENCE, 2, NULL);

    if (!err)
        err = end_pair(&world.sites[0], &world.sites[1], SOCK_STREAM, ends);
    if (!err)
        err = round_trips_between(run, ends, out);
    if (!err)
        world_close(&world);
    return err;
}

/** Of what the machine takes from one thread to another and back. */
static int measure_of_line(const struct bench_run *run, double *out)
{
    if (run->side == BENCH_REFERENCE)
        return machine_line(run, out);
    return measure_two_threads(run, out);
}

/* ---- one thread at both ends ---- */

static int carry(struct end from, struct end to, char value)
{
    char byte = value;
    ssize_t n = end_send(from, &byte, 1, MSG_DONTWAIT);

    if (n != 1)
        return n < 0 ? (int)n : -EPIPE;
    do {
        n = end_recv(to, &byte, 1, MSG_DONTWAIT);
    } while (n == -EAGAIN);
    if (n != 1)
        return n < 0 ? (int)n : -EPIPE;
    return byte == value ? 0 : -EBADMSG;
}

/** Trips over each of the pairs in turn. */
static int carry_for(struct end (*pairs)[2], size_t n_pairs, uint64_t time_ns,
                     double *us)
{
    uint64_t start_ns = bench_now_ns(), now_ns = start_ns;
    uint64_t n = 0;
    int err = 0;

    while (now_ns - start_ns < time_ns) {
        for (int i = 0; i < BATCH; i++, n++) {
            struct end *ends = pairs[n % n_pairs];

            err = carry(ends[0], ends[1], (char)n);
            if (!err)
                err = carry(ends[1], ends[0], (char)~n);
            if (err)
                return err;
        }
        now_ns = bench_now_ns();
    }
    *us = (double)(now_ns - start_ns) / 1000.0 / (double)n;
    return 0;
}

/** One thread and @n_pairs connections between two guests. */
static int measure_pairs(const struct bench_run *run, size_t n_pairs,
                         double *out)
{
    const struct gn_limits limits = {
        .max_sockets = (uint32_t)n_pairs + 16,
        .max_buffered = 1ull << 30,
    };
    struct end(*pairs)[2] = calloc(n_pairs, sizeof(*pairs));
    struct world world;
    int err = pairs ? world_open(&world, false, 2, &limits) : -ENOMEM;

    for (size_t i = 0; i < n_pairs && !err; i++)
        err = end_pair(&world.sites[0], &world.sites[1], SOCK_STREAM, pairs[i]);
    if (!err)
        err = carry_for(pairs, n_pairs, run->time_ns / 4, out);
    if (!err)
        err = carry_for(pairs, n_pairs, run->time_ns, out);
    if (err) {
        free((void *)pairs);
        return err;
    }
    for (size_t i = 0; i < n_pairs; i++) {
        end_close(pairs[i][0]);
        end_close(pairs[i][1]);
    }
    world_close(&world);
    free(pairs);
    return 0;
}

static int measure_one_thread(const struct bench_run *run, double *out)
{
    if (run->side == BENCH_REFERENCE)
        return measure_two_threads(run, out);
    return measure_pairs(run, 1, out);
}

static int measure_many(const struct bench_run *run, double *out)
{
    return measure_pairs(run, run->arg, out);
}

const struct bench_row bench_round_trip_rows[] = {
    {"tcp_rr_one_thread",
     "us",
     "kernel loopback, two threads",
     measure_one_thread,
     {0, 0},
     BENCH_RATIO_MAX,
     0.05},
    {"tcp_rr_two_threads",
     "us",
     "kernel loopback, two threads",
     measure_two_threads,
     {0, 0},
     BENCH_RATIO_MAX,
     0.65},
    /* A thread that waits looks for its wake-up before it sleeps, for as long
     * as that helps and a processor is free: there is nothing to be allowed,
     * and the two rows differ in what they are held against. */
    {"tcp_rr_two_threads_spin",
     "us",
     "kernel loopback, two threads",
     measure_two_threads,
     {0, 0},
     BENCH_RATIO_MAX,
     0.15},
    {"tcp_rr_of_line",
     "us",
     "line_two_cpus",
     measure_of_line,
     {0, 0},
     BENCH_PRINTED,
     0},
    {"tcp_rr_10k_connections",
     "us",
     "10 connections",
     measure_many,
     {10000, 10},
     BENCH_RATIO_MAX,
     2.0},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
