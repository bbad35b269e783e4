/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Captures. Under the engine's lock a packet that goes by is cloned, which
 * shares its payload, and queued; the driving thread takes the queue, and
 * completes checksums, writes and frees without holding any thread up. What may
 * wait is bounded, because a sender does not wait for a disk.
 *
 * This is the only file that includes pcap.h.
 */
#include <guestnet/capture.h>
#include <guestnet/sim.h>

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/lock.h"
#include "host/driver/drive.h"
#include "netstack/netstack.h"

/** Bytes of packets that wait to be written. */
#define WAITING_MAX (16u * 1024 * 1024)
/** Packets freed in one entry. */
#define FREE_AT_ONCE 256u

struct gn_capture {
    struct gn_network *net;
    struct gn__engine *engine;
    struct gn__capture_hook hook;
    struct gn__deferred deferred; /* something waits */
    struct gn__io_end end;
    struct gn__packet *head, **tail; /* seen, not written; under the lock */
    size_t waiting;                  /* bytes of them */
    int64_t to_wall_ns; /* from the driver's time to that of the file */
    pcap_t *pcap;
    pcap_dumper_t *dumper;
    struct gn_capture_stats stats; /* dropped: under the lock */
    uint8_t bytes[GN__PACKET_MAX];
};

/* ---- what goes by ---- */

static void capture_seen(struct gn__capture_hook *hook,
                         const struct gn__packet *packet)
{
    struct gn_capture *capture =
        gn__container_of(hook, struct gn_capture, hook);
    size_t cost = sizeof(*packet) + packet->len;
    struct gn__packet *twin = NULL;

    if (capture->waiting + cost <= WAITING_MAX)
        twin = gn__packet_clone(packet);
    if (!twin) {
        capture->stats.dropped++;
        return;
    }
    twin->event.time = gn__now(capture->engine);
    twin->next = NULL;
    *capture->tail = twin;
    capture->tail = &twin->next;
    capture->waiting += cost;
    gn__deferred_queue(capture->engine, &capture->deferred);
}

/* ---- the file ---- */

static void write_packet(struct gn_capture *capture, struct gn__packet *packet)
{
    int64_t at = (int64_t)packet->event.time + capture->to_wall_ns;
    struct pcap_pkthdr header = {
        .ts = {.tv_sec = at / 1000000000, .tv_usec = at % 1000000000}};
    FILE *file = pcap_dump_file(capture->dumper);

    if (packet->csum_absent)
        gn__packet_fill_checksums(packet);
    header.len = (bpf_u_int32)gn__packet_copy(packet, capture->bytes,
                                              sizeof(capture->bytes));
    header.caplen = header.len;
    errno = 0;
    pcap_dump((u_char *)capture->dumper, &header, capture->bytes);
    if (ferror(file)) {
        capture->stats.error = errno ? -errno : -EIO;
        return;
    }
    capture->stats.packets++;
    capture->stats.bytes += header.len;
}

/* A few in one entry: others wait for the lock. */
static void free_packets(struct gn_capture *capture, struct gn__packet *packet)
{
    unsigned n;

    while (packet) {
        gn__engine_enter(capture->engine);
        for (n = 0; packet && n < FREE_AT_ONCE; n++) {
            struct gn__packet *next = packet->next;

            gn__packet_free(packet);
            packet = next;
        }
        gn__engine_leave(capture->engine);
    }
}

static void write_waiting(struct gn_capture *capture)
{
    struct gn__packet *first, *packet;
    uint64_t unwritten = 0;

    gn__engine_enter(capture->engine);
    first = capture->head;
    capture->head = NULL;
    capture->tail = &capture->head;
    capture->waiting = 0;
    gn__engine_leave(capture->engine);

    for (packet = first; packet && !capture->stats.error; packet = packet->next)
        write_packet(capture, packet);

    for (; packet; packet = packet->next)
        unwritten++;
    gn__engine_enter(capture->engine);
    capture->stats.dropped += unwritten;
    gn__engine_leave(capture->engine);
    free_packets(capture, first);
}

static void deferred_waiting(struct gn__deferred *deferred)
{
    write_waiting(gn__container_of(deferred, struct gn_capture, deferred));
}

static int capture_flush(void *arg)
{
    struct gn_capture *capture = arg;

    write_waiting(capture);
    if (!capture->stats.error && pcap_dump_flush(capture->dumper))
        capture->stats.error = errno ? -errno : -EIO;
    return capture->stats.error;
}

/* ---- life ---- */

