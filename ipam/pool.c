/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The tree knows offsets; this file knows which of them a prefix keeps to
 * itself. What is reserved for good is reserved in the tree like the rest, and
 * left out of what is released.
 */
#include "ipam/ipam.h"

#include <errno.h>

static gn__u128 last_offset(const struct gn__pool *pool)
{
    return gn__addr_low_bits(gn__prefix_width(&pool->prefix) -
                             pool->prefix.len);
}

static bool to_offset(const struct gn__pool *pool, const struct gn__addr *addr,
                      gn__u128 *out)
{
    if (!gn__prefix_contains(&pool->prefix, addr))
        return false;
    *out = gn__addr_to_number(addr) & last_offset(pool);
    return true;
}

static struct gn__addr to_addr(const struct gn__pool *pool, gn__u128 offset)
{
    return gn__addr_from_number(gn__addr_to_number(&pool->prefix.addr) |
                                offset);
}

int gn__pool_take(struct gn__pool *pool, struct gn__addr *out)
{
    gn__u128 offset;
    int err = gn__tree_first_free(&pool->tree, &offset);

    if (err)
        return err;
    if (offset > last_offset(pool))
        return -ENOSPC;
    err = gn__tree_take(&pool->tree, offset);
    if (err)
        return err;
    pool->n_taken++;
    *out = to_addr(pool, offset);
    return 0;
}

int gn__pool_take_exact(struct gn__pool *pool, const struct gn__addr *addr)
{
    gn__u128 offset;
    int err;

    if (!to_offset(pool, addr, &offset))
        return -EINVAL;
    if (gn__tree_state(&pool->tree, offset) != GN__TREE_FREE)
        return -EADDRINUSE;
    err = gn__tree_take(&pool->tree, offset);
    if (!err)
        pool->n_taken++;
    return err;
}

int gn__pool_give(struct gn__pool *pool, const struct gn__addr *addr)
{
    gn__u128 offset;

    if (!to_offset(pool, addr, &offset) ||
        gn__tree_state(&pool->tree, offset) != GN__TREE_TAKEN)
        return -EINVAL;
    gn__tree_give(&pool->tree, offset);
    pool->n_taken--;
    return 0;
}

bool gn__pool_is_free(const struct gn__pool *pool, const struct gn__addr *addr)
{
    gn__u128 offset;

    return to_offset(pool, addr, &offset) &&
           gn__tree_state(&pool->tree, offset) == GN__TREE_FREE;
}

bool gn__pool_is_taken(const struct gn__pool *pool, const struct gn__addr *addr)
{
    gn__u128 offset;

    return to_offset(pool, addr, &offset) &&
           gn__tree_state(&pool->tree, offset) == GN__TREE_TAKEN;
}

static int to_range(const struct gn__pool *pool, const struct gn__addr *first,
                    const struct gn__addr *last, struct gn__range *out)
{
    if (!to_offset(pool, first, &out->first) ||
        !to_offset(pool, last, &out->last) || out->last < out->first)
        return -EINVAL;
    return 0;
}

int gn__pool_reserve(struct gn__pool *pool, const struct gn__addr *first,
                     const struct gn__addr *last)
{
    struct gn__range range;
    int err = to_range(pool, first, last, &range);

    return err ? err : gn__tree_reserve(&pool->tree, &range);
}

/* What is reserved for good, in ascending order. */
struct fixed {
    struct gn__range range[4];
    unsigned n;
};

static void add_fixed(struct fixed *fixed, gn__u128 first, gn__u128 last)
{
    fixed->range[fixed->n++] = (struct gn__range){first, last};
}

static bool has_edges(const struct gn__prefix *prefix)
{
    return gn__prefix_width(prefix) - prefix->len >= 2;
}

/* The IPv4-mapped addresses in an IPv6 prefix, if it has them. */
static bool mapped_range(const struct gn__pool *pool, struct gn__range *out)
{
    struct gn__addr v4_zero = gn__addr_from_v4(0);
    gn__u128 low = last_offset(pool);
    gn__u128 mapped = gn__addr_to_number(&v4_zero);

    if (gn__prefix_is_v4(&pool->prefix) ||
        (mapped & ~low) != gn__addr_to_number(&pool->prefix.addr))
        return false;
    out->first = mapped & low;
    out->last = out->first | UINT32_MAX;
    return true;
}

