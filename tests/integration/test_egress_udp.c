/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams between a guest and kernel sockets on the machine's loopback, which
 * is behind the gateway's address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/descriptors.h"
#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/socks.h"

/** The defaults of gn_limits.max_flows and max_outgoing. */
#define FLOWS_MAX 1024u
#define DIALS_MAX 1024u

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})

struct fixture {
    struct eg eg;
    int v4, v6;
    char rule4[64], rule6[64];
};

static int setup(void **state)
{
    static struct fixture f;

    f.v4 = near_socket(SOCK_DGRAM, "127.0.0.1:0", false);
    f.v6 = near_socket(SOCK_DGRAM, "[::1]:0", false);
    snprintf(f.rule4, sizeof(f.rule4), "allow udp 127.0.0.1 port %u",
             far_port(f.v4));
    snprintf(f.rule6, sizeof(f.rule6), "allow udp ::1 port %u", far_port(f.v6));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    eg_end(&f->eg);
    if (f->v4 >= 0)
        close(f->v4);
    close(f->v6);
    return 0;
}

static uint64_t drops(struct fixture *f, enum gn_drop why)
{
    struct gn_stats stats;

    gn_namespace_stats(gn_network_gateway(f->eg.net), &stats);
    return stats.drops[why];
}

static uint64_t guest_drops(struct fixture *f, enum gn_drop why)
{
    struct gn_stats stats;

    gn_namespace_stats(f->eg.guest, &stats);
    return stats.drops[why];
}

/* The kernel's socket sends back what it gets. */
static void echo(int fd, size_t len)
{
    struct sockaddr_storage peer = {0};
    socklen_t peer_len = sizeof(peer);
    static char buf[65536];

    assert_true(eg_readable(fd, 10000));
    assert_int_equal(
        recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &peer_len),
        len);
    assert_int_equal(
        sendto(fd, buf, len, 0, (struct sockaddr *)&peer, peer_len), len);
}

static void datagrams_of_all_sizes_pass(void **state)
{
    static const size_t sizes[] = {0, 1, 1400, 9000, 60000, 65487};
    struct fixture *f = *state;
    static char out[65536], in[65536];
    struct gn_sock *sock;
    int err;

    eg_begin(&f->eg, RULES(f->rule4, f->rule6), NULL);
    memset(out, 'x', sizeof(out));
    for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t len = sizes[i / 2];
        int fd = i % 2 ? f->v6 : f->v4;

        sock = eg_dial(&f->eg, SOCK_DGRAM, i % 2 ? GATEWAY6 : GATEWAY4,
                       far_port(fd), &err);
        assert_non_null(sock);
        assert_int_equal(gn_sock_send(sock, out, len, 0), len);
        echo(fd, len);
        assert_int_equal(gn_sock_recv(sock, in, sizeof(in), 0), len);
        assert_memory_equal(in, out, len);
        drop(sock);
    }
}

/* A send that waits for room in SO_SNDBUF is as fast as the outside is. */
static void a_sender_that_waits_for_room_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char data[200] = "";
    int err;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    sock = eg_dial(&f->eg, SOCK_DGRAM, GATEWAY4, far_port(f->v4), &err);
    assert_non_null(sock);
    assert_int_equal(gn_sock_set_nonblock(sock, false), 0);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(gn_sock_send(sock, data, sizeof(data), 0),
                         sizeof(data));
    assert_int_equal(guest_drops(f, GN_DROP_FLOW), 0);
    assert_int_equal(guest_drops(f, GN_DROP_MEMORY), 0);
    drop(sock);
}

static void what_is_denied_is_eacces_and_counted(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int err;

    eg_begin(&f->eg, RULES("allow any", "allow tcp 127.0.0.1"), NULL);
    sock = eg_dial(&f->eg, SOCK_DGRAM, GATEWAY4, far_port(f->v4), &err);
    assert_int_equal(err, 0);
    assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
    assert_true(eg_wait(sock, POLLIN) & POLLERR);
    assert_int_equal(eg_error(sock), -EACCES);
    assert_int_equal(drops(f, GN_DROP_DENIED), 1);
    assert_int_equal(guest_drops(f, GN_DROP_DENIED), 1);
    assert_false(eg_last(&f->eg).allowed);
    assert_int_equal(eg_last(&f->eg).type, SOCK_DGRAM);
    drop(sock);
    /* One that is not connected hears nothing. */
    sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    assert_int_equal(send_text_to(sock, "x", GATEWAY4 ":9"), 1);
    for (int i = 0; drops(f, GN_DROP_DENIED) < 2; i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    assert_int_equal(eg_error(sock), 0);
    assert_false(eg_readable(f->v4, 0));
    drop(sock);
}

/* What a blocking recv() of a connected socket ends with. */
static int hear(struct fixture *f, const char *host)
{
    struct timeval patience = {.tv_usec = 100000};
    struct gn_sock *sock;
    char byte;
    int err;

    sock = eg_dial(&f->eg, SOCK_DGRAM, host, far_port(f->v4), &err);
    assert_non_null(sock);
    assert_int_equal(gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience,
                                    sizeof(patience)),
                     0);
    assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
    err = (int)gn_sock_recv(sock, &byte, 1, 0);
    drop(sock);
    return err;
}

