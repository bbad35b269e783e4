/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Descriptors whose connections come from the network: by hand, and in servers
 * that take one, libmicrohttpd and nginx.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <microhttpd.h>

#include "tests/lib/case.h"
#include "tests/lib/program.h"
#include "tests/lib/socks.h"

#define CLIENT "10.77.0.3"

struct fixture {
    struct gn_network *net;
    struct gn_namespace *web, *client;
    struct gn_listener *listener;
    int fd;
    char path[128], why[160];
    struct sockaddr_storage told, seen;
    _Atomic unsigned n_told;
    _Atomic bool late; /* told of a client that could be accepted already */
};

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace_config web = {.size = sizeof(web), .name = "web"};
    struct fixture *f = test_calloc(1, sizeof(*f));

    f->fd = -1;
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    assert_int_equal(gn_namespace_create(f->net, &web, &f->web), 0);
    assert_int_equal(gn_namespace_create(f->net, NULL, &f->client), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn_network_close(f->net, NULL, NULL);
    if (f->fd >= 0)
        close(f->fd);
    test_free(f);
    return 0;
}

static void note(const struct sockaddr *client, const struct sockaddr *seen,
                 void *arg)
{
    struct fixture *f = arg;
    struct pollfd server = {.fd = f->fd, .events = POLLIN};

    if (!f->n_told && poll(&server, 1, 0))
        f->late = true;
    memcpy(&f->told, client, sizeof(struct sockaddr_in));
    memcpy(&f->seen, seen, sizeof(struct sockaddr_in));
    f->n_told++;
}

static void note_and_close(const struct sockaddr *client,
                           const struct sockaddr *seen, void *arg)
{
    struct fixture *f = arg;

    note(client, seen, arg);
    assert_int_equal(gn_listener_close(f->listener, NULL, NULL), 0);
}

static int try_listen(struct fixture *f, struct gn_listen_fd_options *options)
{
    options->size = sizeof(*options);
    options->path = f->path;
    options->path_len = sizeof(f->path);
    options->why = f->why;
    options->why_len = sizeof(f->why);
    return gn_listen_fd(f->web, "tcp", ":80", options, &f->fd, &f->listener);
}

static void listen_web(struct fixture *f, struct gn_listen_fd_options options)
{
    if (try_listen(f, &options))
        fail_msg("%s", f->why);
}

static struct gn_sock *dial_web(struct fixture *f)
{
    struct gn_sock *sock;

    assert_int_equal(
        gn_sock_dial(f->client, "tcp", "web:80", 30000, NULL, 0, &sock), 0);
    return sock;
}

