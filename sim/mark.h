/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_MARK_H
#define GN_SIM_MARK_H

/* The named points of a clock's tasks: gn_sim_chance(), gn_sim_reached(). */
#include "base/rng.h"
#include "base/table.h"

struct gn_clock;

/** Names of a clock; more are not noticed, and their chances never come. */
#define GN__MARKS_MAX 4096u

struct gn__mark {
    struct gn__table_node node; /* in the order in which they were met */
    char name[64];
    struct gn__rng rng;
    bool is_on; /* its chance may come under this seed */
    uint64_t n_reached;
};

void gn__marks_init(struct gn_clock *clock);
void gn__marks_done(struct gn_clock *clock);

#endif /* GN_SIM_MARK_H */
