/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_SERVICE_SERVICE_H
#define GN_HOST_SERVICE_SERVICE_H

/*
 * What the files about services of the host's in the network share.
 *
 *     service.c  the calls, and the life of a forwarding
 *     target.c   what gn_forward() was asked for
 *     client.c   a guest's connection or flow
 *
 * A forwarding is a service of a host that the gateway proxies (struct
 * gn__service), whose dials are connected to a socket of the kernel's. All of
 * it lives on the driving thread.
 */
#include <guestnet/forward.h>

#include "host/forward/forward.h"
#include "host/conn/handle.h"
#include "host/driver/reports.h"

/** What gn_forward() was asked for, taken apart. */
struct gn__forward_request {
    int type;      /* SOCK_STREAM, SOCK_DGRAM */
    char name[64]; /* a label, perhaps */
    uint16_t port;
    struct sockaddr_storage target;
    char label[256]; /* "db:5432 -> 127.0.0.1:15432" */
};

struct gn_forwarding {
    struct gn__handle base; /* first */
    struct gn__service service;
    struct gn__forward_request what;
    char **guests; /* NULL-ended; NULL: all */
    uint32_t max_connections;
    uint64_t brief_ns;
    uint64_t assured_ns;
    uint64_t timeout_ns;
    bool proxy;
    gn_audit_cb audit;
    void *audit_arg;
    gn_forwarding_cb event;
    void *event_arg;
    struct gn__reports reports;
    struct gn__list clients;
    struct gn__outside_set flows;
    struct gn_forwarding_stats stats;
};

/* ---- target.c ---- */

/** Errors are those of gn_forward(), with their line. */
GN_WARN_UNUSED int gn__forward_parse(const char *proto, const char *name,
                                     const char *target,
                                     const struct gn_forward_options *options,
                                     struct gn__forward_request *out);

/* ---- client.c ---- */

/** What a guest dials of it. */
extern const struct gn__outside_ops gn__forward_ops;
/** End all of them: guests are told. */
void gn__forward_end_clients(struct gn_forwarding *fwd);

#endif /* GN_HOST_SERVICE_SERVICE_H */
