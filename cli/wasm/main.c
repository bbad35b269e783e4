/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * guestnet-wasm: what a WebAssembly module needs, and what wasm2c's output of
 * it is compiled with.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <guestnet/wasi.h>

#include "wasm2c.h"

#define FILE_MOST (256u << 20)

static const char usage[] =
    "usage: guestnet-wasm scan FILE         what the module imports\n"
    "       guestnet-wasm core FILE         its core module, to standard output\n"
    "       guestnet-wasm wasm2c FILE NAME  the C source of a guest around\n"
    "                                       NAME.c, which wasm2c has made of\n"
    "                                       the core module with -n NAME\n"
    "       guestnet-wasm runtime           the C source of wasm2c's runtime\n";

/* All of a file; NULL, and it is said why. */
static void *file_read(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL, *more;
    size_t cap = 0, n = 0;

    while (file && (n < cap || cap < FILE_MOST)) {
        size_t got;

        if (n == cap) {
            cap = cap ? cap * 2 : 65536;
            more = realloc(bytes, cap);
            if (!more)
                break;
            bytes = more;
        }
        got = fread(bytes + n, 1, cap - n, file);
        n += got;
        if (got == 0 && feof(file)) {
            fclose(file);
            *len = n;
            return bytes;
        }
        if (ferror(file))
            break;
    }
    fprintf(stderr, "guestnet-wasm: %s: %s\n", path,
            errno ? strerror(errno) : "more than 256 MiB");
    if (file)
        fclose(file);
    free(bytes);
    return NULL;
}

static int scan_print(const char *path, const struct gn_wasi_scan *scan)
{
    printf("%s: %s%s%s, %zu imports%s%s\n", path,
           scan->component ? "component" : "core module",
           scan->language[0] ? ", " : "", scan->language, scan->n_imports,
           scan->start[0] ? ", starts at " : ", nothing starts it",
           scan->start);
    printf("interfaces:%s%s%s\n",
           scan->interfaces & GN_WASI_PREVIEW1 ? " preview1" : "",
           scan->interfaces & GN_WASI_WASMEDGE ? " wasmedge" : "",
           scan->interfaces & GN_WASI_0_2 ? " 0.2" : "");
    for (size_t i = 0; i < scan->n_imports; i++)
        printf("%s %s %s %s\n", scan->imports[i].op >= 0 ? " " : "-",
               scan->imports[i].module, scan->imports[i].name,
               scan->imports[i].signature);
    if (scan->n_missing)
        printf("not served: %s\n", scan->missing);
    return scan->n_missing != 0;
}

static int core_print(const struct gn_wasi_scan *scan)
{
    return fwrite(scan->core, 1, scan->core_len, stdout) != scan->core_len;
}

static int file_command(const char *command, const char *path, const char *name)
{
    struct gn_wasi_scan scan;
    char why[160] = "";
    size_t len;
    void *bytes = file_read(path, &len);
    int err, status;

    if (!bytes)
        return 1;
    err = gn_wasi_scan(bytes, len, &scan, why, sizeof(why));
    if (err) {
        fprintf(stderr, "guestnet-wasm: %s: %s\n", path,
                why[0] ? why : strerror(-err));
        free(bytes);
        return 1;
    }
    if (strcmp(command, "scan") == 0)
        status = scan_print(path, &scan);
    else if (strcmp(command, "core") == 0)
        status = core_print(&scan);
    else
        status = wasm2c_print(&scan, path, name);
    gn_wasi_scan_done(&scan);
    free(bytes);
    return status;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (argc == 3 &&
        (strcmp(command, "scan") == 0 || strcmp(command, "core") == 0))
        return file_command(command, argv[2], NULL);
    if (argc == 4 && strcmp(command, "wasm2c") == 0)
        return file_command(command, argv[2], argv[3]);
    if (argc == 2 && strcmp(command, "runtime") == 0)
        return wasm2c_print_runtime();
    if (argc == 2 && strcmp(command, "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    fputs(usage, stderr);
    return 2;
}
