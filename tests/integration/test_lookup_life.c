/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Lookups from their beginning to every end they can have, on a clock: the
 * answer, the time-out, the limit, cancelled, the guest killed or closed, the
 * network closed, memory that ends.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/units.h"

/** What was told of a lookup. */
struct said {
    int calls;
    int status;
    size_t n;
    uint64_t at;
    char first[GN_ADDR_TEXT_MAX];
};

static struct gn_clock *clock_now;

static void say(struct gn_lookup *lookup, int status,
                const struct gn_answer *answers, size_t n, void *arg)
{
    struct said *said = arg;

    (void)lookup;
    said->calls++;
    said->status = status;
    said->n = n;
    said->at = gn_clock_now_ns(clock_now);
    if (n)
        assert_int_equal(
            gn_addr_format((const struct sockaddr *)&answers[0].addr,
                           said->first, sizeof(said->first)),
            0);
}

struct world {
    struct gn_test_heap heap;
    struct gn_clock *clock;
    struct gn_resolver *names;
    struct gn_resolver *faults;
    struct gn_network *net;
    struct gn_namespace *guest;
    struct gn_lookup *lookup; /* the last of begin() */
    char log[600];            /* the query log, in words */
};

static void log_query(const struct gn_query *query, void *arg)
{
    struct world *w = arg;
    size_t len = strlen(w->log);

    (void)snprintf(w->log + len, sizeof(w->log) - len, "%s %s %s %d %zu %ums\n",
                   gn_namespace_name(query->ns),
                   query->kind == GN_QUERY_ADDR ? "addr" : query->proto,
                   query->name, query->status, query->n_answers,
                   (unsigned)((query->ended_ns - query->asked_ns) / GN_MS));
}

static const struct gn_fault_rule rules[] = {
    {.pattern = "hang.test", .fault = GN_FAULT_HANG},
    {.pattern = "slow.test", .delay_ms = 700},
};

/* Opens what memory allows; world_close() in any case. */
static int world_open(struct world *w, const struct gn_allocator *alloc,
                      const struct gn_limits *limits)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_clock_config clock = {.size = sizeof(clock), .alloc = alloc};
    struct gn_resolver_static_config names = {
        .size = sizeof(names),
        .hosts = "192.0.2.1 good.test slow.test\n192.0.2.2 hang.test",
        .services = "db 5432/tcp",
        .alloc = alloc};
    struct gn_resolver_fault_config fault = {
        .size = sizeof(fault), .rules = rules, .n_rules = 2, .alloc = alloc};
    struct gn_namespace_config guest = {.size = sizeof(guest), .name = "g"};
    struct gn_network_config net = {.size = sizeof(net),
                                    .prefixes = prefixes,
                                    .drive = GN_DRIVE_VIRTUAL,
                                    .query_log = log_query,
                                    .query_log_arg = w};
    int err = gn_clock_create(&clock, &w->clock);

    if (limits)
        guest.limits = *limits;
    if (!err)
        err = gn_resolver_static(&names, &w->names);
    if (!err) {
        fault.inner = w->names;
        err = gn_resolver_fault(&fault, &w->faults);
    }
    if (!err) {
        net.clock = clock_now = w->clock;
        net.resolver = w->faults;
        err = gn_network_create(&net, &w->net);
    }
    if (!err)
        err = gn_namespace_create(w->net, &guest, &w->guest);
    return err;
}

static void world_close(struct world *w)
{
    gn_network_close(w->net, NULL, NULL);
    if (w->clock)
        gn_clock_advance(w->clock, 0);
    gn_clock_close(w->clock);
    gn_resolver_close(w->faults);
    gn_resolver_close(w->names);
    gn_lookup_cancel(w->lookup); /* Over: nothing happens. */
    gn_lookup_unref(w->lookup);
    w->lookup = NULL;
}

