/* SPDX-License-Identifier: BSD-3-Clause */

/* Options: defaults, bounds, and what Linux makes of a value. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/socks.h"

static void identity_can_be_read_and_not_set(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open6(f->a, SOCK_STREAM);

    assert_int_equal(get_int(sock, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    assert_int_equal(get_int(sock, SOL_SOCKET, SO_DOMAIN), AF_INET6);
    assert_int_equal(get_int(sock, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    assert_int_equal(get_int(sock, SOL_SOCKET, SO_ACCEPTCONN), 0);
    assert_int_equal(set_int(sock, SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
    assert_int_equal(set_int(sock, SOL_SOCKET, SO_ERROR, 1), -ENOPROTOOPT);
    drop(sock);
}

static void unknown_ones_are_enoprotoopt(void **state)
{
    struct socks *f = *state;
    struct gn_sock *stream = open4(f->a, SOCK_STREAM);
    struct gn_sock *dgram = open4(f->a, SOCK_DGRAM);
    socklen_t len = sizeof(int);
    int value;

    assert_int_equal(set_int(stream, SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
    assert_int_equal(set_int(stream, 4711, 1, 1), -ENOPROTOOPT);
    assert_int_equal(gn_sock_getopt(stream, IPPROTO_TCP, 9999, &value, &len),
                     -ENOPROTOOPT);
    assert_int_equal(set_int(dgram, IPPROTO_TCP, TCP_NODELAY, 1), -ENOPROTOOPT);
    assert_int_equal(set_int(stream, IPPROTO_IPV6, IPV6_V6ONLY, 1),
                     -ENOPROTOOPT);
    drop(stream);
    drop(dgram);
}

static void flags_become_one_or_zero(void **state)
{
    static const int flags[] = {SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE,
                                SO_BROADCAST, SO_OOBINLINE, SO_DONTROUTE};
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);
    unsigned i;

    for (i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        assert_int_equal(get_int(sock, SOL_SOCKET, flags[i]), 0);
        assert_int_equal(set_int(sock, SOL_SOCKET, flags[i], 7), 0);
        assert_int_equal(get_int(sock, SOL_SOCKET, flags[i]), 1);
        assert_int_equal(set_int(sock, SOL_SOCKET, flags[i], 0), 0);
        assert_int_equal(get_int(sock, SOL_SOCKET, flags[i]), 0);
    }
    drop(sock);
}

static void lengths_are_checked(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);
    uint8_t bytes[8] = {9};
    socklen_t len = (socklen_t)-1;

    assert_int_equal(gn_sock_setopt(sock, SOL_SOCKET, SO_REUSEADDR, bytes, 3),
                     -EINVAL);
    assert_int_equal(gn_sock_setopt(sock, SOL_SOCKET, SO_REUSEADDR, NULL, 4),
                     -EFAULT);
    assert_int_equal(gn_sock_setopt(sock, SOL_SOCKET, SO_LINGER, bytes, 4),
                     -EINVAL);
    assert_int_equal(
        gn_sock_getopt(sock, SOL_SOCKET, SO_REUSEADDR, bytes, &len), -EINVAL);
    assert_int_equal(
        gn_sock_getopt(sock, SOL_SOCKET, SO_REUSEADDR, bytes, NULL), -EFAULT);
    len = 1;
    assert_int_equal(gn_sock_getopt(sock, SOL_SOCKET, SO_TYPE, bytes, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(bytes[0], SOCK_STREAM);
    /* At the level of IP one byte is a value too. */
    bytes[0] = 99;
    assert_int_equal(gn_sock_setopt(sock, IPPROTO_IP, IP_TTL, bytes, 1), 0);
    assert_int_equal(gn_sock_getopt(sock, IPPROTO_IP, IP_TTL, bytes, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(bytes[0], 99);
    drop(sock);
}

static void buffers_are_doubled_within_bounds(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_DGRAM);

    assert_int_equal(get_int(sock, SOL_SOCKET, SO_RCVBUF), 212992);
    assert_int_equal(get_int(sock, SOL_SOCKET, SO_SNDBUF), 212992);
    assert_int_equal(set_int(sock, SOL_SOCKET, SO_RCVBUF, 10000), 0);
    assert_int_equal(get_int(sock, SOL_SOCKET, SO_RCVBUF), 20000);
    assert_int_equal(set_int(sock, SOL_SOCKET, SO_RCVBUF, 1), 0);
    assert_int_equal(get_int(sock, SOL_SOCKET, SO_RCVBUF), 2304);
    assert_int_equal(set_int(sock, SOL_SOCKET, SO_SNDBUF, 0), 0);
    assert_int_equal(get_int(sock, SOL_SOCKET, SO_SNDBUF), 4608);
    assert_int_equal(set_int(sock, SOL_SOCKET, SO_SNDBUF, -1), 0);
    assert_int_equal(get_int(sock, SOL_SOCKET, SO_SNDBUF), 8388608);
    drop(sock);
}

