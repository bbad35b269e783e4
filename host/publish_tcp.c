/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Published streams. Each client is a visit:
 *
 *     accepted --(where its target is, is known)--> relay --> over
 *         |  \                                      ^
 *         |   +--(it is looked up)--> waiting ------+
 *         |                             |
 *         +--(it cannot be reached)-----+--> reset
 *
 * A guest that has no socket left for one more accepts no more, and who is
 * connected to it hears nothing. So there are as many clients as the guest may
 * have sockets; the others wait in the backlog.
 */
#include <errno.h>

#include "host/publish.h"
#include "namespace/namespace.h"

struct visit {
    struct gn__list link; /* in pub->visits, or pub->waiting */
    struct gn_publication *pub;
    struct gn__relay *relay; /* NULL: it waits */
    struct gn__endpoint client;
    bool known; /* client is an address */
    int fd;     /* while it waits */
};

/* ---- visits ---- */

static void visit_free(struct visit *visit)
{
    struct gn_publication *pub = visit->pub;

    gn__list_del(&visit->link);
    pub->stats.active--;
    gn__free(pub->io->mem, visit, sizeof(*visit));
}

static bool is_unreached(int status)
{
    return status == -ECONNREFUSED || status == -EHOSTUNREACH ||
           status == -ENETUNREACH || status == -ETIMEDOUT;
}

static void relay_ended(int status, void *arg)
{
    struct visit *visit = arg;
    struct gn_publication *pub = visit->pub;

    if (is_unreached(status))
        pub->stats.unreached++;
    visit_free(visit);
    gn__acceptor_resume(&pub->acceptor);
}

static void turn_away(struct visit *visit)
{
    visit->pub->stats.unreached++;
    if (visit->fd >= 0)
        gn__relay_reset(visit->fd);
    visit_free(visit);
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
    pub->guest_room = gn__outside_sockets(pub->net, &to->addr);
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
    gn__list_add_tail(&visit->pub->visits, &visit->link);
    if (!err)
        err = join(visit, &to);
    if (err)
        turn_away(visit);
}

static void tcp_found(struct gn_publication *pub)
{
    struct gn__list *node;

    while ((node = gn__list_first(&pub->waiting)))
        go_there(gn__container_of(node, struct visit, link));
}

/* ---- accepting ---- */

static bool tcp_has_room(void *user)
{
    const struct gn_publication *pub = user;

    return pub->stats.active < pub->max_clients &&
           pub->stats.active < pub->guest_room;
}

static void tcp_paused(void *user, int why)
{
    struct gn_publication *pub = user;

    (void)why;
    pub->stats.paused++;
}

static void tcp_accepted(void *user, const struct gn__endpoint *client, int fd)
{
    struct gn_publication *pub = user;
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

static int tcp_open(struct gn_publication *pub)
{
    const struct gn__acceptor_config config = {.io = pub->io,
                                               .fd = pub->fd,
                                               .keepalive_s = pub->keepalive_s,
                                               .has_room = tcp_has_room,
                                               .accepted = tcp_accepted,
                                               .paused = tcp_paused,
                                               .user = pub};

    return gn__acceptor_open(&pub->acceptor, &config);
}

static void tcp_end(struct gn_publication *pub)
{
    struct gn__list *node;

    gn__acceptor_close(&pub->acceptor);
    while ((node = gn__list_first(&pub->waiting)))
        turn_away(gn__container_of(node, struct visit, link));
    while ((node = gn__list_first(&pub->visits))) {
        struct visit *visit = gn__container_of(node, struct visit, link);

        gn__relay_abort(visit->relay);
        visit_free(visit);
    }
}

static void tcp_stats(const struct gn_publication *pub,
                      struct gn_publication_stats *out)
{
    *out = pub->stats;
}

const struct gn__publish_ops gn__publish_tcp = {
    .name = "tcp",
    .open = tcp_open,
    .found = tcp_found,
    .end = tcp_end,
    .stats = tcp_stats,
};
