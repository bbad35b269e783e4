/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiver is a process: in a namespace of its own where the forwarder
 * serves one. It listens, says so, takes the one connection that comes, and
 * reports how fast it was.
 */
#include "forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536u
/* The receiver's port, in its namespace; and the one that is forwarded. */
#define INNER_PORT  25203
#define PATIENCE_MS 5000

static unsigned char block[BLOCK];

static void nap(void)
{
    struct timespec t = {.tv_nsec = 20000000};

    nanosleep(&t, NULL);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* ---- the receiver ---- */

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = write(fd, text, strlen(text));
    close(fd);
    return n == (ssize_t)strlen(text) ? 0 : -EIO;
}

int forward_enter_namespace(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    unsigned uid = geteuid();
    char map[32];
    int fd;

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return -ENOTSUP;
    snprintf(map, sizeof(map), "0 %u 1", uid);
    (void)write_file("/proc/self/setgroups", "deny");
    if (write_file("/proc/self/uid_map", map) ||
        write_file("/proc/self/gid_map", map))
        return -ENOTSUP;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
        return -ENOTSUP;
    close(fd);
    return 0;
}

static int listen_at(uint16_t *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 16) ||
        getsockname(fd, (struct sockaddr *)&addr, &len))
        return -errno;
    *port = ntohs(addr.sin_port);
    return fd;
}

static uint64_t receive_for(int fd, uint64_t time_ns, uint64_t *bytes)
{
    uint64_t start = bench_now_ns(), now = start;
    ssize_t n = 1;

    *bytes = 0;
    while (now - start < time_ns && n > 0) {
        for (int i = 0; i < 16 && n > 0; i++) {
            n = recv(fd, block, sizeof(block), 0);
            *bytes += n > 0 ? (uint64_t)n : 0;
        }
        now = bench_now_ns();
    }
    return now - start;
}

/* Connections that the forwarder makes to see whether the server listens end at
 * once; the measured one brings bytes. */
static void receive(int listener, int report, uint64_t time_ns)
{
    uint64_t bytes = 0, took = 1;
    double bits_per_s;
    int fd;

    do {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 || recv(fd, block, sizeof(block), 0) <= 0);
    (void)receive_for(fd, time_ns / 4, &bytes);
    took = receive_for(fd, time_ns, &bytes);
    bits_per_s = bench_rate(8 * bytes, 0, took);
    (void)!write(report, &bits_per_s, sizeof(bits_per_s));
    _exit(0);
}

pid_t forward_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static int start_receiver(bool apart, uint64_t time_ns, pid_t *pid, int *report,
                          uint16_t *port)
{
    int fds[2], err;

    if (pipe2(fds, O_CLOEXEC))
        return -errno;
    *pid = forward_fork();
    if (*pid == 0) {
        uint16_t own = apart ? INNER_PORT : 0;
        int listener, result = apart ? forward_enter_namespace() : 0;

        listener = result ? -1 : listen_at(&own);
        if (listener < 0)
            own = 0;
        (void)!write(fds[1], &own, sizeof(own));
        if (listener >= 0)
            receive(listener, fds[1], time_ns);
        _exit(1);
    }
    close(fds[1]);
    *report = fds[0];
    err = read(fds[0], port, sizeof(*port)) == sizeof(*port) && *port
              ? 0
              : -ENOTSUP;
    return err;
}

/* ---- the forwarders ---- */

