/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ten TCP flows through one line of 100 Mbit/s and 20 ms there and back, for a
 * minute of virtual time, in seconds of the processor; next to ns-3's
 * (ns3/dumbbell.cc), whose segments are as large. The line's packets have
 * jitter, each run another seed: without, flows that are alike stay so.
 */
#include "bench.h"

#include <guestnet/guestnet.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_FLOWS   10
#define SECONDS   60
#define BUFFER    (2 << 20)
#define MS_NS     UINT64_C(1000000)
#define SECOND_NS (1000 * MS_NS)

/** What is figured of a run: @arg. */
enum what { PROCESSOR_SECONDS, GOODPUT };

enum side { LEFT, MIDDLE, RIGHT, N_NETWORKS };

static struct gn_clock *virtual_clock;
static struct gn_network *networks[N_NETWORKS];
static struct gn_namespace *routers[2];
static uint64_t n_received;

/* ---- flows ---- */

/** The end of a flow, by the number of the flow. */
struct host {
    struct gn_namespace *ns;
    int number;
};

static struct host senders[N_FLOWS], receivers[N_FLOWS];

static int take(void *arg)
{
    const struct host *host = arg;
    struct gn_sock *listener, *sock;
    static char data[65536]; /* Its contents are not looked at. */
    int size = BUFFER;
    ssize_t n;

    if (gn_sock_listen_at(host->ns, "tcp4", ":5000", 0, NULL, 0, &listener) ||
        gn_sock_setopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) ||
        gn_sock_accept(listener, NULL, NULL, 0, &sock))
        gn_sim_fail("no connection");
    while ((n = gn_sock_recv(sock, data, sizeof(data), 0)) > 0)
        n_received += (uint64_t)n;
    return 0;
}

static int give(void *arg)
{
    const struct host *host = arg;
    static const char data[65536];
    struct gn_sock *sock;
    char whom[32];
    int size = BUFFER;

    snprintf(whom, sizeof(whom), "10.2.0.%d:5000", host->number + 2);
    if (gn_sleep_ns(host->ns, (uint64_t)host->number * MS_NS) ||
        gn_sock_dial(host->ns, "tcp4", whom, 0, NULL, 0, &sock) ||
        gn_sock_setopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)))
        gn_sim_fail("no connection to %s", whom);
    while (gn_sock_send(sock, data, sizeof(data), 0) > 0)
        continue;
    return 0;
}

/* ---- the networks ---- */

static int open_network(enum side side, const char *prefix)
{
    const char *const prefixes[] = {prefix, NULL};
    const struct gn_network_config config = {.size = sizeof(config),
                                             .prefixes = prefixes,
                                             .drive = GN_DRIVE_VIRTUAL,
                                             .clock = virtual_clock,
                                             .mtu = 1500};

    return gn_network_create(&config, &networks[side]);
}

/** Between one of the outer networks and the middle one. */
static int add_router(int i, const char *outside, const char *middle)
{
    const char *const addresses[] = {outside, NULL};
    const char *const middle_addresses[] = {middle, NULL};
    const struct gn_namespace_config config = {
        .size = sizeof(config), .addresses = addresses, .forwarding = true};
    const struct gn_attach_config attach = {.size = sizeof(attach),
                                            .addresses = middle_addresses};
    int err =
        gn_namespace_create(networks[i ? RIGHT : LEFT], &config, &routers[i]);

    return err ? err
               : gn_namespace_attach(routers[i], networks[MIDDLE], &attach);
}

static int add_routers(void)
{
    const struct gn_link_config line = {.size = sizeof(line),
                                        .latency_us = 10000,
                                        .jitter_us = 100,
                                        .rate_bps = 100000000,
                                        .queue_bytes = 256 << 10};
    int err = add_router(0, "10.1.0.254", "10.99.0.2");

    if (!err)
        err = add_router(1, "10.2.0.254", "10.99.0.3");
    if (!err)
        err = gn_route_add(routers[0], "10.2.0.0/24", "10.99.0.3");
    if (!err)
        err = gn_route_add(routers[1], "10.1.0.0/24", "10.99.0.2");
    return err ? err : gn_link_set(routers[0], "eth1", &line);
}

