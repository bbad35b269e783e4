/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many network cards in memory, and frames that are as small as they get.
 */
#include "bench.h"
#include "way.h"
#include "world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define N_WIRES     1000u
#define IN_A_CALL   64u
#define FRAME_LEN   64u
#define PATIENCE_S  30
#define DHCP_LEN    300u
#define DHCP_MAGIC  0x63825363u
#define IDLE_S      10
#define IDLE_S_MAX  120
#define DHCP_SERVER 67
#define DHCP_CLIENT 68

static void put16(uint8_t *out, unsigned value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static void put32(uint8_t *out, uint32_t value)
{
    put16(out, value >> 16);
    put16(out + 2, value & 0xffff);
}

static void mac_of(size_t i, uint8_t out[6])
{
    out[0] = 2;
    out[1] = 1;
    put32(out + 2, (uint32_t)i + 1);
}

/* Ethernet, IPv4 and UDP, without the sum of UDP, which may be left out. */
static void write_headers(uint8_t *frame, const uint8_t to[6],
                          const uint8_t from[6], uint32_t src, uint32_t dst,
                          unsigned sport, unsigned dport, size_t len)
{
    static const uint8_t ip[20] = {0x45, [6] = 0x40, [8] = 64, [9] = 17};
    uint32_t sum = 0;

    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    put16(frame + 12, 0x0800);
    frame += 14;
    memcpy(frame, ip, sizeof(ip));
    put16(frame + 2, (unsigned)len - 14);
    put32(frame + 12, src);
    put32(frame + 16, dst);
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(frame + 10, ~(sum + (sum >> 16)) & 0xffff);
    put16(frame + 20, sport);
    put16(frame + 22, dport);
    put16(frame + 24, (unsigned)len - 34);
    put16(frame + 26, 0);
}

static size_t frame_read(const struct gn_frame *frame, uint8_t *out, size_t cap)
{
    size_t len = 0;

    for (unsigned i = 0; i < frame->n_iov; i++) {
        size_t n = frame->iov[i].iov_len;

        if (n > cap - len)
            n = cap - len;
        memcpy(out + len, frame->iov[i].iov_base, n);
        len += n;
    }
    return len;
}

static int send_one(struct gn_nic *nic, uint8_t *bytes, size_t len)
{
    struct iovec iov = {bytes, len};
    const struct gn_frame frame = {.iov = &iov, .n_iov = 1};

    return gn_nic_input(nic, &frame, 1) == 1 ? 0 : -ENOBUFS;
}

/* ---- frames ---- */

/** The receiver counts; the sender learns the other's MAC address. */
struct counter {
    struct gn_nic *nic;
    uint64_t n;
    uint8_t hop[6];
};

static size_t count_frames(void *self, const struct gn_frame *frames, size_t n)
{
    struct counter *counter = self;
    uint8_t head[42];

    for (size_t i = 0; i < n; i++) {
        if (frame_read(&frames[i], head, sizeof(head)) < sizeof(head))
            continue;
        if (head[12] == 8 && head[13] == 6)
            memcpy(counter->hop, head + 22, 6);
        else if (head[12] == 8 && head[13] == 0)
            counter->n++;
    }
    return n;
}

static int counter_open(struct gn_network *net, const char *addr,
                        struct counter *out)
{
    static const struct gn_nic_ops ops = {.output = count_frames};
    const char *addresses[] = {addr, NULL};
    const struct gn_nic_config config = {.size = sizeof(config),
                                         .addresses = addresses,
                                         .flags =
                                             GN_NIC_ANY_THREAD | GN_NIC_NO_RA};

    memset(out, 0, sizeof(*out));
    return gn_nic_create(net, &config, &ops, out, &out->nic);
}

static int ask_who_has(struct counter *from, uint32_t own, uint32_t other)
{
    uint8_t arp[42] = {[12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1};

    memset(arp, 0xff, 6);
    mac_of(0, arp + 6);
    mac_of(0, arp + 22);
    put32(arp + 28, own);
    put32(arp + 38, other);
    return send_one(from->nic, arp, sizeof(arp));
}

/* In time of all threads: so a second of it is one core's. */
static double frames_for(const struct counter *from, const struct counter *to,
                         uint8_t *bytes, uint64_t time_ns)
{
    uint64_t start = bench_processor_ns(), now = start, first = to->n;
    struct iovec iov = {bytes, FRAME_LEN};
    struct gn_frame frames[IN_A_CALL];

    for (unsigned i = 0; i < IN_A_CALL; i++)
        frames[i] = (struct gn_frame){.iov = &iov, .n_iov = 1};
    while (now - start < time_ns) {
        for (int i = 0; i < 64; i++)
            (void)gn_nic_input(from->nic, frames, IN_A_CALL);
        now = bench_processor_ns();
    }
    return bench_rate(to->n - first, start, now) / 1e6;
}

static int measure_frames(const struct bench_run *run, double *out)
{
    const uint32_t own = 0x0a400003, other = 0x0a400004;
    struct counter from, to;
    uint8_t bytes[FRAME_LEN] = {0}, mac[6];
    struct gn_network *net;
    int err = world_network(NULL, NULL, &net);

    if (!err)
        err = counter_open(net, "10.64.0.3", &from);
    if (!err)
        err = counter_open(net, "10.64.0.4", &to);
    if (!err)
        err = ask_who_has(&from, own, other);
    if (err)
        return err;
    mac_of(0, mac);
    write_headers(bytes, from.hop, mac, own, other, 7, 7, FRAME_LEN);
    (void)frames_for(&from, &to, bytes, run->time_ns / 4);
    *out = frames_for(&from, &to, bytes, run->time_ns);
    return *out > 0 ? 0 : -EBADMSG;
}

/* ---- idle ---- */

/* Times that a thread has slept, from its status. */
static uint64_t sleeps_of(const char *task)
{
    unsigned long long n = 0;
    char path[300], line[128];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1)
            break;
    if (file)
        fclose(file);
    return n;
}

/* Of all threads but this one. */
static uint64_t sleeps_of_others(void)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *entry;
    uint64_t n = 0;

    while (dir && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != getpid())
            n += sleeps_of(entry->d_name);
    if (dir)
        closedir(dir);
    return n;
}

