/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What goes through flows: datagrams and ICMP errors, both ways. No stack is
 * involved.
 *
 * What the guest sends waits in its flow until the flow's deferred task runs on
 * the driving thread, some datagrams at a time, so that one flow keeps no other
 * waiting.
 */
#include <errno.h>
#include <string.h>

#include "namespace/gateway/guest.h"
#include "namespace/sock/udp.h"

/** Datagrams that one deferred task delivers, and when others wait: then they
 *  are what a guest that causes little waits for, each time. */
#define AT_ONCE        16u
#define AT_ONCE_SHARED 2u
#define TTL            64u

/* ---- delivering ---- */

struct gn__packet *gn__flow_take(struct gn__outside_flow *flow)
{
    struct gn__packet *packet = flow->left;

    if (flow->guest)
        return gn__outside_queue_take(flow->guest, &flow->queue);
    if (packet)
        flow->left = packet->next;
    return packet;
}

static unsigned take_some(struct gn__outside_flow *flow,
                          struct gn__packet **out)
{
    unsigned max = flow->engine->deferred.n ? AT_ONCE_SHARED : AT_ONCE;
    unsigned n = 0;

    while (n < max && (out[n] = gn__flow_take(flow)))
        n++;
    return n;
}

static bool is_echo(const struct gn__outside_flow *flow)
{
    return flow->key.type == SOCK_RAW;
}

/* The payload in one piece: as it stands, or copied to a chunk. */
static const uint8_t *datagram_flatten(struct gn__outside_flow *flow,
                                       const struct gn__packet *packet,
                                       size_t at, size_t len,
                                       struct gn__chunk **chunk)
{
    *chunk = NULL;
    if (at + len <= packet->head_len)
        return packet->head + at;
    if (at == packet->head_len && packet->n_slices == 1)
        return packet->slices[0].data;
    *chunk = gn__chunk_alloc(flow->engine->net.chunks, len);
    if (!*chunk)
        return NULL;
    (void)gn__packet_read(packet, at, gn__chunk_data(*chunk), len);
    return gn__chunk_data(*chunk);
}

/* False: no memory for it. */
static bool hand_over(struct gn__outside_flow *flow,
                      const struct gn__packet *packet)
{
    bool echo = is_echo(flow); /* with its ICMP header */
    size_t at = echo ? packet->ip.l4 : gn__udp_payload_at(packet);
    size_t len = echo ? packet->len - at : gn__udp_payload_len(packet);
    struct gn__chunk *chunk;
    const uint8_t *data = datagram_flatten(flow, packet, at, len, &chunk);

    if (!data)
        return false;
    flow->config.ops->received(flow, data, len, flow->config.user);
    if (chunk)
        gn__chunk_unref(chunk);
    return true;
}

/* What one run has to tell. */
struct news {
    struct gn__packet *packets[AT_ONCE + 1];
    unsigned n;
    int failed;
    int over; /* said behind all datagrams */
};

static void take_news(struct gn__outside_flow *flow, struct news *out)
{
    out->n = take_some(flow, out->packets);
    out->failed = flow->failed;
    flow->failed = 0;
    out->over = flow->queue.n || flow->left ? 0 : flow->over;
    if (out->over)
        flow->over = 0;
    flow->running = true;
}

/* Without the lock; returns how many found no memory. */
static unsigned tell_news(struct gn__outside_flow *flow,
                          const struct news *news)
{
    const struct gn__outside_flow_config *config = &flow->config;
    unsigned i, n_lost = 0;

    for (i = 0; i < news->n && !flow->closed; i++)
        n_lost += !hand_over(flow, news->packets[i]);
    if (news->failed && !flow->closed)
        config->ops->failed(flow, news->failed, config->user);
    if (news->over && !flow->closed)
        config->ops->ended(flow, news->over, config->user);
    return n_lost;
}

