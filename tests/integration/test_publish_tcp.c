/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Published stream ports: kernel clients, and a guest that serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include <cmocka.h>

#include "host/publish/publish.h"
#include "namespace/lookup_context.h"
#include "tests/lib/case.h"
#include "tests/lib/pubnet.h"

#define MIB (1024u * 1024)

/* ---- reaching ---- */

static void a_client_reaches_a_guest(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    fd = pubnet_dial(pub);
    pubnet_expect_echo(fd, "hello");
    assert_int_equal(pubnet_stats(pub).active, 1);
    close(fd);
    gn_test_until(pubnet_stats(pub).active == 0);
    assert_int_equal(pubnet_stats(pub).accepted, 1);
    assert_int_equal(pubnet_stats(pub).unreached, 0);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void a_client_reaches_a_guest_by_ipv6(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp6", "[::1]:0", "[fd77::2]:80", NULL);
    struct pubnet_server server;
    int fd;

    pubnet_serve(&server, p->web, "[fd77::2]:80", pubnet_name_peer, NULL);
    fd = pubnet_dial(pub);
    assert_string_equal(strtok((char *)(uintptr_t)pubnet_read_all(fd), "]"),
                        "[fd77::1");
    close(fd);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

/* Nothing that answers to 127.0.0.1 can be there in the guest's network. */
static void a_client_from_loopback_appears_as_the_gateway(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_name_peer, NULL);
    fd = pubnet_dial(pub);
    assert_string_equal(strtok((char *)(uintptr_t)pubnet_read_all(fd), ":"),
                        "10.77.0.1");
    close(fd);
    assert_int_equal(pubnet_stats(pub).as_gateway, 1);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void all_addresses_are_of_both_versions(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", ":0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    fd = pubnet_dial_by(pub, AF_INET, SOCK_STREAM);
    pubnet_expect_echo(fd, "four");
    close(fd);
    fd = pubnet_dial_by(pub, AF_INET6, SOCK_STREAM);
    pubnet_expect_echo(fd, "six");
    close(fd);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void port_0_is_told_back(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "localhost:0", "10.77.0.2:80", NULL);

    assert_int_not_equal(pubnet_port(pub), 0);
    gn_unpublish(pub, NULL, NULL);
}

static void a_target_that_is_not_there_resets(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *refused =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:81", NULL);
    struct gn_publication *nobody =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.99:80", NULL);
    char byte;
    int fd;

    fd = pubnet_dial(refused);
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    close(fd);
    gn_test_until(pubnet_stats(refused).unreached == 1);
    fd = pubnet_dial(nobody);
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    close(fd);
    gn_test_until(pubnet_stats(nobody).unreached == 1);
    assert_int_equal(pubnet_stats(nobody).active, 0);
    gn_unpublish(refused, NULL, NULL);
    gn_unpublish(nobody, NULL, NULL);
}

/* Each time, as it is then. */
static void a_name_is_looked_up_for_each_client(void **state)
{
    struct pubnet *p = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "late"};
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "late:80", NULL);
    struct pubnet_server server;
    struct gn_namespace *late;
    char byte;
    int fd;

    fd = pubnet_dial(pub);
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    close(fd);
    assert_int_equal(pubnet_stats(pub).unreached, 1);
    assert_int_equal(gn_namespace_create(p->net, &config, &late), 0);
    pubnet_serve(&server, late, "0.0.0.0:80", pubnet_echo, NULL);
    fd = pubnet_dial(pub);
    pubnet_expect_echo(fd, "found");
    close(fd);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

/* ---- whose work it is ---- */

static void a_publication_is_the_work_of_the_guest_it_leads_to(void **state)
{
    struct pubnet *p = *state;
    const struct gn__account *web = gn__ns_account(p->web);
    struct gn_publication *tcp =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct gn_publication *udp =
        pubnet_publish(p, "udp", "127.0.0.1:0", "10.77.0.2:53", NULL);
    struct gn_publication *nobody =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.99:80", NULL);
    struct gn_publication *gateway =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.1:80", NULL);

    assert_ptr_equal(tcp->acceptor.watch.account, web);
    assert_ptr_equal(udp->inlet.watch.account, web);
    assert_null(nobody->acceptor.watch.account);
    assert_null(gateway->acceptor.watch.account);
    gn_unpublish(tcp, NULL, NULL);
    gn_unpublish(udp, NULL, NULL);
    gn_unpublish(nobody, NULL, NULL);
    gn_unpublish(gateway, NULL, NULL);
}

static void a_name_s_publication_is_the_work_of_the_guest_last_found(
    void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "web:80", NULL);
    int fd;

    assert_null(pub->acceptor.watch.account);
    fd = pubnet_dial(pub);
    gn_test_until(pubnet_stats(pub).unreached == 1);
    assert_ptr_equal(pub->acceptor.watch.account, gn__ns_account(p->web));
    close(fd);
    gn_unpublish(pub, NULL, NULL);
}

