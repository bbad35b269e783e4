/* SPDX-License-Identifier: BSD-3-Clause */

/* Options of level SOL_SOCKET, socket(7). */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/time.h>

#include "base/units.h"
#include "namespace/sock/opt/opt.h"
#include "namespace/sock/tcp.h"

/* net.core.{r,w}mem_max, and Linux' least values. */
#define BUFFER_MAX (4 << 20)
#define SNDBUF_MIN 4608u
#define RCVBUF_MIN 2304u
/* Half of net.ipv4.tcp_rmem's largest. */
#define LOWAT_MAX (16 << 20)
/* As Linux shows it, which counts in 250ths of a second: below 0. */
#define LINGER_FOR_EVER ((int)(uint32_t)(INT64_MAX / 250))

/* ---- read only ---- */

static int get_type(struct gn_sock *sock, int *value)
{
    *value = sock->type;
    return 0;
}

static int get_domain(struct gn_sock *sock, int *value)
{
    *value = sock->family;
    return 0;
}

static int get_protocol(struct gn_sock *sock, int *value)
{
    *value = sock->protocol;
    return 0;
}

static int get_accepting(struct gn_sock *sock, int *value)
{
    *value = sock->type == SOCK_STREAM && gn__tcp_of(sock)->listener;
    return 0;
}

static int get_error(struct gn_sock *sock, int *value)
{
    struct gn__tcp_sock *tcp;

    if (sock->type == SOCK_STREAM)
        gn__tcp_look(gn__tcp_of(sock));
    *value = -gn__sock_take_error(sock);
    if (*value || sock->type != SOCK_STREAM)
        return 0;
    tcp = gn__tcp_of(sock);
    if (tcp->conn && !tcp->over)
        *value = -gn__tcp_soft_error(tcp->conn);
    return 0;
}

static int get_one(struct gn_sock *sock, int *value)
{
    (void)sock;
    *value = 1;
    return 0;
}

/* ---- buffers ---- */

static uint32_t limit_buffer(int value)
{
    uint32_t size = (uint32_t)value; /* below 0 is large, as on Linux */

    return size > BUFFER_MAX ? BUFFER_MAX : size;
}

static int set_sndbuf(struct gn_sock *sock, int value)
{
    uint32_t size = limit_buffer(value);

    sock->opt.sndbuf = size * 2 < SNDBUF_MIN ? SNDBUF_MIN : size * 2;
    sock->opt.tcp.send_buffer = sock->opt.sndbuf / 2;
    return 0;
}

static int get_sndbuf(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.sndbuf;
    return 0;
}

static int set_rcvbuf(struct gn_sock *sock, int value)
{
    uint32_t size = limit_buffer(value);

    sock->opt.rcvbuf = size * 2 < RCVBUF_MIN ? RCVBUF_MIN : size * 2;
    sock->opt.tcp.recv_buffer = sock->opt.rcvbuf / 2;
    return 0;
}

static int get_rcvbuf(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.rcvbuf;
    return 0;
}

static int set_lowat(struct gn_sock *sock, int value)
{
    int most =
        sock->opt.tcp.recv_buffer ? (int)sock->opt.rcvbuf / 2 : LOWAT_MAX;

    if (sock->type != SOCK_STREAM)
        most = INT_MAX;
    if (value < 0 || value > most)
        value = most;
    sock->opt.rcvlowat = value ? (uint32_t)value : 1;
    return 0;
}

static int get_lowat(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.rcvlowat;
    return 0;
}

/* ---- linger, time-outs, priority ---- */

static int set_linger(struct gn_sock *sock, const void *value, socklen_t len)
{
    struct linger linger;

    if (len < sizeof(linger))
        return -EINVAL;
    memcpy(&linger, value, sizeof(linger));
    sock->opt.linger = linger.l_onoff != 0;
    if (linger.l_onoff)
        sock->opt.linger_s =
            linger.l_linger < 0 ? LINGER_FOR_EVER : linger.l_linger;
    return 0;
}

