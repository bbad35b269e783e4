/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Guests' ports shown outside, as far as listen rules say: for each rule that
 * matches a kernel socket at its address, with the guest's port number.
 *
 * A port that cannot be had is told to the audit hook and otherwise left alone:
 * another guest may have it, or the host. Clients are what those of a published
 * port are (host/forward/), as they need nothing of the hooks' calls.
 */
#include "host/egress/egress.h"

#include <errno.h>
#include <unistd.h>

#include <guestnet/addr.h>
#include <guestnet/error.h>

#include "host/forward/forward.h"

/** Of one window's datagrams. */
#define FLOWS_MAX 1024u
/** A client that is silent for so long is asked whether it is there. */
#define KEEPALIVE_S 60u

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
    struct gn__acceptor acceptor; /* of a listener */
    struct gn__inlet inlet;       /* of a port */
    int fd;
    struct gn__fd_share share; /* for it */
};

/* Both kinds begin with it. */
static struct gn__bound_port *bound_of(const struct show *show)
{
    return show->listener ? (void *)show->listener : (void *)show->port;
}

static void window_close(struct window *window)
{
    struct gn__io *io = window->show->io;

    if (window->show->listener)
        gn__acceptor_close(&window->acceptor);
    else
        gn__inlet_close(&window->inlet);
    gn__list_del(&window->of_show);
    gn__io_release(io);
    (void)close(window->fd); /* Also after an error it is closed. */
    gn__fds_give(&window->share);
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

static void window_accepted(void *user, const struct gn__endpoint *peer, int fd)
{
    const struct window *window = user;

    gn__bound_join(bound_of(window->show), peer, fd, NULL);
}

static bool window_has_room(void *user)
{
    const struct window *window = user;

    return gn__bound_has_room(bound_of(window->show));
}

static void window_paused(void *user, int why)
{
    const struct window *window = user;
    const struct gn__bound_port *bound = bound_of(window->show);

    gn__guest_log(gn__ns_guest(bound->ns), GN_LOG_WARN, GN__LOG_PAUSED,
                  "its port %u as it is shown: accepting pauses: %s",
                  bound->local.port,
                  why ? gn_strerror(why)
                      : "as many clients as the guest may have sockets");
}

/* There may be room for one more, at whichever address it comes. */
static void show_left(void *user)
{
    struct show *show = user;
    struct gn__list *it;

    gn__list_foreach (it, &show->windows) {
        gn__acceptor_resume(
            &gn__container_of(it, struct window, of_show)->acceptor);
    }
}

static void window_turned_away(void *user, const struct gn__endpoint *client,
                               int why)
{
    const struct window *window = user;

    (void)client;
    gn__bound_turned_away(bound_of(window->show), why);
}

static int window_target(void *user, const struct gn__endpoint *client,
                         struct gn__endpoint *out)
{
    const struct window *window = user;

    return gn__bound_target(bound_of(window->show), client, out);
}

static int window_start(struct window *window, int family)
{
    struct show *show = window->show;
    const struct gn__acceptor_config acceptor = {
        .io = show->io,
        .account = show->account,
        .fd = window->fd,
        .keepalive_s = KEEPALIVE_S,
        .has_room = window_has_room,
        .accepted = window_accepted,
        .paused = window_paused,
        .user = window,
    };
    const struct gn__inlet_config inlet = {
        .net = show->net,
        .io = show->io,
        .account = show->account,
        .fd = window->fd,
        .family = family,
        .max_flows = FLOWS_MAX,
        .target = window_target,
        .turned_away = window_turned_away,
        .user = window,
    };

    return show->listener ? gn__acceptor_open(&window->acceptor, &acceptor)
                          : gn__inlet_open(&window->inlet, &inlet);
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
        gn__dgram_want_details(fd, family);
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

static int window_open(struct show *show, struct gn_namespace *ns,
                       const struct sockaddr *at, socklen_t len)
{
    int type = show->listener ? SOCK_STREAM : SOCK_DGRAM;
    struct window *window = gn__zalloc(show->io->mem, sizeof(*window));
    int err;

    if (!window)
        return -ENOMEM;
    err = gn__fds_take(gn__ns_guest(ns), &window->share);
    if (err)
        goto undo_alloc;
    err = open_at(at, len, type, &window->fd);
    if (err)
        goto undo_share;
    window->show = show;
    err = window_start(window, at->sa_family);
    if (err)
        goto undo_fd;
    gn__list_add_tail(&show->windows, &window->of_show);
    gn__io_hold(show->io);
    return 0;

undo_fd:
    (void)close(window->fd); /* Also after an error it is closed. */
undo_share:
    gn__fds_give(&window->share);
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

static void log_hidden(const struct show *show, struct gn_namespace *ns,
                       const struct gn_audit *audit)
{
    char at[GN_ADDR_TEXT_MAX] = "";

    if (gn_addr_format(audit->address, at, sizeof(at)))
        return; /* Cannot be: it fits. */
    gn__guest_log(gn__ns_guest(ns), GN_LOG_WARN, GN__LOG_FAILED,
                  "its port is not shown at %s %s: %s",
                  show->listener ? "tcp" : "udp", at,
                  gn_strerror(audit->error));
}

static void open_by_rule(const struct gn__system *system,
                         const struct gn__rules *rules, struct show *show,
                         struct gn_namespace *ns, size_t rule, uint16_t port)
{
    struct gn__endpoint at = {.addr = rules->policy.rules[rule].prefix.addr,
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

    audit.error = window_open(show, ns, (struct sockaddr *)&addr, len);
    if (audit.error)
        log_hidden(show, ns, &audit);
    gn__system_audit(system, gn__ns_guest(ns), rules, rule, &audit);
}

/* A port that no rule shows. It is told only where listen rules were asked for
 * at all. */
static int stay_hidden(const struct gn__system *system,
                       const struct gn__rules *rules, struct gn_namespace *ns,
                       int type, const struct sockaddr *local)
{
    struct gn_audit audit = {
        .type = type, .inbound = true, .address = local, .reason = "no rule"};

    if (gn__policy_shows(&rules->policy))
        gn__system_audit(system, gn__ns_guest(ns), rules, GN__NO_RULE, &audit);
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

static int show_by_rules(const struct gn__system *system,
                         const struct gn__rules *rules, struct gn_namespace *ns,
                         const struct show *what, const struct sockaddr *local,
                         struct show **out)
{
    int type = what->listener ? SOCK_STREAM : SOCK_DGRAM;
    unsigned proto = what->listener ? GN__RULE_TCP : GN__RULE_UDP;
    const struct gn__policy *policy = &rules->policy;
    struct gn__endpoint at;
    struct show *show;
    size_t rule;

    if (gn__endpoint_from_sockaddr(local, sizeof(struct sockaddr_in6),
                                   AF_UNSPEC, &at))
        return -EINVAL;
    rule = gn__policy_listen(policy, proto, at.port, 0);
    if (rule == GN__NO_RULE)
        return stay_hidden(system, rules, ns, type, local);
    show = show_create(ns);
    if (!show)
        return -ENOMEM;
    show->listener = what->listener;
    show->port = what->port;
    for (; rule != GN__NO_RULE;
         rule = gn__policy_listen(policy, proto, at.port, rule + 1)) {
        if (!is_again(policy, proto, at.port, rule))
            open_by_rule(system, rules, show, ns, rule, at.port);
    }
    *out = show;
    return 0;
}

/* Returns what the operation does; *@out NULL: nothing is shown. */
static int show_begin(struct gn__system *system, struct gn_namespace *ns,
                      const struct show *what, const struct sockaddr *local,
                      struct show **out)
{
    struct gn__rules *rules = gn__rulebook_rules(&system->book);
    int err = show_by_rules(system, rules, ns, what, local, out);

    gn__rules_unref(rules);
    return err;
}

int gn__show_listen(void *self, struct gn_egress_listener *listener,
                    const struct sockaddr *local)
{
    struct show what = {.listener = listener};
    struct show *show;
    int err;

    err = show_begin(self, gn_egress_listener_namespace(listener), &what, local,
                     &show);
    if (err)
        return err;
    gn_egress_listener_set_user(listener, show);
    bound_of(show)->left = show_left;
    return 0;
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
