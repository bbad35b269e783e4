/* SPDX-License-Identifier: BSD-3-Clause */

/* Lookups by c-ares, of servers that mean harm, or are broken. */
#include "tests/unit/resolver/ares_fixture.h"

#include <unistd.h>

#include "tests/lib/case.h"

/* What a test lets the server do, by way of the fixture's dnsd->arg. */
static void good(const struct gn_test_ask *ask)
{
    struct gn_test_dns dns;

    gn_test_dns_begin(&dns, ask, 0);
    gn_test_dns_add_a(&dns, NULL, 60, "192.0.2.1");
    gn_test_dnsd_send(ask, &dns);
}

static void forged(struct gn_test_dns *dns, const struct gn_test_ask *ask)
{
    gn_test_dns_begin(dns, ask, 0);
    gn_test_dns_add_a(dns, NULL, 60, "203.0.113.66");
}

static void assert_good(struct fixture *f)
{
    struct ask ask;

    assert_int_equal(look_up(f, &ask, "ip4", "web.test"), 0);
    assert_int_equal(ask.lookup.result.n, 1);
    assert_answer(&ask, 0, "192.0.2.1", 60);
    gn__lookup_done(&ask.lookup);
}

/* ---- answers to something else ---- */

static void answer_wrong_id(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;
    unsigned i;

    (void)arg;
    for (i = 1; i <= 5; i++) {
        forged(&dns, ask);
        dns.bytes[0] ^= (uint8_t)i;
        gn_test_dnsd_send(ask, &dns);
    }
    good(ask);
}

static void the_wrong_id_is_dropped(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_wrong_id);
    assert_good(f);
    assert_int_equal(stats_of(f).answers, 6);
    assert_int_equal(stats_of(f).dropped, 5);
    assert_int_equal(stats_of(f).failures, 0);
    assert_int_equal(f->dnsd.n_asked, 1);
}

static void answer_wrong_question(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;

    (void)arg;
    forged(&dns, ask);
    dns.bytes[13] = 'x'; /* "xeb.test" */
    gn_test_dnsd_send(ask, &dns);
    forged(&dns, ask);
    dns.bytes[23] = GN_TEST_DNS_AAAA;
    gn_test_dnsd_send(ask, &dns);
    good(ask);
}

static void the_wrong_question_is_dropped(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_wrong_question);
    assert_good(f);
    assert_int_equal(stats_of(f).dropped, 2);
}

/* From another port than was asked. */
static void answer_from_elsewhere(const struct gn_test_ask *ask, void *arg)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct gn_test_dns dns;

    (void)arg;
    forged(&dns, ask);
    (void)sendto(fd, dns.bytes, dns.len, 0, (const struct sockaddr *)&ask->from,
                 ask->from_len);
    close(fd);
    good(ask);
}

static void answers_of_others_do_not_arrive(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_from_elsewhere);
    assert_good(f);
    assert_int_equal(stats_of(f).answers, 1);
}

/* From another address, by the right port. */
static void answer_from_stranger(const struct gn_test_ask *ask, void *arg)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000042)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct gn_test_dns dns;

    (void)arg;
    from.sin_port = htons((uint16_t)atoi(strchr(ask->dnsd->address, ':') + 1));
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    forged(&dns, ask);
    assert_int_equal(sendto(fd, dns.bytes, dns.len, 0,
                            (const struct sockaddr *)&ask->from, ask->from_len),
                     dns.len);
    close(fd);
    good(ask);
}

/* The kernel's count of datagrams that no socket here waits for. */
static unsigned long no_ports(void)
{
    FILE *in = fopen("/proc/net/snmp", "r");
    unsigned long n = 0;
    char line[512];

    assert_non_null(in);
    while (fgets(line, sizeof(line), in))
        (void)sscanf(line, "Udp: %*u %lu", &n);
    (void)fclose(in);
    return n;
}

