/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Linearizability of one key (Herlihy and Wing, 1990): a search for an order, by
 * Wing and Gong's algorithm with Lowe's memory of what has been tried. A write
 * without an answer may have happened at any time since it began, or never; such
 * a read says nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "raft.h"

#define OPS_MAX 100
#define MEMORY  (1u << 16)
#define BUDGET  2000000

/** Which operations have happened, and the value then. */
struct state {
    uint64_t happened[2];
    uint32_t value;
    uint32_t is_set;
};

struct search {
    const struct op *ops[OPS_MAX];
    size_t n;
    size_t n_answered; /* that have to happen */
    struct state *tried;
    long budget;
};

static bool has_happened(const struct state *state, size_t i)
{
    return state->happened[i / 64] >> i % 64 & 1;
}

/* Was it tried before? Remembers it; what has no room is tried again. */
static bool was_tried(struct search *s, const struct state *state)
{
    uint64_t hash = (state->happened[0] ^ state->happened[1] * 31) +
                    state->value * UINT64_C(0x9e3779b97f4a7c15);
    struct state *slot;

    hash *= UINT64_C(0xff51afd7ed558ccd);
    slot = &s->tried[hash >> 48 & (MEMORY - 1)];
    if (slot->is_set && !memcmp(slot, state, sizeof(*slot)))
        return true;
    *slot = *state;
    return false;
}

/* Could @i be the next? Nothing that has not happened ended before it began. */
static bool may_be_next(const struct search *s, const struct state *state,
                        size_t i)
{
    size_t j;

    if (has_happened(state, i) ||
        (!s->ops[i]->is_write && s->ops[i]->value != state->value))
        return false;
    for (j = 0; j < s->n; j++) {
        if (!has_happened(state, j) && s->ops[j]->end < s->ops[i]->begin)
            return false;
    }
    return true;
}

static int search(struct search *s, struct state state, size_t n_answered)
{
    size_t i;
    int found;

    if (n_answered == s->n_answered)
        return 1;
    if (--s->budget < 0)
        return -1;
    if (was_tried(s, &state))
        return 0;
    for (i = 0; i < s->n; i++) {
        struct state next = state;

        if (!may_be_next(s, &state, i))
            continue;
        next.happened[i / 64] |= UINT64_C(1) << i % 64;
        if (s->ops[i]->is_write)
            next.value = s->ops[i]->value;
        found = search(s, next, n_answered + (s->ops[i]->end != UINT64_MAX));
        if (found)
            return found;
    }
    return 0;
}

int history_is_linear(const struct op *ops, size_t n)
{
    struct search s = {.budget = BUDGET};
    struct state state = {.is_set = 1};
    size_t i;
    int found;

    for (i = 0; i < n; i++) {
        bool is_answered = ops[i].end != UINT64_MAX;

        if (!is_answered && !ops[i].is_write)
            continue;
        if (s.n == OPS_MAX)
            return -1;
        s.ops[s.n++] = &ops[i];
        s.n_answered += is_answered;
    }
    s.tried = calloc(MEMORY, sizeof(*s.tried));
    if (!s.tried)
        return -1;
    found = search(&s, state, 0);
    free(s.tried);
    return found;
}
