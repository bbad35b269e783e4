/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A resolver is a table of operations and a pointer. The code of each kind
 * knows its own resolvers by the table: gn_resolver_static_add() of a resolver
 * of another kind is an error of the caller's, and reported.
 */
#include "resolver/resolver.h"

#include <errno.h>

#include "base/config.h"

int gn__resolver_create(const struct gn__mem *mem,
                        const struct gn_resolver_ops *ops, void *self,
                        struct gn_resolver **out)
{
    struct gn_resolver *resolver;

    if (!ops || !out ||
        !gn__config_is_known(ops, ops->size, sizeof(struct gn_resolver_ops)) ||
        !ops->lookup_ip || !ops->cancel)
        return -EINVAL;
    resolver = gn__zalloc(mem, sizeof(*resolver));
    if (!resolver)
        return -ENOMEM;
    resolver->ops = ops;
    resolver->self = self;
    resolver->mem = *mem;
    *out = resolver;
    return 0;
}

int gn_resolver_create(const struct gn_resolver_ops *ops, void *self,
                       struct gn_resolver **out)
{
    struct gn__mem mem;

    gn__mem_init(&mem, NULL);
    return gn__resolver_create(&mem, ops, self, out);
}

void gn_resolver_close(struct gn_resolver *resolver)
{
    struct gn__mem mem;

    if (!resolver)
        return;
    if (resolver->ops->close)
        resolver->ops->close(resolver->self);
    mem = resolver->mem;
    gn__free(&mem, resolver, sizeof(*resolver));
}
