/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Stream sockets: what is said of a connection in each of its states. The
 * order of the checks is that of Linux' tcp_sendmsg(), tcp_recvmsg(),
 * tcp_poll() and inet_shutdown(), since a program sees it.
 */
#include "namespace/sock/tcp.h"

#include <errno.h>

#include "base/units.h"
#include "namespace/internal.h"
#include "namespace/sock/bind.h"
#include "namespace/sock/msg.h"

/* Chunks that one round of a send fills. */
#define SEND_CHUNKS 4u

static void tcp_init(struct gn_sock *sock)
{
    sock->type = SOCK_STREAM;
    sock->protocol = IPPROTO_TCP;
}

/* ---- state ---- */

enum gn__tcp_state gn__tcp_state_of(const struct gn__tcp_sock *tcp)
{
    enum gn__tcp_state state;

    if (tcp->listener)
        return GN__TCP_LISTEN;
    if (!tcp->conn || tcp->over)
        return GN__TCP_CLOSE;
    state = gn__tcp_state(tcp->conn);
    return state == GN__TCP_TIME_WAIT ? GN__TCP_CLOSE : state;
}

/* A reset is told by the state it met: tcp_reset(). */
static int error_of(const struct gn__tcp_sock *tcp)
{
    int err = gn__tcp_error(tcp->conn);

    if (err == -ECONNRESET && tcp->fin && !(tcp->sock.shut & GN__SHUT_SEND))
        return -EPIPE;
    return err;
}

static size_t tcp_readable(const struct gn__tcp_sock *tcp)
{
    return tcp->conn ? gn__tcp_readable(tcp->conn) : 0;
}

void gn__tcp_look(struct gn__tcp_sock *tcp)
{
    int err;

    if (!tcp->conn || tcp->over)
        return;
    if (!tcp->fin && gn__tcp_eof(tcp->conn)) {
        tcp->fin = true;
        tcp->sock.shut |= GN__SHUT_RECV;
    }
    err = error_of(tcp);
    if (!err && gn__tcp_state_of(tcp) != GN__TCP_CLOSE)
        return;
    tcp->over = true;
    tcp->sock.err = err;
    tcp->sock.shut = GN__SHUT_BOTH;
    if (!tcp->sock.port_locked)
        gn__bind_release(&tcp->sock); /* tcp_set_state(): bind() is free. */
}

static bool tcp_opening(enum gn__tcp_state state)
{
    return state == GN__TCP_SYN_SENT || state == GN__TCP_SYN_RECV;
}

/* ---- send ---- */

/* Copy what will be sent into chunks. A caller that does not block copies no
 * more than there seems to be room for; one that does fills a chunk anyway,
 * and holds it until there is. */
static int tcp_prepare(struct gn_sock *sock, struct gn__xfer *io)
{
    size_t left = io->total - io->done;
    size_t room = atomic_load_explicit(&sock->room, memory_order_relaxed);

    if (left <= GN__XFER_SMALL)
        return 0;
    if (gn__sock_blocks(sock, io->flags) && room < GN__CHUNK_MAX)
        room = GN__CHUNK_MAX;
    if (left > room)
        left = room;
    while (left > 0 && io->n_slices < SEND_CHUNKS) {
        struct gn__slice *slice = &io->slices[io->n_slices];
        size_t n = left < GN__CHUNK_MAX ? left : GN__CHUNK_MAX;

        slice->chunk = gn__chunk_alloc(sock->engine->net.chunks, n);
        if (!slice->chunk)
            return io->n_slices > 0 ? 0 : -ENOBUFS;
        slice->data = gn__chunk_data(slice->chunk);
        slice->len = (uint32_t)n;
        gn__iov_read(&io->iov, gn__chunk_data(slice->chunk), n);
        io->n_slices++;
        left -= n;
    }
    return 0;
}

int gn__tcp_sock_push(struct gn__tcp_sock *tcp, struct gn__slice *slice,
                      bool more)
{
    struct gn__slice part = *slice;
    size_t room = gn__tcp_space(tcp->conn);
    int err;

    if (room == 0)
        return -EAGAIN;
    if (part.len > room) {
        part.len = (uint32_t)room;
        gn__chunk_ref(part.chunk);
    }
    err = gn__tcp_send(tcp->conn, &part, more);
    if (err) {
        if (part.len < slice->len)
            gn__chunk_unref(part.chunk);
        return err;
    }
    slice->data += part.len;
    slice->len -= part.len;
    return 0;
}

