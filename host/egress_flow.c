/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams that a guest began to exchange with somebody outside: a connected
 * kernel socket for each pair of endpoints. So only that peer's answers come
 * back (RFC 4787: endpoint-dependent filtering), and the kernel tells when
 * nobody hears there.
 *
 * A flow ends when it has been idle for a while; its timer is not moved by each
 * datagram, but looks at the time of the last one when it fires.
 */
#include "host/egress.h"

#include <errno.h>
#include <unistd.h>

#define SECOND 1000000000ull

/** Idle times: without an answer, and with one. */
#define IDLE_ONE_WAY_NS (30 * SECOND)
#define IDLE_NS         (180 * SECOND)

/** Datagrams that are read before others have their turn. */
#define READ_AT_ONCE 32u

struct flow {
    struct gn_network *net;
    struct gn__io *io;
    struct gn__outside_flow *flow;
    int fd;
    struct gn__io_watch watch;
    struct gn__io_timer timer;
    struct gn__io_end end;
    uint64_t used_at;
    bool answered;
};

static void flow_free(struct flow *flow)
{
    const struct gn__mem *mem = flow->io->mem;

    gn__io_unwatch(flow->io, &flow->watch);
    gn__io_stop(flow->io, &flow->timer);
    gn__io_forget_end(&flow->end);
    (void)close(flow->fd); /* Also after an error it is closed. */
    gn__free(mem, flow, sizeof(*flow));
}

static void flow_end(struct flow *flow)
{
    gn__outside_flow_close(flow->flow);
    flow_free(flow);
}

static void at_end(struct gn__io_end *end)
{
    flow_end(gn__container_of(end, struct flow, end));
}

static uint64_t idle_at(const struct flow *flow)
{
    return flow->used_at + (flow->answered ? IDLE_NS : IDLE_ONE_WAY_NS);
}

static void timer_fired(struct gn__io_timer *timer)
{
    struct flow *flow = gn__container_of(timer, struct flow, timer);

    if (gn__io_now(flow->io) >= idle_at(flow))
        flow_end(flow);
    else
        gn__io_start(flow->io, &flow->timer, idle_at(flow));
}

/* ---- out ---- */

/* A full buffer, or a datagram the way does not take: it is lost. An error of
 * one before this is told, and this one is sent. */
static void flow_received(struct gn__outside_flow *outside, const void *data,
                          size_t len, void *user)
{
    struct flow *flow = user;
    unsigned tries;

    flow->used_at = gn__io_now(flow->io);
    for (tries = 0; tries < 2; tries++) {
        if (send(flow->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return;
        if (errno != ECONNREFUSED)
            break;
        gn__outside_flow_refused(outside);
    }
    gn__network_drop(flow->net, GN_DROP_KERNEL);
}

static void flow_failed(struct gn__outside_flow *outside, int error, void *user)
{
    (void)outside;
    if (error == -ECANCELED)
        flow_end(user);
}

static const struct gn__outside_flow_ops flow_ops = {
    .received = flow_received,
    .failed = flow_failed,
};

/* ---- in ---- */

/* False: nothing is left to read. */
static bool read_one(struct flow *flow)
{
    uint8_t bytes[65536];
    ssize_t n = recv(flow->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n >= 0) {
        flow->used_at = gn__io_now(flow->io);
        flow->answered = true;
        /* One that does not arrive is lost, as any may be. */
        (void)gn__outside_flow_send(flow->flow, bytes, (size_t)n);
        return true;
    }
    if (errno == ECONNREFUSED) {
        gn__outside_flow_refused(flow->flow);
        return true;
    }
    return errno == EINTR;
}

static void fd_ready(struct gn__io_watch *watch, short revents)
{
    struct flow *flow = gn__container_of(watch, struct flow, watch);
    unsigned n = 0;

    (void)revents;
    while (n < READ_AT_ONCE && read_one(flow))
        n++;
}

void gn__egress_flow_begin(struct gn_network *net,
                           struct gn__outside_dial *dial, int fd)
{
    struct gn__io *io = gn__network_io(net);
    struct flow *flow = io ? gn__zalloc(io->mem, sizeof(*flow)) : NULL;
    int err;

    if (!flow) {
        (void)close(fd); /* Also after an error it is closed. */
        gn__outside_refuse(dial, -ENOMEM);
        return;
    }
    flow->net = net;
    flow->io = io;
    flow->fd = fd;
    flow->watch.ready = fd_ready;
    flow->timer.fire = timer_fired;
    flow->end.run = at_end;
    flow->used_at = gn__io_now(io);
    err = gn__io_watch(io, &flow->watch, fd, POLLIN);
    if (err)
        gn__outside_refuse(dial, err);
    else
        err = gn__outside_accept_flow(dial, &flow_ops, flow, &flow->flow);
    if (err) {
        flow_free(flow);
        return;
    }
    gn__io_at_end(io, &flow->end);
    gn__io_start(io, &flow->timer, idle_at(flow));
}
