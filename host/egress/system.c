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
#include "base/text.h"
#include "host/forward/forward.h"

#define MS 1000000ull

/** What a rule has allowed. */
struct permit {
    int type;
    size_t rule;
    bool opens_own; /* it may come to the machine itself */
};

/** A connection that the kernel is at. */
struct dialling {
    struct gn__system_request base; /* first */
    struct gn__attempt attempt;
    struct gn_egress_dial *request;
    const struct gn__system *system;
    const struct gn__mem *mem;
    struct permit permit;
};

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
    gn__system_audit(system, gn__egress_guest(request), permit->rule, &audit);
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

    if (permit->opens_own)
        return true;
    reached = gn__machine_reached(fd, stream ? IPPROTO_TCP : IPPROTO_UDP);
    if (!reached)
        return true;
    *err = deny_late(system, request, permit, fd, reached);
    return false;
}

/* ---- connecting ---- */

static void dialling_free(struct dialling *dialling)
{
    gn__attempt_stop(&dialling->attempt);
    gn__free(dialling->mem, dialling, sizeof(*dialling));
}

static void dialling_done(struct gn__attempt *attempt, int status)
{
    struct dialling *dialling =
        gn__container_of(attempt, struct dialling, attempt);
    struct gn_egress_dial *request = dialling->request;
    int fd = attempt->fd;
    bool used = !status && may_be_used(dialling->system, request,
                                       &dialling->permit, fd, &status);

    gn_egress_dial_set_user(request, NULL);
    dialling_free(dialling);
    if (used) {
        gn_egress_dial_done(request, 0, fd);
        return;
    }
    (void)close(fd); /* Also after an error it is closed. */
    if (status)
        gn_egress_dial_done(request, status, -1);
}

static void dialling_cancel(struct gn__system_request *request)
{
    struct dialling *dialling = (struct dialling *)(void *)request;
    int fd = dialling->attempt.fd;

    dialling_free(dialling);
    (void)close(fd); /* Also after an error it is closed. */
}

/* Leaves the descriptor open when it fails. */
static int dialling_begin(const struct gn__system *system,
                          struct gn_egress_dial *request,
                          const struct permit *permit, int fd)
{
    struct gn_network *net = gn__guest_network(gn__egress_guest(request));
    struct gn__io *io = net ? gn__network_io(net) : NULL;
    struct dialling *dialling =
        io ? gn__zalloc(io->mem, sizeof(*dialling)) : NULL;
    int err;

    if (!dialling)
        return -ENOMEM;
    dialling->base.cancel = dialling_cancel;
    dialling->request = request;
    dialling->system = system;
    dialling->mem = io->mem;
    dialling->permit = *permit;
    err = gn__attempt_start(&dialling->attempt, io, fd, system->timeout_ns,
                            gn__egress_guest(request)->account, dialling_done);
    if (err)
        dialling_free(dialling);
    else
        gn_egress_dial_set_user(request, dialling);
    return err;
}

static int connect_out(const struct gn__system *system,
                       struct gn_egress_dial *request,
                       const struct permit *permit,
                       const struct sockaddr *address)
{
    struct gn_network *net = gn__guest_network(gn__egress_guest(request));
    int fd, err = gn__egress_charge(request);

    if (!err && net && !gn__network_has_descriptors(net))
        err = -ENOTSUP; /* Before the far end hears of it. */
    if (err)
        return err;
    err = gn__attempt_open(permit->type, address, &fd);
    if (err == -EINPROGRESS) {
        err = dialling_begin(system, request, permit, fd);
        if (!err)
            return 0;
    } else if (err) {
        return err;
    } else if (may_be_used(system, request, permit, fd, &err)) {
        gn_egress_dial_done(request, 0, fd);
        return 0;
    }
    (void)close(fd); /* Also after an error it is closed. */
    return err;
}

/* ---- judging ---- */

void gn__system_audit(const struct gn__system *system, struct gn__guest *guest,
                      size_t rule, struct gn_audit *audit)
{
    char name[128] = "";

    if (!system->audit)
        return;
    gn__engine_enter(guest->engine);
    gn__guest_hostname(guest, name, sizeof(name));
    gn__engine_leave(guest->engine);
    audit->guest = guest->ns;
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
    gn__system_audit(system, gn__egress_guest(request), answer.rule, &audit);
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
        return gn__text_refuse(policy->why, policy->why_len,
                               "denial: no such one");
    err = system_create(policy, &system);
    if (err)
        return err;
    err = gn__egress_create(&system_ops, system, &system->mem, out);
    if (err)
        system_close(system);
    return err;
}
