/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Published streams. Each client is a visit:
 *
 *     accepted --(where its target is, is known)--> relay --> over
 *         |  \                                      ^
 *         |   +--(it is looked up)--> waiting ------+
 *         |                             |
 *         |   BACK --(again)--> relay   |
 *         |    ^                        |
 *         |    +--(its last connection from the same port is still closing)
 *         +--(it cannot be reached)-----+--> reset
 *
 * A guest that has no socket left for one more accepts no more, and a client
 * that is connected to it gets no answer. So there are as many clients as the
 * guest may have sockets; the others wait in the backlog.
 */
#include <errno.h>

#include "host/publish/publish.h"
#include "namespace/namespace.h"

/** Until a client that is back is tried again, ns; and how often: where its
 *  last connection is closing, and where this side may just not have heard yet
 *  that it is over. */
#define BACK_NS      20000000u
#define BACK_CLOSING 500u
#define BACK_UNHEARD 50u

struct visit {
    struct gn__list link; /* in pub->visits, pub->waiting or pub->back */
    struct gn_publication *pub;
    struct gn__relay *relay; /* NULL: it waits */
    struct gn__endpoint client;
    bool known;      /* client is an address */
    unsigned n_back; /* tries */
    struct gn__endpoint to;
    int fd; /* while it waits */
};

/* ---- visits ---- */

/* NULL: it has no address. */
static const struct gn__endpoint *client_of(const struct visit *visit)
{
    return visit->known ? &visit->client : NULL;
}

static void visit_free(struct visit *visit)
{
    struct gn_publication *pub = visit->pub;

    gn__list_del(&visit->link);
    pub->stats.active--;
    gn__free(pub->io->mem, visit, sizeof(*visit));
    gn__acceptor_resume(&pub->acceptor);
}

static void relay_ended(int status, void *arg)
{
    struct visit *visit = arg;
    struct gn_publication *pub = visit->pub;

    if (gn__relay_is_unreached(status)) {
        pub->stats.unreached++;
        gn__publish_turned_away(pub, status, client_of(visit));
    }
    visit_free(visit);
}

static void turn_away(struct visit *visit, int why)
{
    visit->pub->stats.unreached++;
    if (why != -ECANCELED)
        gn__publish_turned_away(visit->pub, why, client_of(visit));
    if (visit->fd >= 0)
        gn__relay_reset(visit->fd);
    visit_free(visit);
}

/* Consumes visit->fd, or leaves it there. */
static int relay_join(struct visit *visit, const struct gn__endpoint *to)
{
    struct gn_publication *pub = visit->pub;
    struct gn__relay_config config = {
        .io = pub->io, .fd = visit->fd, .ended = relay_ended, .arg = visit};
    int err = gn__publish_connect(pub, client_of(visit), to, &config.sock);

    if (err)
        return err;
    pub->guest_room = gn__outside_sockets(pub->net, &to->addr);
    visit->fd = -1;
    return gn__relay_start(&config, &visit->relay);
}

static void come_back(struct visit *visit)
{
    struct gn_publication *pub = visit->pub;

    visit->n_back++;
    gn__list_del(&visit->link);
    gn__list_add_tail(&pub->back, &visit->link);
    if (!pub->back_timer.started)
        gn__io_start(pub->io, &pub->back_timer, gn__io_now(pub->io) + BACK_NS);
}

static void visit_join(struct visit *visit)
{
    int err = relay_join(visit, &visit->to);

    if ((err == -EBUSY && visit->n_back < BACK_CLOSING) ||
        (err == -EADDRINUSE && visit->n_back < BACK_UNHEARD))
        come_back(visit);
    else if (err)
        turn_away(visit, err);
}

static void back_fired(struct gn__io_timer *timer)
{
    struct gn_publication *pub =
        gn__container_of(timer, struct gn_publication, back_timer);
    struct gn__list back, *node;

    gn__list_init(&back);
    gn__list_splice(&back, &pub->back);
    while ((node = gn__list_pop(&back))) {
        gn__list_add_tail(&pub->visits, node);
        visit_join(gn__container_of(node, struct visit, link));
    }
}

/* Where its target is, is known, or never will be. */
static void go_there(struct visit *visit)
{
    int err = gn__publish_pick(visit->pub, client_of(visit), &visit->to);

    gn__list_del(&visit->link);
    gn__list_add_tail(&visit->pub->visits, &visit->link);
    if (err) /* The name has no address. */
        turn_away(visit, err == -EAGAIN ? -EHOSTUNREACH : err);
    else
        visit_join(visit);
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

    pub->stats.paused++;
    gn__publish_tell(pub, GN_PUBLICATION_PAUSED, why, NULL);
}

static void tcp_accepted(void *user, const struct gn__endpoint *client, int fd)
{
    struct gn_publication *pub = user;
    struct visit *visit = gn__zalloc(pub->io->mem, sizeof(*visit));
    int err;

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
    else if ((err = gn__publish_resolve(pub)))
        turn_away(visit, err);
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

    pub->back_timer.fire = back_fired;
    return gn__acceptor_open(&pub->acceptor, &config);
}

static void tcp_end(struct gn_publication *pub)
{
    struct gn__list *node;

    gn__acceptor_close(&pub->acceptor);
    gn__io_stop(pub->io, &pub->back_timer);
    gn__list_splice(&pub->waiting, &pub->back);
    while ((node = gn__list_first(&pub->waiting)))
        turn_away(gn__container_of(node, struct visit, link), -ECANCELED);
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
