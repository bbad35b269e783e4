/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Hosts of one's own: what the operations are told, that a dial may be ended
 * from any thread and at any moment, and that everything ends when it should.
 */
#include <errno.h>
#include <fcntl.h>
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
#include "tests/lib/socks.h"

enum mode {
    NOW,    /* done from inside the operation */
    LATER,  /* by a thread of its own */
    REFUSE, /* return mode_error */
    NEVER
};

#define DIALS_MAX 64

struct fixture {
    struct eg eg;
    _Atomic int mode; /* enum mode */
    int error;
    pthread_mutex_t lock; /* held when done is said, and in cancel */
    struct gn_egress_dial *dials[DIALS_MAX];
    _Atomic int n_dials;
    _Atomic int n_cancelled;
    _Atomic int n_closed;
    int peer; /* the other end of the last pair */
    char address[GN_ADDR_TEXT_MAX];
    char name[256];
    char local[GN_ADDR_TEXT_MAX];
    struct gn_namespace *ns;
    struct gn_egress_listener *listener;
    struct gn_egress_port *port;
    char bound[GN_ADDR_TEXT_MAX];
    _Atomic int n_bound;
    _Atomic int n_sent;
    char sent[64];
    char sent_to[GN_ADDR_TEXT_MAX];
    char sent_from[GN_ADDR_TEXT_MAX];
};

static void show(const void *address, char *out)
{
    if (gn_addr_format(address, out, GN_ADDR_TEXT_MAX))
        out[0] = '\0';
}

/* The far end is kept in f->peer. */
static int new_pair(struct fixture *f, int type)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
    f->peer = fds[1];
    return fds[0];
}

static int hook_dial(void *self, struct gn_egress_dial *request, int family,
                     int type, const struct sockaddr *address, const char *name)
{
    struct fixture *f = self;
    struct sockaddr_storage local;

    assert_int_equal(family, address->sa_family);
    show(address, f->address);
    snprintf(f->name, sizeof(f->name), "%s", name ? name : "");
    gn_egress_dial_local(request, &local);
    show(&local, f->local);
    f->ns = gn_egress_dial_namespace(request);
    gn_egress_dial_set_user(request, f);
    assert_ptr_equal(gn_egress_dial_user(request), f);
    if (f->mode == REFUSE)
        return f->error;
    if (f->mode == NOW) {
        gn_egress_dial_done(request, f->error,
                            f->error ? -1 : new_pair(f, type));
        return 0;
    }
    pthread_mutex_lock(&f->lock);
    f->dials[f->n_dials++ % DIALS_MAX] = request;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static void hook_cancel(void *self, void *request)
{
    struct fixture *f = self;

    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < DIALS_MAX; i++) {
        if (f->dials[i] == request)
            f->dials[i] = NULL;
    }
    if (f->listener == request)
        f->listener = NULL;
    if (f->port == request)
        f->port = NULL;
    pthread_mutex_unlock(&f->lock);
    f->n_cancelled++;
}

static int hook_listen(void *self, struct gn_egress_listener *listener,
                       const struct sockaddr *local)
{
    struct fixture *f = self;

    if (f->error)
        return f->error;
    pthread_mutex_lock(&f->lock);
    f->listener = listener;
    show(local, f->bound);
    pthread_mutex_unlock(&f->lock);
    gn_egress_listener_set_user(listener, f);
    assert_ptr_equal(gn_egress_listener_user(listener), f);
    assert_ptr_equal(gn_egress_listener_namespace(listener), f->eg.guest);
    f->n_bound++;
    return 0;
}

static int hook_listen_packet(void *self, struct gn_egress_port *port,
                              const struct sockaddr *local)
{
    struct fixture *f = self;

    pthread_mutex_lock(&f->lock);
    f->port = port;
    show(local, f->bound);
    pthread_mutex_unlock(&f->lock);
    gn_egress_port_set_user(port, f);
    assert_ptr_equal(gn_egress_port_user(port), f);
    f->n_bound++;
    return 0;
}

