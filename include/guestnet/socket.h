/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_SOCKET_H
#define GUESTNET_SOCKET_H

/*
 * Sockets as on Linux: struct sockaddr, AF_*, SOCK_*, MSG_*, SOL_*, and the
 * behaviour of the manual pages (bind(2), connect(2), tcp(7), udp(7), ...).
 * What differs is listed in docs/differences.md. The differences of form:
 *
 *   - a result below 0 is a negative errno; errno itself is not touched;
 *   - SIGPIPE is never raised and -EINTR never returned;
 *   - what is addressed in a namespace is the guest's network, nothing else.
 *
 * TCP and UDP over IPv4 and IPv6. Any call from any thread, also on the same
 * socket at once. A call blocks as on Linux, unless the socket is non-blocking
 * (SOCK_NONBLOCK, gn_sock_set_nonblock()) or the call says MSG_DONTWAIT. On
 * the driving thread, where nothing could ever end it, a call that would block
 * returns -EDEADLK instead.
 *
 * Lifetime: a socket comes with one reference. gn_sock_close() ends it for all
 * threads at once; gn_sock_unref() gives a reference back, and the last one
 * frees the memory (and closes the socket, if it still is open). Threads that
 * share a socket hold a reference each.
 *
 *     gn_sock_open, _accept --> open --(gn_sock_close)--> closed: -EBADF
 *                                |
 *                                +--(gn_namespace_kill, _close)--> -ECANCELED
 *
 * Addresses are those of <netinet/in.h>: sin_port and sin6_port are in network
 * byte order (htons()), and so are the addresses; sin6_scope_id is the number
 * of an interface, in host order. A length that is short of the whole address
 * is an error where one is given, and cuts it where one is returned.
 *
 * Errors that every call can return, not repeated below:
 *   -EBADF      The socket is closed.
 *   -ECANCELED  Its namespace was killed or closed.
 *   -EFAULT     A pointer that is needed is NULL. Where a length of 0 goes with
 *               a pointer, it may be NULL.
 *   -ENOMEM, -ENOBUFS  Out of memory, or over a limit of the namespace; nothing
 *               has changed.
 *
 * "Routing's errors" are those of a destination that cannot be reached:
 *   -ENETUNREACH    There is no route to it, also when the namespace has been
 *                   detached, or the socket's address is none any more.
 *   -EHOSTUNREACH   A router on the way said that no host has it.
 *   -ENETDOWN       The interface that the socket was bound to or connected
 *                   over is gone; said once, then -ENETUNREACH.
 *   -EAFNOSUPPORT   An IPv6 destination from an IPv4 address.
 *   -EINVAL         A link-local destination without an interface, or the
 *                   destination is beyond the own host and the source
 *                   127.0.0.0/8.
 *
 * Sockets of gn_namespace_system() return what the kernel returns.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <guestnet/addr.h>
#include <guestnet/export.h>

GN_BEGIN_DECLS

struct gn_namespace;
struct gn_sock;

/** The level of options that only these sockets have. */
#define GN_SOL_GUESTNET 0x676e

/**
 * Of a stream, before connect(): let the host speak TLS for the guest. What
 * leaves by the namespace's egress is TLS with this name, which is sent (SNI)
 * and which the server's certificate must be for; the guest reads and writes
 * plain text. connect() succeeds when the handshake has; a handshake that fails
 * is -EPROTO. shutdown() and close() send close_notify; a server that ends
 * without one is -ECONNRESET.
 *
 * The value is text, with or without its NUL: a DNS name, or an address, which
 * the certificate must name then and which is not sent. Length 0 takes it back.
 * Read, it has its NUL.
 *
 *   -ENOPROTOOPT  Not a stream, or the library was built without TLS.
 *   -EINVAL       Neither a name nor an address.
 *   -EISCONN      Connecting, connected or listening.
 *
 * connect() is then -EOPNOTSUPP to what does not leave by an egress: guests,
 * services of the host's in the network, the host program; and
 * -EPROTONOSUPPORT by an egress that is not gn_egress_system()'s.
 */
#define GN_TLS_SERVER_NAME 1

/** Elements of an iovec that a call takes; more are -EMSGSIZE (UIO_MAXIOV). */
#define GN_IOV_MAX 1024

