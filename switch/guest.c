/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "switch/log.h"
#include "switch/names.h"
#include "switch/internal.h"

/* ---- limits ---- */

void gn__limits_fill(struct gn_limits *limits, const struct gn_limits *defaults)
{
    if (!limits->max_sockets)
        limits->max_sockets = defaults->max_sockets;
    if (!limits->max_connections)
        limits->max_connections = defaults->max_connections;
    if (!limits->max_time_wait)
        limits->max_time_wait = defaults->max_time_wait;
    if (!limits->max_groups)
        limits->max_groups = defaults->max_groups;
    if (!limits->max_buffered)
        limits->max_buffered = defaults->max_buffered;
    if (!limits->icmp_per_second)
        limits->icmp_per_second = defaults->icmp_per_second;
    if (!limits->max_outgoing)
        limits->max_outgoing = defaults->max_outgoing;
    if (!limits->max_flows)
        limits->max_flows = defaults->max_flows;
    if (!limits->max_lookups)
        limits->max_lookups = defaults->max_lookups;
    if (!limits->max_descriptors)
        limits->max_descriptors = defaults->max_descriptors;
    if (!limits->lookup_timeout_ms)
        limits->lookup_timeout_ms = defaults->lookup_timeout_ms;
    if (!limits->max_timers)
        limits->max_timers = defaults->max_timers;
}

/* ---- life ---- */

int gn__guest_init(struct gn__guest *guest, struct gn_network *net,
                   const struct gn__guest_config *config)
{
    struct gn__engine *engine = net->engine;

    memset(guest, 0, sizeof(*guest));
    guest->account = config->account ? gn__account_ref(config->account)
                                     : gn__account_create(&engine->net.mem);
    if (!guest->account)
        return -ENOMEM;
    gn__engine_ref(engine);
    guest->engine = engine;
    gn__ref_init(&guest->refs, 1);
    guest->freed = config->freed;
    guest->home = net;
    guest->ns = config->ns;
    guest->id = ++engine->last_generation;
    guest->resolver = config->resolver;
    guest->life = config->life;
    if (config->limits)
        guest->limits = *config->limits;
    gn__limits_fill(&guest->limits, &net->limits);
    gn__list_init(&guest->ports);
    return 0;
}

static void end_names(struct gn__guest *guest)
{
    if (!guest->names)
        return;
    gn__names_done(guest->names);
    gn__free(&guest->engine->net.mem, guest->names, sizeof(*guest->names));
    guest->names = NULL;
}

void gn__guest_end(struct gn__guest *guest)
{
    if (guest->name[0])
        gn__table_del(&guest->home->names, &guest->by_name);
    end_names(guest);
    guest->home = NULL;
    gn__sched_end(&guest->engine->deferred, guest->account);
}

void gn__guest_ref(struct gn__guest *guest)
{
    gn__ref_take(&guest->refs);
}

void gn__guest_unref(struct gn__guest *guest)
{
    struct gn__engine *engine = guest->engine;

    if (!gn__ref_give(&guest->refs))
        return;
    gn__account_unref(guest->account);
    guest->freed(guest);
    gn__engine_unref(engine);
}

/* ---- names ---- */

static char account_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int gn__guest_take_name(struct gn__guest *guest, const char *name, char *why,
                        size_t why_len)
{
    struct gn_network *net = guest->home;
    size_t i, len = strlen(name);
    int err;

    for (i = 0; i < len; i++)
        guest->key_name[i] = account_lower(name[i]);
    if (gn__table_find(&net->names, guest->key_name, len)) {
        (void)gn__text_refuse(
            why, why_len,
            "name \"%.70s\": another guest of network \"%s\" has it", name,
            net->name);
        return -EADDRINUSE;
    }
    err = gn__table_add(&net->names, &guest->by_name, guest->key_name, len);
    if (!err)
        memcpy(guest->name, name, len);
    return err;
}

const struct gn__addr *gn__guest_addr(const struct gn__guest *guest)
{
    struct gn__list *it;

    gn__list_foreach (it, &guest->ports) {
        struct gn__port *port = gn__container_of(it, struct gn__port, of_owner);
        struct gn__list *first = gn__list_first(&port->addrs);

        if (first)
            return &gn__container_of(first, struct gn__port_addr, of_port)
                        ->addr;
    }
    return NULL;
}

/* "ip-10-77-0-2", as clouds name what has no name. */
static void name_by_addr(const struct gn__addr *addr, char *out, size_t cap)
{
    char text[GN__ADDR_TEXT];
    char *p;

    gn__addr_format(addr, text, sizeof(text));
    for (p = text; *p; p++) {
        if (*p == '.' || *p == ':')
            *p = '-';
    }
    (void)snprintf(out, cap, "ip-%s", text);
}

void gn__guest_hostname(const struct gn__guest *guest, char *out, size_t cap)
{
    const struct gn__addr *addr = gn__guest_addr(guest);

    if (guest->name[0])
        (void)snprintf(out, cap, "%s", guest->name);
    else if (addr)
        name_by_addr(addr, out, cap);
    else
        (void)snprintf(out, cap, "localhost");
}

void gn__guest_identify(struct gn__guest *guest, const char *as, uint64_t n)
{
    const struct gn__addr *addr = gn__guest_addr(guest);
    char text[GN__ADDR_TEXT];

    if (as)
        (void)snprintf(guest->identity, sizeof(guest->identity), "%s", as);
    else if (guest->name[0])
        (void)snprintf(guest->identity, sizeof(guest->identity), "name %s",
                       guest->key_name);
    else if (addr)
        (void)snprintf(guest->identity, sizeof(guest->identity), "addr %s",
                       gn__addr_format(addr, text, 48));
    else
        (void)snprintf(guest->identity, sizeof(guest->identity), "number %llu",
                       (unsigned long long)n);
    if (guest->life)
        (void)snprintf(guest->stream, sizeof(guest->stream), "%s life %u",
                       guest->identity, guest->life);
    else
        (void)snprintf(guest->stream, sizeof(guest->stream), "%s",
                       guest->identity);
}

bool gn__guest_is_in(const struct gn__guest *guest,
                     const struct gn_network *net)
{
    struct gn__list *it;

    gn__list_foreach (it, &guest->ports) {
        if (gn__container_of(it, struct gn__port, of_owner)->net == net)
            return true;
    }
    return false;
}

int gn__guest_keep_names(struct gn__guest *guest, struct gn__rng *rng)
{
    const struct gn__mem *mem = &guest->engine->net.mem;
    uint64_t key[2];

    guest->names = gn__zalloc(mem, sizeof(*guest->names));
    if (!guest->names)
        return -ENOMEM;
    gn__rng_fill(rng, key, sizeof(key));
    gn__names_init(guest->names, mem, key);
    return 0;
}

/* ---- the rest ---- */

void gn__guest_drop(struct gn__guest *guest, enum gn_drop why)
{
    guest->stats.drops[why]++;
    gn__log_drop(guest->home, guest, why);
}

struct gn_network *gn__guest_network(struct gn__guest *guest)
{
    struct gn_network *net;

    gn__engine_enter(guest->engine);
    net = guest->home;
    gn__engine_leave(guest->engine);
    return net;
}
