/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A datagram through a router with many routes, and through one with few:
 * from sending it to receiving it behind the router. Destinations change from
 * one to the next, so that none is where the last one was. Both tables begin
 * with the same routes, of as many lengths as ten can have. In processor time.
 */
#include "bench.h"

#include <guestnet/guestnet.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define N_DESTINATIONS 8
#define BATCH          256
#define SIZE           64
#define PORT           9

struct course {
    struct gn_network *near, *far, *beyond;
    struct gn_namespace *sender, *router, *other_router, *receiver;
    struct gn_sock *from, *to;
    unsigned n; /* Datagrams. */
};

/* ---- networks ---- */

static int open_network(const char *prefix, struct gn_clock *clock,
                        struct gn_network **out)
{
    const char *const prefixes[] = {prefix, NULL};
    const struct gn_network_config config = {.size = sizeof(config),
                                             .prefixes = prefixes,
                                             .drive = GN_DRIVE_VIRTUAL,
                                             .clock = clock};

    return gn_network_create(&config, out);
}

static int add(struct gn_network *net, const char *const *addresses,
               bool forwarding, struct gn_namespace **out)
{
    const struct gn_namespace_config config = {.size = sizeof(config),
                                               .addresses = addresses,
                                               .forwarding = forwarding};

    return gn_namespace_create(net, &config, out);
}

static int add_router(struct gn_network *a, const char *at_a,
                      struct gn_network *b, const char *at_b,
                      struct gn_namespace **out)
{
    const char *const first[] = {at_a, NULL}, *const second[] = {at_b, NULL};
    const struct gn_attach_config attach = {.size = sizeof(attach),
                                            .addresses = second};
    int err = add(a, first, true, out);

    return err ? err : gn_namespace_attach(*out, b, &attach);
}

/** All destinations are addresses of one guest. */
static int add_receiver(struct course *course)
{
    char texts[N_DESTINATIONS][24];
    const char *addresses[N_DESTINATIONS + 1] = {NULL};

    for (int i = 0; i < N_DESTINATIONS; i++) {
        snprintf(texts[i], sizeof(texts[i]), "198.18.0.%d", i + 2);
        addresses[i] = texts[i];
    }
    return add(course->beyond, addresses, false, &course->receiver);
}

static int open_networks(struct course *course)
{
    struct gn_clock *clock;
    int err = gn_clock_create(NULL, &clock);

    if (!err)
        err = open_network("10.1.0.0/24", clock, &course->near);
    if (!err)
        err = open_network("10.2.0.0/24", clock, &course->far);
    if (!err)
        err = open_network("198.18.0.0/24", clock, &course->beyond);
    if (!err)
        err = add(course->near, NULL, false, &course->sender);
    if (!err)
        err = add_router(course->near, "10.1.0.254", course->far, "10.2.0.254",
                         &course->router);
    if (!err)
        err = add_router(course->far, "10.2.0.253", course->beyond,
                         "198.18.0.254", &course->other_router);
    if (!err)
        err = add_receiver(course);
    return err ? err : gn_route_add(course->sender, "0.0.0.0/0", "10.1.0.254");
}

/* ---- routes ---- */

/** Prefixes of 11 to 24 bits, as those of the Internet are, each its own. */
static int add_route(struct gn_namespace *router, unsigned i)
{
    unsigned len = 24 - i % 14;
    uint32_t addr = (UINT32_C(0x20000000) + (i << 13)) & (~0u << (32 - len));
    char prefix[32];

    addr = htonl(addr);
    inet_ntop(AF_INET, &addr, prefix, sizeof(prefix));
    snprintf(prefix + strlen(prefix), 4, "/%u", len);
    return gn_route_add(router, prefix, "10.2.0.253");
}

static int add_routes(struct gn_namespace *router, size_t n)
{
    int err = gn_route_add(router, "198.18.0.0/24", "10.2.0.253");

    for (unsigned i = 1; i < n && !err; i++)
        err = add_route(router, i);
    return err;
}

/* ---- datagrams ---- */

static int open_sockets(struct course *course)
{
    int err =
        gn_sock_open(course->sender, AF_INET, SOCK_DGRAM, 0, &course->from);

    return err ? err
               : gn_sock_listen_at(course->receiver, "udp4", ":9",
                                   SOCK_NONBLOCK, NULL, 0, &course->to);
}

static int send_one(struct course *course)
{
    char data[SIZE] = {0};
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(PORT),
        .sin_addr.s_addr =
            htonl(UINT32_C(0xc6120002) + course->n++ % N_DESTINATIONS)};
    ssize_t n = gn_sock_sendto(course->from, data, SIZE, 0,
                               (struct sockaddr *)&to, sizeof(to));

    if (n == SIZE)
        n = gn_sock_recv(course->to, data, SIZE, 0);
    return n == SIZE ? 0 : n < 0 ? (int)n : -EPROTO;
}

/** Nanoseconds each. */
static int send_for(struct course *course, uint64_t time_ns, double *out)
{
    uint64_t start_ns = bench_processor_ns(), now_ns = start_ns, n = 0;
    int err = 0;

    while (now_ns - start_ns < time_ns && !err) {
        for (int i = 0; i < BATCH && !err; i++, n++)
            err = send_one(course);
        now_ns = bench_processor_ns();
    }
    *out = (double)(now_ns - start_ns) / (double)n;
    return err;
}

/** @arg  Routes. */
static int measure(const struct bench_run *run, double *out)
{
    struct course course = {.n = 0};
    int err = open_networks(&course);

    if (!err)
        err = add_routes(course.router, run->arg);
    if (!err)
        err = open_sockets(&course);
    if (!err)
        err = send_for(&course, run->time_ns / 4, out);
    return err ? err : send_for(&course, run->time_ns, out);
}

const struct bench_row bench_routes_rows[] = {
    {"routes", "ns", "10 routes", measure, {10000, 10}, BENCH_RATIO_MAX, 1.3},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
