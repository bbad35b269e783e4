/* SPDX-License-Identifier: BSD-3-Clause */

/* Lookups by c-ares, of a server that behaves. */
#include "tests/unit/resolver/ares_fixture.h"

#include <unistd.h>

#include "tests/lib/case.h"

/* ---- what servers answer ---- */

/* "web": both; "four": IPv4 only; "alias" leads to web by two steps; "none"
 * has nothing; else there is no such name. */
static void answer_names(const struct gn_test_ask *ask, void *arg)
{
    bool is_alias = strcmp(ask->name, "alias.test") == 0;
    bool is_web = strcmp(ask->name, "web.test") == 0;
    bool is_four = strcmp(ask->name, "four.test") == 0;
    bool is_none = strcmp(ask->name, "none.test") == 0;
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask,
                      is_alias || is_web || is_four || is_none ? 0 : 3);
    if (is_alias) {
        gn_test_dns_add_name(&dns, NULL, GN_TEST_DNS_CNAME, 300, "step.test");
        gn_test_dns_add_name(&dns, "step.test", GN_TEST_DNS_CNAME, 20,
                             "web.test");
    }
    if ((is_alias || is_web || is_four) && ask->type == GN_TEST_DNS_A)
        gn_test_dns_add_a(&dns, is_alias ? "web.test" : NULL, 60, "192.0.2.1");
    if ((is_alias || is_web) && ask->type == GN_TEST_DNS_AAAA)
        gn_test_dns_add_aaaa(&dns, is_alias ? "web.test" : NULL, 90,
                             "2001:db8::1");
    gn_test_dnsd_send(ask, &dns);
}

static void addresses_of_both_versions(void **state)
{
    struct fixture *f = *state;
    struct ask ask;
    size_t v4;

    start(f, (struct gn_ares_config){0}, answer_names);
    assert_int_equal(look_up(f, &ask, "ip", "web.test"), 0);
    assert_int_equal(ask.lookup.result.n, 2);
    v4 = ask.lookup.result.answers[0].addr.ss_family == AF_INET ? 0 : 1;
    assert_answer(&ask, v4, "192.0.2.1", 60);
    assert_answer(&ask, 1 - v4, "2001:db8::1", 90);
    gn__lookup_done(&ask.lookup);
}

static void one_version_asks_one_question(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_names);
    assert_int_equal(look_up(f, &ask, "ip6", "web.test"), 0);
    assert_int_equal(ask.lookup.result.n, 1);
    assert_answer(&ask, 0, "2001:db8::1", 90);
    gn__lookup_done(&ask.lookup);
    assert_int_equal(f->dnsd.n_asked, 1);
}

static void aliases_give_canonical_name_and_lowest_ttl(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_names);
    assert_int_equal(look_up(f, &ask, "ip4", "alias.test"), 0);
    assert_int_equal(ask.lookup.result.n, 1);
    assert_answer(&ask, 0, "192.0.2.1", 20);
    assert_string_equal(ask.lookup.result.name, "web.test");
    gn__lookup_done(&ask.lookup);
}

static void no_such_name(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_names);
    assert_int_equal(status_of(f, "nobody.test"), GN_EAI_NONAME);
}

static void a_name_without_addresses(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_names);
    assert_int_equal(status_of(f, "none.test"), GN_EAI_NODATA);
    assert_int_equal(look_up(f, &ask, "ip6", "four.test"), GN_EAI_NODATA);
    gn__lookup_done(&ask.lookup);
}

/* A failure of the server's, by rcode. */
static void answer_rcode(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask, (unsigned)atoi(ask->name + 1));
    gn_test_dnsd_send(ask, &dns);
}

static void a_server_that_fails_is_asked_again(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){.tries = 4}, answer_rcode);
    assert_int_equal(status_of(f, "r2.test"), GN_EAI_AGAIN);
    assert_int_equal(f->dnsd.n_asked, 4);
    assert_int_equal(stats_of(f).failures, 4);
    assert_int_equal(stats_of(f).asked, 4);
    assert_int_equal(stats_of(f).dropped, 0);
}

