/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * wasi:sockets/udp and udp-create-socket.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "guests/wasi/io.h"
#include "guests/wasi/socket.h"
#include "guests/wasi/wasi.h"

/* Datagrams that one call receives, or may send. */
#define BATCH         16u
#define DATAGRAM_MAX  65536u
#define INCOMING_SIZE 40u /* list<u8>, ip-socket-address */
#define OUTGOING_SIZE 44u /* list<u8>, option<ip-socket-address> */

static int run_create(struct gn__wasi_call *call)
{
    return gn__wasi_create_socket(call, SOCK_DGRAM, GN__WASI_UDP);
}

static int peer_forget(struct gn__wasi_sock *sock)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};

    if (!sock->remote_set)
        return 0;
    sock->remote_set = false;
    return gn_sock_connect(sock->sock, &none, sizeof(none));
}

static int peer_set(struct gn__wasi_sock *sock, const uint64_t *args)
{
    struct sockaddr_storage addr;
    socklen_t len = gn__wasi_lift_addr(args, &addr);
    int err;

    if (addr.ss_family != sock->family || gn__wasi_addr_is_any(&addr) ||
        gn__wasi_addr_port(&addr) == 0)
        return -EINVAL;
    err = gn_sock_connect(sock->sock, (struct sockaddr *)&addr, len);
    sock->remote_set = !err;
    return err;
}

/* stream(option<ip-socket-address>): connected, or to all. */
static int run_stream(struct gn__wasi_call *call)
{
    struct gn__wasi_sock *sock = call->self->of.sock;
    int err;

    if (sock->state != GN__WASI_BOUND)
        return -EISCONN;
    err = (uint32_t)call->args[1] ? peer_set(sock, call->args + 2)
                                  : peer_forget(sock);
    if (err)
        return err;
    return gn__wasi_streams(call->guest, sock, GN__WASI_DATAGRAMS_IN,
                            GN__WASI_DATAGRAMS_OUT, call->value);
}

static int run_remote_address(struct gn__wasi_call *call)
{
    if (!call->self->of.sock->remote_set)
        return -ENOTCONN;
    return gn__wasi_remote_address(call);
}

/* ---- incoming ---- */

/* One datagram into the guest, and what stands for it into @entry. */
static int datagram_take(struct gn_wasi_guest *guest,
                         struct gn__wasi_sock *sock, uint8_t *data,
                         uint8_t entry[INCOMING_SIZE])
{
    struct sockaddr_storage from;
    socklen_t from_len = sizeof(from);
    uint32_t words[2], at;
    ssize_t n;

    memset(&from, 0, sizeof(from));
    n = gn_sock_recvfrom(sock->sock, data, DATAGRAM_MAX, 0,
                         (struct sockaddr *)&from, &from_len);
    if (n < 0)
        return (int)n;
    if (gn__wasi_realloc(guest, 1, (uint64_t)n, &at))
        return GN__WASI_TRAP;
    if (gn__wasi_put(guest, at, data, (size_t)n))
        return -EFAULT;
    words[0] = htole32(at);
    words[1] = htole32((uint32_t)n);
    memcpy(entry, words, sizeof(words));
    gn__wasi_store_addr(entry + 8, &from);
    return 0;
}

/* As many as are there. An error is said once nothing is before it. */
static int run_receive(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    struct gn__wasi_sock *sock = call->self->of.sock;
    uint64_t most = call->args[1] < BATCH ? call->args[1] : BATCH;
    uint8_t entries[BATCH][INCOMING_SIZE];
    uint8_t *data = gn__wasi_scratch(guest, DATAGRAM_MAX);
    uint32_t n = 0, at;
    int err = data ? 0 : -ENOMEM;

    while (!err && n < most) {
        err = datagram_take(guest, sock, data, entries[n]);
        n += !err;
    }
    if (err == GN__WASI_TRAP || err == -EFAULT)
        return err;
    if (err && err != -EAGAIN && n == 0)
        return err;
    if (gn__wasi_realloc(guest, 4, (uint64_t)n * INCOMING_SIZE, &at))
        return GN__WASI_TRAP;
    if (gn__wasi_put(guest, at, entries, n * INCOMING_SIZE))
        return -EFAULT;
    call->value[0] = at;
    call->value[1] = n;
    return 0;
}

static int run_in_subscribe(struct gn__wasi_call *call)
{
    int number =
        gn__wasi_pollable(call, GN__WASI_READABLE, call->self->of.sock);

    return number < 0 ? number : 0;
}

/* ---- outgoing ---- */

static int run_check_send(struct gn__wasi_call *call)
{
    struct gn__wasi_handle *out = call->self;

    out->permit = gn__wasi_sock_ready(out->of.sock, POLLOUT) ? BATCH : 0;
    call->value[0] = out->permit;
    return 0;
}

