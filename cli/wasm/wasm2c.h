/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WASM_WASM2C_H
#define WASM_WASM2C_H

/*
 * C sources around what wasm2c makes of a module. Both return an exit status.
 */
#include <guestnet/wasi.h>

int wasm2c_print(const struct gn_wasi_scan *scan, const char *path,
                 const char *name);
int wasm2c_print_runtime(void);

#endif /* WASM_WASM2C_H */
