/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

/*
 * A hash table of nodes that are members of what they stand for, keyed by
 * bytes that the owner holds too.
 *
 * Keys come from guests, so the hash is SipHash-1-3 under a secret key: no
 * guest can pick keys that meet in one bucket. Iteration is in the order of
 * insertion and thus the same in every run, whatever the key.
 *
 * The work is uthash's, which only table.c knows; hence the nodes' opaque
 * storage. A table holds memory only while something is in it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* Not touched by others; needs no initialisation before gn__table_add(). */
struct gn__table_node {
    union {
        void *align;
        unsigned char bytes[6 * sizeof(void *) + 2 * sizeof(unsigned)];
    } opaque;
};

struct gn__table {
    struct gn__table_node *head;
    const struct gn__mem *mem;
    uint64_t key[2];
    size_t n;
};

/**
 * @mem  Borrowed until gn__table_done().
 * @key  Copied; secret and random.
 */
void gn__table_init(struct gn__table *table, const struct gn__mem *mem,
                    const uint64_t key[2]);

/**
 * Forget all nodes, whose owners must still be there, and free what the table
 * holds.
 */
void gn__table_done(struct gn__table *table);

/** The node with this key, or NULL. */
struct gn__table_node *gn__table_find(const struct gn__table *table,
                                      const void *key, size_t len);

/**
 * Add a node. Whether its key is there already is not looked at.
 *
 * @node  On no table; borrowed until it is removed.
 * @key   Borrowed and unchanged until the node is removed: normally a member
 *        of the node's owner.
 *
 * Returns 0, or -ENOMEM with nothing changed.
 */
int gn__table_add(struct gn__table *table, struct gn__table_node *node,
                  const void *key, size_t len) GN_WARN_UNUSED;

/** What a key hashes to, for more than one search of it. */
unsigned gn__table_hash(const struct gn__table *table, const void *key,
                        size_t len);
/** The same two, with that. */
struct gn__table_node *gn__table_find_by(const struct gn__table *table,
                                         unsigned hash, const void *key,
                                         size_t len);
int gn__table_add_by(struct gn__table *table, struct gn__table_node *node,
                     unsigned hash, const void *key, size_t len) GN_WARN_UNUSED;

/** @node  On this table. */
void gn__table_del(struct gn__table *table, struct gn__table_node *node);

static inline size_t gn__table_count(const struct gn__table *table)
{
    return table->n;
}

/** The first node in order of insertion, or NULL. */
static inline struct gn__table_node *gn__table_first(
    const struct gn__table *table)
{
    return table->head;
}

/** The node that was added after this one, or NULL. */
struct gn__table_node *gn__table_next(const struct gn__table_node *node);

#define gn__table_foreach(it, table) \
    for ((it) = gn__table_first(table); (it); (it) = gn__table_next(it))

/** The body may remove the current node, or free its owner. */
#define gn__table_foreach_safe(it, tmp, table) \
    for ((it) = gn__table_first(table);        \
         (it) && ((tmp) = gn__table_next(it), 1); (it) = (tmp))

#endif /* BASE_TABLE_H */
