/* SPDX-License-Identifier: BSD-3-Clause */

/* TLS handshakes of the ready egress, between connecting and joining. */
#include <errno.h>
#include <stdio.h>

#include "host/egress/egress.h"

/* ---- the server's name ---- */

/* The name that the rule matched, or the last one; else the address. */
static void name_by_rule(const struct gn__rule *rule,
                         const struct gn_egress_dial *request,
                         const struct sockaddr *address, struct gn__name *out)
{
    const char *name = gn_egress_dial_name(request, 0);
    struct gn__endpoint to;
    char addr[GN__ADDR_TEXT] = "";
    size_t i;

    for (i = 0;
         rule->target == GN__TARGET_NAME && gn_egress_dial_name(request, i);
         i++) {
        if (!gn__rule_covers_name(rule, gn_egress_dial_name(request, i)))
            continue;
        name = gn_egress_dial_name(request, i);
        break;
    }
    if (!name && !gn__endpoint_from_sockaddr(
                     address, sizeof(struct sockaddr_in6), AF_UNSPEC, &to))
        name = gn__addr_format(&to.addr, addr, sizeof(addr));
    (void)snprintf(out->text, sizeof(out->text), "%s", name ? name : "");
}

int gn__secure_name(const struct gn__rule *rule,
                    const struct gn_egress_dial *request,
                    const struct sockaddr *address, struct gn__name *out)
{
    const char *asked = gn__egress_tls_name(request);

    if (!asked && !rule->tls)
        return -ENOENT;
    if (asked && rule->tls && rule->target == GN__TARGET_NAME &&
        !gn__rule_covers_name(rule, asked))
        return -EACCES;
    if (asked)
        (void)snprintf(out->text, sizeof(out->text), "%s", asked);
    else
        name_by_rule(rule, request, address, out);
    return 0;
}

/* ---- handshakes ---- */

/* @status 0: the owner takes tls. */
static void secure_finish(struct gn__secure *secure, int status)
{
    struct gn__tls *tls = secure->tls;

    secure->tls = NULL;
    gn__secure_stop(secure);
    secure->tls = tls;
    secure->done(secure, status);
    if (status)
        gn__tls_free(tls);
}

static void secure_ready(struct gn__io_watch *watch, short revents)
{
    struct gn__secure *secure =
        gn__container_of(watch, struct gn__secure, watch);
    short events = 0;
    int err = gn__tls_step(secure->tls, &events);

    (void)revents;
    if (err == -EAGAIN)
        err = gn__io_watch(secure->io, watch, secure->fd, events);
    else if (!err) {
        secure_finish(secure, 0);
        return;
    }
    if (err)
        secure_finish(secure, err);
}

static void secure_late(struct gn__io_timer *timer)
{
    secure_finish(gn__container_of(timer, struct gn__secure, timer),
                  -ETIMEDOUT);
}

static void network_closes(struct gn__io_end *end)
{
    secure_finish(gn__container_of(end, struct gn__secure, end), -ECANCELED);
}

int gn__secure_start(struct gn__secure *secure, struct gn__io *io,
                     struct gn__tls *tls, int fd, uint64_t timeout_ns,
                     struct gn__account *account)
{
    int err;

    secure->io = io;
    secure->tls = tls;
    secure->fd = fd;
    secure->watch =
        (struct gn__io_watch){.ready = secure_ready, .account = account};
    secure->timer =
        (struct gn__io_timer){.fire = secure_late, .account = account};
    secure->end = (struct gn__io_end){.run = network_closes};
    err = gn__io_watch(io, &secure->watch, fd, POLLOUT); /* It may begin. */
    if (err) {
        secure->io = NULL;
        secure->tls = NULL;
        gn__tls_free(tls);
        return err;
    }
    gn__io_at_end(io, &secure->end);
    gn__io_hold(io);
    gn__io_start(io, &secure->timer, gn__io_now(io) + timeout_ns);
    return 0;
}

void gn__secure_stop(struct gn__secure *secure)
{
    struct gn__io *io = secure->io;

    if (!io)
        return;
    secure->io = NULL;
    gn__io_unwatch(io, &secure->watch);
    gn__io_stop(io, &secure->timer);
    gn__io_forget_end(&secure->end);
    gn__tls_free(secure->tls);
    secure->tls = NULL;
    gn__io_release(io);
}
