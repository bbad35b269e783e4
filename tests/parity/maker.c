/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/parity/maker.h"

#define ROW_MIN 6

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

struct maker {
    struct gn_test_seed *seed;
    const struct world *world;
    enum variant variant;
    unsigned n_socks;   /* opened at the beginning */
    unsigned n_streams; /* of them; the first ones */
    unsigned dialled;   /* bits: what has been connected, or accepted */
    unsigned shut;      /* bits: what has been shut down */
    bool detached;      /* the link is gone: it is about the first host */
    bool mixes;         /* datagrams of both versions; then no AF_UNSPEC */
};

static unsigned pick(struct maker *maker, unsigned n)
{
    return (unsigned)gn_test_random_below(maker->seed, n);
}

/* One of the sockets, also of those that are accepted. */
static uint8_t any_sock(struct maker *maker)
{
    return (uint8_t)pick(maker, maker->n_socks + 2);
}

static bool is_stream(const struct maker *maker, uint8_t sock)
{
    return sock < maker->n_streams || sock >= maker->n_socks;
}

static struct step make_open(struct maker *maker, uint8_t sock)
{
    struct step step = OPEN(sock, sock < maker->n_streams ? TCP : UDP);

    step.place = maker->world->joined && !maker->detached && pick(maker, 2) > 0;
    return step;
}

/* ---- addresses ---- */

/* An enum host, as a step has it. */
static uint8_t host_of(struct maker *maker, const uint8_t *of, size_t n)
{
    return of[pick(maker, (unsigned)n)];
}

/* Those of a link. */
static uint8_t link_host(struct maker *maker)
{
    static const uint8_t any[] = {HERE, HERE, THERE, THERE, EVERYBODY, GROUP};
    static const uint8_t of4[] = {SUBNET4, BROADCAST4, LO_SUBNET4, ALL_HOSTS4,
                                  FOREIGN4};
    static const uint8_t of6[] = {LINK_HERE6,  LINK_THERE6, LINK_THERE6_BARE,
                                  LINK_GROUP6, ALL_NODES6,  ALL_NODES6_BARE,
                                  FOREIGN6};

    if (pick(maker, 3) > 0)
        return host_of(maker, any, SIZE(any));
    switch (maker->variant) {
    case V4:
        return host_of(maker, of4, SIZE(of4));
    case V6:
        return host_of(maker, of6, SIZE(of6));
    default:
        return pick(maker, 2) ? MAPPED_SUBNET : MAPPED_GROUP;
    }
}

/* Of the row's version; datagrams may mix them. (Linux' streams do not get over
 * connecting to the other version, and its datagrams not over AF_UNSPEC.) */
static uint8_t any_host(struct maker *maker, uint8_t sock)
{
    static const uint8_t neutral[] = {LO, LO, LO, LO, LO_OTHER, SHORT4, UNSPEC};
    static const uint8_t mixed[] = {ANY, LO6, MAPPED_ANY, MAPPED_LO};
    bool mixes = maker->mixes && !is_stream(maker, sock);
    unsigned n = SIZE(neutral);

    if (mixes && pick(maker, 3) == 0)
        return host_of(maker, mixed, SIZE(mixed));
    if (maker->world->joined && pick(maker, 3) > 0)
        return link_host(maker);
    /* The last is AF_UNSPEC. */
    if (mixes || (maker->world->joined && maker->variant != V4 &&
                  !is_stream(maker, sock)))
        n--;
    return neutral[pick(maker, n)];
}

static int any_port(struct maker *maker)
{
    if (pick(maker, 8) == 0)
        return CLOSED;
    return PORT_OF((int)pick(maker, maker->n_socks)); /* 0 if it has none. */
}

/* ---- life ---- */

static struct step make_bind(struct maker *maker)
{
    int port = pick(maker, 3) == 0 ? any_port(maker) : NO_PORT;
    uint8_t sock = any_sock(maker);
    uint8_t host = pick(maker, 4) == 0 ? ANY : any_host(maker, sock);

