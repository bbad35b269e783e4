/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/rawport.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "namespace/internal.h"
#include "tests/lib/outsider.h"

struct gn_rawport {
    struct gn__port port;
    struct gn__engine *engine;
    struct gn__packet *head;
    struct gn__packet **tail;
    size_t n_waiting;
    uint64_t n_received;
    bool trusted;
};

static void deliver(struct gn__port *port, struct gn__packet *packet)
{
    struct gn_rawport *raw = gn__container_of(port, struct gn_rawport, port);

    packet->next = NULL;
    *raw->tail = packet;
    raw->tail = &packet->next;
    raw->n_waiting++;
    raw->n_received++;
}

static const struct gn__port_ops raw_ops = {
    .name = "raw",
    .deliver = deliver,
};

struct gn_rawport *gn_rawport_open(struct gn_network *net,
                                   const char *const *addresses, uint32_t mtu)
{
    struct gn_rawport *raw = calloc(1, sizeof(*raw));

    assert_non_null(raw);
    raw->engine = net->engine;
    raw->tail = &raw->head;
    gn__engine_enter(raw->engine);
    gn__port_init(&raw->port, &raw_ops, gn_outsider_create(net, NULL),
                  mtu ? mtu : net->mtu);
    assert_int_equal(gn__port_attach(&raw->port, net), 0);
    gn_outsider_own(&raw->port, addresses);
    gn__engine_leave(raw->engine);
    return raw;
}

static struct gn__packet *pop(struct gn_rawport *raw)
{
    struct gn__packet *packet = raw->head;

    if (!packet)
        return NULL;
    raw->head = packet->next;
    if (!raw->head)
        raw->tail = &raw->head;
    raw->n_waiting--;
    return packet;
}

void gn_rawport_close(struct gn_rawport *raw)
{
    struct gn__packet *packet;

    gn__engine_enter(raw->engine);
    gn__port_detach(&raw->port);
    gn_outsider_end(raw->port.owner);
    while ((packet = pop(raw)))
        gn__packet_free(packet);
    gn__engine_leave(raw->engine);
    free(raw);
}

void gn_rawport_any_source(struct gn_rawport *raw)
{
    raw->port.any_source = true;
}

void gn_rawport_trust(struct gn_rawport *raw)
{
    raw->trusted = true;
}

int gn_rawport_send_via(struct gn_rawport *raw, const char *next_hop,
                        const void *bytes, size_t len)
{
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;
    struct gn__addr hop;
    int err;

    if (next_hop)
        assert_int_equal(gn__addr_parse(next_hop, &hop), 0);
    gn__engine_enter(raw->engine);
    err = gn__packet_from_bytes(&raw->engine->net.packets, bytes, len,
                                raw->trusted, &flaw, &packet);
    if (!err) {
        if (!next_hop)
            hop = packet->ip.dst;
        gn__switch_send(&raw->port, &hop, packet);
    }
    gn__engine_leave(raw->engine);
    return err;
}

int gn_rawport_send(struct gn_rawport *raw, const void *bytes, size_t len)
{
    return gn_rawport_send_via(raw, NULL, bytes, len);
}

size_t gn_rawport_recv(struct gn_rawport *raw, void *buf, size_t cap)
{
    struct gn__packet *packet;
    size_t len = 0;

    gn__engine_enter(raw->engine);
    packet = pop(raw);
    if (packet) {
        if (packet->csum_absent)
            gn__packet_fill_checksums(packet);
        len = gn__packet_copy(packet, buf, cap);
        gn__packet_free(packet);
    }
    gn__engine_leave(raw->engine);
    return len;
}

size_t gn_rawport_waiting(const struct gn_rawport *raw)
{
    return raw->n_waiting;
}

uint64_t gn_rawport_received(const struct gn_rawport *raw)
{
    return raw->n_received;
}

/* ---- packets ---- */

static struct gn__addr addr_of(const char *text)
{
    struct gn__addr addr;

    assert_int_equal(gn__addr_parse(text, &addr), 0);
    return addr;
}

