/* SPDX-License-Identifier: BSD-3-Clause */

/* Which socket may have which port, and how ports are picked. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/socks.h"

/* What the second bind says, with these options on both. */
static int second_bind(struct gn_namespace *ns, int type, const char *first,
                       const char *second, int option)
{
    struct gn_sock *one =
        strchr(first, '[') ? open6(ns, type) : open4(ns, type);
    struct gn_sock *two =
        strchr(second, '[') ? open6(ns, type) : open4(ns, type);
    int err;

    if (option) {
        assert_int_equal(set_int(one, SOL_SOCKET, option, 1), 0);
        assert_int_equal(set_int(two, SOL_SOCKET, option, 1), 0);
    }
    assert_int_equal(bind_to(one, first), 0);
    err = bind_to(two, second);
    drop(two);
    drop(one);
    return err;
}

static void same_address_and_port_are_in_use(void **state)
{
    struct socks *f = *state;
    const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    unsigned i;

    for (i = 0; i < 2; i++) {
        assert_int_equal(
            second_bind(f->a, types[i], "10.77.0.2:80", "10.77.0.2:80", 0),
            -EADDRINUSE);
        assert_int_equal(
            second_bind(f->a, types[i], "0.0.0.0:80", "10.77.0.2:80", 0),
            -EADDRINUSE);
        assert_int_equal(
            second_bind(f->a, types[i], "10.77.0.2:80", "0.0.0.0:80", 0),
            -EADDRINUSE);
        assert_int_equal(
            second_bind(f->a, types[i], "127.0.0.1:80", "10.77.0.2:80", 0), 0);
    }
}

