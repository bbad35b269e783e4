/* SPDX-License-Identifier: BSD-3-Clause */

/* Streams: what each call says in each state, as on Linux. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/socks.h"

/* ---- connect and accept ---- */

static void fresh_socket_is_writable_and_hung_up(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);

    assert_int_equal(ready(sock), POLLOUT | POLLHUP);
    drop(sock);
}

static void connect_is_in_progress_until_the_handshake_is_done(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->b, "10.77.0.3:80");
    struct gn_sock *client = open4(f->a, SOCK_STREAM);

    assert_int_equal(gn_sock_listen(listener, 5), 0);
    assert_int_equal(ready(listener), 0);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(ready(client), POLLOUT);
    assert_int_equal(ready(listener), POLLIN);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), 0);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EISCONN);
    drop(client);
    drop(listener);
}

static void connect_under_way_says_ealready(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client = open4(f->a, SOCK_STREAM);
    struct gn_link_config slow = {.latency_us = 50000};
    struct gn_sock *listener = listen_at(f->b, "10.77.0.3:80");

    assert_int_equal(gn_link_set(f->a, "eth0", &slow), 0);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EALREADY);
    assert_int_equal(ready(client), 0);
    assert_int_equal(gn_sock_send(client, "x", 1, 0), -EAGAIN);
    assert_int_equal(gn_sock_recv(client, &slow, 1, 0), -EAGAIN);
    pass_ms(f, 200);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), 0);
    drop(client);
    drop(listener);
}

