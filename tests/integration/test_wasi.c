/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What WebAssembly guests call, without an engine: the test is the guest, with
 * an array as its memory. What programs make of it is tests/wasm's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/task.h>

#include "tests/lib/case.h"
#include "tests/lib/wasm.h"

/* ---- finding ---- */

static void imports_are_found_by_name_and_signature(void **state)
{
    (void)state;
    assert_true(gn_wasi_find(P1, "sock_accept", "iii>i") >= 0);
    assert_true(gn_wasi_find(P1, "sock_accept", "ii>i") >= 0);
    assert_int_not_equal(gn_wasi_find(P1, "sock_accept", "iii>i"),
                         gn_wasi_find(P1, "sock_accept", "ii>i"));
    assert_int_equal(gn_wasi_find(P1, "sock_accept", "i>i"), -ENOENT);
    assert_int_equal(gn_wasi_find(P1, "sock_none", NULL), -ENOENT);
    assert_true(gn_wasi_find(TCP, "[method]tcp-socket.start-bind",
                             "iiiiiiiiiiiiiii>") >= 0);
    assert_true(gn_wasi_find("wasi:sockets/udp@0.2.9",
                             "[method]udp-socket.stream",
                             "iiiiiiiiiiiiiii>") >= 0);
    assert_true(gn_wasi_find(STREAMS, "[method]input-stream.read", "iIi>") >=
                0);
    assert_true(
        gn_wasi_find("wasi:clocks/monotonic-clock@0.2.0", "now", ">I") >= 0);
    assert_int_equal(gn_wasi_find("wasi:io/poll@0.3.0", "poll", NULL), -ENOENT);
    assert_int_equal(gn_wasi_find("wasi:io/poll@0.2.", "poll", NULL), -ENOENT);
    assert_int_equal(gn_wasi_find("wasi:io/poll", "poll", NULL), -ENOENT);
    assert_int_equal(gn_wasi_find("wasi:http/types@0.2.0", "x", NULL), -ENOENT);
}

/* Those of files are all served alike, if they are WASI's at all. */
static void rows_for_many_names_are_for_names_of_wasi(void **state)
{
    static const char files[] = "wasi:filesystem/types@0.2.0";

    (void)state;
    assert_true(gn_wasi_find(files, "[method]descriptor.read", "iIIi>") >= 0);
    assert_true(gn_wasi_find(files, "[method]descriptor.sync", NULL) >= 0);
    assert_int_equal(gn_wasi_find(files, "[method]", "i>"), -ENOENT);
    assert_int_equal(gn_wasi_find(files, "[method]a b", "i>"), -ENOENT);
    assert_int_equal(gn_wasi_find(files, "[method]Descriptor", "i>"), -ENOENT);
    assert_int_equal(gn_wasi_find(files, "[method]descriptor.read", "if>"),
                     -ENOENT);
    assert_true(gn_wasi_find(files, "[method]descriptor.read",
                             "iiiiiiiiiiiiiiii>I") >= 0);
    assert_int_equal(
        gn_wasi_find(files, "[method]descriptor.read", "iiiiiiiiiiiiiiiii>"),
        -ENOENT); /* more than GN_WASI_ARGS_MAX */
    assert_int_equal(gn_wasi_find(files, "[method]descriptor.read", "i>ii"),
                     -ENOENT);
    assert_int_equal(gn_wasi_find(files, "[method]descriptor.read", "i"),
                     -ENOENT);
}

/* A type of @n parameters, which nothing uses. */
static int scan_parameters(unsigned n)
{
    static uint8_t module[8 + 8 + 4096] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1};
    unsigned len = n + 5; /* of the section: 1, 0x60, n, values, 0 */
    struct gn_wasi_scan scan;
    int err;

    module[9] = (uint8_t)(len & 0x7f) | 0x80;
    module[10] = (uint8_t)(len >> 7);
    module[11] = 1;
    module[12] = 0x60;
    module[13] = (uint8_t)(n & 0x7f) | 0x80;
    module[14] = (uint8_t)(n >> 7);
    memset(module + 15, 0x7f, n);
    module[15 + n] = 0;
    err = gn_wasi_scan(module, 16 + n, &scan, NULL, 0);
    if (!err)
        gn_wasi_scan_done(&scan);
    return err;
}

