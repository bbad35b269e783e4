/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Machines: a guest with lives.
 *
 * A crash takes the tasks of a life before its namespace: first they let go of
 * what they wait for, so that nothing that ends wakes them; then the namespace
 * ends in silence; and then their stacks are given back, but for that of the
 * one that calls, which is left when it is.
 */
#include "sim/machine.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/config.h"
#include "base/text.h"
#include "base/units.h"
#include "sim/clock.h"
#include "sim/play.h"
#include "sim/sim.h"
#include "sim/task.h"

#define DISK_DEFAULT (UINT64_C(16) * 1024 * 1024)
#define YEAR_2000_S  UINT64_C(946684800)

static const char *const no_addresses[] = {NULL};

/* ---- those of a clock ---- */

void gn__machines_init(struct gn_clock *clock)
{
    gn__table_init(&clock->machines, &clock->mem, clock->rng.key);
}

void gn__machines_done(struct gn_clock *clock)
{
    gn__table_done(&clock->machines);
    gn__free(&clock->mem, clock->walls, sizeof(*clock->walls));
    gn__free(&clock->mem, clock->base_walls, sizeof(*clock->base_walls));
    clock->walls = clock->base_walls = NULL;
}

struct gn_machine *gn_machine_find(struct gn_clock *clock, const char *name)
{
    struct gn__table_node *node;

    if (!clock || !name)
        return NULL;
    node = gn__table_find(&clock->machines, name, strlen(name));
    return node ? gn__container_of(node, struct gn_machine, by_name) : NULL;
}

const char *gn_machine_name(const struct gn_machine *machine)
{
    return machine ? machine->name : "";
}

struct gn_namespace *gn_machine_namespace(struct gn_machine *machine)
{
    return machine ? machine->ns : NULL;
}

struct gn_machine *gn_task_machine(void)
{
    const struct gn_task *task = gn__task_current();

    return task ? task->machine : NULL;
}

/* ---- memory of a life ---- */

struct block {
    struct gn__list link;
    size_t size; /* with this head */
    alignas(max_align_t) uint8_t data[];
};

void *gn_machine_alloc(struct gn_machine *machine, size_t size)
{
    struct block *block;

    if (!machine || !machine->ns || size > SIZE_MAX / 2)
        return NULL;
    size += sizeof(*block);
    block = gn__zalloc(machine->mem, size);
    if (!block)
        return NULL;
    block->size = size;
    (void)pthread_mutex_lock(&machine->lock);
    gn__list_add_tail(&machine->blocks, &block->link);
    (void)pthread_mutex_unlock(&machine->lock);
    return block->data;
}

void gn_machine_free(struct gn_machine *machine, void *memory)
{
    struct block *block;

    if (!machine || !memory)
        return;
    block = gn__container_of(memory, struct block, data);
    (void)pthread_mutex_lock(&machine->lock);
    gn__list_del(&block->link);
    (void)pthread_mutex_unlock(&machine->lock);
    gn__free(machine->mem, block, block->size);
}

static void free_blocks(struct gn_machine *machine)
{
    struct gn__list *it;

    while ((it = gn__list_pop(&machine->blocks))) {
        struct block *block = gn__container_of(it, struct block, link);

        gn__free(machine->mem, block, block->size);
    }
}

/* ---- creating ---- */

static bool is_linklocal6(const struct gn_ip *ip)
{
    return ip->family == AF_INET6 && ip->bytes[0] == 0xfe &&
           (ip->bytes[1] & 0xc0) == 0x80;
}

static void free_addresses(struct gn_machine *machine)
{
    size_t n = 0;

    while (machine->addresses && machine->addresses[n])
        gn__strfree(machine->mem, machine->addresses[n++]);
    if (machine->addresses)
        gn__free(machine->mem, machine->addresses,
                 (n + 1) * sizeof(*machine->addresses));
    machine->addresses = NULL;
}

static int copy_addresses(struct gn_machine *machine, const char *const *from)
{
    size_t i, n = 0;

    while (from[n])
        n++;
    machine->addresses =
        gn__zalloc_array(machine->mem, n + 1, sizeof(*machine->addresses));
    if (!machine->addresses)
        return -ENOMEM;
    for (i = 0; i < n; i++) {
        machine->addresses[i] = gn__strdup(machine->mem, from[i]);
        if (!machine->addresses[i]) { /* What is freed is as long as it. */
            while (i > 0)
                gn__strfree(machine->mem, machine->addresses[--i]);
            gn__free(machine->mem, machine->addresses,
                     (n + 1) * sizeof(*machine->addresses));
            machine->addresses = NULL;
            return -ENOMEM;
        }
    }
    return 0;
}

