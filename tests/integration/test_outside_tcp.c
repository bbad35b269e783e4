/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections between guests and a made-up world outside.
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
#include "tests/lib/rawport.h"
#include "tests/lib/simnet.h"
#include "tests/lib/socks.h"

#define OUT4 "203.0.113.7:80"
#define OUT6 "[2001:db8::7]:80"

struct fixture {
    struct socks *s;
    struct beyond beyond;
    struct gn_namespace *guest; /* with hooks; s->a has none */
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
    assert_int_equal(f->beyond.n_pending, 0);
    free(f);
    return 0;
}

static void pass(struct fixture *f, uint64_t ms)
{
    pass_ms(f->s, ms);
}

static void echo_once(struct fixture *f, struct gn_sock *sock)
{
    assert_int_equal(send_text(sock, "hello"), 5);
    pass(f, 1);
    expect_text(sock, "hello");
}

/* ---- out ---- */

static void connect_reaches_the_outside(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(ready(sock) & (POLLOUT | POLLERR | POLLHUP), POLLOUT);
    assert_int_equal(take_error(sock), 0);
    assert_string_equal(peer_of(sock), OUT4);
    assert_memory_equal(name_of(sock), "10.77.0.4:", 10);
    echo_once(f, sock);
    drop(sock);
    pass(f, 100);
    assert_int_equal(f->beyond.n_conns, 0);
}

static void connect_reaches_the_outside_over_ipv6(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open6(f->guest, SOCK_STREAM);

    assert_int_equal(connect_to(sock, OUT6), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(take_error(sock), 0);
    assert_string_equal(peer_of(sock), OUT6);
    echo_once(f, sock);
    drop(sock);
}

static void a_dual_stack_socket_reaches_ipv4(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open6(f->guest, SOCK_STREAM);

    assert_int_equal(connect_to(sock, "[::ffff:203.0.113.7]:80"), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(take_error(sock), 0);
    echo_once(f, sock);
    drop(sock);
}

static void the_dial_says_who_and_where(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);
    struct gn__endpoint outside = beyond_endpoint(OUT4);
    struct gn__outside_dial *dial;

    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(bind_to(sock, "10.77.0.4:4000"), 0);
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(f->beyond.n_pending, 1);
    dial = f->beyond.pending[0];
    assert_ptr_equal(dial->who->ns, f->guest);
    assert_int_equal(dial->type, SOCK_STREAM);
    assert_int_equal(dial->guest.port, 4000);
    assert_true(gn__endpoint_equal(&dial->outside, &outside));
    assert_int_equal(ready(sock), 0);
    assert_int_equal(connect_to(sock, OUT4), -EALREADY);
    assert_int_equal(beyond_accept(&f->beyond), 0);
    pass(f, 1);
    assert_int_equal(take_error(sock), 0);
    echo_once(f, sock);
    drop(sock);
}

/* Repeated SYNs add nothing to a dial that waits. */
static void a_slow_outside_is_dialled_once(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 10000);
    assert_int_equal(f->beyond.n_dials, 1);
    assert_int_equal(f->beyond.n_pending, 1);
    assert_int_equal(beyond_accept(&f->beyond), 0);
    pass(f, 1);
    assert_int_equal(ready(sock), POLLOUT);
    echo_once(f, sock);
    drop(sock);
}

static void refusals_are_told_as_they_are(void **state)
{
    static const int errors[] = {-ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH,
                                 -EACCES,       -EPERM,        -EADDRNOTAVAIL,
                                 -ECONNRESET,   -ENOBUFS};
    struct fixture *f = *state;
    size_t i;

    f->beyond.mode = BEYOND_REFUSE;
    for (i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct gn_sock *v4 = open4(f->guest, SOCK_STREAM);
        struct gn_sock *v6 = open6(f->guest, SOCK_STREAM);

        f->beyond.error = errors[i];
        assert_int_equal(connect_to(v4, OUT4), -EINPROGRESS);
        assert_int_equal(connect_to(v6, OUT6), -EINPROGRESS);
        pass(f, 1);
        assert_true(ready(v4) & POLLERR);
        assert_int_equal(take_error(v4), errors[i]);
        assert_int_equal(connect_to(v6, OUT6), errors[i]);
        drop(v4);
        drop(v6);
    }
}

