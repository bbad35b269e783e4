/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_link_change() and gn_path_change(): settings that change field by field,
 * for good or for a time, one on top of the other.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/simnet.h"
#include "tests/lib/talk.h"

static int change(struct gn_namespace *ns, uint32_t fields,
                  struct gn_link_config config, uint64_t for_ms)
{
    struct gn_link_change change = {.size = sizeof(change),
                                    .fields = fields,
                                    .config = config,
                                    .for_ms = for_ms};

    return gn_link_change(ns, NULL, &change);
}

static void latency(struct talk *talk, uint32_t us, uint64_t for_ms)
{
    assert_int_equal(change(talk->a, GN_LINK_LATENCY,
                            (struct gn_link_config){.latency_us = us}, for_ms),
                     0);
}

static struct gn_link_config link_of(struct gn_namespace *ns)
{
    struct gn_link_config config;

    assert_int_equal(gn_link_get(ns, NULL, &config), 0);
    return config;
}

static void expect_latency(struct talk *talk, uint32_t us)
{
    assert_int_equal(link_of(talk->a).latency_us, us);
}

/* ---- links ---- */

static void what_is_not_named_stays(void **state)
{
    struct gn_link_config line = {.latency_us = 10, .rate_bps = 8000000};
    struct talk *talk = *state;

    assert_int_equal(gn_link_set(talk->a, NULL, &line), 0);
    assert_int_equal(change(talk->a, GN_LINK_LOSS | GN_LINK_LATENCY,
                            (struct gn_link_config){.loss_ppm = 7}, 0),
                     0);
    line = link_of(talk->a);
    assert_int_equal(line.latency_us, 0); /* Named, and 0. */
    assert_int_equal(line.loss_ppm, 7);
    assert_int_equal(line.rate_bps, 8000000);
    talk_pass_ms(talk, 1000);
    assert_int_equal(link_of(talk->a).loss_ppm, 7);
}

static void every_field_can_be_named(void **state)
{
    const struct gn_link_config all = {.latency_us = 1,
                                       .jitter_us = 2,
                                       .rate_bps = 3000,
                                       .queue_bytes = 4,
                                       .loss_ppm = 5,
                                       .reorder_ppm = 6,
                                       .duplicate_ppm = 7,
                                       .corrupt_ppm = 8,
                                       .down = true};
    struct talk *talk = *state;
    struct gn_link_config got;
    uint32_t bit;

    for (bit = GN_LINK_LATENCY; bit <= GN_LINK_DOWN; bit <<= 1)
        assert_int_equal(change(talk->a, bit, all, 0), 0);
    got = link_of(talk->a);
    assert_int_equal(got.latency_us, 1);
    assert_int_equal(got.jitter_us, 2);
    assert_int_equal(got.rate_bps, 3000);
    assert_int_equal(got.queue_bytes, 4);
    assert_int_equal(got.loss_ppm, 5);
    assert_int_equal(got.reorder_ppm, 6);
    assert_int_equal(got.duplicate_ppm, 7);
    assert_int_equal(got.corrupt_ppm, 8);
    assert_true(got.down);
    assert_int_equal(change(talk->a, bit, all, 0), -EINVAL);
}

/* A link that is cut for 2 s, as its packets see it. */
static void a_link_flaps(void **state)
{
    struct talk *talk = *state;
    struct gn_sock *from = gn_simnet_udp(talk->a, "10.77.0.2:1");
    struct gn_sock *to = gn_simnet_udp(talk->b, "10.77.0.3:1");

    assert_int_equal(change(talk->a, GN_LINK_DOWN,
                            (struct gn_link_config){.down = true}, 2000),
                     0);
    gn_clock_advance(talk->clock, 2000 * GN_MS - 1);
    (void)gn_simnet_send(from, "10.77.0.3:1", "lost", 4);
    gn_clock_advance(talk->clock, 1);
    gn_simnet_expect(to, NULL);
    assert_int_equal(gn_simnet_send(from, "10.77.0.3:1", "sent", 4), 4);
    talk_pass_ms(talk, 0);
    gn_simnet_expect(to, "sent");
    gn_simnet_end(from);
    gn_simnet_end(to);
}

