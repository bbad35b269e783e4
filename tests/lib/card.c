/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/card.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/sim.h>

#include "guests/nic/arp.h"
#include "guests/nic/nd.h"
#include "tests/lib/rawport.h"

const uint8_t gn_card_broadcast[6] = {255, 255, 255, 255, 255, 255};

/* ---- what the NIC calls ---- */

static void frame_keep(struct gn_card *card, const struct gn_frame *frame)
{
    size_t at = (card->head + card->n) % GN_CARD_FRAMES, len = 0;
    uint8_t *bytes = malloc(GN_CARD_FRAME_MAX);
    unsigned i;

    assert_non_null(bytes);
    assert_true(card->n < GN_CARD_FRAMES);
    for (i = 0; i < frame->n_iov; i++) {
        assert_true(len + frame->iov[i].iov_len <= GN_CARD_FRAME_MAX);
        memcpy(bytes + len, frame->iov[i].iov_base, frame->iov[i].iov_len);
        len += frame->iov[i].iov_len;
    }
    card->frames[at].bytes = realloc(bytes, len ? len : 1);
    card->frames[at].len = len;
    card->frames[at].offload = frame->offload;
    card->n++;
}

static size_t card_output(void *self, const struct gn_frame *frames, size_t n)
{
    struct gn_card *card = self;
    size_t i;

    card->n_output++;
    for (i = 0; i < n && card->room; i++, card->room--)
        frame_keep(card, &frames[i]);
    return i;
}

static void card_ready(void *self)
{
    ((struct gn_card *)self)->ready = true;
}

static void card_event(struct gn_nic *nic, enum gn_nic_event what, void *arg)
{
    (void)nic;
    ((struct gn_card *)arg)->events |= 1u << what;
}

static void card_closed(void *self)
{
    ((struct gn_card *)self)->closed = true;
}

static const struct gn_nic_ops card_ops = {card_output, card_ready,
                                           card_closed};

/* ---- life ---- */

int gn_card_try(struct gn_card *card, struct gn_network *net,
                const struct gn_nic_config *config)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    struct gn_nic_config own = {.size = sizeof(own)};

    if (config)
        own = *config;
    own.event = card_event;
    own.event_arg = card;
    memset(card, 0, sizeof(*card));
    memcpy(card->mac, mac, sizeof(mac));
    card->room = SIZE_MAX;
    card->clock = gn_network_clock(net);
    return gn_nic_create(net, &own, &card_ops, card, &card->nic);
}

void gn_card_open(struct gn_card *card, struct gn_network *net,
                  const struct gn_nic_config *config)
{
    assert_int_equal(gn_card_try(card, net, config), 0);
}

void gn_card_close(struct gn_card *card)
{
    gn_nic_close(card->nic, NULL, NULL);
    gn_clock_advance(card->clock, 0);
    assert_true(card->closed);
    card->nic = NULL;
    gn_card_forget(card);
}

/* ---- frames ---- */

size_t gn_card_send_raw(struct gn_card *card, const void *frame, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)frame, len};
    struct gn_frame one = {.iov = &iov, .n_iov = 1};

    return gn_nic_input(card->nic, &one, 1);
}

size_t gn_card_send(struct gn_card *card, const uint8_t *dst, uint16_t type,
                    const void *data, size_t len)
{
    static uint8_t frame[GN_CARD_FRAME_MAX];
    struct gn__ether ether = {.type = type};

    memcpy(ether.dst, dst, 6);
    memcpy(ether.src, card->mac, 6);
    gn__ether_build(&ether, frame);
    if (len)
        memcpy(frame + GN__ETHER_HDR_LEN, data, len);
    return gn_card_send_raw(card, frame, GN__ETHER_HDR_LEN + len);
}

size_t gn_card_send_ip(struct gn_card *card, const uint8_t *dst,
                       const void *packet, size_t len)
{
    const uint8_t *bytes = packet;
    bool v4;

    assert_true(len > 0);
    v4 = bytes[0] >> 4 == 4;
    return gn_card_send(card, dst, v4 ? GN__ETHER_IP4 : GN__ETHER_IP6, packet,
                        len);
}

