/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Paths: what one direction between two parties of a network adds to their
 * links. A party is a namespace, with all its interfaces there, or a port that
 * belongs to none.
 *
 * The latency, loss and blocking of a path are decided when a packet reaches
 * the switch, holding when it would leave it again.
 */
#include <guestnet/link.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "switch/internal.h"

struct gn__path *gn__path_of(const struct gn_network *net,
                             const struct gn__port *from,
                             const struct gn__port *to)
{
    uint64_t key[2];
    struct gn__table_node *node;

    if (!gn__table_count(&net->paths) || !from || !to)
        return NULL;
    key[0] = from->party;
    key[1] = to->party;
    node = gn__table_find(&net->paths, key, sizeof(key));
    return node ? gn__container_of(node, struct gn__path, node) : NULL;
}

enum gn_drop gn__path_cross(struct gn__path *path, uint64_t *when)
{
    if (path->config.block)
        return GN_DROP_BLOCKED;
    if (gn__draw_ppm(&path->rng, path->config.loss_ppm))
        return GN_DROP_LOSS;
    *when += path->config.latency_us * 1000ull;
    if (*when < path->last_arrival)
        *when = path->last_arrival;
    path->last_arrival = *when;
    return GN_DROP_NONE;
}

void gn__path_hold(struct gn_network *net, struct gn__path *path,
                   struct gn__packet *packet)
{
    if (path->n_held >= GN__PATH_HELD_MAX) {
        gn__switch_drop(net, packet, GN_DROP_QUEUE);
        return;
    }
    packet->next = NULL;
    *path->held_tail = packet;
    path->held_tail = &packet->next;
    path->n_held++;
}

static struct gn__packet *take_held(struct gn__path *path)
{
    struct gn__packet *held = path->held_head;

    path->held_head = NULL;
    path->held_tail = &path->held_head;
    path->n_held = 0;
    return held;
}

/* Let go what waited; the path is not held any more. */
static void release_held(struct gn_network *net, struct gn__path *path)
{
    struct gn__packet *packet, *next;

    for (packet = take_held(path); packet; packet = next) {
        next = packet->next;
        gn__switch_pass(net, packet);
    }
}

static void path_free(struct gn_network *net, struct gn__path *path)
{
    struct gn__packet *packet, *next;

    gn__changes_end(&path->changes);
    for (packet = take_held(path); packet; packet = next) {
        next = packet->next;
        gn__switch_drop(net, packet, GN_DROP_STALE);
    }
    gn__table_del(&net->paths, &path->node);
    gn__free(&net->engine->net.mem, path, sizeof(*path));
}

void gn__paths_end(struct gn_network *net, uint64_t party)
{
    struct gn__table_node *it, *tmp;

    gn__table_foreach_safe (it, tmp, &net->paths) {
        struct gn__path *path = gn__container_of(it, struct gn__path, node);

        if (!party || path->key[0] == party || path->key[1] == party)
            path_free(net, path);
    }
}

static struct gn__path *path_create(struct gn_network *net,
                                    const struct gn__guest *from,
                                    const struct gn__guest *to)
{
    struct gn__path *path = gn__zalloc(&net->engine->net.mem, sizeof(*path));
    char name[2 * sizeof(from->stream) + 16];
    int len;

    if (!path)
        return NULL;
    path->net = net;
    path->key[0] = from->id;
    path->key[1] = to->id;
    path->held_tail = &path->held_head;
    len = snprintf(name, sizeof(name), "path %s %s", from->stream, to->stream);
    gn__rng_init(&path->rng, net->key, name, (size_t)len);
    if (gn__table_add(&net->paths, &path->node, path->key, sizeof(path->key))) {
        gn__free(&net->engine->net.mem, path, sizeof(*path));
        return NULL;
    }
    return path;
}

static struct gn__path *find_path(struct gn_network *net,
                                  const struct gn__guest *from,
                                  const struct gn__guest *to)
{
    uint64_t key[2] = {from->id, to->id};
    struct gn__table_node *node = gn__table_find(&net->paths, key, sizeof(key));

    return node ? gn__container_of(node, struct gn__path, node) : NULL;
}

/* ---- settings ---- */

static void path_apply(void *owner, const void *settings)
{
    struct gn__path *path = owner;

    path->config = *(const struct gn_path_config *)settings;
    path->config.size = sizeof(path->config);
    if (!path->config.hold)
        release_held(path->net, path);
}

#define FIELD(name) GN__FIELD(struct gn_path_config, name)

static const struct gn__field fields[] = {
    FIELD(latency_us),
    FIELD(loss_ppm),
    FIELD(block),
    FIELD(hold),
};

static const struct gn__settings_kind path_kind = {
    .size = sizeof(struct gn_path_config),
    .fields = fields,
    .n_fields = sizeof(fields) / sizeof(*fields),
    .apply = path_apply,
};

#define ALL_FIELDS ((1u << (sizeof(fields) / sizeof(*fields))) - 1)

static bool is_in_range(const struct gn_path_config *c)
{
    return c->loss_ppm <= 1000000;
}

static bool is_valid(const struct gn_path_config *c)
{
    return (!c->size || gn__config_is_known(c, c->size, sizeof(*c))) &&
           is_in_range(c);
}

static bool is_nothing(const struct gn_path_config *c)
{
    return !c->latency_us && !c->loss_ppm && !c->block && !c->hold;
}

/* The change of one that is there. */
static int path_change(struct gn__path *path,
                       const struct gn_path_change *change)
{
    struct gn_path_config config = path->config;

    if (change->for_ms)
        return gn__changes_add(&path->changes, path->net->engine,
                               &(struct gn__lease){.kind = &path_kind,
                                                   .owner = path,
                                                   .now = &path->config,
                                                   .fields = change->fields,
                                                   .values = &change->config,
                                                   .for_ms = change->for_ms});
    gn__fields_copy(&path_kind, change->fields, &change->config, &config);
    gn__changes_yield(&path->changes, change->fields, &config);
    path_apply(path, &config);
    return 0;
}

/* One that is not there is nothing, and made when that changes. */
int gn__path_change(struct gn_network *net, const struct gn__guest *from,
                    const struct gn__guest *to,
                    const struct gn_path_change *change)
{
    struct gn_path_config config = {0};
    struct gn__path *path;

    if (!gn__config_is_known(change, change->size, sizeof(*change)) ||
        !gn__fields_are_known(&path_kind, change->fields))
        return -EINVAL;
    if (from->engine != net->engine || to->engine != net->engine ||
        !gn__guest_is_in(from, net) || !gn__guest_is_in(to, net))
        return -ENODEV;
    gn__fields_copy(&path_kind, change->fields, &change->config, &config);
    if (!is_in_range(&config))
        return -EINVAL;
    path = find_path(net, from, to);
    if (!path && is_nothing(&config))
        return 0;
    if (!path)
        path = path_create(net, from, to);
    return path ? path_change(path, change) : -ENOMEM;
}

int gn__path_set(struct gn_network *net, const struct gn__guest *from,
                 const struct gn__guest *to,
                 const struct gn_path_config *config)
{
    struct gn_path_change change = {.size = sizeof(change),
                                    .fields = ALL_FIELDS};

    if (config && !is_valid(config))
        return -EINVAL;
    if (config)
        change.config = *config;
    return gn__path_change(net, from, to, &change);
}
