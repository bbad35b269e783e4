/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SWITCH_NAMES_H
#define GN_SWITCH_NAMES_H

/*
 * What a guest has been told: which names its lookups led to which addresses,
 * for as long as the answers may be believed. A connection to the outside is
 * judged by it, for packets carry addresses, and rules are about names.
 *
 * Names are kept as they were asked for, not as they were spelled on the way:
 * a CNAME chain counts under the name at its beginning. In lower case, without
 * the dot at the end.
 *
 * It is bounded: when it is full, the pair that would end first goes.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/heap.h"
#include "base/mem.h"
#include "base/table.h"

struct gn__guest;

/** Pairs of address and name in one table, and names of one address. */
#define GN__NAMES_MAX      1024u
#define GN__NAMES_PER_ADDR 16u

/** The longest name, RFC 1035, without the dot at the end. */
#define GN__NAME_MAX 253u

/** However short the TTL of an answer (RFC 1035 allows 0), the guest that asked
 *  must be able to connect; and no longer than RFC 8767 would keep it. */
#define GN__NAMES_TTL_MIN_S 1u
#define GN__NAMES_TTL_MAX_S (24u * 3600)

struct gn__name {
    char text[GN__NAME_MAX + 1];
};

struct gn__names {
    const struct gn__mem *mem;
    struct gn__table by_addr; /* struct seen */
    struct gn__heap by_end;   /* struct said */
    size_t n;
};

/** @mem: borrowed; @key: copied. */
void gn__names_init(struct gn__names *names, const struct gn__mem *mem,
                    const uint64_t key[2]);
void gn__names_done(struct gn__names *names);

/** @name led to @addr at @now (ns). A later answer never shortens an earlier
 *  one. -EINVAL: no name; -ENOMEM. */
GN_WARN_UNUSED int gn__names_add(struct gn__names *names,
                                 const struct gn__addr *addr, const char *name,
                                 uint32_t ttl_s, uint64_t now);

/** Copy the names of @addr at @now, the one told last first. Returns how many,
 *  at most @cap. */
size_t gn__names_find(const struct gn__names *names,
                      const struct gn__addr *addr, uint64_t now,
                      struct gn__name *out, size_t cap);

/** Write @name in its normal form. False: it is none (empty, too long, with an
 *  empty label). */
GN_WARN_UNUSED bool gn__name_normal(const char *name, struct gn__name *out);

/**
 * The guest's lookup of @name (as it asked) was answered by @addr. One without
 * a way outside takes no notice of it. Any thread, without the lock; before
 * the guest hears of the answer.
 *
 *   -ENOMEM  Connecting by this name may be refused.
 */
GN_WARN_UNUSED int gn__names_learn(struct gn__guest *guest,
                                   const struct gn__addr *addr,
                                   const char *name, uint32_t ttl_s);

/** gn__names_find() for a guest, now. Any thread, without the lock. */
size_t gn__names_of(struct gn__guest *guest, const struct gn__addr *addr,
                    struct gn__name *out, size_t cap);

#endif /* GN_SWITCH_NAMES_H */
