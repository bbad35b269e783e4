/* SPDX-License-Identifier: BSD-3-Clause */

/* gn_dial: what is reached, what fails and how, and leaving at every step. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/link.h>
#include <guestnet/resolver.h>

#include "tests/lib/case.h"
#include "tests/lib/talk.h"
#include "tests/lib/units.h"

struct dialling {
    struct talk *talk;
    struct party client, server;
    struct gn_listener *listener;
    struct gn_dial *dial; /* the last; let go of at the end */
};

static int setup(void **state)
{
    struct dialling *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    talk_setup((void **)&f->talk);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct dialling *f = *state;

    gn_dial_cancel(f->dial); /* Over: nothing happens. */
    gn_dial_unref(f->dial);
    talk_teardown((void **)&f->talk);
    free(f);
    return 0;
}

static void listen_at(struct dialling *f, struct gn_namespace *ns,
                      const char *proto, const char *address)
{
    assert_int_equal(
        gn_listen(ns, proto, address, party_accepted, &f->server, &f->listener),
        0);
}

static struct gn_dial *dial(struct dialling *f, struct gn_namespace *from,
                            const char *proto, const char *address,
                            const struct gn_dial_options *options)
{
    struct gn_dial *out = NULL;

    assert_int_equal(
        gn_dial(from, proto, address, options, party_dialled, &f->client, &out),
        0);
    assert_non_null(out);
    assert_int_equal(f->client.dialled, 0);
    gn_dial_unref(f->dial);
    f->dial = out;
    return out;
}

static void expect_status(struct dialling *f, int status)
{
    talk_count(f->talk, &f->client.dialled, 1);
    assert_int_equal(f->client.dial_status, status);
    talk_pass_ms(f->talk, 1000);
    assert_int_equal(f->client.dialled, 1);
}

static void expect_peers(struct dialling *f, const char *to, const char *from)
{
    char text[GN_ADDR_TEXT_MAX];

    expect_status(f, 0);
    talk_count(f->talk, &f->server.dialled, 1);
    assert_string_equal(talk_peer(f->client.conn, text, sizeof(text)), to);
    (void)talk_peer(f->server.conn, text, sizeof(text));
    assert_memory_equal(text, from, strlen(from));
}

/* ---- what is reached ---- */

static void the_host_reaches_a_guest_as_the_gateway(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp", ":80");
    dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", NULL);
    expect_peers(f, "10.77.0.2:80", "10.77.0.1:");
}

static void the_same_over_ipv6(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp6", ":80");
    dial(f, f->talk->gateway, "tcp6", "[fd77::2]:80", NULL);
    expect_peers(f, "[fd77::2]:80", "[fd77::1]:");
}

static void a_guest_s_own_loopback_is_reached_from_its_namespace(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp", "127.0.0.1:80");
    dial(f, f->talk->a, "tcp", "127.0.0.1:80", NULL);
    expect_peers(f, "127.0.0.1:80", "127.0.0.1:");
}

static void no_host_is_the_namespace_s_loopback(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp4", "127.0.0.1:80");
    dial(f, f->talk->a, "tcp", ":80", NULL);
    expect_peers(f, "127.0.0.1:80", "127.0.0.1:");
}

static void no_host_tries_ipv6_too(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp6", "[::1]:80");
    dial(f, f->talk->a, "tcp", ":80", NULL);
    expect_peers(f, "[::1]:80", "[::1]:");
}

static void the_host_s_loopback_is_not_a_guest_s(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp", "127.0.0.1:80");
    dial(f, f->talk->gateway, "tcp", "127.0.0.1:80", NULL);
    expect_status(f, -ECONNREFUSED);
}

static void where_from_can_be_said(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .local = "10.77.0.2:4000"};
    struct dialling *f = *state;

    listen_at(f, f->talk->b, "tcp", ":80");
    dial(f, f->talk->a, "tcp", "10.77.0.3:80", &options);
    expect_peers(f, "10.77.0.3:80", "10.77.0.2:4000");
}

