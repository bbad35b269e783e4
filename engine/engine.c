/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What happens in one entry, all of it at the one time read at its beginning:
 *
 *   1. the caller's operation, which may queue packets;
 *   2. packets due now, and every so often, or when there are none, those that
 *      arrive by now from links, then events, then the stacks' timers, each of
 *      which may queue more packets;
 *   3. the sockets that changed are told: their waiters are put on `wakes`;
 *   4. the next deadline is compared with the one the driver has.
 *
 * Where nothing is queued or due, which is usual of a call that waits or that
 * has found what it wanted, there is the last of these steps only.
 *
 * Step 2 moves GN__ENGINE_BUDGET packets and timers in all. No stack is trusted
 * to fall silent: what is left makes the deadline "now", and the driver goes
 * on, so that two guests that answer each other for ever cost others a share
 * of the time and nothing else.
 *
 * Packets due now wait in lanes, one for each sender, which have turns: what
 * one guest sends, or answers, or a storm of it that a group spreads, waits
 * behind its own. Packets of one sender keep their order, and so do those of a
 * flow.
 *
 * The driver is kicked only when the deadline moved earlier than the one it
 * sleeps for. Each TCP connection moves its own deadlines about with each
 * segment, but they are rounded to ticks, and the driver is not told of a later
 * one, so a busy connection kicks at most once a tick. Threads blocked in a
 * call are a second pair of eyes: one of them at a time, the standby, sleeps
 * not much longer than the next deadline and runs what the driver has not.
 */
#include "engine/engine.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/counter.h"

/** What the standby allows the driver to be late, ns. */
#define STANDBY_GRACE_NS 1000000ull
/** More callbacks wait than the driving thread ought to be behind. A thread
 *  that leaves then yields its processor, if its guest has queued some of them:
 *  here it does not hold the lock. Otherwise it would lose the processor
 *  somewhere in an entry, where all other threads wait for it. */
#define CROWD 8u
/** Packets of one lane before the next has its turn. */
#define LANE_TURN 8u
/** Descriptors updated at a time. */
#define N_HOOKS 16u

void gn__lane_init(struct gn__lane *lane)
{
    *lane = (struct gn__lane){.tail = &lane->head};
    gn__list_init(&lane->turn);
}

static void init_lists(struct gn__engine *engine)
{
    gn__list_init(&engine->lanes);
    gn__lane_init(&engine->own_lane);
    gn__heap_init(&engine->under_way);
    gn__heap_init(&engine->events);
    gn__list_init(&engine->changed);
    gn__sched_init(&engine->deferred);
    gn__list_init(&engine->wakes);
    gn__list_init(&engine->fds);
}

static size_t size_of(const struct gn__engine_user *user)
{
    return sizeof(struct gn__engine) + user->room;
}

int gn__engine_create(const struct gn__driver_ops *driver, void *driver_self,
                      const struct gn__engine_user *user,
                      const struct gn_allocator *alloc, struct gn__engine **out)
{
    struct gn__engine *engine;
    struct gn__mem mem;
    uint64_t seed[2], secret[2], key[2];
    int err;

    gn__mem_init(&mem, alloc);
    engine = gn__zalloc(&mem, size_of(user));
    if (!engine)
        return -ENOMEM;
    engine->driver = driver;
    engine->driver_self = driver_self;
    engine->user = user;
    gn__ref_init(&engine->refs, 1);
    atomic_init(&engine->next, GN__NEVER);
    atomic_init(&engine->armed, GN__NEVER);
    engine->last_generation = GN__COUNT_FROM(uint64_t);
    engine->under_way_max = SIZE_MAX;
    init_lists(engine);

    driver->random(driver_self, seed, sizeof(seed));
    gn__rng_init(&engine->rng, seed, "engine", 6);
    gn__rng_fill(&engine->rng, engine->key, sizeof(engine->key));
    gn__rng_fill(&engine->rng, secret, sizeof(secret));
    gn__rng_fill(&engine->rng, key, sizeof(key));
    err = gn__netstack_init(&engine->net, alloc, secret,
                            driver->now(driver_self));
    if (err) {
        gn__free(&mem, engine, size_of(user));
        return err;
    }
    if (user->init)
        user->init(engine, key);
    *out = engine;
    return 0;
}

