/* SPDX-License-Identifier: BSD-3-Clause */
#include "namespace/charge.h"

#include <errno.h>

#include "namespace/internal.h"

int gn__charge_take(struct gn__guest *guest, size_t bytes,
                    struct gn__charge *charge)
{
    bool fits;

    gn__engine_enter(guest->engine);
    fits = guest->charged + bytes <= guest->limits.max_buffered;
    if (fits)
        guest->charged += bytes;
    else
        gn__guest_drop(guest, GN_DROP_MEMORY);
    gn__engine_leave(guest->engine);
    if (!fits)
        return -ENOBUFS;
    gn__guest_ref(guest);
    *charge = (struct gn__charge){.guest = guest, .bytes = bytes};
    return 0;
}

void gn__charge_give(struct gn__charge *charge)
{
    struct gn__guest *guest = charge->guest;

    if (!guest)
        return;
    gn__engine_enter(guest->engine);
    guest->charged -= charge->bytes;
    gn__engine_leave(guest->engine);
    *charge = (struct gn__charge){.guest = NULL};
    gn__guest_unref(guest);
}
