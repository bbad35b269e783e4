/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * wasi:sockets/tcp, tcp-create-socket, and what udp.c shares with it.
 *
 * The interface splits bind, listen and connect in two. Here the first half
 * does the work, and the second says what came of it. C libraries end the
 * program when they meet invalid-state where they do not expect it, so it is
 * returned only for what is clearly out of order.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "base/units.h"
#include "guests/wasi/io.h"
#include "guests/wasi/socket.h"
#include "guests/wasi/wasi.h"

/* ---- what both kinds of sockets have ---- */

int gn__wasi_create_socket(struct gn__wasi_call *call, int type,
                           enum gn__wasi_kind kind)
{
    uint32_t version = (uint32_t)call->args[0];
    struct gn_wasi_guest *guest = call->guest;
    struct gn__wasi_sock *sock;
    int number, err, on = 1;

    if (version > 1)
        return gn__wasi_trap(guest, "there is no ip-address-family %u",
                             version);
    err = gn__wasi_sock_open(guest, version ? AF_INET6 : AF_INET, type, &sock);
    if (err)
        return err;
    if (version)
        (void)gn_sock_setopt(sock->sock, IPPROTO_IPV6, IPV6_V6ONLY, &on,
                             sizeof(on));
    number = gn__wasi_handle_new(guest, kind);
    if (number < 0) {
        gn__wasi_sock_unref(sock);
        return number;
    }
    guest->handles[number].of.sock = sock;
    call->value[0] = (uint64_t)number;
    return 0;
}

/* An address of the socket's family, that may be bound or connected to. */
static int address_lift(const struct gn__wasi_sock *sock, const uint64_t *args,
                        struct sockaddr_storage *addr, socklen_t *len)
{
    const struct sockaddr_in6 *v6 = (const void *)addr;

