/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_DRIVER_DRIVE_H
#define GN_HOST_DRIVER_DRIVE_H

/*
 * Getting onto the driving thread, where everything of the host's side lives.
 *
 * Under GN_DRIVE_THREAD the public calls come from any thread; those that touch
 * a struct gn__io, or objects that callbacks touch, are carried over to the
 * driving thread and waited for there. On the driving thread itself, and so
 * under every other drive, that is a plain call.
 */
#include <guestnet/network.h>

#include "base/io.h"
#include "namespace/namespace.h"

/** The network's descriptors, timers and turns, made when first asked for. On
 *  the driving thread. NULL: no memory, or the network is closing. */
struct gn__io *gn__network_io(struct gn_network *net);
/** Has it descriptors of the kernel's at all? Not under a virtual clock. On the
 *  driving thread. */
bool gn__network_has_descriptors(struct gn_network *net);

/**
 * Run @call on the driving thread of @net and return what it returned. Another
 * thread waits; no lock is held. -ECANCELED: the network is closing.
 */
int gn__drive_call(struct gn_network *net, int (*call)(void *arg), void *arg);

#endif /* GN_HOST_DRIVER_DRIVE_H */
