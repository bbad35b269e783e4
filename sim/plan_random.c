/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Plans that the seed decides. Which kinds there are at all is drawn first, and
 * then each kind from a stream of its own, so that a change of one leaves the
 * others as they were.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/units.h"
#include "sim/clock.h"
#include "sim/machine.h"
#include "sim/plan.h"

#define DURATION_DEFAULT (60 * GN__NS_PER_S)
#define FAULTS_DEFAULT   4u
#define FAULTS_MAX       1000u
#define MS               UINT64_C(1000000)

struct drawing {
    struct gn_clock *clock;
    struct gn_plan *plan;
    struct gn_plan_config config;
    struct gn_machine **machines;
    size_t n;
    uint64_t room_ns; /* in which faults begin and end */
    struct gn__plan_name *names;
    struct gn__rng rng; /* of the kind that is drawn */
};

/* ---- one fault ---- */

static uint64_t draw_between(struct drawing *d, uint64_t low, uint64_t high)
{
    return low + gn__rng_below(&d->rng, high - low + 1);
}

/* Whole milliseconds, as a person would write them. */
static void draw_times(struct drawing *d, struct gn__fault *fault)
{
    uint64_t room = d->room_ns / MS;
    uint64_t lasts = draw_between(d, 1, d->config.max_for_ns / MS);

    /* Short ones as often as long ones. */
    lasts = 1 + lasts / (UINT64_C(1) << gn__rng_below(&d->rng, 6));
    fault->at_ns = draw_between(d, 0, room - lasts) * MS;
    fault->for_ns = lasts * MS;
}

static void name_machine(struct drawing *d, struct gn__fault *fault, size_t i,
                         uint8_t side)
{
    struct gn__plan_name *name = &fault->names[fault->n_names++];

    memset(name, 0, sizeof(*name));
    memcpy(name->name, d->machines[i]->name, sizeof(name->name));
    name->side = side;
}

static void set_option(struct gn__fault *fault, unsigned option, int64_t value)
{
    fault->set |= 1u << option;
    fault->values[option] = value;
}

static void draw_any(struct drawing *d, struct gn__fault *fault)
{
    name_machine(d, fault, gn__rng_below(&d->rng, d->n), 1);
}

static void draw_all(struct drawing *d, struct gn__fault *fault)
{
    size_t i;

    for (i = 0; i < d->n && i < GN__PLAN_NAMES_MAX; i++)
        name_machine(d, fault, i, 1);
}

/* Each machine on one side or the other, and both sides with some. */
static void draw_partition(struct drawing *d, struct gn__fault *fault)
{
    size_t n = d->n < GN__PLAN_NAMES_MAX ? d->n : GN__PLAN_NAMES_MAX;
    size_t left = gn__rng_below(&d->rng, n), i;
    uint64_t sides = gn__rng_u64(&d->rng);
    uint8_t side;

    fault->n_sides = 2;
    fault->one_way = gn__rng_below(&d->rng, 4) == 0;
    for (side = 1; side <= 2; side++) {
        for (i = 0; i < n; i++) {
            bool is_left = i == left || (sides >> i % 64 & 1);

            if (i == (left + 1) % n)
                is_left = false;
            if (is_left == (side == 1))
                name_machine(d, fault, i, side);
        }
    }
}

static void draw_link(struct drawing *d, struct gn__fault *fault)
{
    draw_any(d, fault);
    switch (gn__rng_below(&d->rng, 4)) {
    case 0:
        set_option(fault, GN__LINK_LATENCY,
                   (int64_t)(draw_between(d, 1, 500) * MS));
        break;
    case 1:
        set_option(fault, GN__LINK_LOSS,
                   (int64_t)draw_between(d, 1, 50) * 10000);
        break;
    case 2:
        set_option(fault, GN__LINK_REORDER,
                   (int64_t)draw_between(d, 1, 30) * 10000);
        set_option(fault, GN__LINK_LATENCY,
                   (int64_t)(draw_between(d, 1, 50) * MS));
        break;
    default:
        set_option(fault, GN__LINK_DUPLICATE,
                   (int64_t)draw_between(d, 1, 30) * 10000);
        break;
    }
}

static void draw_clock(struct drawing *d, struct gn__fault *fault)
{
    int64_t sign = gn__rng_below(&d->rng, 2) ? 1 : -1;

    draw_any(d, fault);
    if (gn__rng_below(&d->rng, 2))
        set_option(fault, GN__CLOCK_OFFSET,
                   sign * (int64_t)(draw_between(d, 1, 5000) * MS));
    else
        set_option(fault, GN__CLOCK_DRIFT,
                   sign * (int64_t)draw_between(d, 1, 50000) * 1000);
}

