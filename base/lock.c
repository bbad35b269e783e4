/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A thread that wants the lock and cannot have it spins shortly, where there is
 * more than one processor, and then sleeps on a counter of its class. The
 * thread that gives the lock back wakes one sleeper: a preferred one if there
 * is one, else a plain one, unless a preferred thread is on its way to the
 * lock: then that thread will wake the plain one.
 *
 * No wake-up is lost: a thread announces itself in `sleepers`, reads the
 * counter, and looks at the lock once more before it sleeps; the giver frees
 * the lock first and looks at `sleepers` then. All of these are sequentially
 * consistent, so one of the two sees the other.
 */
#include "base/lock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/counter.h"
#include "base/units.h"

/** Looks at a held lock before sleeping: a few microseconds. */
#define LOCK_SPINS 60u
/** Times slept in vain before a thread becomes preferred. */
#define LOCK_PATIENCE 3u

/* What a spot says while its thread sleeps there. */
#define SPOT_WOKEN  1u
#define SPOT_ASLEEP 2u

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

uint64_t gn__monotonic_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* Cannot fail. */
    return (uint64_t)ts.tv_sec * GN__NS_PER_S + (uint64_t)ts.tv_nsec;
}

unsigned gn__processors(void)
{
    static _Atomic unsigned known; /* Asked once; 0: not yet. */
    unsigned n = atomic_load_explicit(&known, memory_order_relaxed);
    cpu_set_t set;

    if (n)
        return n;
    /* It fails where there are more than a cpu_set_t holds. */
    n = sched_getaffinity(0, sizeof(set), &set) ? 2 : (unsigned)CPU_COUNT(&set);
    atomic_store_explicit(&known, n, memory_order_relaxed);
    return n;
}

/* Sleep while *word is value; returns for any reason. */
static void futex_wait(_Atomic uint32_t *word, uint32_t value,
                       uint64_t deadline_ns)
{
    struct timespec ts = {
        .tv_sec = (time_t)(deadline_ns / GN__NS_PER_S),
        .tv_nsec = (long)(deadline_ns % GN__NS_PER_S),
    };

    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                  value, deadline_ns == GN__SPOT_NEVER ? NULL : &ts, NULL,
                  FUTEX_BITSET_MATCH_ANY);
}

static void futex_wake_one(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL,
                  NULL, 0);
}

/* ---- the lock ---- */

/* Is this the only thread? Then no other can want the lock before this one has
 * made another, which then sees everything that this one wrote. Simulations run
 * so: a process for each seed. */
static bool is_alone(void)
{
#if __has_include(<sys/single_threaded.h>)
    return __libc_single_threaded != 0;
#else
    return false;
#endif
}

static bool is_available(struct gn__lock *lock, bool preferred)
{
    return !atomic_load(&lock->held) &&
           (preferred || !atomic_load(&lock->preferred));
}

static bool try_take(struct gn__lock *lock, bool preferred)
{
    uint32_t free = 0;

    return is_available(lock, preferred) &&
           atomic_compare_exchange_strong(&lock->held, &free, 1);
}

static bool spin_take(struct gn__lock *lock, bool preferred)
{
    unsigned i, spins = gn__processors() > 1 ? LOCK_SPINS : 1;

    for (i = 0; i < spins; i++) {
        if (try_take(lock, preferred))
            return true;
        pause_briefly();
    }
    return false;
}

static void sleep_for(struct gn__lock *lock, bool preferred)
{
    uint32_t turn;

    atomic_fetch_add(&lock->sleepers[preferred], 1);
    turn = atomic_load(&lock->turn[preferred]);
    if (!is_available(lock, preferred))
        futex_wait(&lock->turn[preferred], turn, GN__SPOT_NEVER);
    atomic_fetch_sub(&lock->sleepers[preferred], 1);
}

