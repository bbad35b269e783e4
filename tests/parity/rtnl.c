/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/rtnl.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A request, and room for its attributes. */
struct request {
    struct nlmsghdr header;
    uint8_t body[1024];
};

static size_t addr_size(int family)
{
    return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

/* ---- writing ---- */

static void *request_begin(struct request *request, uint16_t type,
                           uint16_t flags, uint32_t fixed)
{
    memset(request, 0, sizeof(*request));
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    request->header.nlmsg_len = NLMSG_LENGTH(fixed);
    return request->body;
}

static void *request_reserve(struct request *request, size_t n)
{
    uint8_t *at = (uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len);

    request->header.nlmsg_len =
        (uint32_t)(at + NLMSG_ALIGN(n) - (uint8_t *)request);
    return at;
}

static struct rtattr *attr_put(struct request *request, uint16_t type,
                               const void *data, size_t n)
{
    struct rtattr *attr = request_reserve(request, RTA_LENGTH(n));

    attr->rta_type = type;
    attr->rta_len = (uint16_t)RTA_LENGTH(n);
    if (n > 0)
        memcpy(RTA_DATA(attr), data, n);
    return attr;
}

static struct rtattr *nest_begin(struct request *request, uint16_t type)
{
    return attr_put(request, type, NULL, 0);
}

static void nest_end(const struct request *request, struct rtattr *nest)
{
    nest->rta_len = (uint16_t)((const uint8_t *)request +
                               request->header.nlmsg_len - (uint8_t *)nest);
}

/* ---- asking ---- */

static int answer_read(int fd)
{
    struct request answer;
    const struct nlmsgerr *error = (const void *)answer.body;
    ssize_t n = recv(fd, &answer, sizeof(answer), 0);

    if (n < 0)
        return -errno;
    if ((size_t)n < NLMSG_LENGTH(sizeof(error->error)) ||
        answer.header.nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return error->error;
}

static int request_send(const struct request *request)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int err;

    if (fd < 0)
        return -errno;
    err = send(fd, request, request->header.nlmsg_len, 0) < 0 ? -errno
                                                              : answer_read(fd);
    close(fd);
    return err;
}

/* ---- links ---- */

static void link_put(struct request *request, const struct rtnl_link *link)
{
    attr_put(request, IFLA_IFNAME, link->name, strlen(link->name) + 1);
    attr_put(request, IFLA_ADDRESS, link->mac, sizeof(link->mac));
}

/* The kernel makes no link-local address: those of a guest are given. */
static void spec_put(struct request *request)
{
    uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    struct rtattr *spec = nest_begin(request, IFLA_AF_SPEC);
    struct rtattr *inet6 = nest_begin(request, AF_INET6);

    attr_put(request, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
    nest_end(request, inet6);
    nest_end(request, spec);
}

static void peer_put(struct request *request, const struct rtnl_link *peer,
                     int peer_fd)
{
    struct rtattr *nest = nest_begin(request, VETH_INFO_PEER);
    struct ifinfomsg *info = request_reserve(request, sizeof(*info));

    info->ifi_index = peer->index;
    link_put(request, peer);
    attr_put(request, IFLA_NET_NS_FD, &peer_fd, sizeof(peer_fd));
    nest_end(request, nest);
}

int rtnl_pair(const struct rtnl_link *one, const struct rtnl_link *other,
              int other_fd)
{
    struct request request;
    struct ifinfomsg *info = request_begin(
        &request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*info));
    struct rtattr *kind, *data;

    info->ifi_index = one->index;
    link_put(&request, one);
    kind = nest_begin(&request, IFLA_LINKINFO);
    attr_put(&request, IFLA_INFO_KIND, "veth", 4);
    data = nest_begin(&request, IFLA_INFO_DATA);
    peer_put(&request, other, other_fd);
    nest_end(&request, data);
    nest_end(&request, kind);
    return request_send(&request);
}

int rtnl_up(int index, bool up)
{
    struct request request;
    struct ifinfomsg *info =
        request_begin(&request, RTM_NEWLINK, 0, sizeof(*info));
    int err;

    info->ifi_index = index;
    spec_put(&request);
    err = request_send(&request); /* First: raised, it would have made one. */
    if (err)
        return err;
    info = request_begin(&request, RTM_NEWLINK, 0, sizeof(*info));
    info->ifi_index = index;
    info->ifi_flags = up ? IFF_UP : 0;
    info->ifi_change = IFF_UP;
    return request_send(&request);
}

int rtnl_remove(int index)
{
    struct request request;
    struct ifinfomsg *info =
        request_begin(&request, RTM_DELLINK, 0, sizeof(*info));

    info->ifi_index = index;
    return request_send(&request);
}

/* ---- addresses, routes, neighbours ---- */

int rtnl_address(int index, int family, const void *addr, unsigned prefix_len)
{
    struct request request;
    struct ifaddrmsg *info = request_begin(
        &request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*info));
    uint32_t last;

    info->ifa_family = (uint8_t)family;
    info->ifa_prefixlen = (uint8_t)prefix_len;
    info->ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
    info->ifa_index = (uint32_t)index;
    attr_put(&request, IFA_LOCAL, addr, addr_size(family));
    attr_put(&request, IFA_ADDRESS, addr, addr_size(family));
    if (family == AF_INET) {
        memcpy(&last, addr, sizeof(last));
        last |= htonl(UINT32_MAX >> prefix_len);
        attr_put(&request, IFA_BROADCAST, &last, sizeof(last));
    }
    return request_send(&request);
}

int rtnl_route(int index, struct in_addr prefix, unsigned prefix_len)
{
    struct request request;
    struct rtmsg *info = request_begin(
        &request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*info));

    info->rtm_family = AF_INET;
    info->rtm_dst_len = (uint8_t)prefix_len;
    info->rtm_table = RT_TABLE_MAIN;
    info->rtm_protocol = RTPROT_STATIC;
    info->rtm_scope = RT_SCOPE_LINK;
    info->rtm_type = RTN_UNICAST;
    attr_put(&request, RTA_DST, &prefix, sizeof(prefix));
    attr_put(&request, RTA_OIF, &index, sizeof(index));
    return request_send(&request);
}

int rtnl_neighbour(int index, int family, const void *addr,
                   const uint8_t mac[6])
{
    struct request request;
    struct ndmsg *info = request_begin(
        &request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*info));

    info->ndm_family = (uint8_t)family;
    info->ndm_ifindex = index;
    info->ndm_state = NUD_PERMANENT;
    attr_put(&request, NDA_DST, addr, addr_size(family));
    attr_put(&request, NDA_LLADDR, mac, 6);
    return request_send(&request);
}
