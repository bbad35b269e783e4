/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Guests that end while their egress is being told of what they do: a dial, a
 * bound port. Their memory is there until it has been told of the end, and all
 * of it is gone afterwards.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/simnet.h"
#include "tests/lib/socks.h"

#define N_PORTS 40u
#ifdef __SANITIZE_THREAD__
#define ROUNDS 200u
#else
#define ROUNDS 1000u
#endif

/* ---- under a clock ---- */

struct fixture {
    struct gn_simnet sim;
    struct gn_egress *egress;
    struct gn_namespace *guest;
    struct gn_egress_dial *dial; /* pending */
    struct gn_egress_listener *listener;
    unsigned n_cancelled;
};

static int hook_dial(void *self, struct gn_egress_dial *request, int family,
                     int type, const struct sockaddr *address, const char *name)
{
    struct fixture *f = self;

    (void)family, (void)type, (void)address, (void)name;
    f->dial = request;
    return 0;
}

static int hook_listen(void *self, struct gn_egress_listener *listener,
                       const struct sockaddr *local)
{
    struct fixture *f = self;

    (void)local;
    f->listener = listener;
    return 0;
}

static void hook_cancel(void *self, void *request)
{
    struct fixture *f = self;

    (void)request;
    f->n_cancelled++;
}

static const struct gn_egress_ops ops = {.name = "test",
                                         .dial = hook_dial,
                                         .listen = hook_listen,
                                         .cancel = hook_cancel};

static void fixture_begin(struct fixture *f)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_namespace_config config = {.size = sizeof(config)};

    memset(f, 0, sizeof(*f));
    gn_simnet_setup(&f->sim, prefixes, 1);
    assert_int_equal(gn_egress_create(&ops, f, &f->egress), 0);
    config.egress = f->egress;
    assert_int_equal(gn_namespace_create(f->sim.net, &config, &f->guest), 0);
}

static void fixture_end(struct fixture *f)
{
    gn_simnet_teardown(&f->sim);
    gn_egress_close(f->egress);
}

static void a_descriptor_is_here(int fd, bool here)
{
    char byte;

    /* The other end: it would block, or is at its end. */
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), here ? -1 : 0);
}

static void a_guest_may_end_when_its_dial_is_done(void **state)
{
    struct fixture f;
    struct gn_sock *sock;
    int fds[2];

    (void)state;
    fixture_begin(&f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(
        gn_sock_open(f.guest, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
        0);
    assert_int_equal(connect_to(sock, "203.0.113.1:80"), -EINPROGRESS);
    gn_clock_advance(f.sim.clock, GN_MS);
    assert_non_null(f.dial);
    gn_egress_dial_done(f.dial, 0, fds[0]); /* Told on a later turn. */
    a_descriptor_is_here(fds[1], true);
    gn_sock_unref(sock);
    gn_namespace_close(f.guest, 0, NULL, NULL);
    gn_clock_advance(f.sim.clock, GN_MS);
    a_descriptor_is_here(fds[1], false);
    assert_int_equal(f.n_cancelled, 0); /* It had let go of it. */
    close(fds[1]);
    fixture_end(&f);
}

static void a_guest_may_end_when_a_client_was_accepted(void **state)
{
    struct fixture f;
    struct gn_sock *sock;
    int fds[2];

    (void)state;
    fixture_begin(&f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(gn_sock_open(f.guest, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(bind_to(sock, "0.0.0.0:80"), 0);
    assert_int_equal(gn_sock_listen(sock, 1), 0);
    gn_clock_advance(f.sim.clock, GN_MS);
    assert_non_null(f.listener);
    assert_int_equal(gn_egress_accepted(f.listener, fds[0], NULL), 0);
    gn_sock_unref(sock);
    gn_namespace_close(f.guest, 0, NULL, NULL);
    gn_clock_advance(f.sim.clock, GN_MS);
    a_descriptor_is_here(fds[1], false);
    assert_int_equal(f.n_cancelled, 1);
    close(fds[1]);
    fixture_end(&f);
}

/* ---- with a thread of its own ---- */

static void bind_many(struct gn_namespace *ns, struct gn_sock **socks)
{
    unsigned i;

    for (i = 0; i < N_PORTS; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)(80 + i))};

        assert_int_equal(gn_sock_open(ns, AF_INET,
                                      i % 2 ? SOCK_STREAM : SOCK_DGRAM, 0,
                                      &socks[i]),
                         0);
        assert_int_equal(
            gn_sock_bind(socks[i], (struct sockaddr *)&at, sizeof(at)), 0);
        if (i % 2)
            assert_int_equal(gn_sock_listen(socks[i], 1), 0);
    }
}

static void a_guest_may_end_while_its_ports_are_told(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static const char *const rules[] = {"allow any", NULL};
    struct gn_policy policy = {.size = sizeof(policy), .rules = rules};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace_config guest = {.size = sizeof(guest)};
    struct gn_sock *socks[N_PORTS];
    struct gn_egress *egress;
    struct gn_test_heap heap;
    struct gn_namespace *ns;
    struct gn_network *net;
    unsigned i, k;

    (void)state;
    gn_test_heap_init(&heap);
    config.alloc = policy.alloc = &heap.alloc;
    assert_int_equal(gn_egress_system(&policy, &egress), 0);
    guest.egress = egress;
    assert_int_equal(gn_network_create(&config, &net), 0);
    for (i = 0; i < ROUNDS; i++) {
        assert_int_equal(gn_namespace_create(net, &guest, &ns), 0);
        bind_many(ns, socks);
        if (i % 2)
            gn_namespace_detach(ns);
        gn_namespace_close(ns, 0, NULL, NULL);
        for (k = 0; k < N_PORTS; k++)
            gn_sock_unref(socks[k]);
    }
    gn_network_close(net, NULL, NULL);
    gn_egress_close(egress);
    gn_test_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_may_end_when_its_dial_is_done),
        cmocka_unit_test(a_guest_may_end_when_a_client_was_accepted),
        cmocka_unit_test(a_guest_may_end_while_its_ports_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
