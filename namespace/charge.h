/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GN_NAMESPACE_CHARGE_H
#define GN_NAMESPACE_CHARGE_H

/*
 * Memory that guests cost the process outside of their stacks, and that is not
 * counted byte by byte: a library's, by an estimate for each object. It is
 * bounded by limits.max_buffered, beside what the stacks hold. Any thread,
 * without the lock.
 */
#include <stddef.h>

#include <guestnet/export.h>

struct gn__guest;

/** Zero: none was taken. */
struct gn__charge {
    struct gn__guest *guest; /* a reference */
    size_t bytes;
};

/** Charge @guest with @bytes. -ENOBUFS: it has no room for them, which is
 *  counted at it as GN_DROP_MEMORY. */
GN_WARN_UNUSED int gn__charge_take(struct gn__guest *guest, size_t bytes,
                                   struct gn__charge *charge);
/** Give it back; none: nothing happens. */
void gn__charge_give(struct gn__charge *charge);

#endif /* GN_NAMESPACE_CHARGE_H */
