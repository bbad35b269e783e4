/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/dnsd.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- messages ---- */

static void put(struct gn_test_dns *dns, const void *bytes, size_t len)
{
    assert_true(len <= sizeof(dns->bytes) - dns->len);
    memcpy(dns->bytes + dns->len, bytes, len);
    dns->len += len;
}

static void put16(struct gn_test_dns *dns, unsigned value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

    put(dns, bytes, sizeof(bytes));
}

static void put32(struct gn_test_dns *dns, uint32_t value)
{
    put16(dns, value >> 16);
    put16(dns, value & 0xffff);
}

static size_t encode(const char *name, uint8_t out[256])
{
    size_t n = 0;

    while (*name) {
        size_t len = strcspn(name, ".");

        assert_true(n + len + 2 <= 256);
        out[n++] = (uint8_t)len;
        memcpy(out + n, name, len);
        n += len;
        name += len + (name[len] == '.');
    }
    out[n++] = 0;
    return n;
}

/* The bytes of the question behind the header, 0 if there is none. */
static size_t question_len(const uint8_t *message, size_t len)
{
    size_t at = 12;

    while (at < len && message[at])
        at += message[at] + 1u;
    return at + 5 <= len ? at + 5 - 12 : 0;
}

void gn_test_dns_begin(struct gn_test_dns *dns, const struct gn_test_ask *ask,
                       unsigned rcode)
{
    dns->len = 0;
    put(dns, ask->message, 2);
    put16(dns, 0x8180 | rcode); /* QR, RD, RA */
    put16(dns, 1);
    put16(dns, 0);
    put32(dns, 0);
    put(dns, ask->message + 12, question_len(ask->message, ask->len));
}

void gn_test_dns_add(struct gn_test_dns *dns, const char *name, unsigned type,
                     uint32_t ttl, const void *data, size_t len)
{
    uint8_t encoded[256] = {0xc0, 0x0c};
    unsigned n = (unsigned)dns->bytes[6] << 8 | dns->bytes[7];

    put(dns, encoded, name ? encode(name, encoded) : 2);
    put16(dns, type);
    put16(dns, 1);
    put32(dns, ttl);
    put16(dns, (unsigned)len);
    put(dns, data, len);
    n++;
    dns->bytes[6] = (uint8_t)(n >> 8);
    dns->bytes[7] = (uint8_t)n;
}

void gn_test_dns_add_a(struct gn_test_dns *dns, const char *name, uint32_t ttl,
                       const char *address)
{
    uint8_t bytes[4];

    assert_int_equal(inet_pton(AF_INET, address, bytes), 1);
    gn_test_dns_add(dns, name, GN_TEST_DNS_A, ttl, bytes, sizeof(bytes));
}

void gn_test_dns_add_aaaa(struct gn_test_dns *dns, const char *name,
                          uint32_t ttl, const char *address)
{
    uint8_t bytes[16];

    assert_int_equal(inet_pton(AF_INET6, address, bytes), 1);
    gn_test_dns_add(dns, name, GN_TEST_DNS_AAAA, ttl, bytes, sizeof(bytes));
}

void gn_test_dns_add_name(struct gn_test_dns *dns, const char *name,
                          unsigned type, uint32_t ttl, const char *value)
{
    uint8_t encoded[256];

    gn_test_dns_add(dns, name, type, ttl, encoded, encode(value, encoded));
}

void gn_test_dns_truncate(struct gn_test_dns *dns)
{
    dns->bytes[2] |= 2;
}

/* ---- sending ---- */

void gn_test_dnsd_send_raw(const struct gn_test_ask *ask, const void *bytes,
                           size_t len)
{
    struct gn_test_dnsd *dnsd = ask->dnsd;

    /* What the other end has closed meanwhile is no concern of the server. */
    if (ask->conn < 0)
        (void)sendto(dnsd->udp.fd, bytes, len, 0,
                     (const struct sockaddr *)&ask->from, ask->from_len);
    else if (dnsd->conns[ask->conn].fd >= 0)
        (void)send(dnsd->conns[ask->conn].fd, bytes, len, MSG_NOSIGNAL);
}

void gn_test_dnsd_send(const struct gn_test_ask *ask,
                       const struct gn_test_dns *dns)
{
    uint8_t framed[sizeof(dns->bytes) + 2];

    if (ask->conn < 0) {
        gn_test_dnsd_send_raw(ask, dns->bytes, dns->len);
        return;
    }
    framed[0] = (uint8_t)(dns->len >> 8);
    framed[1] = (uint8_t)dns->len;
    memcpy(framed + 2, dns->bytes, dns->len);
    gn_test_dnsd_send_raw(ask, framed, dns->len + 2);
}

static void drop(struct gn_test_dnsd_conn *conn)
{
    if (conn->fd < 0)
        return;
    gn__io_unwatch(&conn->dnsd->pollio->turns.io, &conn->watch);
    close(conn->fd);
    conn->fd = -1;
}

void gn_test_dnsd_reset(const struct gn_test_ask *ask)
{
    struct gn_test_dnsd_conn *conn = &ask->dnsd->conns[ask->conn];
    struct linger linger = {1, 0};

    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    drop(conn);
}

/* ---- receiving ---- */

static void read_question(struct gn_test_ask *ask)
{
    size_t at = 12, n = 0;

    while (at < ask->len && ask->message[at]) {
        size_t i, len = ask->message[at++];

        for (i = 0; i < len && at < ask->len && n < sizeof(ask->name) - 2; i++)
            ask->name[n++] = (char)tolower(ask->message[at++]);
        ask->name[n++] = '.';
    }
    ask->name[n ? n - 1 : 0] = '\0';
    if (at + 3 <= ask->len)
        ask->type = (unsigned)ask->message[at + 1] << 8 | ask->message[at + 2];
}

