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
 * No resolver is asked about addresses in text, nor about "localhost" and what
 * ends in ".localhost" (RFC 6761): those are the guest's own loopback.
 *
 * The names of a network, gn_resolver_network(), are those of its guests, each
 * alone and under the network's domain ("web", "web.guest.internal"), and
 * "gateway" for the host's namespace unless a guest is called so; to addresses
 * and back. They come and go with the guests.
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

struct addrinfo; /* strict C11 has none in netdb.h */
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
 * Strings are borrowed until the lookup has ended. An operation must not close
 * the network or the namespace that it answers for, nor a resolver.
 *
 * Errors that mean something: GN_EAI_NONAME (there is no such name),
 * GN_EAI_NODATA (there is, but nothing of what was asked for), GN_EAI_AGAIN (a
 * server failed, perhaps not for ever), GN_EAI_FAIL (it will not answer this),
 * GN_EAI_SERVICE (no such service), -ETIMEDOUT.
 */
struct gn_resolver_ops {
    size_t size; /* sizeof this struct */
    const char *name;
    /** @proto: "ip", "ip4", "ip6". @host: a name, never an address; without
     *  a trailing dot (gn_lookup_is_absolute() says whether there was one), at
     *  most 253 bytes, as the user wrote it. */
    int (*lookup_ip)(void *self, struct gn_lookup *lookup, const char *proto,
                     const char *host);
    /** @proto: "tcp", "udp". Optional; a name not known here may still be
     *  one of the usual services. */
    int (*lookup_port)(void *self, struct gn_lookup *lookup, const char *proto,
                       const char *service);
    /** Optional; without it GN_EAI_NONAME. */
    int (*lookup_addr)(void *self, struct gn_lookup *lookup,
                       const struct sockaddr *addr);
    /** Other record types, by number (RFC 1035 and later); the answer is a DNS
     *  message. Optional; without it GN_EAI_NODATA. */
    int (*query)(void *self, struct gn_lookup *lookup, const char *name,
                 uint16_t type);
    /**
     * End a lookup early: forget it. When this has returned,
     * gn_lookup_done_*() is not called for it, and no such call is under way
     * in another thread; one may have been made a moment ago.
     */
    void (*cancel)(void *self, struct gn_lookup *lookup);
    /** Free self. Optional. */
    void (*close)(void *self);
};

/** The most addresses of an answer that are kept. */
#define GN_LOOKUP_ANSWERS_MAX 64

/**
 * Answers of each kind. What is given is copied.
 *
 * @lookup  NULL: nothing happens.
 * @status  0, or an error; then the rest is ignored.
 *
 * Addresses that were not asked for (IPv6 for "ip4"), that are IPv4-mapped, or
 * too many are left out. Called on the driving thread of the network that looks
 * up, or but for GN_DRIVE_VIRTUAL on any thread.
 */
GN_API void gn_lookup_done_ip(struct gn_lookup *lookup, int status,
                              const struct gn_answer *answers, size_t n,
                              const char *canonical_name);
GN_API void gn_lookup_done_port(struct gn_lookup *lookup, int status,
                                uint16_t port);
GN_API void gn_lookup_done_addr(struct gn_lookup *lookup, int status,
                                const char *name, uint32_t ttl_s);
GN_API void gn_lookup_done_query(struct gn_lookup *lookup, int status,
                                 const void *message, size_t len);
/** Had the name a dot at its end? Then it is looked up as it is, and below no
 *  search domain. */
GN_API bool gn_lookup_is_absolute(const struct gn_lookup *lookup);
/**
 * Before gn_lookup_done_ip(): the answer is that of another name, which a
 * search domain made of the one that was looked up. Rules about names judge
 * this one (egress.h).
 *
 * @name  Copied; what is no name, or the same one, counts for none.
 */
GN_API void gn_lookup_set_searched(struct gn_lookup *lookup, const char *name);
/** A word of the resolver's own for each lookup; NULL at its beginning. */
GN_API void gn_lookup_set_user(struct gn_lookup *lookup, void *user);
GN_API void *gn_lookup_user(const struct gn_lookup *lookup);
/** The asking side: borrowed until the lookup has ended. */
GN_API struct gn_namespace *gn_lookup_namespace(const struct gn_lookup *lookup);

