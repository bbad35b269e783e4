/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_MEM_H
#define BASE_MEM_H

/*
 * The handle through which everything is allocated.
 *
 * It is a small value: an object keeps one, or points to its owner's. Sizes
 * are given again on free, so that an allocator needs no headers of its own
 * and tests can prove that they match. Nothing may cross from one handle to
 * another.
 */
#include <stddef.h>

#include <guestnet/mem.h>

struct gn__mem {
    struct gn_allocator a;
};

/** @alloc  Copied; NULL stands for malloc() and free(). */
void gn__mem_init(struct gn__mem *mem, const struct gn_allocator *alloc);

/** NULL when out of memory. A size of 0 counts as 1, here and on free. */
void *gn__alloc(const struct gn__mem *mem, size_t size) GN_WARN_UNUSED;

/** gn__alloc() with every byte 0. */
void *gn__zalloc(const struct gn__mem *mem, size_t size) GN_WARN_UNUSED;

/**
 * n elements of size bytes, every byte 0; NULL also when the product does not
 * fit a size_t. Freed with gn__free(mem, p, n * size).
 */
void *gn__zalloc_array(const struct gn__mem *mem, size_t n,
                       size_t size) GN_WARN_UNUSED;

/** @p  What was allocated with the same size, or NULL: then nothing happens. */
void gn__free(const struct gn__mem *mem, void *p, size_t size);

/**
 * size bytes whose address is a multiple of align.
 *
 * A custom allocator knows no alignment, so more is taken from it and the
 * aligned part handed out; malloc's is asked for the alignment directly.
 *
 * @align  A power of two.
 * @base   Set on success: what gn__free_aligned() wants back.
 */
void *gn__alloc_aligned(const struct gn__mem *mem, size_t align, size_t size,
                        void **base) GN_WARN_UNUSED;
void gn__free_aligned(const struct gn__mem *mem, void *base, size_t align,
                      size_t size);

/** A copy of a string; the length is measured again to free it. */
char *gn__strdup(const struct gn__mem *mem, const char *s) GN_WARN_UNUSED;
void gn__strfree(const struct gn__mem *mem, char *s);

#endif /* BASE_MEM_H */
