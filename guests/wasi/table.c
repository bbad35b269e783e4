/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The table of all imports.
 *
 * Types are written in letters. Rows of preview 1 and WasmEdge have the core
 * function's: "iiI>i". Those of WASI 0.2 have the letters of the WIT types,
 * which say both what the core function's parameters are (Canonical ABI,
 * "Flattening") and how the result lies in memory (lower.c):
 *
 *     k  borrowed handle    b  bool     s  string          e  an enum
 *     o  owned handle       y  u8       L  list<u8>        E  stream-error
 *     A  ip-socket-address  h  u16      P  any other list  T  datetime
 *     I  ip-address         w  u32      O  option of the next
 *     _  nothing            q  u64      R  result of what is before the comma,
 *                                          with what is behind it as error
 *
 * Several letters behind R or at the end are a tuple.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/wasi/wasi.h"

const struct gn__wasi_rows *const gn__wasi_files[GN__WASI_N_FILES] = {
    &gn__wasi_preview1_rows, &gn__wasi_wasmedge_rows, &gn__wasi_io_rows,
    &gn__wasi_tcp_rows,      &gn__wasi_udp_rows,      &gn__wasi_names_rows,
    &gn__wasi_cli_rows,
};

bool gn__wasi_row_is_wasmedge(int op)
{
    return gn__wasi_row(op) &&
           gn__wasi_files[op >> GN__WASI_FILE_BITS] == &gn__wasi_wasmedge_rows;
}

/* ---- types as core functions have them ---- */

static char *flat_add(char *out, const char *end, char letter, unsigned n)
{
    while (n-- && out < end)
        *out++ = letter;
    return out;
}

static char *flat_params(const char *type, char *out, const char *end)
{
    for (; *type && *type != '>'; type++) {
        switch (*type) {
        case 'q':
            out = flat_add(out, end, 'I', 1);
            break;
        case 's':
        case 'L':
        case 'P':
            out = flat_add(out, end, 'i', 2);
            break;
        case 'A':
            out = flat_add(out, end, 'i', 12);
            break;
        default: /* O: whether it is there */
            out = flat_add(out, end, 'i', 1);
        }
    }
    return out;
}

bool gn__wasi_is_scalar(const char *result)
{
    return result[0] && !result[1] && strchr("beoyhwq", result[0]);
}

unsigned gn__wasi_row_n_params(const struct gn__wasi_row *row)
{
    const char *result = strchr(row->type, '>') + 1;
    char letters[40];

    if (!gn__wasi_row_is_0_2(row))
        return (unsigned)(result - row->type) - 1;
    return (unsigned)(flat_params(row->type, letters, letters + 36) - letters) +
           (*result && !gn__wasi_is_scalar(result));
}

void gn__wasi_row_signature(const struct gn__wasi_row *row, char out[40])
{
    const char *result = strchr(row->type, '>') + 1;
    char *end = out + 36, *at;

    if (!gn__wasi_row_is_0_2(row)) {
        (void)snprintf(out, 40, "%s", row->type); /* At most 8 parameters. */
        return;
    }
    at = flat_params(row->type, out, end);
    if (*result && !gn__wasi_is_scalar(result))
        *at++ = 'i'; /* Where the result goes. */
    *at++ = '>';
    if (gn__wasi_is_scalar(result))
        *at++ = *result == 'q' ? 'I' : 'i';
    *at = '\0';
}

/* ---- finding ---- */

/* "wasi:io/poll" is that of any "wasi:io/poll@0.2.N". */
static bool module_fits(const struct gn__wasi_row *row, const char *module)
{
    size_t len = strlen(row->module);

    if (strncmp(row->module, module, len) != 0)
        return false;
    if (!gn__wasi_row_is_0_2(row))
        return !module[len];
    if (strncmp(module + len, "@0.2.", 5) != 0)
        return false;
    return module[len + 5] &&
           !module[len + 5 + strspn(module + len + 5, "0123456789")];
}

/* "*" is every name of WIT's (words of letters, digits and hyphens, with dots
 * between them) that begins so. */
static bool name_fits(const struct gn__wasi_row *row, const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t len = strlen(row->name) - 1;

    if (row->name[len] != '*')
        return strcmp(row->name, name) == 0;
    return strncmp(row->name, name, len) == 0 && name[len] &&
           !name[len + strspn(name + len, letters)];
}

/* As WASI's functions have them: what calls has no more room. */
static bool is_of_wasi(const char *signature)
{
    size_t n = strspn(signature, "iI");
    const char *result = signature + n + 1;

    return n <= GN_WASI_ARGS_MAX && signature[n] == '>' &&
           (!*result || (strchr("iI", *result) && !result[1]));
}

static bool type_fits(const struct gn__wasi_row *row, const char *signature)
{
    char own[40];

    if (!signature)
        return true;
    if (row->type[0] == '*')
        return is_of_wasi(signature);
    gn__wasi_row_signature(row, own);
    return strcmp(own, signature) == 0;
}

int gn_wasi_find(const char *module, const char *name, const char *signature)
{
    if (!module || !name)
        return -ENOENT;
    for (unsigned file = 0; file < GN__WASI_N_FILES; file++)
        for (unsigned i = 0; i < gn__wasi_files[file]->n; i++) {
            const struct gn__wasi_row *row = &gn__wasi_files[file]->row[i];

            if (module_fits(row, module) && name_fits(row, name) &&
                type_fits(row, signature))
                return (int)(file << GN__WASI_FILE_BITS | i);
        }
    return -ENOENT;
}
