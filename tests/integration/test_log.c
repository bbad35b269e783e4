/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the log of a network says, and how often.
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "namespace/internal.h"
#include "tests/lib/case.h"
#include "tests/lib/simnet.h"
#include "tests/lib/socks.h"

struct fixture {
    struct gn_simnet sim;
    struct gn_network *net; /* beside the one of sim */
    struct gn_namespace *guest;
    unsigned n_lines;
    char last[512];
    char all[8192]; /* as many lines as there is room for */
};

static void ignore_lookup(struct gn_lookup *lookup, int status,
                          const struct gn_answer *answers, size_t n, void *arg)
{
    (void)lookup, (void)status, (void)answers, (void)n, (void)arg;
}

static void ignore_accept(struct gn_listener *listener, int status,
                          struct gn_conn *conn, void *arg)
{
    (void)listener, (void)status, (void)arg;
    assert_null(conn); /* There is no socket for one. */
}

static void on_line(enum gn_log_level level, const char *line, void *arg)
{
    struct fixture *f = arg;

    (void)level;
    f->n_lines++;
    (void)snprintf(f->last, sizeof(f->last), "%s", line);
    (void)snprintf(f->all + strlen(f->all), sizeof(f->all) - strlen(f->all),
                   "%s\n", line);
}

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static struct fixture f;
    struct gn_network_config config = {.size = sizeof(config),
                                       .name = "quiet",
                                       .prefixes = prefixes,
                                       .limits.max_sockets = 1,
                                       .log = on_line,
                                       .log_arg = &f};

    memset(&f, 0, sizeof(f));
    gn_simnet_setup(&f.sim, NULL, 1);
    assert_int_equal(gn_simnet_create(&f.sim, &config, &f.net), 0);
    f.guest = gn_simnet_guest(f.net, "web");
    f.n_lines = 0;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    gn_simnet_teardown(&f->sim);
    return 0;
}

/* One socket more than the guest may have. */
static void reach_the_limit(struct fixture *f)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(f->guest, AF_INET, SOCK_DGRAM, 0, &sock),
                     -EMFILE);
}

static void pass(struct fixture *f, uint64_t ms)
{
    gn_clock_advance(f->sim.clock, ms * GN_MS);
}

static void a_limit_is_said_with_its_guest(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *first = open4(f->guest, SOCK_DGRAM);

    reach_the_limit(f);
    assert_int_equal(f->n_lines, 0); /* On the driving thread, later. */
    pass(f, 1);
    assert_int_equal(f->n_lines, 1);
    assert_string_equal(f->last, "network quiet: guest web: no more sockets: "
                                 "max_sockets is 1");
    drop(first);
}

static void a_kind_is_said_ten_times_in_a_second(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *first = open4(f->guest, SOCK_DGRAM);

    pass(f, 2000);
    for (unsigned i = 0; i < 1000; i++) {
        reach_the_limit(f);
        pass(f, 0);
    }
    assert_int_equal(f->n_lines, 10);
    pass(f, 1001);
    reach_the_limit(f);
    pass(f, 1);
    assert_int_equal(f->n_lines, 11);
    assert_non_null(strstr(f->last, "(and 990 more like it before)"));
    drop(first);
}

static void what_waits_is_said_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *first = open4(f->guest, SOCK_DGRAM);

    reach_the_limit(f);
    drop(first);
    gn_network_close(f->net, NULL, NULL);
    assert_int_equal(f->n_lines, 2);
    assert_non_null(strstr(f->last, "closed"));
    f->net = NULL;
}

/* ---- every limit has its line ---- */

static struct gn_namespace *guest_with(struct fixture *f,
                                       const struct gn_limits *limits,
                                       struct gn_egress *egress)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "tight",
                                         .limits = *limits,
                                         .egress = egress};
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(f->net, &config, &ns), 0);
    return ns;
}

static void assert_said(struct fixture *f, const char *what)
{
    pass(f, 1);
    if (!strstr(f->all, what))
        fail_msg("not said: %s; but:\n%s", what, f->all);
}

static void begin_connect(struct gn_namespace *ns, const char *to, int expected,
                          struct gn_sock **out)
{
    *out = open4(ns, SOCK_STREAM | SOCK_NONBLOCK);
    assert_int_equal(connect_to(*out, to), expected);
}

static void lookups_beyond_the_limit_are_said(void **state)
{
    struct fixture *f = *state;
    const struct gn_limits limits = {.max_sockets = 8, .max_lookups = 1};
    struct gn_namespace *ns = guest_with(f, &limits, NULL);

    assert_int_equal(gn_lookup(ns, "ip", "web", ignore_lookup, NULL, NULL), 0);
    assert_int_equal(gn_lookup(ns, "ip", "web", ignore_lookup, NULL, NULL),
                     -EAGAIN);
    assert_said(f, "guest tight: no more lookups: max_lookups is 1");
}

static void connections_beyond_the_limit_are_said(void **state)
{
    struct fixture *f = *state;
    const struct gn_limits limits = {.max_sockets = 8, .max_connections = 1};
    struct gn_namespace *ns = guest_with(f, &limits, NULL);
    struct gn_sock *first, *second;

    begin_connect(ns, "10.77.0.2:80", -EINPROGRESS, &first);
    begin_connect(ns, "10.77.0.2:81", -ENOBUFS, &second);
    assert_said(f, "guest tight: no more connections: max_connections");
    drop(first);
    drop(second);
}

