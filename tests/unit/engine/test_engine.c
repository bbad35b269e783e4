/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/engine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/fake.h"

/* The receiver of packets: it counts, and answers each if told to. */
struct counting {
    struct gn__lane lane; /* of what it sends; first */
    unsigned n;
    uint64_t last_ip_id;
    struct counting *answer;
};

static void counting_arrived(struct gn__engine *engine,
                             struct gn__packet *packet)
{
    struct counting *counting = packet->to;

    counting->n++;
    counting->last_ip_id = packet->ip.frag_id;
    if (!counting->answer) {
        gn__packet_free(packet);
        return;
    }
    packet->from = &counting->lane;
    packet->to = counting->answer;
    gn__engine_post(engine, packet);
}

static const struct gn__engine_user counting_user = {.name = "counting",
                                                     .arrived =
                                                         counting_arrived};

static int setup(void **state)
{
    return fake_setup(state, &counting_user);
}

static void counting_init(struct counting *counting)
{
    memset(counting, 0, sizeof(*counting));
    gn__lane_init(&counting->lane);
}

static struct gn__packet *packet_to(struct fake *fake,
                                    struct counting *counting, uint32_t id)
{
    struct gn__packet *packet = gn__packet_alloc(&fake->engine->net.packets);

    assert_non_null(packet);
    packet->to = counting;
    packet->ip.frag_id = id;
    return packet;
}

static void packets_are_delivered_on_leaving(void **state)
{
    struct fake *fake = *state;
    struct counting to;

    counting_init(&to);
    gn__engine_enter(fake->engine);
    gn__engine_post(fake->engine, packet_to(fake, &to, 1));
    assert_int_equal(to.n, 0);
    gn__engine_leave(fake->engine);
    assert_int_equal(to.n, 1);
}

static void an_entry_moves_a_bounded_number(void **state)
{
    struct fake *fake = *state;
    struct counting to;
    unsigned i;

    counting_init(&to);
    gn__engine_enter(fake->engine);
    for (i = 0; i < 3 * GN__ENGINE_BUDGET; i++)
        gn__engine_post(fake->engine, packet_to(fake, &to, i));
    gn__engine_leave(fake->engine);
    assert_int_equal(to.n, GN__ENGINE_BUDGET);
    assert_int_equal(fake->n_kicks, 1);
    assert_int_equal(fake->kicked_for, 0);
    assert_int_equal(gn__engine_deadline(fake->engine), 0);
    fake->driving = true;
    gn__engine_run(fake->engine);
    gn__engine_run(fake->engine);
    assert_int_equal(to.n, 3 * GN__ENGINE_BUDGET);
    assert_int_equal(to.last_ip_id, 3 * GN__ENGINE_BUDGET - 1);
    assert_true(gn__engine_deadline(fake->engine) > fake->now);
}

static void two_that_answer_for_ever_leave_room_for_others(void **state)
{
    struct fake *fake = *state;
    struct counting a, b, other;
    unsigned i;

    counting_init(&a);
    counting_init(&b);
    counting_init(&other);
    a.answer = &b;
    b.answer = &a;
    gn__engine_enter(fake->engine);
    for (i = 0; i < 10; i++)
        gn__engine_post(fake->engine, packet_to(fake, &a, i));
    gn__engine_leave(fake->engine);
    assert_int_equal(a.n + b.n, GN__ENGINE_BUDGET);
    gn__engine_enter(fake->engine);
    gn__engine_post(fake->engine, packet_to(fake, &other, 1));
    gn__engine_leave(fake->engine);
    assert_int_equal(other.n, 1);
    a.answer = b.answer = NULL;
    fake->driving = true;
    gn__engine_run(fake->engine); /* None answers any more: it ends. */
    assert_true(gn__engine_deadline(fake->engine) > fake->now);
}

static void post_from(struct fake *fake, struct counting *from,
                      struct counting *to, uint32_t id)
{
    struct gn__packet *packet = packet_to(fake, to, id);

    packet->from = &from->lane;
    gn__engine_post(fake->engine, packet);
}

