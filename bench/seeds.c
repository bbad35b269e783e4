/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeds of what a consensus of five nodes says to each other, a process each
 * (gn_sim_main()): a leader asks four others twenty times a second, and a
 * client asks the leader as often, by TCP over links with jitter.
 */
#include "bench.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define N_NODES    5
#define CLIENT     N_NODES
#define REQUEST    100
#define REPLY      40
#define PERIOD_NS  UINT64_C(50000000)
#define RUN_NS     UINT64_C(20000000000)
#define N_REQUESTS 1950 /* That are answered in the time, at the least. */

#define N_SEEDS       1000
#define N_SEEDS_QUICK 200

static struct site sites[N_NODES + 1];
static int n_answered;

static int serve_peer(void *arg)
{
    const struct end end = {arg, -1};
    char data[REQUEST] = {0};

    while (end_recv(end, data, REQUEST, MSG_WAITALL) == REQUEST &&
           end_send(end, data, REPLY, 0) == REPLY)
        continue;
    end_close(end);
    return 0;
}

static int node(void *arg)
{
    struct gn_namespace *ns = arg;
    struct gn_sock *listener, *peer;

    if (gn_sock_listen_at(ns, "tcp4", ":9", 0, NULL, 0, &listener))
        gn_sim_fail("cannot listen");
    while (!gn_sock_accept(listener, NULL, NULL, 0, &peer))
        if (gn_task_start(ns, NULL, serve_peer, peer, NULL))
            gn_sim_fail("no task");
    return 0;
}

static void ask_on(struct gn_namespace *ns, struct end end)
{
    uint64_t next_ns = gn_now_ns(ns);
    char data[REQUEST] = {0};

    while (!gn_sleep_ns(ns, (next_ns += PERIOD_NS) - gn_now_ns(ns)) &&
           end_send(end, data, REQUEST, 0) == REQUEST &&
           end_recv(end, data, REPLY, MSG_WAITALL) == REPLY)
        n_answered++;
}

static int ask(struct gn_namespace *ns, const char *whom)
{
    struct end end = END_NONE;

    if (gn_sock_dial(ns, "tcp4", whom, 0, NULL, 0, &end.sock))
        gn_sim_fail("cannot connect to %s", whom);
    ask_on(ns, end);
    return 0;
}

/** Of the leader to a follower, by its number; of the client to the leader. */
static int ask_number(void *arg)
{
    static const char *const whom[] = {"n0:9", "n1:9", "n2:9", "n3:9", "n4:9"};

    return ask(gn_task_namespace(), whom[(intptr_t)arg]);
}

static int add_site(struct gn_network *net, const char *name, struct site *out)
{
    const struct gn_link_config link = {
        .size = sizeof(link), .latency_us = 1000, .jitter_us = 500};
    const struct gn_namespace_config config = {.size = sizeof(config),
                                               .name = name};
    int err = gn_namespace_create(net, &config, &out->ns);

    return err ? err : gn_link_set(out->ns, NULL, &link);
}

static int start_all(void)
{
    int err = 0;

    for (size_t i = 0; i < N_NODES && !err; i++)
        err = gn_task_start(sites[i].ns, NULL, node, sites[i].ns, NULL);
    for (intptr_t i = 1; i < N_NODES && !err; i++)
        err = gn_task_start(sites[0].ns, NULL, ask_number, (void *)i, NULL);
    return err ? err
               : gn_task_start(sites[CLIENT].ns, NULL, ask_number, NULL, NULL);
}

static int set_up(struct gn_clock *clock, void *arg)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static const char *const names[] = {"n0", "n1", "n2", "n3", "n4", "c"};
    const struct gn_network_config config = {.size = sizeof(config),
                                             .prefixes = prefixes,
                                             .drive = GN_DRIVE_VIRTUAL,
                                             .clock = clock,
                                             .mtu = 1500};
    struct gn_network *net;
    int err = gn_network_create(&config, &net);

    (void)arg;
    for (size_t i = 0; i <= CLIENT && !err; i++)
        err = add_site(net, names[i], &sites[i]);
    return err ? err : start_all();
}

static int check(struct gn_clock *clock, void *arg)
{
    (void)clock, (void)arg;
    return n_answered >= N_REQUESTS ? 0 : -EPROTO;
}

static double seconds_of(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/** What ended processes of this one have had of all its processors, divided by
 *  their number. */
static double seconds_of_all(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_CHILDREN, &usage);
    return (seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime)) /
           (double)sysconf(_SC_NPROCESSORS_ONLN);
}

/** Tries them, and says nothing. */
static int try_seeds(unsigned n)
{
    static const struct gn_scenario scenario = {.size = sizeof(scenario),
                                                .name = "consensus",
                                                .setup = set_up,
                                                .check = check,
                                                .duration_ns = RUN_NS};
    char name[] = "bench", option[] = "--seeds", number[16];
    char *argv[] = {name, option, number, NULL};
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (nothing < 0 || dup2(nothing, STDOUT_FILENO) < 0)
        return -errno;
    snprintf(number, sizeof(number), "%u", n);
    return gn_sim_main(3, argv, &scenario, 1) ? -EPROTO : 0;
}

/** Seeds in a minute of all processors. */
static int measure(const struct bench_run *run, double *out)
{
    unsigned n = run->quick ? N_SEEDS_QUICK : N_SEEDS;
    int err = try_seeds(n);

    *out = 60.0 * n / seconds_of_all();
    return err;
}

const struct bench_row bench_seeds_rows[] = {
    {"sim_raft_seeds", "1/min", NULL, measure, {0, 0}, BENCH_OURS_MIN, 10000},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