static void hook_send(void *self, struct gn_egress_port *port,
                      const void *bytes, size_t len,
                      const struct sockaddr *from, const struct sockaddr *to)
{
    struct fixture *f = self;

    assert_ptr_equal(port, f->port);
    assert_true(len < sizeof(f->sent));
    memcpy(f->sent, bytes, len);
    f->sent[len] = '\0';
    show(to, f->sent_to);
    if (from)
        show(from, f->sent_from);
    f->n_sent++;
}

static void hook_close(void *self)
{
    struct fixture *f = self;

    f->n_closed++;
}

static const struct gn_egress_ops ops = {
    .name = "test",
    .dial = hook_dial,
    .listen = hook_listen,
    .listen_packet = hook_listen_packet,
    .cancel = hook_cancel,
    .close = hook_close,
    .send = hook_send,
};

static int setup_by(void **state, const struct gn_egress_ops *by)
{
    static struct fixture f;
    struct gn_egress *egress;

    memset(&f, 0, sizeof(f));
    f.peer = -1;
    pthread_mutex_init(&f.lock, NULL);
    eg_clear(&f.eg);
    assert_int_equal(gn_egress_create(by, &f, &egress), 0);
    eg_begin_egress(&f.eg, egress);
    *state = &f;
    return 0;
}

static int setup(void **state)
{
    return setup_by(state, &ops);
}

static int setup_mute(void **state)
{
    struct gn_egress_ops mute = ops;

    mute.send = NULL;
    return setup_by(state, &mute);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    eg_end(&f->eg);
    assert_int_equal(f->n_closed, 1);
    if (f->peer >= 0)
        close(f->peer);
    return 0;
}

/* Wait, with a bound, until a counter is there. */
static void until(struct fixture *f, const _Atomic int *counter, int n)
{
    for (int i = 0; *counter < n; i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
}

static struct gn_egress_dial *take_dial(struct fixture *f)
{
    struct gn_egress_dial *request = NULL;

    for (int i = 0; !request; i++) {
        assert_true(i < 10000);
        pthread_mutex_lock(&f->lock);
        for (size_t at = 0; at < DIALS_MAX && !request; at++) {
            request = f->dials[at];
            f->dials[at] = NULL;
        }
        pthread_mutex_unlock(&f->lock);
        if (!request)
            assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    return request;
}

static void a_hook_is_told_who_dials_whom(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int err;

    sock = eg_dial(&f->eg, SOCK_STREAM, "203.0.113.1", 80, &err);
    assert_int_equal(err, 0);
    assert_string_equal(f->address, "203.0.113.1:80");
    assert_string_equal(f->name, "");
    assert_int_equal(strncmp(f->local, "10.77.0.2:", 10), 0);
    assert_ptr_equal(f->ns, f->eg.guest);
    assert_string_equal(peer_of(sock), "203.0.113.1:80");
    eg_talk(sock, f->peer);
    drop(sock);
    close(f->peer);
    sock = eg_dial(&f->eg, SOCK_STREAM, GATEWAY6, 80, &err);
    assert_int_equal(err, 0);
    assert_string_equal(f->address, "[::1]:80");
    assert_string_equal(peer_of(sock), "[fd77::1]:80");
    drop(sock);
}

static void what_a_hook_says_the_guest_gets(void **state)
{
    static const int errors[] = {-ECONNREFUSED, -EHOSTUNREACH,  -ENETUNREACH,
                                 -EACCES,       -EPERM,         -ECONNRESET,
                                 -ENOMEM,       -EADDRNOTAVAIL, -ETIMEDOUT};
    struct fixture *f = *state;
    int err;

    for (size_t i = 0; i < 2 * sizeof(errors) / sizeof(errors[0]); i++) {
        f->mode = i % 2 ? NOW : REFUSE;
        f->error = errors[i / 2];
        assert_null(eg_dial(&f->eg, SOCK_STREAM, "203.0.113.1", 80, &err));
        assert_int_equal(err, errors[i / 2]);
    }
    assert_int_equal(f->n_cancelled, 0);
}

static void a_bad_descriptor_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock =
        eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);

    f->mode = LATER;
    assert_int_equal(eg_connect(sock, "203.0.113.1", 80), -EINPROGRESS);
    gn_egress_dial_done(take_dial(f), 0, -1);
    assert_true(eg_wait(sock, POLLOUT) & POLLERR);
    assert_int_equal(eg_error(sock), -EBADF);
    drop(sock);
}

