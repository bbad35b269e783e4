/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/step.h"

#include <linux/in6.h>
#include <stdarg.h>
#include <stdio.h>

const char *const variant_names[N_VARIANTS] =
    {[V4] = "IPv4", [V6] = "IPv6", [V4_IN_V6] = "IPv4 through IPv6"};

static const char *const kind_names[N_KINDS] = {
    [TCP] = "TCP",   [UDP] = "UDP",   [TCP4] = "TCP4",
    [TCP6] = "TCP6", [UDP4] = "UDP4", [UDP6] = "UDP6"};

#define NAMED(h) [h] = #h
static const char *const host_names[N_HOSTS] = {NAMED(LO),
                                                NAMED(LO_OTHER),
                                                NAMED(ANY),
                                                NAMED(FOREIGN),
                                                NAMED(GROUP),
                                                NAMED(HERE),
                                                NAMED(THERE),
                                                NAMED(EVERYBODY),
                                                NAMED(LO4),
                                                NAMED(LO4_OTHER),
                                                NAMED(ANY4),
                                                NAMED(FOREIGN4),
                                                NAMED(GROUP4),
                                                NAMED(HERE4),
                                                NAMED(THERE4),
                                                NAMED(BROADCAST4),
                                                NAMED(SUBNET4),
                                                NAMED(LO_SUBNET4),
                                                NAMED(ALL_HOSTS4),
                                                NAMED(LO6),
                                                NAMED(ANY6),
                                                NAMED(FOREIGN6),
                                                NAMED(GROUP6),
                                                NAMED(HERE6),
                                                NAMED(THERE6),
                                                NAMED(LINK6),
                                                NAMED(LINK_HERE6),
                                                NAMED(LINK_THERE6),
                                                NAMED(LINK_THERE6_BARE),
                                                NAMED(LINK_THERE6_LO),
                                                NAMED(LINK_THERE6_BAD),
                                                NAMED(LINK_GROUP6),
                                                NAMED(LINK_GROUP6_BARE),
                                                NAMED(ALL_NODES6),
                                                NAMED(ALL_NODES6_BARE),
                                                NAMED(ALL_NODES6_LO),
                                                NAMED(ALL_NODES6_BAD),
                                                NAMED(MAPPED_LO),
                                                NAMED(MAPPED_OTHER),
                                                NAMED(MAPPED_ANY),
                                                NAMED(MAPPED_FOREIGN),
                                                NAMED(MAPPED_GROUP),
                                                NAMED(MAPPED_HERE),
                                                NAMED(MAPPED_THERE),
                                                NAMED(MAPPED_SUBNET),
                                                NAMED(UNSPEC),
                                                NAMED(UNSPEC6),
                                                NAMED(UNSPEC_SHORT),
                                                NAMED(UNSPEC_LO4),
                                                NAMED(UNIX),
                                                NAMED(SHORT4),
                                                NAMED(SHORT6),
                                                NAMED(SHORTER6),
                                                NAMED(LONG4),
                                                NAMED(TOO_LONG),
                                                NAMED(ONE_BYTE),
                                                NAMED(EMPTY)};

static const char *const control_names[N_CONTROLS] = {
    NAMED(PLAIN),
    NAMED(WITH_PKTINFO),
    NAMED(WITH_PKTINFO_BAD),
    NAMED(WITH_PKTINFO_HERE),
    NAMED(WITH_PKTINFO_ETH0),
    NAMED(WITH_PKTINFO_LO),
    NAMED(WITH_PKTINFO_NONE),
    NAMED(WITH_TTL),
    NAMED(WITH_TTL_BAD),
    NAMED(WITH_TTL_ZERO),
    NAMED(WITH_TTL_DEFAULT),
    NAMED(WITH_TOS),
    NAMED(WITH_TOS_BYTE),
    NAMED(WITH_TOS_DEFAULT),
    NAMED(WITH_PKTINFO6),
    NAMED(WITH_PKTINFO6_BAD),
    NAMED(WITH_PKTINFO6_HERE),
    NAMED(WITH_PKTINFO6_ETH0),
    NAMED(WITH_PKTINFO6_LO),
    NAMED(WITH_PKTINFO6_NONE),
    NAMED(WITH_HOPS6),
    NAMED(WITH_HOPS6_BAD),
    NAMED(WITH_HOPS6_DEFAULT),
    NAMED(WITH_HOPS6_NEGATIVE),
    NAMED(WITH_TCLASS6),
    NAMED(WITH_TCLASS6_DEFAULT),
    NAMED(WITH_TCLASS6_NEGATIVE),
    NAMED(WITH_UNKNOWN),
    NAMED(WITH_SHORT),
    NAMED(WITH_TRUNCATED)};

