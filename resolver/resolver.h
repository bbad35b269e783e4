/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_RESOLVER_RESOLVER_H
#define GN_RESOLVER_RESOLVER_H

/*
 * A lookup as resolvers and the code that starts one know it, and the rest that
 * host/ needs of this folder.
 *
 *     init --(start)--> asked --(answered)--> answered --> ended() --(done)
 *                         |
 *                         +--(cancel)--> init
 *
 * gn__lookup_start() hands the question to a resolver. Whenever that answers
 * (inside its operation, later, or from another thread), ended() runs exactly
 * once on the driving thread and never inside gn_lookup_done_*(), so that a
 * resolver is not entered anew from its own answer. ended() may run inside
 * gn__lookup_start(), when the resolver's operation has returned.
 *
 * A resolver that asks others (chain, fault) starts lookups of its own, which
 * are made from the one it was given: same driver, memory and namespace.
 *
 * A resolver may use gn__lookup_io() of the driver: descriptors, timers and
 * turns of the network that looks up. State that it keeps for a network
 * (sockets, say) it keeps by that pointer, and ends with gn__io_at_end(). By
 * the time an end runs, no lookup of that network is with a resolver any more.
 */
#include <guestnet/resolver.h>

#include <stdatomic.h>

#include "base/addr.h"
#include "base/io.h"
#include "base/mem.h"
#include "resolver/message.h"

/** The longest name, RFC 1035, without the dot at the end; and of a label. */
#define GN__HOSTNAME_MAX 253u
#define GN__LABEL_MAX    63u
/** Addresses of one answer; those behind are left out. */
#define GN__ANSWERS_MAX ((size_t)GN_LOOKUP_ANSWERS_MAX)
/** The longest DNS message. */
#define GN__MESSAGE_MAX 65535u

struct gn_resolver {
    const struct gn_resolver_ops *ops;
    void *self;
    struct gn__mem mem; /* where this struct comes from */
};

/** gn_resolver_create() with an allocator; ops and self as there. */
GN_WARN_UNUSED int gn__resolver_create(const struct gn__mem *mem,
                                       const struct gn_resolver_ops *ops,
                                       void *self, struct gn_resolver **out);

/* ---- lookups ---- */

/** What is asked. Text is borrowed until the lookup has ended. */
struct gn__question {
    enum gn_query_kind kind;
    const char *proto;           /* IP: "ip", ...; PORT: "tcp", "udp" */
    const char *name;            /* IP, QUERY: the host; PORT: the service */
    const struct sockaddr *addr; /* ADDR */
    uint16_t type;               /* QUERY */
    uint64_t timeout_ns;         /* 0: the namespace's; never longer */
    bool is_absolute;            /* IP: the name had a dot at its end */
};

/** What came back; memory is the lookup's. */
struct gn__result {
    int status;
    struct gn_answer *answers; /* IP */
    size_t n_alloc;            /* what answers has room for */
    size_t n;
    uint16_t port;  /* PORT */
    char *name;     /* IP: canonical, or NULL; ADDR */
    uint32_t ttl_s; /* ADDR */
    void *message;  /* QUERY */
    size_t len;
};

void gn__result_done(struct gn__result *result, const struct gn__mem *mem);

/** Where a lookup lives. */
struct gn__lookup_home {
    struct gn__io *io;
    const struct gn__mem *mem;
    struct gn_namespace *ns;     /* that asks; only passed on */
    struct gn__account *account; /* the same, as tasks know it */
    /**
     * A lookup was answered by a thread that does not drive: call
     * gn__lookup_arrived() on the one that does, soon. Any thread.
     */
    void (*post)(struct gn__lookup_home *home);
    bool (*is_driving)(struct gn__lookup_home *home);
    _Atomic(struct gn_lookup *) posted; /* by next_posted */
};

/** Which thread may write the result. */
enum gn__lookup_state {
    GN__LOOKUP_IDLE = 0,  /* none: not asked, or ended */
    GN__LOOKUP_ASKED,     /* the one that answers first */
    GN__LOOKUP_ANSWERING, /* the one that does so now */
    GN__LOOKUP_ANSWERED   /* none; it will never be touched again by the
                             thread that answered */
};

