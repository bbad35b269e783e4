/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How long datagrams between a guest and the outside are remembered, under a
 * clock, by a host of the test's own and a desk in the driver's place.
 */
#include "host/egress/egress.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/desk.h"
#include "tests/lib/socks.h"

#define OUT "203.0.113.1:53"

struct fixture {
    struct socks *s;
    struct gn_test_desk desk;
    struct gn_egress *egress;
    struct gn_namespace *guest;
    struct gn_egress_port *port;
    int far; /* the other end of the last dial; -1 */
    unsigned n_dials;
    unsigned n_sent; /* by the port */
};

static int hook_dial(void *self, struct gn_egress_dial *request, int family,
                     int type, const struct sockaddr *address, const char *name)
{
    struct fixture *f = self;
    int fds[2];

    (void)family, (void)address, (void)name;
    f->n_dials++;
    if (f->far >= 0)
        close(f->far);
    assert_int_equal(
        socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    f->far = fds[1];
    gn_egress_dial_done(request, 0, fds[0]);
    return 0;
}

static int hook_listen_packet(void *self, struct gn_egress_port *port,
                              const struct sockaddr *local)
{
    struct fixture *f = self;

    (void)local;
    f->port = port;
    return 0;
}

static void hook_cancel(void *self, void *request)
{
    struct fixture *f = self;

    if (f->port == request)
        f->port = NULL;
}

static void hook_send(void *self, struct gn_egress_port *port,
                      const void *bytes, size_t len,
                      const struct sockaddr *from, const struct sockaddr *to)
{
    struct fixture *f = self;

    (void)bytes, (void)len, (void)from, (void)to;
    assert_ptr_equal(port, f->port);
    f->n_sent++;
}

static const struct gn_egress_ops ops = {
    .name = "test",
    .dial = hook_dial,
    .listen_packet = hook_listen_packet,
    .cancel = hook_cancel,
    .send = hook_send,
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct gn_namespace_config config = {.size = sizeof(config)};
    void *socks;

    assert_non_null(f);
    assert_int_equal(socks_setup(&socks), 0);
    f->s = socks;
    f->far = -1;
    gn_test_desk_init(&f->desk, f->s->clock, &f->s->heap.alloc);
    assert_int_equal(gn__network_set_io(f->s->net, &f->desk.io), 0);
    assert_int_equal(gn_egress_create(&ops, f, &f->egress), 0);
    config.egress = f->egress;
    assert_int_equal(gn_namespace_create(f->s->net, &config, &f->guest), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *socks = f->s;

    (void)socks_teardown(&socks);
    gn_egress_close(f->egress);
    gn_test_desk_done(&f->desk);
    if (f->far >= 0)
        close(f->far);
    free(f);
    return 0;
}

static void turns(struct fixture *f)
{
    for (unsigned i = 0; i < 20; i++)
        gn_test_desk_turn(&f->desk);
}

/* Nothing happens for so long but what has to. */
static void wait_s(struct fixture *f, unsigned s)
{
    pass_ms(f->s, s * 1000);
    turns(f);
}

static void say(struct fixture *f, struct gn_sock *sock, const char *to)
{
    assert_int_equal(send_text_to(sock, "x", to), 1);
    turns(f);
}

/* Does the descriptor that the host gave still have its other end? */
static bool is_there(struct fixture *f)
{
    char byte;

    while (recv(f->far, &byte, 1, 0) >= 0)
        continue;
    return errno == EAGAIN && !send(f->far, "", 0, MSG_NOSIGNAL);
}

static void answer(struct fixture *f, struct gn_sock *sock)
{
    assert_int_equal(send(f->far, "y", 1, MSG_NOSIGNAL), 1);
    turns(f);
    expect_text(sock, "y");
}

static void a_flow_without_an_answer_is_kept_for_half_a_minute(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    say(f, sock, OUT);
    for (unsigned i = 0; i < 3; i++) {
        wait_s(f, 29);
        say(f, sock, OUT);
        assert_int_equal(f->n_dials, 1);
    }
    wait_s(f, 31);
    assert_false(is_there(f));
    say(f, sock, OUT);
    assert_int_equal(f->n_dials, 2);
    drop(sock);
}

static void one_with_an_answer_for_three_minutes(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    say(f, sock, OUT);
    answer(f, sock);
    wait_s(f, 3);
    say(f, sock, OUT);
    wait_s(f, 179);
    say(f, sock, OUT);
    assert_int_equal(f->n_dials, 1);
    wait_s(f, 179);
    answer(f, sock); /* Either direction counts. */
    wait_s(f, 179);
    say(f, sock, OUT);
    assert_int_equal(f->n_dials, 1);
    wait_s(f, 181);
    assert_false(is_there(f));
    say(f, sock, OUT);
    assert_int_equal(f->n_dials, 2);
    drop(sock);
}

static void a_flow_ends_with_its_guest(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    say(f, sock, OUT);
    assert_true(is_there(f));
    gn_namespace_kill(f->guest);
    turns(f);
    assert_false(is_there(f));
    drop(sock);
}

static uint64_t kernel_drops(struct fixture *f)
{
    struct gn_stats stats;

    gn_namespace_stats(gn_network_gateway(f->s->net), &stats);
    return stats.drops[GN_DROP_KERNEL];
}

static void what_the_kernel_does_not_take_is_counted(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);
    unsigned n;

    for (n = 0; !kernel_drops(f); n++) {
        assert_true(n < 100000);
        say(f, sock, OUT);
    }
    say(f, sock, OUT);
    assert_int_equal(kernel_drops(f), 2);
    for (; n > 1; n--) {
        char byte;

        assert_int_equal(recv(f->far, &byte, 1, 0), 1);
    }
    say(f, sock, OUT);
    assert_int_equal(kernel_drops(f), 2);
    assert_int_equal(f->n_dials, 1);
    drop(sock);
}

static void what_cannot_be_watched_is_no_flow(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    f->desk.refuse = -ENOSPC;
    assert_int_equal(connect_to(sock, OUT), 0);
    assert_int_equal(send_text(sock, "x"), 1);
    turns(f);
    assert_int_equal(f->n_dials, 1);
    assert_false(is_there(f));
    f->desk.refuse = 0;
    (void)take_error(sock);
    assert_int_equal(send_text(sock, "x"), 1);
    turns(f);
    assert_true(is_there(f));
    drop(sock);
}

/* ---- which client writes to a guest's port ---- */

static void come(struct fixture *f, const char *from)
{
    struct sockaddr_storage addr;
    socklen_t len;

    assert_int_equal(gn_addr_parse(from, &addr, &len), 0);
    assert_int_equal(
        gn_egress_packet(f->port, "q", 1, (struct sockaddr *)&addr, NULL), 0);
    turns(f);
}

/* The address that it came as: answers go there. */
static void receive(struct gn_sock *sock, char *from)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char buf[4];

    assert_int_equal(gn_sock_recvfrom(sock, buf, sizeof(buf), 0,
                                      (struct sockaddr *)&addr, &len),
                     1);
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&addr, from, GN_ADDR_TEXT_MAX), 0);
}

