/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LIB_CARD_H
#define TESTS_LIB_CARD_H

/*
 * A guest behind a NIC whose wire is in memory, played by the test: it sends
 * frames and looks at those that come. Its ARP and Neighbour Discovery are the
 * test's, too.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/nic.h>

enum { GN_CARD_FRAMES = 256, GN_CARD_FRAME_MAX = 65600 };

struct gn_card {
    struct gn_nic *nic;
    struct gn_clock *clock;
    uint8_t mac[6];
    size_t room; /* frames that output() takes before it says no */
    struct {
        uint8_t *bytes;
        size_t len;
        struct gn_offload offload;
    } frames[GN_CARD_FRAMES]; /* a ring: those that came, not looked at yet */
    size_t head, n;
    size_t n_output; /* calls */
    unsigned events; /* 1 << enum gn_nic_event, ever */
    bool ready, closed;
};

/** Create a NIC on @net with the MAC 52:54:00:12:34:56 at the guest. @config
 *  NULL: the defaults. The test fails if that cannot be. */
void gn_card_open(struct gn_card *card, struct gn_network *net,
                  const struct gn_nic_config *config);
/** The same without the test failing. */
int gn_card_try(struct gn_card *card, struct gn_network *net,
                const struct gn_nic_config *config);
/** Close the NIC, let what is due happen, and forget what came. */
void gn_card_close(struct gn_card *card);

/** Send a frame from the card's MAC; what gn_nic_input() returned. */
size_t gn_card_send(struct gn_card *card, const uint8_t *dst, uint16_t type,
                    const void *data, size_t len);
/** An IP packet; the type follows from its version. */
size_t gn_card_send_ip(struct gn_card *card, const uint8_t *dst,
                       const void *packet, size_t len);
/** Any bytes as a frame. */
size_t gn_card_send_raw(struct gn_card *card, const void *frame, size_t len);

/** The oldest frame that came; its length without the Ethernet header (which
 *  goes to @header, 14 bytes, unless that is NULL), or 0. */
size_t gn_card_recv(struct gn_card *card, uint8_t *header, void *data,
                    size_t cap);
/** The oldest of this EtherType; others before it are forgotten. */
size_t gn_card_recv_type(struct gn_card *card, uint16_t type, uint8_t *header,
                         void *data, size_t cap);
void gn_card_forget(struct gn_card *card);

/** Ask by ARP from @own, or by a solicitation for IPv6, and let what is due
 *  happen: true, and @mac is whose the address is. */
bool gn_card_resolve(struct gn_card *card, struct gn_clock *clock,
                     const char *own, const char *addr, uint8_t mac[6]);

extern const uint8_t gn_card_broadcast[6];

#endif /* TESTS_LIB_CARD_H */