static uint64_t wake_ups_in(unsigned seconds)
{
    uint64_t before = sleeps_of_others();

    sleep(seconds);
    return sleeps_of_others() - before;
}

static int idle_wires(struct gn_network *net, size_t n)
{
    int err = bench_descriptors() < 2 * n + 100 ? -ENOTSUP : 0;

    for (size_t i = 0; i < n && !err; i++) {
        struct gn_nic *nic;
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
            return -errno;
        err = gn_nic_fd(net, NULL, fds[0], GN_FRAMING_MESSAGE, &nic);
    }
    return err;
}

/* What a process has that is no file's. */
static uint64_t own_memory_of(pid_t pid)
{
    unsigned long anon = 0, shared = 0;
    char path[64], line[128];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file)) {
        (void)sscanf(line, "RssAnon: %lu", &anon);
        (void)sscanf(line, "RssShmem: %lu", &shared);
    }
    if (file)
        fclose(file);
    return (anon + shared) * 1024ull;
}

static int measure_idle_pasta(double *out)
{
    struct way way;
    int err = way_open(&way, WAY_PASTA, 65520);

    *out = err ? 0 : (double)own_memory_of(way.peer);
    return *out > 0 || err ? err : -ENOTSUP;
}

static int measure_idle_bytes(const struct bench_run *run, double *out)
{
    struct gn_network *net;
    uint64_t before;
    int err;

    if (run->side == BENCH_REFERENCE)
        return measure_idle_pasta(out);
    err = world_network(NULL, NULL, &net);
    if (!err)
        err = idle_wires(net, 1); /* What all wires share. */
    before = bench_resident();
    if (!err)
        err = idle_wires(net, N_WIRES);
    *out = (double)(bench_resident() - before) / N_WIRES;
    return before ? err : -ENOTSUP;
}

/* The first ones are announced to a guest that is new; then it is quiet. */
static int measure_idle_wakes(const struct bench_run *run, double *out)
{
    struct gn_network *net;
    int err = world_network(NULL, NULL, &net), waited = 0;

    if (!err)
        err = idle_wires(net, N_WIRES);
    while (!err && wake_ups_in(2) && ++waited < IDLE_S_MAX / 2)
        continue;
    *out = err ? 0 : (double)wake_ups_in(run->quick ? 1 : IDLE_S);
    return err;
}

/* ---- leases ---- */

struct client {
    struct gn_nic *nic;
    size_t i;
    bool bound;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_bound;
    int err;
} leases = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

