/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The gateway as every address outside: which guests may talk to which address,
 * and where packets that arrive for one of them go.
 *
 * A packet for such an address belongs to its sender, by its port, and is
 * looked at by that guest's stack, dials and flows alone. So nothing that one
 * guest does here can be seen by another, and two guests may use the same
 * 4-tuple if their addresses are given out again.
 */
#include "namespace/gateway/gateway.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "namespace/lifecycle.h"
#include "namespace/gateway/guest.h"
#include "switch/switch.h"

/** What a ghost's connections may still hear, beyond the slowest round trip. */
#define GRACE_NS GN__NS_PER_S

/* ---- which addresses ---- */

/* 0.0.0.0/8 and 240.0.0.0/4 are no host's, RFC 1122 and RFC 1112. */
static bool is_reserved4(const struct gn__addr *addr)
{
    uint32_t first;

    if (!gn__addr_is_v4(addr))
        return false;
    first = gn__addr_v4(addr) >> 24;
    return first == 0 || first >= 224;
}

/* IPv6 link-local addresses belong to each link: the guest's link is not the
 * machine's. Those of IPv4 lead by the machine's routes, for one to a cloud's
 * metadata. */
static bool is_of_a_link(const struct gn__addr *addr)
{
    return !gn__addr_is_v4(addr) && gn__addr_is_linklocal(addr);
}

bool gn__outside_may_be(struct gn_network *net, const struct gn__addr *addr)
{
    size_t i;

    if (is_reserved4(addr) || gn__addr_is_any(addr) ||
        gn__addr_is_loopback(addr) || gn__addr_is_multicast(addr) ||
        is_of_a_link(addr))
        return false;
    for (i = 0; i < net->n_prefixes; i++) {
        if (gn__prefix_contains(&net->prefixes[i].prefix, addr))
            return false;
    }
    return net->gateway && !gn__ns_is_local(net->gateway, addr);
}

bool gn__outside_proxies(struct gn_network *net, const struct gn__addr *addr)
{
    return gn__outside_may_be(net, addr) || gn__host_at(net, addr);
}

bool gn__outside_may_come(struct gn_network *net, const struct gn__addr *addr)
{
    return !gn__addr_is_linklocal(addr) && gn__outside_may_be(net, addr);
}

int gn__outside_check(struct gn_network *net,
                      const struct gn__endpoint *outside,
                      const struct gn__endpoint *guest)
{
    if (net->closing)
        return -ECANCELED;
    if (!outside->port || !guest->port ||
        gn__addr_is_v4(&outside->addr) != gn__addr_is_v4(&guest->addr) ||
        !gn__outside_may_come(net, &outside->addr))
        return -EADDRNOTAVAIL;
    return 0;
}

/* The port that has it; NULL: none. */
static struct gn__port *port_of(const struct gn_network *net,
                                const struct gn__addr *addr)
{
    struct gn__port_addr *owned = gn__port_addr_find(net, addr);

    return owned ? owned->port : NULL;
}

/* ---- what is proxied for which guest ---- */

static struct gn__proxied *find_proxied(const struct gn__outside_guest *guest,
                                        const struct gn__addr *addr)
{
    struct gn__table_node *node =
        gn__table_find(&guest->proxied, addr, sizeof(*addr));

    return node ? gn__container_of(node, struct gn__proxied, node) : NULL;
}

static struct gn__proxied *new_proxied(struct gn__outside_guest *guest,
                                       const struct gn__addr *addr)
{
    const struct gn__mem *mem = &guest->engine->net.mem;
    struct gn__proxied *proxied = gn__zalloc(mem, sizeof(*proxied));

    if (!proxied)
        return NULL;
    gn__ref_init(&proxied->refs, 1);
    proxied->addr = *addr;
    proxied->guest = guest;
    if (gn__table_add(&guest->proxied, &proxied->node, &proxied->addr,
                      sizeof(proxied->addr))) {
        gn__free(mem, proxied, sizeof(*proxied));
        return NULL;
    }
    return proxied;
}

