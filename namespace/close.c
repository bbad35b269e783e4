/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The end of things, as told to their closer. A callback runs on the driving
 * thread; a thread that closes without one sleeps until then. It must not touch
 * the engine afterwards, which may have gone with its last network, so it
 * sleeps by the driver's operations alone, which for parking need no more than
 * the parker.
 */
#include <string.h>

#include "namespace/lifecycle.h"

static void wake_closer(void *arg)
{
    struct gn__closing *closing = arg;

    closing->driver->unpark(NULL, &closing->parker);
}

void gn__closing_init_wait(struct gn__closing *closing,
                           const struct gn__engine *engine)
{
    memset(closing, 0, sizeof(*closing));
    closing->driver = engine->driver;
    closing->callback = wake_closer;
    closing->arg = closing;
}

void gn__closing_wait(struct gn__closing *closing)
{
    while (!atomic_load_explicit(&closing->parker.woken, memory_order_acquire))
        (void)closing->driver->park(NULL, &closing->parker, GN__NEVER);
}
