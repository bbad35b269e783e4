/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/side.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/parity/netns.h"

/* ---- outcomes ---- */

void outcome_add(struct outcome *out, const char *format, ...)
{
    size_t at = strlen(out->text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(out->text + at, sizeof(out->text) - at, format, args);
    va_end(args);
}

void outcome_set(struct outcome *out, long result)
{
    const char *name = result < 0 ? strerrorname_np((int)-result) : NULL;

    out->result = result;
    out->text[0] = '\0';
    if (name)
        outcome_add(out, "-%s", name);
    else
        outcome_add(out, "%ld", result);
}

void side_add_events(struct outcome *out, short events)
{
    static const struct {
        short bit;
        const char *name;
    } names[] = {
        {POLLIN, "IN"},         {POLLPRI, "PRI"},       {POLLOUT, "OUT"},
        {POLLERR, "ERR"},       {POLLHUP, "HUP"},       {POLLNVAL, "NVAL"},
        {POLLRDNORM, "RDNORM"}, {POLLRDBAND, "RDBAND"}, {POLLWRNORM, "WRNORM"},
        {POLLWRBAND, "WRBAND"}, {POLLRDHUP, "RDHUP"}};
    size_t i;

    outcome_add(out, "(");
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (events & names[i].bit)
            outcome_add(out, " %s", names[i].name);
    }
    outcome_add(out, " )");
}

/* ---- a side ---- */

void side_init(struct side *side, const char *name, const struct place *place,
               enum variant variant)
{
    memset(side, 0, sizeof(*side));
    side->name = name;
    side->place = *place;
    side->variant = variant;
}

