/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The NIC of a machine that is reached by AF_VSOCK alone. Firecracker and
 * cloud-hypervisor have the host's side of that as a Unix socket: a client that
 * connects says which port is meant, and is answered when the guest has
 * accepted the connection.
 *
 *     resting --(time)--> asking --(a descriptor)--> greeting --("OK")-->
 *     connected
 *
 * From each of the last three it is resting again when something fails: there
 * is no machine yet, or nothing of it listens yet. In `asking` another part of
 * the library connects; a connection of its own takes no time.
 */
#include "guests/nic/vsock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"
#include "guests/nic/nic.h"
#include "guests/nic/socket.h"

#define REST_MIN_NS (GN__NS_PER_S / 10)
#define REST_MAX_NS GN__NS_PER_S
/** For an answer. Firecracker gives a guest's kernel two seconds. */
#define GREETING_NS (5 * GN__NS_PER_S)
#define OK_LEN      3u
#define DIGITS_MAX  10u

struct nic_vsock {
    struct gn__nic_socket socket; /* first */
    uint32_t port;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int connector;               /* connects in its place; -1: none */
    bool over;                   /* the connector has gone */
    bool asked;                  /* the connector, and it has not answered */
    struct gn__io_watch answers; /* the connector's */
    struct gn__io_timer timer;   /* resting: its end; greeting: its bound */
    uint64_t rest_ns;
    int fd; /* greeting; else -1 */
    struct gn__io_watch watch;
    uint8_t reply[GN__VSOCK_REPLY_MAX];
    size_t reply_len;
    char why[160]; /* the last failure, which was logged; "": none */
};

/* ---- the text ---- */

ssize_t gn__vsock_reply(const uint8_t *data, size_t len)
{
    static const char ok[] = "OK ";
    size_t i;

    for (i = 0; i < len; i++) {
        bool is_digit = data[i] >= '0' && data[i] <= '9';

        if (i > OK_LEN && data[i] == '\n')
            return (ssize_t)i + 1;
        if (i < OK_LEN ? data[i] != (uint8_t)ok[i]
                       : !is_digit || i - OK_LEN >= DIGITS_MAX)
            return -EPROTO;
    }
    return 0;
}

/* ---- resting ---- */

static void vsock_rest(struct nic_vsock *self)
{
    struct gn__io *io = self->socket.io;

    gn__io_start(io, &self->timer, gn__io_now(io) + self->rest_ns);
    self->rest_ns *= 2;
    if (self->rest_ns > REST_MAX_NS)
        self->rest_ns = REST_MAX_NS;
}

static void greeting_end(struct nic_vsock *self)
{
    if (self->fd < 0)
        return;
    gn__io_unwatch(self->socket.io, &self->watch);
    gn__io_stop(self->socket.io, &self->timer);
    close(self->fd);
    self->fd = -1;
}

