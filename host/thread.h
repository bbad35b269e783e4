/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_HOST_THREAD_H
#define GN_HOST_THREAD_H

/*
 * The thread driver: an engine in real time, with a thread that runs what is
 * due when nobody else is there, and the callbacks.
 */
#include <guestnet/mem.h>

#include "namespace/namespace.h"

struct gn__thread;

/**
 * Take a share in the thread and engine for this allocator, which start with
 * the first share. A share ends with the network that is made on the engine
 * (the driver's gone()), or by gn__thread_give() if none was made.
 *
 * Returns 0, -ENOMEM or -EAGAIN (no thread).
 */
GN_WARN_UNUSED int gn__thread_take(const struct gn_allocator *alloc,
                                   struct gn__thread **out);
/** If it was the last share, returns when the thread is gone. */
void gn__thread_give(struct gn__thread *thread);

struct gn__engine *gn__thread_engine(struct gn__thread *thread);

#endif /* GN_HOST_THREAD_H */
