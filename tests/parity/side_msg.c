/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/parity/side.h"

/** The longest that DRAIN waits for what has been sent. */
#define DRAIN_MS 5000
/** More than any datagram. */
#define ROOM_MAX 70000

void side_pattern(unsigned sock, size_t offset, uint8_t *out, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        out[i] = (uint8_t)((offset + i) * 7 + ((offset + i) >> 8) + sock * 31);
}

/* ---- control messages ---- */

static void put_control(struct msghdr *msg, int level, int type,
                        const void *data, size_t n)
{
    struct cmsghdr *cmsg = msg->msg_control;

    cmsg->cmsg_level = level;
    cmsg->cmsg_type = type;
    cmsg->cmsg_len = CMSG_LEN(n);
    memcpy(CMSG_DATA(cmsg), data, n);
    msg->msg_controllen = CMSG_SPACE(n);
}

/* What a control message says: an int, unless it has another length, or for
 * IP_PKTINFO and IPV6_PKTINFO a source and the number of an interface. */
struct said {
    int level;
    int type;
    int value;
    size_t len; /* of an int; 0: that of int */
    const char *source;
    int iface;
};

static const struct said said[N_CONTROLS] = {
    [WITH_PKTINFO] = {IPPROTO_IP, IP_PKTINFO, .source = "127.0.0.2"},
    [WITH_PKTINFO_BAD] = {IPPROTO_IP, IP_PKTINFO, .source = "192.0.2.1"},
    [WITH_PKTINFO_HERE] = {IPPROTO_IP, IP_PKTINFO, .source = "10.77.0.2"},
    [WITH_PKTINFO_ETH0] = {IPPROTO_IP, IP_PKTINFO, .iface = 2},
    [WITH_PKTINFO_LO] = {IPPROTO_IP, IP_PKTINFO, .iface = 1},
    [WITH_PKTINFO_NONE] = {IPPROTO_IP, IP_PKTINFO, .iface = 77},
    [WITH_TTL] = {IPPROTO_IP, IP_TTL, .value = 33},
    [WITH_TTL_BAD] = {IPPROTO_IP, IP_TTL, .value = 256},
    [WITH_TTL_ZERO] = {IPPROTO_IP, IP_TTL, .value = 0},
    [WITH_TTL_DEFAULT] = {IPPROTO_IP, IP_TTL, .value = -1},
    [WITH_TOS] = {IPPROTO_IP, IP_TOS, .value = 0x28},
    [WITH_TOS_BYTE] = {IPPROTO_IP, IP_TOS, .value = 0x28, .len = 1},
    [WITH_TOS_DEFAULT] = {IPPROTO_IP, IP_TOS, .value = -1},
    [WITH_PKTINFO6] = {IPPROTO_IPV6, IPV6_PKTINFO, .source = "::1"},
    [WITH_PKTINFO6_BAD] = {IPPROTO_IPV6, IPV6_PKTINFO, .source = "2001:db8::1"},
    [WITH_PKTINFO6_HERE] = {IPPROTO_IPV6, IPV6_PKTINFO, .source = "fd77::2"},
    [WITH_PKTINFO6_ETH0] = {IPPROTO_IPV6, IPV6_PKTINFO, .iface = 2},
    [WITH_PKTINFO6_LO] = {IPPROTO_IPV6, IPV6_PKTINFO, .iface = 1},
    [WITH_PKTINFO6_NONE] = {IPPROTO_IPV6, IPV6_PKTINFO, .iface = 77},
    [WITH_HOPS6] = {IPPROTO_IPV6, IPV6_HOPLIMIT, .value = 33},
    [WITH_HOPS6_BAD] = {IPPROTO_IPV6, IPV6_HOPLIMIT, .value = 256},
    [WITH_HOPS6_DEFAULT] = {IPPROTO_IPV6, IPV6_HOPLIMIT, .value = -1},
    [WITH_HOPS6_NEGATIVE] = {IPPROTO_IPV6, IPV6_HOPLIMIT, .value = -2},
    [WITH_TCLASS6] = {IPPROTO_IPV6, IPV6_TCLASS, .value = 0x28},
    [WITH_TCLASS6_DEFAULT] = {IPPROTO_IPV6, IPV6_TCLASS, .value = -1},
    [WITH_TCLASS6_NEGATIVE] = {IPPROTO_IPV6, IPV6_TCLASS, .value = -2},
    [WITH_UNKNOWN] = {IPPROTO_IP, 999, .value = 1},
    [WITH_SHORT] = {IPPROTO_IP, IP_TTL, .value = 33},
    [WITH_TRUNCATED] = {IPPROTO_IP, IP_TTL, .value = 33},
};

