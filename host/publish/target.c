/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Where the target is, and getting there for a client.
 *
 * A name is looked up when a client comes; those that come while that is under
 * way share its answer, and nothing is kept after it. The lookup may outlive
 * the publication, so what it calls back with is a thing of its own.
 *
 * The guest is reached as the client itself, or by the gateway where the client
 * cannot be shown. One that can be is never the gateway, which a guest may
 * trust: coming back from the same port while its last connection is still
 * closing, it waits; connected to the same port of the guest by another
 * publication, it is turned away after a second.
 */
#include <guestnet/resolver.h>

#include <errno.h>
#include <string.h>

#include "host/forward/forward.h"
#include "host/publish/publish.h"
#include "namespace/namespace.h"

/** A lookup under way. */
struct gn__publish_lookup {
    struct gn__mem mem;
    struct gn_publication *pub; /* NULL: it is gone */
    struct gn_lookup *lookup;
};

/* ---- where ---- */

static void target_keep(struct gn_publication *pub,
                        const struct gn_answer *answer)
{
    struct gn__endpoint to;
    unsigned i;

    if (gn__endpoint_from_sockaddr((const struct sockaddr *)&answer->addr,
                                   sizeof(answer->addr), AF_UNSPEC, &to))
        return;
    for (i = 0; i < 2; i++) {
        if (gn__addr_is_any(&pub->found[i])) {
            pub->found[i] = to.addr;
            return;
        }
        if (gn__addr_is_v4(&pub->found[i]) == gn__addr_is_v4(&to.addr))
            return; /* The first of a version is the best. */
    }
}

static void forget_found(struct gn_publication *pub)
{
    pub->found[0] = gn__addr_any(AF_INET6);
    pub->found[1] = gn__addr_any(AF_INET6);
}

static void target_answered(struct gn_lookup *lookup, int status,
                            const struct gn_answer *answers, size_t n,
                            void *arg)
{
    struct gn__publish_lookup *resolving = arg;
    struct gn_publication *pub = resolving->pub;
    struct gn__mem mem = resolving->mem;
    size_t i;

    gn_lookup_unref(lookup);
    gn__free(&mem, resolving, sizeof(*resolving));
    if (!pub)
        return;
    pub->resolving = NULL;
    forget_found(pub);
    for (i = 0; !status && i < n; i++)
        target_keep(pub, &answers[i]);
    pub->answering = true;
    pub->ops->found(pub);
    pub->answering = false;
    forget_found(pub);
}

int gn__publish_resolve(struct gn_publication *pub)
{
    struct gn__publish_lookup *resolving;
    int err;

    if (pub->resolving)
        return 0;
    resolving = gn__zalloc(pub->io->mem, sizeof(*resolving));
    if (!resolving)
        return -ENOMEM;
    resolving->mem = *pub->io->mem;
    resolving->pub = pub;
    err = gn_lookup(gn_network_gateway(pub->net), "ip", pub->target.host,
                    target_answered, resolving, &resolving->lookup);
    if (err)
        gn__free(pub->io->mem, resolving, sizeof(*resolving));
    else
        pub->resolving = resolving;
    return err;
}

void gn__publish_forget(struct gn_publication *pub)
{
    if (!pub->resolving)
        return;
    pub->resolving->pub = NULL;
    gn_lookup_cancel(pub->resolving->lookup);
    pub->resolving = NULL;
}

void gn__publish_charge(struct gn_publication *pub, const struct gn__addr *addr)
{
    struct gn__account *before = pub->account;

    pub->account = gn__outside_account(pub->net, addr);
    pub->acceptor.watch.account = pub->account;
    pub->acceptor.again.account = pub->account;
    pub->inlet.watch.account = pub->account;
    gn__account_unref(before); /* A queue that has tasks has its own. */
}

int gn__publish_pick(struct gn_publication *pub,
                     const struct gn__endpoint *client,
                     struct gn__endpoint *out)
{
    const struct gn__addr *addr = &pub->found[0];

    if (pub->target.has_addr)
        addr = &pub->target.addr;
    else if (gn__addr_is_any(addr))
        return -EAGAIN;
    else if (client && !gn__addr_is_any(&pub->found[1]) &&
             gn__addr_is_v4(&client->addr) != gn__addr_is_v4(addr))
        addr = &pub->found[1];
    memset(out, 0, sizeof(*out));
    out->addr = *addr;
    out->scope = pub->target.scope;
    out->port = pub->target.port;
    gn__publish_charge(pub, &out->addr);
    return 0;
}

/* ---- getting there ---- */

int gn__publish_connect(struct gn_publication *pub,
                        const struct gn__endpoint *client,
                        const struct gn__endpoint *to, struct gn_sock **out)
{
    int err = -EADDRNOTAVAIL;

    if (!pub->as_gateway && gn__gateway_shows(pub->net, client, to))
        err = gn__outside_connect(pub->net, client, to, out);
    if (err != -EADDRNOTAVAIL)
        return err;
    if (!pub->as_gateway)
        pub->stats.as_gateway++;
    return gn__gateway_connect(pub->net, SOCK_STREAM, to, out);
}