static void the_wrong_address_is_dropped_by_the_kernel(void **state)
{
    struct fixture *f = *state;
    unsigned long before = no_ports();

    start(f, (struct gn_ares_config){0}, answer_from_stranger);
    assert_good(f);
    assert_int_equal(stats_of(f).answers, 1);
    assert_true(no_ports() > before);
}

static void answer_unrelated(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    gn_test_dns_add_name(&dns, NULL, GN_TEST_DNS_CNAME, 60, "to.test");
    gn_test_dns_add_a(&dns, "to.test", 60, "192.0.2.1");
    gn_test_dns_add_aaaa(&dns, "to.test", 60, "2001:db8::66");
    gn_test_dnsd_send(ask, &dns);
}

static void what_was_not_asked_for_is_left_out(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_unrelated);
    assert_good(f);
}

/* A name that leads to itself. */
static void answer_alias_loop(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    gn_test_dns_add_name(&dns, NULL, GN_TEST_DNS_CNAME, 60, "b.test");
    gn_test_dns_add_name(&dns, "b.test", GN_TEST_DNS_CNAME, 60, "web.test");
    gn_test_dnsd_send(ask, &dns);
}

static void aliases_in_a_circle_lead_nowhere(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_alias_loop);
    assert_int_equal(status_of(f, "web.test"), GN_EAI_NODATA);
}

/* ---- garbage ---- */

struct bytes {
    const void *bytes;
    size_t len;
};

/* The question's id, then what the test says. */
static void answer_bytes(const struct gn_test_ask *ask, void *arg)
{
    const struct bytes *bytes = arg;
    uint8_t buf[65536];

    memcpy(buf, ask->message, 2);
    memcpy(buf + 2, bytes->bytes, bytes->len);
    gn_test_dnsd_send_raw(ask, buf, bytes->len + 2);
}

/* The same by TCP: a length in front, and as long as that can say. */
static void answer_bytes_by_tcp(const struct gn_test_ask *ask, void *arg)
{
    const struct bytes *bytes = arg;
    uint8_t buf[2 + 65535];

    buf[0] = (uint8_t)((bytes->len + 2) >> 8);
    buf[1] = (uint8_t)(bytes->len + 2);
    memcpy(buf + 2, ask->message, 2);
    memcpy(buf + 4, bytes->bytes, bytes->len);
    gn_test_dnsd_send_raw(ask, buf, bytes->len + 4);
}

static int status_of_bytes(struct fixture *f, const void *bytes, size_t len)
{
    struct bytes what = {bytes, len};

    f->dnsd.arg = &what;
    if (!f->resolver)
        start(f, (struct gn_ares_config){.tries = 2}, answer_bytes);
    return status_of(f, "web.test");
}

static void garbage_is_a_failure_of_the_server(void **state)
{
    struct fixture *f = *state;
    struct gn_ares_stats stats;

    assert_int_equal(status_of_bytes(f, "\xff\xff\xff\xff\xff\xff\xff", 7),
                     GN_EAI_FAIL);
    stats = stats_of(f);
    assert_int_equal(stats.answers, 2);
    assert_int_equal(stats.failures, 2);
    assert_int_equal(f->dnsd.n_asked, 2);
    assert_int_equal(status_of_bytes(f, "", 0), GN_EAI_FAIL);
}

static void pointers_in_a_circle(void **state)
{
    struct fixture *f = *state;
    /* A record whose name points to itself; one that points forwards; two that
     * point to each other. */
    static const char self[] = "\x81\x80\0\1\0\1\0\0\0\0"
                               "\3web\4test\0\0\1\0\1"
                               "\xc0\x1a\0\1\0\1\0\0\0\1\0\4\1\2\3\4";
    static const char forwards[] = "\x81\x80\0\1\0\1\0\0\0\0"
                                   "\3web\4test\0\0\1\0\1"
                                   "\xc0\x2a\0\1\0\1\0\0\0\1\0\4\1\2\3\4";
    static const char other[] = "\x81\x80\0\1\0\1\0\0\0\0"
                                "\xc0\x0e\xc0\x0c\0\1\0\1"
                                "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\1\2\3\4";

    assert_int_equal(status_of_bytes(f, self, sizeof(self) - 1), GN_EAI_FAIL);
    assert_int_equal(status_of_bytes(f, forwards, sizeof(forwards) - 1),
                     GN_EAI_FAIL);
    assert_int_equal(status_of_bytes(f, other, sizeof(other) - 1), GN_EAI_FAIL);
}

