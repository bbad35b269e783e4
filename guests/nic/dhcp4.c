/* SPDX-License-Identifier: BSD-3-Clause */
#include "guests/nic/dhcp4.h"

#include "guests/nic/nd.h"
#include "netstack/netstack.h"

#define DHCP4_HDR_LEN     236u
#define DHCP4_COOKIE      0x63825363u
#define DHCP4_MIN         300u /* of BOOTP: some clients drop what is shorter */
#define DHCP4_BOOTREQUEST 1
#define DHCP4_BOOTREPLY   2
#define DHCP4_BROADCAST   0x8000u
#define DHCP4_IP_UDP_LEN  28u /* option 57 counts them */

enum dhcp4_option {
    OPT_PAD = 0,
    OPT_MASK = 1,
    OPT_ROUTER = 3,
    OPT_DNS = 6,
    OPT_HOST_NAME = 12,
    OPT_DOMAIN = 15,
    OPT_MTU = 26,
    OPT_BROADCAST = 28,
    OPT_WANTED = 50,
    OPT_LEASE = 51,
    OPT_TYPE = 53,
    OPT_SERVER = 54,
    OPT_MAX_LEN = 57,
    OPT_RENEW = 58,
    OPT_REBIND = 59,
    OPT_CLIENT_ID = 61,
    OPT_RAPID = 80,
    OPT_SEARCH = 119,
    OPT_ROUTES = 121,
    OPT_END = 255
};

/* ---- reading ---- */

static bool is_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

/* The first label of what a client calls itself, if it is one. */
static void host_name_take(const uint8_t *data, size_t len, char out[64])
{
    size_t i;

    for (i = 0; i < len && i < 63 && (is_alnum(data[i]) || data[i] == '-'); i++)
        out[i] = (char)data[i];
    out[i] = 0;
    if ((i < len && data[i] != '.' && data[i] != 0) || !i || out[0] == '-' ||
        out[i - 1] == '-')
        out[0] = 0;
}

static void option_take(struct gn__dhcp4 *out, uint8_t code,
                        const uint8_t *data, size_t len)
{
    switch (code) {
    case OPT_TYPE:
        if (len == 1)
            out->type = data[0];
        break;
    case OPT_WANTED:
        if (len == 4)
            out->wanted = gn__addr_from_v4_bytes(data);
        break;
    case OPT_SERVER:
        if (len == 4)
            out->server = gn__addr_from_v4_bytes(data);
        break;
    case OPT_MAX_LEN:
        if (len == 2 && gn__get16(data) > GN__DHCP4_LEAST + DHCP4_IP_UDP_LEN)
            out->max_len = gn__get16(data) - DHCP4_IP_UDP_LEN;
        break;
    case OPT_RAPID:
        out->rapid = len == 0;
        break;
    case OPT_HOST_NAME:
        host_name_take(data, len, out->host_name);
        break;
    case OPT_CLIENT_ID:
        memcpy(out->client_id, data, len);
        out->client_id_len = (uint8_t)len;
        break;
    default:
        break;
    }
}

static bool options_take(struct gn__dhcp4 *out, const uint8_t *data, size_t len)
{
    size_t at = 0;

    while (at < len && data[at] != OPT_END) {
        size_t size;

        if (data[at] == OPT_PAD) {
            at++;
            continue;
        }
        if (len - at < 2)
            return false;
        size = data[at + 1];
        if (len - at - 2 < size)
            return false;
        option_take(out, data[at], data + at + 2, size);
        at += 2 + size;
    }
    return true;
}

bool gn__dhcp4_parse(const uint8_t *msg, size_t len, struct gn__dhcp4 *out)
{
    struct gn__addr any = gn__addr_any(AF_INET);

    memset(out, 0, sizeof(*out));
    if (len < DHCP4_HDR_LEN + 4 || msg[0] != DHCP4_BOOTREQUEST || msg[1] != 1 ||
        msg[2] != GN__MAC_LEN || gn__get32(msg + DHCP4_HDR_LEN) != DHCP4_COOKIE)
        return false;
    out->xid = gn__get32(msg + 4);
    out->broadcast = gn__get16(msg + 10) & DHCP4_BROADCAST;
    out->own = gn__addr_from_v4_bytes(msg + 12);
    memcpy(out->mac, msg + 28, GN__MAC_LEN);
    out->wanted = out->server = any;
    out->max_len = GN__DHCP4_LEAST;
    if (!options_take(out, msg + DHCP4_HDR_LEN + 4, len - DHCP4_HDR_LEN - 4))
        return false;
    if (out->max_len > GN__DHCP4_MAX)
        out->max_len = GN__DHCP4_MAX;
    return !gn__mac_is_group(out->mac);
}

