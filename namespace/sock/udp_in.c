/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams on their way in: which socket gets one, the queue where it waits,
 * and the receiver's copy. ICMP errors about those that were sent.
 *
 * The queue is charged with the memory it holds, headers and whole chunks, as
 * Linux charges an skb's true size: a thousand one-byte datagrams cost what a
 * thousand buffers cost. Over SO_RCVBUF, or over the namespace's budget, they
 * are dropped and counted.
 */
#include <errno.h>
#include <string.h>

#include "base/wire.h"
#include "namespace/internal.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/msg.h"
#include "namespace/sock/udp.h"

/** Sockets of one namespace that a multicast datagram is copied to. */
#define COPIES_MAX 1024u

/* ---- the queue ---- */

size_t gn__udp_payload_at(const struct gn__packet *packet)
{
    return packet->ip.l4 + (size_t)GN__UDP_HDR_LEN;
}

size_t gn__udp_payload_len(const struct gn__packet *packet)
{
    return gn__get16(packet->head + packet->ip.l4 + 4) -
           (size_t)GN__UDP_HDR_LEN;
}

static size_t cost_of(const struct gn__packet *packet)
{
    size_t cost = sizeof(*packet);
    unsigned i;

    for (i = 0; i < packet->n_slices; i++)
        cost += gn__chunk_cost(packet->slices[i].chunk);
    return cost;
}

static void datagram_enqueue(struct gn__udp_sock *udp,
                             struct gn__packet *packet, unsigned iface)
{
    struct gn_namespace *ns = udp->sock.ns;
    size_t cost = cost_of(packet);
    enum gn_drop why = GN_DROP_SOCKET_BUFFER;

    if (udp->held <= udp->sock.opt.rcvbuf) {
        why = GN_DROP_MEMORY;
        if (gn__budget_take(&ns->stack.budget, cost))
            why = GN_DROP_NONE;
    }
    if (why != GN_DROP_NONE) {
        gn__ns_drop(ns, why);
        gn__packet_free(packet);
        return;
    }
    udp->held += cost;
    packet->to_generation = iface;
    packet->next = NULL;
    *udp->tail = packet;
    udp->tail = &packet->next;
    gn__sock_touch(&udp->sock);
}

static void datagram_dequeue(struct gn__udp_sock *udp)
{
    struct gn__packet *packet = udp->head;
    size_t cost = cost_of(packet);

    udp->head = packet->next;
    if (!udp->head)
        udp->tail = &udp->head;
    udp->held -= cost;
    gn__budget_give(&udp->sock.ns->stack.budget, cost);
}

ssize_t gn__udp_first(const struct gn__udp_sock *udp)
{
    return udp->head ? (ssize_t)gn__udp_payload_len(udp->head) : -1;
}

void gn__udp_flush(struct gn__udp_sock *udp)
{
    struct gn__packet *packet;

    while ((packet = udp->head)) {
        datagram_dequeue(udp);
        gn__packet_free(packet);
    }
}

/* ---- which socket gets it ---- */

static bool from_peer(const struct gn__udp_sock *udp,
                      const struct gn__endpoint *remote)
{
    const struct gn__endpoint *peer = &udp->sock.remote;

    return (!peer->port || peer->port == remote->port) &&
           gn__addr_equal(&peer->addr, &remote->addr) &&
           (!peer->scope || !remote->scope || peer->scope == remote->scope);
}

static unsigned datagram_score(const struct gn__binding *b,
                               const struct gn__endpoint *local,
                               const struct gn__endpoint *remote,
                               unsigned iface)
{
    const struct gn__udp_sock *udp;
    unsigned points;

    if (!b->sock)
        return 0;
    points = gn__binding_score(b, &local->addr, iface);
    udp = gn__udp_of(b->sock);
    if (points == 0 || !udp->connected)
        return points;
    return from_peer(udp, remote) ? points + 8 : 0;
}

static bool wants_group(const struct gn_sock *sock,
                        const struct gn__addr *group, unsigned iface)
{
    if (!gn__addr_is_multicast(group))
        return true;
    if (gn__addr_is_v4(group) ? sock->opt.mcast_all : sock->opt.mcast_all6)
        return true;
    return gn__sock_in_group(sock, group, iface);
}