static void more_records_promised_than_sent(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "\x81\x80\0\1\xff\xff\0\0\0\0"
                               "\3web\4test\0\0\1\0\1"
                               "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\1\2\3\4";

    assert_int_equal(status_of_bytes(f, text, sizeof(text) - 1), GN_EAI_FAIL);
}

/* As much of it as a datagram holds. */
static void a_datagram_full_of_garbage(void **state)
{
    static uint8_t text[65507 - 2];
    struct fixture *f = *state;
    unsigned i;

    for (i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 2654435761u >> 24);
    assert_int_equal(status_of_bytes(f, text, sizeof(text)), GN_EAI_FAIL);
    assert_int_equal(stats_of(f).answers, 2);
    assert_int_equal(stats_of(f).failures, 2);
}

/* As much as a message by TCP may be: nothing but pointers, each to the one
 * before it. */
static void pointers_for_64_kib(void **state)
{
    static const char begin[24] = "\x81\x80\0\1\xff\xff\0\0\0\0"
                                  "\3web\4test\0\0\1\0\1";
    static uint8_t text[65535 - 2];
    struct fixture *f = *state;
    struct bytes what = {text, sizeof(text)};
    unsigned i, to;

    memcpy(text, begin, sizeof(begin));
    for (i = sizeof(begin); i + 1 < sizeof(text); i += 2) {
        to = i < 0x4000 ? i : 0x3fff;
        text[i] = (uint8_t)(0xc0 | to >> 8);
        text[i + 1] = (uint8_t)to;
    }
    f->dnsd.arg = &what;
    start(f, (struct gn_ares_config){.tries = 2, .flags = GN_ARES_TCP},
          answer_bytes_by_tcp);
    assert_int_equal(status_of(f, "web.test"), GN_EAI_FAIL);
    assert_int_equal(stats_of(f).failures, 2);
}

static void answer_random(const struct gn_test_ask *ask, void *arg)
{
    unsigned *seed = arg;
    struct gn_test_dns dns;
    unsigned i, n;

    /* Something that begins well, and is then damaged. */
    gn_test_dns_begin(&dns, ask, 0);
    gn_test_dns_add_name(&dns, NULL, GN_TEST_DNS_CNAME, 60, "to.test");
    gn_test_dns_add_a(&dns, "to.test", 60, "192.0.2.1");
    n = 1 + (unsigned)rand_r(seed) % 8;
    for (i = 0; i < n; i++)
        dns.bytes[2 + (unsigned)rand_r(seed) % (dns.len - 2)] =
            (uint8_t)rand_r(seed);
    dns.len = 2 + (unsigned)rand_r(seed) % (dns.len - 1);
    gn_test_dnsd_send(ask, &dns);
}

static void damaged_answers_end_somehow(void **state)
{
    struct fixture *f = *state;
    unsigned i, seed = 1;

    f->dnsd.arg = &seed;
    start(f,
          (struct gn_ares_config){
              .tries = 1, .timeout_ms = 250, .flags = GN_ARES_NO_CACHE},
          answer_random);
    for (i = 0; i < 64; i++) {
        struct ask ask;

        begin_ip(f, &ask, "ip", "web.test");
        (void)finish(&ask);
        gn__lookup_done(&ask.lookup);
    }
}

/* ---- too much ---- */

/* As many records as a message can hold, and it is full to the last byte. */
static void answer_full(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;
    char address[24];
    unsigned i;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    if (ask->conn < 0) {
        gn_test_dns_truncate(&dns);
        gn_test_dnsd_send(ask, &dns);
        return;
    }
    for (i = 0; dns.len + 16 <= 65535; i++) {
        snprintf(address, sizeof(address), "192.0.%u.%u", i >> 8, i & 255);
        gn_test_dns_add_a(&dns, NULL, 60, address);
    }
    gn_test_dnsd_send(ask, &dns);
}