/* A resolver that a plan can make fail goes before its own. */
static int add_faults(struct gn_machine *machine)
{
    struct gn_resolver_fault_config config = {.size = sizeof(config),
                                              .alloc = &machine->mem->a};

    config.inner = machine->config.resolver
                       ? machine->config.resolver
                       : gn__network_resolver(machine->net);
    if (!config.inner || !machine->clock)
        return 0;
    config.seed = gn__rng_u64(&machine->rng) | 1;
    return gn_resolver_fault(&config, &machine->faults);
}

static void machine_free(struct gn_machine *machine)
{
    struct gn__engine *engine = machine->engine;

    gn_resolver_close(machine->faults);
    free_blocks(machine);
    gn__disk_done(&machine->disk);
    free_addresses(machine);
    (void)pthread_cond_destroy(&machine->idle);
    (void)pthread_mutex_destroy(&machine->lock);
    gn__free(machine->mem, machine, sizeof(*machine));
    gn__engine_unref(engine);
}

static struct gn_machine *machine_alloc(struct gn_network *net,
                                        const struct gn_machine_config *config)
{
    struct gn__engine *engine = gn__network_engine(net);
    struct gn_machine *machine = gn__zalloc(&engine->net.mem, sizeof(*machine));

    if (!machine)
        return NULL;
    gn__engine_ref(engine);
    machine->mem = &engine->net.mem;
    machine->engine = engine;
    machine->clock = gn__clock_of(engine);
    machine->net = net;
    machine->boot = config->boot;
    machine->crashed = config->crashed;
    machine->arg = config->arg;
    machine->task = (struct gn_task_config){.size = sizeof(machine->task),
                                            .name = "boot",
                                            .stack_bytes = config->stack_bytes,
                                            .daemon = config->daemon};
    machine->config = *config->ns;
    machine->config.why = NULL;
    (void)snprintf(machine->name, sizeof(machine->name), "%s",
                   config->ns->name);
    machine->config.name = machine->name;
    if (config->link)
        machine->link = *config->link;
    gn__list_init(&machine->tasks);
    gn__list_init(&machine->blocks);
    gn__cogroup_init(&machine->cogroup);
    (void)pthread_mutex_init(&machine->lock, NULL);
    (void)pthread_cond_init(&machine->idle, NULL);
    machine->disk_bytes =
        config->disk_bytes ? config->disk_bytes : DISK_DEFAULT;
    gn__disk_init(&machine->disk, machine->mem, machine->disk_bytes);
    return machine;
}

static void seed_machine(struct gn_machine *machine)
{
    char name[sizeof(machine->name) + 16];
    int len = snprintf(name, sizeof(name), "machine %s", machine->name);

    gn__rng_init(&machine->rng,
                 machine->clock ? machine->clock->rng.key
                                : machine->engine->rng.key,
                 name, (size_t)len);
}

static int machine_enlist(struct gn_machine *machine,
                          const struct gn_namespace_config *ns)
{
    struct gn_clock *clock = machine->clock;

    if (!clock)
        return 0;
    if (gn_machine_find(clock, machine->name)) {
        (void)gn__text_refuse(ns->why, ns->why_len,
                              "name \"%s\": another machine of this clock has "
                              "it",
                              machine->name);
        return -EADDRINUSE;
    }
    return gn__table_add(&clock->machines, &machine->by_name, machine->name,
                         strlen(machine->name));
}

static int check_config(const struct gn_machine_config *config)
{
    const struct gn_namespace_config *ns;

    if (!config ||
        !gn__config_is_known(config, config->size, sizeof(*config)) ||
        !config->ns)
        return -EINVAL;
    ns = config->ns;
    if (!gn__config_is_known(ns, ns->size, sizeof(*ns)))
        return -EINVAL;
    if (!ns->name || !config->boot)
        return gn__text_refuse(ns->why, ns->why_len, "%s is NULL",
                               ns->name ? "boot" : "ns->name");
    if (gn__label_check(ns->name, ns->why, ns->why_len))
        return -EINVAL;
    if (config->link && !gn__link_config_is_valid(config->link))
        return gn__text_refuse(ns->why, ns->why_len,
                               "link: a size that is unknown, or a portion "
                               "above 1000000 ppm");
    return gn__stack_check(config->stack_bytes, ns->why, ns->why_len);
}

