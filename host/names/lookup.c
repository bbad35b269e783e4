/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A lookup from its call to its callback.
 *
 *     made --(deferred)--> asked --(answered, time out)--> over --> callback
 *       |                    |
 *       +--------------------+--(cancelled: deferred)--> over --> callback
 *
 * gn_lookup() only counts it and queues a deferred task, so it is for any
 * thread; all the rest is the driving thread's. Most questions are answered
 * inside the resolver's operation, and then the callback runs from the same
 * deferred task.
 *
 * Three things can end one early: gn_lookup_cancel(), its namespace's end (the
 * wait that it has in the namespace), and its network's close (the end that it
 * has in the network's io). The first two, which come with the lock held or
 * from anywhere, write `cancelled` and queue the deferred task; the third calls
 * back at once.
 *
 * Whatever a lookup needs of its namespace's memory is kept by a reference; the
 * network is not touched any more once it has been cancelled.
 *
 * It is counted: it has itself until it has called back, and so has the caller
 * that asked for a handle. A lookup that is over stays so (`over`), and
 * cancelling it does nothing.
 */
#include "host/names/lookup.h"

#include <errno.h>
#include <string.h>

#include "base/ref.h"
#include "host/driver/drive.h"

struct request {
    struct gn_lookup core; /* what users see of it */
    struct gn__lookup_home home;
    struct gn__lookup_context context;
    struct gn__wait wait;
    struct gn__deferred deferred;
    struct gn__io_timer timeout;
    struct gn__io_end end;
    struct gn_resolver *resolver; /* that it is put to */
    struct gn__lookup_user user;
    struct gn__ref refs;
    bool *gone;     /* to be set when it is freed, or NULL */
    bool cancelled; /* under the lock */
    bool over;      /* the same: it calls back, or has */
    bool joined;    /* it has its end, and holds the io */
    bool started;   /* the resolver has been asked */
    char proto[4];
    char name[GN__HOSTNAME_MAX + 1];
    struct sockaddr_storage addr;
};

static struct request *of_core(struct gn_lookup *lookup)
{
    return gn__container_of(lookup, struct request, core);
}

static struct request *of_home(struct gn__lookup_home *home)
{
    return gn__container_of(home, struct request, home);
}

/* ---- from other threads, or under the lock ---- */

static void cancel_locked(struct request *request)
{
    if (request->over)
        return;
    request->cancelled = true;
    gn__deferred_queue(request->context.engine, &request->deferred);
}

static void namespace_ends(struct gn__wait *wait)
{
    cancel_locked(gn__container_of(wait, struct request, wait));
}

void gn_lookup_cancel(struct gn_lookup *lookup)
{
    struct gn__engine *engine;

    if (!lookup)
        return;
    engine = of_core(lookup)->context.engine;
    gn__engine_enter(engine);
    cancel_locked(of_core(lookup));
    gn__engine_leave(engine);
}

void gn_lookup_unref(struct gn_lookup *lookup)
{
    struct request *request;
    struct gn_namespace *ns;

    if (!lookup)
        return;
    request = of_core(lookup);
    if (!gn__ref_give(&request->refs))
        return;
    ns = request->context.ns;
    gn__free(request->context.mem, request, sizeof(*request));
    gn__ns_unref(ns);
}

static void lookup_post(struct gn__lookup_home *home)
{
    struct request *request = of_home(home);
    struct gn__engine *engine = request->context.engine;

    gn__engine_enter(engine);
    gn__deferred_queue(engine, &request->deferred);
    gn__engine_leave(engine);
}

static bool is_driving(struct gn__lookup_home *home)
{
    return gn__engine_is_driving(of_home(home)->context.engine);
}

/* ---- joining the network's io, and leaving it ---- */

static void leave_io(struct request *request)
{
    if (!request->joined)
        return;
    gn__io_stop(request->home.io, &request->timeout);
    gn__io_forget_end(&request->end);
    gn__io_release(request->home.io);
    request->joined = false;
}

/* No answer is taken any more. Without the io none could come. */
static void request_stop(struct request *request)
{
    if (request->joined && request->started)
        gn__lookup_cancel(&request->core);
    leave_io(request);
}

static void network_ends(struct gn__io_end *end);

static int lookup_join(struct request *request)
{
    struct gn_network *net = request->context.net;
    struct gn__io *io = gn__network_io(net);

    if (!io)
        return gn__network_is_closing(net) ? -ECANCELED : -ENOMEM;
    request->home.io = io;
    request->end.run = network_ends;
    gn__io_at_end(io, &request->end);
    gn__io_hold(io);
    request->joined = true;
    return 0;
}

/* ---- what is done with an answer ---- */

