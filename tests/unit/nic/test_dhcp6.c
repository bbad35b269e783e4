/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guests/nic/dhcp6.h"
#include "netstack/netstack.h"

/* Of the server in the fixture. */
static const uint8_t server_duid[10] = {0, 3, 0, 1, 2, 0, 0, 0, 0, 1};

struct fixture {
    struct gn__dhcp6_lease lease;
    uint8_t msg[600];
    size_t len;
    struct gn__dhcp6 request;
    uint8_t answer[GN__DHCP6_MAX];
    size_t answer_len;
};

static struct gn__addr addr_of(const char *text)
{
    struct gn__addr addr;

    assert_int_equal(gn__addr_parse(text, &addr), 0);
    return addr;
}

static void add(struct fixture *f, uint16_t code, const void *data, size_t len)
{
    gn__put16(f->msg + f->len, code);
    gn__put16(f->msg + f->len + 2, (uint16_t)len);
    if (len)
        memcpy(f->msg + f->len + 4, data, len);
    f->len += 4 + len;
}

static void begin(struct fixture *f, uint8_t type)
{
    memset(f->msg, 0, sizeof(f->msg));
    f->msg[0] = type;
    f->msg[3] = 42;
    f->len = 4;
    add(f, 1, "\0\3\0\1abcdef", 10);
}

static void add_ia(struct fixture *f, uint8_t id, const char *addr)
{
    uint8_t ia[40] = {[3] = id};

    if (!addr) {
        add(f, 3, ia, 12);
        return;
    }
    gn__put16(ia + 12, 5);
    gn__put16(ia + 14, 24);
    memcpy(ia + 16, addr_of(addr).bytes, 16);
    add(f, 3, ia, sizeof(ia));
}

static int answer(struct fixture *f)
{
    assert_true(gn__dhcp6_parse(f->msg, f->len, &f->request));
    return (int)gn__dhcp6_answer(&f->request, &f->lease, f->answer,
                                 &f->answer_len);
}

static int find(const uint8_t *at, size_t len, uint16_t code,
                const uint8_t **data)
{
    while (len) {
        size_t size;

        assert_true(len >= 4);
        size = gn__get16(at + 2);
        assert_true(len - 4 >= size);
        if (gn__get16(at) == code) {
            *data = at + 4;
            return (int)size;
        }
        at += 4 + size;
        len -= 4 + size;
    }
    return -1;
}

static int option(const struct fixture *f, uint16_t code, const uint8_t **data)
{
    return find(f->answer + 4, f->answer_len - 4, code, data);
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    memcpy(f.lease.mac, server_duid + 4, 6);
    f.lease.addrs[0] = addr_of("fd77::2");
    f.lease.n_addrs = 1;
    f.lease.dns = addr_of("fd77::1");
    f.lease.domain = "lan";
    f.lease.valid_s = 7200;
    f.lease.preferred_s = 3600;
    *state = &f;
    return 0;
}

static void expect_leased(const struct fixture *f, const char *addr)
{
    const uint8_t *ia = NULL, *data = NULL;
    int len = option(f, 3, &ia);

    assert_true(len > 12);
    assert_int_equal(gn__get32(ia), 7);
    assert_int_equal(find(ia + 12, (size_t)len - 12, 5, &data), 24);
    assert_memory_equal(data, addr_of(addr).bytes, 16);
    assert_int_equal(gn__get32(data + 16), 3600);
    assert_int_equal(gn__get32(data + 20), 7200);
}

static void solicit_gets_an_advertisement(void **state)
{
    struct fixture *f = *state;
    const uint8_t *data = NULL;

    begin(f, GN__DHCP6_SOLICIT);
    add_ia(f, 7, NULL);
    assert_int_equal(answer(f), GN__DHCP6_ADVERTISE);
    assert_memory_equal(f->answer, "\2\0\0\52", 4);
    assert_int_equal(option(f, 2, &data), 10);
    assert_memory_equal(data, server_duid, 10);
    assert_int_equal(option(f, 1, &data), 10);
    assert_int_equal(option(f, 23, &data), 16);
    assert_int_equal(option(f, 24, &data), 5);
    expect_leased(f, "fd77::2");
}

static void rapid_commit_is_a_reply_at_once(void **state)
{
    struct fixture *f = *state;
    const uint8_t *data = NULL;

    begin(f, GN__DHCP6_SOLICIT);
    add_ia(f, 7, NULL);
    add(f, 14, NULL, 0);
    assert_int_equal(answer(f), GN__DHCP6_REPLY);
    assert_int_equal(option(f, 14, &data), 0);
}

static void request_and_renew_get_the_lease(void **state)
{
    static const uint8_t types[] = {GN__DHCP6_REQUEST, GN__DHCP6_RENEW};
    struct fixture *f = *state;
    size_t i;

    for (i = 0; i < sizeof(types); i++) {
        begin(f, types[i]);
        add(f, 2, server_duid, 10);
        add_ia(f, 7, "fd77::2");
        assert_int_equal(answer(f), GN__DHCP6_REPLY);
        expect_leased(f, "fd77::2");
    }
}

