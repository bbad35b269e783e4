/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SWITCH_SWITCH_H
#define GN_SWITCH_SWITCH_H

/*
 * The switch: what the layers above know of it. switch/port.h has what it takes
 * to attach something.
 */
#include "switch/capture_hook.h"
#include "switch/log.h"
#include "switch/names.h"
#include "switch/network.h"
#include "switch/port.h"

/** What the switch keeps with an engine. */
struct gn__gates {
    struct gn__gate *free;
    struct gn__list blocks;
};

/** Parts of gn__engine_user.init and .done; the room begins with a struct
 *  gn__gates. */
void gn__switch_init(struct gn__engine *engine);
void gn__switch_done(struct gn__engine *engine);

/** Give @port a gate and a generation. Returns 0 or -ENOMEM. */
GN_WARN_UNUSED int gn__gate_take(struct gn__engine *engine,
                                 struct gn__port *port);
void gn__gate_give(struct gn__engine *engine, struct gn__port *port);
/** The port behind a gate, or NULL if it is another one by now. */
static inline struct gn__port *gn__gate_port(const struct gn__gate *gate,
                                             uint64_t generation)
{
    return gate && gate->generation == generation ? gate->port : NULL;
}

/** The receiver and the sender of a packet; NULL: gone. */
static inline struct gn__port *gn__packet_to(const struct gn__packet *packet)
{
    return gn__gate_port(packet->to, packet->to_generation);
}

static inline struct gn__port *gn__packet_from(const struct gn__packet *packet)
{
    return gn__gate_port(packet->from, packet->from_generation);
}

/** Address a packet that goes to @to at once, by the direct path. */
void gn__packet_address(struct gn__packet *packet, const struct gn__port *from,
                        const struct gn__port *to);

/** gn__engine_user.arrived. */
void gn__switch_arrived(struct gn__engine *engine, struct gn__packet *packet);

/* ---- links, paths ---- */

/** How slow it is at worst, ns; 0 for the perfect one. */
uint64_t gn__link_slowness(const struct gn__link *link);
/** gn_link_change() of the link of an attached port: -EINVAL, -ENOMEM. */
GN_WARN_UNUSED int gn__link_change(struct gn__port *port,
                                   const struct gn_link_change *change);
/** Is its size known (zero: this one), and are its portions at most all? */
bool gn__link_config_is_valid(const struct gn_link_config *config);
/** The same for all fields, for good: -EINVAL. @config NULL: perfect. */
GN_WARN_UNUSED int gn__link_set(struct gn__port *port,
                                const struct gn_link_config *config);

/** One direction between two parties; in net->paths. */
struct gn__path {
    struct gn__table_node node;
    struct gn_network *net;
    uint64_t key[2]; /* the parties: from, to */
    struct gn_path_config config;
    struct gn__changes *changes; /* for a time; NULL: none */
    struct gn__rng rng;
    uint64_t last_arrival; /* keeps order */
    struct gn__packet *held_head;
    struct gn__packet **held_tail;
    unsigned n_held;
};

struct gn__path *gn__path_of(const struct gn_network *net,
                             const struct gn__port *from,
                             const struct gn__port *to);
/** gn_path_change(): -EINVAL, -ENODEV, -ENOMEM. */
GN_WARN_UNUSED int gn__path_change(struct gn_network *net,
                                   const struct gn__guest *from,
                                   const struct gn__guest *to,
                                   const struct gn_path_change *change);
/** The same for all fields, for good. @config NULL: nothing lies between. */
GN_WARN_UNUSED int gn__path_set(struct gn_network *net,
                                const struct gn__guest *from,
                                const struct gn__guest *to,
                                const struct gn_path_config *config);
/** Drop the paths from and to a party; 0: all of them. */
void gn__paths_end(struct gn_network *net, uint64_t party);

/* ---- groups ---- */

/** Packets to @addr are for @port, too; counted. -ENOMEM. */
GN_WARN_UNUSED int gn__group_join(struct gn__port *port,
                                  const struct gn__addr *addr);
/** Counted; @all: whatever the count. */
void gn__group_leave(struct gn__port *port, const struct gn__addr *addr,
                     bool all);
/** The address under which broadcasts of all kinds are spread. */
struct gn__addr gn__group_broadcast(void);

/* ---- limits ---- */

/** Take a token for one of @per_second things; false if there is none. */
bool gn__bucket_take(struct gn__bucket *bucket, uint64_t now,
                     uint32_t per_second);

#endif /* GN_SWITCH_SWITCH_H */