static void types_have_a_limit(void **state)
{
    (void)state;
    assert_int_equal(scan_parameters(1000), 0);
    assert_int_equal(scan_parameters(1001), -EINVAL);
}

/* ---- preview 1 ---- */

static void arguments_and_clocks_are_given(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;
    uint64_t now;

    assert_int_equal(DOES(w, P1, "args_sizes_get", "ii>i", 0, 4), 0);
    assert_int_equal(wasm_word(w, 0), 2);
    assert_int_equal(wasm_word(w, 4), 9);
    assert_int_equal(DOES(w, P1, "args_get", "ii>i", 16, 64), 0);
    assert_string_equal((char *)w->memory + wasm_word(w, 16), "guest");
    assert_string_equal((char *)w->memory + wasm_word(w, 20), "-v");
    assert_int_equal(DOES(w, P1, "environ_get", "ii>i", 16, 64), 0);
    assert_string_equal((char *)w->memory + wasm_word(w, 16), "HOME=/");
    assert_int_equal(
        DOES(w, P1, "clock_time_get", "iIi>i", 1, (uint64_t)0, 128), 0);
    memcpy(&now, w->memory + 128, sizeof(now));
    assert_true(now == gn_now_ns(f->a));
    assert_int_equal(DOES(w, P1, "fd_prestat_get", "ii>i", 3, 0), P1_BADF);
    assert_int_equal(wasm_call(w, P1, "proc_exit", "i>", 7), GN_WASI_EXIT);
    assert_int_equal(w->result, 7);
    assert_int_equal(wasm_call(w, P1, "sched_yield", ">i"), GN_WASI_TRAP);
}

static struct gn_sock *listener(struct gn_namespace *ns, const char *address,
                                bool nonblock)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_listen_at(ns, "tcp", address, 0, NULL, 0, &sock),
                     0);
    gn_sock_set_nonblock(sock, nonblock);
    return sock;
}

/* WasmEdge's address of 4 bytes at 512, for 10.77.0.2. */
static void address_put(struct wasm *wasm)
{
    static const uint8_t bytes[] = {10, 77, 0, 2};

    wasm_put_iov(wasm, 512, 520, 4);
    memcpy(wasm->memory + 520, bytes, 4);
}

static void connect_to_a(struct wasm_pair *f)
{
    struct wasm *w = &f->two;

    address_put(w);
    assert_int_equal(DOES(w, P1, "sock_open", "iii>i", 1, 2, 0), 0);
    assert_int_equal(wasm_word(w, 0), 3);
    assert_int_equal(wasm_call(w, P1, "sock_connect", "iii>i", 3, 512, 80),
                     GN_WASI_PENDING);
    wasm_ends(f, w, GN_WASI_PENDING);
    assert_int_equal(w->result, 0);
    gn_clock_advance(f->sim.clock, GN_MS); /* The last ACK gets there. */
}

static void a_preopened_listener_accepts_what_connects(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;

    assert_int_equal(gn_wasi_preopen(w->wasi, listener(f->a, ":80", false)), 3);
    assert_int_equal(wasm_call(w, P1, "sock_accept", "iii>i", 3, 0, 0),
                     GN_WASI_PENDING);
    assert_int_equal(gn_wasi_wait(w->wasi, wasm_wake, w), 0);
    assert_int_equal(gn_wasi_wait(w->wasi, wasm_wake, w), -EINVAL);
    connect_to_a(f);
    assert_int_equal(w->woken, 1);
    assert_int_equal(gn_wasi_resume(w->wasi, &w->result), GN_WASI_OK);
    assert_int_equal(w->result, 0);
    assert_int_equal(wasm_word(w, 0), 4);

    memcpy(f->two.memory + 1000, "hello", 5);
    wasm_put_iov(&f->two, 16, 1000, 2);
    wasm_put_iov(&f->two, 24, 1002, 3);
    assert_int_equal(DOES(&f->two, P1, "fd_write", "iiii>i", 3, 16, 2, 0), 0);
    assert_int_equal(wasm_word(&f->two, 0), 5);
    wasm_put_iov(w, 16, 2000, 16);
    wasm_ends(f, w,
              wasm_call(w, P1, "sock_recv", "iiiiii>i", 4, 16, 1, 0, 0, 8));
    assert_int_equal(wasm_word(w, 0), 5);
    assert_memory_equal(w->memory + 2000, "hello", 5);
    assert_int_equal(DOES(w, P1, "sock_shutdown", "ii>i", 4, 2), 0);
    wasm_put_iov(&f->two, 16, 2000, 16);
    wasm_ends(f, &f->two,
              wasm_call(&f->two, P1, "fd_read", "iiii>i", 3, 16, 1, 0));
    assert_int_equal(wasm_word(&f->two, 0), 0);
}