static void connect_to_a_closed_port_is_refused_once(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);

    assert_int_equal(connect_to(sock, "10.77.0.3:81"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(ready(sock),
                     POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
    assert_int_equal(take_error(sock), -ECONNREFUSED);
    assert_int_equal(take_error(sock), 0);
    assert_int_equal(connect_to(sock, "10.77.0.3:81"), -ECONNABORTED);
    assert_int_equal(ready(sock), POLLOUT | POLLHUP);
    drop(sock);
}

static void connect_asked_again_tells_the_refusal(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);
    struct gn_sock *listener;

    assert_int_equal(connect_to(sock, "10.77.0.3:81"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(connect_to(sock, "10.77.0.3:81"), -ECONNREFUSED);
    listener = listen_at(f->b, "10.77.0.3:81");
    assert_int_equal(connect_to(sock, "10.77.0.3:81"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(connect_to(sock, "10.77.0.3:81"), 0);
    drop(sock);
    drop(listener);
}

static void connect_elsewhere_is_unreachable(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);

    assert_int_equal(connect_to(sock, "192.0.2.1:80"), -ENETUNREACH);
    assert_int_equal(connect_to(sock, "224.0.0.1:80"), -ENETUNREACH);
    assert_int_equal(connect_to(sock, "255.255.255.255:80"), -ENETUNREACH);
    assert_int_equal(connect_to(sock, "[fd77::3]:80"), -EAFNOSUPPORT);
    drop(sock);
}

static void connect_to_an_address_of_no_guest_is_unreachable(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);

    assert_int_equal(connect_to(sock, "10.77.0.99:80"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(take_error(sock), -EHOSTUNREACH);
    drop(sock);
}

static void connect_to_silence_times_out(void **state)
{
    struct socks *f = *state;
    struct gn_link_config down = {.down = true};
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);

    assert_int_equal(gn_link_set(f->b, "eth0", &down), 0);
    assert_int_equal(set_int(sock, IPPROTO_TCP, TCP_SYNCNT, 2), 0);
    assert_int_equal(connect_to(sock, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 5000);
    assert_int_equal(ready(sock), 0);
    pass_ms(f, 10000);
    assert_int_equal(take_error(sock), -ETIMEDOUT);
    drop(sock);
}

static void connect_checks_the_address(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);
    struct sockaddr_in sin = {.sin_family = AF_INET};

    assert_int_equal(gn_sock_connect(sock, NULL, 0), -EFAULT);
    assert_int_equal(gn_sock_connect(sock, (struct sockaddr *)&sin, 1),
                     -EINVAL);
    assert_int_equal(gn_sock_connect(sock, (struct sockaddr *)&sin, 8),
                     -EINVAL);
    sin.sin_family = AF_UNIX;
    assert_int_equal(
        gn_sock_connect(sock, (struct sockaddr *)&sin, sizeof(sin)),
        -EAFNOSUPPORT);
    drop(sock);
}

static void any_address_means_the_own_loopback(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->a, "127.0.0.1:80");
    struct gn_sock *client = open4(f->a, SOCK_STREAM);
    struct gn_sock *server;

    assert_int_equal(connect_to(client, "0.0.0.0:80"), -EINPROGRESS);
    pass_ms(f, 1);
    server = accept_one(listener);
    assert_non_null(server);
    assert_string_equal(peer_of(client), "127.0.0.1:80");
    assert_string_equal(name_of(server), "127.0.0.1:80");
    drop(server);
    drop(client);
    drop(listener);
}

static void the_whole_of_127_is_the_own_host(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->a, "127.200.3.4:80");
    struct gn_sock *client = open4(f->a, SOCK_STREAM);
    struct gn_sock *other = open4(f->b, SOCK_STREAM);
    struct gn_sock *server;

    assert_int_equal(connect_to(client, "127.200.3.4:80"), -EINPROGRESS);
    assert_int_equal(connect_to(other, "127.200.3.4:80"), -EINPROGRESS);
    pass_ms(f, 1);
    server = accept_one(listener);
    assert_non_null(server);
    assert_null(accept_one(listener));
    assert_int_equal(take_error(other), -ECONNREFUSED);
    drop(server);
    drop(other);
    drop(client);
    drop(listener);
}

static void own_address_is_reached(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->a, "0.0.0.0:80");
    struct gn_sock *client = open4(f->a, SOCK_STREAM);
    struct gn_sock *server;

    assert_int_equal(connect_to(client, "10.77.0.2:80"), -EINPROGRESS);
    pass_ms(f, 1);
    server = accept_one(listener);
    assert_non_null(server);
    assert_string_equal(peer_of(client), "10.77.0.2:80");
    drop(server);
    drop(client);
    drop(listener);
}

static void dual_stack_listener_shows_ipv4_as_mapped(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->b, "[::]:80");
    struct gn_sock *client = open4(f->a, SOCK_STREAM);
    struct sockaddr_in6 sin6;
    socklen_t len = sizeof(sin6);
    struct gn_sock *server;

    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_accept(listener, (struct sockaddr *)&sin6, &len,
                                    SOCK_NONBLOCK, &server),
                     0);
    assert_int_equal(len, sizeof(sin6));
    assert_int_equal(sin6.sin6_family, AF_INET6);
    assert_true(IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr));
    drop(server);
    drop(client);
    drop(listener);
}

