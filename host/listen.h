/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_LISTEN_H
#define GN_HOST_LISTEN_H

/* Sockets at an address of the own namespace, for listeners and packet conns. */
#include <guestnet/conn.h>

struct gn__target;

/**
 * Read where to listen: numbers, "localhost" and the usual services, nothing
 * that needs a lookup.
 *
 * @why  As gn__target_parse() has it.
 *
 * Returns 0, or -EINVAL with @out undefined.
 */
GN_WARN_UNUSED int gn__listen_parse(const char *proto, const char *address,
                                    struct gn__target *out, char *why,
                                    size_t why_len);

/** Put the number of a usual service in place of its name. -EINVAL. */
GN_WARN_UNUSED int gn__listen_find_service(struct gn__target *target, char *why,
                                           size_t why_len);

/**
 * Open a non-blocking socket there.
 *
 * @out  Owned. Errors are those of gn_listen(), but -EMFILE and -ENOMEM too.
 */
GN_WARN_UNUSED int gn__listen_open(struct gn_namespace *ns,
                                   const struct gn__target *target,
                                   struct gn_sock **out);

#endif /* GN_HOST_LISTEN_H */