static void a_non_blocking_listener_says_again(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;

    assert_int_equal(gn_wasi_preopen(w->wasi, listener(f->a, ":80", true)), 3);
    assert_int_equal(DOES(w, P1, "sock_accept", "iii>i", 3, 0, 0), P1_AGAIN);
    assert_int_equal(DOES(w, P1, "fd_fdstat_set_flags", "ii>i", 3, 0), 0);
    assert_int_equal(wasm_call(w, P1, "sock_accept", "iii>i", 3, 0, 0),
                     GN_WASI_PENDING);
}

/* A subscription at @at. */
static void subscribe(struct wasm *wasm, uint32_t at, uint64_t userdata,
                      uint8_t type, uint32_t fd, uint64_t timeout_ns)
{
    memset(wasm->memory + at, 0, 48);
    memcpy(wasm->memory + at, &userdata, 8);
    wasm->memory[at + 8] = type;
    wasm_put_word(wasm, at + 16, type ? fd : 1);
    if (!type)
        memcpy(wasm->memory + at + 24, &timeout_ns, 8);
}

static void poll_oneoff_waits_for_sockets_and_time(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;
    uint64_t began = gn_now_ns(f->a);

    assert_int_equal(gn_wasi_preopen(w->wasi, listener(f->a, ":80", true)), 3);
    subscribe(w, 4096, 11, 1, 3, 0);
    subscribe(w, 4144, 22, 0, 0, 20 * GN_MS);
    assert_int_equal(
        wasm_call(w, P1, "poll_oneoff", "iiii>i", 4096, 8192, 2, 0),
        GN_WASI_PENDING);
    wasm_ends(f, w, GN_WASI_PENDING);
    assert_true(gn_now_ns(f->a) - began >= 20 * GN_MS);
    assert_int_equal(wasm_word(w, 0), 1);
    assert_int_equal(wasm_word(w, 8192), 22);

    assert_int_equal(
        wasm_call(w, P1, "poll_oneoff", "iiii>i", 4096, 8192, 1, 0),
        GN_WASI_PENDING);
    connect_to_a(f);
    wasm_ends(f, w, GN_WASI_PENDING);
    assert_int_equal(wasm_word(w, 0), 1);
    assert_int_equal(wasm_word(w, 8192), 11);
}

static void poll_oneoff_tells_of_what_is_no_descriptor(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;

    subscribe(w, 4096, 11, 1, 40, 0);
    subscribe(w, 4144, 22, 0, 0, 20 * GN_MS);
    assert_int_equal(DOES(w, P1, "poll_oneoff", "iiii>i", 4096, 8192, 2, 0), 0);
    assert_int_equal(wasm_word(w, 0), 1);
    assert_int_equal(w->memory[8192 + 8], P1_BADF);
    assert_int_equal(DOES(w, P1, "poll_oneoff", "iiii>i", 4096, 8192, 0, 0),
                     P1_INVAL);
    assert_int_equal(DOES(w, P1, "poll_oneoff", "iiii>i", 4096, 8192, 5000, 0),
                     P1_INVAL);
    assert_int_equal(
        DOES(w, P1, "poll_oneoff", "iiii>i", WASM_MEMORY - 40, 8192, 1, 0),
        P1_FAULT);
}