/**
 * Open a socket, socket(2).
 *
 * @ns        Borrowed.
 * @family    AF_INET or AF_INET6 (dual stack unless IPV6_V6ONLY is set).
 * @type      SOCK_STREAM or SOCK_DGRAM; SOCK_NONBLOCK and SOCK_CLOEXEC may be
 *            or-ed to it, the latter means nothing here.
 * @protocol  0, or IPPROTO_TCP or IPPROTO_UDP as fits the type.
 * @out       Set only on success. Owned by the caller: gn_sock_close() and
 *            gn_sock_unref().
 *
 *   -EAFNOSUPPORT     Another family.
 *   -ESOCKTNOSUPPORT  Another type (raw sockets are not there).
 *   -EPROTONOSUPPORT  The protocol does not fit.
 *   -EINVAL           No type at all, or unknown flags.
 *   -EMFILE           The namespace has as many sockets as it may.
 */
GN_API GN_WARN_UNUSED int gn_sock_open(struct gn_namespace *ns, int family,
                                       int type, int protocol,
                                       struct gn_sock **out);

/**
 * Bind, bind(2). Ports below 1024 need no privilege; port 0 picks one.
 *
 * @addr  Copied. An address of the namespace, any, a group, or a broadcast
 *        address of one of its interfaces; a link-local one with its scope.
 * @len   Bytes in @addr.
 *
 *   -EINVAL         Bound already, the address is too short or too long, a
 *                   link-local one has no scope, a stream is to be bound to a
 *                   group of IPv6, or an IPv6 socket with IPV6_V6ONLY to IPv4.
 *   -EAFNOSUPPORT   Not of the socket's family.
 *   -EADDRNOTAVAIL  Not an address of the namespace, or of the interface that
 *                   its scope names.
 *   -ENODEV         There is no such interface.
 *   -EADDRINUSE     Taken, or with port 0: no port is free.
 *
 * Hooks that show the port outside (egress.h) hear of it later, and change
 * nothing of the result.
 */
GN_API GN_WARN_UNUSED int gn_sock_bind(struct gn_sock *sock,
                                       const struct sockaddr *addr,
                                       socklen_t len);

/**
 * Accept connections from now on, listen(2). A backlog above 4096 counts as
 * that; a socket that is not bound gets a port.
 *
 * @backlog  Connections that may wait; below 0 is as many as may be.
 *
 *   -EINVAL      Connected, or connecting.
 *   -EOPNOTSUPP  Not a stream socket.
 *   -EADDRINUSE  Another socket listens on the port, or none is free.
 */
GN_API GN_WARN_UNUSED int gn_sock_listen(struct gn_sock *sock, int backlog);

/**
 * Connect, connect(2). AF_UNSPEC dissolves an association. Any address is the
 * own host; a stream connects to no group and to no broadcast address.
 *
 * @addr  Copied.
 * @len   Bytes in @addr.
 *
 *   -EINPROGRESS   Non-blocking: POLLOUT says when it is over, SO_ERROR how.
 *                  Also when SO_SNDTIMEO ran out.
 *   -EALREADY      One is under way.
 *   -EISCONN       Connected, or listening.
 *   -ECONNREFUSED  Nothing listens there.
 *   -ETIMEDOUT     No answer in TCP_SYNCNT tries, or TCP_USER_TIMEOUT.
 *   -ECONNRESET    Reset while it was under way.
 *   -ECONNABORTED  It ended, and the error was taken by SO_ERROR.
 *   -EADDRNOTAVAIL No port is free for this destination, or the connection
 *                  exists already.
 *   -EAGAIN        Datagrams: no port is free.
 *   -EACCES        A broadcast address without SO_BROADCAST, or the rules for
 *                  what is outside deny it.
 *   -EDEADLK       It would have to wait on the driving thread.
 *   -EINVAL, -EAFNOSUPPORT  As gn_sock_bind(), or shut down while connecting.
 *   and routing's errors. Outside, the hooks of the gateway answer (egress.h):
 *   what they say, the kernel's errno by the ready ones, is returned.
 */
GN_API GN_WARN_UNUSED int gn_sock_connect(struct gn_sock *sock,
                                          const struct sockaddr *addr,
                                          socklen_t len);