static void four_thousand_addresses_give_some(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_full);
    assert_int_equal(look_up(f, &ask, "ip4", "full.test"), 0);
    assert_int_equal(ask.lookup.result.n, GN_LOOKUP_ANSWERS_MAX);
    gn__lookup_done(&ask.lookup);
}

static void answer_truncated(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    gn_test_dns_truncate(&dns);
    gn_test_dnsd_send(ask, &dns);
}

static void truncated_for_ever_ends(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_truncated);
    assert_int_equal(status_of(f, "web.test"), GN_EAI_NODATA);
    assert_int_equal(f->dnsd.n_asked, 2);
}

/* More than the driving thread may be held up for. */
static void answer_flood(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;
    unsigned i;

    (void)arg;
    forged(&dns, ask);
    dns.bytes[0] ^= 1;
    for (i = 0; i < 100; i++)
        gn_test_dnsd_send(ask, &dns);
    good(ask);
}

static void a_flood_takes_several_turns(void **state)
{
    struct fixture *f = *state;
    struct ask ask;
    unsigned turns = 0;

    start(f, (struct gn_ares_config){0}, answer_flood);
    begin_ip(f, &ask, "ip4", "web.test");
    while (!ask.ended && turns++ < 1000)
        gn_test_pollio_turn(&f->pollio, 10);
    assert_int_equal(ask.status, 0);
    assert_answer(&ask, 0, "192.0.2.1", 60);
    gn__lookup_done(&ask.lookup);
    assert_in_range(turns, 6, 40);
    assert_int_equal(stats_of(f).dropped, 100);
}

/* Messages by TCP that were not asked for, for as long as there is room. */
static void answer_tcp_flood(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;
    unsigned i;

    (void)arg;
    forged(&dns, ask);
    dns.bytes[0] ^= 1;
    for (i = 0; i < 20000; i++)
        gn_test_dnsd_send(ask, &dns);
}

static void a_flood_by_tcp_is_no_answer(void **state)
{
    struct fixture *f = *state;
    struct ask ask;
    unsigned turns = 0;

    start(f,
          (struct gn_ares_config){
              .flags = GN_ARES_TCP, .tries = 1, .timeout_ms = 250},
          answer_tcp_flood);
    begin_ip(f, &ask, "ip4", "web.test");
    while (!ask.ended && turns++ < 1000)
        gn_test_pollio_turn(&f->pollio, 10);
    assert_int_equal(ask.status, -ETIMEDOUT);
    assert_true(turns > 5);
    gn__lookup_done(&ask.lookup);
}

/* ---- too little ---- */

static void a_server_that_never_answers(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){.tries = 2, .timeout_ms = 250},
          answer_nothing);
    assert_int_equal(status_of(f, "web.test"), -ETIMEDOUT);
    assert_int_equal(f->dnsd.n_asked, 2);
    assert_int_equal(stats_of(f).failures, 2);
}

static void answer_half(const struct gn_test_ask *ask, void *arg)
{
    (void)arg;
    gn_test_dnsd_send_raw(ask, "\0\100half", 6);
}

static void half_an_answer_by_tcp(void **state)
{
    struct fixture *f = *state;

    start(f,
          (struct gn_ares_config){
              .flags = GN_ARES_TCP, .tries = 1, .timeout_ms = 250},
          answer_half);
    assert_int_equal(status_of(f, "web.test"), -ETIMEDOUT);
}

static void answer_reset(const struct gn_test_ask *ask, void *arg)
{
    (void)arg;
    gn_test_dnsd_reset(ask);
}

static void a_connection_that_is_reset(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){.flags = GN_ARES_TCP, .tries = 2},
          answer_reset);
    assert_int_equal(status_of(f, "web.test"), GN_EAI_AGAIN);
    assert_int_equal(f->dnsd.n_conns, 2);
}

/* ---- ends ---- */

