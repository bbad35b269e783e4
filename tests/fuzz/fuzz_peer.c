/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest with sockets of all kinds, and a peer behind a raw port that knows
 * TCP well and keeps to none of it. The peer follows its connections, so that
 * what it sends is nearly right: handshakes with any options and windows,
 * segments in order or beside it, fragments that overlap, ICMP errors that
 * quote what it was sent, and its own packets again with bits turned over.
 *
 * Nothing of it may reach an assertion, what is held stays bounded, a send
 * never runs out of memory, and in the end the guest still serves a stranger.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/check.h"
#include "tests/lib/foe.h"
#include "tests/lib/simnet.h"

#define STEPS      400u
#define HELD_MAX   (64u << 20)
#define N_PEERS    6u /* two of them are answers to the guest's connects */
#define N_DIALS    2u
#define N_SOCKS    8u
#define QUOTE_MAX  128u
#define PACKET_MAX 4096u

enum { SERVICE = 80, DATAGRAMS = 53, HONEST = 99, GUEST_PORT = 4000 };

enum step {
    OPEN,      /* a SYN, or the answer to one */
    FOLLOW,    /* the segment that is expected */
    STRAY,     /* one beside it */
    FRAGMENTS, /* one in pieces */
    QUOTE,     /* an ICMP error */
    AGAIN,     /* the last packet with bits turned over */
    RAW,       /* bytes of the input */
    PASS,      /* time */
    GUEST      /* a call of the guest's */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const prefixes[] = {"10.1.0.0/24", "fd01::/64", NULL};
static unsigned long long n_packets;

struct input {
    const uint8_t *data;
    size_t len;
};

/* One of the peer's connections, as it believes them to be. */
struct peer {
    struct foe_segment next; /* of its own */
    uint8_t quote[QUOTE_MAX];
    size_t quote_len;
};

struct world {
    struct gn_simnet sim;
    struct gn_namespace *guest, *honest;
    struct gn_sock *listener, *datagrams, *service;
    struct gn_sock *socks[N_SOCKS];
    struct foe foe;
    struct peer peers[N_PEERS];
    uint8_t last[PACKET_MAX];
    size_t last_len;
};

static uint8_t byte(struct input *in)
{
    if (!in->len)
        return 0;
    in->len--;
    return *in->data++;
}

static uint16_t word(struct input *in)
{
    uint8_t high = byte(in);

    return (uint16_t)(high << 8 | byte(in));
}

/* Small numbers are the interesting ones, and powers of two. */
static uint16_t number(struct input *in)
{
    uint8_t how = byte(in);

    if (how < 128)
        return how % 8;
    if (how < 192)
        return (uint16_t)(1u << how % 16);
    return word(in);
}

/* ---- the world ---- */

static struct gn_sock *open_at(struct gn_namespace *ns, int type,
                               const char *address)
{
    struct sockaddr_storage ss;
    struct gn_sock *sock;
    socklen_t len;

    CHECK(gn_addr_parse(address, &ss, &len) == 0);
    CHECK(gn_sock_open(ns, ss.ss_family, type | SOCK_NONBLOCK, 0, &sock) == 0);
    CHECK(gn_sock_bind(sock, (struct sockaddr *)&ss, len) == 0);
    return sock;
}

static int connect_to(struct gn_sock *sock, const char *address)
{
    struct sockaddr_storage ss;
    socklen_t len;

    CHECK(gn_addr_parse(address, &ss, &len) == 0);
    return gn_sock_connect(sock, (struct sockaddr *)&ss, len);
}

/* The peer's view of a connection moves with what the guest sends. */
static void note_packet(struct foe *foe, const struct gn__packet *packet)
{
    struct world *w = foe->arg;
    struct foe_view view;
    size_t i;

    if (!foe_view(packet, &view))
        return;
    for (i = 0; i < N_PEERS; i++) {
        struct peer *peer = &w->peers[i];

        if (view.dst_port != peer->next.src_port ||
            view.src_port != peer->next.dst_port ||
            packet->ip.version != (gn__addr_is_v4(&peer->next.src) ? 4 : 6))
            continue;
        peer->next.ack = view.seq + view.len + !!(view.flags & FOE_SYN) +
                         !!(view.flags & FOE_FIN);
        if (view.flags & FOE_ACK)
            peer->next.seq = view.ack;
        peer->quote_len =
            gn__packet_read(packet, 0, peer->quote, sizeof(peer->quote));
    }
}

static void build_peers(struct world *w)
{
    struct gn__addr v4 = foe_addr("10.1.0.2"), v6 = foe_addr("fd01::2");
    size_t i;

    foe_open(&w->foe, w->sim.net, "10.1.0.200", "fd01::200");
    w->foe.receive = note_packet;
    w->foe.arg = w;
    for (i = 0; i < N_PEERS; i++) {
        struct foe_segment *next = &w->peers[i].next;
        bool is_v6 = i % 2;

        next->src = is_v6 ? w->foe.v6 : w->foe.v4;
        next->dst = is_v6 ? v6 : v4;
        next->src_port = i < N_DIALS ? SERVICE : (uint16_t)(7000 + i);
        next->dst_port = i < N_DIALS ? (uint16_t)(GUEST_PORT + i) : SERVICE;
        next->seq = 0xffffff00u; /* wraps soon */
        next->window = 8192;
    }
}

static void build(struct world *w)
{
    gn_simnet_setup(&w->sim, prefixes, 1);
    w->guest = gn_simnet_guest(w->sim.net, "guest");
    w->honest = gn_simnet_guest(w->sim.net, "honest");
    w->listener = open_at(w->guest, SOCK_STREAM, "[::]:80");
    CHECK(gn_sock_listen(w->listener, 3) == 0);
    w->service = open_at(w->guest, SOCK_STREAM, "[::]:99");
    CHECK(gn_sock_listen(w->service, 3) == 0);
    w->datagrams = open_at(w->guest, SOCK_DGRAM, "[::]:53");
    build_peers(w);
    w->socks[0] = open_at(w->guest, SOCK_STREAM, "10.1.0.2:4000");
    w->socks[1] = open_at(w->guest, SOCK_STREAM, "[fd01::2]:4001");
    CHECK(connect_to(w->socks[0], "10.1.0.200:80") == -EINPROGRESS);
    CHECK(connect_to(w->socks[1], "[fd01::200]:80") == -EINPROGRESS);
}

static void end(struct gn_sock **sock)
{
    if (*sock)
        gn_simnet_end(*sock);
    *sock = NULL;
}

/* ---- the peer ---- */

static void emit(struct world *w, const uint8_t *bytes, size_t len)
{
    n_packets++;
    if (len <= sizeof(w->last)) {
        /* Written where its length is told, in the caller's argument list. */
        /* cppcheck-suppress uninitvar */
        memmove(w->last, bytes, len);
        w->last_len = len;
    }
    (void)foe_send(&w->foe, bytes, len);
}

/* Options that mean something, in any order and with any length. */
static size_t make_options(struct input *in, uint8_t out[40])
{
    size_t n = 0, i, count = byte(in) % 6;

    memset(out, 1, 40);
    for (i = 0; i < count && n + 12 < 40; i++) {
        static const uint8_t lens[] = {0, 1, 4, 3, 2, 10, 0, 0, 10};
        uint8_t kind = byte(in) % 16;
        uint16_t value = number(in);

        out[n] = kind;
        out[n + 1] = kind < sizeof(lens) ? lens[kind] : (uint8_t)value;
        out[n + 2] = (uint8_t)(kind == 3 ? value : value >> 8);
        out[n + 3] = (uint8_t)value;
        n += kind == 1 ? 1 : kind < sizeof(lens) && lens[kind] ? lens[kind] : 4;
    }
    return n + 3 < 40 ? (n + 3) / 4 * 4 : 40;
}

static size_t make_segment(struct world *w, struct input *in,
                           const struct foe_segment *from, bool stray,
                           uint8_t *out)
{
    static const uint8_t data[1400];
    uint8_t options[40];
    struct foe_segment segment = *from;

    segment.flags = byte(in);
    segment.window = number(in);
    segment.len = word(in) % sizeof(data);
    segment.data = data;
    if (stray) {
        segment.seq += (uint32_t)(int8_t)byte(in) * (1u << byte(in) % 24);
        segment.ack += (uint32_t)(int8_t)byte(in) * (1u << byte(in) % 24);
        segment.n_options = make_options(in, options);
        segment.options = options;
    }
    (void)w;
    return foe_tcp(&segment, out);
}

static void open_peer(struct world *w, struct input *in, struct peer *peer)
{
    struct foe_segment segment = peer->next;
    uint8_t options[40], bytes[256];

    segment.flags = segment.dst_port == SERVICE ? FOE_SYN : FOE_SYN | FOE_ACK;
    segment.flags ^= byte(in) % 16 ? 0 : FOE_ACK;
    segment.window = number(in);
    segment.n_options = make_options(in, options);
    segment.options = options;
    if (segment.flags == FOE_SYN)
        segment.ack = 0;
    emit(w, bytes, foe_tcp(&segment, bytes));
}

static void follow(struct world *w, struct input *in, const struct peer *peer)
{
    struct foe_segment segment = peer->next;
    static const uint8_t data[1400];
    uint8_t bytes[1500], how = byte(in);

    segment.flags = FOE_ACK | (how & 7 ? 0 : FOE_FIN);
    segment.window = number(in);
    segment.len = how & 8 ? word(in) % sizeof(data) : 0;
    segment.data = data;
    emit(w, bytes, foe_tcp(&segment, bytes));
}

static void send_pieces(struct world *w, struct input *in,
                        const struct peer *peer)
{
    uint8_t whole[PACKET_MAX], piece[PACKET_MAX];
    size_t len = make_segment(w, in, &peer->next, false, whole);
    size_t l4 = gn__addr_is_v4(&peer->next.src) ? 20 : 40;
    unsigned n = byte(in) % 5;
    uint8_t id = byte(in) % 4;

    while (n--) {
        size_t from = word(in) % (len - l4) / 8 * 8;
        size_t take = word(in) % (len - l4 - from) + 1;
        bool more = from + take < len - l4;

        emit(w, piece,
             foe_fragment(&peer->next.src, &peer->next.dst,
                          byte(in) % 16 ? GN__PROTO_TCP : GN__PROTO_UDP, id,
                          (unsigned)from, more ^ !(byte(in) % 16),
                          whole + l4 + from, more ? take / 8 * 8 : take,
                          piece));
    }
}

static void quote(struct world *w, struct input *in, const struct peer *peer)
{
    static const uint8_t types[2][6] = {{3, 3, 11, 12, 4, 5},
                                        {1, 2, 2, 3, 4, 137}};
    bool is_v6 = !gn__addr_is_v4(&peer->next.src);
    uint8_t quoted[QUOTE_MAX], bytes[PACKET_MAX];
    uint8_t type = types[is_v6][byte(in) % 6], code = byte(in) % 16;
    uint16_t rest = number(in);
    size_t cut = byte(in);

    memcpy(quoted, peer->quote, sizeof(quoted));
    if (peer->quote_len && !(byte(in) % 4))
        quoted[byte(in) % peer->quote_len] ^= byte(in);
    emit(w, bytes,
         foe_icmp_error(&peer->next.src, &peer->next.dst, type, code, rest,
                        quoted, cut < peer->quote_len ? cut : peer->quote_len,
                        bytes));
}

static void turn_bits(struct world *w, struct input *in)
{
    unsigned n = byte(in) % 8;

    while (n-- && w->last_len)
        w->last[word(in) % w->last_len] ^= (uint8_t)(1u << byte(in) % 8);
    if (w->last_len)
        emit(w, w->last, w->last_len);
}

static void send_raw(struct world *w, struct input *in)
{
    size_t len = word(in) % 512;

    if (len > in->len)
        len = in->len;
    emit(w, in->data, len);
    in->data += len;
    in->len -= len;
}

/* ---- the guest ---- */

static void set_option(struct gn_sock *sock, struct input *in)
{
    static const int options[][2] = {
        {SOL_SOCKET, SO_RCVBUF},     {SOL_SOCKET, SO_SNDBUF},
        {SOL_SOCKET, SO_KEEPALIVE},  {IPPROTO_TCP, TCP_NODELAY},
        {IPPROTO_TCP, TCP_CORK},     {IPPROTO_TCP, TCP_MAXSEG},
        {IPPROTO_TCP, TCP_KEEPIDLE}, {IPPROTO_TCP, TCP_USER_TIMEOUT}};
    const int *option = options[byte(in) % 8];
    int value = number(in);

    (void)gn_sock_setopt(sock, option[0], option[1], &value, sizeof(value));
}

static void use_sock(struct gn_sock **sock, struct input *in)
{
    static uint8_t buf[65536];
    uint8_t what = byte(in);
    size_t len = what & 8 ? word(in) : number(in);

    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        CHECK(gn_sock_send(*sock, buf, len, what & 16 ? MSG_MORE : 0) !=
              -ENOMEM);
        break;
    case 3:
    case 4:
        (void)gn_sock_recv(*sock, buf, len, what & 16 ? MSG_PEEK : 0);
        break;
    case 5:
        set_option(*sock, in);
        break;
    case 6:
        (void)gn_sock_shutdown(*sock, what >> 4 & 1 ? SHUT_WR : SHUT_RD);
        break;
    default:
        end(sock);
        break;
    }
}