/* A client of IPv6 goes to the guest's IPv6 address, if it has one. */
static void a_name_is_reached_by_the_clients_version(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", ":0", "web.guest.internal:80", NULL);
    struct pubnet_server server;
    int fd;

    pubnet_serve(&server, p->web, "[::]:80", pubnet_name_peer, NULL);
    fd = pubnet_dial_by(pub, AF_INET6, SOCK_STREAM);
    assert_memory_equal(pubnet_read_all(fd), "[fd77::1]", 9);
    close(fd);
    fd = pubnet_dial_by(pub, AF_INET, SOCK_STREAM);
    assert_memory_equal(pubnet_read_all(fd), "[::ffff:10.77.0.1]", 18);
    close(fd);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

/* ---- ends ---- */

static void read_then_answer(struct gn_sock *sock, void *arg)
{
    char buf[100];
    size_t len = 0;
    ssize_t n;

    (void)arg;
    while ((n = gn_sock_recv(sock, buf + len, sizeof(buf) - len, 0)) > 0)
        len += (size_t)n;
    if (n == 0)
        (void)gn_sock_send(sock, buf, len, 0);
}

static void the_client_may_end_first(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", read_then_answer, NULL);
    fd = pubnet_dial(pub);
    assert_int_equal(send(fd, "question", 8, 0), 8);
    shutdown(fd, SHUT_WR);
    assert_string_equal(pubnet_read_all(fd), "question");
    close(fd);
    gn_test_until(pubnet_stats(pub).active == 0);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void greet_then_listen(struct gn_sock *sock, void *arg)
{
    char buf[100];
    ssize_t n;

    (void)gn_sock_send(sock, "hello", 5, 0);
    (void)gn_sock_shutdown(sock, SHUT_WR);
    n = gn_sock_recv(sock, buf, sizeof(buf), MSG_WAITALL);
    if (n > 0)
        *(_Atomic int *)arg = (int)n;
}

static void the_guest_may_end_first(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    _Atomic int heard = 0;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", greet_then_listen, &heard);
    fd = pubnet_dial(pub);
    assert_string_equal(pubnet_read_all(fd), "hello");
    assert_int_equal(send(fd, "goodbye", 7, 0), 7);
    close(fd);
    gn_test_until(heard == 7);
    gn_test_until(pubnet_stats(pub).active == 0);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void note_the_end(struct gn_sock *sock, void *arg)
{
    char byte;
    ssize_t n;

    (void)gn_sock_send(sock, "x", 1, 0);
    n = gn_sock_recv(sock, &byte, 1, 0);
    *(_Atomic int *)arg = n ? (int)n : 1;
}

static void a_reset_by_the_client_arrives(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    _Atomic int heard = 0;
    char byte;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", note_the_end, &heard);
    fd = pubnet_dial(pub);
    assert_int_equal(pubnet_read(fd, &byte, 1), 1);
    pubnet_reset(fd);
    gn_test_until(heard != 0);
    assert_int_equal(heard, -ECONNRESET);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void reset_at_once(struct gn_sock *sock, void *arg)
{
    struct linger now = {.l_onoff = 1};
    char byte;

    (void)arg;
    (void)gn_sock_recv(sock, &byte, 1, 0);
    (void)gn_sock_setopt(sock, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void a_reset_by_the_guest_arrives(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    char byte;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", reset_at_once, NULL);
    fd = pubnet_dial(pub);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    close(fd);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void a_guest_that_is_killed_resets_its_clients(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    int fds[20];

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    for (size_t i = 0; i < 20; i++) {
        fds[i] = pubnet_dial(pub);
        pubnet_expect_echo(fds[i], "alive");
    }
    gn_namespace_kill(p->web);
    for (size_t i = 0; i < 20; i++) {
        char byte;

        assert_int_equal(pubnet_read(fds[i], &byte, 1), -ECONNRESET);
        close(fds[i]);
    }
    gn_test_until(pubnet_stats(pub).active == 0);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

/* ---- backpressure ---- */

/* Reads nothing until it is told to, then everything. */
static void read_late(struct gn_sock *sock, void *arg)
{
    _Atomic int *go = arg;
    char *buf = malloc(65536);
    uint64_t since = gn_test_now_ns(), got = 0;
    ssize_t n;

    while (!*go && gn_test_patient(since))
        continue;
    while ((n = gn_sock_recv(sock, buf, 65536, 0)) > 0)
        got += (uint64_t)n;
    (void)gn_sock_send(sock, &got, sizeof(got), 0);
    free(buf);
}

/* Of the guest and of the gateway: two buffers each, by whole chunks. */
#define BUFFERED_MAX (2u * MIB)

static uint64_t buffered(struct pubnet *p)
{
    struct gn_stats web, gateway;

    gn_namespace_stats(p->web, &web);
    gn_namespace_stats(gn_network_gateway(p->net), &gateway);
    return web.buffered + gateway.buffered;
}

/* Until nothing more is taken for a while. */
static uint64_t push_until_stuck(int fd)
{
    static char buf[65536];
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    uint64_t sent = 0;
    ssize_t n;

    while (poll(&poll_fd, 1, 300) == 1) {
        n = send(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            assert_int_equal(errno, EAGAIN);
        else
            sent += (uint64_t)n;
    }
    return sent;
}

static void a_guest_that_does_not_read_holds_the_client_up(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    _Atomic int go = 0;
    uint64_t sent, got;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", read_late, &go);
    fd = pubnet_dial(pub);
    sent = push_until_stuck(fd);
    assert_true(sent > 128u * 1024);
    assert_true(buffered(p) < BUFFERED_MAX);
    go = 1;
    shutdown(fd, SHUT_WR);
    assert_int_equal(recv(fd, &got, sizeof(got), MSG_WAITALL), sizeof(got));
    assert_int_equal(got, sent);
    close(fd);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void write_much(struct gn_sock *sock, void *arg)
{
    static char buf[65536];
    _Atomic uint64_t *sent = arg;

    for (unsigned i = 0; i < 1024; i++) {
        ssize_t n = gn_sock_send(sock, buf, sizeof(buf), 0);

        if (n < 0)
            return;
        *sent += (uint64_t)n;
    }
}

static void a_client_that_does_not_read_holds_the_guest_up(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    _Atomic uint64_t sent = 0;
    uint64_t got = 0, before;
    static char buf[65536];
    ssize_t n;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", write_much, &sent);
    fd = pubnet_dial(pub);
    do {
        before = sent;
        for (unsigned i = 0; i < 200; i++)
            (void)gn_test_patient(gn_test_now_ns());
    } while (sent == 0 || sent != before);
    assert_true(sent < 64u * MIB);
    assert_true(buffered(p) < BUFFERED_MAX);
    while ((n = pubnet_read(fd, buf, sizeof(buf))) > 0)
        got += (uint64_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, 64u * MIB);
    close(fd);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

/* ---- unpublishing ---- */

static void gone(void *arg)
{
    ++*(_Atomic int *)arg;
}

static void unpublish_resets_clients_and_frees_the_port(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    _Atomic int n_gone = 0;
    char listen[32], byte;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    fd = pubnet_dial(pub);
    pubnet_expect_echo(fd, "here");
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", pubnet_port(pub));
    gn_unpublish(pub, gone, &n_gone);
    gn_test_until(n_gone == 1);
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    close(fd);
    pub = pubnet_publish(p, "tcp", listen, "10.77.0.2:80", NULL);
    fd = pubnet_dial(pub);
    pubnet_expect_echo(fd, "again");
    close(fd);
    gn_unpublish(pub, NULL, NULL);
    pubnet_serve_end(&server);
}

static void a_network_that_closes_ends_its_publications(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    char byte;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    fd = pubnet_dial(pub);
    pubnet_expect_echo(fd, "here");
    gn_network_close(p->net, NULL, NULL);
    p->net = NULL;
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    close(fd);
    pubnet_serve_end(&server);
}

static void unpublish_answers_although_the_network_closes(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    _Atomic int n_gone = 0;

    gn_unpublish(pub, gone, &n_gone);
    gn_network_close(p->net, NULL, NULL);
    p->net = NULL;
    assert_int_equal(n_gone, 1);
}

/* ---- refusals ---- */

static void expect_refusal(struct pubnet *p, const char *proto,
                           const char *listen, const char *target, int err,
                           const char *said)
{
    struct gn_publication *pub = NULL;
    char why[200] = "";
    struct gn_publish_options options = {
        .size = sizeof(options), .why = why, .why_len = sizeof(why)};

    assert_int_equal(gn_publish(p->net, proto, listen, target, &options, &pub),
                     err);
    assert_null(pub);
    if (!strstr(why, said))
        fail_msg("\"%s\" does not say \"%s\"", why, said);
    assert_null(strchr(why, '\n'));
}

static void refusals_say_why(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    char listen[32];

    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", pubnet_port(pub));
    expect_refusal(p, "tcp", listen, "web:80", -EADDRINUSE, "port is in use");
    expect_refusal(p, "tcp", "192.0.2.1:8080", "web:80", -EADDRNOTAVAIL,
                   "no such address");
    expect_refusal(p, "sctp", "127.0.0.1:0", "web:80", -EINVAL, "\"tcp6\"");
    expect_refusal(p, "sctp", "127.0.0.1:0", "web:80", -EINVAL, "\"unix\"");
    expect_refusal(p, "tcp", "127.0.0.1:0", "203.0.113.9:80", -EINVAL,
                   "in none of the prefixes");
    expect_refusal(p, "tcp", "127.0.0.1:0", "224.0.0.1:80", -EINVAL,
                   "no guest can have this address");
    expect_refusal(p, "tcp", "127.0.0.1:0", "[::]:80", -EINVAL,
                   "no guest can have this address");
    expect_refusal(p, "tcp", "127.0.0.1:0", "10.77.0.0:80", -EINVAL,
                   "no guest can have this address");
    expect_refusal(p, "udp", "127.0.0.1:0", "10.77.255.255:80", -EINVAL,
                   "no guest can have this address");
    expect_refusal(p, "tcp", "127.0.0.1:0", "[fe80::2]:80", -EINVAL,
                   "[fe80::2%2]:80");
    expect_refusal(p, "udp", "127.0.0.1:0", "127.0.0.1:80", -EINVAL,
                   "no datagrams");
    expect_refusal(p, "udp", "127.0.0.1:0", "127.1:80", -EINVAL, "neither");
    expect_refusal(p, "udp", "127.0.0.1:0", "localhost:80", -EINVAL,
                   "no datagrams");
    expect_refusal(p, "udp", "127.0.0.1:0", "web.LOCALHOST.:80", -EINVAL,
                   "no datagrams");
    expect_refusal(p, "tcp", "127.0.0.1:0", "guest.internal:80", -EINVAL,
                   "one label");
    expect_refusal(p, "tcp", "127.0.0.1:0", "a.web.guest.internal:80", -EINVAL,
                   "one label");
    expect_refusal(p, "tcp", "127.0.0.1", "web:80", -EINVAL, "no port");
    expect_refusal(p, "tcp", "127.0.0.1:65536", "web:80", -EINVAL, "65535");
    expect_refusal(p, "tcp", "example.org:80", "web:80", -EINVAL, "by number");
    expect_refusal(p, "tcp6", "127.0.0.1:0", "web:80", -EINVAL, "IPv6");
    expect_refusal(p, "tcp", "127.0.0.1:0", "web", -EINVAL, "no port");
    expect_refusal(p, "tcp", "127.0.0.1:0", "web:0", -EINVAL, "web:80");
    expect_refusal(p, "tcp", "127.0.0.1:0", ":80", -EINVAL, "a guest");
    expect_refusal(p, "tcp", "127.0.0.1:0", "we b:80", -EINVAL, "neither");
    expect_refusal(p, "tcp", NULL, "web:80", -EINVAL, "listen is NULL");
    expect_refusal(p, "tcp", "127.0.0.1:0", NULL, -EINVAL, "target is NULL");
    expect_refusal(p, NULL, "127.0.0.1:0", "web:80", -EINVAL, "proto");
    gn_unpublish(pub, NULL, NULL);
}

/* May this thread take ports below 1024? Returns whether it might before. */
static bool may_take_low_ports(bool yes)
{
    struct __user_cap_header_struct head = {.version =
                                                _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    uint32_t bit = 1u << CAP_NET_BIND_SERVICE;
    bool might;

    assert_int_equal(syscall(SYS_capget, &head, data), 0);
    might = data[0].effective & bit;
    data[0].effective =
        yes ? data[0].effective | bit : data[0].effective & ~bit;
    assert_int_equal(syscall(SYS_capset, &head, data), 0);
    return might;
}

static unsigned first_port_for_all(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    unsigned port = 1024;

    if (file) {
        if (fscanf(file, "%u", &port) != 1)
            port = 1024;
        fclose(file);
    }
    return port;
}

static void a_low_port_needs_permission(void **state)
{
    struct pubnet *p = *state;
    bool might;

    if (first_port_for_all() <= 7) {
        print_message("skipped: here anybody may take any port\n");
        skip();
    }
    might = may_take_low_ports(false);
    expect_refusal(p, "tcp", "127.0.0.1:7", "web:80", -EACCES, "below 1024");
    if (might)
        (void)may_take_low_ports(true);
}

static void a_virtual_network_has_no_descriptors(void **state)
{
    struct gn_network_config config = {.size = sizeof(config),
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_publication *pub;
    struct gn_network *net;

    (void)state;
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(
        gn_publish(net, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL, &pub),
        -ENOTSUP);
    gn_network_close(net, NULL, NULL);
}

/* Everything in one thread: the caller's, which also is the client. */
static void a_caller_may_drive(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .drive = GN_DRIVE_CALLER};
    struct gn_publication *pub;
    struct sockaddr_storage addr;
    struct gn_namespace *web;
    struct gn_sock *listener, *sock = NULL;
    struct gn_network *net;
    _Atomic int n_gone = 0;
    socklen_t len;
    char byte;
    int fd;

    (void)state;
    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, NULL, &web), 0);
    assert_int_equal(gn_addr_parse("10.77.0.2:80", &addr, &len), 0);
    assert_int_equal(
        gn_sock_open(web, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &listener),
        0);
    assert_int_equal(gn_sock_bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(gn_sock_listen(listener, 1), 0);
    assert_int_equal(
        gn_publish(net, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL, &pub), 0);
    fd = pubnet_dial(pub);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    gn_test_until(
        (gn_network_run(net, GN_RUN_NOWAIT),
         gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &sock) == 0));
    gn_test_until((gn_network_run(net, GN_RUN_NOWAIT),
                   gn_sock_recv(sock, &byte, 1, 0) == 1));
    gn_unpublish(pub, gone, &n_gone);
    assert_int_equal(n_gone, 0);
    gn_test_until((gn_network_run(net, GN_RUN_NOWAIT), n_gone == 1));
    assert_int_equal(pubnet_read(fd, &byte, 1), -ECONNRESET);
    close(fd);
    gn_sock_unref(sock);
    gn_sock_unref(listener);
    n_gone = 0;
    gn_network_close(net, gone, &n_gone);
    gn_test_until((gn_network_run(net, GN_RUN_NOWAIT), n_gone == 1));
}

static int publish_once(struct gn_test_heap *heap, void *arg)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .alloc = &heap->alloc};
    struct gn_publication *pub;
    struct gn_network *net;
    int err = gn_network_create(&config, &net);

    if (err)
        return err;
    err = gn_publish(net, arg, "127.0.0.1:0", "10.77.0.2:80", NULL, &pub);
    if (!err)
        gn_unpublish(pub, NULL, NULL);
    gn_network_close(net, NULL, NULL);
    return err;
}

static void publishing_survives_any_failed_allocation(void **state)
{
    (void)state;
    (void)gn_test_heap_sweep(publish_once, (void *)(uintptr_t) "tcp");
    (void)gn_test_heap_sweep(publish_once, (void *)(uintptr_t) "udp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(pubnet, a_client_reaches_a_guest),
        CASE_OF(pubnet, a_client_reaches_a_guest_by_ipv6),
        CASE_OF(pubnet, a_client_from_loopback_appears_as_the_gateway),
        CASE_OF(pubnet, all_addresses_are_of_both_versions),
        CASE_OF(pubnet, port_0_is_told_back),
        CASE_OF(pubnet, a_target_that_is_not_there_resets),
        CASE_OF(pubnet, a_name_is_looked_up_for_each_client),
        CASE_OF(pubnet, a_publication_is_the_work_of_the_guest_it_leads_to),
        CASE_OF(pubnet,
                a_name_s_publication_is_the_work_of_the_guest_last_found),
        CASE_OF(pubnet, a_name_is_reached_by_the_clients_version),
        CASE_OF(pubnet, the_client_may_end_first),
        CASE_OF(pubnet, the_guest_may_end_first),
        CASE_OF(pubnet, a_reset_by_the_client_arrives),
        CASE_OF(pubnet, a_reset_by_the_guest_arrives),
        CASE_OF(pubnet, a_guest_that_is_killed_resets_its_clients),
        CASE_OF(pubnet, a_guest_that_does_not_read_holds_the_client_up),
        CASE_OF(pubnet, a_client_that_does_not_read_holds_the_guest_up),
        CASE_OF(pubnet, unpublish_resets_clients_and_frees_the_port),
        CASE_OF(pubnet, a_network_that_closes_ends_its_publications),
        CASE_OF(pubnet, unpublish_answers_although_the_network_closes),
        CASE_OF(pubnet, refusals_say_why),
        CASE_OF(pubnet, a_low_port_needs_permission),
        cmocka_unit_test(a_virtual_network_has_no_descriptors),
        cmocka_unit_test(a_caller_may_drive),
        cmocka_unit_test(publishing_survives_any_failed_allocation),
    };

    return cmocka_run_group_tests_name("publish_tcp", tests, NULL, NULL);
}
