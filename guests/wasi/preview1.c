/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * wasi_snapshot_preview1: its table, and what is no descriptor's.
 */
#include <errno.h>
#include <string.h>

#include "guests/wasi/preview1.h"

/* ---- arguments and environment ---- */

static int sizes_put(struct gn__wasi_call *call, char *const *list)
{
    uint64_t n = 0, len = 0;
    int err;

    for (; list[n]; n++)
        len += strlen(list[n]) + 1;
    if (!gn__wasi_at(call->guest, ARG(1), 4))
        return -EFAULT;
    err = gn__wasi_put32(call->guest, ARG(0), n);
    return err ? err : gn__wasi_put32(call->guest, ARG(1), len);
}

/* Pointers to ARG(0) on, the strings to ARG(1) on. */
static int strings_put(struct gn__wasi_call *call, char *const *list)
{
    uint64_t pointer_at = ARG(0), at = ARG(1);
    int err = 0;

    for (; !err && *list; list++) {
        size_t len = strlen(*list) + 1;

        err = gn__wasi_put(call->guest, at, *list, len);
        if (!err)
            err = gn__wasi_put32(call->guest, pointer_at, at);
        pointer_at += 4;
        at += len;
    }
    return err;
}

static int run_args_sizes_get(struct gn__wasi_call *call)
{
    return sizes_put(call, call->guest->args);
}

static int run_args_get(struct gn__wasi_call *call)
{
    return strings_put(call, call->guest->args);
}

static int run_environ_sizes_get(struct gn__wasi_call *call)
{
    return sizes_put(call, call->guest->env);
}

static int run_environ_get(struct gn__wasi_call *call)
{
    return strings_put(call, call->guest->env);
}

/* ---- clocks, random, the process ---- */

static int run_clock_res_get(struct gn__wasi_call *call)
{
    return ARG(0) > 3 ? -EINVAL : gn__wasi_put64(call->guest, ARG(1), 1);
}

/* The clocks of process and thread are the network's, too: how long the guest
 * has computed, only its engine knows. */
static int run_clock_time_get(struct gn__wasi_call *call)
{
    struct gn_namespace *ns = call->guest->ns;

    if (ARG(0) > 3)
        return -EINVAL;
    return gn__wasi_put64(call->guest, ARG(2),
                          ARG(0) == 0 ? gn_wall_ns(ns) : gn_now_ns(ns));
}

static int run_random_get(struct gn__wasi_call *call)
{
    void *to = gn__wasi_at(call->guest, ARG(0), ARG(1));

    if (!to)
        return -EFAULT;
    gn_random(call->guest->ns, to, ARG(1));
    return 0;
}

static int run_proc_exit(struct gn__wasi_call *call)
{
    call->guest->status = ARG(0);
    return GN__WASI_EXIT;
}

static int run_sched_yield(struct gn__wasi_call *call)
{
    (void)call;
    return 0;
}

static int run_no_sys(struct gn__wasi_call *call)
{
    (void)call;
    return -ENOSYS;
}

/* There are no files and directories. */
static int run_no_file(struct gn__wasi_call *call)
{
    (void)call;
    return -EBADF;
}

/* ---- what the adapter of a mixed module asks for ---- */

static int run_open_badfd(struct gn__wasi_call *call)
{
    int number;

    if (!gn__wasi_at(call->guest, ARG(0), 4))
        return -EFAULT;
    number = gn__wasi_handle_new(call->guest, GN__WASI_BADFD);
    if (number < 0)
        return number;
    return gn__wasi_put32(call->guest, ARG(0), (uint64_t)number);
}

#define P1 "wasi_snapshot_preview1"

