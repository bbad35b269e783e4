/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * NICs whose wire is a socket: one that is given, or whichever connects to a
 * path. At a path one is served at a time; the next stays in the kernel's queue
 * with what it has sent, and is accepted when the one before it is gone.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "guests/nic/nic.h"
#include "guests/nic/socket.h"

/** Clients that wait at a path; more are refused. */
#define BACKLOG 16u
/** Until a client is accepted again, when there was no descriptor for one. */
#define PAUSE_NS (50 * 1000000ull)

struct nic_unix {
    struct gn__nic_socket socket; /* first */
    struct gn__publish_file file; /* "": none */
    int fd;                       /* listens; -1: a given socket */
    struct gn__io_watch watch;
    struct gn__io_timer pause;
};

/* ---- clients of a path ---- */

static void unix_pause(struct nic_unix *self)
{
    struct gn__io *io = self->socket.io;

    gn__io_unwatch(io, &self->watch);
    gn__io_start(io, &self->pause, gn__io_now(io) + PAUSE_NS);
}

/* For the next client. */
static void unix_wait(struct nic_unix *self)
{
    if (self->fd >= 0 &&
        gn__io_watch(self->socket.io, &self->watch, self->fd, POLLIN))
        unix_pause(self);
}

static void unix_pause_over(struct gn__io_timer *timer)
{
    unix_wait(gn__container_of(timer, struct nic_unix, pause));
}

/* The client stays in the kernel's queue, so the listener would stay ready. */
static bool is_exhausted(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM ||
           error == ENOBUFS;
}

static void unix_accept(struct gn__io_watch *watch, short revents)
{
    struct nic_unix *self = gn__container_of(watch, struct nic_unix, watch);
    int fd = accept4(self->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd < 0 && is_exhausted(errno))
        unix_pause(self);
    if (fd < 0)
        return; /* Or it went. */
    gn__io_unwatch(self->socket.io, &self->watch);
    if (gn__nic_socket_attach(&self->socket, fd)) {
        close(fd);
        unix_pause(self);
    }
}

static void unix_lost(struct gn__nic_socket *socket)
{
    unix_wait(gn__container_of(socket, struct nic_unix, socket));
}

/* ---- operations ---- */

static size_t unix_output(void *self, const struct gn_frame *frames, size_t n)
{
    return gn__nic_socket_output(&((struct nic_unix *)self)->socket, frames, n);
}

static void unix_ready(void *self)
{
    gn__nic_socket_ready(&((struct nic_unix *)self)->socket);
}

static void unix_close(void *arg)
{
    struct nic_unix *self = arg;

    gn__nic_socket_detach(&self->socket);
    if (self->fd >= 0) {
        gn__io_unwatch(self->socket.io, &self->watch);
        gn__io_stop(self->socket.io, &self->pause);
        gn__publish_unlink(&self->file);
        close(self->fd);
    }
    gn__free(self->socket.io->mem, self, sizeof(*self));
}

static const struct gn_nic_ops unix_ops = {
    .output = unix_output,
    .ready = unix_ready,
    .close = unix_close,
};

/* ---- creating ---- */

/** One call of gn_nic_fd() or gn_nic_unix(), on the driving thread. */
struct unix_create {
    struct gn_network *net;
    struct gn_nic_config config;
    const struct gn__publish_file *file; /* NULL: none of ours */
    int fd;
    int type;
    bool listens; /* else @fd is connected */
    struct gn_nic *nic;
};

static int unix_start(struct nic_unix *self, const struct unix_create *create)
{
    struct gn__nic_socket *socket = &self->socket;
    int err;

    socket->watch.account = gn__wire_account(&socket->nic->wire);
    self->watch.account = self->pause.account = socket->watch.account;
    gn_nic_set_carrier(socket->nic, false);
    if (!create->listens)
        return gn__nic_socket_attach(socket, create->fd);
    self->watch.ready = unix_accept;
    self->pause.fire = unix_pause_over;
    err = gn__io_watch(socket->io, &self->watch, create->fd, POLLIN);
    if (err)
        return err;
    self->fd = create->fd;
    if (create->file)
        self->file = *create->file;
    return 0;
}

static int unix_create(void *arg)
{
    struct unix_create *create = arg;
    struct gn__io *io = gn__network_io(create->net);
    struct nic_unix *self = io ? gn__zalloc(io->mem, sizeof(*self)) : NULL;
    int err;

    if (!self)
        return gn__network_is_closing(create->net) ? -ECANCELED : -ENOMEM;
    self->socket.io = io;
    self->socket.fd = self->fd = -1;
    self->socket.type = create->type;
    self->socket.lost = unix_lost;
    err = gn_nic_create(create->net, &create->config, &unix_ops, self,
                        &self->socket.nic);
    if (err) {
        gn__free(io->mem, self, sizeof(*self));
        return err;
    }
    create->nic = self->socket.nic;
    err = unix_start(self, create);
    if (err)
        gn_nic_close(create->nic, NULL, NULL); /* It frees self. */
    return err;
}

static int check_fd(int fd, enum gn_framing framing, int *type, bool *listens)
{
    socklen_t len = sizeof(*type);
    int listening = 0;
    bool fits;

    if ((unsigned)framing >= GN_N_FRAMINGS)
        return -EINVAL;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, type, &len))
        return -errno;
    len = sizeof(listening);
    (void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
    *listens = listening;
    fits = framing == GN_FRAMING_QEMU
               ? *type == SOCK_STREAM
               : *type == SOCK_SEQPACKET || *type == SOCK_DGRAM;
    if (!fits)
        return -EINVAL;
    return gn__fd_nonblock(fd, true);
}

int gn_nic_fd(struct gn_network *net, const struct gn_nic_config *config,
              int fd, enum gn_framing framing, struct gn_nic **out)
{
    struct unix_create create = {.net = net, .fd = fd};
    int err;

    if (!net || !out || gn__nic_wire_config(config, &create.config))
        return -EINVAL;
    err = gn_network_clock(net)
              ? -ENOTSUP
              : check_fd(fd, framing, &create.type, &create.listens);
    if (!err)
        err = gn__drive_call(net, unix_create, &create);
    if (!err)
        *out = create.nic;
    return err;
}

static int open_path(const struct gn_nic_config *config, const char *path,
                     unsigned mode, int *fd, struct gn__publish_file *file)
{
    struct gn_publish_options options = {.size = sizeof(options),
                                         .mode = mode,
                                         .backlog = BACKLOG,
                                         .why = config->why,
                                         .why_len = config->why_len};
    struct gn__publish_request request = {"unix", path, &options, SOCK_STREAM};

    return gn__publish_open(&request, fd, file);
}

int gn_nic_unix(struct gn_network *net, const struct gn_nic_config *config,
                const char *path, unsigned mode, struct gn_nic **out)
{
    struct unix_create create = {.net = net, .type = SOCK_STREAM};
    struct gn__publish_file file;
    int err;

    if (!net || !out || !path || gn__nic_wire_config(config, &create.config))
        return -EINVAL;
    if (gn_network_clock(net))
        return -ENOTSUP;
    err = open_path(&create.config, path, mode, &create.fd, &file);
    if (err)
        return err;
    create.file = &file;
    create.listens = true;
    err = gn__drive_call(net, unix_create, &create);
    if (err) {
        gn__publish_unlink(&file);
        close(create.fd);
        return err;
    }
    *out = create.nic;
    return 0;
}
