/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The socket calls that WasmEdge adds to preview 1, and wasi-go after it. Some
 * names have an older form with other parameters; a module may use both, and
 * the signature tells them apart.
 *
 * An address is a pointer and a length: 4 bytes, 16, or the 128 of a storage
 * that begins with the family. The port is an i32 of its own, in host order.
 */
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/units.h"
#include "guests/wasi/preview1.h"

#define FAMILY_INET4 1u
#define FAMILY_INET6 2u
#define TYPE_DGRAM   1u
#define TYPE_STREAM  2u
#define STORAGE_SIZE 128u

/* ---- addresses ---- */

struct place {
    uint32_t at;
    uint32_t len;
};

static int place_get(struct gn__wasi_call *call, uint32_t at, struct place *out)
{
    uint32_t words[2];

    if (gn__wasi_get(call->guest, at, words, sizeof(words)))
        return -EFAULT;
    out->at = le32toh(words[0]);
    out->len = le32toh(words[1]);
    return 0;
}

static socklen_t sockaddr_make(const uint8_t *bytes, bool v6, uint32_t port,
                               struct sockaddr_storage *out)
{
    struct sockaddr_in *in = (void *)out;
    struct sockaddr_in6 *in6 = (void *)out;

    memset(out, 0, sizeof(*out));
    if (v6) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        memcpy(&in6->sin6_addr, bytes, 16);
        return sizeof(*in6);
    }
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    memcpy(&in->sin_addr, bytes, 4);
    return sizeof(*in);
}

static int address_get(struct gn__wasi_call *call, uint32_t at, uint32_t port,
                       struct sockaddr_storage *out, socklen_t *len)
{
    uint8_t bytes[STORAGE_SIZE];
    struct place place;
    unsigned family;
    int err = place_get(call, at, &place);

    if (err)
        return err;
    if ((place.len != 4 && place.len != 16 && place.len != STORAGE_SIZE) ||
        port > UINT16_MAX)
        return -EINVAL;
    if (gn__wasi_get(call->guest, place.at, bytes, place.len))
        return -EFAULT;
    if (place.len == STORAGE_SIZE) {
        family = bytes[0] | bytes[1] << 8;
        if (family != FAMILY_INET4 && family != FAMILY_INET6)
            return -EAFNOSUPPORT;
        *len = sockaddr_make(bytes + 2, family == FAMILY_INET6, port, out);
    } else
        *len = sockaddr_make(bytes, place.len == 16, port, out);
    return 0;
}

static const void *address_bytes(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET)
        return &((const struct sockaddr_in *)addr)->sin_addr;
    return &((const struct sockaddr_in6 *)addr)->sin6_addr;
}

static uint32_t address_port(const struct sockaddr_storage *addr)
{
    return ntohs(((const struct sockaddr_in *)addr)->sin_port);
}

/* Into the guest's buffer, whose length says in which form. */
static int address_put(struct gn__wasi_call *call, uint32_t at,
                       const struct sockaddr_storage *addr)
{
    bool v6 = addr->ss_family == AF_INET6;
    uint8_t storage[STORAGE_SIZE] = {0};
    struct place place;
    int err = place_get(call, at, &place);

    if (err)
        return err;
    if (place.len != STORAGE_SIZE && place.len < (v6 ? 16u : 4u))
        return -EINVAL;
    if (place.len != STORAGE_SIZE)
        return gn__wasi_put(call->guest, place.at, address_bytes(addr),
                            v6 ? 16 : 4);
    storage[0] = v6 ? FAMILY_INET6 : FAMILY_INET4;
    memcpy(storage + 2, address_bytes(addr), v6 ? 16 : 4);
    return gn__wasi_put(call->guest, place.at, storage, sizeof(storage));
}

/* ---- sockets ---- */

static int run_open(struct gn__wasi_call *call)
{
    uint32_t family = ARG(0), type = ARG(1);
    struct gn__wasi_sock *sock;
    int err;

    if (family > FAMILY_INET6)
        return -EAFNOSUPPORT;
    if (type > TYPE_STREAM)
        return -EINVAL;
    err = gn__wasi_sock_open(
        call->guest, family == FAMILY_INET6 ? AF_INET6 : AF_INET,
        type == TYPE_DGRAM ? SOCK_DGRAM : SOCK_STREAM, &sock);
    return err ? err : gn__wasi_fd_install(call, sock, ARG(2));
}

