/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_PLAY_H
#define GN_SIM_PLAY_H

/*
 * Plans that are under way. A machine behaves at a time by the settings it was
 * made with, and on top of them each fault that is on then, in the order in
 * which they began; so faults may overlap, and the end of one never has to undo
 * anything but itself.
 */
#include "sim/machine.h"
#include "sim/plan.h"

struct gn__play;

/** The end of all plans of a clock, with it. */
void gn__play_done(struct gn_clock *clock);

/** Groups or the walls between them have changed. */
void gn__play_regroup(struct gn_clock *clock);

/** Make a machine that is on what the faults of now say. */
void gn__play_apply(struct gn_machine *machine);

#endif /* GN_SIM_PLAY_H */
