/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Bindings, and when two of them are in each other's way: the rules of Linux'
 * inet_csk_get_port() and udp_lib_get_port(), which bind(2) and socket(7) tell
 * only in part.
 *
 *   TCP  Two that overlap may share a port if both have SO_REUSEADDR and the
 *        one that was there does not listen, or if both have SO_REUSEPORT.
 *   UDP  ... if both have SO_REUSEADDR, or both have SO_REUSEPORT.
 *
 * Addresses overlap when they are equal or one is the wildcard of the other's
 * version; the IPv6 wildcard overlaps IPv4 too unless it is V6ONLY.
 */
#include "namespace/sock/bind.h"

#include <errno.h>
#include <string.h>

#include "base/siphash.h"
#include "namespace/internal.h"

static unsigned proto_of(const struct gn_sock *sock)
{
    return sock->type == SOCK_STREAM ? GN__PROTO_TCP : GN__PROTO_UDP;
}

/* Where one that was found lately is looked for first. A guest that picks ports
 * which share a place has no more of it than the search in the table. */
static struct gn__port_use **hot_place(struct gn__engine *engine,
                                       const struct gn__port_key *key)
{
    return &gn__shared_of(engine)
                ->hot_ports[(key->ns + key->port) % GN__HOT_PORTS];
}

struct gn__port_use *gn__port_find(const struct gn_namespace *ns,
                                   unsigned proto, uint16_t port)
{
    struct gn__port_key key = {
        .ns = ns->guest.id, .port = port, .proto = (uint16_t)proto};
    struct gn__port_use **hot = hot_place(ns->engine, &key);
    struct gn__table_node *node;

    if (*hot && !memcmp(&(*hot)->key, &key, sizeof(key)))
        return *hot;
    node = gn__table_find(&gn__shared_of(ns->engine)->ports, &key, sizeof(key));
    if (!node)
        return NULL;
    *hot = gn__container_of(node, struct gn__port_use, node);
    return *hot;
}

/* ---- conflicts ---- */

/* Does the wildcard @any stand for @addr too? */
static bool wildcard_covers(const struct gn__addr *any, bool v6only,
                            const struct gn__addr *addr)
{
    if (!gn__addr_is_any(any))
        return false;
    if (gn__addr_is_v4(any))
        return gn__addr_is_v4(addr);
    return !v6only || !gn__addr_is_v4(addr);
}

bool gn__binding_covers(const struct gn__binding *b,
                        const struct gn__addr *addr)
{
    return gn__addr_equal(&b->addr, addr) ||
           wildcard_covers(&b->addr, b->v6only, addr);
}

static bool bind_overlaps(const struct gn_sock *sock,
                          const struct gn__addr *addr,
                          const struct gn__binding *b)
{
    if (sock->bound_if && b->iface && sock->bound_if != b->iface)
        return false;
    return gn__binding_covers(b, addr) ||
           wildcard_covers(addr, sock->opt.v6only, &b->addr);
}

static bool in_the_way(const struct gn_sock *sock, const struct gn__binding *b,
                       bool strict)
{
    const struct gn__sock_opt *opt = b->sock ? &b->sock->opt : NULL;
    bool reuse_addr = opt ? opt->reuse_addr : b->reuse_addr;
    bool reuse_port = opt ? opt->reuse_port : b->reuse_port;

    if (strict)
        return true;
    if (sock->opt.reuse_addr && reuse_addr && !b->listening)
        return false;
    return !sock->opt.reuse_port || !reuse_port;
}

bool gn__port_conflicts(const struct gn_sock *sock, const struct gn__addr *addr,
                        uint16_t port, bool strict)
{
    struct gn__port_use *use = gn__port_find(sock->ns, proto_of(sock), port);
    struct gn__list *it;

    if (!use)
        return false;
    gn__list_foreach (it, &use->bindings) {
        struct gn__binding *b =
            gn__container_of(it, struct gn__binding, of_use);

        if (b->sock != sock && bind_overlaps(sock, addr, b) &&
            in_the_way(sock, b, strict))
            return true;
    }
    return false;
}

/* ---- making and giving back ---- */

static struct gn__port_use *new_use(struct gn_namespace *ns, unsigned proto,
                                    uint16_t port)
{
    struct gn__engine *engine = ns->engine;
    struct gn__port_use *use;

    use = gn__slab_take(&engine->net.slab, &engine->net.mem, sizeof(*use));
    if (!use)
        return NULL;
    *use = (struct gn__port_use){
        .key = {.ns = ns->guest.id, .port = port, .proto = (uint16_t)proto},
        .engine = engine};
    gn__list_init(&use->bindings);
    if (gn__table_add(&gn__shared_of(engine)->ports, &use->node, &use->key,
                      sizeof(use->key))) {
        gn__slab_give(&engine->net.slab, &engine->net.mem, use, sizeof(*use));
        return NULL;
    }
    *hot_place(engine, &use->key) = use;
    return use;
}