static const char *const odd_names[N_ODDS] = {
    NAMED(ODD_BIND_NULL),
    NAMED(ODD_CONNECT_NULL),
    NAMED(ODD_SEND_NULL),
    NAMED(ODD_SEND_NULL_NOTHING),
    NAMED(ODD_RECV_NULL),
    NAMED(ODD_RECV_NULL_NOTHING),
    NAMED(ODD_RECV_NULL_TRUNC),
    NAMED(ODD_RECV_NULL_PEEK_TRUNC),
    NAMED(ODD_SENDMSG_IOV_TOO_MANY),
    NAMED(ODD_RECVMSG_IOV_TOO_MANY),
    NAMED(ODD_SENDMSG_IOV_TOO_LONG),
    NAMED(ODD_SENDMSG_NO_IOV),
    NAMED(ODD_RECVMSG_NO_IOV),
    NAMED(ODD_SENDMSG_NAME_WITHOUT_LENGTH),
    NAMED(ODD_SHUTDOWN_HOW),
    NAMED(ODD_SHUTDOWN_NEGATIVE),
    NAMED(ODD_ACCEPT_FLAGS),
    NAMED(ODD_ACCEPT_LEN),
    NAMED(ODD_NAME_LEN),
    NAMED(ODD_PEER_LEN),
    NAMED(ODD_SETOPT_NULL),
    NAMED(ODD_GETOPT_LEN),
    NAMED(ODD_BIND_NEGATIVE),
    NAMED(ODD_CONNECT_NEGATIVE),
    NAMED(ODD_SENDTO_NEGATIVE),
    NAMED(ODD_RECVFROM_LEN)};

/* ---- options ---- */

#define OPTION(l, o)     \
    {                    \
        l, o, #l ", " #o \
    }
