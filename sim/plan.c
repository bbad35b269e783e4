/* SPDX-License-Identifier: BSD-3-Clause */

/* Plans as lists of faults, and as text that is written. */
#include "sim/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- faults ---- */

int gn__fault_copy(const struct gn__mem *mem, const struct gn__fault *from,
                   struct gn__fault *out)
{
    struct gn__plan_name *names =
        gn__zalloc_array(mem, from->n_names, sizeof(*names));

    if (!names)
        return -ENOMEM;
    *out = *from;
    out->names = names;
    memcpy(names, from->names, from->n_names * sizeof(*names));
    return 0;
}

void gn__fault_done(const struct gn__mem *mem, struct gn__fault *fault)
{
    gn__free(mem, fault->names, fault->n_names * sizeof(*fault->names));
    fault->names = NULL;
}

bool gn__name_is_all(const struct gn__plan_name *name)
{
    return !strcmp(name->name, "*");
}

uint8_t gn__fault_side(const struct gn__fault *fault, const char *machine)
{
    uint8_t rest = 0;
    uint32_t i;

    for (i = 0; i < fault->n_names; i++) {
        const struct gn__plan_name *name = &fault->names[i];

        if (!strcmp(name->name, machine))
            return name->side;
        if (gn__name_is_all(name))
            rest = name->side;
    }
    return rest;
}

/* ---- plans ---- */

struct gn_plan *gn__plan_create(const struct gn__mem *mem)
{
    struct gn_plan *plan = gn__zalloc(mem, sizeof(*plan));

    if (plan)
        plan->mem = *mem;
    return plan;
}

static int plan_grow(struct gn_plan *plan)
{
    size_t room = plan->room ? 2 * plan->room : 16;
    struct gn__fault *faults =
        gn__zalloc_array(&plan->mem, room, sizeof(*faults));

    if (!faults)
        return -ENOMEM;
    if (plan->n)
        memcpy(faults, plan->faults, plan->n * sizeof(*faults));
    gn__free(&plan->mem, plan->faults, plan->room * sizeof(*faults));
    plan->faults = faults;
    plan->room = room;
    return 0;
}

int gn__plan_add(struct gn_plan *plan, const struct gn__fault *fault)
{
    int err = 0;

    if (plan->n >= GN_PLAN_FAULTS_MAX)
        return -ENOSPC;
    if (plan->n == plan->room)
        err = plan_grow(plan);
    if (!err)
        err = gn__fault_copy(&plan->mem, fault, &plan->faults[plan->n]);
    if (!err)
        plan->n++;
    return err;
}

void gn_plan_close(struct gn_plan *plan)
{
    struct gn__mem mem;

    if (!plan)
        return;
    mem = plan->mem;
    while (plan->n > 0)
        gn__fault_done(&mem, &plan->faults[--plan->n]);
    gn__free(&mem, plan->faults, plan->room * sizeof(*plan->faults));
    gn__free(&mem, plan, sizeof(*plan));
}

/* ---- writing ---- */

/** Text that grows, of which the first part is kept. */
struct pen {
    char *buf;
    size_t cap;
    size_t len;
};

static void pen_put(struct pen *pen, const char *text)
{
    for (; *text; text++, pen->len++) {
        if (pen->len + 1 < pen->cap)
            pen->buf[pen->len] = *text;
    }
    if (pen->cap)
        pen->buf[pen->len < pen->cap ? pen->len : pen->cap - 1] = '\0';
}

static void pen_value(struct pen *pen, const char *before, enum gn__unit unit,
                      int64_t value)
{
    char text[32];

    gn__value_format(unit, value, text, sizeof(text));
    pen_put(pen, before);
    pen_put(pen, text);
}

static void pen_names(struct pen *pen, const struct gn__fault *fault)
{
    uint8_t side = 1;
    uint32_t i;

    for (i = 0; i < fault->n_names; i++) {
        if (fault->n_sides && fault->names[i].side != side)
            pen_put(pen, fault->one_way ? " >" : " |");
        side = fault->names[i].side;
        pen_put(pen, " ");
        pen_put(pen, fault->names[i].name);
    }
}

static void pen_options(struct pen *pen, const struct gn__fault *fault)
{
    const struct gn__option *option = gn__verbs[fault->verb].options;
    unsigned i;

    for (i = 0; option[i].word; i++) {
        if (!(fault->set >> i & 1))
            continue;
        pen_put(pen, " ");
        pen_put(pen, option[i].word);
        if (option[i].unit == GN__UNIT_WORD) {
            pen_put(pen, " ");
            pen_put(pen, fault->word);
        } else if (option[i].unit != GN__UNIT_FLAG) {
            pen_value(pen, " ", option[i].unit, fault->values[i]);
        }
    }
}

static void pen_fault(struct pen *pen, const struct gn__fault *fault)
{
    pen_value(pen, "at ", GN__UNIT_TIME, (int64_t)fault->at_ns);
    pen_put(pen, " ");
    pen_put(pen, gn__verbs[fault->verb].word);
    pen_names(pen, fault);
    pen_options(pen, fault);
    if (fault->for_ns)
        pen_value(pen, " for ", GN__UNIT_TIME, (int64_t)fault->for_ns);
}

size_t gn__fault_format(const struct gn__fault *fault, char *buf, size_t cap)
{
    struct pen pen = {.buf = buf, .cap = cap};

    pen_fault(&pen, fault);
    return pen.len;
}

ssize_t gn_plan_format(const struct gn_plan *plan, char *buf, size_t cap)
{
    struct pen pen = {.buf = buf, .cap = cap};
    size_t i;

    if (!plan || (!buf && cap))
        return -EINVAL;
    pen_put(&pen, "");
    for (i = 0; i < plan->n; i++) {
        pen_fault(&pen, &plan->faults[i]);
        pen_put(&pen, "\n");
    }
    return (ssize_t)pen.len;
}
