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
#include <stdio.h>
#include <string.h>

#include "raft.h"

#define SECOND UINT64_C(1000000000)

struct world world;

void world_leads(int node, uint32_t term)
{
    int before;

    (void)pthread_mutex_lock(&world.lock);
    before = world.leaders[term % LOG_MAX];
    world.leaders[term % LOG_MAX] = node + 1;
    (void)pthread_mutex_unlock(&world.lock);
    if (before && before != node + 1)
        gn_sim_fail("n%d leads in term %u, and so does n%d", node, term,
                    before - 1);
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
    uint32_t key;

    (void)clock, (void)arg;
    for (key = 0; key < N_KEYS; key++) {
        if (history_is_linear(key) != 1)
            gn_sim_fail("key %u: no order found for what clients saw", key);
    }
    return 0;
}

/* Nodes, and then clients. */
static int start_machine(int i)
{
    static const struct gn_link_config link = {
        .size = sizeof(link), .latency_us = 1000, .jitter_us = 500};
    bool is_node = i < N_NODES;
    int number = is_node ? i : i - N_NODES, err;
    char name[16];
    struct gn_namespace_config ns = {.size = sizeof(ns), .name = name};
    struct gn_machine_config config = {.size = sizeof(config),
                                       .ns = &ns,
                                       .link = &link,
                                       .boot =
                                           is_node ? node_boot : client_boot,
                                       .arg = (void *)(intptr_t)number,
                                       .daemon = is_node};

    (void)snprintf(name, sizeof(name), is_node ? "n%d" : "c%d", number);
    err = gn_machine_create(world.net, &config, &world.machines[i]);
    return err ? err : gn_machine_start(world.machines[i]);
}

static int set_up(struct gn_clock *clock, void *arg)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = clock ? GN_DRIVE_VIRTUAL
                                                      : GN_DRIVE_THREAD,
                                       .clock = clock};
    int i, err;

    memset(&world, 0, sizeof(world));
    world.bug = (enum bug)(uintptr_t)arg;
    (void)pthread_mutex_init(&world.lock, NULL);
    err = gn_network_create(&config, &world.net);
    for (i = 0; i < N_MACHINES && !err; i++)
        err = start_machine(i);
    return err;
}

static int run_in_real_time(void)
{
    int i, err = set_up(NULL, NULL);

    if (err) {
        (void)fprintf(stderr, "raft: %s\n", gn_strerror(err));
        return 1;
    }
    while (world.n_done < N_CLIENTS &&
           !gn_sleep_ns(gn_machine_namespace(world.machines[0]), 100 * MS))
        continue;
    for (i = N_MACHINES; i > 0; i--)
        gn_machine_close(world.machines[i - 1]);
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
    static const struct gn_plan_config all = {.size = sizeof(all),
                                              .calm_ns = 8 * SECOND,
                                              .max_for_ns = 2 * SECOND,
                                              .max_faults = 30,
                                              .max_down = 3,
                                              .machines = nodes};
    static struct gn_plan_config few; /* kinds of them */
    static struct gn_scenario scenarios[] = {
        {.name = "raft", .marks = marks, .faults = &all},
        {.name = "unsynced-vote", .faults = &all},
        {.name = "old-term-commit", .faults = &few}};
    size_t i;

    if (argc == 2 && !strcmp(argv[1], "real"))
        return run_in_real_time();
    few = all;
    few.kinds =
        GN_PLAN_CRASH | GN_PLAN_POWER | GN_PLAN_PARTITION | GN_PLAN_LINK;
    for (i = 0; i < 3; i++) {
        scenarios[i].size = sizeof(scenarios[i]);
        scenarios[i].setup = set_up;
        scenarios[i].check = check;
        scenarios[i].arg = (void *)(uintptr_t)i; /* enum bug */
        scenarios[i].duration_ns = 30 * SECOND;
    }
    return gn_sim_main(argc, argv, scenarios, 3);
}
