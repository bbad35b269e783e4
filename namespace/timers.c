/* SPDX-License-Identifier: BSD-3-Clause */
#include "namespace/timers.h"

#include <errno.h>

#include "namespace/internal.h"
#include "namespace/namespace.h"

static int may_begin(struct gn_namespace *ns)
{
    if (ns->kernel)
        return -ENOTSUP;
    if (ns->killed || ns->closing || ns->guest.home->closing)
        return -ECANCELED;
    if (ns->n_timers < ns->guest.limits.max_timers)
        return 0;
    ns->guest.stats.timers_refused++;
    gn__log(ns->guest.home, GN_LOG_WARN, GN__LOG_LIMITED,
            "guest %s: no more timers: max_timers is %u",
            gn__log_name(&ns->guest), ns->guest.limits.max_timers);
    return -EAGAIN;
}

int gn__ns_timer_begin(struct gn_namespace *ns, struct gn__wait *wait)
{
    int err = may_begin(ns);

    if (err)
        return err;
    ns->n_timers++;
    gn__ns_ref(ns);
    gn__list_add_tail(&ns->sleepers, &wait->link);
    return 0;
}

void gn__ns_timer_end(struct gn_namespace *ns, struct gn__wait *wait)
{
    gn__list_del(&wait->link);
    ns->n_timers--;
}