/* The next packet due now, off its lane; NULL: there is none. */
static struct gn__packet *take_packet(struct gn__engine *engine)
{
    struct gn__list *first = gn__list_first(&engine->lanes);
    struct gn__lane *lane;
    struct gn__packet *packet;

    if (!first)
        return NULL;
    lane = gn__container_of(first, struct gn__lane, turn);
    packet = lane->head;
    lane->head = packet->next;
    lane->n--;
    engine->n_run--;
    packet->next = NULL;
    if (lane->head && ++engine->lane_turn < LANE_TURN)
        return packet;
    engine->lane_turn = 0;
    gn__list_del(&lane->turn);
    if (lane->head)
        gn__list_add_tail(&engine->lanes, &lane->turn);
    else
        lane->tail = &lane->head;
    return packet;
}

/* Packets that no network is left for. */
static void drop_packets(struct gn__engine *engine)
{
    struct gn__heap_node *node;
    struct gn__packet *packet;

    while ((packet = take_packet(engine)))
        gn__packet_free(packet);
    while ((node = gn__heap_pop(&engine->under_way)))
        gn__packet_free(gn__container_of(node, struct gn__packet, event));
}

static void engine_destroy(struct gn__engine *engine)
{
    const struct gn__driver_ops *driver = engine->driver;
    void *driver_self = engine->driver_self;
    struct gn__mem mem = engine->net.mem;

    drop_packets(engine);
    gn__sched_done(&engine->deferred);
    if (engine->user->done)
        engine->user->done(engine);
    gn__netstack_done(&engine->net);
    gn__free(&mem, engine, size_of(engine->user));
    driver->released(driver_self);
}

void gn__engine_ref(struct gn__engine *engine)
{
    gn__ref_take(&engine->refs);
}

void gn__engine_unref(struct gn__engine *engine)
{
    if (gn__ref_give(&engine->refs))
        engine_destroy(engine);
}

bool gn__engine_is_driving(const struct gn__engine *engine)
{
    return engine->driver->is_driving(engine->driver_self);
}

bool gn__engine_may_wait(const struct gn__engine *engine)
{
    const struct gn__driver_ops *driver = engine->driver;

    return !driver->is_driving(engine->driver_self) ||
           (driver->may_park && driver->may_park(engine->driver_self));
}

const void *gn__engine_holder(const struct gn__engine *engine)
{
    const struct gn__driver_ops *driver = engine->driver;

    return driver->holder ? driver->holder(engine->driver_self) : NULL;
}

bool gn__engine_claim(const struct gn__engine *engine)
{
    if (engine->driver->claim)
        engine->driver->claim(engine->driver_self);
    return gn__engine_is_driving(engine);
}

/* ---- queues ---- */

static struct gn__lane *lane_of(struct gn__engine *engine, void *gate)
{
    return gate ? gate : &engine->own_lane;
}

void gn__engine_post(struct gn__engine *engine, struct gn__packet *packet)
{
    struct gn__lane *lane = lane_of(engine, packet->from);

    packet->next = NULL;
    if (!lane->head)
        gn__list_add_tail(&engine->lanes, &lane->turn);
    *lane->tail = packet;
    lane->tail = &packet->next;
    lane->n++;
    engine->n_run++;
}

void gn__engine_post_at(struct gn__engine *engine, struct gn__packet *packet,
                        uint64_t when)
{
    engine->under_way_bytes += gn__packet_cost(packet);
    gn__heap_insert(&engine->under_way, &packet->event, when);
}

void gn__event_arm(struct gn__engine *engine, struct gn__event *event,
                   uint64_t when)
{
    gn__event_disarm(engine, event);
    gn__heap_insert(&engine->events, &event->node, when);
    event->armed = true;
}

void gn__event_disarm(struct gn__engine *engine, struct gn__event *event)
{
    if (!event->armed)
        return;
    gn__heap_remove(&engine->events, &event->node);
    event->armed = false;
}

void gn__deferred_queue(struct gn__engine *engine,
                        struct gn__deferred *deferred)
{
    gn__sched_queue(&engine->deferred, deferred);
}

