/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What guests do in the rows of WebAssembly: ordinary POSIX C, compiled for
 * wasm32-wasip2 and for the machine, so that both sides of a row are this file.
 *
 *     rr-server PORT            rr HOST PORT MS      microseconds a round trip
 *     bulk-server PORT          bulk HOST PORT MS    Gbit/s
 *     http-server PORT          http HOST PORT MS    requests a second
 *
 * A server ends with its last connection. Without arguments there is nothing to
 * do. Only what main() calls has a name outside: natively several threads run
 * it at once, so that nothing here is static data.
 */
#include "program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PING     64u
#define PIECE    65536u
#define CLIENTS  16
#define BATCH    64
#define TRIES    2000 /* Of a millisecond each, until the server listens. */
#define REQUEST  "GET / HTTP/1.1\r\nHost: guest\r\n\r\n"
#define PAGE     1024u
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n"
#define ANSWER   (sizeof(RESPONSE) - 1 + PAGE)

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- connections ---- */

static int listen_at(const char *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int one = 1, sock = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    (void)setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) ||
        listen(sock, CLIENTS))
        return -1;
    return sock;
}

static int without_nagle(int sock)
{
    int one = 1;

    (void)setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return sock;
}

static int accept_one(const char *port)
{
    int listener = listen_at(port);
    int sock = listener < 0 ? -1 : accept(listener, NULL, NULL);

    close(listener);
    return without_nagle(sock);
}

static int dial(const char *host, const char *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    const struct timespec pause = {.tv_nsec = 1000000};
    int sock;

    addr.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
        return -1;
    for (int i = 0; i < TRIES; i++) {
        sock = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0)
            return without_nagle(sock);
        close(sock);
        nanosleep(&pause, NULL);
    }
    return -1;
}

