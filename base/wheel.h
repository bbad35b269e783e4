/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

/*
 * Deadlines by the hundred thousand: arm, re-arm and disarm cost O(1) and no
 * memory, and time may jump by weeks without walking the ticks between.
 *
 * Ticks are counted by the caller; how long one lasts is not known here. A
 * wheel stands at a tick; a node is due when the wheel may move to the node's
 * tick. Nodes come out by tick, and nodes of the same tick in the order in
 * which they were armed.
 *
 * A node that is due at a tick already reached counts as due at the present
 * one and comes out of the next gn__wheel_pop(). A caller that arms such nodes
 * while it pops must bound its own loop.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

#define GN__WHEEL_BITS   6
#define GN__WHEEL_SLOTS  (1u << GN__WHEEL_BITS)
#define GN__WHEEL_LEVELS 6

/* What gn__wheel_next() returns when nothing is armed. */
#define GN__WHEEL_NEVER UINT64_MAX

/* Zero is a node that is not armed. A member of what has the deadline. */
struct gn__wheel_node {
    struct gn__list link; /* next is NULL while not armed. */
    uint64_t tick;        /* Not before the tick the wheel stands at. */
};

struct gn__wheel {
    uint64_t now;
    uint64_t occupied[GN__WHEEL_LEVELS]; /* A bit for each slot in use. */
    struct gn__list slot[GN__WHEEL_LEVELS][GN__WHEEL_SLOTS];
    struct gn__list far; /* Too far ahead for the last level. */
};

/** An empty wheel that stands at now. It must not be moved in memory. */
void gn__wheel_init(struct gn__wheel *wheel, uint64_t now);

/** Make node due at tick, also when it is armed already. */
void gn__wheel_arm(struct gn__wheel *wheel, struct gn__wheel_node *node,
                   uint64_t tick);

/** Disarm node; nothing happens if it is not armed. */
void gn__wheel_disarm(struct gn__wheel *wheel, struct gn__wheel_node *node);

static inline bool gn__wheel_armed(const struct gn__wheel_node *node)
{
    return node->link.next != NULL;
}

/**
 * The tick to come back at: GN__WHEEL_NEVER if nothing is armed, else never
 * later than the first deadline. It is exact when the first deadline lies in
 * the block of 64 ticks the wheel stands in; else it may be early, and coming
 * back at it brings the exact one nearer, at most GN__WHEEL_LEVELS times.
 */
uint64_t gn__wheel_next(const struct gn__wheel *wheel);

/**
 * Take out one node that is due at now or before, or return NULL: then the
 * wheel stands at now. Call it until it returns NULL. The node is disarmed and
 * may be armed again.
 *
 * @now  Less than where the wheel stands counts as where it stands.
 */
struct gn__wheel_node *gn__wheel_pop(struct gn__wheel *wheel, uint64_t now);

#endif /* BASE_WHEEL_H */
