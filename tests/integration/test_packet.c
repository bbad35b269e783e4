/* SPDX-License-Identifier: BSD-3-Clause */

/* gn_listen_packet: datagrams both ways, groups, ends. */
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

struct inbox {
    struct gn_packet_conn *conn;
    _Atomic unsigned n;
    _Atomic unsigned n_last;
    _Atomic unsigned n_closed;
    ssize_t len;
    char data[65536];
    char from[GN_ADDR_TEXT_MAX];
    struct sockaddr_storage addr;
    bool echo;
    bool close;
};

struct packets {
    struct talk *talk;
    struct inbox one, two;
};

static socklen_t parse(const char *text, struct sockaddr_storage *out)
{
    socklen_t len;

    assert_int_equal(gn_addr_parse(text, out, &len), 0);
    return len;
}

static void closed(void *arg)
{
    struct inbox *inbox = arg;

    inbox->n_closed++;
}

static void receive(struct gn_packet_conn *conn, ssize_t nread,
                    const void *data, const struct sockaddr *from, void *arg)
{
    struct inbox *inbox = arg;

    assert_ptr_equal(conn, inbox->conn);
    if (nread == -ECANCELED) {
        assert_null(data);
        assert_null(from);
        inbox->n_last++;
        if (inbox->close)
            assert_int_equal(gn_packet_close(conn, closed, inbox), 0);
        return;
    }
    inbox->len = nread;
    memcpy(inbox->data, data, (size_t)nread);
    assert_int_equal(gn_addr_format(from, inbox->from, sizeof(inbox->from)), 0);
    inbox->n++;
    if (inbox->echo)
        assert_int_equal(gn_packet_send(conn, data, (size_t)nread, from,
                                        sizeof(struct sockaddr_in6)),
                         0);
    if (inbox->close)
        assert_int_equal(gn_packet_close(conn, closed, inbox), 0);
}

static void open_at(struct gn_namespace *ns, const char *proto,
                    const char *address, struct inbox *inbox)
{
    assert_int_equal(
        gn_listen_packet(ns, proto, address, receive, inbox, &inbox->conn), 0);
}

static void send_to(struct inbox *inbox, const char *to, const char *text)
{
    struct sockaddr_storage ss;
    socklen_t len = parse(to, &ss);

    assert_int_equal(gn_packet_send(inbox->conn, text, strlen(text),
                                    (struct sockaddr *)&ss, len),
                     0);
}

static int setup(void **state)
{
    struct packets *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    talk_setup((void **)&f->talk);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct packets *f = *state;

    talk_teardown((void **)&f->talk);
    free(f);
    return 0;
}

static void datagrams_go_both_ways(void **state)
{
    struct packets *f = *state;

    open_at(f->talk->gateway, "udp", ":53", &f->one);
    open_at(f->talk->a, "udp4", "10.77.0.2:1000", &f->two);
    f->one.echo = true;
    send_to(&f->two, "10.77.0.1:53", "question");
    assert_int_equal(f->one.n, 0);
    talk_count(f->talk, &f->two.n, 1);
    assert_string_equal(f->one.from, "10.77.0.2:1000");
    assert_string_equal(f->two.from, "10.77.0.1:53");
    assert_int_equal(f->two.len, 8);
    assert_memory_equal(f->two.data, "question", 8);
}

static void both_versions_meet_one_conn(void **state)
{
    struct packets *f = *state;

    open_at(f->talk->gateway, "udp", ":53", &f->one);
    open_at(f->talk->a, "udp6", "[fd77::2]:1000", &f->two);
    f->one.echo = true;
    send_to(&f->two, "[fd77::1]:53", "six");
    talk_count(f->talk, &f->two.n, 1);
    assert_string_equal(f->one.from, "[fd77::2]:1000");
}

