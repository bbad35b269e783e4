/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An address is its offset from the prefix's first one, and a set of offsets is
 * a tree whose nodes have 64 slots. On level 0 a slot is one offset; on level L
 * it is 64^L of them, in a child if they differ. Three words say what is in a
 * node's slots:
 *
 *     full  reserved  present    the slot's offsets are
 *       0      0         0       all free; no node is spent on them
 *       1      1         0       all reserved; no node is spent on them either
 *       x      0         1       as the child says; full: none of them is free
 *       1      0         0       taken (level 0 only)
 *
 * So the lowest free offset is found by one bit scan for each level, and a
 * reserved half of a /64 is some bits along one path. The tree is only as high
 * as its highest offset in use demands: a /64 of which 200 addresses are in use
 * looks like a /24. Children stand in an array that doubles when it is full and
 * goes with its node, so that giving back needs no memory.
 *
 * Whatever needs memory first makes the path to the offsets that it will
 * change (make_path: slots are split into children that say the same) and then
 * changes them, which cannot fail; tree_summarize() afterwards removes the
 * nodes of a path that say no more than a slot can, and sets its full bits.
 * Since making a path changes no set, a failure on the way leaves nothing
 * behind but settling.
 */
#include "ipam/tree.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define SLOT_BITS  6
#define ALL        UINT64_MAX
#define MAX_LEVELS 22 /* 22 * 6 >= 128. */

struct gn__tree_node {
    uint64_t full;
    uint64_t reserved;
    uint64_t present;
    unsigned cap;                  /* Room in child. */
    struct gn__tree_node *child[]; /* One for each bit of present, in order. */
};

static size_t node_size(unsigned cap)
{
    return sizeof(struct gn__tree_node) + cap * sizeof(struct gn__tree_node *);
}

static unsigned slot_of(gn__u128 offset, unsigned level)
{
    assert(level < MAX_LEVELS);
    return (unsigned)(offset >> (SLOT_BITS * level)) & 63;
}

static uint64_t tree_bit(unsigned slot)
{
    return UINT64_C(1) << slot;
}

/* The bits of the slots from first to last. */
static uint64_t tree_bits(unsigned first, unsigned last)
{
    return ALL << first & ALL >> (63 - last);
}

/* Whether a tree whose root is on this level reaches the offset. */
static bool tree_reaches(unsigned level, gn__u128 offset)
{
    return level + 1 >= MAX_LEVELS || !(offset >> (SLOT_BITS * (level + 1)));
}

static struct gn__tree_node **child_at(struct gn__tree_node *node,
                                       unsigned slot)
{
    uint64_t below = node->present & (tree_bit(slot) - 1);

    return &node->child[__builtin_popcountll(below)];
}

/* A node whose slots are all alike: free, or reserved. */
static struct gn__tree_node *new_node(struct gn__tree *tree, unsigned cap,
                                      bool reserved)
{
    struct gn__tree_node *node = gn__alloc(tree->mem, node_size(cap));

    if (!node)
        return NULL;
    node->full = node->reserved = reserved ? ALL : 0;
    node->present = 0;
    node->cap = cap;
    return node;
}

/* Frees a node of this level and all below it. */
static void free_tree(struct gn__tree *tree, struct gn__tree_node *node,
                      unsigned level)
{
    int n = __builtin_popcountll(node->present);

    for (int i = 0; i < n; i++)
        free_tree(tree, node->child[i], level - 1);
    gn__free(tree->mem, node, node_size(node->cap));
}

/* Makes room for one more child; the node may move. */
static int make_room(struct gn__tree *tree, struct gn__tree_node **link)
{
    struct gn__tree_node *old = *link;
    unsigned n = (unsigned)__builtin_popcountll(old->present);
    struct gn__tree_node *node;

    if (n < old->cap)
        return 0;
    node = gn__alloc(tree->mem, node_size(n ? 2 * n : 1));
    if (!node)
        return -ENOMEM;
    memcpy(node, old, node_size(n));
    node->cap = n ? 2 * n : 1;
    *link = node;
    gn__free(tree->mem, old, node_size(old->cap));
    return 0;
}