static void no_answer_is_a_time_out(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    f->beyond.mode = BEYOND_REFUSE;
    f->beyond.error = -ETIMEDOUT;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(take_error(sock), -ETIMEDOUT);
    drop(sock);
}

static void closing_cancels_the_dial(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(f->beyond.n_pending, 1);
    drop(sock);
    pass(f, 1);
    assert_int_equal(f->beyond.n_cancelled, 1);
    assert_int_equal(f->beyond.n_pending, 0);
}

static void a_time_out_cancels_the_dial(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(set_int(sock, IPPROTO_TCP, TCP_SYNCNT, 1), 0);
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 30000);
    assert_int_equal(take_error(sock), -ETIMEDOUT);
    assert_int_equal(f->beyond.n_cancelled, 1);
    drop(sock);
}

/* The guest gave up after the outside answered, before it was told. */
static void accepting_what_was_cancelled_says_so(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    drop(sock);
    assert_int_equal(beyond_accept(&f->beyond), -ECANCELED);
    pass(f, 1);
    assert_int_equal(f->beyond.n_cancelled, 0);
}

static void cancelled_before_it_was_told_a_dial_is_never_told(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    drop(sock);
    pass(f, 1);
    assert_int_equal(f->beyond.n_dials, 0);
    assert_int_equal(f->beyond.n_cancelled, 0);
}

static void half_close_goes_both_ways(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);
    struct gn_sock *far;
    char c;

    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    f->beyond.n_pending = 0;
    assert_int_equal(gn__outside_accept(f->beyond.pending[0], &far), 0);
    pass(f, 1);
    assert_int_equal(ready(far), POLLOUT);
    assert_string_equal(name_of(far), OUT4);
    assert_memory_equal(peer_of(far), "10.77.0.4:", 10);
    assert_int_equal(send_text(sock, "last"), 4);
    assert_int_equal(gn_sock_shutdown(sock, SHUT_WR), 0);
    pass(f, 1);
    expect_text(far, "last");
    assert_int_equal(gn_sock_recv(far, &c, 1, 0), 0);
    assert_int_equal(send_text(far, "word"), 4);
    assert_int_equal(gn_sock_shutdown(far, SHUT_WR), 0);
    pass(f, 1);
    expect_text(sock, "word");
    assert_int_equal(gn_sock_recv(sock, &c, 1, 0), 0);
    drop(sock);
    drop(far);
}

static void resets_go_both_ways(void **state)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    struct fixture *f = *state;
    unsigned side;
    char c;

    f->beyond.mode = BEYOND_WAIT;
    for (side = 0; side < 2; side++) {
        struct gn_sock *ends[2];

        ends[0] = open4(f->guest, SOCK_STREAM);
        assert_int_equal(connect_to(ends[0], OUT4), -EINPROGRESS);
        pass(f, 1);
        f->beyond.n_pending = 0;
        assert_int_equal(gn__outside_accept(f->beyond.pending[0], &ends[1]), 0);
        pass(f, 1);
        assert_int_equal(gn_sock_setopt(ends[side], SOL_SOCKET, SO_LINGER, &now,
                                        sizeof(now)),
                         0);
        drop(ends[side]);
        pass(f, 1);
        assert_int_equal(gn_sock_recv(ends[!side], &c, 1, 0), -ECONNRESET);
        drop(ends[!side]);
    }
}

