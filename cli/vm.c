/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * guestnet vm: a network for virtual machines, each at a path of its own, or
 * all at one. QEMU connects: the sockets are made here and passed on; a process
 * that only waits takes their files away, even when guestnet is killed. To the
 * vsock of another VMM this process connects, whenever the network asks for it.
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

#include "cli/connector.h"
#include "cli/front.h"
#include "cli/join.h"
#include "cli/say.h"

#define MTU 1500u

struct vm {
    struct guest guest;
    char path[WHERE_MAX]; /* of a socket that was made; "": none was */
    struct connector connector;
};

struct vms {
    struct vm *vm;
    unsigned n;
    int guard; /* a pipe: its end takes the files away */
    pid_t guard_pid;
};

/* ---- the files ---- */

static int vm_path(const char *option, const char *path, unsigned i, unsigned n,
                   char *out)
{
    int len = n == 1 ? snprintf(out, WHERE_MAX, "%s", path)
                     : snprintf(out, WHERE_MAX, "%s.%u", path, i + 1);

    if (len < (int)WHERE_MAX)
        return 0;
    out[0] = '\0'; /* What fits of it is the path of something else. */
    say("%s %s: a socket's path has up to %zu bytes", option, path,
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

/* With @before in front of what the text around it takes for its own. */
static void text_print(const char *text, const char *special, char before)
{
    for (; *text; text++) {
        if (strchr(special, *text))
            putchar(before);
        putchar(*text);
    }
}

/* In a value of QEMU's options a comma is two. */
static void qemu_print(const struct vm *vm, unsigned i)
{
    if (vm->guest.options->serial) {
        fputs("-device virtio-serial -chardev socket,id=n0,path=", stdout);
        text_print(vm->path, ",", ',');
        puts(
            ",reconnect=1 -device virtserialport,chardev=n0,name=" AGENT_SERIAL);
        return;
    }
    fputs("-netdev stream,id=n0,server=off,addr.type=unix,addr.path=", stdout);
    text_print(vm->path, ",", ',');
    printf(" -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:%02x\n",
           0x56 + i);
}

/* A machine at a path of its own, or all that share this one. */
static void wires_print(const struct vm *vm, unsigned i)
{
    unsigned n = vm->guest.options->shared;

    do
        qemu_print(vm, i);
    while (++i < n);
}

/** The first CID that is no machine's of a meaning of its own, vsock(7). */
#define CID_FIRST 3u

static void vsock_print(const struct vm *vm, unsigned i)
{
    unsigned cid = CID_FIRST + i;

    printf("Firecracker: {\"vsock\": {\"guest_cid\": %u, \"uds_path\": \"",
           cid);
    text_print(vm->connector.path, "\"\\", '\\');
    printf("\"}}\ncloud-hypervisor: --vsock cid=%u,socket=%s\n"
           "in the machine: guestnet-agent vsock:%u\n",
           cid, vm->connector.path, vm->guest.options->vsock_port);
}

static int vm_join(struct vm *vm, unsigned i, int fd)
{
    const char *wire = vm->guest.options->vsock ? "vsock" : "qemu";
    char why[500] = "", answer[8192];

    if (guest_enter(&vm->guest, why, sizeof(why)) ||
        guest_join(&vm->guest, wire, fd, answer, sizeof(answer), why,
                   sizeof(why))) {
        say("%s", why);
        return -1;
    }
    if (vm->guest.options->vsock)
        vsock_print(vm, i);
    else
        wires_print(vm, i);
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

    for (unsigned i = vms->n; i-- > 0;) {
        guest_leave(&vms->vm[i].guest);
        connector_close(&vms->vm[i].connector);
    }
    close(vms->guard);
    if (waitpid(vms->guard_pid, &status, 0) == vms->guard_pid &&
        WIFSIGNALED(status))
        paths_remove(vms); /* It was killed. */
}

/* ---- while they run ---- */

/* Descriptors of a machine, and of the signals behind those of all. */
enum { FD_PLACE = 0, FD_CONNECTOR, FDS_EACH };

static int vms_wait(struct vms *vms, int signals)
{
    struct pollfd fds[VMS_MAX * FDS_EACH + 1], *last = fds + vms->n * FDS_EACH;

    for (;;) {
        for (unsigned i = 0; i < vms->n; i++) {
            struct pollfd *of = fds + i * FDS_EACH;

            of[FD_PLACE].fd = vms->vm[i].guest.place.fd;
            of[FD_CONNECTOR].fd = vms->vm[i].connector.sock;
            of[FD_PLACE].events = of[FD_CONNECTOR].events = POLLIN;
        }
        *last = (struct pollfd){.fd = signals, .events = POLLIN};
        if (poll(fds, vms->n * FDS_EACH + 1, -1) < 0)
            continue;
        if (last->revents && front_ends(signals))
            return 0;
        for (unsigned i = 0; i < vms->n; i++) {
            struct pollfd *of = fds + i * FDS_EACH;

            if (of[FD_PLACE].revents && !guest_hear(&vms->vm[i].guest))
                return STATUS_OURS;
            if (of[FD_CONNECTOR].revents)
                connector_serve(&vms->vm[i].connector);
        }
    }
}

static void vms_init(struct vms *vms, const struct options *options)
{
    for (unsigned i = 0; i < vms->n; i++) {
        struct guest *guest = &vms->vm[i].guest;
        const char *kind = options->name ? options->name : "vm";

        guest_init(guest, options, "vm", MTU);
        vms->vm[i].connector.sock = -1;
        if (vms->n > 1)
            (void)snprintf(guest->name, sizeof(guest->name), "%.50s%u", kind,
                           i + 1);
        else if (options->shared) /* The network numbers them. */
            (void)snprintf(guest->name, sizeof(guest->name), "%.50s", kind);
    }
}

/* The wire of the i-th machine; -1 with a line. */
static int vm_open(struct vms *vms, const struct options *options, unsigned i)
{
    struct vm *vm = &vms->vm[i];
    int fd;

    if (options->vsock) {
        if (vm_path("--vsock", options->vsock, i, vms->n, vm->connector.path))
            return -1;
        fd = connector_open(&vm->connector);
        if (fd < 0)
            say("--vsock: %s", strerror(-fd));
        return fd;
    }
    if (vm_path("--socket", options->socket, i, vms->n, vm->path))
        return -1;
    fd = vm_listen(vm->path);
    if (fd < 0)
        vm->path[0] = '\0';
    return fd;
}

static int vms_open(struct vms *vms, const struct options *options, int *fds)
{
    for (unsigned i = 0; i < vms->n; i++) {
        fds[i] = vm_open(vms, options, i);
        if (fds[i] >= 0)
            continue;
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
    err = vms_open(vms, options, fds);
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

/* What fits together; -1 with a line. */
static int options_check(const struct options *options)
{
    bool many = options->vms > 1 || options->shared;

    if (!options->vsock && (!options->socket || !options->socket[0])) {
        say("vm: --socket PATH is needed, where QEMU will connect to, or "
            "--vsock PATH");
        return -1;
    }
    if (options->vsock && (options->socket || options->serial)) {
        say("vm: --vsock and %s are for different machines; use a guestnet vm "
            "with --network for each",
            options->socket ? "--socket" : "--serial");
        return -1;
    }
    if (options->shared &&
        (options->vsock || options->serial || options->vms)) {
        say("vm: --shared is for machines with a card at one --socket, without "
            "--%s",
            options->vsock    ? "vsock"
            : options->serial ? "serial"
                              : "vms");
        return -1;
    }
    if (many && (options->n_publish || options->pcap)) {
        say("vm: --publish and --pcap are for one machine; use a guestnet vm "
            "with --network for each");
        return -1;
    }
    return 0;
}

int verb_vm(const struct options *options)
{
    struct vms vms = {.n = options->vms ? options->vms : 1};
    int status;

    if (options_check(options))
        return STATUS_OURS;
    vms.vm = calloc(vms.n, sizeof(*vms.vm));
    if (!vms.vm) {
        say("no memory");
        return STATUS_OURS;
    }
    status = vms_run(&vms, options);
    free(vms.vm);
    return status;
}
