/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * wasi:sockets/ip-name-lookup, and lookups for the other dialects.
 *
 * In the blocking form a lookup ends before the call returns, by
 * gn_getaddrinfo(), which works in a task under a clock as well. In the pending
 * one it is a gn_lookup(), whose callback may come on another thread.
 */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "guests/wasi/io.h"
#include "guests/wasi/names.h"
#include "guests/wasi/wait.h"
#include "guests/wasi/wasi.h"

struct gn__wasi_lookup {
    struct gn__mem mem;
    pthread_mutex_t lock;
    uint32_t refs;    /* the handles together, and the lookup under way */
    uint32_t handles; /* and pollables; of the guest's thread only */
    bool ended;
    int status;
    struct gn__wasi_watch *watch; /* a reference, of the lookup under way */
    struct gn_lookup *request;
    size_t n, next;
    struct sockaddr_storage addrs[GN__WASI_ANSWERS_MAX];
};

static void lookup_give(struct gn__wasi_lookup *lookup)
{
    struct gn__mem mem = lookup->mem;
    uint32_t left;

    pthread_mutex_lock(&lookup->lock);
    left = --lookup->refs;
    pthread_mutex_unlock(&lookup->lock);
    if (left)
        return;
    pthread_mutex_destroy(&lookup->lock);
    gn_lookup_unref(lookup->request);
    gn__free(&mem, lookup, sizeof(*lookup));
}

static void lookup_end(struct gn_lookup *request, int status,
                       const struct gn_answer *answers, size_t n, void *arg)
{
    struct gn__wasi_lookup *lookup = arg;
    struct gn__wasi_watch *watch = lookup->watch;

    (void)request;
    pthread_mutex_lock(&lookup->lock);
    for (size_t i = 0; !status && i < n && i < GN__WASI_ANSWERS_MAX; i++)
        lookup->addrs[lookup->n++] = answers[i].addr;
    lookup->status = status;
    lookup->ended = true;
    pthread_mutex_unlock(&lookup->lock);
    lookup_give(lookup);
    gn__wasi_watch_kick(watch);
    gn__wasi_watch_unref(watch);
}

static int lookup_now(struct gn_namespace *ns, struct gn__wasi_lookup *lookup,
                      const char *name)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;

    lookup->status = gn_getaddrinfo(ns, name, NULL, &hints, &list);
    lookup->ended = true;
    for (struct addrinfo *ai = list; ai && lookup->n < GN__WASI_ANSWERS_MAX;
         ai = ai->ai_next)
        memcpy(&lookup->addrs[lookup->n++], ai->ai_addr, ai->ai_addrlen);
    gn_freeaddrinfo(list);
    return lookup->status == -ECANCELED || lookup->status == -EDEADLK
               ? lookup->status
               : 0;
}

static int lookup_later(struct gn_wasi_guest *guest,
                        struct gn__wasi_lookup *lookup, const char *name)
{
    int err;

    lookup->refs = 2;
    lookup->watch = gn__wasi_watch_ref(guest->watch);
    err =
        gn_lookup(guest->ns, "ip", name, lookup_end, lookup, &lookup->request);
    if (err) {
        lookup->refs = 1;
        gn__wasi_watch_unref(guest->watch);
    }
    return err;
}

int gn__wasi_lookup_start(struct gn_wasi_guest *guest, const char *name,
                          struct gn__wasi_lookup **out)
{
    struct gn__wasi_lookup *lookup = gn__zalloc(&guest->mem, sizeof(*lookup));
    int err;

    if (!lookup)
        return -ENOMEM;
    lookup->mem = guest->mem;
    lookup->refs = 1;
    lookup->handles = 1;
    pthread_mutex_init(&lookup->lock, NULL);
    err = guest->watch ? lookup_later(guest, lookup, name)
                       : lookup_now(guest->ns, lookup, name);
    if (err) {
        lookup_give(lookup);
        return err == -EAGAIN ? GN_EAI_AGAIN : err;
    }
    *out = lookup;
    return 0;
}

