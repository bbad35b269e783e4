/* SPDX-License-Identifier: BSD-3-Clause */

/* Connections as descriptors: gn_dial_fd() and gn_conn_fd(). */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/talk.h"

#define BIG (16u * 1024 * 1024)

struct fds {
    struct talk *talk;
    struct party server;
    struct gn_listener *listener;
    enum gn_fd_kind kind;
    int fd;
};

static int setup(void **state)
{
    struct fds *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    talk_threaded((void **)&f->talk);
    assert_int_equal(gn_listen(f->talk->a, "tcp", ":80", party_accepted,
                               &f->server, &f->listener),
                     0);
    f->server.keep = true;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fds *f = *state;

    talk_teardown((void **)&f->talk);
    party_done(&f->server);
    free(f);
    return 0;
}

static void dial_fd(struct fds *f, enum gn_fd_kind kind)
{
    struct gn_dial_options options = {.size = sizeof(options), .fd_kind = kind};

    f->server.dialled = 0;
    assert_int_equal(
        gn_dial_fd(f->talk->gateway, "tcp", "a:80", &options, &f->fd), 0);
    talk_count(f->talk, &f->server.dialled, 1);
}

static void read_server(struct fds *f)
{
    assert_int_equal(gn_conn_read_start(f->server.conn, party_read, &f->server),
                     0);
}

