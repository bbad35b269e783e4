/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The life of a NIC, and its calls. It is a handle (host/handle.h): created and
 * ended on the driving thread, by its owner or by its network. Its namespace
 * ends with it, under the lock, so that frames that come later from any thread
 * find it closed; the memory goes when no output() runs any more.
 */
#include "guests/nic/nic.h"

#include <errno.h>
#include <sched.h>

#include "base/config.h"
#include "base/text.h"

#define MTU_DEFAULT   1500u
#define MAX_ADDRESSES 8u
#define QUEUE_DEFAULT (4u * 1024 * 1024)
#define FLAGS_KNOWN \
    (GN_NIC_ROUTER | GN_NIC_NO_DHCP | GN_NIC_NO_RA | GN_NIC_ANY_THREAD)
#define OFFLOADS_KNOWN (GN_NIC_CSUM | GN_NIC_TSO4 | GN_NIC_TSO6)

/* ---- what is told later, on the driving thread ---- */

void gn__nic_tell(struct gn_nic *nic, enum gn_nic_event what)
{
    if (!nic->event)
        return;
    nic->events |= 1u << what;
    gn__deferred_queue(nic->handle.engine, &nic->tell);
}

void gn__nic_tell_ready(struct gn_nic *nic)
{
    gn__deferred_queue(nic->handle.engine, &nic->tell);
}

static void tell_run(struct gn__deferred *deferred)
{
    struct gn_nic *nic = gn__container_of(deferred, struct gn_nic, tell);
    struct gn__engine *engine = nic->handle.engine;
    unsigned what, events;
    bool ready;

    gn__engine_enter(engine);
    events = nic->events;
    nic->events = 0;
    ready = nic->starved;
    nic->starved = false;
    gn__engine_leave(engine);
    gn__handle_ref(&nic->handle);
    for (what = 0; what < GN_NIC_N_EVENTS; what++) {
        if ((events & 1u << what) && gn__handle_is_open(&nic->handle))
            nic->event(nic, (enum gn_nic_event)what, nic->event_arg);
    }
    if (ready && nic->ops->ready && gn__handle_is_open(&nic->handle))
        nic->ops->ready(nic->self);
    gn__handle_unref(&nic->handle);
}

/* ---- the end ---- */

static void nic_stop(struct gn__handle *handle)
{
    struct gn_nic *nic = gn__container_of(handle, struct gn_nic, handle);
    struct gn__engine *engine = handle->engine;

    gn__engine_enter(engine);
    gn__nic_queue_drop(nic, GN_DROP_DOWN);
    nic->open = false;
    nic->ns = NULL;
    gn__nic_claims_done(nic);
    gn__nic_advertise_done(nic);
    gn__nic_groups_done(nic);
    gn__deferred_cancel(engine, &nic->flush);
    gn__deferred_cancel(engine, &nic->tell);
    gn__engine_leave(engine);
    gn__wire_close(&nic->wire);
}

/* Whatever carries its frames has turns until then, in the account of a guest
 * that is gone already. */
static void nic_let_go(struct gn_nic *nic)
{
    if (nic->ops->close)
        nic->ops->close(nic->self);
    gn__account_unref(nic->account);
    nic->account = NULL;
}

/* On a later turn than nic_stop(): an output() that still runs is another
 * thread's, and soon over. */
static void nic_cancel(struct gn__handle *handle)
{
    struct gn_nic *nic = gn__container_of(handle, struct gn_nic, handle);
    bool busy;

    do {
        gn__engine_enter(handle->engine);
        busy = nic->busy;
        gn__engine_leave(handle->engine);
        if (busy)
            (void)sched_yield();
    } while (busy);
    if (nic->asked)
        nic_let_go(nic);
}

static void nic_last(struct gn__handle *handle)
{
    struct gn_nic *nic = gn__container_of(handle, struct gn_nic, handle);

    if (nic->event)
        nic->event(nic, GN_NIC_GONE, nic->event_arg);
    nic_let_go(nic);
}

static const struct gn__handle_ops nic_handle_ops = {
    .name = "nic",
    .size = sizeof(struct gn_nic),
    .stop = nic_stop,
    .cancel = nic_cancel,
    .last = nic_last,
};

