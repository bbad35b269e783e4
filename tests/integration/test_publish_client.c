/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Clients that are elsewhere: in a network namespace of their own, behind a
 * pair of veth interfaces, all of it within a user namespace that the program
 * makes for itself. Skipped where the kernel, or a missing ip(8), says no.
 *
 *     here                              away
 *     198.51.100.1  2001:db8::1   ---   198.51.100.7  2001:db8::7
 *     10.77.200.1 (looks like a guest)  10.77.200.7
 *     169.254.200.1  fe80::aa           169.254.200.7  fe80::bb
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/pubnet.h"

static int here, away; /* their namespaces */

/* ---- the namespaces ---- */

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

    if (fd >= 0)
        close(fd);
    return n == (ssize_t)strlen(text);
}

static bool enter_user_namespace(void)
{
    char uid[32], gid[32];

    (void)snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
    (void)snprintf(gid, sizeof(gid), "0 %u 1", getegid());
    return !unshare(CLONE_NEWUSER | CLONE_NEWNET) &&
           write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", uid) &&
           write_file("/proc/self/gid_map", gid);
}

/* Commands of ip(8), one a line, in the namespace of this thread. */
static bool run_ip(const char *commands)
{
    char line[2048];

    (void)snprintf(line, sizeof(line),
                   "ip -batch - <<'EOF' >/dev/null 2>&1\n"
                   "%sEOF\n",
                   commands);
    return system(line) == 0;
}

static bool run_ip_in(int ns, const char *commands)
{
    bool ok = !setns(ns, CLONE_NEWNET) && run_ip(commands);

    return !setns(here, CLONE_NEWNET) && ok;
}

static bool make_namespaces(void)
{
    char commands[200];
    bool ok;
    pid_t pid;

    if (!enter_user_namespace())
        return false;
    here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    pid = fork(); /* By which ip(8) finds the way back. */
    if (pid == 0) {
        pause();
        _exit(0);
    }
    ok = !unshare(CLONE_NEWNET);
    away = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    (void)snprintf(commands, sizeof(commands),
                   "link add v1 type veth peer name v0 netns %d\n", pid);
    ok = ok && run_ip_in(away, commands);
    kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return ok &&
           run_ip_in(here, "link set lo up\n"
                           "link set v0 up\n"
                           "addr add 198.51.100.1/24 dev v0\n"
                           "addr add 198.51.100.2/24 dev v0\n"
                           "addr add 10.77.200.1/24 dev v0\n"
                           "addr add 169.254.200.1/24 dev v0\n"
                           "addr add fe80::aa/64 dev v0 nodad\n"
                           "addr add 2001:db8::1/64 dev v0 nodad\n") &&
           run_ip_in(away, "link set lo up\n"
                           "link set v1 up\n"
                           "addr add 198.51.100.7/24 dev v1\n"
                           "addr add 10.77.200.7/24 dev v1\n"
                           "addr add 169.254.200.7/24 dev v1\n"
                           "addr add fe80::bb/64 dev v1 nodad\n"
                           "addr add 2001:db8::7/64 dev v1 nodad\n");
}

/* ---- clients ---- */

/* A socket that lives there, connected to @address here. */
static int dial(struct gn_publication *pub, int type, const char *address)
{
    struct timeval patience = {.tv_sec = GN_TEST_PATIENCE_MS / 1000};
    struct sockaddr_storage addr;
    char text[64];
    socklen_t len;
    int fd;

    (void)snprintf(text, sizeof(text), "%s:%u", address, pubnet_port(pub));
    assert_int_equal(gn_addr_parse(text, &addr, &len), 0);
    assert_int_equal(setns(away, CLONE_NEWNET), 0);
    fd = socket(addr.ss_family, type | SOCK_CLOEXEC, 0);
    assert_int_equal(setns(here, CLONE_NEWNET), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
    return fd;
}

/* Its own address, as gn_addr_format() has it. */
static const char *name_of(int fd)
{
    static char text[GN_ADDR_TEXT_MAX];
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&addr, text, sizeof(text)), 0);
    return text;
}

/* ---- streams ---- */