/* Not now; it is logged once for as long as it stays so. */
__attribute__((format(printf, 2, 3))) static void vsock_fail(
    struct nic_vsock *self, const char *format, ...)
{
    struct gn_namespace *ns = gn_nic_namespace(self->socket.nic);
    char why[sizeof(self->why)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    greeting_end(self);
    if (strcmp(why, self->why) != 0 && ns)
        gn__guest_log(gn__ns_guest(ns), GN_LOG_WARN, GN__LOG_FAILED,
                      "no vsock yet: %s", why);
    memcpy(self->why, why, sizeof(why));
    vsock_rest(self);
}

/* ---- greeting ---- */

static void vsock_connected(struct nic_vsock *self)
{
    int fd = self->fd, err;

    self->fd = -1;
    gn__io_unwatch(self->socket.io, &self->watch);
    gn__io_stop(self->socket.io, &self->timer);
    err = gn__nic_socket_attach(&self->socket, fd);
    if (err) {
        close(fd);
        vsock_fail(self, "%s", strerror(-err));
        return;
    }
    self->rest_ns = REST_MIN_NS;
    self->why[0] = '\0';
}

static void reply_end(struct nic_vsock *self, int error)
{
    if (error)
        vsock_fail(self, "port %u: %s", self->port, strerror(error));
    else if (self->reply_len)
        vsock_fail(self, "the answer to CONNECT %u ended in its middle",
                   self->port);
    else
        vsock_fail(self, "the machine does not listen at port %u", self->port);
}

/* Byte by byte, as the bytes behind the answer are those of frames. */
static void reply_ready(struct gn__io_watch *watch, short revents)
{
    struct nic_vsock *self = gn__container_of(watch, struct nic_vsock, watch);
    ssize_t n, whole = 0;

    (void)revents;
    while (!whole) {
        n = recv(self->fd, self->reply + self->reply_len, 1, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            reply_end(self, n ? errno : 0);
            return;
        }
        whole = gn__vsock_reply(self->reply, ++self->reply_len);
    }
    if (whole < 0)
        vsock_fail(self,
                   "\"%s\" is no answer to CONNECT %u, which is OK and a "
                   "number",
                   gn__text_quote((char *)self->reply, self->reply_len).text,
                   self->port);
    else
        vsock_connected(self);
}

static void vsock_greet(struct nic_vsock *self, int fd)
{
    struct gn__io *io = self->socket.io;
    char text[32];
    int n = snprintf(text, sizeof(text), "CONNECT %u\n", self->port), err;

    self->fd = fd;
    self->reply_len = 0;
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n) {
        vsock_fail(self, "CONNECT cannot be sent: %s", strerror(errno));
        return;
    }
    err = gn__io_watch(io, &self->watch, fd, POLLIN);
    if (err)
        vsock_fail(self, "%s", strerror(-err));
    else
        gn__io_start(io, &self->timer, gn__io_now(io) + GREETING_NS);
}

/* ---- asking ---- */

