/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Guests' ports shown outside, as far as listen rules say: for each rule that
 * matches a kernel socket at its address, with the guest's port number.
 *
 * A port that cannot be had is told to the audit hook and otherwise left alone:
 * another guest may have it, or the host. When descriptors have run out,
 * accepting pauses; who connects meanwhile waits in the kernel.
 */
#include "host/egress.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MS 1000000ull

/** Clients, or datagrams, before others have their turn. */
#define AT_ONCE 32u
/** Before accepting is tried again. */
#define PAUSE_NS (100 * MS)

/** One port of a guest, shown at some addresses. */
struct show {
    struct gn__system_request base; /* first */
    struct gn_network *net;
    struct gn__io *io;
    struct gn_egress_listener *listener; /* or: */
    struct gn_egress_port *port;
    struct gn__account *account; /* the guest's */
    struct gn__list windows;     /* struct window */
    struct gn__io_end end;
};

/** It at one of them. */
struct window {
    struct gn__list of_show;
    struct show *show;
    struct gn__io_watch watch;
    struct gn__io_timer timer;
    int fd;
    int family;
};

static void window_close(struct window *window)
{
    struct gn__io *io = window->show->io;

    gn__io_unwatch(io, &window->watch);
    gn__io_stop(io, &window->timer);
    gn__list_del(&window->of_show);
    gn__io_release(io);
    (void)close(window->fd); /* Also after an error it is closed. */
    gn__free(io->mem, window, sizeof(*window));
}

static void close_windows(struct show *show)
{
    struct gn__list *it;

    while ((it = gn__list_first(&show->windows)))
        window_close(gn__container_of(it, struct window, of_show));
}

static void show_cancel(struct gn__system_request *request)
{
    struct show *show = (struct show *)(void *)request;

    close_windows(show);
    gn__io_forget_end(&show->end);
    gn__free(show->io->mem, show, sizeof(*show));
}

/* The port itself ends later. */
static void show_end(struct gn__io_end *end)
{
    close_windows(gn__container_of(end, struct show, end));
}

/* ---- clients ---- */

static void window_again(struct gn__io_timer *timer)
{
    struct window *window = gn__container_of(timer, struct window, timer);

    if (gn__io_watch(window->show->io, &window->watch, window->fd, POLLIN))
        gn__io_start(window->show->io, &window->timer,
                     gn__io_now(window->show->io) + PAUSE_NS);
}

static void window_pause(struct window *window)
{
    struct gn__io *io = window->show->io;

    gn__io_unwatch(io, &window->watch);
    gn__io_start(io, &window->timer, gn__io_now(io) + PAUSE_NS);
}

/* False: not now. */
static bool accept_one(struct window *window)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    int fd = accept4(window->fd, (struct sockaddr *)&peer, &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        return gn_egress_accepted(window->show->listener, fd,
                                  (struct sockaddr *)&peer) == 0;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
        errno == ENOMEM)
        window_pause(window);
    return errno == EINTR || errno == ECONNABORTED;
}

static void clients_ready(struct gn__io_watch *watch, short revents)
{
    struct window *window = gn__container_of(watch, struct window, watch);
    unsigned n = 0;

    (void)revents;
    while (n < AT_ONCE && accept_one(window))
        n++;
}

/* ---- datagrams ---- */

/* Which of the machine's addresses a datagram was sent to: answers leave from
 * there. */
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void read_local(struct msghdr *msg, struct gn__endpoint *out)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(msg);
    struct in_pktinfo info;
    struct in6_pktinfo info6;

    if (!head)
        return;
    if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
        memcpy(&info, CMSG_DATA(head), sizeof(info));
        out->addr = gn__addr_from_v4_bytes(&info.ipi_addr);
    } else if (head->cmsg_level == IPPROTO_IPV6 &&
               head->cmsg_type == IPV6_PKTINFO) {
        memcpy(&info6, CMSG_DATA(head), sizeof(info6));
        out->addr = gn__addr_from_v6_bytes(&info6.ipi6_addr);
        out->scope = info6.ipi6_ifindex;
    }
}

