/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Control messages of datagrams: where one is to leave from or has arrived,
 * its hop limit and its type of service. ip(7), ipv6(7), RFC 3542.
 */
#include <errno.h>
#include <string.h>

#include "namespace/sock/msg.h"

/* ---- what sendmsg() is given ---- */

/* A byte as an int of @least at least. */
static int read_byte(const struct cmsghdr *cmsg, int least, bool *has,
                     uint8_t *out)
{
    int value;

    if (cmsg->cmsg_len != CMSG_LEN(sizeof(value)))
        return -EINVAL;
    memcpy(&value, CMSG_DATA(cmsg), sizeof(value));
    if (value < least || value > UINT8_MAX)
        return -EINVAL;
    *has = true;
    *out = (uint8_t)value;
    return 0;
}

/* -1 is the socket's own. */
static bool is_default(const struct cmsghdr *cmsg)
{
    int value;

    memcpy(&value, CMSG_DATA(cmsg), sizeof(value));
    return value == -1;
}

static int read_ip(const struct cmsghdr *cmsg, struct gn__ancillary *out)
{
    struct in_pktinfo info;

    switch (cmsg->cmsg_type) {
    case IP_PKTINFO:
        if (cmsg->cmsg_len != CMSG_LEN(sizeof(info)))
            return -EINVAL;
        memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
        out->iface = (unsigned)info.ipi_ifindex;
        out->local = gn__addr_from_v4_bytes(&info.ipi_spec_dst);
        out->has_local = true; /* "Any" says: whatever it is bound to. */
        return 0;
    case IP_TTL:
        return read_byte(cmsg, 1, &out->has_ttl, &out->ttl);
    case IP_TOS:
        if (cmsg->cmsg_len == CMSG_LEN(1)) {
            out->has_tos = true;
            out->tos = *CMSG_DATA(cmsg);
            return 0;
        }
        return read_byte(cmsg, 0, &out->has_tos, &out->tos);
    default:
        return -EINVAL;
    }
}

static int read_ip6(const struct cmsghdr *cmsg, struct gn__ancillary *out)
{
    struct in6_pktinfo info;
    int err;

    switch (cmsg->cmsg_type) {
    case IPV6_PKTINFO:
        if (cmsg->cmsg_len != CMSG_LEN(sizeof(info)))
            return -EINVAL;
        memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
        out->iface = info.ipi6_ifindex;
        out->local = gn__addr_from_v6_bytes(&info.ipi6_addr);
        out->has_local = !gn__addr_is_any(&out->local);
        return 0;
    case IPV6_HOPLIMIT:
        err = read_byte(cmsg, -1, &out->has_ttl, &out->ttl);
        if (!err && is_default(cmsg))
            out->has_ttl = false;
        return err;
    case IPV6_TCLASS: /* Linux sends -1 as 255, whatever RFC 3542 says. */
        return read_byte(cmsg, -1, &out->has_tos, &out->tos);
    default:
        return -EINVAL;
    }
}

/* CMSG_NXTHDR() trusts the length; this does not. */
static const struct cmsghdr *cmsg_next(const struct msghdr *msg, size_t *at)
{
    const struct cmsghdr *cmsg;
    size_t left = msg->msg_controllen - *at;

    if (*at > msg->msg_controllen || left < sizeof(*cmsg))
        return NULL;
    return (const void *)((const char *)msg->msg_control + *at);
}

int gn__cmsg_check(const struct msghdr *msg)
{
    const struct cmsghdr *cmsg;
    size_t at = 0;

    while ((cmsg = cmsg_next(msg, &at))) {
        if (cmsg->cmsg_len < sizeof(*cmsg) ||
            cmsg->cmsg_len > msg->msg_controllen - at ||
            cmsg->cmsg_level == SOL_SOCKET)
            return -EINVAL;
        at += CMSG_ALIGN(cmsg->cmsg_len);
    }
    return 0;
}

/* ip_cmsg_send(): from an IPv6 socket IPV6_PKTINFO serves, too. */
static int read_to_v4(const struct cmsghdr *cmsg, bool v6,
                      struct gn__ancillary *out)
{
    int err;

