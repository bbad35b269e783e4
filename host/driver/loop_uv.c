/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * GN_DRIVE_LOOP: the driver as four handles on a libuv loop of the caller's,
 * the only libuv loop that is ever used here. The loop has to look at one
 * descriptor of ours, the poll set's. What happens in one round:
 *
 *   poll      watches that are ready are called
 *   check     the turn; then we rest
 *   idle      active while the engine is due again at once: the loop does not
 *             sleep, and looks at descriptors between two turns
 *   prepare   the thread that runs the loop is the driving thread from now on
 *
 * A handle that is closed by uv_close() is gone only when the loop says so.
 */
#include "host/driver/loop_internal.h"

static void on_closed(uv_handle_t *handle)
{
    struct gn__loop *loop = handle->data;

    if (--loop->uv.n_handles == 0)
        gn__loop_finish(loop);
}

void gn__loop_uv_close(struct gn__loop *loop)
{
    struct gn__loop_uv *uv = &loop->uv;

    uv_close((uv_handle_t *)&uv->poll, on_closed);
    uv_close((uv_handle_t *)&uv->prepare, on_closed);
    uv_close((uv_handle_t *)&uv->check, on_closed);
    uv_close((uv_handle_t *)&uv->idle, on_closed);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct gn__loop *loop = poll->data;

    (void)status;
    (void)events;
    gn__loop_work(loop);
    gn__pollset_run(&loop->set);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct gn__loop *loop = prepare->data;

    gn__loop_drive(loop);
    atomic_store(&loop->inside, true);
}

static void on_check(uv_check_t *check)
{
    struct gn__loop *loop = check->data;

    gn__loop_turn(loop);
    atomic_store(&loop->inside, false);
}

static void stay_up(uv_idle_t *idle)
{
    (void)idle; /* That it is active keeps the loop from sleeping. */
}

void gn__loop_uv_awake(struct gn__loop *loop)
{
    if (loop->awake)
        (void)uv_idle_start(&loop->uv.idle, stay_up);
    else
        (void)uv_idle_stop(&loop->uv.idle);
}

void gn__loop_uv_hold(struct gn__loop *loop)
{
    if (loop->n_holds)
        uv_ref((uv_handle_t *)&loop->uv.poll);
    else
        uv_unref((uv_handle_t *)&loop->uv.poll);
}

/* Only the first of these calls can fail, and then nothing is left to be
 * closed. */
int gn__loop_uv_open(struct gn__loop *loop)
{
    struct gn__loop_uv *uv = &loop->uv;
    int err = uv_poll_init(uv->loop, &uv->poll, loop->set.fd);

    if (err)
        return err;
    (void)uv_prepare_init(uv->loop, &uv->prepare);
    (void)uv_check_init(uv->loop, &uv->check);
    (void)uv_idle_init(uv->loop, &uv->idle);
    uv->poll.data = uv->prepare.data = uv->check.data = uv->idle.data = loop;
    uv->n_handles = 4;
    (void)uv_poll_start(&uv->poll, UV_READABLE, on_poll);
    (void)uv_prepare_start(&uv->prepare, on_prepare);
    (void)uv_check_start(&uv->check, on_check);
    uv_unref((uv_handle_t *)&uv->prepare);
    uv_unref((uv_handle_t *)&uv->check);
    uv_unref((uv_handle_t *)&uv->poll);
    return 0;
}
