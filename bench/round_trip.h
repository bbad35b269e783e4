/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_ROUND_TRIP_H
#define BENCH_ROUND_TRIP_H

#include "bench.h"
#include "world.h"

/** A byte from ends[0] to ends[1] and back, a thread at each; microseconds.
 *  Closes both. */
int round_trips_between(const struct bench_run *run, const struct end ends[2],
                        double *out);

#endif /* BENCH_ROUND_TRIP_H */
