/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXAMPLES_WASMEDGE_GUEST_H
#define EXAMPLES_WASMEDGE_GUEST_H

#include <guestnet/wasi.h>

struct gn_namespace;

/**
 * Run a module or component on this thread until it ends.
 *
 * @config   Its memory, realloc and arg are filled in here.
 * @prepare  Gets the guest before it runs; NULL: nothing does.
 * @status   Gets its exit status.
 * @why      Gets a line when it traps, or cannot be run.
 *
 * Returns GN_WASI_EXIT, GN_WASI_TRAP, or a negative errno.
 */
int wasmedge_run(const char *path, struct gn_namespace *ns,
                 struct gn_wasi_config config,
                 int (*prepare)(struct gn_wasi_guest *, void *), void *arg,
                 uint64_t *status, char why[160]);

#endif /* EXAMPLES_WASMEDGE_GUEST_H */
