/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Memory and descriptors run out in all that a guest and the outside have with
 * each other by a host: the ready one with the kernel's sockets on loopback,
 * and one of the test's own, whose clients are shown. What fails, fails in
 * order; the rest goes on; and nothing is left, no descriptor either.
 */
#include "host/egress/egress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "namespace/internal.h"
#include "tests/lib/descriptors.h"
#include "tests/lib/desk.h"
#include "tests/lib/farside.h"
#include "tests/lib/socks.h"

#define STEPS_MAX 100u
#define STEP_NS   100000000ull

struct world {
    struct gn_clock *clock;
    struct gn_network *net;
    struct gn_test_desk desk;
    struct gn_egress *egress;
    struct gn_namespace *guest; /* 10.77.0.2, fd77::2 */
    struct gn_sock *sock;
    struct gn_sock *server;
    int fd;
    int (*talk)(struct world *world);
    /* of a host of our own */
    struct gn_egress_listener *listener;
    struct gn_egress_port *port;
    unsigned n_sent;
};

/* Kernel sockets that are there all the time: 127.0.0.1, ::1. */
static int tcp = -1, udp = -1;
static unsigned short tcp_port, udp_port, free_port;
static char rules_text[4][64];

/* ---- a host of our own ---- */

static int hook_listen(void *self, struct gn_egress_listener *listener,
                       const struct sockaddr *local)
{
    struct world *w = self;

    (void)local;
    w->listener = listener;
    return 0;
}

static int hook_listen_packet(void *self, struct gn_egress_port *port,
                              const struct sockaddr *local)
{
    struct world *w = self;

    (void)local;
    w->port = port;
    return 0;
}

static void hook_cancel(void *self, void *request)
{
    struct world *w = self;

    if (w->listener == request)
        w->listener = NULL;
    if (w->port == request)
        w->port = NULL;
}

static void hook_send(void *self, struct gn_egress_port *port,
                      const void *bytes, size_t len,
                      const struct sockaddr *from, const struct sockaddr *to)
{
    struct world *w = self;

    (void)port, (void)bytes, (void)len, (void)from, (void)to;
    w->n_sent++;
}

static const struct gn_egress_ops ops = {
    .name = "test",
    .listen = hook_listen,
    .listen_packet = hook_listen_packet,
    .cancel = hook_cancel,
    .send = hook_send,
};

/* ---- the world ---- */

static int create_host(struct world *w, struct gn_test_heap *heap, bool system)
{
    static const char *const rules[] = {rules_text[0], rules_text[1],
                                        rules_text[2], rules_text[3], NULL};
    struct gn_policy policy = {
        .size = sizeof(policy), .rules = rules, .alloc = &heap->alloc};
    struct gn__mem mem;

    if (system)
        return gn_egress_system(&policy, &w->egress);
    gn__mem_init(&mem, &heap->alloc);
    return gn__egress_create(&ops, w, &mem, &w->egress);
}

static int build(struct world *w, struct gn_test_heap *heap, bool system)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct gn_clock_config clock = {.size = sizeof(clock),
                                    .alloc = &heap->alloc};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_namespace_config guest = {.size = sizeof(guest)};
    int err;

    err = gn_clock_create(&clock, &w->clock);
    if (err)
        return err;
    config.clock = w->clock;
    err = gn_network_create(&config, &w->net);
    if (err)
        return err;
    gn_test_desk_init(&w->desk, w->clock, &heap->alloc);
    assert_int_equal(gn__network_set_io(w->net, &w->desk.io), 0);
    err = create_host(w, heap, system);
    guest.egress = w->egress;
    return err ? err : gn_namespace_create(w->net, &guest, &w->guest);
}

static void destroy(struct world *w)
{
    if (w->sock)
        drop(w->sock);
    if (w->server)
        drop(w->server);
    gn_network_close(w->net, NULL, NULL);
    gn_egress_close(w->egress);
    if (w->net) {
        gn_test_desk_await_loopback(&w->desk);
        gn_test_desk_done(&w->desk);
    }
    gn_clock_close(w->clock);
    if (w->fd >= 0)
        close(w->fd);
}

/* Until it is so, or for so long that it never will be. */
#define step_until(w, condition)                   \
    do {                                           \
        unsigned left_ = STEPS_MAX;                \
        while (!(condition) && left_--) {          \
            gn_test_desk_turn(&(w)->desk);         \
            gn_clock_advance((w)->clock, STEP_NS); \
        }                                          \
    } while (0)

