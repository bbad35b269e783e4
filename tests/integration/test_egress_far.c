/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest and a machine that is not this one: kernel sockets in a network
 * namespace of their own, behind a link. Here names open addresses, connects
 * hang, and clients from outside come to what the guest listens on.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/socks.h"

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})

struct fixture {
    struct eg eg;
    int far4, far6, private4, near4;
};

static int setup(void **state)
{
    static struct fixture f;

    f.far4 = far_socket(SOCK_STREAM, FAR_V4 ":8080", true);
    f.far6 = far_socket(SOCK_STREAM, "[" FAR_V6 "]:8080", true);
    f.private4 = far_socket(SOCK_STREAM, FAR_PRIVATE ":8080", true);
    f.near4 = near_socket(SOCK_STREAM, NEAR_V4 ":8080", true);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    eg_end(&f->eg);
    close(f->far4);
    close(f->far6);
    close(f->private4);
    close(f->near4);
    return 0;
}

static int dial(struct fixture *f, const char *host)
{
    int err;
    struct gn_sock *sock = eg_dial(&f->eg, SOCK_STREAM, host, 8080, &err);

    if (sock)
        drop(sock);
    return err;
}

static void expect_reached(struct fixture *f, const char *host, int listener)
{
    struct gn_sock *sock;
    int err, fd;

    sock = eg_dial(&f->eg, SOCK_STREAM, host, 8080, &err);
    if (!sock)
        fail_msg("%s: %s", host, gn_strerror(err));
    fd = eg_accept(listener);
    eg_talk(sock, fd);
    close(fd);
    drop(sock);
}

static void expect_asked(struct fixture *f, const char *host, int fd)
{
    char byte;

    assert_int_equal(eg_ask(&f->eg, host, 8080), 0);
    assert_true(eg_readable(fd, 10000));
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
}

static void prefixes_open_what_they_hold(void **state)
{
    struct fixture *f = *state;

    eg_begin(&f->eg,
             RULES("allow tcp 203.0.113.0/24 port 8000-8999",
                   "allow 2001:db8:2::/64 port 8080"),
             NULL);
    expect_reached(f, FAR_V4, f->far4);
    expect_reached(f, "::ffff:" FAR_V4, f->far4);
    expect_reached(f, FAR_V6, f->far6);
    assert_int_equal(dial(f, FAR_PRIVATE), -EACCES);
    assert_int_equal(dial(f, FAR_V4_B), -ECONNREFUSED);
}

static void names_open_what_was_looked_up(void **state)
{
    struct fixture *f = *state;
    struct eg_audit audit;
    int udp = far_socket(SOCK_DGRAM, FAR_V4 ":8080", false);

    eg_begin_names(&f->eg, RULES("allow name *.example.org port 8080"),
                   FAR_V4 " www.example.org\n" FAR_V6
                          " www.example.org\n" FAR_V4_B " example.org\n",
                   60);
    assert_int_equal(dial(f, FAR_V4), -EACCES);
    assert_int_equal(eg_ask(&f->eg, FAR_V4, 8080), -EACCES);
    assert_int_equal(eg_lookup(&f->eg, "example.org"), 0);
    assert_int_equal(dial(f, FAR_V4), -EACCES);
    assert_int_equal(dial(f, FAR_V4_B), -EACCES);
    assert_string_equal(eg_last(&f->eg).name, "example.org");
    assert_int_equal(eg_lookup(&f->eg, "WWW.Example.ORG."), 0);
    expect_reached(f, FAR_V4, f->far4);
    expect_reached(f, FAR_V6, f->far6);
    audit = eg_last(&f->eg);
    assert_string_equal(audit.name, "www.example.org");
    assert_int_equal(audit.rule, 0);
    assert_true(audit.allowed);
    expect_asked(f, FAR_V4, udp);
    close(udp);
}

