/* SPDX-License-Identifier: BSD-3-Clause */

/* Options of level IPPROTO_IP, ip(7). */
#include <errno.h>
#include <string.h>

#include "namespace/internal.h"
#include "namespace/sock/opt/opt.h"

#define TTL_DEFAULT 64
/* The bits of the type of service that TCP keeps for itself, RFC 3168. */
#define ECN_MASK 3

static int set_ttl(struct gn_sock *sock, int value)
{
    if (value != -1 && (value < 1 || value > 255))
        return -EINVAL;
    sock->opt.tcp.ttl = value == -1 ? TTL_DEFAULT : (uint8_t)value;
    return 0;
}

static int get_ttl(struct gn_sock *sock, int *value)
{
    *value = sock->opt.tcp.ttl;
    return 0;
}

/* What SO_PRIORITY becomes by the type of service: rt_tos2priority(). */
static int priority_of(uint8_t tos)
{
    static const int by_tos[] = {0, 2, 6, 4};

    return by_tos[(tos & 0x1e) >> 3];
}

static int set_tos(struct gn_sock *sock, int value)
{
    if (sock->type == SOCK_STREAM)
        value = (value & ~ECN_MASK) | (sock->opt.tcp.tos & ECN_MASK);
    if (sock->opt.tcp.tos != (uint8_t)value) {
        sock->opt.priority = priority_of((uint8_t)value);
        sock->routed = false; /* Until it sends: routes depend on it. */
    }
    sock->opt.tcp.tos = (uint8_t)value;
    return 0;
}

static int get_tos(struct gn_sock *sock, int *value)
{
    *value = sock->opt.tcp.tos;
    return 0;
}

static int set_pmtu(struct gn_sock *sock, int value)
{
    if (value < IP_PMTUDISC_DONT || value > IP_PMTUDISC_OMIT)
        return -EINVAL;
    sock->opt.pmtu = value;
    return 0;
}

static int get_pmtu(struct gn_sock *sock, int *value)
{
    *value = sock->opt.pmtu;
    return 0;
}

/* ---- multicast ---- */

static int set_mcast_ttl(struct gn_sock *sock, int value)
{
    if (sock->type == SOCK_STREAM || value < -1 || value > 255)
        return -EINVAL;
    sock->opt.mcast_ttl = value == -1 ? 1 : (uint8_t)value;
    return 0;
}

static int get_mcast_ttl(struct gn_sock *sock, int *value)
{
    *value = sock->opt.mcast_ttl;
    return 0;
}

static int set_mcast_loop(struct gn_sock *sock, int value)
{
    sock->opt.mcast_loop = value != 0;
    return 0;
}

static int get_mcast_loop(struct gn_sock *sock, int *value)
{
    *value = sock->opt.mcast_loop;
    return 0;
}

static int set_mcast_all(struct gn_sock *sock, int value)
{
    if (value != 0 && value != 1)
        return -EINVAL;
    sock->opt.mcast_all = value;
    return 0;
}

static int get_mcast_all(struct gn_sock *sock, int *value)
{
    *value = sock->opt.mcast_all;
    return 0;
}

/* The interface that a request names, by number or by one of its addresses. */
static int iface_named(struct gn_sock *sock, const struct ip_mreqn *request,
                       unsigned *out)
{
    struct gn__addr addr = gn__addr_from_v4_bytes(&request->imr_address);
    struct gn__iface *iface = NULL;

    *out = 0;
    if (request->imr_ifindex == 0 && gn__addr_is_any(&addr))
        return 0;
    if (request->imr_ifindex > 0)
        iface = gn__ns_iface_by_index(sock->ns, (unsigned)request->imr_ifindex);
    else if (request->imr_ifindex == 0)
        iface = gn__ns_iface_of(sock->ns, &addr);
    if (!iface)
        return -ENODEV;
    *out = iface->index;
    return 0;
}

static int read_request(const struct gn_sock *sock, const void *value,
                        socklen_t len, struct ip_mreqn *out)
{
    memset(out, 0, sizeof(*out));
    if (sock->type == SOCK_STREAM)
        return -EPROTO;
    if (len < sizeof(struct ip_mreq))
        return -EINVAL;
    memcpy(out, value,
           len < sizeof(*out) ? sizeof(struct ip_mreq) : sizeof(*out));
    return 0;
}

