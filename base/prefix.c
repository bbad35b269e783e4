/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "base/text.h"

bool gn__prefix_contains(const struct gn__prefix *p, const struct gn__addr *a)
{
    struct gn__addr masked;

    if (gn__prefix_is_v4(p) != gn__addr_is_v4(a))
        return false;
    masked = gn__addr_mask(a, p->len);
    return gn__addr_equal(&masked, &p->addr);
}

bool gn__prefix_overlaps(const struct gn__prefix *a, const struct gn__prefix *b)
{
    return gn__prefix_contains(a, &b->addr) || gn__prefix_contains(b, &a->addr);
}

struct gn__addr gn__prefix_first(const struct gn__prefix *p)
{
    return p->addr;
}

struct gn__addr gn__prefix_last(const struct gn__prefix *p)
{
    unsigned n_host = gn__prefix_width(p) - p->len;

    return gn__addr_from_number(gn__addr_to_number(&p->addr) |
                                gn__addr_low_bits(n_host));
}

const char *gn__prefix_format(const struct gn__prefix *p, char *buf, size_t cap)
{
    char addr[INET6_ADDRSTRLEN];

    gn__addr_format(&p->addr, addr, sizeof(addr));
    snprintf(buf, cap, "%s/%u", addr, p->len);
    return buf;
}

/* A prefix while it is being read, and where complaints about it go. */
struct reader {
    const char *text;
    struct gn__quoted quoted; /* The text, for messages. */
    struct gn__addr addr;
    bool as_v6; /* Written as IPv6, whatever it is. */
    uint32_t len;
    char *why;
    size_t why_len;
};

#define EXPECTED "expected one such as 10.77.0.0/24 or fd77::/64"

static int read_address(struct reader *r, size_t len)
{
    char text[INET6_ADDRSTRLEN];

    if (!gn__text_cut(r->text, len, text, sizeof(text)) ||
        gn__addr_parse(text, &r->addr))
        return gn__text_refuse(r->why, r->why_len,
                               "prefix \"%s\": \"%s\" before the \"/\" is no "
                               "IPv4 or IPv6 address: " EXPECTED,
                               r->quoted.text,
                               gn__text_quote(r->text, len).text);
    r->as_v6 = strchr(text, ':') != NULL;
    return 0;
}

static int read_length(struct reader *r, const char *text)
{
    unsigned width = r->as_v6 ? 128 : 32;

    if (!gn__text_number(text, width, &r->len))
        return gn__text_refuse(r->why, r->why_len,
                               "prefix \"%s\": \"%s\" after the \"/\" is no "
                               "length: expected a number from 0 to %u",
                               r->quoted.text,
                               gn__text_quote(text, strlen(text)).text, width);
    return 0;
}

/* Compares what was read with the prefix that it must have meant. */
static int prefix_finish(const struct reader *r, struct gn__prefix *out)
{
    unsigned n_host = (r->as_v6 ? 128 : 32) - r->len;
    gn__u128 n = gn__addr_to_number(&r->addr);
    struct gn__prefix right = {
        gn__addr_from_number(n & ~gn__addr_low_bits(n_host)), (uint8_t)r->len};
    bool is_mapped = r->as_v6 && gn__addr_is_v4(&right.addr);
    char text[GN__ADDR_TEXT];

    if (is_mapped)
        right.len = (uint8_t)(right.len - 96);
    gn__prefix_format(&right, text, sizeof(text));
    if (is_mapped)
        return gn__text_refuse(r->why, r->why_len,
                               "prefix \"%s\" is IPv4-mapped: write it as %s",
                               r->quoted.text, text);
    if (!gn__addr_equal(&right.addr, &r->addr))
        return gn__text_refuse(r->why, r->why_len,
                               "prefix \"%s\" has bits set after the first "
                               "%u: the prefix of this length is %s",
                               r->quoted.text, (unsigned)r->len, text);
    *out = right;
    return 0;
}

int gn__prefix_parse(const char *text, struct gn__prefix *out, char *why,
                     size_t why_len)
{
    struct reader r = {.text = text, .why = why, .why_len = why_len};
    const char *slash;
    int err;

    if (!text)
        return gn__text_refuse(why, why_len,
                               "the prefix is missing: " EXPECTED);
    r.quoted = gn__text_quote(text, strlen(text));
    slash = strchr(text, '/');
    if (!slash)
        return gn__text_refuse(
            why, why_len, "prefix \"%s\" has no \"/\" with a length: " EXPECTED,
            r.quoted.text);
    err = read_address(&r, (size_t)(slash - text));
    if (err)
        return err;
    err = read_length(&r, slash + 1);
    if (err)
        return err;
    return prefix_finish(&r, out);
}
