/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Faults on the way to another resolver, for tests of how programs bear them.
 *
 * What happens to a lookup is decided when it begins, under a mutex, from the
 * rules as they are then: counters and random numbers move in the order of the
 * questions, so the same questions with the same seed meet the same faults.
 * Delays are timers of the network that looks up, and so take virtual time
 * where that has one.
 */
#include <guestnet/resolver.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/config.h"
#include "base/rng.h"
#include "base/text.h"
#include "resolver/forward.h"

#define MILLION   1000000u
#define NS_PER_MS 1000000ull
#define RULES_MAX 1024u

struct rule {
    char *pattern;
    struct gn_fault_rule rule; /* pattern and addresses are not its own */
    struct gn_answer *answers;
    size_t n_answers;
    uint64_t seen;   /* lookups that matched */
    uint64_t turned; /* of them, those that got an address */
};

struct faults {
    struct gn__forwarder base; /* first */
    struct gn__mem mem;
    struct gn_resolver *inner;
    pthread_mutex_t lock;
    struct gn__rng rng;
    struct rule *rules;
    size_t n_rules;
};

/** A question under way. */
struct pass {
    struct gn__pass base;         /* first */
    struct gn_resolver *resolver; /* the inner one */
    struct gn__io_timer delay;
    enum gn_fault fault;
    struct gn_answer answer; /* GN_FAULT_ROTATE */
};

/* ---- rules ---- */

static void free_rules(const struct gn__mem *mem, struct rule *rules, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        gn__strfree(mem, rules[i].pattern);
        gn__free(mem, rules[i].answers,
                 rules[i].n_answers * sizeof(*rules[i].answers));
    }
    gn__free(mem, rules, n * sizeof(*rules));
}

static size_t count_addresses(const struct gn_fault_rule *from)
{
    size_t n = 0;

    while (from->addresses && n <= GN__ANSWERS_MAX && from->addresses[n])
        n++;
    return n;
}

/* Where a caller's why goes. */
struct why {
    char *text;
    size_t len;
    size_t rule;
};

static int read_address(const char *text, uint32_t ttl_s, struct gn_answer *out,
                        const struct why *why)
{
    struct gn__endpoint endpoint = {.port = 0};

    if (gn__addr_parse(text, &endpoint.addr))
        return gn__text_refuse(why->text, why->len,
                               "rule %zu: \"%s\" is not an address such as "
                               "10.0.0.1",
                               why->rule,
                               gn__text_quote(text, strlen(text)).text);
    (void)gn__endpoint_to_sockaddr(
        &endpoint, AF_UNSPEC, (struct sockaddr *)&out->addr, sizeof(out->addr));
    out->ttl_s = ttl_s;
    return 0;
}

static int read_addresses(const struct gn__mem *mem,
                          const struct gn_fault_rule *from, struct rule *to,
                          const struct why *why)
{
    size_t i, n = count_addresses(from);
    int err = 0;

    if (!n || n > GN__ANSWERS_MAX)
        return gn__text_refuse(why->text, why->len,
                               "rule %zu: %zu addresses, not 1 to %zu",
                               why->rule, n, GN__ANSWERS_MAX);
    to->answers = gn__zalloc_array(mem, n, sizeof(*to->answers));
    if (!to->answers)
        return -ENOMEM;
    to->n_answers = n;
    for (i = 0; i < n && !err; i++)
        err =
            read_address(from->addresses[i], from->ttl_s, &to->answers[i], why);
    return err;
}

static bool may_match(const char *pattern)
{
    struct gn__addr addr;

    return pattern &&
           (gn__pattern_is_valid(pattern) || !gn__addr_parse(pattern, &addr));
}

static int read_rule(const struct gn__mem *mem,
                     const struct gn_fault_rule *from, struct rule *to,
                     const struct why *why)
{
    const char *pattern = from->pattern ? from->pattern : "";

    if (!may_match(from->pattern))
        return gn__text_refuse(why->text, why->len,
                               "rule %zu: pattern \"%s\" is not \"db.test\", "
                               "\"*.test\" or \"*\"",
                               why->rule,
                               gn__text_quote(pattern, strlen(pattern)).text);
    if ((unsigned)from->fault >= GN_N_FAULTS || from->probability_ppm > MILLION)
        return gn__text_refuse(why->text, why->len,
                               "rule %zu: no such fault, or a probability "
                               "above a million",
                               why->rule);
    to->rule = *from;
    to->pattern = gn__strdup(mem, from->pattern);
    if (!to->pattern)
        return -ENOMEM;
    return from->fault == GN_FAULT_ROTATE ? read_addresses(mem, from, to, why)
                                          : 0;
}

