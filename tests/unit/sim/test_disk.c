/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/case.h"
#include "tests/lib/heap.h"

#define LIMIT 65536u

struct fixture {
    struct gn_test_heap heap;
    struct gn__mem mem;
    struct gn__disk disk;
    struct gn__rng rng;
};

static int setup(void **state)
{
    static const uint64_t key[2] = {1, 2};
    struct fixture *f = test_calloc(1, sizeof(*f));

    gn_test_heap_init(&f->heap);
    gn__mem_init(&f->mem, &f->heap.alloc);
    gn__disk_init(&f->disk, &f->mem, LIMIT);
    gn__rng_init(&f->rng, key, "disk", 4);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gn__disk_done(&f->disk);
    gn_test_heap_done(&f->heap);
    test_free(f);
    return 0;
}

static void put(struct fixture *f, uint64_t at, const char *text)
{
    assert_int_equal(gn__disk_write(&f->disk, "log", at, text, strlen(text)),
                     (ssize_t)strlen(text));
}

static void expect(struct fixture *f, const char *text)
{
    char buf[64] = "";

    assert_int_equal(gn__disk_read(&f->disk, "log", 0, buf, sizeof(buf) - 1),
                     (ssize_t)strlen(text));
    assert_string_equal(buf, text);
    assert_int_equal(gn__disk_size(&f->disk, "log"), (ssize_t)strlen(text));
}

static void what_is_written_is_read(void **state)
{
    struct fixture *f = *state;

    put(f, 0, "hello");
    put(f, 3, "p me");
    expect(f, "help me");
    assert_int_equal(gn__disk_truncate(&f->disk, "log", 4), 0);
    expect(f, "help");
}

static void a_gap_is_zeros(void **state)
{
    struct fixture *f = *state;
    char buf[4];

    put(f, 2, "x");
    assert_int_equal(gn__disk_read(&f->disk, "log", 0, buf, sizeof(buf)), 3);
    assert_memory_equal(buf, "\0\0x", 3);
    assert_int_equal(gn__disk_read(&f->disk, "log", 3, buf, sizeof(buf)), 0);
}

static void what_is_synced_survives(void **state)
{
    struct fixture *f = *state;
    int i;

    put(f, 0, "kept");
    assert_int_equal(gn__disk_sync(&f->disk, "log"), 0);
    for (i = 0; i < 100; i++) {
        gn__disk_crash(&f->disk, &f->rng);
        expect(f, "kept");
    }
}

/* Of writes that were not synced each is lost or kept, in all mixtures. */
static void what_is_not_synced_may_be_lost(void **state)
{
    struct fixture *f = *state;
    unsigned seen = 0;
    char buf[2];
    int i;

    for (i = 0; i < 200; i++) {
        assert_int_equal(gn__disk_truncate(&f->disk, "log", 0), 0);
        put(f, 0, "..");
        assert_int_equal(gn__disk_sync(&f->disk, "log"), 0);
        put(f, 0, "a");
        put(f, 1, "b");
        gn__disk_crash(&f->disk, &f->rng);
        assert_int_equal(gn__disk_read(&f->disk, "log", 0, buf, 2), 2);
        seen |= 1u << ((buf[0] == 'a') + 2 * (buf[1] == 'b'));
    }
    assert_int_equal(seen, 0xf);
}

static void a_long_write_is_torn_between_sectors(void **state)
{
    struct fixture *f = *state;
    uint8_t data[4 * GN__DISK_SECTOR];
    unsigned seen = 0;
    ssize_t n;
    int i;

    memset(data, 7, sizeof(data));
    for (i = 0; i < 200; i++) {
        assert_int_equal(gn__disk_truncate(&f->disk, "log", 0), 0);
        assert_int_equal(gn__disk_sync(&f->disk, "log"), 0);
        assert_int_equal(gn__disk_write(&f->disk, "log", 0, data, sizeof(data)),
                         sizeof(data));
        gn__disk_crash(&f->disk, &f->rng);
        n = gn__disk_size(&f->disk, "log");
        assert_int_equal(n % GN__DISK_SECTOR, 0);
        seen |= 1u << n / GN__DISK_SECTOR;
    }
    assert_int_equal(seen, 0x1f);
}