static void until_denied(struct fixture *f, uint64_t n)
{
    for (int i = 0; drops(f, GN_DROP_DENIED) < n; i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
}

static void a_denial_is_what_was_chosen(void **state)
{
    static const int errors[] = {
        [GN_DENIAL_ACCES] = -EACCES,
        [GN_DENIAL_REFUSED] = -ECONNREFUSED,
        [GN_DENIAL_SILENT] = -EAGAIN, /* SO_RCVTIMEO */
    };
    struct fixture *f = *state;

    for (int denial = 0; denial < GN_N_DENIALS; denial++) {
        struct gn_policy policy = {.size = sizeof(policy),
                                   .denial = (enum gn_denial)denial};

        if (denial)
            eg_end(&f->eg);
        eg_begin(&f->eg, RULES("deny any"), &policy);
        assert_int_equal(hear(f, GATEWAY4), errors[denial]);
        assert_int_equal(hear(f, "203.0.113.1"), errors[denial]);
        until_denied(f, 2);
        assert_int_equal(eg_audits(&f->eg), 2);
        assert_false(eg_readable(f->v4, 0));
    }
}

static void no_other_address_is_a_way_there(void **state)
{
    struct fixture *f = *state;
    unsigned short port = far_port(f->v4);

    eg_begin(&f->eg, RULES("allow any", "allow name *.example"), NULL);
    for (size_t i = 0; eg_astray[i]; i++) {
        /* Groups are not refused, but no host is there either. */
        if (strcmp(eg_astray[i], "ff02::1") != 0 &&
            strcmp(eg_astray[i], "224.0.0.1") != 0 &&
            eg_ask(&f->eg, eg_astray[i], port) == 0)
            fail_msg("%s was not denied", eg_astray[i]);
    }
    for (size_t i = 0; eg_own[i]; i++)
        assert_int_equal(eg_ask(&f->eg, eg_own[i], port), -ECONNREFUSED);
    assert_int_equal(eg_ask(&f->eg, GATEWAY4, port), -EACCES);
    assert_int_equal(eg_ask(&f->eg, GATEWAY6, far_port(f->v6)), -EACCES);
    assert_false(eg_readable(f->v4, 50));
    assert_false(eg_readable(f->v6, 0));
}

static void a_closed_port_is_econnrefused(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    unsigned short port = far_port(f->v4);
    int err;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    sock = eg_dial(&f->eg, SOCK_DGRAM, GATEWAY4, port, &err);
    assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
    echo(f->v4, 1);
    close(f->v4);
    f->v4 = -1;
    assert_true(eg_wait(sock, POLLIN) & POLLIN);
    assert_int_equal(gn_sock_recv(sock, &err, 1, 0), 1);
    assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
    assert_true(eg_wait(sock, POLLIN) & POLLERR);
    assert_int_equal(eg_error(sock), -ECONNREFUSED);
    drop(sock);
}

static void two_sockets_are_two_flows(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock[2];
    char buf[8];
    int err;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    for (int i = 0; i < 2; i++)
        sock[i] = eg_dial(&f->eg, SOCK_DGRAM, GATEWAY4, far_port(f->v4), &err);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(gn_sock_send(sock[i % 2], &"ab"[i % 2], 1, 0), 1);
        echo(f->v4, 1);
        assert_int_equal(gn_sock_recv(sock[i % 2], buf, sizeof(buf), 0), 1);
        assert_int_equal(buf[0], "ab"[i % 2]);
    }
    assert_int_equal(eg_audits(&f->eg), 2);
    drop(sock[0]);
    drop(sock[1]);
}

static void flows_end_with_their_guest(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int err;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    sock = eg_dial(&f->eg, SOCK_DGRAM, GATEWAY4, far_port(f->v4), &err);
    assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
    echo(f->v4, 1);
    gn_namespace_kill(f->eg.guest);
    assert_int_equal(gn_sock_send(sock, "x", 1, 0), -ECANCELED);
    drop(sock);
}

static bool can_have_descriptors(rlim_t n)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < n && limit.rlim_max >= n) {
        limit.rlim_cur = n;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    return limit.rlim_cur >= n;
}

static uint64_t evicted(struct fixture *f)
{
    struct gn_stats stats;

    gn_namespace_stats(f->eg.guest, &stats);
    return stats.flows_evicted;
}

