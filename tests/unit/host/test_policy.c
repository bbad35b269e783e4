/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/egress/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* This machine, as the tests have it. */
static const char *const own[] = {"127.0.0.1",  "::1",         "192.0.2.5",
                                  "10.1.2.3",   "2001:db8::5", "fe80::5",
                                  "169.254.9.9"};

static struct gn__addr addr(const char *text)
{
    struct gn__addr a;

    if (gn__addr_parse(text, &a))
        fail_msg("%s is no address", text);
    return a;
}

static bool is_own(const struct gn__addr *a, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        struct gn__addr other = addr(own[i]);

        if (gn__addr_equal(a, &other))
            return true;
    }
    return false;
}

/* Ask whether a guest that was told @names (separated by spaces) for @to may
 * reach it. */
static struct gn__policy_answer ask_named(const char *const *rules,
                                          unsigned proto, const char *to,
                                          uint16_t port, const char *names)
{
    static struct gn__name told[8];
    static struct gn__policy policy;
    static struct gn__mem mem;
    struct gn__policy_answer answer;
    struct gn__policy_ask ask = {.proto = proto,
                                 .addr = addr(to),
                                 .port = port,
                                 .names = told,
                                 .is_own = is_own};
    char why[300] = "", text[1024];
    char *rest = NULL, *word;

    snprintf(text, sizeof(text), "%s", names);
    for (word = strtok_r(text, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest))
        assert_true(gn__name_normal(word, &told[ask.n_names++]));
    gn__mem_init(&mem, NULL);
    if (gn__policy_init(&policy, &mem, rules, why, sizeof(why)))
        fail_msg("%s", why);
    gn__policy_decide(&policy, &ask, &answer);
    gn__policy_done(&policy);
    assert_true(!answer.allowed || answer.rule != GN__NO_RULE);
    assert_non_null(answer.reason);
    return answer;
}

static bool tcp(const char *const *rules, const char *to, uint16_t port)
{
    return ask_named(rules, GN__RULE_TCP, to, port, "").allowed;
}

static bool udp(const char *const *rules, const char *to, uint16_t port)
{
    return ask_named(rules, GN__RULE_UDP, to, port, "").allowed;
}

/* Over TCP to port 443, with these names. */
static bool named(const char *const *rules, const char *to, const char *names)
{
    return ask_named(rules, GN__RULE_TCP, to, 443, names).allowed;
}

static void without_rules_nothing_is_allowed(void **state)
{
    (void)state;
    assert_false(tcp(NULL, "203.0.113.1", 80));
    assert_false(udp(NULL, "2001:db8::1", 53));
    assert_false(named(NULL, "203.0.113.1", "example.org"));
}

static void what_no_rule_names_is_denied(void **state)
{
    const char *const *rules = RULES("allow tcp 203.0.113.0/24 port 443");
    struct gn__policy_answer answer;

    (void)state;
    assert_true(tcp(rules, "203.0.113.0", 443));
    assert_true(tcp(rules, "203.0.113.255", 443));
    assert_false(tcp(rules, "203.0.114.0", 443));
    assert_false(tcp(rules, "203.0.113.1", 80));
    assert_false(udp(rules, "203.0.113.1", 443));
    answer = ask_named(rules, GN__RULE_TCP, "203.0.114.0", 443, "");
    assert_true(answer.rule == GN__NO_RULE);
    assert_string_equal(answer.reason, "no rule");
}

static void the_first_rule_that_matches_decides(void **state)
{
    const char *const *rules =
        RULES("deny tcp 203.0.113.7", "allow 203.0.113.0/24 port 80",
              "deny udp any", "allow any port 53,80");
    struct gn__policy_answer answer;

    (void)state;
    assert_false(tcp(rules, "203.0.113.7", 80));
    assert_true(tcp(rules, "203.0.113.8", 80));
    assert_true(udp(rules, "203.0.113.7", 80));
    assert_false(udp(rules, "198.51.100.1", 53));
    assert_true(tcp(rules, "198.51.100.1", 53));
    answer = ask_named(rules, GN__RULE_UDP, "198.51.100.1", 53, "");
    assert_int_equal(answer.rule, 2);
    answer = ask_named(rules, GN__RULE_TCP, "203.0.113.8", 80, "");
    assert_int_equal(answer.rule, 1);
}