static int read_rules(const struct gn__mem *mem,
                      const struct gn_fault_rule *from, size_t n,
                      struct rule **out, struct why *why)
{
    struct rule *rules;
    int err = 0;

    *out = NULL;
    if (n > RULES_MAX || (n && !from))
        return gn__text_refuse(why->text, why->len, "rules: %u at most",
                               RULES_MAX);
    if (!n)
        return 0;
    rules = gn__zalloc_array(mem, n, sizeof(*rules));
    if (!rules)
        return -ENOMEM;
    for (why->rule = 0; why->rule < n && !err; why->rule++)
        err = read_rule(mem, &from[why->rule], &rules[why->rule], why);
    if (err)
        free_rules(mem, rules, n);
    else
        *out = rules;
    return err;
}

/* ---- what happens to a lookup ---- */

static const char *fault_subject(const struct gn__question *question,
                                 char *text, size_t cap)
{
    struct gn__endpoint endpoint;

    if (question->kind != GN_QUERY_ADDR)
        return question->name;
    if (gn__endpoint_from_sockaddr(question->addr,
                                   sizeof(struct sockaddr_storage), AF_UNSPEC,
                                   &endpoint))
        return "";
    return gn__addr_format(&endpoint.addr, text, cap);
}

/* Is it this one's turn, by count and by chance? */
static bool fault_works(struct faults *faults, struct rule *rule)
{
    uint64_t nth = rule->seen++;

    if (nth < rule->rule.skip)
        return false;
    if (rule->rule.count && nth - rule->rule.skip >= rule->rule.count)
        return false;
    return !rule->rule.probability_ppm ||
           gn__rng_below(&faults->rng, MILLION) < rule->rule.probability_ppm;
}

/* The address whose turn it is, of the version that is asked for. */
static bool fault_turn(struct rule *rule, const struct gn__question *question,
                       struct gn_answer *out)
{
    int family = gn__ip_family(question->proto);
    size_t i;

    for (i = 0; i < rule->n_answers; i++) {
        *out = rule->answers[rule->turned++ % rule->n_answers];
        if (family == AF_UNSPEC || out->addr.ss_family == family)
            return true;
    }
    return false;
}

static void decide_by(struct rule *rule, const struct gn__question *question,
                      struct pass *pass, uint32_t *delay_ms)
{
    pass->fault = rule->rule.fault;
    *delay_ms = rule->rule.delay_ms;
    if (pass->fault != GN_FAULT_ROTATE)
        return;
    if (question->kind != GN_QUERY_IP)
        pass->fault = GN_FAULT_NONE;
    else if (!fault_turn(rule, question, &pass->answer))
        pass->fault = GN_FAULT_EMPTY;
}

static void fault_decide(struct faults *faults,
                         const struct gn__question *question, struct pass *pass,
                         uint32_t *delay_ms)
{
    char text[GN__ADDR_TEXT];
    const char *name = fault_subject(question, text, sizeof(text));
    size_t i = 0;

    *delay_ms = 0;
    pthread_mutex_lock(&faults->lock);
    while (i < faults->n_rules &&
           !gn__hostname_matches(faults->rules[i].pattern, name))
        i++;
    if (i < faults->n_rules && fault_works(faults, &faults->rules[i]))
        decide_by(&faults->rules[i], question, pass, delay_ms);
    pthread_mutex_unlock(&faults->lock);
}

/* ---- a question under way ---- */

static void fault_ended(struct gn_lookup *lookup)
{
    struct gn__pass *pass = gn__pass_of(lookup);

    gn__lookup_pass(pass->outer, lookup);
    gn__pass_free(pass);
}

static void fault_fail(struct pass *pass, int status)
{
    gn__lookup_fail(pass->base.outer, status);
    gn__pass_free(&pass->base);
}

