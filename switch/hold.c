/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports that are held: what they send stays before their link, and what has
 * arrived stays behind it, as if the machine stood still.
 */
#include "switch/internal.h"

void gn__port_keep(struct gn__port *port, enum gn__port_way way,
                   struct gn__packet *packet)
{
    struct gn__port_held *held = &port->held[way];

    if (held->n >= GN__PORT_HELD_MAX) {
        gn__switch_drop(port->net, packet, GN_DROP_QUEUE);
        return;
    }
    packet->next = NULL;
    *held->tail = packet;
    held->tail = &packet->next;
    held->n++;
}

static void init_held(struct gn__port_held *held)
{
    unsigned way;

    for (way = 0; way < GN__N_WAYS; way++)
        held[way] = (struct gn__port_held){.tail = &held[way].head};
}

/* Packets that a released port had kept go the rest of their way, or, if the
 * port is about to go, are dropped. */
static void end_held(struct gn__port *port, bool goes_on)
{
    struct gn__port_held *held = port->held;
    struct gn_network *net = port->net;
    struct gn__packet *packet, *next;

    port->held = NULL;
    for (packet = held[GN__WAY_UP].head; packet; packet = next) {
        next = packet->next;
        if (goes_on)
            gn__switch_climb(net, port, packet);
        else
            gn__switch_drop(net, packet, GN_DROP_STALE);
    }
    for (packet = held[GN__WAY_DOWN].head; packet; packet = next) {
        next = packet->next;
        if (goes_on)
            gn__port_deliver(port, packet);
        else
            gn__switch_drop(net, packet, GN_DROP_STALE);
    }
    gn__free(&net->engine->net.mem, held, GN__N_WAYS * sizeof(*held));
}

void gn__port_hold(struct gn__port *port, bool on)
{
    const struct gn__mem *mem = &port->net->engine->net.mem;

    if (!on && port->held)
        end_held(port, true);
    if (!on || port->held)
        return;
    port->held = gn__zalloc_array(mem, GN__N_WAYS, sizeof(*port->held));
    if (port->held)
        init_held(port->held);
}

void gn__port_forget_held(struct gn__port *port)
{
    if (port->held)
        end_held(port, false);
}
