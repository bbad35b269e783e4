/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_CONN_DIAL_H
#define GN_HOST_CONN_DIAL_H

/* Dialling for gn_dial() and gn_dial_fd(). */
#include <guestnet/conn.h>

#include "host/conn/target.h"

/** What is to be done. */
struct gn__dial_call {
    struct gn_namespace *from;
    struct gn_network *net;
    struct gn__target target;
    struct gn__endpoint local;
    bool has_local;
    uint64_t timeout_ms;
    gn_dial_cb callback;
    void *arg;
    struct gn_dial **out; /* or NULL */
};

/** Read what the caller says. 0 or -EINVAL. */
GN_WARN_UNUSED int gn__dial_check(const char *proto, const char *address,
                                  const struct gn_dial_options *options,
                                  struct gn__dial_call *out);

/** Begin, from any thread; errors are those of gn_dial(). */
GN_WARN_UNUSED int gn__dial_start(struct gn__dial_call *call);

#endif /* GN_HOST_CONN_DIAL_H */