static void a_change_within_another_shows_it_again(void **state)
{
    struct talk *talk = *state;

    latency(talk, 1, 0);
    latency(talk, 100, 10);
    talk_pass_ms(talk, 5);
    latency(talk, 200, 2);
    expect_latency(talk, 200);
    talk_pass_ms(talk, 2);
    expect_latency(talk, 100);
    talk_pass_ms(talk, 3);
    expect_latency(talk, 1);
}

static void a_change_that_outlives_another_stays(void **state)
{
    struct talk *talk = *state;

    latency(talk, 1, 0);
    latency(talk, 100, 10);
    talk_pass_ms(talk, 5);
    latency(talk, 200, 10);
    talk_pass_ms(talk, 5); /* The first is over, out of sight. */
    expect_latency(talk, 200);
    talk_pass_ms(talk, 5);
    expect_latency(talk, 1); /* And not 100. */
}

static void changes_of_different_fields_do_not_meet(void **state)
{
    struct talk *talk = *state;

    latency(talk, 100, 10);
    assert_int_equal(change(talk->a, GN_LINK_LOSS,
                            (struct gn_link_config){.loss_ppm = 9}, 5),
                     0);
    assert_int_equal(change(talk->a, GN_LINK_RATE,
                            (struct gn_link_config){.rate_bps = 8000}, 0),
                     0);
    talk_pass_ms(talk, 5);
    assert_int_equal(link_of(talk->a).loss_ppm, 0);
    expect_latency(talk, 100);
    talk_pass_ms(talk, 5);
    expect_latency(talk, 0);
    assert_int_equal(link_of(talk->a).rate_bps, 8000);
}

static void what_is_set_for_good_holds_at_once(void **state)
{
    struct talk *talk = *state;

    assert_int_equal(
        change(talk->a, GN_LINK_LATENCY | GN_LINK_LOSS,
               (struct gn_link_config){.latency_us = 100, .loss_ppm = 9}, 10),
        0);
    latency(talk, 7, 0);
    expect_latency(talk, 7);
    assert_int_equal(link_of(talk->a).loss_ppm, 9);
    talk_pass_ms(talk, 10);
    expect_latency(talk, 7);
    assert_int_equal(link_of(talk->a).loss_ppm, 0);
}

static void setting_a_link_ends_all_changes(void **state)
{
    struct talk *talk = *state;

    latency(talk, 100, 10);
    latency(talk, 200, 5);
    assert_int_equal(gn_link_set(talk->a, NULL, NULL), 0);
    assert_int_equal(gn_clock_next_ns(talk->clock), UINT64_MAX);
    expect_latency(talk, 0);
    talk_pass_ms(talk, 20);
    expect_latency(talk, 0);
}

static void a_change_may_outlast_everything(void **state)
{
    struct talk *talk = *state;

    latency(talk, 100, UINT64_MAX);
    assert_int_equal(gn_clock_next_ns(talk->clock), UINT64_MAX);
    latency(talk, 200, 5);
    talk_pass_ms(talk, 1000);
    expect_latency(talk, 100);
}

static void a_wrong_change_changes_nothing(void **state)
{
    const struct gn_link_config bad = {.latency_us = 5, .loss_ppm = 1000001};
    struct gn_link_change change_of = {.size = sizeof(change_of),
                                       .fields = GN_LINK_LATENCY,
                                       .config.latency_us = 5};
    struct talk *talk = *state;

    assert_int_equal(change(talk->a, 0, bad, 10), -EINVAL);
    assert_int_equal(change(talk->a, 1u << 31, bad, 10), -EINVAL);
    assert_int_equal(change(talk->a, GN_LINK_LATENCY | GN_LINK_LOSS, bad, 10),
                     -EINVAL);
    assert_int_equal(gn_link_change(talk->a, "lo", &change_of), -EINVAL);
    assert_int_equal(gn_link_change(talk->a, "eth7", &change_of), -ENODEV);
    change_of.size = 3;
    assert_int_equal(gn_link_change(talk->a, NULL, &change_of), -EINVAL);
    expect_latency(talk, 0);
    assert_int_equal(change(talk->a, GN_LINK_LATENCY, bad, 10), 0);
    expect_latency(talk, 5); /* What is not named is not looked at. */
}

