/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guests/nic/dhcp4.h"
#include "netstack/netstack.h"

enum { OPTIONS = 240 };

struct fixture {
    struct gn__dhcp4_lease lease;
    uint8_t msg[576];
    size_t len;
    struct gn__dhcp4 request;
    uint8_t answer[GN__DHCP4_MAX];
    size_t answer_len;
};

static struct gn__addr addr_of(const char *text)
{
    struct gn__addr addr;

    assert_int_equal(gn__addr_parse(text, &addr), 0);
    return addr;
}

static void begin(struct fixture *f, uint8_t type)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

    memset(f->msg, 0, sizeof(f->msg));
    f->msg[0] = 1;
    f->msg[1] = 1;
    f->msg[2] = 6;
    gn__put32(f->msg + 4, 0x12345678);
    memcpy(f->msg + 28, mac, sizeof(mac));
    gn__put32(f->msg + 236, 0x63825363);
    f->msg[OPTIONS] = 53;
    f->msg[OPTIONS + 1] = 1;
    f->msg[OPTIONS + 2] = type;
    f->len = OPTIONS + 3;
}

static void add(struct fixture *f, uint8_t code, const void *data, size_t len)
{
    f->msg[f->len] = code;
    f->msg[f->len + 1] = (uint8_t)len;
    if (len)
        memcpy(f->msg + f->len + 2, data, len);
    f->len += 2 + len;
}

static void add_addr(struct fixture *f, uint8_t code, const char *text)
{
    struct gn__addr addr = addr_of(text);

    add(f, code, addr.bytes + 12, 4);
}

static int answer(struct fixture *f)
{
    f->msg[f->len++] = 255;
    assert_true(gn__dhcp4_parse(f->msg, f->len, &f->request));
    return (int)gn__dhcp4_answer(&f->request, &f->lease, f->answer,
                                 &f->answer_len);
}

/* An option of the answer; its length, or -1. */
static int option(const struct fixture *f, uint8_t code, const uint8_t **data)
{
    size_t at = OPTIONS;

    while (f->answer[at] != 255) {
        assert_true(at + 2u + f->answer[at + 1] < f->answer_len);
        if (f->answer[at] == code) {
            *data = f->answer + at + 2;
            return f->answer[at + 1];
        }
        at += 2u + f->answer[at + 1];
    }
    return -1;
}

static void expect_option(const struct fixture *f, uint8_t code,
                          const void *want, int len)
{
    const uint8_t *data;

    assert_int_equal(option(f, code, &data), len);
    assert_memory_equal(data, want, (size_t)len);
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    f.lease.addr = addr_of("10.77.0.2");
    f.lease.gateway = f.lease.dns = addr_of("10.77.0.1");
    f.lease.domain = "lan";
    f.lease.host_name = "web";
    f.lease.mtu = 1500;
    f.lease.lease_s = 3600;
    assert_int_equal(gn__prefix_parse("10.77.0.0/24", &f.lease.prefix, NULL, 0),
                     0);
    *state = &f;
    return 0;
}

static void discover_gets_an_offer_of_all_there_is(void **state)
{
    struct fixture *f = *state;

    begin(f, GN__DHCP4_DISCOVER);
    assert_int_equal(answer(f), GN__DHCP4_OFFER);
    assert_true(f->answer_len >= 300);
    assert_int_equal(gn__get32(f->answer + 4), 0x12345678);
    assert_memory_equal(f->answer + 16, "\x0a\x4d\x00\x02", 4);
    assert_memory_equal(f->answer + 28, "\x52\x54\x00\x12\x34\x56", 6);
    expect_option(f, 53, "\2", 1);
    expect_option(f, 54, "\x0a\x4d\x00\x01", 4);
    expect_option(f, 51, "\x00\x00\x0e\x10", 4);
    expect_option(f, 58, "\x00\x00\x07\x08", 4);
    expect_option(f, 59, "\x00\x00\x0c\x4e", 4);
    expect_option(f, 1, "\xff\xff\xff\x00", 4);
    expect_option(f, 28, "\x0a\x4d\x00\xff", 4);
    expect_option(f, 3, "\x0a\x4d\x00\x01", 4);
    expect_option(f, 6, "\x0a\x4d\x00\x01", 4);
    expect_option(f, 121, "\x00\x0a\x4d\x00\x01", 5);
    expect_option(f, 26, "\x05\xdc", 2);
    expect_option(f, 12, "web", 3);
    expect_option(f, 15, "lan", 3);
    expect_option(f, 119, "\3lan", 5);
}

