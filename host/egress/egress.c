/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The life of an egress, and what its guests dial.
 *
 *     dialled --(done, from any thread)--> done --(its deferred task)--> gone
 *        |                                   |
 *        +--(the guest gives up)--> over     +--(the guest gives up)--> gone
 *                                    |
 *                                    +--(ops->cancel returned)--> gone
 *
 *   dialled  the egress has it.
 *   done     the egress has let go of it. A deferred task gives the guest what
 *            it was given.
 *   over     only while ops->cancel runs: another thread may still say that it
 *            is done, which changes nothing any more.
 *
 * A thread that says that a dial is done never waits: an egress may hold a lock
 * of its own then, which it takes in cancel(), too.
 */
#include "host/egress/egress.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <guestnet/addr.h>
#include <guestnet/error.h>

#include "base/fd.h"
#include "host/forward/forward.h"

struct gn_egress_dial {
    struct gn__request base; /* first */
    struct gn__egress *egress;
    struct gn__engine *engine; /* a reference */
    struct gn__outside_dial *dial;
    struct gn__pass *pass; /* NULL: no rules have a say */
    struct sockaddr_storage address;
    struct gn__deferred deferred;
    bool done;
    bool over;
    int status;
    int fd;
    struct gn__tls *tls;       /* over fd; NULL: plain */
    struct gn__fd_share share; /* for fd, or what is to become one */
    size_t n_names;
    struct gn__name names[];
};

static size_t size_of(const struct gn_egress_dial *request)
{
    return sizeof(*request) + request->n_names * sizeof(request->names[0]);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* Also after an error it is closed. */
}

/* ---- the end of a dial ---- */

static void request_free(struct gn_egress_dial *request)
{
    struct gn__engine *engine = request->engine;

    gn__tls_free(request->tls);
    gn__pass_end(request->pass);
    gn__fds_give(&request->share);
    gn__free(&engine->net.mem, request, size_of(request));
    gn__engine_unref(engine);
}

int gn__egress_charge(struct gn_egress_dial *request)
{
    return gn__attempt_charge(request->dial, &request->share);
}

void gn__egress_dial_allow(struct gn_egress_dial *request,
                           struct gn__pass *pass)
{
    request->pass = pass;
}

/* ---- what is open ---- */

static void outlet_over(int why, void *arg)
{
    (void)why;
    gn__pass_end(arg);
}

/* The guest's next datagram is judged anew. */
static void outlet_cut(void *outlet, int error)
{
    (void)error;
    gn__outlet_cut(outlet);
}

/* Datagrams through a kernel socket of their own. */
static void join_flow(struct gn_network *net, struct gn__outside_dial *dial,
                      int fd, struct gn__fd_share share, struct gn__pass *pass)
{
    struct gn__outlet_config config = {.io = gn__network_io(net),
                                       .dial = dial,
                                       .fd = fd,
                                       .share = share,
                                       .ended = outlet_over,
                                       .arg = pass};
    struct gn__outlet *outlet;

    if (!config.io) {
        close_fd(fd);
        gn__fds_give(&share);
        gn__outside_refuse(dial, -ENOMEM);
        gn__pass_end(pass);
    } else if (gn__outlet_start(&config, &outlet)) {
        gn__pass_end(pass); /* The guest was told. */
    } else if (pass) {
        gn__pass_open(pass, outlet_cut, outlet);
    }
}

static void relay_over(int status, void *arg)
{
    (void)status;
    gn__pass_end(arg);
}

static void relay_cut(void *relay, int error)
{
    (void)error;
    gn__relay_cut(relay);
}

void gn__egress_relay_open(struct gn__pass *pass, struct gn__relay *relay)
{
    if (pass)
        gn__pass_open(pass, relay_cut, relay);
}

static void join_stream(struct gn_network *net, struct gn__outside_dial *dial,
                        int fd, struct gn__fd_share share, struct gn__tls *tls,
                        struct gn__pass *pass)
{
    struct gn__relay_config config = {.io = gn__network_io(net),
                                      .fd = fd,
                                      .transport =
                                          tls ? &gn__tls_transport : NULL,
                                      .transport_self = tls,
                                      .share = share,
                                      .ended = relay_over,
                                      .arg = pass};
    struct gn__relay *relay;
    int err = config.io ? 0 : -ENOMEM;

    if (err)
        gn__outside_refuse(dial, err);
    else
        err = gn__outside_accept(dial, &config.sock);
    if (err) {
        gn__tls_free(tls);
        close_fd(fd);
        gn__fds_give(&share);
        gn__pass_end(pass);
    } else if (gn__relay_start(&config, &relay)) {
        gn__pass_end(pass); /* It was reset. */
    } else {
        gn__egress_relay_open(pass, relay);
    }
}

/* What is logged about a dial that ends so: NULL, nothing. If the far end of a
 * stream refuses or does not answer, connect() says so; a sender of datagrams
 * hears of that only if its socket is connected. */
