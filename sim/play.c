/* SPDX-License-Identifier: BSD-3-Clause */

/* Plans that are under way; see play.h. */
#include "sim/play.h"

#include <guestnet/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sim/clock.h"
#include "sim/sim.h"

#define RULES_MAX 64u

/** A fault with its two times. */
struct cue {
    struct gn__list link; /* of the clock, in the order of the plans */
    struct gn__list on;   /* of those that are on, in that of their begin */
    struct gn__act begin;
    struct gn__act end;
    struct gn_clock *clock;
    struct gn__fault fault;
    bool is_on;
    uint32_t n_off;  /* crash: machines that are off because of it, */
    char (*off)[64]; /* by their names */
    size_t room_off;
    uint32_t n_awaited; /* that it will start, but daemons: in
                           clock->n_awaited */
};

struct gn__play {
    struct gn__list cues;
    struct gn__list on;
    struct gn_machine *first[GN__GROUPS_MAX]; /* of each group */
    uint32_t n_groups;
};

static bool fault_concerns(const struct cue *cue,
                           const struct gn_machine *machine)
{
    return gn__fault_side(&cue->fault, machine->name) != 0;
}

static bool fault_has(const struct gn__fault *fault, unsigned option)
{
    return fault->set >> option & 1;
}

#define EACH_ON(it, cue, clock)               \
    gn__list_foreach (it, &(clock)->play->on) \
        if (((cue) = gn__container_of(it, struct cue, on)))

/* ---- what a machine is like ---- */

static uint32_t us_of(int64_t ns)
{
    return (uint32_t)(ns / 1000);
}

static void add_link(struct gn_link_config *link, const struct gn__fault *fault)
{
    const int64_t *v = fault->values;

    if (fault_has(fault, GN__LINK_LATENCY))
        link->latency_us = us_of(v[GN__LINK_LATENCY]);
    if (fault_has(fault, GN__LINK_JITTER))
        link->jitter_us = us_of(v[GN__LINK_JITTER]);
    if (fault_has(fault, GN__LINK_RATE))
        link->rate_bps = (uint64_t)v[GN__LINK_RATE];
    if (fault_has(fault, GN__LINK_QUEUE))
        link->queue_bytes = (uint64_t)v[GN__LINK_QUEUE];
    if (fault_has(fault, GN__LINK_LOSS))
        link->loss_ppm = (uint32_t)v[GN__LINK_LOSS];
    if (fault_has(fault, GN__LINK_REORDER))
        link->reorder_ppm = (uint32_t)v[GN__LINK_REORDER];
    if (fault_has(fault, GN__LINK_DUPLICATE))
        link->duplicate_ppm = (uint32_t)v[GN__LINK_DUPLICATE];
    if (fault_has(fault, GN__LINK_CORRUPT))
        link->corrupt_ppm = (uint32_t)v[GN__LINK_CORRUPT];
    if (fault_has(fault, GN__LINK_DOWN))
        link->down = true;
}

static void add_limits(struct gn_limits *limits, const struct gn__fault *fault)
{
    const int64_t *v = fault->values;

    if (fault_has(fault, GN__LIMIT_SOCKETS))
        limits->max_sockets = (uint32_t)v[GN__LIMIT_SOCKETS];
    if (fault_has(fault, GN__LIMIT_CONNECTIONS))
        limits->max_connections = (uint32_t)v[GN__LIMIT_CONNECTIONS];
    if (fault_has(fault, GN__LIMIT_LOOKUPS))
        limits->max_lookups = (uint32_t)v[GN__LIMIT_LOOKUPS];
    if (fault_has(fault, GN__LIMIT_BUFFERED))
        limits->max_buffered = (uint64_t)v[GN__LIMIT_BUFFERED];
}

/* All that faults say of it, on top of what it was made with. */
struct state {
    struct gn_link_config link;
    struct gn_limits limits;
    uint64_t disk_bytes;
    int64_t offset_ns;
    int32_t drift_ppb;
    enum gn_pause pause;
};

static void add_fault(struct state *state, const struct gn__fault *fault)
{
    switch (fault->verb) {
    case GN__VERB_LINK:
        add_link(&state->link, fault);
        break;
    case GN__VERB_LIMIT:
        add_limits(&state->limits, fault);
        if (fault_has(fault, GN__LIMIT_DISK))
            state->disk_bytes = (uint64_t)fault->values[GN__LIMIT_DISK];
        break;
    case GN__VERB_CLOCK:
        if (fault_has(fault, GN__CLOCK_OFFSET))
            state->offset_ns = fault->values[GN__CLOCK_OFFSET];
        if (fault_has(fault, GN__CLOCK_DRIFT))
            state->drift_ppb = (int32_t)fault->values[GN__CLOCK_DRIFT];
        break;
    case GN__VERB_STOP:
        state->pause = GN_PAUSE_ALL;
        break;
    case GN__VERB_PAUSE:
        if (state->pause == GN_PAUSE_NONE)
            state->pause = GN_PAUSE_TASKS;
        break;
    default:
        break;
    }
}