static const struct gn__wasi_row rows[] = {
    {P1, "args_get", "ii>i", run_args_get, GN__WASI_FREE},
    {P1, "args_sizes_get", "ii>i", run_args_sizes_get, GN__WASI_FREE},
    {P1, "environ_get", "ii>i", run_environ_get, GN__WASI_FREE},
    {P1, "environ_sizes_get", "ii>i", run_environ_sizes_get, GN__WASI_FREE},
    {P1, "clock_res_get", "ii>i", run_clock_res_get, GN__WASI_FREE},
    {P1, "clock_time_get", "iIi>i", run_clock_time_get, GN__WASI_FREE},
    {P1, "random_get", "ii>i", run_random_get, GN__WASI_FREE},
    {P1, "proc_exit", "i>", run_proc_exit, GN__WASI_FREE},
    {P1, "proc_raise", "i>i", run_no_sys, GN__WASI_FREE},
    {P1, "sched_yield", ">i", run_sched_yield, GN__WASI_FREE},
    {P1, "poll_oneoff", "iiii>i", gn__wasi_poll_oneoff, GN__WASI_FREE},
    {P1, "sock_accept", "iii>i", gn__wasi_sock_accept_fd, GN__WASI_FREE},
    {P1, "sock_recv", "iiiiii>i", gn__wasi_sock_recv_fd, GN__WASI_FREE},
    {P1, "sock_send", "iiiii>i", gn__wasi_sock_send_fd, GN__WASI_FREE},
    {P1, "sock_shutdown", "ii>i", gn__wasi_sock_shutdown_fd, GN__WASI_FREE},
    {P1, "fd_close", "i>i", gn__wasi_fd_close, GN__WASI_FREE},
    {P1, "fd_read", "iiii>i", gn__wasi_fd_read, GN__WASI_FREE},
    {P1, "fd_write", "iiii>i", gn__wasi_fd_write, GN__WASI_FREE},
    {P1, "fd_fdstat_get", "ii>i", gn__wasi_fd_fdstat_get, GN__WASI_FREE},
    {P1, "fd_fdstat_set_flags", "ii>i", gn__wasi_fd_fdstat_set_flags,
     GN__WASI_FREE},
    {P1, "fd_fdstat_set_rights", "iII>i", gn__wasi_fd_known, GN__WASI_FREE},
    {P1, "fd_filestat_get", "ii>i", gn__wasi_fd_filestat_get, GN__WASI_FREE},
    {P1, "fd_renumber", "ii>i", gn__wasi_fd_renumber, GN__WASI_FREE},
    {P1, "fd_sync", "i>i", gn__wasi_fd_known, GN__WASI_FREE},
    {P1, "fd_datasync", "i>i", gn__wasi_fd_known, GN__WASI_FREE},
    {P1, "fd_seek", "iIii>i", gn__wasi_fd_seek, GN__WASI_FREE},
    {P1, "fd_tell", "ii>i", gn__wasi_fd_seek, GN__WASI_FREE},
    {P1, "fd_advise", "iIIi>i", gn__wasi_fd_seek, GN__WASI_FREE},
    {P1, "fd_allocate", "iII>i", gn__wasi_fd_seek, GN__WASI_FREE},
    {P1, "fd_pread", "iiiIi>i", gn__wasi_fd_seek, GN__WASI_FREE},
    {P1, "fd_pwrite", "iiiIi>i", gn__wasi_fd_seek, GN__WASI_FREE},
    {P1, "fd_filestat_set_size", "iI>i", run_no_file, GN__WASI_FREE},
    {P1, "fd_filestat_set_times", "iIIi>i", run_no_file, GN__WASI_FREE},
    {P1, "fd_prestat_get", "ii>i", run_no_file, GN__WASI_FREE},
    {P1, "fd_prestat_dir_name", "iii>i", run_no_file, GN__WASI_FREE},
    {P1, "fd_readdir", "iiiIi>i", run_no_file, GN__WASI_FREE},
    {P1, "path_create_directory", "iii>i", run_no_file, GN__WASI_FREE},
    {P1, "path_filestat_get", "iiiii>i", run_no_file, GN__WASI_FREE},
    {P1, "path_filestat_set_times", "iiiiIIi>i", run_no_file, GN__WASI_FREE},
    {P1, "path_link", "iiiiiii>i", run_no_file, GN__WASI_FREE},
    {P1, "path_open", "iiiiiIIii>i", run_no_file, GN__WASI_FREE},
    {P1, "path_readlink", "iiiiii>i", run_no_file, GN__WASI_FREE},
    {P1, "path_remove_directory", "iii>i", run_no_file, GN__WASI_FREE},
    {P1, "path_rename", "iiiiii>i", run_no_file, GN__WASI_FREE},
    {P1, "path_symlink", "iiiii>i", run_no_file, GN__WASI_FREE},
    {P1, "path_unlink_file", "iii>i", run_no_file, GN__WASI_FREE},
    {P1, "adapter_open_badfd", "i>i", run_open_badfd, GN__WASI_FREE},
    {P1, "adapter_close_badfd", "i>i", gn__wasi_fd_close, GN__WASI_FREE},
};

const struct gn__wasi_rows gn__wasi_preview1_rows = GN__WASI_ROWS(rows);
