/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SWITCH_CAPTURE_HOOK_H
#define GN_SWITCH_CAPTURE_HOOK_H

/*
 * Looking at what a network carries: a hook sees every packet that the switch
 * hands to a receiver, or those of one namespace only. Packets that a link or a
 * path loses are not among them, and what stays within a guest (its lo) never
 * gets to the switch.
 */
#include "engine/engine.h"

struct gn__guest;
struct gn_network;

/** Embedded. */
struct gn__capture_hook {
    struct gn__list link; /* in net->capture_hooks */
    uint64_t only;        /* of which guest (its id); 0: all */
    /** Under the engine's lock; the packet is only looked at. */
    void (*seen)(struct gn__capture_hook *hook,
                 const struct gn__packet *packet);
};

/** @only: NULL, or the guest whose packets are wanted; one that has ended
 *  has none any more. hook->seen is set. Inside the engine. */
void gn__capture_hook_start(struct gn_network *net,
                            const struct gn__guest *only,
                            struct gn__capture_hook *hook);
/** Inside the engine, or when the network is gone. */
void gn__capture_hook_stop(struct gn__capture_hook *hook);

#endif /* GN_SWITCH_CAPTURE_HOOK_H */
