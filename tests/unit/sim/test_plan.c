/* SPDX-License-Identifier: BSD-3-Clause */

/* Plans as text: what is read, what is written, and what is said of
 * mistakes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <guestnet/plan.h>

static char why[512];

static int parse(const char *text, struct gn_plan **out)
{
    why[0] = '\0';
    return gn_plan_parse(text, strlen(text), why, sizeof(why), out);
}

/* Read and written again. */
static void becomes(const char *text, const char *wanted)
{
    struct gn_plan *plan;
    char buf[1024];

    if (parse(text, &plan))
        fail_msg("%s: %s", text, why);
    assert_int_equal(gn_plan_format(plan, buf, sizeof(buf)),
                     (ssize_t)strlen(wanted));
    assert_string_equal(buf, wanted);
    gn_plan_close(plan);
}

static void same(const char *text)
{
    becomes(text, text);
}

static void says(const char *text, const char *wanted)
{
    struct gn_plan *plan;

    assert_int_equal(parse(text, &plan), -EINVAL);
    assert_string_equal(why, wanted);
}

static void each_verb_is_read_and_written(void **state)
{
    (void)state;
    same("at 2500ms crash n1 for 4s\n");
    same("at 0ns start n9\n");
    same("at 5s pause * for 1s\n");
    same("at 5s crash n1 n2 n3 for 1s\n");
    same("at 5s stop n2 for 1s\n");
    same("at 3s partition n0 n1 | n2 n3 | n4 for 10s\n");
    same("at 3s partition n0 > * for 500ms\n");
    same("at 6s clock n3 offset +2s drift -200ppm\n");
    same("at 7s link n1 latency 80ms jitter 20us rate 1mbit queue 64KiB loss 5%"
         " reorder 1ppm duplicate 1% corrupt 10ppm down for 3s\n");
    same("at 7s path n1 n2 latency 1ms loss 30% block hold for 3s\n");
    same("at 8s dns n1 servfail delay 10ms chance 50% name *.test for 2s\n");
    same("at 9s limit n1 sockets 8 connections 9 lookups 1 buffered 1MiB disk"
         " 1500B for 2s\n");
}

static void one_form_of_what_is_the_same_is_written(void **state)
{
    (void)state;
    becomes("\n  # a plan\n\tat 2.5s   crash n1 for 60s# twice\r\n\n",
            "at 2500ms crash n1 for 1min\n");
}

static void sides_need_no_blanks(void **state)
{
    (void)state;
    becomes("at 1s partition a b|c", "at 1s partition a b | c\n");
    becomes("at 1s partition a>c", "at 1s partition a > c\n");
}

static void mistakes_have_a_line_a_column_and_a_remedy(void **state)
{
    (void)state;
    says("at 1s crsh n1",
         "line 1, column 7: \"crsh\": here goes crash, start, pause, stop, "
         "partition, clock, link, path, dns or limit");
    says("\nat 10 crash n1",
         "line 2, column 4: \"10\": here goes a time as 10ms or 2.5s");
    says("crash n1",
         "line 1, column 1: \"crash\": here goes \"at\" and a time");
    says("at 1s crash", "line 1, column 12: the line ends; here goes machines");
    says("at 1s crash n_1", "line 1, column 13: \"n_1\": here goes machines");
    says("at 1s crash n1 for",
         "line 1, column 19: the line ends; here goes a time as 10ms or 2.5s");
    says("at 1s crash n1 for 0s",
         "line 1, column 20: \"0s\": not between 1ns and 14400000min");
    says("at 1s crash n1 n1", "line 1, column 16: \"n1\" is there twice");
    says("at 1s crash n1 for 1s n2",
         "line 1, column 23: \"n2\": here goes nothing more");
    says("at 1s start n1 for 2s",
         "line 1, column 16: \"start\" has no \"for\"");
    says("at 1s partition a b for 1s",
         "line 1, column 21: \"for\": here goes machines, then | or >, then "
         "others");
    says("at 1s partition a | a", "line 1, column 21: \"a\" is there twice");
    says("at 1s partition * | *", "line 1, column 21: \"*\" is there twice");
    says("at 1s partition a | | b",
         "line 1, column 21: \"|\": here goes a machine of this side");
    says("at 1s partition a | b > c",
         "line 1, column 23: \">\" parts two sides, and no more");
    says("at 1s path n1 *",
         "line 1, column 15: \"*\": each machine of a path has to be named");
    says("at 1s link n1",
         "line 1, column 14: the line ends; here goes latency, jitter, rate, "
         "queue, loss, reorder, duplicate, corrupt, down");
    says(
        "at 1s dns n1 name a\001b",
        "line 1, column 19: \"a?b\": here goes a name, or a pattern as *.test");
    says("at 1s link n1 loss 101%",
         "line 1, column 20: \"101%\": not between 0ppm and 100%");
    says("at 1s link n1 loss 5% loss 6%",
         "line 1, column 23: \"loss\" is there twice");
    says(
        "at 1s link n1 delay 5ms",
        "line 1, column 15: \"delay\": here goes latency, jitter, rate, queue, "
        "loss, reorder, duplicate, corrupt, down");
    says(
        "at 1.0000000001s crash n1",
        "line 1, column 4: \"1.0000000001s\": here goes a time as 10ms or 2.5s");
    says(
        "at 99999999999999999999s crash n1",
        "line 1, column 4: \"99999999999999999999s\": here goes a time as 10ms or 2.5s");
}

