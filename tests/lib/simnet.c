/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/simnet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "namespace/namespace.h"
#include "sim/sim.h"

int gn_simnet_create(struct gn_simnet *sim,
                     const struct gn_network_config *config,
                     struct gn_network **out)
{
    int err;

    assert_int_equal(gn__clock_take(sim->clock), 0);
    err = gn__network_create(gn__clock_engine(sim->clock), config, out);
    if (err)
        gn__clock_give(sim->clock);
    return err;
}

struct gn_network *gn_simnet_add(struct gn_simnet *sim, const char *name,
                                 const char *const *prefixes)
{
    struct gn_network_config config = {.size = sizeof(config),
                                       .name = name,
                                       .prefixes = prefixes,
                                       .drive = GN_DRIVE_VIRTUAL};
    struct gn_network *net;

    assert_int_equal(gn_simnet_create(sim, &config, &net), 0);
    return net;
}

void gn_simnet_setup(struct gn_simnet *sim, const char *const *prefixes,
                     uint64_t seed)
{
    gn_simnet_setup_at(sim, prefixes, seed, 0);
}

void gn_simnet_setup_at(struct gn_simnet *sim, const char *const *prefixes,
                        uint64_t seed, uint64_t start_ns)
{
    struct gn_clock_config config = {.size = sizeof(config),
                                     .seed = seed,
                                     .start_ns = start_ns,
                                     .alloc = &sim->heap.alloc};

    gn_test_heap_init(&sim->heap);
    assert_int_equal(gn_clock_create(&config, &sim->clock), 0);
    sim->net = gn_simnet_add(sim, NULL, prefixes);
}

void gn_simnet_teardown(struct gn_simnet *sim)
{
    gn_network_close(sim->net, NULL, NULL);
    gn_clock_close(sim->clock);
    gn_test_heap_done(&sim->heap);
}

struct gn_namespace *gn_simnet_guest(struct gn_network *net, const char *name)
{
    struct gn_namespace_config config = {.size = sizeof(config), .name = name};
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(net, &config, &ns), 0);
    return ns;
}

struct gn_namespace *gn_simnet_guest_at(struct gn_network *net,
                                        const char *address)
{
    const char *const addresses[] = {address, NULL};
    struct gn_namespace_config config = {.size = sizeof(config),
                                         .addresses = addresses};
    struct gn_namespace *ns;

    assert_int_equal(gn_namespace_create(net, &config, &ns), 0);
    return ns;
}

struct gn_sock *gn_simnet_udp(struct gn_namespace *ns, const char *address)
{
    struct sockaddr_storage ss;
    struct gn_sock *sock;
    socklen_t len;

    assert_int_equal(gn_addr_parse(address, &ss, &len), 0);
    assert_int_equal(
        gn_sock_open(ns, ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0, &sock),
        0);
    assert_int_equal(gn_sock_bind(sock, (struct sockaddr *)&ss, len), 0);
    return sock;
}

void gn_simnet_end(struct gn_sock *sock)
{
    gn_sock_close(sock);
    gn_sock_unref(sock);
}

ssize_t gn_simnet_send(struct gn_sock *sock, const char *to, const void *data,
                       size_t len)
{
    struct sockaddr_storage ss;
    socklen_t ss_len;

    assert_int_equal(gn_addr_parse(to, &ss, &ss_len), 0);
    return gn_sock_sendto(sock, data, len, 0, (struct sockaddr *)&ss, ss_len);
}

ssize_t gn_simnet_recv(struct gn_sock *sock, void *buf, size_t cap)
{
    return gn_sock_recv(sock, buf, cap, 0);
}

void gn_simnet_expect(struct gn_sock *sock, const char *text)
{
    char buf[2048];
    ssize_t n = gn_sock_recv(sock, buf, sizeof(buf) - 1, 0);

    if (!text) {
        assert_int_equal(n, -EAGAIN);
        return;
    }
    assert_true(n >= 0);
    buf[n] = '\0';
    assert_string_equal(buf, text);
}

uint64_t gn_simnet_drops(struct gn_network *net, enum gn_drop why)
{
    struct gn_stats stats;

    gn_network_stats(net, &stats);
    return stats.drops[why];
}

uint64_t gn_simnet_ns_drops(struct gn_namespace *ns, enum gn_drop why)
{
    struct gn_stats stats;

    gn_namespace_stats(ns, &stats);
    return stats.drops[why];
}
