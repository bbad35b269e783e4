/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTS_WASI_IO_H
#define GUESTS_WASI_IO_H

/*
 * Handles of wasi:io that other interfaces make.
 */
#include "guests/wasi/wasi.h"

/** A new pollable, which is call->value[0] and is returned; or an error. @sock
 *  may be NULL; gets a reference. */
int gn__wasi_pollable(struct gn__wasi_call *call, enum gn__wasi_until until,
                      struct gn__wasi_sock *sock);
/** Two handles with a reference to @sock each: both ways of a connection, or of
 *  a datagram socket. */
int gn__wasi_streams(struct gn_wasi_guest *guest, struct gn__wasi_sock *sock,
                     enum gn__wasi_kind in, enum gn__wasi_kind out,
                     uint64_t numbers[2]);
/** [resource-drop] of what row->self says. */
int gn__wasi_drop(struct gn__wasi_call *call);

#endif /* GUESTS_WASI_IO_H */