static void addresses_outside_of_the_memory_are_errors(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;

    assert_int_equal(DOES(w, P1, "args_get", "ii>i", WASM_MEMORY - 2, 64),
                     P1_FAULT);
    assert_int_equal(DOES(w, P1, "random_get", "ii>i", 0xfffffff0, 0x20),
                     P1_FAULT);
    wasm_put_iov(w, 16, 0xfffffff0, 0x20);
    assert_int_equal(DOES(w, P1, "fd_write", "iiii>i", 1, 16, 1, 0), P1_FAULT);
    assert_int_equal(DOES(w, P1, "fd_write", "iiii>i", 1, 16, 0xffffffff, 0),
                     P1_INVAL);
    assert_int_equal(DOES(w, P1, "fd_read", "iiii>i", 9, 16, 1, 0), P1_BADF);
    assert_int_equal(DOES(w, P1, "sock_recv", "iiiiii>i", 0, 16, 1, 0, 0, 0),
                     P1_NOTSOCK);
    assert_int_equal(DOES(w, P1, "sock_open", "iii>i", 1, 2, WASM_MEMORY - 3),
                     P1_FAULT);
    assert_int_equal(DOES(w, P1, "sock_open", "iii>i", 1, 2, 0), 0);
    assert_int_equal(wasm_word(w, 0),
                     3); /* The failed one left no descriptor. */
}

/* ---- WASI 0.2 ---- */

#define T "[method]tcp-socket."

static void a_connection_carries_bytes_both_ways(void **state)
{
    struct wasm_pair *f = *state;
    uint32_t server[3], client[3];

    wasm_connection(f, server, client);
    memcpy(f->two.memory + 1000, "over there", 10);
    DOES(&f->two, STREAMS, "[method]output-stream.check-write", "ii>",
         client[2], 16);
    assert_int_equal(f->two.memory[16], 0);
    assert_true(wasm_word(&f->two, 24) > 0);
    DOES(&f->two, STREAMS, "[method]output-stream.write", "iiii>", client[2],
         1000, 10, 0);
    assert_int_equal(f->two.memory[0], 0);
    wasm_ends(f, &f->one,
              wasm_call(&f->one, STREAMS, "[method]input-stream.blocking-read",
                        "iIi>", server[1], (uint64_t)100, 0));
    assert_int_equal(f->one.memory[0], 0);
    assert_int_equal(wasm_word(&f->one, 8), 10);
    assert_memory_equal(f->one.memory + wasm_word(&f->one, 4), "over there",
                        10);

    /* The end of a stream is "closed". */
    DOES(&f->two, TCP, T "shutdown", "iii>", client[0], 1, 0);
    wasm_ends(f, &f->one,
              wasm_call(&f->one, STREAMS, "[method]input-stream.blocking-read",
                        "iIi>", server[1], (uint64_t)100, 0));
    assert_int_equal(f->one.memory[0], 1);
    assert_int_equal(f->one.memory[4], 1);
}

/* The first read is a small one, without a question of how much there is. */
static void two_reads_take_all_that_is_there(void **state)
{
    struct wasm_pair *f = *state;
    uint32_t server[3], client[3], got = 0, n;

    wasm_connection(f, server, client);
    for (uint32_t i = 0; i < 10000; i++)
        f->two.memory[1000 + i] = (uint8_t)(i * 7);
    DOES(&f->two, STREAMS, "[method]output-stream.write", "iiii>", client[2],
         1000, 10000, 0);
    gn_clock_advance(f->sim.clock, GN_MS);
    for (int i = 0; i < 2; i++) {
        f->one.brk = 32768;
        DOES(&f->one, STREAMS, "[method]input-stream.read", "iIi>", server[1],
             (uint64_t)16384, 0);
        assert_int_equal(f->one.memory[0], 0);
        n = wasm_word(&f->one, 8);
        assert_memory_equal(f->one.memory + wasm_word(&f->one, 4),
                            f->two.memory + 1000 + got, n);
        got += n;
    }
    assert_int_equal(got, 10000);
}

