/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Published ports under load: many clients, much payload, too few descriptors
 * or no memory, and ports that come and go meanwhile.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/program.h"
#include "tests/lib/pubnet.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW 1
#else
#define SLOW 0
#endif

#define CROWD (SLOW ? 1000u : 5000u)
#define BULK  (SLOW ? 32ull * 1024 * 1024 : 1024ull * 1024 * 1024)

/** Descriptors of the process beside those of clients. */
#define SPARE 200u

static bool allow_descriptors(rlim_t n)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max < n)
        return false;
    if (limit.rlim_cur < n)
        limit.rlim_cur = n;
    return !setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- many at once ---- */

/** A guest that takes them all before it answers any. */
struct hall {
    struct gn_sock *listener;
    struct gn_sock *socks[CROWD];
    pthread_t thread;
    unsigned n;
};

static void *hall_main(void *arg)
{
    struct hall *hall = arg;
    unsigned i;
    char byte;

    for (; hall->n < CROWD; hall->n++) {
        if (gn_sock_accept(hall->listener, NULL, NULL, 0,
                           &hall->socks[hall->n]))
            return NULL;
    }
    for (i = 0; i < CROWD; i++) {
        if (gn_sock_recv(hall->socks[i], &byte, 1, 0) == 1)
            (void)gn_sock_send(hall->socks[i], &byte, 1, 0);
    }
    return NULL;
}

static void hall_open(struct hall *hall, struct pubnet *p)
{
    struct sockaddr_storage addr;
    socklen_t len;

    assert_int_equal(gn_addr_parse("10.77.0.2:80", &addr, &len), 0);
    assert_int_equal(
        gn_sock_open(p->web, AF_INET, SOCK_STREAM, 0, &hall->listener), 0);
    assert_int_equal(
        gn_sock_bind(hall->listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(gn_sock_listen(hall->listener, 4096), 0);
    assert_int_equal(pthread_create(&hall->thread, NULL, hall_main, hall), 0);
}

static void hall_close(struct hall *hall)
{
    gn_sock_close(hall->listener);
    pthread_join(hall->thread, NULL);
    gn_sock_unref(hall->listener);
    for (unsigned i = 0; i < hall->n; i++) {
        gn_sock_close(hall->socks[i]);
        gn_sock_unref(hall->socks[i]);
    }
    free(hall);
}

static void thousands_of_clients_at_once(void **state)
{
    struct pubnet *p = *state;
    struct hall *hall = calloc(1, sizeof(*hall));
    struct gn_publication *pub;
    int *fds = calloc(CROWD, sizeof(*fds));
    char byte;

    if (!allow_descriptors(2 * CROWD + SPARE)) {
        print_message("skipped: fewer than %u descriptors\n",
                      2 * CROWD + SPARE);
        free(hall);
        free(fds);
        skip();
        return;
    }
    assert_true(hall && fds);
    pub = pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    hall_open(hall, p);
    for (unsigned i = 0; i < CROWD; i++) {
        fds[i] = pubnet_dial(pub);
        assert_int_equal(send(fds[i], "x", 1, MSG_NOSIGNAL), 1);
    }
    for (unsigned i = 0; i < CROWD; i++)
        assert_int_equal(pubnet_read(fds[i], &byte, 1), 1);
    assert_int_equal(pubnet_stats(pub).active, CROWD);
    assert_int_equal(pubnet_stats(pub).unreached, 0);
    for (unsigned i = 0; i < CROWD; i++)
        close(fds[i]);
    hall_close(hall);
    gn_test_until(pubnet_stats(pub).active == 0);
    gn_unpublish(pub, NULL, NULL);
    free(fds);
}

/* ---- too few descriptors ---- */

#define TOO_MANY 120u

/* A process of clients, which says how many were served. */
static void crowd_main(int in, int out)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned served = 0;
    int fds[TOO_MANY];
    uint16_t port;
    char byte;

    if (read(in, &port, sizeof(port)) != sizeof(port))
        _exit(1);
    addr.sin_port = htons(port);
    for (unsigned i = 0; i < TOO_MANY; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fds[i], (struct sockaddr *)&addr, sizeof(addr)) ||
            write(fds[i], "x", 1) != 1)
            _exit(1);
    }
    for (unsigned i = 0; i < TOO_MANY; i++) {
        served += read(fds[i], &byte, 1) == 1;
        close(fds[i]);
    }
    _exit(write(out, &served, sizeof(served)) == sizeof(served) ? 0 : 1);
}

static pid_t start_crowd(int *to, int *from)
{
    int in[2], out[2];
    pid_t pid;

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        crowd_main(in[0], out[1]);
    }
    close(in[0]);
    close(out[1]);
    *to = in[1];
    *from = out[0];
    return pid;
}