/**
 * A resolver of your own.
 *
 * @ops   Borrowed as long as it; lookup_ip and cancel are needed.
 * @self  Passed to all operations.
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_resolver_create(const struct gn_resolver_ops *ops,
                                             void *self,
                                             struct gn_resolver **out);
/** After the networks, namespaces and resolvers that have it. NULL is
 *  allowed. */
GN_API void gn_resolver_close(struct gn_resolver *resolver);

/* ---- ready resolvers ---- */

/** The names of whatever network a lookup is made in, and nothing else. -EINVAL
 *  or -ENOMEM. */
GN_API GN_WARN_UNUSED int gn_resolver_network(struct gn_resolver **out);

/** Settings for gn_resolver_static(); zero selects the default given here. */
struct gn_resolver_static_config {
    size_t size;       /* sizeof this struct. Required. */
    const char *hosts; /* Lines of hosts(5): an address, then its names. A name
                          "*.svc.test" stands for all names below svc.test that
                          are not there themselves, "*" for all. */
    const char *services;             /* Lines of services(5): "db 5432/tcp". */
    uint32_t ttl_s;                   /* Of the answers; 60. */
    const struct gn_allocator *alloc; /* Copied; NULL: malloc(). */
    char *why;                        /* Borrowed for the call: on -EINVAL gets
                                         one line that says what is wrong. */
    size_t why_len;
};

/**
 * Names and services from a list, which may change at any time.
 *
 * An address leads back to the first name that was given for it. A name that
 * has only addresses of the other version is GN_EAI_NODATA.
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_resolver_static(
    const struct gn_resolver_static_config *config, struct gn_resolver **out);
/**
 * Add one address of a name. What is there already stays as it is. Any thread.
 *
 * @name     As in hosts.
 * @address  "10.0.0.1" or "fd00::1"; NULL: the name exists, with no address.
 * @ttl_s    0: the resolver's.
 *
 * Returns 0, -EINVAL (malformed, or not a static resolver) or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_resolver_static_add(struct gn_resolver *resolver,
                                                 const char *name,
                                                 const char *address,
                                                 uint32_t ttl_s);
/** Take an address from a name; NULL: all, and the name. -ENOENT, -EINVAL. */
GN_API GN_WARN_UNUSED int gn_resolver_static_remove(
    struct gn_resolver *resolver, const char *name, const char *address);

/** Settings for gn_resolver_chain(). */
struct gn_resolver_chain_config {
    size_t size;                          /* sizeof this struct. Required. */
    struct gn_resolver *const *resolvers; /* NULL-ended, up to 16; borrowed
                                             until it is closed. */
    const struct gn_allocator *alloc;     /* Copied; NULL: malloc(). */
};

/**
 * Several resolvers, of which the first that knows answers. GN_EAI_NONAME goes
 * on to the next (GN_EAI_SERVICE for services). Everything else is the answer:
 * GN_EAI_NODATA, because a member that says so knows the name, and failures,
 * because a name must not mean something else while a server is down.
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_resolver_chain(
    const struct gn_resolver_chain_config *config, struct gn_resolver **out);

/** What a rule of gn_resolver_fault() does. */
enum gn_fault {
    GN_FAULT_NONE = 0, /* The inner resolver answers. */
    GN_FAULT_SERVFAIL, /* GN_EAI_AGAIN. */
    GN_FAULT_NXDOMAIN, /* GN_EAI_NONAME. */
    GN_FAULT_EMPTY,    /* GN_EAI_NODATA. */
    GN_FAULT_HANG,     /* No answer, until the time-out. */
    GN_FAULT_ROTATE,   /* The addresses of the rule, one for each lookup, in
                          turn; other kinds of lookups pass. */
    GN_N_FAULTS
};

/** One rule; the first that matches counts. */
struct gn_fault_rule {
    const char *pattern; /* "db.test", "*.test" (below test), "*": a host, a
                            service, or an address in text. */
    enum gn_fault fault;
    uint32_t delay_ms;            /* First of all. */
    uint32_t probability_ppm;     /* Of a million lookups; 0: all. */
    uint32_t skip;                /* Let the first that match pass. */
    uint32_t count;               /* Then work for as many; 0: for ever. */
    const char *const *addresses; /* GN_FAULT_ROTATE: NULL-ended. */
    uint32_t ttl_s;               /* GN_FAULT_ROTATE; 0 is 0. */
};