/* check-write promises room; the guest ends with all of it unread. */
static void what_was_promised_is_delivered_behind_the_end(void **state)
{
    struct wasm_pair *f = *state;
    uint32_t server[3], client[3], sent = 0, got = 0, room;

    wasm_connection(f, server, client);
    for (;;) {
        DOES(&f->two, STREAMS, "[method]output-stream.check-write", "ii>",
             client[2], 16);
        room = wasm_word(&f->two, 24);
        if (room == 0)
            break;
        room = room < 32768 ? room : 32768;
        DOES(&f->two, STREAMS, "[method]output-stream.write", "iiii>",
             client[2], 0, room, 32);
        sent += room;
    }
    gn_wasi_close(f->two.wasi);
    f->two.wasi = NULL;
    for (int i = 0; i < 10000; i++) {
        f->one.brk = 32768;
        DOES(&f->one, STREAMS, "[method]input-stream.read", "iIi>", server[1],
             (uint64_t)16384, 0);
        if (f->one.memory[0])
            break;
        got += wasm_word(&f->one, 8);
        gn_clock_advance(f->sim.clock, GN_MS);
    }
    assert_int_equal(got, sent);
    assert_int_equal(f->one.memory[4], 1); /* and a proper end */
}

/* The same, and a peer that reads when it is too late: it is told so. */
static void what_is_not_read_for_long_ends_by_a_reset(void **state)
{
    struct wasm_pair *f = *state;
    uint32_t server[3], client[3], sent = 0, got = 0, room;

    wasm_connection(f, server, client);
    do {
        DOES(&f->two, STREAMS, "[method]output-stream.check-write", "ii>",
             client[2], 16);
        room = wasm_word(&f->two, 24);
        DOES(&f->two, STREAMS, "[method]output-stream.write", "iiii>",
             client[2], 0, room, 32);
        sent += room;
    } while (room);
    DOES(&f->two, STREAMS, "[method]output-stream.write", "iiii>", client[2], 0,
         65536, 32); /* More than the socket takes: the rest is kept. */
    sent += 65536;
    gn_wasi_close(f->two.wasi);
    f->two.wasi = NULL;
    gn_clock_advance(f->sim.clock, 61000 * GN_MS);
    for (int i = 0; i < 1000 && !f->one.memory[0]; i++) {
        f->one.brk = 32768;
        DOES(&f->one, STREAMS, "[method]input-stream.read", "iIi>", server[1],
             (uint64_t)16384, 0);
        got += f->one.memory[0] ? 0 : wasm_word(&f->one, 8);
    }
    assert_true(got < sent);
    assert_int_equal(f->one.memory[0], 1);
    assert_int_equal(f->one.memory[4], 0); /* last-operation-failed */
}

static void mistakes_trap_and_say_why(void **state)
{
    struct wasm_pair *f = *state;

    assert_int_equal(
        wasm_call(&f->one, POLL, "[method]pollable.block", "i>", 77),
        GN_WASI_TRAP);
    assert_non_null(strstr(gn_wasi_why(f->one.wasi), "a handle that"));
    assert_int_equal(
        wasm_call(&f->one, POLL, "[method]pollable.block", "i>", 77),
        GN_WASI_TRAP);
    assert_int_equal(wasm_call(&f->two, "wasi:clocks/wall-clock@0.2.0", "now",
                               "i>", WASM_MEMORY - 8),
                     GN_WASI_TRAP);
    assert_non_null(strstr(gn_wasi_why(f->two.wasi), "does not go to"));
}

static void a_dropped_handle_is_none(void **state)
{
    struct wasm_pair *f = *state;
    uint32_t tcp = wasm_tcp(&f->one);

    DOES(&f->one, TCP, "[resource-drop]tcp-socket", "i>", tcp);
    assert_int_equal(
        wasm_call(&f->one, TCP, "[resource-drop]tcp-socket", "i>", tcp),
        GN_WASI_TRAP);
}

static void a_realloc_that_lies_traps(void **state)
{
    struct wasm_pair *f = *state;

    f->one.rubbish = true;
    assert_int_equal(wasm_call(&f->one, "wasi:random/random@0.2.0",
                               "get-random-bytes", "Ii>", (uint64_t)64, 0),
                     GN_WASI_TRAP);
    assert_non_null(strstr(gn_wasi_why(f->one.wasi), "cabi_realloc"));
    assert_int_equal(wasm_call(&f->two, "wasi:random/random@0.2.0",
                               "get-random-bytes", "Ii>", (uint64_t)1 << 40, 0),
                     GN_WASI_TRAP);
}

