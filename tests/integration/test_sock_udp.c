/* SPDX-License-Identifier: BSD-3-Clause */

/* Datagrams: which socket gets them, what is said of them, and what is not
 * carried. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/rawport.h"
#include "tests/lib/socks.h"

static struct gn_sock *bound(struct gn_namespace *ns, const char *address)
{
    struct gn_sock *sock =
        strchr(address, '[') ? open6(ns, SOCK_DGRAM) : open4(ns, SOCK_DGRAM);

    assert_int_equal(bind_to(sock, address), 0);
    return sock;
}

static void datagram_arrives_with_its_sender(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = bound(f->a, "10.77.0.2:1000");
    struct gn_sock *b = bound(f->b, "0.0.0.0:53");
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    char buf[16];

    assert_int_equal(ready(b), POLLOUT);
    assert_int_equal(send_text_to(a, "hello", "10.77.0.3:53"), 5);
    pass_ms(f, 1);
    assert_int_equal(ready(b), POLLIN | POLLOUT);
    assert_int_equal(gn_sock_available(b), 5);
    assert_int_equal(gn_sock_recvfrom(b, buf, sizeof(buf), 0,
                                      (struct sockaddr *)&from, &len),
                     5);
    assert_int_equal(len, sizeof(from));
    assert_int_equal(ntohs(from.sin_port), 1000);
    assert_int_equal(ntohl(from.sin_addr.s_addr), 0x0a4d0002);
    assert_int_equal(gn_sock_recv(b, buf, sizeof(buf), 0), -EAGAIN);
    drop(a);
    drop(b);
}

static void every_size_arrives_whole(void **state)
{
    struct socks *f = *state;
    static const size_t sizes[] = {0,    1,     127,   128,   129,  1000,
                                   1472, 16356, 16357, 40000, 65507};
    struct gn_sock *a = bound(f->a, "10.77.0.2:1000");
    struct gn_sock *b = bound(f->b, "10.77.0.3:53");
    static uint8_t out[65508], in[65508];
    size_t i;

    for (i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 13 + i / 256);
    assert_int_equal(connect_to(a, "10.77.0.3:53"), 0);
    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        memset(in, 0, sizeof(in));
        assert_int_equal(gn_sock_send(a, out, sizes[i], 0), sizes[i]);
        pass_ms(f, 1);
        assert_int_equal(gn_sock_recv(b, in, sizeof(in), 0), sizes[i]);
        assert_memory_equal(in, out, sizes[i]);
    }
    assert_int_equal(gn_sock_send(a, out, 65508, 0), -EMSGSIZE);
    drop(a);
    drop(b);
}

static void ipv6_carries_them_too(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = bound(f->a, "[fd77::2]:1000");
    struct gn_sock *b = bound(f->b, "[::]:53");
    static uint8_t buf[65488];

    assert_int_equal(send_text_to(a, "six", "[fd77::3]:53"), 3);
    pass_ms(f, 1);
    expect_text(b, "six");
    assert_int_equal(connect_to(a, "[fd77::3]:53"), 0);
    assert_int_equal(gn_sock_send(a, buf, 65487, 0), 65487);
    assert_int_equal(gn_sock_send(a, buf, 65488, 0), -EMSGSIZE);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_recv(b, buf, sizeof(buf), 0), 65487);
    drop(a);
    drop(b);
}

static void short_buffer_cuts_and_says_so(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = bound(f->a, "10.77.0.2:1000");
    struct gn_sock *b = bound(f->b, "10.77.0.3:53");
    char buf[4];
    struct iovec iov = {buf, 3};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    send_text_to(a, "abcdef", "10.77.0.3:53");
    send_text_to(a, "ghijkl", "10.77.0.3:53");
    send_text_to(a, "mnopqr", "10.77.0.3:53");
    pass_ms(f, 1);
    assert_int_equal(gn_sock_recv(b, buf, 3, MSG_PEEK | MSG_TRUNC), 6);
    assert_int_equal(gn_sock_recvmsg(b, &msg, 0), 3);
    assert_int_equal(msg.msg_flags, MSG_TRUNC);
    assert_memory_equal(buf, "abc", 3);
    assert_int_equal(gn_sock_recv(b, buf, 3, MSG_TRUNC), 6);
    assert_memory_equal(buf, "ghi", 3);
    assert_int_equal(gn_sock_recv(b, NULL, 0, 0), 0);
    assert_int_equal(gn_sock_recv(b, buf, 3, 0), -EAGAIN);
    drop(a);
    drop(b);
}

static void connected_hears_its_peer_only(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = bound(f->a, "10.77.0.2:1000");
    struct gn_sock *b = bound(f->b, "10.77.0.3:53");
    struct gn_sock *other = bound(f->b, "10.77.0.3:54");

    assert_int_equal(connect_to(a, "10.77.0.3:53"), 0);
    assert_string_equal(peer_of(a), "10.77.0.3:53");
    send_text_to(other, "no", "10.77.0.2:1000");
    send_text_to(b, "yes", "10.77.0.2:1000");
    pass_ms(f, 1);
    expect_text(a, "yes");
    assert_int_equal(ready(a), POLLOUT);
    drop(other);
    drop(a);
    drop(b);
}

static void unspec_disconnects(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct sockaddr none = {.sa_family = AF_UNSPEC};

    assert_int_equal(connect_to(a, "10.77.0.3:53"), 0);
    assert_int_not_equal(port_of(a), 0);
    assert_int_equal(gn_sock_connect(a, &none, sizeof(none)), 0);
    assert_int_equal(port_of(a), 0);
    assert_string_equal(name_of(a), "0.0.0.0");
    assert_int_equal(send_text(a, "x"), -EDESTADDRREQ);
    drop(a);
}

static void closed_port_refuses_the_connected(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct gn_sock *loose = open4(f->a, SOCK_DGRAM);
    char byte;

    assert_int_equal(connect_to(a, "10.77.0.3:53"), 0);
    assert_int_equal(send_text(a, "x"), 1);
    assert_int_equal(send_text_to(loose, "x", "10.77.0.3:53"), 1);
    pass_ms(f, 1);
    assert_int_equal(ready(a), POLLOUT | POLLERR);
    assert_int_equal(gn_sock_recv(a, &byte, 1, 0), -ECONNREFUSED);
    assert_int_equal(gn_sock_recv(a, &byte, 1, 0), -EAGAIN);
    assert_int_equal(ready(loose), POLLOUT);
    assert_int_equal(send_text(a, "x"), 1);
    pass_ms(f, 1);
    assert_int_equal(send_text(a, "x"), -ECONNREFUSED);
    drop(loose);
    drop(a);
}

static void destinations_are_checked(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct gn_sock *six = open6(f->a, SOCK_DGRAM);

    assert_int_equal(send_text(a, "x"), -EDESTADDRREQ);
    assert_int_not_equal(port_of(a), 0); /* Bound all the same, as on Linux. */
    assert_int_equal(send_text_to(a, "x", "10.77.0.3:0"), -EINVAL);
    assert_int_equal(send_text_to(a, "x", "192.0.2.1:53"), -ENETUNREACH);
    assert_int_equal(send_text_to(a, "x", "255.255.255.255:53"), -EACCES);
    assert_int_equal(send_text_to(a, "x", "10.77.0.255:53"), -EACCES);
    assert_int_equal(connect_to(a, "255.255.255.255:53"), -EACCES);
    assert_int_equal(send_text_to(a, "x", "[fd77::3]:53"), -EAFNOSUPPORT);
    assert_int_equal(send_text_to(six, "x", "10.77.0.3:53"), 1);
    assert_int_equal(send_text_to(six, "x", "[::ffff:10.77.0.3]:53"), 1);
    drop(a);
    drop(six);
}

