/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Tasks: a thread each, or under a clock a coroutine each. The parts that they
 * have in common are written once: which one runs, the result, and waiting for
 * the end, which is a wait on the engine in both.
 */
#include "sim/task.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/text.h"
#include "sim/clock.h"
#include "sim/machine.h"
#include "sim/sim.h"

static _Thread_local struct gn_task *thread_task;
static _Atomic uint32_t last_number;

struct gn_task *gn__task_of(struct gn__coroutine *coroutine)
{
    return gn__container_of(coroutine, struct gn_task, as.coroutine);
}

struct gn_task *gn__task_current(void)
{
    struct gn__coroutine *coroutine = gn__cosched_current();

    return coroutine ? gn__task_of(coroutine) : thread_task;
}

struct gn_namespace *gn_task_namespace(void)
{
    const struct gn_task *task = gn__task_current();

    return task ? task->ns : NULL;
}

const char *gn_task_name(void)
{
    const struct gn_task *task = gn__task_current();

    return task ? task->name : "";
}

/* ---- the end ---- */

void gn__task_unref(struct gn_task *task)
{
    struct gn_namespace *ns = task->ns;
    struct gn__engine *engine = gn__ns_engine(ns);

    if (!gn__ref_give(&task->refs))
        return;
    gn__engine_ref(engine);
    gn__machine_task_del(task);
    gn__free(gn__ns_mem(ns), task, sizeof(*task));
    gn__ns_unref(ns);
    gn__engine_unref(engine);
}

static void task_end(struct gn_task *task, bool stopped)
{
    struct gn__engine *engine = gn__ns_engine(task->ns);
    struct gn_machine *machine = task->machine;
    struct gn__list *it;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    task->ended = true;
    task->stopped = stopped;
    while ((it = gn__list_first(&task->joiners)))
        gn__engine_wake(engine, gn__container_of(it, struct gn__waiter, link));
    gn__engine_leave(engine);
    gn__task_unref(task);
    gn__engine_unref(engine);
    gn__machine_task_ended(machine);
}

/* ---- the two kinds ---- */

static void *thread_main(void *arg)
{
    struct gn_task *task = arg;

    thread_task = task;
    task->result = task->fn(task->arg);
    thread_task = NULL;
    task_end(task, false);
    return NULL;
}

static int thread_stack(pthread_attr_t *attr, size_t bytes)
{
    if (!bytes)
        return 0;
    if (bytes < (size_t)PTHREAD_STACK_MIN)
        bytes = (size_t)PTHREAD_STACK_MIN;
    return -pthread_attr_setstacksize(attr, (bytes + 4095) / 4096 * 4096);
}

static int thread_start(struct gn_task *task, size_t stack_bytes)
{
    pthread_attr_t attr;
    int err = pthread_attr_init(&attr);

    if (err)
        return -ENOMEM;
    err = thread_stack(&attr, stack_bytes);
    if (!err)
        err = -pthread_create(&task->as.thread, &attr, thread_main, task);
    (void)pthread_attr_destroy(&attr);
    return err;
}

static void coroutine_run(struct gn__coroutine *coroutine)
{
    struct gn_task *task = gn__task_of(coroutine);

    task->result = task->fn(task->arg);
}

static void coroutine_ended(struct gn__coroutine *coroutine, bool done)
{
    struct gn_task *task = gn__task_of(coroutine);

    if (!task->daemon)
        task->clock->n_tasks--;
    task_end(task, !done);
}

static int coroutine_start(struct gn_task *task, size_t stack_bytes)
{
    int err;

    task->as.coroutine.guest = task->ns;
    task->as.coroutine.run = coroutine_run;
    task->as.coroutine.ended = coroutine_ended;
    err = gn__cosched_start(&task->clock->sched, &task->as.coroutine,
                            stack_bytes ? stack_bytes : GN__COSTACK_DEFAULT);
    if (!err && !task->daemon)
        task->clock->n_tasks++;
    return err;
}

/* The caller's reference, and its thread. @joined: there is none, or it has
 * been joined. */
static void task_let_go(struct gn_task *task, bool joined)
{
    if (!task->clock && !joined)
        (void)pthread_detach(task->as.thread);
    task->handle_inside = false; /* Nothing of it is left for a crash. */
    gn__task_unref(task);
}

/* ---- starting ---- */

static void name_task(struct gn_task *task, const char *name)
{
    struct gn_clock *clock = task->clock;
    uint32_t n;

    if (name) {
        (void)snprintf(task->name, sizeof(task->name), "%s", name);
        return;
    }
    n = clock ? ++clock->last_task : atomic_fetch_add(&last_number, 1) + 1;
    (void)snprintf(task->name, sizeof(task->name), "task%u", n);
}