static int run_bind(struct gn__wasi_call *call)
{
    struct sockaddr_storage addr;
    struct gn__wasi_sock *sock;
    socklen_t len;
    int err;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    err = address_get(call, ARG(1), ARG(2), &addr, &len);
    if (err)
        return err;
    return gn_sock_bind(sock->sock, (struct sockaddr *)&addr, len);
}

static int run_listen(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock;
    int err;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    return sock ? gn_sock_listen(sock->sock, (int)ARG(1)) : err;
}

/* A descriptor that blocks waits until it is connected. */
static int run_connect(struct gn__wasi_call *call)
{
    struct sockaddr_storage addr;
    struct gn__wasi_sock *sock;
    socklen_t len;
    int err;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    if (call->done) {
        if (gn__wasi_sock_ready(sock, POLLOUT))
            return gn__wasi_sock_error(sock);
    } else {
        err = address_get(call, ARG(1), ARG(2), &addr, &len);
        if (!err)
            err = gn_sock_connect(sock->sock, (struct sockaddr *)&addr, len);
        if (err != -EINPROGRESS || sock->nonblock)
            return err;
        call->done = 1;
    }
    err = gn__wasi_wait_sock(call, sock, POLLOUT, sock->send_timeout_ns);
    return err == -EAGAIN ? -EINPROGRESS : err;
}

static int run_accept_v1(struct gn__wasi_call *call)
{
    return gn__wasi_fd_accept(call, 0, ARG(1));
}

static int run_send_to(struct gn__wasi_call *call)
{
    struct sockaddr_storage addr;
    struct msghdr msg = {.msg_name = &addr};
    struct gn__wasi_sock *sock;
    ssize_t n;
    int err;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    if (!gn__wasi_at(call->guest, ARG(6), 4))
        return -EFAULT;
    err = address_get(call, ARG(3), ARG(4), &addr, &msg.msg_namelen);
    if (err)
        return err;
    n = gn__wasi_fd_send(call, sock, &msg);
    return n < 0 ? (int)n : gn__wasi_put32(call->guest, ARG(6), (uint64_t)n);
}

/* @port: 0, or where the port goes; then the number of bytes, and the flags. */
static int recv_from(struct gn__wasi_call *call, unsigned port, unsigned bytes)
{
    struct sockaddr_storage addr;
    struct gn__wasi_sock *sock;
    struct msghdr msg = {.msg_name = &addr, .msg_namelen = sizeof(addr)};
    socklen_t len;
    ssize_t n;
    int err;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    if (!gn__wasi_at(call->guest, ARG(bytes), 4) ||
        !gn__wasi_at(call->guest, ARG(bytes + 1), 2) ||
        (port && !gn__wasi_at(call->guest, ARG(port), 4)))
        return -EFAULT;
    n = gn__wasi_fd_recv(call, sock, ARG(4), &msg);
    if (n < 0)
        return (int)n;
    len = msg.msg_namelen;
    if (len == 0) { /* A stream: its peer. */
        len = sizeof(addr);
        err = gn_sock_peer(sock->sock, (struct sockaddr *)&addr, &len);
    }
    if (!err)
        err = address_put(call, ARG(3), &addr);
    if (!err && port)
        err = gn__wasi_put32(call->guest, ARG(port), address_port(&addr));
    if (!err)
        err = gn__wasi_put32(call->guest, ARG(bytes), (uint64_t)n);
    return err ? err
               : gn__wasi_put16(call->guest, ARG(bytes + 1),
                                gn__wasi_roflags(&msg));
}

static int run_recv_from_v1(struct gn__wasi_call *call)
{
    return recv_from(call, 0, 5);
}

static int run_recv_from(struct gn__wasi_call *call)
{
    return recv_from(call, 5, 6);
}

typedef int (*name_fn)(struct gn_sock *sock, struct sockaddr *addr,
                       socklen_t *len);

/* @type_at: where 4 or 6 goes, in the older form. */
static int name_put(struct gn__wasi_call *call, name_fn name,
                    const uint32_t *type_at, uint32_t port_at)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    struct gn__wasi_sock *sock;
    int err;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    err = name(sock->sock, (struct sockaddr *)&addr, &len);
    if (!err)
        err = address_put(call, ARG(1), &addr);
    if (!err && type_at)
        err = gn__wasi_put32(call->guest, *type_at,
                             addr.ss_family == AF_INET ? 4 : 6);
    return err ? err
               : gn__wasi_put32(call->guest, port_at, address_port(&addr));
}

static int run_local(struct gn__wasi_call *call)
{
    return name_put(call, gn_sock_name, NULL, ARG(2));
}

