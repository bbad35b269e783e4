/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every option, set and read with values of every length: too short, a byte,
 * longer than needed, none at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/parity/run.h"

#define PATIENCE_MS 2000
/* More differences than that are not printed. */
#define SHOWN_MAX 20

/* -1 stands for 0: step.h. */
static const int lengths[] = {-1, 1, 2, 3, 4, 5, 7, 8, 11, 12, 15, 16, 19, 20};
#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

/* Of one option, on a stream or on datagrams. */
static unsigned option_compare(int level, int name, enum kind kind,
                               enum variant variant)
{
    struct step steps[2 * N_LENGTHS + 2] = {OPEN(0, (uint8_t)kind)};
    struct difference difference;
    const char *lack;
    size_t i;

    for (i = 0; i < N_LENGTHS; i++) {
        steps[1 + 2 * i] = (struct step)SET_LEN(0, level, name, 1, lengths[i]);
        steps[2 + 2 * i] = (struct step)GET_LEN(0, level, name, lengths[i]);
    }
    lack = world_lacks(&world, steps, variant);
    if (lack)
        parity_skip(variant_names[variant], lack);
    if (lack || world_compare(&world, steps, variant, PATIENCE_MS, &difference))
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
    parity_begin();
    for (i = 0; step_option(i, &level, &name) && different < SHOWN_MAX; i++) {
        for (variant = V4; variant <= V6; variant++) {
            different += option_compare(level, name, TCP, variant);
            different += option_compare(level, name, UDP, variant);
        }
    }
    assert_int_equal(different, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_take_what_the_kernels_take),
    };

    return parity_run("lengths", tests, sizeof(tests) / sizeof(*tests));
}
