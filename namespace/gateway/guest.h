/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_GATEWAY_GUEST_H
#define GN_NAMESPACE_GATEWAY_GUEST_H

/*
 * What the files about the outside share. All of it under the engine's lock.
 *
 *     port.c     the gateway as a port of the switch
 *     gateway.c  what guests may reach, guests at the gateway, demultiplexing
 *     service.c  hosts of the network that the gateway proxies
 *     dial.c     what waits for the outside to answer
 *     tcp.c      connections
 *     flow.c     flows of datagrams: how they begin, idle and end
 *     udp.c      what goes through them
 *     echo.c     the same of echoes, which are flows too
 *     bound.c    ports that guests have bound
 *
 * A guest at the gateway is a port of the switch that talks to the outside, or
 * may. It is made with the hooks, or by the first peer that comes from outside.
 *
 *     attached --(its port goes)--> ghost --(no connection is left)--> freed
 *
 *   attached  port is set; packets go both ways.
 *   ghost     dials, flows and bound ports have ended with the port. What was
 *             under way from the guest still reaches its connections here, and
 *             nothing goes to its address any more; after a grace they are
 *             reset, and it ends when their owners have let go of them.
 */
#include "namespace/internal.h"
#include "namespace/gateway/gateway.h"

struct gn__bound;

/** A host that the gateway proxies, see struct gn__service. */
struct gn__host {
    struct gn__guest guest; /* it has the name; first */
    struct gn__port port;   /* ... and the addresses */
    struct gn__list services;
};

/** Dials of all guests of a network at once. */
#define GN__OUTSIDE_DIALS_MAX 65536u
/** What waits of one dial or flow: datagrams, and bytes of memory. */
#define GN__OUTSIDE_WAITING_MAX   256u
#define GN__OUTSIDE_WAITING_BYTES (512u * 1024)

/** No padding: hashed as bytes. */
struct gn__outside_key {
    struct gn__endpoint outside;
    struct gn__endpoint guest;
    uint64_t type; /* SOCK_STREAM, SOCK_DGRAM, SOCK_RAW (echoes) */
};

struct gn__outside_guest {
    struct gn__list of_net;
    struct gn__table_node by_generation; /* ghosts, in net->outside.ghosts */
    uint64_t generation;                 /* its port's */
    struct gn__engine *engine;
    struct gn_network *net;
    struct gn__port *port;       /* NULL: a ghost */
    struct gn__guest *owner;     /* the port's, a reference */
    struct gn__outside *outside; /* NULL: it has no hooks */
    struct gn__stack stack;
    struct gn__listener *hidden; /* takes SYNs that were dialled; NULL: not yet
                                  */
    bool accepting;              /* one is being fed to it */
    bool listed;                 /* among the ghosts */
    bool ended;                  /* only released waits to be told */
    bool telling;                /* released is queued */
    struct gn__table dials;      /* struct gn__dial */
    struct gn__table flows;      /* struct gn__outside_flow */
    struct gn__table proxied;    /* struct gn__proxied, without hooks only */
    struct gn__list bounds;      /* struct gn__bound */
    struct gn__outside_set flows_out; /* those that it began */
    struct gn__outside_set flows_in;
    uint32_t max_dials;
    struct gn__event over;
    struct gn__deferred released;
};

/** An address outside that a guest without hooks may answer, counted. */
struct gn__proxied {
    struct gn__table_node node;
    struct gn__addr addr;
    struct gn__outside_guest *guest;
    struct gn__ref refs;
};

/** Datagrams that wait, charged to the guest's stack at the gateway. */
struct gn__outside_queue {
    struct gn__packet *head;
    struct gn__packet **tail;
    uint32_t n;
    size_t bytes;
    struct gn__udp_sock *sender; /* charged too (SO_SNDBUF); NULL: none */
};

/** A flow's place in a set. */
struct gn__outside_place {
    struct gn__list link;
    struct gn__outside_set *set; /* NULL: none */
};

/** The sides of a flow; bits. */
enum gn__flow_side { GN__FLOW_GUEST = 1, GN__FLOW_OUTSIDE = 2, GN__FLOW_BOTH };

