/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A dial looks up what its target names, and goes through the addresses, one
 * after the other, until one answers:
 *
 *     [port] --> [host] --> attempt --refused, out of its time--> attempt ...
 *                              |
 *                              +--connected--> over, with a conn
 *
 * It begins on the turn after the call, so that no callback runs inside it, and
 * each step can be left by cancelling, by the time-out and by the network's
 * end. A lookup that is left calls back all the same, and the dial is over only
 * then (`leaving` says with what), or at the network's end, and then its memory
 * waits.
 *
 * Neither the call nor cancelling waits for the driving thread: what another
 * thread says is left under the engine's lock, and taken up by a deferred task.
 * Once a dial is claimed it calls back, and cancelling does nothing any more;
 * until then it ends as cancelled, however far it has come.
 *
 * It is counted: it has itself until it is over and no lookup of it is under
 * way, and so has the caller that asked for a handle. With a time-out an
 * attempt gets an equal share of what is left, but two seconds if there are as
 * many: a first SYN that is lost is sent again after one.
 */
#include <guestnet/conn.h>
#include <guestnet/resolver.h>

#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "base/ref.h"
#include "base/text.h"
#include "host/conn/conn.h"
#include "host/conn/dial.h"
#include "host/conn/target.h"

/** Addresses of a name that are tried. */
#define MAX_ADDRS 16u
/** The least share of an attempt, ns. */
#define LEAST_SHARE 2000000000u
/** A time-out beyond this, ms, is none. */
#define TIMEOUT_MAX_MS (UINT64_MAX / 4000000u)

struct gn_dial {
    struct gn_namespace *ns; /* a reference */
    struct gn_network *net;
    struct gn__engine *engine; /* a reference */
    struct gn__ref refs;
    struct gn__call start;        /* to the driving thread */
    struct gn__deferred deferred; /* the same, to be cancelled there */
    bool cancelled;               /* under the lock */
    bool claimed;                 /* the same */
    struct gn_dial **out;         /* until the start is queued */
    struct gn__io *io;            /* NULL: it has not begun */
    struct gn__io_end end;
    struct gn__deferred task;
    struct gn__io_timer timer;
    struct gn__target target;
    struct gn__endpoint local;
    bool has_local;
    int leaving;              /* it ends with this error, as soon as it can */
    bool over;                /* it has called back */
    struct gn_lookup *lookup; /* NULL: none is under way */
    uint64_t deadline;        /* of all of it, ns; GN__NEVER */
    struct gn__endpoint addrs[MAX_ADDRS];
    unsigned n_addrs;
    unsigned at; /* the one being tried */
    int error;   /* of the first that failed */
    struct gn_sock *sock;
    struct gn__stream_hook hook;
    gn_dial_cb callback;
    void *arg;
};

/* ---- the end ---- */

static void drop_sock(struct gn_dial *dial)
{
    if (!dial->sock)
        return;
    gn__stream_hook_done(&dial->hook);
    gn_sock_close(dial->sock);
    gn_sock_unref(dial->sock);
    dial->sock = NULL;
}

static void let_go(struct gn_dial *dial)
{
    drop_sock(dial);
    if (dial->io) {
        gn__io_stop(dial->io, &dial->timer);
        gn__io_cancel(dial->io, &dial->task);
        gn__io_forget_end(&dial->end);
        gn__io_release(dial->io);
    }
    gn__ns_unref(dial->ns);
}

void gn_dial_unref(struct gn_dial *dial)
{
    struct gn__engine *engine;

    if (!dial || !gn__ref_give(&dial->refs))
        return;
    engine = dial->engine;
    gn__free(&engine->net.mem, dial, sizeof(*dial));
    gn__engine_unref(engine);
}

/* Nothing cancels it from here on; true if it was cancelled. */
static bool dial_claim(struct gn_dial *dial)
{
    bool cancelled;

    gn__engine_enter(dial->engine);
    cancelled = dial->cancelled;
    dial->claimed = true;
    gn__deferred_cancel(dial->engine, &dial->deferred);
    gn__engine_leave(dial->engine);
    return cancelled;
}

/* Over; its memory waits for a lookup that has yet to call back. */
static void dial_finish(struct gn_dial *dial, int status, struct gn_conn *conn)
{
    if (dial_claim(dial)) {
        if (conn)
            (void)gn__handle_close(&conn->handle, NULL, NULL); /* Once. */
        conn = NULL;
        status = -ECANCELED;
    }
    let_go(dial);
    dial->over = true;
    dial->callback(dial, status, conn, dial->arg);
    if (!dial->lookup)
        gn_dial_unref(dial);
}

