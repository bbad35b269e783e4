/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SWITCH_GUEST_H
#define GN_SWITCH_GUEST_H

/*
 * A guest: the owner of ports of the switch. It has the same parts whether it
 * is a namespace (with sockets of ours, or a wire) or a host that the gateway
 * proxies: a name, an account, limits, counters, and the answers to its
 * lookups.
 *
 *     init --(ports attach)--> open --(end)--> ended --(last unref)--> freed()
 *
 * It is embedded in its owner's struct, whose memory stays until freed():
 * things that were begun for a guest (a dial, a descriptor) refer to it beyond
 * its end.
 *
 * Under the engine's lock unless said otherwise.
 */
#include <guestnet/namespace.h>
#include <guestnet/stats.h>

#include "base/addr.h"
#include "base/ref.h"
#include "base/rng.h"
#include "base/table.h"
#include "engine/engine.h"

struct gn__guest;
struct gn__names;
struct gn_namespace;
struct gn_network;
struct gn_resolver;

struct gn__guest {
    struct gn__engine *engine; /* a reference */
    struct gn__ref refs;
    void (*freed)(struct gn__guest *guest); /* with the last of them */
    struct gn_network *home; /* it was created in; NULL: it has ended */
    struct gn_namespace *ns; /* it is one; NULL: it is none */
    struct gn__list ports;   /* struct gn__port.of_owner, as attached */
    struct gn__table_node by_name;
    char name[64];
    char key_name[64];            /* in lower case: the key of by_name */
    char identity[GN__ADDR_TEXT]; /* names what stays over its lives */
    uint32_t life;
    char stream[GN__ADDR_TEXT + 16]; /* what its random streams are named by */
    uint64_t id;                     /* unique in the engine */
    struct gn__account *account;     /* of its callbacks; a reference */
    struct gn_limits limits;
    struct gn_stats stats;
    struct gn__names *names;      /* it was told; NULL: it has no way outside */
    struct gn_resolver *resolver; /* NULL: the network's */
    uint32_t n_fds;               /* held for it (descriptors.c) */
    size_t charged;               /* bytes, the same (charge.c) */
};

struct gn__guest_config {
    void (*freed)(struct gn__guest *guest); /* required */
    struct gn_namespace *ns;                /* NULL: it is none */
    struct gn__account *account;    /* whose its callbacks are; NULL: its own */
    const struct gn_limits *limits; /* zero or NULL: the network's */
    struct gn_resolver *resolver;
    uint32_t life; /* gn_namespace_config.life */
};

/** One reference, the owner's. -ENOMEM, with nothing left behind. */
GN_WARN_UNUSED int gn__guest_init(struct gn__guest *guest,
                                  struct gn_network *net,
                                  const struct gn__guest_config *config);
/**
 * Give it a name, a DNS label (gn__label_is_valid()), by which it is found.
 *
 * @why  One line for a person; NULL: none.
 *
 *   -EADDRINUSE  Another guest of the network has it.   -ENOMEM
 */
GN_WARN_UNUSED int gn__guest_take_name(struct gn__guest *guest,
                                       const char *name, char *why,
                                       size_t why_len);
/** Name its random streams, once, when it has its addresses: by @as; where that
 *  is NULL by its name, else by its first address, else by the number @n. */
void gn__guest_identify(struct gn__guest *guest, const char *as, uint64_t n);
/** Remember what it is told from now on: it has a way outside. -ENOMEM. */
GN_WARN_UNUSED int gn__guest_keep_names(struct gn__guest *guest,
                                        struct gn__rng *rng);
/** Let go of its name and its network; its ports have been detached. What is
 *  queued on its account runs as the host program's. */
void gn__guest_end(struct gn__guest *guest);

/** Any thread, with or without the lock; unref: when nothing of it is used
 *  behind it. */
void gn__guest_ref(struct gn__guest *guest);
void gn__guest_unref(struct gn__guest *guest);

/** Its name, else "ip-" and its first address, else "localhost";
 *  GN__ADDR_TEXT and some suffice. */
void gn__guest_hostname(const struct gn__guest *guest, char *out, size_t cap);
/** Its first address; NULL: none. */
const struct gn__addr *gn__guest_addr(const struct gn__guest *guest);
/** Has it a port there? */
bool gn__guest_is_in(const struct gn__guest *guest,
                     const struct gn_network *net);
/** Count a packet of its own that was dropped, and log it if a limit did it. */
void gn__guest_drop(struct gn__guest *guest, enum gn_drop why);
/** The same for @n of them, without a line. */
static inline void gn__guest_count(struct gn__guest *guest, enum gn_drop why,
                                   uint64_t n)
{
    guest->stats.drops[why] += n;
}

/** The network it was created in; NULL: it has ended. Without the lock. */
struct gn_network *gn__guest_network(struct gn__guest *guest);

/** Zero fields of @limits become those of @defaults. */
void gn__limits_fill(struct gn_limits *limits,
                     const struct gn_limits *defaults);

#endif /* GN_SWITCH_GUEST_H */
