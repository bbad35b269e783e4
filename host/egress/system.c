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

/** A connection that the kernel is at, and then its TLS handshake. */
struct dialling {
    struct gn__system_request base; /* first */
    struct gn__attempt attempt;
    struct gn__secure secure;
    struct gn_egress_dial *request;
    struct gn__io *io;
    struct gn__pass *pass; /* the request's */
    int fd;
};

/* It came to the machine itself, where the rule does not say so: routes have
 * changed meanwhile, or the port of this end chose another. @reached: 1, or why
 * that cannot be found out. */
static int deny_late(const struct gn__pass *pass, int fd, int reached)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    struct gn_audit audit = {.type = pass->type,
                             .address = (const struct sockaddr *)&peer,
                             .name = pass->n_names ? pass->names[0].text : NULL,
                             .reason = "the machine's own",
                             .error = reached < 0 ? reached : 0};

    (void)getpeername(fd, (struct sockaddr *)&peer, &len);
    gn__system_audit(pass->system, pass->guest, pass->rules, pass->rule,
                     &audit);
    return reached < 0 ? reached : gn__denied(pass->system, pass->type);
}

/* The kernel has connected @fd. True: it may be used; else *@err is how the
 * dial ends, 0: not yet. */
static bool may_be_used(const struct gn__pass *pass, int fd, int *err)
{
    int reached;

    if (pass->opens_own)
        return true;
    reached = gn__machine_reached(fd, gn__pass_protocol(pass));
    if (!reached)
        return true;
    *err = deny_late(pass, fd, reached);
    return false;
}

/* ---- connecting ---- */