/* ---- writing ---- */

struct dhcp4_writer {
    uint8_t *out;
    size_t at, cap; /* one byte is kept for the end */
};

/* Options that do not fit are left out: the first are those that clients
 * need. */
static void put_option(struct dhcp4_writer *w, uint8_t code, const void *data,
                       size_t len)
{
    if (len > 255 || w->at + 2 + len > w->cap)
        return;
    w->out[w->at] = code;
    w->out[w->at + 1] = (uint8_t)len;
    if (len)
        memcpy(w->out + w->at + 2, data, len);
    w->at += 2 + len;
}

static void put_addr(struct dhcp4_writer *w, uint8_t code,
                     const struct gn__addr *addr)
{
    if (!gn__addr_is_any(addr))
        put_option(w, code, addr->bytes + 12, 4);
}

static void put_u32(struct dhcp4_writer *w, uint8_t code, uint32_t value)
{
    uint8_t data[4];

    gn__put32(data, value);
    put_option(w, code, data, sizeof(data));
}

static void put_text(struct dhcp4_writer *w, uint8_t code, const char *text)
{
    if (text && text[0])
        put_option(w, code, text, strlen(text));
}

static void put_mask(struct dhcp4_writer *w, const struct gn__prefix *prefix)
{
    uint32_t mask = prefix->len ? UINT32_MAX << (32 - prefix->len) : 0;
    struct gn__addr last = gn__prefix_last(prefix);

    put_u32(w, OPT_MASK, mask);
    if (prefix->len <= 30)
        put_addr(w, OPT_BROADCAST, &last);
}

/* Clients that read these routes do not look at option 3 (RFC 3442), so the
 * default one is among them. */
static void put_routes(struct dhcp4_writer *w, const struct gn__addr *gateway)
{
    uint8_t route[5] = {0};

    if (gn__addr_is_any(gateway))
        return;
    memcpy(route + 1, gateway->bytes + 12, 4);
    put_option(w, OPT_ROUTES, route, sizeof(route));
}

static void put_search(struct dhcp4_writer *w, const char *domain)
{
    uint8_t labels[255];
    size_t len = domain ? gn__domain_write(domain, labels, sizeof(labels)) : 0;

    if (len)
        put_option(w, OPT_SEARCH, labels, len);
}

static void put_settings(struct dhcp4_writer *w,
                         const struct gn__dhcp4_lease *lease)
{
    uint8_t mtu[2];

    put_mask(w, &lease->prefix);
    put_addr(w, OPT_ROUTER, &lease->gateway);
    put_addr(w, OPT_DNS, &lease->dns);
    put_routes(w, &lease->gateway);
    if (lease->mtu) {
        gn__put16(mtu, (uint16_t)lease->mtu);
        put_option(w, OPT_MTU, mtu, sizeof(mtu));
    }
    put_text(w, OPT_HOST_NAME, lease->host_name);
    put_text(w, OPT_DOMAIN, lease->domain);
    put_search(w, lease->domain);
}

static void put_times(struct dhcp4_writer *w, uint32_t lease_s)
{
    put_u32(w, OPT_LEASE, lease_s);
    put_u32(w, OPT_RENEW, lease_s / 2);
    put_u32(w, OPT_REBIND, (uint32_t)((uint64_t)lease_s * 7 / 8));
}

