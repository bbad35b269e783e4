/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Sockets called wrongly: NULLs, addresses of any length and family, buffers
 * of none and of absurd length, unknown options. Each call says what its header
 * promises, nothing is allocated, and the socket works afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/arena.h"
#include "tests/lib/case.h"
#include "tests/lib/seed.h"

#define SERVER "10.77.1.1:80"

struct fixture {
    struct arena arena;
    struct gn_namespace *ns;
    struct gn_sock *tcp; /* connected to peer */
    struct gn_sock *peer;
    struct gn_sock *listener;
    struct gn_sock *udp; /* bound */
    struct gn_sock *udp6;
    struct gn_sock *idle; /* a stream, as it was opened */
    uint64_t n_live;
    uint64_t live_bytes;
};

/* Ports that are given back leave blocks for the next ones, see
 * netstack/slab.h: as many as a case may have at once are there already. */
static void use_some_ports(struct gn_namespace *ns)
{
    struct gn_sock *socks[8];

    for (unsigned i = 0; i < 8; i++)
        socks[i] = arena_bound(ns, SOCK_DGRAM, "10.77.1.1:0");
    for (unsigned i = 0; i < 8; i++) {
        gn_sock_close(socks[i]);
        gn_sock_unref(socks[i]);
    }
}

static int setup(void **state)
{
    const char *addresses[] = {"10.77.1.1", "fd77::1:1", NULL};
    struct gn_namespace_config config = {.size = sizeof(config)};
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    arena_begin(&f->arena, NULL);
    config.addresses = addresses;
    assert_int_equal(gn_namespace_create(f->arena.net, &config, &f->ns), 0);
    f->listener = arena_listener(f->ns, SERVER, 4);
    f->tcp = arena_open(f->arena.bystander[0], SOCK_STREAM, SERVER);
    f->peer = arena_join(&f->arena, f->tcp, f->listener, SERVER);
    f->udp = arena_bound(f->ns, SOCK_DGRAM, "10.77.1.1:53");
    f->udp6 = arena_bound(f->ns, SOCK_DGRAM, "[::]:54");
    f->idle = arena_open(f->ns, SOCK_STREAM, SERVER);
    use_some_ports(f->ns);
    arena_pass(&f->arena, GN_S, 100);
    f->n_live = f->arena.heap.n_live;
    f->live_bytes = f->arena.heap.live_bytes;
    *state = f;
    return 0;
}

static void expect_unchanged(const struct fixture *f)
{
    assert_int_equal(f->arena.heap.n_live, f->n_live);
    assert_int_equal(f->arena.heap.live_bytes, f->live_bytes);
}

/* All of them still do what they are for. */
static void expect_working(struct fixture *f)
{
    char buf[8];

    assert_int_equal(gn_sock_send(f->tcp, "abc", 3, 0), 3);
    arena_pass(&f->arena, 0, 100);
    assert_int_equal(gn_sock_recv(f->peer, buf, sizeof(buf), 0), 3);
    assert_int_equal(arena_sendto(f->udp, "10.77.1.1:53", "me", 2), 2);
    arena_pass(&f->arena, 0, 100);
    assert_int_equal(gn_sock_recv(f->udp, buf, sizeof(buf), 0), 2);
    assert_int_equal(arena_connect(f->idle, SERVER), -EINPROGRESS);
    arena_pass(&f->arena, 0, 100);
    arena_drop(arena_accept(f->listener));
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    expect_working(f);
    arena_drop(f->tcp);
    arena_drop(f->peer);
    arena_drop(f->listener);
    arena_drop(f->udp);
    arena_drop(f->udp6);
    arena_drop(f->idle);
    arena_end(&f->arena);
    free(f);
    return 0;
}

/* ---- open ---- */

