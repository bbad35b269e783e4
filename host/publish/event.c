/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What happens to a publication, told to its owner: a line of the log at once,
 * and a callback on a later turn, where the owner may end it.
 */
#include <errno.h>

#include <guestnet/error.h>

#include "host/publish/publish.h"

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

void gn__publish_tell(struct gn_publication *pub,
                      enum gn_publication_event event, int error,
                      const struct gn__endpoint *client)
{
    log_event(pub, event, error);
    if (pub->event && !pub->closing)
        gn__reports_add(&pub->reports, (int)event, error, client);
}

void gn__publish_turned_away(struct gn_publication *pub, int error,
                             const struct gn__endpoint *client)
{
    bool gone = error == -EHOSTUNREACH || error == -ENETUNREACH;

    gn__publish_tell(
        pub, gone ? GN_PUBLICATION_TARGET_GONE : GN_PUBLICATION_TURNED_AWAY,
        error, client);
}

void gn__publish_report(struct gn__reports *reports, int kind, int error,
                        const struct sockaddr *client)
{
    struct gn_publication *pub =
        gn__container_of(reports, struct gn_publication, reports);

    pub->event(pub, (enum gn_publication_event)kind, error, client,
               pub->event_arg);
}