static void state_apply(struct gn_machine *machine, const struct state *state)
{
    int err = gn_link_set(machine->ns, NULL, &state->link);

    (void)err; /* In a network without prefixes there is no eth0. */
    gn__ns_set_limits(machine->ns, &state->limits);
    if (state->drift_ppb != machine->drift_now)
        gn__ns_set_drift(machine->ns, state->drift_ppb);
    machine->drift_now = state->drift_ppb;
    machine->offset_now = state->offset_ns;
    machine->disk.limit = state->disk_bytes;
    gn__machine_stand(machine, state->pause);
    gn__ns_set_group(machine->ns, machine->group_now);
}

/* ---- paths ---- */

static bool is_path(const struct cue *cue, const char *from, const char *to)
{
    const struct gn__fault *fault = &cue->fault;

    return fault->verb == GN__VERB_PATH &&
           !strcmp(fault->names[0].name, from) &&
           !strcmp(fault->names[1].name, to);
}

static void add_path(struct gn_path_config *path, const struct gn__fault *fault)
{
    const int64_t *v = fault->values;

    if (fault_has(fault, GN__PATH_LATENCY))
        path->latency_us = us_of(v[GN__PATH_LATENCY]);
    if (fault_has(fault, GN__PATH_LOSS))
        path->loss_ppm = (uint32_t)v[GN__PATH_LOSS];
    path->block = path->block || fault_has(fault, GN__PATH_BLOCK);
    path->hold = path->hold || fault_has(fault, GN__PATH_HOLD);
}

/* The path that a fault is about, as all of them say. Without memory it stays
 * as it is. */
static void apply_path(struct gn_clock *clock, const struct gn__fault *fault)
{
    struct gn_machine *from = gn_machine_find(clock, fault->names[0].name);
    struct gn_machine *to = gn_machine_find(clock, fault->names[1].name);
    struct gn_path_config path = {.size = sizeof(path)};
    struct gn__list *it;
    struct cue *cue;
    int err;

    if (!from || !to || !from->ns || !to->ns)
        return;
    EACH_ON(it, cue, clock)
    {
        if (is_path(cue, from->name, to->name))
            add_path(&path, &cue->fault);
    }
    err = gn_path_set(from->net, from->ns, to->ns, &path);
    (void)err;
}

void gn__play_apply(struct gn_machine *machine)
{
    struct gn_clock *clock = machine->clock;
    struct state state = {.link = machine->link,
                          .limits = machine->config.limits,
                          .disk_bytes = machine->disk_bytes,
                          .offset_ns = machine->offset_ns,
                          .drift_ppb = machine->drift_ppb,
                          .pause = machine->pause};
    struct gn__list *it;
    struct cue *cue;

    if (clock->play) {
        EACH_ON(it, cue, clock)
        {
            if (fault_concerns(cue, machine))
                add_fault(&state, &cue->fault);
        }
    }
    state_apply(machine, &state);
    if (!clock->play)
        return;
    EACH_ON(it, cue, clock)
    {
        if (cue->fault.verb == GN__VERB_PATH && fault_concerns(cue, machine))
            apply_path(clock, &cue->fault);
    }
}

/* ---- names ---- */

static enum gn_fault dns_kind(const struct gn__fault *fault)
{
    if (fault_has(fault, GN__DNS_SERVFAIL))
        return GN_FAULT_SERVFAIL;
    if (fault_has(fault, GN__DNS_NXDOMAIN))
        return GN_FAULT_NXDOMAIN;
    if (fault_has(fault, GN__DNS_EMPTY))
        return GN_FAULT_EMPTY;
    return fault_has(fault, GN__DNS_HANG) ? GN_FAULT_HANG : GN_FAULT_NONE;
}

static struct gn_fault_rule dns_rule(const struct gn__fault *fault)
{
    return (struct gn_fault_rule){
        .pattern = fault_has(fault, GN__DNS_NAME) ? fault->word : "*",
        .fault = dns_kind(fault),
        .delay_ms = (uint32_t)(fault->values[GN__DNS_DELAY] / 1000000),
        .probability_ppm = (uint32_t)fault->values[GN__DNS_CHANCE]};
}

