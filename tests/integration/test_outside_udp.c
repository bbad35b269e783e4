/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams between guests and a made-up world outside, and the ports that
 * guests bind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/link.h>

#include "namespace/internal.h"
#include "tests/lib/beyond.h"
#include "tests/lib/case.h"
#include "tests/lib/simnet.h"
#include "tests/lib/socks.h"

#define OUT4 "203.0.113.7:53"
#define OUT6 "[2001:db8::7]:53"

struct fixture {
    struct socks *s;
    struct beyond beyond;
    struct gn_namespace *guest; /* 10.77.0.4, with hooks; s->a has none */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    void *socks;

    assert_non_null(f);
    socks_setup(&socks);
    f->s = socks;
    beyond_init(&f->beyond);
    f->guest = beyond_guest(&f->beyond, f->s->net, "guest", NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *socks = f->s;

    beyond_done(&f->beyond);
    socks_teardown(&socks);
    assert_int_equal(f->beyond.n_released, 1);
    assert_int_equal(f->beyond.n_ports, 0);
    free(f);
    return 0;
}

static void pass(struct fixture *f, uint64_t ms)
{
    pass_ms(f->s, ms);
}

/* A flow from outside that a test holds itself. */
struct heard {
    char text[70000];
    size_t len;
    unsigned n;
    int error;
    int why;
    bool close;
};

static void on_received(struct gn__outside_flow *flow, const void *data,
                        size_t len, void *user)
{
    struct heard *heard = user;

    assert_true(len <= sizeof(heard->text));
    memcpy(heard->text, data, len);
    heard->len = len;
    heard->n++;
    if (heard->close)
        gn__outside_flow_close(flow);
}

static void on_failed(struct gn__outside_flow *flow, int error, void *user)
{
    struct heard *heard = user;

    heard->error = error;
    if (heard->close)
        gn__outside_flow_close(flow);
}

static void on_ended(struct gn__outside_flow *flow, int why, void *user)
{
    struct heard *heard = user;

    heard->why = why;
    if (heard->close)
        gn__outside_flow_close(flow);
}

static const struct gn__outside_flow_ops heard_ops = {
    .received = on_received,
    .failed = on_failed,
    .ended = on_ended,
};

/* @from NULL: as the gateway. */
static int open_flow(struct fixture *f, const char *from, const char *to,
                     const struct gn__outside_flow_config *config,
                     struct gn__outside_flow **out)
{
    struct gn__endpoint guest = beyond_endpoint(to), outside;

    if (from)
        outside = beyond_endpoint(from);
    return gn__outside_flow_open(f->s->net, from ? &outside : NULL, &guest,
                                 config, out);
}

static struct gn__outside_flow *flow_from(struct fixture *f, const char *from,
                                          const char *to, struct heard *heard)
{
    struct gn__outside_flow_config config = {.ops = &heard_ops, .user = heard};
    struct gn__outside_flow *flow;

    memset(heard, 0, sizeof(*heard));
    assert_int_equal(open_flow(f, from, to, &config, &flow), 0);
    return flow;
}

/* ---- out ---- */

static void datagrams_reach_the_outside_and_come_back(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char buf[16], text[GN_ADDR_TEXT_MAX];

    assert_int_equal(send_text_to(sock, "one", OUT4), 3);
    assert_int_equal(send_text_to(sock, "two", OUT4), 3);
    pass(f, 1);
    assert_int_equal(f->beyond.n_dials, 1);
    assert_int_equal(gn_sock_recvfrom(sock, buf, sizeof(buf), 0,
                                      (struct sockaddr *)&from, &len),
                     3);
    assert_memory_equal(buf, "one", 3);
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&from, text, sizeof(text)), 0);
    assert_string_equal(text, OUT4);
    expect_text(sock, "two");
    assert_int_equal(send_text_to(sock, "", OUT4), 0);
    pass(f, 1);
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), 0);
    drop(sock);
}

