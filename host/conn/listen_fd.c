/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A listening socket of the kernel's whose connections come from the network,
 * for servers that are given one: we listen in the network, and connect to that
 * socket for each client.
 *
 * A server learns the client from the address that we connect from: over a Unix
 * socket that is a name in its folder which says the client's address,
 * "10.77.0.5:40000", and which getpeername(2) gives. The callback and the PROXY
 * line say the same.
 *
 * A server whose backlog is full makes its clients wait in ours (those of a TCP
 * socket in connect(2), which the relay goes on with), and so does a guest that
 * may have no more descriptors: otherwise other guests could take all
 * descriptors of the process by connecting to it.
 */
#include <guestnet/conn.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/config.h"
#include "base/text.h"
#include "host/conn/conn.h"
#include "host/conn/listen.h"
#include "host/conn/target.h"
#include "host/forward/forward.h"

#define TEMPLATE "/guestnet-XXXXXX"
#define SOCKET   "/listen"

/** A folder's path, short enough for a client's name in it. */
#define DIR_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - GN_ADDR_TEXT_MAX)

union fd_addr {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
};

/** The server's side of a listener. */
struct fd_server {
    const struct gn__mem *mem;
    char dir[DIR_MAX]; /* "": a TCP socket */
    union fd_addr at;
    socklen_t at_len;
    bool proxy;
    gn_listen_fd_cb accepted;
    void *arg;
};

struct fd_client {
    struct gn__endpoint peer, local;
    union fd_addr seen; /* what the server's getpeername(2) says */
    struct gn__fd_share share;
};

/* ---- one client ---- */

/* Our end of a TCP connection has a port before it is connected, for the
 * callback. */
static int client_take_port(int fd, struct fd_client *client)
{
    struct sockaddr_in *in = &client->seen.in;
    socklen_t len = sizeof(*in);

    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, &client->seen.any, len))
        return errno == EADDRINUSE ? -EAGAIN : -errno; /* None is free. */
    return getsockname(fd, &client->seen.any, &len) ? -errno : 0;
}

/* Name our end of a Unix connection after the client. */
static int client_name_end(const struct fd_server *server, int fd,
                           struct fd_client *client)
{
    char text[GN__ADDR_TEXT];
    struct sockaddr_un *un = &client->seen.un;

    if (!server->dir[0])
        return server->accepted ? client_take_port(fd, client) : 0;
    un->sun_family = AF_UNIX;
    (void)snprintf(un->sun_path, sizeof(un->sun_path), "%s/%s", server->dir,
                   gn__endpoint_format(&client->peer, text, sizeof(text)));
    (void)unlink(un->sun_path); /* Of an attempt that had to wait. */
    return bind(fd, &client->seen.any, sizeof(*un)) ? -errno : 0;
}

static int client_read(struct gn_conn *conn, struct fd_client *out)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    int err = gn_conn_peer(conn, (struct sockaddr *)&ss, &len);

    if (!err)
        err = gn__endpoint_from_sockaddr((struct sockaddr *)&ss, len, AF_UNSPEC,
                                         &out->peer);
    len = sizeof(ss);
    if (!err)
        err = gn_conn_name(conn, (struct sockaddr *)&ss, &len);
    if (!err)
        err = gn__endpoint_from_sockaddr((struct sockaddr *)&ss, len, AF_UNSPEC,
                                         &out->local);
    return err;
}

/* Once, although a full backlog lets it be tried again: over a Unix socket it
 * is seen as the same each time. */
static void client_tell(const struct fd_server *server, struct gn_conn *conn,
                        const struct fd_client *client)
{
    struct sockaddr_storage ss;

    if (!server->accepted || (conn->told && server->dir[0]))
        return;
    conn->told = true;
    (void)gn__endpoint_to_sockaddr(&client->peer, AF_UNSPEC,
                                   (struct sockaddr *)&ss, sizeof(ss));
    server->accepted((struct sockaddr *)&ss, &client->seen.any, server->arg);
}

