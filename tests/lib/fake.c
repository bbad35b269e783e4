/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t fake_now(void *self)
{
    return ((struct fake *)self)->now;
}

static void fake_random(void *self, void *out, size_t len)
{
    (void)self;
    memset(out, 7, len);
}

static void fake_lock(void *self, bool driver)
{
    struct fake *fake = self;

    (void)driver;
    assert_int_equal(fake->locked, 0);
    fake->locked = 1;
}

static void fake_unlock(void *self)
{
    struct fake *fake = self;

    assert_int_equal(fake->locked, 1);
    fake->locked = 0;
}

static int fake_park(void *self, struct gn__parker *parker, uint64_t deadline)
{
    struct fake *fake = self;

    assert_int_equal(fake->locked, 0);
    fake->n_parks++;
    fake->parked_until = deadline;
    if (atomic_load(&parker->woken))
        return 0;
    assert_non_null(fake->on_park);
    fake->on_park(fake);
    return 0;
}

static void fake_unpark(void *self, struct gn__parker *parker)
{
    struct fake *fake = self;

    fake->n_unparks++;
    fake->unlocked_when_woken = !fake->locked;
    atomic_store(&parker->woken, 1);
}

static void fake_kick(void *self, uint64_t deadline)
{
    struct fake *fake = self;

    assert_int_equal(fake->locked, 0);
    fake->n_kicks++;
    fake->kicked_for = deadline;
}

static bool fake_is_driving(void *self)
{
    return ((struct fake *)self)->driving;
}

static void fake_gone(void *self, void (*done)(void *arg), void *arg)
{
    (void)self;
    done(arg);
}

static void fake_released(void *self)
{
    ((struct fake *)self)->released++;
}

const struct gn__driver_ops fake_ops = {
    .name = "fake",
    .now = fake_now,
    .random = fake_random,
    .lock = fake_lock,
    .unlock = fake_unlock,
    .park = fake_park,
    .unpark = fake_unpark,
    .kick = fake_kick,
    .is_driving = fake_is_driving,
    .gone = fake_gone,
    .released = fake_released,
};

int fake_setup(void **state, const struct gn__engine_user *user)
{
    struct fake *fake = calloc(1, sizeof(*fake));

    gn_test_heap_init(&fake->heap);
    fake->now = 1000;
    fake->unlocked_when_woken = -1;
    assert_int_equal(gn__engine_create(&fake_ops, fake, user, &fake->heap.alloc,
                                       &fake->engine),
                     0);
    *state = fake;
    return 0;
}

int fake_teardown(void **state)
{
    struct fake *fake = *state;

    gn__engine_unref(fake->engine);
    assert_int_equal(fake->released, 1);
    gn_test_heap_done(&fake->heap);
    free(fake);
    return 0;
}
