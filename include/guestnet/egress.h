/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_EGRESS_H
#define GUESTNET_EGRESS_H

/*
 * A guest's way to the world outside its network, and back: an egress, given to
 * its namespace when that is created. Without one the outside is -ENETUNREACH.
 *
 *     gn_egress_system(&policy, &egress)      the kernel's sockets, by rules
 *     gn_egress_create(&ops, self, &egress)   whatever you like
 *
 *     config.egress = egress; gn_namespace_create(net, &config, &guest);
 *     ...
 *     gn_namespace_close(guest, ...); gn_egress_close(egress);
 *
 * The guest uses ordinary sockets. When it connects to an address that is not
 * in the network, or sends a datagram there, the egress is asked to dial; what
 * it says is what the guest gets: a connection, or the errno. A non-blocking
 * connect() is -EINPROGRESS until then, and SO_ERROR says how it ended.
 *
 * The guest's own 127.0.0.1 is its own. The machine's is behind the gateway's
 * address: where the host program itself does not listen there
 * (gn_network_gateway()), a connection to 10.77.0.1 port 8080 is a dial to
 * 127.0.0.1 port 8080, and one to fd77::1 a dial to ::1.
 *
 * Datagrams between two endpoints are a flow: while it lasts answers find their
 * way, and the egress is not asked again. It ends with the guest's socket; or
 * when it was idle for 30 s, or 180 s if it went both ways and on for two
 * seconds; or when it is the one that is idle longest and there are more than
 * the guest's limits.max_flows. Each flow that a guest began takes a
 * descriptor, as a connection does; a guest has only so many
 * (gn_limits.max_descriptors).
 *
 * An egress may be shared: one may serve the guests of several networks.
 *
 * Threads: operations run on the driving thread of the guest's network, with no
 * lock held, and must not block. gn_egress_dial_done(), gn_egress_accepted()
 * and gn_egress_packet() are for any thread; the rest for the driving thread.
 * So under GN_DRIVE_LOOP and GN_DRIVE_CALLER the outside is there while a
 * thread runs the loop.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <guestnet/export.h>
#include <guestnet/mem.h>

GN_BEGIN_DECLS

struct gn_egress;
struct gn_egress_dial;
struct gn_egress_listener;
struct gn_egress_port;
struct gn_namespace;

/**
 * Hooks to the outside. Those that are NULL are not there: guests cannot
 * connect (-ENETUNREACH), or no hook is told what they bind.
 *
 * A request, a listener and a port begin with the operation that is named after
 * them, unless it returned an error, and end as said there. Addresses and names
 * are borrowed for the call.
 */
struct gn_egress_ops {
    const char *name;

    /**
     * A guest connects (@type SOCK_STREAM), or has sent its first datagram
     * (SOCK_DGRAM). Return 0 and end it by gn_egress_dial_done(), once, now or
     * later; or return a negative errno, which the guest gets.
     *
     * @family          AF_INET or AF_INET6, of @address.
     * @looked_up_name  What a lookup of this guest was for that was answered
     *                  with @address and may still be believed, the last one;
     *                  NULL: there is none. More: gn_egress_dial_name().
     */
    int (*dial)(void *self, struct gn_egress_dial *request, int family,
                int type, const struct sockaddr *address,
                const char *looked_up_name);

    /**
     * A guest listens on a TCP port that it chose by number, and not on its
     * loopback only. Connections that are accepted for it outside are handed
     * in by gn_egress_accepted(). Ends by cancel().
     *
     * @local  As it is bound; any address: all of the guest's.
     *
     * Returns 0; or a negative errno: nothing of it is shown outside, which
     * the guest does not hear of.
     */
    int (*listen)(void *self, struct gn_egress_listener *listener,
                  const struct sockaddr *local);

    /** The same for UDP, by gn_egress_packet(). */
    int (*listen_packet)(void *self, struct gn_egress_port *port,
                         const struct sockaddr *local);

    /**
     * The guest gave up, closed, or is gone: @request (a gn_egress_dial, a
     * gn_egress_listener or a gn_egress_port) has ended when this returns, and
     * nothing may be called for it any more. Not called for requests that
     * gn_egress_dial_done() has ended.
     */
    void (*cancel)(void *self, void *request);

    /** Free self: nothing uses the egress any more. */
    void (*close)(void *self);

