/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections between a guest and the outside.
 *
 * A SYN for an address outside waits as a dial. Accepted, it is fed to a
 * listener that is otherwise unreachable, and the handshake it begins is taken
 * from there at once, before it is done, by a socket of the host's namespace.
 * From then on that is a connection like any other; only its stack is the one
 * that the guest has at the gateway.
 *
 * Refused, the guest is sent RST, which in a namespace of ours carries the
 * errno as well: it meets the link's delay and loss like any packet, and so
 * does a connect() that gets no answer.
 */
#include <errno.h>

#include "base/wire.h"
#include "namespace/lifecycle.h"
#include "namespace/gateway/guest.h"
#include "namespace/sock/tcp.h"
#include "switch/switch.h"

#define TCP_HDR_LEN    20u
#define FLAG_FIN       0x01u
#define FLAG_SYN       0x02u
#define FLAG_RST       0x04u
#define FLAG_ACK       0x10u
#define HIDDEN_BACKLOG 1u

/* ---- the guest's stack at the gateway ---- */

static struct gn__outside_guest *guest_of(struct gn__stack *stack)
{
    return stack->owner;
}

static void stack_output(struct gn__stack *stack, struct gn__packet *packet)
{
    gn__outside_send(guest_of(stack), packet);
}

static uint32_t stack_mtu(struct gn__stack *stack,
                          const struct gn__addr *remote)
{
    struct gn__way way;

    if (gn__ns_route(guest_of(stack)->net->gateway, remote, NULL, 0, &way))
        return GN__IP_MIN_MTU6;
    return way.mtu;
}

static struct gn__listener *stack_listener(struct gn__stack *stack,
                                           const struct gn__endpoint *local,
                                           const struct gn__endpoint *remote)
{
    struct gn__outside_guest *guest = guest_of(stack);

    (void)local;
    (void)remote;
    return guest->accepting ? guest->hidden : NULL;
}

static uint64_t stack_time_wait(struct gn__stack *stack)
{
    const struct gn__port *port = guest_of(stack)->port;

    return port ? 2 * port->slowest_ns : 0; /* At least a second, it takes. */
}

static uint64_t stack_round_trip(struct gn__stack *stack,
                                 const struct gn__addr *remote)
{
    return gn__ns_round_trip(guest_of(stack)->net->gateway, remote);
}

static void stack_changed(struct gn__stack *stack, void *owner)
{
    (void)stack;
    if (owner) /* The hidden listener has none. */
        gn__sock_changed(owner);
}

static void stack_released(struct gn__stack *stack, void *binding)
{
    (void)stack;
    gn__outside_unproxy(binding);
}

static void stack_dropped(struct gn__stack *stack, enum gn__tcp_drop why)
{
    gn__outside_count(guest_of(stack), gn__tcp_drop_reason(why), 1);
}

static void stack_freed(struct gn__stack *stack)
{
    struct gn__outside_guest *guest = guest_of(stack);

    if (!guest->port && !guest->ended && !stack->n_conns)
        gn__event_arm(guest->engine, &guest->over, gn__now(guest->engine));
}

const struct gn__stack_ops gn__outside_stack_ops = {
    .output = stack_output,
    .mtu = stack_mtu,
    .listener = stack_listener,
    .time_wait_ns = stack_time_wait,
    .round_trip_ns = stack_round_trip,
    .changed = stack_changed,
    .released = stack_released,
    .dropped = stack_dropped,
    .freed = stack_freed,
};

/* ---- segments ---- */

struct segment {
    struct gn__outside_key key;
    uint32_t seq;
    uint8_t flags;
};

static bool read_segment(const struct gn__packet *packet, struct segment *out)
{
    uint8_t hdr[TCP_HDR_LEN];

    if (gn__packet_read(packet, packet->ip.l4, hdr, sizeof(hdr)) < sizeof(hdr))
        return false;
    *out = (struct segment){
        .key = {.outside = {.addr = packet->ip.dst, .port = gn__get16(hdr + 2)},
                .guest = {.addr = packet->ip.src, .port = gn__get16(hdr)},
                .type = SOCK_STREAM},
        .seq = gn__get32(hdr + 4),
        .flags = hdr[13]};
    return true;
}

static bool is_syn(const struct segment *segment)
{
    return (segment->flags & (FLAG_SYN | FLAG_ACK | FLAG_RST | FLAG_FIN)) ==
           FLAG_SYN;
}

/* Keep the last one of each connection; it may have newer options. */
static void hold_syn(struct gn__outside_guest *guest,
                     const struct segment *segment, struct gn__packet *packet)
{
    struct gn__dial *dial = gn__dial_find(guest, &segment->key);

    if (dial && dial->seq == segment->seq) {
        gn__outside_queue_end(guest, &dial->waiting);
        gn__outside_queue_add(guest, &dial->waiting, packet);
        if (!dial->waiting.head)
            gn__dial_cancel(dial);
        return;
    }
    if (dial)
        gn__dial_cancel(dial); /* The guest has forgotten that one. */
    gn__dial_begin(guest, &segment->key, segment->seq, packet);
}

