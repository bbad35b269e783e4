/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Flows of datagrams between guests and the outside, one for each pair of
 * endpoints: those that guests begin (a dial that was accepted), and those that
 * clients of published ports begin. This is the only table of them; the user of
 * a flow knows the kernel's side, and no time.
 *
 *     accept_flow, flow_open --> LIVE --(its end)--> OVER --(told)--> TOLD
 *                                 |                   |               |
 *                                 +-------------------+--flow_close---+--> gone
 *
 * What is permitted:
 *
 *   LIVE  `guest` is set. The flow is in the guest's table, in a list of each
 *         of its sets, on its guest's socket if there is one, and its timer
 *         runs. Datagrams pass both ways; errors are told both ways.
 *   OVER  `guest` is NULL and `over` says why. It is in no table or list, no
 *         timer runs, and its place is free for another: the same endpoints may
 *         begin again while this one is still to be told. What had arrived from
 *         the guest is still handed over, since its sender may have closed its
 *         socket right behind it. Sending is -ECANCELED.
 *   TOLD  ops->ended() has been called. Only flow_close is permitted.
 *
 * Guests' threads and timers may end a flow at any time; only the driving
 * thread closes it. So a flow stays valid for its owner until it closes it.
 *
 * A flow ends
 *
 *   - with its guest, or the socket of the guest's that had the port: what a
 *     host's kernel does, too, when a socket closes. Where there is none (a
 *     guest behind a wire, or behind a router) it idles out;
 *   - when it was idle: for 30 s, or for 180 s if it is assured, which means
 *     that datagrams went both ways and it went on for two seconds, as in
 *     nf_conntrack_proto_udp.c. So a question with its answer costs little, and
 *     a call is not cut off;
 *   - when another needs its place (struct gn__outside_set).
 *
 * The timer is not moved by each datagram: it looks at the time of the last one
 * when it fires.
 */
#include <errno.h>

#include "base/counter.h"
#include "base/units.h"
#include "namespace/gateway/guest.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/udp.h"

/** Both ways and on for so long, a flow is assured. */
#define ASSURED_AFTER_NS (2 * GN__NS_PER_S)

/** The gateway's own ports for flows: first those that sockets are not given
 *  by themselves. */
#define OWN_FIRST (GN__PORT_LAST + 1)
#define OWN_LAST  65535u
#define OWN_TRIES 64u

/* ---- sets ---- */

void gn__outside_set_init(struct gn__outside_set *set, uint32_t max)
{
    *set = (struct gn__outside_set){.max = max};
    gn__list_init(&set->brief);
    gn__list_init(&set->assured);
}

static void place_put(struct gn__outside_place *place, bool assured)
{
    struct gn__outside_set *set = place->set;

    gn__list_add_tail(assured ? &set->assured : &set->brief, &place->link);
    set->n++;
    set->n_brief += !assured;
}

static void place_leave(struct gn__outside_place *place, bool assured)
{
    if (!place->set)
        return;
    gn__list_del(&place->link);
    place->set->n--;
    place->set->n_brief -= !assured;
}

static struct gn__outside_flow *set_first(struct gn__list *list, unsigned slot)
{
    struct gn__list *node = gn__list_first(list);

    if (!node)
        return NULL;
    return slot == 0
               ? gn__container_of(node, struct gn__outside_flow, places[0].link)
               : gn__container_of(node, struct gn__outside_flow,
                                  places[1].link);
}

/* The flow that makes room; NULL: there is none. */
static struct gn__outside_flow *set_idle_longest(struct gn__outside_set *set,
                                                 unsigned slot)
{
    struct gn__outside_flow *brief = set_first(&set->brief, slot);
    struct gn__outside_flow *assured = set_first(&set->assured, slot);

    if (!brief || !assured)
        return brief ? brief : assured;
    if (set->n_brief >= set->n / 4)
        return brief;
    return brief->used_at < assured->used_at ? brief : assured;
}

/* The same where there is no room. */
static struct gn__outside_flow *set_victim(struct gn__outside_set *set,
                                           unsigned slot)
{
    return set && set->n >= set->max ? set_idle_longest(set, slot) : NULL;
}

/* ---- use and idling ---- */

static uint64_t idle_at(const struct gn__outside_flow *flow)
{
    return flow->used_at +
           (flow->assured ? flow->config.assured_ns : flow->config.brief_ns);
}

void gn__flow_use(struct gn__outside_flow *flow, enum gn__flow_side side)
{
    uint64_t now = gn__now(flow->engine);
    bool assured;
    unsigned i;

    flow->used_at = now;
    flow->sides |= side;
    assured = flow->assured || (flow->sides == GN__FLOW_BOTH &&
                                now - flow->began_at >= ASSURED_AFTER_NS);
    for (i = 0; i < 2; i++) {
        place_leave(&flow->places[i], flow->assured);
        if (flow->places[i].set)
            place_put(&flow->places[i], assured);
    }
    flow->assured = assured;
}

