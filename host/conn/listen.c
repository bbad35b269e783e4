/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Listeners. A conn is made before its connection is accepted: when there is
 * neither memory nor a socket left, the connection stays in the backlog, where
 * it loses nothing, and accepting is tried again a little later. The time
 * doubles each time, so that a namespace that is full for long costs nothing.
 */
#include "host/conn/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <strings.h>

#include <guestnet/addr.h>
#include <guestnet/error.h>

#include "base/text.h"
#include "host/conn/conn.h"
#include "host/conn/target.h"
#include "resolver/resolver.h"

/** Connections that wait at most: as many as there may be. */
#define BACKLOG 4096
/** Accepted in one turn. */
#define TURN_ACCEPTS 64u
/** A pause, ns: the first and the longest. */
#define PAUSE_MIN 5000000u
#define PAUSE_MAX 320000000u

struct gn_listener {
    struct gn__handle handle; /* first */
    gn_accept_cb callback;    /* NULL: there are takers */
    const struct gn__taker_ops *taker;
    void *arg;
    struct gn_conn *kept; /* what the taker could not take yet */
    struct gn__io_timer pause;
    uint64_t pause_ns; /* the next one */
    bool over;         /* told the last time */
};

static struct gn_listener *listener_of(struct gn__handle *handle)
{
    return gn__container_of(handle, struct gn_listener, handle);
}

static void on_ready(struct gn_sock *sock, short revents, void *arg);

/* Watching has the memory it needs since the listener was made. */
static void listen_watch(struct gn_listener *listener, bool on)
{
    (void)gn_sock_watch(listener->handle.sock, on ? POLLIN : 0, on_ready,
                        listener);
}

/* ---- accepting ---- */

/* Once for pauses in a row. */
static void log_pause(const struct gn_listener *listener, int why)
{
    struct gn_sock *sock = listener->handle.sock;
    struct sockaddr_storage addr;
    char at[GN_ADDR_TEXT_MAX] = "";
    socklen_t len = sizeof(addr);

    if (listener->pause_ns > PAUSE_MIN ||
        gn_sock_name(sock, (struct sockaddr *)&addr, &len) ||
        gn_addr_format((struct sockaddr *)&addr, at, sizeof(at)))
        return;
    gn__guest_log(gn__ns_guest(sock->ns), GN_LOG_WARN, GN__LOG_PAUSED,
                  "listener %s: accepting pauses: %s", at, gn_strerror(why));
}

static void pause_accepting(struct gn_listener *listener, int why)
{
    struct gn__io *io = listener->handle.io;

    log_pause(listener, why);
    listen_watch(listener, false);
    gn__io_start(io, &listener->pause, gn__io_now(io) + listener->pause_ns);
    if (listener->pause_ns < PAUSE_MAX)
        listener->pause_ns *= 2;
}

static void listen_end(struct gn_listener *listener, int status)
{
    if (listener->over)
        return;
    listener->over = true;
    listen_watch(listener, false);
    if (listener->callback)
        listener->callback(listener, status, NULL, listener->arg);
}

static int accept_conn(struct gn_listener *listener, struct gn_conn **out)
{
    struct gn_sock *sock;
    struct gn_conn *conn;
    int err = gn__conn_create(listener->handle.net, &conn);

    if (err)
        return err;
    err =
        gn_sock_accept(listener->handle.sock, NULL, NULL, SOCK_NONBLOCK, &sock);
    if (!err) {
        err = gn__conn_begin(conn, sock);
        if (err)
            gn_sock_unref(sock);
    }
    if (err)
        gn__conn_discard(conn);
    else
        *out = conn;
    return err;
}

/* The connection that is kept comes first. */
static int next_conn(struct gn_listener *listener, struct gn_conn **out)
{
    *out = listener->kept;
    listener->kept = NULL;
    return *out ? 0 : accept_conn(listener, out);
}

/* False: it is kept, and accepting pauses. */
static bool hand_out(struct gn_listener *listener, struct gn_conn *conn)
{
    if (listener->callback) {
        listener->callback(listener, 0, conn, listener->arg);
    } else if (listener->taker->take(listener->arg, conn) == -EAGAIN) {
        if (!gn__handle_is_open(&listener->handle)) { /* Closed by its user. */
            (void)gn_conn_reset(conn, NULL, NULL);
            return false;
        }
        listener->kept = conn;
        pause_accepting(listener, -EAGAIN);
        return false;
    }
    listener->pause_ns = PAUSE_MIN;
    return true;
}

