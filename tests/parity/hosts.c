/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/parity/netns.h"
#include "tests/parity/rtnl.h"

#define ETH0 2
#define MTU  1500
/* Longer than any hiccup of a loaded machine. */
#define AWAIT_MS 5000

static const char *const addresses4[PARITY_PLACES] = {"10.77.0.2", "10.77.0.3"};
static const char *const addresses6[PARITY_PLACES] = {"fd77::2", "fd77::3"};

/* ---- guests ---- */

int hosts_guests(struct gn_network **net,
                 struct gn_namespace *ns[PARITY_PLACES])
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    static const char *const names[PARITY_PLACES] = {"here", "there"};
    struct gn_network_config config = {.size = sizeof(config),
                                       .name = "parity",
                                       .prefixes = prefixes,
                                       .mtu = MTU};
    unsigned i;
    int err = gn_network_create(&config, net);

    if (err)
        return err;
    for (i = 0; i < PARITY_PLACES && !err; i++) {
        const char *const addresses[] = {addresses4[i], addresses6[i], NULL};
        struct gn_namespace_config guest = {
            .size = sizeof(guest), .name = names[i], .addresses = addresses};

        err = gn_namespace_create(*net, &guest, &ns[i]);
    }
    if (err)
        gn_network_close(*net, NULL, NULL);
    return err;
}

static int link_local_of(struct gn_namespace *ns, struct in6_addr *out,
                         uint8_t mac[6])
{
    struct gn_interface eth0;
    size_t i;
    int err = gn_namespace_interface_by_name(ns, "eth0", &eth0);

    if (err)
        return err;
    memcpy(mac, eth0.mac, sizeof(eth0.mac));
    for (i = 0; i < eth0.n_addrs; i++) {
        memcpy(out, eth0.addrs[i].ip.bytes, sizeof(*out));
        if (eth0.addrs[i].ip.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(out))
            return 0;
    }
    return -EADDRNOTAVAIL;
}

int hosts_init(struct hosts *hosts)
{
    struct gn_namespace *ns[PARITY_PLACES];
    struct gn_network *net;
    unsigned i;
    int err = hosts_guests(&net, ns);

    for (i = 0; i < PARITY_PLACES; i++)
        hosts->net_fds[i] = -1;
    if (err)
        return err;
    for (i = 0; i < PARITY_PLACES && !err; i++)
        err = link_local_of(ns[i], &hosts->link6[i], hosts->mac[i]);
    gn_network_close(net, NULL, NULL);
    return err;
}

/* ---- the kernel's ---- */

static int address_add(int family, const char *text, unsigned prefix_len)
{
    struct in6_addr addr;

    (void)inet_pton(family, text, &addr);
    return rtnl_address(ETH0, family, &addr, prefix_len);
}

/* Where the other host's addresses are; @mac is wrong when the link is cut. */
static int neighbours_set(const struct hosts *hosts, unsigned other,
                          const uint8_t mac[6])
{
    struct in6_addr addr;
    int err;

    (void)inet_pton(AF_INET, addresses4[other], &addr);
    err = rtnl_neighbour(ETH0, AF_INET, &addr, mac);
    (void)inet_pton(AF_INET6, addresses6[other], &addr);
    if (!err)
        err = rtnl_neighbour(ETH0, AF_INET6, &addr, mac);
    if (!err)
        err = rtnl_neighbour(ETH0, AF_INET6, &hosts->link6[other], mac);
    return err;
}

/* The calling thread is in it. ICMP errors are bounded by guests, too, but not
 * to one in a second. */
static int host_furnish(const struct hosts *hosts, unsigned which)
{
    struct in_addr groups = {htonl(0xe0000000)}, all = {INADDR_BROADCAST};
    int err = netns_write("/proc/sys/net/ipv4/icmp_ratelimit", "0");

    if (!err)
        err = netns_write("/proc/sys/net/ipv6/icmp/ratelimit", "0");
    if (!err)
        err = address_add(AF_INET, addresses4[which], 24);
    if (!err)
        err = address_add(AF_INET6, addresses6[which], 64);
    if (!err)
        err = rtnl_address(ETH0, AF_INET6, &hosts->link6[which], 64);
    if (!err)
        err = rtnl_route(ETH0, groups, 4);
    if (!err)
        err = rtnl_route(ETH0, all, 32);
    if (!err)
        err = neighbours_set(hosts, 1 - which, hosts->mac[1 - which]);
    return err;
}

