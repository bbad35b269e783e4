/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The gateway as others see it on a wire: what it says to a port without a
 * stack of ours, packet by packet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/arena.h"
#include "tests/lib/beyond.h"
#include "tests/lib/case.h"
#include "tests/lib/foe.h"

#define GUEST4 "10.77.6.6"
#define GUEST6 "fd77::6:6"
#define OUT4   "203.0.113.7"
#define OUT6   "2001:db8::7"

struct fixture {
    struct arena arena;
    struct beyond beyond;
    struct foe foe;  /* with hooks */
    struct foe bare; /* without */
    uint8_t bytes[FOE_MAX];
};

static void give(struct fixture *f, struct foe *foe)
{
    gn__engine_enter(f->arena.net->engine);
    assert_int_equal(gn__port_set_outside(&foe->port, &f->beyond.outside), 0);
    gn__engine_leave(f->arena.net->engine);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    arena_begin(&f->arena, NULL);
    beyond_init(&f->beyond);
    f->beyond.mode = BEYOND_WAIT;
    foe_open(&f->foe, f->arena.net, GUEST4, GUEST6);
    foe_open(&f->bare, f->arena.net, "10.77.6.7", NULL);
    give(f, &f->foe);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    foe_close(&f->foe);
    foe_close(&f->bare);
    arena_pass(&f->arena, GN_MS, 1000);
    beyond_done(&f->beyond);
    assert_int_equal(f->beyond.n_released, 1);
    arena_end(&f->arena);
    free(f);
    return 0;
}

static void pass(struct fixture *f)
{
    arena_pass(&f->arena, GN_MS, 1000);
}

static struct foe_segment segment_to(const char *out, uint8_t flags)
{
    bool v4 = !strchr(out, ':');

    return (struct foe_segment){.src = foe_addr(v4 ? GUEST4 : GUEST6),
                                .dst = foe_addr(out),
                                .src_port = 4000,
                                .dst_port = 80,
                                .seq = 1000,
                                .window = 8192,
                                .flags = flags};
}

static void transmit(struct fixture *f, struct foe *foe,
                     const struct foe_segment *segment)
{
    assert_true(foe_send(foe, f->bytes, foe_tcp(segment, f->bytes)));
}

static void send_flags(struct fixture *f, const char *out, uint8_t flags)
{
    struct foe_segment segment = segment_to(out, flags);

    transmit(f, &f->foe, &segment);
    pass(f);
}

/* The last packet the foe got: a segment with these flags from @out. */
static struct foe_view expect_segment(struct fixture *f, const char *out,
                                      uint8_t flags)
{
    struct gn__addr from = foe_addr(out);
    struct foe_view view;

    assert_non_null(f->foe.last);
    assert_true(foe_view(f->foe.last, &view));
    assert_int_equal(view.flags, flags);
    assert_true(gn__addr_equal(&f->foe.last->ip.src, &from));
    return view;
}

static void expect_icmp(struct foe *foe, const char *from,
                        enum gn__icmp_kind kind)
{
    struct gn__addr addr = foe_addr(from);
    struct gn__icmp icmp;

    assert_non_null(foe->last);
    assert_true(gn__icmp_parse(foe->last, &icmp));
    assert_int_equal(icmp.kind, kind);
    assert_true(icmp.has_inner);
    assert_true(gn__addr_equal(&foe->last->ip.src, &addr));
}

static uint64_t host_drops(struct fixture *f, enum gn_drop why)
{
    return arena_drops(gn_network_gateway(f->arena.net), why);
}

/* ---- connections ---- */