static void expect_shown(struct pubnet *p, const char *at, const char *target)
{
    struct gn_publication *pub = pubnet_publish(p, "tcp", ":0", target, NULL);
    struct pubnet_server server;
    int fd;

    pubnet_serve(&server, p->web, target, pubnet_name_peer, NULL);
    fd = dial(pub, SOCK_STREAM, at);
    assert_string_equal(pubnet_read_all(fd), name_of(fd));
    assert_int_equal(pubnet_stats(pub).as_gateway, 0);
    close(fd);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void the_guest_sees_the_client(void **state)
{
    expect_shown(*state, "198.51.100.1", "10.77.0.2:80");
}

static void the_guest_sees_the_client_over_ipv6(void **state)
{
    expect_shown(*state, "[2001:db8::1]", "[fd77::2]:80");
}

static void expect_hidden(struct pubnet *p, const char *at, const char *target,
                          bool as_gateway, const char *gateway)
{
    struct gn_publish_options options = {.size = sizeof(options),
                                         .as_gateway = as_gateway};
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", ":0", target, &options);
    struct pubnet_server server;
    int fd;

    pubnet_serve(&server, p->web, target, pubnet_name_peer, NULL);
    fd = dial(pub, SOCK_STREAM, at);
    assert_memory_equal(pubnet_read_all(fd), gateway, strlen(gateway));
    assert_int_equal(pubnet_stats(pub).as_gateway, as_gateway ? 0 : 1);
    close(fd);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void unless_asked_otherwise(void **state)
{
    expect_hidden(*state, "198.51.100.1", "10.77.0.2:80", true, "10.77.0.1:");
}

static void a_client_with_a_guests_address_appears_as_the_gateway(void **state)
{
    expect_hidden(*state, "10.77.200.1", "10.77.0.2:80", false, "10.77.0.1:");
}

/* Where v0's link-local address is, as seen away. */
static const char *linklocal6(void)
{
    static char text[32];

    assert_int_equal(setns(away, CLONE_NEWNET), 0);
    (void)snprintf(text, sizeof(text), "[fe80::aa%%%u]", if_nametoindex("v1"));
    assert_int_equal(setns(here, CLONE_NEWNET), 0);
    return text;
}

static void a_link_local_client_appears_as_the_gateway(void **state)
{
    expect_hidden(*state, "169.254.200.1", "10.77.0.2:80", false, "10.77.0.1:");
    expect_hidden(*state, linklocal6(), "[fd77::2]:80", false, "[fd77::1]:");
}

static void a_client_of_the_other_version_appears_as_the_gateway(void **state)
{
    expect_hidden(*state, "198.51.100.1", "[fd77::2]:80", false, "[fd77::1]:");
}

static void many_clients_come_at_once(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", ":0", "10.77.0.2:80", NULL);
    struct pubnet_server server;
    int fds[300];

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    for (size_t i = 0; i < 300; i++)
        fds[i] = dial(pub, SOCK_STREAM, "198.51.100.1");
    for (size_t i = 0; i < 300; i++)
        pubnet_expect_echo(fds[i], "many");
    for (size_t i = 0; i < 300; i++)
        close(fds[i]);
    gn_test_until(pubnet_stats(pub).active == 0);
    assert_int_equal(pubnet_stats(pub).as_gateway, 0);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

/* A client away, always from the same port. */
static int dial_from(struct gn_publication *pub, uint16_t port)
{
    struct timeval patience = {.tv_sec = GN_TEST_PATIENCE_MS / 1000};
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in remote = {.sin_family = AF_INET,
                                 .sin_port = htons(pubnet_port(pub))};
    int fd, on = 1;

    assert_int_equal(inet_pton(AF_INET, "198.51.100.1", &remote.sin_addr), 1);
    assert_int_equal(setns(away, CLONE_NEWNET), 0);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setns(here, CLONE_NEWNET), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&remote, sizeof(remote)),
                     0);
    return fd;
}

/* Its guest closes first, over a slow line: what both ends had is not over yet
 * when the client is back. */
static void a_client_that_is_back_is_still_itself(void **state)
{
    struct pubnet *p = *state;
    struct gn_link_config slow = {.size = sizeof(slow), .latency_us = 40000};
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", ":0", "10.77.0.2:80", NULL);
    struct pubnet_server server;

    assert_int_equal(gn_link_set(p->web, NULL, &slow), 0);
    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_name_peer, NULL);
    for (unsigned i = 0; i < 5; i++) {
        int fd = dial_from(pub, 23457);

        assert_string_equal(pubnet_read_all(fd), name_of(fd));
        close(fd);
    }
    assert_int_equal(pubnet_stats(pub).as_gateway, 0);
    assert_int_equal(pubnet_stats(pub).unreached, 0);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

/* By two publications of one port the guest would see one client twice. */
static void a_second_connection_of_a_client_is_turned_away(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pubs[2];
    struct pubnet_server server;
    int fds[2];
    char byte;

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    for (size_t i = 0; i < 2; i++) {
        pubs[i] = pubnet_publish(p, "tcp", ":0", "10.77.0.2:80", NULL);
        fds[i] = dial_from(pubs[i], 23458);
        if (i == 0)
            pubnet_expect_echo(fds[i], "first");
    }
    assert_int_equal(pubnet_read(fds[1], &byte, 1), -ECONNRESET);
    assert_int_equal(pubnet_stats(pubs[1]).unreached, 1);
    assert_int_equal(pubnet_stats(pubs[1]).as_gateway, 0);
    gn_test_until(pubnet_said(p, "a client was turned away: "));
    pubnet_expect_echo(fds[0], "still");
    close(fds[0]);
    close(fds[1]);
    pubnet_serve_end(&server);
    gn_unpublish(pubs[0], NULL, NULL);
    gn_unpublish(pubs[1], NULL, NULL);
}

/* Again from the same port, as soon as it is closed. */
static void a_client_may_come_back(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", ":0", "10.77.0.2:80", NULL);
    struct pubnet_server server;

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    for (unsigned i = 0; i < 50; i++) {
        int fd = dial_from(pub, 23456);

        pubnet_expect_echo(fd, "again");
        pubnet_reset(fd);
    }
    gn_test_until(pubnet_stats(pub).active == 0);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

static void note_error(struct gn_sock *sock, void *arg)
{
    char byte;
    ssize_t n;

    while ((n = gn_sock_recv(sock, &byte, 1, 0)) > 0)
        (void)gn_sock_send(sock, &byte, 1, 0);
    *(_Atomic int *)arg = n ? (int)n : 1;
}

static void a_client_that_vanishes_is_missed(void **state)
{
    struct pubnet *p = *state;
    struct gn_publish_options options = {.size = sizeof(options),
                                         .keepalive_s = 1};
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", ":0", "10.77.0.2:80", &options);
    struct pubnet_server server;
    _Atomic int heard = 0;
    int fd;

    pubnet_serve(&server, p->web, "10.77.0.2:80", note_error, &heard);
    fd = dial(pub, SOCK_STREAM, "198.51.100.1");
    pubnet_expect_echo(fd, "here");
    assert_true(run_ip_in(away, "link set v1 down\n"));
    gn_test_until(heard != 0);
    assert_int_equal(heard, -ECONNRESET);
    gn_test_until(pubnet_stats(pub).active == 0);
    close(fd);
    assert_true(run_ip_in(away, "link set v1 up\n"
                                "addr replace 2001:db8::7/64 dev v1 nodad\n"));
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

/* ---- datagrams ---- */

static struct gn_sock *bind_guest(struct pubnet *p, const char *address)
{
    struct timeval patience = {.tv_sec = GN_TEST_PATIENCE_MS / 1000};
    struct sockaddr_storage addr;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse(address, &addr, &len), 0);
    assert_int_equal(gn_sock_open(p->web, addr.ss_family, SOCK_DGRAM, 0, &sock),
                     0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&addr, len), 0);
    (void)gn_sock_setopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience,
                         sizeof(patience));
    return sock;
}