/* Each sender's are in order, and behind its own. */
static void a_port_that_sends_much_waits_behind_itself(void **state)
{
    struct fake *fake = *state;
    struct counting much, little, to, other;
    unsigned i;

    counting_init(&much);
    counting_init(&little);
    counting_init(&to);
    counting_init(&other);
    gn__engine_enter(fake->engine);
    for (i = 0; i < 10 * GN__ENGINE_BUDGET; i++)
        post_from(fake, &much, &to, i);
    post_from(fake, &little, &other, 7);
    gn__engine_leave(fake->engine);
    assert_int_equal(other.n, 1);
    assert_int_equal(to.n, GN__ENGINE_BUDGET - 1);
    assert_int_equal(to.last_ip_id, GN__ENGINE_BUDGET - 2);
    fake->driving = true;
    for (i = 0; i < 10; i++)
        gn__engine_run(fake->engine);
    assert_int_equal(to.n, 10 * GN__ENGINE_BUDGET);
    assert_int_equal(to.last_ip_id, 10 * GN__ENGINE_BUDGET - 1);
}

/* However much one of them has queued. */
static void every_sender_has_room_for_some(void **state)
{
    struct fake *fake = *state;
    struct counting much, little, to;
    unsigned i;

    counting_init(&much);
    counting_init(&little);
    counting_init(&to);
    gn__engine_enter(fake->engine);
    for (i = 0; gn__engine_has_room(fake->engine, &much.lane); i++)
        post_from(fake, &much, &to, i);
    assert_in_range(i, GN__RUN_QUEUE_MAX / 8, GN__RUN_QUEUE_MAX / 2);
    for (i = 0; i < GN__RUN_QUEUE_LEAST; i++) {
        assert_true(gn__engine_has_room(fake->engine, &little.lane));
        post_from(fake, &little, &to, i);
    }
    assert_true(gn__engine_has_room(fake->engine, NULL));
    gn__engine_leave(fake->engine);
    fake->driving = true;
    while (fake->engine->n_run)
        gn__engine_run(fake->engine);
}

struct noting {
    struct gn__event event;
    bool fired;
};

static void note_event(struct gn__event *event)
{
    gn__container_of(event, struct noting, event)->fired = true;
}

static void what_is_due_has_its_turn_among_packets(void **state)
{
    struct fake *fake = *state;
    struct noting noting = {.event.fire = note_event};
    struct counting a, b;
    unsigned i;

    counting_init(&a);
    counting_init(&b);
    a.answer = &b;
    b.answer = &a;
    gn__engine_enter(fake->engine);
    for (i = 0; i < 10; i++)
        gn__engine_post(fake->engine, packet_to(fake, &a, i));
    gn__event_arm(fake->engine, &noting.event, fake->now);
    gn__engine_leave(fake->engine);
    assert_true(noting.fired);
    a.answer = b.answer = NULL;
    fake->driving = true;
    gn__engine_run(fake->engine); /* None answers any more: it ends. */
}

static void later_packets_come_in_time_order(void **state)
{
    struct fake *fake = *state;
    struct counting to;

    counting_init(&to);
    gn__engine_enter(fake->engine);
    gn__engine_post_at(fake->engine, packet_to(fake, &to, 3), 3000);
    gn__engine_post_at(fake->engine, packet_to(fake, &to, 1), 2000);
    gn__engine_post_at(fake->engine, packet_to(fake, &to, 2), 2000);
    gn__engine_leave(fake->engine);
    assert_int_equal(to.n, 0);
    assert_int_equal(fake->kicked_for, 2000);
    fake->driving = true;
    fake->now = 2000;
    gn__engine_run(fake->engine);
    assert_int_equal(to.n, 2);
    assert_int_equal(to.last_ip_id, 2);
    assert_int_equal(gn__engine_deadline(fake->engine), 3000);
    fake->now = 3000;
    gn__engine_run(fake->engine);
    assert_int_equal(to.last_ip_id, 3);
}

struct timer {
    struct gn__event event;
    struct fake *fake;
    unsigned n;
};

static void fire(struct gn__event *event)
{
    gn__container_of(event, struct timer, event)->n++;
}

static void the_driver_is_kicked_for_earlier_deadlines_only(void **state)
{
    struct fake *fake = *state;
    struct timer timer = {.event.fire = fire, .fake = fake};
    static const struct {
        uint64_t when;
        unsigned kicks;
    } steps[] = {{5000, 1}, {6000, 1}, {4000, 2}, {4500, 2}, {4000, 2}};
    size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        gn__engine_enter(fake->engine);
        gn__event_arm(fake->engine, &timer.event, steps[i].when);
        gn__engine_leave(fake->engine);
        assert_int_equal(fake->n_kicks, steps[i].kicks);
    }
    assert_int_equal(gn__engine_deadline(fake->engine), 4000);
    fake->driving = true;
    fake->now = 4000;
    gn__engine_run(fake->engine);
    assert_int_equal(timer.n, 1);
    assert_int_equal(fake->n_kicks, 2); /* The driving thread needs no kick. */
    gn__engine_enter(fake->engine);
    gn__event_arm(fake->engine, &timer.event, 9000);
    gn__event_disarm(fake->engine, &timer.event);
    gn__engine_leave(fake->engine);
    fake->now = 10000;
    gn__engine_run(fake->engine);
    assert_int_equal(timer.n, 1);
}