static void open_refuses_what_is_wrong(void **state)
{
    static const struct {
        int family, type, protocol, err;
    } bad[] = {
        {AF_UNIX, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {AF_UNSPEC, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {-1, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {1000, SOCK_STREAM, 0, -EAFNOSUPPORT},
        {AF_INET, 0, 0, -EINVAL},
        {AF_INET, -1, 0, -EINVAL},
        {AF_INET, SOCK_RAW, 0, -ESOCKTNOSUPPORT},
        {AF_INET6, SOCK_SEQPACKET, 0, -ESOCKTNOSUPPORT},
        {AF_INET, SOCK_RDM, 0, -ESOCKTNOSUPPORT},
        {AF_INET, 99, 0, -EINVAL},
        {AF_INET, SOCK_STREAM | 0x100000, 0, -EINVAL},
        {AF_INET, SOCK_STREAM, IPPROTO_UDP, -EPROTONOSUPPORT},
        {AF_INET6, SOCK_DGRAM, IPPROTO_TCP, -EPROTONOSUPPORT},
        {AF_INET, SOCK_STREAM, IPPROTO_SCTP, -EPROTONOSUPPORT},
        {AF_INET, SOCK_STREAM, -1, -EINVAL},
        {AF_INET, SOCK_STREAM, 256, -EINVAL},
    };
    struct fixture *f = *state;
    struct gn_sock *sock = NULL;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int err = gn_sock_open(f->ns, bad[i].family, bad[i].type,
                               bad[i].protocol, &sock);

        if (err != bad[i].err || sock)
            fail_msg("open %zu: %d", i, err);
    }
    assert_int_equal(gn_sock_open(NULL, AF_INET, SOCK_STREAM, 0, &sock),
                     -EFAULT);
    assert_int_equal(gn_sock_open(f->ns, AF_INET, SOCK_STREAM, 0, NULL),
                     -EFAULT);
    expect_unchanged(f);
}

/* ---- the same call on any socket ---- */

static void ignore(struct gn_sock *sock, short revents, void *arg)
{
    (void)sock;
    (void)revents;
    (void)arg;
}

/* Every call that takes a socket, with arguments that are right: all of them
 * say @err; gn_sock_set_nonblock() too. */
static void expect_all(struct gn_sock *sock, int err)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(9),
                               .sin_addr = {htonl(0x0a4d0003u)}};
    const struct sockaddr *to = (const struct sockaddr *)&addr;
    struct sockaddr_storage ss;
    struct sockaddr *from = (struct sockaddr *)&ss;
    socklen_t len = sizeof(ss);
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct gn_sock *out = NULL;
    int value = 1, fd = -1;

    assert_int_equal(gn_sock_bind(sock, to, sizeof(addr)), err);
    assert_int_equal(gn_sock_listen(sock, 1), err);
    assert_int_equal(gn_sock_connect(sock, to, sizeof(addr)), err);
    assert_int_equal(gn_sock_accept(sock, NULL, NULL, 0, &out), err);
    assert_null(out);
    assert_int_equal(gn_sock_send(sock, &byte, 1, 0), err);
    assert_int_equal(gn_sock_sendto(sock, &byte, 1, 0, to, sizeof(addr)), err);
    assert_int_equal(gn_sock_sendmsg(sock, &msg, 0), err);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), err);
    assert_int_equal(gn_sock_recvfrom(sock, &byte, 1, 0, from, &len), err);
    assert_int_equal(gn_sock_recvmsg(sock, &msg, 0), err);
    assert_int_equal(gn_sock_shutdown(sock, SHUT_RDWR), err);
    assert_int_equal(gn_sock_name(sock, from, &len), err);
    assert_int_equal(gn_sock_peer(sock, from, &len), err);
    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)),
        err);
    len = sizeof(value);
    assert_int_equal(
        gn_sock_getopt(sock, SOL_SOCKET, SO_REUSEADDR, &value, &len), err);
    assert_int_equal(gn_sock_set_nonblock(sock, true), err);
    assert_int_equal(gn_sock_nonblock(sock), err);
    assert_int_equal(gn_sock_available(sock), err);
    assert_int_equal(gn_sock_unsent(sock), err);
    assert_int_equal(gn_sock_watch(sock, POLLIN, ignore, NULL), err);
    assert_int_equal(gn_sock_fd(sock, POLLIN, &fd), err);
    assert_int_equal(fd, -1);
}

static void no_socket_is_a_fault(void **state)
{
    struct fixture *f = *state;

    expect_all(NULL, -EFAULT);
    assert_null(gn_sock_ref(NULL));
    gn_sock_unref(NULL);
    gn_sock_close(NULL);
    expect_unchanged(f);
}