static void news_done(struct gn__outside_flow *flow, struct news *news,
                      unsigned n_lost)
{
    unsigned i;

    for (i = 0; i < news->n; i++)
        gn__packet_free(news->packets[i]);
    if (n_lost && flow->guest)
        gn__outside_count(flow->guest, GN_DROP_MEMORY, n_lost);
    flow->running = false;
    if (flow->closed)
        gn__flow_free(flow);
    else if (flow->queue.n || flow->left || flow->failed || flow->over)
        gn__flow_wake(flow);
}

void gn__flow_run(struct gn__deferred *deferred)
{
    struct gn__outside_flow *flow =
        gn__container_of(deferred, struct gn__outside_flow, deferred);
    struct gn__engine *engine = flow->engine;
    struct news news;
    unsigned n_lost;

    gn__engine_ref(engine);
    gn__engine_enter(engine);
    take_news(flow, &news);
    gn__engine_leave(engine);

    n_lost = tell_news(flow, &news);

    gn__engine_enter(engine);
    news_done(flow, &news, n_lost);
    gn__engine_leave(engine);
    gn__engine_unref(engine);
}

/* ---- from the guest ---- */

static void flow_deliver(struct gn__outside_flow *flow,
                         struct gn__packet *packet)
{
    gn__flow_use(flow, GN__FLOW_GUEST);
    gn__outside_queue_add(flow->guest, &flow->queue, packet);
    if (flow->queue.n)
        gn__flow_wake(flow);
}

bool gn__flow_input(struct gn__outside_guest *guest,
                    const struct gn__outside_key *key,
                    struct gn__packet *packet)
{
    struct gn__outside_flow *flow = gn__flow_find(guest, key);
    struct gn__dial *dial = flow ? NULL : gn__dial_find(guest, key);

    if (flow)
        flow_deliver(flow, packet);
    else if (dial)
        gn__outside_queue_add(guest, &dial->waiting, packet);
    else if (!guest->port)
        gn__outside_drop(guest, packet, GN_DROP_STALE);
    else
        return false;
    return true;
}

void gn__outside_udp_input(struct gn__outside_guest *guest,
                           struct gn__packet *packet)
{
    struct gn__outside_key key = {.type = SOCK_DGRAM};

    if (!gn__udp_read(packet, &key.outside, &key.guest))
        gn__outside_drop(guest, packet, GN_DROP_MALFORMED);
    else if (gn__flow_input(guest, &key, packet))
        return;
    else if (key.outside.port && key.guest.port && gn__outside_for(guest, &key))
        gn__dial_begin(guest, &key, 0, packet);
    else
        gn__outside_unreachable(guest, packet, GN_DROP_NOT_PROXIED);
}

bool gn__outside_udp_stands_in(const struct gn__outside_guest *guest,
                               struct gn__packet *packet)
{
    struct gn__outside_key key = {.type = SOCK_DGRAM};

    return guest->outside || (gn__udp_read(packet, &key.outside, &key.guest) &&
                              gn__flow_find(guest, &key));
}

/* The flow that sent what an error quotes. */
static struct gn__outside_flow *sender_of(const struct gn__outside_guest *guest,
                                          const struct gn__icmp *icmp)
{
    struct gn__outside_key key = {
        .outside = {.addr = icmp->inner.src, .port = icmp->inner_src_port},
        .guest = {.addr = icmp->inner.dst, .port = icmp->inner_dst_port},
        .type = SOCK_DGRAM};

    return gn__flow_find(guest, &key);
}

bool gn__outside_udp_has_sent(const struct gn__outside_guest *guest,
                              const struct gn__icmp *icmp)
{
    return sender_of(guest, icmp) != NULL;
}

void gn__outside_udp_error(struct gn__outside_guest *guest,
                           const struct gn__icmp *icmp)
{
    struct gn__outside_flow *flow = sender_of(guest, icmp);
    bool fatal;
    int err = gn__icmp_errno(icmp->kind, icmp->inner.version, &fatal);

    if (!flow || !err || err == -EMSGSIZE)
        return;
    flow->failed = err;
    gn__flow_wake(flow);
}

/* ---- to the guest ---- */

