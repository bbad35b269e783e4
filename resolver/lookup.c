/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Exactly once: the thread that answers first takes the lookup from ASKED to
 * ANSWERING, and later answers find it taken. The result is copied where the
 * answer is given; the rest happens on the driving thread, on a turn of its own
 * or after the operation that asked.
 *
 * A thread that does not drive leaves the lookup on the home's list of posted
 * ones and writes ANSWERED as the last thing. The driving thread waits for that
 * word before it touches the lookup, which takes no longer than the few
 * instructions and the wake-up in between; so a lookup can be cancelled and
 * freed while another thread is still about to answer it.
 */
#include "resolver/resolver.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* The longest name getnameinfo(3) knows; PTR records may hold any bytes. */
#define PTR_MAX (NI_MAXHOST - 1u)

void gn__lookup_init(struct gn_lookup *lookup, struct gn__lookup_home *home,
                     const struct gn__question *question)
{
    memset(lookup, 0, sizeof(*lookup));
    lookup->home = home;
    lookup->question = *question;
    atomic_init(&lookup->state, GN__LOOKUP_IDLE);
}

/* ---- answering ---- */

static bool lookup_take(struct gn_lookup *lookup)
{
    int asked = GN__LOOKUP_ASKED;

    return lookup && atomic_compare_exchange_strong(&lookup->state, &asked,
                                                    GN__LOOKUP_ANSWERING);
}

static void lookup_post(struct gn_lookup *lookup)
{
    struct gn__lookup_home *home = lookup->home;
    struct gn_lookup *first = atomic_load(&home->posted);

    do
        lookup->next_posted = first;
    while (!atomic_compare_exchange_weak(&home->posted, &first, lookup));
    home->post(home);
}

static void run_ended(struct gn__deferred *task)
{
    struct gn_lookup *lookup = gn__container_of(task, struct gn_lookup, task);

    lookup->ended(lookup);
}

static void end_later(struct gn_lookup *lookup)
{
    lookup->resolver = NULL;
    lookup->task.run = run_ended;
    lookup->task.account = lookup->home->account;
    gn__io_defer(lookup->home->io, &lookup->task);
}

/* The result is written. */
static void lookup_answered(struct gn_lookup *lookup, int status)
{
    lookup->result.status = status > 0 ? GN_EAI_FAIL : status;
    if (!lookup->home->is_driving(lookup->home)) {
        lookup_post(lookup);
        atomic_store(&lookup->state, GN__LOOKUP_ANSWERED);
        return;
    }
    atomic_store(&lookup->state, GN__LOOKUP_ANSWERED);
    if (lookup->starting)
        lookup->at_once = true;
    else
        end_later(lookup);
}

/* An answer of the kind that was asked for, or the failure that it is not. */
static bool lookup_begin(struct gn_lookup *lookup, enum gn_query_kind kind,
                         int status)
{
    if (!lookup_take(lookup))
        return false;
    if (status == 0 && lookup->question.kind != kind)
        status = GN_EAI_FAIL;
    if (status == 0)
        return true;
    lookup_answered(lookup, status);
    return false;
}

static bool is_wanted(const struct gn_lookup *lookup,
                      const struct gn_answer *answer)
{
    int family = gn__ip_family(lookup->question.proto);
    const struct sockaddr_in6 *sin6 = (const void *)&answer->addr;

    if (family != AF_UNSPEC && answer->addr.ss_family != family)
        return false;
    return answer->addr.ss_family == AF_INET ||
           (answer->addr.ss_family == AF_INET6 &&
            !IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr));
}

static size_t count_wanted(const struct gn_lookup *lookup,
                           const struct gn_answer *answers, size_t n)
{
    size_t i, wanted = 0;

    for (i = 0; i < n && wanted < GN__ANSWERS_MAX; i++)
        wanted += is_wanted(lookup, &answers[i]);
    return wanted;
}

