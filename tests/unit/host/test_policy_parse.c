/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/egress/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/heap.h"

static void good_rules_are_read(void **state)
{
    static const char *const good[] = {
        "allow any",
        "deny any",
        "allow tcp any",
        "deny udp any port 53",
        "allow icmp name *.example.org",
        "allow tcp 203.0.113.0/24 port 443,8000-8999",
        "allow 203.0.113.7",
        "allow tcp 2001:db8::/32 port 1-65535",
        "allow 2001:db8::1 port 1,2,3-4,65535",
        "allow name example.org",
        "allow name *.example.org port 443",
        "allow tcp name WWW.Example.ORG. port 443",
        "allow name *.org",
        "allow name _sip.example.org",
        "allow name xn--bcher-kva.example",
        "allow name r3---sn-4g5.example.org",
        "allow name web",
        "deny name *.evil.example",
        "allow tcp 127.0.0.1 port 8080",
        "allow 0.0.0.0/0",
        "allow ::/0",
        "deny 224.0.0.0/4",
        " \tallow\t tcp  any   port 80 ",
        "listen tcp 127.0.0.1 port 8000-8999",
        "listen udp ::1",
        "listen 0.0.0.0 port 80",
        "listen :: port 80",
        NULL,
    };
    struct gn__policy policy;
    struct gn__mem mem;
    char why[300] = "";

    (void)state;
    gn__mem_init(&mem, NULL);
    if (gn__policy_init(&policy, &mem, good, why, sizeof(why)))
        fail_msg("%s", why);
    assert_int_equal(policy.n, sizeof(good) / sizeof(good[0]) - 1);
    for (size_t i = 0; i < policy.n; i++)
        assert_string_equal(policy.rules[i].text, good[i]);
    gn__policy_done(&policy);
}

static void no_rules_are_a_policy(void **state)
{
    static const char *const none[] = {NULL};
    struct gn__policy policy;
    struct gn__mem mem;

    (void)state;
    gn__mem_init(&mem, NULL);
    assert_int_equal(gn__policy_init(&policy, &mem, NULL, NULL, 0), 0);
    assert_int_equal(policy.n, 0);
    gn__policy_done(&policy);
    assert_int_equal(gn__policy_init(&policy, &mem, none, NULL, 0), 0);
    gn__policy_done(&policy);
}

static void a_rule_is_what_its_words_say(void **state)
{
    static const char *const rules[] = {
        "deny udp name *.Example.org. port 53,1000-2000", NULL};
    struct gn__policy policy;
    const struct gn__rule *rule;
    struct gn__mem mem;

    (void)state;
    gn__mem_init(&mem, NULL);
    assert_int_equal(gn__policy_init(&policy, &mem, rules, NULL, 0), 0);
    rule = &policy.rules[0];
    assert_int_equal(rule->kind, GN__RULE_DENY);
    assert_int_equal(rule->protos, GN__RULE_UDP);
    assert_int_equal(rule->target, GN__TARGET_NAME);
    assert_true(rule->below);
    assert_string_equal(rule->name.text, "example.org");
    assert_int_equal(rule->n_ports, 2);
    assert_int_equal(rule->ports[0].first, 53);
    assert_int_equal(rule->ports[0].last, 53);
    assert_int_equal(rule->ports[1].first, 1000);
    assert_int_equal(rule->ports[1].last, 2000);
    gn__policy_done(&policy);
}

/* The rule is the second of two, so that the number is looked at, too. */
static void expect_refused(const char *rule, const char *words)
{
    const char *const rules[] = {"allow any", rule, NULL};
    struct gn__policy policy;
    struct gn__mem mem;
    char why[512] = "";

    gn__mem_init(&mem, NULL);
    if (gn__policy_init(&policy, &mem, rules, why, sizeof(why)) != -EINVAL)
        fail_msg("\"%s\" was not refused", rule);
    if (!strstr(why, words))
        fail_msg("\"%s\" is not in: %s", words, why);
    assert_int_equal(strncmp(why, "rule 2 \"", 8), 0);
    assert_null(strchr(why, '\n'));
    assert_int_equal(gn__policy_init(&policy, &mem, rules, NULL, 0), -EINVAL);
    assert_int_equal(gn__policy_init(&policy, &mem, rules, why, 10), -EINVAL);
    assert_int_equal(strlen(why), 9);
}