static int setup(void **state)
{
    static struct world w;

    memset(&w, 0, sizeof(w));
    gn_test_heap_init(&w.heap);
    assert_int_equal(world_open(&w, &w.heap.alloc, NULL), 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    world_close(w);
    gn_test_heap_done(&w->heap);
    return 0;
}

static struct gn_lookup *begin(struct world *w, const char *host,
                               struct said *said)
{
    struct gn_lookup *lookup = NULL;

    memset(said, 0, sizeof(*said));
    assert_int_equal(gn_lookup(w->guest, "ip", host, say, said, &lookup), 0);
    assert_int_equal(said->calls, 0);
    assert_non_null(lookup);
    gn_lookup_unref(w->lookup);
    w->lookup = lookup;
    return lookup;
}

static void ended_with(const struct said *said, int status)
{
    assert_int_equal(said->calls, 1);
    assert_int_equal(said->status, status);
}

/* ---- ends ---- */

static void the_networks_resolver_answers(void **state)
{
    struct world *w = *state;
    struct said said;

    (void)begin(w, "good.test", &said);
    gn_clock_advance(w->clock, 0);
    ended_with(&said, 0);
    assert_string_equal(said.first, "192.0.2.1");
    (void)begin(w, "g", &said); /* it alone: no names of the network */
    gn_clock_advance(w->clock, 0);
    ended_with(&said, GN_EAI_NONAME);
}

static void the_guests_own_resolver_goes_first(void **state)
{
    struct world *w = *state;
    struct gn_resolver_static_config config = {.size = sizeof(config),
                                               .hosts = "192.0.2.9 good.test"};
    struct gn_namespace_config guest = {.size = sizeof(guest)};
    struct gn_namespace *other;
    struct said said = {0};

    assert_int_equal(gn_resolver_static(&config, &guest.resolver), 0);
    assert_int_equal(gn_namespace_create(w->net, &guest, &other), 0);
    assert_int_equal(gn_lookup(other, "ip", "good.test", say, &said, NULL), 0);
    gn_clock_advance(w->clock, 0);
    assert_string_equal(said.first, "192.0.2.9");
    gn_namespace_close(other, 0, NULL, NULL);
    gn_resolver_close(guest.resolver);
}

static void delays_are_of_the_clock(void **state)
{
    struct world *w = *state;
    uint64_t began = gn_clock_now_ns(w->clock);
    struct said said;

    (void)begin(w, "slow.test", &said);
    gn_clock_advance(w->clock, 699 * GN_MS);
    assert_int_equal(said.calls, 0);
    gn_clock_advance(w->clock, 2 * GN_MS);
    ended_with(&said, 0);
    assert_int_equal(said.at - began, 700 * GN_MS);
}

static void what_is_never_answered_times_out(void **state)
{
    struct world *w = *state;
    uint64_t began = gn_clock_now_ns(w->clock);
    struct said said;

    (void)begin(w, "hang.test", &said);
    gn_clock_advance(w->clock, 60000 * GN_MS);
    ended_with(&said, -ETIMEDOUT);
    assert_int_equal(said.at - began, 10000 * GN_MS);
}

static void the_time_out_is_a_limit(void **state)
{
    struct world *w = *state;
    struct gn_limits limits = {.lookup_timeout_ms = 50};
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .limits = limits};
    uint64_t began = gn_clock_now_ns(w->clock);
    struct gn_namespace *hasty;
    struct said said = {0};

    assert_int_equal(gn_namespace_create(w->net, &config, &hasty), 0);
    assert_int_equal(gn_lookup(hasty, "ip", "slow.test", say, &said, NULL), 0);
    gn_clock_advance(w->clock, 60000 * GN_MS);
    ended_with(&said, -ETIMEDOUT);
    assert_int_equal(said.at - began, 50 * GN_MS);
    gn_namespace_close(hasty, 0, NULL, NULL);
}

