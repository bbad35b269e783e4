/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/agent/wire.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/agent/carry.h"
#include "cli/say.h"

/** Where the kernel lists the names of serial ports, by their devices. */
#define PORTS "/sys/class/virtio-ports"
/** The bytes of a frame that a host may still wait for, and of the length
 *  behind it; and how long the agent waits for room for some of them. */
#define FILL_LEN (CARRY_MOST + 2 * CARRY_PREFIX)
#define FILL_MS  500

/* ---- the word ---- */

/* A number of 32 bits, VMADDR_PORT_ANY and VMADDR_CID_ANY not among them.
 * Returns the text behind it. */
static const char *number_read(const char *text, uint32_t *out)
{
    unsigned long n;
    char *end;

    if (!isdigit((unsigned char)*text))
        return "?";
    errno = 0;
    n = strtoul(text, &end, 10);
    *out = (uint32_t)n;
    return errno || n >= UINT32_MAX ? "?" : end;
}

static int vsock_read(const char *text, uint32_t peer, struct wire *wire)
{
    const char *end = number_read(text, &wire->port);

    wire->kind = WIRE_LISTEN;
    wire->cid = peer;
    if (*end == ':') {
        wire->kind = WIRE_CONNECT;
        wire->cid = wire->port;
        end = number_read(end + 1, &wire->port);
    }
    return *end ? -1 : 0;
}

static int path_read(const char *text, size_t cap, struct wire *wire)
{
    wire->path = text;
    return text[0] && strlen(text) < cap ? 0 : -1;
}

int wire_read(const char *text, uint32_t peer, struct wire *wire, char *why,
              size_t why_len)
{
    int err = -1;

    memset(wire, 0, sizeof(*wire));
    wire->text = text;
    wire->listener = -1;
    if (strncmp(text, "vsock:", 6) == 0) {
        err = vsock_read(text + 6, peer, wire);
    } else if (strncmp(text, "serial:", 7) == 0) {
        wire->kind = WIRE_SERIAL;
        err = path_read(text + 7, 256, wire);
    } else if (strncmp(text, "unix:", 5) == 0) {
        wire->kind = WIRE_UNIX;
        err = path_read(text + 5, sizeof(((struct sockaddr_un *)0)->sun_path),
                        wire);
    }
    return err ? why_set(why, why_len,
                         "\"%.120s\" is no wire: vsock:PORT, vsock:CID:PORT, "
                         "serial:NAME or unix:PATH is needed, as in vsock:1077",
                         text)
               : 0;
}

/* ---- AF_VSOCK ---- */

static int vsock_socket(void)
{
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd < 0 ? -errno : fd;
}

static int listener_open(struct wire *wire)
{
    const struct sockaddr_vm at = {.svm_family = AF_VSOCK,
                                   .svm_cid = VMADDR_CID_ANY,
                                   .svm_port = wire->port};
    int fd = vsock_socket(), err;

    if (fd < 0)
        return fd;
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
        listen(fd, 1) == 0) {
        wire->listener = fd;
        return 0;
    }
    err = -errno;
    close(fd);
    return err;
}

/* Processes of this machine can connect, too, but only the host is to be the
 * network. */
static int host_accept(struct wire *wire)
{
    struct sockaddr_vm from = {.svm_family = AF_VSOCK};
    socklen_t len = sizeof(from);
    int err = wire->listener < 0 ? listener_open(wire) : 0, fd;

    if (err)
        return err;
    fd = accept4(wire->listener, (struct sockaddr *)&from, &len,
                 SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (from.svm_cid == wire->cid)
        return fd;
    close(fd);
    say("%s: a connection from CID %u is refused; --peer %u would take it",
        wire->text, from.svm_cid, from.svm_cid);
    return -EAGAIN;
}

/* ---- sockets that connect ---- */

static int socket_connect(int fd, const void *addr, socklen_t len,
                          bool *connecting)
{
    int err;

    if (fd < 0)
        return fd;
    if (connect(fd, addr, len) == 0)
        return fd;
    *connecting = errno == EINPROGRESS;
    if (*connecting)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

static int vsock_connect(const struct wire *wire, bool *connecting)
{
    const struct sockaddr_vm to = {
        .svm_family = AF_VSOCK, .svm_cid = wire->cid, .svm_port = wire->port};

    return socket_connect(vsock_socket(), &to, sizeof(to), connecting);
}

static int unix_connect(const struct wire *wire, bool *connecting)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", wire->path);
    return socket_connect(fd < 0 ? -errno : fd, &to, sizeof(to), connecting);
}

/* ---- serial ports ---- */

/* Is this port, "vport1p1", called so? */
static bool port_is(const char *port, const char *name)
{
    char path[sizeof(PORTS) + 300], is[256] = "";
    FILE *file;

    (void)snprintf(path, sizeof(path), PORTS "/%.255s/name", port);
    file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(is, sizeof(is), file))
        is[0] = '\0';
    fclose(file);
    is[strcspn(is, "\n")] = '\0';
    return strcmp(is, name) == 0;
}

