/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NETSTACK_PACKET_H
#define GN_NETSTACK_PACKET_H

/*
 * A packet in flight: its headers copied, its payload by reference.
 *
 * The header bytes (IP header, extension headers, transport header) are the
 * packet's own and may be changed; the payload is a list of slices of chunks
 * that others may be reading, and must not be. A packet has one owner at a
 * time; passing it on consumes it.
 *
 * In-process packets carry no checksums (csum_absent): nothing between two
 * guests of one process can damage them, and gn__packet_fill_checksums()
 * computes them where a packet leaves the process or is captured.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "netstack/chunk.h"
#include "netstack/ip.h"

/** Room for the headers: 60 + 60 for IPv4 and TCP with options, or IPv6. */
#define GN__PACKET_HEAD 192u
/** Slices of one packet; more are copied together into one chunk. */
#define GN__PACKET_SLICES 6u
/** The longest IP packet. */
#define GN__PACKET_MAX GN__IP_MAX
/** Freed packets that a pool keeps for the next ones. */
#define GN__PACKET_IDLE 64u

/* Where lwIP's view of this packet is built, see netstack/lwip/input.c. */
#define GN__PACKET_STACK_BYTES ((GN__PACKET_SLICES + 1u) * 48u)

struct gn__packet_pool {
    const struct gn__mem *mem;
    struct gn__chunk_pool *chunks;
    struct gn__packet *idle; /* a few kept for the next ones */
    uint32_t n_idle;
    uint32_t n_live;
};

struct gn__packet {
    struct gn__packet *next;    /* in whatever queue holds it */
    struct gn__heap_node event; /* while it is under way on a link */
    struct gn__packet_pool *pool;

    /* Where it is going: set by the switch. A port that has been given to
     * another owner since has another generation, and never sees it. */
    void *to;
    uint64_t to_generation;
    void *from; /* the port that sent it; set with `to` */
    uint64_t from_generation;
    bool at_switch; /* stops at the switch, then goes on to `to` */
    bool on_link;   /* charged to its sender */

    struct gn__ip ip;      /* what its header says */
    uint32_t len;          /* of the whole packet, bytes */
    uint16_t head_len;     /* bytes in head */
    uint16_t segment_size; /* TCP only: it stands for segments with so many
                            * payload bytes each; 0: for itself */
    uint8_t n_slices;
    bool csum_absent;  /* checksums have not been computed */
    bool forwarded;    /* came from another namespace's interface */
    bool corrupt;      /* damaged by a link: the receiver drops it */
    uint16_t group;    /* of the guest that made it */
    int16_t verdict;   /* a refusal by the gateway: the errno it stands for,
                        * which no segment or message can say; 0: none */
    uint8_t live_refs; /* lwIP's views of it still alive */
    uint8_t head[GN__PACKET_HEAD];
    struct gn__slice slices[GN__PACKET_SLICES];
    _Alignas(16) unsigned char stack[GN__PACKET_STACK_BYTES];
};

void gn__packet_pool_init(struct gn__packet_pool *pool,
                          const struct gn__mem *mem,
                          struct gn__chunk_pool *chunks);
/** Give the idle ones back. No packet may be alive. */
void gn__packet_pool_done(struct gn__packet_pool *pool);

/**
 * A packet with nothing in it, or NULL. Its maker writes head, head_len, len
 * and ip, and appends the payload; functions that append add to len.
 */
struct gn__packet *gn__packet_alloc(struct gn__packet_pool *pool);
void gn__packet_free(struct gn__packet *packet);

/** Another packet with the same bytes: headers copied, payload shared. */
struct gn__packet *gn__packet_clone(const struct gn__packet *packet);

/** A packet with no bytes that comes from where @packet comes from and goes
 *  where it goes, with its ip and flags; or NULL. It is on no link. */
struct gn__packet *gn__packet_derive(const struct gn__packet *packet);

/**
 * Append a slice. The reference moves into the packet on success. What follows
 * directly on the last slice's bytes only makes that one longer; when
 * GN__PACKET_SLICES are there already, they are copied together.
 *
 *   -ENOMEM  No chunk to copy them to; nothing has changed.
 */
GN_WARN_UNUSED int gn__packet_add(struct gn__packet *packet,
                                  const struct gn__slice *slice);
/** Copy @len bytes (at most GN__CHUNK_MAX) behind the packet's payload, into
 *  a chunk of its own. 0 or -ENOMEM. */
GN_WARN_UNUSED int gn__packet_add_copy(struct gn__packet *packet,
                                       const void *data, size_t len);
/**
 * Append @len bytes of @source from offset @from; it has them. Those in
 * @source's head are copied to @packet's while that has room and no payload
 * yet; payload is shared. On -ENOMEM some may have been appended.
 */
GN_WARN_UNUSED int gn__packet_add_range(struct gn__packet *packet,
                                        const struct gn__packet *source,
                                        size_t from, size_t len);

/**
 * A packet from the bytes of an IP packet that came from outside: headers up
 * to the transport's are copied into head, the rest into a chunk; what lies
 * behind the length that the header says is left out. Parsed, and the transport
 * checksum of a whole packet verified: TCP, UDP or ICMP too short for its
 * header counts as wrong. With @trusted checksums are not looked at and count
 * as absent; transport lengths are then the receiver's to check.
 *
 * Returns 0, -EINVAL with *@flaw set, or -ENOMEM.
 */