static void draw_dns(struct drawing *d, struct gn__fault *fault)
{
    static const unsigned kinds[] = {GN__DNS_SERVFAIL, GN__DNS_NXDOMAIN,
                                     GN__DNS_EMPTY, GN__DNS_HANG};
    size_t i = gn__rng_below(&d->rng, d->n), tries;

    for (tries = 0; tries < d->n && !d->machines[i]->faults; tries++)
        i = (i + 1) % d->n;
    if (d->machines[i]->faults)
        name_machine(d, fault, i, 1);
    set_option(fault, kinds[gn__rng_below(&d->rng, 4)], 1);
}

/* From one machine to another of its network; to none, if there is none. */
static void draw_path(struct drawing *d, struct gn__fault *fault)
{
    size_t from = gn__rng_below(&d->rng, d->n);
    size_t to = gn__rng_below(&d->rng, d->n), tries;

    for (tries = 0; tries < d->n; tries++, to = (to + 1) % d->n) {
        if (to != from && d->machines[to]->net == d->machines[from]->net)
            break;
    }
    if (tries < d->n) {
        name_machine(d, fault, from, 1);
        name_machine(d, fault, to, 1);
    }
    switch (gn__rng_below(&d->rng, 4)) {
    case 0:
        set_option(fault, GN__PATH_LATENCY,
                   (int64_t)(draw_between(d, 1, 500) * MS));
        break;
    case 1:
        set_option(fault, GN__PATH_LOSS,
                   (int64_t)draw_between(d, 1, 50) * 10000);
        break;
    case 2:
        set_option(fault, GN__PATH_BLOCK, 1);
        break;
    default:
        set_option(fault, GN__PATH_HOLD, 1);
        break;
    }
}

static void draw_limit(struct drawing *d, struct gn__fault *fault)
{
    static const struct {
        unsigned option;
        uint64_t low, high, unit;
    } limits[] = {{GN__LIMIT_SOCKETS, 1, 16, 1},
                  {GN__LIMIT_CONNECTIONS, 1, 8, 1},
                  {GN__LIMIT_LOOKUPS, 1, 4, 1},
                  {GN__LIMIT_BUFFERED, 1, 64, 1024},
                  {GN__LIMIT_DISK, 1, 64, 1024}};
    size_t i = gn__rng_below(&d->rng, sizeof(limits) / sizeof(*limits));

    draw_any(d, fault);
    set_option(fault, limits[i].option,
               (int64_t)(draw_between(d, limits[i].low, limits[i].high) *
                         limits[i].unit));
}

/* ---- kinds ---- */

static const struct kind {
    unsigned bit;
    const char *name;
    enum gn__verb verb;
    bool is_down; /* a machine less */
    size_t least; /* machines that it takes */
    void (*draw)(struct drawing *d, struct gn__fault *fault);
} kinds[] = {
    {GN_PLAN_CRASH, "crash", GN__VERB_CRASH, true, 1, draw_any},
    {GN_PLAN_PAUSE, "pause", GN__VERB_PAUSE, true, 1, draw_any},
    {GN_PLAN_STOP, "stop", GN__VERB_STOP, true, 1, draw_any},
    {GN_PLAN_PARTITION, "partition", GN__VERB_PARTITION, false, 2,
     draw_partition},
    {GN_PLAN_LINK, "link", GN__VERB_LINK, false, 1, draw_link},
    {GN_PLAN_CLOCK, "clock", GN__VERB_CLOCK, false, 1, draw_clock},
    {GN_PLAN_DNS, "dns", GN__VERB_DNS, false, 1, draw_dns},
    {GN_PLAN_POWER, "power", GN__VERB_CRASH, false, 2, draw_all},
    {GN_PLAN_PATH, "path", GN__VERB_PATH, false, 2, draw_path},
    {GN_PLAN_LIMIT, "limit", GN__VERB_LIMIT, false, 1, draw_limit},
};

#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

static bool is_down_verb(enum gn__verb verb)
{
    return verb == GN__VERB_CRASH || verb == GN__VERB_PAUSE ||
           verb == GN__VERB_STOP;
}

/* Are more machines down while this one is, itself included, than may be? Each
 * fault counts, so it is never less than there are. */
static bool is_too_much(const struct drawing *d, const struct gn__fault *fault)
{
    uint64_t end = fault->at_ns + fault->for_ns;
    uint32_t n = 1;
    size_t i;

    for (i = 0; i < d->plan->n; i++) {
        const struct gn__fault *other = &d->plan->faults[i];

        if (is_down_verb(other->verb) && other->at_ns < end &&
            fault->at_ns < other->at_ns + other->for_ns)
            n++;
    }
    return n > d->config.max_down;
}

static int draw_fault(struct drawing *d, const struct kind *kind)
{
    struct gn__fault fault = {.verb = kind->verb, .names = d->names};

    draw_times(d, &fault);
    kind->draw(d, &fault);
    if (!fault.n_names || (kind->is_down && is_too_much(d, &fault)))
        return 0;
    return gn__plan_add(d->plan, &fault);
}