static void write_headers(struct gn__packet *packet,
                          const struct gn__outside_flow *flow,
                          const struct gn__endpoint *from,
                          const struct gn__endpoint *to, size_t len)
{
    struct gn__udp_plan plan = {
        .from = *from, .to = *to, .ttl = TTL, .id = flow->ip_id};

    gn__udp_write(packet, &plan, len);
}

static int datagram_transmit(struct gn__outside_flow *flow,
                             struct gn__slice *slice)
{
    struct gn__packet *packet = gn__packet_alloc(&flow->engine->net.packets);

    if (!packet)
        return -ENOBUFS;
    flow->ip_id++;
    if (!is_echo(flow)) {
        write_headers(packet, flow, &flow->key.outside, &flow->key.guest,
                      slice->len);
    } else if (!gn__echo_answer(flow, slice, packet)) {
        gn__packet_free(packet);
        return 0; /* Another message: the guest waits for none such. */
    }
    if (gn__packet_add(packet, slice)) {
        gn__packet_free(packet);
        return -ENOBUFS;
    }
    slice->chunk = NULL;
    gn__flow_use(flow, GN__FLOW_OUTSIDE);
    gn__outside_send(flow->guest, packet);
    return 0;
}

/* What a packet has room for; of echoes the header, as long as UDP's, is a part
 * of it. */
static size_t most_of(const struct gn__outside_flow *flow)
{
    size_t most =
        gn__addr_is_v4(&flow->key.guest.addr) ? GN__UDP_MAX4 : GN__UDP_MAX6;

    return is_echo(flow) ? most + GN__ICMP_ECHO_LEN : most;
}

int gn__outside_flow_send(struct gn__outside_flow *flow, const void *data,
                          size_t len)
{
    struct gn__engine *engine = flow->engine;
    struct gn__slice slice = {.len = (uint32_t)len};
    int err = -ECANCELED;

    if (len > most_of(flow)) {
        gn__outside_flow_drop(flow, GN_DROP_TOO_BIG);
        return -EMSGSIZE;
    }
    slice.chunk = gn__chunk_alloc(engine->net.chunks, len);
    if (slice.chunk) {
        slice.data = gn__chunk_data(slice.chunk);
        if (len)
            memcpy(gn__chunk_data(slice.chunk), data, len);
    }
    gn__engine_enter(engine);
    if (flow->guest) {
        err = slice.chunk ? datagram_transmit(flow, &slice) : -ENOBUFS;
        if (err)
            gn__outside_count(flow->guest, GN_DROP_MEMORY, 1);
    }
    gn__engine_leave(engine);
    if (slice.chunk)
        gn__chunk_unref(slice.chunk);
    return err;
}

void gn__outside_flow_unreach(struct gn__outside_flow *flow, int error,
                              uint32_t mtu)
{
    struct gn__engine *engine = flow->engine;
    enum gn__icmp_kind kind =
        error == -EMSGSIZE ? GN__ICMP_TOO_BIG : gn__outside_icmp_kind(error);
    struct gn__packet *cause = NULL;

    if (kind == GN__ICMP_NONE || (kind == GN__ICMP_TOO_BIG && !mtu))
        return;
    gn__engine_enter(engine);
    if (flow->guest)
        cause = gn__packet_alloc(&engine->net.packets);
    if (cause) { /* As the guest has sent it, but for the payload. */
        if (is_echo(flow))
            gn__echo_cause(flow, cause);
        else
            write_headers(cause, flow, &flow->key.guest, &flow->key.outside, 0);
        gn__outside_icmp_error(flow->guest, cause, &flow->key.outside.addr,
                               kind, mtu, 0);
        gn__packet_free(cause);
    }
    gn__engine_leave(engine);
}

void gn__outside_flow_drop(struct gn__outside_flow *flow, enum gn_drop why)
{
    gn__engine_enter(flow->engine);
    if (flow->guest)
        gn__outside_count(flow->guest, why, 1);
    gn__engine_leave(flow->engine);
}