static void broadcast_reaches_the_listeners(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct gn_sock *b = bound(f->b, "0.0.0.0:67");
    struct gn_sock *one = bound(f->b, "10.77.0.3:68");

    assert_int_equal(set_int(a, SOL_SOCKET, SO_BROADCAST, 1), 0);
    assert_int_equal(send_text_to(a, "all", "255.255.255.255:67"), 3);
    assert_int_equal(send_text_to(a, "net", "10.77.0.255:67"), 3);
    assert_int_equal(send_text_to(a, "no", "10.77.0.255:68"), 2);
    pass_ms(f, 1);
    expect_text(b, "all");
    expect_text(b, "net");
    assert_int_equal(ready(one), POLLOUT);
    drop(one);
    drop(a);
    drop(b);
}

static void multicast_reaches_members(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct gn_sock *b = bound(f->b, "0.0.0.0:5353");
    struct gn_sock *c = bound(f->a, "0.0.0.0:5353");
    struct ip_mreq group = {{htonl(0xe00000fb)}, {0}};

    assert_int_equal(send_text_to(a, "early", "224.0.0.251:5353"), 5);
    pass_ms(f, 1);
    assert_int_equal(ready(b), POLLOUT);
    assert_int_equal(
        gn_sock_setopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)),
        0);
    assert_int_equal(
        gn_sock_setopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)),
        -EADDRINUSE);
    assert_int_equal(
        gn_sock_setopt(c, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)),
        0);
    assert_int_equal(send_text_to(a, "hi", "224.0.0.251:5353"), 2);
    pass_ms(f, 1);
    expect_text(b, "hi");
    while (gn_sock_recv(c, &group, 1, 0) > 0) /* The loop, and "early". */
        continue;
    assert_int_equal(set_int(a, IPPROTO_IP, IP_MULTICAST_LOOP, 0), 0);
    assert_int_equal(send_text_to(a, "out", "224.0.0.251:5353"), 3);
    pass_ms(f, 1);
    expect_text(b, "out");
    assert_int_equal(ready(c), POLLOUT);
    group.imr_multiaddr.s_addr = htonl(0xe00000fb);
    assert_int_equal(gn_sock_setopt(b, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group,
                                    sizeof(group)),
                     0);
    assert_int_equal(send_text_to(a, "gone", "224.0.0.251:5353"), 4);
    pass_ms(f, 1);
    assert_int_equal(ready(b), POLLOUT);
    drop(a);
    drop(b);
    drop(c);
}

