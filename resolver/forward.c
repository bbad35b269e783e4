/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/forward.h"

static int lookup_forward(void *self, struct gn_lookup *lookup)
{
    struct gn__forwarder *forwarder = self;

    return forwarder->begin(forwarder, lookup);
}

int gn__forward_ip(void *self, struct gn_lookup *lookup, const char *proto,
                   const char *host)
{
    (void)proto;
    (void)host;
    return lookup_forward(self, lookup);
}

int gn__forward_port(void *self, struct gn_lookup *lookup, const char *proto,
                     const char *service)
{
    (void)proto;
    (void)service;
    return lookup_forward(self, lookup);
}

int gn__forward_addr(void *self, struct gn_lookup *lookup,
                     const struct sockaddr *addr)
{
    (void)addr;
    return lookup_forward(self, lookup);
}

int gn__forward_query(void *self, struct gn_lookup *lookup, const char *name,
                      uint16_t type)
{
    (void)name;
    (void)type;
    return lookup_forward(self, lookup);
}

struct gn__pass *gn__pass_create(struct gn_lookup *outer, size_t size,
                                 void (*ended)(struct gn_lookup *inner))
{
    struct gn__pass *pass = gn__zalloc(gn__lookup_mem(outer), size);

    if (!pass)
        return NULL;
    gn__lookup_init(&pass->inner, outer->home, &outer->question);
    pass->inner.ended = ended;
    pass->outer = outer;
    pass->size = size;
    gn_lookup_set_user(outer, pass);
    return pass;
}

void gn__pass_free(struct gn__pass *pass)
{
    const struct gn__mem *mem = gn__lookup_mem(pass->outer);

    gn__lookup_done(&pass->inner);
    gn__free(mem, pass, pass->size);
}

void gn__pass_cancel(struct gn__pass *pass)
{
    gn__lookup_cancel(&pass->inner);
    gn__pass_free(pass);
}
