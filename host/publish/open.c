/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The descriptor of a published port.
 *
 * A path is bound with its permissions from the beginning: those of the socket
 * itself, which fchmod(2) sets before there is a file, limited by umask(2), and
 * then exactly. If something is there already, a socket that refuses a
 * connection is left over from a process that is gone and is replaced; whatever
 * else it is stays.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "host/publish/publish.h"

#define MODE_MAX 0777u

/* A line for the caller; returns @err. */
#define SAY(request, err, ...)                                             \
    (gn__text_refuse((request)->options->why, (request)->options->why_len, \
                     __VA_ARGS__),                                         \
     (err))

static struct gn__quoted target_quoted(
    const struct gn__publish_request *request)
{
    return gn__text_quote(request->listen, strlen(request->listen));
}

static int say_bind(const struct gn__publish_request *request, int err)
{
    switch (err) {
    case -EADDRINUSE:
        return SAY(request, err, "listen \"%s\": the port is in use",
                   target_quoted(request).text);
    case -EADDRNOTAVAIL:
        return SAY(request, err,
                   "listen \"%s\": this machine has no such address",
                   target_quoted(request).text);
    case -EACCES:
        return SAY(request, err,
                   "listen \"%s\": no permission for a port below 1024",
                   target_quoted(request).text);
    default:
        return SAY(request, err, "listen \"%s\": %s",
                   target_quoted(request).text, strerror(-err));
    }
}

static void set_on(int fd, int level, int name)
{
    int on = 1;

    (void)setsockopt(fd, level, name, &on, sizeof(on));
}

/* ---- by number ---- */

static int backlog_of(const struct gn__publish_request *request)
{
    uint32_t backlog = request->options->backlog;

    return backlog == 0 || backlog > INT32_MAX ? INT32_MAX : (int)backlog;
}

static int open_inet(const struct gn__publish_request *request,
                     const struct gn__endpoint *at, int family, bool both,
                     int *out)
{
    int fd = socket(family, request->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_storage addr;
    socklen_t len;
    int err = 0;

    if (fd < 0)
        return -errno;
    if (family == AF_INET6 && !both)
        set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (request->type == SOCK_STREAM)
        set_on(fd, SOL_SOCKET, SO_REUSEADDR);
    len = gn__endpoint_to_sockaddr(at, family, (struct sockaddr *)&addr,
                                   sizeof(addr));
    if (bind(fd, (struct sockaddr *)&addr, len) ||
        (request->type == SOCK_STREAM && listen(fd, backlog_of(request))))
        err = -errno;
    if (err)
        close(fd);
    else
        *out = fd;
    return err;
}

static int check_listen(const struct gn__publish_request *request,
                        struct gn__target *at)
{
    const struct gn_publish_options *options = request->options;
    int err = gn__target_parse(request->proto, request->listen, at,
                               options->why, options->why_len);

    if (err)
        return err;
    if (!strcasecmp(at->host, "localhost")) {
        at->has_addr = !gn__addr_parse(
            at->family == AF_INET6 ? "::1" : "127.0.0.1", &at->addr);
    } else if (at->host[0]) {
        return SAY(request, -EINVAL,
                   "listen \"%s\": an address is given by number, as "
                   "127.0.0.1:8080",
                   target_quoted(request).text);
    }
    if (at->service[0])
        return SAY(request, -EINVAL, "listen \"%s\": the port is no number",
                   target_quoted(request).text);
    return 0;
}

static int open_address(const struct gn__publish_request *request, int *fd)
{
    struct gn__endpoint at = {.port = 0};
    struct gn__target parsed;
    bool both;
    int family, err;

    err = check_listen(request, &parsed);
    if (err)
        return err;
    both = !parsed.has_addr && parsed.family == AF_UNSPEC;
    family = parsed.has_addr            ? gn__addr_family(&parsed.addr)
             : parsed.family == AF_INET ? AF_INET
                                        : AF_INET6;
    at.addr = parsed.has_addr ? parsed.addr : gn__addr_any(family);
    at.scope = parsed.scope;
    at.port = parsed.port;
    err = open_inet(request, &at, family, both, fd);
    if (err && both && (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)) {
        family = AF_INET; /* A machine without IPv6. */
        at.addr = gn__addr_any(family);
        err = open_inet(request, &at, family, false, fd);
    }
    if (err)
        return say_bind(request, err);
    if (request->type == SOCK_DGRAM)
        gn__dgram_want_details(*fd, family);
    return 0;
}

/* ---- by path ---- */

/* Does no process listen at the path's socket any more? */
static bool is_dead(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool dead;

    if (fd < 0)
        return false;
    dead = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) &&
           errno == ECONNREFUSED;
    close(fd);
    return dead;
}