static const char *outcome_of(const struct gn_egress_dial *request, int status,
                              enum gn_log_level *level, enum gn__log_kind *kind)
{
    *level = GN_LOG_INFO;
    *kind = GN__LOG_DENIED;
    switch (status) {
    case 0:
    case -ECANCELED:
    case -EPROTO: /* It was logged with its reason. */
        return NULL;
    case -EACCES:
    case -EPERM:
        return "its egress denies";
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -ETIMEDOUT:
        return request->dial->type == SOCK_STREAM
                   ? NULL
                   : "its datagrams do not reach";
    default:
        *level = GN_LOG_WARN;
        *kind = GN__LOG_FAILED;
        return "its egress failed to dial";
    }
}

static void log_outcome(const struct gn_egress_dial *request, int status)
{
    enum gn_log_level level;
    enum gn__log_kind kind;
    const char *what = outcome_of(request, status, &level, &kind);
    char to[GN_ADDR_TEXT_MAX] = "";

    if (!what || gn_addr_format((const struct sockaddr *)&request->address, to,
                                sizeof(to)))
        return;
    gn__guest_log(request->dial->who, level, kind, "%s %s %s: %s", what,
                  gn__type_name(request->dial->type), to, gn_strerror(status));
}

/* How it ends, if it could end well. */
static int check_done(const struct gn_egress_dial *request)
{
    int error;

    if (request->status || !request->pass)
        return request->status;
    gn__pass_refresh(request->pass);
    if (!request->pass->denied)
        return 0;
    error = gn__denied(request->pass->system, request->dial->type);
    return error ? error : -ETIMEDOUT;
}

static void egress_finish(struct gn__deferred *deferred)
{
    struct gn_egress_dial *request =
        gn__container_of(deferred, struct gn_egress_dial, deferred);
    struct gn__outside_dial *dial = request->dial;
    struct gn_network *net = gn__guest_network(dial->who);
    int status = check_done(request), fd = request->fd;
    struct gn__pass *pass = request->pass;
    struct gn__tls *tls = request->tls;
    struct gn__fd_share share;

    log_outcome(request, status);
    if (!status && !net)
        status = -ECANCELED;
    if (!status)
        status = gn__egress_charge(request);
    share = gn__fds_pass(&request->share);
    request->tls = NULL;
    request->pass = NULL;
    request_free(request);
    if (status) {
        gn__tls_free(tls);
        close_fd(fd);
        gn__fds_give(&share);
        gn__outside_refuse(dial, status);
        gn__pass_end(pass);
    } else if (dial->type == SOCK_STREAM) {
        join_stream(net, dial, fd, share, tls, pass);
    } else {
        join_flow(net, dial, fd, share, pass);
    }
}

static void dial_done(struct gn_egress_dial *request, int status, int fd)
{
    struct gn__engine *engine = request->engine;
    bool taken;

    gn__engine_ref(engine); /* The request may be gone when we leave. */
    gn__engine_enter(engine);
    taken = !request->done && !request->over;
    if (taken) {
        request->done = true;
        request->status = status > 0 ? -EINVAL : status;
        request->fd = fd;
        gn__deferred_queue(engine, &request->deferred);
    }
    gn__engine_leave(engine);
    gn__engine_unref(engine);
    if (!taken)
        close_fd(fd);
}

void gn_egress_dial_done(struct gn_egress_dial *request, int status, int fd)
{
    if (!request)
        close_fd(fd);
    else
        dial_done(request, status ? status : gn__fd_prepare(fd), fd);
}

const char *gn__egress_tls_name(const struct gn_egress_dial *request)
{
    return request->dial->tls_name;
}

void gn__egress_dial_secured(struct gn_egress_dial *request, int fd,
                             struct gn__tls *tls)
{
    request->tls = tls; /* Freed with it, whatever happens. */
    dial_done(request, 0, fd);
}

static void dial_cancel(struct gn__outside *outside,
                        struct gn__outside_dial *dial)
{
    struct gn__egress *egress = gn__egress_of(outside);
    struct gn_egress_dial *request = dial->user;
    bool done;

    gn__engine_enter(request->engine);
    done = request->done;
    request->over = true;
    gn__deferred_cancel(request->engine, &request->deferred);
    gn__engine_leave(request->engine);
    if (done)
        close_fd(request->fd);
    else if (egress->ops.cancel)
        egress->ops.cancel(egress->self, request);
    request_free(request);
}

/* ---- its beginning ---- */

/* The gateway's own address is where the machine's loopback is found. */
static struct gn__endpoint true_address(struct gn_network *net,
                                        const struct gn__endpoint *outside)
{
    struct gn__endpoint out = *outside;

    if (!gn__outside_may_be(net, &outside->addr))
        out.addr = gn__addr_loopback(gn__addr_family(&out.addr));
    return out;
}