static void write_header(const struct gn__dhcp4 *request,
                         const struct gn__addr *yours, uint8_t *out)
{
    memset(out, 0, DHCP4_HDR_LEN);
    out[0] = DHCP4_BOOTREPLY;
    out[1] = 1;
    out[2] = GN__MAC_LEN;
    gn__put32(out + 4, request->xid);
    gn__put16(out + 10, request->broadcast ? DHCP4_BROADCAST : 0);
    memcpy(out + 12, request->own.bytes + 12, 4);
    memcpy(out + 16, yours->bytes + 12, 4);
    memcpy(out + 28, request->mac, GN__MAC_LEN);
    gn__put32(out + DHCP4_HDR_LEN, DHCP4_COOKIE);
}

static size_t write_answer(const struct gn__dhcp4 *request,
                           const struct gn__dhcp4_lease *lease,
                           enum gn__dhcp4_type type, uint8_t *out)
{
    struct dhcp4_writer w = {
        .out = out, .at = DHCP4_HDR_LEN + 4, .cap = request->max_len - 1};
    struct gn__addr any = gn__addr_any(AF_INET);
    bool leased = type == GN__DHCP4_OFFER ||
                  (type == GN__DHCP4_ACK && request->type != GN__DHCP4_INFORM);
    uint8_t byte = (uint8_t)type;

    write_header(request, leased ? &lease->addr : &any, out);
    if (type == GN__DHCP4_NAK)
        memset(out + 12, 0, 4);
    put_option(&w, OPT_TYPE, &byte, 1);
    put_addr(&w, OPT_SERVER, &lease->gateway);
    if (leased)
        put_times(&w, lease->lease_s);
    if (type == GN__DHCP4_ACK && request->type == GN__DHCP4_DISCOVER)
        put_option(&w, OPT_RAPID, NULL, 0);
    if (type != GN__DHCP4_NAK)
        put_settings(&w, lease);
    if (request->client_id_len) /* RFC 6842. */
        put_option(&w, OPT_CLIENT_ID, request->client_id,
                   request->client_id_len);
    out[w.at++] = OPT_END;
    if (w.at < DHCP4_MIN) {
        memset(out + w.at, 0, DHCP4_MIN - w.at);
        w.at = DHCP4_MIN;
    }
    return w.at;
}

/* ---- the server ---- */

static enum gn__dhcp4_type answer_request(const struct gn__dhcp4 *request,
                                          const struct gn__dhcp4_lease *lease)
{
    const struct gn__addr *named = &request->wanted;

    if (!gn__addr_is_any(&request->server) &&
        !gn__addr_equal(&request->server, &lease->gateway))
        return GN__DHCP4_NONE; /* It chose another server. */
    if (gn__addr_is_any(named))
        named = &request->own;
    if (gn__addr_is_any(named))
        return GN__DHCP4_NONE;
    /* Another server may know a client that this one does not. */
    if (gn__addr_is_any(&lease->addr) && gn__addr_is_any(&request->server))
        return GN__DHCP4_NONE;
    return gn__addr_equal(named, &lease->addr) ? GN__DHCP4_ACK : GN__DHCP4_NAK;
}

static enum gn__dhcp4_type answer_type(const struct gn__dhcp4 *request,
                                       const struct gn__dhcp4_lease *lease)
{
    switch (request->type) {
    case GN__DHCP4_DISCOVER:
        if (gn__addr_is_any(&lease->addr))
            return GN__DHCP4_NONE;
        return request->rapid ? GN__DHCP4_ACK : GN__DHCP4_OFFER;
    case GN__DHCP4_REQUEST:
        return answer_request(request, lease);
    case GN__DHCP4_INFORM:
        return gn__addr_is_any(&request->own) ? GN__DHCP4_NONE : GN__DHCP4_ACK;
    default:
        return GN__DHCP4_NONE;
    }
}

enum gn__dhcp4_type gn__dhcp4_answer(const struct gn__dhcp4 *request,
                                     const struct gn__dhcp4_lease *lease,
                                     uint8_t out[GN__DHCP4_MAX], size_t *len)
{
    enum gn__dhcp4_type type = answer_type(request, lease);

    if (type != GN__DHCP4_NONE)
        *len = write_answer(request, lease, type, out);
    return type;
}

bool gn__dhcp4_is_broadcast(const struct gn__dhcp4 *request,
                            enum gn__dhcp4_type answer)
{
    if (answer == GN__DHCP4_NAK)
        return true;
    return gn__addr_is_any(&request->own) && request->broadcast;
}