static void connected_sockets_reach_it_over_both_versions(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *v4 = open4(f->guest, SOCK_DGRAM);
    struct gn_sock *v6 = open6(f->guest, SOCK_DGRAM);

    assert_int_equal(connect_to(v4, OUT4), 0);
    assert_int_equal(connect_to(v6, OUT6), 0);
    assert_int_equal(send_text(v4, "four"), 4);
    assert_int_equal(send_text(v6, "six"), 3);
    pass(f, 1);
    expect_text(v4, "four");
    expect_text(v6, "six");
    assert_string_equal(peer_of(v6), OUT6);
    drop(v4);
    drop(v6);
}

static void datagrams_of_any_size_arrive_whole(void **state)
{
    static const size_t sizes[] = {1,     100,   160,   161,   1472,
                                   16384, 20000, 65000, 65507, 65487};
    static char out[65507], in[65507];
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);
    size_t i, k;

    assert_int_equal(connect_to(sock, OUT4), 0);
    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        for (k = 0; k < sizes[i]; k++)
            out[k] = (char)(k * 31 + i);
        assert_int_equal(gn_sock_send(sock, out, sizes[i], 0), sizes[i]);
        pass(f, 1);
        assert_int_equal(gn_sock_recv(sock, in, sizeof(in), 0), sizes[i]);
        assert_memory_equal(in, out, sizes[i]);
    }
    drop(sock);
}

static void what_is_sent_while_it_is_dialled_waits(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);
    unsigned i;
    char c;

    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(set_int(sock, SOL_SOCKET, SO_SNDBUF, 212992), 0);
    for (i = 0; i < 300; i++)
        assert_int_equal(send_text_to(sock, "x", OUT4), 1);
    pass(f, 1);
    assert_int_equal(f->beyond.n_pending, 1);
    assert_int_equal(f->beyond.pending[0]->type, SOCK_DGRAM);
    assert_int_equal(beyond_accept(&f->beyond), 0);
    pass(f, 1);
    assert_int_equal(gn_sock_recv(sock, &c, 1, 0), 1);
    assert_int_equal(f->beyond.n_bytes, 256);
    assert_int_equal(
        gn_simnet_ns_drops(gn_network_gateway(f->s->net), GN_DROP_FLOW), 44);
    drop(sock);
}

/* What the outside has not taken yet fills SO_SNDBUF, as what a device has not
 * taken does on Linux; with all of it used a send waits, or says so, and poll()
 * tells of room when half of it is free. */
static unsigned fill(struct gn_sock *sock, const char *const *to, unsigned n)
{
    unsigned i;

    for (i = 0; send_text_to(sock, "x", to[i % n]) == 1; i++)
        assert_true(i < 1000);
    assert_int_equal(send_text_to(sock, "x", to[i % n]), -EAGAIN);
    return i;
}

static const char *const four[] = {"203.0.113.7:1", "203.0.113.7:2",
                                   "203.0.113.7:3", "203.0.113.7:4"};

static void what_waits_outside_fills_the_send_buffer(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);
    struct gn_sock *other = open4(f->guest, SOCK_DGRAM);
    unsigned n, more;

    f->beyond.mode = BEYOND_WAIT;
    n = fill(sock, four, 4);
    assert_in_range(n, 100, 400); /* 208 KiB of small ones */
    assert_true(gn_sock_unsent(sock) >= 212992);
    assert_false(ready(sock) & POLLOUT);
    assert_int_equal(set_int(sock, SOL_SOCKET, SO_SNDBUF, 212992), 0);
    more = fill(sock, four, 4); /* The option counts twice. */
    assert_in_range(more, n - 2, n + 2);
    assert_int_equal(send_text_to(other, "x", OUT4), 1);
    pass(f, 1);
    while (f->beyond.n_pending)
        assert_int_equal(beyond_accept(&f->beyond), 0);
    pass(f, 1);
    assert_int_equal(f->beyond.n_bytes, n + more + 1);
    assert_int_equal(gn_sock_unsent(sock), 0);
    assert_true(ready(sock) & POLLOUT);
    assert_int_equal(send_text_to(sock, "x", four[0]), 1);
    drop(sock);
    drop(other);
}

