/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/capture_hook.h"

#include "switch/internal.h"

void gn__tap_start(struct gn_network *net, const struct gn__guest *only,
                   struct gn__tap *tap)
{
    tap->only = only ? only->id : 0;
    gn__list_add_tail(&net->taps, &tap->link);
}

void gn__tap_stop(struct gn__tap *tap)
{
    gn__list_del(&tap->link);
}

static bool belongs_to(const struct gn__port *port, uint64_t id)
{
    return port && port->owner && port->owner->id == id;
}

void gn__taps_see(struct gn_network *net, const struct gn__packet *packet)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &net->taps) {
        struct gn__tap *tap = gn__container_of(it, struct gn__tap, link);

        if (!tap->only || belongs_to(gn__packet_from(packet), tap->only) ||
            belongs_to(gn__packet_to(packet), tap->only))
            tap->seen(tap, packet);
    }
}
