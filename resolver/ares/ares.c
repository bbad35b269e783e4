/* SPDX-License-Identifier: BSD-3-Clause */
#include "resolver/ares/internal.h"

#include <errno.h>
#include <stdlib.h>

void gn__ares_ref(struct gn__ares *ares)
{
    gn__ref_take(&ares->refs);
}

void gn__ares_unref(struct gn__ares *ares)
{
    if (!gn__ref_give(&ares->refs))
        return;
    gn__table_done(&ares->sessions);
    pthread_mutex_destroy(&ares->lock);
    gn__ares_forget(&ares->settings);
    free(ares);
}

/* c-ares knows some reasons of its own to refuse settings. */
static int try_settings(const struct gn__ares_settings *settings)
{
    ares_channel_t *channel;
    int err;

    if (!settings->servers)
        return 0; /* resolv_conf may come to be there later. */
    err = gn__ares_channel(settings, GN__ARES_TIMEOUT_MS, GN__ARES_TRIES, NULL,
                           NULL, &channel);
    if (err)
        return err == -ENOMEM ? err : -EINVAL;
    ares_destroy(channel);
    return 0;
}

int gn_resolver_ares(const struct gn_ares_config *config,
                     struct gn_resolver **out)
{
    static const uint64_t key[2]; /* The keys are addresses of ours. */
    struct gn__ares *ares;
    int err;

    if (!out)
        return -EINVAL;
    ares = calloc(1, sizeof(*ares));
    if (!ares)
        return -ENOMEM;
    gn__mem_init(&ares->mem, NULL);
    err = gn__ares_read(config, &ares->settings);
    if (!err)
        err = try_settings(&ares->settings);
    if (err)
        goto undo_settings;
    gn__ref_init(&ares->refs, 1);
    gn__table_init(&ares->sessions, &ares->mem, key);
    if (pthread_mutex_init(&ares->lock, NULL)) {
        err = -ENOMEM;
        goto undo_settings;
    }
    err = gn__resolver_create(&ares->mem, &gn__ares_ops, ares, out);
    if (err)
        goto undo_lock;
    return 0;

undo_lock:
    pthread_mutex_destroy(&ares->lock);
undo_settings:
    gn__ares_forget(&ares->settings);
    free(ares);
    return err;
}

int gn_resolver_ares_stats(const struct gn_resolver *resolver,
                           struct gn_ares_stats *out)
{
    const struct gn__ares *ares;

    if (!resolver || resolver->ops != &gn__ares_ops || !out)
        return -EINVAL;
    ares = resolver->self;
    *out = (struct gn_ares_stats){
        .lookups = atomic_load(&ares->lookups),
        .asked = atomic_load(&ares->asked),
        .answers = atomic_load(&ares->answers),
        .dropped = atomic_load(&ares->dropped),
        .failures = atomic_load(&ares->failures),
    };
    return 0;
}
