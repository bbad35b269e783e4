/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Names from a list. Every name is an entry in one table, wildcards under
 * "*.svc.test"; a question looks for the name itself, then for "*" in place of
 * its first label, of its first two, and so on, so that the nearest wildcard
 * answers (RFC 4592 without its finer points). Entries know their addresses in
 * the order they were added; a second table leads from addresses to the first
 * entry that has them.
 *
 * A mutex of its own makes it safe to change while networks ask. It is held for
 * one question, never across an answer.
 */
#include <guestnet/resolver.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/list.h"
#include "base/table.h"
#include "base/text.h"
#include "resolver/resolver.h"

#define TTL_DEFAULT_S 60u
/* "*." before the longest name. */
#define ENTRY_MAX (GN__HOSTNAME_MAX + 2)

struct entry {
    struct gn__table_node node;
    struct gn__list places; /* struct place.of_entry */
    char *canonical;        /* the first name of its line; NULL: its own */
    char name[ENTRY_MAX + 1];
};

/** One address of a name. */
struct place {
    struct gn__list of_entry;
    struct gn__list of_way;
    struct entry *entry;
    struct way *way;
    uint32_t ttl_s;
};

/** From an address back. */
struct way {
    struct gn__table_node node;
    struct gn__list places; /* struct place.of_way, the first added first */
    struct gn__addr addr;
};

struct service {
    struct gn__list link;
    uint16_t port;
    bool udp;
    char name[GN__LABEL_MAX + 1];
};

struct names {
    struct gn__mem mem;
    pthread_mutex_t lock;
    struct gn__table entries;
    struct gn__table ways;
    struct gn__list services;
    uint32_t ttl_s;
};

/* ---- entries ---- */

/* In lower case, without a dot at the end. False: it can be none. */
static bool entry_name(const char *name, char *out)
{
    size_t star = name[0] == '*' && name[1] == '.' ? 2 : 0;

    if (!gn__pattern_is_valid(name))
        return false;
    if (!strcmp(name, "*")) {
        memcpy(out, "*", 2);
        return true;
    }
    memcpy(out, "*.", star);
    gn__hostname_lower(name + star, out + star);
    return true;
}

static struct entry *find_exact(const struct names *names, const char *name)
{
    struct gn__table_node *node =
        gn__table_find(&names->entries, name, strlen(name));

    return node ? gn__container_of(node, struct entry, node) : NULL;
}

/* The nearest entry for a name in lower case. */
static struct entry *static_find(const struct names *names, const char *name)
{
    struct entry *entry = find_exact(names, name);
    char wild[ENTRY_MAX + 1];

    while (!entry && (name = strchr(name, '.'))) {
        (void)snprintf(wild, sizeof(wild), "*%s", name);
        name++;
        entry = find_exact(names, wild);
    }
    return entry ? entry : find_exact(names, "*");
}

static struct way *find_way(const struct names *names,
                            const struct gn__addr *addr)
{
    struct gn__table_node *node =
        gn__table_find(&names->ways, addr, sizeof(*addr));

    return node ? gn__container_of(node, struct way, node) : NULL;
}

static struct place *find_place(const struct entry *entry,
                                const struct way *way)
{
    struct gn__list *it;

    gn__list_foreach (it, &entry->places) {
        struct place *place = gn__container_of(it, struct place, of_entry);

        if (place->way == way)
            return place;
    }
    return NULL;
}

static struct entry *make_entry(struct names *names, const char *name)
{
    struct entry *entry = find_exact(names, name);

    if (entry)
        return entry;
    entry = gn__zalloc(&names->mem, sizeof(*entry));
    if (!entry)
        return NULL;
    memcpy(entry->name, name, strlen(name) + 1);
    gn__list_init(&entry->places);
    if (!gn__table_add(&names->entries, &entry->node, entry->name,
                       strlen(entry->name)))
        return entry;
    gn__free(&names->mem, entry, sizeof(*entry));
    return NULL;
}

static struct way *make_way(struct names *names, const struct gn__addr *addr)
{
    struct way *way = find_way(names, addr);

