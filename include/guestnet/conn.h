/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_CONN_H
#define GUESTNET_CONN_H

/*
 * The host program in the network: it dials, listens, and exchanges datagrams
 * with callbacks on the driving thread.
 *
 *     gn_dial ------> (callback) --> gn_conn --(gn_conn_close)--> gone
 *     gn_listen --> gn_listener --> (callback) --> gn_conn
 *     gn_listen_packet --> gn_packet_conn
 *
 * A namespace says which side speaks. From gn_network_gateway() guests see the
 * gateway's address; from a guest's own namespace "127.0.0.1:80" is what
 * listens on that guest's loopback.
 *
 * A proto is "tcp", "tcp4", "tcp6", "udp", "udp4" or "udp6"; the number
 * restricts the addresses to one version. Addresses are "host:port":
 *
 *     10.77.0.2:80  [fd77::2]:80  [fe80::1%2]:80   by number
 *     web:80  web.guest.internal:http              by name, of host or service
 *     :80                                          dialling: the namespace's
 *                              own loopback; listening: all its addresses
 *
 * A listener names its own addresses by number, or "localhost"; port 0 takes
 * a free port. gn_address_check() says in words what is wrong with a text.
 *
 * Requests (dial, write, shutdown, close) and subscriptions (listen, read) are
 * those of guestnet.h: a request that returned 0 calls back once, on a later
 * turn; what is closed or cancelled ends its requests with -ECANCELED first.
 * Callbacks may call everything here that does not block, and may close what
 * they are about. No lock is held in them.
 *
 * Threads: under GN_DRIVE_THREAD any. gn_dial() and gn_dial_cancel() never
 * wait, nor does what only asks (gn_conn_queued(), _is_readable(), _name() and
 * their kind, the options); every other call from another thread is carried to
 * the driving thread and waited for, so hold no lock there that a callback
 * takes. Under the other
 * drives all of this is for the driving thread. Without descriptors
 * (GN_DRIVE_VIRTUAL) all but gn_dial_fd() and gn_conn_fd() works.
 *
 * Listeners, packet conns, conns and pending dials keep a loop running until
 * they are closed or over; a network by itself does not.
 *
 * When the network closes, what is still open here ends with it: requests and
 * subscriptions get -ECANCELED, before the network's close callback. After
 * that callback (or, without one, the return of gn_network_close()) nothing
 * here may be called for them; until then a close is still answered.
 *
 * Errors that every call can return, not repeated below:
 *   -EINVAL     A pointer that is needed is NULL.
 *   -ECANCELED  The network is closing, or the namespace was killed or closed.
 *   -ENOMEM     Out of memory; nothing has changed.
 *   -ENOTSUP    A namespace of gn_namespace_system().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <guestnet/export.h>
#include <guestnet/network.h>

GN_BEGIN_DECLS

struct gn_conn;
struct gn_dial;
struct gn_listener;
struct gn_packet_conn;
struct gn_sock;

/** What a reader gets at the end of a stream; the number of UV_EOF. */
#define GN_EOF (-4095)

/** Enough for a name, brackets or port, and the final NUL. */
#define GN_ADDRESS_MAX 272

/**
 * Check a proto and an address as gn_dial() takes them (and, but for port 0
 * and names, gn_listen()).
 *
 * @why  Gets one line that says what is wrong, where, and what would be right,
 *       cut at @why_len bytes. May be NULL.
 *
 * Returns 0 or -EINVAL. Any thread; nothing is looked up.
 */
GN_API int gn_address_check(const char *proto, const char *address, char *why,
                            size_t why_len);

/* ---- waiting for a server ---- */

/**
 * Wait until a guest's socket listens (of "udp": is bound) at an address: the
 * first line of a test that has just started a server. No connection is made.
 *
 * @from        Whose view it is: gn_network_gateway(), or a guest.
 * @proto, @address
 *              As for gn_dial(), but names are those of the network's guests,
 *              which need not be there yet, and services the usual ones. A name
 *              of several addresses is served when one of them is.
 * @timeout_ms  In the network's time. 0: for ever.
 * @why         On every error gets one line, cut at @why_len bytes. May be
 *              NULL.
 *
 * Returns 0, or:
 *   -EINVAL     @proto or @address is malformed or NULL.
 *   -ETIMEDOUT  Nothing listens there yet.
 *   -ECANCELED  @from was killed or closed.
 *   -EDEADLK    It would have to wait on the driving thread.
 *   -ENOTSUP    A namespace of gn_namespace_system().
 * Any thread.
 */
