/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams between a guest and the outside: flows, one for each pair of
 * endpoints. No stack is involved.
 *
 * What the guest sends waits in the flow until its notice runs on the driving
 * thread, some at a time, so that one flow keeps nobody else waiting. A flow
 * belongs to who opened or accepted it, and outlives its guest; then it is
 * over, and says so behind what had arrived.
 */
#include <errno.h>
#include <string.h>

#include "base/counter.h"
#include "namespace/outside_guest.h"
#include "namespace/sock_udp.h"

/** Datagrams that one notice delivers. */
#define AT_ONCE 16u
#define TTL     64u

struct gn__outside_flow {
    struct gn__table_node node;
    struct gn__outside_key key;
    struct gn__engine *engine;       /* a reference */
    struct gn__outside_guest *guest; /* NULL: it is over */
    struct gn__played *played;
    const struct gn__outside_flow_ops *ops;
    void *user;
    struct gn__outside_queue queue;
    struct gn__packet *left; /* queued when it was over, charged to nobody */
    struct gn__notice notice;
    uint16_t ip_id;
    bool from_outside; /* who began */
    bool refused;      /* to be told */
    bool over;         /* the same */
    bool running;      /* its notice, without the lock */
    bool closed;       /* meanwhile */
};

/* ---- delivering ---- */

static void queue_notice(struct gn__outside_flow *flow)
{
    if (!flow->running && gn__list_empty(&flow->notice.link))
        gn__notice_queue(flow->engine, &flow->notice);
}

static struct gn__packet *take_one(struct gn__outside_flow *flow)
{
    struct gn__packet *packet = flow->left;

    if (flow->guest)
        return gn__outside_queue_take(flow->guest, &flow->queue);
    if (packet)
        flow->left = packet->next;
    return packet;
}

static unsigned take_some(struct gn__outside_flow *flow,
                          struct gn__packet **out)
{
    unsigned n = 0;

    while (n < AT_ONCE && (out[n] = take_one(flow)))
        n++;
    return n;
}

/* The payload in one piece: as it stands, or copied to a chunk. */
static const uint8_t *flatten(struct gn__outside_flow *flow,
                              const struct gn__packet *packet, size_t len,
                              struct gn__chunk **chunk)
{
    size_t at = gn__udp_payload_at(packet);

    *chunk = NULL;
    if (at + len <= packet->head_len)
        return packet->head + at;
    if (at == packet->head_len && packet->n_slices == 1)
        return packet->slices[0].data;
    *chunk = gn__chunk_alloc(flow->engine->net.chunks, len);
    if (!*chunk)
        return NULL;
    (void)gn__packet_read(packet, at, gn__chunk_data(*chunk), len);
    return gn__chunk_data(*chunk);
}

/* False: no memory for it. */
static bool hand_over(struct gn__outside_flow *flow,
                      const struct gn__packet *packet)
{
    size_t len = gn__udp_payload_len(packet);
    struct gn__chunk *chunk;
    const uint8_t *data = flatten(flow, packet, len, &chunk);

    if (!data)
        return false;
    flow->ops->received(flow, data, len, flow->user);
    if (chunk)
        gn__chunk_unref(chunk);
    return true;
}

static void flow_free(struct gn__outside_flow *flow)
{
    struct gn__engine *engine = flow->engine;
    struct gn__packet *packet;

    while ((packet = take_one(flow)))
        gn__packet_free(packet);
    gn__free(&engine->net.mem, flow, sizeof(*flow));
    gn__engine_unref(engine); /* Who calls has another one. */
}

/* Back under the lock. */
static void end_run(struct gn__outside_flow *flow, struct gn__packet **packets,
                    unsigned n, unsigned n_lost)
{
    unsigned i;

    for (i = 0; i < n; i++)
        gn__packet_free(packets[i]);
    if (n_lost && flow->guest)
        flow->guest->net->gateway->stats.drops[GN_DROP_MEMORY] += n_lost;
    flow->running = false;
    if (flow->closed)
        flow_free(flow);
    else if (flow->queue.n || flow->left || flow->refused || flow->over)
        queue_notice(flow);
}

