/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_BULK_H
#define BENCH_BULK_H

#include "bench.h"
#include "world.h"

/** Bulk from ends[0] to ends[1], a thread at each, Gbit/s at the receiver; the
 *  bytes are compared after the measurement. Closes both. */
int bulk_between(const struct bench_run *run, const struct end ends[2],
                 double *out);

#endif /* BENCH_BULK_H */