/* The first rule that matches counts, but the last fault. Without memory the
 * rules stay as they are. */
static void apply_names(struct gn_machine *machine)
{
    struct gn_fault_rule rules[RULES_MAX];
    struct gn__list *it = machine->clock->play->on.prev;
    size_t n = 0;
    int err;

    for (; it != &machine->clock->play->on && n < RULES_MAX; it = it->prev) {
        struct cue *cue = gn__container_of(it, struct cue, on);

        if (cue->fault.verb == GN__VERB_DNS && fault_concerns(cue, machine))
            rules[n++] = dns_rule(&cue->fault);
    }
    if (machine->faults)
        err = gn_resolver_fault_set(machine->faults, rules, n);
    else
        err = 0;
    (void)err;
}

/* ---- partitions ---- */

static int play_open(struct gn_clock *clock)
{
    if (!clock->walls)
        clock->walls = gn__zalloc(&clock->mem, sizeof(*clock->walls));
    if (!clock->walls)
        return -ENOMEM;
    if (clock->play)
        return 0;
    clock->play = gn__zalloc(&clock->mem, sizeof(*clock->play));
    if (!clock->play)
        return -ENOMEM;
    gn__list_init(&clock->play->cues);
    gn__list_init(&clock->play->on);
    return 0;
}

/* Are both on the same side of all partitions, and in the same group of their
 * own? */
static bool fault_together(const struct gn_machine *a,
                           const struct gn_machine *b)
{
    struct gn__list *it;
    struct cue *cue;

    if (a->group != b->group)
        return false;
    EACH_ON(it, cue, a->clock)
    {
        if (cue->fault.verb == GN__VERB_PARTITION &&
            gn__fault_side(&cue->fault, a->name) !=
                gn__fault_side(&cue->fault, b->name))
            return false;
    }
    return true;
}

static bool fault_parted(const struct gn_machine *from,
                         const struct gn_machine *to)
{
    struct gn_clock *clock = from->clock;
    struct gn__list *it;
    struct cue *cue;

    if (clock->base_walls &&
        gn__walls_block(clock->base_walls, from->group, to->group))
        return true;
    EACH_ON(it, cue, clock)
    {
        uint8_t a, b;

        if (cue->fault.verb != GN__VERB_PARTITION)
            continue;
        a = gn__fault_side(&cue->fault, from->name);
        b = gn__fault_side(&cue->fault, to->name);
        if (a && b && (cue->fault.one_way ? a < b : a != b))
            return true;
    }
    return false;
}

/* Machines by the groups that they make, each represented by its first. Numbers
 * are from 1: a guest that is no machine stays in group 0. */
static bool sort_machines(struct gn_clock *clock)
{
    struct gn__play *play = clock->play;
    struct gn__table_node *node;

    play->n_groups = 1;

    gn__table_foreach (node, &clock->machines) {
        struct gn_machine *machine =
            gn__container_of(node, struct gn_machine, by_name);
        uint32_t i;

        for (i = 1; i < play->n_groups; i++) {
            if (fault_together(play->first[i], machine))
                break;
        }
        if (i == GN__GROUPS_MAX)
            return false;
        if (i == play->n_groups)
            play->first[play->n_groups++] = machine;
        machine->group_now = i;
        if (machine->ns)
            gn__ns_set_group(machine->ns, i);
    }
    return true;
}

/* Between guests that are no machines and those of a group. */
static void raise_outer_walls(struct gn_clock *clock, uint32_t group)
{
    uint32_t base = clock->play->first[group]->group;

    if (!clock->base_walls)
        return;
    gn__walls_set(clock->walls, 0, group,
                  gn__walls_block(clock->base_walls, 0, base));
    gn__walls_set(clock->walls, group, 0,
                  gn__walls_block(clock->base_walls, base, 0));
}

static void raise_walls(struct gn_clock *clock)
{
    const struct gn__play *play = clock->play;
    uint32_t i, j;

    memset(clock->walls, 0, sizeof(*clock->walls));
    for (i = 1; i < play->n_groups; i++) {
        raise_outer_walls(clock, i);
        for (j = 1; j < play->n_groups; j++) {
            if (fault_parted(play->first[i], play->first[j]))
                gn__walls_set(clock->walls, i, j, true);
        }
    }
    clock->engine->walls = clock->walls;
}

static void apply_partitions(struct gn_clock *clock)
{
    if (sort_machines(clock))
        raise_walls(clock);
    else
        gn__run_fail(clock,
                     "the plan: more than %u groups of machines are "
                     "parted at once",
                     GN__GROUPS_MAX - 1);
}