/* Gives a slot a child that says what the slot says. */
static int tree_split(struct gn__tree *tree, struct gn__tree_node **link,
                      unsigned slot, unsigned level)
{
    bool reserved = (*link)->reserved & tree_bit(slot);
    struct gn__tree_node **at, *child;
    size_t n_after;

    if (make_room(tree, link))
        return -ENOMEM;
    child = new_node(tree, level > 1 ? 1 : 0, reserved);
    if (!child)
        return -ENOMEM;
    at = child_at(*link, slot);
    n_after =
        (size_t)__builtin_popcountll((*link)->present & ~(tree_bit(slot) - 1));
    memmove(at + 1, at, n_after * sizeof(struct gn__tree_node *));
    *at = child;
    (*link)->present |= tree_bit(slot);
    (*link)->reserved &= ~tree_bit(slot);
    return 0;
}

static void drop_child(struct gn__tree *tree, struct gn__tree_node *node,
                       unsigned slot, unsigned level)
{
    struct gn__tree_node **at = child_at(node, slot);
    size_t n_after =
        (size_t)__builtin_popcountll(node->present & ~(tree_bit(slot) - 1)) - 1;

    free_tree(tree, *at, level - 1);
    memmove(at, at + 1, n_after * sizeof(struct gn__tree_node *));
    node->present &= ~tree_bit(slot);
}

/* Lets the tree reach the offset. */
static int tree_grow(struct gn__tree *tree, gn__u128 offset)
{
    if (!tree->root) {
        tree->level = 0;
        while (!tree_reaches(tree->level, offset))
            tree->level++;
        tree->root = new_node(tree, tree->level ? 1 : 0, false);
        return tree->root ? 0 : -ENOMEM;
    }
    while (!tree_reaches(tree->level, offset)) {
        struct gn__tree_node *root = new_node(tree, 1, false);

        if (!root)
            return -ENOMEM;
        root->present = 1;
        root->full = tree->root->full == ALL;
        root->child[0] = tree->root;
        tree->root = root;
        tree->level++;
    }
    return 0;
}

/* Sees to it that the offset has a slot of its own on level 0. */
static int make_path(struct gn__tree *tree, gn__u128 offset)
{
    struct gn__tree_node **link = &tree->root;

    if (tree_grow(tree, offset))
        return -ENOMEM;
    for (unsigned level = tree->level; level > 0; level--) {
        unsigned slot = slot_of(offset, level);

        if (!((*link)->present & tree_bit(slot)) &&
            tree_split(tree, link, slot, level))
            return -ENOMEM;
        link = child_at(*link, slot);
    }
    return 0;
}

/* The level 0 node of the offset, or NULL; then *reserved says which. */
static struct gn__tree_node *find_leaf(const struct gn__tree *tree,
                                       gn__u128 offset, bool *reserved)
{
    struct gn__tree_node *node = tree->root;

    *reserved = false;
    if (!node || !tree_reaches(tree->level, offset))
        return NULL;
    for (unsigned level = tree->level; level > 0; level--) {
        unsigned slot = slot_of(offset, level);

        if (!(node->present & tree_bit(slot))) {
            *reserved = node->reserved & tree_bit(slot);
            return NULL;
        }
        node = *child_at(node, slot);
    }
    return node;
}

static void summarize_node(struct gn__tree *tree, struct gn__tree_node *node,
                           unsigned level, gn__u128 offset)
{
    unsigned slot = slot_of(offset, level);
    struct gn__tree_node *child;

    if (level == 0 || !(node->present & tree_bit(slot)))
        return;
    child = *child_at(node, slot);
    summarize_node(tree, child, level - 1, offset);
    node->full &= ~tree_bit(slot);
    if (child->full == ALL)
        node->full |= tree_bit(slot);
    if (child->reserved == ALL)
        node->reserved |= tree_bit(slot);
    if (child->reserved == ALL || (!child->full && !child->present))
        drop_child(tree, node, slot, level);
}