/* Receive one, say which peer it is from, and answer. */
static const char *answer_one(struct gn_sock *sock)
{
    static char text[GN_ADDR_TEXT_MAX];
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char buf[100];
    ssize_t n = gn_sock_recvfrom(sock, buf, sizeof(buf), 0,
                                 (struct sockaddr *)&from, &len);

    assert_true(n >= 0);
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&from, text, sizeof(text)), 0);
    assert_int_equal(
        gn_sock_sendto(sock, buf, (size_t)n, 0, (struct sockaddr *)&from, len),
        n);
    return text;
}

static void expect_flow(struct pubnet *p, const char *at, const char *target)
{
    struct gn_publication *pub = pubnet_publish(p, "udp", ":0", target, NULL);
    struct gn_sock *sock = bind_guest(p, target);
    char buf[100];
    int fd;

    fd = dial(pub, SOCK_DGRAM, at);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(send(fd, "question", 8, 0), 8);
        assert_string_equal(answer_one(sock), name_of(fd));
        assert_int_equal(pubnet_read(fd, buf, sizeof(buf)), 8);
        assert_memory_equal(buf, "question", 8);
    }
    assert_int_equal(pubnet_stats(pub).accepted, 1);
    assert_int_equal(pubnet_stats(pub).as_gateway, 0);
    close(fd);
    gn_sock_close(sock);
    gn_sock_unref(sock);
    gn_unpublish(pub, NULL, NULL);
}

