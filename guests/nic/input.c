/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Frames from the guest. What is behind the Ethernet header is copied into a
 * chunk without the lock; under it a frame becomes a packet that is the guest's
 * to send, a message that is answered here, or a counted drop.
 */
#include "guests/nic/nic.h"

#include "base/units.h"

#include <errno.h>

/** Frames that are copied before the lock is taken for them. */
#define INPUT_BATCH 16u
/** Packets in the engine's queue beyond which nothing is taken. */
#define CROWDED 8192u
/** Searches for the owner of a MAC address in a second: each looks at all
 *  ports. */
#define LOOKS_PER_SECOND 50u
/** No TCP has smaller segments: a frame is never more than some hundreds. */
#define SEGMENT_MIN 88u

#define PROTO_IGMP        2
#define ICMP6_MLD_QUERY   130
#define ICMP6_MLD_DONE    132
#define ICMP6_MLD2_REPORT 143

void gn__nic_spoofed(struct gn_nic *nic)
{
    nic->stats.spoofed++;
    gn__wire_drop(&nic->wire, GN_DROP_SOURCE);
}

void gn__nic_malformed(struct gn_nic *nic)
{
    nic->stats.malformed++;
    gn__wire_drop(&nic->wire, GN_DROP_MALFORMED);
}

/* ---- where it goes ---- */

/* At most so many searches that a guest with made-up addresses costs the
 * others nothing that can be measured. */
static bool may_look(struct gn_nic *nic)
{
    uint64_t now = gn__nic_now(nic);

    if (now - nic->looked_at > GN__NS_PER_S) {
        nic->looked_at = now;
        nic->n_looks = 0;
    }
    return nic->n_looks++ < LOOKS_PER_SECOND;
}

/* The address of the port with this MAC; the last answers are remembered, and
 * good as long as it still has the address. False: none, or not now. */
static bool find_hop(struct gn_nic *nic, const uint8_t mac[GN__MAC_LEN],
                     bool v4, struct gn__addr *out)
{
    struct gn__nic_hop *hop = &nic->hops[v4][(mac[4] ^ mac[5]) % GN__NIC_HOPS];
    uint8_t owner[GN__MAC_LEN];

    if (gn__mac_equal(hop->mac, mac) &&
        gn__wire_find(&nic->wire, &hop->addr, owner) == GN__WIRE_OTHER &&
        gn__mac_equal(owner, mac)) {
        *out = hop->addr;
        return true;
    }
    if (!may_look(nic) || !gn__wire_hop(&nic->wire, mac, v4, out))
        return false;
    memcpy(hop->mac, mac, GN__MAC_LEN);
    hop->addr = *out;
    return true;
}

/* The next hop, by the MAC address that the guest chose. Frames to the
 * gateway's may be for any host: a guest whose prefix is a single address asks
 * the gateway for all others. */
static bool next_hop(struct gn_nic *nic, const struct gn__packet *packet,
                     const struct gn__ether *ether, struct gn__addr *out)
{
    const struct gn__addr *dst = &packet->ip.dst;
    uint8_t owner[GN__MAC_LEN], gateway[GN__MAC_LEN];
    enum gn__wire_owner who;
    struct gn__addr ignored;

    *out = *dst;
    if (gn__addr_is_multicast(dst) || gn__wire_is_broadcast(&nic->wire, dst))
        return true;
    who = gn__wire_find(&nic->wire, dst, owner);
    if (who == GN__WIRE_ITSELF)
        return false;
    if (who != GN__WIRE_NOBODY && gn__mac_equal(owner, ether->dst))
        return true;
    gn__wire_gateway(&nic->wire, gateway, &ignored);
    if (gn__mac_equal(gateway, ether->dst))
        return true;
    if (find_hop(nic, ether->dst, packet->ip.version == 4, out))
        return true;
    if (who == GN__WIRE_NOBODY)
        return false;
    /* That one is gone, and what it had is another's now: the guest goes by
     * what it learned before, and is told. */
    gn__nic_moved(nic, packet, owner, who == GN__WIRE_GATEWAY);
    *out = *dst;
    return true;
}

/* ---- what is answered here ---- */

/* The first bytes of a message of this protocol, in a whole packet or its first
 * fragment. False: there are not so many. */
static bool read_upper(const struct gn__packet *packet, uint8_t proto,
                       uint8_t *out, size_t len)
{
    return packet->ip.proto == proto && packet->ip.frag_off == 0 &&
           gn__packet_read(packet, packet->ip.l4, out, len) == len;
}

/* DHCP and DHCPv6, and messages that only their servers may send, in fragments
 * too: their receiver puts them together. True: no packet of the guest's is
 * left (not consumed). */