/* Removes what is superfluous on the path to the offset and at the top. */
static void tree_summarize(struct gn__tree *tree, gn__u128 offset)
{
    struct gn__tree_node *root = tree->root;

    if (root && tree_reaches(tree->level, offset))
        summarize_node(tree, root, tree->level, offset);
    while (root && root->present == 1 && root->full <= 1 && tree->level) {
        tree->root = root->child[0];
        tree->level--;
        gn__free(tree->mem, root, node_size(root->cap));
        root = tree->root;
    }
    if (root && !root->full && !root->present) {
        gn__free(tree->mem, root, node_size(root->cap));
        tree->root = NULL;
        tree->level = 0;
    }
}

void gn__tree_init(struct gn__tree *tree, const struct gn__mem *mem)
{
    *tree = (struct gn__tree){.mem = mem};
}

void gn__tree_done(struct gn__tree *tree)
{
    if (tree->root)
        free_tree(tree, tree->root, tree->level);
    tree->root = NULL;
    tree->level = 0;
}

enum gn__tree_state gn__tree_state(const struct gn__tree *tree, gn__u128 offset)
{
    uint64_t own = tree_bit(slot_of(offset, 0));
    bool reserved;
    struct gn__tree_node *leaf = find_leaf(tree, offset, &reserved);

    if (leaf)
        reserved = leaf->reserved & own;
    if (reserved)
        return GN__TREE_RESERVED;
    return leaf && leaf->full & own ? GN__TREE_TAKEN : GN__TREE_FREE;
}

/* What lies above the tree is free, unless the tree reaches to the end. */
static int first_free_above(const struct gn__tree *tree, gn__u128 *out)
{
    if (tree->level + 1 >= MAX_LEVELS)
        return -ENOSPC;
    *out = (gn__u128)1 << (SLOT_BITS * (tree->level + 1));
    return 0;
}

int gn__tree_first_free(const struct gn__tree *tree, gn__u128 *out)
{
    struct gn__tree_node *node = tree->root;
    gn__u128 offset = 0;

    if (!node) {
        *out = 0;
        return 0;
    }
    if (node->full == ALL)
        return first_free_above(tree, out);
    for (unsigned level = tree->level;; level--) {
        unsigned slot = (unsigned)__builtin_ctzll(~node->full);

        if (level == MAX_LEVELS - 1 && slot >= 4)
            return -ENOSPC; /* The top level has two bits of an address. */
        offset |= (gn__u128)slot << (SLOT_BITS * level);
        if (!(node->present & tree_bit(slot)))
            break;
        node = *child_at(node, slot);
    }
    *out = offset;
    return 0;
}

int gn__tree_take(struct gn__tree *tree, gn__u128 offset)
{
    bool reserved;
    int err = make_path(tree, offset);

    if (!err) {
        find_leaf(tree, offset, &reserved)->full |=
            tree_bit(slot_of(offset, 0));
    }
    tree_summarize(tree, offset);
    return err;
}

void gn__tree_give(struct gn__tree *tree, gn__u128 offset)
{
    bool reserved;

    find_leaf(tree, offset, &reserved)->full &= ~tree_bit(slot_of(offset, 0));
    tree_summarize(tree, offset);
}

/*
 * The slots of a node that a range touches, where the range is given by what
 * it is in the node's own span. The slots from first to last are touched; of
 * these the mask has the ones that are wholly inside. The range may be ragged
 * at its first and its last slot only.
 */
struct cut {
    unsigned first, last;
    uint64_t whole;
};

static gn__u128 span_mask(unsigned level)
{
    unsigned n = SLOT_BITS * level;

    return gn__addr_low_bits(n < 128 ? n : 128);
}

