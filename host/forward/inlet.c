/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/forward/inlet.h"

#include <errno.h>

/** Datagrams, or errors, before others have their turn. */
#define READ_AT_ONCE 64u

static struct gn__inlet *inlet_of(struct gn__flow_table *table)
{
    return gn__container_of(table, struct gn__inlet, table);
}

static int inlet_target(struct gn__flow_table *table,
                        const struct gn__endpoint *client,
                        struct gn__endpoint *out)
{
    const struct gn__inlet_config *config = &inlet_of(table)->config;

    return config->target(config->user, client, out);
}

static void inlet_turned_away(struct gn__flow_table *table,
                              const struct gn__endpoint *client, int why)
{
    const struct gn__inlet_config *config = &inlet_of(table)->config;

    if (config->turned_away)
        config->turned_away(config->user, client, why);
}

static void take_errors(struct gn__inlet *inlet)
{
    struct gn__dgram_error error;
    unsigned left = READ_AT_ONCE;

    while (left-- && gn__dgram_read_error(inlet->config.fd, &error)) {
        if (error.peer.port)
            gn__flow_unreach(&inlet->table, &error);
    }
}

/* An error of a datagram before this one is said once: this one is sent. */
static bool inlet_answer(struct gn__flow_table *table,
                         const struct gn__dgram *dgram)
{
    const struct gn__inlet_config *config = &inlet_of(table)->config;
    int err = gn__dgram_send(config->fd, config->family, dgram);

    if (err && err != -EAGAIN)
        err = gn__dgram_send(config->fd, config->family, dgram);
    return !err;
}

static const struct gn__flow_ops inlet_ops = {
    .name = "inlet",
    .target = inlet_target,
    .turned_away = inlet_turned_away,
    .answer = inlet_answer,
};

/* False: nothing is left to read, or no memory to read it. */
static bool read_one(struct gn__inlet *inlet)
{
    uint8_t room[65536];
    struct gn__dgram dgram;
    ssize_t n = gn__dgram_read(inlet->config.fd, room, sizeof(room), &dgram);

    if (n >= 0)
        gn__flow_receive(&inlet->table, &dgram);
    else if (n == -EPROTO)
        inlet->table.counts.dropped++;
    return n != -EAGAIN && n != -ENOMEM && n != -ENOBUFS;
}

static void inlet_ready(struct gn__io_watch *watch, short revents)
{
    struct gn__inlet *inlet = gn__container_of(watch, struct gn__inlet, watch);
    unsigned left = READ_AT_ONCE;

    if (revents & POLLERR)
        take_errors(inlet);
    while (left-- && read_one(inlet))
        continue;
}

int gn__inlet_open(struct gn__inlet *inlet,
                   const struct gn__inlet_config *config)
{
    inlet->config = *config;
    gn__flow_table_init(&inlet->table, &inlet_ops, config->net, config->io,
                        config->max_flows);
    inlet->table.as_gateway = config->as_gateway;
    inlet->table.brief_ns = config->brief_ns;
    inlet->table.assured_ns = config->assured_ns;
    inlet->watch =
        (struct gn__io_watch){.ready = inlet_ready, .account = config->account};
    return gn__io_watch(inlet->table.io, &inlet->watch, config->fd, POLLIN);
}

void gn__inlet_close(struct gn__inlet *inlet)
{
    gn__io_unwatch(inlet->table.io, &inlet->watch);
    gn__flow_table_done(&inlet->table);
}