void gn__play_regroup(struct gn_clock *clock)
{
    if (play_open(clock))
        gn__run_fail(clock, "no memory for partitions");
    else
        apply_partitions(clock);
}

/* ---- crashes ---- */

/* A run does not end before it. */
static void await_one(struct cue *cue, struct gn_machine *machine)
{
    if (machine->task.daemon)
        return;
    cue->n_awaited++;
    cue->clock->n_awaited++;
}

static void await_none(struct cue *cue)
{
    cue->clock->n_awaited -= cue->n_awaited;
    cue->n_awaited = 0;
}

static void crash_one(struct cue *cue, struct gn_machine *machine)
{
    if (!machine->ns)
        return;
    (void)gn_machine_crash(machine);
    if (!cue->fault.for_ns || cue->n_off == cue->room_off)
        return; /* For good; or it is newer than the plan. */
    memcpy(cue->off[cue->n_off++], machine->name, sizeof(machine->name));
    await_one(cue, machine);
}

static void start_one(struct gn_clock *clock, struct gn_machine *machine)
{
    int err = machine->ns ? 0 : gn_machine_start(machine);

    if (err)
        gn__run_fail(clock, "the plan: %s cannot start: %s", machine->name,
                     gn_strerror(err));
}

/* Some of the machines may be gone meanwhile, or replaced by others of their
 * names. */
static void end_crash(struct cue *cue)
{
    uint32_t i;

    await_none(cue);
    for (i = 0; i < cue->n_off; i++) {
        struct gn_machine *machine = gn_machine_find(cue->clock, cue->off[i]);

        if (machine)
            start_one(cue->clock, machine);
    }
    cue->n_off = 0;
}

/* ---- cues ---- */

static void each_machine(struct cue *cue,
                         void (*visit)(struct cue *cue,
                                       struct gn_machine *machine))
{
    struct gn__table_node *node, *tmp;

    gn__table_foreach_safe (node, tmp, &cue->clock->machines) {
        struct gn_machine *machine =
            gn__container_of(node, struct gn_machine, by_name);

        if (fault_concerns(cue, machine))
            visit(cue, machine);
    }
}

static void visit_apply(struct cue *cue, struct gn_machine *machine)
{
    (void)cue;
    if (machine->ns)
        gn__play_apply(machine);
}

static void visit_names(struct cue *cue, struct gn_machine *machine)
{
    (void)cue;
    apply_names(machine);
}

static void visit_start(struct cue *cue, struct gn_machine *machine)
{
    start_one(cue->clock, machine);
}

static void cue_apply(struct cue *cue)
{
    switch (cue->fault.verb) {
    case GN__VERB_PARTITION:
        apply_partitions(cue->clock);
        break;
    case GN__VERB_DNS:
        each_machine(cue, visit_names);
        break;
    case GN__VERB_PATH:
        apply_path(cue->clock, &cue->fault);
        break;
    default:
        each_machine(cue, visit_apply);
        break;
    }
}

static void cue_tell(const struct cue *cue, const char *what)
{
    char text[400];

    (void)gn__fault_format(&cue->fault, text, sizeof(text));
    gn__run_note(cue->clock, "%s: %s", what, text);
}

static void cue_begin(struct gn__act *act)
{
    struct cue *cue = gn__container_of(act, struct cue, begin);

    cue_tell(cue, "begins");
    if (cue->fault.verb == GN__VERB_CRASH) {
        each_machine(cue, crash_one);
    } else if (cue->fault.verb == GN__VERB_START) {
        await_none(cue);
        each_machine(cue, visit_start);
    } else {
        cue->is_on = true;
        gn__list_add_tail(&cue->clock->play->on, &cue->on);
        cue_apply(cue);
    }
}

static void cue_end(struct gn__act *act)
{
    struct cue *cue = gn__container_of(act, struct cue, end);

    cue_tell(cue, "ends");
    if (cue->fault.verb == GN__VERB_CRASH) {
        end_crash(cue);
        return;
    }
    cue->is_on = false;
    gn__list_del(&cue->on);
    cue_apply(cue);
}

/* ---- plans ---- */

static void cue_free(struct cue *cue)
{
    const struct gn__mem *mem = &cue->clock->mem;

    gn__list_del(&cue->link);
    gn__list_del(&cue->on);
    gn__free(mem, cue->off, cue->room_off * sizeof(*cue->off));
    gn__fault_done(mem, &cue->fault);
    gn__free(mem, cue, sizeof(*cue));
}

