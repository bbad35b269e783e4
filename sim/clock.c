/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A clock is a driver whose time is a number. The thread that calls it is the
 * driving thread; between its calls nothing happens except for what socket
 * calls do at the time the clock shows.
 *
 * It still takes the process's lock, because clocks may run in several threads
 * and lwIP exists once.
 *
 * Tasks (task.c) are coroutines that it runs behind the callbacks of each time.
 *
 * Callbacks run inside the calls here and may close what they like, the last
 * network and the clock included, so each call keeps the engine while it runs.
 */
#include <guestnet/network.h>
#include <guestnet/sim.h>

#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "base/lock.h"
#include "base/rng.h"
#include "base/units.h"
#include "namespace/namespace.h"
#include "sim/clock.h"
#include "sim/machine.h"
#include "sim/mark.h"
#include "sim/play.h"
#include "sim/sim.h"

#define START_DEFAULT_NS  GN__NS_PER_S
#define SEED_DEFAULT      1u
#define MAX_STILL_DEFAULT 100000u

/* ---- the driver's operations ---- */

static uint64_t clock_now(void *self)
{
    const struct gn_clock *clock = self;

    return clock->now;
}

static void clock_random(void *self, void *out, size_t len)
{
    struct gn_clock *clock = self;

    gn__rng_fill(&clock->rng, out, len);
}

static void clock_asked(void *self)
{
    gn__run_entered(self);
}

static void clock_lock(void *self, bool driver)
{
    gn__run_entered(self);
    gn__lock_take(gn__lock_process(), driver);
}

static void clock_unlock(void *self)
{
    (void)self;
    gn__lock_give(gn__lock_process());
}

static int clock_park(void *self, struct gn__parker *parker, uint64_t deadline)
{
    struct gn_clock *clock = self;

    gn__run_check_left();
    return gn__cosched_park(&clock->sched, parker, deadline);
}

static void clock_unpark(void *self, struct gn__parker *parker)
{
    struct gn_clock *clock = self;

    gn__cosched_unpark(&clock->sched, parker);
}

static bool clock_may_park(void *self)
{
    const struct gn_clock *clock = self;

    return clock->sched.running != NULL;
}

static const void *clock_holder(void *self)
{
    (void)self;
    return gn_task_machine();
}

static void clock_kick(void *self, uint64_t deadline)
{
    (void)self;
    (void)deadline; /* It is asked for when time is to pass. */
}

static bool clock_is_driving(void *self)
{
    (void)self;
    return true;
}

/* Callbacks that are still due run now: time will not pass any more. Tasks do
 * not go on. */
static void clock_end(struct gn_clock *clock)
{
    gn__run_check_left();
    while (gn__engine_dispatch(clock->engine, 1))
        continue;
    gn__cosched_done(&clock->sched);
    gn__play_done(clock);
    gn__machines_done(clock);
    gn__marks_done(clock);
    gn__run_done(clock);
    gn__engine_unref(clock->engine);
}

static void clock_gone(void *self, void (*done)(void *arg), void *arg)
{
    struct gn_clock *clock = self;

    clock->n_networks--;
    if (!clock->n_networks && clock->closed)
        clock_end(clock);
    done(arg);
}

static void clock_released(void *self)
{
    struct gn_clock *clock = self;
    struct gn__mem mem = clock->mem;

    gn__free(&mem, clock, sizeof(*clock));
}

static const struct gn__driver_ops clock_ops = {
    .name = "clock",
    .now = clock_now,
    .random = clock_random,
    .asked = clock_asked,
    .lock = clock_lock,
    .unlock = clock_unlock,
    .park = clock_park,
    .unpark = clock_unpark,
    .kick = clock_kick,
    .is_driving = clock_is_driving,
    .may_park = clock_may_park,
    .holder = clock_holder,
    .gone = clock_gone,
    .released = clock_released,
};

int gn__clock_take(struct gn_clock *clock)
{
    int err = gn__run_hook_add(clock);

    if (!err)
        clock->n_networks++;
    return err;
}

void gn__clock_give(struct gn_clock *clock)
{
    gn__run_hook_drop(clock);
    clock->n_networks--;
}

void gn__clock_watch(struct gn_clock *clock, struct gn_network *net)
{
    gn__run_hook_start(clock, net);
}

struct gn__engine *gn__clock_engine(struct gn_clock *clock)
{
    return clock->engine;
}

struct gn_clock *gn__clock_of(const struct gn__engine *engine)
{
    return engine->driver == &clock_ops ? engine->driver_self : NULL;
}

struct gn_clock *gn_network_clock(struct gn_network *net)
{
    return net ? gn__clock_of(gn__network_engine(net)) : NULL;
}

/* ---- the public calls ---- */

