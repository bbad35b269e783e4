/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * c-ares' sockets. They are as c-ares would make them, with three differences.
 *
 * Reading ends early: c-ares reads on until there is nothing left, and a server
 * that never stops sending would hold the thread that drives, and memory with
 * it. Here it finds one datagram, or one piece of a stream, at a time.
 *
 * And drops are counted. c-ares drops in silence what does not fit; since there
 * is one datagram at a time, one that was followed neither by a verdict on its
 * server, nor by another question or a connection for one, was dropped.
 *
 * And questions leave without cookies.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* RFC 1035 section 4.1.1; RFC 6891 section 6.1.2, without options. A question
 * is never longer. */
#define HEADER_LEN  12u
#define OPT_LEN     11u
#define TYPE_OPT    41u
#define MESSAGE_MAX 512u

static ares_socket_t open_socket(int domain, int type, int protocol, void *arg)
{
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    int on = 1;

    (void)arg;
    if (fd >= 0 && type == SOCK_STREAM)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static int close_socket(ares_socket_t fd, void *arg)
{
    (void)arg;
    return close(fd);
}

/* Buffer sizes and a device, none of which we set, and TCP Fast Open, which
 * saves a round trip to servers that answer truncated: not wanted. */
static int set_option(ares_socket_t fd, ares_socket_opt_t option,
                      const void *value, ares_socklen_t len, void *arg)
{
    (void)fd, (void)option, (void)value, (void)len, (void)arg;
    errno = ENOSYS;
    return -1;
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *addr,
                          ares_socklen_t len, unsigned flags, void *arg)
{
    struct gn__ares_session *session = arg;

    (void)flags;
    session->n_outcomes++;
    return connect(fd, addr, len);
}

static int bind_socket(ares_socket_t fd, unsigned flags,
                       const struct sockaddr *addr, socklen_t len, void *arg)
{
    (void)flags, (void)arg;
    return bind(fd, addr, len);
}

static int socket_name(ares_socket_t fd, struct sockaddr *addr,
                       ares_socklen_t *len, void *arg)
{
    (void)arg;
    return getsockname(fd, addr, len);
}

/* c-ares asks for the sender of a datagram, and not for that of a stream. */
static ares_ssize_t socket_receive(ares_socket_t fd, void *buf, size_t len,
                                   int flags, struct sockaddr *addr,
                                   ares_socklen_t *addr_len, void *arg)
{
    struct gn__ares_session *session = arg;
    ares_ssize_t n;

    if (addr ? session->n_answers > 0
             : session->tcp_bytes >= GN__ARES_TCP_BYTES) {
        errno = EAGAIN;
        return -1;
    }
    n = recvfrom(fd, buf, len, flags, addr, addr_len);
    if (n < 0)
        return n;
    if (addr)
        session->n_answers++;
    else
        session->tcp_bytes += (uint32_t)n;
    session->cached += (uint32_t)n;
    return n;
}

/* ---- sending ---- */

static unsigned socket_read16(const uint8_t *at)
{
    return at[0] * 256u + at[1];
}

/* Where the records behind the one question of a message begin; 0: there is
 * not one question. */
static size_t question_end(const uint8_t *message, size_t len)
{
    size_t at = HEADER_LEN;

    if (len < HEADER_LEN || socket_read16(message + 4) != 1)
        return 0;
    while (at < len && message[at])
        at += message[at] + 1u;
    at += 1 + 4; /* the root, type, class */
    return at <= len ? at : 0;
}

/* The message with an OPT record (RFC 6891) that has no options; its length. */
static size_t copy_without_options(const uint8_t *message, size_t len,
                                   uint8_t out[MESSAGE_MAX])
{
    size_t at = question_end(message, len);

    memcpy(out, message, len);
    if (!at || at + OPT_LEN > len || socket_read16(message + 10) != 1 ||
        message[at] || socket_read16(message + at + 1) != TYPE_OPT)
        return len;
    out[at + OPT_LEN - 2] = out[at + OPT_LEN - 1] = 0;
    return at + OPT_LEN;
}

/*
 * c-ares sends a cookie (RFC 7873) and, when one has come back, drops answers
 * without. Forwarders that answer from their cache do not send it each time,
 * and then no name resolves any more. So servers never see one.
 */
static ares_ssize_t send_datagram(struct gn__ares_session *session, int fd,
                                  const void *buf, size_t len)
{
    uint8_t plain[MESSAGE_MAX];
    ares_ssize_t n;

    if (len < HEADER_LEN || len > sizeof(plain)) {
        errno = EMSGSIZE;
        return -1;
    }
    gn__ares_query_sent(session, (uint16_t)socket_read16(buf));
    n = send(fd, plain, copy_without_options(buf, len, plain), MSG_NOSIGNAL);
    return n < 0 ? n : (ares_ssize_t)len;
}

/* Messages one after the other, each behind its length. What a full buffer cut
 * is taken for no message. */
static ares_ssize_t send_stream(struct gn__ares_session *session, int fd,
                                const uint8_t *buf, size_t len)
{
    size_t at = 0;

    while (at + 4 <= len) {
        gn__ares_query_sent(session, (uint16_t)socket_read16(buf + at + 2));
        at += 2 + socket_read16(buf + at);
    }
    return send(fd, buf, len, MSG_NOSIGNAL);
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);

    return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
           type == SOCK_STREAM;
}

/* All sockets are connected. */
static ares_ssize_t socket_transmit(ares_socket_t fd, const void *buf,
                                    size_t len, int flags,
                                    const struct sockaddr *addr,
                                    ares_socklen_t addr_len, void *arg)
{
    struct gn__ares_session *session = arg;

    (void)flags, (void)addr, (void)addr_len;
    session->n_outcomes++;
    atomic_fetch_add(&session->ares->asked, 1);
    return is_stream(fd) ? send_stream(session, fd, buf, len)
                         : send_datagram(session, fd, buf, len);
}

/* The verdict of c-ares on a server: it answered, or did not. */
static void socket_judge(const char *server, ares_bool_t success, int flags,
                         void *arg)
{
    struct gn__ares_session *session = arg;

    (void)server, (void)flags;
    session->n_outcomes++;
    if (!success)
        atomic_fetch_add(&session->ares->failures, 1);
}

int gn__ares_use_sockets(struct gn__ares_session *session)
{
    static const struct ares_socket_functions_ex functions = {
        .version = 1,
        .flags = ARES_SOCKFUNC_FLAG_NONBLOCKING,
        .asocket = open_socket,
        .aclose = close_socket,
        .asetsockopt = set_option,
        .aconnect = connect_socket,
        .arecvfrom = socket_receive,
        .asendto = socket_transmit,
        .agetsockname = socket_name,
        .abind = bind_socket,
    };

    ares_set_server_state_callback(session->channel, socket_judge, session);
    return gn__ares_error((int)ares_set_socket_functions_ex(
        session->channel, &functions, session));
}
