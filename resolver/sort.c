/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * RFC 6724: in which order a guest should try the addresses of a name. The
 * caller gives the source address towards each, so that nothing here knows of
 * namespaces.
 *
 * Rules 3 (deprecated sources), 4 (home addresses) and 7 (tunnels) ask for what
 * no guest has. Rule 9 counts for IPv4 only where the destination is on the
 * source's own network: beyond it, bits in common mean nothing in IPv4, and
 * would undo the turns that a server gives its addresses in.
 */
#include "resolver/resolver.h"

#include <string.h>

/* Section 2.1. The first that fits is the longest that does. */
static const struct policy {
    struct gn__addr prefix;
    uint8_t len;
    uint8_t precedence;
    uint8_t label;
} policies[] = {
    {{{[15] = 1}}, 128, 50, 0},                /* ::1 */
    {{{[10] = 0xff, [11] = 0xff}}, 96, 35, 4}, /* ::ffff:0:0/96 */
    {{{0}}, 96, 1, 3},                         /* ::/96 */
    {{{[0] = 0x20, [1] = 0x01}}, 32, 5, 5},    /* 2001::/32 */
    {{{[0] = 0x20, [1] = 0x02}}, 16, 30, 2},   /* 2002::/16 */
    {{{[0] = 0x3f, [1] = 0xfe}}, 16, 1, 12},   /* 3ffe::/16 */
    {{{[0] = 0xfe, [1] = 0xc0}}, 10, 1, 11},   /* fec0::/10 */
    {{{[0] = 0xfc}}, 7, 3, 13},                /* fc00::/7 */
    {{{0}}, 0, 40, 1},
};

/* Multicast scopes of RFC 4291, which RFC 6724 3.1 measures others by. */
#define SCOPE_LINK   2u
#define SCOPE_SITE   5u
#define SCOPE_GLOBAL 14u

struct candidate {
    struct gn_answer answer;
    struct gn__source source;
    struct gn__addr dst;
    size_t place;
};

static unsigned common_bits(const struct gn__addr *a, const struct gn__addr *b)
{
    gn__u128 diff = gn__addr_to_number(a) ^ gn__addr_to_number(b);
    unsigned n;

    for (n = 0; n < 128 && !(diff >> (127 - n)); n++)
        continue;
    return n;
}

static const struct policy *policy_of(const struct gn__addr *addr)
{
    const struct policy *policy = policies;

    while (common_bits(addr, &policy->prefix) < policy->len)
        policy++;
    return policy;
}

static unsigned scope_of(const struct gn__addr *addr)
{
    if (gn__addr_is_linklocal(addr) || gn__addr_is_loopback(addr))
        return SCOPE_LINK;
    if (gn__addr_is_v4(addr))
        return SCOPE_GLOBAL;
    if (addr->bytes[0] == 0xff)
        return addr->bytes[1] & 0xfu;
    if (addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0xc0)
        return SCOPE_SITE;
    return SCOPE_GLOBAL;
}

static unsigned matching_bits(const struct candidate *c)
{
    unsigned family_bits = gn__addr_is_v4(&c->dst) ? 96 : 0;
    unsigned most = family_bits + c->source.prefix_len;
    unsigned n = common_bits(&c->dst, &c->source.addr);

    if (n > most)
        n = most;
    return family_bits && n < most ? 0 : n;
}

static bool scope_matches(const struct candidate *c)
{
    return scope_of(&c->dst) == scope_of(&c->source.addr);
}

static bool label_matches(const struct candidate *c)
{
    return policy_of(&c->dst)->label == policy_of(&c->source.addr)->label;
}

/* Is @a to come before @b? The number is that of the rule. */
static bool sort_precedes(const struct candidate *a, const struct candidate *b)
{
    if (a->source.usable != b->source.usable) /* 1 */
        return a->source.usable;
    if (a->source.usable && scope_matches(a) != scope_matches(b)) /* 2 */
        return scope_matches(a);
    if (a->source.usable && label_matches(a) != label_matches(b)) /* 5 */
        return label_matches(a);
    if (policy_of(&a->dst)->precedence !=
        policy_of(&b->dst)->precedence) /* 6 */
        return policy_of(&a->dst)->precedence > policy_of(&b->dst)->precedence;
    if (scope_of(&a->dst) != scope_of(&b->dst)) /* 8 */
        return scope_of(&a->dst) < scope_of(&b->dst);
    if (a->source.usable &&
        gn__addr_is_v4(&a->dst) == gn__addr_is_v4(&b->dst) &&
        matching_bits(a) != matching_bits(b)) /* 9 */
        return matching_bits(a) > matching_bits(b);
    return a->place < b->place; /* 10 */
}

static void sort_load(struct candidate *c, const struct gn_answer *answer,
                      const struct gn__source *source, size_t place)
{
    struct gn__endpoint endpoint = {.port = 0};

    c->answer = *answer;
    c->source = *source;
    c->place = place;
    if (gn__endpoint_from_sockaddr((const struct sockaddr *)&answer->addr,
                                   sizeof(answer->addr), AF_UNSPEC, &endpoint))
        c->source.usable = false;
    c->dst = endpoint.addr;
}

void gn__answers_sort(struct gn_answer *answers, struct gn__source *sources,
                      size_t n)
{
    struct candidate all[GN__ANSWERS_MAX], c;
    size_t i, at;

    if (n > GN__ANSWERS_MAX)
        n = GN__ANSWERS_MAX;
    for (i = 0; i < n; i++) {
        sort_load(&c, &answers[i], &sources[i], i);
        for (at = i; at && sort_precedes(&c, &all[at - 1]); at--)
            all[at] = all[at - 1];
        all[at] = c;
    }
    for (i = 0; i < n; i++) {
        answers[i] = all[i].answer;
        sources[i] = all[i].source;
    }
}