int gn__outside_proxy(struct gn__outside_guest *guest,
                      const struct gn__addr *addr, struct gn__proxied **out)
{
    struct gn__proxied *proxied = NULL;

    if (!guest->outside && !gn__host_at(guest->net, addr)) {
        proxied = find_proxied(guest, addr);
        if (proxied)
            gn__ref_take(&proxied->refs);
        else
            proxied = new_proxied(guest, addr);
        if (!proxied)
            return -ENOMEM;
    }
    *out = proxied;
    return 0;
}

void gn__outside_unproxy(struct gn__proxied *proxied)
{
    struct gn__outside_guest *guest;

    if (!proxied || !gn__ref_give(&proxied->refs))
        return;
    guest = proxied->guest;
    gn__table_del(&guest->proxied, &proxied->node);
    if (guest->owner->ns)
        gn__routes_changed(guest->owner->ns);
    gn__free(&guest->engine->net.mem, proxied, sizeof(*proxied));
}

bool gn__outside_reaches(const struct gn__port *port,
                         const struct gn__addr *addr)
{
    const struct gn__outside_guest *guest = port->outside;

    return guest && gn__outside_may_be(guest->net, addr) &&
           (guest->outside || find_proxied(guest, addr));
}

/* Another guest that forwards would ask by its own way. */
static bool leads_to_gateway(const struct gn_network *net,
                             const struct gn__addr *next_hop)
{
    struct gn__port *port = port_of(net, next_hop);

    return !port || port == net->uplink;
}

/* The machine's loopback is behind the gateway's address. */
bool gn__outside_leaves(const struct gn__port *port,
                        const struct gn__addr *next_hop,
                        const struct gn__endpoint *to)
{
    const struct gn__outside_guest *guest = port->outside;
    const struct gn__endpoint any = {.addr = to->addr};

    if (!guest || !guest->outside || !leads_to_gateway(guest->net, next_hop))
        return false;
    return gn__outside_may_be(guest->net, &to->addr) ||
           (gn__ns_is_local(guest->net->gateway, &to->addr) &&
            !gn__sock_listener(guest->net->gateway, to, &any));
}

/* ---- guests ---- */

static void guest_free(struct gn__outside_guest *guest)
{
    struct gn__engine *engine = guest->engine;
    struct gn__guest *owner = guest->owner;

    gn__free(&engine->net.mem, guest, sizeof(*guest));
    gn__guest_unref(owner); /* The caller has another of its engine. */
}

/* Its connections are over, its port is gone. */
static void end_guest(struct gn__outside_guest *guest)
{
    guest->ended = true;
    gn__event_disarm(guest->engine, &guest->over);
    if (guest->hidden)
        gn__tcp_unlisten(guest->hidden);
    gn__stack_done(&guest->stack);
    if (guest->listed)
        gn__table_del(&guest->net->outside.ghosts, &guest->by_generation);
    gn__list_del(&guest->of_net);
    gn__table_done(&guest->dials);
    gn__table_done(&guest->flows);
    gn__table_done(&guest->proxied);
    guest->net = NULL;
    if (!guest->telling)
        guest_free(guest);
}

static void gateway_reset(struct gn__conn *conn, void *arg)
{
    (void)arg;
    gn__tcp_fail(conn, -ECONNRESET);
}

static void over_fired(struct gn__event *event)
{
    struct gn__outside_guest *guest =
        gn__container_of(event, struct gn__outside_guest, over);

    gn__stack_each(&guest->stack, gateway_reset, NULL);
    if (!guest->stack.n_conns)
        end_guest(guest);
}

static void tell_released(struct gn__deferred *deferred)
{
    struct gn__outside_guest *guest =
        gn__container_of(deferred, struct gn__outside_guest, released);
    struct gn__engine *engine = guest->engine;
    struct gn__outside *outside = guest->outside;

    gn__engine_enter(engine);
    guest->telling = false;
    if (guest->ended)
        guest_free(guest);
    gn__engine_leave(engine);
    outside->ops->released(outside);
    gn__engine_unref(engine);
}

