/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_FORWARD_DGRAM_H
#define GN_FORWARD_DGRAM_H

/*
 * Datagrams of kernel sockets with what belongs to them: which of the machine's
 * addresses one was sent to, from which one leaves, and what ICMP has said of
 * those that left (ip(7), ipv6(7): IP_PKTINFO, IP_RECVERR).
 *
 * An IPv6 socket takes IPv4 as mapped addresses; here they are IPv4.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/mem.h"

/** A datagram that was read, or is to be sent. */
struct gn__dgram {
    const void *data; /* to be sent */
    size_t len;
    struct gn__endpoint peer;
    struct gn__addr local; /* of the machine: to answer from; any: not known, or
                              up to the kernel */
    unsigned iface;        /* of a link-local @local; 0: none */
};

/** What ICMP has said of a datagram. */
struct gn__dgram_error {
    int error;                /* a negative errno */
    uint32_t mtu;             /* of -EMSGSIZE: what the way takes; else 0 */
    struct gn__endpoint peer; /* it was sent to; port 0: not known */
    struct gn__addr local;    /* it left from; any: not known */
};

/** Have the kernel say which address each datagram was sent to, and what ICMP
 *  says of those that leave. */
void gn__dgram_want_details(int fd, int family);
/** Only the latter. */
void gn__dgram_want_errors(int fd);

/** Read one into @room. Returns its length, or a negative errno: -EAGAIN there
 *  is none; -EPROTO it came from no address, and is gone. */
GN_WARN_UNUSED ssize_t gn__dgram_read(int fd, void *room, size_t size,
                                      struct gn__dgram *out);
/** Send one by a socket of @family. Returns 0 or a negative errno. */
GN_WARN_UNUSED int gn__dgram_send(int fd, int family,
                                  const struct gn__dgram *dgram);
/** False: nothing has been said. */
GN_WARN_UNUSED bool gn__dgram_read_error(int fd, struct gn__dgram_error *out);

#endif /* GN_FORWARD_DGRAM_H */
