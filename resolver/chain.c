/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Several resolvers in a row. For each question that comes in, one lookup of
 * our own goes from member to member until one knows; its answer becomes the
 * answer to the question.
 *
 * A member that says NODATA knows the name. Asking the next would tell a server
 * outside about names that are ours, and its answer (no such name) would take
 * the name away from programs that ask for both versions, as happened to users
 * of other systems that did so.
 */
#include <guestnet/resolver.h>

#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "resolver/forward.h"

#define MEMBERS_MAX 16u

struct chain {
    struct gn__forwarder base; /* first */
    struct gn__mem mem;
    size_t n;
    struct gn_resolver *members[MEMBERS_MAX];
};

/** A question under way. */
struct pass {
    struct gn__pass base; /* first */
    const struct chain *chain;
    size_t at; /* the member that is asked */
};

static bool is_unknown(const struct gn_lookup *lookup)
{
    return lookup->result.status == GN_EAI_NONAME ||
           (lookup->question.kind == GN_QUERY_PORT &&
            lookup->result.status == GN_EAI_SERVICE);
}

/* A member without the operation knows nothing of such things. */
static bool can_answer(const struct gn_resolver *resolver,
                       enum gn_query_kind kind)
{
    return kind != GN_QUERY_RECORD || resolver->ops->query;
}

static bool go_on(struct pass *pass)
{
    const struct chain *chain = pass->chain;

    do
        pass->at++;
    while (pass->at < chain->n && !can_answer(chain->members[pass->at],
                                              pass->base.inner.question.kind));
    return pass->at < chain->n;
}

static void chain_ended(struct gn_lookup *lookup)
{
    struct pass *pass = (struct pass *)gn__pass_of(lookup);

    if (is_unknown(lookup) && go_on(pass)) {
        gn__lookup_done(lookup);
        gn__lookup_start(lookup, pass->chain->members[pass->at]);
        return;
    }
    gn__lookup_pass(pass->base.outer, lookup);
    gn__pass_free(&pass->base);
}

static int chain_begin(struct gn__forwarder *forwarder, struct gn_lookup *outer)
{
    const struct chain *chain = (const struct chain *)forwarder;
    struct pass *pass =
        (struct pass *)gn__pass_create(outer, sizeof(*pass), chain_ended);

    if (!pass)
        return -ENOMEM;
    pass->chain = chain;
    if (!can_answer(chain->members[0], outer->question.kind) && !go_on(pass)) {
        gn__pass_free(&pass->base);
        return GN_EAI_NODATA;
    }
    gn__lookup_start(&pass->base.inner, chain->members[pass->at]);
    return 0;
}

static void chain_cancel(void *self, struct gn_lookup *lookup)
{
    (void)self;
    gn__pass_cancel(gn_lookup_user(lookup));
}

static void chain_close(void *self)
{
    struct chain *chain = self;
    struct gn__mem mem = chain->mem;

    gn__free(&mem, chain, sizeof(*chain));
}

static const struct gn_resolver_ops chain_ops = {
    .size = sizeof(chain_ops),
    .name = "chain",
    .lookup_ip = gn__forward_ip,
    .lookup_port = gn__forward_port,
    .lookup_addr = gn__forward_addr,
    .query = gn__forward_query,
    .cancel = chain_cancel,
    .close = chain_close,
};

int gn_resolver_chain(const struct gn_resolver_chain_config *config,
                      struct gn_resolver **out)
{
    struct chain *chain;
    struct gn__mem mem;
    size_t n = 0;
    int err;

    if (!config || !out ||
        !gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL;
    while (config->resolvers && n <= MEMBERS_MAX && config->resolvers[n])
        n++;
    if (!n || n > MEMBERS_MAX)
        return -EINVAL;
    gn__mem_init(&mem, config->alloc);
    chain = gn__zalloc(&mem, sizeof(*chain));
    if (!chain)
        return -ENOMEM;
    chain->base.begin = chain_begin;
    chain->mem = mem;
    chain->n = n;
    memcpy(chain->members, config->resolvers, n * sizeof(*chain->members));
    err = gn__resolver_create(&mem, &chain_ops, chain, out);
    if (err)
        chain_close(chain);
    return err;
}
