/* SPDX-License-Identifier: BSD-3-Clause */

/* gn_listen: what is heard, pausing at limits, and the owner of a port. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/talk.h"
#include "tests/lib/units.h"

struct listening {
    struct talk *talk;
    struct party client, server;
};

static int setup(void **state)
{
    struct listening *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    talk_setup((void **)&f->talk);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct listening *f = *state;

    talk_teardown((void **)&f->talk);
    free(f);
    return 0;
}

static struct gn_listener *listen_at(struct listening *f,
                                     struct gn_namespace *ns, const char *proto,
                                     const char *address)
{
    struct gn_listener *listener;

    assert_int_equal(
        gn_listen(ns, proto, address, party_accepted, &f->server, &listener),
        0);
    return listener;
}

static int try_listen(struct listening *f, const char *proto,
                      const char *address)
{
    struct gn_listener *listener = NULL;
    int err = gn_listen(f->talk->gateway, proto, address, party_accepted,
                        &f->server, &listener);

    assert_true((err == 0) == (listener != NULL));
    return err;
}

static const char *addr_of(struct gn_listener *listener, char *text, size_t cap)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);

    assert_int_equal(gn_listener_addr(listener, (struct sockaddr *)&ss, &len),
                     0);
    assert_int_equal(gn_addr_format((struct sockaddr *)&ss, text, cap), 0);
    return text;
}

static int dial_status(struct listening *f, struct gn_namespace *from,
                       const char *proto, const char *address)
{
    f->client.dialled = 0;
    assert_int_equal(
        gn_dial(from, proto, address, NULL, party_dialled, &f->client, NULL),
        0);
    talk_count(f->talk, &f->client.dialled, 1);
    return f->client.dial_status;
}

/* ---- what is heard ---- */

static void tcp_hears_both_versions(void **state)
{
    struct listening *f = *state;
    char text[GN_ADDR_TEXT_MAX];

    listen_at(f, f->talk->gateway, "tcp", ":80");
    assert_int_equal(dial_status(f, f->talk->a, "tcp", "10.77.0.1:80"), 0);
    talk_count(f->talk, &f->server.dialled, 1);
    assert_memory_equal(talk_peer(f->server.conn, text, sizeof(text)),
                        "10.77.0.2:", 10);
    assert_int_equal(dial_status(f, f->talk->a, "tcp", "[fd77::1]:80"), 0);
    talk_count(f->talk, &f->server.dialled, 2);
    assert_memory_equal(talk_peer(f->server.conn, text, sizeof(text)),
                        "[fd77::2]:", 10);
}

static void tcp4_and_tcp6_hear_one(void **state)
{
    struct listening *f = *state;

    listen_at(f, f->talk->gateway, "tcp4", ":80");
    assert_int_equal(dial_status(f, f->talk->a, "tcp", "[fd77::1]:80"),
                     -ECONNREFUSED);
    listen_at(f, f->talk->gateway, "tcp6", ":80");
    assert_int_equal(dial_status(f, f->talk->a, "tcp", "[fd77::1]:80"), 0);
    assert_int_equal(dial_status(f, f->talk->a, "tcp", "10.77.0.1:80"), 0);
    talk_count(f->talk, &f->server.dialled, 2);
}

static void port_0_is_told_back(void **state)
{
    struct listening *f = *state;
    struct gn_listener *listener =
        listen_at(f, f->talk->a, "tcp", "10.77.0.2:0");
    char text[GN_ADDR_TEXT_MAX];

    (void)addr_of(listener, text, sizeof(text));
    assert_memory_equal(text, "10.77.0.2:", 10);
    assert_int_equal(dial_status(f, f->talk->gateway, "tcp", text), 0);
}

static void localhost_and_services_are_known(void **state)
{
    struct listening *f = *state;
    char text[GN_ADDR_TEXT_MAX];

    assert_string_equal(
        addr_of(listen_at(f, f->talk->a, "tcp", "localhost:http"), text,
                sizeof(text)),
        "127.0.0.1:80");
    assert_string_equal(
        addr_of(listen_at(f, f->talk->a, "tcp6", "LocalHost:http"), text,
                sizeof(text)),
        "[::1]:80");
    assert_int_equal(try_listen(f, "tcp", ":nosuchservice"), -EINVAL);
}

