/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTNET_MEM_H
#define GUESTNET_MEM_H

/*
 * Where the library's memory comes from.
 *
 * Each object that can be created on its own takes an allocator in its
 * configuration; what belongs to it comes from there and goes back there.
 * NULL stands for malloc() and free(). There is no process-wide setting, so
 * that two users of the library in one process do not meet.
 */
#include <stddef.h>

#include <guestnet/export.h>

GN_BEGIN_DECLS

/**
 * An allocator. The struct is copied; what arg points to is borrowed until the
 * last object that was made with the allocator is gone.
 *
 * Both functions are called from any thread, also at the same time, and with
 * the library's locks held: they must be thread-safe and must not call back
 * into the library.
 */
struct gn_allocator {
    /*
     * Returns size bytes (never 0), aligned for any type (max_align_t), or
     * NULL when there are none: the call that needed them ends with -ENOMEM.
     */
    void *(*alloc)(size_t size, void *arg);
    /*
     * Takes back what alloc() gave, with the size that was asked for. Never
     * called with NULL.
     */
    void (*free)(void *p, size_t size, void *arg);
    void *arg; /* Passed to both. */
};

GN_END_DECLS

#endif /* GUESTNET_MEM_H */
