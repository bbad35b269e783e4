/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Mutexes and condition variables of tasks, on the engine's waits: so they are
 * the same for threads and coroutines, know the network's time, and end with a
 * guest. What they guard is a task's own; that they take the engine's lock for
 * a moment costs less than a system call.
 */
#include <errno.h>
#include <string.h>

#include "sim/task.h"

/** In struct gn_mutex. */
struct mutex {
    struct gn_task *owner;
    struct gn__list waiters; /* struct gn__waiter; zero: none yet */
};

/** In struct gn_cond. */
struct cond {
    struct gn__list waiters;
};

_Static_assert(sizeof(struct mutex) <= sizeof(struct gn_mutex), "priv");
_Static_assert(sizeof(struct cond) <= sizeof(struct gn_cond), "priv");

/* Zero is a list without anything. */
static struct gn__list *ready_list(struct gn__list *list)
{
    if (!list->next)
        gn__list_init(list);
    return list;
}

static void wake_first(struct gn__engine *engine, struct gn__list *list)
{
    struct gn__list *it = gn__list_first(ready_list(list));

    if (it)
        gn__engine_wake(engine, gn__container_of(it, struct gn__waiter, link));
}

/* ---- under the engine's lock ---- */

struct wait {
    struct gn__waiter waiter;
    const struct mutex *mutex; /* NULL: it is for a condition */
};

static const char lock_call[] = "lock a mutex";

bool gn__mutex_is_awaited(struct gn__waiter *waiter,
                          const struct gn_task **owner)
{
    if (waiter->call != lock_call)
        return false;
    *owner = gn__container_of(waiter, struct wait, waiter)->mutex->owner;
    return true;
}

static int wait_on(struct gn_task *self, struct gn__list *list,
                   struct wait *wait, uint64_t deadline)
{
    gn__list_add_tail(ready_list(list), &wait->waiter.link);
    return gn__ns_wait(self->ns, &wait->waiter, deadline);
}

static int mutex_take(struct gn_task *self, struct mutex *mutex)
{
    int err = 0;

    if (mutex->owner == self)
        return -EDEADLK;
    while (!err && mutex->owner) {
        struct wait wait = {.waiter.call = lock_call, .mutex = mutex};

        err = wait_on(self, &mutex->waiters, &wait, GN__NEVER);
    }
    if (!err)
        mutex->owner = self;
    else if (!mutex->owner) /* Its wake-up was for the next one. */
        wake_first(gn__ns_engine(self->ns), &mutex->waiters);
    return err;
}

static void mutex_give(struct gn_task *self, struct mutex *mutex)
{
    mutex->owner = NULL;
    wake_first(gn__ns_engine(self->ns), &mutex->waiters);
}

/* ---- the calls ---- */

int gn_mutex_lock(struct gn_mutex *mutex)
{
    struct gn_task *self = gn__task_current();
    int err;

    if (!mutex)
        return -EINVAL;
    if (!self)
        return -EPERM;
    gn__engine_enter(gn__ns_engine(self->ns));
    err = mutex_take(self, (struct mutex *)mutex->priv);
    gn__engine_leave(gn__ns_engine(self->ns));
    return err;
}

void gn_mutex_unlock(struct gn_mutex *mutex)
{
    struct gn_task *self = gn__task_current();
    struct mutex *inner = (struct mutex *)(mutex ? mutex->priv : NULL);

    if (!inner || !self)
        return;
    gn__engine_enter(gn__ns_engine(self->ns));
    if (inner->owner == self)
        mutex_give(self, inner);
    gn__engine_leave(gn__ns_engine(self->ns));
}

static int cond_wait(struct gn_task *self, struct cond *cond,
                     struct mutex *mutex, uint64_t timeout_ns)
{
    uint64_t deadline =
        timeout_ns ? gn__ns_deadline(self->ns, timeout_ns) : GN__NEVER;
    struct wait wait = {.waiter.call = "wait for a condition"};
    int err, again;

    if (mutex->owner != self)
        return -EPERM;
    mutex_give(self, mutex);
    err = wait_on(self, &cond->waiters, &wait, deadline);
    again = mutex_take(self, mutex);
    return again ? again : err;
}

int gn_cond_wait(struct gn_cond *cond, struct gn_mutex *mutex,
                 uint64_t timeout_ns)
{
    struct gn_task *self = gn__task_current();
    int err;

    if (!cond || !mutex)
        return -EINVAL;
    if (!self)
        return -EPERM;
    gn__engine_enter(gn__ns_engine(self->ns));
    err = cond_wait(self, (struct cond *)cond->priv,
                    (struct mutex *)mutex->priv, timeout_ns);
    gn__engine_leave(gn__ns_engine(self->ns));
    return err;
}

static void cond_wake(struct gn_cond *cond, bool all)
{
    struct gn_task *self = gn__task_current();
    struct gn__list *waiters;
    struct gn__engine *engine;

    if (!cond || !self)
        return;
    waiters = &((struct cond *)cond->priv)->waiters;
    engine = gn__ns_engine(self->ns);
    gn__engine_enter(engine);
    do
        wake_first(engine, waiters);
    while (all && gn__list_first(waiters));
    gn__engine_leave(engine);
}

void gn_cond_signal(struct gn_cond *cond)
{
    cond_wake(cond, false);
}

void gn_cond_broadcast(struct gn_cond *cond)
{
    cond_wake(cond, true);
}
