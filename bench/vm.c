/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulk between a virtual machine and the host, next to the networks that a user
 * of QEMU has otherwise: its own, and passt. All three forward the gateway's
 * address to the loopback, so the machine does the same in each. Without KVM
 * the machine takes most of the time: the rows compare networks, not machines.
 */
#include "bench.h"
#include "forward.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK      65536u
#define TEXT_MAX   256u
#define BOOT_MS    60000u
#define CONNECT_MS 30000u

enum network { NETWORK_OURS = 0, NETWORK_QEMU, NETWORK_PASST };
/* The direction is seen from the machine. */
#define ARG(network, in, mtu) \
    ((size_t)(network) | (size_t)(in) << 8 | (size_t)(mtu) << 16)

/** The process makes one, and its end is the machine's. */
struct vm {
    enum network network;
    uint32_t mtu;    /* the machine hears of it by DHCP, but of QEMU's */
    char folder[64]; /* kernel, initrd and socket, until it is up */
    char socket[80];
    int in, out; /* of its console */
    int listener;
    uint16_t port;
};

/* ---- the network ---- */

static int network_ours(const struct vm *vm)
{
    static const char *const rules[] = {"allow 127.0.0.1", NULL};
    const struct gn_policy policy = {.size = sizeof(policy), .rules = rules};
    static const char *const prefixes[] = {"10.64.0.0/24", NULL};
    const struct gn_network_config net_config = {
        .size = sizeof(net_config), .prefixes = prefixes, .mtu = GN_MTU_MAX};
    struct gn_nic_config config = {.size = sizeof(config), .mtu = vm->mtu};
    struct gn_egress *egress;
    struct gn_network *net;
    struct gn_nic *nic;
    int err = gn_egress_system(&policy, &egress);

    if (!err)
        err = gn_network_create(&net_config, &net);
    config.egress = err ? NULL : egress;
    return err ? err : gn_nic_unix(net, &config, vm->socket, 0600, &nic);
}

static int network_passt(const struct vm *vm)
{
    char uid[16];
    const char *argv[] = {"passt", "-f", "-q",   "--runas", uid,    "--socket",
                          NULL,    "-t", "none", "-u",      "none", NULL};
    uint64_t start = bench_now_ns();
    pid_t pid;

    snprintf(uid, sizeof(uid), "%u", geteuid());
    argv[6] = vm->socket;
    pid = forward_start(argv);
    if (pid < 0)
        return -errno;
    while (access(vm->socket, F_OK)) {
        if (waitpid(pid, NULL, WNOHANG) == pid ||
            bench_now_ns() - start > CONNECT_MS * 1000000ull) {
            fprintf(stderr, "passt is not installed, or does not run here\n");
            return -ENOTSUP;
        }
        (void)poll(NULL, 0, 20);
    }
    return 0;
}

static int network_open(const struct vm *vm)
{
    switch (vm->network) {
    case NETWORK_OURS:
        return network_ours(vm);
    case NETWORK_PASST:
        return network_passt(vm);
    case NETWORK_QEMU:
        break; /* Its network is in QEMU itself. */
    }
    return 0;
}

/* ---- the machine ---- */

static int vm_prepare(struct vm *vm)
{
    char command[512];
    int status;

    snprintf(vm->folder, sizeof(vm->folder), "/tmp/guestnet-bench-XXXXXX");
    if (!mkdtemp(vm->folder))
        return -errno;
    snprintf(vm->socket, sizeof(vm->socket), "%s/s", vm->folder);
    snprintf(command, sizeof(command), "'%s' %s >&2", GN_BENCH_VM_SH,
             vm->folder);
    status = system(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return -ENOTSUP;
    return status ? -ECHILD : 0;
}

static void vm_tidy(const struct vm *vm)
{
    static const char *const files[] = {"vmlinuz", "initrd", "s", "s.repair"};
    char path[96];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", vm->folder, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(vm->folder);
}

static void vm_exec(const struct vm *vm)
{
    char kernel[96], initrd[96], netdev[160];

    snprintf(kernel, sizeof(kernel), "%s/vmlinuz", vm->folder);
    snprintf(initrd, sizeof(initrd), "%s/initrd", vm->folder);
    snprintf(netdev, sizeof(netdev),
             vm->network == NETWORK_QEMU
                 ? "user,id=n0"
                 : "stream,id=n0,server=off,addr.type=unix,addr.path=%s",
             vm->socket);
    execlp("qemu-system-x86_64", "qemu-system-x86_64", "-accel", "tcg", "-m",
           "320", "-display", "none", "-serial", "stdio", "-monitor", "none",
           "-no-reboot", "-nodefaults", "-kernel", kernel, "-initrd", initrd,
           "-append", "console=ttyS0 quiet panic=-1 no_timer_check", "-netdev",
           netdev, "-device",
           "virtio-net-pci,netdev=n0,romfile=", (char *)NULL);
    _exit(127);
}

static int vm_start(struct vm *vm)
{
    int in[2], out[2];
    pid_t pid;

    if (pipe(in) || pipe(out))
        return -errno;
    pid = forward_fork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        vm_exec(vm);
    }
    close(in[0]);
    close(out[1]);
    vm->in = in[1];
    vm->out = out[0];
    return pid < 0 ? -errno : 0;
}

