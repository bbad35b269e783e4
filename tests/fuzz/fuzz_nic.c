/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile guest behind a NIC, beside one that is not. The input is frames,
 * each behind two bytes of its length, big-endian; a length of 0 lets a second
 * pass. The first byte says what the wire leaves to us. Nothing may reach an
 * assertion, no memory may be left, and what the guest hears is Ethernet.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <guestnet/guestnet.h>

#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t hear(void *self, const struct gn_frame *frames, size_t n)
{
    size_t i, len;
    unsigned k;

    (void)self;
    for (i = 0; i < n; i++) {
        for (k = 0, len = 0; k < frames[i].n_iov; k++)
            len += frames[i].iov[k].iov_len;
        CHECK(len >= 14 + 20 && len <= GN_FRAME_MAX);
    }
    return n;
}

static const struct gn_nic_ops ops = {.output = hear};

static void send_frame(struct gn_nic *nic, unsigned how, const uint8_t *data,
                       size_t len)
{
    uint8_t *copy = malloc(len); /* So that a sanitizer sees the end. */
    struct iovec iov = {copy, len};
    struct gn_frame frame = {.iov = &iov, .n_iov = 1};

    CHECK(copy);
    memcpy(copy, data, len);
    frame.offload.flags = how & 3;
    frame.offload.gso = how >> 2 & 3;
    frame.offload.segment = (uint16_t)(how & 0xf0) * 8;
    CHECK(gn_nic_input(nic, &frame, 1) <= 1);
    free(copy);
}

static void run(struct gn_nic *nic, struct gn_clock *clock, const uint8_t *data,
                size_t size)
{
    unsigned how;

    if (!size)
        return;
    how = *data++;
    size--;
    while (size >= 2) {
        size_t len = (size_t)(data[0] << 8 | data[1]);

        data += 2;
        size -= 2;
        if (len > size)
            len = size;
        if (len)
            send_frame(nic, how, data, len);
        gn_clock_advance(clock, len ? 0 : 1000000000u);
        data += len;
        size -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .seed = 1};
    struct gn_nic_config card = {.size = sizeof(card), .name = "vm"};
    struct gn_namespace_config web = {.size = sizeof(web), .name = "web"};
    struct gn_namespace *ns;
    struct gn_network *net;
    struct gn_nic *nic;
    struct gn_sock *sock;

    CHECK(!gn_network_create(&config, &net));
    CHECK(!gn_namespace_create(net, &web, &ns));
    CHECK(!gn_sock_listen_at(ns, "tcp", ":80", 0, NULL, 0, &sock));
    CHECK(!gn_nic_create(net, &card, &ops, NULL, &nic));
    run(nic, gn_network_clock(net), data, size);
    gn_sock_close(sock);
    gn_sock_unref(sock);
    gn_nic_close(nic, NULL, NULL);
    gn_network_close(net, NULL, NULL);
    return 0;
}