static void bad_addresses_are_refused(void **state)
{
    struct listening *f = *state;

    assert_int_equal(try_listen(f, "udp", ":80"), -EINVAL);
    assert_int_equal(try_listen(f, "tcp", "80"), -EINVAL);
    assert_int_equal(try_listen(f, "tcp", "elsewhere.example:80"), -EINVAL);
    assert_int_equal(try_listen(f, "tcp4", "[fd77::1]:80"), -EINVAL);
    assert_int_equal(try_listen(f, "tcp", ":65536"), -EINVAL);
    assert_int_equal(try_listen(f, "tcp", NULL), -EINVAL);
    assert_int_equal(try_listen(f, "tcp", "10.77.0.2:80"), -EADDRNOTAVAIL);
    assert_int_equal(try_listen(f, "tcp", "10.77.0.1:80"), 0);
    assert_int_equal(try_listen(f, "tcp", ":80"), -EADDRINUSE);
    assert_int_equal(
        gn_listen(f->talk->gateway, "tcp", ":81", NULL, NULL, NULL), -EINVAL);
}

/* ---- ends ---- */

static void a_closed_listener_refuses_and_calls_back_once(void **state)
{
    struct listening *f = *state;
    struct gn_listener *listener = listen_at(f, f->talk->gateway, "tcp", ":80");

    assert_int_equal(gn_listener_close(listener, party_closed, &f->server), 0);
    assert_int_equal(gn_listener_close(listener, party_closed, &f->server),
                     -EALREADY);
    assert_int_equal(f->server.closed, 0);
    talk_count(f->talk, &f->server.closed, 1);
    assert_int_equal(dial_status(f, f->talk->a, "tcp", "10.77.0.1:80"),
                     -ECONNREFUSED);
    assert_int_equal(f->server.closed, 1);
    assert_int_equal(f->server.dialled, 0);
    assert_int_equal(try_listen(f, "tcp", ":80"), 0);
}

static void close_when_accepted(struct gn_listener *listener, int status,
                                struct gn_conn *conn, void *arg)
{
    struct party *party = arg;

    party_accepted(listener, status, conn, arg);
    assert_int_equal(gn_listener_close(listener, party_closed, party), 0);
}

static void closing_in_the_callback_ends_it(void **state)
{
    struct listening *f = *state;
    struct gn_listener *listener;
    unsigned i;

    assert_int_equal(gn_listen(f->talk->gateway, "tcp", ":80",
                               close_when_accepted, &f->server, &listener),
                     0);
    for (i = 0; i < 5; i++)
        assert_int_equal(gn_dial(f->talk->a, "tcp", "10.77.0.1:80", NULL,
                                 party_dialled, &f->client, NULL),
                         0);
    talk_count(f->talk, &f->client.dialled, 5);
    talk_pass_ms(f->talk, 1000);
    assert_int_equal(f->server.dialled, 1);
    assert_int_equal(f->server.closed, 1);
}

static void connections_that_were_not_accepted_are_reset(void **state)
{
    struct listening *f = *state;
    struct gn_listener *listener;

    assert_int_equal(gn_listen(f->talk->gateway, "tcp", ":80",
                               close_when_accepted, &f->server, &listener),
                     0);
    assert_int_equal(dial_status(f, f->talk->a, "tcp", "10.77.0.1:80"), 0);
    talk_count(f->talk, &f->server.closed, 1);
    (void)listener;
}

static void the_network_s_end_is_the_last_call(void **state)
{
    struct listening *f = *state;

    listen_at(f, f->talk->gateway, "tcp", ":80");
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    assert_int_equal(f->server.dialled, 1);
    assert_int_equal(f->server.dial_status, -ECANCELED);
}

static void close_when_over(struct gn_listener *listener, int status,
                            struct gn_conn *conn, void *arg)
{
    close_when_accepted(listener, status, conn, arg);
    assert_int_equal(status, -ECANCELED);
}

static void it_may_be_closed_in_its_last_call(void **state)
{
    struct listening *f = *state;
    struct gn_listener *listener;

    assert_int_equal(gn_listen(f->talk->gateway, "tcp", ":80", close_when_over,
                               &f->server, &listener),
                     0);
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    assert_int_equal(f->server.dialled, 1);
    assert_int_equal(f->server.closed, 1);
}

