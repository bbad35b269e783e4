/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_egress_system(): what the rules allow, by the kernel's sockets.
 *
 * A dial that is allowed is a non-blocking connect(2), and ends with what the
 * kernel says of it. It is asked for the address that was judged, by a socket
 * of its family: nothing is looked up in between.
 */
#include "host/egress/egress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"

#define MS 1000000ull

/** What a rule has allowed. */
struct permit {
    int type;
    size_t rule;
    bool opens_own; /* it may come to the machine itself */
};

/** A connection that the kernel is at. */
struct attempt {
    struct gn__system_request base; /* first */
    struct gn_egress_dial *request;
    const struct gn__system *system;
    struct permit permit;
    struct gn__io *io;
    struct gn__io_watch watch;
    struct gn__io_timer timer;
    struct gn__io_end end;
    int fd;
};

/* ---- attempts ---- */

/* Leaves the descriptor open. */
static void attempt_free(struct attempt *attempt)
{
    struct gn__io *io = attempt->io;

    gn__io_unwatch(io, &attempt->watch);
    gn__io_stop(io, &attempt->timer);
    gn__io_forget_end(&attempt->end);
    gn__io_release(io);
    gn__free(io->mem, attempt, sizeof(*attempt));
}

static void attempt_fail(struct attempt *attempt, int error)
{
    struct gn_egress_dial *request = attempt->request;
    int fd = attempt->fd;

    attempt_free(attempt);
    (void)close(fd); /* Also after an error it is closed. */
    gn_egress_dial_done(request, error, -1);
}

/* The guest is told nothing. */
static void attempt_drop(struct attempt *attempt)
{
    int fd = attempt->fd;

    gn_egress_dial_set_user(attempt->request, NULL);
    attempt_free(attempt);
    (void)close(fd); /* Also after an error it is closed. */
}

/* On one machine a port may meet itself: a connection to a free port that was
 * picked for this end, too. Nobody listens there. */
static bool is_to_itself(int fd)
{
    struct sockaddr_storage local = {0}, peer = {0};
    socklen_t local_len = sizeof(local), peer_len = sizeof(peer);

    return !getsockname(fd, (struct sockaddr *)&local, &local_len) &&
           !getpeername(fd, (struct sockaddr *)&peer, &peer_len) &&
           local_len == peer_len && !memcmp(&local, &peer, local_len);
}

/* A connection that hears nothing waits until the guest has enough. */
static int denied(const struct gn__system *system, int type)
{
    switch (system->denial) {
    case GN_DENIAL_REFUSED:
        return -ECONNREFUSED;
    case GN_DENIAL_SILENT:
        return type == SOCK_STREAM ? 0 : -ETIMEDOUT;
    default:
        return -EACCES;
    }
}

/* It came to the machine itself, where the rule does not say so: routes have
 * changed meanwhile, or the port of this end chose another. @reached: 1, or why
 * that cannot be found out. */
static int deny_late(const struct gn__system *system,
                     const struct gn_egress_dial *request,
                     const struct permit *permit, int fd, int reached)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    struct gn_audit audit = {.type = permit->type,
                             .address = (const struct sockaddr *)&peer,
                             .name = gn_egress_dial_name(request, 0),
                             .reason = "the machine's own",
                             .error = reached < 0 ? reached : 0};

    (void)getpeername(fd, (struct sockaddr *)&peer, &len);
    gn__system_audit(system, gn_egress_dial_namespace(request), permit->rule,
                     &audit);
    return reached < 0 ? reached : denied(system, permit->type);
}

/* The kernel has connected @fd. True: it may be used; else *@err is how the
 * dial ends, 0: not yet. */
static bool may_be_used(const struct gn__system *system,
                        const struct gn_egress_dial *request,
                        const struct permit *permit, int fd, int *err)
{
    bool stream = permit->type == SOCK_STREAM;
    int reached;

    *err = -ECONNREFUSED;
    if (stream && is_to_itself(fd))
        return false;
    if (permit->opens_own)
        return true;
    reached = gn__machine_reached(fd, stream ? IPPROTO_TCP : IPPROTO_UDP);
    if (!reached)
        return true;
    *err = deny_late(system, request, permit, fd, reached);
    return false;
}

static int socket_error(int fd)
{
    socklen_t len = sizeof(int);
    int error = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
        error = errno;
    return -error;
}

