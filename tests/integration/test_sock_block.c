/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Blocking calls on threads: they end when they should, and by what. Nothing
 * here sleeps to let something happen; a thread that must be inside a call is
 * waited for until the other end shows that it is, or the call is right
 * whichever comes first.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/socks.h"

struct pair {
    struct gn_network *net;
    struct gn_namespace *a, *b;
    struct gn_sock *listener, *client, *server;
};

static struct gn_sock *open_blocking(struct gn_namespace *ns, int type)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(ns, AF_INET, type, 0, &sock), 0);
    return sock;
}

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct pair *p = test_calloc(1, sizeof(*p));

    assert_int_equal(gn_network_create(&config, &p->net), 0);
    assert_int_equal(gn_namespace_create(p->net, NULL, &p->a), 0);
    assert_int_equal(gn_namespace_create(p->net, NULL, &p->b), 0);
    p->listener = open_blocking(p->b, SOCK_STREAM);
    assert_int_equal(bind_to(p->listener, "10.77.0.3:80"), 0);
    assert_int_equal(gn_sock_listen(p->listener, 16), 0);
    p->client = open_blocking(p->a, SOCK_STREAM);
    assert_int_equal(connect_to(p->client, "10.77.0.3:80"), 0);
    assert_int_equal(gn_sock_accept(p->listener, NULL, NULL, 0, &p->server), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;

    drop(p->client);
    drop(p->server);
    drop(p->listener);
    gn_network_close(p->net, NULL, NULL);
    test_free(p);
    return 0;
}

/* A call on a thread of its own. */
struct call {
    pthread_t thread;
    struct gn_sock *sock;
    char *buf;
    size_t len;
    int flags;
    ssize_t result;
};

static void *recv_main(void *arg)
{
    struct call *call = arg;

    call->result = gn_sock_recv(call->sock, call->buf, call->len, call->flags);
    return NULL;
}

static void *send_main(void *arg)
{
    struct call *call = arg;

    call->result = gn_sock_send(call->sock, call->buf, call->len, call->flags);
    return NULL;
}

static void *accept_main(void *arg)
{
    struct call *call = arg;
    struct gn_sock *out;

    call->result = gn_sock_accept(call->sock, NULL, NULL, 0, &out);
    return NULL;
}

static void start(struct call *call, void *(*main)(void *arg))
{
    assert_int_equal(pthread_create(&call->thread, NULL, main, call), 0);
}

static ssize_t finish(struct call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    return call->result;
}

static void recv_waits_for_bytes(void **state)
{
    struct pair *p = *state;
    char buf[8];
    struct call call = {.sock = p->server, .buf = buf, .len = sizeof(buf)};

    start(&call, recv_main);
    assert_int_equal(send_text(p->client, "hello"), 5);
    assert_int_equal(finish(&call), 5);
    assert_memory_equal(buf, "hello", 5);
}

static void waitall_waits_for_all_bytes(void **state)
{
    struct pair *p = *state;
    char buf[6];
    struct call call = {.sock = p->server,
                        .buf = buf,
                        .len = sizeof(buf),
                        .flags = MSG_WAITALL};

    start(&call, recv_main);
    assert_int_equal(send_text(p->client, "ab"), 2);
    assert_int_equal(send_text(p->client, "cd"), 2);
    assert_int_equal(send_text(p->client, "efgh"), 4);
    assert_int_equal(finish(&call), 6);
    assert_memory_equal(buf, "abcdef", 6);
    assert_int_equal(gn_sock_recv(p->server, buf, 6, 0), 2);
    call.flags = MSG_WAITALL;
    start(&call, recv_main);
    assert_int_equal(send_text(p->client, "xyz"), 3);
    assert_int_equal(gn_sock_shutdown(p->client, SHUT_WR), 0);
    assert_int_equal(finish(&call), 3);
}