GN_API GN_WARN_UNUSED int gn_wait_listening(struct gn_namespace *from,
                                            const char *proto,
                                            const char *address,
                                            uint64_t timeout_ms, char *why,
                                            size_t why_len);

/* ---- dialling ---- */

/** What gn_dial_fd() and gn_conn_fd() give. */
enum gn_fd_kind {
    GN_FD_SOCKETPAIR = 0, /* One end of a Unix stream socket pair: no
                             TCP_NODELAY, no peer name, and a reset may read as
                             end of file. */
    GN_FD_TCP,            /* One end of a TCP connection over the host's own
                             loopback: all but the peer name hold, and
                             connect(2) on it succeeds once, for programs that
                             do that to a connected socket (libcurl 7.88). */
    GN_N_FD_KINDS
};

/** Settings for gn_dial(); zero selects the default given here. */
struct gn_dial_options {
    size_t size;             /* sizeof this struct. Required. */
    uint64_t timeout_ms;     /* For all of it, the lookup included; as long as
                                TCP tries, some two minutes an address. */
    const char *local;       /* Where from: "10.77.0.1", "10.77.0.1:4000",
                                "[fd77::1]:4000", ":4000"; as routing says. */
    enum gn_fd_kind fd_kind; /* Of gn_dial_fd(); GN_FD_SOCKETPAIR. */
    char *why;               /* Borrowed for the call: on -EINVAL gets one line
                                that says what is wrong, where, and what would
                                be right. */
    size_t why_len;
};

/**
 * A dial is over.
 *
 * @dial    Borrowed for the call.
 * @status  0, -ETIMEDOUT, -ECANCELED, what the name's lookup ended with
 *          (GN_EAI_*, resolver.h), or of the first address that was tried:
 *          -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, -ENETUNREACH,
 *          -EADDRNOTAVAIL, -EADDRINUSE, -EMFILE, -ENOBUFS, -ENOMEM, as
 *          gn_sock_bind() and gn_sock_connect() say it.
 * @conn    With status 0: owned, gn_conn_close(). Else NULL.
 */
typedef void (*gn_dial_cb)(struct gn_dial *dial, int status,
                           struct gn_conn *conn, void *arg);

/**
 * Connect, as connect(2) does. A name's addresses are tried one after the
 * other, in the order of RFC 6724; with a time-out each gets its share of what
 * is left. "udp": a conn whose reads and writes are datagrams of one peer.
 *
 * @from     Borrowed; closing it ends the dial.
 * @proto, @address  Copied; see the head of this file.
 * @options  Copied. NULL for the defaults.
 * @out      NULL, or set on success, before @callback can run. Owned by the
 *           caller: gn_dial_unref().
 *
 * Returns 0, or:
 *   -EINVAL  The network is not one of the six, the address or the options are
 *            malformed, or an address has the wrong version.
 */
GN_API GN_WARN_UNUSED int gn_dial(struct gn_namespace *from, const char *proto,
                                  const char *address,
                                  const struct gn_dial_options *options,
                                  gn_dial_cb callback, void *arg,
                                  struct gn_dial **out);

/** End it early: the callback runs with -ECANCELED on a later turn. When it has
 *  run, again, or NULL: does nothing. Any thread; never waits. */
GN_API void gn_dial_cancel(struct gn_dial *dial);
/** Let go of the handle; the dial goes on. Any thread, before or after the
 *  callback or in it. NULL is allowed. */
GN_API void gn_dial_unref(struct gn_dial *dial);

/* ---- listening ---- */

/**
 * A connection came.
 *
 * @status  0; or, as the last call, why none will come any more: -ECANCELED,
 *          -ENETDOWN (its interface is gone). The listener is still to be
 *          closed.
 * @conn    With status 0: owned, gn_conn_close(). Else NULL.
 */
