/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Settings that are changed for a time: a link's, or a path's.
 *
 * The settings for good lie at the bottom, and on them each change that is not
 * over, in the order in which they were made. The topmost value holds, field by
 * field. So a change can be taken out of the middle whatever came after it, and
 * no former value has to be remembered.
 *
 * There is such a pile only while there are changes: an owner has a pointer,
 * and the settings that hold. When the last change is over these are the
 * settings for good.
 */
#include <errno.h>
#include <string.h>

#include "switch/internal.h"

#define NS_PER_MS 1000000u

union settings {
    struct gn_link_config link;
    struct gn_path_config path;
};

struct change {
    struct gn__list link;
    uint64_t until; /* ns; GN__NEVER */
    uint32_t fields;
    union settings values;
};

struct gn__changes {
    const struct gn__settings_kind *kind;
    struct gn__engine *engine;
    void *owner;
    struct gn__changes **home;
    struct gn__event event; /* the next that is over */
    struct gn__list pile;   /* struct change, the oldest first */
    union settings lasting; /* what was set for good */
};

/* ---- fields ---- */

bool gn__fields_are_known(const struct gn__settings_kind *kind, uint32_t fields)
{
    return fields && !(fields >> kind->n_fields);
}

void gn__fields_copy(const struct gn__settings_kind *kind, uint32_t fields,
                     const void *from, void *to)
{
    unsigned i;

    for (i = 0; i < kind->n_fields; i++) {
        const struct gn__field *field = &kind->fields[i];

        if (fields & (1u << i))
            memcpy((char *)to + field->offset,
                   (const char *)from + field->offset, field->size);
    }
}

/* ---- the pile ---- */

static void change_free(struct gn__changes *changes, struct change *change)
{
    gn__list_del(&change->link);
    gn__free(&changes->engine->net.mem, change, sizeof(*change));
}

static void changes_free(struct gn__changes *changes)
{
    gn__event_disarm(changes->engine, &changes->event);
    *changes->home = NULL;
    gn__free(&changes->engine->net.mem, changes, sizeof(*changes));
}

static void changes_apply(struct gn__changes *changes)
{
    union settings seen = changes->lasting;
    struct gn__list *it;

    gn__list_foreach (it, &changes->pile) {
        const struct change *change = gn__container_of(it, struct change, link);

        gn__fields_copy(changes->kind, change->fields, &change->values, &seen);
    }
    changes->kind->apply(changes->owner, &seen);
}

/* Wait for the next that is over; without any it is not needed any more. */
static void changes_rearm(struct gn__changes *changes)
{
    uint64_t next = GN__NEVER;
    struct gn__list *it;

    if (gn__list_empty(&changes->pile)) {
        changes_free(changes);
        return;
    }
    gn__list_foreach (it, &changes->pile) {
        uint64_t until = gn__container_of(it, struct change, link)->until;

        if (until < next)
            next = until;
    }
    if (next == GN__NEVER)
        gn__event_disarm(changes->engine, &changes->event);
    else
        gn__event_arm(changes->engine, &changes->event, next);
}

static void event_fires(struct gn__event *event)
{
    struct gn__changes *changes =
        gn__container_of(event, struct gn__changes, event);
    struct gn__list *it, *tmp;

    gn__list_foreach_safe (it, tmp, &changes->pile) {
        struct change *change = gn__container_of(it, struct change, link);

        if (change->until <= gn__now(changes->engine))
            change_free(changes, change);
    }
    changes_apply(changes);
    changes_rearm(changes);
}

static struct gn__changes *changes_make(struct gn__changes **home,
                                        struct gn__engine *engine,
                                        const struct gn__lease *lease)
{
    struct gn__changes *changes =
        gn__zalloc(&engine->net.mem, sizeof(*changes));

    if (!changes)
        return NULL;
    changes->kind = lease->kind;
    changes->engine = engine;
    changes->owner = lease->owner;
    changes->home = home;
    changes->event.fire = event_fires;
    gn__list_init(&changes->pile);
    memcpy(&changes->lasting, lease->now, lease->kind->size);
    *home = changes;
    return changes;
}

/* ---- what links and paths call ---- */

int gn__changes_add(struct gn__changes **home, struct gn__engine *engine,
                    const struct gn__lease *lease)
{
    uint64_t now = gn__now(engine);
    struct gn__changes *changes = *home;
    struct change *change = gn__zalloc(&engine->net.mem, sizeof(*change));

    if (!change)
        return -ENOMEM;
    if (!changes)
        changes = changes_make(home, engine, lease);
    if (!changes) {
        gn__free(&engine->net.mem, change, sizeof(*change));
        return -ENOMEM;
    }
    change->fields = lease->fields;
    change->until = lease->for_ms < (GN__NEVER - now) / NS_PER_MS
                        ? now + lease->for_ms * NS_PER_MS
                        : GN__NEVER;
    memcpy(&change->values, lease->values, lease->kind->size);
    gn__list_add_tail(&changes->pile, &change->link);
    changes_apply(changes);
    changes_rearm(changes);
    return 0;
}

void gn__changes_yield(struct gn__changes **home, uint32_t fields,
                       const void *values)
{
    struct gn__changes *changes = *home;
    struct gn__list *it, *tmp;

    if (!changes)
        return;
    gn__fields_copy(changes->kind, fields, values, &changes->lasting);
    gn__list_foreach_safe (it, tmp, &changes->pile) {
        struct change *change = gn__container_of(it, struct change, link);

        change->fields &= ~fields;
        if (!change->fields)
            change_free(changes, change);
    }
    changes_rearm(changes);
}

void gn__changes_end(struct gn__changes **home)
{
    struct gn__changes *changes = *home;
    struct gn__list *it, *tmp;

    if (!changes)
        return;
    gn__list_foreach_safe (it, tmp, &changes->pile) {
        change_free(changes, gn__container_of(it, struct change, link));
    }
    changes_free(changes);
}
