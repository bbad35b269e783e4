/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/outsider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void outsider_freed(struct gn__guest *guest)
{
    free(guest);
}

struct gn__guest *gn_outsider_create(struct gn_network *net,
                                     const struct gn_limits *limits)
{
    const struct gn__guest_config config = {.freed = outsider_freed,
                                            .limits = limits};
    struct gn__guest *guest = malloc(sizeof(*guest));

    assert_non_null(guest);
    assert_int_equal(gn__guest_init(guest, net, &config), 0);
    return guest;
}

void gn_outsider_end(struct gn__guest *guest)
{
    gn__guest_end(guest);
    gn__guest_unref(guest);
}

void gn_outsider_own(struct gn__port *port, const char *const *texts)
{
    char why[128] = "";

    for (; *texts; texts++) {
        if (gn__port_take_addr(port, *texts, why, sizeof(why)))
            fail_msg("%s: %s", *texts, why);
    }
    gn__guest_identify(port->owner, NULL, port->owner->id);
    gn__port_identify(port, "eth0");
}