static void options_of_the_far_end_can_be_set(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);
    struct gn_sock *far;

    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    f->beyond.n_pending = 0;
    assert_int_equal(gn__outside_accept(f->beyond.pending[0], &far), 0);
    assert_int_equal(set_int(far, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    assert_int_equal(set_int(far, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    pass(f, 1);
    assert_int_equal(set_int(far, IPPROTO_TCP, TCP_NODELAY, 0), 0);
    assert_int_equal(set_int(far, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    drop(far);
    drop(sock);
}

/* ---- which guests may not ---- */

static void without_hooks_there_is_no_way(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->s->a, SOCK_STREAM);
    struct gn_sock *udp = open4(f->s->a, SOCK_DGRAM);

    assert_int_equal(connect_to(sock, OUT4), -ENETUNREACH);
    assert_int_equal(send_text_to(udp, "x", OUT4), -ENETUNREACH);
    drop(sock);
    drop(udp);
}

static void some_addresses_are_never_outside(void **state)
{
    static const char *const never[] = {
        "127.0.0.2:80",   "240.0.0.1:80",   "0.1.2.3:80",
        "10.77.0.99:80",  "[fd77::99]:80",  "[::1]:80",
        "[fe80::1%2]:80", "10.77.0.255:80", NULL};
    struct fixture *f = *state;
    size_t i;

    for (i = 0; never[i]; i++) {
        struct gn_sock *sock = never[i][0] == '['
                                   ? open6(f->guest, SOCK_STREAM)
                                   : open4(f->guest, SOCK_STREAM);

        (void)connect_to(sock, never[i]);
        pass(f, 1);
        assert_int_equal(f->beyond.n_dials, 0);
        drop(sock);
    }
}

static void the_gateways_address_leads_behind_it(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *plain;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);
    struct gn_sock *other;

    assert_int_equal(connect_to(sock, "10.77.0.1:80"), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(f->beyond.n_dials, 1);
    assert_int_equal(ready(sock) & (POLLOUT | POLLERR), POLLOUT);
    assert_string_equal(peer_of(sock), "10.77.0.1:80");
    assert_int_equal(send_text(sock, "hello"), 5);
    pass(f, 1);
    expect_text(sock, "hello");
    drop(sock);
    /* A guest without hooks meets the host's namespace only. */
    assert_int_equal(gn_namespace_create(f->s->net, NULL, &plain), 0);
    other = open4(plain, SOCK_STREAM);
    (void)connect_to(other, "10.77.0.1:80");
    pass(f, 1);
    assert_int_equal(take_error(other), -ECONNREFUSED);
    assert_int_equal(f->beyond.n_dials, 1);
    drop(other);
    gn_namespace_close(plain, 0, NULL, NULL);
    pass(f, 1);
}

static void what_the_host_listens_on_is_its_own(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener =
        listen_at(gn_network_gateway(f->s->net), "0.0.0.0:80");
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM), *server;

    assert_int_equal(connect_to(sock, "10.77.0.1:80"), -EINPROGRESS);
    pass(f, 1);
    server = accept_one(listener);
    assert_non_null(server);
    assert_int_equal(send_text(server, "mine"), 4);
    pass(f, 1);
    expect_text(sock, "mine");
    drop(listener);
    assert_int_equal(send_text(sock, "on"), 2); /* As long as it lasts. */
    pass(f, 1);
    expect_text(server, "on");
    assert_int_equal(f->beyond.n_dials, 0);
    drop(server);
    drop(sock);
}

static void the_hosts_listeners_are_not_outside(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener =
        listen_at(gn_network_gateway(f->s->net), "0.0.0.0:80");
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    f->beyond.mode = BEYOND_REFUSE;
    f->beyond.error = -ECONNREFUSED;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(take_error(sock), -ECONNREFUSED);
    assert_null(accept_one(listener));
    drop(sock);
    drop(listener);
}

/* What guests connect to outside takes no port from the host. */
static void the_host_can_listen_on_any_port(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(take_error(sock), 0);
    drop(listen_at(gn_network_gateway(f->s->net), "0.0.0.0:80"));
    drop(sock);
}

static void a_route_of_the_guest_goes_first(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    assert_int_equal(gn_route_add(f->guest, "203.0.113.0/24", "10.77.0.99"), 0);
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(f->beyond.n_dials, 0);
    assert_int_equal(take_error(sock), -EHOSTUNREACH);
    drop(sock);
}

/* ---- in ---- */

static void a_client_from_outside_has_its_own_address(void **state)
{
    struct fixture *f = *state;
    struct gn__endpoint from = beyond_endpoint("198.51.100.9:5555");
    struct gn__endpoint to = beyond_endpoint("10.77.0.2:80");
    struct gn_sock *listener = listen_at(f->s->a, "0.0.0.0:80");
    struct gn_sock *far, *sock, *other;

    assert_int_equal(gn__outside_connect(f->s->net, &from, &to, &far), 0);
    pass(f, 1);
    assert_int_equal(ready(far), POLLOUT);
    assert_int_equal(take_error(far), 0);
    sock = accept_one(listener);
    assert_non_null(sock);
    assert_string_equal(peer_of(sock), "198.51.100.9:5555");
    assert_string_equal(name_of(far), "198.51.100.9:5555");
    assert_int_equal(send_text(sock, "hi"), 2);
    pass(f, 1);
    expect_text(far, "hi");
    /* The client can be answered, and nothing more. */
    other = open4(f->s->a, SOCK_STREAM);
    assert_int_equal(connect_to(other, "198.51.100.9:80"), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(take_error(other), -ECONNREFUSED);
    drop(other);
    assert_int_equal(gn__outside_connect(f->s->net, &from, &to, &other),
                     -EADDRINUSE);
    drop(far);
    assert_int_equal(gn__outside_connect(f->s->net, &from, &to, &other),
                     -EBUSY);
    pass(f, 10);
    drop(sock);
    pass(f, 5000);
    other = open4(f->s->a, SOCK_STREAM);
    assert_int_equal(connect_to(other, "198.51.100.9:80"), -ENETUNREACH);
    drop(other);
    drop(listener);
}

static void a_client_over_ipv6_has_its_own_address(void **state)
{
    struct fixture *f = *state;
    struct gn__endpoint from = beyond_endpoint("[2001:db8::9]:5555");
    struct gn__endpoint to = beyond_endpoint("[fd77::2]:80");
    struct gn_sock *listener = listen_at(f->s->a, "[::]:80");
    struct gn_sock *far, *sock;

    assert_int_equal(gn__outside_connect(f->s->net, &from, &to, &far), 0);
    pass(f, 1);
    sock = accept_one(listener);
    assert_non_null(sock);
    assert_string_equal(peer_of(sock), "[2001:db8::9]:5555");
    drop(far);
    drop(sock);
    drop(listener);
}

static void a_closed_port_refuses_the_client(void **state)
{
    struct fixture *f = *state;
    struct gn__endpoint from = beyond_endpoint("198.51.100.9:5555");
    struct gn__endpoint to = beyond_endpoint("10.77.0.2:80");
    struct gn_sock *far;

    assert_int_equal(gn__outside_connect(f->s->net, &from, &to, &far), 0);
    pass(f, 1);
    assert_true(ready(far) & POLLERR);
    assert_int_equal(take_error(far), -ECONNREFUSED);
    drop(far);
}

static void what_cannot_be_played_is_refused(void **state)
{
    static const char *const never[] = {
        "127.0.0.1:5",   "10.77.0.9:5",     "0.0.0.0:5",   "224.0.0.1:5",
        "169.254.1.1:5", "[2001:db8::9]:5", "10.77.0.1:5", NULL};
    struct fixture *f = *state;
    struct gn__endpoint from, to = beyond_endpoint("10.77.0.2:80");
    struct gn_sock *far;
    size_t i;

    for (i = 0; never[i]; i++) {
        from = beyond_endpoint(never[i]);
        assert_int_equal(gn__outside_connect(f->s->net, &from, &to, &far),
                         -EADDRNOTAVAIL);
    }
    from = beyond_endpoint("198.51.100.9:5");
    to = beyond_endpoint("10.77.0.200:80");
    assert_int_equal(gn__outside_connect(f->s->net, &from, &to, &far),
                     -EHOSTUNREACH);
    to = beyond_endpoint("10.77.0.1:80");
    assert_int_equal(gn__outside_connect(f->s->net, &from, &to, &far),
                     -EHOSTUNREACH);
}

/* ---- many, slowly ---- */

static void links_delay_and_lose(void **state)
{
    struct gn_link_config link = {
        .size = sizeof(link), .latency_us = 20000, .loss_ppm = 50000};
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);
    static char data[4096], got[4096];
    size_t done = 0, sent = 0, want = 256 * 1024;
    unsigned round;

    memset(data, 'x', sizeof(data));
    assert_int_equal(gn_link_set(f->guest, 0, &link), 0);
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 30);
    assert_int_equal(ready(sock), 0);
    pass(f, 20000);
    assert_int_equal(take_error(sock), 0);
    for (round = 0; done < want && round < 20000; round++) {
        ssize_t n;

        if (sent < want && sent - done < 65536) {
            n = gn_sock_send(sock, data, sizeof(data), 0);
            if (n > 0)
                sent += (size_t)n;
        }
        pass(f, 10);
        while ((n = gn_sock_recv(sock, got, sizeof(got), 0)) > 0)
            done += (size_t)n;
    }
    assert_true(done >= want);
    drop(sock);
}

static void a_refusal_meets_the_links_delay(void **state)
{
    struct gn_link_config link = {.size = sizeof(link), .latency_us = 20000};
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);

    assert_int_equal(gn_link_set(f->guest, 0, &link), 0);
    f->beyond.mode = BEYOND_REFUSE;
    f->beyond.error = -EACCES;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 39);
    assert_int_equal(ready(sock), 0);
    pass(f, 2);
    assert_int_equal(take_error(sock), -EACCES);
    drop(sock);
}