static void closed_sockets_say_so(void **state)
{
    struct fixture *f = *state;
    struct gn_pollfd fd = {.events = POLLIN};

    fd.sock = arena_open(f->ns, SOCK_STREAM, SERVER);
    gn_sock_close(fd.sock);
    expect_all(fd.sock, -EBADF);
    assert_int_equal(gn_sock_poll(&fd, 1, 0), 1);
    assert_int_equal(fd.revents, POLLNVAL);
    gn_sock_close(fd.sock);
    expect_all(fd.sock, -EBADF);
    gn_sock_unref(fd.sock);

    fd.sock = arena_bound(f->ns, SOCK_DGRAM, "10.77.1.1:99");
    gn_sock_close(fd.sock);
    expect_all(fd.sock, -EBADF);
    gn_sock_unref(fd.sock);
    expect_unchanged(f);
}

static void sockets_of_what_has_ended_say_so(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = arena_guest(&f->arena, NULL, NULL);
    struct gn_sock *sock[2], *late = NULL;

    sock[0] = arena_open(ns, SOCK_STREAM, SERVER);
    sock[1] = arena_bound(ns, SOCK_DGRAM, "0.0.0.0:9");
    gn_namespace_kill(ns);
    expect_all(sock[0], -ECANCELED);
    expect_all(sock[1], -ECANCELED);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &late),
                     -ECANCELED);
    assert_int_equal(gn_namespace_attach(ns, f->arena.net, NULL), -ECANCELED);
    assert_int_equal(gn_route_add(ns, "::/0", "fd77::1"), -ECANCELED);
    gn_namespace_close(ns, 0, NULL, NULL);
    expect_all(sock[0], -ECANCELED);
    expect_all(sock[1], -ECANCELED);
    arena_drop(sock[0]);
    arena_drop(sock[1]);
}

/* ---- addresses ---- */

/* Bytes of an address, and how long it is said to be. */
struct address {
    struct sockaddr_storage ss;
    socklen_t len;
};

static struct address good(const char *text)
{
    struct address a;

    assert_int_equal(gn_addr_parse(text, &a.ss, &a.len), 0);
    return a;
}

enum { BIND, CONNECT, SENDTO, N_CALLS };

static long call_with(struct gn_sock *sock, int call, const struct address *a)
{
    const struct sockaddr *addr = a ? (const struct sockaddr *)&a->ss : NULL;
    socklen_t len = a ? a->len : sizeof(struct sockaddr_in);

    switch (call) {
    case BIND:
        return gn_sock_bind(sock, addr, len);
    case CONNECT:
        return gn_sock_connect(sock, addr, len);
    default:
        return gn_sock_sendto(sock, "x", 1, 0, addr, len);
    }
}

static void addresses_of_wrong_length_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock[3];
    struct address a;
    int call, kind;
    socklen_t len;

    sock[0] = arena_open(f->ns, SOCK_DGRAM, "10.77.1.1:1");
    sock[1] = arena_open(f->ns, SOCK_DGRAM, "[::1]:1");
    sock[2] = arena_open(f->ns, SOCK_STREAM, "10.77.1.1:1");
    for (kind = 0; kind < 3; kind++) {
        for (call = BIND; call < (kind == 2 ? SENDTO : N_CALLS); call++) {
            socklen_t least = kind == 1 ? 24 : sizeof(struct sockaddr_in);

            a = good(kind == 1 ? "[::1]:9" : "10.77.1.1:9");
            /* sendto(2) without an address's length is send(2). */
            for (len = call == SENDTO; len < least; len++) {
                a.len = len;
                if (call_with(sock[kind], call, &a) != -EINVAL)
                    fail_msg("call %d with %u bytes", call, len);
            }
            for (len = 0; len < 4; len++) {
                a.len = (socklen_t[]){sizeof(a.ss) + 1, INT_MAX,
                                      (socklen_t)INT_MAX + 1, UINT_MAX}[len];
                if (call_with(sock[kind], call, &a) != -EINVAL)
                    fail_msg("call %d with %u bytes", call, a.len);
            }
        }
        assert_int_equal(gn_sock_bind(sock[kind], NULL, 16), -EFAULT);
        assert_int_equal(gn_sock_connect(sock[kind], NULL, 16), -EFAULT);
    }
    assert_int_equal(call_with(sock[0], SENDTO, NULL), -EDESTADDRREQ);
    for (kind = 0; kind < 3; kind++)
        arena_drop(sock[kind]);
    expect_unchanged(f);
}