/* The kernel takes packets to a new address of IPv6 a moment later: until what
 * is sent there comes back. */
static int address6_await(const struct in6_addr *addr)
{
    struct sockaddr_in6 sin6 = {
        .sin6_family = AF_INET6, .sin6_addr = *addr, .sin6_scope_id = ETH0};
    socklen_t len = sizeof(sin6);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    unsigned left = AWAIT_MS;
    int err = 0;

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)(void *)&sin6, len) ||
        getsockname(fd, (struct sockaddr *)(void *)&sin6, &len))
        err = -errno;
    while (!err && wait.revents == 0) {
        (void)sendto(fd, "", 1, 0, (struct sockaddr *)(void *)&sin6, len);
        if (poll(&wait, 1, 1) == 0 && left-- == 0)
            err = -ETIMEDOUT;
    }
    close(fd);
    return err;
}

static int host_await(const struct hosts *hosts, unsigned which)
{
    struct in6_addr addr;
    int err;

    (void)inet_pton(AF_INET6, addresses6[which], &addr);
    err = address6_await(&addr);
    return err ? err : address6_await(&hosts->link6[which]);
}

static int pair_make(const struct hosts *hosts, int other_fd)
{
    struct rtnl_link ends[PARITY_PLACES];
    unsigned i;

    for (i = 0; i < PARITY_PLACES; i++) {
        ends[i] = (struct rtnl_link){.name = "eth0", .index = ETH0};
        memcpy(ends[i].mac, hosts->mac[i], sizeof(ends[i].mac));
    }
    return rtnl_pair(&ends[0], &ends[1], other_fd);
}

/* The end that is raised first has no carrier, and the kernel would let it
 * send only when it gets round to see that there is one now: once more. */
static int pair_raise(const struct hosts *hosts)
{
    int err = rtnl_up(ETH0, true);

    if (!err)
        err = netns_enter(hosts->net_fds[1]);
    if (!err)
        err = rtnl_up(ETH0, true);
    if (!err)
        err = netns_enter(hosts->net_fds[0]);
    if (!err)
        err = rtnl_up(ETH0, false);
    return err ? err : rtnl_up(ETH0, true);
}

void hosts_leave(struct hosts *hosts)
{
    unsigned i;

    for (i = 0; i < PARITY_PLACES; i++) {
        if (hosts->net_fds[i] >= 0)
            close(hosts->net_fds[i]);
        hosts->net_fds[i] = -1;
    }
}

int hosts_join(struct hosts *hosts)
{
    unsigned i = PARITY_PLACES;
    int err = 0;

    hosts_leave(hosts);
    while (i-- > 0 && !err) {
        err = netns_fresh();
        if (!err)
            hosts->net_fds[i] = netns_open();
        if (!err && hosts->net_fds[i] < 0)
            err = -errno;
    }
    if (!err)
        err = pair_make(hosts, hosts->net_fds[1]);
    if (!err)
        err = pair_raise(hosts);
    for (i = PARITY_PLACES; i-- > 0 && !err;) {
        err = netns_enter(hosts->net_fds[i]);
        if (!err)
            err = host_furnish(hosts, i);
        if (!err)
            err = host_await(hosts, i);
    }
    if (err) {
        hosts_leave(hosts);
        (void)!netns_fresh();
    }
    return err;
}

int hosts_cut(const struct hosts *hosts, bool cut)
{
    static const uint8_t nobody[6] = {0x02, 0, 0, 0, 0, 0x99};
    unsigned i;
    int err = 0;

    for (i = PARITY_PLACES; i-- > 0 && !err;) {
        err = netns_enter(hosts->net_fds[i]);
        if (!err)
            err =
                neighbours_set(hosts, 1 - i, cut ? nobody : hosts->mac[1 - i]);
    }
    return err;
}

int hosts_detach(const struct hosts *hosts)
{
    int err = netns_enter(hosts->net_fds[0]);

    return err ? err : rtnl_remove(ETH0);
}
