/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules of an egress that change while a guest uses it: what is dialled from
 * then on, what is open, and ports that are shown; on the machine's loopback.
 * Names, and dials that hang: test_egress_rules_far.c.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/socks.h"

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})

struct fixture {
    struct eg eg;
    int v4, v6; /* kernel listeners on 127.0.0.1 and ::1 */
    unsigned short port4, port6;
    char rule4[64], rule6[64], shown[64];
    unsigned short free_port; /* which the guest shows */
};

static int setup(void **state)
{
    static struct fixture f;
    int fd = near_socket(SOCK_STREAM, "127.0.0.1:0", false);

    f.v4 = near_socket(SOCK_STREAM, "127.0.0.1:0", true);
    f.v6 = near_socket(SOCK_STREAM, "[::1]:0", true);
    f.port4 = far_port(f.v4);
    f.port6 = far_port(f.v6);
    f.free_port = far_port(fd);
    close(fd);
    snprintf(f.rule4, sizeof(f.rule4), "allow tcp 127.0.0.1 port %u", f.port4);
    snprintf(f.rule6, sizeof(f.rule6), "allow tcp ::1 port %u", f.port6);
    snprintf(f.shown, sizeof(f.shown), "listen 127.0.0.1 port %u", f.free_port);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    eg_end(&f->eg);
    close(f->v4);
    close(f->v6);
    return 0;
}

/** Both ends of what the guest has with the machine. */
struct pair {
    struct gn_sock *sock;
    int fd;
};

static struct pair dial(struct fixture *f, bool v6)
{
    struct pair pair;
    int err;

    pair.sock = eg_dial(&f->eg, SOCK_STREAM, v6 ? GATEWAY6 : GATEWAY4,
                        v6 ? f->port6 : f->port4, &err);
    assert_int_equal(err, 0);
    pair.fd = eg_accept(v6 ? f->v6 : f->v4);
    eg_talk(pair.sock, pair.fd);
    return pair;
}

static void pair_close(struct pair pair)
{
    drop(pair.sock);
    close(pair.fd);
}

