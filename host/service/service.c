/* SPDX-License-Identifier: BSD-3-Clause */

/* The calls, and the life of a forwarding, which is a handle's
 * (host/conn/handle.h).
 */
#include "host/service/service.h"

#include <errno.h>
#include <string.h>

#include <guestnet/addr.h>

#include "base/config.h"
#include "base/units.h"

#define MAX_CONNECTIONS 16384u
#define MAX_FLOWS       1024u
#define TIMEOUT_MS      10000u
#define MS_NS           1000000ull
#define ADDRS_MAX       16u

static struct gn_forwarding *forwarding_of(struct gn__handle *handle)
{
    return (struct gn_forwarding *)(void *)handle;
}

/* ---- the end ---- */

static void guests_free(struct gn_forwarding *fwd)
{
    const struct gn__mem *mem = &fwd->base.engine->net.mem;
    size_t n;

    for (n = 0; fwd->guests && fwd->guests[n]; n++)
        gn__strfree(mem, fwd->guests[n]);
    if (fwd->guests)
        gn__free(mem, fwd->guests, (n + 1) * sizeof(*fwd->guests));
    fwd->guests = NULL;
}

/* Connections first, while the host may still send as what it is. */
static void forwarding_stop(struct gn__handle *handle)
{
    struct gn_forwarding *fwd = forwarding_of(handle);

    gn__reports_stop(&fwd->reports);
    gn__forward_end_clients(fwd);
    gn__service_close(&fwd->service);
    guests_free(fwd);
}

static void forwarding_last(struct gn__handle *handle)
{
    (void)handle; /* Nothing of it is told by itself. */
}

static const struct gn__handle_ops forwarding_ops = {
    .name = "forwarding",
    .size = sizeof(struct gn_forwarding),
    .stop = forwarding_stop,
    .last = forwarding_last,
};

void gn_unforward(struct gn_forwarding *fwd, gn_close_cb callback, void *arg)
{
    if (fwd)
        (void)gn__handle_public_close(&fwd->base, NULL, callback, arg);
}

/* ---- the beginning ---- */

static int guests_copy(struct gn_forwarding *fwd, const char *const *guests)
{
    const struct gn__mem *mem = &fwd->base.engine->net.mem;
    size_t i, n = 0;

    if (!guests)
        return 0;
    while (guests[n])
        n++;
    fwd->guests = gn__zalloc_array(mem, n + 1, sizeof(*fwd->guests));
    if (!fwd->guests)
        return -ENOMEM;
    for (i = 0; i < n; i++) {
        fwd->guests[i] = gn__strdup(mem, guests[i]);
        if (!fwd->guests[i]) {
            while (i--)
                gn__strfree(mem, fwd->guests[i]);
            gn__free(mem, fwd->guests, (n + 1) * sizeof(*fwd->guests));
            fwd->guests = NULL;
            return -ENOMEM;
        }
    }
    return 0;
}

static void service_report(struct gn__reports *reports, int kind, int error,
                           const struct sockaddr *guest)
{
    struct gn_forwarding *fwd =
        gn__container_of(reports, struct gn_forwarding, reports);

    fwd->event(fwd, (enum gn_forwarding_event)kind, error, guest,
               fwd->event_arg);
}

static void service_configure(struct gn_forwarding *fwd,
                              const struct gn_forward_options *options)
{
    uint32_t timeout_ms = options->connect_timeout_ms;

    fwd->max_connections =
        options->max_connections ? options->max_connections : MAX_CONNECTIONS;
    fwd->brief_ns = options->flow_idle_s * GN__NS_PER_S;
    fwd->assured_ns = options->flow_assured_s * GN__NS_PER_S;
    fwd->timeout_ns = (timeout_ms ? timeout_ms : TIMEOUT_MS) * MS_NS;
    fwd->proxy = options->proxy;
    fwd->audit = options->audit;
    fwd->audit_arg = options->audit_arg;
    fwd->event = options->event;
    fwd->event_arg = options->event_arg;
    gn__list_init(&fwd->clients);
    gn__outside_set_init(&fwd->flows,
                         options->max_flows ? options->max_flows : MAX_FLOWS);
    gn__reports_init(&fwd->reports, fwd->base.io, service_report);
}

