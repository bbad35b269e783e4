/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What hostile WebAssembly guests call. It is their own error or trap and their
 * own limit; the other guest does not notice.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/wasm.h"

#define T         "[method]tcp-socket."
#define RANDOM    "wasi:random/random@0.2.0"
#define CLOCK     "wasi:clocks/monotonic-clock@0.2.0"
#define UDP       "wasi:sockets/udp-create-socket@0.2.0"
#define MOST      0xffffffffu /* a length of 4 billion */
#define TIMES     20000
#define FAR_BELOW 4096 /* bytes */

static void traps(struct wasm *w, const char *why)
{
    if (!strstr(gn_wasi_why(w->wasi), why))
        fail_msg("it trapped by: %s", gn_wasi_why(w->wasi));
}

#define TRAPS(wasm, why, ...)                                      \
    (assert_int_equal(wasm_call(wasm, __VA_ARGS__), GN_WASI_TRAP), \
     traps(wasm, why))

static void another(struct wasm_pair *pair, struct wasm *w)
{
    gn_wasi_close(w->wasi);
    wasm_begin(w, pair->a, true, &pair->sim.heap.alloc);
}

/* ---- addresses and lengths ---- */

static void results_that_are_not_aligned_trap(void **state)
{
    struct wasm_pair *pair = *state;

    TRAPS(&pair->one, "does not go to 2",
          "wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket", "ii>", 0,
          2);
    another(pair, &pair->one);
    TRAPS(&pair->one, "does not go to 12", "wasi:clocks/wall-clock@0.2.0",
          "now", "i>", 12);
}

static void addresses_that_wrap_are_outside(void **state)
{
    struct wasm_pair *pair = *state;
    uint32_t server[3], client[3];

    TRAPS(&pair->one, "does not go to", "wasi:clocks/wall-clock@0.2.0", "now",
          "i>", 0xfffffff8u);
    another(pair, &pair->one);
    wasm_connection(pair, server, client);
    TRAPS(&pair->two, "outside of its memory", STREAMS,
          "[method]output-stream.write", "iiii>", client[2], 0xfffffff0u, 0x20,
          0);
}

static void lists_of_four_billion_are_refused(void **state)
{
    struct wasm_pair *pair = *state;
    struct wasm *w = &pair->one;
    uint32_t server[3], client[3];

    TRAPS(w, "pollables", POLL, "poll", "iii>", 0, MOST, 0);
    another(pair, w);
    TRAPS(w, "its cabi_realloc gave", RANDOM, "get-random-bytes", "Ii>",
          (uint64_t)MOST, 0);
    another(pair, w);
    TRAPS(w, "a list of", RANDOM, "get-random-bytes", "Ii>", UINT64_MAX, 0);
    another(pair, w);
    wasm_connection(pair, server, client);
    TRAPS(&pair->two, "outside of its memory", STREAMS,
          "[method]output-stream.write", "iiii>", client[2], 16, MOST, 0);
    assert_int_equal(DOES(w, P1, "poll_oneoff", "iiii>i", 0, 0, MOST, 0),
                     P1_INVAL);
    assert_int_equal(DOES(w, P1, "random_get", "ii>i", 0, MOST), P1_FAULT);
}

/* Each is stored, the later ones over the others. */
static void outputs_may_overlap(void **state)
{
    struct wasm_pair *pair = *state;
    struct wasm *w = &pair->one;

    assert_int_equal(DOES(w, P1, "args_sizes_get", "ii>i", 64, 66), 0);
    assert_int_equal(w->memory[64], 2);
    assert_int_equal(wasm_word(w, 66), 9); /* "guest", "-v" */
    assert_int_equal(DOES(w, P1, "args_get", "ii>i", 64, 64), 0);
    wasm_put_iov(w, 128, 120, 32); /* It is read into itself. */
    assert_int_equal(DOES(w, P1, "fd_read", "iiii>i", 0, 128, 1, 124), 0);
    assert_int_equal(wasm_word(w, 124), 0);
}