/** Settings for gn_resolver_fault(); zero selects the default given here. */
struct gn_resolver_fault_config {
    size_t size;               /* sizeof this struct. Required. */
    struct gn_resolver *inner; /* Borrowed until it is closed. Required. */
    const struct gn_fault_rule *rules; /* Copied. */
    size_t n_rules;
    uint64_t seed;                    /* For probability_ppm; 1. */
    const struct gn_allocator *alloc; /* Copied; NULL: malloc(). */
    char *why;                        /* As for gn_resolver_static(). */
    size_t why_len;
};

/** Faults on the way to another resolver. -EINVAL, -ENOMEM. */
GN_API GN_WARN_UNUSED int gn_resolver_fault(
    const struct gn_resolver_fault_config *config, struct gn_resolver **out);
/** Other rules from now on; lookups under way end by the old ones. Any thread.
 *  -EINVAL (also if it is no such resolver), -ENOMEM, with nothing changed. */
GN_API GN_WARN_UNUSED int gn_resolver_fault_set(
    struct gn_resolver *resolver, const struct gn_fault_rule *rules,
    size_t n_rules);

/* ---- lookups ---- */

/** @answers: borrowed until it returns, as @lookup is; sorted as RFC 6724
 *  says. */
typedef void (*gn_lookup_cb)(struct gn_lookup *lookup, int status,
                             const struct gn_answer *answers, size_t n,
                             void *arg);
typedef void (*gn_lookup_port_cb)(struct gn_lookup *lookup, int status,
                                  uint16_t port, void *arg);
/** @name: borrowed until it returns. */
typedef void (*gn_lookup_addr_cb)(struct gn_lookup *lookup, int status,
                                  const char *name, void *arg);
/** @message: borrowed until it returns. */
typedef void (*gn_lookup_query_cb)(struct gn_lookup *lookup, int status,
                                   const void *message, size_t len, void *arg);

/**
 * Look a name up as the guest would, also when it is an address in text.
 *
 * @proto  "ip", "ip4" or "ip6".
 * @host     Copied. A dot at the end makes a name absolute: no search domain is
 *           tried. What is an address but for such a dot is GN_EAI_NONAME.
 * @out      NULL, or set on success, before @callback can run. Owned by the
 *           caller: gn_lookup_unref().
 *
 * Returns 0, and @callback runs once on a later turn, with -ETIMEDOUT after the
 * namespace's lookup_timeout_ms; or
 *   -EINVAL     An argument is NULL, or a name that cannot be one: empty, over
 *               253 bytes, with a label that is empty or over 63, or with
 *               anything but letters, digits, '-' and '_'.
 *   -EAGAIN     As many are pending as the namespace may have.
 *   -ECANCELED  The namespace was killed or is closing.
 *   -ENOTSUP    A namespace of gn_namespace_system(), whose names are for
 *               gn_getaddrinfo() only.
 *   -ENOMEM
 */
GN_API GN_WARN_UNUSED int gn_lookup(struct gn_namespace *ns, const char *proto,
                                    const char *host, gn_lookup_cb callback,
                                    void *arg, struct gn_lookup **out);
/** A service by name or number. @proto: "tcp" or "udp", also with 4 or 6. */
GN_API GN_WARN_UNUSED int gn_lookup_port(struct gn_namespace *ns,
                                         const char *proto, const char *service,
                                         gn_lookup_port_cb callback, void *arg,
                                         struct gn_lookup **out);
/** The name of an address. @addr: AF_INET or AF_INET6, copied. */
GN_API GN_WARN_UNUSED int gn_lookup_addr(struct gn_namespace *ns,
                                         const struct sockaddr *addr,
                                         gn_lookup_addr_cb callback, void *arg,
                                         struct gn_lookup **out);
/** Records of another type; a DNS message. */
GN_API GN_WARN_UNUSED int gn_lookup_query(struct gn_namespace *ns,
                                          const char *name, uint16_t type,
                                          gn_lookup_query_cb callback,
                                          void *arg, struct gn_lookup **out);
