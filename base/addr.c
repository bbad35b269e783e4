/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Text is read and written by inet_pton() and inet_ntop(); what stands around
 * an address (brackets, port, scope) is taken apart here.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/text.h"

static_assert(sizeof(struct gn__addr) == 16, "no padding");
static_assert(sizeof(struct gn__endpoint) == 24, "no padding");

/* RFC 2133's sockaddr_in6, which ends before the scope; Linux takes it too. */
#define SOCKADDR_IN6_MIN offsetof(struct sockaddr_in6, sin6_scope_id)

struct gn__addr gn__addr_from_v4(uint32_t v4)
{
    return (struct gn__addr){{[10] = 0xff,
                              0xff,
                              (uint8_t)(v4 >> 24),
                              (uint8_t)(v4 >> 16),
                              (uint8_t)(v4 >> 8),
                              (uint8_t)v4}};
}

uint32_t gn__addr_v4(const struct gn__addr *a)
{
    return (uint32_t)a->bytes[12] << 24 | (uint32_t)a->bytes[13] << 16 |
           (uint32_t)a->bytes[14] << 8 | a->bytes[15];
}

struct gn__addr gn__addr_any(int family)
{
    return family == AF_INET ? gn__addr_from_v4(0) : (struct gn__addr){{0}};
}

struct gn__addr gn__addr_loopback(int family)
{
    return family == AF_INET6 ? gn__addr_from_v6_bytes(&in6addr_loopback)
                              : gn__addr_from_v4(INADDR_LOOPBACK);
}

bool gn__addr_is_broadcast(const struct gn__addr *a)
{
    return gn__addr_is_v4(a) && gn__addr_v4(a) == UINT32_MAX;
}

bool gn__addr_is_lo_broadcast(const struct gn__addr *a)
{
    return gn__addr_is_v4(a) && gn__addr_v4(a) == 0x7fffffff;
}

bool gn__addr_is_linklocal(const struct gn__addr *a)
{
    if (gn__addr_is_v4(a))
        return a->bytes[12] == 169 && a->bytes[13] == 254;
    return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

bool gn__addr_needs_scope(const struct gn__addr *a)
{
    unsigned reach = a->bytes[1] & 0x0f;

    if (gn__addr_is_v4(a))
        return false;
    if (a->bytes[0] == 0xff)
        return reach == 1 || reach == 2;
    return gn__addr_is_linklocal(a);
}

/* A word of an address in the machine's order, or back. */
static uint64_t swap_be64(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return word;
#else
    return __builtin_bswap64(word);
#endif
}

gn__u128 gn__addr_to_number(const struct gn__addr *a)
{
    uint64_t words[2];

    memcpy(words, a->bytes, sizeof(words));
    return (gn__u128)swap_be64(words[0]) << 64 | swap_be64(words[1]);
}

struct gn__addr gn__addr_from_number(gn__u128 n)
{
    const uint64_t words[2] = {swap_be64((uint64_t)(n >> 64)),
                               swap_be64((uint64_t)n)};
    struct gn__addr a;

    memcpy(a.bytes, words, sizeof(words));
    return a;
}

struct gn__addr gn__addr_mask(const struct gn__addr *a, unsigned len)
{
    unsigned n_host = (gn__addr_is_v4(a) ? 32 : 128) - len;

    return gn__addr_from_number(gn__addr_to_number(a) &
                                ~gn__addr_low_bits(n_host));
}

int gn__addr_parse(const char *text, struct gn__addr *out)
{
    uint8_t bytes[16];

    if (inet_pton(AF_INET, text, bytes) == 1)
        *out = gn__addr_from_v4_bytes(bytes);
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        *out = gn__addr_from_v6_bytes(bytes);
    else
        return -EINVAL;
    return 0;
}

const char *gn__addr_format(const struct gn__addr *a, char *buf, size_t cap)
{
    char text[INET6_ADDRSTRLEN];

    if (gn__addr_is_v4(a))
        inet_ntop(AF_INET, a->bytes + 12, text, sizeof(text));
    else
        inet_ntop(AF_INET6, a->bytes, text, sizeof(text));
    snprintf(buf, cap, "%s", text);
    return buf;
}

const char *gn__endpoint_format(const struct gn__endpoint *e, char *buf,
                                size_t cap)
{
    char addr[INET6_ADDRSTRLEN];
    char scope[12] = "";

    gn__addr_format(&e->addr, addr, sizeof(addr));
    if (e->scope)
        snprintf(scope, sizeof(scope), "%%%" PRIu32, e->scope);
    if (gn__addr_is_v4(&e->addr))
        snprintf(buf, cap, "%s:%u", addr, e->port);
    else
        snprintf(buf, cap, "[%s%s]:%u", addr, scope, e->port);
    return buf;
}

/* The shortest an address of a family may be; 0: no such family here. */
static socklen_t min_len(int family)
{
    if (family == AF_INET)
        return sizeof(struct sockaddr_in);
    if (family == AF_INET6)
        return SOCKADDR_IN6_MIN;
    return 0;
}

static struct gn__endpoint from_in(const struct sockaddr *sa)
{
    struct sockaddr_in sin;

    memcpy(&sin, sa, sizeof(sin));
    return (struct gn__endpoint){
        .addr = gn__addr_from_v4_bytes(&sin.sin_addr),
        .port = ntohs(sin.sin_port),
    };
}

static struct gn__endpoint from_in6(const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_in6 sin6 = {0};
    struct gn__endpoint e = {0};

    memcpy(&sin6, sa, len < sizeof(sin6) ? len : sizeof(sin6));
    e.addr = gn__addr_from_v6_bytes(&sin6.sin6_addr);
    e.port = ntohs(sin6.sin6_port);
    if (gn__addr_needs_scope(&e.addr))
        e.scope = sin6.sin6_scope_id;
    return e;
}

int gn__endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len,
                               int family, struct gn__endpoint *out)
{
    sa_family_t own;

    if (!sa || len < offsetof(struct sockaddr, sa_data))
        return -EINVAL;
    memcpy(&own, (const char *)sa + offsetof(struct sockaddr, sa_family),
           sizeof(own));
    if (len < min_len(family == AF_UNSPEC ? own : family))
        return -EINVAL;
    if (family != AF_UNSPEC && own != family)
        return -EAFNOSUPPORT;
    if (own == AF_INET)
        *out = from_in(sa);
    else if (own == AF_INET6)
        *out = from_in6(sa, len);
    else
        return -EAFNOSUPPORT;
    return 0;
}