/* Where zero would be the default it is no fault; elsewhere it is one. */
static void zero_is_refused_where_it_says_nothing(void **state)
{
    struct gn_plan *plan;

    (void)state;
    says("at 1s limit n1 sockets 0",
         "line 1, column 24: \"0\": not between 1 and 10000000");
    says("at 1s limit n1 buffered 0B",
         "line 1, column 25: \"0B\": not between 1B and 1024MiB");
    says("at 1s dns n1 servfail chance 0%",
         "line 1, column 30: \"0%\": not between 1ppm and 100%");
    assert_int_equal(parse("at 1s limit n1 disk 0B", &plan), 0);
    gn_plan_close(plan);
    assert_int_equal(parse("at 1s link n1 loss 0%", &plan), 0);
    gn_plan_close(plan);
}

static void a_text_has_a_limit(void **state)
{
    static char text[GN_PLAN_TEXT_MAX + 1];
    struct gn_plan *plan;

    (void)state;
    memset(text, '\n', sizeof(text));
    assert_int_equal(gn_plan_parse(text, sizeof(text), why, sizeof(why), &plan),
                     -EINVAL);
    assert_string_equal(why, "a plan of 1048577 bytes: at most 1048576 may be");
    assert_int_equal(
        gn_plan_parse(text, sizeof(text) - 1, why, sizeof(why), &plan), 0);
    gn_plan_close(plan);
}

static void a_plan_has_so_many_faults(void **state)
{
    static const char line[16] = {'a', 't', ' ', '1', 's', ' ', 'c', 'r',
                                  'a', 's', 'h', ' ', 'n', '1', ' ', '\n'};
    static char text[GN_PLAN_FAULTS_MAX * 16 + 16];
    struct gn_plan *plan;
    size_t i;

    (void)state;
    for (i = 0; i <= GN_PLAN_FAULTS_MAX; i++)
        memcpy(text + 16 * i, line, 16);
    assert_int_equal(gn_plan_parse(text, sizeof(text), why, sizeof(why), &plan),
                     -EINVAL);
    assert_string_equal(why, "line 16385, column 1: more than 16384 faults");
}

static void what_does_not_fit_is_counted(void **state)
{
    struct gn_plan *plan;
    char buf[8];

    (void)state;
    assert_int_equal(parse("at 1s crash n1", &plan), 0);
    assert_int_equal(gn_plan_format(plan, NULL, 0), 15);
    assert_int_equal(gn_plan_format(plan, buf, sizeof(buf)), 15);
    assert_string_equal(buf, "at 1s c");
    gn_plan_close(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verb_is_read_and_written),
        cmocka_unit_test(one_form_of_what_is_the_same_is_written),
        cmocka_unit_test(sides_need_no_blanks),
        cmocka_unit_test(mistakes_have_a_line_a_column_and_a_remedy),
        cmocka_unit_test(zero_is_refused_where_it_says_nothing),
        cmocka_unit_test(a_text_has_a_limit),
        cmocka_unit_test(a_plan_has_so_many_faults),
        cmocka_unit_test(what_does_not_fit_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
