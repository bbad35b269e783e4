/* SPDX-License-Identifier: BSD-3-Clause */
/* Many lwIP in one process: instances that know nothing of each other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/counter.h"
#include "tests/lib/heap.h"
#include "tests/lib/wire.h"
#include "tests/lib/units.h"

#define N 100000u

/* Guests that all have the address 10.0.0.1 and talk to themselves. */
struct hermit {
    struct gn__stack stack;
    struct gn__listener *listener;
    struct gn__conn *client;
    struct gn__conn *server;
};

static struct gn__netstack net;
static struct gn__packet *first, **last = &first;

static void output(struct gn__stack *stack, struct gn__packet *packet)
{
    packet->to = stack;
    packet->next = NULL;
    *last = packet;
    last = &packet->next;
}

static uint32_t mtu(struct gn__stack *stack, const struct gn__addr *remote)
{
    (void)stack;
    (void)remote;
    return 1500;
}

static struct gn__listener *listener(struct gn__stack *stack,
                                     const struct gn__endpoint *local,
                                     const struct gn__endpoint *remote)
{
    struct hermit *hermit = stack->owner;

    (void)remote;
    return local->port == 80 ? hermit->listener : NULL;
}

static uint64_t time_wait(struct gn__stack *stack)
{
    (void)stack;
    return 0;
}

static uint64_t round_trip(struct gn__stack *stack,
                           const struct gn__addr *remote)
{
    (void)stack;
    (void)remote;
    return 0;
}

static void changed(struct gn__stack *stack, void *owner)
{
    (void)stack;
    (void)owner;
}

static void released(struct gn__stack *stack, void *binding)
{
    (void)stack;
    (void)binding;
}

static const struct gn__stack_ops ops = {.output = output,
                                         .mtu = mtu,
                                         .listener = listener,
                                         .time_wait_ns = time_wait,
                                         .round_trip_ns = round_trip,
                                         .changed = changed,
                                         .released = released};

static void deliver_all(void)
{
    while (first) {
        struct gn__packet *packet = first;

        first = packet->next;
        if (!first)
            last = &first;
        gn__tcp_input(packet->to, packet);
    }
}

static void start(struct hermit *hermit, unsigned i)
{
    struct gn__endpoint local = {.addr = gn__addr_from_v4(0x0a000001),
                                 .port = 40000};
    struct gn__endpoint remote = {.addr = local.addr, .port = 80};
    struct gn__tcp_params params;
    uint64_t key[2] = {i, 7};

    gn__tcp_params_default(&params);
    assert_int_equal(gn__stack_init(&hermit->stack, &net, &ops, hermit, key),
                     0);
    assert_int_equal(
        gn__tcp_listen(&hermit->stack, &params, 1, hermit, &hermit->listener),
        0);
    assert_int_equal(gn__tcp_connect(&hermit->stack, &local, &remote, &params,
                                     hermit, &hermit->client),
                     0);
}

/* Each sends its own number; one that sees another's sees another guest. */
static void say_number(struct hermit *hermit, uint32_t i)
{
    hermit->server = gn__tcp_accept(hermit->listener, hermit);
    assert_non_null(hermit->server);
    assert_int_equal(gn__tcp_send_copy(hermit->client, &i, sizeof(i), false),
                     sizeof(i));
}

static void hear_number(struct hermit *hermit, uint32_t i)
{
    struct gn__slice slice;
    uint32_t heard;

    assert_int_equal(gn__tcp_take(hermit->server, 100, false, 0, &slice, 1), 1);
    assert_int_equal(slice.len, sizeof(heard));
    memcpy(&heard, slice.data, sizeof(heard));
    gn__chunk_unref(slice.chunk);
    assert_int_equal(heard, i);
}

static void a_hundred_thousand_share_nothing(void **state)
{
    uint64_t secret[2] = {1, 2};
    struct gn_test_heap heap;
    struct hermit *all = calloc(N, sizeof(*all));
    unsigned i;

    (void)state;
    gn_test_heap_init(&heap);
    assert_non_null(all);
    assert_int_equal(gn__netstack_init(&net, &heap.alloc, secret, GN_S), 0);
    for (i = 0; i < N; i++)
        start(&all[i], i);
    deliver_all();
    for (i = 0; i < N; i++)
        say_number(&all[i], i);
    deliver_all();
    for (i = 0; i < N; i++)
        hear_number(&all[i], i);
    net.now += GN_S;
    while (gn__netstack_timers(&net, 1000))
        deliver_all();
    deliver_all();
    printf("%u guests, each with a connection: %llu bytes each\n", N,
           (unsigned long long)heap.live_bytes / N + sizeof(*all));
    /* All are idle now: nothing is due, ever. */
    net.now += GN_S;
    while (gn__netstack_timers(&net, 1000))
        deliver_all();
    assert_int_equal(gn__netstack_deadline(&net), GN__NEVER);
    for (i = 0; i < N; i++) {
        gn__tcp_unlisten(all[i].listener);
        gn__stack_done(&all[i].stack);
    }
    gn__netstack_done(&net);
    gn_test_heap_done(&heap);
    free(all);
}

/* What the first SYN of a connection carries. */
static bool note_isn(struct wire *wire, const struct gn__packet *packet)
{
    const uint8_t *hdr = packet->head + packet->ip.l4;
    uint32_t *isn = wire->filter_arg;

    if (hdr[13] == 2)
        *isn = (uint32_t)hdr[4] << 24 | (uint32_t)hdr[5] << 16 |
               (uint32_t)hdr[6] << 8 | hdr[7];
    return false;
}

static uint32_t isn_of(struct wire *wire, uint16_t port)
{
    struct wire_pair pair;
    uint32_t isn = 0;

    wire->filter = note_isn;
    wire->filter_arg = &isn;
    pair = wire_connect(wire, 0, 1, port, false);
    gn__tcp_vanish(pair.client);
    gn__tcp_vanish(pair.server);
    return isn;
}

/* What of a number is drawn: all of it, but where numbers start at a wrap. */
#define ISN_BITS (~GN__DRAWN_BITS)

/* RFC 6528: per tuple a clock of 4 us, between tuples no relation. */
static void initial_sequence_numbers_follow_rfc_6528(void **state)
{
    struct wire wire;
    uint32_t one, again, other, apart = ISN_BITS >> 22;

    (void)state;
    wire_init(&wire, NULL, GN_S);
    one = isn_of(&wire, 40000);
    wire_pass(&wire, GN_S);
    again = isn_of(&wire, 40000);
    other = isn_of(&wire, 40001);
    assert_int_equal((again - one) & ISN_BITS, 250000 & ISN_BITS);
    assert_true(other - again > apart && again - other > apart);
    wire_done(&wire);
}

/* The same endpoints under another guest's secret begin elsewhere. */
static void guests_have_secrets_of_their_own(void **state)
{
    struct wire wire;
    uint32_t one, other;

    (void)state;
    wire_init(&wire, NULL, GN_S);
    one = isn_of(&wire, 40000);
    wire.end[0].stack.isn_key[0] ^= 1;
    other = isn_of(&wire, 40000);
    assert_int_not_equal(one, other);
    wire_done(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_share_nothing),
        cmocka_unit_test(initial_sequence_numbers_follow_rfc_6528),
        cmocka_unit_test(guests_have_secrets_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
