/* SPDX-License-Identifier: BSD-3-Clause */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "box.h"
#include "forward.h"

#define BACKLOG     64
#define PATIENCE_MS 10000u
#define CLIENT_ADDR "10.78.0.3"
#define SERVER_ADDR "10.78.0.4"

static int site_of(const char *addr, struct site *out)
{
    out->ns = NULL;
    return gn_addr_parse(addr, &out->addr, &out->len);
}

static int serve_at(struct way *way, const struct site *site)
{
    way->course.len = site->len;
    return end_serve(site, SOCK_STREAM, BACKLOG, &way->course.listener,
                     &way->course.addr);
}

/* To what the client connects, the listener's port at another address. */
static int serve_as(struct way *way, const char *addr)
{
    struct sockaddr_in *to = (struct sockaddr_in *)&way->course.addr;
    in_port_t port = to->sin_port;
    int err = gn_addr_parse(addr, &way->course.addr, &way->course.len);

    to->sin_port = port;
    return err;
}

/* ---- ours ---- */

static int network_open(struct way *way)
{
    static const char *const prefixes[] = {BOX_PREFIX, NULL};
    static const char *const rules[] = {"allow 127.0.0.1", NULL};
    const struct gn_policy policy = {.size = sizeof(policy), .rules = rules};
    const struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .mtu = GN_MTU_MAX};
    int err = gn_egress_system(&policy, &way->egress);

    return err ? err : gn_network_create(&config, &way->net);
}

static int guest_open(struct way *way, const char *addr, struct site *out)
{
    const char *addresses[] = {addr, NULL};
    const struct gn_namespace_config config = {
        .size = sizeof(config), .addresses = addresses, .egress = way->egress};
    int err = site_of(addr, out);

    return err ? err : gn_namespace_create(way->net, &config, &out->ns);
}

static int nic_open(struct way *way, const char *addr)
{
    const char *addresses[] = {addr, NULL};
    const struct gn_nic_config config = {.size = sizeof(config),
                                         .addresses = addresses,
                                         .mtu = way->mtu,
                                         .egress = way->egress};
    struct gn_nic *nic;

    return gn_nic_tap(way->net, &config, "eth0", -1, &nic);
}

/* ---- boxes ---- */

/** @tap  NULL: of ours; else gets a device that no program uses. */
static int box_open(struct way *way, const char *addr, int *tap,
                    struct site *out)
{
    int err = box_enter();

    if (!err && tap) {
        *tap = box_tap();
        err = *tap < 0 ? *tap : 0;
    } else if (!err) {
        err = nic_open(way, addr);
    }
    if (!err)
        err = box_configure(way->mtu, addr);
    return err ? err : site_of(addr, out);
}

static int open_tap_loop(struct way *way)
{
    struct site server;
    int taps[2];
    int err = box_open(way, SERVER_ADDR, &taps[1], &server);

    if (!err)
        err = serve_at(way, &server);
    if (!err)
        err = box_open(way, CLIENT_ADDR, &taps[0], &way->client);
    return err ? err : box_join(taps);
}

static int open_veth(struct way *way)
{
    struct site server;
    int err = box_enter(), client = box_here();

    if (!err)
        err = box_enter();
    if (!err)
        err = box_veth(client);
    if (!err)
        err = box_configure(way->mtu, SERVER_ADDR);
    if (!err)
        err = site_of(SERVER_ADDR, &server);
    if (!err)
        err = serve_at(way, &server);
    if (!err && setns(client, CLONE_NEWNET))
        err = -errno;
    if (!err)
        err = box_configure(way->mtu, CLIENT_ADDR);
    return err ? err : site_of(CLIENT_ADDR, &way->client);
}

static int open_box_to_box(struct way *way)
{
    struct site server;
    int err = box_open(way, SERVER_ADDR, NULL, &server);

    if (!err)
        err = serve_at(way, &server);
    return err ? err : box_open(way, CLIENT_ADDR, NULL, &way->client);
}

static int open_box_to_guest(struct way *way)
{
    struct site server;
    int err = guest_open(way, SERVER_ADDR, &server);

    if (!err)
        err = serve_at(way, &server);
    return err ? err : box_open(way, CLIENT_ADDR, NULL, &way->client);
}

/* ---- the host ---- */

static int serve_at_host(struct way *way)
{
    struct site server;
    int err = site_of("127.0.0.1", &server);

    return err ? err : serve_at(way, &server);
}

static int open_loopback(struct way *way)
{
    int err = serve_at_host(way);

    return err ? err : site_of("127.0.0.1", &way->client);
}

static int open_box_to_host(struct way *way)
{
    int err = serve_at_host(way);

    if (!err)
        err = serve_as(way, BOX_GATEWAY);
    return err ? err : box_open(way, CLIENT_ADDR, NULL, &way->client);
}

static int open_guest_to_host(struct way *way)
{
    int err = serve_at_host(way);

    if (!err)
        err = serve_as(way, BOX_GATEWAY);
    return err ? err : guest_open(way, CLIENT_ADDR, &way->client);
}

static int open_host_to_box(struct way *way)
{
    struct gn_publication *pub;
    char target[GN_ADDR_TEXT_MAX];
    int err = open_box_to_box(way); /* The client's is not used. */

    if (!err)
        err = gn_addr_format((struct sockaddr *)&way->course.addr, target,
                             sizeof(target));
    if (!err && setns(way->host, CLONE_NEWNET))
        err = -errno;
    if (!err)
        err = gn_publish(way->net, "tcp", "127.0.0.1:0", target, NULL, &pub);
    if (err)
        return err;
    way->course.len = sizeof(way->course.addr);
    gn_publication_addr(pub, (struct sockaddr *)&way->course.addr,
                        &way->course.len);
    return site_of("127.0.0.1", &way->client);
}

