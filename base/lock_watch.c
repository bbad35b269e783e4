/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock_watch.h"

#include <string.h>

#include <guestnet/stats.h>

#include "base/lock.h"

#define SUB_BITS 3u
#define SUBS     (1u << SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
    unsigned high;

    if (value < SUBS)
        return (unsigned)value;
    high = 63u - (unsigned)__builtin_clzll(value);
    if (high - SUB_BITS + 1 >= GN__HISTOGRAM_BUCKETS / SUBS)
        return GN__HISTOGRAM_BUCKETS - 1;
    return (high - SUB_BITS + 1) * SUBS +
           (unsigned)(value >> (high - SUB_BITS) & (SUBS - 1));
}

/* The largest value that falls into a bucket. */
static uint64_t top_of(unsigned bucket)
{
    unsigned shift;

    if (bucket < SUBS)
        return bucket;
    shift = bucket / SUBS - 1;
    return ((uint64_t)(SUBS + bucket % SUBS + 1) << shift) - 1;
}

void gn__histogram_clear(struct gn__histogram *histogram)
{
    unsigned i;

    atomic_store(&histogram->n, 0);
    atomic_store(&histogram->max, 0);
    for (i = 0; i < GN__HISTOGRAM_BUCKETS; i++)
        atomic_store(&histogram->bucket[i], 0);
}

void gn__histogram_add(struct gn__histogram *histogram, uint64_t value)
{
    uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);

    atomic_fetch_add_explicit(&histogram->n, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->bucket[bucket_of(value)], 1,
                              memory_order_relaxed);
    while (value > max &&
           !atomic_compare_exchange_weak(&histogram->max, &max, value))
        continue;
}

uint64_t gn__histogram_percentile(const struct gn__histogram *histogram,
                                  unsigned percent)
{
    uint64_t n = atomic_load(&histogram->n);
    uint64_t max = atomic_load(&histogram->max);
    uint64_t wanted = (n * percent + 99) / 100, seen = 0;
    unsigned i;

    if (!n)
        return 0;
    for (i = 0; i < GN__HISTOGRAM_BUCKETS; i++) {
        seen += atomic_load(&histogram->bucket[i]);
        if (seen >= wanted)
            return top_of(i) < max ? top_of(i) : max;
    }
    return max;
}

void gn_lock_watch(bool on)
{
    struct gn__lock_watch *watch = &gn__lock_process()->watch;

    if (on) {
        gn__histogram_clear(&watch->waits);
        gn__histogram_clear(&watch->holds);
    }
    atomic_store(&watch->on, on);
}

void gn_lock_stats(struct gn_lock_stats *out)
{
    const struct gn__lock_watch *watch = &gn__lock_process()->watch;

    if (!out)
        return;
    memset(out, 0, sizeof(*out));
    out->waits = atomic_load(&watch->waits.n);
    out->wait_p50_ns = gn__histogram_percentile(&watch->waits, 50);
    out->wait_p99_ns = gn__histogram_percentile(&watch->waits, 99);
    out->wait_max_ns = atomic_load(&watch->waits.max);
    out->holds = atomic_load(&watch->holds.n);
    out->hold_p99_ns = gn__histogram_percentile(&watch->holds, 99);
    out->hold_max_ns = atomic_load(&watch->holds.max);
}