static void dialling_free(struct dialling *dialling)
{
    gn__attempt_stop(&dialling->attempt);
    gn__secure_stop(&dialling->secure);
    gn__pass_set_cut(dialling->pass, NULL, NULL);
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

/* Rules deny it meanwhile. */
static void dialling_cut(void *owner, int error)
{
    dialling_end(owner, error);
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
static void tell_failure(const struct gn__pass *pass,
                         const struct sockaddr *address, int error,
                         const char *reason)
{
    char at[GN_ADDR_TEXT_MAX] = "";
    struct gn_audit audit = {.type = pass->type,
                             .address = address,
                             .name = pass->n_names ? pass->names[0].text : NULL,
                             .reason = reason,
                             .error = error};

    gn__system_audit(pass->system, pass->guest, pass->rules, pass->rule,
                     &audit);
    if (!gn_addr_format(address, at, sizeof(at)))
        gn__guest_log(
            pass->guest, GN_LOG_WARN, GN__LOG_FAILED, "%s with %s: %s",
            pass->type == SOCK_STREAM ? "tls" : gn__type_name(pass->type), at,
            reason);
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
        tell_failure(dialling->pass, (struct sockaddr *)&peer, status,
                     status == -ETIMEDOUT ? "the TLS handshake never ended"
                                          : gn__tls_reason(secure->tls));
    dialling_end(dialling, status);
}

/* An egress may serve networks of several driving threads: the first that loads
 * it has loaded it for all. */
static int load_trust(struct gn__system *system, struct gn__tls_trust **out)
{
    struct gn__tls_trust *loaded, *before = NULL;
    int err;

    *out = atomic_load(&system->trust);
    if (*out)
        return 0;
    err = gn__tls_trust_create(&system->mem, NULL, NULL, 0, &loaded);
    if (err)
        return err;
    *out = loaded;
    if (!atomic_compare_exchange_strong(&system->trust, &before, loaded)) {
        gn__tls_trust_unref(loaded);
        *out = before;
    }
    return 0;
}

static int secure_begin(struct dialling *dialling)
{
    struct gn__system *system = dialling->pass->system;
    struct gn__tls_trust *trust;
    struct gn__tls *tls;
    int err = load_trust(system, &trust);

    if (!err)
        err = gn__tls_create(trust, dialling->pass->guest, dialling->fd,
                             dialling->pass->server.text, &tls);
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

    if (!may_be_used(dialling->pass, dialling->fd, &err)) {
        dialling_end(dialling, err);
    } else if (!dialling->pass->server.text[0]) {
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

static struct dialling *dialling_create(struct gn_egress_dial *request,
                                        struct gn__pass *pass,
                                        struct gn_network *net)
{
    struct gn__io *io = net ? gn__network_io(net) : NULL;
    struct dialling *dialling =
        io ? gn__zalloc(io->mem, sizeof(*dialling)) : NULL;

    if (!dialling)
        return NULL;
    dialling->base.cancel = dialling_cancel;
    dialling->request = request;
    dialling->io = io;
    dialling->pass = pass;
    gn__pass_set_cut(pass, dialling_cut, dialling);
    dialling->fd = -1;
    return dialling;
}

/* 0: it is under way, or over. */
static int dialling_start(struct dialling *dialling,
                          const struct sockaddr *address)
{
    int err = gn__attempt_open(dialling->pass->type, address, &dialling->fd);

    if (err == -EACCES && dialling->pass->type == SOCK_RAW)
        tell_failure(dialling->pass, address, err,
                     "this machine allows no ping sockets: sysctl "
                     "net.ipv4.ping_group_range");
    if (err && err != -EINPROGRESS)
        return err;
    gn_egress_dial_set_user(dialling->request, dialling);
    if (!err) {
        dialling_connected(dialling);
        return 0;
    }
    err = gn__attempt_start(&dialling->attempt, dialling->io, dialling->fd,
                            dialling->pass->system->timeout_ns,
                            gn__egress_guest(dialling->request)->account,
                            attempt_done);
    if (err)
        dialling_end(dialling, err);
    return 0;
}

static int connect_out(struct gn_egress_dial *request, struct gn__pass *pass,
                       const struct sockaddr *address)
{
    struct gn_network *net = gn__guest_network(gn__egress_guest(request));
    struct dialling *dialling;
    int err = gn__egress_charge(request);

    if (!err && net && !gn__network_has_descriptors(net))
        err = -ENOTSUP; /* Before the far end hears of it. */
    if (err)
        return err;
    dialling = dialling_create(request, pass, net);
    if (!dialling)
        return -ENOMEM;
    err = dialling_start(dialling, address);
    if (err)
        dialling_free(dialling);
    return err;
}

void gn__system_audit(const struct gn__system *system, struct gn__guest *guest,
                      const struct gn__rules *rules, size_t rule,
                      struct gn_audit *audit)
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
        rule == GN__NO_RULE ? "" : rules->policy.rules[rule].text;
    system->audit(audit, system->audit_arg);
}

/* ---- operations ---- */

static int system_dial(void *self, struct gn_egress_dial *request, int family,
                       int type, const struct sockaddr *address,
                       const char *looked_up_name)
{
    struct gn__pass *pass = NULL;
    int err;

    (void)family;
    (void)looked_up_name;
    err = gn__pass_dial(self, request, type, address, &pass);
    if (err || !pass)
        return err;
    gn__egress_dial_allow(request, pass);
    if (type == SOCK_STREAM &&
        gn__secure_name(&pass->rules->policy.rules[pass->rule], request,
                        address, &pass->server) == -EACCES) {
        tell_failure(pass, address, 0, "the rule is not for this server name");
        return gn__denied(pass->system, type);
    }
    return connect_out(request, pass, address);
}

static void system_close(void *self)
{
    struct gn__system *system = self;
    struct gn__mem mem = system->mem;

    gn__tls_trust_unref(system->trust);
    gn__rulebook_done(&system->book);
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
    struct gn__tls_trust *trust = NULL;
    struct gn__rules *rules = NULL;
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
                                   policy->why_len, &trust);
    if (!err)
        err = gn__rules_create(&mem, policy->rules, policy->why,
                               policy->why_len, &rules);
    if (err) {
        gn__tls_trust_unref(trust);
        gn__free(&mem, system, sizeof(*system));
        return err;
    }
    atomic_init(&system->trust, trust);
    gn__rulebook_init(&system->book, rules);
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
    if (err) {
        system_close(system);
        return err;
    }
    system->egress = gn__egress_of((*out)->outside);
    system->egress->speaks_tls = true;
    system->egress->pings = true;
    return 0;
}

int gn_egress_set_rules(struct gn_egress *egress, const char *const *rules,
                        unsigned flags, char *why, size_t why_len)
{
    struct gn__egress *self = egress ? gn__egress_of(egress->outside) : NULL;
    struct gn__system *system;
    struct gn__rules *own;
    int err;

    if (!self)
        return -EINVAL;
    if (self->ops.dial != system_dial)
        return -ENOTSUP;
    if (flags & ~GN_RULES_END)
        return gn__text_refuse(why, why_len, "flags: no such one");
    system = self->self;
    err = gn__rules_create(&system->mem, rules, why, why_len, &own);
    if (!err)
        gn__rulebook_change(&system->book, own, flags & GN_RULES_END);
    return err;
}
