/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_RESOLVER_H
#define GUESTNET_RESOLVER_H

/*
 * Names. A resolver answers lookups: names to addresses, services to ports,
 * addresses to names. Networks and namespaces are given one in their
 * configuration; without it a guest resolves the names of its network, and
 * nothing else.
 *
 * A lookup is a request: started by gn_lookup() for a namespace, it goes to the
 * namespace's resolver (else the network's, else the network's own names), and
 * comes back by its callback on the driving thread. The blocking forms,
 * gn_getaddrinfo() and gn_getnameinfo(), are for guest threads.
 *
 * Results of names are libuv's UV_EAI_* numbers (negative; glibc's own collide
 * with errno), given here as GN_EAI_*, or a negative errno (-ECANCELED,
 * -ENOMEM, -ETIMEDOUT).
 *
 * A resolver is borrowed by the networks and namespaces it is given to, and
 * closed after them. Its operations run on the driving thread of the network
 * that looks up, without any lock; one that is shared by networks of different
 * drivers is called by several threads, and those here allow that.
 */
#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <guestnet/export.h>
#include <guestnet/mem.h>

GN_BEGIN_DECLS

struct gn_lookup;
struct gn_namespace;
struct gn_network;
struct gn_resolver;

/* The numbers of libuv (uv.h), which need not be included. */
#define GN_EAI_ADDRFAMILY (-3000)
#define GN_EAI_AGAIN      (-3001)
#define GN_EAI_BADFLAGS   (-3002)
#define GN_EAI_CANCELED   (-3003)
#define GN_EAI_FAIL       (-3004)
#define GN_EAI_FAMILY     (-3005)
#define GN_EAI_MEMORY     (-3006)
#define GN_EAI_NODATA     (-3007)
#define GN_EAI_NONAME     (-3008)
#define GN_EAI_OVERFLOW   (-3009)
#define GN_EAI_SERVICE    (-3010)
#define GN_EAI_SOCKTYPE   (-3011)
#define GN_EAI_BADHINTS   (-3013)
#define GN_EAI_PROTOCOL   (-3014)

/** One address of an answer, and how long it may be believed. */
struct gn_answer {
    struct sockaddr_storage addr; /* AF_INET or AF_INET6; the port is 0 */
    uint32_t ttl_s;
};

/**
 * How lookups are answered. Each operation starts one and returns 0, after
 * which it ends it by exactly one gn_lookup_done_*() of its kind (at once, from
 * inside the operation, is allowed), or returns an error and has then ended it.
 * Strings are borrowed until the lookup has ended.
 */
struct gn_resolver_ops {
    size_t size; /* sizeof this struct */
    const char *name;
    /** @network: "ip", "ip4", "ip6". @host: a name, never an address; without
     *  a trailing dot, at most 253 bytes, as the user wrote it. */
    int (*lookup_ip)(void *self, struct gn_lookup *lookup, const char *network,
                     const char *host);
    /** @network: "tcp", "udp". Optional: the usual services are known. */
    int (*lookup_port)(void *self, struct gn_lookup *lookup,
                       const char *network, const char *service);
    /** Optional; without it GN_EAI_NONAME. */
    int (*lookup_addr)(void *self, struct gn_lookup *lookup,
                       const struct sockaddr *addr);
    /** Other record types, by number (RFC 1035 and later); the answer is a DNS
     *  message. Optional; without it GN_EAI_NODATA. */
    int (*query)(void *self, struct gn_lookup *lookup, const char *name,
                 uint16_t type);
    /** End a lookup early: forget it; gn_lookup_done_*() is not called. */
    void (*cancel)(void *self, struct gn_lookup *lookup);
    /** Free self. */
    void (*close)(void *self);
};

/** Answers of each kind. status: 0 or an error, then the rest is ignored. What
 *  is given is copied. Driving thread of the network that looks up. */
GN_API void gn_lookup_done_ip(struct gn_lookup *lookup, int status,
                              const struct gn_answer *answers, size_t n,
                              const char *canonical_name);
GN_API void gn_lookup_done_port(struct gn_lookup *lookup, int status,
                                uint16_t port);
GN_API void gn_lookup_done_addr(struct gn_lookup *lookup, int status,
                                const char *name, uint32_t ttl_s);
GN_API void gn_lookup_done_query(struct gn_lookup *lookup, int status,
                                 const void *message, size_t len);
/** A word of the resolver's own for each lookup. */
GN_API void gn_lookup_set_user(struct gn_lookup *lookup, void *user);
GN_API void *gn_lookup_user(const struct gn_lookup *lookup);
/** Who asks: borrowed until the lookup has ended. */
GN_API struct gn_namespace *gn_lookup_namespace(const struct gn_lookup *lookup);

/** A resolver of your own. @ops: borrowed as long as it. -EINVAL, -ENOMEM. */
GN_API GN_WARN_UNUSED int gn_resolver_create(const struct gn_resolver_ops *ops,
                                             void *self,
                                             struct gn_resolver **out);
/** After the networks and namespaces that have it. NULL is allowed. */
GN_API void gn_resolver_close(struct gn_resolver *resolver);

/** @answers: borrowed until it returns, sorted as RFC 6724 says. */
typedef void (*gn_lookup_cb)(struct gn_lookup *lookup, int status,
                             const struct gn_answer *answers, size_t n,
                             void *arg);

/**
 * Look a name up as the guest would, also when it is an address in text.
 *
 * @network  "ip", "ip4" or "ip6".
 * @out      NULL, or set on success for gn_lookup_cancel(); good until the
 *           callback runs.
 *
 * Returns 0, and @callback runs once on a later turn; or -EINVAL (a name that
 * cannot be one), -ENOMEM, -EAGAIN (as many are pending as the namespace may
 * have), -ECANCELED.
 */
GN_API GN_WARN_UNUSED int gn_lookup(struct gn_namespace *ns,
                                    const char *network, const char *host,
                                    gn_lookup_cb callback, void *arg,
                                    struct gn_lookup **out);
/** End it early: the callback runs with -ECANCELED. */
GN_API void gn_lookup_cancel(struct gn_lookup *lookup);

GN_END_DECLS

#endif /* GUESTNET_RESOLVER_H */