static void any_thread_may_end_a_dial(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    int fd;

    f->mode = LATER;
    for (int i = 0; i < 50; i++) {
        sock = eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
        assert_int_equal(eg_connect(sock, "203.0.113.1", 80), -EINPROGRESS);
        fd = new_pair(f, SOCK_STREAM);
        gn_egress_dial_done(take_dial(f), 0, fd);
        assert_int_equal(eg_wait(sock, POLLOUT) & (POLLOUT | POLLERR), POLLOUT);
        eg_talk(sock, f->peer);
        drop(sock);
        close(f->peer);
        f->peer = -1;
    }
}

static void a_guest_that_gives_up_cancels_the_dial(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock =
        eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);

    f->mode = NEVER;
    assert_int_equal(eg_connect(sock, "203.0.113.1", 80), -EINPROGRESS);
    until(f, &f->n_dials, 1);
    drop(sock);
    until(f, &f->n_cancelled, 1);
    assert_null(f->dials[0]);
}

/* Dials that are ended by one thread while the guest closes them: each ends
 * once, by one of the two. */
static void *end_dials(void *arg)
{
    struct fixture *f = arg;
    struct gn_egress_dial *request;
    size_t n_ended = 0;
    int fds[2];

    while (f->mode != NEVER) {
        pthread_mutex_lock(&f->lock);
        request = NULL;
        for (size_t i = 0; i < DIALS_MAX && !request; i++) {
            request = f->dials[i];
            f->dials[i] = NULL;
        }
        if (request && !socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
            gn_egress_dial_done(request, n_ended % 3 ? 0 : -ECONNREFUSED,
                                n_ended % 3 ? fds[0] : -1);
            if (n_ended++ % 3 == 0)
                close(fds[0]);
            close(fds[1]);
        }
        pthread_mutex_unlock(&f->lock);
    }
    return NULL;
}

static void both_may_end_it_at_once(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    pthread_t thread;

    f->mode = LATER;
    assert_int_equal(pthread_create(&thread, NULL, end_dials, f), 0);
    for (int i = 0; i < 1000; i++) {
        sock = eg_open(&f->eg, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
        assert_int_equal(eg_connect(sock, "203.0.113.1", 80), -EINPROGRESS);
        if (i % 4 == 0)
            assert_int_equal(gn_sleep_ns(f->eg.guest, 20000), 0);
        drop(sock);
    }
    f->mode = NEVER;
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_listener_is_announced_and_served(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener = eg_open(&f->eg, AF_INET, SOCK_STREAM), *server;
    struct sockaddr_storage peer;
    socklen_t len;

    assert_int_equal(bind_to(listener, "0.0.0.0:80"), 0);
    assert_int_equal(gn_sock_listen(listener, 16), 0);
    until(f, &f->n_bound, 1);
    assert_string_equal(f->bound, "0.0.0.0:80");
    assert_int_equal(gn_addr_parse("198.51.100.7:5555", &peer, &len), 0);
    assert_int_equal(gn_egress_accepted(f->listener, new_pair(f, SOCK_STREAM),
                                        (struct sockaddr *)&peer),
                     0);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &server), 0);
    assert_string_equal(peer_of(server), "198.51.100.7:5555");
    eg_talk(server, f->peer);
    drop(server);
    close(f->peer);
    /* A client without an address that a guest could see. */
    assert_int_equal(
        gn_egress_accepted(f->listener, new_pair(f, SOCK_STREAM), NULL), 0);
    assert_int_equal(gn_sock_accept(listener, NULL, NULL, 0, &server), 0);
    assert_int_equal(strncmp(peer_of(server), "10.77.0.1:", 10), 0);
    drop(server);
    assert_int_equal(gn_egress_accepted(f->listener, -1, NULL), -EINVAL);
    assert_int_equal(gn_egress_accepted(NULL, -1, NULL), -EINVAL);
    drop(listener);
    until(f, &f->n_cancelled, 1);
    assert_null(f->listener);
}

