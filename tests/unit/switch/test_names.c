/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"
#include "tests/lib/units.h"

struct fixture {
    struct gn_test_heap heap;
    struct gn__mem mem;
    struct gn__names names;
};

static const uint64_t key[2] = {1, 2};

static int setup(void **state)
{
    static struct fixture f;

    gn_test_heap_init(&f.heap);
    gn__mem_init(&f.mem, &f.heap.alloc);
    gn__names_init(&f.names, &f.mem, key);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__names_done(&f->names);
    gn_test_heap_done(&f->heap);
    return 0;
}

static struct gn__addr addr(const char *text)
{
    struct gn__addr a;

    if (gn__addr_parse(text, &a))
        fail_msg("%s is no address", text);
    return a;
}

static int add(struct fixture *f, const char *to, const char *name,
               uint32_t ttl_s, uint64_t now)
{
    struct gn__addr a = addr(to);

    return gn__names_add(&f->names, &a, name, ttl_s, now);
}

/* Assert that these are the names, separated by a space. */
static void expect(struct fixture *f, const char *of, uint64_t now,
                   const char *names)
{
    struct gn__name found[GN__NAMES_PER_ADDR];
    struct gn__addr a = addr(of);
    char text[GN__NAMES_PER_ADDR * sizeof(found[0])] = "";
    size_t i, at = 0, n = gn__names_find(&f->names, &a, now, found, 16);

    for (i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s",
                               i ? " " : "", found[i].text);
    assert_string_equal(text, names);
}

static void a_name_is_known_for_its_ttl(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, "192.0.2.1", "www.example.org", 5, GN_S), 0);
    expect(f, "192.0.2.1", GN_S, "www.example.org");
    expect(f, "192.0.2.1", 6 * GN_S - 1, "www.example.org");
    expect(f, "192.0.2.1", 6 * GN_S, "");
    expect(f, "192.0.2.2", GN_S, "");
    expect(f, "::ffff:192.0.2.1", GN_S, "www.example.org");
    expect(f, "::192.0.2.1", GN_S, "");
}

static void a_ttl_of_zero_is_one_second(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, "192.0.2.1", "a.example", 0, 0), 0);
    expect(f, "192.0.2.1", GN_S - 1, "a.example");
    expect(f, "192.0.2.1", GN_S, "");
}

static void a_ttl_is_a_day_at_most(void **state)
{
    struct fixture *f = *state;
    uint64_t day = GN__NAMES_TTL_MAX_S * GN_S;

    assert_int_equal(add(f, "192.0.2.1", "a.example", UINT32_MAX, 7), 0);
    expect(f, "192.0.2.1", day + 6, "a.example");
    expect(f, "192.0.2.1", day + 7, "");
}

static void a_later_answer_never_shortens(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, "192.0.2.1", "a.example", 10, 0), 0);
    assert_int_equal(add(f, "192.0.2.1", "a.example", 1, 0), 0);
    expect(f, "192.0.2.1", 9 * GN_S, "a.example");
    assert_int_equal(add(f, "192.0.2.1", "a.example", 5, 9 * GN_S), 0);
    expect(f, "192.0.2.1", 13 * GN_S, "a.example");
    expect(f, "192.0.2.1", 14 * GN_S, "");
}

static void the_last_name_comes_first(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, "fd00::1", "a.example", 10, 0), 0);
    assert_int_equal(add(f, "fd00::1", "b.example", 10, 0), 0);
    expect(f, "fd00::1", 0, "b.example a.example");
    assert_int_equal(add(f, "fd00::1", "a.example", 10, 0), 0);
    expect(f, "fd00::1", 0, "a.example b.example");
}

static void names_are_kept_in_their_normal_form(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, "192.0.2.1", "WWW.Example.ORG.", 10, 0), 0);
    assert_int_equal(add(f, "192.0.2.1", "www.example.org", 10, 0), 0);
    expect(f, "192.0.2.1", 0, "www.example.org");
}

static void what_is_no_name_is_refused(void **state)
{
    static const char *const bad[] = {"",      ".",       "..",  ".a",
                                      "a..b",  "a.b..",   "a..", "..a",
                                      ".a.b.", "a...b.c."};
    struct fixture *f = *state;
    char text[300];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(add(f, "192.0.2.1", bad[i], 10, 0), -EINVAL);
    memset(text, 'a', sizeof(text));
    text[254] = '\0';
    assert_int_equal(add(f, "192.0.2.1", text, 10, 0), -EINVAL);
    text[253] = '.';
    assert_int_equal(add(f, "192.0.2.1", text, 10, 0), 0);
    text[253] = '\0';
    expect(f, "192.0.2.1", 0, text);
}

static void an_address_keeps_the_last_sixteen_names(void **state)
{
    struct fixture *f = *state;
    struct gn__name found[GN__NAMES_PER_ADDR + 1];
    struct gn__addr a = addr("192.0.2.1");
    char name[32];

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "n%d.example", i);
        assert_int_equal(gn__names_add(&f->names, &a, name, 100, 0), 0);
    }
    assert_int_equal(gn__names_find(&f->names, &a, 0, found, 17), 16);
    assert_string_equal(found[0].text, "n39.example");
    assert_string_equal(found[15].text, "n24.example");
    assert_int_equal(gn__names_find(&f->names, &a, 0, found, 1), 1);
}

static void a_full_table_drops_what_ends_first(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 2 * GN__NAMES_MAX; i++) {
        struct gn__addr a = gn__addr_from_v4(0x0a000000 + i);

        assert_int_equal(
            gn__names_add(&f->names, &a, "a.example", i == 7 ? 9 : 100 + i, 0),
            0);
        assert_true(f->names.n <= GN__NAMES_MAX);
    }
    expect(f, "10.0.0.7", 0, "");
    expect(f, "10.0.0.8", 0, "");
    expect(f, "10.0.7.255", 0, "a.example");
    assert_int_equal(f->names.n, GN__NAMES_MAX);
}

static void what_is_over_is_let_go(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 100; i++) {
        struct gn__addr a = gn__addr_from_v4(0x0a000000 + i);

        assert_int_equal(gn__names_add(&f->names, &a, "a.example", 1, 0), 0);
    }
    assert_int_equal(add(f, "192.0.2.1", "b.example", 1, GN_S), 0);
    assert_int_equal(f->names.n, 1);
}

static int fill(struct gn_test_heap *heap, void *arg)
{
    struct gn__names names;
    struct gn__mem mem;
    int err = 0;

    (void)arg;
    gn__mem_init(&mem, &heap->alloc);
    gn__names_init(&names, &mem, key);
    for (uint32_t i = 0; i < 3 && !err; i++) {
        struct gn__addr a = gn__addr_from_v4(i / 2);

        err = gn__names_add(&names, &a, i == 1 ? "a.example" : "b.example", 10,
                            0);
    }
    gn__names_done(&names);
    return err;
}

static void out_of_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    assert_true(gn_test_heap_sweep(fill, NULL) >= 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_name_is_known_for_its_ttl),
        CASE(a_ttl_of_zero_is_one_second),
        CASE(a_ttl_is_a_day_at_most),
        CASE(a_later_answer_never_shortens),
        CASE(the_last_name_comes_first),
        CASE(names_are_kept_in_their_normal_form),
        CASE(what_is_no_name_is_refused),
        CASE(an_address_keeps_the_last_sixteen_names),
        CASE(a_full_table_drops_what_ends_first),
        CASE(what_is_over_is_let_go),
        cmocka_unit_test(out_of_memory_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
