/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/driver/drive.h"

#include <errno.h>

/* On the stack of the thread that waits. */
struct carried {
    struct gn__call base;
    int (*call)(void *arg);
    void *arg;
    int result;
    const struct gn__engine *engine;
    struct gn__parker parker;
};

static void drive_run(struct gn__call *base, int status)
{
    struct carried *carried = gn__container_of(base, struct carried, base);
    const struct gn__engine *engine = carried->engine;

    carried->result = status ? status : carried->call(carried->arg);
    engine->driver->unpark(engine->driver_self, &carried->parker);
}

/* Another thread's: the driver's operations need its reference to the engine
 * while it sleeps, because the network may be gone. */
static int drive_carry(struct gn_network *net, int (*call)(void *arg),
                       void *arg)
{
    struct gn__engine *engine = gn__network_engine(net);
    struct carried carried = {
        .base.run = drive_run, .call = call, .arg = arg, .engine = engine};
    int err;

    gn__engine_ref(engine);
    err = gn__network_call(net, &carried.base);
    if (!err) {
        while (
            !atomic_load_explicit(&carried.parker.woken, memory_order_acquire))
            (void)engine->driver->park(engine->driver_self, &carried.parker,
                                       GN__NEVER);
        err = carried.result;
    }
    gn__engine_unref(engine);
    return err;
}

int gn__drive_call(struct gn_network *net, int (*call)(void *arg), void *arg)
{
    if (!gn__engine_is_driving(gn__network_engine(net)))
        return drive_carry(net, call, arg);
    if (gn__network_is_closing(net))
        return -ECANCELED;
    return call(arg);
}