static int run_peer(struct gn__wasi_call *call)
{
    return name_put(call, gn_sock_peer, NULL, ARG(2));
}

static int run_local_v1(struct gn__wasi_call *call)
{
    uint32_t type_at = ARG(2);

    return name_put(call, gn_sock_name, &type_at, ARG(3));
}

static int run_peer_v1(struct gn__wasi_call *call)
{
    uint32_t type_at = ARG(2);

    return name_put(call, gn_sock_peer, &type_at, ARG(3));
}

/* ---- options ---- */

/* Ours for theirs, by number. */
static const int options[] = {
    SO_REUSEADDR, SO_TYPE,     SO_ERROR,     SO_DONTROUTE,  SO_BROADCAST,
    SO_SNDBUF,    SO_RCVBUF,   SO_KEEPALIVE, SO_OOBINLINE,  SO_LINGER,
    SO_RCVLOWAT,  SO_RCVTIMEO, SO_SNDTIMEO,  SO_ACCEPTCONN,
};
#define N_OPTIONS    (sizeof(options) / sizeof(options[0]))
#define LEVEL_TCP    6u
#define TCP_NO_DELAY 15u

static int option_find(struct gn__wasi_call *call, int *level, int *name)
{
    if (ARG(1) == LEVEL_TCP && ARG(2) == TCP_NO_DELAY) {
        *level = IPPROTO_TCP;
        *name = TCP_NODELAY;
        return 0;
    }
    if (ARG(1) != 0 || ARG(2) >= N_OPTIONS)
        return -ENOPROTOOPT;
    *level = SOL_SOCKET;
    *name = options[ARG(2)];
    return 0;
}

static uint64_t *timeout_of(struct gn__wasi_sock *sock, int level, int name)
{
    if (level != SOL_SOCKET)
        return NULL;
    return name == SO_RCVTIMEO   ? &sock->recv_timeout_ns
           : name == SO_SNDTIMEO ? &sock->send_timeout_ns
                                 : NULL;
}

/* Seconds and microseconds, 64 bits each. */
static int timeout_set(struct gn__wasi_call *call, uint64_t *timeout_ns)
{
    int64_t pair[2], seconds, us;

    if (ARG(4) < sizeof(pair))
        return -EINVAL;
    if (gn__wasi_get(call->guest, ARG(3), pair, sizeof(pair)))
        return -EFAULT;
    seconds = (int64_t)le64toh((uint64_t)pair[0]);
    us = (int64_t)le64toh((uint64_t)pair[1]);
    if (us < 0 || us > 999999)
        return -EDOM;
    *timeout_ns = seconds < 0 || seconds > 1000000000
                      ? 0
                      : (uint64_t)seconds * GN__NS_PER_S + (uint64_t)us * 1000u;
    return 0;
}

static int run_setsockopt(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock;
    uint32_t value[2] = {0}, len = ARG(4);
    int level, name, err;
    uint64_t *timeout_ns;

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    err = option_find(call, &level, &name);
    if (err)
        return err;
    timeout_ns = timeout_of(sock, level, name);
    if (timeout_ns)
        return timeout_set(call, timeout_ns);
    len = len < sizeof(value) ? len : sizeof(value);
    err = gn__wasi_get(call->guest, ARG(3), value, len);
    if (err)
        return err;
    value[0] = le32toh(value[0]);
    value[1] = le32toh(value[1]);
    /* A close that waits would do so on the host's thread, when the guest ends;
     * and the bytes that are left are sent without it. With 0 it is a reset. */
    if (level == SOL_SOCKET && name == SO_LINGER && value[1])
        value[0] = 0;
    return gn_sock_setopt(sock->sock, level, name, value, len);
}

/* The length is a pointer with some libraries, and with others the number
 * itself: no object of a guest's is below 64. */
static int value_put(struct gn__wasi_call *call, const void *value,
                     uint32_t size)
{
    uint32_t room = ARG(4), word = 0;
    bool literal = room <= 64;
    int err = 0;

    if (!literal) {
        err = gn__wasi_get(call->guest, room, &word, sizeof(word));
        room = le32toh(word);
    }
    if (err)
        return err;
    err = gn__wasi_put(call->guest, ARG(3), value, room < size ? room : size);
    if (!err && !literal)
        err = gn__wasi_put32(call->guest, ARG(4), room < size ? room : size);
    return err;
}