void gn__flow_wake(struct gn__outside_flow *flow)
{
    if (!flow->running && gn__list_empty(&flow->deferred.link))
        gn__deferred_queue(flow->engine, &flow->deferred);
}

/* ---- the end ---- */

void gn__flow_free(struct gn__outside_flow *flow)
{
    struct gn__engine *engine = flow->engine;
    struct gn__packet *packet;

    while ((packet = gn__flow_take(flow)))
        gn__packet_free(packet);
    gn__account_unref(flow->deferred.account);
    gn__free(&engine->net.mem, flow, sizeof(*flow));
    gn__engine_unref(engine); /* The caller has another one. */
}

/* It is its guest's no more. What has arrived stays. */
static void flow_leave(struct gn__outside_flow *flow)
{
    struct gn__outside_guest *guest = flow->guest;
    struct gn__packet **tail = &flow->left;
    unsigned i;

    while ((*tail = gn__outside_queue_take(guest, &flow->queue)))
        tail = &(*tail)->next;
    gn__table_del(&guest->flows, &flow->node);
    gn__outside_queue_charge(&flow->queue, NULL);
    gn__list_del(&flow->of_sock);
    for (i = 0; i < 2; i++)
        place_leave(&flow->places[i], flow->assured);
    gn__event_disarm(flow->engine, &flow->idle);
    gn__outside_unproxy(flow->proxied);
    gn__budget_give(&guest->stack.budget, sizeof(*flow));
    flow->guest = NULL;
}

static void flow_over(struct gn__outside_flow *flow, int why)
{
    flow_leave(flow);
    flow->over = why;
    gn__flow_wake(flow);
}

static void idle_fired(struct gn__event *event)
{
    struct gn__outside_flow *flow =
        gn__container_of(event, struct gn__outside_flow, idle);

    if (gn__now(flow->engine) >= idle_at(flow))
        flow_over(flow, -ETIMEDOUT);
    else
        gn__event_arm(flow->engine, &flow->idle, idle_at(flow));
}

void gn__outside_flows_end(struct gn__outside_guest *guest)
{
    struct gn__table_node *node;

    while ((node = gn__table_first(&guest->flows)))
        flow_over(gn__container_of(node, struct gn__outside_flow, node),
                  -ECANCELED);
}

void gn__outside_released(struct gn__binding *binding)
{
    struct gn__list *node;

    while ((node = gn__list_first(&binding->flows)))
        flow_over(gn__container_of(node, struct gn__outside_flow, of_sock),
                  -ECANCELED);
    while ((node = gn__list_pop(&binding->dials)))
        gn__outside_queue_charge(
            &gn__container_of(node, struct gn__dial, of_sock)->waiting, NULL);
}

void gn__outside_flow_close(struct gn__outside_flow *flow)
{
    struct gn__engine *engine = flow->engine;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    flow->closed = true;
    if (flow->guest)
        flow_leave(flow);
    gn__deferred_cancel(engine, &flow->deferred);
    if (!flow->running)
        gn__flow_free(flow);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
}

/* ---- the beginning ---- */

struct gn__outside_flow *gn__flow_find(const struct gn__outside_guest *guest,
                                       const struct gn__outside_key *key)
{
    struct gn__table_node *node =
        gn__table_find(&guest->flows, key, sizeof(*key));

    return node ? gn__container_of(node, struct gn__outside_flow, node) : NULL;
}

/* Those that make room, to be told without the lock. */
struct evicted {
    struct gn__outside_flow *flows[2];
};

static void flow_evict(struct gn__outside_guest *guest,
                       struct gn__outside_flow *flow)
{
    if (!flow)
        return;
    flow_over(flow, -ENOBUFS);
    gn__log(guest->net, GN_LOG_INFO, GN__LOG_EVICTED,
            "guest %s: a flow of datagrams made room for another",
            gn__log_name(guest->owner));
    guest->net->gateway->guest.stats.flows_evicted++;
    guest->owner->stats.flows_evicted++;
}

static void make_room(struct gn__outside_guest *guest,
                      struct gn__outside_set *const sets[2],
                      struct evicted *out)
{
    unsigned i;

    for (i = 0; i < 2; i++) {
        out->flows[i] = set_victim(sets[i], i);
        flow_evict(guest, out->flows[i]);
    }
}

/* So that what they hold is free before the new one is used. */
static void tell_evicted(struct gn__engine *engine,
                         const struct evicted *evicted)
{
    unsigned i;

    for (i = 0; i < 2; i++) {
        struct gn__outside_flow *flow = evicted->flows[i];

        if (!flow || flow->running)
            continue;
        gn__engine_enter(engine);
        gn__deferred_cancel(engine, &flow->deferred);
        gn__engine_leave(engine);
        gn__flow_run(&flow->deferred);
    }
}