static void run(struct gn__notice *notice)
{
    struct gn__outside_flow *flow =
        gn__container_of(notice, struct gn__outside_flow, notice);
    struct gn__engine *engine = flow->engine;
    struct gn__packet *packets[AT_ONCE + 1];
    unsigned i, n, n_lost = 0;
    bool refused, over;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    n = take_some(flow, packets);
    refused = flow->refused;
    flow->refused = false;
    over = flow->over && n < AT_ONCE;
    if (over)
        flow->over = false;
    flow->running = true;
    gn__engine_leave(engine);

    for (i = 0; i < n && !flow->closed; i++)
        n_lost += !hand_over(flow, packets[i]);
    if (refused && !flow->closed)
        flow->ops->failed(flow, -ECONNREFUSED, flow->user);
    if (over && !flow->closed)
        flow->ops->failed(flow, -ECANCELED, flow->user);

    gn__engine_enter(engine);
    end_run(flow, packets, n, n_lost);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
}

/* ---- from the guest ---- */

static struct gn__outside_flow *find(const struct gn__outside_guest *guest,
                                     const struct gn__outside_key *key)
{
    struct gn__table_node *node =
        gn__table_find(&guest->flows, key, sizeof(*key));

    return node ? gn__container_of(node, struct gn__outside_flow, node) : NULL;
}

void gn__outside_udp_input(struct gn__outside_guest *guest,
                           struct gn__packet *packet)
{
    struct gn__outside_key key = {.type = SOCK_DGRAM};
    struct gn__outside_flow *flow;
    struct gn__dial *dial;

    if (!gn__udp_read(packet, &key.outside, &key.guest)) {
        gn__outside_drop(guest, packet, GN_DROP_MALFORMED);
        return;
    }
    flow = find(guest, &key);
    dial = flow ? NULL : gn__dial_find(guest, &key);
    if (flow) {
        gn__outside_queue_add(guest, &flow->queue, packet);
        if (flow->queue.n)
            queue_notice(flow);
    } else if (dial) {
        gn__outside_queue_add(guest, &dial->waiting, packet);
    } else if (!guest->port) {
        gn__outside_drop(guest, packet, GN_DROP_STALE);
    } else if (guest->outside && key.outside.port && key.guest.port) {
        gn__dial_begin(guest, &key, 0, packet);
    } else {
        gn__outside_unreachable(guest, packet, GN_DROP_NOT_PLAYED);
    }
}

/* The flow that sent what an error quotes. */
static struct gn__outside_flow *sender_of(const struct gn__outside_guest *guest,
                                          const struct gn__icmp *icmp)
{
    struct gn__outside_key key = {
        .outside = {.addr = icmp->inner.src, .port = icmp->inner_src_port},
        .guest = {.addr = icmp->inner.dst, .port = icmp->inner_dst_port},
        .type = SOCK_DGRAM};

    return find(guest, &key);
}

bool gn__outside_flow_has_sent(const struct gn__outside_guest *guest,
                               const struct gn__icmp *icmp)
{
    return sender_of(guest, icmp) != NULL;
}

void gn__outside_flow_error(struct gn__outside_guest *guest,
                            const struct gn__icmp *icmp)
{
    struct gn__outside_flow *flow = sender_of(guest, icmp);

    if (!flow || icmp->kind != GN__ICMP_PORT_UNREACHABLE)
        return;
    flow->refused = true;
    queue_notice(flow);
}

/* ---- life ---- */