static void refused_and_not_implemented_are_failures(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){.tries = 1}, answer_rcode);
    assert_int_equal(status_of(f, "r5.test"), GN_EAI_AGAIN);
    assert_int_equal(status_of(f, "r4.test"), GN_EAI_AGAIN);
}

/* ---- addresses to names, other records ---- */

static void answer_records(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    if (strcmp(ask->name, "9.2.0.192.in-addr.arpa") == 0) {
        /* RFC 2317. */
        gn_test_dns_add_name(&dns, NULL, GN_TEST_DNS_CNAME, 30,
                             "9.sub.2.0.192.in-addr.arpa");
        gn_test_dns_add_name(&dns, "9.sub.2.0.192.in-addr.arpa",
                             GN_TEST_DNS_PTR, 40, "nine.test");
    } else if (strcmp(ask->name, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
                                 "0.0.8.b.d.0.1.0.0.2.ip6.arpa") == 0) {
        gn_test_dns_add_name(&dns, NULL, GN_TEST_DNS_PTR, 50, "six.test");
    } else if (strcmp(ask->name, "8.2.0.192.in-addr.arpa") == 0) {
        gn_test_dns_add_name(&dns, NULL, GN_TEST_DNS_PTR, 50,
                             "../../etc passwd");
    } else if (ask->type == GN_TEST_DNS_TXT) {
        gn_test_dns_add(&dns, NULL, GN_TEST_DNS_TXT, 60, "\5hello", 6);
    } else if (ask->type == 65280) {
        gn_test_dns_add(&dns, NULL, 65280, 60, "\1\2\3", 3);
    }
    gn_test_dnsd_send(ask, &dns);
}

static int look_up_addr(struct fixture *f, struct ask *ask, const char *address)
{
    struct sockaddr_storage addr;

    assert_int_equal(gn_addr_parse(address, &addr, NULL), 0);
    begin(f, ask,
          &(struct gn__question){.kind = GN_QUERY_ADDR,
                                 .addr = (struct sockaddr *)&addr});
    return finish(ask);
}

static void names_of_addresses(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_records);
    assert_int_equal(look_up_addr(f, &ask, "192.0.2.9"), 0);
    assert_string_equal(ask.lookup.result.name, "nine.test");
    assert_int_equal(ask.lookup.result.ttl_s, 30);
    gn__lookup_done(&ask.lookup);
    assert_int_equal(look_up_addr(f, &ask, "2001:db8::1"), 0);
    assert_string_equal(ask.lookup.result.name, "six.test");
    assert_int_equal(ask.lookup.result.ttl_s, 50);
    gn__lookup_done(&ask.lookup);
    assert_int_equal(look_up_addr(f, &ask, "192.0.2.7"), GN_EAI_NODATA);
    gn__lookup_done(&ask.lookup);
}

static void a_name_that_cannot_be_one_is_none(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_records);
    assert_int_equal(look_up_addr(f, &ask, "192.0.2.8"), GN_EAI_NODATA);
    gn__lookup_done(&ask.lookup);
}

static int query(struct fixture *f, struct ask *ask, uint16_t type)
{
    begin(f, ask,
          &(struct gn__question){
              .kind = GN_QUERY_RECORD, .name = "records.test", .type = type});
    return finish(ask);
}

static void other_records_are_messages(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_records);
    assert_int_equal(query(f, &ask, GN_TEST_DNS_TXT), 0);
    assert_true(ask.lookup.result.len > 12);
    assert_non_null(
        memmem(ask.lookup.result.message, ask.lookup.result.len, "\5hello", 6));
    gn__lookup_done(&ask.lookup);
    /* An unknown type. */
    assert_int_equal(query(f, &ask, 65280), 0);
    assert_non_null(memmem(ask.lookup.result.message, ask.lookup.result.len,
                           "\0\3\1\2\3", 5));
    gn__lookup_done(&ask.lookup);
    assert_int_equal(query(f, &ask, 15), GN_EAI_NODATA);
    gn__lookup_done(&ask.lookup);
}

