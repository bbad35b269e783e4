/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stacks, the table of 4-tuples, and where a segment goes.
 *
 * Every segment is looked up once, in one table for all guests whose key is
 * the guest and the 4-tuple under a secret hash: what one guest does to the
 * table costs the others nothing. Only then is lwIP entered, and it sees one
 * connection.
 */
#include "netstack/tcp.h"

#include <errno.h>
#include <string.h>

#include "base/counter.h"
#include "base/units.h"
#include "base/wire.h"
#include "netstack/netstack.h"
#include "netstack/tcp_internal.h"

#define TCP_HDR_LEN  20u
#define SECOND_TICKS (GN__NS_PER_S / GN__TICK_NS)

bool gn__budget_take(struct gn__budget *budget, size_t n)
{
    struct gn__budget *b;

    for (b = budget; b; b = b->parent) {
        if (b->held > b->limit || n > b->limit - b->held)
            break;
        b->held += n;
    }
    if (!b)
        return true;
    for (; budget != b; budget = budget->parent)
        budget->held -= n;
    return false;
}

void gn__budget_force(struct gn__budget *budget, size_t n)
{
    for (; budget; budget = budget->parent)
        budget->held += n;
}

void gn__budget_give(struct gn__budget *budget, size_t n)
{
    for (; budget; budget = budget->parent)
        budget->held -= n;
}

bool gn__budget_full(const struct gn__budget *budget)
{
    while (budget && budget->held < budget->limit)
        budget = budget->parent;
    return budget != NULL;
}

bool gn__budget_tight(const struct gn__budget *budget)
{
    while (budget && budget->held < budget->limit - budget->limit / 4)
        budget = budget->parent;
    return budget != NULL;
}

const char *gn__netstack_version(void)
{
    return gn__netstack_ops.version;
}

int gn__netstack_init(struct gn__netstack *net,
                      const struct gn_allocator *alloc,
                      const uint64_t secret[2], uint64_t now)
{
    int err;

    memset(net, 0, sizeof(*net));
    gn__mem_init(&net->mem, alloc);
    err = gn__chunk_pool_create(&net->mem, &net->chunks);
    if (err)
        return err;
    gn__packet_pool_init(&net->packets, &net->mem, net->chunks);
    net->now = now;
    memcpy(net->secret, secret, sizeof(net->secret));
    net->last_stack_id = GN__COUNT_FROM(uint64_t);
    gn__wheel_init(&net->wheel, now / GN__TICK_NS);
    gn__table_init(&net->tuples, &net->mem, net->secret);
    return 0;
}

void gn__netstack_done(struct gn__netstack *net)
{
    gn__table_done(&net->tuples);
    gn__slab_done(&net->slab, &net->mem);
    gn__packet_pool_done(&net->packets);
    gn__chunk_pool_close(net->chunks);
}

static void reassembly_fired(struct gn__timer *timer)
{
    struct gn__stack *stack =
        gn__container_of(timer, struct gn__stack, reassembly);
    struct gn__netstack *net = stack->net;

    gn__swap_reenter(stack);
    if (gn__netstack_ops.reassembly_second(stack))
        gn__wheel_arm(&net->wheel, &stack->reassembly.node,
                      net->now / GN__TICK_NS + SECOND_TICKS);
}

bool gn__netstack_timers(struct gn__netstack *net, unsigned budget)
{
    uint64_t tick = net->now / GN__TICK_NS;

    while (budget--) {
        struct gn__wheel_node *node = gn__wheel_pop(&net->wheel, tick);
        struct gn__timer *timer;

        if (!node)
            return false;
        timer = gn__container_of(node, struct gn__timer, node);
        timer->fire(timer);
    }
    return gn__netstack_deadline(net) <= net->now;
}

uint64_t gn__netstack_deadline(struct gn__netstack *net)
{
    uint64_t tick = gn__wheel_next(&net->wheel);

    return tick == GN__WHEEL_NEVER ? GN__NEVER : tick * GN__TICK_NS;
}