int gn_machine_create(struct gn_network *net,
                      const struct gn_machine_config *config,
                      struct gn_machine **out)
{
    struct gn_machine *machine;
    int err = check_config(config);

    if (err || !net || !out)
        return -EINVAL;
    machine = machine_alloc(net, config);
    if (!machine)
        return -ENOMEM;
    seed_machine(machine);
    if (config->ns->addresses)
        err = copy_addresses(machine, config->ns->addresses);
    if (!err)
        err = add_faults(machine);
    if (!err)
        err = machine_enlist(machine, config->ns);
    if (err)
        machine_free(machine);
    else
        *out = machine;
    return err;
}

/* ---- tasks ---- */

/* In real time tasks are threads, which a machine that closes waits for. */
static void count_thread(struct gn_machine *machine, int n)
{
    (void)pthread_mutex_lock(&machine->lock);
    machine->n_threads += n;
    if (!machine->n_threads)
        (void)pthread_cond_broadcast(&machine->idle);
    (void)pthread_mutex_unlock(&machine->lock);
}

void gn__machine_task_add(struct gn_task *task, const struct gn_task *starter,
                          bool handle)
{
    struct gn_machine *machine = gn__ns_machine(task->ns);

    task->machine = machine;
    gn__list_init(&task->of_machine);
    if (!machine)
        return;
    task->daemon = task->daemon || machine->task.daemon;
    task->handle_inside = handle && starter && starter->machine == machine;
    if (!machine->clock) {
        count_thread(machine, 1);
        return;
    }
    gn__list_add_tail(&machine->tasks, &task->of_machine);
    task->as.coroutine.group = &machine->cogroup;
}

void gn__machine_task_del(struct gn_task *task)
{
    gn__list_del(&task->of_machine);
}

void gn__machine_task_ended(struct gn_machine *machine)
{
    if (machine && !machine->clock)
        count_thread(machine, -1);
}

/* ---- its addresses ---- */

/* It is off: no other guest gets them, unless there is no memory for that. */
static void keep_addresses(struct gn_machine *machine)
{
    const char *text;
    struct gn__addr addr;

    gn__engine_enter(machine->engine);
    while (machine->addresses && (text = machine->addresses[machine->n_kept]) &&
           !gn__addr_parse(text, &addr) &&
           !gn__net_reserve(machine->net, &addr))
        machine->n_kept++;
    gn__engine_leave(machine->engine);
}

/* For its next life, or for others. */
static void give_addresses(struct gn_machine *machine)
{
    struct gn__addr addr;

    gn__engine_enter(machine->engine);
    while (machine->n_kept &&
           !gn__addr_parse(machine->addresses[--machine->n_kept], &addr))
        gn__net_release(machine->net, &addr);
    gn__engine_leave(machine->engine);
}

/* ---- on ---- */

/* The addresses it got first are its own from then on. */
static int note_addresses(struct gn_machine *machine)
{
    char text[GN_INTERFACE_ADDRS][GN_ADDR_TEXT_MAX];
    const char *list[GN_INTERFACE_ADDRS + 1];
    struct gn_interface eth0;
    size_t i, n = 0;

    if (machine->addresses)
        return 0;
    if (gn_namespace_interface_by_name(machine->ns, "eth0", &eth0))
        return copy_addresses(machine, no_addresses);
    for (i = 0; i < eth0.n_addrs; i++) {
        const struct gn_ip *ip = &eth0.addrs[i].ip;

        if (is_linklocal6(ip) || gn_ip_format(ip, text[n], sizeof(text[n])))
            continue;
        list[n] = text[n];
        n++;
    }
    list[n] = NULL;
    return copy_addresses(machine, list);
}

/* What a life begins with. */
static void machine_apply(struct gn_machine *machine)
{
    int err;

    if (machine->clock) {
        machine->drift_now = 0;
        if (machine->clock->play && !machine->group_now)
            gn__play_regroup(machine->clock);
        gn__play_apply(machine);
    } else {
        err = gn_link_set(machine->ns, NULL, &machine->link);
        (void)err; /* Without prefixes it has no eth0. */
    }
}