static void run_end(struct gn__io_end *end)
{
    struct gn_dial *dial = gn__container_of(end, struct gn_dial, end);

    gn_lookup_cancel(dial->lookup);
    dial_finish(dial, -ECANCELED, NULL);
}

/* ---- one attempt ---- */

static void run_hook(struct gn__deferred *deferred);

/* The time of this attempt begins. */
static void start_timer(struct gn_dial *dial)
{
    uint64_t now = gn__io_now(dial->io), left, share;

    if (dial->deadline == GN__NEVER)
        return;
    left = dial->deadline > now ? dial->deadline - now : 0;
    share = left / (dial->n_addrs > dial->at ? dial->n_addrs - dial->at : 1);
    if (share < LEAST_SHARE)
        share = left < LEAST_SHARE ? left : LEAST_SHARE;
    gn__io_start(dial->io, &dial->timer, now + share);
}

static int bind_local(struct gn_dial *dial, int family)
{
    struct gn__endpoint local = dial->local;
    struct sockaddr_storage ss;
    socklen_t len;

    if (!dial->has_local)
        return 0;
    if (gn__addr_is_any(&local.addr))
        local.addr = gn__addr_any(family);
    if (gn__addr_family(&local.addr) != family)
        return -EAFNOSUPPORT;
    len = gn__endpoint_to_sockaddr(&local, family, (struct sockaddr *)&ss,
                                   sizeof(ss));
    return gn_sock_bind(dial->sock, (struct sockaddr *)&ss, len);
}

static int connect_sock(struct gn_dial *dial)
{
    const struct gn__endpoint *to = &dial->addrs[dial->at];
    int err, family = gn__addr_family(&to->addr);
    struct sockaddr_storage ss;
    socklen_t len;

    err = gn_sock_open(dial->ns, family, dial->target.type | SOCK_NONBLOCK, 0,
                       &dial->sock);
    if (err)
        return err;
    gn__stream_hook_init(&dial->hook, dial->sock, run_hook);
    err = bind_local(dial, family);
    if (err)
        return err;
    len = gn__endpoint_to_sockaddr(to, family, (struct sockaddr *)&ss,
                                   sizeof(ss));
    err = gn_sock_connect(dial->sock, (struct sockaddr *)&ss, len);
    return err == -EINPROGRESS ? 0 : err;
}

/* How far connecting has come: -EINPROGRESS, and the hook tells. */
static int dial_look(struct gn_dial *dial)
{
    struct gn__stream_round round = {.n_send = 0};
    int err;

    if (dial->target.type != SOCK_STREAM)
        return 0;
    err = gn__stream_round(&dial->hook, &round);
    return err ? err : round.starting ? -EINPROGRESS : 0;
}

static void hand_over(struct gn_dial *dial)
{
    struct gn_sock *sock = dial->sock;
    struct gn_conn *conn;
    int err = gn__conn_create(dial->net, &conn);

    if (!err) {
        gn__stream_hook_done(&dial->hook);
        err = gn__conn_begin(conn, sock);
        if (err)
            gn__conn_discard(conn);
        else
            dial->sock = NULL;
    }
    dial_finish(dial, err, err ? NULL : conn);
}

static void note_failure(struct gn_dial *dial, int err)
{
    if (!dial->error)
        dial->error = err;
    drop_sock(dial);
    dial->at++;
}

/* Go on with an attempt that has come so far, or with the next. */
static void go_on(struct gn_dial *dial, int err)
{
    while (err && err != -EINPROGRESS) {
        note_failure(dial, err);
        if (err == -ECANCELED || dial->at >= dial->n_addrs) {
            dial_finish(dial, err == -ECANCELED ? err : dial->error, NULL);
            return;
        }
        start_timer(dial);
        err = connect_sock(dial);
        if (!err)
            err = dial_look(dial);
    }
    if (!err)
        hand_over(dial);
}

static void run_hook(struct gn__deferred *deferred)
{
    struct gn__stream_hook *hook =
        gn__container_of(deferred, struct gn__stream_hook, deferred);
    struct gn_dial *dial = gn__container_of(hook, struct gn_dial, hook);

    go_on(dial, dial_look(dial));
}

/* ---- beginning ---- */

static void add_addr(struct gn_dial *dial, const struct gn__addr *addr,
                     uint32_t scope)
{
    struct gn__endpoint *to = &dial->addrs[dial->n_addrs];

    if (dial->n_addrs == MAX_ADDRS)
        return;
    if (dial->target.family != AF_UNSPEC &&
        dial->target.family != gn__addr_family(addr))
        return;
    memset(to, 0, sizeof(*to));
    to->addr = *addr;
    to->scope = scope;
    to->port = dial->target.port;
    dial->n_addrs++;
}