static void init_guest(struct gn__outside_guest *guest, struct gn__port *port)
{
    struct gn_network *net = port->net;
    const struct gn__mem *mem = &net->engine->net.mem;
    const uint64_t *secret = net->engine->net.secret;

    guest->engine = net->engine;
    guest->net = net;
    guest->port = port;
    guest->generation = port->generation;
    guest->owner = port->owner;
    gn__guest_ref(guest->owner);
    gn__list_init(&guest->bounds);
    gn__list_init(&guest->released.link);
    guest->over.fire = over_fired;
    guest->released.run = tell_released;
    guest->released.account = guest->owner->account;
    gn__table_init(&guest->dials, mem, secret);
    gn__table_init(&guest->flows, mem, secret);
    gn__table_init(&guest->proxied, mem, secret);
}

static int init_stack(struct gn__outside_guest *guest)
{
    const struct gn_limits *limits = &guest->owner->limits;
    struct gn_namespace *gateway = guest->net->gateway;
    uint64_t key[2];
    int err;

    gn__rng_fill(&gateway->rng, key, sizeof(key));
    err = gn__stack_init(&guest->stack, &guest->engine->net,
                         &gn__outside_stack_ops, guest, key);
    if (err)
        return err;
    guest->stack.budget.limit = (size_t)limits->max_buffered;
    guest->stack.budget.parent = &guest->net->budget;
    guest->stack.max_conns = limits->max_connections;
    guest->stack.max_time_wait = limits->max_time_wait;
    guest->max_dials = limits->max_outgoing;
    gn__outside_set_init(&guest->flows_out, limits->max_flows);
    gn__outside_set_init(&guest->flows_in, limits->max_flows);
    return 0;
}

struct gn__outside_guest *gn__outside_guest_of(struct gn__port *port)
{
    struct gn_network *net = port->net;
    const struct gn__mem *mem = &net->engine->net.mem;
    struct gn__outside_guest *guest = port->outside;

    if (guest)
        return guest;
    guest = gn__zalloc(mem, sizeof(*guest));
    if (!guest)
        return NULL;
    init_guest(guest, port);
    if (init_stack(guest)) {
        guest_free(guest);
        return NULL;
    }
    gn__list_add_tail(&net->outside.guests, &guest->of_net);
    port->outside = guest;
    return guest;
}

/* By which port an address is reached: its owner's, or a router's. */
static struct gn__port *port_to(struct gn_network *net,
                                const struct gn__addr *addr)
{
    struct gn__port *port = port_of(net, addr);
    struct gn__way way;

    if (port || gn__ns_route(net->gateway, addr, NULL, 0, &way))
        return port;
    return port_of(net, &way.next_hop);
}

int gn__outside_find(struct gn_network *net, const struct gn__addr *addr,
                     struct gn__outside_guest **out)
{
    struct gn__port *port = port_to(net, addr);

    if (!port || port->ops == &gn__host_ops)
        return -EHOSTUNREACH;
    *out = gn__outside_guest_of(port);
    return *out ? 0 : -ENOMEM;
}

uint32_t gn__outside_sockets(struct gn_network *net,
                             const struct gn__addr *addr)
{
    struct gn__port *port;
    uint32_t n = UINT32_MAX;

    gn__engine_enter(net->engine);
    port = port_of(net, addr);
    if (port && port != net->uplink && gn__port_namespace(port))
        n = port->owner->limits.max_sockets > 1
                ? port->owner->limits.max_sockets - 1
                : 1;
    gn__engine_leave(net->engine);
    return n;
}

struct gn__account *gn__outside_account(struct gn_network *net,
                                        const struct gn__addr *addr)
{
    struct gn__account *account = NULL;
    struct gn__port *port;

    gn__engine_enter(net->engine);
    port = port_of(net, addr);
    if (port && port != net->uplink)
        account = gn__account_ref(port->owner->account);
    gn__engine_leave(net->engine);
    return account;
}

