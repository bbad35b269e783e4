/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a guest behind a wire says before it has an address: the first byte
 * chooses ARP, Neighbour Discovery, DHCP or DHCPv6, the rest is the message.
 * What was read is answered, and the answer stays within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guests/nic/arp.h"
#include "guests/nic/dhcp4.h"
#include "guests/nic/dhcp6.h"
#include "guests/nic/nd.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_arp(const uint8_t *data, size_t size)
{
    uint8_t again[GN__ARP_LEN];
    struct gn__arp arp;

    if (!gn__arp_parse(data, size, &arp))
        return;
    gn__arp_build(&arp, again);
    CHECK(memcmp(again, data, sizeof(again)) == 0);
}

static void try_nd(const uint8_t *data, size_t size)
{
    uint8_t again[GN__ND_LEN];
    struct gn__nd nd, read;

    if (!gn__nd_parse(data, size, &nd) || nd.type == GN__ND_ROUTER_SOLICIT)
        return;
    CHECK(gn__nd_parse(again, gn__nd_build(&nd, again), &read));
    CHECK(gn__addr_equal(&nd.target, &read.target));
}

static void try_dhcp4(const uint8_t *data, size_t size)
{
    struct gn__dhcp4_lease lease = {
        .addr = gn__addr_from_v4(0x0a4d0002),
        .prefix = {.addr = gn__addr_from_v4(0x0a4d0000), .len = 24},
        .gateway = gn__addr_from_v4(0x0a4d0001),
        .dns = gn__addr_from_v4(0x0a4d0001),
        .domain = "guest.internal",
        .host_name = "web",
        .mtu = 1500,
        .lease_s = 3600};
    uint8_t out[GN__DHCP4_MAX];
    struct gn__dhcp4 request;
    size_t len = 0;

    if (!gn__dhcp4_parse(data, size, &request))
        return;
    CHECK(strlen(request.host_name) < 64);
    if (gn__dhcp4_answer(&request, &lease, out, &len))
        CHECK(len >= 300 && len <= request.max_len);
}

static void try_dhcp6(const uint8_t *data, size_t size)
{
    struct gn__dhcp6_lease lease = {.mac = {2},
                                    .addrs = {{{0xfd, 0x77, [15] = 2}}},
                                    .n_addrs = 1,
                                    .dns = {{0xfd, 0x77, [15] = 1}},
                                    .domain = "guest.internal",
                                    .valid_s = 7200,
                                    .preferred_s = 3600};
    uint8_t out[GN__DHCP6_MAX];
    struct gn__dhcp6 request;
    size_t len = 0;

    if (!gn__dhcp6_parse(data, size, &request))
        return;
    if (gn__dhcp6_answer(&request, &lease, out, &len))
        CHECK(len > 4 && len <= sizeof(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(const uint8_t *, size_t) = {
        try_arp, try_nd, try_dhcp4, try_dhcp6};
    uint8_t *copy;

    if (!size)
        return 0;
    copy = malloc(size - 1); /* So that a sanitizer sees the end. */
    CHECK(copy || size == 1);
    if (size > 1)
        memcpy(copy, data + 1, size - 1);
    tries[data[0] % 4](copy, size - 1);
    free(copy);
    return 0;
}