static void handles_have_a_limit(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;
    int n = 0;

    do {
        DOES(w, "wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket",
             "ii>", 0, 0);
        n++;
    } while (w->memory[0] == 0);
    assert_int_equal(n, 64 - 3 + 1);    /* beside the standard streams */
    assert_int_equal(w->memory[4], 10); /* new-socket-limit */
    assert_int_equal(wasm_call(w, "wasi:sockets/instance-network@0.2.0",
                               "instance-network", ">i"),
                     GN_WASI_TRAP);
}

static void fewer_handles_than_standard_streams_are_refused(void **state)
{
    struct wasm_pair *f = *state;
    struct gn_wasi_config config = {.size = sizeof(config),
                                    .memory = wasm_memory};
    struct gn_wasi_guest *guest;

    for (config.max_handles = 1; config.max_handles < 3; config.max_handles++)
        assert_int_equal(gn_wasi_create(f->a, &config, &guest), -EINVAL);
    assert_int_equal(gn_wasi_create(f->a, &config, &guest), 0);
    gn_wasi_close(guest);
}

static void a_kill_traps_what_waits_and_what_comes(void **state)
{
    struct wasm_pair *f = *state;
    uint32_t tcp = wasm_listening(&f->one, 80), pollable;

    pollable = DOES(&f->one, TCP, T "subscribe", "i>i", tcp);
    assert_int_equal(
        wasm_call(&f->one, POLL, "[method]pollable.block", "i>", pollable),
        GN_WASI_PENDING);
    assert_int_equal(gn_wasi_wait(f->one.wasi, wasm_wake, &f->one), 0);
    gn_namespace_kill(f->a);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(f->one.woken, 1);
    assert_int_equal(gn_wasi_resume(f->one.wasi, &f->one.result), GN_WASI_OK);
    assert_int_equal(wasm_call(&f->one, TCP, T "accept", "ii>", tcp, 0),
                     GN_WASI_TRAP);
    assert_non_null(strstr(gn_wasi_why(f->one.wasi), "killed"));
}

static void sleep_pending(struct wasm *w)
{
    DOES(w, "wasi:clocks/monotonic-clock@0.2.0", "subscribe-duration", "I>i",
         1000 * GN_MS);
    assert_int_equal(
        wasm_call(w, POLL, "[method]pollable.block", "i>", (uint32_t)w->result),
        GN_WASI_PENDING);
}

/* No socket of theirs tells of it. */
static void a_kill_traps_a_guest_that_sleeps(void **state)
{
    struct wasm_pair *f = *state;

    sleep_pending(&f->one);
    assert_int_equal(gn_wasi_wait(f->one.wasi, wasm_wake, &f->one), 0);
    sleep_pending(&f->two);
    gn_namespace_kill(f->a);
    gn_namespace_kill(f->b);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(f->one.woken, 1);
    assert_int_equal(gn_wasi_resume(f->one.wasi, &f->one.result), GN_WASI_TRAP);
    assert_non_null(strstr(gn_wasi_why(f->one.wasi), "killed"));
    assert_int_equal(gn_wasi_wait(f->two.wasi, wasm_wake, &f->two), -ECANCELED);
    assert_int_equal(gn_wasi_resume(f->two.wasi, &f->two.result), GN_WASI_TRAP);
    assert_non_null(strstr(gn_wasi_why(f->two.wasi), "killed"));
}

static void closing_a_guest_forgets_what_it_waits_for(void **state)
{
    struct wasm_pair *f = *state;

    wasm_listening(&f->one, 80);
    DOES(&f->one, "wasi:clocks/monotonic-clock@0.2.0", "subscribe-duration",
         "I>i", 5 * GN_MS);
    assert_int_equal(wasm_call(&f->one, POLL, "[method]pollable.block", "i>",
                               (uint32_t)f->one.result),
                     GN_WASI_PENDING);
    assert_int_equal(gn_wasi_wait(f->one.wasi, wasm_wake, &f->one), 0);
    gn_wasi_close(f->one.wasi);
    f->one.wasi = NULL;
    gn_clock_advance(f->sim.clock, 10 * GN_MS);
    assert_int_equal(f->one.woken, 0);
}