int gn__port_set_outside(struct gn__port *port, struct gn__outside *outside)
{
    struct gn__outside_guest *guest;

    if (!port->net)
        return -EADDRNOTAVAIL;
    guest = gn__outside_guest_of(port);
    if (!guest)
        return -ENOMEM;
    guest->outside = outside;
    if (outside->ops->taken)
        outside->ops->taken(outside);
    if (guest->owner->ns)
        gn__routes_changed(guest->owner->ns);
    return 0;
}

int gn__ns_set_outside(struct gn_namespace *ns, struct gn__outside *outside)
{
    struct gn__list *first = gn__list_first(&ns->guest.ports);

    return first ? gn__port_set_outside(
                       gn__container_of(first, struct gn__port, of_owner),
                       outside)
                 : -EADDRNOTAVAIL;
}

/* ---- their end ---- */

static void end_dials(struct gn__outside_guest *guest)
{
    struct gn__table_node *node;

    while ((node = gn__table_first(&guest->dials)))
        gn__dial_cancel(gn__container_of(node, struct gn__dial, node));
}

void gn__outside_talk_end(struct gn__port *port)
{
    struct gn__outside_guest *guest = port->outside;

    if (!guest)
        return;
    end_dials(guest);
    gn__outside_flows_end(guest);
    gn__outside_bounds_end(guest);
}

static void become_ghost(struct gn__outside_guest *guest)
{
    struct gn__table *ghosts = &guest->net->outside.ghosts;

    guest->port = NULL;
    /* Without memory what is under way from it is not found, and so lost. */
    guest->listed =
        !gn__table_add(ghosts, &guest->by_generation, &guest->generation,
                       sizeof(guest->generation));
}

void gn__outside_port_gone(struct gn__port *port)
{
    struct gn__outside_guest *guest = port->outside;
    uint64_t grace = GRACE_NS + 2 * port->slowest_ns;

    if (!guest)
        return;
    gn__outside_talk_end(port);
    port->outside = NULL;
    become_ghost(guest);
    if (guest->outside && guest->outside->ops->released) {
        guest->telling = true;
        gn__engine_ref(guest->engine);
        gn__deferred_queue(guest->engine, &guest->released);
    }
    /* The closer of the network, or of the owner, is told after them. */
    gn__sched_hand_over(&guest->engine->deferred, guest->owner->account);
    if (guest->stack.n_conns)
        gn__event_arm(guest->engine, &guest->over,
                      gn__now(guest->engine) + grace);
    else
        end_guest(guest);
}

void gn__outside_end(struct gn_network *net)
{
    struct gn__list *node;

    while ((node = gn__list_first(&net->outside.guests))) {
        struct gn__outside_guest *guest =
            gn__container_of(node, struct gn__outside_guest, of_net);

        if (guest->port)
            gn__outside_port_gone(guest->port);
        if (gn__list_first(&net->outside.guests) == node)
            end_guest(guest);
    }
}

/* ---- sending ---- */

void gn__outside_count(struct gn__outside_guest *guest, enum gn_drop why,
                       uint64_t n)
{
    struct gn__guest *gateway = &guest->net->gateway->guest;

    gn__guest_count(gateway, why, n);
    if (guest->port && guest->owner != gateway)
        gn__guest_count(guest->owner, why, n);
    gn__log_drop(guest->net, guest->owner, why);
}

void gn__outside_drop(struct gn__outside_guest *guest,
                      struct gn__packet *packet, enum gn_drop why)
{
    gn__outside_count(guest, why, 1);
    gn__packet_free(packet);
}

/* A host that is proxied has no such port, or does not speak that: limited for
 * the guest, as what the switch says. */
static void host_refuse(struct gn__outside_guest *guest,
                        const struct gn__packet *packet)
{
    enum gn__icmp_kind kind = packet->ip.proto == GN__PROTO_UDP
                                  ? GN__ICMP_PORT_UNREACHABLE
                                  : GN__ICMP_PROTO_UNREACHABLE;
    struct gn_network *net = guest->net;

    if (guest->port &&
        !gn__bucket_take(&guest->port->icmp, gn__now(guest->engine),
                         net->limits.icmp_per_second))
        gn__outside_count(guest, GN_DROP_ICMP_RATE, 1);
    else
        gn__outside_icmp_error(guest, packet, &packet->ip.dst, kind, 0, 0);
}

