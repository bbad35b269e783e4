/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The shrinker, on differences that are made up: a row is different if certain
 * steps are in it, in their order. What is left must be these and nothing
 * else, wherever they stood.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/seed.h"
#include "tests/parity/shrink.h"

#define ROUNDS     200
#define CULPRITS   4
#define NOISE_SOCK 7 /* of no culprit */

static const struct step culprits[CULPRITS] = {
    OPEN(0, TCP), LISTEN(0, 5), CONNECT(1, LO, PORT_OF(0)), SEND(1, 5)};

struct law {
    unsigned n; /* so many culprits make a difference */
    unsigned asked;
};

static bool same(const struct step *a, const struct step *b)
{
    char text[2][160];

    step_format(a, text[0], sizeof(text[0]));
    step_format(b, text[1], sizeof(text[1]));
    return strcmp(text[0], text[1]) == 0;
}

static bool has_culprits(const struct row *row, size_t *step, void *arg)
{
    struct law *law = arg;
    unsigned met = 0;
    size_t i;

    law->asked++;
    for (i = 0; i < row->n && met < law->n; i++) {
        if (same(&row->steps[i], &culprits[met])) {
            met++;
            *step = i;
        }
    }
    assert_int_equal(row->steps[row->n].call, CALL_END);
    return met == law->n;
}

static struct step noise(struct gn_test_seed *seed)
{
    switch (gn_test_random_below(seed, 4)) {
    case 0:
        return (struct step)OPEN(NOISE_SOCK, UDP);
    case 1:
        return (struct step)SEND(NOISE_SOCK, 9);
    case 2:
        return (struct step)NAME(NOISE_SOCK);
    default:
        return (struct step)CLOSE(NOISE_SOCK);
    }
}

/* A row of @length steps with the culprits somewhere among them. */
static void make_row(struct gn_test_seed *seed, size_t length, unsigned n,
                     struct row *row)
{
    unsigned met = 0;

    memset(row, 0, sizeof(*row));
    while (row->n < length) {
        size_t left = length - row->n;

        if (met < n && gn_test_random_below(seed, left) < n - met)
            row->steps[row->n++] = culprits[met++];
        else
            row->steps[row->n++] = noise(seed);
    }
    row->steps[row->n] = (struct step){.call = CALL_END};
    assert_int_equal(met, n);
}

static void only_what_matters_is_left(void **state)
{
    struct gn_test_seed seed;
    unsigned round, i;
    struct row row;
    size_t step = 0;

    (void)state;
    gn_test_seed_init(&seed);
    for (round = 0; round < ROUNDS; round++) {
        struct law law = {.n = 1 + round % CULPRITS};
        size_t length =
            law.n + gn_test_random_below(&seed, ROW_MAX - law.n + 1);

        make_row(&seed, length, law.n, &row);
        assert_true(has_culprits(&row, &step, &law));
        row_shrink(&row, step, has_culprits, &law);
        assert_int_equal(row.n, law.n);
        for (i = 0; i < law.n; i++)
            assert_true(same(&row.steps[i], &culprits[i]));
        assert_int_equal(row.steps[row.n].call, CALL_END);
    }
}

/* One that differs by chance is shrunk no further than chance has it. */
static bool by_chance(const struct row *row, size_t *step, void *arg)
{
    *step = row->n - 1;
    return gn_test_random_below(arg, 2);
}

static void chance_comes_to_an_end(void **state)
{
    struct gn_test_seed seed;
    unsigned round;
    struct row row;

    (void)state;
    gn_test_seed_init(&seed);
    for (round = 0; round < ROUNDS; round++) {
        make_row(&seed, ROW_MAX, 1, &row);
        row_shrink(&row, ROW_MAX - 1, by_chance, &seed);
        assert_in_range(row.n, 0, ROW_MAX);
        assert_int_equal(row.steps[row.n].call, CALL_END);
    }
}

static void what_cannot_be_shrunk_stays(void **state)
{
    struct row row = {.steps = {OPEN(0, TCP), LISTEN(0, 5)}, .n = 2};
    struct law law = {.n = 2};

    (void)state;
    row_shrink(&row, 1, has_culprits, &law);
    assert_int_equal(row.n, 2);
    row_shrink(&row, 1, has_culprits, &law);
    assert_int_equal(row.n, 2);
}

/* What is printed can be pasted into a table. */
static void steps_print_as_their_macros(void **state)
{
#define PRINTED(step) \
    {                 \
        step, #step   \
    }
    static const struct {
        struct step step;
        const char *text;
    } printed[] = {
        PRINTED(OPEN(0, TCP6)),
        PRINTED(OPEN_BLOCKING(1, UDP)),
        PRINTED(BIND(0, LO_OTHER, NO_PORT)),
        PRINTED(CONNECT(2, MAPPED_LO, PORT_OF(1))),
        PRINTED(CONNECT(2, LO, CLOSED)),
        PRINTED(ACCEPT(0, 2)),
        PRINTED(SEND_FLAGS(1, 100, MSG_MORE)),
        PRINTED(SENDTO(1, 5, SHORT4, PORT_OF(0))),
        PRINTED(SENDMSG(1, 5, LO, PORT_OF(0), WITH_TTL)),
        PRINTED(RECV_FLAGS(1, 5, MSG_PEEK | MSG_TRUNC)),
        PRINTED(SET(1, IPPROTO_TCP, TCP_CORK, 1)),
        PRINTED(GET(1, SOL_SOCKET, SO_ERROR)),
        PRINTED(POLL(1, 5)),
        PRINTED(AVAILABLE(1)),
        PRINTED(MEANWHILE),
    };
    char text[160];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(printed) / sizeof(*printed); i++) {
        step_format(&printed[i].step, text, sizeof(text));
        assert_string_equal(text, printed[i].text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_matters_is_left),
        cmocka_unit_test(chance_comes_to_an_end),
        cmocka_unit_test(what_cannot_be_shrunk_stays),
        cmocka_unit_test(steps_print_as_their_macros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