static void put_pktinfo(struct msghdr *msg, const struct said *what)
{
    struct in_pktinfo info = {.ipi_ifindex = what->iface};

    if (what->source)
        (void)inet_pton(AF_INET, what->source, &info.ipi_spec_dst);
    put_control(msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

static void put_pktinfo6(struct msghdr *msg, const struct said *what)
{
    struct in6_pktinfo info = {.ipi6_ifindex = (unsigned)what->iface};

    if (what->source)
        (void)inet_pton(AF_INET6, what->source, &info.ipi6_addr);
    put_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
}

static void put_controls(struct msghdr *msg, enum control control)
{
    struct cmsghdr *cmsg = msg->msg_control;
    const struct said *what = &said[control];

    if (control == PLAIN) {
        msg->msg_control = NULL;
        msg->msg_controllen = 0;
        return;
    }
    if (what->level == IPPROTO_IP && what->type == IP_PKTINFO)
        put_pktinfo(msg, what);
    else if (what->level == IPPROTO_IPV6 && what->type == IPV6_PKTINFO)
        put_pktinfo6(msg, what);
    else
        put_control(msg, what->level, what->type, &what->value,
                    what->len ? what->len : sizeof(what->value));
    if (control == WITH_SHORT)
        cmsg->cmsg_len = CMSG_LEN(1) + 1;
    if (control == WITH_TRUNCATED)
        cmsg->cmsg_len = CMSG_LEN(100);
}

static int int_of(const struct cmsghdr *cmsg)
{
    int value;

    if (cmsg->cmsg_len < CMSG_LEN(sizeof(value)))
        return cmsg->cmsg_len > CMSG_LEN(0) ? *CMSG_DATA(cmsg) : -1;
    memcpy(&value, CMSG_DATA(cmsg), sizeof(value));
    return value;
}

static void add_control(struct outcome *out, const struct cmsghdr *cmsg)
{
    char text[2][INET6_ADDRSTRLEN];
    struct in_pktinfo info;
    struct in6_pktinfo info6;

    if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO) {
        memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
        outcome_add(
            out, ", to %s by %d, answer from %s",
            inet_ntop(AF_INET, &info.ipi_addr, text[0], sizeof(text[0])),
            info.ipi_ifindex,
            inet_ntop(AF_INET, &info.ipi_spec_dst, text[1], sizeof(text[1])));
    } else if (cmsg->cmsg_level == IPPROTO_IPV6 &&
               cmsg->cmsg_type == IPV6_PKTINFO) {
        memcpy(&info6, CMSG_DATA(cmsg), sizeof(info6));
        outcome_add(
            out, ", to %s by %u",
            inet_ntop(AF_INET6, &info6.ipi6_addr, text[0], sizeof(text[0])),
            info6.ipi6_ifindex);
    } else {
        outcome_add(out, ", control %d/%d of %zu is %d", cmsg->cmsg_level,
                    cmsg->cmsg_type, (size_t)cmsg->cmsg_len, int_of(cmsg));
    }
}

/* ---- send ---- */

static ssize_t send_message(struct gn_sock *sock, const struct step *step,
                            uint8_t *data, struct sockaddr_storage *addr,
                            socklen_t addr_len)
{
    union {
        struct cmsghdr header;
        uint8_t room[CMSG_SPACE(64)];
    } control;
    size_t n = (size_t)step->n, half = n / 2;
    struct iovec iov[3] = {
        {data, half}, {data + half, 0}, {data + half, n - half}};
    struct msghdr msg = {.msg_name = addr_len ? addr : NULL,
                         .msg_namelen = addr_len,
                         .msg_iov = iov,
                         .msg_iovlen = 3,
                         .msg_control = &control};

    memset(&control, 0, sizeof(control));
    put_controls(&msg, step->control);
    return gn_sock_sendmsg(sock, &msg, step->flags);
}

void side_send(struct side *side, const struct step *step, struct outcome *out)
{
    static _Thread_local uint8_t data[ROOM_MAX];
    struct slot *slot = &side->slots[step->sock];
    struct sockaddr_storage addr;
    socklen_t len = side_addr(side, step, &addr);
    size_t n = (size_t)step->n;
    ssize_t done;

    side_pattern(step->sock, slot->sent, data, n);
    if (step->call == CALL_SEND)
        done = gn_sock_send(slot->sock, data, n, step->flags);
    else if (step->call == CALL_SENDTO)
        done = gn_sock_sendto(slot->sock, data, n, step->flags,
                              (struct sockaddr *)&addr, len);
    else
        done = send_message(slot->sock, step, data, &addr, len);
    if (done > 0 && slot->stream)
        slot->sent += (size_t)done;
    outcome_set(out, done);
    if (slot->full && (done > 0 || done == -EAGAIN))
        (void)snprintf(out->text, sizeof(out->text), "some or -EAGAIN");
}

/* ---- receive ---- */

static uint32_t hash_of(const uint8_t *data, size_t n)
{
    uint32_t hash = 2166136261u;
    size_t i;

    for (i = 0; i < n; i++)
        hash = (hash ^ data[i]) * 16777619u;
    return hash;
}

static void add_payload(struct side *side, const struct step *step,
                        struct outcome *out, const uint8_t *data)
{
    struct slot *slot = &side->slots[step->sock];
    bool discarded = slot->stream && step->flags & MSG_TRUNC;
    size_t n = (size_t)out->result;

    if (slot->stream && !(step->flags & MSG_PEEK))
        slot->received += n;
    if (side->filled && slot->stream) {
        outcome_set(out, n > 0);
        return;
    }
    if (n > (size_t)step->n)
        n = (size_t)step->n; /* MSG_TRUNC says how long it was. */
    if (n > 0 && !discarded)
        outcome_add(out, " bytes #%08x", hash_of(data, n));
}

static ssize_t receive_message(struct side *side, const struct step *step,
                               uint8_t *data, struct outcome *out)
{
    union {
        struct cmsghdr header;
        uint8_t room[256];
    } control;
    struct slot *slot = &side->slots[step->sock];
    struct sockaddr_storage addr;
    size_t n = (size_t)step->n, half = n / 2;
    struct iovec iov[3] = {
        {data, half}, {data + half, 0}, {data + half, n - half}};
    struct msghdr msg = {.msg_name = &addr,
                         .msg_namelen = sizeof(addr),
                         .msg_iov = iov,
                         .msg_iovlen = 3,
                         .msg_control = &control,
                         .msg_controllen = (size_t)step->len,
                         .msg_flags = 0x55};
    struct cmsghdr *cmsg;

    memset(&control, 0, sizeof(control));
    outcome_set(out, gn_sock_recvmsg(slot->sock, &msg, step->flags));
    if (out->result < 0)
        return out->result;
    add_payload(side, step, out, data);
    outcome_add(out, " from ");
    side_add_addr(side, out, slot->stream, &addr, msg.msg_namelen,
                  sizeof(addr));
    outcome_add(out, ", flags %#x", (unsigned)msg.msg_flags);
    for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg))
        add_control(out, cmsg);
    outcome_add(out, ", controls %zu", msg.msg_controllen);
    return out->result;
}

