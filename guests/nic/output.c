/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The queue to the guest. Packets wait in it under the engine's lock; frames
 * are made of some of them and handed to output() without it, on the driving
 * thread or on the one that moved the packets. What output() does not take
 * stays in front, in order.
 *
 * The queue is bounded by memory: a guest that does not read loses its own
 * packets, and TCP at the other end slows down.
 */
#include "guests/nic/nic.h"

#include "guests/nic/arp.h"

/** Turns of output() that one thread gives before the driving one goes on. */
#define FLUSH_ROUNDS 16u
/** Ethernet header, packet header, payload. */
#define FRAME_PARTS (2u + GN__PACKET_SLICES)

/* ---- the queue ---- */

static bool takes_segments(const struct gn_nic *nic,
                           const struct gn__packet *packet)
{
    unsigned wanted = packet->ip.version == 4 ? GN_NIC_TSO4 : GN_NIC_TSO6;

    return nic->offload & wanted;
}

static void queue_segment(struct gn__packet *segment, void *arg)
{
    gn__nic_queue_add(arg, segment);
}

/* The newest in the queue takes what follows on it. */
static bool queue_merge(struct gn_nic *nic, struct gn__packet *packet)
{
    size_t len = packet->len;
    struct gn__packet *last;

    if (!nic->head || !takes_segments(nic, packet))
        return false;
    last = gn__container_of(nic->tail, struct gn__packet, next);
    len -= packet->head_len;
    if (nic->queue_bytes + len > nic->queue_max ||
        !gn__packet_merge(last, packet))
        return false;
    nic->queue_bytes += len;
    return true;
}

void gn__nic_queue_add(struct gn_nic *nic, struct gn__packet *packet)
{
    size_t cost = gn__packet_cost(packet);

    if (!nic->carrier) {
        gn__wire_discard(&nic->wire, packet, GN_DROP_DOWN);
        return;
    }
    if (packet->len <= gn__wire_mtu(&nic->wire))
        packet->segment_size = 0;
    if (packet->segment_size && !takes_segments(nic, packet)) {
        if (gn__packet_segment(packet, queue_segment, nic))
            gn__wire_drop(&nic->wire, GN_DROP_MEMORY);
        return;
    }
    if (queue_merge(nic, packet))
        return;
    if (nic->queue_bytes + cost > nic->queue_max) {
        nic->stats.full++;
        gn__wire_discard(&nic->wire, packet, GN_DROP_QUEUE);
        return;
    }
    packet->next = NULL;
    *nic->tail = packet;
    nic->tail = &packet->next;
    nic->queue_bytes += cost;
    gn__nic_wake(nic);
}

static struct gn__packet *queue_pop(struct gn_nic *nic)
{
    struct gn__packet *packet = nic->head;

    nic->head = packet->next;
    if (!nic->head)
        nic->tail = &nic->head;
    return packet;
}

/* In front of what came meanwhile. */
static void queue_push_back(struct gn_nic *nic, struct gn__packet *packet)
{
    packet->next = nic->head;
    if (!nic->head)
        nic->tail = &packet->next;
    nic->head = packet;
}

void gn__nic_queue_drop(struct gn_nic *nic, enum gn_drop why)
{
    while (nic->head) {
        struct gn__packet *packet = queue_pop(nic);

        nic->queue_bytes -= gn__packet_cost(packet);
        if (nic->open)
            gn__wire_drop(&nic->wire, why);
        gn__packet_free(packet);
    }
}

/* ---- frames ---- */

/* Some packets on their way out, and what describes them. */
struct flush_batch {
    struct gn__packet *packets[GN__NIC_BATCH];
    size_t n;
    uint8_t headers[GN__NIC_BATCH][GN__ETHER_HDR_LEN];
    struct iovec iov[GN__NIC_BATCH][FRAME_PARTS];
    struct gn_frame frames[GN__NIC_BATCH];
};

static void destination_mac(const struct gn_nic *nic,
                            const struct gn__packet *packet,
                            uint8_t out[GN__MAC_LEN])
{
    if (gn__ether_group(&packet->ip.dst, out))
        return;
    if (gn__mac_is_zero(nic->mac) ||
        gn__wire_is_broadcast(&nic->wire, &packet->ip.dst))
        memcpy(out, gn__mac_broadcast, GN__MAC_LEN);
    else
        memcpy(out, nic->mac, GN__MAC_LEN);
}

