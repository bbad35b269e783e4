/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which threads give up their processor while the driving thread is behind:
 * those of guests that made it so, and no others. The network is driven by its
 * caller, which does not run it here, so the thread stays behind for as long as
 * a test needs.
 */
#include <guestnet/guestnet.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"

/* More than the thread ought to be behind. */
#define N_FLOWS 20u

static atomic_uint n_yields;

int __wrap_sched_yield(void);

int __wrap_sched_yield(void)
{
    n_yields++;
    return 0;
}

struct fixture {
    struct gn_egress *egress;
    struct gn_network *net;
    struct gn_namespace *busy;
    struct gn_namespace *quiet;
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static struct fixture f;
    const struct gn_policy policy = {.size = sizeof(policy)};
    const struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .drive = GN_DRIVE_CALLER};
    struct gn_namespace_config guest = {.size = sizeof(guest)};

    assert_int_equal(gn_egress_system(&policy, &f.egress), 0);
    assert_int_equal(gn_network_create(&config, &f.net), 0);
    guest.egress = f.egress;
    assert_int_equal(gn_namespace_create(f.net, &guest, &f.busy), 0);
    assert_int_equal(gn_namespace_create(f.net, &guest, &f.quiet), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    gn_egress_close(f->egress);
    return 0;
}

/* How often @call yields, made by a thread that does not drive the network. */
static unsigned yields_of(void *(*call)(void *), void *arg)
{
    pthread_t thread;

    n_yields = 0;
    assert_int_equal(pthread_create(&thread, NULL, call, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return n_yields;
}

static struct sockaddr_in outside(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};

    assert_int_equal(inet_pton(AF_INET, "203.0.113.5", &at.sin_addr), 1);
    return at;
}

static ssize_t send_to(struct gn_sock *sock, unsigned port)
{
    struct sockaddr_in to = outside(port);

    return gn_sock_sendto(sock, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
}

/* Begins flows until its datagrams fill the socket. */
static void *send_until_full(void *arg)
{
    ssize_t sent = 1;
    unsigned i;

    for (i = 0; sent == 1; i++)
        sent = send_to(arg, 1000 + i % N_FLOWS);
    assert_int_equal(sent, -EAGAIN);
    assert_true(i > N_FLOWS);
    return NULL;
}

static struct gn_sock *udp_of(struct gn_namespace *ns)
{
    struct gn_sock *sock;

    assert_int_equal(
        gn_sock_open(ns, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, &sock), 0);
    return sock;
}

static void *connect_once(void *arg)
{
    struct sockaddr_in to = outside(80);
    struct gn_pollfd at = {.events = POLLOUT};

    assert_int_equal(
        gn_sock_open(arg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &at.sock),
        0);
    assert_int_equal(
        gn_sock_connect(at.sock, (struct sockaddr *)&to, sizeof(to)),
        -EINPROGRESS);
    assert_int_equal(gn_sock_poll(&at, 1, 0), 0);
    gn_sock_unref(at.sock);
    return NULL;
}

static void a_quiet_guest_keeps_its_processor(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = udp_of(f->busy);

    assert_true(yields_of(send_until_full, sock) > 0);
    assert_int_equal(yields_of(connect_once, f->quiet), 0);
    gn_sock_unref(sock);
}

static void *send_once_more(void *arg)
{
    assert_int_equal(send_to(arg, 1000), -EAGAIN);
    return NULL;
}

static void a_thread_that_tries_again_at_once_gives_way(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = udp_of(f->busy);

    (void)yields_of(send_until_full, sock);
    assert_int_equal(yields_of(send_once_more, sock), 1);
    gn_sock_unref(sock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_quiet_guest_keeps_its_processor),
        CASE(a_thread_that_tries_again_at_once_gives_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