bool gn__wasi_lookup_ended(struct gn__wasi_lookup *lookup, int *status)
{
    bool ended;

    pthread_mutex_lock(&lookup->lock);
    ended = lookup->ended;
    *status = lookup->status;
    pthread_mutex_unlock(&lookup->lock);
    return ended;
}

bool gn__wasi_lookup_next(struct gn__wasi_lookup *lookup,
                          struct sockaddr_storage *out)
{
    if (lookup->next == lookup->n)
        return false;
    *out = lookup->addrs[lookup->next++];
    return true;
}

struct gn__wasi_lookup *gn__wasi_lookup_ref(struct gn__wasi_lookup *lookup)
{
    lookup->handles++;
    return lookup;
}

void gn__wasi_lookup_unref(struct gn__wasi_lookup *lookup)
{
    if (!lookup || --lookup->handles)
        return;
    gn_lookup_cancel(lookup->request);
    lookup_give(lookup);
}

/* ---- wasi:sockets/ip-name-lookup ---- */

#define NAME_MAX_LEN 254 /* with a final dot */

static int run_resolve(struct gn__wasi_call *call)
{
    struct gn_wasi_guest *guest = call->guest;
    struct gn__wasi_lookup *lookup;
    char name[NAME_MAX_LEN + 1];
    uint32_t len = (uint32_t)call->args[2];
    int number, err;

    if (len == 0 || len > NAME_MAX_LEN)
        return -EINVAL;
    err = gn__wasi_get(guest, (uint32_t)call->args[1], name, len);
    if (err)
        return err;
    name[len] = '\0';
    if (memchr(name, '\0', len))
        return -EINVAL;
    err = gn__wasi_lookup_start(guest, name, &lookup);
    if (err)
        return err;
    number = gn__wasi_handle_new(guest, GN__WASI_LOOKUP);
    if (number < 0) {
        gn__wasi_lookup_unref(lookup);
        return number;
    }
    guest->handles[number].of.lookup = lookup;
    call->value[0] = (uint64_t)number;
    return 0;
}

static int run_next(struct gn__wasi_call *call)
{
    struct gn__wasi_lookup *lookup = call->self->of.lookup;
    int status;

    if (!gn__wasi_lookup_ended(lookup, &status))
        return -EAGAIN;
    if (status == -EINVAL)
        return GN_EAI_NONAME;
    if (status)
        return status == -ETIMEDOUT ? GN_EAI_AGAIN : status;
    call->value[0] = gn__wasi_lookup_next(lookup, &call->addr);
    return 0;
}

static int run_subscribe(struct gn__wasi_call *call)
{
    struct gn__wasi_lookup *lookup = call->self->of.lookup;
    int number = gn__wasi_handle_new(call->guest, GN__WASI_POLLABLE);
    struct gn__wasi_handle *pollable;

    if (number < 0)
        return number;
    pollable = &call->guest->handles[number];
    pollable->until = GN__WASI_LOOKED_UP;
    pollable->of.lookup = gn__wasi_lookup_ref(lookup);
    call->value[0] = (uint64_t)number;
    return 0;
}

#define LOOKUP "wasi:sockets/ip-name-lookup"

static const struct gn__wasi_row rows[] = {
    {LOOKUP, "resolve-addresses", "ks>Ro,e", run_resolve, GN__WASI_NETWORK},
    {LOOKUP, "[method]resolve-address-stream.resolve-next-address", "k>ROI,e",
     run_next, GN__WASI_LOOKUP},
    {LOOKUP, "[method]resolve-address-stream.subscribe", "k>o", run_subscribe,
     GN__WASI_LOOKUP},
    {LOOKUP, "[resource-drop]resolve-address-stream", "k>", gn__wasi_drop,
     GN__WASI_LOOKUP},
};

const struct gn__wasi_rows gn__wasi_names_rows = GN__WASI_ROWS(rows);
