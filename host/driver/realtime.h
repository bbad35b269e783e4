/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_DRIVER_REALTIME_H
#define GN_HOST_DRIVER_REALTIME_H

/*
 * What every driver in real time has in common: the monotonic clock, the
 * system's random numbers, the lock of the process, and where threads sleep.
 *
 * The functions are operations of struct gn__driver_ops; a driver that uses
 * them has a struct gn__realtime as its first member.
 */
#include "host/driver/load.h"
#include "namespace/namespace.h"

struct gn__realtime {
    bool busy; /* its last entry left packets over; the driving thread's */
    unsigned n_processors;
    struct gn__load load;
    _Atomic uint32_t n_spinning;
    _Atomic uint32_t spin_ns;
};

void gn__realtime_init(struct gn__realtime *rt);
void gn__realtime_done(struct gn__realtime *rt);

uint64_t gn__realtime_now(void *self);
void gn__realtime_random(void *self, void *out, size_t len);
void gn__realtime_lock(void *self, bool driver);
void gn__realtime_unlock(void *self);
/** @self  NULL: the engine may be gone; then it sleeps at once. */
int gn__realtime_park(void *self, struct gn__parker *parker, uint64_t deadline);
void gn__realtime_unpark(void *self, struct gn__parker *parker);

#endif /* GN_HOST_DRIVER_REALTIME_H */