static void expect_reset(struct pair pair)
{
    char byte;

    assert_int_equal(gn_sock_recv(pair.sock, &byte, 1, 0), -ECONNRESET);
    assert_true(eg_readable(pair.fd, 10000));
    assert_int_equal(recv(pair.fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    pair_close(pair);
}

static int try_dial(struct fixture *f)
{
    struct gn_sock *sock;
    int err;

    sock = eg_dial(&f->eg, SOCK_STREAM, GATEWAY4, f->port4, &err);
    if (sock)
        drop(sock);
    return err;
}

/* ---- dials ---- */

static void what_is_dialled_goes_by_the_new_rules(void **state)
{
    struct fixture *f = *state;

    eg_begin(&f->eg, NULL, NULL);
    assert_int_equal(try_dial(f), -EACCES);
    eg_change(&f->eg, RULES("deny udp any", f->rule4), 0);
    pair_close(dial(f, false));
    assert_int_equal(eg_last(&f->eg).rule, 1);
    eg_change(&f->eg, RULES(f->rule6), 0);
    assert_int_equal(try_dial(f), -EACCES);
    eg_change(&f->eg, NULL, 0);
    assert_int_equal(try_dial(f), -EACCES);
}

static void a_wrong_rule_changes_nothing(void **state)
{
    struct fixture *f = *state;
    char why[200] = "";

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    assert_int_equal(gn_egress_set_rules(f->eg.egress,
                                         RULES("deny any", "allow tpc any"),
                                         GN_RULES_END, why, sizeof(why)),
                     -EINVAL);
    assert_non_null(strstr(why, "rule 2 \"allow tpc any\""));
    assert_int_equal(
        gn_egress_set_rules(f->eg.egress, NULL, 2, why, sizeof(why)), -EINVAL);
    assert_string_equal(why, "flags: no such one");
    pair_close(dial(f, false));
    gn_test_heap_fail_at(&f->eg.heap, 0, false);
    assert_int_equal(gn_egress_set_rules(f->eg.egress, NULL, 0, NULL, 0),
                     -ENOMEM);
    gn_test_heap_fail_at(&f->eg.heap, GN_TEST_HEAP_NEVER, false);
    pair_close(dial(f, false));
}

static void an_egress_of_hooks_has_no_rules(void **state)
{
    struct fixture *f = *state;
    struct gn_egress_ops ops = {.name = "none"};
    struct gn_egress *egress;

    eg_begin(&f->eg, NULL, NULL);
    assert_int_equal(gn_egress_create(&ops, NULL, &egress), 0);
    assert_int_equal(gn_egress_set_rules(egress, NULL, 0, NULL, 0), -ENOTSUP);
    gn_egress_close(egress);
}

/* Between the decision and the connection: the audit hook itself forbids it. */
static struct gn_egress *forbidden;

static void forbid(const struct gn_audit *audit, void *arg)
{
    (void)arg;
    if (audit->allowed)
        assert_int_equal(gn_egress_set_rules(forbidden, NULL, 0, NULL, 0), 0);
}

static void a_dial_that_is_decided_is_judged_again(void **state)
{
    struct fixture *f = *state;
    struct gn_policy policy = {.size = sizeof(policy), .audit = forbid};

    policy.rules = RULES(f->rule4);
    assert_int_equal(gn_egress_system(&policy, &forbidden), 0);
    eg_clear(&f->eg);
    eg_begin_egress(&f->eg, forbidden);
    assert_int_equal(try_dial(f), -EACCES);
}

/* ---- what is open ---- */

static void what_is_open_goes_on(void **state)
{
    struct fixture *f = *state;
    struct pair pair;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    pair = dial(f, false);
    eg_change(&f->eg, NULL, 0);
    assert_int_equal(try_dial(f), -EACCES);
    eg_talk(pair.sock, pair.fd);
    eg_change(&f->eg, RULES(f->rule6), 0);
    eg_talk(pair.sock, pair.fd);
    pair_close(pair);
    assert_false(eg_last(&f->eg).ended);
}

static void with_a_flag_what_is_denied_ends(void **state)
{
    struct fixture *f = *state;
    struct pair four, six;
    struct eg_audit audit;

    eg_begin(&f->eg, RULES(f->rule4, f->rule6), NULL);
    four = dial(f, false);
    six = dial(f, true);
    eg_change(&f->eg, RULES(f->rule6), GN_RULES_END);
    expect_reset(four);
    eg_talk(six.sock, six.fd);
    eg_await(&f->eg, 3);
    audit = eg_last(&f->eg);
    assert_true(audit.ended && !audit.allowed && !audit.inbound);
    assert_string_equal(audit.reason, "no rule");
    assert_int_equal(strncmp(audit.address, "127.0.0.1:", 10), 0);
    assert_int_equal(audit.rule, -1);
    pair_close(six);
}

static void a_deny_rule_is_told_with_its_text(void **state)
{
    struct fixture *f = *state;
    struct pair pair;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    pair = dial(f, false);
    eg_change(&f->eg, RULES("deny any", f->rule4), GN_RULES_END);
    expect_reset(pair);
    eg_await(&f->eg, 2);
    assert_string_equal(eg_last(&f->eg).rule_text, "deny any");
}

static void what_the_new_rules_allow_stays(void **state)
{
    struct fixture *f = *state;
    struct pair pair, last;

    eg_begin(&f->eg, RULES(f->rule4, f->rule6), NULL);
    pair = dial(f, false);
    last = dial(f, true); /* Judged behind the other. */
    eg_change(&f->eg, RULES("allow udp any", f->rule4), GN_RULES_END);
    expect_reset(last);
    eg_talk(pair.sock, pair.fd);
    pair_close(pair);
}

/* More than one turn judges. */
static void all_of_many_end(void **state)
{
    struct fixture *f = *state;
    struct pair pairs[40];
    size_t i;

    eg_begin(&f->eg, RULES(f->rule4, f->rule6), NULL);
    for (i = 0; i < 40; i++)
        pairs[i] = dial(f, i % 2);
    eg_change(&f->eg, NULL, GN_RULES_END);
    for (i = 0; i < 40; i++)
        expect_reset(pairs[i]);
    eg_await(&f->eg, 80);
}

static void guests_of_another_driver_are_reached_too(void **state)
{
    static const char *const prefixes[] = {"10.88.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace_config guest = {.size = sizeof(guest)};
    struct fixture *f = *state;
    struct gn_namespace *ns;
    struct gn_network *net;
    struct pair here, there;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    guest.egress = f->eg.egress;
    assert_int_equal(gn_network_create(&config, &net), 0); /* malloc()'s */
    assert_int_equal(gn_namespace_create(net, &guest, &ns), 0);
    here = dial(f, false);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &there.sock), 0);
    assert_int_equal(eg_connect(there.sock, "10.88.0.1", f->port4), 0);
    there.fd = eg_accept(f->v4);
    eg_change(&f->eg, NULL, GN_RULES_END);
    expect_reset(here);
    expect_reset(there);
    gn_network_close(net, NULL, NULL);
}

/* ---- flows ---- */

static void expect_datagram(struct gn_sock *sock, int fd)
{
    char byte;

    assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
    assert_true(eg_readable(fd, 10000));
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
}

static void flows_go_on_or_end(void **state)
{
    struct fixture *f = *state;
    int err, udp = near_socket(SOCK_DGRAM, "127.0.0.1:0", false);
    struct gn_sock *sock;
    char rule[64];

    snprintf(rule, sizeof(rule), "allow udp 127.0.0.1 port %u", far_port(udp));
    eg_begin(&f->eg, RULES(rule), NULL);
    sock = eg_dial(&f->eg, SOCK_DGRAM, GATEWAY4, far_port(udp), &err);
    expect_datagram(sock, udp);
    eg_change(&f->eg, NULL, 0);
    expect_datagram(sock, udp);
    eg_change(&f->eg, RULES(rule), GN_RULES_END);
    expect_datagram(sock, udp);
    assert_int_equal(eg_audits(&f->eg), 1);
    eg_change(&f->eg, NULL, GN_RULES_END);
    eg_await(&f->eg, 2);
    assert_true(eg_last(&f->eg).ended);
    assert_int_equal(gn_sock_send(sock, "x", 1, 0), 1);
    assert_true(eg_wait(sock, POLLERR) & POLLERR);
    assert_int_equal(eg_error(sock), -EACCES);
    eg_change(&f->eg, RULES(rule), 0);
    expect_datagram(sock, udp);
    drop(sock);
    close(udp);
}

/* ---- ports ---- */

static struct gn_sock *guest_bound(struct fixture *f, int type)
{
    struct gn_sock *sock = eg_open(&f->eg, AF_INET, type);
    char at[32];

    snprintf(at, sizeof(at), "0.0.0.0:%u", f->free_port);
    assert_int_equal(bind_to(sock, at), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(gn_sock_listen(sock, 4), 0);
    return sock;
}

/* A client's connection to the port that is shown; -1: refused. */
static int come(struct fixture *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(f->free_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (!connect(fd, (struct sockaddr *)&at, sizeof(at)))
        return fd;
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    return -1;
}

static struct pair client_of(struct fixture *f, struct gn_sock *listener)
{
    struct pair pair = {.fd = come(f)};

    assert_true(pair.fd >= 0);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &pair.sock), 0);
    eg_talk(pair.sock, pair.fd);
    return pair;
}

static void ports_are_shown_and_hidden_again(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener;
    struct eg_audit audit;
    struct pair first, second;

    eg_begin(&f->eg, NULL, NULL);
    listener = guest_bound(f, SOCK_STREAM);
    assert_int_equal(come(f), -1);
    eg_change(&f->eg, RULES(f->shown), 0);
    eg_await(&f->eg, 1);
    assert_true(eg_last(&f->eg).inbound && eg_last(&f->eg).allowed);
    first = client_of(f, listener);

    eg_change(&f->eg, NULL, 0);
    eg_await(&f->eg, 2);
    audit = eg_last(&f->eg);
    assert_true(audit.inbound && audit.ended && !audit.allowed);
    assert_int_equal(come(f), -1);
    eg_talk(first.sock, first.fd); /* Its client goes on. */

    eg_change(&f->eg, RULES(f->shown), GN_RULES_END);
    eg_await(&f->eg, 3);
    second = client_of(f, listener);
    eg_talk(first.sock, first.fd);
    eg_change(&f->eg, NULL, GN_RULES_END);
    expect_reset(first);
    expect_reset(second);
    eg_await(&f->eg, 6); /* The port, and two clients. */
    drop(listener);
}

static void what_rules_say_again_does_not_move(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener;
    struct pair client, last;

    eg_begin(&f->eg, RULES(f->shown, f->rule4), NULL);
    listener = guest_bound(f, SOCK_STREAM);
    eg_await(&f->eg, 1);
    client = client_of(f, listener);
    last = dial(f, false); /* Judged behind the others. */
    eg_change(&f->eg, RULES("deny udp any", f->shown), GN_RULES_END);
    expect_reset(last);
    eg_talk(client.sock, client.fd);
    pair_close(client);
    pair_close(client_of(f, listener));
    assert_int_equal(eg_audits(&f->eg), 3); /* Shown, dialled, ended. */
    drop(listener);
}

static void a_port_that_was_taken_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener;
    char at[32];
    int fd;

    snprintf(at, sizeof(at), "127.0.0.1:%u", f->free_port);
    fd = near_socket(SOCK_STREAM, at, true);
    eg_begin(&f->eg, RULES(f->shown), NULL);
    listener = guest_bound(f, SOCK_STREAM);
    eg_await(&f->eg, 1);
    assert_int_equal(eg_last(&f->eg).error, -EADDRINUSE);
    close(fd);
    eg_change(&f->eg, RULES(f->shown), 0);
    eg_await(&f->eg, 2);
    assert_int_equal(eg_last(&f->eg).error, 0);
    pair_close(client_of(f, listener));
    drop(listener);
}

