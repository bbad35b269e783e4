/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Timers and turns. What is deferred while tasks run has its turn next time,
 * and a timer that starts itself again is fired by the same run only as long
 * as @max allows: nothing here can keep descriptors from being looked at.
 *
 * Whoever stands behind it is asked to rearm when the first of them changed,
 * and not for what changes while they run: it looks afterwards anyway.
 */
#include "base/io.h"

#include <string.h>

void gn__io_init(struct gn__io *io, const struct gn__io_ops *ops,
                 const struct gn__mem *mem)
{
    memset(io, 0, sizeof(*io));
    io->ops = ops;
    io->mem = mem;
    gn__heap_init(&io->timers);
    gn__list_init(&io->tasks);
    gn__list_init(&io->ends);
    gn__list_init(&io->lasts);
}

uint64_t gn__io_now(struct gn__io *io)
{
    return io->ops->now(io);
}

/* ---- descriptors ---- */

int gn__io_watch(struct gn__io *io, struct gn__io_watch *watch, int fd,
                 short events)
{
    return io->ops->watch(io, watch, fd, events);
}

void gn__io_unwatch(struct gn__io *io, struct gn__io_watch *watch)
{
    if (watch->slot)
        io->ops->unwatch(io, watch);
}

/* ---- timers ---- */

static void rearm_if_changed(struct gn__io *io, uint64_t before)
{
    if (!io->running && gn__io_deadline(io) != before)
        io->ops->rearm(io);
}

static void stop(struct gn__io *io, struct gn__io_timer *timer)
{
    if (!timer->started)
        return;
    gn__heap_remove(&io->timers, &timer->node);
    timer->started = false;
}

void gn__io_start(struct gn__io *io, struct gn__io_timer *timer, uint64_t when)
{
    uint64_t before = gn__io_deadline(io);

    stop(io, timer);
    gn__heap_insert(&io->timers, &timer->node, when);
    timer->started = true;
    rearm_if_changed(io, before);
}

void gn__io_stop(struct gn__io *io, struct gn__io_timer *timer)
{
    uint64_t before = gn__io_deadline(io);

    stop(io, timer);
    rearm_if_changed(io, before);
}

/* ---- tasks ---- */

void gn__io_defer(struct gn__io *io, struct gn__io_task *task)
{
    uint64_t before = gn__io_deadline(io);

    if (!task->link.next)
        gn__list_init(&task->link);
    if (!gn__list_empty(&task->link))
        return;
    gn__list_add_tail(&io->tasks, &task->link);
    rearm_if_changed(io, before);
}

void gn__io_cancel(struct gn__io *io, struct gn__io_task *task)
{
    uint64_t before = gn__io_deadline(io);

    if (!task->link.next)
        return;
    gn__list_del(&task->link);
    rearm_if_changed(io, before);
}

/* ---- the end ---- */

void gn__io_at_end(struct gn__io *io, struct gn__io_end *end)
{
    gn__list_add_head(&io->ends, &end->link);
}

void gn__io_forget_end(struct gn__io_end *end)
{
    if (end->link.next)
        gn__list_del(&end->link);
}

void gn__io_at_last(struct gn__io *io, struct gn__io_end *end)
{
    gn__list_add_head(&io->lasts, &end->link);
}

static void run_all(struct gn__list *ends)
{
    struct gn__list *node;

    while ((node = gn__list_pop(ends))) {
        struct gn__io_end *end =
            gn__container_of(node, struct gn__io_end, link);

        end->run(end);
    }
}

void gn__io_end(struct gn__io *io)
{
    run_all(&io->ends);
}

void gn__io_done(struct gn__io *io)
{
    gn__io_end(io);
    run_all(&io->lasts);
    io->ops->done(io);
}

/* ---- holding ---- */

void gn__io_hold(struct gn__io *io)
{
    io->ops->hold(io, 1);
}

void gn__io_release(struct gn__io *io)
{
    io->ops->hold(io, -1);
}

/* ---- running ---- */

uint64_t gn__io_deadline(const struct gn__io *io)
{
    const struct gn__heap_node *first = gn__heap_first(&io->timers);

    if (!gn__list_empty(&io->tasks))
        return 0;
    return first ? first->time : UINT64_MAX;
}

static void run_timers(struct gn__io *io, unsigned max)
{
    uint64_t now = io->ops->now(io);
    struct gn__heap_node *node;

    while (max-- && (node = gn__heap_first(&io->timers)) && node->time <= now) {
        struct gn__io_timer *timer =
            gn__container_of(node, struct gn__io_timer, node);

        stop(io, timer);
        timer->fire(timer);
    }
}

static void run_tasks(struct gn__io *io, unsigned max)
{
    struct gn__list turn, *node;

    gn__list_init(&turn);
    gn__list_splice(&turn, &io->tasks);
    while (max-- && (node = gn__list_pop(&turn))) {
        struct gn__io_task *task =
            gn__container_of(node, struct gn__io_task, link);

        task->run(task);
    }
    gn__list_splice(&turn, &io->tasks); /* What is left goes first. */
    gn__list_splice(&io->tasks, &turn);
}

bool gn__io_run(struct gn__io *io, unsigned max)
{
    io->running = true;
    run_timers(io, max);
    run_tasks(io, max);
    io->running = false;
    return gn__io_deadline(io) <= io->ops->now(io);
}
