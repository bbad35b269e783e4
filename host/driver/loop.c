/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The driver in real time. Three loops drive an engine: a thread of ours, a
 * loop of any kind of the caller's that polls one descriptor, and a libuv loop
 * of the caller's (loop_uv.c). They look at a poll set. In it are all watched
 * descriptors, a timerfd for the engine's next deadline, which counts
 * nanoseconds, and an eventfd by which other threads wake the loop. Both of the
 * latter tell of edges only and are never read.
 *
 * A round waits for the set, makes the watches that are ready tasks of their
 * accounts, and takes a turn: if the engine is due, what is due runs, then some
 * callbacks; then we rest.
 *
 * To rest is to leave everything in such a state that the loop, or the thread
 * that polls its descriptor, gets up in time: `state` says RESTING, then the
 * deadline is read, then the timer set. A thread that moves the deadline
 * earlier has done so before it exchanges `state`: either it finds RESTING and
 * wakes the loop, or the deadline is read after it has been moved. While we are
 * at work that exchange is all there is to a kick. It is cheaper to be at rest
 * for no reason than to be late: the timer is left alone when the deadline
 * moves later, and then fires once in vain.
 *
 *     none --(first share)--> driving --(last share)--> over --> none
 *
 * Networks with the same allocator share the thread, those on one loop of the
 * caller's its driver. The list of drivers has a lock of its own, never taken
 * with the engine's. A driver leaves the list before it ends, so a network that
 * is made meanwhile starts another. Its last act is to tell the closer of the
 * last network, after everything has been closed and freed. Only the eventfd
 * stays until the last socket is gone, because threads that hold one may still
 * kick.
 *
 * No loop of libuv's is made here. From 1.46 on it brings an io_uring, whose
 * clean-up by the kernel, some time after the loop was closed, interrupts the
 * thread that made it in a blocking call (decisions/0009).
 */
#include "host/driver/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/units.h"
#include "host/driver/loop_internal.h"

/** Callbacks that run before packets and timers have their turn again. */
#define DISPATCH_AT_ONCE 16u

enum state {
    RESTING = 0, /* The timer is set; a kick must wake the loop. */
    AT_WORK,     /* We look at the deadline before we rest. */
    KICKED,      /* The same, or the loop has been woken. */
};

static_assert(offsetof(struct gn__loop, rt) == 0,
              "gn__realtime_*() get the driver's self");

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gn__loop *list;

/* Its address names the calling thread. */
static _Thread_local const char here;

/* ---- rest and work ---- */

static bool is_driving(void *self)
{
    struct gn__loop *loop = self;

    return atomic_load_explicit(&loop->driving, memory_order_relaxed) == &here;
}

void gn__loop_drive(struct gn__loop *loop)
{
    if (!is_driving(loop))
        atomic_store_explicit(&loop->driving, &here, memory_order_relaxed);
}

