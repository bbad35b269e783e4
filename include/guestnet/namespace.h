/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_NAMESPACE_H
#define GUESTNET_NAMESPACE_H

/*
 * A namespace is one guest's view of its networks: addresses, ports, routes,
 * sockets. Two namespaces share nothing but the network between them.
 *
 *     create --> open --(detach)--> local --> closing --(the callback)--> gone
 *
 * It has lo (127.0.0.1/8 and ::1) and, if its network has prefixes, eth0 with
 * one address from each; with IPv6 also a link-local one. gn_namespace_attach()
 * adds eth1 and so on in other networks of the same driver; with forwarding on
 * it is a router between them.
 *
 * Create, close and kill may be called from any thread; the rest from any
 * thread under GN_DRIVE_THREAD, else from the driving thread. Calls on one
 * namespace may meet in any order, but none may be made after its close, by
 * the caller of gn_namespace_close() or any other: a program that shares a
 * namespace between threads ends it with gn_namespace_kill() first. Sockets are
 * less strict: they may outlive their namespace, and then fail.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/addr.h>
#include <guestnet/export.h>
#include <guestnet/network.h>
#include <guestnet/stats.h>

GN_BEGIN_DECLS

struct gn_egress;

/** Settings for gn_namespace_create(); zero selects the default given here. */
struct gn_namespace_config {
    size_t size;      /* sizeof this struct. Required. */
    const char *name; /* One DNS label (letters, digits, inner hyphens; up to
                         63), compared without case, and not "localhost"; none:
                         it is reached by address only. */
    const char *const *addresses; /* NULL-ended, one or more of the network's
                                     prefixes; NULL: the lowest free address
                                     of each. */
    const struct gn_egress
        *egress;                  /* Its way outside, egress.h; borrowed as long
                                     as the namespace. NULL: none, the outside
                                     is -ENETUNREACH. */
    struct gn_resolver *resolver; /* Borrowed as long as it; NULL: the
                                     network's. */
    struct gn_limits limits;      /* Zero fields: the network's. */
    bool forwarding;              /* Pass on packets that are for others. */
    char *why;                    /* Borrowed for the call: on -EINVAL and
                                     -EADDRINUSE gets one line that says what
                                     is wrong. */
    size_t why_len;
    uint32_t life; /* For a guest that comes again under its name: another
                      number, and it draws other random numbers. */
};

/** Settings for gn_namespace_attach(); zero selects the default given here. */
struct gn_attach_config {
    size_t size;                  /* sizeof this struct. Required. */
    const char *const *addresses; /* As for gn_namespace_create(). */
    uint32_t mtu;                 /* Not above the network's; that. */
    char *why;                    /* As for gn_namespace_create(). */
    size_t why_len;
};

/** Addresses and groups that struct gn_interface has room for. */
#define GN_INTERFACE_ADDRS  16
#define GN_INTERFACE_GROUPS 16

/** What is to be seen of an interface; a copy. */
struct gn_interface {
    unsigned index;  /* 1: lo, 2: eth0, ... */
    char name[16];   /* "lo", "eth0", ... */
    uint32_t mtu;    /* Bytes of an IP packet. */
    unsigned flags;  /* IFF_UP, IFF_LOOPBACK, ... of <net/if.h>. */
    uint8_t mac[6];  /* Locally administered, for show; zero for lo. */
    size_t n_addrs;  /* In addrs. */
    size_t n_groups; /* In groups. */
    struct {
        struct gn_ip ip;
        uint8_t prefix_len;
    } addrs[GN_INTERFACE_ADDRS];
    struct gn_ip groups[GN_INTERFACE_GROUPS]; /* Multicast: 224.0.0.1 and
                                                 ff02::1, which every host is
                                                 in, and those joined. */
};

/* gn_namespace_close(): a power cut. No FIN and no RST is sent. */
#define GN_CLOSE_SILENT (1u << 0)

/**
 * Create a guest's namespace in @net.
 *
 * It has lo and eth0 at once; no thread is started for it.
 *
 * @net     Borrowed; closing it closes the namespace.
 * @config  Copied; may be freed on return. NULL for the defaults.
 * @out     Set only on success. Owned by the caller: gn_namespace_close().
 *
 * Returns 0, or a negative errno with nothing left behind:
 *   -EINVAL      The name is no DNS label or "localhost", an address is
 *                malformed or in none of the prefixes, the size is unknown, or
 *                an argument is NULL.
 *   -EADDRINUSE  An address or the name is taken, or the address is reserved.
 *   -ENOSPC      A prefix has no free address.
 *   -ECANCELED   The network is closing.
 *   -ENOMEM      Out of memory.
 */
GN_API GN_WARN_UNUSED int gn_namespace_create(
    struct gn_network *net, const struct gn_namespace_config *config,
    struct gn_namespace **out);

/**
 * The kernel's sockets under the same API: what a guest can be given instead of
 * a private network, and what the private one is compared with.
 *
 * Its sockets are the kernel's TCP and UDP sockets of the calling process, with
 * the kernel's errors, options and blocking; limits, kill and close are those
 * of any namespace. gn_sock_watch() is -ENOTSUP.
 *
 * @out  Set only on success. Owned by the caller: gn_namespace_close().
 *
 * Errors are those of gn_network_create() and gn_namespace_create().
 */
GN_API GN_WARN_UNUSED int gn_namespace_system(struct gn_namespace **out);

