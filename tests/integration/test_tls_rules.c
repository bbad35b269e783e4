/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules for TLS that come when connections are open: they are judged by the
 * name that their server has proved. The server is openssl's, behind an address
 * of the far side, since names open no loopback.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/egress.h"
#include "tests/lib/farside.h"
#include "tests/lib/program.h"
#include "tests/lib/socks.h"

#define HOSTS FAR_V4 " api.test\n" FAR_V4 " www.test\n"

/* ---- the server ---- */

struct fixture {
    struct eg eg;
    struct gn_programs server;
    uint16_t inner; /* openssl's, on the loopback */
    int far;        /* listens */
    uint16_t port;
    char ca[128];
    char rule[160];
    pthread_t relay;
};

static void make_certificate(struct fixture *f)
{
    char out[256];

    (void)gn_program_run(
        out, sizeof(out),
        "cd %s && exec 2>&1 && key='-newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes' && "
        "openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=ca -days 2"
        " && openssl req $key -keyout key.pem -out csr -subj /CN=www.test"
        " && echo subjectAltName=DNS:www.test,DNS:api.test >ext"
        " && openssl x509 -req -in csr -CA ca.pem -CAkey ca.key "
        "-CAcreateserial -extfile ext -days 2 -out good.pem",
        f->server.folder);
    (void)snprintf(f->ca, sizeof(f->ca), "%s/ca.pem", f->server.folder);
}

static void serve(struct fixture *f)
{
    char port[32], cert[160], key[160];
    const char *const argv[] = {"openssl", "s_server", "-accept", port,
                                "-cert",   cert,       "-key",    key,
                                "-rev",    NULL};

    f->inner = gn_program_port();
    (void)snprintf(port, sizeof(port), "127.0.0.1:%u", f->inner);
    (void)snprintf(cert, sizeof(cert), "%s/good.pem", f->server.folder);
    (void)snprintf(key, sizeof(key), "%s/key.pem", f->server.folder);
    gn_program_start(&f->server, f->inner, argv);
}

/* ---- from the far side to it ---- */

static bool copy(int from, int to)
{
    char bytes[4096];
    ssize_t n = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN;
    return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static int connect_inner(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(f->inner),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)connect(fd, (struct sockaddr *)&to, sizeof(to));
    return fd;
}

/* Pairs of sockets, behind the one that listens: where one ends, both are
 * closed.
 */
static void *relay_run(void *arg)
{
    struct fixture *f = arg;
    struct pollfd fds[16] = {{.fd = f->far, .events = POLLIN}};
    nfds_t n = 1, i;

    while (poll(fds, n, -1) >= 0 && !(fds[0].revents & POLLHUP)) {
        for (i = 1; i < n; i++) {
            nfds_t other = ((i - 1) ^ 1) + 1;

            if (fds[i].fd < 0 || !fds[i].revents ||
                copy(fds[i].fd, fds[other].fd))
                continue;
            close(fds[i].fd);
            close(fds[other].fd);
            fds[i].fd = fds[other].fd = -1;
        }
        if (!fds[0].revents || n + 2 > 16)
            continue;
        fds[n] =
            (struct pollfd){.fd = accept(f->far, NULL, NULL), .events = POLLIN};
        fds[n + 1] = (struct pollfd){.fd = connect_inner(f), .events = POLLIN};
        n += 2;
    }
    for (i = 1; i < n; i++) {
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    }
    return NULL;
}

/* ---- the fixture ---- */

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    gn_programs_init(&f.server);
    *state = &f;
    if (!gn_program_is_there("openssl"))
        return 0;
    make_certificate(&f);
    serve(&f);
    f.far = far_socket(SOCK_STREAM, FAR_V4 ":0", true);
    f.port = far_port(f.far);
    assert_int_equal(pthread_create(&f.relay, NULL, relay_run, &f), 0);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->eg.net)
        eg_end(&f->eg);
    if (f->far) {
        (void)shutdown(f->far, SHUT_RDWR);
        pthread_join(f->relay, NULL);
        close(f->far);
    }
    gn_programs_done(&f->server);
    return 0;
}

/* @rule  What is allowed, without the port; of a name by TLS. */
static const char *const *rule_of(struct fixture *f, const char *rule)
{
    static const char *rules[2];

    (void)snprintf(f->rule, sizeof(f->rule), "allow %s port %u%s", rule,
                   f->port, strncmp(rule, "name", 4) ? "" : " tls");
    rules[0] = f->rule;
    return rules;
}

static void begin(struct fixture *f)
{
    gn_program_need("openssl");
    assert_int_equal(setenv("SSL_CERT_FILE", f->ca, 1), 0);
    eg_begin_names(&f->eg, rule_of(f, "tcp " FAR_V4), HOSTS, 60);
    assert_int_equal(eg_lookup(&f->eg, "api.test"), 0);
    assert_int_equal(eg_lookup(&f->eg, "www.test"), 0);
}

static struct gn_sock *dial(struct fixture *f, const char *name, int *err)
{
    struct gn_sock *sock = eg_open(&f->eg, AF_INET, SOCK_STREAM);

    assert_int_equal(gn_sock_setopt(sock, GN_SOL_GUESTNET, GN_TLS_SERVER_NAME,
                                    name, (socklen_t)strlen(name)),
                     0);
    *err = eg_connect(sock, FAR_V4, f->port);
    return sock;
}

static void talk(struct gn_sock *sock)
{
    char back[8];

    assert_int_equal(gn_sock_send(sock, "hello\n", 6, 0), 6);
    assert_int_equal(gn_sock_recv(sock, back, 6, MSG_WAITALL), 6);
    assert_memory_equal(back, "olleh\n", 6);
}

/* ---- rules that come ---- */

/* The server serves one at a time. */
static struct gn_sock *begin_with(struct fixture *f, const char *name)
{
    struct gn_sock *sock;
    int err;

    begin(f);
    sock = dial(f, name, &err);
    assert_int_equal(err, 0);
    talk(sock);
    return sock;
}

static void a_server_that_the_rule_does_not_name_ends(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = begin_with(f, "www.test");
    char byte;
    int err;

    eg_change(&f->eg, rule_of(f, "name api.test"), GN_RULES_END);
    assert_true(eg_wait(sock, POLLIN) != 0);
    assert_int_equal(gn_sock_recv(sock, &byte, 1, 0), -ECONNRESET);
    assert_true(eg_last(&f->eg).ended);
    assert_string_equal(eg_last(&f->eg).reason,
                        "the rule is not for this server name");
    drop(sock);
    sock = dial(f, "www.test", &err); /* As a new one is refused. */
    assert_int_equal(err, -EACCES);
    drop(sock);
}

static void one_that_it_names_goes_on(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = begin_with(f, "api.test");

    eg_change(&f->eg, rule_of(f, "name api.test"), GN_RULES_END);
    talk(sock);
    drop(sock);
}

static void without_the_flag_all_go_on(void **state)
{
    struct fixture *f = *state;
    struct gn_sock *sock = begin_with(f, "www.test");

    eg_change(&f->eg, rule_of(f, "name api.test"), 0);
    talk(sock);
    drop(sock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_server_that_the_rule_does_not_name_ends),
        CASE(one_that_it_names_goes_on),
        CASE(without_the_flag_all_go_on),
    };

    if (!GN__HAS_TLS) {
        puts("skipped: this library was built without TLS (GUESTNET_TLS)");
        return 77;
    }
    if (!far_begin())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