void gn__deferred_cancel(struct gn__engine *engine,
                         struct gn__deferred *deferred)
{
    gn__sched_cancel(&engine->deferred, deferred);
}

/* ---- one entry ---- */

static bool run_packet(struct gn__engine *engine)
{
    struct gn__packet *packet = take_packet(engine);

    if (packet)
        engine->user->arrived(engine, packet);
    return packet != NULL;
}

static bool run_arrival(struct gn__engine *engine)
{
    struct gn__heap_node *node = gn__heap_first(&engine->under_way);
    struct gn__packet *packet;

    if (!node || node->time > engine->net.now)
        return false;
    gn__heap_remove(&engine->under_way, node);
    packet = gn__container_of(node, struct gn__packet, event);
    engine->under_way_bytes -= gn__packet_cost(packet);
    engine->user->arrived(engine, packet);
    return true;
}

static bool run_event(struct gn__engine *engine)
{
    struct gn__heap_node *node = gn__heap_first(&engine->events);
    struct gn__event *event;

    if (!node || node->time > engine->net.now)
        return false;
    event = gn__container_of(node, struct gn__event, node);
    gn__event_disarm(engine, event);
    event->fire(event);
    return true;
}

/* Takes what is due at a time. False: nothing is, and *@next is when the next
 * timer is. */
static bool run_timed(struct gn__engine *engine, uint64_t *next)
{
    if (run_arrival(engine) || run_event(engine))
        return true;
    *next = gn__netstack_deadline(&engine->net);
    if (*next > engine->net.now)
        return false;
    (void)gn__netstack_timers(&engine->net, 1); /* More: next round. */
    return true;
}

/* Run what is due, within the budget, half of which packets may use up before
 * the others are looked at; returns when the next timer is. */
static uint64_t run_due(struct gn__engine *engine)
{
    unsigned budget;
    uint64_t next;

    for (budget = GN__ENGINE_BUDGET; budget; budget--) {
        if (budget == GN__ENGINE_BUDGET / 2 && run_timed(engine, &next))
            continue;
        if (!run_packet(engine) && !run_timed(engine, &next))
            return next;
    }
    return gn__netstack_deadline(&engine->net);
}

static void tell_changed(struct gn__engine *engine)
{
    struct gn__list *node;

    while ((node = gn__list_pop(&engine->changed)))
        engine->user->changed(node);
}

static uint64_t timer_is_earlier(uint64_t next, const struct gn__heap *heap)
{
    const struct gn__heap_node *first = gn__heap_first(heap);

    return first && first->time < next ? first->time : next;
}

static uint64_t next_deadline(const struct gn__engine *engine, uint64_t timers)
{
    if (engine->n_run)
        return 0;
    return timer_is_earlier(timer_is_earlier(timers, &engine->under_way),
                            &engine->events);
}

void gn__engine_enter(struct gn__engine *engine)
{
    const struct gn__driver_ops *driver = engine->driver;
    uint64_t now;

    driver->lock(engine->driver_self, driver->is_driving(engine->driver_self));
    now = driver->now(engine->driver_self);
    /* Another thread may have read a later time before it got the lock. */
    if (now > engine->net.now)
        engine->net.now = now;
    engine->entries++;
}

static void wake_all(struct gn__engine *engine, struct gn__list *wakes)
{
    struct gn__list *node;

    while ((node = gn__list_pop(wakes))) {
        struct gn__waiter *waiter =
            gn__container_of(node, struct gn__waiter, link);

        /* The last touch: its thread may be gone right after. */
        engine->driver->unpark(engine->driver_self, &waiter->parker);
    }
}

/* Under the lock: some of what is to be done without it. */
static size_t take_unlock_hooks(struct gn__engine *engine,
                                struct gn__unlock_hook **hooks)
{
    struct gn__list *node;
    size_t n = 0;

    while (n < N_HOOKS && (node = gn__list_pop(&engine->fds))) {
        hooks[n] = gn__container_of(node, struct gn__unlock_hook, link);
        hooks[n]->take(hooks[n]);
        n++;
    }
    return n;
}

/* Without the lock: do it, and what there is more of. */
static void run_unlock_hooks(struct gn__engine *engine,
                             struct gn__unlock_hook **hooks, size_t n)
{
    size_t i;