static int task_create(struct gn_namespace *ns,
                       const struct gn_task_config *config, gn_task_fn fn,
                       void *arg, bool handle, struct gn_task **out)
{
    struct gn_task *task = gn__zalloc(gn__ns_mem(ns), sizeof(*task));

    if (!task)
        return -ENOMEM;
    task->ns = ns;
    task->clock = gn__clock_of(gn__ns_engine(ns));
    task->fn = fn;
    task->arg = arg;
    task->daemon = config->daemon;
    gn__list_init(&task->joiners);
    name_task(task, config->name);
    gn__ref_init(&task->refs, 2);
    gn__ns_ref(ns);
    gn__machine_task_add(task, gn__task_current(), handle);
    *out = task;
    return 0;
}

int gn__stack_check(size_t stack_bytes, char *why, size_t why_len)
{
    if (!stack_bytes || stack_bytes >= GN__COSTACK_MIN)
        return 0;
    return gn__text_refuse(why, why_len,
                           "stack_bytes %zu: at least %u, or 0 for the default",
                           stack_bytes, GN__COSTACK_MIN);
}

static int task_check(const struct gn_namespace *ns,
                      const struct gn_task_config *config, gn_task_fn fn)
{
    if (!gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL;
    if (!ns || !fn)
        return gn__text_refuse(config->why, config->why_len, "%s is NULL",
                               ns ? "fn" : "ns");
    if (config->name && strlen(config->name) >= GN__TASK_NAME_ROOM)
        return gn__text_refuse(
            config->why, config->why_len, "name \"%s\": at most %u bytes",
            gn__text_quote(config->name, strlen(config->name)).text,
            GN__TASK_NAME_ROOM - 1);
    return gn__stack_check(config->stack_bytes, config->why, config->why_len);
}

int gn_task_start(struct gn_namespace *ns, const struct gn_task_config *config,
                  gn_task_fn fn, void *arg, struct gn_task **out)
{
    static const struct gn_task_config defaults = {.size = sizeof(defaults)};
    struct gn_task *task;
    int err;

    config = config ? config : &defaults;
    err = task_check(ns, config, fn);
    if (err)
        return err;
    if (gn__ns_is_over(ns))
        return -ECANCELED;
    err = task_create(ns, config, fn, arg, out != NULL, &task);
    if (err)
        return err;
    err = task->clock ? coroutine_start(task, config->stack_bytes)
                      : thread_start(task, config->stack_bytes);
    if (err) {
        struct gn_machine *machine = task->machine;

        gn__task_unref(task); /* The reference that would have been its own. */
        gn__machine_task_ended(machine);
    }
    if (!err && out)
        *out = task;
    else
        task_let_go(task, err != 0);
    return err;
}

/* ---- joining ---- */

struct join {
    struct gn__waiter waiter;
    struct gn_task *task;
};

static void join_abandon(struct gn__waiter *waiter)
{
    struct gn_task *task = gn__container_of(waiter, struct join, waiter)->task;

    task->handle_inside = false;
    gn__task_unref(task);
}

const struct gn_task *gn__task_joined(struct gn__waiter *waiter)
{
    return waiter->abandon == join_abandon
               ? gn__container_of(waiter, struct join, waiter)->task
               : NULL;
}

/* The end, or the end of the guest that waits for it. */
static int join_wait(struct gn_task *task)
{
    struct gn_task *self = gn__task_current();
    struct gn__engine *engine = gn__ns_engine(task->ns);
    int err = 0;

    gn__engine_enter(engine);
    while (!err && !task->ended) {
        struct join join = {.waiter = {.call = "join", .abandon = join_abandon},
                            .task = task};

        gn__list_add_tail(&task->joiners, &join.waiter.link);
        err = self && gn__ns_engine(self->ns) == engine
                  ? gn__ns_wait(self->ns, &join.waiter, GN__NEVER)
                  : gn__engine_wait(engine, &join.waiter, GN__NEVER);
    }
    if (!err && task->stopped)
        err = -ECANCELED;
    gn__engine_leave(engine);
    return err;
}

int gn_task_join(struct gn_task *task, int *result)
{
    int err;

    if (!task)
        return -EINVAL;
    if (task == gn__task_current())
        return -EDEADLK;
    err = join_wait(task);
    if (err == -EDEADLK)
        return err;
    if (!err && result)
        *result = task->result;
    if (!err && !task->clock) /* It has ended but for some instructions. */
        (void)pthread_join(task->as.thread, NULL);
    task_let_go(task, !err);
    return err;
}
