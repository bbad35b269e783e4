/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TLS between two programs of OpenSSL's, by every way that there is between the
 * host and a guest:
 *
 *     s_client --> Unix socket --> the test --> gn_dial_fd() --> a guest
 *                                                                  |
 *     s_server <-- the host's loopback <-- a rule <-- the guest's connect()
 *
 * A byte that is lost, doubled or changed anywhere ends the session.
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/heap.h"
#include "tests/lib/program.h"

#define FILE_LEN (4u * 1024 * 1024)

struct fixture {
    struct gn_test_heap heap;
    struct gn_programs programs;
    struct gn_egress *egress;
    struct gn_network *net;
    struct gn_namespace *guest;
    struct gn_sock *listener; /* in the guest */
    struct sockaddr_storage server;
    socklen_t server_len;
    pthread_t guest_thread, unix_thread;
    int unix_listener;
    enum gn_fd_kind kind;
    char unix_path[128];
};

/* ---- a guest that passes on what it gets ---- */

static bool send_all(struct gn_sock *sock, const char *data, ssize_t n)
{
    return gn_sock_send(sock, data, (size_t)n, 0) == n;
}

/* Both ways, until both have ended. */
static void pass_on(struct gn_sock *a, struct gn_sock *b)
{
    struct gn_pollfd fds[2] = {{.sock = a, .events = POLLIN},
                               {.sock = b, .events = POLLIN}};
    static char data[65536];
    unsigned i, open = 2;

    while (open && gn_sock_poll(fds, 2, -1) > 0) {
        for (i = 0; i < 2; i++) {
            struct gn_sock *to = i == 0 ? b : a;
            ssize_t n;

            if (!fds[i].revents || !fds[i].events)
                continue;
            n = gn_sock_recv(fds[i].sock, data, sizeof(data), 0);
            if (n > 0 && send_all(to, data, n))
                continue;
            (void)gn_sock_shutdown(to, SHUT_WR);
            fds[i].events = 0;
            fds[i].sock = NULL;
            fds[i].fd = -1;
            open--;
        }
    }
}

static void end(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static void *run_guest(void *arg)
{
    struct fixture *f = arg;
    struct gn_sock *from, *to;

    while (gn_sock_accept(f->listener, NULL, NULL, 0, &from) == 0) {
        if (gn_sock_open(f->guest, AF_INET, SOCK_STREAM, 0, &to) == 0) {
            if (gn_sock_connect(to, (struct sockaddr *)&f->server,
                                f->server_len) == 0)
                pass_on(from, to);
            end(to);
        }
        end(from);
    }
    return NULL;
}

/* ---- from a Unix socket to what gn_dial_fd() gives ---- */

static bool write_all(int fd, const char *data, ssize_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, data, (size_t)n, MSG_NOSIGNAL);

        if (done < 0)
            return false;
        data += done;
        n -= done;
    }
    return true;
}