static void request_of_the_lease_is_acknowledged(void **state)
{
    struct fixture *f = *state;

    begin(f, GN__DHCP4_REQUEST);
    add_addr(f, 50, "10.77.0.2");
    add_addr(f, 54, "10.77.0.1");
    add(f, 61, "\1abcdef", 7);
    assert_int_equal(answer(f), GN__DHCP4_ACK);
    expect_option(f, 61, "\1abcdef", 7);
}

static void another_address_is_refused_by_name(void **state)
{
    struct fixture *f = *state;

    begin(f, GN__DHCP4_REQUEST);
    add_addr(f, 50, "10.77.0.9");
    assert_int_equal(answer(f), GN__DHCP4_NAK);
    expect_option(f, 54, "\x0a\x4d\x00\x01", 4);
    assert_memory_equal(f->answer + 16, "\0\0\0\0", 4);
    assert_true(gn__dhcp4_is_broadcast(&f->request, GN__DHCP4_NAK));
}

static void renewing_names_the_address_as_its_own(void **state)
{
    struct fixture *f = *state;
    struct gn__addr own = addr_of("10.77.0.2");

    begin(f, GN__DHCP4_REQUEST);
    memcpy(f->msg + 12, own.bytes + 12, 4);
    assert_int_equal(answer(f), GN__DHCP4_ACK);
    assert_false(gn__dhcp4_is_broadcast(&f->request, GN__DHCP4_ACK));
    begin(f, GN__DHCP4_REQUEST);
    own = addr_of("192.168.0.7");
    memcpy(f->msg + 12, own.bytes + 12, 4);
    assert_int_equal(answer(f), GN__DHCP4_NAK);
}

static void a_client_that_chose_another_server_hears_nothing(void **state)
{
    struct fixture *f = *state;

    begin(f, GN__DHCP4_REQUEST);
    add_addr(f, 50, "10.77.0.2");
    add_addr(f, 54, "10.77.0.7");
    assert_int_equal(answer(f), GN__DHCP4_NONE);
    begin(f, GN__DHCP4_RELEASE);
    assert_int_equal(answer(f), GN__DHCP4_NONE);
    begin(f, 13);
    assert_int_equal(answer(f), GN__DHCP4_NONE);
}

static void inform_gets_settings_and_no_lease(void **state)
{
    struct fixture *f = *state;
    struct gn__addr own = addr_of("10.77.0.2");
    const uint8_t *data;

    begin(f, GN__DHCP4_INFORM);
    memcpy(f->msg + 12, own.bytes + 12, 4);
    assert_int_equal(answer(f), GN__DHCP4_ACK);
    assert_int_equal(option(f, 51, &data), -1);
    assert_int_equal(option(f, 6, &data), 4);
    assert_memory_equal(f->answer + 16, "\0\0\0\0", 4);
}

static void rapid_commit_saves_a_round(void **state)
{
    struct fixture *f = *state;
    const uint8_t *data;

    begin(f, GN__DHCP4_DISCOVER);
    add(f, 80, NULL, 0);
    assert_int_equal(answer(f), GN__DHCP4_ACK);
    assert_int_equal(option(f, 80, &data), 0);
}

static void the_broadcast_flag_is_obeyed(void **state)
{
    struct fixture *f = *state;

    begin(f, GN__DHCP4_DISCOVER);
    assert_int_equal(answer(f), GN__DHCP4_OFFER);
    assert_false(gn__dhcp4_is_broadcast(&f->request, GN__DHCP4_OFFER));
    begin(f, GN__DHCP4_DISCOVER);
    f->msg[10] = 0x80;
    assert_int_equal(answer(f), GN__DHCP4_OFFER);
    assert_true(gn__dhcp4_is_broadcast(&f->request, GN__DHCP4_OFFER));
    assert_int_equal(f->answer[10], 0x80);
}