void gn__outside_make_room(struct gn__outside_dial *pub)
{
    const struct gn__dial *dial = (struct gn__dial *)(void *)pub;
    struct gn__engine *engine = dial->engine;
    struct evicted evicted = {{NULL, NULL}};

    gn__engine_enter(engine);
    if (dial->guest) {
        evicted.flows[0] = set_idle_longest(&dial->guest->flows_out, 0);
        flow_evict(dial->guest, evicted.flows[0]);
    }
    gn__engine_leave(engine);
    tell_evicted(engine, &evicted);
}

static void flow_configure(struct gn__outside_flow *flow,
                           const struct gn__outside_flow_config *config)
{
    flow->config = *config;
    if (!flow->config.brief_ns)
        flow->config.brief_ns = GN__FLOW_BRIEF_NS;
    if (!flow->config.assured_ns)
        flow->config.assured_ns = GN__FLOW_ASSURED_NS;
    flow->places[1].set = config->set;
    flow->ip_id = GN__COUNT_FROM(uint16_t);
    flow->deferred.run = gn__flow_run;
    flow->idle.fire = idle_fired;
    gn__list_init(&flow->deferred.link);
    gn__list_init(&flow->of_sock);
    gn__outside_queue_init(&flow->queue);
}

/* It ends with the socket, and what waits in it fills its SO_SNDBUF. */
static void flow_join_sock(struct gn__outside_flow *flow,
                           struct gn__binding *binding)
{
    gn__list_add_tail(&binding->flows, &flow->of_sock);
    gn__outside_queue_charge(&flow->queue, gn__udp_of(binding->sock));
}

/* The namespace whose socket it is; NULL: behind a wire, or routed. */
static struct gn_namespace *sockets_of(const struct gn__outside_guest *guest,
                                       const struct gn__outside_key *key)
{
    struct gn_namespace *ns =
        guest->port ? gn__port_namespace(guest->port) : NULL;

    return ns && gn__ns_is_local(ns, &key->guest.addr) ? ns : NULL;
}

struct gn__binding *gn__outside_binding(const struct gn__outside_guest *guest,
                                        const struct gn__outside_key *key)
{
    struct gn_namespace *ns = sockets_of(guest, key);

    return ns ? gn__sock_udp_binding(ns, &key->guest, &key->outside) : NULL;
}

/* False: the guest has no socket there any more. */
static bool find_sock(struct gn__outside_flow *flow)
{
    struct gn__binding *binding = gn__outside_binding(flow->guest, &flow->key);

    if (binding)
        flow_join_sock(flow, binding);
    return binding || !sockets_of(flow->guest, &flow->key);
}

static void flow_enlist(struct gn__outside_flow *flow,
                        struct gn__outside_guest *guest, bool outgoing)
{
    unsigned i;

    flow->engine = guest->engine;
    gn__engine_ref(flow->engine);
    flow->guest = guest;
    flow->deferred.account = gn__account_ref(guest->owner->account);
    flow->places[0].set = outgoing ? &guest->flows_out : &guest->flows_in;
    flow->began_at = flow->used_at = gn__now(flow->engine);
    for (i = 0; i < 2; i++) {
        if (flow->places[i].set)
            place_put(&flow->places[i], false);
    }
    gn__event_arm(flow->engine, &flow->idle, idle_at(flow));
    gn__budget_force(&guest->stack.budget, sizeof(*flow));
}

/* The gateway's own addresses are answered anyhow. */
static int flow_proxy(struct gn__outside_flow *flow,
                      struct gn__outside_guest *guest)
{
    if (gn__ns_is_local(guest->net->gateway, &flow->key.outside.addr))
        return 0;
    return gn__outside_proxy(guest, &flow->key.outside.addr, &flow->proxied);
}

static struct gn__outside_flow *flow_create(
    struct gn__outside_guest *guest, const struct gn__outside_key *key,
    const struct gn__outside_flow_config *config, bool outgoing)
{
    const struct gn__mem *mem = &guest->engine->net.mem;
    struct gn__outside_flow *flow = gn__zalloc(mem, sizeof(*flow));

    if (!flow)
        return NULL;
    flow->key = *key;
    flow_configure(flow, config);
    if (flow_proxy(flow, guest))
        goto undo_alloc;
    if (gn__table_add(&guest->flows, &flow->node, &flow->key,
                      sizeof(flow->key)))
        goto undo_play;
    flow_enlist(flow, guest, outgoing);
    return flow;

undo_play:
    gn__outside_unproxy(flow->proxied);
undo_alloc:
    gn__free(mem, flow, sizeof(*flow));
    return NULL;
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
                       const struct gn__outside_flow_config *config,
                       struct evicted *evicted, struct gn__outside_flow **out)
{
    struct gn__outside_set *const sets[2] = {&guest->flows_out, config->set};
    struct gn__outside_flow *flow;

