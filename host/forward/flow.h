/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_FLOW_H
#define GN_FORWARD_FLOW_H

/*
 * Flows of datagrams from clients outside to a guest's port: those of one
 * published port, of one that a listen rule shows, or of one that hooks serve.
 * A flow is a client and the address of the machine that it sent to, from which
 * it gets its answers.
 *
 * The front end says where a client is to go and takes the answers; what a flow
 * is to the guest, and when it ends, is namespace/gateway/flow.c's. All of it
 * is for the driving thread.
 */
#include "base/list.h"
#include "base/table.h"
#include "host/forward/dgram.h"
#include "namespace/namespace.h"

struct gn__flow_table;

/** The front end's part. */
struct gn__flow_ops {
    const char *name;
    /** Where this client is to go: 0; -EAGAIN, it is being looked up and
     *  gn__flow_found() will be called; or why it goes nowhere. */
    int (*target)(struct gn__flow_table *table,
                  const struct gn__endpoint *client, struct gn__endpoint *out);
    /** A client got no flow, or the guest said that no socket hears there.
     *  NULL: nothing happens. */
    void (*turned_away)(struct gn__flow_table *table,
                        const struct gn__endpoint *client, int why);
    /** An answer to dgram->peer, to be sent from dgram->local. False: it was
     *  not taken, which is counted as the kernel's doing. */
    bool (*answer)(struct gn__flow_table *table, const struct gn__dgram *dgram);
};

/** What has happened to them. */
struct gn__flow_counts {
    uint64_t begun;
    uint64_t unreached;  /* ended, or not begun: the guest was not there */
    uint64_t as_gateway; /* the client could not be shown */
    uint64_t evicted;    /* made room for others */
    uint64_t dropped;    /* datagrams */
};

struct gn__flow_table {
    const struct gn__flow_ops *ops;
    struct gn_network *net;
    struct gn__io *io;
    struct gn__table flows; /* struct gn__flow */
    struct gn__outside_set set;
    struct gn__list waiting; /* struct gn__flow, for their target */
    uint32_t n_waiting;
    bool as_gateway;
    uint64_t brief_ns;   /* idle; 0: as Linux */
    uint64_t assured_ns; /* the same */
    struct gn__flow_counts counts;
};

/** @max  Flows at once; of more the one that is idle longest makes room. */
void gn__flow_table_init(struct gn__flow_table *table,
                         const struct gn__flow_ops *ops, struct gn_network *net,
                         struct gn__io *io, uint32_t max);
/** End all flows; none of the front end's functions is called any more. */
void gn__flow_table_done(struct gn__flow_table *table);

/** A datagram from a client, dgram->peer, to dgram->local. */
void gn__flow_receive(struct gn__flow_table *table,
                      const struct gn__dgram *dgram);
/** The target of those that wait is known, or never will be. */
void gn__flow_found(struct gn__flow_table *table);
/** ICMP said that an answer did not arrive: the guest is told. */
void gn__flow_unreach(struct gn__flow_table *table,
                      const struct gn__dgram_error *error);
/** Flows now. */
static inline size_t gn__flow_count(const struct gn__flow_table *table)
{
    return gn__table_count(&table->flows);
}

#endif /* GN_FORWARD_FLOW_H */
