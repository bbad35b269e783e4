/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_EGRESS_POLICY_H
#define GN_HOST_EGRESS_POLICY_H

/*
 * Rules about what guests may reach outside: parsed from text, and asked. No
 * I/O, no clock: the caller says which names the guest was told for the
 * address, and which addresses are the machine's own.
 *
 *     rule    = ("allow" | "deny") [PROTO] target ["port" ports] ["tls"]
 *             | "listen" [PROTO] address ["port" ports]
 *     PROTO   = "tcp" | "udp" | "icmp"        without: all, but with ports the
 *                                             first two; listen: those
 *     target  = "any" | address | prefix
 *             | "name" pattern ["private"]    allow: and private addresses
 *     pattern = name | "*." name              the latter: names below it
 *     ports   = range {"," range}             without: all
 *     range   = number | number "-" number    1 to 65535
 *     "tls"                                   allow, and tcp only
 *
 * The first rule that matches decides; where none does, the answer is no.
 *
 * Not everything that a rule covers is opened by it. How far an address is out
 * of reach says what a rule must look like to open it (enum gn__reach): "any",
 * a name or a wide prefix is never meant to include the machine itself. A rule
 * that covers an address without opening it is passed over. Deny rules have no
 * such exceptions, and they also see an IPv4 address inside an IPv6 one that
 * a router may translate or a host unpack.
 *
 *     policy.c        asking
 *     policy_parse.c  text
 *     policy_reach.c  addresses
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/mem.h"
#include "namespace/namespace.h"

/** What it takes to open an address, each more than the one before. */
enum gn__reach {
    GN__REACH_OPEN = 0, /* any rule */
    GN__REACH_PRIVATE,  /* a name only with "private": private ranges */
    GN__REACH_RANGE,    /* a prefix within the range: loopback, link-local */
    GN__REACH_EXACT,    /* the address itself: metadata, the machine's own */
    GN__REACH_NEVER,    /* nothing opens it: any, multicast, broadcast, ... */
    GN__REACH_N
};

/** A range of addresses that is not open. */
struct gn__reach_range {
    struct gn__prefix prefix;
    enum gn__reach reach;
    const char *what; /* "loopback" */
};

/** The narrowest range that @addr is in; NULL: it is open. */
const struct gn__reach_range *gn__reach_of(const struct gn__addr *addr);

/** IPv4 addresses in an IPv6 one: NAT64, 6to4, Teredo, ISATAP, ... */
#define GN__REACH_HIDDEN 4u
struct gn__hidden {
    struct gn__addr addr[GN__REACH_HIDDEN];
    size_t n;
    bool sure; /* they are there, not only may be: one is */
};
void gn__reach_hidden(const struct gn__addr *addr, struct gn__hidden *out);

#define GN__RULE_TCP  (1u << 0)
#define GN__RULE_UDP  (1u << 1)
#define GN__RULE_ICMP (1u << 2) /* echoes, which have no port: it is 0 */

enum gn__rule_kind { GN__RULE_DENY = 0, GN__RULE_ALLOW, GN__RULE_LISTEN };

enum gn__rule_target { GN__TARGET_ANY = 0, GN__TARGET_PREFIX, GN__TARGET_NAME };

struct gn__port_range {
    uint16_t first;
    uint16_t last;
};

struct gn__rule {
    enum gn__rule_kind kind;
    enum gn__rule_target target;
    unsigned protos;
    struct gn__prefix prefix; /* listen: the address, whole */
    struct gn__name name;     /* without the "*." */
    bool below;               /* names below it, and not itself */
    bool opens_private;       /* what the name leads to may be private */
    bool tls;                 /* the host speaks TLS with it */
    struct gn__port_range *ports;
    size_t n_ports; /* 0: all */
    char *text;     /* as it was given */
};

struct gn__policy {
    const struct gn__mem *mem;
    struct gn__rule *rules;
    size_t n;
    size_t room;
};

/**
 * Read rules.
 *
 * @rules  NULL-ended; NULL: none.
 * @why    On -EINVAL gets one line: which rule, which word, what would be
 *         right.
 *
 * Returns 0, -EINVAL or -ENOMEM. gn__policy_done() only after success.
 */
GN_WARN_UNUSED int gn__policy_init(struct gn__policy *policy,
                                   const struct gn__mem *mem,
                                   const char *const *rules, char *why,
                                   size_t why_len);
void gn__policy_done(struct gn__policy *policy);

/** A question. */
struct gn__policy_ask {
    unsigned proto;
    struct gn__addr addr;
    uint16_t port;
    const struct gn__name *names; /* the guest was told for addr */
    size_t n_names;
    /** Is it an address of this machine? NULL: none is. */
    bool (*is_own)(const struct gn__addr *addr, void *arg);
    void *arg;
};

#define GN__NO_RULE ((size_t)-1)

struct gn__policy_answer {
    bool allowed;
    size_t rule;        /* that decided; GN__NO_RULE */
    const char *name;   /* that a name rule matched, in ask->names; NULL */
    const char *reason; /* constant text */
    bool opens_own;     /* the rule may mean the machine itself */
};

/** Does a name rule cover this name, which is in its normal form? */
bool gn__rule_covers_name(const struct gn__rule *rule, const char *name);

void gn__policy_decide(const struct gn__policy *policy,
                       const struct gn__policy_ask *ask,
                       struct gn__policy_answer *out);

/** The next rule from @from on by which a guest's @port is shown outside;
 *  GN__NO_RULE. */
size_t gn__policy_listen(const struct gn__policy *policy, unsigned proto,
                         uint16_t port, size_t from);

/** The first rule by which a guest's port of this number is shown at this
 *  address; GN__NO_RULE. */
size_t gn__policy_shows_at(const struct gn__policy *policy, unsigned proto,
                           const struct gn__endpoint *at);

/** Is there any rule by which ports are shown? */
bool gn__policy_shows(const struct gn__policy *policy);

#endif /* GN_HOST_EGRESS_POLICY_H */
