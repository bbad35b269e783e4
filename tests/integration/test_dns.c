/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DNS server at the gateway's addresses, asked by a guest of this process:
 * what it says of guests, what it asks the guest's resolver, and what it makes
 * of messages that are none. Virtual time.
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/card.h"
#include "tests/lib/case.h"
#include "tests/lib/simnet.h"

struct fixture {
    struct gn_simnet sim;
    struct gn_resolver *names;  /* of "asker" */
    struct gn_resolver *talker; /* of "reader" */
    struct gn_namespace *web, *asker;
    struct gn_card card; /* "vm", 10.77.0.4 */
    struct gn_sock *sock;
    uint8_t answer[65535];
    size_t len;
};

static struct gn_namespace *asker_make(struct fixture *f)
{
    struct gn_resolver_static_config hosts = {
        .size = sizeof(hosts),
        .hosts = "192.0.2.7 www.example.org\n2001:db8::7 six.example.org\n"};
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "asker"};
    struct gn_namespace *ns;

    assert_int_equal(gn_resolver_static(&hosts, &f->names), 0);
    config.resolver = f->names;
    assert_int_equal(gn_namespace_create(f->sim.net, &config, &ns), 0);
    return ns;
}

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_nic_config config = {.size = sizeof(config), .name = "vm"};
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    gn_simnet_setup(&f.sim, prefixes, 1);
    f.web = gn_simnet_guest(f.sim.net, "web");
    f.asker = asker_make(&f);
    gn_card_open(&f.card, f.sim.net, &config);
    f.sock = gn_simnet_udp(f.asker, "0.0.0.0:5353");
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_simnet_end(f->sock);
    gn_card_close(&f->card);
    gn_simnet_teardown(&f->sim);
    gn_resolver_close(f->names);
    gn_resolver_close(f->talker);
    return 0;
}

/* ---- messages ---- */

static size_t question(uint8_t *out, const char *name, uint16_t type)
{
    static const uint8_t head[12] = {0x12, 0x34, 1, 0, 0, 1};
    size_t at = 12;

    memcpy(out, head, sizeof(head));
    while (*name) {
        size_t n = strcspn(name, ".");

        out[at++] = (uint8_t)n;
        memcpy(out + at, name, n);
        at += n;
        name += n + (name[n] == '.');
    }
    out[at++] = 0;
    out[at++] = (uint8_t)(type >> 8);
    out[at++] = (uint8_t)type;
    out[at++] = 0;
    out[at++] = 1;
    return at;
}

static void ask_bytes(struct fixture *f, const void *msg, size_t len)
{
    ssize_t n;

    assert_int_equal(gn_simnet_send(f->sock, "10.77.0.1:53", msg, len), len);
    gn_clock_advance(f->sim.clock, GN_MS);
    n = gn_simnet_recv(f->sock, f->answer, sizeof(f->answer));
    f->len = n > 0 ? (size_t)n : 0;
}

/* Asks, and returns the response code; the answer has the question in it. */
static int ask(struct fixture *f, const char *name, uint16_t type)
{
    uint8_t msg[512];
    size_t len = question(msg, name, type);

    ask_bytes(f, msg, len);
    assert_true(f->len >= len);
    assert_memory_equal(f->answer, "\x12\x34", 2);
    assert_memory_equal(f->answer + 12, msg + 12, len - 12);
    assert_true(f->answer[2] & 0x80); /* QR */
    assert_true(f->answer[3] & 0x80); /* RA */
    return f->answer[3] & 15;
}

static unsigned n_answers(const struct fixture *f)
{
    return (unsigned)(f->answer[6] << 8 | f->answer[7]);
}

static bool has(const struct fixture *f, const void *bytes, size_t len)
{
    return memmem(f->answer + 12, f->len - 12, bytes, len) != NULL;
}

/* ---- names ---- */