int gn__stack_init(struct gn__stack *stack, struct gn__netstack *net,
                   const struct gn__stack_ops *ops, void *owner,
                   const uint64_t isn_key[2])
{
    memset(stack, 0, sizeof(*stack));
    stack->net = net;
    stack->ops = ops;
    stack->owner = owner;
    stack->id = ++net->last_stack_id;
    stack->timer_count = GN__COUNT_FROM(uint32_t);
    gn__list_init(&stack->conns);
    gn__list_init(&stack->half);
    gn__list_init(&stack->orphans);
    gn__list_init(&stack->time_wait);
    memcpy(stack->isn_key, isn_key, sizeof(stack->isn_key));
    stack->budget.limit = SIZE_MAX;
    stack->max_conns = UINT32_MAX;
    stack->max_time_wait = UINT32_MAX;
    stack->reassembly.fire = reassembly_fired;
    return 0;
}

void gn__stack_done(struct gn__stack *stack)
{
    struct gn__list *node;

    while ((node = gn__list_first(&stack->conns))) {
        struct gn__conn *conn = gn__container_of(node, struct gn__conn, all);

        conn->owner = NULL;
        gn__tcp_vanish(conn);
    }
    while ((node = gn__list_first(&stack->time_wait)))
        gn__time_wait_end(
            gn__container_of(node, struct gn__time_wait, of_stack));
    gn__wheel_disarm(&stack->net->wheel, &stack->reassembly.node);
    if (!stack->state)
        return;
    gn__swap_reenter(stack);
    gn__netstack_ops.reassembly_drop();
    gn__swap_drop(stack);
}

void gn__stack_each(struct gn__stack *stack,
                    void (*fn)(struct gn__conn *conn, void *arg), void *arg)
{
    struct gn__list *node, *next;

    for (node = stack->conns.next; node != &stack->conns; node = next) {
        next = node->next;
        fn(gn__container_of(node, struct gn__conn, all), arg);
    }
}

void gn__tcp_dropped(struct gn__stack *stack, enum gn__tcp_drop why)
{
    if (stack->ops->dropped)
        stack->ops->dropped(stack, why);
}

void gn__tuple_key(const struct gn__stack *stack,
                   const struct gn__endpoint *local,
                   const struct gn__endpoint *remote, struct gn__tuple_key *out)
{
    out->local = local->addr;
    out->remote = remote->addr;
    out->local_port = local->port;
    out->remote_port = remote->port;
    out->stack = stack->id;
}

/* A connection is looked for before it is added, and more than once: a key is
 * hashed once for all of that. */
static unsigned tuple_hash(struct gn__netstack *net,
                           const struct gn__tuple_key *key)
{
    if (memcmp(&net->hashed, key, sizeof(*key)) != 0) {
        net->hash = gn__table_hash(&net->tuples, key, sizeof(*key));
        net->hashed = *key;
    }
    return net->hash;
}

int gn__tuple_add(struct gn__stack *stack, struct gn__tuple *tuple)
{
    struct gn__netstack *net = stack->net;
    int err = gn__table_add_by(&net->tuples, &tuple->node,
                               tuple_hash(net, &tuple->key), &tuple->key,
                               sizeof(tuple->key));

    if (!err)
        stack->hot = tuple;
    return err;
}

void gn__tuple_del(struct gn__stack *stack, struct gn__tuple *tuple)
{
    gn__table_del(&stack->net->tuples, &tuple->node);
    if (stack->hot == tuple)
        stack->hot = NULL;
}

struct gn__tuple *gn__tuple_find(struct gn__stack *stack,
                                 const struct gn__endpoint *local,
                                 const struct gn__endpoint *remote)
{
    struct gn__tuple_key key;
    struct gn__table_node *node;

    gn__tuple_key(stack, local, remote, &key);
    if (stack->hot && !memcmp(&stack->hot->key, &key, sizeof(key)))
        return stack->hot;
    node = gn__table_find_by(&stack->net->tuples, tuple_hash(stack->net, &key),
                             &key, sizeof(key));
    if (!node)
        return NULL;
    stack->hot = gn__container_of(node, struct gn__tuple, node);
    return stack->hot;
}

enum gn__tuple_use gn__tcp_tuple_use(struct gn__stack *stack,
                                     const struct gn__endpoint *local,
                                     const struct gn__endpoint *remote)
{
    struct gn__tuple *tuple = gn__tuple_find(stack, local, remote);

    if (!tuple)
        return GN__TUPLE_FREE;
    return tuple->is_time_wait ? GN__TUPLE_TIME_WAIT : GN__TUPLE_USED;
}

