/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_ICMP_H
#define GN_NETSTACK_ICMP_H

/*
 * ICMP for both families under one set of names (RFC 792, RFC 4443): errors
 * are built from the packet that caused them, and taken apart into the
 * addresses and ports of the connection they are about.
 */
#include "netstack/packet.h"

enum gn__icmp_kind {
    GN__ICMP_NONE = 0,
    GN__ICMP_ECHO_REQUEST,
    GN__ICMP_ECHO_REPLY,
    GN__ICMP_NET_UNREACHABLE,
    GN__ICMP_HOST_UNREACHABLE,
    GN__ICMP_PROTO_UNREACHABLE, /* v6: parameter problem, next header */
    GN__ICMP_PORT_UNREACHABLE,
    GN__ICMP_PROHIBITED,    /* administratively */
    GN__ICMP_TOO_BIG,       /* v4: fragmentation needed; mtu is set */
    GN__ICMP_TIME_EXCEEDED, /* in transit */
    GN__ICMP_REASSEMBLY_TIME,
    GN__ICMP_PARAMETER,
    GN__ICMP_OTHER,
    GN__ICMP_N_KINDS
};

/** What a received ICMP message says. */
struct gn__icmp {
    enum gn__icmp_kind kind;
    uint32_t mtu;        /* GN__ICMP_TOO_BIG */
    bool has_inner;      /* the quoted packet could be read: its IP header
                            * and, of TCP and UDP, what is below */
    struct gn__ip inner; /* its IP header: we sent it, so src is local */
    uint16_t inner_src_port;
    uint16_t inner_dst_port;
    uint32_t inner_seq; /* TCP: sequence number, for plausibility */
    int verdict;        /* see struct gn__packet */
};

/**
 * Read the ICMP message in @packet. Returns false if it is malformed, or the
 * packet is a fragment or of another protocol.
 */
bool gn__icmp_parse(const struct gn__packet *packet, struct gn__icmp *out);

/**
 * Build an error about @cause, from @from (of its family) to its source.
 * Returns NULL if memory is short or no error may be sent about it: never
 * about an ICMP error, a later fragment, a packet to or from a multicast or
 * broadcast address or from an unspecified one (RFC 1122 3.2.2, RFC 4443
 * 2.4 e; IPv6's too big may be about multicast). Broadcast addresses of a
 * prefix are the caller's to know. @cause keeps its owner and may share
 * payload with the error.
 *
 * @mtu  GN__ICMP_TOO_BIG: the MTU. GN__ICMP_PARAMETER: the offset of the field.
 */
struct gn__packet *gn__icmp_error(struct gn__packet_pool *pool,
                                  const struct gn__packet *cause,
                                  const struct gn__addr *from,
                                  enum gn__icmp_kind kind, uint32_t mtu);

/**
 * Turn an echo request into its reply, in place; false, with nothing changed,
 * if it is none or was not sent from one address to another: the answer to
 * multicast needs a source that is not known here. The reply's checksums are
 * absent, and where it goes is the caller's to set.
 */
bool gn__icmp_echo_reply(struct gn__packet *packet);

/** The types of echo replies, RFC 792 and RFC 4443. */
#define GN__ICMP4_ECHO_REPLY 0
#define GN__ICMP6_ECHO_REPLY 129

/** Bytes of an echo message in front of what is echoed. */
#define GN__ICMP_ECHO_LEN 8u

/** An echo request or reply that is to be written. */
struct gn__icmp_echo {
    struct gn__addr src;
    struct gn__addr dst;
    bool reply;
    uint16_t id;
    uint16_t seq;
};

/** Write the headers of an echo message into an empty packet; what is echoed,
 *  @len bytes, is the caller's to add. The checksums are absent. */
void gn__icmp_echo_write(struct gn__packet *packet,
                         const struct gn__icmp_echo *echo, size_t len);

/** The errno a socket gets for an error: -ECONNREFUSED, ...; 0: none.
 *  As Linux has them for either version. @fatal: whether a connected UDP
 *  socket without IP_RECVERR is told. */
int gn__icmp_errno(enum gn__icmp_kind kind, int version, bool *fatal);

#endif /* GN_NETSTACK_ICMP_H */