static void descriptors_beyond_the_limit_are_said(void **state)
{
    struct fixture *f = *state;
    const struct gn_limits limits = {.max_sockets = 8, .max_descriptors = 1};
    struct gn_namespace *ns = guest_with(f, &limits, NULL);
    struct gn__fd_share first = {.guest = NULL}, second = {.guest = NULL};

    assert_int_equal(gn__fds_take(&ns->guest, &first), 0);
    assert_int_equal(gn__fds_take(&ns->guest, &second), -ENOBUFS);
    assert_said(f, "guest tight: no more descriptors: max_descriptors");
    gn__fds_give(&first);
}

/* However a guest is made to lose something by a limit. */
static void what_a_limit_drops_is_said_and_nothing_else(void **state)
{
    static const struct {
        enum gn_drop why;
        const char *said;
    } drops[] = {
        {GN_DROP_HALF_OPEN, "a half-open connection made room"},
        {GN_DROP_TIME_WAIT, "a connection in TIME_WAIT made room"},
        {GN_DROP_QUEUE, "no more packets at once"},
        {GN_DROP_MEMORY, "no memory for a packet"},
        {GN_DROP_UNDER_WAY, "no more packets on links"},
    };
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
        gn__engine_enter(f->net->engine);
        gn__ns_drop(f->guest, drops[i].why);
        gn__ns_drop(f->guest, GN_DROP_PORT);
        gn__engine_leave(f->net->engine);
        assert_said(f, drops[i].said);
        assert_int_equal(f->n_lines, i + 1);
    }
}

/* The guest has one socket, which is the listener's. */
static void a_listener_that_pauses_is_said_once_in_a_row(void **state)
{
    struct fixture *f = *state;
    const struct gn_limits limits = {.max_sockets = 8};
    struct gn_namespace *ns = guest_with(f, &limits, NULL);
    struct gn_listener *listener;
    const char *said = "accepting pauses: ";
    struct gn_sock *client;

    assert_int_equal(
        gn_listen(f->guest, "tcp", ":80", ignore_accept, NULL, &listener), 0);
    begin_connect(ns, "10.77.0.2:80", -EINPROGRESS, &client);
    assert_said(f, "guest web: listener ");
    assert_said(f, said);
    pass(f, 1000);
    assert_null(strstr(strstr(f->all, said) + 1, said));
    drop(client);
    assert_int_equal(gn_listener_close(listener, NULL, NULL), 0);
    pass(f, 1);
}

static int dial_fails(void *self, struct gn_egress_dial *request, int family,
                      int type, const struct sockaddr *address,
                      const char *looked_up_name)
{
    (void)request, (void)family, (void)type, (void)address;
    (void)looked_up_name;
    return *(const int *)self;
}

static void dial_by_hook(struct fixture *f, int type, int status)
{
    static const struct gn_egress_ops ops = {.name = "test",
                                             .dial = dial_fails};
    const struct gn_limits limits = {.max_sockets = 8};
    struct gn_egress *egress;
    struct gn_namespace *ns;
    struct gn_sock *sock;

    assert_int_equal(gn_egress_create(&ops, &status, &egress), 0);
    ns = guest_with(f, &limits, egress);
    if (type == SOCK_STREAM) {
        begin_connect(ns, "203.0.113.5:80", -EINPROGRESS, &sock);
    } else {
        sock = open4(ns, SOCK_DGRAM);
        assert_int_equal(send_text_to(sock, "x", "203.0.113.5:80"), 1);
    }
    pass(f, 1);
    drop(sock);
    gn_namespace_close(ns, 0, NULL, NULL);
    gn_egress_close(egress);
}

static void a_hook_that_fails_to_dial_is_said(void **state)
{
    struct fixture *f = *state;

    dial_by_hook(f, SOCK_STREAM, -EMFILE);
    assert_said(f, "guest tight: its egress failed to dial tcp "
                   "203.0.113.5:80: ");
}

static void a_dial_that_is_denied_is_said(void **state)
{
    struct fixture *f = *state;

    dial_by_hook(f, SOCK_STREAM, -EACCES);
    assert_said(f, "guest tight: its egress denies tcp 203.0.113.5:80: ");
    dial_by_hook(f, SOCK_DGRAM, -EPERM);
    assert_said(f, "guest tight: its egress denies udp 203.0.113.5:80: ");
}

/* Of a stream the guest hears it, by connect(). */
static void datagrams_that_reach_no_server_are_said(void **state)
{
    struct fixture *f = *state;

    dial_by_hook(f, SOCK_STREAM, -ECONNREFUSED);
    dial_by_hook(f, SOCK_STREAM, -ETIMEDOUT);
    assert_null(strstr(f->all, "203.0.113.5"));
    dial_by_hook(f, SOCK_DGRAM, -ECONNREFUSED);
    assert_said(f, "guest tight: its datagrams do not reach udp "
                   "203.0.113.5:80: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_limit_is_said_with_its_guest),
        CASE(a_kind_is_said_ten_times_in_a_second),
        CASE(what_waits_is_said_at_the_end),
        CASE(lookups_beyond_the_limit_are_said),
        CASE(connections_beyond_the_limit_are_said),
        CASE(descriptors_beyond_the_limit_are_said),
        CASE(what_a_limit_drops_is_said_and_nothing_else),
        CASE(a_listener_that_pauses_is_said_once_in_a_row),
        CASE(a_hook_that_fails_to_dial_is_said),
        CASE(a_dial_that_is_denied_is_said),
        CASE(datagrams_that_reach_no_server_are_said),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
