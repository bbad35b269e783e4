/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The three requests of rtnetlink(7) that configure an interface.
 */
#include "cli/netlink.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
    } body;
    char attributes[128];
};

static void request_init(struct request *request, int type, int flags,
                         size_t body)
{
    memset(request, 0, sizeof(*request));
    request->header.nlmsg_type = (uint16_t)type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
}

static void attribute_add(struct request *request, int type, const void *data,
                          size_t len)
{
    size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
    const struct rtattr attribute = {(uint16_t)RTA_LENGTH(len), (uint16_t)type};

    memcpy((char *)request + at, &attribute, sizeof(attribute));
    memcpy((char *)request + at + RTA_LENGTH(0), data, len);
    request->header.nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
}

/* Returns the answer of the kernel. */
static int request_send(const struct request *request)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[512];
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int err = 0;

    if (fd < 0)
        return -errno;
    memset(&answer, 0, sizeof(answer));
    if (sendto(fd, request, request->header.nlmsg_len, 0,
               (const struct sockaddr *)&kernel, sizeof(kernel)) < 0 ||
        recv(fd, &answer, sizeof(answer), 0) < 0)
        err = -errno;
    else if (answer.header.nlmsg_type == NLMSG_ERROR)
        err = answer.error.error;
    close(fd);
    return err;
}

int netlink_up(const char *interface, uint32_t mtu)
{
    struct request request;

    request_init(&request, RTM_NEWLINK, 0, sizeof(request.body.link));
    request.body.link.ifi_index = (int)if_nametoindex(interface);
    request.body.link.ifi_flags = IFF_UP;
    request.body.link.ifi_change = IFF_UP;
    if (mtu)
        attribute_add(&request, IFLA_MTU, &mtu, sizeof(mtu));
    return request_send(&request);
}

/** An address, in network byte order. */
struct ip {
    uint8_t family;
    uint8_t bytes[16];
    size_t len;
};

static int ip_read(const char *text, struct ip *ip)
{
    ip->family = strchr(text, ':') ? AF_INET6 : AF_INET;
    ip->len = ip->family == AF_INET6 ? 16 : 4;
    return inet_pton(ip->family, text, ip->bytes) == 1 ? 0 : -EINVAL;
}

/* "10.77.0.2/24" */
static int prefix_read(const char *text, struct ip *ip, uint8_t *len)
{
    const char *slash = strchr(text, '/');
    char copy[INET6_ADDRSTRLEN], *end;
    unsigned long n;

    if (!slash || (size_t)(slash - text) >= sizeof(copy))
        return -EINVAL;
    memcpy(copy, text, (size_t)(slash - text));
    copy[slash - text] = '\0';
    n = strtoul(slash + 1, &end, 10);
    if (ip_read(copy, ip) || !isdigit((unsigned char)slash[1]) || *end ||
        n > ip->len * 8)
        return -EINVAL;
    *len = (uint8_t)n;
    return 0;
}

int netlink_address(const char *interface, const char *address)
{
    struct request request;
    uint8_t prefix_len;
    struct ip ip;

    if (prefix_read(address, &ip, &prefix_len))
        return -EINVAL;
    request_init(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
                 sizeof(request.body.address));
    request.body.address.ifa_family = ip.family;
    request.body.address.ifa_prefixlen = prefix_len;
    request.body.address.ifa_index = if_nametoindex(interface);
    /* The network gives an address once: it need not be probed for. */
    if (ip.family == AF_INET6)
        request.body.address.ifa_flags = IFA_F_NODAD;
    attribute_add(&request, IFA_LOCAL, ip.bytes, ip.len);
    attribute_add(&request, IFA_ADDRESS, ip.bytes, ip.len);
    return request_send(&request);
}

int netlink_gateway(const char *interface, const char *gateway)
{
    uint32_t index = if_nametoindex(interface);
    struct request request;
    struct ip ip;

    if (ip_read(gateway, &ip))
        return -EINVAL;
    request_init(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
                 sizeof(request.body.route));
    request.body.route.rtm_family = ip.family;
    request.body.route.rtm_table = RT_TABLE_MAIN;
    request.body.route.rtm_protocol = RTPROT_STATIC;
    request.body.route.rtm_scope = RT_SCOPE_UNIVERSE;
    request.body.route.rtm_type = RTN_UNICAST;
    attribute_add(&request, RTA_GATEWAY, ip.bytes, ip.len);
    attribute_add(&request, RTA_OIF, &index, sizeof(index));
    return request_send(&request);
}