static int client_connect(const struct fd_server *server, int fd,
                          struct gn_conn *conn, struct fd_client *client)
{
    int err = client_name_end(server, fd, client);

    if (!err) {
        client_tell(server, conn, client);
        if (connect(fd, &server->at.any, server->at_len) &&
            errno != EINPROGRESS)
            err = -errno;
    }
    if (server->dir[0])
        (void)unlink(client->seen.un.sun_path); /* The name goes on. */
    return err;
}

/* A connection to the server; -EAGAIN: it may be there later. */
static int client_open_end(const struct fd_server *server, struct gn_conn *conn,
                           struct fd_client *client)
{
    int err, fd = socket(server->at.any.sa_family,
                         SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return errno == EMFILE || errno == ENFILE ? -EAGAIN : -errno;
    err = client_connect(server, fd, conn, client);
    if (!err)
        return fd;
    close(fd);
    return err;
}

/* The descriptor is a share of the guest that listens. */
static int client_charge(const struct gn_conn *conn, struct fd_client *client)
{
    struct gn_namespace *ns = conn->handle.sock->ns;

    return gn__fds_left(gn__ns_guest(ns))
               ? gn__fds_take(gn__ns_guest(ns), &client->share)
               : -EAGAIN;
}

/* -EAGAIN: it may be there later. */
static int client_open(const struct fd_server *server, struct gn_conn *conn,
                       struct fd_client *client, int *out)
{
    int fd, err = client_charge(conn, client);

    if (err)
        return err;
    fd = client_open_end(server, conn, client);
    if (fd < 0) {
        gn__fds_give(&client->share);
        return fd;
    }
    *out = fd;
    return 0;
}

/* A server that is gone, or a client that is, gives a reset. The callback may
 * close the listener, and @arg with it. */
static int server_take(void *arg, struct gn_conn *conn)
{
    const struct fd_server server = *(const struct fd_server *)arg;
    struct fd_client client = {.seen = {.un = {.sun_path = ""}}};
    int err = client_read(conn, &client), fd = -1;
    char line[GN__PROXY_MAX] = "";

    if (!err)
        err = client_open(&server, conn, &client, &fd);
    if (err == -EAGAIN)
        return err;
    if (server.proxy)
        (void)gn__proxy_format(&client.peer, &client.local, line);
    if (!err)
        err = gn__conn_give(conn, fd, &client.share, line);
    if (err)
        (void)gn_conn_reset(conn, NULL, NULL);
    return 0;
}

/* ---- the socket ---- */

static void server_remove_files(const struct fd_server *server)
{
    if (!server->dir[0])
        return;
    (void)unlink(server->at.un.sun_path);
    (void)rmdir(server->dir);
}

static void server_stopped(void *arg)
{
    struct fd_server *server = arg;

    server_remove_files(server);
    gn__free(server->mem, server, sizeof(*server));
}

static const struct gn__taker_ops server_ops = {
    .name = "fd server",
    .take = server_take,
    .stopped = server_stopped,
};

static const char *default_directory(void)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");

    if (!dir || dir[0] != '/')
        dir = getenv("TMPDIR");
    return dir && dir[0] == '/' ? dir : "/tmp";
}

/* A folder that no other user can enter: mkdtemp(3) makes it 0700. */
static int server_make_dir(struct fd_server *server,
                           const struct gn_listen_fd_options *options)
{
    const char *parent =
        options->directory ? options->directory : default_directory();
    int err;

    if (strlen(parent) + sizeof(TEMPLATE) > sizeof(server->dir)) {
        (void)gn__text_refuse(
            options->why, options->why_len,
            "directory \"%s\": longer than %zu bytes, which a "
            "Unix socket's path has no room for",
            gn__text_quote(parent, strlen(parent)).text,
            sizeof(server->dir) - sizeof(TEMPLATE));
        return -ENAMETOOLONG;
    }
    (void)snprintf(server->dir, sizeof(server->dir), "%s" TEMPLATE, parent);
    if (mkdtemp(server->dir))
        return 0;
    err = -errno;
    server->dir[0] = '\0';
    (void)gn__text_refuse(
        options->why, options->why_len, "directory \"%s\": %s",
        gn__text_quote(parent, strlen(parent)).text, strerror(-err));
    return err;
}