bool gn__tcp_is_orphan(struct gn__stack *stack,
                       const struct gn__endpoint *local,
                       const struct gn__endpoint *remote)
{
    struct gn__tuple *tuple = gn__tuple_find(stack, local, remote);
    const struct gn__conn *conn;

    if (!tuple || tuple->is_time_wait)
        return false;
    conn = gn__container_of(tuple, struct gn__conn, tuple);
    return !conn->owner && !conn->listener;
}

void *gn__tcp_owner_at(struct gn__stack *stack,
                       const struct gn__endpoint *local,
                       const struct gn__endpoint *remote)
{
    struct gn__tuple *tuple = gn__tuple_find(stack, local, remote);

    return tuple && !tuple->is_time_wait
               ? gn__container_of(tuple, struct gn__conn, tuple)->owner
               : NULL;
}

/*
 * Read the header and make it safe for lwIP: all of it in one piece, and no
 * options outside SYN, where lwIP would take a new MSS from any segment.
 */
static bool read_segment(struct gn__packet *packet, struct gn__segment *out)
{
    size_t l4 = packet->ip.l4;
    size_t hdr_len;
    uint8_t *hdr = packet->head + l4;

    if (!gn__packet_pull(packet, l4 + TCP_HDR_LEN))
        return false;
    hdr_len = (size_t)(hdr[12] >> 4) * 4;
    if (hdr_len < TCP_HDR_LEN || l4 + hdr_len > packet->len ||
        !gn__packet_pull(packet, l4 + hdr_len))
        return false;
    memset(out, 0, sizeof(*out));
    out->local.addr = packet->ip.dst;
    out->local.port = gn__get16(hdr + 2);
    out->remote.addr = packet->ip.src;
    out->remote.port = gn__get16(hdr);
    out->seq = gn__get32(hdr + 4);
    out->ack = gn__get32(hdr + 8);
    out->flags = hdr[13] & 0x3f;
    out->len = packet->len - (uint32_t)(l4 + hdr_len);
    if (!(out->flags & GN__FLAG_SYN))
        memset(hdr + TCP_HDR_LEN, 1, hdr_len - TCP_HDR_LEN);
    return out->len <= UINT16_MAX - 1;
}

/* No memory for more: what the segment acknowledges is still heard, for that
 * gives memory back. */
static void drop_payload(struct gn__packet *packet,
                         const struct gn__segment *segment)
{
    gn__packet_cut(packet, packet->len - segment->len);
    packet->head[packet->ip.l4 + 13] &= 0xff ^ (GN__FLAG_FIN | GN__FLAG_PSH);
}

/* Payload that will not be read, because the receiver has sent FIN and reads no
 * more: it is looked for in segments, before lwIP, to which data and a FIN at
 * once are the end. */
static bool is_unwanted(const struct gn__conn *conn,
                        const struct gn__segment *segment)
{
    struct gn__pcb_view view;

    if (!conn->deaf || segment->len == 0 ||
        (segment->flags & (GN__FLAG_ACK | GN__FLAG_RST | GN__FLAG_SYN)) !=
            GN__FLAG_ACK ||
        (conn->state != GN__TCP_FIN_WAIT1 && conn->state != GN__TCP_FIN_WAIT2))
        return false;
    gn__netstack_ops.view(conn, &view);
    return gn__seq_before(view.rcv_nxt, segment->seq + segment->len) &&
           gn__seq_before(segment->seq, view.rcv_nxt + view.rcv_wnd);
}

/* Payload alone does not make Linux send what waits for more; what it takes
 * off the fast path for, and acknowledgements, do. */
static bool leaves_held(const struct gn__conn *conn,
                        const struct gn__segment *segment)
{
    return conn->hold_tick && segment->len > 0 &&
           !(segment->flags & GN__FLAG_FIN);
}

static void conn_input(struct gn__conn *conn, const struct gn__segment *segment,
                       struct gn__packet *packet)
{
    struct gn__stack *stack = conn->stack;
    struct gn__listener *listener = conn->listener;
    int verdict = packet->verdict;

