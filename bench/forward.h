/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_FORWARD_H
#define BENCH_FORWARD_H

/*
 * The same way through other programs: each is started as its users start it,
 * forwards a port of the loopback, and is killed at the end.
 */
#include "bench.h"

#include <sys/types.h>

enum forwarder { FORWARD_SOCAT, FORWARD_PASTA, FORWARD_SLIRP4NETNS };

/** Bulk from a client on the loopback through it, Gbit/s at the receiver, which
 *  for the last two is in a network namespace. -ENOTSUP: it does not run
 *  here. */
int forward_bulk(const struct bench_run *run, enum forwarder which,
                 double *out);

/** Into a user and a network namespace of one's own, in which lo is up. Without
 *  threads. -ENOTSUP: they may not be made here. */
int forward_enter_namespace(void);
/** fork(); the child's end comes with ours. */
pid_t forward_fork(void);
/** Start a program that is silent; its process id. */
pid_t forward_start(const char *const argv[]);

#endif /* BENCH_FORWARD_H */
