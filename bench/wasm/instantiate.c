/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The guest that wasm2c and guestnet-wasm have made of program.c, and beside
 * its program_run() what wasm_start is compared with.
 */
#include "program_guest.c" // NOLINT(bugprone-suspicious-include): made so

/** Instantiate it and free it, without a guest and a network. */
int program_instantiate(void);

int program_instantiate(void)
{
    guest_instance *instance = calloc(1, sizeof(*instance));
    struct gn_w2c c = {.instance = instance};

    if (!instance)
        return -ENOMEM;
    (void)pthread_once(&once, guest_once);
    guest_instantiate(&c);
    guest_free(instance);
    free(instance);
    return 0;
}