static void what_one_guest_looked_up_opens_nothing_for_others(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *first;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "other"};

    eg_begin_names(&f->eg, RULES("allow name www.example.org"),
                   FAR_V4 " www.example.org\n", 60);
    assert_int_equal(eg_lookup(&f->eg, "www.example.org"), 0);
    expect_reached(f, FAR_V4, f->far4);
    first = f->eg.guest;
    config.egress = f->eg.egress;
    config.resolver = f->eg.resolver;
    assert_int_equal(gn_namespace_create(f->eg.net, &config, &f->eg.guest), 0);
    assert_int_equal(dial(f, FAR_V4), -EACCES);
    assert_string_equal(eg_last(&f->eg).guest, "other");
    f->eg.guest = first;
    expect_reached(f, FAR_V4, f->far4);
}

/* DNS rebinding. */
static void names_open_nothing_private_or_own(void **state)
{
    static const char *const led[] = {
        FAR_PRIVATE,          NEAR_V4,         GATEWAY4, GATEWAY6,
        "64:ff9b::127.0.0.1", "2002:7f00:1::", FAR_META};
    struct fixture *f = *state;

    eg_begin_names(&f->eg, RULES("allow name *.example.org", "deny any"),
                   FAR_PRIVATE
                   " a.example.org\n" NEAR_V4 " a.example.org\n"
                   "127.0.0.1 a.example.org\n::1 a.example.org\n"
                   "10.77.0.1 a.example.org\nfd77::1 a.example.org\n"
                   "169.254.169.254 a.example.org\n0.0.0.0 a.example.org\n"
                   "64:ff9b::127.0.0.1 a.example.org\n"
                   "2002:7f00:1:: a.example.org\n",
                   60);
    assert_int_equal(eg_lookup(&f->eg, "a.example.org"), 0);
    assert_int_equal(dial(f, FAR_PRIVATE), -EACCES);
    assert_string_equal(eg_last(&f->eg).name, "a.example.org");
    for (size_t i = 0; i < sizeof(led) / sizeof(led[0]); i++) {
        assert_int_equal(dial(f, led[i]), -EACCES);
        assert_int_equal(eg_ask(&f->eg, led[i], 8080), -EACCES);
        assert_string_equal(eg_last(&f->eg).name, "a.example.org");
    }
    assert_false(eg_readable(f->private4, 0));
    assert_false(eg_readable(f->near4, 0));
}

/* A hostile name server: whatever is asked for is an alias of a name that the
 * rules allow, and every address is called so. */
static int pretend_ip(void *self, struct gn_lookup *lookup, const char *proto,
                      const char *host)
{
    struct gn_answer answer = {.ttl_s = 60};
    socklen_t len;

    (void)self;
    (void)proto;
    (void)host;
    if (gn_addr_parse(FAR_V4 ":0", &answer.addr, &len))
        return GN_EAI_FAIL;
    gn_lookup_done_ip(lookup, 0, &answer, 1, "www.example.org");
    return 0;
}

static int pretend_addr(void *self, struct gn_lookup *lookup,
                        const struct sockaddr *addr)
{
    (void)self;
    (void)addr;
    gn_lookup_done_addr(lookup, 0, "www.example.org", 60);
    return 0;
}

static void pretend_cancel(void *self, struct gn_lookup *lookup)
{
    (void)self;
    (void)lookup;
}

static const struct gn_resolver_ops pretender = {
    .size = sizeof(pretender),
    .name = "pretender",
    .lookup_ip = pretend_ip,
    .lookup_addr = pretend_addr,
    .cancel = pretend_cancel,
};

