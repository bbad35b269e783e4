/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_MACHINE_H
#define GUESTNET_MACHINE_H

/*
 * A machine is what stays when a guest crashes: a name, an address, files.
 * While it is on it has a namespace, in which its boot function runs as the
 * first task. Under a clock its power can be cut at any time:
 *
 *     create --> off --start--> on --crash--> off --start--> on (another life)
 *
 * A crash runs no more instruction of the guest: its tasks end where they
 * stand, nothing on their stacks is undone, and no packet says so. Gone with
 * them are their sockets, their tasks' handles and what gn_machine_alloc()
 * gave; files keep what was synced. What else a task holds (malloc(), files of
 * the kernel) is for config.crashed() to free. Variables that are not on a
 * stack keep their values: what a life knows belongs into memory of
 * gn_machine_alloc().
 *
 * On a network in real time machines start, have memory and files, and that is
 * all: what is for a clock only is -ENOTSUP there.
 *
 * Calls on a machine are for the thread that uses its clock, in tasks,
 * callbacks or between; in real time for any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <guestnet/export.h>
#include <guestnet/task.h>

GN_BEGIN_DECLS

struct gn_clock;
struct gn_link_config;
struct gn_machine;
struct gn_namespace;
struct gn_namespace_config;
struct gn_network;

/** Settings for gn_machine_create(); zero selects the default given here. */
struct gn_machine_config {
    size_t size;                          /* sizeof this struct. Required. */
    const struct gn_namespace_config *ns; /* Of each life, but for its number.
                                             Its name is required. What is
                                             borrowed there is borrowed as long
                                             as the machine, but for `why`: on
                                             -EINVAL and -EADDRINUSE it gets one
                                             line that says what is wrong. */
    const struct gn_link_config *link;    /* Of eth0. NULL: the perfect one. */
    gn_task_fn boot;    /* The first task of each life. Required. */
    void *arg;          /* For boot and crashed. Borrowed. */
    size_t stack_bytes; /* Of that task, as in struct gn_task_config. */
    bool daemon;        /* gn_clock_run() waits for none of its tasks. */
    void (*crashed)(void *arg); /* After each crash, outside tasks or on the
                                   stack of its caller; must not wait. */
    uint64_t disk_bytes;        /* That its files may have; 16 MiB. */
};

/**
 * Create a machine, which is off.
 *
 * Its addresses are those of its first life. From then on no other guest gets
 * them, also while it is off.
 *
 * @net     Borrowed as long as the machine.
 * @config  Copied.
 * @out     Set only on success. Owned by the caller: gn_machine_close(), before
 *          its network is closed.
 *
 * Returns 0, or with nothing left behind:
 *   -EINVAL      An argument is NULL, the name is missing or no DNS label, a
 *                size is unknown, the stack is too small, or a portion of the
 *               link is above a million.
 *   -EADDRINUSE  Under this clock a machine has the name.
 *   -ENOMEM
 */
GN_API GN_WARN_UNUSED int gn_machine_create(
    struct gn_network *net, const struct gn_machine_config *config,
    struct gn_machine **out);

/** Crash it if it is on, and forget its files. In real time its guest is
 *  killed, and this returns when its tasks have ended. NULL is allowed. Not in
 *  one of its tasks. */
GN_API void gn_machine_close(struct gn_machine *machine);

/** Its name, as long as it is there; "" for NULL. */
GN_API const char *gn_machine_name(const struct gn_machine *machine);
/** Its guest, as long as this life; NULL: it is off. */
GN_API struct gn_namespace *gn_machine_namespace(struct gn_machine *machine);
/** The machine of the task that calls; NULL: none. */
GN_API struct gn_machine *gn_task_machine(void);
/** The machine of this name under the clock; NULL. */
GN_API struct gn_machine *gn_machine_find(struct gn_clock *clock,
                                          const char *name);

/**
 * Switch it on: a namespace, and the boot function in a task named "boot". Its
 * random numbers are those of its name and of how often it was on before.
 *
 * Returns 0, -EALREADY (it is on), -EINVAL (NULL), or as gn_namespace_create()
 * and gn_task_start().
 */
GN_API GN_WARN_UNUSED int gn_machine_start(struct gn_machine *machine);

