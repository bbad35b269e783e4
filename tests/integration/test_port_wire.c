/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest behind a wire has what an in-process guest has: a name, a way outside
 * under a policy, limits, counters, and ports that are published to it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "namespace/namespace.h"
#include "tests/lib/case.h"
#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/memwire.h"
#include "tests/lib/pubnet.h"
#include "tests/lib/rawport.h"
#include "tests/lib/socks.h"

#define WIRE4  "10.77.0.9"
#define WIRE6  "fd77::9"
#define GUEST4 "10.77.0.2"

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})

struct fixture {
    struct eg eg;
    struct gn_memwire *wire;
    int udp, tcp; /* of the kernel, on its loopback */
    uint8_t out[65536], in[65536];
};

static const struct gn_raw_ip to_gateway = {.src = WIRE4, .dst = GATEWAY4};

static int setup(void **state)
{
    static struct fixture f;

    f.udp = near_socket(SOCK_DGRAM, "127.0.0.1:0", false);
    f.tcp = near_socket(SOCK_STREAM, "127.0.0.1:0", true);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_memwire_close(f->wire);
    eg_end(&f->eg);
    close(f->udp);
    close(f->tcp);
    return 0;
}

static void begin(struct fixture *f, const char *const *rules, uint32_t mtu,
                  const struct gn_limits *limits)
{
    static const char *const addresses[] = {WIRE4, WIRE6, NULL};

    eg_begin(&f->eg, rules, NULL);
    f->wire =
        gn_memwire_open(f->eg.net, "vm", addresses, mtu, f->eg.egress, limits);
}

static void send_udp(struct fixture *f, uint16_t from, uint16_t to,
                     const char *text)
{
    gn_memwire_send(
        f->wire, f->out,
        gn_raw_udp(&to_gateway, from, to, text, strlen(text), f->out));
}

/* The next packet: of this protocol, with what lies behind its IPv4 header. */
static const uint8_t *next_packet(struct fixture *f, uint8_t proto, size_t *len)
{
    size_t head;

    *len = gn_memwire_recv(f->wire, f->in, sizeof(f->in));
    assert_int_equal(f->in[0] >> 4, 4);
    assert_int_equal(f->in[9], proto);
    head = (size_t)(f->in[0] & 15) * 4;
    *len -= head;
    return f->in + head;
}

static void expect_udp(struct fixture *f, uint16_t to, const char *text)
{
    size_t len;
    const uint8_t *udp = next_packet(f, GN__PROTO_UDP, &len);

    assert_int_equal(udp[2] << 8 | udp[3], to);
    assert_int_equal(len, 8 + strlen(text));
    assert_memory_equal(udp + 8, text, strlen(text));
}

/* The kernel's socket says this to the sender. */
static void answer(int fd, const char *question, const char *text)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    char buf[256];
    ssize_t n;

    assert_true(eg_readable(fd, 10000));
    n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &len);
    assert_int_equal(n, strlen(question));
    assert_memory_equal(buf, question, (size_t)n);
    assert_int_equal(
        sendto(fd, text, strlen(text), 0, (struct sockaddr *)&peer, len),
        strlen(text));
}

static void segment(struct fixture *f, uint32_t seq, uint32_t ack,
                    uint8_t flags, const char *text)
{
    gn_memwire_send(f->wire, f->out,
                    gn_raw_tcp(&to_gateway, 4000, far_port(f->tcp), seq, ack,
                               flags, 8192, text, strlen(text), f->out));
}

/* ---- cases ---- */

static void datagrams_go_out_where_a_rule_lets_them(void **state)
{
    struct fixture *f = *state;
    struct gn_stats stats;

    begin(f, RULES("allow udp 127.0.0.1"), 0, NULL);
    send_udp(f, 4000, far_port(f->udp), "question");
    answer(f->udp, "question", "answer");
    expect_udp(f, 4000, "answer");
    assert_int_equal(eg_audits(&f->eg), 1);
    assert_true(eg_last(&f->eg).allowed);
    assert_string_equal(eg_last(&f->eg).guest, "vm");
    stats = gn_memwire_stats(f->wire);
    assert_int_equal(stats.packets_out, 1);
    assert_int_equal(stats.bytes_out, 20 + 8 + strlen("question"));
    assert_int_equal(stats.packets_in, 1);
    assert_int_equal(stats.descriptors, 1);
}

