/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_REF_H
#define BASE_REF_H

/*
 * A count of references to an object. The holder of one may take another and
 * pass it on, from any thread and without a lock; so a count that is taken from
 * is never zero, and one that has become zero never rises again.
 *
 * Code that knows an object without holding a reference (by a list, say) has to
 * ask for one by gn__ref_try(), under a lock. The thread that gives back the
 * last reference takes the same lock before the object leaves that list.
 *
 * docs/lifetimes.md lists the counts of this library and their holders.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <guestnet/export.h>

struct gn__ref {
    _Atomic uint32_t count;
};

/** @n  Those that are there at the beginning, at least one. */
static inline void gn__ref_init(struct gn__ref *ref, uint32_t n)
{
    assert(n > 0);
    atomic_init(&ref->count, n);
}

/** Take one more; the caller holds one. */
static inline void gn__ref_take(struct gn__ref *ref)
{
    uint32_t before =
        atomic_fetch_add_explicit(&ref->count, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before; /* NDEBUG */
}

/** Take one, unless the last is given back: then false, and the object is on
 *  its way out. */
static inline GN_WARN_UNUSED bool gn__ref_try(struct gn__ref *ref)
{
    uint32_t count = atomic_load_explicit(&ref->count, memory_order_relaxed);

    while (count && !atomic_compare_exchange_weak_explicit(
                        &ref->count, &count, count + 1, memory_order_relaxed,
                        memory_order_relaxed))
        continue;
    return count > 0;
}

/** Give one back; true: it was the last, and the caller ends the object. */
static inline GN_WARN_UNUSED bool gn__ref_give(struct gn__ref *ref)
{
    uint32_t before =
        atomic_fetch_sub_explicit(&ref->count, 1, memory_order_acq_rel);

    assert(before > 0);
    return before == 1;
}

/** How many there are: it may change at once, unless all references are held by
 *  the calling thread. */
static inline uint32_t gn__ref_count(const struct gn__ref *ref)
{
    return atomic_load_explicit(&ref->count, memory_order_acquire);
}

/** Are there other references than the caller's? If no code asks by
 *  gn__ref_try(), a caller that is alone stays so. */
static inline bool gn__ref_is_shared(const struct gn__ref *ref)
{
    return gn__ref_count(ref) != 1;
}

#endif /* BASE_REF_H */
