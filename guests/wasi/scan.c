/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Reading what a module imports (WebAssembly core specification, section 5; for
 * components the Component Model's Binary.md, of which only the sections with
 * core modules matter).
 *
 * The bytes are a stranger's. A cursor knows where they end; once it has run
 * out it stays so and gives zeroes, so that a parser looks at the end of a
 * piece whether all of it was there.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/wasi/wasi.h"

#define SECTION_CUSTOM 0u
#define SECTION_TYPE   1u
#define SECTION_IMPORT 2u
#define SECTION_EXPORT 7u
#define SECTION_MODULE 1u /* of a component */

#define KIND_FUNCTION 0u
#define KIND_TABLE    1u
#define KIND_MEMORY   2u
#define KIND_GLOBAL   3u
#define KIND_TAG      4u

#define NAME_MOST    4096u
#define IMPORTS_MOST 10000u
#define VALUES_MOST  1000u /* engines take as many parameters, or results */

#define SIGNATURE_SIZE sizeof(((struct gn_wasi_import *)0)->signature)

struct cursor {
    const uint8_t *at, *end;
    bool wrong; /* it has run out, or a number is too long */
};

struct text {
    const char *at;
    uint32_t len;
};

static uint8_t take_byte(struct cursor *c)
{
    if (c->at == c->end) {
        c->wrong = true;
        return 0;
    }
    return *c->at++;
}

/* LEB128. */
static uint64_t take_number(struct cursor *c)
{
    uint64_t value = 0;
    uint8_t byte;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        byte = take_byte(c);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    c->wrong = true;
    return 0;
}

/* The next @len bytes as a cursor of their own. */
static struct cursor take_piece(struct cursor *c, uint64_t len)
{
    struct cursor piece = {c->at, c->at, true};

    if (c->wrong || len > (uint64_t)(c->end - c->at)) {
        c->wrong = true;
        return piece;
    }
    piece.end = c->at + len;
    piece.wrong = false;
    c->at = piece.end;
    return piece;
}

static struct text take_text(struct cursor *c)
{
    struct cursor piece = take_piece(c, take_number(c));
    struct text text = {(const char *)piece.at,
                        (uint32_t)(piece.end - piece.at)};

    if (text.len > NAME_MOST || memchr(text.at, 0, text.len)) {
        c->wrong = true;
        text.len = 0;
    }
    return text;
}

static bool text_is(struct text text, const char *what)
{
    return strlen(what) == text.len && memcmp(text.at, what, text.len) == 0;
}

/* Does it begin so? */
static bool text_begins(struct text text, const char *what)
{
    size_t len = strlen(what);

    return text.len >= len && memcmp(text.at, what, len) == 0;
}

static void text_copy(struct text text, char *out, size_t cap)
{
    size_t len = text.len < cap ? text.len : cap - 1;

    memcpy(out, text.at, len);
    out[len] = '\0';
}

static int why_say(char *why, size_t why_len, int err, const char *format, ...)
{
    va_list args;

    if (why && why_len) {
        va_start(args, format);
        vsnprintf(why, why_len, format, args);
        va_end(args);
    }
    return err;
}

/* ---- sections of a core module ---- */

/** Where the interesting ones are; empty if there is none. */
struct sections {
    struct cursor types, imports, exports, producers;
};

static bool sections_find(struct cursor c, struct sections *out)
{
    memset(out, 0, sizeof(*out));
    while (c.at < c.end) {
        uint8_t id = take_byte(&c);
        struct cursor piece = take_piece(&c, take_number(&c));

        if (c.wrong)
            return false;
        if (id == SECTION_TYPE)
            out->types = piece;
        else if (id == SECTION_IMPORT)
            out->imports = piece;
        else if (id == SECTION_EXPORT)
            out->exports = piece;
        else if (id == SECTION_CUSTOM &&
                 text_is(take_text(&piece), "producers"))
            out->producers = piece;
    }
    return true;
}

static char letter_of(uint8_t type)
{
    switch (type) {
    case 0x7f:
        return 'i';
    case 0x7e:
        return 'I';
    case 0x7d:
        return 'f';
    case 0x7c:
        return 'F';
    default:
        return '?';
    }
}