/* RFC 9293 section 3.10.7.4: nothing was sent yet that could be reset, so the
 * number must be that of the SYN, or the one behind it. */
static void reset_dial(struct gn__outside_guest *guest,
                       const struct segment *segment)
{
    struct gn__dial *dial = gn__dial_find(guest, &segment->key);

    if (dial && segment->seq - dial->seq <= 1)
        gn__dial_cancel(dial);
}

static void tcp_stray(struct gn__outside_guest *guest,
                      struct gn__packet *packet)
{
    if (!guest->port) {
        gn__outside_drop(guest, packet, GN_DROP_STALE);
    } else if (gn__outside_reaches(guest->port, &packet->ip.dst) ||
               gn__host_at(guest->net, &packet->ip.dst)) {
        gn__outside_count(guest, GN_DROP_NOT_PROXIED, 1);
        gn__tcp_reject(&guest->stack, packet, 0);
    } else {
        gn__outside_unreachable(guest, packet, GN_DROP_NOT_PROXIED);
    }
}

void gn__outside_tcp_input(struct gn__outside_guest *guest,
                           struct gn__packet *packet)
{
    struct segment segment;
    enum gn__tuple_use use;
    bool may_dial;

    if (!read_segment(packet, &segment)) {
        gn__outside_drop(guest, packet, GN_DROP_MALFORMED);
        return;
    }
    may_dial =
        is_syn(&segment) && guest->port && gn__outside_for(guest, &segment.key);
    use = gn__tcp_tuple_use(&guest->stack, &segment.key.outside,
                            &segment.key.guest);
    if (use == GN__TUPLE_USED || (use == GN__TUPLE_TIME_WAIT && !may_dial)) {
        gn__tcp_input(&guest->stack, packet);
    } else if (may_dial) {
        hold_syn(guest, &segment, packet);
    } else if (segment.flags & FLAG_RST) {
        reset_dial(guest, &segment);
        gn__packet_free(packet);
    } else {
        tcp_stray(guest, packet);
    }
}

/* What the host's namespace has is its own. */
bool gn__outside_tcp_stands_in(struct gn__outside_guest *guest,
                               struct gn_namespace *gateway,
                               const struct gn__packet *packet)
{
    struct segment segment;
    const struct gn__outside_key *key = &segment.key;

    if (!read_segment(packet, &segment))
        return false;
    if (gn__tcp_tuple_use(&guest->stack, &key->outside, &key->guest) !=
        GN__TUPLE_FREE)
        return true;
    if (gn__tcp_tuple_use(&gateway->stack, &key->outside, &key->guest) !=
            GN__TUPLE_FREE ||
        gn__sock_listener(gateway, &key->outside, &key->guest))
        return false;
    return is_syn(&segment) || gn__dial_find(guest, key);
}

void gn__outside_gave_up(struct gn_namespace *ns,
                         const struct gn__endpoint *local,
                         const struct gn__endpoint *remote)
{
    struct gn__outside_key key = {
        .outside = *remote, .guest = *local, .type = SOCK_STREAM};
    struct gn__iface *iface = gn__ns_iface_of(ns, &local->addr);
    struct gn__dial *dial;

    if (!iface || !iface->port.outside)
        return;
    dial = gn__dial_find(iface->port.outside, &key);
    if (dial)
        gn__dial_cancel(dial);
}

/* ---- the ends of a dial ---- */

/* What a guest hears by its own stack, or on a wire. */
static void tell_refused(struct gn__outside_guest *guest, struct gn__dial *dial,
                         int error)
{
    enum gn__icmp_kind kind = gn__outside_icmp_kind(error);
    bool stream = dial->pub.type == SOCK_STREAM;
    bool exact =
        stream && gn__port_namespace(guest->port); /* hears whatever it was */
    struct gn__packet *cause;

    /* A SYN that is answered is not lost. */
    if (!stream || (kind == GN__ICMP_NONE && !exact))
        gn__outside_count(guest, GN_DROP_DENIED, dial->waiting.n);
    cause = gn__outside_queue_take(guest, &dial->waiting);
    if (!cause) {
        return;
    } else if (exact || (stream && kind == GN__ICMP_PORT_UNREACHABLE)) {
        gn__tcp_reject(&guest->stack, cause, error);
    } else if (kind == GN__ICMP_NONE) {
        gn__packet_free(cause);
    } else {
        gn__outside_icmp_error(guest, cause, &dial->pub.outside.addr, kind, 0,
                               error);
        gn__packet_free(cause);
    }
    gn__outside_queue_end(guest, &dial->waiting);
}

void gn__dial_refuse(struct gn__dial *dial, int error)
{
    struct gn__outside_guest *guest = dial->guest;

    gn__deferred_cancel(dial->engine, &dial->deferred);
    if (gn__dial_take(dial))
        tell_refused(guest, dial, error);
    gn__dial_free(dial);
}