/* One that is to linger for ever would. */
static void linger_cut(struct gn_sock *sock)
{
    struct linger linger = {0, 0};
    socklen_t len = sizeof(linger);

    if (gn_sock_getopt(sock, SOL_SOCKET, SO_LINGER, &linger, &len) ||
        !linger.l_onoff || linger.l_linger >= 0)
        return;
    linger.l_onoff = 0;
    (void)gn_sock_setopt(sock, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void put_away(struct slot *slot)
{
    if (slot->sock)
        linger_cut(slot->sock);
    gn_sock_close(slot->sock);
    gn_sock_unref(slot->sock);
    slot->sock = NULL;
}

void side_done(struct side *side)
{
    unsigned i;

    for (i = 0; i < PARITY_SOCKETS; i++)
        put_away(&side->slots[i]);
}

static void note_port(struct slot *slot)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    uint16_t port;

    if (!slot->sock || gn_sock_name(slot->sock, (struct sockaddr *)&addr, &len))
        return;
    port = ntohs(((struct sockaddr_in *)(void *)&addr)->sin_port);
    if (port)
        slot->port = port;
}

short side_ready(const struct side *side, unsigned sock)
{
    struct gn_pollfd fd = {.sock = side->slots[sock].sock,
                           .events = POLLIN | POLLPRI | POLLOUT | POLLRDNORM |
                                     POLLRDBAND | POLLWRNORM | POLLWRBAND |
                                     POLLRDHUP};

    if (!fd.sock || gn_sock_poll(&fd, 1, 0) < 0)
        return 0;
    return fd.revents;
}

ssize_t side_readable(const struct side *side, unsigned sock)
{
    if (!side->slots[sock].sock || side->filled)
        return -1;
    return gn_sock_available(side->slots[sock].sock);
}

/* ---- the calls ---- */

/* A socket of the kernel's is of the network namespace that the thread is in
 * when it is opened. */
static int open_at(struct side *side, unsigned place, int family, int type,
                   struct gn_sock **out)
{
    const int *net_fds = side->place.net_fds;
    int err = net_fds && place ? netns_enter(net_fds[place]) : 0;

    if (err)
        return err;
    err = gn_sock_open(side->place.ns[place], family, type, 0, out);
    if (net_fds && place && netns_enter(net_fds[0]))
        abort(); /* Nothing that follows would mean anything. */
    return err;
}

static void do_open(struct side *side, const struct step *step,
                    struct outcome *out)
{
    enum kind kind = kind_resolve(step->kind, side->variant);
    bool stream = kind == TCP4 || kind == TCP6;
    int family = kind == TCP4 || kind == UDP4 ? AF_INET : AF_INET6;
    struct slot *slot = &side->slots[step->sock];
    struct gn_sock *sock = NULL;
    int type = (stream ? SOCK_STREAM : SOCK_DGRAM) |
               (step->blocking ? 0 : SOCK_NONBLOCK);

    outcome_set(out, open_at(side, step->place, family, type, &sock));
    if (out->result)
        return;
    put_away(slot);
    *slot = (struct slot){.sock = sock, .stream = stream};
}

static void do_close(struct side *side, const struct step *step,
                     struct outcome *out)
{
    struct slot *slot = &side->slots[step->sock];
    struct linger linger = {0, 0};
    socklen_t len = sizeof(linger);
    int64_t began = side_now_ms();

    (void)gn_sock_getopt(slot->sock, SOL_SOCKET, SO_LINGER, &linger, &len);
    side->late_ended |= slot->late_option;
    put_away(slot);
    outcome_set(out, 0);
    if (linger.l_onoff && linger.l_linger > 0 &&
        side_now_ms() - began >= linger.l_linger * 900)
        outcome_add(out, ", as long as it may linger");
}

static void do_bind(struct side *side, const struct step *step,
                    struct outcome *out)
{
    struct sockaddr_storage addr;
    socklen_t len = side_addr(side, step, &addr);

    outcome_set(out, gn_sock_bind(side->slots[step->sock].sock,
                                  (struct sockaddr *)&addr, len));
}

static void do_listen(struct side *side, const struct step *step,
                      struct outcome *out)
{
    struct slot *slot = &side->slots[step->sock];

    outcome_set(out, gn_sock_listen(slot->sock, step->n));
    slot->listened |= !out->result;
    slot->free_again &= out->result != 0;
}

/* An attempt that is told to have failed leaves a stream as AF_UNSPEC does;
 * ECONNABORTED: a call before it has told the reason. */
static void note_connect(struct slot *slot, bool dissolves, long result)
{
    bool refused = result == -ECONNREFUSED || result == -ECONNABORTED ||
                   result == -ECONNRESET || result == -ENETUNREACH ||
                   result == -EHOSTUNREACH;

    if (!slot->stream)
        return;
    slot->connected |= !dissolves;
    if (refused || (dissolves && result == 0))
        slot->free_again = true;
    else if (result == 0 || result == -EINPROGRESS)
        slot->free_again = false;
}

static void do_connect(struct side *side, const struct step *step,
                       struct outcome *out)
{
    struct slot *slot = &side->slots[step->sock];
    struct sockaddr_storage addr;
    socklen_t len = side_addr(side, step, &addr);
    const struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)(void *)&addr;

    outcome_set(out,
                gn_sock_connect(slot->sock, (struct sockaddr *)&addr, len));
    note_connect(slot, addr.ss_family == AF_UNSPEC, out->result);
    if (!slot->stream || addr.ss_family != AF_INET6)
        return;
    side->crossed |= slot->mapped && !IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr);
    slot->mapped |= IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr);
}

static void do_accept(struct side *side, const struct step *step,
                      struct outcome *out)
{
    struct slot *slot = &side->slots[step->child];
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    struct gn_sock *sock = NULL;

    outcome_set(out, gn_sock_accept(side->slots[step->sock].sock,
                                    (struct sockaddr *)&addr, &len,
                                    step->flags ^ SOCK_NONBLOCK, &sock));
    if (out->result)
        return;
    put_away(slot);
    *slot = (struct slot){.sock = sock,
                          .stream = true,
                          .connected = true,
                          .late_option = side->slots[step->sock].late_option};
    outcome_add(out, " from ");
    side_add_addr(side, out, true, &addr, len, sizeof(addr));
}

static void do_shutdown(struct side *side, const struct step *step,
                        struct outcome *out)
{
    struct slot *slot = &side->slots[step->sock];

    outcome_set(out, gn_sock_shutdown(slot->sock, step->n));
    side->shut_early |= slot->stream && out->result == -ENOTCONN;
    slot->free_again |=
        slot->listened && step->n != SHUT_WR && out->result == 0;
}

static void do_name(struct side *side, const struct step *step,
                    struct outcome *out)
{
    struct slot *slot = &side->slots[step->sock];
    struct sockaddr_storage addr;
    socklen_t len = (socklen_t)step->len;

