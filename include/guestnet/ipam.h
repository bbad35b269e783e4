/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_IPAM_H
#define GUESTNET_IPAM_H

/*
 * A pool hands out the addresses of one prefix, the lowest free one first.
 *
 * Networks have pools of their own; this is for programs that want to number
 * things themselves. A prefix is IPv4 from /0 to /32 or IPv6 from /0 to /128.
 * Reserved for good are, where the prefix has them: IPv4's network and
 * broadcast address (a /31 has none, RFC 3021, nor has a /32), IPv6's
 * subnet-router anycast address (a /127 has none, RFC 6164, nor has a /128),
 * and the gateway.
 *
 * Memory grows with the addresses in use, not with the prefix: a /64 costs
 * what a /24 costs. Taking and giving back cost the same however many are
 * taken.
 *
 * A pool has no lock: one thread at a time.
 */
#include <stddef.h>
#include <stdint.h>

#include <guestnet/addr.h>
#include <guestnet/export.h>
#include <guestnet/mem.h>

GN_BEGIN_DECLS

struct gn_pool;

#define GN_POOL_NO_GATEWAY (1u << 0) /* Reserve no address for a gateway. */

/** Settings for gn_pool_create(); zero selects the default given here. */
struct gn_pool_config {
    size_t size;         /* sizeof this struct. Required. */
    const char *gateway; /* "10.0.0.1"; NULL: the first usable address, or none
                            if the prefix has one address only. */
    uint64_t flags;      /* GN_POOL_*. */
    const struct gn_allocator *alloc; /* Copied; NULL: malloc(). */
};

/**
 * Create a pool.
 *
 * @prefix   "10.77.0.0/24", "fd77::/64". Borrowed for the call.
 * @config   Copied; NULL for the defaults.
 * @why      On -EINVAL gets one line that says what is wrong, where, and what
 *           would be right, cut at why_len bytes. May be NULL.
 * @out      Set only on success. Owned by the caller: gn_pool_close().
 *
 * Returns 0, or with nothing left behind:
 *   -EINVAL  The prefix or the gateway is malformed, the gateway is no usable
 *            address of the prefix, the configuration has an unknown size or
 *            flag, or @out is NULL.
 *   -ENOMEM  Out of memory.
 */
GN_API GN_WARN_UNUSED int gn_pool_create(const char *prefix,
                                         const struct gn_pool_config *config,
                                         char *why, size_t why_len,
                                         struct gn_pool **out);

/** Free the pool at once; addresses need not be given back. NULL is allowed. */
GN_API void gn_pool_close(struct gn_pool *pool);

/**
 * Take the lowest free address.
 *
 * @out  Set only on success.
 *
 * Returns 0, or with nothing changed:
 *   -ENOSPC  No address is free.
 *   -ENOMEM  Out of memory.
 *   -EINVAL  An argument is NULL.
 */
GN_API GN_WARN_UNUSED int gn_pool_take(struct gn_pool *pool, struct gn_ip *out);

/**
 * Take this address.
 *
 * Returns 0, or with nothing changed:
 *   -EADDRINUSE  It is taken or reserved.
 *   -ENOMEM      Out of memory.
 *   -EINVAL      It is not in the prefix, or an argument is NULL.
 */
GN_API GN_WARN_UNUSED int gn_pool_take_exact(struct gn_pool *pool,
                                             const struct gn_ip *ip);

/**
 * Give back an address that was taken. Needs no memory.
 *
 * Returns 0, or -EINVAL when it is not in the prefix, is free or reserved, or
 * an argument is NULL.
 */
GN_API GN_WARN_UNUSED int gn_pool_give(struct gn_pool *pool,
                                       const struct gn_ip *ip);

/**
 * Reserve first to last, both included: they are not handed out. What is
 * reserved already stays so.
 *
 * Returns 0, or with nothing changed:
 *   -EADDRINUSE  One of them is taken.
 *   -ENOMEM      Out of memory.
 *   -EINVAL      Not in the prefix, last is before first, or an argument is
 *                NULL.
 */
GN_API GN_WARN_UNUSED int gn_pool_reserve(struct gn_pool *pool,
                                          const struct gn_ip *first,
                                          const struct gn_ip *last);

/**
 * Make what is reserved between first and last, both included, free again.
 * What is free or taken there stays so, and so do the addresses that are
 * reserved for good.
 *
 * Returns 0, or -EINVAL or -ENOMEM as gn_pool_reserve() does.
 */
GN_API GN_WARN_UNUSED int gn_pool_release(struct gn_pool *pool,
                                          const struct gn_ip *first,
                                          const struct gn_ip *last);

/**
 * The gateway's address.
 *
 * Returns 0, or -ENOENT when the pool has none, or -EINVAL.
 */
GN_API GN_WARN_UNUSED int gn_pool_gateway(const struct gn_pool *pool,
                                          struct gn_ip *out);

/**
 * The prefix: its lowest address and its length.
 *
 * @len  May be NULL.
 *
 * Returns 0 or -EINVAL.
 */
GN_API GN_WARN_UNUSED int gn_pool_prefix(const struct gn_pool *pool,
                                         struct gn_ip *out, unsigned *len);

/** How many addresses are taken. */
GN_API uint64_t gn_pool_taken(const struct gn_pool *pool);

GN_END_DECLS

#endif /* GUESTNET_IPAM_H */