/* ---- truncation ---- */

/* 20 addresses by TCP, a truncated answer by UDP. */
static void answer_by_tcp(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;
    unsigned i;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    for (i = 0; i < 20 && ask->conn >= 0; i++) {
        char address[16];

        snprintf(address, sizeof(address), "192.0.2.%u", i);
        gn_test_dns_add_a(&dns, NULL, 60, address);
    }
    if (ask->conn < 0)
        gn_test_dns_truncate(&dns);
    gn_test_dnsd_send(ask, &dns);
}

static void a_truncated_answer_is_asked_for_by_tcp(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){0}, answer_by_tcp);
    assert_int_equal(look_up(f, &ask, "ip4", "many.test"), 0);
    assert_int_equal(ask.lookup.result.n, 20);
    gn__lookup_done(&ask.lookup);
    assert_int_equal(f->dnsd.n_asked, 2);
    assert_int_equal(f->dnsd.n_tcp, 1);
}

static void tcp_alone(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){.flags = GN_ARES_TCP}, answer_names);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 1);
    assert_int_equal(f->dnsd.n_tcp, 1);
}

/* ---- EDNS, case ---- */

static void answer_formerr_to_edns(const struct gn_test_ask *ask, void *arg)
{
    bool has_opt = ask->message[11] != 0; /* ARCOUNT */
    struct gn_test_dns dns;

    gn_test_dns_begin(&dns, ask, has_opt ? 1 : 0);
    if (!has_opt)
        gn_test_dns_add_a(&dns, NULL, 60, "192.0.2.1");
    (void)arg;
    gn_test_dnsd_send(ask, &dns);
}

static void an_old_server_is_asked_without_edns(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_formerr_to_edns);
    assert_int_equal(status_of(f, "old.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 2);
}

static void no_edns_at_all(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){.flags = GN_ARES_NO_EDNS},
          answer_formerr_to_edns);
    assert_int_equal(status_of(f, "old.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 1);
}

/* The length of an answer that the question allows (RFC 6891 section 6.1.2). */
static void answer_with_room(const struct gn_test_ask *ask, void *arg)
{
    const uint8_t *opt = memmem(ask->message, ask->len, "\0\0\x29", 3);
    unsigned *room = arg;

    *room = opt ? opt[3] * 256u + opt[4] : 0;
    answer_names(ask, NULL);
}

static void edns_says_how_much_may_come(void **state)
{
    struct fixture *f = *state;
    unsigned room = 0;

    f->dnsd.arg = &room;
    start(f, (struct gn_ares_config){0}, answer_with_room);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(room, 1232);
}

static void edns_bytes_are_as_wanted(void **state)
{
    struct fixture *f = *state;
    unsigned room = 0;

    f->dnsd.arg = &room;
    start(f, (struct gn_ares_config){.edns_bytes = 4096}, answer_with_room);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(room, 4096);
}

static void answer_if_mixed(const struct gn_test_ask *ask, void *arg)
{
    bool upper = false, lower = false;
    struct gn_test_dns dns;
    size_t i;

    (void)arg;
    for (i = 13; i < 45; i++) {
        upper = upper || (ask->message[i] >= 'A' && ask->message[i] <= 'Z');
        lower = lower || (ask->message[i] >= 'a' && ask->message[i] <= 'z');
    }
    gn_test_dns_begin(&dns, ask, upper && lower ? 0 : 3);
    gn_test_dns_add_a(&dns, NULL, 60, "192.0.2.1");
    gn_test_dnsd_send(ask, &dns);
}

static void random_case_in_questions(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){.flags = GN_ARES_MIX_CASE},
          answer_if_mixed);
    assert_int_equal(status_of(f, "abcdefghijklmnopqrstuvwxyzabcdef.test"), 0);
}

