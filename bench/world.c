/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int result(ssize_t n)
{
    return n < 0 ? -errno : (int)n;
}

/* ---- worlds ---- */

static int site_init(struct site *site, struct gn_network *net)
{
    struct gn_interface eth0;
    char text[GN_ADDR_TEXT_MAX];
    int err;

    site->ns = NULL;
    if (!net)
        return gn_addr_parse("127.0.0.1", &site->addr, &site->len);
    err = gn_namespace_create(net, NULL, &site->ns);
    if (err)
        return err;
    err = gn_namespace_interface_by_name(site->ns, "eth0", &eth0);
    if (!err)
        err = gn_ip_format(&eth0.addrs[0].ip, text, sizeof(text));
    if (!err)
        err = gn_addr_parse(text, &site->addr, &site->len);
    return err;
}

static int sites_init(struct world *world, size_t n)
{
    int err = 0;

    world->n = n;
    world->sites = calloc(n, sizeof(*world->sites));
    if (!world->sites)
        err = -ENOMEM;
    for (size_t i = 0; i < n && !err; i++)
        err = site_init(&world->sites[i], world->net);
    return err;
}

int world_network(const struct gn_limits *limits, struct gn_clock *clock,
                  struct gn_network **out)
{
    const char *prefixes[] = {"10.64.0.0/10", "fd77::/64", NULL};
    struct gn_network_config config = {
        .size = sizeof(config),
        .prefixes = prefixes,
        .drive = clock ? GN_DRIVE_VIRTUAL : GN_DRIVE_THREAD,
        .clock = clock,
    };

    if (limits)
        config.limits = *limits;
    return gn_network_create(&config, out);
}

int world_open(struct world *world, bool kernel, size_t n,
               const struct gn_limits *limits)
{
    int err;

    memset(world, 0, sizeof(*world));
    err = kernel ? 0 : world_network(limits, NULL, &world->net);
    if (!err)
        err = sites_init(world, n);
    if (err)
        world_close(world);
    return err;
}

int world_open_virtual(struct world *world, size_t n,
                       const struct gn_limits *limits)
{
    const struct gn_clock_config config = {.size = sizeof(config),
                                           .max_still = UINT64_MAX};
    int err;

    memset(world, 0, sizeof(*world));
    err = gn_clock_create(&config, &world->clock);
    if (!err)
        err = world_network(limits, world->clock, &world->net);
    if (!err)
        err = sites_init(world, n);
    if (err)
        world_close(world);
    return err;
}

void world_close(struct world *world)
{
    gn_network_close(world->net, NULL, NULL);
    gn_clock_close(world->clock);
    free(world->sites);
    memset(world, 0, sizeof(*world));
}

/* ---- ends ---- */

int end_open(const struct site *site, int type, struct end *out)
{
    int family = site->addr.ss_family;

    *out = END_NONE;
    if (site->ns)
        return gn_sock_open(site->ns, family, type, 0, &out->sock);
    out->fd = socket(family, type | SOCK_CLOEXEC, 0);
    return out->fd < 0 ? -errno : 0;
}

static int end_bind(struct end end, const struct site *site)
{
    const struct sockaddr *addr = (const struct sockaddr *)&site->addr;

    if (end.sock)
        return gn_sock_bind(end.sock, addr, site->len);
    return result(bind(end.fd, addr, site->len));
}

static int end_listen(struct end end, int backlog)
{
    if (end.sock)
        return gn_sock_listen(end.sock, backlog);
    return result(listen(end.fd, backlog));
}

static int end_name(struct end end, struct sockaddr_storage *addr)
{
    socklen_t len = sizeof(*addr);

    if (end.sock)
        return gn_sock_name(end.sock, (struct sockaddr *)addr, &len);
    return result(getsockname(end.fd, (struct sockaddr *)addr, &len));
}

int end_serve(const struct site *site, int type, int backlog, struct end *out,
              struct sockaddr_storage *addr)
{
    int err = end_open(site, type, out);

    if (!err)
        err = end_bind(*out, site);
    if (!err && (type & 0xf) == SOCK_STREAM)
        err = end_listen(*out, backlog);
    if (!err)
        err = end_name(*out, addr);
    if (err)
        end_close(*out);
    return err;
}

int end_connect(struct end end, const struct sockaddr_storage *addr,
                socklen_t len)
{
    const struct sockaddr *to = (const struct sockaddr *)addr;

    if (end.sock)
        return gn_sock_connect(end.sock, to, len);
    return result(connect(end.fd, to, len));
}

int end_accept(struct end end, struct end *out)
{
    *out = END_NONE;
    if (end.sock)
        return gn_sock_accept(end.sock, NULL, NULL, 0, &out->sock);
    out->fd = accept4(end.fd, NULL, NULL, SOCK_CLOEXEC);
    return out->fd < 0 ? -errno : 0;
}

ssize_t end_send(struct end end, const void *data, size_t len, int flags)
{
    ssize_t n;

    if (end.sock)
        return gn_sock_send(end.sock, data, len, flags);
    n = send(end.fd, data, len, flags | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

ssize_t end_recv(struct end end, void *data, size_t len, int flags)
{
    ssize_t n;

    if (end.sock)
        return gn_sock_recv(end.sock, data, len, flags);
    n = recv(end.fd, data, len, flags);
    return n < 0 ? -errno : n;
}

int end_shutdown(struct end end)
{
    if (end.sock)
        return gn_sock_shutdown(end.sock, SHUT_WR);
    return result(shutdown(end.fd, SHUT_WR));
}

void end_close(struct end end)
{
    gn_sock_close(end.sock);
    gn_sock_unref(end.sock);
    if (end.fd >= 0)
        close(end.fd);
}

/* ---- pairs ---- */

int end_nodelay(struct end end)
{
    int on = 1;

    if (end.sock)
        return gn_sock_setopt(end.sock, IPPROTO_TCP, TCP_NODELAY, &on,
                              sizeof(on));
    return result(
        setsockopt(end.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

static int pair_streams(const struct site *a, const struct site *b,
                        struct end ends[2])
{
    struct sockaddr_storage addr;
    struct end listener;
    int err = end_serve(b, SOCK_STREAM, 1, &listener, &addr);

    if (err)
        return err;
    err = end_open(a, SOCK_STREAM, &ends[0]);
    if (!err)
        err = end_connect(ends[0], &addr, b->len);
    if (!err)
        err = end_accept(listener, &ends[1]);
    if (!err)
        err = end_nodelay(ends[0]);
    if (!err)
        err = end_nodelay(ends[1]);
    end_close(listener);
    return err;
}

static int pair_datagrams(const struct site *a, const struct site *b,
                          struct end ends[2])
{
    struct sockaddr_storage addrs[2];
    int err = end_serve(a, SOCK_DGRAM, 0, &ends[0], &addrs[0]);

    if (!err)
        err = end_serve(b, SOCK_DGRAM, 0, &ends[1], &addrs[1]);
    if (!err)
        err = end_connect(ends[0], &addrs[1], b->len);
    if (!err)
        err = end_connect(ends[1], &addrs[0], a->len);
    return err;
}

int end_pair(const struct site *a, const struct site *b, int type,
             struct end ends[2])
{
    int err;

    ends[0] = ends[1] = END_NONE;
    err = type == SOCK_STREAM ? pair_streams(a, b, ends)
                              : pair_datagrams(a, b, ends);
    if (err) {
        end_close(ends[0]);
        end_close(ends[1]);
    }
    return err;
}
