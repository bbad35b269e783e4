/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Published ports: a client in the kernel, a guest that serves.
 */
#include "bench.h"
#include "bulk.h"
#include "forward.h"
#include "world.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG 4096

/** A guest that listens, and where the kernel's clients find it. */
struct shop {
    struct world world;
    struct end listener;
    struct gn_publication *pub;
    struct sockaddr_storage addr; /* for clients */
    socklen_t len;
};

static int shop_open(struct shop *shop, bool kernel,
                     const struct gn_limits *limits)
{
    struct sockaddr_storage inner;
    char target[GN_ADDR_TEXT_MAX];
    int err = world_open(&shop->world, kernel, 1, limits);

    if (!err)
        err = end_serve(&shop->world.sites[0], SOCK_STREAM, BACKLOG,
                        &shop->listener, &inner);
    if (err)
        return err;
    shop->addr = inner;
    shop->len = sizeof(struct sockaddr_in);
    if (kernel)
        return 0;
    err = gn_addr_format((struct sockaddr *)&inner, target, sizeof(target));
    if (!err)
        err = gn_publish(shop->world.net, "tcp", "127.0.0.1:0", target, NULL,
                         &shop->pub);
    if (!err)
        gn_publication_addr(shop->pub, (struct sockaddr *)&shop->addr,
                            &shop->len);
    return err;
}

static int shop_visit(const struct shop *shop, struct end *client,
                      struct end *served)
{
    int err;

    *client = END_NONE;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return -errno;
    err = end_connect(*client, &shop->addr, shop->len);
    return err ? err : end_accept(shop->listener, served);
}

/* ---- bulk ---- */

static int measure_way(const struct bench_run *run, bool kernel, bool back,
                       double *out)
{
    struct end ends[2];
    struct shop shop;
    int err = shop_open(&shop, kernel, NULL);

    if (!err)
        err = back ? shop_visit(&shop, &ends[1], &ends[0])
                   : shop_visit(&shop, &ends[0], &ends[1]);
    return err ? err : bulk_between(run, ends, out);
}

static int measure_bulk(const struct bench_run *run, double *out)
{
    return measure_way(run, run->side == BENCH_REFERENCE, run->arg, out);
}

static int measure_bulk_versus(const struct bench_run *run, double *out)
{
    if (run->side == BENCH_REFERENCE)
        return forward_bulk(run, (enum forwarder)run->arg, out);
    return measure_way(run, false, false, out);
}

/* ---- connections ---- */

static int measure_connect_close(const struct bench_run *run, double *out)
{
    uint64_t start_ns, now_ns;
    struct shop shop;
    size_t n = 0;
    int err = shop_open(&shop, run->side == BENCH_REFERENCE, NULL);

    start_ns = now_ns = bench_now_ns();
    for (; !err && now_ns - start_ns < run->time_ns; n++) {
        struct end client, served = END_NONE;

        err = shop_visit(&shop, &client, &served);
        end_close(client);
        end_close(served);
        now_ns = bench_now_ns();
    }
    *out = bench_rate(n, start_ns, now_ns);
    return err;
}

/* ---- idle ---- */

/** Clients are a process of their own, which makes no network: neither their
 *  memory nor their descriptors count as ours. */
struct crowd {
    int pipe; /* the address goes there */
    pid_t pid;
};

/* Each says a byte and hears one, so that all of the way has been used. */
static void crowd_main(int pipe, size_t n)
{
    struct sockaddr_in addr;
    char byte;

    if (read(pipe, &addr, sizeof(addr)) != sizeof(addr))
        _exit(1);
    for (size_t i = 0; i < n; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
            write(fd, "x", 1) != 1 || read(fd, &byte, 1) != 1)
            _exit(1);
    }
    for (;;)
        pause();
}

static int crowd_open(struct crowd *crowd, size_t n)
{
    int fds[2];

    if (pipe(fds))
        return -errno;
    crowd->pid = fork();
    if (crowd->pid < 0)
        return -errno;
    if (crowd->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fds[1]);
        crowd_main(fds[0], n);
    }
    close(fds[0]);
    crowd->pipe = fds[1];
    return 0;
}

static int serve_idly(const struct shop *shop, size_t n)
{
    int err = 0;

    for (size_t i = 0; i < n && !err; i++) {
        struct end served;
        char byte = 0;

        err = end_accept(shop->listener, &served);
        if (!err && (end_recv(served, &byte, 1, 0) != 1 ||
                     end_send(served, "y", 1, 0) != 1))
            err = -EPIPE;
    }
    return err;
}

static int measure_idle_bytes(const struct bench_run *run, double *out)
{
    struct gn_limits limits = {.max_sockets = (uint32_t)run->arg + 100};
    struct crowd crowd = {-1, -1};
    struct shop shop;
    uint64_t before;
    int err;

    if (bench_descriptors() < run->arg + 100)
        return -ENOTSUP;
    err = crowd_open(&crowd, run->arg);
    if (!err)
        err = shop_open(&shop, false, &limits);
    before = bench_resident();
    if (!err && write(crowd.pipe, &shop.addr, sizeof(struct sockaddr_in)) < 0)
        err = -errno;
    if (!err)
        err = serve_idly(&shop, run->arg);
    *out = (double)(bench_resident() - before) / (double)run->arg;
    if (crowd.pid > 0)
        kill(crowd.pid, SIGKILL);
    return before ? err : -ENOTSUP;
}

const struct bench_row bench_publish_rows[] = {
    {"publish_bulk",
     "Gbit/s",
     "kernel loopback, direct",
     measure_bulk,
     {false, false},
     BENCH_RATIO_MIN,
     0.5},
    {"publish_bulk_reverse",
     "Gbit/s",
     "kernel loopback, direct",
     measure_bulk,
     {true, true},
     BENCH_RATIO_MIN,
     0.5},
    {"publish_bulk_vs_socat",
     "Gbit/s",
     "socat",
     measure_bulk_versus,
     {0, FORWARD_SOCAT},
     BENCH_RATIO_MIN,
     2.0},
    {"publish_bulk_vs_pasta",
     "Gbit/s",
     "pasta, to a network namespace",
     measure_bulk_versus,
     {0, FORWARD_PASTA},
     BENCH_RATIO_MIN,
     1.1},
    {"publish_bulk_vs_slirp4netns",
     "Gbit/s",
     "slirp4netns, to a network namespace",
     measure_bulk_versus,
     {0, FORWARD_SLIRP4NETNS},
     BENCH_RATIO_MIN,
     1.1},
    {"publish_connect_close",
     "1/s",
     "kernel loopback, direct",
     measure_connect_close,
     {0, 0},
     BENCH_RATIO_MIN,
     0.4},
    {"publish_idle_bytes",
     "bytes",
     NULL,
     measure_idle_bytes,
     {10000, 0},
     BENCH_OURS_MAX,
     16384},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
