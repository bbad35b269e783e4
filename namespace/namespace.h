/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_NAMESPACE_H
#define GN_NAMESPACE_NAMESPACE_H

/*
 * What the drivers and the rest of host/ need of networks and namespaces: an
 * engine to drive, a network made on it, and sockets to show as descriptors.
 * gn_network_create() picks the driver and is above both.
 */
#include <guestnet/namespace.h>
#include <guestnet/network.h>

#include "namespace/engine.h"
#include "namespace/outside.h"
#include "namespace/sock.h"
#include "namespace/sock_system.h"

/**
 * Create a network on @engine, of which it takes a reference; the driver's
 * gone() is called when the network is gone. @config is not NULL; its drive,
 * clock and allocator have been looked at by the caller. Errors are those of
 * gn_network_create().
 */
GN_WARN_UNUSED int gn__network_create(struct gn__engine *engine,
                                      const struct gn_network_config *config,
                                      struct gn_network **out);

/** The engine a network is on. */
struct gn__engine *gn__network_engine(const struct gn_network *net);

/** Write one line for the caller's `why`, if there is one. Returns -EINVAL. */
int gn__why(char *why, size_t why_len, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* GN_NAMESPACE_NAMESPACE_H */