pid_t forward_start(const char *const argv[])
{
    pid_t pid = forward_fork();
    int null;

    if (pid)
        return pid;
    null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static pid_t start_socat(uint16_t outer, uint16_t inner)
{
    char from[64], to[64];
    const char *argv[] = {"socat", from, to, NULL};

    snprintf(from, sizeof(from), "TCP-LISTEN:%u,bind=127.0.0.1,reuseaddr,fork",
             outer);
    snprintf(to, sizeof(to), "TCP:127.0.0.1:%u", inner);
    return forward_start(argv);
}

static pid_t start_pasta(uint16_t outer, uint16_t inner, pid_t receiver)
{
    char ports[32], pid[16], uid[16];
    const char *argv[] = {
        "pasta", "-f",   "-q", "--config-net", "--runas", uid,    "-t", ports,
        "-u",    "none", "-T", "none",         "-U",      "none", pid,  NULL};

    snprintf(ports, sizeof(ports), "127.0.0.1/%u:%u", outer, inner);
    snprintf(pid, sizeof(pid), "%d", receiver);
    snprintf(uid, sizeof(uid), "%u", geteuid());
    return forward_start(argv);
}

static int ask_slirp(const char *path, uint16_t outer, uint16_t inner)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char ask[200], answer[200];
    uint64_t start = bench_now_ns();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t n;

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    while (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
        if (bench_now_ns() - start > PATIENCE_MS * 1000000ull)
            return -ENOTSUP;
        nap();
    }
    snprintf(ask, sizeof(ask),
             "{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"tcp\","
             "\"host_addr\":\"127.0.0.1\",\"host_port\":%u,"
             "\"guest_port\":%u}}",
             outer, inner);
    if (write(fd, ask, strlen(ask)) < 0 || shutdown(fd, SHUT_WR))
        return -errno;
    n = read(fd, answer, sizeof(answer) - 1);
    answer[n > 0 ? n : 0] = '\0';
    close(fd);
    return strstr(answer, "return") ? 0 : -ENOTSUP;
}

static pid_t start_slirp(uint16_t outer, uint16_t inner, pid_t receiver)
{
    char pid[16], path[64] = "";
    const char *argv[] = {"slirp4netns",  "--configure", "--mtu=65520",
                          "--api-socket", path,          pid,
                          "tap0",         NULL};
    pid_t child;

    snprintf(path, sizeof(path), "/tmp/guestnet-bench-%d", getpid());
    snprintf(pid, sizeof(pid), "%d", receiver);
    (void)unlink(path);
    child = forward_start(argv);
    if (ask_slirp(path, outer, inner)) {
        kill(child, SIGKILL);
        child = -1;
    }
    (void)unlink(path);
    return child;
}

static pid_t start_forwarder(enum forwarder which, uint16_t outer,
                             uint16_t inner, pid_t receiver)
{
    switch (which) {
    case FORWARD_SOCAT:
        return start_socat(outer, inner);
    case FORWARD_PASTA:
        return start_pasta(outer, inner, receiver);
    default:
        return start_slirp(outer, inner, receiver);
    }
}

/* ---- the sender ---- */

static void *send_main(void *arg)
{
    int fd = *(int *)arg;

    while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
        continue;
    return NULL;
}

static int dial(uint16_t port)
{
    struct sockaddr_in addr = loopback(port);
    uint64_t start = bench_now_ns();

    while (bench_now_ns() - start < PATIENCE_MS * 1000000ull) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
            return fd;
        close(fd);
        nap();
    }
    return -ENOTSUP;
}

static int send_through(uint16_t port, int report, double *bits_per_s)
{
    pthread_t thread;
    int fd = dial(port), err;

    if (fd < 0)
        return fd;
    err = -pthread_create(&thread, NULL, send_main, &fd);
    if (err)
        return err;
    err = read(report, bits_per_s, sizeof(*bits_per_s)) == sizeof(*bits_per_s)
              ? 0
              : -EPIPE;
    shutdown(fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(fd);
    return err;
}

int forward_bulk(const struct bench_run *run, enum forwarder which, double *out)
{
    pid_t receiver = -1, forwarder = -1;
    uint16_t inner = 0, outer = 0;
    double bits_per_s = 0;
    int report = -1, err;

    err = start_receiver(which != FORWARD_SOCAT, run->time_ns, &receiver,
                         &report, &inner);
    if (!err)
        err = bench_free_port(&outer);
    if (!err) {
        forwarder = start_forwarder(which, outer, inner, receiver);
        err =
            forwarder < 0 ? -ENOTSUP : send_through(outer, report, &bits_per_s);
    }
    if (forwarder > 0)
        kill(forwarder, SIGKILL);
    if (receiver > 0)
        kill(receiver, SIGKILL);
    while (wait(NULL) > 0)
        continue;
    *out = bits_per_s / 1e9;
    return err;
}