    if (port == CLOSED)
        port = NO_PORT; /* Binding that one needs a privilege. */
    if (maker->world->joined && (host == LO || host == LO_OTHER) &&
        (is_stream(maker, sock) || maker->variant == V6))
        host = HERE; /* From ::1 to it would be a wanted difference. */
    return (struct step)BIND(sock, host, port);
}

static struct step make_connect(struct maker *maker)
{
    uint8_t sock = any_sock(maker);
    int port = any_port(maker);

    if (maker->shut & 1u << sock && port == PORT_OF(sock))
        port = CLOSED; /* A wanted difference. */
    maker->dialled |= 1u << sock;
    return (struct step)CONNECT(sock, any_host(maker, sock), port);
}

static struct step make_listen(struct maker *maker)
{
    return (struct step)LISTEN(any_sock(maker), (int)pick(maker, 6));
}

static struct step make_accept(struct maker *maker)
{
    uint8_t child = (uint8_t)(maker->n_socks + pick(maker, 2));

    maker->dialled |= 1u << child;
    return (struct step)ACCEPT(any_sock(maker), child);
}

static struct step make_end(struct maker *maker)
{
    static const struct linger lingers[] = {{1, 0}, {1, -1}, {0, 0}};
    uint8_t sock = any_sock(maker);

    switch (pick(maker, 6)) {
    case 0:
        return (struct step)CLOSE(sock);
    case 1:
        return (struct step)SET_VALUE(sock, SOL_SOCKET, SO_LINGER,
                                      lingers[pick(maker, SIZE(lingers))]);
    default: /* One that is shut before it connects is of no use. */
        if (!(maker->dialled & 1u << sock))
            return (struct step)GET(sock, SOL_SOCKET, SO_ERROR);
        maker->shut |= 1u << sock;
        return (struct step)SHUT(sock, (int)pick(maker, 3));
    }
}

static struct step make_reopen(struct maker *maker)
{
    uint8_t sock = (uint8_t)pick(maker, maker->n_socks);

    maker->dialled &= ~(1u << sock);
    maker->shut &= ~(1u << sock);
    return make_open(maker, sock);
}

/* ---- payload ---- */

/* Those that say something wrong, or of the link, are rarer. */
static uint8_t any_control(struct maker *maker)
{
    unsigned control = pick(maker, pick(maker, 3) ? N_CONTROLS : 1);

    /* Over lo from an address elsewhere: Linux looks on, IPv6 has no way. */
    return (uint8_t)(control == WITH_PKTINFO6_LO ? WITH_PKTINFO6 : control);
}

static int any_length(struct maker *maker)
{
    static const int lengths[] = {0,    1,    2,    5,    10,    100,
                                  1000, 1252, 1400, 3000, 20000, 5};

    return lengths[pick(maker, SIZE(lengths))];
}

static struct step make_send(struct maker *maker)
{
    uint8_t sock = any_sock(maker);
    uint8_t host = any_host(maker, sock);
    int n = any_length(maker);

    if (host == UNSPEC && maker->variant == V4_IN_V6)
        host = LO; /* Linux looks for a route of IPv6, and may have one. */
    if (pick(maker, 4) == 0)
        return (struct step)SENDTO(sock, n, host, any_port(maker));
    if (pick(maker, 4) == 0)
        return (struct step)SENDMSG(sock, n, host == UNSPEC ? LO : host,
                                    any_port(maker), any_control(maker));
    /* Linux sends what it has gathered where even a connect() that failed last
     * would have gone. */
    if (maker->world->joined)
        return (struct step)SEND(sock, n);
    return (struct step)SEND_FLAGS(sock, n, pick(maker, 8) ? 0 : MSG_MORE);
}

static struct step make_recv(struct maker *maker)
{
    static const int flags[] = {
        0, 0, 0, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_PEEK | MSG_TRUNC};
    static const int odd[] = {ODD_RECV_NULL, ODD_RECV_NULL_NOTHING,
                              ODD_RECV_NULL_TRUNC, ODD_RECV_NULL_PEEK_TRUNC};
    int flag = flags[pick(maker, SIZE(flags))];
    uint8_t sock = any_sock(maker);
    int n = any_length(maker);