void side_recv(struct side *side, const struct step *step, struct outcome *out)
{
    static _Thread_local uint8_t data[ROOM_MAX];
    struct slot *slot = &side->slots[step->sock];
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    size_t n = (size_t)step->n;

    if (step->call == CALL_RECVMSG) {
        (void)receive_message(side, step, data, out);
        return;
    }
    if (step->call == CALL_RECV)
        outcome_set(out, gn_sock_recv(slot->sock, data, n, step->flags));
    else
        outcome_set(out, gn_sock_recvfrom(slot->sock, data, n, step->flags,
                                          (struct sockaddr *)&addr, &len));
    if (out->result < 0)
        return;
    add_payload(side, step, out, data);
    if (step->call == CALL_RECVFROM) {
        outcome_add(out, " from ");
        side_add_addr(side, out, slot->stream, &addr, len, sizeof(addr));
    }
}

/* ---- much of it ---- */

/* More than any socket buffers here; a side that never says no would hang. */
#define FILL_MAX (64u << 20)
#define FULL_MS  20
/* A peer may hold an acknowledgement back for 200 ms. */
#define WHOLLY_MS 2000

int64_t side_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Send until it takes no more; what the last send said. */
static ssize_t send_much(struct slot *slot, unsigned sock, size_t most)
{
    static _Thread_local uint8_t data[16384];
    ssize_t n = 0;

    while (slot->sent < most) {
        side_pattern(sock, slot->sent, data, sizeof(data));
        n = gn_sock_send(slot->sock, data, sizeof(data), MSG_DONTWAIT);
        if (n <= 0)
            break;
        slot->sent += (size_t)n;
    }
    return n;
}