/** End one early: the callback runs with -ECANCELED on a later turn. When it
 *  has run, again, or NULL: does nothing. Any thread; never waits. */
GN_API void gn_lookup_cancel(struct gn_lookup *lookup);
/** Let go of the handle; the lookup goes on. Any thread, before or after the
 *  callback or in it. NULL is allowed. */
GN_API void gn_lookup_unref(struct gn_lookup *lookup);

/*
 * ---- the blocking forms ----
 *
 * What asks a resolver is done by the driving thread: under GN_DRIVE_LOOP and
 * GN_DRIVE_CALLER they wait until the loop runs, and uv_run() returns
 * at once from a loop on which nothing else goes on.
 */

/**
 * getaddrinfo(3) for a guest: node, service, hints, flags and their errors are
 * as there, but for the numbers of the errors.
 *
 * All AI_* flags of POSIX are known, and no others. With AI_ADDRCONFIG a
 * family counts if the guest has an address of it other than its loopback.
 *
 * @out  Set only on success; owned by the caller: gn_freeaddrinfo().
 *
 * Returns 0, or one of GN_EAI_*, or -EINVAL (a NULL @ns or @out), -ECANCELED
 * (the namespace was killed or closed), -EDEADLK (it would have to wait, on the
 * driving thread). A time-out and as many lookups as the namespace may have are
 * GN_EAI_AGAIN. In a namespace of gn_namespace_system() it is the C library
 * that answers.
 */
GN_API GN_WARN_UNUSED int gn_getaddrinfo(struct gn_namespace *ns,
                                         const char *node, const char *service,
                                         const struct addrinfo *hints,
                                         struct addrinfo **out);
/** A whole list, or a part of one. NULL is allowed. Any thread. */
GN_API void gn_freeaddrinfo(struct addrinfo *list);

/**
 * getnameinfo(3) for a guest; results as gn_getaddrinfo(). NI_NOFQDN leaves the
 * network's domain out.
 */
GN_API GN_WARN_UNUSED int gn_getnameinfo(struct gn_namespace *ns,
                                         const struct sockaddr *addr,
                                         socklen_t len, char *host,
                                         socklen_t host_len, char *service,
                                         socklen_t service_len, int flags);

/* ---- the query log ---- */

/** What kind of lookup it was. */
enum gn_query_kind {
    GN_QUERY_IP = 0,
    GN_QUERY_PORT,
    GN_QUERY_ADDR,
    GN_QUERY_RECORD,
    GN_N_QUERY_KINDS
};

/** A lookup that has ended, for the gn_query_log_cb of the network's
 *  configuration (network.h); borrowed until it returns. */
struct gn_query {
    struct gn_namespace *ns; /* The guest that asked. */
    enum gn_query_kind kind;
    const char *proto; /* IP: "ip", "ip4", "ip6"; PORT: "tcp", "udp". */
    const char *name;  /* What was asked: the host, the service, the address
                            in text. */
    uint16_t type;     /* RECORD: which. */
    int status;
    const struct gn_answer *answers; /* IP */
    size_t n_answers;
    const char *answer; /* IP: the canonical name, or NULL. ADDR: the name. */
    uint16_t port;      /* PORT */
    uint64_t asked_ns;  /* Of gn_now_ns(). */
    uint64_t ended_ns;
};

/* ---- the real DNS ---- */

/** Servers, and search domains, of one gn_ares_config. */
#define GN_ARES_SERVERS_MAX 16u
#define GN_ARES_SEARCH_MAX  16u

enum {
    GN_ARES_ROTATE = 1u << 0,        /* Ask servers in turn, not in order. */
    GN_ARES_TCP = 1u << 1,           /* Never by UDP. */
    GN_ARES_NO_EDNS = 1u << 2,       /* No EDNS (RFC 6891). */
    GN_ARES_MIX_CASE = 1u << 3,      /* Random case in questions, which a forger
                                        has to guess; some servers fail. */
    GN_ARES_NO_CACHE = 1u << 4,      /* Ask each time. */
    GN_ARES_SYSTEM_SEARCH = 1u << 5, /* The search domains of resolv_conf. */
};

