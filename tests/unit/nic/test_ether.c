/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guests/nic/arp.h"
#include "guests/nic/ether.h"

static struct gn__addr addr_of(const char *text)
{
    struct gn__addr addr;

    assert_int_equal(gn__addr_parse(text, &addr), 0);
    return addr;
}

/* ---- Ethernet ---- */

static void a_header_is_read_as_it_was_written(void **state)
{
    struct gn__ether in = {.dst = {2, 1, 2, 3, 4, 5},
                           .src = {2, 9, 8, 7, 6, 5},
                           .type = GN__ETHER_IP6};
    struct gn__ether out;
    uint8_t bytes[GN__ETHER_HDR_LEN];

    (void)state;
    gn__ether_build(&in, bytes);
    assert_true(gn__ether_parse(bytes, sizeof(bytes), &out));
    assert_memory_equal(&in, &out, sizeof(in));
    assert_false(gn__ether_parse(bytes, sizeof(bytes) - 1, &out));
}

static void a_group_or_nothing_is_no_source(void **state)
{
    uint8_t bytes[GN__ETHER_HDR_LEN] = {[6] = 2};
    struct gn__ether out;

    (void)state;
    assert_true(gn__ether_parse(bytes, sizeof(bytes), &out));
    bytes[6] = 3;
    assert_false(gn__ether_parse(bytes, sizeof(bytes), &out));
    bytes[6] = 0;
    assert_false(gn__ether_parse(bytes, sizeof(bytes), &out));
}

static void check_group(const char *text, const char *mac)
{
    struct gn__addr addr = addr_of(text);
    uint8_t out[GN__MAC_LEN];

    assert_true(gn__ether_group(&addr, out));
    assert_memory_equal(out, mac, GN__MAC_LEN);
}

static void groups_have_the_addresses_of_rfc_1112_and_2464(void **state)
{
    struct gn__addr host = addr_of("10.0.0.255");
    uint8_t out[GN__MAC_LEN];

    (void)state;
    check_group("224.0.0.251", "\x01\x00\x5e\x00\x00\xfb");
    check_group("239.129.2.3", "\x01\x00\x5e\x01\x02\x03");
    check_group("ff02::1:ff28:9c5a", "\x33\x33\xff\x28\x9c\x5a");
    check_group("255.255.255.255", "\xff\xff\xff\xff\xff\xff");
    assert_false(gn__ether_group(&host, out));
}

/* ---- ARP ---- */

/* "Who has 10.77.0.1? Tell 10.77.0.2", as Linux asks. */
static const uint8_t arp_request[GN__ARP_LEN] = {
    0,  1,  8, 0, 6, 4, 0, 1, 0x52, 0x54, 0,  0x12, 0x34, 0x56,
    10, 77, 0, 2, 0, 0, 0, 0, 0,    0,    10, 77,   0,    1};

static void a_request_is_read_and_written(void **state)
{
    struct gn__addr sender = addr_of("10.77.0.2"),
                    target = addr_of("10.77.0.1");
    uint8_t bytes[GN__ARP_LEN];
    struct gn__arp arp;

    (void)state;
    assert_true(gn__arp_parse(arp_request, sizeof(arp_request), &arp));
    assert_int_equal(arp.op, GN__ARP_REQUEST);
    assert_memory_equal(arp.sender_mac, "\x52\x54\x00\x12\x34\x56", 6);
    assert_memory_equal(&arp.sender, &sender, sizeof(sender));
    assert_memory_equal(&arp.target, &target, sizeof(target));
    gn__arp_build(&arp, bytes);
    assert_memory_equal(bytes, arp_request, sizeof(bytes));
}

static void one_byte_wrong_is_no_arp(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{1, 6}, {2, 0x86}, {4, 8},    {5, 16},  {7, 0},
                 {7, 3}, {7, 8},    {8, 0x53}, {14, 224}};
    uint8_t bytes[GN__ARP_LEN];
    struct gn__arp arp;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        memcpy(bytes, arp_request, sizeof(bytes));
        bytes[wrong[i].at] = wrong[i].value;
        assert_false(gn__arp_parse(bytes, sizeof(bytes), &arp));
    }
    assert_false(gn__arp_parse(arp_request, GN__ARP_LEN - 1, &arp));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read_as_it_was_written),
        cmocka_unit_test(a_group_or_nothing_is_no_source),
        cmocka_unit_test(groups_have_the_addresses_of_rfc_1112_and_2464),
        cmocka_unit_test(a_request_is_read_and_written),
        cmocka_unit_test(one_byte_wrong_is_no_arp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
