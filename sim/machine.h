/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_SIM_MACHINE_H
#define GN_SIM_MACHINE_H

/* What is inside a machine, for the files of this folder. */
#include <guestnet/link.h>
#include <guestnet/machine.h>

#include <pthread.h>

#include "base/list.h"
#include "base/table.h"
#include "namespace/namespace.h"
#include "sim/cosched.h"
#include "sim/disk.h"

struct gn_machine {
    const struct gn__mem *mem;
    struct gn__engine *engine; /* a reference */
    struct gn_clock *clock;    /* NULL: real time */
    struct gn_network *net;
    struct gn__table_node by_name; /* of the clock */
    struct gn_namespace *ns;       /* NULL: it is off */
    uint32_t life;                 /* of the next start */
    gn_task_fn boot;
    void (*crashed)(void *arg);
    void *arg;
    struct gn_task_config task; /* the boot task's */
    struct gn_namespace_config config;
    char name[64];
    char **addresses; /* its own copies, NULL-ended; NULL: none yet */
    size_t n_kept;    /* the first of them: taken while it is off */
    struct gn_link_config link;
    struct gn_resolver *faults; /* before its resolver; NULL: it has none */
    /* What it was told, and, with what faults of now say, what it is. */
    int64_t offset_ns, offset_now;
    int32_t drift_ppb, drift_now;
    uint32_t group, group_now;
    enum gn_pause pause, pause_now;
    uint64_t disk_bytes;
    struct gn__list tasks; /* struct gn_task.of_machine; under a clock */
    struct gn__cogroup cogroup;
    struct gn__list blocks; /* of gn_machine_alloc() */
    pthread_mutex_t lock;   /* of blocks and disk: in real time there are
                               threads */
    pthread_cond_t idle;
    int n_threads; /* of its tasks, in real time */
    struct gn__disk disk;
    struct gn__rng rng;
};

/** Those of a clock. */
void gn__machines_init(struct gn_clock *clock);
void gn__machines_done(struct gn_clock *clock);

/** It is on: have it stand still so far, whatever it was told. */
void gn__machine_stand(struct gn_machine *machine, enum gn_pause how);

/** A task begins in a guest that may be a machine's, started by @starter (NULL:
 *  no task), which gets its handle if @handle; and it is about to be freed. */
struct gn_task;
void gn__machine_task_add(struct gn_task *task, const struct gn_task *starter,
                          bool handle);
void gn__machine_task_del(struct gn_task *task);
/** One of its tasks has ended (NULL: nothing). The task may be gone, and so may
 *  the machine be behind it. */
void gn__machine_task_ended(struct gn_machine *machine);

#endif /* GN_SIM_MACHINE_H */
