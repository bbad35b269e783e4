/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TAP devices in network namespaces of the kernel's, as containers have them:
 * the test's own thread is the container, the network's thread stays outside.
 */
#include <guestnet/guestnet.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/box.h"
#include "tests/lib/program.h"
#include "tests/lib/pubnet.h"

struct fixture {
    struct pubnet *p;
    struct pubnet_server echo;
    struct gn_nic *nic;
};

static struct fixture f;

static struct gn_nic *card_open(uint32_t mtu)
{
    const struct gn_box box = {"box", "10.77.0.3", mtu, false};

    return gn_box_card(f.p->net, &box);
}

static int setup(void **state)
{
    gn_box_need();
    if (!gn_program_is_there("ping"))
        exit(77);
    pubnet_setup_for_load((void **)&f.p);
    pubnet_serve(&f.echo, f.p->web, "10.77.0.2:7", pubnet_echo, NULL);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    void *p = f.p;

    (void)state;
    pubnet_serve_end(&f.echo);
    pubnet_teardown(&p);
    return 0;
}

/* Each case in a namespace of its own: devices go with it. */
static int fresh(void **state)
{
    (void)state;
    gn_box_enter();
    return 0;
}

/* ---- cases ---- */

static void a_container_pings_and_is_pinged(void **state)
{
    struct gn_nic *nic = card_open(1500);

    (void)state;
    (void)gn_program_run(NULL, 0, "ping -c 2 -W 20 10.77.0.1");
    (void)gn_program_run(NULL, 0, "ping -c 2 -W 20 -s 5000 10.77.0.2");
    gn_nic_close(nic, NULL, NULL);
}

static void a_lease_configures_it(void **state)
{
    struct gn_nic_config config = {.size = sizeof(config), .name = "box"};
    char out[2000];
    struct gn_nic *nic;

    (void)state;
    gn_program_need("busybox");
    assert_int_equal(gn_nic_tap(f.p->net, &config, "eth0", -1, &nic), 0);
    (void)gn_program_run(out, sizeof(out),
                         "ip link set eth0 up && "
                         "busybox udhcpc -i eth0 -f -q -n -s /bin/true 2>&1");
    assert_non_null(strstr(out, "lease of 10.77.0.3 obtained"));
    gn_nic_close(nic, NULL, NULL);
}

static void segments_enter_and_leave_whole(void **state)
{
    struct gn_nic *nic = card_open(1500);
    struct gn_nic_stats stats;

    (void)state;
    gn_box_bulk("10.77.0.2");
    gn_nic_stats(nic, &stats);
    /* A frame for each segment would be 7,000. */
    assert_true(stats.frames_in < 5000);
    assert_true(stats.frames_out < 5000);
    gn_nic_close(nic, NULL, NULL);
}

static void a_device_that_is_deleted_is_noticed(void **state)
{
    struct gn_nic *nic = card_open(1500);
    struct gn_nic_stats stats;

    (void)state;
    (void)gn_program_run(NULL, 0, "ip link del eth0");
    gn_nic_stats(nic, &stats);
    gn_test_until((gn_nic_stats(nic, &stats), !stats.carrier));
    gn_nic_close(nic, NULL, NULL);
}

static void what_is_no_tap_is_refused_in_one_line(void **state)
{
    char why[200] = "";
    struct gn_nic_config config = {
        .size = sizeof(config), .why = why, .why_len = sizeof(why)};
    struct gn_nic *nic;
    int fd = open("/dev/null", O_RDWR);

    (void)state;
    assert_int_equal(gn_nic_tap(f.p->net, &config, NULL, fd, &nic), -EINVAL);
    assert_non_null(strstr(why, "it is no TAP"));
    assert_int_equal(gn_nic_tap(f.p->net, &config, "eth0", fd, &nic), -EINVAL);
    assert_int_equal(close(fd), 0);
    assert_int_equal(
        gn_nic_tap(f.p->net, &config, "a-name-that-is-too-long", -1, &nic),
        -EINVAL);
    assert_non_null(strstr(why, "a device has 1 to 15 bytes"));
}

#define CASE(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_container_pings_and_is_pinged),
        CASE(a_lease_configures_it),
        CASE(segments_enter_and_leave_whole),
        CASE(a_device_that_is_deleted_is_noticed),
        CASE(what_is_no_tap_is_refused_in_one_line),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
