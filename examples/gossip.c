/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gossip between 200 nodes: each tells what it knows to three others, ten times
 * a second, by UDP. Four of them begin with a rumour each. Whatever happens on
 * the way, in the end every node knows all of them:
 *
 *     gossip --seeds 100
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define N_NODES   200
#define N_RUMOURS 4
#define FANOUT    3
#define PORT      9000
#define MS        UINT64_C(1000000)
#define SECOND    (1000 * MS)

static struct gn_machine *nodes[N_NODES];

/** What a node has in memory, and where it hears. */
struct node {
    int id;
    uint32_t known; /* rumours, a bit each */
    struct gn_sock *sock;
};

/* Nodes are at 10.77.0.2 and behind. */
static struct sockaddr_in address_of(uint32_t id)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(PORT),
                                .sin_addr.s_addr = htonl(0x0a4d0002 + id)};
}

/* What is known survives a crash, because it is on disk before it is told. */
static void learn(struct node *node, uint32_t rumours)
{
    struct gn_machine *self = gn_task_machine();

    if (!(rumours & ~node->known))
        return;
    node->known |= rumours;
    if (gn_disk_write(self, "known", 0, &node->known, sizeof(node->known)) !=
            sizeof(node->known) ||
        gn_disk_sync(self, "known"))
        gn_sim_fail("the disk does not work");
}

static int hear(void *arg)
{
    struct node *node = arg;
    uint32_t rumours;

    while (gn_sock_recv(node->sock, &rumours, sizeof(rumours), 0) > 0)
        learn(node, rumours);
    return 0;
}

static void tell_some(struct node *node)
{
    struct sockaddr_in to;
    uint32_t drawn;
    int i;

    for (i = 0; i < FANOUT; i++) {
        gn_random(gn_task_namespace(), &drawn, sizeof(drawn));
        to = address_of(drawn % N_NODES);
        /* A datagram that is lost is told again, so errors are no matter. */
        (void)gn_sock_sendto(node->sock, &node->known, sizeof(node->known), 0,
                             (struct sockaddr *)&to, sizeof(to));
    }
}

static int open_socket(struct node *node)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int err =
        gn_sock_open(gn_task_namespace(), AF_INET, SOCK_DGRAM, 0, &node->sock);

    return err ? err
               : gn_sock_bind(node->sock, (struct sockaddr *)&any, sizeof(any));
}

static int boot(void *arg)
{
    struct gn_machine *self = gn_task_machine();
    struct node *node = gn_machine_alloc(self, sizeof(*node));
    int id = (int)(intptr_t)arg;

    if (!node || open_socket(node))
        gn_sim_fail("no memory or no socket");
    node->id = id;
    if (gn_disk_read(self, "known", 0, &node->known, sizeof(node->known)) > 0)
        gn_sim_reached("what was known is found again");
    if (id < N_RUMOURS)
        learn(node, 1u << id);
    if (gn_task_start(gn_task_namespace(), NULL, hear, node, NULL))
        gn_sim_fail("no task");
    while (!gn_sleep_ns(gn_task_namespace(), 100 * MS)) {
        if (node->known)
            tell_some(node);
    }
    return 0;
}

/* ---- the test ---- */

static int set_up(struct gn_clock *clock, void *arg)
{
    static const char *const prefixes[] = {"10.77.0.0/16", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL,
                                       .clock = clock};
    struct gn_network *net;
    int i, err = gn_network_create(&config, &net);

    (void)arg;
    for (i = 0; i < N_NODES && !err; i++) {
        char name[16];
        struct gn_namespace_config ns = {.size = sizeof(ns), .name = name};
        struct gn_link_config link = {.size = sizeof(link),
                                      .latency_us = 5000,
                                      .jitter_us = 2000,
                                      .loss_ppm = 100000};
        struct gn_machine_config machine = {.size = sizeof(machine),
                                            .ns = &ns,
                                            .link = &link,
                                            .boot = boot,
                                            .arg = (void *)(intptr_t)i,
                                            .stack_bytes = 16384};

        (void)snprintf(name, sizeof(name), "n%d", i);
        err = gn_machine_create(net, &machine, &nodes[i]);
        if (!err)
            err = gn_machine_start(nodes[i]);
    }
    return err;
}

static int check(struct gn_clock *clock, void *arg)
{
    uint32_t known = 0;
    int i;

    (void)clock, (void)arg;
    for (i = 0; i < N_NODES; i++) {
        if (gn_disk_read(nodes[i], "known", 0, &known, sizeof(known)) !=
                sizeof(known) ||
            known != (1u << N_RUMOURS) - 1)
            gn_sim_fail("n%d knows %x", i, known);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const marks[] = {"what was known is found again", NULL};
    static const struct gn_plan_config faults = {.size = sizeof(faults),
                                                 .max_faults = 20};
    static const struct gn_scenario scenario = {.size = sizeof(scenario),
                                                .name = "gossip",
                                                .setup = set_up,
                                                .check = check,
                                                .duration_ns = 20 * SECOND,
                                                .faults = &faults,
                                                .marks = marks};

    return gn_sim_main(argc, argv, &scenario, 1);
}