static bool receive_one(struct window *window)
{
    uint8_t bytes[65536];
    struct sockaddr_storage peer = {0};
    union control control;
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr msg = {.msg_name = &peer,
                         .msg_namelen = sizeof(peer),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct gn__via via = {.through = window};
    struct gn__endpoint from;
    ssize_t n = recvmsg(window->fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return errno == EINTR || errno == ECONNREFUSED;
    read_local(&msg, &via.local);
    if (gn__endpoint_from_sockaddr((struct sockaddr *)&peer, msg.msg_namelen,
                                   AF_UNSPEC, &from) ||
        gn__egress_packet(window->show->port, bytes, (size_t)n, &from, &via))
        gn__network_drop(window->show->net, GN_DROP_FLOW);
    return true;
}

static void datagrams_ready(struct gn__io_watch *watch, short revents)
{
    struct window *window = gn__container_of(watch, struct window, watch);
    unsigned n = 0;

    (void)revents;
    while (n < AT_ONCE && receive_one(window))
        n++;
}

static size_t put_local(const struct gn__via *via, int family,
                        union control *out)
{
    struct in_pktinfo info = {0};
    struct in6_pktinfo info6 = {0};

    memset(out, 0, sizeof(*out));
    if (family == AF_INET) {
        memcpy(&info.ipi_spec_dst, via->local.addr.bytes + 12, 4);
        out->head.cmsg_level = IPPROTO_IP;
        out->head.cmsg_type = IP_PKTINFO;
        out->head.cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(&out->head), &info, sizeof(info));
        return CMSG_SPACE(sizeof(info));
    }
    memcpy(&info6.ipi6_addr, via->local.addr.bytes, 16);
    if (gn__addr_needs_scope(&via->local.addr))
        info6.ipi6_ifindex = via->local.scope;
    out->head.cmsg_level = IPPROTO_IPV6;
    out->head.cmsg_type = IPV6_PKTINFO;
    out->head.cmsg_len = CMSG_LEN(sizeof(info6));
    memcpy(CMSG_DATA(&out->head), &info6, sizeof(info6));
    return CMSG_SPACE(sizeof(info6));
}

void gn__show_send(void *self, struct gn_egress_port *port, const void *bytes,
                   size_t len, const struct sockaddr *to)
{
    const struct gn__via *via = gn__egress_via(port);
    const struct window *window = via->through;
    struct iovec iov = {.iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct sockaddr_storage name;
    union control control;

    (void)self;
    if (!window || window->family != to->sa_family)
        return;
    msg.msg_namelen = window->family == AF_INET ? sizeof(struct sockaddr_in)
                                                : sizeof(struct sockaddr_in6);
    memcpy(&name, to, msg.msg_namelen);
    memcpy(&iov.iov_base, &bytes, sizeof(bytes));
    msg.msg_name = &name;
    msg.msg_control = control.bytes;
    msg.msg_controllen = put_local(via, window->family, &control);
    if (sendmsg(window->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        gn__network_drop(window->show->net, GN_DROP_KERNEL);
}

/* ---- opening ---- */

static int set(int fd, int level, int name)
{
    int on = 1;

    return setsockopt(fd, level, name, &on, sizeof(on)) ? -errno : 0;
}

static int prepare(int fd, int family, int type)
{
    int err = 0;

    if (family == AF_INET6)
        err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (!err && type == SOCK_STREAM)
        err = set(fd, SOL_SOCKET, SO_REUSEADDR);
    if (!err && type == SOCK_DGRAM)
        err = family == AF_INET ? set(fd, IPPROTO_IP, IP_PKTINFO)
                                : set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    return err;
}

static int open_at(const struct sockaddr *at, socklen_t len, int type, int *out)
{
    int fd, err;

    fd = socket(at->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    err = prepare(fd, at->sa_family, type);
    if (!err && bind(fd, at, len))
        err = -errno;
    if (!err && type == SOCK_STREAM && listen(fd, SOMAXCONN))
        err = -errno;
    if (err) {
        (void)close(fd); /* Also after an error it is closed. */
        return err;
    }
    *out = fd;
    return 0;
}

static int window_open(struct show *show, const struct sockaddr *at,
                       socklen_t len)
{
    int type = show->listener ? SOCK_STREAM : SOCK_DGRAM;
    struct window *window = gn__zalloc(show->io->mem, sizeof(*window));
    int err;

    if (!window)
        return -ENOMEM;
    err = open_at(at, len, type, &window->fd);
    if (err)
        goto undo_alloc;
    window->show = show;
    window->family = at->sa_family;
    window->watch.ready = show->listener ? clients_ready : datagrams_ready;
    window->watch.account = show->account;
    window->timer.fire = window_again;
    window->timer.account = show->account;
    err = gn__io_watch(show->io, &window->watch, window->fd, POLLIN);
    if (err)
        goto undo_fd;
    gn__list_add_tail(&show->windows, &window->of_show);
    gn__io_hold(show->io);
    return 0;

undo_fd:
    (void)close(window->fd); /* Also after an error it is closed. */
undo_alloc:
    gn__free(show->io->mem, window, sizeof(*window));
    return err;
}

/* Has an earlier rule opened this address for the same port? */
static bool is_again(const struct gn__policy *policy, unsigned proto,
                     uint16_t port, size_t rule)
{
    size_t i = gn__policy_listen(policy, proto, port, 0);

    for (; i < rule; i = gn__policy_listen(policy, proto, port, i + 1)) {
        if (gn__addr_equal(&policy->rules[i].prefix.addr,
                           &policy->rules[rule].prefix.addr))
            return true;
    }
    return false;
}

static void open_by_rule(const struct gn__system *system, struct show *show,
                         struct gn_namespace *ns, size_t rule, uint16_t port)
{
    struct gn__endpoint at = {.addr = system->policy.rules[rule].prefix.addr,
                              .port = port};
    struct sockaddr_storage addr;
    socklen_t len = gn__endpoint_to_sockaddr(
        &at, AF_UNSPEC, (struct sockaddr *)&addr, sizeof(addr));
    struct gn_audit audit = {
        .type = show->listener ? SOCK_STREAM : SOCK_DGRAM,
        .inbound = true,
        .address = (struct sockaddr *)&addr,
        .allowed = true,
        .reason = "rule",
    };

    audit.error = window_open(show, (struct sockaddr *)&addr, len);
    gn__system_audit(system, ns, rule, &audit);
}

/* A port that nothing says may be seen. */
static int stay_hidden(const struct gn__system *system, struct gn_namespace *ns,
                       int type, const struct sockaddr *local)
{
    struct gn_audit audit = {
        .type = type, .inbound = true, .address = local, .reason = "no rule"};

    gn__system_audit(system, ns, GN__NO_RULE, &audit);
    return -EACCES;
}

static struct show *show_create(struct gn_namespace *ns)
{
    struct gn_network *net = gn__namespace_network(ns);
    struct gn__io *io = net ? gn__network_io(net) : NULL;
    struct show *show = io ? gn__zalloc(io->mem, sizeof(*show)) : NULL;

    if (!show)
        return NULL;
    show->base.cancel = show_cancel;
    show->net = net;
    show->io = io;
    show->account = gn__ns_account(ns);
    show->end.run = show_end;
    gn__list_init(&show->windows);
    gn__io_at_end(io, &show->end);
    return show;
}

/* Returns what the operation does; *@out NULL: nothing is shown. */
static int show_begin(const struct gn__system *system, struct gn_namespace *ns,
                      const struct show *what, const struct sockaddr *local,
                      struct show **out)
{
    int type = what->listener ? SOCK_STREAM : SOCK_DGRAM;
    unsigned proto = what->listener ? GN__RULE_TCP : GN__RULE_UDP;
    const struct gn__policy *policy = &system->policy;
    struct gn__endpoint at;
    struct show *show;
    size_t rule;

    if (gn__endpoint_from_sockaddr(local, sizeof(struct sockaddr_in6),
                                   AF_UNSPEC, &at))
        return -EINVAL;
    rule = gn__policy_listen(policy, proto, at.port, 0);
    if (rule == GN__NO_RULE)
        return stay_hidden(system, ns, type, local);
    show = show_create(ns);
    if (!show)
        return -ENOMEM;
    show->listener = what->listener;
    show->port = what->port;
    for (; rule != GN__NO_RULE;
         rule = gn__policy_listen(policy, proto, at.port, rule + 1)) {
        if (!is_again(policy, proto, at.port, rule))
            open_by_rule(system, show, ns, rule, at.port);
    }
    *out = show;
    return 0;
}

int gn__show_listen(void *self, struct gn_egress_listener *listener,
                    const struct sockaddr *local)
{
    struct show what = {.listener = listener};
    struct show *show;
    int err;

    err = show_begin(self, gn_egress_listener_namespace(listener), &what, local,
                     &show);
    if (!err)
        gn_egress_listener_set_user(listener, show);
    return err;
}

int gn__show_listen_packet(void *self, struct gn_egress_port *port,
                           const struct sockaddr *local)
{
    struct show what = {.port = port};
    struct show *show;
    int err;

    err = show_begin(self, gn_egress_port_namespace(port), &what, local, &show);
    if (!err)
        gn_egress_port_set_user(port, show);
    return err;
}