static void names_are_looked_up(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;
    uint32_t lookup, pollable;

    memcpy(w->memory + 1000, "b", 1);
    DOES(w, "wasi:sockets/ip-name-lookup@0.2.0", "resolve-addresses", "iiii>",
         wasm_network(w), 1000, 1, 0);
    assert_int_equal(w->memory[0], 0);
    lookup = wasm_word(w, 4);
    pollable = DOES(w, "wasi:sockets/ip-name-lookup@0.2.0",
                    "[method]resolve-address-stream.subscribe", "i>i", lookup);
    assert_int_equal(
        wasm_call(w, POLL, "[method]pollable.block", "i>", pollable),
        GN_WASI_PENDING);
    wasm_ends(f, w, GN_WASI_PENDING);
    for (int i = 0; i < 3; i++) {
        DOES(w, "wasi:sockets/ip-name-lookup@0.2.0",
             "[method]resolve-address-stream.resolve-next-address", "ii>",
             lookup, 0);
        assert_int_equal(w->memory[0], 0);
        assert_int_equal(w->memory[2], i < 2); /* v6 and v4, and no more */
    }
}

/* It ends between the call and the wait: no call waits for it just then. */
static void what_ended_before_the_wait_is_told(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;
    uint32_t pollable;

    memcpy(w->memory + 1000, "b", 1);
    DOES(w, "wasi:sockets/ip-name-lookup@0.2.0", "resolve-addresses", "iiii>",
         wasm_network(w), 1000, 1, 0);
    pollable = DOES(w, "wasi:sockets/ip-name-lookup@0.2.0",
                    "[method]resolve-address-stream.subscribe", "i>i",
                    wasm_word(w, 4));
    assert_int_equal(
        wasm_call(w, POLL, "[method]pollable.block", "i>", pollable),
        GN_WASI_PENDING);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(gn_wasi_wait(w->wasi, wasm_wake, w), 0);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(w->woken, 1);
    assert_int_equal(gn_wasi_resume(w->wasi, &w->result), GN_WASI_OK);
}

/* ---- the blocking form ---- */

static void on_the_driving_thread_it_does_not_block(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm w;

    wasm_begin(&w, f->a, false, &f->sim.heap.alloc);
    assert_int_equal(gn_wasi_preopen(w.wasi, listener(f->a, ":80", false)), 3);
    assert_int_equal(wasm_call(&w, P1, "sock_accept", "iii>i", 3, 0, 0),
                     GN_WASI_TRAP);
    assert_non_null(strstr(gn_wasi_why(w.wasi), "driving thread"));
    gn_wasi_close(w.wasi);
}

/* A task under a clock waits, and time goes on. */
static int task_main(void *arg)
{
    static struct wasm w; /* More than a task's stack. */
    struct wasm_pair *f = arg;
    uint64_t began = gn_now_ns(f->a);

    wasm_begin(&w, f->a, false, &f->sim.heap.alloc);
    subscribe(&w, 4096, 22, 0, 0, 60000 * GN_MS);
    assert_int_equal(DOES(&w, P1, "poll_oneoff", "iiii>i", 4096, 8192, 1, 0),
                     0);
    gn_wasi_close(w.wasi);
    return gn_now_ns(f->a) - began >= 60000 * GN_MS;
}

static void a_task_waits_in_virtual_time(void **state)
{
    struct wasm_pair *f = *state;
    struct gn_task *task;
    int result;

    assert_int_equal(gn_task_start(f->a, NULL, task_main, f, &task), 0);
    gn_clock_run(f->sim.clock, UINT64_MAX, NULL);
    assert_int_equal(gn_task_join(task, &result), 0);
    assert_int_equal(result, 1);
}

/* ---- memory ---- */