    /**
     * The guest sends a datagram from @port to a client, which has sent it one
     * by gn_egress_packet(). Without it such datagrams are dropped.
     *
     * @from  Which of your addresses the client had sent to, and so expects the
     *        answer from, with the port's number; NULL: gn_egress_packet() was
     *        not told.
     * @to    The client.
     */
    void (*send)(void *self, struct gn_egress_port *port, const void *bytes,
                 size_t len, const struct sockaddr *from,
                 const struct sockaddr *to);
};

/**
 * An egress of your own.
 *
 * @ops   Copied; its name is borrowed as long as the egress.
 * @self  What the operations get.
 * @out   Set only on success. Owned by the caller: gn_egress_close().
 *
 * Returns 0, -EINVAL (@ops or @out is NULL) or -ENOMEM.
 */
GN_API GN_WARN_UNUSED int gn_egress_create(const struct gn_egress_ops *ops,
                                           void *self, struct gn_egress **out);

/**
 * Close it, after the namespaces that have it; ops->close() runs when nothing
 * of them is left, which may be on their driving thread a moment later.
 *
 * @egress  Consumed. NULL: nothing happens.
 */
GN_API void gn_egress_close(struct gn_egress *egress);

/**
 * End a dial. Any thread.
 *
 * @request  Consumed.
 * @status   0, or a negative errno, which is what the guest's connect() ends
 *           with. Datagrams are dropped, and a connected socket gets it as its
 *           error, but nothing of -ETIMEDOUT.
 * @fd       With status 0: a connected socket of the type that was asked for,
 *           TCP or a Unix stream, UDP or Unix datagrams. Consumed, also if it
 *           cannot be used; it is made non-blocking. Otherwise -1.
 */
GN_API void gn_egress_dial_done(struct gn_egress_dial *request, int status,
                                int fd);

/** The guest that dials: borrowed until the request ends. */
GN_API struct gn_namespace *gn_egress_dial_namespace(
    const struct gn_egress_dial *request);
/** The guest's own end. */
GN_API void gn_egress_dial_local(const struct gn_egress_dial *request,
                                 struct sockaddr_storage *out);
/** The names that its lookups were answered with this address for, in lower
 *  case, the last one first; NULL: there are only @i. As long as the
 *  request. */
GN_API const char *gn_egress_dial_name(const struct gn_egress_dial *request,
                                       size_t i);
/** A word of the egress's own for each request. */
GN_API void gn_egress_dial_set_user(struct gn_egress_dial *request, void *user);
GN_API void *gn_egress_dial_user(const struct gn_egress_dial *request);

/**
 * A client has connected to what a guest listens on. Any thread.
 *
 * The guest accepts a connection whose peer is @peer, if that can be: not if it
 * is of the other version than the guest's address, or loopback, link-local or
 * in the network; then it is the gateway.
 *
 * @fd    A connected stream socket; consumed.
 * @peer  The client. NULL: the gateway.
 *
 * Returns 0; or with @fd closed -ENOBUFS (128 wait already), -EINVAL, -ENOMEM.
 */
GN_API int gn_egress_accepted(struct gn_egress_listener *listener, int fd,
                              const struct sockaddr *peer);
GN_API struct gn_namespace *gn_egress_listener_namespace(
    const struct gn_egress_listener *listener);
GN_API void gn_egress_listener_set_user(struct gn_egress_listener *listener,
                                        void *user);
GN_API void *gn_egress_listener_user(const struct gn_egress_listener *listener);

/**
 * A client has sent a datagram to a guest's port. Any thread.
 *
 * Datagrams between one @from and one @to are a flow, as above; a port has 1024
 * at once. A client that cannot be shown to the guest (gn_egress_accepted())
 * appears as the gateway.
 *
 * @bytes  Copied.
 * @from   The client. What the guest answers comes by ops->send().
 * @to     Which of your addresses it was sent to (IP_PKTINFO's ipi_spec_dst,
 *         which of a broadcast is the interface's), for ops->send(). The port
 *         is not looked at. NULL: not known.
 *
 * Returns 0; or -ENOBUFS (256 wait already), -EMSGSIZE, -EINVAL, -ENOMEM.
 */
GN_API int gn_egress_packet(struct gn_egress_port *port, const void *bytes,
                            size_t len, const struct sockaddr *from,
                            const struct sockaddr *to);
GN_API struct gn_namespace *gn_egress_port_namespace(
    const struct gn_egress_port *port);
GN_API void gn_egress_port_set_user(struct gn_egress_port *port, void *user);
GN_API void *gn_egress_port_user(const struct gn_egress_port *port);

/* ---- the ready one ---- */