/* Keeps the question. */
static struct gn_test_ask kept;
static uint8_t kept_message[512];

static void keep(const struct gn_test_ask *ask, void *arg)
{
    (void)arg;
    kept = *ask;
    memcpy(kept_message, ask->message, ask->len);
    kept.message = kept_message;
}

static void turn_until_asked(struct fixture *f, unsigned n)
{
    unsigned turns = 0;

    while (f->dnsd.n_asked < n && turns++ < 1000)
        gn_test_pollio_turn(&f->pollio, 10);
    assert_int_equal(f->dnsd.n_asked, n);
}

static void a_cancelled_lookup_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, keep);
    begin_ip(f, &ask, "ip4", "web.test");
    turn_until_asked(f, 1);
    assert_int_equal(n_sockets(f), 1);
    gn__lookup_cancel(&ask.lookup);
    assert_int_equal(n_sockets(f), 0);
    assert_int_equal(gn__io_deadline(&f->pollio.turns.io), UINT64_MAX);
    assert_false(ask.ended);
    good(&kept); /* Too late. */
    gn_test_pollio_turn(&f->pollio, 10);
    assert_false(ask.ended);
}

static void one_cancelled_of_two_does_not_end_the_other(void **state)
{
    struct fixture *f = *state;
    struct ask ask, other;

    start(f, (struct gn_ares_config){0}, keep);
    begin_ip(f, &other, "ip4", "other.test");
    begin_ip(f, &ask, "ip4", "web.test");
    turn_until_asked(f, 2);
    gn__lookup_cancel(&other.lookup);
    good(&kept);
    assert_int_equal(finish(&ask), 0);
    gn__lookup_done(&ask.lookup);
    assert_false(other.ended);
    /* With no lookup waiting the other one is over too. */
    gn_test_pollio_turn(&f->pollio, 10);
    assert_int_equal(n_sockets(f), 0);
}

static void there_is_a_limit_to_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    struct ask first, second, third;

    start(f, (struct gn_ares_config){.max_pending = 2}, keep);
    begin_ip(f, &first, "ip4", "first.test");
    begin_ip(f, &second, "ip4", "second.test");
    assert_int_equal(look_up(f, &third, "ip4", "third.test"), GN_EAI_AGAIN);
    gn__lookup_done(&third.lookup);
    gn__lookup_cancel(&first.lookup);
    gn__lookup_cancel(&second.lookup);
    assert_int_equal(stats_of(f).lookups, 2);
}

/* Another guest asks, until it is refused; returns how many were not. */
static unsigned ask_all(struct fixture *f, struct gn__account *guest,
                        struct ask *asks, unsigned max)
{
    unsigned n;

    f->home.account = guest;
    for (n = 0; n < max; n++) {
        begin_ip(f, &asks[n], "ip4", "slow.test");
        if (asks[n].ended)
            break;
    }
    if (n < max)
        gn__lookup_done(&asks[n].lookup);
    f->home.account = NULL;
    return n;
}

static unsigned n_under_way(const struct ask *asks, unsigned n)
{
    unsigned i, left = 0;

    for (i = 0; i < n; i++)
        left += !asks[i].ended;
    return left;
}

static void guests_that_take_what_they_can_leave_others_their_part(void **state)
{
    struct fixture *f = *state;
    struct gn__account *guests[6];
    struct ask asks[6][60];
    unsigned i, k, n[6];

    start(f, (struct gn_ares_config){.max_pending = 60}, keep);
    for (i = 0; i < 6; i++) {
        guests[i] = gn__account_create(&f->pollio.mem);
        assert_non_null(guests[i]);
        n[i] = ask_all(f, guests[i], asks[i], 60);
    }
    for (k = 0; k < 60; k++)
        gn_test_pollio_turn(&f->pollio, 0);
    for (i = 0; i < 6; i++)
        assert_in_range(n_under_way(asks[i], n[i]), 9, 12);
    for (i = 0; i < 6; i++) {
        while (n[i])
            gn__lookup_cancel(&asks[i][--n[i]].lookup);
        gn__account_unref(guests[i]);
    }
}

