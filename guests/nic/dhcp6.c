/* SPDX-License-Identifier: BSD-3-Clause */
#include "guests/nic/dhcp6.h"

#include "guests/nic/nd.h"
#include "netstack/netstack.h"

#define DUID_LL     3u
#define DUID_LL_LEN 10u
#define DUID_MAX    130u
#define IA_NA_LEN   12u
#define IA_ADDR_LEN 24u

enum dhcp6_option {
    OPT6_CLIENT_ID = 1,
    OPT6_SERVER_ID = 2,
    OPT6_IA_NA = 3,
    OPT6_IA_ADDR = 5,
    OPT6_STATUS = 13,
    OPT6_RAPID = 14,
    OPT6_DNS = 23,
    OPT6_SEARCH = 24
};

enum dhcp6_status {
    STATUS_SUCCESS = 0,
    STATUS_NO_ADDRS = 2,
    STATUS_NOT_ON_LINK = 4
};

/* ---- reading ---- */

/* The next option, or false where the rest is none. */
static bool option_next(const uint8_t **data, size_t *len, uint16_t *code,
                        const uint8_t **value, size_t *size)
{
    if (*len < 4)
        return false;
    *code = gn__get16(*data);
    *size = gn__get16(*data + 2);
    *value = *data + 4;
    if (*len - 4 < *size)
        return false;
    *data += 4 + *size;
    *len -= 4 + *size;
    return true;
}

static bool duid_take(const uint8_t *value, size_t size, uint8_t *out,
                      uint8_t *len)
{
    if (!size || size > DUID_MAX || *len)
        return false;
    memcpy(out, value, size);
    *len = (uint8_t)size;
    return true;
}

static bool ia_take(struct gn__dhcp6 *out, const uint8_t *value, size_t size)
{
    struct gn__dhcp6_ia *ia = &out->ias[out->n_ias];
    const uint8_t *option;
    uint16_t code;
    size_t n;

    if (size < IA_NA_LEN)
        return false;
    if (out->n_ias == GN__DHCP6_IAS)
        return true;
    ia->id = gn__get32(value);
    value += IA_NA_LEN;
    size -= IA_NA_LEN;
    while (option_next(&value, &size, &code, &option, &n)) {
        if (code == OPT6_IA_ADDR && n < IA_ADDR_LEN)
            return false;
        if (code == OPT6_IA_ADDR && ia->n_addrs < GN__DHCP6_ADDRS)
            ia->addrs[ia->n_addrs++] = gn__addr_from_v6_bytes(option);
    }
    out->n_ias++;
    return size == 0;
}

static bool option_take(struct gn__dhcp6 *out, uint16_t code,
                        const uint8_t *value, size_t size)
{
    switch (code) {
    case OPT6_CLIENT_ID:
        return duid_take(value, size, out->client_id, &out->client_id_len);
    case OPT6_SERVER_ID:
        return duid_take(value, size, out->server_id, &out->server_id_len);
    case OPT6_IA_NA:
        return ia_take(out, value, size);
    case OPT6_RAPID:
        out->rapid = true;
        return true;
    default:
        return true;
    }
}

/* RFC 8415 section 16: which messages name a server, and which must not. */
static bool has_what_it_needs(const struct gn__dhcp6 *request)
{
    switch (request->type) {
    case GN__DHCP6_SOLICIT:
    case GN__DHCP6_CONFIRM:
    case GN__DHCP6_REBIND:
        return request->client_id_len && !request->server_id_len;
    case GN__DHCP6_REQUEST:
    case GN__DHCP6_RENEW:
    case GN__DHCP6_RELEASE:
    case GN__DHCP6_DECLINE:
        return request->client_id_len && request->server_id_len;
    case GN__DHCP6_INFORMATION:
        return request->n_ias == 0;
    default:
        return false;
    }
}

bool gn__dhcp6_parse(const uint8_t *msg, size_t len, struct gn__dhcp6 *out)
{
    const uint8_t *value;
    uint16_t code;
    size_t size;

    memset(out, 0, sizeof(*out));
    if (len < 4)
        return false;
    out->type = msg[0];
    out->xid = gn__get32(msg) & 0xffffff;
    msg += 4;
    len -= 4;
    while (option_next(&msg, &len, &code, &value, &size)) {
        if (!option_take(out, code, value, size))
            return false;
    }
    return len == 0 && has_what_it_needs(out);
}

/* ---- writing ---- */

struct dhcp6_writer {
    uint8_t *out;
    size_t at;
};

/* Room for an option of @len bytes; NULL: it is left out. */
static uint8_t *put_head(struct dhcp6_writer *w, uint16_t code, size_t len)
{
    uint8_t *at = w->out + w->at;

    if (w->at + 4 + len > GN__DHCP6_MAX)
        return NULL;
    gn__put16(at, code);
    gn__put16(at + 2, (uint16_t)len);
    w->at += 4 + len;
    return at + 4;
}

static void put_option(struct dhcp6_writer *w, uint16_t code, const void *data,
                       size_t len)
{
    uint8_t *at = put_head(w, code, len);

    if (at && len)
        memcpy(at, data, len);
}

static void write_duid(const uint8_t mac[GN__MAC_LEN], uint8_t out[DUID_LL_LEN])
{
    gn__put16(out, DUID_LL);
    gn__put16(out + 2, 1);
    memcpy(out + 4, mac, GN__MAC_LEN);
}