static void nic_before_close(struct gn__handle *handle)
{
    gn__container_of(handle, struct gn_nic, handle)->asked = true;
}

void gn_nic_close(struct gn_nic *nic, gn_close_cb callback, void *arg)
{
    if (nic)
        (void)gn__handle_public_close(&nic->handle, nic_before_close, callback,
                                      arg);
}

/* ---- the beginning ---- */

static int check_flags(const struct gn_nic_config *config)
{
    bool tso = config->offload & (GN_NIC_TSO4 | GN_NIC_TSO6);

    if (config->flags & ~FLAGS_KNOWN)
        return gn__text_refuse(
            config->why, config->why_len,
            "flags 0x%x: only GN_NIC_ROUTER, _NO_DHCP, _NO_RA and "
            "_ANY_THREAD are known",
            config->flags);
    if (config->offload & ~OFFLOADS_KNOWN)
        return gn__text_refuse(
            config->why, config->why_len,
            "offload 0x%x: only GN_NIC_CSUM, _TSO4 and _TSO6 are "
            "known",
            config->offload);
    if (tso && !(config->offload & GN_NIC_CSUM))
        return gn__text_refuse(
            config->why, config->why_len,
            "offload: TSO needs GN_NIC_CSUM, since each segment has "
            "a checksum of its own");
    if (gn__mac_is_group(config->mac))
        return gn__text_refuse(
            config->why, config->why_len,
            "mac %02x:...: the address of a group; the first byte "
            "of one card's is even",
            config->mac[0]);
    if (config->max_addresses > GN__NIC_CLAIMS_MAX)
        return gn__text_refuse(config->why, config->why_len,
                               "max_addresses %u: %u at most",
                               config->max_addresses, GN__NIC_CLAIMS_MAX);
    return 0;
}

/** One call of gn_nic_create(), on the driving thread. */
struct nic_create {
    struct gn_network *net;
    const struct gn_nic_config *config;
    const struct gn_nic_ops *ops;
    void *self;
    struct gn_nic *nic;
};

/* Its namespace is there before it is whole, and packets come from any thread.
 */
static void nic_deliver(struct gn__wire *wire, struct gn__packet *packet)
{
    struct gn_nic *nic = gn__container_of(wire, struct gn_nic, wire);

    if (nic->open)
        gn__nic_queue_add(nic, packet);
    else
        gn__wire_discard(wire, packet, GN_DROP_DOWN);
}

static void nic_gone(struct gn__wire *wire)
{
    struct gn_nic *nic = gn__container_of(wire, struct gn_nic, wire);

    gn__nic_queue_drop(nic, GN_DROP_DOWN);
    gn__nic_claims_done(nic);
    gn__nic_advertise_done(nic);
    gn__nic_groups_done(nic);
    gn__nic_tell(nic, GN_NIC_ADDRESSES);
}

static const struct gn__wire_ops nic_wire_ops = {
    .name = "nic",
    .deliver = nic_deliver,
    .gone = nic_gone,
};

static void nic_init(struct gn_nic *nic, const struct nic_create *create)
{
    const struct gn_nic_config *config = create->config;

    nic->wire.ops = &nic_wire_ops;
    nic->ops = create->ops;
    nic->self = create->self;
    nic->max_addresses =
        config->max_addresses ? config->max_addresses : MAX_ADDRESSES;
    nic->queue_max = config->queue_bytes ? config->queue_bytes : QUEUE_DEFAULT;
    nic->offload = config->offload;
    nic->flags = config->flags;
    nic->event = config->event;
    nic->event_arg = config->event_arg;
    nic->fixed_mac = !gn__mac_is_zero(config->mac);
    memcpy(nic->mac, config->mac, GN__MAC_LEN);
    nic->carrier = true;
    nic->tell.run = tell_run;
    nic->lease4 = gn__addr_any(AF_INET6);
    gn__list_init(&nic->groups);
    gn__nic_queue_init(nic);
    gn__nic_claims_init(nic);
}