static int add_host(enum side side, int number, struct host *host)
{
    struct gn_namespace *ns;
    int err = gn_namespace_create(networks[side], NULL, &ns);

    if (err)
        return err;
    *host = (struct host){ns, number};
    return side == LEFT ? gn_route_add(ns, "10.2.0.0/24", "10.1.0.254")
                        : gn_route_add(ns, "10.1.0.0/24", "10.2.0.254");
}

static int add_flow(int number)
{
    int err = add_host(LEFT, number, &senders[number]);

    if (!err)
        err = add_host(RIGHT, number, &receivers[number]);
    if (!err)
        err = gn_task_start(receivers[number].ns, NULL, take,
                            &receivers[number], NULL);
    return err ? err
               : gn_task_start(senders[number].ns, NULL, give, &senders[number],
                               NULL);
}

static int open_all(uint64_t seed)
{
    const struct gn_clock_config config = {.size = sizeof(config),
                                           .seed = seed};
    int err = gn_clock_create(&config, &virtual_clock);

    if (!err)
        err = open_network(LEFT, "10.1.0.0/24");
    if (!err)
        err = open_network(MIDDLE, "10.99.0.0/24");
    if (!err)
        err = open_network(RIGHT, "10.2.0.0/24");
    if (!err)
        err = add_routers();
    for (int i = 0; i < N_FLOWS && !err; i++)
        err = add_flow(i);
    return err;
}

static int run_ours(const struct bench_run *run, double figures[2])
{
    struct gn_sim_report report = {.size = sizeof(report)};
    uint64_t start_ns;
    int err = open_all(run->nth + 1);

    start_ns = bench_processor_ns();
    if (!err)
        err = gn_clock_run(virtual_clock,
                           gn_clock_now_ns(virtual_clock) + SECONDS * SECOND_NS,
                           &report);
    figures[PROCESSOR_SECONDS] =
        (double)(bench_processor_ns() - start_ns) / 1e9;
    figures[GOODPUT] = (double)n_received * 8 / 1e6 / SECONDS;
    if (!err && report.end != GN_SIM_DEADLINE)
        err = -EPROTO;
    return err;
}

/* ---- ns-3 ---- */

/** The program is built beside this one where there is ns-3. */
static int run_ns3(const struct bench_run *run, double figures[2])
{
    char path[PATH_MAX] = "", command[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    FILE *out;
    int n_read;

    if (n < 0)
        return -errno;
    snprintf(command, sizeof(command), "%s/guestnet-bench-ns3", dirname(path));
    if (access(command, X_OK))
        return -ENOTSUP; /* CMake has said what is missing. */
    n = (ssize_t)strlen(command);
    snprintf(command + n, sizeof(command) - (size_t)n, " %d %d %zu", N_FLOWS,
             SECONDS, run->nth + 1);
    out = popen(command, "r");
    if (!out)
        return -errno;
    n_read =
        fscanf(out, "%lf %lf", &figures[PROCESSOR_SECONDS], &figures[GOODPUT]);
    return pclose(out) == 0 && n_read == 2 ? 0 : -EPROTO;
}

static int measure(const struct bench_run *run, double *out)
{
    double figures[2] = {0, 0};
    int err = run->side == BENCH_REFERENCE ? run_ns3(run, figures)
                                           : run_ours(run, figures);

    *out = figures[run->arg];
    return err;
}

const struct bench_row bench_dumbbell_rows[] = {
    {"sim_dumbbell",
     "s",
     "ns-3",
     measure,
     {PROCESSOR_SECONDS, PROCESSOR_SECONDS},
     BENCH_RATIO_MAX,
     1.0 / 25},
    {"sim_dumbbell_goodput",
     "Mbit/s",
     "ns-3",
     measure,
     {GOODPUT, GOODPUT},
     BENCH_NEAR,
     0.02},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
