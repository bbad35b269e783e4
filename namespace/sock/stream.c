/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams by reference; see stream.h. */
#include "namespace/sock/stream.h"

#include <errno.h>
#include <string.h>

#include "namespace/internal.h"
#include "namespace/sock/tcp.h"

static void stream_fire(struct gn__wait *wait)
{
    struct gn__stream_hook *hook =
        gn__container_of(wait, struct gn__stream_hook, wait);

    gn__deferred_queue(hook->sock->engine, &hook->deferred);
}

void gn__stream_hook_init(struct gn__stream_hook *hook, struct gn_sock *sock,
                          void (*run)(struct gn__deferred *deferred))
{
    memset(hook, 0, sizeof(*hook));
    hook->sock = sock;
    hook->wait.fire = stream_fire;
    gn__list_init(&hook->wait.link);
    gn__list_init(&hook->deferred.link);
    hook->deferred.run = run;
    hook->deferred.account = sock->account;
}

void gn__stream_hook_done(struct gn__stream_hook *hook)
{
    struct gn__engine *engine = hook->sock->engine;

    gn__engine_enter(engine);
    gn__list_del(&hook->wait.link);
    gn__deferred_cancel(engine, &hook->deferred);
    gn__engine_leave(engine);
}

static void stream_arm(struct gn__stream_hook *hook, short events)
{
    hook->wait.events = events;
    if (gn__list_empty(&hook->wait.link))
        gn__list_add_tail(&hook->sock->waits, &hook->wait.link);
}

static bool takes_payload(const struct gn__tcp_sock *tcp,
                          enum gn__tcp_state state)
{
    return !(tcp->sock.shut & GN__SHUT_SEND) &&
           (state == GN__TCP_ESTABLISHED || state == GN__TCP_CLOSE_WAIT);
}

/* Hand over what can be; the connection may end by it. */
static void send_slices(struct gn__tcp_sock *tcp,
                        struct gn__stream_round *round)
{
    unsigned i = 0;
    int err = 0;

    while (i < round->n_send && !err) {
        err = gn__tcp_sock_push(tcp, &round->send[i], i + 1 < round->n_send);
        if (!round->send[i].len)
            i++;
    }
    round->n_send -= i;
    memmove(round->send, &round->send[i],
            round->n_send * sizeof(round->send[0]));
    round->stalled = err == -ENOBUFS || err == -ENOMEM;
    if (err == -ENOBUFS)
        gn__ns_refuse_buffer(tcp->sock.ns);
}

static void send_fin(struct gn__tcp_sock *tcp, struct gn__stream_round *round)
{
    struct gn_sock *sock = &tcp->sock;

    if (!round->fin || round->n_send || sock->shut & GN__SHUT_SEND)
        return;
    if (gn__tcp_shutdown(tcp->conn))
        round->stalled = true;
    else
        sock->shut |= GN__SHUT_SEND;
}

static void stream_receive(struct gn__tcp_sock *tcp,
                           struct gn__stream_round *round)
{
    if (round->passed)
        gn__tcp_skip(tcp->conn, round->passed);
    round->passed = 0;
    if (round->max && gn__tcp_readable(tcp->conn) > 0)
        round->n_recv = (unsigned)gn__tcp_take(tcp->conn, round->max, true, 0,
                                               round->recv, GN__ROUND_RECV);
}

/* A third of the buffer, or nothing: little room makes little segments. */
static size_t room_of(const struct gn__tcp_sock *tcp)
{
    size_t room = gn__tcp_space(tcp->conn);

    return room >= gn__tcp_unsent(tcp->conn) / 2 ? room : 0;
}

static void arm_for(struct gn__stream_hook *hook,
                    const struct gn__stream_round *round)
{
    short events = 0;

    if (round->starting || (round->wants_room && !round->room))
        events |= POLLOUT;
    if (round->max && !round->n_recv && !round->eof)
        events |= POLLIN;
    stream_arm(hook, events);
}

/* Inside the engine, with a connection. */
static int run_round(struct gn__stream_hook *hook, struct gn__tcp_sock *tcp,
                     struct gn__stream_round *round)
{
    struct gn_sock *sock = &tcp->sock;
    enum gn__tcp_state state;

    gn__tcp_look(tcp);
    state = gn__tcp_state_of(tcp);
    round->starting = state == GN__TCP_SYN_SENT || state == GN__TCP_SYN_RECV;
    if (takes_payload(tcp, state)) {
        send_slices(tcp, round);
        send_fin(tcp, round);
    }
    stream_receive(tcp, round);
    gn__tcp_look(tcp);
    state = gn__tcp_state_of(tcp);
    if (sock->err && !round->n_recv)
        return sock->err;
    if (round->n_send && state == GN__TCP_CLOSE && !round->n_recv)
        return -EPIPE;
    round->room =
        takes_payload(tcp, state) && !round->stalled ? room_of(tcp) : 0;
    round->eof = tcp->fin && !gn__tcp_readable(tcp->conn);
    round->shut = sock->shut & GN__SHUT_SEND;
    arm_for(hook, round);
    return 0;
}

int gn__stream_round(struct gn__stream_hook *hook,
                     struct gn__stream_round *round)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(hook->sock);
    int err;

    round->n_recv = 0;
    round->stalled = false;
    err = gn__sock_enter(hook->sock);
    if (err)
        return err;
    err = tcp->conn ? run_round(hook, tcp, round) : -ENOTCONN;
    gn__sock_leave(hook->sock);
    return err;
}

void gn__stream_abort(struct gn_sock *sock)
{
    gn__engine_enter(sock->engine);
    sock->opt.linger = true;
    sock->opt.linger_s = 0;
    if (sock->dead != -EBADF)
        gn__sock_close(sock);
    gn__sock_leave(sock);
}
