/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef IPAM_IPAM_H
#define IPAM_IPAM_H

/*
 * A pool hands out the addresses of one prefix, the lowest free one first.
 *
 * An address is free, taken or reserved. Some are reserved for good, where the
 * prefix has them: IPv4's network and broadcast address (not in /31, RFC 3021,
 * nor /32), IPv6's subnet-router anycast address (not in /127, RFC 6164, nor
 * /128), the gateway (not in /32 and /128), and in an IPv6 prefix that holds
 * them the IPv4-mapped addresses, which are not IPv6 addresses here.
 *
 * Memory grows with the addresses in use and not with the prefix. Taking and
 * giving cost a walk down a tree whose depth follows from the highest address
 * in use, at most 22 nodes. Nothing here has a clock or a lock.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/mem.h"
#include "ipam/tree.h"

struct gn__pool {
    struct gn__prefix prefix;
    struct gn__addr gateway; /* In the prefix, if has_gateway. */
    bool has_gateway;
    uint64_t n_taken;
    struct gn__tree tree;
};

struct gn__pool_options {
    const struct gn__addr *gateway; /* NULL: the first usable address. */
    bool no_gateway;                /* Reserve none. */
};

/**
 * @mem      Borrowed until gn__pool_done().
 * @prefix   Copied; as gn__prefix_parse() gives it.
 * @options  Copied; NULL for the defaults.
 *
 * Returns 0, or with nothing left behind:
 *   -EINVAL  The gateway is outside the prefix, or the network, broadcast or
 *            anycast address.
 *   -ENOMEM  Out of memory.
 */
int gn__pool_init(struct gn__pool *pool, const struct gn__mem *mem,
                  const struct gn__prefix *prefix,
                  const struct gn__pool_options *options) GN_WARN_UNUSED;

/** Addresses need not be given back first. */
void gn__pool_done(struct gn__pool *pool);

/**
 * Take the lowest free address.
 *
 * Returns 0, or -ENOSPC when none is free, or -ENOMEM with nothing changed.
 */
int gn__pool_take(struct gn__pool *pool, struct gn__addr *out) GN_WARN_UNUSED;

/**
 * Take this address.
 *
 * Returns 0, or with nothing changed:
 *   -EINVAL      It is not in the prefix.
 *   -EADDRINUSE  It is taken or reserved.
 *   -ENOMEM      Out of memory.
 */
int gn__pool_take_exact(struct gn__pool *pool,
                        const struct gn__addr *addr) GN_WARN_UNUSED;

/**
 * Give back an address that was taken. Needs no memory.
 *
 * Returns 0, or -EINVAL when it is not in the prefix or not taken.
 */
int gn__pool_give(struct gn__pool *pool,
                  const struct gn__addr *addr) GN_WARN_UNUSED;

/**
 * Reserve first to last, both included. What is reserved already stays so.
 *
 * Returns 0, or with nothing changed:
 *   -EINVAL      Not in the prefix, or last is before first.
 *   -EADDRINUSE  One of them is taken.
 *   -ENOMEM      Out of memory.
 */
int gn__pool_reserve(struct gn__pool *pool, const struct gn__addr *first,
                     const struct gn__addr *last) GN_WARN_UNUSED;

/**
 * Make what is reserved between first and last, both included, free. What is
 * free or taken there stays so, and so do the addresses that are reserved for
 * good.
 *
 * Returns 0, or -EINVAL or -ENOMEM as gn__pool_reserve() does.
 */
int gn__pool_release(struct gn__pool *pool, const struct gn__addr *first,
                     const struct gn__addr *last) GN_WARN_UNUSED;

/** Whether a guest could have this address now. False if foreign. */
bool gn__pool_is_free(const struct gn__pool *pool, const struct gn__addr *addr);

/** Whether it was taken and not given back. False if foreign. */
bool gn__pool_is_taken(const struct gn__pool *pool,
                       const struct gn__addr *addr);

/** Whether it stands for the prefix itself: IPv4's network and broadcast
 *  address, IPv6's subnet-router anycast address. False if foreign. */
bool gn__pool_is_edge(const struct gn__pool *pool, const struct gn__addr *addr);

#endif /* IPAM_IPAM_H */
