/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Relays, between a guest under a clock and kernel sockets of this process,
 * with a desk in the driver's place.
 */
#include "host/forward/relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "namespace/namespace.h"
#include "tests/lib/case.h"
#include "tests/lib/desk.h"
#include "tests/lib/socks.h"

#define MIB (1024u * 1024)

struct fixture {
    struct socks *s;
    struct gn_test_desk desk;
    struct gn__relay *relay;
    struct gn_sock *guest; /* the other end of the relayed socket */
    int client;            /* ... and of the descriptor */
    unsigned n_ended;
    int status;
};

/* ---- fixture ---- */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    void *socks;

    assert_non_null(f);
    assert_int_equal(socks_setup(&socks), 0);
    f->s = socks;
    gn_test_desk_init(&f->desk, f->s->clock, &f->s->heap.alloc);
    f->client = -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *socks = f->s;

    if (f->guest)
        drop(f->guest);
    if (f->client >= 0)
        close(f->client);
    gn_test_desk_done(&f->desk);
    free(f);
    return socks_teardown(&socks);
}

static void ended(int status, void *arg)
{
    struct fixture *f = arg;

    f->n_ended++;
    f->status = status;
}

#define until(f, condition) gn_test_desk_until(&(f)->desk, condition)

static void turns(struct fixture *f, unsigned n)
{
    while (n--)
        gn_test_desk_turn(&f->desk);
}

/* A connection of the kernel over loopback: fds[0] connected, [1] accepted. */
static void tcp_pair(int fds[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)connect(fds[0], (struct sockaddr *)&addr, len);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(fds[1] >= 0);
    close(listener);
}

static int start_with(struct fixture *f, struct gn_sock *sock, int fd)
{
    struct gn__relay_config config = {
        .io = &f->desk.io, .sock = sock, .fd = fd, .ended = ended, .arg = f};

    return gn__relay_start(&config, &f->relay);
}

/* client -- fd ~ relay ~ sock of a -- guest: a socket of b. */
static void start(struct fixture *f)
{
    struct gn_sock *sock;
    int fds[2];

    connect_pair(f->s, 80, &sock, &f->guest);
    tcp_pair(fds);
    f->client = fds[0];
    assert_int_equal(start_with(f, sock, fds[1]), 0);
}

static ssize_t guest_recv(struct fixture *f, void *buf, size_t len)
{
    return gn_sock_recv(f->guest, buf, len, 0);
}

/* One byte, -EAGAIN, or what the end is. */
static int guest_look(struct fixture *f)
{
    char byte;
    ssize_t n = gn_sock_recv(f->guest, &byte, 1, MSG_PEEK);

    return (int)n;
}

static int client_look(struct fixture *f)
{
    char byte;
    ssize_t n = recv(f->client, &byte, 1, MSG_PEEK);

    return n < 0 ? -errno : (int)n;
}

