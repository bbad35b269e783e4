/* SPDX-License-Identifier: BSD-3-Clause */

/* Packet conns: a bound UDP socket that is read in turns. */
#include <guestnet/conn.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/addr.h"
#include "host/conn/receive.h"
#include "host/conn/handle.h"
#include "host/conn/listen.h"
#include "host/conn/target.h"

struct gn_packet_conn {
    struct gn__handle handle; /* first */
    gn_packet_cb callback;
    void *arg;
    bool over; /* told the last time */
};

static struct gn_packet_conn *conn_of(struct gn__handle *handle)
{
    return gn__container_of(handle, struct gn_packet_conn, handle);
}

/* ---- receiving ---- */

static void packet_end(struct gn_packet_conn *conn)
{
    if (conn->over)
        return;
    conn->over = true;
    (void)gn_sock_watch(conn->handle.sock, 0, NULL, NULL); /* Stops. */
    conn->callback(conn, -ECANCELED, NULL, NULL, conn->arg);
}

/* Errors are about datagrams of ours; only its namespace's end is one's own. */
static bool packet_receive(void *arg, ssize_t n, const void *data,
                           const struct sockaddr *from)
{
    struct gn_packet_conn *conn = arg;

    if (n == -ECANCELED)
        packet_end(conn);
    else if (n >= 0)
        conn->callback(conn, n, data, from, conn->arg);
    return !conn->over && gn__handle_is_open(&conn->handle);
}

static void on_ready(struct gn_sock *sock, short revents, void *arg)
{
    struct gn_packet_conn *conn = arg;

    (void)revents;
    gn__handle_ref(&conn->handle);
    gn__dgram_receive(sock, packet_receive, conn);
    gn__handle_unref(&conn->handle);
}

/* ---- life ---- */

static void packet_stop(struct gn__handle *handle)
{
    (void)gn_sock_watch(handle->sock, 0, NULL, NULL); /* Stops. */
    gn_sock_close(handle->sock);
}

static void packet_last(struct gn__handle *handle)
{
    packet_end(conn_of(handle));
}

static const struct gn__handle_ops handle_ops = {
    .name = "packet conn",
    .size = sizeof(struct gn_packet_conn),
    .stop = packet_stop,
    .last = packet_last,
};

/* ---- the calls ---- */

struct packet_call {
    struct gn_network *net;
    struct gn_sock *sock;
    gn_packet_cb callback;
    void *arg;
    struct gn_packet_conn **out;
};

static int run_listen(void *arg)
{
    const struct packet_call *call = arg;
    struct gn__handle *handle;
    struct gn_packet_conn *conn;
    int err = gn__handle_create(&handle_ops, call->net, &handle);

    if (err)
        return err;
    conn = conn_of(handle);
    conn->callback = call->callback;
    conn->arg = call->arg;
    err = gn_sock_watch(call->sock, POLLIN, on_ready, conn);
    if (err) {
        gn__handle_discard(handle);
        return err;
    }
    gn__handle_set_sock(handle, call->sock);
    *call->out = conn;
    return 0;
}

int gn_listen_packet(struct gn_namespace *ns, const char *proto,
                     const char *address, gn_packet_cb callback, void *arg,
                     struct gn_packet_conn **out)
{
    struct packet_call call = {.callback = callback, .arg = arg, .out = out};
    struct gn__target target;
    int err;

    if (!ns || !callback || !out)
        return -EINVAL;
    call.net = gn__namespace_network(ns);
    if (!call.net)
        return -ENOTSUP;
    err = gn__listen_parse(proto, address, &target, NULL, 0);
    if (!err && target.type != SOCK_DGRAM)
        err = -EINVAL;
    if (!err)
        err = gn__listen_open(ns, &target, &call.sock);
    if (err)
        return err;
    err = gn__drive_call(call.net, run_listen, &call);
    if (err) {
        gn_sock_close(call.sock);
        gn_sock_unref(call.sock);
    }
    return err;
}

/* An IPv6 socket takes IPv4 destinations as mapped ones only. */
static int to_family(const struct gn_packet_conn *conn,
                     const struct sockaddr *to, socklen_t to_len,
                     struct sockaddr_storage *out, socklen_t *len)
{
    int family = conn->handle.sock->family;
    struct gn__endpoint endpoint;
    int err = gn__endpoint_from_sockaddr(to, to_len, AF_UNSPEC, &endpoint);

    if (err)
        return err;
    if (family == AF_INET && !gn__addr_is_v4(&endpoint.addr))
        return -EAFNOSUPPORT;
    *len = gn__endpoint_to_sockaddr(&endpoint, family, (struct sockaddr *)out,
                                    sizeof(*out));
    return 0;
}

int gn_packet_send(struct gn_packet_conn *conn, const void *data, size_t len,
                   const struct sockaddr *to, socklen_t to_len)
{
    struct sockaddr_storage ss;
    socklen_t ss_len;
    ssize_t n;
    int err;

    if (!conn || !to || (!data && len))
        return -EINVAL;
    err = to_family(conn, to, to_len, &ss, &ss_len);
    if (err)
        return err;
    n = gn_sock_sendto(conn->handle.sock, data, len, MSG_DONTWAIT,
                       (struct sockaddr *)&ss, ss_len);
    return n < 0 ? (int)n : 0;
}

int gn_packet_name(struct gn_packet_conn *conn, struct sockaddr *addr,
                   socklen_t *len)
{
    if (!conn)
        return -EINVAL;
    return gn__handle_addr(&conn->handle, gn_sock_name, addr, len);
}

static int set_membership(struct gn_packet_conn *conn, const char *group,
                          unsigned iface, bool join)
{
    struct gn__addr addr;

    if (!conn || !group || gn__addr_parse(group, &addr))
        return -EINVAL;
    if (gn__addr_is_v4(&addr)) {
        struct ip_mreqn req = {.imr_ifindex = (int)iface};

        req.imr_multiaddr.s_addr = htonl(gn__addr_v4(&addr));
        return gn_sock_setopt(conn->handle.sock, IPPROTO_IP,
                              join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
                              &req, sizeof(req));
    } else {
        struct ipv6_mreq req = {.ipv6mr_interface = iface};

        memcpy(&req.ipv6mr_multiaddr, addr.bytes, sizeof(addr.bytes));
        return gn_sock_setopt(conn->handle.sock, IPPROTO_IPV6,
                              join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &req,
                              sizeof(req));
    }
}

int gn_packet_join(struct gn_packet_conn *conn, const char *group,
                   unsigned iface)
{
    return set_membership(conn, group, iface, true);
}

int gn_packet_leave(struct gn_packet_conn *conn, const char *group,
                    unsigned iface)
{
    return set_membership(conn, group, iface, false);
}

struct gn_sock *gn_packet_sock(struct gn_packet_conn *conn)
{
    return conn ? conn->handle.sock : NULL;
}

int gn_packet_close(struct gn_packet_conn *conn, gn_close_cb callback,
                    void *arg)
{
    if (!conn)
        return -EINVAL;
    return gn__handle_public_close(&conn->handle, NULL, callback, arg);
}
