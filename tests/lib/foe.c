/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/foe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "tests/lib/outsider.h"

#define TCP_HDR_LEN 20u
#define UDP_HDR_LEN 8u

/* ---- the port ---- */

static void deliver(struct gn__port *port, struct gn__packet *packet)
{
    struct foe *foe = gn__container_of(port, struct foe, port);

    foe->n_received++;
    foe->n_icmp += packet->ip.proto == GN__PROTO_ICMP ||
                   packet->ip.proto == GN__PROTO_ICMP6;
    if (foe->receive)
        foe->receive(foe, packet);
    if (foe->last)
        gn__packet_free(foe->last);
    foe->last = packet;
}

static const struct gn__port_ops foe_ops = {
    .name = "foe",
    .deliver = deliver,
};

struct gn__addr foe_addr(const char *text)
{
    struct gn__addr addr;

    if (gn__addr_parse(text, &addr))
        fail_msg("no address: %s", text);
    return addr;
}

void foe_open(struct foe *foe, struct gn_network *net, const char *v4,
              const char *v6)
{
    const char *const addresses[] = {v4 ? v4 : v6, v4 ? v6 : NULL, NULL};

    memset(foe, 0, sizeof(*foe));
    foe->net = net;
    if (v4)
        foe->v4 = foe_addr(v4);
    if (v6)
        foe->v6 = foe_addr(v6);
    gn__engine_enter(net->engine);
    gn__port_init(&foe->port, &foe_ops, gn_outsider_create(net, NULL),
                  net->mtu);
    assert_int_equal(gn__port_attach(&foe->port, net), 0);
    gn_outsider_own(&foe->port, addresses);
    gn__engine_leave(net->engine);
}

void foe_close(struct foe *foe)
{
    struct gn__engine *engine = foe->net->engine;

    gn__engine_enter(engine);
    gn__port_detach(&foe->port);
    gn_outsider_end(foe->port.owner);
    if (foe->last)
        gn__packet_free(foe->last);
    foe->last = NULL;
    gn__engine_leave(engine);
}

void foe_spoof(struct foe *foe)
{
    foe->port.any_source = true;
}

static bool send_inside(struct foe *foe, const struct gn__addr *hop,
                        const void *bytes, size_t len)
{
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;

    if (gn__packet_from_bytes(&foe->net->engine->net.packets, bytes, len, true,
                              &flaw, &packet))
        return false;
    gn__switch_send(&foe->port, hop ? hop : &packet->ip.dst, packet);
    return true;
}

bool foe_send_via(struct foe *foe, const struct gn__addr *hop,
                  const void *bytes, size_t len)
{
    bool sent;

    gn__engine_enter(foe->net->engine);
    sent = send_inside(foe, hop, bytes, len);
    gn__engine_leave(foe->net->engine);
    return sent;
}

bool foe_send(struct foe *foe, const void *bytes, size_t len)
{
    return foe_send_via(foe, NULL, bytes, len);
}

bool foe_reply(struct foe *foe, const void *bytes, size_t len)
{
    return send_inside(foe, NULL, bytes, len);
}

/* ---- packets ---- */

size_t foe_ip(const struct gn__addr *src, const struct gn__addr *dst,
              uint8_t proto, const void *data, size_t len, uint8_t *out)
{
    struct gn__ip_build ip = {.src = *src,
                              .dst = *dst,
                              .proto = proto,
                              .ttl = 64,
                              .payload_len = len};
    size_t l4 = gn__ip_build(&ip, out);

    if (len)
        memcpy(out + l4, data, len);
    return l4 + len;
}

size_t foe_tcp(const struct foe_segment *segment, uint8_t *out)
{
    uint8_t body[FOE_MAX] = {0};
    size_t hdr_len = TCP_HDR_LEN + segment->n_options;

    gn__put16(body, segment->src_port);
    gn__put16(body + 2, segment->dst_port);
    gn__put32(body + 4, segment->seq);
    gn__put32(body + 8, segment->ack);
    body[12] = (uint8_t)(hdr_len / 4 << 4);
    body[13] = segment->flags;
    gn__put16(body + 14, segment->window);
    if (segment->n_options)
        memcpy(body + TCP_HDR_LEN, segment->options, segment->n_options);
    if (segment->len)
        memcpy(body + hdr_len, segment->data, segment->len);
    return foe_ip(&segment->src, &segment->dst, GN__PROTO_TCP, body,
                  hdr_len + segment->len, out);
}

size_t foe_udp(const struct gn__endpoint *from, const struct gn__endpoint *to,
               const void *data, size_t len, uint8_t *out)
{
    uint8_t body[FOE_MAX];

    gn__put16(body, from->port);
    gn__put16(body + 2, to->port);
    gn__put16(body + 4, (uint32_t)(UDP_HDR_LEN + len));
    gn__put16(body + 6, 0);
    if (len)
        memcpy(body + UDP_HDR_LEN, data, len);
    return foe_ip(&from->addr, &to->addr, GN__PROTO_UDP, body,
                  UDP_HDR_LEN + len, out);
}

