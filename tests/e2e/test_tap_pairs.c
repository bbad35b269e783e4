/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each kind of TAP device, by its MTU and whether it takes checksums and
 * segments, with each kind of other end: a guest of this process, a container
 * with a small MTU and all offloads, and one with a large MTU and none. Bulk
 * goes both ways, and no byte of it is lost, doubled or changed.
 */
#include <guestnet/guestnet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/box.h"
#include "tests/lib/heap.h"
#include "tests/lib/pubnet.h"

struct fixture {
    struct gn_test_heap heap;
    struct gn_network *net;
    struct gn_namespace *web; /* 10.77.0.2 */
    struct pubnet_server echo;
};

static struct fixture f;

static int setup(void **state)
{
    static const char *const prefixes[] = {"10.77.0.0/16", "fd77::/64", NULL};
    struct gn_namespace_config web = {.size = sizeof(web), .name = "web"};
    struct gn_network_config config = {
        .size = sizeof(config), .prefixes = prefixes, .mtu = GN_MTU_MAX};

    (void)state;
    gn_box_need();
    gn_test_heap_init(&f.heap);
    config.alloc = &f.heap.alloc;
    assert_int_equal(gn_network_create(&config, &f.net), 0);
    assert_int_equal(gn_namespace_create(f.net, &web, &f.web), 0);
    pubnet_serve(&f.echo, f.web, "10.77.0.2:7", pubnet_echo, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pubnet_serve_end(&f.echo);
    gn_network_close(f.net, NULL, NULL);
    gn_test_heap_done(&f.heap);
    return 0;
}

/* @other  NULL: the guest of this process. */
static void check(uint32_t mtu, bool plain, const struct gn_box *other)
{
    const struct gn_box box = {"box", "10.77.0.3", mtu, plain};
    struct gn_box_other *far = NULL;
    struct gn_nic *nic;

    gn_box_enter();
    nic = gn_box_card(f.net, &box);
    if (other)
        far = gn_box_other_start(f.net, other);
    gn_box_bulk(other ? other->addr : "10.77.0.2");
    if (far)
        gn_box_other_end(far);
    gn_nic_close(nic, NULL, NULL);
}

static void check_all(bool plain, const struct gn_box *other)
{
    static const uint32_t mtus[] = {1280, 1500, 9000, 65520};

    for (size_t i = 0; i < sizeof(mtus) / sizeof(*mtus); i++)
        check(mtus[i], plain, other);
}

static const struct gn_box small = {"small", "10.77.0.4", 1500, false};
static const struct gn_box large = {"large", "10.77.0.4", 65520, true};

static void offloads_to_a_guest(void **state)
{
    (void)state;
    check_all(false, NULL);
}

static void offloads_to_small_offloads(void **state)
{
    (void)state;
    check_all(false, &small);
}

static void offloads_to_large_plain(void **state)
{
    (void)state;
    check_all(false, &large);
}

static void plain_to_a_guest(void **state)
{
    (void)state;
    check_all(true, NULL);
}

static void plain_to_small_offloads(void **state)
{
    (void)state;
    check_all(true, &small);
}

static void plain_to_large_plain(void **state)
{
    (void)state;
    check_all(true, &large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offloads_to_a_guest),
        cmocka_unit_test(offloads_to_small_offloads),
        cmocka_unit_test(offloads_to_large_plain),
        cmocka_unit_test(plain_to_a_guest),
        cmocka_unit_test(plain_to_small_offloads),
        cmocka_unit_test(plain_to_large_plain),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
