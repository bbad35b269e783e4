/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * guestnet vm: a network for QEMU processes, each at a path of its own. The
 * sockets are made here and passed on; a process that only waits takes their
 * files away, even when guestnet is killed.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/front.h"
#include "cli/join.h"
#include "cli/say.h"

#define MTU 1500u

struct vm {
    struct guest guest;
    char path[WHERE_MAX];
};

struct vms {
    struct vm *vm;
    unsigned n;
    int guard; /* a pipe: its end takes the files away */
    pid_t guard_pid;
};

/* ---- the files ---- */

static int vm_path(const struct options *options, unsigned i, unsigned n,
                   char *out)
{
    int len = n == 1
                  ? snprintf(out, WHERE_MAX, "%s", options->socket)
                  : snprintf(out, WHERE_MAX, "%s.%u", options->socket, i + 1);

    if (len < (int)WHERE_MAX)
        return 0;
    out[0] = '\0'; /* What fits of it is the path of something else. */
    say("--socket %s: a socket's path has up to %zu bytes", options->socket,
        WHERE_MAX - 1);
    return -1;
}

/* An existing file may be a socket that no process listens at any more; any
 * other is not ours to replace. */
static int vm_listen(const char *path)
{
    struct stat st;
    int fd;

    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        say("--socket %s: there is a file that is no socket; choose another "
            "path",
            path);
        return -1;
    }
    fd = where_listen(path);
    if (fd < 0)
        say("--socket %s: %s%s", path, strerror(-fd),
            fd == -EADDRINUSE ? "; a process listens there" : "");
    return fd;
}

static void paths_remove(const struct vms *vms)
{
    for (unsigned i = 0; i < vms->n; i++)
        if (vms->vm[i].path[0])
            (void)unlink(vms->vm[i].path);
}

static _Noreturn void guard_main(const struct vms *vms, int pipe_end)
{
    char byte;

    while (read(pipe_end, &byte, 1) < 0 && errno == EINTR)
        continue;
    paths_remove(vms);
    _exit(0);
}

static int guard_start(struct vms *vms)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return -1;
    vms->guard_pid = fork();
    if (vms->guard_pid == 0) {
        close(ends[1]);
        guard_main(vms, ends[0]);
    }
    close(ends[0]);
    vms->guard = ends[1];
    return vms->guard_pid > 0 ? 0 : -1;
}

/* ---- joining ---- */

/* In a value of QEMU's options a comma is two. */
static void vm_print(const struct vm *vm, unsigned i)
{
    fputs("-netdev stream,id=n0,server=off,addr.type=unix,addr.path=", stdout);
    for (const char *at = vm->path; *at; at++) {
        if (*at == ',')
            putchar(',');
        putchar(*at);
    }
    printf(" -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:%02x\n",
           0x56 + i);
}

static int vm_join(struct vm *vm, unsigned i, int fd)
{
    char why[500] = "", answer[8192];

    if (guest_enter(&vm->guest, why, sizeof(why)) ||
        guest_join(&vm->guest, "qemu", fd, answer, sizeof(answer), why,
                   sizeof(why))) {
        say("%s", why);
        return -1;
    }
    vm_print(vm, i);
    return 0;
}

static int vms_join(struct vms *vms, const int *fds)
{
    for (unsigned i = 0; i < vms->n; i++)
        if (vm_join(&vms->vm[i], i, fds[i]))
            return -1;
    return fflush(stdout) ? -1 : 0;
}

static void vms_leave(struct vms *vms)
{
    int status;

    for (unsigned i = vms->n; i-- > 0;)
        guest_leave(&vms->vm[i].guest);
    close(vms->guard);
    if (waitpid(vms->guard_pid, &status, 0) == vms->guard_pid &&
        WIFSIGNALED(status))
        paths_remove(vms); /* It was killed. */
}

/* ---- while they run ---- */

static int vms_wait(struct vms *vms, int signals)
{
    struct pollfd fds[VMS_MAX + 1] = {{.fd = signals, .events = POLLIN}};
    unsigned i;

    for (i = 0; i < vms->n; i++)
        fds[i + 1] =
            (struct pollfd){.fd = vms->vm[i].guest.place.fd, .events = POLLIN};
    for (;;) {
        if (poll(fds, vms->n + 1, -1) < 0)
            continue;
        if (fds[0].revents && front_ends(signals))
            return 0;
        for (i = 0; i < vms->n; i++)
            if (fds[i + 1].revents && !guest_hear(&vms->vm[i].guest))
                return STATUS_OURS;
    }
}

static void vms_init(struct vms *vms, const struct options *options)
{
    for (unsigned i = 0; i < vms->n; i++) {
        struct guest *guest = &vms->vm[i].guest;
        const char *kind = options->name ? options->name : "vm";

        guest_init(guest, options, "vm", MTU);
        if (vms->n > 1)
            (void)snprintf(guest->name, sizeof(guest->name), "%.50s%u", kind,
                           i + 1);
    }
}

static int vms_listen(struct vms *vms, const struct options *options, int *fds)
{
    for (unsigned i = 0; i < vms->n; i++) {
        if (vm_path(options, i, vms->n, vms->vm[i].path))
            return -1;
        fds[i] = vm_listen(vms->vm[i].path);
        if (fds[i] >= 0)
            continue;
        vms->vm[i].path[0] = '\0';
        while (i-- > 0)
            close(fds[i]);
        return -1;
    }
    return 0;
}

static int vms_run(struct vms *vms, const struct options *options)
{
    struct front_before before;
    int signals = front_signals(&before), fds[VMS_MAX], err;

    vms_init(vms, options);
    err = vms_listen(vms, options, fds);
    if (guard_start(vms)) {
        say("fork: %s", strerror(errno));
        paths_remove(vms);
        return STATUS_OURS;
    }
    if (!err)
        err = vms_join(vms, fds) ? STATUS_OURS : vms_wait(vms, signals);
    vms_leave(vms);
    return err ? STATUS_OURS : 0;
}

int verb_vm(const struct options *options)
{
    struct vms vms = {.n = options->vms ? options->vms : 1};
    int status;

    if (!options->socket || !options->socket[0]) {
        say("vm: --socket PATH is needed, where QEMU will connect to");
        return STATUS_OURS;
    }
    if (vms.n > 1 && (options->n_publish || options->pcap)) {
        say("vm: --publish and --pcap are for one machine; use a guestnet vm "
            "with --network for each");
        return STATUS_OURS;
    }
    vms.vm = calloc(vms.n, sizeof(*vms.vm));
    if (!vms.vm) {
        say("no memory");
        return STATUS_OURS;
    }
    status = vms_run(&vms, options);
    free(vms.vm);
    return status;
}
