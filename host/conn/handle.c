/* SPDX-License-Identifier: BSD-3-Clause */

/* The common life of what callers hold; see handle.h. */
#include "host/conn/handle.h"

#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "base/lock.h"
#include "namespace/namespace.h"

void gn__handle_ref(struct gn__handle *handle)
{
    gn__ref_take(&handle->refs);
}

void gn__handle_unref(struct gn__handle *handle)
{
    struct gn__engine *engine = handle->engine;

    if (!gn__ref_give(&handle->refs))
        return;
    gn_sock_unref(handle->sock);
    gn__free(&engine->net.mem, handle, handle->ops->size);
    gn__engine_unref(engine);
}

void gn__handle_set_sock(struct gn__handle *handle, struct gn_sock *sock)
{
    handle->sock = sock;
    handle->task.account = sock ? sock->account : NULL;
    if (sock)
        sock->holder = NULL; /* It outlives the power cut of its maker. */
}

/* The last thing said about it. */
static void say_gone(struct gn__handle *handle)
{
    handle->state = GN__HANDLE_GONE;
    if (handle->close_cb)
        handle->close_cb(handle->close_arg);
    gn__handle_unref(handle);
}

static void let_go(struct gn__handle *handle)
{
    gn__io_cancel(handle->io, &handle->task);
    gn__io_forget_end(&handle->end);
    gn__io_release(handle->io);
    handle->io = NULL;
}

/* CLOSING, on a later turn or at the network's end. */
static void handle_finish(struct gn__handle *handle)
{
    let_go(handle);
    if (handle->ops->cancel)
        handle->ops->cancel(handle);
    say_gone(handle);
}

static void run_turn(struct gn__deferred *task)
{
    struct gn__handle *handle = gn__container_of(task, struct gn__handle, task);

    if (handle->state == GN__HANDLE_CLOSING)
        handle_finish(handle);
    else
        handle->ops->turn(handle);
}

/* The network itself is over. */
static void run_last(struct gn__io_end *end)
{
    say_gone(gn__container_of(end, struct gn__handle, end));
}

static void run_end(struct gn__io_end *end)
{
    struct gn__handle *handle = gn__container_of(end, struct gn__handle, end);
    struct gn__io *io = handle->io;

    if (handle->state == GN__HANDLE_CLOSING) {
        handle_finish(handle);
        return;
    }
    handle->state = GN__HANDLE_ENDED;
    handle->ops->stop(handle);
    let_go(handle);
    handle->end.run = run_last;
    gn__io_at_last(io, &handle->end);
    if (handle->ops->cancel)
        handle->ops->cancel(handle);
    handle->ops->last(handle);
}

int gn__handle_create(const struct gn__handle_ops *ops, struct gn_network *net,
                      struct gn__handle **out)
{
    struct gn__engine *engine = gn__network_engine(net);
    struct gn__io *io = gn__network_io(net);
    struct gn__handle *handle;

    handle = io ? gn__zalloc(&engine->net.mem, ops->size) : NULL;
    if (!handle)
        return gn__network_is_closing(net) ? -ECANCELED : -ENOMEM;
    handle->ops = ops;
    handle->net = net;
    handle->io = io;
    handle->engine = engine;
    handle->end.run = run_end;
    handle->task.run = run_turn;
    gn__ref_init(&handle->refs, 1);
    gn__engine_ref(engine);
    gn__io_at_end(io, &handle->end);
    gn__io_hold(io);
    *out = handle;
    return 0;
}

void gn__handle_discard(struct gn__handle *handle)
{
    let_go(handle);
    gn_sock_close(handle->sock);
    gn__handle_unref(handle);
}

int gn__handle_close(struct gn__handle *handle, gn_close_cb callback, void *arg)
{
    if (handle->asked)
        return -EALREADY;
    handle->asked = true;
    handle->close_cb = callback;
    handle->close_arg = arg;
    if (handle->state != GN__HANDLE_OPEN)
        return 0; /* Told with the network's own end. */
    handle->state = GN__HANDLE_CLOSING;
    handle->ops->stop(handle);
    gn__io_defer(handle->io, &handle->task);
    return 0;
}

void gn__handle_defer(struct gn__handle *handle)
{
    gn__io_defer(handle->io, &handle->task);
}

/* ---- from any thread ---- */

int gn__handle_call(struct gn__handle *handle, int (*call)(void *arg),
                    void *arg)
{
    if (gn__engine_is_driving(handle->engine))
        return call(arg);
    return gn__drive_call(handle->net, call, arg);
}

struct closing {
    struct gn__handle *handle;
    void (*before)(struct gn__handle *handle);
    gn_close_cb callback;
    void *arg;
};

static int run_close(void *arg)
{
    const struct closing *closing = arg;

    if (closing->before && gn__handle_is_open(closing->handle))
        closing->before(closing->handle);
    return gn__handle_close(closing->handle, closing->callback, closing->arg);
}

static void handle_wake(void *arg)
{
    gn__spot_wake(arg);
}

int gn__handle_public_close(struct gn__handle *handle,
                            void (*before)(struct gn__handle *handle),
                            gn_close_cb callback, void *arg)
{
    struct closing closing = {handle, before, callback, arg};
    _Atomic uint32_t gone = 0;
    int err;

    if (callback || gn__engine_is_driving(handle->engine))
        return gn__handle_call(handle, run_close, &closing);
    closing.callback = handle_wake;
    closing.arg = &gone;
    err = gn__handle_call(handle, run_close, &closing);
    if (!err)
        (void)gn__spot_sleep(&gone, GN__SPOT_NEVER);
    return err;
}

/* ---- addresses ---- */

int gn__handle_addr(struct gn__handle *handle,
                    int (*get)(struct gn_sock *, struct sockaddr *,
                               socklen_t *),
                    struct sockaddr *addr, socklen_t *len)
{
    struct sockaddr_storage ss;
    socklen_t ss_len = sizeof(ss);
    struct gn__endpoint endpoint;
    int err;

    if (!len || (!addr && *len > 0))
        return -EINVAL;
    err = get(handle->sock, (struct sockaddr *)&ss, &ss_len);
    if (!err)
        err = gn__endpoint_from_sockaddr((struct sockaddr *)&ss, ss_len,
                                         AF_UNSPEC, &endpoint);
    if (!err)
        *len = gn__endpoint_to_sockaddr(&endpoint, AF_UNSPEC, addr, *len);
    return err;
}