static int machine_open(struct gn_machine *machine)
{
    struct gn_namespace_config config = machine->config;
    int err;

    config.addresses = machine->addresses && machine->addresses[0]
                           ? (const char *const *)machine->addresses
                           : NULL;
    if (machine->faults)
        config.resolver = machine->faults;
    config.life = machine->life;
    err = gn_namespace_create(machine->net, &config, &machine->ns);
    if (err)
        return err;
    err = note_addresses(machine);
    if (err) {
        gn_namespace_close(machine->ns, GN_CLOSE_SILENT, NULL, NULL);
        machine->ns = NULL;
        return err;
    }
    gn__ns_set_machine(machine->ns, machine);
    machine_apply(machine);
    return 0;
}

int gn_machine_start(struct gn_machine *machine)
{
    int err;

    if (!machine)
        return -EINVAL;
    if (machine->ns)
        return -EALREADY;
    give_addresses(machine);
    err = machine_open(machine);
    if (err)
        goto off;
    err = gn_task_start(machine->ns, &machine->task, machine->boot,
                        machine->arg, NULL);
    if (err) {
        gn_namespace_close(machine->ns, GN_CLOSE_SILENT, NULL, NULL);
        machine->ns = NULL;
        goto off;
    }
    machine->life++;
    return 0;

off:
    if (machine->life)
        keep_addresses(machine);
    return err;
}

/* ---- off ---- */

static void doom_tasks(struct gn_machine *machine)
{
    struct gn__list *it;

    gn__list_foreach (it, &machine->tasks) {
        struct gn_task *task = gn__container_of(it, struct gn_task, of_machine);

        if (!task->ended)
            gn__cosched_doom(&task->as.coroutine);
    }
}

static void end_tasks(struct gn_machine *machine)
{
    struct gn__list *it;

    while ((it = gn__list_pop(&machine->tasks))) {
        struct gn_task *task = gn__container_of(it, struct gn_task, of_machine);
        bool handle_inside = task->handle_inside;

        task->machine = NULL;
        task->handle_inside = false;
        if (!task->ended)
            gn__cosched_drop(&task->as.coroutine);
        if (handle_inside)
            gn__task_unref(task);
    }
}

static void power_off(struct gn_machine *machine)
{
    struct gn_namespace *ns = machine->ns;

    machine->ns = NULL;
    machine->pause = machine->pause_now = GN_PAUSE_NONE;
    doom_tasks(machine);
    gn__cogroup_hold(&machine->cogroup, false);
    gn__ns_cut(ns, machine);
    keep_addresses(machine);
    end_tasks(machine);
    free_blocks(machine);
    gn__disk_crash(&machine->disk, &machine->rng);
    if (machine->crashed)
        machine->crashed(machine->arg);
}

int gn_machine_crash(struct gn_machine *machine)
{
    bool is_own;

    if (!machine)
        return -EINVAL;
    if (!machine->clock)
        return -ENOTSUP;
    if (!machine->ns)
        return -EALREADY;
    is_own = gn_task_machine() == machine;
    power_off(machine);
    if (is_own)
        gn__cosched_give_up(&machine->clock->sched);
    return 0;
}

static void join_threads(struct gn_machine *machine)
{
    gn_namespace_kill(machine->ns);
    (void)pthread_mutex_lock(&machine->lock);
    while (machine->n_threads)
        (void)pthread_cond_wait(&machine->idle, &machine->lock);
    (void)pthread_mutex_unlock(&machine->lock);
    gn_namespace_close(machine->ns, 0, NULL, NULL);
}

void gn_machine_close(struct gn_machine *machine)
{
    if (!machine)
        return;
    if (machine->clock) {
        if (machine->ns)
            power_off(machine);
        give_addresses(machine);
        gn__table_del(&machine->clock->machines, &machine->by_name);
    } else {
        join_threads(machine);
    }
    machine_free(machine);
}

/* ---- pauses, clocks, groups ---- */

