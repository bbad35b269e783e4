/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The kernel's side is in a network namespace of its own, if the kernel lets us
 * have one: then no other program has ports there, its settings are the
 * defaults, and there is no way out, as for the guest. Where it does not, the
 * cases that need that are skipped; the others use loopback addresses only.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/parity/compare.h"
#include "tests/parity/netns.h"

static bool has_ipv6(void)
{
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6,
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool has;

    if (fd < 0)
        return false;
    has = !bind(fd, (struct sockaddr *)(void *)&addr, sizeof(addr));
    close(fd);
    return has;
}

int world_open(struct world *world)
{
    struct gn_network_config config = {.size = sizeof(config)};
    int err;

    memset(world, 0, sizeof(*world));
    world->own_net = !netns_own();
    world->has_ipv6 = has_ipv6();
    err = gn_network_create(&config, &world->net);
    if (err)
        return err;
    err = gn_namespace_system(&world->system);
    if (!err)
        err = hosts_init(&world->hosts);
    if (err)
        gn_network_close(world->net, NULL, NULL);
    world->can_join = !err && world->own_net && !hosts_join(&world->hosts);
    world_refresh(world, false);
    return err;
}

void world_refresh(struct world *world, bool joined)
{
    hosts_leave(&world->hosts);
    world->joined = joined && world->can_join && !hosts_join(&world->hosts);
    if (!world->joined && world->own_net)
        world->own_net = !netns_fresh();
}

void world_close(struct world *world)
{
    hosts_leave(&world->hosts);
    gn_namespace_close(world->system, 0, NULL, NULL);
    gn_network_close(world->net, NULL, NULL);
}

/* ---- what a case needs ---- */

static bool is_ipv6(const struct step *step, enum variant variant)
{
    enum kind kind = kind_resolve(step->kind, variant);

    return step->call == CALL_OPEN && (kind == TCP6 || kind == UDP6);
}

static bool leaves(const struct step *step, enum variant variant)
{
    switch (host_resolve(step->host, variant)) {
    case FOREIGN4:
    case FOREIGN6:
    case MAPPED_FOREIGN:
    case GROUP4:
    case GROUP6:
    case MAPPED_GROUP:
    case BROADCAST4:
    case LINK6:
    case LO_SUBNET4:
        return true;
    default:
        return step->port == PRIVILEGED;
    }
}

const char *world_lacks(const struct world *world, const struct step *steps,
                        enum variant variant)
{
    for (; steps->call != CALL_END; steps++) {
        if (is_ipv6(steps, variant) && !world->has_ipv6)
            return "no IPv6 here";
        if (step_needs_link(steps) && !world->joined)
            return "needs two hosts on a link";
        if (leaves(steps, variant) && !world->own_net)
            return "needs a network namespace of its own";
    }
    return NULL;
}