static void a_port_alone_is_any_address_of_the_version(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .local = ":4000"};
    struct dialling *f = *state;

    listen_at(f, f->talk->b, "tcp", ":80");
    dial(f, f->talk->a, "tcp", "[fd77::3]:80", &options);
    expect_peers(f, "[fd77::3]:80", "[fd77::2]:4000");
}

/* ---- names ---- */

static void a_guest_s_name_is_found(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp4", ":80");
    dial(f, f->talk->b, "tcp4", "a.guest.internal:http", NULL);
    expect_peers(f, "10.77.0.2:80", "10.77.0.3:");
}

static void localhost_is_the_namespace_s_own(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp4", "127.0.0.1:80");
    dial(f, f->talk->a, "tcp", "localhost:80", NULL);
    expect_peers(f, "127.0.0.1:80", "127.0.0.1:");
}

static void the_addresses_of_a_name_are_tried_in_order(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp4", ":80");
    dial(f, f->talk->gateway, "tcp", "a:80", NULL);
    expect_peers(f, "10.77.0.2:80", "10.77.0.1:");
}

static void an_unknown_name_is_told(void **state)
{
    struct dialling *f = *state;

    dial(f, f->talk->gateway, "tcp", "nobody:80", NULL);
    expect_status(f, GN_EAI_NONAME);
}

static void an_unknown_service_is_told(void **state)
{
    struct dialling *f = *state;

    dial(f, f->talk->gateway, "tcp", "a:nosuchservice", NULL);
    expect_status(f, GN_EAI_SERVICE);
}

/* A namespace whose resolver never answers. */
struct hanging {
    struct gn_resolver *proto, *fault;
    struct gn_namespace *ns;
};

static void hang(struct dialling *f, struct hanging *h)
{
    const struct gn_fault_rule rules[] = {
        {.pattern = "*", .fault = GN_FAULT_HANG}};
    struct gn_resolver_fault_config config = {
        .size = sizeof(config), .rules = rules, .n_rules = 1};
    struct gn_namespace_config ns = {.size = sizeof(ns), .name = "deaf"};

    assert_int_equal(gn_resolver_network(&h->proto), 0);
    config.inner = h->proto;
    assert_int_equal(gn_resolver_fault(&config, &h->fault), 0);
    ns.resolver = h->fault;
    assert_int_equal(gn_namespace_create(f->talk->net, &ns, &h->ns), 0);
}

static void unhang(struct dialling *f, struct hanging *h)
{
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    gn_resolver_close(h->fault);
    gn_resolver_close(h->proto);
}

static void a_resolver_that_hangs_is_left_in_time(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 700};
    struct dialling *f = *state;
    uint64_t began = gn_clock_now_ns(f->talk->clock), took;
    struct hanging h;

    hang(f, &h);
    dial(f, h.ns, "tcp", "a:80", &options);
    talk_count(f->talk, &f->client.dialled, 1);
    took = (gn_clock_now_ns(f->talk->clock) - began) / 1000000;
    assert_int_equal(took, 700);
    expect_status(f, -ETIMEDOUT);
    unhang(f, &h);
}

static void a_lookup_is_cancelled(void **state)
{
    struct dialling *f = *state;
    struct gn_dial *d;
    struct hanging h;

    hang(f, &h);
    d = dial(f, h.ns, "tcp", "a:80", NULL);
    talk_pass_ms(f->talk, 100);
    gn_dial_cancel(d);
    gn_dial_cancel(d);
    assert_int_equal(f->client.dialled, 0);
    expect_status(f, -ECANCELED);
    unhang(f, &h);
}