static void linger_and_timeouts_keep_their_values(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);
    struct linger linger = {3, 7};
    struct timeval tv = {2, 500000};
    socklen_t len = sizeof(linger);

    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
        0);
    assert_int_equal(gn_sock_getopt(sock, SOL_SOCKET, SO_LINGER, &linger, &len),
                     0);
    assert_int_equal(linger.l_onoff, 1);
    assert_int_equal(linger.l_linger, 7);
    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
    memset(&tv, 0, sizeof(tv));
    len = sizeof(tv);
    assert_int_equal(gn_sock_getopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, &len),
                     0);
    assert_int_equal(tv.tv_sec, 2);
    assert_int_equal(tv.tv_usec, 500000);
    tv.tv_usec = 1000000;
    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), -EDOM);
    drop(sock);
}

static void tcp_values_have_bounds(void **state)
{
    static const struct {
        int name, first, most;
    } options[] = {{TCP_KEEPIDLE, 7200, 32767},
                   {TCP_KEEPINTVL, 75, 32767},
                   {TCP_KEEPCNT, 9, 127},
                   {TCP_SYNCNT, 6, 127}};
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);
    unsigned i;

    for (i = 0; i < 4; i++) {
        int name = options[i].name;

        assert_int_equal(get_int(sock, IPPROTO_TCP, name), options[i].first);
        assert_int_equal(set_int(sock, IPPROTO_TCP, name, 0), -EINVAL);
        assert_int_equal(set_int(sock, IPPROTO_TCP, name, options[i].most + 1),
                         -EINVAL);
        assert_int_equal(set_int(sock, IPPROTO_TCP, name, options[i].most), 0);
        assert_int_equal(get_int(sock, IPPROTO_TCP, name), options[i].most);
    }
    assert_int_equal(set_int(sock, IPPROTO_TCP, TCP_MAXSEG, 87), -EINVAL);
    assert_int_equal(set_int(sock, IPPROTO_TCP, TCP_MAXSEG, 1000), 0);
    assert_int_equal(get_int(sock, IPPROTO_TCP, TCP_MAXSEG), 1000);
    assert_int_equal(set_int(sock, IPPROTO_TCP, TCP_USER_TIMEOUT, -1), -EINVAL);
    drop(sock);
}

static void agree_on_a_segment(struct socks *f, const char *at,
                               struct gn_sock *client, struct gn_sock *listener)
{
    struct gn_sock *server;