static void aliases_and_names_of_addresses_open_nothing(void **state)
{
    struct fixture *f = *state;
    struct gn_resolver *resolver;
    struct addrinfo *list;
    struct sockaddr_storage addr;
    socklen_t len;
    char name[256];

    assert_int_equal(gn_resolver_create(&pretender, NULL, &resolver), 0);
    eg_begin_resolver(&f->eg, RULES("allow name *.example.org"), resolver);
    assert_int_equal(gn_addr_parse(FAR_V4 ":80", &addr, &len), 0);
    assert_int_equal(eg_lookup(&f->eg, "evil.test"), 0);
    assert_int_equal(dial(f, FAR_V4), -EACCES);
    assert_string_equal(eg_last(&f->eg).name, "evil.test");
    assert_int_equal(gn_getnameinfo(f->eg.guest, (struct sockaddr *)&addr, len,
                                    name, sizeof(name), NULL, 0, 0),
                     0);
    assert_string_equal(name, "www.example.org");
    assert_int_equal(dial(f, FAR_V4), -EACCES);
    assert_int_equal(
        gn_getaddrinfo(f->eg.guest, "example.org.evil.test", NULL, NULL, &list),
        0);
    gn_freeaddrinfo(list);
    assert_int_equal(dial(f, FAR_V4), -EACCES);
    assert_int_equal(
        gn_getaddrinfo(f->eg.guest, "a.example.org", NULL, NULL, &list), 0);
    gn_freeaddrinfo(list);
    expect_reached(f, FAR_V4, f->far4);
}

/* A search domain makes another name of what was asked for. */
static int search_ip(void *self, struct gn_lookup *lookup, const char *proto,
                     const char *host)
{
    if (!gn_lookup_is_absolute(lookup))
        gn_lookup_set_searched(lookup, "www.example.org.wild.test");
    return pretend_ip(self, lookup, proto, host);
}

static const struct gn_resolver_ops searcher = {
    .size = sizeof(searcher),
    .name = "searcher",
    .lookup_ip = search_ip,
    .cancel = pretend_cancel,
};

static void rules_judge_the_name_that_was_asked_for_at_last(void **state)
{
    struct fixture *f = *state;
    struct gn_resolver *resolver;

    assert_int_equal(gn_resolver_create(&searcher, NULL, &resolver), 0);
    eg_begin_resolver(&f->eg, RULES("allow name www.example.org"), resolver);
    assert_int_equal(eg_lookup(&f->eg, "www.example.org"), 0);
    assert_int_equal(dial(f, FAR_V4), -EACCES);
    assert_string_equal(eg_last(&f->eg).name, "www.example.org.wild.test");
    assert_int_equal(eg_lookup(&f->eg, "www.example.org."), 0);
    expect_reached(f, FAR_V4, f->far4);
}

static void the_machines_own_need_a_rule_of_their_own(void **state)
{
    struct fixture *f = *state;

    eg_begin(&f->eg,
             RULES("allow any", "allow 198.51.100.0/24",
                   "allow tcp " NEAR_V4 " port 9999"),
             NULL);
    assert_int_equal(dial(f, NEAR_V4), -EACCES);
    assert_string_equal(eg_last(&f->eg).reason, "the machine's own");
    assert_false(eg_readable(f->near4, 0));
    expect_reached(f, FAR_PRIVATE, f->private4);
    eg_end(&f->eg);
    eg_begin(&f->eg, RULES("allow tcp " NEAR_V4 " port 8080"), NULL);
    expect_reached(f, NEAR_V4, f->near4);
}

