/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What guests cost the process in descriptors: bounded for each guest and for
 * all of them, counted at the one that hit the bound, and below what the
 * process may have, so that the host program goes on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/descriptors.h"
#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/socks.h"

/** What the process may open, in most cases here; half of it is for guests. */
#define PROCESS 256u
#define GUESTS  (PROCESS / 2)

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})

struct fixture {
    struct eg eg;
    rlim_t before;
    unsigned n_open;
    int server; /* a listener of the kernel's */
};

static rlim_t process_may_open(rlim_t n)
{
    struct rlimit limit;
    rlim_t before;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static int setup(void **state)
{
    static struct fixture f;

    f.before = process_may_open(PROCESS);
    f.n_open = gn_test_descriptors();
    f.server = near_socket(SOCK_STREAM, "127.0.0.1:0", true);
    eg_begin(&f.eg, RULES("allow 127.0.0.1", "listen 127.0.0.1"), NULL);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->eg.net)
        eg_end(&f->eg);
    close(f->server);
    assert_int_equal(gn_test_descriptors(), f->n_open);
    (void)process_may_open(f->before);
    return 0;
}

static struct gn_namespace *guest_with(struct fixture *f, uint32_t max)
{
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .egress = f->eg.egress,
                                         .limits.max_descriptors = max};
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(f->eg.net, &config, &ns), 0);
    return ns;
}

static struct gn_stats stats_of(struct gn_namespace *ns)
{
    struct gn_stats stats;

    gn_namespace_stats(ns, &stats);
    return stats;
}

/* Until what was sent has been dealt with: datagrams to as many ports of the
 * machine's loopback. */
static void flood(struct gn_namespace *ns, struct gn_sock *sock, unsigned n)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    unsigned i;

    assert_int_equal(inet_pton(AF_INET, GATEWAY4, &to.sin_addr), 1);
    for (i = 0; i < n; i++) {
        to.sin_port = htons((uint16_t)(20000 + i));
        assert_int_equal(
            gn_sock_sendto(sock, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)),
            1);
        if (i % 64 == 63) /* No more wait than may. */
            (void)gn_sleep_ns(ns, 2000000);
    }
    for (i = 0; i < 5000 && !stats_of(ns).flows_evicted; i++)
        (void)gn_sleep_ns(ns, 1000000);
}

/* One that makes room for another has one less for a moment; never one more. So
 * the number is looked at once where it is right. */
static void has_descriptors(struct gn_namespace *ns, unsigned n)
{
    uint64_t has = stats_of(ns).descriptors;
    unsigned i;

    for (i = 0; i < 10000 && has < n; i++) {
        (void)gn_sleep_ns(ns, 1000000);
        has = stats_of(ns).descriptors;
    }
    assert_int_equal(has, n);
}

static struct gn_sock *dial(struct fixture *f, struct gn_namespace *ns,
                            int *err)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &sock), 0);
    *err = eg_connect(sock, GATEWAY4, far_port(f->server));
    return sock;
}