int gn_machine_pause(struct gn_machine *machine, enum gn_pause how)
{
    if (!machine || (unsigned)how > GN_PAUSE_ALL)
        return -EINVAL;
    if (!machine->clock)
        return -ENOTSUP;
    if (!machine->ns)
        return -ESRCH;
    machine->pause = how;
    gn__play_apply(machine);
    return 0;
}

void gn__machine_stand(struct gn_machine *machine, enum gn_pause how)
{
    if (how == machine->pause_now)
        return;
    machine->pause_now = how;
    gn__cogroup_hold(&machine->cogroup, how != GN_PAUSE_NONE);
    gn__ns_hold(machine->ns, how == GN_PAUSE_ALL);
}

int gn_machine_set_clock(struct gn_machine *machine, int64_t offset_ns,
                         int32_t drift_ppb)
{
    if (!machine || drift_ppb <= -1000000000)
        return -EINVAL;
    if (!machine->clock)
        return -ENOTSUP;
    machine->offset_ns = offset_ns;
    machine->drift_ppb = drift_ppb;
    if (machine->ns)
        gn__play_apply(machine);
    return 0;
}

int gn_machine_set_group(struct gn_machine *machine, uint32_t group)
{
    if (!machine || group >= GN_GROUPS_MAX)
        return -EINVAL;
    if (!machine->clock)
        return -ENOTSUP;
    machine->group = group;
    gn__play_regroup(machine->clock);
    return 0;
}

int gn_partition_set(struct gn_clock *clock, uint32_t from, uint32_t to,
                     bool block)
{
    _Static_assert(GN_GROUPS_MAX == GN__GROUPS_MAX, "one number");

    if (!clock || from >= GN_GROUPS_MAX || to >= GN_GROUPS_MAX)
        return -EINVAL;
    if (!clock->base_walls)
        clock->base_walls = gn__zalloc(&clock->mem, sizeof(*clock->base_walls));
    if (!clock->base_walls)
        return -ENOMEM;
    gn__walls_set(clock->base_walls, from, to, block);
    gn__play_regroup(clock);
    return 0;
}

uint64_t gn_wall_ns(struct gn_namespace *ns)
{
    const struct gn_machine *machine;
    struct timespec now;

    if (!ns)
        return 0;
    if (!gn__clock_of(gn__ns_engine(ns))) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * GN__NS_PER_S + (uint64_t)now.tv_nsec;
    }
    machine = gn__ns_machine(ns);
    return YEAR_2000_S * GN__NS_PER_S + gn_now_ns(ns) +
           (uint64_t)(machine ? machine->offset_now : 0);
}

/* ---- files ---- */

ssize_t gn_disk_read(struct gn_machine *machine, const char *file, uint64_t at,
                     void *data, size_t len)
{
    ssize_t n;

    if (!machine)
        return -EINVAL;
    (void)pthread_mutex_lock(&machine->lock);
    n = gn__disk_read(&machine->disk, file, at, data, len);
    (void)pthread_mutex_unlock(&machine->lock);
    return n;
}

ssize_t gn_disk_write(struct gn_machine *machine, const char *file, uint64_t at,
                      const void *data, size_t len)
{
    ssize_t n;

    if (!machine)
        return -EINVAL;
    (void)pthread_mutex_lock(&machine->lock);
    n = gn__disk_write(&machine->disk, file, at, data, len);
    (void)pthread_mutex_unlock(&machine->lock);
    return n;
}

int gn_disk_truncate(struct gn_machine *machine, const char *file,
                     uint64_t size)
{
    int err;

    if (!machine)
        return -EINVAL;
    (void)pthread_mutex_lock(&machine->lock);
    err = gn__disk_truncate(&machine->disk, file, size);
    (void)pthread_mutex_unlock(&machine->lock);
    return err;
}

int gn_disk_sync(struct gn_machine *machine, const char *file)
{
    int err;

    if (!machine)
        return -EINVAL;
    (void)pthread_mutex_lock(&machine->lock);
    err = gn__disk_sync(&machine->disk, file);
    (void)pthread_mutex_unlock(&machine->lock);
    return err;
}

ssize_t gn_disk_size(struct gn_machine *machine, const char *file)
{
    ssize_t n;

    if (!machine)
        return -EINVAL;
    (void)pthread_mutex_lock(&machine->lock);
    n = gn__disk_size(&machine->disk, file);
    (void)pthread_mutex_unlock(&machine->lock);
    return n;
}
