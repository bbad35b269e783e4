/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A timer that is due becomes a task of its account, and fires when the account
 * has its turn: an account with many timers keeps no other waiting.
 *
 * The driver behind an io is asked to rearm when the first timer changed, but
 * not when timers change while due ones are being queued: it looks at them
 * afterwards anyway.
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

static void timer_stop(struct gn__io *io, struct gn__io_timer *timer)
{
    if (!timer->started)
        return;
    if (timer->due)
        io->ops->cancel(io, &timer->task);
    else
        gn__heap_remove(&io->timers, &timer->node);
    timer->started = false;
    timer->due = false;
}

void gn__io_start(struct gn__io *io, struct gn__io_timer *timer, uint64_t when)
{
    uint64_t before = gn__io_deadline(io);

    timer_stop(io, timer);
    gn__heap_insert(&io->timers, &timer->node, when);
    timer->started = true;
    rearm_if_changed(io, before);
}

void gn__io_stop(struct gn__io *io, struct gn__io_timer *timer)
{
    uint64_t before = gn__io_deadline(io);

    timer_stop(io, timer);
    rearm_if_changed(io, before);
}

/* ---- tasks ---- */

void gn__io_defer(struct gn__io *io, struct gn__deferred *task)
{
    io->ops->queue(io, task);
}

void gn__io_cancel(struct gn__io *io, struct gn__deferred *task)
{
    io->ops->cancel(io, task);
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

    return first ? first->time : UINT64_MAX;
}

static void timer_run(struct gn__deferred *task)
{
    struct gn__io_timer *timer =
        gn__container_of(task, struct gn__io_timer, task);

    timer->started = false;
    timer->due = false;
    timer->fire(timer);
}

static void timer_queue(struct gn__io *io, struct gn__io_timer *timer)
{
    gn__heap_remove(&io->timers, &timer->node);
    timer->due = true;
    timer->task.run = timer_run;
    timer->task.account = timer->account;
    io->ops->queue(io, &timer->task);
}

void gn__io_run(struct gn__io *io, unsigned max)
{
    uint64_t now = io->ops->now(io);
    struct gn__heap_node *node;

    io->running = true;
    while (max-- && (node = gn__heap_first(&io->timers)) && node->time <= now)
        timer_queue(io, gn__container_of(node, struct gn__io_timer, node));
    io->running = false;
}
