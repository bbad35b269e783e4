/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SWITCH_INTERNAL_H
#define GN_SWITCH_INTERNAL_H

/*
 * What the files of the switch share. A packet's way through it:
 *
 *     gn__switch_send()        source check, which port has the next hop
 *        |                     the sender's link, then the path
 *     (under way, at_switch)
 *        |
 *     gn__switch_pass()        held paths, MTU, the receiver's link
 *        |
 *     (under way)
 *        |
 *     gn__switch_arrived()     is the receiver still the same? deliver
 *
 * Where links are perfect and no path is set, nothing is under way: the packet
 * goes from send() to the engine's queue in one call.
 *
 * Groups (broadcast is one) are ports too: a packet for a group goes up the
 * sender's link to the group's gate, which spreads copies a few at a time.
 */
#include "switch/switch.h"

/** Bytes on links in all of an engine. A sender that has less than the least
 *  there is never refused; beyond, it may have a quarter of what is left. */
#define GN__UNDER_WAY_MAX   (1024u * 1024 * 1024)
#define GN__UNDER_WAY_LEAST (256u * 1024)
#define GN__UNDER_WAY_SHARE 4u
/** Packets that a held path keeps. */
#define GN__PATH_HELD_MAX 1024u
/** Broadcasts of one group that wait until those before them are spread. */
#define GN__GROUP_WAITING_MAX 64u

/* ---- change.c ---- */

/** A field of a struct of settings. */
struct gn__field {
    size_t offset, size;
};
#define GN__FIELD(type, name)                           \
    {                                                   \
        offsetof(type, name), sizeof(((type *)0)->name) \
    }

/** Settings that can be changed by field: a link's, or a path's. */
struct gn__settings_kind {
    size_t size;
    const struct gn__field *fields; /* in the order of their bits */
    unsigned n_fields;
    /** They are these from now on. Under the lock. */
    void (*apply)(void *owner, const void *settings);
};

/** Are these fields of it, and at least one? */
bool gn__fields_are_known(const struct gn__settings_kind *kind,
                          uint32_t fields);
/** Copy these fields of @from to @to. */
void gn__fields_copy(const struct gn__settings_kind *kind, uint32_t fields,
                     const void *from, void *to);

/** What is set for a time. */
struct gn__lease {
    const struct gn__settings_kind *kind;
    void *owner;
    const void *now; /* the owner's settings */
    uint32_t fields;
    const void *values;
    uint64_t for_ms;
};
/** Apply it, and take it back in time. @changes: where the owner has them.
 *  Returns 0, or -ENOMEM with nothing changed. */
GN_WARN_UNUSED int gn__changes_add(struct gn__changes **changes,
                                   struct gn__engine *engine,
                                   const struct gn__lease *lease);
/** These fields are set for good by the owner. */
void gn__changes_yield(struct gn__changes **changes, uint32_t fields,
                       const void *values);
/** The owner ends. */
void gn__changes_end(struct gn__changes **changes);

/* ---- port.c ---- */

/** A packet for what is behind the port (consumed). */
void gn__port_deliver(struct gn__port *port, struct gn__packet *packet);

/* ---- switch.c ---- */

/** A packet with `from` and `to` is at the switch at @when (consumed): the
 *  path, and then what is left of its way. */
void gn__switch_forward(struct gn_network *net, struct gn__packet *packet,
                        uint64_t when);
/** The rest of the way, from the switch to packet->to (consumed). */
void gn__switch_pass(struct gn_network *net, struct gn__packet *packet);
/** From a port up its link (consumed); it has been addressed. */
void gn__switch_climb(struct gn_network *net, struct gn__port *from,
                      struct gn__packet *packet);
/** Count and free. */
void gn__switch_drop(struct gn_network *net, struct gn__packet *packet,
                     enum gn_drop why);

/* ---- hold.c ---- */

/** Keep a packet (consumed) of a held port, until it is let go. */
void gn__port_keep(struct gn__port *port, enum gn__port_way way,
                   struct gn__packet *packet);
/** Drop what is kept; the port goes. */
void gn__port_forget_held(struct gn__port *port);

/* ---- capture_hook.c ---- */

/** Show a packet, which has `from` and `to`, to the capture hooks. */
void gn__capture_hooks_see(struct gn_network *net,
                           const struct gn__packet *packet);

/* ---- link.c ---- */

/** A perfect link whose random stream is derived from @key by @name. */
void gn__link_init(struct gn__link *link, const uint64_t key[2],
                   const char *name);
/** What a link does to one packet. */
struct gn__crossing {
    enum gn_drop drop; /* GN_DROP_NONE: it arrives */
    uint64_t arrival;
    bool duplicate;
    bool corrupt;
};
void gn__link_cross(struct gn__link *link, struct gn__link_state *dir,
                    const struct gn__packet *packet, uint64_t at,
                    struct gn__crossing *out);
/** Damage a packet, in a copy of its own. Returns 0 or -ENOMEM. */
GN_WARN_UNUSED int gn__packet_damage(struct gn__packet *packet,
                                     struct gn__rng *rng);
/** True with a probability of @ppm in a million. */
bool gn__draw_ppm(struct gn__rng *rng, uint32_t ppm);

/* ---- path.c ---- */

/** Move *@when on; or say why the packet is dropped. */
enum gn_drop gn__path_cross(struct gn__path *path, uint64_t *when);
/** Keep a packet while the path is held (consumed). */
void gn__path_hold(struct gn_network *net, struct gn__path *path,
                   struct gn__packet *packet);
/* ---- group.c ---- */

/** A port that wants the packets to an address. */
struct gn__member {
    struct gn__list of_group;
    struct gn__list of_port; /* in port->groups */
    struct gn__group *group;
    struct gn__port *port;
    unsigned count; /* joins */
};

struct gn__group {
    struct gn__table_node node;
    struct gn__addr addr;
    struct gn__port port; /* what packets to it are addressed to */
    struct gn__list members;
    struct gn__packet *current; /* being spread; it is in the engine's queue */
    struct gn__list *cursor;    /* the member that gets it next */
    struct gn__packet *waiting_head;
    struct gn__packet **waiting_tail;
    unsigned n_waiting;
};

extern const struct gn__port_ops gn__group_ops;

struct gn__group *gn__group_of(const struct gn_network *net,
                               const struct gn__addr *addr);
void gn__group_leave_all(struct gn__port *port);
#endif /* GN_SWITCH_INTERNAL_H */