    switch (pick(maker, 10)) {
    case 0:
        return (struct step)ODD(sock, odd[pick(maker, SIZE(odd))]);
    case 1:
    case 2:
    case 3:
        return (struct step)RECVFROM(sock, n, flag);
    case 4:
    case 5:
    case 6:
        return (struct step)RECVMSG(sock, n, flag);
    default:
        return (struct step)RECV_FLAGS(sock, n, flag);
    }
}

/* ---- options ---- */

/* An int, and what it may be: of streams, of datagrams, or of both. */
struct choice {
    int level;
    int name;
    int least;
    int most;
    unsigned kinds;
};

#define STREAMS   1u
#define DATAGRAMS 2u
#define BOTH      3u

static const struct choice choices[] = {
    {SOL_SOCKET, SO_REUSEADDR, 0, 1, BOTH},
    {SOL_SOCKET, SO_REUSEPORT, 0, 1, BOTH},
    {SOL_SOCKET, SO_RCVLOWAT, -1, 20, BOTH},
    {SOL_SOCKET, SO_KEEPALIVE, -1, 1, BOTH},
    {SOL_SOCKET, SO_OOBINLINE, 0, 1, BOTH},
    {SOL_SOCKET, SO_PRIORITY, 0, 6, BOTH},
    {SOL_SOCKET, SO_BROADCAST, 0, 1, BOTH},
    {SOL_SOCKET, SO_BROADCAST, 1, 1, BOTH},
    {IPPROTO_TCP, TCP_NODELAY, 0, 1, BOTH},
    {IPPROTO_TCP, TCP_CORK, 0, 1, BOTH},
    {IPPROTO_TCP, TCP_KEEPIDLE, -1, 3, BOTH},
    {IPPROTO_TCP, TCP_KEEPCNT, -1, 3, BOTH},
    {IPPROTO_TCP, TCP_SYNCNT, -1, 3, BOTH},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, -1, 1, STREAMS},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, -1, 9, BOTH},
    {IPPROTO_IP, IP_PKTINFO, 0, 1, DATAGRAMS},
    {IPPROTO_IP, IP_RECVTTL, 0, 1, DATAGRAMS},
    {IPPROTO_IP, IP_RECVTOS, 0, 1, DATAGRAMS},
    {IPPROTO_IP, IP_TTL, -1, 70, BOTH},
    {IPPROTO_IP, IP_TOS, -1, 256, DATAGRAMS},
    {IPPROTO_IP, IP_MTU_DISCOVER, -1, 6, BOTH},
    {IPPROTO_IP, IP_MTU, 0, 0, BOTH},
    {IPPROTO_IP, IP_RECVERR, 0, 1, DATAGRAMS},
    {IPPROTO_IP, IP_MULTICAST_TTL, -1, 3, DATAGRAMS},
    {IPPROTO_IP, IP_MULTICAST_LOOP, -1, 2, DATAGRAMS},
    {IPPROTO_IPV6, IPV6_V6ONLY, 0, 1, BOTH},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 0, 1, DATAGRAMS},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0, 1, DATAGRAMS},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 0, 1, DATAGRAMS},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, -2, 70, BOTH},
    {IPPROTO_IPV6, IPV6_TCLASS, -2, 256, DATAGRAMS},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, -1, 6, BOTH},
    {IPPROTO_IPV6, IPV6_MTU, 1279, 1281, BOTH},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, -2, 3, DATAGRAMS},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, -1, 2, DATAGRAMS},
    {IPPROTO_IPV6, IPV6_MULTICAST_IF, -1, 3, DATAGRAMS},
    {IPPROTO_IPV6, IPV6_MULTICAST_ALL, -1, 2, DATAGRAMS},
    {IPPROTO_IP, IP_MULTICAST_ALL, -1, 2, DATAGRAMS},
};

static struct step make_option(struct maker *maker)
{
    static const int lengths[] = {-1, 1, 2, 3, 5, 8};
    const struct choice *choice = &choices[pick(maker, SIZE(choices))];
    uint8_t sock = any_sock(maker);
    unsigned kind = is_stream(maker, sock) ? STREAMS : DATAGRAMS;
    int value = choice->least +
                (int)pick(maker, (unsigned)(choice->most - choice->least + 1));
    int length = lengths[pick(maker, SIZE(lengths))];