typedef void (*gn_accept_cb)(struct gn_listener *listener, int status,
                             struct gn_conn *conn, void *arg);

/**
 * Listen for TCP connections: a subscription. "tcp" with no host listens on
 * IPv4 and IPv6 at once.
 *
 * The backlog is 4096 connections. While the namespace has as many sockets as
 * it may, or memory is out, connections stay there and nothing is lost or told;
 * accepting goes on when that has passed.
 *
 * A guest can neither close it nor take its port, whatever options it sets: the
 * port is in the host's namespace, and it ends by gn_listener_close() or with
 * its namespace only.
 *
 * @ns       Borrowed; closing it ends the listener.
 * @proto, @address  Copied.
 * @out      Set only on success. Owned: gn_listener_close().
 *
 * Returns 0, or:
 *   -EINVAL         The network is not one of the three, or the address is
 *                   malformed, a name, or of the wrong version.
 *   -EADDRNOTAVAIL  Not an address of the namespace.
 *   -EADDRINUSE     Taken, or with port 0: no port is free.
 *   -EMFILE         The namespace has as many sockets as it may.
 */
GN_API GN_WARN_UNUSED int gn_listen(struct gn_namespace *ns, const char *proto,
                                    const char *address, gn_accept_cb callback,
                                    void *arg, struct gn_listener **out);

/** Its address with the port it got, getsockname(2). @len: in the room in
 *  @addr, out what the whole address takes. */
GN_API GN_WARN_UNUSED int gn_listener_addr(struct gn_listener *listener,
                                           struct sockaddr *addr,
                                           socklen_t *len);
/** The same as text, as gn_addr_format(), whose errors it has, too. */
GN_API GN_WARN_UNUSED int gn_listener_addr_text(struct gn_listener *listener,
                                                char *out, size_t cap);

/**
 * Stop listening. Connections that were not accepted are reset.
 *
 * @listener  Consumed.
 * @callback  Runs once, when it is gone. NULL: off the driving thread the call
 *            returns when it is gone; on it no call is made.
 *
 * Returns 0, or -EALREADY (closed before), and @callback does not run.
 */
GN_API int gn_listener_close(struct gn_listener *listener, gn_close_cb callback,
                             void *arg);

/**
 * A guest has connected to a listener of gn_listen_fd(), just before the server
 * can accept it. Once for each client, also for one that is then reset because
 * the server has closed its descriptor. On the driving thread; must not block.
 *
 * @client  The guest's address. Borrowed for the call.
 * @seen    What getpeername(2) of the server's accepted socket gives: AF_UNIX
 *          or, with `loopback`, AF_INET. Borrowed for the call.
 */
typedef void (*gn_listen_fd_cb)(const struct sockaddr *client,
                                const struct sockaddr *seen, void *arg);

/** Settings for gn_listen_fd(); zero selects the default given here. */
struct gn_listen_fd_options {
    size_t size;              /* sizeof this struct. Required. */
    int backlog;              /* Of the descriptor, listen(2); SOMAXCONN. */
    const char *directory;    /* Where the socket's folder is made; NULL:
                              $XDG_RUNTIME_DIR, else $TMPDIR, else /tmp. */
    bool loopback;            /* A TCP socket on 127.0.0.1 instead, for servers
                              that take no other. Every user and every process
                              of this machine can connect to it, and looks
                              like a guest unless the server compares what it
                              accepts with what `accepted` told. */
    bool proxy_protocol;      /* Send a PROXY protocol 1 line with the guest's
                              address in front of each connection (nginx:
                              "listen ... proxy_protocol"). */
    gn_listen_fd_cb accepted; /* NULL: no call. */
    void *arg;                /* Borrowed as long as the listener. */
    char *path; /* Borrowed for the call: gets the Unix socket's path, or
                        "127.0.0.1:PORT", cut at path_len bytes. NULL. */
    size_t path_len;
    char *why; /* Borrowed for the call: on an error of the text or the folder
                  gets one line that says what is wrong. */
    size_t why_len;
};