static void a_full_send_buffer_ends_with_what_filled_it(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    f->beyond.mode = BEYOND_WAIT;
    (void)fill(sock, four, 4);
    pass(f, 1);
    while (f->beyond.n_pending)
        beyond_refuse(&f->beyond, -EHOSTUNREACH);
    pass(f, 1);
    assert_int_equal(gn_sock_unsent(sock), 0);
    (void)fill(sock, four, 4);
    assert_int_equal(gn_sock_shutdown(sock, SHUT_WR), -ENOTCONN);
    assert_int_equal(send_text_to(sock, "x", OUT4), -EPIPE);
    drop(sock); /* While it is dialled. */
    pass(f, 1);
    while (f->beyond.n_pending)
        assert_int_equal(beyond_accept(&f->beyond), 0);
    pass(f, 1);
    assert_int_equal(f->beyond.n_flows, 0);
}

static void refusals_are_told_to_connected_sockets(void **state)
{
    static const int errors[] = {-ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH,
                                 -EACCES, -EPERM};
    struct fixture *f = *state;
    size_t i;

    f->beyond.mode = BEYOND_REFUSE;
    for (i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct gn_sock *v4 = open4(f->guest, SOCK_DGRAM);
        struct gn_sock *v6 = open6(f->guest, SOCK_DGRAM);
        char c;

        f->beyond.error = errors[i];
        assert_int_equal(connect_to(v4, OUT4), 0);
        assert_int_equal(connect_to(v6, OUT6), 0);
        assert_int_equal(send_text(v4, "x"), 1);
        assert_int_equal(send_text(v6, "x"), 1);
        pass(f, 1);
        assert_true(ready(v4) & POLLERR);
        assert_int_equal(take_error(v4), errors[i]);
        assert_int_equal(gn_sock_recv(v6, &c, 1, 0), errors[i]);
        drop(v4);
        drop(v6);
    }
    assert_int_equal(f->beyond.n_dials, 2 * i);
}

static void a_flow_that_is_refused_later_tells_the_guest(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->s->a, SOCK_DGRAM);
    struct heard heard;
    struct gn__outside_flow *flow;

    assert_int_equal(bind_to(sock, "10.77.0.2:53"), 0);
    flow = flow_from(f, "198.51.100.9:5555", "10.77.0.2:53", &heard);
    assert_int_equal(connect_to(sock, "198.51.100.9:5555"), 0);
    gn__outside_flow_unreach(flow, -ECONNREFUSED, 0);
    pass(f, 1);
    assert_int_equal(take_error(sock), -ECONNREFUSED);
    gn__outside_flow_close(flow);
    drop(sock);
}

static void a_narrow_way_is_told_to_the_guest(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->s->a, SOCK_DGRAM);
    int probe = IP_PMTUDISC_DO, mtu;
    socklen_t len = sizeof(mtu);
    char large[1400] = {0};
    struct heard heard;
    struct gn__outside_flow *flow;

    assert_int_equal(bind_to(sock, "10.77.0.2:53"), 0);
    flow = flow_from(f, "198.51.100.9:5555", "10.77.0.2:53", &heard);
    assert_int_equal(connect_to(sock, "198.51.100.9:5555"), 0);
    assert_int_equal(gn_sock_setopt(sock, IPPROTO_IP, IP_MTU_DISCOVER, &probe,
                                    sizeof(probe)),
                     0);
    gn__outside_flow_unreach(flow, -EMSGSIZE, 0); /* Nobody said which. */
    assert_int_equal(gn_sock_send(sock, large, sizeof(large), 0), 1400);
    gn__outside_flow_unreach(flow, -EMSGSIZE, 1280);
    pass(f, 1);
    assert_int_equal(take_error(sock), -EMSGSIZE);
    assert_int_equal(gn_sock_getopt(sock, IPPROTO_IP, IP_MTU, &mtu, &len), 0);
    assert_int_equal(mtu, 1280);
    assert_int_equal(gn_sock_send(sock, large, sizeof(large), 0), -EMSGSIZE);
    assert_int_equal(gn_sock_send(sock, large, 1252, 0), 1252);
    gn__outside_flow_close(flow);
    drop(sock);
}

/* ---- in ---- */