static void a_lookup_ends_with_its_namespace(void **state)
{
    struct dialling *f = *state;
    struct hanging h;

    hang(f, &h);
    dial(f, h.ns, "tcp", "a:80", NULL);
    talk_pass_ms(f->talk, 100);
    gn_namespace_close(h.ns, 0, NULL, NULL);
    expect_status(f, -ECANCELED);
    unhang(f, &h);
}

static void a_lookup_ends_with_the_network(void **state)
{
    struct dialling *f = *state;
    struct hanging h;

    hang(f, &h);
    dial(f, h.ns, "tcp", "a:80", NULL);
    talk_pass_ms(f->talk, 100);
    unhang(f, &h);
    assert_int_equal(f->client.dialled, 1);
    assert_int_equal(f->client.dial_status, -ECANCELED);
}

static void a_cancelled_lookup_ends_with_the_network(void **state)
{
    struct dialling *f = *state;
    struct gn_dial *d;
    struct hanging h;

    hang(f, &h);
    d = dial(f, h.ns, "tcp", "a:80", NULL);
    talk_pass_ms(f->talk, 100);
    gn_dial_cancel(d);
    unhang(f, &h);
    assert_int_equal(f->client.dialled, 1);
    assert_int_equal(f->client.dial_status, -ECANCELED);
}

/* ---- what fails ---- */

static void a_closed_port_is_refused(void **state)
{
    struct dialling *f = *state;

    dial(f, f->talk->gateway, "tcp", "10.77.0.2:81", NULL);
    expect_status(f, -ECONNREFUSED);
}

static void an_address_of_no_guest_is_unreachable(void **state)
{
    struct dialling *f = *state;

    dial(f, f->talk->gateway, "tcp", "10.77.0.77:80", NULL);
    expect_status(f, -EHOSTUNREACH);
}

static void a_taken_local_port_is_told(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .local = "10.77.0.1:80"};
    struct dialling *f = *state;

    listen_at(f, f->talk->gateway, "tcp", ":80");
    dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", &options);
    expect_status(f, -EADDRINUSE);
}

static void a_local_address_of_another_guest_is_told(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .local = "10.77.0.2"};
    struct dialling *f = *state;

    dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", &options);
    expect_status(f, -EADDRNOTAVAIL);
}

/* ---- time ---- */

static void block(struct dialling *f)
{
    struct gn_link_config down = {.size = sizeof(down), .down = true};

    assert_int_equal(gn_link_set(f->talk->a, "eth0", &down), 0);
}

static void silence_ends_with_the_time_out(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 700};
    struct dialling *f = *state;
    uint64_t began = gn_clock_now_ns(f->talk->clock), took;

    block(f);
    dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", &options);
    talk_count(f->talk, &f->client.dialled, 1);
    took = gn_clock_now_ns(f->talk->clock) - began;
    assert_int_equal(took / 1000000, 700);
    expect_status(f, -ETIMEDOUT);
}

static void without_one_tcp_gives_up(void **state)
{
    struct dialling *f = *state;
    uint64_t began = gn_clock_now_ns(f->talk->clock), took;

    block(f);
    dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", NULL);
    while (!f->client.dialled)
        talk_pass_ms(f->talk, 1000);
    took = (gn_clock_now_ns(f->talk->clock) - began) / GN_S;
    assert_true(took > 60 && took < 200);
    expect_status(f, -ETIMEDOUT);
}

/* A listener that hears nothing more: what comes is dropped, not refused. */
static struct gn_sock *deaf_listener(struct dialling *f, const char *address)
{
    struct gn_sock *sock, *pending;
    struct sockaddr_storage ss;
    socklen_t len;
    unsigned i;