    for (;;) {
        for (i = 0; i < n; i++)
            hooks[i]->run(hooks[i]);
        if (n < N_HOOKS)
            return;
        engine->driver->lock(engine->driver_self, false);
        n = take_unlock_hooks(engine, hooks);
        engine->driver->unlock(engine->driver_self);
    }
}

/*
 * Whether the driver must be told of @next, and remember what it will know. On
 * its own thread it looks before it sleeps, but it need not be awake there: its
 * thread may be in code of a loop that others share, or in none of a loop.
 */
static bool arm_driver(struct gn__engine *engine, uint64_t next)
{
    uint64_t armed = atomic_load_explicit(&engine->armed, memory_order_relaxed);

    if (next >= armed && !gn__engine_is_driving(engine))
        return false;
    atomic_store_explicit(&engine->armed, next, memory_order_relaxed);
    return next < armed;
}

/* Does a thread that leaves give up its processor? One whose guest has no more
 * than one callback waiting keeps it: it does not pay for what others do. */
static bool is_crowded(const struct gn__engine *engine,
                       const struct gn__account *account)
{
    return engine->deferred.n > CROWD &&
           (!account || gn__account_is_busy(account));
}

/* Has the caller's operation left nothing to be done but, in time, what is due
 * then? */
static bool is_quiet(const struct gn__engine *engine)
{
    return !engine->n_run && !engine->deferred.n &&
           gn__list_empty(&engine->changed) && gn__list_empty(&engine->wakes) &&
           gn__list_empty(&engine->fds);
}

static void leave_quietly(struct gn__engine *engine, uint64_t next)
{
    const struct gn__driver_ops *driver = engine->driver;
    bool kick;

    atomic_store_explicit(&engine->next, next, memory_order_relaxed);
    kick = arm_driver(engine, next);
    driver->unlock(engine->driver_self);
    if (kick)
        driver->kick(engine->driver_self, next);
}

/* Apart, so that what is usual saves no registers. */
__attribute__((noinline)) static void leave_busily(
    struct gn__engine *engine, const struct gn__account *account)
{
    const struct gn__driver_ops *driver = engine->driver;
    struct gn__unlock_hook *hooks[N_HOOKS];
    struct gn__list wakes;
    size_t n_hooks;
    uint64_t next;
    bool kick, crowded;

    next = run_due(engine);
    tell_changed(engine);
    next = next_deadline(engine, next);
    atomic_store_explicit(&engine->next, next, memory_order_relaxed);
    if (engine->deferred.n)
        next = 0;
    crowded = is_crowded(engine, account);
    kick = arm_driver(engine, next);
    gn__list_init(&wakes);
    gn__list_splice(&wakes, &engine->wakes);
    n_hooks = take_unlock_hooks(engine, hooks);
    driver->unlock(engine->driver_self);

    wake_all(engine, &wakes);
    run_unlock_hooks(engine, hooks, n_hooks);
    if (kick)
        driver->kick(engine->driver_self, next);
    if (crowded && !gn__engine_is_driving(engine))
        (void)sched_yield();
}

void gn__engine_leave_for(struct gn__engine *engine,
                          const struct gn__account *account)
{
    uint64_t next;

    if (is_quiet(engine)) {
        next = next_deadline(engine, gn__netstack_deadline(&engine->net));
        if (next > engine->net.now) {
            leave_quietly(engine, next);
            return;
        }
    }
    leave_busily(engine, account);
}

void gn__engine_leave(struct gn__engine *engine)
{
    gn__engine_leave_for(engine, NULL);
}

void gn__engine_yield(struct gn__engine *engine)
{
    if (gn__engine_deadline(engine) == 0 && !gn__engine_is_driving(engine))
        (void)sched_yield();
}

/* ---- for drivers ---- */

uint64_t gn__engine_deadline(const struct gn__engine *engine)
{
    return atomic_load_explicit(&engine->armed, memory_order_relaxed);
}

bool gn__engine_is_behind(const struct gn__engine *engine)
{
    return atomic_load_explicit(&engine->next, memory_order_relaxed) == 0;
}

void gn__engine_run(struct gn__engine *engine)
{
    gn__engine_enter(engine);
    gn__engine_leave(engine);
}