static int group_join(struct gn_sock *sock, const void *value, socklen_t len)
{
    struct ip_mreqn request;
    struct gn__addr group;
    unsigned iface;
    int err = read_request(sock, value, len, &request);

    if (err)
        return err;
    group = gn__addr_from_v4_bytes(&request.imr_multiaddr);
    if (!gn__addr_is_multicast(&group))
        return -EINVAL;
    err = iface_named(sock, &request, &iface);
    return err ? err : gn__sock_join(sock, &group, iface);
}

static int group_leave(struct gn_sock *sock, const void *value, socklen_t len)
{
    struct ip_mreqn request;
    struct gn__addr group;
    unsigned iface;
    int err = read_request(sock, value, len, &request);

    if (err)
        return err;
    if (iface_named(sock, &request, &iface))
        return -EADDRNOTAVAIL;
    group = gn__addr_from_v4_bytes(&request.imr_multiaddr);
    if (!iface)
        iface = gn__sock_group_iface(sock, &group);
    if (!iface)
        return -ENODEV;
    return gn__sock_leave_group(sock, &group, iface);
}

static int set_mcast_if(struct gn_sock *sock, const void *value, socklen_t len)
{
    struct ip_mreqn request;
    unsigned iface;
    int err;

    memset(&request, 0, sizeof(request));
    if (sock->type == SOCK_STREAM || len < sizeof(struct in_addr))
        return -EINVAL;
    if (len < sizeof(struct ip_mreq))
        memcpy(&request.imr_address, value, sizeof(struct in_addr));
    else if (len < sizeof(request))
        memcpy(&request, value, sizeof(struct ip_mreq));
    else
        memcpy(&request, value, sizeof(request));
    err = iface_named(sock, &request, &iface);
    if (err)
        return -EADDRNOTAVAIL;
    if (iface && sock->bound_if && sock->bound_if != iface)
        return -EINVAL;
    sock->opt.mcast_iface = iface;
    sock->opt.mcast_source = gn__addr_from_v4_bytes(&request.imr_address);
    return 0;
}

static int get_mcast_if(struct gn_sock *sock, void *value, socklen_t *len)
{
    const struct gn__addr *source = &sock->opt.mcast_source;
    uint32_t v4 = gn__addr_is_v4(source) ? htonl(gn__addr_v4(source)) : 0;

    gn__option_put(&v4, sizeof(v4), value, len);
    return 0;
}

#define FLAG(name, member)                                           \
    {                                                                \
        IPPROTO_IP, name, GN__OPT_SHORT, .flag = GN__FLAG_AT(member) \
    }
#define INT(name, set, get)                                             \
    {                                                                   \
        IPPROTO_IP, name, GN__OPT_SHORT, .set_int = set, .get_int = get \
    }
/* One whose value may not be empty. */
#define FULL(name, set, get)                                            \
    {                                                                   \
        IPPROTO_IP, name, GN__OPT_SHORT | GN__OPT_FULL, .set_int = set, \
                                                        .get_int = get  \
    }
#define RAW(name, setter, getter)                      \
    {                                                  \
        IPPROTO_IP, name, .set = setter, .get = getter \
    }

static const struct gn__option table[] = {
    FULL(IP_TTL, set_ttl, get_ttl),
    INT(IP_TOS, set_tos, get_tos),
    INT(IP_MTU_DISCOVER, set_pmtu, get_pmtu),
    INT(IP_MTU, NULL, gn__option_mtu),
    FLAG(IP_PKTINFO, pktinfo),
    FLAG(IP_RECVTTL, recv_ttl),
    FLAG(IP_RECVTOS, recv_tos),
    FLAG(IP_RECVERR, recv_err),
    FULL(IP_MULTICAST_TTL, set_mcast_ttl, get_mcast_ttl),
    FULL(IP_MULTICAST_LOOP, set_mcast_loop, get_mcast_loop),
    FULL(IP_MULTICAST_ALL, set_mcast_all, get_mcast_all),
    RAW(IP_MULTICAST_IF, set_mcast_if, get_mcast_if),
    RAW(IP_ADD_MEMBERSHIP, group_join, NULL),
    RAW(IP_DROP_MEMBERSHIP, group_leave, NULL),
};

const struct gn__options gn__options_ip = {table,
                                           sizeof(table) / sizeof(*table)};
