/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_WAY_H
#define BENCH_WAY_H

/*
 * From a client to a server by one of these ways. Boxes are network namespaces
 * with a TAP device (box.h), guests are namespaces of ours, and the host is
 * where the process began. A process makes one way, and closes nothing.
 */
#include "connect.h"

enum way_kind {
    WAY_LOOPBACK = 0, /* The kernel's, of the host. */
    WAY_TAP_LOOP,     /* Two boxes whose devices a plain loop joins. */
    WAY_VETH,         /* Two boxes that the kernel joins. */
    WAY_BOX_TO_BOX,
    WAY_BOX_TO_HOST,
    WAY_BOX_TO_GUEST,
    WAY_HOST_TO_BOX, /* By a published port. */
    WAY_GUEST_TO_HOST,
    WAY_PASTA, /* From its network namespace to the host. */
    WAY_SLIRP4NETNS,
    WAY_N_KINDS
};

struct way {
    enum way_kind kind;
    uint32_t mtu; /* Of devices. */
    struct site client;
    struct course course;
    int host;   /* The host's network namespace. */
    pid_t peer; /* The program of another way; 0: none. */
    struct gn_network *net;
    struct gn_egress *egress;
};

/** The calling thread is where the client is, then. -ENOTSUP: it cannot be made
 *  on this machine; why has been printed. */
int way_open(struct way *way, enum way_kind kind, uint32_t mtu);
/** A connection: ends[0] is the client's. Without Nagle. */
int way_visit(const struct way *way, struct end ends[2]);

#endif /* BENCH_WAY_H */