    if (way)
        return way;
    way = gn__zalloc(&names->mem, sizeof(*way));
    if (!way)
        return NULL;
    way->addr = *addr;
    gn__list_init(&way->places);
    if (!gn__table_add(&names->ways, &way->node, &way->addr, sizeof(way->addr)))
        return way;
    gn__free(&names->mem, way, sizeof(*way));
    return NULL;
}

static void free_entry(struct names *names, struct entry *entry)
{
    gn__table_del(&names->entries, &entry->node);
    gn__strfree(&names->mem, entry->canonical);
    gn__free(&names->mem, entry, sizeof(*entry));
}

static void free_way_if_unused(struct names *names, struct way *way)
{
    if (!gn__list_empty(&way->places))
        return;
    gn__table_del(&names->ways, &way->node);
    gn__free(&names->mem, way, sizeof(*way));
}

static void free_place(struct names *names, struct place *place)
{
    gn__list_del(&place->of_entry);
    gn__list_del(&place->of_way);
    free_way_if_unused(names, place->way);
    gn__free(&names->mem, place, sizeof(*place));
}

static int add_place(struct names *names, struct entry *entry,
                     const struct gn__addr *addr, uint32_t ttl_s)
{
    struct way *way = make_way(names, addr);
    struct place *place;

    if (!way)
        return -ENOMEM;
    if (find_place(entry, way))
        return 0;
    place = gn__zalloc(&names->mem, sizeof(*place));
    if (!place) {
        free_way_if_unused(names, way);
        return -ENOMEM;
    }
    place->entry = entry;
    place->way = way;
    place->ttl_s = ttl_s ? ttl_s : names->ttl_s;
    gn__list_add_tail(&entry->places, &place->of_entry);
    gn__list_add_tail(&way->places, &place->of_way);
    return 0;
}

/* @name in the form of entry_name(). */
static int static_add(struct names *names, const char *name,
                      const struct gn__addr *addr, uint32_t ttl_s)
{
    bool is_new = !find_exact(names, name);
    struct entry *entry = make_entry(names, name);
    int err;

    if (!entry)
        return -ENOMEM;
    err = addr ? add_place(names, entry, addr, ttl_s) : 0;
    if (err && is_new)
        free_entry(names, entry);
    return err;
}

/* ---- what is asked ---- */

static void fill_answer(const struct place *place, struct gn_answer *answer)
{
    struct gn__endpoint endpoint = {.addr = place->way->addr};

    (void)gn__endpoint_to_sockaddr(&endpoint, AF_UNSPEC,
                                   (struct sockaddr *)&answer->addr,
                                   sizeof(answer->addr));
    answer->ttl_s = place->ttl_s;
}

static size_t static_collect(const struct entry *entry, int family,
                             struct gn_answer *answers)
{
    struct gn__list *it;
    size_t n = 0;

    gn__list_foreach (it, &entry->places) {
        struct place *place = gn__container_of(it, struct place, of_entry);

        if (n < GN__ANSWERS_MAX &&
            (family == AF_UNSPEC ||
             family == gn__addr_family(&place->way->addr)))
            fill_answer(place, &answers[n++]);
    }
    return n;
}

static int static_ip(void *self, struct gn_lookup *lookup, const char *proto,
                     const char *host)
{
    struct gn_answer answers[GN__ANSWERS_MAX];
    struct names *names = self;
    char name[GN__HOSTNAME_MAX + 1], canonical[ENTRY_MAX + 1];
    const struct entry *entry;
    size_t n = 0;

    gn__hostname_lower(host, name);
    pthread_mutex_lock(&names->lock);
    entry = static_find(names, name);
    if (entry)
        n = static_collect(entry, gn__ip_family(proto), answers);
    (void)snprintf(canonical, sizeof(canonical), "%s",
                   entry && entry->canonical ? entry->canonical : host);
    pthread_mutex_unlock(&names->lock);
    if (!n)
        return entry ? GN_EAI_NODATA : GN_EAI_NONAME;
    gn_lookup_done_ip(lookup, 0, answers, n, canonical);
    return 0;
}

static uint16_t find_service(const struct names *names, const char *proto,
                             const char *name)
{
    bool udp = !strcmp(proto, "udp");
    struct gn__list *it;

    gn__list_foreach (it, &names->services) {
        const struct service *service =
            gn__container_of(it, struct service, link);

        if (service->udp == udp && !strcmp(service->name, name))
            return service->port;
    }
    return 0;
}