static void a_client_from_outside_is_heard_and_answered(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->s->a, SOCK_DGRAM);
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    struct heard heard;
    struct gn__outside_flow *flow;
    char buf[16], text[GN_ADDR_TEXT_MAX];

    assert_int_equal(bind_to(sock, "0.0.0.0:53"), 0);
    flow = flow_from(f, "198.51.100.9:5555", "10.77.0.2:53", &heard);
    assert_int_equal(gn__outside_flow_send(flow, "question", 8), 0);
    pass(f, 1);
    assert_int_equal(gn_sock_recvfrom(sock, buf, sizeof(buf), 0,
                                      (struct sockaddr *)&from, &len),
                     8);
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&from, text, sizeof(text)), 0);
    assert_string_equal(text, "198.51.100.9:5555");
    assert_int_equal(
        gn_sock_sendto(sock, "answer", 6, 0, (struct sockaddr *)&from, len), 6);
    pass(f, 1);
    assert_int_equal(heard.len, 6);
    assert_memory_equal(heard.text, "answer", 6);
    /* Another port of the client's is not the client. */
    assert_int_equal(send_text_to(sock, "x", "198.51.100.9:5556"), 1);
    pass(f, 1);
    assert_int_equal(heard.n, 1);
    gn__outside_flow_close(flow);
    assert_int_equal(send_text_to(sock, "x", "198.51.100.9:5555"),
                     -ENETUNREACH);
    drop(sock);
}

static void large_datagrams_come_in(void **state)
{
    static char out[65507], in[65507];
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->s->a, SOCK_DGRAM);
    struct heard heard;
    struct gn__outside_flow *flow;
    struct gn_stats stats;
    size_t i;

    assert_int_equal(bind_to(sock, "0.0.0.0:53"), 0);
    flow = flow_from(f, "198.51.100.9:5555", "10.77.0.2:53", &heard);
    for (i = 0; i < sizeof(out); i++)
        out[i] = (char)(i * 13);
    assert_int_equal(gn__outside_flow_send(flow, out, sizeof(out)), 0);
    assert_int_equal(gn__outside_flow_send(flow, out, 65508), -EMSGSIZE);
    gn_namespace_stats(f->s->a, &stats);
    assert_int_equal(stats.drops[GN_DROP_TOO_BIG], 1);
    pass(f, 1);
    assert_int_equal(gn_sock_recv(sock, in, sizeof(in), 0), sizeof(out));
    assert_memory_equal(in, out, sizeof(out));
    gn__outside_flow_close(flow);
    drop(sock);
}

static void a_closed_port_is_told(void **state)
{
    struct fixture *f = *state;
    struct heard heard;
    struct gn__outside_flow *flow =
        flow_from(f, "198.51.100.9:5555", "10.77.0.2:53", &heard);

    assert_int_equal(gn__outside_flow_send(flow, "x", 1), 0);
    pass(f, 1);
    assert_int_equal(heard.error, -ECONNREFUSED);
    gn__outside_flow_close(flow);
}

static void a_flow_can_be_opened_once(void **state)
{
    struct fixture *f = *state;
    struct heard heard;
    struct gn__outside_flow_config config = {.ops = &heard_ops, .user = &heard};
    struct gn__outside_flow *flow, *second;

    flow = flow_from(f, "198.51.100.9:5555", "10.77.0.2:53", &heard);
    assert_int_equal(
        open_flow(f, "198.51.100.9:5555", "10.77.0.2:53", &config, &second),
        -EADDRINUSE);
    gn__outside_flow_close(flow);
    flow = flow_from(f, "198.51.100.9:5555", "10.77.0.2:53", &heard);
    gn__outside_flow_close(flow);
    assert_int_equal(
        open_flow(f, "127.0.0.1:5555", "10.77.0.2:53", &config, &second),
        -EADDRNOTAVAIL);
    assert_int_equal(
        open_flow(f, "198.51.100.9:5555", "10.77.0.77:53", &config, &second),
        -EHOSTUNREACH);
    assert_int_equal(
        open_flow(f, "198.51.100.9:5555", "10.77.0.1:53", &config, &second),
        -EADDRNOTAVAIL);
}