    if (cmsg->cmsg_level == IPPROTO_IP)
        return read_ip(cmsg, out);
    if (v6 && cmsg->cmsg_level == IPPROTO_IPV6 &&
        cmsg->cmsg_type == IPV6_PKTINFO) {
        err = read_ip6(cmsg, out);
        out->has_local = true;
        return err || gn__addr_is_v4(&out->local) ? err : -EINVAL;
    }
    return 0;
}

int gn__cmsg_read(const struct msghdr *msg, bool to_v4, bool v6,
                  struct gn__ancillary *out)
{
    const struct cmsghdr *cmsg;
    size_t at = 0;
    int err = 0;

    while (!err && (cmsg = cmsg_next(msg, &at))) {
        if (to_v4)
            err = read_to_v4(cmsg, v6, out);
        else if (cmsg->cmsg_level == IPPROTO_IPV6)
            err = read_ip6(cmsg, out);
        at += CMSG_ALIGN(cmsg->cmsg_len);
    }
    if (!err && out->has_local && gn__addr_is_v4(&out->local) != to_v4)
        err = -EINVAL;
    return err;
}

/* ---- what recvmsg() gives ---- */

static void cmsg_put(struct msghdr *msg, size_t *used, int level, int type,
                     const void *data, size_t len)
{
    struct cmsghdr cmsg = {CMSG_LEN(len), level, type};
    size_t room = *used < msg->msg_controllen ? msg->msg_controllen - *used : 0;
    char *at;

    if (!msg->msg_control || room < sizeof(cmsg)) {
        msg->msg_flags |= MSG_CTRUNC;
        return;
    }
    at = (char *)msg->msg_control + *used;
    if (room < cmsg.cmsg_len) {
        msg->msg_flags |= MSG_CTRUNC;
        cmsg.cmsg_len = room;
    }
    memcpy(at, &cmsg, sizeof(cmsg));
    memcpy(at + sizeof(cmsg), data, cmsg.cmsg_len - sizeof(cmsg));
    *used += room < CMSG_SPACE(len) ? room : CMSG_SPACE(len);
}

static void put_int(struct msghdr *msg, size_t *used, int level, int type,
                    int value)
{
    cmsg_put(msg, used, level, type, &value, sizeof(value));
}

static void put_info(struct msghdr *msg, size_t *used,
                     const struct gn__ancillary *what)
{
    struct in_pktinfo info;

    memset(&info, 0, sizeof(info));
    info.ipi_ifindex = (int)what->iface;
    info.ipi_spec_dst.s_addr = htonl(gn__addr_v4(&what->answer));
    info.ipi_addr.s_addr = htonl(gn__addr_v4(&what->local));
    cmsg_put(msg, used, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

static void put_info6(struct msghdr *msg, size_t *used,
                      const struct gn__ancillary *what)
{
    struct in6_pktinfo info;

    memset(&info, 0, sizeof(info));
    memcpy(&info.ipi6_addr, what->local.bytes, sizeof(info.ipi6_addr));
    info.ipi6_ifindex = what->iface;
    cmsg_put(msg, used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
}

void gn__cmsg_write(struct msghdr *msg, const struct gn__ancillary *what)
{
    bool v4 = gn__addr_is_v4(&what->local);
    unsigned wants = what->wants;
    size_t used = 0;

    if (wants & GN__WANT_PKTINFO6)
        put_info6(msg, &used, what);
    if (v4 && wants & GN__WANT_PKTINFO)
        put_info(msg, &used, what);
    if (v4 && wants & GN__WANT_TTL)
        put_int(msg, &used, IPPROTO_IP, IP_TTL, what->ttl);
    if (v4 && wants & GN__WANT_TOS)
        cmsg_put(msg, &used, IPPROTO_IP, IP_TOS, &what->tos, sizeof(what->tos));
    if (!v4 && wants & GN__WANT_HOPS6)
        put_int(msg, &used, IPPROTO_IPV6, IPV6_HOPLIMIT, what->ttl);
    if (!v4 && wants & GN__WANT_TCLASS6)
        put_int(msg, &used, IPPROTO_IPV6, IPV6_TCLASS, what->tos);
    msg->msg_controllen = used;
}
