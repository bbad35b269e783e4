/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a WebAssembly guest's calls cost above the sockets they end at: 64 bytes
 * written to a guest and read by it, both ready, in one thread. No engine is in
 * it. What is shown is both: to be reached are 30 ns, 15 for each call.
 */
#include "bench.h"
#include "world.h"

#include <errno.h>
#include <string.h>

#define BATCH 256
#define LEN   64u

/** Two guests with a connection, descriptor 3 of each. */
struct guests {
    struct gn_wasi_guest *wasi[2];
    uint8_t memory[4096];
};

static struct gn_wasi_memory memory_of(void *arg)
{
    struct guests *guests = arg;

    return (struct gn_wasi_memory){guests->memory, sizeof(guests->memory)};
}

static int guests_open(struct guests *guests, const struct world *world,
                       const struct end ends[2])
{
    struct gn_wasi_config config = {
        .size = sizeof(config), .memory = memory_of, .arg = guests};
    const uint32_t iov[2] = {1024, LEN};

    memcpy(guests->memory, iov, sizeof(iov));
    for (int i = 0; i < 2; i++) {
        int err = gn_wasi_create(world->sites[i].ns, &config, &guests->wasi[i]);

        if (err)
            return err;
        err = gn_wasi_preopen(guests->wasi[i], gn_sock_ref(ends[i].sock));
        if (err != 3)
            return err < 0 ? err : -EBADF;
    }
    return 0;
}

static int by_calls(struct guests *guests)
{
    static const uint64_t out[] = {3, 0, 1, 16}, in[] = {3, 0, 1, 0, 16, 32};
    static int op_out = -1, op_in = -1;
    uint64_t result;

    if (op_out < 0) {
        op_out = gn_wasi_find("wasi_snapshot_preview1", "fd_write", "iiii>i");
        op_in = gn_wasi_find("wasi_snapshot_preview1", "sock_recv", "iiiiii>i");
    }
    if (gn_wasi_call(guests->wasi[0], op_out, out, &result) || result ||
        gn_wasi_call(guests->wasi[1], op_in, in, &result) || result)
        return -EIO;
    return 0;
}

static int by_sockets(const struct end ends[2], char data[LEN])
{
    if (gn_sock_send(ends[0].sock, data, LEN, 0) != LEN ||
        gn_sock_recv(ends[1].sock, data, LEN, 0) != LEN)
        return -EIO;
    return 0;
}

static int measure_calls(const struct bench_run *run, double *out)
{
    static struct guests guests;
    struct world world;
    struct end ends[2];
    char data[LEN] = {0};
    uint64_t from_ns, now_ns, n = 0;
    int err = world_open(&world, false, 2, NULL);

    if (!err)
        err = end_pair(&world.sites[0], &world.sites[1], SOCK_STREAM, ends);
    if (!err && run->side == BENCH_OURS)
        err = guests_open(&guests, &world, ends);
    from_ns = now_ns = bench_now_ns();
    while (!err && now_ns - from_ns < run->time_ns) {
        for (int i = 0; !err && i < BATCH; i++, n++)
            err = run->side == BENCH_OURS ? by_calls(&guests)
                                          : by_sockets(ends, data);
        now_ns = bench_now_ns();
    }
    if (err)
        return err;
    *out = (double)(now_ns - from_ns) / (double)n;
    gn_wasi_close(guests.wasi[0]);
    gn_wasi_close(guests.wasi[1]);
    end_close(ends[0]);
    end_close(ends[1]);
    world_close(&world);
    return 0;
}

const struct bench_row bench_wasi_rows[] = {
    {.name = "wasi_call",
     .unit = "ns",
     .reference_name = "gn_sock_send(), gn_sock_recv()",
     .measure = measure_calls,
     .goal = BENCH_ADDED_MAX,
     .limit = 30},
    {0},
};
