/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_GUESTNET_H
#define GUESTNET_GUESTNET_H

/*
 * All of the library's interface.
 *
 * What holds everywhere: results are 0 or a negative errno; outputs come last
 * and are written only on success; a configuration begins with its own size,
 * and zero in a field selects the default its comment names. A request whose
 * call returned an error never calls back; one that returned 0 calls back
 * exactly once, later, on the driving thread.
 *
 * The handle of a request (gn_dial(), gn_lookup() and its like,
 * gn_timer_start(), gn_wait_start()):
 *
 *     gn_lookup(ns, "ip", "db", found, arg, &lookup)   NULL: no handle
 *     gn_lookup_cancel(lookup)                         as often as you like
 *     gn_lookup_unref(lookup)                          once
 *
 * It is counted, and good until its owner lets go of it, whatever happens to
 * the request, its namespace or its network meanwhile. Cancelling is for any
 * thread under GN_DRIVE_THREAD, and does nothing when the callback has run.
 * When it returns before the callback has begun, the callback gets -ECANCELED.
 * Neither starting nor cancelling a request waits for the driving thread: both
 * may be done under a lock that the callback takes.
 *
 * What is handed to hooks of yours (the gn_egress_dial of an egress, the
 * gn_lookup of a resolver) is the library's. It is good until you end it, or
 * until your cancel() for it has returned; ending it does not wait either, so
 * the lock that cancel() takes may be held.
 */
#include <guestnet/addr.h>
#include <guestnet/capture.h>
#include <guestnet/egress.h>
#include <guestnet/error.h>
#include <guestnet/export.h>
#include <guestnet/forward.h>
#include <guestnet/conn.h>
#include <guestnet/ipam.h>
#include <guestnet/link.h>
#include <guestnet/machine.h>
#include <guestnet/mem.h>
#include <guestnet/namespace.h>
#include <guestnet/network.h>
#include <guestnet/plan.h>
#include <guestnet/nic.h>
#include <guestnet/publish.h>
#include <guestnet/resolver.h>
#include <guestnet/sim.h>
#include <guestnet/socket.h>
#include <guestnet/stats.h>
#include <guestnet/task.h>
#include <guestnet/timer.h>
#include <guestnet/version.h>
#include <guestnet/wasi.h>

#endif /* GUESTNET_GUESTNET_H */