static void ipv6_multicast_reaches_members(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open6(f->a, SOCK_DGRAM);
    struct gn_sock *b = bound(f->b, "[::]:5353");
    struct ipv6_mreq group = {.ipv6mr_interface = 2};

    group.ipv6mr_multiaddr.s6_addr[0] = 0xff;
    group.ipv6mr_multiaddr.s6_addr[1] = 0x02;
    group.ipv6mr_multiaddr.s6_addr[15] = 0xfb;
    assert_int_equal(
        gn_sock_setopt(b, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group)),
        0);
    assert_int_equal(set_int(a, IPPROTO_IPV6, IPV6_MULTICAST_IF, 2), 0);
    assert_int_equal(send_text_to(a, "hi", "[ff02::fb]:5353"), 2);
    pass_ms(f, 1);
    expect_text(b, "hi");
    drop(a);
    drop(b);
}

static void the_newest_of_those_that_reuse_is_meant(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct gn_sock *old = open4(f->b, SOCK_DGRAM);
    struct gn_sock *new = open4(f->b, SOCK_DGRAM);

    assert_int_equal(set_int(old, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(set_int(new, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(bind_to(old, "0.0.0.0:53"), 0);
    assert_int_equal(bind_to(new, "0.0.0.0:53"), 0);
    assert_int_equal(send_text_to(a, "x", "10.77.0.3:53"), 1);
    pass_ms(f, 1);
    assert_int_equal(ready(old), POLLOUT);
    expect_text(new, "x");
    drop(a);
    drop(old);
    drop(new);
}

static void reuseport_spreads_by_sender(void **state)
{
    struct socks *f = *state;
    struct gn_sock *group[4], *a;
    unsigned i, n, all = 0;
    char byte;

    for (i = 0; i < 4; i++) {
        group[i] = open4(f->b, SOCK_DGRAM);
        assert_int_equal(set_int(group[i], SOL_SOCKET, SO_REUSEPORT, 1), 0);
        assert_int_equal(bind_to(group[i], "0.0.0.0:53"), 0);
    }
    for (i = 0; i < 64; i++) {
        a = open4(f->a, SOCK_DGRAM);
        assert_int_equal(send_text_to(a, "x", "10.77.0.3:53"), 1);
        pass_ms(f, 1);
        drop(a);
    }
    for (i = 0; i < 4; i++) {
        for (n = 0; gn_sock_recv(group[i], &byte, 1, 0) == 1; n++)
            continue;
        assert_in_range(n, 4, 32);
        all += n;
        drop(group[i]);
    }
    assert_int_equal(all, 64);
}

static void several_sends_make_one_datagram(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct gn_sock *b = bound(f->b, "10.77.0.3:53");
    static char big[65507];
    struct gn_stats stats;

    assert_int_equal(connect_to(a, "10.77.0.3:53"), 0);
    assert_int_equal(gn_sock_send(a, "one", 3, MSG_MORE), 3);
    assert_int_equal(gn_sock_send(a, "two", 3, MSG_MORE), 3);
    pass_ms(f, 1);
    assert_int_equal(ready(b), POLLOUT);
    assert_int_equal(gn_sock_send(a, "three", 5, 0), 5);
    pass_ms(f, 1);
    expect_text(b, "onetwothree");
    assert_int_equal(gn_sock_send(a, "x", 1, MSG_MORE), 1);
    assert_int_equal(gn_sock_send(a, big, sizeof(big), 0), -EMSGSIZE);
    assert_int_equal(gn_sock_send(a, "alone", 5, 0), 5);
    pass_ms(f, 1);
    expect_text(b, "alone");
    assert_int_equal(gn_sock_send(a, "never", 5, MSG_MORE), 5);
    drop(a);
    gn_namespace_stats(f->a, &stats);
    assert_int_equal(stats.buffered, 0);
    drop(b);
}

static void full_queue_drops_by_name(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct gn_sock *b = bound(f->b, "10.77.0.3:53");
    struct gn_stats stats;
    unsigned i, n;
    char buf[1000] = "";

    assert_int_equal(set_int(b, SOL_SOCKET, SO_RCVBUF, 20000), 0);
    assert_int_equal(get_int(b, SOL_SOCKET, SO_RCVBUF), 40000);
    assert_int_equal(connect_to(a, "10.77.0.3:53"), 0);
    for (i = 0; i < 100; i++) {
        assert_int_equal(gn_sock_send(a, buf, sizeof(buf), 0), sizeof(buf));
        pass_ms(f, 1);
    }
    gn_namespace_stats(f->b, &stats);
    for (n = 0; gn_sock_recv(b, buf, sizeof(buf), 0) > 0; n++)
        continue;
    assert_in_range(n, 5, 40);
    assert_int_equal(stats.drops[GN_DROP_SOCKET_BUFFER], 100 - n);
    gn_namespace_stats(f->b, &stats);
    assert_int_equal(stats.buffered, 0);
    drop(a);
    drop(b);
}

static void shutdown_of_datagrams(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    char byte;

    assert_int_equal(gn_sock_shutdown(a, SHUT_RD), -ENOTCONN);
    drop(a);
    a = open4(f->a, SOCK_DGRAM);
    assert_int_equal(connect_to(a, "10.77.0.3:53"), 0);
    assert_int_equal(gn_sock_shutdown(a, SHUT_RDWR), 0);
    assert_int_equal(gn_sock_recv(a, &byte, 1, 0), -EAGAIN);
    assert_int_equal(gn_sock_send(a, "x", 1, 0), -EPIPE);
    assert_int_equal(ready(a), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
    drop(a);
}

static void control_messages_tell_and_choose_addresses(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct gn_sock *b = bound(f->b, "0.0.0.0:53");
    union {
        struct cmsghdr align;
        char bytes[128];
    } control;
    char buf[8];
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct in_pktinfo info;
    struct cmsghdr *cmsg;
    int ttl;

    assert_int_equal(set_int(b, IPPROTO_IP, IP_PKTINFO, 1), 0);
    assert_int_equal(set_int(b, IPPROTO_IP, IP_RECVTTL, 1), 0);
    assert_int_equal(set_int(a, IPPROTO_IP, IP_TTL, 9), 0);
    assert_int_equal(send_text_to(a, "x", "10.77.0.3:53"), 1);
    pass_ms(f, 1);
    assert_int_equal(gn_sock_recvmsg(b, &msg, 0), 1);
    assert_int_equal(msg.msg_flags, 0);
    cmsg = CMSG_FIRSTHDR(&msg);
    assert_non_null(cmsg);
    assert_int_equal(cmsg->cmsg_type, IP_PKTINFO);
    memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
    assert_int_equal(ntohl(info.ipi_addr.s_addr), 0x0a4d0003);
    assert_int_equal(info.ipi_ifindex, 2);
    cmsg = CMSG_NXTHDR(&msg, cmsg);
    assert_non_null(cmsg);
    assert_int_equal(cmsg->cmsg_type, IP_TTL);
    memcpy(&ttl, CMSG_DATA(cmsg), sizeof(ttl));
    assert_int_equal(ttl, 9);

    assert_int_equal(send_text_to(a, "x", "10.77.0.3:53"), 1);
    pass_ms(f, 1);
    msg.msg_controllen = 4;
    assert_int_equal(gn_sock_recvmsg(b, &msg, 0), 1);
    assert_int_equal(msg.msg_flags, MSG_CTRUNC);
    drop(a);
    drop(b);
}

static void malformed_control_is_einval(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct cmsghdr cmsg = {sizeof(cmsg), IPPROTO_IP, IP_PKTINFO};
    struct iovec iov = {&cmsg, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &cmsg,
                         .msg_controllen = sizeof(cmsg)};

    assert_int_equal(connect_to(a, "10.77.0.3:53"), 0);
    assert_int_equal(gn_sock_sendmsg(a, &msg, 0), -EINVAL);
    cmsg.cmsg_len = 1;
    assert_int_equal(gn_sock_sendmsg(a, &msg, 0), -EINVAL);
    cmsg.cmsg_len = 4096;
    assert_int_equal(gn_sock_sendmsg(a, &msg, 0), -EINVAL);
    msg.msg_control = NULL;
    assert_int_equal(gn_sock_sendmsg(a, &msg, 0), -EFAULT);
    drop(a);
}

static void own_loopback_carries_them(void **state)
{
    struct socks *f = *state;
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    struct gn_sock *b = bound(f->a, "127.0.0.1:53");

    assert_int_equal(send_text_to(a, "lo", "127.0.0.1:53"), 2);
    pass_ms(f, 1);
    expect_text(b, "lo");
    assert_int_equal(connect_to(b, "10.77.0.3:53"), -EINVAL);
    drop(a);
    drop(b);
}

/* RFC 791 2.3: the identification of the datagram that has come, maybe in
 * pieces. */
static unsigned take_id(struct gn_rawport *raw)
{
    static uint8_t packet[65536];
    unsigned id = 0;

    assert_true(gn_rawport_waiting(raw) > 0);
    while (gn_rawport_recv(raw, packet, sizeof(packet)) > 0)
        id = (unsigned)packet[4] << 8 | packet[5];
    return id;
}

static void each_datagram_has_an_id_of_its_own(void **state)
{
    static const char *const at[] = {"10.77.0.9", NULL};
    static const char bytes[3 * GN_MTU_DEFAULT];
    struct socks *f = *state;
    struct gn_rawport *raw = gn_rawport_open(f->net, at, 0);
    struct gn_sock *a = open4(f->a, SOCK_DGRAM);
    unsigned ids[4], i, k;

    assert_int_equal(connect_to(a, "10.77.0.9:7"), 0);
    for (i = 0; i < 4; i++) {
        size_t len = i % 2 ? 1000 : sizeof(bytes); /* In pieces, and whole. */

        assert_int_equal(gn_sock_send(a, bytes, len, 0), len);
        pass_ms(f, 1);
        ids[i] = take_id(raw);
        for (k = 0; k < i; k++)
            assert_int_not_equal(ids[k], ids[i]);
    }
    drop(a);
    gn_rawport_close(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(socks, datagram_arrives_with_its_sender),
        CASE_OF(socks, every_size_arrives_whole),
        CASE_OF(socks, ipv6_carries_them_too),
        CASE_OF(socks, short_buffer_cuts_and_says_so),
        CASE_OF(socks, connected_hears_its_peer_only),
        CASE_OF(socks, unspec_disconnects),
        CASE_OF(socks, closed_port_refuses_the_connected),
        CASE_OF(socks, destinations_are_checked),
        CASE_OF(socks, broadcast_reaches_the_listeners),
        CASE_OF(socks, multicast_reaches_members),
        CASE_OF(socks, ipv6_multicast_reaches_members),
        CASE_OF(socks, the_newest_of_those_that_reuse_is_meant),
        CASE_OF(socks, reuseport_spreads_by_sender),
        CASE_OF(socks, several_sends_make_one_datagram),
        CASE_OF(socks, full_queue_drops_by_name),
        CASE_OF(socks, shutdown_of_datagrams),
        CASE_OF(socks, control_messages_tell_and_choose_addresses),
        CASE_OF(socks, malformed_control_is_einval),
        CASE_OF(socks, own_loopback_carries_them),
        CASE_OF(socks, each_datagram_has_an_id_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