static void attempt_ready(struct gn__io_watch *watch, short revents)
{
    struct attempt *attempt = gn__container_of(watch, struct attempt, watch);
    struct gn_egress_dial *request = attempt->request;
    int fd = attempt->fd;
    int err;

    if (!(revents & (POLLOUT | POLLERR | POLLHUP)))
        return;
    err = socket_error(fd);
    if (!err &&
        may_be_used(attempt->system, request, &attempt->permit, fd, &err)) {
        attempt_free(attempt);
        gn_egress_dial_done(request, 0, fd);
    } else if (err) {
        attempt_fail(attempt, err);
    } else {
        attempt_drop(attempt);
    }
}

static void attempt_late(struct gn__io_timer *timer)
{
    attempt_fail(gn__container_of(timer, struct attempt, timer), -ETIMEDOUT);
}

static void attempt_end(struct gn__io_end *end)
{
    attempt_fail(gn__container_of(end, struct attempt, end), -ECANCELED);
}

static void attempt_cancel(struct gn__system_request *request)
{
    struct attempt *attempt = (struct attempt *)(void *)request;
    int fd = attempt->fd;

    attempt_free(attempt);
    (void)close(fd); /* Also after an error it is closed. */
}

/* Consumes the descriptor, also when it fails. */
static int attempt_begin(const struct gn__system *system,
                         struct gn_egress_dial *request,
                         const struct permit *permit, int fd)
{
    struct gn_network *net =
        gn__namespace_network(gn_egress_dial_namespace(request));
    struct gn__io *io = net ? gn__network_io(net) : NULL;
    struct attempt *attempt = io ? gn__zalloc(io->mem, sizeof(*attempt)) : NULL;
    int err = -ENOMEM;

    if (!attempt)
        goto undo_fd;
    attempt->base.cancel = attempt_cancel;
    attempt->request = request;
    attempt->system = system;
    attempt->permit = *permit;
    attempt->io = io;
    attempt->fd = fd;
    attempt->watch.ready = attempt_ready;
    attempt->watch.account = gn__egress_account(request);
    attempt->timer.fire = attempt_late;
    attempt->timer.account = gn__egress_account(request);
    attempt->end.run = attempt_end;
    err = gn__io_watch(io, &attempt->watch, fd, POLLOUT);
    if (err)
        goto undo_alloc;
    gn__io_at_end(io, &attempt->end);
    gn__io_hold(io);
    if (system->timeout_ns)
        gn__io_start(io, &attempt->timer, gn__io_now(io) + system->timeout_ns);
    gn_egress_dial_set_user(request, attempt);
    return 0;

undo_alloc:
    gn__free(io->mem, attempt, sizeof(*attempt));
undo_fd:
    (void)close(fd); /* Also after an error it is closed. */
    return err;
}

/* A socket that is connecting or connected; -errno of socket(2). */
static int open_socket(const struct permit *permit,
                       const struct sockaddr *address, int *err)
{
    bool v6 = address->sa_family == AF_INET6;
    int on = 1, fd = socket(address->sa_family,
                            permit->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    *err = 0;
    if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
        *err = -errno;
    if (!*err &&
        connect(fd, address,
                v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)))
        *err = -errno;
    return fd;
}

static int connect_out(const struct gn__system *system,
                       struct gn_egress_dial *request,
                       const struct permit *permit,
                       const struct sockaddr *address)
{
    int fd, err = gn__egress_charge(request);

    if (err)
        return err;
    fd = open_socket(permit, address, &err);
    if (fd < 0)
        return fd;
    if (err == -EINPROGRESS)
        return attempt_begin(system, request, permit, fd);
    if (!err && may_be_used(system, request, permit, fd, &err)) {
        gn_egress_dial_done(request, 0, fd);
        return 0;
    }
    (void)close(fd); /* Also after an error it is closed. */
    return err;
}

/* ---- judging ---- */

void gn__system_audit(const struct gn__system *system, struct gn_namespace *ns,
                      size_t rule, struct gn_audit *audit)
{
    char name[128] = "";

    if (!system->audit)
        return;
    if (gn_namespace_hostname(ns, name, sizeof(name)))
        name[0] = '\0'; /* Cannot be: it fits. */
    audit->guest = ns;
    audit->guest_name = name;
    audit->rule = rule == GN__NO_RULE ? -1 : (int)rule;
    audit->rule_text =
        rule == GN__NO_RULE ? "" : system->policy.rules[rule].text;
    system->audit(audit, system->audit_arg);
}

/* How the routing table is asked, and why it could not say; or 0. */
struct own_ask {
    struct gn__route_ask route;
    int error;
};

/* What is not known counts as its own. */
static bool is_own(const struct gn__addr *addr, void *arg)
{
    struct own_ask *ask = arg;
    int has;

    ask->route.to.addr = *addr;
    has = gn__machine_has(&ask->route);
    if (has < 0)
        ask->error = has;
    return has != 0;
}

