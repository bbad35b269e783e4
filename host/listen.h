/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_LISTEN_H
#define GN_HOST_LISTEN_H

/* Sockets at an address of the own namespace, for listeners and packet conns. */
#include <guestnet/conn.h>

/**
 * Open a non-blocking socket of @type at @address.
 *
 * @out  Owned. Errors are those of gn_listen(), but -EMFILE and -ENOMEM too.
 */
GN_WARN_UNUSED int gn__listen_open(struct gn_namespace *ns, int type,
                                   const char *proto, const char *address,
                                   struct gn_sock **out);

#endif /* GN_HOST_LISTEN_H */