void gn__outside_unreachable(struct gn__outside_guest *guest,
                             struct gn__packet *packet, enum gn_drop why)
{
    if (gn__host_at(guest->net, &packet->ip.dst))
        host_refuse(guest, packet);
    else
        gn__ns_icmp_error(guest->net->gateway, packet, GN__ICMP_NET_UNREACHABLE,
                          0);
    gn__outside_drop(guest, packet, why);
}

void gn__outside_send(struct gn__outside_guest *guest,
                      struct gn__packet *packet)
{
    if (guest->port)
        gn__ns_output_foreign(guest->net->gateway, packet);
    else
        gn__outside_drop(guest, packet, GN_DROP_STALE);
}

enum gn__icmp_kind gn__outside_icmp_kind(int error)
{
    switch (error) {
    case -ETIMEDOUT:
        return GN__ICMP_NONE;
    case -ECONNREFUSED:
        return GN__ICMP_PORT_UNREACHABLE;
    case -ENETUNREACH:
        return GN__ICMP_NET_UNREACHABLE;
    case -EACCES:
    case -EPERM:
        return GN__ICMP_PROHIBITED;
    default:
        return GN__ICMP_HOST_UNREACHABLE;
    }
}

void gn__outside_icmp_error(struct gn__outside_guest *guest,
                            const struct gn__packet *cause,
                            const struct gn__addr *from,
                            enum gn__icmp_kind kind, uint32_t mtu, int verdict)
{
    struct gn__packet *error =
        gn__icmp_error(cause->pool, cause, from, kind, mtu);

    if (!error)
        return;
    error->verdict = (int16_t)verdict;
    guest->net->gateway->guest.stats.icmp_errors++;
    gn__outside_send(guest, error);
}

/* ---- receiving ---- */

/* The guest that sent it, even if its port is gone. NULL: the switch did, or a
 * port that never talked to the outside. */
static struct gn__outside_guest *sender_of(const struct gn_network *net,
                                           const struct gn__packet *packet)
{
    struct gn__port *port = gn__packet_from(packet);
    struct gn__table_node *node;

    if (port && port->owner == &net->gateway->guest) /* from its loopback */
        port = port_of(net, &packet->ip.src);
    if (port)
        return port->outside;
    node = gn__table_find(&net->outside.ghosts, &packet->from_generation,
                          sizeof(packet->from_generation));
    return node
               ? gn__container_of(node, struct gn__outside_guest, by_generation)
               : NULL;
}

/* Whose connection or flow an error is about: the guest it was sent to. Only
 * that one, the switch or a router may say so. */
static struct gn__outside_guest *gateway_concerned(
    struct gn_network *net, const struct gn__packet *packet,
    const struct gn__icmp *icmp)
{
    struct gn__port *from = gn__packet_from(packet);
    struct gn__port *to = port_to(net, &icmp->inner.dst);

    if (!to)
        return NULL;
    if (from && from != to && !from->any_source &&
        from->owner != &net->gateway->guest)
        return NULL;
    return to->outside;
}

bool gn__outside_error(struct gn_network *net, const struct gn__packet *packet,
                       const struct gn__icmp *icmp)
{
    struct gn__outside_guest *guest = gateway_concerned(net, packet, icmp);
    bool tcp = icmp->inner.proto == GN__PROTO_TCP;

    if (!guest || !(tcp ? gn__tcp_has_sent(&guest->stack, icmp)
                        : gn__outside_udp_has_sent(guest, icmp)))
        return false;
    if (icmp->kind == GN__ICMP_TOO_BIG && icmp->mtu)
        gn__ns_learn_mtu(net->gateway, &icmp->inner.dst, icmp->mtu);
    if (tcp)
        gn__tcp_icmp_error(&guest->stack, icmp);
    else
        gn__outside_udp_error(guest, icmp);
    return true;
}

