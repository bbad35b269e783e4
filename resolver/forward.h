/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_RESOLVER_FORWARD_H
#define GN_RESOLVER_FORWARD_H

/*
 * The common part of resolvers that ask others (chain, fault): any question
 * begins a pass, which has a lookup of its own for the resolver that is asked.
 */
#include "resolver/resolver.h"

/** Such a resolver begins with this; it is its self. */
struct gn__forwarder {
    /** Start a pass for @outer, as an operation of gn_resolver_ops. */
    int (*begin)(struct gn__forwarder *forwarder, struct gn_lookup *outer);
};

/** A question under way; embedded, and first. */
struct gn__pass {
    struct gn_lookup inner;
    struct gn_lookup *outer;
    size_t size; /* of what it is embedded in */
};

/** Operations for its table: all begin a pass. */
int gn__forward_ip(void *self, struct gn_lookup *lookup, const char *proto,
                   const char *host);
int gn__forward_port(void *self, struct gn_lookup *lookup, const char *proto,
                     const char *service);
int gn__forward_addr(void *self, struct gn_lookup *lookup,
                     const struct sockaddr *addr);
int gn__forward_query(void *self, struct gn_lookup *lookup, const char *name,
                      uint16_t type);

/** A pass of @size bytes, zero behind its base, which is @outer's user; NULL:
 *  no memory. @ended: runs when the inner lookup has. */
struct gn__pass *gn__pass_create(struct gn_lookup *outer, size_t size,
                                 void (*ended)(struct gn_lookup *inner));
static inline struct gn__pass *gn__pass_of(struct gn_lookup *inner)
{
    return gn__container_of(inner, struct gn__pass, inner);
}
/** With the result of its inner lookup, which is not under way. */
void gn__pass_free(struct gn__pass *pass);
/** End the inner lookup early, and free it. */
void gn__pass_cancel(struct gn__pass *pass);

#endif /* GN_RESOLVER_FORWARD_H */