static void only_so_many_are_pending(void **state)
{
    struct world *w = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .limits.max_lookups = 2};
    struct gn_namespace *small;
    struct said said[3];
    struct gn_stats stats;

    memset(said, 0, sizeof(said));
    assert_int_equal(gn_namespace_create(w->net, &config, &small), 0);
    assert_int_equal(gn_lookup(small, "ip", "hang.test", say, &said[0], NULL),
                     0);
    assert_int_equal(gn_lookup(small, "ip", "hang.test", say, &said[1], NULL),
                     0);
    assert_int_equal(gn_lookup(small, "ip", "good.test", say, &said[2], NULL),
                     -EAGAIN);
    gn_namespace_stats(small, &stats);
    assert_int_equal(stats.lookups, 2);
    assert_int_equal(stats.lookups_refused, 1);
    gn_clock_advance(w->clock, 20000 * GN_MS);
    ended_with(&said[0], -ETIMEDOUT);
    ended_with(&said[1], -ETIMEDOUT);
    assert_int_equal(said[2].calls, 0);
    assert_int_equal(gn_lookup(small, "ip", "good.test", say, &said[2], NULL),
                     0);
    gn_clock_advance(w->clock, 0);
    ended_with(&said[2], 0);
    gn_namespace_close(small, 0, NULL, NULL);
}

/** The steps a lookup can be ended at. */
static const struct step {
    const char *host;
    uint64_t after; /* ns; UINT64_MAX: before anything ran */
} steps[] = {
    {"good.test", UINT64_MAX}, {"hang.test", UINT64_MAX},
    {"localhost", UINT64_MAX}, {"hang.test", 0},
    {"slow.test", 0},          {"slow.test", 300 * GN_MS},
};
#define N_STEPS (sizeof(steps) / sizeof(*steps))

static struct gn_lookup *begin_at(struct world *w, const struct step *step,
                                  struct said *said)
{
    struct gn_lookup *lookup = begin(w, step->host, said);

    if (step->after != UINT64_MAX)
        gn_clock_advance(w->clock, step->after);
    assert_int_equal(said->calls, 0);
    return lookup;
}

static void it_is_cancelled_at_every_step(void **state)
{
    struct world *w = *state;
    struct said said;
    size_t i;

    for (i = 0; i < N_STEPS; i++) {
        struct gn_lookup *lookup = begin_at(w, &steps[i], &said);

        gn_lookup_cancel(lookup);
        gn_lookup_cancel(lookup);
        assert_int_equal(said.calls, 0);
        gn_clock_advance(w->clock, 0);
        ended_with(&said, -ECANCELED);
        gn_clock_advance(w->clock, 20000 * GN_MS);
        assert_int_equal(said.calls, 1);
    }
    gn_lookup_cancel(NULL);
}

static void killing_the_guest_ends_it_at_every_step(void **state)
{
    struct world *w = *state;
    struct said said, late = {0};
    size_t i;

    for (i = 0; i < N_STEPS; i++) {
        struct gn_namespace_config config = {.size = sizeof(config)};

        (void)begin_at(w, &steps[i], &said);
        gn_namespace_kill(w->guest);
        assert_int_equal(said.calls, 0);
        assert_int_equal(
            gn_lookup(w->guest, "ip", "good.test", say, &late, NULL),
            -ECANCELED);
        gn_clock_advance(w->clock, 0);
        ended_with(&said, -ECANCELED);
        gn_namespace_close(w->guest, 0, NULL, NULL);
        assert_int_equal(gn_namespace_create(w->net, &config, &w->guest), 0);
    }
    assert_int_equal(late.calls, 0);
}

/* The order in which things were told. */
struct order {
    struct said said;
    bool closed;
};

static void say_closed(void *arg)
{
    struct order *order = arg;

    assert_int_equal(order->said.calls, 1);
    order->closed = true;
}

