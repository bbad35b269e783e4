/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Guests that cause much are dialled for, looked up for and called back no more
 * often than one that causes little. Under a clock, so what counts is turns,
 * and no time.
 */
#include <guestnet/guestnet.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/simnet.h"

#define N_FLOODING 64u
#define N_EACH     900u
#define N_LOOKUPS  250u
#define N_WATCHED  50u

static const char *const prefixes[] = {"10.77.0.0/16", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_egress *egress;
    struct gn_namespace *flooding[N_FLOODING];
    struct gn_namespace *quiet;
    unsigned n_turns;     /* of all guests */
    unsigned quiet_turn;  /* the quiet guest's first; 0: not yet */
    unsigned quiet_turns; /* how many it had */
};

/* A guest has had a turn. */
static void count_turn(struct fixture *f, const struct gn_namespace *whose)
{
    f->n_turns++;
    if (whose != f->quiet)
        return;
    f->quiet_turns++;
    if (!f->quiet_turn)
        f->quiet_turn = f->n_turns;
}

static int dial(void *self, struct gn_egress_dial *request, int family,
                int type, const struct sockaddr *address,
                const char *looked_up_name)
{
    (void)family, (void)type, (void)address, (void)looked_up_name;
    count_turn(self, gn_egress_dial_namespace(request));
    return -ECONNREFUSED;
}

static struct gn_namespace *guest(struct fixture *f)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .egress = f->egress};
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(f->sim.net, &config, &ns), 0);
    return ns;
}

static int setup(void **state)
{
    static const struct gn_egress_ops ops = {.name = "test", .dial = dial};
    struct fixture *f = test_calloc(1, sizeof(*f));
    unsigned i;

    gn_simnet_setup(&f->sim, prefixes, 1);
    assert_int_equal(gn_egress_create(&ops, f, &f->egress), 0);
    for (i = 0; i < N_FLOODING; i++)
        f->flooding[i] = guest(f);
    f->quiet = guest(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_teardown(&f->sim);
    gn_egress_close(f->egress);
    test_free(f);
    return 0;
}

static struct sockaddr_in outside(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};

    assert_int_equal(inet_pton(AF_INET, "203.0.113.5", &at.sin_addr), 1);
    return at;
}

/* A datagram to each of many ports outside, all of which its socket may have on
 * their way at once. */
static void flood(struct gn_namespace *ns)
{
    struct gn_sock *sock;
    int all = 4 << 20;
    unsigned i;

    assert_int_equal(
        gn_sock_open(ns, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, &sock), 0);
    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_SNDBUF, &all, sizeof(all)), 0);
    for (i = 0; i < N_EACH; i++) {
        struct sockaddr_in to = outside(1000 + i);

        assert_int_equal(
            gn_sock_sendto(sock, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)),
            1);
    }
    gn_sock_unref(sock);
}

static void begin_connect(struct gn_namespace *ns, struct gn_sock **out)
{
    struct sockaddr_in to = outside(80);

    assert_int_equal(
        gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, out), 0);
    assert_int_equal(gn_sock_connect(*out, (struct sockaddr *)&to, sizeof(to)),
                     -EINPROGRESS);
}

static void a_quiet_guest_is_dialled_for_within_one_turn_of_each(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    unsigned i;

    for (i = 0; i < N_FLOODING; i++)
        flood(f->flooding[i]);
    begin_connect(f->quiet, &sock);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_true(f->quiet_turn > 0);
    assert_in_range(f->quiet_turn, 1, N_FLOODING + 1);
    assert_int_equal(f->n_turns, N_FLOODING * N_EACH + 1);
    gn_sock_unref(sock);
}

static void guests_that_flood_have_as_many_turns_as_one_another(void **state)
{
    struct fixture *f = *state;

    flood(f->flooding[0]);
    flood(f->quiet);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_int_equal(f->quiet_turns, N_EACH);
    assert_in_range(f->quiet_turn, 1, 2);
    assert_int_equal(f->n_turns, 2 * N_EACH);
}

static void looked_up(struct gn_lookup *lookup, int status,
                      const struct gn_answer *answers, size_t n, void *arg)
{
    (void)status, (void)answers, (void)n;
    count_turn(arg, gn_lookup_namespace(lookup));
}

static void look_up(struct fixture *f, struct gn_namespace *ns)
{
    assert_int_equal(gn_lookup(ns, "ip", "nobody", looked_up, f, NULL), 0);
}

