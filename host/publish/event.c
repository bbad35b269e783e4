/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What happens to a publication, told to its owner: a line of the log at once,
 * and a callback on a later turn, where the owner may end it.
 */
#include <errno.h>

#include <guestnet/error.h>

#include "host/publish/publish.h"

struct gn__publish_event {
    enum gn_publication_event event;
    int error;
    bool has_client;
    struct gn__endpoint client;
};

struct gn__publish_events {
    struct gn__notice task;
    struct gn_publication *pub;
    gn_publication_cb callback;
    void *arg;
    unsigned first;
    unsigned n;
    struct gn__publish_event ring[GN__PUBLISH_EVENTS];
};

static const char *const texts[] = {
    [GN_PUBLICATION_TURNED_AWAY] = "a client was turned away",
    [GN_PUBLICATION_TARGET_GONE] = "a client was turned away, no such guest",
    [GN_PUBLICATION_PAUSED] = "accepting pauses",
};

_Static_assert(sizeof(texts) / sizeof(*texts) == GN_N_PUBLICATION_EVENTS,
               "every event has a text");

static void log_event(const struct gn_publication *pub,
                      enum gn_publication_event event, int error)
{
    bool paused = event == GN_PUBLICATION_PAUSED;
    const char *why = error ? gn_strerror(error)
                      : pub->stats.active < pub->max_clients
                          ? "as many clients as the guest may have sockets"
                          : "max_connections";

    gn__network_log(pub->net, GN_LOG_WARN,
                    paused ? GN__LOG_PAUSED : GN__LOG_TURNED_AWAY,
                    "publication %s: %s: %s", pub->label, texts[event], why);
}

static void queue_event(struct gn__publish_events *events,
                        const struct gn__publish_event *event)
{
    unsigned at = (events->first + events->n) % GN__PUBLISH_EVENTS;

    if (events->n == GN__PUBLISH_EVENTS)
        return; /* The statistics have it. */
    events->ring[at] = *event;
    events->n++;
    gn__io_defer(events->pub->io, &events->task);
}

void gn__publish_tell(struct gn_publication *pub,
                      enum gn_publication_event kind, int error,
                      const struct gn__endpoint *client)
{
    struct gn__publish_event event = {
        .event = kind, .error = error, .has_client = client != NULL};

    log_event(pub, kind, error);
    if (client)
        event.client = *client;
    if (pub->events && !pub->closing)
        queue_event(pub->events, &event);
}

void gn__publish_turned_away(struct gn_publication *pub, int error,
                             const struct gn__endpoint *client)
{
    bool gone = error == -EHOSTUNREACH || error == -ENETUNREACH;

    gn__publish_tell(
        pub, gone ? GN_PUBLICATION_TARGET_GONE : GN_PUBLICATION_TURNED_AWAY,
        error, client);
}

static void tell_one(struct gn__publish_events *events)
{
    struct gn__publish_event event = events->ring[events->first];
    struct sockaddr_storage addr;

    events->first = (events->first + 1) % GN__PUBLISH_EVENTS;
    events->n--;
    if (event.has_client)
        (void)gn__endpoint_to_sockaddr(&event.client, AF_UNSPEC,
                                       (struct sockaddr *)&addr, sizeof(addr));
    events->callback(events->pub, event.event, event.error,
                     event.has_client ? (struct sockaddr *)&addr : NULL,
                     events->arg);
}

/* A callback may end the publication, whose memory goes on a later turn. */
static void tell_events(struct gn__notice *task)
{
    struct gn__publish_events *events =
        gn__container_of(task, struct gn__publish_events, task);
    const struct gn_publication *pub = events->pub;

    while (!pub->closing && events->n)
        tell_one(events);
}

int gn__publish_events_create(struct gn_publication *pub,
                              const struct gn_publish_options *options)
{
    struct gn__publish_events *events;

    if (!options->event)
        return 0;
    events = gn__zalloc(pub->io->mem, sizeof(*events));
    if (!events)
        return -ENOMEM;
    events->pub = pub;
    events->callback = options->event;
    events->arg = options->event_arg;
    events->task.run = tell_events;
    gn__list_init(&events->task.link);
    pub->events = events;
    return 0;
}

void gn__publish_events_free(struct gn_publication *pub)
{
    if (!pub->events)
        return;
    gn__io_cancel(pub->io, &pub->events->task);
    gn__free(pub->io->mem, pub->events, sizeof(*pub->events));
}
