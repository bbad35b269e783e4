/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

/*
 * A lock that is handed over, and a place to sleep.
 *
 * The lock is held for microseconds by many threads, one of which has to get
 * it in time: the one that drives. A plain mutex lets a busy thread take it
 * again and again while others sleep (measured: 100 to 300 ms at the 99th
 * percentile). Here all other threads let one that waits as `preferred` go
 * first; and a thread that has slept for the lock a few times in vain becomes
 * preferred.
 *
 * Zero is a lock that is free.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock_watch.h"

struct gn__lock {
    _Atomic uint32_t held;
    _Atomic uint32_t preferred;   /* how many wait as preferred */
    _Atomic uint32_t sleepers[2]; /* asleep, or about to be; [1] preferred */
    _Atomic uint32_t turn[2];     /* counts wake-ups; slept on */
    struct gn__lock_watch watch;
    uint64_t held_since; /* ns; 0: not watched */
};

void gn__lock_take(struct gn__lock *lock, bool preferred);
void gn__lock_give(struct gn__lock *lock);

/** The one that guards what a process has once: lwIP. */
struct gn__lock *gn__lock_process(void);

/* What never comes. */
#define GN__SPOT_NEVER UINT64_MAX

/**
 * A spot is a word where one thread sleeps until another wakes it: 0, or 1
 * when woken. It may be gone as soon as its thread has seen the 1. Both return
 * true if woken, false when @deadline_ns of CLOCK_MONOTONIC has come;
 * gn__spot_look() stays awake.
 */
bool gn__spot_sleep(_Atomic uint32_t *spot, uint64_t deadline_ns);
bool gn__spot_look(_Atomic uint32_t *spot, uint64_t deadline_ns);
void gn__spot_wake(_Atomic uint32_t *spot);

/** CLOCK_MONOTONIC. */
uint64_t gn__monotonic_ns(void);

/** How many processors this process may use. */
unsigned gn__processors(void);

#endif /* BASE_LOCK_H */
