/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

/*
 * One address type for both IP versions: 16 bytes, IPv4 as the IPv4-mapped
 * ::ffff:a.b.c.d. Code that compares, hashes, stores or routes addresses has
 * no second branch; only what writes packets or sockaddrs asks gn__addr_is_v4.
 *
 * So an IPv6 address in ::ffff:0:0/96 is the IPv4 address it stands for, as it
 * is to a dual-stack socket; such a thing never appears in a packet.
 *
 * "Any" exists twice (0.0.0.0 and ::) and gn__addr_is_any() holds for both.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <guestnet/addr.h>

/* An address as a number. The one typedef: the type needs __extension__. */
__extension__ typedef unsigned __int128 gn__u128;

/* No padding, so it can be part of a hash key. Zero is the IPv6 "any". */
struct gn__addr {
    uint8_t bytes[16]; /* Network order. */
};

/* No padding either; two that are equal are equal by memcmp(). */
struct gn__endpoint {
    struct gn__addr addr;
    uint32_t scope;    /* Interface number for link-local, else 0. */
    uint16_t port;     /* Host order. */
    uint16_t reserved; /* 0. */
};

struct gn__prefix {
    struct gn__addr addr; /* Bits after the first len are 0. */
    uint8_t len;          /* In the version's own bits: 32 or 128 at most. */
};

/* Enough for any address, endpoint or prefix and the final NUL. */
#define GN__ADDR_TEXT GN_ADDR_TEXT_MAX

/* By words: compilers call memcmp() for twelve bytes, and every packet is asked
 * this a dozen times. */
static inline bool gn__addr_is_v4(const struct gn__addr *a)
{
    uint64_t zeros;
    uint32_t mapped;

    memcpy(&zeros, a->bytes, sizeof(zeros));
    memcpy(&mapped, a->bytes + 8, sizeof(mapped));
    return zeros == 0 && mapped == htonl(0xffff);
}

