/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_LIST_H
#define BASE_LIST_H

/*
 * Circular doubly linked lists whose links are members of what they link.
 *
 * A head and a node are the same type. A node that is on no list points to
 * itself, so gn__list_empty() of a node asks whether it is on none, and
 * gn__list_del() of such a node does nothing.
 */
#include <stdbool.h>
#include <stddef.h>

/** The struct of the given type whose member ptr points to. */
#define gn__container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct gn__list {
    struct gn__list *next, *prev;
};

static inline void gn__list_init(struct gn__list *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool gn__list_empty(const struct gn__list *list)
{
    return list->next == list;
}

static inline void gn__list_add_between(struct gn__list *node,
                                        struct gn__list *prev,
                                        struct gn__list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

/** @node  On no list. */
static inline void gn__list_add_head(struct gn__list *list,
                                     struct gn__list *node)
{
    gn__list_add_between(node, list, list->next);
}

/** @node  On no list. */
static inline void gn__list_add_tail(struct gn__list *list,
                                     struct gn__list *node)
{
    gn__list_add_between(node, list->prev, list);
}

/** Take a node off its list, if it is on one. */
static inline void gn__list_del(struct gn__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    gn__list_init(node);
}

/** The first node, or NULL. */
static inline struct gn__list *gn__list_first(const struct gn__list *list)
{
    return gn__list_empty(list) ? NULL : list->next;
}

/** The last node, or NULL. */
static inline struct gn__list *gn__list_last(const struct gn__list *list)
{
    return gn__list_empty(list) ? NULL : list->prev;
}

/** Take the first node off and return it, or NULL. */
static inline struct gn__list *gn__list_pop(struct gn__list *list)
{
    struct gn__list *node = gn__list_first(list);

    if (node)
        gn__list_del(node);
    return node;
}

/** Move all of from to the end of to; from is empty afterwards. */
static inline void gn__list_splice(struct gn__list *to, struct gn__list *from)
{
    if (gn__list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    gn__list_init(from);
}

#define gn__list_foreach(it, list) \
    for ((it) = (list)->next; (it) != (list); (it) = (it)->next)

/** The body may take the current node off its list, or free it. */
#define gn__list_foreach_safe(it, tmp, list)                      \
    for ((it) = (list)->next, (tmp) = (it)->next; (it) != (list); \
         (it) = (tmp), (tmp) = (it)->next)

#endif /* BASE_LIST_H */
