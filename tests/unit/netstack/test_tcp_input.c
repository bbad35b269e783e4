/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a connection makes of the segments of a peer that is played here.
 *
 * The short way of those that bring the next bytes and no more
 * (netstack/lwip/predict.c) changes nothing but its cost: of two connections
 * that hear the same, one hears it with an option, which keeps its segments off
 * that way, and both do and say the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "netstack/tcp_internal.h"
#include "tests/lib/seed.h"
#include "tests/lib/units.h"
#include "tests/lib/wire.h"

#define STEPS   5000
#define LONGEST 3000u
#define PORT    4000u
#define NO_OP   1
#define HDR_LEN 20u

/* A connection of stack 0's to a peer that is played here, and what stack 0
 * said: how often, and the last time. */
struct side {
    struct gn__conn *conn;
    uint64_t n_written;
    uint32_t n_said, said_ack, said_window, said_len;
};

/* What happens next to both. */
struct step {
    enum { NEXT, ANSWER, ACK, GAP, AGAIN, WRITE, READ, N_WHATS } what;
    uint32_t len;
    uint16_t window;
};

struct fixture {
    struct wire wire;
    struct gn_test_seed seed;
    struct side side[2]; /* without and with an option */
};

static bool note_said(struct wire *wire, const struct gn__packet *packet)
{
    struct fixture *f = wire->filter_arg;
    const uint8_t *tcp = packet->head + packet->ip.l4;
    struct side *side = &f->side[gn__get16(tcp) - PORT];

    side->n_said++;
    side->said_len = packet->len;
    side->said_ack = gn__get32(tcp + 8);
    side->said_window = gn__get16(tcp + 14);
    return true;
}

static void peer_says(struct fixture *f, struct side *side, uint8_t flags,
                      uint32_t seq, uint32_t ack, uint16_t window, uint32_t len)
{
    bool option = side == &f->side[1];
    uint32_t hdr_len = HDR_LEN + (option ? 4 : 0);
    struct gn__ip_build ip = {.src = f->wire.end[1].addr,
                              .dst = f->wire.end[0].addr,
                              .proto = GN__PROTO_TCP,
                              .ttl = 64,
                              .payload_len = hdr_len + len};
    static uint8_t bytes[GN__IP4_HDR_LEN + HDR_LEN + 4 + LONGEST];
    uint8_t *tcp = bytes + gn__ip_build(&ip, bytes);
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;

    memset(tcp, NO_OP, hdr_len);
    gn__put16(tcp, 80);
    gn__put16(tcp + 2, PORT + (uint32_t)(side - f->side));
    gn__put32(tcp + 4, seq);
    gn__put32(tcp + 8, ack);
    tcp[12] = (uint8_t)(hdr_len / 4 << 4);
    tcp[13] = flags;
    gn__put16(tcp + 14, window);
    memset(tcp + hdr_len, 'x', len);
    assert_int_equal(
        gn__packet_from_bytes(&f->wire.net.packets, bytes,
                              GN__IP4_HDR_LEN + (size_t)hdr_len + len, true,
                              &flaw, &packet),
        0);
    wire_inject(&f->wire.end[0], packet);
}

static struct gn__pcb_view numbers(const struct side *side)
{
    struct gn__pcb_view view = {0};

    gn__netstack_ops.view(side->conn, &view);
    return view;
}

static void side_open(struct fixture *f, struct side *side)
{
    struct gn__endpoint local = {.addr = f->wire.end[0].addr,
                                 .port = PORT + (uint16_t)(side - f->side)};
    struct gn__endpoint remote = {.addr = f->wire.end[1].addr, .port = 80};
    struct gn__tcp_params params;

    gn__tcp_params_default(&params);
    assert_int_equal(gn__tcp_connect(&f->wire.end[0].stack, &local, &remote,
                                     &params, side, &side->conn),
                     0);
    peer_says(f, side, GN__FLAG_SYN | GN__FLAG_ACK, UINT32_MAX - 9999,
              numbers(side).snd_nxt, 20000, 0);
    assert_true(gn__tcp_connected(side->conn));
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    wire_init(&f.wire, NULL, GN_S);
    gn_test_seed_init(&f.seed);
    f.wire.filter = note_said;
    f.wire.filter_arg = &f;
    side_open(&f, &f.side[0]);
    side_open(&f, &f.side[1]);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__tcp_abort(f->side[0].conn);
    gn__tcp_abort(f->side[1].conn);
    wire_done(&f->wire);
    return 0;
}