    *len = gn__wasi_lift_addr(args, addr);
    if (addr->ss_family != sock->family)
        return -EINVAL;
    if (addr->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return -EINVAL;
    return 0;
}

bool gn__wasi_addr_is_any(const struct sockaddr_storage *addr)
{
    const struct sockaddr_in *v4 = (const void *)addr;
    const struct sockaddr_in6 *v6 = (const void *)addr;

    return addr->ss_family == AF_INET ? v4->sin_addr.s_addr == htonl(INADDR_ANY)
                                      : IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

uint16_t gn__wasi_addr_port(const struct sockaddr_storage *addr)
{
    return ntohs(((const struct sockaddr_in *)addr)->sin_port);
}

static bool is_group(const struct sockaddr_storage *addr)
{
    const struct sockaddr_in *v4 = (const void *)addr;
    const struct sockaddr_in6 *v6 = (const void *)addr;

    return addr->ss_family == AF_INET
               ? IN_MULTICAST(ntohl(v4->sin_addr.s_addr)) ||
                     v4->sin_addr.s_addr == htonl(INADDR_BROADCAST)
               : IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
}

int gn__wasi_start_bind(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    struct sockaddr_storage addr;
    socklen_t len;
    int err, on = 1;

    if (!gn__wasi_handle(call->guest, call->args[1], GN__WASI_NETWORK))
        return -EBADF;
    err = address_lift(sock, call->args + 2, &addr, &len);
    if (err)
        return err;
    if (sock->state != GN__WASI_UNBOUND)
        return -EISCONN;
    if (sock->type == SOCK_STREAM) {
        if (is_group(&addr))
            return -EINVAL;
        (void)gn_sock_setopt(sock->sock, SOL_SOCKET, SO_REUSEADDR, &on,
                             sizeof(on));
    }
    err = gn_sock_bind(sock->sock, (struct sockaddr *)&addr, len);
    if (!err)
        sock->state = GN__WASI_BINDING;
    return err;
}

int gn__wasi_finish_bind(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;

    if (sock->state != GN__WASI_BINDING)
        return GN__WASI_NOT_IN_PROGRESS;
    sock->state = GN__WASI_BOUND;
    return 0;
}

/* Also while it connects, and after that failed: programs ask. */
int gn__wasi_local_address(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    socklen_t len = sizeof(call->addr);

    if (sock->state == GN__WASI_UNBOUND)
        return -ENOTCONN;
    memset(&call->addr, 0, sizeof(call->addr));
    return gn_sock_name(sock->sock, (struct sockaddr *)&call->addr, &len);
}

int gn__wasi_remote_address(struct gn__wasi_call *call)
{
    socklen_t len = sizeof(call->addr);

    memset(&call->addr, 0, sizeof(call->addr));
    return gn_sock_peer(call->self->of.sock->sock,
                        (struct sockaddr *)&call->addr, &len);
}

int gn__wasi_address_family(struct gn__wasi_call *call)
{
    call->value[0] = call->self->of.sock->family == AF_INET6;
    return 0;
}

int gn__wasi_subscribe_step(struct gn__wasi_call *call)
{
    int number = gn__wasi_pollable(call, GN__WASI_STEP, call->self->of.sock);

    return number < 0 ? number : 0;
}

/* ---- options ---- */

int gn__wasi_option_get(struct gn__wasi_call *call, int level, int name)
{
    int value = 0, err;
    socklen_t len = sizeof(value);

    err = gn_sock_getopt(call->self->of.sock->sock, level, name, &value, &len);
    call->value[0] = (uint64_t)value;
    return err;
}

int gn__wasi_option_set(struct gn__wasi_call *call, int level, int name,
                        uint64_t value)
{
    int word = value > INT32_MAX ? INT32_MAX : (int)value;

    return gn_sock_setopt(call->self->of.sock->sock, level, name, &word,
                          sizeof(word));
}

/* The kernel's way to say twice what was asked for is not WASI's. */
static int buffer_get(struct gn__wasi_call *call, int name)
{
    int err = gn__wasi_option_get(call, SOL_SOCKET, name);

    call->value[0] /= 2;
    return err;
}

static int buffer_set(struct gn__wasi_call *call, int name)
{
    uint64_t size = call->args[1];

    if (size == 0)
        return -EINVAL;
    return gn__wasi_option_set(call, SOL_SOCKET, name,
                               size < INT32_MAX / 2 ? size : INT32_MAX / 2);
}

int gn__wasi_receive_buffer(struct gn__wasi_call *call)
{
    return buffer_get(call, SO_RCVBUF);
}

int gn__wasi_set_receive_buffer(struct gn__wasi_call *call)
{
    return buffer_set(call, SO_RCVBUF);
}

int gn__wasi_send_buffer(struct gn__wasi_call *call)
{
    return buffer_get(call, SO_SNDBUF);
}

int gn__wasi_set_send_buffer(struct gn__wasi_call *call)
{
    return buffer_set(call, SO_SNDBUF);
}

int gn__wasi_hop_limit(struct gn__wasi_call *call)
{
    bool v6 = call->self->of.sock->family == AF_INET6;

    return gn__wasi_option_get(call, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                               v6 ? IPV6_UNICAST_HOPS : IP_TTL);
}

int gn__wasi_set_hop_limit(struct gn__wasi_call *call)
{
    bool v6 = call->self->of.sock->family == AF_INET6;
    uint8_t limit = (uint8_t)call->args[1];

    if (limit == 0)
        return -EINVAL;
    return gn__wasi_option_set(call, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                               v6 ? IPV6_UNICAST_HOPS : IP_TTL, limit);
}

/* ---- TCP ---- */

static int run_create(struct gn__wasi_call *call)
{
    return gn__wasi_create_socket(call, SOCK_STREAM, GN__WASI_TCP);
}

static int run_start_connect(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    struct sockaddr_storage addr;
    socklen_t len;
    int err;

    if (!gn__wasi_handle(call->guest, call->args[1], GN__WASI_NETWORK))
        return -EBADF;
    err = address_lift(sock, call->args + 2, &addr, &len);
    if (err)
        return err;
    if (gn__wasi_addr_is_any(&addr) || is_group(&addr) ||
        gn__wasi_addr_port(&addr) == 0)
        return -EINVAL;
    if (sock->state == GN__WASI_CONNECTING)
        return -EALREADY;
    if (sock->state != GN__WASI_UNBOUND && sock->state != GN__WASI_BOUND)
        return -EISCONN;
    err = gn_sock_connect(sock->sock, (struct sockaddr *)&addr, len);
    if (!err || err == -EINPROGRESS) {
        sock->state = GN__WASI_CONNECTING;
        return 0;
    }
    sock->state = GN__WASI_CLOSED;
    return err;
}

static int run_finish_connect(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    int err;

    if (sock->state != GN__WASI_CONNECTING)
        return GN__WASI_NOT_IN_PROGRESS;
    if (!gn__wasi_sock_ready(sock, POLLOUT))
        return -EAGAIN;
    err = gn__wasi_sock_error(sock);
    sock->state = err ? GN__WASI_CLOSED : GN__WASI_CONNECTED;
    if (err)
        return err;
    return gn__wasi_streams(call->guest, sock, GN__WASI_INPUT, GN__WASI_OUTPUT,
                            call->value);
}

static int run_start_listen(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    int err;

    if (sock->state != GN__WASI_BOUND)
        return -EISCONN;
    err = gn_sock_listen(sock->sock, sock->backlog);
    if (!err)
        sock->state = GN__WASI_LISTEN_STARTED;
    return err;
}

static int run_finish_listen(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;

    if (sock->state != GN__WASI_LISTEN_STARTED)
        return GN__WASI_NOT_IN_PROGRESS;
    sock->state = GN__WASI_LISTENING;
    return 0;
}

static int run_accept(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    struct gn__wasi_sock *sock;
    int number, err;

    if (call->self->of.sock->state != GN__WASI_LISTENING)
        return -EISCONN;
    err = gn__wasi_sock_accept(guest, call->self->of.sock, &sock);
    if (err)
        return err;
    number = gn__wasi_handle_new(guest, GN__WASI_TCP);
    if (number < 0) {
        gn__wasi_sock_unref(sock);
        return number;
    }
    guest->handles[number].of.sock = sock;
    err = gn__wasi_streams(guest, sock, GN__WASI_INPUT, GN__WASI_OUTPUT,
                           &call->value[1]);
    if (err)
        gn__wasi_handle_drop(guest, (uint32_t)number);
    call->value[0] = (uint64_t)number;
    return err;
}

static int run_is_listening(struct gn__wasi_call *call)
{
    call->value[0] = call->self->of.sock->state == GN__WASI_LISTENING;
    return 0;
}

static int run_set_backlog(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;

    if (call->args[1] == 0)
        return -EINVAL;
    if (sock->state == GN__WASI_CONNECTED || sock->state == GN__WASI_CONNECTING)
        return -EISCONN;
    sock->backlog = call->args[1] < 4096 ? (int)call->args[1] : 4096;
    return sock->state == GN__WASI_LISTENING
               ? gn_sock_listen(sock->sock, sock->backlog)
               : 0;
}

/* A connection that was reset meanwhile is shut down already. */
static int run_shutdown(struct gn__wasi_call *call)
{
    static const int hows[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};
    struct gn__wasi_sock *sock = call->self->of.sock;
    uint32_t how = (uint32_t)call->args[1];
    int err;

    if (how > 2)
        return gn__wasi_trap(call->guest, "there is no shutdown-type %u", how);
    if (sock->state != GN__WASI_CONNECTED)
        return -ENOTCONN;
    err = gn_sock_shutdown(sock->sock, hows[how]);
    return err == -ENOTCONN ? 0 : err;
}

static int run_keep_alive(struct gn__wasi_call *call)
{
    return gn__wasi_option_get(call, SOL_SOCKET, SO_KEEPALIVE);
}

static int run_set_keep_alive(struct gn__wasi_call *call)
{
    return gn__wasi_option_set(call, SOL_SOCKET, SO_KEEPALIVE,
                               (uint32_t)call->args[1] != 0);
}

/* Durations are ns there, and seconds here. */
static int duration_get(struct gn__wasi_call *call, int name)
{
    int err = gn__wasi_option_get(call, IPPROTO_TCP, name);

    call->value[0] *= GN__NS_PER_S;
    return err;
}

static int duration_set(struct gn__wasi_call *call, int name)
{
    uint64_t ns = call->args[1], seconds = ns / GN__NS_PER_S;

    if (ns == 0)
        return -EINVAL;
    seconds += ns % GN__NS_PER_S != 0;
    return gn__wasi_option_set(call, IPPROTO_TCP, name,
                               seconds < 32767 ? seconds : 32767);
}

static int run_idle_time(struct gn__wasi_call *call)
{
    return duration_get(call, TCP_KEEPIDLE);
}

static int run_set_idle_time(struct gn__wasi_call *call)
{
    return duration_set(call, TCP_KEEPIDLE);
}

static int run_interval(struct gn__wasi_call *call)
{
    return duration_get(call, TCP_KEEPINTVL);
}

static int run_set_interval(struct gn__wasi_call *call)
{
    return duration_set(call, TCP_KEEPINTVL);
}

static int run_count(struct gn__wasi_call *call)
{
    return gn__wasi_option_get(call, IPPROTO_TCP, TCP_KEEPCNT);
}

static int run_set_count(struct gn__wasi_call *call)
{
    uint32_t count = (uint32_t)call->args[1];

    if (count == 0)
        return -EINVAL;
    return gn__wasi_option_set(call, IPPROTO_TCP, TCP_KEEPCNT,
                               count < 127 ? count : 127);
}

/* The one network that there is. */
static int run_instance_network(struct gn__wasi_call *call)
{
    int number = gn__wasi_handle_new(call->guest, GN__WASI_NETWORK);

    if (number < 0)
        return number;
    call->value[0] = (uint64_t)number;
    return 0;
}

#define TCP  "wasi:sockets/tcp"
#define T(m) TCP, "[method]tcp-socket." m

static const struct gn__wasi_row rows[] = {
    {"wasi:sockets/instance-network", "instance-network", ">o",
     run_instance_network, GN__WASI_FREE},
    {"wasi:sockets/network", "[resource-drop]network", "k>", gn__wasi_drop,
     GN__WASI_NETWORK},
    {"wasi:sockets/tcp-create-socket", "create-tcp-socket", "e>Ro,e",
     run_create, GN__WASI_FREE},
    {T("start-bind"), "kkA>R_,e", gn__wasi_start_bind, GN__WASI_TCP},
    {T("finish-bind"), "k>R_,e", gn__wasi_finish_bind, GN__WASI_TCP},
    {T("start-connect"), "kkA>R_,e", run_start_connect, GN__WASI_TCP},
    {T("finish-connect"), "k>Roo,e", run_finish_connect, GN__WASI_TCP},
    {T("start-listen"), "k>R_,e", run_start_listen, GN__WASI_TCP},
    {T("finish-listen"), "k>R_,e", run_finish_listen, GN__WASI_TCP},
    {T("accept"), "k>Rooo,e", run_accept, GN__WASI_TCP},
    {T("local-address"), "k>RA,e", gn__wasi_local_address, GN__WASI_TCP},
    {T("remote-address"), "k>RA,e", gn__wasi_remote_address, GN__WASI_TCP},
    {T("is-listening"), "k>b", run_is_listening, GN__WASI_TCP},
    {T("address-family"), "k>e", gn__wasi_address_family, GN__WASI_TCP},
    {T("set-listen-backlog-size"), "kq>R_,e", run_set_backlog, GN__WASI_TCP},
    {T("keep-alive-enabled"), "k>Rb,e", run_keep_alive, GN__WASI_TCP},
    {T("set-keep-alive-enabled"), "kb>R_,e", run_set_keep_alive, GN__WASI_TCP},
    {T("keep-alive-idle-time"), "k>Rq,e", run_idle_time, GN__WASI_TCP},
    {T("set-keep-alive-idle-time"), "kq>R_,e", run_set_idle_time, GN__WASI_TCP},
    {T("keep-alive-interval"), "k>Rq,e", run_interval, GN__WASI_TCP},
    {T("set-keep-alive-interval"), "kq>R_,e", run_set_interval, GN__WASI_TCP},
    {T("keep-alive-count"), "k>Rw,e", run_count, GN__WASI_TCP},
    {T("set-keep-alive-count"), "kw>R_,e", run_set_count, GN__WASI_TCP},
    {T("hop-limit"), "k>Ry,e", gn__wasi_hop_limit, GN__WASI_TCP},
    {T("set-hop-limit"), "ky>R_,e", gn__wasi_set_hop_limit, GN__WASI_TCP},
    {T("receive-buffer-size"), "k>Rq,e", gn__wasi_receive_buffer, GN__WASI_TCP},
    {T("set-receive-buffer-size"), "kq>R_,e", gn__wasi_set_receive_buffer,
     GN__WASI_TCP},
    {T("send-buffer-size"), "k>Rq,e", gn__wasi_send_buffer, GN__WASI_TCP},
    {T("set-send-buffer-size"), "kq>R_,e", gn__wasi_set_send_buffer,
     GN__WASI_TCP},
    {T("subscribe"), "k>o", gn__wasi_subscribe_step, GN__WASI_TCP},
    {T("shutdown"), "ke>R_,e", run_shutdown, GN__WASI_TCP},
    {TCP, "[resource-drop]tcp-socket", "k>", gn__wasi_drop, GN__WASI_TCP},
};

const struct gn__wasi_rows gn__wasi_tcp_rows = GN__WASI_ROWS(rows);
