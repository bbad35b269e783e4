/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP datagrams per second, one thread at both ends: BATCH are sent, BATCH
 * received. Each carries its number, and all have to arrive in order: the
 * receiver keeps up, so none may be lost.
 */
#include "bench.h"
#include "world.h"

#include <errno.h>
#include <string.h>

#define BATCH          16
#define SIZE_MAX_BYTES 1400

static int send_batch(struct end end, size_t size, uint64_t first)
{
    unsigned char data[SIZE_MAX_BYTES] = {0};

    for (uint64_t i = first; i < first + BATCH; i++) {
        ssize_t n;

        memcpy(data, &i, sizeof(i));
        n = end_send(end, data, size, MSG_DONTWAIT);
        if (n < 0)
            return (int)n;
    }
    return 0;
}

static int receive_batch(struct end end, size_t size, uint64_t first)
{
    unsigned char data[SIZE_MAX_BYTES];

    for (uint64_t i = first; i < first + BATCH; i++) {
        uint64_t number;
        ssize_t n;

        do {
            n = end_recv(end, data, sizeof(data), MSG_DONTWAIT);
        } while (n == -EAGAIN && i == first); /* It is under way. */
        if (n < 0)
            return (int)n;
        memcpy(&number, data, sizeof(number));
        if ((size_t)n != size || number != i)
            return -EBADMSG;
    }
    return 0;
}

static int exchange_for(struct end ends[2], size_t size, uint64_t time_ns,
                        uint64_t *number, double *rate)
{
    uint64_t start_ns = bench_now_ns(), now_ns = start_ns;
    uint64_t start = *number;

    while (now_ns - start_ns < time_ns) {
        int err = send_batch(ends[0], size, *number);

        if (!err)
            err = receive_batch(ends[1], size, *number);
        if (err)
            return err;
        *number += BATCH;
        now_ns = bench_now_ns();
    }
    *rate = bench_rate(*number - start, start_ns, now_ns);
    return 0;
}

static int measure(const struct bench_run *run, double *out)
{
    struct end ends[2];
    struct world world;
    uint64_t number = 0;
    int err = world_open(&world, run->side == BENCH_REFERENCE, 2, NULL);

    if (!err)
        err = end_pair(&world.sites[0], &world.sites[1], SOCK_DGRAM, ends);
    if (!err)
        err = exchange_for(ends, run->arg, run->time_ns / 4, &number, out);
    if (!err)
        err = exchange_for(ends, run->arg, run->time_ns, &number, out);
    if (err)
        return err;
    end_close(ends[0]);
    end_close(ends[1]);
    world_close(&world);
    return 0;
}

const struct bench_row bench_datagram_rows[] = {
    {"udp_64",
     "1/s",
     "kernel loopback, one thread",
     measure,
     {64, 64},
     BENCH_RATIO_MIN,
     5.0},
    {"udp_1400",
     "1/s",
     "kernel loopback, one thread",
     measure,
     {1400, 1400},
     BENCH_RATIO_MIN,
     5.0},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