static bool send_all(int sock, const char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(sock, data + at, len - at, 0);

        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* ---- round trips ---- */

static int rr_server(const char *port)
{
    int sock = accept_one(port);
    char data[PING];
    ssize_t n = 0;

    while (sock >= 0 && (n = recv(sock, data, sizeof(data), 0)) > 0)
        if (send(sock, data, (size_t)n, 0) != n)
            break;
    close(sock);
    return n != 0;
}

/* wasi-libc has no MSG_WAITALL. */
static bool recv_all(int sock, char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = recv(sock, data + at, len - at, 0);

        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static int rr(int sock, uint64_t time_ns, double *out)
{
    uint64_t from_ns = now_ns(), at_ns = from_ns, n = 0;
    char data[PING] = {0};

    while (at_ns - from_ns < time_ns) {
        for (int i = 0; i < BATCH; i++, n++)
            if (send(sock, data, PING, 0) != PING ||
                !recv_all(sock, data, PING))
                return 1;
        at_ns = now_ns();
    }
    *out = (double)(at_ns - from_ns) / 1000.0 / (double)n;
    return 0;
}

/* ---- bulk ---- */

static int bulk_server(const char *port)
{
    int sock = accept_one(port);
    char *data = malloc(PIECE);
    ssize_t n = -1;

    while (data && sock >= 0 && (n = recv(sock, data, PIECE, 0)) > 0)
        continue;
    free(data);
    close(sock); /* By which the client knows that all has come. */
    return n != 0;
}

static int bulk(int sock, uint64_t time_ns, double *out)
{
    uint64_t from_ns = now_ns(), n = 0;
    char *data = calloc(1, PIECE), last;

    if (!data)
        return 1;
    for (; now_ns() - from_ns < time_ns; n += PIECE)
        if (!send_all(sock, data, PIECE))
            break;
    free(data);
    if (shutdown(sock, SHUT_WR) || recv(sock, &last, 1, 0))
        return 1;
    *out = (double)n * 8 / (double)(now_ns() - from_ns);
    return 0;
}

/* ---- HTTP ---- */

/* A connection of either side: how much of the message has come. */
struct conn {
    int sock;
    size_t len;
    char data[ANSWER];
};

struct conns {
    struct conn conn[CLIENTS];
    struct pollfd fds[CLIENTS + 1];
    size_t n;
    char answer[ANSWER];
};

/* Reads on; is there a whole message now? -1: the connection is at its end. */
static int conn_read(struct conn *conn, bool is_request)
{
    ssize_t n = recv(conn->sock, conn->data + conn->len,
                     sizeof(conn->data) - conn->len, 0);

    if (n <= 0)
        return -1;
    conn->len += (size_t)n;
    if (is_request)
        return conn->len >= 4 &&
               !memcmp(conn->data + conn->len - 4, "\r\n\r\n", 4);
    return conn->len == ANSWER;
}

static void conns_watch(struct conns *conns)
{
    for (size_t i = 0; i < conns->n; i++)
        conns->fds[i] =
            (struct pollfd){.fd = conns->conn[i].sock, .events = POLLIN};
}

static void conns_remove(struct conns *conns, size_t i)
{
    close(conns->conn[i].sock);
    conns->n--;
    conns->conn[i] = conns->conn[conns->n];
}

/* Answers what has come whole, last first, so that those that go move none that
 * are still to be looked at. */
static void http_answer(struct conns *conns)
{
    for (size_t i = conns->n; i-- > 0;) {
        struct conn *conn = &conns->conn[i];
        int whole = conns->fds[i].revents ? conn_read(conn, true) : 0;

        if (whole > 0) {
            conn->len = 0;
            whole = send_all(conn->sock, conns->answer, ANSWER) ? 0 : -1;
        }
        if (whole < 0)
            conns_remove(conns, i);
    }
}

static int http_serve(struct conns *conns, int listener)
{
    bool began = false;
    size_t n;

    memset(conns->answer, 'x', ANSWER);
    memcpy(conns->answer, RESPONSE, sizeof(RESPONSE) - 1);
    while (!began || conns->n > 0) {
        conns_watch(conns);
        n = conns->n;
        conns->fds[n] = (struct pollfd){
            .fd = listener,
            .events = n < CLIENTS ? POLLIN : 0,
        };
        if (poll(conns->fds, (nfds_t)n + 1, -1) < 0)
            return 1;
        http_answer(conns);
        if (conns->fds[n].revents & POLLIN && conns->n < CLIENTS) {
            struct conn *conn = &conns->conn[conns->n++];

            conn->sock = without_nagle(accept(listener, NULL, NULL));
            conn->len = 0;
            began = true;
        }
    }
    return 0;
}

static int http_server(const char *port)
{
    struct conns *conns = calloc(1, sizeof(*conns));
    int listener = listen_at(port);
    int failed = !conns || listener < 0 || http_serve(conns, listener);

    close(listener);
    free(conns);
    return failed;
}

static bool http_ask(struct conn *conn)
{
    conn->len = 0;
    return send_all(conn->sock, REQUEST, sizeof(REQUEST) - 1);
}

/* Answers that have come are followed by the next request. Returns how many, or
 * -1. */
static int http_next(struct conns *conns)
{
    int n = 0;

    for (size_t i = 0; i < conns->n; i++) {
        int whole =
            conns->fds[i].revents ? conn_read(&conns->conn[i], false) : 0;

        if (whole < 0 || (whole && !http_ask(&conns->conn[i])))
            return -1;
        n += whole;
    }
    return n;
}

static int http_ask_for(struct conns *conns, uint64_t time_ns, double *out)
{
    uint64_t from_ns = now_ns(), at_ns = from_ns, n = 0;

    for (; at_ns - from_ns < time_ns; at_ns = now_ns()) {
        int k;

        conns_watch(conns);
        k = poll(conns->fds, (nfds_t)conns->n, -1) < 0 ? -1 : http_next(conns);
        if (k < 0)
            return 1;
        n += (uint64_t)k;
    }
    *out = (double)n * 1e9 / (double)(at_ns - from_ns);
    return 0;
}

static int http(const char *host, const char *port, uint64_t time_ns,
                double *out)
{
    struct conns *conns = calloc(1, sizeof(*conns));
    int failed = !conns;

    while (!failed && conns->n < CLIENTS) {
        struct conn *conn = &conns->conn[conns->n++];

        conn->sock = dial(host, port);
        failed = conn->sock < 0 || !http_ask(conn);
    }
    failed = failed || http_ask_for(conns, time_ns, out);
    while (conns && conns->n > 0)
        conns_remove(conns, conns->n - 1);
    free(conns);
    return failed;
}

/* ---- which of them ---- */

static int serve(const char *what, const char *port)
{
    if (!strcmp(what, "rr-server"))
        return rr_server(port);
    if (!strcmp(what, "bulk-server"))
        return bulk_server(port);
    return strcmp(what, "http-server") ? 2 : http_server(port);
}

static int measure(const char *const *argv, double *out)
{
    uint64_t time_ns = strtoull(argv[4], NULL, 10) * 1000000;
    int sock, failed;

    if (!strcmp(argv[1], "http"))
        return http(argv[2], argv[3], time_ns, out);
    sock = dial(argv[2], argv[3]);
    failed = sock < 0 || (!strcmp(argv[1], "rr") ? rr(sock, time_ns, out)
                                                 : bulk(sock, time_ns, out));
    close(sock);
    return failed;
}

int program_main(int argc, const char *const *argv, FILE *out)
{
    double figure;

    if (argc < 2)
        return 0;
    if (argc == 3)
        return serve(argv[1], argv[2]);
    if (argc != 5)
        return 2;
    if (measure(argv, &figure)) {
        fprintf(out, "%s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    fprintf(out, "%.9g\n", figure);
    return fflush(out);
}

#ifdef __wasm__
int main(int argc, char **argv)
{
    return program_main(argc, (const char *const *)argv, stdout);
}
#endif
