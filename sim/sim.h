/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_SIM_H
#define GN_SIM_SIM_H

/*
 * The clock as a driver, for gn_network_create().
 */
#include <guestnet/sim.h>

#include "namespace/namespace.h"

/** Count a network on the clock's engine; it is counted off when it is gone,
 *  or by gn__clock_give() if none was made. -ENOMEM. */
GN_WARN_UNUSED int gn__clock_take(struct gn_clock *clock);
void gn__clock_give(struct gn_clock *clock);
/** It was made: its packets count in the clock's digest. */
void gn__clock_watch(struct gn_clock *clock, struct gn_network *net);

struct gn__engine *gn__clock_engine(struct gn_clock *clock);

/** The clock that drives @engine, or NULL if another driver does. */
struct gn_clock *gn__clock_of(const struct gn__engine *engine);

/** Has a task come to gn_sim_reached(), or a chance come, of this name? */
bool gn__mark_is_reached(struct gn_clock *clock, const char *name);

/** What gn_sim_fail() does outside tasks, on this thread: @fail does not
 *  return. NULL: it aborts. */
void gn__sim_on_fail(void (*fail)(const char *text));

/** gn_sim_catch_overflow(); the text goes to @note as well (NULL: no). */
GN_WARN_UNUSED int gn__sim_catch_overflow(char *note, size_t cap);

#endif /* GN_SIM_SIM_H */
