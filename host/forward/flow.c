/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A flow of a client's:
 *
 *     receive --> WAITING --(its target is known)--> JOINED --+
 *        |            |                                |      |
 *        |            +--(there is none)---------------+--> gone
 *        +--(its target is known at once)--> JOINED
 *
 * What is permitted:
 *
 *   WAITING  `outside` is NULL. Its target is being looked up; the first few
 *            datagrams are kept. There are as many of these at once as there
 *            may be flows; of more the oldest goes.
 *   JOINED   `outside` is set. It is in the sets of the guest and of this table
 *            and ends by what namespace/gateway/flow.c says: with the guest or
 *            its socket, idle, or to make room. Where that has happened and is
 *            still to be told, the next datagram of the client begins another,
 *            so nothing is lost to a guest that took the place of one that is
 *            gone.
 *
 * To the guest a flow is the client itself; or a port of the gateway's where
 * the client cannot be shown (host/forward/gateway.h). A client that can be
 * shown never becomes the gateway: where its flow with the same port of the
 * guest's is there already, by another publication or another address of the
 * machine, the second one is turned away.
 */
#include "host/forward/flow.h"

#include <errno.h>
#include <string.h>

#include "host/forward/gateway.h"

/** Datagrams of a flow that wait while its target is looked up. */
#define EARLY_MAX 4u

/** A datagram that waits. */
struct early {
    struct early *next;
    size_t len;
    uint8_t data[];
};

/** No padding: hashed as bytes. */
struct flow_key {
    struct gn__endpoint client;
    struct gn__addr local; /* what the client sent to; any: unknown */
};

struct gn__flow {
    struct gn__table_node node;
    struct gn__flow_table *table;
    struct flow_key key;
    unsigned iface;                   /* of a link-local key.local */
    struct gn__outside_flow *outside; /* NULL: it waits */
    struct gn__list waits;            /* in table->waiting */
    struct early *early;              /* oldest first */
    unsigned n_early;
};

_Static_assert(sizeof(struct flow_key) ==
                   sizeof(struct gn__endpoint) + sizeof(struct gn__addr),
               "no padding");

void gn__flow_table_init(struct gn__flow_table *table,
                         const struct gn__flow_ops *ops, struct gn_network *net,
                         struct gn__io *io, uint32_t max)
{
    uint64_t key[2];

    memset(table, 0, sizeof(*table));
    table->ops = ops;
    table->net = net;
    table->io = io;
    gn_random(gn_network_gateway(net), key, sizeof(key));
    gn__table_init(&table->flows, table->io->mem, key);
    gn__outside_set_init(&table->set, max);
    gn__list_init(&table->waiting);
}

/* ---- the end ---- */

static void drop_early(struct gn__flow *flow)
{
    struct early *early;

    while ((early = flow->early)) {
        flow->early = early->next;
        gn__free(flow->table->io->mem, early, sizeof(*early) + early->len);
        flow->table->counts.dropped++;
    }
}

static void flow_wait_no_more(struct gn__flow *flow)
{
    flow->table->n_waiting -= !gn__list_empty(&flow->waits);
    gn__list_del(&flow->waits);
}

static void flow_end(struct gn__flow *flow)
{
    struct gn__flow_table *table = flow->table;

    drop_early(flow);
    flow_wait_no_more(flow);
    gn__table_del(&table->flows, &flow->node);
    if (flow->outside)
        gn__outside_flow_close(flow->outside);
    gn__free(table->io->mem, flow, sizeof(*flow));
}

void gn__flow_table_done(struct gn__flow_table *table)
{
    struct gn__table_node *node;

    while ((node = gn__table_first(&table->flows)))
        flow_end(gn__container_of(node, struct gn__flow, node));
    gn__table_done(&table->flows);
}

/* ---- to the client ---- */

static void flow_received(struct gn__outside_flow *outside, const void *data,
                          size_t len, void *user)
{
    const struct gn__flow *flow = user;
    struct gn__dgram dgram = {.data = data,
                              .len = len,
                              .peer = flow->key.client,
                              .local = flow->key.local,
                              .iface = flow->iface};

    if (flow->table->ops->answer(flow->table, &dgram))
        return;
    flow->table->counts.dropped++;
    gn__outside_flow_drop(outside, GN_DROP_KERNEL);
}

static void flow_turn_away(struct gn__flow_table *table,
                           const struct gn__endpoint *client, int why)
{
    table->counts.unreached++;
    if (table->ops->turned_away)
        table->ops->turned_away(table, client, why);
}

/* No socket of the guest's hears there, or there is no way to it. */
static void flow_failed(struct gn__outside_flow *outside, int error, void *user)
{
    struct gn__flow *flow = user;

    (void)outside;
    flow_turn_away(flow->table, &flow->key.client, error);
    flow_end(flow);
}

static void flow_ended(struct gn__outside_flow *outside, int why, void *user)
{
    struct gn__flow *flow = user;

    (void)outside;
    flow->table->counts.evicted += why == -ENOBUFS;
    flow_end(flow);
}

static const struct gn__outside_flow_ops outside_ops = {
    .received = flow_received,
    .failed = flow_failed,
    .ended = flow_ended,
};

/* ---- the beginning ---- */

static struct gn__flow *flow_find(const struct gn__flow_table *table,
                                  const struct flow_key *key)
{
    struct gn__table_node *node =
        gn__table_find(&table->flows, key, sizeof(*key));

    return node ? gn__container_of(node, struct gn__flow, node) : NULL;
}