/* One connection; false if it was the last for now. */
static bool accept_one(struct gn_listener *listener)
{
    struct gn_conn *conn = NULL;
    int err = next_conn(listener, &conn);

    switch (err) {
    case 0:
        return hand_out(listener, conn) &&
               gn__handle_is_open(&listener->handle);
    case -EAGAIN:
        return false;
    case -EMFILE:
    case -ENOBUFS:
    case -ENOMEM:
        pause_accepting(listener, err);
        return false;
    default:
        listen_end(listener, err);
        return false;
    }
}

static void on_ready(struct gn_sock *sock, short revents, void *arg)
{
    struct gn_listener *listener = arg;
    unsigned n = TURN_ACCEPTS;

    (void)sock;
    (void)revents;
    gn__handle_ref(&listener->handle);
    while (n-- && accept_one(listener))
        continue;
    gn__handle_unref(&listener->handle);
}

/* The kept one first: nothing tells that there is one. */
static void run_pause(struct gn__io_timer *timer)
{
    struct gn_listener *listener =
        gn__container_of(timer, struct gn_listener, pause);

    if (!listener->kept || accept_one(listener))
        listen_watch(listener, true);
}

/* ---- life ---- */

static void listen_stop(struct gn__handle *handle)
{
    struct gn_listener *listener = listener_of(handle);

    listen_watch(listener, false);
    gn__io_stop(handle->io, &listener->pause);
    gn_sock_close(handle->sock);
    if (listener->kept)
        (void)gn_conn_reset(listener->kept, NULL, NULL); /* It is open. */
    listener->kept = NULL;
    if (listener->taker)
        listener->taker->stopped(listener->arg);
}

static void listen_last(struct gn__handle *handle)
{
    listen_end(listener_of(handle), -ECANCELED);
}

static const struct gn__handle_ops handle_ops = {
    .name = "listener",
    .size = sizeof(struct gn_listener),
    .stop = listen_stop,
    .last = listen_last,
};

/* ---- the socket ---- */

int gn__listen_find_service(struct gn__target *target, char *why,
                            size_t why_len)
{
    const char *proto = target->type == SOCK_STREAM ? "tcp" : "udp";

    if (target->service[0])
        target->port = gn__service_port(proto, target->service);
    if (target->service[0] && !target->port)
        return gn__text_refuse(why, why_len,
                               "port \"%s\": no usual service of %s; a number "
                               "would do",
                               target->service, proto);
    return 0;
}

/* Numbers and "localhost": what needs no lookup. */
static int find_host(struct gn__target *target, char *why, size_t why_len)
{
    if (!target->host[0])
        return 0;
    if (strcasecmp(target->host, "localhost"))
        return gn__text_refuse(
            why, why_len,
            "host \"%s\": a listener has its own addresses, "
            "by number, or \"localhost\"",
            gn__text_quote(target->host, strlen(target->host)).text);
    target->has_addr = true;
    target->addr = gn__addr_loopback(target->family);
    return 0;
}

static struct gn__endpoint local_addr(const struct gn__target *target)
{
    struct gn__endpoint local = {
        .addr = target->addr, .scope = target->scope, .port = target->port};
    bool v4 = target->family == AF_INET;

    if (!target->has_addr)
        local.addr = gn__addr_any(v4 ? AF_INET : AF_INET6);
    return local;
}

static int bind_sock(struct gn_sock *sock, const struct gn__target *target)
{
    int on = 1, v6only = target->family == AF_INET6;
    struct gn__endpoint local = local_addr(target);
    struct sockaddr_storage ss;
    socklen_t len;
    int err = 0;

    if (target->type == SOCK_STREAM) /* Connections that rest are in no way. */
        err = gn_sock_setopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!err && v6only)
        err = gn_sock_setopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
                             sizeof(v6only));
    if (err)
        return err;
    len = gn__endpoint_to_sockaddr(&local, AF_UNSPEC, (struct sockaddr *)&ss,
                                   sizeof(ss));
    return gn_sock_bind(sock, (struct sockaddr *)&ss, len);
}

