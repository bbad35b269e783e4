/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/capture_hook.h"

#include "switch/internal.h"

void gn__capture_hook_start(struct gn_network *net,
                            const struct gn__guest *only,
                            struct gn__capture_hook *hook)
{
    hook->only = only ? only->id : 0;
    gn__list_add_tail(&net->capture_hooks, &hook->link);
}

void gn__capture_hook_stop(struct gn__capture_hook *hook)
{
    gn__list_del(&hook->link);
}

static bool belongs_to(const struct gn__port *port, uint64_t id)
{
    return port && port->owner && port->owner->id == id;
}

void gn__capture_hooks_see(struct gn_network *net,
                           const struct gn__packet *packet)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &net->capture_hooks) {
        struct gn__capture_hook *hook =
            gn__container_of(it, struct gn__capture_hook, link);

        if (!hook->only || belongs_to(gn__packet_from(packet), hook->only) ||
            belongs_to(gn__packet_to(packet), hook->only))
            hook->seen(hook, packet);
    }
}