static void reset_client(struct fixture *f)
{
    struct linger now = {.l_onoff = 1};

    assert_int_equal(
        setsockopt(f->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(f->client);
    f->client = -1;
}

static void reset_guest(struct fixture *f)
{
    struct linger now = {.l_onoff = 1};

    assert_int_equal(
        gn_sock_setopt(f->guest, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    drop(f->guest);
    f->guest = NULL;
}

/* A pattern whose period no buffer divides. */
static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i % 251 * 167 + 13);
}

static void fill(unsigned char *buf, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = byte_at(from + i);
}

static void check(const unsigned char *buf, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (buf[i] != byte_at(from + i))
            fail_msg("byte %zu is %u, not %u", from + i, buf[i],
                     byte_at(from + i));
}

static unsigned char buffer[100000];

static size_t client_pushes(struct fixture *f, size_t from, size_t n)
{
    ssize_t done;

    n = n < sizeof(buffer) ? n : sizeof(buffer);
    fill(buffer, from, n);
    done = send(f->client, buffer, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return done > 0 ? (size_t)done : 0;
}

static size_t guest_pushes(struct fixture *f, size_t from, size_t n)
{
    ssize_t done;

    n = n < sizeof(buffer) ? n : sizeof(buffer);
    fill(buffer, from, n);
    done = gn_sock_send(f->guest, buffer, n, 0);
    return done > 0 ? (size_t)done : 0;
}

static size_t client_pulls(struct fixture *f, size_t from)
{
    ssize_t n = recv(f->client, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (n > 0)
        check(buffer, from, (size_t)n);
    return n > 0 ? (size_t)n : 0;
}

static size_t guest_pulls(struct fixture *f, size_t from)
{
    ssize_t n = guest_recv(f, buffer, sizeof(buffer));

    if (n > 0)
        check(buffer, from, (size_t)n);
    return n > 0 ? (size_t)n : 0;
}

/* ---- payload ---- */

static void bytes_pass_both_ways(void **state)
{
    struct fixture *f = *state;
    char buf[16];

    start(f);
    assert_int_equal(send(f->client, "ask", 3, 0), 3);
    until(f, guest_look(f) == 1);
    assert_int_equal(guest_recv(f, buf, sizeof(buf)), 3);
    assert_memory_equal(buf, "ask", 3);
    assert_int_equal(gn_sock_send(f->guest, "answer", 6, 0), 6);
    until(f, client_look(f) == 1);
    assert_int_equal(recv(f->client, buf, sizeof(buf), 0), 6);
    assert_memory_equal(buf, "answer", 6);
    gn__relay_abort(f->relay);
    assert_int_equal(f->n_ended, 0);
}

static void much_passes_both_ways_at_once(void **state)
{
    struct fixture *f = *state;
    size_t to_guest[2] = {0, 0}, to_client[2] = {0, 0};
    const size_t all = 16 * MIB + 12345;

    start(f);
    while (to_guest[1] < all || to_client[1] < all) {
        size_t before = to_guest[1] + to_client[1];
        unsigned idle = 0;

        do {
            to_guest[0] += client_pushes(f, to_guest[0], all - to_guest[0]);
            to_client[0] += guest_pushes(f, to_client[0], all - to_client[0]);
            turns(f, 4);
            to_guest[1] += guest_pulls(f, to_guest[1]);
            to_client[1] += client_pulls(f, to_client[1]);
            assert_true(++idle < 100000);
        } while (to_guest[1] + to_client[1] == before);
    }
    assert_int_equal(f->n_ended, 0);
    gn__relay_abort(f->relay);
}

static void an_urgent_byte_stops_nothing(void **state)
{
    struct fixture *f = *state;
    size_t got = 0;

    start(f);
    assert_int_equal(send(f->client, "before", 6, 0), 6);
    assert_int_equal(send(f->client, "!", 1, MSG_OOB), 1);
    assert_int_equal(send(f->client, "behind", 6, 0), 6);
    until(f, (got += (size_t)gn_sock_available(f->guest),
              guest_recv(f, buffer, sizeof(buffer)), got >= 12));
    gn__relay_abort(f->relay);
}

/* A read of a Unix socket stops at them, with room left. */
static void descriptors_that_are_passed_stop_nothing(void **state)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    struct fixture *f = *state;
    struct iovec iov = {(void *)(uintptr_t) "before", 6};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct gn_sock *sock;
    size_t got = 0;
    int fds[2];

    connect_pair(f->s, 80, &sock, &f->guest);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    f->client = fds[0];
    memcpy(CMSG_DATA(&control.head), &fds[0], sizeof(int));
    assert_int_equal(sendmsg(f->client, &msg, 0), 6);
    assert_int_equal(send(f->client, "behind", 6, 0), 6);
    assert_int_equal(start_with(f, sock, fds[1]), 0);
    until(f, (got += (size_t)gn_sock_available(f->guest),
              guest_recv(f, buffer, sizeof(buffer)), got >= 12));
    gn__relay_abort(f->relay);
}

/* ---- ends ---- */

static void the_client_ends_first(void **state)
{
    struct fixture *f = *state;

    start(f);
    assert_int_equal(send(f->client, "x", 1, 0), 1);
    shutdown(f->client, SHUT_WR);
    until(f, guest_look(f) == 1);
    assert_int_equal(guest_recv(f, buffer, 1), 1);
    until(f, guest_look(f) == 0);
    assert_int_equal(gn_sock_send(f->guest, "late", 4, 0), 4);
    until(f, client_look(f) == 1);
    assert_int_equal(f->n_ended, 0);
    assert_int_equal(recv(f->client, buffer, sizeof(buffer), 0), 4);
    assert_int_equal(gn_sock_shutdown(f->guest, SHUT_WR), 0);
    until(f, f->n_ended);
    assert_int_equal(f->status, 0);
    assert_int_equal(client_look(f), 0);
}

static void the_guest_ends_first(void **state)
{
    struct fixture *f = *state;

    start(f);
    assert_int_equal(gn_sock_send(f->guest, "x", 1, 0), 1);
    assert_int_equal(gn_sock_shutdown(f->guest, SHUT_WR), 0);
    until(f, client_look(f) == 1);
    assert_int_equal(recv(f->client, buffer, 1, 0), 1);
    until(f, client_look(f) == 0);
    assert_int_equal(send(f->client, "late", 4, 0), 4);
    until(f, guest_look(f) == 1);
    assert_int_equal(guest_recv(f, buffer, sizeof(buffer)), 4);
    shutdown(f->client, SHUT_WR);
    until(f, f->n_ended);
    assert_int_equal(f->status, 0);
    until(f, guest_look(f) == 0);
}

static void an_end_waits_for_all_bytes(void **state)
{
    struct fixture *f = *state;
    size_t sent = 0, got = 0, n;

    start(f);
    while ((n = client_pushes(f, sent, MIB)) > 0)
        sent += n;
    shutdown(f->client, SHUT_WR);
    turns(f, 100);
    until(f, (got += guest_pulls(f, got), got == sent));
    until(f, guest_look(f) == 0);
    gn__relay_abort(f->relay);
}

static void a_reset_by_the_client_resets_the_guest(void **state)
{
    struct fixture *f = *state;

    start(f);
    turns(f, 10);
    reset_client(f);
    until(f, f->n_ended);
    assert_int_equal(f->status, -ECONNRESET);
    until(f, guest_look(f) == -ECONNRESET);
}

static void a_reset_by_the_guest_resets_the_client(void **state)
{
    struct fixture *f = *state;

    start(f);
    turns(f, 10);
    reset_guest(f);
    until(f, f->n_ended);
    assert_int_equal(f->status, -ECONNRESET);
    assert_int_equal(client_look(f), -ECONNRESET);
}

/* Nothing can be read then, as there is no room for it. */
static void a_reset_is_seen_while_the_guest_does_not_read(void **state)
{
    struct fixture *f = *state;
    size_t sent = 0, n;

    start(f);
    do {
        n = client_pushes(f, sent, MIB);
        sent += n;
        turns(f, 100);
    } while (n);
    reset_client(f);
    until(f, f->n_ended);
    assert_int_equal(f->status, -ECONNRESET);
}

static void a_reset_is_seen_while_the_client_does_not_read(void **state)
{
    struct fixture *f = *state;
    size_t sent = 0, n;

    start(f);
    do {
        n = guest_pushes(f, sent, MIB);
        sent += n;
        turns(f, 100);
    } while (n);
    reset_guest(f);
    until(f, f->n_ended);
    assert_int_equal(f->status, -ECONNRESET);
}

static void a_reset_is_seen_after_the_clients_end(void **state)
{
    struct fixture *f = *state;

    start(f);
    shutdown(f->client, SHUT_WR);
    until(f, guest_look(f) == 0);
    reset_client(f);
    until(f, f->n_ended);
    assert_int_equal(f->status, -ECONNRESET);
}

static void a_client_that_closes_hears_no_more(void **state)
{
    struct fixture *f = *state;

    start(f);
    close(f->client);
    f->client = -1;
    until(f, guest_look(f) == 0);
    until(f, (gn_sock_send(f->guest, "x", 1, 0), f->n_ended));
    assert_true(f->status == -ECONNRESET || f->status == -EPIPE);
    until(f, gn_sock_send(f->guest, "x", 1, 0) < 0);
}

static void a_guest_that_is_killed_resets_the_client(void **state)
{
    struct fixture *f = *state;

    start(f);
    turns(f, 10);
    gn_namespace_kill(f->s->b);
    until(f, f->n_ended);
    assert_int_equal(f->status, -ECONNRESET);
    assert_int_equal(client_look(f), -ECONNRESET);
}

static void a_namespace_that_ends_takes_its_relays_along(void **state)
{
    struct fixture *f = *state;

    start(f);
    turns(f, 10);
    gn_namespace_kill(f->s->a);
    until(f, f->n_ended);
    assert_int_equal(f->status, -ECANCELED);
    assert_int_equal(client_look(f), -ECONNRESET);
}

/* ---- beginnings ---- */

static void a_relay_may_begin_before_its_connection(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener = listen_at(f->s->b, "10.77.0.3:80");
    struct gn_sock *sock = open4(f->s->a, SOCK_STREAM);
    int fds[2];

    tcp_pair(fds);
    f->client = fds[0];
    assert_int_equal(send(f->client, "early", 5, 0), 5);
    shutdown(f->client, SHUT_WR);
    assert_int_equal(connect_to(sock, "10.77.0.3:80"), -EINPROGRESS);
    assert_int_equal(start_with(f, sock, fds[1]), 0);
    until(f, (f->guest = accept_one(listener)) != NULL);
    until(f, guest_look(f) == 1);
    assert_int_equal(guest_recv(f, buffer, sizeof(buffer)), 5);
    until(f, guest_look(f) == 0);
    drop(f->guest);
    f->guest = NULL;
    until(f, f->n_ended);
    assert_int_equal(f->status, 0);
    drop(listener);
}

static void a_refused_connection_resets_the_client(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->s->a, SOCK_STREAM);
    int fds[2];

    tcp_pair(fds);
    f->client = fds[0];
    assert_int_equal(connect_to(sock, "10.77.0.3:80"), -EINPROGRESS);
    assert_int_equal(start_with(f, sock, fds[1]), 0);
    until(f, f->n_ended);
    assert_int_equal(f->status, -ECONNREFUSED);
    assert_int_equal(client_look(f), -ECONNRESET);
}

static void a_unix_socket_will_do(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int fds[2];

    connect_pair(f->s, 80, &sock, &f->guest);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    f->client = fds[0];
    assert_int_equal(start_with(f, sock, fds[1]), 0);
    assert_int_equal(send(f->client, "ask", 3, 0), 3);
    until(f, guest_look(f) == 1);
    shutdown(f->client, SHUT_WR);
    assert_int_equal(guest_recv(f, buffer, sizeof(buffer)), 3);
    drop(f->guest);
    f->guest = NULL;
    until(f, f->n_ended);
    assert_int_equal(f->status, 0);
    assert_int_equal(recv(f->client, buffer, 1, MSG_DONTWAIT), 0);
}

static void what_cannot_be_watched_is_reset(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int fds[2];

    connect_pair(f->s, 80, &sock, &f->guest);
    tcp_pair(fds);
    f->client = fds[0];
    f->desk.refuse = -ENOSPC;
    assert_int_equal(start_with(f, sock, fds[1]), -ENOSPC);
    turns(f, 10);
    assert_int_equal(client_look(f), -ECONNRESET);
    assert_int_equal(guest_look(f), -ECONNRESET);
    assert_int_equal(f->n_ended, 0);
}

static void a_network_that_closes_ends_it(void **state)
{
    struct fixture *f = *state;

    start(f);
    turns(f, 10);
    gn__io_done(&f->desk.io);
    assert_int_equal(f->n_ended, 1);
    assert_int_equal(f->status, -ECANCELED);
    assert_int_equal(client_look(f), -ECONNRESET);
}

/* ---- memory ---- */

static void an_idle_relay_holds_no_buffers(void **state)
{
    struct fixture *f = *state;
    uint64_t before, bytes;

    start(f);
    turns(f, 10);
    before = f->s->heap.live_bytes;
    gn__relay_abort(f->relay);
    f->relay = NULL;
    turns(f, 200);
    bytes = before - f->s->heap.live_bytes;
    assert_true(gn__relay_size() <= 512);
    assert_true(bytes < 4096);
}

/* Beside what the kernel has: the socket's send buffer and the guest's window,
 * both full, in chunks that are half empty at worst. */
#define BUFFERED_MAX (2u * (256 + 128) * 1024)

static uint64_t buffered(struct fixture *f)
{
    struct gn_stats a, b;

    gn_namespace_stats(f->s->a, &a);
    gn_namespace_stats(f->s->b, &b);
    return a.buffered + b.buffered;
}

static void a_guest_that_never_reads_costs_a_window(void **state)
{
    struct fixture *f = *state;
    size_t sent = 0, n;

    start(f);
    turns(f, 10);
    do {
        n = client_pushes(f, sent, MIB);
        sent += n;
        turns(f, 200);
    } while (n);
    assert_true(sent > MIB);
    assert_true(buffered(f) <= BUFFERED_MAX);
    gn__relay_abort(f->relay);
}

static void a_client_that_never_reads_costs_a_window(void **state)
{
    struct fixture *f = *state;
    size_t sent = 0, n;

    start(f);
    turns(f, 10);
    do {
        n = guest_pushes(f, sent, MIB);
        sent += n;
        turns(f, 200);
    } while (n);
    assert_true(sent > MIB);
    assert_true(buffered(f) <= BUFFERED_MAX);
    gn__relay_abort(f->relay);
}

/* Whichever allocation fails, all bytes arrive or both ends are told. */
static void no_allocation_loses_a_byte(void **state)
{
    struct fixture *f = *state;
    const size_t all = 300000;
    uint64_t i = 0;

    do {
        size_t sent = 0, got = 0;
        struct gn_sock *sock;
        int fds[2], err;

        connect_pair(f->s, 80, &sock, &f->guest);
        tcp_pair(fds);
        f->client = fds[0];
        f->n_ended = 0;
        gn_test_heap_fail_at(&f->s->heap, i++, false);
        err = start_with(f, sock, fds[1]);
        for (unsigned t = 0; !err && !f->n_ended && got < all; t++) {
            assert_true(t < 100000);
            sent += client_pushes(f, sent, all - sent);
            gn_test_desk_turn(&f->desk);
            got += guest_pulls(f, got);
        }
        if (!err && !f->n_ended)
            gn__relay_abort(f->relay);
        assert_true(err || f->n_ended || got == all);
        drop(f->guest);
        f->guest = NULL;
        close(f->client);
        f->client = -1;
        turns(f, 100);
    } while (f->s->heap.failed);
    gn_test_heap_fail_at(&f->s->heap, GN_TEST_HEAP_NEVER, false);
    assert_true(i > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_pass_both_ways),
        CASE(much_passes_both_ways_at_once),
        CASE(an_urgent_byte_stops_nothing),
        CASE(descriptors_that_are_passed_stop_nothing),
        CASE(the_client_ends_first),
        CASE(the_guest_ends_first),
        CASE(an_end_waits_for_all_bytes),
        CASE(a_reset_by_the_client_resets_the_guest),
        CASE(a_reset_by_the_guest_resets_the_client),
        CASE(a_reset_is_seen_while_the_guest_does_not_read),
        CASE(a_reset_is_seen_while_the_client_does_not_read),
        CASE(a_reset_is_seen_after_the_clients_end),
        CASE(a_client_that_closes_hears_no_more),
        CASE(a_guest_that_is_killed_resets_the_client),
        CASE(a_namespace_that_ends_takes_its_relays_along),
        CASE(a_relay_may_begin_before_its_connection),
        CASE(a_refused_connection_resets_the_client),
        CASE(a_unix_socket_will_do),
        CASE(what_cannot_be_watched_is_reset),
        CASE(a_network_that_closes_ends_it),
        CASE(an_idle_relay_holds_no_buffers),
        CASE(a_guest_that_never_reads_costs_a_window),
        CASE(a_client_that_never_reads_costs_a_window),
        CASE(no_allocation_loses_a_byte),
    };

    return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
