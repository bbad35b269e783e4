/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Linearizability of one key (Herlihy and Wing, 1990): a search for an order,
 * by Wing and Gong's algorithm with Lowe's memory of what has been tried. A
 * write without an answer may have happened at any time since it began, or
 * never; such a read says nothing.
 */
#include <string.h>

#include "raft.h"

#define MEMORY (1u << 16)
#define BUDGET 2000000

struct search {
    const struct op *ops[N_CLIENTS * N_OPS];
    size_t n;
    uint64_t answered; /* a bit of each that has to happen */
    long budget;
};

static uint64_t tried[MEMORY]; /* hashes of what happened, and the value then */

/* Was it tried before? Remembers it; what has no room is tried again. */
static bool was_tried(uint64_t happened, uint32_t value)
{
    uint64_t hash = (happened + value * UINT64_C(0x9e3779b97f4a7c15) + 1) *
                    UINT64_C(0xff51afd7ed558ccd); /* 0 is no state */
    uint64_t *slot = &tried[hash >> 48 & (MEMORY - 1)];
    bool found = *slot == hash;

    *slot = hash;
    return found;
}

/* Could @i be the next? Nothing that has not happened ended before it began. */
static bool may_be_next(const struct search *s, uint64_t happened,
                        uint32_t value, size_t i)
{
    size_t j;

    if (happened >> i & 1 ||
        (!s->ops[i]->is_write && s->ops[i]->value != value))
        return false;
    for (j = 0; j < s->n; j++) {
        if (!(happened >> j & 1) && s->ops[j]->end < s->ops[i]->begin)
            return false;
    }
    return true;
}

static int search(struct search *s, uint64_t happened, uint32_t value)
{
    size_t i;
    int found = 0;

    if ((happened & s->answered) == s->answered)
        return 1;
    if (--s->budget < 0)
        return -1;
    if (was_tried(happened, value))
        return 0;
    for (i = 0; i < s->n && !found; i++) {
        if (may_be_next(s, happened, value, i))
            found = search(s, happened | UINT64_C(1) << i,
                           s->ops[i]->is_write ? s->ops[i]->value : value);
    }
    return found;
}

int history_is_linear(uint32_t key)
{
    struct search s = {.budget = BUDGET};
    size_t i;

    _Static_assert(N_CLIENTS * N_OPS <= 64, "a bit for each");
    for (i = 0; i < world.n_ops; i++) {
        const struct op *op = &world.ops[i];

        if (op->key != key || (op->end == UINT64_MAX && !op->is_write))
            continue;
        s.answered |= (uint64_t)(op->end != UINT64_MAX) << s.n;
        s.ops[s.n++] = op;
    }
    memset(tried, 0, sizeof(tried));
    return search(&s, 0, 0);
}
