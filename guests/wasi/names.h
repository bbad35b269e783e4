/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTS_WASI_NAMES_H
#define GUESTS_WASI_NAMES_H

/*
 * A lookup of a name that a guest has asked for.
 */
#include "guests/wasi/wasi.h"

#define GN__WASI_ANSWERS_MAX GN_LOOKUP_ANSWERS_MAX

struct gn__wasi_lookup;

/** Starts the lookup of a guest's name. In the blocking form it has ended when
 *  this returns. -EINVAL: it can be no name. */
int gn__wasi_lookup_start(struct gn_wasi_guest *guest, const char *name,
                          struct gn__wasi_lookup **out);
/** Has it ended? Then *status is 0 or its error. */
bool gn__wasi_lookup_ended(struct gn__wasi_lookup *lookup, int *status);
/** Its next address, which has no port; false: there is no other. */
bool gn__wasi_lookup_next(struct gn__wasi_lookup *lookup,
                          struct sockaddr_storage *out);
/** One more handle of it. */
struct gn__wasi_lookup *gn__wasi_lookup_ref(struct gn__wasi_lookup *lookup);
/** The last handle ends one that is under way. NULL is allowed. */
void gn__wasi_lookup_unref(struct gn__wasi_lookup *lookup);

#endif /* GUESTS_WASI_NAMES_H */