static int run_getsockopt(struct gn__wasi_call *call)
{
    int value[2] = {0}, level, name, err;
    socklen_t len = sizeof(value);
    struct gn__wasi_sock *sock;
    uint64_t *timeout_ns, pair[2];

    sock = gn__wasi_fd_sock(call, ARG(0), &err);
    if (!sock)
        return err;
    err = option_find(call, &level, &name);
    if (err)
        return err;
    timeout_ns = timeout_of(sock, level, name);
    if (timeout_ns) {
        pair[0] = htole64(*timeout_ns / GN__NS_PER_S);
        pair[1] = htole64(*timeout_ns % GN__NS_PER_S / 1000u);
        return value_put(call, pair, sizeof(pair));
    }
    if (level == SOL_SOCKET && name != SO_LINGER)
        len = sizeof(int);
    err = gn_sock_getopt(sock->sock, level, name, value, &len);
    if (err)
        return err;
    if (level == SOL_SOCKET && name == SO_ERROR && value[0])
        value[0] = (int)gn__wasi_errno(-value[0]);
    if (level == SOL_SOCKET && name == SO_TYPE)
        value[0] = value[0] == SOCK_DGRAM ? TYPE_DGRAM : TYPE_STREAM;
    value[0] = (int)htole32((uint32_t)value[0]);
    value[1] = (int)htole32((uint32_t)value[1]);
    return value_put(call, value, len);
}

/* ---- names ---- */

/* What the guest has made room for: a chain of these, with a sockaddr each. */
#define AI_ADDRLEN    8u
#define AI_SOCKADDR   12u
#define AI_CANON_LEN  20u
#define AI_NEXT       24u
#define SOCKADDR_DATA 8u

static int word_get(struct gn__wasi_call *call, uint64_t at, uint32_t *out)
{
    int err = gn__wasi_get(call->guest, at, out, sizeof(*out));

    *out = le32toh(*out);
    return err;
}

/* One answer into the element of the chain at @at. */
static int answer_put(struct gn__wasi_call *call, uint32_t at, uint8_t type,
                      uint16_t port, const struct sockaddr_storage *addr)
{
    bool v6 = addr->ss_family == AF_INET6;
    uint8_t head[4] = {0}, data[18];
    uint32_t sockaddr, to;
    int err = word_get(call, (uint64_t)at + AI_SOCKADDR, &sockaddr);

    if (!err)
        err = word_get(call, (uint64_t)sockaddr + SOCKADDR_DATA, &to);
    if (err)
        return err;
    head[2] = v6 ? FAMILY_INET6 : FAMILY_INET4;
    head[3] = type;
    data[0] = (uint8_t)(port >> 8);
    data[1] = (uint8_t)port;
    memcpy(data + 2, address_bytes(addr), v6 ? 16 : 4);
    err = gn__wasi_put(call->guest, to, data, v6 ? 18 : 6);
    if (!err)
        err = gn__wasi_put(call->guest, at, head, sizeof(head));
    if (!err)
        err = gn__wasi_put32(call->guest, (uint64_t)at + 4,
                             type == TYPE_DGRAM ? 2 : 1);
    if (!err)
        err = gn__wasi_put32(call->guest, (uint64_t)at + AI_ADDRLEN, 16);
    if (!err)
        err = gn__wasi_put32(call->guest, (uint64_t)at + AI_CANON_LEN, 0);
    /* The family as the sockaddr has it, a word to some libraries. */
    return err ? err : gn__wasi_put32(call->guest, sockaddr, head[2]);
}

static int text_get(struct gn__wasi_call *call, uint32_t at, uint32_t len,
                    char out[256])
{
    if (len > 255)
        return -EINVAL;
    out[len] = '\0';
    return gn__wasi_get(call->guest, at, out, len);
}

/* The addresses of one family, from the element at *@at on. */
static int answers_put(struct gn__wasi_call *call, const struct addrinfo *list,
                       int family, uint32_t *at, uint32_t *n)
{
    struct sockaddr_storage addr;
    int err = 0;

    for (; !err && list && *n < ARG(6) && *at; list = list->ai_next) {
        if (list->ai_family != family)
            continue;
        memcpy(&addr, list->ai_addr, list->ai_addrlen);
        err = answer_put(call, *at,
                         list->ai_socktype == SOCK_DGRAM ? TYPE_DGRAM
                                                         : TYPE_STREAM,
                         (uint16_t)address_port(&addr), &addr);
        if (!err)
            err = word_get(call, (uint64_t)*at + AI_NEXT, at);
        *n += !err;
    }
    return err;
}

