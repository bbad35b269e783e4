/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams that a guest began to exchange with a peer outside: a connected
 * kernel socket for each flow (namespace/gateway/flow.c, which knows when it
 * ends). So only that peer's answers come back (RFC 4787: endpoint-dependent
 * filtering), and the kernel tells what ICMP says of what was sent.
 */
#include "host/egress/egress.h"

#include <errno.h>
#include <unistd.h>

#include "host/forward/forward.h"

/** Datagrams that are read before others have their turn. */
#define READ_AT_ONCE 8u

struct flow {
    struct gn__io *io;
    struct gn__outside_flow *flow;
    int fd;
    struct gn__fd_share share; /* for it */
    struct gn__io_watch watch;
    struct gn__io_end end;
};

static void flow_free(struct flow *flow)
{
    const struct gn__mem *mem = flow->io->mem;

    gn__io_unwatch(flow->io, &flow->watch);
    gn__io_forget_end(&flow->end);
    (void)close(flow->fd); /* Also after an error it is closed. */
    gn__fds_give(&flow->share);
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

/* Tell the guest what ICMP has said; @error where it did not come by the queue
 * (a Unix socket, whose peer is gone). */
static void pass_errors(struct flow *flow, int error)
{
    struct gn__dgram_error queued;
    unsigned n = 0;

    while (n < READ_AT_ONCE && gn__dgram_read_error(flow->fd, &queued)) {
        gn__outside_flow_unreach(flow->flow, queued.error);
        n++;
    }
    if (!n && error == -ECONNREFUSED)
        gn__outside_flow_unreach(flow->flow, error);
}

/* ---- out ---- */

/* A full buffer, or a datagram the way does not take: it is lost. An error of
 * one before this is told, and this one is sent. */
static void flow_received(struct gn__outside_flow *outside, const void *data,
                          size_t len, void *user)
{
    struct flow *flow = user;
    unsigned tries;

    for (tries = 0; tries < 2; tries++) {
        if (send(flow->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return;
        if (tries > 0 || errno == EAGAIN || errno == EMSGSIZE)
            break;
        pass_errors(flow, -errno);
    }
    gn__outside_flow_drop(outside, GN_DROP_KERNEL);
}

/* The guest's socket is still there: another one refused. */
static void flow_failed(struct gn__outside_flow *outside, int error, void *user)
{
    (void)outside;
    (void)error;
    (void)user;
}

static void flow_ended(struct gn__outside_flow *outside, int why, void *user)
{
    (void)outside;
    (void)why;
    flow_end(user);
}

static const struct gn__outside_flow_ops flow_ops = {
    .received = flow_received,
    .failed = flow_failed,
    .ended = flow_ended,
};

/* ---- in ---- */

/* False: nothing is left to read. */
static bool read_one(struct flow *flow)
{
    uint8_t bytes[65536];
    ssize_t n = recv(flow->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n >= 0) {
        /* One that does not arrive is lost, as any may be. */
        (void)gn__outside_flow_send(flow->flow, bytes, (size_t)n);
        return true;
    }
    if (errno == EAGAIN)
        return false;
    pass_errors(flow, -errno);
    return true;
}

static void fd_ready(struct gn__io_watch *watch, short revents)
{
    struct flow *flow = gn__container_of(watch, struct flow, watch);
    unsigned n = 0;

    if (revents & POLLERR)
        pass_errors(flow, 0);
    while (n < READ_AT_ONCE && read_one(flow))
        n++;
}

/* ---- the beginning ---- */

static struct flow *flow_create(struct gn__io *io, int fd)
{
    struct flow *flow = io ? gn__zalloc(io->mem, sizeof(*flow)) : NULL;

    if (!flow)
        return NULL;
    flow->io = io;
    flow->fd = fd;
    flow->watch.ready = fd_ready;
    flow->end.run = at_end;
    gn__dgram_want_errors(fd);
    return flow;
}

void gn__egress_flow_begin(struct gn_network *net,
                           struct gn__outside_dial *dial, int fd,
                           struct gn__fd_share share)
{
    struct gn__outside_flow_config config = {.ops = &flow_ops};
    struct flow *flow = flow_create(gn__network_io(net), fd);
    int err;

    if (!flow) {
        (void)close(fd); /* Also after an error it is closed. */
        gn__fds_give(&share);
        gn__outside_refuse(dial, -ENOMEM);
        return;
    }
    flow->share = share;
    flow->watch.account = dial->account;
    config.user = flow;
    err = gn__io_watch(flow->io, &flow->watch, fd, POLLIN);
    if (err)
        gn__outside_refuse(dial, err);
    else
        err = gn__outside_accept_flow(dial, &config, &flow->flow);
    if (err) {
        flow_free(flow);
        return;
    }
    gn__io_at_end(flow->io, &flow->end);
}