static socklen_t put_bytes(const void *from, socklen_t len,
                           struct sockaddr *buf, socklen_t cap)
{
    if (cap)
        memcpy(buf, from, len < cap ? len : cap);
    return len;
}

socklen_t gn__endpoint_to_sockaddr(const struct gn__endpoint *e, int family,
                                   struct sockaddr *buf, socklen_t cap)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};

    if (family == AF_UNSPEC)
        family = gn__addr_family(&e->addr);
    if (family == AF_INET) {
        assert(gn__addr_is_v4(&e->addr) || gn__addr_is_any(&e->addr));
        memcpy(&sin.sin_addr, e->addr.bytes + 12, 4);
        sin.sin_port = htons(e->port);
        return put_bytes(&sin, sizeof(sin), buf, cap);
    }
    memcpy(&sin6.sin6_addr, e->addr.bytes, 16);
    sin6.sin6_port = htons(e->port);
    sin6.sin6_scope_id = e->scope;
    return put_bytes(&sin6, sizeof(sin6), buf, cap);
}

struct gn_ip gn__addr_to_ip(const struct gn__addr *a)
{
    struct gn_ip ip = {.family = gn__addr_family(a)};

    if (ip.family == AF_INET)
        memcpy(ip.bytes, a->bytes + 12, 4);
    else
        memcpy(ip.bytes, a->bytes, 16);
    return ip;
}

int gn__addr_from_ip(const struct gn_ip *ip, struct gn__addr *out)
{
    if (ip->family == AF_INET)
        *out = gn__addr_from_v4_bytes(ip->bytes);
    else if (ip->family == AF_INET6)
        *out = gn__addr_from_v6_bytes(ip->bytes);
    else
        return -EINVAL;
    return 0;
}

static bool parse_port(const char *text, in_port_t *port_be)
{
    uint32_t port;

    if (!gn__text_number(text, UINT16_MAX, &port))
        return false;
    *port_be = htons((uint16_t)port);
    return true;
}

static bool parse_v4(const char *text, struct sockaddr_in *sin)
{
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    char addr[INET_ADDRSTRLEN];

    sin->sin_family = AF_INET;
    if (!gn__text_cut(text, len, addr, sizeof(addr)) ||
        inet_pton(AF_INET, addr, &sin->sin_addr) != 1)
        return false;
    return !colon || parse_port(colon + 1, &sin->sin_port);
}

/* "fe80::1" or "fe80::1%2" in the first len bytes. */
static bool parse_v6_scoped(const char *text, size_t len,
                            struct sockaddr_in6 *sin6)
{
    char addr[GN_ADDR_TEXT_MAX];
    struct gn__addr a;
    char *percent;