static int wait_readable(int fd, uint64_t until_ns)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    uint64_t now_ns = bench_now_ns();
    int n = now_ns < until_ns
                ? poll(&pollfd, 1, (int)((until_ns - now_ns) / 1000000))
                : 0;

    return n > 0 ? 0 : n ? -errno : -ETIMEDOUT;
}

/* Its shell runs. */
static int vm_wait_up(const struct vm *vm)
{
    uint64_t until_ns = bench_now_ns() + BOOT_MS * 1000000ull;
    char text[TEXT_MAX] = "";
    size_t len = 0;

    while (!strstr(text, "#up#")) {
        int err = wait_readable(vm->out, until_ns);
        ssize_t n;

        if (err)
            return err;
        if (len > TEXT_MAX / 2) { /* Half of it holds the mark's begin. */
            memmove(text, text + len / 2, len - len / 2 + 1);
            len -= len / 2;
        }
        n = read(vm->out, text + len, TEXT_MAX - 1 - len);
        if (n <= 0)
            return n ? -errno : -EPIPE;
        len += (size_t)n;
        text[len] = 0;
    }
    return 0;
}

static int vm_open(struct vm *vm)
{
    int err = vm_prepare(vm);

    if (!err)
        err = network_open(vm);
    if (!err)
        err = vm_start(vm);
    if (!err)
        err = vm_wait_up(vm);
    vm_tidy(vm); /* QEMU has read and connected to all of it. */
    return err;
}

/* ---- bulk ---- */

static int serve(struct vm *vm)
{
    struct sockaddr_storage addr;
    struct site site = {.ns = NULL};
    struct end end;
    int err = gn_addr_parse("127.0.0.1", &site.addr, &site.len);

    if (!err)
        err = end_serve(&site, SOCK_STREAM, 1, &end, &addr);
    if (err)
        return err;
    vm->listener = end.fd;
    vm->port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
    return 0;
}

/* The machine takes an address, and connects to the host. */
static int vm_connect(const struct vm *vm, bool in)
{
    uint64_t until_ns = bench_now_ns() + CONNECT_MS * 1000000ull;
    char command[TEXT_MAX];
    int len = snprintf(command, sizeof(command),
                       "udhcpc -i eth0 -f -q -n -s /dhcp; set -- $(ip -4 route "
                       "show default); nc $3 %u %s\n",
                       vm->port, in ? ">/dev/null" : "</dev/zero");
    int err;

    if (write(vm->in, command, (size_t)len) != len)
        return -errno;
    err = wait_readable(vm->listener, until_ns);
    if (err)
        return err;
    err = accept(vm->listener, NULL, NULL);
    return err < 0 ? -errno : err;
}

/* Over the time of the run, after a warm-up of a quarter of it. */
static int move_for(int fd, bool in, uint64_t time_ns, double *bits_per_s)
{
    static char block[BLOCK];
    uint64_t start_ns = bench_now_ns(), now_ns = start_ns, n_bytes = 0;

    while (now_ns - start_ns < time_ns) {
        ssize_t n = in ? send(fd, block, BLOCK, MSG_NOSIGNAL)
                       : recv(fd, block, BLOCK, 0);

        if (n <= 0)
            return n ? -errno : -EPIPE;
        n_bytes += (uint64_t)n;
        now_ns = bench_now_ns();
    }
    *bits_per_s = bench_rate(8 * n_bytes, start_ns, now_ns);
    return 0;
}

static int measure_bulk(const struct bench_run *run, double *out)
{
    struct vm vm = {.network = (enum network)(run->arg & 255),
                    .mtu = (uint32_t)(run->arg >> 16)};
    bool in = run->arg >> 8 & 1;
    int fd, err = serve(&vm);

    if (!err)
        err = vm_open(&vm);
    fd = err ? err : vm_connect(&vm, in);
    if (fd < 0)
        return fd;
    err = move_for(fd, in, run->time_ns / 4, out);
    if (!err)
        err = move_for(fd, in, run->time_ns, out);
    *out /= 1e9;
    return err;
}

#define BULK(name, in, mtu, ref_name, ref)                                    \
    {                                                                         \
        name, "Gbit/s", ref_name, measure_bulk,                               \
            {ARG(NETWORK_OURS, in, mtu), ARG(ref, in, mtu)}, BENCH_PRINTED, 0 \
    }

/* passt's packets have 65520 bytes, QEMU's network knows 1500 only. */
const struct bench_row bench_vm_rows[] = {
    BULK("vm_out_bulk_vs_qemu_user", 0, 1500, "QEMU's user network",
         NETWORK_QEMU),
    BULK("vm_in_bulk_vs_qemu_user", 1, 1500, "QEMU's user network",
         NETWORK_QEMU),
    BULK("vm_out_bulk_vs_passt", 0, 65520, "passt", NETWORK_PASST),
    BULK("vm_in_bulk_vs_passt", 1, 65520, "passt", NETWORK_PASST),
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
