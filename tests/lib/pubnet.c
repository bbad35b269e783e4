/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/pubnet.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "tests/lib/kept.h"

bool pubnet_said(struct pubnet *p, const char *what)
{
    return gn_loglines_count(&p->lines, what) > 0;
}

int pubnet_setup_for_load(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/16", "fd77::/64", NULL};
    struct gn_namespace_config web = {.size = sizeof(web), .name = "web"};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes};
    struct pubnet *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    gn_test_heap_init(&p->heap);
    gn_loglines_init(&p->lines);
    config.log = gn_loglines_add;
    config.log_arg = &p->lines;
    config.alloc = &p->heap.alloc;
    config.limits.max_sockets = 20000;
    assert_int_equal(gn_network_create(&config, &p->net), 0);
    assert_int_equal(gn_namespace_create(p->net, &web, &p->web), 0);
    *state = p;
    return 0;
}

int pubnet_setup(void **state)
{
    (void)pubnet_setup_for_load(state); /* Or it has failed the test. */
    gn_test_keep(((struct pubnet *)*state)->net);
    return 0;
}

int pubnet_teardown(void **state)
{
    struct pubnet *p = *state;

    gn_network_close(p->net, NULL, NULL);
    gn_test_heap_done(&p->heap);
    gn_loglines_done(&p->lines);
    free(p);
    return 0;
}

/* ---- guests ---- */

struct served {
    struct pubnet_server *server;
    struct gn_sock *sock;
};

static void *serve_main(void *arg)
{
    struct served *served = arg;
    struct pubnet_server *server = served->server;

    server->serve(served->sock, server->arg);
    gn_sock_close(served->sock);
    gn_sock_unref(served->sock);
    free(served);
    server->n_busy--;
    return NULL;
}

static void *accept_main(void *arg)
{
    struct pubnet_server *server = arg;
    struct gn_sock *sock;
    int err;

    while (!(err = gn_sock_accept(server->listener, NULL, NULL, 0, &sock)) ||
           err == -ENOMEM) {
        struct served *served;
        pthread_t thread;

        if (err)
            continue;
        served = malloc(sizeof(*served));
        served->server = server;
        served->sock = sock;
        server->n_accepted++;
        server->n_busy++;
        pthread_create(&thread, NULL, serve_main, served);
        pthread_detach(thread);
    }
    return NULL;
}

void pubnet_serve(struct pubnet_server *server, struct gn_namespace *ns,
                  const char *address, pubnet_serve_fn serve, void *arg)
{
    struct sockaddr_storage addr;
    socklen_t len;

    memset(server, 0, sizeof(*server));
    server->serve = serve;
    server->arg = arg;
    assert_int_equal(gn_addr_parse(address, &addr, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, addr.ss_family, SOCK_STREAM, 0, &server->listener), 0);
    assert_int_equal(
        gn_sock_bind(server->listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(gn_sock_listen(server->listener, 4096), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, accept_main, server),
                     0);
}

void pubnet_serve_end(struct pubnet_server *server)
{
    gn_sock_close(server->listener);
    pthread_join(server->thread, NULL);
    gn_sock_unref(server->listener);
    gn_test_until(server->n_busy == 0);
}

void pubnet_echo(struct gn_sock *sock, void *arg)
{
    char *buf = malloc(65536);
    ssize_t n;

    (void)arg;
    while ((n = gn_sock_recv(sock, buf, 65536, 0)) > 0) {
        if (gn_sock_send(sock, buf, (size_t)n, 0) != n)
            break;
    }
    free(buf);
}

void pubnet_name_peer(struct gn_sock *sock, void *arg)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char text[GN_ADDR_TEXT_MAX];

    (void)arg;
    if (gn_sock_peer(sock, (struct sockaddr *)&addr, &len) ||
        gn_addr_format((struct sockaddr *)&addr, text, sizeof(text)))
        return;
    (void)gn_sock_send(sock, text, strlen(text), 0);
}

/* ---- publications ---- */

struct gn_publication *pubnet_publish(struct pubnet *p, const char *proto,
                                      const char *listen, const char *target,
                                      const struct gn_publish_options *options)
{
    struct gn_publication *pub;
    char why[200] = "";
    struct gn_publish_options own = {.size = sizeof(own)};
    int err;

    if (options)
        own = *options;
    own.why = why;
    own.why_len = sizeof(why);
    err = gn_publish(p->net, proto, listen, target, &own, &pub);
    if (err)
        fail_msg("gn_publish: %s: %s", gn_strerror(err), why);
    return pub;
}

static struct sockaddr_storage addr_of(struct gn_publication *pub,
                                       socklen_t *len)
{
    struct sockaddr_storage addr;

    *len = sizeof(addr);
    memset(&addr, 0, sizeof(addr));
    gn_publication_addr(pub, (struct sockaddr *)&addr, len);
    return addr;
}

uint16_t pubnet_port(struct gn_publication *pub)
{
    socklen_t len;
    struct sockaddr_storage addr = addr_of(pub, &len);

    return ntohs(addr.ss_family == AF_INET
                     ? ((struct sockaddr_in *)&addr)->sin_port
                     : ((struct sockaddr_in6 *)&addr)->sin6_port);
}

struct gn_publication_stats pubnet_stats(struct gn_publication *pub)
{
    struct gn_publication_stats stats = {.accepted = 0};

    gn_publication_stats(pub, &stats);
    return stats;
}

/* ---- clients ---- */

static int open_client(int family, int type)
{
    struct timeval patience = {.tv_sec = GN_TEST_PATIENCE_MS / 1000};
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return fd;
}

int pubnet_dial(struct gn_publication *pub)
{
    socklen_t len;
    struct sockaddr_storage addr = addr_of(pub, &len);
    int fd = open_client(addr.ss_family, SOCK_STREAM);

    assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
    return fd;
}

int pubnet_dial_by(struct gn_publication *pub, int family, int type)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons(pubnet_port(pub)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons(pubnet_port(pub)),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = open_client(family, type);

    if (family == AF_INET)
        assert_int_equal(connect(fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
    else
        assert_int_equal(connect(fd, (struct sockaddr *)&v6, sizeof(v6)), 0);
    return fd;
}

ssize_t pubnet_read(int fd, void *buf, size_t len)
{
    ssize_t n = read(fd, buf, len);

    return n < 0 ? -errno : n;
}

const char *pubnet_read_all(int fd)
{
    static char text[4096];
    size_t len = 0;
    ssize_t n;

    while ((n = pubnet_read(fd, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    assert_int_equal(n, 0);
    text[len] = '\0';
    return text;
}

void pubnet_expect_echo(int fd, const char *text)
{
    size_t len = strlen(text), got = 0;
    char buf[4096];

    assert_true(len <= sizeof(buf));
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
    while (got < len) {
        ssize_t n = pubnet_read(fd, buf + got, len - got);

        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_memory_equal(buf, text, len);
}

void pubnet_reset(int fd)
{
    struct linger now = {.l_onoff = 1};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}
