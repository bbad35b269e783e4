/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef IPAM_TREE_H
#define IPAM_TREE_H

/*
 * Offsets from 0 to 2^128 - 1, each free, taken or reserved: a tree of 64-way
 * nodes that is as large as what is in it. It knows no prefix and no end.
 */
#include <stdint.h>

#include "base/addr.h"
#include "base/mem.h"

struct gn__tree_node;

struct gn__tree {
    const struct gn__mem *mem;
    struct gn__tree_node *root; /* NULL: everything is free. */
    unsigned level;             /* The root's; 0 is the lowest. */
};

enum gn__tree_state {
    GN__TREE_FREE,
    GN__TREE_TAKEN,
    GN__TREE_RESERVED,
};

/* Offsets from first to last, both included. */
struct gn__range {
    gn__u128 first, last;
};

/** @mem  Borrowed until gn__tree_done(). */
void gn__tree_init(struct gn__tree *tree, const struct gn__mem *mem);
void gn__tree_done(struct gn__tree *tree);

enum gn__tree_state gn__tree_state(const struct gn__tree *tree,
                                   gn__u128 offset);

/** The lowest free offset. Returns 0, or -ENOSPC when there is none at all. */
int gn__tree_first_free(const struct gn__tree *tree,
                        gn__u128 *out) GN_WARN_UNUSED;

/** @offset  Free. Returns 0, or -ENOMEM with nothing changed. */
int gn__tree_take(struct gn__tree *tree, gn__u128 offset) GN_WARN_UNUSED;

/** @offset  Taken. */
void gn__tree_give(struct gn__tree *tree, gn__u128 offset);

/**
 * Reserve a range; what is reserved in it already stays so.
 *
 * Returns 0, or with nothing changed: -EADDRINUSE when an offset is taken,
 * -ENOMEM.
 */
int gn__tree_reserve(struct gn__tree *tree,
                     const struct gn__range *range) GN_WARN_UNUSED;

/**
 * Make free what is reserved in n ranges, of which no two touch each other.
 * Between two of them something must be reserved.
 *
 * Returns 0, or -ENOMEM with nothing changed.
 */
int gn__tree_release(struct gn__tree *tree, const struct gn__range *range,
                     unsigned n) GN_WARN_UNUSED;

#endif /* IPAM_TREE_H */