size_t gn_raw_packet(const struct gn_raw_ip *ip, uint8_t proto,
                     const void *payload, size_t len, uint8_t *out)
{
    struct gn__ip_build build = {
        .src = addr_of(ip->src),
        .dst = addr_of(ip->dst),
        .proto = proto,
        .ttl = ip->ttl ? ip->ttl : 64,
        .id = ip->id,
        .dont_fragment = ip->dont_fragment,
        .payload_len = len,
    };
    size_t head = gn__ip_build(&build, out);

    if (head == GN__IP4_HDR_LEN) {
        uint16_t sum;

        memset(out + 10, 0, 2);
        sum = gn__ip4_checksum(out, head);
        out[10] = (uint8_t)(sum >> 8);
        out[11] = (uint8_t)sum;
    }
    if (len)
        memcpy(out + head, payload, len);
    return head + len;
}

/* The Internet checksum of an upper packet, at @at, and the whole written. */
static size_t finish(const struct gn_raw_ip *ip, uint8_t proto, uint8_t *upper,
                     size_t len, size_t at, uint8_t *out)
{
    struct gn__ip pseudo = {
        .src = addr_of(ip->src), .dst = addr_of(ip->dst), .proto = proto};
    uint32_t sum = 0;
    bool odd = false;
    size_t i;

    pseudo.version = gn__addr_is_v4(&pseudo.src) ? 4 : 6;
    for (i = 0; i < 16; i += 2) {
        bool skip = pseudo.version == 4 && i < 12;

        if (skip || proto == GN__PROTO_ICMP)
            continue;
        sum += (uint32_t)(pseudo.src.bytes[i] << 8 | pseudo.src.bytes[i + 1]);
        sum += (uint32_t)(pseudo.dst.bytes[i] << 8 | pseudo.dst.bytes[i + 1]);
    }
    if (proto != GN__PROTO_ICMP)
        sum += (uint32_t)len + proto;
    for (i = 0; i < len; i++, odd = !odd)
        sum += odd ? upper[i] : (uint32_t)upper[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    gn__put16(upper + at, (uint16_t)~sum);
    return gn_raw_packet(ip, proto, upper, len, out);
}

size_t gn_raw_udp(const struct gn_raw_ip *ip, uint16_t from, uint16_t to,
                  const void *payload, size_t len, uint8_t *out)
{
    static uint8_t upper[65536];

    gn__put16(upper, from);
    gn__put16(upper + 2, to);
    gn__put16(upper + 4, (uint16_t)(8 + len));
    gn__put16(upper + 6, 0);
    if (len)
        memcpy(upper + 8, payload, len);
    return finish(ip, GN__PROTO_UDP, upper, 8 + len, 6, out);
}

size_t gn_raw_ping(const struct gn_raw_ip *ip, uint16_t id, uint16_t seq,
                   uint8_t *out)
{
    struct gn__addr dst = addr_of(ip->dst);
    bool v4 = gn__addr_is_v4(&dst);
    uint8_t upper[16] = {v4 ? 8 : 128};

    gn__put16(upper + 4, id);
    gn__put16(upper + 6, seq);
    return finish(ip, v4 ? GN__PROTO_ICMP : GN__PROTO_ICMP6, upper,
                  sizeof(upper), 2, out);
}

size_t gn_raw_icmp6(const struct gn_raw_ip *ip, const void *msg, size_t len,
                    uint8_t *out)
{
    uint8_t upper[1500];

    assert_true(len >= 4 && len <= sizeof(upper));
    memcpy(upper, msg, len);
    gn__put16(upper + 2, 0);
    return finish(ip, GN__PROTO_ICMP6, upper, len, 2, out);
}

size_t gn_raw_tcp(const struct gn_raw_ip *ip, uint16_t from, uint16_t to,
                  uint32_t seq, uint32_t ack, uint8_t flags, uint16_t window,
                  const void *payload, size_t len, uint8_t *out)
{
    static uint8_t upper[65536];

    memset(upper, 0, 20);
    gn__put16(upper, from);
    gn__put16(upper + 2, to);
    gn__put32(upper + 4, seq);
    gn__put32(upper + 8, ack);
    upper[12] = 5 << 4;
    upper[13] = flags;
    gn__put16(upper + 14, window);
    if (len)
        memcpy(upper + 20, payload, len);
    return finish(ip, GN__PROTO_TCP, upper, 20 + len, 16, out);
}