static bool is_acknowledged(struct gn_sock *sock)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    return gn_sock_getopt(sock, IPPROTO_TCP, TCP_INFO, &info, &len) ||
           !info.tcpi_unacked;
}

/* A stream is full when a moment later it still is: what is under way to the
 * peer makes room once more when it arrives. */
void side_fill(struct side *side, const struct step *step, struct outcome *out)
{
    struct slot *slot = &side->slots[step->sock];
    struct gn_pollfd fd = {.sock = slot->sock, .events = 0};
    size_t begin = slot->sent, before;
    int64_t until = side_now_ms() + (step->blocking ? WHOLLY_MS : 0);
    bool settled;
    ssize_t n = 0;

    if (!slot->stream)
        return;
    do {
        /* Before it is sent: what is acknowledged after makes room. */
        settled = side_now_ms() >= until || is_acknowledged(slot->sock);
        before = slot->sent;
        n = send_much(slot, step->sock, begin + FILL_MAX);
    } while (n == -EAGAIN && (slot->sent > before || !settled) &&
             gn_sock_poll(&fd, 1, FULL_MS) == 0);
    slot->full = true;
    side->filled = true;
    outcome_set(out, n);
    outcome_add(out, slot->sent > begin ? " after some" : " at once");
}

/* Wait for more; false: that took too long. */
static bool wait_readable(struct gn_sock *sock, int64_t until)
{
    struct gn_pollfd fd = {.sock = sock, .events = POLLIN};
    int64_t left = until - side_now_ms();

    return left > 0 && gn_sock_poll(&fd, 1, (int)left) > 0;
}

void side_drain(struct side *side, const struct step *step, struct outcome *out)
{
    static _Thread_local uint8_t data[65536], want[65536];
    struct slot *slot = &side->slots[step->sock];
    const struct slot *from = &side->slots[step->child];
    int64_t until = side_now_ms() + DRAIN_MS;
    bool garbled = false;
    ssize_t n = 0;

    if (!slot->stream)
        return;
    while (slot->received < from->sent) {
        n = gn_sock_recv(slot->sock, data, sizeof(data), MSG_DONTWAIT);
        if (n == -EAGAIN && wait_readable(slot->sock, until))
            continue;
        if (n <= 0)
            break;
        side_pattern(step->child, slot->received, want, (size_t)n);
        garbled |= memcmp(data, want, (size_t)n) != 0;
        slot->received += (size_t)n;
    }
    outcome_set(out, n < 0 ? n : 0);
    outcome_add(out, ", %s%s", slot->received == from->sent ? "all" : "not all",
                garbled ? ", garbled" : "");
}
