/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Over a custom allocator an aligned block is cut from a larger one, so it
 * costs up to align - 1 bytes more; malloc's aligned_alloc() wastes nothing
 * that can be seen here, but its memory must go back through free(), which is
 * what the default allocator does with sizes it does not need.
 */
#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *malloc_alloc(size_t size, void *arg)
{
    (void)arg;
    return malloc(size);
}

static void malloc_free(void *p, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    free(p);
}

void gn__mem_init(struct gn__mem *mem, const struct gn_allocator *alloc)
{
    static const struct gn_allocator by_malloc = {malloc_alloc, malloc_free,
                                                  NULL};

    mem->a = alloc ? *alloc : by_malloc;
}

void *gn__alloc(const struct gn__mem *mem, size_t size)
{
    return mem->a.alloc(size ? size : 1, mem->a.arg);
}

void *gn__zalloc(const struct gn__mem *mem, size_t size)
{
    void *p = gn__alloc(mem, size);

    if (p)
        memset(p, 0, size);
    return p;
}

void *gn__zalloc_array(const struct gn__mem *mem, size_t n, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(n, size, &total))
        return NULL;
    return gn__zalloc(mem, total);
}

void gn__free(const struct gn__mem *mem, void *p, size_t size)
{
    if (p)
        mem->a.free(p, size ? size : 1, mem->a.arg);
}

/* How much to ask of the allocator; 0: more than there can be. */
static size_t aligned_size(const struct gn__mem *mem, size_t align, size_t size)
{
    assert(align && !(align & (align - 1)));
    if (size > SIZE_MAX - align)
        return 0;
    if (mem->a.alloc == malloc_alloc)
        return (size + align - 1) & ~(align - 1);
    return size + align - 1;
}

void *gn__alloc_aligned(const struct gn__mem *mem, size_t align, size_t size,
                        void **base)
{
    size_t total = aligned_size(mem, align, size);
    char *raw;

    if (!total)
        return NULL;
    if (mem->a.alloc == malloc_alloc)
        raw = aligned_alloc(align, total);
    else
        raw = gn__alloc(mem, total);
    if (!raw)
        return NULL;
    *base = raw;
    return raw + (-(uintptr_t)raw & (align - 1));
}

void gn__free_aligned(const struct gn__mem *mem, void *base, size_t align,
                      size_t size)
{
    gn__free(mem, base, aligned_size(mem, align, size));
}

char *gn__strdup(const struct gn__mem *mem, const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = gn__alloc(mem, size);

    if (copy)
        memcpy(copy, s, size);
    return copy;
}

void gn__strfree(const struct gn__mem *mem, char *s)
{
    if (s)
        gn__free(mem, s, strlen(s) + 1);
}
