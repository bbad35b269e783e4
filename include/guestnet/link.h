/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_LINK_H
#define GUESTNET_LINK_H

/*
 * Links and paths: what a packet meets on its way.
 *
 * Every interface has a link to the switch. A packet from A to B goes up A's
 * link and down B's; a link's settings hold in both directions, which have a
 * queue each. A path adds something to one direction between two namespaces.
 *
 * All of it may be set at any time and holds for packets sent from then on;
 * those under way arrive as they would have. A perfect link, the default,
 * costs nothing. Packets keep their order unless reordering is asked for.
 *
 * Single fields may be changed, for good or for a time in the network's time:
 *
 *     struct gn_link_change flap = {.size = sizeof(flap),
 *         .fields = GN_LINK_DOWN, .config.down = true, .for_ms = 2000};
 *     gn_link_change(ns, NULL, &flap);
 *
 * Changes for a time lie on top of what was set for good, and on each other, in
 * the order of the calls. A field has the value of the newest change that names
 * it and is not over, or else what was set for good. So each change takes back
 * what it did and nothing more, whichever ends first. What is set for good,
 * meanwhile, holds at once: changes for a time lose the fields that it names.
 *
 * What is on links takes memory: 1 GiB in all networks that share a driver. It
 * is charged to the sender, on any link. A sender may always have
 * 256 KiB there, and beyond that a quarter of what is left, so many that send
 * all they can leave room for others. More is dropped, and counted at the
 * network and at the sender (GN_DROP_UNDER_WAY).
 *
 * Choices are drawn from a random stream of each link, which follows from the
 * names of network, namespace and interface: under a seed, other links and
 * namespaces change nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/export.h>

GN_BEGIN_DECLS

struct gn_namespace;
struct gn_network;

/** A link's settings; all zero is the perfect link. */
struct gn_link_config {
    size_t size;            /* sizeof this struct; 0 stands for that. */
    uint32_t latency_us;    /* Each packet takes this long, */
    uint32_t jitter_us;     /* give or take up to this much, evenly spread. */
    uint64_t rate_bps;      /* Bits a second; 0: unlimited. */
    uint64_t queue_bytes;   /* What waits for its turn under a rate; more is
                               dropped. 0: what 100 ms at the
                               rate are, and no less than 256 KiB. */
    uint32_t loss_ppm;      /* Of a million packets, so many are lost, */
    uint32_t reorder_ppm;   /* overtake those before them, */
    uint32_t duplicate_ppm; /* arrive twice, */
    uint32_t corrupt_ppm;   /* are damaged: the receiver drops them. */
    bool down;              /* Nothing passes. */
};

/* Fields of struct gn_link_config. */
#define GN_LINK_LATENCY   (1u << 0) /* latency_us */
#define GN_LINK_JITTER    (1u << 1) /* jitter_us */
#define GN_LINK_RATE      (1u << 2) /* rate_bps */
#define GN_LINK_QUEUE     (1u << 3) /* queue_bytes */
#define GN_LINK_LOSS      (1u << 4) /* loss_ppm */
#define GN_LINK_REORDER   (1u << 5) /* reorder_ppm */
#define GN_LINK_DUPLICATE (1u << 6) /* duplicate_ppm */
#define GN_LINK_CORRUPT   (1u << 7) /* corrupt_ppm */
#define GN_LINK_DOWN      (1u << 8) /* down */

/** A change of some of a link's settings. */
struct gn_link_change {
    size_t size;                  /* sizeof this struct. Required. */
    uint32_t fields;              /* GN_LINK_LATENCY and its like, one or more:
                                     what is not named stays as it is, */
    struct gn_link_config config; /* whatever this says. */
    uint64_t for_ms; /* After so long it is taken back; 0: never. */
};

/** A path's settings; all zero removes what was set. */
struct gn_path_config {
    size_t size;         /* sizeof this struct; 0 stands for that. */
    uint32_t latency_us; /* In addition to the links'. */
    uint32_t loss_ppm;   /* Of a million packets, so many are lost. */
    bool block;          /* Nothing passes. */
    bool hold;           /* Packets wait until hold is cleared, and then go on
                            in order; up to 1024 packets, more are dropped. */
};

/* Fields of struct gn_path_config. */
#define GN_PATH_LATENCY (1u << 0) /* latency_us */
#define GN_PATH_LOSS    (1u << 1) /* loss_ppm */
#define GN_PATH_BLOCK   (1u << 2) /* block */
#define GN_PATH_HOLD    (1u << 3) /* hold */

/** A change of some of a path's settings. */
struct gn_path_change {
    size_t size;     /* sizeof this struct. Required. */
    uint32_t fields; /* GN_PATH_LATENCY and its like, as gn_link_change's. */
    struct gn_path_config config;
    uint64_t for_ms; /* After so long it is taken back; 0: never. */
};

/**
 * Set the link of an interface, all of it for good.
 *
 * @interface  Its name; NULL: "eth0".
 * @config     Copied. NULL: the perfect link.
 *
 * Returns 0, or with nothing changed:
 *   -EINVAL  An argument is NULL, a probability is above 1,000,000, the size
 *            is unknown, or the interface is lo.
 *   -ENODEV  There is no such interface.
 */
GN_API GN_WARN_UNUSED int gn_link_set(struct gn_namespace *ns,
                                      const char *interface,
                                      const struct gn_link_config *config);

/**
 * Change some settings of an interface's link, for good or for a time.
 *
 * @interface  Its name; NULL: "eth0".
 * @change     Copied.
 *
 * Returns 0, or with nothing changed:
 *   -EINVAL  An argument is NULL, no field is named or an unknown one, a
 *            probability that is named is above 1,000,000, a size is unknown,
 *            or the interface is lo.
 *   -ENODEV  There is no such interface.
 *   -ENOMEM  Out of memory.
 */
GN_API GN_WARN_UNUSED int gn_link_change(struct gn_namespace *ns,
                                         const char *interface,
                                         const struct gn_link_change *change);

/** The settings of a link as they are now. Returns 0, -EINVAL or -ENODEV. */
GN_API GN_WARN_UNUSED int gn_link_get(struct gn_namespace *ns,
                                      const char *interface,
                                      struct gn_link_config *out);

/**
 * Set what packets from one namespace to another meet in @net on top of the
 * links, all of it for good. It is gone with either of them.
 *
 * @config  Copied. NULL: nothing.
 *
 * Returns 0, or with nothing changed:
 *   -EINVAL  An argument is NULL, a probability is above 1,000,000, or the
 *            size is unknown.
 *   -ENODEV  One of them has no interface in @net.
 *   -ENOMEM  Out of memory.
 */
GN_API GN_WARN_UNUSED int gn_path_set(struct gn_network *net,
                                      struct gn_namespace *from,
                                      struct gn_namespace *to,
                                      const struct gn_path_config *config);

/**
 * Change some settings of a path, for good or for a time.
 *
 * @change  Copied. What a hold has kept goes on when the change is taken back.
 *
 * Returns 0, or with nothing changed what gn_path_set() does; -EINVAL also if
 * no field is named or an unknown one.
 */
GN_API GN_WARN_UNUSED int gn_path_change(struct gn_network *net,
                                         struct gn_namespace *from,
                                         struct gn_namespace *to,
                                         const struct gn_path_change *change);

GN_END_DECLS

#endif /* GUESTNET_LINK_H */