static const struct {
    int level;
    int name;
    const char *text;
} options[] = {
    OPTION(SOL_SOCKET, SO_REUSEADDR),
    OPTION(SOL_SOCKET, SO_REUSEPORT),
    OPTION(SOL_SOCKET, SO_ERROR),
    OPTION(SOL_SOCKET, SO_TYPE),
    OPTION(SOL_SOCKET, SO_DOMAIN),
    OPTION(SOL_SOCKET, SO_PROTOCOL),
    OPTION(SOL_SOCKET, SO_ACCEPTCONN),
    OPTION(SOL_SOCKET, SO_KEEPALIVE),
    OPTION(SOL_SOCKET, SO_LINGER),
    OPTION(SOL_SOCKET, SO_BROADCAST),
    OPTION(SOL_SOCKET, SO_RCVBUF),
    OPTION(SOL_SOCKET, SO_SNDBUF),
    OPTION(SOL_SOCKET, SO_RCVLOWAT),
    OPTION(SOL_SOCKET, SO_SNDLOWAT),
    OPTION(SOL_SOCKET, SO_RCVTIMEO),
    OPTION(SOL_SOCKET, SO_SNDTIMEO),
    OPTION(SOL_SOCKET, SO_OOBINLINE),
    OPTION(SOL_SOCKET, SO_DONTROUTE),
    OPTION(SOL_SOCKET, SO_PRIORITY),
    OPTION(SOL_SOCKET, SO_DEBUG),
    OPTION(SOL_SOCKET, SO_PEERCRED),
    OPTION(SOL_SOCKET, SO_TIMESTAMP),
    OPTION(IPPROTO_TCP, TCP_NODELAY),
    OPTION(IPPROTO_TCP, TCP_MAXSEG),
    OPTION(IPPROTO_TCP, TCP_CORK),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
    OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
    OPTION(IPPROTO_TCP, TCP_KEEPCNT),
    OPTION(IPPROTO_TCP, TCP_SYNCNT),
    OPTION(IPPROTO_TCP, TCP_LINGER2),
    OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT),
    OPTION(IPPROTO_TCP, TCP_WINDOW_CLAMP),
    OPTION(IPPROTO_TCP, TCP_INFO),
    OPTION(IPPROTO_TCP, TCP_QUICKACK),
    OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
    OPTION(IPPROTO_TCP, TCP_FASTOPEN),
    OPTION(IPPROTO_IP, IP_TOS),
    OPTION(IPPROTO_IP, IP_TTL),
    OPTION(IPPROTO_IP, IP_PKTINFO),
    OPTION(IPPROTO_IP, IP_RECVTTL),
    OPTION(IPPROTO_IP, IP_RECVTOS),
    OPTION(IPPROTO_IP, IP_RECVERR),
    OPTION(IPPROTO_IP, IP_MTU_DISCOVER),
    OPTION(IPPROTO_IP, IP_MTU),
    OPTION(IPPROTO_IP, IP_MULTICAST_IF),
    OPTION(IPPROTO_IP, IP_MULTICAST_TTL),
    OPTION(IPPROTO_IP, IP_MULTICAST_LOOP),
    OPTION(IPPROTO_IP, IP_MULTICAST_ALL),
    OPTION(IPPROTO_IP, IP_ADD_MEMBERSHIP),
    OPTION(IPPROTO_IP, IP_DROP_MEMBERSHIP),
    OPTION(IPPROTO_IPV6, IPV6_V6ONLY),
    OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
    OPTION(IPPROTO_IPV6, IPV6_TCLASS),
    OPTION(IPPROTO_IPV6, IPV6_RECVPKTINFO),
    OPTION(IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
    OPTION(IPPROTO_IPV6, IPV6_RECVTCLASS),
    OPTION(IPPROTO_IPV6, IPV6_RECVERR),
    OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
    OPTION(IPPROTO_IPV6, IPV6_MTU),
    OPTION(IPPROTO_IPV6, IPV6_MULTICAST_IF),
    OPTION(IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
    OPTION(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
    OPTION(IPPROTO_IPV6, IPV6_MULTICAST_ALL),
    OPTION(IPPROTO_IPV6, IPV6_JOIN_GROUP),
    OPTION(IPPROTO_IPV6, IPV6_LEAVE_GROUP),
};

bool step_option(size_t i, int *level, int *name)
{
    if (i >= sizeof(options) / sizeof(options[0]))
        return false;
    *level = options[i].level;
    *name = options[i].name;
    return true;
}

static void format_option(const struct step *step, char *out, size_t cap)
{
    size_t i;

    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (options[i].level == step->level && options[i].name == step->name) {
            (void)snprintf(out, cap, "%s", options[i].text);
            return;
        }
    }
    (void)snprintf(out, cap, "%d, %d", step->level, step->name);
}

/* ---- flags, ports ---- */

static void format_flags(int flags, char *out, size_t cap)
{
    static const struct {
        int bit;
        const char *name;
    } names[] = {{MSG_PEEK, "MSG_PEEK"},         {MSG_TRUNC, "MSG_TRUNC"},
                 {MSG_WAITALL, "MSG_WAITALL"},   {MSG_OOB, "MSG_OOB"},
                 {MSG_DONTWAIT, "MSG_DONTWAIT"}, {MSG_MORE, "MSG_MORE"}};
    size_t i, at = 0;

    (void)snprintf(out, cap, "0");
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!(flags & names[i].bit) || at >= cap)
            continue;
        flags &= ~names[i].bit;
        at += (size_t)snprintf(out + at, cap - at, "%s%s", at ? " | " : "",
                               names[i].name);
    }
    if (flags && at < cap)
        (void)snprintf(out + at, cap - at, "%s%#x", at ? " | " : "",
                       (unsigned)flags);
}

static void format_port(int port, char *out, size_t cap)
{
    if (port < 0)
        (void)snprintf(out, cap, "PORT_OF(%d)", -1 - port);
    else if (port == CLOSED)
        (void)snprintf(out, cap, "CLOSED");
    else if (port == NO_PORT)
        (void)snprintf(out, cap, "NO_PORT");
    else
        (void)snprintf(out, cap, "%d", port);
}

/* ---- steps ---- */

/* The parts a step may have, in text. */
struct parts {
    char option[64];
    char flags[96];
    char port[24];
    const char *host;
};

static void format_open(const struct step *step, const struct parts *parts,
                        char *out, size_t cap)
{
    (void)parts;
    (void)snprintf(out, cap, "%s(%d, %s)",
                   step->blocking ? "OPEN_BLOCKING"
                   : step->place  ? "OPEN_THERE"
                                  : "OPEN",
                   step->sock, kind_names[step->kind]);
}

static void format_close(const struct step *step, const struct parts *parts,
                         char *out, size_t cap)
{
    (void)parts;
    (void)snprintf(out, cap, "CLOSE(%d)", step->sock);
}

static void format_bind(const struct step *step, const struct parts *parts,
                        char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s(%d, %s, %s)",
                   step->call == CALL_BIND ? "BIND" : "CONNECT", step->sock,
                   parts->host, parts->port);
}

