/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Points in the code of tasks that have a name: those at which the seed
 * decides, and those of which it is asked whether any seed comes there.
 */
#include "sim/mark.h"

#include <string.h>

#include "sim/clock.h"
#include "sim/sim.h"
#include "sim/task.h"

#define PPM 1000000u

void gn__marks_init(struct gn_clock *clock)
{
    gn__table_init(&clock->marks, &clock->mem, clock->rng.key);
}

void gn__marks_done(struct gn_clock *clock)
{
    struct gn__table_node *it, *tmp;

    gn__table_foreach_safe (it, tmp, &clock->marks) {
        struct gn__mark *mark = gn__container_of(it, struct gn__mark, node);

        gn__table_del(&clock->marks, it);
        gn__free(&clock->mem, mark, sizeof(*mark));
    }
    gn__table_done(&clock->marks);
}

/* Each has a stream of its own: what others draw changes nothing. In half of
 * the seeds a chance never comes. */
static struct gn__mark *mark_create(struct gn_clock *clock, const char *name)
{
    struct gn__mark *mark;
    size_t len = strlen(name);

    if (gn__table_count(&clock->marks) >= GN__MARKS_MAX ||
        len >= sizeof(mark->name))
        return NULL;
    mark = gn__zalloc(&clock->mem, sizeof(*mark));
    if (!mark)
        return NULL;
    memcpy(mark->name, name, len + 1);
    gn__rng_init(&mark->rng, clock->rng.key, name, len);
    mark->is_on = gn__rng_below(&mark->rng, 2);
    if (gn__table_add(&clock->marks, &mark->node, mark->name, len)) {
        gn__free(&clock->mem, mark, sizeof(*mark));
        return NULL;
    }
    return mark;
}

static struct gn__mark *mark_of_caller(const char *name)
{
    const struct gn_task *task = gn__task_current();
    struct gn__table_node *node;

    if (!task || !task->clock || !name)
        return NULL;
    gn__run_entered(task->clock);
    node = gn__table_find(&task->clock->marks, name, strlen(name));
    return node ? gn__container_of(node, struct gn__mark, node)
                : mark_create(task->clock, name);
}

bool gn__mark_is_reached(struct gn_clock *clock, const char *name)
{
    struct gn__table_node *node =
        gn__table_find(&clock->marks, name, strlen(name));

    return node && gn__container_of(node, struct gn__mark, node)->n_reached;
}

bool gn_sim_chance(const char *name, uint32_t ppm)
{
    struct gn__mark *mark = mark_of_caller(name);

    if (!mark || !mark->is_on || gn__rng_below(&mark->rng, PPM) >= ppm)
        return false;
    mark->n_reached++;
    return true;
}

void gn_sim_reached(const char *name)
{
    struct gn__mark *mark = mark_of_caller(name);

    if (mark)
        mark->n_reached++;
}