static int static_port(void *self, struct gn_lookup *lookup, const char *proto,
                       const char *service)
{
    struct names *names = self;
    uint16_t port;

    pthread_mutex_lock(&names->lock);
    port = find_service(names, proto, service);
    pthread_mutex_unlock(&names->lock);
    if (!port)
        return GN_EAI_SERVICE;
    gn_lookup_done_port(lookup, 0, port);
    return 0;
}

/* The first name that is one: a wildcard is not. */
static const struct place *first_named(const struct way *way)
{
    struct gn__list *it;

    gn__list_foreach (it, &way->places) {
        const struct place *place = gn__container_of(it, struct place, of_way);

        if (place->entry->name[0] != '*')
            return place;
    }
    return NULL;
}

static int static_addr(void *self, struct gn_lookup *lookup,
                       const struct sockaddr *addr)
{
    const struct place *place = NULL;
    struct names *names = self;
    char name[ENTRY_MAX + 1];
    struct gn__endpoint endpoint;
    struct way *way;
    uint32_t ttl_s = 0;

    if (gn__endpoint_from_sockaddr(addr, sizeof(struct sockaddr_storage),
                                   AF_UNSPEC, &endpoint))
        return GN_EAI_FAMILY;
    pthread_mutex_lock(&names->lock);
    way = find_way(names, &endpoint.addr);
    place = way ? first_named(way) : NULL;
    if (place) {
        memcpy(name, place->entry->name, sizeof(name));
        ttl_s = place->ttl_s;
    }
    pthread_mutex_unlock(&names->lock);
    if (!place)
        return GN_EAI_NONAME;
    gn_lookup_done_addr(lookup, 0, name, ttl_s);
    return 0;
}

/* Nothing of another type, but of a name that is there it says so. */
static int static_query(void *self, struct gn_lookup *lookup, const char *host,
                        uint16_t type)
{
    struct names *names = self;
    char name[GN__HOSTNAME_MAX + 1];
    const struct entry *entry;

    (void)lookup;
    (void)type;
    gn__hostname_lower(host, name);
    pthread_mutex_lock(&names->lock);
    entry = static_find(names, name);
    pthread_mutex_unlock(&names->lock);
    return entry ? GN_EAI_NODATA : GN_EAI_NONAME;
}

/* Every question is answered at once. */
static void static_cancel(void *self, struct gn_lookup *lookup)
{
    (void)self;
    (void)lookup;
}

static void remove_entry(struct names *names, struct entry *entry)
{
    struct gn__list *node;

    while ((node = gn__list_first(&entry->places)))
        free_place(names, gn__container_of(node, struct place, of_entry));
    free_entry(names, entry);
}

static void static_close(void *self)
{
    struct names *names = self;
    struct gn__table_node *node;
    struct gn__list *link;
    struct gn__mem mem = names->mem;

    while ((node = gn__table_first(&names->entries)))
        remove_entry(names, gn__container_of(node, struct entry, node));
    while ((link = gn__list_pop(&names->services)))
        gn__free(&mem, gn__container_of(link, struct service, link),
                 sizeof(struct service));
    gn__table_done(&names->entries);
    gn__table_done(&names->ways);
    pthread_mutex_destroy(&names->lock);
    gn__free(&mem, names, sizeof(*names));
}

static const struct gn_resolver_ops static_ops = {
    .size = sizeof(static_ops),
    .name = "static",
    .lookup_ip = static_ip,
    .lookup_port = static_port,
    .lookup_addr = static_addr,
    .query = static_query,
    .cancel = static_cancel,
    .close = static_close,
};

/* ---- reading hosts(5) and services(5) ---- */