static int draw_kind(struct drawing *d, const struct kind *kind)
{
    char name[32];
    uint64_t n;
    int len = snprintf(name, sizeof(name), "plan %s", kind->name);
    int err = 0;

    gn__rng_init(&d->rng, d->clock->rng.key, name, (size_t)len);
    if (d->n < kind->least)
        return 0;
    for (n = draw_between(d, 1, d->config.max_faults); n > 0 && !err; n--)
        err = draw_fault(d, kind);
    return err;
}

static int draw_kinds(struct drawing *d)
{
    struct gn__rng swarm;
    unsigned on;
    size_t i;
    int err = 0;

    gn__rng_init(&swarm, d->clock->rng.key, "plan swarm", 10);
    on = (unsigned)gn__rng_u64(&swarm);
    for (i = 0; i < N_KINDS && !err; i++) {
        if (d->config.kinds & on & kinds[i].bit)
            err = draw_kind(d, &kinds[i]);
    }
    return err;
}

/* By the time at which they begin. */
static void sort_faults(struct gn_plan *plan)
{
    size_t i, j;

    for (i = 1; i < plan->n; i++) {
        struct gn__fault fault = plan->faults[i];

        for (j = i; j > 0 && plan->faults[j - 1].at_ns > fault.at_ns; j--)
            plan->faults[j] = plan->faults[j - 1];
        plan->faults[j] = fault;
    }
}

/* ---- the call ---- */

static int find_machines(struct drawing *d)
{
    const char *const *name = d->config.machines;
    struct gn__table_node *node;

    if (!name) {
        gn__table_foreach (node, &d->clock->machines)
            d->machines[d->n++] =
                gn__container_of(node, struct gn_machine, by_name);
        return 0;
    }
    for (; *name; name++) {
        struct gn_machine *machine = gn_machine_find(d->clock, *name);

        if (!machine || d->n == gn__table_count(&d->clock->machines))
            return -EINVAL;
        d->machines[d->n++] = machine;
    }
    return 0;
}

static void fill_config(struct drawing *d)
{
    struct gn_plan_config *c = &d->config;

    if (!c->kinds)
        c->kinds = GN_PLAN_USUAL;
    if (!c->duration_ns)
        c->duration_ns = DURATION_DEFAULT;
    if (!c->calm_ns)
        c->calm_ns = c->duration_ns / 4;
    if (!c->max_faults)
        c->max_faults = FAULTS_DEFAULT;
    if (!c->max_down)
        c->max_down = d->n > 2 ? (uint32_t)(d->n - 1) / 2 : 1;
    d->room_ns = c->duration_ns > c->calm_ns ? c->duration_ns - c->calm_ns : 0;
    if (!c->max_for_ns || c->max_for_ns > d->room_ns / 2)
        c->max_for_ns = d->room_ns / 2;
    if (c->max_for_ns < MS)
        c->max_for_ns = MS;
}

static int check_config(const struct gn_plan_config *config)
{
    if (!config)
        return 0;
    return gn__config_is_known(config, config->size, sizeof(*config)) &&
                   !(config->kinds & ~(unsigned)GN_PLAN_ALL) &&
                   config->max_faults <= FAULTS_MAX &&
                   config->duration_ns <= GN__PLAN_TIME_MAX
               ? 0
               : -EINVAL;
}

static int draw_plan(struct drawing *d)
{
    int err = find_machines(d);

    if (err)
        return err;
    fill_config(d);
    if (!d->n || d->room_ns < 10 * MS)
        return 0;
    err = draw_kinds(d);
    sort_faults(d->plan);
    return err;
}

int gn_plan_random(struct gn_clock *clock, const struct gn_plan_config *config,
                   struct gn_plan **out)
{
    struct drawing d = {.clock = clock};
    struct gn__mem mem;
    size_t n;
    int err = -ENOMEM;

    if (!clock || !out || check_config(config))
        return -EINVAL;
    if (config)
        d.config = *config;
    gn__mem_init(&mem, NULL);
    n = gn__table_count(&clock->machines) + 1;
    d.machines = gn__zalloc_array(&mem, n, sizeof(*d.machines));
    d.names = gn__zalloc_array(&mem, GN__PLAN_NAMES_MAX, sizeof(*d.names));
    d.plan = gn__plan_create(&mem);
    if (d.machines && d.names && d.plan)
        err = draw_plan(&d);
    gn__free(&mem, d.machines, n * sizeof(*d.machines));
    gn__free(&mem, d.names, GN__PLAN_NAMES_MAX * sizeof(*d.names));
    if (err)
        gn_plan_close(d.plan);
    else
        *out = d.plan;
    return err;
}