static void format_accept(const struct step *step, const struct parts *parts,
                          char *out, size_t cap)
{
    if (step->flags)
        (void)snprintf(out, cap, "ACCEPT_FLAGS(%d, %d, %s)", step->sock,
                       step->child, parts->flags);
    else
        (void)snprintf(out, cap, "ACCEPT(%d, %d)", step->sock, step->child);
}

static void format_send(const struct step *step, const struct parts *parts,
                        char *out, size_t cap)
{
    if (step->call == CALL_SENDTO)
        (void)snprintf(out, cap, "SENDTO(%d, %d, %s, %s)", step->sock, step->n,
                       parts->host, parts->port);
    else if (step->call == CALL_SENDMSG)
        (void)snprintf(out, cap, "SENDMSG(%d, %d, %s, %s, %s)", step->sock,
                       step->n, parts->host, parts->port,
                       control_names[step->control]);
    else if (step->flags)
        (void)snprintf(out, cap, "SEND_FLAGS(%d, %d, %s)", step->sock, step->n,
                       parts->flags);
    else
        (void)snprintf(out, cap, "SEND(%d, %d)", step->sock, step->n);
}

static void format_recv(const struct step *step, const struct parts *parts,
                        char *out, size_t cap)
{
    if (step->call == CALL_RECVFROM)
        (void)snprintf(out, cap, "RECVFROM(%d, %d, %s)", step->sock, step->n,
                       parts->flags);
    else if (step->call == CALL_RECVMSG)
        (void)snprintf(out, cap, "RECVMSG_ROOM(%d, %d, %s, %d)", step->sock,
                       step->n, parts->flags, step->len);
    else if (step->flags)
        (void)snprintf(out, cap, "RECV_FLAGS(%d, %d, %s)", step->sock, step->n,
                       parts->flags);
    else
        (void)snprintf(out, cap, "RECV(%d, %d)", step->sock, step->n);
}

static void format_stream(const struct step *step, const struct parts *parts,
                          char *out, size_t cap)
{
    (void)parts;
    if (step->call == CALL_FILL)
        (void)snprintf(out, cap, "FILL%s(%d)", step->blocking ? "_WHOLLY" : "",
                       step->sock);
    else
        (void)snprintf(out, cap, "DRAIN(%d, %d)", step->sock, step->child);
}

static void format_name(const struct step *step, const struct parts *parts,
                        char *out, size_t cap)
{
    (void)parts;
    (void)snprintf(out, cap, "%s_LEN(%d, %d)",
                   step->call == CALL_NAME ? "NAME" : "PEER", step->sock,
                   step->len);
}

/* The value as bytes, which stand for a struct. */
static void format_value(const struct step *step, const struct parts *parts,
                         char *out, size_t cap)
{
    const uint8_t *value = step->value;
    size_t at;
    int i;

    at = (size_t)snprintf(out, cap, "SET_VALUE(%d, %s, (uint8_t[]){",
                          step->sock, parts->option);
    for (i = 0; i < step->len && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%u", i ? "," : "",
                               value[i]);
    if (at < cap)
        (void)snprintf(out + at, cap - at, "})");
}

static void format_set(const struct step *step, const struct parts *parts,
                       char *out, size_t cap)
{
    if (step->value)
        format_value(step, parts, out, cap);
    else if (step->len)
        (void)snprintf(out, cap, "SET_LEN(%d, %s, %d, %d)", step->sock,
                       parts->option, step->n, step->len);
    else
        (void)snprintf(out, cap, "SET(%d, %s, %d)", step->sock, parts->option,
                       step->n);
}

static void format_get(const struct step *step, const struct parts *parts,
                       char *out, size_t cap)
{
    if (step->len)
        (void)snprintf(out, cap, "GET_LEN(%d, %s, %d)", step->sock,
                       parts->option, step->len);
    else
        (void)snprintf(out, cap, "GET(%d, %s)", step->sock, parts->option);
}

static void format_rest(const struct step *step, const struct parts *parts,
                        char *out, size_t cap)
{
    static const char *const names[N_CALLS] = {[CALL_LISTEN] = "LISTEN",
                                               [CALL_SHUTDOWN] = "SHUT",
                                               [CALL_NONBLOCK] = "NONBLOCK",
                                               [CALL_AVAILABLE] = "AVAILABLE",
                                               [CALL_UNSENT] = "UNSENT",
                                               [CALL_POLL] = "POLL",
                                               [CALL_MEANWHILE] = "MEANWHILE",
                                               [CALL_DETACH] = "DETACH",
                                               [CALL_ODD] = "ODD",
                                               [CALL_END] = "END"};
    const char *name = names[step->call];

    (void)parts;
    if (step->call == CALL_ODD)
        (void)snprintf(out, cap, "%s(%d, %s)", name, step->sock,
                       odd_names[step->n]);
    else if (step->call == CALL_CUT)
        (void)snprintf(out, cap, step->n ? "CUT" : "MEND");
    else if (step->call == CALL_MEANWHILE || step->call == CALL_END ||
             step->call == CALL_DETACH)
        (void)snprintf(out, cap, "%s", name);
    else if (step->call == CALL_AVAILABLE || step->call == CALL_UNSENT)
        (void)snprintf(out, cap, "%s(%d)", name, step->sock);
    else
        (void)snprintf(out, cap, "%s(%d, %d)", name, step->sock, step->n);
}

