/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_AGAINST_H
#define BENCH_AGAINST_H

#include "bench.h"

/**
 * Measure a row once by @program, a guestnet-bench of another build. -ENOTSUP:
 * it has no such row, or cannot measure it.
 */
int against_measure(const char *program, const struct bench_row *row,
                    const struct bench_run *run, double *out);

#endif /* BENCH_AGAINST_H */
