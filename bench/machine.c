/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both are medians of many short batches: one that another process's turn on a
 * processor fell into does not count, so that it is the distance of the
 * processors that is measured and not what else runs on them.
 */
#include "machine.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 65536u
#define LINE  64
/* In a batch. */
#define BLOCKS    16u
#define TRIPS     1024u
#define N_BATCHES 16384u

/** Between the two; each counter is written by one of them, and alone in its
 *  line. */
struct lane {
    _Alignas(LINE) _Atomic uint64_t filled; /* times, from the beginning */
    _Alignas(LINE) _Atomic uint64_t emptied;
    _Alignas(LINE) atomic_bool stop;
    unsigned char in[BLOCK], shared[BLOCK], out[BLOCK];
    uint64_t batches[N_BATCHES]; /* ns */
};

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/** Until *@word is @value; false if the other has stopped. */
static bool await(struct lane *lane, _Atomic uint64_t *word, uint64_t value)
{
    while (atomic_load_explicit(word, memory_order_acquire) < value) {
        if (atomic_load_explicit(&lane->stop, memory_order_relaxed))
            return false;
        pause_briefly();
    }
    return true;
}

/* ---- batches ---- */

static int by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/** Run batches for a time; what half of them took no longer than, ns. */
static double median_batch(struct lane *lane, void (*batch)(struct lane *lane),
                           uint64_t time_ns)
{
    uint64_t start_ns = bench_now_ns(), last_ns = start_ns;
    size_t n = 0;

    while (n < N_BATCHES && last_ns - start_ns < time_ns) {
        uint64_t now_ns;

        batch(lane);
        now_ns = bench_now_ns();
        lane->batches[n++] = now_ns - last_ns;
        last_ns = now_ns;
    }
    if (!n)
        return 0;
    qsort(lane->batches, n, sizeof(*lane->batches), by_time);
    return (double)lane->batches[n / 2];
}

/* ---- a processor for each ---- */

/** The @nth this process may use, or -1. */
static int processor(int nth)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set))
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set) && nth-- == 0)
            return cpu;
    return -1;
}

static int stay_on(pthread_t thread, int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return -pthread_setaffinity_np(thread, sizeof(set), &set);
}

/** Batches of this thread on one processor, @other on the next. */
static int run_on_two(const struct bench_run *run, void *(*other)(void *lane),
                      void (*batch)(struct lane *lane), double *median_ns)
{
    int cpus[2] = {processor(0), processor(1)};
    struct lane *lane;
    pthread_t thread;
    int err;

    if (cpus[1] < 0)
        return -ENOTSUP;
    lane = aligned_alloc(LINE, sizeof(*lane));
    if (!lane)
        return -ENOMEM;
    memset(lane, 1, sizeof(*lane)); /* Its pages are there. */
    atomic_init(&lane->filled, 0);
    atomic_init(&lane->emptied, 0);
    atomic_init(&lane->stop, false);
    err = -pthread_create(&thread, NULL, other, lane);
    if (err) {
        free(lane);
        return err;
    }
    err = stay_on(pthread_self(), cpus[0]);
    if (!err)
        err = stay_on(thread, cpus[1]);
    if (!err) {
        (void)median_batch(lane, batch, run->time_ns / 4);
        *median_ns = median_batch(lane, batch, run->time_ns);
    }
    atomic_store(&lane->stop, true);
    pthread_join(thread, NULL);
    free(lane);
    return err;
}

/* ---- blocks ---- */

static void *copy_in(void *arg)
{
    struct lane *lane = arg;

    for (uint64_t n = 0;; n++) {
        if (!await(lane, &lane->emptied, n))
            return NULL;
        memcpy(lane->shared, lane->in, BLOCK);
        atomic_store_explicit(&lane->filled, n + 1, memory_order_release);
    }
}

static void copy_out(struct lane *lane)
{
    uint64_t n = atomic_load_explicit(&lane->emptied, memory_order_relaxed);

    for (uint64_t end = n + BLOCKS; n < end; n++) {
        (void)await(lane, &lane->filled, n + 1);
        memcpy(lane->out, lane->shared, BLOCK);
        atomic_store_explicit(&lane->emptied, n + 1, memory_order_release);
    }
}

int machine_copy(const struct bench_run *run, double *out)
{
    double ns = 0;
    int err = run_on_two(run, copy_in, copy_out, &ns);

    *out = ns > 0 ? 8.0 * BLOCK * BLOCKS / ns : 0;
    return err;
}

/* ---- a line ---- */

/* Both counters in one: it is odd when it is this thread's turn. */
static void *answer_line(void *arg)
{
    struct lane *lane = arg;

    for (uint64_t n = 1; await(lane, &lane->filled, n); n += 2)
        atomic_store_explicit(&lane->filled, n + 1, memory_order_release);
    return NULL;
}

static void ask_line(struct lane *lane)
{
    uint64_t n = atomic_load_explicit(&lane->filled, memory_order_relaxed);

    for (uint64_t end = n + 2ull * TRIPS; n < end; n += 2) {
        atomic_store_explicit(&lane->filled, n + 1, memory_order_release);
        (void)await(lane, &lane->filled, n + 2);
    }
}

int machine_line(const struct bench_run *run, double *out)
{
    double ns = 0;
    int err = run_on_two(run, answer_line, ask_line, &ns);

    *out = ns / 1000.0 / TRIPS;
    return err;
}

const struct bench_row bench_machine_rows[] = {
    {"copy_two_cpus", "Gbit/s", NULL, machine_copy, {0, 0}, BENCH_PRINTED, 0},
    {"line_two_cpus", "us", NULL, machine_line, {0, 0}, BENCH_PRINTED, 0},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
