/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_CLOCK_H
#define GN_SIM_CLOCK_H

/* What is inside a clock, for the files of this folder. */
#include <guestnet/sim.h>

#include "base/heap.h"
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
    uint32_t n_tasks;             /* but daemons */
    uint32_t last_task;           /* for names */
    struct gn__run run;           /* of gn_clock_run() */
    struct gn__table machines;    /* struct gn_machine.by_name */
    struct gn__walls *walls;      /* between their groups; NULL: none yet */
    struct gn__walls *base_walls; /* of gn_partition_set(), without faults */
    struct gn__table marks;       /* struct gn__mark */
    struct gn__heap agenda;       /* struct gn__act */
    struct gn__play *play;        /* of plans; NULL: none */
    uint32_t n_awaited;           /* machines that will start, but daemons */
    gn_sim_log_cb log;
    void *log_arg;
};

/** Something that is done at a time, outside tasks and without the lock. */
struct gn__act {
    struct gn__heap_node node;
    void (*run)(struct gn__act *act); /* may free it */
};

/** Have it done at @when, or at once if that is past; until the clock ends. */
void gn__clock_plan(struct gn_clock *clock, struct gn__act *act, uint64_t when);

/** Run what is due next, at its time: what gn_clock_next_ns() says. */
void gn__clock_run_next(struct gn_clock *clock, uint64_t next);

#endif /* GN_SIM_CLOCK_H */
