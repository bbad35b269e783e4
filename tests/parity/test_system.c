/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * gn_namespace_system(): what comparing cannot show, since it is about the
 * life of its sockets and not about the calls: a close or kill under a call
 * that blocks, signals, descriptors, polling beside guests' sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include <guestnet/guestnet.h>

#include "tests/lib/case.h"
#include "tests/lib/descriptors.h"
#include "tests/lib/until.h"

/* Longer than any hiccup of a loaded machine. */
#define BOUND_MS 10000

struct fixture {
    struct gn_network *net;
    struct gn_namespace *guest;
    struct gn_namespace *system;
    unsigned n_fds;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    f.n_fds = gn_test_descriptors();
    if (gn_network_create(NULL, &f.net) ||
        gn_namespace_create(f.net, NULL, &f.guest) ||
        gn_namespace_system(&f.system))
        return -1;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_namespace_close(f->system, 0, NULL, NULL);
    gn_namespace_close(f->guest, 0, NULL, NULL);
    gn_network_close(f->net, NULL, NULL);
    assert_int_equal(gn_test_descriptors(), f->n_fds);
    return 0;
}

/* ---- sockets ---- */

static struct gn_sock *open_sock(struct gn_namespace *ns, int type)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(ns, AF_INET, type, 0, &sock), 0);
    return sock;
}

static void drop(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static void bind_loopback(struct gn_sock *sock, struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);

    *addr = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)addr, len), 0);
    assert_int_equal(gn_sock_name(sock, (struct sockaddr *)addr, &len), 0);
}

struct pair {
    struct gn_sock *listener, *client, *server;
};

static struct pair connect_pair(struct gn_namespace *ns)
{
    struct pair p = {.listener = open_sock(ns, SOCK_STREAM)};
    struct sockaddr_in addr;