/**
 * A listening descriptor of the kernel's whose connections come from the
 * network: for servers that take one (nginx, systemd's LISTEN_FDS, gunicorn
 * --fd, libmicrohttpd's MHD_OPTION_LISTEN_SOCKET). A client that the server
 * does not accept yet waits, and so does one that the guest has no descriptor
 * left for (gn_limits.max_descriptors); when the server has closed the
 * descriptor, clients are reset.
 *
 * It is a Unix stream socket in a folder of its own with mode 0700, which goes
 * with the listener. getpeername(2) of an accepted socket gives a path whose
 * last part is the guest's address: ".../10.77.0.5:40000".
 *
 * @ns, @address  As gn_listen().
 * @proto         "tcp", "tcp4" or "tcp6".
 * @options       Copied. NULL for the defaults.
 * @fd            Set only on success. Owned by the caller: blocking, and
 *                close-on-exec as every descriptor of this library (dup2(2)
 *                it for a child). Closing it does not end the listener.
 * @out           Set only on success. Owned by the caller: ended by
 *                gn_listener_close() or with the network.
 *
 * Returns 0, or with nothing left behind:
 *   -ENAMETOOLONG  The directory is too long for a Unix socket in it.
 *   -ENOENT, -EACCES, ...  The folder cannot be made there.
 *   -EMFILE, -ENFILE  No descriptor is free.
 *   -ENOTSUP  GN_DRIVE_VIRTUAL: a clock has no descriptors.
 *   and as gn_listen().
 */
GN_API GN_WARN_UNUSED int gn_listen_fd(
    struct gn_namespace *ns, const char *proto, const char *address,
    const struct gn_listen_fd_options *options, int *fd,
    struct gn_listener **out);

/* ---- connections ---- */

/**
 * Bytes came, or of a "udp" conn one datagram.
 *
 * @nread  Bytes at @data, which is borrowed until the callback returns; a
 *         stream's are never 0. Or the end, after which nothing comes:
 *         GN_EOF       The peer has shut down for sending.
 *         -ECONNRESET, -ETIMEDOUT, -ENETDOWN, ...  Why the connection ended.
 *         -ECANCELED   The namespace or the network is closed.
 *         A "udp" conn has no GN_EOF, and reads on after -ECONNREFUSED.
 */
typedef void (*gn_conn_read_cb)(struct gn_conn *conn, ssize_t nread,
                                const void *data, void *arg);

/**
 * Read: a subscription. Without one, the peer may send until the window
 * is full, and no further.
 *
 * Returns 0, or -EALREADY (reading).
 */
GN_API int gn_conn_read_start(struct gn_conn *conn, gn_conn_read_cb callback,
                              void *arg);
/** Stop. What has come and was not given out is kept for the next start. */
GN_API void gn_conn_read_stop(struct gn_conn *conn);

/** @status  0, what ended the connection, -ECANCELED. The bytes are the
 *           caller's again. */
typedef void (*gn_conn_write_cb)(struct gn_conn *conn, int status, void *arg);

/**
 * Write all of it. Writes are done in the order in which they were asked for,
 * and so are their callbacks. Done means that TCP has taken a copy, not that
 * the peer has it.
 *
 * @data      Borrowed until @callback runs.
 * @callback  May be NULL: the caller knows by other means when the bytes are
 *            free, or never frees them.
 *
 * Returns 0, or 1: taken as well, but now more than the high-water mark waits,
 * and it would be well to write on when the drain callback has run. Or:
 *   -EPIPE     gn_conn_shutdown() was called.
 *   -EMSGSIZE  More than a datagram can be, or than GN_IOV_MAX elements.
 *   and what ended the connection.
 */
GN_API int gn_conn_write(struct gn_conn *conn, const void *data, size_t len,
                         gn_conn_write_cb callback, void *arg);
/** The same from several buffers; @iov is copied, what it points to borrowed.
 *  Of a "udp" conn one datagram. */
GN_API int gn_conn_writev(struct gn_conn *conn, const struct iovec *iov,
                          size_t n, gn_conn_write_cb callback, void *arg);

/**
 * Write what can be taken at once, and copy it.
 *
 * Returns the bytes taken, -EAGAIN (no room, or writes wait), or as
 * gn_conn_write().
 */