/** A line being read. */
struct line {
    struct names *names;
    const char *what; /* "hosts", "services" */
    unsigned number;
    const char *at;
    const char *end;
    bool is_lenient; /* what makes no sense is passed over */
    char *why;
    size_t why_len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word, cut at @cap; false: there is none. */
static bool next_word(struct line *line, char *word, size_t cap)
{
    size_t len = 0;

    while (line->at < line->end && is_blank(*line->at))
        line->at++;
    while (line->at + len < line->end && !is_blank(line->at[len]))
        len++;
    (void)snprintf(word, cap, "%.*s", (int)(len < cap ? len : cap), line->at);
    line->at += len;
    return len > 0;
}

static int static_refuse(const struct line *line, const char *word,
                         const char *what)
{
    return gn__text_refuse(line->why, line->why_len, "%s line %u: \"%s\" %s",
                           line->what, line->number,
                           gn__text_quote(word, strlen(word)).text, what);
}

/* One more name for the address of a line whose first name, as it is written,
 * is @first. */
static int add_host(struct line *line, const char *name, const char *first,
                    const struct gn__addr *addr)
{
    struct names *names = line->names;
    bool is_new = !find_exact(names, name);
    struct entry *entry;
    int err = static_add(names, name, addr, 0);

    if (err || !is_new || !strcmp(name, first) || *first == '*')
        return err;
    entry = find_exact(names, name);
    entry->canonical = gn__strdup(&names->mem, first);
    return entry->canonical ? 0 : -ENOMEM;
}

/* A name that is none, or an address: where the reader is lenient, that is all
 * there is to it. */
static int pass_over(const struct line *line, const char *word,
                     const char *what)
{
    return line->is_lenient ? 0 : static_refuse(line, word, what);
}

static int read_host(struct line *line)
{
    char word[ENTRY_MAX + 8], name[ENTRY_MAX + 1], first[ENTRY_MAX + 1] = "";
    struct gn__addr addr;
    unsigned n = 0;
    int err = 0;

    if (!next_word(line, word, sizeof(word)))
        return 0;
    if (gn__addr_parse(word, &addr))
        return pass_over(line, word, "is not an address such as 10.0.0.1");
    for (; !err && next_word(line, word, sizeof(word)); n++) {
        if (!entry_name(word, name) || (line->is_lenient && *name == '*')) {
            err = pass_over(line, word,
                            "is not a name such as db.test or *.test");
            continue;
        }
        if (!*first)
            gn__hostname_copy(word, first);
        err = add_host(line, name, first, &addr);
    }
    return err || n || line->is_lenient
               ? err
               : gn__text_refuse(line->why, line->why_len,
                                 "hosts line %u: no name", line->number);
}

static int add_service(struct line *line, const char *name, uint16_t port,
                       bool udp)
{
    struct names *names = line->names;
    size_t len = strlen(name);
    struct service *service;

    if (len > GN__LABEL_MAX)
        return static_refuse(line, name, "is longer than 63 bytes");
    service = gn__zalloc(&names->mem, sizeof(*service));
    if (!service)
        return -ENOMEM;
    memcpy(service->name, name, len);
    service->port = port;
    service->udp = udp;
    gn__list_add_tail(&names->services, &service->link);
    return 0;
}

/* "5432/tcp" */
static bool read_port(char *word, uint16_t *port, bool *udp)
{
    char *slash = strchr(word, '/');
    uint32_t n;

    if (!slash || (strcmp(slash, "/tcp") && strcmp(slash, "/udp")))
        return false;
    *udp = slash[1] == 'u';
    *slash = '\0';
    if (!gn__text_number(word, UINT16_MAX, &n) || !n)
        return false;
    *port = (uint16_t)n;
    return true;
}

/* A name, its port, and other names for it. */
static int read_service(struct line *line)
{
    char name[GN__LABEL_MAX + 8], word[GN__LABEL_MAX + 8], kept[16];
    uint16_t port = 0;
    bool udp = false;
    int err;

    if (!next_word(line, name, sizeof(name)))
        return 0;
    if (!next_word(line, kept, sizeof(kept)) || !read_port(kept, &port, &udp))
        return static_refuse(line, name, "has no port such as 5432/tcp");
    memcpy(word, name, sizeof(word));
    do {
        err = add_service(line, word, port, udp);
    } while (!err && next_word(line, word, sizeof(word)));
    return err;
}

static int read_lines(struct line *line, const char *text,
                      int (*read)(struct line *line))
{
    int err = 0;

    while (!err && text && *text) {
        size_t len = strcspn(text, "\n");

        line->number++;
        line->at = text;
        line->end = text + strcspn(text, "#\n");
        err = read(line);
        text += len + (text[len] == '\n');
    }
    return err;
}

static int read_config(struct names *names,
                       const struct gn_resolver_static_config *config)
{
    struct line hosts = {
        .names = names,
        .what = "hosts",
        .why = config->why,
        .why_len = config->why_len,
    };
    struct line services = hosts;
    int err;

    services.what = "services";
    err = read_lines(&hosts, config->hosts, read_host);
    return err ? err : read_lines(&services, config->services, read_service);
}

/* ---- the public calls ---- */

/* The keys in it were given by the host: no guest picks keys that meet. */
static const uint64_t table_key[2] = {0x6e616d6573, 0x737461746963};

static struct names *names_create(const struct gn__mem *mem, uint32_t ttl_s)
{
    struct names *names = gn__zalloc(mem, sizeof(*names));