/** Settings for gn_resolver_ares(); zero selects the default given here. */
struct gn_ares_config {
    size_t size;                /* sizeof this struct. Required. */
    const char *const *servers; /* NULL-ended: "192.0.2.1", "192.0.2.1:5353",
                                   "[2001:db8::1]:53", "fe80::1%2"; asked in
                                   this order. NULL: those of resolv_conf. */
    const char *resolv_conf;    /* Read when servers is NULL, and again when it
                                   has changed; "/etc/resolv.conf". */
    const char *hosts_file;     /* Asked before the servers, and read again when
                                   it has changed: "/etc/hosts", say; as glibc
                                   does. NULL: none. */
    const char *const *search;  /* NULL-ended domains, tried behind a name of
                                   fewer dots than ndots before it is looked up
                                   as it is; NULL: none. */
    uint32_t ndots;             /* 1 to 15; 1. */
    uint32_t timeout_ms;  /* How long each try waits for its answer, 250 to
                                   60000; 2000. */
    uint32_t tries;       /* How often each server is asked, 1 to 10; 3. */
    uint32_t cache_ttl_s; /* The longest that an answer is kept, whatever
                                   its TTL; 3600. */
    uint32_t edns_bytes;  /* The longest answer by UDP, 512 to 4096; 1232,
                                   which is not fragmented anywhere. */
    uint32_t max_pending; /* Lookups of one network that are under way,
                                   cancelled ones too until they are answered or
                                   their guest is gone; 1024. When there are so
                                   many, the guest that has most loses its
                                   newest (GN_EAI_AGAIN) to one that has fewer;
                                   others' are GN_EAI_AGAIN. */
    const char *source4;  /* Ask IPv4 servers from this address; any. */
    const char *source6;  /* The same for IPv6 servers. */
    unsigned flags;       /* GN_ARES_*. */
    char *why;            /* Borrowed for the call: on -EINVAL gets one
                                   line that says what is wrong. */
    size_t why_len;
};

/**
 * A resolver that asks the DNS, from the host, by c-ares.
 *
 * A network that has it lets its guests make the host ask for any name:
 * that is a way out, for data too (a name is a message to the server of the
 * domain). By default guests have none.
 *
 * Questions go over the host's sockets, on the thread that drives the network,
 * and each network has sockets and a cache of its own; so a clock of
 * GN_DRIVE_VIRTUAL, which has no descriptors, ends lookups with -ENOTSUP.
 * Answers that are malformed or for something else than was asked are dropped
 * and counted (gn_resolver_ares_stats()); those from strangers never arrive,
 * and it is the kernel that counts them (UdpNoPorts). What a lookup ends with:
 *
 *   GN_EAI_NONAME  There is no such name.
 *   GN_EAI_NODATA  There is, but with nothing of what was asked for.
 *   GN_EAI_AGAIN   No server could tell (SERVFAIL, NOTIMP, REFUSED, or none
 *                  listens there); or max_pending are under way.
 *   GN_EAI_FAIL    Nothing but malformed answers, or the server calls the
 *                  question malformed.
 *   -ETIMEDOUT     No answer after all tries.
 *   -ENOMEM, -EMFILE
 *
 * Memory of these lookups comes from malloc(), whatever the network's allocator
 * is: c-ares has one allocator for all.
 *
 * @config  Copied. NULL for the defaults.
 * @out     Set only on success. Owned by the caller: gn_resolver_close().
 *
 * Returns 0, or with nothing left behind: -EINVAL (then see why), -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_resolver_ares(const struct gn_ares_config *config,
                                           struct gn_resolver **out);

/** Since the resolver was made, of all networks together. */
struct gn_ares_stats {
    uint64_t lookups;  /* started */
    uint64_t asked;    /* messages sent to servers */
    uint64_t answers;  /* messages from servers by UDP */
    uint64_t dropped;  /* of these: for nothing that was asked */
    uint64_t failures; /* no answer, a malformed one, or that of a server that
                          does not work (SERVFAIL, refused) */
};

/** @resolver: of gn_resolver_ares(), else -EINVAL. Any thread. */
GN_API int gn_resolver_ares_stats(const struct gn_resolver *resolver,
                                  struct gn_ares_stats *out);

GN_END_DECLS

#endif /* GUESTNET_RESOLVER_H */
