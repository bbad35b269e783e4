/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a link does to a packet is decided when the packet enters it, for each
 * direction: it waits for its turn under the rate, is sent, and arrives after
 * the latency. There is no queue to be walked: busy_until says when the
 * sender is free again, and so how many bytes wait.
 *
 * Order is kept by letting nothing arrive before what arrived last, so jitter
 * alone never reorders. A reordered packet skips the latency and is forgotten
 * by that rule.
 *
 * All draws are integers from the link's own stream, in a fixed order and only
 * for what is configured, so that a run is the same with every compiler.
 */
#include <guestnet/link.h>

#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>

#include "base/config.h"
#include "base/units.h"
#include "switch/internal.h"

#define PPM         1000000u
#define QUEUE_LEAST (256u * 1024)
#define QUEUE_MS    100u
#define NS_PER_US   1000ull

bool gn__draw_ppm(struct gn__rng *rng, uint32_t ppm)
{
    return ppm && gn__rng_below(rng, PPM) < ppm;
}

static bool is_perfect(const struct gn_link_config *c)
{
    return !c->latency_us && !c->jitter_us && !c->rate_bps && !c->loss_ppm &&
           !c->reorder_ppm && !c->duplicate_ppm && !c->corrupt_ppm && !c->down;
}

static bool is_in_range(const struct gn_link_config *c)
{
    return c->loss_ppm <= PPM && c->reorder_ppm <= PPM &&
           c->duplicate_ppm <= PPM && c->corrupt_ppm <= PPM;
}

bool gn__link_config_is_valid(const struct gn_link_config *c)
{
    return (!c->size || gn__config_is_known(c, c->size, sizeof(*c))) &&
           is_in_range(c);
}

void gn__link_init(struct gn__link *link, const uint64_t key[2],
                   const char *name)
{
    memset(link, 0, sizeof(*link));
    link->config.size = sizeof(link->config);
    link->perfect = true;
    gn__rng_init(&link->rng, key, name, strlen(name));
}

static void link_use(struct gn__link *link, const struct gn_link_config *config,
                     uint64_t now)
{
    link->config = *config;
    link->config.size = sizeof(link->config);
    /* Nothing may overtake what is still under way. */
    link->perfect = is_perfect(&link->config) && link->up.last_arrival <= now &&
                    link->down.last_arrival <= now;
}

/* Room for what a sender has too much in flight when it finds out: 100 ms at
 * the rate, as routers have. Less, and slow start alone overruns it. */
static uint64_t queue_bytes(const struct gn_link_config *c)
{
    uint64_t at_rate = c->rate_bps / (8 * 1000) * QUEUE_MS;

    if (c->queue_bytes)
        return c->queue_bytes;
    return at_rate > QUEUE_LEAST ? at_rate : QUEUE_LEAST;
}

uint64_t gn__link_slowness(const struct gn__link *link)
{
    const struct gn_link_config *c = &link->config;
    uint64_t ns = (c->latency_us + (uint64_t)c->jitter_us) * NS_PER_US;

    if (c->rate_bps)
        ns += (uint64_t)((gn__u128)queue_bytes(c) * 8 * GN__NS_PER_S /
                         c->rate_bps);
    return ns;
}

/* When the last bit is sent; false: the queue is full. */
static bool send_at_rate(const struct gn_link_config *c,
                         struct gn__link_state *dir, uint32_t len, uint64_t *at)
{
    uint64_t start = dir->busy_until > *at ? dir->busy_until : *at;
    gn__u128 waiting = (gn__u128)(start - *at) * c->rate_bps / 8 / GN__NS_PER_S;

    if (waiting && waiting + len > queue_bytes(c))
        return false;
    *at = start + (uint64_t)((gn__u128)len * 8 * GN__NS_PER_S / c->rate_bps);
    dir->busy_until = *at;
    return true;
}

static uint64_t delay_ns(struct gn__link *link)
{
    uint64_t latency = link->config.latency_us * NS_PER_US;
    uint64_t jitter = link->config.jitter_us * NS_PER_US;
    uint64_t drawn;

    if (!jitter)
        return latency;
    drawn = latency + gn__rng_below(&link->rng, 2 * jitter + 1);
    return drawn > jitter ? drawn - jitter : 0;
}

void gn__link_cross(struct gn__link *link, struct gn__link_state *dir,
                    const struct gn__packet *packet, uint64_t at,
                    struct gn__crossing *out)
{
    const struct gn_link_config *c = &link->config;
    uint64_t sent = at;

