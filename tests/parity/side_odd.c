/* SPDX-License-Identifier: BSD-3-Clause */

/* Options, and calls whose arguments make no sense. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "tests/parity/side.h"

/* ---- options ---- */

/* The kernel grows a connected stream's buffers as it likes. */
static bool is_at_will(const struct slot *slot, const struct step *step)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    return slot->stream && step->level == SOL_SOCKET &&
           (step->name == SO_RCVBUF || step->name == SO_SNDBUF) &&
           !gn_sock_peer(slot->sock, (struct sockaddr *)&addr, &len);
}

static int get_int(struct gn_sock *sock, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return gn_sock_getopt(sock, level, name, &value, &len) ? -1 : value;
}

/* What lwIP knows of a connection that nothing is under way on. Times and sizes
 * differ: that they agree with what else is said of it counts. */
static void add_info(const struct side *side, struct gn_sock *sock,
                     const struct tcp_info *info, struct outcome *out)
{
    int mss = get_int(sock, IPPROTO_TCP, TCP_MAXSEG);
    int mtu = side->variant == V6 ? get_int(sock, IPPROTO_IPV6, IPV6_MTU)
                                  : get_int(sock, IPPROTO_IP, IP_MTU);

    outcome_add(out, " state %u", info->tcpi_state);
    if (side->filled || (info->tcpi_state != TCP_ESTABLISHED &&
                         info->tcpi_state != TCP_CLOSE_WAIT &&
                         info->tcpi_state != TCP_FIN_WAIT2))
        return;
    outcome_add(out, " retransmits %u unacked %u scaled %d",
                info->tcpi_retransmits, info->tcpi_unacked,
                (info->tcpi_options & TCPI_OPT_WSCALE) != 0);
    outcome_add(out, " mss %s path %s cwnd %s ssthresh %s",
                (int)info->tcpi_snd_mss == mss ? "agreed" : "odd",
                (int)info->tcpi_pmtu == mtu ? "agreed" : "odd",
                info->tcpi_snd_cwnd ? "some" : "none",
                info->tcpi_snd_ssthresh ? "some" : "none");
    outcome_add(out, " rtt %s rto %s",
                info->tcpi_rtt && info->tcpi_rtt < 10000000 ? "sane" : "odd",
                info->tcpi_rto >= 150000 && info->tcpi_rto < 10000000 ? "sane"
                                                                      : "odd");
}

/* SET_LEN and GET_LEN with a length of -1 say 0. */
static socklen_t length_of(const struct step *step)
{
    if (step->len < 0)
        return 0;
    return step->len ? (socklen_t)step->len : sizeof(int);
}

/* The MTU of lo is 65536 for IPv6, and 65535 here: docs/differences.md. */
#define LO_MTU 65535

static bool is_mtu(const struct step *step)
{
    return (step->level == IPPROTO_IP && step->name == IP_MTU) ||
           (step->level == IPPROTO_IPV6 && step->name == IPV6_MTU);
}

static void get(const struct side *side, const struct slot *slot,
                const struct step *step, struct outcome *out)
{
    uint8_t value[512];
    socklen_t len = length_of(step), i;

    memset(value, 0xee, sizeof(value));
    outcome_set(
        out, gn_sock_getopt(slot->sock, step->level, step->name, value, &len));
    if (out->result || is_at_will(slot, step))
        return;
    outcome_add(out, ", %u bytes:", len);
    if (step->level == IPPROTO_TCP && step->name == TCP_INFO) {
        struct tcp_info info = {.tcpi_state = 0};

        memcpy(&info, value, len < sizeof(info) ? len : sizeof(info));
        add_info(side, slot->sock, &info, out);
        return;
    }
    if (step->level == SOL_SOCKET && step->name == SO_LINGER &&
        len == sizeof(struct linger)) {
        struct linger linger;

        /* For ever is shown by a number that depends on the kernel's HZ. */
        memcpy(&linger, value, sizeof(linger));
        outcome_add(out, linger.l_linger < 0 ? " %d for ever" : " %d for %d s",
                    linger.l_onoff, linger.l_linger);
        return;
    }
    if (is_mtu(step) && len < sizeof(int))
        return;
    if (len == sizeof(int)) {
        int number;

        memcpy(&number, value, sizeof(number));
        if (is_mtu(step) && number >= LO_MTU)
            outcome_add(out, " lo's");
        else
            outcome_add(out, " %d", number);
        return;
    }
    for (i = 0; i < len && i < 64; i++)
        outcome_add(out, " %02x", value[i]);
}

/* Does it listen, and is there a connection to be accepted? */
static bool has_waiting(struct gn_sock *sock)
{
    struct gn_pollfd fd = {.sock = sock, .events = POLLIN};
    int listens = 0;
    socklen_t len = sizeof(listens);

    return !gn_sock_getopt(sock, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) &&
           listens && gn_sock_poll(&fd, 1, 0) == 1;
}

void side_option(struct side *side, const struct step *step,
                 struct outcome *out)
{
    struct slot *slot = &side->slots[step->sock];
    uint8_t value[64] = {0};

    if (step->call == CALL_GET) {
        get(side, slot, step, out);
        return;
    }
    memcpy(value, &step->n, sizeof(step->n));
    outcome_set(out, gn_sock_setopt(slot->sock, step->level, step->name,
                                    step->value ? step->value : value,
                                    length_of(step)));
    slot->late_option |= has_waiting(slot->sock);
    slot->recv_err |=
        step->n &&
        ((step->level == IPPROTO_IP && step->name == IP_RECVERR) ||
         (step->level == IPPROTO_IPV6 && step->name == IPV6_RECVERR));
}

