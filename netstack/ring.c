/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues of payload by reference; see conn.h. */
#include "netstack/conn.h"

#include <errno.h>
#include <string.h>

#define FIRST_CAP 2u

void gn__ring_init(struct gn__ring *ring)
{
    ring->at = ring->first;
    ring->cap = FIRST_CAP;
    ring->head = 0;
    ring->n = 0;
}

void gn__ring_done(struct gn__ring *ring, const struct gn__mem *mem)
{
    while (ring->n) {
        struct gn__slice slice = gn__ring_pop(ring);

        gn__chunk_unref(slice.chunk);
    }
    if (ring->at != ring->first)
        gn__free(mem, ring->at, ring->cap * sizeof(*ring->at));
    gn__ring_init(ring);
}

int gn__ring_reserve(struct gn__ring *ring, const struct gn__mem *mem)
{
    struct gn__slice *wider;
    uint32_t i;

    if (ring->n < ring->cap)
        return 0;
    wider = gn__alloc(mem, 2 * (size_t)ring->cap * sizeof(*wider));
    if (!wider)
        return -ENOMEM;
    for (i = 0; i < ring->n; i++)
        wider[i] = *gn__ring_at(ring, i);
    if (ring->at != ring->first)
        gn__free(mem, ring->at, ring->cap * sizeof(*ring->at));
    ring->at = wider;
    ring->cap *= 2;
    ring->head = 0;
    return 0;
}

void gn__ring_push(struct gn__ring *ring, const struct gn__slice *slice)
{
    *gn__ring_at(ring, ring->n) = *slice;
    ring->n++;
}

struct gn__slice gn__ring_pop(struct gn__ring *ring)
{
    struct gn__slice slice = *gn__ring_at(ring, 0);

    ring->head = (ring->head + 1) & (ring->cap - 1);
    ring->n--;
    return slice;
}