/* An error, or nothing where there should be something: it was lost. */
static int lost(void)
{
    return -ENOMEM;
}

static int open_sock(struct world *w, int type)
{
    return gn_sock_open(w->guest, AF_INET, type | SOCK_NONBLOCK, 0, &w->sock);
}

static int open_bound(struct world *w, int type)
{
    char at[32];
    int err = open_sock(w, type);

    snprintf(at, sizeof(at), "0.0.0.0:%u", free_port);
    if (!err)
        err = bind_to(w->sock, at);
    if (!err && type == SOCK_STREAM)
        err = gn_sock_listen(w->sock, 4);
    gn_test_desk_turn(&w->desk);
    return err;
}

static ssize_t take(int fd)
{
    char buf[8];

    return recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
}

static ssize_t take_in(struct gn_sock *sock)
{
    char buf[8];

    return gn_sock_recv(sock, buf, sizeof(buf), 0);
}

/* Four bytes each way between a guest's stream and a descriptor. */
static int exchange(struct world *w, struct gn_sock *sock, int fd)
{
    ssize_t n = -EAGAIN;

    step_until(w, (n = gn_sock_send(sock, "ping", 4, 0)) != -EAGAIN);
    if (n != 4)
        return lost();
    step_until(w, (n = take(fd)) >= 0);
    if (n != 4)
        return lost();
    (void)!send(fd, "pong", 4, MSG_NOSIGNAL);
    step_until(w, (n = take_in(sock)) != -EAGAIN);
    return n == 4 ? 0 : lost();
}

static int talk_connect(struct world *w)
{
    char to[32];
    int err = open_sock(w, SOCK_STREAM);

    if (err)
        return err;
    snprintf(to, sizeof(to), "10.77.0.1:%u", tcp_port);
    err = connect_to(w->sock, to);
    if (err != -EINPROGRESS)
        return lost();
    step_until(w, (w->fd = accept4(tcp, NULL, NULL, SOCK_CLOEXEC)) >= 0);
    return w->fd < 0 ? lost() : exchange(w, w->sock, w->fd);
}

static int talk_datagram(struct world *w)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    char to[32], buf[8];
    ssize_t n = -1;
    int err = open_sock(w, SOCK_DGRAM);

    if (err)
        return err;
    snprintf(to, sizeof(to), "10.77.0.1:%u", udp_port);
    if (send_text_to(w->sock, "ask", to) != 3)
        return lost();
    step_until(w, (n = recvfrom(udp, buf, sizeof(buf), MSG_DONTWAIT,
                                (struct sockaddr *)&peer, &len)) >= 0);
    if (n != 3)
        return lost();
    (void)!sendto(udp, "answer", 6, 0, (struct sockaddr *)&peer, len);
    step_until(w, (n = take_in(w->sock)) != -EAGAIN);
    return n == 6 ? 0 : lost();
}

static int reach_kernel(struct world *w, int type)
{
    char to[32];
    struct sockaddr_storage addr;
    socklen_t len;

    snprintf(to, sizeof(to), "127.0.0.1:%u", free_port);
    assert_int_equal(gn_addr_parse(to, &addr, &len), 0);
    w->fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        return lost();
    return connect(w->fd, (struct sockaddr *)&addr, len) ? lost() : 0;
}

static int accept_and_exchange(struct world *w)
{
    int err = -EAGAIN;

    step_until(w, (err = gn_sock_accept(w->sock, NULL, NULL, SOCK_NONBLOCK,
                                        &w->server)) != -EAGAIN);
    return err ? lost() : exchange(w, w->server, w->fd);
}

static int talk_listen(struct world *w)
{
    int err = open_bound(w, SOCK_STREAM);

    if (!err)
        err = reach_kernel(w, SOCK_STREAM);
    return err ? err : accept_and_exchange(w);
}

static int answer_one(struct world *w)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char buf[8];
    ssize_t n = -EAGAIN;

    step_until(w, (n = gn_sock_recvfrom(w->sock, buf, sizeof(buf), 0,
                                        (struct sockaddr *)&from, &len)) !=
                      -EAGAIN);
    if (n != 3)
        return lost();
    n = gn_sock_sendto(w->sock, "answer", 6, 0, (struct sockaddr *)&from, len);
    return n == 6 ? 0 : lost();
}

