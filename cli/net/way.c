/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A member's way outside: connections by its rules, and lookups by the same. A
 * name that is asked for is a message to the server of the name, so names go to
 * the DNS only where a rule covers them by name, or covers any address; rules
 * about addresses open no names.
 */
#include "cli/net/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <guestnet/egress.h>
#include <guestnet/error.h>
#include <guestnet/resolver.h>

#include "cli/net/net.h"
#include "cli/say.h"

/** What a rule says about names. */
struct name_rule {
    bool allow;
    char pattern[256]; /* "": nothing */
};

/* A name as it is compared: without the dot that may end it. */
static void pattern_set(struct name_rule *out, const char *text)
{
    size_t len = strlen(text);

    if (len && text[len - 1] == '.')
        len--;
    (void)snprintf(out->pattern, sizeof(out->pattern), "%.*s", (int)len, text);
}

/* "allow tcp name *.example.org port 443" is about *.example.org, "deny any"
 * about all. The library has read the rule before: it is one. */
static void rule_read(const char *text, struct name_rule *out)
{
    char word[5][256] = {"", "", "", "", ""};
    bool one_proto;
    unsigned at;

    (void)sscanf(text, "%255s %255s %255s %255s %255s", word[0], word[1],
                 word[2], word[3], word[4]);
    one_proto = strcmp(word[1], "tcp") == 0 || strcmp(word[1], "udp") == 0 ||
                strcmp(word[1], "icmp") == 0;
    at = one_proto ? 2 : 1;
    out->allow = strcmp(word[0], "allow") == 0;
    out->pattern[0] = '\0';
    if (strcmp(word[at], "any") == 0) {
        pattern_set(out, "*");
        at++;
    } else if (strcmp(word[at], "name") == 0) {
        pattern_set(out, word[at + 1]);
        at += 2;
    }
    /* A rule that denies some connections, of a protocol or to ports, denies no
     * lookup. */
    if (!out->allow && (one_proto || word[at][0]))
        out->pattern[0] = '\0';
}

static bool pattern_covers(const char *pattern, const char *name)
{
    size_t len = strlen(name), tail;

    if (strcmp(pattern, "*") == 0)
        return true;
    if (pattern[0] != '*')
        return strcasecmp(pattern, name) == 0;
    tail = strlen(pattern) - 1; /* ".example.org" */
    return len > tail && strcasecmp(name + len - tail, pattern + 1) == 0;
}

bool way_allows_name(const struct member *member, const char *name)
{
    const cJSON *text;

    cJSON_ArrayForEach (text, member->rules) {
        struct name_rule rule;

        rule_read(text->valuestring, &rule);
        if (rule.pattern[0] && pattern_covers(rule.pattern, name))
            return rule.allow;
    }
    return false;
}

/* ---- names ---- */

static int names_open(struct member *member)
{
    struct gn_resolver_fault_config config = {.size = sizeof(config),
                                              .inner = member->net->dns};
    static struct name_rule read[RULES_MAX];
    struct gn_fault_rule rules[RULES_MAX + 1];
    size_t n = 0;
    const cJSON *text;

    memset(rules, 0, sizeof(rules));
    cJSON_ArrayForEach (text, member->rules) {
        rule_read(text->valuestring, &read[n]);
        if (!read[n].pattern[0])
            continue;
        rules[n].pattern = read[n].pattern;
        rules[n].fault = read[n].allow ? GN_FAULT_NONE : GN_FAULT_NXDOMAIN;
        n++;
    }
    rules[n].pattern = "*";
    rules[n].fault = GN_FAULT_NXDOMAIN;
    config.rules = rules;
    config.n_rules = n + 1;
    return gn_resolver_fault(&config, &member->names);
}

/* ---- connections ---- */

static const char *proto_of(int type)
{
    switch (type) {
    case SOCK_STREAM:
        return "tcp";
    case SOCK_DGRAM:
        return "udp";
    default:
        return "icmp";
    }
}

/* The address alone; returns its port, 0 of echoes. */
static unsigned address_text(const struct sockaddr *address, char *out,
                             size_t cap)
{
    bool v4 = address->sa_family == AF_INET;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } copy;
    unsigned port;

    memset(&copy, 0, sizeof(copy));
    memcpy(&copy, address, v4 ? sizeof(copy.v4) : sizeof(copy.v6));
    port = ntohs(copy.v4.sin_port); /* At the same place in both. */
    copy.v4.sin_port = 0;
    if (gn_addr_format(&copy.any, out, cap))
        out[0] = '\0';
    return port;
}

/* What was denied, and a rule that would have allowed it. */
static void way_audit(const struct gn_audit *audit, void *arg)
{
    const char *proto = proto_of(audit->type);
    char at[GN_ADDR_TEXT_MAX], port[24] = "", what[600], rule[400];
    unsigned number;

    if (audit->allowed || audit->inbound || audit->ended)
        return;
    number = address_text(audit->address, at, sizeof(at));
    if (number)
        (void)snprintf(port, sizeof(port), " port %u", number);
    (void)snprintf(what, sizeof(what), "%s to %s%s%s%s%s (%s)", proto, at, port,
                   audit->name ? " (" : "", audit->name ? audit->name : "",
                   audit->name ? ")" : "", audit->reason);
    (void)snprintf(rule, sizeof(rule), "%s %s%s%s", proto,
                   audit->name ? "name " : "", audit->name ? audit->name : at,
                   port);
    /* No rule allows what the machine forbids. */
    member_denied(arg, what, audit->error ? NULL : rule);
}

static int egress_open(struct member *member, char *why, size_t why_len)
{
    const char *rules[RULES_MAX + 1] = {NULL};
    const struct gn_policy policy = {.size = sizeof(policy),
                                     .rules = rules,
                                     .audit = way_audit,
                                     .audit_arg = member,
                                     .why = why,
                                     .why_len = why_len};
    const cJSON *text;
    size_t n = 0;

    cJSON_ArrayForEach (text, member->rules)
        rules[n++] = text->valuestring;
    return gn_egress_system(&policy, &member->egress);
}

/* ---- both ---- */

int way_open(struct member *member, char *why, size_t why_len)
{
    int err;

    why[0] = '\0';
    err = egress_open(member, why, why_len);
    if (!err)
        err = names_open(member);
    if (err && !why[0])
        (void)why_set(why, why_len, "the rules: %s", gn_strerror(err));
    return err ? -1 : 0;
}

void way_close(struct member *member)
{
    gn_egress_close(member->egress);
    gn_resolver_close(member->names);
    member->egress = NULL;
    member->names = NULL;
}