static void guests_have_addresses(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "web.guest.internal", 1), 0);
    assert_int_equal(n_answers(f), 1);
    assert_true(has(f, "\x0a\x4d\x00\x02", 4));
    assert_int_equal(ask(f, "web.guest.internal", 28), 0);
    assert_true(has(f, "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16));
    assert_int_equal(ask(f, "vm.guest.internal", 1), 0);
    assert_true(has(f, "\x0a\x4d\x00\x04", 4));
    assert_int_equal(ask(f, "vm.guest.internal", 28), 0);
    assert_int_equal(n_answers(f), 0); /* It was not heard to use it. */
    assert_int_equal(ask(f, "host.guest.internal", 1), 0);
    assert_true(has(f, "\x0a\x4d\x00\x01", 4));
}

static void letters_come_back_as_they_were(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "wEb.GuEsT.iNtErNaL", 1), 0);
    assert_int_equal(n_answers(f), 1);
}

static void addresses_have_names(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "2.0.77.10.in-addr.arpa", 12), 0);
    assert_int_equal(n_answers(f), 1);
    assert_true(has(f, "\3web", 4));
    assert_int_equal(ask(f,
                         "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
                         "0.0.0.0.7.7.d.f.ip6.arpa",
                         12),
                     0);
    assert_true(has(f, "\3web", 4));
    assert_int_equal(ask(f, "99.0.77.10.in-addr.arpa", 12), 3);
}

static void the_rest_is_the_guests_resolver(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "www.example.org", 1), 0);
    assert_true(has(f, "\xc0\x00\x02\x07", 4));
    assert_int_equal(ask(f, "no.example.org", 1), 3);
}

static void one_family_alone_is_no_missing_name(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "www.example.org", 28), 0);
    assert_int_equal(n_answers(f), 0);
    assert_int_equal(f->answer[9], 1); /* SOA */
    assert_int_equal(ask(f, "six.example.org", 1), 0);
    assert_int_equal(n_answers(f), 0);
}

static void https_is_no_data_at_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "www.example.org", 65), 0);
    assert_int_equal(n_answers(f), 0);
}

static void a_guest_has_a_name_whatever_is_asked_of_it(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "web.guest.internal", 15), 0); /* MX */
    assert_int_equal(n_answers(f), 0);
    assert_int_equal(f->answer[9], 1); /* SOA */
}

/* In text each of its bytes is four. */
static void a_name_of_bytes_that_no_host_has_does_no_harm(void **state)
{
    static const uint8_t head[12] = {0x12, 0x34, 1, 0, 0, 1};
    static const uint8_t by_a[5] = {0, 0, 1, 0, 1},
                         by_srv[5] = {0, 0, 33, 0, 1};
    struct fixture *f = *state;
    struct gn_stats stats;
    uint8_t msg[512];
    size_t at = 12, i;

    memcpy(msg, head, sizeof(head));
    for (i = 0; i < 3; i++) {
        msg[at++] = 63;
        memset(msg + at, 1, 63);
        at += 63;
    }
    memcpy(msg + at, by_a, sizeof(by_a));
    ask_bytes(f, msg, at + 5);
    msg[13] = '_';
    memcpy(msg + at, by_srv, sizeof(by_srv));
    ask_bytes(f, msg, at + 5);
    assert_int_equal(ask(f, "web.guest.internal", 1), 0);
    assert_int_equal(n_answers(f), 1);
    gn_namespace_stats(f->asker, &stats);
    assert_int_equal(stats.drops[GN_DROP_MALFORMED], 2);
}

/* ---- services ---- */

static struct gn_sock *listen_at(struct gn_namespace *ns, const char *address)
{
    struct sockaddr_storage at;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse(address, &at, &len), 0);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&at, len), 0);
    assert_int_equal(gn_sock_listen(sock, 8), 0);
    return sock;
}

static void what_a_guest_listens_on_is_a_service(void **state)
{
    /* Priority, weight, port; and the name, which is not compressed. */
    static const char want[] = "\0\0\0\0\0\x50\3web\5guest\x8internal";
    struct fixture *f = *state;
    struct gn_sock *sock = listen_at(f->web, "0.0.0.0:80");

    assert_int_equal(ask(f, "_http._tcp.web.guest.internal", 33), 0);
    assert_int_equal(n_answers(f), 1);
    assert_true(has(f, want, sizeof(want)));
    assert_int_equal(f->answer[11], 2); /* beside it: A, AAAA */
    assert_true(has(f, "\x0a\x4d\x00\x02", 4));
    assert_int_equal(ask(f, "_HTTP._Tcp.Web.guest.internal", 33), 0);
    assert_int_equal(n_answers(f), 1);
    gn_simnet_end(sock);
    assert_int_equal(ask(f, "_http._tcp.web.guest.internal", 33), 3);
    assert_int_equal(f->answer[9], 1); /* SOA */
}

