/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Published datagram ports.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/pubnet.h"

/** A guest that sends each datagram back, or says which peer sent it. */
struct echo {
    struct gn_sock *sock;
    bool names;
    pthread_t thread;
    _Atomic uint32_t n;
};

static void *echo_main(void *arg)
{
    struct echo *echo = arg;
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char *buf = malloc(65536);
    ssize_t n;

    while ((n = gn_sock_recvfrom(echo->sock, buf, 65536, 0,
                                 (struct sockaddr *)&from, &len)) >= 0) {
        if (echo->names &&
            !gn_addr_format((struct sockaddr *)&from, buf, GN_ADDR_TEXT_MAX))
            n = (ssize_t)strlen(buf);
        (void)gn_sock_sendto(echo->sock, buf, (size_t)n, 0,
                             (struct sockaddr *)&from, len);
        len = sizeof(from);
        echo->n++;
    }
    free(buf);
    return NULL;
}

static void echo_begin(struct echo *echo, struct gn_namespace *ns,
                       const char *address, bool names)
{
    struct sockaddr_storage addr;
    socklen_t len;

    memset(echo, 0, sizeof(*echo));
    echo->names = names;
    assert_int_equal(gn_addr_parse(address, &addr, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, addr.ss_family, SOCK_DGRAM, 0, &echo->sock), 0);
    assert_int_equal(gn_sock_bind(echo->sock, (struct sockaddr *)&addr, len),
                     0);
    assert_int_equal(pthread_create(&echo->thread, NULL, echo_main, echo), 0);
}

static void echo_end(struct echo *echo)
{
    gn_sock_close(echo->sock);
    pthread_join(echo->thread, NULL);
    gn_sock_unref(echo->sock);
}

static void ask(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

static void expect(int fd, const char *text)
{
    char buf[2048];
    ssize_t n = pubnet_read(fd, buf, sizeof(buf) - 1);

    assert_int_equal(n, strlen(text));
    assert_memory_equal(buf, text, (size_t)n);
}

/* ---- cases ---- */

static void datagrams_go_there_and_back(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "10.77.0.2:53", NULL);
    struct echo echo;
    int fd;

    echo_begin(&echo, p->web, "10.77.0.2:53", false);
    fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
    for (unsigned i = 0; i < 100; i++) {
        ask(fd, "question");
        expect(fd, "question");
    }
    assert_int_equal(pubnet_stats(pub).accepted, 1);
    assert_int_equal(pubnet_stats(pub).active, 1);
    assert_int_equal(pubnet_stats(pub).dropped, 0);
    close(fd);
    gn_unpublish(pub, NULL, NULL);
    echo_end(&echo);
}

static void over_ipv6_too(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp6", "[::1]:0", "[fd77::2]:53", NULL);
    struct echo echo;
    int fd;

    echo_begin(&echo, p->web, "[fd77::2]:53", false);
    fd = pubnet_dial_by(pub, AF_INET6, SOCK_DGRAM);
    ask(fd, "six");
    expect(fd, "six");
    close(fd);
    gn_unpublish(pub, NULL, NULL);
    echo_end(&echo);
}

static void the_longest_and_the_empty_one_pass(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "10.77.0.2:53", NULL);
    static char sent[65507], got[65507];
    struct echo echo;
    int fd;

    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)(i % 251);
    echo_begin(&echo, p->web, "10.77.0.2:53", false);
    fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
    assert_int_equal(send(fd, sent, sizeof(sent), 0), sizeof(sent));
    assert_int_equal(pubnet_read(fd, got, sizeof(got)), sizeof(got));
    assert_memory_equal(sent, got, sizeof(got));
    assert_int_equal(send(fd, "", 0, 0), 0);
    assert_int_equal(pubnet_read(fd, got, sizeof(got)), 0);
    close(fd);
    gn_unpublish(pub, NULL, NULL);
    echo_end(&echo);
}