static void drop_sock(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static void a_dial_works(struct fixture *f, struct gn_namespace *ns)
{
    struct gn_sock *sock;
    int err, fd;

    sock = dial(f, ns, &err);
    assert_int_equal(err, 0);
    fd = eg_accept(f->server);
    eg_talk(sock, fd);
    close(fd);
    drop_sock(sock);
}

static void one_guest_alone_has_half_of_what_guests_have(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *quiet = guest_with(f, 0);
    struct gn_sock *sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    struct gn_publication *pub;
    int fd;

    flood(f->eg.guest, sock, 1100);
    has_descriptors(f->eg.guest, GUESTS / 2);
    assert_true(stats_of(f->eg.guest).flows_evicted > 0);
    assert_int_equal(stats_of(quiet).flows_evicted, 0);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    close(fd);
    a_dial_works(f, quiet);
    assert_int_equal(
        gn_publish(f->eg.net, "tcp", "127.0.0.1:0", "guest:80", NULL, &pub), 0);
    gn_unpublish(pub, NULL, NULL);
    drop_sock(sock);
}

static void a_peer_that_is_new_is_heard_when_all_are_taken(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    struct gn_sock *asker = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    int far = near_socket(SOCK_DGRAM, "127.0.0.1:0", false);
    char byte;

    flood(f->eg.guest, sock, 600);
    assert_int_equal(eg_connect(asker, GATEWAY4, far_port(far)), 0);
    assert_int_equal(gn_sock_send(asker, "q", 1, 0), 1);
    assert_true(eg_readable(far, 10000));
    assert_int_equal(recv(far, &byte, 1, 0), 1);
    assert_int_equal(byte, 'q');
    drop_sock(asker);
    drop_sock(sock);
    close(far);
}

static void many_that_take_all_they_can_leave_some(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *greedy[3], *quiet = guest_with(f, 0);
    struct gn_sock *sock[3];
    unsigned i;

    for (i = 0; i < 3; i++) {
        greedy[i] = guest_with(f, 0);
        assert_int_equal(
            gn_sock_open(greedy[i], AF_INET, SOCK_DGRAM, 0, &sock[i]), 0);
        flood(greedy[i], sock[i], 600);
    }
    a_dial_works(f, quiet);
    for (i = 0; i < 3; i++)
        drop_sock(sock[i]);
}

static void a_number_of_its_own_holds(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = guest_with(f, 2);
    struct gn_sock *socks[3];
    int errs[3], fds[2];
    unsigned i;

    for (i = 0; i < 3; i++)
        socks[i] = dial(f, ns, &errs[i]);
    assert_int_equal(errs[0], 0);
    assert_int_equal(errs[1], 0);
    assert_int_equal(errs[2], -ENOBUFS);
    assert_int_equal(stats_of(ns).descriptors, 2);
    assert_int_equal(stats_of(ns).drops[GN_DROP_DESCRIPTORS], 1);
    for (i = 0; i < 2; i++)
        fds[i] = eg_accept(f->server);
    for (i = 0; i < 3; i++)
        drop_sock(socks[i]);
    close(fds[0]);
    close(fds[1]);
    for (i = 0; i < 10000 && stats_of(ns).descriptors; i++)
        (void)gn_sleep_ns(ns, 1000000);
    assert_int_equal(stats_of(ns).descriptors, 0);
    a_dial_works(f, ns);
}

static struct gn_sock *listen_on(struct gn_namespace *ns, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(gn_sock_listen(sock, 1), 0);
    return sock;
}

static void ports_that_are_shown_count(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *ns = guest_with(f, 1);
    /* Below those that the kernel gives to others. */
    uint16_t port = (uint16_t)(10000 + getpid() % 20000);
    struct gn_sock *first, *second;
    unsigned i;

    first = listen_on(ns, port);
    for (i = 0; i < 10000 && !stats_of(ns).descriptors; i++)
        (void)gn_sleep_ns(ns, 1000000);
    second = listen_on(ns, port + 1);
    for (i = 0; i < 10000 && !stats_of(ns).drops[GN_DROP_DESCRIPTORS]; i++)
        (void)gn_sleep_ns(ns, 1000000);
    assert_int_equal(stats_of(ns).descriptors, 1);
    assert_int_equal(stats_of(ns).drops[GN_DROP_DESCRIPTORS], 1);
    drop_sock(first);
    drop_sock(second);
}

struct said {
    _Atomic bool it;
};

static void on_line(enum gn_log_level level, const char *line, void *arg)
{
    struct said *said = arg;

    (void)level;
    if (strstr(line, "guest web: a client of its port ") &&
        strstr(line, " as it is shown was turned away: "))
        said->it = true;
}

static void reach_shown(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
}

static void a_client_of_a_shown_port_that_is_turned_away_is_said(void **state)
{
    static const char *const prefixes[] = {"10.78.0.0/24", NULL};
    static struct said said;
    struct fixture *f = *state;
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .log = on_line,
                                       .log_arg = &said};
    struct gn_namespace_config guest = {.size = sizeof(guest),
                                        .name = "web",
                                        .egress = f->eg.egress,
                                        .limits.max_descriptors = 1};
    uint16_t port = (uint16_t)(10000 + getpid() % 20000);
    struct gn_namespace *ns;
    struct gn_network *net;
    struct gn_sock *sock;
    unsigned i;

    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, &guest, &ns), 0);
    sock = listen_on(ns, port);
    for (i = 0; i < 10000 && !stats_of(ns).descriptors; i++)
        (void)gn_sleep_ns(ns, 1000000);
    reach_shown(port); /* The window has the guest's only descriptor. */
    for (i = 0; i < 10000 && !said.it; i++)
        (void)gn_sleep_ns(ns, 1000000);
    assert_true(said.it);
    drop_sock(sock);
    gn_network_close(net, NULL, NULL);
}