static int nic_make_namespace(struct gn_nic *nic,
                              const struct nic_create *create)
{
    const struct gn_nic_config *config = create->config;
    struct gn_namespace_config ns = {.size = sizeof(ns),
                                     .name = config->name,
                                     .addresses = config->addresses,
                                     .egress = config->egress,
                                     .resolver = config->resolver,
                                     .limits = config->limits,
                                     .why = config->why,
                                     .why_len = config->why_len};
    uint32_t mtu = config->mtu;

    if (!mtu && gn__network_mtu(create->net) > MTU_DEFAULT)
        mtu = MTU_DEFAULT;
    return gn__wire_create(&nic->wire, create->net, &ns, mtu);
}

static int nic_create(void *arg)
{
    struct nic_create *create = arg;
    struct gn__handle *handle;
    struct gn_nic *nic;
    int err;

    err = gn__handle_create(&nic_handle_ops, create->net, &handle);
    if (err)
        return err;
    nic = gn__container_of(handle, struct gn_nic, handle);
    nic_init(nic, create);
    err = gn__dns_start(create->net);
    if (!err)
        err = nic_make_namespace(nic, create);
    if (err) {
        gn__handle_discard(handle);
        return err;
    }
    gn__engine_enter(handle->engine);
    nic->ns = nic->wire.ns;
    nic->account = gn__account_ref(gn__wire_account(&nic->wire));
    nic->flush.account = nic->tell.account = nic->account;
    if (nic->flags & GN_NIC_ROUTER)
        gn__wire_set_router(&nic->wire);
    nic->open = true;
    gn__nic_advertise_soon(nic);
    gn__engine_leave(handle->engine);
    create->nic = nic;
    return 0;
}

int gn__nic_wire_config(const struct gn_nic_config *config,
                        struct gn_nic_config *out)
{
    memset(out, 0, sizeof(*out));
    if (config && !gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL; /* Not even `why` may be believed. */
    if (config)
        *out = *config;
    out->size = sizeof(*out);
    out->offload = 0;
    out->flags &= ~GN_NIC_ANY_THREAD;
    return 0;
}

int gn_nic_create(struct gn_network *net, const struct gn_nic_config *config,
                  const struct gn_nic_ops *ops, void *self, struct gn_nic **out)
{
    static const struct gn_nic_config defaults = {.size = sizeof(defaults)};
    struct nic_create create = {.net = net, .ops = ops, .self = self};
    int err;

    if (!net || !ops || !ops->output || !out)
        return -EINVAL;
    create.config = config ? config : &defaults;
    if (!gn__config_is_known(create.config, create.config->size,
                             sizeof(*create.config)))
        return -EINVAL; /* Not even `why` may be believed. */
    err = check_flags(create.config);
    if (!err)
        err = gn__drive_call(net, nic_create, &create);
    if (!err)
        *out = create.nic;
    return err;
}

/* ---- calls ---- */

void gn_nic_writable(struct gn_nic *nic)
{
    if (!nic)
        return;
    gn__engine_enter(nic->handle.engine);
    nic->blocked = false;
    if (nic->open)
        gn__nic_wake(nic);
    gn__engine_leave(nic->handle.engine);
}

void gn_nic_set_carrier(struct gn_nic *nic, bool on)
{
    if (!nic)
        return;
    gn__engine_enter(nic->handle.engine);
    if (nic->open && nic->carrier != on) {
        nic->carrier = on;
        nic->stats.clients += on;
        gn__nic_tell(nic, GN_NIC_CARRIER);
        if (on)
            gn__nic_advertise_soon(nic);
        else
            gn__nic_queue_drop(nic, GN_DROP_DOWN);
    }
    gn__engine_leave(nic->handle.engine);
}

struct gn_namespace *gn_nic_namespace(struct gn_nic *nic)
{
    return nic ? nic->ns : NULL;
}

void gn_nic_stats(struct gn_nic *nic, struct gn_nic_stats *out)
{
    if (!nic || !out)
        return;
    gn__engine_enter(nic->handle.engine);
    *out = nic->stats;
    memcpy(out->mac, nic->mac, sizeof(out->mac));
    out->carrier = nic->carrier;
    gn__engine_leave(nic->handle.engine);
}