void gn__outside_refuse(struct gn__outside_dial *pub, int error)
{
    struct gn__dial *dial = (struct gn__dial *)(void *)pub;
    struct gn__engine *engine = dial->engine;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    gn__dial_refuse(dial, error);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
}

static int listen_hidden(struct gn__outside_guest *guest)
{
    struct gn__tcp_params params;

    if (guest->hidden)
        return 0;
    gn__tcp_params_default(&params);
    return gn__tcp_listen(&guest->stack, &params, HIDDEN_BACKLOG, NULL,
                          &guest->hidden);
}

static struct gn__conn *tcp_feed(struct gn__outside_guest *guest,
                                 struct gn__packet *syn, struct gn_sock *sock)
{
    guest->accepting = true;
    gn__tcp_input(&guest->stack, syn);
    guest->accepting = false;
    return gn__tcp_adopt(guest->hidden, sock);
}

/* The host's, but what it causes is the guest's. */
static int open_sock(struct gn__outside_guest *guest,
                     const struct gn__endpoint *outside, struct gn_sock **out)
{
    int err = gn__sock_create(guest->net->gateway, &gn__sock_tcp,
                              gn__addr_family(&outside->addr), out);

    if (err)
        return err;
    (*out)->nonblock = true;
    gn__account_unref((*out)->account);
    (*out)->account = gn__account_ref(guest->owner->account);
    return 0;
}

static int accept_syn(struct gn__outside_guest *guest, struct gn__dial *dial,
                      struct gn_sock **out)
{
    struct gn__proxied *proxied = NULL;
    struct gn_sock *sock;
    struct gn__conn *conn;
    int err = listen_hidden(guest);

    if (!err)
        err = open_sock(guest, &dial->pub.outside, &sock);
    if (err)
        return err;
    err = gn__outside_proxy(guest, &dial->pub.outside.addr, &proxied);
    if (err)
        goto undo_sock;
    conn = tcp_feed(guest, gn__outside_queue_take(guest, &dial->waiting), sock);
    if (!conn) {
        err = -ENOBUFS;
        goto undo_play;
    }
    gn__tcp_bind(conn, proxied);
    gn__tcp_sock_proxy(sock, conn);
    *out = sock;
    return 0;

undo_play:
    gn__outside_unproxy(proxied);
undo_sock:
    gn__sock_discard(sock);
    return err;
}

int gn__outside_accept(struct gn__outside_dial *pub, struct gn_sock **out)
{
    struct gn__dial *dial = (struct gn__dial *)(void *)pub;
    struct gn__engine *engine = dial->engine;
    struct gn__outside_guest *guest;
    int err = -ECANCELED;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    guest = dial->guest;
    if (gn__dial_take(dial)) {
        err = accept_syn(guest, dial, out);
        if (err)
            tell_refused(guest, dial, err);
    }
    gn__dial_free(dial);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
    return err;
}

/* ---- from outside ---- */

static int connect_to(struct gn__outside_guest *guest,
                      const struct gn__outside_key *key, struct gn_sock **out)
{
    struct gn__tcp_params params;
    struct gn__proxied *proxied;
    struct gn_sock *sock;
    struct gn__conn *conn;
    int err;

    if (gn__tcp_is_orphan(&guest->stack, &key->outside, &key->guest))
        return -EBUSY;
    if (gn__dial_find(guest, key) ||
        gn__tcp_tuple_use(&guest->stack, &key->outside, &key->guest) ==
            GN__TUPLE_USED)
        return -EADDRINUSE;
    err = open_sock(guest, &key->outside, &sock);
    if (err)
        return err;
    err = gn__outside_proxy(guest, &key->outside.addr, &proxied);
    if (err)
        goto undo_sock;
    gn__tcp_params_default(&params);
    err = gn__tcp_connect(&guest->stack, &key->outside, &key->guest, &params,
                          sock, &conn);
    if (err)
        goto undo_play;
    gn__tcp_bind(conn, proxied);
    gn__tcp_sock_proxy(sock, conn);
    *out = sock;
    return 0;

undo_play:
    gn__outside_unproxy(proxied);
undo_sock:
    gn__sock_discard(sock);
    return err;
}

int gn__outside_connect(struct gn_network *net,
                        const struct gn__endpoint *outside,
                        const struct gn__endpoint *guest, struct gn_sock **out)
{
    struct gn__outside_key key = {
        .outside = *outside, .guest = *guest, .type = SOCK_STREAM};
    struct gn__outside_guest *found;
    struct gn__engine *engine = net->engine;
    int err;

    gn__engine_enter(engine);
    err = gn__outside_check(net, outside, guest);
    if (!err)
        err = gn__outside_find(net, &guest->addr, &found);
    if (!err && found->port == net->uplink)
        err = -EHOSTUNREACH;
    if (!err)
        err = connect_to(found, &key, out);
    gn__engine_leave(engine);
    return err;
}