static void its_namespace_s_end_is_told_once(void **state)
{
    struct listening *f = *state;
    struct gn_listener *listener = listen_at(f, f->talk->a, "tcp", ":80");

    gn_namespace_kill(f->talk->a);
    talk_count(f->talk, &f->server.dialled, 1);
    assert_int_equal(f->server.dial_status, -ECANCELED);
    talk_pass_ms(f->talk, 1000);
    assert_int_equal(f->server.dialled, 1);
    assert_int_equal(gn_listener_close(listener, party_closed, &f->server), 0);
    talk_count(f->talk, &f->server.closed, 1);
}

/* ---- whose the port is ---- */

static struct gn_sock *guest_sock(struct gn_namespace *ns, int reuse)
{
    struct gn_sock *sock;

    assert_int_equal(
        gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock), 0);
    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)),
        0);
    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_REUSEPORT, &reuse, sizeof(reuse)),
        0);
    return sock;
}

static int bind_guest(struct gn_sock *sock, const char *address)
{
    struct sockaddr_storage ss;
    socklen_t len;

    assert_int_equal(gn_addr_parse(address, &ss, &len), 0);
    return gn_sock_bind(sock, (struct sockaddr *)&ss, len);
}

static void drop_sock(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static void a_guest_cannot_take_the_host_s_port(void **state)
{
    struct listening *f = *state;
    struct gn_sock *sock = guest_sock(f->talk->a, 1);
    struct gn_sock *own = guest_sock(f->talk->a, 1);

    listen_at(f, f->talk->gateway, "tcp", ":80");
    assert_int_equal(bind_guest(sock, "10.77.0.1:80"), -EADDRNOTAVAIL);
    assert_int_equal(bind_guest(own, "0.0.0.0:80"), 0);
    assert_int_equal(gn_sock_listen(own, 5), 0);
    assert_int_equal(dial_status(f, f->talk->b, "tcp", "10.77.0.1:80"), 0);
    talk_count(f->talk, &f->server.dialled, 1);
    assert_int_equal(dial_status(f, f->talk->a, "tcp", "10.77.0.1:80"), 0);
    talk_count(f->talk, &f->server.dialled, 2);
    drop_sock(sock);
    drop_sock(own);
}

/* Where it could bind by itself, in its own namespace. */
static void nor_one_in_its_own_namespace(void **state)
{
    static const char *const tried[] = {"0.0.0.0:80", "127.0.0.1:80",
                                        "10.77.0.2:80"};
    struct listening *f = *state;
    size_t i;

    listen_at(f, f->talk->a, "tcp", ":80");
    for (i = 0; i < sizeof(tried) / sizeof(*tried); i++) {
        struct gn_sock *sock = guest_sock(f->talk->a, 1);

        assert_int_equal(bind_guest(sock, tried[i]), -EADDRINUSE);
        drop_sock(sock);
    }
    assert_int_equal(dial_status(f, f->talk->b, "tcp", "10.77.0.2:80"), 0);
    talk_count(f->talk, &f->server.dialled, 1);
}

static void no_second_socket_of_the_host_shares_it_either(void **state)
{
    struct listening *f = *state;
    struct gn_sock *sock = guest_sock(f->talk->gateway, 1);

    listen_at(f, f->talk->gateway, "tcp4", ":80");
    assert_int_equal(bind_guest(sock, "10.77.0.1:80"), -EADDRINUSE);
    assert_int_equal(bind_guest(sock, "0.0.0.0:80"), -EADDRINUSE);
    drop_sock(sock);
}

static void guests_come_and_go_and_it_stays(void **state)
{
    struct listening *f = *state;

    listen_at(f, f->talk->gateway, "tcp", ":80");
    assert_int_equal(dial_status(f, f->talk->a, "tcp", "10.77.0.1:80"), 0);
    gn_namespace_kill(f->talk->a);
    gn_namespace_kill(f->talk->gateway);
    gn_namespace_detach(f->talk->gateway);
    gn_namespace_close(f->talk->a, GN_CLOSE_SILENT, NULL, NULL);
    assert_int_equal(dial_status(f, f->talk->b, "tcp", "10.77.0.1:80"), 0);
    talk_count(f->talk, &f->server.dialled, 2);
    assert_int_equal(f->server.dial_status, 0);
}

/* ---- limits ---- */

static unsigned n_accepted;
static struct gn_conn *accepted[6000];
static struct gn_conn *dialled[6000];
static unsigned n_dialled;

static void keep_accepted(struct gn_listener *listener, int status,
                          struct gn_conn *conn, void *arg)
{
    (void)listener;
    (void)arg;
    if (status == -ECANCELED)
        return; /* The network is closed. */
    assert_int_equal(status, 0);
    accepted[n_accepted++] = conn;
}

static void keep_dialled(struct gn_dial *dial, int status, struct gn_conn *conn,
                         void *arg)
{
    (void)dial;
    (void)arg;
    assert_int_equal(status, 0);
    dialled[n_dialled++] = conn;
}

static bool all_dialled(void *arg)
{
    return n_dialled == *(unsigned *)arg;
}

static bool all_accepted(void *arg)
{
    return n_accepted == *(unsigned *)arg;
}

static void accepting_pauses_at_the_limit_and_loses_nothing(void **state)
{
    static struct talk talk;
    struct gn_limits limits = {.max_sockets = 20};
    struct gn_listener *listener;
    unsigned n = 18 * 2, i, before;
    uint64_t entries;

    (void)state;
    n_accepted = n_dialled = 0;
    gn_test_heap_init(&talk.heap);
    assert_int_equal(talk_open(&talk, false, &limits, &talk.heap.alloc), 0);
    assert_int_equal(
        gn_listen(talk.a, "tcp", ":80", keep_accepted, NULL, &listener), 0);
    for (i = 0; i < n; i++)
        assert_int_equal(gn_dial(talk.gateway, "tcp", "10.77.0.2:80", NULL,
                                 keep_dialled, NULL, NULL),
                         0);
    talk_until(&talk, all_dialled, &n);
    talk_pass_ms(&talk, 1000);
    assert_int_equal(n_accepted, 19);
    /* It looks again now and then, and does not spin. */
    for (entries = 0;
         gn_clock_next_ns(talk.clock) < gn_clock_now_ns(talk.clock) + GN_S &&
         entries < 100;
         entries++)
        gn_clock_advance(talk.clock, GN_S / 100);
    talk_pass_ms(&talk, 1000);
    assert_int_equal(n_accepted, 19);
    for (i = 0; i < n; i++) {
        before = n_accepted;
        assert_true(i < before);
        assert_int_equal(gn_conn_close(accepted[i], NULL, NULL), 0);
        talk_pass_ms(&talk, 1000);
    }
    assert_int_equal(n_accepted, n);
    talk_close(&talk);
    gn_test_heap_done(&talk.heap);
}

static void five_thousand_at_once(void **state)
{
    static struct talk talk;
    struct gn_limits limits = {.max_sockets = 6000};
    struct gn_listener *listener;
    unsigned n = 5000, i;

    (void)state;
    n_accepted = n_dialled = 0;
    gn_test_heap_init(&talk.heap);
    assert_int_equal(talk_open(&talk, false, &limits, &talk.heap.alloc), 0);
    assert_int_equal(
        gn_listen(talk.gateway, "tcp", ":80", keep_accepted, NULL, &listener),
        0);
    for (i = 0; i < n; i++)
        assert_int_equal(gn_dial(talk.a, "tcp", "10.77.0.1:80", NULL,
                                 keep_dialled, NULL, NULL),
                         0);
    talk_until(&talk, all_dialled, &n);
    talk_until(&talk, all_accepted, &n);
    for (i = 0; i < n; i++)
        assert_int_equal(gn_conn_try_write(dialled[i], &i, sizeof(i)),
                         sizeof(i));
    talk_close(&talk);
    gn_test_heap_done(&talk.heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(tcp_hears_both_versions),
        CASE(tcp4_and_tcp6_hear_one),
        CASE(port_0_is_told_back),
        CASE(localhost_and_services_are_known),
        CASE(bad_addresses_are_refused),
        CASE(a_closed_listener_refuses_and_calls_back_once),
        CASE(closing_in_the_callback_ends_it),
        CASE(connections_that_were_not_accepted_are_reset),
        CASE(the_network_s_end_is_the_last_call),
        CASE(it_may_be_closed_in_its_last_call),
        CASE(its_namespace_s_end_is_told_once),
        CASE(a_guest_cannot_take_the_host_s_port),
        CASE(nor_one_in_its_own_namespace),
        CASE(no_second_socket_of_the_host_shares_it_either),
        CASE(guests_come_and_go_and_it_stays),
        cmocka_unit_test(accepting_pauses_at_the_limit_and_loses_nothing),
        cmocka_unit_test(five_thousand_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
