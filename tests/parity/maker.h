/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PARITY_MAKER_H
#define TESTS_PARITY_MAKER_H

/*
 * The grammar of random rows: two to four sockets, what they accept, and steps
 * on them, most of which make sense. Where the world is two hosts on a link,
 * sockets are on either, and addresses those of the link, too. What needs a
 * network namespace of the kernel's own is left out where there is none.
 */
#include "tests/lib/seed.h"
#include "tests/parity/compare.h"
#include "tests/parity/shrink.h"

void row_make(struct gn_test_seed *seed, const struct world *world,
              struct row *row);

#endif /* TESTS_PARITY_MAKER_H */