#define MANY 2000u

static void two_thousand_connections_to_two_thousand_addresses(void **state)
{
    static struct gn_sock *socks[MANY];
    struct fixture *f = *state;
    const struct gn_limits limits = {.max_sockets = MANY, .max_outgoing = MANY};
    struct gn_namespace *guest =
        beyond_guest(&f->beyond, f->s->net, NULL, &limits);
    char text[GN_ADDR_TEXT_MAX];
    unsigned i;

    for (i = 0; i < MANY; i++) {
        (void)snprintf(text, sizeof(text), "198.18.%u.%u:%u", i / 250,
                       1 + i % 250, 1000 + i);
        socks[i] = open4(guest, SOCK_STREAM);
        assert_int_equal(connect_to(socks[i], text), -EINPROGRESS);
    }
    pass(f, 10);
    for (i = 0; i < MANY; i++) {
        (void)snprintf(text, sizeof(text), "198.18.%u.%u:%u", i / 250,
                       1 + i % 250, 1000 + i);
        assert_int_equal(take_error(socks[i]), 0);
        assert_string_equal(peer_of(socks[i]), text);
        assert_int_equal(send_text(socks[i], text), strlen(text));
    }
    assert_int_equal(f->beyond.n_conns, MANY);
    pass(f, 10);
    for (i = 0; i < MANY; i++) {
        expect_text(socks[i], peer_of(socks[i]));
        drop(socks[i]);
    }
    pass(f, 5000);
    assert_int_equal(f->beyond.n_conns, 0);
    gn_namespace_close(guest, 0, NULL, NULL);
    pass(f, 5000);
    assert_int_equal(f->beyond.n_released, 1);
    f->beyond.n_released = 0;
}