static void loopback_and_chosen_ports_are_not_announced(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *a = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    struct gn_sock *b = eg_open(&f->eg, AF_INET, SOCK_STREAM);
    struct gn_sock *c = eg_open(&f->eg, AF_INET, SOCK_STREAM);

    assert_int_equal(bind_to(a, "127.0.0.1:80"), 0);
    assert_int_equal(gn_sock_listen(a, 16), 0);
    assert_int_equal(bind_to(b, "0.0.0.0:0"), 0);
    assert_int_equal(gn_sock_listen(b, 16), 0);
    assert_int_equal(bind_to(c, "10.77.0.2:81"), 0);
    assert_int_equal(gn_sock_listen(c, 16), 0);
    until(f, &f->n_bound, 1);
    assert_string_equal(f->bound, "10.77.0.2:81");
    assert_int_equal(f->n_bound, 1);
    drop(a);
    drop(b);
    drop(c);
}

static void a_refused_listener_is_still_one(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *listener = eg_open(&f->eg, AF_INET, SOCK_STREAM);

    f->error = -EACCES;
    assert_int_equal(bind_to(listener, "0.0.0.0:80"), 0);
    assert_int_equal(gn_sock_listen(listener, 16), 0);
    drop(listener);
    assert_int_equal(f->n_cancelled, 0);
}

static void a_port_is_announced_and_served(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    struct sockaddr_storage peer, from, local;
    socklen_t len;
    char buf[16], text[GN_ADDR_TEXT_MAX];

    assert_int_equal(bind_to(sock, "0.0.0.0:53"), 0);
    until(f, &f->n_bound, 1);
    assert_string_equal(f->bound, "0.0.0.0:53");
    assert_int_equal(gn_addr_parse("192.0.2.1:0", &local, &len), 0);
    assert_int_equal(gn_addr_parse("198.51.100.7:5555", &peer, &len), 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(gn_egress_packet(f->port, "ask", 3,
                                          (struct sockaddr *)&peer,
                                          (struct sockaddr *)&local),
                         0);
        len = sizeof(from);
        assert_int_equal(gn_sock_recvfrom(sock, buf, sizeof(buf), 0,
                                          (struct sockaddr *)&from, &len),
                         3);
        show(&from, text);
        assert_string_equal(text, "198.51.100.7:5555");
        assert_int_equal(
            gn_sock_sendto(sock, "answer", 6, 0, (struct sockaddr *)&from, len),
            6);
        until(f, &f->n_sent, i);
        assert_string_equal(f->sent, "answer");
        assert_string_equal(f->sent_to, "198.51.100.7:5555");
        assert_string_equal(f->sent_from, "192.0.2.1:53");
    }
    assert_int_equal(
        gn_egress_packet(f->port, NULL, 3, (struct sockaddr *)&peer, NULL),
        -EINVAL);
    assert_int_equal(gn_egress_packet(f->port, "x", 1, NULL, NULL), -EINVAL);
    assert_int_equal(
        gn_egress_packet(f->port, "x", 100000, (struct sockaddr *)&peer, NULL),
        -EMSGSIZE);
    drop(sock);
    until(f, &f->n_cancelled, 1);
    assert_null(f->port);
}

static uint64_t kernel_drops(struct gn_namespace *ns)
{
    struct gn_stats stats;

    gn_namespace_stats(ns, &stats);
    return stats.drops[GN_DROP_KERNEL];
}