    assert_int_equal(set_int(client, IPPROTO_TCP, TCP_MAXSEG, 1000), 0);
    assert_int_equal(connect_to(client, at), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(get_int(client, IPPROTO_TCP, TCP_MAXSEG), 1000);
    server = accept_one(listener);
    assert_int_equal(get_int(server, IPPROTO_TCP, TCP_MAXSEG), 1000);
    drop(server);
    drop(client);
    drop(listener);
}

static void maximal_segment_is_agreed(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = open6(f->b, SOCK_STREAM);

    agree_on_a_segment(f, "10.77.0.3:80", open4(f->a, SOCK_STREAM),
                       listen_at(f->b, "10.77.0.3:80"));
    assert_int_equal(bind_to(listener, "[fd77::3]:80"), 0);
    assert_int_equal(gn_sock_listen(listener, 1), 0);
    agree_on_a_segment(f, "[fd77::3]:80", open6(f->a, SOCK_STREAM), listener);
}

static void tcp_info_tells_the_state(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    struct tcp_info info;
    socklen_t len = sizeof(info);

    connect_pair(f, 80, &client, &server);
    assert_int_equal(gn_sock_getopt(client, IPPROTO_TCP, TCP_INFO, &info, &len),
                     0);
    assert_int_equal(info.tcpi_state, TCP_ESTABLISHED);
    assert_true(info.tcpi_snd_mss > 1000);
    assert_int_equal(gn_sock_shutdown(client, SHUT_WR), 0);
    pass_ms(f, 1);
    len = 1;
    assert_int_equal(gn_sock_getopt(server, IPPROTO_TCP, TCP_INFO, &info, &len),
                     0);
    assert_int_equal(info.tcpi_state, TCP_CLOSE_WAIT);
    drop(client);
    drop(server);
}

static void children_inherit_from_the_listener(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = open4(f->b, SOCK_STREAM), *server;
    struct gn_sock *client = open4(f->a, SOCK_STREAM);

    assert_int_equal(set_int(listener, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    assert_int_equal(set_int(listener, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    assert_int_equal(bind_to(listener, "10.77.0.3:80"), 0);
    assert_int_equal(gn_sock_listen(listener, 1), 0);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 1);
    server = accept_one(listener);
    assert_int_equal(get_int(server, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get_int(server, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(gn_sock_nonblock(server), 1);
    drop(server);
    drop(client);
    drop(listener);
}

static void defer_accept_waits_for_data(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->b, "10.77.0.3:80");
    struct gn_sock *client = open4(f->a, SOCK_STREAM), *server;

    assert_int_equal(set_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5), 0);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(ready(listener), 0);
    assert_int_equal(send_text(client, "now"), 3);
    pass_ms(f, 1);
    assert_int_equal(ready(listener), POLLIN);
    server = accept_one(listener);
    expect_text(server, "now");
    drop(server);
    drop(client);
    drop(listener);
}

/* It is a bound, and one that waits takes no other's place meanwhile. */
static void defer_accept_waits_no_longer_than_it_says(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = open4(f->b, SOCK_STREAM);
    struct gn_sock *silent[3], *speaker = open4(f->a, SOCK_STREAM), *server;
    int i;

    assert_int_equal(bind_to(listener, "10.77.0.3:80"), 0);
    assert_int_equal(set_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 2), 0);
    assert_int_equal(get_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT), 3);
    assert_int_equal(gn_sock_listen(listener, 0), 0);
    for (i = 0; i < 3; i++) {
        silent[i] = open4(f->a, SOCK_STREAM);
        assert_int_equal(connect_to(silent[i], "10.77.0.3:80"), -EINPROGRESS);
        pass_ms(f, 1);
        assert_int_equal(ready(silent[i]), POLLOUT);
    }
    assert_int_equal(connect_to(speaker, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(send_text(speaker, "now"), 3);
    pass_ms(f, 1);
    server = accept_one(listener);
    expect_text(server, "now");
    drop(server);

    drop(silent[0]); /* The end is something to be told, too. */
    pass_ms(f, 1);
    server = accept_one(listener);
    assert_int_equal(ready(server) & POLLRDHUP, POLLRDHUP);
    drop(server);

    assert_int_equal(gn_sock_setopt(silent[1], SOL_SOCKET, SO_LINGER,
                                    &(struct linger){1, 0},
                                    sizeof(struct linger)),
                     0);
    drop(silent[1]); /* The listener does not hear of that one. */
    pass_ms(f, 2900);
    assert_int_equal(ready(listener), 0);
    assert_null(accept_one(listener));
    pass_ms(f, 150);
    assert_int_equal(ready(listener), POLLIN);
    server = accept_one(listener);
    assert_int_equal(send_text(silent[2], "late"), 4);
    pass_ms(f, 1);
    expect_text(server, "late");
    assert_null(accept_one(listener));
    drop(server);
    drop(silent[2]);
    drop(speaker);
    drop(listener);
}

static void cork_holds_small_segments_back(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;

    connect_pair(f, 80, &client, &server);
    assert_int_equal(set_int(client, IPPROTO_TCP, TCP_CORK, 1), 0);
    assert_int_equal(send_text(client, "a"), 1);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_available(server), 0);
    assert_int_equal(send_text(client, "b"), 1);
    assert_int_equal(set_int(client, IPPROTO_TCP, TCP_CORK, 0), 0);
    pass_ms(f, 1);
    expect_text(server, "ab");
    assert_int_equal(gn_sock_send(client, "c", 1, MSG_MORE), 1);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_available(server), 0);
    assert_int_equal(send_text(client, "d"), 1);
    pass_ms(f, 100); /* Nagle's algorithm waits for the ACK of "ab". */
    expect_text(server, "cd");
    drop(client);
    drop(server);
}

static void ip_values_have_bounds(void **state)
{
    struct socks *f = *state;
    struct gn_sock *four = open4(f->a, SOCK_DGRAM);
    struct gn_sock *six = open6(f->a, SOCK_DGRAM);

    assert_int_equal(get_int(four, IPPROTO_IP, IP_TTL), 64);
    assert_int_equal(set_int(four, IPPROTO_IP, IP_TTL, 0), -EINVAL);
    assert_int_equal(set_int(four, IPPROTO_IP, IP_TTL, 256), -EINVAL);
    assert_int_equal(set_int(four, IPPROTO_IP, IP_TTL, 3), 0);
    assert_int_equal(set_int(four, IPPROTO_IP, IP_TTL, -1), 0);
    assert_int_equal(get_int(four, IPPROTO_IP, IP_TTL), 64);
    assert_int_equal(set_int(four, IPPROTO_IP, IP_TOS, 0x10), 0);
    assert_int_equal(get_int(four, IPPROTO_IP, IP_TOS), 0x10);
    assert_int_equal(get_int(four, IPPROTO_IP, IP_MULTICAST_TTL), 1);
    assert_int_equal(get_int(four, IPPROTO_IP, IP_MULTICAST_LOOP), 1);
    assert_int_equal(set_int(four, IPPROTO_IP, IP_MULTICAST_TTL, 256), -EINVAL);
    assert_int_equal(get_int(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 64);
    assert_int_equal(set_int(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 256),
                     -EINVAL);
    assert_int_equal(get_int(six, IPPROTO_IPV6, IPV6_MULTICAST_HOPS), 1);
    assert_int_equal(get_int(six, IPPROTO_IPV6, IPV6_V6ONLY), 0);
    assert_int_equal(set_int(six, IPPROTO_IPV6, IPV6_MULTICAST_IF, 99),
                     -ENODEV);
    drop(four);
    drop(six);
}

static void membership_is_checked(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_DGRAM);
    struct ip_mreqn group = {{htonl(0xe0000105)}, {0}, 0};

    assert_int_equal(gn_sock_setopt(sock, IPPROTO_IP, IP_DROP_MEMBERSHIP,
                                    &group, sizeof(group)),
                     -EADDRNOTAVAIL);
    group.imr_ifindex = 77;
    assert_int_equal(gn_sock_setopt(sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
                                    sizeof(group)),
                     -ENODEV);
    group.imr_ifindex = 0;
    group.imr_multiaddr.s_addr = htonl(0x0a4d0003);
    assert_int_equal(gn_sock_setopt(sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
                                    sizeof(group)),
                     -EINVAL);
    assert_int_equal(
        gn_sock_setopt(sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, 4),
        -EINVAL);
    drop(sock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(socks, identity_can_be_read_and_not_set),
        CASE_OF(socks, unknown_ones_are_enoprotoopt),
        CASE_OF(socks, flags_become_one_or_zero),
        CASE_OF(socks, lengths_are_checked),
        CASE_OF(socks, buffers_are_doubled_within_bounds),
        CASE_OF(socks, linger_and_timeouts_keep_their_values),
        CASE_OF(socks, tcp_values_have_bounds),
        CASE_OF(socks, maximal_segment_is_agreed),
        CASE_OF(socks, tcp_info_tells_the_state),
        CASE_OF(socks, children_inherit_from_the_listener),
        CASE_OF(socks, defer_accept_waits_for_data),
        CASE_OF(socks, defer_accept_waits_no_longer_than_it_says),
        CASE_OF(socks, cork_holds_small_segments_back),
        CASE_OF(socks, ip_values_have_bounds),
        CASE_OF(socks, membership_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