/* ---- odd calls ---- */

static ssize_t odd_message(struct gn_sock *sock, enum odd which)
{
    static struct iovec many[1025];
    static char byte;
    struct sockaddr_storage addr;
    struct msghdr msg = {.msg_iov = many, .msg_iovlen = 1025};
    size_t i;

    for (i = 0; i < 1025; i++)
        many[i] = (struct iovec){&byte, 0};
    switch (which) {
    case ODD_SENDMSG_IOV_TOO_MANY:
        return gn_sock_sendmsg(sock, &msg, 0);
    case ODD_RECVMSG_IOV_TOO_MANY:
        return gn_sock_recvmsg(sock, &msg, 0);
    case ODD_SENDMSG_IOV_TOO_LONG:
        many[0].iov_len = (size_t)SSIZE_MAX + 1;
        msg.msg_iovlen = 1;
        return gn_sock_sendmsg(sock, &msg, 0);
    case ODD_SENDMSG_NAME_WITHOUT_LENGTH:
        many[0].iov_len = 1;
        msg.msg_iovlen = 1;
        msg.msg_name = &addr;
        return gn_sock_sendmsg(sock, &msg, 0);
    case ODD_SENDMSG_NO_IOV:
        msg.msg_iov = NULL;
        msg.msg_iovlen = 0;
        return gn_sock_sendmsg(sock, &msg, 0);
    case ODD_RECVMSG_NO_IOV:
    default:
        msg.msg_iov = NULL;
        msg.msg_iovlen = 0;
        return gn_sock_recvmsg(sock, &msg, 0);
    }
}

static ssize_t odd_length(struct gn_sock *sock, enum odd which)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(CLOSED)};
    struct sockaddr *addr = (struct sockaddr *)(void *)&in;
    socklen_t len = (socklen_t)-1;
    struct gn_sock *child;
    int value = 0;

    switch (which) {
    case ODD_ACCEPT_LEN:
        return gn_sock_accept(sock, addr, &len, 0, &child);
    case ODD_NAME_LEN:
        return gn_sock_name(sock, addr, &len);
    case ODD_PEER_LEN:
        return gn_sock_peer(sock, addr, &len);
    case ODD_GETOPT_LEN:
        return gn_sock_getopt(sock, SOL_SOCKET, SO_TYPE, &value, &len);
    case ODD_BIND_NEGATIVE:
        return gn_sock_bind(sock, addr, len);
    case ODD_CONNECT_NEGATIVE:
        return gn_sock_connect(sock, addr, len);
    case ODD_SENDTO_NEGATIVE:
        return gn_sock_sendto(sock, &value, 1, 0, addr, len);
    case ODD_RECVFROM_LEN:
    default:
        return gn_sock_recvfrom(sock, &value, 1, 0, addr, &len);
    }
}

static ssize_t odd_rest(struct gn_sock *sock, enum odd which)
{
    struct gn_sock *child;

    switch (which) {
    case ODD_BIND_NULL:
        return gn_sock_bind(sock, NULL, sizeof(struct sockaddr_in));
    case ODD_CONNECT_NULL:
        return gn_sock_connect(sock, NULL, sizeof(struct sockaddr_in));
    case ODD_SEND_NULL:
        return gn_sock_send(sock, NULL, 1, 0);
    case ODD_SEND_NULL_NOTHING:
        return gn_sock_send(sock, NULL, 0, 0);
    case ODD_RECV_NULL:
        return gn_sock_recv(sock, NULL, 1, 0);
    case ODD_RECV_NULL_NOTHING:
        return gn_sock_recv(sock, NULL, 0, 0);
    case ODD_RECV_NULL_TRUNC:
        return gn_sock_recv(sock, NULL, 3, MSG_TRUNC);
    case ODD_RECV_NULL_PEEK_TRUNC:
        return gn_sock_recv(sock, NULL, 3, MSG_PEEK | MSG_TRUNC);
    case ODD_SHUTDOWN_HOW:
        return gn_sock_shutdown(sock, 3);
    case ODD_SHUTDOWN_NEGATIVE:
        return gn_sock_shutdown(sock, -1);
    case ODD_ACCEPT_FLAGS:
        return gn_sock_accept(sock, NULL, NULL, 1, &child);
    case ODD_SETOPT_NULL:
    default:
        return gn_sock_setopt(sock, SOL_SOCKET, SO_REUSEADDR, NULL, 4);
    }
}

void side_odd(struct side *side, const struct step *step, struct outcome *out)
{
    struct gn_sock *sock = side->slots[step->sock].sock;
    enum odd which = (enum odd)step->n;
    ssize_t result;

    switch (which) {
    case ODD_SENDMSG_IOV_TOO_MANY:
    case ODD_RECVMSG_IOV_TOO_MANY:
    case ODD_SENDMSG_IOV_TOO_LONG:
    case ODD_SENDMSG_NO_IOV:
    case ODD_RECVMSG_NO_IOV:
    case ODD_SENDMSG_NAME_WITHOUT_LENGTH:
        result = odd_message(sock, which);
        break;
    case ODD_ACCEPT_LEN:
    case ODD_NAME_LEN:
    case ODD_PEER_LEN:
    case ODD_GETOPT_LEN:
    case ODD_BIND_NEGATIVE:
    case ODD_CONNECT_NEGATIVE:
    case ODD_SENDTO_NEGATIVE:
    case ODD_RECVFROM_LEN:
        result = odd_length(sock, which);
        break;
    default:
        result = odd_rest(sock, which);
        break;
    }
    outcome_set(out, result);
}
