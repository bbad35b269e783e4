/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/forward/dgram.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h> /* Needs time.h. */

/* Room for all that the kernel adds. */
union control {
    struct cmsghdr align;
    char bytes[256];
};

static void set_on(int fd, int level, int name)
{
    int on = 1;

    (void)setsockopt(fd, level, name, &on, sizeof(on)); /* Not of its kind. */
}

void gn__dgram_want_errors(int fd)
{
    set_on(fd, IPPROTO_IP, IP_RECVERR);
    set_on(fd, IPPROTO_IPV6, IPV6_RECVERR);
}

void gn__dgram_want_details(int fd, int family)
{
    set_on(fd, IPPROTO_IP, IP_PKTINFO);
    if (family == AF_INET6)
        set_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    gn__dgram_want_errors(fd);
}

/* ---- reading ---- */

/* What the kernel says of a datagram. */
struct notes {
    struct gn__addr sent_to;
    struct gn__addr answer_from; /* any: not known */
    unsigned iface;
    int error; /* 0: none */
    uint32_t mtu;
};

static void take_info4(const void *data, struct notes *out)
{
    struct in_pktinfo info;

    memcpy(&info, data, sizeof(info));
    /* Of a broadcast it is the address of the interface. */
    out->answer_from = gn__addr_from_v4_bytes(&info.ipi_spec_dst);
    out->sent_to = gn__addr_from_v4_bytes(&info.ipi_addr);
}

static void take_info6(const void *data, struct notes *out)
{
    struct in6_pktinfo info;

    memcpy(&info, data, sizeof(info));
    out->sent_to = gn__addr_from_v6_bytes(&info.ipi6_addr);
    out->answer_from = out->sent_to;
    if (gn__addr_needs_scope(&out->sent_to))
        out->iface = info.ipi6_ifindex;
}

static void take_note(const struct cmsghdr *head, struct notes *out)
{
    bool v4 = head->cmsg_level == IPPROTO_IP;
    bool v6 = head->cmsg_level == IPPROTO_IPV6;
    struct sock_extended_err error;

    if (v4 && head->cmsg_type == IP_PKTINFO) {
        take_info4(CMSG_DATA(head), out);
    } else if (v6 && head->cmsg_type == IPV6_PKTINFO) {
        take_info6(CMSG_DATA(head), out);
    } else if ((v4 && head->cmsg_type == IP_RECVERR) ||
               (v6 && head->cmsg_type == IPV6_RECVERR)) {
        memcpy(&error, CMSG_DATA(head), sizeof(error));
        out->error = (int)error.ee_errno;
        out->mtu = error.ee_errno == EMSGSIZE ? error.ee_info : 0;
    }
}

static void take_notes(struct msghdr *msg, struct notes *out)
{
    struct cmsghdr *head;

    *out = (struct notes){.sent_to = gn__addr_any(AF_INET6),
                          .answer_from = gn__addr_any(AF_INET6)};
    for (head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head))
        take_note(head, out);
    if (gn__addr_is_multicast(&out->answer_from))
        out->answer_from = gn__addr_any(AF_INET6);
}

ssize_t gn__dgram_read(int fd, void *room, size_t size, struct gn__dgram *out)
{
    struct iovec iov = {room, size};
    struct sockaddr_storage peer;
    union control control;
    struct msghdr msg = {.msg_name = &peer,
                         .msg_namelen = sizeof(peer),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct notes notes;
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return -errno;
    take_notes(&msg, &notes);
    memset(out, 0, sizeof(*out));
    if (gn__endpoint_from_sockaddr((struct sockaddr *)&peer, msg.msg_namelen,
                                   AF_UNSPEC, &out->peer))
        return -EPROTO;
    out->data = room;
    out->len = (size_t)n;
    out->local = notes.answer_from;
    out->iface = notes.iface;
    return n;
}

bool gn__dgram_read_error(int fd, struct gn__dgram_error *out)
{
    struct sockaddr_storage peer;
    union control control;
    struct msghdr msg = {.msg_name = &peer,
                         .msg_namelen = sizeof(peer),
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct notes notes;

    if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    take_notes(&msg, &notes);
    memset(out, 0, sizeof(*out));
    out->error = -notes.error;
    out->mtu = notes.mtu;
    out->local = notes.sent_to; /* Of one that left: its source. */
    if (gn__endpoint_from_sockaddr((struct sockaddr *)&peer, msg.msg_namelen,
                                   AF_UNSPEC, &out->peer))
        out->peer.port = 0;
    return true;
}

/* ---- sending ---- */

static void put_control(struct msghdr *msg, int level, int type,
                        const void *info, size_t len)
{
    struct cmsghdr *head = msg->msg_control;

    head->cmsg_level = level;
    head->cmsg_type = type;
    head->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(head), info, len);
    msg->msg_controllen = CMSG_SPACE(len);
}

/* Send from this address. An IPv6 socket takes a mapped IPv4 address. */
static void put_source(struct msghdr *msg, int family,
                       const struct gn__dgram *dgram)
{
    struct gn__endpoint from = {.addr = dgram->local};
    struct in_pktinfo v4 = {.ipi_ifindex = 0};
    struct in6_pktinfo v6 = {.ipi6_ifindex = dgram->iface};
    struct sockaddr_storage addr;

    (void)gn__endpoint_to_sockaddr(&from, family, (struct sockaddr *)&addr,
                                   sizeof(addr));
    if (family == AF_INET) {
        v4.ipi_spec_dst = ((struct sockaddr_in *)(void *)&addr)->sin_addr;
        put_control(msg, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
    } else {
        v6.ipi6_addr = ((struct sockaddr_in6 *)(void *)&addr)->sin6_addr;
        put_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
    }
}

int gn__dgram_send(int fd, int family, const struct gn__dgram *dgram)
{
    struct iovec iov = {(void *)(uintptr_t)dgram->data, dgram->len};
    struct sockaddr_storage addr;
    union control control;
    struct msghdr msg = {.msg_name = &addr,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control};

    memset(&control, 0, sizeof(control));
    msg.msg_namelen = gn__endpoint_to_sockaddr(
        &dgram->peer, family, (struct sockaddr *)&addr, sizeof(addr));
    if (gn__addr_is_any(&dgram->local))
        msg.msg_control = NULL;
    else
        put_source(&msg, family, dgram);
    return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