    if (!(choice->kinds & kind))
        return (struct step)GET(sock, SOL_SOCKET, SO_ERROR);
    switch (pick(maker, 8)) {
    case 0:
        return (struct step)SET_LEN(sock, choice->level, choice->name, value,
                                    length);
    case 1:
        return (struct step)GET_LEN(sock, choice->level, choice->name,
                                    length < 1 ? 4 : length);
    case 2:
    case 3:
        return (struct step)GET(sock, choice->level, choice->name);
    default:
        return (struct step)SET(sock, choice->level, choice->name, value);
    }
}

/* Groups that GROUP and ALL_HOSTS4 stand for, and what is none. */
static const struct ip_mreqn requests4[] = {
    {{0x030201ef}, {0}, 0},          {{0x030201ef}, {0}, 1},
    {{0x030201ef}, {0}, 2},          {{0x030201ef}, {0}, 77},
    {{0x030201ef}, {0x0100007f}, 0}, {{0x030201ef}, {0x010200c0}, 0},
    {{0x030201ef}, {0x02004d0a}, 0}, {{0x010000e0}, {0}, 2},
    {{0x0100007f}, {0}, 0},
};

#define GROUP_OF6                              \
    {                                          \
        {                                      \
            {                                  \
                0xff, 0x05, [13] = 1, [15] = 3 \
            }                                  \
        }                                      \
    }
static const struct ipv6_mreq requests6[] = {
    {GROUP_OF6, 0},
    {GROUP_OF6, 1},
    {GROUP_OF6, 2},
    {GROUP_OF6, 77},
    {{{{0xff, 0x02, [15] = 0x77}}}, 2},
    {{{{0xff, 0x02, [15] = 1}}}, 2},
    {{{{[15] = 1}}}, 0},
};

/* Groups: joined more often than left, by what may be too short. */
static struct step make_group(struct maker *maker)
{
    uint8_t sock = (uint8_t)pick(maker, maker->n_socks);
    bool joins = pick(maker, 3) > 0;
    struct step step = {.call = CALL_SET, .sock = sock};

    if (maker->variant == V6) {
        step.level = IPPROTO_IPV6;
        step.name = joins ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP;
        step.value = &requests6[pick(maker, SIZE(requests6))];
        step.len = sizeof(struct ipv6_mreq);
    } else {
        step.level = IPPROTO_IP;
        step.name = joins ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP;
        if (pick(maker, 4) == 0)
            step.name = IP_MULTICAST_IF;
        step.value = &requests4[pick(maker, SIZE(requests4))];
        step.len = sizeof(struct ip_mreqn);
    }
    if (pick(maker, 8) == 0)
        step.len -= (int)pick(maker, 12);
    return step;
}

static struct step make_look(struct maker *maker)
{
    uint8_t sock = any_sock(maker);

    switch (pick(maker, 9)) {
    case 0:
        return (struct step)NAME(sock);
    case 1:
        return (struct step)PEER(sock);
    case 2:
        return (struct step)GET(sock, SOL_SOCKET, SO_ACCEPTCONN);
    case 3:
        return (struct step)AVAILABLE(sock);
    case 4:
        return (struct step)GET(sock, IPPROTO_TCP, TCP_INFO);
    case 5:
        return (struct step)POLL(sock, POLLIN | POLLOUT);
    case 6:
        return (struct step)GET_LEN(sock, SOL_SOCKET, SO_LINGER, 8);
    case 7:
        return (struct step)GET(sock, IPPROTO_IP, IP_MTU);
    default:
        return (struct step)GET(sock, SOL_SOCKET, SO_ERROR);
    }
}

/* ---- rows ---- */