static bool input_dhcp(struct gn_nic *nic, const struct gn__packet *packet)
{
    bool v4 = packet->ip.version == 4;
    uint8_t udp[8];
    uint16_t to;

    if (!read_upper(packet, GN__PROTO_UDP, udp, sizeof(udp)))
        return false;
    to = gn__get16(udp + 2);
    if (to == (v4 ? 68 : 546)) {
        gn__nic_spoofed(nic);
        return true;
    }
    if (to != (v4 ? 67 : 547) || gn__ip_is_fragment(&packet->ip))
        return false;
    nic->stats.dhcp++;
    if (!(nic->flags & GN_NIC_NO_DHCP))
        gn__nic_dhcp_input(nic, packet);
    return true;
}

static bool is_nd(uint8_t type)
{
    return type >= 133 && type <= 137;
}

static bool is_mld(uint8_t type)
{
    return (type >= ICMP6_MLD_QUERY && type <= ICMP6_MLD_DONE) ||
           type == ICMP6_MLD2_REPORT;
}

/* The same of Neighbour Discovery, which is never in pieces (RFC 6980), and of
 * Multicast Listener Discovery. */
static bool input_icmp6(struct gn_nic *nic, const struct gn__packet *packet)
{
    bool whole = !gn__ip_is_fragment(&packet->ip);
    uint8_t icmp[4];

    if (packet->ip.version != 6 ||
        !read_upper(packet, GN__PROTO_ICMP6, icmp, sizeof(icmp)))
        return false;
    if (is_nd(icmp[0])) {
        nic->stats.nd++;
        if (whole)
            gn__nic_nd_input(nic, packet);
        else
            gn__nic_malformed(nic);
        return true;
    }
    if (!is_mld(icmp[0]) || !whole)
        return false;
    gn__nic_mld_input(nic, packet);
    return true;
}

static bool input_here(struct gn_nic *nic, const struct gn__packet *packet)
{
    if (packet->ip.version == 4 && packet->ip.proto == PROTO_IGMP) {
        gn__nic_igmp_input(nic, packet);
        return true;
    }
    return input_dhcp(nic, packet) || input_icmp6(nic, packet);
}

/* ---- IP ---- */

/* A frame that stands for several segments, as the wire says. */
static bool take_segments(struct gn__packet *packet,
                          const struct gn_offload *offload)
{
    uint8_t gso = packet->ip.version == 4 ? GN_GSO_TCP4 : GN_GSO_TCP6;

    if (offload->gso == GN_GSO_NONE)
        return true;
    return offload->gso == gso && offload->segment >= SEGMENT_MIN &&
           gn__packet_set_segments(packet, offload->segment);
}

static struct gn__packet *make_packet(struct gn_nic *nic,
                                      struct gn__nic_frame *frame)
{
    bool trusted =
        frame->offload.flags & (GN_OFFLOAD_PARTIAL | GN_OFFLOAD_VALID);
    unsigned version = frame->ether.type == GN__ETHER_IP4 ? 4 : 6;
    enum gn__ip_flaw flaw = GN__IP_FINE;
    struct gn__packet *packet;
    int err;

    err = gn__packet_from_slice(&nic->handle.engine->net.packets, &frame->data,
                                trusted, &flaw, &packet);
    if (err == -ENOMEM) {
        gn__wire_drop(&nic->wire, GN_DROP_MEMORY);
        return NULL;
    }
    if (flaw == GN__IP_BAD_CHECKSUM) {
        gn__wire_drop(&nic->wire, GN_DROP_CORRUPT);
        return NULL;
    }
    if (err) {
        gn__nic_malformed(nic);
        return NULL;
    }
    if (packet->ip.version == version && take_segments(packet, &frame->offload))
        return packet;
    gn__packet_free(packet);
    gn__nic_malformed(nic);
    return NULL;
}

/* The gateway is a hop: a guest that counts hops hears of it (traceroute). */
static bool is_out_of_hops(struct gn_nic *nic, const struct gn__packet *packet)
{
    struct gn__addr gateway;
    struct gn__packet *error;

    if (packet->ip.ttl > 1 ||
        !gn__wire_outside(&nic->wire, &packet->ip.dst, &gateway))
        return false;
    error = gn__icmp_error(packet->pool, packet, &gateway,
                           GN__ICMP_TIME_EXCEEDED, 0);
    if (error)
        gn__nic_queue_add(nic, error);
    gn__wire_drop(&nic->wire, GN_DROP_TTL);
    return true;
}

static void input_ip(struct gn_nic *nic, struct gn__nic_frame *frame)
{
    struct gn__packet *packet = make_packet(nic, frame);
    struct gn__addr hop;

    if (!packet)
        return;
    if (input_here(nic, packet) || is_out_of_hops(nic, packet)) {
        gn__packet_free(packet);
        return;
    }
    if (!gn__nic_may_send_from(nic, &packet->ip.src)) {
        gn__nic_spoofed(nic);
        gn__packet_free(packet);
        return;
    }
    if (next_hop(nic, packet, &frame->ether, &hop))
        gn__wire_send(&nic->wire, &hop, packet);
    else
        gn__wire_discard(&nic->wire, packet, GN_DROP_UNREACHABLE);
}

