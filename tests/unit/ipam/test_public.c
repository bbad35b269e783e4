/* SPDX-License-Identifier: BSD-3-Clause */

/* <guestnet/ipam.h> as a stranger calls it, with right and wrong arguments. */
#include <guestnet/ipam.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/heap.h"

static struct gn_ip ip(const char *text)
{
    struct gn_ip out;

    assert_int_equal(gn_ip_parse(text, &out), 0);
    return out;
}

static struct gn_pool *pool_of(const char *prefix)
{
    struct gn_pool *pool = NULL;

    assert_int_equal(gn_pool_create(prefix, NULL, NULL, 0, &pool), 0);
    return pool;
}

static void takes_gives_and_counts(void **state)
{
    struct gn_pool *pool = pool_of("fd77::/64");
    struct gn_ip first = ip("fd77::2"), out;

    (void)state;
    assert_int_equal(gn_pool_take(pool, &out), 0);
    assert_memory_equal(&out, &first, sizeof(out));
    assert_int_equal(gn_pool_taken(pool), 1);
    assert_int_equal(gn_pool_take_exact(pool, &first), -EADDRINUSE);
    assert_int_equal(gn_pool_give(pool, &first), 0);
    assert_int_equal(gn_pool_give(pool, &first), -EINVAL);
    assert_int_equal(gn_pool_taken(pool), 0);
    gn_pool_close(pool);
}

static void reserves_and_releases(void **state)
{
    struct gn_pool *pool = pool_of("10.0.0.0/24");
    struct gn_ip low = ip("10.0.0.2"), high = ip("10.0.0.9"), out;

    (void)state;
    assert_int_equal(gn_pool_reserve(pool, &low, &high), 0);
    assert_int_equal(gn_pool_take_exact(pool, &high), -EADDRINUSE);
    assert_int_equal(gn_pool_reserve(pool, &high, &low), -EINVAL);
    assert_int_equal(gn_pool_release(pool, &low, &high), 0);
    assert_int_equal(gn_pool_take(pool, &out), 0);
    assert_memory_equal(&out, &low, sizeof(out));
    gn_pool_close(pool);
}

static void tells_prefix_and_gateway(void **state)
{
    struct gn_pool *pool = pool_of("10.0.0.0/24");
    struct gn_ip expected = ip("10.0.0.0"), gateway = ip("10.0.0.1"), out;
    unsigned len;

    (void)state;
    assert_int_equal(gn_pool_prefix(pool, &out, &len), 0);
    assert_memory_equal(&out, &expected, sizeof(out));
    assert_int_equal(len, 24);
    assert_int_equal(gn_pool_gateway(pool, &out), 0);
    assert_memory_equal(&out, &gateway, sizeof(out));
    gn_pool_close(pool);

    pool = pool_of("10.0.0.0/32");
    assert_int_equal(gn_pool_gateway(pool, &out), -ENOENT);
    gn_pool_close(pool);
}

static void expect_refused(const char *prefix,
                           const struct gn_pool_config *config,
                           const char *words)
{
    struct gn_pool *pool = NULL;
    char why[256] = "";

    assert_int_equal(gn_pool_create(prefix, config, why, sizeof(why), &pool),
                     -EINVAL);
    assert_null(pool);
    if (!strstr(why, words))
        fail_msg("\"%s\" is not in: %s", words, why);
    assert_null(strchr(why, '\n'));
    assert_int_equal(gn_pool_create(prefix, config, NULL, 0, &pool), -EINVAL);
    assert_int_equal(gn_pool_create(prefix, config, why, 5, &pool), -EINVAL);
    assert_true(strlen(why) < 5);
}

static void says_why_it_refuses(void **state)
{
    struct gn_pool_config config = {.size = sizeof(config)};

    (void)state;
    expect_refused(NULL, NULL, "10.77.0.0/24");
    expect_refused("10.0.0.1/24", NULL, "10.0.0.0/24");
    config.gateway = "10.0.0.\n1";
    expect_refused("10.0.0.0/24", &config, "10.0.0.?1");
    config.gateway = "10.0.1.1";
    expect_refused("10.0.0.0/24", &config, "10.0.1.1 is no usable");
    config.flags = GN_POOL_NO_GATEWAY;
    expect_refused("10.0.0.0/24", &config, "choose one");
    config.gateway = NULL;
    config.flags = 1u << 9;
    expect_refused("10.0.0.0/24", &config, "unknown flags");
    config.flags = 0;
    config.size = 8;
    expect_refused("10.0.0.0/24", &config, "sizeof");
}

static void knows_longer_configurations_that_say_nothing(void **state)
{
    struct {
        struct gn_pool_config config;
        char more[8];
    } later = {.config = {.size = sizeof(later)}};
    struct gn_pool *pool;

    (void)state;
    assert_int_equal(
        gn_pool_create("10.0.0.0/24", &later.config, NULL, 0, &pool), 0);
    gn_pool_close(pool);
    later.more[3] = 1;
    expect_refused("10.0.0.0/24", &later.config, "does not know");
}

static void null_and_nonsense_are_einval(void **state)
{
    struct gn_pool *pool = pool_of("10.0.0.0/24");
    struct gn_ip good = ip("10.0.0.9"), bad = {.family = 77};

    (void)state;
    assert_int_equal(gn_pool_create("10.0.0.0/24", NULL, NULL, 0, NULL),
                     -EINVAL);
    assert_int_equal(gn_pool_take(NULL, &good), -EINVAL);
    assert_int_equal(gn_pool_take(pool, NULL), -EINVAL);
    assert_int_equal(gn_pool_take_exact(pool, NULL), -EINVAL);
    assert_int_equal(gn_pool_take_exact(pool, &bad), -EINVAL);
    assert_int_equal(gn_pool_give(NULL, &good), -EINVAL);
    assert_int_equal(gn_pool_give(pool, &bad), -EINVAL);
    assert_int_equal(gn_pool_reserve(pool, &good, &bad), -EINVAL);
    assert_int_equal(gn_pool_reserve(pool, NULL, &good), -EINVAL);
    assert_int_equal(gn_pool_release(pool, &bad, &good), -EINVAL);
    assert_int_equal(gn_pool_release(NULL, &good, &good), -EINVAL);
    assert_int_equal(gn_pool_gateway(NULL, &good), -EINVAL);
    assert_int_equal(gn_pool_prefix(pool, NULL, NULL), -EINVAL);
    assert_int_equal(gn_pool_taken(NULL), 0);
    gn_pool_close(pool);
    gn_pool_close(NULL);
}

static int create_and_use(struct gn_test_heap *heap, void *arg)
{
    struct gn_pool_config config = {.size = sizeof(config),
                                    .alloc = &heap->alloc};
    struct gn_pool *pool = NULL;
    struct gn_ip out;
    int err;

    (void)arg;
    err = gn_pool_create("fd77::/64", &config, NULL, 0, &pool);
    if (err) {
        assert_null(pool);
        return err;
    }
    for (int i = 0; i < 70 && !err; i++)
        err = gn_pool_take(pool, &out);
    gn_pool_close(pool);
    return err;
}

static void out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    assert_in_range(gn_test_heap_sweep(create_and_use, NULL), 4, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_gives_and_counts),
        cmocka_unit_test(reserves_and_releases),
        cmocka_unit_test(tells_prefix_and_gateway),
        cmocka_unit_test(says_why_it_refuses),
        cmocka_unit_test(knows_longer_configurations_that_say_nothing),
        cmocka_unit_test(null_and_nonsense_are_einval),
        cmocka_unit_test(out_of_memory_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
