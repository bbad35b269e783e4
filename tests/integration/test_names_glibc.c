/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Names by gn_resolver_ares() beside the C library's: the same server, the same
 * resolv.conf(5) and hosts(5), the same questions. The process moves to a
 * network and a mount namespace of its own, where the server has port 53 and
 * the files are the test's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/dnsd.h"
#include "tests/lib/farside.h"

/* ---- the server ---- */

struct record {
    const char *name;
    unsigned rcode4, rcode6; /* of A, AAAA */
    const char *a, *aaaa;    /* NULL: no data */
    const char *alias;       /* to this name, whose addresses they are */
};

static const struct record zone[] = {
    {"web.one.test", 0, 0, "192.0.2.1", "2001:db8::1", NULL},
    {"web.two.test", 0, 0, "192.0.2.21", "2001:db8::21", NULL},
    {"mail.two.test", 0, 0, "192.0.2.2", NULL, NULL},
    {"v6.two.test", 0, 0, NULL, "2001:db8::2", NULL},
    {"four.zone.test", 0, 0, "192.0.2.4", NULL, NULL},
    {"single", 0, 0, "192.0.2.10", "2001:db8::10", NULL},
    {"nodata.one.test", 0, 0, NULL, NULL, NULL},
    {"nodata.two.test", 0, 0, "192.0.2.3", NULL, NULL},
    {"fail.one.test", 2, 2, NULL, NULL, NULL},
    {"fail.two.test", 0, 0, "192.0.2.5", NULL, NULL},
    {"refused.one.test", 5, 5, NULL, NULL, NULL},
    {"refused.two.test", 0, 0, "192.0.2.6", NULL, NULL},
    {"refused", 0, 0, "192.0.2.7", NULL, NULL},
    {"no6.one.test", 0, 2, "192.0.2.8", NULL, NULL},
    {"no4.one.test", 2, 0, NULL, "2001:db8::8", NULL},
    {"half6.one.test", 0, 2, NULL, NULL, NULL},
    {"half4.one.test", 2, 0, NULL, NULL, NULL},
    {"mix1.one.test", 2, 3, NULL, NULL, NULL},
    {"mix2.one.test", 3, 2, NULL, NULL, NULL},
    {"mix3.one.test", 5, 2, NULL, NULL, NULL},
    {"mix4.one.test", 2, 5, NULL, NULL, NULL},
    {"mix5.one.test", 0, 3, NULL, NULL, NULL},
    {"mix6.one.test", 3, 0, NULL, NULL, NULL},
    {"mix7.one.test", 0, 5, NULL, NULL, NULL},
    {"mix8.one.test", 5, 0, NULL, NULL, NULL},
    {"alias.one.test", 0, 0, "192.0.2.1", "2001:db8::1", "web.one.test"},
};

static const struct record *find_record(const char *name)
{
    static const struct record any = {"",  0, 0, "203.0.113.66", "2001:db8::66",
                                      NULL};
    size_t len = strlen(name), i;

    for (i = 0; i < sizeof(zone) / sizeof(*zone); i++) {
        if (!strcmp(zone[i].name, name))
            return &zone[i];
    }
    return len > 10 && !strcmp(name + len - 10, ".wild.test") ? &any : NULL;
}

static void answer_from_zone(const struct gn_test_ask *ask, void *arg)
{
    const struct record *record = find_record(ask->name);
    bool v6 = ask->type == GN_TEST_DNS_AAAA;
    const char *owner;
    struct gn_test_dns dns;

    (void)arg;
    gn_test_dns_begin(&dns, ask,
                      !record ? 3
                      : v6    ? record->rcode6
                              : record->rcode4);
    if (record && record->alias)
        gn_test_dns_add_name(&dns, NULL, GN_TEST_DNS_CNAME, 60, record->alias);
    owner = record ? record->alias : NULL;
    if (record && !v6 && record->a)
        gn_test_dns_add_a(&dns, owner, 60, record->a);
    if (record && v6 && record->aaaa)
        gn_test_dns_add_aaaa(&dns, owner, 60, record->aaaa);
    gn_test_dnsd_send(ask, &dns);
}

static struct gn_test_pollio pollio;
static struct gn_test_dnsd dnsd;
static atomic_bool stopping;
static pthread_t server;

