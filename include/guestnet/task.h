/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_TASK_H
#define GUESTNET_TASK_H

/*
 * Tasks: a guest's code that blocks, written once. In real time, and over the
 * kernel (gn_namespace_system()), a task is a thread. Under a clock it is a
 * coroutine that the clock runs: where a call has to wait, another task goes
 * on, and when all wait, time jumps to what is due next. The calls are the
 * same.
 *
 *     gn_task_start --> runs --> ended --(gn_task_join)--> gone
 *
 * Within a task every blocking call of this library works in all three: those
 * of socket.h, gn_sock_poll() of sockets, gn_sleep_ns(), gn_getaddrinfo() and
 * gn_getnameinfo(), gn_wait_listening(), and those here. Under a clock a task
 * is not interrupted between such calls, and one that calls the kernel's
 * blocking calls stops all others; so does an endless loop without a call, and
 * no longjmp() may lead out of a task.
 *
 * Under a clock a task has a stack of a fixed size
 * (gn_task_config.stack_bytes). Where it ends there is a page that cannot be
 * touched, of the first 16,000; the others are found out when they wait next.
 * errno is a task's own.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <guestnet/export.h>

GN_BEGIN_DECLS

struct gn_namespace;
struct gn_task;

/** What a task runs; its result goes to gn_task_join(). */
typedef int (*gn_task_fn)(void *arg);

/** Settings for gn_task_start(); zero selects the default given here. */
struct gn_task_config {
    size_t size;        /* sizeof this struct. Required. */
    const char *name;   /* For reports, up to 31 bytes; "task1", "task2", ... */
    size_t stack_bytes; /* At least 16384, rounded up to pages. 0: 65536 under a
                           clock, what threads have otherwise. */
    bool daemon;        /* gn_clock_run() does not wait for it. */
    char *why;          /* Borrowed for the call: on -EINVAL gets one line that
                           says what is wrong. */
    size_t why_len;
};

/**
 * Start a task in a guest. Under a clock it begins when time next passes, in
 * the order of these calls.
 *
 * @ns      The guest; kept as memory until the task has ended. When it is
 *          killed or closed the task's calls return -ECANCELED.
 * @config  Copied. NULL for the defaults.
 * @arg     Borrowed as @fn likes.
 * @out     NULL: its result is not wanted. Else set on success, and owned by
 *          the caller: gn_task_join().
 *
 * Returns 0, or with nothing started:
 *   -EINVAL     An argument is NULL, the name too long or the stack too small.
 *   -EAGAIN     No thread can be had.
 *   -ECANCELED  The guest was killed or is closing.
 *   -ENOMEM     Out of memory, or of mappings for its stack.
 */
GN_API GN_WARN_UNUSED int gn_task_start(struct gn_namespace *ns,
                                        const struct gn_task_config *config,
                                        gn_task_fn fn, void *arg,
                                        struct gn_task **out);

/**
 * Wait until a task has ended, and let go of it.
 *
 * @task    Consumed, but for -EDEADLK.
 * @result  Gets what its function returned. May be NULL.
 *
 * Returns 0, or:
 *   -ECANCELED  It was stopped in the middle: its clock has ended, or the run
 *               was given up (gn_clock_run()).
 *   -EDEADLK    It is the caller, or it has not ended and nothing can wait for
 *               it: under a clock only tasks can.
 *   -EINVAL     NULL.
 */
GN_API int gn_task_join(struct gn_task *task, int *result);

/** The guest of the task that calls; NULL outside tasks. */
GN_API struct gn_namespace *gn_task_namespace(void);
/**
 * The wall clock of a guest, ns since 1970. In real time and over the kernel it
 * is the machine's; under a clock it began in the year 2000, and is what
 * gn_machine_set_clock() makes of it. 0 for NULL.
 */
GN_API uint64_t gn_wall_ns(struct gn_namespace *ns);
/** The name of the task that calls, as long as it runs; "" outside tasks. */
GN_API const char *gn_task_name(void);

/**
 * A mutual exclusion lock between the tasks of one clock, or of networks of one
 * drive. All zero is unlocked; it need not be destroyed, and must not be moved
 * or freed while a task waits for it.
 */
struct gn_mutex {
    void *priv[4];
};
/** A condition variable for it, on the same terms. */
struct gn_cond {
    void *priv[4];
};

/**
 * Lock, pthread_mutex_lock(3). Tasks that wait are woken in the order in which
 * they came.
 *
 * Returns 0, or without the lock:
 *   -EDEADLK    The caller has it.
 *   -ECANCELED  The caller's guest was killed or closed.
 *   -EPERM      The caller is no task.
 *   -EINVAL     NULL.
 */
GN_API GN_WARN_UNUSED int gn_mutex_lock(struct gn_mutex *mutex);
/** Unlock; of one that the calling task does not have, nothing. */
GN_API void gn_mutex_unlock(struct gn_mutex *mutex);

/**
 * Wait for a signal, pthread_cond_timedwait(3): unlocks @mutex, waits, and
 * locks it again, also when the time is out. It may return 0 without a signal.
 *
 * @timeout_ns  In the network's time; 0: for ever.
 *
 * Returns 0, or:
 *   -ETIMEDOUT
 *   -ECANCELED  The caller's guest was killed or closed; it does not have
 *               @mutex.
 *   -EPERM      The caller is no task or does not have @mutex.
 *   -EINVAL     NULL.
 */
GN_API GN_WARN_UNUSED int gn_cond_wait(struct gn_cond *cond,
                                       struct gn_mutex *mutex,
                                       uint64_t timeout_ns);
/** Wake one task that waits, the one that came first. Any task. */
GN_API void gn_cond_signal(struct gn_cond *cond);
/** Wake all of them. */
GN_API void gn_cond_broadcast(struct gn_cond *cond);

GN_END_DECLS

#endif /* GUESTNET_TASK_H */
