/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lib/memwire.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "namespace/gateway/gateway.h"
#include "namespace/internal.h"

#define PATIENCE_S 30

struct frame {
    struct frame *next;
    size_t len;
    uint8_t bytes[];
};

struct gn_memwire {
    struct gn__guest guest;
    struct gn__port port;
    struct gn__packet *head; /* arrived in this entry; the engine's lock */
    struct gn__packet **tail;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct frame *first; /* flushed */
    struct frame **last;
    struct gn_memwire_count count;
};

static struct gn_memwire *wire_of(struct gn__port *port)
{
    return gn__container_of(port, struct gn_memwire, port);
}

/* ---- the port ---- */

static void wire_deliver(struct gn__port *port, struct gn__packet *packet)
{
    struct gn_memwire *wire = wire_of(port);

    wire->guest.stats.packets_in++;
    wire->guest.stats.bytes_in += packet->len;
    packet->next = NULL;
    *wire->tail = packet;
    wire->tail = &packet->next;
}

static void put_frame(struct gn_memwire *wire, struct gn__packet *packet)
{
    struct frame *frame = malloc(sizeof(*frame) + packet->len);

    assert_non_null(frame);
    if (packet->csum_absent)
        gn__packet_fill_checksums(packet);
    frame->next = NULL;
    frame->len = gn__packet_copy(packet, frame->bytes, packet->len);
    *wire->last = frame;
    wire->last = &frame->next;
    wire->count.packets++;
    pthread_cond_signal(&wire->came);
}

static void take_packets(struct gn_memwire *wire)
{
    struct gn__packet *packet;

    while ((packet = wire->head)) {
        wire->head = packet->next;
        put_frame(wire, packet);
        gn__packet_free(packet);
    }
    wire->tail = &wire->head;
}

static void wire_flush(struct gn__port *port)
{
    struct gn_memwire *wire = wire_of(port);

    gn__engine_enter(wire->guest.engine);
    pthread_mutex_lock(&wire->lock);
    wire->count.batches++;
    take_packets(wire);
    pthread_mutex_unlock(&wire->lock);
    gn__engine_leave(wire->guest.engine);
}

static const struct gn__port_ops wire_ops = {
    .name = "memory wire",
    .deliver = wire_deliver,
    .flush = wire_flush,
};

/* ---- life ---- */

static void wire_freed(struct gn__guest *guest)
{
    struct gn_memwire *wire = gn__container_of(guest, struct gn_memwire, guest);
    struct frame *frame;

    while ((frame = wire->first)) {
        wire->first = frame->next;
        free(frame);
    }
    pthread_cond_destroy(&wire->came);
    pthread_mutex_destroy(&wire->lock);
    free(wire);
}

static void wire_attach(struct gn_memwire *wire, struct gn_network *net,
                        const char *const *addresses)
{
    char why[128] = "";

    assert_int_equal(gn__port_attach(&wire->port, net), 0);
    for (; *addresses; addresses++) {
        if (gn__port_take_addr(&wire->port, *addresses, why, sizeof(why)))
            fail_msg("%s", why);
    }
    gn__guest_identify(&wire->guest, NULL, wire->guest.id);
    gn__port_identify(&wire->port, "eth0");
}

static void wire_set_egress(struct gn_memwire *wire, struct gn_egress *egress)
{
    struct gn__guest *guest = &wire->guest;
    struct gn__rng rng;

    gn__rng_init(&rng, guest->home->key, guest->identity,
                 strlen(guest->identity));
    assert_int_equal(gn__guest_keep_names(guest, &rng), 0);
    assert_int_equal(gn__port_set_outside(&wire->port, egress->outside), 0);
}

struct gn_memwire *gn_memwire_open(struct gn_network *net, const char *name,
                                   const char *const *addresses, uint32_t mtu,
                                   struct gn_egress *egress,
                                   const struct gn_limits *limits)
{
    const struct gn__guest_config config = {.freed = wire_freed,
                                            .limits = limits};
    struct gn_memwire *wire = calloc(1, sizeof(*wire));
    char why[128] = "";

    assert_non_null(wire);
    wire->tail = &wire->head;
    wire->last = &wire->first;
    pthread_mutex_init(&wire->lock, NULL);
    pthread_cond_init(&wire->came, NULL);
    gn__engine_enter(net->engine);
    assert_int_equal(gn__guest_init(&wire->guest, net, &config), 0);
    if (gn__guest_take_name(&wire->guest, name, why, sizeof(why)))
        fail_msg("%s", why);
    gn__port_init(&wire->port, &wire_ops, &wire->guest, mtu ? mtu : net->mtu);
    wire_attach(wire, net, addresses);
    if (egress)
        wire_set_egress(wire, egress);
    gn__engine_leave(net->engine);
    return wire;
}

void gn_memwire_close(struct gn_memwire *wire)
{
    struct gn__engine *engine = wire->guest.engine;
    struct gn__packet *packet;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    gn__port_detach(&wire->port);
    while ((packet = wire->head)) {
        wire->head = packet->next;
        gn__packet_free(packet);
    }
    wire->tail = &wire->head;
    gn__guest_end(&wire->guest);
    gn__guest_unref(&wire->guest);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
}

struct gn__guest *gn_memwire_guest(struct gn_memwire *wire)
{
    return &wire->guest;
}

/* ---- packets ---- */

void gn_memwire_send(struct gn_memwire *wire, const void *bytes, size_t len)
{
    struct gn__engine *engine = wire->guest.engine;
    struct gn__packet *packet;
    enum gn__ip_flaw flaw;

    gn__engine_enter(engine);
    assert_int_equal(gn__packet_from_bytes(&engine->net.packets, bytes, len,
                                           false, &flaw, &packet),
                     0);
    gn__port_input(&wire->port, NULL, packet);
    gn__engine_leave(engine);
}

static void wait_frame(struct gn_memwire *wire)
{
    struct timespec until;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_sec += PATIENCE_S;
    while (!wire->first) {
        if (pthread_cond_timedwait(&wire->came, &wire->lock, &until))
            fail_msg("no packet has come");
    }
}

size_t gn_memwire_recv(struct gn_memwire *wire, void *buf, size_t cap)
{
    struct frame *frame;
    size_t len;

    pthread_mutex_lock(&wire->lock);
    wait_frame(wire);
    frame = wire->first;
    wire->first = frame->next;
    if (!wire->first)
        wire->last = &wire->first;
    pthread_mutex_unlock(&wire->lock);
    len = frame->len;
    assert_true(len <= cap);
    memcpy(buf, frame->bytes, len);
    free(frame);
    return len;
}

struct gn_memwire_count gn_memwire_count(struct gn_memwire *wire)
{
    struct gn_memwire_count count;

    pthread_mutex_lock(&wire->lock);
    count = wire->count;
    pthread_mutex_unlock(&wire->lock);
    return count;
}

struct gn_stats gn_memwire_stats(struct gn_memwire *wire)
{
    struct gn_stats stats;

    gn__engine_enter(wire->guest.engine);
    stats = wire->guest.stats;
    stats.descriptors = wire->guest.n_fds;
    gn__engine_leave(wire->guest.engine);
    return stats;
}