/* Its thread may be in other code of the caller's loop, about to sleep. */
static void the_driver_is_told_of_earlier_deadlines_too(void **state)
{
    struct fake *fake = *state;
    struct timer timer = {.event.fire = fire, .fake = fake};
    unsigned i;

    fake->driving = true;
    for (i = 0; i < 2; i++) {
        gn__engine_enter(fake->engine);
        gn__event_arm(fake->engine, &timer.event, 5000 + i);
        gn__engine_leave(fake->engine);
        assert_int_equal(fake->n_kicks, 1);
    }
    assert_int_equal(gn__engine_deadline(fake->engine), 5001);
    gn__engine_enter(fake->engine);
    gn__event_disarm(fake->engine, &timer.event);
    gn__engine_leave(fake->engine);
    assert_int_equal(gn__engine_deadline(fake->engine), GN__NEVER);
}

struct callback {
    struct gn__deferred deferred;
    struct fake *fake;
    unsigned n;
};

static void called(struct gn__deferred *deferred)
{
    struct callback *callback =
        gn__container_of(deferred, struct callback, deferred);

    assert_int_equal(callback->fake->locked, 0);
    callback->n++;
}

static void callbacks_run_when_dispatched_without_the_lock(void **state)
{
    struct fake *fake = *state;
    struct callback a = {.deferred.run = called, .fake = fake};
    struct callback b = {.deferred.run = called, .fake = fake};

    gn__engine_enter(fake->engine);
    gn__deferred_queue(fake->engine, &a.deferred);
    gn__deferred_queue(fake->engine, &a.deferred);
    gn__deferred_queue(fake->engine, &b.deferred);
    gn__deferred_cancel(fake->engine, &b.deferred);
    gn__engine_leave(fake->engine);
    assert_int_equal(a.n, 0);
    assert_int_equal(fake->n_kicks, 1);
    assert_int_equal(fake->kicked_for, 0);
    assert_true(gn__engine_dispatch(fake->engine, 16));
    assert_int_equal(a.n, 1);
    assert_int_equal(b.n, 0);
    assert_false(gn__engine_dispatch(fake->engine, 16));
}

static struct gn__waiter *sleeper;

static void wake_it(struct fake *fake)
{
    gn__engine_enter(fake->engine);
    gn__engine_wake(fake->engine, sleeper);
    gn__engine_leave(fake->engine);
}

static void a_waiter_is_woken_after_unlocking(void **state)
{
    struct fake *fake = *state;
    bool fired = false;
    struct gn__waiter waiter = {.fired = &fired};
    struct gn__list list;

    gn__list_init(&list);
    sleeper = &waiter;
    fake->on_park = wake_it;
    gn__engine_enter(fake->engine);
    gn__list_add_tail(&list, &waiter.link);
    assert_int_equal(gn__engine_wait(fake->engine, &waiter, GN__NEVER), 0);
    assert_true(fired);
    assert_int_equal(fake->unlocked_when_woken, 1);
    assert_true(gn__list_empty(&list));
    gn__engine_leave(fake->engine);
}

static void a_chief_is_woken_for_its_others(void **state)
{
    struct fake *fake = *state;
    bool fired = false;
    struct gn__waiter chief = {0};
    struct gn__waiter other = {.chief = &chief, .fired = &fired};
    struct gn__list list, more;

    gn__list_init(&list);
    gn__list_init(&more);
    sleeper = &other;
    fake->on_park = wake_it;
    gn__engine_enter(fake->engine);
    gn__list_add_tail(&list, &chief.link);
    gn__list_add_tail(&more, &other.link);
    assert_int_equal(gn__engine_wait(fake->engine, &chief, GN__NEVER), 0);
    assert_true(fired);
    assert_true(gn__list_empty(&list));
    assert_true(gn__list_empty(&more));
    gn__engine_leave(fake->engine);
}

static void time_passes(struct fake *fake)
{
    fake->now = fake->parked_until;
}

