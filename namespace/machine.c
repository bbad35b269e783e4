/* SPDX-License-Identifier: BSD-3-Clause */

/* What happens to a guest that plays a machine; see machine.h. */
#include "namespace/machine.h"

#include <errno.h>

#include "namespace/lifecycle.h"
#include "namespace/sock/sock.h"
#include "switch/switch.h"

#define BILLION 1000000000

void gn__ns_set_machine(struct gn_namespace *ns, void *machine)
{
    ns->machine = machine;
}

void *gn__ns_machine(const struct gn_namespace *ns)
{
    return ns->machine;
}

void gn__ns_set_limits(struct gn_namespace *ns, const struct gn_limits *limits)
{
    gn__engine_enter(ns->engine);
    ns->guest.limits = *limits;
    gn__limits_fill(&ns->guest.limits, &ns->guest.home->limits);
    ns->stack.budget.limit = (size_t)ns->guest.limits.max_buffered;
    ns->stack.max_conns = ns->guest.limits.max_connections;
    ns->stack.max_time_wait = ns->guest.limits.max_time_wait;
    gn__engine_leave(ns->engine);
}

void gn__ns_set_group(struct gn_namespace *ns, uint32_t group)
{
    gn__engine_enter(ns->engine);
    ns->group = (uint16_t)group;
    gn__engine_leave(ns->engine);
}

void gn__ns_hold(struct gn_namespace *ns, bool on)
{
    struct gn__list *it;

    gn__engine_enter(ns->engine);
    gn__list_foreach (it, &ns->ifaces) {
        struct gn__iface *iface = gn__container_of(it, struct gn__iface, of_ns);

        if (iface->port.net)
            gn__port_hold(&iface->port, on);
    }
    gn__engine_leave(ns->engine);
}

/* ---- its clock ---- */

/* @span times a fraction; UINT64_MAX where that is more. */
static uint64_t machine_stretch(uint64_t span, int64_t numerator,
                                int64_t denominator)
{
    __extension__ unsigned __int128 wide = span;

    wide = wide * (uint64_t)numerator / (uint64_t)denominator;
    return wide > UINT64_MAX ? UINT64_MAX : (uint64_t)wide;
}

uint64_t gn__ns_time(const struct gn_namespace *ns, uint64_t now)
{
    if (!ns->drift.ppb && !ns->drift.engine)
        return now;
    return ns->drift.guest + machine_stretch(now - ns->drift.engine,
                                             BILLION + (int64_t)ns->drift.ppb,
                                             BILLION);
}

/* Rounded up: nothing is over before its time. */
uint64_t gn__ns_span(const struct gn_namespace *ns, uint64_t span)
{
    int64_t rate = BILLION + (int64_t)ns->drift.ppb;
    uint64_t took;

    if (!ns->drift.ppb || span == GN__NEVER)
        return span;
    took = machine_stretch(span, BILLION, rate);
    return machine_stretch(took, rate, BILLION) < span && took < UINT64_MAX
               ? took + 1
               : took;
}

void gn__ns_set_drift(struct gn_namespace *ns, int32_t ppb)
{
    uint64_t now;

    gn__engine_enter(ns->engine);
    now = gn__now(ns->engine);
    ns->drift.guest = gn__ns_time(ns, now);
    ns->drift.engine = now;
    ns->drift.ppb = ppb;
    gn__engine_leave(ns->engine);
}

/* ---- its power ---- */

/* Has its owner still the reference that it got? A wait for a socket (struct
 * gn_wait) has one, too, and gives it back itself. */
static bool is_held(const struct gn_sock *sock)
{
    return gn__ref_count(&sock->refs) >
           atomic_load_explicit(&sock->n_by_waits, memory_order_relaxed);
}

/* End the sockets, and collect those whose owner is @holder. */
static void end_held(struct gn_namespace *ns, const void *holder,
                     struct gn__list *held)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &ns->socks) {
        struct gn_sock *sock = gn__container_of(it, struct gn_sock, of_ns);

        if (sock->holder != holder || !is_held(sock))
            continue;
        gn__sock_end(sock, -ECANCELED, GN__END_SILENT);
        gn__list_add_tail(held, &sock->of_ns);
    }
}

void gn__ns_cut(struct gn_namespace *ns, const void *holder)
{
    struct gn__engine *engine = ns->engine;
    struct gn__list held, *it;

    gn__list_init(&held);
    gn__engine_ref(engine);
    gn__engine_enter(engine);
    end_held(ns, holder, &held);
    gn__ns_end(ns, true);
    gn__engine_leave(engine);
    while ((it = gn__list_pop(&held)))
        gn_sock_unref(gn__container_of(it, struct gn_sock, of_ns));
    gn__ns_unref(ns);
    gn__engine_unref(engine);
}
