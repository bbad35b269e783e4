/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Accepting. Each client is a visit:
 *
 *     accepted --(where its target is, is known)--> relay --> over
 *         |  \                                      ^
 *         |   +--(it is looked up)--> waiting ------+
 *         |                             |
 *         +--(it cannot be reached)-----+--> reset
 *
 * When there is no descriptor or no memory for one more, accepting pauses:
 * nothing is accepted to be dropped, clients wait in the backlog, and the
 * descriptor is not watched, so that nothing spins. It goes on when a visit
 * ends, or after a while, because the descriptors are the whole process'.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/publish.h"
#include "host/forward/forward.h"
#include "namespace/namespace.h"

/** Accepted in one turn. */
#define ACCEPT_AT_ONCE 64u
/** Until accepting is tried again, ns. */
#define PAUSE_NS 50000000u
/** Probes of a client that is silent, in a row, and their distance as a share
 *  of the time before the first. */
#define PROBES      4
#define PROBE_SHARE 4u

struct visit {
    struct gn__list link; /* in pub->clients, or pub->waiting */
    struct gn_publication *pub;
    struct gn__relay *relay; /* NULL: it waits */
    struct gn__endpoint client;
    bool known; /* client is an address */
    int fd;     /* while it waits */
};

/* ---- pausing ---- */

static void pause_accepting(struct gn_publication *pub, bool for_a_while)
{
    pub->stats.paused++;
    pub->paused = true;
    if (for_a_while)
        gn__io_start(pub->io, &pub->timer, gn__io_now(pub->io) + PAUSE_NS);
    gn__io_unwatch(pub->io, &pub->watch);
}

static void resume_accepting(struct gn_publication *pub)
{
    if (!pub->paused || pub->closing)
        return;
    gn__io_stop(pub->io, &pub->timer);
    pub->paused = false;
    if (gn__io_watch(pub->io, &pub->watch, pub->fd, POLLIN))
        pause_accepting(pub, true);
}

static void try_again(struct gn__io_timer *timer)
{
    resume_accepting(gn__container_of(timer, struct gn_publication, timer));
}

/* ---- visits ---- */

static void forget(struct visit *visit)
{
    struct gn_publication *pub = visit->pub;

    gn__list_del(&visit->link);
    pub->stats.active--;
    gn__free(pub->io->mem, visit, sizeof(*visit));
}

static bool is_unreached(int status)
{
    return status == -ECONNREFUSED || status == -EHOSTUNREACH ||
           status == -ENETUNREACH;
}

static void relay_ended(int status, void *arg)
{
    struct visit *visit = arg;
    struct gn_publication *pub = visit->pub;

    if (is_unreached(status))
        pub->stats.unreached++;
    forget(visit);
    resume_accepting(pub);
}

static void set_keepalive(const struct gn_publication *pub, int fd)
{
    int on = 1, idle = (int)pub->keepalive_s, probes = PROBES;
    int between = idle / PROBE_SHARE ? idle / (int)PROBE_SHARE : 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof(between));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static void turn_away(struct visit *visit)
{
    visit->pub->stats.unreached++;
    if (visit->fd >= 0)
        gn__relay_reset(visit->fd);
    forget(visit);
}

/* Consumes visit->fd, or leaves it there. */
static int join(struct visit *visit, const struct gn__endpoint *to)
{
    struct gn_publication *pub = visit->pub;
    struct gn__relay_config config = {
        .io = pub->io, .fd = visit->fd, .ended = relay_ended, .arg = visit};
    int err = gn__publish_connect(pub, visit->known ? &visit->client : NULL, to,
                                  &config.sock);

    if (err)
        return err;
    if (visit->known)
        set_keepalive(pub, visit->fd);
    visit->fd = -1;
    return gn__relay_start(&config, &visit->relay);
}

/* Where its target is, is known, or never will be. */
static void go_there(struct visit *visit)
{
    struct gn__endpoint to;
    int err =
        gn__publish_pick(visit->pub, visit->known ? &visit->client : NULL, &to);

    gn__list_del(&visit->link);
    gn__list_add_tail(&visit->pub->clients, &visit->link);
    if (!err)
        err = join(visit, &to);
    if (err)
        turn_away(visit);
}

static void found(struct gn_publication *pub)
{
    struct gn__list *node;

    while ((node = gn__list_first(&pub->waiting)))
        go_there(gn__container_of(node, struct visit, link));
}

/* Consumes @fd. */
static void begin(struct gn_publication *pub, const struct gn__endpoint *client,
                  int fd)
{
    struct visit *visit = gn__zalloc(pub->io->mem, sizeof(*visit));

    pub->stats.accepted++;
    if (!visit) {
        gn__relay_reset(fd);
        pub->stats.unreached++;
        return;
    }
    visit->pub = pub;
    visit->fd = fd;
    visit->known = client != NULL;
    if (client)
        visit->client = *client;
    gn__list_add_tail(&pub->waiting, &visit->link);
    pub->stats.active++;
    if (pub->target.has_addr)
        go_there(visit);
    else if (gn__publish_ask(pub))
        turn_away(visit);
}

/* ---- accepting ---- */

/* What accept(2) said is one client's trouble, or everybody's. */
static bool goes_on(struct gn_publication *pub, int err)
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
        pause_accepting(pub, true);
        return false;
    default: /* Errors of the connection, accept(2) under "Error handling". */
        return true;
    }
}

static bool accept_one(struct gn_publication *pub)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    struct gn__endpoint client;
    bool known;
    int fd;

    if (pub->stats.active >= pub->max_clients) {
        pause_accepting(pub, false);
        return false;
    }
    fd = accept4(pub->fd, (struct sockaddr *)&addr, &len,
                 SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return goes_on(pub, errno);
    known = !gn__endpoint_from_sockaddr((struct sockaddr *)&addr, len,
                                        AF_UNSPEC, &client);
    begin(pub, known ? &client : NULL, fd);
    return true;
}

static void ready(struct gn__io_watch *watch, short revents)
{
    struct gn_publication *pub =
        gn__container_of(watch, struct gn_publication, watch);
    unsigned n = ACCEPT_AT_ONCE;

    (void)revents;
    while (n-- && accept_one(pub))
        continue;
}

static void end(struct gn_publication *pub)
{
    struct gn__list *node;

    while ((node = gn__list_first(&pub->waiting)))
        turn_away(gn__container_of(node, struct visit, link));
    while ((node = gn__list_first(&pub->clients))) {
        struct visit *visit = gn__container_of(node, struct visit, link);

        gn__relay_abort(visit->relay);
        forget(visit);
    }
}

const struct gn__publish_ops gn__publish_tcp = {
    .name = "tcp",
    .ready = ready,
    .timer = try_again,
    .found = found,
    .end = end,
};
