/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two guests that call what they like, of all dialects, with what they like in
 * their memories. The input is a piece of memory and then calls: two bytes that
 * say which guest calls what, and one that begins each argument. Nothing may
 * reach an assertion or the other guest's memory, what is held stays bounded,
 * and nothing is left at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guests/wasi/wasi.h"
#include "tests/fuzz/check.h"
#include "tests/lib/simnet.h"

#define MEMORY_SIZE 65536u
#define FILLED_MAX  1024u
#define HELD_MAX    (16u * 1024 * 1024)
#define STEPS       200u
#define OPS_MAX     512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const prefixes[] = {"10.1.0.0/24", "fd01::/64", NULL};

struct input {
    const uint8_t *at, *end;
};

struct guest {
    struct gn_wasi_guest *wasi;
    struct gn_namespace *ns;
    struct input *input;
    uint32_t brk;
    uint8_t memory[MEMORY_SIZE + 64]; /* with a margin that stays zero */
    int woken;
};

static int ops[OPS_MAX];
static unsigned n_ops;

static uint8_t take(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static void ops_find(void)
{
    for (int op = 0; op < 8 * 256; op++)
        if (gn__wasi_row(op) && n_ops < OPS_MAX)
            ops[n_ops++] = op;
}

static struct gn_wasi_memory memory_of(void *arg)
{
    struct guest *guest = arg;

    return (struct gn_wasi_memory){guest->memory, MEMORY_SIZE};
}

/* Mostly room, and sometimes anything. */
static int realloc_of(void *arg, uint32_t align, uint32_t size, uint32_t *at)
{
    struct guest *guest = arg;
    uint8_t how = take(guest->input);

    guest->brk = (guest->brk + align - 1) & ~(align - 1);
    if (guest->brk + (uint64_t)size > MEMORY_SIZE)
        guest->brk = MEMORY_SIZE / 2;
    *at = how == 0xff ? 0xfffffff0u : how == 0xfe ? 1 : guest->brk;
    guest->brk += size;
    return how == 0xfd;
}

static void guest_begin(struct guest *guest, const struct gn_allocator *alloc)
{
    static const char *const env[] = {"A=1", "B", NULL};
    const struct gn_wasi_config config = {.size = sizeof(config),
                                          .memory = memory_of,
                                          .realloc = realloc_of,
                                          .arg = guest,
                                          .env = env,
                                          .stdio = {-1, -1, -1},
                                          .pending = true,
                                          .max_handles = 40,
                                          .alloc = alloc};
    struct gn_sock *sock;

    CHECK(gn_wasi_create(guest->ns, &config, &guest->wasi) == 0);
    if (gn_sock_listen_at(guest->ns, "tcp", ":80", 4, NULL, 0, &sock) == 0)
        CHECK(gn_wasi_preopen(guest->wasi, sock) == 3);
}

static uint64_t argument(struct input *input)
{
    uint8_t how = take(input);
    uint64_t v = 0;

    if (how < 0x60) /* a handle, a flag, a length */
        return how;
    if (how < 0xc0) /* an address that is aligned */
        return (uint64_t)(how - 0x60) * 16;
    if (how < 0xe0) /* at the end of the memory */
        return MEMORY_SIZE - (how - 0xc0u);
    for (unsigned i = 0; i < (how & 8 ? 8u : 4u); i++)
        v = v << 8 | take(input);
    return v;
}

static void wake(struct gn_wasi_guest *wasi, void *arg)
{
    struct guest *guest = arg;

    CHECK(wasi == guest->wasi);
    guest->woken++;
}

/* A call that waits is gone on with as long as something comes. */
static int pending_run(struct gn_simnet *sim, struct guest *guest)
{
    uint64_t result;
    int status = GN_WASI_PENDING;

    for (int i = 0; status == GN_WASI_PENDING && i < 8; i++) {
        int before = guest->woken;

        CHECK(gn_wasi_wait(guest->wasi, wake, guest) == 0);
        gn_clock_advance(sim->clock, 10 * GN_MS);
        if (guest->woken == before)
            break;
        status = gn_wasi_resume(guest->wasi, &result);
    }
    return status;
}

static void step(struct gn_simnet *sim, struct guest *guests,
                 struct input *input)
{
    uint8_t who = take(input);
    struct guest *guest = &guests[who & 1];
    int op = ops[(take(input) | (who & 2) << 7) % n_ops];
    uint64_t args[GN_WASI_ARGS_MAX] = {0}, result;
    int status;

    for (unsigned i = 0; i < gn__wasi_row_n_params(gn__wasi_row(op)); i++)
        args[i] = argument(input);
    status = gn_wasi_call(guest->wasi, op, args, &result);
    if (status == GN_WASI_PENDING)
        status = pending_run(sim, guest);
    if (who & 4)
        gn_clock_advance(sim->clock, GN_MS);
    if (status != GN_WASI_OK) {
        CHECK(status != GN_WASI_TRAP || gn_wasi_why(guest->wasi)[0]);
        gn_wasi_close(guest->wasi);
        guest_begin(guest, &sim->heap.alloc);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct guest guests[2];
    struct input input = {data, data + len};
    struct gn_simnet sim;
    size_t filled = len / 2 < FILLED_MAX ? len / 2 : FILLED_MAX;

    if (!n_ops)
        ops_find();
    gn_simnet_setup(&sim, prefixes, 1);
    for (int i = 0; i < 2; i++) {
        memset(&guests[i], 0, sizeof(guests[i]));
        memcpy(guests[i].memory, data, filled);
        guests[i].input = &input;
        guests[i].brk = MEMORY_SIZE / 2;
        guests[i].ns = gn_simnet_guest(sim.net, i ? "b" : "a");
        guest_begin(&guests[i], &sim.heap.alloc);
    }
    input.at += filled;
    for (unsigned i = 0; i < STEPS && input.at < input.end; i++)
        step(&sim, guests, &input);
    CHECK(sim.heap.peak_bytes < HELD_MAX);
    for (int i = 0; i < 2; i++) {
        gn_wasi_close(guests[i].wasi);
        for (unsigned k = 0; k < 64; k++)
            CHECK(guests[i].memory[MEMORY_SIZE + k] == 0);
    }
    gn_clock_advance(sim.clock, GN_MS);
    gn_simnet_teardown(&sim);
    return 0;
}