int gn__listen_parse(const char *proto, const char *address,
                     struct gn__target *out, char *why, size_t why_len)
{
    int err = gn__target_parse(proto, address, out, why, why_len);

    if (!err)
        err = gn__listen_find_service(out, why, why_len);
    return err ? err : find_host(out, why, why_len);
}

int gn__listen_open(struct gn_namespace *ns, const struct gn__target *target,
                    struct gn_sock **out)
{
    struct gn_sock *sock;
    int err, family = target->has_addr ? gn__addr_family(&target->addr)
                      : target->family == AF_INET ? AF_INET
                                                  : AF_INET6;

    err = gn_sock_open(ns, family, target->type | SOCK_NONBLOCK, 0, &sock);
    if (err)
        return err;
    err = bind_sock(sock, target);
    if (err) {
        gn_sock_close(sock);
        gn_sock_unref(sock);
        return err;
    }
    *out = sock;
    return 0;
}

/* ---- the calls ---- */

struct listen_call {
    struct gn_network *net;
    struct gn_sock *sock;
    gn_accept_cb callback;
    const struct gn__taker_ops *taker;
    void *arg;
    struct gn_listener **out;
};

static int run_listen(void *arg)
{
    const struct listen_call *call = arg;
    struct gn__handle *handle;
    struct gn_listener *listener;
    int err = gn__handle_create(&handle_ops, call->net, &handle);

    if (err)
        return err;
    listener = listener_of(handle);
    listener->callback = call->callback;
    listener->taker = call->taker;
    listener->arg = call->arg;
    listener->pause.fire = run_pause;
    listener->pause_ns = PAUSE_MIN;
    err = gn_sock_watch(call->sock, POLLIN, on_ready, listener);
    if (err) {
        gn__handle_discard(handle);
        return err;
    }
    gn__handle_set_sock(handle, call->sock);
    listener->pause.account = handle->task.account;
    *call->out = listener;
    return 0;
}

static int listen_start(struct gn_namespace *ns,
                        const struct gn__target *target,
                        struct listen_call *call)
{
    int err = gn__listen_open(ns, target, &call->sock);

    if (err)
        return err;
    err = gn_sock_listen(call->sock, BACKLOG);
    if (!err)
        err = gn__drive_call(call->net, run_listen, call);
    if (err) {
        gn_sock_close(call->sock);
        gn_sock_unref(call->sock);
    }
    return err;
}

int gn_listen(struct gn_namespace *ns, const char *proto, const char *address,
              gn_accept_cb callback, void *arg, struct gn_listener **out)
{
    struct listen_call call = {.callback = callback, .arg = arg, .out = out};
    struct gn__target target;
    int err;

    if (!ns || !callback || !out)
        return -EINVAL;
    call.net = gn__namespace_network(ns);
    if (!call.net)
        return -ENOTSUP;
    err = gn__listen_parse(proto, address, &target, NULL, 0);
    if (!err && target.type != SOCK_STREAM)
        err = -EINVAL;
    return err ? err : listen_start(ns, &target, &call);
}

int gn__listen_with(struct gn_namespace *ns, const struct gn__target *target,
                    const struct gn__taker_ops *taker, void *arg,
                    struct gn_listener **out)
{
    struct listen_call call = {.net = gn__namespace_network(ns),
                               .taker = taker,
                               .arg = arg,
                               .out = out};

    return call.net ? listen_start(ns, target, &call) : -ENOTSUP;
}

int gn_listener_addr(struct gn_listener *listener, struct sockaddr *addr,
                     socklen_t *len)
{
    if (!listener)
        return -EINVAL;
    return gn__handle_addr(&listener->handle, gn_sock_name, addr, len);
}

int gn_listener_addr_text(struct gn_listener *listener, char *out, size_t cap)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    int err = gn_listener_addr(listener, (struct sockaddr *)&addr, &len);

    return err ? err : gn_addr_format((struct sockaddr *)&addr, out, cap);
}

int gn_listener_close(struct gn_listener *listener, gn_close_cb callback,
                      void *arg)
{
    if (!listener)
        return -EINVAL;
    return gn__handle_public_close(&listener->handle, NULL, callback, arg);
}