/** Its name, "" if it has none; lives as long as the namespace. */
GN_API const char *gn_namespace_name(const struct gn_namespace *ns);

/**
 * What gethostname(2) would say in it: its name, or its first address with
 * hyphens ("ip-10-77-0-2") if it has none, or "localhost".
 *
 * Returns 0, -EINVAL for NULL, or -ENAMETOOLONG with nothing written.
 */
GN_API GN_WARN_UNUSED int gn_namespace_hostname(struct gn_namespace *ns,
                                                char *buf, size_t cap);

/**
 * Add an interface in another network, or one more in the same: eth1, ...
 *
 * @net     Borrowed; closing it removes the interface.
 * @config  Copied. NULL for the defaults.
 *
 * Returns 0, or with nothing changed:
 *   -EXDEV       The network has another driver.
 *   -ENOSPC      A prefix has no free address, or it has 1,024 interfaces.
 *   -ECANCELED   The namespace was killed or is closing, or the network is.
 *   -EINVAL, -EADDRINUSE, -ENOMEM as gn_namespace_create(); -EINVAL also for
 *                a network without prefixes.
 */
GN_API GN_WARN_UNUSED int gn_namespace_attach(
    struct gn_namespace *ns, struct gn_network *net,
    const struct gn_attach_config *config);

/**
 * Add a route, or replace the gateway of the one with the same prefix.
 *
 * @prefix   "10.0.0.0/8", "::/0".
 * @gateway  An address in a prefix of one of its interfaces, of the same
 *           version, or for IPv6 a link-local address "fe80::1%2". NULL
 *           removes the route.
 *
 * Returns 0, or with nothing changed:
 *   -EINVAL       An argument is malformed or NULL, or the gateway is one of
 *                 its own addresses.
 *   -ENETUNREACH  The gateway is on none of its interfaces.
 *   -ESRCH        Nothing to remove.
 *   -ENOSPC       There are 65536 routes.
 *   -ENOMEM       Out of memory.
 */
GN_API GN_WARN_UNUSED int gn_route_add(struct gn_namespace *ns,
                                       const char *prefix, const char *gateway);

/**
 * List its interfaces.
 *
 * @out  Gets the first @cap of them; NULL if @cap is 0.
 * @n    Gets how many there are.
 *
 * Returns 0 or -EINVAL.
 */
GN_API GN_WARN_UNUSED int gn_namespace_interfaces(struct gn_namespace *ns,
                                                  struct gn_interface *out,
                                                  size_t cap, size_t *n);

/** One interface; -ENODEV if there is none, -EINVAL for NULL. */
GN_API GN_WARN_UNUSED int gn_namespace_interface_by_name(
    struct gn_namespace *ns, const char *name, struct gn_interface *out);
GN_API GN_WARN_UNUSED int gn_namespace_interface_by_index(
    struct gn_namespace *ns, unsigned index, struct gn_interface *out);

/**
 * Leave the network: what is connected over eth0 fails with -ENETDOWN, then
 * its addresses are given back. The own loopback and other interfaces go on.
 */
GN_API void gn_namespace_detach(struct gn_namespace *ns);

/**
 * End everything in it: blocked and later calls return -ECANCELED. It keeps
 * its addresses until it is closed. Any thread.
 */
GN_API void gn_namespace_kill(struct gn_namespace *ns);

/**
 * Close it: sockets end with -ECANCELED, connections are reset (with
 * GN_CLOSE_SILENT they just stop), addresses are given back. Any thread.
 *
 * @ns        Consumed; sockets that are still referenced fail from now on.
 *            NULL: nothing happens, and @callback never runs.
 * @callback  Runs once on the driving thread when it is gone. NULL: off the
 *            driving thread the call returns when it is gone; on it no call
 *            is made.
 */
GN_API void gn_namespace_close(struct gn_namespace *ns, unsigned flags,
                               gn_close_cb callback, void *arg);

/** Its counters, copied to @out. */
GN_API void gn_namespace_stats(struct gn_namespace *ns, struct gn_stats *out);

/**
 * The guest of this name, compared without case, among those that were created
 * in @net. Any thread.
 *
 * Returns it, borrowed as long as its owner does not close it; or NULL.
 */
GN_API struct gn_namespace *gn_namespace_find(struct gn_network *net,
                                              const char *name);

/** A guest of a network, copied by gn_network_each_namespace(). */
struct gn_namespace_info {
    struct gn_namespace *ns; /* Borrowed as gn_namespace_find()'s. */
    char name[64];           /* "" if it has none. */
    size_t n_addrs;          /* In addrs: in this network, not link-local. */
    struct gn_ip addrs[GN_INTERFACE_ADDRS];
    struct gn_limits limits; /* As they hold, defaults filled in. */
    struct gn_stats stats;
};

/** @info  Borrowed for the call. */
typedef void (*gn_namespace_cb)(const struct gn_namespace_info *info,
                                void *arg);

/**
 * Call @callback once for each guest of @net, on this thread, before this
 * returns: first those that were created in it, in that order, then those of
 * other networks with an interface here. The gateway is not among them. A guest
 * that closes meanwhile is left out. No lock is held: the callback may call
 * anything, and may close the guest. Any thread.
 *
 * Returns 0, or with no call made -EINVAL (an argument is NULL) or -ENOMEM.
 */
GN_API int gn_network_each_namespace(struct gn_network *net,
                                     gn_namespace_cb callback, void *arg);

GN_END_DECLS

#endif /* GUESTNET_NAMESPACE_H */
