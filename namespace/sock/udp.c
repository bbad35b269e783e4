/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams on their way out. No stack is involved: a datagram is an IP header,
 * a UDP header and a slice of payload (or, if it is small, payload in the
 * packet's head), built here and handed to the namespace to be routed.
 *
 * The order of the checks is that of Linux' udp_sendmsg() and
 * udpv6_sendmsg().
 */
#include <errno.h>
#include <string.h>

#include "base/wire.h"
#include "namespace/internal.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/msg.h"
#include "namespace/sock/udp.h"

/** What the headers of one datagram say. */
struct plan {
    struct gn__endpoint to;
    uint16_t from_port;
    struct gn__way way;
    uint8_t ttl;
    uint8_t tos;
    bool whole;         /* IP_PMTUDISC_DO and its like: not in pieces */
    bool dont_fragment; /* ... by routers either */
    uint32_t mtu;       /* the longest piece */
    bool over_iface;    /* not by route: multicast, broadcast, as asked for */
    bool loop;          /* own sockets hear it, too, if it is for them */
};

/* So that a guest that sends again and again, and does not wait for room, does
 * not keep others from the engine. */
static bool is_full(const struct gn__udp_sock *udp)
{
    return atomic_load_explicit(&udp->full, memory_order_relaxed);
}

int gn__udp_prepare(struct gn_sock *sock, struct gn__xfer *io)
{
    struct gn__chunk *chunk;

    if (io->total > UINT16_MAX)
        return -EMSGSIZE;
    if (is_full(gn__udp_of(sock)) && !gn__sock_blocks(sock, io->flags))
        return -EAGAIN;
    if (io->total <= GN__XFER_INLINE)
        return 0;
    chunk = gn__chunk_alloc(sock->engine->net.chunks, io->total);
    if (!chunk)
        return -ENOBUFS;
    gn__iov_read(&io->iov, gn__chunk_data(chunk), io->total);
    io->slices[0] =
        (struct gn__slice){chunk, gn__chunk_data(chunk), (uint32_t)io->total};
    io->n_slices = 1;
    return 0;
}

/* Those that are bound to any address, to a broadcast address, or to a group
 * that every host is in. */
void gn__udp_hear(struct gn__udp_sock *udp)
{
    struct gn_sock *sock = &udp->sock;
    const struct gn__addr *addr = &sock->local.addr;
    bool many = gn__addr_is_any(addr) || gn__ns_is_for_many(sock->ns, addr);
    unsigned hears = 0;

    if (many &&
        (gn__addr_is_v4(addr) || (gn__addr_is_any(addr) && !sock->opt.v6only)))
        hears |= 1u << GN__HEARS_4;
    if (many && !gn__addr_is_v4(addr))
        hears |= 1u << GN__HEARS_6;
    gn__sock_hear(sock, sock->binding ? hears : 0);
}

int gn__udp_autobind(struct gn__udp_sock *udp)
{
    struct gn_sock *sock = &udp->sock;
    int err;

    if (sock->binding)
        return 0;
    err = gn__bind_sock(sock, &sock->local.addr, 0);
    if (!err)
        gn__udp_hear(udp);
    return err == -EADDRINUSE ? -EAGAIN : err;
}

/* ---- how much is on its way ---- */

/*
 * Between guests no datagram waits: it is in its receiver's buffer when the
 * call returns, or dropped. A datagram for the outside waits until the driving
 * thread has handed it to the kernel, and fills SO_SNDBUF meanwhile, as on
 * Linux a datagram that waits for a device does (sk_wmem_alloc). So a sender
 * that is faster than that is slowed down, and does not lose its datagrams.
 */
bool gn__udp_is_writable(const struct gn__udp_sock *udp)
{
    return udp->sending < udp->sock.opt.sndbuf / 2;
}

void gn__udp_sending(struct gn__udp_sock *udp, size_t bytes)
{
    udp->sending += bytes;
}

void gn__udp_sent(struct gn__udp_sock *udp, size_t bytes)
{
    bool was_writable = gn__udp_is_writable(udp);

    udp->sending -= bytes;
    gn__udp_changed(udp);
    if (!was_writable && gn__udp_is_writable(udp))
        gn__sock_touch(&udp->sock);
}

/* sock_alloc_send_pskb() of Linux. */
static int take_room(struct gn__udp_sock *udp)
{
    if (udp->sending < udp->sock.opt.sndbuf)
        return 0;
    atomic_store_explicit(&udp->full, true, memory_order_relaxed);
    return -EAGAIN;
}

/* ---- where to ---- */

/* A destination of the other version: udpv6_sendmsg() hands it on. */
static int read_dest_v4(const struct gn_sock *sock, const struct gn__xfer *io,
                        struct gn__endpoint *to)
{
    if (sock->opt.v6only)
        return -ENETUNREACH;
    return gn__endpoint_from_sockaddr(io->to, io->to_len, AF_INET, to);
}

static int read_dest(struct gn_sock *sock, const struct gn__xfer *io,
                     struct gn__endpoint *to)
{
    struct sockaddr_in sin;

    if (io->to_len < sizeof(io->to->sa_family))
        return -EINVAL;
    if (sock->family == AF_INET6 && io->to->sa_family == AF_INET)
        return read_dest_v4(sock, io, to);
    if (sock->family == AF_INET6 && io->to->sa_family != AF_INET6)
        return -EINVAL;
    if (sock->family == AF_INET && io->to->sa_family == AF_UNSPEC &&
        io->to_len >= sizeof(sin)) {
        memcpy(&sin, io->to, sizeof(sin));
        sin.sin_family = AF_INET;
        return gn__dest_parse(sock, (const struct sockaddr *)&sin, sizeof(sin),
                              to);
    }
    return gn__dest_parse(sock, io->to, io->to_len, to);
}

/* IPv6 takes AF_UNSPEC for no address at all. */
static bool has_dest(const struct gn_sock *sock, const struct gn__xfer *io)
{
    return io->to && !(sock->family == AF_INET6 &&
                       io->to_len >= sizeof(io->to->sa_family) &&
                       io->to->sa_family == AF_UNSPEC);
}

static int choose_dest(struct gn_sock *sock, const struct gn__xfer *io,
                       struct gn__endpoint *to)
{
    int err = 0;

    if (has_dest(sock, io)) {
        err = read_dest(sock, io, to);
        return err ? err : to->port == 0 ? -EINVAL : 0;
    }
    if (!gn__udp_of(sock)->connected)
        return -EDESTADDRREQ;
    *to = sock->remote;
    if (io->to && gn__addr_is_v4(&to->addr))
        return -ENETUNREACH; /* AF_UNSPEC: Linux stays with IPv6. */
    if (to->port == 0 && sock->family == AF_INET6 && gn__addr_is_v4(&to->addr))
        return -EINVAL; /* IPv4's check, which IPv4 itself does not get to. */
    return 0;
}

/* The interface and source that IPV6_PKTINFO names: a source of no more than
 * link scope must be that interface's. ip6_datagram_send_ctl(). */
static int check_info6(const struct gn_sock *sock, const struct gn__xfer *io,
                       const struct gn__endpoint *to)
{
    const struct gn__ancillary *said = &io->ancillary;
    unsigned other = to->scope ? to->scope : sock->bound_if;
    unsigned iface = said->iface ? said->iface : other;
    const struct gn__iface *own;

    if (said->iface && other && said->iface != other)
        return -EINVAL;
    if (iface && !gn__ns_iface_by_index(sock->ns, iface))
        return -ENODEV;
    if (!said->has_local || !(gn__addr_is_loopback(&said->local) ||
                              gn__addr_is_linklocal(&said->local)))
        return 0;
    own = gn__ns_iface_of(sock->ns, &said->local);
    if (!iface)
        return gn__addr_is_linklocal(&said->local) ? -EINVAL : 0;
    return own && own->index == iface ? 0 : -EINVAL;
}

static int read_control(const struct gn_sock *sock, struct gn__xfer *io,
                        const struct gn__endpoint *to)
{
    bool v4 = gn__addr_is_v4(&to->addr);
    unsigned iface;
    int err;

    if (!io->control)
        return 0;
    err = gn__cmsg_check(io->control);
    if (!err)
        err = gn__cmsg_read(io->control, v4, sock->family == AF_INET6,
                            &io->ancillary);
    if (err)
        return err;
    iface = io->ancillary.iface;
    if (v4)
        return !iface || gn__ns_iface_by_index(sock->ns, iface) ? 0 : -ENODEV;
    return iface || io->ancillary.has_local ? check_info6(sock, io, to) : 0;
}

/* ---- by which way ---- */

static unsigned wanted_iface(const struct gn_sock *sock,
                             const struct gn__xfer *io,
                             const struct gn__endpoint *to)
{
    return io->ancillary.iface ? io->ancillary.iface : gn__iface_to(sock, to);
}

static struct gn__addr wanted_source(const struct gn_sock *sock,
                                     const struct gn__xfer *io,
                                     const struct gn__endpoint *to)
{
    if (io->ancillary.has_local)
        return io->ancillary.local;
    return gn__source_to(sock, &to->addr);
}

static int find_way(struct gn_sock *sock, const struct gn__xfer *io,
                    struct plan *plan)
{
    struct gn__addr source = wanted_source(sock, io, &plan->to);
    unsigned index = wanted_iface(sock, io, &plan->to);
    int err;

    err = gn__ns_route(sock->ns, &plan->to.addr, &source, index, &plan->way);
    if (err == -EADDRNOTAVAIL && io->ancillary.has_local)
        return -EINVAL;
    if (err)
        return err;
    plan->over_iface =
        gn__addr_is_multicast(&plan->to.addr) || (index && !plan->way.local);
    if (plan->way.broadcast) {
        plan->over_iface = true;
        if (!sock->opt.broadcast)
            return -EACCES;
    }
    return 0;
}

/* ip_sk_ignore_df(): the numbers are the same in both versions. */
static void plan_pieces(struct plan *plan, int discover, uint32_t longest)
{
    plan->whole = discover >= IP_PMTUDISC_DO && discover != IP_PMTUDISC_OMIT;
    plan->dont_fragment =
        discover == IP_PMTUDISC_DO || discover == IP_PMTUDISC_PROBE;
    plan->mtu = plan->way.mtu;
    if (longest && longest < plan->mtu)
        plan->mtu = longest;
}

static void fill_plan(const struct gn_sock *sock, const struct gn__xfer *io,
                      struct plan *plan)
{
    const struct gn__sock_opt *opt = &sock->opt;
    bool v4 = gn__addr_is_v4(&plan->to.addr);

    plan->from_port = sock->local.port;
    if (gn__addr_is_multicast(&plan->to.addr)) {
        plan->ttl = v4 ? opt->mcast_ttl : opt->mcast_hops6;
        plan->loop = v4 ? opt->mcast_loop : opt->mcast_loop6;
    } else {
        plan->ttl = v4 ? opt->tcp.ttl : opt->hops6;
        plan->loop = true; /* broadcasts, whatever IP_MULTICAST_LOOP says */
    }
    plan->tos = v4 ? opt->tcp.tos : opt->tclass6;
    if (io->ancillary.has_ttl)
        plan->ttl = io->ancillary.ttl;
    if (io->ancillary.has_tos)
        plan->tos = io->ancillary.tos;
    plan_pieces(plan, v4 ? opt->pmtu : opt->pmtu6, v4 ? 0 : opt->mtu6);
}

static int check_size(const struct gn__xfer *io, const struct plan *plan)
{
    bool v4 = gn__addr_is_v4(&plan->to.addr);
    size_t headers = (v4 ? GN__IP4_HDR_LEN : GN__IP6_HDR_LEN) + GN__UDP_HDR_LEN;

    if (io->total > (v4 ? GN__UDP_MAX4 : GN__UDP_MAX6))
        return -EMSGSIZE;
    if (plan->whole && io->total + headers > plan->mtu)
        return -EMSGSIZE;
    return 0;
}

/* ---- the packet ---- */

void gn__udp_write(struct gn__packet *packet, const struct gn__udp_plan *plan,
                   size_t len)
{
    struct gn__ip_build build = {
        .src = plan->from.addr,
        .dst = plan->to.addr,
        .proto = GN__PROTO_UDP,
        .ttl = plan->ttl,
        .tos = plan->tos,
        .dont_fragment = plan->dont_fragment,
        .id = plan->id,
        .payload_len = len + GN__UDP_HDR_LEN,
    };
    size_t at = gn__ip_build(&build, packet->head);
    uint8_t *udp = packet->head + at;

    gn__put16(udp, plan->from.port);
    gn__put16(udp + 2, plan->to.port);
    gn__put16(udp + 4, (uint32_t)len + GN__UDP_HDR_LEN);
    gn__put16(udp + 6, 0); /* csum_absent */
    packet->head_len = (uint16_t)(at + GN__UDP_HDR_LEN);
    packet->len = packet->head_len;
    packet->csum_absent = true;
    packet->ip.src = plan->from.addr;
    packet->ip.dst = plan->to.addr;
    packet->ip.version = at == GN__IP4_HDR_LEN ? 4 : 6;
    packet->ip.proto = GN__PROTO_UDP;
    packet->ip.ttl = plan->ttl;
    packet->ip.tos = plan->tos;
    packet->ip.l4 = (uint16_t)at;
    packet->ip.total_len = (uint16_t)(at + GN__UDP_HDR_LEN + len);
    packet->ip.dont_fragment = plan->dont_fragment || at == GN__IP6_HDR_LEN;
}

static void write_headers(struct gn_sock *sock, struct gn__packet *packet,
                          const struct plan *plan, size_t payload)
{
    struct gn__udp_plan headers = {
        .from = {.addr = plan->way.source, .port = plan->from_port},
        .to = plan->to,
        .ttl = plan->ttl,
        .tos = plan->tos,
        .dont_fragment = plan->dont_fragment,
        .id = sock->ns->ip_id++,
    };

    gn__udp_write(packet, &headers, payload);
}

static int add_payload(struct gn__packet *packet, struct gn__xfer *io)
{
    int err;

    if (io->n_slices > 0) {
        err = gn__packet_add(packet, &io->slices[0]);
        if (!err)
            io->n_slices = 0;
        return err;
    }
    gn__iov_read(&io->iov, packet->head + packet->head_len, io->total);
    packet->head_len = (uint16_t)(packet->head_len + io->total);
    packet->len += (uint32_t)io->total;
    return 0;
}

/* Own sockets hear it, too: one copy takes the short way. */
static void loop_back(struct gn_sock *sock, const struct plan *plan,
                      const struct gn__packet *packet)
{
    struct gn__packet *copy;

    if (!plan->loop || plan->way.iface->loopback ||
        gn__addr_is_loopback(&plan->way.source) || /* RFC 4291, 2.5.3 */
        !gn__iface_hears(plan->way.iface, &plan->to.addr))
        return;
    copy = gn__packet_clone(packet);
    if (copy && !gn__sock_udp_input(sock->ns, plan->way.iface, copy))
        gn__packet_free(copy);
}

static int datagram_transmit(struct gn_sock *sock, struct gn__xfer *io,
                             const struct plan *plan)
{
    struct gn__packet *packet = gn__packet_alloc(&sock->engine->net.packets);

    if (!packet)
        return -ENOBUFS;
    write_headers(sock, packet, plan, io->total);
    if (add_payload(packet, io)) {
        gn__packet_free(packet);
        return -ENOBUFS;
    }
    io->done = io->total;
    if (plan->over_iface) {
        loop_back(sock, plan, packet);
        gn__ns_output_on(sock->ns, plan->way.iface, &plan->way.next_hop, packet,
                         plan->mtu);
    } else {
        gn__ns_output_by(sock->ns, &plan->way, packet, plan->mtu);
    }
    return 0;
}

/* ---- MSG_MORE: one datagram of several sends ---- */

struct gn__udp_cork {
    struct gn__chunk *chunk;
    size_t len;
    struct gn__endpoint to; /* by the first of them, or a later connect() */
    uint16_t from_port;     /* of IPv6: as it was then */
    struct gn__ancillary ancillary;
};

static struct gn__budget *budget_of(struct gn__udp_sock *udp)
{
    return &udp->sock.ns->stack.budget;
}

size_t gn__udp_gathered(const struct gn__udp_sock *udp)
{
    return udp->cork ? udp->cork->len : 0;
}

void gn__udp_uncork(struct gn__udp_sock *udp)
{
    struct gn__udp_cork *cork = udp->cork;

    if (!cork)
        return;
    gn__budget_give(budget_of(udp), gn__chunk_cost(cork->chunk));
    gn__chunk_unref(cork->chunk);
    gn__free(&udp->sock.engine->net.mem, cork, sizeof(*cork));
    udp->cork = NULL;
}

void gn__udp_recork(struct gn__udp_sock *udp)
{
    struct gn__udp_cork *cork = udp->cork;

    if (!cork || !gn__addr_is_v4(&cork->to.addr) ||
        !gn__addr_is_v4(&udp->sock.remote.addr))
        return;
    cork->to = udp->sock.remote;
    cork->ancillary.has_local = false;
}

static int datagram_cork(struct gn__udp_sock *udp, const struct gn__xfer *io,
                         const struct gn__endpoint *to)
{
    struct gn__engine *engine = udp->sock.engine;
    struct gn__udp_cork *made = gn__zalloc(&engine->net.mem, sizeof(*made));

    if (!made)
        return -ENOBUFS;
    made->to = *to;
    made->from_port = udp->sock.local.port;
    made->ancillary = io->ancillary;
    made->chunk = gn__chunk_alloc(engine->net.chunks, GN__CHUNK_MAX);
    if (!made->chunk)
        goto undo_alloc;
    if (!gn__budget_take(budget_of(udp), gn__chunk_cost(made->chunk)))
        goto undo_chunk;
    udp->cork = made;
    return 0;

undo_chunk:
    gn__chunk_unref(made->chunk);
undo_alloc:
    gn__free(&engine->net.mem, made, sizeof(*made));
    return -ENOBUFS;
}

static int datagram_gather(struct gn__udp_cork *cork, struct gn__xfer *io)
{
    size_t most = gn__addr_is_v4(&cork->to.addr) ? GN__UDP_MAX4 : GN__UDP_MAX6;
    uint8_t *at = gn__chunk_data(cork->chunk) + cork->len;

    if (io->total > most - cork->len)
        return -EMSGSIZE;
    if (io->n_slices > 0)
        memcpy(at, io->slices[0].data, io->total);
    else
        gn__iov_read(&io->iov, at, io->total);
    cork->len += io->total;
    io->done = io->total;
    return 0;
}

static int send_gathered(struct gn__udp_sock *udp)
{
    struct gn__udp_cork *cork = udp->cork;
    struct plan plan = {.to = cork->to};
    struct gn__xfer io;
    int err;

    gn__xfer_clear(&io);
    io.ancillary = cork->ancillary;
    io.total = cork->len;
    err = find_way(&udp->sock, &io, &plan);
    if (err)
        return err;
    fill_plan(&udp->sock, &io, &plan);
    if (!gn__addr_is_v4(&cork->to.addr))
        plan.from_port = cork->from_port;
    err = check_size(&io, &plan);
    if (err)
        return err;
    if (cork->len > 0) {
        gn__chunk_ref(cork->chunk);
        io.slices[io.n_slices++] = (struct gn__slice){
            cork->chunk, gn__chunk_data(cork->chunk), (uint32_t)cork->len};
    }
    err = datagram_transmit(&udp->sock, &io, &plan);
    if (io.n_slices > 0)
        gn__chunk_unref(cork->chunk); /* It was not taken. */
    return err;
}

/* The first destination counts; but IPv6 looks at later ones, too, and cannot
 * change over to IPv4. */
static int check_corked(struct gn__udp_sock *udp, const struct gn__xfer *io)
{
    struct gn__endpoint to;
    int err;

    if (udp->sock.family == AF_INET || !has_dest(&udp->sock, io) ||
        gn__addr_is_v4(&udp->cork->to.addr))
        return 0;
    err = read_dest(&udp->sock, io, &to);
    return !err && gn__addr_is_v4(&to.addr) ? -EINVAL : err;
}

static int send_corked(struct gn__udp_sock *udp, struct gn__xfer *io)
{
    int err = check_corked(udp, io);

    if (err)
        return err;
    err = datagram_gather(udp->cork, io);
    if (!err && io->flags & MSG_MORE)
        return 0;
    if (!err)
        err = send_gathered(udp);
    gn__udp_uncork(udp);
    return err;
}

int gn__udp_send(struct gn_sock *sock, struct gn__xfer *io)
{
    struct gn__udp_sock *udp = gn__udp_of(sock);
    struct plan plan;
    int err = gn__udp_autobind(udp); /* inet_send_prepare() comes first. */

    if (err == -EAGAIN)
        io->flags |= MSG_DONTWAIT; /* No call waits for a port. */
    if (!err && udp->cork)
        return send_corked(udp, io);
    if (!err)
        err = choose_dest(sock, io, &plan.to);
    if (!err)
        err = read_control(sock, io, &plan.to);
    if (!err)
        err = find_way(sock, io, &plan);
    if (err)
        return err;
    sock->routed |= !has_dest(sock, io);
    fill_plan(sock, io, &plan);
    err = check_size(io, &plan);
    if (!err)
        err = gn__sock_take_error(sock);
    if (!err && sock->shut & GN__SHUT_SEND)
        err = -EPIPE;
    if (!err)
        err = take_room(udp);
    if (!err && io->flags & MSG_MORE) {
        err = datagram_cork(udp, io, &plan.to);
        return err ? err : send_corked(udp, io);
    }
    return err ? err : datagram_transmit(sock, io, &plan);
}