static void ports_are_matched_to_the_edge(void **state)
{
    const char *const *rules = RULES("allow any port 1,443,8000-8999,65535");

    (void)state;
    for (uint32_t port = 0; port <= 65535; port++) {
        bool in = port == 1 || port == 443 || port == 65535 ||
                  (port >= 8000 && port <= 8999);

        if (port % 7 == 0 || in || port < 3 || port > 65530)
            assert_int_equal(tcp(rules, "203.0.113.1", (uint16_t)port), in);
    }
    assert_false(tcp(RULES("allow any"), "203.0.113.1", 0));
}

static bool icmp(const char *const *rules, const char *to)
{
    return ask_named(rules, GN__RULE_ICMP, to, 0, "").allowed;
}

static void echoes_have_no_ports(void **state)
{
    static const char *const any[] = {"allow any", NULL};
    static const char *const ports[] = {"allow any port 1-65535", NULL};
    static const char *const pings[] = {"allow icmp 203.0.113.0/24", NULL};
    static const char *const not [] = {"deny icmp any", "allow any", NULL};

    (void)state;
    assert_true(icmp(any, "203.0.113.7"));
    assert_false(icmp(ports, "203.0.113.7"));
    assert_true(icmp(pings, "203.0.113.7"));
    assert_false(icmp(pings, "203.0.114.7"));
    assert_false(tcp(pings, "203.0.113.7", 7));
    assert_false(udp(pings, "203.0.113.7", 7));
    assert_false(icmp(not, "203.0.113.7"));
    assert_true(udp(not, "203.0.113.7", 7));
    assert_false(icmp(any, "127.0.0.1"));
}

static void a_prefix_is_of_one_version(void **state)
{
    (void)state;
    assert_false(tcp(RULES("allow 0.0.0.0/0"), "2001:db8::1", 80));
    assert_false(tcp(RULES("allow ::/0"), "203.0.113.1", 80));
    assert_false(tcp(RULES("allow ::/0"), "::ffff:203.0.113.1", 80));
    assert_true(tcp(RULES("allow 0.0.0.0/0"), "::ffff:203.0.113.1", 80));
    assert_true(tcp(RULES("allow any"), "2001:db8::1", 80));
}

static void names_open_what_the_guest_was_told(void **state)
{
    const char *const *rules =
        RULES("allow name example.org", "allow name *.example.net port 443");
    struct gn__policy_answer answer;

    (void)state;
    assert_false(named(rules, "203.0.113.1", ""));
    assert_true(named(rules, "203.0.113.1", "example.org"));
    assert_true(named(rules, "203.0.113.1", "other.example example.org"));
    assert_true(named(rules, "203.0.113.1", "EXAMPLE.org."));
    assert_false(named(rules, "203.0.113.1", "www.example.org"));
    assert_true(named(rules, "2001:db8::1", "a.example.net"));
    assert_true(named(rules, "203.0.113.1", "a.b.c.example.net"));
    assert_false(
        ask_named(rules, GN__RULE_TCP, "203.0.113.1", 80, "a.example.net")
            .allowed);
    answer = ask_named(rules, GN__RULE_TCP, "203.0.113.1", 443,
                       "x.example y.example.net");
    assert_int_equal(answer.rule, 1);
    assert_string_equal(answer.name, "y.example.net");
}

static void a_pattern_means_names_below_it_only(void **state)
{
    static const char *const others[] = {
        "example.org",      "badexample.org", "example.org.evil.example",
        "wwwexample.org",   "xexample.org",   "org",
        "www.example.orgs", "example.or",     "www-example.org",
    };
    const char *const *rules = RULES("allow name *.example.org");

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(named(rules, "203.0.113.1", others[i]));
    assert_true(named(rules, "203.0.113.1", "www.example.org"));
    assert_true(named(rules, "203.0.113.1", "WWW.EXAMPLE.ORG"));
    assert_true(named(RULES("allow name *.Example.ORG."), "203.0.113.1",
                      "www.example.org."));
}