/* ---- several servers ---- */

static void a_dead_server_and_a_second_one(void **state)
{
    struct fixture *f = *state;
    struct gn_test_dnsd dead;

    /* The first never answers. */
    gn_test_dnsd_init(&dead, &f->pollio, answer_nothing, NULL);
    f->servers[0] = dead.address;
    f->servers[1] = f->dnsd.address;
    start(f, (struct gn_ares_config){.timeout_ms = 250}, answer_names);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(dead.n_asked, 1);
    assert_int_equal(f->dnsd.n_asked, 1);
    /* From now on the one that works is asked first. */
    assert_int_equal(status_of(f, "four.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 2);
    gn_test_dnsd_done(&dead);
}

static void no_server_listens(void **state)
{
    struct fixture *f = *state;
    struct gn_test_dnsd gone;

    gn_test_dnsd_init(&gone, &f->pollio, answer_nothing, NULL);
    gn_test_dnsd_done(&gone);
    f->servers[0] = gone.address;
    start(f, (struct gn_ares_config){0}, answer_names);
    assert_int_equal(status_of(f, "web.test"), GN_EAI_AGAIN);
}

static void servers_in_turn(void **state)
{
    struct fixture *f = *state;
    struct gn_test_dnsd second;
    char name[16];
    unsigned i;

    gn_test_dnsd_init(&second, &f->pollio, answer_names, NULL);
    f->servers[1] = second.address;
    start(f, (struct gn_ares_config){.flags = GN_ARES_ROTATE}, answer_names);
    for (i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        assert_int_equal(status_of(f, name), GN_EAI_NONAME);
    }
    assert_int_equal(f->dnsd.n_asked + second.n_asked, 64);
    assert_true(f->dnsd.n_asked > 8 && second.n_asked > 8);
    gn_test_dnsd_done(&second);
}

/* ---- the cache ---- */

static void what_is_known_is_not_asked_again(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){0}, answer_names);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(status_of(f, "WEB.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 1);
    assert_int_equal(stats_of(f).lookups, 3);
    assert_int_equal(stats_of(f).asked, 1);
}

static void without_a_cache_it_is(void **state)
{
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){.flags = GN_ARES_NO_CACHE}, answer_names);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 2);
}

static void answer_short(const struct gn_test_ask *ask, void *arg)
{
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    gn_test_dns_add_a(&dns, NULL, 1, "192.0.2.1");
    gn_test_dnsd_send(ask, &dns);
}

static void a_ttl_runs_out(void **state)
{
    struct fixture *f = *state;
    bool never = false;

    start(f, (struct gn_ares_config){0}, answer_short);
    assert_int_equal(status_of(f, "web.test"), 0);
    gn_test_pollio_until(&f->pollio, &never, 2100);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 2);
}

static void no_ttl_is_longer_than_wanted(void **state)
{
    struct fixture *f = *state;
    bool never = false;

    start(f, (struct gn_ares_config){.cache_ttl_s = 1}, answer_names);
    assert_int_equal(status_of(f, "web.test"), 0); /* for 60 s */
    gn_test_pollio_until(&f->pollio, &never, 2100);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 2);
}

/* 40 records each with a long name: 12 KiB in an answer by TCP. */
static void answer_long(const struct gn_test_ask *ask, void *arg)
{
    static const char data[255] = {(char)254};
    struct gn_test_dns dns;
    unsigned i;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    for (i = 0; i < 200; i++)
        gn_test_dns_add(&dns, NULL, GN_TEST_DNS_TXT, 3600, data, sizeof(data));
    gn_test_dns_add_a(&dns, NULL, 3600, "192.0.2.1");
    gn_test_dnsd_send(ask, &dns);
}