/* Apart, so that what is usual saves no registers. */
__attribute__((noinline)) static void take_slowly(struct gn__lock *lock,
                                                  bool preferred)
{
    unsigned sleeps;

    if (preferred)
        atomic_fetch_add(&lock->preferred, 1);
    for (sleeps = 1; !spin_take(lock, preferred); sleeps++) {
        sleep_for(lock, preferred);
        if (!preferred && sleeps == LOCK_PATIENCE) {
            preferred = true;
            atomic_fetch_add(&lock->preferred, 1);
        }
    }
    if (preferred)
        atomic_fetch_sub(&lock->preferred, 1);
}

static void lock_take(struct gn__lock *lock, bool preferred)
{
    if (is_alone() && !atomic_load_explicit(&lock->held, memory_order_relaxed))
        atomic_store_explicit(&lock->held, 1, memory_order_relaxed);
    else if (!try_take(lock, preferred))
        take_slowly(lock, preferred);
}

__attribute__((noinline)) static void take_watched(struct gn__lock *lock,
                                                   bool preferred)
{
    uint64_t asked = gn__monotonic_ns();

    lock_take(lock, preferred);
    lock->held_since = gn__monotonic_ns();
    if (preferred)
        gn__histogram_add(&lock->watch.waits, lock->held_since - asked);
}

void gn__lock_take(struct gn__lock *lock, bool preferred)
{
    if (atomic_load_explicit(&lock->watch.on, memory_order_relaxed))
        take_watched(lock, preferred);
    else
        lock_take(lock, preferred);
}

/* A thread sleeps, or is about to. */
__attribute__((noinline)) static void wake_sleeper(struct gn__lock *lock)
{
    unsigned class;

    if (atomic_load(&lock->sleepers[1]))
        class = 1;
    else if (atomic_load(&lock->sleepers[0]) && !atomic_load(&lock->preferred))
        class = 0;
    else
        return;
    atomic_fetch_add(&lock->turn[class], 1);
    futex_wake_one(&lock->turn[class]);
}

__attribute__((noinline)) static void end_watch(struct gn__lock *lock)
{
    gn__histogram_add(&lock->watch.holds,
                      gn__monotonic_ns() - lock->held_since);
    lock->held_since = 0;
}

void gn__lock_give(struct gn__lock *lock)
{
    if (lock->held_since)
        end_watch(lock);
    if (is_alone()) { /* No thread sleeps. */
        atomic_store_explicit(&lock->held, 0, memory_order_relaxed);
        return;
    }
    atomic_store(&lock->held, 0);
    if (atomic_load(&lock->sleepers[1]) || atomic_load(&lock->sleepers[0]))
        wake_sleeper(lock);
}

struct gn__lock *gn__lock_process(void)
{
    static struct gn__lock lock = {
        .turn = {GN__COUNT_FROM(uint32_t), GN__COUNT_FROM(uint32_t)},
    };

    return &lock;
}

/* ---- spots ---- */

static bool is_woken(_Atomic uint32_t *spot)
{
    return atomic_load_explicit(spot, memory_order_acquire) == SPOT_WOKEN;
}

bool gn__spot_look(_Atomic uint32_t *spot, uint64_t deadline_ns)
{
    unsigned i;

    do {
        for (i = 0; i < 8; i++) {
            if (is_woken(spot))
                return true;
            pause_briefly();
        }
    } while (gn__monotonic_ns() < deadline_ns);
    return false;
}

bool gn__spot_sleep(_Atomic uint32_t *spot, uint64_t deadline_ns)
{
    uint32_t expected = 0;

    if (!atomic_compare_exchange_strong(spot, &expected, SPOT_ASLEEP))
        return true;
    while (!is_woken(spot)) {
        if (deadline_ns != GN__SPOT_NEVER && gn__monotonic_ns() >= deadline_ns)
            break;
        futex_wait(spot, SPOT_ASLEEP, deadline_ns);
    }
    expected = SPOT_ASLEEP;
    return !atomic_compare_exchange_strong(spot, &expected, 0);
}

void gn__spot_wake(_Atomic uint32_t *spot)
{
    /* The spot may be gone right after; then this wakes no thread, or another
     * one in vain, and all threads that sleep look again. */
    if (atomic_exchange(spot, SPOT_WOKEN) == SPOT_ASLEEP)
        futex_wake_one(spot);
}
