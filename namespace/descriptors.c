/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Descriptors that guests cost the process, each a share of a pool: the common
 * one of all networks without a number of their own, or the network's own.
 *
 * A guest may have as many as are left for all guests, and no more: alone half
 * of the pool, beside n others that take what they can a share of n + 2. So
 * there is always something left for one that comes later, however many take
 * without end, and it needs no number that fits both two guests and a thousand
 * (Choudhury and Hahne's dynamic threshold).
 */
#include "namespace/descriptors.h"

#include <errno.h>

#include "namespace/internal.h"
#include "namespace/namespace.h"

/* Under the lock, which is the process's. gn__fds_bound() sets its bound. */
static struct gn__fd_pool process_pool = {.max = UINT32_MAX};

void gn__fds_bound(struct gn__engine *engine, uint32_t max)
{
    gn__engine_enter(engine);
    process_pool.max = max;
    gn__engine_leave(engine);
}

void gn__fds_init(struct gn_network *net, uint32_t max)
{
    net->gateway->own_fds.max = max;
    net->fds = max ? &net->gateway->own_fds : &process_pool;
}

static bool may_take(const struct gn__fd_pool *pool,
                     const struct gn__guest *guest)
{
    uint32_t left = pool->n < pool->max ? pool->max - pool->n : 0;

    return guest->n_fds < left &&
           (!guest->limits.max_descriptors ||
            guest->n_fds < guest->limits.max_descriptors);
}

bool gn__fds_left(struct gn__guest *guest)
{
    bool left;

    gn__engine_enter(guest->engine);
    left = !guest->home || may_take(guest->home->fds, guest);
    gn__engine_leave(guest->engine);
    return left;
}

static void descriptor_take(struct gn__guest *guest, struct gn__fd_share *share)
{
    *share = (struct gn__fd_share){.guest = guest,
                                   .gateway = &guest->home->gateway->guest,
                                   .pool = guest->home->fds};
    gn__guest_ref(share->guest);
    gn__guest_ref(share->gateway);
    share->pool->n++;
    guest->n_fds++;
}

int gn__fds_take(struct gn__guest *guest, struct gn__fd_share *share)
{
    int err = 0;

    if (share->guest)
        return 0;
    gn__engine_enter(guest->engine);
    if (!guest->home) {
        err = -ECANCELED;
    } else if (may_take(guest->home->fds, guest)) {
        descriptor_take(guest, share);
    } else {
        gn__guest_drop(guest, GN_DROP_DESCRIPTORS);
        err = -ENOBUFS;
    }
    gn__engine_leave(guest->engine);
    return err;
}

void gn__fds_give(struct gn__fd_share *share)
{
    struct gn__fd_share given = gn__fds_pass(share);

    if (!given.guest)
        return;
    gn__engine_enter(given.guest->engine);
    given.pool->n--;
    given.guest->n_fds--;
    gn__engine_leave(given.guest->engine);
    gn__guest_unref(given.gateway);
    gn__guest_unref(given.guest);
}

struct gn__fd_share gn__fds_pass(struct gn__fd_share *share)
{
    struct gn__fd_share passed = *share;

    *share = (struct gn__fd_share){.guest = NULL};
    return passed;
}
