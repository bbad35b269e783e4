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
    struct gn__tie tie;
    struct gn__system *system;
    struct gn_network *net;
    struct gn__io *io;
    struct gn_egress_listener *listener; /* or: */
    struct gn_egress_port *port;
    struct gn__account *account; /* the guest's */
    struct gn__list windows;     /* struct window */
    struct gn__io_end end;
    bool ended; /* its network's io has */
};

/** It at one of them. */
struct window {
    struct gn__list of_show;
    struct show *show;
    struct gn__acceptor acceptor; /* of a listener */
    struct gn__inlet inlet;       /* of a port */
    struct gn__endpoint at;
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
    gn__tie_end(&show->tie);
    gn__io_forget_end(&show->end);
    gn__free(show->io->mem, show, sizeof(*show));
}

/* The port itself ends later. */
static void show_end(struct gn__io_end *end)
{
    struct show *show = gn__container_of(end, struct show, end);

    show->ended = true;
    close_windows(show);
}

/* ---- clients ---- */

static void window_accepted(void *user, const struct gn__endpoint *peer, int fd)
{
    const struct window *window = user;
    struct gn__bound_port *bound = bound_of(window->show);
    struct gn__pass *pass = NULL;
    int err;

    err = gn__pass_client(window->show->system, gn__ns_guest(bound->ns),
                          &window->at, &pass);
    if (!err) {
        gn__bound_join(bound, peer, fd, pass);
        return;
    }
    gn__bound_turned_away(bound, err);
    gn__relay_reset(fd);
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

static int show_set(int fd, int level, int name)
{
    int on = 1;

    return setsockopt(fd, level, name, &on, sizeof(on)) ? -errno : 0;
}

static int show_prepare(int fd, int family, int type)
{
    int err = 0;

    if (family == AF_INET6)
        err = show_set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (!err && type == SOCK_STREAM)
        err = show_set(fd, SOL_SOCKET, SO_REUSEADDR);
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
    err = show_prepare(fd, at->sa_family, type);
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

static int window_open(struct show *show, const struct gn__endpoint *at)
{
    int type = show->listener ? SOCK_STREAM : SOCK_DGRAM;
    struct sockaddr_storage addr;
    socklen_t len = gn__endpoint_to_sockaddr(
        at, AF_UNSPEC, (struct sockaddr *)&addr, sizeof(addr));
    struct window *window = gn__zalloc(show->io->mem, sizeof(*window));
    int err;

    if (!window)
        return -ENOMEM;
    err = gn__fds_take(gn__ns_guest(bound_of(show)->ns), &window->share);
    if (err)
        goto undo_alloc;
    err = open_at((struct sockaddr *)&addr, len, type, &window->fd);
    if (err)
        goto undo_share;
    window->show = show;
    window->at = *at;
    err = window_start(window, addr.ss_family);
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

/* ---- what rules say ---- */

static unsigned proto_of(const struct show *show)
{
    return show->listener ? GN__RULE_TCP : GN__RULE_UDP;
}

static bool has_window(const struct show *show, const struct gn__endpoint *at)
{
    struct gn__list *it;

    gn__list_foreach (it, &show->windows) {
        const struct window *window =
            gn__container_of(it, struct window, of_show);

        if (gn__addr_equal(&window->at.addr, &at->addr))
            return true;
    }
    return false;
}

static void log_hidden(const struct show *show, const struct gn_audit *audit)
{
    char at[GN_ADDR_TEXT_MAX] = "";

    if (gn_addr_format(audit->address, at, sizeof(at)))
        return; /* Cannot be: it fits. */
    if (audit->ended)
        gn__guest_log(gn__ns_guest(bound_of(show)->ns), GN_LOG_INFO,
                      GN__LOG_ENDED,
                      "its port is shown at %s %s no longer: the rules have "
                      "changed",
                      show->listener ? "tcp" : "udp", at);
    else
        gn__guest_log(gn__ns_guest(bound_of(show)->ns), GN_LOG_WARN,
                      GN__LOG_FAILED, "its port is not shown at %s %s: %s",
                      show->listener ? "tcp" : "udp", at,
                      gn_strerror(audit->error));
}

/* @audit: what is special about it. */
static void tell_window(const struct show *show, const struct gn__rules *rules,
                        size_t rule, const struct gn__endpoint *at,
                        const struct gn_audit *audit)
{
    struct gn_audit told = *audit;
    struct sockaddr_storage addr;

    gn__endpoint_to_sockaddr(at, AF_UNSPEC, (struct sockaddr *)&addr,
                             sizeof(addr));
    told.type = show->listener ? SOCK_STREAM : SOCK_DGRAM;
    told.inbound = true;
    told.address = (struct sockaddr *)&addr;
    if (told.error || told.ended)
        log_hidden(show, &told);
    gn__system_audit(show->system, gn__ns_guest(bound_of(show)->ns), rules,
                     rule, &told);
}

/* Each address once, by the first rule that names it. */
static void open_windows(struct show *show, const struct gn__rules *rules)
{
    const struct gn__policy *policy = &rules->policy;
    uint16_t port = bound_of(show)->local.port;
    size_t rule = gn__policy_listen(policy, proto_of(show), port, 0);

    for (; rule != GN__NO_RULE;
         rule = gn__policy_listen(policy, proto_of(show), port, rule + 1)) {
        struct gn__endpoint at = {.addr = policy->rules[rule].prefix.addr,
                                  .port = port};
        struct gn_audit audit = {.allowed = true, .reason = "rule"};

        if (has_window(show, &at) ||
            gn__policy_shows_at(policy, proto_of(show), &at) != rule)
            continue;
        audit.error = window_open(show, &at);
        tell_window(show, rules, rule, &at, &audit);
    }
}

static void close_hidden(struct show *show, const struct gn__rules *rules)
{
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &show->windows) {
        struct window *window = gn__container_of(it, struct window, of_show);
        struct gn__endpoint at = window->at;
        struct gn_audit audit = {.reason = "no rule", .ended = true};

        if (gn__policy_shows_at(&rules->policy, proto_of(show), &at) !=
            GN__NO_RULE)
            continue;
        window_close(window);
        tell_window(show, rules, GN__NO_RULE, &at, &audit);
    }
}

static void show_judge(struct gn__tie *tie, bool end_open)
{
    struct show *show = gn__container_of(tie, struct show, tie);
    struct gn__rules *rules;

    (void)end_open; /* Its clients know. */
    if (show->ended || gn__ns_is_over(bound_of(show)->ns))
        return;
    rules = gn__rulebook_rules(&show->system->book);
    close_hidden(show, rules);
    open_windows(show, rules);
    gn__rules_unref(rules);
}

/* A port that no rule shows. It is told only where listen rules were asked for
 * at all. */
static void tell_hidden(const struct show *show, const struct gn__rules *rules)
{
    const struct gn__bound_port *bound = bound_of(show);
    struct gn_audit audit = {.reason = "no rule"};

    if (gn__policy_shows(&rules->policy) &&
        gn__policy_listen(&rules->policy, proto_of(show), bound->local.port,
                          0) == GN__NO_RULE)
        tell_window(show, rules, GN__NO_RULE, &bound->local, &audit);
}

/* ---- its life ---- */

static struct show *show_create(struct gn__system *system,
                                const struct gn__bound_port *bound)
{
    struct gn_network *net = gn__namespace_network(bound->ns);
    struct gn__io *io = net ? gn__network_io(net) : NULL;
    struct show *show = io ? gn__zalloc(io->mem, sizeof(*show)) : NULL;

    if (!show)
        return NULL;
    show->base.cancel = show_cancel;
    show->tie.judge = show_judge;
    show->system = system;
    show->net = net;
    show->io = io;
    show->account = gn__ns_account(bound->ns);
    show->end.run = show_end;
    gn__list_init(&show->windows);
    return show;
}

/* It is there for as long as the port, whatever rules say of it today. */
static int show_begin(struct show *show)
{
    struct gn__rules *rules = gn__rulebook_rules(&show->system->book);
    int err = gn__tie_begin(&show->tie, &show->system->book,
                            bound_of(show)->engine, rules->edition);

    if (err) {
        gn__free(show->io->mem, show, sizeof(*show));
    } else {
        gn__io_at_end(show->io, &show->end);
        open_windows(show, rules);
        tell_hidden(show, rules);
    }
    gn__rules_unref(rules);
    return err;
}

int gn__show_listen(void *self, struct gn_egress_listener *listener,
                    const struct sockaddr *local)
{
    struct show *show = show_create(self, (const void *)listener);
    int err;

    (void)local; /* The listener knows. */
    if (!show)
        return -ENOMEM;
    show->listener = listener;
    err = show_begin(show);
    if (err)
        return err;
    gn_egress_listener_set_user(listener, show);
    bound_of(show)->left = show_left;
    return 0;
}

int gn__show_listen_packet(void *self, struct gn_egress_port *port,
                           const struct sockaddr *local)
{
    struct show *show = show_create(self, (const void *)port);
    int err;

    (void)local; /* The port knows. */
    if (!show)
        return -ENOMEM;
    show->port = port;
    err = show_begin(show);
    if (!err)
        gn_egress_port_set_user(port, show);
    return err;
}