static struct gn__outside_flow *flow_alloc(
    struct gn__outside_guest *guest, const struct gn__outside_key *key,
    const struct gn__outside_flow_ops *ops, void *user)
{
    const struct gn__mem *mem = &guest->engine->net.mem;
    struct gn__outside_flow *flow = gn__zalloc(mem, sizeof(*flow));

    if (!flow)
        return NULL;
    flow->key = *key;
    flow->ip_id = GN__COUNT_FROM(uint16_t);
    if (gn__outside_play(guest, &key->outside.addr, &flow->played))
        goto undo_alloc;
    if (gn__table_add(&guest->flows, &flow->node, &flow->key,
                      sizeof(flow->key)))
        goto undo_play;
    flow->engine = guest->engine;
    gn__engine_ref(flow->engine);
    flow->guest = guest;
    flow->ops = ops;
    flow->user = user;
    flow->notice.run = run;
    gn__list_init(&flow->notice.link);
    gn__outside_queue_init(&flow->queue);
    gn__budget_force(&guest->stack.budget, sizeof(*flow));
    return flow;

undo_play:
    gn__outside_unplay(flow->played);
undo_alloc:
    gn__free(mem, flow, sizeof(*flow));
    return NULL;
}

/* It is its guest's no more. What has arrived stays. */
static void leave_guest(struct gn__outside_flow *flow)
{
    struct gn__outside_guest *guest = flow->guest;
    struct gn__packet **tail = &flow->left;

    while ((*tail = gn__outside_queue_take(guest, &flow->queue)))
        tail = &(*tail)->next;
    gn__table_del(&guest->flows, &flow->node);
    gn__outside_unplay(flow->played);
    gn__budget_give(&guest->stack.budget, sizeof(*flow));
    if (flow->from_outside)
        guest->n_flows_in--;
    else
        guest->n_flows_out--;
    flow->guest = NULL;
}

void gn__outside_flows_end(struct gn__outside_guest *guest)
{
    struct gn__table_node *node;

    while ((node = gn__table_first(&guest->flows))) {
        struct gn__outside_flow *flow =
            gn__container_of(node, struct gn__outside_flow, node);

        leave_guest(flow);
        flow->over = true;
        queue_notice(flow);
    }
}

void gn__outside_flow_close(struct gn__outside_flow *flow)
{
    struct gn__engine *engine = flow->engine;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    flow->closed = true;
    if (flow->guest)
        leave_guest(flow);
    gn__notice_cancel(engine, &flow->notice);
    if (!flow->running)
        flow_free(flow);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
}

/* What waited goes over to the flow, in order and charged as it is. */
static void move_waiting(struct gn__outside_queue *from,
                         struct gn__outside_queue *to)
{
    if (!from->head)
        return;
    *to = *from;
    gn__outside_queue_init(from);
}

static int accept_flow(struct gn__outside_guest *guest, struct gn__dial *dial,
                       const struct gn__outside_flow_ops *ops, void *user,
                       struct gn__outside_flow **out)
{
    struct gn__outside_flow *flow = flow_alloc(guest, &dial->key, ops, user);

    if (!flow)
        return -ENOMEM;
    guest->n_flows_out++;
    move_waiting(&dial->waiting, &flow->queue);
    queue_notice(flow);
    *out = flow;
    return 0;
}

int gn__outside_accept_flow(struct gn__outside_dial *pub,
                            const struct gn__outside_flow_ops *ops, void *user,
                            struct gn__outside_flow **out)
{
    struct gn__dial *dial = (struct gn__dial *)(void *)pub;
    struct gn__engine *engine = dial->engine;
    struct gn__outside_guest *guest;
    int err = -ECANCELED;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    guest = dial->guest;
    if (gn__dial_take(dial)) {
        err = accept_flow(guest, dial, ops, user, out);
        if (err)
            gn__outside_queue_end(guest, &dial->waiting);
    }
    gn__dial_free(dial);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
    return err;
}

