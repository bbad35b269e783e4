/* SPDX-License-Identifier: BSD-3-Clause */

/* Prints the rows of WASI 0.2: module, name and type, a line each. */
#include <stdio.h>

#include "guests/wasi/wasi.h"

int main(void)
{
    static const struct gn__wasi_rows *const files[] = {
        &gn__wasi_io_rows, &gn__wasi_tcp_rows, &gn__wasi_udp_rows,
        &gn__wasi_names_rows, &gn__wasi_cli_rows};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        for (unsigned k = 0; k < files[i]->n; k++)
            printf("%s %s %s\n", files[i]->row[k].module, files[i]->row[k].name,
                   files[i]->row[k].type);
    return 0;
}