typedef void (*formatter)(const struct step *step, const struct parts *parts,
                          char *out, size_t cap);

static formatter formatter_of(int call)
{
    static const formatter special[N_CALLS] = {
        [CALL_OPEN] = format_open,     [CALL_CLOSE] = format_close,
        [CALL_BIND] = format_bind,     [CALL_CONNECT] = format_bind,
        [CALL_ACCEPT] = format_accept, [CALL_SEND] = format_send,
        [CALL_SENDTO] = format_send,   [CALL_SENDMSG] = format_send,
        [CALL_RECV] = format_recv,     [CALL_RECVFROM] = format_recv,
        [CALL_RECVMSG] = format_recv,  [CALL_FILL] = format_stream,
        [CALL_DRAIN] = format_stream,  [CALL_NAME] = format_name,
        [CALL_PEER] = format_name,     [CALL_SET] = format_set,
        [CALL_GET] = format_get};

    return special[call] ? special[call] : format_rest;
}

void step_format(const struct step *step, char *out, size_t cap)
{
    struct parts parts = {.host = host_names[step->host]};

    format_option(step, parts.option, sizeof(parts.option));
    format_flags(step->flags, parts.flags, sizeof(parts.flags));
    format_port(step->port, parts.port, sizeof(parts.port));
    formatter_of(step->call)(step, &parts, out, cap);
}

/* ---- the neutral forms ---- */

static bool has_host(const struct step *step)
{
    return step->call == CALL_BIND || step->call == CALL_CONNECT ||
           step->call == CALL_SENDTO || step->call == CALL_SENDMSG;
}

bool step_is_neutral(const struct step *step)
{
    return (step->call == CALL_OPEN && step->kind < TCP4) ||
           (has_host(step) && step->host < LO4);
}

static bool is_on_link(enum host host)
{
    switch (host) {
    case HERE:
    case THERE:
    case EVERYBODY:
    case HERE4:
    case THERE4:
    case SUBNET4:
    case ALL_HOSTS4:
    case HERE6:
    case THERE6:
    case LINK_HERE6:
    case LINK_THERE6:
    case LINK_THERE6_BARE:
    case LINK_THERE6_LO:
    case LINK_THERE6_BAD:
    case LINK_GROUP6:
    case LINK_GROUP6_BARE:
    case ALL_NODES6:
    case ALL_NODES6_BARE:
    case ALL_NODES6_LO:
    case ALL_NODES6_BAD:
    case MAPPED_HERE:
    case MAPPED_THERE:
    case MAPPED_SUBNET:
        return true;
    default:
        return false;
    }
}

bool step_needs_link(const struct step *step)
{
    return step->place > 0 || step->call == CALL_CUT ||
           step->call == CALL_DETACH ||
           (has_host(step) && is_on_link((enum host)step->host));
}

enum kind kind_resolve(enum kind kind, enum variant variant)
{
    if (kind == TCP)
        return variant == V4 ? TCP4 : TCP6;
    if (kind == UDP)
        return variant == V4 ? UDP4 : UDP6;
    return kind;
}

enum host host_resolve(enum host host, enum variant variant)
{
    static const enum host as[LO4][N_VARIANTS] = {
        [LO] = {LO4, LO6, MAPPED_LO},
        [LO_OTHER] = {LO4_OTHER, LO6, MAPPED_OTHER},
        [ANY] = {ANY4, ANY6, ANY6},
        [FOREIGN] = {FOREIGN4, FOREIGN6, MAPPED_FOREIGN},
        [GROUP] = {GROUP4, GROUP6, MAPPED_GROUP},
        [HERE] = {HERE4, HERE6, MAPPED_HERE},
        [THERE] = {THERE4, THERE6, MAPPED_THERE},
        [EVERYBODY] = {SUBNET4, ALL_NODES6, MAPPED_SUBNET}};

    return host < LO4 ? as[host][variant] : host;
}