size_t foe_fragment(const struct gn__addr *src, const struct gn__addr *dst,
                    uint8_t proto, uint32_t id, unsigned offset, bool more,
                    const void *data, size_t len, uint8_t *out)
{
    uint8_t body[FOE_MAX];
    size_t n;

    if (gn__addr_is_v4(src)) {
        n = foe_ip(src, dst, proto, data, len, out);
        gn__put16(out + 4, id);
        gn__put16(out + 6, offset / 8 | (more ? 0x2000 : 0));
        return n;
    }
    body[0] = proto;
    body[1] = 0;
    gn__put16(body + 2, offset | (more ? 1 : 0));
    gn__put32(body + 4, id);
    memcpy(body + 8, data, len);
    return foe_ip(src, dst, GN__PROTO_IP6_FRAGMENT, body, 8 + len, out);
}

size_t foe_icmp_error(const struct gn__addr *src, const struct gn__addr *dst,
                      unsigned type, unsigned code, uint32_t rest,
                      const void *quoted, size_t len, uint8_t *out)
{
    uint8_t body[8 + 1232] = {(uint8_t)type, (uint8_t)code};

    if (len > sizeof(body) - 8)
        len = sizeof(body) - 8;
    gn__put32(body + 4, rest);
    memcpy(body + 8, quoted, len);
    return foe_ip(src, dst,
                  gn__addr_is_v4(src) ? GN__PROTO_ICMP : GN__PROTO_ICMP6, body,
                  8 + len, out);
}

bool foe_view(const struct gn__packet *packet, struct foe_view *out)
{
    uint8_t hdr[TCP_HDR_LEN];
    size_t hdr_len;

    if (packet->ip.proto != GN__PROTO_TCP || gn__ip_is_fragment(&packet->ip) ||
        gn__packet_read(packet, packet->ip.l4, hdr, sizeof(hdr)) < sizeof(hdr))
        return false;
    hdr_len = (size_t)(hdr[12] >> 4) * 4;
    out->src_port = gn__get16(hdr);
    out->dst_port = gn__get16(hdr + 2);
    out->seq = gn__get32(hdr + 4);
    out->ack = gn__get32(hdr + 8);
    out->flags = hdr[13];
    out->window = gn__get16(hdr + 14);
    out->len = packet->len - (uint32_t)(packet->ip.l4 + hdr_len);
    return true;
}

/* ---- connections ---- */

static const struct gn__addr *own_addr(const struct foe *foe,
                                       const struct gn__addr *like)
{
    return gn__addr_is_v4(like) ? &foe->v4 : &foe->v6;
}

static void send_segment(struct foe_conn *conn,
                         const struct foe_segment *segment)
{
    static uint8_t bytes[FOE_MAX];

    assert_true(foe_send(conn->foe, bytes, foe_tcp(segment, bytes)));
}

static struct foe_segment begin(const struct foe_conn *conn, uint8_t flags)
{
    return (struct foe_segment){.src = conn->local.addr,
                                .dst = conn->remote.addr,
                                .src_port = conn->local.port,
                                .dst_port = conn->remote.port,
                                .seq = conn->seq,
                                .ack = conn->ack,
                                .window = conn->window,
                                .flags = flags};
}

bool foe_connect(struct foe_conn *conn, struct foe *foe, uint16_t from,
                 const struct gn__addr *to, uint16_t port)
{
    /* MSS 1460, no operation, window scale 8. */
    static const uint8_t options[] = {2, 4, 5, 180, 1, 3, 3, 8};
    struct foe_segment syn;
    struct foe_view view;

    *conn = (struct foe_conn){
        .foe = foe,
        .local = {.addr = *own_addr(foe, to), .port = from},
        .remote = {.addr = *to, .port = port},
        .seq = 1000,
        .window = 8192,
    };
    syn = begin(conn, FOE_SYN);
    syn.options = options;
    syn.n_options = sizeof(options);
    send_segment(conn, &syn);
    if (!foe->last || !foe_view(foe->last, &view) ||
        view.flags != (FOE_SYN | FOE_ACK) || view.dst_port != from)
        return false;
    conn->seq++;
    conn->ack = view.seq + 1;
    foe_push(conn, FOE_ACK, 0, NULL, 0);
    return true;
}

void foe_push(struct foe_conn *conn, uint8_t flags, uint32_t offset,
              const void *data, size_t len)
{
    struct foe_segment segment = begin(conn, flags);

    segment.seq += offset;
    segment.data = data;
    segment.len = len;
    send_segment(conn, &segment);
}