/* 127.0.0.2 is this machine, too; connect(2) drops what comes from elsewhere.*/
static void answers_leave_from_where_the_question_came_to(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", ":0", "10.77.0.2:53", NULL);
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(pubnet_port(pub)),
                               .sin_addr.s_addr = htonl(0x7f000002)};
    struct echo echo;
    int fd, fd6;

    echo_begin(&echo, p->web, "10.77.0.2:53", false);
    fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ask(fd, "to the second address");
    expect(fd, "to the second address");
    fd6 = pubnet_dial_by(pub, AF_INET6, SOCK_DGRAM);
    ask(fd6, "by version 6");
    expect(fd6, "by version 6");
    close(fd);
    close(fd6);
    gn_unpublish(pub, NULL, NULL);
    echo_end(&echo);
}

static void a_name_is_looked_up(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "web:53", NULL);
    struct echo echo;
    int fd;

    echo_begin(&echo, p->web, "10.77.0.2:53", false);
    fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
    ask(fd, "one");
    ask(fd, "two");
    expect(fd, "one");
    expect(fd, "two");
    close(fd);
    gn_unpublish(pub, NULL, NULL);
    echo_end(&echo);
}

static void a_name_that_is_not_there_is_counted(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "nobody:53", NULL);
    int fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);

    ask(fd, "x");
    gn_test_until(pubnet_stats(pub).unreached == 1);
    assert_int_equal(pubnet_stats(pub).dropped, 1);
    assert_int_equal(pubnet_stats(pub).active, 0);
    close(fd);
    gn_unpublish(pub, NULL, NULL);
}

static void each_client_has_a_flow_of_its_own(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "10.77.0.2:53", NULL);
    struct echo echo;
    char names[2][GN_ADDR_TEXT_MAX];
    int fds[2];

    echo_begin(&echo, p->web, "10.77.0.2:53", true);
    for (size_t i = 0; i < 2; i++) {
        ssize_t n;

        fds[i] = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
        ask(fds[i], "who am I");
        n = pubnet_read(fds[i], names[i], sizeof(names[i]) - 1);
        assert_true(n > 0);
        names[i][n] = '\0';
        assert_memory_equal(names[i], "10.77.0.1:", 10);
    }
    assert_string_not_equal(names[0], names[1]);
    assert_int_equal(pubnet_stats(pub).as_gateway, 2);
    close(fds[0]);
    close(fds[1]);
    gn_unpublish(pub, NULL, NULL);
    echo_end(&echo);
}

static void an_idle_flow_ends(void **state)
{
    struct pubnet *p = *state;
    struct gn_publish_options options = {.size = sizeof(options),
                                         .flow_idle_s = 1};
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "10.77.0.2:53", &options);
    struct echo echo;
    int fd;

    echo_begin(&echo, p->web, "10.77.0.2:53", false);
    fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
    ask(fd, "x");
    expect(fd, "x");
    assert_int_equal(pubnet_stats(pub).active, 1);
    gn_test_until(pubnet_stats(pub).active == 0);
    assert_int_equal(pubnet_stats(pub).evicted, 0);
    ask(fd, "y");
    expect(fd, "y");
    assert_int_equal(pubnet_stats(pub).accepted, 2);
    close(fd);
    gn_unpublish(pub, NULL, NULL);
    echo_end(&echo);
}

static void the_oldest_flow_makes_room(void **state)
{
    struct pubnet *p = *state;
    struct gn_publish_options options = {.size = sizeof(options),
                                         .max_flows = 4};
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "10.77.0.2:53", &options);
    struct echo echo;
    int fds[20];

    echo_begin(&echo, p->web, "10.77.0.2:53", false);
    for (size_t i = 0; i < 20; i++) {
        fds[i] = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
        ask(fds[i], "x");
        expect(fds[i], "x");
    }
    assert_int_equal(pubnet_stats(pub).accepted, 20);
    assert_int_equal(pubnet_stats(pub).active, 4);
    for (size_t i = 0; i < 20; i++)
        close(fds[i]);
    gn_unpublish(pub, NULL, NULL);
    echo_end(&echo);
}