static int open_flow(struct gn__outside_guest *guest,
                     const struct gn__outside_key *key,
                     const struct gn__outside_flow_ops *ops, void *user,
                     struct gn__outside_flow **out)
{
    if (find(guest, key) || gn__dial_find(guest, key))
        return -EADDRINUSE;
    if (guest->n_flows_in >= guest->max_flows)
        return -ENOBUFS;
    *out = flow_alloc(guest, key, ops, user);
    if (!*out)
        return -ENOMEM;
    (*out)->from_outside = true;
    guest->n_flows_in++;
    return 0;
}

int gn__outside_flow_open(struct gn_network *net,
                          const struct gn__endpoint *outside,
                          const struct gn__endpoint *guest,
                          const struct gn__outside_flow_ops *ops, void *user,
                          struct gn__outside_flow **out)
{
    struct gn__outside_key key = {
        .outside = *outside, .guest = *guest, .type = SOCK_DGRAM};
    struct gn__engine *engine = net->engine;
    struct gn__outside_guest *found;
    struct gn__outside_flow *flow;
    int err;

    gn__engine_enter(engine);
    err = gn__outside_check(net, outside, guest);
    if (!err)
        err = gn__outside_find(net, &guest->addr, &found);
    if (!err)
        err = open_flow(found, &key, ops, user, &flow);
    if (!err)
        *out = flow;
    gn__engine_leave(engine);
    return err;
}

/* ---- to the guest ---- */

static void write_headers(struct gn__packet *packet,
                          const struct gn__outside_flow *flow,
                          const struct gn__endpoint *from,
                          const struct gn__endpoint *to, size_t len)
{
    struct gn__udp_plan plan = {
        .from = *from, .to = *to, .ttl = TTL, .id = flow->ip_id};

    gn__udp_write(packet, &plan, len);
}

static int transmit(struct gn__outside_flow *flow, struct gn__slice *slice)
{
    struct gn__packet *packet = gn__packet_alloc(&flow->engine->net.packets);

    if (!packet)
        return -ENOBUFS;
    flow->ip_id++;
    write_headers(packet, flow, &flow->key.outside, &flow->key.guest,
                  slice->len);
    if (gn__packet_add(packet, slice)) {
        gn__packet_free(packet);
        return -ENOBUFS;
    }
    slice->chunk = NULL;
    gn__outside_send(flow->guest, packet);
    return 0;
}

int gn__outside_flow_send(struct gn__outside_flow *flow, const void *data,
                          size_t len)
{
    struct gn__engine *engine = flow->engine;
    struct gn__slice slice = {.len = (uint32_t)len};
    int err = -ECANCELED;

    if (len >
        (gn__addr_is_v4(&flow->key.guest.addr) ? GN__UDP_MAX4 : GN__UDP_MAX6))
        return -EMSGSIZE;
    slice.chunk = gn__chunk_alloc(engine->net.chunks, len);
    if (!slice.chunk)
        return -ENOBUFS;
    slice.data = gn__chunk_data(slice.chunk);
    if (len)
        memcpy(gn__chunk_data(slice.chunk), data, len);
    gn__engine_enter(engine);
    if (flow->guest)
        err = transmit(flow, &slice);
    gn__engine_leave(engine);
    if (slice.chunk)
        gn__chunk_unref(slice.chunk);
    return err;
}

void gn__outside_flow_refused(struct gn__outside_flow *flow)
{
    struct gn__engine *engine = flow->engine;
    struct gn__packet *cause = NULL;

    gn__engine_enter(engine);
    if (flow->guest)
        cause = gn__packet_alloc(&engine->net.packets);
    if (cause) { /* As the guest has sent it, but for the payload. */
        write_headers(cause, flow, &flow->key.guest, &flow->key.outside, 0);
        gn__outside_icmp_error(flow->guest, cause, &flow->key.outside.addr,
                               GN__ICMP_PORT_UNREACHABLE, 0);
        gn__packet_free(cause);
    }
    gn__engine_leave(engine);
}