/* @offer  The server's, or NULL: DHCPDISCOVER. */
static int dhcp_send(const struct client *client, const uint8_t *offer,
                     const uint8_t *server)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t frame[42 + DHCP_LEN] = {0}, mac[6], *dhcp = frame + 42;
    uint8_t *option = dhcp + 240;

    mac_of(client->i, mac);
    write_headers(frame, all, mac, 0, 0xffffffff, DHCP_CLIENT, DHCP_SERVER,
                  sizeof(frame));
    memcpy(dhcp, (const uint8_t[]){1, 1, 6, 0}, 4);
    put32(dhcp + 4, (uint32_t)client->i);
    memcpy(dhcp + 28, mac, 6);
    put32(dhcp + 236, DHCP_MAGIC);
    memcpy(option, (const uint8_t[]){53, 1, offer ? 3 : 1}, 3);
    option += 3;
    if (offer) {
        memcpy(option, (const uint8_t[]){50, 4}, 2);
        memcpy(option + 2, offer, 4);
        memcpy(option + 6, (const uint8_t[]){54, 4}, 2);
        memcpy(option + 8, server, 4);
        option += 12;
    }
    *option = 255;
    return send_one(client->nic, frame, sizeof(frame));
}

/* An option's value, or NULL. */
static const uint8_t *dhcp_option(const uint8_t *dhcp, size_t len,
                                  uint8_t wanted)
{
    size_t at = 240;

    while (at + 2 < len && dhcp[at] != 255) {
        if (dhcp[at] == wanted && at + 2 + dhcp[at + 1] <= len)
            return dhcp + at + 2;
        at += dhcp[at] ? 2u + dhcp[at + 1] : 1u;
    }
    return NULL;
}

static void lease_ended(struct client *client, int err)
{
    pthread_mutex_lock(&leases.lock);
    if (err)
        leases.err = err;
    else if (!client->bound)
        leases.n_bound++;
    client->bound = true;
    pthread_cond_signal(&leases.changed);
    pthread_mutex_unlock(&leases.lock);
}

static void dhcp_receive(struct client *client, const uint8_t *dhcp, size_t len)
{
    const uint8_t *type = dhcp_option(dhcp, len, 53);
    const uint8_t *server = dhcp_option(dhcp, len, 54);

    if (!type || !server)
        lease_ended(client, -EBADMSG);
    else if (*type == 2) /* An offer. */
        (void)dhcp_send(client, dhcp + 16, server);
    else
        lease_ended(client, *type == 5 ? 0 : -EBADMSG);
}

static size_t hear_leases(void *self, const struct gn_frame *frames, size_t n)
{
    uint8_t bytes[2000];

    for (size_t i = 0; i < n; i++) {
        size_t len = frame_read(&frames[i], bytes, sizeof(bytes));

        if (len > 42 + 240 && bytes[12] == 8 && bytes[13] == 0 &&
            bytes[23] == 17 && bytes[37] == DHCP_CLIENT)
            dhcp_receive(self, bytes + 42, len - 42);
    }
    return n;
}

static int wait_for_leases(void)
{
    struct timespec until;
    int err = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&leases.lock);
    while (leases.n_bound < N_WIRES && !leases.err && !err)
        err = -pthread_cond_timedwait(&leases.changed, &leases.lock, &until);
    err = leases.err ? leases.err : err;
    pthread_mutex_unlock(&leases.lock);
    return err;
}

static int measure_dhcp(const struct bench_run *run, double *out)
{
    static const struct gn_nic_ops ops = {.output = hear_leases};
    static struct client clients[N_WIRES];
    struct gn_network *net;
    uint64_t start;
    int err = world_network(NULL, NULL, &net);
    size_t i;

    (void)run;
    for (i = 0; i < N_WIRES && !err; i++) {
        clients[i].i = i;
        err = gn_nic_create(net, NULL, &ops, &clients[i], &clients[i].nic);
    }
    start = bench_now_ns();
    for (i = 0; i < N_WIRES && !err; i++)
        err = dhcp_send(&clients[i], NULL, NULL);
    if (!err)
        err = wait_for_leases();
    *out = (double)(bench_now_ns() - start) / 1e6;
    return err;
}

const struct bench_row bench_wire_rows[] = {
    {"nic_frames", "M/s", NULL, measure_frames, {0, 0}, BENCH_OURS_MIN, 3.0},
    {"nic_idle_bytes",
     "bytes",
     "pasta, one each",
     measure_idle_bytes,
     {0, 0},
     BENCH_OURS_MAX,
     8192},
    {"nic_idle_wakes",
     "in 10 s",
     NULL,
     measure_idle_wakes,
     {0, 0},
     BENCH_OURS_MAX,
     0},
    {"dhcp_1000", "ms", NULL, measure_dhcp, {0, 0}, BENCH_PRINTED, 0},
    {NULL, NULL, NULL, NULL, {0, 0}, BENCH_PRINTED, 0},
};