static void what_is_denied_is_told_and_counted(void **state)
{
    struct fixture *f = *state;
    const uint8_t *icmp;
    size_t len;

    begin(f, RULES("allow udp 192.0.2.1"), 0, NULL);
    send_udp(f, 4000, far_port(f->udp), "question");
    icmp = next_packet(f, GN__PROTO_ICMP, &len);
    assert_int_equal(icmp[0], 3);
    assert_int_equal(icmp[1], 13); /* prohibited */
    assert_false(eg_last(&f->eg).allowed);
    assert_int_equal(gn_memwire_stats(f->wire).drops[GN_DROP_DENIED], 1);
}

static void connections_go_out(void **state)
{
    struct fixture *f = *state;
    const uint8_t *tcp;
    uint32_t seq;
    size_t len;
    char buf[16];
    int fd;

    begin(f, RULES("allow tcp 127.0.0.1"), 0, NULL);
    segment(f, 1000, 0, 0x02, "");
    tcp = next_packet(f, GN__PROTO_TCP, &len);
    assert_int_equal(tcp[13], 0x12);
    seq = (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 |
          (uint32_t)tcp[6] << 8 | tcp[7];
    segment(f, 1001, seq + 1, 0x18, "hello");
    fd = eg_accept(f->tcp);
    assert_true(eg_readable(fd, 10000));
    assert_int_equal(read(fd, buf, sizeof(buf)), 5);
    assert_memory_equal(buf, "hello", 5);
    close(fd);
}

static void a_limit_is_its_own(void **state)
{
    struct fixture *f = *state;
    const struct gn_limits limits = {.max_descriptors = 1};
    struct gn__fd_share share = {.guest = NULL};
    struct gn__guest *guest;

    begin(f, RULES("allow udp 127.0.0.1"), 0, &limits);
    guest = gn_memwire_guest(f->wire);
    assert_int_equal(gn__fds_take(guest, &share), 0);
    assert_false(gn__fds_left(guest));
    send_udp(f, 4000, far_port(f->udp), "question");
    gn_test_until(gn_memwire_stats(f->wire).drops[GN_DROP_DESCRIPTORS] == 1);
    gn__fds_give(&share);
    send_udp(f, 4000, far_port(f->udp), "again");
    answer(f->udp, "again", "answer");
}

static void rules_hear_the_names_it_was_told(void **state)
{
    struct fixture *f = *state;
    struct gn__addr addr;

    begin(f, RULES("allow name db.example.org"), 0, NULL);
    assert_int_equal(gn__addr_parse("127.0.0.1", &addr), 0);
    assert_int_equal(
        gn__names_learn(gn_memwire_guest(f->wire), &addr, "db.example.org", 60),
        0);
    send_udp(f, 4000, far_port(f->udp), "question");
    gn_test_until(eg_audits(&f->eg) == 1);
    assert_string_equal(eg_last(&f->eg).name, "db.example.org");
    assert_false(eg_last(&f->eg).allowed); /* It is the loopback. */
}

static void ports_are_published_to_its_name(void **state)
{
    struct fixture *f = *state;
    struct gn_publication *pub;
    const uint8_t *udp;
    uint16_t from;
    size_t len;
    char buf[16];
    int fd;

    begin(f, RULES("allow udp 192.0.2.1"), 0, NULL);
    assert_int_equal(
        gn_publish(f->eg.net, "udp", "127.0.0.1:0", "vm:53", NULL, &pub), 0);
    fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
    assert_int_equal(send(fd, "who?", 4, 0), 4);
    udp = next_packet(f, GN__PROTO_UDP, &len);
    assert_int_equal(udp[2] << 8 | udp[3], 53);
    assert_memory_equal(udp + 8, "who?", 4);
    from = (uint16_t)(udp[0] << 8 | udp[1]);
    send_udp(f, 53, from, "vm");
    assert_int_equal(pubnet_read(fd, buf, sizeof(buf)), 2);
    assert_memory_equal(buf, "vm", 2);
    close(fd);
    gn_unpublish(pub, NULL, NULL);
}

static bool is_served(struct fixture *f, uint16_t port)
{
    const struct gn__served what = {
        .proto = GN__PROTO_TCP, .name = "vm", .port = port};

    return gn__ns_is_served(f->eg.guest, &what);
}

/* What it listens on is not known, but what the host program says is. */
static void what_is_published_to_it_is_served(void **state)
{
    struct fixture *f = *state;
    struct gn_publication *pub, *by_address;

    begin(f, RULES("allow udp 192.0.2.1"), 0, NULL);
    assert_false(is_served(f, 80));
    assert_int_equal(
        gn_publish(f->eg.net, "tcp", "127.0.0.1:0", "VM:http", NULL, &pub), 0);
    assert_int_equal(gn_publish(f->eg.net, "tcp", "127.0.0.1:0", WIRE4 ":22",
                                NULL, &by_address),
                     0);
    assert_true(is_served(f, 80));
    assert_true(is_served(f, 22));
    assert_false(is_served(f, 81));
    gn_unpublish(pub, NULL, NULL);
    gn_unpublish(by_address, NULL, NULL);
    assert_false(is_served(f, 80));
    assert_false(is_served(f, 22));
}

static void guests_find_it_by_its_name(void **state)
{
    struct fixture *f = *state;

    begin(f, RULES("allow udp 192.0.2.1"), 0, NULL);
    assert_int_equal(eg_lookup(&f->eg, "vm"), 0);
    assert_int_equal(eg_lookup(&f->eg, "vm.guest.internal"), 0);
    assert_null(gn_namespace_find(f->eg.net, "vm")); /* It is none. */
}

static void a_batch_is_flushed_once(void **state)
{
    struct fixture *f = *state;
    struct gn_memwire_count count;
    struct gn_sock *sock;
    char data[6000] = {0};
    int err;

    begin(f, RULES("allow udp 192.0.2.1"), 1500, NULL);
    sock = eg_dial(&f->eg, SOCK_DGRAM, WIRE4, 53, &err);
    assert_non_null(sock);
    assert_int_equal(gn_sock_send(sock, data, sizeof(data), 0), sizeof(data));
    gn_test_until(gn_memwire_count(f->wire).packets == 5); /* fragments */
    count = gn_memwire_count(f->wire);
    assert_int_equal(count.batches, 1);
    assert_int_equal(gn_sock_send(sock, data, 1, 0), 1);
    gn_test_until(gn_memwire_count(f->wire).packets == 6);
    assert_int_equal(gn_memwire_count(f->wire).batches, 2);
    drop(sock);
}

static void a_source_that_is_not_its_own_is_counted(void **state)
{
    const struct gn_raw_ip forged = {.src = GUEST4, .dst = GATEWAY4};
    struct fixture *f = *state;

    begin(f, RULES("allow udp 127.0.0.1"), 0, NULL);
    gn_memwire_send(f->wire, f->out,
                    gn_raw_udp(&forged, 4000, 53, "x", 1, f->out));
    assert_int_equal(gn_memwire_stats(f->wire).drops[GN_DROP_SOURCE], 1);
    assert_int_equal(eg_audits(&f->eg), 0);
}

static bool holds_none(struct gn__guest *guest)
{
    bool none;

    gn__engine_enter(guest->engine);
    none = guest->n_fds == 0;
    gn__engine_leave(guest->engine);
    return none;
}

static void its_end_is_the_end_of_its_flows(void **state)
{
    struct fixture *f = *state;
    struct gn__guest *guest;

    begin(f, RULES("allow udp 127.0.0.1"), 0, NULL);
    guest = gn_memwire_guest(f->wire);
    gn__guest_ref(guest);
    send_udp(f, 4000, far_port(f->udp), "question");
    answer(f->udp, "question", "answer");
    expect_udp(f, 4000, "answer");
    gn_memwire_close(f->wire);
    gn_test_until(holds_none(guest));
    gn__guest_unref(guest);
    f->wire = gn_memwire_open(f->eg.net, "vm", RULES(WIRE4), 0, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(datagrams_go_out_where_a_rule_lets_them),
        CASE(what_is_denied_is_told_and_counted),
        CASE(connections_go_out),
        CASE(a_limit_is_its_own),
        CASE(rules_hear_the_names_it_was_told),
        CASE(ports_are_published_to_its_name),
        CASE(what_is_published_to_it_is_served),
        CASE(guests_find_it_by_its_name),
        CASE(a_batch_is_flushed_once),
        CASE(a_source_that_is_not_its_own_is_counted),
        CASE(its_end_is_the_end_of_its_flows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
