/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Blocked threads look for their wake-up a while before they sleep: a hand over
 * by futex costs 18 to 50 us, by looking half a microsecond. How long they look
 * follows from how often that helped, or would have: two threads that answer
 * each other sleep for no longer than their hand-overs take, and once both look
 * there are none. Where even the longest time does not help, it begins anew
 * with the shortest. And never more threads look than there are processors to
 * spare.
 *
 * No thread looks while the machine has more to run than processors: it would
 * keep the thread it waits for from one of them (measured with one busy process
 * beside on two processors: bulk 20 Gbit/s instead of 55, a round trip 30 us
 * instead of 7). Nor does a patient thread, which waits for bulk: by the time
 * there is room again, the data that was moved outweighs a wake-up.
 */
#include "host/driver/realtime.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/lock.h"

/** The longest look for a wake-up, ns: what a hand-over by futex costs. */
#define SPIN_MAX_NS 50000u
#define SPIN_MIN_NS 1000u
/** A wait no longer than the hand-over to the other thread and back. */
#define SHORT_NS (2ull * SPIN_MAX_NS)

void gn__realtime_init(struct gn__realtime *rt)
{
    memset(rt, 0, sizeof(*rt));
    rt->n_processors = gn__processors();
    gn__load_init(&rt->load);
    atomic_init(&rt->spin_ns, SPIN_MIN_NS);
}

void gn__realtime_done(struct gn__realtime *rt)
{
    gn__load_done(&rt->load);
}

uint64_t gn__realtime_now(void *self)
{
    (void)self;
    return gn__monotonic_ns();
}

/* What is left when the system has no randomness to give: never seen. */
static void fill_poorly(uint8_t *out, size_t len)
{
    uint64_t key[2] = {gn__monotonic_ns(), (uint64_t)(uintptr_t)out};
    struct gn__rng rng;

    gn__rng_init(&rng, key, "poor", 4);
    gn__rng_fill(&rng, out, len);
}

void gn__realtime_random(void *self, void *out, size_t len)
{
    uint8_t *at = out;
    ssize_t n;

    (void)self;
    while (len) {
        n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fill_poorly(at, len);
            return;
        }
        at += n;
        len -= (size_t)n;
    }
}

/* The driver goes first, so that timers are on time. Not while its entries end
 * with packets left over: guests that answer each other for ever would keep it
 * at that, and all other threads from the lock. */
void gn__realtime_lock(void *self, bool driver)
{
    const struct gn__realtime *rt = self;

    gn__lock_take(gn__lock_process(), driver && !rt->busy);
}

void gn__realtime_unlock(void *self)
{
    (void)self;
    gn__lock_give(gn__lock_process());
}

/* How long to look this time; 0 if there is no processor for it. */
static uint32_t spin_begin(struct gn__realtime *rt, uint64_t now)
{
    if (gn__load_is_high(&rt->load, now))
        return 0;
    if (atomic_fetch_add(&rt->n_spinning, 1) + 1 < rt->n_processors)
        return atomic_load_explicit(&rt->spin_ns, memory_order_relaxed);
    atomic_fetch_sub(&rt->n_spinning, 1);
    return 0;
}

static uint32_t wait_longer(uint32_t spin)
{
    return spin + spin / 4 < SPIN_MAX_NS ? spin + spin / 4 : SPIN_MAX_NS;
}

static uint32_t wait_shorter(uint32_t spin)
{
    return spin - spin / 8 > SPIN_MIN_NS ? spin - spin / 8 : SPIN_MIN_NS;
}

/* Look for @spin ns; true if that was long enough. */
static bool wait_look(struct gn__realtime *rt, struct gn__parker *parker,
                      uint32_t spin, uint64_t start, uint64_t deadline)
{
    uint64_t end = deadline < start + spin ? deadline : start + spin;
    bool woken = gn__spot_look(&parker->woken, end);

    atomic_fetch_sub(&rt->n_spinning, 1);
    if (woken)
        atomic_store_explicit(&rt->spin_ns, wait_longer(spin),
                              memory_order_relaxed);
    return woken;
}

/* It was not: learn from how long it would have had to be. */
static void wait_learn(struct gn__realtime *rt, uint32_t spin, uint64_t waited)
{
    uint32_t next = wait_shorter(spin);

    if (waited < SHORT_NS)
        next = spin < SPIN_MAX_NS ? wait_longer(spin) : SPIN_MIN_NS;
    atomic_store_explicit(&rt->spin_ns, next, memory_order_relaxed);
}

int gn__realtime_park(void *self, struct gn__parker *parker, uint64_t deadline)
{
    struct gn__realtime *rt = self;
    uint64_t start = rt ? gn__monotonic_ns() : 0;
    uint32_t spin = rt && !parker->patient ? spin_begin(rt, start) : 0;

    if (spin && wait_look(rt, parker, spin, start, deadline))
        return 0;
    (void)gn__spot_sleep(&parker->woken, deadline);
    if (spin)
        wait_learn(rt, spin, gn__monotonic_ns() - start);
    return 0;
}

void gn__realtime_unpark(void *self, struct gn__parker *parker)
{
    (void)self;
    gn__spot_wake(&parker->woken);
}