static void a_flow_may_be_closed_while_it_is_heard(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->s->a, SOCK_DGRAM);
    struct heard heard;

    assert_int_equal(bind_to(sock, "0.0.0.0:53"), 0);
    (void)flow_from(f, "198.51.100.9:5555", "10.77.0.2:53", &heard);
    heard.close = true;
    assert_int_equal(send_text_to(sock, "a", "198.51.100.9:5555"), 1);
    assert_int_equal(send_text_to(sock, "b", "198.51.100.9:5555"), 1);
    pass(f, 1);
    assert_int_equal(heard.n, 1);
    drop(sock);
}

/* ---- limits and ends ---- */

static void flows_and_dials_are_bounded(void **state)
{
    const struct gn_limits limits = {.max_flows = 8, .max_outgoing = 4};
    struct fixture *f = *state;
    struct gn_namespace *gateway = gn_network_gateway(f->s->net);
    struct gn_namespace *guest =
        beyond_guest(&f->beyond, f->s->net, NULL, &limits);
    struct gn_sock *sock = open4(guest, SOCK_DGRAM);
    struct gn_stats stats;
    char text[GN_ADDR_TEXT_MAX];
    unsigned i;

    f->beyond.mode = BEYOND_WAIT;
    for (i = 1; i <= 20; i++) {
        (void)snprintf(text, sizeof(text), "203.0.113.%u:53", i);
        assert_int_equal(send_text_to(sock, "x", text), 1);
    }
    pass(f, 1);
    assert_int_equal(f->beyond.n_dials, 4);
    assert_int_equal(gn_simnet_ns_drops(gateway, GN_DROP_OUTGOING), 16);
    while (f->beyond.n_pending)
        assert_int_equal(beyond_accept(&f->beyond), 0);
    f->beyond.mode = BEYOND_ECHO;
    for (i = 1; i <= 20; i++) {
        (void)snprintf(text, sizeof(text), "203.0.113.%u:53", i);
        assert_int_equal(send_text_to(sock, "x", text), 1);
        pass(f, 1);
    }
    assert_int_equal(f->beyond.n_flows, 8);
    gn_namespace_stats(guest, &stats);
    assert_int_equal(stats.flows_evicted, 12);
    assert_int_equal(stats.drops[GN_DROP_OUTGOING], 16);
    gn_namespace_close(guest, 0, NULL, NULL);
    drop(sock);
    pass(f, 1);
    assert_int_equal(f->beyond.n_flows, 0);
    assert_int_equal(f->beyond.n_flows_cancelled, 8);
    f->beyond.n_released = 0;
}

/* What a guest may do a thousand times in a row: a question from a new socket,
 * its answer, and the socket is closed. */
static void flows_end_with_the_guests_socket(void **state)
{
    struct fixture *f = *state;
    unsigned i;

    for (i = 0; i < 1100; i++) {
        struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

        assert_int_equal(send_text_to(sock, "q", OUT4), 1);
        pass(f, 1);
        expect_text(sock, "q");
        assert_int_equal(f->beyond.n_flows, 1);
        drop(sock);
        pass(f, 1);
        assert_int_equal(f->beyond.n_flows, 0);
    }
    assert_int_equal(f->beyond.n_flows_cancelled, 1100);
}

static void what_a_closed_socket_had_sent_still_goes_out(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    assert_int_equal(send_text_to(sock, "one", OUT4), 3);
    assert_int_equal(send_text_to(sock, "two", OUT4), 3);
    drop(sock);
    pass(f, 1);
    assert_int_equal(f->beyond.n_bytes, 6);
    assert_int_equal(f->beyond.n_flows, 0);
}

static void a_single_exchange_idles_for_thirty_seconds(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    assert_int_equal(send_text_to(sock, "q", OUT4), 1);
    pass(f, 29000);
    assert_int_equal(f->beyond.n_flows, 1);
    pass(f, 2000);
    assert_int_equal(f->beyond.n_flows, 0);
    assert_int_equal(f->beyond.n_flows_idled, 1);
    drop(sock);
}

static void what_goes_on_both_ways_idles_for_three_minutes(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    assert_int_equal(send_text_to(sock, "q", OUT4), 1);
    pass(f, 3000);
    assert_int_equal(send_text_to(sock, "q", OUT4), 1);
    pass(f, 179000);
    assert_int_equal(f->beyond.n_flows, 1);
    pass(f, 2000);
    assert_int_equal(f->beyond.n_flows, 0);
    assert_int_equal(f->beyond.n_flows_idled, 1);
    drop(sock);
}