/* Hand over the first slice, or as much of it as there is room for. */
static int send_slice(struct gn__tcp_sock *tcp, struct gn__xfer *io, bool more)
{
    struct gn__slice *slice = &io->slices[0];
    uint32_t len = slice->len;
    unsigned i;
    int err = gn__tcp_sock_push(tcp, slice, more || io->n_slices > 1);

    if (err)
        return err;
    io->done += len - slice->len;
    if (slice->len > 0)
        return 0;
    io->n_slices--;
    for (i = 0; i < io->n_slices; i++)
        io->slices[i] = io->slices[i + 1];
    return 0;
}

static int send_small(struct gn__tcp_sock *tcp, struct gn__xfer *io, bool more)
{
    size_t left = io->total - io->done;
    const void *data;
    ssize_t n;

    if (gn__tcp_space(tcp->conn) == 0)
        return -EAGAIN;
    data = gn__iov_peek(&io->iov, io->small, left);
    n = gn__tcp_send_copy(tcp->conn, data, left, more);
    if (n < 0)
        return (int)n;
    gn__iov_skip(&io->iov, (size_t)n);
    io->done += (size_t)n;
    return 0;
}

/* May this socket send? What a call says that may not is said once. */
static int may_send(struct gn__tcp_sock *tcp, const struct gn__xfer *io)
{
    struct gn_sock *sock = &tcp->sock;
    enum gn__tcp_state state = gn__tcp_state_of(tcp);
    int err;

    if (!sock->err && !(sock->shut & GN__SHUT_SEND)) {
        if (state == GN__TCP_ESTABLISHED || state == GN__TCP_CLOSE_WAIT)
            return 0;
        return tcp_opening(state) ? -EAGAIN : -EPIPE;
    }
    err = io->done > 0 ? 0 : gn__sock_take_error(sock);
    return err ? err : -EPIPE;
}

static void note_room(struct gn__tcp_sock *tcp)
{
    size_t room = gn__tcp_space(tcp->conn);

    atomic_store_explicit(&tcp->sock.room, (uint32_t)room,
                          memory_order_relaxed);
}

static int send_some(struct gn_sock *sock, struct gn__xfer *io)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    bool more = io->flags & MSG_MORE;
    size_t before = io->done;
    int err;

    gn__tcp_look(tcp);
    err = may_send(tcp, io);
    if (!err && io->control)
        err = gn__cmsg_check(io->control);
    if (err || io->total == 0)
        return err;
    if (io->n_slices == 0 && io->total - io->done <= GN__XFER_SMALL)
        err = send_small(tcp, io, more);
    else if (io->n_slices == 0)
        err = gn__tcp_space(tcp->conn) > 0 ? 0 : -EAGAIN; /* Prepare anew. */
    while (!err && io->n_slices > 0)
        err = send_slice(tcp, io, more);
    if (!err || err == -EAGAIN)
        note_room(tcp);
    sock->routed |= !err;
    if (err == -ENOBUFS)
        gn__ns_refuse_buffer(sock->ns);
    gn__sock_touch(sock);
    if (err == -EAGAIN && io->done > before && io->n_slices == 0)
        err = 0;
    return err;
}

/* ---- receive ---- */

/* What a receive says that finds nothing: tcp_recvmsg_locked(). */
static int tcp_has_nothing(struct gn__tcp_sock *tcp, struct gn__xfer *io)
{
    struct gn_sock *sock = &tcp->sock;
    enum gn__tcp_state state = gn__tcp_state_of(tcp);
    int err;

    io->stop = true;
    if (tcp->fin)
        return 0;
    err = io->done > 0 ? sock->err : gn__sock_take_error(sock);
    if (err)
        return err;
    if (sock->shut & GN__SHUT_RECV)
        return 0;
    if (state == GN__TCP_CLOSE)
        return -ENOTCONN;
    io->stop = false;
    return -EAGAIN;
}

static void tcp_take(struct gn__tcp_sock *tcp, struct gn__xfer *io, size_t max)
{
    bool peek = io->flags & MSG_PEEK;
    size_t held = tcp_readable(tcp), skip = peek ? io->done : 0;

    if (skip > held)
        skip = held;
    if (max > held - skip)
        max = held - skip;
    if (max > 0)
        io->n_slices = (unsigned)gn__tcp_take(tcp->conn, max, peek, skip,
                                              io->slices, GN__XFER_SLICES);
}