static void sort_answers(struct gn_namespace *ns, struct gn__result *result)
{
    struct gn__source sources[GN__ANSWERS_MAX];

    if (result->n < 2)
        return;
    gn__ns_sources(ns, result->answers, sources, result->n);
    gn__answers_sort(result->answers, sources, result->n);
}

/* Rules about the outside may be about names: the name that was asked for last
 * counts. -ENOMEM: the guest would be refused where it may go, so it is not
 * told, and may ask again. */
static int lookup_learn(struct request *request,
                        const struct gn__result *result)
{
    const char *searched = request->core.searched;
    const char *name = *searched ? searched : request->name;
    struct gn__endpoint endpoint;
    int err = 0;
    size_t i;

    for (i = 0; i < result->n && err != -ENOMEM; i++) {
        const struct gn_answer *answer = &result->answers[i];

        if (!gn__endpoint_from_sockaddr((const struct sockaddr *)&answer->addr,
                                        sizeof(answer->addr), AF_UNSPEC,
                                        &endpoint))
            err = gn__names_learn(gn__ns_guest(request->context.ns),
                                  &endpoint.addr, name, answer->ttl_s);
    }
    return err == -ENOMEM ? err : 0;
}

/* A name that a resolver does not know may still be one of the usual
 * services. */
static void look_for_service(struct request *request, struct gn__result *result)
{
    if (result->status != GN_EAI_SERVICE && result->status != GN_EAI_NONAME)
        return;
    result->port = gn__service_port(request->proto, request->name);
    result->status = result->port ? 0 : GN_EAI_SERVICE;
}

static const char *asked_name(const struct request *request, char *text,
                              size_t cap)
{
    struct gn__endpoint endpoint;

    if (request->core.question.kind != GN_QUERY_ADDR ||
        gn__endpoint_from_sockaddr((const struct sockaddr *)&request->addr,
                                   sizeof(request->addr), AF_UNSPEC, &endpoint))
        return request->name;
    return gn__addr_format(&endpoint.addr, text, cap);
}

static void log_query(struct request *request, const struct gn__result *result)
{
    char text[GN__ADDR_TEXT];
    struct gn_query query = {
        .ns = request->context.ns,
        .kind = request->core.question.kind,
        .proto = request->proto,
        .name = asked_name(request, text, sizeof(text)),
        .type = request->core.question.type,
        .status = result->status,
        .answers = result->answers,
        .n_answers = result->n,
        .answer = result->name,
        .port = result->port,
        .asked_ns = request->context.now,
        .ended_ns = gn_now_ns(request->context.ns),
    };

    request->context.log(&query, request->context.log_arg);
}

/* ---- the end ---- */

/* From here on it cannot be found any more; true if it was cancelled. */
static bool request_claim(struct request *request)
{
    struct gn__engine *engine = request->context.engine;
    bool cancelled;

    gn__engine_enter(engine);
    cancelled = request->cancelled;
    request->over = true;
    gn__ns_lookup_end(request->context.ns, &request->wait);
    gn__deferred_cancel(engine, &request->deferred);
    gn__engine_leave(engine);
    return cancelled;
}

/* Nothing is under way; @status: 0, or why there is no answer. */
static void lookup_finish(struct request *request, int status)
{
    struct gn__result *result = &request->core.result;
    enum gn_query_kind kind = request->core.question.kind;

    if (request_claim(request))
        status = -ECANCELED;
    if (status)
        result->status = status;
    else if (kind == GN_QUERY_PORT)
        look_for_service(request, result);
    else if (kind == GN_QUERY_IP && !result->status)
        sort_answers(request->context.ns, result);
    if (request->resolver != &gn__resolver_local && request->started) {
        if (!result->status)
            result->status = lookup_learn(request, result);
        if (request->context.log)
            log_query(request, result);
    }
    if (request->gone)
        *request->gone = true;
    request->user.done(&request->core, result, &request->user);
    gn__lookup_done(&request->core);
    gn_lookup_unref(&request->core);
}

static void end_early(struct request *request, int status)
{
    request_stop(request);
    lookup_finish(request, status);
}

/* While its io and its log are still there, and before the network is gone. */
static void network_ends(struct gn__io_end *end)
{
    end_early(gn__container_of(end, struct request, end), -ECANCELED);
}

static void lookup_ended(struct gn_lookup *lookup)
{
    struct request *request = of_core(lookup);

    leave_io(request);
    lookup_finish(request, 0);
}

static void timed_out(struct gn__io_timer *timer)
{
    end_early(gn__container_of(timer, struct request, timeout), -ETIMEDOUT);
}

/* ---- the beginning ---- */