/* Clients that are all known and idle, and new ones that come at once. */
static void new_flows_do_not_push_out_each_other(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->s->a, SOCK_DGRAM);
    struct gn__outside_flow *flows[24];
    struct gn__outside_set set;
    struct heard heard[24];
    char from[GN_ADDR_TEXT_MAX];
    unsigned i;

    assert_int_equal(bind_to(sock, "10.77.0.2:53"), 0);
    gn__outside_set_init(&set, 16);
    memset(heard, 0, sizeof(heard));
    for (i = 0; i < 24; i++) {
        struct gn__outside_flow_config config = {
            .ops = &heard_ops, .user = &heard[i], .set = &set};

        (void)snprintf(from, sizeof(from), "198.51.100.%u:5555", i + 1);
        assert_int_equal(open_flow(f, from, "10.77.0.2:53", &config, &flows[i]),
                         0);
        assert_int_equal(gn__outside_flow_send(flows[i], "q", 1), 0);
        assert_int_equal(send_text_to(sock, "a", from), 1);
        pass(f, i < 16 ? 3000 : 0);
        if (i < 16) /* It is assured. */
            assert_int_equal(gn__outside_flow_send(flows[i], "q", 1), 0);
    }
    for (i = 0; i < 24; i++) {
        bool stays = i >= 4 && (i < 16 || i >= 20);

        assert_int_equal(heard[i].why, stays ? 0 : -ENOBUFS);
        gn__outside_flow_close(flows[i]);
    }
    assert_int_equal(set.n, 0);
    drop(sock);
}

/* A client that cannot be shown has a port of the gateway's. */
static void expect_gateways_flow(struct fixture *f, struct gn_namespace *ns,
                                 const char *at)
{
    struct gn_sock *sock = open4(ns, SOCK_DGRAM);
    struct heard heard = {.n = 0};
    struct gn__outside_flow_config config = {.ops = &heard_ops, .user = &heard};
    struct gn__outside_flow *flow;
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char text[GN_ADDR_TEXT_MAX], byte;

    assert_int_equal(bind_to(sock, at), 0);
    assert_int_equal(open_flow(f, NULL, at, &config, &flow), 0);
    assert_int_equal(gn__outside_flow_send(flow, "q", 1), 0);
    pass(f, 1);
    assert_int_equal(
        gn_sock_recvfrom(sock, &byte, 1, 0, (struct sockaddr *)&from, &len), 1);
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&from, text, sizeof(text)), 0);
    assert_memory_equal(text, "10.77.0.1:", 10);
    assert_int_equal(send_text_to(sock, "answer", text), 6);
    pass(f, 1);
    assert_int_equal(heard.len, 6);
    drop(sock);
    pass(f, 1);
    assert_int_equal(heard.why, -ECANCELED);
    gn__outside_flow_close(flow);
}

static void a_flow_may_be_the_gateways(void **state)
{
    struct fixture *f = *state;

    expect_gateways_flow(f, f->s->a, "10.77.0.2:53");
}

static void the_gateway_reaches_its_own_sockets(void **state)
{
    struct fixture *f = *state;

    expect_gateways_flow(f, gn_network_gateway(f->s->net), "10.77.0.1:53");
}

static void killing_the_guest_ends_its_flows(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    assert_int_equal(send_text_to(sock, "x", OUT4), 1);
    pass(f, 1);
    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(send_text_to(sock, "x", "203.0.113.8:53"), 1);
    pass(f, 1);
    assert_int_equal(f->beyond.n_flows, 1);
    assert_int_equal(f->beyond.n_pending, 1);
    gn_namespace_kill(f->guest);
    pass(f, 1);
    assert_int_equal(f->beyond.n_flows_cancelled, 1);
    assert_int_equal(f->beyond.n_cancelled, 1);
    drop(sock);
}