GN_API ssize_t gn_conn_try_write(struct gn_conn *conn, const void *data,
                                 size_t len);

/** Bytes that wait in writes. */
GN_API size_t gn_conn_queued(struct gn_conn *conn);

/** No more than the mark waits again. */
typedef void (*gn_conn_drain_cb)(struct gn_conn *conn, void *arg);

/** The default high-water mark, bytes. */
#define GN_CONN_HIGH_WATER 65536u

/**
 * Set the mark above which gn_conn_write() returns 1.
 *
 * @bytes     0: GN_CONN_HIGH_WATER.
 * @callback  A subscription: runs each time that no more than the mark waits
 *            again, after the callbacks of the writes. NULL: no call.
 */
GN_API void gn_conn_set_high_water(struct gn_conn *conn, size_t bytes,
                                   gn_conn_drain_cb callback, void *arg);

/**
 * Send FIN behind the writes that wait. Reading goes on.
 *
 * @callback  As of a write; may be NULL.
 *
 * Returns 0, or:
 *   -EALREADY    It was asked for.
 *   -EOPNOTSUPP  A "udp" conn.
 */
GN_API int gn_conn_shutdown(struct gn_conn *conn, gn_conn_write_cb callback,
                            void *arg);

/** Can there be anything to read: neither the end nor an error was given? */
GN_API bool gn_conn_is_readable(struct gn_conn *conn);
/** May writes succeed: neither shut down nor broken? */
GN_API bool gn_conn_is_writable(struct gn_conn *conn);

/** The own address and the peer's, as gn_listener_addr(); an IPv4 peer has an
 *  AF_INET address, also on a listener for both versions. */
GN_API GN_WARN_UNUSED int gn_conn_name(struct gn_conn *conn,
                                       struct sockaddr *addr, socklen_t *len);
GN_API GN_WARN_UNUSED int gn_conn_peer(struct gn_conn *conn,
                                       struct sockaddr *addr, socklen_t *len);

/** TCP_NODELAY: small writes go at once. -EOPNOTSUPP: "udp". */
GN_API int gn_conn_nodelay(struct gn_conn *conn, bool on);
/** SO_KEEPALIVE, and after how many idle seconds, TCP_KEEPIDLE; 0: as it is.
 *  -EOPNOTSUPP: "udp". -EINVAL: more than 32767. */
GN_API int gn_conn_keepalive(struct gn_conn *conn, bool on, unsigned idle_s);

/** Its socket, borrowed until it is closed: for options and statistics. To
 *  read, write or close it is the conn's business. */
GN_API struct gn_sock *gn_conn_sock(struct gn_conn *conn);

/** A word of the user's own. */
GN_API void gn_conn_set_user(struct gn_conn *conn, void *user);
GN_API void *gn_conn_user(const struct gn_conn *conn);

/**
 * Close. Writes that wait end with -ECANCELED; what is done is still delivered,
 * then FIN. Bytes that came and were not read make it a reset, as on Linux.
 *
 * @conn      Consumed.
 * @callback  As gn_listener_close(); its result too.
 */
GN_API int gn_conn_close(struct gn_conn *conn, gn_close_cb callback, void *arg);
/** The same with RST, and what was not yet delivered is thrown away. */
GN_API int gn_conn_reset(struct gn_conn *conn, gn_close_cb callback, void *arg);

/* ---- descriptors ---- */

/**
 * Hand a connection over as a descriptor of the kernel, for code that wants
 * one: an HTTP server's accepted socket, a TLS library's. What it writes there
 * is sent, what comes is there to be read, what came before and was not read
 * first of all; shutdown(2) and end of file pass both ways, and closing it
 * closes the connection.
 *
 * It is blocking, close-on-exec, and the caller's to close. In between the
 * driving thread moves the bytes, so it works only while that runs; the
 * kernel's buffers are added to what is under way. What else is different, see
 * enum gn_fd_kind: of GN_FD_SOCKETPAIR a connection that was reset may read as
 * one that ended; of GN_FD_TCP getpeername(2) is an address of the loopback. At
 * the network's end it is reset.
 *
 * @conn  Consumed on success: nothing of it calls any more but callbacks of
 *        writes that are done.
 * @fd    Set only on success.
 *
 * Returns 0, or:
 *   -EBUSY       Writes wait.
 *   -EPIPE       gn_conn_shutdown() was called.
 *   -EOPNOTSUPP  A "udp" conn.
 *   -ENOTSUP     A drive without descriptors, GN_DRIVE_VIRTUAL.
 *   -EMFILE, -ENFILE, ...  As socketpair(2) or socket(2).
 *   -ENOMEM      Also: the connection may have been reset by that; its reader
 *                and writes are told.
 *   or what ended the connection.
 */