static int get_linger(struct gn_sock *sock, void *value, socklen_t *len)
{
    struct linger linger = {sock->opt.linger, sock->opt.linger_s};

    gn__option_put(&linger, sizeof(linger), value, len);
    return 0;
}

/* Below 0 is "do not wait", which 0 cannot say: that is for ever. */
static int read_timeout(const void *value, socklen_t len, uint64_t *out)
{
    struct timeval tv;

    if (len < sizeof(tv))
        return -EINVAL;
    memcpy(&tv, value, sizeof(tv));
    if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
        return -EDOM;
    if (tv.tv_sec < 0)
        *out = 1;
    else if ((uint64_t)tv.tv_sec >= UINT64_MAX / 2000000000u)
        *out = 0;
    else
        *out =
            (uint64_t)tv.tv_sec * GN__NS_PER_S + (uint64_t)tv.tv_usec * 1000u;
    return 0;
}

static int write_timeout(uint64_t ns, void *value, socklen_t *len)
{
    struct timeval tv = {(time_t)(ns / GN__NS_PER_S),
                         (suseconds_t)(ns % GN__NS_PER_S / 1000u)};

    gn__option_put(&tv, sizeof(tv), value, len);
    return 0;
}

static int set_recv_timeout(struct gn_sock *sock, const void *value,
                            socklen_t len)
{
    return read_timeout(value, len, &sock->opt.recv_timeout_ns);
}

static int get_recv_timeout(struct gn_sock *sock, void *value, socklen_t *len)
{
    return write_timeout(sock->opt.recv_timeout_ns, value, len);
}

static int set_send_timeout(struct gn_sock *sock, const void *value,
                            socklen_t len)
{
    return read_timeout(value, len, &sock->opt.send_timeout_ns);
}

static int get_send_timeout(struct gn_sock *sock, void *value, socklen_t *len)
{
    return write_timeout(sock->opt.send_timeout_ns, value, len);
}

/* 7 and above take a privilege that a guest does not have. */
static int set_priority(struct gn_sock *sock, int value)
{
    if (value < 0 || value > 6)
        return -EPERM;
    sock->opt.priority = value;
    return 0;
}

static int get_priority(struct gn_sock *sock, int *value)
{
    *value = sock->opt.priority;
    return 0;
}

#define FLAG(name, member)                            \
    {                                                 \
        SOL_SOCKET, name, .flag = GN__FLAG_AT(member) \
    }
#define INT(name, set, get)                              \
    {                                                    \
        SOL_SOCKET, name, .set_int = set, .get_int = get \
    }
#define RAW(name, setter, getter)                      \
    {                                                  \
        SOL_SOCKET, name, .set = setter, .get = getter \
    }

static const struct gn__option table[] = {
    FLAG(SO_REUSEADDR, reuse_addr),
    FLAG(SO_REUSEPORT, reuse_port),
    FLAG(SO_KEEPALIVE, tcp.keepalive),
    FLAG(SO_BROADCAST, broadcast),
    FLAG(SO_DONTROUTE, dont_route),
    FLAG(SO_OOBINLINE, oob_inline),
    INT(SO_TYPE, NULL, get_type),
    INT(SO_DOMAIN, NULL, get_domain),
    INT(SO_PROTOCOL, NULL, get_protocol),
    INT(SO_ACCEPTCONN, NULL, get_accepting),
    INT(SO_ERROR, NULL, get_error),
    INT(SO_SNDLOWAT, NULL, get_one),
    INT(SO_SNDBUF, set_sndbuf, get_sndbuf),
    INT(SO_RCVBUF, set_rcvbuf, get_rcvbuf),
    INT(SO_RCVLOWAT, set_lowat, get_lowat),
    INT(SO_PRIORITY, set_priority, get_priority),
    RAW(SO_LINGER, set_linger, get_linger),
    RAW(SO_RCVTIMEO, set_recv_timeout, get_recv_timeout),
    RAW(SO_SNDTIMEO, set_send_timeout, get_send_timeout),
};

const struct gn__options gn__options_socket = {table,
                                               sizeof(table) / sizeof(*table)};
