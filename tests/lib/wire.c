/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/wire.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/seed.h"

static struct wire_end *end_of(struct gn__stack *stack)
{
    return stack->owner;
}

static void output(struct gn__stack *stack, struct gn__packet *packet)
{
    struct wire_end *from = end_of(stack);
    struct wire *wire = from->wire;
    uint64_t now = wire->net.now;
    uint64_t when = now + wire->delay_ns;

    wire->n_packets++;
    wire->n_bytes += packet->len;
    if ((wire->filter && wire->filter(wire, packet)) ||
        (wire->loss_ppm &&
         gn__rng_below(&wire->rng, 1000000) < wire->loss_ppm)) {
        wire->n_lost++;
        gn__packet_free(packet);
        return;
    }
    if (wire->rate_bps) {
        uint64_t busy = from->busy_until > now ? from->busy_until : now;

        if (wire->queue_ns && busy - now > wire->queue_ns) {
            wire->n_lost++;
            gn__packet_free(packet);
            return;
        }
        from->busy_until =
            busy + packet->len * 8ull * 1000000000ull / wire->rate_bps;
        when = from->busy_until + wire->delay_ns;
    }
    if (wire->jitter_ns)
        when += gn__rng_below(&wire->rng, wire->jitter_ns);
    gn__heap_insert(&wire->flying, &packet->event, when);
}

static uint32_t mtu(struct gn__stack *stack, const struct gn__addr *remote)
{
    (void)remote;
    return end_of(stack)->wire->mtu;
}

static struct gn__listener *listener(struct gn__stack *stack,
                                     const struct gn__endpoint *local,
                                     const struct gn__endpoint *remote)
{
    (void)remote;
    return local->port == 80 ? end_of(stack)->listener : NULL;
}

static uint64_t time_wait(struct gn__stack *stack)
{
    return 2 * end_of(stack)->wire->delay_ns;
}

static uint64_t round_trip(struct gn__stack *stack,
                           const struct gn__addr *remote)
{
    (void)remote;
    return 2 * end_of(stack)->wire->delay_ns;
}

static void changed(struct gn__stack *stack, void *owner)
{
    (void)owner;
    end_of(stack)->changes++;
}

static void released(struct gn__stack *stack, void *binding)
{
    (void)binding;
    end_of(stack)->wire->released++;
}

static void dropped(struct gn__stack *stack, enum gn__tcp_drop why)
{
    end_of(stack)->drops[why]++;
}

static const struct gn__stack_ops ops = {.output = output,
                                         .mtu = mtu,
                                         .listener = listener,
                                         .time_wait_ns = time_wait,
                                         .round_trip_ns = round_trip,
                                         .changed = changed,
                                         .released = released,
                                         .dropped = dropped};

bool wire_init_seeded(struct wire *wire, const struct gn_allocator *alloc,
                      uint64_t start_ns, uint64_t seed_number)
{
    uint64_t seed[2] = {seed_number, 1};
    unsigned i;

    memset(wire, 0, sizeof(*wire));
    if (gn__netstack_init(&wire->net, alloc, seed, start_ns))
        return false;
    gn__heap_init(&wire->flying);
    gn__rng_init(&wire->rng, seed, "wire", 4);
    wire->mtu = 16384;
    for (i = 0; i < WIRE_STACKS; i++) {
        struct wire_end *end = &wire->end[i];
        uint64_t key[2] = {seed[0], i + 2};
        uint8_t v6[16] = {0xfd, 0x77, [15] = (uint8_t)(i + 1)};

        end->wire = wire;
        end->addr = gn__addr_from_v4(0x0a4d0001 + i);
        end->addr6 = gn__addr_from_v6_bytes(v6);
        assert_int_equal(
            gn__stack_init(&end->stack, &wire->net, &ops, end, key), 0);
    }
    return true;
}

bool wire_try_init(struct wire *wire, const struct gn_allocator *alloc,
                   uint64_t start_ns)
{
    struct gn_test_seed seed;

    gn_test_seed_init(&seed);
    return wire_init_seeded(wire, alloc, start_ns, gn_test_random(&seed));
}

void wire_init(struct wire *wire, const struct gn_allocator *alloc,
               uint64_t start_ns)
{
    assert_true(wire_try_init(wire, alloc, start_ns));
}

void wire_done(struct wire *wire)
{
    struct gn__heap_node *node;
    unsigned i;

    for (i = 0; i < WIRE_STACKS; i++) {
        if (wire->end[i].listener)
            gn__tcp_unlisten(wire->end[i].listener);
        gn__stack_done(&wire->end[i].stack);
        assert_int_equal(wire->end[i].stack.budget.held, 0);
    }
    while ((node = gn__heap_first(&wire->flying))) {
        gn__heap_remove(&wire->flying, node);
        gn__packet_free(gn__container_of(node, struct gn__packet, event));
    }
    assert_int_equal(wire->net.packets.n_live, 0);
    gn__netstack_done(&wire->net);
}