static void send_goes_on_until_all_is_taken(void **state)
{
    struct pair *p = *state;
    const size_t len = 4u << 20;
    char *out = test_malloc(len), *in = test_malloc(len);
    struct call call = {.sock = p->client, .buf = out, .len = len};
    size_t i, n = 0;
    ssize_t got;

    for (i = 0; i < len; i++)
        out[i] = (char)(i * 31 + i / 255);
    start(&call, send_main);
    while (n < len) {
        got = gn_sock_recv(p->server, in + n, len - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_int_equal(finish(&call), len);
    assert_memory_equal(in, out, len);
    test_free(in);
    test_free(out);
}

static void close_ends_blocked_calls(void **state)
{
    struct pair *p = *state;
    char buf[8];
    struct call reader = {.sock = p->server, .buf = buf, .len = sizeof(buf)};
    struct call waiter = {.sock = p->listener};

    start(&reader, recv_main);
    start(&waiter, accept_main);
    gn_sock_close(p->server);
    gn_sock_close(p->listener);
    assert_int_equal(finish(&reader), -EBADF);
    assert_int_equal(finish(&waiter), -EBADF);
}

static void kill_ends_blocked_calls(void **state)
{
    struct pair *p = *state;
    char buf[8];
    struct call reader = {.sock = p->server, .buf = buf, .len = sizeof(buf)};
    struct call waiter = {.sock = p->listener};

    start(&reader, recv_main);
    start(&waiter, accept_main);
    gn_namespace_kill(p->b);
    assert_int_equal(finish(&reader), -ECANCELED);
    assert_int_equal(finish(&waiter), -ECANCELED);
}

static void shutdown_ends_blocked_calls(void **state)
{
    struct pair *p = *state;
    char buf[8];
    struct call reader = {.sock = p->server, .buf = buf, .len = sizeof(buf)};
    struct call waiter = {.sock = p->listener};

    start(&reader, recv_main);
    start(&waiter, accept_main);
    assert_int_equal(gn_sock_shutdown(p->server, SHUT_RD), 0);
    assert_int_equal(finish(&reader), 0);
    assert_int_equal(gn_sock_shutdown(p->listener, SHUT_RD), 0);
    assert_int_equal(finish(&waiter), -EINVAL);
}

/* A send of four bytes on a connection that takes no more. */
static void start_full_send(struct pair *p, struct call *call)
{
    static char data[65536];

    while (gn_sock_send(p->client, data, sizeof(data), MSG_DONTWAIT) > 0)
        continue;
    *call = (struct call){.sock = p->client, .buf = data, .len = 4};
    start(call, send_main);
}

static void reading_wakes_a_send(void **state)
{
    struct pair *p = *state;
    char buf[65536];
    struct call call;

    start_full_send(p, &call);
    while (gn_sock_recv(p->server, buf, sizeof(buf), MSG_DONTWAIT) > 0)
        continue;
    assert_int_equal(finish(&call), 4);
}

static void close_wakes_a_send(void **state)
{
    struct pair *p = *state;
    struct call call;

    start_full_send(p, &call);
    gn_sock_close(p->client);
    assert_int_equal(finish(&call), -EBADF);
}

static void kill_wakes_a_send(void **state)
{
    struct pair *p = *state;
    struct call call;

    start_full_send(p, &call);
    gn_namespace_kill(p->a);
    assert_int_equal(finish(&call), -ECANCELED);
}

static void reset_wakes_a_send(void **state)
{
    struct pair *p = *state;
    struct call call;

    start_full_send(p, &call);
    gn_sock_close(p->server); /* With bytes unread. */
    assert_int_equal(finish(&call), -ECONNRESET);
}

static void shutdown_wakes_a_send(void **state)
{
    struct pair *p = *state;
    struct call call;

    start_full_send(p, &call);
    assert_int_equal(gn_sock_shutdown(p->client, SHUT_WR), 0);
    assert_int_equal(finish(&call), -EPIPE);
}

static void *poll_two_main(void *arg)
{
    struct call *call = arg;
    struct gn_pollfd fds[2] = {{.sock = call[0].sock, .events = POLLIN},
                               {.sock = call[1].sock, .events = POLLIN}};

    call->result = gn_sock_poll(fds, 2, -1);
    return NULL;
}

/* Two reasons to wake one poll, within one entry of the engine. */
static void kill_wakes_a_poll_once(void **state)
{
    struct pair *p = *state;
    struct call call[2] = {{.sock = p->server}, {.sock = p->listener}};
    unsigned i;

    start(call, poll_two_main);
    for (i = 0; i < 5; i++)
        assert_int_equal(gn_sleep_ns(p->a, 1000000), 0); /* Likely inside. */
    gn_namespace_kill(p->b);
    assert_int_equal(finish(call), 2);
}

static void set_timeout(struct gn_sock *sock, int name, int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    assert_int_equal(gn_sock_setopt(sock, SOL_SOCKET, name, &tv, sizeof(tv)),
                     0);
}

static void timeouts_end_calls_with_eagain(void **state)
{
    struct pair *p = *state;
    const size_t len = 16u << 20;
    char *buf = test_calloc(1, len);
    struct gn_sock *out;
    uint64_t begin = gn_now_ns(p->a), elapsed;
    ssize_t n;

    set_timeout(p->server, SO_RCVTIMEO, 20);
    set_timeout(p->listener, SO_RCVTIMEO, 20);
    set_timeout(p->client, SO_SNDTIMEO, 20);
    assert_int_equal(gn_sock_recv(p->server, buf, 1, 0), -EAGAIN);
    assert_int_equal(gn_sock_accept(p->listener, NULL, NULL, 0, &out), -EAGAIN);
    n = gn_sock_send(p->client, buf, len, 0); /* What there was room for. */
    assert_in_range(n, 1, len - 1);
    assert_int_equal(gn_sock_send(p->client, buf, len, 0), -EAGAIN);
    elapsed = gn_now_ns(p->a) - begin;
    assert_true(elapsed >= 80000000u);
    test_free(buf);
}

static void connect_times_out_as_in_progress(void **state)
{
    struct pair *p = *state;
    struct gn_link_config down = {.down = true};
    struct gn_sock *sock = open_blocking(p->a, SOCK_STREAM);

    assert_int_equal(gn_link_set(p->b, "eth0", &down), 0);
    set_timeout(sock, SO_SNDTIMEO, 10);
    assert_int_equal(connect_to(sock, "10.77.0.3:80"), -EINPROGRESS);
    assert_int_equal(connect_to(sock, "10.77.0.3:80"), -EALREADY);
    drop(sock);
}

static void linger_waits_for_the_acknowledgement(void **state)
{
    struct pair *p = *state;
    struct linger linger = {1, 30};
    struct gn_link_config slow = {.latency_us = 20000};
    uint64_t begin = gn_now_ns(p->a);

    assert_int_equal(gn_sock_setopt(p->client, SOL_SOCKET, SO_LINGER, &linger,
                                    sizeof(linger)),
                     0);
    assert_int_equal(gn_link_set(p->a, "eth0", &slow), 0);
    assert_int_equal(send_text(p->client, "x"), 1);
    gn_sock_close(p->client);
    assert_true(gn_now_ns(p->a) - begin >= 40000000u);
}

static void sleep_lasts_and_ends_by_kill(void **state)
{
    struct pair *p = *state;
    uint64_t begin = gn_now_ns(p->a);

    assert_int_equal(gn_sleep_ns(p->a, 5000000), 0);
    assert_true(gn_now_ns(p->a) - begin >= 5000000u);
    gn_namespace_kill(p->a);
    assert_int_equal(gn_sleep_ns(p->a, UINT64_MAX), -ECANCELED);
}

/* ---- poll, watch, descriptors ---- */

static void poll_waits_for_any_of_many(void **state)
{
    struct pair *p = *state;
    struct gn_pollfd fds[40];
    struct gn_sock *dgrams[38];
    unsigned i;

    for (i = 0; i < 38; i++) {
        dgrams[i] = open_blocking(p->b, SOCK_DGRAM);
        fds[i] = (struct gn_pollfd){.sock = dgrams[i], .events = POLLIN};
    }
    fds[38] = (struct gn_pollfd){.sock = p->server, .events = POLLIN};
    fds[39] = (struct gn_pollfd){.fd = -1, .events = POLLIN, .revents = 9};
    assert_int_equal(gn_sock_poll(fds, 40, 10), 0);
    assert_int_equal(fds[39].revents, 0);
    assert_int_equal(send_text(p->client, "x"), 1);
    assert_int_equal(gn_sock_poll(fds, 40, -1), 1);
    assert_int_equal(fds[38].revents, POLLIN);
    for (i = 0; i < 38; i++)
        drop(dgrams[i]);
}

struct writer {
    struct gn_sock *sock;
    int fd;
};

static void *write_main(void *arg)
{
    struct writer *writer = arg;

    if (writer->sock)
        assert_int_equal(send_text(writer->sock, "x"), 1);
    else
        assert_int_equal(write(writer->fd, "x", 1), 1);
    return NULL;
}

static void poll_mixes_sockets_and_descriptors(void **state)
{
    struct pair *p = *state;
    struct gn_pollfd fds[2] = {{.sock = p->server, .events = POLLIN},
                               {.events = POLLIN}};
    struct writer writer = {.sock = p->client};
    pthread_t thread;
    int ends[2];
    char byte;

    assert_int_equal(pipe(ends), 0);
    fds[1].fd = ends[0];
    assert_int_equal(gn_sock_poll(fds, 2, 5), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_main, &writer), 0);
    assert_int_equal(gn_sock_poll(fds, 2, -1), 1);
    assert_int_equal(fds[0].revents, POLLIN);
    assert_int_equal(fds[1].revents, 0);
    pthread_join(thread, NULL);
    assert_int_equal(gn_sock_recv(p->server, &byte, 1, 0), 1);
    writer = (struct writer){.fd = ends[1]};
    assert_int_equal(pthread_create(&thread, NULL, write_main, &writer), 0);
    assert_int_equal(gn_sock_poll(fds, 2, -1), 1);
    assert_int_equal(fds[0].revents, 0);
    assert_int_equal(fds[1].revents, POLLIN);
    pthread_join(thread, NULL);
    close(ends[0]);
    close(ends[1]);
}

static void poll_checks_its_arguments(void **state)
{
    (void)state;
    assert_int_equal(gn_sock_poll(NULL, 1, 0), -EFAULT);
    assert_int_equal(gn_sock_poll(NULL, 0, 0), 0);
    assert_int_equal(gn_sock_poll(NULL, 65537, 0), -EINVAL);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, timeout_ms) == 1;
}

