/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * On a desk, ties that have been judged by the newest rules are behind those
 * that have not: one that is judged goes to the end. So a turn takes the first
 * few, and is done when the first is up to date.
 *
 * The book's lock is taken before an engine's, and never while rules are read
 * or ties are judged: these may call an audit hook, which may change the rules.
 */
#include "host/egress/rules.h"

#include <errno.h>

#include "namespace/namespace.h"

/** Ties that are judged in one turn: each may ask the kernel for a route. */
#define JUDGED_AT_ONCE 16u

struct gn__desk {
    struct gn__list of_book; /* under the book's lock */
    struct gn__rulebook *book;
    struct gn__engine *engine; /* a reference */
    struct gn__list ties;
    struct gn__deferred deferred;
    bool end_open; /* under the book's lock */
    bool judging;  /* it stays until that is over */
};

/* ---- rules ---- */

int gn__rules_create(const struct gn__mem *mem, const char *const *rules,
                     char *why, size_t why_len, struct gn__rules **out)
{
    struct gn__rules *self = gn__zalloc(mem, sizeof(*self));
    int err;

    if (!self)
        return -ENOMEM;
    self->mem = *mem;
    gn__ref_init(&self->refs, 1);
    err = gn__policy_init(&self->policy, &self->mem, rules, why, why_len);
    if (err)
        gn__free(mem, self, sizeof(*self));
    else
        *out = self;
    return err;
}

struct gn__rules *gn__rules_ref(struct gn__rules *rules)
{
    gn__ref_take(&rules->refs);
    return rules;
}

void gn__rules_unref(struct gn__rules *rules)
{
    struct gn__mem mem;

    if (!rules || !gn__ref_give(&rules->refs))
        return;
    mem = rules->mem;
    gn__policy_done(&rules->policy);
    gn__free(&mem, rules, sizeof(*rules));
}

/* ---- the book ---- */

void gn__rulebook_init(struct gn__rulebook *book, struct gn__rules *rules)
{
    pthread_mutex_init(&book->lock, NULL);
    book->rules = rules;
    gn__list_init(&book->desks);
}

void gn__rulebook_done(struct gn__rulebook *book)
{
    gn__rules_unref(book->rules);
    pthread_mutex_destroy(&book->lock);
}

struct gn__rules *gn__rulebook_rules(struct gn__rulebook *book)
{
    struct gn__rules *rules;

    pthread_mutex_lock(&book->lock);
    rules = gn__rules_ref(book->rules);
    pthread_mutex_unlock(&book->lock);
    return rules;
}

static void desk_queue(struct gn__desk *desk)
{
    gn__engine_enter(desk->engine);
    gn__deferred_queue(desk->engine, &desk->deferred);
    gn__engine_leave(desk->engine);
}

void gn__rulebook_change(struct gn__rulebook *book, struct gn__rules *rules,
                         bool end_open)
{
    struct gn__rules *before;
    struct gn__list *it;

    pthread_mutex_lock(&book->lock);
    before = book->rules;
    rules->edition = before->edition + 1;
    book->rules = rules;
    gn__list_foreach (it, &book->desks) {
        struct gn__desk *desk = gn__container_of(it, struct gn__desk, of_book);

        desk->end_open = desk->end_open || end_open;
        desk_queue(desk);
    }
    pthread_mutex_unlock(&book->lock);
    gn__rules_unref(before);
}

/* ---- desks ---- */

static void desk_free(struct gn__desk *desk)
{
    struct gn__engine *engine = desk->engine;

    pthread_mutex_lock(&desk->book->lock);
    gn__list_del(&desk->of_book);
    pthread_mutex_unlock(&desk->book->lock);
    gn__engine_forget(engine, &desk->deferred);
    gn__free(&engine->net.mem, desk, sizeof(*desk));
    gn__engine_unref(engine);
}

static void desk_leave(struct gn__desk *desk)
{
    if (!desk->judging && gn__list_empty(&desk->ties))
        desk_free(desk);
}