static void accepted_a_handshake_follows(void **state)
{
    static const char *const outs[] = {OUT4, OUT6};
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < 2; i++) {
        struct foe_conn conn = {.foe = &f->foe, .seq = 1001, .window = 8192};
        struct foe_view view;

        send_flags(f, outs[i], FOE_SYN);
        assert_int_equal(f->beyond.n_pending, 1);
        assert_ptr_equal(f->beyond.pending[0]->who, f->foe.port.owner);
        assert_int_equal(f->foe.n_received, i * 5);
        assert_int_equal(beyond_accept(&f->beyond), 0);
        view = expect_segment(f, outs[i], FOE_SYN | FOE_ACK);
        assert_int_equal(view.ack, 1001);
        conn.ack = view.seq + 1;
        conn.local = (struct gn__endpoint){
            .addr = foe_addr(i ? GUEST6 : GUEST4), .port = 4000};
        conn.remote =
            (struct gn__endpoint){.addr = foe_addr(outs[i]), .port = 80};
        foe_push(&conn, FOE_ACK, 0, NULL, 0);
        foe_push(&conn, FOE_ACK | FOE_PSH, 0, "ping", 4);
        arena_pass(&f->arena, 100 * GN_MS, 1000);
        view = expect_segment(f, outs[i], FOE_ACK | FOE_PSH);
        assert_int_equal(view.len, 4);
        assert_int_equal(view.ack, 1005);
        foe_push(&conn, FOE_RST, 4, NULL, 0);
        pass(f);
        assert_int_equal(f->beyond.n_conns, 0);
        f->foe.n_received = 5 * (i + 1);
    }
}

static void a_refusal_is_a_reset_or_a_message(void **state)
{
    static const struct {
        int error;
        enum gn__icmp_kind kind;
    } cases[] = {{-EHOSTUNREACH, GN__ICMP_HOST_UNREACHABLE},
                 {-ENETUNREACH, GN__ICMP_NET_UNREACHABLE},
                 {-EACCES, GN__ICMP_PROHIBITED},
                 {-EADDRNOTAVAIL, GN__ICMP_HOST_UNREACHABLE}};
    struct fixture *f = *state;
    struct foe_view view;
    size_t i;

    send_flags(f, OUT4, FOE_SYN);
    beyond_refuse(&f->beyond, -ECONNREFUSED);
    view = expect_segment(f, OUT4, FOE_RST | FOE_ACK);
    assert_int_equal(view.ack, 1001);
    for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        send_flags(f, OUT6, FOE_SYN);
        beyond_refuse(&f->beyond, cases[i].error);
        expect_icmp(&f->foe, OUT6, cases[i].kind);
    }
    f->foe.n_received = 0;
    send_flags(f, OUT4, FOE_SYN);
    beyond_refuse(&f->beyond, -ETIMEDOUT);
    pass(f);
    assert_int_equal(f->foe.n_received, 0);
}

static void repeated_syns_are_one_dial(void **state)
{
    struct fixture *f = *state;
    struct foe_segment segment = segment_to(OUT4, FOE_SYN);

    transmit(f, &f->foe, &segment);
    transmit(f, &f->foe, &segment);
    pass(f);
    transmit(f, &f->foe, &segment);
    pass(f);
    assert_int_equal(f->beyond.n_dials, 1);
    /* Another number is another connection: the guest has begun anew. */
    segment.seq = 77;
    transmit(f, &f->foe, &segment);
    pass(f);
    assert_int_equal(f->beyond.n_dials, 2);
    assert_int_equal(f->beyond.n_cancelled, 1);
    assert_int_equal(f->beyond.n_pending, 1);
    assert_int_equal(beyond_accept(&f->beyond), 0);
    assert_int_equal(expect_segment(f, OUT4, FOE_SYN | FOE_ACK).ack, 78);
}

static void a_reset_cancels_if_it_fits(void **state)
{
    struct fixture *f = *state;
    struct foe_segment segment = segment_to(OUT4, FOE_SYN);

    transmit(f, &f->foe, &segment);
    pass(f);
    segment.flags = FOE_RST;
    segment.seq = 5000;
    transmit(f, &f->foe, &segment);
    pass(f);
    assert_int_equal(f->beyond.n_cancelled, 0);
    segment.seq = 1001;
    transmit(f, &f->foe, &segment);
    pass(f);
    assert_int_equal(f->beyond.n_cancelled, 1);
    assert_int_equal(f->foe.n_received, 0);
}