    sin6->sin6_family = AF_INET6;
    if (!gn__text_cut(text, len, addr, sizeof(addr)))
        return false;
    percent = strchr(addr, '%');
    if (percent)
        *percent = '\0';
    if (inet_pton(AF_INET6, addr, &sin6->sin6_addr) != 1)
        return false;
    if (!percent)
        return true;
    a = gn__addr_from_v6_bytes(&sin6->sin6_addr);
    return gn__addr_needs_scope(&a) &&
           gn__text_number(percent + 1, UINT32_MAX, &sin6->sin6_scope_id);
}

static bool parse_v6(const char *text, struct sockaddr_in6 *sin6)
{
    const char *close;

    if (text[0] != '[')
        return parse_v6_scoped(text, strlen(text), sin6);
    close = strchr(text, ']');
    if (!close || !parse_v6_scoped(text + 1, (size_t)(close - text) - 1, sin6))
        return false;
    if (!close[1])
        return true;
    return close[1] == ':' && parse_port(close + 2, &sin6->sin6_port);
}

int gn_addr_parse(const char *text, struct sockaddr_storage *out,
                  socklen_t *len)
{
    struct sockaddr_in6 sin6 = {0};
    struct sockaddr_in sin = {0};
    bool is_v4;

    if (!text || !out)
        return -EINVAL;
    is_v4 = parse_v4(text, &sin);
    if (!is_v4 && !parse_v6(text, &sin6))
        return -EINVAL;
    memset(out, 0, sizeof(*out));
    if (is_v4)
        memcpy(out, &sin, sizeof(sin));
    else
        memcpy(out, &sin6, sizeof(sin6));
    if (len)
        *len = is_v4 ? sizeof(sin) : sizeof(sin6);
    return 0;
}

static int put_text(const char *text, char *buf, size_t cap)
{
    size_t size = strlen(text) + 1;

    if (size > cap)
        return -ENOSPC;
    memcpy(buf, text, size);
    return 0;
}

static void format_in(const struct sockaddr_in *sin, char *text, size_t cap)
{
    char addr[INET_ADDRSTRLEN];
    unsigned port = ntohs(sin->sin_port);

    inet_ntop(AF_INET, &sin->sin_addr, addr, sizeof(addr));
    if (port)
        snprintf(text, cap, "%s:%u", addr, port);
    else
        snprintf(text, cap, "%s", addr);
}

static void format_in6(const struct sockaddr_in6 *sin6, char *text, size_t cap)
{
    struct gn__addr a = gn__addr_from_v6_bytes(&sin6->sin6_addr);
    char addr[INET6_ADDRSTRLEN];
    unsigned port = ntohs(sin6->sin6_port);
    char scope[12] = "";

    inet_ntop(AF_INET6, &sin6->sin6_addr, addr, sizeof(addr));
    if (sin6->sin6_scope_id && gn__addr_needs_scope(&a))
        snprintf(scope, sizeof(scope), "%%%" PRIu32, sin6->sin6_scope_id);
    if (port)
        snprintf(text, cap, "[%s%s]:%u", addr, scope, port);
    else
        snprintf(text, cap, "%s%s", addr, scope);
}

int gn_addr_format(const struct sockaddr *addr, char *buf, size_t cap)
{
    char text[GN_ADDR_TEXT_MAX];
    struct sockaddr_in6 sin6;
    struct sockaddr_in sin;

    if (!addr || !buf)
        return -EINVAL;
    if (addr->sa_family == AF_INET) {
        memcpy(&sin, addr, sizeof(sin));
        format_in(&sin, text, sizeof(text));
    } else if (addr->sa_family == AF_INET6) {
        memcpy(&sin6, addr, sizeof(sin6));
        format_in6(&sin6, text, sizeof(text));
    } else {
        return -EAFNOSUPPORT;
    }
    return put_text(text, buf, cap);
}

int gn_ip_parse(const char *text, struct gn_ip *out)
{
    struct gn_ip ip = {0};

    if (!text || !out)
        return -EINVAL;
    if (inet_pton(AF_INET, text, ip.bytes) == 1)
        ip.family = AF_INET;
    else if (inet_pton(AF_INET6, text, ip.bytes) == 1)
        ip.family = AF_INET6;
    else
        return -EINVAL;
    *out = ip;
    return 0;
}

int gn_ip_format(const struct gn_ip *ip, char *buf, size_t cap)
{
    char text[INET6_ADDRSTRLEN];

    if (!ip || !buf)
        return -EINVAL;
    if (ip->family != AF_INET && ip->family != AF_INET6)
        return -EAFNOSUPPORT;
    inet_ntop(ip->family, ip->bytes, text, sizeof(text));
    return put_text(text, buf, cap);
}