static void expect_read(int fd, const char *text)
{
    char buf[64];
    size_t len = strlen(text), n = 0;

    while (n < len) {
        ssize_t got = read(fd, buf + n, len - n);

        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_memory_equal(buf, text, len);
}

/* ---- what both kinds do ---- */

static void talk_both_ways(struct fds *f, enum gn_fd_kind kind)
{
    dial_fd(f, kind);
    read_server(f);
    assert_int_equal(write(f->fd, "question", 8), 8);
    talk_count(f->talk, &f->server.n_reads, 1);
    assert_int_equal(gn_conn_write(f->server.conn, "answer", 6, NULL, NULL), 0);
    expect_read(f->fd, "answer");
    assert_int_equal(shutdown(f->fd, SHUT_WR), 0);
    talk_count(f->talk, &f->server.ended, 1);
    assert_int_equal(f->server.end, GN_EOF);
    assert_int_equal(gn_conn_write(f->server.conn, "late", 4, NULL, NULL), 0);
    assert_int_equal(gn_conn_shutdown(f->server.conn, NULL, NULL), 0);
    expect_read(f->fd, "late");
    assert_int_equal(read(f->fd, &kind, 1), 0);
    close(f->fd);
    talk_drop(f->talk, &f->server);
}

static void bytes_and_ends_pass_both_ways(void **state)
{
    talk_both_ways(*state, GN_FD_SOCKETPAIR);
}

static void bytes_and_ends_pass_both_ways_by_tcp(void **state)
{
    talk_both_ways(*state, GN_FD_TCP);
}

static void it_blocks_and_is_closed_on_exec(void **state)
{
    struct fds *f = *state;
    int kind;

    for (kind = 0; kind < GN_N_FD_KINDS; kind++) {
        dial_fd(f, (enum gn_fd_kind)kind);
        assert_true(fcntl(f->fd, F_GETFD) & FD_CLOEXEC);
        assert_false(fcntl(f->fd, F_GETFL) & O_NONBLOCK);
        close(f->fd);
        talk_drop(f->talk, &f->server);
    }
}

static void kinds_differ_as_the_header_says(void **state)
{
    struct sockaddr_storage ss;
    struct fds *f = *state;
    socklen_t len = sizeof(ss);
    int one = 1;

    memset(&ss, 0, sizeof(ss));
    dial_fd(f, GN_FD_SOCKETPAIR);
    assert_true(setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) <
                0);
    assert_int_equal(getpeername(f->fd, (struct sockaddr *)&ss, &len), 0);
    assert_int_equal(ss.ss_family, AF_UNIX);
    close(f->fd);
    talk_drop(f->talk, &f->server);
    dial_fd(f, GN_FD_TCP);
    assert_int_equal(
        setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    len = sizeof(ss);
    assert_int_equal(getpeername(f->fd, (struct sockaddr *)&ss, &len), 0);
    assert_int_equal(ss.ss_family, AF_INET);
    assert_int_equal(ntohl(((struct sockaddr_in *)&ss)->sin_addr.s_addr),
                     INADDR_LOOPBACK);
    assert_int_equal(connect(f->fd, (struct sockaddr *)&ss, len), 0);
    close(f->fd);
    talk_drop(f->talk, &f->server);
}

static void a_reset_reaches_the_reader(void **state)
{
    struct fds *f = *state;
    char byte;
    ssize_t n;

    dial_fd(f, GN_FD_TCP);
    assert_int_equal(gn_conn_reset(f->server.conn, NULL, NULL), 0);
    assert_int_equal(read(f->fd, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(f->fd);
    dial_fd(f, GN_FD_SOCKETPAIR);
    assert_int_equal(gn_conn_reset(f->server.conn, NULL, NULL), 0);
    n = read(f->fd, &byte, 1);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(f->fd);
}

static void closing_it_closes_the_connection(void **state)
{
    struct fds *f = *state;

    dial_fd(f, GN_FD_SOCKETPAIR);
    read_server(f);
    assert_int_equal(write(f->fd, "bye", 3), 3);
    close(f->fd);
    talk_count(f->talk, &f->server.ended, 1);
    assert_int_equal(f->server.end, GN_EOF);
    assert_int_equal(f->server.n_read, 3);
    talk_drop(f->talk, &f->server);
}

/* ---- bulk ---- */

static void *write_big(void *arg)
{
    const struct fds *f = arg;
    uint8_t *data = malloc(BIG);
    size_t at;

    for (at = 0; data && at < BIG; at++)
        data[at] = (uint8_t)(at * 17 + (at >> 12));
    for (at = 0; data && at < BIG;) {
        ssize_t n = write(f->fd, data + at, BIG - at);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    free(data);
    shutdown(f->fd, SHUT_WR);
    return NULL;
}

static void much_passes_whole(struct fds *f, enum gn_fd_kind kind)
{
    pthread_t thread;
    size_t i;

    dial_fd(f, kind);
    read_server(f);
    assert_int_equal(pthread_create(&thread, NULL, write_big, f), 0);
    talk_count(f->talk, &f->server.ended, 1);
    pthread_join(thread, NULL);
    assert_int_equal(f->server.end, GN_EOF);
    assert_int_equal(f->server.n_read, BIG);
    for (i = 0; i < BIG; i++) {
        if (f->server.data[i] != (uint8_t)(i * 17 + (i >> 12)))
            break;
    }
    assert_int_equal(i, BIG);
    close(f->fd);
    talk_drop(f->talk, &f->server);
}

static void sixteen_mebibytes(void **state)
{
    much_passes_whole(*state, GN_FD_SOCKETPAIR);
}

static void sixteen_mebibytes_by_tcp(void **state)
{
    much_passes_whole(*state, GN_FD_TCP);
}

/* ---- handing over ---- */

static void what_came_before_is_read_first(void **state)
{
    struct fds *f = *state;
    struct party client = {.n_read = 0};
    int fd;

    assert_int_equal(gn_dial(f->talk->gateway, "tcp", "a:80", NULL,
                             party_dialled, &client, NULL),
                     0);
    talk_count(f->talk, &client.dialled, 1);
    talk_count(f->talk, &f->server.dialled, 1);
    assert_int_equal(
        gn_conn_write(client.conn, "early", 5, party_written, &client), 0);
    talk_count(f->talk, &client.n_written, 1);
    assert_int_equal(gn_conn_fd(f->server.conn, GN_FD_SOCKETPAIR, &fd), 0);
    assert_int_equal(
        gn_conn_write(client.conn, " late", 5, party_written, &client), 0);
    expect_read(fd, "early late");
    assert_int_equal(gn_conn_read_start(client.conn, party_read, &client), 0);
    close(fd);
    talk_count(f->talk, &client.ended, 1);
    assert_int_equal(client.end, GN_EOF);
    talk_drop(f->talk, &client);
}

static void writes_that_wait_are_in_the_way(void **state)
{
    static uint8_t data[BIG];
    struct fds *f = *state;
    struct party client = {.n_read = 0};
    int fd = -1;

    assert_int_equal(gn_dial(f->talk->gateway, "tcp", "a:80", NULL,
                             party_dialled, &client, NULL),
                     0);
    talk_count(f->talk, &client.dialled, 1);
    talk_count(f->talk, &f->server.dialled, 1);
    assert_int_equal(
        gn_conn_write(client.conn, data, BIG, party_written, &client), 1);
    assert_int_equal(gn_conn_fd(client.conn, GN_FD_TCP, &fd), -EBUSY);
    assert_int_equal(gn_conn_shutdown(f->server.conn, NULL, NULL), 0);
    assert_int_equal(gn_conn_fd(f->server.conn, GN_FD_TCP, &fd), -EPIPE);
    assert_int_equal(gn_conn_fd(client.conn, GN_N_FD_KINDS, &fd), -EINVAL);
    assert_int_equal(gn_conn_fd(NULL, GN_FD_TCP, &fd), -EINVAL);
    assert_int_equal(fd, -1);
    talk_part(f->talk, &client, &f->server);
}

static void no_descriptor_is_left(void **state)
{
    struct rlimit before, none = {.rlim_cur = 0};
    struct fds *f = *state;
    struct party client = {.n_read = 0};
    int fd = -1;

    assert_int_equal(gn_dial(f->talk->gateway, "tcp", "a:80", NULL,
                             party_dialled, &client, NULL),
                     0);
    talk_count(f->talk, &client.dialled, 1);
    talk_count(f->talk, &f->server.dialled, 1);
    getrlimit(RLIMIT_NOFILE, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    assert_int_equal(gn_conn_fd(client.conn, GN_FD_SOCKETPAIR, &fd), -EMFILE);
    assert_int_equal(gn_conn_fd(client.conn, GN_FD_TCP, &fd), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(fd, -1);
    assert_int_equal(gn_conn_fd(client.conn, GN_FD_TCP, &fd), 0);
    close(fd);
    talk_drop(f->talk, &f->server);
}

/* ---- failures ---- */

static void failures_are_those_of_dialling(void **state)
{
    struct gn_dial_options options = {.size = sizeof(options),
                                      .timeout_ms = 50};
    struct gn_link_config down = {.size = sizeof(down), .down = true};
    struct gn_namespace *gateway;
    struct fds *f = *state;
    int fd = -1;

    gateway = f->talk->gateway;
    assert_int_equal(gn_dial_fd(gateway, "tcp", "a:81", NULL, &fd),
                     -ECONNREFUSED);
    assert_int_equal(gn_dial_fd(gateway, "tcp", "nobody:81", NULL, &fd),
                     GN_EAI_NONAME);
    assert_int_equal(gn_dial_fd(gateway, "tcp", "a", NULL, &fd), -EINVAL);
    assert_int_equal(gn_dial_fd(gateway, "udp", "a:1", NULL, &fd), -EOPNOTSUPP);
    assert_int_equal(gn_dial_fd(NULL, "tcp", "a:1", NULL, &fd), -EINVAL);
    assert_int_equal(gn_dial_fd(gateway, "tcp", "a:1", NULL, NULL), -EINVAL);
    assert_int_equal(gn_link_set(f->talk->a, "eth0", &down), 0);
    assert_int_equal(gn_dial_fd(gateway, "tcp", "a:80", &options, &fd),
                     -ETIMEDOUT);
    assert_int_equal(fd, -1);
}

struct inside {
    struct talk *talk;
    _Atomic int result;
    _Atomic unsigned done;
};

static void dial_inside(struct gn_dial *dial, int status, struct gn_conn *conn,
                        void *arg)
{
    struct inside *inside = arg;
    int fd;

    (void)dial;
    (void)status;
    inside->result =
        gn_dial_fd(inside->talk->gateway, "tcp", "a:80", NULL, &fd);
    if (conn)
        (void)gn_conn_close(conn, NULL, NULL);
    inside->done = 1;
}

static void on_the_driving_thread_it_would_never_end(void **state)
{
    struct fds *f = *state;
    struct inside inside = {.talk = f->talk};

    assert_int_equal(gn_dial(f->talk->gateway, "tcp", "a:80", NULL, dial_inside,
                             &inside, NULL),
                     0);
    talk_count(f->talk, &inside.done, 1);
    assert_int_equal(inside.result, -EDEADLK);
    talk_count(f->talk, &f->server.dialled, 1);
}

static void *dial_and_wait(void *arg)
{
    struct inside *inside = arg;
    int fd;

    inside->result =
        gn_dial_fd(inside->talk->gateway, "tcp", "a:80", NULL, &fd);
    return NULL;
}

static bool is_connecting(void *arg)
{
    struct gn_namespace *gateway = arg;
    struct gn_stats stats;

    gn_namespace_stats(gateway, &stats);
    return stats.connections > 0;
}

static void the_network_s_end_ends_the_wait(void **state)
{
    struct gn_link_config down = {.size = sizeof(down), .down = true};
    struct fds *f = *state;
    struct inside inside = {.talk = f->talk};
    pthread_t thread;

    assert_int_equal(gn_link_set(f->talk->a, "eth0", &down), 0);
    assert_int_equal(pthread_create(&thread, NULL, dial_and_wait, &inside), 0);
    talk_until(f->talk, is_connecting, f->talk->gateway);
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    pthread_join(thread, NULL);
    assert_int_equal(inside.result, -ECANCELED);
}

static void the_network_s_end_ends_the_descriptor(void **state)
{
    struct fds *f = *state;
    char byte;
    ssize_t n;

    dial_fd(f, GN_FD_TCP);
    gn_network_close(f->talk->net, NULL, NULL);
    f->talk->net = NULL;
    n = read(f->fd, &byte, 1);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(f->fd);
}

/* ---- without descriptors ---- */

static void a_virtual_clock_has_none(void **state)
{
    struct talk *talk = *state;
    struct party client = {.n_read = 0}, server = {.n_read = 0};
    int fd;

    talk_connect(talk, talk->gateway, talk->a, 80, &client, &server);
    assert_int_equal(gn_conn_fd(client.conn, GN_FD_SOCKETPAIR, &fd), -ENOTSUP);
    assert_int_equal(gn_dial_fd(talk->gateway, "tcp", "a:80", NULL, &fd),
                     -EDEADLK);
    talk_part(talk, &client, &server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_and_ends_pass_both_ways),
        CASE(bytes_and_ends_pass_both_ways_by_tcp),
        CASE(it_blocks_and_is_closed_on_exec),
        CASE(kinds_differ_as_the_header_says),
        CASE(a_reset_reaches_the_reader),
        CASE(closing_it_closes_the_connection),
        CASE(sixteen_mebibytes),
        CASE(sixteen_mebibytes_by_tcp),
        CASE(what_came_before_is_read_first),
        CASE(writes_that_wait_are_in_the_way),
        CASE(no_descriptor_is_left),
        CASE(failures_are_those_of_dialling),
        CASE(on_the_driving_thread_it_would_never_end),
        CASE(the_network_s_end_ends_the_wait),
        CASE(the_network_s_end_ends_the_descriptor),
        cmocka_unit_test_setup_teardown(a_virtual_clock_has_none, talk_setup,
                                        talk_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