static void strays_are_reset_and_counted(void **state)
{
    struct fixture *f = *state;
    struct foe_view view;
    struct foe_segment segment = segment_to(OUT4, FOE_ACK);

    segment.ack = 4711;
    transmit(f, &f->foe, &segment);
    view = expect_segment(f, OUT4, FOE_RST);
    assert_int_equal(view.seq, 4711);
    send_flags(f, OUT4, FOE_SYN | FOE_ACK);
    send_flags(f, OUT4, FOE_SYN | FOE_FIN);
    send_flags(f, OUT4, 0);
    assert_int_equal(f->foe.n_received, 4);
    send_flags(f, OUT4, FOE_RST);
    assert_int_equal(f->foe.n_received, 4);
    assert_int_equal(f->beyond.n_dials, 0);
    assert_int_equal(host_drops(f, GN_DROP_NOT_PROXIED), 4);
}

static void without_hooks_there_is_no_way(void **state)
{
    struct gn__endpoint from = {.addr = foe_addr("10.77.6.7"), .port = 4000};
    struct gn__endpoint to = {.addr = foe_addr(OUT4), .port = 80};
    struct gn__addr gateway = foe_addr("10.77.0.1");
    struct fixture *f = *state;
    struct foe_segment segment = segment_to(OUT4, FOE_SYN);
    size_t len;

    segment.src = from.addr;
    transmit(f, &f->bare, &segment);
    pass(f);
    expect_icmp(&f->bare, "10.77.0.1", GN__ICMP_NET_UNREACHABLE);
    assert_int_equal(host_drops(f, GN_DROP_NOT_PROXIED), 0); /* The switch. */
    len = foe_tcp(&segment, f->bytes);
    assert_true(foe_send_via(&f->bare, &gateway, f->bytes, len));
    expect_icmp(&f->bare, "10.77.0.1", GN__ICMP_NET_UNREACHABLE);
    len = foe_udp(&from, &to, "x", 1, f->bytes);
    assert_true(foe_send_via(&f->bare, &gateway, f->bytes, len));
    expect_icmp(&f->bare, "10.77.0.1", GN__ICMP_NET_UNREACHABLE);
    assert_int_equal(f->bare.n_icmp, 3);
    assert_int_equal(host_drops(f, GN_DROP_NOT_PROXIED), 2);
}

/* Sources are the port's own, whatever it writes. */
static void a_guest_cannot_dial_for_another(void **state)
{
    struct fixture *f = *state;
    struct foe_segment segment = segment_to(OUT4, FOE_SYN);

    segment.src = foe_addr("10.77.6.7");
    transmit(f, &f->foe, &segment);
    pass(f);
    segment = segment_to(OUT4, FOE_SYN);
    transmit(f, &f->bare, &segment);
    pass(f);
    assert_int_equal(f->beyond.n_dials, 0);
}

static void fragments_are_put_together_first(void **state)
{
    struct gn__addr src = foe_addr(GUEST4), dst = foe_addr(OUT4);
    struct foe_segment segment = segment_to(OUT4, FOE_SYN);
    struct fixture *f = *state;
    uint8_t whole[128], piece[128];
    size_t n;

    n = foe_tcp(&segment, whole);
    assert_int_equal(n, 40);
    n = foe_fragment(&src, &dst, 6, 7, 0, true, whole + 20, 16, piece);
    assert_true(foe_send(&f->foe, piece, n));
    pass(f);
    assert_int_equal(f->beyond.n_dials, 0);
    n = foe_fragment(&src, &dst, 6, 7, 16, false, whole + 36, 4, piece);
    assert_true(foe_send(&f->foe, piece, n));
    pass(f);
    assert_int_equal(f->beyond.n_dials, 1);
    assert_int_equal(beyond_accept(&f->beyond), 0);
    (void)expect_segment(f, OUT4, FOE_SYN | FOE_ACK);
}

static void its_port_goes_in_the_middle(void **state)
{
    struct fixture *f = *state;
    struct foe_segment segment = segment_to(OUT4, FOE_SYN);

    transmit(f, &f->foe, &segment);
    pass(f);
    assert_int_equal(beyond_accept(&f->beyond), 0);
    segment.src_port = 4001;
    transmit(f, &f->foe, &segment);
    pass(f);
    assert_int_equal(f->beyond.n_pending, 1);
    foe_close(&f->foe);
    pass(f);
    assert_int_equal(f->beyond.n_cancelled, 1);
    arena_pass(&f->arena, 3 * GN_S, 1000);
    assert_int_equal(f->beyond.n_conns, 0);
    foe_open(&f->foe, f->arena.net, GUEST4, GUEST6);
    transmit(f, &f->foe, &segment);
    pass(f);
    expect_icmp(&f->foe, "10.77.0.1", GN__ICMP_NET_UNREACHABLE);
}