static inline bool gn__addr_equal(const struct gn__addr *a,
                                  const struct gn__addr *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/** The IPv4 address of this number, in host order: 0x0a000001 is 10.0.0.1. */
struct gn__addr gn__addr_from_v4(uint32_t v4);

/** From the four or sixteen bytes of a packet's address field. */
static inline struct gn__addr gn__addr_from_v4_bytes(const void *bytes)
{
    struct gn__addr a = {{[10] = 0xff, [11] = 0xff}};

    memcpy(a.bytes + 12, bytes, 4);
    return a;
}

static inline struct gn__addr gn__addr_from_v6_bytes(const void *bytes)
{
    struct gn__addr a;

    memcpy(a.bytes, bytes, 16);
    return a;
}

/** In host order; the address is IPv4. */
uint32_t gn__addr_v4(const struct gn__addr *a);

/** The version's "any" address: AF_INET gives 0.0.0.0, AF_INET6 gives ::. */
struct gn__addr gn__addr_any(int family);

/** AF_INET gives 127.0.0.1, AF_INET6 gives ::1. */
struct gn__addr gn__addr_loopback(int family);

/** AF_INET or AF_INET6. */
static inline int gn__addr_family(const struct gn__addr *a)
{
    return gn__addr_is_v4(a) ? AF_INET : AF_INET6;
}

static inline bool gn__addr_is_any(const struct gn__addr *a)
{
    static const uint8_t zero[16];

    return memcmp(a->bytes + 12, zero, 4) == 0 &&
           (gn__addr_is_v4(a) || memcmp(a->bytes, zero, 12) == 0);
}

/** 127/8, ::1. */
static inline bool gn__addr_is_loopback(const struct gn__addr *a)
{
    static const struct gn__addr one = {{[15] = 1}};

    return gn__addr_is_v4(a) ? a->bytes[12] == 127 : gn__addr_equal(a, &one);
}

/** 224/4, ff00::/8. */
static inline bool gn__addr_is_multicast(const struct gn__addr *a)
{
    return gn__addr_is_v4(a) ? (a->bytes[12] & 0xf0) == 0xe0
                             : a->bytes[0] == 0xff;
}

bool gn__addr_is_broadcast(const struct gn__addr *a);    /* 255.255.255.255. */
bool gn__addr_is_lo_broadcast(const struct gn__addr *a); /* 127.255.255.255. */
bool gn__addr_is_linklocal(const struct gn__addr *a); /* 169.254/16, fe80/10. */

/** IPv6 only: link-local, or multicast of interface or link scope. */
bool gn__addr_needs_scope(const struct gn__addr *a);

gn__u128 gn__addr_to_number(const struct gn__addr *a);
struct gn__addr gn__addr_from_number(gn__u128 n);

/** The number whose lowest n bits are set; n is 128 at most. */
static inline gn__u128 gn__addr_low_bits(unsigned n)
{
    return n ? ~(gn__u128)0 >> (128 - n) : 0;
}

/** The address with all bits after the first len (own bits) 0. */
struct gn__addr gn__addr_mask(const struct gn__addr *a, unsigned len);

/** Text without a port or scope. Returns 0 or -EINVAL. */
int gn__addr_parse(const char *text, struct gn__addr *out) GN_WARN_UNUSED;

/**
 * Write the address; cut where buf ends. Returns buf, so that it can stand in
 * an argument list; GN__ADDR_TEXT bytes always suffice.
 */
const char *gn__addr_format(const struct gn__addr *a, char *buf, size_t cap);

/** The same with the port: "10.0.0.1:80", "[fd77::1]:80". */
const char *gn__endpoint_format(const struct gn__endpoint *e, char *buf,
                                size_t cap);

static inline bool gn__endpoint_equal(const struct gn__endpoint *a,
                                      const struct gn__endpoint *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/**
 * Read what a caller passed as an address.
 *
 * @family  The socket's: AF_INET or AF_INET6; AF_UNSPEC takes either. An IPv6
 *          address may be short of its scope (24 bytes), as on Linux. A scope
 *          that an address cannot have is dropped.
 *
 * Returns 0, or, checked in this order:
 *   -EINVAL        sa is NULL, or len is too short for the family.
 *   -EAFNOSUPPORT  The address is not of this family.
 */
int gn__endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len,
                               int family,
                               struct gn__endpoint *out) GN_WARN_UNUSED;

/**
 * Write an address for a caller, cut at cap bytes as getsockname(2) does.
 *
 * @family  The socket's: AF_INET6 shows IPv4 addresses as mapped; AF_INET shows
 *          :: as 0.0.0.0 and can show no other IPv6 address; AF_UNSPEC follows
 *          the address.
 * @buf     May be NULL when cap is 0.
 *
 * Returns the bytes that the whole address takes.
 */
socklen_t gn__endpoint_to_sockaddr(const struct gn__endpoint *e, int family,
                                   struct sockaddr *buf, socklen_t cap);

/** Between the internal and the public value type. */
struct gn_ip gn__addr_to_ip(const struct gn__addr *a);
int gn__addr_from_ip(const struct gn_ip *ip,
                     struct gn__addr *out) GN_WARN_UNUSED; /* 0 or -EINVAL. */

static inline bool gn__prefix_is_v4(const struct gn__prefix *p)
{
    return gn__addr_is_v4(&p->addr);
}

/** How many bits the version's addresses have: 32 or 128. */
static inline unsigned gn__prefix_width(const struct gn__prefix *p)
{
    return gn__prefix_is_v4(p) ? 32 : 128;
}

static inline bool gn__prefix_equal(const struct gn__prefix *a,
                                    const struct gn__prefix *b)
{
    return a->len == b->len && gn__addr_equal(&a->addr, &b->addr);
}

/** False when the versions differ. */
bool gn__prefix_contains(const struct gn__prefix *p, const struct gn__addr *a);

/** Whether any address is in both. */
bool gn__prefix_overlaps(const struct gn__prefix *a,
                         const struct gn__prefix *b);

/** The lowest and the highest address. */
struct gn__addr gn__prefix_first(const struct gn__prefix *p);
struct gn__addr gn__prefix_last(const struct gn__prefix *p);

/**
 * Read "10.77.0.0/24" or "fd77::/64".
 *
 * @why  On error gets one line that says what is wrong, where, and what would
 *       be right, cut at why_len bytes. May be NULL.
 *
 * Returns 0, or -EINVAL: text is NULL or no prefix, or bits after the prefix
 * are set, or it is an IPv4-mapped one.
 */
int gn__prefix_parse(const char *text, struct gn__prefix *out, char *why,
                     size_t why_len) GN_WARN_UNUSED;

const char *gn__prefix_format(const struct gn__prefix *p, char *buf,
                              size_t cap);

#endif /* BASE_ADDR_H */