static void addresses_of_other_families_are_refused(void **state)
{
    static const sa_family_t families[] = {AF_UNIX, AF_PACKET, AF_BRIDGE,
                                           UINT16_MAX};
    struct fixture *f = *state;
    struct address a, v4 = good("10.77.1.1:9"), v6 = good("[fd77::3]:9");
    size_t i;

    for (i = 0; i < sizeof(families) / sizeof(*families); i++) {
        a = v6;
        a.ss.ss_family = families[i];
        assert_int_equal(call_with(f->idle, BIND, &a), -EAFNOSUPPORT);
        assert_int_equal(call_with(f->idle, CONNECT, &a), -EAFNOSUPPORT);
        assert_int_equal(call_with(f->udp, SENDTO, &a), -EAFNOSUPPORT);
        assert_int_equal(call_with(f->udp6, SENDTO, &a), -EINVAL);
    }
    assert_int_equal(call_with(f->idle, BIND, &v6), -EAFNOSUPPORT);
    assert_int_equal(call_with(f->idle, CONNECT, &v6), -EAFNOSUPPORT);
    assert_int_equal(call_with(f->udp, CONNECT, &v6), -EAFNOSUPPORT);
    assert_int_equal(call_with(f->udp, SENDTO, &v6), -EAFNOSUPPORT);
    v4.len = 28;
    assert_int_equal(call_with(f->udp6, BIND, &v4), -EAFNOSUPPORT);
    expect_unchanged(f);
}

static void addresses_that_are_not_ours_are_refused(void **state)
{
    static const struct {
        const char *address;
        int bind, connect, send;
    } bad[] = {
        {"10.77.0.3:9", -EADDRNOTAVAIL, 0, 0},
        {"10.78.0.1:9", -EADDRNOTAVAIL, -ENETUNREACH, -ENETUNREACH},
        {"8.8.8.8:9", -EADDRNOTAVAIL, -ENETUNREACH, -ENETUNREACH},
        {"10.77.255.255:9", 0, -EACCES, -EACCES},
        {"255.255.255.255:9", 0, -EACCES, -EACCES},
        {"10.77.1.1:0", 0, 0, -EINVAL},
    };
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct address a = good(bad[i].address);
        struct gn_sock *sock = arena_open(f->ns, SOCK_DGRAM, "10.0.0.0");

        if (bad[i].bind && call_with(sock, BIND, &a) != bad[i].bind)
            fail_msg("bind: %s", bad[i].address);
        if (bad[i].send && call_with(sock, SENDTO, &a) != bad[i].send)
            fail_msg("send: %s", bad[i].address);
        if (bad[i].connect && call_with(sock, CONNECT, &a) != bad[i].connect)
            fail_msg("connect: %s", bad[i].address);
        arena_drop(sock);
    }
    expect_unchanged(f);
}

static void room_for_addresses_is_checked(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage ss, untouched;
    struct sockaddr *addr = (struct sockaddr *)&ss;
    struct gn_sock *out = NULL;
    socklen_t len = UINT_MAX;
    char byte;

    memset(&ss, 0xee, sizeof(ss));
    untouched = ss;
    assert_int_equal(gn_sock_name(f->udp, addr, NULL), -EFAULT);
    assert_int_equal(gn_sock_peer(f->tcp, addr, NULL), -EFAULT);
    assert_int_equal(gn_sock_name(f->udp, addr, &len), -EINVAL);
    assert_int_equal(gn_sock_peer(f->tcp, addr, &len), -EINVAL);
    assert_int_equal(gn_sock_accept(f->listener, addr, NULL, 0, &out), -EFAULT);
    assert_int_equal(gn_sock_accept(f->listener, addr, &len, 0, &out), -EINVAL);
    assert_int_equal(gn_sock_accept(f->listener, NULL, NULL, 0, NULL), -EFAULT);
    assert_int_equal(gn_sock_accept(f->listener, NULL, NULL, 0x40, &out),
                     -EINVAL);
    assert_int_equal(gn_sock_accept(f->idle, NULL, NULL, 0, &out), -EINVAL);
    assert_int_equal(gn_sock_accept(f->udp, NULL, NULL, 0, &out), -EOPNOTSUPP);
    assert_int_equal(gn_sock_recvfrom(f->udp, &byte, 1, 0, addr, NULL),
                     -EFAULT);
    assert_int_equal(gn_sock_recvfrom(f->udp, &byte, 1, 0, addr, &len),
                     -EINVAL);
    assert_int_equal(gn_sock_peer(f->udp, addr, &(socklen_t){16}), -ENOTCONN);
    assert_memory_equal(&ss, &untouched, sizeof(ss));
    assert_int_equal(len, UINT_MAX);
    len = 3; /* Cut, and told how long it is. */
    assert_int_equal(gn_sock_name(f->udp, addr, &len), 0);
    assert_int_equal(len, sizeof(struct sockaddr_in));
    assert_memory_equal((char *)&ss + 3, (char *)&untouched + 3,
                        sizeof(ss) - 3);
    len = 0;
    assert_int_equal(gn_sock_name(f->udp, NULL, &len), 0);
    assert_null(out);
    expect_unchanged(f);
}

