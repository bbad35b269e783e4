/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Five nodes and three clients, in simulated time under faults:
 *
 *     raft --seeds 100000
 *     raft --scenario unsynced-vote        finds a mistake that is built in
 *
 * and the same code on a network in real time:
 *
 *     raft real
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft.h"

#define SECOND   UINT64_C(1000000000)
#define DURATION (30 * SECOND)

struct world world;

/* ---- what must hold ---- */

void world_leads(int node, uint32_t term)
{
    int other = -1;

    (void)pthread_mutex_lock(&world.lock);
    if (term < LOG_MAX) {
        other = world.leaders[term];
        world.leaders[term] = node;
    }
    (void)pthread_mutex_unlock(&world.lock);
    if (other >= 0 && other != node)
        gn_sim_fail("n%d leads in term %u, and so does n%d", node, term, other);
}

void world_applies(int node, const struct entry *entry)
{
    struct entry before;

    (void)pthread_mutex_lock(&world.lock);
    before = world.applied[entry->index];
    world.applied[entry->index] = *entry;
    (void)pthread_mutex_unlock(&world.lock);
    if (before.index && memcmp(&before, entry, sizeof(before)))
        gn_sim_fail("n%d applies entry %u of term %u, where one of term %u was "
                    "applied before",
                    node, entry->index, entry->term, before.term);
}

static int check(struct gn_clock *clock, void *arg)
{
    struct op ops[N_CLIENTS * N_OPS];
    uint32_t key;
    size_t i, n;

    (void)clock, (void)arg;
    for (key = 0; key < N_KEYS; key++) {
        for (i = n = 0; i < world.n_ops; i++) {
            if (world.ops[i].key == key)
                ops[n++] = world.ops[i];
        }
        if (!history_is_linear(ops, n))
            gn_sim_fail("key %u: no order of its %zu operations explains what "
                        "clients saw",
                        key, n);
    }
    return 0;
}

/* ---- the machines ---- */

static int start_machine(const char *kind, int i, gn_task_fn boot, bool daemon,
                         struct gn_machine **out)
{
    char name[16];
    struct gn_namespace_config ns = {.size = sizeof(ns), .name = name};
    struct gn_link_config link = {
        .size = sizeof(link), .latency_us = 1000, .jitter_us = 500};
    struct gn_machine_config config = {.size = sizeof(config),
                                       .ns = &ns,
                                       .link = &link,
                                       .boot = boot,
                                       .arg = (void *)(intptr_t)i,
                                       .daemon = daemon};
    int err;

    (void)snprintf(name, sizeof(name), "%s%d", kind, i);
    err = gn_machine_create(world.net, &config, out);
    return err ? err : gn_machine_start(*out);
}

static int start_all(struct gn_clock *clock, enum bug bug)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = clock ? GN_DRIVE_VIRTUAL
                                                      : GN_DRIVE_THREAD,
                                       .clock = clock};
    int i, err;

    memset(&world, 0, sizeof(world));
    memset(world.leaders, 0xff, sizeof(world.leaders));
    world.bug = bug;
    (void)pthread_mutex_init(&world.lock, NULL);
    err = gn_network_create(&config, &world.net);
    for (i = 0; i < N_NODES && !err; i++)
        err = start_machine("n", i, node_boot, true, &world.nodes[i]);
    for (i = 0; i < N_CLIENTS && !err; i++)
        err = start_machine("c", i, client_boot, false, &world.clients[i]);
    return err;
}

static int set_up(struct gn_clock *clock, void *arg)
{
    return start_all(clock, *(const enum bug *)arg);
}

/* ---- real time ---- */

static bool all_is_done(void)
{
    size_t i, n_answered = 0;

    (void)pthread_mutex_lock(&world.lock);
    for (i = 0; i < world.n_ops; i++)
        n_answered += world.ops[i].end != UINT64_MAX;
    (void)pthread_mutex_unlock(&world.lock);
    return n_answered == (size_t)N_CLIENTS * N_OPS;
}

static int run_in_real_time(void)
{
    struct gn_namespace *ns;
    int i, err = start_all(NULL, BUG_NONE);

    if (err) {
        (void)fprintf(stderr, "raft: %s\n", gn_strerror(err));
        return 1;
    }
    ns = gn_machine_namespace(world.clients[0]);
    while (!all_is_done() && !gn_sleep_ns(ns, 100 * MS))
        continue;
    for (i = 0; i < N_CLIENTS; i++)
        gn_machine_close(world.clients[i]);
    for (i = 0; i < N_NODES; i++)
        gn_machine_close(world.nodes[i]);
    gn_network_close(world.net, NULL, NULL);
    (void)check(NULL, NULL);
    (void)printf("%zu operations have an order\n", world.n_ops);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const nodes[] = {"n0", "n1", "n2", "n3", "n4", NULL};
    static const char *const marks[] = {"an election",
                                        "an entry of an older term",
                                        "entries that do not agree", NULL};
    static const struct gn_plan_config faults = {.size = sizeof(faults),
                                                 .calm_ns = 8 * SECOND,
                                                 .max_for_ns = 2 * SECOND,
                                                 .max_faults = 30,
                                                 .max_down = 3,
                                                 .machines = nodes};
    static enum bug bugs[] = {BUG_NONE, BUG_UNSYNCED_VOTE, BUG_OLD_TERM_COMMIT};
    static struct gn_scenario scenarios[] = {{.name = "raft", .marks = marks},
                                             {.name = "unsynced-vote"},
                                             {.name = "old-term-commit"}};
    size_t i;

    if (argc == 2 && !strcmp(argv[1], "real"))
        return run_in_real_time();
    for (i = 0; i < 3; i++) {
        scenarios[i].size = sizeof(scenarios[i]);
        scenarios[i].setup = set_up;
        scenarios[i].check = check;
        scenarios[i].arg = &bugs[i];
        scenarios[i].duration_ns = DURATION;
        scenarios[i].faults = &faults;
    }
    return gn_sim_main(argc, argv, scenarios, 3);
}