static void deny_by_name_comes_before_what_follows(void **state)
{
    const char *const *rules =
        RULES("deny name *.evil.example", "allow any port 443");

    (void)state;
    assert_false(named(rules, "203.0.113.1", "www.evil.example"));
    assert_false(named(rules, "203.0.113.1", "good.example www.evil.example"));
    assert_true(named(rules, "203.0.113.1", "good.example"));
}

/* What is never reached by a rule that does not name it. */
static const char *const kept[] = {
    "127.0.0.1",
    "127.0.0.53",
    "127.255.255.255",
    "::1",
    "::ffff:127.0.0.1",
    "169.254.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "::ffff:169.254.169.254",
    "100.100.100.200",
    "fd00:ec2::254",
    "168.63.129.16",
    "192.0.2.5",
    "10.1.2.3",
    "2001:db8::5",
    "169.254.9.9",
    "fd20:ce::254",
};

/* What is never reached. */
static const char *const never[] = {
    "0.0.0.0",
    "0.0.0.1",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    "::127.0.0.1",
    "::203.0.113.1",
    "::ffff:0:127.0.0.1",
    "::ffff:0:203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "240.0.0.1",
    "ff02::1",
    "ff0e::1",
    "fe80::1",
    "fe80::5",
    "febf::1",
    "100::1",
    /* NAT64, the well-known prefix */
    "64:ff9b::127.0.0.1",
    "64:ff9b::0.0.0.0",
    "64:ff9b::169.254.169.254",
    "64:ff9b::224.0.0.1",
    "64:ff9b::192.0.2.5",
    "64:ff9b::100.100.100.200",
    /* 6to4 */
    "2002:7f00:1::",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "2002:c000:205::1",
    "2002::1",
    /* Teredo: the server, then the client, inverted */
    "2001:0:7f00:1::",
    "2001:0:cb00:7101:0:0:80ff:fffe",
    "2001:0:cb00:7101:0:0:5601:5601",
    "2001:0:cb00:7101:0:0:3fff:fdfa",
    /* ISATAP */
    "2001:db8::5efe:127.0.0.1",
    "2001:db8::200:5efe:127.0.0.1",
    "2001:db8::5efe:169.254.169.254",
};

static void wide_rules_open_nothing_special(void **state)
{
    const char *const *rules =
        RULES("allow any", "allow 0.0.0.0/0", "allow ::/0", "allow 0.0.0.0/1",
              "allow 126.0.0.0/7", "allow 168.0.0.0/6", "allow 100.64.0.0/10",
              "allow 192.0.2.0/24", "allow 10.0.0.0/8", "allow 2001:db8::/32",
              "allow fd00::/8", "allow 64:ff9b::/96", "allow 2002::/16",
              "allow 2001::/32", "allow 64::/16");

    (void)state;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (tcp(rules, kept[i], 80) || udp(rules, kept[i], 80))
            fail_msg("%s was allowed", kept[i]);
    }
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        if (tcp(rules, never[i], 80) || udp(rules, never[i], 80))
            fail_msg("%s was allowed", never[i]);
    }
}

/* DNS rebinding: whatever a name is said to be. */
static void names_open_nothing_special(void **state)
{
    static const char *const private[] = {
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.0.8",
        "fd12::1",
        "fc00::1",
        "fec0::1",
        "64:ff9b::10.0.0.1",
        "::ffff:192.168.1.1",
        "2002:a00:1::",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1::203.0.113.1",
        "2001:db8::5efe:10.0.0.1",
    };
    const char *const *rules =
        RULES("allow name example.org", "allow name *.example.org");
    const char *names = "example.org www.example.org";

    (void)state;
    assert_true(named(rules, "203.0.113.1", names));
    assert_true(named(rules, "64:ff9b::203.0.113.1", names));
    for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
        if (named(rules, private[i], names))
            fail_msg("%s was allowed", private[i]);
    }
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        assert_false(named(rules, kept[i], names));
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert_false(named(rules, never[i], names));
}