/* ---- other protocols ---- */

struct echo {
    const char *from, *to;
    uint8_t proto, type, reply;
};

static const struct echo echoes[] = {{GUEST4, OUT4, 1, 8, 0},
                                     {GUEST6, OUT6, 58, 128, 129}};

static void send_echo(struct fixture *f, struct foe *foe,
                      const struct echo *echo)
{
    const uint8_t msg[] = {echo->type, 0, 0, 0, 1, 2, 3, 4, 'p', 'i', 'n', 'g'};
    struct gn__addr src = foe_addr(echo->from), dst = foe_addr(echo->to);

    assert_true(
        foe_send(foe, f->bytes,
                 foe_ip(&src, &dst, echo->proto, msg, sizeof(msg), f->bytes)));
    pass(f);
}

static void an_echo_request_is_answered_by_its_target(void **state)
{
    struct fixture *f = *state;
    uint8_t msg[64];
    size_t i;

    for (i = 0; i < 2; i++) {
        const struct echo *echo = &echoes[i];
        const uint8_t reply[] = {1, 2, 3, 4, 'p', 'i', 'n', 'g'};
        struct gn__addr out = foe_addr(echo->to);

        send_echo(f, &f->foe, echo);
        assert_int_equal(f->beyond.n_pending, 1);
        assert_int_equal(f->beyond.pending[0]->type, SOCK_RAW);
        assert_int_equal(f->beyond.pending[0]->guest.port, 0x102);
        assert_int_equal(beyond_accept(&f->beyond), 0);
        pass(f);
        assert_non_null(f->foe.last);
        assert_true(gn__addr_equal(&f->foe.last->ip.src, &out));
        assert_int_equal(
            gn__packet_read(f->foe.last, f->foe.last->ip.l4, msg, sizeof(msg)),
            4 + sizeof(reply));
        assert_int_equal(msg[0], echo->reply);
        assert_memory_equal(msg + 4, reply, sizeof(reply));
        send_echo(f, &f->foe, echo); /* of the same flow */
        assert_int_equal(f->beyond.n_pending, 0);
        assert_int_equal(f->beyond.n_flows, i + 1);
    }
    arena_pass(&f->arena, 31 * GN_S, 1000);
    assert_int_equal(f->beyond.n_flows, 0);
}

static void an_echo_request_is_prohibited_where_it_is_refused(void **state)
{
    struct fixture *f = *state;

    send_echo(f, &f->foe, &echoes[0]);
    beyond_refuse(&f->beyond, -EACCES);
    pass(f);
    expect_icmp(&f->foe, OUT4, GN__ICMP_PROHIBITED);
    send_echo(f, &f->foe, &echoes[1]);
    beyond_refuse(&f->beyond, -EACCES);
    pass(f);
    expect_icmp(&f->foe, OUT6, GN__ICMP_PROHIBITED);
    send_echo(f, &f->bare, &(struct echo){"10.77.6.7", OUT4, 1, 8, 0});
    expect_icmp(&f->bare, "10.77.0.1", GN__ICMP_NET_UNREACHABLE);
}

static void other_protocols_are_unreachable(void **state)
{
    static const uint8_t data[8] = {8};
    struct gn__addr src = foe_addr(GUEST4), dst = foe_addr(OUT4);
    struct fixture *f = *state;
    size_t n = foe_ip(&src, &dst, 132, data, sizeof(data), f->bytes);

    assert_true(foe_send(&f->foe, f->bytes, n));
    expect_icmp(&f->foe, "10.77.0.1", GN__ICMP_NET_UNREACHABLE);
    assert_int_equal(host_drops(f, GN_DROP_PROTOCOL), 1);
}