/** What a guest hears of a connection that the rules deny. */
enum gn_denial {
    GN_DENIAL_ACCES = 0, /* -EACCES, at once. */
    GN_DENIAL_REFUSED,   /* -ECONNREFUSED, as without a listener there. */
    GN_DENIAL_SILENT,    /* Nothing: it times out. */
    GN_N_DENIALS
};

/** A decision. All is borrowed for the call. */
struct gn_audit {
    struct gn_namespace *guest;
    const char *guest_name; /* gn_namespace_hostname(). */
    int type;               /* SOCK_STREAM, SOCK_DGRAM; SOCK_RAW: an ICMP
                               echo, and the port is 0 */
    bool inbound;           /* A port that is to be shown at `address`; else a
                               dial to it. */
    const struct sockaddr *address; /* With the port. */
    const char *name; /* Which it was looked up by: the one that the rule
                              matched, or the last one; NULL: none. */
    bool allowed;
    int rule;              /* Its index in `rules`; -1: none decided. */
    const char *rule_text; /* "" */
    const char *reason;    /* "rule", "no rule", or why rules that cover the
                              address do not open it, such as "loopback". */
    bool ended;            /* It was allowed, and ends because the rules have
                              changed (gn_egress_set_rules()); not `allowed`. */
    int error;             /* Of a port that could not be opened, or why the
                              kernel could not say whether the address is the
                              machine's own (no descriptors), which is then
                              what the guest gets; else 0. */
};

/** On the driving thread of the guest's network; must not block. */
typedef void (*gn_audit_cb)(const struct gn_audit *audit, void *arg);

/**
 * What the guests may reach; zero selects the default given here, and no rule
 * is a policy: nothing is reached.
 *
 * Rules are lines of words. The first that matches decides; if none does, it is
 * denied.
 *
 *     allow tcp 203.0.113.0/24 port 443,8000-8999
 *     deny udp any
 *     allow name *.example.org port 443
 *     allow name db.corp private port 5432
 *     allow tcp 127.0.0.1 port 8080
 *     allow icmp any
 *     listen tcp 127.0.0.1 port 8000-8999
 *
 *     allow name api.example.org port 443 tls
 *
 *     (allow|deny) [tcp|udp|icmp]
 *                  (any | ADDRESS | PREFIX | name PATTERN [private])
 *                  [port PORT[-PORT][,...]] [tls]
 *     listen [tcp|udp] ADDRESS [port PORT[-PORT][,...]]
 *
 * "icmp" is echo requests, and what comes back: pings, by the kernel's ping
 * sockets (icmp(7)); guests hear "prohibited" where the machine allows none
 * (sysctl net.ipv4.ping_group_range). A rule without a protocol is for all of
 * them; with ports for tcp and udp, which have some.
 *
 * A name rule matches an address while a lookup of this guest for such a name
 * may still be believed to have been answered with it: for the answer's TTL, at
 * least a second and at most a day. "*.example.org" means all names below
 * example.org, not itself. The name that was asked for last counts, with its
 * search domain, not where aliases led. Connections go on when the TTL has
 * passed.
 *
 * What a rule covers is not all it opens:
 *   - Private addresses (RFC 1918, fc00::/7, and their like) are opened by
 *     "any" and by prefixes, and by a name only where the rule says "private":
 *     the owner of the name then says which of them.
 *   - Loopback, link-local addresses of IPv4 and local NAT64 are opened by a
 *     prefix within these ranges only.
 *   - The machine's own addresses, and those where clouds keep metadata, are
 *     opened by the address itself only.
 *   - Never opened: 0.0.0.0/8 and ::, multicast, broadcast, 240.0.0.0/4,
 *     fe80::/10 (the guest's own links), IPv4 in IPv6 in forms that nothing
 *     routes, and IPv6 addresses that lead by
 *     NAT64, 6to4, Teredo or ISATAP to an IPv4 address above "private".
 *   - ::ffff:a.b.c.d is a.b.c.d.
 * Deny rules have no exceptions, and match an IPv4 address inside such an IPv6
 * address too.
 *
 * With "tls" (allow, and only tcp then) the host speaks TLS with the server,
 * and the guest plain text, whether its socket asks for it (GN_TLS_SERVER_NAME,
 * socket.h) or not. The name is the one that the socket asks for, which a name
 * rule must cover; else the one that the rule matched or the address was last
 * looked up by; else the address. A server that fails to prove that it has the
 * name, by `tls_ca_file`, is -EPROTO for the guest, and audited as denied after
 * it was allowed, with the reason. The handshake has connect_timeout_ms once
 * more, or 30 s.
 *
 * Which addresses are the machine's own is asked of its routing table before
 * each connection, with protocol, port and user, and again when it stands, with
 * both ends: a connection that came to the machine itself is closed before a
 * byte is sent, and audited as denied after it was allowed. What the kernel
 * changes without telling remains unseen: DNAT rules of netfilter's OUTPUT
 * chain, and BPF programs at connect(), may lead any address anywhere.
 *
 * A listen rule shows the ports that guests bind at the same port of an address
 * of this machine (0.0.0.0 and ::: at all of its addresses); a guest that is
 * late finds it taken, which `audit` tells and the guest does not notice.
 */