static void refusals_say_what_would_be_right(void **state)
{
    static const struct {
        const char *rule, *words;
    } bad[] = {
        {"", "is empty: expected allow, deny or listen"},
        {"   ", "is empty"},
        {"permit any", "\"permit\" is none of allow, deny, listen"},
        {"Allow any", "\"Allow\" is none of"},
        {"allow", "a target is missing"},
        {"allow tcp", "a target is missing"},
        {"allow tcp port 80", "a target is missing: expected any"},
        {"allow sctp any", "\"sctp\" is no target, and none of tcp, udp and "
                           "icmp: expected any, an address"},
        {"allow tcp udp any", "\"udp\" is no target: expected any"},
        {"allow tcp/80", "\"tcp\" before the \"/\" is no"},
        {"allow example.org",
         "\"example.org\" is no target: for a name write name example.org"},
        {"allow tcp example.org port 443", "write name example.org"},
        {"allow *.example.org", "write name *.example.org"},
        {"allow tcp example.org:443",
         "is a name with a port: write name example.org port 443"},
        {"allow tcp 127.0.0.1:5432",
         "\"127.0.0.1:5432\" has a port: write 127.0.0.1 port 5432"},
        {"allow tcp [::1]:80", "has a port: write ::1 port 80"},
        {"allow 10.0.0.0/8:80", "has a port: write 10.0.0.0/8 port 80"},
        {"allow [fd00::/8]:80", "has a port: write fd00::/8 port 80"},
        {"listen tcp 0.0.0.0:80", "has a port: write 0.0.0.0 port 80"},
        {"listen [::]:80", "has a port: write :: port 80"},
        {"listen example.org:80", "is no address: expected one of this"},
        {"allow any private", "\"private\" goes with a name"},
        {"allow 10.0.0.0/8 private", "\"private\" goes with a name"},
        {"deny name db.corp private", "\"private\" is for allow rules"},
        {"allow name db.corp port 80 private", "\"private\" is too much"},
        {"allow 10.0.0.0/33", "expected a number from 0 to 32"},
        {"allow 10.0.0.1/8", "the prefix of this length is 10.0.0.0/8"},
        {"allow ::ffff:10.0.0.0/104", "write it as 10.0.0.0/8"},
        {"allow 10.0.0", "is no target"},
        {"allow 010.0.0.1", "is no target"},
        {"allow [::1]", "is no target"},
        {"allow 10.0.0.1:0", "is no target"},
        {"allow 10.0.0.1:http", "is no target"},
        {"allow any any", "\"any\" is unexpected"},
        {"allow any ports 80", "\"ports\" is unexpected"},
        {"allow any port", "\"\" is no port"},
        {"allow any port 0", "\"0\" is no port"},
        {"allow any port 65536", "\"65536\" is no port"},
        {"allow any port 99999999999999999999", "is no port"},
        {"allow any port 080", "\"080\" is no port"},
        {"allow any port +80", "\"+80\" is no port"},
        {"allow any port http", "\"http\" is no port"},
        {"allow any port 80,", "\"\" is no port"},
        {"allow any port ,80", "\"\" is no port"},
        {"allow any port 80,,90", "\"\" is no port"},
        {"allow any port 80-", "\"\" is no port"},
        {"allow any port -80", "\"\" is no port"},
        {"allow any port 0-80", "\"0\" is no port"},
        {"allow any port 80-90-100", "\"90-100\" is no port"},
        {"allow any port 90-80", "\"90-80\" runs backwards: write 80-90"},
        {"allow any port 80 90", "\"90\" is too much"},
        {"deny any tls", "\"tls\" goes with allow"},
        {"listen 127.0.0.1 tls", "\"tls\" goes with allow"},
        {"allow udp any port 443 tls", "\"tls\" goes with tcp"},
        {"allow icmp any tls", "\"tls\" goes with tcp"},
        {"allow icmp any port 7", "\"port\" goes with tcp and udp"},
        {"listen icmp 127.0.0.1", "\"icmp\" has no ports to show"},
        {"allow any tls port 443",
         GN__HAS_TLS ? "\"port\" is too much" : "without TLS"},
        {"allow any port 80 port 90", "\"port\" is too much"},
        {"allow name", "a name is missing"},
        {"allow name *", "would be every name: write any"},
        {"allow name *.", "would be every name"},
        {"allow name .", "is no name"},
        {"allow name *..", "is no name"},
        {"allow name a..b", "empty label"},
        {"allow name .example.org", "empty label"},
        {"allow name *.*.example.org", "\"*\" inside"},
        {"allow name www.*.org", "\"*\" inside"},
        {"allow name *example.org", "\"*\" inside"},
        {"allow name exa*mple.org", "\"*\" inside"},
        {"allow name b\xc3\xbc"
         "cher.example",
         "is not in ASCII"},
        {"allow name exam!ple.org", "has a byte that no name has"},
        {"allow name example.org:443", "has a byte that no name has"},
        {"allow name 127.0.0.1", "is an address, which nobody looks up"},
        {"allow name ::1", "is an address"},
        {"allow name 10.0.0.0/8", "is an address"},
        {"allow name 2130706433", "ends in a number"},
        {"allow name 127.1", "ends in a number"},
        {"allow name *.0.0.1", "ends in a number"},
        {"allow name "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org",
         "more than 63 bytes"},
        {"allow name example.org 443", "\"443\" is unexpected"},
        {"allow 224.0.0.1", "224.0.0.1/32 is never reached: multicast"},
        {"allow 239.0.0.0/8", "is never reached: multicast"},
        {"allow ff02::1", "is never reached: multicast"},
        {"allow 255.255.255.255", "is never reached: broadcast"},
        {"allow 0.0.0.0", "is never reached: this network"},
        {"allow ::", "is never reached: unspecified"},
        {"allow ::127.0.0.1", "is never reached: IPv4-compatible"},
        {"allow fe80::1", "is never reached: link-local"},
        {"listen", "an address of this machine is missing"},
        {"listen tcp port 80", "an address of this machine is missing"},
        {"listen tcp any port 80", "\"any\" is no address"},
        {"listen tcp 127.0.0.0/8 port 80", "is no address"},
        {"listen tcp name example.org", "\"name\" is no address"},
        {"listen 224.0.0.1", "is no address to listen on"},
        {"listen fe80::1", "is no address to listen on"},
        {"deny listen 127.0.0.1", "\"listen\" is no target"},
        {"allow any\nport 80", "is no target"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_refused(bad[i].rule, bad[i].words);
}

static void words_and_names_have_an_end(void **state)
{
    char rule[4096] = "allow name ";
    size_t at = strlen(rule);

    (void)state;
    memset(rule + at, 'a', 3000);
    expect_refused(rule, "a word is longer than 1023 bytes");
    for (size_t i = 0; i < 254; i++)
        rule[at + i] = i % 50 == 49 ? '.' : 'a';
    rule[at + 254] = '\0';
    expect_refused(rule, "more than 253 bytes");
    memcpy(rule + at, "*.", 2);
    expect_refused(rule, "more than 253 bytes");
}

static int read_some(struct gn_test_heap *heap, void *arg)
{
    static const char *const rules[] = {
        "allow tcp 203.0.113.0/24 port 443,8000-8999", "deny udp any",
        "allow name *.example.org port 443", NULL};
    struct gn__policy policy;
    struct gn__mem mem;
    int err;

    (void)arg;
    gn__mem_init(&mem, &heap->alloc);
    err = gn__policy_init(&policy, &mem, rules, NULL, 0);
    if (!err)
        gn__policy_done(&policy);
    return err;
}

static void out_of_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    assert_int_equal(gn_test_heap_sweep(read_some, NULL), 6);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_rules_are_read),
        cmocka_unit_test(no_rules_are_a_policy),
        cmocka_unit_test(a_rule_is_what_its_words_say),
        cmocka_unit_test(refusals_say_what_would_be_right),
        cmocka_unit_test(words_and_names_have_an_end),
        cmocka_unit_test(out_of_memory_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