/* One list of value types; more than there is room for ends in '.'. */
static char *take_values(struct cursor *c, char *out, const char *end)
{
    uint64_t n = take_number(c);

    c->wrong = c->wrong || n > VALUES_MOST;
    for (uint64_t i = 0; i < n && !c->wrong; i++) {
        char letter = letter_of(take_byte(c));

        if (out < end)
            *out++ = letter;
        else
            out[-1] = '.';
    }
    return out;
}

/* A function type, the only ones that are known. */
static bool take_signature(struct cursor *c, char out[SIGNATURE_SIZE])
{
    char *at;

    if (take_byte(c) != 0x60)
        return false;
    at = take_values(c, out, out + 32);
    *at++ = '>';
    at = take_values(c, at, out + SIGNATURE_SIZE - 1);
    *at = '\0';
    return !c->wrong;
}

/** Where each function type begins, so that finding one takes no search. */
struct types {
    const uint8_t **at;
    uint64_t n;
    const uint8_t *end;
};

static int types_index(const struct gn__mem *mem, struct cursor c,
                       struct types *out)
{
    uint64_t n = c.at ? take_number(&c) : 0;
    char signature[SIGNATURE_SIZE];

    /* Each takes three bytes at least. */
    if (c.wrong || n > (uint64_t)(c.end - c.at) / 3)
        return -EINVAL;
    out->at = gn__zalloc_array(mem, n + 1, sizeof(*out->at));
    if (!out->at)
        return -ENOMEM;
    out->end = c.end;
    for (; out->n < n; out->n++) {
        out->at[out->n] = c.at;
        if (!take_signature(&c, signature))
            return -EINVAL;
    }
    return 0;
}

static void skip_limits(struct cursor *c)
{
    uint8_t flags = take_byte(c);

    (void)take_number(c);
    if (flags & 1)
        (void)take_number(c);
}

/* What an import is, behind its names. Sets *type of a function. */
static uint8_t take_import_kind(struct cursor *c, uint64_t *type)
{
    uint8_t kind = take_byte(c);

    switch (kind) {
    case KIND_FUNCTION:
        *type = take_number(c);
        break;
    case KIND_TABLE:
        (void)take_byte(c);
        skip_limits(c);
        break;
    case KIND_MEMORY:
        skip_limits(c);
        break;
    case KIND_GLOBAL:
        (void)take_byte(c);
        (void)take_byte(c);
        break;
    case KIND_TAG:
        (void)take_byte(c);
        (void)take_number(c);
        break;
    default:
        c->wrong = true;
    }
    return kind;
}

/* ---- imports ---- */

static bool is_wasi(struct text module)
{
    return text_begins(module, "wasi:") || text_begins(module, "wasi_") ||
           text_begins(module, "wasix_");
}

static unsigned interface_of(const struct gn_wasi_import *import)
{
    const struct gn__wasi_row *row = gn__wasi_row(import->op);

    if (!row)
        return 0;
    if (gn__wasi_row_is_0_2(row))
        return GN_WASI_0_2;
    return gn__wasi_row_is_wasmedge(import->op)
               ? GN_WASI_WASMEDGE | GN_WASI_PREVIEW1
               : GN_WASI_PREVIEW1;
}

static char *text_dup(const struct gn__mem *mem, struct text text)
{
    char *copy = gn__alloc(mem, text.len + 1u);

    if (copy)
        text_copy(text, copy, text.len + 1u);
    return copy;
}

/* Add words about what is not served. */
static void missing_say(struct gn_wasi_scan *scan,
                        const struct gn_wasi_import *import)
{
    size_t len = strlen(scan->missing);
    size_t n = strcspn(import->signature, ">");
    bool known = gn_wasi_find(import->module, import->name, NULL) >= 0;

    scan->n_missing++;
    if (known)
        snprintf(scan->missing + len, sizeof(scan->missing) - len,
                 "%s%s with %zu parameters", len ? ", " : "", import->name, n);
    else
        snprintf(scan->missing + len, sizeof(scan->missing) - len, "%s%s %s",
                 len ? ", " : "", import->module, import->name);
}