struct gn_policy {
    size_t size;                 /* sizeof this struct. Required. */
    const char *const *rules;    /* NULL-ended; copied. NULL: none. */
    enum gn_denial denial;       /* GN_DENIAL_ACCES. */
    uint32_t connect_timeout_ms; /* Until a connection without an answer is
                                    -ETIMEDOUT; the guest's own time
                                    (TCP_SYNCNT), or the kernel's. */
    gn_audit_cb audit;           /* NULL: no call. */
    void *audit_arg;             /* Borrowed as long as the egress. */
    const char *tls_ca_file; /* Certificates to be believed, in PEM form; read
                                at once. NULL: those of the system, as OpenSSL
                                finds them (SSL_CERT_FILE, SSL_CERT_DIR). */
    const struct gn_allocator *alloc; /* Copied; NULL: malloc(). */
    char
        *why; /* Borrowed for the call: on -EINVAL gets one line that says which
                  rule and which word is wrong, and what would be right. */
    size_t why_len;
};

/**
 * An egress that uses the kernel's sockets as far as a policy allows.
 *
 * -ENOTSUP is what guests get under GN_DRIVE_VIRTUAL where rules allow
 * something: a clock has no kernel descriptors.
 *
 * @policy  Copied. NULL: nothing is allowed.
 * @out     Set only on success. Owned by the caller: gn_egress_close().
 *
 * Returns 0, or:
 *   -EINVAL  A rule is malformed or makes no sense, `denial` is none,
 *            `tls_ca_file` cannot be used, the size is unknown, or @out is
 *            NULL.
 *   -ENOPROTOOPT  `tls_ca_file` is given, and the library was built without
 *            TLS.
 *   -ENOMEM
 */
GN_API GN_WARN_UNUSED int gn_egress_system(const struct gn_policy *policy,
                                           struct gn_egress **out);

/* gn_egress_set_rules(): what is open ends if the new rules deny it. */
#define GN_RULES_END (1u << 0)

/**
 * Other rules for an egress of gn_egress_system(), in the place of those it
 * has. `denial`, `audit` and the rest of its policy stay.
 *
 * From when this returns, what guests dial is judged by the new rules; a moment
 * later, on the driving threads:
 *   - A dial that is still on its way ends as `denial` says if they deny it.
 *   - A connection that is open, a flow of datagrams, and a TCP client of a
 *     port that was shown go on, as a firewall lets go on what is established.
 *     With GN_RULES_END those that the new rules deny end: a connection is
 *     reset at both ends (-ECONNRESET), the datagram after a flow is judged
 *     anew. They are judged by the names that they were dialled by, and where a
 *     rule is for TLS by the name that the server has proved, as a new dial
 *     that asks for it.
 *   - Ports are shown and no longer shown as the new rules say; where they say
 *     the same nothing moves. A port that could not be had before is tried
 *     again. Datagrams of its clients go with a port; they have no other way.
 * What ends is told to `audit` (gn_audit.ended), and to the network's log. Of
 * several calls in short succession the last one's rules count, and
 * GN_RULES_END of any.
 *
 * @rules  NULL-ended; copied. NULL: none, nothing is allowed.
 * @flags  0 or GN_RULES_END.
 * @why    On -EINVAL gets one line that says which rule and which word is
 *         wrong, and what would be right. May be NULL.
 *
 * Returns 0, or with nothing changed:
 *   -EINVAL   A rule is malformed or makes no sense, a flag is unknown, or
 *             @egress is NULL.
 *   -ENOTSUP  Not one of gn_egress_system().
 *   -ENOMEM
 * Any thread, in callbacks too; it waits for none.
 */
GN_API GN_WARN_UNUSED int gn_egress_set_rules(struct gn_egress *egress,
                                              const char *const *rules,
                                              unsigned flags, char *why,
                                              size_t why_len);

GN_END_DECLS

#endif /* GUESTNET_EGRESS_H */
