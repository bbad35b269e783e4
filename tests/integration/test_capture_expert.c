/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tshark's experts say of ordinary traffic: nothing, except for what each
 * kind of traffic is about. They know TCP from captures of all systems, and so
 * say where ours differs.
 */
#include <guestnet/capture.h>
#include <guestnet/link.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/program.h"
#include "tests/lib/simnet.h"

#define TEXT_MAX 65536u

static const char *const near_prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
static const char *const far_prefixes[] = {"10.78.0.0/24", "fd78::/64", NULL};

struct fixture {
    struct gn_simnet sim;
    struct gn_network *far;
    struct gn_namespace *a, *b, *router, *c; /* c is behind the router */
};

/* How a remark begins that may be made of a kind of traffic, and why. */
struct remark {
    const char *text;
    const char *reason;
};

struct traffic {
    const char *name;
    void (*run)(struct fixture *f);
    struct remark allowed[12];
};

/* ---- sockets ---- */

static struct gn_sock *sock_at(struct gn_namespace *ns, int type,
                               const char *at)
{
    struct sockaddr_storage ss;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse(at, &ss, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, ss.ss_family, type | SOCK_NONBLOCK, 0, &sock), 0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&ss, len), 0);
    return sock;
}

static int connect_to(struct gn_sock *sock, const char *address)
{
    struct sockaddr_storage ss;
    socklen_t len;

    assert_int_equal(gn_addr_parse(address, &ss, &len), 0);
    return gn_sock_connect(sock, (struct sockaddr *)&ss, len);
}

static void set(struct gn_sock *sock, int level, int name, int value)
{
    assert_int_equal(gn_sock_setopt(sock, level, name, &value, sizeof(value)),
                     0);
}

static void pass(struct fixture *f, unsigned ms)
{
    gn_clock_advance(f->sim.clock, ms * GN_MS);
}

struct stream {
    struct gn_sock *client, *server;
};

static struct stream stream_open(struct fixture *f, struct gn_namespace *from,
                                 const char *own, struct gn_namespace *to,
                                 const char *address)
{
    struct gn_sock *listener = sock_at(to, SOCK_STREAM, address);
    struct stream s = {.client = sock_at(from, SOCK_STREAM, own)};

    assert_int_equal(gn_sock_listen(listener, 1), 0);
    assert_int_equal(connect_to(s.client, address), -EINPROGRESS);
    pass(f, 100);
    assert_int_equal(
        gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &s.server), 0);
    gn_simnet_end(listener);
    return s;
}

static void stream_close(struct fixture *f, struct stream *s)
{
    gn_simnet_end(s->client);
    pass(f, 100);
    gn_simnet_end(s->server);
    pass(f, 5000);
}

static size_t read_some(struct gn_sock *sock, size_t max)
{
    static char data[1 << 20];
    ssize_t n =
        gn_sock_recv(sock, data, max < sizeof(data) ? max : sizeof(data), 0);

    return n > 0 ? (size_t)n : 0;
}

/* Send @len bytes, up to 64 KiB at once, and let @ms pass; the reader takes up
 * to @bite of them; and so on. */
static void carry(struct fixture *f, struct stream *s, size_t len, size_t bite,
                  unsigned ms)
{
    static const char data[1 << 16];
    size_t sent = 0, got = 0;

    while (got < len) {
        size_t left = len - sent < sizeof(data) ? len - sent : sizeof(data);
        ssize_t n = left ? gn_sock_send(s->client, data, left, 0) : 0;

        sent += n > 0 ? (size_t)n : 0;
        pass(f, ms);
        got += read_some(s->server, bite);
    }
}

/* ---- kinds of traffic ---- */

static void stream_v4(struct fixture *f)
{
    struct stream s = stream_open(f, f->a, "10.77.0.2:0", f->b, "10.77.0.3:80");

    carry(f, &s, 1 << 20, SIZE_MAX, 1);
    stream_close(f, &s);
}