/** One call of gn_forward(), on the driving thread. */
struct forward_call {
    struct gn_network *net;
    const struct gn__forward_request *what;
    const struct gn_forward_options *options;
    struct gn_forwarding *fwd;
};

static int service_forward(void *arg)
{
    struct forward_call *call = arg;
    const struct gn_forward_options *options = call->options;
    struct gn__handle *handle;
    struct gn_forwarding *fwd;
    int err = gn__handle_create(&forwarding_ops, call->net, &handle);

    if (err)
        return err;
    fwd = forwarding_of(handle);
    fwd->what = *call->what;
    service_configure(fwd, options);
    err = guests_copy(fwd, options->guests);
    if (err)
        goto undo_handle;
    fwd->service.outside.ops = &gn__forward_ops;
    fwd->service.type = fwd->what.type;
    fwd->service.port = fwd->what.port;
    err = gn__service_open(call->net, fwd->what.name, &fwd->service,
                           options->why, options->why_len);
    if (err)
        goto undo_guests;
    call->fwd = fwd;
    return 0;

undo_guests:
    guests_free(fwd);
undo_handle:
    gn__handle_discard(handle);
    return err;
}

int gn_forward(struct gn_network *net, const char *proto, const char *name,
               const char *target, const struct gn_forward_options *options,
               struct gn_forwarding **out)
{
    static const struct gn_forward_options defaults = {.size =
                                                           sizeof(defaults)};
    struct gn__forward_request what;
    struct forward_call call = {.net = net, .what = &what};
    int err;

    if (!options)
        options = &defaults;
    if (!net || !out ||
        !gn__config_is_known(options, options->size, sizeof(*options)))
        return -EINVAL; /* Not even `why` may be believed. */
    err = gn_network_clock(net) ? -ENOTSUP : 0;
    if (!err)
        err = gn__forward_parse(proto, name, target, options, &what);
    if (err)
        return err;
    call.options = options;
    err = gn__drive_call(net, service_forward, &call);
    if (!err)
        *out = call.fwd;
    return err;
}

/* ---- what can be seen ---- */

/** One call of gn_forwarding_addr_text(), on the driving thread. */
struct addr_call {
    struct gn_forwarding *fwd;
    int family;
    struct gn__endpoint out;
};

static int find_addr(void *arg)
{
    struct addr_call *call = arg;
    struct gn__addr addrs[ADDRS_MAX];
    size_t i, n = gn__service_addrs(&call->fwd->service, addrs, ADDRS_MAX);

    for (i = 0; i < n; i++) {
        if (call->family != AF_UNSPEC &&
            call->family != gn__addr_family(&addrs[i]))
            continue;
        call->out.addr = addrs[i];
        call->out.port = call->fwd->what.port;
        return 0;
    }
    return gn__handle_is_open(&call->fwd->base) ? -EAFNOSUPPORT : -ECANCELED;
}

int gn_forwarding_addr_text(struct gn_forwarding *fwd, int family, char *out,
                            size_t cap)
{
    struct addr_call call = {.fwd = fwd, .family = family};
    struct sockaddr_storage addr;
    int err;

    if (!fwd || !out)
        return -EINVAL;
    err = gn__handle_call(&fwd->base, find_addr, &call);
    if (err)
        return err;
    gn__endpoint_to_sockaddr(&call.out, AF_UNSPEC, (struct sockaddr *)&addr,
                             sizeof(addr));
    return gn_addr_format((struct sockaddr *)&addr, out, cap);
}

/** One call of gn_forwarding_stats(), on the driving thread. */
struct stats_call {
    const struct gn_forwarding *fwd;
    struct gn_forwarding_stats *out;
};

static int copy_stats(void *arg)
{
    const struct stats_call *call = arg;

    *call->out = call->fwd->stats;
    return 0;
}

void gn_forwarding_stats(struct gn_forwarding *fwd,
                         struct gn_forwarding_stats *out)
{
    struct stats_call call = {fwd, out};

    if (!fwd || !out)
        return;
    memset(out, 0, sizeof(*out));
    (void)gn__handle_call(&fwd->base, copy_stats, &call);
}