static int recv_some(struct gn_sock *sock, struct gn__xfer *io)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    size_t max = io->total - io->done;

    gn__tcp_look(tcp);
    if (tcp->listener)
        return -ENOTCONN;
    tcp_take(tcp, io, max);
    io->capped = io->n_slices == GN__XFER_SLICES;
    if (io->n_slices > 0) {
        gn__sock_touch(sock);
        return 0;
    }
    if (max == 0 && tcp_readable(tcp) > 0) {
        io->stop = true;
        return 0;
    }
    return tcp_has_nothing(tcp, io);
}

/* ---- shutdown, readiness ---- */

static int tcp_shut(struct gn_sock *sock, unsigned how)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    enum gn__tcp_state state;
    bool send =
        how & GN__SHUT_SEND; /* Bits from before connect() are no FIN. */

    gn__tcp_look(tcp);
    state = gn__tcp_state_of(tcp);
    if (tcp->phase == GN__PHASE_CONNECTING)
        tcp->phase = tcp_opening(state) || state == GN__TCP_CLOSE
                         ? GN__PHASE_DISCONNECTING
                         : GN__PHASE_CONNECTED;
    switch (state) {
    case GN__TCP_CLOSE:
        sock->shut |= (uint8_t)how;
        return -ENOTCONN;
    case GN__TCP_LISTEN:
        if (!(how & GN__SHUT_RECV))
            return 0;
        gn__tcp_disconnect(tcp);
        return 0;
    case GN__TCP_SYN_SENT:
        gn__tcp_disconnect(tcp);
        return 0;
    case GN__TCP_ESTABLISHED:
    case GN__TCP_CLOSE_WAIT:
        if (send && gn__tcp_shutdown(tcp->conn))
            return -ENOBUFS;
        sock->routed |= send;
        break;
    default:
        break;
    }
    sock->shut |= (uint8_t)how;
    if (sock->shut & GN__SHUT_RECV)
        gn__tcp_deafen(tcp->conn);
    return 0;
}

static short ready_to_send(const struct gn__tcp_sock *tcp)
{
    const short out = POLLOUT | POLLWRNORM;
    size_t room;

    if (tcp->sock.shut & GN__SHUT_SEND || !tcp->conn)
        return out;
    room = gn__tcp_space(tcp->conn);
    /* A third of the buffer is free: sk_stream_is_writeable(). */
    return room > 0 && room >= gn__tcp_unsent(tcp->conn) / 2 ? out : 0;
}

static short tcp_ready(struct gn_sock *sock)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    enum gn__tcp_state state;
    short mask = 0;

    gn__tcp_look(tcp);
    state = gn__tcp_state_of(tcp);
    if (state == GN__TCP_LISTEN)
        return gn__tcp_acceptable(tcp->listener) ? POLLIN | POLLRDNORM : 0;
    if (sock->shut == GN__SHUT_BOTH || state == GN__TCP_CLOSE)
        mask |= POLLHUP;
    if (sock->shut & GN__SHUT_RECV)
        mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (!tcp_opening(state)) {
        if (tcp->conn && tcp_readable(tcp) >= sock->opt.rcvlowat)
            mask |= POLLIN | POLLRDNORM;
        mask |= ready_to_send(tcp);
    }
    if (tcp->conn && !tcp->over)
        note_room(tcp);
    return sock->err ? mask | POLLERR : mask;
}

/* ---- the rest ---- */

static int tcp_peer(struct gn_sock *sock)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    enum gn__tcp_state state;

    gn__tcp_look(tcp);
    state = gn__tcp_state_of(tcp);
    if (sock->remote.port == 0 || state == GN__TCP_CLOSE ||
        state == GN__TCP_SYN_SENT)
        return -ENOTCONN;
    return 0;
}

static ssize_t tcp_available(struct gn_sock *sock)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);

    if (tcp->listener)
        return -EINVAL;
    return (ssize_t)tcp_readable(tcp);
}

static ssize_t tcp_unsent(struct gn_sock *sock)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);

    gn__tcp_look(tcp);
    if (tcp->listener)
        return -EINVAL;
    return tcp->conn && !tcp->over ? (ssize_t)gn__tcp_unsent(tcp->conn) : 0;
}

