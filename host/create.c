/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_network_create() picks the driver, which is why it stands above drivers
 * and networks.
 */
#include <guestnet/network.h>
#include <guestnet/sim.h>

#include <errno.h>

#include "base/config.h"
#include "host/thread.h"
#include "namespace/namespace.h"
#include "sim/sim.h"

static int create_threaded(const struct gn_network_config *config,
                           struct gn_network **out)
{
    struct gn__thread *thread;
    int err;

    err = gn__thread_take(config->alloc, &thread);
    if (err)
        return err;
    err = gn__network_create(gn__thread_engine(thread), config, out);
    if (err)
        gn__thread_give(thread);
    return err;
}

static int create_on_clock(const struct gn_network_config *config,
                           struct gn_clock *clock, struct gn_network **out)
{
    int err;

    gn__clock_take(clock);
    err = gn__network_create(gn__clock_engine(clock), config, out);
    if (err)
        gn__clock_give(clock);
    return err;
}

/* A clock of its own is closed at once, and goes with the network. */
static int create_virtual(const struct gn_network_config *config,
                          struct gn_network **out)
{
    struct gn_clock_config own = {
        .size = sizeof(own), .seed = config->seed, .alloc = config->alloc};
    struct gn_clock *clock;
    int err;

    if (config->clock)
        return create_on_clock(config, config->clock, out);
    err = gn_clock_create(&own, &clock);
    if (err)
        return err;
    err = create_on_clock(config, clock, out);
    gn_clock_close(clock);
    return err;
}

int gn_network_create(const struct gn_network_config *config,
                      struct gn_network **out)
{
    static const struct gn_network_config defaults = {.size = sizeof(defaults)};

    if (!config)
        config = &defaults;
    if (!out || !gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL; /* Not even `why` may be believed. */
    switch (config->drive) {
    case GN_DRIVE_THREAD:
        if (config->clock)
            return gn__why(config->why, config->why_len,
                           "clock: only with GN_DRIVE_VIRTUAL");
        return create_threaded(config, out);
    case GN_DRIVE_VIRTUAL:
        return create_virtual(config, out);
    case GN_DRIVE_LOOP:
    case GN_DRIVE_CALLER:
        return -ENOTSUP;
    default:
        return gn__why(config->why, config->why_len, "drive: no such one");
    }
}