/* The address alone: nothing else that a sockaddr may hold is passed on. */
static void copy_answer(struct gn_answer *to, const struct gn_answer *from)
{
    to->ttl_s = from->ttl_s;
    to->addr.ss_family = from->addr.ss_family;
    if (from->addr.ss_family == AF_INET) {
        ((struct sockaddr_in *)&to->addr)->sin_addr =
            ((const struct sockaddr_in *)&from->addr)->sin_addr;
    } else {
        const struct sockaddr_in6 *in = (const void *)&from->addr;
        struct sockaddr_in6 *out = (void *)&to->addr;

        out->sin6_addr = in->sin6_addr;
        out->sin6_scope_id = in->sin6_scope_id;
    }
}

static int copy_ip(struct gn_lookup *lookup, const struct gn_answer *answers,
                   size_t n, const char *canonical)
{
    struct gn__result *result = &lookup->result;
    const struct gn__mem *mem = lookup->home->mem;
    size_t i, wanted = count_wanted(lookup, answers, n);

    if (!wanted)
        return GN_EAI_NODATA;
    if (canonical && gn__hostname_is_valid(canonical)) {
        result->name = gn__strdup(mem, canonical);
        if (!result->name)
            return -ENOMEM;
    }
    result->answers = gn__zalloc_array(mem, wanted, sizeof(*answers));
    if (!result->answers)
        return -ENOMEM;
    result->n_alloc = wanted;
    for (i = 0; result->n < wanted; i++) {
        if (is_wanted(lookup, &answers[i]))
            copy_answer(&result->answers[result->n++], &answers[i]);
    }
    return 0;
}

void gn_lookup_done_ip(struct gn_lookup *lookup, int status,
                       const struct gn_answer *answers, size_t n,
                       const char *canonical_name)
{
    if (lookup_begin(lookup, GN_QUERY_IP, status))
        lookup_answered(lookup, copy_ip(lookup, answers, n, canonical_name));
}

void gn_lookup_done_port(struct gn_lookup *lookup, int status, uint16_t port)
{
    if (!lookup_begin(lookup, GN_QUERY_PORT, status))
        return;
    lookup->result.port = port;
    lookup_answered(lookup, 0);
}

void gn_lookup_done_addr(struct gn_lookup *lookup, int status, const char *name,
                         uint32_t ttl_s)
{
    struct gn__result *result;

    if (!lookup_begin(lookup, GN_QUERY_ADDR, status))
        return;
    result = &lookup->result;
    if (!name || !*name || strnlen(name, PTR_MAX + 1) > PTR_MAX) {
        lookup_answered(lookup, GN_EAI_FAIL);
        return;
    }
    result->name = gn__strdup(lookup->home->mem, name);
    result->ttl_s = ttl_s;
    lookup_answered(lookup, result->name ? 0 : -ENOMEM);
}

void gn_lookup_done_query(struct gn_lookup *lookup, int status,
                          const void *message, size_t len)
{
    struct gn__result *result;

    if (!lookup_begin(lookup, GN_QUERY_RECORD, status))
        return;
    result = &lookup->result;
    if (!message || !len || len > GN__MESSAGE_MAX) {
        lookup_answered(lookup, GN_EAI_FAIL);
        return;
    }
    result->message = gn__alloc(lookup->home->mem, len);
    if (result->message) {
        memcpy(result->message, message, len);
        result->len = len;
    }
    lookup_answered(lookup, result->message ? 0 : -ENOMEM);
}

void gn__lookup_fail(struct gn_lookup *lookup, int status)
{
    if (lookup_take(lookup))
        lookup_answered(lookup, status);
}

void gn__lookup_pass(struct gn_lookup *to, const struct gn_lookup *from)
{
    const struct gn__result *result = &from->result;

    switch (from->question.kind) {
    case GN_QUERY_IP:
        gn_lookup_set_searched(to, from->searched);
        gn_lookup_done_ip(to, result->status, result->answers, result->n,
                          result->name);
        break;
    case GN_QUERY_PORT:
        gn_lookup_done_port(to, result->status, result->port);
        break;
    case GN_QUERY_ADDR:
        gn_lookup_done_addr(to, result->status, result->name, result->ttl_s);
        break;
    default:
        gn_lookup_done_query(to, result->status, result->message, result->len);
        break;
    }
}

