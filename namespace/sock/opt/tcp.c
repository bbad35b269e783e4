/* SPDX-License-Identifier: BSD-3-Clause */

/* Options of level IPPROTO_TCP, tcp(7). */
#include <errno.h>
#include <string.h>

#include <netinet/tcp.h>

#include "namespace/sock/opt/opt.h"
#include "namespace/sock/tcp.h"

/* Linux' bounds. */
#define KEEP_MAX   32767
#define KEEP_COUNT 127
#define MSS_MIN    88
#define MSS_MAX    32767
/* What Linux shows before there is a connection. */
#define MSS_DEFAULT 536
#define CONGESTION  "reno"

/* ---- ints within bounds ---- */

static int set_between(int value, int least, int most, uint32_t *out)
{
    if (value < least || value > most)
        return -EINVAL;
    *out = (uint32_t)value;
    return 0;
}

static int set_idle(struct gn_sock *sock, int value)
{
    int err = set_between(value, 1, KEEP_MAX, &sock->opt.tcp.keep_idle_s);

    if (!err)
        sock->opt.tcp.keep_idle_set++;
    return err;
}

static int get_idle(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.tcp.keep_idle_s;
    return 0;
}

static int set_interval(struct gn_sock *sock, int value)
{
    return set_between(value, 1, KEEP_MAX, &sock->opt.tcp.keep_interval_s);
}

static int get_interval(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.tcp.keep_interval_s;
    return 0;
}

static int set_count(struct gn_sock *sock, int value)
{
    return set_between(value, 1, KEEP_COUNT, &sock->opt.tcp.keep_count);
}

static int get_count(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.tcp.keep_count;
    return 0;
}

static int set_syn_count(struct gn_sock *sock, int value)
{
    return set_between(value, 1, KEEP_COUNT, &sock->opt.tcp.syn_count);
}

static int get_syn_count(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.tcp.syn_count;
    return 0;
}

static int set_user_timeout(struct gn_sock *sock, int value)
{
    return set_between(value, 0, INT32_MAX, &sock->opt.tcp.user_timeout_ms);
}

static int get_user_timeout(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.tcp.user_timeout_ms;
    return 0;
}

/* ---- what is held back ---- */

/* TCP_NODELAY sends all bytes that have been queued so far, corked or not, and
 * TCP_CORK with 0 as many as Nagle's algorithm lets it: also those that
 * MSG_MORE has held back. */
static int tcp_push(struct gn_sock *sock)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);

    sock->ops->options(sock);
    if (tcp->conn && !tcp->over)
        gn__tcp_push(tcp->conn);
    return 0;
}

static int set_nodelay(struct gn_sock *sock, int value)
{
    sock->opt.tcp.nodelay = value != 0;
    return value ? tcp_push(sock) : 0;
}

static int get_nodelay(struct gn_sock *sock, int *value)
{
    *value = sock->opt.tcp.nodelay;
    return 0;
}

static int set_cork(struct gn_sock *sock, int value)
{
    sock->opt.tcp.cork = value != 0;
    return value ? 0 : tcp_push(sock);
}

static int get_cork(struct gn_sock *sock, int *value)
{
    *value = sock->opt.tcp.cork;
    return 0;
}

/* ---- segment size ---- */

static int set_mss(struct gn_sock *sock, int value)
{
    if (value && (value < MSS_MIN || value > MSS_MAX))
        return -EINVAL;
    sock->opt.tcp.max_segment = (uint16_t)value;
    return 0;
}

static int get_mss(struct gn_sock *sock, int *value)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    struct tcp_info info;

    *value =
        sock->opt.tcp.max_segment ? sock->opt.tcp.max_segment : MSS_DEFAULT;
    if (!tcp->conn || tcp->over)
        return 0;
    gn__tcp_info(tcp->conn, &info);
    if (info.tcpi_snd_mss)
        *value = (int)info.tcpi_snd_mss;
    return 0;
}

/* ---- TCP_DEFER_ACCEPT: seconds, as so many retries take ---- */

/* The first time-out and the longest, in seconds. */
#define RETRY_FIRST 1
#define RETRY_MOST  120

static int next_retry(int seconds)
{
    return seconds * 2 < RETRY_MOST ? seconds * 2 : RETRY_MOST;
}

/* What so many seconds come to, in whole retries that wait twice as long each
 * time: secs_to_retrans() and back. */
static int round_to_retries(int seconds)
{
    int wait = RETRY_FIRST, all = RETRY_FIRST, n = 1;

    while (seconds > all && n < 255) {
        wait = next_retry(wait);
        all += wait;
        n++;
    }
    return all;
}

static int set_defer(struct gn_sock *sock, int value)
{
    sock->opt.tcp.defer_s = value > 0 ? (uint32_t)round_to_retries(value) : 0;
    return 0;
}

static int get_defer(struct gn_sock *sock, int *value)
{
    *value = (int)sock->opt.tcp.defer_s;
    return 0;
}

/* ---- info and name ---- */

static int get_info(struct gn_sock *sock, void *value, socklen_t *len)
{
    struct gn__tcp_sock *tcp = gn__tcp_of(sock);
    struct tcp_info info;

    memset(&info, 0, sizeof(info));
    gn__tcp_look(tcp);
    if (tcp->conn)
        gn__tcp_info(tcp->conn, &info);
    info.tcpi_state = (uint8_t)gn__tcp_state_of(tcp);
    gn__option_put(&info, sizeof(info), value, len);
    return 0;
}

static int set_congestion(struct gn_sock *sock, const void *value,
                          socklen_t len)
{
    (void)sock;
    if (len < 1)
        return -EINVAL;
    if (len > strlen(CONGESTION))
        len = (socklen_t)strnlen(value, len);
    return len == strlen(CONGESTION) && memcmp(value, CONGESTION, len) == 0
               ? 0
               : -ENOENT;
}

static int get_congestion(struct gn_sock *sock, void *value, socklen_t *len)
{
    const char name[16] = CONGESTION; /* TCP_CA_NAME_MAX */

    (void)sock;
    gn__option_put(name, sizeof(name), value, len);
    return 0;
}

#define FLAG(name, member)                                             \
    {                                                                  \
        IPPROTO_TCP, name, GN__OPT_STREAM, .flag = GN__FLAG_AT(member) \
    }
#define INT(name, set, get)                                               \
    {                                                                     \
        IPPROTO_TCP, name, GN__OPT_STREAM, .set_int = set, .get_int = get \
    }
#define RAW(name, setter, getter)                                       \
    {                                                                   \
        IPPROTO_TCP, name, GN__OPT_STREAM, .set = setter, .get = getter \
    }

static const struct gn__option table[] = {
    INT(TCP_NODELAY, set_nodelay, get_nodelay),
    INT(TCP_CORK, set_cork, get_cork),
    FLAG(TCP_QUICKACK, quick_ack),
    INT(TCP_MAXSEG, set_mss, get_mss),
    INT(TCP_KEEPIDLE, set_idle, get_idle),
    INT(TCP_KEEPINTVL, set_interval, get_interval),
    INT(TCP_KEEPCNT, set_count, get_count),
    INT(TCP_SYNCNT, set_syn_count, get_syn_count),
    INT(TCP_USER_TIMEOUT, set_user_timeout, get_user_timeout),
    INT(TCP_DEFER_ACCEPT, set_defer, get_defer),
    RAW(TCP_INFO, NULL, get_info),
    RAW(TCP_CONGESTION, set_congestion, get_congestion),
};

const struct gn__options gn__options_tcp = {table,
                                            sizeof(table) / sizeof(*table)};
