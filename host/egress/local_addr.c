/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which addresses are the machine's own is what its routing table says of the
 * very address, at the very moment: that includes what no interface lists
 * (whole prefixes routed to lo), is never late, and costs a few microseconds,
 * however many addresses there are. The kernel answers while it is asked.
 *
 * ip-rule(8) may choose the table by protocol, ports and user, so the question
 * has all that the connection will have; the port of this end only when it is
 * known, which is afterwards.
 */
#include "host/egress/egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

/* What is asked, as a message that attributes are added to. */
struct question {
    struct nlmsghdr head;
    struct rtmsg route;
    uint8_t attributes[128];
};

static void question_add(struct question *question, unsigned short type,
                         const void *value, size_t len)
{
    struct rtattr head = {.rta_len = (unsigned short)(sizeof(head) + len),
                          .rta_type = type};
    uint8_t *at = (uint8_t *)question + question->head.nlmsg_len;

    memcpy(at, &head, sizeof(head));
    memcpy(at + sizeof(head), value, len);
    question->head.nlmsg_len += (uint32_t)RTA_ALIGN(sizeof(head) + len);
}

static void add_address(struct question *question, unsigned short type,
                        const struct gn__addr *addr, uint8_t *bits)
{
    size_t len = gn__addr_is_v4(addr) ? 4 : 16;

    *bits = (uint8_t)(8 * len);
    question_add(question, type, addr->bytes + 16 - len, len);
}

static void add_port(struct question *question, unsigned short type,
                     uint16_t port)
{
    uint16_t port_be = htons(port);

    if (port)
        question_add(question, type, &port_be, sizeof(port_be));
}

static void make_question(const struct gn__route_ask *ask, struct question *out)
{
    uint8_t protocol = (uint8_t)ask->protocol;
    uint32_t uid = geteuid();

    memset(out, 0, sizeof(*out));
    out->head.nlmsg_len = NLMSG_LENGTH(sizeof(out->route));
    out->head.nlmsg_type = RTM_GETROUTE;
    out->head.nlmsg_flags = NLM_F_REQUEST;
    out->route.rtm_family = gn__addr_is_v4(&ask->to.addr) ? AF_INET : AF_INET6;
    add_address(out, RTA_DST, &ask->to.addr, &out->route.rtm_dst_len);
    if (!gn__addr_is_any(&ask->from.addr))
        add_address(out, RTA_SRC, &ask->from.addr, &out->route.rtm_src_len);
    question_add(out, RTA_UID, &uid, sizeof(uid));
    question_add(out, RTA_IP_PROTO, &protocol, sizeof(protocol));
    add_port(out, RTA_DPORT, ask->to.port);
    add_port(out, RTA_SPORT, ask->from.port);
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

int gn__machine_has(const struct gn__route_ask *ask)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct question question;
    char answer[4096];
    int has = 0;
    ssize_t n;

    if (fd < 0)
        return -errno;
    make_question(ask, &question);
    n = send(fd, &question, question.head.nlmsg_len, MSG_NOSIGNAL);
    if (n >= 0)
        n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
    has = n < 0 ? -errno : read_answer(answer, (size_t)n);
    (void)close(fd); /* Also after an error it is closed. */
    return has;
}

static bool end_of(int fd, int (*ask)(int, struct sockaddr *, socklen_t *),
                   struct gn__endpoint *out)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);

    return !ask(fd, (struct sockaddr *)&addr, &len) &&
           !gn__endpoint_from_sockaddr((struct sockaddr *)&addr, len, AF_UNSPEC,
                                       out);
}

/* To an address of its own the kernel connects from the same address, unless
 * the route was chosen by the port of this end, which it did not have when the
 * address was chosen. */
int gn__machine_reached(int fd, int protocol)
{
    struct gn__route_ask ask = {.protocol = protocol};

    if (!end_of(fd, getsockname, &ask.from) ||
        !end_of(fd, getpeername, &ask.to))
        return 0; /* It has ended already, and goes nowhere. */
    return gn__addr_equal(&ask.from.addr, &ask.to.addr) ||
           gn__machine_has(&ask);
}