static void v6only_listener_refuses_ipv4(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = open6(f->b, SOCK_STREAM);
    struct gn_sock *client = open4(f->a, SOCK_STREAM);

    assert_int_equal(set_int(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
    assert_int_equal(bind_to(listener, "[::]:80"), 0);
    assert_int_equal(set_int(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0), -EINVAL);
    assert_int_equal(gn_sock_listen(listener, 5), 0);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(take_error(client), -ECONNREFUSED);
    drop(client);
    drop(listener);
}

static void ipv6_carries_a_stream(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->b, "[fd77::3]:80");
    struct gn_sock *client = open6(f->a, SOCK_STREAM);
    struct gn_sock *server;

    assert_int_equal(connect_to(client, "[fd77::3]:80"), -EINPROGRESS);
    pass_ms(f, 1);
    server = accept_one(listener);
    assert_non_null(server);
    assert_int_equal(send_text(client, "six"), 3);
    pass_ms(f, 1);
    expect_text(server, "six");
    assert_string_equal(peer_of(client), "[fd77::3]:80");
    drop(server);
    drop(client);
    drop(listener);
}

static void link_local(struct gn_namespace *ns, unsigned port, unsigned iface,
                       char *out, size_t cap)
{
    struct gn_interface eth0;
    char text[GN_ADDR_TEXT_MAX];
    size_t i;

    assert_int_equal(gn_namespace_interface_by_name(ns, "eth0", &eth0), 0);
    for (i = 0; i < eth0.n_addrs; i++) {
        const struct gn_ip *ip = &eth0.addrs[i].ip;

        if (ip->family != AF_INET6 || ip->bytes[0] != 0xfe)
            continue;
        assert_int_equal(gn_ip_format(ip, text, sizeof(text)), 0);
        if (iface)
            (void)snprintf(out, cap, "[%s%%%u]:%u", text, iface, port);
        else
            (void)snprintf(out, cap, "[%s]:%u", text, port);
        return;
    }
    fail();
}

static void link_local_needs_its_interface(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->b, "[::]:80");
    struct gn_sock *client = open6(f->a, SOCK_STREAM), *server;
    char address[GN_ADDR_TEXT_MAX + 16];

    link_local(f->b, 80, 0, address, sizeof(address));
    assert_int_equal(connect_to(client, address), -EINVAL);
    link_local(f->b, 80, 2, address, sizeof(address));
    assert_int_equal(connect_to(client, address), -EINPROGRESS);
    pass_ms(f, 1);
    server = accept_one(listener);
    assert_non_null(server);
    assert_int_equal(send_text(server, "near"), 4);
    pass_ms(f, 1);
    expect_text(client, "near");
    assert_string_equal(peer_of(client), address);
    drop(server);
    drop(client);
    drop(listener);
}

static void accept_says_why_not(void **state)
{
    struct socks *f = *state;
    struct gn_sock *stream = open4(f->a, SOCK_STREAM);
    struct gn_sock *dgram = open4(f->a, SOCK_DGRAM);
    struct gn_sock *out;

    assert_int_equal(gn_sock_accept(stream, NULL, NULL, 0, &out), -EINVAL);
    assert_int_equal(gn_sock_accept(dgram, NULL, NULL, 0, &out), -EOPNOTSUPP);
    assert_int_equal(gn_sock_listen(dgram, 1), -EOPNOTSUPP);
    assert_int_equal(gn_sock_listen(stream, 1), 0);
    assert_int_equal(gn_sock_accept(stream, NULL, NULL, 0, &out), -EAGAIN);
    assert_int_equal(gn_sock_accept(stream, NULL, NULL, 0x10, &out), -EINVAL);
    assert_int_equal(gn_sock_accept(stream, NULL, NULL, 0, NULL), -EFAULT);
    assert_int_equal(connect_to(stream, "127.0.0.1:1"), -EISCONN);
    drop(dgram);
    drop(stream);
}

static void backlog_is_honoured(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->b, "10.77.0.3:80");
    struct gn_sock *clients[6], *server;
    unsigned i, n = 0;

    assert_int_equal(gn_sock_listen(listener, 2), 0);
    for (i = 0; i < 6; i++) {
        clients[i] = open4(f->a, SOCK_STREAM);
        assert_int_equal(connect_to(clients[i], "10.77.0.3:80"), -EINPROGRESS);
    }
    pass_ms(f, 100);
    while ((server = accept_one(listener))) {
        n++;
        drop(server);
    }
    assert_int_equal(n, 3); /* Linux lets one more wait than was said. */
    for (i = 0; i < 6; i++)
        drop(clients[i]);
    drop(listener);
}

static void accepted_after_reset_tells_on_first_use(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->b, "10.77.0.3:80");
    struct gn_sock *client = open4(f->a, SOCK_STREAM);
    struct linger now = {1, 0};
    struct gn_sock *server;
    char byte;

    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(
        gn_sock_setopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    drop(client);
    pass_ms(f, 1);
    server = accept_one(listener);
    assert_non_null(server);
    assert_int_equal(gn_sock_recv(server, &byte, 1, 0), -ECONNRESET);
    assert_int_equal(gn_sock_recv(server, &byte, 1, 0), 0);
    drop(server);
    drop(listener);
}

