/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Gates come in blocks that live as long as the engine, so a pointer to one
 * may be followed at any time: a packet that was sent to a port which is gone
 * finds another generation there, and never the memory of something else.
 * Generations count up for the whole engine and are never used twice.
 */
#include <errno.h>

#include "switch/internal.h"

#define GATES_PER_BLOCK 64u

struct gate_block {
    struct gn__list link; /* in gn__gates.blocks */
    struct gn__gate gates[GATES_PER_BLOCK];
};

static struct gn__gates *gates_of(struct gn__engine *engine)
{
    return gn__engine_room(engine);
}

void gn__switch_init(struct gn__engine *engine)
{
    gn__list_init(&gates_of(engine)->blocks);
    engine->under_way_max = GN__UNDER_WAY_MAX;
}

static int add_block(struct gn__engine *engine)
{
    struct gn__gates *gates = gates_of(engine);
    struct gate_block *block = gn__zalloc(&engine->net.mem, sizeof(*block));
    unsigned i;

    if (!block)
        return -ENOMEM;
    gn__list_add_tail(&gates->blocks, &block->link);
    for (i = GATES_PER_BLOCK; i-- > 0;) {
        gn__lane_init(&block->gates[i].lane);
        block->gates[i].next_free = gates->free;
        gates->free = &block->gates[i];
    }
    return 0;
}

int gn__gate_take(struct gn__engine *engine, struct gn__port *port)
{
    struct gn__gates *gates = gates_of(engine);
    struct gn__gate *gate;

    if (!gates->free && add_block(engine))
        return -ENOMEM;
    gate = gates->free;
    gates->free = gate->next_free;
    gate->generation = ++engine->last_generation;
    port->under_way = 0; /* What it sent before finds it no more. */
    gate->port = port;
    port->gate = gate;
    port->generation = gate->generation;
    return 0;
}

void gn__gate_give(struct gn__engine *engine, struct gn__port *port)
{
    struct gn__gate *gate = port->gate;

    if (!gate)
        return;
    gate->generation = 0;
    gate->port = NULL;
    gate->next_free = gates_of(engine)->free;
    gates_of(engine)->free = gate;
    port->gate = NULL;
    port->generation = 0;
}

void gn__switch_done(struct gn__engine *engine)
{
    struct gn__gates *gates = gates_of(engine);
    struct gn__list *node;

    while ((node = gn__list_pop(&gates->blocks)))
        gn__free(&engine->net.mem,
                 gn__container_of(node, struct gate_block, link),
                 sizeof(struct gate_block));
    gates->free = NULL;
}

void gn__packet_address(struct gn__packet *packet, const struct gn__port *from,
                        const struct gn__port *to)
{
    packet->from = from ? from->gate : NULL;
    packet->from_generation = from ? from->generation : 0;
    packet->to = to->gate;
    packet->to_generation = to->generation;
    packet->at_switch = false;
    packet->on_link = false;
}
