/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How payload is cut into segments when the peer's window or our own MSS is
 * not what it was when the segments before were cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "netstack/lwip/glue.h"
#include "tests/lib/wire.h"
#include "tests/lib/units.h"

#define SYN 0x02
#define ACK 0x10

/* A connection of stack 0's to a peer that is played here. */
struct fixture {
    struct wire wire;
    struct gn__conn *conn;
    uint32_t n_segments; /* with payload, sent by stack 0 */
    uint32_t longest;
    bool deaf; /* packets are lost */
};

static bool look(struct wire *wire, const struct gn__packet *packet)
{
    struct fixture *f = wire->filter_arg;
    uint32_t headers =
        packet->ip.l4 + (uint32_t)(packet->head[packet->ip.l4 + 12] >> 4) * 4;

    if (packet->len > headers) {
        f->n_segments++;
        if (packet->len - headers > f->longest)
            f->longest = packet->len - headers;
    }
    return f->deaf;
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    wire_init(&f.wire, NULL, GN_S);
    f.wire.filter = look;
    f.wire.filter_arg = &f;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    wire_done(&f->wire);
    return 0;
}

static struct gn__pcb_view numbers(const struct fixture *f)
{
    struct gn__pcb_view view;

    gn__netstack_ops.view(f->conn, &view);
    return view;
}

/* What the peer says: a segment without payload. */
static void say(struct fixture *f, uint8_t flags, uint32_t ack, uint16_t window)
{
    struct gn__ip_build ip = {.src = f->wire.end[1].addr,
                              .dst = f->wire.end[0].addr,
                              .proto = GN__PROTO_TCP,
                              .ttl = 64,
                              .payload_len = 20};
    uint32_t seq = flags & SYN ? 6999 : 7000;
    uint8_t bytes[40] = {0};
    uint8_t *hdr = bytes + gn__ip_build(&ip, bytes);
    const uint8_t header[20] = {0,
                                80,
                                4000 >> 8,
                                4000 & 0xff,
                                (uint8_t)(seq >> 24),
                                (uint8_t)(seq >> 16),
                                (uint8_t)(seq >> 8),
                                (uint8_t)seq,
                                (uint8_t)(ack >> 24),
                                (uint8_t)(ack >> 16),
                                (uint8_t)(ack >> 8),
                                (uint8_t)ack,
                                5 << 4,
                                flags,
                                (uint8_t)(window >> 8),
                                (uint8_t)window};
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;

    memcpy(hdr, header, sizeof(header));
    assert_int_equal(gn__packet_from_bytes(&f->wire.net.packets, bytes,
                                           sizeof(bytes), true, &flaw, &packet),
                     0);
    wire_inject(&f->wire.end[0], packet);
}

static void connect_to_window(struct fixture *f, uint16_t window)
{
    struct gn__endpoint local = {.addr = f->wire.end[0].addr, .port = 4000};
    struct gn__endpoint remote = {.addr = f->wire.end[1].addr, .port = 80};
    struct gn__tcp_params params;

    gn__tcp_params_default(&params);
    params.nodelay = true;
    f->deaf = true;
    assert_int_equal(gn__tcp_connect(&f->wire.end[0].stack, &local, &remote,
                                     &params, f, &f->conn),
                     0);
    say(f, SYN | ACK, numbers(f).snd_nxt, window);
    assert_true(gn__tcp_connected(f->conn));
}

static void window_that_opens_a_little_is_written_to(void **state)
{
    struct fixture *f = *state;
    uint16_t first, then;

    for (first = 0; first < 4; first++) {
        for (then = 0; then < 6; then++) {
            uint64_t pos = 0;

            connect_to_window(f, first);
            assert_int_equal(wire_send(f->conn, &pos, 1000), 1000);
            say(f, ACK, numbers(f).snd_nxt, then);
            assert_int_equal(wire_send(f->conn, &pos, 1000), 1000);
            assert_int_equal(wire_send(f->conn, &pos, 32768), 32768);
            gn__tcp_abort(f->conn);
        }
    }
}

/* A byte in a segment costs hundreds of memory. */
static void smallest_window_makes_no_tiny_segments(void **state)
{
    struct fixture *f = *state;
    size_t held;
    uint64_t pos = 0;

    connect_to_window(f, 3);
    held = f->wire.end[0].stack.budget.held;
    assert_int_equal(wire_send(f->conn, &pos, 32768), 32768);
    assert_in_range(f->wire.end[0].stack.budget.held - held, 32768, 8 * 32768);
    gn__tcp_abort(f->conn);
}

static bool is_read(void *arg)
{
    struct wire_pair *pair = arg;
    static uint64_t pos;

    wire_recv(pair->server, &pos, SIZE_MAX);
    return gn__tcp_unsent(pair->client) == 0;
}

static void segments_of_a_larger_mss_are_sent_again(void **state)
{
    struct fixture *f = *state;
    struct wire_pair pair = wire_connect(&f->wire, 0, 1, 4000, false);
    struct gn__tcp_params params = pair.client->params;
    uint64_t pos = 0;

    f->deaf = true;
    assert_int_equal(wire_send(pair.client, &pos, 60000), 60000);
    params.max_segment = 100;
    gn__tcp_set(pair.client, &params);
    wire_pass(&f->wire, 5 * GN_S);
    assert_int_equal(wire_send(pair.client, &pos, 1000), 1000);
    wire_pass(&f->wire, 5 * GN_S);
    f->deaf = false;
    assert_true(wire_until(&f->wire, is_read, &pair, 60 * GN_S));
    f->longest = 0;
    assert_int_equal(wire_send(pair.client, &pos, 1000), 1000);
    assert_true(wire_until(&f->wire, is_read, &pair, 60 * GN_S));
    assert_int_equal(f->longest, 100);
    gn__tcp_close(pair.client);
    gn__tcp_close(pair.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            window_that_opens_a_little_is_written_to, setup, teardown),
        cmocka_unit_test_setup_teardown(smallest_window_makes_no_tiny_segments,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(segments_of_a_larger_mss_are_sent_again,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