static void descriptor_follows_readiness(void **state)
{
    struct pair *p = *state;
    int in, again, out, other;
    char byte;

    assert_int_equal(gn_sock_fd(p->server, POLLIN, &in), 0);
    assert_int_equal(gn_sock_fd(p->server, POLLIN, &again), 0);
    assert_int_equal(in, again);
    assert_int_equal(gn_sock_fd(p->server, POLLOUT, &out), 0);
    assert_int_equal(gn_sock_fd(p->server, 0, &other), -EINVAL);
    assert_true(readable(out, 0));
    assert_false(readable(in, 0));
    assert_int_equal(send_text(p->client, "x"), 1);
    assert_true(readable(in, -1));
    assert_int_equal(gn_sock_recv(p->server, &byte, 1, 0), 1);
    assert_false(readable(in, 0));
    gn_sock_close(p->server);
    assert_int_equal(gn_sock_fd(p->server, POLLIN, &in), -EBADF);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void *poll_main(void *arg)
{
    struct pollfd p = {*(int *)arg, POLLIN, 0};

    assert_int_equal(poll(&p, 1, -1), 1);
    assert_int_equal(p.revents, POLLIN);
    return NULL;
}

/* Else its number would be another file's, under a thread's poll(2). */
static void descriptor_stays_until_the_last_reference(void **state)
{
    struct pair *p = *state;
    struct gn_sock *sock = gn_sock_ref(p->server);
    pthread_t thread;
    int fd, other;

    assert_int_equal(gn_sock_fd(sock, POLLIN, &fd), 0);
    assert_int_equal(pthread_create(&thread, NULL, poll_main, &fd), 0);
    drop(p->server);
    p->server = NULL;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(readable(fd, 0));
    other = dup(STDIN_FILENO);
    assert_int_not_equal(other, fd);
    close(other);
    gn_sock_unref(sock);
    assert_false(is_open(fd));
}

static void descriptor_of_an_open_socket_goes_with_it(void **state)
{
    struct pair *p = *state;
    int in, out;

    assert_int_equal(gn_sock_fd(p->server, POLLIN, &in), 0);
    assert_int_equal(gn_sock_fd(p->server, POLLOUT, &out), 0);
    gn_sock_unref(p->server);
    p->server = NULL;
    assert_false(is_open(in));
    assert_false(is_open(out));
}

static void descriptor_shows_a_kill(void **state)
{
    struct pair *p = *state;
    int fd;

    assert_int_equal(gn_sock_fd(p->server, POLLIN, &fd), 0);
    gn_namespace_kill(p->b);
    assert_true(readable(fd, -1));
    gn_sock_close(p->server);
    assert_true(readable(fd, 0));
}

struct watcher {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned calls;
    bool running;
    bool may_go;
    short revents;
};

static void count_call(struct gn_sock *sock, short revents, void *arg)
{
    struct watcher *w = arg;
    char byte;

    assert_true(revents & (POLLIN | POLLHUP));
    (void)!gn_sock_recv(sock, &byte, 1, MSG_DONTWAIT);
    pthread_mutex_lock(&w->lock);
    w->calls++;
    pthread_cond_broadcast(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static void wait_calls(struct watcher *w, unsigned calls)
{
    pthread_mutex_lock(&w->lock);
    while (w->calls < calls)
        pthread_cond_wait(&w->cond, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static void watch_calls_while_the_level_holds(void **state)
{
    struct pair *p = *state;
    struct watcher w = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};

    assert_int_equal(gn_sock_watch(p->server, POLLIN, NULL, NULL), -EFAULT);
    assert_int_equal(gn_sock_watch(p->server, POLLIN, count_call, &w), 0);
    assert_int_equal(send_text(p->client, "abc"), 3);
    wait_calls(&w, 3); /* It takes one byte each time. */
    assert_int_equal(gn_sock_watch(p->server, 0, NULL, NULL), 0);
    assert_int_equal(send_text(p->client, "d"), 1);
    assert_int_equal(w.calls, 3);
}

static void slow_call(struct gn_sock *sock, short revents, void *arg)
{
    struct watcher *w = arg;

    (void)sock;
    (void)revents;
    pthread_mutex_lock(&w->lock);
    w->running = true;
    w->calls++;
    pthread_cond_broadcast(&w->cond);
    while (!w->may_go)
        pthread_cond_wait(&w->cond, &w->lock);
    w->running = false;
    pthread_mutex_unlock(&w->lock);
}

static void *let_go(void *arg)
{
    struct watcher *w = arg;

    pthread_mutex_lock(&w->lock);
    w->may_go = true;
    pthread_cond_broadcast(&w->cond);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void stopping_waits_for_a_running_callback(void **state)
{
    struct pair *p = *state;
    struct watcher w = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};
    pthread_t thread;

    assert_int_equal(gn_sock_watch(p->server, POLLIN, slow_call, &w), 0);
    assert_int_equal(send_text(p->client, "x"), 1);
    wait_calls(&w, 1);
    assert_int_equal(pthread_create(&thread, NULL, let_go, &w), 0);
    gn_sock_close(p->server); /* It may run again before this gets there. */
    assert_false(w.running);
    pthread_join(thread, NULL);
}

/* Everything else goes on while a callback takes its time: it is left running
 * until another thread has made calls of each kind. */
static void no_call_waits_for_a_callback(void **state)
{
    struct pair *p = *state;
    struct watcher w = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};
    struct gn_sock *sender = open_blocking(p->a, SOCK_DGRAM);
    struct gn_namespace *ns;
    struct gn_network *net;
    char byte;

    assert_int_equal(gn_sock_watch(p->server, POLLIN, slow_call, &w), 0);
    assert_int_equal(send_text(p->client, "x"), 1);
    wait_calls(&w, 1);
    assert_int_equal(bind_to(sender, "10.77.0.2:77"), 0);
    assert_int_equal(send_text_to(sender, "x", "10.77.0.2:77"), 1);
    assert_int_equal(gn_sock_recv(sender, &byte, 1, 0), 1);
    assert_int_equal(gn_sock_recv(p->server, &byte, 1, MSG_DONTWAIT), 1);
    assert_int_equal(gn_namespace_create(p->net, NULL, &ns), 0);
    gn_namespace_kill(ns);
    assert_int_equal(gn_network_create(NULL, &net), 0);
    pthread_mutex_lock(&w.lock);
    assert_true(w.running);
    pthread_mutex_unlock(&w.lock);
    (void)let_go(&w);
    gn_sock_close(p->server);
    gn_network_close(net, NULL, NULL);
    drop(sender);
}

/* What a watch has seen last; the callback stops it. */
static void note_and_stop(struct gn_sock *sock, short revents, void *arg)
{
    struct watcher *w = arg;

    assert_int_equal(gn_sock_watch(sock, 0, NULL, NULL), 0);
    pthread_mutex_lock(&w->lock);
    w->revents = revents;
    w->calls++;
    pthread_cond_broadcast(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static short watched(struct gn_sock *sock, short events, struct watcher *w)
{
    unsigned before = w->calls;

    assert_int_equal(gn_sock_watch(sock, events, note_and_stop, w), 0);
    wait_calls(w, before + 1);
    return w->revents;
}

static void watch_tells_room_end_and_errors(void **state)
{
    struct pair *p = *state;
    struct watcher w = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};
    struct linger linger = {1, 0};

    assert_int_equal(watched(p->client, POLLOUT, &w), POLLOUT);
    assert_int_equal(watched(p->client, POLLIN | POLLOUT, &w), POLLOUT);
    assert_int_equal(gn_sock_shutdown(p->server, SHUT_WR), 0);
    assert_int_equal(watched(p->client, POLLIN | POLLRDHUP, &w),
                     POLLIN | POLLRDHUP);
    assert_int_equal(gn_sock_setopt(p->server, SOL_SOCKET, SO_LINGER, &linger,
                                    sizeof(linger)),
                     0);
    gn_sock_close(p->server);
    assert_int_equal(watched(p->client, POLLPRI, &w), POLLERR | POLLHUP);
    assert_int_equal(w.calls, 4);
}

static void never_called(struct gn_sock *sock, short revents, void *arg)
{
    (void)sock;
    (void)revents;
    (void)arg;
    abort();
}

static void a_second_watch_replaces_the_first(void **state)
{
    struct pair *p = *state;
    struct watcher w = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};

    assert_int_equal(gn_sock_watch(p->server, POLLIN, never_called, NULL), 0);
    assert_int_equal(gn_sock_watch(p->server, POLLIN, count_call, &w), 0);
    assert_int_equal(send_text(p->client, "ab"), 2);
    wait_calls(&w, 2);
    assert_int_equal(gn_sock_watch(p->server, 0, NULL, NULL), 0);
    assert_int_equal(w.calls, 2);
}

/* Replaces itself by one for room, which there is. */
static void replace_inside(struct gn_sock *sock, short revents, void *arg)
{
    assert_true(revents & POLLIN);
    assert_int_equal(gn_sock_watch(sock, POLLOUT, note_and_stop, arg), 0);
}

static void callback_may_replace_itself(void **state)
{
    struct pair *p = *state;
    struct watcher w = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};

    assert_int_equal(gn_sock_watch(p->server, POLLIN, replace_inside, &w), 0);
    assert_int_equal(send_text(p->client, "x"), 1);
    wait_calls(&w, 1);
    assert_int_equal(w.revents, POLLOUT);
}

static void close_ends_a_watch(void **state)
{
    struct pair *p = *state;

    assert_int_equal(gn_sock_watch(p->server, POLLIN, never_called, NULL), 0);
    gn_sock_close(p->server);
    assert_int_equal(gn_sock_watch(p->server, POLLIN, never_called, NULL),
                     -EBADF);
    assert_int_equal(send_text(p->client, "x"), 1);
}

static void kill_is_told_to_a_watch(void **state)
{
    struct pair *p = *state;
    struct watcher w = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};

    assert_int_equal(gn_sock_watch(p->server, POLLIN, note_and_stop, &w), 0);
    gn_namespace_kill(p->b);
    wait_calls(&w, 1);
    assert_true(w.revents & POLLERR && w.revents & POLLHUP);
}

static void close_inside(struct gn_sock *sock, short revents, void *arg)
{
    struct watcher *w = arg;

    (void)revents;
    gn_sock_close(sock);
    pthread_mutex_lock(&w->lock);
    w->calls++;
    pthread_cond_broadcast(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static void callback_may_close_its_socket(void **state)
{
    struct pair *p = *state;
    struct watcher w = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};
    char byte;

    assert_int_equal(gn_sock_watch(p->server, POLLIN, close_inside, &w), 0);
    assert_int_equal(gn_sock_shutdown(p->client, SHUT_WR), 0);
    wait_calls(&w, 1);
    assert_int_equal(gn_sock_recv(p->server, &byte, 1, 0), -EBADF);
    assert_int_equal(gn_sock_recv(p->client, &byte, 1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(recv_waits_for_bytes),
        CASE(waitall_waits_for_all_bytes),
        CASE(send_goes_on_until_all_is_taken),
        CASE(close_ends_blocked_calls),
        CASE(kill_ends_blocked_calls),
        CASE(shutdown_ends_blocked_calls),
        CASE(reading_wakes_a_send),
        CASE(close_wakes_a_send),
        CASE(kill_wakes_a_send),
        CASE(reset_wakes_a_send),
        CASE(shutdown_wakes_a_send),
        CASE(kill_wakes_a_poll_once),
        CASE(timeouts_end_calls_with_eagain),
        CASE(connect_times_out_as_in_progress),
        CASE(linger_waits_for_the_acknowledgement),
        CASE(sleep_lasts_and_ends_by_kill),
        CASE(poll_waits_for_any_of_many),
        CASE(poll_mixes_sockets_and_descriptors),
        CASE(poll_checks_its_arguments),
        CASE(descriptor_follows_readiness),
        CASE(descriptor_stays_until_the_last_reference),
        CASE(descriptor_of_an_open_socket_goes_with_it),
        CASE(descriptor_shows_a_kill),
        CASE(watch_calls_while_the_level_holds),
        CASE(stopping_waits_for_a_running_callback),
        CASE(no_call_waits_for_a_callback),
        CASE(callback_may_close_its_socket),
        CASE(watch_tells_room_end_and_errors),
        CASE(a_second_watch_replaces_the_first),
        CASE(callback_may_replace_itself),
        CASE(close_ends_a_watch),
        CASE(kill_is_told_to_a_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