static int guest_makes_much(struct gn_test_heap *heap, void *arg)
{
    struct wasm_pair *f = arg;
    struct gn_wasi_config config = {.size = sizeof(config),
                                    .memory = wasm_memory,
                                    .realloc = wasm_realloc,
                                    .arg = &f->one,
                                    .stdio = {-1, -1, -1},
                                    .pending = true,
                                    .alloc = &heap->alloc};
    uint64_t args[16] = {0}, result;
    struct gn_wasi_guest *wasi = NULL;
    int err = gn_wasi_create(f->a, &config, &wasi);
    int op = gn_wasi_find("wasi:sockets/tcp-create-socket@0.2.0",
                          "create-tcp-socket", NULL);

    for (int i = 0; !err && i < 20; i++) {
        assert_int_equal(gn_wasi_call(wasi, op, args, &result), GN_WASI_OK);
        if (f->one.memory[0]) {
            assert_int_equal(f->one.memory[4], 4); /* out-of-memory */
            err = -ENOMEM;
        }
    }
    gn_wasi_close(wasi);
    return err;
}

static void a_close_never_lingers(void **state)
{
    struct wasm_pair *f = *state;
    struct wasm *w = &f->one;
    uint32_t fd, seconds;

    assert_int_equal(DOES(w, P1, "sock_open", "iii>i", 1, 2, 16), 0);
    fd = wasm_word(w, 16);
    for (seconds = 0; seconds < 2; seconds++) {
        wasm_put_word(w, 100, 1);
        wasm_put_word(w, 104, seconds);
        assert_int_equal(
            DOES(w, P1, "sock_setsockopt", "iiiii>i", fd, 0, 9, 100, 8), 0);
        assert_int_equal(
            DOES(w, P1, "sock_getsockopt", "iiiii>i", fd, 0, 9, 200, 8), 0);
        assert_int_equal(wasm_word(w, 200), seconds == 0);
    }
}

static void memory_may_end_anywhere(void **state)
{
    struct wasm_pair *f = *state;

    assert_true(gn_test_heap_sweep(guest_makes_much, f) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_are_found_by_name_and_signature),
        CASE_OF(wasm_pair, arguments_and_clocks_are_given),
        CASE_OF(wasm_pair, a_preopened_listener_accepts_what_connects),
        CASE_OF(wasm_pair, a_non_blocking_listener_says_again),
        CASE_OF(wasm_pair, poll_oneoff_waits_for_sockets_and_time),
        CASE_OF(wasm_pair, poll_oneoff_tells_of_what_is_no_descriptor),
        CASE_OF(wasm_pair, addresses_outside_of_the_memory_are_errors),
        CASE_OF(wasm_pair, a_connection_carries_bytes_both_ways),
        CASE_OF(wasm_pair, two_reads_take_all_that_is_there),
        CASE_OF(wasm_pair, what_was_promised_is_delivered_behind_the_end),
        CASE_OF(wasm_pair, what_is_not_read_for_long_ends_by_a_reset),
        CASE_OF(wasm_pair, mistakes_trap_and_say_why),
        CASE_OF(wasm_pair, a_dropped_handle_is_none),
        CASE_OF(wasm_pair, a_realloc_that_lies_traps),
        CASE_OF(wasm_pair, handles_have_a_limit),
        CASE_OF(wasm_pair, fewer_handles_than_standard_streams_are_refused),
        CASE_OF(wasm_pair, rows_for_many_names_are_for_names_of_wasi),
        CASE_OF(wasm_pair, types_have_a_limit),
        CASE_OF(wasm_pair, a_close_never_lingers),
        CASE_OF(wasm_pair, what_ended_before_the_wait_is_told),
        CASE_OF(wasm_pair, a_kill_traps_what_waits_and_what_comes),
        CASE_OF(wasm_pair, a_kill_traps_a_guest_that_sleeps),
        CASE_OF(wasm_pair, closing_a_guest_forgets_what_it_waits_for),
        CASE_OF(wasm_pair, names_are_looked_up),
        CASE_OF(wasm_pair, on_the_driving_thread_it_does_not_block),
        CASE_OF(wasm_pair, a_task_waits_in_virtual_time),
        CASE_OF(wasm_pair, memory_may_end_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