/* The time of a lookup: the question's, if it is shorter than the guest's. */
static uint64_t timeout_of(const struct request *request)
{
    uint64_t own = request->core.question.timeout_ns;
    uint64_t limit = request->context.timeout_ns;

    return own && own < limit ? own : limit;
}

static void lookup_ask(struct request *request)
{
    uint64_t until;
    bool gone = false;
    int err = request->joined ? 0 : lookup_join(request);

    if (err) {
        end_early(request, err);
        return;
    }
    request->started = true;
    /* Reset below, unless the request is gone. */
    /* cppcheck-suppress autoVariables */
    request->gone = &gone;
    gn__lookup_start(&request->core, request->resolver);
    if (gone)
        return;
    request->gone = NULL;
    until = gn__io_now(request->home.io) + timeout_of(request);
    gn__io_start(request->home.io, &request->timeout, until);
}

static void lookup_run(struct gn__deferred *deferred)
{
    struct request *request =
        gn__container_of(deferred, struct request, deferred);
    bool cancelled;

    gn__engine_enter(request->context.engine);
    cancelled = request->cancelled;
    gn__engine_leave(request->context.engine);
    if (cancelled)
        end_early(request, -ECANCELED);
    else if (request->started)
        gn__lookup_arrived(&request->home);
    else
        lookup_ask(request);
}

/* The question in the request's own words. */
static void copy_question(struct request *request,
                          const struct gn__question *question)
{
    struct gn__question own = *question;

    if (question->proto) {
        memcpy(request->proto, question->proto,
               strnlen(question->proto, sizeof(request->proto) - 1));
        own.proto = request->proto;
    }
    if (question->name) {
        memcpy(request->name, question->name,
               strnlen(question->name, sizeof(request->name) - 1));
        own.name = request->name;
    }
    if (question->addr) {
        memcpy(&request->addr, question->addr,
               question->addr->sa_family == AF_INET
                   ? sizeof(struct sockaddr_in)
                   : sizeof(struct sockaddr_in6));
        own.addr = (const struct sockaddr *)&request->addr;
    }
    gn__lookup_init(&request->core, &request->home, &own);
}

static struct request *lookup_make(struct gn_namespace *ns,
                                   const struct gn__question *question)
{
    const struct gn__mem *mem = gn__ns_mem(ns);
    struct request *request = gn__zalloc(mem, sizeof(*request));

    if (!request)
        return NULL;
    copy_question(request, question);
    request->core.ended = lookup_ended;
    request->home.ns = ns;
    request->home.mem = mem;
    request->home.post = lookup_post;
    request->home.is_driving = is_driving;
    request->wait.fire = namespace_ends;
    request->home.account = gn__ns_account(ns);
    request->deferred.run = lookup_run;
    request->deferred.account = request->home.account;
    request->timeout.fire = timed_out;
    request->timeout.account = request->home.account;
    return request;
}

/* Its namespace and its driver know of it from here on, and another thread may
 * even have called back. @out: NULL, or set before that can be. */
static int lookup_submit(struct request *request, struct gn_lookup **out)
{
    struct gn__engine *engine = gn__ns_engine(request->home.ns);
    int err;

    gn__engine_enter(engine);
    err = gn__ns_lookup_begin(request->home.ns, &request->wait,
                              &request->context);
    if (!err) {
        request->resolver =
            gn__is_local_question(&request->core.question) ? &gn__resolver_local
            : request->context.resolver ? request->context.resolver
                                        : &gn__resolver_own;
        gn__deferred_queue(engine, &request->deferred);
        if (out)
            *out = &request->core;
    }
    gn__engine_leave(engine);
    return err;
}

/* On the driving thread it holds the loop at once, or uv_run() would not run
 * for it. */
static int lookup_hold(struct request *request)
{
    int err = lookup_join(request);

    if (!err)
        return 0;
    (void)request_claim(request);
    gn__ns_unref(request->context.ns);
    return err;
}

int gn__lookup_begin(struct gn_namespace *ns,
                     const struct gn__question *question,
                     const struct gn__lookup_user *user, struct gn_lookup **out)
{
    bool driving = gn__engine_is_driving(gn__ns_engine(ns));
    const struct gn__mem *mem = gn__ns_mem(ns);
    struct request *request;
    int err;

    request = lookup_make(ns, question);
    if (!request)
        return -ENOMEM;
    request->user = *user;
    gn__ref_init(&request->refs, out ? 2 : 1);
    err = lookup_submit(request, driving ? NULL : out);
    if (!err && driving)
        err = lookup_hold(request);
    if (err)
        gn__free(mem, request, sizeof(*request));
    else if (driving && out)
        *out = &request->core;
    return err;
}