    if (!conn->pcb) {
        /* Over, but not yet read to its end. */
        if (!(segment->flags & GN__FLAG_RST))
            gn__tcp_refuse(stack, segment);
        gn__packet_free(packet);
        return;
    }
    if (is_unwanted(conn, segment)) {
        gn__tcp_refuse(stack, segment);
        gn__packet_free(packet);
        gn__tcp_fail(conn, -ECONNRESET);
        return;
    }
    /* As Linux: the last ACK of a handshake is not heard while the accept
     * queue is full; the client's retransmissions are tried again. */
    if (conn->half_open && listener && listener->n_ready > listener->backlog &&
        !(segment->flags & (GN__FLAG_SYN | GN__FLAG_RST))) {
        gn__tcp_dropped(stack, GN__TCP_DROP_BACKLOG);
        gn__packet_free(packet);
        return;
    }
    if (segment->len > 0 && gn__budget_full(&stack->budget))
        gn__stack_evict(stack, conn);
    if (segment->len > 0 && gn__budget_full(&stack->budget)) {
        gn__tcp_dropped(stack, GN__TCP_DROP_MEMORY);
        drop_payload(packet, segment);
    }
    gn__conn_enter(conn);
    gn__netstack_ops.input(conn, packet, leaves_held(conn, segment));
    if (verdict && conn->error == -ECONNREFUSED)
        conn->error = verdict;
    gn__conn_update(conn);
}

static void listener_input(struct gn__listener *listener,
                           const struct gn__segment *segment,
                           struct gn__packet *packet, const uint32_t *isn_floor)
{
    struct gn__stack *stack = listener->stack;
    struct gn__conn *conn = NULL;

    if (segment->flags & GN__FLAG_RST) {
        gn__packet_free(packet);
    } else if (!(segment->flags & GN__FLAG_SYN) ||
               (segment->flags & GN__FLAG_ACK)) {
        gn__tcp_refuse(stack, segment);
        gn__packet_free(packet);
    } else if (listener->n_ready > listener->backlog) {
        gn__tcp_dropped(stack, GN__TCP_DROP_BACKLOG);
        gn__packet_free(packet);
    } else if (gn__swap_enter(stack)) {
        gn__tcp_dropped(stack, GN__TCP_DROP_MEMORY);
        gn__packet_free(packet);
    } else if (!gn__listener_make_room(listener)) {
        gn__tcp_dropped(stack, GN__TCP_DROP_CONNECTIONS);
        gn__packet_free(packet);
    } else {
        conn = gn__netstack_ops.syn(listener, packet, isn_floor);
        if (conn)
            gn__conn_update(conn);
        else
            gn__tcp_dropped(stack, GN__TCP_DROP_MEMORY);
    }
}

void gn__tcp_input(struct gn__stack *stack, struct gn__packet *packet)
{
    struct gn__segment segment;
    struct gn__tuple *tuple;
    struct gn__listener *listener;
    uint32_t isn_floor;
    bool has_floor = false;

    if (!read_segment(packet, &segment)) {
        gn__tcp_dropped(stack, GN__TCP_DROP_MALFORMED);
        gn__packet_free(packet);
        return;
    }
    tuple = gn__tuple_find(stack, &segment.local, &segment.remote);
    if (tuple && !tuple->is_time_wait) {
        conn_input(gn__conn_of_tuple(tuple), &segment, packet);
        return;
    }
    if (tuple) {
        struct gn__time_wait *tw =
            gn__container_of(tuple, struct gn__time_wait, tuple);

        has_floor = gn__time_wait_input(tw, &segment, &isn_floor);
        if (!has_floor) {
            gn__packet_free(packet);
            return;
        }
    }
    listener = stack->ops->listener(stack, &segment.local, &segment.remote);
    if (listener) {
        listener_input(listener, &segment, packet,
                       has_floor ? &isn_floor : NULL);
        return;
    }
    if (!(segment.flags & GN__FLAG_RST))
        gn__tcp_refuse(stack, &segment);
    gn__packet_free(packet);
}

void gn__tcp_reject(struct gn__stack *stack, struct gn__packet *packet,
                    int verdict)
{
    struct gn__segment segment;

    if (!read_segment(packet, &segment)) {
        gn__tcp_dropped(stack, GN__TCP_DROP_MALFORMED);
    } else if (!(segment.flags & GN__FLAG_RST)) {
        segment.verdict = verdict;
        gn__tcp_refuse(stack, &segment);
    }
    gn__packet_free(packet);
}