    assert_int_equal(gn_addr_parse(address, &ss, &len), 0);
    assert_int_equal(
        gn_sock_open(f->talk->a, ss.ss_family, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&ss, len), 0);
    assert_int_equal(gn_sock_listen(sock, 0), 0);
    for (i = 0; i < 4; i++) {
        assert_int_equal(gn_sock_open(f->talk->a, ss.ss_family,
                                      SOCK_STREAM | SOCK_NONBLOCK, 0, &pending),
                         0);
        assert_int_equal(gn_sock_connect(pending, (struct sockaddr *)&ss, len),
                         -EINPROGRESS);
        talk_pass_ms(f->talk, 10);
        gn_sock_unref(pending);
    }
    return sock;
}

static void each_address_gets_its_share(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 10000};
    struct dialling *f = *state;
    struct gn_sock *deaf = deaf_listener(f, "127.0.0.1:80");
    uint64_t began = gn_clock_now_ns(f->talk->clock), took;

    listen_at(f, f->talk->a, "tcp6", "[::1]:80");
    dial(f, f->talk->a, "tcp", ":80", &options);
    talk_count(f->talk, &f->client.dialled, 1);
    took = (gn_clock_now_ns(f->talk->clock) - began) / 1000000;
    assert_int_equal(took, 5000);
    expect_peers(f, "[::1]:80", "[::1]:");
    gn_sock_unref(deaf);
}

static void the_first_failure_is_told(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 3000};
    struct dialling *f = *state;
    struct gn_sock *deaf = deaf_listener(f, "127.0.0.1:80");
    uint64_t began = gn_clock_now_ns(f->talk->clock), took;

    dial(f, f->talk->a, "tcp", ":80", &options);
    talk_count(f->talk, &f->client.dialled, 1);
    took = (gn_clock_now_ns(f->talk->clock) - began) / 1000000;
    assert_int_equal(took, 2000);
    expect_status(f, -ETIMEDOUT);
    gn_sock_unref(deaf);
}

static void a_late_answer_counts(void **state)
{
    struct gn_link_config slow = {.size = sizeof(slow), .latency_us = 200000};
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 1000};
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp", ":80");
    assert_int_equal(gn_link_set(f->talk->a, "eth0", &slow), 0);
    dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", &options);
    talk_pass_ms(f->talk, 100);
    assert_int_equal(f->client.dialled, 0);
    expect_peers(f, "10.77.0.2:80", "10.77.0.1:");
}

/* ---- leaving early ---- */

static void cancel_at_once(void **state)
{
    struct dialling *f = *state;
    struct gn_dial *d;

    listen_at(f, f->talk->a, "tcp", ":80");
    d = dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", NULL);
    gn_dial_cancel(d);
    gn_dial_cancel(d);
    gn_dial_cancel(NULL);
    assert_int_equal(f->client.dialled, 0);
    expect_status(f, -ECANCELED);
    assert_int_equal(f->server.dialled, 0);
}

static void cancel_while_connecting(void **state)
{
    struct gn_link_config slow = {.size = sizeof(slow), .latency_us = 200000};
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 1000};
    struct dialling *f = *state;
    uint64_t ms;

    listen_at(f, f->talk->a, "tcp", ":80");
    assert_int_equal(gn_link_set(f->talk->a, "eth0", &slow), 0);
    for (ms = 0; ms < 400; ms += 50) {
        struct gn_dial *d =
            dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", &options);

        talk_pass_ms(f->talk, ms);
        assert_int_equal(f->client.dialled, 0);
        gn_dial_cancel(d);
        assert_int_equal(f->client.dialled, 0);
        expect_status(f, -ECANCELED);
        f->client.dialled = 0;
    }
}

static void cancel_after_it_connected_and_before_it_is_told(void **state)
{
    struct dialling *f = *state;
    struct gn_dial *d;
    unsigned steps;

    listen_at(f, f->talk->a, "tcp", ":80");
    for (steps = 0;; steps++) {
        unsigned i;

        f->client.dialled = 0;
        d = dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", NULL);
        for (i = 0; i < steps && !f->client.dialled; i++)
            (void)gn_clock_step(f->talk->clock);
        if (f->client.dialled)
            break;
        gn_dial_cancel(d);
        expect_status(f, -ECANCELED);
    }
    assert_int_equal(f->client.dial_status, 0);
}