static int hints_get(struct gn__wasi_call *call, struct addrinfo *out)
{
    uint8_t hints[4];

    if (!ARG(4))
        return 0;
    if (gn__wasi_get(call->guest, ARG(4), hints, sizeof(hints)))
        return -EFAULT;
    out->ai_flags = (hints[0] & 1 ? AI_PASSIVE : 0) |
                    (hints[0] & 4 ? AI_NUMERICHOST : 0) |
                    (hints[0] & 8 ? AI_NUMERICSERV : 0);
    if (hints[2] > FAMILY_INET6 || hints[3] > TYPE_STREAM)
        return -EINVAL;
    if (hints[2])
        out->ai_family = hints[2] == FAMILY_INET6 ? AF_INET6 : AF_INET;
    out->ai_socktype = hints[3] == TYPE_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
    return 0;
}

/* IPv4 first: some libraries look no further. It waits, and so is not there in
 * the pending form. */
static int run_getaddrinfo(struct gn__wasi_call *call)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char node[256], service[256];
    uint32_t at, n = 0;
    int err =
        call->guest->watch ? -EOPNOTSUPP : text_get(call, ARG(0), ARG(1), node);

    if (!err)
        err = text_get(call, ARG(2), ARG(3), service);
    if (!err)
        err = hints_get(call, &hints);
    if (!err)
        err = word_get(call, ARG(5), &at);
    if (err)
        return err;
    err = gn_getaddrinfo(call->guest->ns, *node ? node : NULL,
                         *service ? service : NULL, &hints, &list);
    if (err)
        return err;
    err = answers_put(call, list, AF_INET, &at, &n);
    if (!err)
        err = answers_put(call, list, AF_INET6, &at, &n);
    gn_freeaddrinfo(list);
    return err ? err : gn__wasi_put32(call->guest, ARG(7), n);
}

#define P1 "wasi_snapshot_preview1"

static const struct gn__wasi_row rows[] = {
    {P1, "sock_open", "iii>i", run_open, GN__WASI_FREE},
    {P1, "sock_bind", "iii>i", run_bind, GN__WASI_FREE},
    {P1, "sock_listen", "ii>i", run_listen, GN__WASI_FREE},
    {P1, "sock_connect", "iii>i", run_connect, GN__WASI_FREE},
    {P1, "sock_accept", "ii>i", run_accept_v1, GN__WASI_FREE},
    {P1, "sock_accept_v2", "iii>i", gn__wasi_sock_accept_fd, GN__WASI_FREE},
    {P1, "sock_open_v2", "iii>i", run_open, GN__WASI_FREE},
    {P1, "sock_bind_v2", "iii>i", run_bind, GN__WASI_FREE},
    {P1, "sock_listen_v2", "ii>i", run_listen, GN__WASI_FREE},
    {P1, "sock_connect_v2", "iii>i", run_connect, GN__WASI_FREE},
    {P1, "sock_send_to", "iiiiiii>i", run_send_to, GN__WASI_FREE},
    {P1, "sock_send_to_v2", "iiiiiii>i", run_send_to, GN__WASI_FREE},
    {P1, "sock_recv_from", "iiiiiiii>i", run_recv_from, GN__WASI_FREE},
    {P1, "sock_recv_from_v2", "iiiiiiii>i", run_recv_from, GN__WASI_FREE},
    {P1, "sock_recv_from", "iiiiiii>i", run_recv_from_v1, GN__WASI_FREE},
    {P1, "sock_getlocaladdr", "iii>i", run_local, GN__WASI_FREE},
    {P1, "sock_getlocaladdr_v2", "iii>i", run_local, GN__WASI_FREE},
    {P1, "sock_getlocaladdr", "iiii>i", run_local_v1, GN__WASI_FREE},
    {P1, "sock_getpeeraddr", "iii>i", run_peer, GN__WASI_FREE},
    {P1, "sock_getpeeraddr_v2", "iii>i", run_peer, GN__WASI_FREE},
    {P1, "sock_getpeeraddr", "iiii>i", run_peer_v1, GN__WASI_FREE},
    {P1, "sock_getsockopt", "iiiii>i", run_getsockopt, GN__WASI_FREE},
    {P1, "sock_setsockopt", "iiiii>i", run_setsockopt, GN__WASI_FREE},
    {P1, "sock_getaddrinfo", "iiiiiiii>i", run_getaddrinfo, GN__WASI_FREE},
};

const struct gn__wasi_rows gn__wasi_wasmedge_rows = GN__WASI_ROWS(rows);