/**
 * Take the oldest connection of a listening socket, accept4(2). One that has
 * been reset meanwhile is returned too; its first use says -ECONNRESET.
 *
 * @addr   Gets the peer's address, cut at *@len. May be NULL, with @len.
 *         A length of 0 wants none.
 * @len    In: room in @addr, bytes. Out: what the whole address takes.
 * @flags  0, SOCK_NONBLOCK, SOCK_CLOEXEC.
 * @out    As gn_sock_open().
 *
 *   -EAGAIN      None is waiting (non-blocking, or SO_RCVTIMEO ran out).
 *   -EINVAL      Not listening, unknown flags, or a negative length.
 *   -EOPNOTSUPP  Not a stream socket.
 *   -EMFILE      As gn_sock_open(); the connection stays.
 *   -ENETDOWN    The interface it was bound to is gone; said once.
 *   -EDEADLK     It would have to wait on the driving thread.
 */
GN_API GN_WARN_UNUSED int gn_sock_accept(struct gn_sock *sock,
                                         struct sockaddr *addr, socklen_t *len,
                                         int flags, struct gn_sock **out);

/**
 * Send, send(2). @flags: MSG_DONTWAIT, MSG_MORE, MSG_NOSIGNAL (always so),
 * MSG_EOR, MSG_CONFIRM and MSG_DONTROUTE (no effect).
 *
 * @data  Copied. NULL only with @len 0.
 * @len   Bytes. 0 sends an empty datagram; of a stream it only asks whether it
 *        could be sent.
 *
 * Returns the bytes taken: of a stream perhaps fewer than given, when the
 * call does not block or the connection ends. A blocking call goes on until
 * all are.
 *
 *   -EAGAIN        No room now (non-blocking, or SO_SNDTIMEO ran out): of
 *                  datagrams to the outside as many wait as SO_SNDBUF holds.
 *                  Or a datagram socket finds no free port.
 *   -EPIPE         Not connected, or shut down for sending.
 *   -ECONNRESET, -ETIMEDOUT, ...  Why the connection ended; said once.
 *   -EDESTADDRREQ  A datagram without destination.
 *   -EMSGSIZE      A datagram too long (65,507 bytes; 65,487 for IPv6; with
 *                  IP_PMTUDISC_DO and its like the MTU of its way, or
 *                  IPV6_MTU), or more than GN_IOV_MAX elements.
 *   -EINVAL        A length above SSIZE_MAX, or port 0.
 *   -EDEADLK       It would have to wait on the driving thread.
 *   -EACCES        A broadcast without SO_BROADCAST.
 *   -EOPNOTSUPP    MSG_OOB, MSG_FASTOPEN and other flags not there.
 *   -ECONNREFUSED  Datagrams: an earlier one met a closed port.
 *   and routing's errors; of a stream, what gn_sock_connect() would say.
 */
GN_API ssize_t gn_sock_send(struct gn_sock *sock, const void *data, size_t len,
                            int flags);
/** The same to @addr; on a connected stream that is ignored, as on Linux. */
GN_API ssize_t gn_sock_sendto(struct gn_sock *sock, const void *data,
                              size_t len, int flags,
                              const struct sockaddr *addr, socklen_t addr_len);
/**
 * The same from several buffers, with control messages IP_PKTINFO,
 * IPV6_PKTINFO, IP_TTL, IP_TOS, IPV6_HOPLIMIT, IPV6_TCLASS for datagrams. A
 * stream checks that they are well-formed, and ignores them.
 *
 * @msg  Borrowed. msg_name NULL, or msg_namelen 0: the peer. msg_iov may be
 *       NULL with msg_iovlen 0, and iov_base with iov_len 0.
 *
 *   -EINVAL  A control message is malformed, unknown or out of range, or its
 *            source is none of the namespace or of the interface it names.
 *   -ENODEV  There is no such interface.
 */
GN_API ssize_t gn_sock_sendmsg(struct gn_sock *sock, const struct msghdr *msg,
                               int flags);

/**
 * Receive, recv(2). @flags: MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC (of
 * a stream: throw the bytes away; of a datagram: return its whole length).
 *
 * @data  Written to. NULL with @len 0, or when MSG_TRUNC discards; else
 *        -EFAULT, if there is something: a stream keeps it, a datagram is lost.
 * @len   Room, bytes. 0 takes nothing from a stream, and a whole datagram.
 *
 * Returns the bytes received; 0 at the end of a stream, and for an empty
 * datagram.
 *
 *   -EAGAIN        Nothing is there (non-blocking, or SO_RCVTIMEO ran out).
 *   -ENOTCONN      A stream that is not connected.
 *   -ECONNRESET, -ETIMEDOUT, ...  Why the connection ended; said once.
 *   -ECONNREFUSED  Datagrams: an earlier one met a closed port.
 *   -ENETDOWN      The interface is gone that it was bound to or connected
 *                  over; said once.
 *   -EMSGSIZE, -EINVAL, -EDEADLK  As gn_sock_send().
 *   -EOPNOTSUPP    MSG_OOB.
 */