/* As itself, or as the gateway. */
static int flow_join(struct gn__flow *flow, const struct gn__endpoint *to)
{
    struct gn__flow_table *table = flow->table;
    struct gn__outside_flow_config config = {.ops = &outside_ops,
                                             .user = flow,
                                             .set = &table->set,
                                             .brief_ns = table->brief_ns,
                                             .assured_ns = table->assured_ns};
    const struct gn__endpoint *client = &flow->key.client;
    int err = -EADDRNOTAVAIL;

    if (!table->as_gateway && gn__gateway_shows(table->net, client, to))
        err = gn__outside_flow_open(table->net, client, to, &config,
                                    &flow->outside);
    if (err != -EADDRNOTAVAIL)
        return err;
    table->counts.as_gateway += !table->as_gateway;
    return gn__outside_flow_open(table->net, NULL, to, &config, &flow->outside);
}

static void flow_wait(struct gn__flow *flow)
{
    struct gn__flow_table *table = flow->table;

    if (table->n_waiting >= table->set.max) {
        struct gn__list *first = gn__list_first(&table->waiting);

        table->counts.evicted++;
        flow_end(gn__container_of(first, struct gn__flow, waits));
    }
    gn__list_add_tail(&table->waiting, &flow->waits);
    table->n_waiting++;
}

/* Its way to the guest, or the wait for it. */
static int flow_set_out(struct gn__flow *flow)
{
    struct gn__flow_table *table = flow->table;
    struct gn__endpoint to;
    int err = table->ops->target(table, &flow->key.client, &to);

    if (err == -EAGAIN) {
        flow_wait(flow);
        return 0;
    }
    return err ? err : flow_join(flow, &to);
}

static struct gn__flow *flow_create(struct gn__flow_table *table,
                                    const struct flow_key *key, unsigned iface)
{
    struct gn__flow *flow = gn__zalloc(table->io->mem, sizeof(*flow));

    if (!flow)
        return NULL;
    flow->table = table;
    flow->key = *key;
    flow->iface = iface;
    gn__list_init(&flow->waits);
    if (!gn__table_add(&table->flows, &flow->node, &flow->key,
                       sizeof(flow->key)))
        return flow;
    gn__free(table->io->mem, flow, sizeof(*flow));
    return NULL;
}

static struct gn__flow *flow_begin(struct gn__flow_table *table,
                                   const struct flow_key *key, unsigned iface)
{
    struct gn__flow *flow = flow_create(table, key, iface);
    int err = flow ? flow_set_out(flow) : -ENOMEM;

    table->counts.begun++;
    if (!err)
        return flow;
    flow_turn_away(table, &key->client, err);
    if (flow)
        flow_end(flow);
    return NULL;
}

/* ---- to the guest ---- */

static int keep_early(struct gn__flow *flow, const struct gn__dgram *dgram)
{
    struct early *early, **at = &flow->early;

    if (flow->n_early == EARLY_MAX)
        return -ENOBUFS;
    early = gn__alloc(flow->table->io->mem, sizeof(*early) + dgram->len);
    if (!early)
        return -ENOMEM;
    early->next = NULL;
    early->len = dgram->len;
    if (dgram->len)
        memcpy(early->data, dgram->data, dgram->len);
    while (*at)
        at = &(*at)->next;
    *at = early;
    flow->n_early++;
    return 0;
}

static int flow_pass(struct gn__flow *flow, const struct gn__dgram *dgram)
{
    if (flow->outside)
        return gn__outside_flow_send(flow->outside, dgram->data, dgram->len);
    return keep_early(flow, dgram);
}

void gn__flow_receive(struct gn__flow_table *table,
                      const struct gn__dgram *dgram)
{
    struct flow_key key = {.client = dgram->peer, .local = dgram->local};
    struct gn__flow *flow = flow_find(table, &key);
    int err = flow ? flow_pass(flow, dgram) : -ECANCELED;

    if (err == -ECANCELED) {
        if (flow) /* It is over, and not told yet. */
            flow_end(flow);
        flow = flow_begin(table, &key, dgram->iface);
        err = flow ? flow_pass(flow, dgram) : -ECANCELED;
        if (!flow)
            gn__network_drop(table->net, GN_DROP_FLOWS);
    }
    table->counts.dropped += err != 0;
}

static void pass_early(struct gn__flow *flow)
{
    struct gn__flow_table *table = flow->table;
    struct early *early;

    while ((early = flow->early)) {
        flow->early = early->next;
        if (gn__outside_flow_send(flow->outside, early->data, early->len))
            table->counts.dropped++;
        gn__free(table->io->mem, early, sizeof(*early) + early->len);
    }
}

void gn__flow_found(struct gn__flow_table *table)
{
    struct gn__list *node;

    while ((node = gn__list_first(&table->waiting))) {
        struct gn__flow *flow = gn__container_of(node, struct gn__flow, waits);
        struct gn__endpoint to;
        int err = table->ops->target(table, &flow->key.client, &to);

        flow_wait_no_more(flow);
        if (!err)
            err = flow_join(flow, &to);
        if (!err) {
            pass_early(flow);
            continue;
        }
        flow_turn_away(table, &flow->key.client, err);
        flow_end(flow);
    }
}

void gn__flow_unreach(struct gn__flow_table *table,
                      const struct gn__dgram_error *error)
{
    struct flow_key key = {.client = error->peer, .local = error->local};
    struct gn__flow *flow = flow_find(table, &key);

    if (flow && flow->outside)
        gn__outside_flow_unreach(flow->outside, error->error, error->mtu);
}