static struct step make_step(struct maker *maker)
{
    static struct step (*const makers[])(struct maker * maker) = {
        make_bind,   make_bind,   make_connect, make_connect, make_connect,
        make_listen, make_listen, make_accept,  make_accept,  make_send,
        make_send,   make_send,   make_recv,    make_recv,    make_recv,
        make_end,    make_end,    make_option,  make_option,  make_look,
        make_look,   make_reopen, make_group};
    /* Without a namespace of its own, the machine's routes are the kernel's. */
    unsigned n = SIZE(makers) - !maker->world->own_net;

    return makers[pick(maker, n)](maker);
}

static void add(struct row *row, struct step step)
{
    row->steps[row->n++] = step;
}

/* Half of the rows begin with a connection, which chance seldom makes; and half
 * of those with an option of the listener's that is inherited, or is not. */
static void make_connection(struct maker *maker, struct row *row)
{
    uint8_t host = row->steps[0].place    ? THERE
                   : maker->world->joined ? HERE
                                          : LO;

    const struct choice *choice = &choices[pick(maker, SIZE(choices))];
    bool inherits = pick(maker, 2) > 0 && choice->kinds & STREAMS;

    if (inherits)
        add(row,
            (struct step)SET(0, choice->level, choice->name, choice->most));
    add(row, (struct step)BIND(0, host, NO_PORT));
    add(row, (struct step)LISTEN(0, 3));
    add(row, (struct step)CONNECT(1, host, PORT_OF(0)));
    /* What TCP_DEFER_ACCEPT waits for. */
    if (inherits)
        add(row, (struct step)SEND(1, 5));
    add(row, (struct step)ACCEPT(0, 2));
    if (inherits)
        add(row, (struct step)GET(2, choice->level, choice->name));
    maker->dialled |= 1u << 1 | 1u << 2;
}

/* Some of the others begin with datagrams that hear all, and may send to all:
 * what is sent to many needs a listener to show. */
static void make_listeners(struct maker *maker, struct row *row)
{
    unsigned which;

    for (which = maker->n_streams; which < maker->n_socks; which++) {
        uint8_t i = (uint8_t)which;

        add(row, (struct step)BIND(i, ANY, NO_PORT));
        add(row, (struct step)SET(i, SOL_SOCKET, SO_BROADCAST, 1));
        if (pick(maker, 3) > 0)
            continue;
        add(row, (struct step)SET(i, IPPROTO_IP, IP_PKTINFO, 1));
        add(row, (struct step)SET(i, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
        add(row, (struct step)SENDTO(i, 5, LO, PORT_OF(i)));
        add(row, (struct step)RECVMSG(i, 9, 0));
    }
}

/* The first host's interface goes, and then it is about new sockets. */
static void make_detached(struct maker *maker, struct row *row)
{
    unsigned i;

    for (i = 0; i < maker->n_socks + 2; i++)
        add(row, (struct step)CLOSE((uint8_t)i));
    add(row, (struct step)DETACH);
    maker->detached = true;
    for (i = 0; i < maker->n_socks; i++)
        add(row,
            (struct step)OPEN((uint8_t)i, i < maker->n_streams ? TCP : UDP));
}

void row_make(struct gn_test_seed *seed, const struct world *world,
              struct row *row)
{
    struct maker maker = {.seed = seed, .world = world};
    size_t length = ROW_MIN + pick(&maker, ROW_MAX - ROW_MIN + 1);
    unsigned i;

    row->n = 0;
    row->variant = (enum variant)pick(&maker, world->has_ipv6 ? N_VARIANTS : 1);
    maker.variant = row->variant;
    maker.n_socks = 2 + pick(&maker, 3);
    maker.n_streams = pick(&maker, maker.n_socks + 1);
    maker.mixes = pick(&maker, 3) == 0 && !world->joined;
    for (i = 0; i < maker.n_socks; i++)
        add(row, make_open(&maker, (uint8_t)i));
    if (maker.n_streams >= 2 && maker.n_socks == 2 && pick(&maker, 4) > 0)
        make_connection(&maker, row);
    else if (pick(&maker, 2) > 0)
        make_listeners(&maker, row);
    if (world->joined && pick(&maker, 20) == 0)
        make_detached(&maker, row);
    while (row->n < length)
        add(row, make_step(&maker));
    row->steps[row->n] = (struct step){.call = CALL_END};
}