static void the_cache_is_bounded(void **state)
{
    struct fixture *f = *state;
    char name[16];
    unsigned i;

    start(f, (struct gn_ares_config){.flags = GN_ARES_TCP}, answer_long);
    assert_int_equal(status_of(f, "first.test"), 0);
    assert_int_equal(status_of(f, "first.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 1);
    for (i = 0; i < 24; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        assert_int_equal(status_of(f, name), 0);
    }
    assert_int_equal(status_of(f, "first.test"), 0);
    assert_int_equal(f->dnsd.n_asked, 26);
}

/* ---- search domains ---- */

static void answer_in_second(const struct gn_test_ask *ask, void *arg)
{
    bool is = strcmp(ask->name, "web.two.test") == 0 ||
              strcmp(ask->name, "full.name") == 0;
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask, is ? 0 : 3);
    if (is)
        gn_test_dns_add_a(&dns, NULL, 60, "192.0.2.1");
    gn_test_dnsd_send(ask, &dns);
}

static void search_domains_are_tried(void **state)
{
    static const char *const search[] = {"one.test", "two.test", NULL};
    struct fixture *f = *state;

    start(f, (struct gn_ares_config){.search = search}, answer_in_second);
    assert_int_equal(status_of(f, "web"), 0);
    assert_int_equal(f->dnsd.n_asked, 2);
    assert_int_equal(status_of(f, "full.name"), 0);
    assert_int_equal(f->dnsd.n_asked, 3);
}

static void without_search_domains_names_stay_as_they_are(void **state)
{
    struct fixture *f = *state;

    setenv("LOCALDOMAIN", "two.test", 1);
    start(f, (struct gn_ares_config){0}, answer_in_second);
    assert_int_equal(status_of(f, "web"), GN_EAI_NONAME);
    assert_int_equal(f->dnsd.n_asked, 1);
    unsetenv("LOCALDOMAIN");
}

static void an_absolute_name_is_not_searched_for(void **state)
{
    static const char *const search[] = {"one.test", "two.test", NULL};
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){.search = search}, answer_in_second);
    begin(f, &ask,
          &(struct gn__question){.kind = GN_QUERY_IP,
                                 .proto = "ip4",
                                 .name = "web",
                                 .is_absolute = true});
    assert_int_equal(finish(&ask), GN_EAI_NONAME);
    gn__lookup_done(&ask.lookup);
    assert_int_equal(f->dnsd.n_asked, 1);
}

static void the_name_that_was_found_is_told(void **state)
{
    static const char *const search[] = {"one.test", "two.test", NULL};
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){.search = search}, answer_in_second);
    assert_int_equal(look_up(f, &ask, "ip4", "web"), 0);
    assert_string_equal(ask.lookup.searched, "web.two.test");
    gn__lookup_done(&ask.lookup);
    assert_int_equal(look_up(f, &ask, "ip4", "full.name"), 0);
    assert_string_equal(ask.lookup.searched, "");
    gn__lookup_done(&ask.lookup);
}

/* ---- files ---- */

struct file {
    char path[32];
};

static struct file make_file(void)
{
    struct file file = {"/tmp/guestnet-ares-XXXXXX"};
    int fd = mkstemp(file.path);

    assert_true(fd >= 0);
    close(fd);
    return file;
}

static void write_file(const struct file *file, const char *format,
                       const char *arg)
{
    FILE *out = fopen(file->path, "w");

    assert_non_null(out);
    fprintf(out, format, arg);
    fclose(out);
}

static void hosts_are_asked_first(void **state)
{
    struct fixture *f = *state;
    struct file file = make_file();
    struct ask ask;

    write_file(&file, "192.0.2.77 box.test box\n%s", "");
    start(f, (struct gn_ares_config){.hosts_file = file.path}, answer_names);
    assert_int_equal(look_up(f, &ask, "ip4", "box.test"), 0);
    assert_answer(&ask, 0, "192.0.2.77", 0);
    gn__lookup_done(&ask.lookup);
    assert_int_equal(look_up_addr(f, &ask, "192.0.2.77"), 0);
    assert_string_equal(ask.lookup.result.name, "box.test");
    gn__lookup_done(&ask.lookup);
    assert_int_equal(f->dnsd.n_asked, 0);
    assert_int_equal(status_of(f, "web.test"), 0);
    unlink(file.path);
}

