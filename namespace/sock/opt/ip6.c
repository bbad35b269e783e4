/* SPDX-License-Identifier: BSD-3-Clause */

/* Options of level IPPROTO_IPV6, ipv6(7) and RFC 3493, 3542. */
#include <errno.h>
#include <string.h>

#include "namespace/internal.h"
#include "namespace/sock/opt/opt.h"
#include "namespace/sock/tcp.h"

#define HOPS_DEFAULT 64

/* Does it have a port? An ended connection only shows the one it had. */
static bool has_port(struct gn_sock *sock)
{
    if (sock->type != SOCK_STREAM)
        return sock->binding != NULL;
    gn__tcp_look(gn__tcp_of(sock));
    return sock->binding || gn__tcp_state_of(gn__tcp_of(sock)) != GN__TCP_CLOSE;
}

static int set_v6only(struct gn_sock *sock, int value)
{
    if (has_port(sock))
        return -EINVAL;
    sock->opt.v6only = value != 0;
    return 0;
}

static int get_v6only(struct gn_sock *sock, int *value)
{
    *value = sock->opt.v6only;
    return 0;
}

static int set_hops(struct gn_sock *sock, int value)
{
    if (value < -1 || value > 255)
        return -EINVAL;
    sock->opt.hops6 = value == -1 ? HOPS_DEFAULT : (uint8_t)value;
    return 0;
}

static int get_hops(struct gn_sock *sock, int *value)
{
    *value = sock->opt.hops6;
    return 0;
}

static int set_tclass(struct gn_sock *sock, int value)
{
    if (value < -1 || value > 255)
        return -EINVAL;
    if (value == -1)
        value = 0;
    if (sock->type == SOCK_STREAM) /* TCP keeps two bits, RFC 3168. */
        value = (value & ~3) | (sock->opt.tclass6 & 3);
    if (sock->opt.tclass6 != (uint8_t)value)
        sock->routed = false; /* Until it sends: routes depend on it. */
    sock->opt.tclass6 = (uint8_t)value;
    return 0;
}

static int get_tclass(struct gn_sock *sock, int *value)
{
    *value = sock->opt.tclass6;
    return 0;
}

static int set_pmtu(struct gn_sock *sock, int value)
{
    if (value < IPV6_PMTUDISC_DONT || value > IPV6_PMTUDISC_OMIT)
        return -EINVAL;
    sock->opt.pmtu6 = value;
    return 0;
}

static int get_pmtu(struct gn_sock *sock, int *value)
{
    *value = sock->opt.pmtu6;
    return 0;
}

static int set_mtu(struct gn_sock *sock, int value)
{
    if (value && value < (int)GN__IP_MIN_MTU6)
        return -EINVAL;
    sock->opt.mtu6 = (uint32_t)value;
    return 0;
}

/* ---- multicast ---- */

static int set_mcast_hops(struct gn_sock *sock, int value)
{
    if (value < -1 || value > 255)
        return -EINVAL;
    sock->opt.mcast_hops6 = value == -1 ? 1 : (uint8_t)value;
    return 0;
}

static int get_mcast_hops(struct gn_sock *sock, int *value)
{
    *value = sock->opt.mcast_hops6;
    return 0;
}

static int set_mcast_loop(struct gn_sock *sock, int value)
{
    if (value != 0 && value != 1)
        return -EINVAL;
    sock->opt.mcast_loop6 = value;
    return 0;
}

static int get_mcast_loop(struct gn_sock *sock, int *value)
{
    *value = sock->opt.mcast_loop6;
    return 0;
}

static int set_mcast_if(struct gn_sock *sock, int value)
{
    if (value < 0)
        return -ENODEV;
    if (value && !gn__ns_iface_by_index(sock->ns, (unsigned)value))
        return -ENODEV;
    if (value && sock->bound_if && sock->bound_if != (unsigned)value)
        return -EINVAL;
    sock->opt.mcast_iface6 = (unsigned)value;
    return 0;
}

static int get_mcast_if(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.mcast_iface6;
    return 0;
}

static int read_request(const struct gn_sock *sock, const void *value,
                        socklen_t len, struct gn__addr *group, unsigned *iface)
{
    struct ipv6_mreq request;

    if (len < sizeof(request))
        return -EINVAL;
    if (sock->type == SOCK_STREAM)
        return -EPROTO;
    memcpy(&request, value, sizeof(request));
    *group = gn__addr_from_v6_bytes(&request.ipv6mr_multiaddr);
    *iface = request.ipv6mr_interface;
    return gn__addr_is_v4(group) || !gn__addr_is_multicast(group) ? -EINVAL : 0;
}

static int group_join(struct gn_sock *sock, const void *value, socklen_t len)
{
    struct gn__addr group;
    unsigned iface;
    int err = read_request(sock, value, len, &group, &iface);

    return err ? err : gn__sock_join(sock, &group, iface);
}

static int group_leave(struct gn_sock *sock, const void *value, socklen_t len)
{
    struct gn__addr group;
    unsigned iface;
    int err = read_request(sock, value, len, &group, &iface);

    return err ? err : gn__sock_leave_group(sock, &group, iface);
}

#define FLAG(name, member)                                          \
    {                                                               \
        IPPROTO_IPV6, name, GN__OPT_V6, .flag = GN__FLAG_AT(member) \
    }
#define INT(name, set, get)                                            \
    {                                                                  \
        IPPROTO_IPV6, name, GN__OPT_V6, .set_int = set, .get_int = get \
    }
/* One that is of no use to streams, which can read it. */
#define DGRAM(name, set, get)                                               \
    {                                                                       \
        IPPROTO_IPV6, name, GN__OPT_V6 | GN__OPT_SET_DGRAM, .set_int = set, \
                                                            .get_int = get  \
    }
#define RAW(name, setter)                             \
    {                                                 \
        IPPROTO_IPV6, name, GN__OPT_V6, .set = setter \
    }

static const struct gn__option table[] = {
    INT(IPV6_V6ONLY, set_v6only, get_v6only),
    INT(IPV6_UNICAST_HOPS, set_hops, get_hops),
    INT(IPV6_TCLASS, set_tclass, get_tclass),
    INT(IPV6_MTU_DISCOVER, set_pmtu, get_pmtu),
    INT(IPV6_MTU, set_mtu, gn__option_mtu),
    FLAG(IPV6_RECVPKTINFO, pktinfo6),
    FLAG(IPV6_RECVHOPLIMIT, recv_hops6),
    FLAG(IPV6_RECVTCLASS, recv_tclass6),
    FLAG(IPV6_RECVERR, recv_err6),
    DGRAM(IPV6_MULTICAST_HOPS, set_mcast_hops, get_mcast_hops),
    INT(IPV6_MULTICAST_LOOP, set_mcast_loop, get_mcast_loop),
    FLAG(IPV6_MULTICAST_ALL, mcast_all6),
    DGRAM(IPV6_MULTICAST_IF, set_mcast_if, get_mcast_if),
    RAW(IPV6_JOIN_GROUP, group_join),
    RAW(IPV6_LEAVE_GROUP, group_leave),
};

const struct gn__options gn__options_ip6 = {table,
                                            sizeof(table) / sizeof(*table)};
