/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_TIMERS_H
#define GN_NAMESPACE_TIMERS_H

/*
 * Timers as far as their namespace is concerned: how many it may have, and that
 * they end with it. The timers themselves are host/timer.c's; waits
 * (sock/wait.c) are counted with them.
 */
#include "engine/engine.h"
#include "namespace/sock/sock.h"

/**
 * Under the lock: a timer begins. Until gn__ns_timer_end() it counts, and
 * @wait->fire is called, under the lock, when the namespace is killed or
 * closes. It takes a reference to @ns.
 *
 *   -EAGAIN     There are as many as may be.
 *   -ECANCELED  Killed or closing.
 *   -ENOTSUP    The kernel's sockets.
 */
GN_WARN_UNUSED int gn__ns_timer_begin(struct gn_namespace *ns,
                                      struct gn__wait *wait);
/** Under the lock: it is over; then gn__ns_unref() without it. */
void gn__ns_timer_end(struct gn_namespace *ns, struct gn__wait *wait);

#endif /* GN_NAMESPACE_TIMERS_H */