static int import_add(const struct gn__mem *mem, struct gn_wasi_scan *scan,
                      struct text module, struct text name,
                      const char *signature)
{
    struct gn_wasi_import *import = &scan->imports[scan->n_imports];

    import->module = text_dup(mem, module);
    import->name = text_dup(mem, name);
    if (!import->module || !import->name) {
        gn__strfree(mem, import->module);
        gn__strfree(mem, import->name);
        return -ENOMEM;
    }
    snprintf(import->signature, sizeof(import->signature), "%s", signature);
    import->op = gn_wasi_find(import->module, import->name, signature);
    scan->n_imports++;
    scan->interfaces |= interface_of(import);
    if (import->op < 0)
        missing_say(scan, import);
    return 0;
}

static int signature_read(const struct types *types, uint8_t kind,
                          uint64_t type, char out[SIGNATURE_SIZE])
{
    struct cursor c = {NULL, types->end, false};

    if (kind != KIND_FUNCTION) {
        snprintf(out, SIGNATURE_SIZE, "%s",
                 kind == KIND_MEMORY ? "(memory)" : "(no function)");
        return 0;
    }
    if (type >= types->n)
        return -EINVAL;
    c.at = types->at[type];
    return take_signature(&c, out) ? 0 : -EINVAL;
}

static int imports_read(const struct gn__mem *mem, struct cursor c,
                        const struct types *types, struct gn_wasi_scan *scan)
{
    uint64_t n = take_number(&c), type = 0;
    char signature[SIGNATURE_SIZE];
    int err = 0;

    if (c.wrong || n > IMPORTS_MOST)
        return -EINVAL;
    scan->imports = gn__zalloc_array(mem, n + 1, sizeof(*scan->imports));
    if (!scan->imports)
        return -ENOMEM;
    for (uint64_t i = 0; i < n && !err; i++) {
        struct text module = take_text(&c), name = take_text(&c);
        uint8_t kind = take_import_kind(&c, &type);

        err = c.wrong ? -EINVAL : signature_read(types, kind, type, signature);
        if (!err)
            err = import_add(mem, scan, module, name, signature);
    }
    return err;
}

/* ---- exports and producers ---- */

static bool exports_memory(const struct sections *sections)
{
    struct cursor c = sections->exports;
    uint64_t n = c.at ? take_number(&c) : 0;

    for (uint64_t i = 0; i < n && !c.wrong; i++) {
        (void)take_text(&c);
        if (take_byte(&c) == KIND_MEMORY && !c.wrong)
            return true;
        (void)take_number(&c);
    }
    return false;
}

static bool imports_wasi(const struct sections *sections)
{
    struct cursor c = sections->imports;
    uint64_t n = c.at ? take_number(&c) : 0, type;

    for (uint64_t i = 0; i < n && !c.wrong; i++) {
        struct text module = take_text(&c);

        (void)take_text(&c);
        (void)take_import_kind(&c, &type);
        if (!c.wrong && is_wasi(module))
            return true;
    }
    return false;
}

static bool is_start(struct text name)
{
    return text_is(name, "_start") ||
           (text_begins(name, "wasi:cli/run@0.2.") && name.len > 4 &&
            memcmp(name.at + name.len - 4, "#run", 4) == 0);
}

static int exports_read(const struct sections *sections,
                        struct gn_wasi_scan *scan)
{
    struct cursor c = sections->exports;
    uint64_t n = c.at ? take_number(&c) : 0;

    for (uint64_t i = 0; i < n && !c.wrong; i++) {
        struct text name = take_text(&c);

        (void)take_byte(&c);
        (void)take_number(&c);
        if (text_is(name, "cabi_realloc"))
            scan->has_realloc = true;
        if (is_start(name))
            text_copy(name, scan->start, sizeof(scan->start));
    }
    return c.wrong ? -EINVAL : 0;
}

/* Its language: a compiler's own runtime may be C besides. */
static void producers_read(const struct sections *sections,
                           struct gn_wasi_scan *scan)
{
    struct cursor c = sections->producers;
    uint64_t fields = c.at ? take_number(&c) : 0;

    for (uint64_t i = 0; i < fields && !c.wrong; i++) {
        bool language = text_is(take_text(&c), "language");
        uint64_t n = take_number(&c);

        for (uint64_t k = 0; k < n && !c.wrong; k++) {
            struct text name = take_text(&c);

            (void)take_text(&c);
            if (language && (!scan->language[0] || scan->language[0] == 'C'))
                text_copy(name, scan->language, sizeof(scan->language));
        }
    }
}

