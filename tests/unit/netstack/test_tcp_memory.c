/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection's whole life, with each allocation failing in turn. One that
 * fails is an error at once or a lost segment that is sent again; what was
 * read is never wrong, and nothing is left behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/heap.h"
#include "tests/lib/wire.h"
#include "tests/lib/units.h"

#define BYTES 100000u

struct life {
    struct gn_test_heap *heap;
    uint32_t mtu;
    bool v6;
};

static bool over(void *arg)
{
    struct gn__conn *conn = arg;

    return gn__tcp_connected(conn) || gn__tcp_error(conn);
}

static bool acceptable(void *arg)
{
    return gn__tcp_acceptable(arg);
}

/* Memory is short for five seconds, not for ever. */
static void get_well(struct wire *wire, const struct life *life)
{
    wire_pass(wire, 5 * GN_S);
    life->heap->fail_all = false;
}

static int transfer(struct wire *wire, const struct life *life,
                    struct gn__conn *from, struct gn__conn *to)
{
    uint64_t sent = 0, got = 0;
    unsigned idle;

    for (idle = 0; got < BYTES && idle < 2000; idle++) {
        size_t n = wire_send(from, &sent, BYTES - sent);

        n += wire_recv(to, &got, BYTES);
        if (n)
            idle = 0;
        if (idle == 10)
            get_well(wire, life);
        wire_pass(wire, n ? 0 : GN_S / 10);
        if (gn__tcp_error(from) || gn__tcp_error(to))
            return -ENOMEM;
    }
    assert_int_equal(got, BYTES);
    return 0;
}

static int converse(struct wire *wire, const struct life *life)
{
    struct wire_end *a = &wire->end[0], *b = &wire->end[1];
    struct gn__endpoint local = {.addr = life->v6 ? a->addr6 : a->addr,
                                 .port = 4000};
    struct gn__endpoint remote = {.addr = life->v6 ? b->addr6 : b->addr,
                                  .port = 80};
    struct gn__tcp_params params;
    struct gn__conn *client, *server;
    int err;

    gn__tcp_params_default(&params);
    err = gn__tcp_listen(&b->stack, &params, 5, b, &b->listener);
    if (err) {
        b->listener = NULL;
        return err;
    }
    err = gn__tcp_connect(&a->stack, &local, &remote, &params, a, &client);
    if (err)
        return err;
    if (!gn__tcp_connected(client))
        get_well(wire, life);
    assert_true(wire_until(wire, over, client, 200 * GN_S));
    if (gn__tcp_error(client) ||
        !wire_until(wire, acceptable, b->listener, 200 * GN_S)) {
        gn__tcp_close(client);
        return -ENOMEM;
    }
    server = gn__tcp_accept(b->listener, b);
    err = transfer(wire, life, client, server);
    gn__tcp_close(client);
    gn__tcp_close(server);
    wire_pass(wire, 300 * GN_S);
    assert_int_equal(a->stack.n_conns, 0);
    assert_int_equal(b->stack.n_conns, 0);
    return err;
}

static int live(struct gn_test_heap *heap, void *arg)
{
    struct life *life = arg;
    struct wire wire;
    int err;

    life->heap = heap;
    if (!wire_try_init(&wire, &heap->alloc, GN_S))
        return -ENOMEM;
    wire.mtu = life->mtu;
    wire.delay_ns = 1000000;
    err = converse(&wire, life);
    wire_done(&wire);
    if (heap->failed)
        return -ENOMEM;
    return err;
}

static void every_allocation_may_fail(void **state)
{
    struct life life = {.mtu = 16384};

    (void)state;
    assert_true(gn_test_heap_sweep(live, &life) > 20);
    life.mtu = 1500;
    life.v6 = true;
    assert_true(gn_test_heap_sweep(live, &life) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
