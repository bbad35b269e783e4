/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the handles of one socket share.
 *
 * An output stream of WASI 0.2 promises room (check-write) and must then take
 * all of it, while gn_sock_send() may take less. What does not fit is kept, and
 * while something is kept no room is promised. No thread of the guest may be
 * there any more when the peer reads at last: when the last handle is gone, the
 * driving thread sends what is left, and the socket is closed behind it. A peer
 * that does not read is waited for LEFT_NS, and then reset: it has not got all.
 */
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "guests/wasi/wasi.h"

/** As long as Linux tries to send what a process has left (tcp(7), orphans). */
#define LEFT_NS (60 * GN__NS_PER_S)

struct gn__wasi_sock *gn__wasi_sock_new(struct gn_wasi_guest *guest,
                                        struct gn_sock *sock, int family,
                                        int type)
{
    struct gn__wasi_sock *made = gn__zalloc(&guest->mem, sizeof(*made));

    if (!made)
        return NULL;
    made->mem = guest->mem;
    made->ns = guest->ns;
    made->refs = 1;
    made->sock = sock;
    made->family = family;
    made->type = type;
    made->backlog = 128;
    return made;
}

int gn__wasi_sock_open(struct gn_wasi_guest *guest, int family, int type,
                       struct gn__wasi_sock **out)
{
    struct gn_sock *sock;
    int err = gn_sock_open(guest->ns, family, type | SOCK_NONBLOCK, 0, &sock);

    if (err)
        return err;
    *out = gn__wasi_sock_new(guest, sock, family, type);
    if (*out)
        return 0;
    gn_sock_unref(sock);
    return -ENOMEM;
}

int gn__wasi_sock_accept(struct gn_wasi_guest *guest,
                         struct gn__wasi_sock *from, struct gn__wasi_sock **out)
{
    struct gn_sock *sock;
    int err = gn_sock_accept(from->sock, NULL, NULL, SOCK_NONBLOCK, &sock);

    if (err)
        return err;
    *out = gn__wasi_sock_new(guest, sock, from->family, SOCK_STREAM);
    if (!*out) {
        gn_sock_unref(sock);
        return -ENOMEM;
    }
    (*out)->state = GN__WASI_CONNECTED;
    return 0;
}

struct gn__wasi_sock *gn__wasi_sock_ref(struct gn__wasi_sock *sock)
{
    sock->refs++;
    return sock;
}

static void sock_free(struct gn__wasi_sock *sock)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct gn__mem mem = sock->mem;

    if (sock->left_len)
        (void)gn_sock_setopt(sock->sock, SOL_SOCKET, SO_LINGER, &reset,
                             sizeof(reset));
    gn_sock_close(sock->sock);
    gn_sock_unref(sock->sock);
    gn__free(&mem, sock->left, sock->left ? GN__WASI_PIECE_MAX : 0);
    gn__free(&mem, sock, sizeof(*sock));
}

static void left_go_on(struct gn_wait *wait, int status, void *arg);

static int left_wait(struct gn__wasi_sock *sock)
{
    const struct gn_pollfd fd = {sock->sock, -1, POLLOUT, 0};

    return gn_wait_start(sock->ns, &fd, 1, sock->left_until, left_go_on, sock,
                         NULL);
}

/* On the driving thread: there is room, the time is over, or its namespace has
 * ended. */
static void left_go_on(struct gn_wait *wait, int status, void *arg)
{
    struct gn__wasi_sock *sock = arg;

    (void)wait;
    if (status || gn__wasi_sock_drain(sock) != -EAGAIN || left_wait(sock))
        sock_free(sock);
}

void gn__wasi_sock_unref(struct gn__wasi_sock *sock)
{
    if (!sock || --sock->refs)
        return;
    sock->left_until = gn_now_ns(sock->ns) + LEFT_NS;
    if (gn__wasi_sock_drain(sock) != -EAGAIN || left_wait(sock))
        sock_free(sock);
}

int gn__wasi_sock_drain(struct gn__wasi_sock *sock)
{
    ssize_t n;

    while (sock->left_len) {
        n = gn_sock_send(sock->sock, sock->left + sock->left_at, sock->left_len,
                         0);
        if (n == -EAGAIN)
            return -EAGAIN;
        if (n < 0) {
            sock->left_len = 0;
            return (int)n;
        }
        sock->left_at += (uint32_t)n;
        sock->left_len -= (uint32_t)n;
    }
    return 0;
}

static int left_keep(struct gn__wasi_sock *sock, const uint8_t *data,
                     uint32_t len)
{
    if (!sock->left)
        sock->left = gn__alloc(&sock->mem, GN__WASI_PIECE_MAX);
    if (!sock->left)
        return -ENOMEM;
    if (sock->left_at && sock->left_len)
        memmove(sock->left, sock->left + sock->left_at, sock->left_len);
    sock->left_at = 0;
    if (len > GN__WASI_PIECE_MAX - sock->left_len)
        return -ENOBUFS;
    memcpy(sock->left + sock->left_len, data, len);
    sock->left_len += len;
    return 0;
}

int gn__wasi_sock_write(struct gn__wasi_sock *sock, const void *data,
                        uint32_t len)
{
    const uint8_t *at = data;
    int err = gn__wasi_sock_drain(sock);
    ssize_t n = 0;

    while (!err && len) {
        n = gn_sock_send(sock->sock, at, len, 0);
        if (n < 0)
            err = (int)n;
        else {
            at += n;
            len -= (uint32_t)n;
        }
    }
    return err == -EAGAIN && len ? left_keep(sock, at, len) : err;
}

short gn__wasi_sock_ready(struct gn__wasi_sock *sock, short events)
{
    struct gn_pollfd fd = {sock->sock, -1, events, 0};

    return gn_sock_poll(&fd, 1, 0) > 0 ? fd.revents : 0;
}

int gn__wasi_sock_error(struct gn__wasi_sock *sock)
{
    int value = 0, err;
    socklen_t len = sizeof(value);

    err = gn_sock_getopt(sock->sock, SOL_SOCKET, SO_ERROR, &value, &len);
    return err ? err : -value;
}