static struct gn__port_use *use_of(struct gn_namespace *ns, unsigned proto,
                                   uint16_t port)
{
    struct gn__port_use *use = gn__port_find(ns, proto, port);

    return use ? use : new_use(ns, proto, port);
}

static void drop_use_if_empty(struct gn__port_use *use)
{
    struct gn__engine *engine = use->engine;
    struct gn__port_use **hot = hot_place(engine, &use->key);

    if (!gn__list_empty(&use->bindings))
        return;
    if (*hot == use)
        *hot = NULL;
    gn__table_del(&gn__shared_of(engine)->ports, &use->node);
    gn__slab_give(&engine->net.slab, &engine->net.mem, use, sizeof(*use));
}

/* @use NULL: there was no memory for it. */
static struct gn__binding *bind_make(struct gn_sock *sock,
                                     const struct gn__addr *addr,
                                     struct gn__port_use *use)
{
    struct gn__netstack *net = &sock->engine->net;
    struct gn__binding *b;

    if (!use)
        return NULL;
    b = gn__slab_take(&net->slab, &net->mem, sizeof(*b));
    if (!b) {
        drop_use_if_empty(use);
        return NULL;
    }
    memset(b, 0, sizeof(*b));
    b->use = use;
    b->addr = *addr;
    b->iface = sock->bound_if;
    gn__ref_init(&b->refs, 1);
    gn__list_init(&b->flows);
    gn__list_init(&b->dials);
    b->v6only = sock->opt.v6only;
    b->reuse_addr = sock->opt.reuse_addr;
    b->reuse_port = sock->opt.reuse_port;
    gn__list_add_head(&use->bindings, &b->of_use); /* The newest is first. */
    return b;
}

struct gn__binding *gn__binding_ref(struct gn__binding *binding)
{
    gn__ref_take(&binding->refs);
    return binding;
}

void gn__binding_unref(struct gn__binding *binding)
{
    struct gn__port_use *use = binding->use;
    struct gn__netstack *net = &use->engine->net;

    if (!gn__ref_give(&binding->refs))
        return;
    gn__list_del(&binding->of_use);
    gn__slab_give(&net->slab, &net->mem, binding, sizeof(*binding));
    drop_use_if_empty(use);
}

void gn__sock_port_released(struct gn_namespace *ns, void *binding)
{
    (void)ns;
    gn__binding_unref(binding);
}

/* ---- for sockets ---- */

int gn__bind_sock(struct gn_sock *sock, const struct gn__addr *addr,
                  uint16_t port)
{
    struct gn__binding *b;

    if (port == 0)
        port = gn__port_pick(sock, addr);
    else if (gn__port_conflicts(sock, addr, port, false))
        return -EADDRINUSE;
    if (port == 0)
        return -EADDRINUSE;
    b = bind_make(sock, addr, use_of(sock->ns, proto_of(sock), port));
    if (!b)
        return -ENOMEM;
    b->sock = sock;
    sock->binding = b;
    sock->local = (struct gn__endpoint){.addr = *addr, .port = port};
    if (gn__addr_needs_scope(addr))
        sock->local.scope = sock->bound_if;
    gn__served_changed(sock->engine);
    return 0;
}

int gn__bind_listen(struct gn_sock *sock)
{
    struct gn__binding *b = sock->binding;

    if (gn__port_conflicts(sock, &b->addr, b->use->key.port, false))
        return -EADDRINUSE;
    if (gn__ref_is_shared(&b->refs) && in_the_way(sock, b, false))
        return -EADDRINUSE; /* A connection of its own is in TIME_WAIT there. */
    b->listening = true;
    gn__served_changed(sock->engine);
    return 0;
}

void gn__bind_unlisten(struct gn_sock *sock)
{
    sock->ns->observer->unbound(sock);
    if (sock->binding)
        sock->binding->listening = false;
}

void gn__bind_narrow(struct gn_sock *sock, const struct gn__addr *addr)
{
    if (sock->binding)
        sock->binding->addr = *addr;
}

void gn__bind_release(struct gn_sock *sock)
{
    struct gn__binding *b = sock->binding;

    sock->ns->observer->unbound(sock);
    if (!b)
        return;
    sock->ns->observer->released(b);
    b->reuse_addr = sock->opt.reuse_addr;
    b->reuse_port = sock->opt.reuse_port;
    b->listening = false;
    b->sock = NULL;
    sock->binding = NULL;
    gn__binding_unref(b);
}

