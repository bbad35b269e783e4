/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which addresses are the machine's own is what its routing table says of the
 * very address, at the very moment: that includes what no interface lists
 * (whole prefixes routed to lo), is never late, and costs a few microseconds,
 * however many addresses there are. The kernel answers while it is asked.
 */
#include "host/egress.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

/* What is asked: a route to one address. */
struct question {
    struct nlmsghdr head;
    struct rtmsg route;
    struct rtattr attribute;
    uint8_t addr[16];
};

static void make_question(const struct gn__addr *addr, struct question *out)
{
    bool v4 = gn__addr_is_v4(addr);
    size_t len = v4 ? 4 : 16;

    memset(out, 0, sizeof(*out));
    out->head.nlmsg_len = (uint32_t)(offsetof(struct question, addr) + len);
    out->head.nlmsg_type = RTM_GETROUTE;
    out->head.nlmsg_flags = NLM_F_REQUEST;
    out->route.rtm_family = v4 ? AF_INET : AF_INET6;
    out->route.rtm_dst_len = (uint8_t)(8 * len);
    out->attribute.rta_type = RTA_DST;
    out->attribute.rta_len = (uint16_t)(sizeof(out->attribute) + len);
    memcpy(out->addr, addr->bytes + 16 - len, len);
}

/* No route is a clear answer, too. */
static bool read_answer(const void *bytes, size_t len)
{
    struct nlmsghdr head;
    struct nlmsgerr error;
    struct rtmsg route;

    if (len < sizeof(head))
        return true;
    memcpy(&head, bytes, sizeof(head));
    if (head.nlmsg_type == NLMSG_ERROR && len >= NLMSG_LENGTH(sizeof(error))) {
        memcpy(&error, (const char *)bytes + NLMSG_HDRLEN, sizeof(error));
        return error.error != -ENETUNREACH && error.error != -EHOSTUNREACH &&
               error.error != -EACCES && error.error != -EINVAL;
    }
    if (head.nlmsg_type != RTM_NEWROUTE || len < NLMSG_LENGTH(sizeof(route)))
        return true;
    memcpy(&route, (const char *)bytes + NLMSG_HDRLEN, sizeof(route));
    return route.rtm_type != RTN_UNICAST && route.rtm_type != RTN_BLACKHOLE &&
           route.rtm_type != RTN_UNREACHABLE && route.rtm_type != RTN_PROHIBIT;
}

int gn__machine_has(const struct gn__addr *addr)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct question question;
    char answer[4096];
    int has = 0;
    ssize_t n;

    if (fd < 0)
        return -errno;
    make_question(addr, &question);
    n = send(fd, &question, question.head.nlmsg_len, MSG_NOSIGNAL);
    if (n >= 0)
        n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
    has = n < 0 ? -errno : read_answer(answer, (size_t)n);
    (void)close(fd); /* Also after an error it is closed. */
    return has;
}
