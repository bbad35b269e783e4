/* SPDX-License-Identifier: BSD-3-Clause */
#include "guests/nic/nd.h"

#include "netstack/netstack.h"

/* RFC 4861 section 4.6, RFC 8106. */
enum nd_option {
    ND_SOURCE_MAC = 1,
    ND_TARGET_MAC = 2,
    ND_PREFIX = 3,
    ND_MTU = 5,
    ND_RDNSS = 25,
    ND_DNSSL = 31
};

#define ND_ADVERT_ROUTER    0x80u
#define ND_ADVERT_SOLICITED 0x40u
#define ND_ADVERT_OVERRIDE  0x20u
#define RA_MANAGED          0x80u
#define RA_OTHER            0x40u
#define RA_ON_LINK          0x80u
#define RA_AUTONOMOUS       0x40u
#define RA_HOP_LIMIT        64u

/* ---- reading ---- */

/* Options are in units of eight bytes. The walk ends: each is at least one. */
static bool options_parse(const uint8_t *options, size_t len, uint8_t wanted,
                          struct gn__nd *out)
{
    while (len) {
        size_t size = len >= 2 ? options[1] * 8u : 0;

        if (!size || size > len)
            return false;
        if (options[0] == wanted) {
            memcpy(out->mac, options + 2, GN__MAC_LEN);
            out->has_mac = true;
        }
        options += size;
        len -= size;
    }
    return !out->has_mac || !gn__mac_is_group(out->mac);
}

bool gn__nd_parse(const uint8_t *msg, size_t len, struct gn__nd *out)
{
    bool advert;

    memset(out, 0, sizeof(*out));
    if (len < 8 || msg[1] != 0)
        return false;
    out->type = msg[0];
    if (out->type == GN__ND_ROUTER_SOLICIT)
        return options_parse(msg + 8, len - 8, ND_SOURCE_MAC, out);
    advert = out->type == GN__ND_NEIGHBOR_ADVERT;
    if ((!advert && out->type != GN__ND_NEIGHBOR_SOLICIT) || len < 24)
        return false;
    out->target = gn__addr_from_v6_bytes(msg + 8);
    if (gn__addr_is_multicast(&out->target) || gn__addr_is_v4(&out->target) ||
        gn__addr_is_any(&out->target))
        return false;
    if (advert) {
        out->router = msg[4] & ND_ADVERT_ROUTER;
        out->solicited = msg[4] & ND_ADVERT_SOLICITED;
        out->override = msg[4] & ND_ADVERT_OVERRIDE;
    }
    return options_parse(msg + 24, len - 24,
                         advert ? ND_TARGET_MAC : ND_SOURCE_MAC, out);
}

/* ---- writing ---- */

size_t gn__nd_build(const struct gn__nd *nd, uint8_t out[GN__ND_LEN])
{
    bool advert = nd->type == GN__ND_NEIGHBOR_ADVERT;
    unsigned flags = (nd->router ? ND_ADVERT_ROUTER : 0) |
                     (nd->solicited ? ND_ADVERT_SOLICITED : 0) |
                     (nd->override ? ND_ADVERT_OVERRIDE : 0);

    memset(out, 0, GN__ND_LEN);
    out[0] = nd->type;
    out[4] = advert ? (uint8_t)flags : 0;
    memcpy(out + 8, nd->target.bytes, 16);
    if (!nd->has_mac)
        return 24;
    out[24] = advert ? ND_TARGET_MAC : ND_SOURCE_MAC;
    out[25] = 1;
    memcpy(out + 26, nd->mac, GN__MAC_LEN);
    return 32;
}

struct gn__addr gn__nd_solicited_group(const struct gn__addr *addr)
{
    struct gn__addr group = {{0xff, 0x02, [11] = 1, [12] = 0xff}};

    memcpy(group.bytes + 13, addr->bytes + 13, 3);
    return group;
}

static size_t ra_put_prefix(const struct gn__ra_prefix *p, uint8_t *out)
{
    memset(out, 0, 32);
    out[0] = ND_PREFIX;
    out[1] = 4;
    out[2] = p->prefix.len;
    out[3] = RA_ON_LINK | (p->autonomous ? RA_AUTONOMOUS : 0);
    gn__put32(out + 4, p->valid_s);
    gn__put32(out + 8, p->preferred_s);
    memcpy(out + 16, p->prefix.addr.bytes, 16);
    return 32;
}

static size_t ra_put_mtu(uint32_t mtu, uint8_t *out)
{
    memset(out, 0, 8);
    out[0] = ND_MTU;
    out[1] = 1;
    gn__put32(out + 4, mtu);
    return 8;
}

static size_t ra_put_dns(const struct gn__ra *ra, uint8_t *out)
{
    memset(out, 0, 24);
    out[0] = ND_RDNSS;
    out[1] = 3;
    gn__put32(out + 4, ra->dns_s);
    memcpy(out + 8, ra->dns.bytes, 16);
    return 24;
}

size_t gn__domain_write(const char *name, uint8_t *out, size_t cap)
{
    size_t at = 0;

    while (*name) {
        size_t n = strcspn(name, ".");

        if (!n || n > 63 || at + n + 2 > cap)
            return 0;
        out[at++] = (uint8_t)n;
        memcpy(out + at, name, n);
        at += n;
        name += n;
        if (*name == '.')
            name++;
    }
    if (!at)
        return 0;
    out[at++] = 0;
    return at;
}

/* Padded with zeros to a multiple of eight bytes; 0: no such option. */
static size_t ra_put_domain(const struct gn__ra *ra, uint8_t *out)
{
    size_t len, size;

    memset(out, 0, 8 + 256);
    len = gn__domain_write(ra->domain, out + 8, 255);
    if (!len)
        return 0;
    size = (8 + len + 7) & ~(size_t)7;
    out[0] = ND_DNSSL;
    out[1] = (uint8_t)(size / 8);
    gn__put32(out + 4, ra->dns_s);
    return size;
}

size_t gn__ra_build(const struct gn__ra *ra, uint8_t out[GN__RA_MAX])
{
    size_t i, at = 16;

    memset(out, 0, at);
    out[0] = GN__ND_ROUTER_ADVERT;
    out[4] = RA_HOP_LIMIT;
    out[5] =
        (uint8_t)((ra->managed ? RA_MANAGED : 0) | (ra->other ? RA_OTHER : 0));
    gn__put16(out + 6, ra->router_s);
    memset(out + at, 0, 8);
    out[at] = ND_SOURCE_MAC;
    out[at + 1] = 1;
    memcpy(out + at + 2, ra->mac, GN__MAC_LEN);
    at += 8;
    if (ra->mtu)
        at += ra_put_mtu(ra->mtu, out + at);
    for (i = 0; i < ra->n_prefixes && i < GN__RA_PREFIXES; i++)
        at += ra_put_prefix(&ra->prefixes[i], out + at);
    if (!gn__addr_is_any(&ra->dns))
        at += ra_put_dns(ra, out + at);
    if (ra->domain && ra->domain[0])
        at += ra_put_domain(ra, out + at);
    return at;
}