/* Before there is a network: the child of a process with one may not go on. */
static void exhausted_descriptors_lose_no_client(void **state)
{
    struct gn_publication_stats stats;
    struct rlimit before, few;
    struct pubnet_server server;
    struct gn_publication *pub;
    int to, from, fd;
    unsigned served = 0;
    struct pubnet *p;
    uint16_t port;
    void *fixture;
    pid_t pid;

    (void)state;
    pid = start_crowd(&to, &from);
    assert_int_equal(pubnet_setup_for_load(&fixture), 0);
    p = fixture;
    pub = pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    fd = dup(0); /* The lowest that is free. */
    few.rlim_cur = (rlim_t)fd + 10;
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    port = pubnet_port(pub);
    assert_int_equal(write(to, &port, sizeof(port)), sizeof(port));
    assert_int_equal(read(from, &served, sizeof(served)), sizeof(served));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(served, TOO_MANY);
    stats = pubnet_stats(pub);
    assert_int_equal(stats.accepted, TOO_MANY);
    assert_true(stats.paused > 0);
    close(to);
    close(from);
    gn_unpublish(pub, NULL, NULL);
    pubnet_serve_end(&server);
    assert_int_equal(pubnet_teardown(&fixture), 0);
}

static void a_limit_on_connections_lets_clients_wait(void **state)
{
    struct pubnet *p = *state;
    struct gn_publish_options options = {.size = sizeof(options),
                                         .max_connections = 2};
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", &options);
    struct pubnet_server server;
    int fds[10];

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    for (size_t i = 0; i < 10; i++)
        fds[i] = pubnet_dial(pub);
    for (size_t i = 0; i < 10; i++) {
        pubnet_expect_echo(fds[i], "my turn");
        assert_true(pubnet_stats(pub).active <= 2);
        close(fds[i]);
    }
    assert_true(pubnet_stats(pub).paused > 0);
    gn_unpublish(pub, NULL, NULL);
    pubnet_serve_end(&server);
}

/* ---- much ---- */

/** One direction of a transfer: the bytes follow from a generator, and a
 *  program of another project sums them up on each side. */
struct stream {
    struct gn_sock *sock; /* NULL: fd */
    int fd;
    char sum[128]; /* the file of their SHA-256 */
    FILE *summer;
    bool ok;
};

static void sum_begin(struct stream *stream)
{
    char command[200];

    (void)snprintf(command, sizeof(command), "exec openssl dgst -sha256 -r >%s",
                   stream->sum);
    stream->summer = popen(command, "we");
    stream->ok = stream->summer != NULL;
}

static void sum_add(struct stream *stream, const void *data, size_t len)
{
    stream->ok = stream->ok && fwrite(data, 1, len, stream->summer) == len;
}

static void sum_end(struct stream *stream)
{
    stream->ok = stream->summer && pclose(stream->summer) == 0 && stream->ok;
}

#define BLOCK 65521u /* A prime: it meets no buffer's size. */

static void *send_main(void *arg)
{
    struct stream *stream = arg;
    unsigned char *block = malloc(BLOCK);
    uint64_t left = BULK, random = 88172645463325252u;

    sum_begin(stream);
    while (left && stream->ok) {
        size_t len = left < BLOCK ? (size_t)left : BLOCK, off = 0;

        for (size_t i = 0; i + 8 <= BLOCK; i += 8) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            memcpy(block + i, &random, 8);
        }
        sum_add(stream, block, len);
        while (off < len && stream->ok) {
            ssize_t n =
                stream->sock
                    ? gn_sock_send(stream->sock, block + off, len - off, 0)
                    : send(stream->fd, block + off, len - off, MSG_NOSIGNAL);

            stream->ok = n > 0;
            off += n > 0 ? (size_t)n : 0;
        }
        left -= len;
    }
    if (stream->sock)
        (void)gn_sock_shutdown(stream->sock, SHUT_WR);
    else
        (void)shutdown(stream->fd, SHUT_WR);
    sum_end(stream);
    free(block);
    return NULL;
}

static void *recv_main(void *arg)
{
    struct stream *stream = arg;
    unsigned char *block = malloc(BLOCK);
    uint64_t got = 0;
    ssize_t n;

    sum_begin(stream);
    do {
        n = stream->sock ? gn_sock_recv(stream->sock, block, BLOCK, 0)
                         : recv(stream->fd, block, BLOCK, 0);
        if (n > 0) {
            sum_add(stream, block, (size_t)n);
            got += (uint64_t)n;
        }
    } while (n > 0);
    sum_end(stream);
    stream->ok = stream->ok && n == 0 && got == BULK;
    free(block);
    return NULL;
}