static void handle(struct gn_test_ask *ask)
{
    struct gn_test_dnsd *dnsd = ask->dnsd;

    read_question(ask);
    dnsd->n_asked++;
    if (ask->conn >= 0)
        dnsd->n_tcp++;
    dnsd->answer(ask, dnsd->arg);
}

static void udp_ready(struct gn__io_watch *watch, short revents)
{
    uint8_t buf[4096];
    struct gn_test_ask ask = {
        .dnsd = gn__container_of(watch, struct gn_test_dnsd, udp),
        .message = buf,
        .conn = -1,
        .from_len = sizeof(ask.from),
    };
    ssize_t n = recvfrom(watch->fd, buf, sizeof(buf), MSG_DONTWAIT,
                         (struct sockaddr *)&ask.from, &ask.from_len);

    (void)revents;
    if (n < 12)
        return;
    ask.len = (size_t)n;
    handle(&ask);
}

static void conn_ready(struct gn__io_watch *watch, short revents)
{
    struct gn_test_dnsd_conn *conn =
        gn__container_of(watch, struct gn_test_dnsd_conn, watch);
    ssize_t n = recv(conn->fd, conn->in + conn->n_in,
                     sizeof(conn->in) - conn->n_in, MSG_DONTWAIT);

    (void)revents;
    if (n <= 0) {
        drop(conn);
        return;
    }
    conn->n_in += (size_t)n;
    while (conn->fd >= 0 && conn->n_in > 2) {
        size_t len = (size_t)conn->in[0] << 8 | conn->in[1];
        struct gn_test_ask ask = {
            .dnsd = conn->dnsd,
            .message = conn->in + 2,
            .len = len,
            .conn = (int)(conn - conn->dnsd->conns),
        };

        if (conn->n_in < len + 2)
            return;
        handle(&ask);
        conn->n_in -= len + 2;
        memmove(conn->in, conn->in + len + 2, conn->n_in);
    }
}

static void tcp_ready(struct gn__io_watch *watch, short revents)
{
    struct gn_test_dnsd *dnsd =
        gn__container_of(watch, struct gn_test_dnsd, tcp);
    struct gn_test_dnsd_conn *conn = dnsd->conns;
    int size = 1 << 20;

    (void)revents;
    while (conn->fd >= 0)
        conn++;
    assert_true(conn < dnsd->conns + GN_TEST_DNSD_CONNS);
    conn->fd = accept(watch->fd, NULL, NULL);
    if (conn->fd < 0)
        return;
    setsockopt(conn->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    dnsd->n_conns++;
    conn->n_in = 0;
    conn->watch.ready = conn_ready;
    assert_int_equal(
        gn__io_watch(&dnsd->pollio->turns.io, &conn->watch, conn->fd, POLLIN),
        0);
}

/* ---- from beginning to end ---- */

static int open_port(int type, struct sockaddr_in *addr)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*addr);

    assert_true(fd >= 0);
    if (bind(fd, (struct sockaddr *)addr, len)) {
        close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    return fd;
}

/* One port that is free for both; @port: this one, or 0. */
static void open_ports(int *udp, int *tcp, uint16_t port,
                       struct sockaddr_in *addr)
{
    int tries;

    for (tries = 0; tries < 100; tries++) {
        *addr = (struct sockaddr_in){
            .sin_family = AF_INET,
            .sin_port = htons(port),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        *tcp = open_port(SOCK_STREAM, addr);
        *udp = open_port(SOCK_DGRAM, addr);
        if (*udp >= 0)
            return;
        close(*tcp);
    }
    fail_msg("no free port");
}

void gn_test_dnsd_init(struct gn_test_dnsd *dnsd, struct gn_test_pollio *pollio,
                       void (*answer)(const struct gn_test_ask *ask, void *arg),
                       void *arg)
{
    gn_test_dnsd_init_at(dnsd, pollio, 0, answer, arg);
}

void gn_test_dnsd_init_at(
    struct gn_test_dnsd *dnsd, struct gn_test_pollio *pollio, uint16_t port,
    void (*answer)(const struct gn_test_ask *ask, void *arg), void *arg)
{
    struct sockaddr_in addr;
    int udp, tcp;
    unsigned i;

    memset(dnsd, 0, sizeof(*dnsd));
    dnsd->pollio = pollio;
    dnsd->answer = answer;
    dnsd->arg = arg;
    for (i = 0; i < GN_TEST_DNSD_CONNS; i++) {
        dnsd->conns[i].dnsd = dnsd;
        dnsd->conns[i].fd = -1;
    }
    open_ports(&udp, &tcp, port, &addr);
    assert_int_equal(listen(tcp, 16), 0);
    snprintf(dnsd->address, sizeof(dnsd->address), "127.0.0.1:%u",
             ntohs(addr.sin_port));
    dnsd->udp.ready = udp_ready;
    dnsd->tcp.ready = tcp_ready;
    assert_int_equal(gn__io_watch(&pollio->turns.io, &dnsd->udp, udp, POLLIN),
                     0);
    assert_int_equal(gn__io_watch(&pollio->turns.io, &dnsd->tcp, tcp, POLLIN),
                     0);
}

void gn_test_dnsd_done(struct gn_test_dnsd *dnsd)
{
    unsigned i;

    for (i = 0; i < GN_TEST_DNSD_CONNS; i++)
        drop(&dnsd->conns[i]);
    gn__io_unwatch(&dnsd->pollio->turns.io, &dnsd->udp);
    gn__io_unwatch(&dnsd->pollio->turns.io, &dnsd->tcp);
    close(dnsd->udp.fd);
    close(dnsd->tcp.fd);
}
