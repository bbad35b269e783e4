/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plans of faults. What is read is written, and read again as the same; what is
 * not, is refused in one line that says where.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <guestnet/plan.h>

#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *format(const struct gn_plan *plan, size_t *len)
{
    ssize_t n = gn_plan_format(plan, NULL, 0);
    char *text;

    CHECK(n >= 0);
    text = malloc((size_t)n + 1);
    CHECK(text);
    CHECK(gn_plan_format(plan, text, (size_t)n + 1) == n);
    CHECK(strlen(text) == (size_t)n);
    *len = (size_t)n;
    return text;
}

static void check_same(const struct gn_plan *plan)
{
    size_t len, again_len;
    char *text = format(plan, &len), *again_text;
    struct gn_plan *again;
    char why[512];

    if (len <= GN_PLAN_TEXT_MAX) {
        CHECK(gn_plan_parse(text, len, why, sizeof(why), &again) == 0);
        again_text = format(again, &again_len);
        CHECK(len == again_len && !memcmp(text, again_text, len));
        free(again_text);
        gn_plan_close(again);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[512] = "";
    struct gn_plan *plan;
    int err = gn_plan_parse((const char *)data, size, why, sizeof(why), &plan);

    if (err) {
        CHECK(err == -EINVAL);
        CHECK(why[0] && !strchr(why, '\n'));
        CHECK(!strncmp(why, "line ", 5) || !strncmp(why, "a plan ", 7));
        return 0;
    }
    check_same(plan);
    gn_plan_close(plan);
    return 0;
}