/* Under the lock: the sender is known there only. */
static void write_header(struct gn_nic *nic, const struct gn__packet *packet,
                         uint8_t out[GN__ETHER_HDR_LEN])
{
    struct gn__ether ether;
    struct gn__arp arp;

    if (packet->ip.version) {
        ether.type = packet->ip.version == 4 ? GN__ETHER_IP4 : GN__ETHER_IP6;
        gn__wire_sender(&nic->wire, packet, ether.src);
        destination_mac(nic, packet, ether.dst);
    } else {
        ether.type = GN__ETHER_ARP;
        (void)gn__arp_parse(packet->head, packet->head_len, &arp);
        memcpy(ether.src, arp.sender_mac, GN__MAC_LEN);
        memcpy(ether.dst, arp.target_mac, GN__MAC_LEN);
    }
    gn__ether_build(&ether, out);
}

/* Its checksums, or what the wire takes in their place. */
static struct gn_offload describe_offload(const struct gn_nic *nic,
                                          struct gn__packet *packet)
{
    struct gn_offload offload = {.flags = 0};

    if (!packet->ip.version || !packet->csum_absent)
        return offload;
    if (!(nic->offload & GN_NIC_CSUM)) {
        gn__packet_fill_checksums(packet);
        return offload;
    }
    if (!gn__packet_fill_partial(packet, &offload.csum_start,
                                 &offload.csum_offset))
        return offload;
    offload.flags = GN_OFFLOAD_PARTIAL;
    offload.csum_start += GN__ETHER_HDR_LEN;
    if (packet->segment_size) {
        offload.gso = packet->ip.version == 4 ? GN_GSO_TCP4 : GN_GSO_TCP6;
        offload.segment = packet->segment_size;
        offload.header =
            (uint16_t)(GN__ETHER_HDR_LEN + gn__packet_segment_headers(packet));
    }
    return offload;
}

/* Without the lock. */
static void frame_describe(const struct gn_nic *nic, struct flush_batch *batch,
                           size_t i)
{
    struct gn__packet *packet = batch->packets[i];
    struct gn_offload offload = describe_offload(nic, packet);
    struct iovec *iov = batch->iov[i];
    unsigned n = 2, s;

    iov[0] = (struct iovec){batch->headers[i], GN__ETHER_HDR_LEN};
    iov[1] = (struct iovec){packet->head, packet->head_len};
    for (s = 0; s < packet->n_slices; s++) {
        /* An iovec cannot say that its bytes are only read. */
        iov[n].iov_base = (void *)(uintptr_t)packet->slices[s].data;
        iov[n++].iov_len = packet->slices[s].len;
    }
    batch->frames[i] =
        (struct gn_frame){.iov = iov, .n_iov = n, .offload = offload};
}

/* ---- flushing ---- */

static bool batch_take(struct gn_nic *nic, struct flush_batch *batch)
{
    batch->n = 0;
    if (!nic->open || nic->busy || nic->blocked)
        return false;
    while (nic->head && batch->n < GN__NIC_BATCH) {
        struct gn__packet *packet = queue_pop(nic);

        write_header(nic, packet, batch->headers[batch->n]);
        batch->packets[batch->n++] = packet;
    }
    nic->busy = batch->n > 0;
    return nic->busy;
}

/* Packets that were taken are counted and freed, the rest goes back. True:
 * there is more, and it can be taken. */
static bool batch_give(struct gn_nic *nic, struct flush_batch *batch,
                       size_t taken)
{
    size_t i;

    nic->busy = false;
    nic->blocked = nic->blocked || taken < batch->n;
    for (i = batch->n; i > taken; i--)
        queue_push_back(nic, batch->packets[i - 1]);
    for (i = 0; i < taken; i++) {
        nic->stats.frames_out++;
        nic->stats.bytes_out += batch->packets[i]->len + GN__ETHER_HDR_LEN;
        nic->queue_bytes -= gn__packet_cost(batch->packets[i]);
        gn__packet_free(batch->packets[i]);
    }
    if (!nic->open || !nic->carrier)
        gn__nic_queue_drop(nic, GN_DROP_DOWN);
    return nic->head && !nic->blocked;
}