/* ---- components ---- */

/* The one core module that has a memory and imports WASI. */
static int main_module_find(struct cursor c, struct cursor *out, char *why,
                            size_t why_len)
{
    struct sections sections;
    unsigned n = 0;

    while (c.at < c.end) {
        uint8_t id = take_byte(&c);
        struct cursor piece = take_piece(&c, take_number(&c));

        if (c.wrong)
            return why_say(why, why_len, -EINVAL, "the component is cut off");
        if (id != SECTION_MODULE || piece.end - piece.at < 8)
            continue;
        if (!sections_find((struct cursor){piece.at + 8, piece.end, false},
                           &sections))
            return why_say(why, why_len, -EINVAL,
                           "a core module of the component is cut off");
        if (!exports_memory(&sections) || !imports_wasi(&sections))
            continue;
        if (n++ == 0)
            *out = piece;
    }
    if (n == 1)
        return 0;
    return why_say(why, why_len, -ENOTSUP,
                   "the component has %u core modules with a memory that "
                   "import WASI; one can be run",
                   n);
}

static int core_read(const struct gn__mem *mem, struct cursor core,
                     struct gn_wasi_scan *scan, char *why, size_t why_len)
{
    struct types types = {0};
    struct sections sections;
    int err = -EINVAL;

    scan->core = core.at;
    scan->core_len = (size_t)(core.end - core.at);
    core.at += 8;
    if (sections_find(core, &sections))
        err = types_index(mem, sections.types, &types);
    if (!err && sections.imports.at)
        err = imports_read(mem, sections.imports, &types, scan);
    gn__free(mem, types.at, 1); /* malloc's: the size is not needed. */
    if (!err)
        err = exports_read(&sections, scan);
    if (err)
        return why_say(why, why_len, err,
                       err == -ENOMEM ? "out of memory"
                                      : "the module is cut off, or "
                                        "contradicts itself");
    producers_read(&sections, scan);
    return 0;
}

static int scan_all(const struct gn__mem *mem, struct cursor all,
                    struct gn_wasi_scan *scan, char *why, size_t why_len)
{
    static const uint8_t core_head[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    static const uint8_t component_head[] = {0, 'a', 's', 'm', 13, 0, 1, 0};
    size_t len = (size_t)(all.end - all.at);
    struct cursor core = all;
    int err;

    if (len < 8 || memcmp(all.at, core_head, 4) != 0)
        return why_say(why, why_len, -EINVAL,
                       "this is no WebAssembly: it does not begin with "
                       "\"\\0asm\"");
    if (memcmp(all.at, component_head, 8) == 0) {
        scan->component = true;
        all.at += 8;
        err = main_module_find(all, &core, why, why_len);
        if (err)
            return err;
    }
    if (memcmp(core.at, core_head, 8) != 0)
        return why_say(why, why_len, -ENOTSUP,
                       "version %u is not known; 1 is, and components are",
                       core.at[4]);
    return core_read(mem, core, scan, why, why_len);
}

int gn_wasi_scan(const void *bytes, size_t len, struct gn_wasi_scan *out,
                 char *why, size_t why_len)
{
    struct gn_wasi_scan scan = {0};
    struct gn__mem mem;
    int err;

    if (!bytes || !out)
        return why_say(why, why_len, -EINVAL, "there are no bytes");
    gn__mem_init(&mem, NULL);
    err = scan_all(&mem,
                   (struct cursor){bytes, (const uint8_t *)bytes + len, false},
                   &scan, why, why_len);
    if (err) {
        gn_wasi_scan_done(&scan);
        return err;
    }
    *out = scan;
    return 0;
}

void gn_wasi_scan_done(struct gn_wasi_scan *scan)
{
    struct gn__mem mem;

    if (!scan || !scan->imports)
        return;
    gn__mem_init(&mem, NULL);
    for (size_t i = 0; i < scan->n_imports; i++) {
        gn__strfree(&mem, scan->imports[i].module);
        gn__strfree(&mem, scan->imports[i].name);
    }
    gn__free(&mem, scan->imports, 1); /* malloc's: the size is not needed. */
    memset(scan, 0, sizeof(*scan));
}