/* ---- asking ---- */

static int lookup_ask(struct gn_lookup *lookup, struct gn_resolver *resolver)
{
    const struct gn_resolver_ops *ops = resolver->ops;
    const struct gn__question *q = &lookup->question;

    switch (q->kind) {
    case GN_QUERY_IP:
        return ops->lookup_ip(resolver->self, lookup, q->proto, q->name);
    case GN_QUERY_PORT:
        return ops->lookup_port
                   ? ops->lookup_port(resolver->self, lookup, q->proto, q->name)
                   : GN_EAI_SERVICE;
    case GN_QUERY_ADDR:
        return ops->lookup_addr
                   ? ops->lookup_addr(resolver->self, lookup, q->addr)
                   : GN_EAI_NONAME;
    default:
        return ops->query ? ops->query(resolver->self, lookup, q->name, q->type)
                          : GN_EAI_NODATA;
    }
}

void gn__lookup_start(struct gn_lookup *lookup, struct gn_resolver *resolver)
{
    int err;

    lookup->resolver = resolver;
    lookup->user = NULL;
    lookup->searched[0] = '\0';
    lookup->at_once = false;
    lookup->starting = true;
    atomic_store(&lookup->state, GN__LOOKUP_ASKED);
    err = lookup_ask(lookup, resolver);
    if (err)
        gn__lookup_fail(lookup, err);
    lookup->starting = false;
    if (!lookup->at_once)
        return;
    lookup->resolver = NULL;
    lookup->ended(lookup);
}

/* ---- the end ---- */

/* Until the thread that answers has left: a few instructions and a wake-up. */
static void wait_answered(const struct gn_lookup *lookup)
{
    while (atomic_load(&lookup->state) == GN__LOOKUP_ANSWERING)
        (void)sched_yield();
}

void gn__lookup_arrived(struct gn__lookup_home *home)
{
    struct gn_lookup *lookup = atomic_exchange(&home->posted, NULL);
    struct gn_lookup *next;

    for (; lookup; lookup = next) {
        wait_answered(lookup);
        next = lookup->next_posted;
        end_later(lookup);
    }
}

void gn__result_done(struct gn__result *result, const struct gn__mem *mem)
{
    gn__free(mem, result->answers, result->n_alloc * sizeof(*result->answers));
    gn__strfree(mem, result->name);
    gn__free(mem, result->message, result->len);
    memset(result, 0, sizeof(*result));
}

void gn__lookup_done(struct gn_lookup *lookup)
{
    gn__result_done(&lookup->result, lookup->home->mem);
    atomic_store(&lookup->state, GN__LOOKUP_IDLE);
}

void gn__lookup_cancel(struct gn_lookup *lookup)
{
    struct gn_resolver *resolver = lookup->resolver;

    lookup->resolver = NULL;
    if (resolver && atomic_load(&lookup->state) == GN__LOOKUP_ASKED)
        resolver->ops->cancel(resolver->self, lookup);
    wait_answered(lookup);
    gn__lookup_arrived(lookup->home);
    gn__io_cancel(lookup->home->io, &lookup->task);
    lookup->at_once = false;
    gn__lookup_done(lookup);
}

/* ---- what resolvers ask ---- */

void gn_lookup_set_user(struct gn_lookup *lookup, void *user)
{
    if (lookup)
        lookup->user = user;
}

void *gn_lookup_user(const struct gn_lookup *lookup)
{
    return lookup ? lookup->user : NULL;
}

struct gn_namespace *gn_lookup_namespace(const struct gn_lookup *lookup)
{
    return lookup ? lookup->home->ns : NULL;
}

bool gn_lookup_is_absolute(const struct gn_lookup *lookup)
{
    return lookup && lookup->question.is_absolute;
}

void gn_lookup_set_searched(struct gn_lookup *lookup, const char *name)
{
    if (!lookup)
        return;
    lookup->searched[0] = '\0';
    if (name && lookup->question.name && gn__hostname_is_valid(name) &&
        !gn__hostname_matches(name, lookup->question.name))
        gn__hostname_copy(name, lookup->searched);
}