/* ---- buffers ---- */

static void expect_both(struct gn_sock *sock, const struct iovec *iov, size_t n,
                        int err)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                         .msg_iovlen = n};

    assert_int_equal(gn_sock_sendmsg(sock, &msg, 0), err);
    assert_int_equal(gn_sock_recvmsg(sock, &msg, 0), err);
}

/* Without a buffer nothing is sent; to receive, as on Linux, there has to be
 * something that would be written there. */
static void expect_no_buffer(struct gn_sock *sock, const struct iovec *none)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)none,
                         .msg_iovlen = 1};
    char byte;

    assert_int_equal(gn_sock_sendmsg(sock, &msg, 0), -EFAULT);
    assert_int_equal(gn_sock_recvmsg(sock, &msg, 0),
                     gn_sock_recv(sock, &byte, 1, 0));
    assert_int_equal(gn_sock_recv(sock, NULL, 1, 0),
                     gn_sock_recv(sock, &byte, 1, 0));
}

static void absurd_buffers_are_refused(void **state)
{
    static struct iovec many[GN_IOV_MAX + 1];
    struct fixture *f = *state;
    struct gn_sock *socks[] = {f->tcp, f->udp, f->udp6, f->idle};
    struct iovec one = {.iov_base = NULL, .iov_len = 1};
    char byte = 'x';
    size_t i;

    for (i = 0; i < sizeof(socks) / sizeof(*socks); i++) {
        struct gn_sock *sock = socks[i];

        assert_int_equal(gn_sock_sendmsg(sock, NULL, 0), -EFAULT);
        assert_int_equal(gn_sock_recvmsg(sock, NULL, 0), -EFAULT);
        expect_both(sock, NULL, 1, -EFAULT);
        expect_both(sock, many, GN_IOV_MAX + 1, -EMSGSIZE);
        expect_both(sock, many, SIZE_MAX, -EMSGSIZE);
        expect_no_buffer(sock, &one);
        one = (struct iovec){&byte, (size_t)SSIZE_MAX + 1};
        expect_both(sock, &one, 1, -EINVAL);
        one = (struct iovec){&byte, SIZE_MAX};
        expect_both(sock, &one, 1, -EINVAL);
        one = (struct iovec){.iov_len = 1};
        assert_int_equal(gn_sock_send(sock, NULL, 1, 0), -EFAULT);
        assert_int_equal(gn_sock_send(sock, &byte, SIZE_MAX, 0), -EINVAL);
        assert_int_equal(gn_sock_recv(sock, &byte, SIZE_MAX, 0), -EINVAL);
    }
    expect_unchanged(f);
}

static void empty_buffers_are_fine(void **state)
{
    static struct iovec many[GN_IOV_MAX];
    struct fixture *f = *state;
    struct msghdr msg = {.msg_iov = many, .msg_iovlen = GN_IOV_MAX};
    struct address to = good("10.77.1.1:53");
    char byte;

    assert_int_equal(gn_sock_send(f->tcp, NULL, 0, 0), 0);
    assert_int_equal(gn_sock_sendmsg(f->tcp, &msg, 0), 0);
    assert_int_equal(gn_sock_recv(f->udp, NULL, 0, 0), -EAGAIN);
    many[GN_IOV_MAX - 1] = (struct iovec){&byte, 1};
    assert_int_equal(gn_sock_recvmsg(f->tcp, &msg, 0), -EAGAIN);
    many[GN_IOV_MAX - 1].iov_len = 0;
    msg.msg_name = &to.ss;
    msg.msg_namelen = to.len;
    assert_int_equal(gn_sock_sendmsg(f->udp, &msg, 0), 0);
    msg.msg_iovlen = 0;
    msg.msg_iov = NULL;
    assert_int_equal(gn_sock_sendmsg(f->udp, &msg, 0), 0);
    arena_pass(&f->arena, 0, 100);
    assert_int_equal(gn_sock_recv(f->udp, &byte, 1, 0), 0);
    assert_int_equal(gn_sock_recv(f->udp, &byte, 0, 0), 0);
    assert_int_equal(gn_sock_recv(f->udp, &byte, 1, 0), -EAGAIN);
}