static void set_timer(struct gn__loop *loop, uint64_t deadline)
{
    struct itimerspec at = {
        .it_value.tv_sec = (time_t)(deadline / GN__NS_PER_S),
        .it_value.tv_nsec = (long)(deadline % GN__NS_PER_S),
    };

    if (deadline >= loop->timer_at)
        return;
    loop->timer_at = deadline;
    /* A time that has passed is fine; its arguments are what can be wrong. */
    (void)timerfd_settime(loop->timer.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void timer_came(struct gn__loop *loop)
{
    loop->timer.revents = 0;
    loop->timer_at = GN__NEVER;
}

/* Never called: see set_queue(). */
static void own_ready(struct gn__io_watch *watch, short revents)
{
    (void)watch;
    (void)revents;
}

/* The turn comes whenever there is a reason for one, so the waker needs none
 * of its own, and the timer's news is that it is over. */
static void set_queue(struct gn__pollset *set, struct gn__deferred *task)
{
    struct gn__loop *loop = gn__container_of(set, struct gn__loop, set);

    if (task == &loop->timer.task)
        timer_came(loop);
    else if (task == &loop->waker.task)
        loop->waker.revents = 0;
    else
        gn__engine_defer(loop->engine, task);
}

static void set_cancel(struct gn__pollset *set, struct gn__deferred *task)
{
    struct gn__loop *loop = gn__container_of(set, struct gn__loop, set);

    gn__engine_forget(loop->engine, task);
}

static const struct gn__pollset_ops set_ops = {
    .queue = set_queue,
    .cancel = set_cancel,
};

void gn__loop_work(struct gn__loop *loop)
{
    atomic_exchange(&loop->state, AT_WORK);
}

static void be_awake(struct gn__loop *loop, bool awake)
{
    loop->awake = awake;
    if (loop->drive == GN_DRIVE_LOOP)
        gn__loop_uv_awake(loop);
}

/* Is it driven: not yet, or no longer? */
static bool is_idle(const struct gn__loop *loop)
{
    return loop->over || (loop->drive == GN_DRIVE_LOOP && !loop->uv.n_handles);
}

void gn__loop_rest(struct gn__loop *loop)
{
    uint64_t deadline;

    if (is_idle(loop))
        return;
    atomic_exchange(&loop->state, RESTING);
    deadline = gn__engine_deadline(loop->engine);
    be_awake(loop, deadline == 0);
    if (deadline)
        set_timer(loop, deadline);
}

static bool is_due(const struct gn__loop *loop)
{
    uint64_t deadline = gn__engine_deadline(loop->engine);

    return deadline == 0 ||
           (deadline != GN__NEVER && deadline <= gn__monotonic_ns());
}

static void run_due(struct gn__loop *loop)
{
    gn__engine_run(loop->engine);
    loop->rt.busy = gn__engine_is_behind(loop->engine);
    if (gn__engine_dispatch(loop->engine, DISPATCH_AT_ONCE))
        gn__engine_run(loop->engine); /* It knows now whether there is more. */
}

void gn__loop_turn(struct gn__loop *loop)
{
    gn__loop_work(loop);
    if (is_due(loop))
        run_due(loop);
    gn__loop_rest(loop);
}

/* One round of ours; @wait: until there is something to do. */
static void loop_round(struct gn__loop *loop, bool wait)
{
    struct gn__pollset_events events;

    gn__pollset_wait(&loop->set, wait && !loop->awake ? -1 : 0, &events);
    gn__loop_work(loop);
    gn__pollset_tell(&loop->set, &events);
    gn__loop_turn(loop);
}

/* ---- the driver's operations ---- */

static void loop_kick(void *self, uint64_t deadline)
{
    struct gn__loop *loop = self;
    uint64_t one = 1;
    ssize_t n;

    (void)deadline; /* The engine has it. */
    if (atomic_exchange(&loop->state, KICKED) != RESTING)
        return;
    if (is_driving(loop)) {
        gn__loop_rest(loop);
    } else {
        n = write(loop->waker.fd, &one, sizeof(one));
        (void)n; /* It would take 2^64 kicks to fill it. */
    }
}

/* It may be that a thread ran the loop that is no more. */
static void loop_claim(void *self)
{
    struct gn__loop *loop = self;

    if (loop->drive != GN_DRIVE_THREAD && !atomic_load(&loop->inside))
        gn__loop_drive(loop);
}

/* Give up a share; true if it was the last: the driver then ends. */
static bool drop_share(struct gn__loop *loop, void (*done)(void *arg),
                       void *arg)
{
    struct gn__loop **at;
    bool last;

    pthread_mutex_lock(&list_lock);
    last = --loop->n_shares == 0;
    if (last) {
        for (at = &list; *at && *at != loop; at = &(*at)->next)
            continue;
        if (*at)
            *at = loop->next;
        loop->done = done;
        loop->done_arg = arg;
    }
    pthread_mutex_unlock(&list_lock);
    return last;
}

static void loop_gone(void *self, void (*done)(void *arg), void *arg)
{
    struct gn__loop *loop = self;

    if (!drop_share(loop, done, arg)) {
        done(arg);
        return;
    }
    loop->over = true;
    if (loop->uv.n_handles)
        gn__loop_uv_close(loop);
    else if (loop->drive != GN_DRIVE_THREAD && !atomic_load(&loop->inside))
        gn__loop_finish(
            loop); /* Else the thread inside does, on its way out. */
}

static void loop_released(void *self)
{
    struct gn__loop *loop = self;
    struct gn__mem mem = loop->mem;

    close(loop->waker.fd);
    gn__realtime_done(&loop->rt);
    gn__free(&mem, loop, sizeof(*loop));
}

static int loop_watch(void *self, struct gn__io_watch *watch, int fd,
                      short events)
{
    struct gn__loop *loop = self;

    return gn__pollset_watch(&loop->set, watch, fd, events);
}

static void loop_unwatch(void *self, struct gn__io_watch *watch)
{
    struct gn__loop *loop = self;

    gn__pollset_unwatch(&loop->set, watch);
}

static void loop_hold(void *self, int n)
{
    struct gn__loop *loop = self;

    loop->n_holds += n;
    if (loop->drive == GN_DRIVE_LOOP && !is_idle(loop))
        gn__loop_uv_hold(loop);
}

static const struct gn__driver_ops loop_ops = {
    .name = "loop",
    .now = gn__realtime_now,
    .random = gn__realtime_random,
    .lock = gn__realtime_lock,
    .unlock = gn__realtime_unlock,
    .park = gn__realtime_park,
    .unpark = gn__realtime_unpark,
    .kick = loop_kick,
    .is_driving = is_driving,
    .claim = loop_claim,
    .gone = loop_gone,
    .released = loop_released,
    .watch = loop_watch,
    .unwatch = loop_unwatch,
    .hold = loop_hold,
};

/* ---- its life ---- */

static int watch_descriptors(struct gn__loop *loop)
{
    int err;

    loop->timer_at = GN__NEVER;
    loop->timer.ready = own_ready;
    loop->waker.ready = own_ready;
    err = gn__pollset_watch(&loop->set, &loop->timer, loop->timer.fd,
                            POLLIN | GN__IO_EDGE);
    if (!err)
        err = gn__pollset_watch(&loop->set, &loop->waker, loop->waker.fd,
                                POLLIN | GN__IO_EDGE);
    return err;
}

/* Everything but the waker, which goes with the memory. */
static int open_descriptors(struct gn__loop *loop)
{
    int err = gn__pollset_init(&loop->set, &set_ops, &loop->mem);

    if (err)
        return err;
    loop->timer.fd =
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->timer.fd < 0) {
        err = -errno;
        goto undo_set;
    }
    err = watch_descriptors(loop);
    if (!err)
        return 0;
    close(loop->timer.fd);
undo_set:
    gn__pollset_done(&loop->set);
    return err;
}

static void close_descriptors(struct gn__loop *loop)
{
    close(loop->timer.fd);
    gn__pollset_done(&loop->set);
}

void gn__loop_finish(struct gn__loop *loop)
{
    void (*done)(void *arg) = loop->done;
    void *done_arg = loop->done_arg;

    /* What a network that was closed at once has left: there is no later
     * turn. */
    while (gn__engine_dispatch(loop->engine, 1))
        continue;
    close_descriptors(loop);
    atomic_store(&loop->driving, NULL);
    gn__engine_unref(loop->engine);
    done(done_arg);
}

static void *thread_main(void *arg)
{
    struct gn__loop *loop = arg;

    gn__loop_drive(loop);
    while (!loop->over && !atomic_load(&loop->ending))
        loop_round(loop, true);
    gn__loop_finish(loop);
    return NULL;
}

/* With all signals blocked, and detached: it need not be joined. */
static int start_thread(struct gn__loop *loop)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t id;
    int err;

    err = pthread_attr_init(&attr);
    if (err)
        return -EAGAIN;
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&id, &attr, thread_main, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return err ? -EAGAIN : 0;
}