/* To all that listen; each copy shares the payload. */
static bool deliver_all(struct gn__port_use *use, struct gn__packet *packet,
                        const struct gn__endpoint *local,
                        const struct gn__endpoint *remote, unsigned iface)
{
    unsigned left = COPIES_MAX;
    struct gn__list *it;

    gn__list_foreach (it, &use->bindings) {
        struct gn__binding *b =
            gn__container_of(it, struct gn__binding, of_use);
        struct gn__packet *copy;

        if (!datagram_score(b, local, remote, iface) ||
            !wants_group(b->sock, &local->addr, iface))
            continue;
        copy = left-- > 0 ? gn__packet_clone(packet) : NULL;
        if (!copy) {
            gn__ns_drop(b->sock->ns, GN_DROP_MEMORY);
            break;
        }
        datagram_enqueue(gn__udp_of(b->sock), copy, iface);
    }
    gn__packet_free(packet);
    return true;
}

/* Check the header; cut off what is behind the datagram. */
bool gn__udp_read(struct gn__packet *packet, struct gn__endpoint *local,
                  struct gn__endpoint *remote)
{
    size_t at = packet->ip.l4;
    const uint8_t *udp = packet->head + at;
    size_t len;

    if (packet->len < at + GN__UDP_HDR_LEN ||
        !gn__packet_pull(packet, at + GN__UDP_HDR_LEN))
        return false;
    len = gn__get16(udp + 4);
    if (len < GN__UDP_HDR_LEN || len > packet->len - at)
        return false;
    *remote =
        (struct gn__endpoint){.addr = packet->ip.src, .port = gn__get16(udp)};
    *local = (struct gn__endpoint){.addr = packet->ip.dst,
                                   .port = gn__get16(udp + 2)};
    return true;
}

static bool is_for_many(struct gn_namespace *ns, const struct gn__addr *dst)
{
    if (gn__addr_is_multicast(dst))
        return true;
    return gn__addr_is_v4(dst) && !gn__ns_is_local(ns, dst);
}

/* A packet to an own address comes by lo, but has arrived where the address is:
 * inet_iif(), ip6_rcv_core(). */
static struct gn__iface *heard_on(struct gn_namespace *ns,
                                  struct gn__iface *iface,
                                  const struct gn__addr *dst)
{
    struct gn__iface *own = NULL;

    if (iface->loopback)
        own = gn__ns_iface_of(ns, dst);
    return own ? own : iface;
}

bool gn__sock_udp_input(struct gn_namespace *ns, struct gn__iface *iface,
                        struct gn__packet *packet)
{
    struct gn__endpoint local, remote;
    struct gn__binding *b = NULL;
    struct gn__port_use *use;

    if (!gn__udp_read(packet, &local, &remote)) {
        gn__ns_drop(ns, GN_DROP_MALFORMED);
        gn__packet_free(packet);
        return true;
    }
    iface = heard_on(ns, iface, &local.addr);
    if (gn__addr_needs_scope(&remote.addr))
        remote.scope = iface->index;
    use = gn__port_find(ns, GN__PROTO_UDP, local.port);
    if (!use)
        return false;
    if (is_for_many(ns, &local.addr))
        return deliver_all(use, packet, &local, &remote, iface->index);
    b = gn__binding_pick(ns, use, datagram_score, &local, &remote,
                         iface->index);
    if (!b)
        return false;
    datagram_enqueue(gn__udp_of(b->sock), packet, iface->index);
    return true;
}

struct gn__binding *gn__sock_udp_binding(struct gn_namespace *ns,
                                         const struct gn__endpoint *local,
                                         const struct gn__endpoint *remote)
{
    struct gn__port_use *use = gn__port_find(ns, GN__PROTO_UDP, local->port);

    return use ? gn__binding_pick(ns, use, datagram_score, local, remote, 0)
               : NULL;
}

static struct gn__binding *sender_of(struct gn_namespace *ns,
                                     const struct gn__icmp *icmp)
{
    struct gn__endpoint local = {.addr = icmp->inner.src,
                                 .port = icmp->inner_src_port};
    struct gn__endpoint remote = {.addr = icmp->inner.dst,
                                  .port = icmp->inner_dst_port};

    return gn__sock_udp_binding(ns, &local, &remote);
}

bool gn__sock_udp_has_sent(struct gn_namespace *ns, const struct gn__icmp *icmp)
{
    return sender_of(ns, icmp) != NULL;
}