static void changes_end_with_their_interface(void **state)
{
    struct talk *talk = *state;

    latency(talk, 100, 10);
    assert_int_equal(change(talk->b, GN_LINK_DOWN,
                            (struct gn_link_config){.down = true}, 10),
                     0);
    gn_namespace_detach(talk->a);
    gn_namespace_close(talk->b, 0, NULL, NULL);
    assert_int_equal(change(talk->a, GN_LINK_LOSS, link_of(talk->gateway), 10),
                     -ENODEV);
    talk_pass_ms(talk, 20);
}

/* ---- paths ---- */

static int path(struct talk *talk, uint32_t fields,
                struct gn_path_config config, uint64_t for_ms)
{
    struct gn_path_change change = {.size = sizeof(change),
                                    .fields = fields,
                                    .config = config,
                                    .for_ms = for_ms};

    return gn_path_change(talk->net, talk->a, talk->b, &change);
}

static void send_all(struct gn_sock *from, const char *text)
{
    for (; *text; text++)
        assert_int_equal(gn_simnet_send(from, "10.77.0.3:1", text, 1), 1);
}

static void a_path_is_held_for_a_time(void **state)
{
    struct talk *talk = *state;
    struct gn_sock *from = gn_simnet_udp(talk->a, "10.77.0.2:1");
    struct gn_sock *to = gn_simnet_udp(talk->b, "10.77.0.3:1");

    assert_int_equal(
        path(talk, GN_PATH_HOLD, (struct gn_path_config){.hold = true}, 50), 0);
    send_all(from, "12");
    gn_clock_advance(talk->clock, 50 * GN_MS - 1);
    gn_simnet_expect(to, NULL);
    gn_clock_advance(talk->clock, 1);
    gn_simnet_expect(to, "1");
    gn_simnet_expect(to, "2");
    send_all(from, "3");
    talk_pass_ms(talk, 0);
    gn_simnet_expect(to, "3");
    gn_simnet_end(from);
    gn_simnet_end(to);
}

static void changes_of_a_path_lie_on_each_other(void **state)
{
    struct talk *talk = *state;
    struct gn_sock *from = gn_simnet_udp(talk->a, "10.77.0.2:1");
    struct gn_sock *to = gn_simnet_udp(talk->b, "10.77.0.3:1");
    uint64_t sent;

    assert_int_equal(path(talk, GN_PATH_LATENCY,
                          (struct gn_path_config){.latency_us = 3000}, 0),
                     0);
    assert_int_equal(
        path(talk, GN_PATH_BLOCK, (struct gn_path_config){.block = true}, 10),
        0);
    assert_int_equal(path(talk, GN_PATH_BLOCK, (struct gn_path_config){0}, 5),
                     0);
    send_all(from, "1"); /* Through: the newest says so. */
    talk_pass_ms(talk, 5);
    gn_simnet_expect(to, "1");
    send_all(from, "2"); /* Blocked. */
    talk_pass_ms(talk, 5);
    send_all(from, "3");
    sent = gn_now_ns(talk->a);
    gn_clock_advance(talk->clock, 3 * GN_MS - 1);
    gn_simnet_expect(to, NULL);
    gn_clock_advance(talk->clock, 1);
    gn_simnet_expect(to, "3");
    assert_int_equal(gn_now_ns(talk->a), sent + 3 * GN_MS);
    assert_int_equal(gn_simnet_drops(talk->net, GN_DROP_BLOCKED), 1);
    gn_simnet_end(from);
    gn_simnet_end(to);
}

