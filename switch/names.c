/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Each address that was answered has a list of names, the last one first; each
 * pair of the two is also in a heap by its end, from which pairs are dropped
 * when they are over, whenever something is added, or to make room.
 */
#include "switch/names.h"

#include <errno.h>
#include <string.h>

#include "base/list.h"
#include "base/units.h"
#include "switch/internal.h"

/** An address, while there is a name for it. */
struct seen {
    struct gn__table_node node;
    struct gn__addr addr;
    struct gn__list said; /* struct said */
    size_t n;
};

/** A name of it. */
struct said {
    struct gn__list of_addr;
    struct gn__heap_node by_end; /* time: the first at which it is over */
    struct seen *seen;
    size_t size; /* of this */
    char name[];
};

void gn__names_init(struct gn__names *names, const struct gn__mem *mem,
                    const uint64_t key[2])
{
    names->mem = mem;
    names->n = 0;
    gn__table_init(&names->by_addr, mem, key);
    gn__heap_init(&names->by_end);
}

static void name_forget(struct gn__names *names, struct said *said)
{
    struct seen *seen = said->seen;

    gn__heap_remove(&names->by_end, &said->by_end);
    gn__list_del(&said->of_addr);
    gn__free(names->mem, said, said->size);
    names->n--;
    if (--seen->n)
        return;
    gn__table_del(&names->by_addr, &seen->node);
    gn__free(names->mem, seen, sizeof(*seen));
}

static struct said *first_to_end(const struct gn__names *names)
{
    struct gn__heap_node *node = gn__heap_first(&names->by_end);

    return node ? gn__container_of(node, struct said, by_end) : NULL;
}

void gn__names_done(struct gn__names *names)
{
    struct said *said;

    while ((said = first_to_end(names)))
        name_forget(names, said);
    gn__table_done(&names->by_addr);
}

bool gn__name_normal(const char *name, struct gn__name *out)
{
    size_t i, len = strnlen(name, GN__NAME_MAX + 2);

    if (len && name[len - 1] == '.')
        len--;
    if (!len || len > GN__NAME_MAX || name[0] == '.')
        return false;
    for (i = 0; i < len; i++) {
        char c = name[i];

        if (c == '.' && (i + 1 == len || name[i + 1] == '.'))
            return false;
        out->text[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    out->text[len] = '\0';
    return true;
}

static struct seen *name_find(const struct gn__names *names,
                              const struct gn__addr *addr)
{
    struct gn__table_node *node =
        gn__table_find(&names->by_addr, addr, sizeof(*addr));

    return node ? gn__container_of(node, struct seen, node) : NULL;
}

static struct said *find_name(const struct seen *seen, const char *name)
{
    struct gn__list *it;

    gn__list_foreach (it, &seen->said) {
        struct said *said = gn__container_of(it, struct said, of_addr);

        if (strcmp(said->name, name) == 0)
            return said;
    }
    return NULL;
}

static struct seen *seen_create(struct gn__names *names,
                                const struct gn__addr *addr)
{
    struct seen *seen = gn__zalloc(names->mem, sizeof(*seen));

    if (!seen)
        return NULL;
    seen->addr = *addr;
    gn__list_init(&seen->said);
    if (gn__table_add(&names->by_addr, &seen->node, &seen->addr,
                      sizeof(seen->addr))) {
        gn__free(names->mem, seen, sizeof(*seen));
        return NULL;
    }
    return seen;
}

/* Pairs that are over go, and then, if there must be room, the one that would
 * be over first. */
static void make_room(struct gn__names *names, const struct gn__addr *addr,
                      uint64_t now)
{
    struct said *said;
    struct seen *seen;

    while ((said = first_to_end(names)) && said->by_end.time <= now)
        name_forget(names, said);
    seen = name_find(names, addr);
    if (seen && seen->n == GN__NAMES_PER_ADDR)
        name_forget(names, gn__container_of(gn__list_last(&seen->said),
                                            struct said, of_addr));
    else if (names->n == GN__NAMES_MAX)
        name_forget(names, first_to_end(names));
}

static int name_say(struct gn__names *names, const struct gn__addr *addr,
                    const char *name, uint64_t end)
{
    struct seen *seen = name_find(names, addr);
    struct said *said;
    size_t size = sizeof(*said) + strlen(name) + 1;

    said = gn__zalloc(names->mem, size);
    if (!said)
        return -ENOMEM;
    if (!seen)
        seen = seen_create(names, addr);
    if (!seen) {
        gn__free(names->mem, said, size);
        return -ENOMEM;
    }
    said->size = size;
    said->seen = seen;
    memcpy(said->name, name, strlen(name) + 1);
    gn__list_add_head(&seen->said, &said->of_addr);
    gn__heap_insert(&names->by_end, &said->by_end, end);
    seen->n++;
    names->n++;
    return 0;
}

/* It is told again: now it is the last one. */
static void say_again(struct gn__names *names, struct said *said, uint64_t end)
{
    gn__list_del(&said->of_addr);
    gn__list_add_head(&said->seen->said, &said->of_addr);
    if (end <= said->by_end.time)
        return;
    gn__heap_remove(&names->by_end, &said->by_end);
    gn__heap_insert(&names->by_end, &said->by_end, end);
}

int gn__names_add(struct gn__names *names, const struct gn__addr *addr,
                  const char *name, uint32_t ttl_s, uint64_t now)
{
    struct gn__name normal;
    struct said *said;
    struct seen *seen;
    uint64_t end;

    if (!gn__name_normal(name, &normal))
        return -EINVAL;
    if (ttl_s < GN__NAMES_TTL_MIN_S)
        ttl_s = GN__NAMES_TTL_MIN_S;
    if (ttl_s > GN__NAMES_TTL_MAX_S)
        ttl_s = GN__NAMES_TTL_MAX_S;
    end = now + ttl_s * GN__NS_PER_S;
    seen = name_find(names, addr);
    said = seen ? find_name(seen, normal.text) : NULL;
    if (said) {
        say_again(names, said, end);
        return 0;
    }
    make_room(names, addr, now);
    return name_say(names, addr, normal.text, end);
}

size_t gn__names_find(const struct gn__names *names,
                      const struct gn__addr *addr, uint64_t now,
                      struct gn__name *out, size_t cap)
{
    const struct seen *seen = name_find(names, addr);
    struct gn__list *it;
    size_t n = 0;

    if (!seen)
        return 0;
    gn__list_foreach (it, &seen->said) {
        const struct said *said = gn__container_of(it, struct said, of_addr);

        if (n == cap)
            break;
        if (said->by_end.time > now)
            memcpy(out[n++].text, said->name, strlen(said->name) + 1);
    }
    return n;
}

/* ---- of a guest ---- */

int gn__names_learn(struct gn__guest *guest, const struct gn__addr *addr,
                    const char *name, uint32_t ttl_s)
{
    int err = 0;

    gn__engine_enter(guest->engine);
    if (guest->names)
        err = gn__names_add(guest->names, addr, name, ttl_s,
                            gn__now(guest->engine));
    gn__engine_leave(guest->engine);
    return err;
}

size_t gn__names_of(struct gn__guest *guest, const struct gn__addr *addr,
                    struct gn__name *out, size_t cap)
{
    size_t n = 0;

    gn__engine_enter(guest->engine);
    if (guest->names)
        n = gn__names_find(guest->names, addr, gn__now(guest->engine), out,
                           cap);
    gn__engine_leave(guest->engine);
    return n;
}
