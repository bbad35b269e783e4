/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/driver/reports.h"

#include <sys/socket.h>

static void tell_one(struct gn__reports *reports)
{
    struct gn__report report = reports->ring[reports->first];
    struct sockaddr_storage addr;

    reports->first = (reports->first + 1) % GN__REPORTS;
    reports->n--;
    if (report.has_peer)
        (void)gn__endpoint_to_sockaddr(&report.peer, AF_UNSPEC,
                                       (struct sockaddr *)&addr, sizeof(addr));
    reports->tell(reports, report.kind, report.error,
                  report.has_peer ? (struct sockaddr *)&addr : NULL);
}

static void tell_all(struct gn__deferred *task)
{
    struct gn__reports *reports =
        gn__container_of(task, struct gn__reports, task);

    while (reports->n)
        tell_one(reports);
}

void gn__reports_init(struct gn__reports *reports, struct gn__io *io,
                      gn__report_cb tell)
{
    *reports = (struct gn__reports){.io = io, .tell = tell};
    reports->task.run = tell_all;
    gn__list_init(&reports->task.link);
}

void gn__reports_add(struct gn__reports *reports, int kind, int error,
                     const struct gn__endpoint *peer)
{
    struct gn__report *report =
        &reports->ring[(reports->first + reports->n) % GN__REPORTS];

    if (reports->n == GN__REPORTS)
        return;
    *report = (struct gn__report){
        .kind = kind, .error = error, .has_peer = peer != NULL};
    if (peer)
        report->peer = *peer;
    reports->n++;
    gn__io_defer(reports->io, &reports->task);
}

void gn__reports_stop(struct gn__reports *reports)
{
    reports->n = 0;
    gn__io_cancel(reports->io, &reports->task);
}