static struct gn_sock *bound(struct fixture *f)
{
    struct gn_sock *sock = open4(f->guest, SOCK_DGRAM);

    assert_int_equal(bind_to(sock, "0.0.0.0:53"), 0);
    turns(f);
    assert_non_null(f->port);
    return sock;
}

/* Shown, and as the gateway. */
static const char *const clients[] = {"198.51.100.7:5555", "127.0.0.1:5555"};

/* They are looked through every quarter of a minute. */
static void a_client_without_an_answer_is_known_for_half_a_minute(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = bound(f);
    char from[GN_ADDR_TEXT_MAX];

    for (size_t i = 0; i < 2; i++) {
        f->n_sent = 0;
        come(f, clients[i]);
        receive(sock, from);
        for (unsigned j = 0; j < 3; j++) {
            wait_s(f, 29);
            come(f, clients[i]);
            receive(sock, from);
        }
        wait_s(f, 46);
        say(f, sock, from);
        assert_int_equal(f->n_sent, 0);
    }
    drop(sock);
}

static void one_with_an_answer_is_for_three_minutes(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = bound(f);
    char from[GN_ADDR_TEXT_MAX];

    for (size_t i = 0; i < 2; i++) {
        f->n_sent = 0;
        come(f, clients[i]);
        receive(sock, from);
        wait_s(f, 29);
        say(f, sock, from);
        wait_s(f, 179);
        say(f, sock, from);
        wait_s(f, 179);
        say(f, sock, from);
        assert_int_equal(f->n_sent, 3);
        wait_s(f, 196);
        say(f, sock, from);
        assert_int_equal(f->n_sent, 3);
    }
    drop(sock);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_flow_without_an_answer_is_kept_for_half_a_minute),
        CASE(one_with_an_answer_for_three_minutes),
        CASE(a_flow_ends_with_its_guest),
        CASE(what_the_kernel_does_not_take_is_counted),
        CASE(what_cannot_be_watched_is_no_flow),
        CASE(a_client_without_an_answer_is_known_for_half_a_minute),
        CASE(one_with_an_answer_is_for_three_minutes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
