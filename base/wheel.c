/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Level L has 64 slots of 64^L ticks each. A node is kept on the level of the
 * highest group of six bits in which its tick differs from where the wheel
 * stands, in the slot that these six bits of its tick number; a node whose tick
 * differs above the last level is on the far list. It follows that
 *
 *  - all of level L is due before all of level L + 1, and a level's slots are
 *    due by number: the first occupied slot of the lowest occupied level is
 *    where the first deadline is, found by two bit scans;
 *  - above level 0 the slot in which the wheel stands is empty. The wheel may
 *    move to the start of the next occupied slot without touching any other
 *    node; there the slot's nodes are put again, each on a lower level;
 *  - all nodes of one tick are in one slot, whenever they were armed, and are
 *    kept in the order of arming through each move.
 *
 * The far list is searched from start to end, but only once all levels are
 * empty: with ticks of 25 ms what is on it is 54 years ahead.
 *
 * So a jump costs the moves of the slots it meets, never the ticks between, and
 * each node is moved at most once for each level.
 */
#include "base/wheel.h"

#include <assert.h>
#include <stddef.h>

#define SPAN_BITS (GN__WHEEL_BITS * GN__WHEEL_LEVELS)
#define SLOT_MASK (GN__WHEEL_SLOTS - 1)

static_assert(GN__WHEEL_SLOTS == 64, "a level's slots are the bits of a word");
static_assert(SPAN_BITS < 64, "there is a tick beyond the last level");

void gn__wheel_init(struct gn__wheel *wheel, uint64_t now)
{
    wheel->now = now;
    for (unsigned level = 0; level < GN__WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned i = 0; i < GN__WHEEL_SLOTS; i++)
            gn__list_init(&wheel->slot[level][i]);
    }
    gn__list_init(&wheel->far);
}

/* GN__WHEEL_LEVELS stands for the far list. */
static unsigned level_of(const struct gn__wheel *wheel, uint64_t tick)
{
    uint64_t differs = tick ^ wheel->now;

    if (differs >> SPAN_BITS)
        return GN__WHEEL_LEVELS;
    return (63 - (unsigned)__builtin_clzll(differs | 1)) / GN__WHEEL_BITS;
}

static unsigned slot_of(uint64_t tick, unsigned level)
{
    return (tick >> (GN__WHEEL_BITS * level)) & SLOT_MASK;
}

static void wheel_put(struct gn__wheel *wheel, struct gn__wheel_node *node)
{
    unsigned level = level_of(wheel, node->tick);
    unsigned slot = slot_of(node->tick, level);

    if (level == GN__WHEEL_LEVELS) {
        gn__list_add_tail(&wheel->far, &node->link);
        return;
    }
    gn__list_add_tail(&wheel->slot[level][slot], &node->link);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void gn__wheel_arm(struct gn__wheel *wheel, struct gn__wheel_node *node,
                   uint64_t tick)
{
    gn__wheel_disarm(wheel, node);
    node->tick = tick < wheel->now ? wheel->now : tick;
    wheel_put(wheel, node);
}

void gn__wheel_disarm(struct gn__wheel *wheel, struct gn__wheel_node *node)
{
    unsigned level, slot;

    if (!gn__wheel_armed(node))
        return;
    gn__list_del(&node->link);
    node->link.next = NULL;
    level = level_of(wheel, node->tick);
    if (level == GN__WHEEL_LEVELS)
        return;
    slot = slot_of(node->tick, level);
    if (gn__list_empty(&wheel->slot[level][slot]))
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
}

/* The start of the level's first occupied slot. */
static uint64_t first_slot_tick(const struct gn__wheel *wheel, unsigned level)
{
    unsigned shift = GN__WHEEL_BITS * level;
    uint64_t slot = (uint64_t)__builtin_ctzll(wheel->occupied[level]);
    uint64_t block = wheel->now >> shift & ~(uint64_t)SLOT_MASK;

    return (block | slot) << shift;
}

/* The start of the first span in which something on the far list is due. */
static uint64_t first_far_tick(const struct gn__wheel *wheel)
{
    uint64_t first = GN__WHEEL_NEVER;
    struct gn__list *it;

    if (gn__list_empty(&wheel->far))
        return GN__WHEEL_NEVER;
    gn__list_foreach (it, &wheel->far) {
        struct gn__wheel_node *node =
            gn__container_of(it, struct gn__wheel_node, link);

        first = node->tick < first ? node->tick : first;
    }
    return first >> SPAN_BITS << SPAN_BITS;
}

uint64_t gn__wheel_next(const struct gn__wheel *wheel)
{
    for (unsigned level = 0; level < GN__WHEEL_LEVELS; level++) {
        if (wheel->occupied[level])
            return first_slot_tick(wheel, level);
    }
    return first_far_tick(wheel);
}

static void put_all(struct gn__wheel *wheel, struct gn__list *list)
{
    struct gn__list moved, *it;

    gn__list_init(&moved);
    gn__list_splice(&moved, list);
    while ((it = gn__list_pop(&moved)))
        wheel_put(wheel, gn__container_of(it, struct gn__wheel_node, link));
}

/* Moves the wheel to a tick before which no slot starts that is occupied. */
static void move_to(struct gn__wheel *wheel, uint64_t tick)
{
    uint64_t from = wheel->now;

    wheel->now = tick;
    if ((from ^ tick) >> SPAN_BITS)
        put_all(wheel, &wheel->far);
    for (unsigned level = GN__WHEEL_LEVELS - 1; level > 0; level--) {
        unsigned slot = slot_of(tick, level);
        uint64_t bit = UINT64_C(1) << slot;

        if (!(wheel->occupied[level] & bit))
            continue;
        wheel->occupied[level] &= ~bit;
        put_all(wheel, &wheel->slot[level][slot]);
    }
}

static struct gn__wheel_node *take_due(struct gn__wheel *wheel)
{
    struct gn__list *slot = &wheel->slot[0][wheel->now & SLOT_MASK];
    struct gn__wheel_node *node;

    if (gn__list_empty(slot))
        return NULL;
    node = gn__container_of(slot->next, struct gn__wheel_node, link);
    gn__wheel_disarm(wheel, node);
    return node;
}

struct gn__wheel_node *gn__wheel_pop(struct gn__wheel *wheel, uint64_t now)
{
    for (;;) {
        struct gn__wheel_node *node = take_due(wheel);
        uint64_t next;

        if (node || now <= wheel->now)
            return node;
        next = gn__wheel_next(wheel);
        move_to(wheel, next < now ? next : now);
    }
}