static void what_concerns_no_flow_outside_is_counted(void **state)
{
    static const uint8_t reply[] = {0, 0, 0, 0, 0, 1, 0, 1};
    struct gn__addr src = foe_addr(GUEST4), dst = foe_addr(OUT4);
    struct foe_segment quoted = {
        .src = dst, .dst = src, .src_port = 80, .dst_port = 4000, .seq = 1};
    struct fixture *f = *state;
    uint8_t inner[64];
    size_t n = foe_ip(&src, &dst, 1, reply, sizeof(reply), f->bytes);

    assert_true(foe_send(&f->foe, f->bytes, n));
    assert_int_equal(host_drops(f, GN_DROP_ICMP), 1);
    n = foe_tcp(&quoted, inner);
    n = foe_icmp_error(&src, &dst, 3, 1, 0, inner, n, f->bytes);
    assert_true(foe_send(&f->foe, f->bytes, n));
    assert_int_equal(host_drops(f, GN_DROP_ICMP), 2);
    n = foe_icmp_error(&src, &dst, 3, 1, 0, inner, 9, f->bytes);
    assert_true(foe_send(&f->foe, f->bytes, n));
    assert_int_equal(host_drops(f, GN_DROP_ICMP), 3);
    assert_int_equal(f->foe.n_received, 0);
}

/* ---- datagrams ---- */

static int flow_error;
static unsigned flow_heard;

static void on_received(struct gn__outside_flow *flow, const void *data,
                        size_t len, void *user)
{
    (void)flow;
    (void)data;
    (void)len;
    (void)user;
    flow_heard++;
}

static void on_failed(struct gn__outside_flow *flow, int error, void *user)
{
    (void)flow;
    (void)user;
    flow_error = error;
}

static void on_ended(struct gn__outside_flow *flow, int why, void *user)
{
    (void)flow;
    (void)why;
    (void)user;
}

static const struct gn__outside_flow_ops flow_ops = {
    .received = on_received,
    .failed = on_failed,
    .ended = on_ended,
};
static const struct gn__outside_flow_config flow_config = {.ops = &flow_ops};

static void complain(struct fixture *f, struct foe *foe, const char *src,
                     unsigned code, const uint8_t *quoted, size_t len)
{
    struct gn__addr from = foe_addr(src), to = foe_addr(OUT4);
    size_t n = foe_icmp_error(&from, &to, 3, code, code == 4 ? 1000 : 0, quoted,
                              len, f->bytes);

    assert_true(foe_send(foe, f->bytes, n));
    pass(f);
}

static void only_its_guest_can_complain_about_a_flow(void **state)
{
    struct gn__endpoint outside = {.addr = foe_addr(OUT4), .port = 53};
    struct gn__endpoint guest = {.addr = foe_addr(GUEST4), .port = 4000};
    struct fixture *f = *state;
    struct gn__outside_flow *flow;
    uint8_t quoted[64];
    size_t len;

    flow_error = 0;
    assert_int_equal(gn__outside_flow_open(f->arena.net, &outside, &guest,
                                           &flow_config, &flow),
                     0);
    assert_int_equal(gn__outside_flow_send(flow, "x", 1), 0);
    len = gn__packet_copy(f->foe.last, quoted, sizeof(quoted));
    complain(f, &f->bare, "10.77.6.7", 3, quoted, len);
    assert_int_equal(flow_error, 0);
    complain(f, &f->foe, GUEST4, 1, quoted, len);
    assert_int_equal(flow_error, -EHOSTUNREACH);
    complain(f, &f->foe, GUEST4, 3, quoted, len);
    assert_int_equal(flow_error, -ECONNREFUSED);
    gn__outside_flow_close(flow);
}

static void a_narrow_way_is_learned(void **state)
{
    struct gn__endpoint outside = {.addr = foe_addr(OUT4), .port = 53};
    struct gn__endpoint guest = {.addr = foe_addr(GUEST4), .port = 4000};
    static const char data[3000];
    struct fixture *f = *state;
    struct gn__outside_flow *flow;
    uint8_t quoted[64];
    size_t len;

    assert_int_equal(gn__outside_flow_open(f->arena.net, &outside, &guest,
                                           &flow_config, &flow),
                     0);
    assert_int_equal(gn__outside_flow_send(flow, data, sizeof(data)), 0);
    assert_int_equal(f->foe.n_received, 1);
    len = gn__packet_copy(f->foe.last, quoted, sizeof(quoted));
    complain(f, &f->foe, GUEST4, 4, quoted, len);
    assert_int_equal(gn__outside_flow_send(flow, data, sizeof(data)), 0);
    assert_int_equal(f->foe.n_received, 1 + 4);
    gn__outside_flow_close(flow);
}

