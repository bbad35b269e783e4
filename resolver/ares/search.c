/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

/*
 * The names that a lookup asks for one after the other, and what follows from
 * each answer: as resolver(3) of the C library does it. c-ares has a search of
 * its own, which does not tell which name was asked for last, and takes no
 * notice of a dot at the end.
 *
 * A name of enough dots is asked for as it is, and then below each domain; one
 * of fewer the other way round. "No such name" and "no data" go on, for a
 * wildcard of another type must not hide a name further on, and so does a
 * server that fails; a time-out or a refusal ends the search, and only the name
 * as it is may still be asked for.
 */
#include <stdio.h>
#include <string.h>

static bool is_enough_dots(const struct gn__ares_search *search)
{
    const char *dot = search->name;
    int n = 0;

    while ((dot = strchr(dot, '.'))) {
        dot++;
        n++;
    }
    return n >= search->list->ndots;
}

void gn__ares_search_init(struct gn__ares_search *search,
                          const struct gn__ares_search_list *list,
                          const char *name, bool is_absolute)
{
    *search = (struct gn__ares_search){
        .list = list,
        .name = name,
        .is_absolute = is_absolute,
    };
    search->as_is_first = is_absolute || is_enough_dots(search);
}

static bool name_as_is(struct gn__ares_search *search,
                       char out[GN__HOSTNAME_MAX + 1])
{
    search->tried_as_is = true;
    (void)snprintf(out, GN__HOSTNAME_MAX + 1, "%s", search->name);
    return true;
}

/* False: the domain makes the name too long. The root makes no other. */
static bool name_below(struct gn__ares_search *search, const char *domain,
                       char out[GN__HOSTNAME_MAX + 1])
{
    int len;

    if (!*domain)
        return name_as_is(search, out);
    len = snprintf(out, GN__HOSTNAME_MAX + 1, "%s.%s", search->name, domain);
    return len > 0 && len <= (int)GN__HOSTNAME_MAX;
}

/* A name without dots is not asked for as it is where "no-tld-query" is set,
 * unless there was nothing else to ask for. */
static bool may_end_as_is(const struct gn__ares_search *search)
{
    return !search->tried_as_is && !search->has_given_up &&
           (!search->list->no_tld_query || !search->list->n ||
            strchr(search->name, '.'));
}

bool gn__ares_search_next(struct gn__ares_search *search,
                          char out[GN__HOSTNAME_MAX + 1])
{
    if (search->as_is_first && !search->tried_as_is)
        return name_as_is(search, out);
    while (!search->is_absolute && !search->is_stopped &&
           search->at < search->list->n) {
        search->is_below = true;
        if (name_below(search, search->list->domains[search->at++], out))
            return true;
    }
    search->is_below = false;
    return may_end_as_is(search) && name_as_is(search, out);
}

static void note_below(struct gn__ares_search *search, int status)
{
    switch (status) {
    case ARES_ENODATA:
        search->has_no_data = true;
        break;
    case ARES_ENOTFOUND:
        break;
    case ARES_ESERVFAIL:
        search->has_failed = true;
        break;
    case ARES_ECONNREFUSED: /* No server is there: nothing else helps. */
        search->has_given_up = true;
        search->is_stopped = true;
        break;
    default:
        search->is_stopped = true;
        break;
    }
}

void gn__ares_search_note(struct gn__ares_search *search, int status)
{
    search->last = status;
    if (search->is_below)
        note_below(search, status);
    else if (search->as_is_first)
        search->first = status;
}

int gn__ares_search_status(const struct gn__ares_search *search)
{
    if (search->has_given_up)
        return ARES_ECONNREFUSED;
    if (search->as_is_first)
        return search->first;
    if (search->has_no_data)
        return ARES_ENODATA;
    return search->has_failed ? ARES_ESERVFAIL : search->last;
}
