/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A pairing heap: a tree in which no node is before its parent. Two trees are
 * joined by hanging the later root below the earlier one, in front of its other
 * children. The root is removed by joining its children in pairs from the
 * left, then the pairs from the right, which is what keeps it O(log n)
 * amortised. A binary heap needs an array that grows, so its insert can fail.
 */
#include "base/heap.h"

#include <stddef.h>

#include "base/counter.h"

void gn__heap_init(struct gn__heap *heap)
{
    heap->root = NULL;
    heap->next_seq = GN__COUNT_FROM(uint64_t);
}

static bool size_is_before(const struct gn__heap_node *a,
                           const struct gn__heap_node *b)
{
    if (a->time != b->time)
        return a->time < b->time;
    return a->seq < b->seq;
}

/* Joins two trees whose roots have no siblings. */
static struct gn__heap_node *slab_join(struct gn__heap_node *a,
                                       struct gn__heap_node *b)
{
    struct gn__heap_node *top = size_is_before(a, b) ? a : b;
    struct gn__heap_node *below = top == a ? b : a;

    below->prev = top;
    below->next = top->child;
    if (below->next)
        below->next->prev = below;
    top->child = below;
    return top;
}

/* Joins siblings to one tree, or NULL if there are none. */
static struct gn__heap_node *join_siblings(struct gn__heap_node *first)
{
    struct gn__heap_node *pairs = NULL;
    struct gn__heap_node *tree = NULL;

    while (first) {
        struct gn__heap_node *a = first;
        struct gn__heap_node *b = a->next;

        first = b ? b->next : NULL;
        if (b)
            a = slab_join(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct gn__heap_node *a = pairs;

        pairs = a->next;
        tree = tree ? slab_join(tree, a) : a;
    }
    if (tree) {
        tree->next = NULL;
        tree->prev = NULL;
    }
    return tree;
}

void gn__heap_insert(struct gn__heap *heap, struct gn__heap_node *node,
                     uint64_t time)
{
    node->child = NULL;
    node->next = NULL;
    node->prev = NULL;
    node->time = time;
    node->seq = heap->next_seq++;
    heap->root = heap->root ? slab_join(heap->root, node) : node;
}

static void unlink_below(struct gn__heap_node *node)
{
    if (node->prev->child == node)
        node->prev->child = node->next;
    else
        node->prev->next = node->next;
    if (node->next)
        node->next->prev = node->prev;
}

void gn__heap_remove(struct gn__heap *heap, struct gn__heap_node *node)
{
    struct gn__heap_node *rest = join_siblings(node->child);

    if (node == heap->root) {
        heap->root = rest;
        return;
    }
    unlink_below(node);
    if (rest)
        heap->root = slab_join(heap->root, rest);
}

struct gn__heap_node *gn__heap_pop(struct gn__heap *heap)
{
    struct gn__heap_node *first = heap->root;

    if (first)
        gn__heap_remove(heap, first);
    return first;
}