static struct cut cut_range(const struct gn__range *range, unsigned level)
{
    gn__u128 low = span_mask(level);
    struct cut cut = {.first = slot_of(range->first, level),
                      .last = slot_of(range->last, level)};

    cut.whole = tree_bits(cut.first, cut.last);
    if (range->first & low)
        cut.whole &= ~tree_bit(cut.first);
    if ((range->last & low) != low)
        cut.whole &= ~tree_bit(cut.last);
    return cut;
}

/* The part of the range that is in this slot, seen from the child. */
static struct gn__range part_of(const struct gn__range *range,
                                const struct cut *cut, unsigned slot,
                                unsigned level)
{
    gn__u128 low = span_mask(level);
    struct gn__range part = {0, low};

    if (slot == cut->first)
        part.first = range->first & low;
    if (slot == cut->last)
        part.last = range->last & low;
    return part;
}

static bool any_taken(struct gn__tree_node *node, unsigned level,
                      const struct gn__range *range)
{
    struct cut cut = cut_range(range, level);
    uint64_t slots = tree_bits(cut.first, cut.last);

    if (level == 0)
        return node->full & ~node->reserved & slots;
    for (slots &= node->present; slots; slots &= slots - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(slots);
        struct gn__range part = part_of(range, &cut, slot, level);

        if (any_taken(*child_at(node, slot), level - 1, &part))
            return true;
    }
    return false;
}

/* Reserves the range, in which nothing is taken and whose ends have paths. */
static void reserve_node(struct gn__tree *tree, struct gn__tree_node *node,
                         unsigned level, const struct gn__range *range)
{
    struct cut cut = cut_range(range, level);
    uint64_t slots = tree_bits(cut.first, cut.last) & node->present;

    for (; slots; slots &= slots - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(slots);
        struct gn__range part = part_of(range, &cut, slot, level);

        if (cut.whole & tree_bit(slot))
            drop_child(tree, node, slot, level);
        else
            reserve_node(tree, *child_at(node, slot), level - 1, &part);
    }
    node->full |= cut.whole;
    node->reserved |= cut.whole;
}

/* Frees what is reserved in the range, whose ends have paths. */
static void release_node(struct gn__tree *tree, struct gn__tree_node *node,
                         unsigned level, const struct gn__range *range)
{
    struct cut cut = cut_range(range, level);
    uint64_t slots = tree_bits(cut.first, cut.last) & node->present;

    node->full &= ~(node->reserved & cut.whole);
    node->reserved &= ~cut.whole;
    for (; slots; slots &= slots - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(slots);
        struct gn__range part = part_of(range, &cut, slot, level);
        struct gn__tree_node *child = *child_at(node, slot);

        release_node(tree, child, level - 1, &part);
        if (child->full != ALL)
            node->full &= ~tree_bit(slot);
        if (!child->full && !child->present)
            drop_child(tree, node, slot, level);
    }
}

static void summarize_range(struct gn__tree *tree,
                            const struct gn__range *range)
{
    tree_summarize(tree, range->first);
    tree_summarize(tree, range->last);
}

int gn__tree_reserve(struct gn__tree *tree, const struct gn__range *range)
{
    int err = make_path(tree, range->first);

    if (!err)
        err = make_path(tree, range->last);
    if (!err && any_taken(tree->root, tree->level, range))
        err = -EADDRINUSE;
    if (!err)
        reserve_node(tree, tree->root, tree->level, range);
    summarize_range(tree, range);
    return err;
}

int gn__tree_release(struct gn__tree *tree, const struct gn__range *range,
                     unsigned n)
{
    int err = 0;

    for (unsigned i = 0; i < n && !err; i++) {
        err = make_path(tree, range[i].first);
        if (!err)
            err = make_path(tree, range[i].last);
    }
    for (unsigned i = 0; i < n && !err; i++)
        release_node(tree, tree->root, tree->level, &range[i]);
    for (unsigned i = 0; i < n; i++)
        summarize_range(tree, &range[i]);
    return err;
}