static struct fixed fixed_of(const struct gn__pool *pool)
{
    bool is_v4 = gn__prefix_is_v4(&pool->prefix);
    struct fixed fixed = {.n = 0};
    struct gn__range mapped;
    gn__u128 gateway;

    if (has_edges(&pool->prefix))
        add_fixed(&fixed, 0, 0);
    if (mapped_range(pool, &mapped))
        add_fixed(&fixed, mapped.first, mapped.last);
    if (is_v4 && has_edges(&pool->prefix))
        add_fixed(&fixed, last_offset(pool), last_offset(pool));
    if (pool->has_gateway && to_offset(pool, &pool->gateway, &gateway)) {
        unsigned i = fixed.n++;

        for (; i > 0 && fixed.range[i - 1].first > gateway; i--)
            fixed.range[i] = fixed.range[i - 1];
        fixed.range[i] = (struct gn__range){gateway, gateway};
    }
    return fixed;
}

/* The parts of a range that are not reserved for good. */
static unsigned parts_without_fixed(const struct gn__pool *pool,
                                    struct gn__range range,
                                    struct gn__range part[5])
{
    struct fixed fixed = fixed_of(pool);
    unsigned n = 0;

    for (unsigned i = 0; i < fixed.n; i++) {
        const struct gn__range *hole = &fixed.range[i];

        if (hole->last < range.first || hole->first > range.last)
            continue;
        if (hole->first > range.first)
            part[n++] = (struct gn__range){range.first, hole->first - 1};
        if (hole->last >= range.last)
            return n;
        range.first = hole->last + 1;
    }
    part[n++] = range;
    return n;
}

int gn__pool_release(struct gn__pool *pool, const struct gn__addr *first,
                     const struct gn__addr *last)
{
    struct gn__range range, part[5];
    int err = to_range(pool, first, last, &range);
    unsigned n;

    if (err)
        return err;
    n = parts_without_fixed(pool, range, part);
    return gn__tree_release(&pool->tree, part, n);
}

static int choose_gateway(struct gn__pool *pool,
                          const struct gn__pool_options *options)
{
    bool has_one_address = last_offset(pool) == 0;
    struct fixed fixed;
    gn__u128 offset;

    if (options && options->no_gateway)
        return 0;
    if (!options || !options->gateway) {
        pool->gateway = to_addr(pool, has_edges(&pool->prefix) ? 1 : 0);
        pool->has_gateway = !has_one_address;
        return 0;
    }
    if (!to_offset(pool, options->gateway, &offset))
        return -EINVAL;
    fixed = fixed_of(pool);
    for (unsigned i = 0; i < fixed.n; i++) {
        if (offset >= fixed.range[i].first && offset <= fixed.range[i].last)
            return -EINVAL;
    }
    pool->gateway = *options->gateway;
    pool->has_gateway = true;
    return 0;
}

bool gn__pool_is_edge(const struct gn__pool *pool, const struct gn__addr *addr)
{
    gn__u128 offset;

    if (!has_edges(&pool->prefix) || !to_offset(pool, addr, &offset))
        return false;
    return offset == 0 ||
           (gn__prefix_is_v4(&pool->prefix) && offset == last_offset(pool));
}

int gn__pool_init(struct gn__pool *pool, const struct gn__mem *mem,
                  const struct gn__prefix *prefix,
                  const struct gn__pool_options *options)
{
    struct fixed fixed;
    int err;

    *pool = (struct gn__pool){.prefix = *prefix};
    gn__tree_init(&pool->tree, mem);
    err = choose_gateway(pool, options);
    if (err)
        return err;
    fixed = fixed_of(pool);
    for (unsigned i = 0; i < fixed.n && !err; i++)
        err = gn__tree_reserve(&pool->tree, &fixed.range[i]);
    if (err)
        gn__pool_done(pool);
    return err;
}

void gn__pool_done(struct gn__pool *pool)
{
    gn__tree_done(&pool->tree);
    pool->n_taken = 0;
}