static void a_service_has_records_of_one_type(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = listen_at(f->web, "0.0.0.0:80");

    assert_int_equal(ask(f, "_http._tcp.web.guest.internal", 1), 0);
    assert_int_equal(n_answers(f), 0);
    assert_int_equal(f->answer[9], 1);
    gn_simnet_end(sock);
}

static void the_dns_server_is_one_itself(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "_domain._udp.host.guest.internal", 33), 0);
    assert_true(has(f, "\0\0\0\0\0\x35\4host", 11));
    assert_int_equal(ask(f, "_domain._tcp.host.guest.internal", 33), 0);
    assert_int_equal(n_answers(f), 1);
}

static void what_is_served_to_none_is_no_service(void **state)
{
    static const char *const names[] = {
        "_http._tcp.web.guest.internal",    /* not served */
        "_http._udp.web.guest.internal",    /* of the other protocol */
        "_ssh._tcp.web.guest.internal",     /* to itself only */
        "_nothing._tcp.web.guest.internal", /* no port is called so */
        "_._tcp.web.guest.internal",
        "_http._tcp.vm.guest.internal", /* not known of a wire */
        "_http._tcp.none.guest.internal",
        "_http._sctp.web.guest.internal",
        "_http._tcp.guest.internal",
    };
    struct fixture *f = *state;
    struct gn_sock *sock = listen_at(f->web, "127.0.0.1:22");
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_int_equal(ask(f, names[i], 33), 3);
    gn_simnet_end(sock);
}

/* ---- messages that are none ---- */

static void what_is_malformed_is_told_so(void **state)
{
    struct fixture *f = *state;
    uint8_t msg[512];
    size_t len = question(msg, "web.guest.internal", 1);

    ask_bytes(f, msg, len - 3);
    assert_int_equal(f->answer[3] & 15, 1);
    msg[2] |= 2 << 3; /* another operation */
    ask_bytes(f, msg, len);
    assert_int_equal(f->answer[3] & 15, 4);
    msg[2] = 0x80; /* an answer is never answered */
    ask_bytes(f, msg, len);
    assert_int_equal(f->len, 0);
    ask_bytes(f, msg, 11);
    assert_int_equal(f->len, 0);
}

static void edns_is_answered_with_edns(void **state)
{
    static const uint8_t opt[11] = {0, 0, 41, 16};
    struct fixture *f = *state;
    uint8_t msg[512];
    size_t len = question(msg, "web.guest.internal", 1);

    msg[11] = 1;
    memcpy(msg + len, opt, sizeof(opt));
    ask_bytes(f, msg, len + sizeof(opt));
    assert_int_equal(f->answer[3] & 15, 0);
    assert_int_equal(f->answer[11], 1);
    assert_true(has(f, "\0\0\x29\x04\xd0", 5));
}

static uint64_t drops(struct fixture *f, enum gn_drop why)
{
    return gn_simnet_ns_drops(f->asker, why);
}

static void what_is_refused_is_counted_at_the_guest_that_asked(void **state)
{
    struct fixture *f = *state;
    uint8_t msg[512];
    size_t len = question(msg, "web.guest.internal", 1);

    ask_bytes(f, msg, len - 3);
    ask_bytes(f, msg, 11);
    assert_int_equal(drops(f, GN_DROP_MALFORMED), 2);
    msg[2] |= 2 << 3; /* another operation */
    ask_bytes(f, msg, len);
    assert_int_equal(drops(f, GN_DROP_PROTOCOL), 1);
    len = question(msg, "web.guest.internal", 1);
    msg[len - 1] = 3; /* CHAOS */
    ask_bytes(f, msg, len);
    assert_int_equal(f->answer[3] & 15, 5);
    assert_int_equal(drops(f, GN_DROP_PROTOCOL), 2);
    assert_int_equal(gn_simnet_ns_drops(f->web, GN_DROP_MALFORMED), 0);
}