int gn_clock_create(const struct gn_clock_config *config, struct gn_clock **out)
{
    static const struct gn_clock_config defaults = {.size = sizeof(defaults)};
    struct gn_clock *clock;
    struct gn__mem mem;
    uint64_t seed[2];
    int err;

    if (!config)
        config = &defaults;
    if (!out || !gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL;
    gn__mem_init(&mem, config->alloc);
    clock = gn__zalloc(&mem, sizeof(*clock));
    if (!clock)
        return -ENOMEM;
    clock->mem = mem;
    gn__cosched_init(&clock->sched);
    gn__run_init(&clock->run,
                 config->max_still ? config->max_still : MAX_STILL_DEFAULT);
    clock->log = config->log;
    clock->log_arg = config->log_arg;
    clock->now = config->start_ns ? config->start_ns : START_DEFAULT_NS;
    seed[0] = config->seed ? config->seed : SEED_DEFAULT;
    seed[1] = 0;
    gn__rng_init(&clock->rng, seed, "clock", 5);
    gn__machines_init(clock);
    gn__marks_init(clock);
    err = gn__engine_create(&clock_ops, clock, &gn__namespaces, config->alloc,
                            &clock->engine);
    if (err) {
        gn__free(&mem, clock, sizeof(*clock));
        return err;
    }
    *out = clock;
    return 0;
}

void gn_clock_close(struct gn_clock *clock)
{
    if (!clock || clock->closed)
        return;
    clock->closed = true;
    if (!clock->n_networks)
        clock_end(clock);
}

uint64_t gn_clock_now_ns(const struct gn_clock *clock)
{
    return clock ? clock->now : 0;
}

uint64_t gn_clock_next_ns(struct gn_clock *clock)
{
    const struct gn__heap_node *act;
    uint64_t next;

    if (!clock)
        return UINT64_MAX;
    next = gn__engine_deadline(clock->engine);
    act = gn__heap_first(&clock->agenda);
    if (act && act->time < next)
        next = act->time;
    if (gn__cosched_next(&clock->sched) < next)
        next = gn__cosched_next(&clock->sched);
    return next > clock->now ? next : clock->now;
}

void gn__clock_plan(struct gn_clock *clock, struct gn__act *act, uint64_t when)
{
    gn__heap_insert(&clock->agenda, &act->node, when);
}

static void run_agenda(struct gn_clock *clock)
{
    struct gn__heap_node *node;
    struct gn__act *act;

    while ((node = gn__heap_first(&clock->agenda)) &&
           node->time <= clock->now) {
        gn__heap_remove(&clock->agenda, node);
        act = gn__container_of(node, struct gn__act, node);
        act->run(act);
    }
}

/* One entry at the time of what is due next, the callbacks from it, and the
 * tasks that can go on. */
void gn__clock_run_next(struct gn_clock *clock, uint64_t next)
{
    gn__run_turn(clock, next);
    clock->now = next;
    if (gn__engine_deadline(clock->engine) <= next) {
        gn__engine_run(clock->engine);
        while (gn__engine_dispatch(clock->engine, 1))
            continue;
    }
    run_agenda(clock);
    gn__cosched_run(&clock->sched, clock->now);
}

void gn_clock_advance(struct gn_clock *clock, uint64_t ns)
{
    struct gn__engine *engine;
    uint64_t end_ns, next;

    if (!clock)
        return;
    engine = clock->engine;
    gn__engine_ref(engine);
    end_ns = clock->now + ns >= ns ? clock->now + ns : UINT64_MAX - 1;
    while ((next = gn_clock_next_ns(clock)) <= end_ns)
        gn__clock_run_next(clock, next);
    clock->now = end_ns;
    gn__engine_unref(engine);
}

bool gn_clock_step(struct gn_clock *clock)
{
    uint64_t next = gn_clock_next_ns(clock);
    struct gn__engine *engine;

    if (next == UINT64_MAX)
        return false;
    engine = clock->engine;
    gn__engine_ref(engine);
    gn__clock_run_next(clock, next);
    gn__engine_unref(engine);
    return true;
}

bool gn_clock_run_until(struct gn_clock *clock, uint64_t deadline_ns,
                        bool (*done)(void *arg), void *arg)
{
    struct gn__engine *engine;
    bool is_done;

    if (!clock || !done)
        return false;
    engine = clock->engine;
    gn__engine_ref(engine);
    while (!(is_done = done(arg))) {
        uint64_t next = gn_clock_next_ns(clock);

        if (next == UINT64_MAX)
            break;
        if (next > deadline_ns) {
            if (clock->now < deadline_ns)
                clock->now = deadline_ns;
            break;
        }
        gn__clock_run_next(clock, next);
    }
    gn__engine_unref(engine);
    return is_done;
}