static void stream_v6(struct fixture *f)
{
    struct stream s = stream_open(f, f->a, "[fd77::2]:0", f->b, "[fd77::3]:80");

    carry(f, &s, 1 << 20, SIZE_MAX, 1);
    stream_close(f, &s);
}

static void slow_reader(struct fixture *f)
{
    struct stream s = stream_open(f, f->a, "10.77.0.2:0", f->b, "10.77.0.3:80");

    carry(f, &s, 600000, 10000, 400);
    stream_close(f, &s);
}

static void reader_of_single_bytes(struct fixture *f)
{
    struct stream s = stream_open(f, f->a, "[fd77::2]:0", f->b, "[fd77::3]:80");
    unsigned i;

    set(s.server, SOL_SOCKET, SO_RCVBUF, 4096);
    for (i = 0; i < 3000; i++) {
        (void)gn_sock_send(s.client, "abcdefghijklm", 13, 0);
        (void)read_some(s.server, i % 3);
        pass(f, 20);
    }
    gn_simnet_end(s.client);
    while (read_some(s.server, SIZE_MAX))
        pass(f, 5000);
    gn_simnet_end(s.server);
    pass(f, 5000);
}

static void neither_reads(struct fixture *f)
{
    struct stream s = stream_open(f, f->a, "10.77.0.2:0", f->b, "10.77.0.3:80");
    static const char data[1 << 19];

    (void)gn_sock_send(s.client, data, sizeof(data), 0);
    (void)gn_sock_send(s.server, data, sizeof(data), 0);
    pass(f, 60000);
    while (read_some(s.client, SIZE_MAX) + read_some(s.server, SIZE_MAX))
        pass(f, 5000);
    stream_close(f, &s);
}

static void lost_packets(struct fixture *f)
{
    struct gn_link_config lossy = {
        .size = sizeof(lossy), .loss_ppm = 100000, .latency_us = 2000};
    struct stream s;

    assert_int_equal(gn_link_set(f->b, "eth0", &lossy), 0);
    s = stream_open(f, f->a, "10.77.0.2:0", f->b, "10.77.0.3:80");
    carry(f, &s, 1 << 20, SIZE_MAX, 10);
    assert_int_equal(gn_link_set(f->b, "eth0", NULL), 0);
    stream_close(f, &s);
}

static void datagrams(struct fixture *f, const char *from, const char *to,
                      size_t len)
{
    static const char data[60000];
    struct gn_sock *a = gn_simnet_udp(f->a, from);
    struct gn_sock *b = gn_simnet_udp(f->b, to);
    unsigned i;

    for (i = 0; i < 3; i++)
        assert_int_equal(gn_simnet_send(a, to, data, len), len);
    pass(f, 100);
    assert_int_equal(gn_simnet_recv(b, NULL, 0), 0);
    gn_simnet_end(a);
    gn_simnet_end(b);
}

static void fragments_v4(struct fixture *f)
{
    datagrams(f, "10.77.0.2:9", "10.77.0.3:9", 40000);
}

static void fragments_v6(struct fixture *f)
{
    datagrams(f, "[fd77::2]:9", "[fd77::3]:9", 40000);
}

static void groups(struct fixture *f)
{
    struct gn_sock *a = gn_simnet_udp(f->a, "10.77.0.2:9");
    struct gn_sock *b = gn_simnet_udp(f->b, "0.0.0.0:9");
    struct ip_mreq join = {.imr_interface.s_addr = INADDR_ANY};

    join.imr_multiaddr.s_addr = htonl(0xe8000001); /* 232.0.0.1 */
    assert_int_equal(
        gn_sock_setopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)),
        0);
    assert_int_equal(gn_simnet_send(a, "232.0.0.1:9", "all", 3), 3);
    set(a, SOL_SOCKET, SO_BROADCAST, 1);
    assert_int_equal(gn_simnet_send(a, "10.77.0.255:9", "all", 3), 3);
    pass(f, 100);
    assert_int_equal(gn_simnet_recv(b, NULL, 0), 0);
    gn_simnet_end(a);
    gn_simnet_end(b);
    pass(f, 5000);
}

