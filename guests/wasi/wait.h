/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTS_WASI_WAIT_H
#define GUESTS_WASI_WAIT_H

/*
 * The pending form: what a guest's call waits for, watched on the driving
 * thread. A watch is counted, because a lookup or a wait of the network's may
 * end behind its guest.
 */
#include "guests/wasi/wasi.h"

struct gn__wasi_watch;

/** With one reference, the guest's; NULL: out of memory. */
struct gn__wasi_watch *gn__wasi_watch_new(struct gn_wasi_guest *guest);
struct gn__wasi_watch *gn__wasi_watch_ref(struct gn__wasi_watch *watch);
void gn__wasi_watch_unref(struct gn__wasi_watch *watch);
/** A lookup has ended: the call may go on. On the driving thread. */
void gn__wasi_watch_kick(struct gn__wasi_watch *watch);
/** The guest ends: no callback runs any more. Gives its reference back. NULL is
 *  allowed. */
void gn__wasi_watch_end(struct gn__wasi_watch *watch);

/** Has its namespace ended while it waited, so that no wait ever ends? */
bool gn__wasi_watch_is_over(struct gn__wasi_watch *watch);

#endif /* GUESTS_WASI_WAIT_H */