static bool is_waiting(int server)
{
    struct pollfd pfd = {.fd = server, .events = POLLIN};

    return poll(&pfd, 1, 0) == 1;
}

static struct gn_sock *dial_web(struct fixture *f)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_dial(f->eg.guest, "tcp4", "10.77.0.99:80", 30000,
                                  NULL, 0, &sock),
                     0);
    return sock;
}

static void clients_of_a_listening_descriptor_count_and_wait(void **state)
{
    static const char *const addresses[] = {"10.77.0.99", NULL};
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .addresses = addresses,
                                         .limits.max_descriptors = 1};
    struct fixture *f = *state;
    struct gn_sock *first, *second;
    struct gn_listener *listener;
    struct gn_namespace *web;
    int server, fd;

    assert_int_equal(gn_namespace_create(f->eg.net, &config, &web), 0);
    assert_int_equal(gn_listen_fd(web, "tcp4", ":80", NULL, &server, &listener),
                     0);
    first = dial_web(f);
    fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(stats_of(web).descriptors, 1);
    second = dial_web(f);
    eg_talk(first, fd); /* So the driving thread has had its turn. */
    assert_int_equal(stats_of(web).descriptors, 1);
    assert_false(is_waiting(server));
    close(fd);
    drop_sock(first);
    fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(gn_sock_send(second, "x", 1, 0), 1);
    assert_true(eg_readable(fd, 10000));
    close(fd);
    drop_sock(second);
    gn_listener_close(listener, NULL, NULL);
    close(server);
}

static void a_network_has_a_number_of_its_own(void **state)
{
    static const char *const prefixes[] = {"10.78.0.0/24", NULL};
    struct fixture *f = *state;
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .max_descriptors = 8};
    struct gn_namespace_config guest = {.size = sizeof(guest),
                                        .egress = f->eg.egress};
    struct gn_namespace *ns;
    struct gn_network *net;
    struct gn_sock *socks[5];
    int errs[5], fds[4];
    unsigned i;

    assert_int_equal(gn_network_create(&config, &net), 0);
    assert_int_equal(gn_namespace_create(net, &guest, &ns), 0);
    for (i = 0; i < 5; i++) {
        assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &socks[i]),
                         0);
        errs[i] = eg_connect(socks[i], "10.78.0.1", far_port(f->server));
    }
    for (i = 0; i < 4; i++) {
        assert_int_equal(errs[i], 0);
        fds[i] = eg_accept(f->server);
    }
    assert_int_equal(errs[4], -ENOBUFS); /* Four are left, and it has four. */
    gn_network_close(net, NULL, NULL);   /* With all of them open. */
    for (i = 0; i < 5; i++)
        gn_sock_unref(socks[i]);
    for (i = 0; i < 4; i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_guest_alone_has_half_of_what_guests_have),
        CASE(a_peer_that_is_new_is_heard_when_all_are_taken),
        CASE(many_that_take_all_they_can_leave_some),
        CASE(a_number_of_its_own_holds),
        CASE(ports_that_are_shown_count),
        CASE(a_client_of_a_shown_port_that_is_turned_away_is_said),
        CASE(clients_of_a_listening_descriptor_count_and_wait),
        CASE(a_network_has_a_number_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
