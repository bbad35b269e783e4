/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How long answers are waited for, by a server that is quick with most names
 * and slow with some: as long as the configuration says, whatever else goes on.
 */
#include "tests/unit/resolver/ares_fixture.h"
#include "tests/lib/case.h"

#define N_LATE    8u
#define NS_PER_MS 1000000ull

/* An answer that is sent later. */
struct late {
    struct gn_test_ask ask;
    uint8_t message[512];
    struct gn__io_timer timer;
};

static struct late late[N_LATE];
static unsigned n_late;

static void send_addresses(const struct gn_test_ask *ask)
{
    struct gn_test_dns dns;

    gn_test_dns_begin(&dns, ask, 0);
    if (ask->type == GN_TEST_DNS_A)
        gn_test_dns_add_a(&dns, NULL, 0, "192.0.2.1");
    else
        gn_test_dns_add_aaaa(&dns, NULL, 0, "2001:db8::1");
    gn_test_dnsd_send(ask, &dns);
}

static void late_send(struct gn__io_timer *timer)
{
    send_addresses(&gn__container_of(timer, struct late, timer)->ask);
}

static void send_late(const struct gn_test_ask *ask, unsigned ms)
{
    struct gn__io *io = &ask->dnsd->pollio->turns.io;
    struct late *it = &late[n_late++ % N_LATE];

    gn__io_stop(io, &it->timer);
    assert_true(ask->len <= sizeof(it->message));
    it->ask = *ask;
    memcpy(it->message, ask->message, ask->len);
    it->ask.message = it->message;
    it->timer.fire = late_send;
    gn__io_start(io, &it->timer, gn__io_now(io) + ms * NS_PER_MS);
}

/* "slowN": after N ms, "six-slowN": the IPv6 address; "silent": never. */
static void answer_in_time(const struct gn_test_ask *ask, void *arg)
{
    bool is_v6 = ask->type == GN_TEST_DNS_AAAA;

    (void)arg;
    if (!strncmp(ask->name, "silent", 6))
        return;
    if (!strncmp(ask->name, "slow", 4))
        send_late(ask, (unsigned)atoi(ask->name + 4));
    else if (is_v6 && !strncmp(ask->name, "six-slow", 8))
        send_late(ask, (unsigned)atoi(ask->name + 8));
    else
        send_addresses(ask);
}

/* The server is known to be quick. */
static void warm_up(struct fixture *f)
{
    char name[16];
    unsigned i;

    for (i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "quick%u.test", i);
        assert_int_equal(status_of(f, name), 0);
    }
    f->dnsd.n_asked = 0;
}

static uint64_t now_ms(struct fixture *f)
{
    return gn__io_now(&f->pollio.turns.io) / NS_PER_MS;
}

static void a_slow_name_is_waited_for(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_in_time);
    warm_up(f);
    assert_int_equal(status_of(f, "slow800.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 1);
}

static void both_versions_are_waited_for(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_in_time);
    warm_up(f);
    assert_int_equal(look_up(f, &ask, "ip", "six-slow800.test"), 0);
    assert_int_equal(ask.lookup.result.n, 2);
    gn__lookup_done(&ask.lookup);
    assert_int_equal(f->dnsd.n_asked, 2);
}

static void each_try_waits_as_long(void **state)
{
    struct fixture *f = *state;
    uint64_t begun;

    start(f, (struct gn_ares_config){.timeout_ms = 400, .tries = 3},
          answer_in_time);
    warm_up(f);
    begun = now_ms(f);
    assert_int_equal(status_of(f, "silent.test"), -ETIMEDOUT);
    assert_true(now_ms(f) >= begun + 3 * 400);
    assert_int_equal(f->dnsd.n_asked, 3);
}

static void one_version_is_an_answer_where_the_other_never_comes(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){.timeout_ms = 300, .tries = 1},
          answer_in_time);
    assert_int_equal(look_up(f, &ask, "ip", "six-slow60000.test"), 0);
    assert_int_equal(ask.lookup.result.n, 1);
    assert_answer(&ask, 0, "192.0.2.1", 0);
    gn__lookup_done(&ask.lookup);
    gn__io_stop(&f->pollio.turns.io, &late[(n_late - 1) % N_LATE].timer);
}

/* The silent one's time-outs are looked at while the slow one waits. */
static void waits_of_others_cut_none_short(void **state)
{
    struct fixture *f = *state;
    struct ask silent, slow;
    bool never = false;

    start(f, (struct gn_ares_config){.timeout_ms = 1000, .tries = 1},
          answer_in_time);
    warm_up(f);
    begin_ip(f, &silent, "ip4", "silent.test");
    gn_test_pollio_until(&f->pollio, &never, 500);
    begin_ip(f, &slow, "ip4", "slow800.test");
    assert_int_equal(finish(&silent), -ETIMEDOUT);
    assert_false(slow.ended);
    assert_int_equal(finish(&slow), 0);
    gn__lookup_done(&silent.lookup);
    gn__lookup_done(&slow.lookup);
}

/* RFC 7873: a cookie would be an option in the OPT record. */
static void answer_if_no_option(const struct gn_test_ask *ask, void *arg)
{
    const uint8_t *opt = memmem(ask->message, ask->len, "\0\0\x29", 3);

    (void)arg;
    assert_non_null(opt);
    assert_int_equal(ask->message + ask->len - opt, 11);
    assert_int_equal(opt[9], 0);
    assert_int_equal(opt[10], 0);
    send_addresses(ask);
}

static void questions_carry_no_cookie(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_if_no_option);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(stats_of(f).dropped, 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE_OF(fixture, a_slow_name_is_waited_for),
        CASE_OF(fixture, both_versions_are_waited_for),
        CASE_OF(fixture, each_try_waits_as_long),
        CASE_OF(fixture, one_version_is_an_answer_where_the_other_never_comes),
        CASE_OF(fixture, waits_of_others_cut_none_short),
        CASE_OF(fixture, questions_carry_no_cookie),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