static int loop_create(const struct gn_network_config *config,
                       struct gn__loop **out)
{
    struct gn__loop *loop;
    struct gn__mem mem;
    int err;

    gn__mem_init(&mem, config->alloc);
    loop = gn__zalloc(&mem, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    gn__realtime_init(&loop->rt);
    loop->mem = mem;
    loop->own_alloc = config->alloc != NULL;
    if (config->alloc)
        loop->alloc = *config->alloc;
    loop->drive = config->drive;
    loop->uv.loop = config->loop;
    loop->n_shares = 1;
    loop->waker.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->waker.fd < 0) {
        err = -errno;
        gn__realtime_done(&loop->rt);
        gn__free(&mem, loop, sizeof(*loop));
        return err;
    }
    err = gn__engine_create(&loop_ops, loop, &gn__namespaces, config->alloc,
                            &loop->engine);
    if (err) {
        loop_released(loop);
        return err;
    }
    err = open_descriptors(loop);
    if (err)
        goto undo_engine; /* Which frees the loop too. */
    if (loop->drive == GN_DRIVE_THREAD)
        err = start_thread(loop);
    else
        gn__loop_drive(loop);
    if (err)
        goto undo_descriptors;
    *out = loop;
    return 0;

undo_descriptors:
    close_descriptors(loop);
undo_engine:
    gn__engine_unref(loop->engine);
    return err;
}