/* ---- frames ---- */

/* False: it is another host's. */
static bool learn_mac(struct gn_nic *nic, const uint8_t mac[GN__MAC_LEN])
{
    if (gn__mac_equal(mac, nic->mac))
        return true;
    if (nic->fixed_mac)
        return false;
    memcpy(nic->mac, mac, GN__MAC_LEN);
    gn__nic_tell(nic, GN_NIC_MAC);
    return true;
}

static void input_frame(struct gn_nic *nic, struct gn__nic_frame *frame)
{
    nic->stats.frames_in++;
    nic->stats.bytes_in += frame->len;
    if (!nic->carrier) {
        gn__wire_drop(&nic->wire, GN_DROP_DOWN);
    } else if (frame->malformed) {
        gn__nic_malformed(nic);
    } else if (!frame->data.chunk) {
        gn__wire_drop(&nic->wire, GN_DROP_MEMORY);
    } else if (!learn_mac(nic, frame->ether.src)) {
        gn__nic_spoofed(nic);
    } else if (frame->ether.type == GN__ETHER_ARP) {
        nic->stats.arp++;
        gn__nic_arp_input(nic, frame->data.data, frame->data.len);
    } else if (frame->ether.type == GN__ETHER_IP4 ||
               frame->ether.type == GN__ETHER_IP6) {
        input_ip(nic, frame);
    } else {
        nic->stats.not_ip++;
        gn__wire_drop(&nic->wire, GN_DROP_PROTOCOL);
    }
}

/* ---- copying, without the lock ---- */

static size_t frame_len(const struct gn_frame *frame)
{
    size_t len = 0;
    unsigned i;

    for (i = 0; i < frame->n_iov && len <= GN_FRAME_MAX; i++)
        len += frame->iov[i].iov_len;
    return len;
}

/* Copy @len bytes from offset @from. */
static void frame_copy(const struct gn_frame *frame, size_t from, uint8_t *out,
                       size_t len)
{
    unsigned i;

    for (i = 0; len; i++) {
        const struct iovec *iov = &frame->iov[i];
        size_t n = iov->iov_len;

        if (from >= n) {
            from -= n;
            continue;
        }
        n -= from;
        if (n > len)
            n = len;
        memcpy(out, (const uint8_t *)iov->iov_base + from, n);
        out += n;
        len -= n;
        from = 0;
    }
}

static void frame_read(struct gn_nic *nic, const struct gn_frame *in,
                       struct gn__nic_frame *out)
{
    uint8_t header[GN__ETHER_HDR_LEN] = {0};
    size_t len = frame_len(in);
    struct gn__chunk *chunk;

    *out = (struct gn__nic_frame){.offload = in->offload, .len = len};
    if (len <= GN_FRAME_MAX && len >= sizeof(header))
        frame_copy(in, 0, header, sizeof(header));
    out->malformed =
        len > GN_FRAME_MAX || !gn__ether_parse(header, len, &out->ether);
    if (out->malformed)
        return;
    len -= sizeof(header);
    chunk = gn__chunk_alloc(nic->handle.engine->net.chunks, len);
    if (!chunk)
        return;
    frame_copy(in, sizeof(header), gn__chunk_data(chunk), len);
    out->data = (struct gn__slice){chunk, gn__chunk_data(chunk), (uint32_t)len};
}

static bool is_crowded(struct gn_nic *nic)
{
    if (nic->handle.engine->n_run <= CROWDED)
        return false;
    nic->starved = true;
    gn__nic_tell_ready(nic);
    return true;
}

static size_t input_some(struct gn_nic *nic, const struct gn_frame *frames,
                         size_t n)
{
    struct gn__nic_frame read[INPUT_BATCH];
    struct gn__engine *engine = nic->handle.engine;
    size_t i, taken = 0;

    for (i = 0; i < n; i++)
        frame_read(nic, &frames[i], &read[i]);
    gn__engine_enter(engine);
    if (!nic->open)
        taken = n;
    else if (!is_crowded(nic))
        for (; taken < n; taken++)
            input_frame(nic, &read[taken]);
    gn__engine_leave(engine);
    for (i = 0; i < n; i++) {
        if (read[i].data.chunk)
            gn__chunk_unref(read[i].data.chunk);
    }
    return taken;
}

size_t gn_nic_input(struct gn_nic *nic, const struct gn_frame *frames, size_t n)
{
    size_t done = 0;

    if (!nic || !frames)
        return 0;
    while (done < n) {
        size_t some = n - done < INPUT_BATCH ? n - done : INPUT_BATCH;
        size_t taken = input_some(nic, frames + done, some);

        done += taken;
        if (taken < some)
            break;
    }
    return done;
}
