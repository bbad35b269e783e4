/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest fetches from nginx on the host's loopback, which a rule names, by
 * plain blocking sockets: a file of some length, many times over one
 * connection, and from many threads at once.
 */
#include <guestnet/guestnet.h>

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/siphash.h"
#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/kept.h"
#include "tests/lib/program.h"

#define FILE_LEN  (16u * 1024 * 1024)
#define N_THREADS 8u
#define N_GETS    200u

static const uint64_t key[2] = {1, 2};

struct fixture {
    struct gn_test_heap heap;
    struct gn_programs programs;
    struct gn_egress *egress;
    struct gn_network *net;
    struct gn_namespace *guest;
    struct sockaddr_storage server; /* as the guest names it */
    socklen_t server_len;
    uint8_t *file;
    uint64_t digest; /* of the file */
};

static void start_nginx(struct fixture *f, uint16_t port)
{
    char config[1024], path[128], prefix[80];
    const char *argv[] = {"nginx", "-p", prefix,   "-c",
                          path,    "-e", "stderr", NULL};
    int len;

    (void)snprintf(prefix, sizeof(prefix), "%s/", f->programs.folder);
    len = snprintf(config, sizeof(config),
                   "daemon off; master_process off; pid %s/pid;\n"
                   "error_log stderr crit;\n"
                   "events { worker_connections 512; }\n"
                   "http {\n"
                   "  access_log off; keepalive_requests 100000;\n"
                   "  server {\n"
                   "    listen 127.0.0.1:%u;\n"
                   "    root %s;\n"
                   "  }\n"
                   "}\n",
                   f->programs.folder, port, f->programs.folder);
    gn_program_file(&f->programs, "nginx.conf", config, (size_t)len, path);
    gn_program_start(&f->programs, port, argv);
}

static void make_files(struct fixture *f)
{
    char path[128];
    uint32_t i;

    f->file = test_malloc(FILE_LEN);
    for (i = 0; i < FILE_LEN; i++)
        f->file[i] = (uint8_t)((i * 2654435761u) >> 24);
    f->digest = gn__siphash24(key, f->file, FILE_LEN);
    gn_program_file(&f->programs, "file", f->file, FILE_LEN, path);
    gn_program_file(&f->programs, "small", "small\n", 6, path);
    (void)gn_program_run(NULL, 0, "chmod -R a+rX %s", f->programs.folder);
}

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    struct fixture *f = test_calloc(1, sizeof(*f));
    uint16_t port = gn_program_port();
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct gn_namespace_config guest = {.size = sizeof(guest)};
    char rule[64], server[64];
    const char *rules[] = {rule, NULL};
    struct gn_policy policy = {.size = sizeof(policy), .rules = rules};

    gn_test_heap_init(&f->heap);
    gn_programs_init(&f->programs);
    make_files(f);
    start_nginx(f, port);

    (void)snprintf(rule, sizeof(rule), "allow tcp 127.0.0.1 port %u", port);
    (void)snprintf(server, sizeof(server), "10.77.0.1:%u", port);
    policy.alloc = config.alloc = &f->heap.alloc;
    assert_int_equal(gn_egress_system(&policy, &f->egress), 0);
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    gn_test_keep(f->net);
    guest.egress = f->egress;
    assert_int_equal(gn_namespace_create(f->net, &guest, &f->guest), 0);
    assert_int_equal(gn_addr_parse(server, &f->server, &f->server_len), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->net)
        gn_network_close(f->net, NULL, NULL);
    gn_egress_close(f->egress);
    gn_programs_done(&f->programs);
    gn_test_heap_done(&f->heap);
    test_free(f->file);
    test_free(f);
    return 0;
}

static struct gn_sock *dial(struct fixture *f)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(f->guest, AF_INET, SOCK_STREAM, 0, &sock), 0);
    assert_int_equal(
        gn_sock_connect(sock, (struct sockaddr *)&f->server, f->server_len), 0);
    return sock;
}

static void end(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static bool ask(struct gn_sock *sock, const char *request)
{
    ssize_t len = (ssize_t)strlen(request);

    return gn_sock_send(sock, request, (size_t)len, 0) == len;
}

/* Byte by byte as far as the body, whose length it says; 0: none. */
static size_t read_head(struct gn_sock *sock, char *head, size_t cap)
{
    const char *field;
    size_t n = 0;

    while (n + 1 < cap && gn_sock_recv(sock, head + n, 1, 0) == 1) {
        head[++n] = '\0';
        if (n >= 4 && strcmp(head + n - 4, "\r\n\r\n") == 0)
            break;
    }
    field = strstr(head, "Content-Length: ");
    return field ? strtoul(field + 16, NULL, 10) : 0;
}

static void a_file_comes_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = dial(f);
    char head[1024];
    uint8_t *body;

    assert_true(ask(sock, "GET /file HTTP/1.1\r\nHost: nginx\r\n\r\n"));
    assert_int_equal(read_head(sock, head, sizeof(head)), FILE_LEN);
    body = test_malloc(FILE_LEN);
    assert_int_equal(gn_sock_recv(sock, body, FILE_LEN, MSG_WAITALL), FILE_LEN);
    assert_true(gn__siphash24(key, body, FILE_LEN) == f->digest);
    test_free(body);
    end(sock);
}

/* Threads must not fail a test by themselves. */
static bool get_small(struct gn_sock *sock)
{
    char head[1024], body[6];

    return ask(sock, "GET /small HTTP/1.1\r\nHost: nginx\r\n\r\n") &&
           read_head(sock, head, sizeof(head)) == 6 &&
           gn_sock_recv(sock, body, 6, MSG_WAITALL) == 6 &&
           memcmp(body, "small\n", 6) == 0;
}

struct client {
    struct fixture *f;
    pthread_t thread;
    unsigned n_right;
};

static void *run_client(void *arg)
{
    struct client *client = arg;
    struct fixture *f = client->f;
    struct gn_sock *sock;
    unsigned i;

    for (i = 0; i < N_GETS; i++) {
        if (gn_sock_open(f->guest, AF_INET, SOCK_STREAM, 0, &sock))
            break;
        if (!gn_sock_connect(sock, (struct sockaddr *)&f->server,
                             f->server_len) &&
            get_small(sock) && get_small(sock))
            client->n_right++;
        end(sock);
    }
    return NULL;
}

static void many_threads_fetch_at_once(void **state)
{
    struct client clients[N_THREADS];
    unsigned i;

    for (i = 0; i < N_THREADS; i++) {
        clients[i] = (struct client){.f = *state};
        assert_int_equal(
            pthread_create(&clients[i].thread, NULL, run_client, &clients[i]),
            0);
    }
    for (i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
    for (i = 0; i < N_THREADS; i++)
        assert_int_equal(clients[i].n_right, N_GETS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_comes_as_it_is),
        CASE(many_threads_fetch_at_once),
    };

    if (!gn_program_is_there("nginx"))
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