static void datagrams_too_long_are_refused(void **state)
{
    static char data[70000];
    struct fixture *f = *state;
    struct iovec iov[2] = {{data, 40000}, {data, SSIZE_MAX}};
    struct address to = good("10.77.0.3:9");
    struct msghdr msg = {.msg_iov = iov,
                         .msg_iovlen = 2,
                         .msg_name = &to.ss,
                         .msg_namelen = to.len};

    /* The longest; its memory is kept for the next. */
    assert_int_equal(arena_sendto(f->udp6, "[fd77::3]:9", data, 65487), 65487);
    arena_pass(&f->arena, 0, 100);
    (void)gn_sock_recv(f->udp6, data, 1, 0);
    f->n_live = f->arena.heap.n_live;
    f->live_bytes = f->arena.heap.live_bytes;

    assert_int_equal(gn_sock_sendmsg(f->udp, &msg, 0), -EMSGSIZE);
    iov[1].iov_len = 65507 - 40000 + 1;
    assert_int_equal(gn_sock_sendmsg(f->udp, &msg, 0), -EMSGSIZE);
    assert_int_equal(arena_sendto(f->udp, "10.77.0.3:9", data, 65508),
                     -EMSGSIZE);
    assert_int_equal(arena_sendto(f->udp6, "[fd77::3]:9", data, 65488),
                     -EMSGSIZE);
    assert_int_equal(arena_sendto(f->udp6, "[fd77::3]:9", data, sizeof(data)),
                     -EMSGSIZE);
    expect_unchanged(f);
}