GN_API ssize_t gn_sock_recv(struct gn_sock *sock, void *data, size_t len,
                            int flags);
/** The same with the sender of a datagram; a stream leaves @addr alone and
 *  sets *@addr_len to 0. Both may be NULL. */
GN_API ssize_t gn_sock_recvfrom(struct gn_sock *sock, void *data, size_t len,
                                int flags, struct sockaddr *addr,
                                socklen_t *addr_len);
/** The same into several buffers, with control messages as asked for by
 *  IP_PKTINFO, IPV6_RECVPKTINFO, IP_RECVTTL, IP_RECVTOS, .... msg_flags gets
 *  MSG_TRUNC and MSG_CTRUNC. */
GN_API ssize_t gn_sock_recvmsg(struct gn_sock *sock, struct msghdr *msg,
                               int flags);

/**
 * Shut down one or both directions, shutdown(2).
 *
 * @how  SHUT_RD, SHUT_WR or SHUT_RDWR; else -EINVAL.
 *
 *   -ENOTCONN  Not connected.
 */
GN_API int gn_sock_shutdown(struct gn_sock *sock, int how);

/** The own address, getsockname(2); port 0: it has none. @addr and @len as
 *  gn_sock_accept(), but @len may not be NULL. -EINVAL: a negative length. */
GN_API GN_WARN_UNUSED int gn_sock_name(struct gn_sock *sock,
                                       struct sockaddr *addr, socklen_t *len);
/** The peer's, getpeername(2). -ENOTCONN: there is none; -EINVAL as
 *  gn_sock_name(). */
GN_API GN_WARN_UNUSED int gn_sock_peer(struct gn_sock *sock,
                                       struct sockaddr *addr, socklen_t *len);

/**
 * Set an option, setsockopt(2): those of the table in docs/differences.md.
 *
 * @value  Copied. NULL only with @len 0.
 * @len    Bytes in @value. An int may be longer; of IPPROTO_IP a byte will do.
 *
 *   -ENOPROTOOPT  Unknown here, or it can only be read.
 *   -EINVAL       The value or its length is not one of the option's, or it
 *                 comes too late (IPV6_V6ONLY).
 *   -EDOM         SO_RCVTIMEO, SO_SNDTIMEO: tv_usec is out of range.
 *   -EPERM        SO_PRIORITY above 6.
 *   -ENOENT       TCP_CONGESTION: not "reno".
 *   -ENODEV       There is no such interface.
 *   -EADDRNOTAVAIL  IP_MULTICAST_IF: no interface; IP_DROP_MEMBERSHIP and its
 *                 like: it is not in the group there.
 *   -EADDRINUSE   It is in the group already.
 *   -EPROTO       A stream joins no group.
 */
GN_API int gn_sock_setopt(struct gn_sock *sock, int level, int name,
                          const void *value, socklen_t len);
/**
 * Read an option, getsockopt(2).
 *
 * @value  Gets it, cut at *@len. NULL only with *@len 0.
 * @len    In: room, bytes. Out: what was written.
 *
 *   -ENOPROTOOPT  Unknown here, or it can only be set.
 *   -EOPNOTSUPP   An IPv4 socket has no options of this level.
 *   -EINVAL       A negative length.
 *   -ENOTCONN     IP_MTU, IPV6_MTU: it keeps no way to a peer.
 */
GN_API int gn_sock_getopt(struct gn_sock *sock, int level, int name,
                          void *value, socklen_t *len);

/** Make it non-blocking, or blocking; fcntl(2) with O_NONBLOCK. */
GN_API int gn_sock_set_nonblock(struct gn_sock *sock, bool on);
/** Is it non-blocking? 1 or 0. */
GN_API int gn_sock_nonblock(struct gn_sock *sock);

/** Bytes that can be read without blocking (of the first datagram), FIONREAD;
 *  -EINVAL for a listening socket. */
GN_API ssize_t gn_sock_available(struct gn_sock *sock);
/** Bytes sent and not yet acknowledged by the peer, SIOCOUTQ; of datagrams the
 *  memory of those that the outside has not taken yet. */
GN_API ssize_t gn_sock_unsent(struct gn_sock *sock);