static void hosts_keep_their_own_addresses(void **state)
{
    struct fixture *f = *state;
    struct file file = make_file();
    struct ask ask;

    write_file(&file, "192.0.2.1 web shared\n192.0.2.2 db shared\n%s", "");
    start(f, (struct gn_ares_config){.hosts_file = file.path}, answer_names);
    assert_int_equal(look_up(f, &ask, "ip", "web"), 0);
    assert_int_equal(ask.lookup.result.n, 1);
    assert_answer(&ask, 0, "192.0.2.1", 0);
    gn__lookup_done(&ask.lookup);
    assert_int_equal(look_up(f, &ask, "ip", "db"), 0);
    assert_int_equal(ask.lookup.result.n, 1);
    assert_answer(&ask, 0, "192.0.2.2", 0);
    gn__lookup_done(&ask.lookup);
    assert_int_equal(look_up(f, &ask, "ip", "shared"), 0);
    assert_int_equal(ask.lookup.result.n, 2);
    assert_string_equal(ask.lookup.result.name, "web");
    gn__lookup_done(&ask.lookup);
    assert_int_equal(f->dnsd.n_asked, 0);
    unlink(file.path);
}

static void hosts_that_change_are_followed(void **state)
{
    struct fixture *f = *state;
    struct file file = make_file();
    bool never = false;

    start(f, (struct gn_ares_config){.hosts_file = file.path}, answer_names);
    assert_int_equal(status_of(f, "box"), GN_EAI_NONAME);
    write_file(&file, "192.0.2.77 box\n%s", "");
    gn_test_pollio_until(&f->pollio, &never, 1100);
    assert_int_equal(status_of(f, "box"), 0);
    unlink(file.path);
}

static void start_system(struct fixture *f, const char *path, unsigned flags)
{
    struct gn_ares_config config = {
        .size = sizeof(config),
        .resolv_conf = path,
        .flags = flags,
    };

    assert_int_equal(gn_resolver_ares(&config, &f->resolver), 0);
}

static void port_options(struct fixture *f, const struct file *file,
                         const char *more)
{
    char text[128];

    snprintf(text, sizeof(text), "nameserver %s\n%s", f->dnsd.address, more);
    write_file(file, "%s", text);
}

static void the_system_says_who_is_asked(void **state)
{
    struct fixture *f = *state;
    struct file file = make_file();

    port_options(f, &file, "search two.test\n");
    f->dnsd.answer = answer_in_second;
    start_system(f, file.path, 0);
    assert_int_equal(status_of(f, "web"), GN_EAI_NONAME);
    assert_int_equal(f->dnsd.n_asked, 1);
    unlink(file.path);
}

static void its_search_domains_only_if_wanted(void **state)
{
    struct fixture *f = *state;
    struct file file = make_file();

    port_options(f, &file, "search two.test\n");
    f->dnsd.answer = answer_in_second;
    start_system(f, file.path, GN_ARES_SYSTEM_SEARCH);
    assert_int_equal(status_of(f, "web"), 0);
    unlink(file.path);
}

static void a_system_without_servers_may_get_some(void **state)
{
    struct fixture *f = *state;
    struct file file = make_file();

    f->dnsd.answer = answer_names;
    unlink(file.path);
    start_system(f, file.path, 0);
    assert_int_equal(status_of(f, "web.test"), GN_EAI_AGAIN);
    port_options(f, &file, "");
    assert_int_equal(status_of(f, "web.test"), 0);
    unlink(file.path);
}