static void run(const char *command)
{
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

/* An address of the machine's, which @rule alone leads to; to others it seems
 * to be far away. */
static void hide_own(const char *rule)
{
    char text[512];

    snprintf(text, sizeof(text),
             "ip addr add " FAR_V4_B "/32 dev lo && "
             "ip route add " FAR_V4_B "/32 via 198.51.100.2 table 200 && "
             "ip rule add pref 10 %s lookup local && "
             "ip rule add pref 11 ipproto tcp sport 8088 lookup local && "
             "ip rule add pref 20 to " FAR_V4_B " lookup 200 && "
             "ip rule add pref 100 lookup local && ip rule del pref 0",
             rule);
    run(text);
}

static void show_own(void)
{
    run("ip rule add pref 0 lookup local && ip rule del pref 100 && "
        "ip rule del pref 20 && ip rule del pref 11 && "
        "ip rule del pref 10 && "
        "ip route flush table 200 && ip addr del " FAR_V4_B "/32 dev lo");
}

static void routes_by_port_hide_nothing_of_the_machines(void **state)
{
    struct fixture *f = *state;
    int hidden = near_socket(SOCK_STREAM, "0.0.0.0:8088", true);
    struct gn_sock *sock;
    int err;

    hide_own("ipproto tcp dport 8088");
    eg_begin(&f->eg, RULES("allow any", "allow 203.0.113.0/24"), NULL);
    assert_null(eg_dial(&f->eg, SOCK_STREAM, FAR_V4_B, 8088, &err));
    assert_int_equal(err, -EACCES);
    assert_string_equal(eg_last(&f->eg).reason, "the machine's own");
    assert_false(eg_readable(hidden, 0));
    eg_end(&f->eg);
    eg_begin(&f->eg, RULES("allow " FAR_V4_B " port 8088"), NULL);
    sock = eg_dial(&f->eg, SOCK_STREAM, FAR_V4_B, 8088, &err);
    assert_non_null(sock);
    drop(sock);
    show_own();
    close(hidden);
}

/* Which port this end has is known afterwards. */
static void routes_by_the_port_of_this_end_are_seen_afterwards(void **state)
{
    struct fixture *f = *state;
    int fd, err, hidden = near_socket(SOCK_STREAM, "0.0.0.0:8088", true);
    struct eg_audit audit;
    char byte;

    hide_own("ipproto tcp sport 1024-65534 dport 8088");
    eg_begin(&f->eg, RULES("allow any"), NULL);
    assert_null(eg_dial(&f->eg, SOCK_STREAM, FAR_V4_B, 8088, &err));
    assert_int_equal(err, -EACCES);
    audit = eg_last(&f->eg);
    assert_false(audit.allowed);
    assert_int_equal(audit.rule, 0);
    assert_string_equal(audit.reason, "the machine's own");
    assert_string_equal(audit.address, FAR_V4_B ":8088");
    fd = eg_accept(hidden);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    show_own();
    close(hidden);
}

static void a_private_name_reaches_private_addresses(void **state)
{
    struct fixture *f = *state;

    eg_begin_names(&f->eg,
                   RULES("allow name db.corp private port 8080",
                         "allow name near.corp private"),
                   FAR_PRIVATE " db.corp\n" NEAR_V4 " near.corp\n", 60);
    assert_int_equal(eg_lookup(&f->eg, "db.corp"), 0);
    assert_int_equal(eg_lookup(&f->eg, "near.corp"), 0);
    expect_reached(f, FAR_PRIVATE, f->private4);
    assert_int_equal(dial(f, NEAR_V4), -EACCES);
    assert_string_equal(eg_last(&f->eg).reason, "the machine's own");
}

static void metadata_needs_a_rule_of_its_own(void **state)
{
    struct fixture *f = *state;
    int tcp = far_socket(SOCK_STREAM, FAR_META ":8080", true);
    int udp = far_socket(SOCK_DGRAM, FAR_META ":8080", false);

    eg_begin(&f->eg,
             RULES("allow any", "allow 0.0.0.0/0", "allow 169.254.0.0/16"),
             NULL);
    assert_int_equal(dial(f, FAR_META), -EACCES);
    assert_string_equal(eg_last(&f->eg).reason, "metadata");
    assert_int_equal(dial(f, "::ffff:" FAR_META), -EACCES);
    assert_int_equal(eg_ask(&f->eg, FAR_META, 8080), -EACCES);
    assert_false(eg_readable(tcp, 0));
    assert_false(eg_readable(udp, 0));
    eg_end(&f->eg);
    eg_begin(&f->eg, RULES("allow " FAR_META " port 8080"), NULL);
    expect_reached(f, FAR_META, tcp);
    expect_reached(f, "::ffff:" FAR_META, tcp);
    expect_asked(f, FAR_META, udp);
    assert_int_equal(dial(f, FAR_LINK), -EACCES);
    close(tcp);
    close(udp);
}

static void link_local_needs_a_rule_about_it(void **state)
{
    struct fixture *f = *state;
    int tcp = far_socket(SOCK_STREAM, FAR_LINK ":8080", true);
    int udp = far_socket(SOCK_DGRAM, FAR_LINK ":8080", false);

    eg_begin(&f->eg, RULES("allow any", "allow 169.0.0.0/8"), NULL);
    assert_int_equal(dial(f, FAR_LINK), -EACCES);
    assert_string_equal(eg_last(&f->eg).reason, "link-local");
    assert_int_equal(eg_ask(&f->eg, FAR_LINK, 8080), -EACCES);
    assert_false(eg_readable(tcp, 0));
    assert_false(eg_readable(udp, 0));
    eg_end(&f->eg);
    eg_begin(&f->eg, RULES("allow 169.254.0.0/16 port 8080"), NULL);
    expect_reached(f, FAR_LINK, tcp);
    expect_asked(f, FAR_LINK, udp);
    close(tcp);
    close(udp);
}

static void a_ttl_ends_what_it_opened_but_no_connection(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int err, fd, tries;

    eg_begin_names(&f->eg, RULES("allow name www.example.org"),
                   FAR_V4 " www.example.org\n", 3);
    assert_int_equal(eg_lookup(&f->eg, "www.example.org"), 0);
    sock = eg_dial(&f->eg, SOCK_STREAM, FAR_V4, 8080, &err);
    assert_non_null(sock);
    fd = eg_accept(f->far4);
    for (tries = 0; dial(f, FAR_V4) == 0; tries++) {
        close(eg_accept(f->far4));
        assert_int_equal(gn_sleep_ns(f->eg.guest, 100000000), 0);
        assert_true(tries < 300);
    }
    assert_int_equal(dial(f, FAR_V4), -EACCES);
    eg_talk(sock, fd);
    close(fd);
    drop(sock);
    assert_int_equal(eg_lookup(&f->eg, "www.example.org"), 0);
    expect_reached(f, FAR_V4, f->far4);
}

static void no_route_is_what_the_kernel_says(void **state)
{
    struct fixture *f = *state;

    eg_begin(&f->eg, RULES("allow any"), NULL);
    assert_int_equal(dial(f, FAR_NOWHERE), -ENETUNREACH);
    assert_int_equal(dial(f, "2001:db8:ffff::1"), -ENETUNREACH);
}

static void a_policy_ends_connects_without_an_answer(void **state)
{
    struct fixture *f = *state;
    struct gn_policy policy = {.size = sizeof(policy),
                               .connect_timeout_ms = 100};
    uint64_t begin;

    eg_begin(&f->eg, RULES("allow any"), &policy);
    begin = gn_now_ns(f->eg.guest);
    assert_int_equal(dial(f, FAR_SILENT), -ETIMEDOUT);
    assert_true(gn_now_ns(f->eg.guest) - begin >= 100000000);
    assert_int_equal(eg_audits(&f->eg), 1);
}

/* ---- ends in the middle of it ---- */

static struct gn_sock *hang(struct fixture *f)
{
    struct gn_sock *sock =
        eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    size_t before = eg_audits(&f->eg);

    assert_int_equal(eg_connect(sock, FAR_SILENT, 8080), -EINPROGRESS);
    for (int i = 0; eg_audits(&f->eg) == before; i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    return sock;
}

static void closing_a_socket_ends_its_dial(void **state)
{
    struct fixture *f = *state;

    eg_begin(&f->eg, RULES("allow any"), NULL);
    for (int i = 0; i < 20; i++)
        drop(hang(f));
}

static void closing_at_once_ends_it_too(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;

    eg_begin(&f->eg, RULES("allow any"), NULL);
    for (int i = 0; i < 200; i++) {
        sock = eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
        assert_int_equal(eg_connect(sock, i % 2 ? FAR_V4 : FAR_SILENT, 8080),
                         -EINPROGRESS);
        drop(sock);
    }
}

static void killing_the_guest_ends_its_dials(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock, *other;
    int err, fd;
    char byte;

    eg_begin(&f->eg, RULES("allow any"), NULL);
    sock = hang(f);
    other = eg_dial(&f->eg, SOCK_STREAM, FAR_V4, 8080, &err);
    assert_non_null(other);
    fd = eg_accept(f->far4);
    gn_namespace_kill(f->eg.guest);
    assert_int_equal(gn_sock_send(other, "x", 1, 0), -ECANCELED);
    assert_true(eg_readable(fd, 10000));
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
    drop(sock);
    drop(other);
}

static void closing_the_guest_ends_its_dials(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock, *other;
    int err, fd;

    eg_begin(&f->eg, RULES("allow any"), NULL);
    sock = hang(f);
    other = eg_dial(&f->eg, SOCK_STREAM, FAR_V4, 8080, &err);
    fd = eg_accept(f->far4);
    gn_namespace_close(f->eg.guest, 0, NULL, NULL);
    assert_true(eg_readable(fd, 10000));
    close(fd);
    drop(sock);
    drop(other);
}

static void closing_the_network_ends_all(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock, *other;
    int err, fd;

    eg_begin(&f->eg, RULES("allow any"), NULL);
    sock = hang(f);
    other = eg_dial(&f->eg, SOCK_STREAM, FAR_V4, 8080, &err);
    fd = eg_accept(f->far4);
    gn_network_close(f->eg.net, NULL, NULL);
    f->eg.net = NULL;
    assert_true(eg_readable(fd, 10000));
    close(fd);
    drop(sock);
    drop(other);
}

/* ---- out of memory ---- */

static void out_of_memory_is_an_errno(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int err, n_fine = 0;

    eg_begin(&f->eg, RULES("allow any"), NULL);
    for (uint64_t n = 0; n < 60; n++) {
        sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);
        gn_test_heap_fail_at(&f->eg.heap, n, false);
        err = eg_connect(sock, FAR_V4, 8080);
        gn_test_heap_fail_at(&f->eg.heap, GN_TEST_HEAP_NEVER, false);
        n_fine += !err;
        drop(sock);
        /* Also some that failed had reached the server. */
        while (eg_readable(f->far4, 0))
            close(eg_accept(f->far4));
    }
    assert_true(n_fine > 10);
    close(f->far4);
    f->far4 = far_socket(SOCK_STREAM, FAR_V4 ":8080", true);
    expect_reached(f, FAR_V4, f->far4);
}

/* ---- inbound ---- */

static void a_listener_is_shown_and_sees_its_clients(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener, *server;
    int fd, tries;

    eg_begin(
        &f->eg,
        RULES("listen tcp 0.0.0.0 port 7000-7999", "listen tcp :: port 7070"),
        NULL);
    listener = eg_open(&f->eg, AF_INET6, SOCK_STREAM);
    assert_int_equal(bind_to(listener, "[::]:7070"), 0);
    assert_int_equal(gn_sock_listen(listener, 16), 0);
    for (tries = 0; eg_audits(&f->eg) < 2; tries++) {
        assert_true(tries < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    assert_true(eg_last(&f->eg).inbound && eg_last(&f->eg).allowed);
    assert_int_equal(eg_last(&f->eg).error, 0);

    fd = far_connect(SOCK_STREAM, FAR_V4 ":4444", NEAR_V4 ":7070");
    assert_true(fd >= 0);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &server), 0);
    assert_string_equal(peer_of(server), "[::ffff:" FAR_V4 "]:4444");
    eg_talk(server, fd);
    close(fd);
    drop(server);

    fd = far_connect(SOCK_STREAM, "[" FAR_V6 "]:4444", "[" NEAR_V6 "]:7070");
    assert_true(fd >= 0);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &server), 0);
    assert_string_equal(peer_of(server), "[" FAR_V6 "]:4444");
    eg_talk(server, fd);
    close(fd);
    drop(server);

    drop(listener);
    for (tries = 0; (fd = far_connect(SOCK_STREAM, FAR_V4 ":0",
                                      NEAR_V4 ":7070")) != -ECONNREFUSED;
         tries++) {
        assert_true(fd >= 0 || fd == -ECONNRESET); /* It was in the backlog. */
        if (fd >= 0)
            close(fd);
        assert_true(tries < 1000);
    }
}

