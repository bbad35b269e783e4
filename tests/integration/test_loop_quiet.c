/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * No call of ours disturbs the caller's threads. A loop of libuv 1.46 or newer
 * has an io_uring, and some 15 ms after it was closed the kernel's clean-up
 * interrupts the thread that made it or ran it, without a signal: a blocking
 * call of the caller's comes back short, or with EINTR. So we make none: libuv
 * is entered only on a loop that the caller made and runs. With an older libuv
 * the calls would not be interrupted either way; with any libuv it is checked
 * that the library makes no loop.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include <guestnet/guestnet.h>

#include "tests/lib/simnet.h"

#define ROUNDS 5u
/* The clean-up comes 10 to 20 ms after the loop was closed. */
#define LONG_US 60000

/* ---- calls that enter libuv ---- */

static _Atomic unsigned n_made, n_run, n_ended;

int __real_uv_loop_init(uv_loop_t *loop);
int __real_uv_run(uv_loop_t *loop, uv_run_mode mode);
int __real_uv_loop_close(uv_loop_t *loop);
int __wrap_uv_loop_init(uv_loop_t *loop);
int __wrap_uv_run(uv_loop_t *loop, uv_run_mode mode);
int __wrap_uv_loop_close(uv_loop_t *loop);

int __wrap_uv_loop_init(uv_loop_t *loop)
{
    n_made++;
    return __real_uv_loop_init(loop);
}

int __wrap_uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    n_run++;
    return __real_uv_run(loop, mode);
}

int __wrap_uv_loop_close(uv_loop_t *loop)
{
    n_ended++;
    return __real_uv_loop_close(loop);
}

/* ---- a network's life on this thread ---- */

static void received(struct gn_sock *sock, short revents, void *arg)
{
    unsigned *n = arg;

    (void)revents;
    gn_simnet_expect(sock, "x");
    ++*n;
}

static struct gn_network *network_open(enum gn_drive drive, uv_loop_t *loop)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = drive,
                                       .loop = loop};
    struct gn_network *net;

    assert_int_equal(gn_network_create(&config, &net), 0);
    return net;
}

/* Descriptors, a callback, packets: what a driver has. */
static void network_lives(enum gn_drive drive, uv_loop_t *loop)
{
    struct gn_network *net = network_open(drive, loop);
    struct gn_namespace *ns = gn_simnet_guest(net, NULL);
    struct gn_sock *to = gn_simnet_udp(ns, "10.77.0.2:1");
    struct gn_sock *from = gn_simnet_udp(ns, "10.77.0.2:2");
    unsigned n = 0;
    char byte;

    if (drive == GN_DRIVE_THREAD) {
        assert_int_equal(gn_simnet_send(from, "10.77.0.2:1", "x", 1), 1);
        assert_int_equal(gn_sock_recv(to, &byte, 1, 0), 1);
    } else {
        assert_int_equal(gn_sock_watch(to, POLLIN, received, &n), 0);
        assert_int_equal(gn_simnet_send(from, "10.77.0.2:1", "x", 1), 1);
        while (!n && drive == GN_DRIVE_CALLER)
            assert_true(gn_network_run(net, GN_RUN_ONCE) >= 0);
        while (!n && drive == GN_DRIVE_LOOP)
            (void)__real_uv_run(loop, UV_RUN_NOWAIT);
    }
    gn_simnet_end(to);
    gn_simnet_end(from);
    gn_network_close(net, NULL, NULL);
}

static void libuv_was_not_entered(void)
{
    assert_int_equal(n_made, 0);
    assert_int_equal(n_run, 0);
    assert_int_equal(n_ended, 0);
}

static void no_loop_of_libuvs_is_made(void **state)
{
    (void)state;
    network_lives(GN_DRIVE_THREAD, NULL);
    network_lives(GN_DRIVE_CALLER, NULL);
    libuv_was_not_entered();
}

static void a_loop_of_the_callers_is_the_callers(void **state)
{
    uv_loop_t loop;

    (void)state;
    assert_int_equal(__real_uv_loop_init(&loop), 0);
    network_lives(GN_DRIVE_LOOP, &loop);
    (void)__real_uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(__real_uv_loop_close(&loop), 0);
    libuv_was_not_entered();
}

/* ---- calls that block afterwards ---- */

struct pieces {
    int fd;
    pthread_t thread;
};

/* Eight bytes, one at a time, so long that an interruption falls between. */
static void *send_pieces(void *arg)
{
    struct pieces *pieces = arg;
    struct timeval pause = {.tv_usec = LONG_US / 8};
    char byte;
    int i;

    assert_int_equal(
        setsockopt(pieces->fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause)),
        0);
    for (i = 0; i < 8; i++) {
        (void)recv(pieces->fd, &byte, 1, 0); /* Comes back by its time-out. */
        assert_int_equal(send(pieces->fd, "x", 1, 0), 1);
    }
    return NULL;
}

static void a_whole_message_is_received(int fds[2])
{
    struct pieces pieces = {.fd = fds[1]};
    char buf[8];

    assert_int_equal(pthread_create(&pieces.thread, NULL, send_pieces, &pieces),
                     0);
    assert_int_equal(recv(fds[0], buf, sizeof(buf), MSG_WAITALL), 8);
    assert_int_equal(pthread_join(pieces.thread, NULL), 0);
}

static void a_time_out_is_waited_for(int fds[2])
{
    struct timeval limit = {.tv_usec = LONG_US};
    char byte;

    assert_int_equal(
        setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    errno = 0;
    assert_int_equal(recv(fds[0], &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN); /* not EINTR */
}

static void calls_block_on(enum gn_drive drive)
{
    unsigned i;
    int fds[2];

    for (i = 0; i < ROUNDS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        network_lives(drive, NULL);
        a_whole_message_is_received(fds);
        network_lives(drive, NULL);
        a_time_out_is_waited_for(fds);
        close(fds[0]);
        close(fds[1]);
    }
}

static void a_thread_that_closed_a_network_blocks_on(void **state)
{
    (void)state;
    calls_block_on(GN_DRIVE_THREAD);
}

static void a_thread_that_ran_a_network_blocks_on(void **state)
{
    (void)state;
    calls_block_on(GN_DRIVE_CALLER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_loop_of_libuvs_is_made),
        cmocka_unit_test(a_thread_that_closed_a_network_blocks_on),
        cmocka_unit_test(a_thread_that_ran_a_network_blocks_on),
        /* Last: it closes a loop of its own here, which may interrupt us. */
        cmocka_unit_test(a_loop_of_the_callers_is_the_callers),
    };

    print_message("libuv %s\n", uv_version_string());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