static void a_flow_shows_its_client(void **state)
{
    expect_flow(*state, "198.51.100.1", "10.77.0.2:53");
}

/* connect(2) away takes answers from there only. */
static void a_flow_answers_from_the_second_address(void **state)
{
    expect_flow(*state, "198.51.100.2", "10.77.0.2:53");
}

static void a_flow_shows_its_client_over_ipv6(void **state)
{
    expect_flow(*state, "[2001:db8::1]", "[fd77::2]:53");
}

static void expect_hidden_flow(struct pubnet *p, const char *at,
                               const char *target, const char *gateway)
{
    struct gn_publication *pub = pubnet_publish(p, "udp", ":0", target, NULL);
    struct gn_sock *sock = bind_guest(p, target);
    char buf[100];
    int fd = dial(pub, SOCK_DGRAM, at);

    assert_int_equal(send(fd, "question", 8, 0), 8);
    assert_memory_equal(answer_one(sock), gateway, strlen(gateway));
    assert_int_equal(pubnet_read(fd, buf, sizeof(buf)), 8);
    assert_int_equal(pubnet_stats(pub).as_gateway, 1);
    close(fd);
    gn_sock_close(sock);
    gn_sock_unref(sock);
    gn_unpublish(pub, NULL, NULL);
}

static void a_hidden_client_is_the_gateway_in_flows_too(void **state)
{
    expect_hidden_flow(*state, "10.77.200.1", "10.77.0.2:53", "10.77.0.1:");
    expect_hidden_flow(*state, "169.254.200.1", "10.77.0.2:53", "10.77.0.1:");
    expect_hidden_flow(*state, linklocal6(), "[fd77::2]:53", "[fd77::1]:");
    expect_hidden_flow(*state, "198.51.100.1", "[fd77::2]:53", "[fd77::1]:");
}

/* The guest could not tell the two apart, and the client shall not become the
 * gateway. */
static void a_second_flow_of_a_client_is_turned_away(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pubs[2];
    struct gn_sock *sock = bind_guest(p, "10.77.0.2:53");
    struct sockaddr_in to = {.sin_family = AF_INET};
    char byte;
    int fd;

    for (size_t i = 0; i < 2; i++)
        pubs[i] = pubnet_publish(p, "udp", ":0", "10.77.0.2:53", NULL);
    fd = dial(pubs[0], SOCK_DGRAM, "198.51.100.1");
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_string_equal(answer_one(sock), name_of(fd));
    assert_int_equal(pubnet_read(fd, &byte, 1), 1);
    assert_int_equal(inet_pton(AF_INET, "198.51.100.1", &to.sin_addr), 1);
    to.sin_port = htons(pubnet_port(pubs[1]));
    assert_int_equal(sendto(fd, "y", 1, 0, (struct sockaddr *)&to, sizeof(to)),
                     1);
    gn_test_until(pubnet_stats(pubs[1]).unreached == 1);
    assert_int_equal(pubnet_stats(pubs[1]).as_gateway, 0);
    assert_int_equal(pubnet_stats(pubs[1]).dropped, 1);
    close(fd);
    gn_sock_close(sock);
    gn_sock_unref(sock);
    gn_unpublish(pubs[0], NULL, NULL);
    gn_unpublish(pubs[1], NULL, NULL);
}