void gn__engine_defer(struct gn__engine *engine, struct gn__deferred *deferred)
{
    const struct gn__driver_ops *driver = engine->driver;
    bool kick;

    driver->lock(engine->driver_self, true);
    gn__sched_queue(&engine->deferred, deferred);
    kick = arm_driver(engine, 0);
    driver->unlock(engine->driver_self);
    if (kick)
        driver->kick(engine->driver_self, 0);
}

void gn__engine_forget(struct gn__engine *engine, struct gn__deferred *deferred)
{
    const struct gn__driver_ops *driver = engine->driver;

    driver->lock(engine->driver_self, true);
    gn__sched_cancel(&engine->deferred, deferred);
    driver->unlock(engine->driver_self);
}

/* The time of the last task is charged, and the next one taken. */
static struct gn__deferred *next_deferred(struct gn__engine *engine,
                                          bool may_run, uint64_t took_ns)
{
    const struct gn__driver_ops *driver = engine->driver;
    struct gn__deferred *deferred;

    driver->lock(engine->driver_self, true);
    gn__sched_charge(&engine->deferred, took_ns);
    deferred = may_run ? gn__sched_pick(&engine->deferred) : NULL;
    engine->dispatching = deferred != NULL;
    driver->unlock(engine->driver_self);
    return deferred;
}

bool gn__engine_dispatch(struct gn__engine *engine, unsigned max)
{
    const struct gn__driver_ops *driver = engine->driver;
    uint64_t start = driver->now(engine->driver_self);
    uint64_t from, now = start;
    struct gn__deferred *deferred;
    unsigned n;

    from = now;
    for (n = 0;; n++) {
        deferred = next_deferred(
            engine, n < max && now - start < GN__ENGINE_TURN_NS, now - from);
        if (!deferred)
            return n > 0;
        from = now;
        deferred->run(deferred);
        now = driver->now(engine->driver_self);
    }
}

/* ---- waiting ---- */

void gn__engine_wake(struct gn__engine *engine, struct gn__waiter *waiter)
{
    struct gn__waiter *sleeper = waiter->chief ? waiter->chief : waiter;

    if (waiter->fired)
        *waiter->fired = true;
    if (waiter != sleeper && waiter->link.next)
        gn__list_del(&waiter->link);
    if (sleeper->waking)
        return; /* It may be on engine->wakes: a second reason is no other. */
    sleeper->waking = true;
    if (sleeper->link.next)
        gn__list_del(&sleeper->link);
    gn__list_add_tail(&engine->wakes, &sleeper->link);
}

/* Sleep once, outside the engine. */
static int sleep_once(struct gn__engine *engine, struct gn__waiter *waiter,
                      uint64_t deadline)
{
    const struct gn__driver_ops *driver = engine->driver;
    uint64_t wake_at = deadline;
    bool standby = !engine->standby && !driver->may_park; /* It drives. */
    int err;

    if (standby)
        engine->standby = waiter;
    gn__engine_leave(engine);
    if (standby) {
        uint64_t next =
            atomic_load_explicit(&engine->next, memory_order_relaxed);

        if (next < GN__NEVER - STANDBY_GRACE_NS &&
            next + STANDBY_GRACE_NS < wake_at)
            wake_at = next + STANDBY_GRACE_NS;
    }
    err = driver->park(engine->driver_self, &waiter->parker, wake_at);
    gn__engine_enter(engine);
    if (engine->standby == waiter)
        engine->standby = NULL;
    return err;
}

int gn__engine_wait(struct gn__engine *engine, struct gn__waiter *waiter,
                    uint64_t deadline)
{
    int err = 0;

    if (!gn__engine_may_wait(engine))
        err = -EDEADLK;
    while (!err && !waiter->waking && engine->net.now < deadline)
        err = sleep_once(engine, waiter, deadline);
    /* The thread that wakes it still holds its parker; that takes no time. */
    while (waiter->waking &&
           !atomic_load_explicit(&waiter->parker.woken, memory_order_acquire))
        (void)sleep_once(engine, waiter, GN__NEVER); /* Ends when woken. */
    if (waiter->link.next)
        gn__list_del(&waiter->link);
    if (waiter->waking)
        return 0;
    return err ? err : -ETIMEDOUT;
}