static void what_no_rule_shows_is_not_shown(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener;

    eg_begin(&f->eg,
             RULES("allow any", "listen tcp 0.0.0.0 port 7071",
                   "listen udp 0.0.0.0 port 7070"),
             NULL);
    listener = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    assert_int_equal(bind_to(listener, "0.0.0.0:7070"), 0);
    assert_int_equal(gn_sock_listen(listener, 16), 0);
    for (int i = 0; !eg_audits(&f->eg); i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    assert_false(eg_last(&f->eg).allowed);
    assert_string_equal(eg_last(&f->eg).address, "0.0.0.0:7070");
    assert_int_equal(far_connect(SOCK_STREAM, FAR_V4 ":0", NEAR_V4 ":7070"),
                     -ECONNREFUSED);
    drop(listener);
}

static void a_port_that_is_taken_is_audited(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener;

    eg_begin(&f->eg, RULES("listen tcp " NEAR_V4 " port 8080"), NULL);
    listener = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    assert_int_equal(bind_to(listener, "0.0.0.0:8080"), 0);
    assert_int_equal(gn_sock_listen(listener, 16), 0);
    for (int i = 0; !eg_audits(&f->eg); i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    assert_int_equal(eg_last(&f->eg).error, -EADDRINUSE);
    assert_string_equal(eg_last(&f->eg).address, NEAR_V4 ":8080");
    drop(listener);
}

static void a_client_from_loopback_is_the_gateway(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener, *server;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7070)};
    int fd;

    eg_begin(&f->eg, RULES("listen tcp 127.0.0.1 port 7070"), NULL);
    listener = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    assert_int_equal(bind_to(listener, "0.0.0.0:7070"), 0);
    assert_int_equal(gn_sock_listen(listener, 16), 0);
    for (int i = 0; !eg_audits(&f->eg); i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &server), 0);
    assert_int_equal(strncmp(peer_of(server), "10.77.0.1:", 10), 0);
    eg_talk(server, fd);
    close(fd);
    drop(server);
    drop(listener);
}