static int talk_port(struct world *w)
{
    ssize_t n = -1;
    int err = open_bound(w, SOCK_DGRAM);

    if (!err)
        err = reach_kernel(w, SOCK_DGRAM);
    if (!err && send(w->fd, "ask", 3, MSG_NOSIGNAL) != 3)
        err = lost();
    if (!err)
        err = answer_one(w);
    if (err)
        return err;
    step_until(w, (n = take(w->fd)) >= 0);
    return n == 6 ? 0 : lost();
}

static const struct sockaddr *somebody(void)
{
    static struct sockaddr_in addr = {.sin_family = AF_INET};

    addr.sin_port = htons(5555);
    addr.sin_addr.s_addr = htonl(0xc6336407); /* 198.51.100.7 */
    return (struct sockaddr *)&addr;
}

static int talk_shown(struct world *w)
{
    int fds[2];
    int err = open_bound(w, SOCK_STREAM);

    if (err || !w->listener)
        return err ? err : lost();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    w->fd = fds[1];
    err = gn_egress_accepted(w->listener, fds[0], somebody());
    return err ? err : accept_and_exchange(w);
}

static int talk_port_shown(struct world *w)
{
    int err = open_bound(w, SOCK_DGRAM);

    if (err || !w->port)
        return err ? err : lost();
    err = gn_egress_packet(w->port, "ask", 3, somebody(), NULL);
    if (!err)
        err = answer_one(w);
    if (err)
        return err;
    step_until(w, w->n_sent);
    return w->n_sent ? 0 : lost();
}

/* ---- sweeps ---- */

