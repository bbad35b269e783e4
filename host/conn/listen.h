/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_CONN_LISTEN_H
#define GN_HOST_CONN_LISTEN_H

/* Sockets at an address of the own namespace, for listeners and packet
 * conns. */
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

/** Where the connections of a listener go, instead of to a callback. On the
 *  driving thread. */
struct gn__taker_ops {
    const char *name;
    /** Take @conn. -EAGAIN: not yet; the listener keeps it, pauses and offers
     *  it again. Any other result: it is the taker's. */
    int (*take)(void *arg, struct gn_conn *conn);
    /** The listener has stopped: its last call. */
    void (*stopped)(void *arg);
};

/**
 * Listen for a taker; the listener is ended as any other. On error the taker
 * is not called. Errors are those of gn_listen().
 */
GN_WARN_UNUSED int gn__listen_with(struct gn_namespace *ns,
                                   const struct gn__target *target,
                                   const struct gn__taker_ops *taker, void *arg,
                                   struct gn_listener **out);

#endif /* GN_HOST_CONN_LISTEN_H */
