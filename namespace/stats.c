/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Counters, read as one consistent copy under the lock, and the names of the
 * reasons for drops.
 */
#include <guestnet/stats.h>

#include <assert.h>
#include <string.h>

#include "namespace/lifecycle.h"
#include "namespace/namespace.h"

static const char *const drop_names[] = {
    [GN_DROP_NONE] = "none",
    [GN_DROP_MALFORMED] = "malformed",
    [GN_DROP_CORRUPT] = "corrupt",
    [GN_DROP_SOURCE] = "source",
    [GN_DROP_DESTINATION] = "destination",
    [GN_DROP_NO_ROUTE] = "no-route",
    [GN_DROP_UNREACHABLE] = "unreachable",
    [GN_DROP_TTL] = "ttl",
    [GN_DROP_TOO_BIG] = "too-big",
    [GN_DROP_NOT_FORWARDED] = "not-forwarded",
    [GN_DROP_STALE] = "stale",
    [GN_DROP_DOWN] = "down",
    [GN_DROP_LOSS] = "loss",
    [GN_DROP_QUEUE] = "queue",
    [GN_DROP_BLOCKED] = "blocked",
    [GN_DROP_BROADCAST] = "broadcast",
    [GN_DROP_PROTOCOL] = "protocol",
    [GN_DROP_PORT] = "port",
    [GN_DROP_SOCKET_BUFFER] = "socket-buffer",
    [GN_DROP_BACKLOG] = "backlog",
    [GN_DROP_HALF_OPEN] = "half-open",
    [GN_DROP_CONNECTIONS] = "connections",
    [GN_DROP_TIME_WAIT] = "time-wait",
    [GN_DROP_REASSEMBLY] = "reassembly",
    [GN_DROP_MEMORY] = "memory",
    [GN_DROP_ICMP_RATE] = "icmp-rate",
    [GN_DROP_ICMP] = "icmp",
    [GN_DROP_NOT_PROXIED] = "not-proxied",
    [GN_DROP_OUTGOING] = "outgoing",
    [GN_DROP_FLOWS] = "flows",
    [GN_DROP_FLOW] = "flow",
    [GN_DROP_DENIED] = "denied",
    [GN_DROP_KERNEL] = "kernel",
    [GN_DROP_UNDER_WAY] = "under-way",
    [GN_DROP_DESCRIPTORS] = "descriptors",
};

static_assert(sizeof(drop_names) / sizeof(*drop_names) == GN_N_DROPS,
              "every reason has a name");
static_assert(GN_N_DROPS <= GN_DROP_ROOM, "every reason has a counter");

const char *gn_drop_name(enum gn_drop why)
{
    if ((unsigned)why >= GN_N_DROPS)
        return "unknown";
    return drop_names[why];
}

void gn__ns_drop(struct gn_namespace *ns, enum gn_drop why)
{
    gn__guest_drop(&ns->guest, why);
}

void gn__ns_refuse_buffer(struct gn_namespace *ns)
{
    ns->guest.stats.buffers_refused++;
    gn__log(ns->guest.home, GN_LOG_WARN, GN__LOG_LIMITED,
            "guest %s: no memory for what it sends: max_buffered is %llu",
            gn__log_name(&ns->guest),
            (unsigned long long)ns->guest.limits.max_buffered);
}

void gn__network_drop(struct gn_network *net, enum gn_drop why)
{
    gn__engine_enter(net->engine);
    if (net->gateway)
        gn__ns_drop(net->gateway, why);
    gn__engine_leave(net->engine);
}

void gn__ns_client_lost(struct gn_namespace *ns)
{
    gn__engine_enter(ns->engine);
    ns->guest.stats.clients_lost++;
    if (ns->guest.home && ns->guest.home->gateway)
        ns->guest.home->gateway->guest.stats.clients_lost++;
    gn__engine_leave(ns->engine);
}

/* What there is now, in addition to what was counted. */
static void add_present(const struct gn_namespace *ns, struct gn_stats *out)
{
    out->sockets += ns->n_socks;
    out->connections += ns->stack.n_conns;
    out->descriptors += ns->guest.n_fds;
    out->timers += ns->n_timers;
    out->buffered += ns->stack.budget.held;
}

void gn__ns_stats(const struct gn_namespace *ns, struct gn_stats *out)
{
    *out = ns->guest.stats;
    add_present(ns, out);
}

void gn_namespace_stats(struct gn_namespace *ns, struct gn_stats *out)
{
    if (!ns || !out)
        return;
    gn__engine_enter(ns->engine);
    gn__ns_stats(ns, out);
    gn__engine_leave(ns->engine);
}

void gn_network_stats(struct gn_network *net, struct gn_stats *out)
{
    struct gn__list *it;

    if (!net || !out)
        return;
    gn__engine_enter(net->engine);
    *out = net->stats;
    gn__list_foreach (it, &net->namespaces) {
        struct gn_namespace *ns =
            gn__container_of(it, struct gn_namespace, of_net);

        add_present(ns, out);
        out->sockets_refused += ns->guest.stats.sockets_refused;
        out->connections_refused += ns->guest.stats.connections_refused;
        out->buffers_refused += ns->guest.stats.buffers_refused;
    }
    gn__engine_leave(net->engine);
}