static void closing_the_guest_ends_it_first(void **state)
{
    struct world *w = *state;
    size_t i;

    for (i = 0; i < N_STEPS; i++) {
        struct gn_namespace_config config = {.size = sizeof(config)};
        struct order order = {.closed = false};

        (void)begin_at(w, &steps[i], &order.said);
        gn_namespace_close(w->guest, 0, say_closed, &order);
        assert_int_equal(order.said.calls, 0);
        gn_clock_advance(w->clock, 0);
        ended_with(&order.said, -ECANCELED);
        assert_true(order.closed);
        assert_int_equal(gn_namespace_create(w->net, &config, &w->guest), 0);
    }
}

/* What has its turn before the network's end is answered. */
static void closing_the_network_ends_it_first(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < N_STEPS; i++) {
        struct order order = {.closed = false};
        struct world w = {.clock = NULL};

        gn_test_heap_init(&w.heap);
        assert_int_equal(world_open(&w, &w.heap.alloc, NULL), 0);
        (void)begin_at(&w, &steps[i], &order.said);
        gn_network_close(w.net, say_closed, &order);
        w.net = NULL;
        assert_int_equal(order.said.calls, 0);
        gn_clock_advance(w.clock, 0);
        ended_with(&order.said, steps[i].after == UINT64_MAX &&
                                        strcmp(steps[i].host, "hang.test") != 0
                                    ? 0
                                    : -ECANCELED);
        assert_true(order.closed);
        world_close(&w);
        gn_test_heap_done(&w.heap);
    }
}

/* On the driving thread, without a callback. */
static void a_network_may_go_at_once(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < N_STEPS; i++) {
        struct world w = {.clock = NULL};
        struct said said;

        gn_test_heap_init(&w.heap);
        assert_int_equal(world_open(&w, &w.heap.alloc, NULL), 0);
        (void)begin_at(&w, &steps[i], &said);
        world_close(&w);
        ended_with(&said, -ECANCELED);
        gn_test_heap_done(&w.heap);
    }
}

static void close_network(struct gn_lookup *lookup, int status,
                          const struct gn_answer *answers, size_t n, void *arg)
{
    struct world *w = arg;

    (void)lookup;
    (void)status;
    (void)answers;
    (void)n;
    gn_network_close(w->net, NULL, NULL);
    w->net = NULL;
}

static void its_callback_may_close_the_network(void **state)
{
    struct world *w = *state;
    struct said said;

    assert_int_equal(
        gn_lookup(w->guest, "ip", "good.test", close_network, w, NULL), 0);
    (void)begin(w, "good.test", &said);
    gn_clock_advance(w->clock, 0);
    assert_null(w->net);
    ended_with(&said, -ECANCELED);
}

/* ---- services, and back ---- */

static void say_port(struct gn_lookup *lookup, int status, uint16_t port,
                     void *arg)
{
    struct said *said = arg;

    (void)lookup;
    said->calls++;
    said->status = status;
    said->n = port;
}

static void say_addr(struct gn_lookup *lookup, int status, const char *name,
                     void *arg)
{
    struct said *said = arg;

    (void)lookup;
    said->calls++;
    said->status = status;
    (void)snprintf(said->first, sizeof(said->first), "%s", name ? name : "");
}

static void say_message(struct gn_lookup *lookup, int status,
                        const void *message, size_t len, void *arg)
{
    struct said *said = arg;

    (void)lookup;
    (void)message;
    said->calls++;
    said->status = status;
    said->n = len;
}