/* ---- TCP ---- */

static struct gn_sock *dial_as(struct fixture *f, struct gn_namespace *ns)
{
    struct sockaddr_storage to;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse("10.77.0.1:53", &to, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock), 0);
    assert_int_equal(gn_sock_connect(sock, (struct sockaddr *)&to, len),
                     -EINPROGRESS);
    gn_clock_advance(f->sim.clock, GN_MS);
    return sock;
}

static struct gn_sock *dial(struct fixture *f)
{
    return dial_as(f, f->asker);
}

static size_t send_question(struct gn_sock *sock, const char *name,
                            uint16_t type)
{
    uint8_t msg[1024];
    size_t len = question(msg + 2, name, type);

    msg[0] = 0;
    msg[1] = (uint8_t)len;
    assert_int_equal(gn_sock_send(sock, msg, 2 + len, 0), 2 + len);
    return len;
}

/* Of what comes, until nothing does for some time; to f->answer. */
static size_t read_all(struct fixture *f, struct gn_sock *sock)
{
    size_t n = 0;
    int i;

    for (i = 0; i < 20; i++) {
        ssize_t got = gn_sock_recv(sock, f->answer + n, sizeof(f->answer) - n,
                                   MSG_DONTWAIT);

        n += got > 0 ? (size_t)got : 0;
        i = got > 0 ? 0 : i;
        gn_clock_advance(f->sim.clock, 10 * GN_MS);
    }
    return n;
}

static bool is_open(struct gn_sock *sock)
{
    uint8_t byte;

    return gn_sock_recv(sock, &byte, 1, MSG_DONTWAIT) == -EAGAIN;
}

static void a_guest_has_so_many_connections_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *socks[17], *other;
    int i;

    for (i = 0; i < 17; i++)
        socks[i] = dial(f);
    for (i = 0; i < 16; i++)
        assert_true(is_open(socks[i]));
    assert_false(is_open(socks[16]));
    assert_int_equal(drops(f, GN_DROP_CONNECTIONS), 1);
    other = dial_as(f, f->web);
    (void)send_question(other, "web.guest.internal", 1);
    assert_true(read_all(f, other) > 0);
    gn_simnet_end(other);
    for (i = 0; i < 17; i++)
        gn_simnet_end(socks[i]);
}

/* Are so many batches, each of what the server reads at once, all answered to a
 * client that reads in the end only? */
static void expect_all_answered(struct fixture *f, unsigned n_batches)
{
    enum { QUESTIONS = 107 };
    struct gn_sock *sock = dial(f);
    uint8_t batch[QUESTIONS * 64];
    size_t len = 2 + send_question(sock, "web.guest.internal", 1), each, i, n;
    int small = 1;

    each = read_all(f, sock);
    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    for (i = 0; i < QUESTIONS; i++) {
        batch[i * len] = 0;
        batch[i * len + 1] = (uint8_t)(len - 2);
        (void)question(batch + i * len + 2, "web.guest.internal", 1);
    }
    for (i = 0; i < n_batches; i++) {
        assert_int_equal(gn_sock_send(sock, batch, QUESTIONS * len, 0),
                         QUESTIONS * len);
        gn_clock_advance(f->sim.clock, GN_MS);
    }
    for (n = 0; (i = read_all(f, sock)); n += i)
        continue;
    assert_int_equal(n, n_batches * QUESTIONS * each);
    gn_simnet_end(sock);
}

/* Whenever it is that the server cannot go on before its client reads. */
static void questions_in_a_row_are_all_answered(void **state)
{
    struct fixture *f = *state;
    unsigned n;

    for (n = 1; n <= 40; n++)
        expect_all_answered(f, n);
}

/* A resolver whose answers are long. */
static uint8_t long_answer[700] = {0, 0, 0x81, 0x80};

static int talk_ip(void *self, struct gn_lookup *lookup, const char *proto,
                   const char *host)
{
    (void)self;
    (void)proto;
    (void)host;
    gn_lookup_done_ip(lookup, GN_EAI_NONAME, NULL, 0, NULL);
    return 0;
}

