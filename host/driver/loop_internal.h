/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_DRIVER_LOOP_INTERNAL_H
#define GN_HOST_DRIVER_LOOP_INTERNAL_H

/*
 * What is inside a driver in real time.
 *
 *     loop.c      its life, rest and work, and the loop of ours
 *     loop_uv.c   its handles on a libuv loop of the caller's
 */
#include <stdatomic.h>

#include <uv.h>

#include "host/driver/loop.h"
#include "host/driver/pollset.h"
#include "host/driver/realtime.h"

/** On a loop of the caller's. All but the first can fail nowhere. */
struct gn__loop_uv {
    uv_loop_t *loop; /* borrowed */
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    unsigned n_handles; /* of these four, that are open */
};

struct gn__loop {
    struct gn__realtime rt; /* first: the driver's self is one */
    struct gn__loop *next;  /* in the list of those that are shared */
    enum gn_drive drive;
    struct gn_allocator alloc;
    bool own_alloc; /* alloc was given; else malloc() */
    struct gn__mem mem;
    struct gn__engine *engine;
    uint32_t n_shares; /* under the list's lock */
    int n_holds;
    struct gn__pollset set;
    struct gn__io_watch timer;
    uint64_t timer_at; /* when it comes; GN__NEVER */
    struct gn__io_watch waker;
    _Atomic uint32_t state;
    bool awake;          /* due again at once: it must not sleep */
    bool over;           /* the last share was given back */
    _Atomic bool ending; /* the same, said by another thread */
    _Atomic bool inside; /* a round is under way, or gn_network_run() */
    _Atomic(const char *) driving; /* a mark of the driving thread */
    void (*done)(void *arg);       /* its last act */
    void *done_arg;
    struct gn__loop_uv uv; /* GN_DRIVE_LOOP */
};

/* ---- loop.c ---- */

/** The calling thread is the driving thread from now on. */
void gn__loop_drive(struct gn__loop *loop);
/** From here on a kick need not wake any thread. */
void gn__loop_work(struct gn__loop *loop);
/** If the engine is due, run what is due and some callbacks; then rest. */
void gn__loop_turn(struct gn__loop *loop);
/** Leave it in such a state that the thread that polls its descriptor gets up
 *  in time. */
void gn__loop_rest(struct gn__loop *loop);
/** Its last act: everything is closed. */
void gn__loop_finish(struct gn__loop *loop);

/* ---- loop_uv.c ---- */

/** Open the handles; if it fails, none is. */
GN_WARN_UNUSED int gn__loop_uv_open(struct gn__loop *loop);
/** Close them; gn__loop_finish() follows. */
void gn__loop_uv_close(struct gn__loop *loop);
/** loop->awake has changed. */
void gn__loop_uv_awake(struct gn__loop *loop);
/** loop->n_holds has changed. */
void gn__loop_uv_hold(struct gn__loop *loop);

#endif /* GN_HOST_DRIVER_LOOP_INTERNAL_H */
