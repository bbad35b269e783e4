/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Clients of a port that a listen rule shows, where the guest does not answer
 * or has no socket for one more: the log says so, and it is counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/link.h>

#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/pubnet.h"
#include "tests/lib/socks.h"

#define N_CLIENTS   6u
#define MAX_SOCKETS 4u

struct fixture {
    struct pubnet *p;
    struct gn_egress *egress;
    struct gn_namespace *guest;
    struct gn_sock *listener;
    unsigned short port;
    _Atomic bool is_shown;
};

/* Behind listen(2). */
static void on_audit(const struct gn_audit *audit, void *arg)
{
    struct fixture *f = arg;

    f->is_shown = audit->inbound && audit->allowed && !audit->error;
}

/* A port of the machine's that is free. */
static unsigned short free_port(void)
{
    int fd = near_socket(SOCK_STREAM, "127.0.0.1:0", true);
    unsigned short port = far_port(fd);

    close(fd);
    return port;
}

static void begin_guest(struct fixture *f)
{
    char rule[64];
    const char *rules[] = {rule, NULL};
    const struct gn_policy policy = {.size = sizeof(policy),
                                     .rules = rules,
                                     .audit = on_audit,
                                     .audit_arg = f};
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "shown",
                                         .limits.max_sockets = MAX_SOCKETS};

    f->port = free_port();
    (void)snprintf(rule, sizeof(rule), "listen tcp 127.0.0.1 port %u", f->port);
    assert_int_equal(gn_egress_system(&policy, &f->egress), 0);
    config.egress = f->egress;
    assert_int_equal(gn_namespace_create(f->p->net, &config, &f->guest), 0);
}

static struct gn_stats stats_of(struct gn_namespace *ns)
{
    struct gn_stats stats;

    gn_namespace_stats(ns, &stats);
    return stats;
}

static void begin_listener(struct fixture *f)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "0.0.0.0:%u", f->port);
    f->listener = open4(f->guest, SOCK_STREAM);
    assert_int_equal(bind_to(f->listener, text), 0);
    assert_int_equal(gn_sock_listen(f->listener, 16), 0);
    gn_test_until(f->is_shown);
}

static int setup(void **state)
{
    static struct fixture f;
    void *p;

    memset(&f, 0, sizeof(f));
    pubnet_setup(&p);
    f.p = p;
    begin_guest(&f);
    begin_listener(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *p = f->p;

    if (f->listener)
        drop(f->listener);
    gn_egress_close(f->egress);
    return pubnet_teardown(&p);
}

static int client(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {30, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
        0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Its listener goes while the client's SYN is on its way to the guest. */
static void a_client_that_is_refused_is_said_and_counted(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *gateway = gn_network_gateway(f->p->net);
    struct gn_path_config path = {.size = sizeof(path), .hold = true};
    char byte;
    int fd;

    assert_int_equal(gn_path_set(f->p->net, gateway, f->guest, &path), 0);
    fd = client(f);
    gn_test_until(stats_of(f->guest).descriptors == 2);
    drop(f->listener);
    f->listener = NULL;
    gn_test_until(stats_of(f->guest).descriptors == 1);
    assert_int_equal(stats_of(f->guest).clients_lost, 0);
    assert_int_equal(gn_path_set(f->p->net, gateway, f->guest, NULL), 0);
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    gn_test_until(stats_of(f->guest).clients_lost == 1);
    assert_int_equal(stats_of(gateway).clients_lost, 1);
    gn_test_until(pubnet_said(f->p, "guest shown: a client of its port "));
    assert_true(pubnet_said(f->p, "turned away: Connection refused"));
    gn_test_until(stats_of(f->guest).descriptors == 0);
    close(fd);
}

static struct gn_sock *take_one(struct fixture *f)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_accept(f->listener, NULL, NULL, 0, &sock), 0);
    return sock;
}

/* So that the kernel's side of it ends as well. */
static void reset(struct gn_sock *sock)
{
    const struct linger now = {.l_onoff = 1};

    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    drop(sock);
}

/* As many as it has sockets for are accepted; the others wait in the kernel's
 * backlog, and have their turn. */
static void clients_wait_for_a_guest_that_has_no_socket_left(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *socks[MAX_SOCKETS - 1];
    int fds[N_CLIENTS];
    unsigned i, n;

    assert_int_equal(gn_sock_set_nonblock(f->listener, false), 0);
    for (i = 0; i < N_CLIENTS; i++)
        fds[i] = client(f);
    gn_test_until(pubnet_said(f->p, "accepting pauses: as many clients as the "
                                    "guest may have sockets"));
    for (i = 0; i < MAX_SOCKETS - 1; i++)
        socks[i] = take_one(f);
    assert_int_equal(stats_of(f->guest).descriptors, MAX_SOCKETS);
    assert_int_equal(stats_of(f->guest).sockets_refused, 0);
    for (n = MAX_SOCKETS - 1; n < N_CLIENTS; n++) {
        i = n % (MAX_SOCKETS - 1);
        reset(socks[i]);
        socks[i] = take_one(f);
    }
    for (i = 0; i < MAX_SOCKETS - 1; i++)
        reset(socks[i]);
    for (i = 0; i < N_CLIENTS; i++)
        close(fds[i]);
    assert_int_equal(stats_of(f->guest).clients_lost, 0);
    gn_test_until(stats_of(f->guest).descriptors == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_client_that_is_refused_is_said_and_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(
            clients_wait_for_a_guest_that_has_no_socket_left, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
