/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_RUN_H
#define GN_SIM_RUN_H

/* What gn_clock_run() keeps: how a run ends, and its digest. */
#include <guestnet/sim.h>

#include <stdarg.h>

#include "base/siphash.h"
#include "namespace/namespace.h"

/** A look at one network's packets, for the digest. */
struct gn__run_hook {
    struct gn__list link;
    struct gn__capture_hook hook;
    struct gn_clock *clock;
};

struct gn__run {
    bool active;
    enum gn_sim_end end; /* GN_SIM_RUNNING: not yet */
    uint64_t still;      /* calls and engine entries since time moved */
    uint64_t still_max;
    uint64_t events; /* turns of the clock */
    struct gn__sipsum digest;
    struct gn__list hooks; /* struct gn__run_hook */
    char text[GN_SIM_TEXT_MAX];
};

void gn__run_init(struct gn__run *run, uint64_t still_max);
void gn__run_done(struct gn_clock *clock);

/** A look at a network that is about to be made (-ENOMEM); not made, it is
 *  dropped; made, it starts. It goes with the clock. */
GN_WARN_UNUSED int gn__run_hook_add(struct gn_clock *clock);
void gn__run_hook_drop(struct gn_clock *clock);
void gn__run_hook_start(struct gn_clock *clock, struct gn_network *net);

/** The run ends as failed. */
void gn__run_fail(struct gn_clock *clock, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** A line of the log that is no task's. */
void gn__run_note(struct gn_clock *clock, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** A task that was left by longjmp() cannot go on: the clock's run was left,
 *  too. Says which task it was, and aborts. */
void gn__run_check_left(void);

/** The engine is about to be entered, or another call was made, without the
 *  lock. Does not return for a task in which time stands still. */
void gn__run_entered(struct gn_clock *clock);
/** Time moves to @now, or a turn begins at it. */
void gn__run_turn(struct gn_clock *clock, uint64_t now);

#endif /* GN_SIM_RUN_H */
