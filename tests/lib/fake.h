/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_FAKE_H
#define TESTS_LIB_FAKE_H

/*
 * A driver that a test plays itself: time stands where it is set, no other
 * thread is there, and what the engine asks for is counted.
 */
#include "engine/engine.h"
#include "tests/lib/heap.h"

struct fake {
    struct gn_test_heap heap;
    struct gn__engine *engine;
    uint64_t now;
    bool driving;
    int locked;
    unsigned n_kicks;
    uint64_t kicked_for;
    unsigned n_parks;
    uint64_t parked_until;
    void (*on_park)(struct fake *fake);
    unsigned n_unparks;
    int unlocked_when_woken; /* -1: never woken */
    int released;
};

extern const struct gn__driver_ops fake_ops;

/** cmocka's, for engines of @user; teardown asserts that no memory is left. */
int fake_setup(void **state, const struct gn__engine_user *user);
int fake_teardown(void **state);

#endif /* TESTS_LIB_FAKE_H */