    bind_loopback(p.listener, &addr);
    assert_int_equal(gn_sock_listen(p.listener, 1), 0);
    p.client = open_sock(ns, SOCK_STREAM);
    assert_int_equal(
        gn_sock_connect(p.client, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(gn_sock_accept(p.listener, NULL, NULL, 0, &p.server), 0);
    return p;
}

static void drop_pair(struct pair *p)
{
    drop(p->server);
    drop(p->client);
    drop(p->listener);
}

/* ---- a call in a thread ---- */

struct call {
    struct gn_sock *sock;
    ssize_t (*run)(struct call *call);
    struct sockaddr_in to;
    pthread_t thread;
    _Atomic pid_t begun; /* its thread; 0: not yet */
    _Atomic bool done;
    ssize_t result;
};

static void *run_call(void *arg)
{
    struct call *call = arg;

    atomic_store(&call->begun, gettid());
    call->result = call->run(call);
    atomic_store(&call->done, true);
    return NULL;
}

/* Does a thread of ours sleep in the kernel, as it does in a call that
 * blocks? */
static bool is_asleep(pid_t thread)
{
    char path[64], state = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
    file = fopen(path, "re");
    if (!file)
        return true; /* It has ended. */
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 0;
    fclose(file);
    return state == 'S';
}

static void begin_call(struct call *call, struct gn_sock *sock,
                       ssize_t (*run)(struct call *call))
{
    call->sock = gn_sock_ref(sock);
    call->run = run;
    assert_int_equal(pthread_create(&call->thread, NULL, run_call, call), 0);
    gn_test_until(call->begun && is_asleep(call->begun));
}

static ssize_t end_call(struct call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    gn_sock_unref(call->sock);
    return call->result;
}

static ssize_t call_recv(struct call *call)
{
    char byte;

    return gn_sock_recv(call->sock, &byte, 1, 0);
}

static ssize_t call_accept(struct call *call)
{
    struct gn_sock *child = NULL;
    int err = gn_sock_accept(call->sock, NULL, NULL, 0, &child);

    if (!err)
        drop(child);
    return err;
}

static ssize_t call_send_for_ever(struct call *call)
{
    static char data[65536];
    ssize_t n;

    do
        n = gn_sock_send(call->sock, data, sizeof(data), 0);
    while (n > 0);
    return n;
}

static ssize_t call_connect(struct call *call)
{
    return gn_sock_connect(call->sock, (struct sockaddr *)&call->to,
                           sizeof(call->to));
}

static ssize_t call_poll(struct call *call)
{
    struct gn_pollfd fd = {.sock = call->sock, .events = POLLIN};
    int n = gn_sock_poll(&fd, 1, BOUND_MS);

    return n < 0 ? n : fd.revents;
}

/* ---- close and kill ---- */

static void close_ends_what_blocks(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f->system);
    struct gn_sock *udp = open_sock(f->system, SOCK_DGRAM);
    struct call calls[4];

    memset(calls, 0, sizeof(calls));
    begin_call(&calls[0], p.client, call_recv);
    begin_call(&calls[1], p.listener, call_accept);
    begin_call(&calls[2], p.server, call_send_for_ever);
    begin_call(&calls[3], udp, call_recv);
    drop(p.server);
    assert_int_equal(end_call(&calls[2]), -EBADF);
    drop(p.client);
    drop(p.listener);
    drop(udp);
    assert_int_equal(end_call(&calls[1]), -EBADF);
    assert_int_equal(end_call(&calls[3]), -EBADF);
    /* It may have got some of what was sent before. */
    assert_true(end_call(&calls[0]) == -EBADF || calls[0].result == 1);
}

static void close_ends_a_connect_that_blocks(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener = open_sock(f->system, SOCK_STREAM);
    struct gn_sock *socks[3];
    struct call calls[3];
    unsigned i;

    memset(calls, 0, sizeof(calls));
    bind_loopback(listener, &calls[0].to);
    assert_int_equal(gn_sock_listen(listener, 0), 0);
    for (i = 0; i < 3; i++) { /* One is taken; no room for the others. */
        calls[i].to = calls[0].to;
        socks[i] = open_sock(f->system, SOCK_STREAM);
        begin_call(&calls[i], socks[i], call_connect);
    }
    for (i = 0; i < 3; i++) {
        drop(socks[i]);
        assert_true(end_call(&calls[i]) == -EBADF || calls[i].result == 0);
    }
    drop(listener);
}

static void close_ends_a_poll(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *tcp = open_sock(f->system, SOCK_STREAM);
    struct gn_sock *udp = open_sock(f->system, SOCK_DGRAM);
    struct sockaddr_in addr;
    struct call calls[2];

    memset(calls, 0, sizeof(calls));
    bind_loopback(tcp, &addr);
    assert_int_equal(gn_sock_listen(tcp, 1), 0);
    begin_call(&calls[0], tcp, call_poll);
    begin_call(&calls[1], udp, call_poll);
    drop(tcp);
    drop(udp);
    assert_int_equal(end_call(&calls[0]), POLLNVAL);
    assert_int_equal(end_call(&calls[1]), POLLNVAL);
}

static void kill_ends_what_blocks(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f->system);
    struct call calls[2];

    memset(calls, 0, sizeof(calls));
    begin_call(&calls[0], p.client, call_recv);
    begin_call(&calls[1], p.listener, call_accept);
    gn_namespace_kill(f->system);
    assert_int_equal(end_call(&calls[0]), -ECANCELED);
    assert_int_equal(end_call(&calls[1]), -ECANCELED);
    assert_int_equal(gn_sock_send(p.server, "x", 1, 0), -ECANCELED);
    gn_sock_close(p.server);
    assert_int_equal(gn_sock_send(p.server, "x", 1, 0), -EBADF);
    drop_pair(&p);
}

static void sockets_outlive_their_namespace(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open_sock(f->system, SOCK_DGRAM);

    gn_namespace_close(f->system, 0, NULL, NULL);
    assert_int_equal(gn_sock_send(sock, "x", 1, 0), -ECANCELED);
    drop(sock);
    assert_int_equal(gn_namespace_system(&f->system), 0);
}

static void calls_after_close_are_ebadf(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open_sock(f->system, SOCK_STREAM);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    int value = 0, fd;
    socklen_t value_len = sizeof(value);

    gn_sock_close(sock);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&addr, len), -EBADF);
    assert_int_equal(gn_sock_listen(sock, 1), -EBADF);
    assert_int_equal(gn_sock_connect(sock, (struct sockaddr *)&addr, len),
                     -EBADF);
    assert_int_equal(gn_sock_name(sock, (struct sockaddr *)&addr, &len),
                     -EBADF);
    assert_int_equal(gn_sock_shutdown(sock, SHUT_RD), -EBADF);
    assert_int_equal(
        gn_sock_getopt(sock, SOL_SOCKET, SO_TYPE, &value, &value_len), -EBADF);
    assert_int_equal(gn_sock_set_nonblock(sock, true), -EBADF);
    assert_int_equal(gn_sock_available(sock), -EBADF);
    assert_int_equal(gn_sock_fd(sock, POLLIN, &fd), -EBADF);
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

