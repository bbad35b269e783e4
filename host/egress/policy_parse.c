/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules from text. A rule is a line of words; each function here takes those
 * that are its own. The function that meets a wrong word says so in one line:
 * which rule, which word, what would be right.
 */
#include "host/egress/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define WORD_MAX  1024u
#define LABEL_MAX 63u

#define EXPECTED_TARGET \
    "expected any, an address, a prefix such as 203.0.113.0/24, or name"

#define ALL_PROTOS (GN__RULE_TCP | GN__RULE_UDP | GN__RULE_ICMP)

/* A rule while it is being read. */
struct reader {
    const struct gn__mem *mem;
    const char *at; /* what has not been read */
    char word[WORD_MAX];
    size_t number; /* of the rule, from 1 */
    struct gn__quoted quoted;
    char *why;
    size_t why_len;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct reader *r,
                                                        const char *format, ...)
{
    char text[384];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return gn__text_refuse(r->why, r->why_len, "rule %zu \"%s\": %s", r->number,
                           r->quoted.text, text);
}

/* The same about the word that was read last. */
static int refuse_word(const struct reader *r, const char *what)
{
    return refuse(r, "\"%s\" %s", gn__text_quote(r->word, strlen(r->word)).text,
                  what);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Read the next word; an empty one at the end. */
static int word_next(struct reader *r)
{
    size_t len = 0;

    while (is_space(*r->at))
        r->at++;
    while (r->at[len] && !is_space(r->at[len]))
        len++;
    if (!gn__text_cut(r->at, len, r->word, sizeof(r->word)))
        return refuse(r, "a word is longer than %u bytes", WORD_MAX - 1);
    r->at += len;
    return 0;
}

static bool word_is(const struct reader *r, const char *word)
{
    return strcmp(r->word, word) == 0;
}

static int read_kind(struct reader *r, struct gn__rule *rule)
{
    int err = word_next(r);

    if (err)
        return err;
    if (word_is(r, "allow"))
        rule->kind = GN__RULE_ALLOW;
    else if (word_is(r, "deny"))
        rule->kind = GN__RULE_DENY;
    else if (word_is(r, "listen"))
        rule->kind = GN__RULE_LISTEN;
    else if (word_is(r, ""))
        return refuse(r, "is empty: expected allow, deny or listen");
    else
        return refuse_word(r, "is none of allow, deny, listen");
    return word_next(r);
}

static int read_proto(struct reader *r, struct gn__rule *rule)
{
    rule->protos = ALL_PROTOS;
    if (word_is(r, "tcp"))
        rule->protos = GN__RULE_TCP;
    else if (word_is(r, "udp"))
        rule->protos = GN__RULE_UDP;
    else if (word_is(r, "icmp") && rule->kind == GN__RULE_LISTEN)
        return refuse_word(r, "has no ports to show: expected tcp or udp");
    else if (word_is(r, "icmp"))
        rule->protos = GN__RULE_ICMP;
    else
        return 0;
    return word_next(r);
}

/* ---- targets ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

/* The normal form of a pattern without its "*.". */
static int check_name(const struct reader *r, const char *name)
{
    size_t label = 0;
    bool digits = true;
    const char *p;

    for (p = name; *p; p++) {
        if (*p == '.') {
            label = 0;
            digits = true;
            continue;
        }
        if (*p == '*')
            return refuse_word(r, "has a \"*\" inside: only whole labels in "
                                  "front are matched, as in *.example.org");
        if ((unsigned char)*p >= 0x80)
            return refuse_word(r, "is not in ASCII: write the form that is "
                                  "looked up, as in xn--bcher-kva.example");
        if (!is_label_byte(*p))
            return refuse_word(r, "has a byte that no name has: expected "
                                  "letters, digits, \"-\", \"_\" and dots");
        digits = digits && is_digit(*p);
        if (++label > LABEL_MAX)
            return refuse_word(r, "has a label of more than 63 bytes, which "
                                  "nobody can look up");
    }
    if (digits)
        return refuse_word(r, "ends in a number, as no name does: for an "
                              "address leave out \"name\"");
    return 0;
}

/* A name may lead to private addresses where the rule says so. */
static int read_private(struct reader *r, struct gn__rule *rule)
{
    if (!word_is(r, "private"))
        return 0;
    if (rule->kind != GN__RULE_ALLOW)
        return refuse_word(r, "is for allow rules: deny rules have no "
                              "exceptions, leave it out");
    rule->opens_private = true;
    return word_next(r);
}

static int read_name(struct reader *r, struct gn__rule *rule)
{
    const char *pattern;
    struct gn__addr addr;
    int err = word_next(r);

    if (err)
        return err;
    pattern = r->word;
    if (word_is(r, ""))
        return refuse(r, "a name is missing after \"name\"");
    if (word_is(r, "*") || word_is(r, "*."))
        return refuse_word(r, "would be every name: write any, or the names "
                              "below one, as in *.example.org");
    if (!gn__addr_parse(pattern, &addr) || strchr(pattern, '/'))
        return refuse_word(r, "is an address, which nobody looks up: leave out "
                              "\"name\"");
    if (pattern[0] == '*' && pattern[1] == '.') {
        rule->below = true;
        pattern += 2;
    }
    if (!gn__name_normal(pattern, &rule->name) ||
        (rule->below && strlen(rule->name.text) + 2 > GN__NAME_MAX))
        return refuse_word(r, "is no name: it has an empty label, or more than "
                              "253 bytes");
    rule->target = GN__TARGET_NAME;
    err = check_name(r, rule->name.text);
    if (!err)
        err = word_next(r);
    return err ? err : read_private(r, rule);
}

/* An address stands for the prefix that has only it. */
static int read_address(struct reader *r, struct gn__prefix *out)
{
    if (gn__addr_parse(r->word, &out->addr))
        return -EINVAL;
    out->len = (uint8_t)gn__prefix_width(out);
    return 0;
}

/* "ADDRESS:PORT", "[ADDRESS]:PORT", "PREFIX:PORT", "NAME:PORT": the part before
 * the port, and the port. */
static bool split_port(const char *word, char host[WORD_MAX], uint32_t *port)
{
    const char *colon = strrchr(word, ':');
    size_t len = colon ? (size_t)(colon - word) : 0;

    if (!len || !gn__text_number(colon + 1, UINT16_MAX, port) || !*port)
        return false;
    if (word[0] == '[' && word[len - 1] == ']') {
        word++;
        len -= 2;
    } else if (memchr(word, ':', len)) {
        return false; /* an IPv6 address without brackets, or nothing */
    }
    return gn__text_cut(word, len, host, WORD_MAX);
}

static bool is_address_or_prefix(const char *text)
{
    struct gn__prefix prefix = {.len = 0};

    return !gn__addr_parse(text, &prefix.addr) ||
           !gn__prefix_parse(text, &prefix, NULL, 0);
}

/* Is it an address that could be listened on, but for its port? */
static bool has_port(const struct reader *r)
{
    char host[WORD_MAX];
    struct gn__addr addr;
    uint32_t port;

    return split_port(r->word, host, &port) && !gn__addr_parse(host, &addr);
}

/* Could it be a name, and no address in some other form? */
static bool looks_like_name(const char *text)
{
    const char *label = strrchr(text, '.');

    label = label ? label + 1 : text;
    return gn__pattern_is_valid(text) && !is_digit(*label) && strcmp(text, "*");
}

/* The word is no target: what was meant, if that can be seen. */
static int refuse_target(const struct reader *r, const char *otherwise)
{
    char host[WORD_MAX];
    uint32_t port = 0;
    bool has_port = split_port(r->word, host, &port);
    const char *name = has_port ? host : r->word;
    char text[384];

    if (has_port && is_address_or_prefix(host))
        (void)snprintf(text, sizeof(text), "has a port: write %.200s port %u",
                       host, (unsigned)port);
    else if (has_port && looks_like_name(name))
        (void)snprintf(text, sizeof(text),
                       "is a name with a port: write name %.200s port %u", name,
                       (unsigned)port);
    else if (strchr(name, '.') && looks_like_name(name))
        (void)snprintf(text, sizeof(text),
                       "is no target: for a name write "
                       "name %.200s",
                       name);
    else
        (void)snprintf(text, sizeof(text), "%s", otherwise);
    return refuse_word(r, text);
}

static int read_prefix(struct reader *r, struct gn__rule *rule)
{
    char why[256];
    int err = 0;

    rule->target = GN__TARGET_PREFIX;
    if (strchr(r->word, '/')) {
        err = gn__prefix_parse(r->word, &rule->prefix, why, sizeof(why));
        if (err && strchr(r->word, ':') && !strchr(strrchr(r->word, ':'), '/'))
            return refuse_target(r, why);
        if (err)
            return refuse(r, "%s", why);
    } else if (read_address(r, &rule->prefix)) {
        return refuse_target(r, rule->protos == ALL_PROTOS
                                    ? "is no target, and none of tcp, udp and "
                                      "icmp: " EXPECTED_TARGET
                                    : "is no target: " EXPECTED_TARGET);
    }
    return word_next(r);
}

/* A rule that allows what nothing opens was meant otherwise. */
static int check_reach(const struct reader *r, const struct gn__rule *rule)
{
    const struct gn__reach_range *range;
    char text[GN__ADDR_TEXT];

    if (rule->kind != GN__RULE_ALLOW || rule->target != GN__TARGET_PREFIX)
        return 0;
    range = gn__reach_of(&rule->prefix.addr);
    if (!range || range->reach != GN__REACH_NEVER ||
        range->prefix.len > rule->prefix.len)
        return 0;
    gn__prefix_format(&rule->prefix, text, sizeof(text));
    return refuse(r, "%s is never reached: %s", text, range->what);
}

static int read_target(struct reader *r, struct gn__rule *rule)
{
    int err;

    if (word_is(r, "any"))
        return word_next(r);
    if (word_is(r, "name"))
        return read_name(r, rule);
    if (word_is(r, "") || word_is(r, "port"))
        return refuse(r, "a target is missing: " EXPECTED_TARGET);
    err = read_prefix(r, rule);
    return err ? err : check_reach(r, rule);
}

static int read_listen_address(struct reader *r, struct gn__rule *rule)
{
    rule->target = GN__TARGET_PREFIX;
    if (word_is(r, "") || word_is(r, "port"))
        return refuse(r, "an address of this machine is missing, such as "
                         "127.0.0.1 or 0.0.0.0");
    if (read_address(r, &rule->prefix) && has_port(r))
        return refuse_target(r, "");
    if (read_address(r, &rule->prefix))
        return refuse_word(r, "is no address: expected one of this machine, "
                              "such as 127.0.0.1, or 0.0.0.0 or :: for all");
    if (gn__addr_is_multicast(&rule->prefix.addr) ||
        gn__addr_is_broadcast(&rule->prefix.addr) ||
        gn__addr_needs_scope(&rule->prefix.addr))
        return refuse_word(r, "is no address to listen on");
    return word_next(r);
}

/* ---- ports ---- */

static int read_number(const struct reader *r, const char *text, size_t len,
                       uint16_t *out)
{
    char number[8];
    uint32_t n;

    if (!gn__text_cut(text, len, number, sizeof(number)) ||
        !gn__text_number(number, UINT16_MAX, &n) || !n)
        return refuse(r,
                      "\"%s\" is no port: expected numbers from 1 to 65535, as "
                      "in 443 or 80,8000-8999",
                      gn__text_quote(text, len).text);
    *out = (uint16_t)n;
    return 0;
}

/* One range of @len bytes. */
static int read_range(const struct reader *r, const char *text, size_t len,
                      struct gn__port_range *out)
{
    const char *dash = memchr(text, '-', len);
    size_t first = dash ? (size_t)(dash - text) : len;
    int err;

    err = read_number(r, text, first, &out->first);
    if (err)
        return err;
    out->last = out->first;
    if (dash)
        err = read_number(r, dash + 1, len - first - 1, &out->last);
    if (!err && out->last < out->first)
        return refuse(r, "\"%s\" runs backwards: write %u-%u",
                      gn__text_quote(text, len).text, out->last, out->first);
    return err;
}

static int read_ports(struct reader *r, struct gn__rule *rule)
{
    size_t i, len, n = 1;
    const char *p;
    int err = word_next(r);

    if (err)
        return err;
    for (p = r->word; *p; p++)
        n += *p == ',';
    rule->ports = gn__zalloc_array(r->mem, n, sizeof(*rule->ports));
    if (!rule->ports)
        return -ENOMEM;
    rule->n_ports = n;
    for (i = 0, p = r->word; i < n; i++, p += len + 1) {
        len = strcspn(p, ",");
        err = read_range(r, p, len, &rule->ports[i]);
        if (err)
            return err;
    }
    return word_next(r);
}

/* ---- TLS ---- */

static int read_tls(struct reader *r, struct gn__rule *rule)
{
    if (rule->kind != GN__RULE_ALLOW)
        return refuse_word(r, "goes with allow: the host speaks it for guests "
                              "that connect");
    if (!(rule->protos & GN__RULE_TCP))
        return refuse_word(r, "goes with tcp");
    if (!GN__HAS_TLS)
        return refuse_word(r, "is not there: this library was built without "
                              "TLS (GUESTNET_TLS)");
    rule->protos = GN__RULE_TCP;
    rule->tls = true;
    return word_next(r);
}

/* ---- rules ---- */

static int read_rule(struct reader *r, struct gn__rule *rule)
{
    int err = read_kind(r, rule);

    if (!err)
        err = read_proto(r, rule);
    if (!err)
        err = rule->kind == GN__RULE_LISTEN ? read_listen_address(r, rule)
                                            : read_target(r, rule);
    if (!err && word_is(r, "private") && rule->kind != GN__RULE_LISTEN)
        return refuse_word(r, "goes with a name: any, addresses and prefixes "
                              "open private addresses without it");
    if (!err && word_is(r, "port") && rule->protos == GN__RULE_ICMP)
        return refuse_word(r, "goes with tcp and udp: icmp has none");
    if (!err && word_is(r, "port"))
        err = read_ports(r, rule);
    if (!err && word_is(r, "tls"))
        err = read_tls(r, rule);
    if (!err && !word_is(r, ""))
        return refuse_word(r, rule->tls ? "is too much: the rule ends after tls"
                              : rule->n_ports
                                  ? "is too much: the rule ends after its ports"
                                  : "is unexpected: the rule ends here, or "
                                    "goes on with port");
    return err;
}

static int add_rule(struct gn__policy *policy, struct reader *r,
                    const char *text)
{
    struct gn__rule *rule = &policy->rules[policy->n];

    r->at = text;
    r->number = policy->n + 1;
    r->quoted = gn__text_quote(text, strlen(text));
    rule->text = gn__strdup(policy->mem, text);
    if (!rule->text)
        return -ENOMEM;
    policy->n++; /* gn__policy_done() has it from here. */
    return read_rule(r, rule);
}

int gn__policy_init(struct gn__policy *policy, const struct gn__mem *mem,
                    const char *const *rules, char *why, size_t why_len)
{
    struct reader r = {.mem = mem, .why = why, .why_len = why_len};
    size_t i, n = 0;
    int err = 0;

    *policy = (struct gn__policy){.mem = mem};
    while (rules && rules[n])
        n++;
    if (!n)
        return 0;
    policy->rules = gn__zalloc_array(mem, n, sizeof(*policy->rules));
    if (!policy->rules)
        return -ENOMEM;
    policy->room = n;
    for (i = 0; i < n && !err; i++)
        err = add_rule(policy, &r, rules[i]);
    if (err)
        gn__policy_done(policy);
    return err;
}

void gn__policy_done(struct gn__policy *policy)
{
    size_t i;

    for (i = 0; i < policy->n; i++) {
        struct gn__rule *rule = &policy->rules[i];

        gn__free(policy->mem, rule->ports,
                 rule->n_ports * sizeof(*rule->ports));
        gn__strfree(policy->mem, rule->text);
    }
    gn__free(policy->mem, policy->rules, policy->room * sizeof(*policy->rules));
    *policy = (struct gn__policy){.mem = policy->mem};
}