/* One more for each port: those that are idle longest make room. */
static void flows_are_bounded_and_counted(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in to = {.sin_family = AF_INET};
    unsigned port, before;
    struct gn_sock *sock;

    eg_begin(&f->eg, RULES("allow 127.0.0.1"), NULL);
    if (!can_have_descriptors(2 * (FLOWS_MAX + DIALS_MAX))) {
        print_message("skipped: not so many descriptors here\n");
        skip();
    }
    to.sin_addr.s_addr = htonl(0x0a4d0001);
    sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    before = gn_test_descriptors();
    for (port = 20000; evicted(f) < 100; port++) {
        assert_true(port < 60000);
        to.sin_port = htons((uint16_t)port);
        assert_int_equal(
            gn_sock_sendto(sock, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)),
            1);
        if (port % 64 == 0)
            assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    /* What is being dialled has one, too. */
    assert_true(gn_test_descriptors() <= before + FLOWS_MAX + DIALS_MAX);
    to.sin_port = htons(far_port(f->v4));
    assert_int_equal(
        gn_sock_sendto(sock, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
    echo(f->v4, 1);
    drop(sock);
}

/* As a resolver does that uses a new port for each question. */
static void a_question_from_a_new_socket_is_always_answered(void **state)
{
    struct timeval patience = {.tv_sec = 10};
    struct fixture *f = *state;
    struct gn_sock *sock;
    char byte;
    int err;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    for (unsigned i = 0; i < FLOWS_MAX + 100; i++) {
        sock = eg_dial(&f->eg, SOCK_DGRAM, GATEWAY4, far_port(f->v4), &err);
        assert_int_equal(gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO,
                                        &patience, sizeof(patience)),
                         0);
        assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
        echo(f->v4, 1);
        assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 1);
        drop(sock);
    }
    assert_int_equal(evicted(f), 0);
}

/* ---- shown ports ---- */

/* One that the kernel gives to no socket by itself. */
static unsigned short find_free_port(void)
{
    unsigned short port = (unsigned short)(10000 + getpid() % 20000);
    int fd = -1;

    for (; fd < 0; port++) {
        struct sockaddr_in addr = {.sin_family = AF_INET,
                                   .sin_port = htons(port)};

        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
            close(fd);
            fd = -1;
        }
    }
    close(fd);
    return (unsigned short)(port - 1);
}

/* Does the guest's echo come back by what was sent there? */
static void expect_answer(struct gn_sock *sock, const char *to,
                          unsigned short port)
{
    struct sockaddr_storage from;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof(from);
    char buf[8];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)),
                     0);
    assert_int_equal(inet_pton(AF_INET, to, &addr.sin_addr), 1);
    assert_int_equal(
        sendto(fd, "hi", 2, 0, (struct sockaddr *)&addr, sizeof(addr)), 2);
    assert_int_equal(gn_sock_recvfrom(sock, buf, sizeof(buf), 0,
                                      (struct sockaddr *)&from, &len),
                     2);
    assert_int_equal(
        gn_sock_sendto(sock, buf, 2, 0, (struct sockaddr *)&from, len), 2);
    assert_true(eg_readable(fd, 10000));
    assert_int_equal(recv(fd, buf, sizeof(buf), 0), 2);
    close(fd);
}

static void a_broadcast_to_a_shown_port_is_answered(void **state)
{
    struct timeval patience = {.tv_sec = 10};
    struct fixture *f = *state;
    unsigned short port = find_free_port();
    char rule[64], at[32];
    struct gn_sock *sock;

    snprintf(rule, sizeof(rule), "listen udp 0.0.0.0 port %u", port);
    snprintf(at, sizeof(at), "0.0.0.0:%u", port);
    eg_begin(&f->eg, RULES(rule), NULL);
    sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    assert_int_equal(gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience,
                                    sizeof(patience)),
                     0);
    assert_int_equal(bind_to(sock, at), 0);
    for (int i = 0; !eg_audits(&f->eg); i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    assert_int_equal(eg_last(&f->eg).error, 0);
    expect_answer(sock, "127.0.0.1", port);
    expect_answer(sock, "127.0.0.2", port);
    expect_answer(sock, "127.255.255.255", port);
    drop(sock);
}

/* Only what was asked for is decided, and told. */
static void ports_are_not_audited_where_no_rule_shows_any(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock, *other;
    int err;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    assert_int_equal(bind_to(sock, "0.0.0.0:53"), 0);
    other = eg_dial(&f->eg, SOCK_DGRAM, GATEWAY4, far_port(f->v4), &err);
    assert_int_equal(gn_sock_send(other, "x", 1, 0), 1);
    echo(f->v4, 1);
    assert_int_equal(eg_audits(&f->eg), 1);
    assert_false(eg_last(&f->eg).inbound);
    drop(sock);
    drop(other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(datagrams_of_all_sizes_pass),
        CASE(a_sender_that_waits_for_room_loses_nothing),
        CASE(what_is_denied_is_eacces_and_counted),
        CASE(a_denial_is_what_was_chosen),
        CASE(no_other_address_is_a_way_there),
        CASE(a_closed_port_is_econnrefused),
        CASE(two_sockets_are_two_flows),
        CASE(flows_end_with_their_guest),
        CASE(flows_are_bounded_and_counted),
        CASE(a_question_from_a_new_socket_is_always_answered),
        CASE(a_broadcast_to_a_shown_port_is_answered),
        CASE(ports_are_not_audited_where_no_rule_shows_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
