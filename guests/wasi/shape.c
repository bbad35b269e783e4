/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Where the parts of a result of WASI 0.2 lie, as the Canonical ABI says:
 * sizes, alignments and places follow from the type's letters (table.c). They
 * are worked out once for each row, because every call asks.
 */
#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "guests/wasi/shape.h"

#define ROWS_MAX 64u

static struct gn__wasi_shape shapes[GN__WASI_N_FILES][ROWS_MAX];

struct layout {
    uint32_t size;
    uint32_t align;
};

static struct layout layout_of_letter(char letter)
{
    switch (letter) {
    case 'h':
        return (struct layout){2, 2};
    case 'o':
    case 'w':
        return (struct layout){4, 4};
    case 'q':
        return (struct layout){8, 8};
    case 's':
    case 'L':
    case 'P':
    case 'E': /* a tag, and the handle of the error that is meant */
        return (struct layout){8, 4};
    case 'T': /* seconds, nanoseconds */
        return (struct layout){16, 8};
    case 'A':
        return (struct layout){32, 4};
    case 'I':
        return (struct layout){18, 2};
    default: /* b, y, e */
        return (struct layout){1, 1};
    }
}

static uint32_t align_up(uint32_t at, uint32_t align)
{
    return (at + align - 1) & ~(align - 1);
}

/* A tuple or an option: its parts get their places from its beginning on. */
static struct layout parts_place(struct gn__wasi_shape *shape,
                                 const char *letters, size_t n)
{
    struct layout whole = {0, 1}, part;

    if (n && *letters == 'O') {
        shape->is_option = true;
        whole.size = 1;
        letters++;
        n--;
    }
    if (n && *letters == '_')
        n--; /* Nothing. */
    assert(n <= GN__WASI_PARTS_MAX);
    for (size_t i = 0; i < n; i++) {
        part = layout_of_letter(letters[i]);
        whole.size = align_up(whole.size, part.align);
        shape->part[i] = (struct gn__wasi_part){letters[i], (uint8_t)part.size,
                                                (uint8_t)whole.size};
        whole.size += part.size;
        if (part.align > whole.align)
            whole.align = part.align;
    }
    shape->n_parts = (uint8_t)n;
    whole.size = align_up(whole.size, whole.align);
    return whole;
}

/* result<ok, error>: a tag, and behind it the one or the other. */
static struct layout result_place(struct gn__wasi_shape *shape,
                                  const char *letters, size_t n)
{
    struct layout ok = parts_place(shape, letters, n - 2), whole;
    struct layout error = layout_of_letter(letters[n - 1]);

    shape->error = letters[n - 1];
    whole.align = ok.align > error.align ? ok.align : error.align;
    shape->payload = (uint8_t)align_up(1, whole.align);
    whole.size = shape->payload + (ok.size > error.size ? ok.size : error.size);
    whole.size = align_up(whole.size, whole.align);
    return whole;
}

static void shape_make(struct gn__wasi_shape *shape,
                       const struct gn__wasi_row *row)
{
    const char *type = strchr(row->type, '>') + 1;
    struct layout whole;

    if (!*type || gn__wasi_is_scalar(type))
        return;
    if (*type == 'R')
        whole = result_place(shape, type + 1, strlen(type + 1));
    else
        whole = parts_place(shape, type, strlen(type));
    shape->size = (uint8_t)whole.size;
    shape->align = (uint8_t)whole.align;
    shape->place = (uint8_t)(gn__wasi_row_n_params(row) - 1);
}

static void shapes_make(void)
{
    for (unsigned file = 0; file < GN__WASI_N_FILES; file++) {
        const struct gn__wasi_rows *rows = gn__wasi_files[file];

        assert(rows->n <= ROWS_MAX);
        for (unsigned i = 0; i < rows->n; i++)
            if (gn__wasi_row_is_0_2(&rows->row[i]))
                shape_make(&shapes[file][i], &rows->row[i]);
    }
}

void gn__wasi_shapes_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, shapes_make);
}

const struct gn__wasi_shape *gn__wasi_shape(int op)
{
    return &shapes[(unsigned)op >> GN__WASI_FILE_BITS]
                  [(unsigned)op & ((1u << GN__WASI_FILE_BITS) - 1)];
}