/* As many lookups of guests that are gone as may be under way, twice. */
static void what_guests_left_that_are_gone_is_in_no_one_s_way(void **state)
{
    struct fixture *f = *state;
    struct gn__sched sched;
    struct ask own, asks[8];
    unsigned round, n;

    gn__sched_init(&sched);
    start(f, (struct gn_ares_config){.max_pending = 8}, keep);
    begin_ip(f, &own, "ip4", "own.test");
    turn_until_asked(f, 1);
    for (round = 0; round < 4; round++) {
        struct gn__account *gone = gn__account_create(&f->pollio.mem);

        assert_non_null(gone);
        n = ask_all(f, gone, asks, 8);
        assert_int_equal(n, 7);
        gn__sched_end(&sched, gone);
        while (n)
            gn__lookup_cancel(&asks[--n].lookup);
        gn__account_unref(gone);
    }
    assert_false(own.ended); /* It has been put anew. */
    gn__lookup_cancel(&own.lookup);
    gn__sched_done(&sched);
}

static void the_network_may_end_at_any_time(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_nothing);
    begin_ip(f, &ask, "ip4", "web.test");
    turn_until_asked(f, 1);
    gn__lookup_cancel(&ask.lookup);
    begin_ip(f, &ask, "ip4", "other.test");
    gn__lookup_cancel(&ask.lookup);
}

static void the_resolver_may_end_before_the_network(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_truncated);
    assert_int_equal(status_of(f, "web.test"), GN_EAI_NODATA);
    gn_resolver_close(f->resolver);
    f->resolver = NULL;
}

/* ---- the driver ---- */

static void a_driver_without_descriptors(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_truncated);
    f->pollio.refuse = -ENOTSUP;
    assert_int_equal(status_of(f, "web.test"), -ENOTSUP);
    f->pollio.refuse = -ENOMEM;
    assert_int_equal(status_of(f, "web.test"), -ENOMEM);
    f->pollio.refuse = 0;
    assert_int_equal(status_of(f, "web.test"), GN_EAI_NODATA);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE_OF(fixture, the_wrong_id_is_dropped),
        CASE_OF(fixture, the_wrong_question_is_dropped),
        CASE_OF(fixture, answers_of_others_do_not_arrive),
        CASE_OF(fixture, the_wrong_address_is_dropped_by_the_kernel),
        CASE_OF(fixture, what_was_not_asked_for_is_left_out),
        CASE_OF(fixture, aliases_in_a_circle_lead_nowhere),
        CASE_OF(fixture, garbage_is_a_failure_of_the_server),
        CASE_OF(fixture, pointers_in_a_circle),
        CASE_OF(fixture, more_records_promised_than_sent),
        CASE_OF(fixture, a_datagram_full_of_garbage),
        CASE_OF(fixture, pointers_for_64_kib),
        CASE_OF(fixture, damaged_answers_end_somehow),
        CASE_OF(fixture, four_thousand_addresses_give_some),
        CASE_OF(fixture, truncated_for_ever_ends),
        CASE_OF(fixture, a_flood_takes_several_turns),
        CASE_OF(fixture, a_flood_by_tcp_is_no_answer),
        CASE_OF(fixture, a_server_that_never_answers),
        CASE_OF(fixture, half_an_answer_by_tcp),
        CASE_OF(fixture, a_connection_that_is_reset),
        CASE_OF(fixture, a_cancelled_lookup_leaves_nothing),
        CASE_OF(fixture, one_cancelled_of_two_does_not_end_the_other),
        CASE_OF(fixture, there_is_a_limit_to_what_is_under_way),
        CASE_OF(fixture,
                guests_that_take_what_they_can_leave_others_their_part),
        CASE_OF(fixture, what_guests_left_that_are_gone_is_in_no_one_s_way),
        CASE_OF(fixture, the_network_may_end_at_any_time),
        CASE_OF(fixture, the_resolver_may_end_before_the_network),
        CASE_OF(fixture, a_driver_without_descriptors),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