/* ---- payload ---- */

static void bytes_arrive_in_order(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    static uint8_t out[300000], in[300000];
    size_t sent = 0, received = 0, i;
    ssize_t n;

    for (i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7 + i / 251);
    connect_pair(f, 80, &client, &server);
    while (received < sizeof(in)) {
        n = gn_sock_send(client, out + sent, sizeof(out) - sent, 0);
        assert_true(n >= 0 || n == -EAGAIN);
        sent += n > 0 ? (size_t)n : 0;
        pass_ms(f, 1);
        n = gn_sock_recv(server, in + received, sizeof(in) - received, 0);
        assert_true(n > 0 || n == -EAGAIN);
        received += n > 0 ? (size_t)n : 0;
    }
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(gn_sock_recv(server, in, 1, 0), -EAGAIN);
    drop(client);
    drop(server);
}

static void full_buffer_is_not_writable_until_a_third_is_free(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    static uint8_t buf[65536];
    ssize_t n;

    connect_pair(f, 80, &client, &server);
    while ((n = gn_sock_send(client, buf, sizeof(buf), 0)) > 0)
        pass_ms(f, 1);
    assert_int_equal(n, -EAGAIN);
    assert_false(ready(client) & POLLOUT);
    while (gn_sock_recv(server, buf, sizeof(buf), 0) > 0)
        pass_ms(f, 1);
    assert_true(ready(client) & POLLOUT);
    drop(client);
    drop(server);
}

static void peek_leaves_and_trunc_discards(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    char buf[16] = "????????";

    connect_pair(f, 80, &client, &server);
    assert_int_equal(send_text(client, "abcdefgh"), 8);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_recv(server, buf, 4, MSG_PEEK), 4);
    assert_memory_equal(buf, "abcd", 4);
    assert_int_equal(gn_sock_available(server), 8);
    assert_int_equal(gn_sock_recv(server, buf, 2, MSG_TRUNC), 2);
    assert_memory_equal(buf, "abcd", 4);
    expect_text(server, "cdefgh");
    assert_int_equal(gn_sock_recv(server, buf, 4, MSG_PEEK), -EAGAIN);
    drop(client);
    drop(server);
}

static void scattered_memory_is_gathered(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    char one[3] = "ab", two[4] = "cde", in1[2], in2[8] = "";
    struct iovec out[4] = {{one, 2}, {NULL, 0}, {two, 3}, {one, 1}};
    struct iovec in[2] = {{in1, 2}, {in2, 8}};
    struct msghdr msg = {.msg_iov = out, .msg_iovlen = 4};

    connect_pair(f, 80, &client, &server);
    assert_int_equal(gn_sock_sendmsg(client, &msg, 0), 6);
    pass_ms(f, 1);
    msg.msg_iov = in;
    msg.msg_iovlen = 2;
    assert_int_equal(gn_sock_recvmsg(server, &msg, 0), 6);
    assert_memory_equal(in1, "ab", 2);
    assert_memory_equal(in2, "cdea", 4);
    drop(client);
    drop(server);
}

static void bad_buffers_are_refused(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    struct iovec many[GN_IOV_MAX + 1] = {{NULL, 0}};
    struct iovec huge = {many, (size_t)-1};
    struct msghdr msg = {.msg_iov = many, .msg_iovlen = GN_IOV_MAX + 1};
    char byte;

    connect_pair(f, 80, &client, &server);
    assert_int_equal(gn_sock_send(client, NULL, 1, 0), -EFAULT);
    assert_int_equal(gn_sock_recv(client, NULL, 1, 0), -EAGAIN);
    assert_int_equal(gn_sock_send(client, NULL, 0, 0), 0);
    assert_int_equal(gn_sock_sendmsg(client, &msg, 0), -EMSGSIZE);
    assert_int_equal(gn_sock_recvmsg(client, &msg, 0), -EMSGSIZE);
    msg.msg_iovlen = GN_IOV_MAX;
    assert_int_equal(gn_sock_sendmsg(client, &msg, 0), 0);
    msg.msg_iov = &huge;
    msg.msg_iovlen = 1;
    assert_int_equal(gn_sock_sendmsg(client, &msg, 0), -EINVAL);
    assert_int_equal(gn_sock_recvmsg(client, &msg, 0), -EINVAL);
    assert_int_equal(gn_sock_sendmsg(client, NULL, 0), -EFAULT);
    assert_int_equal(gn_sock_send(client, &byte, 1, MSG_OOB), -EOPNOTSUPP);
    assert_int_equal(gn_sock_recv(client, &byte, 1, MSG_OOB), -EOPNOTSUPP);
    drop(client);
    drop(server);
}