/** @revents  What of the events asked for holds, as poll(2) has it. */
typedef void (*gn_watch_cb)(struct gn_sock *sock, short revents, void *arg);

/**
 * Watch a socket: a subscription. @callback runs on the driving thread again
 * and again while any of @events (or POLLERR, POLLHUP) holds.
 *
 * @events    As for poll(2); 0 stops. A second call replaces the first.
 * @callback  May call anything that does not block, also close the socket.
 *            Not NULL unless @events is 0.
 *
 * When a call that stops or replaces returns, the old callback does not run
 * any more: off the driving thread the call waits for one that is running.
 * Closing the socket stops too, and so does giving its last reference back.
 * When its namespace ends or is killed the callback is told once more, and that
 * is the last call.
 *
 *   -ENOTSUP  A socket of gn_namespace_system(): it has a descriptor.
 */
GN_API int gn_sock_watch(struct gn_sock *sock, short events,
                         gn_watch_cb callback, void *arg);

/** What gn_sock_poll() looks at. */
struct gn_pollfd {
    struct gn_sock *sock; /* Borrowed; NULL: a kernel descriptor. */
    int fd;               /* Below 0: skipped. */
    short events;
    short revents;
};

/**
 * Wait until one of many is ready, poll(2): sockets of any networks and kernel
 * descriptors side by side. A closed socket is POLLNVAL, one of a killed
 * namespace POLLERR and POLLHUP.
 *
 * @timeout_ms  Below 0: for ever. 0: do not wait.
 *
 * Returns how many have revents, 0 when the time ran out, or:
 *   -EINVAL   More than 65,536 elements.
 *   -EDEADLK  It would have to wait on the driving thread of a socket.
 *   -EMFILE, -ENFILE  Sockets of several networks, or kernel descriptors beside
 *             sockets, take descriptors of the call's own, and none is free.
 */
GN_API int gn_sock_poll(struct gn_pollfd *fds, size_t n, int timeout_ms);

struct gn_wait;

/** @status  0: something is ready, and gn_sock_poll() with a time-out of 0 says
 *           what. -ETIMEDOUT, or -ECANCELED (gn_wait_cancel(), or the namespace
 *           was killed or closed). */
typedef void (*gn_wait_cb)(struct gn_wait *wait, int status, void *arg);

/**
 * Wait once for many sockets and a time without a thread: what a fiber or a
 * promise does where a thread calls gn_sock_poll(). A socket may be in any
 * number of waits, beside its watch and threads that block in it.
 *
 * @ns           Whose time it is, and whose end ends it.
 * @fds          Copied. Sockets of this driver, each referenced until the
 *               callback; a NULL one with an fd below 0 is skipped. NULL with
 *               @n 0: the time only.
 * @deadline_ns  Of gn_now_ns(); UINT64_MAX: never.
 * @callback     Runs once on the driving thread, on a later turn, and may call
 *               anything that does not block.
 * @out          NULL, or set on success, before @callback can run. Owned by the
 *               caller: gn_wait_unref().
 *
 * Returns 0, or:
 *   -EINVAL     An argument is NULL, or more than 65,536 elements.
 *   -ENOTSUP    A kernel descriptor, or a socket of gn_namespace_system().
 *   -EXDEV      A socket of another driver.
 *   -EAGAIN     The guest has gn_limits.max_timers already.
 *   -ECANCELED  The namespace was killed or is closing.
 *   -ENOMEM
 * Any thread.
 */
GN_API GN_WARN_UNUSED int gn_wait_start(struct gn_namespace *ns,
                                        const struct gn_pollfd *fds, size_t n,
                                        uint64_t deadline_ns,
                                        gn_wait_cb callback, void *arg,
                                        struct gn_wait **out);
/** End one early: the callback runs with -ECANCELED on a later turn, if it has
 *  not begun. Again, or NULL: does nothing. Any thread; never waits. */
GN_API void gn_wait_cancel(struct gn_wait *wait);
/** Let go of the handle; the wait goes on. Any thread. NULL is allowed. */
GN_API void gn_wait_unref(struct gn_wait *wait);

/**
 * A descriptor for an event loop of another kind: readable while any of
 * @events (or POLLERR, POLLHUP) of the socket holds. Never read or write it.
 * When the socket is closed it becomes readable and stays so; it is closed with
 * the last reference to the socket. A thread that polls it holds one, and so
 * can be sure that the number is no other file's.
 *
 * @events  One descriptor exists for each different value, at most four;
 *          asking again gives the same one.
 * @fd      Set only on success. Borrowed, until gn_sock_unref().
 *
 *   -EINVAL   No events.
 *   -ENOSPC   There are four.
 *   -EMFILE, -ENFILE  No descriptor is free.
 */