size_t gn_card_recv(struct gn_card *card, uint8_t *header, void *data,
                    size_t cap)
{
    uint8_t *bytes;
    size_t len;

    if (!card->n)
        return 0;
    bytes = card->frames[card->head].bytes;
    len = card->frames[card->head].len;
    assert_true(len >= GN__ETHER_HDR_LEN);
    if (header)
        memcpy(header, bytes, GN__ETHER_HDR_LEN);
    len -= GN__ETHER_HDR_LEN;
    if (data)
        memcpy(data, bytes + GN__ETHER_HDR_LEN, len < cap ? len : cap);
    free(bytes);
    card->head = (card->head + 1) % GN_CARD_FRAMES;
    card->n--;
    return len;
}

size_t gn_card_recv_type(struct gn_card *card, uint16_t type, uint8_t *header,
                         void *data, size_t cap)
{
    uint8_t own[GN__ETHER_HDR_LEN];
    size_t len;

    while ((len = gn_card_recv(card, own, data, cap))) {
        if ((own[12] << 8 | own[13]) != type)
            continue;
        if (header)
            memcpy(header, own, sizeof(own));
        return len;
    }
    return 0;
}

void gn_card_forget(struct gn_card *card)
{
    while (gn_card_recv(card, NULL, NULL, 0))
        continue;
}

/* ---- asking ---- */

static struct gn__addr addr_of(const char *text)
{
    struct gn__addr addr;

    assert_int_equal(gn__addr_parse(text, &addr), 0);
    return addr;
}

static bool resolve4(struct gn_card *card, struct gn_clock *clock,
                     const char *own, const char *addr, uint8_t mac[6])
{
    struct gn__arp arp = {
        .op = GN__ARP_REQUEST, .sender = addr_of(own), .target = addr_of(addr)};
    uint8_t bytes[GN__ARP_LEN];

    memcpy(arp.sender_mac, card->mac, 6);
    gn__arp_build(&arp, bytes);
    gn_card_send(card, gn_card_broadcast, GN__ETHER_ARP, bytes, sizeof(bytes));
    gn_clock_advance(clock, 0);
    if (!gn_card_recv_type(card, GN__ETHER_ARP, NULL, bytes, sizeof(bytes)))
        return false;
    assert_true(gn__arp_parse(bytes, sizeof(bytes), &arp));
    memcpy(mac, arp.sender_mac, 6);
    return arp.op == GN__ARP_REPLY;
}

static void solicit(struct gn_card *card, const char *own, const char *addr)
{
    struct gn__nd nd = {.type = GN__ND_NEIGHBOR_SOLICIT,
                        .target = addr_of(addr),
                        .has_mac = strcmp(own, "::") != 0};
    struct gn__addr group = gn__nd_solicited_group(&nd.target);
    char to[GN__ADDR_TEXT];
    struct gn_raw_ip ip = {.src = own, .ttl = 255};
    uint8_t msg[GN__ND_LEN], packet[128] = {0}, dst[6];

    memcpy(nd.mac, card->mac, 6);
    assert_true(gn__ether_group(&group, dst));
    ip.dst = gn__addr_format(&group, to, sizeof(to));
    gn_card_send_ip(card, dst, packet,
                    gn_raw_icmp6(&ip, msg, gn__nd_build(&nd, msg), packet));
}

static bool resolve6(struct gn_card *card, struct gn_clock *clock,
                     const char *own, const char *addr, uint8_t mac[6])
{
    struct gn__addr target = addr_of(addr);
    uint8_t packet[1500];
    struct gn__nd nd;
    size_t len;

    solicit(card, own, addr);
    gn_clock_advance(clock, 0);
    while ((len = gn_card_recv_type(card, GN__ETHER_IP6, NULL, packet,
                                    sizeof(packet)))) {
        if (packet[6] != 58 || packet[40] != GN__ND_NEIGHBOR_ADVERT)
            continue;
        assert_true(gn__nd_parse(packet + 40, len - 40, &nd));
        memcpy(mac, nd.mac, 6);
        return gn__addr_equal(&nd.target, &target);
    }
    return false;
}

bool gn_card_resolve(struct gn_card *card, struct gn_clock *clock,
                     const char *own, const char *addr, uint8_t mac[6])
{
    return strchr(addr, ':') ? resolve6(card, clock, own, addr, mac)
                             : resolve4(card, clock, own, addr, mac);
}
