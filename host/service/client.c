/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest's connection to a service of the host's, or its flow of datagrams.
 *
 *     dialled --> connecting --(connected)--> joined --(either end)--> gone
 *        |          |      \
 *        |          |       +--(it cannot be)--> refused --> gone
 *        |          +--(the guest gives up)--> gone
 *        +--(not allowed, a limit)--> refused
 *
 *   connecting  The guest waits. It has `dial`, a share of the guest's
 *               descriptors, and a socket, which the kernel is at; or, of a
 *               Unix socket whose backlog is full, a timer until the next try.
 *   joined      A relay or an outlet has all of it.
 */
#include <errno.h>
#include <strings.h>
#include <unistd.h>

#include <guestnet/error.h>

#include "host/service/service.h"

/** Until a Unix socket is tried again whose backlog was full, ns. */
#define AGAIN_NS 10000000u

struct client {
    struct gn__list of_forwarding;
    struct gn_forwarding *fwd;
    struct gn__outside_dial *dial; /* NULL: joined */
    struct gn__endpoint guest;
    struct gn__endpoint outside;
    struct gn__attempt attempt;
    struct gn__io_timer again;
    uint64_t deadline;
    int fd; /* -1: none, or another has it */
    struct gn__fd_share share;
    struct gn__relay *relay;
    struct gn__outlet *outlet;
};

static void client_tell(struct gn_forwarding *fwd,
                        enum gn_forwarding_event event, int error,
                        const struct gn__endpoint *guest)
{
    bool unreached = event == GN_FORWARDING_UNREACHED;

    if (unreached)
        fwd->stats.unreached++;
    else
        fwd->stats.turned_away++;
    gn__network_log(fwd->base.net, GN_LOG_WARN, GN__LOG_TURNED_AWAY,
                    "forwarding %s: %s: %s", fwd->what.label,
                    unreached ? "the service is not reached"
                              : "a guest was turned away",
                    gn_strerror(error));
    if (fwd->event && gn__handle_is_open(&fwd->base))
        gn__reports_add(&fwd->reports, (int)event, error, guest);
}

/* ---- the end of one ---- */

static void client_free(struct client *client)
{
    struct gn_forwarding *fwd = client->fwd;

    gn__attempt_stop(&client->attempt);
    if (client->again.started)
        gn__io_stop(fwd->base.io, &client->again);
    if (client->fd >= 0)
        (void)close(client->fd); /* Also after an error it is closed. */
    gn__fds_give(&client->share);
    gn__list_del(&client->of_forwarding);
    fwd->stats.active--;
    gn__free(&fwd->base.engine->net.mem, client, sizeof(*client));
}

/* What the machine says of itself is not for guests: a path that is not there
 * is a service that does not listen. */
static int error_for_guest(int error)
{
    switch (error) {
    case -ETIMEDOUT:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -ECANCELED:
    case -ENOBUFS:
    case -ENOMEM:
        return error;
    default:
        return -ECONNREFUSED;
    }
}

static void client_refuse(struct client *client, int error)
{
    struct gn__outside_dial *dial = client->dial;

    client_free(client);
    gn__outside_refuse(dial, error);
}

static void client_fail(struct client *client, int error)
{
    if (error != -ECANCELED)
        client_tell(client->fwd, GN_FORWARDING_UNREACHED, error,
                    &client->guest);
    client_refuse(client, error_for_guest(error));
}

static void relay_ended(int status, void *arg)
{
    (void)status;
    client_free(arg);
}

static void outlet_ended(int why, void *arg)
{
    struct client *client = arg;

    if (why == -ENOBUFS)
        client->fwd->stats.evicted++;
    client_free(client);
}

void gn__forward_end_clients(struct gn_forwarding *fwd)
{
    struct gn__list *node;

    while ((node = gn__list_first(&fwd->clients))) {
        struct client *client =
            gn__container_of(node, struct client, of_forwarding);

        if (client->dial) {
            client_refuse(client, -ECONNREFUSED);
            continue;
        }
        if (client->relay)
            gn__relay_abort(client->relay);
        else
            gn__outlet_end(client->outlet);
        client_free(client);
    }
}

/* ---- joining ---- */

static int join_stream(struct client *client, struct gn__outside_dial *dial,
                       int fd)
{
    struct gn__relay_config config = {.io = client->fwd->base.io,
                                      .fd = fd,
                                      .ended = relay_ended,
                                      .arg = client};
    int err = gn__outside_accept(dial, &config.sock);

    if (err) {
        (void)close(fd); /* Also after an error it is closed. */
        return err;
    }
    config.share = gn__fds_pass(&client->share);
    return gn__relay_start(&config, &client->relay);
}

static int join_flow(struct client *client, struct gn__outside_dial *dial,
                     int fd)
{
    struct gn_forwarding *fwd = client->fwd;
    struct gn__outlet_config config = {.io = fwd->base.io,
                                       .dial = dial,
                                       .fd = fd,
                                       .share = gn__fds_pass(&client->share),
                                       .set = &fwd->flows,
                                       .brief_ns = fwd->brief_ns,
                                       .assured_ns = fwd->assured_ns,
                                       .ended = outlet_ended,
                                       .arg = client};

    return gn__outlet_start(&config, &client->outlet);
}

/* The service has accepted. A guest that gave up meanwhile is no failure. */
static void client_join(struct client *client)
{
    struct gn__outside_dial *dial = client->dial;
    int err, fd = client->fd;

    if (client->fwd->proxy &&
        gn__proxy_announce(fd, &client->guest, &client->outside)) {
        client_fail(client, -EPIPE);
        return;
    }
    client->dial = NULL;
    client->fd = -1;
    err = client->fwd->what.type == SOCK_STREAM ? join_stream(client, dial, fd)
                                                : join_flow(client, dial, fd);
    if (err)
        client_free(client);
}