static void vsock_connect(struct nic_vsock *self)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(to.sun_path, self->path, sizeof(to.sun_path));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        vsock_greet(self, fd);
        return;
    }
    vsock_fail(self, "%s: %s", self->path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* The connector is told why it is asked again. */
static void connector_ask(struct nic_vsock *self)
{
    self->asked = true;
    if (send(self->connector, self->why, strlen(self->why) + 1,
             MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return;
    self->asked = false;
    vsock_fail(self, "the connector: %s", strerror(errno));
}

static void vsock_timer(struct gn__io_timer *timer)
{
    struct nic_vsock *self = gn__container_of(timer, struct nic_vsock, timer);

    if (self->fd >= 0)
        vsock_fail(self, "no answer to CONNECT %u came within 5 s", self->port);
    else if (self->connector >= 0)
        connector_ask(self);
    else if (!self->over)
        vsock_connect(self);
}

static void connector_close(struct nic_vsock *self)
{
    if (self->connector < 0)
        return;
    gn__io_unwatch(self->socket.io, &self->answers);
    close(self->connector);
    self->connector = -1;
    self->over = true;
}

/* A descriptor came: is it a stream, which may be made non-blocking? */
static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           type == SOCK_STREAM && gn__fd_nonblock(fd, true) == 0;
}

/* An errno, or 0 and a descriptor. */
static ssize_t answer_receive(int connector, uint8_t *error, int *fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {error, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *header;
    ssize_t n = recvmsg(connector, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    *fd = -1;
    header = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (header && header->cmsg_level == SOL_SOCKET &&
        header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(fd, CMSG_DATA(header), sizeof(int));
    return n;
}

static void connector_answers(struct gn__io_watch *watch, short revents)
{
    struct nic_vsock *self = gn__container_of(watch, struct nic_vsock, answers);
    uint8_t error = 0;
    ssize_t n;
    int fd;

    (void)revents;
    n = answer_receive(self->connector, &error, &fd);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        connector_close(self);
    } else if (self->asked && fd >= 0 && is_stream(fd)) {
        self->asked = false;
        vsock_greet(self, fd);
        return;
    } else if (self->asked) {
        self->asked = false;
        vsock_fail(self, "%s", strerror(error ? error : EPROTOTYPE));
    }
    if (fd >= 0)
        close(fd);
}

/* ---- operations ---- */

static void vsock_lost(struct gn__nic_socket *socket)
{
    vsock_rest(gn__container_of(socket, struct nic_vsock, socket));
}

static size_t vsock_output(void *self, const struct gn_frame *frames, size_t n)
{
    return gn__nic_socket_output(&((struct nic_vsock *)self)->socket, frames,
                                 n);
}

static void vsock_ready(void *self)
{
    gn__nic_socket_ready(&((struct nic_vsock *)self)->socket);
}

static void vsock_close(void *arg)
{
    struct nic_vsock *self = arg;

    gn__nic_socket_detach(&self->socket);
    greeting_end(self);
    gn__io_stop(self->socket.io, &self->timer);
    connector_close(self);
    gn__free(self->socket.io->mem, self, sizeof(*self));
}

static const struct gn_nic_ops vsock_ops = {
    .output = vsock_output,
    .ready = vsock_ready,
    .close = vsock_close,
};

/* ---- creating ---- */

/** One call of gn_nic_vsock(), on the driving thread. */
struct vsock_create {
    struct gn_network *net;
    struct gn_nic_config config;
    const char *path; /* NULL: by @fd */
    uint32_t port;
    int fd;
    struct gn_nic *nic;
};

static int vsock_start(struct nic_vsock *self,
                       const struct vsock_create *create)
{
    struct gn__nic_socket *socket = &self->socket;
    int err = 0;

    self->port = create->port;
    self->rest_ns = REST_MIN_NS;
    socket->watch.account = gn__wire_account(&socket->nic->wire);
    self->watch.account = self->answers.account = self->timer.account =
        socket->watch.account;
    self->watch.ready = reply_ready;
    self->answers.ready = connector_answers;
    self->timer.fire = vsock_timer;
    gn_nic_set_carrier(socket->nic, false);
    if (create->path)
        (void)snprintf(self->path, sizeof(self->path), "%s", create->path);
    else
        err = gn__io_watch(socket->io, &self->answers, create->fd, POLLIN);
    if (err)
        return err;
    self->connector = create->fd;
    gn__io_start(socket->io, &self->timer, gn__io_now(socket->io));
    return 0;
}

static int vsock_create(void *arg)
{
    struct vsock_create *create = arg;
    struct gn__io *io = gn__network_io(create->net);
    struct nic_vsock *self = io ? gn__zalloc(io->mem, sizeof(*self)) : NULL;
    int err;

    if (!self)
        return gn__network_is_closing(create->net) ? -ECANCELED : -ENOMEM;
    self->socket.io = io;
    self->socket.fd = self->fd = self->connector = -1;
    self->socket.type = SOCK_STREAM;
    self->socket.lost = vsock_lost;
    err = gn_nic_create(create->net, &create->config, &vsock_ops, self,
                        &self->socket.nic);
    if (err) {
        gn__free(io->mem, self, sizeof(*self));
        return err;
    }
    create->nic = self->socket.nic;
    err = vsock_start(self, create);
    if (err)
        gn_nic_close(create->nic, NULL, NULL); /* It frees self. */
    return err;
}

static int check_connector(int fd)
{
    socklen_t len = sizeof(int);
    int type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
        return -errno;
    return type == SOCK_SEQPACKET ? gn__fd_nonblock(fd, true) : -EINVAL;
}

static int check_path(const struct gn_nic_config *config, const char *path)
{
    size_t len = strlen(path);

    if (len && len < sizeof(((struct nic_vsock *)0)->path))
        return 0;
    return gn__text_refuse(config->why, config->why_len,
                           "a path of %zu bytes: a Unix socket's has 1 to %zu",
                           len, sizeof(((struct nic_vsock *)0)->path) - 1);
}

int gn_nic_vsock(struct gn_network *net, const struct gn_nic_config *config,
                 const char *path, uint32_t port, int fd, struct gn_nic **out)
{
    struct vsock_create create = {
        .net = net, .path = path, .port = port, .fd = fd};
    int err;

    if (!net || !out || (path != NULL) == (fd >= 0) || port == UINT32_MAX ||
        gn__nic_wire_config(config, &create.config))
        return -EINVAL;
    if (gn_network_clock(net))
        return -ENOTSUP;
    err = path ? check_path(&create.config, path) : check_connector(fd);
    if (!err)
        err = gn__drive_call(net, vsock_create, &create);
    if (!err)
        *out = create.nic;
    return err;
}