void gn__sock_udp_error(struct gn_namespace *ns, const struct gn__icmp *icmp)
{
    struct gn__binding *b = sender_of(ns, icmp);
    bool fatal, asked;
    int err;

    err = gn__icmp_errno(icmp->kind, icmp->inner.version, &fatal);
    if (icmp->verdict) {
        err = icmp->verdict;
        fatal = true;
    }
    if (!b || !err)
        return;
    asked = icmp->inner.version == 4 ? b->sock->opt.recv_err
                                     : b->sock->opt.recv_err6;
    if (!asked && (!fatal || !gn__udp_of(b->sock)->connected))
        return;
    b->sock->err = err;
    gn__udp_changed(gn__udp_of(b->sock));
    gn__sock_touch(b->sock);
}

/* ---- the receiver ---- */

static unsigned datagram_wants(const struct gn__sock_opt *opt)
{
    return (opt->pktinfo ? GN__WANT_PKTINFO : 0) |
           (opt->recv_ttl ? GN__WANT_TTL : 0) |
           (opt->recv_tos ? GN__WANT_TOS : 0) |
           (opt->pktinfo6 ? GN__WANT_PKTINFO6 : 0) |
           (opt->recv_hops6 ? GN__WANT_HOPS6 : 0) |
           (opt->recv_tclass6 ? GN__WANT_TCLASS6 : 0);
}

static void datagram_describe(const struct gn__packet *packet,
                              struct gn__xfer *io)
{
    unsigned iface = (unsigned)packet->to_generation;

    io->from =
        (struct gn__endpoint){.addr = packet->ip.src,
                              .port = gn__get16(packet->head + packet->ip.l4)};
    if (gn__addr_needs_scope(&io->from.addr))
        io->from.scope = iface;
    io->ancillary.local = packet->ip.dst;
    io->ancillary.iface = iface;
    io->ancillary.ttl = packet->ip.ttl;
    io->ancillary.tos = packet->ip.tos;
    io->length = gn__udp_payload_len(packet);
}

/* A datagram to many is answered from an address of ours: its source tells
 * which, as fib_compute_spec_dst() has it. */
static void describe_answer(struct gn_namespace *ns, struct gn__xfer *io)
{
    struct gn__way way;

    io->ancillary.answer = io->ancillary.local;
    if (gn__addr_is_v4(&io->ancillary.local) &&
        is_for_many(ns, &io->ancillary.local) &&
        !gn__ns_route(ns, &io->from.addr, NULL, 0, &way))
        io->ancillary.answer = way.source;
}

/* Up to io->total bytes: what is in the head by copy, slices by reference. */
static void take_payload(struct gn__packet *packet, struct gn__xfer *io)
{
    size_t at = gn__udp_payload_at(packet);
    size_t left = io->length < io->total ? io->length : io->total;
    size_t n = packet->head_len > at ? packet->head_len - at : 0;
    unsigned i;

    if (n > left)
        n = left;
    memcpy(io->small, packet->head + at, n);
    io->n_small = (unsigned)n;
    left -= n;
    for (i = 0; i < packet->n_slices && left > 0; i++) {
        struct gn__slice *slice = &io->slices[io->n_slices++];

        *slice = packet->slices[i];
        if (slice->len > left)
            slice->len = (uint32_t)left;
        gn__chunk_ref(slice->chunk);
        left -= slice->len;
    }
}

int gn__udp_recv(struct gn_sock *sock, struct gn__xfer *io)
{
    struct gn__udp_sock *udp = gn__udp_of(sock);
    struct gn__packet *packet = udp->head;
    int err = gn__sock_take_error(sock);

    if (err)
        return err;
    if (!packet) {
        io->stop =
            sock->shut & GN__SHUT_RECV && gn__sock_blocks(sock, io->flags);
        return io->stop ? 0 : -EAGAIN;
    }
    datagram_describe(packet, io);
    io->ancillary.wants = datagram_wants(&sock->opt);
    if (io->ancillary.wants & GN__WANT_PKTINFO)
        describe_answer(sock->ns, io);
    take_payload(packet, io);
    io->stop = true;
    if (io->flags & MSG_PEEK)
        return 0;
    datagram_dequeue(udp);
    gn__packet_free(packet);
    gn__sock_touch(sock);
    return 0;
}