GN_API GN_WARN_UNUSED int gn_sock_fd(struct gn_sock *sock, short events,
                                     int *fd);

/** Take one more reference. Returns @sock. */
GN_API struct gn_sock *gn_sock_ref(struct gn_sock *sock);
/** Give a reference back; the last one closes and frees. NULL is allowed. */
GN_API void gn_sock_unref(struct gn_sock *sock);
/**
 * Close, close(2): blocked and later calls return -EBADF. References stay, and
 * are given back by gn_sock_unref(). Closing twice, or NULL, does nothing.
 *
 * Unread data of a stream resets the connection; what has been sent is still
 * delivered, by no thread in particular. With SO_LINGER the call waits
 * for that, up to its time, also that of a non-blocking socket (as on Linux),
 * but never on the driving thread.
 */
GN_API void gn_sock_close(struct gn_sock *sock);

/**
 * Look an address up and connect to it: getaddrinfo(3), socket(2) and
 * connect(2) for a guest's thread, with a time-out around them. The addresses
 * of a name are tried one after the other, in the order of RFC 6724; an attempt
 * gets an equal share of the time that is left, but 2 s if there are as many.
 *
 * @proto       "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6". A datagram socket
 *              is connected; nothing is sent.
 * @address     "web:80", "10.77.0.2:80", "[fd77::2]:http"; ":80" is the guest's
 *              own loopback (conn.h).
 * @timeout_ms  For all of it, the lookup included (in gn_namespace_system() it
 *              takes the C library's own time). 0: as long as the lookup and
 *              TCP try.
 * @why         On every error gets one line that says what failed, and for a
 *              malformed address what would be right, cut at @why_len bytes.
 *              May be NULL.
 * @out         A blocking socket. Set only on success. Owned by the caller:
 *              gn_sock_close() and gn_sock_unref().
 *
 * Returns 0, or:
 *   -EINVAL     @proto or @address is malformed, port 0, or NULL.
 *   -ETIMEDOUT  The time ran out, or TCP gave up.
 *   -EDEADLK    On the driving thread: use gn_dial().
 *   GN_EAI_*    The lookup's error (resolver.h).
 *   and what gn_sock_open() and gn_sock_connect() return, of the first address.
 */
GN_API GN_WARN_UNUSED int gn_sock_dial(struct gn_namespace *ns,
                                       const char *proto, const char *address,
                                       uint64_t timeout_ms, char *why,
                                       size_t why_len, struct gn_sock **out);

/**
 * Open a socket at an address of the guest's own: socket(2), bind(2) and, for
 * "tcp", listen(2) with SO_REUSEADDR, so that a server that was just ended can
 * start again.
 *
 * @proto    As gn_sock_dial(). With "tcp" and "udp" and no host the socket
 *           serves both versions (IPV6_V6ONLY off).
 * @address  ":80": all of its addresses; "10.77.0.2:80", "[fd77::2]:80",
 *           "localhost:80"; port 0 takes a free one.
 * @backlog  As gn_sock_listen(); 0: the most there may be, 4096. Not for "udp".
 * @why, @out  As gn_sock_dial().
 *
 * Returns 0, or:
 *   -EINVAL  @proto or @address is malformed, names another host, or is NULL.
 *   and what gn_sock_open(), gn_sock_bind() and gn_sock_listen() return.
 */
GN_API GN_WARN_UNUSED int gn_sock_listen_at(struct gn_namespace *ns,
                                            const char *proto,
                                            const char *address, int backlog,
                                            char *why, size_t why_len,
                                            struct gn_sock **out);

/** The time of the network's driver, ns, monotonic; virtual under a clock. */
GN_API uint64_t gn_now_ns(struct gn_namespace *ns);
/**
 * Sleep in that time.
 *
 * Returns 0, -ECANCELED when the namespace was killed, or -EDEADLK on the
 * driving thread.
 */
GN_API int gn_sleep_ns(struct gn_namespace *ns, uint64_t ns_to_sleep);
/** Random bytes from the namespace's stream; repeatable under a seed. */
GN_API void gn_random(struct gn_namespace *ns, void *out, size_t len);

GN_END_DECLS

#endif /* GUESTNET_SOCKET_H */