/* ---- signals ---- */

static atomic_uint n_signals;

static void on_signal(int number)
{
    (void)number;
    n_signals++;
}

static void signals_do_not_show(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f->system);
    static const struct timeval timeout = {.tv_usec = 200000};
    struct sigaction action = {.sa_handler = on_signal}, old;
    struct call call;

    memset(&call, 0, sizeof(call));
    n_signals = 0;
    assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
    assert_int_equal(gn_sock_setopt(p.client, SOL_SOCKET, SO_RCVTIMEO, &timeout,
                                    sizeof(timeout)),
                     0);
    begin_call(&call, p.client, call_recv);
    assert_int_equal(pthread_kill(call.thread, SIGUSR1), 0);
    gn_test_until(n_signals == 1 && is_asleep(call.begun));
    assert_int_equal(pthread_kill(call.thread, SIGUSR1), 0);
    assert_int_equal(gn_sock_send(p.server, "x", 1, 0), 1);
    assert_int_equal(end_call(&call), 1);
    begin_call(&call, p.client, call_recv);
    assert_int_equal(pthread_kill(call.thread, SIGUSR1), 0);
    assert_int_equal(end_call(&call), -EAGAIN);
    assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
    drop_pair(&p);
}

static void a_broken_pipe_raises_nothing(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f->system);
    struct msghdr msg = {.msg_iov = &(struct iovec){&(char){'x'}, 1},
                         .msg_iovlen = 1};

    assert_int_equal(gn_sock_shutdown(p.client, SHUT_WR), 0);
    assert_int_equal(gn_sock_send(p.client, "x", 1, 0), -EPIPE);
    assert_int_equal(gn_sock_sendto(p.client, "x", 1, 0, NULL, 0), -EPIPE);
    assert_int_equal(gn_sock_sendmsg(p.client, &msg, 0), -EPIPE);
    drop_pair(&p);
}

/* ---- readiness ---- */

static void descriptors_show_readiness(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f->system);
    struct pollfd kernel = {.events = POLLIN};
    short events[] = {POLLIN, POLLOUT, POLLIN | POLLOUT, POLLRDHUP};
    int fd, again;
    size_t i;

    for (i = 0; i < 4; i++)
        assert_int_equal(gn_sock_fd(p.client, events[i], &fd), 0);
    assert_int_equal(gn_sock_fd(p.client, POLLPRI, &fd), -ENOSPC);
    assert_int_equal(gn_sock_fd(p.client, 0, &fd), -EINVAL);
    assert_int_equal(gn_sock_fd(p.client, POLLIN, &fd), 0);
    assert_int_equal(gn_sock_fd(p.client, POLLIN, &again), 0);
    assert_int_equal(fd, again);
    kernel.fd = fd;
    assert_int_equal(poll(&kernel, 1, 0), 0);
    assert_int_equal(gn_sock_send(p.server, "x", 1, 0), 1);
    assert_int_equal(poll(&kernel, 1, BOUND_MS), 1);
    assert_int_equal(gn_sock_watch(p.client, POLLIN, NULL, NULL), -EFAULT);
    drop_pair(&p);
}

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd kernel = {fd, POLLIN, 0};

    return poll(&kernel, 1, timeout_ms) == 1;
}