struct gn__outside_flow {
    struct gn__table_node node;
    struct gn__outside_key key;
    struct gn__engine *engine;       /* a reference */
    struct gn__outside_guest *guest; /* NULL: it is over */
    struct gn__proxied *proxied;
    struct gn__list of_sock; /* in gn__binding.flows of the guest's socket */
    struct gn__outside_place places[2]; /* the guest's set, and the opener's */
    struct gn__outside_flow_config config;
    struct gn__outside_queue queue;
    struct gn__packet *left; /* queued when it was over, charged to no guest */
    struct gn__deferred deferred; /* its account is a reference */
    struct gn__event idle;
    uint64_t began_at;
    uint64_t used_at;
    uint16_t ip_id;
    unsigned sides; /* that have sent */
    bool assured;
    int failed;   /* to be told; 0 */
    int over;     /* the same */
    bool running; /* its deferred task, without the lock */
    bool closed;  /* meanwhile */
};

/** What waits for the outside to answer. */
struct gn__dial {
    struct gn__outside_dial pub; /* first */
    struct gn__table_node node;
    struct gn__outside_key key;
    struct gn__engine *engine; /* a reference */
    struct gn__outside *outside;
    struct gn__outside_guest *guest; /* NULL: it is over */
    struct gn__deferred deferred;
    bool told; /* the outside knows of it */
    char *tls_name;
    uint32_t seq;
    struct gn__list of_sock;          /* of datagrams: in gn__binding.dials */
    struct gn__outside_queue waiting; /* the SYN, or datagrams */
};

/* ---- gateway.c ---- */

/** What the guest behind a port has here, made if need be; NULL: no memory. */
struct gn__outside_guest *gn__outside_guest_of(struct gn__port *port);
/** The one at this address. -EHOSTUNREACH, -ENOMEM. */
GN_WARN_UNUSED int gn__outside_find(struct gn_network *net,
                                    const struct gn__addr *addr,
                                    struct gn__outside_guest **out);
/** May @outside be proxied towards @guest? -EADDRNOTAVAIL. */
GN_WARN_UNUSED int gn__outside_check(struct gn_network *net,
                                     const struct gn__endpoint *outside,
                                     const struct gn__endpoint *guest);
/** Let @guest answer @addr. *@out: NULL if its hooks let it anyhow. */
GN_WARN_UNUSED int gn__outside_proxy(struct gn__outside_guest *guest,
                                     const struct gn__addr *addr,
                                     struct gn__proxied **out);
/** NULL: nothing happens. */
void gn__outside_unproxy(struct gn__proxied *proxied);
/** Send as an address outside (consumed). */
void gn__outside_send(struct gn__outside_guest *guest,
                      struct gn__packet *packet);
/** Drop, and count it at the gateway and at the guest. */
void gn__outside_drop(struct gn__outside_guest *guest,
                      struct gn__packet *packet, enum gn_drop why);
void gn__outside_count(struct gn__outside_guest *guest, enum gn_drop why,
                       uint64_t n);
/** Drop, and tell the sender, as far as it may be told so often, that there is
 *  no way. */
void gn__outside_unreachable(struct gn__outside_guest *guest,
                             struct gn__packet *packet, enum gn_drop why);
/** The ICMP message that says what @error says; GN__ICMP_NONE: silence. */
enum gn__icmp_kind gn__outside_icmp_kind(int error);
/** Send an ICMP error about @cause as @from, which stands for @verdict; @mtu of
 *  GN__ICMP_TOO_BIG. */
void gn__outside_icmp_error(struct gn__outside_guest *guest,
                            const struct gn__packet *cause,
                            const struct gn__addr *from,
                            enum gn__icmp_kind kind, uint32_t mtu, int verdict);

/** A packet for a host that is proxied (consumed). */
void gn__outside_host_input(struct gn_network *net, struct gn__packet *packet);

/* ---- service.c ---- */

extern const struct gn__port_ops gn__host_ops;
/** The host that has @addr; NULL: none. */
struct gn__host *gn__host_at(const struct gn_network *net,
                             const struct gn__addr *addr);
/** Has it a service there? @proto: GN__PROTO_TCP, _UDP. */
bool gn__host_serves(const struct gn__host *host, unsigned proto,
                     uint16_t port);
/** The hooks that are asked for what @guest sends: a host's service, or for
 *  addresses outside the guest's own hooks; NULL: none are. */
struct gn__outside *gn__outside_for(const struct gn__outside_guest *guest,
                                    const struct gn__outside_key *key);

/* ---- dial.c ---- */

void gn__outside_queue_init(struct gn__outside_queue *queue);
/** From now on, and for what waits already, @sender is charged too. NULL: it
 *  is no more. */
void gn__outside_queue_charge(struct gn__outside_queue *queue,
                              struct gn__udp_sock *sender);
