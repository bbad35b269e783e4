/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Published datagram ports: an inlet whose clients go where the target is. One
 * that is a name is looked up for each client that has no flow.
 */
#include <errno.h>

#include "host/publish/publish.h"

static int udp_target(void *user, const struct gn__endpoint *client,
                      struct gn__endpoint *out)
{
    struct gn_publication *pub = user;
    int err = gn__publish_pick(pub, client, out);

    if (err != -EAGAIN || pub->answering)
        return err == -EAGAIN ? -EHOSTUNREACH : err;
    err = gn__publish_resolve(pub);
    return err ? err : -EAGAIN;
}

static void udp_turned_away(void *user, const struct gn__endpoint *client,
                            int why)
{
    gn__publish_turned_away(user, why, client);
}

static int udp_open(struct gn_publication *pub)
{
    const struct gn__inlet_config config = {
        .net = pub->net,
        .io = pub->io,
        .fd = pub->fd,
        .family = pub->family,
        .max_flows = pub->max_clients,
        .as_gateway = pub->as_gateway,
        .brief_ns = pub->brief_ns,
        .assured_ns = pub->assured_ns,
        .target = udp_target,
        .turned_away = udp_turned_away,
        .user = pub,
    };

    return gn__inlet_open(&pub->inlet, &config);
}

static void udp_found(struct gn_publication *pub)
{
    gn__flow_found(&pub->inlet.table);
}

static void udp_end(struct gn_publication *pub)
{
    gn__inlet_close(&pub->inlet);
}

static void udp_stats(const struct gn_publication *pub,
                      struct gn_publication_stats *out)
{
    const struct gn__flow_table *table = &pub->inlet.table;

    out->accepted = table->counts.begun;
    out->active = gn__flow_count(table);
    out->unreached = table->counts.unreached;
    out->as_gateway = table->counts.as_gateway;
    out->evicted = table->counts.evicted;
    out->dropped = table->counts.dropped;
}

const struct gn__publish_ops gn__publish_udp = {
    .name = "udp",
    .open = udp_open,
    .found = udp_found,
    .end = udp_end,
    .stats = udp_stats,
};
