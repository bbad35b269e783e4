/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/egress/policy.h"

#include <string.h>

/* What is known of the address that is asked for, before any rule. */
struct target {
    const struct gn__policy_ask *ask;
    enum gn__reach reach;
    const struct gn__reach_range *range; /* NULL: none in particular */
    const char *what;
    struct gn__hidden hidden;
    bool asked; /* whether anything is the machine's own */
};

static bool is_own(const struct gn__policy_ask *ask,
                   const struct gn__addr *addr)
{
    return ask->is_own && ask->is_own(addr, ask->arg);
}

/* No guest asked by name for an address that is inside another one: so all but
 * plain and private inner ones stay shut. Where it is not sure that there is
 * one, only an inner address that is never opened by any rule is passed
 * over. */
static void look_inside(struct target *t)
{
    const struct gn__reach_range *range;
    size_t i;

    for (i = 0; i < t->hidden.n; i++) {
        enum gn__reach reach = GN__REACH_OPEN;

        range = gn__reach_of(&t->hidden.addr[i]);
        if (range)
            reach = range->reach;
        if (reach == GN__REACH_NEVER && !t->hidden.sure)
            continue;
        if (reach > GN__REACH_PRIVATE) {
            t->reach = GN__REACH_NEVER;
            t->what = range->what;
        } else if (reach > t->reach) {
            t->reach = reach;
            t->what = range->what;
        }
    }
}

static void policy_look(struct target *t, const struct gn__policy_ask *ask)
{
    t->ask = ask;
    t->range = gn__reach_of(&ask->addr);
    t->reach = t->range ? t->range->reach : GN__REACH_OPEN;
    t->what = t->range ? t->range->what : NULL;
    gn__reach_hidden(&ask->addr, &t->hidden);
    look_inside(t);
}

/* Whether the address is the machine's own is asked when it matters, and once:
 * it costs more than the rest. Loopback is known by its range, whatever
 * addresses lo has. */
static void look_for_own(struct target *t)
{
    enum gn__reach reach = t->reach;
    size_t i;

    if (t->asked)
        return;
    t->asked = true;
    if (t->reach < GN__REACH_EXACT && !gn__addr_is_loopback(&t->ask->addr) &&
        is_own(t->ask, &t->ask->addr))
        t->reach = GN__REACH_EXACT;
    for (i = 0; i < t->hidden.n && t->reach < GN__REACH_NEVER; i++) {
        if (is_own(t->ask, &t->hidden.addr[i]))
            t->reach = GN__REACH_NEVER;
    }
    if (t->reach != reach)
        t->what = "the machine's own";
}

static bool port_fits(const struct gn__rule *rule, uint16_t port)
{
    size_t i;

    for (i = 0; i < rule->n_ports; i++) {
        if (port >= rule->ports[i].first && port <= rule->ports[i].last)
            return true;
    }
    return rule->n_ports == 0;
}

bool gn__rule_covers_name(const struct gn__rule *rule, const char *name)
{
    size_t len = strlen(name), tail = strlen(rule->name.text);

    if (!rule->below)
        return strcmp(name, rule->name.text) == 0;
    return len > tail + 1 && name[len - tail - 1] == '.' &&
           strcmp(name + len - tail, rule->name.text) == 0;
}

static const char *find_name(const struct gn__rule *rule,
                             const struct gn__policy_ask *ask)
{
    size_t i;

    for (i = 0; i < ask->n_names; i++) {
        if (gn__rule_covers_name(rule, ask->names[i].text))
            return ask->names[i].text;
    }
    return NULL;
}

/* Does the rule cover the address? @hidden: or one inside it. */
static bool policy_covers(const struct gn__rule *rule, const struct target *t,
                          bool hidden, const char **name)
{
    size_t i;

    switch (rule->target) {
    case GN__TARGET_ANY:
        return true;
    case GN__TARGET_NAME:
        *name = find_name(rule, t->ask);
        return *name != NULL;
    default:
        break;
    }
    if (gn__prefix_contains(&rule->prefix, &t->ask->addr))
        return true;
    for (i = 0; hidden && i < t->hidden.n; i++) {
        if (gn__prefix_contains(&rule->prefix, &t->hidden.addr[i]))
            return true;
    }
    return false;
}

static bool is_about_one(const struct gn__rule *rule)
{
    return rule->target == GN__TARGET_PREFIX &&
           rule->prefix.len == gn__prefix_width(&rule->prefix);
}

/* The rule covers the address. Does it open it? */
static bool policy_opens(const struct gn__rule *rule, const struct target *t)
{
    bool by_prefix = rule->target == GN__TARGET_PREFIX;

    switch (t->reach) {
    case GN__REACH_OPEN:
        return true;
    case GN__REACH_PRIVATE:
        return rule->target != GN__TARGET_NAME || rule->opens_private;
    case GN__REACH_RANGE:
        return by_prefix && rule->prefix.len >= t->range->prefix.len;
    case GN__REACH_EXACT:
        return is_about_one(rule);
    default:
        return false;
    }
}

/* True: it is decided. */
static bool try_rule(const struct gn__rule *rule, struct target *t,
                     struct gn__policy_answer *out)
{
    bool allow = rule->kind == GN__RULE_ALLOW;
    const char *name = NULL;

    if (rule->kind == GN__RULE_LISTEN || !(rule->protos & t->ask->proto) ||
        !port_fits(rule, t->ask->port) ||
        !policy_covers(rule, t, !allow, &name))
        return false;
    if (allow)
        look_for_own(t);
    if (allow && !policy_opens(rule, t)) {
        out->reason = t->what;
        return false;
    }
    out->allowed = allow;
    out->opens_own =
        allow && (is_about_one(rule) || gn__addr_is_loopback(&t->ask->addr));
    out->name = name;
    out->reason = "rule";
    return true;
}

void gn__policy_decide(const struct gn__policy *policy,
                       const struct gn__policy_ask *ask,
                       struct gn__policy_answer *out)
{
    struct target t = {0};
    size_t i;

    *out = (struct gn__policy_answer){.rule = GN__NO_RULE, .reason = "no rule"};
    if (!ask->port && ask->proto != GN__RULE_ICMP)
        return;
    policy_look(&t, ask);
    for (i = 0; i < policy->n; i++) {
        if (try_rule(&policy->rules[i], &t, out)) {
            out->rule = i;
            return;
        }
    }
}

size_t gn__policy_listen(const struct gn__policy *policy, unsigned proto,
                         uint16_t port, size_t from)
{
    size_t i;

    for (i = from; i < policy->n; i++) {
        const struct gn__rule *rule = &policy->rules[i];

        if (rule->kind == GN__RULE_LISTEN && (rule->protos & proto) &&
            port_fits(rule, port))
            return i;
    }
    return GN__NO_RULE;
}

size_t gn__policy_shows_at(const struct gn__policy *policy, unsigned proto,
                           const struct gn__endpoint *at)
{
    size_t i = gn__policy_listen(policy, proto, at->port, 0);

    while (i != GN__NO_RULE &&
           !gn__addr_equal(&policy->rules[i].prefix.addr, &at->addr))
        i = gn__policy_listen(policy, proto, at->port, i + 1);
    return i;
}

bool gn__policy_shows(const struct gn__policy *policy)
{
    size_t i;

    for (i = 0; i < policy->n; i++) {
        if (policy->rules[i].kind == GN__RULE_LISTEN)
            return true;
    }
    return false;
}
