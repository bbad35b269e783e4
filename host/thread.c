/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One thread for all networks that have the same allocator. It sleeps until
 * the engine's next deadline, runs what is due, then the callbacks, and goes
 * on. Whoever moves the deadline earlier wakes it; while it is awake that is a
 * store to a flag, because it looks at the flag before it sleeps again.
 *
 *     none --(first share)--> running --(last share)--> ending --> none
 *
 * The list of running threads has a lock of its own, never taken with the
 * engine's. A thread leaves the list before it ends, so who comes meanwhile
 * starts another. Its last act is to tell the one who closed the last network,
 * after everything has been freed.
 *
 * Blocked threads look for their wake-up a while before they sleep: a hand
 * over by futex costs some 18 us, by looking half of one. For how long follows
 * from how often that helped, and never more threads look than there are
 * processors to spare.
 */
#include "host/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>

#include "base/lock.h"

/** Callbacks that run before packets and timers have their turn again. */
#define DISPATCH_AT_ONCE 16u

/** The longest look for a wake-up, ns: what a hand-over by futex costs. */
#define SPIN_MAX_NS 20000u
#define SPIN_MIN_NS 1000u

struct gn__thread {
    struct gn__thread *next; /* in the list of those that run */
    struct gn_allocator alloc;
    bool own_alloc; /* alloc was given; else malloc() */
    struct gn__mem mem;
    struct gn__engine *engine;
    uint32_t n_shares; /* under the list's lock */
    _Atomic bool ending;
    bool busy;             /* its last entry left work over; only it looks */
    _Atomic uint32_t spot; /* where it sleeps */
    unsigned n_processors;
    _Atomic uint32_t n_spinning;
    _Atomic uint32_t spin_ns;
    void (*done)(void *arg); /* its last act */
    void *done_arg;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gn__thread *list;

/* Which of them the calling thread is. */
static _Thread_local const struct gn__thread *current;

/* ---- the driver's operations ---- */

static uint64_t thread_now(void *self)
{
    (void)self;
    return gn__monotonic_ns();
}

/* What is left when the system has no randomness to give: never seen. */
static void fill_poorly(uint8_t *out, size_t len)
{
    uint64_t key[2] = {gn__monotonic_ns(), (uint64_t)(uintptr_t)out};
    struct gn__rng rng;

    gn__rng_init(&rng, key, "poor", 4);
    gn__rng_fill(&rng, out, len);
}

static void thread_random(void *self, void *out, size_t len)
{
    uint8_t *at = out;
    ssize_t n;

    (void)self;
    while (len) {
        n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fill_poorly(at, len);
            return;
        }
        at += n;
        len -= (size_t)n;
    }
}

/* The driver goes first, so that timers are on time. Not while its entries end
 * with work left over: guests that answer each other for ever would keep it at
 * that, and everybody else from the lock. */
static void thread_lock(void *self, bool driver)
{
    const struct gn__thread *thread = self;

    gn__lock_take(gn__lock_process(), driver && !thread->busy);
}

static void thread_unlock(void *self)
{
    (void)self;
    gn__lock_give(gn__lock_process());
}

/* How long to look this time; 0 if there is no processor for it. */
static uint32_t spin_begin(struct gn__thread *thread)
{
    if (atomic_fetch_add(&thread->n_spinning, 1) + 1 < thread->n_processors)
        return atomic_load_explicit(&thread->spin_ns, memory_order_relaxed);
    atomic_fetch_sub(&thread->n_spinning, 1);
    return 0;
}

static void spin_end(struct gn__thread *thread, uint32_t spin, bool helped)
{
    uint32_t next;

    atomic_fetch_sub(&thread->n_spinning, 1);
    if (helped)
        next = spin + spin / 4 < SPIN_MAX_NS ? spin + spin / 4 : SPIN_MAX_NS;
    else
        next = spin - spin / 8 > SPIN_MIN_NS ? spin - spin / 8 : SPIN_MIN_NS;
    atomic_store_explicit(&thread->spin_ns, next, memory_order_relaxed);
}

/* Without self the engine may be gone: who closed a network waits so. */
static int thread_park(void *self, struct gn__parker *parker, uint64_t deadline)
{
    struct gn__thread *thread = self;
    uint32_t spin = thread ? spin_begin(thread) : 0;
    bool woken;

    if (spin) {
        uint64_t now = gn__monotonic_ns();
        uint64_t end = deadline < now + spin ? deadline : now + spin;

        woken = gn__spot_look(&parker->woken, end);
        spin_end(thread, spin, woken);
        if (woken)
            return 0;
    }
    (void)gn__spot_sleep(&parker->woken, deadline);
    return 0;
}

static void thread_unpark(void *self, struct gn__parker *parker)
{
    (void)self;
    gn__spot_wake(&parker->woken);
}

static void thread_kick(void *self, uint64_t deadline)
{
    struct gn__thread *thread = self;

    (void)deadline; /* The engine has it. */
    gn__spot_wake(&thread->spot);
}

