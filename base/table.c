/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The one file that knows uthash.
 *
 * uthash gives up growing a table whose chains stay long after it grew, since
 * then the hash function is to blame. Ours is keyed and secret, so that is
 * chance, and the next doubling helps again: giving up is undone. Chains are
 * kept shorter than by default, and the first table smaller: most of the tables
 * are a guest's, and most guests are idle. Its macros evaluate a hash value as
 * often as they use it, so that it has to be a variable.
 */
#include "base/table.h"

#include <assert.h>
#include <errno.h>

#include "base/siphash.h"

/* The macros are only used where a variable table is in scope. */
#define uthash_malloc(size)      gn__alloc(table->mem, size)
#define uthash_free(p, size)     gn__free(table->mem, p, size)
#define uthash_noexpand_fyi(tbl) ((tbl)->noexpand = 0)

#define HASH_NONFATAL_OOM 1

#include <uthash.h>

/* uthash sets these whether they are set or not, and uses them in macros. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_INITIAL_NUM_BUCKETS      8U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 3U
#define HASH_BKT_CAPACITY_THRESH      6U

/* What a gn__table_node really is. */
struct entry {
    UT_hash_handle hh;
};

static_assert(sizeof(struct entry) == sizeof(struct gn__table_node),
              "the opaque storage is an uthash handle's");
static_assert(_Alignof(struct entry) == _Alignof(struct gn__table_node),
              "and as aligned");

static struct entry *entry_of(struct gn__table_node *node)
{
    return (struct entry *)(void *)node;
}

static struct gn__table_node *node_of(struct entry *entry)
{
    return (struct gn__table_node *)(void *)entry;
}

unsigned gn__table_hash(const struct gn__table *table, const void *key,
                        size_t len)
{
    return (unsigned)gn__siphash13(table->key, key, len);
}

void gn__table_init(struct gn__table *table, const struct gn__mem *mem,
                    const uint64_t key[2])
{
    *table = (struct gn__table){.mem = mem, .key = {key[0], key[1]}};
}

void gn__table_done(struct gn__table *table)
{
    struct entry *head = entry_of(table->head);

    HASH_CLEAR(hh, head);
    table->head = NULL;
    table->n = 0;
}

struct gn__table_node *gn__table_find_by(const struct gn__table *table,
                                         unsigned hash, const void *key,
                                         size_t len)
{
    struct entry *head = entry_of(table->head);
    struct entry *found;

    if (!head)
        return NULL;
    HASH_FIND_BYHASHVALUE(hh, head, key, len, hash, found);
    return node_of(found);
}

struct gn__table_node *gn__table_find(const struct gn__table *table,
                                      const void *key, size_t len)
{
    return table->head ? gn__table_find_by(
                             table, gn__table_hash(table, key, len), key, len)
                       : NULL;
}

int gn__table_add_by(struct gn__table *table, struct gn__table_node *node,
                     unsigned hash, const void *key, size_t len)
{
    struct entry *head = entry_of(table->head);
    struct entry *entry = entry_of(node);

    HASH_ADD_KEYPTR_BYHASHVALUE(hh, head, key, len, hash, entry);
    if (!entry->hh.tbl)
        return -ENOMEM;
    table->head = node_of(head);
    table->n++;
    return 0;
}

int gn__table_add(struct gn__table *table, struct gn__table_node *node,
                  const void *key, size_t len)
{
    return gn__table_add_by(table, node, gn__table_hash(table, key, len), key,
                            len);
}

void gn__table_del(struct gn__table *table, struct gn__table_node *node)
{
    struct entry *head = entry_of(table->head);

    HASH_DELETE(hh, head, entry_of(node));
    table->head = node_of(head);
    table->n--;
}

struct gn__table_node *gn__table_next(const struct gn__table_node *node)
{
    const struct entry *entry = (const struct entry *)(const void *)node;

    return node_of(entry->hh.next);
}