static void fault_act(struct pass *pass)
{
    switch (pass->fault) {
    case GN_FAULT_SERVFAIL:
        fault_fail(pass, GN_EAI_AGAIN);
        break;
    case GN_FAULT_NXDOMAIN:
        fault_fail(pass, GN_EAI_NONAME);
        break;
    case GN_FAULT_EMPTY:
        fault_fail(pass, GN_EAI_NODATA);
        break;
    case GN_FAULT_ROTATE:
        gn_lookup_done_ip(pass->base.outer, 0, &pass->answer, 1,
                          pass->base.outer->question.name);
        gn__pass_free(&pass->base);
        break;
    case GN_FAULT_HANG:
        break;
    default:
        gn__lookup_start(&pass->base.inner, pass->resolver);
        break;
    }
}

static void delay_over(struct gn__io_timer *timer)
{
    fault_act(gn__container_of(timer, struct pass, delay));
}

static int fault_begin(struct gn__forwarder *forwarder, struct gn_lookup *outer)
{
    struct gn__io *io = gn__lookup_io(outer);
    struct faults *faults = (struct faults *)forwarder;
    struct pass *pass =
        (struct pass *)gn__pass_create(outer, sizeof(*pass), fault_ended);
    uint32_t delay_ms;

    if (!pass)
        return -ENOMEM;
    pass->resolver = faults->inner;
    pass->delay.fire = delay_over;
    fault_decide(faults, &outer->question, pass, &delay_ms);
    if (delay_ms)
        gn__io_start(io, &pass->delay, gn__io_now(io) + delay_ms * NS_PER_MS);
    else
        fault_act(pass);
    return 0;
}

static void fault_cancel(void *self, struct gn_lookup *lookup)
{
    struct pass *pass = gn_lookup_user(lookup);

    (void)self;
    if (pass->delay.started)
        gn__io_stop(gn__lookup_io(lookup), &pass->delay);
    gn__pass_cancel(&pass->base);
}

static void fault_close(void *self)
{
    struct faults *faults = self;
    struct gn__mem mem = faults->mem;

    free_rules(&mem, faults->rules, faults->n_rules);
    pthread_mutex_destroy(&faults->lock);
    gn__free(&mem, faults, sizeof(*faults));
}

static const struct gn_resolver_ops fault_ops = {
    .size = sizeof(fault_ops),
    .name = "fault",
    .lookup_ip = gn__forward_ip,
    .lookup_port = gn__forward_port,
    .lookup_addr = gn__forward_addr,
    .query = gn__forward_query,
    .cancel = fault_cancel,
    .close = fault_close,
};

/* ---- the public calls ---- */

int gn_resolver_fault(const struct gn_resolver_fault_config *config,
                      struct gn_resolver **out)
{
    uint64_t key[2] = {1, 0x6661756c7473};
    struct faults *faults;
    struct gn__mem mem;
    struct why why;
    int err;

    if (!config || !out ||
        !gn__config_is_known(config, config->size, sizeof(*config)) ||
        !config->inner)
        return -EINVAL;
    gn__mem_init(&mem, config->alloc);
    faults = gn__zalloc(&mem, sizeof(*faults));
    if (!faults)
        return -ENOMEM;
    faults->base.begin = fault_begin;
    faults->mem = mem;
    faults->inner = config->inner;
    key[0] = config->seed ? config->seed : key[0];
    gn__rng_init(&faults->rng, key, "fault", 5);
    pthread_mutex_init(&faults->lock, NULL);
    why = (struct why){.text = config->why, .len = config->why_len};
    err =
        read_rules(&mem, config->rules, config->n_rules, &faults->rules, &why);
    if (!err) {
        faults->n_rules = config->n_rules;
        err = gn__resolver_create(&mem, &fault_ops, faults, out);
    }
    if (err)
        fault_close(faults);
    return err;
}

int gn_resolver_fault_set(struct gn_resolver *resolver,
                          const struct gn_fault_rule *rules, size_t n_rules)
{
    struct why why = {.text = NULL};
    struct rule *made, *old;
    struct faults *faults;
    size_t n_old;
    int err;

    if (!resolver || resolver->ops != &fault_ops)
        return -EINVAL;
    faults = resolver->self;
    err = read_rules(&faults->mem, rules, n_rules, &made, &why);
    if (err)
        return err;
    pthread_mutex_lock(&faults->lock);
    old = faults->rules;
    n_old = faults->n_rules;
    faults->rules = made;
    faults->n_rules = n_rules;
    pthread_mutex_unlock(&faults->lock);
    free_rules(&faults->mem, old, n_old);
    return 0;
}