static void use_guest(struct world *w, struct input *in)
{
    struct gn_sock **sock = &w->socks[byte(in) % N_SOCKS];
    uint8_t buf[512];

    if (*sock) {
        use_sock(sock, in);
        return;
    }
    (void)gn_sock_recv(w->datagrams, buf, sizeof(buf), 0);
    if (gn_sock_accept(w->listener, NULL, NULL, SOCK_NONBLOCK, sock))
        *sock = NULL;
}

/* ---- one input ---- */

static void take(struct world *w, struct input *in)
{
    uint8_t what = byte(in);
    struct peer *peer = &w->peers[(what >> 4) % N_PEERS];
    uint8_t bytes[PACKET_MAX];

    switch (what % 16) {
    case OPEN:
        open_peer(w, in, peer);
        break;
    case STRAY:
        emit(w, bytes, make_segment(w, in, &peer->next, true, bytes));
        break;
    case FRAGMENTS:
        send_pieces(w, in, peer);
        break;
    case QUOTE:
        quote(w, in, peer);
        break;
    case AGAIN:
        turn_bits(w, in);
        break;
    case RAW:
        send_raw(w, in);
        break;
    case PASS:
        gn_clock_advance(w->sim.clock, word(in) * GN_MS);
        break;
    case GUEST:
    case GUEST + 1:
    case GUEST + 2:
        use_guest(w, in);
        break;
    default:
        follow(w, in, peer);
        break;
    }
}