static void setting_a_path_ends_all_changes(void **state)
{
    struct talk *talk = *state;
    struct gn_sock *from = gn_simnet_udp(talk->a, "10.77.0.2:1");
    struct gn_sock *to = gn_simnet_udp(talk->b, "10.77.0.3:1");

    assert_int_equal(
        path(talk, GN_PATH_HOLD, (struct gn_path_config){.hold = true}, 50), 0);
    send_all(from, "1");
    assert_int_equal(gn_path_set(talk->net, talk->a, talk->b, NULL), 0);
    talk_pass_ms(talk, 0);
    gn_simnet_expect(to, "1");
    assert_int_equal(gn_clock_next_ns(talk->clock), UINT64_MAX);
    gn_simnet_end(from);
    gn_simnet_end(to);
}

static void a_wrong_change_of_a_path_changes_nothing(void **state)
{
    const struct gn_path_config bad = {.block = true, .loss_ppm = 1000001};
    struct talk *talk = *state;

    assert_int_equal(path(talk, GN_PATH_BLOCK | GN_PATH_LOSS, bad, 1), -EINVAL);
    assert_int_equal(path(talk, 0, bad, 1), -EINVAL);
    assert_int_equal(path(talk, 1u << 4, bad, 1), -EINVAL);
    assert_int_equal(gn_clock_next_ns(talk->clock), UINT64_MAX);
    gn_namespace_detach(talk->b);
    assert_int_equal(path(talk, GN_PATH_BLOCK, bad, 1), -ENODEV);
}

static void changes_end_with_their_path(void **state)
{
    struct talk *talk = *state;

    assert_int_equal(
        path(talk, GN_PATH_HOLD, (struct gn_path_config){.hold = true}, 50), 0);
    gn_namespace_close(talk->b, 0, NULL, NULL);
    talk_pass_ms(talk, 100);
}

/* ---- memory, and real time ---- */

static int some_changes(struct gn_test_heap *heap, void *arg)
{
    struct talk talk;
    int err = talk_open(&talk, false, NULL, &heap->alloc);

    (void)arg;
    if (!err) {
        err = change(talk.a, GN_LINK_LATENCY,
                     (struct gn_link_config){.latency_us = 1}, 5);
        assert_int_equal(link_of(talk.a).latency_us, !err);
    }
    if (!err)
        err = path(&talk, GN_PATH_LATENCY,
                   (struct gn_path_config){.latency_us = 1}, 5);
    if (!err)
        talk_pass_ms(&talk, 3);
    talk_close(&talk);
    return err;
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(some_changes, NULL) > 0);
}

static bool is_perfect_again(void *arg)
{
    return link_of(((struct talk *)arg)->a).latency_us == 0;
}

static void real_time_takes_a_change_back_too(void **state)
{
    struct talk *talk = *state;
    uint64_t begun = gn_now_ns(talk->a);

    latency(talk, 100, 20);
    talk_until(talk, is_perfect_again, talk);
    assert_true(gn_now_ns(talk->a) >= begun + 20 * GN_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(talk, what_is_not_named_stays),
        CASE_OF(talk, every_field_can_be_named),
        CASE_OF(talk, a_link_flaps),
        CASE_OF(talk, a_change_within_another_shows_it_again),
        CASE_OF(talk, a_change_that_outlives_another_stays),
        CASE_OF(talk, changes_of_different_fields_do_not_meet),
        CASE_OF(talk, what_is_set_for_good_holds_at_once),
        CASE_OF(talk, setting_a_link_ends_all_changes),
        CASE_OF(talk, a_change_may_outlast_everything),
        CASE_OF(talk, a_wrong_change_changes_nothing),
        CASE_OF(talk, changes_end_with_their_interface),
        CASE_OF(talk, a_path_is_held_for_a_time),
        CASE_OF(talk, changes_of_a_path_lie_on_each_other),
        CASE_OF(talk, setting_a_path_ends_all_changes),
        CASE_OF(talk, a_wrong_change_of_a_path_changes_nothing),
        CASE_OF(talk, changes_end_with_their_path),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test_setup_teardown(real_time_takes_a_change_back_too,
                                        talk_threaded, talk_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