    make_room(guest, sets, evicted);
    flow = flow_create(guest, &dial->key, config, true);
    if (!flow)
        return -ENOMEM;
    move_waiting(&dial->waiting, &flow->queue);
    gn__flow_use(flow, GN__FLOW_GUEST);
    if (flow->key.type != SOCK_DGRAM || find_sock(flow))
        gn__flow_wake(flow);
    else
        flow_over(flow, -ECANCELED);
    *out = flow;
    return 0;
}

int gn__outside_accept_flow(struct gn__outside_dial *pub,
                            const struct gn__outside_flow_config *config,
                            struct gn__outside_flow **out)
{
    struct gn__dial *dial = (struct gn__dial *)(void *)pub;
    struct gn__engine *engine = dial->engine;
    struct gn__outside_guest *guest;
    struct evicted evicted = {{NULL, NULL}};
    int err = -ECANCELED;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    guest = dial->guest;
    if (gn__dial_take(dial)) {
        err = accept_flow(guest, dial, config, &evicted, out);
        if (err)
            gn__outside_queue_end(guest, &dial->waiting);
    }
    gn__dial_free(dial);
    gn__engine_leave(engine);
    tell_evicted(engine, &evicted);
    gn__engine_unref(engine);
    return err;
}

/* ---- from outside ---- */

static bool is_own_port_free(struct gn__outside_guest *guest,
                             const struct gn__outside_key *key)
{
    return !gn__port_find(guest->net->gateway, GN__PROTO_UDP,
                          key->outside.port) &&
           !gn__flow_find(guest, key);
}

/* The flow is the gateway's: a port of its own that nothing else there uses, or
 * may be given by chance. */
static int own_port(struct gn__outside_guest *guest,
                    struct gn__outside_key *key)
{
    struct gn_namespace *gateway = guest->net->gateway;
    unsigned i;

    if (!gn__net_gateway(guest->net, &key->guest.addr, &key->outside.addr))
        return -EADDRNOTAVAIL;
    for (i = 0; i < 2 * OWN_TRIES; i++) {
        uint32_t first = i < OWN_TRIES ? OWN_FIRST : GN__PORT_FIRST;
        uint32_t last = i < OWN_TRIES ? OWN_LAST : GN__PORT_LAST;

        key->outside.port =
            (uint16_t)(first + gn__rng_below(&gateway->rng, last - first + 1));
        if (is_own_port_free(guest, key))
            return 0;
    }
    return -EADDRNOTAVAIL;
}

static int open_flow(struct gn__outside_guest *guest,
                     const struct gn__outside_key *key,
                     const struct gn__outside_flow_config *config,
                     struct evicted *evicted, struct gn__outside_flow **out)
{
    struct gn__outside_set *const sets[2] = {&guest->flows_in, config->set};

    if (gn__flow_find(guest, key) || gn__dial_find(guest, key))
        return -EADDRINUSE;
    if (gn__budget_full(&guest->stack.budget))
        return -ENOMEM;
    make_room(guest, sets, evicted);
    *out = flow_create(guest, key, config, false);
    if (!*out)
        return -ENOMEM;
    (void)find_sock(*out); /* Without one the guest says so by ICMP. */
    return 0;
}

static int find_guest(struct gn_network *net,
                      const struct gn__endpoint *outside,
                      struct gn__outside_key *key,
                      struct gn__outside_guest **out)
{
    int err = 0;

    if (outside)
        err = gn__outside_check(net, outside, &key->guest);
    else if (net->closing)
        err = -ECANCELED;
    if (!err)
        err = gn__outside_find(net, &key->guest.addr, out);
    if (err)
        return err;
    if (!outside)
        return own_port(*out, key);
    key->outside = *outside;
    /* To itself the host's namespace is no proxy. */
    return (*out)->port == net->uplink ? -EADDRNOTAVAIL : 0;
}

int gn__outside_flow_open(struct gn_network *net,
                          const struct gn__endpoint *outside,
                          const struct gn__endpoint *guest,
                          const struct gn__outside_flow_config *config,
                          struct gn__outside_flow **out)
{
    struct gn__outside_key key = {.guest = *guest, .type = SOCK_DGRAM};
    struct gn__engine *engine = net->engine;
    struct evicted evicted = {{NULL, NULL}};
    struct gn__outside_guest *found;
    struct gn__outside_flow *flow = NULL;
    int err;

    key.guest.scope = 0;
    gn__engine_enter(engine);
    err = find_guest(net, outside, &key, &found);
    if (!err)
        err = open_flow(found, &key, config, &evicted, &flow);
    gn__engine_leave(engine);
    tell_evicted(engine, &evicted);
    if (!err)
        *out = flow;
    return err;
}
