/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/forward/acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/** Accepted in one turn. */
#define ACCEPT_AT_ONCE 64u
/** Until accepting is tried again, ns. */
#define PAUSE_NS 50000000u
/** Probes of a client that is silent, in a row, and their distance as a share
 *  of the time before the first. */
#define PROBES      4
#define PROBE_SHARE 4

/* ---- pausing ---- */

static void acceptor_pause(struct gn__acceptor *acceptor, int why)
{
    const struct gn__acceptor_config *config = &acceptor->config;

    acceptor->paused = true;
    if (why)
        gn__io_start(config->io, &acceptor->again,
                     gn__io_now(config->io) + PAUSE_NS);
    gn__io_unwatch(config->io, &acceptor->watch);
    if (config->paused)
        config->paused(config->user, why);
}

void gn__acceptor_resume(struct gn__acceptor *acceptor)
{
    const struct gn__acceptor_config *config = &acceptor->config;
    int err;

    if (!acceptor->open || !acceptor->paused)
        return;
    gn__io_stop(config->io, &acceptor->again);
    acceptor->paused = false;
    err = gn__io_watch(config->io, &acceptor->watch, config->fd, POLLIN);
    if (err)
        acceptor_pause(acceptor, err);
}

static void again_fired(struct gn__io_timer *timer)
{
    gn__acceptor_resume(gn__container_of(timer, struct gn__acceptor, again));
}

/* ---- accepting ---- */

static void set_keepalive(int fd, uint32_t after_s)
{
    int on = 1, idle = (int)after_s, probes = PROBES;
    int between = idle / PROBE_SHARE ? idle / PROBE_SHARE : 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof(between));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

/* What accept(2) said concerns one client, or all of them. */
static bool goes_on(struct gn__acceptor *acceptor, int err)
{
    switch (err) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
        acceptor_pause(acceptor, -err);
        return false;
    default: /* Errors of the connection, accept(2) under "Error handling". */
        return true;
    }
}

static bool accept_one(struct gn__acceptor *acceptor)
{
    const struct gn__acceptor_config *config = &acceptor->config;
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    struct gn__endpoint peer;
    bool known;
    int fd;

    if (config->has_room && !config->has_room(config->user)) {
        acceptor_pause(acceptor, 0);
        return false;
    }
    fd = accept4(config->fd, (struct sockaddr *)&addr, &len,
                 SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return goes_on(acceptor, errno);
    known = !gn__endpoint_from_sockaddr((struct sockaddr *)&addr, len,
                                        AF_UNSPEC, &peer);
    if (known && config->keepalive_s)
        set_keepalive(fd, config->keepalive_s);
    config->accepted(config->user, known ? &peer : NULL, fd);
    return true;
}

static void acceptor_ready(struct gn__io_watch *watch, short revents)
{
    struct gn__acceptor *acceptor =
        gn__container_of(watch, struct gn__acceptor, watch);
    unsigned left = ACCEPT_AT_ONCE;

    (void)revents;
    while (left-- && accept_one(acceptor))
        continue;
}

int gn__acceptor_open(struct gn__acceptor *acceptor,
                      const struct gn__acceptor_config *config)
{
    int err;

    *acceptor = (struct gn__acceptor){.config = *config};
    acceptor->watch.ready = acceptor_ready;
    acceptor->watch.account = config->account;
    acceptor->again.fire = again_fired;
    acceptor->again.account = config->account;
    err = gn__io_watch(config->io, &acceptor->watch, config->fd, POLLIN);
    acceptor->open = !err;
    return err;
}

void gn__acceptor_close(struct gn__acceptor *acceptor)
{
    if (!acceptor->open)
        return;
    acceptor->open = false;
    gn__io_unwatch(acceptor->config.io, &acceptor->watch);
    gn__io_stop(acceptor->config.io, &acceptor->again);
}