static bool is_for(const struct gn__loop *loop,
                   const struct gn_network_config *config)
{
    const struct gn_allocator *alloc = config->alloc;

    if (loop->drive != config->drive)
        return false;
    if (loop->drive == GN_DRIVE_LOOP && loop->uv.loop != config->loop)
        return false;
    if (!alloc)
        return !loop->own_alloc;
    return loop->own_alloc && loop->alloc.alloc == alloc->alloc &&
           loop->alloc.free == alloc->free && loop->alloc.arg == alloc->arg;
}

int gn__loop_take(const struct gn_network_config *config, struct gn__loop **out)
{
    struct gn__loop *loop = NULL;
    int err = 0;

    if (config->drive == GN_DRIVE_CALLER)
        return loop_create(config, out); /* It is not shared. */
    pthread_mutex_lock(&list_lock);
    for (loop = list; loop && !is_for(loop, config);)
        loop = loop->next;
    if (loop) {
        loop->n_shares++;
    } else {
        err = loop_create(config, &loop);
        if (loop) {
            loop->next = list;
            list = loop;
        }
    }
    pthread_mutex_unlock(&list_lock);
    if (loop)
        *out = loop;
    return err;
}

int gn__loop_start(struct gn__loop *loop)
{
    int err;

    if (loop->uv.n_handles || loop->drive != GN_DRIVE_LOOP)
        return 0;
    err = gn__loop_uv_open(loop);
    if (!err)
        gn__loop_rest(loop);
    return err;
}

static void loop_ignore(void *arg)
{
    (void)arg;
}

static void wake_spot(void *arg)
{
    gn__spot_wake(arg);
}

static void give_thread(struct gn__loop *loop)
{
    struct gn__engine *engine = loop->engine;
    _Atomic uint32_t spot = 0;

    gn__engine_ref(engine); /* It may be gone before the kick is. */
    if (drop_share(loop, wake_spot, &spot)) {
        atomic_store(&loop->ending, true);
        loop_kick(loop, 0);
        (void)gn__spot_sleep(&spot, GN__SPOT_NEVER);
    }
    gn__engine_unref(engine);
}

void gn__loop_give(struct gn__loop *loop)
{
    if (loop->drive == GN_DRIVE_THREAD)
        give_thread(loop);
    else
        loop_gone(loop, loop_ignore, NULL);
}

struct gn__engine *gn__loop_engine(struct gn__loop *loop)
{
    return loop->engine;
}

/* ---- GN_DRIVE_CALLER's calls ---- */

static struct gn__loop *caller_loop(const struct gn_network *net)
{
    const struct gn__engine *engine = gn__network_engine(net);
    struct gn__loop *loop =
        engine->driver == &loop_ops ? engine->driver_self : NULL;

    return loop && loop->drive == GN_DRIVE_CALLER ? loop : NULL;
}

int gn_network_fd(struct gn_network *net)
{
    const struct gn__loop *loop;

    if (!net)
        return -EINVAL;
    loop = caller_loop(net);
    return loop ? loop->set.fd : -ENOTSUP;
}

int gn_network_timeout_ms(struct gn_network *net)
{
    const struct gn__loop *loop;

    if (!net)
        return -EINVAL;
    loop = caller_loop(net);
    if (!loop)
        return -ENOTSUP;
    return loop->awake ? 0 : -1;
}

/* Whether GN_RUN_DEFAULT has a reason to go on. */
static bool goes_on(const struct gn__loop *loop)
{
    return !loop->over &&
           (loop->n_holds || gn__engine_deadline(loop->engine) == 0);
}

static void run_mode(struct gn__loop *loop, enum gn_run_mode mode)
{
    loop_round(loop, mode == GN_RUN_ONCE);
    while (mode == GN_RUN_DEFAULT && goes_on(loop))
        loop_round(loop, true);
}

int gn_network_run(struct gn_network *net, enum gn_run_mode mode)
{
    struct gn__loop *loop;
    int more;

    if (!net || (unsigned)mode >= GN_N_RUN_MODES)
        return -EINVAL;
    loop = caller_loop(net);
    if (!loop)
        return -ENOTSUP;
    if (atomic_exchange(&loop->inside, true))
        return -EDEADLK;
    gn__loop_drive(loop);
    run_mode(loop, mode);
    atomic_store(&loop->inside, false);
    more = goes_on(loop);
    if (loop->over)
        gn__loop_finish(loop);
    return more;
}