static void a_disk_is_full_at_its_limit(void **state)
{
    static uint8_t data[LIMIT];
    struct fixture *f = *state;
    int i;

    assert_int_equal(gn__disk_write(&f->disk, "log", 0, data, LIMIT), -ENOSPC);
    assert_int_equal(gn__disk_write(&f->disk, "log", UINT64_MAX, data, 1),
                     -ENOSPC);
    assert_int_equal(gn__disk_size(&f->disk, "log"), -ENOENT);
    for (i = 0; i < 1000; i++) { /* What is synced is counted once. */
        assert_int_equal(gn__disk_write(&f->disk, "log", 0, data, LIMIT / 4),
                         LIMIT / 4);
        assert_int_equal(gn__disk_sync(&f->disk, "log"), 0);
    }
    for (i = 0; i < 1000; i++) {
        gn__disk_crash(&f->disk, &f->rng);
        assert_int_equal(gn__disk_truncate(&f->disk, "log", 10), 0);
        assert_int_equal(gn__disk_truncate(&f->disk, "log", 20), 0);
    }
}

/* Where it would end is no number then; and there is nothing like so much. */
static void a_place_beyond_all_disks_is_full(void **state)
{
    struct fixture *f = *state;

    f->disk.limit = UINT64_MAX;
    assert_int_equal(gn__disk_write(&f->disk, "log", UINT64_MAX - 1, "abc", 3),
                     -ENOSPC);
    assert_int_equal(gn__disk_truncate(&f->disk, "log", UINT64_MAX), -ENOSPC);
    assert_int_equal(gn__disk_size(&f->disk, "log"), -ENOENT);
    f->disk.limit = LIMIT;
}

static void bad_names_are_refused(void **state)
{
    struct fixture *f = *state;
    char name[65];

    memset(name, 'x', 64);
    name[64] = '\0';
    assert_int_equal(gn__disk_write(&f->disk, name, 0, "a", 1), -EINVAL);
    assert_int_equal(gn__disk_write(&f->disk, "", 0, "a", 1), -EINVAL);
    assert_int_equal(gn__disk_write(&f->disk, NULL, 0, "a", 1), -EINVAL);
    assert_int_equal(gn__disk_sync(&f->disk, "none"), -ENOENT);
    assert_int_equal(gn__disk_read(&f->disk, "none", 0, name, 1), -ENOENT);
}

static int live(struct gn_test_heap *heap, void *arg)
{
    static const uint64_t key[2] = {1, 2};
    struct gn__mem mem;
    struct gn__disk disk;
    struct gn__rng rng;
    ssize_t n;
    int err;

    (void)arg;
    gn__mem_init(&mem, &heap->alloc);
    gn__disk_init(&disk, &mem, LIMIT);
    gn__rng_init(&rng, key, "disk", 4);
    n = gn__disk_write(&disk, "log", 0, "one", 3);
    err = n < 0 ? (int)n : gn__disk_sync(&disk, "log");
    if (!err)
        err = gn__disk_truncate(&disk, "log", 1000);
    gn__disk_crash(&disk, &rng);
    gn__disk_done(&disk);
    return err;
}

static void lack_of_memory_is_survived(void **state)
{
    (void)state;
    assert_in_range(gn_test_heap_sweep(live, NULL), 4, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_written_is_read),
        CASE(a_gap_is_zeros),
        CASE(what_is_synced_survives),
        CASE(what_is_not_synced_may_be_lost),
        CASE(a_long_write_is_torn_between_sectors),
        CASE(a_disk_is_full_at_its_limit),
        CASE(a_place_beyond_all_disks_is_full),
        CASE(bad_names_are_refused),
        cmocka_unit_test(lack_of_memory_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
