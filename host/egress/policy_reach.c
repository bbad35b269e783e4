/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which addresses are special, by the registries of RFC 6890 and what clouds
 * put where. The narrowest range that holds an address says how far it is out
 * of reach.
 *
 * IPv6 addresses that carry an IPv4 one lead to wherever some translator or
 * tunnel on the way takes them. The address inside is looked at as if it had
 * been asked for by itself.
 */
#include "host/egress/policy.h"

#include <string.h>

#define V4(a, b, c, d)                                   \
    {                                                    \
        {                                                \
            [10] = 0xff, [11] = 0xff, (a), (b), (c), (d) \
        }                                                \
    }
#define V6(...)         \
    {                   \
        {               \
            __VA_ARGS__ \
        }               \
    }

/* Wider ranges first. */
static const struct gn__reach_range ranges[] = {
    {{V4(0, 0, 0, 0), 8}, GN__REACH_NEVER, "this network (0.0.0.0/8)"},
    {{V4(10, 0, 0, 0), 8}, GN__REACH_PRIVATE, "private"},
    {{V4(100, 64, 0, 0), 10}, GN__REACH_PRIVATE, "shared (carriers')"},
    {{V4(100, 100, 100, 200), 32}, GN__REACH_EXACT, "metadata"},
    {{V4(127, 0, 0, 0), 8}, GN__REACH_RANGE, "loopback"},
    {{V4(168, 63, 129, 16), 32}, GN__REACH_EXACT, "metadata"},
    {{V4(169, 254, 0, 0), 16}, GN__REACH_RANGE, "link-local"},
    {{V4(169, 254, 169, 254), 32}, GN__REACH_EXACT, "metadata"},
    {{V4(169, 254, 170, 2), 32}, GN__REACH_EXACT, "metadata"},
    {{V4(169, 254, 170, 23), 32}, GN__REACH_EXACT, "metadata"},
    {{V4(172, 16, 0, 0), 12}, GN__REACH_PRIVATE, "private"},
    {{V4(192, 0, 0, 0), 24}, GN__REACH_PRIVATE, "protocol assignments"},
    {{V4(192, 0, 0, 192), 32}, GN__REACH_EXACT, "metadata"},
    {{V4(192, 88, 99, 0), 24}, GN__REACH_NEVER, "a 6to4 relay"},
    {{V4(192, 168, 0, 0), 16}, GN__REACH_PRIVATE, "private"},
    {{V4(198, 18, 0, 0), 15}, GN__REACH_PRIVATE, "for measurements"},
    {{V4(224, 0, 0, 0), 4}, GN__REACH_NEVER, "multicast"},
    {{V4(240, 0, 0, 0), 4}, GN__REACH_NEVER, "reserved"},
    {{V4(255, 255, 255, 255), 32}, GN__REACH_NEVER, "broadcast"},
    {{V6(0), 96}, GN__REACH_NEVER, "IPv4-compatible"},
    {{V6(0), 128}, GN__REACH_NEVER, "unspecified"},
    {{V6([15] = 1), 128}, GN__REACH_RANGE, "loopback"},
    {{V6([8] = 0xff, [9] = 0xff), 96}, GN__REACH_NEVER, "IPv4-translated"},
    {{V6(0, 0x64, 0xff, 0x9b, 0, 1), 48}, GN__REACH_RANGE, "local NAT64"},
    {{V6(1), 64}, GN__REACH_NEVER, "the discard prefix"},
    {{V6(0xfc), 7}, GN__REACH_PRIVATE, "private"},
    {{V6(0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54), 128},
     GN__REACH_EXACT,
     "metadata"},
    {{V6(0xfd, 0, 0x0e, 0xc2, [15] = 0x23), 128}, GN__REACH_EXACT, "metadata"},
    {{V6(0xfd, 0x20, 0, 0xce, [14] = 0x02, [15] = 0x54), 128},
     GN__REACH_EXACT,
     "metadata"},
    {{V6(0xfe, 0x80), 10}, GN__REACH_NEVER, "link-local"},
    {{V6(0xfe, 0xc0), 10}, GN__REACH_PRIVATE, "site-local"},
    {{V6(0xff), 8}, GN__REACH_NEVER, "multicast"},
};

#define N_RANGES (sizeof(ranges) / sizeof(ranges[0]))

const struct gn__reach_range *gn__reach_of(const struct gn__addr *addr)
{
    size_t i;

    for (i = N_RANGES; i-- > 0;) {
        if (gn__prefix_contains(&ranges[i].prefix, addr))
            return &ranges[i];
    }
    return NULL;
}

static void reach_hide(struct gn__hidden *out, uint8_t a, uint8_t b, uint8_t c,
                       uint8_t d)
{
    const uint8_t bytes[4] = {a, b, c, d};

    out->addr[out->n++] = gn__addr_from_v4_bytes(bytes);
}

/* RFC 8215 leaves open how long its users' prefixes are; RFC 6052 says where
 * the address is for each length. */
static void hide_local_nat64(struct gn__hidden *out, const uint8_t *b)
{
    out->sure = false;
    reach_hide(out, b[12], b[13], b[14], b[15]);
    reach_hide(out, b[9], b[10], b[11], b[12]);
    reach_hide(out, b[7], b[9], b[10], b[11]);
    reach_hide(out, b[6], b[7], b[9], b[10]);
}

void gn__reach_hidden(const struct gn__addr *addr, struct gn__hidden *out)
{
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    static const uint8_t local_nat64[6] = {0, 0x64, 0xff, 0x9b, 0, 1};
    static const uint8_t teredo[4] = {0x20, 0x01};
    static const uint8_t isatap[4] = {0, 0, 0x5e, 0xfe};
    const uint8_t *b = addr->bytes;

    out->n = 0;
    out->sure = true;
    if (gn__addr_is_v4(addr))
        return;
    if (memcmp(b, nat64, sizeof(nat64)) == 0) {
        reach_hide(out, b[12], b[13], b[14], b[15]);
    } else if (memcmp(b, local_nat64, sizeof(local_nat64)) == 0) {
        hide_local_nat64(out, b);
    } else if (b[0] == 0x20 && b[1] == 0x02) { /* 6to4, RFC 3056 */
        reach_hide(out, b[2], b[3], b[4], b[5]);
    } else if (memcmp(b, teredo, sizeof(teredo)) == 0) { /* RFC 4380 */
        reach_hide(out, b[4], b[5], b[6], b[7]);
        reach_hide(out, (uint8_t)~b[12], (uint8_t)~b[13], (uint8_t)~b[14],
                   (uint8_t)~b[15]);
    }
    if (out->n == 0 && (b[8] & ~2) == 0 &&
        memcmp(b + 9, isatap + 1, sizeof(isatap) - 1) == 0) /* RFC 5214 */
        reach_hide(out, b[12], b[13], b[14], b[15]);
}
