/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The kernel's side is in a network namespace of its own, if the kernel lets us
 * have one: then nobody else has ports there, its settings are the defaults,
 * and there is no way out, as for the guest. Where it does not, the cases that
 * need that are skipped; the others use loopback addresses only.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/parity/compare.h"

static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up;

    if (fd < 0)
        return false;
    request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    up = !ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return up;
}

static bool own_net(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) && unshare(CLONE_NEWNET))
        return false;
    return raise_loopback();
}

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
    world->own_net = own_net();
    world->has_ipv6 = has_ipv6();
    err = gn_network_create(&config, &world->net);
    if (err)
        return err;
    err = gn_namespace_system(&world->system);
    if (err)
        gn_network_close(world->net, NULL, NULL);
    return err;
}

void world_refresh(struct world *world)
{
    if (world->own_net && !unshare(CLONE_NEWNET))
        world->own_net = raise_loopback();
}

void world_close(struct world *world)
{
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
        if (leaves(steps, variant) && !world->own_net)
            return "needs a network namespace of its own";
    }
    return NULL;
}