static int accept_fd(struct fixture *f)
{
    struct pollfd server = {.fd = f->fd, .events = POLLIN};
    int fd;

    assert_int_equal(poll(&server, 1, 30000), 1);
    fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void expect_bytes(int fd, const char *text)
{
    char buf[128];
    ssize_t n = recv(fd, buf, strlen(text), MSG_WAITALL);

    assert_int_equal(n, strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void a_server_accepts_guests(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un peer = {.sun_path = ""};
    socklen_t len = sizeof(peer);
    struct gn_sock *sock;
    char text[GN_ADDR_TEXT_MAX];
    int fd;

    listen_web(f, (struct gn_listen_fd_options){.accepted = note, .arg = f});
    sock = dial_web(f);
    fd = accept_fd(f);
    assert_int_equal(f->n_told, 1);
    assert_false(f->late);
    assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
    assert_string_equal(strrchr(peer.sun_path, '/') + 1, name_of(sock));
    assert_int_equal(
        gn_addr_format((struct sockaddr *)&f->told, text, sizeof(text)), 0);
    assert_string_equal(text, name_of(sock));
    assert_int_equal(send_text(sock, "question"), 8);
    expect_bytes(fd, "question");
    assert_int_equal(send(fd, "answer", 6, MSG_NOSIGNAL), 6);
    close(fd);
    expect_text(sock, "answer");
    drop(sock);
}

static void the_folder_is_the_owner_s_and_goes(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    listen_web(f, (struct gn_listen_fd_options){.backlog = 1});
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    *strrchr(f->path, '/') = '\0';
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(gn_listener_close(f->listener, NULL, NULL), 0);
    assert_int_equal(stat(f->path, &st), -1);
    assert_int_equal(errno, ENOENT);
}

static void the_folder_goes_with_the_network(void **state)
{
    static const char *const prefixes[] = {"10.79.0.0/24", NULL};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct fixture *f = *state;
    struct stat st;

    listen_web(f, (struct gn_listen_fd_options){.backlog = 1});
    gn_network_close(f->net, NULL, NULL);
    *strrchr(f->path, '/') = '\0';
    assert_int_equal(stat(f->path, &st), -1);
    assert_int_equal(gn_network_create(&config, &f->net), 0);
}

static void a_proxy_line_says_who_it_is(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char line[108];
    int fd;

    listen_web(f, (struct gn_listen_fd_options){.proxy_protocol = true});
    sock = dial_web(f);
    assert_int_equal(send_text(sock, "hello"), 5);
    fd = accept_fd(f);
    (void)snprintf(line, sizeof(line),
                   "PROXY TCP4 " CLIENT " 10.77.0.2 %u 80\r\nhello",
                   port_of(sock));
    expect_bytes(fd, line);
    close(fd);
    drop(sock);
}

static void a_proxy_line_comes_before_the_end(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char line[108];
    ssize_t n = 0, got;
    int fd;

    listen_web(f, (struct gn_listen_fd_options){.loopback = true,
                                                .proxy_protocol = true});
    sock = dial_web(f);
    assert_int_equal(gn_sock_shutdown(sock, SHUT_WR), 0);
    fd = accept_fd(f);
    while ((got = recv(fd, line + n, sizeof(line) - (size_t)n, 0)) > 0)
        n += got;
    assert_int_equal(got, 0);
    assert_memory_equal(line + n - 2, "\r\n", 2);
    close(fd);
    drop(sock);
}

static void a_tcp_socket_tells_its_clients_by_callback(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    struct gn_sock *sock;
    int fd;

    listen_web(f, (struct gn_listen_fd_options){
                      .loopback = true, .accepted = note, .arg = f});
    assert_int_equal(strncmp(f->path, "127.0.0.1:", 10), 0);
    sock = dial_web(f);
    fd = accept_fd(f);
    assert_int_equal(f->n_told, 1);
    assert_false(f->late);
    assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
    assert_memory_equal(&peer, &f->seen, 8); /* Family, port, address. */
    assert_int_equal(send_text(sock, "hello"), 5);
    expect_bytes(fd, "hello");
    close(fd);
    drop(sock);
}

static void clients_of_a_full_backlog_wait(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *socks[8];
    size_t i;
    int fd;

    listen_web(f, (struct gn_listen_fd_options){
                      .backlog = 1, .accepted = note, .arg = f});
    for (i = 0; i < 8; i++)
        socks[i] = dial_web(f);
    for (i = 0; i < 8; i++) {
        fd = accept_fd(f);
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        close(fd);
    }
    for (i = 0; i < 8; i++) {
        expect_text(socks[i], "x");
        drop(socks[i]);
    }
    assert_int_equal(f->n_told, 8); /* Not at each attempt. */
}

/* The kernel makes them wait there, in connect(2). */
static void fill_tcp_backlog(struct fixture *f, struct gn_sock *socks[5])
{
    size_t i;

    listen_web(f, (struct gn_listen_fd_options){.backlog = 1,
                                                .loopback = true,
                                                .proxy_protocol = true,
                                                .accepted = note,
                                                .arg = f});
    for (i = 0; i < 5; i++)
        socks[i] = dial_web(f);
    while (f->n_told < 5)
        (void)sched_yield();
}

/* The line is what cannot be sent until then. Nothing goes behind it: under SYN
 * cookies the kernel resets a client whose second segment finds the backlog
 * full. */
static void clients_of_a_full_tcp_backlog_wait_too(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *socks[5];
    char line[108];
    size_t i;
    int fd;

    fill_tcp_backlog(f, socks);
    for (i = 0; i < 5; i++) {
        fd = accept_fd(f);
        assert_true(recv(fd, line, sizeof(line), 0) > 2);
        assert_int_equal(strncmp(line, "PROXY TCP4 " CLIENT " 10.77.0.2 ", 31),
                         0);
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        close(fd);
    }
    for (i = 0; i < 5; i++) {
        expect_text(socks[i], "x");
        drop(socks[i]);
    }
    assert_int_equal(f->n_told, 5);
}

static void clients_that_wait_end_with_their_guest(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *socks[5];
    struct gn_stats stats;
    char byte;
    size_t i;

    fill_tcp_backlog(f, socks);
    gn_namespace_stats(f->web, &stats);
    assert_int_equal(stats.descriptors, 5);
    gn_namespace_kill(f->web);
    for (i = 0; i < 5; i++) {
        assert_int_equal(gn_sock_recv(socks[i], &byte, 1, 0), -ECONNRESET);
        drop(socks[i]);
    }
    do { /* Without waiting for what connect(2) takes. */
        (void)sched_yield();
        gn_namespace_stats(f->web, &stats);
    } while (stats.descriptors);
}

static void a_callback_may_close_the_listener(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char byte;
    int err;

    listen_web(
        f, (struct gn_listen_fd_options){.accepted = note_and_close, .arg = f});
    err = gn_sock_dial(f->client, "tcp", "web:80", 30000, NULL, 0, &sock);
    if (!err) {
        err = (int)gn_sock_recv(sock, &byte, 1, 0);
        drop(sock);
    }
    assert_int_equal(err, -ECONNRESET);
    assert_int_equal(f->n_told, 1);
}

static void without_a_server_clients_are_reset(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock;
    char byte;
    int err;

    listen_web(f, (struct gn_listen_fd_options){.backlog = 1});
    close(f->fd);
    f->fd = -1;
    err = gn_sock_dial(f->client, "tcp", "web:80", 30000, NULL, 0, &sock);
    if (!err) {
        err = (int)gn_sock_recv(sock, &byte, 1, 0);
        drop(sock);
    }
    assert_int_equal(err, -ECONNRESET);
}

static void refusals_say_why(void **state)
{
    struct gn_listen_fd_options nowhere = {.directory = "/nowhere"};
    struct gn_listen_fd_options far = {
        .directory = "/a/folder/whose/path/is/longer/than/what/is/left"};
    struct fixture *f = *state;

    assert_int_equal(try_listen(f, &nowhere), -ENOENT);
    assert_string_equal(f->why,
                        "directory \"/nowhere\": No such file or directory");
    assert_int_equal(try_listen(f, &far), -ENAMETOOLONG);
    assert_int_equal(
        gn_listen_fd(f->web, "udp", ":80", &nowhere, &f->fd, &f->listener),
        -EINVAL);
    assert_string_equal(
        f->why, "proto \"udp\": not one of \"tcp\", \"tcp4\", \"tcp6\"");
    assert_int_equal(
        gn_listen_fd(f->web, "tcp", "80", NULL, &f->fd, &f->listener), -EINVAL);
    assert_int_equal(f->fd, -1);
}

static void a_clock_has_no_descriptors(void **state)
{
    struct socks *s;
    struct gn_listener *listener;
    int fd;

    (void)state;
    assert_int_equal(socks_setup((void **)&s), 0);
    assert_int_equal(gn_listen_fd(s->a, "tcp", ":80", NULL, &fd, &listener),
                     -ENOTSUP);
    assert_int_equal(socks_teardown((void **)&s), 0);
}

/* ---- servers that take one ---- */

/* The body of an answer to GET /, over a connection of its own. */
static void expect_page(struct fixture *f, const char *body)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    char answer[1024];
    struct gn_sock *sock = dial_web(f);
    ssize_t n;

    assert_int_equal(send_text(sock, request), sizeof(request) - 1);
    n = gn_sock_recv(sock, answer, sizeof(answer) - 1, MSG_WAITALL);
    assert_true(n > 0);
    answer[n] = '\0';
    drop(sock);
    assert_non_null(strstr(answer, "\r\n\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n") + 4, body);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection,
                              const char *url, const char *method,
                              const char *version, const char *data,
                              size_t *len, void **request)
{
    static char text[] = "hello from microhttpd";
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result =
        MHD_queue_response(connection, MHD_HTTP_OK, response);

    (void)arg, (void)url, (void)method, (void)version, (void)data, (void)len;
    (void)request;
    MHD_destroy_response(response);
    return result;
}

static void microhttpd_serves_guests(void **state)
{
    struct fixture *f = *state;
    struct MHD_Daemon *daemon;

    listen_web(f, (struct gn_listen_fd_options){.backlog = 16});
    daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0,
                              NULL, NULL, answer, NULL,
                              MHD_OPTION_LISTEN_SOCKET, f->fd, MHD_OPTION_END);
    assert_non_null(daemon);
    expect_page(f, "hello from microhttpd");
    MHD_stop_daemon(daemon); /* It closes the descriptor. */
    f->fd = -1;
}

/* As nginx hands its sockets over to a new binary: by their numbers in an
 * environment variable. It does not become a daemon then. */
static void start_nginx(struct fixture *f, struct gn_programs *programs,
                        int inherited)
{
    char config[1024], path[128];
    int len = snprintf(config, sizeof(config),
                       "pid %s/pid; error_log %s/log crit;\n"
                       "events { worker_connections 16; }\n"
                       "http {\n"
                       "  access_log off; set_real_ip_from unix:;\n"
                       "  real_ip_header proxy_protocol;\n"
                       "  server {\n"
                       "    listen unix:%s proxy_protocol;\n"
                       "    return 200 \"hello $remote_addr\";\n"
                       "  }\n"
                       "}\n",
                       programs->folder, programs->folder, f->path);

    gn_program_file(programs, "nginx.conf", config, (size_t)len, path);
    (void)gn_program_run(
        NULL, 0, "NGINX='%d;' nginx -p %s -c %s -e %s/log >/dev/null 2>&1 &",
        inherited, programs->folder, path, programs->folder);
}

static void nginx_knows_the_guest_s_address(void **state)
{
    struct fixture *f = *state;
    struct gn_programs programs;
    int inherited;

    gn_program_need("nginx");
    gn_programs_init(&programs);
    listen_web(f, (struct gn_listen_fd_options){.proxy_protocol = true});
    inherited = dup(f->fd); /* Not close-on-exec. */
    start_nginx(f, &programs, inherited);
    expect_page(f, "hello " CLIENT);
    (void)gn_program_run(NULL, 0, "kill $(cat %s/pid)", programs.folder);
    close(inherited);
    gn_programs_done(&programs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_server_accepts_guests),
        CASE(the_folder_is_the_owner_s_and_goes),
        CASE(the_folder_goes_with_the_network),
        CASE(a_proxy_line_says_who_it_is),
        CASE(a_proxy_line_comes_before_the_end),
        CASE(a_tcp_socket_tells_its_clients_by_callback),
        CASE(clients_of_a_full_backlog_wait),
        CASE(clients_of_a_full_tcp_backlog_wait_too),
        CASE(clients_that_wait_end_with_their_guest),
        CASE(a_callback_may_close_the_listener),
        CASE(without_a_server_clients_are_reset),
        CASE(refusals_say_why),
        CASE(a_clock_has_no_descriptors),
        CASE(microhttpd_serves_guests),
        CASE(nginx_knows_the_guest_s_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
