/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a quiet guest still gets while others flood the thread that all share:
 * 1, 8 and 64 guests, each with a thread and a network of guests in common.
 * For reference the same program, in which the threads of the flooding guests
 * compute instead: what the quiet guest loses then is the machine's.
 *
 *     fair_outside   the quiet guest connects to a server outside, which sends
 *                    its byte back; the others send over 900 flows each
 *     fair_lookups   it looks a name up; the others as many as they may
 *     fair_denied    it is refused; the others connect where none may
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <guestnet/guestnet.h>

#define MAX_FLOODING 64u
#define N_FLOWS      900u
/* Descriptors that are not for flows. */
#define N_OTHERS 1000u
#define N_DIALS  256u
/* Between two calls of the quiet guest. */
#define PAUSE_NS 500000
/* Until the flood has begun. */
#define WARM_NS 300000000u

enum kind { OUTSIDE, LOOKUPS, DENIED };

#define ARG(kind, n) ((size_t)(kind)*1000 + (n))

struct flooding {
    struct fair *fair;
    struct gn_namespace *ns;
    pthread_t thread;
};

struct fair {
    enum kind kind;
    bool computes;
    unsigned n;
    unsigned n_flows; /* of each */
    struct gn_egress *egress;
    struct gn_network *net;
    struct gn_namespace *quiet;
    struct flooding flooding[MAX_FLOODING];
    int server;
    unsigned short port; /* of the server */
    pthread_t server_thread;
    _Atomic bool over;
};

static void pause_for(long ns)
{
    struct timespec time = {.tv_nsec = ns};

    (void)nanosleep(&time, NULL);
}

static struct sockaddr_in address(const char *ip, unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};

    (void)inet_pton(AF_INET, ip, &at.sin_addr);
    return at;
}

/* ---- the guests that flood, or compute ---- */

static void compute(struct fair *fair)
{
    volatile unsigned work = 0;

    while (!atomic_load_explicit(&fair->over, memory_order_relaxed))
        work = work + 1;
}

static void send_over_flows(struct flooding *self)
{
    struct gn_sock *sock;
    unsigned i;

    if (gn_sock_open(self->ns, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, &sock))
        return;
    for (i = 0; !self->fair->over; i++) {
        struct sockaddr_in to =
            address("10.77.0.1", 30000 + i % self->fair->n_flows);

        (void)gn_sock_sendto(sock, "x", 1, 0, (struct sockaddr *)&to,
                             sizeof(to));
    }
    gn_sock_unref(sock);
}

static void ignore_answer(struct gn_lookup *lookup, int status,
                          const struct gn_answer *answers, size_t n, void *arg)
{
    (void)lookup, (void)status, (void)answers, (void)n, (void)arg;
}

static void look_up(struct flooding *self)
{
    while (!self->fair->over)
        (void)!gn_lookup(self->ns, "ip", "nobody", ignore_answer, NULL, NULL);
}

static void connect_nowhere(struct flooding *self)
{
    struct gn_sock *socks[N_DIALS] = {0};
    unsigned i;

    for (i = 0; !self->fair->over; i++) {
        struct sockaddr_in to = address("203.0.113.5", 1 + i % 60000);
        struct gn_sock **sock = &socks[i % N_DIALS];

        gn_sock_unref(*sock);
        if (gn_sock_open(self->ns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0,
                         sock))
            *sock = NULL;
        else
            (void)!gn_sock_connect(*sock, (struct sockaddr *)&to, sizeof(to));
    }
    for (i = 0; i < N_DIALS; i++)
        gn_sock_unref(socks[i]);
}

static void *flood(void *arg)
{
    struct flooding *self = arg;

    if (self->fair->computes)
        compute(self->fair);
    else if (self->fair->kind == OUTSIDE)
        send_over_flows(self);
    else if (self->fair->kind == LOOKUPS)
        look_up(self);
    else
        connect_nowhere(self);
    return NULL;
}

/* ---- the quiet guest ---- */

static int echo_outside(struct fair *fair)
{
    struct sockaddr_in to = address("10.77.0.1", fair->port);
    struct gn_sock *sock;
    char byte = 'x';
    int err = gn_sock_open(fair->quiet, AF_INET, SOCK_STREAM, 0, &sock);

    if (err)
        return err;
    err = gn_sock_connect(sock, (struct sockaddr *)&to, sizeof(to));
    if (!err && (gn_sock_send(sock, &byte, 1, 0) != 1 ||
                 gn_sock_recv(sock, &byte, 1, 0) != 1))
        err = -EPROTO;
    gn_sock_unref(sock);
    return err;
}

static int look_gateway_up(struct fair *fair)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *info;
    int err = gn_getaddrinfo(fair->quiet, "gateway", "80", &hints, &info);

    if (!err)
        gn_freeaddrinfo(info);
    return err;
}