static void a_wait_times_out(void **state)
{
    struct fake *fake = *state;
    struct gn__waiter waiter = {0};
    struct gn__list list;

    gn__list_init(&list);
    fake->on_park = time_passes;
    gn__engine_enter(fake->engine);
    gn__list_add_tail(&list, &waiter.link);
    assert_int_equal(gn__engine_wait(fake->engine, &waiter, 50000), -ETIMEDOUT);
    assert_int_equal(fake->now, 50000);
    assert_true(gn__list_empty(&list));
    gn__engine_leave(fake->engine);
}

static void a_sleeper_runs_what_the_driver_does_not(void **state)
{
    struct fake *fake = *state;
    struct timer timer = {.event.fire = fire, .fake = fake};
    struct gn__waiter waiter = {0};
    struct gn__list list;

    gn__list_init(&list);
    fake->on_park = time_passes;
    gn__engine_enter(fake->engine);
    gn__event_arm(fake->engine, &timer.event, 20000000);
    gn__list_add_tail(&list, &waiter.link);
    assert_int_equal(gn__engine_wait(fake->engine, &waiter, 90000000),
                     -ETIMEDOUT);
    assert_int_equal(timer.n, 1);
    assert_int_equal(fake->n_parks, 2);
    gn__engine_leave(fake->engine);
}

static void the_driving_thread_cannot_wait(void **state)
{
    struct fake *fake = *state;
    struct gn__waiter waiter = {0};
    struct gn__list list;

    gn__list_init(&list);
    fake->driving = true;
    gn__engine_enter(fake->engine);
    gn__list_add_tail(&list, &waiter.link);
    assert_int_equal(gn__engine_wait(fake->engine, &waiter, GN__NEVER),
                     -EDEADLK);
    assert_true(gn__list_empty(&list));
    gn__engine_leave(fake->engine);
}

struct late {
    struct gn__unlock_hook late;
    struct fake *fake;
    unsigned n_taken, n_run;
};

static void take_late(struct gn__unlock_hook *late)
{
    struct late *l = gn__container_of(late, struct late, late);

    assert_int_equal(l->fake->locked, 1);
    l->n_taken++;
}

static void run_late(struct gn__unlock_hook *late)
{
    struct late *l = gn__container_of(late, struct late, late);

    assert_int_equal(l->fake->locked, 0);
    l->n_run++;
}

static void late_work_is_done_after_unlocking(void **state)
{
    struct fake *fake = *state;
    struct late late[50];
    size_t i;

    gn__engine_enter(fake->engine);
    for (i = 0; i < 50; i++) {
        late[i] = (struct late){.late = {.take = take_late, .run = run_late},
                                .fake = fake};
        gn__list_add_tail(&fake->engine->fds, &late[i].late.link);
    }
    gn__engine_leave(fake->engine);
    for (i = 0; i < 50; i++) {
        assert_int_equal(late[i].n_taken, 1);
        assert_int_equal(late[i].n_run, 1);
    }
}

static void time_never_goes_back(void **state)
{
    struct fake *fake = *state;

    fake->now = 5000;
    gn__engine_run(fake->engine);
    fake->now = 4000;
    gn__engine_enter(fake->engine);
    assert_int_equal(gn__now(fake->engine), 5000);
    gn__engine_leave(fake->engine);
}

static int create_engine(struct gn_test_heap *heap, void *arg)
{
    struct fake *fake = arg;
    struct gn__engine *engine;
    int err;

    err = gn__engine_create(&fake_ops, fake, &counting_user, &heap->alloc,
                            &engine);
    if (!err)
        gn__engine_unref(engine);
    return err;
}

static void creating_survives_any_failed_allocation(void **state)
{
    struct fake fake = {.now = 1};

    (void)state;
    assert_true(gn_test_heap_sweep(create_engine, &fake) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fake_teardown)
        T(packets_are_delivered_on_leaving),
        T(an_entry_moves_a_bounded_number),
        T(two_that_answer_for_ever_leave_room_for_others),
        T(a_port_that_sends_much_waits_behind_itself),
        T(every_sender_has_room_for_some),
        T(what_is_due_has_its_turn_among_packets),
        T(later_packets_come_in_time_order),
        T(the_driver_is_kicked_for_earlier_deadlines_only),
        T(the_driver_is_told_of_earlier_deadlines_too),
        T(callbacks_run_when_dispatched_without_the_lock),
        T(a_waiter_is_woken_after_unlocking),
        T(a_chief_is_woken_for_its_others),
        T(a_wait_times_out),
        T(a_sleeper_runs_what_the_driver_does_not),
        T(the_driving_thread_cannot_wait),
        T(late_work_is_done_after_unlocking),
        T(time_never_goes_back),
        cmocka_unit_test(creating_survives_any_failed_allocation),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