/* /dev/virtio-ports/NAME is udev's to make; the kernel's own names are found
 * without it. */
static int port_find(const char *name, char *out, size_t cap)
{
    DIR *ports = opendir(PORTS);
    const struct dirent *entry;
    int err = -ENOENT;

    while (ports && err && (entry = readdir(ports))) {
        if (entry->d_name[0] == '.' || !port_is(entry->d_name, name))
            continue;
        (void)snprintf(out, cap, "/dev/%.255s", entry->d_name);
        err = 0;
    }
    if (ports)
        closedir(ports);
    return err;
}

/* A port is there without a host, which poll() tells. Bytes that came for the
 * process that had closed it are discarded by the kernel. */
static int serial_open(const struct wire *wire)
{
    char path[280];
    struct pollfd poll_fd = {.events = POLLOUT};
    struct stat st;
    int err = 0;

    if (strchr(wire->path, '/'))
        (void)snprintf(path, sizeof(path), "%s", wire->path);
    else
        err = port_find(wire->path, path, sizeof(path));
    if (err)
        return err;
    poll_fd.fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (poll_fd.fd < 0)
        return -errno;
    if (fstat(poll_fd.fd, &st) || !S_ISCHR(st.st_mode) || isatty(poll_fd.fd))
        err = -ENOTTY;
    else if (poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLHUP))
        err = -ENOTCONN;
    if (!err)
        return poll_fd.fd;
    close(poll_fd.fd);
    return err;
}

/* Bytes that are no length of any frame, so many that one stands where a length
 * is awaited: a host that reads them ends the stream. */
static void serial_fill(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    uint8_t bytes[4096];
    size_t left = FILL_LEN;

    memset(bytes, 0xff, sizeof(bytes));
    while (left && poll(&poll_fd, 1, FILL_MS) > 0 &&
           !(poll_fd.revents & (POLLHUP | POLLERR))) {
        ssize_t n =
            write(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

        if (n < 0 && errno != EAGAIN)
            break;
        left -= n > 0 ? (size_t)n : 0;
    }
}

/* ---- all of them ---- */

int wire_open(struct wire *wire, bool *connecting)
{
    *connecting = false;
    switch (wire->kind) {
    case WIRE_LISTEN:
        return host_accept(wire);
    case WIRE_CONNECT:
        return vsock_connect(wire, connecting);
    case WIRE_SERIAL:
        return serial_open(wire);
    default:
        return unix_connect(wire, connecting);
    }
}

void wire_close(const struct wire *wire, int fd, bool lost_its_place)
{
    if (lost_its_place && wire->kind == WIRE_SERIAL)
        serial_fill(fd);
    close(fd);
}

static const char *hint_of(const struct wire *wire, int error)
{
    switch (error) {
    case EAFNOSUPPORT:
        return "the kernel's module vmw_vsock_virtio_transport is needed";
    case EACCES:
    case EPERM:
        return wire->kind == WIRE_LISTEN ? "ports below 1024 are root's"
                                         : "it may not be opened by this user";
    case EADDRINUSE:
        return "another process listens there; choose another port";
    case ENOTTY:
        return "it is no virtio-serial port, as /dev/virtio-ports/NAME is one";
    case ENOTSOCK:
    case EPROTOTYPE:
        return "it is no Unix socket that takes a stream";
    default:
        return NULL;
    }
}

bool wire_is_hopeless(const struct wire *wire, int error, char *why,
                      size_t why_len)
{
    const char *hint = hint_of(wire, error);

    if (hint)
        (void)why_set(why, why_len, "%s: %s; %s", wire->text, strerror(error),
                      hint);
    return hint != NULL;
}