/* ---- ends ---- */

static void killing_the_guest_ends_all(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *wait = open4(f->guest, SOCK_STREAM);
    struct gn_sock *talk = open4(f->guest, SOCK_STREAM);

    assert_int_equal(connect_to(talk, OUT4), -EINPROGRESS);
    pass(f, 1);
    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(wait, OUT4), -EINPROGRESS);
    pass(f, 1);
    assert_int_equal(f->beyond.n_conns, 1);
    assert_int_equal(f->beyond.n_pending, 1);
    gn_namespace_kill(f->guest);
    pass(f, 10);
    assert_int_equal(f->beyond.n_cancelled, 1);
    assert_int_equal(f->beyond.n_conns, 0);
    drop(wait);
    drop(talk);
}

static void close_guest(struct fixture *f, unsigned flags)
{
    struct gn_sock *wait = open4(f->guest, SOCK_STREAM);
    struct gn_sock *talk = open4(f->guest, SOCK_STREAM);

    assert_int_equal(connect_to(talk, OUT4), -EINPROGRESS);
    pass(f, 1);
    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(wait, OUT4), -EINPROGRESS);
    pass(f, 1);
    gn_namespace_close(f->guest, flags, NULL, NULL);
    pass(f, 10);
    assert_int_equal(f->beyond.n_cancelled, 1);
    assert_int_equal(f->beyond.n_released, 1);
    pass(f, 2000);
    assert_int_equal(f->beyond.n_conns, 0);
    drop(wait);
    drop(talk);
}

static void closing_the_guest_ends_all(void **state)
{
    close_guest(*state, 0);
}

static void a_power_cut_ends_all(void **state)
{
    close_guest(*state, GN_CLOSE_SILENT);
}

static void detaching_ends_all(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *wait = open4(f->guest, SOCK_STREAM);
    struct gn_sock *talk = open4(f->guest, SOCK_STREAM);
    char c;

    assert_int_equal(connect_to(talk, OUT4), -EINPROGRESS);
    pass(f, 1);
    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(wait, OUT4), -EINPROGRESS);
    pass(f, 1);
    gn_namespace_detach(f->guest);
    assert_int_equal(gn_sock_recv(talk, &c, 1, 0), -ENETDOWN);
    assert_int_equal(take_error(wait), -ENETDOWN);
    pass(f, 2000);
    assert_int_equal(f->beyond.n_cancelled, 1);
    assert_int_equal(f->beyond.n_released, 1);
    assert_int_equal(f->beyond.n_conns, 0);
    drop(wait);
    drop(talk);
}