static void serve_a_stranger(struct world *w)
{
    struct gn_sock *client = open_at(w->honest, SOCK_STREAM, "0.0.0.0:0");
    struct gn_sock *server;
    char text[8] = "";

    CHECK(connect_to(client, "10.1.0.2:99") == -EINPROGRESS);
    gn_clock_advance(w->sim.clock, GN_MS);
    CHECK(gn_sock_accept(w->service, NULL, NULL, SOCK_NONBLOCK, &server) == 0);
    CHECK(gn_sock_send(client, "served", 7, 0) == 7);
    gn_clock_advance(w->sim.clock, GN_MS);
    CHECK(gn_sock_recv(server, text, sizeof(text), 0) == 7);
    CHECK(!strcmp(text, "served"));
    end(&server);
    end(&client);
}

static void destroy(struct world *w)
{
    size_t i;

    for (i = 0; i < N_SOCKS; i++)
        end(&w->socks[i]);
    end(&w->listener);
    end(&w->service);
    end(&w->datagrams);
    foe_close(&w->foe);
    gn_simnet_teardown(&w->sim);
}

static void print_count(void)
{
    printf("%llu packets\n", n_packets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct world *w = calloc(1, sizeof(*w));
    struct input in = {data, len};
    unsigned steps;

    CHECK(w);
    if (!n_packets++)
        (void)atexit(print_count);
    build(w);
    for (steps = 0; in.len && steps < STEPS; steps++) {
        take(w, &in);
        CHECK(w->sim.heap.live_bytes < HELD_MAX);
    }
    gn_clock_advance(w->sim.clock, 100000 * GN_MS);
    serve_a_stranger(w);
    destroy(w);
    free(w);
    return 0;
}
