/* SPDX-License-Identifier: BSD-3-Clause */

#include "host/forward/outlet.h"

#include <errno.h>
#include <unistd.h>

#include "host/forward/dgram.h"

/** Datagrams that are read before others have their turn. */
#define READ_AT_ONCE 8u

struct gn__outlet {
    struct gn__io *io;
    struct gn__outside_flow *flow;
    int fd;
    struct gn__fd_share share; /* for it */
    struct gn__io_watch watch;
    struct gn__io_end end;
    void (*ended)(int why, void *arg);
    void *arg;
};

static void outlet_free(struct gn__outlet *outlet)
{
    const struct gn__mem *mem = outlet->io->mem;

    gn__io_unwatch(outlet->io, &outlet->watch);
    gn__io_forget_end(&outlet->end);
    (void)close(outlet->fd); /* Also after an error it is closed. */
    gn__fds_give(&outlet->share);
    gn__free(mem, outlet, sizeof(*outlet));
}

void gn__outlet_end(struct gn__outlet *outlet)
{
    gn__outside_flow_close(outlet->flow);
    outlet_free(outlet);
}

static void outlet_finish(struct gn__outlet *outlet, int why)
{
    void (*ended)(int why, void *arg) = outlet->ended;
    void *arg = outlet->arg;

    gn__outlet_end(outlet);
    if (ended)
        ended(why, arg);
}

void gn__outlet_cut(struct gn__outlet *outlet)
{
    outlet_finish(outlet, -ECANCELED);
}

static void network_closes(struct gn__io_end *end)
{
    gn__outlet_cut(gn__container_of(end, struct gn__outlet, end));
}

/* Tell the guest one thing that ICMP has said, if there is one. */
static bool pass_error(struct gn__outlet *outlet)
{
    struct gn__dgram_error queued;

    if (!gn__dgram_read_error(outlet->fd, &queued))
        return false;
    gn__outside_flow_unreach(outlet->flow, queued.error, queued.mtu);
    return true;
}

/* A call has said @error: tell the guest all; of a Unix socket, whose peer is
 * gone, it does not come by the queue. */
static void pass_errors(struct gn__outlet *outlet, int error)
{
    unsigned n = 0;

    while (n < READ_AT_ONCE && pass_error(outlet))
        n++;
    if (!n && error == -ECONNREFUSED)
        gn__outside_flow_unreach(outlet->flow, error, 0);
}

/* ---- out ---- */

/* A full buffer, or a datagram that no socket takes: it is lost. An error of
 * one before this is told, and this one is sent. */
static void flow_received(struct gn__outside_flow *outside, const void *data,
                          size_t len, void *user)
{
    struct gn__outlet *outlet = user;
    unsigned tries;

    for (tries = 0; tries < 2; tries++) {
        if (send(outlet->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return;
        if (tries > 0 || errno == EAGAIN)
            break;
        pass_errors(outlet, -errno);
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
    outlet_finish(user, why);
}

static const struct gn__outside_flow_ops flow_ops = {
    .received = flow_received,
    .failed = flow_failed,
    .ended = flow_ended,
};

/* ---- in ---- */

/* False: nothing is left to read. */
static bool read_one(struct gn__outlet *outlet)
{
    uint8_t bytes[65536];
    ssize_t n = recv(outlet->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n >= 0) {
        /* One that does not arrive is lost, as any may be. */
        (void)gn__outside_flow_send(outlet->flow, bytes, (size_t)n);
        return true;
    }
    if (errno == EAGAIN)
        return false;
    pass_errors(outlet, -errno);
    return true;
}

static void fd_ready(struct gn__io_watch *watch, short revents)
{
    struct gn__outlet *outlet =
        gn__container_of(watch, struct gn__outlet, watch);
    unsigned n = 0;

    /* One at a time: there is seldom a second, which would be told of again,
     * and what is refused must cost little. */
    if (revents & POLLERR && pass_error(outlet) && !(revents & POLLIN))
        return;
    while (n < READ_AT_ONCE && read_one(outlet))
        n++;
}

/* ---- the beginning ---- */

static struct gn__outlet *outlet_create(const struct gn__outlet_config *config)
{
    struct gn__outlet *outlet = gn__zalloc(config->io->mem, sizeof(*outlet));

    if (!outlet)
        return NULL;
    outlet->io = config->io;
    outlet->fd = config->fd;
    outlet->share = config->share;
    outlet->ended = config->ended;
    outlet->arg = config->arg;
    outlet->watch.ready = fd_ready;
    outlet->watch.account = config->dial->who->account;
    outlet->end.run = network_closes;
    gn__dgram_want_errors(config->fd);
    return outlet;
}

int gn__outlet_start(const struct gn__outlet_config *config,
                     struct gn__outlet **out)
{
    struct gn__outside_flow_config flow = {.ops = &flow_ops,
                                           .set = config->set,
                                           .brief_ns = config->brief_ns,
                                           .assured_ns = config->assured_ns};
    struct gn__fd_share share = config->share;
    struct gn__outlet *outlet = outlet_create(config);
    int err;

    if (!outlet) {
        (void)close(config->fd); /* Also after an error it is closed. */
        gn__fds_give(&share);
        gn__outside_refuse(config->dial, -ENOMEM);
        return -ENOMEM;
    }
    flow.user = outlet;
    err = gn__io_watch(outlet->io, &outlet->watch, outlet->fd, POLLIN);
    if (err)
        gn__outside_refuse(config->dial, err);
    else
        err = gn__outside_accept_flow(config->dial, &flow, &outlet->flow);
    if (err) {
        outlet_free(outlet);
        return err;
    }
    gn__io_at_end(outlet->io, &outlet->end);
    *out = outlet;
    return 0;
}
