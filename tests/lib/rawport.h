/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_RAWPORT_H
#define TESTS_LIB_RAWPORT_H

/*
 * A port of a network's switch that a test plays itself: it sends any bytes
 * and sees what comes back. It has addresses and no stack, so nothing answers
 * in its place.
 *
 * And the packets a test sends by it, with right checksums.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/network.h>

#include "base/addr.h"
#include "netstack/netstack.h"

struct gn_rawport;

/**
 * Attach to @net with one address of each of its prefixes that @addresses
 * names (NULL-ended). The test fails if that cannot be.
 *
 * @mtu  0: the network's.
 */
struct gn_rawport *gn_rawport_open(struct gn_network *net,
                                   const char *const *addresses, uint32_t mtu);
/** Detach; before the network is closed. */
void gn_rawport_close(struct gn_rawport *raw);

/** Sources are not checked from now on: it plays a router. */
void gn_rawport_any_source(struct gn_rawport *raw);

/** Checksums are not looked at from now on: damage reaches the receivers. */
void gn_rawport_trust(struct gn_rawport *raw);

/** Send to the packet's destination, or to @next_hop if not NULL. Returns 0,
 *  or -EINVAL if the bytes are no IP packet; the flaw is dropped. */
int gn_rawport_send(struct gn_rawport *raw, const void *bytes, size_t len);
int gn_rawport_send_via(struct gn_rawport *raw, const char *next_hop,
                        const void *bytes, size_t len);

/** The oldest packet that came and was not looked at; its length, or 0. */
size_t gn_rawport_recv(struct gn_rawport *raw, void *buf, size_t cap);
/** How many wait. */
size_t gn_rawport_waiting(const struct gn_rawport *raw);
/** Packets that came, ever. */
uint64_t gn_rawport_received(const struct gn_rawport *raw);

/* ---- packets ---- */

/** What they have in common. */
struct gn_raw_ip {
    const char *src;
    const char *dst;
    uint8_t ttl;        /* 0: 64 */
    uint16_t id;        /* IPv4 */
    bool dont_fragment; /* IPv4 */
};

/** Write an IP packet with this upper protocol and payload; its length. */
size_t gn_raw_packet(const struct gn_raw_ip *ip, uint8_t proto,
                     const void *payload, size_t len, uint8_t *out);
size_t gn_raw_udp(const struct gn_raw_ip *ip, uint16_t from, uint16_t to,
                  const void *payload, size_t len, uint8_t *out);
/** ICMP or ICMPv6: an echo request. */
size_t gn_raw_ping(const struct gn_raw_ip *ip, uint16_t id, uint16_t seq,
                   uint8_t *out);
/** Any ICMPv6 message; its checksum is computed here. */
size_t gn_raw_icmp6(const struct gn_raw_ip *ip, const void *msg, size_t len,
                    uint8_t *out);
/** A bare TCP segment. @flags as in the header. */
size_t gn_raw_tcp(const struct gn_raw_ip *ip, uint16_t from, uint16_t to,
                  uint32_t seq, uint32_t ack, uint8_t flags, uint16_t window,
                  const void *payload, size_t len, uint8_t *out);

#endif /* TESTS_LIB_RAWPORT_H */