void gn__play_done(struct gn_clock *clock)
{
    struct gn__list *it;

    if (!clock->play)
        return;
    while ((it = gn__list_first(&clock->play->cues)))
        cue_free(gn__container_of(it, struct cue, link));
    gn__free(&clock->mem, clock->play, sizeof(*clock->play));
    clock->play = NULL;
}

static struct cue *cue_create(struct gn_clock *clock,
                              const struct gn__fault *fault)
{
    struct cue *cue = gn__zalloc(&clock->mem, sizeof(*cue));
    size_t n = gn__table_count(&clock->machines);

    if (!cue)
        return NULL;
    cue->clock = clock;
    gn__list_init(&cue->link);
    gn__list_init(&cue->on);
    if (gn__fault_copy(&clock->mem, fault, &cue->fault)) {
        gn__free(&clock->mem, cue, sizeof(*cue));
        return NULL;
    }
    if (fault->verb != GN__VERB_CRASH)
        return cue;
    cue->off = gn__zalloc_array(&clock->mem, n, sizeof(*cue->off));
    cue->room_off = cue->off ? n : 0;
    if (cue->off)
        return cue;
    cue_free(cue);
    return NULL;
}

/* The name has to be that of a machine that is there, and can have the
 * fault. */
static int check_name(struct gn_clock *clock, const struct gn__fault *fault,
                      const struct gn__plan_name *name, char *why,
                      size_t why_len)
{
    struct gn_machine *machine = gn_machine_find(clock, name->name);

    if (gn__name_is_all(name))
        return 0;
    if (!machine)
        return gn__text_refuse(why, why_len,
                               "line %u, column %u: there is no machine \"%s\"",
                               fault->line, name->column, name->name);
    if (fault->verb == GN__VERB_DNS && !machine->faults)
        return gn__text_refuse(
            why, why_len,
            "line %u, column %u: \"%s\" has no resolver; see "
            "gn_network_config.resolver",
            fault->line, name->column, name->name);
    return 0;
}

static int check_path(struct gn_clock *clock, const struct gn__fault *fault,
                      char *why, size_t why_len)
{
    const struct gn_machine *from, *to;

    if (fault->verb != GN__VERB_PATH)
        return 0;
    from = gn_machine_find(clock, fault->names[0].name);
    to = gn_machine_find(clock, fault->names[1].name);
    if (from->net == to->net)
        return 0;
    return gn__text_refuse(why, why_len,
                           "line %u, column %u: \"%s\" is in another network "
                           "than \"%s\"; a partition parts them anywhere",
                           fault->line, fault->names[1].column, to->name,
                           from->name);
}

static int check_plan(struct gn_clock *clock, const struct gn_plan *plan,
                      char *why, size_t why_len)
{
    size_t i;
    int err = 0;

    for (i = 0; i < plan->n && !err; i++) {
        const struct gn__fault *fault = &plan->faults[i];
        uint32_t j;

        for (j = 0; j < fault->n_names && !err; j++)
            err = check_name(clock, fault, &fault->names[j], why, why_len);
        if (!err)
            err = check_path(clock, fault, why, why_len);
    }
    return err;
}

static void cue_plan(struct cue *cue)
{
    uint64_t begin = cue->clock->now + cue->fault.at_ns;

    cue->begin.run = cue_begin;
    cue->end.run = cue_end;
    gn__list_add_tail(&cue->clock->play->cues, &cue->link);
    gn__clock_plan(cue->clock, &cue->begin, begin);
    if (cue->fault.verb == GN__VERB_START)
        each_machine(cue, await_one);
    if (cue->fault.for_ns)
        gn__clock_plan(cue->clock, &cue->end, begin + cue->fault.for_ns);
}

int gn_plan_apply(struct gn_clock *clock, const struct gn_plan *plan, char *why,
                  size_t why_len)
{
    struct gn__list cues, *it;
    size_t i;
    int err;

    if (!clock || !plan)
        return gn__text_refuse(why, why_len, "%s is NULL",
                               clock ? "plan" : "clock");
    err = check_plan(clock, plan, why, why_len);
    if (!err)
        err = play_open(clock);
    gn__list_init(&cues);
    for (i = 0; i < plan->n && !err; i++) {
        struct cue *cue = cue_create(clock, &plan->faults[i]);

        if (cue)
            gn__list_add_tail(&cues, &cue->link);
        else
            err = -ENOMEM;
    }
    while ((it = gn__list_pop(&cues))) {
        if (err)
            cue_free(gn__container_of(it, struct cue, link));
        else
            cue_plan(gn__container_of(it, struct cue, link));
    }
    return err;
}
