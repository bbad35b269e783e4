/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What gn_wasi_scan() says of modules, components and what is neither. The
 * files are those that fuzz/scan begins with.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/wasi.h>

#define CORPUS GN_SOURCE_DIR "/tests/fuzz/corpus/scan/"
#define P1     "wasi_snapshot_preview1"
#define HTTP   "wasi:http/outgoing-handler@0.2.0"

struct file {
    uint8_t bytes[4096];
    size_t len;
};

static void file_read(struct file *file, const char *name)
{
    char path[512];
    FILE *from;

    snprintf(path, sizeof(path), "%s%s", CORPUS, name);
    from = fopen(path, "rb");
    assert_non_null(from);
    file->len = fread(file->bytes, 1, sizeof(file->bytes), from);
    fclose(from);
}

static void scans(const struct file *file, struct gn_wasi_scan *scan)
{
    char why[160] = "";
    int err = gn_wasi_scan(file->bytes, file->len, scan, why, sizeof(why));

    if (err)
        fail_msg("%d: %s", err, why);
}

/* ---- modules of one type, (i32, i32) -> i32 ---- */

static void put(struct file *file, const void *bytes, size_t len)
{
    assert_true(len <= sizeof(file->bytes) - file->len);
    memcpy(file->bytes + file->len, bytes, len);
    file->len += len;
}

static void put_text(struct file *file, const char *text)
{
    uint8_t len = (uint8_t)strlen(text);

    put(file, &len, 1);
    put(file, text, len);
}

static void module_begin(struct file *file, uint8_t n_imports)
{
    static const uint8_t head[] = {0, 'a', 's',  'm', 1,    0,    0, 0,    1,
                                   7, 1,   0x60, 2,   0x7f, 0x7f, 1, 0x7f, 2};
    /* The section's is module_end()'s, of two bytes. */
    const uint8_t sizes[] = {0, 0, n_imports};

    file->len = 0;
    put(file, head, sizeof(head));
    put(file, sizes, sizeof(sizes));
}

static void import_add(struct file *file, const char *module, const char *name)
{
    static const uint8_t function[] = {0, 0};

    put_text(file, module);
    put_text(file, name);
    put(file, function, sizeof(function));
}

static void module_end(struct file *file)
{
    size_t len = file->len - 20;

    file->bytes[18] = (uint8_t)(len | 0x80);
    file->bytes[19] = (uint8_t)(len >> 7);
}

/* ---- cases ---- */

static void a_module_is_read(void **state)
{
    struct gn_wasi_scan scan;
    struct file file;

    (void)state;
    file_read(&file, "core");
    scans(&file, &scan);
    assert_false(scan.component);
    assert_ptr_equal(scan.core, file.bytes);
    assert_int_equal(scan.core_len, file.len);
    assert_int_equal(scan.interfaces, GN_WASI_PREVIEW1 | GN_WASI_0_2);
    assert_true(scan.has_realloc);
    assert_string_equal(scan.imports[0].name, "sock_accept");
    assert_string_equal(scan.imports[0].signature, "iii>i");
    assert_true(scan.imports[0].op >= 0);
    assert_string_equal(scan.imports[1].signature, "iIi>");
    assert_true(scan.imports[1].op >= 0);
    assert_non_null(strstr(scan.missing, "wasi:http/types@0.2.0 x"));
    assert_string_equal(scan.language, "Go");
    assert_string_equal(scan.start, "wasi:cli/run@0.2.0#run");
    gn_wasi_scan_done(&scan);
}

static void of_a_component_the_main_module_is_read(void **state)
{
    struct gn_wasi_scan scan;
    struct file file;

    (void)state;
    file_read(&file, "component");
    scans(&file, &scan);
    assert_true(scan.component);
    assert_true(scan.core > file.bytes && scan.core_len < file.len);
    assert_memory_equal(scan.core, "\0asm\1\0\0\0", 8);
    assert_string_equal(scan.imports[0].name, "sock_accept");
    gn_wasi_scan_done(&scan);
}

static void what_is_not_served_is_named(void **state)
{
    static const char *const imports[][3] = {
        {HTTP, "handle", HTTP " handle"},
        {"wasi", "thread-spawn", "wasi thread-spawn"},
        {"wasi:sockets/types@0.3.0", "f", "wasi:sockets/types@0.3.0 f"},
        {P1, "sock_recv", "sock_recv with 2 parameters"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(imports) / sizeof(imports[0]); i++) {
        struct gn_wasi_scan scan;
        struct file file;

        module_begin(&file, 2);
        import_add(&file, imports[i][0], imports[i][1]);
        import_add(&file, P1, "random_get");
        module_end(&file);
        scans(&file, &scan);
        assert_int_equal(scan.n_imports, 2);
        assert_int_equal(scan.n_missing, 1);
        assert_int_equal(scan.imports[0].op, -ENOENT);
        assert_true(scan.imports[1].op >= 0);
        if (!strstr(scan.missing, imports[i][2]))
            fail_msg("%s is not in \"%s\"", imports[i][2], scan.missing);
        gn_wasi_scan_done(&scan);
    }
}

static void many_that_are_missing_are_cut(void **state)
{
    struct gn_wasi_scan scan;
    struct file file;

    (void)state;
    module_begin(&file, 40);
    for (int i = 0; i < 40; i++)
        import_add(&file, HTTP, "handle");
    module_end(&file);
    scans(&file, &scan);
    assert_int_equal(scan.n_missing, 40);
    assert_true(strlen(scan.missing) < sizeof(scan.missing));
    gn_wasi_scan_done(&scan);
}

static void composed_components_and_other_versions_are_not_supported(
    void **state)
{
    static const char *const names[] = {"two-modules", "version-2"};
    struct gn_wasi_scan scan;
    struct file file;

    (void)state;
    for (int i = 0; i < 2; i++) {
        char why[160] = "";

        file_read(&file, names[i]);
        assert_int_equal(
            gn_wasi_scan(file.bytes, file.len, &scan, why, sizeof(why)),
            -ENOTSUP);
        assert_true(why[0]);
    }
}

static void what_is_no_module_is_refused_and_said_why(void **state)
{
    static const char *const names[] = {
        "cut",          "empty",        "huge-count",     "long-number",
        "many-imports", "no-such-type", "section-beyond", "text"};
    struct gn_wasi_scan scan;
    struct file file;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char why[160] = "";

        file_read(&file, names[i]);
        assert_int_equal(
            gn_wasi_scan(file.bytes, file.len, &scan, why, sizeof(why)),
            -EINVAL);
        assert_true(why[0]);
    }
}

/* At every byte. */
static void a_module_that_is_cut_is_never_read_beyond(void **state)
{
    struct gn_wasi_scan scan;
    struct file file;

    (void)state;
    file_read(&file, "component");
    for (size_t len = 0; len < file.len; len++)
        if (gn_wasi_scan(file.bytes, len, &scan, NULL, 0) == 0) {
            assert_true(scan.core + scan.core_len <= file.bytes + len);
            gn_wasi_scan_done(&scan);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_is_read),
        cmocka_unit_test(of_a_component_the_main_module_is_read),
        cmocka_unit_test(what_is_not_served_is_named),
        cmocka_unit_test(many_that_are_missing_are_cut),
        cmocka_unit_test(
            composed_components_and_other_versions_are_not_supported),
        cmocka_unit_test(what_is_no_module_is_refused_and_said_why),
        cmocka_unit_test(a_module_that_is_cut_is_never_read_beyond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
