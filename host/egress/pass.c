/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/egress/pass.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include <guestnet/addr.h>

#include "host/egress/egress.h"

/** What rules say of a pass. */
struct verdict {
    struct gn__policy_answer answer;
    int error; /* why the kernel could not say what is the machine's; or 0 */
};

/* A connection that hears nothing waits until the guest has enough. */
int gn__denied(const struct gn__system *system, int type)
{
    switch (system->denial) {
    case GN_DENIAL_REFUSED:
        return -ECONNREFUSED;
    case GN_DENIAL_SILENT:
        return type == SOCK_STREAM ? 0 : -ETIMEDOUT;
    default:
        return -EACCES;
    }
}

/* ---- asking the rules ---- */

/* How the routing table is asked, and why it could not say; or 0. */
struct own_ask {
    struct gn__route_ask route;
    int error;
};

/* An address that is not known counts as the machine's own. */
static bool is_own(const struct gn__addr *addr, void *arg)
{
    struct own_ask *ask = arg;
    int has;

    ask->route.to.addr = *addr;
    has = gn__machine_has(&ask->route);
    if (has < 0)
        ask->error = has;
    return has != 0;
}

/* Why a rule that allows does not allow what it has become meanwhile; NULL: it
 * does. */
static const char *pass_unfit(const struct gn__pass *pass,
                              const struct gn__rule *rule)
{
    if (!pass->rules || !rule->tls)
        return NULL;
    if (!pass->server.text[0])
        return "the rule is for TLS";
    return rule->target == GN__TARGET_NAME &&
                   !gn__rule_covers_name(rule, pass->server.text)
               ? "the rule is not for this server name"
               : NULL;
}

static unsigned rule_proto(int type)
{
    switch (type) {
    case SOCK_STREAM:
        return GN__RULE_TCP;
    case SOCK_DGRAM:
        return GN__RULE_UDP;
    default:
        return GN__RULE_ICMP;
    }
}

int gn__pass_protocol(const struct gn__pass *pass)
{
    switch (pass->type) {
    case SOCK_STREAM:
        return IPPROTO_TCP;
    case SOCK_DGRAM:
        return IPPROTO_UDP;
    default:
        return gn__addr_is_v4(&pass->address.addr) ? IPPROTO_ICMP
                                                   : IPPROTO_ICMPV6;
    }
}

const char *gn__type_name(int type)
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

static void ask_outward(const struct gn__pass *pass,
                        const struct gn__policy *policy, struct verdict *out)
{
    struct own_ask own = {.route.protocol = gn__pass_protocol(pass),
                          .route.to = pass->address};
    struct gn__policy_ask ask = {.proto = rule_proto(pass->type),
                                 .addr = pass->address.addr,
                                 .port = pass->address.port,
                                 .names = pass->names,
                                 .n_names = pass->n_names,
                                 .is_own = is_own,
                                 .arg = &own};
    const char *why = NULL;

    gn__policy_decide(policy, &ask, &out->answer);
    if (out->answer.allowed)
        why = pass_unfit(pass, &policy->rules[out->answer.rule]);
    if (why) {
        out->answer.allowed = false;
        out->answer.reason = why;
    }
    out->error = out->answer.allowed ? 0 : own.error;
}

static void ask_inward(const struct gn__pass *pass,
                       const struct gn__policy *policy, struct verdict *out)
{
    size_t rule =
        gn__policy_shows_at(policy, rule_proto(pass->type), &pass->address);
    bool shown = rule != GN__NO_RULE;

    out->error = 0;
    out->answer = (struct gn__policy_answer){
        .allowed = shown, .rule = rule, .reason = shown ? "rule" : "no rule"};
}

/* By the rules that hold now, of which it gets a reference. */
static struct gn__rules *pass_ask(const struct gn__pass *pass,
                                  struct verdict *out)
{
    struct gn__rules *rules = gn__rulebook_rules(&pass->system->book);

    if (pass->inbound)
        ask_inward(pass, &rules->policy, out);
    else
        ask_outward(pass, &rules->policy, out);
    return rules;
}

static void pass_audit(const struct gn__pass *pass,
                       const struct gn__rules *rules,
                       const struct verdict *verdict, bool ended)
{
    const char *name = verdict->answer.name;
    struct sockaddr_storage address;
    struct gn_audit audit = {
        .type = pass->type,
        .inbound = pass->inbound,
        .address = (struct sockaddr *)&address,
        .name = name || !pass->n_names ? name : pass->names[0].text,
        .allowed = verdict->answer.allowed,
        .reason = verdict->answer.reason,
        .error = verdict->error,
        .ended = ended};

    gn__endpoint_to_sockaddr(&pass->address, AF_UNSPEC,
                             (struct sockaddr *)&address, sizeof(address));
    gn__system_audit(pass->system, pass->guest, rules, verdict->answer.rule,
                     &audit);
}

/* Consumes the rules. */
static void pass_allow(struct gn__pass *pass, struct gn__rules *rules,
                       const struct gn__policy_answer *answer)
{
    gn__rules_unref(pass->rules);
    pass->rules = rules;
    pass->rule = answer->rule;
    pass->opens_own = answer->opens_own;
}

/* ---- rules that have changed ---- */

static void log_end(const struct gn__pass *pass)
{
    struct sockaddr_storage address;
    char at[GN_ADDR_TEXT_MAX] = "";

    gn__endpoint_to_sockaddr(&pass->address, AF_UNSPEC,
                             (struct sockaddr *)&address, sizeof(address));
    if (gn_addr_format((struct sockaddr *)&address, at, sizeof(at)))
        return; /* Cannot be: it fits. */
    gn__guest_log(pass->guest, GN_LOG_INFO, GN__LOG_ENDED, "%s %s %s ends: %s",
                  pass->inbound ? "a client of its port at"
                                : "what it has with",
                  gn__type_name(pass->type), at, "the rules have changed");
}