static int server_name(struct fd_server *server,
                       const struct gn_listen_fd_options *options)
{
    int err;

    memset(&server->at, 0, sizeof(server->at));
    if (options->loopback) {
        server->at.in.sin_family = AF_INET;
        server->at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        server->at_len = sizeof(server->at.in);
        return 0;
    }
    err = server_make_dir(server, options);
    if (err)
        return err;
    server->at.un.sun_family = AF_UNIX;
    (void)snprintf(server->at.un.sun_path, sizeof(server->at.un.sun_path),
                   "%s" SOCKET, server->dir);
    server->at_len = sizeof(server->at.un);
    return 0;
}

/* The descriptor for the server; it blocks, as one from socket(2). */
static int server_open(struct fd_server *server, int backlog)
{
    int err,
        fd = socket(server->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (!bind(fd, &server->at.any, server->at_len) &&
        !listen(fd, backlog > 0 ? backlog : SOMAXCONN) &&
        !getsockname(fd, &server->at.any, &server->at_len))
        return fd;
    err = -errno;
    close(fd);
    return err;
}

/* ---- the call ---- */

static void server_tell_path(const struct fd_server *server,
                             const struct gn_listen_fd_options *options)
{
    if (!options->path)
        return;
    if (server->dir[0])
        (void)snprintf(options->path, options->path_len, "%s",
                       server->at.un.sun_path);
    else
        (void)snprintf(options->path, options->path_len, "127.0.0.1:%u",
                       ntohs(server->at.in.sin_port));
}

static int server_start(struct gn_namespace *ns,
                        const struct gn__target *target,
                        const struct gn_listen_fd_options *options,
                        struct fd_server *server, int *fd,
                        struct gn_listener **out)
{
    int err = server_name(server, options), opened;

    if (err)
        return err;
    opened = server_open(server, options->backlog);
    err = opened < 0 ? opened
                     : gn__listen_with(ns, target, &server_ops, server, out);
    if (!err) {
        server_tell_path(server, options);
        *fd = opened;
        return 0;
    }
    if (opened >= 0)
        close(opened);
    server_remove_files(server);
    return err;
}

static int listen_fd_check(const char *proto, const char *address,
                           const struct gn_listen_fd_options *options,
                           struct gn__target *out)
{
    int err =
        gn__listen_parse(proto, address, out, options->why, options->why_len);

    if (err || out->type == SOCK_STREAM)
        return err;
    return gn__text_refuse(options->why, options->why_len,
                           "proto \"%s\": not one of \"tcp\", \"tcp4\", "
                           "\"tcp6\"",
                           proto);
}

int gn_listen_fd(struct gn_namespace *ns, const char *proto,
                 const char *address,
                 const struct gn_listen_fd_options *options, int *fd,
                 struct gn_listener **out)
{
    static const struct gn_listen_fd_options defaults = {.size =
                                                             sizeof(defaults)};
    struct gn__target target;
    struct fd_server *server;
    struct gn_network *net;
    int err;

    options = options ? options : &defaults;
    if (!ns || !fd || !out ||
        !gn__config_is_known(options, options->size, sizeof(*options)))
        return -EINVAL;
    err = listen_fd_check(proto, address, options, &target);
    if (err)
        return err;
    net = gn__namespace_network(ns);
    if (!net || !gn__network_engine(net)->driver->watch)
        return -ENOTSUP;
    server = gn__zalloc(gn__ns_mem(ns), sizeof(*server));
    if (!server)
        return -ENOMEM;
    server->mem = gn__ns_mem(ns);
    server->proxy = options->proxy_protocol;
    server->accepted = options->accepted;
    server->arg = options->arg;
    err = server_start(ns, &target, options, server, fd, out);
    if (err)
        gn__free(gn__ns_mem(ns), server, sizeof(*server));
    return err;
}