/*
 * lwIP knows an IPv6 fragment header only where it follows the IP header: the
 * headers between (hop-by-hop and destination options) have been read, and
 * are taken out.
 */
static void flatten_fragment(struct gn__packet *packet)
{
    struct gn__ip *ip = &packet->ip;
    size_t cut;

    if (ip->version != 6 || ip->frag_hdr <= GN__IP6_HDR_LEN)
        return;
    cut = ip->frag_hdr - GN__IP6_HDR_LEN;
    memmove(packet->head + GN__IP6_HDR_LEN, packet->head + ip->frag_hdr,
            packet->head_len - ip->frag_hdr);
    packet->head_len = (uint16_t)(packet->head_len - cut);
    packet->len -= (uint32_t)cut;
    packet->head[6] = GN__PROTO_IP6_FRAGMENT;
    packet->head[4] = (uint8_t)((packet->len - GN__IP6_HDR_LEN) >> 8);
    packet->head[5] = (uint8_t)(packet->len - GN__IP6_HDR_LEN);
    ip->frag_hdr = GN__IP6_HDR_LEN;
    ip->l4 = (uint16_t)(ip->l4 - cut);
    ip->total_len = (uint16_t)packet->len;
}

struct gn__packet *gn__stack_reassemble(struct gn__stack *stack,
                                        struct gn__packet *fragment)
{
    struct gn__netstack *net = stack->net;
    uint64_t from_generation = fragment->from_generation;
    void *from = fragment->from;
    struct gn__packet *whole;

    if (gn__budget_full(&stack->budget) || gn__swap_enter(stack)) {
        gn__tcp_dropped(stack, GN__TCP_DROP_MEMORY);
        gn__packet_free(fragment);
        return NULL;
    }
    flatten_fragment(fragment);
    if (!gn__wheel_armed(&stack->reassembly.node))
        gn__wheel_arm(&net->wheel, &stack->reassembly.node,
                      net->now / GN__TICK_NS + SECOND_TICKS);
    whole = gn__netstack_ops.reassemble(stack, fragment);
    if (whole) { /* One sender's: the switch has looked at the source. */
        whole->from = from;
        whole->from_generation = from_generation;
    }
    return whole;
}

/* The connection that sent what an error quotes. RFC 5927: it is believed only
 * about bytes that are in flight. */
static struct gn__conn *sender_of(struct gn__stack *stack,
                                  const struct gn__icmp *icmp)
{
    struct gn__endpoint local = {.addr = icmp->inner.src,
                                 .port = icmp->inner_src_port};
    struct gn__endpoint remote = {.addr = icmp->inner.dst,
                                  .port = icmp->inner_dst_port};
    struct gn__tuple *tuple = gn__tuple_find(stack, &local, &remote);
    struct gn__conn *conn;
    struct gn__pcb_view view;

    if (!tuple || tuple->is_time_wait)
        return NULL;
    conn = gn__conn_of_tuple(tuple);
    if (!conn->pcb)
        return NULL;
    gn__netstack_ops.view(conn, &view);
    if (gn__seq_before(icmp->inner_seq, view.snd_nxt - view.in_flight) ||
        !gn__seq_before(icmp->inner_seq, view.snd_nxt))
        return NULL;
    return conn;
}

bool gn__tcp_has_sent(struct gn__stack *stack, const struct gn__icmp *icmp)
{
    return sender_of(stack, icmp) != NULL;
}

void gn__tcp_icmp_error(struct gn__stack *stack, const struct gn__icmp *icmp)
{
    struct gn__conn *conn = sender_of(stack, icmp);
    bool fatal;
    int err;

    if (!conn)
        return;
    if (icmp->kind == GN__ICMP_TOO_BIG) {
        gn__conn_enter(conn);
        conn->mtu = stack->ops->mtu(stack, &icmp->inner.dst);
        gn__netstack_ops.apply(conn);
        gn__conn_update(conn);
        return;
    }
    err = gn__icmp_errno(icmp->kind, icmp->inner.version, &fatal);
    if (!err)
        return;
    if (conn->state == GN__TCP_SYN_SENT)
        gn__tcp_fail(conn, err);
    else
        conn->soft_error = err;
}