/* The namespace itself. */
static void add_loopback(struct gn_dial *dial)
{
    const struct gn__addr v4 = gn__addr_loopback(AF_INET);
    const struct gn__addr v6 = gn__addr_loopback(AF_INET6);

    add_addr(dial, &v4, 0);
    add_addr(dial, &v6, 0);
}

static void try_all(struct gn_dial *dial)
{
    int err;

    start_timer(dial);
    err = connect_sock(dial);
    go_on(dial, err ? err : dial_look(dial));
}

/* A lookup has ended: is that the end of it all? */
static bool ends_with(struct gn_dial *dial, int status)
{
    gn_lookup_unref(dial->lookup);
    dial->lookup = NULL;
    if (dial->over) {
        gn_dial_unref(dial);
        return true;
    }
    if (dial->leaving)
        status = dial->leaving;
    if (status)
        dial_finish(dial, status, NULL);
    return status != 0;
}

static void found_host(struct gn_lookup *lookup, int status,
                       const struct gn_answer *answers, size_t n, void *arg)
{
    struct gn_dial *dial = arg;
    struct gn__endpoint found;
    size_t i;

    (void)lookup;
    if (ends_with(dial, status))
        return;
    for (i = 0; i < n; i++) {
        if (!gn__endpoint_from_sockaddr(
                (const struct sockaddr *)&answers[i].addr,
                sizeof(answers[i].addr), AF_UNSPEC, &found))
            add_addr(dial, &found.addr, found.scope);
    }
    if (dial->n_addrs)
        try_all(dial);
    else
        dial_finish(dial, GN_EAI_NODATA, NULL);
}

static void find_host(struct gn_dial *dial)
{
    const struct gn__target *target = &dial->target;
    int err;

    if (target->host[0]) {
        err = gn_lookup(dial->ns,
                        target->family == AF_INET    ? "ip4"
                        : target->family == AF_INET6 ? "ip6"
                                                     : "ip",
                        target->host, found_host, dial, &dial->lookup);
        if (err)
            dial_finish(dial, err, NULL);
        return;
    }
    if (target->has_addr)
        add_addr(dial, &target->addr, target->scope);
    else
        add_loopback(dial);
    try_all(dial);
}

static void found_port(struct gn_lookup *lookup, int status, uint16_t port,
                       void *arg)
{
    struct gn_dial *dial = arg;

    (void)lookup;
    if (ends_with(dial, status))
        return;
    dial->target.port = port;
    find_host(dial);
}

static void find_port(struct gn_dial *dial)
{
    int err;

    if (!dial->target.service[0]) {
        find_host(dial);
        return;
    }
    err = gn_lookup_port(dial->ns,
                         dial->target.type == SOCK_STREAM ? "tcp" : "udp",
                         dial->target.service, found_port, dial, &dial->lookup);
    if (err)
        dial_finish(dial, err, NULL);
}

static void run_turn(struct gn__deferred *task)
{
    struct gn_dial *dial = gn__container_of(task, struct gn_dial, task);

    if (dial->leaving)
        dial_finish(dial, dial->leaving, NULL);
    else
        find_port(dial);
}

/* ---- leaving ---- */

static void dial_leave(struct gn_dial *dial, int status)
{
    if (dial->leaving)
        return;
    dial->leaving = status;
    drop_sock(dial);
    gn__io_stop(dial->io, &dial->timer);
    if (dial->lookup)
        gn_lookup_cancel(dial->lookup);
    else
        gn__io_defer(dial->io, &dial->task);
}

static void run_timer(struct gn__io_timer *timer)
{
    struct gn_dial *dial = gn__container_of(timer, struct gn_dial, timer);

    if (dial->lookup || gn__io_now(dial->io) >= dial->deadline)
        dial_leave(dial, -ETIMEDOUT);
    else
        go_on(dial, -ETIMEDOUT);
}

/* ---- the calls ---- */

int gn__dial_check(const char *proto, const char *address,
                   const struct gn_dial_options *options,
                   struct gn__dial_call *out)
{
    static const struct gn_dial_options defaults = {.size = sizeof(defaults)};
    int err;

    if (!options)
        options = &defaults;
    if (!gn__config_is_known(options, options->size, sizeof(*options)))
        return -EINVAL; /* Not even `why` may be believed. */
    err = gn__target_parse(proto, address, &out->target, options->why,
                           options->why_len);
    if (err)
        return err;
    if (!out->target.port && !out->target.service[0])
        return gn__text_refuse(options->why, options->why_len,
                               "port 0: nobody can be reached there");
    if ((unsigned)options->fd_kind >= GN_N_FD_KINDS)
        return gn__text_refuse(options->why, options->why_len,
                               "fd_kind: no such one");
    out->timeout_ms = options->timeout_ms;
    out->has_local = options->local != NULL;
    if (!out->has_local)
        return 0;
    return gn__target_parse_local(options->local, &out->target, &out->local,
                                  options->why, options->why_len);
}

