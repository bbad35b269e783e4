/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The pending form. One wait of the network's goes on at a time for what the
 * call waits for; it and lookups that end kick the watch, and the first kick is
 * told. The lock is there because a network may be driven by a thread that is
 * not the guest's.
 */
#include "guests/wasi/wait.h"

#include <errno.h>
#include <pthread.h>

struct gn__wasi_watch {
    struct gn__mem mem;
    pthread_mutex_t lock;
    uint32_t refs; /* the guest's, and of each request that may kick */
    struct gn_wasi_guest *guest; /* NULL: it has ended */
    gn_wasi_wait_cb callback;    /* NULL: none waits */
    void *arg;
    bool kicked;          /* while none waited */
    bool over;            /* the namespace has ended */
    struct gn_wait *wait; /* the one that goes on, or NULL */
};

struct gn__wasi_watch *gn__wasi_watch_new(struct gn_wasi_guest *guest)
{
    struct gn__wasi_watch *watch = gn__zalloc(&guest->mem, sizeof(*watch));

    if (!watch)
        return NULL;
    watch->mem = guest->mem;
    watch->refs = 1;
    watch->guest = guest;
    pthread_mutex_init(&watch->lock, NULL);
    return watch;
}

struct gn__wasi_watch *gn__wasi_watch_ref(struct gn__wasi_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->refs++;
    pthread_mutex_unlock(&watch->lock);
    return watch;
}

void gn__wasi_watch_unref(struct gn__wasi_watch *watch)
{
    struct gn__mem mem = watch->mem;
    uint32_t left;

    pthread_mutex_lock(&watch->lock);
    left = --watch->refs;
    pthread_mutex_unlock(&watch->lock);
    if (left)
        return;
    pthread_mutex_destroy(&watch->lock);
    gn__free(&mem, watch, sizeof(*watch));
}

void gn__wasi_watch_kick(struct gn__wasi_watch *watch)
{
    struct gn_wasi_guest *guest;
    gn_wasi_wait_cb callback;
    struct gn_wait *wait;
    void *arg;

    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    guest = watch->guest;
    callback = watch->callback;
    arg = watch->arg;
    wait = watch->wait;
    watch->kicked |= callback == NULL;
    watch->callback = NULL;
    watch->wait = NULL;
    pthread_mutex_unlock(&watch->lock);
    gn_wait_cancel(wait);
    gn_wait_unref(wait);
    if (callback && guest)
        callback(guest, arg);
}

static void wait_ended(struct gn_wait *wait, int status, void *arg)
{
    struct gn__wasi_watch *watch = arg;
    bool current;

    /* Whatever it is, the call is tried again. */
    pthread_mutex_lock(&watch->lock);
    current = watch->wait == wait;
    watch->over |= current && status == -ECANCELED;
    pthread_mutex_unlock(&watch->lock);
    if (current)
        gn__wasi_watch_kick(watch);
    gn__wasi_watch_unref(watch);
}

int gn_wasi_wait(struct gn_wasi_guest *guest, gn_wasi_wait_cb callback,
                 void *arg)
{
    struct gn__wasi_watch *watch = guest ? guest->watch : NULL;
    const struct gn__wasi_waits *waits;
    uint64_t deadline_ns;
    int err = 0;

    if (!watch || !callback || !guest->held)
        return -EINVAL;
    waits = &guest->waits;
    pthread_mutex_lock(&watch->lock);
    if (watch->callback)
        err = -EINVAL;
    /* Something has ended since the call was tried: it is to be tried again. */
    deadline_ns = watch->kicked ? 0 : waits->deadline_ns;
    if (!err)
        err = gn_wait_start(guest->ns, waits->fds, waits->n, deadline_ns,
                            wait_ended, watch, &watch->wait);
    if (!err) {
        watch->refs++;
        watch->kicked = false;
        watch->callback = callback;
        watch->arg = arg;
    }
    watch->over |= err == -ECANCELED;
    pthread_mutex_unlock(&watch->lock);
    return err;
}

bool gn__wasi_watch_is_over(struct gn__wasi_watch *watch)
{
    bool over;

    pthread_mutex_lock(&watch->lock);
    over = watch->over;
    pthread_mutex_unlock(&watch->lock);
    return over;
}

void gn__wasi_watch_end(struct gn__wasi_watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->guest = NULL;
    pthread_mutex_unlock(&watch->lock);
    gn__wasi_watch_kick(watch);
    gn__wasi_watch_unref(watch);
}
