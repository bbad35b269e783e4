/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Connections of a guest to kernel servers on the machine's loopback, which is
 * behind the gateway's address, as rules say.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
    int v4, v6; /* kernel listeners on 127.0.0.1 and ::1 */
    unsigned short port4, port6;
    char rule4[64], rule6[64];
};

static int setup(void **state)
{
    static struct fixture f;

    f.v4 = near_socket(SOCK_STREAM, "127.0.0.1:0", true);
    f.v6 = near_socket(SOCK_STREAM, "[::1]:0", true);
    f.port4 = far_port(f.v4);
    f.port6 = far_port(f.v6);
    snprintf(f.rule4, sizeof(f.rule4), "allow tcp 127.0.0.1 port %u", f.port4);
    snprintf(f.rule6, sizeof(f.rule6), "allow tcp ::1 port %u", f.port6);
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

static void a_rule_opens_the_machines_loopback(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    struct eg_audit audit;
    int err, fd;

    eg_begin(&f->eg, RULES("deny udp any", f->rule4, f->rule6), NULL);
    sock = eg_dial(&f->eg, SOCK_STREAM, GATEWAY4, f->port4, &err);
    assert_int_equal(err, 0);
    fd = eg_accept(f->v4);
    eg_talk(sock, fd);
    assert_int_equal(gn_sock_shutdown(sock, SHUT_WR), 0);
    assert_int_equal(recv(fd, &err, 1, 0), 0);
    close(fd);
    drop(sock);
    audit = eg_last(&f->eg);
    assert_string_equal(audit.guest, "guest");
    assert_int_equal(strncmp(audit.address, "127.0.0.1:", 10), 0);
    assert_string_equal(audit.rule_text, f->rule4);
    assert_int_equal(audit.rule, 1);
    assert_true(audit.allowed && !audit.inbound);

    sock = eg_dial(&f->eg, SOCK_STREAM, GATEWAY6, f->port6, &err);
    assert_int_equal(err, 0);
    fd = eg_accept(f->v6);
    eg_talk(sock, fd);
    close(fd);
    drop(sock);
    assert_int_equal(strncmp(eg_last(&f->eg).address, "[::1]:", 6), 0);
}

static void without_a_rule_it_is_eacces_and_no_syn(void **state)
{
    struct fixture *f = *state;
    int err;

    eg_begin(&f->eg, RULES("allow any", "allow 0.0.0.0/0", "allow ::/0"), NULL);
    assert_null(eg_dial(&f->eg, SOCK_STREAM, GATEWAY4, f->port4, &err));
    assert_int_equal(err, -EACCES);
    assert_null(eg_dial(&f->eg, SOCK_STREAM, GATEWAY6, f->port6, &err));
    assert_int_equal(err, -EACCES);
    assert_string_equal(eg_last(&f->eg).reason, "loopback");
    assert_int_equal(eg_last(&f->eg).rule, -1);
    assert_false(eg_readable(f->v4, 0));
    assert_false(eg_readable(f->v6, 0));
}

static bool is_a_no(int err)
{
    return err == -EACCES || err == -ENETUNREACH || err == -EINVAL ||
           err == -EHOSTUNREACH;
}

/* Whatever the guest writes instead of 127.0.0.1: its own loopback, or no. */
static void no_other_address_is_a_way_there(void **state)
{
    struct fixture *f = *state;
    int err;

    eg_begin(&f->eg, RULES("allow any", "allow name *.example"), NULL);
    for (size_t i = 0; eg_astray[i]; i++) {
        if (eg_dial(&f->eg, SOCK_STREAM, eg_astray[i], f->port4, &err))
            fail_msg("%s was reached", eg_astray[i]);
        if (!is_a_no(err))
            fail_msg("%s: %s", eg_astray[i], gn_strerror(err));
    }
    for (size_t i = 0; eg_own[i]; i++) {
        if (eg_dial(&f->eg, SOCK_STREAM, eg_own[i], f->port4, &err))
            fail_msg("%s was reached", eg_own[i]);
        assert_int_equal(err, -ECONNREFUSED);
    }
    assert_false(eg_readable(f->v4, 50));
    assert_false(eg_readable(f->v6, 0));
}

static void a_non_blocking_connect_is_honest(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char dead_rule[64];
    int dead, fd;

    dead = near_socket(SOCK_STREAM, "127.0.0.1:0", false);
    snprintf(dead_rule, sizeof(dead_rule), "allow tcp 127.0.0.1 port %u",
             far_port(dead));
    eg_begin(&f->eg, RULES(f->rule4, dead_rule), NULL);
    sock = eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    assert_int_equal(eg_connect(sock, GATEWAY4, f->port4), -EINPROGRESS);
    assert_int_equal(eg_wait(sock, POLLOUT) & (POLLOUT | POLLERR), POLLOUT);
    assert_int_equal(eg_error(sock), 0);
    fd = eg_accept(f->v4);
    eg_talk(sock, fd);
    close(fd);
    drop(sock);

    sock = eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    assert_int_equal(eg_connect(sock, GATEWAY4, far_port(dead)), -EINPROGRESS);
    assert_true(eg_wait(sock, POLLOUT) & POLLERR);
    assert_int_equal(eg_error(sock), -ECONNREFUSED);
    drop(sock);

    sock = eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    assert_int_equal(eg_connect(sock, GATEWAY4, 1), -EINPROGRESS);
    assert_true(eg_wait(sock, POLLOUT) & POLLERR);
    assert_int_equal(eg_error(sock), -EACCES);
    drop(sock);
    close(dead);
}

static void refused_is_refused(void **state)
{
    struct fixture *f = *state;
    int err;

    eg_begin(&f->eg, RULES("allow 127.0.0.1 port 1"), NULL);
    assert_null(eg_dial(&f->eg, SOCK_STREAM, GATEWAY4, 1, &err));
    assert_int_equal(err, -ECONNREFUSED);
}

/* How a non-blocking connection ends, and that no server there hears of it. */
static void expect_non_blocking(struct fixture *f, const char *host, int error)
{
    struct gn_sock *sock =
        eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    int one = 1;

    assert_int_equal(
        gn_sock_setopt(sock, IPPROTO_TCP, TCP_SYNCNT, &one, sizeof(one)), 0);
    assert_int_equal(eg_connect(sock, host, f->port4), -EINPROGRESS);
    assert_true(eg_wait(sock, POLLOUT) & POLLERR);
    assert_int_equal(eg_error(sock), error);
    drop(sock);
    assert_false(eg_readable(f->v4, 0));
}

static void expect_blocking(struct fixture *f, const char *host, int error)
{
    struct gn_sock *sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    int one = 1;

    assert_int_equal(
        gn_sock_setopt(sock, IPPROTO_TCP, TCP_SYNCNT, &one, sizeof(one)), 0);
    assert_int_equal(eg_connect(sock, host, f->port4), error);
    drop(sock);
    assert_false(eg_readable(f->v4, 0));
}

static void a_denial_is_eacces_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t begin;

    eg_begin(&f->eg, RULES("deny any"), NULL);
    begin = gn_now_ns(f->eg.guest);
    expect_blocking(f, GATEWAY4, -EACCES);
    expect_blocking(f, "203.0.113.1", -EACCES);
    expect_non_blocking(f, GATEWAY4, -EACCES);
    expect_non_blocking(f, "203.0.113.1", -EACCES);
    /* Sooner than a SYN would be repeated. */
    assert_true(gn_now_ns(f->eg.guest) - begin < 1000000000);
    assert_int_equal(eg_audits(&f->eg), 4);
}