/* Is it allowed? If not, *@out is what its operation returns. */
static bool judge(const struct gn__system *system,
                  const struct gn_egress_dial *request,
                  const struct sockaddr *address, struct permit *permit,
                  int *out)
{
    bool stream = permit->type == SOCK_STREAM;
    struct gn__name names[GN__NAMES_PER_ADDR];
    struct gn__policy_answer answer;
    struct own_ask own = {.route.protocol = stream ? IPPROTO_TCP : IPPROTO_UDP};
    struct gn__policy_ask ask = {.proto = stream ? GN__RULE_TCP : GN__RULE_UDP,
                                 .names = names,
                                 .is_own = is_own,
                                 .arg = &own};
    struct gn__endpoint to;
    struct gn_audit audit;
    const char *name;

    *out = denied(system, permit->type);
    if (gn__endpoint_from_sockaddr(address, sizeof(struct sockaddr_in6),
                                   AF_UNSPEC, &to))
        return false;
    own.route.to = to;
    ask.addr = to.addr;
    ask.port = to.port;
    while ((name = gn_egress_dial_name(request, ask.n_names)))
        (void)snprintf(names[ask.n_names++].text, sizeof(names[0].text), "%s",
                       name);
    gn__policy_decide(&system->policy, &ask, &answer);
    permit->rule = answer.rule;
    permit->opens_own = answer.opens_own;
    if (own.error && !answer.allowed)
        *out = own.error; /* It may be allowed another time. */
    audit = (struct gn_audit){
        .type = permit->type,
        .address = address,
        .name = answer.name ? answer.name : gn_egress_dial_name(request, 0),
        .allowed = answer.allowed,
        .reason = answer.reason,
        .error = answer.allowed ? 0 : own.error};
    gn__system_audit(system, gn_egress_dial_namespace(request), answer.rule,
                     &audit);
    return answer.allowed;
}

/* ---- operations ---- */

static int system_dial(void *self, struct gn_egress_dial *request, int family,
                       int type, const struct sockaddr *address,
                       const char *looked_up_name)
{
    const struct gn__system *system = self;
    struct permit permit = {.type = type};
    int err;

    (void)family;
    (void)looked_up_name;
    if (!judge(system, request, address, &permit, &err))
        return err;
    return connect_out(system, request, &permit, address);
}

static void system_close(void *self)
{
    struct gn__system *system = self;
    struct gn__mem mem = system->mem;

    gn__policy_done(&system->policy);
    gn__free(&mem, system, sizeof(*system));
}

static void system_cancel(void *self, void *request)
{
    struct gn__request *common = request;
    struct gn__system_request *own = common->user;

    (void)self;
    if (own)
        own->cancel(own);
}

static const struct gn_egress_ops system_ops = {
    .name = "system",
    .dial = system_dial,
    .listen = gn__show_listen,
    .listen_packet = gn__show_listen_packet,
    .cancel = system_cancel,
    .close = system_close,
};

static int system_create(const struct gn_policy *policy,
                         struct gn__system **out)
{
    struct gn__system *system;
    struct gn__mem mem;
    int err;

    gn__mem_init(&mem, policy->alloc);
    system = gn__zalloc(&mem, sizeof(*system));
    if (!system)
        return -ENOMEM;
    system->mem = mem;
    err = gn__policy_init(&system->policy, &system->mem, policy->rules,
                          policy->why, policy->why_len);
    if (err) {
        gn__free(&mem, system, sizeof(*system));
        return err;
    }
    system->denial = policy->denial;
    system->timeout_ns = policy->connect_timeout_ms * MS;
    system->audit = policy->audit;
    system->audit_arg = policy->audit_arg;
    *out = system;
    return 0;
}

int gn_egress_system(const struct gn_policy *policy, struct gn_egress **out)
{
    static const struct gn_policy nothing = {.size = sizeof(nothing)};
    struct gn__system *system;
    int err;

    if (!policy)
        policy = &nothing;
    if (!out || !gn__config_is_known(policy, policy->size, sizeof(*policy)))
        return -EINVAL; /* Not even `why` may be believed. */
    if ((unsigned)policy->denial >= GN_N_DENIALS)
        return gn__why(policy->why, policy->why_len, "denial: no such one");
    err = system_create(policy, &system);
    if (err)
        return err;
    err = gn__egress_create(&system_ops, system, &system->mem, out);
    if (err)
        system_close(system);
    return err;
}