static void empty_and_largest_datagrams_pass(void **state)
{
    struct packets *f = *state;
    struct sockaddr_storage ss;
    socklen_t len = parse("10.77.0.2:1000", &ss);
    char *data = calloc(1, 65508);

    open_at(f->talk->gateway, "udp4", ":53", &f->one);
    open_at(f->talk->a, "udp4", ":1000", &f->two);
    send_to(&f->one, "10.77.0.2:1000", "");
    talk_count(f->talk, &f->two.n, 1);
    assert_int_equal(f->two.len, 0);
    assert_int_equal(
        gn_packet_send(f->one.conn, data, 65508, (struct sockaddr *)&ss, len),
        -EMSGSIZE);
    assert_int_equal(
        gn_packet_send(f->one.conn, data, 65507, (struct sockaddr *)&ss, len),
        0);
    talk_count(f->talk, &f->two.n, 2);
    assert_int_equal(f->two.len, 65507);
    free(data);
}

static void bad_destinations_are_refused(void **state)
{
    struct packets *f = *state;
    struct sockaddr_storage ss;
    socklen_t len = parse("[fd77::2]:1", &ss);

    open_at(f->talk->gateway, "udp4", ":53", &f->one);
    assert_int_equal(
        gn_packet_send(f->one.conn, "x", 1, (struct sockaddr *)&ss, len),
        -EAFNOSUPPORT);
    assert_int_equal(gn_packet_send(f->one.conn, "x", 1, NULL, 0), -EINVAL);
    assert_int_equal(
        gn_packet_send(f->one.conn, "x", 1, (struct sockaddr *)&ss, 4),
        -EINVAL);
    assert_int_equal(
        gn_packet_send(f->one.conn, NULL, 1, (struct sockaddr *)&ss, len),
        -EINVAL);
    len = parse("192.0.2.1:1", &ss);
    assert_int_equal(
        gn_packet_send(f->one.conn, "x", 1, (struct sockaddr *)&ss, len),
        -ENETUNREACH);
}

static void bad_addresses_are_refused(void **state)
{
    struct packets *f = *state;
    struct gn_packet_conn *conn = NULL;
    struct gn_namespace *gateway = f->talk->gateway;

    assert_int_equal(gn_listen_packet(gateway, "tcp", ":1", receive, f, &conn),
                     -EINVAL);
    assert_int_equal(gn_listen_packet(gateway, "udp", "x", receive, f, &conn),
                     -EINVAL);
    assert_int_equal(
        gn_listen_packet(gateway, "udp", "10.77.0.9:1", receive, f, &conn),
        -EADDRNOTAVAIL);
    open_at(gateway, "udp", ":53", &f->one);
    assert_int_equal(gn_listen_packet(gateway, "udp", ":53", receive, f, &conn),
                     -EADDRINUSE);
    assert_null(conn);
}

static void what_is_refused_elsewhere_is_not_told(void **state)
{
    struct packets *f = *state;

    open_at(f->talk->gateway, "udp4", ":53", &f->one);
    send_to(&f->one, "10.77.0.2:9", "nobody hears this");
    talk_pass_ms(f->talk, 100);
    assert_int_equal(f->one.n + f->one.n_last, 0);
}

static void many_datagrams_are_read_in_turns(void **state)
{
    struct packets *f = *state;
    unsigned i;

    open_at(f->talk->gateway, "udp4", ":53", &f->one);
    open_at(f->talk->a, "udp4", ":1000", &f->two);
    for (i = 0; i < 200; i++)
        send_to(&f->two, "10.77.0.1:53", "again");
    talk_count(f->talk, &f->one.n, 200);
}

static void a_group_is_heard_until_it_is_left(void **state)
{
    struct packets *f = *state;

    open_at(f->talk->a, "udp4", ":5353", &f->one);
    open_at(f->talk->gateway, "udp4", ":1000", &f->two);
    assert_int_equal(gn_packet_join(f->one.conn, "10.77.0.2", 0), -EINVAL);
    assert_int_equal(gn_packet_join(f->one.conn, "all of them", 0), -EINVAL);
    assert_int_equal(gn_packet_join(f->one.conn, "239.1.2.3", 0), 0);
    assert_int_equal(gn_packet_join(f->one.conn, "239.1.2.3", 0), -EADDRINUSE);
    send_to(&f->two, "239.1.2.3:5353", "hear");
    talk_count(f->talk, &f->one.n, 1);
    assert_int_equal(gn_packet_leave(f->one.conn, "239.1.2.3", 0), 0);
    assert_int_equal(gn_packet_leave(f->one.conn, "239.1.2.3", 0),
                     -EADDRNOTAVAIL);
    send_to(&f->two, "239.1.2.3:5353", "not");
    talk_pass_ms(f->talk, 100);
    assert_int_equal(f->one.n, 1);
}

