/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking an address with many taken: PART more are taken, by the clock, and
 * given back.
 */
#include "bench.h"

#include <guestnet/ipam.h>

#define PART 1000u

static int take(struct gn_pool *pool, size_t n, struct gn_ip *taken)
{
    int err = 0;

    for (size_t i = 0; i < n && !err; i++)
        err = gn_pool_take(pool, &taken[i]);
    return err;
}

static int take_for(struct gn_pool *pool, uint64_t time_ns, double *ns)
{
    static struct gn_ip taken[PART];
    uint64_t end_ns = bench_now_ns() + time_ns;
    uint64_t spent_ns = 0, n = 0;
    int err = 0;

    while (!err && bench_now_ns() < end_ns) {
        uint64_t start_ns = bench_now_ns();

        err = take(pool, PART, taken);
        spent_ns += bench_now_ns() - start_ns;
        n += PART;
        for (size_t i = 0; i < PART && !err; i++)
            err = gn_pool_give(pool, &taken[i]);
    }
    *ns = (double)spent_ns / (double)n;
    return err;
}

/** @arg  Addresses that are taken before. */
static int measure(const struct bench_run *run, double *out)
{
    struct gn_pool *pool;
    struct gn_ip ip;
    int err = gn_pool_create("10.0.0.0/8", NULL, NULL, 0, &pool);

    if (err)
        return err;
    for (size_t i = 0; i < run->arg && !err; i++)
        err = take(pool, 1, &ip);
    if (!err)
        err = take_for(pool, run->time_ns / 4, out);
    gn_pool_close(pool);
    return err;
}

const struct bench_row bench_ipam_rows[] = {
    {"ipam_take",
     "ns",
     "1,000 taken (ours: 1,000,000)",
     measure,
     {1000000, 1000},
     BENCH_RATIO_MAX,
     1.5},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
