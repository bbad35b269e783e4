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

int gn__path_set(struct gn_network *net, const struct gn__guest *from,
                 const struct gn__guest *to,
                 const struct gn_path_config *config)
{
    static const struct gn_path_config none;
    struct gn__path *path;

    if (from->engine != net->engine || to->engine != net->engine ||
        !gn__guest_is_in(from, net) || !gn__guest_is_in(to, net))
        return -ENODEV;
    path = find_path(net, from, to);
    if (!config)
        config = &none;
    if (!path && !config->latency_us && !config->loss_ppm && !config->block &&
        !config->hold)
        return 0;
    if (!path)
        path = path_create(net, from, to);
    if (!path)
        return -ENOMEM;
    path->config = *config;
    path->config.size = sizeof(path->config);
    if (!config->hold)
        release_held(net, path);
    return 0;
}