static void a_denial_may_look_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_policy policy = {.size = sizeof(policy),
                               .denial = GN_DENIAL_REFUSED};

    eg_begin(&f->eg, RULES("deny any"), &policy);
    expect_blocking(f, GATEWAY4, -ECONNREFUSED);
    expect_blocking(f, "203.0.113.1", -ECONNREFUSED);
    expect_non_blocking(f, GATEWAY4, -ECONNREFUSED);
    expect_non_blocking(f, "203.0.113.1", -ECONNREFUSED);
}

static void a_denial_may_be_silent(void **state)
{
    struct fixture *f = *state;
    struct gn_policy policy = {.size = sizeof(policy),
                               .denial = GN_DENIAL_SILENT};

    eg_begin(&f->eg, RULES("deny any"), &policy);
    expect_blocking(f, GATEWAY4, -ETIMEDOUT);
    expect_non_blocking(f, "203.0.113.1", -ETIMEDOUT);
    assert_int_equal(eg_audits(&f->eg), 2);
}

static void what_the_host_program_listens_on_is_its_own(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener, *client, *server;
    struct sockaddr_in any = {.sin_family = AF_INET};
    int err;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    any.sin_port = htons(f->port4);
    assert_int_equal(gn_sock_open(gn_network_gateway(f->eg.net), AF_INET,
                                  SOCK_STREAM, 0, &listener),
                     0);
    assert_int_equal(
        gn_sock_bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(gn_sock_listen(listener, 4), 0);
    client = eg_dial(&f->eg, SOCK_STREAM, GATEWAY4, f->port4, &err);
    assert_non_null(client);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &server), 0);
    assert_int_equal(eg_audits(&f->eg), 0);
    assert_false(eg_readable(f->v4, 0));
    drop(server);
    drop(client);
    drop(listener);
}

