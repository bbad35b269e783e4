/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_CONNECT_H
#define BENCH_CONNECT_H

#include "bench.h"
#include "world.h"

/** Where one thread connects from, and to what. */
struct course {
    const struct site *client;
    struct end listener;
    struct sockaddr_storage addr; /* Of the listener, as the client sees it. */
    socklen_t len;
};

/** Connect, accept, close both; times a second. */
int connect_for(const struct course *course, uint64_t time_ns, double *rate);

#endif /* BENCH_CONNECT_H */
