/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

/*
 * A queue of events by time. Equal times come out in the order they went in,
 * and nothing else (no address, no hash) decides: the same calls give the same
 * order in every run.
 *
 * It is a pairing heap whose nodes are members of what is queued: inserting
 * allocates nothing and cannot fail, and costs a comparison; taking the first
 * out or removing any node costs O(log n), amortised.
 */
#include <stdbool.h>
#include <stdint.h>

struct gn__heap_node {
    struct gn__heap_node *child; /* First of the nodes below. */
    struct gn__heap_node *next;  /* Sibling. */
    struct gn__heap_node *prev;  /* Sibling, or for a first child its parent. */
    uint64_t time;
    uint64_t seq;
};

/* Zero is an empty heap. */
struct gn__heap {
    struct gn__heap_node *root;
    uint64_t next_seq;
};

void gn__heap_init(struct gn__heap *heap);

/** @node  On no heap; its fields need not be set. */
void gn__heap_insert(struct gn__heap *heap, struct gn__heap_node *node,
                     uint64_t time);

/** @node  On this heap. */
void gn__heap_remove(struct gn__heap *heap, struct gn__heap_node *node);

static inline bool gn__heap_empty(const struct gn__heap *heap)
{
    return !heap->root;
}

/** The node with the lowest time, or NULL. */
static inline struct gn__heap_node *gn__heap_first(const struct gn__heap *heap)
{
    return heap->root;
}

/** Remove the first node and return it, or NULL. */
struct gn__heap_node *gn__heap_pop(struct gn__heap *heap);

#endif /* BASE_HEAP_H */
