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
/** Of a handshake, where the policy has no time of its own. */
#define HANDSHAKE_NS (30 * 1000 * MS)

/** What a rule has allowed. */
struct permit {
    int type;
    size_t rule;
    bool opens_own; /* it may come to the machine itself */
};

/** A connection that the kernel is at, and then its TLS handshake. */
struct dialling {
    struct gn__system_request base; /* first */
    struct gn__attempt attempt;
    struct gn__secure secure;
    struct gn_egress_dial *request;
    struct gn__system *system;
    struct gn__io *io;
    struct permit permit;
    int fd;
    struct gn__name server; /* to speak TLS with; "": plain */
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
    gn__secure_stop(&dialling->secure);
    gn__free(dialling->io->mem, dialling, sizeof(*dialling));
}

/* @status 0: it is dropped, and the guest hears nothing. */
static void dialling_end(struct dialling *dialling, int status)
{
    struct gn_egress_dial *request = dialling->request;
    int fd = dialling->fd;

    gn_egress_dial_set_user(request, NULL);
    dialling_free(dialling);
    (void)close(fd); /* Also after an error it is closed. */
    if (status)
        gn_egress_dial_done(request, status, -1);
}

static void dialling_succeed(struct dialling *dialling, struct gn__tls *tls)
{
    struct gn_egress_dial *request = dialling->request;
    int fd = dialling->fd;

    gn_egress_dial_set_user(request, NULL);
    dialling_free(dialling);
    gn__egress_dial_secured(request, fd, tls);
}

/* ---- TLS ---- */

/* It fails after it was allowed. */
static void tell_failure(const struct gn__system *system,
                         const struct gn_egress_dial *request,
                         const struct permit *permit,
                         const struct sockaddr *address, int error,
                         const char *reason)
{
    char at[GN_ADDR_TEXT_MAX] = "";
    struct gn_audit audit = {.type = permit->type,
                             .address = address,
                             .name = gn_egress_dial_name(request, 0),
                             .reason = reason,
                             .error = error};

    gn__system_audit(system, gn__egress_guest(request), permit->rule, &audit);
    if (!gn_addr_format(address, at, sizeof(at)))
        gn__guest_log(gn__egress_guest(request), GN_LOG_WARN, GN__LOG_FAILED,
                      "tls with %s: %s", at, reason);
}

static void secure_done(struct gn__secure *secure, int status)
{
    struct dialling *dialling =
        gn__container_of(secure, struct dialling, secure);
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);

    if (!status) {
        dialling_succeed(dialling, secure->tls);
        return;
    }
    (void)getpeername(dialling->fd, (struct sockaddr *)&peer, &len);
    if (status != -ECANCELED)
        tell_failure(dialling->system, dialling->request, &dialling->permit,
                     (struct sockaddr *)&peer, status,
                     status == -ETIMEDOUT ? "the TLS handshake never ended"
                                          : gn__tls_reason(secure->tls));
    dialling_end(dialling, status);
}

static int load_trust(struct gn__system *system)
{
    return system->trust ? 0
                         : gn__tls_trust_create(&system->mem, NULL, NULL, 0,
                                                &system->trust);
}

static int secure_begin(struct dialling *dialling)
{
    struct gn__system *system = dialling->system;
    struct gn__tls *tls;
    int err = load_trust(system);

    if (!err)
        err = gn__tls_create(system->trust, dialling->fd, dialling->server.text,
                             &tls);
    if (err)
        return err;
    dialling->secure.done = secure_done;
    return gn__secure_start(&dialling->secure, dialling->io, tls, dialling->fd,
                            system->timeout_ns ? system->timeout_ns
                                               : HANDSHAKE_NS,
                            gn__egress_guest(dialling->request)->account);
}

/* ---- connected ---- */

static void dialling_connected(struct dialling *dialling)
{
    int err = 0;

    if (!may_be_used(dialling->system, dialling->request, &dialling->permit,
                     dialling->fd, &err)) {
        dialling_end(dialling, err);
    } else if (!dialling->server.text[0]) {
        dialling_succeed(dialling, NULL);
    } else {
        err = secure_begin(dialling);
        if (err)
            dialling_end(dialling, err);
    }
}