static void closing_the_network_cancels(void **state)
{
    struct dialling *f = *state;

    block(f);
    dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", NULL);
    talk_pass_ms(f->talk, 100);
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    assert_int_equal(f->client.dialled, 1);
    assert_int_equal(f->client.dial_status, -ECANCELED);
}

static void closing_the_network_at_once_cancels(void **state)
{
    struct dialling *f = *state;

    dial(f, f->talk->gateway, "tcp", "10.77.0.2:80", NULL);
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    assert_int_equal(f->client.dialled, 1);
    assert_int_equal(f->client.dial_status, -ECANCELED);
}

static void closing_its_namespace_ends_it(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->b, "tcp", ":80");
    dial(f, f->talk->a, "tcp", "10.77.0.3:80", NULL);
    gn_namespace_close(f->talk->a, 0, NULL, NULL);
    expect_status(f, -ECANCELED);
}

static void killing_its_namespace_ends_it(void **state)
{
    struct dialling *f = *state;

    block(f);
    dial(f, f->talk->a, "tcp", "10.77.0.3:80", NULL);
    talk_pass_ms(f->talk, 100);
    gn_namespace_kill(f->talk->a);
    expect_status(f, -ECANCELED);
}

static void close_network_when_dialled(struct gn_dial *d, int status,
                                       struct gn_conn *conn, void *arg)
{
    struct dialling *f = arg;

    (void)d;
    assert_int_equal(status, 0);
    assert_non_null(conn);
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
}

static void the_network_may_be_closed_in_the_callback(void **state)
{
    struct dialling *f = *state;

    listen_at(f, f->talk->a, "tcp", ":80");
    assert_int_equal(gn_dial(f->talk->gateway, "tcp", "10.77.0.2:80", NULL,
                             close_network_when_dialled, f, NULL),
                     0);
    talk_pass_ms(f->talk, 100);
    assert_null(f->talk->net);
}

/* ---- bad input ---- */

static void expect_why(struct dialling *f, const char *proto,
                       const char *address, const char *local,
                       const char *expected)
{
    char why[200] = "";
    struct gn_dial_options options = {.size = sizeof(options),
                                      .local = local,
                                      .why = why,
                                      .why_len = sizeof(why)};

    assert_int_equal(gn_dial(f->talk->gateway, proto, address, &options,
                             party_dialled, &f->client, NULL),
                     -EINVAL);
    assert_string_equal(why, expected);
}

static void bad_text_is_explained(void **state)
{
    struct dialling *f = *state;

    expect_why(f, "sctp", "10.77.0.2:80", NULL,
               "proto \"sctp\": not one of \"tcp\", \"tcp4\", \"tcp6\", "
               "\"udp\", \"udp4\", \"udp6\"");
    expect_why(f, "tcp", "10.77.0.2:0", NULL,
               "port 0: nobody can be reached there");
    expect_why(f, "tcp", "10.77.0.2:80", "web",
               "address \"web\": no port; \"web:80\" would have one");
    expect_why(f, "tcp", "10.77.0.2:80", "web:1",
               "address \"web:1\": a local address is given by number");
    expect_why(f, "tcp", "10.77.0.2:80", "[fd77::1]:1",
               "address \"[fd77::1]:1\": not an IPv4 address, as the proto "
               "asks for");
}

