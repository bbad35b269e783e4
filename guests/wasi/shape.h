/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTS_WASI_SHAPE_H
#define GUESTS_WASI_SHAPE_H

/*
 * How a result of WASI 0.2 lies in the guest's memory.
 */
#include "guests/wasi/wasi.h"

#define GN__WASI_PARTS_MAX 3

struct gn__wasi_part {
    char letter;  /* of the type, table.c */
    uint8_t size; /* bytes */
    uint8_t at;   /* from the beginning of the payload on */
};

struct gn__wasi_shape {
    uint8_t size; /* 0: nothing is stored: there is no result, or a scalar */
    uint8_t align;
    uint8_t place;   /* the parameter that says where it goes */
    uint8_t payload; /* where the ok or the error lies */
    char error;      /* 0: it is no result<>, and an error traps */
    bool is_option;  /* value[0]: is it there? A byte before the parts. */
    uint8_t n_parts;
    struct gn__wasi_part part[GN__WASI_PARTS_MAX];
};

/** Work all of them out, once in a process. */
void gn__wasi_shapes_prepare(void);
/** That of an operation of WASI 0.2. */
const struct gn__wasi_shape *gn__wasi_shape(int op);

/** Before it is tried: does its result go into the guest's memory? */
static inline bool gn__wasi_result_fits(const struct gn__wasi_call *call)
{
    const struct gn__wasi_shape *shape = call->shape;
    uint32_t at = (uint32_t)call->args[shape->place];

    return !shape->size || (!(at & (shape->align - 1u)) &&
                            gn__wasi_at(call->guest, at, shape->size));
}

#endif /* GUESTS_WASI_SHAPE_H */