/* ---- other programs ---- */

static pid_t start_peer(const struct way *way, pid_t box)
{
    char mtu[24], pid[16], uid[16];
    const char *pasta[] = {"pasta", "-f",   "-q", "--config-net", "--runas",
                           uid,     "-m",   mtu,  "-t",           "none",
                           "-u",    "none", "-T", "none",         "-U",
                           "none",  pid,    NULL};
    const char *slirp[] = {"slirp4netns", "--configure", mtu,
                           pid,           "tap0",        NULL};
    bool is_pasta = way->kind == WAY_PASTA;

    snprintf(mtu, sizeof(mtu), is_pasta ? "%u" : "--mtu=%u", way->mtu);
    snprintf(pid, sizeof(pid), "%d", box);
    snprintf(uid, sizeof(uid), "%u", geteuid());
    return forward_start(is_pasta ? pasta : slirp);
}

/* A process that is in a namespace and waits there. */
static pid_t start_box(void)
{
    int fds[2];
    char ready = 0;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC))
        return -1;
    pid = forward_fork();
    if (pid == 0) {
        ready = forward_enter_namespace() == 0;
        (void)!write(fds[1], &ready, 1);
        for (;;)
            pause();
    }
    close(fds[1]);
    if (read(fds[0], &ready, 1) != 1 || !ready)
        pid = -1;
    close(fds[0]);
    return pid;
}

static int join_namespace(pid_t pid, const char *which)
{
    char path[64];
    int fd, err;

    snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, which);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    err = setns(fd, 0) ? -errno : 0;
    close(fd);
    return err;
}

/* The next hop of the default route. False: there is none. */
static bool read_gateway(char out[INET_ADDRSTRLEN])
{
    FILE *file = fopen("/proc/self/net/route", "r");
    unsigned to, gateway;
    char line[256];
    bool found = false;

    while (file && !found && fgets(line, sizeof(line), file))
        found = sscanf(line, "%*s %x %x", &to, &gateway) == 2 && to == 0 &&
                gateway != 0;
    if (file)
        fclose(file);
    if (found)
        snprintf(out, INET_ADDRSTRLEN, "%u.%u.%u.%u", gateway & 255,
                 gateway >> 8 & 255, gateway >> 16 & 255, gateway >> 24);
    return found;
}

static int wait_for_gateway(char out[INET_ADDRSTRLEN])
{
    const struct timespec pause = {.tv_nsec = 20000000};
    uint64_t start = bench_now_ns();

    while (!read_gateway(out)) {
        if (bench_now_ns() - start > PATIENCE_MS * 1000000ull) {
            fprintf(stderr, "the peer program does not serve here\n");
            return -ENOTSUP;
        }
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int open_peer(struct way *way)
{
    char gateway[INET_ADDRSTRLEN];
    int err = serve_at_host(way);
    pid_t box = start_box();

    if (box < 0)
        return -ENOTSUP;
    way->peer = err ? 0 : start_peer(way, box);
    if (way->peer < 0)
        err = -ENOTSUP;
    if (!err)
        err = join_namespace(box, "user");
    if (!err)
        err = join_namespace(box, "net");
    if (!err)
        err = wait_for_gateway(gateway);
    if (!err)
        err = serve_as(way, gateway);
    return err ? err : site_of("0.0.0.0", &way->client);
}

/* ---- all ---- */

static const struct {
    int (*open)(struct way *way);
    bool boxes;
    bool network;
} kinds[WAY_N_KINDS] = {
    [WAY_LOOPBACK] = {open_loopback, false, false},
    [WAY_TAP_LOOP] = {open_tap_loop, true, false},
    [WAY_VETH] = {open_veth, true, false},
    [WAY_BOX_TO_BOX] = {open_box_to_box, true, true},
    [WAY_BOX_TO_HOST] = {open_box_to_host, true, true},
    [WAY_BOX_TO_GUEST] = {open_box_to_guest, true, true},
    [WAY_HOST_TO_BOX] = {open_host_to_box, true, true},
    [WAY_GUEST_TO_HOST] = {open_guest_to_host, false, true},
    [WAY_PASTA] = {open_peer, false, false},
    [WAY_SLIRP4NETNS] = {open_peer, false, false},
};

int way_open(struct way *way, enum way_kind kind, uint32_t mtu)
{
    int err = 0;

    memset(way, 0, sizeof(*way));
    way->kind = kind;
    way->mtu = mtu;
    if (kinds[kind].boxes)
        err = box_allow();
    way->host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (!err && kinds[kind].network)
        err = network_open(way);
    if (!err)
        err = kinds[kind].open(way);
    way->course.client = &way->client;
    return err;
}

int way_visit(const struct way *way, struct end ends[2])
{
    int err = end_open(&way->client, SOCK_STREAM, &ends[0]);

    if (!err)
        err = end_connect(ends[0], &way->course.addr, way->course.len);
    if (!err)
        err = end_accept(way->course.listener, &ends[1]);
    if (!err)
        err = end_nodelay(ends[0]);
    return err ? err : end_nodelay(ends[1]);
}