static void join(int a, int b)
{
    struct pollfd fds[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    static char data[65536];
    unsigned i, open = 2;

    while (open && poll(fds, 2, -1) > 0) {
        for (i = 0; i < 2; i++) {
            int to = i == 0 ? b : a;
            ssize_t n;

            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            n = read(fds[i].fd, data, sizeof(data));
            if (n > 0 && write_all(to, data, n))
                continue;
            (void)shutdown(to, SHUT_WR);
            fds[i].fd = -1;
            open--;
        }
    }
}

static void *run_unix(void *arg)
{
    struct fixture *f = arg;
    struct gn_dial_options options = {.size = sizeof(options),
                                      .fd_kind = f->kind};
    int from, to;

    while ((from = accept(f->unix_listener, NULL, NULL)) >= 0) {
        if (gn_dial_fd(gn_network_gateway(f->net), "tcp", "tls:443", &options,
                       &to) == 0) {
            join(from, to);
            close(to);
        }
        close(from);
    }
    return NULL;
}

/* ---- setup ---- */

static void start_server(struct fixture *f, uint16_t port)
{
    char at[16], key[128], cert[128], path[128], out[2000];
    const char *argv[] = {"sh", "-c", out, NULL};
    uint32_t i;
    uint8_t *file = test_malloc(FILE_LEN);

    (void)snprintf(at, sizeof(at), "%u", port);
    (void)snprintf(key, sizeof(key), "%s/key.pem", f->programs.folder);
    (void)snprintf(cert, sizeof(cert), "%s/cert.pem", f->programs.folder);
    (void)gn_program_run(out, sizeof(out),
                         "openssl req -x509 -newkey ec -pkeyopt"
                         " ec_paramgen_curve:P-256 -nodes -subj /CN=tls"
                         " -keyout %s -out %s 2>&1",
                         key, cert);
    for (i = 0; i < FILE_LEN; i++)
        file[i] = (uint8_t)('a' + i * 2654435761u % 26);
    gn_program_file(&f->programs, "file", file, FILE_LEN, path);
    test_free(file);
    (void)snprintf(out, sizeof(out),
                   "cd %s && exec openssl s_server -accept 127.0.0.1:%s"
                   " -key key.pem -cert cert.pem -WWW",
                   f->programs.folder, at);
    gn_program_start(&f->programs, port, argv);
}

static void listen_unix(struct fixture *f)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    (void)snprintf(f->unix_path, sizeof(f->unix_path), "%s/sock",
                   f->programs.folder);
    memcpy(addr.sun_path, f->unix_path, strlen(f->unix_path) + 1);
    f->unix_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(f->unix_listener >= 0);
    assert_int_equal(
        bind(f->unix_listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(f->unix_listener, 16), 0);
    assert_int_equal(pthread_create(&f->unix_thread, NULL, run_unix, f), 0);
}

static void listen_guest(struct fixture *f)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(443)};

    assert_int_equal(
        gn_sock_open(f->guest, AF_INET, SOCK_STREAM, 0, &f->listener), 0);
    assert_int_equal(
        gn_sock_bind(f->listener, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(gn_sock_listen(f->listener, 16), 0);
    assert_int_equal(pthread_create(&f->guest_thread, NULL, run_guest, f), 0);
}

static int setup_kind(void **state, enum gn_fd_kind kind)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct fixture *f = test_calloc(1, sizeof(*f));
    uint16_t port = gn_program_port();
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace_config guest = {.size = sizeof(guest), .name = "tls"};
    char rule[64], server[64];
    const char *rules[] = {rule, NULL};
    struct gn_policy policy = {.size = sizeof(policy), .rules = rules};

    f->kind = kind;
    gn_test_heap_init(&f->heap);
    gn_programs_init(&f->programs);
    start_server(f, port);
    (void)snprintf(rule, sizeof(rule), "allow tcp 127.0.0.1 port %u", port);
    (void)snprintf(server, sizeof(server), "10.77.0.1:%u", port);
    policy.alloc = config.alloc = &f->heap.alloc;
    assert_int_equal(gn_egress_system(&policy, &f->egress), 0);
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    guest.egress = f->egress;
    assert_int_equal(gn_namespace_create(f->net, &guest, &f->guest), 0);
    assert_int_equal(gn_addr_parse(server, &f->server, &f->server_len), 0);
    listen_guest(f);
    listen_unix(f);
    *state = f;
    return 0;
}

static int setup_pair(void **state)
{
    return setup_kind(state, GN_FD_SOCKETPAIR);
}

static int setup_tcp(void **state)
{
    return setup_kind(state, GN_FD_TCP);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)shutdown(f->unix_listener, SHUT_RDWR);
    assert_int_equal(pthread_join(f->unix_thread, NULL), 0);
    close(f->unix_listener);
    gn_sock_close(f->listener);
    assert_int_equal(pthread_join(f->guest_thread, NULL), 0);
    gn_sock_unref(f->listener);
    gn_network_close(f->net, NULL, NULL);
    gn_egress_close(f->egress);
    gn_programs_done(&f->programs);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

/* ---- tests ---- */

static void a_file_comes_over_tls_as_it_is(void **state)
{
    struct fixture *f = *state;
    const char *folder = f->programs.folder;
    char out[200];

    (void)gn_program_run(NULL, 0,
                         "printf 'GET /file HTTP/1.0\\r\\n\\r\\n' |"
                         " openssl s_client -unix %s -quiet 2>/dev/null |"
                         " tail -c %u > %s/got",
                         f->unix_path, FILE_LEN, folder);
    gn_program_run(out, sizeof(out), "cmp %s/file %s/got 2>&1", folder, folder);
}

static void sessions_are_resumed(void **state)
{
    struct fixture *f = *state;
    char out[4000];

    gn_program_run(out, sizeof(out),
                   "printf '' | openssl s_client -unix %s -reconnect -tls1_2"
                   " 2>/dev/null | grep -c '^Reused'",
                   f->unix_path);
    assert_int_equal(atoi(out), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_comes_over_tls_as_it_is,
                                        setup_pair, teardown),
        cmocka_unit_test_setup_teardown(a_file_comes_over_tls_as_it_is,
                                        setup_tcp, teardown),
        cmocka_unit_test_setup_teardown(sessions_are_resumed, setup_pair,
                                        teardown),
    };

    if (!gn_program_is_there("openssl"))
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
