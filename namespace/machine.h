/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_MACHINE_H
#define GN_NAMESPACE_MACHINE_H

/*
 * What happens to a guest that plays a machine: its power is cut, it is
 * stopped, it is parted from others, its clock is wrong. All of them are for
 * any guest, whatever drives it, and without the lock.
 *
 * Groups are compared where a packet arrives at last, by the number of the
 * guest that made it, which the packet carries: so it is one look for each
 * packet, whatever the number of guests, and routers between them change
 * nothing.
 */
#include <stdbool.h>
#include <stdint.h>

#include <guestnet/export.h>

struct gn__engine;
struct gn_limits;
struct gn_namespace;

/** Groups of an engine; all begin in 0. */
#define GN__GROUPS_MAX 1024u

/** Which groups do not reach which: a bit for each pair. */
struct gn__walls {
    uint64_t blocked[GN__GROUPS_MAX * GN__GROUPS_MAX / 64];
};

static inline bool gn__walls_block(const struct gn__walls *walls, uint32_t from,
                                   uint32_t to)
{
    uint32_t bit = from * GN__GROUPS_MAX + to;

    return walls->blocked[bit / 64] >> bit % 64 & 1;
}

static inline void gn__walls_set(struct gn__walls *walls, uint32_t from,
                                 uint32_t to, bool block)
{
    uint32_t bit = from * GN__GROUPS_MAX + to;

    if (block)
        walls->blocked[bit / 64] |= UINT64_C(1) << bit % 64;
    else
        walls->blocked[bit / 64] &= ~(UINT64_C(1) << bit % 64);
}

/** What a driver knows it by, as long as it lives; NULL: nothing. */
void gn__ns_set_machine(struct gn_namespace *ns, void *machine);
void *gn__ns_machine(const struct gn_namespace *ns);

/** Zero fields are those of its network. */
void gn__ns_set_limits(struct gn_namespace *ns, const struct gn_limits *limits);

/** Below GN__GROUPS_MAX. */
void gn__ns_set_group(struct gn_namespace *ns, uint32_t group);

/** Nothing leaves its interfaces and nothing arrives there until it is let go:
 *  then what was held goes on, in order; up to GN__PORT_HELD_MAX packets of
 *  each interface, more are dropped. */
void gn__ns_hold(struct gn_namespace *ns, bool on);

/** Its clock gains @ppb billionths, from now on; above -1e9. What is begun
 *  then, time-outs of its calls and its timers, follows it; TCP does not. */
void gn__ns_set_drift(struct gn_namespace *ns, int32_t ppb);
/** What it takes for the time @now of the engine. */
uint64_t gn__ns_time(const struct gn_namespace *ns, uint64_t now);
/** How long the engine takes for what are @span ns to it; GN__NEVER. */
uint64_t gn__ns_span(const struct gn_namespace *ns, uint64_t span);

/** When @span ns of its clock will have passed; GN__NEVER. Under the lock. */
uint64_t gn__ns_deadline(const struct gn_namespace *ns, uint64_t span);
/** When its clock will be @time; GN__NEVER. Under the lock. */
uint64_t gn__ns_at(const struct gn_namespace *ns, uint64_t time);

/**
 * Cut its power: what gn_namespace_close() does with GN_CLOSE_SILENT, and
 * references to its sockets that calls of @holder's got are given back, because
 * their owner does not go on (gn__driver_ops.holder). @ns is consumed.
 */
void gn__ns_cut(struct gn_namespace *ns, const void *holder);

#endif /* GN_NAMESPACE_MACHINE_H */