static bool thread_is_driving(void *self)
{
    return current == self;
}

/* Give up a share; true if it was the last: the thread then ends. */
static bool drop_share(struct gn__thread *thread, void (*done)(void *arg),
                       void *arg)
{
    struct gn__thread **at;
    bool last;

    pthread_mutex_lock(&list_lock);
    last = --thread->n_shares == 0;
    if (last) {
        for (at = &list; *at != thread; at = &(*at)->next)
            continue;
        *at = thread->next;
        thread->done = done;
        thread->done_arg = arg;
    }
    pthread_mutex_unlock(&list_lock);
    return last;
}

static void thread_gone(void *self, void (*done)(void *arg), void *arg)
{
    struct gn__thread *thread = self;

    if (drop_share(thread, done, arg))
        atomic_store(&thread->ending, true); /* We are it, and will see. */
    else
        done(arg);
}

static void thread_released(void *self)
{
    struct gn__thread *thread = self;
    struct gn__mem mem = thread->mem;

    gn__free(&mem, thread, sizeof(*thread));
}

static const struct gn__driver_ops thread_ops = {
    .name = "thread",
    .now = thread_now,
    .random = thread_random,
    .lock = thread_lock,
    .unlock = thread_unlock,
    .park = thread_park,
    .unpark = thread_unpark,
    .kick = thread_kick,
    .is_driving = thread_is_driving,
    .gone = thread_gone,
    .released = thread_released,
};

/* ---- the thread ---- */

static void *thread_main(void *arg)
{
    struct gn__thread *thread = arg;
    struct gn__engine *engine = thread->engine;
    void (*done)(void *arg);
    void *done_arg;

    current = thread;
    while (!atomic_load(&thread->ending)) {
        atomic_store(&thread->spot, 0); /* Kicks from here on count. */
        gn__engine_run(engine);
        thread->busy = gn__engine_deadline(engine) == 0;
        if (!gn__engine_dispatch(engine, DISPATCH_AT_ONCE))
            (void)gn__spot_sleep(&thread->spot, gn__engine_deadline(engine));
    }
    done = thread->done;
    done_arg = thread->done_arg;
    current = NULL;
    gn__engine_unref(engine);
    done(done_arg);
    return NULL;
}

/* With all signals blocked, and detached: nobody has to join it. */
static int start(struct gn__thread *thread)
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
    err = pthread_create(&id, &attr, thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return err ? -EAGAIN : 0;
}

static bool is_for(const struct gn__thread *thread,
                   const struct gn_allocator *alloc)
{
    if (!alloc)
        return !thread->own_alloc;
    return thread->own_alloc && thread->alloc.alloc == alloc->alloc &&
           thread->alloc.free == alloc->free && thread->alloc.arg == alloc->arg;
}

static int thread_create(const struct gn_allocator *alloc,
                         struct gn__thread **out)
{
    struct gn__thread *thread;
    struct gn__mem mem;
    int err;

    gn__mem_init(&mem, alloc);
    thread = gn__zalloc(&mem, sizeof(*thread));
    if (!thread)
        return -ENOMEM;
    thread->mem = mem;
    thread->own_alloc = alloc != NULL;
    if (alloc)
        thread->alloc = *alloc;
    thread->n_shares = 1;
    thread->n_processors = gn__processors();
    atomic_init(&thread->spin_ns, SPIN_MIN_NS);
    err = gn__engine_create(&thread_ops, thread, alloc, &thread->engine);
    if (err) {
        gn__free(&mem, thread, sizeof(*thread));
        return err;
    }
    err = start(thread);
    if (err)
        gn__engine_unref(thread->engine); /* Frees the thread too. */
    else
        *out = thread;
    return err;
}

int gn__thread_take(const struct gn_allocator *alloc, struct gn__thread **out)
{
    struct gn__thread *thread;
    int err = 0;

    pthread_mutex_lock(&list_lock);
    for (thread = list; thread && !is_for(thread, alloc);)
        thread = thread->next;
    if (thread) {
        thread->n_shares++;
    } else {
        err = thread_create(alloc, &thread);
        if (!err) {
            thread->next = list;
            list = thread;
        }
    }
    pthread_mutex_unlock(&list_lock);
    if (!err)
        *out = thread;
    return err;
}

static void wake_spot(void *arg)
{
    gn__spot_wake(arg);
}

void gn__thread_give(struct gn__thread *thread)
{
    _Atomic uint32_t spot = 0;

    if (!drop_share(thread, wake_spot, &spot))
        return;
    gn__engine_ref(thread->engine); /* It may be gone before the kick is. */
    atomic_store(&thread->ending, true);
    gn__spot_wake(&thread->spot);
    (void)gn__spot_sleep(&spot, GN__SPOT_NEVER);
    gn__engine_unref(thread->engine);
}

struct gn__engine *gn__thread_engine(struct gn__thread *thread)
{
    return thread->engine;
}