static void an_address_that_is_not_the_lease_has_no_time_left(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ia = NULL;
    int len;

    begin(f, GN__DHCP6_REBIND);
    add_ia(f, 7, "fd77::99");
    assert_int_equal(answer(f), GN__DHCP6_REPLY);
    expect_leased(f, "fd77::2");
    len = option(f, 3, &ia);
    assert_int_equal(len, 12 + 28 + 28);
    assert_memory_equal(ia + 12 + 28 + 4, addr_of("fd77::99").bytes, 16);
    assert_int_equal(gn__get32(ia + 12 + 28 + 24), 0);
}

static void confirm_says_whether_it_is_on_the_link(void **state)
{
    struct fixture *f = *state;
    const uint8_t *data = NULL;

    begin(f, GN__DHCP6_CONFIRM);
    add_ia(f, 7, "fd77::2");
    assert_int_equal(answer(f), GN__DHCP6_REPLY);
    assert_int_equal(option(f, 13, &data), 2);
    assert_int_equal(gn__get16(data), 0);
    begin(f, GN__DHCP6_CONFIRM);
    add_ia(f, 7, "fd88::2");
    assert_int_equal(answer(f), GN__DHCP6_REPLY);
    assert_int_equal(option(f, 13, &data), 2);
    assert_int_equal(gn__get16(data), 4);
}

static void information_needs_no_identifier(void **state)
{
    struct fixture *f = *state;
    const uint8_t *data = NULL;

    begin(f, GN__DHCP6_INFORMATION);
    f->len = 4;
    assert_int_equal(answer(f), GN__DHCP6_REPLY);
    assert_int_equal(option(f, 23, &data), 16);
    assert_int_equal(option(f, 3, &data), -1);
}

static void another_server_is_not_us(void **state)
{
    struct fixture *f = *state;

    begin(f, GN__DHCP6_REQUEST);
    add(f, 2, "\0\3\0\1zzzzzz", 10);
    add_ia(f, 7, NULL);
    assert_int_equal(answer(f), GN__DHCP6_NONE);
}

static void what_rfc_8415_wants_must_be_there(void **state)
{
    struct fixture *f = *state;

    begin(f, GN__DHCP6_REQUEST); /* names no server */
    assert_false(gn__dhcp6_parse(f->msg, f->len, &f->request));
    begin(f, GN__DHCP6_SOLICIT); /* names one */
    add(f, 2, server_duid, 10);
    assert_false(gn__dhcp6_parse(f->msg, f->len, &f->request));
    begin(f, GN__DHCP6_SOLICIT); /* two identifiers */
    add(f, 1, "x", 1);
    assert_false(gn__dhcp6_parse(f->msg, f->len, &f->request));
    begin(f, GN__DHCP6_REPLY);
    assert_false(gn__dhcp6_parse(f->msg, f->len, &f->request));
    begin(f, GN__DHCP6_SOLICIT);
    add_ia(f, 7, "fd77::2");
    f->msg[4 + 14 + 4 + 12 + 3] = 23; /* an address cut short */
    assert_false(gn__dhcp6_parse(f->msg, f->len, &f->request));
}

static void messages_cut_short_are_refused(void **state)
{
    struct fixture *f = *state;
    size_t len, n = 0;

    begin(f, GN__DHCP6_SOLICIT);
    add_ia(f, 7, "fd77::2");
    for (len = 0; len < f->len; len++)
        n += gn__dhcp6_parse(f->msg, len, &f->request);
    assert_int_equal(n, 1); /* behind the first option */
}

static void many_associations_stay_within_the_answer(void **state)
{
    struct fixture *f = *state;
    int i;

    f->lease.n_addrs = GN__DHCP6_ADDRS;
    for (i = 1; i < (int)GN__DHCP6_ADDRS; i++)
        f->lease.addrs[i] = addr_of("fd77::2");
    begin(f, GN__DHCP6_SOLICIT);
    for (i = 0; i < 9; i++)
        add_ia(f, (uint8_t)i, "fd77::99");
    assert_int_equal(answer(f), GN__DHCP6_ADVERTISE);
    assert_true(f->answer_len <= GN__DHCP6_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(solicit_gets_an_advertisement, setup),
        cmocka_unit_test_setup(rapid_commit_is_a_reply_at_once, setup),
        cmocka_unit_test_setup(request_and_renew_get_the_lease, setup),
        cmocka_unit_test_setup(
            an_address_that_is_not_the_lease_has_no_time_left, setup),
        cmocka_unit_test_setup(confirm_says_whether_it_is_on_the_link, setup),
        cmocka_unit_test_setup(information_needs_no_identifier, setup),
        cmocka_unit_test_setup(another_server_is_not_us, setup),
        cmocka_unit_test_setup(what_rfc_8415_wants_must_be_there, setup),
        cmocka_unit_test_setup(messages_cut_short_are_refused, setup),
        cmocka_unit_test_setup(many_associations_stay_within_the_answer, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