static void without_an_address_there_is_no_offer(void **state)
{
    struct fixture *f = *state;

    f->lease.addr = gn__addr_any(AF_INET);
    begin(f, GN__DHCP4_DISCOVER);
    assert_int_equal(answer(f), GN__DHCP4_NONE);
    begin(f, GN__DHCP4_REQUEST);
    add_addr(f, 50, "10.77.0.2");
    add_addr(f, 54, "10.77.0.1");
    assert_int_equal(answer(f), GN__DHCP4_NAK);
}

/* RFC 2131 section 4.3.2: silence, in INIT-REBOOT and when it renews. */
static void a_client_that_is_not_known_hears_nothing(void **state)
{
    struct fixture *f = *state;
    struct gn__addr own = addr_of("10.77.0.2");

    f->lease.addr = gn__addr_any(AF_INET);
    begin(f, GN__DHCP4_REQUEST);
    add_addr(f, 50, "10.77.0.2");
    assert_int_equal(answer(f), GN__DHCP4_NONE);
    begin(f, GN__DHCP4_REQUEST);
    memcpy(f->msg + 12, own.bytes + 12, 4);
    assert_int_equal(answer(f), GN__DHCP4_NONE);
}

static void an_answer_is_as_long_as_the_client_takes(void **state)
{
    static char domain[254];
    struct fixture *f = *state;
    uint8_t id[255];
    size_t i;

    memset(id, 7, sizeof(id));
    for (i = 0; i < 253; i++)
        domain[i] = i % 60 == 59 ? '.' : 'a';
    f->lease.domain = domain;
    begin(f, GN__DHCP4_DISCOVER);
    add(f, 61, id, 255);
    assert_int_equal(answer(f), GN__DHCP4_OFFER);
    assert_true(f->answer_len <= 548);
    begin(f, GN__DHCP4_DISCOVER);
    add(f, 57, "\x05\xc0", 2);
    add(f, 61, id, 255);
    assert_int_equal(answer(f), GN__DHCP4_OFFER);
    assert_true(f->answer_len > 700 && f->answer_len <= 1472);
}

static void a_host_name_is_one_label(void **state)
{
    static const struct {
        const char *said, *want;
    } names[] = {{"web1", "web1"}, {"web.example.org", "web"},
                 {"-x", ""},       {"x-", ""},
                 {"a b", ""},      {"\xc3\xa4", ""}};
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        begin(f, GN__DHCP4_DISCOVER);
        add(f, 12, names[i].said, strlen(names[i].said));
        assert_int_equal(answer(f), GN__DHCP4_OFFER);
        assert_string_equal(f->request.host_name, names[i].want);
    }
}

static void what_is_no_request_is_not_read(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{0, 2}, {1, 6}, {2, 16}, {28, 0x53}, {236, 0}, {241, 200}};
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        begin(f, GN__DHCP4_DISCOVER);
        f->msg[wrong[i].at] = wrong[i].value;
        assert_false(gn__dhcp4_parse(f->msg, f->len, &f->request));
    }
    begin(f, GN__DHCP4_DISCOVER);
    for (i = 0; i < 240; i++)
        assert_false(gn__dhcp4_parse(f->msg, i, &f->request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(discover_gets_an_offer_of_all_there_is, setup),
        cmocka_unit_test_setup(request_of_the_lease_is_acknowledged, setup),
        cmocka_unit_test_setup(another_address_is_refused_by_name, setup),
        cmocka_unit_test_setup(renewing_names_the_address_as_its_own, setup),
        cmocka_unit_test_setup(a_client_that_chose_another_server_hears_nothing,
                               setup),
        cmocka_unit_test_setup(inform_gets_settings_and_no_lease, setup),
        cmocka_unit_test_setup(rapid_commit_saves_a_round, setup),
        cmocka_unit_test_setup(the_broadcast_flag_is_obeyed, setup),
        cmocka_unit_test_setup(without_an_address_there_is_no_offer, setup),
        cmocka_unit_test_setup(a_client_that_is_not_known_hears_nothing, setup),
        cmocka_unit_test_setup(an_answer_is_as_long_as_the_client_takes, setup),
        cmocka_unit_test_setup(a_host_name_is_one_label, setup),
        cmocka_unit_test_setup(what_is_no_request_is_not_read, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
