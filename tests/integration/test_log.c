/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the log of a network says, and how often.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "namespace/internal.h"
#include "tests/lib/simnet.h"
#include "tests/lib/socks.h"

struct fixture {
    struct gn_simnet sim;
    struct gn_network *net; /* beside the one of sim */
    struct gn_namespace *guest;
    unsigned n_lines;
    char last[512];
};

static void on_line(enum gn_log_level level, const char *line, void *arg)
{
    struct fixture *f = arg;

    (void)level;
    f->n_lines++;
    (void)snprintf(f->last, sizeof(f->last), "%s", line);
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_limit_is_said_with_its_guest),
        T(a_kind_is_said_ten_times_in_a_second),
        T(what_waits_is_said_at_the_end),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
