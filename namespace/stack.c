/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the stack of a namespace asks of it: packets go out by its routes,
 * listeners and port bindings are those of its sockets, and drops are counted
 * with all others.
 */
#include "namespace/lifecycle.h"
#include "switch/switch.h"

static void stack_output(struct gn__stack *stack, struct gn__packet *packet)
{
    gn__ns_output(stack->owner, packet);
}

static uint32_t stack_mtu(struct gn__stack *stack,
                          const struct gn__addr *remote)
{
    struct gn_namespace *ns = stack->owner;
    const struct gn__last_way *last = &ns->last_ways[1];
    struct gn__way way;

    /* Nearly always the way of the last packet, whatever its source was. */
    if (last->valid && gn__addr_equal(&last->dst, remote))
        return last->way.mtu;
    if (gn__ns_route(ns, remote, NULL, 0, &way))
        return GN__IP_MIN_MTU6; /* Nothing will get through anyhow. */
    return way.mtu;
}

static struct gn__listener *stack_listener(struct gn__stack *stack,
                                           const struct gn__endpoint *local,
                                           const struct gn__endpoint *remote)
{
    return gn__sock_listener(stack->owner, local, remote);
}

/* Twice the slowest way: by then nothing of the old connection is left. */
static uint64_t stack_time_wait(struct gn__stack *stack)
{
    struct gn_namespace *ns = stack->owner;
    uint64_t span = 0;
    struct gn__list *it;

    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (2 * iface->port.slowest_ns > span)
            span = 2 * iface->port.slowest_ns;
    }
    return span;
}

static uint64_t stack_round_trip(struct gn__stack *stack,
                                 const struct gn__addr *remote)
{
    return gn__ns_round_trip(stack->owner, remote);
}

static void stack_changed(struct gn__stack *stack, void *owner)
{
    (void)stack;
    gn__sock_changed(owner);
}

static void stack_released(struct gn__stack *stack, void *binding)
{
    gn__sock_port_released(stack->owner, binding);
}

enum gn_drop gn__tcp_drop_reason(enum gn__tcp_drop why)
{
    static const enum gn_drop reasons[] = {
        [GN__TCP_DROP_MALFORMED] = GN_DROP_MALFORMED,
        [GN__TCP_DROP_BACKLOG] = GN_DROP_BACKLOG,
        [GN__TCP_DROP_HALF_OPEN] = GN_DROP_HALF_OPEN,
        [GN__TCP_DROP_MEMORY] = GN_DROP_MEMORY,
        [GN__TCP_DROP_CONNECTIONS] = GN_DROP_CONNECTIONS,
        [GN__TCP_DROP_TIME_WAIT] = GN_DROP_TIME_WAIT,
        [GN__TCP_DROP_REASSEMBLY] = GN_DROP_REASSEMBLY,
    };

    return reasons[why];
}

static void stack_dropped(struct gn__stack *stack, enum gn__tcp_drop why)
{
    gn__ns_drop(stack->owner, gn__tcp_drop_reason(why));
}

static void stack_gave_up(struct gn__stack *stack,
                          const struct gn__endpoint *local,
                          const struct gn__endpoint *remote)
{
    gn__outside_gave_up(stack->owner, local, remote);
}

const struct gn__stack_ops gn__ns_stack_ops = {
    .output = stack_output,
    .mtu = stack_mtu,
    .listener = stack_listener,
    .time_wait_ns = stack_time_wait,
    .round_trip_ns = stack_round_trip,
    .changed = stack_changed,
    .released = stack_released,
    .dropped = stack_dropped,
    .gave_up = stack_gave_up,
};