static void side_step(struct fixture *f, struct side *side,
                      const struct step *step)
{
    struct gn__pcb_view view = numbers(side);
    uint32_t seq = view.rcv_nxt, ack = view.snd_nxt - view.in_flight;
    uint32_t len = step->what == ACK ? 0 : step->len;
    size_t waiting = gn__tcp_readable(side->conn);

    if (step->what == WRITE) {
        (void)wire_send(side->conn, &side->n_written, step->len);
        return;
    }
    if (step->what == READ) {
        gn__tcp_skip(side->conn, step->len < waiting ? step->len : waiting);
        return;
    }
    if (step->what == ANSWER || step->what == ACK)
        ack = view.snd_nxt;
    if (step->what == GAP)
        seq += 100;
    if (step->what == AGAIN)
        seq -= len / 2;
    peer_says(f, side, GN__FLAG_ACK | (len % 2 ? GN__FLAG_PSH : 0), seq, ack,
              step->window, len);
}

/* Most segments are what is predicted. */
static struct step draw_step(struct fixture *f)
{
    struct gn_test_seed *seed = &f->seed;
    struct step step = {.what = NEXT};

    if (gn_test_random_below(seed, 3) == 0)
        step.what = (int)gn_test_random_below(seed, N_WHATS);
    step.len = 1 + (uint32_t)gn_test_random_below(seed, LONGEST);
    step.window = (uint16_t)gn_test_random_below(seed, 20001);
    if (step.what == READ)
        step.len *= 4;
    return step;
}

static void assert_sides_equal(const struct fixture *f)
{
    const struct side *a = &f->side[0], *b = &f->side[1];
    struct gn__pcb_view x = numbers(a), y = numbers(b);

    assert_int_equal(a->n_said, b->n_said);
    assert_int_equal(a->said_len, b->said_len);
    assert_int_equal(a->said_ack, b->said_ack);
    assert_int_equal(a->said_window, b->said_window);
    assert_int_equal(gn__tcp_readable(a->conn), gn__tcp_readable(b->conn));
    assert_int_equal(gn__netstack_ops.deadline(a->conn),
                     gn__netstack_ops.deadline(b->conn));
    x.snd_nxt = y.snd_nxt = 0; /* They begin at different numbers. */
    assert_memory_equal(&x, &y, sizeof(x));
}

static void short_way_leads_to_the_same(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < STEPS; i++) {
        struct step step = draw_step(f);

        side_step(f, &f->side[0], &step);
        side_step(f, &f->side[1], &step);
        assert_sides_equal(f);
        if (gn_test_random_below(&f->seed, 4) == 0)
            wire_pass(&f->wire, gn_test_random_below(&f->seed, 60 * GN_MS));
        assert_sides_equal(f);
    }
}

/* All that the window holds, and more, behind a gap of a byte; then that. */
static void window_is_all_that_is_taken(struct fixture *f, struct side *side,
                                        uint32_t more)
{
    const struct step fill = {.what = NEXT, .len = LONGEST, .window = 20000};
    struct gn__pcb_view view;
    size_t waiting;

    while (numbers(side).rcv_wnd > LONGEST - 100)
        side_step(f, side, &fill);
    view = numbers(side);
    waiting = gn__tcp_readable(side->conn);
    peer_says(f, side, GN__FLAG_ACK | GN__FLAG_FIN, view.rcv_nxt + 1,
              view.snd_nxt, 20000, view.rcv_wnd - 1 + more);
    peer_says(f, side, GN__FLAG_ACK, view.rcv_nxt, view.snd_nxt, 20000, 1);
    assert_int_equal(numbers(side).rcv_nxt, view.rcv_nxt + view.rcv_wnd);
    assert_int_equal(numbers(side).rcv_wnd, 0);
    assert_int_equal(gn__tcp_readable(side->conn), waiting + view.rcv_wnd);
    assert_false(gn__tcp_eof(side->conn));
}

static void what_is_beyond_the_window_is_cut(void **state)
{
    struct fixture *f = *state;

    window_is_all_that_is_taken(f, &f->side[0], 50);
}

static void a_fin_beyond_the_window_is_cut(void **state)
{
    struct fixture *f = *state;

    window_is_all_that_is_taken(f, &f->side[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(short_way_leads_to_the_same, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_beyond_the_window_is_cut, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_fin_beyond_the_window_is_cut, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