static void low_water_mark_holds_back_readiness(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;

    connect_pair(f, 80, &client, &server);
    assert_int_equal(set_int(server, SOL_SOCKET, SO_RCVLOWAT, 4), 0);
    assert_int_equal(send_text(client, "abc"), 3);
    pass_ms(f, 1);
    assert_int_equal(ready(server), POLLOUT);
    assert_int_equal(send_text(client, "d"), 1);
    pass_ms(f, 100); /* Nagle's algorithm meets the delayed ACK. */
    assert_int_equal(ready(server), POLLOUT | POLLIN);
    expect_text(server, "abcd");
    drop(client);
    drop(server);
}

static void queued_bytes_are_told(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    struct gn_link_config slow = {.latency_us = 50000};

    connect_pair(f, 80, &client, &server);
    assert_int_equal(gn_link_set(f->a, "eth0", &slow), 0);
    assert_int_equal(send_text(client, "abc"), 3);
    assert_int_equal(gn_sock_unsent(client), 3);
    pass_ms(f, 300);
    assert_int_equal(gn_sock_unsent(client), 0);
    assert_int_equal(gn_sock_available(server), 3);
    drop(client);
    drop(server);
}

/* Nagle's algorithm waits for what the other end delays, once it answers. */
static void first_segments_are_acknowledged_at_once(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    unsigned i;

    connect_pair(f, 80, &client, &server);
    for (i = 1; i <= 4; i++) {
        assert_int_equal(send_text(client, "a"), 1);
        pass_ms(f, 1);
        assert_int_equal(gn_sock_available(server), i);
    }
    assert_int_equal(send_text(server, "answer"), 6);
    pass_ms(f, 100);
    assert_int_equal(send_text(client, "b"), 1);
    pass_ms(f, 1);
    assert_int_equal(send_text(client, "c"), 1);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_available(server), 5);
    pass_ms(f, 100);
    assert_int_equal(gn_sock_available(server), 6);
    drop(client);
    drop(server);
}

/* ---- ending ---- */

static void half_close_still_receives(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    char byte;

    connect_pair(f, 80, &client, &server);
    assert_int_equal(send_text(client, "bye"), 3);
    assert_int_equal(gn_sock_shutdown(client, SHUT_WR), 0);
    pass_ms(f, 1);
    assert_int_equal(ready(server), POLLIN | POLLOUT | POLLRDHUP);
    expect_text(server, "bye");
    assert_int_equal(gn_sock_recv(server, &byte, 1, 0), 0);
    assert_int_equal(send_text(server, "more"), 4);
    pass_ms(f, 1);
    expect_text(client, "more");
    assert_int_equal(send_text(client, "x"), -EPIPE);
    assert_int_equal(gn_sock_shutdown(server, SHUT_WR), 0);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_recv(client, &byte, 1, 0), 0);
    assert_int_equal(ready(client), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    drop(client);
    drop(server);
}

static void shut_read_is_end_of_file_but_drains(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    char byte;

    connect_pair(f, 80, &client, &server);
    assert_int_equal(gn_sock_shutdown(server, SHUT_RD), 0);
    assert_int_equal(gn_sock_recv(server, &byte, 1, 0), 0);
    assert_int_equal(ready(server), POLLIN | POLLOUT | POLLRDHUP);
    assert_int_equal(send_text(client, "late"), 4);
    pass_ms(f, 1);
    expect_text(server, "late");
    assert_int_equal(gn_sock_recv(server, &byte, 1, 0), 0);
    assert_int_equal(send_text(server, "back"), 4);
    pass_ms(f, 1);
    expect_text(client, "back");
    drop(client);
    drop(server);
}