/* One call of output(); true: there is more. */
static bool flush_round(struct gn_nic *nic)
{
    struct gn__engine *engine = nic->handle.engine;
    struct flush_batch batch;
    size_t i, taken;
    bool any;

    gn__engine_enter(engine);
    any = batch_take(nic, &batch);
    gn__engine_leave(engine);
    if (!any)
        return false;
    for (i = 0; i < batch.n; i++)
        frame_describe(nic, &batch, i);
    taken = nic->ops->output(nic->self, batch.frames, batch.n);
    gn__engine_enter(engine);
    any = batch_give(nic, &batch, taken < batch.n ? taken : batch.n);
    gn__engine_leave(engine);
    return any;
}

static void flush_run(struct gn__deferred *deferred)
{
    struct gn_nic *nic = gn__container_of(deferred, struct gn_nic, flush);
    struct gn__engine *engine = nic->handle.engine;

    gn__handle_ref(&nic->handle);
    if (flush_round(nic)) {
        gn__engine_enter(engine);
        if (nic->open)
            gn__deferred_queue(engine, &nic->flush);
        gn__engine_leave(engine);
    }
    gn__handle_unref(&nic->handle);
}

static void unlock_take(struct gn__unlock_hook *unlock)
{
    gn__handle_ref(&gn__container_of(unlock, struct gn_nic, unlock)->handle);
}

static void unlock_run(struct gn__unlock_hook *unlock)
{
    struct gn_nic *nic = gn__container_of(unlock, struct gn_nic, unlock);
    struct gn__engine *engine = nic->handle.engine;
    unsigned n = 0;

    while (flush_round(nic)) {
        if (++n < FLUSH_ROUNDS)
            continue;
        gn__engine_enter(engine);
        if (nic->open)
            gn__deferred_queue(engine, &nic->flush);
        gn__engine_leave(engine);
        break;
    }
    gn__handle_unref(&nic->handle);
}

void gn__nic_wake(struct gn_nic *nic)
{
    struct gn__engine *engine = nic->handle.engine;

    if (nic->busy || nic->blocked || !nic->head)
        return;
    if (!(nic->flags & GN_NIC_ANY_THREAD))
        gn__deferred_queue(engine, &nic->flush);
    else if (gn__list_empty(&nic->unlock.link))
        gn__list_add_tail(&engine->fds, &nic->unlock.link);
}

void gn__nic_queue_init(struct gn_nic *nic)
{
    nic->tail = &nic->head;
    nic->flush.run = flush_run;
    nic->unlock.take = unlock_take;
    nic->unlock.run = unlock_run;
    gn__list_init(&nic->unlock.link);
}

/* ---- what is said here ---- */

static struct gn__packet_pool *pool_of(struct gn_nic *nic)
{
    return &nic->handle.engine->net.packets;
}

void gn__nic_answer(struct gn_nic *nic, const struct gn__ip_build *ip,
                    const void *upper)
{
    struct gn__packet *packet = gn__packet_alloc(pool_of(nic));
    size_t len;

    if (!packet)
        return;
    len = gn__ip_build(ip, packet->head);
    packet->head_len = (uint16_t)len;
    packet->len = (uint32_t)len;
    packet->csum_absent = true;
    if (gn__packet_add_copy(packet, upper, ip->payload_len) ||
        gn__ip_parse(packet->head, len, packet->len, false, &packet->ip))
        gn__packet_free(packet);
    else
        gn__nic_queue_add(nic, packet);
}

void gn__nic_answer_udp(struct gn_nic *nic, struct gn__ip_build *ip,
                        uint16_t from, uint16_t to, const void *data,
                        size_t len)
{
    uint8_t upper[8 + 1500];

    if (len > sizeof(upper) - 8)
        return;
    gn__put16(upper, from);
    gn__put16(upper + 2, to);
    gn__put16(upper + 4, (uint16_t)(8 + len));
    gn__put16(upper + 6, 0);
    memcpy(upper + 8, data, len);
    ip->proto = GN__PROTO_UDP;
    ip->payload_len = 8 + len;
    gn__nic_answer(nic, ip, upper);
}

void gn__nic_answer_arp(struct gn_nic *nic, const uint8_t *data, size_t len)
{
    struct gn__packet *packet = gn__packet_alloc(pool_of(nic));

    if (!packet)
        return;
    memcpy(packet->head, data, len);
    packet->head_len = (uint16_t)len;
    packet->len = (uint32_t)len;
    gn__nic_queue_add(nic, packet);
}
