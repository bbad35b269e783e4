/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A guest's handles: descriptors of preview 1 and resources of WASI 0.2 in one
 * table, because modules use both at once. Numbers are given out lowest first,
 * as programs written for select(2) expect of descriptors.
 */
#include <errno.h>
#include <string.h>

#include "guests/wasi/names.h"
#include "guests/wasi/wasi.h"

#define HANDLES_FIRST 16u

static int handles_grow(struct gn_wasi_guest *guest)
{
    uint32_t n = guest->n_handles ? guest->n_handles * 2 : HANDLES_FIRST;
    struct gn__wasi_handle *more;

    if (guest->n_handles == guest->max_handles)
        return -EMFILE;
    if (n > guest->max_handles)
        n = guest->max_handles;
    more = gn__zalloc_array(&guest->mem, n, sizeof(*more));
    if (!more)
        return -ENOMEM;
    if (guest->n_handles)
        memcpy(more, guest->handles, guest->n_handles * sizeof(*more));
    gn__free(&guest->mem, guest->handles, guest->n_handles * sizeof(*more));
    guest->handles = more;
    guest->n_handles = n;
    return 0;
}

int gn__wasi_handle_new(struct gn_wasi_guest *guest, enum gn__wasi_kind kind)
{
    uint32_t i = guest->free_from;
    int err;

    while (i < guest->n_handles && guest->handles[i].kind)
        i++;
    if (i == guest->n_handles) {
        err = handles_grow(guest);
        if (err)
            return err;
    }
    guest->free_from = i + 1;
    guest->handles[i] =
        (struct gn__wasi_handle){.kind = (uint8_t)kind, .fd = -1};
    return (int)i;
}

void gn__wasi_handle_drop(struct gn_wasi_guest *guest, uint32_t number)
{
    struct gn__wasi_handle gone = guest->handles[number];

    guest->handles[number].kind = GN__WASI_FREE;
    if (number < guest->free_from)
        guest->free_from = number;
    if (gone.kind == GN__WASI_LOOKUP || gone.until == GN__WASI_LOOKED_UP)
        gn__wasi_lookup_unref(gone.of.lookup);
    else
        gn__wasi_sock_unref(gone.of.sock);
}

void gn__wasi_handles_done(struct gn_wasi_guest *guest)
{
    for (uint32_t i = 0; i < guest->n_handles; i++)
        if (guest->handles[i].kind)
            gn__wasi_handle_drop(guest, i);
    gn__free(&guest->mem, guest->handles,
             guest->n_handles * sizeof(*guest->handles));
    guest->handles = NULL;
    guest->n_handles = 0;
}
