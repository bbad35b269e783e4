/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_BASE_IO_H
#define GN_BASE_IO_H

/*
 * What code outside the engine may use of the thread that drives it: kernel
 * descriptors, timers, and calls on a later turn. Relays, published ports,
 * resolvers and whatever else talks to the kernel are written against this,
 * and so run under every driver that has descriptors; a virtual clock has
 * timers and turns only.
 *
 * Each network has one (gn__network_io()). All of it is for the driving thread,
 * without the engine's lock, and so are the functions that it calls. Nothing is
 * called from inside the call that asked for it: what is due is a task of the
 * account it names (base/sched.h), and has its turn when that has.
 *
 * When the network closes, every gn__io_end runs, newest first, on the driving
 * thread; after it returned its owner has no watch, timer or task left.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/sched.h"

struct gn__io;

/** Beside POLLIN and POLLOUT: tell of changes only (EPOLLET). The callback has
 *  to go on until -EAGAIN, or as epoll(7) says. Saves a system call each time
 *  interest changes. */
#define GN__IO_EDGE 0x4000

/** A kernel descriptor; embedded. Zero: not watched. */
struct gn__io_watch {
    /** @revents  POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLRDHUP. May
     *  unwatch any watch, also its own, and free it then. */
    void (*ready)(struct gn__io_watch *watch, short revents);
    struct gn__account *account; /* whose it is; NULL: the host program's */
    int fd;
    short events; /* what is asked for; 0: nothing, not even POLLHUP */
    /* The driver's own. */
    uint32_t slot; /* 0: not watched */
    void *set;
    struct gn__deferred task;
    uint32_t found_in; /* the run that queued the task */
    short revents;     /* found, not told yet; 0: the task is not queued */
    bool muted;        /* the kernel says nothing until it has been told */
};

/** A timer; embedded. Zero: not started. */
struct gn__io_timer {
    struct gn__heap_node node;
    void (*fire)(struct gn__io_timer *timer);
    struct gn__account *account; /* whose it is; NULL: the host program's */
    struct gn__deferred task;
    bool started;
    bool due; /* started, and its task is queued */
};

/** Told when the network closes; embedded. Zero: it asked for nothing. */
struct gn__io_end {
    struct gn__list link;
    void (*run)(struct gn__io_end *end);
};

/** What stands behind it (host/driver/io.c). */
struct gn__io_ops {
    uint64_t (*now)(struct gn__io *io);
    /** The first timer changed. */
    void (*rearm)(struct gn__io *io);
    /** Queue a task, or take it off its queue. */
    void (*queue)(struct gn__io *io, struct gn__deferred *task);
    void (*cancel)(struct gn__io *io, struct gn__deferred *task);
    int (*watch)(struct gn__io *io, struct gn__io_watch *watch, int fd,
                 short events);
    void (*unwatch)(struct gn__io *io, struct gn__io_watch *watch);
    void (*hold)(struct gn__io *io, int n);
    /** The ends have run; let go of @io. */
    void (*done)(struct gn__io *io);
};

struct gn__io {
    const struct gn__io_ops *ops;
    const struct gn__mem *mem;
    struct gn__heap timers;
    struct gn__list ends;
    struct gn__list lasts; /* struct gn__io_end, of a second time */
    bool running;          /* in gn__io_run(): its caller rearms */
    bool timers_only;      /* gn__io_watch() is always -ENOTSUP */
};

void gn__io_init(struct gn__io *io, const struct gn__io_ops *ops,
                 const struct gn__mem *mem);

/** The driver's time, ns. */
uint64_t gn__io_now(struct gn__io *io);

/**
 * Watch @fd, or change what is asked for (the same fd). watch->ready is set.
 *
 *   -ENOTSUP  The driver has no descriptors (a virtual clock).
 *   -EPERM    The descriptor cannot be polled: a regular file.
 *   -EEXIST   Another watch has the descriptor.
 *   -EBADF, -ENOMEM, -ENOSPC
 */
GN_WARN_UNUSED int gn__io_watch(struct gn__io *io, struct gn__io_watch *watch,
                                int fd, short events);
/** Stop; before the descriptor is closed. Does nothing if not watched. */
void gn__io_unwatch(struct gn__io *io, struct gn__io_watch *watch);

/** Start, or start again; timer->fire is set. @when: ns of gn__io_now(). */
void gn__io_start(struct gn__io *io, struct gn__io_timer *timer, uint64_t when);
void gn__io_stop(struct gn__io *io, struct gn__io_timer *timer);

/** Run task->run on a later turn; waiting already, it stays where it is. */
void gn__io_defer(struct gn__io *io, struct gn__deferred *task);
void gn__io_cancel(struct gn__io *io, struct gn__deferred *task);

void gn__io_at_end(struct gn__io *io, struct gn__io_end *end);
void gn__io_forget_end(struct gn__io_end *end);
/** Have it run once more, when nothing of the network is left: for what users
 *  may ask until then, and be answered that it has ended. */
void gn__io_at_last(struct gn__io *io, struct gn__io_end *end);

/** Something is going on that ought to keep uv_run() alive; release when it is
 *  over. They nest. */
void gn__io_hold(struct gn__io *io);
void gn__io_release(struct gn__io *io);

/** For host/driver/io.c: queue the timers that are due, at most @max. */
void gn__io_run(struct gn__io *io, unsigned max);
/** For host/driver/io.c: when the next timer is due, ns; UINT64_MAX. */
uint64_t gn__io_deadline(const struct gn__io *io);
/** For the code that closes the network: run the ends; and when nothing of it
 *  is left, the ends if there are any, those that asked to be last, and
 *  ops->done. */
void gn__io_end(struct gn__io *io);
void gn__io_done(struct gn__io *io);

#endif /* GN_BASE_IO_H */
