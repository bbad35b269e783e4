/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_GUESTS_NIC_DHCP4_H
#define GN_GUESTS_NIC_DHCP4_H

/*
 * DHCP messages (RFC 2131, RFC 2132), read from clients and written to them,
 * and what a server answers where each client has a port of its own. No clock
 * and no pool: what may be leased is told.
 */
#include "guests/nic/ether.h"

#define GN__DHCP4_SERVER_PORT 67u
#define GN__DHCP4_CLIENT_PORT 68u
/** What every client takes (RFC 2131 section 2), without the IP header. */
#define GN__DHCP4_LEAST 548u
#define GN__DHCP4_MAX   1472u

enum gn__dhcp4_type {
    GN__DHCP4_NONE = 0, /* BOOTP */
    GN__DHCP4_DISCOVER,
    GN__DHCP4_OFFER,
    GN__DHCP4_REQUEST,
    GN__DHCP4_DECLINE,
    GN__DHCP4_ACK,
    GN__DHCP4_NAK,
    GN__DHCP4_RELEASE,
    GN__DHCP4_INFORM
};

/** What a client says. Addresses that it does not name are any. */
struct gn__dhcp4 {
    uint8_t type; /* enum gn__dhcp4_type */
    uint32_t xid;
    uint8_t mac[GN__MAC_LEN];
    bool broadcast;         /* it can hear no unicast yet */
    bool rapid;             /* option 80 */
    struct gn__addr own;    /* ciaddr */
    struct gn__addr wanted; /* option 50 */
    struct gn__addr server; /* option 54 */
    size_t max_len;         /* of the answer, UDP payload; option 57 */
    char host_name[64];     /* option 12; "": none that is a label */
    uint8_t client_id[255]; /* option 61 */
    uint8_t client_id_len;
};

/** False: no request of an Ethernet client, or malformed. */
bool gn__dhcp4_parse(const uint8_t *msg, size_t len, struct gn__dhcp4 *out);

/** What a client may have. Addresses that do not apply are any. */
struct gn__dhcp4_lease {
    struct gn__addr addr; /* any: none is free */
    struct gn__prefix prefix;
    struct gn__addr gateway; /* the router and the server */
    struct gn__addr dns;
    const char *domain;    /* options 15 and 119; "": none */
    const char *host_name; /* option 12; "": none */
    uint32_t mtu;          /* option 26; 0: not said */
    uint32_t lease_s;
};

/**
 * Answer @request. Returns the type of the answer that was written, of *@len
 * bytes, or GN__DHCP4_NONE: there is none. DECLINE and RELEASE are the
 * caller's to act on.
 *
 * INIT-REBOOT, renewing and rebinding get NAK for another address than the
 * lease's (RFC 2131 section 4.3.2), with the server's identifier, and no answer
 * where there is no lease.
 */
enum gn__dhcp4_type gn__dhcp4_answer(const struct gn__dhcp4 *request,
                                     const struct gn__dhcp4_lease *lease,
                                     uint8_t out[GN__DHCP4_MAX], size_t *len);
/** Does this answer go to 255.255.255.255 and not to the address leased? */
bool gn__dhcp4_is_broadcast(const struct gn__dhcp4 *request,
                            enum gn__dhcp4_type answer);

#endif /* GN_GUESTS_NIC_DHCP4_H */