/* The client has gone; its kernel says so, and the guest hears it. */
static void expect_told(struct pubnet *p, const char *proto,
                        const char *host_ip, const char *guest)
{
    struct gn_publication *pub = pubnet_publish(p, proto, ":0", guest, NULL);
    struct gn_sock *sock = bind_guest(p, guest);
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char byte;
    int fd = dial(pub, SOCK_DGRAM, host_ip);

    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_int_equal(
        gn_sock_recvfrom(sock, &byte, 1, 0, (struct sockaddr *)&from, &len), 1);
    close(fd);
    assert_int_equal(gn_sock_connect(sock, (struct sockaddr *)&from, len), 0);
    assert_int_equal(gn_sock_send(sock, "y", 1, 0), 1);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -ECONNREFUSED);
    gn_sock_close(sock);
    gn_sock_unref(sock);
    gn_unpublish(pub, NULL, NULL);
}

static void a_client_that_hears_no_more_is_told(void **state)
{
    expect_told(*state, "udp", "198.51.100.1", "10.77.0.2:53");
    expect_told(*state, "udp", "198.51.100.2", "10.77.0.2:53");
    expect_told(*state, "udp4", "198.51.100.2", "10.77.0.2:53");
    expect_told(*state, "udp", "[2001:db8::1]", "[fd77::2]:53");
    expect_told(*state, "udp6", "[2001:db8::1]", "[fd77::2]:53");
}

static void a_closed_port_ends_the_flow(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", ":0", "10.77.0.2:53", NULL);
    int fd = dial(pub, SOCK_DGRAM, "198.51.100.1");

    assert_int_equal(send(fd, "x", 1, 0), 1);
    gn_test_until(pubnet_stats(pub).unreached == 1);
    assert_int_equal(pubnet_stats(pub).active, 0);
    close(fd);
    gn_unpublish(pub, NULL, NULL);
}

static void a_guest_that_is_killed_ends_its_flows(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "udp", ":0", "10.77.0.2:53", NULL);
    struct gn_sock *sock = bind_guest(p, "10.77.0.2:53");
    int fd = dial(pub, SOCK_DGRAM, "198.51.100.1");
    char byte;

    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), 1);
    gn_namespace_close(p->web, 0, NULL, NULL);
    assert_int_equal(send(fd, "y", 1, 0), 1);
    gn_test_until(pubnet_stats(pub).active == 0);
    close(fd);
    gn_sock_unref(sock);
    gn_unpublish(pub, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(pubnet, the_guest_sees_the_client),
        CASE_OF(pubnet, the_guest_sees_the_client_over_ipv6),
        CASE_OF(pubnet, unless_asked_otherwise),
        CASE_OF(pubnet, a_client_with_a_guests_address_appears_as_the_gateway),
        CASE_OF(pubnet, a_link_local_client_appears_as_the_gateway),
        CASE_OF(pubnet, a_client_of_the_other_version_appears_as_the_gateway),
        CASE_OF(pubnet, many_clients_come_at_once),
        CASE_OF(pubnet, a_client_may_come_back),
        CASE_OF(pubnet, a_client_that_is_back_is_still_itself),
        CASE_OF(pubnet, a_second_connection_of_a_client_is_turned_away),
        CASE_OF(pubnet, a_flow_shows_its_client),
        CASE_OF(pubnet, a_flow_answers_from_the_second_address),
        CASE_OF(pubnet, a_flow_shows_its_client_over_ipv6),
        CASE_OF(pubnet, a_hidden_client_is_the_gateway_in_flows_too),
        CASE_OF(pubnet, a_second_flow_of_a_client_is_turned_away),
        CASE_OF(pubnet, a_client_that_hears_no_more_is_told),
        CASE_OF(pubnet, a_closed_port_ends_the_flow),
        CASE_OF(pubnet, a_guest_that_is_killed_ends_its_flows),
        CASE_OF(pubnet, a_client_that_vanishes_is_missed),
    };

    if (!make_namespaces()) {
        printf("skipped: no network namespaces of our own, or no ip(8)\n");
        return 77;
    }
    return cmocka_run_group_tests_name("publish_client", tests, NULL, NULL);
}
