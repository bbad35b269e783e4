/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which members want the packets to a multicast group, or to all: an index by
 * address, so that a broadcast costs as much as it has listeners, not as much
 * as the network has guests.
 *
 * Even so one packet may become ten thousand. Spreading them all at once would
 * hold the lock for milliseconds and memory by the megabyte, so a group is a
 * port that packets are addressed to: each time the engine delivers one there,
 * a few members get a copy, and the packet goes to the end of the engine's
 * queue again. Packets of others pass between. One packet of a group is spread
 * at a time, a bounded number wait, the rest are dropped.
 *
 * Members may come and go meanwhile: one that leaves moves the cursor on.
 */
#include <errno.h>
#include <string.h>

#include "switch/internal.h"

/** Copies made before others have their turn. */
#define SPREAD_AT_ONCE 16u

static void group_deliver(struct gn__port *port, struct gn__packet *packet);

const struct gn__port_ops gn__group_ops = {
    .name = "group",
    .deliver = group_deliver,
};

struct gn__addr gn__group_broadcast(void)
{
    return gn__addr_from_v4(0xffffffffu);
}

struct gn__group *gn__group_of(const struct gn_network *net,
                               const struct gn__addr *addr)
{
    struct gn__table_node *node =
        gn__table_find(&net->groups, addr, sizeof(*addr));

    return node ? gn__container_of(node, struct gn__group, node) : NULL;
}

/* ---- spreading ---- */

static void copy_to(struct gn_network *net, const struct gn__member *member,
                    const struct gn__packet *packet)
{
    struct gn__packet *copy;

    if (member->port == gn__packet_from(packet))
        return;
    copy = gn__packet_clone(packet);
    if (!copy) {
        gn__net_drop(net, GN_DROP_MEMORY);
        return;
    }
    gn__packet_address(copy, NULL, member->port);
    copy->from = packet->from;
    copy->from_generation = packet->from_generation;
    gn__switch_forward(net, copy, gn__now(net->engine));
}

static void spread_some(struct gn__group *group)
{
    unsigned n;

    for (n = 0; n < SPREAD_AT_ONCE && group->cursor != &group->members; n++) {
        struct gn__member *member =
            gn__container_of(group->cursor, struct gn__member, of_group);

        group->cursor = group->cursor->next;
        copy_to(group->port.net, member, group->current);
    }
}

static struct gn__packet *next_waiting(struct gn__group *group)
{
    struct gn__packet *packet = group->waiting_head;

    if (!packet)
        return NULL;
    group->waiting_head = packet->next;
    if (!group->waiting_head)
        group->waiting_tail = &group->waiting_head;
    group->n_waiting--;
    return packet;
}

static void group_spread(struct gn__group *group)
{
    struct gn__engine *engine = group->port.net->engine;

    spread_some(group);
    if (group->cursor == &group->members) {
        gn__packet_free(group->current);
        group->current = next_waiting(group);
        group->cursor = group->members.next;
    }
    if (group->current)
        gn__engine_post(engine, group->current);
}

static void group_deliver(struct gn__port *port, struct gn__packet *packet)
{
    struct gn__group *group = gn__container_of(port, struct gn__group, port);

    if (group->current && group->current != packet) {
        if (group->n_waiting >= GN__GROUP_WAITING_MAX) {
            gn__switch_drop(port->net, packet, GN_DROP_BROADCAST);
            return;
        }
        packet->next = NULL;
        *group->waiting_tail = packet;
        group->waiting_tail = &packet->next;
        group->n_waiting++;
        return;
    }
    if (!group->current) {
        group->current = packet;
        group->cursor = group->members.next;
    }
    group_spread(group);
}

/* ---- members ---- */

static struct gn__group *group_create(struct gn_network *net,
                                      const struct gn__addr *addr)
{
    const struct gn__mem *mem = &net->engine->net.mem;
    struct gn__group *group = gn__zalloc(mem, sizeof(*group));

    if (!group)
        return NULL;
    group->addr = *addr;
    gn__list_init(&group->members);
    group->waiting_tail = &group->waiting_head;
    gn__port_init(&group->port, &gn__group_ops, NULL, GN__PACKET_MAX);
    group->port.net = net;
    if (gn__gate_take(net->engine, &group->port))
        goto undo_alloc;
    if (gn__table_add(&net->groups, &group->node, &group->addr,
                      sizeof(group->addr)))
        goto undo_gate;
    return group;

undo_gate:
    gn__gate_give(net->engine, &group->port);
undo_alloc:
    gn__free(mem, group, sizeof(*group));
    return NULL;
}

/* The packet being spread is in the engine's queue, and will find the gate
 * closed. */
static void group_free(struct gn_network *net, struct gn__group *group)
{
    struct gn__packet *packet;

    while ((packet = next_waiting(group)))
        gn__switch_drop(net, packet, GN_DROP_STALE);
    gn__gate_give(net->engine, &group->port);
    gn__table_del(&net->groups, &group->node);
    gn__free(&net->engine->net.mem, group, sizeof(*group));
}

static struct gn__member *member_of(struct gn__port *port,
                                    const struct gn__addr *addr)
{
    struct gn__list *it;

    gn__list_foreach (it, &port->groups) {
        struct gn__member *member =
            gn__container_of(it, struct gn__member, of_port);

        if (gn__addr_equal(&member->group->addr, addr))
            return member;
    }
    return NULL;
}

int gn__group_join(struct gn__port *port, const struct gn__addr *addr)
{
    struct gn_network *net = port->net;
    struct gn__member *member = member_of(port, addr);
    struct gn__group *group;

    if (member) {
        member->count++;
        return 0;
    }
    member = gn__zalloc(&net->engine->net.mem, sizeof(*member));
    if (!member)
        return -ENOMEM;
    group = gn__group_of(net, addr);
    if (!group)
        group = group_create(net, addr);
    if (!group) {
        gn__free(&net->engine->net.mem, member, sizeof(*member));
        return -ENOMEM;
    }
    member->group = group;
    member->port = port;
    member->count = 1;
    gn__list_add_tail(&group->members, &member->of_group);
    gn__list_add_tail(&port->groups, &member->of_port);
    return 0;
}

static void member_free(struct gn__member *member)
{
    struct gn__group *group = member->group;
    struct gn_network *net = member->port->net;

    if (group->cursor == &member->of_group)
        group->cursor = member->of_group.next;
    gn__list_del(&member->of_group);
    gn__list_del(&member->of_port);
    gn__free(&net->engine->net.mem, member, sizeof(*member));
    if (gn__list_empty(&group->members))
        group_free(net, group);
}

void gn__group_leave(struct gn__port *port, const struct gn__addr *addr,
                     bool all)
{
    struct gn__member *member = member_of(port, addr);

    if (!member)
        return;
    if (!all && --member->count)
        return;
    member_free(member);
}

void gn__group_leave_all(struct gn__port *port)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &port->groups) {
        member_free(gn__container_of(it, struct gn__member, of_port));
    }
}