static void pass_deny(struct gn__pass *pass, const struct verdict *verdict)
{
    int error = gn__denied(pass->system, pass->type);

    if (verdict->error)
        error = verdict->error; /* It may be allowed another time. */
    if (pass->open)
        log_end(pass);
    if (pass->cut)
        pass->cut(pass->owner, error);
    else
        pass->denied = true;
}

static void pass_judge(struct gn__tie *tie, bool end_open)
{
    struct gn__pass *pass = gn__container_of(tie, struct gn__pass, tie);
    struct verdict verdict;
    struct gn__rules *rules;

    if ((pass->open && !end_open) ||
        gn__account_has_ended(pass->guest->account))
        return;
    rules = pass_ask(pass, &verdict);
    if (verdict.answer.allowed) {
        pass_allow(pass, rules, &verdict.answer);
        return;
    }
    pass_audit(pass, rules, &verdict, true);
    gn__rules_unref(rules);
    pass_deny(pass, &verdict);
}

/* ---- its life ---- */

static struct gn__pass *pass_make(struct gn__system *system,
                                  struct gn__guest *guest, size_t n_names)
{
    const struct gn__mem *mem = &guest->engine->net.mem;
    struct gn__pass *pass =
        gn__zalloc(mem, sizeof(*pass) + n_names * sizeof(pass->names[0]));

    if (!pass)
        return NULL;
    pass->system = system;
    pass->egress = system->egress;
    gn__egress_ref(pass->egress);
    pass->guest = guest;
    gn__guest_ref(guest);
    pass->mem = mem;
    pass->n_names = n_names;
    pass->tie.judge = pass_judge;
    return pass;
}

void gn__pass_end(struct gn__pass *pass)
{
    struct gn__egress *egress;
    struct gn__guest *guest;

    if (!pass)
        return;
    egress = pass->egress;
    guest = pass->guest;
    gn__tie_end(&pass->tie);
    gn__rules_unref(pass->rules);
    gn__free(pass->mem, pass,
             sizeof(*pass) + pass->n_names * sizeof(pass->names[0]));
    gn__egress_unref(egress);
    gn__guest_unref(guest);
}

static int pass_begin(struct gn__pass *pass)
{
    return gn__tie_begin(&pass->tie, &pass->system->book, pass->guest->engine,
                         pass->rules->edition);
}

static size_t count_names(const struct gn_egress_dial *request)
{
    size_t n = 0;

    while (n < GN__NAMES_PER_ADDR && gn_egress_dial_name(request, n))
        n++;
    return n;
}

static int outward_make(struct gn__system *system,
                        const struct gn_egress_dial *request, int type,
                        const struct sockaddr *address, struct gn__pass **out)
{
    struct gn__pass *pass;
    size_t i;

    pass = pass_make(system, gn__egress_guest(request), count_names(request));
    if (!pass)
        return -ENOMEM;
    pass->type = type;
    for (i = 0; i < pass->n_names; i++)
        (void)snprintf(pass->names[i].text, sizeof(pass->names[i].text), "%s",
                       gn_egress_dial_name(request, i));
    if (gn__endpoint_from_sockaddr(address, sizeof(struct sockaddr_in6),
                                   AF_UNSPEC, &pass->address)) {
        gn__pass_end(pass);
        return -EACCES;
    }
    *out = pass;
    return 0;
}

int gn__pass_dial(struct gn__system *system,
                  const struct gn_egress_dial *request, int type,
                  const struct sockaddr *address, struct gn__pass **out)
{
    struct gn__pass *pass = NULL;
    struct gn__rules *rules;
    struct verdict verdict;
    int err = outward_make(system, request, type, address, &pass);

    if (err)
        return err;
    rules = pass_ask(pass, &verdict);
    pass_audit(pass, rules, &verdict, false);
    if (verdict.answer.allowed) {
        pass_allow(pass, rules, &verdict.answer);
        err = pass_begin(pass);
    } else {
        gn__rules_unref(rules);
        err = verdict.error ? verdict.error : gn__denied(system, type);
    }
    if (err || !verdict.answer.allowed)
        gn__pass_end(pass);
    else
        *out = pass;
    return err;
}

int gn__pass_client(struct gn__system *system, struct gn__guest *guest,
                    const struct gn__endpoint *at, struct gn__pass **out)
{
    struct gn__pass *pass = pass_make(system, guest, 0);
    struct gn__rules *rules;
    struct verdict verdict;
    int err;

    if (!pass)
        return -ENOMEM;
    pass->type = SOCK_STREAM;
    pass->inbound = true;
    pass->address = *at;
    rules = pass_ask(pass, &verdict);
    pass_allow(pass, rules, &verdict.answer);
    err = verdict.answer.allowed ? pass_begin(pass) : -EACCES;
    if (err)
        gn__pass_end(pass);
    else
        *out = pass;
    return err;
}

void gn__pass_set_cut(struct gn__pass *pass, gn__pass_cut cut, void *owner)
{
    pass->cut = cut;
    pass->owner = owner;
}

void gn__pass_refresh(struct gn__pass *pass)
{
    struct gn__rules *rules = gn__rulebook_rules(&pass->system->book);
    bool changed = rules->edition != pass->rules->edition;

    gn__rules_unref(rules);
    if (changed && !pass->denied)
        pass_judge(&pass->tie, false);
}

void gn__pass_open(struct gn__pass *pass, gn__pass_cut cut, void *owner)
{
    pass->open = true;
    gn__pass_set_cut(pass, cut, owner);
}
