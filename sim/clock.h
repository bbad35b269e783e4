/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_CLOCK_H
#define GN_SIM_CLOCK_H

/* What is inside a clock, for the files of this folder. */
#include <guestnet/sim.h>

#include "base/mem.h"
#include "base/rng.h"
#include "namespace/namespace.h"
#include "sim/run.h"
#include "sim/cosched.h"

struct gn_clock {
    struct gn__mem mem;
    struct gn__engine *engine;
    struct gn__rng rng;
    uint64_t now;
    uint32_t n_networks;
    bool closed;
    struct gn__cosched sched;
    uint32_t n_tasks;   /* but daemons */
    uint32_t last_task; /* for names */
    struct gn__run run; /* of gn_clock_run() */
    gn_sim_log_cb log;
    void *log_arg;
};

/** Run what is due next, at its time. */
void gn__clock_run_next(struct gn_clock *clock);

#endif /* GN_SIM_CLOCK_H */
