/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Namespaces as the users of an engine: its packets are the switch's, and the
 * objects that change in an entry are their sockets.
 */
#include "namespace/shared.h"

#include "namespace/namespace.h"
#include "namespace/internal.h"

static void shared_init(struct gn__engine *engine, const uint64_t key[2])
{
    struct gn__shared *shared = gn__shared_of(engine);

    gn__switch_init(engine);
    gn__list_init(&shared->networks);
    gn__table_init(&shared->names, &engine->net.mem, key);
    gn__table_init(&shared->ports, &engine->net.mem, key);
    gn__list_init(&shared->served_waits);
}

static void shared_done(struct gn__engine *engine)
{
    gn__switch_done(engine);
    gn__table_done(&gn__shared_of(engine)->names);
    gn__table_done(&gn__shared_of(engine)->ports);
}

static void sock_changed(struct gn__list *node)
{
    gn__sock_notify(gn__container_of(node, struct gn_sock, changed));
}

const struct gn__engine_user gn__namespaces = {
    .name = "namespaces",
    .room = sizeof(struct gn__shared),
    .init = shared_init,
    .done = shared_done,
    .arrived = gn__switch_arrived,
    .changed = sock_changed,
};