static void run_cancelled(struct gn__deferred *deferred)
{
    dial_leave(gn__container_of(deferred, struct gn_dial, deferred),
               -ECANCELED);
}

/* On the driving thread. */
static int dial_join(struct gn_dial *dial)
{
    struct gn__io *io = gn__network_io(dial->net);

    if (!io)
        return gn__network_is_closing(dial->net) ? -ECANCELED : -ENOMEM;
    dial->io = io;
    gn__io_hold(io);
    gn__io_at_end(io, &dial->end);
    gn__io_defer(io, &dial->task);
    if (dial->deadline != GN__NEVER)
        gn__io_start(io, &dial->timer, dial->deadline);
    return 0;
}

static void run_start(struct gn__call *call, int status)
{
    struct gn_dial *dial = gn__container_of(call, struct gn_dial, start);

    if (!status)
        status = dial_join(dial);
    if (status)
        dial_finish(dial, status, NULL);
}

static void give_handle(struct gn__call *call)
{
    struct gn_dial *dial = gn__container_of(call, struct gn_dial, start);

    if (dial->out)
        *dial->out = dial;
}

static struct gn_dial *dial_make(const struct gn__dial_call *call)
{
    struct gn__engine *engine = gn__network_engine(call->net);
    struct gn_dial *dial = gn__zalloc(&engine->net.mem, sizeof(*dial));

    if (!dial)
        return NULL;
    gn__engine_ref(engine);
    gn__ns_ref(call->from);
    gn__ref_init(&dial->refs, call->out ? 2 : 1);
    dial->net = call->net;
    dial->engine = engine;
    dial->ns = call->from;
    dial->out = call->out;
    dial->target = call->target;
    dial->local = call->local;
    dial->has_local = call->has_local;
    dial->callback = call->callback;
    dial->arg = call->arg;
    dial->start.run = run_start;
    dial->start.queued = give_handle;
    dial->deferred.run = run_cancelled;
    dial->end.run = run_end;
    dial->task.run = run_turn;
    dial->task.account = gn__ns_account(dial->ns);
    dial->timer.fire = run_timer;
    dial->timer.account = gn__ns_account(dial->ns);
    dial->deadline = GN__NEVER;
    if (!call->timeout_ms || call->timeout_ms >= TIMEOUT_MAX_MS)
        return dial;
    gn__engine_enter(engine);
    dial->deadline =
        gn__ns_deadline(dial->ns, call->timeout_ms * UINT64_C(1000000));
    gn__engine_leave(engine);
    return dial;
}

/* It has not begun, and no other code has heard of it. */
static void dial_discard(struct gn_dial *dial)
{
    struct gn__engine *engine = dial->engine;

    gn__ns_unref(dial->ns);
    gn__free(&engine->net.mem, dial, sizeof(*dial));
    gn__engine_unref(engine);
}

/* On the driving thread it holds the loop at once, or uv_run() would not run
 * for it. */
static int dial_submit(struct gn_dial *dial)
{
    int err;

    if (!gn__engine_is_driving(dial->engine))
        return gn__network_call(dial->net, &dial->start);
    if (gn__network_is_closing(dial->net))
        return -ECANCELED;
    err = dial_join(dial);
    if (!err)
        give_handle(&dial->start);
    return err;
}

int gn__dial_start(struct gn__dial_call *call)
{
    struct gn_dial *dial;
    int err;

    call->net = gn__namespace_network(call->from);
    if (!call->net)
        return -ENOTSUP;
    dial = dial_make(call);
    if (!dial)
        return -ENOMEM;
    err = dial_submit(dial);
    if (err)
        dial_discard(dial);
    return err;
}

int gn_dial(struct gn_namespace *from, const char *proto, const char *address,
            const struct gn_dial_options *options, gn_dial_cb callback,
            void *arg, struct gn_dial **out)
{
    struct gn__dial_call call = {
        .from = from, .callback = callback, .arg = arg, .out = out};
    int err;

    if (!from || !callback)
        return -EINVAL;
    err = gn__dial_check(proto, address, options, &call);
    return err ? err : gn__dial_start(&call);
}

void gn_dial_cancel(struct gn_dial *dial)
{
    bool now;

    if (!dial)
        return;
    gn__engine_enter(dial->engine);
    now = !dial->claimed && gn__engine_is_driving(dial->engine) && dial->io;
    if (!dial->claimed) {
        dial->cancelled = true;
        if (!now)
            gn__deferred_queue(dial->engine, &dial->deferred);
    }
    gn__engine_leave(dial->engine);
    if (now)
        dial_leave(dial, -ECANCELED);
}