static void what_is_behind_the_gateways_address_hears_complaints(void **state)
{
    struct gn__endpoint from = {.addr = foe_addr(GUEST4), .port = 4000};
    struct gn__endpoint to = {.addr = foe_addr("10.77.0.1"), .port = 53};
    struct fixture *f = *state;
    uint8_t quoted[64];
    size_t n = foe_udp(&from, &to, "x", 1, f->bytes);

    assert_true(foe_send(&f->foe, f->bytes, n));
    pass(f);
    assert_int_equal(beyond_accept(&f->beyond), 0);
    pass(f);
    assert_int_equal(f->foe.last->ip.proto, GN__PROTO_UDP);
    n = gn__packet_copy(f->foe.last, quoted, sizeof(quoted));
    n = foe_icmp_error(&from.addr, &to.addr, 3, 3, 0, quoted, n, f->bytes);
    assert_true(foe_send(&f->foe, f->bytes, n));
    pass(f);
    assert_int_equal(f->beyond.n_flows_refused, 1);
}

static void malformed_datagrams_are_counted(void **state)
{
    static const uint8_t udp[] = {0x0f, 0xa0, 0, 53, 0, 200, 0, 0, 1};
    struct gn__addr src = foe_addr(GUEST4), dst = foe_addr(OUT4);
    struct fixture *f = *state;
    size_t n = foe_ip(&src, &dst, 17, udp, sizeof(udp), f->bytes);

    assert_true(foe_send(&f->foe, f->bytes, n));
    n = foe_ip(&src, &dst, 17, udp, 7, f->bytes);
    assert_true(foe_send(&f->foe, f->bytes, n));
    n = foe_ip(&src, &dst, 6, udp, sizeof(udp), f->bytes);
    assert_true(foe_send(&f->foe, f->bytes, n));
    pass(f);
    assert_int_equal(host_drops(f, GN_DROP_MALFORMED), 3);
    assert_int_equal(f->beyond.n_dials, 0);
}

static void silence_is_silence_for_datagrams_too(void **state)
{
    struct gn__endpoint from = {.addr = foe_addr(GUEST4), .port = 4000};
    struct gn__endpoint to = {.addr = foe_addr(OUT4), .port = 53};
    struct fixture *f = *state;
    size_t n = foe_udp(&from, &to, "x", 1, f->bytes);

    assert_true(foe_send(&f->foe, f->bytes, n));
    pass(f);
    beyond_refuse(&f->beyond, -ETIMEDOUT);
    pass(f);
    assert_int_equal(f->foe.n_received, 0);
    n = foe_udp(&from, &to, "x", 1, f->bytes);
    assert_true(foe_send(&f->foe, f->bytes, n));
    pass(f);
    beyond_refuse(&f->beyond, -ECONNREFUSED);
    expect_icmp(&f->foe, OUT4, GN__ICMP_PORT_UNREACHABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(accepted_a_handshake_follows),
        CASE(a_refusal_is_a_reset_or_a_message),
        CASE(repeated_syns_are_one_dial),
        CASE(a_reset_cancels_if_it_fits),
        CASE(strays_are_reset_and_counted),
        CASE(without_hooks_there_is_no_way),
        CASE(a_guest_cannot_dial_for_another),
        CASE(fragments_are_put_together_first),
        CASE(its_port_goes_in_the_middle),
        CASE(an_echo_request_is_answered_by_its_target),
        CASE(an_echo_request_is_prohibited_where_it_is_refused),
        CASE(other_protocols_are_unreachable),
        CASE(what_concerns_no_flow_outside_is_counted),
        CASE(only_its_guest_can_complain_about_a_flow),
        CASE(a_narrow_way_is_learned),
        CASE(what_is_behind_the_gateways_address_hears_complaints),
        CASE(malformed_datagrams_are_counted),
        CASE(silence_is_silence_for_datagrams_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