static void a_system_that_moves_is_followed(void **state)
{
    struct fixture *f = *state;
    struct file file = make_file();
    struct gn_test_dnsd old;
    bool never = false;

    gn_test_dnsd_init(&old, &f->pollio, answer_names, NULL);
    f->dnsd.answer = answer_names;
    write_file(&file, "nameserver %s\n", old.address);
    start_system(f, file.path, 0);
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(old.n_asked, 1);
    gn_test_pollio_until(&f->pollio, &never, 1100);
    port_options(f, &file, "# another length\n");
    assert_int_equal(status_of(f, "web.test"), 0);
    assert_int_equal(old.n_asked, 1);
    assert_int_equal(f->dnsd.n_asked, 1);
    gn_test_dnsd_done(&old);
    unlink(file.path);
}

/* ---- from where ---- */

static void answer_who(const struct gn_test_ask *ask, void *arg)
{
    const struct sockaddr_in *from = (const void *)&ask->from;
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask, 0);
    gn_test_dns_add(&dns, NULL, GN_TEST_DNS_A, 60, &from->sin_addr, 4);
    gn_test_dnsd_send(ask, &dns);
}

static void a_source_address(void **state)
{
    struct fixture *f = *state;
    struct ask ask;

    start(f, (struct gn_ares_config){.source4 = "127.0.0.9"}, answer_who);
    assert_int_equal(look_up(f, &ask, "ip4", "who.test"), 0);
    assert_answer(&ask, 0, "127.0.0.9", 60);
    gn__lookup_done(&ask.lookup);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE_OF(fixture, addresses_of_both_versions),
        CASE_OF(fixture, one_version_asks_one_question),
        CASE_OF(fixture, aliases_give_canonical_name_and_lowest_ttl),
        CASE_OF(fixture, no_such_name),
        CASE_OF(fixture, a_name_without_addresses),
        CASE_OF(fixture, a_server_that_fails_is_asked_again),
        CASE_OF(fixture, refused_and_not_implemented_are_failures),
        CASE_OF(fixture, names_of_addresses),
        CASE_OF(fixture, a_name_that_cannot_be_one_is_none),
        CASE_OF(fixture, other_records_are_messages),
        CASE_OF(fixture, a_truncated_answer_is_asked_for_by_tcp),
        CASE_OF(fixture, tcp_alone),
        CASE_OF(fixture, an_old_server_is_asked_without_edns),
        CASE_OF(fixture, no_edns_at_all),
        CASE_OF(fixture, edns_says_how_much_may_come),
        CASE_OF(fixture, edns_bytes_are_as_wanted),
        CASE_OF(fixture, random_case_in_questions),
        CASE_OF(fixture, a_dead_server_and_a_second_one),
        CASE_OF(fixture, no_server_listens),
        CASE_OF(fixture, servers_in_turn),
        CASE_OF(fixture, what_is_known_is_not_asked_again),
        CASE_OF(fixture, without_a_cache_it_is),
        CASE_OF(fixture, a_ttl_runs_out),
        CASE_OF(fixture, no_ttl_is_longer_than_wanted),
        CASE_OF(fixture, the_cache_is_bounded),
        CASE_OF(fixture, search_domains_are_tried),
        CASE_OF(fixture, without_search_domains_names_stay_as_they_are),
        CASE_OF(fixture, an_absolute_name_is_not_searched_for),
        CASE_OF(fixture, the_name_that_was_found_is_told),
        CASE_OF(fixture, hosts_are_asked_first),
        CASE_OF(fixture, hosts_keep_their_own_addresses),
        CASE_OF(fixture, hosts_that_change_are_followed),
        CASE_OF(fixture, the_system_says_who_is_asked),
        CASE_OF(fixture, its_search_domains_only_if_wanted),
        CASE_OF(fixture, a_system_without_servers_may_get_some),
        CASE_OF(fixture, a_system_that_moves_is_followed),
        CASE_OF(fixture, a_source_address),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