static struct gn_egress_dial *request_create(struct gn__egress *egress,
                                             struct gn_network *net,
                                             struct gn__outside_dial *dial)
{
    struct gn__engine *engine = gn__network_engine(net);
    struct gn__endpoint address = true_address(net, &dial->outside);
    struct gn__name names[GN__NAMES_PER_ADDR];
    struct gn_egress_dial *request;
    size_t n;

    n = gn__names_of(dial->who, &address.addr, names, GN__NAMES_PER_ADDR);
    request = gn__zalloc(&engine->net.mem,
                         sizeof(*request) + n * sizeof(request->names[0]));
    if (!request)
        return NULL;
    request->egress = egress;
    request->engine = engine;
    gn__engine_ref(engine);
    request->dial = dial;
    request->fd = -1;
    request->n_names = n;
    memcpy(request->names, names, n * sizeof(names[0]));
    gn__endpoint_to_sockaddr(&address, AF_UNSPEC,
                             (struct sockaddr *)&request->address,
                             sizeof(request->address));
    request->deferred.run = egress_finish;
    request->deferred.account = dial->who->account;
    gn__list_init(&request->deferred.link);
    dial->user = request;
    return request;
}

static void egress_dial(struct gn__outside *outside,
                        struct gn__outside_dial *dial)
{
    struct gn__egress *egress = gn__egress_of(outside);
    struct gn_network *net = gn__guest_network(dial->who);
    struct gn_egress_dial *request;
    int err;

    if (!net || !egress->ops.dial) {
        gn__outside_refuse(dial, -ENETUNREACH);
        return;
    }
    if (dial->tls_name && !egress->speaks_tls) {
        gn__outside_refuse(dial, -EPROTONOSUPPORT);
        return;
    }
    if (dial->type == SOCK_RAW && !egress->pings) {
        gn__outside_refuse(dial, -EACCES);
        return;
    }
    request = request_create(egress, net, dial);
    if (!request) {
        gn__outside_refuse(dial, -ENOMEM);
        return;
    }
    err = egress->ops.dial(egress->self, request, request->address.ss_family,
                           dial->type, (struct sockaddr *)&request->address,
                           gn_egress_dial_name(request, 0));
    if (err)
        gn_egress_dial_done(request, err, -1);
}

struct gn__guest *gn__egress_guest(const struct gn_egress_dial *request)
{
    return request->dial->who;
}

struct gn_namespace *gn_egress_dial_namespace(
    const struct gn_egress_dial *request)
{
    return request ? request->dial->who->ns : NULL;
}

void gn_egress_dial_local(const struct gn_egress_dial *request,
                          struct sockaddr_storage *out)
{
    if (request && out)
        gn__endpoint_to_sockaddr(&request->dial->guest, AF_UNSPEC,
                                 (struct sockaddr *)out, sizeof(*out));
}

const char *gn_egress_dial_name(const struct gn_egress_dial *request, size_t i)
{
    return request && i < request->n_names ? request->names[i].text : NULL;
}

void gn_egress_dial_set_user(struct gn_egress_dial *request, void *user)
{
    if (request)
        request->base.user = user;
}

void *gn_egress_dial_user(const struct gn_egress_dial *request)
{
    return request ? request->base.user : NULL;
}

/* ---- an egress ---- */

void gn__egress_ref(struct gn__egress *egress)
{
    gn__ref_take(&egress->refs);
}

void gn__egress_unref(struct gn__egress *egress)
{
    struct gn__mem mem = egress->mem;

    if (!gn__ref_give(&egress->refs))
        return;
    if (egress->ops.close)
        egress->ops.close(egress->self);
    gn__free(&mem, egress, sizeof(*egress));
}

static void egress_taken(struct gn__outside *outside)
{
    gn__egress_ref(gn__egress_of(outside));
}

static void egress_released(struct gn__outside *outside)
{
    gn__egress_unref(gn__egress_of(outside));
}

static const struct gn__outside_ops outside_ops = {
    .name = "egress",
    .dial = egress_dial,
    .cancel = dial_cancel,
    .bound = gn__egress_bound,
    .unbound = gn__egress_unbound,
    .taken = egress_taken,
    .released = egress_released,
};

int gn__egress_create(const struct gn_egress_ops *ops, void *self,
                      const struct gn__mem *mem, struct gn_egress **out)
{
    struct gn__egress *egress = gn__zalloc(mem, sizeof(*egress));

    if (!egress)
        return -ENOMEM;
    egress->base.outside = &egress->outside;
    egress->outside.ops = &outside_ops;
    egress->mem = *mem;
    egress->ops = *ops;
    egress->self = self;
    gn__ref_init(&egress->refs, 1);
    *out = &egress->base;
    return 0;
}

int gn_egress_create(const struct gn_egress_ops *ops, void *self,
                     struct gn_egress **out)
{
    struct gn__mem mem;

    if (!ops || !out)
        return -EINVAL;
    gn__mem_init(&mem, NULL);
    return gn__egress_create(ops, self, &mem, out);
}

void gn_egress_close(struct gn_egress *egress)
{
    if (egress)
        gn__egress_unref(gn__egress_of(egress->outside));
}