static int talk_query(void *self, struct gn_lookup *lookup, const char *name,
                      uint16_t type)
{
    (void)self;
    (void)name;
    (void)type;
    gn_lookup_done_query(lookup, 0, long_answer, sizeof(long_answer));
    return 0;
}

static void talk_cancel(void *self, struct gn_lookup *lookup)
{
    (void)self;
    (void)lookup;
}

static const struct gn_resolver_ops talker_ops = {.size = sizeof(talker_ops),
                                                  .name = "talker",
                                                  .lookup_ip = talk_ip,
                                                  .query = talk_query,
                                                  .cancel = talk_cancel};

static void what_is_too_long_is_had_by_tcp(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "reader"};
    struct gn_namespace *reader;
    uint8_t msg[512];
    size_t len = question(msg, "www.example.org", 16);
    struct gn_sock *sock;

    assert_int_equal(gn_resolver_create(&talker_ops, NULL, &f->talker), 0);
    config.resolver = f->talker;
    assert_int_equal(gn_namespace_create(f->sim.net, &config, &reader), 0);
    gn_simnet_end(f->sock);
    f->sock = gn_simnet_udp(reader, "0.0.0.0:5353");
    ask_bytes(f, msg, len);
    assert_true(f->len >= len);
    assert_int_equal(f->answer[2] & 2, 2); /* TC */
    assert_int_equal(f->answer[3] & 15, 0);
    assert_int_equal(n_answers(f), 0);
    sock = dial_as(f, reader);
    (void)send_question(sock, "www.example.org", 16);
    assert_int_equal(read_all(f, sock), 2 + sizeof(long_answer));
    assert_int_equal(f->answer[4] & 2, 0);
    gn_simnet_end(sock);
}

static void a_connection_is_for_many_questions(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = dial(f);
    size_t at = 0, n;
    int i;

    for (i = 0; i < 3; i++) {
        (void)send_question(sock, "web.guest.internal", 1);
        gn_clock_advance(f->sim.clock, GN_MS);
    }
    n = read_all(f, sock);
    for (i = 0; at + 2 <= n; i++)
        at += 2u + (size_t)(f->answer[at] << 8 | f->answer[at + 1]);
    assert_int_equal(i, 3);
    assert_int_equal(at, n);
    gn_simnet_end(sock);
}

static void an_idle_or_lying_client_is_left(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *idle = dial(f), *liar = dial(f);

    assert_int_equal(gn_sock_send(liar, "\xff\xff", 2, 0), 2);
    gn_clock_advance(f->sim.clock, 100 * GN_MS);
    assert_int_not_equal(gn_sock_recv(liar, f->answer, 1, MSG_DONTWAIT),
                         -EAGAIN);
    assert_int_equal(gn_sock_recv(idle, f->answer, 1, MSG_DONTWAIT), -EAGAIN);
    gn_clock_advance(f->sim.clock, 21000 * GN_MS);
    assert_int_not_equal(gn_sock_recv(idle, f->answer, 1, MSG_DONTWAIT),
                         -EAGAIN);
    gn_simnet_end(idle);
    gn_simnet_end(liar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(guests_have_addresses),
        CASE(letters_come_back_as_they_were),
        CASE(addresses_have_names),
        CASE(the_rest_is_the_guests_resolver),
        CASE(one_family_alone_is_no_missing_name),
        CASE(https_is_no_data_at_once),
        CASE(a_guest_has_a_name_whatever_is_asked_of_it),
        CASE(a_name_of_bytes_that_no_host_has_does_no_harm),
        CASE(what_a_guest_listens_on_is_a_service),
        CASE(a_service_has_records_of_one_type),
        CASE(the_dns_server_is_one_itself),
        CASE(what_is_served_to_none_is_no_service),
        CASE(what_is_malformed_is_told_so),
        CASE(edns_is_answered_with_edns),
        CASE(what_is_refused_is_counted_at_the_guest_that_asked),
        CASE(a_guest_has_so_many_connections_and_no_more),
        CASE(questions_in_a_row_are_all_answered),
        CASE(what_is_too_long_is_had_by_tcp),
        CASE(a_connection_is_for_many_questions),
        CASE(an_idle_or_lying_client_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