static void shutdown_unconnected_is_enotconn(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock = open4(f->a, SOCK_STREAM);
    char byte;

    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(gn_sock_send(sock, &byte, 1, 0), -EPIPE);
    assert_int_equal(gn_sock_shutdown(sock, 3), -EINVAL);
    assert_int_equal(gn_sock_shutdown(sock, SHUT_RDWR), -ENOTCONN);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 0);
    drop(sock);
}

static void shutdown_ends_listening(void **state)
{
    struct socks *f = *state;
    struct gn_sock *listener = listen_at(f->b, "10.77.0.3:80");
    struct gn_sock *client = open4(f->a, SOCK_STREAM);

    assert_int_equal(gn_sock_shutdown(listener, SHUT_WR), 0);
    assert_int_equal(get_int(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
    assert_int_equal(gn_sock_shutdown(listener, SHUT_RD), 0);
    assert_int_equal(get_int(listener, SOL_SOCKET, SO_ACCEPTCONN), 0);
    assert_int_equal(connect_to(client, "10.77.0.3:80"), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(take_error(client), -ECONNREFUSED);
    assert_int_equal(gn_sock_listen(listener, 1), 0);
    drop(client);
    drop(listener);
}

static void unread_bytes_make_close_a_reset(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    char byte;

    connect_pair(f, 80, &client, &server);
    assert_int_equal(send_text(client, "unread"), 6);
    pass_ms(f, 1);
    drop(server);
    pass_ms(f, 1);
    assert_int_equal(ready(client),
                     POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
    assert_int_equal(gn_sock_send(client, "x", 1, 0), -ECONNRESET);
    assert_int_equal(gn_sock_send(client, "x", 1, 0), -EPIPE);
    assert_int_equal(gn_sock_recv(client, &byte, 1, 0), 0);
    drop(client);
}

static void data_before_a_reset_can_be_read(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    struct linger now = {1, 0};
    char byte;

    connect_pair(f, 80, &client, &server);
    assert_int_equal(send_text(client, "last words"), 10);
    pass_ms(f, 1);
    assert_int_equal(
        gn_sock_setopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    drop(client);
    pass_ms(f, 1);
    expect_text(server, "last words");
    assert_int_equal(gn_sock_recv(server, &byte, 1, 0), -ECONNRESET);
    drop(server);
}

static void reset_behind_fin_is_epipe(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;

    connect_pair(f, 80, &client, &server);
    drop(client); /* FIN: nothing was unread. */
    pass_ms(f, 1);
    assert_int_equal(ready(server), POLLIN | POLLOUT | POLLRDHUP);
    assert_int_equal(send_text(server, "x"), 1); /* Met by RST. */
    pass_ms(f, 1);
    assert_int_equal(take_error(server), -EPIPE);
    assert_int_equal(send_text(server, "x"), -EPIPE);
    drop(server);
}

static void sent_bytes_survive_close(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    struct gn_link_config slow = {.latency_us = 20000, .loss_ppm = 100000};

    connect_pair(f, 80, &client, &server);
    assert_int_equal(gn_link_set(f->a, "eth0", &slow), 0);
    assert_int_equal(send_text(client, "delivered by nobody"), 19);
    drop(client);
    pass_ms(f, 5000);
    expect_text(server, "delivered by nobody");
    drop(server);
}

static void peers_name_is_gone_with_the_connection(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    connect_pair(f, 80, &client, &server);
    assert_string_equal(peer_of(client), "10.77.0.3:80");
    assert_string_equal(name_of(server), "10.77.0.3:80");
    drop(server);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_shutdown(client, SHUT_WR), 0);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_peer(client, (struct sockaddr *)&addr, &len),
                     -ENOTCONN);
    drop(client);
}

static void unspec_dissolves_a_connection(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    char byte;

    connect_pair(f, 80, &client, &server);
    assert_int_equal(gn_sock_connect(client, &none, sizeof(none)), 0);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_recv(server, &byte, 1, 0), -ECONNRESET);
    assert_int_equal(ready(client) & POLLHUP, POLLHUP);
    drop(client);
    drop(server);
}

static void closed_socket_says_ebadf(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    struct gn_pollfd fd;
    char byte;

    connect_pair(f, 80, &client, &server);
    gn_sock_close(client);
    assert_int_equal(gn_sock_send(client, "x", 1, 0), -EBADF);
    assert_int_equal(gn_sock_recv(client, &byte, 1, 0), -EBADF);
    assert_int_equal(gn_sock_shutdown(client, SHUT_WR), -EBADF);
    assert_int_equal(bind_to(client, "0.0.0.0"), -EBADF);
    assert_int_equal(gn_sock_available(client), -EBADF);
    fd = (struct gn_pollfd){.sock = client, .events = POLLIN};
    assert_int_equal(gn_sock_poll(&fd, 1, 0), 1);
    assert_int_equal(fd.revents, POLLNVAL);
    gn_sock_close(client);
    gn_sock_unref(client);
    drop(server);
}

static void killed_namespace_says_ecanceled(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    char byte;

    connect_pair(f, 80, &client, &server);
    gn_namespace_kill(f->a);
    assert_int_equal(gn_sock_send(client, "x", 1, 0), -ECANCELED);
    assert_int_equal(ready(client) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_recv(server, &byte, 1, 0), -ECONNRESET);
    assert_int_equal(gn_sock_open(f->a, AF_INET, SOCK_STREAM, 0, &client),
                     -ECANCELED);
    gn_sock_close(client);
    assert_int_equal(gn_sock_send(client, "x", 1, 0), -EBADF);
    gn_sock_unref(client);
    drop(server);
}

static void sockets_outlive_their_network(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;

    connect_pair(f, 80, &client, &server);
    gn_namespace_close(f->a, 0, NULL, NULL);
    assert_int_equal(gn_sock_send(client, "x", 1, 0), -ECANCELED);
    drop(client);
    drop(server);
}

static void detached_guest_says_enetdown(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server;
    char byte;

    connect_pair(f, 80, &client, &server);
    gn_namespace_detach(f->a);
    assert_int_equal(gn_sock_recv(client, &byte, 1, 0), -ENETDOWN);
    drop(client);
    drop(server);
}

static void blocking_call_on_the_driving_thread_is_edeadlk(void **state)
{
    struct socks *f = *state;
    struct gn_sock *client, *server, *out;
    struct gn_sock *listener = listen_at(f->b, "10.77.0.3:99");
    struct gn_pollfd fd;
    char byte;

    connect_pair(f, 80, &client, &server);
    assert_int_equal(gn_sock_set_nonblock(client, false), 0);
    assert_int_equal(gn_sock_recv(client, &byte, 1, 0), -EDEADLK);
    assert_int_equal(gn_sock_recv(client, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(gn_sock_set_nonblock(listener, false), 0);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &out), -EDEADLK);
    fd = (struct gn_pollfd){.sock = client, .events = POLLIN};
    assert_int_equal(gn_sock_poll(&fd, 1, 10), -EDEADLK);
    assert_int_equal(gn_sleep_ns(f->a, 1), -EDEADLK);
    drop(listener);
    drop(client);
    drop(server);
}

static void too_many_sockets_are_emfile(void **state)
{
    struct socks *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .limits = {.max_sockets = 2}};
    struct gn_sock *one, *two, *three;
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(f->net, &config, &ns), 0);
    one = open4(ns, SOCK_STREAM);
    two = open4(ns, SOCK_DGRAM);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &three),
                     -EMFILE);
    gn_sock_close(two);
    three = open4(ns, SOCK_STREAM);
    drop(three);
    drop(one);
    gn_sock_unref(two);
    gn_namespace_close(ns, 0, NULL, NULL);
}