struct gn_lookup {
    struct gn__lookup_home *home;
    struct gn__question question;
    struct gn__result result;
    struct gn_resolver *resolver; /* that is asked; NULL: none */
    void *user;                   /* the resolver's */
    void (*ended)(struct gn_lookup *lookup);
    struct gn__deferred task; /* runs ended() */
    struct gn_lookup *next_posted;
    _Atomic int state;
    bool starting; /* inside the resolver's operation */
    bool at_once;  /* answered there */
    /* IP: the name that the answer belongs to, where it is another one than was
     * asked for: a domain was searched. Else "". */
    char searched[GN__HOSTNAME_MAX + 1];
};

/** Resets everything; the caller sets ended. */
void gn__lookup_init(struct gn_lookup *lookup, struct gn__lookup_home *home,
                     const struct gn__question *question);
/** Ask @resolver. The lookup is new, or done. */
void gn__lookup_start(struct gn_lookup *lookup, struct gn_resolver *resolver);
/** Accept no answer any more: ended() does not run. Frees the result. In any
 *  state, also twice. */
void gn__lookup_cancel(struct gn_lookup *lookup);
/** After ended(): free the result. */
void gn__lookup_done(struct gn_lookup *lookup);
/** Answer @to by the result of @from, which has ended. */
void gn__lookup_pass(struct gn_lookup *to, const struct gn_lookup *from);
/** Answer with an error, whatever kind it is. */
void gn__lookup_fail(struct gn_lookup *lookup, int status);
/** On the driving thread, on a turn of its own: let what was posted end. */
void gn__lookup_arrived(struct gn__lookup_home *home);

/** For resolvers. */
static inline struct gn__io *gn__lookup_io(const struct gn_lookup *lookup)
{
    return lookup->home->io;
}
/** The account that asks; NULL: the host program. */
static inline struct gn__account *gn__lookup_account(
    const struct gn_lookup *lookup)
{
    return lookup->home->account;
}
static inline const struct gn__mem *gn__lookup_mem(
    const struct gn_lookup *lookup)
{
    return lookup->home->mem;
}

/* ---- names: hostname.c ---- */

/** Can @name be looked up: without a dot at the end 1 to 253 bytes, labels of 1
 *  to 63 letters, digits, '-', '_'? */
bool gn__hostname_is_valid(const char *name);
/** Copy a valid name without a dot at the end; @out has room for 254. */
void gn__hostname_copy(const char *name, char *out);
/** The same in lower case. */
void gn__hostname_lower(const char *name, char *out);
/** Has it a dot at its end: is it absolute? */
bool gn__hostname_is_absolute(const char *name);
/** Is @name @suffix, or below it? Without regard to case. */
bool gn__hostname_is_below(const char *name, const char *suffix);
/** Does @name match @pattern: "a.b", "*.a.b" (below a.b), "*"? Without regard
 *  to case. */
bool gn__hostname_matches(const char *pattern, const char *name);
/** May it be such a pattern? */
bool gn__pattern_is_valid(const char *pattern);
/** "ip", "ip4", "ip6" as AF_UNSPEC, AF_INET, AF_INET6; -1: no such. */
int gn__ip_family(const char *proto);

/* ---- files: static.c ---- */

/** hosts(5) as the C library reads it: lines that make no sense are passed
 *  over, and "*" is no wildcard. What it answers is good for now only: its TTL
 *  is 0. -ENOMEM. */
GN_WARN_UNUSED int gn__resolver_hosts(const struct gn__mem *mem,
                                      const char *text,
                                      struct gn_resolver **out);

/* ---- services: services.c ---- */

/** Can it be one's name or number: 1 to 63 printable bytes? */
bool gn__service_is_valid(const char *service);
/** The usual ones, by name; 0: unknown. @proto: "tcp", "udp". */
uint16_t gn__service_port(const char *proto, const char *service);
/** The other way; NULL: unknown. */
const char *gn__service_name(const char *proto, uint16_t port);

/* ---- the order of answers: sort.c ---- */

/** Where a destination would be reached from. */
struct gn__source {
    bool usable;        /* it can be reached at all */
    uint8_t prefix_len; /* of the source on its interface */
    struct gn__addr addr;
};

/**
 * Put answers in the order of RFC 6724 section 6, equal ones as they were.
 *
 * @sources  Of the answer at the same place; moved along.
 */
void gn__answers_sort(struct gn_answer *answers, struct gn__source *sources,
                      size_t n);

#endif /* GN_RESOLVER_RESOLVER_H */