struct gn__tcp_params gn__tcp_params_of(const struct gn_sock *sock,
                                        const struct gn__addr *remote)
{
    struct gn__tcp_params params = sock->opt.tcp;

    if (!gn__addr_is_v4(remote)) {
        params.ttl = sock->opt.hops6;
        params.tos = sock->opt.tclass6;
    }
    return params;
}

static void tcp_options(struct gn_sock *sock)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    struct gn__tcp_params params = gn__tcp_params_of(sock, &sock->remote.addr);

    gn__tcp_look(tcp); /* With the connection its binding is gone. */
    if (tcp->listener)
        gn__tcp_listener_set(tcp->listener, tcp->backlog, &params);
    if (!tcp->conn || tcp->over)
        return;
    gn__tcp_set(tcp->conn, &params);
    if (!tcp->held)
        return; /* It acts for a peer outside: it has no port here. */
    tcp->held = gn__bind_reshare(sock, tcp->held);
    gn__tcp_bind(tcp->conn, tcp->held);
}

static void tcp_end(struct gn_sock *sock, enum gn__sock_end how)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    struct gn__conn *conn = tcp->conn;

    if (tcp->listener)
        gn__tcp_sock_unlisten(tcp, how == GN__END_SILENT);
    tcp->conn = NULL;
    if (!conn)
        return;
    if (how == GN__END_SILENT)
        gn__tcp_vanish(conn);
    else if (how == GN__END_ABORT ||
             (sock->opt.linger && sock->opt.linger_s == 0))
        gn__tcp_abort(conn);
    else
        gn__tcp_close(conn);
}

static bool tcp_lingers(struct gn__tcp_sock *tcp)
{
    enum gn__tcp_state state;

    gn__tcp_look(tcp);
    state = gn__tcp_state_of(tcp);
    return state == GN__TCP_FIN_WAIT1 || state == GN__TCP_CLOSING ||
           state == GN__TCP_LAST_ACK;
}

/* Closed for all threads, with FIN sent: until it is acknowledged. */
static void tcp_linger(struct gn_sock *sock)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    uint64_t deadline =
        gn__sock_deadline(sock, (uint64_t)sock->opt.linger_s * GN__NS_PER_S);

    gn__tcp_look(tcp);
    if (!gn__engine_may_wait(sock->engine) || !tcp->conn || tcp->over ||
        gn__tcp_readable(tcp->conn) > 0 ||
        (!(sock->shut & GN__SHUT_SEND) && gn__tcp_shutdown(tcp->conn)))
        return;
    sock->shut |= GN__SHUT_SEND;
    sock->dead = -EBADF;
    gn__sock_poll_end(sock);
    while (tcp_lingers(tcp) && gn__now(sock->engine) < deadline &&
           gn__sock_wait(sock, "close", GN__WAIT_ANY, deadline) == -EBADF)
        continue;
}

static void iface_gone(struct gn_sock *sock, struct gn__iface *iface)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);

    if (gn__ns_iface_of(sock->ns, &sock->local.addr) != iface)
        return;
    if (tcp->conn && !tcp->over)
        gn__tcp_fail(tcp->conn, -ENETDOWN);
    else if (tcp->listener)
        sock->err = -ENETDOWN;
    gn__sock_touch(sock);
}

static void tcp_done(struct gn_sock *sock)
{
    gn__strfree(&sock->engine->net.mem, gn__tcp_of(sock)->tls_name);
}

const struct gn__sock_ops gn__sock_tcp = {
    .name = "tcp",
    .size = sizeof(struct gn__tcp_sock),
    .init = tcp_init,
    .end = tcp_end,
    .done = tcp_done,
    .linger = tcp_linger,
    .bind = gn__tcp_sock_bind,
    .listen = gn__tcp_sock_listen,
    .connect = gn__tcp_sock_connect,
    .connected = gn__tcp_sock_connected,
    .accept = gn__tcp_sock_accept,
    .prepare = tcp_prepare,
    .send = send_some,
    .recv = recv_some,
    .shutdown = tcp_shut,
    .peer = tcp_peer,
    .available = tcp_available,
    .unsent = tcp_unsent,
    .ready = tcp_ready,
    .options = tcp_options,
    .iface_gone = iface_gone,
};