static void bad_arguments_are_refused(void **state)
{
    struct gn_dial_options options = {.size = 1};
    struct dialling *f = *state;

    assert_int_equal(gn_dial(NULL, "tcp", ":80", NULL, party_dialled, f, NULL),
                     -EINVAL);
    assert_int_equal(
        gn_dial(f->talk->gateway, NULL, ":80", NULL, party_dialled, f, NULL),
        -EINVAL);
    assert_int_equal(
        gn_dial(f->talk->gateway, "tcp", NULL, NULL, party_dialled, f, NULL),
        -EINVAL);
    assert_int_equal(
        gn_dial(f->talk->gateway, "tcp", ":80", NULL, NULL, f, NULL), -EINVAL);
    assert_int_equal(gn_dial(f->talk->gateway, "tcp", ":80", &options,
                             party_dialled, f, NULL),
                     -EINVAL);
    options.size = sizeof(options);
    options.fd_kind = GN_N_FD_KINDS;
    assert_int_equal(gn_dial(f->talk->gateway, "tcp", ":80", &options,
                             party_dialled, f, NULL),
                     -EINVAL);
}

static void the_kernel_s_namespace_is_not_dialled_from(void **state)
{
    struct dialling *f = *state;
    struct gn_listener *listener;
    struct gn_packet_conn *packets;
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_system(&ns), 0);
    assert_int_equal(gn_dial(ns, "tcp", ":80", NULL, party_dialled, f, NULL),
                     -ENOTSUP);
    assert_int_equal(gn_listen(ns, "tcp", ":0", party_accepted, f, &listener),
                     -ENOTSUP);
    assert_int_equal(
        gn_listen_packet(ns, "udp", ":0", (gn_packet_cb)1, f, &packets),
        -ENOTSUP);
    gn_namespace_close(ns, 0, NULL, NULL);
}

/* ---- datagrams ---- */

static void udp_gives_a_conn_of_datagrams(void **state)
{
    struct dialling *f = *state;
    struct gn_sock *sock;
    struct sockaddr_storage ss;
    socklen_t len;
    char buf[16];

    assert_int_equal(gn_addr_parse("10.77.0.2:53", &ss, &len), 0);
    assert_int_equal(
        gn_sock_open(f->talk->a, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, &sock),
        0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&ss, len), 0);
    dial(f, f->talk->gateway, "udp", "10.77.0.2:53", NULL);
    expect_status(f, 0);
    f->client.keep = true;
    assert_int_equal(gn_conn_read_start(f->client.conn, party_read, &f->client),
                     0);
    assert_int_equal(
        gn_conn_write(f->client.conn, "one", 3, party_written, &f->client), 0);
    assert_int_equal(
        gn_conn_write(f->client.conn, "", 0, party_written, &f->client), 0);
    assert_int_equal(gn_conn_try_write(f->client.conn, "three", 5), 5);
    assert_int_equal(f->client.n_written, 0);
    talk_count(f->talk, &f->client.n_written, 2);
    len = sizeof(ss);
    assert_int_equal(gn_sock_recvfrom(sock, buf, sizeof(buf), 0,
                                      (struct sockaddr *)&ss, &len),
                     3);
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), 0);
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), 5);
    assert_int_equal(
        gn_sock_sendto(sock, "ab", 2, 0, (struct sockaddr *)&ss, len), 2);
    assert_int_equal(
        gn_sock_sendto(sock, "cde", 3, 0, (struct sockaddr *)&ss, len), 3);
    talk_count(f->talk, &f->client.n_reads, 2);
    assert_memory_equal(f->client.data, "abcde", 5);
    assert_int_equal(gn_conn_shutdown(f->client.conn, NULL, NULL), -EOPNOTSUPP);
    assert_int_equal(gn_conn_nodelay(f->client.conn, true), -EOPNOTSUPP);
    gn_sock_close(sock);
    gn_sock_unref(sock);
    talk_drop(f->talk, &f->client);
}

struct refused {
    _Atomic unsigned n;
    _Atomic unsigned other;
};

static void count_refused(struct gn_conn *conn, ssize_t nread, const void *data,
                          void *arg)
{
    struct refused *refused = arg;

    (void)conn;
    (void)data;
    if (nread == -ECONNREFUSED)
        refused->n++;
    else
        refused->other++;
}