    memset(&addr, 0xff, sizeof(addr));
    outcome_set(out, (step->call == CALL_NAME ? gn_sock_name : gn_sock_peer)(
                         slot->sock, (struct sockaddr *)&addr, &len));
    if (out->result)
        return;
    outcome_add(out, ", ");
    side_add_addr(side, out, slot->stream, &addr, len, (socklen_t)step->len);
}

static void do_nonblock(struct side *side, const struct step *step,
                        struct outcome *out)
{
    struct gn_sock *sock = side->slots[step->sock].sock;

    outcome_set(out, gn_sock_set_nonblock(sock, step->n));
    outcome_add(out, ", is %d", gn_sock_nonblock(sock));
}

static void do_available(struct side *side, const struct step *step,
                         struct outcome *out)
{
    const struct slot *slot = &side->slots[step->sock];
    ssize_t n = gn_sock_available(slot->sock);

    outcome_set(out, side->filled && slot->stream && n > 0 ? 1 : n);
}

static bool is_over(struct gn_sock *sock)
{
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t len = sizeof(info);

    return gn_sock_getopt(sock, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           info.tcpi_state == TCP_CLOSE;
}

static void do_unsent(struct side *side, const struct step *step,
                      struct outcome *out)
{
    const struct slot *slot = &side->slots[step->sock];
    ssize_t n = gn_sock_unsent(slot->sock);

    outcome_set(out, (side->filled || !slot->stream) && n > 0 ? 1 : n);
    if (slot->stream && is_over(slot->sock))
        outcome_add(out, ", over");
}

static void do_poll(struct side *side, const struct step *step,
                    struct outcome *out)
{
    struct gn_pollfd fd = {.sock = side->slots[step->sock].sock,
                           .events = (short)step->n};

    outcome_set(out, gn_sock_poll(&fd, 1, 0));
    side_add_events(out, fd.revents);
}

static void do_cut(struct side *side, const struct step *step,
                   struct outcome *out)
{
    struct gn_link_config link = {.size = sizeof(link), .down = step->n};

    outcome_set(out, side->place.net_fds
                         ? hosts_cut(side->place.hosts, step->n)
                         : gn_link_set(side->place.ns[0], NULL, &link));
}

static void do_detach(struct side *side, const struct step *step,
                      struct outcome *out)
{
    (void)step;
    if (side->place.net_fds)
        outcome_set(out, hosts_detach(side->place.hosts));
    else
        gn_namespace_detach(side->place.ns[0]);
}

typedef void (*doer)(struct side *side, const struct step *step,
                     struct outcome *out);

static const doer doers[N_CALLS] = {
    [CALL_OPEN] = do_open,
    [CALL_CLOSE] = do_close,
    [CALL_BIND] = do_bind,
    [CALL_LISTEN] = do_listen,
    [CALL_CONNECT] = do_connect,
    [CALL_ACCEPT] = do_accept,
    [CALL_SEND] = side_send,
    [CALL_SENDTO] = side_send,
    [CALL_SENDMSG] = side_send,
    [CALL_RECV] = side_recv,
    [CALL_RECVFROM] = side_recv,
    [CALL_RECVMSG] = side_recv,
    [CALL_FILL] = side_fill,
    [CALL_DRAIN] = side_drain,
    [CALL_SHUTDOWN] = do_shutdown,
    [CALL_NAME] = do_name,
    [CALL_PEER] = do_name,
    [CALL_SET] = side_option,
    [CALL_GET] = side_option,
    [CALL_NONBLOCK] = do_nonblock,
    [CALL_AVAILABLE] = do_available,
    [CALL_UNSENT] = do_unsent,
    [CALL_POLL] = do_poll,
    [CALL_ODD] = side_odd,
    [CALL_CUT] = do_cut,
    [CALL_DETACH] = do_detach,
};

void side_do(struct side *side, const struct step *step, struct outcome *out)
{
    outcome_set(out, 0);
    if (side->slots[step->sock].sock || step->call == CALL_OPEN ||
        step->call == CALL_CUT || step->call == CALL_DETACH)
        doers[step->call](side, step, out);
    else
        outcome_add(out, ", not open");
}

void side_note(struct side *side, const struct step *step)
{
    note_port(&side->slots[step->sock]);
    if (step->call == CALL_ACCEPT)
        note_port(&side->slots[step->child]);
}
