/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_NAMES_LOOKUP_H
#define GN_HOST_NAMES_LOOKUP_H

/*
 * Lookups for the rest of this folder: with any question, by callback or by a
 * thread that waits.
 */
#include <guestnet/resolver.h>

#include "namespace/namespace.h"
#include "resolver/resolver.h"

/** Knows without asking any other: addresses and numbers in text, localhost and
 *  the loopback's addresses (names.c). */
extern struct gn_resolver gn__resolver_local;
/** The names of the network (names.c). */
extern struct gn_resolver gn__resolver_own;
/** Does a question go to gn__resolver_local? */
bool gn__is_local_question(const struct gn__question *question);

/** Read an address as getaddrinfo(3) does: with its scope, "fe80::1%eth0", and
 *  IPv4 also in the forms of inet_aton(3). False: it is none. */
bool gn__hostname_literal(struct gn_namespace *ns, const char *text,
                          struct gn_answer *out);
/** A port in text, 0 to 65535. */
bool gn__port_literal(const char *text, uint16_t *out);

/** The user that is told of the end of a lookup; copied. */
struct gn__lookup_user {
    /** On the driving thread. @result: the lookup's; what its pointers lead to
     *  may be taken by setting them to NULL. */
    void (*done)(struct gn_lookup *lookup, struct gn__result *result,
                 const struct gn__lookup_user *user);
    void *arg;
    union { /* the public callbacks */
        gn_lookup_cb ip;
        gn_lookup_port_cb port;
        gn_lookup_addr_cb addr;
        gn_lookup_query_cb query;
    } callback;
};

/**
 * Ask for @ns; user->done is called exactly once, later, if it returns 0.
 * Errors are those of gn_lookup(), but the question is taken as it is.
 *
 * @question  Copied; names have no dot at the end.
 * @out       NULL, or set on success.
 */
GN_WARN_UNUSED int gn__lookup_begin(struct gn_namespace *ns,
                                    const struct gn__question *question,
                                    const struct gn__lookup_user *user,
                                    struct gn_lookup **out);

/** What a thread got that has waited. */
struct gn__awaited {
    struct gn__engine *engine; /* a reference */
    struct gn__result result;
};

/**
 * The same, and wait. Returns what the lookup ended with, or -EDEADLK on the
 * driving thread. @out is to be given to gn__awaited_done() if it returns 0.
 */
GN_WARN_UNUSED int gn__lookup_and_wait(struct gn_namespace *ns,
                                       const struct gn__question *question,
                                       struct gn__awaited *out);
void gn__awaited_done(struct gn__awaited *awaited);

#endif /* GN_HOST_NAMES_LOOKUP_H */
