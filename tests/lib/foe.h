/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_FOE_H
#define TESTS_LIB_FOE_H

/*
 * A hostile guest: a port of a network's switch with no stack behind it, which
 * sends whatever bytes it likes, unchecked, and may answer each packet from
 * inside the engine, in the very entry that delivered it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "namespace/internal.h"

/* TCP's flags. */
#define FOE_FIN 0x01u
#define FOE_SYN 0x02u
#define FOE_RST 0x04u
#define FOE_PSH 0x08u
#define FOE_ACK 0x10u

/* Enough for the headers the builders below write, and any payload. */
#define FOE_MAX 65535u

struct foe {
    struct gn__port port;
    struct gn_network *net;
    struct gn__addr v4;
    struct gn__addr v6;
    /* Told of every packet that arrives, inside the engine; it may answer with
     * foe_reply(). NULL: packets are dropped. */
    void (*receive)(struct foe *foe, const struct gn__packet *packet);
    void *arg;
    uint64_t n_received;
    uint64_t n_icmp;         /* of them, ICMP */
    struct gn__packet *last; /* the one that came last */
};

/** Attach it to @net at these addresses of its prefixes; NULL: none of that
 *  version. Fails the test if that cannot be. */
void foe_open(struct foe *foe, struct gn_network *net, const char *v4,
              const char *v6);
/** Before the network is closed. */
void foe_close(struct foe *foe);
/** Let it send from any address: it plays a router. */
void foe_spoof(struct foe *foe);

/**
 * Send an IP packet to where its header says, or to @hop. Checksums are not
 * looked at. Each call is an entry of the engine.
 *
 * Returns false if its header does not even parse, and nothing was sent.
 */
bool foe_send(struct foe *foe, const void *bytes, size_t len);
bool foe_send_via(struct foe *foe, const struct gn__addr *hop,
                  const void *bytes, size_t len);
/** The same inside the engine: from foe.receive. */
bool foe_reply(struct foe *foe, const void *bytes, size_t len);

/** A TCP segment to be. */
struct foe_segment {
    struct gn__addr src, dst;
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    const void *options; /* a multiple of four bytes */
    size_t n_options;
    const void *data;
    size_t len;
};

/** Write a packet; its length. */
size_t foe_tcp(const struct foe_segment *segment, uint8_t *out);
size_t foe_udp(const struct gn__endpoint *from, const struct gn__endpoint *to,
               const void *data, size_t len, uint8_t *out);
/** IP header and @len bytes of @data behind it. */
size_t foe_ip(const struct gn__addr *src, const struct gn__addr *dst,
              uint8_t proto, const void *data, size_t len, uint8_t *out);
/** A fragment: @len bytes of @data that belong at @offset. */
size_t foe_fragment(const struct gn__addr *src, const struct gn__addr *dst,
                    uint8_t proto, uint32_t id, unsigned offset, bool more,
                    const void *data, size_t len, uint8_t *out);
/** An ICMP error of this type and code (of the version of @src) that quotes
 *  the packet @quoted. */
size_t foe_icmp_error(const struct gn__addr *src, const struct gn__addr *dst,
                      unsigned type, unsigned code, uint32_t rest,
                      const void *quoted, size_t len, uint8_t *out);

/** What a TCP segment that arrived says. */
struct foe_view {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    uint32_t len; /* payload */
};
/** False if the packet is no whole TCP segment. */
bool foe_view(const struct gn__packet *packet, struct foe_view *out);

/** A connection as the foe keeps it: its next sequence number, the guest's. */
struct foe_conn {
    struct foe *foe;
    struct gn__endpoint local;
    struct gn__endpoint remote;
    uint32_t seq;
    uint32_t ack;
    uint16_t window;
};
/** Shake hands with the listener there: with window scaling by 2^8. False
 *  if it is not answered at once. */
bool foe_connect(struct foe_conn *conn, struct foe *foe, uint16_t from,
                 const struct gn__addr *to, uint16_t port);
/** Send a segment at @offset from conn->seq, which stays. */
void foe_push(struct foe_conn *conn, uint8_t flags, uint32_t offset,
              const void *data, size_t len);

/** An address from text; fails the test. */
struct gn__addr foe_addr(const char *text);

#endif /* TESTS_LIB_FOE_H */