static void resets(struct fixture *f)
{
    struct stream s = stream_open(f, f->a, "10.77.0.2:0", f->b, "10.77.0.3:80");
    struct gn_sock *refused = sock_at(f->a, SOCK_STREAM, "10.77.0.2:0");

    assert_int_equal(gn_sock_send(s.client, "unread", 6, 0), 6);
    pass(f, 100);
    gn_simnet_end(s.server);
    pass(f, 100);
    gn_simnet_end(s.client);
    assert_int_equal(connect_to(refused, "10.77.0.3:81"), -EINPROGRESS);
    pass(f, 100);
    gn_simnet_end(refused);
}

static void errors_of_icmp(struct fixture *f)
{
    struct gn_sock *a = gn_simnet_udp(f->a, "10.77.0.2:9");
    struct gn_sock *a6 = gn_simnet_udp(f->a, "[fd77::2]:9");

    assert_int_equal(gn_simnet_send(a, "10.77.0.3:7", "port", 4), 4);
    assert_int_equal(gn_simnet_send(a6, "[fd77::3]:7", "port", 4), 4);
    pass(f, 100);
    gn_simnet_end(a);
    gn_simnet_end(a6);
}

/* The far network's packets are smaller, and the router says so. */
static void narrow_router(struct fixture *f, const char *own, const char *to)
{
    struct stream s = stream_open(f, f->a, own, f->c, to);

    carry(f, &s, 1 << 18, SIZE_MAX, 1);
    stream_close(f, &s);
}

static void narrow_router_v4(struct fixture *f)
{
    narrow_router(f, "10.77.0.2:0", "10.78.0.3:80");
}

static void narrow_router_v6(struct fixture *f)
{
    narrow_router(f, "[fd77::2]:0", "[fd78::3]:80");
}

