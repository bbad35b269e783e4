/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebAssembly modules and components of strangers into gn_wasi_scan(). Whatever
 * it says, it has looked at no byte beyond them, and what it gives is whole.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <guestnet/wasi.h>

#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1); /* Its end is the allocation's. */
    struct gn_wasi_scan scan;
    char why[64] = "";
    int err;

    CHECK(exact);
    memcpy(exact, data, len);
    err = gn_wasi_scan(exact, len, &scan, why, sizeof(why));
    CHECK(err == 0 || err == -EINVAL || err == -ENOTSUP);
    CHECK(err == 0 || why[0]);
    if (!err) {
        CHECK(scan.core >= exact && scan.core_len <= len);
        CHECK(scan.core + scan.core_len <= exact + len);
        CHECK(scan.n_missing <= scan.n_imports);
        for (size_t i = 0; i < scan.n_imports; i++)
            CHECK(scan.imports[i].module && scan.imports[i].name &&
                  memchr(scan.imports[i].signature, 0,
                         sizeof(scan.imports[i].signature)));
        gn_wasi_scan_done(&scan);
    }
    free(exact);
    return 0;
}