/* ---- connecting ---- */

static void client_connect(struct client *client);

static void attempt_done(struct gn__attempt *attempt, int status)
{
    struct client *client = gn__container_of(attempt, struct client, attempt);

    if (status)
        client_fail(client, status);
    else
        client_join(client);
}

static void again_fired(struct gn__io_timer *timer)
{
    client_connect(gn__container_of(timer, struct client, again));
}

static uint64_t time_left(const struct client *client)
{
    uint64_t now = gn__io_now(client->fwd->base.io);

    return now < client->deadline ? client->deadline - now : 0;
}

static void client_wait(struct client *client)
{
    struct gn__io *io = client->fwd->base.io;

    if (time_left(client))
        gn__io_start(io, &client->again, gn__io_now(io) + AGAIN_NS);
    else
        client_fail(client, -ETIMEDOUT);
}

static void client_connect(struct client *client)
{
    struct gn_forwarding *fwd = client->fwd;
    int err = gn__attempt_open(
        fwd->what.type, (struct sockaddr *)&fwd->what.target, &client->fd);

    if (err == -EINPROGRESS) {
        err = gn__attempt_start(&client->attempt, fwd->base.io, client->fd,
                                time_left(client) + 1,
                                client->dial->who->account, attempt_done);
        if (err)
            client_fail(client, err);
    } else if (!err)
        client_join(client);
    else if (err == -EAGAIN && fwd->what.target.ss_family == AF_UNIX)
        client_wait(client);
    else
        client_fail(client, err);
}

/* ---- dials ---- */

static bool is_allowed(const struct gn_forwarding *fwd, const char *guest)
{
    size_t i;

    if (!fwd->guests)
        return true;
    for (i = 0; fwd->guests[i]; i++) {
        if (!strcasecmp(fwd->guests[i], guest))
            return true;
    }
    return false;
}

static void client_audit(const struct gn_forwarding *fwd,
                         const struct gn__outside_dial *dial, const char *guest,
                         bool allowed)
{
    struct sockaddr_storage address;
    struct gn_audit told = {.guest = dial->who->ns,
                            .guest_name = guest,
                            .type = dial->type,
                            .address = (struct sockaddr *)&address,
                            .name = fwd->what.name,
                            .allowed = allowed,
                            .rule = -1,
                            .rule_text = fwd->what.label,
                            .reason =
                                allowed ? "forwarded" : "not among the guests"};

    if (!fwd->audit)
        return;
    gn__endpoint_to_sockaddr(&dial->outside, AF_UNSPEC,
                             (struct sockaddr *)&address, sizeof(address));
    fwd->audit(&told, fwd->audit_arg);
}

static void read_name(const struct gn__outside_dial *dial, char *out,
                      size_t cap)
{
    gn__engine_enter(dial->who->engine);
    gn__guest_hostname(dial->who, out, cap);
    gn__engine_leave(dial->who->engine);
}

static struct client *client_create(struct gn_forwarding *fwd,
                                    struct gn__outside_dial *dial)
{
    struct client *client =
        gn__zalloc(&fwd->base.engine->net.mem, sizeof(*client));

    if (!client)
        return NULL;
    client->fwd = fwd;
    client->dial = dial;
    client->guest = dial->guest;
    client->outside = dial->outside;
    client->fd = -1;
    client->again.fire = again_fired;
    client->again.account = dial->who->account;
    client->deadline = gn__io_now(fwd->base.io) + fwd->timeout_ns;
    gn__list_add_tail(&fwd->clients, &client->of_forwarding);
    fwd->stats.active++;
    dial->user = client;
    return client;
}

/* What it costs, before anything is opened for it. */
static int client_admit(struct gn_forwarding *fwd,
                        struct gn__outside_dial *dial, struct client **out)
{
    int err;

    if (dial->type == SOCK_STREAM && fwd->stats.active >= fwd->max_connections)
        return -EAGAIN;
    *out = client_create(fwd, dial);
    if (!*out)
        return -ENOMEM;
    err = gn__attempt_charge(dial, &(*out)->share);
    if (err)
        client_free(*out);
    return err;
}

static void turn_away(struct gn_forwarding *fwd, struct gn__outside_dial *dial,
                      int error)
{
    if (error != -ECANCELED)
        client_tell(fwd, GN_FORWARDING_TURNED_AWAY, error, &dial->guest);
    gn__outside_refuse(dial, error == -EACCES ? error : error_for_guest(error));
}

/* The audit may end the forwarding, which is gone a turn later. */
static void forward_dial(struct gn__outside *outside,
                         struct gn__outside_dial *dial)
{
    struct gn_forwarding *fwd =
        gn__container_of(outside, struct gn_forwarding, service.outside);
    struct client *client;
    char guest[128];
    bool allowed;
    int err;

    read_name(dial, guest, sizeof(guest));
    allowed = is_allowed(fwd, guest);
    err = allowed ? 0 : -EACCES;
    client_audit(fwd, dial, guest, allowed);
    if (!gn__handle_is_open(&fwd->base)) {
        gn__outside_refuse(dial, -ECONNREFUSED);
        return;
    }
    if (!err)
        err = client_admit(fwd, dial, &client);
    if (err) {
        turn_away(fwd, dial, err);
        return;
    }
    fwd->stats.accepted++;
    client_connect(client);
}

static void forward_cancel(struct gn__outside *outside,
                           struct gn__outside_dial *dial)
{
    (void)outside;
    client_free(dial->user);
}

const struct gn__outside_ops gn__forward_ops = {
    .name = "forward",
    .dial = forward_dial,
    .cancel = forward_cancel,
};