/* @fd is consumed. */
static int open_file(struct gn_capture *capture, int fd)
{
    FILE *file = fdopen(fd, "wb");

    if (!file) {
        close(fd);
        return -ENOMEM;
    }
    capture->pcap = pcap_open_dead_with_tstamp_precision(
        DLT_RAW, GN__PACKET_MAX, PCAP_TSTAMP_PRECISION_NANO);
    if (capture->pcap)
        capture->dumper = pcap_dump_fopen(capture->pcap, file);
    if (!capture->dumper) {
        (void)fclose(file); /* It has nothing in it. */
        return capture->pcap ? -EIO : -ENOMEM;
    }
    return 0;
}

static void capture_destroy(struct gn_capture *capture)
{
    struct gn__engine *engine = capture->engine;
    struct gn__mem mem = engine->net.mem;

    if (capture->dumper)
        pcap_dump_close(capture->dumper);
    if (capture->pcap)
        pcap_close(capture->pcap);
    gn__free(&mem, capture, sizeof(*capture));
    gn__engine_unref(engine);
}

static int capture_stop(void *arg)
{
    struct gn_capture *capture = arg;
    int err;

    gn__io_forget_end(&capture->end);
    gn__engine_enter(capture->engine);
    gn__capture_hook_stop(&capture->hook);
    gn__engine_leave(capture->engine);
    err = capture_flush(capture);
    gn__engine_enter(capture->engine);
    gn__deferred_cancel(capture->engine, &capture->deferred);
    gn__engine_leave(capture->engine);
    capture_destroy(capture);
    return err;
}

static void capture_end(struct gn__io_end *io_end)
{
    /* No caller is left to hear of a full disk. */
    (void)capture_stop(gn__container_of(io_end, struct gn_capture, end));
}

static int64_t wall_offset(struct gn_network *net)
{
    struct timespec wall;

    if (gn_network_clock(net))
        return 0;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec -
           (int64_t)gn__monotonic_ns();
}

struct start {
    struct gn_capture *capture;
    struct gn_namespace *only;
};

static int output_start(void *arg)
{
    const struct start *what = arg;
    struct gn_capture *capture = what->capture;
    struct gn__io *io = gn__network_io(capture->net);

    if (!io)
        return -ENOMEM;
    gn__io_at_end(io, &capture->end);
    gn__engine_enter(capture->engine);
    gn__capture_hook_start(capture->net,
                           what->only ? gn__ns_guest(what->only) : NULL,
                           &capture->hook);
    gn__engine_leave(capture->engine);
    return 0;
}

/* @fd is consumed. */
static int capture_start(struct gn_network *net, struct gn_namespace *only,
                         int fd, struct gn_capture **out)
{
    struct start what = {.only = only};
    struct gn__engine *engine = gn__network_engine(net);
    struct gn_capture *capture = gn__zalloc(&engine->net.mem, sizeof(*capture));
    int err;

    if (!capture) {
        close(fd);
        return -ENOMEM;
    }
    gn__engine_ref(engine);
    capture->engine = engine;
    capture->net = net;
    capture->tail = &capture->head;
    capture->hook.seen = capture_seen;
    capture->deferred.run = deferred_waiting;
    capture->end.run = capture_end;
    capture->to_wall_ns = wall_offset(net);
    err = open_file(capture, fd);
    what.capture = capture;
    if (!err)
        err = gn__drive_call(net, output_start, &what);
    if (err)
        capture_destroy(capture);
    else
        *out = capture;
    return err;
}

int gn_capture_start(struct gn_network *net, struct gn_namespace *only,
                     const char *path, struct gn_capture **out)
{
    int fd;

    if (!net || !path || !out)
        return -EFAULT;
    if (only && gn__namespace_network(only) != net)
        return -EINVAL;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : capture_start(net, only, fd, out);
}

int gn_capture_start_fd(struct gn_network *net, struct gn_namespace *only,
                        int fd, struct gn_capture **out)
{
    int flags;

    if (!net || !out)
        return -EFAULT;
    if (only && gn__namespace_network(only) != net)
        return -EINVAL;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : capture_start(net, only, fd, out);
}

int gn_capture_flush(struct gn_capture *capture)
{
    return capture ? gn__drive_call(capture->net, capture_flush, capture)
                   : -EFAULT;
}

struct look {
    struct gn_capture *capture;
    struct gn_capture_stats *out;
};

static int capture_look(void *arg)
{
    const struct look *what = arg;

    gn__engine_enter(what->capture->engine);
    *what->out = what->capture->stats;
    gn__engine_leave(what->capture->engine);
    return 0;
}

void gn_capture_stats(struct gn_capture *capture, struct gn_capture_stats *out)
{
    struct look what = {capture, out};

    if (capture && out && gn__drive_call(capture->net, capture_look, &what))
        *out = (struct gn_capture_stats){.error = -ECANCELED};
}

int gn_capture_stop(struct gn_capture *capture)
{
    return capture ? gn__drive_call(capture->net, capture_stop, capture) : 0;
}