/** Both directions of one end. */
struct both {
    struct stream out;
    struct stream in;
};

static void run_both(struct both *both, struct gn_sock *sock, int fd)
{
    pthread_t thread;

    both->out.sock = both->in.sock = sock;
    both->out.fd = both->in.fd = fd;
    assert_int_equal(pthread_create(&thread, NULL, send_main, &both->out), 0);
    (void)recv_main(&both->in);
    pthread_join(thread, NULL);
}

static void serve_both(struct gn_sock *sock, void *arg)
{
    run_both(arg, sock, -1);
}

static struct both summed_in(const char *folder, const char *end)
{
    struct both both = {.out.ok = false};

    (void)snprintf(both.out.sum, sizeof(both.out.sum), "%s/%s-out", folder,
                   end);
    (void)snprintf(both.in.sum, sizeof(both.in.sum), "%s/%s-in", folder, end);
    return both;
}

static void much_arrives_unchanged_both_ways(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub;
    struct gn_programs programs;
    struct pubnet_server server;
    struct both guest, client;
    int fd;

    gn_program_need("openssl");
    gn_programs_init(&programs);
    guest = summed_in(programs.folder, "guest");
    client = summed_in(programs.folder, "client");
    pub = pubnet_publish(p, "tcp", "127.0.0.1:0", "10.77.0.2:80", NULL);
    pubnet_serve(&server, p->web, "10.77.0.2:80", serve_both, &guest);
    fd = pubnet_dial(pub);
    run_both(&client, NULL, fd);
    close(fd);
    pubnet_serve_end(&server);
    assert_true(client.out.ok && client.in.ok);
    assert_true(guest.out.ok && guest.in.ok);
    (void)gn_program_run(NULL, 0, "cmp %s %s && cmp %s %s", client.out.sum,
                         guest.in.sum, guest.out.sum, client.in.sum);
    gn_test_until(pubnet_stats(pub).active == 0);
    gn_unpublish(pub, NULL, NULL);
    gn_programs_done(&programs);
}

/* ---- while things come and go ---- */

/** A client that comes again and again, and takes what it gets. */
struct visitor {
    uint16_t port;
    _Atomic bool stop;
    _Atomic uint32_t n_served;
    pthread_t thread;
};

static void visit_once(struct visitor *visitor)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(visitor->port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = GN_TEST_PATIENCE_MS / 1000};
    struct linger now = {.l_onoff = 1};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
        send(fd, "x", 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1)
        visitor->n_served++;
    close(fd);
}

static void *visit_main(void *arg)
{
    struct visitor *visitor = arg;

    while (!visitor->stop)
        visit_once(visitor);
    return NULL;
}

#define VISITORS 4u

static void visitors_begin(struct visitor *visitors, uint16_t port)
{
    memset(visitors, 0, VISITORS * sizeof(*visitors));
    for (unsigned i = 0; i < VISITORS; i++) {
        visitors[i].port = port;
        assert_int_equal(
            pthread_create(&visitors[i].thread, NULL, visit_main, &visitors[i]),
            0);
    }
}

static void visitors_end(struct visitor *visitors)
{
    for (unsigned i = 0; i < VISITORS; i++)
        visitors[i].stop = true;
    for (unsigned i = 0; i < VISITORS; i++)
        pthread_join(visitors[i].thread, NULL);
}

static uint32_t n_served(struct visitor *visitors)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < VISITORS; i++)
        n += visitors[i].n_served;
    return n;
}

static void gone(void *arg)
{
    ++*(_Atomic unsigned *)arg;
}

static void a_port_may_come_and_go_under_load(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "web:80", NULL);
    struct visitor visitors[VISITORS];
    struct pubnet_server server;
    _Atomic unsigned n_gone = 0;
    char listen[32];

    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", pubnet_port(pub));
    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    visitors_begin(visitors, pubnet_port(pub));
    for (unsigned i = 0; i < 100; i++) {
        uint32_t before = n_served(visitors);

        gn_test_until(n_served(visitors) > before);
        if (i % 2)
            gn_unpublish(pub, NULL, NULL);
        else
            gn_unpublish(pub, gone, &n_gone);
        pub = pubnet_publish(p, "tcp", listen, "web:80", NULL);
    }
    visitors_end(visitors);
    gn_test_until(n_gone == 50);
    gn_unpublish(pub, NULL, NULL);
    pubnet_serve_end(&server);
}