static void both_versions_share_a_wildcard(void **state)
{
    struct socks *f = *state;
    struct gn_sock *six = open6(f->a, SOCK_STREAM);
    struct gn_sock *four = open4(f->a, SOCK_STREAM);

    assert_int_equal(second_bind(f->a, SOCK_STREAM, "[::]:80", "0.0.0.0:80", 0),
                     -EADDRINUSE);
    assert_int_equal(second_bind(f->a, SOCK_STREAM, "0.0.0.0:80", "[::]:80", 0),
                     -EADDRINUSE);
    assert_int_equal(
        second_bind(f->a, SOCK_STREAM, "[fd77::2]:80", "0.0.0.0:80", 0), 0);
    assert_int_equal(set_int(six, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
    assert_int_equal(bind_to(six, "[::]:80"), 0);
    assert_int_equal(bind_to(four, "0.0.0.0:80"), 0);
    drop(six);
    drop(four);
}

static void protocols_do_not_meet(void **state)
{
    struct socks *f = *state;
    struct gn_sock *stream = open4(f->a, SOCK_STREAM);
    struct gn_sock *dgram = open4(f->a, SOCK_DGRAM);
    struct gn_sock *other = open4(f->b, SOCK_STREAM);

    assert_int_equal(bind_to(stream, "0.0.0.0:53"), 0);
    assert_int_equal(bind_to(dgram, "0.0.0.0:53"), 0);
    assert_int_equal(bind_to(other, "0.0.0.0:53"), 0);
    drop(other);
    drop(dgram);
    drop(stream);
}

static void reuse_options_let_two_share(void **state)
{
    struct socks *f = *state;

    assert_int_equal(second_bind(f->a, SOCK_STREAM, "0.0.0.0:80", "0.0.0.0:80",
                                 SO_REUSEADDR),
                     0);
    assert_int_equal(
        second_bind(f->a, SOCK_DGRAM, "0.0.0.0:80", "0.0.0.0:80", SO_REUSEADDR),
        0);
    assert_int_equal(second_bind(f->a, SOCK_STREAM, "0.0.0.0:80", "0.0.0.0:80",
                                 SO_REUSEPORT),
                     0);
}

static void reuseaddr_does_not_share_with_a_listener(void **state)
{
    struct socks *f = *state;
    struct gn_sock *one = open4(f->a, SOCK_STREAM);
    struct gn_sock *two = open4(f->a, SOCK_STREAM);
    struct gn_sock *three = open4(f->a, SOCK_STREAM);

    assert_int_equal(set_int(one, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(set_int(two, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(set_int(three, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(bind_to(one, "0.0.0.0:80"), 0);
    assert_int_equal(bind_to(two, "0.0.0.0:80"), 0);
    assert_int_equal(gn_sock_listen(one, 1), 0);
    assert_int_equal(gn_sock_listen(two, 1), -EADDRINUSE);
    assert_int_equal(bind_to(three, "10.77.0.2:80"), -EADDRINUSE);
    gn_sock_close(one);
    assert_int_equal(gn_sock_listen(two, 1), 0);
    gn_sock_unref(one);
    drop(two);
    drop(three);
}

static void bind_checks_the_address(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);
    struct gn_sock *six = open6(f->a, SOCK_STREAM);
    struct sockaddr_in sin = {.sin_family = AF_INET};

    assert_int_equal(gn_sock_bind(sock, NULL, 0), -EFAULT);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&sin, 15), -EINVAL);
    assert_int_equal(bind_to(sock, "10.77.0.3:80"), -EADDRNOTAVAIL);
    assert_int_equal(bind_to(sock, "192.0.2.1:80"), -EADDRNOTAVAIL);
    assert_int_equal(bind_to(six, "[fd77::3]:80"), -EADDRNOTAVAIL);
    assert_int_equal(bind_to(six, "[ff02::1]:80"), -EINVAL);
    sin.sin_family = AF_UNSPEC;
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&sin, sizeof(sin)),
                     0);
    assert_int_equal(bind_to(sock, "0.0.0.0:80"), -EINVAL);
    drop(sock);
    drop(six);
}

static void a_mapped_address_binds_ipv4(void **state)
{
    struct socks *f = *state;
    struct gn_sock *six = open6(f->a, SOCK_STREAM);
    struct gn_sock *four = open4(f->a, SOCK_STREAM);

    assert_int_equal(bind_to(six, "[::ffff:10.77.0.2]:80"), 0);
    assert_int_equal(bind_to(four, "10.77.0.2:80"), -EADDRINUSE);
    drop(six);
    drop(four);
}

static void port_zero_picks_a_free_one(void **state)
{
    struct socks *f = *state;
    struct gn_sock *one = open4(f->a, SOCK_STREAM);
    struct gn_sock *two = open4(f->a, SOCK_STREAM);

    assert_int_equal(bind_to(one, "0.0.0.0"), 0);
    assert_int_equal(bind_to(two, "0.0.0.0"), 0);
    assert_in_range(port_of(one), 32768, 60999);
    assert_in_range(port_of(two), 32768, 60999);
    assert_int_not_equal(port_of(one), port_of(two));
    drop(one);
    drop(two);
}

static void listening_unbound_gets_a_port(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = open4(f->b, SOCK_STREAM);
    struct gn_sock *client = open4(f->a, SOCK_STREAM);
    char address[GN_ADDR_TEXT_MAX];

    assert_int_equal(gn_sock_listen(listener, 1), 0);
    (void)snprintf(address, sizeof(address), "10.77.0.3:%u", port_of(listener));
    assert_int_equal(connect_to(client, address), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(take_error(client), 0);
    drop(client);
    drop(listener);
}

static void a_port_serves_many_destinations(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->b, "10.77.0.3:80");
    struct gn_sock *other = listen_at(f->b, "10.77.0.3:81");
    struct gn_sock *one = open4(f->a, SOCK_STREAM);
    struct gn_sock *two = open4(f->a, SOCK_STREAM);

    assert_int_equal(set_int(one, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(set_int(two, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(bind_to(one, "10.77.0.2:5000"), 0);
    assert_int_equal(connect_to(one, "10.77.0.3:80"), -EINPROGRESS);
    assert_int_equal(bind_to(two, "10.77.0.2:5000"), 0);
    assert_int_equal(connect_to(two, "10.77.0.3:80"), -EADDRNOTAVAIL);
    assert_int_equal(connect_to(two, "10.77.0.3:81"), -EINPROGRESS);
    drop(one);
    drop(two);
    drop(other);
    drop(listener);
}

static void a_connections_port_cannot_be_bound(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server, *sock = open4(f->a, SOCK_STREAM);
    char address[GN_ADDR_TEXT_MAX];

    connect_pair(f, 80, &client, &server);
    (void)snprintf(address, sizeof(address), "10.77.0.2:%u", port_of(client));
    assert_int_equal(bind_to(sock, address), -EADDRINUSE);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port_of(client));
    assert_int_equal(bind_to(sock, address), 0);
    drop(sock);
    drop(client);
    drop(server);
}

/* The server closes first, and its side rests in TIME_WAIT. */
static void resting_connections_keep_the_port_unless_reused(void **state)
{
    struct socks *f = *state;
    struct gn_link_config slow = {.latency_us = 200000};
    struct gn_sock *client, *server, *sock = open4(f->b, SOCK_STREAM);

    assert_int_equal(gn_link_set(f->a, "eth0", &slow), 0);
    {
        struct gn_sock *listener = open4(f->b, SOCK_STREAM);

        assert_int_equal(set_int(listener, SOL_SOCKET, SO_REUSEADDR, 1), 0);
        assert_int_equal(bind_to(listener, "10.77.0.3:80"), 0);
        assert_int_equal(gn_sock_listen(listener, 1), 0);
        client = open4(f->a, SOCK_STREAM);
        assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
        pass_ms(f, 1000);
        server = accept_one(listener);
        assert_non_null(server);
        drop(listener);
    }
    drop(server);
    pass_ms(f, 500);
    drop(client);
    pass_ms(f, 300);
    assert_int_equal(bind_to(sock, "10.77.0.3:80"), -EADDRINUSE);
    assert_int_equal(set_int(sock, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(bind_to(sock, "10.77.0.3:80"), 0);
    drop(sock);
    pass_ms(f, 200000);
    sock = open4(f->b, SOCK_STREAM);
    assert_int_equal(bind_to(sock, "10.77.0.3:80"), 0);
    drop(sock);
}

static void the_most_specific_listener_is_asked(void **state)
{
    struct socks *f = *state;
    struct gn_sock *any = open4(f->b, SOCK_STREAM);
    struct gn_sock *one = open4(f->b, SOCK_STREAM);
    struct gn_sock *client = open4(f->a, SOCK_STREAM);

    assert_int_equal(set_int(any, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(set_int(one, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(set_int(any, SOL_SOCKET, SO_REUSEPORT, 1), 0);
    assert_int_equal(set_int(one, SOL_SOCKET, SO_REUSEPORT, 1), 0);
    assert_int_equal(bind_to(any, "0.0.0.0:80"), 0);
    assert_int_equal(bind_to(one, "10.77.0.3:80"), 0);
    assert_int_equal(gn_sock_listen(any, 5), 0);
    assert_int_equal(gn_sock_listen(one, 5), 0);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(ready(any), 0);
    assert_int_equal(ready(one), POLLIN);
    drop(client);
    drop(any);
    drop(one);
}

static void reuseport_listeners_share_the_requests(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listeners[4], *clients[64], *server;
    unsigned i, j, served = 0;

    for (i = 0; i < 4; i++) {
        listeners[i] = open4(f->b, SOCK_STREAM);
        assert_int_equal(set_int(listeners[i], SOL_SOCKET, SO_REUSEPORT, 1), 0);
        assert_int_equal(bind_to(listeners[i], "0.0.0.0:80"), 0);
        assert_int_equal(gn_sock_listen(listeners[i], 64), 0);
    }
    for (i = 0; i < 64; i++) {
        clients[i] = open4(f->a, SOCK_STREAM);
        assert_int_equal(connect_to(clients[i], "10.77.0.3:80"), -EINPROGRESS);
    }
    pass_ms(f, 10);
    for (i = 0; i < 4; i++) {
        for (j = 0; (server = accept_one(listeners[i])); j++)
            drop(server);
        assert_in_range(j, 4, 32);
        served += j;
        drop(listeners[i]);
    }
    assert_int_equal(served, 64);
    for (i = 0; i < 64; i++)
        drop(clients[i]);
}

static void all_ports_to_one_destination_run_out(void **state)
{
    struct socks *f = *state;
    struct gn_namespace_config config = {
        .size = sizeof(config),
        .limits = {.max_sockets = 40000, .max_connections = 40000}};
    struct gn_sock *sock, **all = test_calloc(40000, sizeof(*all));
    struct gn_namespace *ns;
    unsigned n, i;
    int err = 0;

    assert_int_equal(gn_namespace_create(f->net, &config, &ns), 0);
    for (n = 0; n < 40000; n++) {
        assert_int_equal(
            gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
            0);
        all[n] = sock;
        err = connect_to(sock, "127.0.0.1:1");
        if (err != -EINPROGRESS)
            break;
    }
    /* Refused ones give their port back, so this ends only if it must. */
    assert_true(n == 40000 || (err == -EADDRNOTAVAIL && n >= 28232));
    for (i = 0; i <= n && i < 40000; i++)
        drop(all[i]);
    gn_namespace_close(ns, 0, NULL, NULL);
    test_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(socks, same_address_and_port_are_in_use),
        CASE_OF(socks, both_versions_share_a_wildcard),
        CASE_OF(socks, protocols_do_not_meet),
        CASE_OF(socks, reuse_options_let_two_share),
        CASE_OF(socks, reuseaddr_does_not_share_with_a_listener),
        CASE_OF(socks, bind_checks_the_address),
        CASE_OF(socks, a_mapped_address_binds_ipv4),
        CASE_OF(socks, port_zero_picks_a_free_one),
        CASE_OF(socks, listening_unbound_gets_a_port),
        CASE_OF(socks, a_port_serves_many_destinations),
        CASE_OF(socks, a_connections_port_cannot_be_bound),
        CASE_OF(socks, resting_connections_keep_the_port_unless_reused),
        CASE_OF(socks, the_most_specific_listener_is_asked),
        CASE_OF(socks, reuseport_listeners_share_the_requests),
        CASE_OF(socks, all_ports_to_one_destination_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