static void put_status(struct dhcp6_writer *w, enum dhcp6_status status)
{
    uint8_t data[2];

    gn__put16(data, (uint16_t)status);
    put_option(w, OPT6_STATUS, data, sizeof(data));
}

static void put_addr(struct dhcp6_writer *w, const struct gn__addr *addr,
                     uint32_t preferred_s, uint32_t valid_s)
{
    uint8_t data[IA_ADDR_LEN];

    memcpy(data, addr->bytes, 16);
    gn__put32(data + 16, preferred_s);
    gn__put32(data + 20, valid_s);
    put_option(w, OPT6_IA_ADDR, data, sizeof(data));
}

static bool is_leased(const struct gn__dhcp6_lease *lease,
                      const struct gn__addr *addr)
{
    uint8_t i;

    for (i = 0; i < lease->n_addrs; i++) {
        if (gn__addr_equal(&lease->addrs[i], addr))
            return true;
    }
    return false;
}

/* The addresses that the lease has, and with no time left those that it has
 * not. */
static void put_ia(struct dhcp6_writer *w, const struct gn__dhcp6_ia *ia,
                   const struct gn__dhcp6_lease *lease)
{
    size_t begin = w->at;
    uint8_t *head = put_head(w, OPT6_IA_NA, IA_NA_LEN);
    uint8_t i;

    if (!head)
        return;
    gn__put32(head, ia->id);
    gn__put32(head + 4, lease->preferred_s / 2);
    gn__put32(head + 8, (uint32_t)((uint64_t)lease->preferred_s * 4 / 5));
    for (i = 0; i < lease->n_addrs; i++)
        put_addr(w, &lease->addrs[i], lease->preferred_s, lease->valid_s);
    for (i = 0; i < ia->n_addrs; i++) {
        if (!is_leased(lease, &ia->addrs[i]))
            put_addr(w, &ia->addrs[i], 0, 0);
    }
    if (!lease->n_addrs)
        put_status(w, STATUS_NO_ADDRS);
    gn__put16(w->out + begin + 2, (uint16_t)(w->at - begin - 4));
}

static void put_settings(struct dhcp6_writer *w,
                         const struct gn__dhcp6_lease *lease)
{
    uint8_t labels[255];
    size_t len;

    if (!gn__addr_is_any(&lease->dns))
        put_option(w, OPT6_DNS, lease->dns.bytes, 16);
    len = lease->domain
              ? gn__domain_write(lease->domain, labels, sizeof(labels))
              : 0;
    if (len)
        put_option(w, OPT6_SEARCH, labels, len);
}

/* ---- the server ---- */

static bool is_for_us(const struct gn__dhcp6 *request,
                      const struct gn__dhcp6_lease *lease)
{
    uint8_t duid[DUID_LL_LEN];

    if (!request->server_id_len)
        return true;
    write_duid(lease->mac, duid);
    return request->server_id_len == DUID_LL_LEN &&
           memcmp(request->server_id, duid, DUID_LL_LEN) == 0;
}

/* Are all addresses that it names the lease's? RFC 8415 section 18.3.3. */
static bool is_confirmed(const struct gn__dhcp6 *request,
                         const struct gn__dhcp6_lease *lease)
{
    unsigned i, j;

    for (i = 0; i < request->n_ias; i++) {
        for (j = 0; j < request->ias[i].n_addrs; j++) {
            if (!is_leased(lease, &request->ias[i].addrs[j]))
                return false;
        }
    }
    return true;
}

static void put_body(struct dhcp6_writer *w, const struct gn__dhcp6 *request,
                     const struct gn__dhcp6_lease *lease)
{
    unsigned i;

    switch (request->type) {
    case GN__DHCP6_CONFIRM:
        put_status(w, is_confirmed(request, lease) ? STATUS_SUCCESS
                                                   : STATUS_NOT_ON_LINK);
        return;
    case GN__DHCP6_RELEASE:
    case GN__DHCP6_DECLINE:
        put_status(w, STATUS_SUCCESS);
        return;
    case GN__DHCP6_INFORMATION:
        break;
    default:
        for (i = 0; i < request->n_ias; i++)
            put_ia(w, &request->ias[i], lease);
        break;
    }
    put_settings(w, lease);
}

enum gn__dhcp6_type gn__dhcp6_answer(const struct gn__dhcp6 *request,
                                     const struct gn__dhcp6_lease *lease,
                                     uint8_t out[GN__DHCP6_MAX], size_t *len)
{
    struct dhcp6_writer w = {.out = out, .at = 4};
    enum gn__dhcp6_type type = GN__DHCP6_REPLY;
    uint8_t duid[DUID_LL_LEN];

    if (!is_for_us(request, lease))
        return GN__DHCP6_NONE;
    if (request->type == GN__DHCP6_SOLICIT && !request->rapid)
        type = GN__DHCP6_ADVERTISE;
    gn__put32(out, (uint32_t)type << 24 | request->xid);
    if (request->client_id_len)
        put_option(&w, OPT6_CLIENT_ID, request->client_id,
                   request->client_id_len);
    write_duid(lease->mac, duid);
    put_option(&w, OPT6_SERVER_ID, duid, sizeof(duid));
    if (request->type == GN__DHCP6_SOLICIT && request->rapid)
        put_option(&w, OPT6_RAPID, NULL, 0);
    put_body(&w, request, lease);
    *len = w.at;
    return type;
}