static void attempt_done(struct gn__attempt *attempt, int status)
{
    struct dialling *dialling =
        gn__container_of(attempt, struct dialling, attempt);

    if (status)
        dialling_end(dialling, status);
    else
        dialling_connected(dialling);
}

static void dialling_cancel(struct gn__system_request *request)
{
    struct dialling *dialling = (struct dialling *)(void *)request;
    int fd = dialling->fd;

    dialling_free(dialling);
    (void)close(fd); /* Also after an error it is closed. */
}

static struct dialling *dialling_create(struct gn__system *system,
                                        struct gn_egress_dial *request,
                                        const struct permit *permit,
                                        struct gn_network *net)
{
    struct gn__io *io = net ? gn__network_io(net) : NULL;
    struct dialling *dialling =
        io ? gn__zalloc(io->mem, sizeof(*dialling)) : NULL;

    if (!dialling)
        return NULL;
    dialling->base.cancel = dialling_cancel;
    dialling->request = request;
    dialling->system = system;
    dialling->io = io;
    dialling->permit = *permit;
    dialling->fd = -1;
    return dialling;
}

/* 0: it is under way, or over. */
static int dialling_start(struct dialling *dialling,
                          const struct sockaddr *address)
{
    int err = gn__attempt_open(dialling->permit.type, address, &dialling->fd);

    if (err && err != -EINPROGRESS)
        return err;
    gn_egress_dial_set_user(dialling->request, dialling);
    if (!err) {
        dialling_connected(dialling);
        return 0;
    }
    err = gn__attempt_start(&dialling->attempt, dialling->io, dialling->fd,
                            dialling->system->timeout_ns,
                            gn__egress_guest(dialling->request)->account,
                            attempt_done);
    if (err)
        dialling_end(dialling, err);
    return 0;
}

/* @server: to speak TLS with; "": plain. */
static int connect_out(struct gn__system *system,
                       struct gn_egress_dial *request,
                       const struct permit *permit,
                       const struct sockaddr *address,
                       const struct gn__name *server)
{
    struct gn_network *net = gn__guest_network(gn__egress_guest(request));
    struct dialling *dialling;
    int err = gn__egress_charge(request);

    if (!err && net && !gn__network_has_descriptors(net))
        err = -ENOTSUP; /* Before the far end hears of it. */
    if (err)
        return err;
    dialling = dialling_create(system, request, permit, net);
    if (!dialling)
        return -ENOMEM;
    dialling->server = *server;
    err = dialling_start(dialling, address);
    if (err)
        dialling_free(dialling);
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
    struct gn__system *system = self;
    struct permit permit = {.type = type};
    struct gn__name server = {.text = ""};
    int err;

    (void)family;
    (void)looked_up_name;
    if (!judge(system, request, address, &permit, &err))
        return err;
    if (type == SOCK_STREAM &&
        gn__secure_name(&system->policy.rules[permit.rule], request, address,
                        &server) == -EACCES) {
        tell_failure(system, request, &permit, address, 0,
                     "the rule is not for this server name");
        return denied(system, type);
    }
    return connect_out(system, request, &permit, address, &server);
}

static void system_close(void *self)
{
    struct gn__system *system = self;
    struct gn__mem mem = system->mem;

    gn__tls_trust_unref(system->trust);
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
    int err = 0;

    gn__mem_init(&mem, policy->alloc);
    system = gn__zalloc(&mem, sizeof(*system));
    if (!system)
        return -ENOMEM;
    system->mem = mem;
    if (policy->tls_ca_file)
        err = gn__tls_trust_create(&mem, policy->tls_ca_file, policy->why,
                                   policy->why_len, &system->trust);
    if (!err)
        err = gn__policy_init(&system->policy, &system->mem, policy->rules,
                              policy->why, policy->why_len);
    if (err) {
        gn__tls_trust_unref(system->trust);
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
    else
        gn__egress_of((*out)->outside)->speaks_tls = true;
    return err;
}
