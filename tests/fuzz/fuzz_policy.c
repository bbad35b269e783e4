/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines are rules, the bytes before them what is asked. Rules that are read
 * are asked; whatever they are, no name and no wide prefix opens the machine
 * itself, what is never reached stays so, and taking all deny rules away opens
 * no less.
 *
 * The first 32 bytes: protocol, port (2), flags, address (16), 12 unused. The
 * rest: lines.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/egress/policy.h"
#include "tests/fuzz/check.h"

enum { HEAD = 32, LINES = 32, FLAG_OWN = 1, FLAG_V4 = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_own(const struct gn__addr *addr, void *arg)
{
    const struct gn__addr *own = arg;

    return gn__addr_equal(addr, own);
}

static void check_rule(const struct gn__rule *rule)
{
    CHECK(rule->protos &&
          rule->protos <= (GN__RULE_TCP | GN__RULE_UDP | GN__RULE_ICMP));
    CHECK(rule->protos != GN__RULE_ICMP || !rule->n_ports);
    for (size_t i = 0; i < rule->n_ports; i++)
        CHECK(rule->ports[i].first &&
              rule->ports[i].first <= rule->ports[i].last);
    CHECK(!rule->tls ||
          (rule->kind == GN__RULE_ALLOW && rule->protos == GN__RULE_TCP));
    if (rule->target == GN__TARGET_NAME) {
        struct gn__name again;

        CHECK(gn__name_normal(rule->name.text, &again));
        CHECK(strcmp(again.text, rule->name.text) == 0);
        CHECK(!strchr(rule->name.text, '*'));
    }
    if (rule->target == GN__TARGET_PREFIX) {
        struct gn__addr masked =
            gn__addr_mask(&rule->prefix.addr, rule->prefix.len);

        CHECK(gn__addr_equal(&masked, &rule->prefix.addr));
    }
}

static void check_answer(const struct gn__policy *policy,
                         const struct gn__policy_ask *ask,
                         const struct gn__policy_answer *answer)
{
    const struct gn__reach_range *range = gn__reach_of(&ask->addr);
    const struct gn__rule *rule;
    bool whole, hard;

    CHECK(answer->rule == GN__NO_RULE || answer->rule < policy->n);
    if (!answer->allowed)
        return;
    rule = &policy->rules[answer->rule];
    CHECK(rule->kind == GN__RULE_ALLOW && (rule->protos & ask->proto));
    CHECK(ask->port);
    CHECK((answer->name != NULL) == (rule->target == GN__TARGET_NAME));
    CHECK(!range || range->reach != GN__REACH_NEVER);
    CHECK(!gn__addr_is_any(&ask->addr) && !gn__addr_is_multicast(&ask->addr));
    hard = gn__addr_is_loopback(&ask->addr) ||
           gn__addr_is_linklocal(&ask->addr) || is_own(&ask->addr, ask->arg);
    whole = rule->target == GN__TARGET_PREFIX &&
            rule->prefix.len == gn__prefix_width(&rule->prefix);
    CHECK(!hard || rule->target == GN__TARGET_PREFIX);
    CHECK(!hard || rule->prefix.len >= 8);
    CHECK(!is_own(&ask->addr, ask->arg) || whole ||
          gn__addr_is_loopback(&ask->addr));
    CHECK(rule->target != GN__TARGET_NAME || !range ||
          (range->reach == GN__REACH_PRIVATE && rule->opens_private));
}

/* Without the deny rules, what was allowed still is. */
static void check_without_deny(const struct gn__policy *policy,
                               const struct gn__policy_ask *ask, bool allowed)
{
    const char *rules[LINES + 1];
    struct gn__policy_answer answer;
    struct gn__policy less;
    size_t n = 0;

    for (size_t i = 0; i < policy->n; i++) {
        if (policy->rules[i].kind != GN__RULE_DENY)
            rules[n++] = policy->rules[i].text;
    }
    rules[n] = NULL;
    CHECK(!gn__policy_init(&less, policy->mem, rules, NULL, 0));
    gn__policy_decide(&less, ask, &answer);
    CHECK(!allowed || answer.allowed);
    gn__policy_done(&less);
}

static void ask_it(const struct gn__policy *policy, const uint8_t *head,
                   const struct gn__name *names, size_t n_names)
{
    struct gn__addr addr, own;
    struct gn__policy_answer answer;
    struct gn__policy_ask ask;

    memcpy(addr.bytes, head + 4, 16);
    if (head[3] & FLAG_V4)
        addr = gn__addr_from_v4_bytes(head + 4);
    own = addr;
    if (!(head[3] & FLAG_OWN))
        own.bytes[15] ^= 1;
    ask = (struct gn__policy_ask){.proto =
                                      head[0] & 1 ? GN__RULE_TCP : GN__RULE_UDP,
                                  .addr = addr,
                                  .port = (uint16_t)(head[1] << 8 | head[2]),
                                  .names = names,
                                  .n_names = n_names,
                                  .is_own = is_own,
                                  .arg = &own};
    gn__policy_decide(policy, &ask, &answer);
    check_answer(policy, &ask, &answer);
    check_without_deny(policy, &ask, answer.allowed);
}

/* Every name that a rule has has been looked up, and one below it. */
static size_t tell_names(const struct gn__policy *policy,
                         struct gn__name *names)
{
    char text[GN__NAME_MAX + 8];
    size_t n = 0;

    for (size_t i = 0; i < policy->n; i++) {
        if (policy->rules[i].target != GN__TARGET_NAME)
            continue;
        snprintf(text, sizeof(text), "w.%s", policy->rules[i].name.text);
        n += gn__name_normal(policy->rules[i].name.text, &names[n]);
        n += gn__name_normal(text, &names[n]);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gn__name names[2 * LINES];
    const char *rules[LINES + 1];
    struct gn__policy policy;
    struct gn__mem mem;
    char why[128] = "";
    char *text, *line;
    size_t n = 0;

    if (size < HEAD)
        return 0;
    text = malloc(size - HEAD + 1);
    CHECK(text);
    memcpy(text, data + HEAD, size - HEAD);
    text[size - HEAD] = '\0';
    for (line = text; line && n < LINES;) {
        rules[n++] = line;
        line = strchr(line, '\n');
        if (line)
            *line++ = '\0';
    }
    rules[n] = NULL;
    gn__mem_init(&mem, NULL);
    if (gn__policy_init(&policy, &mem, rules, why, sizeof(why))) {
        CHECK(why[0] && !strchr(why, '\n') && strlen(why) < sizeof(why));
    } else {
        for (size_t i = 0; i < policy.n; i++)
            check_rule(&policy.rules[i]);
        ask_it(&policy, data, names, 0);
        ask_it(&policy, data, names, tell_names(&policy, names));
        gn__policy_done(&policy);
    }
    free(text);
    return 0;
}