static void a_private_name_opens_private_addresses_and_no_more(void **state)
{
    static const char *const opened[] = {
        "10.0.0.1", "172.31.255.255",     "192.168.1.1", "100.64.0.1",
        "fd12::1",  "::ffff:192.168.1.1", "203.0.113.1"};
    static const char *const closed[] = {
        "127.0.0.1",       "::1",         "169.254.7.7",   "169.254.169.254",
        "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "10.1.2.3",
        "192.0.2.5",       "0.0.0.0",     "224.0.0.1",     "fe80::1"};
    const char *const *rules = RULES("allow name db.corp private");

    (void)state;
    for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++) {
        if (!named(rules, opened[i], "db.corp"))
            fail_msg("%s was denied", opened[i]);
        assert_false(named(rules, opened[i], "other.corp"));
    }
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
        if (named(rules, closed[i], "db.corp"))
            fail_msg("%s was allowed", closed[i]);
    }
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert_false(named(rules, never[i], "db.corp"));
}

static void an_address_is_opened_by_its_own_rule(void **state)
{
    char rule[64];

    (void)state;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const char *text = kept[i];

        snprintf(rule, sizeof(rule), "allow tcp %s port 80", text);
        if (!tcp(RULES(rule), text, 80))
            fail_msg("%s was denied", text);
        assert_false(tcp(RULES(rule), text, 81));
        assert_false(udp(RULES(rule), text, 80));
        assert_true(tcp(RULES("allow any", rule), text, 80));
    }
}

static void a_range_is_opened_by_a_prefix_within(void **state)
{
    (void)state;
    assert_true(tcp(RULES("allow 127.0.0.0/8"), "127.0.0.53", 53));
    assert_true(tcp(RULES("allow 127.0.0.0/31"), "127.0.0.1", 53));
    assert_false(tcp(RULES("allow 126.0.0.0/7"), "127.0.0.1", 53));
    assert_true(tcp(RULES("allow 169.254.0.0/16"), "169.254.1.1", 80));
    /* ... but not what is in it and more dangerous still. */
    assert_false(tcp(RULES("allow 169.254.0.0/16"), "169.254.169.254", 80));
    assert_false(tcp(RULES("allow 169.254.0.0/16"), "169.254.9.9", 80));
    assert_false(tcp(RULES("allow 192.0.2.4/31"), "192.0.2.5", 80));
    assert_true(tcp(RULES("allow 192.0.2.4/31"), "192.0.2.4", 80));
    assert_true(
        tcp(RULES("allow 64:ff9b:1::/48"), "64:ff9b:1::203.0.113.1", 80));
    assert_false(
        tcp(RULES("allow 64:ff9b:1::/48"), "64:ff9b:1::127.0.0.1", 80));
    /* 127.0.0.1 where RFC 6052 puts it for prefixes of 48, 56 and 64 bits. */
    assert_false(
        tcp(RULES("allow 64:ff9b:1::/48"), "64:ff9b:1:7f00:0:100::", 80));
    assert_false(tcp(RULES("allow 64:ff9b:1::/48"), "64:ff9b:1:7f:0:1::", 80));
    assert_false(
        tcp(RULES("allow 64:ff9b:1::/48"), "64:ff9b:1:0:7f:0:100:0", 80));
}

static void private_ranges_are_opened_by_address(void **state)
{
    (void)state;
    assert_true(tcp(RULES("allow any"), "10.0.0.1", 80));
    assert_true(tcp(RULES("allow 192.168.0.0/16"), "192.168.1.1", 80));
    assert_true(tcp(RULES("allow fd12::/64"), "fd12::1", 80));
    assert_true(tcp(RULES("allow 64:ff9b::/96"), "64:ff9b::10.0.0.1", 80));
    assert_false(tcp(RULES("allow 10.0.0.0/8"), "64:ff9b::10.0.0.1", 80));
}

static void what_is_denied_is_denied_inside_others(void **state)
{
    const char *const *rules = RULES("deny 203.0.113.0/24", "allow any");

    (void)state;
    assert_false(tcp(rules, "203.0.113.5", 80));
    assert_false(tcp(rules, "::ffff:203.0.113.5", 80));
    assert_false(tcp(rules, "64:ff9b::203.0.113.5", 80));
    assert_false(tcp(rules, "2002:cb00:7105::1", 80));
    assert_true(tcp(rules, "198.51.100.1", 80));
    assert_true(tcp(rules, "64:ff9b::198.51.100.1", 80));
}