/* ---- for connections ---- */

static struct gn__binding *find_shared(struct gn__port_use *use,
                                       const struct gn_sock *sock,
                                       const struct gn__endpoint *local,
                                       bool dialled)
{
    struct gn__list *it;

    gn__list_foreach (it, &use->bindings) {
        struct gn__binding *b =
            gn__container_of(it, struct gn__binding, of_use);

        if (!b->sock && b->dialled == dialled &&
            b->reuse_addr == sock->opt.reuse_addr &&
            b->reuse_port == sock->opt.reuse_port && b->iface == local->scope &&
            gn__addr_equal(&b->addr, &local->addr))
            return b;
    }
    return NULL;
}

struct gn__binding *gn__bind_share(struct gn_sock *sock,
                                   const struct gn__endpoint *local,
                                   bool dialled)
{
    struct gn__port_use *use =
        gn__port_find(sock->ns, proto_of(sock), local->port);
    struct gn__binding *b = NULL;

    if (use)
        b = find_shared(use, sock, local, dialled);
    if (b)
        return gn__binding_ref(b);
    if (!use)
        use = new_use(sock->ns, proto_of(sock), local->port);
    b = bind_make(sock, &local->addr, use);
    if (!b)
        return NULL;
    b->iface = local->scope;
    b->v6only = false;
    b->dialled = dialled;
    return b;
}

struct gn__binding *gn__bind_reshare(struct gn_sock *sock,
                                     struct gn__binding *held)
{
    const struct gn__sock_opt *opt = &sock->opt;
    struct gn__endpoint local = {.addr = held->addr, .scope = held->iface};
    struct gn__binding *b;

    if (held->sock || (held->reuse_addr == opt->reuse_addr &&
                       held->reuse_port == opt->reuse_port))
        return held;
    local.port = held->use->key.port;
    b = gn__bind_share(sock, &local, held->dialled);
    if (!b)
        return held;
    gn__binding_unref(held);
    return b;
}

/* ---- which binding a packet is for ---- */

unsigned gn__binding_score(const struct gn__binding *b,
                           const struct gn__addr *local, unsigned iface)
{
    unsigned points = 1;

    if (!gn__binding_covers(b, local))
        return 0;
    if (b->iface) {
        if (iface && b->iface != iface)
            return 0;
        points += 2;
    }
    if (!gn__addr_is_any(&b->addr))
        points += 4;
    if (gn__addr_is_v4(&b->addr) == gn__addr_is_v4(local))
        points++;
    return points;
}

static bool bind_shares(const struct gn__binding *b)
{
    return b->sock && b->sock->opt.reuse_port;
}

/* The @nth of those that share and score @points. */
static struct gn__binding *nth_of_group(const struct gn__port_use *use,
                                        gn__score score,
                                        const struct gn__endpoint *local,
                                        const struct gn__endpoint *remote,
                                        unsigned iface, unsigned points,
                                        uint32_t nth)
{
    struct gn__list *it;

    gn__list_foreach (it, &use->bindings) {
        struct gn__binding *b =
            gn__container_of(it, struct gn__binding, of_use);

        if (bind_shares(b) && score(b, local, remote, iface) == points &&
            nth-- == 0)
            return b;
    }
    return NULL;
}

static uint32_t bind_spread(const struct gn_namespace *ns,
                            const struct gn__endpoint *local,
                            const struct gn__endpoint *remote)
{
    struct gn__endpoint both[2] = {*local, *remote};

    return (uint32_t)gn__siphash13(ns->rng.key, both, sizeof(both));
}

struct gn__binding *gn__binding_pick(const struct gn_namespace *ns,
                                     const struct gn__port_use *use,
                                     gn__score score,
                                     const struct gn__endpoint *local,
                                     const struct gn__endpoint *remote,
                                     unsigned iface)
{
    struct gn__binding *best = NULL;
    unsigned most = 0;
    uint32_t n = 0;
    struct gn__list *it;

    gn__list_foreach (it, &use->bindings) {
        struct gn__binding *b =
            gn__container_of(it, struct gn__binding, of_use);
        unsigned points = score(b, local, remote, iface);

        if (points > most) {
            most = points;
            best = b;
            n = 0;
        }
        if (points > 0 && points == most && bind_shares(b))
            n++;
    }
    if (n < 2 || !bind_shares(best))
        return best;
    n = (uint32_t)(((uint64_t)bind_spread(ns, local, remote) * n) >> 32);
    return nth_of_group(use, score, local, remote, iface, most, n);
}
