/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The public calls that look one thing up: what they may be asked, and how
 * their callbacks are told. And the form for a thread that waits.
 */
#include "host/names/lookup.h"

#include <errno.h>
#include <string.h>

/* ---- what is asked ---- */

static bool may_be_host(struct gn_namespace *ns, const char *host)
{
    struct gn_answer literal;

    return gn__hostname_is_valid(host) ||
           gn__hostname_literal(ns, host, &literal);
}

static void tell_ip(struct gn_lookup *lookup, struct gn__result *result,
                    const struct gn__lookup_user *user)
{
    user->callback.ip(lookup, result->status, result->answers, result->n,
                      user->arg);
}

int gn_lookup(struct gn_namespace *ns, const char *proto, const char *host,
              gn_lookup_cb callback, void *arg, struct gn_lookup **out)
{
    struct gn__lookup_user user = {.done = tell_ip, .arg = arg};
    struct gn__question question = {.kind = GN_QUERY_IP, .proto = proto};
    char name[GN__HOSTNAME_MAX + 1];

    if (!ns || !proto || !host || !callback || gn__ip_family(proto) < 0 ||
        !may_be_host(ns, host))
        return -EINVAL;
    gn__hostname_copy(host, name);
    question.name = name;
    question.is_absolute = gn__hostname_is_absolute(host);
    user.callback.ip = callback;
    return gn__lookup_begin(ns, &question, &user, out);
}

static const char *port_proto(const char *proto)
{
    if (!strcmp(proto, "tcp") || !strcmp(proto, "tcp4") ||
        !strcmp(proto, "tcp6"))
        return "tcp";
    if (!strcmp(proto, "udp") || !strcmp(proto, "udp4") ||
        !strcmp(proto, "udp6"))
        return "udp";
    return NULL;
}

static void tell_port(struct gn_lookup *lookup, struct gn__result *result,
                      const struct gn__lookup_user *user)
{
    user->callback.port(lookup, result->status, result->port, user->arg);
}

int gn_lookup_port(struct gn_namespace *ns, const char *proto,
                   const char *service, gn_lookup_port_cb callback, void *arg,
                   struct gn_lookup **out)
{
    struct gn__lookup_user user = {.done = tell_port, .arg = arg};
    struct gn__question question = {.kind = GN_QUERY_PORT, .name = service};

    if (!ns || !proto || !service || !callback || !port_proto(proto) ||
        !gn__service_is_valid(service))
        return -EINVAL;
    question.proto = port_proto(proto);
    user.callback.port = callback;
    return gn__lookup_begin(ns, &question, &user, out);
}

static void tell_addr(struct gn_lookup *lookup, struct gn__result *result,
                      const struct gn__lookup_user *user)
{
    user->callback.addr(lookup, result->status, result->name, user->arg);
}

int gn_lookup_addr(struct gn_namespace *ns, const struct sockaddr *addr,
                   gn_lookup_addr_cb callback, void *arg,
                   struct gn_lookup **out)
{
    struct gn__lookup_user user = {.done = tell_addr, .arg = arg};
    struct gn__question question = {.kind = GN_QUERY_ADDR, .addr = addr};

    if (!ns || !addr || !callback ||
        (addr->sa_family != AF_INET && addr->sa_family != AF_INET6))
        return -EINVAL;
    user.callback.addr = callback;
    return gn__lookup_begin(ns, &question, &user, out);
}

static void tell_query(struct gn_lookup *lookup, struct gn__result *result,
                       const struct gn__lookup_user *user)
{
    user->callback.query(lookup, result->status, result->message, result->len,
                         user->arg);
}

int gn_lookup_query(struct gn_namespace *ns, const char *name, uint16_t type,
                    gn_lookup_query_cb callback, void *arg,
                    struct gn_lookup **out)
{
    struct gn__lookup_user user = {.done = tell_query, .arg = arg};
    struct gn__question question = {.kind = GN_QUERY_RECORD, .type = type};
    char host[GN__HOSTNAME_MAX + 1];

    if (!ns || !name || !callback || !gn__hostname_is_valid(name))
        return -EINVAL;
    gn__hostname_copy(name, host);
    question.name = host;
    user.callback.query = callback;
    return gn__lookup_begin(ns, &question, &user, out);
}

/* ---- a thread that waits ---- */

struct waiting {
    struct gn__waiter waiter;
    struct gn__awaited *out;
};

static void call_wake(struct gn_lookup *lookup, struct gn__result *result,
                      const struct gn__lookup_user *user)
{
    struct waiting *waiting = user->arg;
    struct gn__engine *engine = waiting->out->engine;

    (void)lookup;
    gn__engine_ref(engine); /* The thread may be gone before we are. */
    waiting->out->result = *result;
    memset(result, 0, sizeof(*result));
    gn__engine_enter(engine);
    gn__engine_wake(engine, &waiting->waiter);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
}

/* The answer finds no thread: see call_wake(). */
static void call_abandon(struct gn__waiter *waiter)
{
    struct waiting *waiting = gn__container_of(waiter, struct waiting, waiter);

    gn__result_done(&waiting->out->result, &waiting->out->engine->net.mem);
    gn__engine_unref(waiting->out->engine);
}

int gn__lookup_and_wait(struct gn_namespace *ns,
                        const struct gn__question *question,
                        struct gn__awaited *out)
{
    struct gn__engine *engine = gn__ns_engine(ns);
    struct waiting waiting = {
        .waiter = {.call = "look up", .abandon = call_abandon}, .out = out};
    struct gn__lookup_user user = {.done = call_wake, .arg = &waiting};
    int err;

    if (!gn__engine_may_wait(engine))
        return -EDEADLK;
    memset(out, 0, sizeof(*out));
    gn__engine_ref(engine);
    out->engine = engine;
    err = gn__lookup_begin(ns, question, &user, NULL);
    if (!err) {
        gn__engine_enter(engine); /* Woken already, it waits for that to end. */
        err = gn__engine_wait(engine, &waiting.waiter, GN__NEVER);
        gn__engine_leave(engine);
        err = err ? err : out->result.status;
    }
    if (err)
        gn__awaited_done(out);
    return err;
}

void gn__awaited_done(struct gn__awaited *awaited)
{
    gn__result_done(&awaited->result, &awaited->engine->net.mem);
    gn__engine_unref(awaited->engine);
}