static void ports_names_and_records_go_the_same_way(void **state)
{
    struct world *w = *state;
    struct said said[5];
    struct sockaddr_storage addr;

    memset(said, 0, sizeof(said));
    assert_int_equal(gn_addr_parse("192.0.2.1", &addr, NULL), 0);
    assert_int_equal(
        gn_lookup_port(w->guest, "tcp", "db", say_port, &said[0], NULL), 0);
    assert_int_equal(
        gn_lookup_port(w->guest, "tcp", "https", say_port, &said[1], NULL), 0);
    assert_int_equal(
        gn_lookup_port(w->guest, "udp", "db", say_port, &said[2], NULL), 0);
    assert_int_equal(gn_lookup_addr(w->guest, (struct sockaddr *)&addr,
                                    say_addr, &said[3], NULL),
                     0);
    assert_int_equal(gn_lookup_query(w->guest, "good.test.", 15, say_message,
                                     &said[4], NULL),
                     0);
    gn_clock_advance(w->clock, 0);
    ended_with(&said[0], 0);
    assert_int_equal(said[0].n, 5432);
    ended_with(&said[1], 0);
    assert_int_equal(said[1].n, 443);
    ended_with(&said[2], GN_EAI_SERVICE);
    ended_with(&said[3], 0);
    assert_string_equal(said[3].first, "good.test");
    ended_with(&said[4], GN_EAI_NODATA);
    addr.ss_family = AF_UNIX;
    assert_int_equal(gn_lookup_addr(w->guest, (struct sockaddr *)&addr,
                                    say_addr, &said[3], NULL),
                     -EINVAL);
    assert_int_equal(
        gn_lookup_port(w->guest, "icmp", "db", say_port, &said[0], NULL),
        -EINVAL);
    assert_int_equal(
        gn_lookup_query(w->guest, "a b", 15, say_message, &said[4], NULL),
        -EINVAL);
}

/* ---- the query log ---- */

static void what_resolvers_were_asked_is_logged(void **state)
{
    struct world *w = *state;
    struct said said;

    (void)begin(w, "Good.Test.", &said);
    (void)begin(w, "localhost", &said);
    (void)begin(w, "192.0.2.77", &said);
    (void)begin(w, "none.test", &said);
    (void)begin(w, "slow.test", &said);
    (void)begin(w, "hang.test", &said);
    gn_clock_advance(w->clock, 20000 * GN_MS);
    assert_string_equal(w->log, "g ip Good.Test 0 1 0ms\n"
                                "g ip none.test -3008 0 0ms\n"
                                "g ip slow.test 0 1 700ms\n"
                                "g ip hang.test -110 0 10000ms\n");
}

/* ---- memory ---- */

static int whole_life(struct gn_test_heap *heap, void *arg)
{
    static const char *const hosts[] = {"good.test", "slow.test", "hang.test"};
    struct world w = {.clock = NULL};
    struct said said[3];
    size_t i;
    int err = world_open(&w, &heap->alloc, NULL);

    (void)arg;
    memset(said, 0, sizeof(said));
    for (i = 0; i < 3 && !err; i++) {
        err = gn_lookup(w.guest, "ip", hosts[i], say, &said[i], NULL);
        if (err)
            break;
        gn_clock_advance(w.clock, 15000 * GN_MS);
        assert_int_equal(said[i].calls, 1);
        if (said[i].status == -ENOMEM)
            err = -ENOMEM;
        else
            assert_int_equal(said[i].status, i == 2 ? -ETIMEDOUT : 0);
    }
    world_close(&w);
    return err;
}

static void running_out_of_memory_leaves_nothing(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(whole_life, NULL) > 20);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(the_networks_resolver_answers),
        CASE(the_guests_own_resolver_goes_first),
        CASE(delays_are_of_the_clock),
        CASE(what_is_never_answered_times_out),
        CASE(the_time_out_is_a_limit),
        CASE(only_so_many_are_pending),
        CASE(it_is_cancelled_at_every_step),
        CASE(killing_the_guest_ends_it_at_every_step),
        CASE(closing_the_guest_ends_it_first),
        cmocka_unit_test(closing_the_network_ends_it_first),
        cmocka_unit_test(a_network_may_go_at_once),
        CASE(its_callback_may_close_the_network),
        CASE(ports_names_and_records_go_the_same_way),
        CASE(what_resolvers_were_asked_is_logged),
        cmocka_unit_test(running_out_of_memory_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