static void open_checks_its_arguments(void **state)
{
    struct socks *f = *state;
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(NULL, AF_INET, SOCK_STREAM, 0, &sock),
                     -EFAULT);
    assert_int_equal(gn_sock_open(f->a, AF_INET, SOCK_STREAM, 0, NULL),
                     -EFAULT);
    assert_int_equal(gn_sock_open(f->a, AF_UNIX, SOCK_STREAM, 0, &sock),
                     -EAFNOSUPPORT);
    assert_int_equal(gn_sock_open(f->a, AF_INET, SOCK_SEQPACKET, 0, &sock),
                     -ESOCKTNOSUPPORT);
    assert_int_equal(gn_sock_open(f->a, AF_INET, 0, 0, &sock), -EINVAL);
    assert_int_equal(
        gn_sock_open(f->a, AF_INET, SOCK_STREAM, IPPROTO_UDP, &sock),
        -EPROTONOSUPPORT);
    gn_sock_unref(NULL);
    gn_sock_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(socks, fresh_socket_is_writable_and_hung_up),
        CASE_OF(socks, connect_is_in_progress_until_the_handshake_is_done),
        CASE_OF(socks, connect_under_way_says_ealready),
        CASE_OF(socks, connect_to_a_closed_port_is_refused_once),
        CASE_OF(socks, connect_asked_again_tells_the_refusal),
        CASE_OF(socks, connect_elsewhere_is_unreachable),
        CASE_OF(socks, connect_to_an_address_of_no_guest_is_unreachable),
        CASE_OF(socks, connect_to_silence_times_out),
        CASE_OF(socks, connect_checks_the_address),
        CASE_OF(socks, any_address_means_the_own_loopback),
        CASE_OF(socks, the_whole_of_127_is_the_own_host),
        CASE_OF(socks, own_address_is_reached),
        CASE_OF(socks, dual_stack_listener_shows_ipv4_as_mapped),
        CASE_OF(socks, v6only_listener_refuses_ipv4),
        CASE_OF(socks, ipv6_carries_a_stream),
        CASE_OF(socks, link_local_needs_its_interface),
        CASE_OF(socks, accept_says_why_not),
        CASE_OF(socks, backlog_is_honoured),
        CASE_OF(socks, accepted_after_reset_tells_on_first_use),
        CASE_OF(socks, bytes_arrive_in_order),
        CASE_OF(socks, full_buffer_is_not_writable_until_a_third_is_free),
        CASE_OF(socks, peek_leaves_and_trunc_discards),
        CASE_OF(socks, scattered_memory_is_gathered),
        CASE_OF(socks, bad_buffers_are_refused),
        CASE_OF(socks, low_water_mark_holds_back_readiness),
        CASE_OF(socks, queued_bytes_are_told),
        CASE_OF(socks, first_segments_are_acknowledged_at_once),
        CASE_OF(socks, half_close_still_receives),
        CASE_OF(socks, shut_read_is_end_of_file_but_drains),
        CASE_OF(socks, shutdown_unconnected_is_enotconn),
        CASE_OF(socks, shutdown_ends_listening),
        CASE_OF(socks, unread_bytes_make_close_a_reset),
        CASE_OF(socks, data_before_a_reset_can_be_read),
        CASE_OF(socks, reset_behind_fin_is_epipe),
        CASE_OF(socks, sent_bytes_survive_close),
        CASE_OF(socks, peers_name_is_gone_with_the_connection),
        CASE_OF(socks, unspec_dissolves_a_connection),
        CASE_OF(socks, closed_socket_says_ebadf),
        CASE_OF(socks, killed_namespace_says_ecanceled),
        CASE_OF(socks, sockets_outlive_their_network),
        CASE_OF(socks, detached_guest_says_enetdown),
        CASE_OF(socks, blocking_call_on_the_driving_thread_is_edeadlk),
        CASE_OF(socks, too_many_sockets_are_emfile),
        CASE_OF(socks, open_checks_its_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
