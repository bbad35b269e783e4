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

struct nic_unix {
    struct gn__nic_socket socket; /* first */
    struct gn__publish_file file; /* "": none */
    int fd;                       /* listens; -1: a given socket */
    struct gn__acceptor acceptor;
};

/* ---- clients of a path ---- */

static bool unix_has_room(void *self)
{
    return ((struct nic_unix *)self)->socket.fd < 0;
}

static void unix_accepted(void *self, const struct gn__endpoint *peer, int fd)
{
    (void)peer;
    if (gn__nic_socket_attach(&((struct nic_unix *)self)->socket, fd))
        close(fd);
}

static void unix_lost(struct gn__nic_socket *socket)
{
    gn__acceptor_resume(
        &gn__container_of(socket, struct nic_unix, socket)->acceptor);
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
        gn__acceptor_close(&self->acceptor);
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
    struct gn__acceptor_config acceptor = {.io = socket->io,
                                           .fd = create->fd,
                                           .has_room = unix_has_room,
                                           .accepted = unix_accepted,
                                           .user = self};
    int err;

    acceptor.account = gn__wire_account(&socket->nic->wire);
    socket->watch.account = acceptor.account;
    gn_nic_set_carrier(socket->nic, false);
    if (!create->listens)
        return gn__nic_socket_attach(socket, create->fd);
    err = gn__acceptor_open(&self->acceptor, &acceptor);
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
