/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A network's struct gn__io on its engine: tasks are the engine's, and one
 * event and one deferred task are for the first timer, so that it runs wherever
 * callbacks run, in real time or on a clock. Descriptors are the driver's.
 */
#include "host/driver/drive.h"

#include <errno.h>

/** Timers that are queued before other callbacks have their turn. */
#define TIMERS_AT_ONCE 64u

struct host_io {
    struct gn__io io;
    struct gn__engine *engine; /* a reference */
    struct gn__mem mem;
    struct gn__event event;
    struct gn__deferred deferred;
    uint64_t armed; /* when event or deferred task come; UINT64_MAX: never */
    int n_holds;
    bool ended;
};

static struct host_io *of_io(struct gn__io *io)
{
    return gn__container_of(io, struct host_io, io);
}

static void io_disarm(struct host_io *self)
{
    gn__event_disarm(self->engine, &self->event);
    gn__deferred_cancel(self->engine, &self->deferred);
}

static void io_arm_again(struct host_io *self)
{
    uint64_t deadline = gn__io_deadline(&self->io);

    if (self->ended || deadline == self->armed)
        return;
    self->armed = deadline;
    gn__engine_enter(self->engine);
    io_disarm(self);
    if (deadline <= gn__now(self->engine))
        gn__deferred_queue(self->engine, &self->deferred);
    else if (deadline != UINT64_MAX)
        gn__event_arm(self->engine, &self->event, deadline);
    gn__engine_leave(self->engine);
}

static void io_fire(struct gn__event *event)
{
    struct host_io *self = gn__container_of(event, struct host_io, event);

    gn__deferred_queue(self->engine, &self->deferred);
}

static void io_run(struct gn__deferred *deferred)
{
    struct host_io *self = gn__container_of(deferred, struct host_io, deferred);

    self->armed = UINT64_MAX; /* It has come. */
    gn__io_run(&self->io, TIMERS_AT_ONCE);
    io_arm_again(self);
}

/* ---- what base/io.c asks for ---- */

static uint64_t io_now(struct gn__io *io)
{
    const struct gn__engine *engine = of_io(io)->engine;

    return engine->driver->now(engine->driver_self);
}

static void io_rearm(struct gn__io *io)
{
    io_arm_again(of_io(io));
}

static void io_queue(struct gn__io *io, struct gn__deferred *task)
{
    gn__engine_defer(of_io(io)->engine, task);
}

static void io_cancel(struct gn__io *io, struct gn__deferred *task)
{
    gn__engine_forget(of_io(io)->engine, task);
}

static int io_watch(struct gn__io *io, struct gn__io_watch *watch, int fd,
                    short events)
{
    const struct gn__engine *engine = of_io(io)->engine;

    if (!engine->driver->watch)
        return -ENOTSUP;
    return engine->driver->watch(engine->driver_self, watch, fd, events);
}

static void io_unwatch(struct gn__io *io, struct gn__io_watch *watch)
{
    const struct gn__engine *engine = of_io(io)->engine;

    engine->driver->unwatch(engine->driver_self, watch);
}

static void io_hold(struct gn__io *io, int n)
{
    struct host_io *self = of_io(io);
    const struct gn__engine *engine = self->engine;

    self->n_holds += n;
    if (engine->driver->hold)
        engine->driver->hold(engine->driver_self, n);
}

static void io_done(struct gn__io *io)
{
    struct host_io *self = of_io(io);
    struct gn__mem mem = self->mem;

    if (self->n_holds)
        io_hold(io, -self->n_holds);
    self->ended = true;
    gn__engine_enter(self->engine);
    io_disarm(self);
    gn__engine_leave(self->engine);
    gn__engine_unref(self->engine);
    gn__free(&mem, self, sizeof(*self));
}

static const struct gn__io_ops ops = {
    .now = io_now,
    .rearm = io_rearm,
    .queue = io_queue,
    .cancel = io_cancel,
    .watch = io_watch,
    .unwatch = io_unwatch,
    .hold = io_hold,
    .done = io_done,
};

static struct host_io *io_make(struct gn__engine *engine)
{
    struct host_io *self = gn__zalloc(&engine->net.mem, sizeof(*self));

    if (!self)
        return NULL;
    self->mem = engine->net.mem;
    self->engine = engine;
    gn__engine_ref(engine);
    gn__io_init(&self->io, &ops, &self->mem);
    self->io.timers_only = !engine->driver->watch;
    self->event.fire = io_fire;
    self->deferred.run = io_run;
    self->armed = UINT64_MAX;
    return self;
}

struct gn__io *gn__network_io(struct gn_network *net)
{
    struct gn__io *io = gn__network_get_io(net);
    struct host_io *self;

    if (io)
        return io;
    self = io_make(gn__network_engine(net));
    if (!self)
        return NULL;
    if (gn__network_set_io(net, &self->io)) {
        gn__engine_unref(self->engine);
        gn__free(&self->mem, self, sizeof(*self));
        return NULL;
    }
    return &self->io;
}

bool gn__network_has_descriptors(struct gn_network *net)
{
    const struct gn__io *io = gn__network_io(net);

    return !io || !io->timers_only;
}
