/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/socks.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int socks_setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/24", "fd77::/64", NULL};
    struct socks *f = test_calloc(1, sizeof(*f));
    struct gn_clock_config clock = {
        .size = sizeof(clock), .seed = 1, .alloc = &f->heap.alloc};
    struct gn_network_config config = {.size = sizeof(config),
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};

    gn_test_heap_init(&f->heap);
    assert_int_equal(gn_clock_create(&clock, &f->clock), 0);
    config.clock = f->clock;
    assert_int_equal(gn_network_create(&config, &f->net), 0);
    assert_int_equal(gn_namespace_create(f->net, NULL, &f->a), 0);
    assert_int_equal(gn_namespace_create(f->net, NULL, &f->b), 0);
    *state = f;
    return 0;
}

int socks_teardown(void **state)
{
    struct socks *f = *state;

    gn_network_close(f->net, NULL, NULL);
    gn_clock_close(f->clock);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

void pass_ms(struct socks *f, uint64_t ms)
{
    gn_clock_advance(f->clock, ms * 1000000);
}

static struct gn_sock *open_family(struct gn_namespace *ns, int family,
                                   int type)
{
    struct gn_sock *sock;

    assert_int_equal(gn_sock_open(ns, family, type | SOCK_NONBLOCK, 0, &sock),
                     0);
    return sock;
}

struct gn_sock *open4(struct gn_namespace *ns, int type)
{
    return open_family(ns, AF_INET, type);
}

struct gn_sock *open6(struct gn_namespace *ns, int type)
{
    return open_family(ns, AF_INET6, type);
}

void drop(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

static socklen_t parse(const char *text, struct sockaddr_storage *out)
{
    socklen_t len;

    assert_int_equal(gn_addr_parse(text, out, &len), 0);
    return len;
}

int bind_to(struct gn_sock *sock, const char *address)
{
    struct sockaddr_storage addr;
    socklen_t len = parse(address, &addr);

    return gn_sock_bind(sock, (struct sockaddr *)&addr, len);
}

int connect_to(struct gn_sock *sock, const char *address)
{
    struct sockaddr_storage addr;
    socklen_t len = parse(address, &addr);

    return gn_sock_connect(sock, (struct sockaddr *)&addr, len);
}

ssize_t send_text(struct gn_sock *sock, const char *text)
{
    return gn_sock_send(sock, text, strlen(text), 0);
}

ssize_t send_text_to(struct gn_sock *sock, const char *text,
                     const char *address)
{
    struct sockaddr_storage addr;
    socklen_t len = parse(address, &addr);

    return gn_sock_sendto(sock, text, strlen(text), 0, (struct sockaddr *)&addr,
                          len);
}

struct gn_sock *accept_one(struct gn_sock *listener)
{
    struct gn_sock *sock;

    return gn_sock_accept(listener, NULL, NULL, SOCK_NONBLOCK, &sock) ? NULL
                                                                      : sock;
}

struct gn_sock *listen_at(struct gn_namespace *ns, const char *address)
{
    struct sockaddr_storage addr;
    socklen_t len = parse(address, &addr);
    struct gn_sock *sock = open_family(ns, addr.ss_family, SOCK_STREAM);

    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(gn_sock_listen(sock, 16), 0);
    return sock;
}

void connect_pair(struct socks *f, uint16_t port, struct gn_sock **client,
                  struct gn_sock **server)
{
    struct gn_sock *listener;
    char address[GN_ADDR_TEXT_MAX];

    (void)snprintf(address, sizeof(address), "10.77.0.3:%u", port);
    listener = listen_at(f->b, address);
    *client = open4(f->a, SOCK_STREAM);
    assert_int_equal(connect_to(*client, address), -EINPROGRESS);
    pass_ms(f, 1);
    assert_int_equal(take_error(*client), 0);
    *server = accept_one(listener);
    assert_non_null(*server);
    drop(listener);
}

short ready(struct gn_sock *sock)
{
    struct gn_pollfd fd = {.sock = sock,
                           .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};

    assert_in_range(gn_sock_poll(&fd, 1, 0), 0, 1);
    return fd.revents;
}

int get_int(struct gn_sock *sock, int level, int name)
{
    socklen_t len = sizeof(int);
    int value;

    assert_int_equal(gn_sock_getopt(sock, level, name, &value, &len), 0);
    assert_int_equal(len, sizeof(value));
    return value;
}

int set_int(struct gn_sock *sock, int level, int name, int value)
{
    return gn_sock_setopt(sock, level, name, &value, sizeof(value));
}

int take_error(struct gn_sock *sock)
{
    return -get_int(sock, SOL_SOCKET, SO_ERROR);
}

static const char *format(const struct sockaddr_storage *addr)
{
    static char text[GN_ADDR_TEXT_MAX];

    assert_int_equal(
        gn_addr_format((const struct sockaddr *)addr, text, sizeof(text)), 0);
    return text;
}

const char *name_of(struct gn_sock *sock)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    assert_int_equal(gn_sock_name(sock, (struct sockaddr *)&addr, &len), 0);
    return format(&addr);
}

const char *peer_of(struct gn_sock *sock)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    assert_int_equal(gn_sock_peer(sock, (struct sockaddr *)&addr, &len), 0);
    return format(&addr);
}

uint16_t port_of(struct gn_sock *sock)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    assert_int_equal(gn_sock_name(sock, (struct sockaddr *)&addr, &len), 0);
    return ntohs(((struct sockaddr_in *)&addr)->sin_port); /* in6's too */
}

void expect_text(struct gn_sock *sock, const char *text)
{
    size_t len = strlen(text);
    char buf[256];

    assert_true(len < sizeof(buf));
    assert_int_equal(gn_sock_recv(sock, buf, sizeof(buf), 0), len);
    assert_memory_equal(buf, text, len);
}