static void guests_may_come_and_go_under_load(void **state)
{
    struct pubnet *p = *state;
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .name = "shop"};
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "shop:80", NULL);
    struct visitor visitors[VISITORS];

    visitors_begin(visitors, pubnet_port(pub));
    for (unsigned i = 0; i < 30; i++) {
        uint32_t before = n_served(visitors);
        struct pubnet_server server;
        struct gn_namespace *shop;

        assert_int_equal(gn_namespace_create(p->net, &config, &shop), 0);
        pubnet_serve(&server, shop, "0.0.0.0:80", pubnet_echo, NULL);
        gn_test_until(n_served(visitors) > before);
        if (i % 2)
            gn_namespace_kill(shop);
        gn_namespace_close(shop, 0, NULL, NULL);
        pubnet_serve_end(&server);
    }
    visitors_end(visitors);
    gn_test_until(pubnet_stats(pub).active == 0);
    gn_unpublish(pub, NULL, NULL);
}

static void the_network_may_close_under_load(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "web:80", NULL);
    struct visitor visitors[VISITORS];
    struct pubnet_server server;

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    visitors_begin(visitors, pubnet_port(pub));
    gn_test_until(n_served(visitors) > 100);
    gn_network_close(p->net, NULL, NULL);
    p->net = NULL;
    visitors_end(visitors);
    pubnet_serve_end(&server);
}

/* ---- no memory ---- */

/* Whichever allocation fails, a client is served or reset, and the next one is
 * served. */
static void a_client_survives_any_failed_allocation(void **state)
{
    struct pubnet *p = *state;
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "web:80", NULL);
    struct pubnet_server server;
    uint64_t i = 0;
    bool failed;

    pubnet_serve(&server, p->web, "10.77.0.2:80", pubnet_echo, NULL);
    do {
        int fd = pubnet_dial(pub);
        char byte;
        ssize_t n;

        gn_test_heap_fail_at(&p->heap, i++, false);
        (void)send(fd, "x", 1, MSG_NOSIGNAL);
        n = pubnet_read(fd, &byte, 1);
        assert_true(n == 1 || n == 0 || n == -ECONNRESET);
        pthread_mutex_lock(&p->heap.lock);
        failed = p->heap.failed;
        pthread_mutex_unlock(&p->heap.lock);
        gn_test_heap_fail_at(&p->heap, GN_TEST_HEAP_NEVER, false);
        pubnet_reset(fd);
        fd = pubnet_dial(pub);
        pubnet_expect_echo(fd, "next");
        pubnet_reset(fd);
    } while (failed || i < 30);
    gn_test_until(pubnet_stats(pub).active == 0);
    gn_unpublish(pub, NULL, NULL);
    pubnet_serve_end(&server);
}

/* A guest of few sockets: those it has none for wait, and are served later. */
static void clients_wait_for_a_socket_of_the_guests(void **state)
{
    struct pubnet *p = *state;
    struct gn_namespace_config config = {
        .size = sizeof(config), .name = "small", .limits.max_sockets = 5};
    struct gn_publication *pub =
        pubnet_publish(p, "tcp", "127.0.0.1:0", "small:80", NULL);
    struct pubnet_server server;
    struct gn_namespace *small;
    int fds[12];

    assert_int_equal(gn_namespace_create(p->net, &config, &small), 0);
    pubnet_serve(&server, small, "0.0.0.0:80", pubnet_echo, NULL);
    fds[0] = pubnet_dial(pub); /* So that it is known. */
    pubnet_expect_echo(fds[0], "first");
    for (size_t i = 1; i < 12; i++)
        fds[i] = pubnet_dial(pub);
    gn_test_until(pubnet_stats(pub).paused > 0);
    gn_test_until(pubnet_said(p, "as many clients as the guest may have"));
    for (size_t i = 0; i < 12; i++) {
        pubnet_expect_echo(fds[i], "served");
        close(fds[i]);
    }
    assert_int_equal(pubnet_stats(pub).unreached, 0);
    pubnet_serve_end(&server);
    gn_unpublish(pub, NULL, NULL);
}

#define CASE(name)                                               \
    cmocka_unit_test_setup_teardown(name, pubnet_setup_for_load, \
                                    pubnet_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(clients_wait_for_a_socket_of_the_guests),
        cmocka_unit_test(exhausted_descriptors_lose_no_client),
        CASE(a_limit_on_connections_lets_clients_wait),
        CASE(thousands_of_clients_at_once),
        CASE(much_arrives_unchanged_both_ways),
        CASE(a_port_may_come_and_go_under_load),
        CASE(guests_may_come_and_go_under_load),
        CASE(the_network_may_close_under_load),
        CASE(a_client_survives_any_failed_allocation),
    };

    return cmocka_run_group_tests_name("publish_load", tests, NULL, NULL);
}