static void answers_that_are_not_sent_are_counted(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace *gateway = gn_network_gateway(f->eg.net);
    struct gn_sock *sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    struct sockaddr_storage peer;
    socklen_t len;
    char buf[16];

    assert_int_equal(bind_to(sock, "0.0.0.0:53"), 0);
    until(f, &f->n_bound, 1);
    assert_int_equal(gn_addr_parse("198.51.100.7:5555", &peer, &len), 0);
    assert_int_equal(
        gn_egress_packet(f->port, "ask", 3, (struct sockaddr *)&peer, NULL), 0);
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), 3);
    assert_int_equal(
        gn_sock_sendto(sock, "answer", 6, 0, (struct sockaddr *)&peer, len), 6);
    for (int i = 0; !kernel_drops(f->eg.guest); i++) {
        assert_true(i < 10000);
        assert_int_equal(gn_sleep_ns(f->eg.guest, 1000000), 0);
    }
    assert_int_equal(kernel_drops(gateway), 1);
    drop(sock);
}

/* 3,000 senders: the oldest make room. */
static void a_port_has_bounded_clients(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = eg_open(&f->eg, AF_INET, SOCK_DGRAM);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(1)};
    int n = 0, err;

    assert_int_equal(bind_to(sock, "0.0.0.0:53"), 0);
    until(f, &f->n_bound, 1);
    for (uint32_t i = 0; i < 3000; i++) {
        from.sin_addr.s_addr = htonl(0xc6336401 + i);
        while ((err = gn_egress_packet(f->port, "ask", 3,
                                       (struct sockaddr *)&from, NULL)) ==
               -ENOBUFS)
            assert_int_equal(gn_sleep_ns(f->eg.guest, 100000), 0);
        assert_int_equal(err, 0);
        n++;
    }
    assert_int_equal(n, 3000);
    drop(sock);
}

static void without_operations_there_is_no_way(void **state)
{
    static const struct gn_egress_ops none = {.name = "none"};
    struct fixture *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config)};
    struct gn_namespace *ns;
    struct gn_egress *egress;
    struct gn_sock *sock;

    assert_int_equal(gn_egress_create(&none, NULL, &egress), 0);
    config.egress = egress;
    assert_int_equal(gn_namespace_create(f->eg.net, &config, &ns), 0);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(eg_connect(sock, "203.0.113.1", 80), -ENETUNREACH);
    drop(sock);
    assert_int_equal(gn_sock_open(ns, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(bind_to(sock, "0.0.0.0:80"), 0);
    assert_int_equal(gn_sock_listen(sock, 16), 0);
    drop(sock);
    gn_namespace_close(ns, 0, NULL, NULL);
    gn_egress_close(egress);
    assert_int_equal(gn_egress_create(NULL, NULL, &egress), -EINVAL);
    assert_int_equal(gn_egress_create(&none, NULL, NULL), -EINVAL);
}

static void hosts_may_be_closed_right_after_their_guests(void **state)
{
    struct fixture *f = *state;
    struct gn_namespace_config config = {.size = sizeof(config)};
    struct gn_namespace *ns;
    struct gn_egress *egress;
    struct gn_sock *sock;

    f->mode = NEVER;
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(gn_egress_create(&ops, f, &egress), 0);
        config.egress = egress;
        assert_int_equal(gn_namespace_create(f->eg.net, &config, &ns), 0);
        assert_int_equal(
            gn_sock_open(ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &sock),
            0);
        assert_int_equal(eg_connect(sock, "203.0.113.1", 80), -EINPROGRESS);
        gn_namespace_close(ns, 0, NULL, NULL);
        gn_egress_close(egress);
        drop(sock);
        until(f, &f->n_closed, i);
    }
    f->n_closed = 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_hook_is_told_who_dials_whom),
        CASE(what_a_hook_says_the_guest_gets),
        CASE(a_bad_descriptor_is_an_error),
        CASE(any_thread_may_end_a_dial),
        CASE(a_guest_that_gives_up_cancels_the_dial),
        CASE(both_may_end_it_at_once),
        CASE(a_listener_is_announced_and_served),
        CASE(loopback_and_chosen_ports_are_not_announced),
        CASE(a_refused_listener_is_still_one),
        CASE(a_port_is_announced_and_served),
        cmocka_unit_test_setup_teardown(answers_that_are_not_sent_are_counted,
                                        setup_mute, teardown),
        CASE(a_port_has_bounded_clients),
        CASE(without_operations_there_is_no_way),
        CASE(hosts_may_be_closed_right_after_their_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