static void a_refused_datagram_does_not_end_reading(void **state)
{
    struct refused refused = {0};
    struct dialling *f = *state;
    struct gn_conn *conn;

    dial(f, f->talk->gateway, "udp", "10.77.0.2:54", NULL);
    expect_status(f, 0);
    conn = f->client.conn;
    assert_int_equal(gn_conn_read_start(conn, count_refused, &refused), 0);
    assert_int_equal(gn_conn_write(conn, "one", 3, NULL, NULL), 0);
    talk_count(f->talk, &refused.n, 1);
    assert_int_equal(gn_conn_write(conn, "two", 3, NULL, NULL), 0);
    talk_count(f->talk, &refused.n, 2);
    assert_true(gn_conn_is_readable(conn));
    assert_true(gn_conn_is_writable(conn));
    talk_drop(f->talk, &f->client);
    assert_int_equal(refused.other, 0);
}

static void a_datagram_conn_ends_with_its_namespace(void **state)
{
    struct dialling *f = *state;

    dial(f, f->talk->a, "udp", "10.77.0.3:54", NULL);
    expect_status(f, 0);
    assert_int_equal(gn_conn_read_start(f->client.conn, party_read, &f->client),
                     0);
    talk_pass_ms(f->talk, 1);
    gn_namespace_kill(f->talk->a);
    talk_count(f->talk, &f->client.ended, 1);
    assert_int_equal(f->client.end, -ECANCELED);
    talk_pass_ms(f->talk, 1000);
    assert_int_equal(f->client.ended, 1);
    assert_int_equal(
        gn_conn_write(f->client.conn, "x", 1, party_written, &f->client),
        -ECANCELED);
    talk_drop(f->talk, &f->client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_host_reaches_a_guest_as_the_gateway),
        CASE(the_same_over_ipv6),
        CASE(a_guest_s_own_loopback_is_reached_from_its_namespace),
        CASE(no_host_is_the_namespace_s_loopback),
        CASE(no_host_tries_ipv6_too),
        CASE(the_host_s_loopback_is_not_a_guest_s),
        CASE(where_from_can_be_said),
        CASE(a_port_alone_is_any_address_of_the_version),
        CASE(a_guest_s_name_is_found),
        CASE(localhost_is_the_namespace_s_own),
        CASE(the_addresses_of_a_name_are_tried_in_order),
        CASE(an_unknown_name_is_told),
        CASE(an_unknown_service_is_told),
        CASE(a_resolver_that_hangs_is_left_in_time),
        CASE(a_lookup_is_cancelled),
        CASE(a_lookup_ends_with_its_namespace),
        CASE(a_lookup_ends_with_the_network),
        CASE(a_cancelled_lookup_ends_with_the_network),
        CASE(a_closed_port_is_refused),
        CASE(an_address_of_no_guest_is_unreachable),
        CASE(a_taken_local_port_is_told),
        CASE(a_local_address_of_another_guest_is_told),
        CASE(silence_ends_with_the_time_out),
        CASE(without_one_tcp_gives_up),
        CASE(each_address_gets_its_share),
        CASE(the_first_failure_is_told),
        CASE(a_late_answer_counts),
        CASE(cancel_at_once),
        CASE(cancel_while_connecting),
        CASE(cancel_after_it_connected_and_before_it_is_told),
        CASE(closing_the_network_cancels),
        CASE(closing_the_network_at_once_cancels),
        CASE(closing_its_namespace_ends_it),
        CASE(killing_its_namespace_ends_it),
        CASE(the_network_may_be_closed_in_the_callback),
        CASE(bad_text_is_explained),
        CASE(bad_arguments_are_refused),
        CASE(the_kernel_s_namespace_is_not_dialled_from),
        CASE(udp_gives_a_conn_of_datagrams),
        CASE(a_refused_datagram_does_not_end_reading),
        CASE(a_datagram_conn_ends_with_its_namespace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