/* What is left of a guest never reaches the next owner of its address. */
static void the_next_owner_of_an_address_hears_nothing(void **state)
{
    static const char *const addrs[] = {"10.77.0.4", NULL};
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);
    struct gn_rawport *next;
    struct gn_sock *far;

    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 1);
    f->beyond.n_pending = 0;
    assert_int_equal(gn__outside_accept(f->beyond.pending[0], &far), 0);
    pass(f, 1);
    gn_namespace_close(f->guest, GN_CLOSE_SILENT, NULL, NULL);
    next = gn_rawport_open(f->s->net, addrs, 0);
    assert_int_equal(send_text(far, "for the old one"), 15);
    pass(f, 60000);
    assert_int_equal(gn_rawport_received(next), 0);
    assert_int_equal(take_error(far), -ECONNRESET);
    drop(far);
    drop(sock);
    gn_rawport_close(next);
}

static void what_was_sent_before_the_end_arrives(void **state)
{
    struct gn_link_config link = {.size = sizeof(link), .latency_us = 20000};
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_STREAM);
    struct gn_sock *far;

    assert_int_equal(gn_link_set(f->guest, 0, &link), 0);
    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(sock, OUT4), -EINPROGRESS);
    pass(f, 30);
    f->beyond.n_pending = 0;
    assert_int_equal(gn__outside_accept(f->beyond.pending[0], &far), 0);
    pass(f, 100);
    assert_int_equal(send_text(sock, "farewell"), 8);
    gn_namespace_close(f->guest, GN_CLOSE_SILENT, NULL, NULL);
    pass(f, 100);
    expect_text(far, "farewell");
    drop(far);
    drop(sock);
}

static void closing_the_network_ends_all(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *wait = open4(f->guest, SOCK_STREAM);
    struct gn_sock *talk = open4(f->guest, SOCK_STREAM);

    assert_int_equal(connect_to(talk, OUT4), -EINPROGRESS);
    pass(f, 1);
    f->beyond.mode = BEYOND_WAIT;
    assert_int_equal(connect_to(wait, OUT4), -EINPROGRESS);
    pass(f, 1);
    drop(wait);
    drop(talk);
    /* Teardown does the rest: nothing may be left. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(connect_reaches_the_outside),
        CASE(connect_reaches_the_outside_over_ipv6),
        CASE(a_dual_stack_socket_reaches_ipv4),
        CASE(the_dial_says_who_and_where),
        CASE(a_slow_outside_is_dialled_once),
        CASE(refusals_are_told_as_they_are),
        CASE(no_answer_is_a_time_out),
        CASE(closing_cancels_the_dial),
        CASE(a_time_out_cancels_the_dial),
        CASE(accepting_what_was_cancelled_says_so),
        CASE(cancelled_before_it_was_told_a_dial_is_never_told),
        CASE(half_close_goes_both_ways),
        CASE(resets_go_both_ways),
        CASE(options_of_the_far_end_can_be_set),
        CASE(without_hooks_there_is_no_way),
        CASE(some_addresses_are_never_outside),
        CASE(the_gateways_address_leads_behind_it),
        CASE(what_the_host_listens_on_is_its_own),
        CASE(the_hosts_listeners_are_not_outside),
        CASE(the_host_can_listen_on_any_port),
        CASE(a_route_of_the_guest_goes_first),
        CASE(a_client_from_outside_has_its_own_address),
        CASE(a_client_over_ipv6_has_its_own_address),
        CASE(a_closed_port_refuses_the_client),
        CASE(what_cannot_be_played_is_refused),
        CASE(links_delay_and_lose),
        CASE(a_refusal_meets_the_links_delay),
        CASE(two_thousand_connections_to_two_thousand_addresses),
        CASE(killing_the_guest_ends_all),
        CASE(closing_the_guest_ends_all),
        CASE(a_power_cut_ends_all),
        CASE(detaching_ends_all),
        CASE(the_next_owner_of_an_address_hears_nothing),
        CASE(what_was_sent_before_the_end_arrives),
        CASE(closing_the_network_ends_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