static void flags_that_are_not_there_are_refused(void **state)
{
    struct fixture *f = *state;
    char byte = 'x';

    assert_int_equal(gn_sock_send(f->tcp, &byte, 1, MSG_OOB), -EOPNOTSUPP);
    assert_int_equal(gn_sock_send(f->tcp, &byte, 1, MSG_FASTOPEN), -EOPNOTSUPP);
    assert_int_equal(gn_sock_recv(f->tcp, &byte, 1, MSG_OOB), -EOPNOTSUPP);
    assert_int_equal(gn_sock_send(f->idle, &byte, 1, 0), -EPIPE);
    assert_int_equal(gn_sock_recv(f->idle, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(gn_sock_recv(f->listener, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(gn_sock_shutdown(f->tcp, 3), -EINVAL);
    assert_int_equal(gn_sock_shutdown(f->tcp, -1), -EINVAL);
    assert_int_equal(gn_sock_shutdown(f->udp, SHUT_RD), -ENOTCONN);
    assert_int_equal(gn_sock_listen(f->udp, 1), -EOPNOTSUPP);
    assert_int_equal(gn_sock_listen(f->tcp, 1), -EINVAL);
    assert_int_equal(gn_sock_available(f->listener), -EINVAL);
    expect_unchanged(f);
}

/* ---- control messages ---- */

static void control_messages_are_checked(void **state)
{
    static const struct {
        size_t control_len, len;
        int level, type;
    } bad[] = {
        {CMSG_SPACE(4), 0, IPPROTO_IP, IP_TTL},
        {CMSG_SPACE(4), 1, IPPROTO_IP, IP_TTL},
        {CMSG_SPACE(4), CMSG_LEN(3), IPPROTO_IP, IP_TTL},
        {CMSG_SPACE(4), CMSG_LEN(40), IPPROTO_IP, IP_TTL},
        {CMSG_SPACE(4), SIZE_MAX, IPPROTO_IP, IP_TTL},
        {CMSG_SPACE(4), SIZE_MAX - 7, IPPROTO_IP, IP_TTL},
        {CMSG_SPACE(4), CMSG_LEN(4), IPPROTO_IP, 250},
        {CMSG_SPACE(4), CMSG_LEN(4), IPPROTO_IPV6, 250},
        {CMSG_SPACE(4), CMSG_LEN(4), IPPROTO_IP, IP_PKTINFO},
        {CMSG_SPACE(4), CMSG_LEN(4), IPPROTO_IPV6, IPV6_PKTINFO},
        {CMSG_SPACE(4), CMSG_LEN(4), SOL_SOCKET, SCM_RIGHTS},
        {CMSG_SPACE(4), CMSG_LEN(4), IPPROTO_IP, IP_TTL}, /* of 0 */
    };
    struct fixture *f = *state;
    struct address to = good("10.77.0.3:9");
    struct iovec iov = {&to, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_name = &to.ss,
                         .msg_namelen = to.len};
    struct gn_sock *sock;
    union {
        struct cmsghdr hdr;
        char bytes[CMSG_SPACE(64)];
    } control;
    size_t i;

    msg.msg_controllen = 16;
    assert_int_equal(gn_sock_sendmsg(f->udp, &msg, 0), -EFAULT);
    msg.msg_control = &control;
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        memset(&control, 0, sizeof(control));
        msg.msg_controllen = bad[i].control_len;
        control.hdr = (struct cmsghdr){.cmsg_len = bad[i].len,
                                       .cmsg_level = bad[i].level,
                                       .cmsg_type = bad[i].type};
        sock = bad[i].level == IPPROTO_IPV6 ? f->udp6 : f->udp;
        to = good(sock == f->udp6 ? "[fd77::3]:9" : "10.77.0.3:9");
        msg.msg_namelen = to.len;
        if (gn_sock_sendmsg(sock, &msg, 0) != -EINVAL)
            fail_msg("control message %zu", i);
    }
    expect_unchanged(f);
}

/* ---- options ---- */

static void options_are_checked(void **state)
{
    struct fixture *f = *state;
    socklen_t len = 4;
    int value = 0;

    assert_int_equal(gn_sock_setopt(f->tcp, SOL_SOCKET, SO_SNDBUF, NULL, 4),
                     -EFAULT);
    assert_int_equal(
        gn_sock_setopt(f->tcp, SOL_SOCKET, SO_SNDBUF, &value, UINT_MAX),
        -EINVAL);
    assert_int_equal(gn_sock_setopt(f->tcp, SOL_SOCKET, SO_SNDBUF, &value, 3),
                     -EINVAL);
    assert_int_equal(gn_sock_setopt(f->tcp, SOL_SOCKET, SO_SNDBUF, NULL, 0),
                     -EINVAL);
    assert_int_equal(gn_sock_setopt(f->tcp, -1, 1, &value, 4), -ENOPROTOOPT);
    assert_int_equal(gn_sock_setopt(f->tcp, SOL_SOCKET, 9999, &value, 4),
                     -ENOPROTOOPT);
    assert_int_equal(
        gn_sock_setopt(f->udp, IPPROTO_TCP, TCP_NODELAY, &value, 4),
        -ENOPROTOOPT);
    assert_int_equal(gn_sock_getopt(f->tcp, SOL_SOCKET, SO_TYPE, NULL, &len),
                     -EFAULT);
    assert_int_equal(gn_sock_getopt(f->tcp, SOL_SOCKET, SO_TYPE, &value, NULL),
                     -EFAULT);
    assert_int_equal(gn_sock_getopt(f->tcp, SOL_SOCKET, 9999, &value, &len),
                     -ENOPROTOOPT);
    len = UINT_MAX;
    assert_int_equal(gn_sock_getopt(f->tcp, SOL_SOCKET, SO_TYPE, &value, &len),
                     -EINVAL);
    expect_unchanged(f);
}

/* Whatever an option is given, of whatever length: an errno or 0, and nothing
 * beyond the bytes is read or written (AddressSanitizer looks on). */
static void options_survive_any_bytes(void **state)
{
    static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6,
                                 IPPROTO_TCP, IPPROTO_UDP};
    struct fixture *f = *state;
    struct gn_test_seed seed;
    struct gn_sock *sock[3];
    size_t i;
    int name, k;

    gn_test_seed_init(&seed);
    sock[0] = arena_open(f->ns, SOCK_STREAM, "10.0.0.1");
    sock[1] = arena_open(f->ns, SOCK_STREAM, "::1");
    sock[2] = arena_open(f->ns, SOCK_DGRAM, "::1");
    for (i = 0; i < sizeof(levels) / sizeof(*levels) * 3; i++) {
        for (name = -2; name < 300; name++) {
            socklen_t len = (socklen_t)gn_test_random_below(&seed, 200);
            uint8_t *bytes = malloc(len + 1);

            assert_non_null(bytes);
            for (k = 0; k < (int)len; k++)
                bytes[k] = (uint8_t)gn_test_random_below(&seed, 3);
            k = gn_sock_setopt(sock[i % 3], levels[i / 3], name, bytes, len);
            assert_in_range(-k, 0, 200);
            bytes[len] = 0x5a;
            k = gn_sock_getopt(sock[i % 3], levels[i / 3], name, bytes, &len);
            assert_in_range(-k, 0, 200);
            free(bytes);
        }
    }
    for (k = 0; k < 3; k++)
        arena_drop(sock[k]);
    expect_unchanged(f);
}

/* ---- waiting ---- */

static void watching_and_polling_are_checked(void **state)
{
    struct fixture *f = *state;
    struct gn_pollfd *fds = calloc(65537, sizeof(*fds));
    int fd = -1, i;

    assert_non_null(fds);
    assert_int_equal(gn_sock_watch(f->tcp, POLLIN, NULL, NULL), -EFAULT);
    assert_int_equal(gn_sock_watch(f->tcp, 0, NULL, NULL), 0);
    assert_int_equal(gn_sock_poll(NULL, 1, 0), -EFAULT);
    assert_int_equal(gn_sock_poll(NULL, 0, 0), 0);
    for (i = 0; i < 65537; i++)
        fds[i].fd = -1;
    assert_int_equal(gn_sock_poll(fds, 65537, 0), -EINVAL);
    assert_int_equal(gn_sock_poll(fds, SIZE_MAX, 0), -EINVAL);
    fds[0].sock = f->tcp;
    fds[0].events = POLLIN;
    assert_int_equal(gn_sock_poll(fds, 1, -1), -EDEADLK);
    assert_int_equal(gn_sock_poll(fds, 1, 1), -EDEADLK);
    assert_int_equal(gn_sock_poll(fds, 1, 0), 0);
    assert_int_equal(gn_sock_fd(f->tcp, 0, &fd), -EINVAL);
    assert_int_equal(gn_sock_fd(f->tcp, POLLIN, NULL), -EFAULT);
    assert_int_equal(fd, -1);
    free(fds);
    expect_unchanged(f);
}

static void calls_that_would_block_say_so(void **state)
{
    struct fixture *f = *state;
    struct address to = good("10.77.0.3:9");
    struct gn_sock *out = NULL;
    char byte;

    gn_sock_set_nonblock(f->tcp, false);
    gn_sock_set_nonblock(f->listener, false);
    gn_sock_set_nonblock(f->idle, false);
    assert_int_equal(gn_sock_recv(f->tcp, &byte, 1, 0), -EDEADLK);
    assert_int_equal(gn_sock_accept(f->listener, NULL, NULL, 0, &out),
                     -EDEADLK);
    assert_int_equal(call_with(f->idle, CONNECT, &to), -EDEADLK);
    assert_int_equal(gn_sleep_ns(f->ns, 1), -EDEADLK);
    assert_int_equal(gn_sleep_ns(NULL, 1), -EFAULT);
    assert_null(out);
    gn_sock_set_nonblock(f->tcp, true);
    gn_sock_set_nonblock(f->listener, true);
    gn_sock_set_nonblock(f->idle, true);
    expect_unchanged(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(open_refuses_what_is_wrong),
        CASE(no_socket_is_a_fault),
        CASE(closed_sockets_say_so),
        CASE(sockets_of_what_has_ended_say_so),
        CASE(addresses_of_wrong_length_are_refused),
        CASE(addresses_of_other_families_are_refused),
        CASE(addresses_that_are_not_ours_are_refused),
        CASE(room_for_addresses_is_checked),
        CASE(absurd_buffers_are_refused),
        CASE(empty_buffers_are_fine),
        CASE(datagrams_too_long_are_refused),
        CASE(flags_that_are_not_there_are_refused),
        CASE(control_messages_are_checked),
        CASE(options_are_checked),
        CASE(options_survive_any_bytes),
        CASE(watching_and_polling_are_checked),
        CASE(calls_that_would_block_say_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