GN_WARN_UNUSED int gn__packet_from_bytes(struct gn__packet_pool *pool,
                                         const void *data, size_t len,
                                         bool trusted, enum gn__ip_flaw *flaw,
                                         struct gn__packet **out);

/** The same from bytes that a chunk holds: headers are copied, the payload is
 *  by reference. @slice stays the caller's. */
GN_WARN_UNUSED int gn__packet_from_slice(struct gn__packet_pool *pool,
                                         const struct gn__slice *slice,
                                         bool trusted, enum gn__ip_flaw *flaw,
                                         struct gn__packet **out);

/** Leave only the first @len bytes. The header still says what it said. */
void gn__packet_cut(struct gn__packet *packet, uint32_t len);

/** Copy all of it, headers first, to @out of @cap bytes; bytes written. */
size_t gn__packet_copy(const struct gn__packet *packet, void *out, size_t cap);
/** Copy @len payload bytes from offset @from of the whole packet. */
size_t gn__packet_read(const struct gn__packet *packet, size_t from, void *out,
                       size_t len);

/** What gn__packet_pull() does if they do not; not for others. */
bool gn__packet_pull_more(struct gn__packet *packet, size_t len);

/**
 * Make sure that the first @len bytes of the packet stand in head (they are
 * moved there from the payload). Returns false if the packet is shorter or
 * head too small.
 */
static inline bool gn__packet_pull(struct gn__packet *packet, size_t len)
{
    return packet->head_len >= len || gn__packet_pull_more(packet, len);
}

/** Compute IPv4's header checksum and, in a whole packet, the transport's, and
 *  store them: in the packet's own head, never in shared payload. */
void gn__packet_fill_checksums(struct gn__packet *packet);
/** True if the transport checksum of a packet with checksums is right, or it is
 *  a fragment or of another protocol. */
bool gn__packet_checksum_ok(const struct gn__packet *packet);

/**
 * Cut a packet into fragments of at most @mtu bytes: IPv4 as a router may,
 * IPv6 as its source. Consumes the packet. @emit is given each fragment, in
 * order, and owns it. A packet that fits is given to @emit as it is.
 *
 * An absent transport checksum is computed before: it cannot be later. The
 * fragments still count as without checksums, so that a receiver in process
 * need not look, and gn__packet_fill_checksums() completes their headers.
 *
 * @id  Identifies the fragments as one packet's; an IPv4 packet that has an
 *      identification other than 0 keeps it.
 *
 *   -EMSGSIZE  It may not be fragmented (IPv4 with DF, IPv6 with a fragment
 *              header) or @mtu is too small; the packet is not consumed.
 *   -ENOMEM    Some fragments were not made; the packet is consumed.
 */
GN_WARN_UNUSED int gn__packet_fragment(
    struct gn__packet *packet, uint32_t mtu, uint32_t id,
    void (*emit)(struct gn__packet *fragment, void *arg), void *arg);

/**
 * The bytes in front of the payload of a packet that stands for several
 * segments: its TCP header stands in head whole, or it was not let in.
 */
static inline size_t gn__packet_segment_headers(const struct gn__packet *packet)
{
    return packet->ip.l4 + (packet->head[packet->ip.l4 + 12] >> 4) * 4u;
}

/** Does it pass where packets have at most @mtu bytes, perhaps as segments? */
static inline bool gn__packet_fits(const struct gn__packet *packet,
                                   uint32_t mtu)
{
    return packet->len <= mtu ||
           (packet->segment_size &&
            gn__packet_segment_headers(packet) + packet->segment_size <= mtu);
}

/**
 * Have a packet stand for segments of @size payload bytes. False, with nothing
 * changed: it is not TCP, a fragment, or its header is cut short.
 */
GN_WARN_UNUSED bool gn__packet_set_segments(struct gn__packet *packet,
                                            uint16_t size);
/** Cut a packet that stands for several segments into them. Consumes it; @emit
 *  is given each, in order, and owns it; their checksums are absent. -ENOMEM:
 *  some were not made. */
GN_WARN_UNUSED int gn__packet_segment(struct gn__packet *packet,
                                      void (*emit)(struct gn__packet *segment,
                                                   void *arg),
                                      void *arg);

/**
 * Append the TCP segment (or segments) @next, which has checksums that are
 * right or none, to @packet, which then stands for one more. True: @next is
 * consumed. False, with nothing changed: it does not follow on @packet's
 * payload, the headers say something else, or it cannot be done without a copy.
 */
GN_WARN_UNUSED bool gn__packet_merge(struct gn__packet *packet,
                                     struct gn__packet *next);

/** As gn__packet_fill_checksums(), but leave the transport's to the receiver:
 *  the sum of the pseudo-header is stored, and the packet's count as absent
 *  still. @start, @offset: of the transport header and of the sum in it. False:
 *  there is none to leave, and all was filled. */
bool gn__packet_fill_partial(struct gn__packet *packet, uint16_t *start,
                             uint16_t *offset);

/** What it is charged with while it waits: its own memory and its share of
 *  the chunks. */
static inline size_t gn__packet_cost(const struct gn__packet *packet)
{
    return sizeof(*packet) + packet->len;
}

#endif /* GN_NETSTACK_PACKET_H */
