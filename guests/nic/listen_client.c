/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Clients that have not said which machine they are. Each has read no more than
 * the bytes that say so; they go to the socket of its NIC, which goes on from
 * there.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guests/nic/listen.h"
#include "guests/nic/socket.h"

/** A frame's length, and its two MAC addresses: at least two bytes follow. */
#define HEAD_LEN (4u + 2 * GN__MAC_LEN)

/** A client that has not said which machine it is. */
struct listen_client {
    struct gn__list link;
    struct gn_nic_listener *listener;
    struct gn__io_watch watch;
    struct gn__io_timer timer;
    int fd;
    uint8_t head[HEAD_LEN];
    size_t len;
};

/* ---- turned away ---- */

static void client_refused(struct gn_nic_listener *self,
                           enum gn__listen_why why, const char *text)
{
    static const char *const names[] = {"full", "crowded", "silent",
                                        "malformed", "failed"};

    gn__engine_enter(self->handle.engine);
    self->refused[why]++;
    gn__log(self->handle.net, GN_LOG_WARN, GN__LOG_TURNED_AWAY,
            "a client of %s is turned away: %s: %s",
            self->file.path[0] ? self->file.path : "the shared socket",
            names[why], text);
    gn__engine_leave(self->handle.engine);
}

/* ---- waiting ---- */

static void waiting_count(struct gn_nic_listener *self, int n)
{
    gn__engine_enter(self->handle.engine);
    self->n_waiting += (uint32_t)n;
    gn__engine_leave(self->handle.engine);
}

/* Its descriptor, if it is still open, is the caller's. */
static void client_forget(struct listen_client *client)
{
    struct gn_nic_listener *self = client->listener;

    gn__io_unwatch(self->handle.io, &client->watch);
    gn__io_stop(self->handle.io, &client->timer);
    gn__list_del(&client->link);
    waiting_count(self, -1);
    gn__free(self->handle.io->mem, client, sizeof(*client));
}

static void client_close(struct listen_client *client)
{
    int fd = client->fd;

    client_forget(client);
    close(fd);
}

static void client_refuse(struct listen_client *client, enum gn__listen_why why,
                          const char *text)
{
    client_refused(client->listener, why, text);
    client_close(client);
}

static void client_settle(struct listen_client *client)
{
    struct gn_nic_listener *self = client->listener;
    int err;

    gn__io_unwatch(self->handle.io, &client->watch); /* It gets another. */
    err = gn__listen_settle(self, client->head + HEAD_LEN - GN__MAC_LEN,
                            client->fd, client->head, client->len);
    if (!err)
        client_forget(client);
    else if (err == -ENOSPC)
        client_refuse(client, GN__LISTEN_FULL,
                      "each NIC is another machine's: max_nics");
    else
        client_refuse(client, GN__LISTEN_FAILED, strerror(-err));
}

/* ---- the first bytes ---- */

static bool head_is_good(const uint8_t head[HEAD_LEN])
{
    const uint8_t *mac = head + HEAD_LEN - GN__MAC_LEN;
    uint32_t len = gn__get32(head);

    return len >= GN__ETHER_HDR_LEN && len <= GN__QEMU_FRAME_MAX &&
           !gn__mac_is_group(mac) && !gn__mac_is_zero(mac);
}

static void client_ready(struct gn__io_watch *watch, short revents)
{
    struct listen_client *client =
        gn__container_of(watch, struct listen_client, watch);
    ssize_t n = recv(client->fd, client->head + client->len,
                     HEAD_LEN - client->len, MSG_DONTWAIT);

    (void)revents;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_close(client); /* It has changed its mind. */
        return;
    }
    client->len += (size_t)n;
    if (client->len < HEAD_LEN)
        return;
    if (head_is_good(client->head))
        client_settle(client);
    else
        client_refuse(client, GN__LISTEN_MALFORMED,
                      "its first frame has a length or a source that no "
                      "frame has");
}

static void client_is_late(struct gn__io_timer *timer)
{
    client_refuse(gn__container_of(timer, struct listen_client, timer),
                  GN__LISTEN_SILENT, "no frame came: wait_ms");
}

static int client_start(struct gn_nic_listener *self, int fd)
{
    struct gn__io *io = self->handle.io;
    struct listen_client *client = gn__zalloc(io->mem, sizeof(*client));
    int err;

    if (!client)
        return -ENOMEM;
    client->listener = self;
    client->fd = fd;
    client->watch.ready = client_ready;
    client->timer.fire = client_is_late;
    err = gn__io_watch(io, &client->watch, fd, POLLIN);
    if (err) {
        gn__free(io->mem, client, sizeof(*client));
        return err;
    }
    gn__io_start(io, &client->timer, gn__io_now(io) + self->wait_ns);
    gn__list_add_tail(&self->waiting, &client->link);
    waiting_count(self, 1);
    client_ready(&client->watch, POLLIN); /* Clients are met in their order. */
    return 0;
}

void gn__listen_accepted(void *arg, const struct gn__endpoint *peer, int fd)
{
    struct gn_nic_listener *self = arg;
    int err;

    (void)peer;
    if (self->n_waiting == self->max_waiting) {
        client_refused(self, GN__LISTEN_CROWDED,
                       "too many have sent no frame yet: max_waiting");
        close(fd);
        return;
    }
    err = client_start(self, fd);
    if (err) {
        client_refused(self, GN__LISTEN_FAILED, strerror(-err));
        close(fd);
    }
}

void gn__listen_clients_done(struct gn_nic_listener *self)
{
    struct gn__list *it, *next;

    gn__list_foreach_safe (it, next, &self->waiting)
        client_close(gn__container_of(it, struct listen_client, link));
}
