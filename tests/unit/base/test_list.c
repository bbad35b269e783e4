/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int value;
    struct gn__list link;
};

static struct item *item_of(struct gn__list *link)
{
    return gn__container_of(link, struct item, link);
}

static void expect(const struct gn__list *list, const char *digits)
{
    struct gn__list *it;

    gn__list_foreach (it, list)
        assert_int_equal(item_of(it)->value, *digits++ - '0');
    assert_int_equal(*digits, '\0');
}

static void keeps_order(void **state)
{
    struct gn__list list;
    struct item a = {.value = 1}, b = {.value = 2}, c = {.value = 3};

    (void)state;
    gn__list_init(&list);
    assert_true(gn__list_empty(&list));
    assert_null(gn__list_first(&list));
    assert_null(gn__list_pop(&list));
    gn__list_add_tail(&list, &b.link);
    gn__list_add_head(&list, &a.link);
    gn__list_add_tail(&list, &c.link);
    expect(&list, "123");
    assert_ptr_equal(gn__list_first(&list), &a.link);
    assert_ptr_equal(gn__list_last(&list), &c.link);
    assert_ptr_equal(gn__list_pop(&list), &a.link);
    expect(&list, "23");
}

static void deleting_twice_is_harmless(void **state)
{
    struct gn__list list;
    struct item a = {.value = 1}, b = {.value = 2};

    (void)state;
    gn__list_init(&list);
    gn__list_add_tail(&list, &a.link);
    gn__list_add_tail(&list, &b.link);
    gn__list_del(&a.link);
    assert_true(gn__list_empty(&a.link));
    gn__list_del(&a.link);
    expect(&list, "2");
}

static void splice_moves_all(void **state)
{
    struct gn__list to, from;
    struct item a = {.value = 1}, b = {.value = 2}, c = {.value = 3};

    (void)state;
    gn__list_init(&to);
    gn__list_init(&from);
    gn__list_splice(&to, &from);
    expect(&to, "");
    gn__list_add_tail(&from, &b.link);
    gn__list_add_tail(&from, &c.link);
    gn__list_splice(&to, &from);
    expect(&to, "23");
    expect(&from, "");
    gn__list_add_tail(&from, &a.link);
    gn__list_splice(&to, &from);
    expect(&to, "231");
}

static void safe_loop_survives_deletion(void **state)
{
    struct gn__list list, *it, *tmp;
    struct item items[9];

    (void)state;
    gn__list_init(&list);
    for (int i = 0; i < 9; i++) {
        items[i].value = i;
        gn__list_add_tail(&list, &items[i].link);
    }
    gn__list_foreach_safe (it, tmp, &list) {
        if (item_of(it)->value % 2)
            gn__list_del(it);
    }
    expect(&list, "02468");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order),
        cmocka_unit_test(deleting_twice_is_harmless),
        cmocka_unit_test(splice_moves_all),
        cmocka_unit_test(safe_loop_survives_deletion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