static void *serve(void *arg)
{
    while (!atomic_load(&stopping))
        gn_test_pollio_turn(&pollio, 5);
    return arg;
}

/* ---- the files ---- */

static char folder[] = "/tmp/guestnet-names-XXXXXX";

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A file of the test's in place of the system's. */
static bool bind_file(const char *name, const char *text)
{
    char own[64], system[64];

    snprintf(own, sizeof(own), "%s/%s", folder, name);
    snprintf(system, sizeof(system), "/etc/%s", name);
    write_file(own, text);
    return !mount(own, system, NULL, MS_BIND, NULL);
}

static const char hosts[] = "127.0.0.1 localhost\n"
                            "192.0.2.1 web4 shared # a comment\n"
                            "192.0.2.2 db shared\n"
                            "2001:db8::9 six\n"
                            "192.0.2.31 canon.hosts.test alias9\n"
                            "192.0.2.30\tUPPER\n"
                            "no-address one\n"
                            "300.1.1.1 bad\n"
                            "192.0.2.32 star *.star\n"
                            "192.0.2.33\n";

static bool move_away(void)
{
    return far_begin() && mkdtemp(folder) && !unshare(CLONE_NEWNS) &&
           !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           bind_file("resolv.conf", "") && bind_file("hosts", hosts) &&
           bind_file("nsswitch.conf", "hosts: files dns\n");
}

/* ---- both answers ---- */

struct said {
    int status;
    char canonical[256];
    char addrs[16][INET6_ADDRSTRLEN];
    size_t n;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void describe(const struct addrinfo *list, struct said *out)
{
    const struct addrinfo *it;

    snprintf(out->canonical, sizeof(out->canonical), "%s", list->ai_canonname);
    for (it = list; it; it = it->ai_next) {
        assert_true(out->n < 16);
        assert_int_equal(getnameinfo(it->ai_addr, it->ai_addrlen,
                                     out->addrs[out->n++], INET6_ADDRSTRLEN,
                                     NULL, 0, NI_NUMERICHOST),
                         0);
    }
    qsort(out->addrs, out->n, sizeof(out->addrs[0]), by_text);
}

static int translated(int theirs)
{
    switch (theirs) {
    case EAI_NONAME:
        return GN_EAI_NONAME;
    case EAI_NODATA:
        return GN_EAI_NODATA;
    case EAI_AGAIN:
        return GN_EAI_AGAIN;
    case EAI_FAIL:
        return GN_EAI_FAIL;
    default:
        return theirs;
    }
}

static void print_said(const char *who, const struct said *said)
{
    size_t i;

    print_message("  %s: %d %s", who, said->status, said->canonical);
    for (i = 0; i < said->n; i++)
        print_message(" %s", said->addrs[i]);
    print_message("\n");
}

static bool is_equal(const struct said *a, const struct said *b)
{
    return a->status == b->status && a->n == b->n &&
           !strcmp(a->canonical, b->canonical) &&
           !memcmp(a->addrs, b->addrs, a->n * sizeof(a->addrs[0]));
}

static unsigned compare(struct gn_namespace *guest, const char *name,
                        int family)
{
    struct addrinfo hints = {.ai_family = family,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_CANONNAME};
    struct said ours = {.n = 0}, theirs = {.n = 0};
    struct addrinfo *list = NULL;

    theirs.status = translated(getaddrinfo(name, NULL, &hints, &list));
    if (list) {
        describe(list, &theirs);
        freeaddrinfo(list);
        list = NULL;
    }
    ours.status = gn_getaddrinfo(guest, name, NULL, &hints, &list);
    if (list)
        describe(list, &ours);
    gn_freeaddrinfo(list);
    if (is_equal(&ours, &theirs))
        return 0;
    print_message("%s, family %d\n", name, family);
    print_said("ours", &ours);
    print_said("glibc", &theirs);
    return 1;
}

/* All names under one resolv.conf; how many answers differ. */
static unsigned compare_all(const char *conf)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static const char *const names[] = {
        "web",
        "web.",
        "web.one.test",
        "web.one.test.",
        "mail",
        "mail.two.test",
        "v6",
        "four.zone.test",
        "single",
        "single.",
        "nodata",
        "fail",
        "fail.one.test.",
        "refused",
        "refused.one.test.",
        "no6",
        "no4",
        "half4",
        "half6",
        "half4.one.test.",
        "half6.one.test.",
        "mix1",
        "mix2",
        "mix3",
        "mix4",
        "mix5",
        "mix6",
        "mix7",
        "mix8",
        "mix1.one.test.",
        "mix2.one.test.",
        "mix3.one.test.",
        "mix4.one.test.",
        "mix5.one.test.",
        "mix6.one.test.",
        "mix7.one.test.",
        "mix8.one.test.",
        "alias",
        "nobody",
        "nobody.",
        "nobody.zone.test",
        "nobody.zone.test.",
        "WEB",
        "shared",
        "web4",
        "db",
        "db.",
        "six",
        "alias9",
        "canon.hosts.test",
        "upper",
        "star",
        "x.star",
        "one",
        "bad",
        "1.2.3.4.",
        "10.1.",
    };
    static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};
    char path[64];
    struct gn_ares_config ares = {.size = sizeof(ares),
                                  .resolv_conf = "/etc/resolv.conf",
                                  .hosts_file = "/etc/hosts",
                                  .flags = GN_ARES_SYSTEM_SEARCH};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace *guest;
    struct gn_network *net;
    unsigned i, f, differ = 0;

    snprintf(path, sizeof(path), "%s/resolv.conf", folder);
    write_file(path, conf);
    assert_int_equal(gn_resolver_ares(&ares, &config.resolver), 0);
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, NULL, &guest), 0);
    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        for (f = 0; f < 3; f++)
            differ += compare(guest, names[i], families[f]);
    }
    gn_network_close(net, NULL, NULL);
    gn_resolver_close(config.resolver);
    return differ;
}