/* What it is to bring its ties up to: the edition. */
static uint64_t desk_task(struct gn__desk *desk, bool *end_open)
{
    uint64_t edition;

    pthread_mutex_lock(&desk->book->lock);
    edition = desk->book->rules->edition;
    *end_open = desk->end_open;
    pthread_mutex_unlock(&desk->book->lock);
    return edition;
}

/* All are up to that edition. */
static void desk_settle(struct gn__desk *desk, uint64_t edition)
{
    pthread_mutex_lock(&desk->book->lock);
    if (edition == desk->book->rules->edition)
        desk->end_open = false;
    pthread_mutex_unlock(&desk->book->lock);
}

static struct gn__tie *first_behind(const struct gn__desk *desk,
                                    uint64_t edition)
{
    struct gn__list *node = gn__list_first(&desk->ties);
    struct gn__tie *tie =
        node ? gn__container_of(node, struct gn__tie, of_desk) : NULL;

    return tie && tie->edition < edition ? tie : NULL;
}

static void desk_run(struct gn__deferred *deferred)
{
    struct gn__desk *desk =
        gn__container_of(deferred, struct gn__desk, deferred);
    struct gn__tie *tie;
    bool end_open;
    uint64_t edition = desk_task(desk, &end_open);
    unsigned n;

    desk->judging = true;
    for (n = 0; n < JUDGED_AT_ONCE && (tie = first_behind(desk, edition));
         n++) {
        gn__list_del(&tie->of_desk);
        gn__list_add_tail(&desk->ties, &tie->of_desk);
        tie->edition = edition;
        tie->judge(tie, end_open);
    }
    desk->judging = false;
    if (first_behind(desk, edition))
        gn__engine_defer(desk->engine, &desk->deferred);
    else
        desk_settle(desk, edition);
    desk_leave(desk);
}

/* Only this thread makes desks of its engine, and takes them away. */
static struct gn__desk *desk_find(struct gn__rulebook *book,
                                  const struct gn__engine *engine)
{
    struct gn__desk *found = NULL;
    struct gn__list *it;

    pthread_mutex_lock(&book->lock);
    gn__list_foreach (it, &book->desks) {
        struct gn__desk *desk = gn__container_of(it, struct gn__desk, of_book);

        if (desk->engine == engine)
            found = desk;
    }
    pthread_mutex_unlock(&book->lock);
    return found;
}

static struct gn__desk *desk_make(struct gn__rulebook *book,
                                  struct gn__engine *engine)
{
    struct gn__desk *desk = gn__zalloc(&engine->net.mem, sizeof(*desk));

    if (!desk)
        return NULL;
    gn__engine_ref(engine);
    desk->book = book;
    desk->engine = engine;
    desk->deferred.run = desk_run;
    gn__list_init(&desk->ties);
    pthread_mutex_lock(&book->lock);
    gn__list_add_tail(&book->desks, &desk->of_book);
    pthread_mutex_unlock(&book->lock);
    return desk;
}

/* ---- ties ---- */

int gn__tie_begin(struct gn__tie *tie, struct gn__rulebook *book,
                  struct gn__engine *engine, uint64_t edition)
{
    struct gn__desk *desk = desk_find(book, engine);
    bool end_open;

    if (!desk)
        desk = desk_make(book, engine);
    if (!desk)
        return -ENOMEM;
    tie->desk = desk;
    tie->edition = edition;
    if (edition == desk_task(desk, &end_open)) {
        gn__list_add_tail(&desk->ties, &tie->of_desk);
    } else {
        gn__list_add_head(&desk->ties, &tie->of_desk);
        gn__engine_defer(engine, &desk->deferred);
    }
    return 0;
}

void gn__tie_end(struct gn__tie *tie)
{
    struct gn__desk *desk = tie->desk;

    if (!desk)
        return;
    gn__list_del(&tie->of_desk);
    tie->desk = NULL;
    desk_leave(desk);
}
