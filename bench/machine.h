/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include "bench.h"

/*
 * What the machine itself takes to get bytes from one thread to another: where
 * two processors are far from each other no code between two threads is fast,
 * and on a virtual machine that can change from one minute to the next. Both
 * have a thread on each of two processors, and -ENOTSUP where there is one.
 */

/** 64 KiB blocks copied in on one, and out on the other; Gbit/s. */
int machine_copy(const struct bench_run *run, double *out);

/** A cache line written by each in turn; microseconds there and back. */
int machine_line(const struct bench_run *run, double *out);

#endif /* BENCH_MACHINE_H */