static void a_group_of_ipv6_too(void **state)
{
    struct packets *f = *state;

    open_at(f->talk->a, "udp6", ":5353", &f->one);
    open_at(f->talk->gateway, "udp6", ":1000", &f->two);
    assert_int_equal(gn_packet_join(f->one.conn, "ff02::1:3", 2), 0);
    send_to(&f->two, "[ff02::1:3%2]:5353", "hear");
    talk_count(f->talk, &f->one.n, 1);
    assert_int_equal(gn_packet_leave(f->one.conn, "ff02::1:3", 2), 0);
}

static void closing_is_told_once_and_frees_the_port(void **state)
{
    struct packets *f = *state;
    struct sockaddr_in in;
    socklen_t len = sizeof(in);

    open_at(f->talk->gateway, "udp4", ":0", &f->one);
    assert_int_equal(gn_packet_name(f->one.conn, (struct sockaddr *)&in, &len),
                     0);
    assert_true(in.sin_port != 0);
    assert_non_null(gn_packet_sock(f->one.conn));
    assert_int_equal(gn_packet_close(f->one.conn, closed, &f->one), 0);
    assert_int_equal(gn_packet_close(f->one.conn, closed, &f->one), -EALREADY);
    assert_int_equal(f->one.n_closed, 0);
    talk_count(f->talk, &f->one.n_closed, 1);
    assert_int_equal(f->one.n_last, 0);
}

static void closing_in_the_callback_ends_it(void **state)
{
    struct packets *f = *state;

    open_at(f->talk->gateway, "udp4", ":53", &f->one);
    open_at(f->talk->a, "udp4", ":1000", &f->two);
    f->one.close = true;
    send_to(&f->two, "10.77.0.1:53", "one");
    send_to(&f->two, "10.77.0.1:53", "two");
    talk_count(f->talk, &f->one.n_closed, 1);
    assert_int_equal(f->one.n, 1);
}

static void its_namespace_s_end_is_the_last_call(void **state)
{
    struct packets *f = *state;

    open_at(f->talk->a, "udp4", ":53", &f->one);
    gn_namespace_kill(f->talk->a);
    talk_count(f->talk, &f->one.n_last, 1);
    talk_pass_ms(f->talk, 1000);
    assert_int_equal(f->one.n_last, 1);
    assert_int_equal(gn_packet_close(f->one.conn, closed, &f->one), 0);
    talk_count(f->talk, &f->one.n_closed, 1);
}

static void the_network_s_end_is_the_last_call(void **state)
{
    struct packets *f = *state;

    open_at(f->talk->gateway, "udp4", ":53", &f->one);
    open_at(f->talk->a, "udp4", ":53", &f->two);
    f->two.close = true;
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    assert_int_equal(f->one.n_last, 1);
    assert_int_equal(f->two.n_last, 1);
    assert_int_equal(f->one.n_closed, 0);
    assert_int_equal(f->two.n_closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(datagrams_go_both_ways),
        CASE(both_versions_meet_one_conn),
        CASE(empty_and_largest_datagrams_pass),
        CASE(bad_destinations_are_refused),
        CASE(bad_addresses_are_refused),
        CASE(what_is_refused_elsewhere_is_not_told),
        CASE(many_datagrams_are_read_in_turns),
        CASE(a_group_is_heard_until_it_is_left),
        CASE(a_group_of_ipv6_too),
        CASE(closing_is_told_once_and_frees_the_port),
        CASE(closing_in_the_callback_ends_it),
        CASE(its_namespace_s_end_is_the_last_call),
        CASE(the_network_s_end_is_the_last_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