    if (!names)
        return NULL;
    names->mem = *mem;
    names->ttl_s = ttl_s;
    pthread_mutex_init(&names->lock, NULL);
    gn__table_init(&names->entries, &names->mem, table_key);
    gn__table_init(&names->ways, &names->mem, table_key);
    gn__list_init(&names->services);
    return names;
}

int gn_resolver_static(const struct gn_resolver_static_config *config,
                       struct gn_resolver **out)
{
    static const struct gn_resolver_static_config defaults = {
        .size = sizeof(defaults)};
    struct gn__mem mem;
    struct names *names;
    int err;

    if (!config)
        config = &defaults;
    if (!out || !gn__config_is_known(config, config->size, sizeof(*config)))
        return -EINVAL;
    gn__mem_init(&mem, config->alloc);
    names = names_create(&mem, config->ttl_s ? config->ttl_s : TTL_DEFAULT_S);
    if (!names)
        return -ENOMEM;
    err = read_config(names, config);
    if (!err)
        err = gn__resolver_create(&mem, &static_ops, names, out);
    if (err)
        static_close(names);
    return err;
}

int gn__resolver_hosts(const struct gn__mem *mem, const char *text,
                       struct gn_resolver **out)
{
    struct names *names = names_create(mem, 0);
    struct line line = {.names = names, .what = "hosts", .is_lenient = true};
    int err;

    if (!names)
        return -ENOMEM;
    err = read_lines(&line, text, read_host);
    if (!err)
        err = gn__resolver_create(mem, &static_ops, names, out);
    if (err)
        static_close(names);
    return err;
}

static struct names *names_of(const struct gn_resolver *resolver)
{
    return resolver && resolver->ops == &static_ops ? resolver->self : NULL;
}

int gn_resolver_static_add(struct gn_resolver *resolver, const char *name,
                           const char *address, uint32_t ttl_s)
{
    struct names *names = names_of(resolver);
    char key[ENTRY_MAX + 1];
    struct gn__addr addr;
    int err;

    if (!names || !name || !entry_name(name, key) ||
        (address && gn__addr_parse(address, &addr)))
        return -EINVAL;
    pthread_mutex_lock(&names->lock);
    err = static_add(names, key, address ? &addr : NULL, ttl_s);
    pthread_mutex_unlock(&names->lock);
    return err;
}

static int remove_place(struct names *names, struct entry *entry,
                        const struct gn__addr *addr)
{
    const struct way *way = find_way(names, addr);
    struct place *place = way ? find_place(entry, way) : NULL;

    if (!place)
        return -ENOENT;
    free_place(names, place);
    if (gn__list_empty(&entry->places))
        free_entry(names, entry);
    return 0;
}

int gn_resolver_static_remove(struct gn_resolver *resolver, const char *name,
                              const char *address)
{
    struct names *names = names_of(resolver);
    char key[ENTRY_MAX + 1];
    struct gn__addr addr;
    struct entry *entry;
    int err = 0;

    if (!names || !name || !entry_name(name, key) ||
        (address && gn__addr_parse(address, &addr)))
        return -EINVAL;
    pthread_mutex_lock(&names->lock);
    entry = find_exact(names, key);
    if (!entry)
        err = -ENOENT;
    else if (address)
        err = remove_place(names, entry, &addr);
    else
        remove_entry(names, entry);
    pthread_mutex_unlock(&names->lock);
    return err;
}