/* What clients that failed have left in the kernel's queues. */
static void drain(void)
{
    int fd;

    while ((fd = accept4(tcp, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        close(fd);
    while (take(udp) >= 0)
        continue;
}

static int body(struct gn_test_heap *heap, void *arg)
{
    struct world w = *(struct world *)arg;
    unsigned before = gn_test_descriptors();
    bool own = w.talk == talk_shown || w.talk == talk_port_shown;
    int err;

    w.fd = -1;
    err = build(&w, heap, !own);
    if (!err)
        err = w.talk(&w);
    if (err && w.talk == talk_listen && w.fd >= 0)
        assert_int_not_equal(take(w.fd), 0); /* A reset, if anything. */
    destroy(&w);
    drain();
    assert_int_equal(gn_test_descriptors(), before);
    return err;
}

static void sweep(int (*talk)(struct world *world))
{
    struct world w = {.talk = talk};

    assert_true(gn_test_heap_sweep(body, &w) > 0);
}

static void connections(void **state)
{
    (void)state;
    sweep(talk_connect);
}

static void datagrams(void **state)
{
    (void)state;
    sweep(talk_datagram);
}

static void listeners(void **state)
{
    (void)state;
    sweep(talk_listen);
}

static void ports(void **state)
{
    (void)state;
    sweep(talk_port);
}

static void clients_that_are_shown(void **state)
{
    (void)state;
    sweep(talk_shown);
}

static void senders_that_are_shown(void **state)
{
    (void)state;
    sweep(talk_port_shown);
}

/* ---- descriptors ---- */

/* No more than these many beside those that are open. */
static rlim_t allow(unsigned more)
{
    struct rlimit limit;
    rlim_t before;
    int next = dup(tcp);

    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)next + more;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void allow_again(rlim_t before)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int talk_with(int (*talk)(struct world *world), unsigned more)
{
    struct world w = {.fd = -1};
    unsigned before = gn_test_descriptors();
    struct gn_test_heap heap;
    rlim_t limit;
    int err;

    gn_test_heap_init(&heap);
    assert_int_equal(build(&w, &heap, true), 0);
    limit = allow(more);
    err = talk(&w);
    allow_again(limit);
    destroy(&w);
    drain();
    assert_int_equal(gn_test_descriptors(), before);
    gn_test_heap_done(&heap);
    return err;
}

static void few_descriptors_are_enough_or_not(void **state)
{
    int (*const talks[])(struct world *) = {talk_connect, talk_datagram,
                                            talk_listen, talk_port};

    (void)state;
    for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
        assert_int_equal(talk_with(talks[i], 0), lost());
        for (unsigned more = 1; more < 4; more++)
            (void)talk_with(talks[i], more);
        assert_int_equal(talk_with(talks[i], 4), 0);
    }
}

static void a_dial_without_a_descriptor_says_so(void **state)
{
    struct world w = {.fd = -1};
    struct gn_test_heap heap;
    rlim_t limit;
    char to[32];

    (void)state;
    gn_test_heap_init(&heap);
    assert_int_equal(build(&w, &heap, true), 0);
    snprintf(to, sizeof(to), "10.77.0.1:%u", tcp_port);
    for (unsigned i = 0; i < 2; i++) {
        const char *where = i ? "203.0.113.1:80" : to;

        assert_int_equal(open_sock(&w, SOCK_STREAM), 0);
        limit = allow(0);
        assert_int_equal(connect_to(w.sock, where), -EINPROGRESS);
        step_until(&w, ready(w.sock) & POLLERR);
        allow_again(limit);
        /* What no rule opens is denied as ever. */
        assert_int_equal(take_error(w.sock), i ? -EACCES : -EMFILE);
        drop(w.sock);
    }
    snprintf(to, sizeof(to), "10.77.0.1:%u", udp_port);
    assert_int_equal(open_sock(&w, SOCK_DGRAM), 0);
    limit = allow(0);
    assert_int_equal(connect_to(w.sock, to), 0);
    assert_int_equal(send_text(w.sock, "x"), 1);
    step_until(&w, ready(w.sock) & POLLERR);
    allow_again(limit);
    assert_int_equal(take_error(w.sock), -EMFILE);
    drop(w.sock);
    w.sock = NULL;
    assert_int_equal(talk_connect(&w), 0);
    destroy(&w);
    gn_test_heap_done(&heap);
}

#define CLIENTS 8

static void no_client_is_lost_while_there_is_none_to_accept(void **state)
{
    struct world w = {.fd = -1};
    struct gn_test_heap heap;
    struct pollfd desk = {.events = POLLIN};
    int fds[CLIENTS];
    rlim_t limit;

    (void)state;
    gn_test_heap_init(&heap);
    assert_int_equal(build(&w, &heap, true), 0);
    assert_int_equal(open_bound(&w, SOCK_STREAM), 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(reach_kernel(&w, SOCK_STREAM), 0);
        fds[i] = w.fd;
    }
    limit = allow(0);
    gn_test_desk_turn(&w.desk);
    desk.fd = w.desk.epoll; /* It pauses, and does not spin. */
    assert_int_equal(poll(&desk, 1, 0), 0);
    step_until(&w, accept_one(w.sock));
    allow_again(limit);
    for (unsigned i = 0; i < CLIENTS; i++) {
        w.fd = fds[i];
        assert_int_equal(accept_and_exchange(&w), 0);
        drop(w.server);
        w.server = NULL;
        close(w.fd);
        w.fd = -1;
    }
    destroy(&w);
    gn_test_heap_done(&heap);
}

static bool may_bind(int type, unsigned short port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    bool is_free = !bind(fd, (struct sockaddr *)&at, sizeof(at));

    close(fd);
    return is_free;
}

/* One that the kernel gives to none of the tests that run beside this one. */
static unsigned short find_free_port(void)
{
    unsigned short port = (unsigned short)(10000 + getpid() % 20000);

    while (!may_bind(SOCK_STREAM, port) || !may_bind(SOCK_DGRAM, port))
        port++;
    return port;
}

static int begin(void **state)
{
    (void)state;
    closefrom(3); /* What is inherited leaves gaps between descriptors. */
    tcp = near_socket(SOCK_STREAM, "127.0.0.1:0", true);
    udp = near_socket(SOCK_DGRAM, "127.0.0.1:0", false);
    tcp_port = far_port(tcp);
    udp_port = far_port(udp);
    free_port = find_free_port();
    snprintf(rules_text[0], sizeof(rules_text[0]),
             "allow tcp 127.0.0.1 port %u", tcp_port);
    snprintf(rules_text[1], sizeof(rules_text[1]),
             "allow udp 127.0.0.1 port %u", udp_port);
    snprintf(rules_text[2], sizeof(rules_text[2]),
             "listen tcp 127.0.0.1 port %u", free_port);
    snprintf(rules_text[3], sizeof(rules_text[3]),
             "listen udp 127.0.0.1 port %u", free_port);
    return 0;
}

static int end(void **state)
{
    (void)state;
    close(tcp);
    close(udp);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections),
        cmocka_unit_test(datagrams),
        cmocka_unit_test(listeners),
        cmocka_unit_test(ports),
        cmocka_unit_test(clients_that_are_shown),
        cmocka_unit_test(senders_that_are_shown),
        cmocka_unit_test(few_descriptors_are_enough_or_not),
        cmocka_unit_test(a_dial_without_a_descriptor_says_so),
        cmocka_unit_test(no_client_is_lost_while_there_is_none_to_accept),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