/** Append (consumed), or drop and count. */
void gn__outside_queue_add(struct gn__outside_guest *guest,
                           struct gn__outside_queue *queue,
                           struct gn__packet *packet);
/** NULL: empty. */
struct gn__packet *gn__outside_queue_take(struct gn__outside_guest *guest,
                                          struct gn__outside_queue *queue);
void gn__outside_queue_end(struct gn__outside_guest *guest,
                           struct gn__outside_queue *queue);

struct gn__dial *gn__dial_find(const struct gn__outside_guest *guest,
                               const struct gn__outside_key *key);
/** Begin one with a SYN or a datagram (consumed). */
void gn__dial_begin(struct gn__outside_guest *guest,
                    const struct gn__outside_key *key, uint32_t seq,
                    struct gn__packet *packet);
/** The guest gave up, or is gone. */
void gn__dial_cancel(struct gn__dial *dial);
/** For its consumer: true, and it is the guest's no more, or false, and it was
 *  cancelled. Packets that wait stay in it. */
bool gn__dial_take(struct gn__dial *dial);
/** Free it; what waits must have been taken. */
void gn__dial_free(struct gn__dial *dial);

/* ---- tcp.c ---- */

/** Free it, and tell the guest, unless it gave up. */
void gn__dial_refuse(struct gn__dial *dial, int error);
extern const struct gn__stack_ops gn__outside_stack_ops;
void gn__outside_tcp_input(struct gn__outside_guest *guest,
                           struct gn__packet *packet);
/** Is a segment for the gateway's own address for what is behind it? */
bool gn__outside_tcp_stands_in(struct gn__outside_guest *guest,
                               struct gn_namespace *gateway,
                               const struct gn__packet *packet);

/* ---- flow.c ---- */

/** A datagram socket lets go of its port: its flows end. */
void gn__outside_released(struct gn__binding *binding);
struct gn__outside_flow *gn__flow_find(const struct gn__outside_guest *guest,
                                       const struct gn__outside_key *key);
/** A datagram from this side: it is not idle. */
void gn__flow_use(struct gn__outside_flow *flow, enum gn__flow_side side);
/** The deferred task has work to do. */
void gn__flow_wake(struct gn__outside_flow *flow);
void gn__flow_free(struct gn__outside_flow *flow);
/** The binding of the guest's socket there: for a socket of its own. NULL:
 *  there is none (any more), or the guest is behind a wire or a router. */
struct gn__binding *gn__outside_binding(const struct gn__outside_guest *guest,
                                        const struct gn__outside_key *key);
/** The guest is gone. */
void gn__outside_flows_end(struct gn__outside_guest *guest);

/* ---- udp.c ---- */

/** gn__outside_flow.deferred: hand over what has arrived. */
void gn__flow_run(struct gn__deferred *deferred);
/** The next datagram that waits; NULL: none. */
struct gn__packet *gn__flow_take(struct gn__outside_flow *flow);
void gn__outside_udp_input(struct gn__outside_guest *guest,
                           struct gn__packet *packet);
/** Is a datagram for the gateway's own address, which has no socket there, for
 *  what is behind it? */
bool gn__outside_udp_stands_in(const struct gn__outside_guest *guest,
                               struct gn__packet *packet);
/** An ICMP error about a datagram of a flow. */
void gn__outside_udp_error(struct gn__outside_guest *guest,
                           const struct gn__icmp *icmp);
/** Is there a flow that may have sent what it quotes? */
bool gn__outside_udp_has_sent(const struct gn__outside_guest *guest,
                              const struct gn__icmp *icmp);

/** Queue what the guest has sent (consumed) for its flow, or the dial that is
 *  to become one; what comes late is dropped. False: it begins one. */
bool gn__flow_input(struct gn__outside_guest *guest,
                    const struct gn__outside_key *key,
                    struct gn__packet *packet);

/* ---- echo.c ---- */

/** An echo request to an address outside (consumed). */
void gn__outside_echo_input(struct gn__outside_guest *guest,
                            struct gn__packet *packet);
/** The answer that is in @data, an ICMP message: write its headers, and take
 *  them off the slice. False: it is none. */
bool gn__echo_answer(const struct gn__outside_flow *flow,
                     struct gn__slice *data, struct gn__packet *packet);
/** The headers of a request, as the guest has sent them. */
void gn__echo_cause(const struct gn__outside_flow *flow,
                    struct gn__packet *packet);

/* ---- bound.c ---- */

void gn__outside_bounds_end(struct gn__outside_guest *guest);

#endif /* GN_NAMESPACE_GATEWAY_GUEST_H */