/* They ask at the same moment, and all others are idle. */
static void new_clients_do_not_push_out_each_other(void **state)
{
    struct pubnet *p = *state;
    struct gn_publish_options options = {.size = sizeof(options),
                                         .max_flows = 16};
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "10.77.0.2:53", &options);
    struct echo echo;
    int fds[24];

    echo_begin(&echo, p->web, "10.77.0.2:53", false);
    for (size_t i = 0; i < 16; i++) {
        fds[i] = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
        ask(fds[i], "x");
        expect(fds[i], "x");
    }
    for (size_t i = 16; i < 24; i++) {
        fds[i] = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
        ask(fds[i], "new");
    }
    for (size_t i = 16; i < 24; i++)
        expect(fds[i], "new");
    assert_int_equal(pubnet_stats(pub).active, 16);
    assert_int_equal(pubnet_stats(pub).evicted, 8);
    assert_int_equal(pubnet_stats(pub).dropped, 0);
    for (size_t i = 0; i < 24; i++)
        close(fds[i]);
    gn_unpublish(pub, NULL, NULL);
    echo_end(&echo);
}

static struct gn_namespace *guest_at(struct pubnet *p, const char *address)
{
    const char *addresses[] = {address, NULL};
    struct gn_namespace_config config = {
        .size = sizeof(config), .name = "db", .addresses = addresses};
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(p->net, &config, &ns), 0);
    return ns;
}

/* The same client goes on, and hears of no loss. */
static void a_flow_follows_the_name_to_the_next_guest(void **state)
{
    static const char *const next[] = {"10.77.0.11", "10.77.0.10"};
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "db:53", NULL);
    struct gn_namespace *guest = guest_at(p, "10.77.0.10");
    struct echo echo;
    int fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);

    echo_begin(&echo, guest, "0.0.0.0:53", false);
    for (size_t i = 0; i < 2; i++) {
        ask(fd, "first");
        expect(fd, "first");
        gn_namespace_close(guest, 0, NULL, NULL);
        echo_end(&echo);
        guest = guest_at(p, next[i]);
        echo_begin(&echo, guest, "0.0.0.0:53", false);
        ask(fd, "second");
        expect(fd, "second");
    }
    assert_int_equal(pubnet_stats(pub).active, 1);
    assert_int_equal(pubnet_stats(pub).dropped, 0);
    gn_namespace_close(guest, 0, NULL, NULL);
    gn_test_until(pubnet_stats(pub).active == 0);
    echo_end(&echo);
    close(fd);
    gn_unpublish(pub, NULL, NULL);
}

static void a_closed_port_is_counted(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "10.77.0.2:53", NULL);
    int fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);

    ask(fd, "x");
    gn_test_until(pubnet_stats(pub).unreached == 1);
    assert_int_equal(pubnet_stats(pub).active, 0);
    close(fd);
    gn_unpublish(pub, NULL, NULL);
}

static void a_guest_that_is_killed_ends_its_flows(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", "127.0.0.1:0", "10.77.0.2:53", NULL);
    struct echo echo;
    int fd;

    echo_begin(&echo, p->web, "10.77.0.2:53", false);
    fd = pubnet_dial_by(pub, AF_INET, SOCK_DGRAM);
    ask(fd, "x");
    expect(fd, "x");
    gn_namespace_kill(p->web);
    echo_end(&echo);
    ask(fd, "y");
    gn_network_close(p->net, NULL, NULL);
    p->net = NULL;
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(pubnet, datagrams_go_there_and_back),
        CASE_OF(pubnet, over_ipv6_too),
        CASE_OF(pubnet, the_longest_and_the_empty_one_pass),
        CASE_OF(pubnet, answers_leave_from_where_the_question_came_to),
        CASE_OF(pubnet, a_name_is_looked_up),
        CASE_OF(pubnet, a_name_that_is_not_there_is_counted),
        CASE_OF(pubnet, each_client_has_a_flow_of_its_own),
        CASE_OF(pubnet, an_idle_flow_ends),
        CASE_OF(pubnet, the_oldest_flow_makes_room),
        CASE_OF(pubnet, new_clients_do_not_push_out_each_other),
        CASE_OF(pubnet, a_flow_follows_the_name_to_the_next_guest),
        CASE_OF(pubnet, a_closed_port_is_counted),
        CASE_OF(pubnet, a_guest_that_is_killed_ends_its_flows),
    };

    return cmocka_run_group_tests_name("publish_udp", tests, NULL, NULL);
}
