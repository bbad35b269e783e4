/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_GUESTS_NIC_NIC_H
#define GN_GUESTS_NIC_NIC_H

/*
 * What the files of this folder share.
 *
 *     input.c    frames from the guest: whose are they, what is in them
 *     neighbor.c ARP and Neighbour Discovery; addresses that guests take
 *     config.c   DHCP, DHCPv6, router advertisements
 *     output.c   the queue to the guest; frames are made here
 *     nic.c      life, calls
 *     unix.c, listen.c, vsock.c, tap.c  wires: each is a user of the public
 *                operations; socket.c is what is common to those that are
 *                sockets
 *
 * A NIC lives on the driving thread (host/handle.h). Its frames may come from
 * any thread: what follows `wire` is under the engine's lock unless it says
 * otherwise.
 */
#include <guestnet/nic.h>

#include "guests/nic/ether.h"
#include "host/host.h"

/** Frames of one call of output(), and packets that one entry takes. */
#define GN__NIC_BATCH 64u
/** Addresses of one NIC that it took itself. */
#define GN__NIC_CLAIMS_MAX 64u

/** An address that the guest took by autoconfiguration. */
struct gn__nic_claim {
    struct gn__addr addr;
    uint64_t used_at; /* ns; its last frame */
};

/** Other ports that were found by their MAC addresses, of each version of
 *  IP. */
#define GN__NIC_HOPS 8u
struct gn__nic_hop {
    uint8_t mac[GN__MAC_LEN];
    struct gn__addr addr;
};

struct gn_nic {
    struct gn__handle handle; /* first */
    struct gn__wire wire;
    struct gn__account
        *account; /* of its turns; a reference until ops->close */
    const struct gn_nic_ops *ops;
    void *self;
    gn_nic_event_cb event; /* NULL: the owner need not know */
    void *event_arg;
    struct gn_namespace *ns; /* what wire.ns was; for gn_nic_namespace() */
    uint32_t max_addresses;
    size_t queue_max;
    unsigned offload;
    unsigned flags;
    bool fixed_mac;
    bool asked; /* gn_nic_close(); driving thread */

    bool open;
    bool carrier;
    bool starved;             /* gn_nic_input() took less than it was given */
    bool blocked;             /* output() took less; not yet writable again */
    bool busy;                /* output() is running, or about to */
    uint8_t mac[GN__MAC_LEN]; /* zero: not known */
    struct gn__packet *head;  /* the queue; ip.version 0: an ARP message */
    struct gn__packet **tail;
    size_t queue_bytes;
    struct gn__deferred flush;
    struct gn__unlock_hook unlock; /* the same with GN_NIC_ANY_THREAD */
    struct gn__deferred tell;      /* events and ready() */
    unsigned events;               /* to be told: 1 << enum gn_nic_event */

    struct gn__nic_claim claims[GN__NIC_CLAIMS_MAX];
    size_t n_claims;
    size_t n_declined; /* addresses that DHCP clients declined */
    struct gn__event claims_idle;
    struct gn__addr lease4;  /* what DHCP gives; any: the first there is */
    struct gn__list groups;  /* struct nic_group, group.c */
    struct gn__event advert; /* the next unsolicited advertisement */
    unsigned n_adverts;
    uint64_t looked_at; /* when gn__wire_hop() was last asked, ns */
    unsigned n_looks;   /* since then */
    struct gn__nic_hop hops[2][GN__NIC_HOPS]; /* [1]: of IPv4 */
    struct gn_nic_stats stats;
};

/** A frame, taken apart. */
struct gn__nic_frame {
    struct gn__ether ether;
    struct gn__slice data; /* behind the header; a reference */
    struct gn_offload offload;
    size_t len;
    bool malformed;
};

static inline uint64_t gn__nic_now(const struct gn_nic *nic)
{
    return gn__now(nic->handle.engine);
}

/* ---- input.c ---- */

/** Count a frame that is not the guest's to send, or that lies. */
void gn__nic_spoofed(struct gn_nic *nic);
void gn__nic_malformed(struct gn_nic *nic);

/* ---- neighbor.c ---- */

/** What the guest sends goes to a MAC address that is no longer its receiver's:
 *  say whose it is now. */
void gn__nic_moved(struct gn_nic *nic, const struct gn__packet *packet,
                   const uint8_t mac[GN__MAC_LEN], bool is_router);
void gn__nic_arp_input(struct gn_nic *nic, const uint8_t *data, size_t len);
/** A Neighbour Discovery message (not consumed). */
void gn__nic_nd_input(struct gn_nic *nic, const struct gn__packet *packet);
/** May the guest send from here? Takes the address if it is free and one that
 *  guests may take. */
bool gn__nic_may_send_from(struct gn_nic *nic, const struct gn__addr *src);
/** Has it taken this address itself? */
bool gn__nic_is_claimed(const struct gn_nic *nic, const struct gn__addr *addr);
void gn__nic_claims_init(struct gn_nic *nic);
void gn__nic_claims_done(struct gn_nic *nic);

/* ---- config.c ---- */

/** A datagram to a port of DHCP or DHCPv6 (not consumed). */
void gn__nic_dhcp_input(struct gn_nic *nic, const struct gn__packet *packet);
/** Send a router advertisement, to all nodes or to @to. */
void gn__nic_advertise(struct gn_nic *nic, const struct gn__addr *to);
/** Advertise some times by itself: the guest is new. */
void gn__nic_advertise_soon(struct gn_nic *nic);
void gn__nic_advertise_done(struct gn_nic *nic);

/* ---- group.c ---- */

/** An IGMP or MLD message (not consumed): what groups the guest is in. */
void gn__nic_igmp_input(struct gn_nic *nic, const struct gn__packet *packet);
void gn__nic_mld_input(struct gn_nic *nic, const struct gn__packet *packet);
void gn__nic_groups_done(struct gn_nic *nic);

/* ---- output.c ---- */

void gn__nic_queue_init(struct gn_nic *nic);
/** Queue a packet for the guest (consumed). */
void gn__nic_queue_add(struct gn_nic *nic, struct gn__packet *packet);
/** Free all that waits, counted as @why. */
void gn__nic_queue_drop(struct gn_nic *nic, enum gn_drop why);
/** See that output() is called. */
void gn__nic_wake(struct gn_nic *nic);
/** An IP packet of ours for the guest. Without memory: none. */
void gn__nic_answer(struct gn_nic *nic, const struct gn__ip_build *ip,
                    const void *upper);
/** The same of UDP. */
void gn__nic_answer_udp(struct gn_nic *nic, struct gn__ip_build *ip,
                        uint16_t from, uint16_t to, const void *data,
                        size_t len);
/** Bytes behind the Ethernet header, of an ARP message. */
void gn__nic_answer_arp(struct gn_nic *nic, const uint8_t *data, size_t len);

/* ---- nic.c ---- */

/** Settings of a NIC whose wire is of this folder: a copy of the user's (NULL:
 *  the defaults) without what is the wire's to say, offloads and threads.
 *  -EINVAL: its size is unknown. */
GN_WARN_UNUSED int gn__nic_wire_config(const struct gn_nic_config *config,
                                       struct gn_nic_config *out);

/** Tell the owner, later. */
void gn__nic_tell(struct gn_nic *nic, enum gn_nic_event what);
void gn__nic_tell_ready(struct gn_nic *nic);

#endif /* GN_GUESTS_NIC_NIC_H */
