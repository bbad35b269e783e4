/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_TASK_H
#define GN_SIM_TASK_H

/* What is inside a task, for the files of this folder. */
#include <guestnet/task.h>

#include <pthread.h>

#include "base/ref.h"
#include "namespace/namespace.h"
#include "sim/cosched.h"

#define GN__TASK_NAME_ROOM 32u

struct gn_task {
    struct gn__ref refs;        /* its own while it runs, the caller's */
    struct gn_namespace *ns;    /* a reference */
    struct gn_clock *clock;     /* NULL: a thread */
    struct gn_machine *machine; /* whose guest it is in; NULL: none */
    struct gn__list of_machine;
    bool handle_inside; /* the caller's reference is that of another task of
                           the machine's */
    char name[GN__TASK_NAME_ROOM];
    gn_task_fn fn;
    void *arg;
    bool daemon;
    /* Under the engine's lock. */
    struct gn__list joiners; /* struct gn__waiter */
    bool ended;
    bool stopped; /* in the middle */
    int result;
    union {
        struct gn__coroutine coroutine;
        pthread_t thread;
    } as;
};

void gn__task_unref(struct gn_task *task);

/** May a task have a stack of this size? 0; -EINVAL, and @why has a line. */
GN_WARN_UNUSED int gn__stack_check(size_t stack_bytes, char *why,
                                   size_t why_len);

/** The task that calls; NULL: none. */
struct gn_task *gn__task_current(void);

/** The task that a task waits for in gn_task_join(); NULL: it is another
 *  wait. */
const struct gn_task *gn__task_joined(struct gn__waiter *waiter);
/** Does it wait for a mutex? *@owner is then the task that has it, which may
 *  have ended; NULL: none, and the waiter is about to go on. */
bool gn__mutex_is_awaited(struct gn__waiter *waiter,
                          const struct gn_task **owner);

/** The task of a coroutine of a clock's. */
struct gn_task *gn__task_of(struct gn__coroutine *coroutine);

#endif /* GN_SIM_TASK_H */