/* ---- enums and handles ---- */

static void enums_that_are_none_trap_or_are_einval(void **state)
{
    struct wasm_pair *pair = *state;
    struct wasm *w = &pair->one;
    uint32_t server[3], client[3];

    TRAPS(w, "no ip-address-family 2", "wasi:sockets/tcp-create-socket@0.2.0",
          "create-tcp-socket", "ii>", 2, 0);
    another(pair, w);
    TRAPS(w, "no ip-address-family 4294967295", UDP, "create-udp-socket", "ii>",
          MOST, 0);
    another(pair, w);
    wasm_connection(pair, server, client);
    TRAPS(&pair->two, "no shutdown-type 3", TCP, T "shutdown", "iii>",
          client[0], 3, 0);
    assert_int_equal(DOES(w, P1, "clock_time_get", "iIi>i", 4, (uint64_t)0, 0),
                     P1_INVAL);
    assert_int_equal(DOES(w, P1, "sock_open", "iii>i", 77, 2, 0) == 0, 0);
}

static void handles_of_another_kind_are_none(void **state)
{
    struct wasm_pair *pair = *state;
    struct wasm *w = &pair->one;
    uint32_t tcp = wasm_tcp(w);

    assert_int_equal(DOES(w, P1, "sock_shutdown", "ii>i", tcp, 0), P1_BADF);
    assert_int_equal(DOES(w, P1, "fd_close", "i>i", 0x10000), P1_BADF);
    TRAPS(w, "a handle that", POLL, "[method]pollable.ready", "i>i", tcp);
    another(pair, w);
    tcp = wasm_tcp(w);
    TRAPS(w, "a handle that", TCP, T "start-bind", "iiiiiiiiiiiiiii>", tcp, tcp,
          0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    another(pair, w);
    (void)wasm_tcp(&pair->two); /* Its number is none of the other guest's. */
    TRAPS(w, "a handle that", TCP, T "finish-bind", "ii>", 3, 0);
}

/* ---- memory that moves, and that changes ---- */

static void a_realloc_may_grow_and_move_the_memory(void **state)
{
    struct wasm_pair *pair = *state;
    struct wasm *w = &pair->two;
    uint32_t server[3], client[3], at;

    wasm_connection(pair, server, client);
    memcpy(pair->one.memory + 1000, "moved", 5);
    DOES(&pair->one, STREAMS, "[method]output-stream.write", "iiii>", server[2],
         1000, 5, 0);
    gn_clock_advance(pair->sim.clock, GN_MS);
    w->grows = true;
    DOES(w, STREAMS, "[method]input-stream.read", "iIi>", client[1],
         (uint64_t)9000, 512);
    assert_true(w->has_grown);
    assert_int_equal(w->memory[512], 0xee); /* Nothing went to the old place. */
    assert_int_equal(w->grown[512], 0);
    memcpy(&at, w->grown + 516, sizeof(at));
    assert_memory_equal(w->grown + at, "moved", 5);
}

#ifndef __SANITIZE_THREAD__
struct changer {
    struct wasm *wasm;
    atomic_bool ends;
};

/* A thread of the guest's, which changes a buffer while a call reads it. */
static void *change(void *arg)
{
    struct changer *changer = arg;
    volatile uint32_t *len = (uint32_t *)(void *)(changer->wasm->memory + 20);

    while (!atomic_load(&changer->ends)) {
        *len = 8;
        *len = MOST;
    }
    return NULL;
}

static void memory_that_changes_is_read_once(void **state)
{
    struct wasm_pair *pair = *state;
    struct wasm *w = &pair->one;
    struct changer changer = {.wasm = w};
    pthread_t thread;
    int fits = 0, faults = 0; /* both lengths, many times */

    wasm_put_iov(w, 16, WASM_MEMORY - 8, 8);
    assert_int_equal(pthread_create(&thread, NULL, change, &changer), 0);
    while (fits < TIMES || faults < TIMES) {
        uint32_t result = DOES(w, P1, "fd_write", "iiii>i", 1, 16, 1, 64);

        fits += result == 0;
        faults += result == P1_FAULT;
        assert_true(result == 0 ? wasm_word(w, 64) == 8 : result == P1_FAULT);
    }
    atomic_store(&changer.ends, true);
    pthread_join(thread, NULL);
}
#endif

/* ---- loops ---- */

static void polls_in_a_tight_loop_hold_nothing(void **state)
{
    struct wasm_pair *pair = *state;
    struct wasm *w = &pair->one;
    uint32_t server[3], client[3];
    uint32_t brk = w->brk;
    uint64_t before;

    wasm_connection(pair, server, client);
    wasm_put_word(
        w, 256,
        DOES(w, STREAMS, "[method]output-stream.subscribe", "i>i", server[2]));
    wasm_put_word(w, 260,
                  DOES(w, CLOCK, "subscribe-duration", "I>i", (uint64_t)0));
    before = pair->sim.heap.live_bytes;
    for (int i = 0; i < TIMES; i++) {
        w->brk = brk;
        DOES(w, POLL, "poll", "iii>", 256, 2, 0);
        assert_int_equal(wasm_word(w, 4), 2);
    }
    assert_true(pair->sim.heap.live_bytes < before + FAR_BELOW);
    memcpy(pair->two.memory + 1000, "on", 2);
    DOES(&pair->two, STREAMS, "[method]output-stream.write", "iiii>", client[2],
         1000, 2, 0);
    assert_int_equal(pair->two.memory[0], 0);
    gn_clock_advance(pair->sim.clock, GN_MS);
    DOES(w, STREAMS, "[method]input-stream.read", "iIi>", server[1],
         (uint64_t)100, 0);
    assert_int_equal(wasm_word(w, 8), 2);
}

/* What it does not read fills its own window and no more. */
static void one_that_never_reads_has_a_limit(void **state)
{
    struct wasm_pair *pair = *state;
    struct wasm *w = &pair->two;
    uint32_t server[3], client[3];
    uint64_t most;

    wasm_connection(pair, server, client);
    for (int i = 0; i < TIMES; i++) {
        DOES(w, STREAMS, "[method]output-stream.check-write", "ii>", client[2],
             16);
        if (wasm_word(w, 24) == 0)
            break;
        DOES(w, STREAMS, "[method]output-stream.write", "iiii>", client[2], 0,
             32768, 16);
        gn_clock_advance(pair->sim.clock, GN_MS);
    }
    assert_int_equal(wasm_word(w, 24), 0);
    gn_clock_advance(pair->sim.clock, 1000 * GN_MS); /* What was under way. */
    most = pair->sim.heap.live_bytes;
    gn_clock_advance(pair->sim.clock, 60000 * GN_MS);
    assert_true(pair->sim.heap.live_bytes < most + FAR_BELOW);
    (void)wasm_tcp(&pair->one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(wasm_pair, results_that_are_not_aligned_trap),
        CASE_OF(wasm_pair, addresses_that_wrap_are_outside),
        CASE_OF(wasm_pair, lists_of_four_billion_are_refused),
        CASE_OF(wasm_pair, outputs_may_overlap),
        CASE_OF(wasm_pair, enums_that_are_none_trap_or_are_einval),
        CASE_OF(wasm_pair, handles_of_another_kind_are_none),
        CASE_OF(wasm_pair, a_realloc_may_grow_and_move_the_memory),
#ifndef __SANITIZE_THREAD__
        CASE_OF(wasm_pair, memory_that_changes_is_read_once),
#endif
        CASE_OF(wasm_pair, polls_in_a_tight_loop_hold_nothing),
        CASE_OF(wasm_pair, one_that_never_reads_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