static int datagram_send(struct gn_wasi_guest *guest,
                         struct gn__wasi_sock *sock, uint64_t entry_at)
{
    struct sockaddr_storage to;
    uint8_t entry[OUTGOING_SIZE];
    socklen_t len = 0;
    uint32_t words[2];
    const void *data;
    ssize_t n;

    if (gn__wasi_get(guest, entry_at, entry, sizeof(entry)))
        return -EFAULT;
    memcpy(words, entry, sizeof(words));
    data = gn__wasi_at(guest, le32toh(words[0]), le32toh(words[1]));
    if (!data)
        return -EFAULT;
    if (entry[8])
        len = gn__wasi_load_addr(entry + 12, &to);
    if (entry[8] ? to.ss_family != sock->family : !sock->remote_set)
        return -EINVAL;
    if (entry[8] && (gn__wasi_addr_is_any(&to) || !gn__wasi_addr_port(&to)))
        return -EINVAL;
    n = gn_sock_sendto(sock->sock, data, le32toh(words[1]), 0,
                       len ? (struct sockaddr *)&to : NULL, len);
    return n < 0 ? (int)n : 0;
}

static int run_send(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    struct gn__wasi_handle *out = call->self;
    uint32_t at = (uint32_t)call->args[1], n = (uint32_t)call->args[2], sent;
    int err = 0;

    if (n > out->permit)
        return gn__wasi_trap(guest, "%u datagrams, and check-send has said %u",
                             n, out->permit);
    out->permit = 0;
    for (sent = 0; sent < n; sent++) {
        err = datagram_send(guest, out->of.sock,
                            (uint64_t)at + sent * OUTGOING_SIZE);
        if (err)
            break;
    }
    call->value[0] = sent;
    return err && err != -EAGAIN && (sent == 0 || err == -EFAULT) ? err : 0;
}

static int run_out_subscribe(struct gn__wasi_call *call)
{
    int number =
        gn__wasi_pollable(call, GN__WASI_WRITABLE, call->self->of.sock);

    return number < 0 ? number : 0;
}

#define UDP  "wasi:sockets/udp"
#define U(m) UDP, "[method]udp-socket." m

static const struct gn__wasi_row rows[] = {
    {"wasi:sockets/udp-create-socket", "create-udp-socket", "e>Ro,e",
     run_create, GN__WASI_FREE},
    {U("start-bind"), "kkA>R_,e", gn__wasi_start_bind, GN__WASI_UDP},
    {U("finish-bind"), "k>R_,e", gn__wasi_finish_bind, GN__WASI_UDP},
    {U("stream"), "kOA>Roo,e", run_stream, GN__WASI_UDP},
    {U("local-address"), "k>RA,e", gn__wasi_local_address, GN__WASI_UDP},
    {U("remote-address"), "k>RA,e", run_remote_address, GN__WASI_UDP},
    {U("address-family"), "k>e", gn__wasi_address_family, GN__WASI_UDP},
    {U("unicast-hop-limit"), "k>Ry,e", gn__wasi_hop_limit, GN__WASI_UDP},
    {U("set-unicast-hop-limit"), "ky>R_,e", gn__wasi_set_hop_limit,
     GN__WASI_UDP},
    {U("receive-buffer-size"), "k>Rq,e", gn__wasi_receive_buffer, GN__WASI_UDP},
    {U("set-receive-buffer-size"), "kq>R_,e", gn__wasi_set_receive_buffer,
     GN__WASI_UDP},
    {U("send-buffer-size"), "k>Rq,e", gn__wasi_send_buffer, GN__WASI_UDP},
    {U("set-send-buffer-size"), "kq>R_,e", gn__wasi_set_send_buffer,
     GN__WASI_UDP},
    {U("subscribe"), "k>o", gn__wasi_subscribe_step, GN__WASI_UDP},
    {UDP, "[resource-drop]udp-socket", "k>", gn__wasi_drop, GN__WASI_UDP},
    {UDP, "[method]incoming-datagram-stream.receive", "kq>RP,e", run_receive,
     GN__WASI_DATAGRAMS_IN},
    {UDP, "[method]incoming-datagram-stream.subscribe", "k>o", run_in_subscribe,
     GN__WASI_DATAGRAMS_IN},
    {UDP, "[resource-drop]incoming-datagram-stream", "k>", gn__wasi_drop,
     GN__WASI_DATAGRAMS_IN},
    {UDP, "[method]outgoing-datagram-stream.check-send", "k>Rq,e",
     run_check_send, GN__WASI_DATAGRAMS_OUT},
    {UDP, "[method]outgoing-datagram-stream.send", "kP>Rq,e", run_send,
     GN__WASI_DATAGRAMS_OUT},
    {UDP, "[method]outgoing-datagram-stream.subscribe", "k>o",
     run_out_subscribe, GN__WASI_DATAGRAMS_OUT},
    {UDP, "[resource-drop]outgoing-datagram-stream", "k>", gn__wasi_drop,
     GN__WASI_DATAGRAMS_OUT},
};

const struct gn__wasi_rows gn__wasi_udp_rows = GN__WASI_ROWS(rows);
