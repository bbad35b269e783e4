/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every option, set and read with values of every length: too short, a byte,
 * longer than needed, none at all.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/parity/compare.h"

#define PATIENCE_MS 2000
/* More differences than that are not printed. */
#define SHOWN_MAX 20

/* -1 stands for 0: step.h. */
static const int lengths[] = {-1, 1, 2, 3, 4, 5, 7, 8, 11, 12, 15, 16, 19, 20};
#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static struct world world;

/* Of one option, on a stream or on datagrams. */
static unsigned option_compare(int level, int name, enum kind kind,
                               enum variant variant)
{
    struct step steps[2 * N_LENGTHS + 2] = {OPEN(0, (uint8_t)kind)};
    struct difference difference;
    size_t i;

    for (i = 0; i < N_LENGTHS; i++) {
        steps[1 + 2 * i] = (struct step)SET_LEN(0, level, name, 1, lengths[i]);
        steps[2 + 2 * i] = (struct step)GET_LEN(0, level, name, lengths[i]);
    }
    if (world_lacks(&world, steps, variant) ||
        world_compare(&world, steps, variant, PATIENCE_MS, &difference))
        return 0;
    print_error("%s, %s: %s\n    kernel: %s\n    guest:  %s\n",
                kind == TCP ? "TCP" : "UDP", variant_names[variant],
                difference.what, difference.kernel, difference.guest);
    return 1;
}

static void options_take_what_the_kernels_take(void **state)
{
    unsigned different = 0;
    enum variant variant;
    int level, name;
    size_t i;

    (void)state;
    (void)signal(SIGSEGV, SIG_DFL); /* cmocka would go on, with locks held. */
    (void)signal(SIGABRT, SIG_DFL);
    for (i = 0; step_option(i, &level, &name) && different < SHOWN_MAX; i++) {
        for (variant = V4; variant <= V6; variant++) {
            different += option_compare(level, name, TCP, variant);
            different += option_compare(level, name, UDP, variant);
        }
    }
    print_message("%lu calls compared\n", world.calls);
    assert_int_equal(different, 0);
}

static int setup(void **state)
{
    (void)state;
    print_message("%s\n", gn_version_string());
    return world_open(&world);
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_take_what_the_kernels_take),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
