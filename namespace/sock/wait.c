/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One wait for many sockets that calls back: what gn_sock_poll() is to a
 * thread.
 *
 *     waiting --(ready, time, end, cancelled)--> fired: deferred task --> over
 *
 * Whatever fires it only says why and queues the deferred task, since a list of
 * waits may be walked just then; the deferred task takes it off all lists. It
 * has a reference to itself until it has called back, and so have its sockets.
 */
#include <errno.h>

#include "base/ref.h"
#include "namespace/internal.h"
#include "namespace/lifecycle.h"
#include "namespace/sock/sock.h"
#include "namespace/sock/system.h"
#include "namespace/timers.h"

#define PARTS_MAX 65536u

struct part {
    struct gn__wait wait;
    struct gn_sock *sock; /* a reference, or NULL */
};

struct gn_wait {
    struct gn__ref refs;     /* itself until it has called back; the handle */
    struct gn_namespace *ns; /* a reference */
    struct gn__engine *engine;
    struct gn__deferred deferred;
    struct gn__event deadline;
    struct gn__wait of_ns; /* in ns->sleepers; counts as a timer */
    gn_wait_cb callback;
    void *arg;
    int status;
    bool fired; /* under the lock */
    size_t n;
    struct part parts[];
};

static void wait_fire(struct gn_wait *wait, int status)
{
    if (wait->fired)
        return;
    wait->fired = true;
    wait->status = status;
    gn__deferred_queue(wait->engine, &wait->deferred);
}

static void part_fires(struct gn__wait *part)
{
    wait_fire(part->arg, 0);
}

static void namespace_fires(struct gn__wait *of_ns)
{
    wait_fire(of_ns->arg, -ECANCELED);
}

static void deadline_fires(struct gn__event *event)
{
    wait_fire(gn__container_of(event, struct gn_wait, deadline), -ETIMEDOUT);
}

static size_t wait_size(size_t n)
{
    return sizeof(struct gn_wait) + n * sizeof(struct part);
}

void gn_wait_unref(struct gn_wait *wait)
{
    struct gn_namespace *ns;

    if (!wait || !gn__ref_give(&wait->refs))
        return;
    ns = wait->ns;
    gn__free(&wait->engine->net.mem, wait, wait_size(wait->n));
    gn__ns_unref(ns);
}

static void part_ref(struct part *part, struct gn_sock *sock)
{
    part->sock = gn_sock_ref(sock);
    atomic_fetch_add_explicit(&sock->n_by_waits, 1, memory_order_relaxed);
}

static void part_unref(struct part *part)
{
    if (!part->sock)
        return;
    atomic_fetch_sub_explicit(&part->sock->n_by_waits, 1, memory_order_relaxed);
    gn_sock_unref(part->sock);
}

/* Without the lock; not on any list. */
static void parts_release(struct gn_wait *wait)
{
    for (size_t i = 0; i < wait->n; i++)
        part_unref(&wait->parts[i]);
}

static void wait_run(struct gn__deferred *deferred)
{
    struct gn_wait *wait = gn__container_of(deferred, struct gn_wait, deferred);

    gn__engine_enter(wait->engine);
    for (size_t i = 0; i < wait->n; i++)
        gn__list_del(&wait->parts[i].wait.link);
    gn__ns_timer_end(wait->ns, &wait->of_ns);
    gn__event_disarm(wait->engine, &wait->deadline);
    gn__engine_leave(wait->engine);
    wait->callback(wait, wait->status, wait->arg);
    parts_release(wait);
    gn_wait_unref(wait);
}

void gn_wait_cancel(struct gn_wait *wait)
{
    if (!wait)
        return;
    gn__engine_enter(wait->engine);
    wait_fire(wait, -ECANCELED);
    gn__engine_leave(wait->engine);
}

/* ---- beginning one ---- */

static int parts_check(const struct gn_namespace *ns,
                       const struct gn_pollfd *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!fds[i].sock && fds[i].fd >= 0)
            return -ENOTSUP;
        if (!fds[i].sock)
            continue;
        if (gn__sock_is_system(fds[i].sock))
            return -ENOTSUP;
        if (fds[i].sock->engine != ns->engine)
            return -EXDEV;
    }
    return 0;
}

static struct gn_wait *wait_make(struct gn_namespace *ns,
                                 const struct gn_pollfd *fds, size_t n)
{
    struct gn_wait *wait = gn__zalloc(&ns->engine->net.mem, wait_size(n));

    if (!wait)
        return NULL;
    gn__ref_init(&wait->refs, 1);
    wait->ns = ns;
    wait->engine = ns->engine;
    wait->deferred.run = wait_run;
    wait->deferred.account = ns->guest.account;
    wait->deadline.fire = deadline_fires;
    wait->of_ns.fire = namespace_fires;
    wait->of_ns.arg = wait;
    gn__list_init(&wait->of_ns.link);
    wait->n = n;
    for (size_t i = 0; i < n; i++) {
        struct part *part = &wait->parts[i];

        gn__list_init(&part->wait.link);
        part->wait.fire = part_fires;
        part->wait.arg = wait;
        part->wait.events = fds[i].events;
        if (fds[i].sock)
            part_ref(part, fds[i].sock);
    }
    return wait;
}

/* Under the lock. */
static void wait_begin(struct gn_wait *wait, uint64_t deadline_ns)
{
    for (size_t i = 0; i < wait->n; i++) {
        struct part *part = &wait->parts[i];

        if (!part->sock)
            continue;
        gn__list_add_tail(&part->sock->waits, &part->wait.link);
        if (gn__sock_ready(part->sock) &
            (part->wait.events | POLLERR | POLLHUP | POLLNVAL))
            wait_fire(wait, 0);
    }
    if (deadline_ns <= gn__now(wait->engine))
        wait_fire(wait, -ETIMEDOUT);
    else if (deadline_ns != GN__NEVER)
        gn__event_arm(wait->engine, &wait->deadline, deadline_ns);
}

int gn_wait_start(struct gn_namespace *ns, const struct gn_pollfd *fds,
                  size_t n, uint64_t deadline_ns, gn_wait_cb callback,
                  void *arg, struct gn_wait **out)
{
    struct gn_wait *wait;
    int err;

    if (!ns || !callback || (n && !fds) || n > PARTS_MAX)
        return -EINVAL;
    if (ns->kernel)
        return -ENOTSUP;
    err = parts_check(ns, fds, n);
    if (err)
        return err;
    wait = wait_make(ns, fds, n);
    if (!wait)
        return -ENOMEM;
    wait->callback = callback;
    wait->arg = arg;
    gn__engine_enter(ns->engine);
    err = gn__ns_timer_begin(ns, &wait->of_ns);
    if (!err) {
        if (out) {
            gn__ref_take(&wait->refs);
            *out = wait;
        }
        wait_begin(wait, gn__ns_at(ns, deadline_ns));
    }
    gn__ns_leave(ns);
    if (err) { /* It has no reference to the namespace. */
        parts_release(wait);
        gn__free(&ns->engine->net.mem, wait, wait_size(n));
    }
    return err;
}