static int bind_path(const struct gn__publish_request *request, int fd,
                     const struct sockaddr_un *addr)
{
    struct stat st;

    if (!bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
        return 0;
    if (errno != EADDRINUSE)
        return SAY(request, -errno, "listen \"%s\": %s",
                   target_quoted(request).text, strerror(errno));
    if (!lstat(addr->sun_path, &st) && !S_ISSOCK(st.st_mode))
        return SAY(request, -EADDRINUSE,
                   "listen \"%s\": there is something that is no socket",
                   target_quoted(request).text);
    if (!is_dead(addr))
        return SAY(request, -EADDRINUSE,
                   "listen \"%s\": somebody listens there",
                   target_quoted(request).text);
    if (unlink(addr->sun_path) ||
        bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
        return SAY(request, -errno,
                   "listen \"%s\": a dead socket cannot be replaced: %s",
                   target_quoted(request).text, strerror(errno));
    return 0;
}

static int listen_path(const struct gn__publish_request *request, int fd,
                       const struct sockaddr_un *addr,
                       struct gn__publish_file *file)
{
    mode_t mode = (mode_t)request->options->mode;
    struct stat st;
    int err;

    if (mode && fchmod(fd, mode))
        return -errno;
    err = bind_path(request, fd, addr);
    if (err)
        return err;
    memcpy(file->path, addr->sun_path, sizeof(file->path));
    if ((mode && chmod(file->path, mode)) || lstat(file->path, &st) ||
        listen(fd, backlog_of(request))) {
        err = -errno;
        unlink(file->path);
        return err;
    }
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    return 0;
}

static int open_path(const struct gn__publish_request *request, int *out,
                     struct gn__publish_file *file)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(request->listen);
    int fd, err;

    if (len == 0 || len >= sizeof(addr.sun_path))
        return SAY(request, -EINVAL,
                   "listen \"%s\": a path has 1 to %zu bytes, not %zu",
                   target_quoted(request).text, sizeof(addr.sun_path) - 1, len);
    if (request->options->mode > MODE_MAX)
        return SAY(request, -EINVAL, "mode %#o: not within %#o",
                   request->options->mode, MODE_MAX);
    memcpy(addr.sun_path, request->listen, len + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    err = listen_path(request, fd, &addr, file);
    if (err)
        close(fd);
    else
        *out = fd;
    return err;
}

void gn__publish_unlink(const struct gn__publish_file *file)
{
    struct stat st;

    if (file->path[0] && !lstat(file->path, &st) && st.st_dev == file->dev &&
        st.st_ino == file->ino)
        (void)unlink(file->path);
}

/* ---- given ---- */

static int get_int(int fd, int name)
{
    socklen_t len = sizeof(int);
    int value = 0;

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -errno : value;
}

static bool is_family(const struct gn__publish_request *request, int domain)
{
    size_t len = strlen(request->proto);

    if (!strcmp(request->proto, "unix"))
        return domain == AF_UNIX;
    switch (request->proto[len - 1]) {
    case '4':
        return domain == AF_INET;
    case '6':
        return domain == AF_INET6;
    default:
        return domain == AF_INET || domain == AF_INET6;
    }
}

static int take_given(const struct gn__publish_request *request, int *out)
{
    int fd = request->options->fd, type = get_int(fd, SO_TYPE), err;

    if (type < 0)
        return SAY(request, type, "fd %d: %s", fd, strerror(-type));
    if (type != request->type || !is_family(request, get_int(fd, SO_DOMAIN)))
        return SAY(request, -EINVAL, "fd %d: not a socket for \"%s\"", fd,
                   request->proto);
    if (type == SOCK_STREAM && get_int(fd, SO_ACCEPTCONN) != 1)
        return SAY(request, -EINVAL, "fd %d: does not listen", fd);
    err = gn__fd_prepare(fd);
    if (err)
        return err;
    if (type == SOCK_DGRAM)
        gn__dgram_want_details(fd, get_int(fd, SO_DOMAIN));
    *out = fd;
    return 0;
}

int gn__publish_open(const struct gn__publish_request *request, int *fd,
                     struct gn__publish_file *file)
{
    file->path[0] = '\0';
    if (request->options->use_fd)
        return take_given(request, fd);
    if (!strcmp(request->proto, "unix"))
        return open_path(request, fd, file);
    return open_address(request, fd);
}