static void kept_alive(struct fixture *f)
{
    struct stream s = stream_open(f, f->a, "10.77.0.2:0", f->b, "10.77.0.3:80");

    set(s.client, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(s.client, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    pass(f, 60000);
    stream_close(f, &s);
}

static void half_closed(struct fixture *f)
{
    struct stream s = stream_open(f, f->a, "10.77.0.2:0", f->b, "10.77.0.3:80");

    assert_int_equal(gn_sock_shutdown(s.server, SHUT_WR), 0);
    carry(f, &s, 300000, SIZE_MAX, 1);
    stream_close(f, &s);
}

/* ---- what may be said ---- */

#define CLOSES                                                       \
    {"Connection finish (FIN)", "each connection ends"},             \
        {"This frame initiates the connection closing", "the same"}, \
    {                                                                \
        "This frame undergoes the connection closing", "the same"    \
    }
#define CLOSED_WINDOW                                             \
    {"TCP Zero Window segment", "its reader takes nothing"},      \
        {"TCP Zero Window Probe", "it is asked for"},             \
        {"ACK to a TCP Zero Window Probe", "it is still closed"}, \
    {                                                             \
        "TCP window specified by the receiver is now completely", \
            "so it is used to its end"                            \
    }

static const struct traffic kinds[] = {
    {"stream_v4", stream_v4, {CLOSES}},
    {"stream_v6", stream_v6, {CLOSES}},
    {"slow_reader", slow_reader, {CLOSES, CLOSED_WINDOW}},
    {"reader_of_single_bytes", reader_of_single_bytes, {CLOSES, CLOSED_WINDOW}},
    {"neither_reads", neither_reads, {CLOSES, CLOSED_WINDOW}},
    {"lost_packets",
     lost_packets,
     {CLOSES,
      {"Previous segment(s) not captured", "that is the traffic"},
      {"Duplicate ACK", "what came after it is acknowledged"},
      {"This frame is a (suspected) fast retransmission", "sent again"},
      {"This frame is a (suspected) retransmission", "sent again"},
      {"TCP window specified by the receiver is now completely",
       "what is missing keeps it"}}},
    {"fragments_v4", fragments_v4, {{NULL, NULL}}},
    {"fragments_v6", fragments_v6, {{NULL, NULL}}},
    {"groups", groups, {{NULL, NULL}}},
    {"resets", resets, {{"Connection reset (RST)", "that is the traffic"}}},
    {"errors_of_icmp", errors_of_icmp, {{NULL, NULL}}},
    {"narrow_router_v4", narrow_router_v4, {CLOSES}},
    {"narrow_router_v6", narrow_router_v6, {CLOSES}},
    {"kept_alive",
     kept_alive,
     {CLOSES,
      {"TCP keep-alive segment", "that is the traffic"},
      {"ACK to a TCP keep-alive segment", "its answer"}}},
    {"half_closed", half_closed, {CLOSES}},
};

/* ---- the world ---- */

static void build(struct fixture *f)
{
    struct gn_namespace_config config = {
        .size = sizeof(config), .name = "router", .forwarding = true};
    struct gn_network_config far = {.size = sizeof(far),
                                    .name = "far",
                                    .prefixes = far_prefixes,
                                    .mtu = 1280,
                                    .drive = GN_DRIVE_VIRTUAL};

    gn_simnet_setup(&f->sim, near_prefixes, 5);
    assert_int_equal(gn_simnet_create(&f->sim, &far, &f->far), 0);
    f->a = gn_simnet_guest(f->sim.net, "a");
    f->b = gn_simnet_guest(f->sim.net, "b");
    assert_int_equal(gn_namespace_create(f->sim.net, &config, &f->router), 0);
    assert_int_equal(gn_namespace_attach(f->router, f->far, NULL), 0);
    f->c = gn_simnet_guest(f->far, "c");
    assert_int_equal(gn_route_add(f->a, "10.78.0.0/24", "10.77.0.4"), 0);
    assert_int_equal(gn_route_add(f->a, "fd78::/64", "fd77::4"), 0);
    assert_int_equal(gn_route_add(f->c, "10.77.0.0/24", "10.78.0.2"), 0);
    assert_int_equal(gn_route_add(f->c, "fd77::/64", "fd78::2"), 0);
}

static bool is_allowed(const struct traffic *kind, const char *text)
{
    const struct remark *remark;

    for (remark = kind->allowed; remark->text; remark++) {
        if (!strncmp(text, remark->text, strlen(remark->text)))
            return true;
    }
    return false;
}

/* Prints what is said without being allowed; how many different things. */
static unsigned judge(const struct traffic *kind, const char *path)
{
    static char text[TEXT_MAX];
    unsigned n_bad = 0;
    char *line, *rest;

    (void)gn_program_run(
        text, sizeof(text),
        "tshark -r %s -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE"
        " -o udp.check_checksum:TRUE -T fields -E aggregator='|'"
        " -e _ws.expert.message"
        " -Y '_ws.expert.severity >= \"Note\" || _ws.malformed' 2>/dev/null"
        " | tr '|' '\\n' | sort -u",
        path);
    for (line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (is_allowed(kind, line))
            continue;
        print_message("%s: %s\n", kind->name, line);
        n_bad++;
    }
    return n_bad;
}

static unsigned look_at(const struct traffic *kind)
{
    struct fixture f;
    struct gn_capture *capture;
    struct gn_capture_stats stats;
    char path[] = "expert-XXXXXX";
    int fd = mkstemp(path);
    unsigned n_bad;

    assert_true(fd >= 0);
    close(fd);
    build(&f);
    assert_int_equal(gn_capture_start(f.sim.net, NULL, path, &capture), 0);
    kind->run(&f);
    gn_capture_stats(capture, &stats);
    assert_int_equal(gn_capture_stop(capture), 0);
    assert_true(stats.packets > 0 && !stats.dropped);
    gn_network_close(f.far, NULL, NULL);
    gn_simnet_teardown(&f.sim);
    n_bad = judge(kind, path);
    unlink(path);
    return n_bad;
}

static void experts_find_only_what_traffic_is_about(void **state)
{
    unsigned n_bad = 0;
    size_t i;

    (void)state;
    gn_program_need("tshark");
    for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        n_bad += look_at(&kinds[i]);
    assert_int_equal(n_bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(experts_find_only_what_traffic_is_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
