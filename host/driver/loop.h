/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_DRIVER_LOOP_H
#define GN_HOST_DRIVER_LOOP_H

/*
 * The driver in real time: it runs what is due when no other thread is there,
 * and the callbacks. The owner of the loop, and the thread that runs it, make
 * the difference between GN_DRIVE_THREAD, _LOOP and _CALLER.
 */
#include "namespace/namespace.h"

struct gn__loop;

/**
 * Take a share in the driver that @config asks for, which is made with the
 * first share. A share ends with the network that is made on the engine (the
 * driver's gone()), or by gn__loop_give() if none was made.
 *
 * Returns 0, or:
 *   -ENOMEM
 *   -EAGAIN             No thread.
 *   -EMFILE, -ENFILE    No descriptors.
 */
GN_WARN_UNUSED int gn__loop_take(const struct gn_network_config *config,
                                 struct gn__loop **out);
/** If it was the last share, returns when the driver is gone. */
void gn__loop_give(struct gn__loop *loop);

struct gn__engine *gn__loop_engine(struct gn__loop *loop);

/**
 * A network has been made: from here on it is driven. If it fails nothing is
 * driven, and the network has to be closed. Errors: -ENOMEM, -ENOSPC.
 */
GN_WARN_UNUSED int gn__loop_start(struct gn__loop *loop);

#endif /* GN_HOST_DRIVER_LOOP_H */