/**
 * Cut its power. In a task of its own this does not return.
 *
 * Each write to its files that was not synced is lost, kept, or kept up to one
 * of its 512-byte sectors, as the seed says.
 *
 * Returns 0, -EALREADY (it is off), -ENOTSUP (real time) or -EINVAL (NULL).
 */
GN_API int gn_machine_crash(struct gn_machine *machine);

/** What stands still of a machine that is on. */
enum gn_pause {
    GN_PAUSE_NONE = 0,
    GN_PAUSE_TASKS, /* Its tasks; its stack answers, as that of a process which
                       was sent SIGSTOP. */
    GN_PAUSE_ALL,   /* Nothing leaves or reaches it either, as of a virtual
                       machine that is stopped: up to 1,024 packets in each
                       direction go on when it does. */
};

/** Pause it, or let it go on. A crash ends it. -ENOTSUP, -EINVAL, -ESRCH (it is
 *  off). */
GN_API GN_WARN_UNUSED int gn_machine_pause(struct gn_machine *machine,
                                           enum gn_pause how);

/**
 * Set its clock wrong, also for its next lives.
 *
 * @offset_ns  Added to gn_wall_ns(), and to nothing else.
 * @drift_ppb  So many billionths it gains, or loses: gn_now_ns(), sleeps,
 *             time-outs of its calls and its timers (timer.h) follow. TCP's
 *             timers and captures do not.
 *
 * Returns 0, -EINVAL (NULL, or a drift of -1e9 or less), -ENOTSUP.
 */
GN_API GN_WARN_UNUSED int gn_machine_set_clock(struct gn_machine *machine,
                                               int64_t offset_ns,
                                               int32_t drift_ppb);

/** Groups of a clock; machines and other guests begin in 0. */
#define GN_GROUPS_MAX 1024u

/** Put it into a group, also for its next lives. -EINVAL, -ENOTSUP. */
GN_API GN_WARN_UNUSED int gn_machine_set_group(struct gn_machine *machine,
                                               uint32_t group);
/**
 * Let nothing through from guests of one group to those of another, or let it
 * through again; wherever they are, also across routers. It is decided where a
 * packet arrives, and counted there as GN_DROP_BLOCKED.
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_partition_set(struct gn_clock *clock,
                                           uint32_t from, uint32_t to,
                                           bool block);

/** Memory of this life, zeroed, aligned for any object; NULL: none is left, it
 *  is off, or @machine is NULL. */
GN_API void *gn_machine_alloc(struct gn_machine *machine, size_t size);
/** Give it back early. NULL is allowed. */
GN_API void gn_machine_free(struct gn_machine *machine, void *memory);

/*
 * Files, which are there as soon as they are written to. A write is seen by
 * reads at once, and survives a crash for sure when a sync behind it returned.
 *
 * @file  1 to 63 bytes.
 */

/** Read up to @len bytes from offset @at. Returns how many there were; 0: at or
 *  behind the end; -ENOENT, -EINVAL. */
GN_API ssize_t gn_disk_read(struct gn_machine *machine, const char *file,
                            uint64_t at, void *data, size_t len);
/** Write, with zeros before @at where the file ends earlier. Returns @len, or
 *  with nothing written -ENOSPC (disk_bytes, what is not synced included),
 *  -EINVAL or -ENOMEM. */
GN_API GN_WARN_UNUSED ssize_t gn_disk_write(struct gn_machine *machine,
                                            const char *file, uint64_t at,
                                            const void *data, size_t len);
/** Cut or lengthen it; also not certain until it is synced. 0, or as
 *  gn_disk_write(). */
GN_API GN_WARN_UNUSED int gn_disk_truncate(struct gn_machine *machine,
                                           const char *file, uint64_t size);
/** What was written until now survives. 0, -ENOENT, -EINVAL, -ENOMEM. */
GN_API GN_WARN_UNUSED int gn_disk_sync(struct gn_machine *machine,
                                       const char *file);
/** Its bytes; -ENOENT, -EINVAL. */
GN_API ssize_t gn_disk_size(struct gn_machine *machine, const char *file);

GN_END_DECLS

#endif /* GUESTNET_MACHINE_H */