static void descriptors_stay_until_the_last_reference(void **state)
{
    struct fixture *f = *state;
    struct pair p = connect_pair(f->system);
    int fd, other;
    char byte;

    assert_int_equal(gn_sock_fd(p.client, POLLIN, &fd), 0);
    assert_false(is_readable(fd, 0));
    gn_sock_close(p.client);
    assert_true(is_readable(fd, 0));
    assert_int_equal(gn_sock_recv(p.server, &byte, 1, 0), 0); /* FIN. */
    other = dup(fd);
    assert_int_not_equal(other, fd);
    close(other);
    assert_true(is_readable(fd, 0));
    drop_pair(&p);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void descriptors_show_a_kill(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open_sock(f->system, SOCK_DGRAM);
    int fd;

    assert_int_equal(gn_sock_fd(sock, POLLIN, &fd), 0);
    assert_false(is_readable(fd, 0));
    gn_namespace_kill(f->system);
    assert_true(is_readable(fd, BOUND_MS));
    drop(sock);
}

static void never_watched(struct gn_sock *sock, short revents, void *arg)
{
    (void)sock;
    (void)revents;
    (void)arg;
    fail();
}

static void watching_is_not_supported(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = open_sock(f->system, SOCK_STREAM);

    assert_int_equal(gn_sock_watch(sock, POLLIN, never_watched, NULL),
                     -ENOTSUP);
    drop(sock);
}

/* Each of three kinds becomes ready, and the others are not. */
static void poll_mixes_all_kinds(void **state)
{
    struct fixture *f = *state;
    struct pair system = connect_pair(f->system);
    struct pair guest = connect_pair(f->guest);
    struct gn_pollfd fds[4];
    int ends[2];
    char byte;

    assert_int_equal(pipe(ends), 0);
    memset(fds, 0, sizeof(fds));
    fds[0] = (struct gn_pollfd){.sock = system.client, .events = POLLIN};
    fds[1] = (struct gn_pollfd){.sock = guest.client, .events = POLLIN};
    fds[2] = (struct gn_pollfd){.fd = ends[0], .events = POLLIN};
    fds[3] = (struct gn_pollfd){.fd = -1, .events = POLLIN};
    assert_int_equal(gn_sock_poll(fds, 4, 0), 0);
    assert_int_equal(gn_sock_poll(fds, 4, 10), 0);
    assert_int_equal(gn_sock_send(system.server, "x", 1, 0), 1);
    assert_int_equal(gn_sock_poll(fds, 4, BOUND_MS), 1);
    assert_int_equal(fds[0].revents, POLLIN);
    assert_int_equal(gn_sock_recv(system.client, &byte, 1, 0), 1);
    assert_int_equal(gn_sock_send(guest.server, "x", 1, 0), 1);
    assert_int_equal(gn_sock_poll(fds, 4, BOUND_MS), 1);
    assert_int_equal(fds[1].revents, POLLIN);
    assert_int_equal(gn_sock_send(system.server, "x", 1, 0), 1);
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (gn_sock_poll(fds, 4, BOUND_MS) < 3)
        continue;
    assert_int_equal(fds[2].revents, POLLIN);
    gn_sock_close(system.client);
    assert_int_equal(gn_sock_poll(fds, 4, 0), 3);
    assert_int_equal(fds[0].revents, POLLNVAL);
    close(ends[0]);
    close(ends[1]);
    drop_pair(&system);
    drop_pair(&guest);
}

/* ---- what it does not open ---- */

static void only_tcp_and_udp_are_there(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(f->system, AF_UNIX, SOCK_STREAM, 0, &sock),
                     -EAFNOSUPPORT);
    assert_int_equal(gn_sock_open(f->system, AF_NETLINK, SOCK_RAW, 0, &sock),
                     -EAFNOSUPPORT);
    assert_int_equal(
        gn_sock_open(f->system, AF_INET, SOCK_RAW, IPPROTO_ICMP, &sock),
        -ESOCKTNOSUPPORT);
    assert_int_equal(
        gn_sock_open(f->system, AF_INET, SOCK_DGRAM, IPPROTO_ICMP, &sock),
        -EPROTONOSUPPORT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(close_ends_what_blocks),
        CASE(close_ends_a_connect_that_blocks),
        CASE(close_ends_a_poll),
        CASE(kill_ends_what_blocks),
        CASE(sockets_outlive_their_namespace),
        CASE(calls_after_close_are_ebadf),
        CASE(signals_do_not_show),
        CASE(a_broken_pipe_raises_nothing),
        CASE(descriptors_show_readiness),
        CASE(descriptors_stay_until_the_last_reference),
        CASE(descriptors_show_a_kill),
        CASE(watching_is_not_supported),
        CASE(poll_mixes_all_kinds),
        CASE(only_tcp_and_udp_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