void wire_inject(struct wire_end *end, struct gn__packet *packet)
{
    if (gn__ip_is_fragment(&packet->ip)) {
        packet = gn__stack_reassemble(&end->stack, packet);
        if (!packet)
            return;
    }
    gn__tcp_input(&end->stack, packet);
}

static void deliver(struct wire *wire, struct gn__packet *packet)
{
    unsigned i;

    for (i = 0; i < WIRE_STACKS; i++) {
        struct wire_end *end = &wire->end[i];

        if (gn__addr_equal(&packet->ip.dst, &end->addr) ||
            gn__addr_equal(&packet->ip.dst, &end->addr6)) {
            wire_inject(end, packet);
            return;
        }
    }
    gn__packet_free(packet);
}

uint64_t wire_next(struct wire *wire)
{
    struct gn__heap_node *first = gn__heap_first(&wire->flying);
    uint64_t timers = gn__netstack_deadline(&wire->net);

    return first && first->time < timers ? first->time : timers;
}

void wire_run(struct wire *wire, uint64_t until_ns)
{
    uint64_t next;

    while ((next = wire_next(wire)) <= until_ns) {
        struct gn__heap_node *first;

        if (next > wire->net.now)
            wire->net.now = next;
        first = gn__heap_first(&wire->flying);
        if (first && first->time <= wire->net.now) {
            gn__heap_remove(&wire->flying, first);
            deliver(wire, gn__container_of(first, struct gn__packet, event));
            continue;
        }
        gn__netstack_timers(&wire->net, 1);
    }
    if (wire->net.now < until_ns)
        wire->net.now = until_ns;
}

void wire_pass(struct wire *wire, uint64_t ns)
{
    wire_run(wire, wire->net.now + ns);
}

bool wire_until(struct wire *wire, bool (*done)(void *arg), void *arg,
                uint64_t limit_ns)
{
    uint64_t limit = wire->net.now + limit_ns;

    while (!done(arg)) {
        uint64_t next = wire_next(wire);

        if (next > limit)
            return false;
        wire_run(wire, next > wire->net.now ? next : wire->net.now);
    }
    return true;
}

static bool acceptable(void *arg)
{
    struct wire_end *end = arg;

    return gn__tcp_acceptable(end->listener);
}

static bool is_connected(void *arg)
{
    return gn__tcp_connected(arg);
}

struct wire_pair wire_connect(struct wire *wire, unsigned from, unsigned to,
                              uint16_t from_port, bool v6)
{
    struct wire_end *a = &wire->end[from], *b = &wire->end[to];
    struct gn__endpoint local = {.addr = v6 ? a->addr6 : a->addr,
                                 .port = from_port};
    struct gn__endpoint remote = {.addr = v6 ? b->addr6 : b->addr, .port = 80};
    struct gn__tcp_params params;
    struct wire_pair pair;

    gn__tcp_params_default(&params);
    if (!b->listener)
        assert_int_equal(
            gn__tcp_listen(&b->stack, &params, 128, b, &b->listener), 0);
    assert_int_equal(
        gn__tcp_connect(&a->stack, &local, &remote, &params, a, &pair.client),
        0);
    assert_true(wire_until(wire, is_connected, pair.client, 60000000000ull));
    assert_true(wire_until(wire, acceptable, b, 60000000000ull));
    pair.server = gn__tcp_accept(b->listener, b);
    assert_non_null(pair.server);
    return pair;
}

static uint8_t pattern(uint64_t pos)
{
    return (uint8_t)(pos * 167 + (pos >> 8) * 13 + (pos >> 16));
}

size_t wire_send(struct gn__conn *conn, uint64_t *pos, size_t len)
{
    struct gn__slice slice;
    size_t space = gn__tcp_space(conn), i;
    uint8_t *data;

    if (len > space)
        len = space;
    if (len > GN__CHUNK_MAX)
        len = GN__CHUNK_MAX;
    if (!len)
        return 0;
    slice.chunk = gn__chunk_alloc(end_of(conn->stack)->wire->net.chunks, len);
    if (!slice.chunk)
        return 0;
    data = gn__chunk_data(slice.chunk);
    for (i = 0; i < len; i++)
        data[i] = pattern(*pos + i);
    slice.data = data;
    slice.len = (uint32_t)len;
    if (gn__tcp_send(conn, &slice, false)) {
        gn__chunk_unref(slice.chunk);
        return 0;
    }
    *pos += len;
    return len;
}

size_t wire_recv(struct gn__conn *conn, uint64_t *pos, size_t max)
{
    struct gn__slice slices[16];
    size_t n = gn__tcp_take(conn, max, false, 0, slices, 16), i, j, sum = 0;

    for (i = 0; i < n; i++) {
        for (j = 0; j < slices[i].len; j++)
            assert_int_equal(slices[i].data[j], pattern(*pos + sum + j));
        sum += slices[i].len;
        gn__chunk_unref(slices[i].chunk);
    }
    *pos += sum;
    return sum;
}
