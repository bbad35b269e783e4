/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_LOCK_WATCH_H
#define BASE_LOCK_WATCH_H

/*
 * How long a lock was waited for, and held: two histograms that are filled only
 * while they are watched, because each entry then costs two readings of the
 * clock. Buckets are an eighth of a power of two wide.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GN__HISTOGRAM_BUCKETS 320u

struct gn__histogram {
    _Atomic uint64_t n;
    _Atomic uint64_t max;
    _Atomic uint64_t bucket[GN__HISTOGRAM_BUCKETS];
};

void gn__histogram_clear(struct gn__histogram *histogram);
void gn__histogram_add(struct gn__histogram *histogram, uint64_t value);
/** The value that @percent of all are not above, rounded up to its bucket. */
uint64_t gn__histogram_percentile(const struct gn__histogram *histogram,
                                  unsigned percent);

struct gn__lock_watch {
    _Atomic bool on;
    struct gn__histogram waits; /* of preferred threads */
    struct gn__histogram holds;
};

#endif /* BASE_LOCK_WATCH_H */