/* An answer in the place of an address outside would claim what the gateway
 * cannot know: that address is asked. A host that is proxied is there.
 * @guest  NULL: its sender is not known. */
static void icmp_input(struct gn_network *net, struct gn__outside_guest *guest,
                       struct gn__packet *packet)
{
    struct gn_namespace *gateway = net->gateway;
    struct gn__icmp icmp;

    if (!gn__icmp_parse(packet, &icmp)) {
        gn__ns_drop(gateway, GN_DROP_MALFORMED);
    } else if (icmp.kind == GN__ICMP_ECHO_REQUEST &&
               gn__host_at(net, &packet->ip.dst) &&
               gn__icmp_echo_reply(packet)) {
        packet->forwarded = false;
        gn__ns_output_foreign(gateway, packet);
        return;
    } else if (icmp.kind == GN__ICMP_ECHO_REQUEST && guest && guest->outside) {
        gn__outside_echo_input(guest, packet);
        return;
    } else if (icmp.kind == GN__ICMP_ECHO_REQUEST) {
        gn__ns_icmp_error(gateway, packet, GN__ICMP_PROHIBITED, 0);
        gn__ns_drop(gateway, GN_DROP_PROTOCOL);
    } else if (!icmp.has_inner || !gn__outside_error(net, packet, &icmp)) {
        gn__ns_drop(gateway, GN_DROP_ICMP);
    }
    gn__packet_free(packet);
}

/* ICMP, and whole. */
static bool is_icmp(const struct gn__packet *packet)
{
    return packet->ip.proto ==
               (packet->ip.version == 4 ? GN__PROTO_ICMP : GN__PROTO_ICMP6) &&
           !gn__ip_is_fragment(&packet->ip);
}

static void guest_input(struct gn__outside_guest *guest,
                        struct gn__packet *packet)
{
    if (gn__ip_is_fragment(&packet->ip)) {
        packet = gn__stack_reassemble(&guest->stack, packet);
        if (!packet)
            return;
    }
    if (packet->ip.proto == GN__PROTO_TCP)
        gn__outside_tcp_input(guest, packet);
    else if (packet->ip.proto == GN__PROTO_UDP)
        gn__outside_udp_input(guest, packet);
    else if (is_icmp(packet))
        icmp_input(guest->net, guest, packet);
    else
        gn__outside_unreachable(guest, packet, GN_DROP_PROTOCOL);
}

bool gn__outside_stands_in(struct gn_network *net, struct gn__packet *packet)
{
    struct gn__outside_guest *guest = sender_of(net, packet);

    if (!guest)
        return false;
    if (packet->ip.proto == GN__PROTO_UDP)
        return gn__outside_udp_stands_in(guest, packet);
    return guest->outside && guest->port &&
           gn__outside_tcp_stands_in(guest, net->gateway, packet);
}

void gn__outside_host_input(struct gn_network *net, struct gn__packet *packet)
{
    struct gn__port *from = gn__packet_from(packet);
    struct gn__outside_guest *guest = sender_of(net, packet);

    if (!guest && from)
        guest = gn__outside_guest_of(from);
    if (is_icmp(packet)) {
        icmp_input(net, guest, packet);
    } else if (guest) {
        guest_input(guest, packet);
    } else {
        gn__ns_drop(net->gateway, from ? GN_DROP_MEMORY : GN_DROP_STALE);
        gn__packet_free(packet);
    }
}

void gn__outside_input(struct gn_network *net, struct gn__packet *packet)
{
    struct gn__outside_guest *guest = sender_of(net, packet);

    if (is_icmp(packet)) {
        icmp_input(net, guest, packet);
    } else if (guest) {
        guest_input(guest, packet);
    } else {
        if (gn__packet_from(packet)) {
            gn__ns_icmp_error(net->gateway, packet, GN__ICMP_NET_UNREACHABLE,
                              0);
            gn__ns_drop(net->gateway, GN_DROP_NOT_PROXIED);
        } else {
            gn__ns_drop(net->gateway, GN_DROP_STALE);
        }
        gn__packet_free(packet);
    }
}