static void a_rule_that_opens_not_is_passed_over(void **state)
{
    struct gn__policy_answer answer;

    (void)state;
    answer = ask_named(RULES("allow any", "allow 127.0.0.1 port 80"),
                       GN__RULE_TCP, "127.0.0.1", 80, "");
    assert_true(answer.allowed);
    assert_int_equal(answer.rule, 1);
    answer = ask_named(RULES("allow any"), GN__RULE_TCP, "127.0.0.1", 80, "");
    assert_true(answer.rule == GN__NO_RULE);
    assert_string_equal(answer.reason, "loopback");
    answer = ask_named(RULES("allow name a.example"), GN__RULE_TCP,
                       "192.168.1.1", 80, "a.example");
    assert_string_equal(answer.reason, "private");
    answer = ask_named(RULES("allow 192.0.2.0/24"), GN__RULE_TCP, "192.0.2.5",
                       80, "");
    assert_string_equal(answer.reason, "the machine's own");
}

static void listen_rules_open_no_way_out(void **state)
{
    const char *const *rules =
        RULES("listen tcp 203.0.113.1 port 80", "listen 127.0.0.1");

    (void)state;
    assert_false(tcp(rules, "203.0.113.1", 80));
    assert_false(tcp(rules, "127.0.0.1", 80));
}

static void listen_rules_are_found_one_by_one(void **state)
{
    const char *const *rules =
        RULES("listen tcp 127.0.0.1 port 8000-8999", "allow any",
              "listen udp 127.0.0.1", "listen tcp ::1 port 8080,9000");
    struct gn__policy policy;
    struct gn__mem mem;

    (void)state;
    gn__mem_init(&mem, NULL);
    assert_int_equal(gn__policy_init(&policy, &mem, rules, NULL, 0), 0);
    assert_int_equal(gn__policy_listen(&policy, GN__RULE_TCP, 8080, 0), 0);
    assert_int_equal(gn__policy_listen(&policy, GN__RULE_TCP, 8080, 1), 3);
    assert_true(gn__policy_listen(&policy, GN__RULE_TCP, 8080, 4) ==
                GN__NO_RULE);
    assert_int_equal(gn__policy_listen(&policy, GN__RULE_TCP, 9000, 0), 3);
    assert_true(gn__policy_listen(&policy, GN__RULE_TCP, 80, 0) == GN__NO_RULE);
    assert_int_equal(gn__policy_listen(&policy, GN__RULE_UDP, 53, 0), 2);
    gn__policy_done(&policy);
}

static void tls_is_of_tcp_only(void **state)
{
    const char *const *rules = RULES("allow name example.org port 443 tls");

    (void)state;
    if (!GN__HAS_TLS) {
        puts("skipped: this library was built without TLS");
        skip();
    }
    assert_true(named(rules, "203.0.113.1", "example.org"));
    assert_false(
        ask_named(rules, GN__RULE_UDP, "203.0.113.1", 443, "example.org")
            .allowed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_nothing_is_allowed),
        cmocka_unit_test(what_no_rule_names_is_denied),
        cmocka_unit_test(the_first_rule_that_matches_decides),
        cmocka_unit_test(ports_are_matched_to_the_edge),
        cmocka_unit_test(echoes_have_no_ports),
        cmocka_unit_test(a_prefix_is_of_one_version),
        cmocka_unit_test(tls_is_of_tcp_only),
        cmocka_unit_test(names_open_what_the_guest_was_told),
        cmocka_unit_test(a_pattern_means_names_below_it_only),
        cmocka_unit_test(deny_by_name_comes_before_what_follows),
        cmocka_unit_test(wide_rules_open_nothing_special),
        cmocka_unit_test(names_open_nothing_special),
        cmocka_unit_test(an_address_is_opened_by_its_own_rule),
        cmocka_unit_test(a_range_is_opened_by_a_prefix_within),
        cmocka_unit_test(private_ranges_are_opened_by_address),
        cmocka_unit_test(a_private_name_opens_private_addresses_and_no_more),
        cmocka_unit_test(what_is_denied_is_denied_inside_others),
        cmocka_unit_test(a_rule_that_opens_not_is_passed_over),
        cmocka_unit_test(listen_rules_open_no_way_out),
        cmocka_unit_test(listen_rules_are_found_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