static void a_quiet_guest_is_looked_up_for_within_one_turn_of_each(void **state)
{
    struct fixture *f = *state;
    unsigned i, n;

    for (i = 0; i < N_FLOODING; i++)
        for (n = 0; n < N_LOOKUPS; n++)
            look_up(f, f->flooding[i]);
    look_up(f, f->quiet);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_in_range(f->quiet_turn, 1, N_FLOODING + 1);
}

struct watched {
    struct fixture *f;
    struct gn_namespace *ns;
};

static void writable(struct gn_sock *sock, short events, void *arg)
{
    struct watched *watched = arg;

    (void)events;
    count_turn(watched->f, watched->ns);
    (void)gn_sock_watch(sock, 0, NULL, NULL);
}

static void a_quiet_guest_s_watch_runs_within_one_turn_of_each(void **state)
{
    struct fixture *f = *state;
    struct watched of[N_FLOODING + 1];
    struct gn_sock *socks[N_FLOODING * N_WATCHED + 1];
    unsigned i, n_socks = 0;

    for (i = 0; i <= N_FLOODING; i++)
        of[i] = (struct watched){f, i < N_FLOODING ? f->flooding[i] : f->quiet};
    for (i = 0; i < N_FLOODING * N_WATCHED + 1; i++) {
        struct watched *whose = &of[i / N_WATCHED];

        assert_int_equal(
            gn_sock_open(whose->ns, AF_INET, SOCK_DGRAM, 0, &socks[n_socks]),
            0);
        assert_int_equal(
            gn_sock_watch(socks[n_socks++], POLLOUT, writable, whose), 0);
    }
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_in_range(f->quiet_turn, 1, N_FLOODING + 1);
    while (n_socks)
        gn_sock_unref(socks[--n_socks]);
}

struct talking {
    struct watched of;
    struct gn_conn *conn;
};

static void dialled(struct gn_dial *request, int status, struct gn_conn *conn,
                    void *arg)
{
    struct talking *talking = arg;

    (void)request;
    assert_int_equal(status, 0);
    talking->conn = conn;
}

static void written(struct gn_conn *conn, int status, void *arg)
{
    struct talking *talking = arg;

    (void)conn;
    assert_int_equal(status, 0);
    count_turn(talking->of.f, talking->of.ns);
}

static void a_quiet_guest_s_conn_runs_within_one_turn_of_each(void **state)
{
    static struct talking all[N_FLOODING * N_WATCHED + 1];
    const unsigned n = N_FLOODING * N_WATCHED + 1;
    struct fixture *f = *state;
    unsigned i;

    for (i = 0; i < n; i++) {
        all[i].of = (struct watched){f, i < n - 1 ? f->flooding[i / N_WATCHED]
                                                  : f->quiet};
        assert_int_equal(gn_dial(all[i].of.ns, "udp", "127.0.0.1:7", NULL,
                                 dialled, &all[i], NULL),
                         0);
    }
    gn_clock_advance(f->sim.clock, GN_MS);
    for (i = 0; i < n; i++)
        assert_in_range(gn_conn_write(all[i].conn, "x", 1, written, &all[i]), 0,
                        1);
    gn_clock_advance(f->sim.clock, GN_MS);
    assert_in_range(f->quiet_turn, 1, N_FLOODING + 1);
    for (i = 0; i < n; i++)
        assert_int_equal(gn_conn_close(all[i].conn, NULL, NULL), 0);
}

static void closed(void *arg)
{
    *(bool *)arg = true;
}

/* What the end of a guest is told by comes after what it had queued. */
static void a_guest_s_end_comes_after_its_last_callback(void **state)
{
    struct fixture *f = *state;
    bool is_closed = false;

    look_up(f, f->quiet);
    gn_namespace_close(f->quiet, 0, closed, &is_closed);
    assert_int_equal(f->quiet_turns, 0);
    while (!is_closed)
        assert_true(gn_clock_step(f->sim.clock));
    assert_int_equal(f->quiet_turns, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_quiet_guest_is_dialled_for_within_one_turn_of_each),
        CASE(guests_that_flood_have_as_many_turns_as_one_another),
        CASE(a_quiet_guest_is_looked_up_for_within_one_turn_of_each),
        CASE(a_quiet_guest_s_watch_runs_within_one_turn_of_each),
        CASE(a_quiet_guest_s_conn_runs_within_one_turn_of_each),
        CASE(a_guest_s_end_comes_after_its_last_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