static int be_denied(struct fair *fair)
{
    struct sockaddr_in to = address("203.0.113.5", 80);
    struct gn_sock *sock;
    int err = gn_sock_open(fair->quiet, AF_INET, SOCK_STREAM, 0, &sock);

    if (err)
        return err;
    err = gn_sock_connect(sock, (struct sockaddr *)&to, sizeof(to));
    gn_sock_unref(sock);
    return err == -EACCES ? 0 : -EPROTO;
}

static int quiet_call(struct fair *fair)
{
    switch (fair->kind) {
    case OUTSIDE:
        return echo_outside(fair);
    case LOOKUPS:
        return look_gateway_up(fair);
    default:
        return be_denied(fair);
    }
}

static int count_calls(struct fair *fair, uint64_t time_ns, double *out)
{
    uint64_t from, now;
    uint64_t n = 0;
    int err = 0;

    pause_for(WARM_NS);
    from = now = bench_now_ns();
    while (!err && now < from + time_ns) {
        err = quiet_call(fair);
        n++;
        now = bench_now_ns();
        pause_for(PAUSE_NS);
    }
    *out = bench_rate(n, from, now);
    return err;
}

/* ---- the world ---- */

static void *serve(void *arg)
{
    struct fair *fair = arg;
    char byte;
    int fd;

    while ((fd = accept4(fair->server, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (recv(fd, &byte, 1, 0) == 1)
            (void)!send(fd, &byte, 1, MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

static int server_begin(struct fair *fair)
{
    struct sockaddr_in at = address("127.0.0.1", 0);
    socklen_t len = sizeof(at);

    fair->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fair->server < 0 ||
        bind(fair->server, (struct sockaddr *)&at, sizeof(at)) ||
        listen(fair->server, 4096) ||
        getsockname(fair->server, (struct sockaddr *)&at, &len))
        return -errno;
    fair->port = ntohs(at.sin_port);
    return -pthread_create(&fair->server_thread, NULL, serve, fair);
}

/* 64 guests of 900 flows have a socket of the kernel's for each. Where a
 * process may not have so many they have fewer. */
static void allow_descriptors(struct fair *fair)
{
    size_t n = bench_descriptors();

    fair->n_flows = N_FLOWS;
    if (n > N_OTHERS && n < N_FLOWS * fair->n + N_OTHERS)
        fair->n_flows = ((unsigned)n - N_OTHERS) / fair->n;
}

static int net_begin(struct fair *fair)
{
    static const char *const prefixes[] = {"10.77.0.0/24", NULL};
    static const char *const rules[] = {"allow 127.0.0.1", NULL};
    const struct gn_policy policy = {.size = sizeof(policy), .rules = rules};
    const struct gn_network_config config = {.size = sizeof(config),
                                             .prefixes = prefixes};
    struct gn_namespace_config guest = {.size = sizeof(guest)};
    unsigned i;
    int err = gn_egress_system(&policy, &fair->egress);

    if (!err)
        err = gn_network_create(&config, &fair->net);
    guest.egress = fair->egress;
    if (!err)
        err = gn_namespace_create(fair->net, &guest, &fair->quiet);
    for (i = 0; i < fair->n && !err; i++) {
        fair->flooding[i].fair = fair;
        err = gn_namespace_create(fair->net, &guest, &fair->flooding[i].ns);
    }
    return err;
}

/* A process of its own: nothing is closed. */
static int measure(const struct bench_run *run, double *out)
{
    static struct fair fair;
    unsigned i;
    int err;

    fair.kind = (enum kind)(run->arg / 1000);
    fair.n = (unsigned)(run->arg % 1000);
    fair.computes = run->side == BENCH_REFERENCE;
    allow_descriptors(&fair);
    err = server_begin(&fair);
    if (!err)
        err = net_begin(&fair);
    for (i = 0; i < fair.n && !err; i++)
        err = -pthread_create(&fair.flooding[i].thread, NULL, flood,
                              &fair.flooding[i]);
    if (!err)
        err = count_calls(&fair, run->time_ns, out);
    fair.over = true;
    return err;
}

#define ROW(name, unit, kind, n)                               \
    {                                                          \
        name, unit, "computing instead", measure,              \
            {ARG(kind, n), ARG(kind, n)}, BENCH_RATIO_MIN, 0.5 \
    }

const struct bench_row bench_fair_rows[] = {
    ROW("fair_outside", "echo/s", OUTSIDE, 1),
    ROW("fair_outside_8", "echo/s", OUTSIDE, 8),
    ROW("fair_outside_64", "echo/s", OUTSIDE, 64),
    ROW("fair_lookups", "lookup/s", LOOKUPS, 1),
    ROW("fair_lookups_8", "lookup/s", LOOKUPS, 8),
    ROW("fair_lookups_64", "lookup/s", LOOKUPS, 64),
    ROW("fair_denied", "dial/s", DENIED, 1),
    ROW("fair_denied_8", "dial/s", DENIED, 8),
    ROW("fair_denied_64", "dial/s", DENIED, 64),
    {0},
};