    *out = (struct gn__crossing){.arrival = at};
    if (c->down)
        out->drop = GN_DROP_DOWN;
    else if (gn__draw_ppm(&link->rng, c->loss_ppm))
        out->drop = GN_DROP_LOSS;
    else if (c->rate_bps && !send_at_rate(c, dir, packet->len, &sent))
        out->drop = GN_DROP_QUEUE;
    if (out->drop)
        return;
    out->arrival = sent + delay_ns(link);
    if (gn__draw_ppm(&link->rng, c->reorder_ppm)) {
        out->arrival = sent;
    } else {
        if (out->arrival < dir->last_arrival)
            out->arrival = dir->last_arrival;
        dir->last_arrival = out->arrival;
    }
    out->corrupt = gn__draw_ppm(&link->rng, c->corrupt_ppm);
    out->duplicate = gn__draw_ppm(&link->rng, c->duplicate_ppm);
    if (out->arrival <= at && is_perfect(c))
        link->perfect =
            link->up.last_arrival <= at && link->down.last_arrival <= at;
}

/* Replace the payload by a copy that is the packet's own. */
static int own_payload(struct gn__packet *packet)
{
    size_t len = packet->len - packet->head_len;
    struct gn__chunk *chunk;
    unsigned i;

    if (!len)
        return 0;
    chunk = gn__chunk_alloc(packet->pool->chunks, len);
    if (!chunk)
        return -ENOMEM;
    (void)gn__packet_read(packet, packet->head_len, gn__chunk_data(chunk), len);
    for (i = 0; i < packet->n_slices; i++)
        gn__chunk_unref(packet->slices[i].chunk);
    packet->slices[0] = (struct gn__slice){
        .chunk = chunk, .data = gn__chunk_data(chunk), .len = (uint32_t)len};
    packet->n_slices = 1;
    return 0;
}

/*
 * One bit behind the IP header is flipped, with checksums in place, as a wire
 * would do it. Receivers in this process need not compute them to find out:
 * the packet says so itself.
 */
int gn__packet_damage(struct gn__packet *packet, struct gn__rng *rng)
{
    uint64_t bits = (uint64_t)(packet->len - packet->ip.l4) * 8;
    uint64_t bit;
    size_t at;

    packet->corrupt = true;
    if (!bits)
        return 0;
    bit = gn__rng_below(rng, bits);
    at = packet->ip.l4 + (size_t)(bit / 8);
    if (packet->csum_absent)
        gn__packet_fill_checksums(packet);
    packet->csum_absent = false;
    if (at < packet->head_len) {
        packet->head[at] ^= (uint8_t)(1u << (bit % 8));
        return 0;
    }
    if (own_payload(packet))
        return -ENOMEM;
    gn__chunk_data(packet->slices[0].chunk)[at - packet->head_len] ^=
        (uint8_t)(1u << (bit % 8));
    return 0;
}

/* ---- settings ---- */

static void link_apply(void *owner, const void *settings)
{
    struct gn__port *port = owner;

    link_use(&port->wire, settings, gn__now(port->net->engine));
}

#define FIELD(name) GN__FIELD(struct gn_link_config, name)

static const struct gn__field fields[] = {
    FIELD(latency_us),    FIELD(jitter_us),   FIELD(rate_bps),
    FIELD(queue_bytes),   FIELD(loss_ppm),    FIELD(reorder_ppm),
    FIELD(duplicate_ppm), FIELD(corrupt_ppm), FIELD(down),
};

static const struct gn__settings_kind link_kind = {
    .size = sizeof(struct gn_link_config),
    .fields = fields,
    .n_fields = sizeof(fields) / sizeof(*fields),
    .apply = link_apply,
};

#define ALL_FIELDS ((1u << (sizeof(fields) / sizeof(*fields))) - 1)

int gn__link_change(struct gn__port *port, const struct gn_link_change *change)
{
    struct gn__link *link = &port->wire;
    struct gn_link_config config = link->config;

    if (!gn__config_is_known(change, change->size, sizeof(*change)) ||
        !gn__fields_are_known(&link_kind, change->fields))
        return -EINVAL;
    gn__fields_copy(&link_kind, change->fields, &change->config, &config);
    if (!is_in_range(&config))
        return -EINVAL;
    if (change->for_ms)
        return gn__changes_add(&link->changes, port->net->engine,
                               &(struct gn__lease){.kind = &link_kind,
                                                   .owner = port,
                                                   .now = &link->config,
                                                   .fields = change->fields,
                                                   .values = &change->config,
                                                   .for_ms = change->for_ms});
    gn__changes_yield(&link->changes, change->fields, &config);
    link_apply(port, &config);
    return 0;
}

int gn__link_set(struct gn__port *port, const struct gn_link_config *config)
{
    struct gn_link_change change = {.size = sizeof(change),
                                    .fields = ALL_FIELDS};

    if (config && !gn__link_config_is_valid(config))
        return -EINVAL;
    if (config)
        change.config = *config;
    return gn__link_change(port, &change);
}