/* ---- datagrams ---- */

static void datagrams_go_out_and_come_back(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    struct gn_sock *sock;
    char buf[16];
    int fd = far_socket(SOCK_DGRAM, FAR_V4 ":5353", false);

    eg_begin(&f->eg, RULES("allow udp 203.0.113.0/24 port 5353"), NULL);
    sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_text_to(sock, "ask", FAR_V4 ":5353"), 3);
        assert_true(eg_readable(fd, 10000));
        assert_int_equal(
            recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &len),
            3);
        assert_int_equal(
            sendto(fd, "answer", 6, 0, (struct sockaddr *)&peer, len), 6);
        assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), 6);
        assert_memory_equal(buf, "answer", 6);
    }
    assert_int_equal(eg_audits(&f->eg), 1);
    /* No other socket may answer. */
    close(fd);
    fd = far_socket(SOCK_DGRAM, FAR_V4_B ":5353", false);
    assert_int_equal(sendto(fd, "evil", 4, 0, (struct sockaddr *)&peer, len),
                     4);
    assert_false(eg_readable(fd, 20));
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), MSG_DONTWAIT),
                     -EAGAIN);
    close(fd);
    drop(sock);
}

static void datagrams_to_the_guest_show_their_sender(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7070)};
    struct gn_sock *sock;
    char buf[16], text[GN_ADDR_TEXT_MAX];
    int fd;

    eg_begin(&f->eg, RULES("listen udp 0.0.0.0 port 7070"), NULL);
    sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    assert_int_equal(bind_to(sock, "0.0.0.0:7070"), 0);
    for (int i = 0; !eg_audits(&f->eg); i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    fd = far_connect(SOCK_DGRAM, FAR_V4 ":4444", NEAR_V4 ":7070");
    assert_int_equal(send(fd, "ask", 3, 0), 3);
    assert_int_equal(gn_sock_recvfrom(sock, buf, sizeof(buf), 0,
                                      (struct sockaddr *)&peer, &len),
                     3);
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&peer, text, sizeof(text)), 0);
    assert_string_equal(text, FAR_V4 ":4444");
    assert_int_equal(
        gn_sock_sendto(sock, "answer", 6, 0, (struct sockaddr *)&peer, len), 6);
    assert_true(eg_readable(fd, 10000));
    assert_int_equal(recv(fd, buf, sizeof(buf), 0), 6);
    close(fd);
    /* One that cannot be shown is the gateway. */
    fd = near_socket(SOCK_DGRAM, "127.0.0.1:0", false);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    len = sizeof(peer);
    assert_int_equal(gn_sock_recvfrom(sock, buf, sizeof(buf), 0,
                                      (struct sockaddr *)&peer, &len),
                     5);
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&peer, text, sizeof(text)), 0);
    assert_int_equal(strncmp(text, "10.77.0.1:", 10), 0);
    assert_int_equal(
        gn_sock_sendto(sock, "answer", 6, 0, (struct sockaddr *)&peer, len), 6);
    assert_true(eg_readable(fd, 10000));
    assert_int_equal(recv(fd, buf, sizeof(buf), 0), 6);
    close(fd);
    drop(sock);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(prefixes_open_what_they_hold),
        CASE(names_open_what_was_looked_up),
        CASE(what_one_guest_looked_up_opens_nothing_for_others),
        CASE(names_open_nothing_private_or_own),
        CASE(aliases_and_names_of_addresses_open_nothing),
        CASE(rules_judge_the_name_that_was_asked_for_at_last),
        CASE(the_machines_own_need_a_rule_of_their_own),
        CASE(routes_by_port_hide_nothing_of_the_machines),
        CASE(routes_by_the_port_of_this_end_are_seen_afterwards),
        CASE(a_private_name_reaches_private_addresses),
        CASE(metadata_needs_a_rule_of_its_own),
        CASE(link_local_needs_a_rule_about_it),
        CASE(a_ttl_ends_what_it_opened_but_no_connection),
        CASE(no_route_is_what_the_kernel_says),
        CASE(a_policy_ends_connects_without_an_answer),
        CASE(closing_a_socket_ends_its_dial),
        CASE(closing_at_once_ends_it_too),
        CASE(killing_the_guest_ends_its_dials),
        CASE(closing_the_guest_ends_its_dials),
        CASE(closing_the_network_ends_all),
        CASE(out_of_memory_is_an_errno),
        CASE(a_listener_is_shown_and_sees_its_clients),
        CASE(what_no_rule_shows_is_not_shown),
        CASE(a_port_that_is_taken_is_audited),
        CASE(a_client_from_loopback_is_the_gateway),
        CASE(datagrams_go_out_and_come_back),
        CASE(datagrams_to_the_guest_show_their_sender),
    };

    if (!far_begin())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
