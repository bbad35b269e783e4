/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_LOOKUP_CONTEXT_H
#define GN_NAMESPACE_LOOKUP_CONTEXT_H

/*
 * Names as far as namespaces and networks are concerned: which resolver a
 * lookup goes to and when it must end, the names a network has, and where from
 * an address would be reached. The lookups themselves are
 * host/names/lookup.c's.
 *
 * Any thread, without the lock, unless said otherwise.
 */
#include <guestnet/network.h>
#include <guestnet/resolver.h>

#include "engine/engine.h"
#include "namespace/sock/sock.h"
#include "resolver/resolver.h"

/** Room for a guest's name and the longest domain behind it. */
#define GN__NAME_ROOM 320u

/** What a lookup is made with. */
struct gn__lookup_context {
    struct gn_namespace *ns; /* a reference */
    struct gn__engine *engine;
    struct gn_network *net;       /* good until the lookup is cancelled */
    struct gn_resolver *resolver; /* NULL: the network's own names */
    gn_query_log_cb log;
    void *log_arg;
    uint64_t now;
    uint64_t timeout_ns;
    const struct gn__mem *mem;
};

struct gn__engine *gn__ns_engine(const struct gn_namespace *ns);

const struct gn__mem *gn__ns_mem(const struct gn_namespace *ns);
/** Whose the callbacks are that it causes; as long as @ns is. */
struct gn__account *gn__ns_account(const struct gn_namespace *ns);

/**
 * Under the lock: a lookup begins. Until gn__ns_lookup_end() it counts, and
 * @wait->fire is called, under the lock, when the namespace is killed or
 * closes.
 *
 *   -EAGAIN     As many are under way as may be.
 *   -ECANCELED  Killed or closing.
 *   -ENOTSUP    The kernel's sockets.
 */
GN_WARN_UNUSED int gn__ns_lookup_begin(struct gn_namespace *ns,
                                       struct gn__wait *wait,
                                       struct gn__lookup_context *out);
/** Under the lock: it is over; then gn__ns_unref() without it. */
void gn__ns_lookup_end(struct gn_namespace *ns, struct gn__wait *wait);
void gn__ns_unref(struct gn_namespace *ns);

/** Was it killed, or is it closing? Any thread. */
bool gn__ns_is_over(struct gn_namespace *ns);
/** Are its sockets the kernel's? */
bool gn__ns_is_system(const struct gn_namespace *ns);

/**
 * The addresses of a name in the networks that @ns is in, of this family or of
 * both (AF_UNSPEC).
 *
 * @n  Gets how many, @cap at most; 0: the name has none of that family.
 *
 * Returns 0 or GN_EAI_NONAME.
 */
GN_WARN_UNUSED int gn__ns_find_name(struct gn_namespace *ns, const char *host,
                                    int family, struct gn__addr *out,
                                    size_t cap, size_t *n);
/** The same under the lock; @lower is in lower case. */
GN_WARN_UNUSED int gn__ns_name_addrs(const struct gn_namespace *ns,
                                     const char *lower, int family,
                                     struct gn__addr *out, size_t cap,
                                     size_t *n);
/** The name of an address there, with its domain. Returns 0 or
 *  GN_EAI_NONAME. */
GN_WARN_UNUSED int gn__ns_find_addr(struct gn_namespace *ns,
                                    const struct gn__addr *addr,
                                    char out[GN__NAME_ROOM]);
/** The guest at this address of a network, or its gateway: a reference; NULL:
 *  none is there. */
struct gn_namespace *gn__network_guest_at(struct gn_network *net,
                                          const struct gn__addr *addr);
/** The gateway's n-th address. False: no more. */
bool gn__network_gateway_addr(struct gn_network *net, size_t n,
                              struct gn__addr *out);
/** Copy the domain of its network; "" if it is in none any more. */
void gn__ns_domain(struct gn_namespace *ns, char out[GN__NAME_ROOM]);

/** Where @ns would send to each of these from. */
void gn__ns_sources(struct gn_namespace *ns, const struct gn_answer *answers,
                    struct gn__source *out, size_t n);
/** Has it an address of this family besides its loopback? */
bool gn__ns_has_family(struct gn_namespace *ns, int family);

#endif /* GN_NAMESPACE_LOOKUP_CONTEXT_H */
