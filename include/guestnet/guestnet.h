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
 */
#include <guestnet/addr.h>
#include <guestnet/capture.h>
#include <guestnet/egress.h>
#include <guestnet/error.h>
#include <guestnet/export.h>
#include <guestnet/conn.h>
#include <guestnet/ipam.h>
#include <guestnet/link.h>
#include <guestnet/mem.h>
#include <guestnet/namespace.h>
#include <guestnet/network.h>
#include <guestnet/publish.h>
#include <guestnet/resolver.h>
#include <guestnet/sim.h>
#include <guestnet/socket.h>
#include <guestnet/stats.h>
#include <guestnet/version.h>

#endif /* GUESTNET_GUESTNET_H */