static void a_reset_goes_both_ways(void **state)
{
    struct fixture *f = *state;
    struct linger hard = {.l_onoff = 1};
    struct gn_sock *sock;
    char byte;
    int err, fd;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    sock = eg_dial(&f->eg, SOCK_STREAM, GATEWAY4, f->port4, &err);
    fd = eg_accept(f->v4);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)),
                     0);
    close(fd);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -ECONNRESET);
    drop(sock);

    sock = eg_dial(&f->eg, SOCK_STREAM, GATEWAY4, f->port4, &err);
    fd = eg_accept(f->v4);
    assert_int_equal(
        gn_sock_setopt(sock, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    drop(sock);
    assert_true(eg_readable(fd, 10000));
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
}

static void a_megabyte_each_way_arrives(void **state)
{
    enum { N = 1 << 20, STEP = 1 << 14 };
    struct fixture *f = *state;
    static uint8_t out[N], in[N];
    struct gn_sock *sock;
    size_t at;
    ssize_t n;
    int err, fd;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    for (size_t i = 0; i < N; i++)
        out[i] = (uint8_t)(i * 2654435761u >> 13);
    sock = eg_dial(&f->eg, SOCK_STREAM, GATEWAY4, f->port4, &err);
    fd = eg_accept(f->v4);
    for (at = 0; at < N; at += STEP) {
        assert_int_equal(gn_sock_send(sock, out + at, STEP, 0), STEP);
        assert_int_equal(recv(fd, in + at, STEP, MSG_WAITALL), STEP);
    }
    assert_memory_equal(in, out, N);
    memset(in, 0, N);
    for (at = 0; at < N; at += STEP) {
        assert_int_equal(send(fd, out + at, STEP, MSG_NOSIGNAL), STEP);
        n = gn_sock_recv(sock, in + at, STEP, MSG_WAITALL);
        assert_int_equal(n, STEP);
    }
    assert_memory_equal(in, out, N);
    close(fd);
    drop(sock);
}

static void guests_without_a_host_have_no_way_out(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *other;
    struct gn_sock *sock;

    eg_begin(&f->eg, RULES("allow any", f->rule4), NULL);
    assert_int_equal(gn_namespace_create(f->eg.net, NULL, &other), 0);
    assert_int_equal(gn_sock_open(other, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(eg_connect(sock, "203.0.113.1", 80), -ENETUNREACH);
    drop(sock);
    assert_int_equal(gn_sock_open(other, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(eg_connect(sock, GATEWAY4, f->port4), -ECONNREFUSED);
    drop(sock);
    assert_int_equal(eg_audits(&f->eg), 0);
    gn_namespace_close(other, 0, NULL, NULL);
}

static void bad_policies_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gn_policy policy = {.size = sizeof(policy)};
    struct gn_egress *egress = NULL;
    char why[200] = "";

    eg_begin(&f->eg, RULES("deny any"), NULL);
    policy.why = why;
    policy.why_len = sizeof(why);
    policy.rules = RULES("allow any", "allow tpc any");
    assert_int_equal(gn_egress_system(&policy, &egress), -EINVAL);
    assert_non_null(strstr(why, "rule 2 \"allow tpc any\": \"tpc\" is no"));
    policy.rules = NULL;
    policy.denial = GN_N_DENIALS;
    assert_int_equal(gn_egress_system(&policy, &egress), -EINVAL);
    assert_string_equal(why, "denial: no such one");
    policy.denial = GN_DENIAL_ACCES;
    policy.size = 3;
    assert_int_equal(gn_egress_system(&policy, &egress), -EINVAL);
    assert_int_equal(gn_egress_system(NULL, NULL), -EINVAL);
    assert_null(egress);
    assert_int_equal(gn_egress_system(NULL, &egress), 0);
    gn_egress_close(egress);
    gn_egress_close(NULL);
}

static void a_network_without_prefixes_leads_nowhere(void **state)
{
    struct fixture *f = *state;
    struct gn_network *net;
    struct gn_namespace *ns;
    char why[200] = "";
    struct gn_namespace_config config = {
        .size = sizeof(config), .why = why, .why_len = sizeof(why)};

    eg_begin(&f->eg, RULES("deny any"), NULL);
    config.egress = f->eg.egress;
    assert_int_equal(gn_network_create(NULL, &net), 0);
    assert_int_equal(gn_namespace_create(net, &config, &ns), -EINVAL);
    assert_non_null(strstr(why, "no prefixes"));
    gn_network_close(net, NULL, NULL);
}

/* A clock has no kernel descriptors. */
static void under_a_clock_nothing_is_reached(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    struct fixture *f = *state;
    struct gn_namespace_config guest = {.size = sizeof(guest)};
    struct gn_network *net;
    struct gn_namespace *ns;
    struct gn_sock *sock;

    eg_begin(&f->eg, RULES(f->rule4), NULL);
    guest.egress = f->eg.egress;
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, &guest, &ns), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
            0);
        assert_int_equal(eg_connect(sock, GATEWAY4, i ? 1 : f->port4),
                         -EINPROGRESS);
        gn_clock_advance(gn_network_clock(net), 1000000000);
        assert_int_equal(eg_error(sock), i ? -EACCES : -ENOTSUP);
        drop(sock);
    }
    gn_network_close(net, NULL, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_rule_opens_the_machines_loopback),
        CASE(without_a_rule_it_is_eacces_and_no_syn),
        CASE(no_other_address_is_a_way_there),
        CASE(a_non_blocking_connect_is_honest),
        CASE(refused_is_refused),
        CASE(a_denial_is_eacces_at_once),
        CASE(a_denial_may_look_refused),
        CASE(a_denial_may_be_silent),
        CASE(what_the_host_program_listens_on_is_its_own),
        CASE(a_reset_goes_both_ways),
        CASE(a_megabyte_each_way_arrives),
        CASE(guests_without_a_host_have_no_way_out),
        CASE(under_a_clock_nothing_is_reached),
        CASE(bad_policies_are_refused),
        CASE(a_network_without_prefixes_leads_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
