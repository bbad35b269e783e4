/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Time and randomness as a guest has them: those of its network's driver, so
 * that a guest under a virtual clock can neither see the machine's time nor
 * draw a number the seed does not decide.
 */
#include <errno.h>

#include "namespace/internal.h"
#include "namespace/namespace.h"
#include "namespace/sock/sock.h"

/** Bytes drawn under one lock. */
#define RANDOM_AT_ONCE 4096u

uint64_t gn_now_ns(struct gn_namespace *ns)
{
    const struct gn__driver_ops *driver;

    if (!ns)
        return 0;
    driver = ns->engine->driver;
    if (driver->asked)
        driver->asked(ns->engine->driver_self);
    return gn__ns_time(ns, driver->now(ns->engine->driver_self));
}

struct sleeper {
    struct gn__wait wait;
    struct gn__waiter *waiter;
};

static void wake_sleeper(struct gn__wait *wait)
{
    struct gn_namespace *ns = wait->arg;
    struct sleeper *self = gn__container_of(wait, struct sleeper, wait);

    gn__engine_wake(ns->engine, self->waiter);
}

uint64_t gn__ns_deadline(const struct gn_namespace *ns, uint64_t span)
{
    uint64_t now = gn__now(ns->engine);

    span = gn__ns_span(ns, span);
    return span >= GN__NEVER - now ? GN__NEVER : now + span;
}

uint64_t gn__ns_at(const struct gn_namespace *ns, uint64_t time)
{
    uint64_t now = gn__ns_time(ns, gn__now(ns->engine));

    if (time == GN__NEVER)
        return GN__NEVER;
    return gn__ns_deadline(ns, time > now ? time - now : 0);
}

int gn__ns_wait(struct gn_namespace *ns, struct gn__waiter *waiter,
                uint64_t deadline)
{
    struct sleeper sleeper = {.wait = {.fire = wake_sleeper, .arg = ns},
                              .waiter = waiter};
    int err;

    if (ns->killed || ns->closing)
        err = -ECANCELED;
    else {
        gn__list_add_tail(&ns->sleepers, &sleeper.wait.link);
        err = gn__engine_wait(ns->engine, waiter, deadline);
        gn__list_del(&sleeper.wait.link);
        if (!err && (ns->killed || ns->closing))
            err = -ECANCELED;
    }
    if (waiter->link.next)
        gn__list_del(&waiter->link);
    return err;
}

void gn__ns_abandon(struct gn__waiter *waiter)
{
    gn__ns_unref(gn__container_of(waiter, struct gn__ns_waiter, waiter)->ns);
}

int gn_sleep_ns(struct gn_namespace *ns, uint64_t ns_to_sleep)
{
    struct gn__ns_waiter self = {
        .waiter = {.call = "sleep", .abandon = gn__ns_abandon}, .ns = ns};
    uint64_t until;
    int err;

    if (!ns)
        return -EFAULT;
    gn__engine_enter(ns->engine);
    gn__ns_ref(ns);
    until = gn__ns_deadline(ns, ns_to_sleep);
    err = gn__ns_wait(ns, &self.waiter, until);
    gn__ns_leave(ns);
    gn__ns_unref(ns);
    return err == -ETIMEDOUT ? 0 : err;
}

/* A little at a time, so that asking for much does not hold the lock. */
void gn_random(struct gn_namespace *ns, void *out, size_t len)
{
    uint8_t *at = out;
    size_t n;

    if (!ns || !out)
        return;
    for (; len > 0; at += n, len -= n) {
        n = len < RANDOM_AT_ONCE ? len : RANDOM_AT_ONCE;
        gn__engine_enter(ns->engine);
        gn__rng_fill(&ns->rng, at, n);
        gn__ns_leave(ns);
    }
}