GN_API GN_WARN_UNUSED int gn_conn_fd(struct gn_conn *conn, enum gn_fd_kind kind,
                                     int *fd);

/**
 * Dial and hand over: gn_dial() and gn_conn_fd() for a thread that waits.
 *
 * @options  fd_kind says what is given.
 * @fd       Set only on success; owned, close(2).
 *
 * Returns 0, what gn_dial() returns or its callback is given, what
 * gn_conn_fd() returns, or:
 *   -EDEADLK     On the driving thread; so always under GN_DRIVE_VIRTUAL.
 *   -EOPNOTSUPP  "udp".
 */
GN_API GN_WARN_UNUSED int gn_dial_fd(struct gn_namespace *from,
                                     const char *proto, const char *address,
                                     const struct gn_dial_options *options,
                                     int *fd);

/* ---- datagrams ---- */

/**
 * A datagram came.
 *
 * @nread  Bytes at @data, borrowed until the callback returns; 0 is an empty
 *         one. Or, as the last call, -ECANCELED; @from is then NULL.
 * @from   AF_INET or AF_INET6, borrowed until the callback returns.
 */
typedef void (*gn_packet_cb)(struct gn_packet_conn *conn, ssize_t nread,
                             const void *data, const struct sockaddr *from,
                             void *arg);

/**
 * Receive UDP datagrams: a subscription until gn_packet_close(). Arguments and
 * errors are those of gn_listen().
 */
GN_API GN_WARN_UNUSED int gn_listen_packet(struct gn_namespace *ns,
                                           const char *proto,
                                           const char *address,
                                           gn_packet_cb callback, void *arg,
                                           struct gn_packet_conn **out);

/**
 * Send one datagram, sendto(2); it is copied, and may be lost as any.
 *
 * @to  AF_INET or AF_INET6, as the conn was made for.
 *
 * Returns 0, or:
 *   -EAGAIN    No room now.
 *   -EMSGSIZE  Longer than 65,507 bytes (IPv6: 65,487).
 *   -EAFNOSUPPORT, -ENETUNREACH, -EHOSTUNREACH, -EACCES (a broadcast), ...
 *              as gn_sock_sendto().
 */
GN_API int gn_packet_send(struct gn_packet_conn *conn, const void *data,
                          size_t len, const struct sockaddr *to,
                          socklen_t to_len);

/** Its address with the port it got, as gn_listener_addr(). */
GN_API GN_WARN_UNUSED int gn_packet_name(struct gn_packet_conn *conn,
                                         struct sockaddr *addr, socklen_t *len);

/**
 * Be in a multicast group: "239.1.2.3", "ff02::1:3".
 *
 * @iface  An interface's number; 0: by route.
 *
 *   -EINVAL      Not a group, or of another version than the conn.
 *   -ENODEV, -EADDRINUSE (is in it), -ENOBUFS (limit)
 */
GN_API GN_WARN_UNUSED int gn_packet_join(struct gn_packet_conn *conn,
                                         const char *group, unsigned iface);
/** No longer; -EADDRNOTAVAIL: was not. */
GN_API int gn_packet_leave(struct gn_packet_conn *conn, const char *group,
                           unsigned iface);

/** As gn_conn_sock(). */
GN_API struct gn_sock *gn_packet_sock(struct gn_packet_conn *conn);

/** Close, as gn_listener_close(). */
GN_API int gn_packet_close(struct gn_packet_conn *conn, gn_close_cb callback,
                           void *arg);

GN_END_DECLS

#endif /* GUESTNET_CONN_H */