static void a_flow_of_a_guest_that_is_gone_is_over(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *gone = gn_simnet_guest_at(f->s->net, "10.77.0.50");
    struct gn_namespace *next;
    struct gn_sock *sock;
    struct heard heard;
    struct gn__outside_flow *flow =
        flow_from(f, "198.51.100.9:5555", "10.77.0.50:53", &heard);

    gn_namespace_close(gone, 0, NULL, NULL);
    next = gn_simnet_guest_at(f->s->net, "10.77.0.50");
    sock = gn_simnet_udp(next, "10.77.0.50:53");
    assert_int_equal(gn__outside_flow_send(flow, "x", 1), -ECANCELED);
    pass(f, 1);
    assert_int_equal(heard.why, -ECANCELED);
    gn_simnet_expect(sock, NULL);
    gn__outside_flow_close(flow);
    gn_simnet_end(sock);
}

/* ---- ports ---- */

static void bound_ports_are_told(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *tcp = listen_at(f->guest, "0.0.0.0:80");
    struct gn_sock *udp = open6(f->guest, SOCK_DGRAM);

    assert_int_equal(set_int(udp, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
    assert_int_equal(bind_to(udp, "[::]:53"), 0);
    pass(f, 1);
    assert_int_equal(f->beyond.n_ports, 2);
    assert_int_equal(f->beyond.ports[0]->type, SOCK_STREAM);
    assert_int_equal(f->beyond.ports[0]->local.port, 80);
    assert_false(f->beyond.ports[0]->v6only);
    assert_ptr_equal(f->beyond.ports[0]->ns, f->guest);
    assert_int_equal(f->beyond.ports[1]->type, SOCK_DGRAM);
    assert_int_equal(f->beyond.ports[1]->local.port, 53);
    assert_true(f->beyond.ports[1]->v6only);
    drop(tcp);
    pass(f, 1);
    assert_int_equal(f->beyond.n_unbound, 1);
    gn_namespace_detach(f->guest);
    pass(f, 1);
    assert_int_equal(f->beyond.n_unbound, 2);
    drop(udp);
    pass(f, 1);
    assert_int_equal(f->beyond.n_unbound, 2);
}

static void private_and_chosen_ports_are_not_told(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *home = listen_at(f->guest, "127.0.0.1:80");
    struct gn_sock *any = open4(f->guest, SOCK_STREAM);
    struct gn_sock *udp = open4(f->guest, SOCK_DGRAM);
    struct gn_sock *quick = listen_at(f->guest, "0.0.0.0:81");

    assert_int_equal(gn_sock_listen(any, 1), 0);
    assert_int_equal(send_text_to(udp, "x", OUT4), 1);
    drop(quick);
    pass(f, 1);
    assert_int_equal(f->beyond.n_bound, 0);
    assert_int_equal(f->beyond.n_unbound, 0);
    drop(home);
    drop(any);
    drop(udp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(datagrams_reach_the_outside_and_come_back),
        CASE(connected_sockets_reach_it_over_both_versions),
        CASE(datagrams_of_any_size_arrive_whole),
        CASE(what_is_sent_while_it_is_dialled_waits),
        CASE(what_waits_outside_fills_the_send_buffer),
        CASE(a_full_send_buffer_ends_with_what_filled_it),
        CASE(refusals_are_told_to_connected_sockets),
        CASE(a_flow_that_is_refused_later_tells_the_guest),
        CASE(a_narrow_way_is_told_to_the_guest),
        CASE(a_client_from_outside_is_heard_and_answered),
        CASE(large_datagrams_come_in),
        CASE(a_closed_port_is_told),
        CASE(a_flow_can_be_opened_once),
        CASE(a_flow_may_be_closed_while_it_is_heard),
        CASE(flows_and_dials_are_bounded),
        CASE(flows_end_with_the_guests_socket),
        CASE(what_a_closed_socket_had_sent_still_goes_out),
        CASE(a_single_exchange_idles_for_thirty_seconds),
        CASE(what_goes_on_both_ways_idles_for_three_minutes),
        CASE(new_flows_do_not_push_out_each_other),
        CASE(a_flow_may_be_the_gateways),
        CASE(the_gateway_reaches_its_own_sockets),
        CASE(killing_the_guest_ends_its_flows),
        CASE(a_flow_of_a_guest_that_is_gone_is_over),
        CASE(bound_ports_are_told),
        CASE(private_and_chosen_ports_are_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