#define SERVER "nameserver 127.0.0.1\n"

static void names_below_two_domains(void **state)
{
    (void)state;
    assert_int_equal(compare_all(SERVER "search one.test two.test\n"), 0);
}

static void names_below_a_wildcard(void **state)
{
    (void)state;
    assert_int_equal(compare_all(SERVER "search wild.test\n"), 0);
}

static void names_of_enough_dots_go_first(void **state)
{
    (void)state;
    assert_int_equal(
        compare_all(SERVER "search one.test two.test\noptions ndots:3\n"), 0);
    assert_int_equal(compare_all("options ndots:0\nsearch two.test\n" SERVER),
                     0);
}

static void the_last_list_counts(void **state)
{
    (void)state;
    assert_int_equal(
        compare_all("search one.test\n" SERVER "domain two.test\n"), 0);
    assert_int_equal(
        compare_all("domain one.test\n" SERVER "search two.test\n"), 0);
}

static void the_root_is_a_domain(void **state)
{
    (void)state;
    assert_int_equal(compare_all(SERVER "search . two.test\n"), 0);
}

static void top_level_names_may_be_left_out(void **state)
{
    (void)state;
    assert_int_equal(
        compare_all(SERVER "search two.test\noptions no-tld-query\n"), 0);
}

static void the_environment_goes_before_the_file(void **state)
{
    unsigned differ;

    (void)state;
    assert_int_equal(setenv("LOCALDOMAIN", "two.test", 1), 0);
    assert_int_equal(setenv("RES_OPTIONS", "ndots:2", 1), 0);
    differ = compare_all(SERVER "search one.test\n");
    assert_int_equal(unsetenv("LOCALDOMAIN"), 0);
    assert_int_equal(unsetenv("RES_OPTIONS"), 0);
    assert_int_equal(differ, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_below_two_domains),
        cmocka_unit_test(names_below_a_wildcard),
        cmocka_unit_test(names_of_enough_dots_go_first),
        cmocka_unit_test(the_last_list_counts),
        cmocka_unit_test(the_root_is_a_domain),
        cmocka_unit_test(top_level_names_may_be_left_out),
        cmocka_unit_test(the_environment_goes_before_the_file),
    };
    int failed;

    if (!move_away()) {
        print_message("skipped: no mount namespace with files of our own: %s\n",
                      strerror(errno));
        return 77;
    }
    gn_test_pollio_init(&pollio);
    gn_test_dnsd_init_at(&dnsd, &pollio, 53, answer_from_zone, NULL);
    if (pthread_create(&server, NULL, serve, NULL))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    atomic_store(&stopping, true);
    (void)pthread_join(server, NULL);
    gn_test_dnsd_done(&dnsd);
    gn_test_pollio_done(&pollio);
    return failed;
}
