/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUESTS_H
#define GUESTS_H

/* The functions that guestnet-wasm writes into NAME_guest.c: NAME_run(). */
#include <guestnet/guestnet.h>

typedef int run_fn(struct gn_namespace *ns, struct gn_wasi_config config,
                   int (*prepare)(struct gn_wasi_guest *, void *), void *arg,
                   uint64_t *status, char why[160]);

run_fn server_run, client_run;

#endif /* GUESTS_H */
