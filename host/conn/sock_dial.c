/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Dialling and listening for threads that block: what a program writes as
 * getaddrinfo(3), socket(2) and connect(2) or bind(2) and listen(2), in one
 * call. All of it runs on the calling thread, but for lookups.
 *
 * With a time-out an attempt gets an equal share of what is left, but two
 * seconds if there are as many, as gn_dial() does: a first SYN that is lost is
 * sent again after one.
 */
#include <guestnet/error.h>
#include <guestnet/resolver.h>
#include <guestnet/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "host/names/addrinfo.h"
#include "host/conn/listen.h"
#include "host/conn/target.h"
#include "namespace/namespace.h"

#define MS          UINT64_C(1000000)
#define LEAST_SHARE (2000 * MS)
/** A time-out beyond this, ms, is none. */
#define TIMEOUT_MAX_MS (UINT64_MAX / (4 * MS))
/** Of a listener whose caller names none. */
#define BACKLOG 4096

union dial_addr {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/** On the stack of the call: a machine that crashes within it frees no heap. */
struct sock_dial {
    struct gn_namespace *ns;
    struct gn__target target;
    union dial_addr addrs[GN_LOOKUP_ANSWERS_MAX];
    size_t n_addrs;
    uint64_t deadline; /* ns of gn_now_ns(); GN__NEVER */
    char *why;
    size_t why_len;
};

/* ---- what went wrong ---- */

static int dial_explain(const struct sock_dial *dial, const char *what, int err)
{
    (void)gn__text_refuse(dial->why, dial->why_len, "%s: %s", what,
                          gn_strerror(err));
    return err;
}

static int dial_explain_addr(const struct sock_dial *dial,
                             const struct sockaddr *addr, int err)
{
    char text[GN_ADDR_TEXT_MAX];

    if (gn_addr_format(addr, text, sizeof(text)))
        text[0] = '\0';
    return dial_explain(dial, text, err);
}

/* ---- one attempt ---- */

/* Time left until @deadline, for poll(2): -1 for ever. */
static int poll_timeout(const struct sock_dial *dial, uint64_t deadline)
{
    uint64_t now = gn_now_ns(dial->ns), ms;

    if (deadline == GN__NEVER)
        return -1;
    ms = deadline > now ? (deadline - now + MS - 1) / MS : 0;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static int connect_wait(const struct sock_dial *dial, struct gn_sock *sock,
                        uint64_t deadline)
{
    struct gn_pollfd pfd = {.sock = sock, .events = POLLOUT};
    int error = 0, n = gn_sock_poll(&pfd, 1, poll_timeout(dial, deadline));
    socklen_t len = sizeof(error);

    if (n <= 0)
        return n ? n : -ETIMEDOUT;
    n = gn_sock_getopt(sock, SOL_SOCKET, SO_ERROR, &error, &len);
    return n ? n : -error;
}

static socklen_t addr_len(const union dial_addr *addr)
{
    return addr->sa.sa_family == AF_INET ? sizeof(addr->in) : sizeof(addr->in6);
}

static int attempt_begin(const struct sock_dial *dial,
                         const union dial_addr *to, uint64_t deadline,
                         struct gn_sock *sock)
{
    int err = gn_sock_connect(sock, &to->sa, addr_len(to));

    if (err == -EINPROGRESS)
        err = connect_wait(dial, sock, deadline);
    return err ? err : gn_sock_set_nonblock(sock, false);
}

static int dial_attempt(const struct sock_dial *dial, const union dial_addr *to,
                        uint64_t deadline, struct gn_sock **out)
{
    struct gn_sock *sock;
    int err = gn_sock_open(dial->ns, to->sa.sa_family,
                           dial->target.type | SOCK_NONBLOCK, 0, &sock);

    if (err)
        return err;
    err = attempt_begin(dial, to, deadline, sock);
    if (!err) {
        *out = sock;
        return 0;
    }
    gn_sock_close(sock);
    gn_sock_unref(sock);
    return err;
}

/* When the attempt is over at which @n_left addresses are still to be tried. */
static uint64_t attempt_deadline(const struct sock_dial *dial, size_t n_left)
{
    uint64_t now = gn_now_ns(dial->ns), left, share;

    if (dial->deadline == GN__NEVER)
        return GN__NEVER;
    left = dial->deadline > now ? dial->deadline - now : 0;
    share = left / n_left;
    if (share < LEAST_SHARE)
        share = left < LEAST_SHARE ? left : LEAST_SHARE;
    return now + share;
}

/* ---- all of them ---- */

/* Errors that the next address would meet as well. */
static bool is_final(int err)
{
    return err == -ECANCELED || err == -EDEADLK || err == -EMFILE ||
           err == -ENOMEM;
}

/* The error is that of the first attempt, as it is gn_dial()'s. */
static int attempt_each(const struct sock_dial *dial, struct gn_sock **out)
{
    int first = 0, err;
    size_t i;

    for (i = 0; i < dial->n_addrs; i++) {
        err = dial_attempt(dial, &dial->addrs[i],
                           attempt_deadline(dial, dial->n_addrs - i), out);
        if (!err)
            return 0;
        if (!first)
            first = dial_explain_addr(dial, &dial->addrs[i].sa, err);
        if (is_final(err))
            return err;
    }
    return first;
}

/* ---- the lookup ---- */

/* The host as getaddrinfo(3) takes it; NULL: the own loopback. */
static const char *dial_node(const struct gn__target *target, char *buf,
                             size_t cap)
{
    char text[GN__ADDR_TEXT];

    if (!target->has_addr)
        return target->host[0] ? target->host : NULL;
    gn__addr_format(&target->addr, text, sizeof(text));
    if (target->scope)
        (void)snprintf(buf, cap, "%s%%%u", text, target->scope);
    else
        (void)snprintf(buf, cap, "%s", text);
    return buf;
}

/* What is beyond the room is not tried. */
static void keep_addrs(struct sock_dial *dial, const struct addrinfo *list)
{
    for (; list && dial->n_addrs < GN_LOOKUP_ANSWERS_MAX;
         list = list->ai_next) {
        if (list->ai_addrlen <= sizeof(dial->addrs[0]))
            memcpy(&dial->addrs[dial->n_addrs++], list->ai_addr,
                   list->ai_addrlen);
    }
}

static int dial_look_up(struct sock_dial *dial)
{
    const struct gn__target *target = &dial->target;
    struct addrinfo hints = {.ai_family = target->family,
                             .ai_socktype = target->type};
    char buf[GN__ADDR_TEXT + 16], port[8];
    const char *node = dial_node(target, buf, sizeof(buf));
    uint64_t now = gn_now_ns(dial->ns), left = 0;
    struct addrinfo *list;
    int err;

    if (dial->deadline != GN__NEVER)
        left = dial->deadline > now ? dial->deadline - now : 1;
    (void)snprintf(port, sizeof(port), "%u", target->port);
    err = gn__getaddrinfo(dial->ns, node,
                          target->service[0] ? target->service : port, &hints,
                          left, &list);
    if (err == GN_EAI_AGAIN && gn_now_ns(dial->ns) >= dial->deadline)
        err = -ETIMEDOUT; /* It is the dial's time that ran out. */
    if (err)
        return dial_explain(dial, node ? node : port, err);
    keep_addrs(dial, list);
    gn_freeaddrinfo(list);
    return 0;
}

/* ---- the calls ---- */

int gn_sock_dial(struct gn_namespace *ns, const char *proto,
                 const char *address, uint64_t timeout_ms, char *why,
                 size_t why_len, struct gn_sock **out)
{
    struct sock_dial dial = {
        .ns = ns, .deadline = GN__NEVER, .why = why, .why_len = why_len};
    int err;

    if (!ns || !out)
        return gn__text_refuse(why, why_len, "%s is NULL", ns ? "out" : "ns");
    err = gn__target_parse(proto, address, &dial.target, why, why_len);
    if (err)
        return err;
    if (!dial.target.port && !dial.target.service[0])
        return gn__text_refuse(why, why_len,
                               "port 0: nobody can be reached there");
    if (timeout_ms && timeout_ms < TIMEOUT_MAX_MS)
        dial.deadline = gn_now_ns(ns) + timeout_ms * MS;
    err = dial_look_up(&dial);
    return err ? err : attempt_each(&dial, out);
}

static int listen_begin(struct gn_namespace *ns,
                        const struct gn__target *target, int backlog,
                        struct gn_sock **out)
{
    struct gn_sock *sock;
    int err = gn__listen_open(ns, target, &sock);

    if (err)
        return err;
    err = gn_sock_set_nonblock(sock, false);
    if (!err && target->type == SOCK_STREAM)
        err = gn_sock_listen(sock, backlog > 0 ? backlog : BACKLOG);
    if (!err) {
        *out = sock;
        return 0;
    }
    gn_sock_close(sock);
    gn_sock_unref(sock);
    return err;
}

int gn_sock_listen_at(struct gn_namespace *ns, const char *proto,
                      const char *address, int backlog, char *why,
                      size_t why_len, struct gn_sock **out)
{
    struct gn__target target;
    int err;

    if (!ns || !out)
        return gn__text_refuse(why, why_len, "%s is NULL", ns ? "out" : "ns");
    err = gn__listen_parse(proto, address, &target, why, why_len);
    if (err)
        return err;
    err = listen_begin(ns, &target, backlog, out);
    if (err)
        (void)gn__text_refuse(why, why_len, "%s: %s", address,
                              gn_strerror(err));
    return err;
}
