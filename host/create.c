/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_network_create() picks the driver, which is why it stands above drivers
 * and networks.
 */
#include <guestnet/network.h>
#include <guestnet/sim.h>

#include <errno.h>
#include <sys/resource.h>

#include "base/config.h"
#include "base/text.h"
#include "host/driver/loop.h"
#include "namespace/namespace.h"
#include "sim/sim.h"

/* Half of what the process may open is for guests. */
static uint32_t guests_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / 2 > UINT32_MAX)
        return UINT32_MAX;
    return (uint32_t)(limit.rlim_cur / 2);
}

static int create_on_loop(const struct gn_network_config *config,
                          struct gn_network **out)
{
    struct gn_network *net;
    struct gn__loop *loop;
    int err;

    err = gn__loop_take(config, &loop);
    if (err)
        return err;
    gn__fds_bound(gn__loop_engine(loop), guests_descriptors());
    err = gn__network_create(gn__loop_engine(loop), config, &net);
    if (err) {
        gn__loop_give(loop);
        return err;
    }
    err = gn__loop_start(loop);
    if (err)
        gn_network_close(net, NULL, NULL); /* This is its driving thread. */
    else
        *out = net;
    return err;
}

static int create_on_clock(const struct gn_network_config *config,
                           struct gn_clock *clock, struct gn_network **out)
{
    int err = gn__clock_take(clock);

    if (err)
        return err;
    err = gn__network_create(gn__clock_engine(clock), config, out);
    if (err)
        gn__clock_give(clock);
    else
        gn__clock_watch(clock, *out);
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

static int check_drive(const struct gn_network_config *config)
{
    char *why = config->why;

    if ((unsigned)config->drive >= GN_N_DRIVES)
        return gn__text_refuse(why, config->why_len, "drive: no such one");
    if (config->clock && config->drive != GN_DRIVE_VIRTUAL)
        return gn__text_refuse(why, config->why_len,
                               "clock: only with GN_DRIVE_VIRTUAL");
    if (config->loop && config->drive != GN_DRIVE_LOOP)
        return gn__text_refuse(why, config->why_len,
                               "loop: only with GN_DRIVE_LOOP");
    if (!config->loop && config->drive == GN_DRIVE_LOOP)
        return gn__text_refuse(why, config->why_len,
                               "loop: GN_DRIVE_LOOP needs a libuv loop");
    return 0;
}

int gn_network_create(const struct gn_network_config *config,
                      struct gn_network **out)
{
    static const struct gn_network_config defaults = {.size = sizeof(defaults)};
    int err;

    if (!config)
        config = &defaults;
    if (!out || !gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL; /* Not even `why` may be believed. */
    err = check_drive(config);
    if (err)
        return err;
    return config->drive == GN_DRIVE_VIRTUAL ? create_virtual(config, out)
                                             : create_on_loop(config, out);
}