static void datagram_ports_follow_too(void **state)
{
    struct fixture *f = *state;
    int fd = near_socket(SOCK_DGRAM, "127.0.0.1:0", false);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(f->free_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct gn_sock *sock;
    char byte;

    eg_begin(&f->eg, NULL, NULL);
    sock = guest_bound(f, SOCK_DGRAM);
    eg_change(&f->eg, RULES(f->shown), 0);
    eg_await(&f->eg, 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 1);
    eg_change(&f->eg, NULL, 0);
    eg_await(&f->eg, 2);
    assert_true(eg_last(&f->eg).ended);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_true(eg_readable(fd, 10000));
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNREFUSED);
    drop(sock);
    close(fd);
}

/* ---- threads ---- */

struct changer {
    struct fixture *f;
    _Atomic bool stop;
};

static void *change_on(void *arg)
{
    struct changer *changer = arg;
    unsigned i;

    for (i = 0; !changer->stop; i++) {
        const char *const *rules =
            i % 2 ? RULES(changer->f->rule4, changer->f->shown) : NULL;

        assert_int_equal(gn_egress_set_rules(changer->f->eg.egress, rules,
                                             i % 3 ? GN_RULES_END : 0, NULL, 0),
                         0);
    }
    return NULL;
}

static void rules_change_from_any_thread(void **state)
{
    struct fixture *f = *state;
    struct changer changer = {.f = f};
    struct gn_sock *listener;
    pthread_t thread;
    unsigned i;
    int err;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    listener = guest_bound(f, SOCK_STREAM);
    assert_int_equal(pthread_create(&thread, NULL, change_on, &changer), 0);
    for (i = 0; i < 200; i++) {
        err = try_dial(f);
        assert_true(!err || err == -EACCES || err == -ECONNRESET);
        while (eg_readable(f->v4, 0))
            close(eg_accept(f->v4));
    }
    changer.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    drop(listener);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(what_is_dialled_goes_by_the_new_rules),
        CASE(a_wrong_rule_changes_nothing),
        CASE(an_egress_of_hooks_has_no_rules),
        CASE(a_dial_that_is_decided_is_judged_again),
        CASE(what_is_open_goes_on),
        CASE(with_a_flag_what_is_denied_ends),
        CASE(a_deny_rule_is_told_with_its_text),
        CASE(what_the_new_rules_allow_stays),
        CASE(all_of_many_end),
        CASE(guests_of_another_driver_are_reached_too),
        CASE(flows_go_on_or_end),
        CASE(ports_are_shown_and_hidden_again),
        CASE(what_rules_say_again_does_not_move),
        CASE(a_port_that_was_taken_is_tried_again),
        CASE(datagram_ports_follow_too),
        CASE(rules_change_from_any_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
